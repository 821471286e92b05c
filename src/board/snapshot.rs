//! All there is to see at a moment: the document of `status --json`, and words for a single line.

use std::collections::HashMap;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::Decision;
use crate::clock::Timestamp;
use crate::dns::RecordType;
use crate::report::{Class, Entry, Outcome, Values, line};

/// Most changes that are remembered.
const HISTORY: usize = 100;

/// What the daemon last saw and did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Those of which something has come, in the order of their rules.
    pub records: Vec<Record>,
    /// A first decision was made.
    pub ready: bool,
    /// When whoever reports was last alive.
    pub updated: Option<Timestamp>,
    /// From one audit to the next, in seconds.
    pub interval: f64,
    /// The oldest first.
    pub history: Vec<Change>,
    /// How many records there are to be.
    pub rules: usize,
    #[serde(skip)]
    pub phase: Phase,
    #[serde(skip)]
    pub vitals: Vitals,
}

/// How things stand beside the records.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Vitals {
    /// How far the machine's clock is ahead of Amazon's.
    pub clock_offset: Option<SignedDuration>,
    /// When the credentials at hand end, if they do.
    pub credentials_expire: Option<Timestamp>,
}

/// How often each outcome came of a record, in this process.
pub type Outcomes = HashMap<Outcome, u64>;

/// What the daemon is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// Nothing has come of any record yet.
    Starting,
    #[default]
    Running,
    Reloading,
    Stopping,
}

/// What came last of a record, and when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    #[serde(flatten)]
    pub entry: Entry,
    /// What its rule is known by.
    pub rule: String,
    /// When that came of it.
    pub decided: Timestamp,
    /// Since when it has been in trouble, if it is.
    pub trouble_since: Option<Timestamp>,
    /// When it was last changed by us.
    pub last_change: Option<Timestamp>,
    /// When it was last written or seen as wanted.
    pub last_confirmed: Option<Timestamp>,
    /// What came of it so far.
    #[serde(skip)]
    pub outcomes: Outcomes,
}

/// A change that was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    pub when: Timestamp,
    pub name: String,
    #[serde(rename = "type")]
    pub rtype: RecordType,
    pub before: Option<Values>,
    pub after: Option<Values>,
    pub change_id: Option<String>,
    /// Seconds until all name servers answered with it, once that is known.
    pub in_sync_after: Option<f64>,
}

impl Record {
    pub(super) fn after(before: Option<Self>, decision: &Decision, looked: bool) -> Self {
        let (mut last_change, mut last_confirmed, mut outcomes) = before
            .map_or((None, None, Outcomes::default()), |before| {
                (before.last_change, before.last_confirmed, before.outcomes)
            });
        *outcomes.entry(decision.entry.outcome).or_default() += 1;
        let Decision { entry, rule, at, trouble_since, .. } = decision.clone();
        let is_as_wanted = match entry.outcome {
            Outcome::Changed => true,
            Outcome::Unchanged => looked,
            _ => false,
        };
        if is_as_wanted {
            last_confirmed = Some(at);
        }
        if decision.is_change() {
            last_change = Some(at);
        }
        let trouble_since = trouble_since.filter(|_| entry.class != Class::Fine);
        Self { entry, rule, decided: at, trouble_since, last_change, last_confirmed, outcomes }
    }
}

impl Change {
    pub(super) fn of(decision: &Decision) -> Option<Self> {
        let entry = decision.entry.clone();
        decision.is_change().then_some(Self {
            when: decision.at,
            name: entry.name,
            rtype: entry.rtype,
            before: entry.before,
            after: entry.after,
            change_id: entry.change_id,
            in_sync_after: None,
        })
    }
}

/// Adds a change, and forgets the oldest where there are too many.
pub(super) fn remember(history: &mut Vec<Change>, change: Change) {
    if history.len() >= HISTORY {
        history.drain(..=history.len() - HISTORY);
    }
    history.push(change);
}

impl Snapshot {
    /// How grave the gravest record is.
    #[must_use]
    pub fn class(&self) -> Class {
        self.records.iter().map(|record| record.entry.class).max().unwrap_or(Class::Fine)
    }

    /// One line for a person: what is waited for, or how it is.
    #[must_use]
    pub fn words(&self) -> String {
        match self.phase {
            Phase::Starting => return "looking at the sources for the first time".to_owned(),
            Phase::Running => {}
            Phase::Reloading => return "reading the configuration again".to_owned(),
            Phase::Stopping => return "stopping".to_owned(),
        }
        let Some(gravest) = self.records.iter().max_by_key(|record| record.entry.class) else {
            return "nothing has come of any record yet".to_owned();
        };
        if self.records.len() == 1 && self.rules <= 1 {
            return line(&gravest.entry);
        }
        let fine = self.records.iter().filter(|record| record.entry.class == Class::Fine).count();
        let all = self.rules.max(self.records.len());
        if fine == self.records.len() {
            return format!("{fine} of {all} records as wanted");
        }
        format!("{fine} of {all} records as wanted; {}", line(&gravest.entry))
    }
}
