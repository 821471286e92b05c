//! The body of a ChangeResourceRecordSets request, read and checked as far as that needs no zone.

use super::error::ApiError;
use super::record_xml::{self, enumeration, length};
use super::xml::{Children, Element, Occurs, Order, check};
use super::zones::Stored;

use Occurs::{Many, Maybe, Once};

const REQUEST: &Children = &[("ChangeBatch", Once)];
const BATCH: &Children = &[("Comment", Maybe), ("Changes", Once)];
const CHANGES: &Children = &[("Change", Many)];
const CHANGE: &Children = &[("Action", Once), ("ResourceRecordSet", Once)];

/// Longest comment (API model, ResourceDescription).
pub(super) const MAX_COMMENT: usize = 256;

/// What is to be done with a record set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Create,
    Delete,
    Upsert,
}

/// One change of a batch.
#[derive(Debug, Clone)]
pub(super) struct ChangeItem {
    pub(super) action: Action,
    pub(super) stored: Stored,
}

/// A batch of changes, all or nothing.
#[derive(Debug, Clone)]
pub(super) struct ChangeRequest {
    pub(super) comment: Option<String>,
    pub(super) changes: Vec<ChangeItem>,
}

impl ChangeRequest {
    /// Reads a request's body.
    ///
    /// # Errors
    /// When it isn't such a request, or a record set in it makes no sense by itself.
    pub(super) fn read(body: &[u8], order: Order) -> Result<Self, ApiError> {
        let root = Element::read(body, "ChangeResourceRecordSetsRequest")?;
        check(&root, REQUEST, order)?;
        let batch = root.child("ChangeBatch").unwrap_or(&root);
        check(batch, BATCH, order)?;
        let comment = batch.text_of("Comment").map(str::to_owned);
        if let Some(comment) = comment.as_deref().filter(|c| !c.is_empty()) {
            length("ResourceDescription", comment, MAX_COMMENT)?;
        }
        let changes = batch.child("Changes").unwrap_or(batch);
        check(changes, CHANGES, order)?;
        let changes = changes.children.iter().map(|change| item(change, order)).collect::<Result<_, _>>()?;
        Ok(Self { comment, changes })
    }
}

fn item(change: &Element, order: Order) -> Result<ChangeItem, ApiError> {
    check(change, CHANGE, order)?;
    let text = change.text_of("Action").unwrap_or_default();
    let action = match text {
        "CREATE" => Action::Create,
        "DELETE" => Action::Delete,
        "UPSERT" => Action::Upsert,
        other => return Err(enumeration(other, &["CREATE", "DELETE", "UPSERT"])),
    };
    let set = change.child("ResourceRecordSet").unwrap_or(change);
    Ok(ChangeItem { action, stored: record_xml::read(set, text, order)? })
}
