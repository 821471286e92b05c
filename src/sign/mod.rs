//! Signatures on HTTP requests: made, and checked.
//!
//! Each scheme is a file of pure functions of (request, credentials, time). Signing returns what to
//! add to the request as data, beside the named texts it was worked out from; verifying works the same
//! texts out again. Not here: which scheme a service wants, where credentials come from, what time it
//! is, and sending.

pub mod aws3;
pub mod azure;
mod date;
mod mac;
mod percent;
pub mod sdk_hmac;
pub mod sigv4;

use std::fmt;
use std::time::Duration;

use http::Uri;
use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::clock::Timestamp;
use crate::secret::{Credentials, ExposeSecret};

static X_AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");
static X_AMZ_SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
static X_AMZN_AUTHORIZATION: HeaderName = HeaderName::from_static("x-amzn-authorization");

/// Finds the credentials of a key id, for `verify`.
pub type Keys<'a> = &'a dyn Fn(&str) -> Option<Credentials>;

/// What a signature adds to a request, and the texts it was made from.
///
/// `Debug` shows neither the signature nor the canonical request, which holds the session token.
#[derive(Clone, PartialEq, Eq)]
pub struct Signed {
    /// To be set on the request. The values that open doors are marked sensitive.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// To be asked for in place of the request's own URL, where the signature goes into the query.
    pub url: Option<String>,
    /// `None` where the scheme has no such text.
    pub canonical_request: Option<String>,
    pub string_to_sign: String,
    /// As it stands in the header: hexadecimal or base64, by the scheme's rule.
    pub signature: String,
}

impl Signed {
    /// Sets the headers, in place of older ones of the same names.
    pub fn apply(self, headers: &mut HeaderMap) {
        for (name, value) in self.headers {
            headers.insert(name, value);
        }
    }
}

impl fmt::Debug for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Signed")
            .field("headers", &names)
            .field("string_to_sign", &self.string_to_sign)
            .finish_non_exhaustive()
    }
}

/// The path of a request as it came over the wire, put into the request's extensions where it holds
/// what a URI can't: a space, say. The schemes that sign a path as it stands take it from here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawPath(pub String);

/// What can't be signed, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("expected a key id of visible ASCII without commas, found one that can't stand in a header")]
    KeyId,
    #[error("expected a secret key, found an empty one")]
    NoSecret,
    #[error("expected a session token of visible ASCII, found one that can't stand in a header")]
    SessionToken,
    #[error("expected a region and a service name, found '{region}' and '{service}'")]
    Scope { region: String, service: String },
    #[error("expected a host in the request's Host header or URI, found none")]
    NoHost,
    #[error("expected {expected} in the {header} header, found '{found}'")]
    Date { header: &'static str, expected: &'static str, found: String },
    #[error("expected one {0} header, found several")]
    Repeated(&'static str),
    #[error("expected visible ASCII in the {0} header")]
    Header(&'static str),
    /// Storage keys are handed out in base64, and sign as the bytes that they stand for.
    #[error("expected an account key in base64, found one that isn't")]
    KeyNotBase64,
    #[error("expected an expiry of 1 s to {} s, found {found} s", sigv4::query::MAX_EXPIRES.as_secs())]
    Expires { found: u64 },
    #[error("expected a URL that isn't signed yet, found {0} in its query")]
    SignedAlready(&'static str),
}

/// Why a request is not accepted as signed.
///
/// `Debug` shows what `Display` does, and so never the canonical request, which holds the session token.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    #[error("expected a signature in the {0} header, found no such header")]
    NotSigned(&'static str),
    #[error("expected {expected} in the {header} header")]
    Malformed { header: &'static str, expected: &'static str },
    #[error("expected one {0} header, found several")]
    Repeated(&'static str),
    #[error("no key '{0}' is known")]
    UnknownKey(String),
    #[error("the header {0} is named as signed, but the request has none")]
    SignedHeaderMissing(String),
    /// The scheme asks for a header to be signed that is not.
    #[error("the header {0} has to be signed and is not")]
    NotCovered(&'static str),
    #[error("the header {0} isn't signed, and every x-amz- header has to be")]
    Uncovered(String),
    #[error("expected {0} in the query, found none")]
    MissingParameter(&'static str),
    #[error("expected a date in {0}, found none")]
    MissingDate(&'static str),
    #[error("expected {expected} in the {header} header, found '{found}'")]
    BadDate { header: &'static str, expected: &'static str, found: String },
    /// The day that the key was derived for is another than that of the request's date.
    #[error("the credential is scoped to {scope_day}, but the request is dated {date}")]
    ScopeDay { scope_day: String, date: String },
    #[error("signed at {signed_at}, which is more than {} s from now, {now}", .window.as_secs())]
    OutsideWindow { signed_at: Timestamp, now: Timestamp, window: Duration },
    #[error("signed at {signed_at} for {} s, which are over at {now}", .expires.as_secs())]
    Expired { signed_at: Timestamp, expires: Duration, now: Timestamp },
    #[error("the credential is scoped to {found}, expected {expected}")]
    WrongScope { expected: String, found: String },
    /// What the verifier knows of the key can't be a key of this scheme.
    #[error("the secret known for the key '{0}' is none: expected base64")]
    UnusableKey(String),
    /// The body is signed in a way that one request alone can't be checked for.
    #[error("a payload of kind '{0}' can't be checked")]
    Payload(String),
    #[error("the signature does not match")]
    Mismatch {
        /// As worked out from the request that came in; `None` where the scheme has no such text.
        canonical_request: Option<String>,
        string_to_sign: String,
    },
    #[error("the key '{0}' wants its session token, and the request has none")]
    TokenMissing(String),
    #[error("the session token is not the one of the key '{0}'")]
    TokenMismatch(String),
}

impl Rejection {
    /// The kind in a word or few, which stay the same when sentences are reworded.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::NotSigned(_) | Self::MissingParameter("X-Amz-Signature") => "not signed",
            Self::Malformed { .. } | Self::MissingParameter(_) | Self::Repeated(_) | Self::BadDate { .. } => {
                "malformed"
            }
            Self::UnknownKey(_) => "unknown key",
            Self::SignedHeaderMissing(_) => "signed header missing",
            Self::NotCovered(_) | Self::Uncovered(_) | Self::MissingDate(_) => "not covered",
            Self::ScopeDay { .. } | Self::WrongScope { .. } => "wrong scope",
            Self::OutsideWindow { .. } | Self::Expired { .. } => "outside the window",
            Self::UnusableKey(_) => "unusable key",
            Self::Payload(_) => "unknown payload",
            Self::Mismatch { .. } => "mismatch",
            Self::TokenMissing(_) | Self::TokenMismatch(_) => "wrong token",
        }
    }
}

impl fmt::Debug for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rejection({self})")
    }
}

/// The host as a client would put it into the Host header: in lower case, without the scheme's own port.
fn host_of(uri: &Uri) -> Option<String> {
    let mut host = uri.host().filter(|host| !host.is_empty())?.to_ascii_lowercase();
    let default = match uri.scheme_str() {
        Some("https") => Some(443),
        Some("http") => Some(80),
        _ => None,
    };
    if let Some(port) = uri.port().filter(|port| Some(port.as_u16()) != default) {
        host.push(':');
        host.push_str(&port.as_u16().to_string());
    }
    Some(host)
}

/// Refuses credentials that would garble the header they stand in.
fn check_credentials(credentials: &Credentials) -> Result<(), Error> {
    if !stands_in_a_list(&credentials.key_id) {
        return Err(Error::KeyId);
    }
    if credentials.secret.expose_secret().is_empty() {
        return Err(Error::NoSecret);
    }
    Ok(())
}

/// Whether a text can be one of the comma-separated values of an authorization header.
fn stands_in_a_list(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && b != b',')
}

/// The session token as a header value; `None` when the credentials have none.
fn token_value(credentials: &Credentials) -> Result<Option<HeaderValue>, Error> {
    let Some(token) = &credentials.session_token else { return Ok(None) };
    let token = token.expose_secret();
    if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Error::SessionToken);
    }
    HeaderValue::from_str(token).map(|value| Some(sensitive(value))).map_err(|_| Error::SessionToken)
}

fn sensitive(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}

/// The one authorization header, as text.
fn authorization<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    shown: &'static str,
) -> Result<&'a str, Rejection> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().ok_or(Rejection::NotSigned(shown))?;
    if values.next().is_some() {
        return Err(Rejection::Repeated(shown));
    }
    value.to_str().map_err(|_| Rejection::Malformed { header: shown, expected: "visible ASCII" })
}

/// Reads `Scheme name=value,name=value` into the values of `names`, each there exactly once and none
/// beside them. Spaces around the commas make no difference.
fn parameters<'a, const N: usize>(text: &'a str, scheme: &str, names: [&str; N]) -> Option<[&'a str; N]> {
    let (found, list) = text.trim().split_once(' ')?;
    if !found.eq_ignore_ascii_case(scheme) {
        return None;
    }
    let mut values = [None; N];
    for parameter in list.split(',') {
        let (name, value) = parameter.trim().split_once('=')?;
        let place = names.iter().position(|n| *n == name)?;
        if values[place].replace(value).is_some() {
            return None;
        }
    }
    let mut whole = [""; N];
    for (slot, value) in whole.iter_mut().zip(values) {
        *slot = value?;
    }
    Some(whole)
}

/// Holds the time of signing against the clock; both edges of the window are inside it.
pub(crate) fn check_window(signed_at: Timestamp, now: Timestamp, window: Duration) -> Result<(), Rejection> {
    if now.duration_since(signed_at).unsigned_abs() > window {
        return Err(Rejection::OutsideWindow { signed_at, now, window });
    }
    Ok(())
}

/// Holds the request's session token against the key's. A key without one accepts any: whoever knows
/// the secret has shown it by the signature.
fn check_token(headers: &HeaderMap, credentials: &Credentials) -> Result<(), Rejection> {
    let Some(expected) = &credentials.session_token else { return Ok(()) };
    let mut found = headers.get_all(&X_AMZ_SECURITY_TOKEN).iter();
    match (found.next(), found.next()) {
        (None, _) => Err(Rejection::TokenMissing(credentials.key_id.clone())),
        (Some(found), None) if mac::same(found.as_bytes(), expected.expose_secret().as_bytes()) => Ok(()),
        _ => Err(Rejection::TokenMismatch(credentials.key_id.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::AUTHORIZATION;

    #[test]
    fn debug_output_shows_neither_token_nor_signature() {
        let signed = Signed {
            headers: vec![(AUTHORIZATION, sensitive(HeaderValue::from_static("sentinel")))],
            url: None,
            canonical_request: Some("x-amz-security-token:sentinel".into()),
            string_to_sign: "visible".into(),
            signature: "sentinel".into(),
        };
        let shown = format!("{signed:?}");
        assert!(shown.contains("visible") && !shown.contains("sentinel"), "{shown}");

        let rejection = Rejection::Mismatch {
            canonical_request: signed.canonical_request,
            string_to_sign: "visible".into(),
        };
        let shown = format!("{rejection:?} {rejection}");
        assert!(shown.contains("does not match") && !shown.contains("sentinel"), "{shown}");
    }

    #[test]
    fn applied_headers_replace_older_ones() {
        let mut headers = HeaderMap::new();
        headers.append(AUTHORIZATION, HeaderValue::from_static("old"));
        headers.append(AUTHORIZATION, HeaderValue::from_static("older"));
        let signed = Signed {
            headers: vec![(AUTHORIZATION, HeaderValue::from_static("new"))],
            url: None,
            canonical_request: None,
            string_to_sign: String::new(),
            signature: String::new(),
        };
        signed.apply(&mut headers);
        assert_eq!(headers.get_all(AUTHORIZATION).iter().collect::<Vec<_>>(), ["new"]);
    }

    #[test]
    fn parameters_are_read_in_any_order_with_or_without_spaces() {
        let read = |text| parameters(text, "S", ["A", "B"]);
        assert_eq!(read("S A=1,B=2"), Some(["1", "2"]));
        assert_eq!(read("s  B=2 ,\tA=x=="), Some(["x==", "2"]));
        for bad in
            ["", "S", "S ", "T A=1,B=2", "S A=1", "S A=1,B=2,A=1", "S A=1,B=2,C=3", "S A=1,B=2,", "S A,B=2"]
        {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn the_host_is_in_lower_case_and_drops_only_its_schemes_own_port() {
        for (uri, expected) in [
            ("https://Example.COM/", Some("example.com")),
            ("https://example.com:443/", Some("example.com")),
            ("http://example.com:80/", Some("example.com")),
            ("http://example.com:443/", Some("example.com:443")),
            ("https://localhost:8443/x", Some("localhost:8443")),
            ("https://example.com:0080/", Some("example.com:80")),
            ("http://[::1]:4566/", Some("[::1]:4566")),
            ("https://user:secret@example.com/", Some("example.com")),
            ("/relative", None),
        ] {
            assert_eq!(host_of(&uri.parse().unwrap()).as_deref(), expected, "{uri}");
        }
    }
}
