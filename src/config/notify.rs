//! What the settings say of a notification.
//!
//! Of what may be secret (a webhook's URL, values of headers) no fault quotes what was found.

use std::path::PathBuf;
use std::time::Duration;

use ::config::{Value, ValueKind};
use http::header::{self, HeaderName, HeaderValue};

use super::read::{self, Period, Reading, mismatch};
use crate::notify::{Address, Function, Key, On, PRESETS, Preset, Settings, Target, Topic, Url, Webhook};
use crate::program::Program;
use crate::template::UserTemplate;

/// The keys that say how it is told, of which each notification has one.
pub(super) const TARGETS: [&str; 5] = ["webhook", "webhook_file", "lambda", "sns", "command"];
const EVENTS: [&str; 3] = ["changed", "failed", "recovered"];

const FAILED_FOR: Period = Period {
    bounds: Duration::ZERO..=Duration::from_secs(7 * 24 * 60 * 60),
    expected: "a duration of up to 168h, like 5m",
};

/// A notification's settings on their way.
#[derive(Debug, Default)]
pub(super) struct NotifyDraft {
    pub on: Option<On>,
    pub failed_for: Option<Duration>,
    pub webhook: Option<Url>,
    pub webhook_file: Option<PathBuf>,
    pub lambda: Option<Function>,
    pub sns: Option<Topic>,
    pub command: Option<Program>,
    pub preset: Option<Preset>,
    pub template: Option<UserTemplate>,
    pub headers: Option<Vec<(HeaderName, HeaderValue)>>,
    pub key: Option<String>,
    pub secret_file: Option<PathBuf>,
}

impl NotifyDraft {
    /// The notification that it describes.
    ///
    /// # Errors
    /// With the key that is at fault, and what was expected and found.
    pub(super) fn settings(self) -> Result<Settings, (&'static str, String)> {
        let given = [
            self.webhook.is_some(),
            self.webhook_file.is_some(),
            self.lambda.is_some(),
            self.sns.is_some(),
            self.command.is_some(),
        ];
        let given: Vec<&str> =
            TARGETS.into_iter().zip(given).filter(|(_, given)| *given).map(|(key, _)| key).collect();
        let [target] = given[..] else {
            let found = if given.is_empty() { "none".to_owned() } else { given.join(" and ") };
            let text = format!("expected exactly one of {}, found {found}", TARGETS.join(", "));
            return Err((given.last().map_or("webhook", |_| given[1]), text));
        };
        let of_webhooks = [
            ("preset", self.preset.is_some()),
            ("headers", self.headers.is_some()),
            ("key", self.key.is_some()),
            ("secret_file", self.secret_file.is_some()),
        ];
        if let Some((key, _)) =
            of_webhooks.into_iter().find(|(_, given)| *given && !target.starts_with("webhook"))
        {
            return Err((key, format!("expected a webhook beside it, found {target}")));
        }
        let key = match (self.key, self.secret_file) {
            (Some(id), Some(secret_file)) => Some(Key { id, secret_file }),
            (None, None) => None,
            (Some(_), None) => {
                return Err(("key", "expected secret_file beside it, found nothing".to_owned()));
            }
            (None, Some(_)) => {
                return Err(("secret_file", "expected key beside it, found nothing".to_owned()));
            }
        };
        let is_text = self.template.as_ref().is_some_and(|template| !template.is_json());
        if is_text && (target == "lambda" || key.is_some() && self.preset.is_none()) {
            let why = if target == "lambda" {
                "Lambda takes nothing else"
            } else {
                "a signature covers nothing else"
            };
            return Err(("template", format!("expected one of JSON, which begins with {{ or [: {why}")));
        }
        let default = match self.preset {
            Some(preset) if preset.listens_for_life() => On::ALL,
            _ => On::default(),
        };
        let address = self.webhook.map(Address::Url).or(self.webhook_file.map(Address::File));
        let headers = self.headers.unwrap_or_default();
        let webhook = |address| Webhook { address, preset: self.preset, headers, key };
        let target = address
            .map(|address| Target::Webhook(webhook(address)))
            .or(self.lambda.map(Target::Lambda))
            .or(self.sns.map(Target::Sns))
            .or(self.command.map(Target::Command));
        let Some(target) = target else { return Err(("webhook", "expected one".to_owned())) };
        let settings = Settings {
            on: self.on.unwrap_or(default),
            failed_for: self.failed_for,
            target,
            template: self.template,
        };
        let fault = |why| {
            ("template", format!("expected a template that can be filled in, found one that can't: {why}"))
        };
        settings.check().map_err(fault)?;
        Ok(settings)
    }
}

pub(super) fn on(value: &Value) -> Reading<On> {
    let expected = format!("some of {}", EVENTS.join(", "));
    let words: Vec<&str> = match &value.kind {
        ValueKind::Array(items) => {
            items.iter().map(|item| read::text(item, &expected)).collect::<Result<_, _>>()?
        }
        _ => read::text(value, &expected)?.split(',').map(str::trim).collect(),
    };
    let mut on = On { changed: false, failed: false, recovered: false };
    for word in words {
        match word {
            "changed" => on.changed = true,
            "failed" => on.failed = true,
            "recovered" => on.recovered = true,
            _ => return Err(format!("expected {expected}, found '{word}'{}", nearest(word, &EVENTS))),
        }
    }
    Ok(on)
}

pub(super) fn failed_for(value: &Value) -> Reading<Duration> {
    read::duration(value, &FAILED_FOR)
}

pub(super) fn webhook(value: &Value) -> Reading<Url> {
    const EXPECTED: &str = "expected an http or https URL without a user in it, found something else";
    match &value.kind {
        ValueKind::String(text) => text.trim().parse().map_err(|_| EXPECTED.to_owned()),
        _ => Err(EXPECTED.to_owned()),
    }
}

pub(super) fn file(value: &Value) -> Reading<PathBuf> {
    const EXPECTED: &str = "a file, or the name of one of the unit's credentials";
    match read::text(value, EXPECTED)? {
        "" => mismatch(EXPECTED, value),
        path => Ok(PathBuf::from(path)),
    }
}

pub(super) fn command(value: &Value) -> Reading<Program> {
    // Behind the program's name there may be a key.
    const EXPECTED: &str = "expected a program with its arguments, each quotation mark closed";
    match &value.kind {
        ValueKind::String(line) => Program::parse(line).ok_or_else(|| EXPECTED.to_owned()),
        _ => Err(EXPECTED.to_owned()),
    }
}

pub(super) fn preset(value: &Value) -> Reading<Preset> {
    let words = PRESETS.map(|(word, _)| word);
    let expected = format!("a preset ({})", words.join(", "));
    let word = read::text(value, &expected)?;
    word.parse().map_err(|()| format!("expected {expected}, found '{word}'{}", nearest(word, &words)))
}

pub(super) fn template(value: &Value) -> Reading<UserTemplate> {
    match &value.kind {
        ValueKind::String(text) if !text.trim().is_empty() => Ok(UserTemplate::new(text)),
        _ => mismatch("a template, like '{{ message }}'", value),
    }
}

/// A table of headers, or a text or texts like `Name: value`.
pub(super) fn headers(value: &Value) -> Reading<Vec<(HeaderName, HeaderValue)>> {
    const EXPECTED: &str = "expected headers like { Name = \"value\" }, found something else";
    let line = |value: &Value| match &value.kind {
        ValueKind::String(line) => {
            let (name, value) = line.split_once(':').ok_or(EXPECTED)?;
            one_header(name.trim(), value.trim())
        }
        _ => Err(EXPECTED.to_owned()),
    };
    match &value.kind {
        ValueKind::Table(table) => {
            let mut headers: Vec<_> = table
                .iter()
                .map(|(name, value)| match &value.kind {
                    ValueKind::String(value) => one_header(name, value),
                    _ => Err(format!("expected a text for the header {name}")),
                })
                .collect::<Result<_, _>>()?;
            // The parser's map has no order.
            headers.sort_by(|(a, _), (b, _)| a.as_str().cmp(b.as_str()));
            Ok(headers)
        }
        ValueKind::Array(lines) => lines.iter().map(line).collect(),
        _ => Ok(vec![line(value)?]),
    }
}

fn one_header(name: &str, value: &str) -> Reading<(HeaderName, HeaderValue)> {
    // These are the connection's own.
    let own = [header::HOST, header::CONTENT_LENGTH, header::CONNECTION, header::TRANSFER_ENCODING];
    let parsed = name.parse::<HeaderName>().ok().filter(|name| !own.contains(name));
    let parsed =
        parsed.ok_or_else(|| format!("expected the name of a header that can be set, found '{name}'"))?;
    let mut value = HeaderValue::from_str(value)
        .map_err(|_| format!("expected a text on one line for the header {name}, found something else"))?;
    value.set_sensitive(true);
    Ok((parsed, value))
}

pub(super) fn key(value: &Value) -> Reading<String> {
    const EXPECTED: &str = "a key's id without spaces or commas";
    let text = read::text(value, EXPECTED)?;
    let fits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',');
    if fits { Ok(text.to_owned()) } else { mismatch(EXPECTED, value) }
}

fn nearest(word: &str, words: &[&str]) -> String {
    let distance = |other: &&&str| strsim::damerau_levenshtein(&word.to_ascii_lowercase(), other);
    let nearest = words.iter().min_by_key(distance);
    let near = nearest.filter(|nearest| distance(nearest) <= word.chars().count() / 3 + 1);
    near.map(|near| format!("; the nearest is '{near}'")).unwrap_or_default()
}
