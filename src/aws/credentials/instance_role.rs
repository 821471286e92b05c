//! Credentials of the instance's role, from the metadata service.
//!
//! Spec: <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html>

use std::sync::Arc;

use serde::Deserialize;

use super::{Error, Loaded, Origin, Part, pair};
use crate::clock::Timestamp;
use crate::imds::{self, Imds};
use crate::state::State;

const ROLES: &str = "iam/security-credentials/";
const WHOSE: &str = "the instance's role";

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

/// Asks for the role that is remembered, and for its name only where there is none or it has changed. Where
/// there is no role, says so in words.
pub(super) async fn load(imds: &Imds, state: &State) -> Result<Result<Loaded, String>, Error> {
    if let Some(role) = state.role().filter(|role| is_role_name(role)) {
        match read(imds, &role).await {
            Ok(Some(answer)) => return understand(&role, &answer).map(Ok),
            Ok(None) => state.set_role(None),
            Err(error) => return unread(error),
        }
    }
    let names = match imds.item(ROLES).await {
        Ok(names) => names,
        Err(error) => return unread(error),
    };
    let none = || Err(format!("{WHOSE}: the metadata service says that the instance has none"));
    let Some(names) = names else { return Ok(none()) };
    let role = names.lines().next().map_or("", str::trim);
    if !is_role_name(role) {
        let item = ROLES.to_owned();
        return unread(imds::Error::Unexpected { item, expected: "the name of a role" });
    }
    match read(imds, role).await {
        Ok(Some(answer)) => {
            let loaded = understand(role, &answer)?;
            state.set_role(Some(role));
            Ok(Ok(loaded))
        }
        Ok(None) => Ok(none()),
        Err(error) => unread(error),
    }
}

async fn read(imds: &Imds, role: &str) -> Result<Option<String>, imds::Error> {
    imds.item(&format!("{ROLES}{role}")).await
}

fn unread(error: imds::Error) -> Result<Result<Loaded, String>, Error> {
    match error {
        imds::Error::Disabled => Ok(Err(format!(
            "{WHOSE}: not asked, the metadata service is switched off by AWS_EC2_METADATA_DISABLED"
        ))),
        error => Err(Error::Metadata(Arc::new(error))),
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
    let unreadable = |_| {
        Error::Metadata(Arc::new(imds::Error::Unexpected {
            item: format!("{ROLES}{role}"),
            expected: "JSON",
        }))
    };
    let answer: Answer = serde_json::from_str(text).map_err(unreadable)?;
    match answer.code.as_deref() {
        None | Some("Success") => {}
        Some(code) => return Err(failed(code)),
    }
    let filled = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
    let (Some(id), Some(secret)) = (filled(answer.access_key_id), filled(answer.secret_access_key)) else {
        return Err(failed("the answer lacks AccessKeyId or SecretAccessKey"));
    };
    let credentials = pair(&id, &secret, filled(answer.token).as_deref(), |part| {
        let part = match part {
            Part::KeyId => "AccessKeyId",
            Part::Secret => "SecretAccessKey",
            Part::Token => "Token",
        };
        format!("{part} of the metadata service")
    })?;
    Ok(Loaded { credentials, expires: answer.expiration, origin: Origin::InstanceRole })
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
