//! Both directions of the scheme, against recorded signatures and as laws.

use std::time::Duration;

use http::Request;
use http::header::{DATE, HOST};
use proptest::prelude::*;

use super::*;
use crate::sign::{Rejection, date::Stamp};

const WINDOW: Duration = Duration::from_secs(15 * 60);

#[derive(serde::Deserialize)]
struct Vectors {
    vectors: Vec<Vector>,
}

#[derive(serde::Deserialize)]
struct Vector {
    name: String,
    scheme: String,
    method: String,
    #[serde(default)]
    url: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    body: String,
    region: String,
    service: String,
    access_key: String,
    secret_key: String,
    session_token: Option<String>,
    timestamp: String,
    double_uri_encode: Option<bool>,
    normalize_path: Option<bool>,
    context: Option<serde_json::Value>,
    canonical_request: String,
    string_to_sign: String,
    signature: String,
    #[serde(default)]
    authorization: String,
}

impl Vector {
    /// Those in headers. Two have a note that AWS's signers disagree, and record what botocore does:
    /// `skip-user-agent`, where the C signer also covers `connection` (the service goes by
    /// SignedHeaders), and `query-plus-and-reserved`, where it decodes the query and encodes it again,
    /// so that `%7E` becomes `~`.
    fn all_in_headers() -> Vec<Self> {
        let files = [
            include_str!("../../../tests/vectors/sigv4.json"),
            include_str!("../../../tests/vectors/lambda_invoke_async.json"),
        ];
        let all = files.map(|text| serde_json::from_str::<Vectors>(text).unwrap().vectors);
        all.into_iter().flatten().filter(|vector| vector.scheme == "sigv4-header").collect()
    }

    fn credentials(&self) -> Credentials {
        let credentials = Credentials::new(&self.access_key, &self.secret_key);
        match &self.session_token {
            Some(token) => credentials.with_token(token),
            None => credentials,
        }
    }

    fn request(&self) -> Request<String> {
        let mut request = Request::builder().method(&*self.method).uri(&self.url);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(self.body.clone()).unwrap()
    }

    fn time(&self) -> Timestamp {
        Stamp::read(self.timestamp.as_bytes()).unwrap().time()
    }

    fn signer(&self) -> Signer {
        let mut settings = Settings::for_service(&self.service);
        if self.context.as_ref().is_some_and(|c| c["payload_signing_enabled"] == false) {
            settings.payload = Payload::Unsigned;
        }
        // The service alone has to lead to what the oracle was told.
        assert_eq!(settings.double_encode_path, self.double_uri_encode.unwrap_or(true), "{}", self.name);
        assert_eq!(settings.normalize_path, self.normalize_path.unwrap_or(true), "{}", self.name);
        Signer::with_settings(Scope::new(&self.region, &self.service), settings)
    }
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn at() -> Timestamp {
    time("2015-08-30T12:36:00Z")
}

fn credentials() -> Credentials {
    Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
}

fn known(key_id: &str) -> Option<Credentials> {
    (key_id == "AKIDEXAMPLE").then(credentials)
}

fn signer() -> Signer {
    Signer::new(Scope::new("us-east-1", "route53"))
}

fn post() -> Request<Vec<u8>> {
    Request::post("https://route53.amazonaws.com/2013-04-01/hostedzone/Z1/rrset/?a=1&b=2")
        .header("content-type", "application/xml")
        .body(b"<Change/>".to_vec())
        .unwrap()
}

fn signed<B: AsRef<[u8]>>(mut request: Request<B>, credentials: &Credentials) -> Request<B> {
    signer().sign(&request, credentials, at()).unwrap().apply(request.headers_mut());
    request
}

fn check<B: AsRef<[u8]>>(request: &Request<B>) -> Result<Verified, Rejection> {
    verify(request, &known, at(), WINDOW)
}

/// The same request with a part of its Authorization header changed.
fn with_authorization(mut request: Request<Vec<u8>>, from: &str, to: &str) -> Request<Vec<u8>> {
    let text = request.headers()[AUTHORIZATION].to_str().unwrap();
    assert!(text.contains(from), "{text}");
    let changed = text.replace(from, to).parse().unwrap();
    request.headers_mut().insert(AUTHORIZATION, changed);
    request
}

#[test]
fn every_vector_is_signed_as_recorded() {
    let vectors = Vector::all_in_headers();
    assert!(vectors.len() > 20);
    for vector in vectors {
        let signed = vector.signer().sign(&vector.request(), &vector.credentials(), vector.time()).unwrap();
        assert_eq!(signed.canonical_request.as_deref(), Some(&*vector.canonical_request), "{}", vector.name);
        assert_eq!(signed.string_to_sign, vector.string_to_sign, "{}", vector.name);
        assert_eq!(signed.signature, vector.signature, "{}", vector.name);
        let mut headers = HeaderMap::new();
        signed.apply(&mut headers);
        assert_eq!(headers[AUTHORIZATION], vector.authorization, "{}", vector.name);
    }
}

#[test]
fn every_vector_is_accepted_and_refused_under_another_secret() {
    for vector in Vector::all_in_headers() {
        let mut request = vector.request();
        // From the recorded texts, without the signer's help.
        for line in vector.canonical_request.lines().skip(3).take_while(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').unwrap();
            if !request.headers().contains_key(name) {
                let name = HeaderName::try_from(name).unwrap();
                request.headers_mut().insert(name, value.parse().unwrap());
            }
        }
        request.headers_mut().insert(AUTHORIZATION, vector.authorization.parse().unwrap());

        let verified = verify(&request, &|_| Some(vector.credentials()), vector.time(), WINDOW).unwrap();
        assert_eq!(verified.key_id, vector.access_key, "{}", vector.name);
        assert_eq!(verified.signed_at, vector.time(), "{}", vector.name);
        assert_eq!(verified.scope, Scope::new(&vector.region, &vector.service), "{}", vector.name);
        assert_eq!(verified.payload_signed, vector.name != "unsigned-payload");

        let other = |_: &str| Some(Credentials::new(&vector.access_key, "other"));
        let rejection = verify(&request, &other, vector.time(), WINDOW).unwrap_err();
        let expected = Rejection::Mismatch {
            canonical_request: Some(vector.canonical_request),
            string_to_sign: vector.string_to_sign,
        };
        assert_eq!(rejection, expected, "{}", vector.name);
    }
}

#[test]
fn a_server_that_sees_only_path_and_host_header_comes_to_the_same_result() {
    let mut request = signed(post(), &credentials());
    *request.uri_mut() = request.uri().path_and_query().unwrap().as_str().parse().unwrap();
    assert_eq!(check(&request), Err(Rejection::SignedHeaderMissing("host".into())));
    request.headers_mut().insert(HOST, HeaderValue::from_static("route53.amazonaws.com"));
    assert!(check(&request).is_ok());
}

#[test]
fn a_host_header_wins_over_the_uri_and_one_of_both_there_has_to_be() {
    let mut request = post();
    request.headers_mut().insert(HOST, HeaderValue::from_static("other.example:8443"));
    let text = signer().sign(&request, &credentials(), at()).unwrap().canonical_request.unwrap();
    assert!(text.contains("\nhost:other.example:8443\n"), "{text}");

    let nowhere = Request::get("/").body("").unwrap();
    assert_eq!(signer().sign(&nowhere, &credentials(), at()), Err(Error::NoHost));
}

#[test]
fn a_date_that_the_request_has_is_signed_as_it_stands_and_no_other_added() {
    let mut request = post();
    request.headers_mut().insert(DATE, HeaderValue::from_static("Sun, 30 Aug 2015 04:36:00 -0800"));
    let by_date = signer().sign(&request, &credentials(), Timestamp::MAX).unwrap();
    assert!(by_date.string_to_sign.contains("\n20150830T123600Z\n20150830/"));
    assert_eq!(by_date.headers.len(), 1);
    by_date.apply(request.headers_mut());
    assert_eq!(check(&request).unwrap().signed_at, at());

    let mut both = post();
    both.headers_mut().insert(DATE, HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"));
    both.headers_mut().insert(&X_AMZ_DATE, HeaderValue::from_static("20150830T123600Z"));
    signer().sign(&both, &credentials(), Timestamp::MAX).unwrap().apply(both.headers_mut());
    assert_eq!(check(&both).unwrap().signed_at, at());
}

#[test]
fn a_date_in_another_form_is_refused_in_either_direction() {
    let mut request = post();
    request.headers_mut().insert(&X_AMZ_DATE, HeaderValue::from_static("Sun, 30 Aug 2015 12:36:00 GMT"));
    assert_eq!(
        signer().sign(&request, &credentials(), at()).unwrap_err().to_string(),
        "expected a date like '20150830T123600Z' in the x-amz-date header, found 'Sun, 30 Aug 2015 12:36:00 GMT'"
    );
    let mut request = signed(post(), &credentials());
    request.headers_mut().insert(&X_AMZ_DATE, HeaderValue::from_static("20150230T123600Z"));
    assert!(matches!(check(&request), Err(Rejection::BadDate { header: "x-amz-date", .. })));
    request.headers_mut().append(&X_AMZ_DATE, HeaderValue::from_static("20150830T123600Z"));
    assert_eq!(check(&request), Err(Rejection::Repeated("x-amz-date")));
    assert_eq!(signer().sign(&request, &credentials(), at()), Err(Error::Repeated("x-amz-date")));
}

#[test]
fn signing_again_takes_no_notice_of_the_old_signature_and_token() {
    let once = signed(post(), &credentials().with_token("OLD"));
    let mut again = once.clone();
    again.headers_mut().remove(&X_AMZ_DATE);
    let fresh = signed(post(), &credentials().with_token("NEW"));
    assert_eq!(signed(again, &credentials().with_token("NEW")).headers(), fresh.headers());
}

#[test]
fn a_token_added_after_signing_is_sent_but_not_covered() {
    let settings = Settings { token: TokenPlace::AfterSigning, ..Settings::for_service("route53") };
    let late = Signer::with_settings(Scope::new("us-east-1", "route53"), settings);
    let temporary = credentials().with_token("TOKEN");
    let mut request = post();
    let signed = late.sign(&request, &temporary, at()).unwrap();
    let plain = signer().sign(&request, &credentials(), at()).unwrap();
    assert_eq!(signed.signature, plain.signature);
    signed.apply(request.headers_mut());
    assert_eq!(request.headers()["x-amz-security-token"], "TOKEN");
    assert!(verify(&request, &|_| Some(temporary.clone()), at(), WINDOW).is_ok());
}

#[test]
fn a_key_with_a_token_wants_exactly_that_token() {
    let keys = |_: &str| Some(credentials().with_token("TOKEN"));
    let check = |request: &Request<Vec<u8>>| verify(request, &keys, at(), WINDOW);
    let id = || "AKIDEXAMPLE".to_owned();
    assert!(check(&signed(post(), &credentials().with_token("TOKEN"))).is_ok());
    let other = signed(post(), &credentials().with_token("OTHER"));
    assert_eq!(check(&other), Err(Rejection::TokenMismatch(id())));
    assert_eq!(check(&signed(post(), &credentials())), Err(Rejection::TokenMissing(id())));
}

#[test]
fn a_payload_hash_that_the_request_gives_is_not_believed() {
    let s3 = Signer::new(Scope::new("us-east-1", "s3"));
    let mut request = Request::put("https://b.s3.amazonaws.com/k").body(b"good".to_vec()).unwrap();
    s3.sign(&request, &credentials(), at()).unwrap().apply(request.headers_mut());
    assert!(check(&request).unwrap().payload_signed);
    *request.body_mut() = b"evil".to_vec();
    assert!(matches!(check(&request), Err(Rejection::Mismatch { .. })));

    let streaming = HeaderValue::from_static("STREAMING-AWS4-HMAC-SHA256-PAYLOAD");
    request.headers_mut().insert(&X_AMZ_CONTENT_SHA256, streaming);
    assert!(matches!(check(&request), Err(Rejection::Payload(_))));
}

#[test]
fn saying_unsigned_afterwards_does_not_lift_the_cover_off_the_body() {
    let mut request = signed(post(), &credentials());
    *request.body_mut() = b"evil".to_vec();
    request.headers_mut().insert(&X_AMZ_CONTENT_SHA256, HeaderValue::from_static(UNSIGNED_PAYLOAD));
    assert!(matches!(check(&request), Err(Rejection::Mismatch { .. })));
}

#[test]
fn a_header_that_tells_the_service_what_to_do_has_to_be_covered() {
    let mut request = signed(post(), &credentials());
    request.headers_mut().insert("x-amzn-trace-id", HeaderValue::from_static("x"));
    request.headers_mut().insert("x-custom", HeaderValue::from_static("x"));
    assert!(check(&request).is_ok());
    request.headers_mut().insert("x-amz-target", HeaderValue::from_static("Route53.Delete"));
    assert_eq!(check(&request), Err(Rejection::Uncovered("x-amz-target".into())));
}

#[test]
fn host_and_date_have_to_be_covered() {
    let request = signed(post(), &credentials());
    let list = "content-type;host;x-amz-date";
    let without_host = with_authorization(request.clone(), list, "content-type;x-amz-date");
    assert_eq!(check(&without_host), Err(Rejection::NotCovered("host")));
    let without_date = with_authorization(request.clone(), list, "content-type;host");
    assert_eq!(check(&without_date), Err(Rejection::NotCovered("x-amz-date")));
    let with_absent = with_authorization(request.clone(), list, "content-type;host;x-absent;x-amz-date");
    assert_eq!(check(&with_absent), Err(Rejection::SignedHeaderMissing("x-absent".into())));

    let mut undated = with_authorization(request, list, "content-type;host");
    undated.headers_mut().remove(&X_AMZ_DATE);
    assert_eq!(check(&undated), Err(Rejection::MissingDate(verify::DATES)));
}

#[test]
fn the_scopes_day_has_to_be_that_of_the_date() {
    let request = with_authorization(signed(post(), &credentials()), "/20150830/", "/20150829/");
    assert_eq!(
        check(&request).unwrap_err().to_string(),
        "the credential is scoped to 20150829, but the request is dated 20150830T123600Z"
    );
}

#[test]
fn what_is_no_signature_is_said_to_be_none() {
    assert_eq!(check(&post()), Err(Rejection::NotSigned("Authorization")));
    let good = || signed(post(), &credentials());
    for (from, to) in [
        ("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"),
        ("aws4_request", "aws5_request"),
        ("AKIDEXAMPLE/", "/"),
        ("AKIDEXAMPLE/20150830/", "AKIDEXAMPLE/"),
        ("content-type;host", "host;content-type"),
        ("content-type;host", "Content-Type;host"),
        ("content-type;host", "host;host"),
        ("content-type;host;x-amz-date", ""),
        ("SignedHeaders", "Headers"),
        (", Signature=", " Signature="),
    ] {
        let answer = check(&with_authorization(good(), from, to));
        assert!(matches!(answer, Err(Rejection::Malformed { .. })), "{from} -> {to}: {answer:?}");
    }
    let mut twice = good();
    let value = twice.headers()[AUTHORIZATION].clone();
    twice.headers_mut().append(AUTHORIZATION, value);
    assert_eq!(check(&twice), Err(Rejection::Repeated("Authorization")));
    let stranger = verify(&good(), &|_| None, at(), WINDOW);
    assert_eq!(stranger, Err(Rejection::UnknownKey("AKIDEXAMPLE".into())));
    // Bare commas, as other clients write them, are fine.
    assert!(check(&with_authorization(good(), ", ", ",")).is_ok());
}

#[test]
fn a_key_id_may_hold_slashes() {
    let credentials = Credentials::new("a/b/c", "secret");
    let request = signed(post(), &credentials);
    let verified = verify(&request, &|id| (id == "a/b/c").then(|| credentials.clone()), at(), WINDOW);
    assert_eq!(verified.unwrap().key_id, "a/b/c");
}

#[test]
fn both_edges_of_the_window_are_inside_it() {
    let request = signed(post(), &credentials());
    for (now, inside) in [
        ("2015-08-30T12:21:00Z", true),
        ("2015-08-30T12:51:00Z", true),
        ("2015-08-30T12:20:59.999999999Z", false),
        ("2015-08-30T12:51:00.000000001Z", false),
    ] {
        let answer = verify(&request, &known, time(now), WINDOW);
        assert_eq!(answer.is_ok(), inside, "{now}");
        assert!(inside || matches!(answer, Err(Rejection::OutsideWindow { .. })));
    }
}

#[test]
fn what_would_garble_the_header_is_refused() {
    let refused = |region: &str, service: &str| {
        Signer::new(Scope::new(region, service)).sign(&post(), &credentials(), at()).unwrap_err()
    };
    for (region, service) in [("", "s"), ("r", ""), ("a/b", "s"), ("r", "s, t"), ("r\n", "s")] {
        assert!(matches!(refused(region, service), Error::Scope { .. }), "{region:?} {service:?}");
    }
    let by = |credentials| signer().sign(&post(), &credentials, at()).unwrap_err();
    assert_eq!(by(Credentials::new("a b", "s")), Error::KeyId);
    assert_eq!(by(Credentials::new("a", "")), Error::NoSecret);
    assert_eq!(by(Credentials::new("a", "s").with_token("ü")), Error::SessionToken);
}

#[test]
fn a_header_value_that_is_no_text_is_covered_by_its_bytes() {
    let mut request = post();
    request.headers_mut().insert("x-latin", HeaderValue::from_bytes(b"caf\xe9").unwrap());
    let mut request = signed(request, &credentials());
    assert!(check(&request).is_ok());
    request.headers_mut().insert("x-latin", HeaderValue::from_bytes(b"caf\xe8").unwrap());
    assert!(matches!(check(&request), Err(Rejection::Mismatch { .. })));
}

#[test]
fn secrets_never_show_in_debug_output() {
    let by = signer();
    let credentials = Credentials::new("AKID", "sentinel-secret").with_token("sentinel-token");
    let signed = by.sign(&post(), &credentials, at()).unwrap();
    let signature = signed.signature.clone();
    let shown = format!("{by:?} {signed:?} {:?}", signed.headers);
    assert!(!shown.contains("sentinel") && !shown.contains(&signature), "{shown}");
}

/// The parts of a request that a signature covers.
#[derive(Debug, Clone)]
struct Parts {
    method: &'static str,
    path: String,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Parts {
    fn request(&self) -> Request<Vec<u8>> {
        let query: Vec<_> = self.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let uri = format!("https://example.amazonaws.com{}?{}", self.path, query.join("&"));
        let mut request = Request::builder().method(self.method).uri(uri);
        for (name, value) in &self.headers {
            request = request.header(format!("x-{name}"), value);
        }
        request.body(self.body.clone()).unwrap()
    }
}

fn parts() -> impl Strategy<Value = Parts> {
    (
        prop_oneof![Just("GET"), Just("POST"), Just("DELETE")],
        "(/[A-Za-z0-9_~%ü-]{1,8}){1,4}/?",
        proptest::collection::vec(("[a-z%-]{1,4}", "[A-Za-z0-9%=]{1,4}"), 1..5),
        proptest::collection::vec(("[a-z]{1,3}", "[!-~]{1,6}( +[!-~]{1,6})?"), 1..5),
        proptest::collection::vec(any::<u8>(), 1..64),
    )
        .prop_map(|(method, path, query, headers, body)| Parts { method, path, query, headers, body })
}

/// Puts another character in place of one. Spaces stay: how many there are isn't covered.
fn change(text: &mut String, place: usize) -> bool {
    let places: Vec<_> = text.char_indices().filter(|(_, c)| c.is_ascii_alphanumeric()).collect();
    let Some(&(at, old)) = places.get(place % places.len().max(1)) else { return false };
    text.replace_range(at..=at, if old == 'q' { "k" } else { "q" });
    true
}

proptest! {
    #[test]
    fn what_is_signed_is_accepted(parts in parts(), temporary: bool) {
        let credentials = if temporary { credentials().with_token("TOKEN") } else { credentials() };
        let request = signed(parts.request(), &credentials);
        let verified = verify(&request, &|_| Some(credentials.clone()), at(), Duration::ZERO);
        prop_assert!(verified.is_ok(), "{:?}", verified);
    }

    #[test]
    fn one_changed_byte_in_what_is_covered_is_a_mismatch(parts in parts(), which in 0..5, place: u16, other: u8) {
        let original = signed(parts.request(), &credentials());
        let place = usize::from(place);
        let mut changed = parts.clone();
        let differs = match which {
            0 => {
                changed.method = "PUT";
                true
            }
            1 => change(&mut changed.path, place),
            2 => {
                let index = place % changed.query.len();
                change(&mut changed.query[index].1, place)
            }
            3 => {
                let index = place % changed.headers.len();
                change(&mut changed.headers[index].1, place)
            }
            _ => {
                let index = place % changed.body.len();
                changed.body[index] ^= other.max(1);
                true
            }
        };
        prop_assume!(differs);
        let mut request = changed.request();
        for name in ["x-amz-date", "authorization"] {
            request.headers_mut().insert(name, original.headers()[name].clone());
        }
        let answer = check(&request);
        prop_assert!(matches!(answer, Err(Rejection::Mismatch { .. })), "{:?}", answer);
    }

    #[test]
    fn one_changed_digit_of_the_signature_is_a_mismatch(place in 0usize..64, digit in "[0-9a-fA-F]") {
        let request = signed(post(), &credentials());
        let text = request.headers()[AUTHORIZATION].to_str().unwrap();
        let mut changed = text.to_owned();
        let place = text.len() - 64 + place;
        changed.replace_range(place..=place, &digit);
        prop_assume!(changed != text);
        let answer = check(&with_authorization(request.clone(), text, &changed));
        prop_assert!(matches!(answer, Err(Rejection::Mismatch { .. })), "{:?}", answer);
    }

    #[test]
    fn the_order_of_headers_and_parameters_makes_no_difference(parts in parts()) {
        let mut turned = parts.clone();
        turned.query.reverse();
        // Only among names that differ: the values of one header have an order.
        turned.headers.sort_by(|a, b| b.0.cmp(&a.0));
        let sign = |parts: &Parts| signer().sign(&parts.request(), &credentials(), at()).unwrap().signature;
        prop_assert_eq!(sign(&parts), sign(&turned));
    }

    #[test]
    fn no_header_from_the_wire_makes_it_panic(
        text in "(AWS4-HMAC-SHA256 )?(Credential=[ -~]{0,40})?,?(SignedHeaders=[ -~]{0,20})?,?(Signature=[ -~]{0,70})?",
        date in "[ -~]{0,30}",
    ) {
        let mut request = post();
        request.headers_mut().insert(AUTHORIZATION, text.parse().unwrap());
        request.headers_mut().insert(&X_AMZ_DATE, date.parse().unwrap());
        prop_assert!(check(&request).is_err());
    }
}
