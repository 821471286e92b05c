//! The instance metadata service, version 2.
//!
//! Gives items as text. What an item means, and whether it makes sense, is its reader's.
//! Absent (404) and unreadable are never the same.
//!
//! Spec: <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-v2-how-it-works.html>

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::clock::{Authority, ServerClock};
use crate::env::Env;
use crate::transport::{self, Transport};

const IPV4: &str = "http://169.254.169.254";
const IPV6: &str = "http://[fd00:ec2::254]";
const TOKEN_PATH: &str = "/latest/api/token";
const ITEMS: &str = "/latest/meta-data/";
const REGION: &str = "placement/region";
const MAC: &str = "mac";
const PUBLIC_HOSTNAME: &str = "public-hostname";
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
/// A way that isn't there shows at once. What takes longer may be on its way all the same.
const AT_ONCE: Duration = Duration::from_millis(500);

/// Bounds of the requests to the metadata service: it is a link-local neighbour, never behind a proxy.
pub const TRANSPORT: transport::Settings = transport::Settings {
    connect_timeout: Duration::from_secs(1),
    timeout: Duration::from_secs(1),
    body_limit: 64 * 1024,
    proxy: false,
};

/// Where the service is, by AWS's own variables and profile files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Scheme and authority, without a path.
    endpoint: String,
    /// Where it may be too, when nobody says where it is: an instance of IPv6 alone has no way to the first.
    other: Option<&'static str>,
    disabled: bool,
}

/// A setting of the metadata service makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("{by}: expected an http URL like {IPV4}, found '{found}'")]
    Endpoint { by: String, found: String },
    #[error("{by}: expected IPv4 or IPv6, found '{found}'")]
    Mode { by: String, found: String },
}

impl Settings {
    /// What the environment says.
    ///
    /// # Errors
    /// When the endpoint is no URL or the mode is neither IPv4 nor IPv6.
    pub fn from_env(env: &Env) -> Result<Self, SettingsError> {
        Self::read(env, |_| None)
    }

    /// What the environment says, and where it doesn't, the property of a profile, given with its place.
    ///
    /// # Errors
    /// As for [`from_env`](Self::from_env).
    pub fn read(
        env: &Env,
        property: impl Fn(&str) -> Option<(String, String)>,
    ) -> Result<Self, SettingsError> {
        let setting = |variable: &str| {
            let by_variable = env.get(variable).map(|value| (value.to_owned(), variable.to_owned()));
            let key = variable.trim_start_matches("AWS_").to_ascii_lowercase();
            by_variable.or_else(|| property(&key))
        };
        let disabled = env.is_true("AWS_EC2_METADATA_DISABLED");
        if let Some((found, by)) = setting("AWS_EC2_METADATA_SERVICE_ENDPOINT") {
            let uri: Option<Uri> = found.parse().ok();
            let usable = uri.is_some_and(|uri| {
                matches!(uri.scheme_str(), Some("http" | "https")) && uri.authority().is_some()
            });
            if !usable {
                return Err(SettingsError::Endpoint { by, found });
            }
            return Ok(Self { endpoint: found.trim_end_matches('/').to_owned(), other: None, disabled });
        }
        let (endpoint, other) = match setting("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE") {
            None => (IPV4, Some(IPV6)),
            Some((mode, _)) if mode.eq_ignore_ascii_case("ipv4") => (IPV4, None),
            Some((mode, _)) if mode.eq_ignore_ascii_case("ipv6") => (IPV6, None),
            Some((found, by)) => return Err(SettingsError::Mode { by, found }),
        };
        Ok(Self { endpoint: endpoint.to_owned(), other, disabled })
    }
}

/// Why an item could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the metadata service is switched off by AWS_EC2_METADATA_DISABLED")]
    Disabled,
    #[error("the metadata service can't be reached")]
    Unreachable(#[source] transport::Error),
    /// The request for a token has failed, perhaps somebody else's that this one waited for.
    #[error("{0}")]
    NoToken(#[source] Arc<Error>),
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
            Self::NotText(_) | Self::Unexpected { .. } => true,
            Self::NoToken(error) => error.is_transient(),
            Self::Disabled | Self::Forbidden | Self::NotVersion2(_) => false,
        }
    }

    /// What it was for the one whose request failed.
    #[must_use]
    pub fn root(&self) -> &Self {
        match self {
            Self::NoToken(error) => error.root(),
            error => error,
        }
    }

    /// What a person can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self.root() {
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

/// A network (VPC), as Route 53 knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    pub vpc: String,
    pub region: String,
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.vpc, self.region)
    }
}

/// The client. It keeps one token and renews it in time.
pub struct Imds {
    transport: Arc<dyn Transport>,
    clock: Arc<ServerClock>,
    settings: Settings,
    token: Mutex<Option<Token>>,
    failures: std::sync::Mutex<Failures>,
    /// The other address is the one that leads there.
    at_other: AtomicBool,
    region: OnceLock<String>,
    network: OnceLock<Network>,
}

/// Requests for a token that have failed.
#[derive(Debug, Clone, Default)]
struct Failures {
    count: u64,
    /// What the last one ended with.
    last: Option<Arc<Error>>,
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
        Self {
            transport,
            clock,
            settings,
            token: Mutex::new(None),
            failures: std::sync::Mutex::default(),
            at_other: AtomicBool::new(false),
            region: OnceLock::new(),
            network: OnceLock::new(),
        }
    }

    /// Whether the service answered over IPv6 because there was no way to it over IPv4: then there is none to
    /// anywhere.
    #[must_use]
    pub fn is_without_ipv4(&self) -> bool {
        self.at_other.load(Ordering::Relaxed)
    }

    /// The region that the instance is in, as far as an answer has told it.
    #[must_use]
    pub fn seen_region(&self) -> Option<String> {
        self.region.get().cloned()
    }

    /// The region that the instance is in; `None` where that can't be found out at the first attempt, as it
    /// is off EC2.
    pub async fn region(&self) -> Option<String> {
        if self.settings.disabled {
            return None;
        }
        if self.region.get().is_none()
            && let Err(error) = self.attempt(REGION).await
        {
            tracing::debug!(%error, "no region from the metadata");
        }
        self.seen_region()
    }

    /// The same, found out as other items are; `None` only where the service is switched off.
    ///
    /// # Errors
    /// When that could not be found out, after a few attempts.
    pub async fn needed_region(&self) -> Result<Option<String>, Error> {
        if self.region.get().is_none() {
            match self.item(REGION).await {
                Ok(_) | Err(Error::Disabled) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.seen_region())
    }

    /// The network of the instance's first interface, as far as it was asked for.
    #[must_use]
    pub fn seen_network(&self) -> Option<&Network> {
        self.network.get()
    }

    /// The network of the instance's first interface; `None` where the service knows none.
    ///
    /// # Errors
    /// When that could not be found out, after a few attempts.
    pub async fn network(&self) -> Result<Option<Network>, Error> {
        if let Some(network) = self.network.get() {
            return Ok(Some(network.clone()));
        }
        let Some(mac) = self.item(MAC).await? else { return Ok(None) };
        if !mac.bytes().all(|b| b.is_ascii_hexdigit() || b == b':') {
            return Err(Error::Unexpected { item: MAC.to_owned(), expected: "a hardware address" });
        }
        let item = format!("network/interfaces/macs/{mac}/vpc-id");
        let Some(vpc) = self.item(&item).await? else { return Ok(None) };
        if !vpc.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Err(Error::Unexpected { item, expected: "the id of a VPC" });
        }
        let Some(region) = self.needed_region().await? else { return Ok(None) };
        // An instance's first interface stays where it is.
        Ok(Some(self.network.get_or_init(|| Network { vpc, region }).clone()))
    }

    /// Takes the region from an answer that holds it.
    fn note_region(&self, path: &str, text: &str) {
        let region = match path {
            REGION => Some(text).filter(|text| !text.is_empty()),
            PUBLIC_HOSTNAME => region_of(text),
            _ => None,
        };
        if let Some(region) = region {
            // The first that was told stays: an instance doesn't move.
            let _ = self.region.set(region.to_owned());
        }
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
        let target = format!("{ITEMS}{path}");
        let mut renewed = false;
        loop {
            let token = self.token().await?;
            let answer = self.send(Method::GET, &target, (TOKEN, token.value.clone())).await?;
            match answer.status() {
                StatusCode::OK => {
                    let text =
                        std::str::from_utf8(answer.body()).map_err(|_| Error::NotText(path.to_owned()))?;
                    let text = text.trim();
                    self.note_region(path, text);
                    return Ok(Some(text.to_owned()));
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
        if let Some(error) = shared.last.filter(|_| shared.count != failures) {
            return Err(Error::NoToken(error));
        }
        let token = self.fetch_token().await.map_err(|error| {
            let error = Arc::new(error);
            let mut failures = self.failures();
            failures.count += 1;
            failures.last = Some(Arc::clone(&error));
            error
        });
        match token {
            Ok(token) => Ok(kept.insert(token).clone()),
            Err(error) => Err(Error::NoToken(error)),
        }
    }

    fn failures(&self) -> std::sync::MutexGuard<'_, Failures> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn fetch_token(&self) -> Result<Token, Error> {
        let answer =
            self.send(Method::PUT, TOKEN_PATH, (TOKEN_TTL, HeaderValue::from(LIFE.as_secs()))).await?;
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
        target: &str,
        header: (HeaderName, HeaderValue),
    ) -> Result<Response<Bytes>, Error> {
        let first = self.settings.endpoint.as_str();
        let answer = match self.settings.other {
            None => self.send_to(first, &method, target, &header).await,
            Some(other) => {
                let turned = self.at_other.load(Ordering::Relaxed);
                let (first, second) = if turned { (other, first) } else { (first, other) };
                let started = Instant::now();
                match self.send_to(first, &method, target, &header).await {
                    // No way there: the address may be of the family that this instance doesn't have.
                    Err(error @ transport::Error::Connect { .. }) if started.elapsed() < AT_ONCE => {
                        let answer = self.send_to(second, &method, target, &header).await;
                        if answer.is_ok() {
                            self.at_other.store(!turned, Ordering::Relaxed);
                        }
                        answer.map_err(|_| error)
                    }
                    settled => settled,
                }
            }
        };
        let answer = answer.map_err(Error::Unreachable)?;
        self.clock.observe(answer.headers(), Authority::Metadata);
        Ok(answer)
    }

    async fn send_to(
        &self,
        endpoint: &str,
        method: &Method,
        target: &str,
        header: &(HeaderName, HeaderValue),
    ) -> Result<Response<Bytes>, transport::Error> {
        let (name, value) = header.clone();
        let request =
            Request::builder().method(method).uri(format!("{endpoint}{target}")).header(name, value);
        let request = request.body(Bytes::new()).map_err(|source| transport::Error::Request {
            host: endpoint.to_owned(),
            source: Some(source.into()),
        })?;
        self.transport.send(request).await
    }
}

/// The region in a public host name as EC2 makes them.
fn region_of(hostname: &str) -> Option<&str> {
    let rest =
        hostname.strip_suffix(".amazonaws.com").or_else(|| hostname.strip_suffix(".amazonaws.com.cn"))?;
    let (_, place) = rest.split_once('.')?;
    // The first region's names are older than the pattern.
    if place == "compute-1" { Some("us-east-1") } else { place.strip_suffix(".compute") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_host_name_tells_the_region() {
        let region = |host| region_of(host);
        assert_eq!(region("ec2-198-51-100-7.compute-1.amazonaws.com"), Some("us-east-1"));
        assert_eq!(region("ec2-198-51-100-7.us-gov-west-1.compute.amazonaws.com"), Some("us-gov-west-1"));
        assert_eq!(region("ec2-198-51-100-7.cn-north-1.compute.amazonaws.com.cn"), Some("cn-north-1"));
        for other in ["vpn.example.com", "ip-10-0-0-1.ec2.internal", "x.amazonaws.com", "a.b.amazonaws.com"] {
            assert_eq!(region(other), None, "{other}");
        }
    }

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
        let by_profile = |key: &str, value: &str| {
            let property = |asked: &str| (asked == key).then(|| (value.to_owned(), format!("{key} of x")));
            Settings::read(&Env::default(), property).map(|s| s.endpoint).map_err(|e| e.to_string())
        };
        assert_eq!(by_profile("ec2_metadata_service_endpoint_mode", "IPv6").unwrap(), IPV6);
        assert!(by_profile("ec2_metadata_service_endpoint", "x").unwrap_err().starts_with("ec2_metadata"));
    }
}
