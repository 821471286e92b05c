//! What was last seen and done, told: the views of a [`Snapshot`] for a person, a program, a health check, and the
//! server of these views.
//!
//! The views are pure: whoever calls has the snapshot and the time. Not here: where snapshots come from (`board`), and
//! decisions as they are made (`report`).

mod metrics;
mod page;
mod site;
mod text;

use std::time::Duration;

use crate::board::Snapshot;
use crate::clock::Timestamp;
use crate::report::{Class, Entry};

pub use metrics::{Format, metrics};
pub use page::page;
pub use site::{Site, serve};
pub use text::{ago, health, history, text};

/// So many intervals may pass without a sign of life,
const INTERVALS: u32 = 3;
/// and so much more.
const SLACK: Duration = Duration::from_secs(30);

/// How it is, for a health check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Fresh, and as grave as that.
    Fresh(Class),
    /// Nothing is known of some records.
    Unknown,
    /// There was no sign of life for so long.
    Stale(Duration),
}

impl Health {
    /// Judges a snapshot, whose records are each audited once in an `interval`.
    #[must_use]
    pub fn of(snapshot: &Snapshot, now: Timestamp, interval: Duration) -> Self {
        let most = interval.saturating_mul(INTERVALS).saturating_add(SLACK);
        let Some(updated) = snapshot.updated else { return Self::Unknown };
        let audited = snapshot.records.iter().filter(|record| is_audited(&record.entry));
        let oldest = audited.map(|record| record.decided).chain([updated]).min().unwrap_or(updated);
        let age = since(oldest, now);
        if age > most {
            return Self::Stale(age);
        }
        let class = snapshot.class();
        if snapshot.records.is_empty() || snapshot.records.len() < snapshot.rules && class == Class::Fine {
            return Self::Unknown;
        }
        Self::Fresh(class)
    }

    /// What it counts as among the outcomes of rounds.
    #[must_use]
    pub fn class(self) -> Class {
        match self {
            Self::Fresh(class) => class,
            Self::Unknown | Self::Stale(_) => Class::TryAgain,
        }
    }
}

/// Whether it is looked at once in an interval: what is in trouble has clocks of its own, and what was
/// withdrawn isn't looked at any more.
fn is_audited(entry: &Entry) -> bool {
    entry.class == Class::Fine && entry.after.is_some()
}

/// How long ago `time` was; nothing, where a clock was set back.
fn since(time: Timestamp, now: Timestamp) -> Duration {
    now.duration_since(time).try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests;
