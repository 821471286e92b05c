//! Puts together what AWS is reached with: its variables and profile files, the metadata client, and the
//! credential chain.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::{Exit, Failure};
use crate::aws::credentials::{self, Chain, container};
use crate::aws::shared::Shared;
use crate::aws::sts;
use crate::clock::{ServerClock, SystemClock};
use crate::config;
use crate::env::Env;
use crate::imds::{self, Imds};
use crate::state::State;
use crate::transport::{HttpClient, Meter, Naming, OnDemand, Tally, Transport, TrustedRoots};

/// What AWS is reached with.
pub(super) struct Access {
    pub shared: Arc<Shared>,
    pub roots: TrustedRoots,
    pub clock: Arc<ServerClock>,
    pub imds: Arc<Imds>,
    pub credentials: Arc<Chain>,
    /// Counts the requests of every transport.
    pub requests: Arc<AtomicU64>,
}

/// A setting of AWS's can't be used.
#[derive(Debug, thiserror::Error)]
#[error("{by}")]
struct Setting<E: std::error::Error + 'static> {
    by: String,
    #[source]
    source: E,
}

fn wrong(error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    Failure::new(Exit::Misconfigured, error)
}

impl Access {
    /// # Errors
    /// When one of AWS's variables or files, or what it names, can't be used.
    pub(super) fn new(settings: &config::Aws, env: &Env, state: &Arc<State>) -> Result<Self, Failure> {
        Self::tallied(settings, env, state, &Arc::default())
    }

    /// With what becomes of its requests added to `tally`.
    ///
    /// # Errors
    /// As for [`Access::new`].
    pub(super) fn tallied(
        settings: &config::Aws,
        env: &Env,
        state: &Arc<State>,
        tally: &Arc<Tally>,
    ) -> Result<Self, Failure> {
        let shared = Shared::load(env, settings.profile.as_deref()).map_err(wrong)?;
        let property = |key: &str| shared.property(key).map(|said| (said.value, said.by));
        let metadata = imds::Settings::read(env, property).map_err(wrong)?;
        let roots = match shared.ca_bundle() {
            None => TrustedRoots::compiled_in(),
            Some(said) => TrustedRoots::from_bundle(&said.value)
                .map_err(|source| wrong(Setting { by: said.by, source }))?,
        };
        let requests = Arc::new(AtomicU64::new(0));
        let clock = Arc::new(ServerClock::default());
        let to_metadata = HttpClient::new(imds::TRANSPORT, &roots).map_err(wrong)?;
        let metered = |client: Arc<dyn Transport>, naming: Naming| {
            Arc::new(Meter::new(client, Arc::clone(&requests)).tallied(Arc::clone(tally), naming))
        };
        let to_metadata = metered(Arc::new(to_metadata), |request| match request.method().as_str() {
            "PUT" => "metadata-token",
            _ => "metadata",
        });
        let imds = Arc::new(Imds::new(metadata, to_metadata, Arc::clone(&clock)));
        let shared = Arc::new(shared);
        let on_demand =
            |bounds, naming: Naming| metered(Arc::new(OnDemand::new(bounds, roots.clone())), naming);
        let credentials = Chain::new(credentials::Parts {
            shared: Arc::clone(&shared),
            assume_role: settings.assume_role.clone(),
            imds: Arc::clone(&imds),
            clock: Arc::clone(&clock),
            machine: Arc::new(SystemClock),
            state: Arc::clone(state),
            to_sts: on_demand(sts::TRANSPORT, |_| "credentials"),
            to_container: on_demand(container::TRANSPORT, |_| "container-credentials"),
        });
        Ok(Self { shared, roots, clock, imds, credentials: Arc::new(credentials), requests })
    }
}
