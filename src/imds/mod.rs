//! The instance metadata service, version 2.
//!
//! Gives items as text. What an item means, and whether it makes sense, is its reader's.
//! Absent (404) and unreadable are never the same.
//!
//! Spec: <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-v2-how-it-works.html>

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::causes::with_causes;
use crate::clock::{Authority, ServerClock};
use crate::env::Env;
use crate::transport::{self, Transport};

const IPV4: &str = "http://169.254.169.254";
const IPV6: &str = "http://[fd00:ec2::254]";
const TOKEN_PATH: &str = "/latest/api/token";
const ITEMS: &str = "/latest/meta-data/";
const TOKEN: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token");
const TOKEN_TTL: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds");
/// The longest life that the service gives a token.
const LIFE: Duration = Duration::from_secs(21_600);
/// A token is renewed this long before it ends.
const RENEW_AHEAD: Duration = Duration::from_secs(120);
/// Longest token that is believed to be one; real ones have 56 characters.
const LONGEST_TOKEN: usize = 1024;
/// An item is asked for this often before it counts as unknown. With a second for each, and
/// the pauses between, that stays under five seconds.
const ATTEMPTS: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Bounds of the requests to the metadata service: it is a link-local neighbour, never behind a proxy.
pub const TRANSPORT: transport::Settings = transport::Settings {
    connect_timeout: Duration::from_secs(1),
    timeout: Duration::from_secs(1),
    body_limit: 64 * 1024,
    proxy: false,
};

/// Where the service is, by AWS's own variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Scheme and authority, without a path.
    endpoint: String,
    disabled: bool,
}

/// A setting of the metadata service makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("AWS_EC2_METADATA_SERVICE_ENDPOINT: expected an http URL like {IPV4}, found '{0}'")]
    Endpoint(String),
    #[error("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE: expected IPv4 or IPv6, found '{0}'")]
    Mode(String),
}

impl Settings {
    /// # Errors
    /// When the endpoint is no URL or the mode is neither IPv4 nor IPv6.
    pub fn from_env(env: &Env) -> Result<Self, SettingsError> {
        let mode = env.get("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE").unwrap_or("IPv4");
        let by_mode = match mode {
            m if m.eq_ignore_ascii_case("ipv4") => IPV4,
            m if m.eq_ignore_ascii_case("ipv6") => IPV6,
            other => return Err(SettingsError::Mode(other.to_owned())),
        };
        let given = env.get("AWS_EC2_METADATA_SERVICE_ENDPOINT").unwrap_or(by_mode);
        let bad = || SettingsError::Endpoint(given.to_owned());
        let uri: Uri = given.parse().map_err(|_| bad())?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.authority().is_none() {
            return Err(bad());
        }
        let endpoint = given.trim_end_matches('/').to_owned();
        Ok(Self { endpoint, disabled: env.is_true("AWS_EC2_METADATA_DISABLED") })
    }
}

/// Why an item could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the metadata service is switched off by AWS_EC2_METADATA_DISABLED")]
    Disabled,
    #[error("the metadata service can't be reached")]
    Unreachable(#[source] transport::Error),
    /// Somebody else's request for a token, which this one waited for, has failed.
    #[error("{0}")]
    NoToken(String),
    #[error("the metadata service refuses to give a token (status 403): it is disabled for this instance")]
    Forbidden,
    #[error("the metadata service answers, but not to version 2 (status {0} to the request for a token)")]
    NotVersion2(u16),
    #[error("the metadata service answered {item} with status {status}")]
    Status { item: String, status: u16 },
    #[error("the metadata service's answer to {0} can't be read: expected text")]
    NotText(String),
    #[error("the metadata service's answer to {item} can't be read: expected {expected}")]
    Unexpected { item: String, expected: &'static str },
}

impl Error {
    /// Whether another attempt may fare better.
    fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(error) => error.is_transient(),
            Self::Status { status, .. } => *status == 429 || *status >= 500,
            Self::NotText(_) | Self::Unexpected { .. } | Self::NoToken(_) => true,
            Self::Disabled | Self::Forbidden | Self::NotVersion2(_) => false,
        }
    }

    /// What a person can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Unreachable(transport::Error::Timeout { .. }) => Some(
                "off EC2 there is no metadata service; in a container its answers may not get through: \
                 set the instance's metadata hop limit to 2",
            ),
            Self::Forbidden | Self::NotVersion2(_) => {
                Some("enable the metadata service (HttpEndpoint=enabled) in the instance's metadata options")
            }
            _ => None,
        }
    }
}

/// The client. It keeps one token and renews it in time.
pub struct Imds {
    transport: Arc<dyn Transport>,
    clock: Arc<ServerClock>,
    settings: Settings,
    token: Mutex<Option<Token>>,
    failures: std::sync::Mutex<Failures>,
}

/// Requests for a token that have failed.
#[derive(Debug, Clone, Default)]
struct Failures {
    count: u64,
    /// What the last one ended with, in words.
    last: String,
}

#[derive(Clone)]
struct Token {
    value: HeaderValue,
    renew_at: Instant,
}

impl Imds {
    /// A client that tells `clock` the time its answers carry.
    #[must_use]
    pub fn new(settings: Settings, transport: Arc<dyn Transport>, clock: Arc<ServerClock>) -> Self {
        Self { transport, clock, settings, token: Mutex::new(None), failures: std::sync::Mutex::default() }
    }

    /// The item at `path` below `/latest/meta-data/`, trimmed; `None` when the service says that
    /// there is none, or gives an empty one.
    ///
    /// # Errors
    /// When that could not be found out, after a few attempts.
    pub async fn item(&self, path: &str) -> Result<Option<String>, Error> {
        Ok(self.text(path).await?.filter(|text| !text.is_empty()))
    }

    /// The same, but an empty item is one: a tag may have no value.
    ///
    /// # Errors
    /// As [`Imds::item`].
    pub async fn text(&self, path: &str) -> Result<Option<String>, Error> {
        if self.settings.disabled {
            return Err(Error::Disabled);
        }
        let mut pause = FIRST_PAUSE;
        let mut attempt = 1;
        loop {
            match self.attempt(path).await {
                Err(error) if error.is_transient() && attempt < ATTEMPTS => {
                    tracing::debug!(item = path, attempt, error = %error, "metadata not read");
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                    attempt += 1;
                }
                settled => return settled,
            }
        }
    }

    async fn attempt(&self, path: &str) -> Result<Option<String>, Error> {
        let uri = format!("{}{ITEMS}{path}", self.settings.endpoint);
        let mut renewed = false;
        loop {
            let token = self.token().await?;
            let answer = self.send(Method::GET, &uri, (TOKEN, token.value.clone())).await?;
            match answer.status() {
                StatusCode::OK => {
                    let text =
                        std::str::from_utf8(answer.body()).map_err(|_| Error::NotText(path.to_owned()))?;
                    return Ok(Some(text.trim().to_owned()));
                }
                StatusCode::NOT_FOUND => return Ok(None),
                StatusCode::UNAUTHORIZED if !renewed => {
                    renewed = true;
                    self.discard(&token).await;
                }
                status => return Err(Error::Status { item: path.to_owned(), status: status.as_u16() }),
            }
        }
    }

    /// The current token, fetched once for all who wait for it.
    async fn token(&self) -> Result<Token, Error> {
        let failures = self.failures().count;
        let mut kept = self.token.lock().await;
        if let Some(token) = kept.as_ref().filter(|token| Instant::now() < token.renew_at) {
            return Ok(token.clone());
        }
        // Whoever waited for a request that failed shares its failure.
        let shared = self.failures().clone();
        if shared.count != failures {
            return Err(Error::NoToken(shared.last));
        }
        let token = self.fetch_token().await.inspect_err(|error| {
            let mut failures = self.failures();
            failures.count += 1;
            failures.last = with_causes(error);
        })?;
        Ok(kept.insert(token).clone())
    }

    fn failures(&self) -> std::sync::MutexGuard<'_, Failures> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn fetch_token(&self) -> Result<Token, Error> {
        let uri = format!("{}{TOKEN_PATH}", self.settings.endpoint);
        let answer = self.send(Method::PUT, &uri, (TOKEN_TTL, HeaderValue::from(LIFE.as_secs()))).await?;
        let bad = || Error::NotText("the request for a token".to_owned());
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::FORBIDDEN => return Err(Error::Forbidden),
            status @ (StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED) => {
                return Err(Error::NotVersion2(status.as_u16()));
            }
            status => {
                return Err(Error::Status {
                    item: "the request for a token".to_owned(),
                    status: status.as_u16(),
                });
            }
        }
        let body = answer.body().trim_ascii();
        if body.is_empty() || body.len() > LONGEST_TOKEN || !body.iter().all(u8::is_ascii_graphic) {
            return Err(bad());
        }
        let mut value = HeaderValue::from_bytes(body).map_err(|_| bad())?;
        value.set_sensitive(true);
        let life = answer.headers().get(&TOKEN_TTL).and_then(|ttl| ttl.to_str().ok()?.parse().ok());
        let life = life.map_or(LIFE, Duration::from_secs).min(LIFE);
        let renew_at = Instant::now() + life.saturating_sub(RENEW_AHEAD).max(life / 2);
        Ok(Token { value, renew_at })
    }

    /// Forgets `token` unless somebody has renewed it meanwhile.
    async fn discard(&self, token: &Token) {
        let mut kept = self.token.lock().await;
        if kept.as_ref().is_some_and(|current| current.value == token.value) {
            *kept = None;
        }
    }

    async fn send(
        &self,
        method: Method,
        uri: &str,
        header: (HeaderName, HeaderValue),
    ) -> Result<Response<Bytes>, Error> {
        let unsendable = |source: http::Error| {
            let host = self.settings.endpoint.clone();
            Error::Unreachable(transport::Error::Request { host, source: Some(source.into()) })
        };
        let request = Request::builder().method(method).uri(uri).header(header.0, header.1);
        let request = request.body(Bytes::new()).map_err(unsendable)?;
        let answer = self.transport.send(request).await.map_err(Error::Unreachable)?;
        self.clock.observe(answer.headers(), Authority::Metadata);
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endpoint_follows_aws_own_variables() {
        let endpoint = |env: &[(&str, &str)]| {
            Settings::from_env(&Env::from_iter(env.iter().copied())).map(|s| s.endpoint)
        };
        assert_eq!(endpoint(&[]).unwrap(), IPV4);
        assert_eq!(endpoint(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "ipv6")]).unwrap(), IPV6);
        let own = ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1338/");
        assert_eq!(
            endpoint(&[own, ("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv6")]).unwrap(),
            "http://127.0.0.1:1338"
        );
        assert!(endpoint(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv5")]).is_err());
        assert!(endpoint(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", "nowhere")]).is_err());
    }
}
