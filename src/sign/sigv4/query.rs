//! Presigned URLs: the signature in the query, for whoever is handed the URL.
//!
//! What is asked for is written in canonical encoding, since what a service makes of any other is not
//! told: a `+` means a space, as it does in forms. Names that repeat are kept.
//!
//! Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>

use std::time::Duration;

use hmac::Mac;
use http::header::AUTHORIZATION;
use percent_encoding::percent_decode_str;

use super::Verified;
use super::canonical::{Canonical, Field};
use super::verify::{Claim, check_covers_all, fields, matches};
use super::{
    ALGORITHM, Settings, Signer, TokenPlace, UNSIGNED_PAYLOAD, X_AMZ_CONTENT_SHA256, is_s3, stamp,
    string_to_sign,
};
use crate::clock::Timestamp;
use crate::secret::{Credentials, ExposeSecret};
use crate::sign::date::{self, Stamp};
use crate::sign::mac::{self, Hex};
use crate::sign::percent::push_encoded;
use crate::sign::{
    Error, Keys, Rejection, Signed, X_AMZ_DATE, X_AMZ_SECURITY_TOKEN, check_credentials, host_of, token_value,
};

/// The longest that a URL may be good for: seven days.
pub const MAX_EXPIRES: Duration = Duration::from_secs(7 * 24 * 60 * 60);

#[cfg(test)]
mod tests;

const QUERY: &str = "query";
const SIGNATURE: &str = "X-Amz-Signature";
const TOKEN: &str = "X-Amz-Security-Token";
/// What a signature adds to a query, in the order of writing; the token and the signature come behind.
const ADDED: [&str; 5] =
    ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders"];

impl Signer {
    /// Signs the URL of a request: its method, path and query, host, every header in it, and its body;
    /// S3 alone leaves the body open. Whoever uses the URL has to send the same headers.
    ///
    /// A date among the headers is the date of signing; `x-amz-date` then stands in the query alone.
    ///
    /// # Errors
    /// As [`Signer::sign`], and when `expires` is no time that a URL may be good for, the URL is signed
    /// already, or it has no scheme and host.
    pub fn presign<B: AsRef<[u8]>>(
        &self,
        request: &http::Request<B>,
        credentials: &Credentials,
        expires: Duration,
        time: Timestamp,
    ) -> Result<Signed, Error> {
        check_credentials(credentials)?;
        self.scope.check()?;
        let expires = expires.as_secs();
        if expires == 0 || expires > MAX_EXPIRES.as_secs() {
            return Err(Error::Expires { found: expires });
        }
        let (headers, uri) = (request.headers(), request.uri());
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(Error::NoHost);
        };
        // Checked alone: how it is encoded differs from a header.
        let token = token_value(credentials)?;
        let (stamp, _) = stamp(headers, time)?;

        let host;
        let mut fields: Vec<Field<'_>> = headers
            .iter()
            .filter(|(name, _)| *name != X_AMZ_DATE && *name != AUTHORIZATION)
            .filter(|(name, _)| *name != X_AMZ_SECURITY_TOKEN || token.is_none())
            .map(Field::of_request)
            .collect();
        if !headers.contains_key(http::header::HOST) {
            host = host_of(uri).ok_or(Error::NoHost)?;
            fields.push(Field { name: "host", value: host.as_bytes() });
        }
        let mut names: Vec<&str> = fields.iter().map(|field| field.name).collect();
        names.sort_unstable();
        names.dedup();

        let mut credential = format!("{}/", credentials.key_id);
        self.scope.push_credential_scope(&mut credential, stamp.day());
        let values = [ALGORITHM, &credential, stamp.as_str(), &expires.to_string(), &names.join(";")]
            .map(str::to_owned);
        let mut query = asked_for(uri.query().unwrap_or_default())?;
        for (name, value) in ADDED.into_iter().zip(&values) {
            push(&mut query, name, value.as_bytes());
        }
        let token = token.as_ref().map(http::HeaderValue::as_bytes);
        if let (Some(token), TokenPlace::Signed) = (token, self.settings.token) {
            push(&mut query, TOKEN, token);
        }
        let query = String::from_utf8_lossy(&query).into_owned();

        let hash;
        let payload = match headers.get(&X_AMZ_CONTENT_SHA256) {
            Some(sent) => sent.as_bytes(),
            None if is_s3(&self.scope.service) => UNSIGNED_PAYLOAD.as_bytes(),
            None => {
                hash = Hex::of_sha256(request.body().as_ref());
                hash.as_str().as_bytes()
            }
        };
        let canonical = Canonical::write(request, &query, fields, self.settings, payload);
        let string_to_sign = string_to_sign(&stamp, &self.scope, &canonical);
        let key = self.keys.get(credentials, stamp.day(), &self.scope);
        let signature = Hex::of(key.chain_update(&string_to_sign).finalize().into_bytes());

        let mut whole = query.into_bytes();
        if let (Some(token), TokenPlace::AfterSigning) = (token, self.settings.token) {
            push(&mut whole, TOKEN, token);
        }
        push(&mut whole, SIGNATURE, signature.as_str().as_bytes());
        let url = format!("{scheme}://{authority}{}?{}", uri.path(), String::from_utf8_lossy(&whole));
        Ok(Signed {
            headers: Vec::new(),
            url: Some(url),
            canonical_request: Some(canonical.into_text()),
            string_to_sign,
            signature: signature.as_str().to_owned(),
        })
    }
}

/// The parameters of a query in canonical encoding, and in the order in which they came.
fn asked_for(query: &str) -> Result<Vec<u8>, Error> {
    let mut out = Vec::with_capacity(query.len() + 512);
    for (name, value) in pairs(query).filter(|pair| *pair != ("", None)) {
        let name = decoded(name);
        let ours = ADDED.into_iter().chain([SIGNATURE, TOKEN]);
        if let Some(signed) = ours.into_iter().find(|ours| ours.as_bytes() == name) {
            return Err(Error::SignedAlready(signed));
        }
        if !out.is_empty() {
            out.push(b'&');
        }
        push_encoded(&mut out, &name, b"");
        out.push(b'=');
        push_encoded(&mut out, &decoded(value.unwrap_or_default()), b"");
    }
    Ok(out)
}

fn push(query: &mut Vec<u8>, name: &str, value: &[u8]) {
    if !query.is_empty() {
        query.push(b'&');
    }
    query.extend_from_slice(name.as_bytes());
    query.push(b'=');
    push_encoded(query, value, b"");
}

/// The parameters of a query as they stand, and `None` for a value without its `=`.
fn pairs(query: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    query
        .split('&')
        .map(|pair| pair.split_once('=').map_or((pair, None), |(name, value)| (name, Some(value))))
}

/// Undoes the encoding of a name or value; an escape that is none stands for itself.
fn decoded(text: &str) -> Vec<u8> {
    percent_decode_str(&text.replace('+', " ")).collect()
}

/// Checks the signature in the query of a request over the headers it names as signed, in the way of
/// the service that its scope names. `window` is how far ahead of `now` it may be dated; how long it is
/// good for is its own to say.
///
/// # Errors
/// Why the request isn't accepted: see [`Rejection`].
pub fn verify<B: AsRef<[u8]>>(
    request: &http::Request<B>,
    keys: Keys<'_>,
    now: Timestamp,
    window: Duration,
) -> Result<Verified, Rejection> {
    let malformed = |expected| Rejection::Malformed { header: QUERY, expected };
    let query = request.uri().query().unwrap_or_default();
    let signature = one(query, SIGNATURE)?.ok_or(Rejection::MissingParameter(SIGNATURE))?;
    let mut values = [const { String::new() }; ADDED.len()];
    for (slot, name) in values.iter_mut().zip(ADDED) {
        *slot = one(query, name)?.ok_or(Rejection::MissingParameter(name))?;
    }
    let [algorithm, credential, date, expires, signed_headers] = values;
    if algorithm != ALGORITHM {
        return Err(malformed("X-Amz-Algorithm=AWS4-HMAC-SHA256"));
    }
    let claim = Claim::new(QUERY, &credential, &signed_headers, &signature)?;
    let credentials = keys(claim.key_id).ok_or_else(|| Rejection::UnknownKey(claim.key_id.to_owned()))?;
    let host = host_of(request.uri());
    let fields = fields(request.headers(), claim.signed_headers, host.as_deref())?;

    let stamp = Stamp::read(date.as_bytes()).ok_or_else(|| Rejection::BadDate {
        header: "X-Amz-Date",
        expected: date::BASIC_FORM,
        found: date.clone(),
    })?;
    claim.check_day(&stamp)?;
    let lasts = expires.parse().ok().map(Duration::from_secs);
    let lasts = lasts
        .filter(|lasts| !lasts.is_zero() && *lasts <= MAX_EXPIRES)
        .ok_or(malformed("1 to 604800 seconds in X-Amz-Expires"))?;
    check_life(stamp.time(), lasts, now, window)?;

    let settings = Settings::for_service(&claim.scope.service);
    let sent = request.headers().get(&X_AMZ_CONTENT_SHA256).map(http::HeaderValue::as_bytes);
    let payload_signed = !is_s3(&claim.scope.service) && sent != Some(UNSIGNED_PAYLOAD.as_bytes());
    let hash;
    let payload = if payload_signed {
        hash = Hex::of_sha256(request.body().as_ref());
        hash.as_str()
    } else {
        UNSIGNED_PAYLOAD
    };
    let covered = without_signature(query);
    let canonical = Canonical::write(request, &covered, fields, settings, payload.as_bytes());
    let string_to_sign = string_to_sign(&stamp, &claim.scope, &canonical);
    if !matches(&credentials, &claim, &string_to_sign) {
        let canonical_request = Some(canonical.into_text());
        return Err(Rejection::Mismatch { canonical_request, string_to_sign });
    }
    check_covers_all(request.headers(), claim.signed_headers, true)?;
    if let Some(expected) = &credentials.session_token {
        let found = one(query, TOKEN)?.ok_or_else(|| Rejection::TokenMissing(credentials.key_id.clone()))?;
        if !mac::same(found.as_bytes(), expected.expose_secret().as_bytes()) {
            return Err(Rejection::TokenMismatch(credentials.key_id.clone()));
        }
    }
    Ok(Verified {
        key_id: claim.key_id.to_owned(),
        signed_at: stamp.time(),
        scope: claim.scope,
        payload_signed,
    })
}

/// The value of a parameter that may be there once.
fn one(query: &str, name: &'static str) -> Result<Option<String>, Rejection> {
    let mut found = pairs(query).filter(|(found, _)| decoded(found) == name.as_bytes());
    let Some((_, value)) = found.next() else { return Ok(None) };
    if found.next().is_some() {
        return Err(Rejection::Repeated(name));
    }
    let value = String::from_utf8(decoded(value.unwrap_or_default()));
    value.map(Some).map_err(|_| Rejection::Malformed { header: name, expected: "UTF-8" })
}

/// The query that was signed: all but the signature, as it stands.
fn without_signature(query: &str) -> String {
    let kept = query.split('&').filter(|pair| {
        let name = pair.split_once('=').map_or(*pair, |(name, _)| name);
        decoded(name) != SIGNATURE.as_bytes()
    });
    kept.collect::<Vec<_>>().join("&")
}

fn check_life(
    signed_at: Timestamp,
    expires: Duration,
    now: Timestamp,
    window: Duration,
) -> Result<(), Rejection> {
    let age = now.duration_since(signed_at);
    if age.is_negative() && age.unsigned_abs() > window {
        return Err(Rejection::OutsideWindow { signed_at, now, window });
    }
    if age.is_positive() && age.unsigned_abs() > expires {
        return Err(Rejection::Expired { signed_at, expires, now });
    }
    Ok(())
}
