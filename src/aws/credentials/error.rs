//! Why there are no credentials.

use std::sync::Arc;

use crate::aws::profile;
use crate::causes::with_causes;
use crate::imds;

/// What lies below an error of the chain.
pub type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// Why there are no credentials. No message quotes a secret.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Somebody set a provider up, but not so that it can work.
    #[error("{what}: {fault}")]
    Broken { what: String, fault: String },
    /// A provider was asked, and gives none.
    #[error("{what}: {fault}")]
    Refused { what: String, fault: String },
    /// A provider could not be asked, or not understood, for now.
    #[error("{what}")]
    Unanswered {
        what: String,
        #[source]
        source: Cause,
    },
    #[error("no credentials: {}", .0.join("; "))]
    NotFound(Vec<String>),
    #[error("the instance role's credentials could not be read")]
    Metadata(#[source] Arc<imds::Error>),
    #[error("the metadata service has no credentials for role {role}: {code}")]
    Role { role: String, code: String },
}

impl Error {
    pub(super) fn broken(what: impl Into<String>, fault: impl Into<String>) -> Self {
        Self::Broken { what: what.into(), fault: fault.into() }
    }

    pub(super) fn refused(what: impl Into<String>, fault: impl Into<String>) -> Self {
        Self::Refused { what: what.into(), fault: fault.into() }
    }

    pub(super) fn unanswered(
        what: impl Into<String>,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Self::Unanswered { what: what.into(), source: Arc::new(source) }
    }

    /// Whether nobody could be asked, so that what is at hand may go on being used.
    pub(super) fn is_silence(&self) -> bool {
        matches!(self, Self::Unanswered { .. } | Self::Metadata(_))
    }
}

impl From<profile::Error> for Error {
    fn from(error: profile::Error) -> Self {
        Self::broken("the profile files", with_causes(&error))
    }
}
