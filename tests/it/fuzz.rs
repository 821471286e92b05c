//! The parsers of what comes from outside, on requests that were whole and signed before they were mangled.
//!
//! `PROPTEST_CASES=1000000 cargo test --test it fuzz` looks for as long as one likes.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use pin53::clock::Timestamp;
use pin53::secret::Credentials;
use pin53::sign::sigv4::Scope;
use pin53::sign::{aws3, azure, sigv4};
use pin53::toolbox::{Keys, Scheme, Signer, Verifier, raw};
use proptest::prelude::*;
use proptest::sample::Index;

const KEY_ID: &str = "AKIDEXAMPLE";
/// In base64 too, as Azure's keys are.
const SECRET: &str = "c2VudGluZWwga2V5";

fn now() -> Timestamp {
    "2015-08-30T12:36:00Z".parse().unwrap()
}

fn credentials() -> Credentials {
    Credentials::new(KEY_ID, SECRET)
}

fn signer(scheme: Scheme) -> Signer {
    let v4 = || sigv4::Signer::new(Scope::new("us-east-1", "iam"));
    match scheme {
        Scheme::Aws3Https => Signer::Aws3Https(aws3::Algorithm::HmacSha256),
        Scheme::SigV4 => Signer::SigV4(v4()),
        Scheme::SigV4Query => Signer::SigV4Query { signer: v4(), expires: Duration::from_secs(60) },
        Scheme::Azure => Signer::Azure(azure::Form::SharedKey),
        Scheme::SdkHmac => Signer::SdkHmac,
    }
}

fn verifier(scheme: Scheme) -> Verifier {
    Verifier { scheme, region: None, service: None, keys: Keys::of(credentials()) }
}

/// A signed request as it goes over the wire.
fn wire(scheme: Scheme) -> Vec<u8> {
    let mut request = Request::post("https://iam.amazonaws.com/a/b%20c?x=1&x=2&y=%2F")
        .header("host", "iam.amazonaws.com")
        .header("content-type", "application/json")
        .header("content-length", "8")
        .header("x-a", "one  two")
        .body(Bytes::from_static(b"{\"a\": 1}"))
        .unwrap();
    let signed = signer(scheme).sign(&request, &credentials(), now()).unwrap();
    if let Some(url) = &signed.url {
        *request.uri_mut() = url.parse().unwrap();
    }
    signed.apply(request.headers_mut());
    let mut wire = format!("POST {} HTTP/1.1\r\n", request.uri().path_and_query().unwrap()).into_bytes();
    for (name, value) in request.headers() {
        wire.extend_from_slice(format!("{name}: ").as_bytes());
        wire.extend_from_slice(value.as_bytes());
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b"\r\n");
    wire.extend_from_slice(request.body());
    wire
}

/// One thing done to a text.
#[derive(Debug, Clone)]
enum Mangle {
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    /// A piece of it once more, somewhere else.
    Copy(Index, usize, Index),
    Cut(Index),
}

impl Mangle {
    fn apply(&self, text: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        let piece = |at: &Index, length: usize| {
            let start = at.index(text.len());
            start..(start + length).min(text.len())
        };
        match self {
            Self::Set(at, byte) => {
                let place = at.index(text.len());
                text[place] = *byte;
            }
            Self::Insert(at, bytes) => {
                let place = at.index(text.len());
                text.splice(place..place, bytes.iter().copied());
            }
            Self::Remove(at, length) => {
                text.drain(piece(at, *length));
            }
            Self::Copy(from, length, to) => {
                let copied = text[piece(from, *length)].to_vec();
                let place = to.index(text.len());
                text.splice(place..place, copied);
            }
            Self::Cut(at) => text.truncate(at.index(text.len())),
        }
    }
}

fn mangle() -> impl Strategy<Value = Mangle> {
    let telling = prop::sample::select(&b"\r\n \t:;,=&?%/+#\"\0\xff\xc3Aa0-~"[..]);
    let pieces = prop::sample::select(vec![
        "\r\n",
        "\n",
        "\r\n\r\n",
        " HTTP/1.1",
        "Transfer-Encoding: chunked\r\n",
        "Content-Length: 0\r\n",
        "Signature=",
        "Credential=",
        "SignedHeaders=",
        "X-Amz-Signature=",
        "X-Amz-Date=",
        "%zz",
        "%",
        "&&",
        "../",
        "//",
        "host;",
        "UNSIGNED-PAYLOAD",
        "Host: h\r\n",
        "99999999999999999999",
        "\u{fc}",
    ]);
    prop_oneof![
        (any::<Index>(), prop_oneof![telling, any::<u8>()]).prop_map(|(at, byte)| Mangle::Set(at, byte)),
        (any::<Index>(), pieces).prop_map(|(at, piece)| Mangle::Insert(at, piece.as_bytes().to_vec())),
        (any::<Index>(), 1usize..40).prop_map(|(at, length)| Mangle::Remove(at, length)),
        (any::<Index>(), 1usize..80, any::<Index>())
            .prop_map(|(from, length, to)| Mangle::Copy(from, length, to)),
        any::<Index>().prop_map(Mangle::Cut),
    ]
}

fn mangled() -> impl Strategy<Value = (Scheme, Vec<u8>)> {
    let scheme = prop::sample::select(&Scheme::ALL[..]);
    (scheme, prop::collection::vec(mangle(), 1..5)).prop_map(|(scheme, done)| {
        let mut text = wire(scheme);
        for mangle in &done {
            mangle.apply(&mut text);
        }
        (scheme, text)
    })
}

#[test]
fn what_is_mangled_was_valid_before() {
    for scheme in Scheme::ALL {
        let request = raw::read(&wire(scheme)).unwrap();
        assert!(verifier(scheme).verify(&request, now()).is_ok(), "{scheme}");
    }
}

proptest! {
    /// Of what both take for a request, `httparse`, which is what hyper reads with, is given the same.
    #[test]
    fn a_raw_request_is_read_as_a_server_reads_it((_, text) in mangled()) {
        let ours = raw::read(&text);
        let mut slots = [httparse::EMPTY_HEADER; 64];
        let mut theirs = httparse::Request::new(&mut slots);
        if let (Ok(ours), Ok(httparse::Status::Complete(_))) = (&ours, theirs.parse(&text)) {
            prop_assert_eq!(ours.method().as_str(), theirs.method.unwrap());
            if let Ok(uri) = theirs.path.unwrap().parse::<http::Uri>() {
                prop_assert_eq!(ours.uri(), &uri);
            }
            let read: Vec<_> = theirs.headers.iter().map(|header| (header.name.to_lowercase(), header.value)).collect();
            for (name, value) in &read {
                prop_assert!(ours.headers().get_all(name).iter().any(|found| found.as_bytes() == value.trim_ascii()));
            }
            prop_assert_eq!(ours.headers().len(), read.len());
        }
    }

    /// Authorization headers, queries and dates: whatever stands in them, there is an answer.
    #[test]
    fn a_mangled_signature_is_answered((scheme, text) in mangled(), judge in prop::sample::select(&Scheme::ALL[..])) {
        if let Ok(request) = raw::read(&text) {
            for scheme in [scheme, judge] {
                if let Err(rejection) = verifier(scheme).verify(&request, now()) {
                    prop_assert!(!rejection.to_string().contains(SECRET) && !rejection.name().is_empty());
                }
            }
            // What arrived can be signed anew, or there is a reason why not.
            let _ = signer(judge).sign(&request, &credentials(), now());
        }
    }
}
