//! What is sent to Route 53: change batches, rendered and read back.
//!
//! Spec: <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html>

use serde::Serialize;

use super::response::record_set;
use super::xml::{self, Cursor};
use crate::dns::RecordSet;
use crate::template;

/// What the zone's change history shows.
const COMMENT: &str = "pin53";

/// One change of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Refused by the service unless exactly this set is there.
    Delete(RecordSet),
    /// Refused by the service when a set of that name and type is there.
    Create(RecordSet),
}

/// A batch can't be put into words.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    #[error("a change of {0} can't be rendered: only sets of values without routing can")]
    Form(String),
    #[error("the change batch can't be rendered")]
    Template(#[source] template::Error),
    #[error("the rendered change batch can't be read back")]
    ReadBack(#[source] xml::Error),
    #[error("the rendered change batch says something else than was planned")]
    Differs,
}

impl Change {
    #[must_use]
    pub fn record_set(&self) -> &RecordSet {
        match self {
            Self::Delete(set) | Self::Create(set) => set,
        }
    }
}

#[derive(Serialize)]
struct Batch<'a> {
    comment: &'static str,
    changes: Vec<Item<'a>>,
}

#[derive(Serialize)]
struct Item<'a> {
    action: &'static str,
    name: String,
    r#type: &'static str,
    ttl: u32,
    values: &'a [String],
}

/// The body that asks for `changes`, in their order, proven by reading it back.
///
/// # Errors
/// When a set is of a form that isn't written, or the rendering doesn't say what was meant.
pub fn render(changes: &[Change]) -> Result<String, RenderError> {
    let mut items = Vec::with_capacity(changes.len());
    for change in changes {
        let set = change.record_set();
        let (ttl, values) = set.as_simple().ok_or_else(|| RenderError::Form(set.key().to_string()))?;
        let action = match change {
            Change::Delete(_) => "DELETE",
            Change::Create(_) => "CREATE",
        };
        items.push(Item {
            action,
            name: set.name.to_route53(),
            r#type: set.rtype.as_str(),
            ttl: ttl.seconds(),
            values,
        });
    }
    let batch = Batch { comment: COMMENT, changes: items };
    let body = template::CHANGE_RESOURCE_RECORD_SETS.render(batch).map_err(RenderError::Template)?;
    if read(body.as_bytes()).map_err(RenderError::ReadBack)? == changes {
        Ok(body)
    } else {
        Err(RenderError::Differs)
    }
}

fn read(body: &[u8]) -> Result<Vec<Change>, xml::Error> {
    let mut cursor = Cursor::within(body, "ChangeResourceRecordSetsRequest")?;
    let mut changes = Vec::new();
    while let Some(name) = cursor.child()? {
        if name != "ChangeBatch" {
            return Err(xml::Error::Malformed(name));
        }
        while let Some(name) = cursor.child()? {
            match name.as_str() {
                "Changes" => {
                    while cursor.child()?.is_some() {
                        changes.push(read_change(&mut cursor)?);
                    }
                }
                _ => cursor.skip()?,
            }
        }
    }
    Ok(changes)
}

fn read_change(cursor: &mut Cursor<'_>) -> Result<Change, xml::Error> {
    let (mut action, mut set) = (None, None);
    while let Some(name) = cursor.child()? {
        match name.as_str() {
            "Action" => action = Some(cursor.text()?),
            "ResourceRecordSet" => set = Some(record_set(cursor)?),
            _ => cursor.skip()?,
        }
    }
    let set = set.ok_or(xml::Error::Missing("ResourceRecordSet"))?;
    match action.as_deref() {
        Some("DELETE") => Ok(Change::Delete(set)),
        Some("CREATE") => Ok(Change::Create(set)),
        _ => Err(xml::Error::Missing("Action")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::{Name, RecordType, Ttl};
    use proptest::prelude::*;

    fn set(name: &str, values: &[&str]) -> RecordSet {
        RecordSet::simple(
            Name::parse(name).unwrap(),
            RecordType::Cname,
            Ttl::new(60).unwrap(),
            values.iter().map(|v| (*v).to_owned()).collect(),
        )
    }

    #[test]
    fn a_change_of_value_is_an_exact_delete_and_a_create() {
        let body = render(&[
            Change::Delete(set("*.example.com", &["old.example.net."])),
            Change::Create(set("*.example.com", &["new.example.net"])),
        ]);
        insta::assert_snapshot!(body.unwrap(), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <ChangeResourceRecordSetsRequest xmlns="https://route53.amazonaws.com/doc/2013-04-01/">
          <ChangeBatch>
            <Comment>pin53</Comment>
            <Changes>
              <Change>
                <Action>DELETE</Action>
                <ResourceRecordSet>
                  <Name>\052.example.com.</Name>
                  <Type>CNAME</Type>
                  <TTL>60</TTL>
                  <ResourceRecords>
                    <ResourceRecord><Value>old.example.net.</Value></ResourceRecord>
                  </ResourceRecords>
                </ResourceRecordSet>
              </Change>
              <Change>
                <Action>CREATE</Action>
                <ResourceRecordSet>
                  <Name>\052.example.com.</Name>
                  <Type>CNAME</Type>
                  <TTL>60</TTL>
                  <ResourceRecords>
                    <ResourceRecord><Value>new.example.net</Value></ResourceRecord>
                  </ResourceRecords>
                </ResourceRecordSet>
              </Change>
            </Changes>
          </ChangeBatch>
        </ChangeResourceRecordSetsRequest>
        "#);
    }

    proptest! {
        #[test]
        fn whatever_is_deleted_is_rendered_to_the_letter(values in proptest::collection::vec("[ -~é]{1,30}", 1..4)) {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            prop_assert!(render(&[Change::Delete(set("a.example.com", &values))]).is_ok());
        }
    }
}
