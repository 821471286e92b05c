//! The snapshot, and what became of requests, as Prometheus reads them.
//!
//! Spec: <https://prometheus.io/docs/specs/om/open_metrics_spec/>,
//! <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>

use std::collections::BTreeMap;
use std::fmt::{Display, Write};

use super::since;
use crate::board::Snapshot;
use crate::clock::Timestamp;
use crate::report::Class;
use crate::transport::{BOUNDS, Sent};

/// How metrics are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    OpenMetrics,
    /// Prometheus's own text format, for those that ask for plain text.
    Plain,
}

impl Format {
    /// Its media type.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Plain => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// Every metric there is.
#[must_use]
pub fn metrics(
    snapshot: &Snapshot,
    sent: &BTreeMap<&'static str, Sent>,
    now: Timestamp,
    format: Format,
) -> String {
    let mut page = Page { out: String::new(), format };
    page.family("pin53_build_info", "gauge", "The version that runs.");
    page.sample("pin53_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    page.family("pin53_ready", "gauge", "Whether anything could be decided about a record yet.");
    page.sample("pin53_ready", &[], u8::from(snapshot.ready));
    page.records(snapshot, now);
    page.requests(sent);
    if let Some(offset) = snapshot.vitals.clock_offset {
        let help = "How far the machine's clock is ahead of Amazon's, to the second.";
        page.family("pin53_clock_offset_seconds", "gauge", help);
        page.sample("pin53_clock_offset_seconds", &[], offset.as_secs_f64());
    }
    if let Some(expire) = snapshot.vitals.credentials_expire {
        let help = "How long the credentials at hand last. They are renewed when they are needed.";
        page.family("pin53_credentials_remaining_seconds", "gauge", help);
        page.sample("pin53_credentials_remaining_seconds", &[], expire.duration_since(now).as_secs_f64());
    }
    if format == Format::OpenMetrics {
        page.out.push_str("# EOF\n");
    }
    page.out
}

/// What there is to tell of the records of a name and type: of several members of a routed set, the worst.
struct Told<'a> {
    as_wanted: bool,
    confirmed: Option<Timestamp>,
    changed: Option<Timestamp>,
    outcomes: BTreeMap<&'static str, u64>,
    labels: [(&'static str, &'a str); 2],
}

fn told(snapshot: &Snapshot) -> Vec<Told<'_>> {
    let mut all: BTreeMap<(&str, &str), Told<'_>> = BTreeMap::new();
    for record in &snapshot.records {
        let labels = [("name", record.entry.name.as_str()), ("type", record.entry.rtype.as_str())];
        let as_wanted = record.entry.class == Class::Fine;
        let told = all.entry((labels[0].1, labels[1].1)).or_insert_with(|| Told {
            as_wanted,
            confirmed: record.last_confirmed,
            changed: record.last_change,
            outcomes: BTreeMap::new(),
            labels,
        });
        told.as_wanted &= as_wanted;
        told.confirmed = told.confirmed.min(record.last_confirmed);
        told.changed = told.changed.max(record.last_change);
        for (outcome, count) in &record.outcomes {
            *told.outcomes.entry(outcome.word()).or_default() += count;
        }
    }
    all.into_values().collect()
}

struct Page {
    out: String,
    format: Format,
}

impl Page {
    /// Begins a family. A counter's name ends with `_total`, which OpenMetrics takes for a sample's suffix.
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let name = match self.format {
            Format::OpenMetrics => name.strip_suffix("_total").unwrap_or(name),
            Format::Plain => name,
        };
        // A `String` takes all that is written to it, here and below.
        let _ = writeln!(self.out, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.out.push_str(name);
        for (n, (label, text)) in labels.iter().enumerate() {
            let _ = write!(self.out, "{}{label}=\"{}\"", if n == 0 { '{' } else { ',' }, escaped(text));
        }
        let _ = writeln!(self.out, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    fn records(&mut self, snapshot: &Snapshot, now: Timestamp) {
        let records = told(snapshot);
        let name = "pin53_as_wanted";
        self.family(
            name,
            "gauge",
            "Whether the record was as wanted, the last time that it was looked after.",
        );
        for told in &records {
            self.sample(name, &told.labels, u8::from(told.as_wanted));
        }
        let name = "pin53_since_in_sync_seconds";
        self.family(name, "gauge", "How long ago the record was last written or seen as wanted.");
        for told in &records {
            if let Some(confirmed) = told.confirmed {
                self.sample(name, &told.labels, since(confirmed, now).as_secs_f64());
            }
        }
        let name = "pin53_last_change_timestamp_seconds";
        self.family(name, "gauge", "When the record was last changed.");
        for told in &records {
            if let Some(changed) = told.changed {
                self.sample(name, &told.labels, changed.as_second());
            }
        }
        let name = "pin53_outcomes_total";
        self.family(name, "counter", "What came of a record when it was looked after.");
        for told in &records {
            for (outcome, count) in &told.outcomes {
                let [a, b] = told.labels;
                self.sample(name, &[a, b, ("outcome", outcome)], count);
            }
        }
    }

    fn requests(&mut self, sent: &BTreeMap<&'static str, Sent>) {
        let name = "pin53_requests_total";
        self.family(
            name,
            "counter",
            "Requests by operation, and the status or the failure that they ended with.",
        );
        for (operation, sent) in sent {
            for (code, count) in &sent.codes {
                self.sample(name, &[("operation", operation), ("code", code)], count);
            }
        }
        let name = "pin53_request_duration_seconds";
        self.family(name, "histogram", "How long requests took, answered or not.");
        for (operation, sent) in sent {
            let bucket = format!("{name}_bucket");
            let mut below = 0;
            for (bound, count) in BOUNDS.iter().zip(sent.classes) {
                below += count;
                self.sample(&bucket, &[("operation", operation), ("le", &format!("{bound:?}"))], below);
            }
            self.sample(&bucket, &[("operation", operation), ("le", "+Inf")], sent.count);
            self.sample(&format!("{name}_count"), &[("operation", operation)], sent.count);
            self.sample(&format!("{name}_sum"), &[("operation", operation)], sent.seconds);
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
