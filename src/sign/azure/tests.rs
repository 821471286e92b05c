//! Both directions of both forms, against recorded signatures and as laws.

use http::Request;
use proptest::prelude::*;

use super::*;

const WINDOW: Duration = Duration::from_secs(15 * 60);
const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

#[derive(serde::Deserialize)]
struct Vectors {
    vectors: Vec<Vector>,
}

#[derive(serde::Deserialize)]
struct Vector {
    name: String,
    method: String,
    url: String,
    headers: BTreeMap<String, String>,
    account: String,
    account_key_base64: String,
    string_to_sign: String,
    signature: String,
    documented_form: Option<Documented>,
}

/// What the service's documentation asks for, where the SDK does something else.
#[derive(serde::Deserialize)]
struct Documented {
    string_to_sign: String,
    signature: String,
}

fn vectors() -> Vec<Vector> {
    let text = include_str!("../../../tests/vectors/azure_shared_key.json");
    let mut vectors = serde_json::from_str::<Vectors>(text).unwrap().vectors;
    for vector in &mut vectors {
        if let Some(documented) = vector.documented_form.take() {
            vector.string_to_sign = documented.string_to_sign;
            vector.signature = documented.signature;
        }
    }
    vectors
}

impl Vector {
    fn request(&self) -> Request<Vec<u8>> {
        let mut request = Request::builder().method(&*self.method).uri(&self.url);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(Vec::new()).unwrap()
    }
}

fn at() -> Timestamp {
    "2015-08-30T12:36:00Z".parse().unwrap()
}

fn credentials() -> Credentials {
    Credentials::new("myaccount", KEY)
}

fn check(request: &Request<Vec<u8>>) -> Result<Verified, Rejection> {
    verify(request, &|id| (id == "myaccount").then(credentials), at(), WINDOW)
}

fn signed(mut request: Request<Vec<u8>>, form: Form) -> Request<Vec<u8>> {
    sign(&request, &credentials(), form, at()).unwrap().apply(request.headers_mut());
    request
}

fn delete() -> Request<Vec<u8>> {
    let request =
        Request::delete("https://myaccount.blob.core.windows.net/c/b?Snapshot=1%3A2&comp=x&a=2&a=1");
    request.header("x-ms-version", "2023-11-03").header("range", "bytes=0-9").body(Vec::new()).unwrap()
}

#[test]
fn every_vector_is_signed_as_recorded_and_accepted() {
    let vectors = vectors();
    assert!(vectors.len() > 10);
    for vector in vectors {
        let mut request = vector.request();
        let credentials = Credentials::new(&vector.account, &vector.account_key_base64);
        let signed = sign(&request, &credentials, Form::SharedKey, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(signed.string_to_sign, vector.string_to_sign, "{}", vector.name);
        assert_eq!(signed.signature, vector.signature, "{}", vector.name);
        let expected = format!("SharedKey {}:{}", vector.account, vector.signature);
        assert_eq!(signed.headers, [(AUTHORIZATION, expected.parse().unwrap())], "{}", vector.name);
        signed.apply(request.headers_mut());
        let verified = verify(&request, &|_| Some(credentials.clone()), at(), WINDOW).unwrap();
        assert_eq!((verified.account, verified.form), (vector.account.clone(), Form::SharedKey));

        let other = verify(&request, &|id| Some(Credentials::new(id, "AAAA")), at(), WINDOW);
        let string_to_sign = vector.string_to_sign;
        assert_eq!(other, Err(Rejection::Mismatch { canonical_request: None, string_to_sign }));
    }
}

#[test]
fn every_value_of_a_parameter_counts_and_the_range_too() {
    let signed = sign(&delete(), &credentials(), Form::SharedKey, at()).unwrap();
    insta::assert_snapshot!(signed.string_to_sign, @r"
    DELETE










    bytes=0-9
    x-ms-date:Sun, 30 Aug 2015 12:36:00 GMT
    x-ms-version:2023-11-03
    /myaccount/c/b
    a:1,2
    comp:x
    snapshot:1:2
    ");
}

#[test]
fn the_lite_form_covers_less() {
    let signed = sign(&delete(), &credentials(), Form::SharedKeyLite, at()).unwrap();
    insta::assert_snapshot!(signed.string_to_sign, @r"
    DELETE



    x-ms-date:Sun, 30 Aug 2015 12:36:00 GMT
    x-ms-version:2023-11-03
    /myaccount/c/b?comp=x
    ");
    let request = super::tests::signed(delete(), Form::SharedKeyLite);
    assert_eq!(check(&request).unwrap().form, Form::SharedKeyLite);
}

#[test]
fn a_length_of_nothing_is_written_as_old_versions_want_it() {
    let line = |version: &str, length: Option<&str>, body: &[u8]| {
        let mut request =
            Request::put("https://myaccount.blob.core.windows.net/c/b").body(body.to_vec()).unwrap();
        request.headers_mut().insert("x-ms-version", version.parse().unwrap());
        if let Some(length) = length {
            request.headers_mut().insert(CONTENT_LENGTH, length.parse().unwrap());
        }
        let signed = sign(&request, &credentials(), Form::SharedKey, at()).unwrap();
        signed.string_to_sign.split('\n').nth(3).unwrap().to_owned()
    };
    assert_eq!(line("2023-11-03", Some("0"), b""), "");
    assert_eq!(line("2015-02-21", Some("0"), b""), "");
    assert_eq!(line("2014-02-14", Some("0"), b""), "0");
    assert_eq!(line("2014-02-14", None, b""), "");
    assert_eq!(line("2023-11-03", None, b"abc"), "3");
}

#[test]
fn a_date_that_the_request_has_is_signed_and_no_other_added() {
    for (name, value) in
        [("x-ms-date", "Sun, 30 Aug 2015 12:36:00 GMT"), ("date", "Sun, 30 Aug 2015 12:36:00 GMT")]
    {
        let mut request = delete();
        request.headers_mut().insert(name, value.parse().unwrap());
        let signed = sign(&request, &credentials(), Form::SharedKey, Timestamp::MAX).unwrap();
        assert_eq!(signed.headers.len(), 1, "{name}");
        assert!(signed.string_to_sign.contains(value));
        signed.apply(request.headers_mut());
        assert!(check(&request).is_ok());
    }
}

#[test]
fn a_key_that_is_not_base64_is_said_to_be_none() {
    for key in ["not base64!", "abc", "AAAA\n"] {
        let refused =
            sign(&delete(), &Credentials::new("myaccount", key), Form::SharedKey, at()).unwrap_err();
        assert_eq!(refused.to_string(), "expected an account key in base64, found one that isn't");
        let request = signed(delete(), Form::SharedKey);
        let answer = verify(&request, &|id| Some(Credentials::new(id, key)), at(), WINDOW);
        assert_eq!(answer, Err(Rejection::UnusableKey("myaccount".into())));
    }
}

#[test]
fn what_is_no_signature_is_said_to_be_none() {
    assert_eq!(check(&delete()).unwrap_err().name(), "not signed");
    for wrong in ["SharedKey", "SharedKey myaccount", "Bearer a:b", ""] {
        let mut request = signed(delete(), Form::SharedKey);
        request.headers_mut().insert(AUTHORIZATION, wrong.parse().unwrap());
        assert_eq!(check(&request).unwrap_err().name(), "malformed", "{wrong:?}");
    }
    let mut request = signed(delete(), Form::SharedKey);
    request.headers_mut().remove("x-ms-date");
    assert_eq!(check(&request).unwrap_err().name(), "not covered");
    let request = signed(delete(), Form::SharedKey);
    assert_eq!(verify(&request, &|_| None, at(), WINDOW), Err(Rejection::UnknownKey("myaccount".into())));
    let late = "2015-08-30T12:51:01Z".parse().unwrap();
    let answer = verify(&request, &|_| Some(credentials()), late, WINDOW);
    assert_eq!(answer.unwrap_err().name(), "outside the window");
}

proptest! {
    #[test]
    fn one_changed_byte_of_what_is_covered_is_a_mismatch(which in 0usize..7, place: u16, byte in "[b-y]") {
        let mut request = Request::put("https://myaccount.blob.core.windows.net/zzzzz?aaaa=zzzz&AAAA=aaaa")
            .body(b"aaa".to_vec())
            .unwrap();
        for name in ["content-type", "content-md5", "if-match", "range", "x-ms-meta-a"] {
            request.headers_mut().insert(name, "azazaz".parse().unwrap());
        }
        let mut request = signed(request, Form::SharedKey);
        let change = |text: &str| {
            let places: Vec<usize> = text.match_indices(['a', 'z']).map(|(at, _)| at).collect();
            let mut text = text.to_owned();
            let at = places[usize::from(place) % places.len()];
            text.replace_range(at..=at, &byte);
            text
        };
        match which {
            0 => *request.uri_mut() = format!("https://h/{}?aaaa=zzzz&AAAA=aaaa", change("zzzzz")).parse().unwrap(),
            1 => *request.uri_mut() = format!("https://h/zzzzz?{}", change("aaaa=zzzz&aaaa=aaaa")).parse().unwrap(),
            _ => {
                let name = ["content-type", "content-md5", "if-match", "range", "x-ms-meta-a"][which - 2];
                request.headers_mut().insert(name, change("azazaz").parse().unwrap());
            }
        }
        let answer = check(&request);
        prop_assert!(matches!(answer, Err(Rejection::Mismatch { .. })), "{which}: {answer:?}");
    }

    #[test]
    fn one_changed_character_of_the_signature_is_a_mismatch(place in 0usize..43, digit in "[A-Za-z0-9+/]") {
        let mut request = signed(delete(), Form::SharedKey);
        let text = request.headers()[AUTHORIZATION].to_str().unwrap().to_owned();
        let at = text.len() - 44 + place;
        let mut changed = text.clone();
        changed.replace_range(at..=at, &digit);
        prop_assume!(changed != text);
        request.headers_mut().insert(AUTHORIZATION, changed.parse().unwrap());
        prop_assert_eq!(check(&request).unwrap_err().name(), "mismatch");
    }

    #[test]
    fn no_header_from_the_wire_makes_it_panic(text in "(SharedKey(Lite)? )?[ -~]{0,40}", query in "[!-~]{0,20}") {
        let mut request = delete();
        request.headers_mut().insert(AUTHORIZATION, text.parse().unwrap());
        if let Ok(uri) = format!("https://h/?{query}").parse() {
            *request.uri_mut() = uri;
        }
        prop_assert!(check(&request).is_err());
    }
}
