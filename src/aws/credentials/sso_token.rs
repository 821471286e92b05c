//! The token that `aws sso login` has left, and its renewal.
//!
//! A token of an `sso-session` is renewed ahead of its end with what stands beside it in its file, and the file
//! is written back, as AWS's own tools do. Others, and those whose registration has ended, take a browser.
//!
//! Spec: <https://docs.aws.amazon.com/singlesignon/latest/OIDCAPIReference/API_CreateToken.html>

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::{Request, Response, header};
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha1::{Digest, Sha1};

use super::Error;
use super::plan::Sso;
use super::resolve::Asking;
use super::sso::{NotUnderstood, Unanswered};
use crate::aws::profile::home;
use crate::aws::shared::Service;
use crate::clock::{Authority, Timestamp};
use crate::secret::SecretString;

/// A token with less left than this is renewed (AWS's own tools: 15 minutes).
const RENEW_AHEAD: SignedDuration = SignedDuration::from_mins(15);

/// A token's file.
struct Cached {
    path: PathBuf,
    /// All that it says: what isn't known here stays in it.
    fields: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Renewed {
    access_token: String,
    /// In seconds.
    expires_in: i64,
    refresh_token: Option<String>,
}

/// A token that holds.
pub(super) async fn token(sso: &Sso, asking: &Asking<'_>) -> Result<SecretString, Error> {
    let mut cached = Cached::read(sso, asking)?;
    let mend = format!("run `{}`", sso.login);
    let unreadable = || {
        let fault = format!("expected accessToken and expiresAt in {}: {mend}", cached.path.display());
        Error::broken(&sso.by, fault)
    };
    let token = cached.text("accessToken").map(SecretString::from).ok_or_else(unreadable)?;
    let expires = cached.time("expiresAt").ok_or_else(unreadable)?;
    let now = asking.clock.now().unwrap_or_else(|| asking.machine.now());
    let holds = now < expires;
    if expires.duration_since(now) >= RENEW_AHEAD {
        return Ok(token);
    }
    let renewal = match cached.renewal(sso, now) {
        Some(body) => renew(sso, asking, body).await.map(Some),
        None => Ok(None),
    };
    match renewal {
        Ok(Some(renewed)) => {
            let token = SecretString::from(renewed.access_token.as_str());
            cached.take_in(renewed, now);
            // Without the file, the next run takes a browser; this one has its token.
            if let Err(error) = cached.write() {
                tracing::debug!(%error, path = %cached.path.display(), "the renewed SSO token isn't written down");
            }
            Ok(token)
        }
        Err(error) if holds => {
            tracing::debug!(%error, "the SSO token isn't renewed yet");
            Ok(token)
        }
        Ok(None) if holds => Ok(token),
        Err(error) => Err(error),
        Ok(None) => {
            let fault = format!("the SSO token in {} ended at {expires}: {mend}", cached.path.display());
            Err(Error::refused(&sso.by, fault))
        }
    }
}

impl Cached {
    fn read(sso: &Sso, asking: &Asking<'_>) -> Result<Self, Error> {
        let mut name = String::with_capacity(40);
        for byte in Sha1::digest(&sso.filed_under) {
            let _ = write!(name, "{byte:02x}");
        }
        let Some(home) = home(asking.shared.env()) else {
            return Err(Error::broken(
                &sso.by,
                "expected HOME to be set, to find the token of `aws sso login`",
            ));
        };
        let path = home.join(".aws/sso/cache").join(format!("{name}.json"));
        let text = fs::read(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::refused(
                &sso.by,
                format!("there is no SSO token at {}: run `{}`", path.display(), sso.login),
            ),
            _ => Error::broken(&sso.by, format!("could not read {}: {error}", path.display())),
        })?;
        // The text holds a secret: serde's own message, which may quote it, stays out of the error.
        let fields = serde_json::from_slice(&text).map_err(|_| {
            let fault =
                format!("expected accessToken and expiresAt in {}: run `{}`", path.display(), sso.login);
            Error::broken(&sso.by, fault)
        })?;
        Ok(Self { path, fields })
    }

    fn text(&self, field: &str) -> Option<&str> {
        self.fields.get(field)?.as_str()
    }

    fn time(&self, field: &str) -> Option<Timestamp> {
        time(self.text(field)?)
    }

    /// What asks for a new token, where this one can be renewed without a browser.
    fn renewal(&self, sso: &Sso, now: Timestamp) -> Option<Bytes> {
        let registered = sso.has_session && self.time("registrationExpiresAt")? > now;
        let body = json!({
            "grantType": "refresh_token",
            "clientId": self.text("clientId")?,
            "clientSecret": self.text("clientSecret")?,
            "refreshToken": self.text("refreshToken")?,
        });
        registered.then(|| Bytes::from(body.to_string()))
    }

    fn take_in(&mut self, renewed: Renewed, now: Timestamp) {
        let expires = now.saturating_add(SignedDuration::from_secs(renewed.expires_in)).unwrap_or(now);
        self.fields.insert("accessToken".to_owned(), renewed.access_token.into());
        self.fields.insert("expiresAt".to_owned(), expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into());
        // One that isn't replaced stays good (RFC 6749, section 6).
        if let Some(refresh) = renewed.refresh_token {
            self.fields.insert("refreshToken".to_owned(), refresh.into());
        }
    }

    /// Writes the file anew, by renaming a finished one into place, for nobody else to read.
    fn write(&self) -> io::Result<()> {
        let unfinished = self.path.with_extension(format!("json.{}", std::process::id()));
        let text = serde_json::to_vec(&self.fields)?;
        write_for_owner(&unfinished, &text).and_then(|()| fs::rename(&unfinished, &self.path)).inspect_err(
            |_| {
                // Best effort: the error that counts is the one on its way.
                let _ = fs::remove_file(&unfinished);
            },
        )
    }
}

fn write_for_owner(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

async fn renew(sso: &Sso, asking: &Asking<'_>, body: Bytes) -> Result<Renewed, Error> {
    let endpoint = asking.endpoint(Service::SsoOidc, Some(&sso.region)).await?;
    let what = || format!("{}: the renewal of the SSO token", sso.by);
    let request = Request::post(format!("{}/token", endpoint.url))
        .header(header::CONTENT_TYPE, "application/json")
        .body(body)
        .map_err(|error| Error::broken(what(), error.to_string()))?;
    let answer = asking.to_sts.send(request).await.map_err(|error| Error::unanswered(what(), error))?;
    asking.clock.observe(answer.headers(), Authority::Metadata);
    understand(sso, what(), &answer)
}

fn understand(sso: &Sso, what: String, answer: &Response<Bytes>) -> Result<Renewed, Error> {
    match answer.status().as_u16() {
        200 => serde_json::from_slice(answer.body())
            .map_err(|_| Error::unanswered(what, NotUnderstood { expected: "accessToken and expiresIn" })),
        status @ (429 | 500..) => Err(Error::unanswered(what, Unanswered(status))),
        status => {
            let fault = format!("{}: run `{}`", Unanswered(status), sso.login);
            Err(Error::refused(what, fault))
        }
    }
}

/// A time as the token's writers write it: the older of them end it in `UTC`.
fn time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    text.strip_suffix("UTC").map_or_else(|| text.parse(), |time| format!("{time}Z").parse()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_writing_the_end_of_a_token_are_read() {
        for text in ["2026-11-21T16:00:00Z", "2026-11-21T16:00:00UTC"] {
            assert_eq!(time(text).unwrap().to_string(), "2026-11-21T16:00:00Z");
        }
        assert_eq!(time("soon"), None);
    }
}
