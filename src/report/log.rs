//! Decisions as log lines.

use std::fmt::Write as _;

use super::{Class, Entry, Outcome, line};
use crate::causes::with_causes;
use crate::clock::Timestamp;
use crate::dns::RecordKey;
use crate::dns::ZoneId;
use crate::state;

/// Logs what was decided about a record: once, by whoever keeps track of what was said already.
pub fn log_decision(entry: &Entry) {
    let name = entry.name.as_str();
    let outcome = entry.outcome.word();
    let reason = entry.reason.as_deref();
    let change = entry.change_id.as_deref();
    let hint = entry.hint.as_deref();
    let request_id = entry.request_id.as_deref();
    let mut line = line(entry);
    // In a report of what was done it would be in the way; here somebody may look for it a month later.
    if let (Outcome::Changed, Some(id)) = (entry.outcome, request_id) {
        let _ = write!(line, " [request {id}]");
    }
    match entry.class {
        Class::Fine => tracing::info!(name, outcome, reason, request_id, change, "{line}"),
        Class::TryAgain => tracing::warn!(name, outcome, reason, request_id, hint, "{line}"),
        _ => tracing::error!(name, outcome, reason, request_id, hint, "{line}"),
    }
}

/// Logs that a change has reached all of the zone's name servers.
pub fn log_in_sync(change: &str) {
    tracing::info!(change, "in sync: all name servers answer with change {change}");
}

/// Logs that a change isn't known to have reached them.
pub fn log_not_in_sync(change: &str, why: &str) {
    tracing::warn!(change, "change {change} was taken, but is not known to be on all name servers: {why}");
}

/// Logs that a rule's name comes out as another one now, and what becomes of the record at the old one.
pub fn log_renamed(old: &RecordKey, new: &RecordKey) {
    tracing::warn!(
        name = new.name.as_str(),
        "{old} is now {new}: the record at the old name is left as it is"
    );
}

/// Logs that the instance's end is announced.
pub fn log_notice(notice: &str) {
    tracing::warn!("{notice}: records with on_terminate or on_rebalance = \"withdraw\" go with it");
}

/// Logs that records could not be withdrawn in the time that a stop has for it.
pub fn log_not_withdrawn(records: usize) {
    tracing::error!(records, "stopped without knowing whether {records} records were withdrawn: out of time");
}

/// Logs that a metadata service gives credentials that it can't renew.
pub fn log_stale_credentials(ended: Timestamp) {
    tracing::warn!(
        expires = %ended,
        "the metadata service gives credentials that have ended or are about to: they are used on, and asked for \
         again every few minutes"
    );
}

/// Logs that it gives new ones.
pub fn log_fresh_credentials() {
    tracing::info!("the metadata service gives new credentials again");
}

/// Logs that what was learnt could not be written down. The next run learns it again.
pub fn log_not_saved(error: &state::Error) {
    tracing::warn!("{}", with_causes(error));
}

/// Logs that a zone's name servers are left alone.
pub fn log_asking_api(zone: &ZoneId, why: &str) {
    tracing::warn!(%zone, why, "zone {zone} is audited through the API: asking its name servers failed: {why}");
}

/// Logs that they answer again.
pub fn log_asking_dns(zone: &ZoneId) {
    tracing::info!(%zone, "zone {zone} is audited over DNS again: its name servers answer");
}

/// Logs that what was seen and done can't be written down for others to read.
pub fn log_not_kept(error: &state::Error) {
    tracing::warn!("what `pin53 status` shows is out of date from now on: {}", with_causes(error));
}

/// Logs that somebody could not be told of something.
pub fn log_not_notified(to: &str, what: &str, why: &str) {
    tracing::warn!(to, why, "could not notify {to} of \"{what}\": {why}");
}

/// Logs that something won't be told, since too much else waits to be.
pub fn log_notification_dropped(to: &str, what: &str) {
    tracing::warn!(to, "too many notifications wait for {to}: dropped \"{what}\"");
}
