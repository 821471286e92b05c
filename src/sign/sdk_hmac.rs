//! SDK-HMAC-SHA256, as API gateways of Huawei Cloud sign calls, and calls to a backend.
//!
//! Spec: <https://support.huaweicloud.com/intl/en-us/devg-apisign/api-sign-algorithm.html>

use std::time::Duration;

use super::{Error, Keys, Rejection, Signed};
use crate::clock::Timestamp;
use crate::secret::Credentials;

/// What a valid signature says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    pub key_id: String,
    pub signed_at: Timestamp,
    /// Whether the body is covered.
    pub payload_signed: bool,
}

/// Signs a request: its method, path, query, host, every header, and its body.
///
/// # Errors
/// When the credentials can't stand in a header, or a header can't be signed.
pub fn sign<B: AsRef<[u8]>>(
    _request: &http::Request<B>,
    _credentials: &Credentials,
    _time: Timestamp,
) -> Result<Signed, Error> {
    Err(Error::NoHost)
}

/// Checks the signature of a request over the headers that it names as signed.
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
