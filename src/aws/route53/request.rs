//! What is sent to Route 53: change batches, rendered and read back.
//!
//! Spec: <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html>

use serde::Serialize;

use super::response::record_set;
use super::xml::{self, Cursor};
use crate::dns::{Failover, Policy, RecordSet, Target};
use crate::template;

/// What the zone's change history shows.
const COMMENT: &str = "pin53";

/// The API's name of what a request asks for.
#[must_use]
pub fn operation(request: &http::Request<bytes::Bytes>) -> &'static str {
    let path = request.uri().path().trim_end_matches('/');
    let words: Vec<&str> = path.split('/').skip(2).collect();
    match (request.method().as_str(), &words[..]) {
        ("POST", ["hostedzone", _, "rrset"]) => "ChangeResourceRecordSets",
        ("GET", ["hostedzone", _, "rrset"]) => "ListResourceRecordSets",
        ("GET", ["change", _]) => "GetChange",
        ("GET", ["hostedzonesbyname"]) => "ListHostedZonesByName",
        ("GET", ["hostedzonesbyvpc"]) => "ListHostedZonesByVPC",
        ("GET", ["hostedzone"]) => "ListHostedZones",
        ("GET", ["hostedzone", _]) => "GetHostedZone",
        // Asked for the time alone, without a signature.
        _ => "Date",
    }
}

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
    #[error(
        "a change of {0} can't be rendered: it is routed by a policy that isn't written, or a traffic policy's"
    )]
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

/// One change as the template wants it: what a set doesn't have is none.
#[derive(Serialize)]
struct Item<'a> {
    action: &'static str,
    name: String,
    r#type: &'static str,
    set_identifier: Option<&'a str>,
    /// In words: a number that is 0 would be none.
    weight: Option<String>,
    region: Option<&'a str>,
    geolocation: Option<Vec<(&'static str, &'a str)>>,
    failover: Option<&'static str>,
    multivalue: bool,
    ttl: Option<u32>,
    values: &'a [String],
    alias: Option<Alias<'a>>,
    health_check_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Alias<'a> {
    zone: &'a str,
    name: String,
    /// `true` or `false`.
    evaluate_health: String,
}

/// The body that asks for `changes`, in their order, proven by reading it back.
///
/// # Errors
/// When a set is of a form that isn't written, or the rendering doesn't say what was meant.
pub fn render(changes: &[Change]) -> Result<String, RenderError> {
    let items = changes.iter().map(item).collect::<Result<Vec<_>, _>>()?;
    let batch = Batch { comment: COMMENT, changes: items };
    let body = template::CHANGE_RESOURCE_RECORD_SETS.render(batch).map_err(RenderError::Template)?;
    if read(body.as_bytes()).map_err(RenderError::ReadBack)? == changes {
        Ok(body)
    } else {
        Err(RenderError::Differs)
    }
}

fn item(change: &Change) -> Result<Item<'_>, RenderError> {
    let set = change.record_set();
    let strange = || RenderError::Form(set.key().to_string());
    let mut item = Item {
        action: match change {
            Change::Delete(_) => "DELETE",
            Change::Create(_) => "CREATE",
        },
        name: set.name.to_route53(),
        r#type: set.rtype.as_str(),
        set_identifier: None,
        weight: None,
        region: None,
        geolocation: None,
        failover: None,
        multivalue: false,
        ttl: None,
        values: &[],
        alias: None,
        health_check_id: set.health_check_id.as_deref(),
    };
    match &set.target {
        Target::Values { ttl, values } => (item.ttl, item.values) = (Some(ttl.seconds()), values),
        Target::Alias { zone_id, name, evaluate_health } => {
            let (zone, name) = (zone_id.as_str(), name.to_route53());
            item.alias = Some(Alias { zone, name, evaluate_health: evaluate_health.to_string() });
        }
        Target::TrafficPolicy(_) => return Err(strange()),
    }
    let Some(routing) = &set.routing else { return Ok(item) };
    item.set_identifier = Some(&routing.set_identifier);
    match &routing.policy {
        Policy::Weighted(weight) => item.weight = Some(weight.to_string()),
        Policy::Latency { region } => item.region = Some(region),
        Policy::Failover(Failover::Primary) => item.failover = Some("PRIMARY"),
        Policy::Failover(Failover::Secondary) => item.failover = Some("SECONDARY"),
        Policy::Geolocation { continent, country, subdivision } => {
            let codes =
                [("ContinentCode", continent), ("CountryCode", country), ("SubdivisionCode", subdivision)];
            let given = codes.into_iter().filter_map(|(element, code)| Some((element, code.as_deref()?)));
            item.geolocation = Some(given.collect());
        }
        Policy::Multivalue => item.multivalue = true,
        Policy::Other(_) => return Err(strange()),
    }
    Ok(item)
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
    use crate::dns::{Name, RecordType, Routing, Ttl, ZoneId};
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

    #[test]
    fn a_member_of_a_routed_set_and_an_alias_are_written_in_the_order_of_the_schema() {
        let routing = Routing {
            set_identifier: "i-0 & more".to_owned(),
            policy: Policy::Geolocation {
                continent: None,
                country: Some("US".to_owned()),
                subdivision: Some("CA".to_owned()),
            },
        };
        let member = RecordSet {
            rtype: RecordType::A,
            routing: Some(routing),
            health_check_id: Some("abc".to_owned()),
            ..set("a.example.com", &["198.51.100.7"])
        };
        let alias = RecordSet {
            rtype: RecordType::A,
            target: Target::Alias {
                zone_id: ZoneId::parse("Z2").unwrap(),
                name: Name::parse("lb.example.net").unwrap(),
                evaluate_health: true,
            },
            ..set("b.example.com", &[])
        };
        let body = render(&[Change::Create(member), Change::Delete(alias)]).unwrap();
        let elements: Vec<&str> =
            body.lines().map(str::trim).filter(|line| !line.starts_with("</")).collect();
        insta::assert_snapshot!(elements[5..].join("\n"), @"
        <Change>
        <Action>CREATE</Action>
        <ResourceRecordSet>
        <Name>a.example.com.</Name>
        <Type>A</Type>
        <SetIdentifier>i-0 &amp; more</SetIdentifier>
        <GeoLocation>
        <CountryCode>US</CountryCode>
        <SubdivisionCode>CA</SubdivisionCode>
        <TTL>60</TTL>
        <ResourceRecords>
        <ResourceRecord><Value>198.51.100.7</Value></ResourceRecord>
        <HealthCheckId>abc</HealthCheckId>
        <Change>
        <Action>DELETE</Action>
        <ResourceRecordSet>
        <Name>b.example.com.</Name>
        <Type>A</Type>
        <AliasTarget>
        <HostedZoneId>Z2</HostedZoneId>
        <DNSName>lb.example.net.</DNSName>
        <EvaluateTargetHealth>true</EvaluateTargetHealth>
        ");
    }

    #[test]
    fn every_policy_is_read_back_as_it_was_written() {
        let place = |continent: Option<&str>, country: Option<&str>| Policy::Geolocation {
            continent: continent.map(str::to_owned),
            country: country.map(str::to_owned),
            subdivision: None,
        };
        for policy in [
            Policy::Weighted(0),
            Policy::Weighted(255),
            Policy::Latency { region: "eu-west-1".to_owned() },
            Policy::Failover(Failover::Primary),
            Policy::Failover(Failover::Secondary),
            place(Some("EU"), None),
            place(None, Some("*")),
            Policy::Multivalue,
        ] {
            let routing = Some(Routing { set_identifier: "m".to_owned(), policy });
            let member = RecordSet { routing, ..set("a.example.com", &["x.example.net"]) };
            assert!(render(&[Change::Create(member.clone())]).is_ok(), "{member:?}");
        }
        let routing =
            Routing { set_identifier: "m".to_owned(), policy: Policy::Other("CidrRoutingConfig".to_owned()) };
        let strange = RecordSet { routing: Some(routing), ..set("a.example.com", &["x.example.net"]) };
        assert!(matches!(render(&[Change::Delete(strange)]), Err(RenderError::Form(_))));
    }

    proptest! {
        #[test]
        fn whatever_is_deleted_is_rendered_to_the_letter(values in proptest::collection::vec("[ -~é]{1,30}", 1..4)) {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            prop_assert!(render(&[Change::Delete(set("a.example.com", &values))]).is_ok());
        }
    }
}
