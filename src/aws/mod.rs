//! AWS: its variables and profile files, credentials, endpoints, STS, the Route 53 API, and single calls of other
//! services.

pub mod caller;
pub mod credentials;
pub mod endpoint;
pub mod locator;
mod partition;
pub mod profile;
pub mod route53;
pub mod shared;
pub mod sts;

use std::str::FromStr;

pub use sts::query_text;

/// How requests to Route 53 are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum Signing {
    /// AWS3-HTTPS first, and SigV4 from then on where the service doesn't take it.
    #[default]
    Auto,
    Aws3Https,
    SigV4,
}

/// The partition that a region is in, as it stands in ARNs.
#[must_use]
pub fn partition_of(region: &str) -> &'static str {
    partition::Partition::of(region).name
}

/// A text names no way of signing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected auto, aws3-https or sigv4, found '{0}'")]
pub struct UnknownSigning(pub String);

impl FromStr for Signing {
    type Err = UnknownSigning;

    fn from_str(text: &str) -> Result<Self, UnknownSigning> {
        match text {
            "auto" => Ok(Self::Auto),
            "aws3-https" => Ok(Self::Aws3Https),
            "sigv4" => Ok(Self::SigV4),
            other => Err(UnknownSigning(other.to_owned())),
        }
    }
}
