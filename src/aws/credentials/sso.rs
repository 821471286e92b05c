//! Credentials of IAM Identity Center, for the token that `aws sso login` has left (`sso_token`).
//!
//! Spec: <https://docs.aws.amazon.com/sdkref/latest/guide/feature-sso-credentials.html>

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use serde::Deserialize;

use super::plan::Sso;
use super::resolve::Asking;
use super::sso_token::token;
use super::{Error, Loaded, Origin, Part, pair};
use crate::aws::shared::Service;
use crate::aws::sts::query_text;
use crate::clock::{Authority, Timestamp};
use crate::secret::ExposeSecret;

const TOKEN: HeaderName = HeaderName::from_static("x-amz-sso_bearer_token");
const ATTEMPTS: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(500);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    role_credentials: RoleCredentials,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RoleCredentials {
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    /// In milliseconds since 1970.
    expiration: i64,
}

pub(super) async fn load(sso: &Sso, asking: &Asking<'_>) -> Result<Loaded, Error> {
    let token = token(sso, asking).await?;
    let endpoint = asking.endpoint(Service::Sso, Some(&sso.region)).await?;
    let uri = format!(
        "{}/federation/credentials?role_name={}&account_id={}",
        endpoint.url,
        query_text(&sso.role_name),
        query_text(&sso.account_id)
    );
    let what = || format!("{}: the role {} of account {}", sso.by, sso.role_name, sso.account_id);
    let mut value = HeaderValue::from_str(token.expose_secret())
        .map_err(|_| Error::broken(what(), "expected a token that can be in a header"))?;
    value.set_sensitive(true);
    let mut attempt = 1;
    loop {
        let request = Request::get(&uri).header(TOKEN, value.clone()).body(Bytes::new());
        let request = request.map_err(|error| Error::broken(what(), error.to_string()))?;
        let error = match asking.to_sts.send(request).await {
            Ok(answer) => {
                asking.clock.observe(answer.headers(), Authority::Metadata);
                match understand(sso, &what(), &answer) {
                    Err(error) if error.is_silence() => error,
                    settled => return settled,
                }
            }
            Err(error) if error.is_transient() => Error::unanswered(what(), error),
            Err(error) => return Err(Error::unanswered(what(), error)),
        };
        if attempt == ATTEMPTS {
            return Err(error);
        }
        tokio::time::sleep(FIRST_PAUSE.saturating_mul(1 << attempt).mul_f64(fastrand::f64())).await;
        attempt += 1;
    }
}

fn understand(sso: &Sso, what: &str, answer: &Response<Bytes>) -> Result<Loaded, Error> {
    let status = answer.status();
    match status.as_u16() {
        200 => {}
        401 => {
            let fault =
                format!("IAM Identity Center doesn't take the SSO token any more: run `{}`", sso.login);
            return Err(Error::refused(what, fault));
        }
        429 | 500.. => return Err(Error::unanswered(what, Unanswered(status.as_u16()))),
        status => return Err(Error::refused(what, Unanswered(status).to_string())),
    }
    let unreadable = || Error::unanswered(what, NotUnderstood { expected: "roleCredentials" });
    let parsed: Answer = serde_json::from_slice(answer.body()).map_err(|_| unreadable())?;
    let role = parsed.role_credentials;
    let token = role.session_token.as_deref();
    let credentials = pair(&role.access_key_id, &role.secret_access_key, token, |part| {
        let part = match part {
            Part::KeyId => "accessKeyId",
            Part::Secret => "secretAccessKey",
            Part::Token => "sessionToken",
        };
        format!("{what}: {part} of the answer")
    })?;
    let expires = Timestamp::from_millisecond(role.expiration).map_err(|_| unreadable())?;
    Ok(Loaded { credentials, expires: Some(expires), origin: Origin::Sso })
}

#[derive(Debug, thiserror::Error)]
#[error("IAM Identity Center answered with status {0}")]
pub(super) struct Unanswered(pub(super) u16);

#[derive(Debug, thiserror::Error)]
#[error("the answer of IAM Identity Center can't be read: expected JSON with {expected}")]
pub(super) struct NotUnderstood {
    pub(super) expected: &'static str,
}
