//! Both directions of presigned URLs, against recorded ones and as laws.

use http::Request;
use proptest::prelude::*;

use super::*;
use crate::sign::sigv4::Scope;

const WINDOW: Duration = Duration::from_secs(15 * 60);
const HOUR: Duration = Duration::from_secs(60 * 60);

#[derive(serde::Deserialize)]
struct Vectors {
    vectors: Vec<Vector>,
}

#[derive(serde::Deserialize)]
struct Vector {
    name: String,
    scheme: String,
    method: String,
    url: Option<String>,
    region: String,
    service: String,
    #[serde(default)]
    expires: u64,
    access_key: String,
    secret_key: String,
    session_token: Option<String>,
    timestamp: String,
    canonical_request: String,
    string_to_sign: String,
    #[serde(default)]
    signed_url: String,
    signature: String,
}

impl Vector {
    fn all() -> Vec<Self> {
        let files = [
            include_str!("../../../../tests/vectors/sigv4.json"),
            include_str!("../../../../tests/vectors/iam_create_user_presigned.json"),
        ];
        let all = files.map(|text| serde_json::from_str::<Vectors>(text).unwrap().vectors);
        all.into_iter().flatten().filter(|vector| vector.scheme == "sigv4-query").collect()
    }

    fn request(&self) -> Request<String> {
        // Where a client built the URL itself, what it asked for is what stands before the signature.
        let url = self.url.as_deref().or_else(|| self.signed_url.split("&X-Amz-Algorithm").next());
        Request::builder().method(&*self.method).uri(url.unwrap()).body(String::new()).unwrap()
    }

    fn credentials(&self) -> Credentials {
        let credentials = Credentials::new(&self.access_key, &self.secret_key);
        match &self.session_token {
            Some(token) => credentials.with_token(token),
            None => credentials,
        }
    }

    fn time(&self) -> Timestamp {
        Stamp::read(self.timestamp.as_bytes()).unwrap().time()
    }
}

fn at() -> Timestamp {
    "2015-08-30T12:36:00Z".parse().unwrap()
}

fn credentials() -> Credentials {
    Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
}

fn known(key_id: &str) -> Option<Credentials> {
    (key_id == "AKIDEXAMPLE").then(credentials)
}

fn signer(service: &str) -> Signer {
    Signer::new(Scope::new("us-east-1", service))
}

fn get(url: &str) -> Request<Vec<u8>> {
    Request::get(url).body(Vec::new()).unwrap()
}

fn url_of(request: &Request<Vec<u8>>) -> String {
    signer("iam").presign(request, &credentials(), HOUR, at()).unwrap().url.unwrap()
}

fn check(request: &Request<Vec<u8>>) -> Result<Verified, Rejection> {
    verify(request, &known, at(), WINDOW)
}

#[test]
fn every_vector_is_signed_as_recorded() {
    let vectors = Vector::all();
    assert!(vectors.len() > 10);
    for vector in vectors {
        let of_vector = Signer::new(Scope::new(&vector.region, &vector.service));
        let expires = Duration::from_secs(vector.expires);
        let signed =
            of_vector.presign(&vector.request(), &vector.credentials(), expires, vector.time()).unwrap();
        assert_eq!(signed.canonical_request.as_ref(), Some(&vector.canonical_request), "{}", vector.name);
        assert_eq!(signed.string_to_sign, vector.string_to_sign, "{}", vector.name);
        assert_eq!(signed.signature, vector.signature, "{}", vector.name);
        assert_eq!(signed.url.unwrap(), vector.signed_url, "{}", vector.name);
        assert!(signed.headers.is_empty());
    }
}

#[test]
fn every_vector_is_accepted_and_refused_under_another_secret() {
    for vector in Vector::all() {
        let request = Request::builder().method(&*vector.method).uri(&vector.signed_url);
        let request = request.body(String::new()).unwrap();
        let keys = |key_id: &str| (key_id == vector.access_key).then(|| vector.credentials());
        let verified = verify(&request, &keys, vector.time(), WINDOW).unwrap();
        assert_eq!(verified.scope, Scope::new(&vector.region, &vector.service), "{}", vector.name);
        assert_eq!((verified.key_id, verified.signed_at), (vector.access_key.clone(), vector.time()));
        assert_eq!(verified.payload_signed, vector.service != "s3");

        let other = |key_id: &str| Some(Credentials::new(key_id, "another"));
        match verify(&request, &other, vector.time(), WINDOW) {
            Err(Rejection::Mismatch { canonical_request, string_to_sign }) => {
                assert_eq!(canonical_request, Some(vector.canonical_request), "{}", vector.name);
                assert_eq!(string_to_sign, vector.string_to_sign, "{}", vector.name);
            }
            answer => panic!("{}: {answer:?}", vector.name),
        }
    }
}

#[test]
fn names_that_repeat_are_kept_in_their_order() {
    let url = url_of(&get("https://iam.amazonaws.com/?b=2&a=3&a=1&a&b=1"));
    assert!(url.starts_with("https://iam.amazonaws.com/?b=2&a=3&a=1&a=&b=1&X-Amz-Algorithm="), "{url}");
    assert!(check(&get(&url)).is_ok());
    for fewer in ["a=3&", "a=1&", "b=1&"] {
        assert!(matches!(check(&get(&url.replacen(fewer, "", 1))), Err(Rejection::Mismatch { .. })));
    }
}

#[test]
fn what_is_asked_for_is_written_in_canonical_encoding() {
    for (query, written) in [
        ("a=b+c", "a=b%20c"),
        ("a=%7e%2a~*", "a=~%2A~%2A"),
        ("a=%zz%2", "a=%25zz%252"),
        ("a=ü", "a=%C3%BC"),
        ("&&a=b/c=d&", "a=b%2Fc%3Dd"),
        ("", ""),
    ] {
        let url = url_of(&get(&format!("https://iam.amazonaws.com/?{query}")));
        let separator = if written.is_empty() { "" } else { "&" };
        assert!(
            url.starts_with(&format!("https://iam.amazonaws.com/?{written}{separator}X-Amz-Alg")),
            "{url}"
        );
        assert!(check(&get(&url)).is_ok(), "{query}");
    }
}

#[test]
fn every_header_is_covered_but_the_date_which_goes_into_the_query() {
    let mut request = get("https://iam.amazonaws.com/");
    for (name, value) in [("x-amz-date", "20150830T120000Z"), ("user-agent", "x"), ("x-custom", "1")] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let signed = signer("iam").presign(&request, &credentials(), HOUR, Timestamp::MAX).unwrap();
    let url = signed.url.unwrap();
    assert!(url.contains("&X-Amz-Date=20150830T120000Z&"), "{url}");
    assert!(url.contains("&X-Amz-SignedHeaders=host%3Buser-agent%3Bx-custom&"), "{url}");
    assert_eq!(check(&get(&url)), Err(Rejection::SignedHeaderMissing("user-agent".into())));
    *request.uri_mut() = url.parse().unwrap();
    assert!(check(&request).is_ok());
    request.headers_mut().insert("x-custom", "2".parse().unwrap());
    assert!(matches!(check(&request), Err(Rejection::Mismatch { .. })));
}

#[test]
fn a_body_is_covered_except_for_s3() {
    for (service, host, covered) in [("iam", "iam.amazonaws.com", true), ("s3", "b.s3.amazonaws.com", false)]
    {
        let mut request = Request::put(format!("https://{host}/x")).body(b"one".to_vec()).unwrap();
        let presigned = signer(service).presign(&request, &credentials(), HOUR, at()).unwrap();
        *request.uri_mut() = presigned.url.unwrap().parse().unwrap();
        assert_eq!(check(&request).unwrap().payload_signed, covered);
        *request.body_mut() = b"two".to_vec();
        assert_eq!(check(&request).is_ok(), !covered);
    }
}

#[test]
fn a_url_is_good_from_its_date_until_it_expires() {
    let request = get(&url_of(&get("https://iam.amazonaws.com/")));
    for (now, inside) in [
        ("2015-08-30T12:21:00Z", true),
        ("2015-08-30T13:36:00Z", true),
        ("2015-08-30T12:20:59Z", false),
        ("2015-08-30T13:36:01Z", false),
    ] {
        let answer = verify(&request, &known, now.parse().unwrap(), WINDOW);
        assert_eq!(answer.is_ok(), inside, "{now}");
        assert!(answer.is_ok() || answer.unwrap_err().name() == "outside the window");
    }
    for extreme in [Timestamp::MIN, Timestamp::MAX] {
        assert!(verify(&request, &known, extreme, WINDOW).is_err());
    }
}

#[test]
fn an_expiry_is_one_second_to_seven_days() {
    let presign = |seconds| {
        let request = get("https://iam.amazonaws.com/");
        signer("iam").presign(&request, &credentials(), Duration::from_secs(seconds), at())
    };
    assert!(presign(1).is_ok() && presign(604_800).is_ok());
    assert_eq!(presign(0), Err(Error::Expires { found: 0 }));
    assert_eq!(presign(604_801), Err(Error::Expires { found: 604_801 }));
    let url = presign(60).unwrap().url.unwrap();
    for wrong in ["0", "604801", "", "-1", "x", "99999999999999999999"] {
        let answer = check(&get(&url.replace("Expires=60", &format!("Expires={wrong}"))));
        assert!(matches!(answer, Err(Rejection::Malformed { .. })), "{wrong:?}: {answer:?}");
    }
}

#[test]
fn a_url_that_is_signed_already_is_not_signed_again() {
    let url = url_of(&get("https://iam.amazonaws.com/"));
    let again = signer("iam").presign(&get(&url), &credentials(), HOUR, at());
    assert_eq!(again, Err(Error::SignedAlready("X-Amz-Algorithm")));
}

#[test]
fn a_token_is_covered_unless_it_is_added_after_signing() {
    let temporary = credentials().with_token("TO/KEN=");
    let keys = |_: &str| Some(credentials().with_token("TO/KEN="));
    for (token, covered) in [(TokenPlace::Signed, true), (TokenPlace::AfterSigning, false)] {
        let settings = Settings { token, ..Settings::for_service("iam") };
        let signer = Signer::with_settings(Scope::new("us-east-1", "iam"), settings);
        let presigned = signer.presign(&get("https://iam.amazonaws.com/"), &temporary, HOUR, at()).unwrap();
        assert_eq!(
            presigned.canonical_request.unwrap().contains("X-Amz-Security-Token=TO%2FKEN%3D"),
            covered
        );
        let url = presigned.url.unwrap();
        assert!(url.contains("&X-Amz-Security-Token=TO%2FKEN%3D&X-Amz-Signature="), "{url}");
        if covered {
            assert!(verify(&get(&url), &keys, at(), WINDOW).is_ok());
        }
    }
    let without = get(&url_of(&get("https://iam.amazonaws.com/")));
    assert_eq!(verify(&without, &keys, at(), WINDOW), Err(Rejection::TokenMissing("AKIDEXAMPLE".into())));
}

#[test]
fn what_is_no_presigned_url_is_said_to_be_none() {
    assert_eq!(check(&get("https://iam.amazonaws.com/?a=1")).unwrap_err().name(), "not signed");
    let url = url_of(&get("https://iam.amazonaws.com/"));
    for name in ADDED {
        let without = url.replace(name, "X-Other");
        assert_eq!(check(&get(&without)), Err(Rejection::MissingParameter(name)));
        let twice = format!("{url}&{name}=x");
        assert_eq!(check(&get(&twice)), Err(Rejection::Repeated(name)));
    }
    let stranger = verify(&get(&url), &|_| None, at(), WINDOW);
    assert_eq!(stranger, Err(Rejection::UnknownKey("AKIDEXAMPLE".into())));
    let other = check(&get(&url.replace("HMAC-SHA256", "HMAC-SHA512")));
    assert!(matches!(other, Err(Rejection::Malformed { .. })));
    let unsigned = check(&get(&url.replace("SignedHeaders=host", "SignedHeaders=accept")));
    assert!(unsigned.is_err());
}

proptest! {
    #[test]
    fn what_is_signed_is_accepted(
        path in "(/[a-z%.ü]{0,4}){0,4}",
        query in "([a-c+%~ü]{0,3}(=[a-c+%/=]{0,3})?&?){0,4}",
        seconds in 1u64..604_800,
        body: Vec<u8>,
    ) {
        let url = format!("https://iam.amazonaws.com{path}?{query}");
        let mut request = Request::post(url).body(body).unwrap();
        let expires = Duration::from_secs(seconds);
        let signed = signer("iam").presign(&request, &credentials(), expires, at()).unwrap();
        *request.uri_mut() = signed.url.unwrap().parse().unwrap();
        let verified = check(&request);
        prop_assert!(verified.is_ok(), "{:?}", verified);
    }

    #[test]
    fn one_changed_byte_of_the_url_is_refused(place: u16, byte in "[a-zA-Z0-9.~-]") {
        let url = url_of(&get("https://iam.amazonaws.com/a/b?Action=CreateUser&UserName=New&UserName=Old"));
        let start = "https://".len();
        let place = start + usize::from(place) % (url.len() - start);
        let mut changed = url.clone();
        changed.replace_range(place..=place, &byte);
        let same = changed.eq_ignore_ascii_case(&url) && place < start + "iam.amazonaws.com".len();
        prop_assume!(changed != url && !same);
        if let Ok(request) = Request::get(&changed).body(Vec::new()) {
            prop_assert!(check(&request).is_err(), "{changed}");
        }
    }

    #[test]
    fn one_changed_byte_of_what_is_asked_for_is_a_mismatch(place in 0usize..40, byte in "[b-y]") {
        let url = url_of(&get("https://iam.amazonaws.com/aaaaa?zzzzzzz=aaaaaaaaa&zzzzzz=aaaaaaaaaa"));
        let at = url.find("/aaaaa").unwrap() + 1;
        prop_assume!(url.as_bytes()[at + place] == b'a' || url.as_bytes()[at + place] == b'z');
        let mut changed = url.clone();
        changed.replace_range(at + place..=at + place, &byte);
        let answer = check(&get(&changed));
        prop_assert!(matches!(answer, Err(Rejection::Mismatch { .. })), "{:?}", answer);
    }

    #[test]
    fn no_query_from_the_wire_makes_it_panic(query in "(X-Amz-(Date|Signature|Expires|Credential)=[!-~]{0,9}&){0,5}") {
        if let Ok(request) = Request::get(format!("https://h/?{query}")).body(Vec::new()) {
            prop_assert!(check(&request).is_err());
        }
    }
}
