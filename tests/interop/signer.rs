//! Signs and verifies on demand, for programs in other languages to hold against their own signers.
//!
//! Reads one JSON question a line from standard input and writes one JSON answer a line. A request is
//! signed and judged as the library would for anyone: nothing here knows a scheme.

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue, Request};
use pin53::clock::Timestamp;
use pin53::secret::Credentials;
use pin53::sign::sigv4::{Payload, Scope, Settings, Signer};
use pin53::sign::{Rejection, Signed, aws3, azure, sdk_hmac, sigv4};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    op: Op,
    scheme: Scheme,
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    /// In base64.
    body: String,
    key_id: String,
    secret: String,
    token: Option<String>,
    region: String,
    service: String,
    /// Of the SigV4 payload, where it isn't the service's own rule.
    payload: Option<Handling>,
    /// Seconds since 1970: when it is signed, or what the verifier takes for now.
    time: i64,
    /// Seconds that a date may be off.
    window: u64,
    /// Seconds that a presigned URL is good for.
    #[serde(default)]
    expires: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Op {
    Sign,
    Verify,
}

#[derive(Deserialize)]
enum Scheme {
    #[serde(rename = "aws3-https")]
    Aws3,
    #[serde(rename = "aws3-https-sha1")]
    Aws3Sha1,
    #[serde(rename = "sigv4")]
    SigV4,
    #[serde(rename = "sigv4-query")]
    SigV4Query,
    #[serde(rename = "azure")]
    Azure,
    #[serde(rename = "sdk-hmac")]
    SdkHmac,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Handling {
    Hashed,
    HashedInHeader,
    Unsigned,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Signed {
        headers: Vec<(String, String)>,
        url: Option<String>,
        canonical_request: Option<String>,
        string_to_sign: String,
        signature: String,
    },
    Valid {
        key_id: String,
        /// Seconds since 1970.
        signed_at: i64,
        payload_signed: Option<bool>,
    },
    Rejected {
        why: String,
        canonical_request: Option<String>,
        string_to_sign: Option<String>,
    },
    /// The question can't be asked, or the request not signed.
    Error(String),
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let answer = answer(&line?).unwrap_or_else(|error| Answer::Error(error.to_string()));
        serde_json::to_writer(&mut out, &answer)?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(())
}

fn answer(line: &str) -> Result<Answer, Box<dyn Error>> {
    let question: Question = serde_json::from_str(line)?;
    let request = question.request()?;
    let time = Timestamp::from_second(question.time)?;
    match question.op {
        Op::Sign => signed(question.sign(&request, time)?),
        Op::Verify => Ok(question.verify(&request, time).unwrap_or_else(rejected)),
    }
}

impl Question {
    fn request(&self) -> Result<Request<Vec<u8>>, Box<dyn Error>> {
        let mut request = Request::builder()
            .method(self.method.as_str())
            .uri(self.url.as_str())
            .body(STANDARD.decode(&self.body)?)?;
        for (name, value) in &self.headers {
            let value = HeaderValue::from_bytes(value.as_bytes())?;
            request.headers_mut().append(HeaderName::try_from(name)?, value);
        }
        Ok(request)
    }

    fn credentials(&self) -> Credentials {
        let credentials = Credentials::new(&self.key_id, &self.secret);
        match &self.token {
            Some(token) => credentials.with_token(token),
            None => credentials,
        }
    }

    fn signer(&self) -> Signer {
        let mut settings = Settings::for_service(&self.service);
        match self.payload {
            None => {}
            Some(Handling::Hashed) => settings.payload = Payload::Hashed,
            Some(Handling::HashedInHeader) => settings.payload = Payload::HashedInHeader,
            Some(Handling::Unsigned) => settings.payload = Payload::Unsigned,
        }
        Signer::with_settings(Scope::new(&self.region, &self.service), settings)
    }

    fn sign(&self, request: &Request<Vec<u8>>, time: Timestamp) -> Result<Signed, pin53::sign::Error> {
        let aws3 = |algorithm| aws3::sign(request.headers(), &self.credentials(), algorithm, time);
        match self.scheme {
            Scheme::Aws3 => aws3(aws3::Algorithm::HmacSha256),
            Scheme::Aws3Sha1 => aws3(aws3::Algorithm::HmacSha1),
            Scheme::SigV4 => self.signer().sign(request, &self.credentials(), time),
            Scheme::SigV4Query => {
                let expires = Duration::from_secs(self.expires);
                self.signer().presign(request, &self.credentials(), expires, time)
            }
            Scheme::Azure => azure::sign(request, &self.credentials(), azure::Form::SharedKey, time),
            Scheme::SdkHmac => sdk_hmac::sign(request, &self.credentials(), time),
        }
    }

    fn verify(&self, request: &Request<Vec<u8>>, now: Timestamp) -> Result<Answer, Rejection> {
        let keys = |id: &str| (id == self.key_id).then(|| self.credentials());
        let window = Duration::from_secs(self.window);
        Ok(match self.scheme {
            Scheme::Aws3 | Scheme::Aws3Sha1 => {
                let verified = aws3::verify(request.headers(), &keys, now, window)?;
                let signed_at = verified.signed_at.as_second();
                Answer::Valid { key_id: verified.key_id, signed_at, payload_signed: None }
            }
            Scheme::Azure => {
                let verified = azure::verify(request, &keys, now, window)?;
                let signed_at = verified.signed_at.as_second();
                Answer::Valid { key_id: verified.account, signed_at, payload_signed: None }
            }
            Scheme::SdkHmac => {
                let verified = sdk_hmac::verify(request, &keys, now, window)?;
                let signed_at = verified.signed_at.as_second();
                Answer::Valid {
                    key_id: verified.key_id,
                    signed_at,
                    payload_signed: Some(verified.payload_signed),
                }
            }
            Scheme::SigV4 | Scheme::SigV4Query => {
                let verified = match self.scheme {
                    Scheme::SigV4 => sigv4::verify(request, &keys, now, window)?,
                    _ => sigv4::query::verify(request, &keys, now, window)?,
                };
                Answer::Valid {
                    key_id: verified.key_id,
                    signed_at: verified.signed_at.as_second(),
                    payload_signed: Some(verified.payload_signed),
                }
            }
        })
    }
}

fn signed(signed: Signed) -> Result<Answer, Box<dyn Error>> {
    let mut headers = Vec::new();
    for (name, value) in &signed.headers {
        headers.push((name.to_string(), value.to_str()?.to_owned()));
    }
    let Signed { url, canonical_request, string_to_sign, signature, .. } = signed;
    Ok(Answer::Signed { headers, url, canonical_request, string_to_sign, signature })
}

fn rejected(why: Rejection) -> Answer {
    let words = why.to_string();
    match why {
        Rejection::Mismatch { canonical_request, string_to_sign } => {
            Answer::Rejected { why: words, canonical_request, string_to_sign: Some(string_to_sign) }
        }
        _ => Answer::Rejected { why: words, canonical_request: None, string_to_sign: None },
    }
}
