//! AWS Signature Version 4 in the Authorization header.
//!
//! `canonical` writes the request in the one form both sides agree on, `key` derives and keeps the
//! day's key, `verify` is the way back. `query` puts the signature
//! into the URL.
//!
//! Spec: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

mod canonical;
mod key;
pub mod query;
#[cfg(test)]
mod tests;
mod verify;

use hmac::Mac;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

use super::date::{self, Stamp};
use super::mac::Hex;
use super::{
    Error, Signed, X_AMZ_DATE, X_AMZ_SECURITY_TOKEN, check_credentials, host_of, sensitive, stands_in_a_list,
    token_value,
};
use crate::clock::Timestamp;
use crate::secret::Credentials;
use canonical::{Canonical, Field};

pub use verify::{Verified, verify};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// The last part of every credential scope.
const TERMINATOR: &str = "aws4_request";
const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";
static X_AMZ_CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");

/// What a signing key is good for, beside its day.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope {
    pub region: String,
    pub service: String,
}

impl Scope {
    pub fn new(region: impl Into<String>, service: impl Into<String>) -> Self {
        Self { region: region.into(), service: service.into() }
    }

    /// `20150830/us-east-1/route53/aws4_request`
    fn push_credential_scope(&self, out: &mut String, day: &str) {
        for part in [day, "/", &self.region, "/", &self.service, "/", TERMINATOR] {
            out.push_str(part);
        }
    }

    fn check(&self) -> Result<(), Error> {
        let fits = |part: &str| stands_in_a_list(part) && !part.contains('/');
        if fits(&self.region) && fits(&self.service) {
            return Ok(());
        }
        Err(Error::Scope { region: self.region.clone(), service: self.service.clone() })
    }
}

/// How the body gets into the signature. A request that has an `x-amz-content-sha256` header already
/// is signed with that header's value, whatever stands here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Payload {
    /// Its hash is signed, and not sent.
    #[default]
    Hashed,
    /// Its hash is signed and sent as `x-amz-content-sha256`.
    HashedInHeader,
    /// It isn't covered, and `x-amz-content-sha256` says so. Few services take that.
    Unsigned,
}

/// When the session token joins the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TokenPlace {
    /// Before signing: it is covered.
    #[default]
    Signed,
    /// After signing: it is not.
    AfterSigning,
}

/// Where services differ from each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The path, percent-encoded once as it is sent, is encoded once more.
    pub double_encode_path: bool,
    /// Dot segments are resolved and repeated slashes merged, in the canonical path only.
    pub normalize_path: bool,
    pub payload: Payload,
    pub token: TokenPlace,
}

impl Settings {
    /// What a service expects. S3 alone takes paths as they stand, since its keys are any bytes, and
    /// wants to be told the payload's hash.
    #[must_use]
    pub fn for_service(service: &str) -> Self {
        let s3 = is_s3(service);
        Self {
            double_encode_path: !s3,
            normalize_path: !s3,
            payload: if s3 { Payload::HashedInHeader } else { Payload::Hashed },
            token: TokenPlace::Signed,
        }
    }
}

fn is_s3(service: &str) -> bool {
    matches!(service, "s3" | "s3express" | "s3-object-lambda" | "s3-outposts")
}

/// Signs requests to one service in one region, and keeps the key it derived for the day.
#[derive(Debug)]
pub struct Signer {
    scope: Scope,
    settings: Settings,
    keys: key::DayKey,
}

impl Signer {
    /// A signer with the settings of the scope's service.
    #[must_use]
    pub fn new(scope: Scope) -> Self {
        let settings = Settings::for_service(&scope.service);
        Self::with_settings(scope, settings)
    }

    #[must_use]
    pub fn with_settings(scope: Scope, settings: Settings) -> Self {
        Self { scope, settings, keys: key::DayKey::default() }
    }

    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Signs a request: its method, path, query, host, every header but those that are never signed,
    /// and its body.
    ///
    /// A date among the headers is signed byte for byte, `x-amz-date` before `Date`, and no other is
    /// added. Without one, `time` is added as `x-amz-date`. A retry begins with a request that
    /// holds no date of an earlier attempt.
    ///
    /// # Errors
    /// When the credentials or the scope can't stand in a header, a date header is repeated or in
    /// another form than the scheme's, or the request names no host.
    pub fn sign<B: AsRef<[u8]>>(
        &self,
        request: &http::Request<B>,
        credentials: &Credentials,
        time: Timestamp,
    ) -> Result<Signed, Error> {
        check_credentials(credentials)?;
        self.scope.check()?;
        let headers = request.headers();
        let token = token_value(credentials)?;
        let (stamp, dated) = stamp(headers, time)?;
        let hash;
        let sent_payload = headers.get(&X_AMZ_CONTENT_SHA256);
        let payload = match (sent_payload, self.settings.payload) {
            (Some(sent), _) => sent.as_bytes(),
            (None, Payload::Unsigned) => UNSIGNED_PAYLOAD.as_bytes(),
            (None, Payload::Hashed | Payload::HashedInHeader) => {
                hash = Hex::of_sha256(request.body().as_ref());
                hash.as_str().as_bytes()
            }
        };
        let says_payload = sent_payload.is_none() && self.settings.payload != Payload::Hashed;
        let host;

        let mut fields = Vec::with_capacity(headers.len() + 4);
        fields.extend(
            headers.iter().filter(|(name, _)| self.signs(name, token.is_some())).map(Field::of_request),
        );
        if !headers.contains_key(http::header::HOST) {
            host = host_of(request.uri()).ok_or(Error::NoHost)?;
            fields.push(Field { name: "host", value: host.as_bytes() });
        }
        if !dated {
            fields.push(Field { name: X_AMZ_DATE.as_str(), value: stamp.as_str().as_bytes() });
        }
        if says_payload {
            fields.push(Field { name: X_AMZ_CONTENT_SHA256.as_str(), value: payload });
        }
        if let (Some(token), TokenPlace::Signed) = (&token, self.settings.token) {
            fields.push(Field { name: X_AMZ_SECURITY_TOKEN.as_str(), value: token.as_bytes() });
        }
        let canonical = Canonical::write(
            request,
            request.uri().query().unwrap_or_default(),
            fields,
            self.settings,
            payload,
        );
        let string_to_sign = string_to_sign(&stamp, &self.scope, &canonical);
        let key = self.keys.get(credentials, stamp.day(), &self.scope);
        let signature = Hex::of(key.chain_update(&string_to_sign).finalize().into_bytes());

        let authorization =
            self.authorization(&credentials.key_id, &stamp, &canonical, signature.as_str())?;
        let mut added = Vec::with_capacity(4);
        if !dated {
            let value = HeaderValue::from_str(stamp.as_str()).map_err(|_| Error::Header("x-amz-date"))?;
            added.push((X_AMZ_DATE.clone(), value));
        }
        if says_payload {
            let value =
                HeaderValue::from_bytes(payload).map_err(|_| Error::Header("x-amz-content-sha256"))?;
            added.push((X_AMZ_CONTENT_SHA256.clone(), value));
        }
        if let Some(token) = token {
            added.push((X_AMZ_SECURITY_TOKEN.clone(), token));
        }
        added.push((AUTHORIZATION, authorization));
        Ok(Signed {
            headers: added,
            url: None,
            canonical_request: Some(canonical.into_text()),
            string_to_sign,
            signature: signature.as_str().to_owned(),
        })
    }

    /// Whether a header of the request is covered. Our own token replaces the request's.
    fn signs(&self, name: &HeaderName, has_token: bool) -> bool {
        if *name == X_AMZ_SECURITY_TOKEN {
            return !has_token && self.settings.token == TokenPlace::Signed;
        }
        !canonical::is_never_signed(name.as_str())
    }

    fn authorization(
        &self,
        key_id: &str,
        stamp: &Stamp,
        canonical: &Canonical,
        signature: &str,
    ) -> Result<HeaderValue, Error> {
        let mut text = String::with_capacity(256);
        for part in [ALGORITHM, " Credential=", key_id, "/"] {
            text.push_str(part);
        }
        self.scope.push_credential_scope(&mut text, stamp.day());
        for part in [", SignedHeaders=", canonical.signed_headers(), ", Signature=", signature] {
            text.push_str(part);
        }
        // Whatever it is made of has been checked by now, the key id first.
        HeaderValue::try_from(text).map(sensitive).map_err(|_| Error::KeyId)
    }
}

/// The time of signing, and whether the request carries it already.
fn stamp(headers: &HeaderMap, time: Timestamp) -> Result<(Stamp, bool), Error> {
    let Some(dated) =
        date::of(headers, &date::AWS).map_err(|date::Repeated(header)| Error::Repeated(header))?
    else {
        return Ok((Stamp::at(time), false));
    };
    match read_date(dated) {
        Ok(stamp) => Ok((stamp, true)),
        Err(expected) => Err(Error::Date { header: dated.header, expected, found: dated.shown() }),
    }
}

/// Reads a date header, or says what was expected in it.
fn read_date(dated: date::Dated<'_>) -> Result<Stamp, &'static str> {
    let basic = Stamp::read(dated.value);
    if dated.header == "Date" {
        return basic.or_else(|| date::read_http(dated.value).map(Stamp::at)).ok_or(date::HTTP_FORM);
    }
    basic.ok_or(date::BASIC_FORM)
}

fn string_to_sign(stamp: &Stamp, scope: &Scope, canonical: &Canonical) -> String {
    let mut text = String::with_capacity(192);
    for part in [ALGORITHM, "\n", stamp.as_str(), "\n"] {
        text.push_str(part);
    }
    scope.push_credential_scope(&mut text, stamp.day());
    text.push('\n');
    text.push_str(Hex::of_sha256(canonical.bytes()).as_str());
    text
}
