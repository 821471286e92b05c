//! Credentials of a container's task or pod: ECS, Fargate, EKS Pod Identity.
//!
//! `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI` is a path at ECS's own address and wins;
//! `AWS_CONTAINER_CREDENTIALS_FULL_URI` is https to anywhere, or http to the loopback and the addresses of ECS
//! and EKS. The `Authorization` comes from `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE`, which is read each time
//! and wins, or from `AWS_CONTAINER_AUTHORIZATION_TOKEN`.
//!
//! Spec: <https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html>

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderValue, Request, Response, Uri};
use serde::Deserialize;

use super::resolve::Asking;
use super::{Error, Loaded, Origin, Part, pair};
use crate::aws::profile::expand;
use crate::clock::{Authority, Timestamp};
use crate::transport;

/// Bounds of these requests: a neighbour, never behind a proxy.
pub const TRANSPORT: transport::Settings = transport::Settings {
    connect_timeout: Duration::from_secs(2),
    timeout: Duration::from_secs(3),
    body_limit: 64 * 1024,
    proxy: false,
};
const RELATIVE: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
const FULL: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
const TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
const TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
/// Where ECS serves a task's credentials.
const ECS: &str = "http://169.254.170.2";
/// Whom plain http is spoken to beside the loopback: ECS, and EKS over IPv4 and IPv6.
const ALLOWED: [&str; 3] = ["169.254.170.2", "169.254.170.23", "fd00:ec2::23"];
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);

/// What is said where there is nothing.
pub(super) const ABSENT: &str = "a container: neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor \
                                 AWS_CONTAINER_CREDENTIALS_FULL_URI is set";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    access_key_id: Option<String>,
    secret_access_key: Option<String>,
    token: Option<String>,
    expiration: Option<Timestamp>,
}

/// `None` where neither variable is set.
pub(super) async fn load(asking: &Asking<'_>) -> Result<Option<Loaded>, Error> {
    let env = asking.shared.env();
    let (by, uri) = match (env.get(RELATIVE), env.get(FULL)) {
        (Some(path), _) if path.starts_with('/') => (RELATIVE, format!("{ECS}{path}")),
        (Some(path), _) => {
            return Err(Error::broken(
                RELATIVE,
                format!("expected a path that begins with '/', found '{path}'"),
            ));
        }
        (None, Some(uri)) => (FULL, uri.to_owned()),
        (None, None) => return Ok(None),
    };
    let wrong = |found: &str| Error::broken(by, format!("expected a URL, found '{found}'"));
    let parsed: Uri = uri.parse().map_err(|_| wrong(&uri))?;
    check(by, &parsed).map_err(|fault| Error::broken(by, fault))?;
    let mut attempt = 1;
    loop {
        // The token may have been renewed since the last attempt.
        let authorization = authorization(asking)?;
        let mut request = Request::get(&parsed).header(ACCEPT, "application/json");
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let request = request.body(Bytes::new()).map_err(|_| wrong(&uri))?;
        let error = match asking.to_container.send(request).await {
            Ok(answer) => {
                asking.clock.observe(answer.headers(), Authority::Metadata);
                match understand(by, &answer) {
                    Err(error) if error.is_silence() => error,
                    settled => return settled.map(Some),
                }
            }
            Err(error) => {
                Error::unanswered(format!("{by}: the container's credentials could not be read"), error)
            }
        };
        if attempt == ATTEMPTS {
            return Err(error);
        }
        tracing::debug!(%error, attempt, "container credentials not read");
        tokio::time::sleep(PAUSE).await;
        attempt += 1;
    }
}

/// Whether credentials may be taken from there: what comes over plain http from afar can be anybody's.
fn check(by: &str, uri: &Uri) -> Result<(), String> {
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let is_loopback = || {
        host.eq_ignore_ascii_case("localhost")
            || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
    };
    // Whoever is named before an '@' is not where the request goes.
    let is_plain = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    match uri.scheme_str() {
        Some("https") if is_plain && !host.is_empty() => Ok(()),
        Some("http") if is_plain && (ALLOWED.contains(&host) || is_loopback()) => Ok(()),
        Some("http") if by == FULL => Err(format!(
            "expected https, or http to a loopback address, {}, found host '{host}'",
            ALLOWED.join(" or ")
        )),
        _ => Err("expected an http or https URL".to_owned()),
    }
}

fn authorization(asking: &Asking<'_>) -> Result<Option<HeaderValue>, Error> {
    let env = asking.shared.env();
    let (by, text) = match (env.get(TOKEN_FILE), env.untrimmed(TOKEN)) {
        (Some(file), _) => {
            let path = expand(file, env);
            let unread =
                |error| Error::broken(TOKEN_FILE, format!("could not read {}: {error}", path.display()));
            (TOKEN_FILE, std::fs::read_to_string(&path).map_err(unread)?)
        }
        (None, Some(token)) => (TOKEN, token.to_owned()),
        (None, None) => return Ok(None),
    };
    let broken = |found: &str| {
        let fault = format!("expected a token on one line, without its end, found {found}");
        Error::broken(by, fault)
    };
    if text.contains(['\r', '\n']) {
        return Err(broken("a line break"));
    }
    let mut value =
        HeaderValue::from_str(&text).map_err(|_| broken("something that can't be in a header"))?;
    value.set_sensitive(true);
    Ok(Some(value))
}

fn understand(by: &str, answer: &Response<Bytes>) -> Result<Loaded, Error> {
    let what = || format!("{by}: the container's credentials could not be read");
    let status = answer.status();
    if !status.is_success() {
        let error = Status(status.as_u16());
        return Err(if status.is_server_error() || status.as_u16() == 429 {
            Error::unanswered(what(), error)
        } else {
            Error::refused(what(), error.to_string())
        });
    }
    // The text holds secrets: serde's own message, which may quote it, stays out of the error.
    let parsed: Answer =
        serde_json::from_slice(answer.body()).map_err(|_| Error::unanswered(what(), NotCredentials))?;
    let (Some(id), Some(secret)) = (parsed.access_key_id, parsed.secret_access_key) else {
        return Err(Error::unanswered(what(), NotCredentials));
    };
    let credentials = pair(&id, &secret, parsed.token.as_deref(), |part| {
        let part = match part {
            Part::KeyId => "AccessKeyId",
            Part::Secret => "SecretAccessKey",
            Part::Token => "Token",
        };
        format!("{by}: {part} of the answer")
    })?;
    Ok(Loaded { credentials, expires: parsed.expiration, origin: Origin::Container })
}

#[derive(Debug, thiserror::Error)]
#[error("it was answered with status {0}")]
struct Status(u16);

#[derive(Debug, thiserror::Error)]
#[error("the answer can't be read: expected JSON with AccessKeyId and SecretAccessKey")]
struct NotCredentials;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_goes_to_the_loopback_and_to_ecs_and_eks_only() {
        let allowed = |uri: &str| check(FULL, &uri.parse().unwrap()).is_ok();
        for yes in [
            "http://127.0.0.1:8080/creds",
            "http://127.9.9.9/",
            "http://[::1]/creds",
            "http://localhost/creds",
            "http://169.254.170.2/x",
            "http://169.254.170.23/v1/credentials",
            "http://[fd00:ec2::23]/v1/credentials",
            "https://anywhere.example/creds",
        ] {
            assert!(allowed(yes), "{yes}");
        }
        for no in [
            "http://example.com/creds",
            "http://169.254.169.254/creds",
            "http://169.254.170.2@evil.example/",
            "http://evil.example:80@localhost.evil.example/",
            "ftp://127.0.0.1/",
            "http://127.0.0.1.evil.example/",
        ] {
            assert!(!allowed(no), "{no}");
        }
    }
}
