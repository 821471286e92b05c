//! The report as one JSON object, for programs.

use serde::Serialize;

use super::{Entry, Round, Values};

#[derive(Serialize)]
struct Report<'a> {
    records: Vec<Record<'a>>,
    change_ids: Vec<&'a str>,
    requests: u64,
}

#[derive(Serialize)]
struct Record<'a> {
    name: &'a str,
    r#type: &'static str,
    outcome: &'static str,
    before: Option<Shown<'a>>,
    after: Option<Shown<'a>>,
    reason: Option<&'a str>,
}

#[derive(Serialize)]
struct Shown<'a> {
    values: &'a [String],
    ttl: u32,
}

impl<'a> From<&'a Values> for Shown<'a> {
    fn from(values: &'a Values) -> Self {
        Self { values: &values.values, ttl: values.ttl.seconds() }
    }
}

impl<'a> From<&'a Entry> for Record<'a> {
    fn from(entry: &'a Entry) -> Self {
        Self {
            name: entry.name.as_str(),
            r#type: entry.rtype.as_str(),
            outcome: entry.outcome.word(),
            before: entry.before.as_ref().map(Shown::from),
            after: entry.after.as_ref().map(Shown::from),
            reason: entry.reason.as_deref(),
        }
    }
}

/// The round as `--json` prints it, in one line.
///
/// # Errors
/// Never in practice: nothing in a round is beyond JSON.
pub fn json(round: &Round) -> Result<String, serde_json::Error> {
    serde_json::to_string(&Report {
        records: round.entries.iter().map(Record::from).collect(),
        change_ids: round.change_ids(),
        requests: round.requests,
    })
}
