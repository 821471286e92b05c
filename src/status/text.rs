//! The words of `pin53 status`.

use std::fmt::Write as _;
use std::time::Duration;

use super::{Health, since};
use crate::board::{Change, Record, Snapshot};
use crate::clock::Timestamp;
use crate::report::{Class, Values, line};

/// How long ago something was, in words.
#[must_use]
pub fn ago(passed: Duration) -> String {
    match passed.as_secs() {
        0 => "just now".to_owned(),
        _ => format!("{} ago", span(passed)),
    }
}

/// A length of time in its largest unit.
fn span(length: Duration) -> String {
    const UNITS: [(u64, &str); 3] = [(24 * 60 * 60, "d"), (60 * 60, "h"), (60, "min")];
    let seconds = length.as_secs();
    // One of a unit would be too coarse.
    let unit = UNITS.iter().find(|(size, _)| seconds >= 2 * size);
    unit.map_or_else(|| format!("{seconds} s"), |(size, unit)| format!("{} {unit}", seconds / size))
}

/// Every record with its times, as `pin53 status` prints it.
#[must_use]
pub fn text(snapshot: &Snapshot, now: Timestamp) -> String {
    let mut out = String::new();
    for record in &snapshot.records {
        let _ = writeln!(out, "{}", line(&record.entry));
        let _ = writeln!(out, "    {}", times(record, now));
        if let Some(hint) = record.entry.hint.as_ref().filter(|_| record.entry.class != Class::Fine) {
            let _ = writeln!(out, "    hint: {hint}");
        }
    }
    if snapshot.records.is_empty() {
        let _ = writeln!(out, "{}", snapshot.words());
    }
    out
}

fn times(record: &Record, now: Timestamp) -> String {
    let past = |word: &str, time: Option<Timestamp>| match time {
        Some(time) => format!("{word} {}", ago(since(time, now))),
        None => format!("never {word}"),
    };
    let trouble = record.trouble_since.map(|begun| format!("in trouble for {}; ", span(since(begun, now))));
    let confirmed = past("confirmed", record.last_confirmed);
    format!("{}{confirmed}, {}", trouble.unwrap_or_default(), past("changed", record.last_change))
}

/// One line that says why a health check ends as it does.
#[must_use]
pub fn health(health: Health, snapshot: &Snapshot) -> String {
    match health {
        Health::Fresh(Class::Fine) => format!("ok: {}", snapshot.words()),
        Health::Fresh(_) => snapshot.words(),
        Health::Unknown => "nothing is known of some records yet".to_owned(),
        Health::Stale(age) => format!("stale: no sign of life for {}", span(age)),
    }
}

/// Every change that is remembered, the newest last.
#[must_use]
pub fn history(changes: &[Change]) -> String {
    let mut out = String::new();
    for change in changes {
        let Change { when, name, rtype, before, after, .. } = change;
        let when = when.strftime("%Y-%m-%dT%H:%M:%SZ");
        let before = Values::in_words(before.as_ref());
        let ttl = after.as_ref().map(|after| format!(" (ttl {})", after.ttl)).unwrap_or_default();
        let after = Values::in_words(after.as_ref());
        let _ = write!(out, "{when} {name} {rtype} {before} -> {after}{ttl}");
        let _ = match change.in_sync_after {
            Some(seconds) => writeln!(out, ", in sync after {seconds:.0} s"),
            None => writeln!(out),
        };
    }
    out
}
