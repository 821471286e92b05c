//! The schemes by their names, and one way to sign and to verify in any of them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use http::Request;

use super::Keys;
use crate::clock::Timestamp;
use crate::secret::Credentials;
use crate::sign::{self, Rejection, Signed, aws3, azure, sdk_hmac, sigv4};

/// How far a date may be off, with Route 53 and its schemes.
const ROUTE53_WINDOW: Duration = Duration::from_secs(5 * 60);
/// How far it may be off everywhere else.
const WINDOW: Duration = Duration::from_secs(15 * 60);

/// A way of signing, as the command line names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    Aws3Https,
    SigV4,
    SigV4Query,
    Azure,
    SdkHmac,
}

impl Scheme {
    pub const ALL: [Self; 5] = [Self::Aws3Https, Self::SigV4, Self::SigV4Query, Self::Azure, Self::SdkHmac];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Aws3Https => "aws3-https",
            Self::SigV4 => "sigv4",
            Self::SigV4Query => "sigv4-query",
            Self::Azure => "azure",
            Self::SdkHmac => "sdk-hmac",
        }
    }

    /// Whether AWS's own credentials are what signs.
    #[must_use]
    pub fn is_aws(self) -> bool {
        matches!(self, Self::Aws3Https | Self::SigV4 | Self::SigV4Query)
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A word is none of the schemes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected aws3-https, sigv4, sigv4-query, azure or sdk-hmac")]
pub struct SchemeError;

impl FromStr for Scheme {
    type Err = SchemeError;

    fn from_str(text: &str) -> Result<Self, SchemeError> {
        Self::ALL.into_iter().find(|scheme| scheme.name() == text).ok_or(SchemeError)
    }
}

/// Signs requests in one scheme, with what the scheme leaves open settled.
#[derive(Debug)]
pub enum Signer {
    Aws3Https(aws3::Algorithm),
    SigV4(sigv4::Signer),
    SigV4Query { signer: sigv4::Signer, expires: Duration },
    Azure(azure::Form),
    SdkHmac,
}

impl Signer {
    /// # Errors
    /// When the credentials or the request can't be signed with: see [`sign::Error`].
    pub fn sign(
        &self,
        request: &Request<Bytes>,
        credentials: &Credentials,
        time: Timestamp,
    ) -> Result<Signed, sign::Error> {
        match self {
            Self::Aws3Https(algorithm) => aws3::sign(request.headers(), credentials, *algorithm, time),
            Self::SigV4(signer) => signer.sign(request, credentials, time),
            Self::SigV4Query { signer, expires } => signer.presign(request, credentials, *expires, time),
            Self::Azure(form) => azure::sign(request, credentials, *form, time),
            Self::SdkHmac => sdk_hmac::sign(request, credentials, time),
        }
    }
}

/// What a valid signature says, in any scheme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The account, for Azure.
    pub key_id: String,
    pub signed_at: Timestamp,
}

/// Checks requests in one scheme.
#[derive(Debug)]
pub struct Verifier {
    pub scheme: Scheme,
    /// The one region that a SigV4 credential may be scoped to; any, where it is `None`.
    pub region: Option<String>,
    /// The same of the service.
    pub service: Option<String>,
    pub keys: Keys,
}

impl Verifier {
    /// # Errors
    /// Why the request isn't accepted: see [`Rejection`].
    pub fn verify(&self, request: &Request<Bytes>, now: Timestamp) -> Result<Verified, Rejection> {
        let keys = &|id: &str| self.keys.find(id);
        match self.scheme {
            Scheme::Aws3Https => {
                let verified = aws3::verify(request.headers(), keys, now, ROUTE53_WINDOW)?;
                Ok(Verified { key_id: verified.key_id, signed_at: verified.signed_at })
            }
            Scheme::SigV4 => {
                let verified = sigv4::verify(request, keys, now, WINDOW)?;
                if verified.scope.service == "route53" {
                    sign::check_window(verified.signed_at, now, ROUTE53_WINDOW)?;
                }
                self.scoped(verified)
            }
            Scheme::SigV4Query => self.scoped(sigv4::query::verify(request, keys, now, WINDOW)?),
            Scheme::Azure => {
                let verified = azure::verify(request, keys, now, WINDOW)?;
                Ok(Verified { key_id: verified.account, signed_at: verified.signed_at })
            }
            Scheme::SdkHmac => {
                let verified = sdk_hmac::verify(request, keys, now, WINDOW)?;
                Ok(Verified { key_id: verified.key_id, signed_at: verified.signed_at })
            }
        }
    }

    /// Holds a scope against the one that was asked for.
    fn scoped(&self, verified: sigv4::Verified) -> Result<Verified, Rejection> {
        let sigv4::Verified { key_id, signed_at, scope, .. } = verified;
        for (wanted, found) in [(&self.region, &scope.region), (&self.service, &scope.service)] {
            if let Some(wanted) = wanted.as_ref().filter(|wanted| *wanted != found) {
                return Err(Rejection::WrongScope { expected: wanted.clone(), found: found.clone() });
            }
        }
        Ok(Verified { key_id, signed_at })
    }
}
