//! The Security Token Service: credentials of a role, for a signature or for a token of somebody else's.
//!
//! Calls are bounded, and signed anew for each attempt. Answers hold secrets: no error quotes one.
//!
//! Spec: <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Request, Response};

use super::endpoint::Endpoint;
use super::route53::{Cursor, Kind, ServiceError, XmlError};
use crate::clock::{Authority, Clock, ServerClock, Timestamp};
use crate::secret::{Credentials, ExposeSecret, SecretString};
use crate::sign::{self, sigv4};
use crate::transport::{self, Transport};

/// Bounds of the requests to STS.
pub const TRANSPORT: transport::Settings = transport::Settings {
    connect_timeout: Duration::from_secs(3),
    timeout: Duration::from_secs(5),
    body_limit: 256 * 1024,
    proxy: true,
};
const VERSION: &str = "2011-06-15";
/// A call is attempted this often before it counts as unanswered.
const ATTEMPTS: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// What a session is called in the logs of AWS where nobody gives it a name.
const SESSION_NAME: &str = "pin53";

/// A role to assume.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Role {
    pub arn: String,
    /// What the session is called: `pin53` where nobody says.
    pub session_name: Option<String>,
    pub external_id: Option<String>,
    /// For how long, in seconds.
    pub duration: Option<u32>,
}

/// What STS gives.
#[derive(Debug, Clone)]
pub struct Session {
    pub credentials: Credentials,
    pub expires: Timestamp,
}

/// Why STS gives nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("STS can't be reached")]
    Transport(#[source] transport::Error),
    #[error("the answer from STS can't be read: expected {0}")]
    Unreadable(&'static str),
    #[error("STS answered {}", said(.0))]
    Service(ServiceError),
    #[error("the request to STS can't be signed")]
    Sign(#[source] sign::Error),
    #[error("the request to STS can't be made")]
    Request(#[source] http::Error),
}

/// A refusal in words, behind the service's name.
pub(super) fn said(refusal: &ServiceError) -> String {
    let code = if refusal.code.is_empty() { "nothing that can be read" } else { &refusal.code };
    let messages = refusal.messages.join("; ");
    let colon = if messages.is_empty() { "" } else { ": " };
    format!("{code} ({}){colon}{messages}", refusal.status)
}

impl Error {
    /// Whether another time it may well work, by itself.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Transport(error) => error.is_transient(),
            Self::Unreadable(_) => true,
            Self::Service(refusal) => {
                refusal.code == "IDPCommunicationError"
                    || matches!(
                        refusal.kind(),
                        Kind::Throttled | Kind::Busy | Kind::Unavailable | Kind::Unreadable | Kind::ClockSkew
                    )
            }
            Self::Sign(_) | Self::Request(_) => false,
        }
    }
}

/// The client.
pub struct Sts {
    pub transport: Arc<dyn Transport>,
    pub clock: Arc<ServerClock>,
    /// Asked only while no answer has told the time; what it says wrong is corrected by the refusal.
    pub machine: Arc<dyn Clock>,
}

impl Sts {
    /// The role's credentials, for a signature by `by`.
    ///
    /// # Errors
    /// When STS can't be asked, or refuses.
    pub async fn assume_role(
        &self,
        endpoint: &Endpoint,
        role: &Role,
        by: &Credentials,
    ) -> Result<Session, Error> {
        let body = form("AssumeRole", role, &[("ExternalId", role.external_id.as_deref())]);
        let read = |answer: &Response<Bytes>| read(answer, "AssumeRoleResponse", "AssumeRoleResult");
        self.call(endpoint, &body, Some(by), read).await
    }

    /// The role's credentials, for a token of an identity provider that the role trusts.
    ///
    /// # Errors
    /// When STS can't be asked, or refuses.
    pub async fn assume_role_with_web_identity(
        &self,
        endpoint: &Endpoint,
        role: &Role,
        token: &SecretString,
    ) -> Result<Session, Error> {
        let action = "AssumeRoleWithWebIdentity";
        let body = form(action, role, &[("WebIdentityToken", Some(token.expose_secret()))]);
        let (root, result) = ("AssumeRoleWithWebIdentityResponse", "AssumeRoleWithWebIdentityResult");
        self.call(endpoint, &body, None, |answer| read(answer, root, result)).await
    }

    /// Whose credentials these are, as an ARN. No policy has to permit the question.
    ///
    /// # Errors
    /// When STS can't be asked, or refuses.
    pub async fn caller_identity(&self, endpoint: &Endpoint, by: &Credentials) -> Result<String, Error> {
        let body = SecretString::from(format!("Action=GetCallerIdentity&Version={VERSION}"));
        self.call(endpoint, &body, Some(by), read_identity).await
    }

    async fn call<T>(
        &self,
        endpoint: &Endpoint,
        body: &SecretString,
        by: Option<&Credentials>,
        read: impl Fn(&Response<Bytes>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut corrected = false;
        let mut attempt = 1;
        loop {
            let error = match self.attempt(endpoint, body, by).await {
                Ok(answer) => match read(&answer) {
                    Ok(value) => return Ok(value),
                    Err(error) => error,
                },
                Err(error) => error,
            };
            let skewed = matches!(&error, Error::Service(refusal) if refusal.kind() == Kind::ClockSkew);
            // The refusal has told the time.
            if skewed && by.is_some() && !corrected {
                corrected = true;
                continue;
            }
            if !error.is_transient() || attempt == ATTEMPTS {
                return Err(error);
            }
            tracing::debug!(%error, attempt, "STS is asked again");
            tokio::time::sleep(FIRST_PAUSE.saturating_mul(1 << attempt).mul_f64(fastrand::f64())).await;
            attempt += 1;
        }
    }

    async fn attempt(
        &self,
        endpoint: &Endpoint,
        body: &SecretString,
        by: Option<&Credentials>,
    ) -> Result<Response<Bytes>, Error> {
        let request = Request::post(format!("{}/", endpoint.url))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded; charset=utf-8");
        let body = Bytes::copy_from_slice(body.expose_secret().as_bytes());
        let mut request = request.body(body).map_err(Error::Request)?;
        if let Some(by) = by {
            let time = self.clock.now().unwrap_or_else(|| self.machine.now());
            let scope = sigv4::Scope::new(endpoint.signing_region.clone(), "sts");
            let signed = sigv4::Signer::new(scope).sign(&request, by, time).map_err(Error::Sign)?;
            signed.apply(request.headers_mut());
        }
        let answer = self.transport.send(request).await.map_err(Error::Transport)?;
        // What Route 53 itself says about time outweighs it.
        self.clock.observe(answer.headers(), Authority::Metadata);
        if answer.status().is_success() {
            return Ok(answer);
        }
        Err(Error::Service(ServiceError::read(&answer)))
    }
}

fn form(action: &str, role: &Role, more: &[(&str, Option<&str>)]) -> SecretString {
    let session_name = role.session_name.as_deref().unwrap_or(SESSION_NAME);
    let duration = role.duration.map(|seconds| seconds.to_string());
    let fixed = [
        ("Action", Some(action)),
        ("Version", Some(VERSION)),
        ("RoleArn", Some(&*role.arn)),
        ("RoleSessionName", Some(session_name)),
        ("DurationSeconds", duration.as_deref()),
    ];
    let given = fixed.iter().chain(more).filter_map(|(name, value)| Some((*name, (*value)?)));
    let pairs: Vec<String> = given.map(|(name, value)| format!("{name}={}", query_text(value))).collect();
    SecretString::from(pairs.join("&"))
}

/// `text` as the value in a query or a form, in the one spelling that every signer agrees on.
pub fn query_text(text: &str) -> impl std::fmt::Display {
    const KEPT: percent_encoding::AsciiSet =
        percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    percent_encoding::utf8_percent_encode(text, &KEPT)
}

fn read(answer: &Response<Bytes>, root: &'static str, result: &'static str) -> Result<Session, Error> {
    // The answer holds secrets, and what the reader says may quote it.
    let unreadable = |_: XmlError| Error::Unreadable("XML");
    let mut cursor = Cursor::within(answer.body(), root).map_err(unreadable)?;
    let (mut id, mut secret, mut token, mut expires) = (None, None, None, None);
    let mut path = Vec::new();
    loop {
        match cursor.child().map_err(unreadable)? {
            None if path.pop().is_none() => break,
            None => {}
            Some(name) if name == result || name == "Credentials" => path.push(name),
            Some(name) if path.last().is_some_and(|parent| parent == "Credentials") => {
                let text = cursor.text().map_err(unreadable)?.trim().to_owned();
                match name.as_str() {
                    "AccessKeyId" => id = Some(text),
                    "SecretAccessKey" => secret = Some(text),
                    "SessionToken" => token = Some(text),
                    "Expiration" => expires = text.parse().ok(),
                    _ => {}
                }
            }
            Some(_) => cursor.skip().map_err(unreadable)?,
        }
    }
    match (id, secret, token, expires) {
        (Some(id), Some(secret), Some(token), Some(expires)) if !id.is_empty() && !secret.is_empty() => {
            Ok(Session { credentials: Credentials::new(id, secret).with_token(token), expires })
        }
        _ => Err(Error::Unreadable("credentials with a session token and their end")),
    }
}

fn read_identity(answer: &Response<Bytes>) -> Result<String, Error> {
    let unreadable = |_: XmlError| Error::Unreadable("XML");
    let mut cursor = Cursor::within(answer.body(), "GetCallerIdentityResponse").map_err(unreadable)?;
    let mut inside = false;
    loop {
        match cursor.child().map_err(unreadable)?.as_deref() {
            None if inside => inside = false,
            None => return Err(Error::Unreadable("the ARN of an identity")),
            Some("GetCallerIdentityResult") if !inside => inside = true,
            Some("Arn") if inside => {
                return cursor.text().map(|arn| arn.trim().to_owned()).map_err(unreadable);
            }
            Some(_) => cursor.skip().map_err(unreadable)?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &str) -> Response<Bytes> {
        Response::new(Bytes::copy_from_slice(body.as_bytes()))
    }

    fn read_role(body: &str) -> Result<Session, Error> {
        read(&answer(body), "AssumeRoleResponse", "AssumeRoleResult")
    }

    const ANSWER: &str = "<AssumeRoleResponse xmlns='https://sts.amazonaws.com/doc/2011-06-15/'><AssumeRoleResult>\
        <AssumedRoleUser><Arn>a</Arn></AssumedRoleUser><Credentials><AccessKeyId>ASIA</AccessKeyId>\
        <SecretAccessKey>sentinel</SecretAccessKey><SessionToken>t</SessionToken>\
        <Expiration>2026-11-21T11:00:00Z</Expiration></Credentials></AssumeRoleResult>\
        <ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></AssumeRoleResponse>";

    #[test]
    fn an_answer_gives_credentials_with_their_end() {
        let session = read_role(ANSWER).unwrap();
        assert_eq!(session.credentials.key_id, "ASIA");
        assert_eq!(session.expires.to_string(), "2026-11-21T11:00:00Z");
    }

    #[test]
    fn an_answer_that_is_cut_or_lacks_something_is_none_and_isnt_quoted() {
        let cut = &ANSWER[..ANSWER.len() / 2 + 40];
        assert!(cut.contains("sentinel"));
        let lacking = ANSWER.replace("SessionToken", "Other");
        for wrong in [cut, &lacking, "sentinel", "{\"SecretAccessKey\":\"sentinel\"}", ""] {
            let error = read_role(wrong).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("sentinel"), "{error}");
            assert!(error.is_transient());
        }
    }

    #[test]
    fn an_identity_is_its_arn() {
        let body = "<GetCallerIdentityResponse><GetCallerIdentityResult><UserId>u</UserId><Arn> arn:aws:iam::1:user/a\
            </Arn></GetCallerIdentityResult></GetCallerIdentityResponse>";
        assert_eq!(read_identity(&answer(body)).unwrap(), "arn:aws:iam::1:user/a");
        for wrong in [&body[..60], &body.replace("Arn", "Other"), "", "<html></html>"] {
            assert!(read_identity(&answer(wrong)).unwrap_err().is_transient(), "{wrong}");
        }
    }

    #[test]
    fn a_form_is_spelt_as_sts_reads_it() {
        let role = Role {
            arn: "arn:aws:iam::1:role/a b".to_owned(),
            session_name: None,
            external_id: Some("x&y=é".to_owned()),
            duration: Some(900),
        };
        let form = form("AssumeRole", &role, &[("ExternalId", role.external_id.as_deref()), ("Other", None)]);
        assert_eq!(
            form.expose_secret(),
            "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fa%20b\
             &RoleSessionName=pin53&DurationSeconds=900&ExternalId=x%26y%3D%C3%A9"
        );
    }
}
