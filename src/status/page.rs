//! The page for a person: one file, without scripts, that asks for itself again.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Health, ago, health, since};
use crate::board::{Change, Record, Snapshot};
use crate::clock::Timestamp;
use crate::report::{Class, Entry, Outcome, Values};
use crate::template;

/// The page brings its style along, which this finds.
const SOURCE: &str = include_str!("../../templates/status/page.html");

#[derive(Serialize)]
struct Page<'a> {
    /// `fine`, `trouble` or `waiting`.
    mood: &'static str,
    title: String,
    records: Vec<Row<'a>>,
    history: Vec<Made<'a>>,
    now: String,
    version: &'a str,
}

#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    r#type: &'a str,
    mood: &'static str,
    outcome: &'static str,
    values: Vec<&'a str>,
    ttl: Option<String>,
    reason: Option<&'a str>,
    hint: Option<&'a str>,
    /// In words, and to the second.
    confirmed: Option<Time>,
    changed: Option<Time>,
    trouble: Option<Time>,
}

#[derive(Serialize)]
struct Made<'a> {
    when: Time,
    name: &'a str,
    r#type: &'a str,
    before: String,
    after: String,
    change_id: Option<&'a str>,
    in_sync_after: Option<String>,
}

#[derive(Serialize)]
struct Time {
    ago: String,
    exact: String,
}

impl Time {
    fn of(time: Timestamp, now: Timestamp) -> Self {
        Self { ago: ago(since(time, now)), exact: exact(time) }
    }
}

fn exact(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// What the page may load and do: its own style, which is known by its hash, and nothing else.
#[must_use]
pub(super) fn content_security_policy() -> String {
    let behind = SOURCE.split_once("<style>").map_or("", |(_, behind)| behind);
    let style = behind.split_once("</style>").map_or("", |(style, _)| style);
    let style = STANDARD.encode(Sha256::digest(style.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

/// The page.
///
/// # Errors
/// When the template and this module are at odds.
pub fn page(snapshot: &Snapshot, now: Timestamp, how: Health) -> Result<String, template::Error> {
    let mood = match how {
        Health::Fresh(Class::Fine) => "fine",
        Health::Unknown => "waiting",
        Health::Fresh(_) | Health::Stale(_) => "trouble",
    };
    let fine = snapshot.records.iter().filter(|record| record.entry.class == Class::Fine).count();
    let title = match how {
        Health::Fresh(_) if snapshot.rules == 1 && fine == 1 => "The record is as wanted".to_owned(),
        Health::Fresh(Class::Fine) => format!("All {fine} records are as wanted"),
        Health::Fresh(_) => format!("{fine} of {} records as wanted", snapshot.rules.max(1)),
        Health::Unknown => "Looking at the sources".to_owned(),
        Health::Stale(_) => health(how, snapshot),
    };
    let page = Page {
        mood,
        title,
        records: snapshot.records.iter().map(|record| row(record, now)).collect(),
        history: snapshot.history.iter().rev().map(|change| made(change, now)).collect(),
        now: exact(now),
        version: env!("CARGO_PKG_VERSION"),
    };
    template::STATUS_PAGE.render(page)
}

fn row(record: &Record, now: Timestamp) -> Row<'_> {
    let Entry { name, rtype, outcome, after, reason, hint, class, .. } = &record.entry;
    let is_fine = *class == Class::Fine;
    Row {
        name,
        r#type: rtype.as_str(),
        mood: match (is_fine, outcome) {
            (true, _) => "fine",
            (false, Outcome::Left) => "waiting",
            (false, _) => "trouble",
        },
        outcome: match outcome {
            Outcome::Changed if after.is_none() => "withdrawn",
            Outcome::WouldChange => "would change",
            outcome => outcome.word(),
        },
        values: after.iter().flat_map(|after| &after.values).map(String::as_str).collect(),
        ttl: after.as_ref().map(|after| format!("{} s", after.ttl)),
        reason: reason.as_deref(),
        hint: hint.as_deref().filter(|_| !is_fine),
        confirmed: record.last_confirmed.map(|time| Time::of(time, now)),
        changed: record.last_change.map(|time| Time::of(time, now)),
        trouble: record.trouble_since.map(|time| Time::of(time, now)),
    }
}

fn made(change: &Change, now: Timestamp) -> Made<'_> {
    Made {
        when: Time::of(change.when, now),
        name: &change.name,
        r#type: change.rtype.as_str(),
        before: Values::in_words(change.before.as_ref()),
        after: Values::in_words(change.after.as_ref()),
        change_id: change.change_id.as_deref(),
        in_sync_after: change.in_sync_after.map(|seconds| format!("{seconds:.0} s")),
    }
}
