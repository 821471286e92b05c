//! The metadata service: tokens, items, lists.
//!
//! Spec: <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html>

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, DATE, HeaderName, SERVER};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use serde_json::json;
use tokio::time::Instant;

use crate::clock::http_date;
use crate::secret::ExposeSecret;

use super::answer::{Answer, response, set};
use super::control;
use super::fault::Fault;
use super::instance::{ACCOUNT, Instance, seconds};
use super::keys::letters;
use super::log::{Logged, Side};
use super::world::{State, World};

static TTL: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds");
static TOKEN: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token");
static FORWARDED: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Longest life of a token, in seconds.
const MAX_TTL: u64 = 21_600;

impl World {
    /// Answers a request to the metadata service.
    pub async fn metadata(&self, request: Request<Bytes>) -> Answer {
        let path = request.uri().path().to_owned();
        if path.starts_with("/sandbox/") {
            return Answer::Whole(control::answer(self, &request));
        }
        let (number, latency, silent) = {
            let mut state = self.lock();
            let number = state.log.arrived(Logged {
                side: Side::Metadata,
                operation: path.trim_start_matches("/latest/").trim_start_matches('/').to_owned(),
                method: request.method().clone(),
                target: request.uri().path_and_query().map_or_else(String::new, ToString::to_string),
                body: String::new(),
                status: None,
            });
            (number, state.latency.imds, state.faults.strikes(Fault::ImdsSilent, None, Instant::now()))
        };
        if silent {
            return Answer::Silent;
        }
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        let now = self.now();
        let mut state = self.lock();
        let mut response = if state.faults.strikes(Fault::ImdsError, None, Instant::now()) {
            page(StatusCode::INTERNAL_SERVER_ERROR)
        } else {
            answer(&mut state, &request, &path, now)
        };
        if !state.faults.strikes(Fault::NoDate, None, Instant::now()) {
            set(&mut response, DATE, &http_date(now));
        }
        set(&mut response, SERVER, "EC2ws");
        // The real service ends the connection after each answer.
        set(&mut response, CONNECTION, "close");
        state.log.answered(number, Some(response.status()));
        Answer::Whole(response)
    }
}

fn answer(state: &mut State, request: &Request<Bytes>, path: &str, now: jiff::Timestamp) -> Response<Bytes> {
    let mut strikes = |fault| state.faults.strikes(fault, None, Instant::now());
    if strikes(Fault::ImdsOff) {
        return page(StatusCode::FORBIDDEN);
    }
    let version_1 = strikes(Fault::ImdsV1);
    let versions = ["latest", "1.0", "2009-04-04", "2021-03-23", "2024-10-24"];
    let mut parts = path.trim_start_matches('/').splitn(2, '/');
    let version = parts.next().unwrap_or_default();
    let rest = parts.next().unwrap_or_default();
    if rest == "api/token" && !version_1 && (version == "latest" || request.method() == Method::PUT) {
        return token(state, request, version);
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return page(StatusCode::METHOD_NOT_ALLOWED);
    }
    let holds = request
        .headers()
        .get(&TOKEN)
        .and_then(|t| t.to_str().ok())
        .and_then(|t| state.tokens.get(t))
        .is_some_and(|end| Instant::now() < *end);
    if !(holds || version_1) || state.faults.strikes(Fault::ImdsToken, None, Instant::now()) {
        return page(StatusCode::UNAUTHORIZED);
    }
    if version.is_empty() {
        return text(versions.join("\n"));
    }
    if !versions.contains(&version) {
        return page(StatusCode::NOT_FOUND);
    }
    let of_address = matches!(rest, "meta-data/public-hostname" | "meta-data/public-ipv4");
    if of_address && state.faults.strikes(Fault::NoAddress, None, Instant::now()) {
        return page(StatusCode::NOT_FOUND);
    }
    let mut items = state.instance.items();
    items.extend(role_items(state, rest, now));
    match items.remove(rest) {
        Some(item) => text(item),
        None => list(&items, rest).map_or_else(|| page(StatusCode::NOT_FOUND), text),
    }
}

fn token(state: &mut State, request: &Request<Bytes>, version: &str) -> Response<Bytes> {
    if request.method() != Method::PUT {
        return page(StatusCode::METHOD_NOT_ALLOWED);
    }
    if version != "latest" || request.headers().contains_key(&FORWARDED) {
        return page(StatusCode::FORBIDDEN);
    }
    let ttl = request
        .headers()
        .get(&TTL)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.parse::<u64>().ok())
        .filter(|ttl| (1..=MAX_TTL).contains(ttl));
    let Some(ttl) = ttl else { return page(StatusCode::BAD_REQUEST) };
    let now = Instant::now();
    state.tokens.retain(|_, end| now < *end);
    let token = format!("AQAEA{}==", letters(&state.next_id("token"), 49));
    state.tokens.insert(token.clone(), now + Duration::from_secs(ttl));
    let mut response = text(token);
    response.headers_mut().insert(TTL.clone(), HeaderValue::from(ttl));
    response
}

/// What the instance profile adds. Credentials are made when they are asked for, and not before.
fn role_items(state: &mut State, path: &str, now: jiff::Timestamp) -> BTreeMap<String, String> {
    let mut items = BTreeMap::new();
    let Instance { role: Some(role), id, .. } = &state.instance else { return items };
    let info = json!({
        "Code": "Success",
        "LastUpdated": seconds(now),
        "InstanceProfileArn": format!("arn:aws:iam::{ACCOUNT}:instance-profile/{role}"),
        "InstanceProfileId": "AIPAEXAMPLEEXAMPLEEXA",
    });
    items.insert("meta-data/iam/info".to_owned(), format!("{info:#}"));
    let credentials = format!("meta-data/iam/security-credentials/{role}");
    let document = if path == credentials {
        let key = state.keys.of_role(role, id, now);
        let document = json!({
            "Code": "Success",
            "LastUpdated": seconds(key.issued),
            "Type": "AWS-HMAC",
            "AccessKeyId": key.credentials.key_id,
            "SecretAccessKey": key.credentials.secret.expose_secret(),
            "Token": key.credentials.session_token.as_ref().map(ExposeSecret::expose_secret),
            "Expiration": key.expires.map(seconds),
        });
        format!("{document:#}")
    } else {
        String::new()
    };
    items.insert(credentials, document);
    items
}

/// What lies directly below `path`; directories end in a slash.
fn list(items: &BTreeMap<String, String>, path: &str) -> Option<String> {
    let folder = match path.trim_end_matches('/') {
        "" => String::new(),
        path => format!("{path}/"),
    };
    let entries: BTreeSet<String> = items
        .keys()
        .filter_map(|item| item.strip_prefix(&folder))
        .map(|below| match below.split_once('/') {
            Some((first, _)) => format!("{first}/"),
            None => below.to_owned(),
        })
        .collect();
    if entries.is_empty() { None } else { Some(entries.into_iter().collect::<Vec<_>>().join("\n")) }
}

fn text(body: impl Into<Bytes>) -> Response<Bytes> {
    response(StatusCode::OK, "text/plain", body)
}

/// An error as the service sends it: a page of XHTML.
fn page(status: StatusCode) -> Response<Bytes> {
    let title = format!("{} - {}", status.as_u16(), status.canonical_reason().unwrap_or_default());
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>\n\
         <!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Transitional//EN\"\n\
         \t\"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd\">\n\
         <html xmlns=\"http://www.w3.org/1999/xhtml\" xml:lang=\"en\" lang=\"en\">\n \
         <head>\n  <title>{title}</title>\n </head>\n <body>\n  <h1>{title}</h1>\n </body>\n</html>\n"
    );
    response(status, "text/html", body)
}
