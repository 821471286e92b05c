//! A Route 53 change of 1 KB, signed by pin53 and by `aws-sigv4`, in one run.
//!
//!     cargo bench --manifest-path benches/peers/Cargo.toml
//!
//! pin53 is compiled for size, as it is shipped, and its peer for speed.

use std::time::SystemTime;

use aws_credential_types::Credentials as PeerCredentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use bytes::Bytes;
use divan::{Bencher, black_box};
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use pin53::clock::Timestamp;
use pin53::secret::Credentials;
use pin53::sign::aws3::{self, Algorithm};
use pin53::sign::sigv4::{Scope, Signer};

const KEY_ID: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const URL: &str = "https://route53.amazonaws.com/2013-04-01/hostedzone/Z1PA6795UKMFR9/rrset/";

fn main() {
    divan::main();
}

fn change() -> Request<Bytes> {
    let mut request = Request::new(Bytes::from(vec![b'x'; 1024]));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from_static(URL);
    request.headers_mut().insert("content-type", HeaderValue::from_static("application/xml"));
    request
}

fn time() -> Timestamp {
    Timestamp::from_second(1_440_938_160).unwrap_or_default()
}

#[divan::bench]
fn sigv4_of_pin53(bencher: Bencher) {
    let signer = Signer::new(Scope::new("us-east-1", "route53"));
    let (request, credentials) = (change(), Credentials::new(KEY_ID, SECRET));
    bencher.bench(|| signer.sign(black_box(&request), &credentials, time()));
}

#[divan::bench]
fn sigv4_of_aws_sigv4(bencher: Bencher) {
    let identity: Identity = PeerCredentials::new(KEY_ID, SECRET, None, None, "bench").into();
    let body = vec![b'x'; 1024];
    let at = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_440_938_160);
    bencher.bench(|| {
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name("route53")
            .time(at)
            .settings(SigningSettings::default())
            .build()
            .unwrap()
            .into();
        let headers = [("content-type", "application/xml")].into_iter();
        let body = SignableBody::Bytes(black_box(&body));
        let request = SignableRequest::new("POST", URL, headers, body).unwrap();
        sign(request, &params).unwrap().into_parts().1
    });
}

#[divan::bench]
fn aws3_https_of_pin53(bencher: Bencher) {
    let (headers, credentials) = (HeaderMap::new(), Credentials::new(KEY_ID, SECRET));
    bencher.bench(|| aws3::sign(black_box(&headers), &credentials, Algorithm::HmacSha256, time()));
}
