//! Credentials: where they come from, and how long they are good for.
//!
//! The chain asks one provider after the other, in the order of AWS's own tools. One that isn't configured
//! goes on to the next; one that is configured but broken stops, so that no request is ever made as
//! somebody else. Expiry is judged by Amazon's time.
//!
//! | file | asks |
//! |---|---|
//! | `environment` | `AWS_ACCESS_KEY_ID` and what goes with it |
//! | `plan` | the profile files, for where credentials come from and which roles are assumed |
//! | `web_identity`, `sso`, `sso_token`, `process` | what a profile, or variables, lead to |
//! | `container` | ECS, Fargate, EKS Pod Identity |
//! | `instance_role` | the metadata service |
//! | `resolve` | all of them, in their order |

pub mod container;
mod environment;
mod error;
mod instance_role;
mod plan;
mod process;
mod resolve;
mod sso;
mod sso_token;
mod web_identity;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::SignedDuration;

use crate::aws::shared::Shared;
use crate::aws::sts::Role;
use crate::clock::{Clock, ServerClock, Timestamp};
use crate::imds::Imds;
use crate::secret::Credentials;
use crate::state::State;
use crate::transport::Transport;
pub use error::{Cause, Error};
use resolve::Asking;

/// Temporary credentials are replaced when less than this is left of them. The metadata service
/// has new ones ready five minutes before the old ones end.
const RENEW_AHEAD: SignedDuration = SignedDuration::from_mins(4);
/// When renewing fails while the old ones last, it is tried again after this.
const RETRY: SignedDuration = SignedDuration::from_secs(30);
/// Credentials that a metadata service gives although they (nearly) have ended are used for this long, and a
/// random part of [`JITTER`], before it is asked again: AWS takes them on while it can't renew them.
const EXTENSION: SignedDuration = SignedDuration::from_mins(5);
const JITTER: SignedDuration = SignedDuration::from_mins(5);

/// Which kind of provider credentials are from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    Environment,
    Profile,
    Sts,
    Sso,
    Process,
    Container,
    InstanceRole,
}

impl Origin {
    /// Whether what it gives is to be used even when it seems to have ended: it is AWS's own word.
    fn is_metadata(self) -> bool {
        matches!(self, Self::Container | Self::InstanceRole)
    }
}

/// Credentials with their end.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub credentials: Credentials,
    /// When they stop being accepted; `None` for long-lived ones.
    pub expires: Option<Timestamp>,
    pub origin: Origin,
}

/// What the chain is made of.
pub struct Parts {
    pub shared: Arc<Shared>,
    /// A role of pin53's own configuration, assumed with what the providers give.
    pub assume_role: Option<Role>,
    pub imds: Arc<Imds>,
    pub clock: Arc<ServerClock>,
    /// Asked only while no answer has told the time.
    pub machine: Arc<dyn Clock>,
    pub state: Arc<State>,
    /// To STS and to IAM Identity Center.
    pub to_sts: Arc<dyn Transport>,
    /// To a container's neighbour: never through a proxy.
    pub to_container: Arc<dyn Transport>,
}

/// Gives credentials, fetched when needed and kept while they are good.
pub struct Chain {
    parts: Parts,
    kept: Mutex<Cache>,
    /// Held by the one that fetches.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Cache {
    kept: Option<Kept>,
    /// Fetches that have failed, and what the last one ended with: for those who waited for it.
    failures: u64,
    last: Option<Error>,
    /// When those that a metadata service gives have ended or are about to.
    stale: Option<Timestamp>,
}

struct Kept {
    loaded: Loaded,
    /// When they are to be replaced.
    renew_at: Option<Timestamp>,
}

/// How good the credentials at hand are.
enum Standing {
    Good(Credentials),
    /// To be replaced, and of use as long as that takes.
    Due(Credentials),
    None,
}

impl Chain {
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self { parts, kept: Mutex::default(), fetching: tokio::sync::Mutex::default() }
    }

    /// Credentials with some life left in them. When renewing fails, the ones at hand are given
    /// as long as they last.
    ///
    /// # Errors
    /// When no provider has any, one is broken, refuses, or can't be asked.
    pub async fn get(&self) -> Result<Credentials, Error> {
        let failures = self.cache().failures;
        let fetching = match self.standing() {
            Standing::Good(credentials) => return Ok(credentials),
            // One renews, and nobody waits for it.
            Standing::Due(credentials) => match self.fetching.try_lock() {
                Ok(fetching) => fetching,
                Err(_) => return Ok(credentials),
            },
            Standing::None => self.fetching.lock().await,
        };
        // Somebody else may have been faster.
        if let Standing::Good(credentials) = self.standing() {
            return Ok(credentials);
        }
        if let (Some(error), true) = {
            let cache = self.cache();
            (cache.last.clone(), cache.failures != failures)
        } {
            return Err(error);
        }
        let fetched = self.fetch().await;
        drop(fetching);
        fetched
    }

    async fn fetch(&self) -> Result<Credentials, Error> {
        match self.load().await {
            Ok(loaded) => {
                let credentials = loaded.credentials.clone();
                self.keep(loaded);
                Ok(credentials)
            }
            Err(error) => {
                let now = self.parts.clock.now();
                let mut cache = self.cache();
                if let (Some(kept), Some(now)) = (cache.kept.as_mut(), now) {
                    let lasts = kept.loaded.expires.is_none_or(|expires| now < expires);
                    if lasts || (kept.loaded.origin.is_metadata() && error.is_silence()) {
                        tracing::debug!(%error, "credentials not renewed yet");
                        kept.renew_at = now.checked_add(RETRY).ok();
                        return Ok(kept.loaded.credentials.clone());
                    }
                }
                cache.failures += 1;
                cache.last = Some(error.clone());
                Err(error)
            }
        }
    }

    /// Whether the credentials at hand are of the instance's role.
    #[must_use]
    pub fn is_of_instance(&self) -> bool {
        self.cache().kept.as_ref().is_some_and(|kept| kept.loaded.origin == Origin::InstanceRole)
    }

    /// When the credentials at hand have ended or are about to, where a metadata service gave them all the same:
    /// they are used on, and asked for again in some minutes.
    #[must_use]
    pub fn stale_since(&self) -> Option<Timestamp> {
        self.cache().stale
    }

    /// Where the credentials at hand are from, and when they stop being accepted, if they do.
    #[must_use]
    pub fn kept(&self) -> Option<(Origin, Option<Timestamp>)> {
        self.cache().kept.as_ref().map(|kept| (kept.loaded.origin, kept.loaded.expires))
    }

    /// Drops credentials that the service has refused, unless they were replaced meanwhile.
    pub async fn refused(&self, credentials: &Credentials) {
        // Whoever is fetching may be about to replace them.
        let _fetching = self.fetching.lock().await;
        let mut cache = self.cache();
        if cache.kept.as_ref().is_some_and(|kept| kept.loaded.credentials.key_id == credentials.key_id) {
            cache.kept = None;
        }
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn standing(&self) -> Standing {
        let now = self.parts.clock.now();
        let cache = self.cache();
        let Some(kept) = &cache.kept else { return Standing::None };
        let credentials = kept.loaded.credentials.clone();
        let (Some(renew_at), Some(now)) = (kept.renew_at, now) else { return Standing::Good(credentials) };
        if now < renew_at {
            Standing::Good(credentials)
        } else if kept.loaded.expires.is_none_or(|expires| now < expires) {
            Standing::Due(credentials)
        } else {
            Standing::None
        }
    }

    /// The id of the key at hand, after it was read again where that costs no service anything: a role that
    /// is assumed has a new key each time. What can't be read leaves the one at hand.
    pub async fn look_again(&self) -> Option<String> {
        let _fetching = self.fetching.lock().await;
        let origin = self.cache().kept.as_ref().map(|kept| kept.loaded.origin);
        if !matches!(origin, Some(Origin::Sts | Origin::Sso | Origin::Process)) {
            match self.load().await {
                Ok(loaded) => self.keep(loaded),
                Err(error) => tracing::debug!(%error, "credentials not read again"),
            }
        }
        self.cache().kept.as_ref().map(|kept| kept.loaded.credentials.key_id.clone())
    }

    async fn load(&self) -> Result<Loaded, Error> {
        let Parts { shared, assume_role, imds, clock, machine, state, to_sts, to_container } = &self.parts;
        let shared = shared.reload()?;
        let asking = Asking { shared: &shared, imds, state, clock, machine, to_sts, to_container };
        let loaded = asking.resolve(assume_role.as_ref()).await?;
        let ended = |now| loaded.expires.is_some_and(|expires| expires <= now);
        if !loaded.origin.is_metadata() && clock.now().is_some_and(ended) {
            let what = match loaded.origin {
                Origin::Environment => "AWS_CREDENTIAL_EXPIRATION",
                Origin::Process => "credential_process",
                _ => "temporary credentials",
            };
            let expires = loaded.expires.map(|expires| expires.to_string()).unwrap_or_default();
            return Err(Error::refused(what, format!("the credentials have ended at {expires}")));
        }
        Ok(loaded)
    }

    fn keep(&self, loaded: Loaded) {
        let now = self.parts.clock.now();
        let mut stale = None;
        let renew_at = loaded.expires.and_then(|expires| {
            let ahead = expires.checked_sub(RENEW_AHEAD).ok();
            let Some(now) = now.filter(|now| ahead.is_none_or(|ahead| ahead <= *now)) else { return ahead };
            let left = expires.duration_since(now);
            let pause = if loaded.origin.is_metadata() {
                stale = Some(expires);
                EXTENSION.saturating_add(JITTER.mul_f64(fastrand::f64()))
            } else {
                (left / 2).max(SignedDuration::from_secs(1))
            };
            now.checked_add(pause).ok()
        });
        let mut cache = self.cache();
        cache.stale = stale;
        cache.kept = Some(Kept { loaded, renew_at });
    }
}

/// A part of credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    KeyId,
    Secret,
    Token,
}

/// Credentials of texts that can be in a header; `place` names a part in messages.
fn pair(
    id: &str,
    secret: &str,
    token: Option<&str>,
    place: impl Fn(Part) -> String,
) -> Result<Credentials, Error> {
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',') {
        return Err(Error::broken(place(Part::KeyId), "expected an access key id without spaces or commas"));
    }
    if secret.is_empty() || secret.contains(char::is_control) {
        return Err(Error::broken(place(Part::Secret), "expected a secret access key on one line"));
    }
    let credentials = Credentials::new(id, secret);
    match token.filter(|token| !token.is_empty()) {
        Some(token) if !token.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Err(Error::broken(place(Part::Token), "expected a session token without spaces"))
        }
        Some(token) => Ok(credentials.with_token(token)),
        None => Ok(credentials),
    }
}
