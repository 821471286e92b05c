//! Azure Storage Shared Key and Shared Key Lite, for Blob, Queue and File.
//!
//! Follows the documentation of the service where Microsoft's SDK for Python parts from it: white space
//! in values is folded, the slot of `Date` is empty beside `x-ms-date`, `Range` is covered, and every
//! value of a repeated parameter counts. Not here: the Table service's own form.
//!
//! Spec: <https://learn.microsoft.com/en-us/rest/api/storageservices/authorize-with-shared-key>

mod order;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::Mac;
use http::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderMap,
    HeaderName, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE, RANGE,
};
use percent_encoding::percent_decode_str;
use sha2::Sha256;

use super::date;
use super::{
    Error, Keys, RawPath, Rejection, Signed, authorization, check_credentials, check_window, mac, sensitive,
};
use crate::clock::{Timestamp, http_date};
use crate::secret::{Credentials, ExposeSecret};

const HEADER: &str = "Authorization";
static X_MS_DATE: HeaderName = HeaderName::from_static("x-ms-date");
static X_MS_VERSION: HeaderName = HeaderName::from_static("x-ms-version");
static CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");
static DATES: [(HeaderName, &str); 2] = [(HeaderName::from_static("x-ms-date"), "x-ms-date"), (DATE, "Date")];
/// The last version of the service that wants a length of 0 written out.
const LAST_WITH_ZERO: &[u8] = b"2014-02-14";

/// How much of a request is covered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    #[default]
    SharedKey,
    /// Fewer headers, and of the query `comp` alone.
    SharedKeyLite,
}

impl Form {
    fn name(self) -> &'static str {
        match self {
            Self::SharedKey => "SharedKey",
            Self::SharedKeyLite => "SharedKeyLite",
        }
    }
}

/// What a valid signature says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    pub account: String,
    pub signed_at: Timestamp,
    pub form: Form,
}

/// Signs a request: the key id of the credentials is the account, the secret its key in base64.
///
/// A date among the headers is signed byte for byte, `x-ms-date` before `Date`, and no other is added.
/// Without one, `time` is added as `x-ms-date`. The body isn't covered but by its length and the
/// Content-MD5 that the request may have.
///
/// # Errors
/// When the key isn't base64, the account can't stand in a header, or the date is repeated.
pub fn sign<B: AsRef<[u8]>>(
    request: &http::Request<B>,
    credentials: &Credentials,
    form: Form,
    time: Timestamp,
) -> Result<Signed, Error> {
    check_credentials(credentials)?;
    let account = &credentials.key_id;
    if account.contains(':') {
        return Err(Error::KeyId);
    }
    let mut added = Vec::with_capacity(2);
    let dated =
        date::of(request.headers(), &DATES).map_err(|date::Repeated(header)| Error::Repeated(header))?;
    if dated.is_none() {
        let value = HeaderValue::from_str(&http_date(time)).map_err(|_| Error::Header("x-ms-date"))?;
        added.push((X_MS_DATE.clone(), value));
    }
    let mut with_date = HeaderMap::with_capacity(request.headers().len() + 1);
    with_date.extend(request.headers().iter().map(|(name, value)| (name.clone(), value.clone())));
    with_date.extend(added.iter().cloned());

    let text = string_to_sign(request, &with_date, account, form);
    let key = STANDARD.decode(credentials.secret.expose_secret()).map_err(|_| Error::KeyNotBase64)?;
    let signature = STANDARD.encode(mac::keyed::<Sha256>(&key).chain_update(&text).finalize().into_bytes());
    let value = format!("{} {account}:{signature}", form.name());
    let value = HeaderValue::try_from(value).map_err(|_| Error::KeyId)?;
    added.push((AUTHORIZATION, sensitive(value)));
    let string_to_sign = String::from_utf8_lossy(&text).into_owned();
    Ok(Signed { headers: added, url: None, canonical_request: None, string_to_sign, signature })
}

/// Checks the signature of a request, of either form.
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
    let malformed = || Rejection::Malformed { header: HEADER, expected: "'SharedKey ACCOUNT:SIGNATURE'" };
    let text = authorization(headers, &AUTHORIZATION, HEADER)?.trim();
    let (scheme, rest) = text.split_once(' ').ok_or_else(malformed)?;
    let form = [Form::SharedKey, Form::SharedKeyLite].into_iter();
    let form =
        form.into_iter().find(|form| form.name().eq_ignore_ascii_case(scheme)).ok_or_else(malformed)?;
    let (account, signature) = rest.trim().split_once(':').ok_or_else(malformed)?;
    let credentials = keys(account).ok_or_else(|| Rejection::UnknownKey(account.to_owned()))?;
    let key = STANDARD.decode(credentials.secret.expose_secret());
    let key = key.map_err(|_| Rejection::UnusableKey(account.to_owned()))?;

    let dated = date::of(headers, &DATES)
        .map_err(|date::Repeated(header)| Rejection::Repeated(header))?
        .ok_or(Rejection::MissingDate("an x-ms-date or Date header"))?;
    let signed_at = date::read_http(dated.value).ok_or_else(|| Rejection::BadDate {
        header: dated.header,
        expected: date::HTTP_FORM,
        found: dated.shown(),
    })?;
    check_window(signed_at, now, window)?;

    let text = string_to_sign(request, headers, account, form);
    let claimed = STANDARD.decode(signature).unwrap_or_default();
    if mac::keyed::<Sha256>(&key).chain_update(&text).verify_slice(&claimed).is_err() {
        let string_to_sign = String::from_utf8_lossy(&text).into_owned();
        return Err(Rejection::Mismatch { canonical_request: None, string_to_sign });
    }
    Ok(Verified { account: account.to_owned(), signed_at, form })
}

fn string_to_sign<B: AsRef<[u8]>>(
    request: &http::Request<B>,
    headers: &HeaderMap,
    account: &str,
    form: Form,
) -> Vec<u8> {
    let length = content_length(headers, request.body().as_ref().len());
    let date = if headers.contains_key(&X_MS_DATE) { Vec::new() } else { joined(headers, &DATE) };
    let mut out = Vec::with_capacity(512);
    let mut line = |value: &[u8]| {
        out.extend_from_slice(value);
        out.push(b'\n');
    };
    line(request.method().as_str().as_bytes());
    match form {
        Form::SharedKey => {
            line(&joined(headers, &CONTENT_ENCODING));
            line(&joined(headers, &CONTENT_LANGUAGE));
            line(&length);
            line(&joined(headers, &CONTENT_MD5));
            line(&joined(headers, &CONTENT_TYPE));
            line(&date);
            for name in [IF_MODIFIED_SINCE, IF_MATCH, IF_NONE_MATCH, IF_UNMODIFIED_SINCE, RANGE] {
                line(&joined(headers, &name));
            }
        }
        Form::SharedKeyLite => {
            line(&joined(headers, &CONTENT_MD5));
            line(&joined(headers, &CONTENT_TYPE));
            line(&date);
        }
    }
    push_headers(&mut out, headers);
    let raw = request.extensions().get::<RawPath>();
    out.push(b'/');
    out.extend_from_slice(account.as_bytes());
    out.extend_from_slice(raw.map_or(request.uri().path(), |path| &path.0).as_bytes());
    push_query(&mut out, request.uri().query().unwrap_or_default(), form);
    out
}

/// The length as the service counts it: from version 2015-02-21 on, none is written as nothing.
fn content_length(headers: &HeaderMap, body: usize) -> Vec<u8> {
    let version = headers.get(&X_MS_VERSION).map(HeaderValue::as_bytes);
    match headers.get(CONTENT_LENGTH).map(HeaderValue::as_bytes) {
        Some(b"0") if version.is_none_or(|version| version > LAST_WITH_ZERO) => Vec::new(),
        Some(sent) => sent.to_vec(),
        None if body > 0 => body.to_string().into_bytes(),
        None => Vec::new(),
    }
}

/// The values of a header, as one.
fn joined(headers: &HeaderMap, name: &HeaderName) -> Vec<u8> {
    let values: Vec<_> = headers.get_all(name).iter().map(|value| value.as_bytes().trim_ascii()).collect();
    values.join(&b","[..])
}

/// Every `x-ms-` header, a line each, in the service's own order.
fn push_headers(out: &mut Vec<u8>, headers: &HeaderMap) {
    let mut names: Vec<&HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with("x-ms-")).collect();
    names.sort_by(|a, b| order::compare(a.as_str(), b.as_str()));
    for name in names {
        out.extend_from_slice(name.as_str().as_bytes());
        out.push(b':');
        let value = joined(headers, name);
        let words: Vec<_> = value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
        out.extend_from_slice(&words.join(&b" "[..]));
        out.push(b'\n');
    }
}

/// The parameters by their names in lower case, decoded; the values of one name in order, in one line.
fn push_query(out: &mut Vec<u8>, query: &str, form: Form) {
    let mut parameters: BTreeMap<Vec<u8>, Vec<Vec<u8>>> = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decoded = |text| percent_decode_str(text).collect::<Vec<u8>>();
        parameters.entry(decoded(name).to_ascii_lowercase()).or_default().push(decoded(value));
    }
    for (name, mut values) in parameters {
        values.sort_unstable();
        let values = values.join(&b","[..]);
        match form {
            Form::SharedKey => {
                out.push(b'\n');
                out.extend_from_slice(&name);
                out.push(b':');
            }
            Form::SharedKeyLite if name == b"comp" => out.extend_from_slice(b"?comp="),
            Form::SharedKeyLite => continue,
        }
        out.extend_from_slice(&values);
    }
}
