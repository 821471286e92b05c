//! Credentials: where they come from, and how long they are good for.
//!
//! The chain asks one provider after the other. One that isn't configured goes on to the next;
//! one that is configured but broken stops, so that no request is ever made as somebody else.
//! Expiry is judged by Amazon's time.

mod environment;
mod instance_role;

use std::sync::Arc;

use jiff::SignedDuration;
use tokio::sync::Mutex;

use crate::clock::{ServerClock, Timestamp};
use crate::env::Env;
use crate::imds::{self, Imds};
use crate::secret::Credentials;
use crate::state::State;

/// Temporary credentials are replaced when less than this is left of them. The metadata service
/// has new ones ready five minutes before the old ones end.
const RENEW_AHEAD: SignedDuration = SignedDuration::from_mins(4);

/// Credentials with their end.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub credentials: Credentials,
    /// When they stop being accepted; `None` for long-lived ones.
    pub expires: Option<Timestamp>,
}

/// Why there are no credentials.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody set a provider up, but not to the end.
    #[error("{what}: {fault}")]
    Broken { what: String, fault: String },
    #[error("no credentials: {}", .0.join("; "))]
    NotFound(Vec<String>),
    #[error("the instance role's credentials could not be read")]
    Metadata(#[source] imds::Error),
    #[error("the metadata service has no credentials for role {role}: {code}")]
    Role { role: String, code: String },
}

/// Gives credentials, fetched when needed and kept while they are good.
pub struct Chain {
    env: Env,
    imds: Arc<Imds>,
    clock: Arc<ServerClock>,
    state: Arc<State>,
    kept: Mutex<Option<Loaded>>,
}

impl Chain {
    #[must_use]
    pub fn new(env: Env, imds: Arc<Imds>, clock: Arc<ServerClock>, state: Arc<State>) -> Self {
        Self { env, imds, clock, state, kept: Mutex::new(None) }
    }

    /// Credentials with some life left in them. When renewing fails, the ones at hand are given
    /// as long as they last.
    ///
    /// # Errors
    /// When no provider has any, one is broken, or the metadata service can't be read.
    pub async fn get(&self) -> Result<Credentials, Error> {
        let mut kept = self.kept.lock().await;
        let now = self.clock.now();
        let left = |loaded: &Loaded| match (loaded.expires, now) {
            (Some(expires), Some(now)) => Some(expires.duration_since(now)),
            _ => None,
        };
        if let Some(loaded) = kept.as_ref()
            && left(loaded).is_none_or(|left| left > RENEW_AHEAD)
        {
            return Ok(loaded.credentials.clone());
        }
        match (self.load().await, kept.as_ref()) {
            (Ok(loaded), _) => Ok(kept.insert(loaded).credentials.clone()),
            (Err(error), Some(old)) if left(old).is_some_and(|left| left.is_positive()) => {
                tracing::debug!(error = %error, "credentials not renewed yet");
                Ok(old.credentials.clone())
            }
            (Err(error), _) => Err(error),
        }
    }

    /// Drops credentials that the service has refused, unless they were replaced meanwhile.
    pub async fn refused(&self, credentials: &Credentials) {
        let mut kept = self.kept.lock().await;
        if kept.as_ref().is_some_and(|loaded| loaded.credentials.key_id == credentials.key_id) {
            *kept = None;
        }
    }

    async fn load(&self) -> Result<Loaded, Error> {
        if let Some(credentials) = environment::load(&self.env)? {
            return Ok(Loaded { credentials, expires: None });
        }
        instance_role::load(&self.imds, &self.state).await
    }
}
