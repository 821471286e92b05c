//! A captured request in words, and as JSON.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};

use super::body::{as_text, hex_dump, parameters, pretty_json};
use super::{Captured, multipart, redact};
use crate::sign::Rejection;
use crate::toolbox::{visible, visible_lines};

/// What kind of body a request says that it has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Form,
    Multipart,
    Json,
    Other,
}

impl Kind {
    fn of(headers: &HeaderMap) -> Self {
        let text = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let kind = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match kind.as_str() {
            "application/x-www-form-urlencoded" => Self::Form,
            "multipart/form-data" => Self::Multipart,
            kind if kind.ends_with("/json") || kind.ends_with("+json") => Self::Json,
            kind if kind.starts_with("application/x-amz-json") => Self::Json,
            _ => Self::Other,
        }
    }
}

/// Why a request isn't accepted, for whoever sent it: with the texts that were worked out.
pub(super) fn reason(rejection: &Rejection) -> String {
    let mut text = format!("{}: {rejection}\n", rejection.name());
    if let Rejection::Mismatch { canonical_request, string_to_sign } = rejection {
        // Writing to a string can't fail.
        if let Some(canonical_request) = canonical_request {
            let _ = write!(text, "\ncanonical request:\n{canonical_request}\n");
        }
        let _ = write!(text, "\nstring to sign:\n{string_to_sign}\n");
    }
    text
}

impl Captured {
    /// The request line and the header lines, as they came.
    fn head(&self) -> (String, Vec<(String, String)>) {
        let text = String::from_utf8_lossy(&self.head);
        let mut lines = text.lines();
        let first = lines.next().unwrap_or_default().to_owned();
        let headers = lines.take_while(|line| !line.is_empty()).map(|line| {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            (name.to_owned(), value.trim().to_owned())
        });
        (first, headers.collect())
    }

    /// The fields of a form.
    fn form(&self) -> Option<Vec<(String, String)>> {
        if self.is_multipart() {
            let kind = self.request.headers().get(CONTENT_TYPE)?;
            return multipart::fields(&String::from_utf8_lossy(kind.as_bytes()), self.request.body());
        }
        let text = as_text(self.request.body()).filter(|text| !text.is_empty())?;
        (Kind::of(self.request.headers()) == Kind::Form)
            .then(|| parameters(text.trim_end_matches(['\r', '\n'])))
    }

    /// Whether the fields leave out something of the body.
    fn is_multipart(&self) -> bool {
        Kind::of(self.request.headers()) == Kind::Multipart
    }

    /// Whether the parts of a form hold what may not be shown.
    fn hides_body(&self, form: Option<&[(String, String)]>, show_secrets: bool) -> bool {
        let hidden = || form.is_some_and(|form| form.iter().any(|(name, _)| redact::is_hidden(name)));
        self.is_multipart() && !show_secrets && hidden()
    }

    /// All of it, over several lines.
    #[must_use]
    pub fn text(&self, show_secrets: bool) -> String {
        let mut out = String::with_capacity(512);
        // Writing to a string can't fail.
        let _ = self.write(&mut out, show_secrets);
        out
    }

    fn write(&self, out: &mut String, show_secrets: bool) -> std::fmt::Result {
        let parameter = |name: &str, value: &str| {
            visible(&if show_secrets { value.to_owned() } else { redact::parameter(name, value) })
        };
        let peer = self.peer.map_or_else(|| "?".to_owned(), |peer| peer.to_string());
        writeln!(out, "-- {} from {peer}, answered {}", self.time, self.status.as_u16())?;
        let (first, headers) = self.head();
        writeln!(out, "{}", visible(&if show_secrets { first } else { redact::request_line(&first) }))?;
        for (name, value) in headers {
            let value = if show_secrets { value } else { redact::header(&name, &value) };
            writeln!(out, "{}: {}", visible(&name), visible(&value))?;
        }
        let query = parameters(self.request.uri().query().unwrap_or_default());
        if !query.is_empty() {
            writeln!(out, "\nquery:")?;
            for (name, value) in &query {
                writeln!(out, "  {} = {}", visible(name), parameter(name, value))?;
            }
        }
        let body = self.request.body();
        let form = self.form();
        if let Some(form) = &form {
            writeln!(out, "\nform:")?;
            for (name, value) in form {
                writeln!(out, "  {} = {}", visible(name), parameter(name, value))?;
            }
        }
        if self.hides_body(form.as_deref(), show_secrets) {
            writeln!(out, "\nbody, {} bytes, left out for what is redacted in it", body.len())?;
        } else if (form.is_none() || self.is_multipart()) && !body.is_empty() {
            writeln!(out, "\nbody, {} bytes:", body.len())?;
            let is_json = Kind::of(self.request.headers()) == Kind::Json;
            match as_text(body) {
                Some(text) => {
                    let json = pretty_json(text).filter(|_| is_json);
                    write_indented(out, json.as_deref().unwrap_or(text))?;
                    if is_json && json.is_none() {
                        writeln!(out, "(not valid JSON)")?;
                    }
                }
                None => write_indented(out, &hex_dump(body))?,
            }
        }
        if let Some(cut) = self.cut {
            writeln!(out, "\n{cut}: only its first {} bytes are here", body.len())?;
        }
        match &self.verified {
            None => {}
            Some((scheme, Ok(verified))) => {
                let key = visible(&verified.key_id);
                writeln!(out, "\n{scheme}: valid, signed by {key} at {}", verified.signed_at)?;
            }
            Some((scheme, Err(rejection))) => {
                let reason = reason(rejection);
                let reason = if show_secrets { reason } else { redact::canonical(&reason) };
                writeln!(out, "\n{scheme}: {}", visible_lines(reason.trim_end()))?;
            }
        }
        writeln!(out)
    }

    /// All of it as one JSON object.
    #[must_use]
    pub fn json(&self, show_secrets: bool) -> Value {
        let shown = |pairs: Vec<(String, String)>| -> Vec<[String; 2]> {
            let one = |(name, value): (String, String)| {
                let value = if show_secrets { value } else { redact::parameter(&name, &value) };
                [name, value]
            };
            pairs.into_iter().map(one).collect()
        };
        let (first, headers) = self.head();
        let target =
            first.split_once(' ').map_or("", |(_, rest)| rest.rsplit_once(' ').map_or(rest, |(t, _)| t));
        let headers: Vec<[String; 2]> = headers
            .into_iter()
            .map(|(name, value)| {
                let value = if show_secrets { value } else { redact::header(&name, &value) };
                [name, value]
            })
            .collect();
        let body = self.request.body();
        let form = self.form();
        let text = std::str::from_utf8(body).ok();
        let is_json = Kind::of(self.request.headers()) == Kind::Json;
        let parsed = text.filter(|_| is_json).and_then(|text| serde_json::from_str::<Value>(text).ok());
        // A form is shown by its fields, of which some may have to be left out.
        let hides_body = self.hides_body(form.as_deref(), show_secrets);
        let text = text.filter(|_| !hides_body).map(|text| {
            let is_query = form.is_some() && !self.is_multipart();
            if is_query && !show_secrets { redact::query(text) } else { text.to_owned() }
        });
        let verified = self.verified.as_ref().map(|(_, verified)| match verified {
            Ok(verified) => {
                json!({ "valid": true, "key_id": verified.key_id, "signed_at": verified.signed_at.to_string() })
            }
            Err(rejection) => json!({ "valid": false, "reason": rejection.name(), "why": rejection.to_string() }),
        });
        json!({
            "time": self.time.to_string(),
            "peer": self.peer.map(|peer| peer.to_string()),
            "method": self.request.method().as_str(),
            "target": if show_secrets { target.to_owned() } else { redact::target(target) },
            "path": self.request.uri().path(),
            "query": shown(parameters(self.request.uri().query().unwrap_or_default())),
            "headers": headers,
            "form": form.map(shown),
            "json": parsed,
            "body": text,
            "body_base64": (text_is_none(body) && !hides_body).then(|| STANDARD.encode(body)),
            "body_bytes": body.len(),
            "cut": self.cut.is_some(),
            "verified": verified,
            "status": self.status.as_u16(),
        })
    }
}

/// Lines of a body, set in: whatever they say, none looks like one of ours.
fn write_indented(out: &mut String, text: &str) -> std::fmt::Result {
    text.lines().try_for_each(|line| writeln!(out, "  {}", visible(line)))
}

fn text_is_none(body: &[u8]) -> bool {
    std::str::from_utf8(body).is_err()
}
