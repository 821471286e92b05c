//! What is told: a record was changed, is in trouble, or is well again.
//!
//! Not here: when (`situations`), and to whom.

use std::fmt::Write as _;

use jiff::fmt::friendly::SpanPrinter;
use jiff::{SignedDuration, Unit};
use serde::Serialize;

use crate::clock::Timestamp;
use crate::report::{Entry, Outcome, Values, line};

/// What of a record is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Changed,
    /// In trouble for as long as it takes to be told.
    Failed,
    /// As wanted again, after it was told that it wasn't.
    Recovered,
    /// As wanted, as before: for whoever worries when he hears nothing.
    Well,
}

impl Kind {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Failed => "failed",
            Self::Recovered => "recovered",
            Self::Well => "well",
        }
    }
}

/// Something to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub kind: Kind,
    pub entry: Entry,
    /// When it happened.
    pub at: Timestamp,
    /// Since when it is, or was, in trouble.
    pub since: Option<Timestamp>,
    /// The machine that tells.
    pub host: String,
}

/// An event for programs: the body that is sent where nobody wants another.
#[derive(Serialize)]
struct Body<'a> {
    event: &'static str,
    name: &'a str,
    r#type: &'static str,
    outcome: &'static str,
    before: Option<Shown<'a>>,
    after: Option<Shown<'a>>,
    reason: Option<&'a str>,
    since: Option<Timestamp>,
    time: Timestamp,
    host: &'a str,
    change_id: Option<&'a str>,
    request_id: Option<&'a str>,
    message: String,
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

/// An event for templates: every field is a text, and empty where there is nothing to say.
#[derive(Serialize)]
pub(super) struct Fields {
    event: &'static str,
    name: String,
    r#type: &'static str,
    outcome: &'static str,
    before: String,
    after: String,
    reason: String,
    since: String,
    time: String,
    host: String,
    change_id: String,
    request_id: String,
    message: String,
}

impl Event {
    /// What happened, in a line for people.
    #[must_use]
    pub fn message(&self) -> String {
        let lasted = || self.since.map(|since| duration(self.at.duration_since(since)));
        let Entry { name, rtype, after, .. } = &self.entry;
        match self.kind {
            Kind::Changed | Kind::Well => line(&self.entry),
            Kind::Failed => {
                let mut text = line(&self.entry);
                if let Some(lasted) = lasted() {
                    let _ = write!(text, " (for {lasted})");
                }
                text
            }
            Kind::Recovered => {
                let mut text = format!("recovered {name} {rtype}");
                if let Some(values) = after {
                    let _ = write!(text, " {} (ttl {})", values.values.join(", "), values.ttl);
                }
                if let Some(lasted) = lasted() {
                    let _ = write!(text, ", after {lasted}");
                }
                text
            }
        }
    }

    /// The event as one JSON object.
    #[must_use]
    pub fn json(&self) -> String {
        let entry = &self.entry;
        let body = Body {
            event: self.kind.word(),
            name: &entry.name,
            r#type: entry.rtype.as_str(),
            outcome: entry.outcome.word(),
            before: entry.before.as_ref().map(Shown::from),
            after: entry.after.as_ref().map(Shown::from),
            reason: entry.reason.as_deref(),
            since: self.since,
            time: self.at,
            host: &self.host,
            change_id: entry.change_id.as_deref(),
            request_id: entry.request_id.as_deref(),
            message: self.message(),
        };
        // Nothing in it is beyond JSON.
        serde_json::to_string(&body).unwrap_or_default()
    }

    pub(super) fn fields(&self) -> Fields {
        let entry = &self.entry;
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let values =
            |values: &Option<Values>| values.as_ref().map_or_else(String::new, |v| v.values.join(", "));
        Fields {
            event: self.kind.word(),
            name: entry.name.clone(),
            r#type: entry.rtype.as_str(),
            outcome: entry.outcome.word(),
            before: values(&entry.before),
            after: values(&entry.after),
            reason: text(&entry.reason),
            since: self.since.map(|since| since.to_string()).unwrap_or_default(),
            time: self.at.to_string(),
            host: self.host.clone(),
            change_id: text(&entry.change_id),
            request_id: text(&entry.request_id),
            message: self.message(),
        }
    }

    /// One of each kind, with everything in it that makes trouble: what templates are tried on.
    pub(super) fn samples() -> Vec<Self> {
        let values = |value: &str| {
            crate::dns::Ttl::new(60).ok().map(|ttl| Values { ttl, values: vec![value.to_owned()] })
        };
        let entry = |outcome| Entry {
            name: "\\052.example.com".to_owned(),
            rtype: crate::dns::RecordType::Cname,
            outcome,
            before: values("a.example.net"),
            after: values("b.example.net"),
            reason: Some("a \"reason\" \\ of\ntwo lines & more".to_owned()),
            hint: None,
            class: crate::report::Class::Other,
            trouble: None,
            change_id: Some("C0123".to_owned()),
            request_id: None,
            topic: None,
        };
        let kinds = [
            (Kind::Changed, Outcome::Changed),
            (Kind::Failed, Outcome::Failed),
            (Kind::Recovered, Outcome::Unchanged),
            (Kind::Well, Outcome::Unchanged),
        ];
        let event = |(kind, outcome)| Self {
            kind,
            entry: entry(outcome),
            at: Timestamp::UNIX_EPOCH,
            since: Some(Timestamp::UNIX_EPOCH),
            host: "host".to_owned(),
        };
        kinds.into_iter().map(event).collect()
    }
}

/// As people read it: the two largest units.
fn duration(lasted: SignedDuration) -> String {
    static PRINTER: SpanPrinter = SpanPrinter::new();
    let lasted = lasted.abs();
    let unit = if lasted >= SignedDuration::from_hours(1) { Unit::Minute } else { Unit::Second };
    let rounded = lasted.round(unit).unwrap_or(lasted);
    PRINTER.unsigned_duration_to_string(&rounded.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_sentence() {
        let mut events = Event::samples();
        for event in &mut events {
            event.at = Timestamp::from_second(3 * 60 * 60 + 95).unwrap();
        }
        let said: Vec<String> = events.iter().map(Event::message).collect();
        let lasted = "3h 2m";
        assert_eq!(said[0], "changed \\052.example.com CNAME a.example.net -> b.example.net (ttl 60)");
        assert!(
            said[1].starts_with("failed \\052.example.com: a \"reason\"")
                && said[1].ends_with(&format!("(for {lasted})")),
            "{}",
            said[1]
        );
        assert_eq!(
            said[2],
            format!("recovered \\052.example.com CNAME b.example.net (ttl 60), after {lasted}")
        );
        assert_eq!(said[3], "unchanged \\052.example.com CNAME b.example.net (ttl 60)");
        assert_eq!(duration(SignedDuration::from_secs(-75)), "1m 15s");
    }

    #[test]
    fn the_body_holds_the_name_and_both_values() {
        let body: serde_json::Value = serde_json::from_str(&Event::samples()[0].json()).unwrap();
        let expected = serde_json::json!({
            "event": "changed", "name": "\\052.example.com", "type": "CNAME", "outcome": "changed",
            "before": {"values": ["a.example.net"], "ttl": 60}, "after": {"values": ["b.example.net"], "ttl": 60},
            "reason": "a \"reason\" \\ of\ntwo lines & more", "since": "1970-01-01T00:00:00Z",
            "time": "1970-01-01T00:00:00Z", "host": "host", "change_id": "C0123", "request_id": null,
            "message": "changed \\052.example.com CNAME a.example.net -> b.example.net (ttl 60)"
        });
        assert_eq!(body, expected);
    }
}
