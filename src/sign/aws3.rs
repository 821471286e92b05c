//! AWS3-HTTPS: Route 53's first scheme, an HMAC over the bytes of the date header.
//!
//! It covers nothing but the date: neither method nor path, headers nor body, nor the session token.
//! So a signature is good for any request for as long as its date is, and belongs on TLS or loopback
//! only. Not here: keeping it there (that is the transport's caller's).
//!
//! Spec: <https://docs.aws.amazon.com/Route53/latest/APIReference/requests-rest-overview.html>

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::Mac;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use sha1::Sha1;
use sha2::Sha256;

use super::date::{self, Dated};
use super::{
    Error, Keys, Rejection, Signed, X_AMZ_DATE, X_AMZ_SECURITY_TOKEN, X_AMZN_AUTHORIZATION, authorization,
    check_credentials, check_token, check_window, mac, parameters, sensitive, token_value,
};
use crate::clock::{Timestamp, http_date};
use crate::secret::{Credentials, ExposeSecret};

const SCHEME: &str = "AWS3-HTTPS";
/// Where a date is looked for.
const DATES: &str = "an x-amz-date or Date header";
const HEADER: &str = "X-Amzn-Authorization";
/// Never sent of our own accord. Where a client does, its value is signed directly behind the date,
/// as the AWS SDK for Java's AWS3Signer does.
static X_AMZ_NONCE: HeaderName = HeaderName::from_static("x-amz-nonce");

/// The hash under the HMAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Algorithm {
    #[default]
    HmacSha256,
    HmacSha1,
}

impl Algorithm {
    /// As the header spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::HmacSha256 => "HmacSHA256",
            Self::HmacSha1 => "HmacSHA1",
        }
    }

    /// Reads the header's spelling, in any case.
    fn named(text: &str) -> Option<Self> {
        [Self::HmacSha256, Self::HmacSha1].into_iter().find(|a| a.name().eq_ignore_ascii_case(text))
    }

    fn sign(self, secret: &[u8], message: &[u8]) -> String {
        match self {
            Self::HmacSha256 => {
                STANDARD.encode(mac::keyed::<Sha256>(secret).chain_update(message).finalize().into_bytes())
            }
            Self::HmacSha1 => {
                STANDARD.encode(mac::keyed::<Sha1>(secret).chain_update(message).finalize().into_bytes())
            }
        }
    }

    /// Whether `signature` is that of `message`, in a time that doesn't depend on how much of it is.
    fn verifies(self, secret: &[u8], message: &[u8], signature: &str) -> bool {
        let Ok(signature) = STANDARD.decode(signature) else { return false };
        match self {
            Self::HmacSha256 => {
                mac::keyed::<Sha256>(secret).chain_update(message).verify_slice(&signature).is_ok()
            }
            Self::HmacSha1 => {
                mac::keyed::<Sha1>(secret).chain_update(message).verify_slice(&signature).is_ok()
            }
        }
    }
}

/// What a valid signature says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    pub key_id: String,
    pub signed_at: Timestamp,
    pub algorithm: Algorithm,
}

/// Signs the date of a request.
///
/// A date among `headers` is signed byte for byte, sensible or not, `x-amz-date` before `Date`, and no
/// other is added. Without one, `time` is added as `x-amz-date`. A retry begins with headers
/// that hold no date of an earlier attempt.
///
/// # Errors
/// When the credentials can't stand in a header, or a date header is repeated or isn't text.
pub fn sign(
    headers: &HeaderMap,
    credentials: &Credentials,
    algorithm: Algorithm,
    time: Timestamp,
) -> Result<Signed, Error> {
    check_credentials(credentials)?;
    let mut added = Vec::with_capacity(3);
    let dated = date::of(headers, &date::AWS).map_err(|date::Repeated(header)| Error::Repeated(header))?;
    let mut string_to_sign = if let Some(dated) = dated {
        text_of(dated).ok_or(Error::Header(dated.header))?.to_owned()
    } else {
        let text = http_date(time);
        let value = HeaderValue::from_str(&text).map_err(|_| Error::Header("x-amz-date"))?;
        added.push((X_AMZ_DATE.clone(), value));
        text
    };
    if let Some(nonce) = headers.get(&X_AMZ_NONCE) {
        string_to_sign.push_str(nonce.to_str().map_err(|_| Error::Header("x-amz-nonce"))?);
    }
    let signature = algorithm.sign(credentials.secret.expose_secret().as_bytes(), string_to_sign.as_bytes());
    if let Some(token) = token_value(credentials)? {
        added.push((X_AMZ_SECURITY_TOKEN.clone(), token));
    }
    let value = [
        SCHEME,
        " AWSAccessKeyId=",
        &credentials.key_id,
        ",Algorithm=",
        algorithm.name(),
        ",Signature=",
        &signature,
    ]
    .concat();
    let value = HeaderValue::try_from(value).map_err(|_| Error::KeyId)?;
    added.push((X_AMZN_AUTHORIZATION.clone(), sensitive(value)));
    Ok(Signed { headers: added, url: None, canonical_request: None, string_to_sign, signature })
}

/// Checks the signature of a request by its headers, which is all that the scheme covers.
///
/// Takes the separators `,` and `, ` and the algorithm's name in any case, as clients in use write them.
///
/// # Errors
/// Why the request isn't accepted: see [`Rejection`].
pub fn verify(
    headers: &HeaderMap,
    keys: Keys<'_>,
    now: Timestamp,
    window: Duration,
) -> Result<Verified, Rejection> {
    let malformed = |expected| Rejection::Malformed { header: HEADER, expected };
    let text = authorization(headers, &X_AMZN_AUTHORIZATION, HEADER)?;
    let [key_id, algorithm, signature] =
        parameters(text, SCHEME, ["AWSAccessKeyId", "Algorithm", "Signature"])
            .ok_or(malformed("'AWS3-HTTPS AWSAccessKeyId=...,Algorithm=...,Signature=...'"))?;
    let algorithm = Algorithm::named(algorithm).ok_or(malformed("the algorithm HmacSHA256 or HmacSHA1"))?;
    let credentials = keys(key_id).ok_or_else(|| Rejection::UnknownKey(key_id.to_owned()))?;

    let dated = date::of(headers, &date::AWS)
        .map_err(|date::Repeated(header)| Rejection::Repeated(header))?
        .ok_or(Rejection::MissingDate(DATES))?;
    let bad_date =
        || Rejection::BadDate { header: dated.header, expected: date::HTTP_FORM, found: dated.shown() };
    let signed_at = date::read_http(dated.value).ok_or_else(bad_date)?;
    check_window(signed_at, now, window)?;

    let mut string_to_sign = text_of(dated).ok_or_else(bad_date)?.to_owned();
    if let Some(nonce) = headers.get(&X_AMZ_NONCE) {
        let text = nonce.to_str();
        string_to_sign.push_str(
            text.map_err(|_| Rejection::Malformed { header: "x-amz-nonce", expected: "visible ASCII" })?,
        );
    }
    let secret = credentials.secret.expose_secret().as_bytes();
    if !algorithm.verifies(secret, string_to_sign.as_bytes(), signature) {
        return Err(Rejection::Mismatch { canonical_request: None, string_to_sign });
    }
    check_token(headers, &credentials)?;
    Ok(Verified { key_id: key_id.to_owned(), signed_at, algorithm })
}

fn text_of(dated: Dated<'_>) -> Option<&str> {
    std::str::from_utf8(dated.value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::DATE;
    use proptest::prelude::*;

    const WINDOW: Duration = Duration::from_secs(5 * 60);

    #[derive(serde::Deserialize)]
    struct Vectors {
        vectors: Vec<Vector>,
    }

    #[derive(serde::Deserialize)]
    struct Vector {
        name: String,
        access_key: String,
        secret_key: String,
        session_token: Option<String>,
        date_value: String,
        date_header: String,
        nonce: Option<String>,
        algorithm: String,
        string_to_sign: String,
        signature: String,
        expected_headers: std::collections::BTreeMap<String, String>,
    }

    impl Vector {
        fn all() -> Vec<Self> {
            let text = include_str!("../../tests/vectors/aws3_https.json");
            serde_json::from_str::<Vectors>(text).unwrap().vectors
        }

        fn credentials(&self) -> Credentials {
            let credentials = Credentials::new(&self.access_key, &self.secret_key);
            match &self.session_token {
                Some(token) => credentials.with_token(token),
                None => credentials,
            }
        }

        fn headers(&self) -> HeaderMap {
            let mut headers = HeaderMap::new();
            let name = HeaderName::try_from(&self.date_header).unwrap();
            headers.insert(name, self.date_value.parse().unwrap());
            if let Some(nonce) = &self.nonce {
                headers.insert(&X_AMZ_NONCE, nonce.parse().unwrap());
            }
            headers
        }
    }

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn credentials() -> Credentials {
        Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    }

    fn known(key_id: &str) -> Option<Credentials> {
        (key_id == "AKIDEXAMPLE").then(credentials)
    }

    /// Headers signed at 2015-08-30T12:36:00Z.
    fn signed(credentials: &Credentials, algorithm: Algorithm) -> HeaderMap {
        let mut headers = HeaderMap::new();
        sign(&headers, credentials, algorithm, time("2015-08-30T12:36:00Z")).unwrap().apply(&mut headers);
        headers
    }

    fn check(headers: &HeaderMap) -> Result<Verified, Rejection> {
        verify(headers, &known, time("2015-08-30T12:36:00Z"), WINDOW)
    }

    #[test]
    fn every_vector_is_signed_as_recorded() {
        for vector in Vector::all() {
            let algorithm = Algorithm::named(&vector.algorithm).unwrap();
            let mut headers = vector.headers();
            let signed = sign(&headers, &vector.credentials(), algorithm, Timestamp::UNIX_EPOCH).unwrap();
            assert_eq!(signed.string_to_sign, vector.string_to_sign, "{}", vector.name);
            assert_eq!(signed.signature, vector.signature, "{}", vector.name);
            assert_eq!(signed.canonical_request, None);
            signed.apply(&mut headers);
            let sent: std::collections::BTreeMap<_, _> = headers
                .iter()
                .map(|(name, value)| (name.as_str().to_owned(), value.to_str().unwrap().to_owned()))
                .collect();
            let expected =
                vector.expected_headers.iter().map(|(n, v)| (n.to_ascii_lowercase(), v.clone())).collect();
            assert_eq!(sent, expected, "{}", vector.name);
        }
    }

    #[test]
    fn every_vector_is_accepted_as_signed_except_for_the_date_that_is_none() {
        for vector in Vector::all() {
            let headers = vector
                .expected_headers
                .iter()
                .map(|(name, value)| (HeaderName::try_from(name).unwrap(), value.parse().unwrap()))
                .collect::<HeaderMap>();
            let keys = |key_id: &str| (key_id == vector.access_key).then(|| vector.credentials());
            let now = date::read_http(vector.date_value.as_bytes());
            let answer = verify(&headers, &keys, now.unwrap_or(Timestamp::UNIX_EPOCH), WINDOW);
            if vector.name == "jclouds-odd-year" {
                // The year has five digits: it is signed as it stands, but says no time to be judged by.
                assert_eq!(
                    answer.unwrap_err().to_string(),
                    "expected a date like 'Sun, 30 Aug 2015 12:36:00 GMT' in the Date header, \
                     found 'Mon, 21 Jan 02013 19:29:03 -0800'"
                );
                continue;
            }
            let verified = answer.unwrap();
            assert_eq!(verified.key_id, vector.access_key, "{}", vector.name);
            assert_eq!(Some(verified.signed_at), now, "{}", vector.name);
            assert_eq!(verified.algorithm.name(), vector.algorithm, "{}", vector.name);
        }
    }

    #[test]
    fn a_request_without_a_date_gets_one_that_is_signed() {
        let headers = signed(&credentials(), Algorithm::HmacSha256);
        assert_eq!(headers["x-amz-date"], "Sun, 30 Aug 2015 12:36:00 GMT");
        assert_eq!(check(&headers).unwrap().signed_at, time("2015-08-30T12:36:00Z"));
    }

    #[test]
    fn x_amz_date_wins_over_date_and_no_second_one_is_added() {
        let mut headers = HeaderMap::new();
        headers.insert(DATE, HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"));
        headers.insert(&X_AMZ_DATE, HeaderValue::from_static("Sun, 30 Aug 2015 12:36:00 GMT"));
        let signed = sign(&headers, &credentials(), Algorithm::HmacSha256, Timestamp::MAX).unwrap();
        assert_eq!(signed.string_to_sign, "Sun, 30 Aug 2015 12:36:00 GMT");
        assert_eq!(signed.headers.len(), 1);
        signed.apply(&mut headers);
        assert!(check(&headers).is_ok());
    }

    #[test]
    fn a_repeated_date_is_neither_signed_nor_accepted() {
        let mut headers = signed(&credentials(), Algorithm::HmacSha256);
        headers.append(&X_AMZ_DATE, headers["x-amz-date"].clone());
        let refused = sign(&headers, &credentials(), Algorithm::HmacSha256, Timestamp::UNIX_EPOCH);
        assert_eq!(refused, Err(Error::Repeated("x-amz-date")));
        assert_eq!(check(&headers), Err(Rejection::Repeated("x-amz-date")));
    }

    #[test]
    fn what_other_clients_write_differently_is_accepted() {
        for (from, to) in [
            (",Algorithm", ", Algorithm"),
            (",Signature", ",  Signature"),
            ("HmacSHA256", "HMACSHA256"),
            ("AWS3-HTTPS", "aws3-https"),
        ] {
            let mut headers = signed(&credentials(), Algorithm::HmacSha256);
            let value = headers["x-amzn-authorization"].to_str().unwrap().replace(from, to);
            headers.insert(&X_AMZN_AUTHORIZATION, value.parse().unwrap());
            assert!(check(&headers).is_ok(), "{value}");
        }
    }

    #[test]
    fn what_is_no_signature_is_said_to_be_none() {
        assert_eq!(check(&HeaderMap::new()), Err(Rejection::NotSigned("X-Amzn-Authorization")));
        let good = signed(&credentials(), Algorithm::HmacSha256);
        let text = good["x-amzn-authorization"].to_str().unwrap();
        for bad in [
            String::new(),
            "AWS3-HTTPS".into(),
            text.replace("AWS3-HTTPS", "AWS3"),
            text.replace("HmacSHA256", "HmacMD5"),
            text.replace(",Algorithm=HmacSHA256", ""),
            format!("{text},SignedHeaders=host"),
        ] {
            let mut headers = good.clone();
            headers.insert(&X_AMZN_AUTHORIZATION, bad.parse().unwrap());
            assert!(matches!(check(&headers), Err(Rejection::Malformed { .. })), "{bad}");
        }
        let mut twice = good.clone();
        twice.append(&X_AMZN_AUTHORIZATION, good["x-amzn-authorization"].clone());
        assert_eq!(check(&twice), Err(Rejection::Repeated("X-Amzn-Authorization")));
        let mut undated = good.clone();
        undated.remove(&X_AMZ_DATE);
        assert_eq!(check(&undated), Err(Rejection::MissingDate(DATES)));
        let stranger = verify(&good, &|_| None, time("2015-08-30T12:36:00Z"), WINDOW);
        assert_eq!(stranger, Err(Rejection::UnknownKey("AKIDEXAMPLE".into())));
    }

    #[test]
    fn both_edges_of_the_window_are_inside_it() {
        let headers = signed(&credentials(), Algorithm::HmacSha1);
        for (now, inside) in [
            ("2015-08-30T12:31:00Z", true),
            ("2015-08-30T12:41:00Z", true),
            ("2015-08-30T12:30:59.999999999Z", false),
            ("2015-08-30T12:41:00.000000001Z", false),
        ] {
            let answer = verify(&headers, &known, time(now), WINDOW);
            assert_eq!(answer.is_ok(), inside, "{now}");
            assert!(inside || matches!(answer, Err(Rejection::OutsideWindow { .. })));
        }
        for extreme in [Timestamp::MIN, Timestamp::MAX] {
            assert!(matches!(
                verify(&headers, &known, extreme, WINDOW),
                Err(Rejection::OutsideWindow { .. })
            ));
        }
    }

    #[test]
    fn a_key_with_a_token_wants_exactly_that_token() {
        let temporary = credentials().with_token("TOKEN");
        let keys = |_: &str| Some(credentials().with_token("TOKEN"));
        let check = |headers: &HeaderMap| verify(headers, &keys, time("2015-08-30T12:36:00Z"), WINDOW);

        let mut headers = signed(&temporary, Algorithm::HmacSha256);
        assert!(check(&headers).is_ok());
        headers.insert(&X_AMZ_SECURITY_TOKEN, HeaderValue::from_static("OTHER"));
        assert_eq!(check(&headers), Err(Rejection::TokenMismatch("AKIDEXAMPLE".into())));
        headers.remove(&X_AMZ_SECURITY_TOKEN);
        assert_eq!(check(&headers), Err(Rejection::TokenMissing("AKIDEXAMPLE".into())));
    }

    #[test]
    fn credentials_that_would_garble_a_header_are_refused() {
        let refused = |credentials: Credentials| {
            sign(&HeaderMap::new(), &credentials, Algorithm::HmacSha256, Timestamp::UNIX_EPOCH).unwrap_err()
        };
        assert_eq!(refused(Credentials::new("", "s")), Error::KeyId);
        assert_eq!(refused(Credentials::new("a,Signature=x", "s")), Error::KeyId);
        assert_eq!(refused(Credentials::new("a\r\nb", "s")), Error::KeyId);
        assert_eq!(refused(Credentials::new("a", "")), Error::NoSecret);
        assert_eq!(refused(Credentials::new("a", "s").with_token("t\n")), Error::SessionToken);
    }

    #[test]
    fn signature_and_token_are_marked_sensitive() {
        let headers = signed(&credentials().with_token("sentinel"), Algorithm::HmacSha256);
        assert!(headers["x-amzn-authorization"].is_sensitive());
        assert!(headers["x-amz-security-token"].is_sensitive());
        assert!(!format!("{headers:?}").contains("sentinel"));
    }

    proptest! {
        #[test]
        fn what_is_signed_is_accepted(second in 0i64..253_402_207_200, secret in ".{1,200}", sha1: bool) {
            let algorithm = if sha1 { Algorithm::HmacSha1 } else { Algorithm::HmacSha256 };
            let now = Timestamp::from_second(second).unwrap();
            let credentials = Credentials::new("K", secret);
            let mut headers = HeaderMap::new();
            sign(&headers, &credentials, algorithm, now).unwrap().apply(&mut headers);
            let verified = verify(&headers, &|_| Some(credentials.clone()), now, Duration::ZERO);
            prop_assert_eq!(verified, Ok(Verified { key_id: "K".into(), signed_at: now, algorithm }));
        }

        #[test]
        fn any_other_byte_in_the_signature_is_a_mismatch(place in 0usize..44, byte in "[A-Za-z0-9+/=]") {
            let mut headers = signed(&credentials(), Algorithm::HmacSha256);
            let text = headers["x-amzn-authorization"].to_str().unwrap().to_owned();
            let place = text.len() - 44 + place;
            let mut changed = text.clone();
            changed.replace_range(place..=place, &byte);
            headers.insert(&X_AMZN_AUTHORIZATION, changed.parse().unwrap());
            let answer = check(&headers);
            prop_assert!(changed == text || matches!(answer, Err(Rejection::Mismatch { .. })), "{answer:?}");
        }

        #[test]
        fn another_second_in_the_date_is_a_mismatch(second in 0u32..60) {
            let mut headers = signed(&credentials(), Algorithm::HmacSha256);
            let date = format!("Sun, 30 Aug 2015 12:36:{second:02} GMT");
            headers.insert(&X_AMZ_DATE, date.parse().unwrap());
            let answer = check(&headers);
            prop_assert!(second == 0 || matches!(answer, Err(Rejection::Mismatch { .. })), "{answer:?}");
        }

        #[test]
        fn no_header_from_the_wire_makes_it_panic(text in "(AWS3-HTTPS )?[ -~]{0,60}", date in "[ -~]{0,40}") {
            let mut headers = HeaderMap::new();
            headers.insert(&X_AMZN_AUTHORIZATION, text.parse().unwrap());
            headers.insert(DATE, date.parse().unwrap());
            prop_assert!(check(&headers).is_err());
        }
    }
}
