//! What subscribers are told.

use std::time::Duration;

use super::Record;
use crate::clock::Timestamp;
use crate::report::{Class, Entry, Outcome};

/// Something that has happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Something came of a record, be it nothing new.
    Decided(Box<Decision>),
    /// The first decision was made: from now on the daemon does its work.
    Ready,
    /// All name servers answer with a change, so long after it was taken.
    InSync {
        change: String,
        after: Duration,
    },
    /// It isn't known whether they do.
    NotInSync {
        change: String,
        why: String,
    },
    Reloading,
    /// The configuration was read again; one that was refused is not taken.
    Reloaded {
        taken: bool,
    },
    /// The daemon was asked to stop. Decisions about what it withdraws may follow.
    Stopping,
}

/// What came of a record.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    pub entry: Entry,
    /// What its rule is known by, whatever the record's name turns out to be.
    pub rule: String,
    pub at: Timestamp,
    /// It says something else than the one before.
    pub is_news: bool,
    /// Since when the record has been in trouble; where this decision ends the trouble, since when it was.
    pub trouble_since: Option<Timestamp>,
}

impl Decision {
    pub(super) fn new(rule: &str, entry: Entry, at: Timestamp, before: Option<&Record>) -> Self {
        let is_news = !before.is_some_and(|before| entry.says_the_same_as(&before.entry));
        let earlier = before.and_then(|before| before.trouble_since);
        let trouble_since = if entry.class == Class::Fine { earlier } else { earlier.or(Some(at)) };
        Self { entry, rule: rule.to_owned(), at, is_news, trouble_since }
    }

    /// Whether the record is as it should be.
    #[must_use]
    pub fn is_fine(&self) -> bool {
        self.entry.class == Class::Fine
    }

    /// Whether trouble has ended with it.
    #[must_use]
    pub fn is_recovery(&self) -> bool {
        self.is_fine() && self.trouble_since.is_some()
    }

    /// Whether the record was changed, be it that it isn't known yet to be on all name servers.
    #[must_use]
    pub fn is_change(&self) -> bool {
        match self.entry.outcome {
            Outcome::Changed => true,
            Outcome::Unconfirmed => self.entry.change_id.is_some(),
            _ => false,
        }
    }

    /// Whether it was known what should be and what is, whatever came of that.
    #[must_use]
    pub fn is_firm(&self) -> bool {
        match self.entry.outcome {
            Outcome::Changed
            | Outcome::WouldChange
            | Outcome::Unchanged
            | Outcome::Refused
            | Outcome::Unconfirmed => true,
            Outcome::Left | Outcome::Failed => false,
        }
    }
}
