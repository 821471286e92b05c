//! What a signature costs: a Route 53 change of about 1 KB in both schemes, and the checks of both.

use std::time::Duration;

use bytes::Bytes;
use divan::{Bencher, black_box};
use http::{HeaderMap, Request};
use pin53::clock::Timestamp;
use pin53::secret::Credentials;
use pin53::sign::aws3::{self, Algorithm};
use pin53::sign::sigv4::{self, Scope, Signer};

const WINDOW: Duration = Duration::from_secs(5 * 60);

fn main() {
    divan::main();
}

fn credentials() -> Credentials {
    Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
}

/// Sunday, 30 August 2015, 12:36:00.
fn time() -> Timestamp {
    Timestamp::from_second(1_440_938_160).unwrap_or_default()
}

fn signer() -> Signer {
    Signer::new(Scope::new("us-east-1", "route53"))
}

fn change() -> Request<Bytes> {
    let uri = "https://route53.amazonaws.com/2013-04-01/hostedzone/Z1PA6795UKMFR9/rrset/";
    let mut request = Request::new(Bytes::from(vec![b'x'; 1024]));
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = http::Uri::from_static(uri);
    request.headers_mut().insert("content-type", http::HeaderValue::from_static("application/xml"));
    request
}

#[divan::bench]
fn sigv4_sign_with_the_days_key(bencher: Bencher) {
    let (signer, request, credentials) = (signer(), change(), credentials());
    bencher.bench(|| signer.sign(black_box(&request), &credentials, time()));
}

#[divan::bench]
fn sigv4_sign_with_a_new_key(bencher: Bencher) {
    let (request, credentials) = (change(), credentials());
    bencher.with_inputs(signer).bench_refs(|signer| signer.sign(black_box(&request), &credentials, time()));
}

#[divan::bench]
fn sigv4_verify(bencher: Bencher) {
    let mut request = change();
    if let Ok(signed) = signer().sign(&request, &credentials(), time()) {
        signed.apply(request.headers_mut());
    }
    let keys = |_: &str| Some(credentials());
    assert!(sigv4::verify(&request, &keys, time(), WINDOW).is_ok());
    bencher.bench(|| sigv4::verify(black_box(&request), &keys, time(), WINDOW));
}

#[divan::bench(args = [Algorithm::HmacSha256, Algorithm::HmacSha1])]
fn aws3_sign(bencher: Bencher, algorithm: Algorithm) {
    let (headers, credentials) = (HeaderMap::new(), credentials());
    bencher.bench(|| aws3::sign(black_box(&headers), &credentials, algorithm, time()));
}

#[divan::bench(args = [Algorithm::HmacSha256, Algorithm::HmacSha1])]
fn aws3_verify(bencher: Bencher, algorithm: Algorithm) {
    let mut headers = HeaderMap::new();
    if let Ok(signed) = aws3::sign(&headers, &credentials(), algorithm, time()) {
        signed.apply(&mut headers);
    }
    let keys = |_: &str| Some(credentials());
    assert!(aws3::verify(&headers, &keys, time(), WINDOW).is_ok());
    bencher.bench(|| aws3::verify(black_box(&headers), &keys, time(), WINDOW));
}
