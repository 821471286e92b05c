//! What the signing commands have in common: their options, the keys they sign and check with, and the
//! time they take for now.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Uri};
use jiff::fmt::friendly::SpanParser;

use super::access::Access;
use super::{Exit, Failure, runtime};
use crate::aws::endpoint::{DEFAULT_REGION, Endpoint};
use crate::aws::shared::{Service, Shared};
use crate::clock::{Clock, SystemClock, Timestamp, parse_http_date};
use crate::config;
use crate::env::Env;
use crate::secret::Credentials;
use crate::sign::{self, aws3, azure, sigv4};
use crate::state::State;
use crate::toolbox::{Keys, Scheme, Signer, Verifier, aws_host, keys as key_file};
use crate::transport::{self, HttpClient, Transport, TrustedRoots};

static DURATIONS: SpanParser = SpanParser::new();

/// How long a presigned URL is good for where nothing is said: an hour, as botocore has it.
const EXPIRES: Duration = Duration::from_secs(60 * 60);

// How a request is signed, and with what. Not a doc comment: clap would take it for the command's.
#[derive(Debug, clap::Args)]
pub(super) struct SignArgs {
    /// aws3-https, sigv4, sigv4-query, azure or sdk-hmac
    #[arg(long, value_name = "SCHEME", help_heading = "How to sign")]
    pub scheme: Scheme,
    /// Region [default: of an AWS host, or AWS_REGION]
    #[arg(long, value_name = "REGION", help_heading = "How to sign")]
    pub region: Option<String>,
    /// Service [default: of an AWS host]
    #[arg(long, value_name = "SERVICE", help_heading = "How to sign")]
    pub service: Option<String>,
    /// sigv4-query: how long it is good [default: 1h]
    #[arg(long, value_name = "DURATION", value_parser = expires, help_heading = "How to sign")]
    pub expires: Option<Duration>,
    /// aws3-https: hmac-sha256 or hmac-sha1
    #[arg(long, value_name = "ALGORITHM", value_parser = algorithm, help_heading = "How to sign")]
    pub algorithm: Option<aws3::Algorithm>,
    /// azure: Shared Key Lite
    #[arg(long, help_heading = "How to sign")]
    pub lite: bool,
    #[command(flatten)]
    pub time: TimeArgs,
    #[command(flatten)]
    pub keys: KeyArgs,
}

// What time is taken for now.
#[derive(Debug, clap::Args)]
pub(super) struct TimeArgs {
    /// Date, like 2015-08-30T12:36:00Z [default: now]
    #[arg(long, value_name = "TIME", value_parser = at, help_heading = "How to sign")]
    pub at: Option<Timestamp>,
    /// Take the date from Amazon
    #[arg(long, conflicts_with = "at", help_heading = "How to sign")]
    pub amazon_date: bool,
}

// Where the keys are that aren't AWS's. A secret is never an argument.
#[derive(Debug, clap::Args)]
pub(super) struct KeyArgs {
    /// azure: account (AZURE_STORAGE_ACCOUNT)
    #[arg(long, value_name = "NAME", help_heading = "Keys")]
    pub account: Option<String>,
    /// azure: its key, in base64 (AZURE_STORAGE_KEY)
    #[arg(long, value_name = "FILE", help_heading = "Keys")]
    pub key_file: Option<PathBuf>,
    /// sdk-hmac: app key (SDK_HMAC_KEY)
    #[arg(long, value_name = "ID", help_heading = "Keys")]
    pub key: Option<String>,
    /// sdk-hmac: its secret (SDK_HMAC_SECRET)
    #[arg(long, value_name = "FILE", help_heading = "Keys")]
    pub secret_file: Option<PathBuf>,
}

// What requests are checked against.
#[derive(Debug, clap::Args)]
pub(super) struct CheckArgs {
    /// TOML, id = "secret" [default: one's own]
    #[arg(long, value_name = "FILE", requires = "scheme", help_heading = "What to check")]
    pub keys: Option<PathBuf>,
    /// The region that requests have to be signed for
    #[arg(long, value_name = "REGION", requires = "scheme", help_heading = "What to check")]
    pub region: Option<String>,
    /// The service that they have to be signed for
    #[arg(long, value_name = "SERVICE", requires = "scheme", help_heading = "What to check")]
    pub service: Option<String>,
}

/// What a command line can't be signed with, or for.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("expected --{0}: the host {1} doesn't tell it")]
    Scope(&'static str, String),
    #[error("{option} doesn't go together with --scheme {scheme}")]
    Pointless { option: &'static str, scheme: Scheme },
    #[error("no keys: expected {0}")]
    NoKeys(&'static str),
    #[error("could not read {}", .path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{}: expected {expected}", .path.display())]
    KeyFile { path: PathBuf, expected: &'static str },
    #[error("aws3-https covers nothing but the date: expected https or a loopback address, found {0}")]
    Plain(String),
    #[error("could not have Amazon's time")]
    AmazonDate(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Scope(..) | Self::Pointless { .. } => Exit::Usage,
            Self::NoKeys(_) | Self::Read { .. } => Exit::NotPermitted,
            Self::KeyFile { .. } | Self::Plain(_) => Exit::Misconfigured,
            Self::AmazonDate(_) => Exit::TryAgain,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::new(error.exit(), error)
    }
}

fn expires(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().map(Duration::from_secs);
    let duration = seconds
        .or_else(|| DURATIONS.parse_unsigned_duration(text).ok())
        .ok_or("expected seconds, or a duration like 1h")?;
    if duration.as_secs() == 0 || duration.subsec_nanos() > 0 || duration > sigv4::query::MAX_EXPIRES {
        return Err("expected 1 to 604800 whole seconds".to_owned());
    }
    Ok(duration)
}

fn algorithm(text: &str) -> Result<aws3::Algorithm, String> {
    match text {
        "hmac-sha256" => Ok(aws3::Algorithm::HmacSha256),
        "hmac-sha1" => Ok(aws3::Algorithm::HmacSha1),
        _ => Err("expected hmac-sha256 or hmac-sha1".to_owned()),
    }
}

fn at(text: &str) -> Result<Timestamp, String> {
    let mail = || jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok();
    let time = text.parse().ok().or_else(|| parse_http_date(text).ok()).or_else(mail);
    // Nothing was signed earlier, and no form but that of mail could say so.
    time.filter(|time: &Timestamp| *time >= Timestamp::UNIX_EPOCH).ok_or_else(|| {
        "expected 2015-08-30T12:36:00Z or 'Sun, 30 Aug 2015 12:36:00 GMT', from 1970 on".to_owned()
    })
}

impl SignArgs {
    /// How to sign for a URL.
    ///
    /// # Errors
    /// When the scope isn't told, or an option makes no sense in the scheme.
    pub(super) fn signer(&self, uri: &Uri, env: &Env) -> Result<Signer, Error> {
        let scheme = self.scheme;
        let is_v4 = matches!(scheme, Scheme::SigV4 | Scheme::SigV4Query);
        for (given, makes_sense, option) in [
            (self.region.is_some(), is_v4, "--region"),
            (self.service.is_some(), is_v4, "--service"),
            (self.expires.is_some(), scheme == Scheme::SigV4Query, "--expires"),
            (self.algorithm.is_some(), scheme == Scheme::Aws3Https, "--algorithm"),
            (self.lite, scheme == Scheme::Azure, "--lite"),
        ] {
            if given && !makes_sense {
                return Err(Error::Pointless { option, scheme });
            }
        }
        self.keys.check(scheme)?;
        let signer = || Ok(sigv4::Signer::new(self.scope(uri, env)?));
        Ok(match scheme {
            Scheme::Aws3Https => Signer::Aws3Https(self.algorithm.unwrap_or_default()),
            Scheme::SigV4 => Signer::SigV4(signer()?),
            Scheme::SigV4Query => {
                Signer::SigV4Query { signer: signer()?, expires: self.expires.unwrap_or(EXPIRES) }
            }
            Scheme::Azure if self.lite => Signer::Azure(azure::Form::SharedKeyLite),
            Scheme::Azure => Signer::Azure(azure::Form::SharedKey),
            Scheme::SdkHmac => Signer::SdkHmac,
        })
    }

    fn scope(&self, uri: &Uri, env: &Env) -> Result<sigv4::Scope, Error> {
        let host = uri.host().unwrap_or_default();
        let known = aws_host::read(host);
        // What is wrong with the files, or our own variables, the credentials tell.
        let set = || {
            let profile = config::aws(env).ok()?.profile;
            Shared::load(env, profile.as_deref()).ok()?.region().map(|said| said.value)
        };
        let region = self.region.clone().or_else(|| known.as_ref().map(|known| known.region.clone()));
        let service = self.service.clone().or_else(|| known.map(|known| known.service));
        Ok(sigv4::Scope {
            service: service.ok_or_else(|| Error::Scope("service", host.to_owned()))?,
            region: region.or_else(set).ok_or_else(|| Error::Scope("region", host.to_owned()))?,
        })
    }

    /// The keys to sign with, and the time to sign at.
    ///
    /// # Errors
    /// When there are no keys, or Amazon's time can't be had.
    pub(super) fn identity(&self, env: &Env) -> Result<(Credentials, Timestamp), Failure> {
        let credentials = self.keys.credentials(self.scheme, env)?;
        Ok((credentials, self.time.now(env)?))
    }
}

/// Refuses to send a signature that is good for anything where it can be read.
///
/// # Errors
/// When the URL is plain http to another machine.
pub(super) fn refuse_plain(scheme: Scheme, uri: &Uri) -> Result<(), Error> {
    let host = uri.host().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let loopback = bare.eq_ignore_ascii_case("localhost")
        || bare.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback());
    if scheme == Scheme::Aws3Https && uri.scheme_str() != Some("https") && !loopback {
        return Err(Error::Plain(format!("{}://{host}", uri.scheme_str().unwrap_or_default())));
    }
    Ok(())
}

impl TimeArgs {
    /// # Errors
    /// When Amazon is to be asked, and can't be.
    pub(super) fn now(&self, env: &Env) -> Result<Timestamp, Failure> {
        match self.at {
            Some(at) => Ok(at),
            None if self.amazon_date => amazon_date(env),
            None => Ok(SystemClock.now()),
        }
    }
}

/// Amazon's time, from the head of Route 53's answer.
fn amazon_date(env: &Env) -> Result<Timestamp, Failure> {
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| Failure::from(Error::AmazonDate(error));
    let shared =
        Shared::load(env, config::aws(env)?.profile.as_deref()).map_err(|error| failed(error.into()))?;
    let region = shared.region().map_or_else(|| DEFAULT_REGION.to_owned(), |said| said.value);
    let endpoint = Endpoint::of(Service::Route53, &shared, &region).map_err(|error| failed(error.into()))?;
    let roots = shared
        .ca_bundle()
        .map_or_else(|| Ok(TrustedRoots::compiled_in()), |said| TrustedRoots::from_bundle(&said.value));
    let roots = roots.map_err(|error| failed(error.into()))?;
    let bounds = transport::Settings { proxy: endpoint.is_tls(), ..crate::aws::route53::TRANSPORT };
    let client = HttpClient::new(bounds, &roots).map_err(|error| failed(error.into()))?;
    let request = Request::get(format!("{}/date", endpoint.url)).body(Bytes::new());
    let request = request.map_err(|error| failed(error.into()))?;
    let answer =
        runtime::block_on(async { client.send(request).await.map_err(|error| failed(error.into())) })?;
    let date =
        answer.headers().get(http::header::DATE).and_then(|date| date.to_str().ok()).unwrap_or_default();
    parse_http_date(date).map_err(|error| failed(error.into()))
}

impl KeyArgs {
    pub(super) fn check(&self, scheme: Scheme) -> Result<(), Error> {
        for (given, of, option) in [
            (self.account.is_some(), Scheme::Azure, "--account"),
            (self.key_file.is_some(), Scheme::Azure, "--key-file"),
            (self.key.is_some(), Scheme::SdkHmac, "--key"),
            (self.secret_file.is_some(), Scheme::SdkHmac, "--secret-file"),
        ] {
            if given && scheme != of {
                return Err(Error::Pointless { option, scheme });
            }
        }
        Ok(())
    }

    /// The keys of a scheme: of the options, else of the environment, and for AWS of its chain.
    ///
    /// # Errors
    /// When there are none.
    pub(super) fn credentials(&self, scheme: Scheme, env: &Env) -> Result<Credentials, Failure> {
        self.check(scheme)?;
        match scheme {
            Scheme::Aws3Https | Scheme::SigV4 | Scheme::SigV4Query => of_chain(env),
            Scheme::Azure => Ok(pair(
                self.account.as_deref().or_else(|| env.get("AZURE_STORAGE_ACCOUNT")),
                self.key_file.as_deref(),
                env.get("AZURE_STORAGE_KEY"),
                "AZURE_STORAGE_ACCOUNT and AZURE_STORAGE_KEY, or --account and --key-file",
            )?),
            Scheme::SdkHmac => Ok(pair(
                self.key.as_deref().or_else(|| env.get("SDK_HMAC_KEY")),
                self.secret_file.as_deref(),
                env.get("SDK_HMAC_SECRET"),
                "SDK_HMAC_KEY and SDK_HMAC_SECRET, or --key and --secret-file",
            )?),
        }
    }
}

fn pair(
    id: Option<&str>,
    file: Option<&Path>,
    variable: Option<&str>,
    expected: &'static str,
) -> Result<Credentials, Error> {
    let secret = match file {
        Some(path) => Some(secret_in(path)?),
        None => variable.map(str::to_owned),
    };
    match (id, secret) {
        (Some(id), Some(secret)) => Ok(Credentials::new(id, secret)),
        _ => Err(Error::NoKeys(expected)),
    }
}

/// A file that holds one secret and nothing else.
fn secret_in(path: &Path) -> Result<String, Error> {
    let path = || path.to_owned();
    let text = std::fs::read_to_string(path()).map_err(|source| Error::Read { path: path(), source })?;
    let secret = text.trim();
    if secret.is_empty() || secret.contains('\n') {
        return Err(Error::KeyFile { path: path(), expected: "one line with the secret and nothing else" });
    }
    Ok(secret.to_owned())
}

fn of_chain(env: &Env) -> Result<Credentials, Failure> {
    let state = Arc::new(State::in_memory());
    let access = Access::new(&config::aws(env)?, env, &state)?;
    runtime::block_on(async {
        access.credentials.get().await.map_err(|error| Failure::new(exit_of(&error), error))
    })
}

/// What a request can't be signed for, by whether the keys or the request are to blame.
pub(super) fn unsigned(error: sign::Error) -> Failure {
    use sign::Error as E;
    let exit = match error {
        E::KeyId | E::NoSecret | E::SessionToken | E::KeyNotBase64 => Exit::Misconfigured,
        _ => Exit::Usage,
    };
    Failure::new(exit, error)
}

fn exit_of(error: &crate::aws::credentials::Error) -> Exit {
    use crate::aws::credentials::Error as E;
    match error {
        E::Broken { .. } => Exit::Misconfigured,
        // Whoever signs by hand has no role in mind: without an answer from the metadata there are no keys.
        E::NotFound(_) | E::Role { .. } | E::Refused { .. } | E::Metadata(_) => Exit::NotPermitted,
        E::Unanswered { .. } => Exit::TryAgain,
    }
}

impl CheckArgs {
    /// What checks requests in a scheme, with the keys of a file or the ones that one signs with.
    ///
    /// # Errors
    /// When there are no keys.
    pub(super) fn verifier(&self, scheme: Scheme, keys: &KeyArgs, env: &Env) -> Result<Verifier, Failure> {
        let is_v4 = matches!(scheme, Scheme::SigV4 | Scheme::SigV4Query);
        for (given, option) in [(self.region.is_some(), "--region"), (self.service.is_some(), "--service")] {
            if given && !is_v4 {
                return Err(Error::Pointless { option, scheme }.into());
            }
        }
        keys.check(scheme)?;
        let known = match &self.keys {
            Some(path) => Keys::from_file(path).map_err(|error| {
                let exit = match &error {
                    key_file::Error::Read { source, .. }
                        if source.kind() != std::io::ErrorKind::InvalidData =>
                    {
                        Exit::NotPermitted
                    }
                    _ => Exit::Misconfigured,
                };
                Failure::new(exit, error)
            })?,
            None => Keys::of(keys.credentials(scheme, env)?),
        };
        Ok(Verifier { scheme, region: self.region.clone(), service: self.service.clone(), keys: known })
    }
}
