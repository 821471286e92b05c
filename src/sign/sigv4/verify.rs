//! The way back: whether a request is what the holder of a key signed.
//!
//! Not here: whether the scope is the service's own, and whether it takes an unsigned payload. Both
//! are in what [`verify`] returns.

use std::time::Duration;

use hmac::Mac;
use http::header::{AUTHORIZATION, HeaderMap};

use super::canonical::{Canonical, Field};
use super::{ALGORITHM, Scope, Settings, TERMINATOR, UNSIGNED_PAYLOAD, X_AMZ_CONTENT_SHA256, key};
use crate::clock::Timestamp;
use crate::secret::Credentials;
use crate::sign::date::{self, Stamp};
use crate::sign::mac::{self, Hex};
use crate::sign::{
    Keys, Rejection, X_AMZ_DATE, X_AMZ_SECURITY_TOKEN, authorization, check_token, check_window, host_of,
    parameters,
};

/// Where a date is looked for.
pub(super) const DATES: &str = "an x-amz-date or Date header";
const HEADER: &str = "Authorization";
/// How payload kinds begin whose chunks are signed one by one.
const STREAMING: &[u8] = b"STREAMING-";

/// What a valid signature says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    pub key_id: String,
    pub signed_at: Timestamp,
    /// What the key was derived for. Whether that is this service is the caller's to judge.
    pub scope: Scope,
    /// Whether the body is covered.
    pub payload_signed: bool,
}

/// What an Authorization header claims.
pub(super) struct Claim<'a> {
    pub(super) key_id: &'a str,
    day: &'a str,
    pub(super) scope: Scope,
    pub(super) signed_headers: &'a str,
    signature: &'a str,
}

impl<'a> Claim<'a> {
    /// Takes a credential apart. `place` is where it stands, for the error.
    pub(super) fn new(
        place: &'static str,
        credential: &'a str,
        signed_headers: &'a str,
        signature: &'a str,
    ) -> Result<Self, Rejection> {
        let malformed = |expected| Rejection::Malformed { header: place, expected };
        // From the right, since a key id may hold slashes.
        let mut parts = credential.rsplitn(5, '/');
        let mut part = || parts.next().filter(|part| !part.is_empty());
        let (Some(TERMINATOR), Some(service), Some(region), Some(day), Some(key_id)) =
            (part(), part(), part(), part(), part())
        else {
            return Err(malformed("a credential like 'KEY/20150830/us-east-1/route53/aws4_request'"));
        };
        let in_order = signed_headers.split(';').is_sorted_by(|a, b| a < b);
        let in_lower_case = !signed_headers.bytes().any(|b| b.is_ascii_uppercase());
        if !in_order || !in_lower_case || signed_headers.starts_with(';') || signed_headers.is_empty() {
            return Err(malformed("signed headers in lower case and alphabetical order, each once"));
        }
        Ok(Self { key_id, day, scope: Scope::new(region, service), signed_headers, signature })
    }

    /// Holds the day that the key was derived for against that of signing.
    pub(super) fn check_day(&self, stamp: &Stamp) -> Result<(), Rejection> {
        if stamp.day() == self.day {
            return Ok(());
        }
        Err(Rejection::ScopeDay { scope_day: self.day.to_owned(), date: stamp.as_str().to_owned() })
    }
}

/// Checks the signature of a request over the headers it names as signed, in the way of the service
/// that its scope names.
///
/// # Errors
/// Why the request isn't accepted: see [`Rejection`].
pub fn verify<B: AsRef<[u8]>>(
    request: &http::Request<B>,
    keys: Keys<'_>,
    now: Timestamp,
    window: Duration,
) -> Result<Verified, Rejection> {
    let headers = request.headers();
    let claim = claim(headers)?;
    let credentials = keys(claim.key_id).ok_or_else(|| Rejection::UnknownKey(claim.key_id.to_owned()))?;

    let host = host_of(request.uri());
    let fields = fields(headers, claim.signed_headers, host.as_deref())?;
    let stamp = stamp(headers, claim.signed_headers)?;
    claim.check_day(&stamp)?;
    check_window(stamp.time(), now, window)?;

    let hash;
    let payload_signed = match headers.get(&X_AMZ_CONTENT_SHA256).map(http::HeaderValue::as_bytes) {
        Some(kind) if kind.starts_with(STREAMING) => {
            return Err(Rejection::Payload(String::from_utf8_lossy(kind).into_owned()));
        }
        sent => sent != Some(UNSIGNED_PAYLOAD.as_bytes()),
    };
    // Over the body itself and not over the hash that the request gives for it.
    let payload = if payload_signed {
        hash = Hex::of_sha256(request.body().as_ref());
        hash.as_str()
    } else {
        UNSIGNED_PAYLOAD
    };
    let settings = Settings::for_service(&claim.scope.service);
    let canonical = Canonical::write(
        request,
        request.uri().query().unwrap_or_default(),
        fields,
        settings,
        payload.as_bytes(),
    );
    let string_to_sign = super::string_to_sign(&stamp, &claim.scope, &canonical);
    if !matches(&credentials, &claim, &string_to_sign) {
        let canonical_request = Some(canonical.into_text());
        return Err(Rejection::Mismatch { canonical_request, string_to_sign });
    }
    check_covers_all(headers, claim.signed_headers, false)?;
    check_token(headers, &credentials)?;
    Ok(Verified {
        key_id: claim.key_id.to_owned(),
        signed_at: stamp.time(),
        scope: claim.scope,
        payload_signed,
    })
}

/// Whether the claimed signature is that of the text, in a time that doesn't depend on how much of it is.
pub(super) fn matches(credentials: &Credentials, claim: &Claim<'_>, string_to_sign: &str) -> bool {
    let Some(signature) = mac::from_hex(claim.signature) else { return false };
    let key = key::derive(&credentials.secret, claim.day, &claim.scope);
    key.chain_update(string_to_sign).verify_slice(&signature).is_ok()
}

fn claim(headers: &HeaderMap) -> Result<Claim<'_>, Rejection> {
    let malformed = |expected| Rejection::Malformed { header: HEADER, expected };
    let text = authorization(headers, &AUTHORIZATION, HEADER)?;
    let [credential, signed_headers, signature] =
        parameters(text, ALGORITHM, ["Credential", "SignedHeaders", "Signature"])
            .ok_or(malformed("'AWS4-HMAC-SHA256 Credential=..., SignedHeaders=..., Signature=...'"))?;
    Claim::new(HEADER, credential, signed_headers, signature)
}

/// The headers named as signed, each of which the request has to have.
pub(super) fn fields<'a>(
    headers: &'a HeaderMap,
    signed_headers: &'a str,
    host: Option<&'a str>,
) -> Result<Vec<Field<'a>>, Rejection> {
    let mut fields = Vec::with_capacity(headers.len() + 1);
    for name in signed_headers.split(';') {
        let before = fields.len();
        fields.extend(headers.get_all(name).iter().map(|value| Field { name, value: value.as_bytes() }));
        if fields.len() == before {
            match host {
                Some(host) if name == "host" => fields.push(Field { name, value: host.as_bytes() }),
                _ => return Err(Rejection::SignedHeaderMissing(name.to_owned())),
            }
        }
    }
    if !names(signed_headers, "host") {
        return Err(Rejection::NotCovered("host"));
    }
    Ok(fields)
}

/// Holds against a request any `x-amz-` header beside those that are covered: it tells the service what to
/// do. A token that joins after signing is compared by itself.
pub(super) fn check_covers_all(
    headers: &HeaderMap,
    signed_headers: &str,
    dated_in_query: bool,
) -> Result<(), Rejection> {
    let by_itself =
        |name: &str| name == X_AMZ_SECURITY_TOKEN.as_str() || name == X_AMZ_DATE.as_str() && dated_in_query;
    let uncovered = headers
        .keys()
        .map(http::HeaderName::as_str)
        .find(|name| name.starts_with("x-amz-") && !by_itself(name) && !names(signed_headers, name));
    uncovered.map_or(Ok(()), |name| Err(Rejection::Uncovered(name.to_owned())))
}

/// The time of signing, from a header that is covered.
fn stamp(headers: &HeaderMap, signed_headers: &str) -> Result<Stamp, Rejection> {
    let dated = date::of(headers, &date::AWS)
        .map_err(|date::Repeated(header)| Rejection::Repeated(header))?
        .ok_or(Rejection::MissingDate(DATES))?;
    if !names(signed_headers, &dated.header.to_ascii_lowercase()) {
        return Err(Rejection::NotCovered(dated.header));
    }
    super::read_date(dated).map_err(|expected| Rejection::BadDate {
        header: dated.header,
        expected,
        found: dated.shown(),
    })
}

fn names(signed_headers: &str, name: &str) -> bool {
    signed_headers.split(';').any(|signed| signed == name)
}
