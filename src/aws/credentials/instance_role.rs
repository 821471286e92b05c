//! Credentials of the instance's role, from the metadata service.
//!
//! Spec: <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html>

use serde::Deserialize;

use super::{Error, Loaded};
use crate::clock::Timestamp;
use crate::imds::{self, Imds};
use crate::secret::Credentials;
use crate::state::State;

const ROLES: &str = "iam/security-credentials/";

/// What the service answers. A status of 200 may still carry a failure in `Code`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    code: Option<String>,
    access_key_id: Option<String>,
    secret_access_key: Option<String>,
    token: Option<String>,
    expiration: Option<Timestamp>,
}

/// Asks for the role that is remembered, and for its name only where there is none or it has changed.
pub(super) async fn load(imds: &Imds, state: &State) -> Result<Loaded, Error> {
    if let Some(role) = state.role().filter(|role| is_role_name(role)) {
        if let Some(answer) = read(imds, &role).await? {
            return understand(&role, &answer);
        }
        state.set_role(None);
    }
    let names = imds.item(ROLES).await.map_err(unread)?;
    let none = || not_found("the instance's role: the metadata service says that the instance has none");
    let names = names.ok_or_else(none)?;
    let role = names.lines().next().map_or("", str::trim);
    if !is_role_name(role) {
        let item = ROLES.to_owned();
        return Err(Error::Metadata(imds::Error::Unexpected { item, expected: "the name of a role" }));
    }
    let answer = read(imds, role).await?.ok_or_else(none)?;
    let loaded = understand(role, &answer)?;
    state.set_role(Some(role));
    Ok(loaded)
}

fn not_found(role: &str) -> Error {
    Error::NotFound(vec!["the environment: AWS_ACCESS_KEY_ID is not set".to_owned(), role.to_owned()])
}

async fn read(imds: &Imds, role: &str) -> Result<Option<String>, Error> {
    imds.item(&format!("{ROLES}{role}")).await.map_err(unread)
}

fn unread(error: imds::Error) -> Error {
    match error {
        imds::Error::Disabled => not_found(
            "the instance's role: not asked, the metadata service is switched off by AWS_EC2_METADATA_DISABLED",
        ),
        error => Error::Metadata(error),
    }
}

/// IAM's own rule for role names, so that what is put into the next path is one.
fn is_role_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"+=,.@-_".contains(&b))
}

fn understand(role: &str, text: &str) -> Result<Loaded, Error> {
    let failed = |code: &str| Error::Role { role: role.to_owned(), code: code.to_owned() };
    // The text holds secrets: serde's own message, which may quote it, stays out of the error.
    let unreadable =
        |_| Error::Metadata(imds::Error::Unexpected { item: format!("{ROLES}{role}"), expected: "JSON" });
    let answer: Answer = serde_json::from_str(text).map_err(unreadable)?;
    match answer.code.as_deref() {
        None | Some("Success") => {}
        Some(code) => return Err(failed(code)),
    }
    let filled = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
    let (Some(id), Some(secret)) = (filled(answer.access_key_id), filled(answer.secret_access_key)) else {
        return Err(failed("the answer lacks AccessKeyId or SecretAccessKey"));
    };
    let credentials = Credentials::new(id, secret);
    let credentials = match filled(answer.token) {
        Some(token) => credentials.with_token(token),
        None => credentials,
    };
    Ok(Loaded { credentials, expires: answer.expiration })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_success_gives_credentials_with_their_end() {
        let text = r#"{"Code":"Success","LastUpdated":"2026-11-21T10:00:00Z","Type":"AWS-HMAC","AccessKeyId":"ASIA",
            "SecretAccessKey":"s","Token":"t","Expiration":"2026-11-21T16:00:00Z"}"#;
        let loaded = understand("vpn", text).unwrap();
        assert_eq!(loaded.credentials.key_id, "ASIA");
        assert_eq!(loaded.expires.unwrap().to_string(), "2026-11-21T16:00:00Z");
    }

    #[test]
    fn a_failure_inside_a_success_is_one_and_no_error_quotes_a_secret() {
        let refused =
            understand("vpn", r#"{"Code":"AssumeRoleUnauthorizedAccess"}"#).unwrap_err().to_string();
        assert!(refused.ends_with("AssumeRoleUnauthorizedAccess"), "{refused}");
        let cut = understand("vpn", r#"{"Code":"Success","SecretAccessKey":"sentinel"#).unwrap_err();
        assert!(!format!("{cut} {cut:?}").contains("sentinel"));
        assert!(understand("vpn", r#"{"Code":"Success","AccessKeyId":"ASIA"}"#).is_err());
    }

    #[test]
    fn a_role_name_is_one_path_segment() {
        assert!(is_role_name("my-role_1.x@y"));
        assert!(!is_role_name("../token"));
        assert!(!is_role_name("<html>"));
        assert!(!is_role_name(""));
    }
}
