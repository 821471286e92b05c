//! Webhooks: a POST with the event, in the form of a preset or of the user's own, signed where it is to be.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Method, Request, Uri};

use super::event::Event;
use super::preset::{Parts, Preset};
use super::{Again, Failure, Outside, secrets};
use crate::causes::with_causes;
use crate::secret::{Credentials, ExposeSecret};
use crate::sign::sdk_hmac;

/// Nobody is waited for longer than this, whatever he asks for.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    pub address: Address,
    pub preset: Option<Preset>,
    /// Sent with each request; their values are secret.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Requests are signed by SDK-HMAC-SHA256.
    pub key: Option<Key>,
}

/// Where a webhook is: secret, since whoever knows it can write there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    Url(Url),
    /// It stands in a file.
    File(PathBuf),
}

/// An http or https URL, of which only scheme and host are ever shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Url(Uri);

/// A key that signs: its id, and where its secret stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub id: String,
    pub secret_file: PathBuf,
}

/// What a URL has to be; what was found is not for other eyes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected an http or https URL without a user in it, found something else")]
pub struct NoUrl;

impl FromStr for Url {
    type Err = NoUrl;

    fn from_str(text: &str) -> Result<Self, NoUrl> {
        let uri: Uri = text.parse().map_err(|_| NoUrl)?;
        let authority = uri.authority().ok_or(NoUrl)?;
        let fits = matches!(uri.scheme_str(), Some("http" | "https"))
            && !authority.host().is_empty()
            && !authority.as_str().contains('@');
        if fits { Ok(Self(uri)) } else { Err(NoUrl) }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority = self.0.authority().map_or("", |authority| authority.as_str());
        write!(f, "{}://{authority}", self.0.scheme_str().unwrap_or("http"))
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Address::Url(url) => write!(f, "webhook {url}"),
            Address::File(path) => write!(f, "webhook of {}", path.display()),
        }
    }
}

impl Webhook {
    pub(super) async fn send(
        &self,
        event: &Event,
        rendered: Option<String>,
        is_json: bool,
        outside: &Outside,
    ) -> Result<(), Failure> {
        let never = |why: String| Failure { why, again: Again::Never };
        let url = self.url(outside).map_err(never)?;
        let Parts { method, uri, headers, body } = match self.preset {
            Some(preset) => {
                let text = rendered.unwrap_or_else(|| event.message());
                preset.request(&url.0, event, &text)
            }
            None => plain(&url.0, event, rendered, is_json),
        };
        let mut request = Request::new(body);
        (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) = (method, uri, headers);
        for (name, value) in &self.headers {
            request.headers_mut().insert(name, value.clone());
        }
        if let Some(key) = &self.key {
            let secret = secrets::read(&key.secret_file, &outside.env).map_err(never)?;
            let credentials = Credentials::new(&key.id, secret.expose_secret());
            let time = outside.clock.now().unwrap_or_else(|| outside.machine.now());
            let signed = sdk_hmac::sign(&request, &credentials, time);
            let signed = signed.map_err(|error| never(format!("can't be signed for: {error}")))?;
            signed.apply(request.headers_mut());
        }
        let is_tls = request.uri().scheme_str() == Some("https");
        let transport = if is_tls { &outside.over_tls } else { &outside.plain };
        let answer = transport.send(request).await.map_err(|error| Failure {
            why: with_causes(&error),
            again: if error.is_transient() { Again::Later } else { Again::Never },
        })?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let wait = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let again = match (status.as_u16(), wait) {
            (408 | 429 | 500..=599, Some(seconds)) => {
                Again::After(Duration::from_secs(seconds).min(LONGEST_WAIT))
            }
            (408 | 429 | 500..=599, None) => Again::Later,
            _ => Again::Never,
        };
        // What it says beside may quote what it was sent.
        let why = if status.is_redirection() {
            format!("{url} points elsewhere (status {}), and pin53 follows nobody", status.as_u16())
        } else {
            format!("{url} answered with status {}", status.as_u16())
        };
        Err(Failure { why, again })
    }

    fn url(&self, outside: &Outside) -> Result<Url, String> {
        match &self.address {
            Address::Url(url) => Ok(url.clone()),
            Address::File(path) => {
                let text = secrets::read(path, &outside.env)?;
                text.expose_secret().parse().map_err(|error| format!("{}: {error}", path.display()))
            }
        }
    }
}

fn plain(url: &Uri, event: &Event, rendered: Option<String>, is_json: bool) -> Parts {
    let content_type = if is_json { "application/json" } else { "text/plain; charset=utf-8" };
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
    let body = Bytes::from(rendered.unwrap_or_else(|| event.json()));
    Parts { method: Method::POST, uri: url.clone(), headers, body }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_url_nothing_is_shown_but_its_host() {
        let url: Url = "https://hooks.example:8443/services/sentinel?token=sentinel".parse().unwrap();
        assert_eq!(format!("{url} {url:?}"), "https://hooks.example:8443 https://hooks.example:8443");
        for wrong in
            ["", "sentinel", "/sentinel", "ftp://a/sentinel", "https://user:sentinel@a/", "https:///x"]
        {
            let told = wrong.parse::<Url>().unwrap_err().to_string();
            assert!(
                told.starts_with("expected an http or https URL") && !told.contains("sentinel"),
                "{told}"
            );
        }
    }
}
