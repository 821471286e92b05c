//! Credentials of a role for a token of somebody else's: EKS service accounts, CI systems.
//!
//! The token's file is read at each renewal: whoever wrote it renews it too.
//!
//! Spec: <https://docs.aws.amazon.com/sdkref/latest/guide/feature-assume-role-credentials.html>

use super::plan::WebIdentity;
use super::{Error, Loaded, Origin, resolve::Asking, resolve::sts_error};
use crate::secret::SecretString;

pub(super) async fn load(identity: &WebIdentity, asking: &Asking<'_>) -> Result<Loaded, Error> {
    let path = identity.file.display();
    let text = std::fs::read_to_string(&identity.file)
        .map_err(|error| Error::broken(&identity.by, format!("could not read {path}: {error}")))?;
    let token = text.trim();
    if token.is_empty() {
        return Err(Error::broken(&identity.by, format!("expected a token in {path}, found an empty file")));
    }
    let (sts, endpoint) = asking.sts().await?;
    let token = SecretString::from(token);
    let session = sts.assume_role_with_web_identity(&endpoint, &identity.role, &token).await;
    let session = session.map_err(|error| sts_error(&identity.by, &identity.role, error))?;
    Ok(Loaded { credentials: session.credentials, expires: Some(session.expires), origin: Origin::Sts })
}
