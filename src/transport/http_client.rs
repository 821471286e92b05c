//! The transport over sockets: reqwest, with bounds.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Response, Uri};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::preconnect::Preconnect;
use super::{BoxFuture, Error, Transport};
use crate::causes::with_causes;

/// How long an unused connection is kept. Shorter than servers keep theirs, so that none is used
/// that the other side has just closed.
const IDLE: Duration = Duration::from_secs(15);

/// The bounds of one kind of traffic.
#[derive(Debug, Clone)]
pub struct Settings {
    pub connect_timeout: Duration,
    /// From sending the request to the last byte of the answer.
    pub timeout: Duration,
    /// Largest body that is read, in bytes.
    pub body_limit: usize,
    /// Whether the proxies of the environment are used.
    pub proxy: bool,
}

/// The certificate authorities that are trusted.
#[derive(Clone)]
pub struct TrustedRoots(Arc<rustls::RootCertStore>);

/// The client can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("expected a file of PEM certificates at {path}")]
    BundleUnreadable {
        path: String,
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    #[error("expected at least one certificate in {0}, found none")]
    BundleEmpty(String),
    #[error("a certificate in {path} can't be used")]
    BundleCertificate {
        path: String,
        #[source]
        source: rustls::Error,
    },
    #[error("TLS can't be set up")]
    Tls(#[source] rustls::Error),
    #[error("the HTTP client can't be set up")]
    Client(#[source] reqwest::Error),
}

impl TrustedRoots {
    /// Mozilla's list, compiled in: parsing the system's at each start would cost more than the rest of a run.
    #[must_use]
    pub fn compiled_in() -> Self {
        Self(Arc::new(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect()))
    }

    /// The certificates of a PEM file in place of the compiled-in list (`AWS_CA_BUNDLE`).
    ///
    /// # Errors
    /// When the file can't be read or holds no usable certificate.
    pub fn from_bundle(path: &str) -> Result<Self, BuildError> {
        let mut roots = rustls::RootCertStore::empty();
        let unreadable = |source| BuildError::BundleUnreadable { path: path.to_owned(), source };
        for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
            roots
                .add(certificate.map_err(unreadable)?)
                .map_err(|source| BuildError::BundleCertificate { path: path.to_owned(), source })?;
        }
        if roots.is_empty() {
            return Err(BuildError::BundleEmpty(path.to_owned()));
        }
        Ok(Self(Arc::new(roots)))
    }
}

/// Sends over TCP and TLS.
pub struct HttpClient {
    client: reqwest::Client,
    settings: Settings,
    preconnect: Preconnect,
    /// The host that a connection was opened to ahead of its request.
    ahead: Mutex<Option<String>>,
}

impl HttpClient {
    /// A client with these bounds that trusts these roots.
    ///
    /// # Errors
    /// When TLS or the client can't be set up.
    #[expect(clippy::disallowed_methods, reason = "the one place that makes clients")]
    pub fn new(settings: Settings, roots: &TrustedRoots) -> Result<Self, BuildError> {
        let tls =
            rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(BuildError::Tls)?
                .with_root_certificates(Arc::clone(&roots.0))
                .with_no_client_auth();
        let preconnect = Preconnect::default();
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(settings.connect_timeout)
            .timeout(settings.timeout)
            .http1_only()
            .connector_layer(preconnect.clone())
            .pool_idle_timeout(IDLE)
            .user_agent(concat!("pin53/", env!("CARGO_PKG_VERSION")));
        if !settings.proxy {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(BuildError::Client)?;
        Ok(Self { client, settings, preconnect, ahead: Mutex::default() })
    }

    /// Opens a connection to the host of `uri` and keeps it for the next request. Sends nothing;
    /// a failure shows when the next request connects for itself. When that is for another host, the
    /// connection is let go.
    pub async fn preconnect(&self, uri: &Uri) {
        *self.ahead() = Some(host_of(uri));
        let opened = Preconnect::open(self.client.get(uri.to_string()).send()).await;
        // Always an error: that the connection was put aside, or what kept it from being opened.
        if let Err(outcome) = opened {
            tracing::debug!(
                host = host_of(uri),
                outcome = with_causes(&outcome.without_url()),
                "connected ahead"
            );
        }
    }

    fn ahead(&self) -> MutexGuard<'_, Option<String>> {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn exchange(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Error> {
        let host = host_of(request.uri());
        let ahead = self.ahead().take();
        if ahead.is_some_and(|ahead| ahead != host) {
            self.preconnect.discard().await;
        }
        let failed = |error: reqwest::Error| classify(error, &host, &self.settings);
        let request = reqwest::Request::try_from(request)
            .map_err(|source| Error::Request { host: host.clone(), source: Some(source.into()) })?;
        let mut answer = self.client.execute(request).await.map_err(failed)?;
        let mut body = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > self.settings.body_limit {
                return Err(Error::TooLarge { host, limit: self.settings.body_limit });
            }
            body.extend_from_slice(&chunk);
        }
        let mut response = Response::new(body.freeze());
        *response.status_mut() = answer.status();
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        Ok(response)
    }
}

impl Transport for HttpClient {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, Error>> {
        Box::pin(self.exchange(request))
    }
}

fn host_of(uri: &Uri) -> String {
    uri.authority().map_or_else(|| uri.to_string(), ToString::to_string)
}

/// Gives a failure its kind, once and for all.
fn classify(error: reqwest::Error, host: &str, settings: &Settings) -> Error {
    let host = host.to_owned();
    let timed_out = error.is_timeout();
    let connecting = error.is_connect();
    let certificate =
        causes(&error).find_map(|cause| cause.downcast_ref::<rustls::Error>()).and_then(|tls| match tls {
            rustls::Error::InvalidCertificate(why) => Some(why.clone()),
            _ => None,
        });
    // The request's own message repeats its URL, which `host` already tells.
    let source = Some(error.without_url().into());
    match certificate {
        Some(why) => Error::Certificate { host, out_of_time: is_out_of_time(&why), source },
        None if connecting => Error::Connect { host, source },
        None if timed_out => Error::Timeout { host, after: settings.timeout },
        None => Error::Cut { host, source },
    }
}

fn is_out_of_time(why: &rustls::CertificateError) -> bool {
    use rustls::CertificateError as E;
    matches!(why, E::Expired | E::ExpiredContext { .. } | E::NotValidYet | E::NotValidYetContext { .. })
}

fn causes<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    fn below<'a>(
        error: &&'a (dyn std::error::Error + 'static),
    ) -> Option<&'a (dyn std::error::Error + 'static)> {
        let error: &'a (dyn std::error::Error + 'static) = *error;
        // An io::Error hides the error that it carries from `source`.
        match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(carried) => Some(carried),
            None => error.source(),
        }
    }
    std::iter::successors(Some(error), below)
}
