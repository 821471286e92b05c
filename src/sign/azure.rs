//! Azure Storage Shared Key and Shared Key Lite, for Blob, Queue and File.
//!
//! Spec: <https://learn.microsoft.com/en-us/rest/api/storageservices/authorize-with-shared-key>

use std::time::Duration;

use super::{Error, Keys, Rejection, Signed};
use crate::clock::Timestamp;
use crate::secret::Credentials;

/// How much of a request is covered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    #[default]
    SharedKey,
    /// Fewer headers, and of the query `comp` alone.
    SharedKeyLite,
}

/// What a valid signature says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    pub account: String,
    pub signed_at: Timestamp,
    pub form: Form,
}

/// Signs a request: the key id of the credentials is the account, the secret its key in base64.
///
/// # Errors
/// When the key isn't base64, or a header can't be signed.
pub fn sign<B: AsRef<[u8]>>(
    _request: &http::Request<B>,
    _credentials: &Credentials,
    _form: Form,
    _time: Timestamp,
) -> Result<Signed, Error> {
    Err(Error::KeyNotBase64)
}

/// Checks the signature of a request, of either form.
///
/// # Errors
/// Why the request isn't accepted: see [`Rejection`].
pub fn verify<B: AsRef<[u8]>>(
    _request: &http::Request<B>,
    _keys: Keys<'_>,
    _now: Timestamp,
    _window: Duration,
) -> Result<Verified, Rejection> {
    Err(Rejection::NotSigned("Authorization"))
}
