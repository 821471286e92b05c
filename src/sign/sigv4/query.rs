//! Presigned URLs: the signature in the query, for whoever is handed the URL.
//!
//! Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>

use std::time::Duration;

use super::{Signer, Verified};
use crate::clock::Timestamp;
use crate::secret::Credentials;
use crate::sign::{Error, Keys, Rejection, Signed};

/// The longest that a URL may be good for: seven days.
pub const MAX_EXPIRES: Duration = Duration::from_secs(7 * 24 * 60 * 60);

impl Signer {
    /// Signs the URL of a request, with its host and every header in it.
    ///
    /// # Errors
    /// As [`Signer::sign`], and when `expires` is no time or the URL is signed already.
    pub fn presign<B: AsRef<[u8]>>(
        &self,
        _request: &http::Request<B>,
        _credentials: &Credentials,
        expires: Duration,
        _time: Timestamp,
    ) -> Result<Signed, Error> {
        Err(Error::Expires { found: expires.as_secs() })
    }
}

/// Checks the signature in the query of a request.
///
/// # Errors
/// Why the request isn't accepted: see [`Rejection`].
pub fn verify<B: AsRef<[u8]>>(
    _request: &http::Request<B>,
    _keys: Keys<'_>,
    _now: Timestamp,
    _window: Duration,
) -> Result<Verified, Rejection> {
    Err(Rejection::NotSigned("query"))
}
