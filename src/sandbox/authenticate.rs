//! Who sends a request: its signature, the clock window, and what is known about the key.
//!
//! What a rejection is called and how it is worded is AWS's; which it is, `sign` finds out. Not here:
//! what the sender may do (`route53`).

use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST, HeaderName};
use http::{Request, StatusCode};
use jiff::{SignedDuration, Timestamp};

use crate::clock::http_date;
use crate::sign::{Rejection, aws3, sigv4};

use super::error::ApiError;
use super::keys::{Key, KeyRing};

static X_AMZN_AUTHORIZATION: HeaderName = HeaderName::from_static("x-amzn-authorization");

/// How far a request's date may be from AWS's time. Most services take fifteen minutes.
///
/// Spec: <https://docs.aws.amazon.com/Route53/latest/APIReference/requests-rest-overview.html>
const WINDOW: Duration = Duration::from_secs(5 * 60);

/// What the credential of a SigV4 request has to be scoped to. At an endpoint that isn't AWS's own, the
/// SDKs sign for the region that they are configured for, so that any is taken there.
const SERVICE: &str = "route53";

/// Where Route 53 is not in the first region, by what its host ends with.
const REGIONS: &[(&str, &str)] = &[
    ("route53.us-gov.amazonaws.com", "us-gov-west-1"),
    ("route53.us-gov.api.aws", "us-gov-west-1"),
    (".amazonaws.com", "us-east-1"),
    (".api.aws", "us-east-1"),
    (".amazonaws.com.cn", "cn-northwest-1"),
    (".api.amazonwebservices.com.cn", "cn-northwest-1"),
    ("route53.amazonaws.eu", "eusc-de-east-1"),
];

/// A way of signing that the service takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    Aws3Https,
    SigV4,
}

/// By what a request says that it is signed.
pub(super) fn scheme(request: &Request<Bytes>) -> Option<Scheme> {
    if request.headers().contains_key(&AUTHORIZATION) {
        Some(Scheme::SigV4)
    } else if request.headers().contains_key(&X_AMZN_AUTHORIZATION) {
        Some(Scheme::Aws3Https)
    } else {
        None
    }
}

/// Finds out whose request this is.
///
/// # Errors
/// In AWS's words, when it isn't signed by a key that is known and holds at `now`.
pub(super) fn authenticate(
    request: &Request<Bytes>,
    keys: &KeyRing,
    now: Timestamp,
) -> Result<Key, ApiError> {
    authenticate_for(SERVICE, request, keys, now)
}

/// The same for a request to another service. Only Route 53 takes AWS3-HTTPS, and signatures of one region.
///
/// # Errors
/// As for [`authenticate`].
pub(super) fn authenticate_for(
    service: &'static str,
    request: &Request<Bytes>,
    keys: &KeyRing,
    now: Timestamp,
) -> Result<Key, ApiError> {
    let of = |id: &str| keys.find(id).map(|key| key.credentials.clone());
    let key_id = match scheme(request).ok_or_else(missing)? {
        Scheme::Aws3Https if service != SERVICE => return Err(missing()),
        Scheme::Aws3Https => {
            let verified = aws3::verify(request.headers(), &of, now, WINDOW);
            verified.map_err(|why| refusal(why, Scheme::Aws3Https))?.key_id
        }
        Scheme::SigV4 => {
            let verified =
                sigv4::verify(request, &of, now, WINDOW).map_err(|why| refusal(why, Scheme::SigV4))?;
            let wrong = |what: &str| ApiError::forbidden("SignatureDoesNotMatch", what);
            if verified.scope.service != service {
                return Err(wrong(&format!("Credential should be scoped to correct service: '{service}'. ")));
            }
            if service == SERVICE
                && region_at_aws(request).is_some_and(|region| verified.scope.region != region)
            {
                return Err(wrong("Credential should be scoped to a valid region. "));
            }
            if !verified.payload_signed {
                return Err(wrong("The payload of requests to this service has to be signed."));
            }
            verified.key_id
        }
    };
    let key = keys.find(&key_id).ok_or_else(unknown_key)?;
    if !keys.stale && key.expires.is_some_and(|end| end <= now) {
        return Err(expired_token());
    }
    Ok(key.clone())
}

/// The region of the Route 53 that a request was meant for, where that is at one of AWS's own hosts.
fn region_at_aws(request: &Request<Bytes>) -> Option<&'static str> {
    let host = request.headers().get(HOST).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let host = host.split(':').next().unwrap_or_default();
    REGIONS.iter().find(|(end, _)| host.ends_with(end)).map(|(_, region)| *region)
}

/// The request isn't signed, or not in a way that is known.
pub(super) fn missing() -> ApiError {
    ApiError::forbidden("MissingAuthenticationToken", "Missing Authentication Token")
}

/// Temporary credentials after their end.
pub(super) fn expired_token() -> ApiError {
    ApiError::forbidden("ExpiredToken", "The security token included in the request is expired")
}

fn unknown_key() -> ApiError {
    ApiError::forbidden("InvalidClientTokenId", "The security token included in the request is invalid.")
}

fn refusal(why: Rejection, scheme: Scheme) -> ApiError {
    match why {
        Rejection::NotSigned(_) => missing(),
        Rejection::UnknownKey(_)
        | Rejection::UnusableKey(_)
        | Rejection::TokenMissing(_)
        | Rejection::TokenMismatch(_) => unknown_key(),
        Rejection::OutsideWindow { signed_at, now, .. } => match scheme {
            Scheme::Aws3Https => ApiError::new(
                StatusCode::BAD_REQUEST,
                "RequestExpired",
                format!(
                    "Request timestamp: {} expired. It must be within {} secs/ of server time.",
                    http_date(signed_at),
                    WINDOW.as_secs()
                ),
            ),
            Scheme::SigV4 => ApiError::forbidden("SignatureDoesNotMatch", outside(signed_at, now)),
        },
        Rejection::Mismatch { canonical_request, string_to_sign } => {
            let mut message =
                "The request signature we calculated does not match the signature you provided. \
                 Check your AWS Secret Access Key and signing method. Consult the service documentation for \
                 details."
                    .to_owned();
            if let Some(canonical) = canonical_request {
                message.push_str("\n\nThe Canonical String for this request should have been\n'");
                message.push_str(&canonical);
                message.push_str("'\n\nThe String-to-Sign should have been\n'");
                message.push_str(&string_to_sign);
                message.push_str("'\n");
            }
            ApiError::forbidden("SignatureDoesNotMatch", message)
        }
        Rejection::WrongScope { .. } | Rejection::Expired { .. } => {
            ApiError::forbidden("SignatureDoesNotMatch", why.to_string())
        }
        Rejection::ScopeDay { scope_day, date } => ApiError::forbidden(
            "SignatureDoesNotMatch",
            format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: \
                 '{scope_day}' != '{}', from '{date}'.",
                date.get(..8).unwrap_or(&date)
            ),
        ),
        Rejection::MissingDate(_) | Rejection::BadDate { .. } => {
            incomplete(&format!("Date must be in ISO-8601 'basic format' or RFC 1123: {why}"))
        }
        Rejection::Malformed { .. }
        | Rejection::MissingParameter(_)
        | Rejection::Repeated(_)
        | Rejection::SignedHeaderMissing(_)
        | Rejection::NotCovered(_)
        | Rejection::Uncovered(_)
        | Rejection::Payload(_) => incomplete(&why.to_string()),
    }
}

fn incomplete(message: &str) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "IncompleteSignature", message)
}

fn outside(signed_at: Timestamp, now: Timestamp) -> String {
    let stamp = |time: Timestamp| time.strftime("%Y%m%dT%H%M%SZ").to_string();
    let window = SignedDuration::from_mins(5);
    let edge = |time: Result<Timestamp, jiff::Error>| stamp(time.unwrap_or(now));
    let (signed, told) = (stamp(signed_at), stamp(now));
    if signed_at < now {
        let edge = edge(now.checked_sub(window));
        format!("Signature expired: {signed} is now earlier than {edge} ({told} - 5 min.)")
    } else {
        let edge = edge(now.checked_add(window));
        format!("Signature not yet current: {signed} is still later than {edge} ({told} + 5 min.)")
    }
}
