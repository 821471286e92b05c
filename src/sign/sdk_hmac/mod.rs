//! SDK-HMAC-SHA256, as the API gateways of Huawei Cloud sign calls, and calls to a backend.
//!
//! It is SigV4's canonical request with differences: the path is decoded and encoded once and ends in a
//! slash, spaces inside values are kept, and the secret is the key. A body of another type than JSON or
//! BSON is left open, as Huawei's own SDK does. Not here: its sister schemes (SM3, ECDSA, V11).
//!
//! Spec: <https://support.huaweicloud.com/intl/en-us/devg-apisign/api-sign-algorithm.html>

#[cfg(test)]
mod tests;

use std::time::Duration;

use hmac::Mac;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;
use sha2::Sha256;

use super::date::{self, Stamp};
use super::mac::{self, Hex};
use super::percent::push_encoded;
use super::{
    Error, Keys, RawPath, Rejection, Signed, authorization, check_credentials, check_window, host_of,
    parameters, sensitive,
};
use crate::clock::Timestamp;
use crate::secret::{Credentials, ExposeSecret};

const ALGORITHM: &str = "SDK-HMAC-SHA256";
const HEADER: &str = "Authorization";
const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";
static X_SDK_DATE: HeaderName = HeaderName::from_static("x-sdk-date");
static X_SDK_CONTENT_SHA256: HeaderName = HeaderName::from_static("x-sdk-content-sha256");
static DATES: [(HeaderName, &str); 1] = [(HeaderName::from_static("x-sdk-date"), "X-Sdk-Date")];

/// What a valid signature says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    pub key_id: String,
    pub signed_at: Timestamp,
    /// Whether the body is covered.
    pub payload_signed: bool,
}

/// A header that is covered, with its values as one.
struct Field<'a> {
    name: &'a str,
    value: Vec<u8>,
}

/// Signs a request: its method, path, query, host, every header but those with an underscore in their
/// names, and its body.
///
/// A date among the headers is signed byte for byte, and no other is added. Without one, `time` is added
/// as `X-Sdk-Date`. `X-Sdk-Content-Sha256` is added for a content type that isn't JSON or BSON.
///
/// # Errors
/// When the credentials can't stand in a header, the date is repeated or in another form than the
/// scheme's, or the request names no host.
pub fn sign<B: AsRef<[u8]>>(
    request: &http::Request<B>,
    credentials: &Credentials,
    time: Timestamp,
) -> Result<Signed, Error> {
    check_credentials(credentials)?;
    let headers = request.headers();
    let mut added = Vec::with_capacity(3);
    let dated = date::of(headers, &DATES).map_err(|date::Repeated(header)| Error::Repeated(header))?;
    let stamp = match dated {
        Some(dated) => Stamp::read(dated.value).ok_or_else(|| Error::Date {
            header: dated.header,
            expected: date::BASIC_FORM,
            found: dated.shown(),
        })?,
        None => Stamp::at(time),
    };
    if dated.is_none() {
        let value = HeaderValue::from_str(stamp.as_str()).map_err(|_| Error::Header("X-Sdk-Date"))?;
        added.push((X_SDK_DATE.clone(), value));
    }
    if leaves_open(headers) && !headers.contains_key(&X_SDK_CONTENT_SHA256) {
        added.push((X_SDK_CONTENT_SHA256.clone(), HeaderValue::from_static(UNSIGNED_PAYLOAD)));
    }
    let host;
    let mut fields: Vec<Field<'_>> = headers
        .keys()
        .filter(|name| *name != AUTHORIZATION && !name.as_str().contains('_'))
        .map(|name| Field { name: name.as_str(), value: joined(headers, name.as_str()) })
        .collect();
    fields.extend(
        added.iter().map(|(name, value)| Field { name: name.as_str(), value: value.as_bytes().to_vec() }),
    );
    if !headers.contains_key(HOST) {
        host = host_of(request.uri()).ok_or(Error::NoHost)?;
        fields.push(Field { name: HOST.as_str(), value: host.into_bytes() });
    }
    fields.sort_by_key(|field| field.name);
    let body = request.body().as_ref();
    let hash;
    let sent = fields.iter().find(|field| field.name == X_SDK_CONTENT_SHA256.as_str());
    let payload = match sent {
        // An empty body is hashed whatever the header says, as the SDK does it.
        Some(sent) if !body.is_empty() => sent.value.as_slice(),
        _ => {
            hash = Hex::of_sha256(body);
            hash.as_str().as_bytes()
        }
    };
    let names: Vec<&str> = fields.iter().map(|field| field.name).collect();
    let names = names.join(";");
    let canonical = canonical_request(request, &fields, &names, payload);
    let string_to_sign = string_to_sign(&stamp, &canonical);
    let key = mac::keyed::<Sha256>(credentials.secret.expose_secret().as_bytes());
    let signature = Hex::of(key.chain_update(&string_to_sign).finalize().into_bytes());
    let signature = signature.as_str().to_owned();
    let value =
        format!("{ALGORITHM} Access={}, SignedHeaders={names}, Signature={signature}", credentials.key_id);
    let value = HeaderValue::try_from(value).map_err(|_| Error::KeyId)?;
    added.push((AUTHORIZATION, sensitive(value)));
    let canonical_request = Some(String::from_utf8_lossy(&canonical).into_owned());
    Ok(Signed { headers: added, url: None, canonical_request, string_to_sign, signature })
}

/// Checks the signature of a request over the headers that it names as signed, of which the date has to
/// be one.
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
    let malformed = |expected| Rejection::Malformed { header: HEADER, expected };
    let text = authorization(headers, &AUTHORIZATION, HEADER)?;
    let [key_id, names, signature] = parameters(text, ALGORITHM, ["Access", "SignedHeaders", "Signature"])
        .ok_or(malformed("'SDK-HMAC-SHA256 Access=..., SignedHeaders=..., Signature=...'"))?;
    let in_order = names.split(';').is_sorted_by(|a, b| a < b);
    if !in_order || names.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(malformed("signed headers in lower case and alphabetical order, each once"));
    }
    let credentials = keys(key_id).ok_or_else(|| Rejection::UnknownKey(key_id.to_owned()))?;

    let mut fields = Vec::with_capacity(headers.len());
    for name in names.split(';') {
        let value = match headers.contains_key(name) {
            true => joined(headers, name),
            false if name == HOST.as_str() && request.uri().host().is_some() => {
                host_of(request.uri()).unwrap_or_default().into_bytes()
            }
            false => return Err(Rejection::SignedHeaderMissing(name.to_owned())),
        };
        fields.push(Field { name, value });
    }
    let covers = |name: &HeaderName| fields.iter().any(|field| field.name == name.as_str());
    let dated = date::of(headers, &DATES)
        .map_err(|date::Repeated(header)| Rejection::Repeated(header))?
        .ok_or(Rejection::MissingDate("an X-Sdk-Date header"))?;
    if !covers(&X_SDK_DATE) {
        return Err(Rejection::NotCovered("X-Sdk-Date"));
    }
    let stamp = Stamp::read(dated.value).ok_or_else(|| Rejection::BadDate {
        header: dated.header,
        expected: date::BASIC_FORM,
        found: dated.shown(),
    })?;
    check_window(stamp.time(), now, window)?;

    let body = request.body().as_ref();
    let sent = headers.get(&X_SDK_CONTENT_SHA256).map(HeaderValue::as_bytes);
    let open = sent == Some(UNSIGNED_PAYLOAD.as_bytes());
    if open && !covers(&X_SDK_CONTENT_SHA256) {
        return Err(Rejection::NotCovered("X-Sdk-Content-Sha256"));
    }
    // Over the body itself and not over the hash that the request gives for it.
    let hash = Hex::of_sha256(body);
    // An open body that is empty is signed by some as open and by Huawei's SDK as empty.
    let payloads: &[&str] = match (open, body.is_empty()) {
        (false, _) => &[hash.as_str()],
        (true, false) => &[UNSIGNED_PAYLOAD],
        (true, true) => &[hash.as_str(), UNSIGNED_PAYLOAD],
    };
    let signature = mac::from_hex(signature);
    let mut mismatch = None;
    for payload in payloads {
        let canonical = canonical_request(request, &fields, names, payload.as_bytes());
        let string_to_sign = string_to_sign(&stamp, &canonical);
        let key = mac::keyed::<Sha256>(credentials.secret.expose_secret().as_bytes());
        let computed = key.chain_update(&string_to_sign);
        if signature.is_some_and(|signature| computed.verify_slice(&signature).is_ok()) {
            let signed_at = stamp.time();
            return Ok(Verified { key_id: key_id.to_owned(), signed_at, payload_signed: !open });
        }
        let canonical_request = Some(String::from_utf8_lossy(&canonical).into_owned());
        mismatch.get_or_insert(Rejection::Mismatch { canonical_request, string_to_sign });
    }
    Err(mismatch.unwrap_or(malformed("a signature")))
}

/// Whether the body is of a type that the SDK leaves open.
fn leaves_open(headers: &HeaderMap) -> bool {
    let covered =
        |kind: &[u8]| kind.starts_with(b"application/json") || kind.starts_with(b"application/bson");
    headers
        .get(CONTENT_TYPE)
        .map(HeaderValue::as_bytes)
        .is_some_and(|kind| !kind.is_empty() && !covered(kind))
}

/// The values of a header as one, in the order in which they came, each without the spaces around it.
fn joined(headers: &HeaderMap, name: &str) -> Vec<u8> {
    let values: Vec<_> = headers.get_all(name).iter().map(|value| value.as_bytes().trim_ascii()).collect();
    values.join(&b","[..])
}

fn canonical_request<B>(
    request: &http::Request<B>,
    fields: &[Field<'_>],
    names: &str,
    payload: &[u8],
) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    out.extend_from_slice(request.method().as_str().to_ascii_uppercase().as_bytes());
    out.push(b'\n');
    let raw = request.extensions().get::<RawPath>();
    let path: Vec<u8> = percent_decode_str(raw.map_or(request.uri().path(), |path| &path.0)).collect();
    push_encoded(&mut out, &path, b"/");
    if !path.ends_with(b"/") {
        out.push(b'/');
    }
    out.push(b'\n');
    push_query(&mut out, request.uri().query().unwrap_or_default());
    out.push(b'\n');
    for field in fields {
        out.extend_from_slice(field.name.as_bytes());
        out.push(b':');
        out.extend_from_slice(&field.value);
        out.push(b'\n');
    }
    out.push(b'\n');
    out.extend_from_slice(names.as_bytes());
    out.push(b'\n');
    out.extend_from_slice(payload);
    out
}

/// The parameters, decoded as forms are, sorted by their plain names and values, and encoded anew.
fn push_query(out: &mut Vec<u8>, query: &str) {
    let decoded = |text: &str| percent_decode_str(&text.replace('+', " ")).collect::<Vec<u8>>();
    let mut pairs: Vec<_> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect();
    pairs.sort_unstable();
    for (index, (name, value)) in pairs.iter().enumerate() {
        if index > 0 {
            out.push(b'&');
        }
        push_encoded(out, name, b"");
        out.push(b'=');
        push_encoded(out, value, b"");
    }
}

fn string_to_sign(stamp: &Stamp, canonical: &[u8]) -> String {
    [ALGORITHM, "\n", stamp.as_str(), "\n", Hex::of_sha256(canonical).as_str()].concat()
}
