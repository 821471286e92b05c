//! The Security Token Service, as far as roles are concerned: on the port of the Route 53 API, at `/`, since the
//! two share the keys.
//!
//! Any role of the account may be assumed by whoever has a key of it, unless [`World::guard_role`] says otherwise.
//!
//! Spec: <https://docs.aws.amazon.com/STS/latest/APIReference/API_Operations.html>

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use jiff::{SignedDuration, Timestamp};

use crate::secret::ExposeSecret;

use super::answer::response;
use super::authenticate::authenticate_for;
use super::error::ApiError;
use super::instance::{ACCOUNT, seconds};
use super::keys::Key;
use super::listing::decoded;
use super::world::{State, World};
use super::xml::Element;

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
const XML: &str = "text/xml";
const SERVICE: &str = "sts";
/// How long a session lasts when nobody says, and what may be said, in seconds.
const DURATION: i64 = 3600;
const DURATIONS: std::ops::RangeInclusive<i64> = 900..=43_200;

/// Who may assume which role.
#[derive(Debug, Default)]
pub(super) struct Trust {
    /// The external id that a role asks for.
    external_ids: BTreeMap<String, String>,
    /// Tokens of an identity provider that every role trusts, and until when.
    tokens: BTreeMap<String, Option<Timestamp>>,
}

impl World {
    /// Has a role be assumed only by who knows its external id.
    pub fn guard_role(&self, arn: &str, external_id: &str) {
        self.lock().trust.external_ids.insert(arn.to_owned(), external_id.to_owned());
    }

    /// Makes a web identity token known to the roles, until it ends.
    pub fn trust_token(&self, token: &str, until: Option<Timestamp>) {
        self.lock().trust.tokens.insert(token.to_owned(), until);
    }
}

/// Which operation a form asks for.
pub(super) fn operation(request: &Request<Bytes>) -> String {
    fields(request).remove("Action").unwrap_or_else(|| "unknown".to_owned())
}

/// Answers a request to STS.
pub(super) fn answer(
    state: &mut State,
    request: &Request<Bytes>,
    request_id: &str,
    now: Timestamp,
) -> Response<Bytes> {
    let form = fields(request);
    let get = |name: &str| form.get(name).map(String::as_str);
    let done = match get("Action") {
        Some(action @ "AssumeRole") => assume_role(state, request, &form, now).map(|result| (action, result)),
        Some(action @ "AssumeRoleWithWebIdentity") => {
            with_web_identity(state, &form, now).map(|result| (action, result))
        }
        Some(action @ "GetCallerIdentity") => {
            authenticate_for(SERVICE, request, &state.keys, now).map(|key| (action, identity(&key)))
        }
        _ => Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            "InvalidAction",
            "Could not find operation for version 2011-06-15",
        )),
    };
    let metadata = Element::new("ResponseMetadata").with_text("RequestId", request_id);
    match done {
        Ok((action, mut result)) => {
            result.name = format!("{action}Result");
            let document = Element::new(format!("{action}Response")).with(result).with(metadata);
            response(StatusCode::OK, XML, document.document(Some(NAMESPACE)))
        }
        Err(error) => {
            let fault = Element::new("Error")
                .with_text("Type", "Sender")
                .with_text("Code", error.code)
                .with_text("Message", &error.message);
            let document = Element::new("ErrorResponse").with(fault).with_text("RequestId", request_id);
            response(error.status, XML, document.document(Some(NAMESPACE)))
        }
    }
}

fn fields(request: &Request<Bytes>) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(request.body());
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decoded(name), decoded(&value.replace('+', " ")))).collect()
}

fn assume_role(
    state: &mut State,
    request: &Request<Bytes>,
    form: &BTreeMap<String, String>,
    now: Timestamp,
) -> Result<Element, ApiError> {
    let key = authenticate_for(SERVICE, request, &state.keys, now)?;
    let arn = form.get("RoleArn").map_or("", String::as_str);
    let denied = || {
        let message = format!(
            "User: {} is not authorized to perform: sts:AssumeRole on resource: {arn}",
            key.principal
        );
        ApiError::forbidden("AccessDenied", message)
    };
    if state.trust.external_ids.get(arn).is_some_and(|id| form.get("ExternalId") != Some(id)) {
        return Err(denied());
    }
    session(state, form, now, denied)
}

fn with_web_identity(
    state: &mut State,
    form: &BTreeMap<String, String>,
    now: Timestamp,
) -> Result<Element, ApiError> {
    let bad = |code, message: &str| ApiError::new(StatusCode::BAD_REQUEST, code, message);
    let token = form.get("WebIdentityToken").map_or("", String::as_str);
    match state.trust.tokens.get(token) {
        None => {
            Err(bad("InvalidIdentityToken", "No OpenIDConnect provider found in your account for this token"))
        }
        Some(Some(end)) if *end <= now => Err(bad("ExpiredTokenException", "Token expired")),
        Some(_) => session(state, form, now, || {
            let message = "Not authorized to perform sts:AssumeRoleWithWebIdentity";
            ApiError::forbidden("AccessDenied", message)
        }),
    }
}

/// Credentials of a role of this account.
fn session(
    state: &mut State,
    form: &BTreeMap<String, String>,
    now: Timestamp,
    denied: impl Fn() -> ApiError,
) -> Result<Element, ApiError> {
    let get = |name: &str| form.get(name).map_or("", String::as_str);
    let invalid = |message: &str| ApiError::new(StatusCode::BAD_REQUEST, "ValidationError", message);
    let role = get("RoleArn").strip_prefix(&format!("arn:aws:iam::{ACCOUNT}:role/")).ok_or_else(&denied)?;
    let name = get("RoleSessionName");
    if !(2..=64).contains(&name.len()) {
        return Err(invalid(
            "1 validation error detected: Value at 'roleSessionName' failed to satisfy constraint",
        ));
    }
    let duration = form.get("DurationSeconds").map_or(Some(DURATION), |text| text.parse().ok());
    let duration = duration.filter(|seconds| DURATIONS.contains(seconds));
    let duration = duration.ok_or_else(|| {
        invalid("1 validation error detected: Value at 'durationSeconds' failed to satisfy constraint")
    })?;
    let seed = state.next_id("assumed");
    let principal = format!("arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{name}");
    let lasts = SignedDuration::from_secs(duration);
    let key = state.keys.of_assumed(&seed, principal, now, lasts);
    let credentials = Element::new("Credentials")
        .with_text("AccessKeyId", &key.credentials.key_id)
        .with_text("SecretAccessKey", key.credentials.secret.expose_secret())
        .with_optional(
            "SessionToken",
            key.credentials.session_token.as_ref().map(ExposeSecret::expose_secret),
        )
        .with_optional("Expiration", key.expires.map(seconds));
    let user = Element::new("AssumedRoleUser")
        .with_text("AssumedRoleId", format!("AROAEXAMPLE:{name}"))
        .with_text("Arn", &key.principal);
    Ok(Element::new("").with(user).with(credentials))
}

fn identity(key: &Key) -> Element {
    Element::new("")
        .with_text("Arn", &key.principal)
        .with_text("UserId", &key.credentials.key_id)
        .with_text("Account", ACCOUNT)
}
