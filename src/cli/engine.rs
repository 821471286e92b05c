//! Puts together, from settings and environment, what reconciles.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use tokio::signal::unix::{SignalKind, signal};

use super::access::Access;
use super::{Exit, Failure};
use crate::audit::Auditor;
use crate::aws::caller::Caller;
use crate::aws::credentials::Chain;
use crate::aws::locator::Locator;
use crate::aws::route53::{self, Client};
use crate::aws::shared::Shared;
use crate::aws::sts;
use crate::causes::with_causes;
use crate::clock::{ServerClock, SystemClock};
use crate::config::Settings;
use crate::env::Env;
use crate::imds::Imds;
use crate::notify;
use crate::reconcile::{self, Mode, Reconciler};
use crate::report::{self, Class, Round};
use crate::source::{self, Sources};
use crate::state::State;
use crate::transport::{self, HttpClient, Meter, Naming, OnDemand, Sockets, Tally, Transport};

/// What reconciles, and by itself what it is made of.
pub(super) struct Parts {
    pub reconcile: reconcile::Parts,
    pub shared: Arc<Shared>,
    pub imds: Arc<Imds>,
    pub credentials: Arc<Chain>,
    pub clock: Arc<ServerClock>,
    pub to_sts: Arc<dyn Transport>,
    /// What notifications leave by: in the clear, and over TLS.
    pub to_listeners: [Arc<dyn Transport>; 2],
}

/// A reconciler for these settings, whose calls are attempted again for as long as `patience`, with its connection to Route 53 being opened already: by the
/// time the metadata is read, its handshakes are over.
///
/// # Errors
/// When one of AWS's variables, or what it names, can't be used.
pub(super) fn reconciler(
    settings: &Settings,
    env: &Env,
    mode: Mode,
    patience: Duration,
) -> Result<Reconciler, Failure> {
    with_outside(settings, env, mode, patience, &Arc::default()).map(|(reconciler, _)| reconciler)
}

/// The same, with what notifications leave by, and with what becomes of its requests added to `tally`.
///
/// # Errors
/// As for [`reconciler`].
pub(super) fn with_outside(
    settings: &Settings,
    env: &Env,
    mode: Mode,
    patience: Duration,
    tally: &Arc<Tally>,
) -> Result<(Reconciler, notify::Outside), Failure> {
    let state = Arc::new(match &settings.state_dir {
        Some(directory) => {
            let (state, error) = State::load(directory);
            if let Some(error) = error {
                tracing::warn!("{}", with_causes(&error));
            }
            state
        }
        None => State::in_memory(),
    });
    let parts = parts(settings, env, Arc::clone(&state), patience, tally)?;
    let [plain, over_tls] = parts.to_listeners;
    let outside = notify::Outside {
        env: env.clone(),
        over_tls: Arc::clone(&over_tls),
        plain: Arc::clone(&plain),
        aws: Caller {
            shared: parts.shared,
            imds: parts.imds,
            state,
            credentials: parts.credentials,
            clock: Arc::clone(&parts.clock),
            machine: Arc::new(SystemClock),
            over_tls,
            plain,
        },
        clock: parts.clock,
        machine: Arc::new(SystemClock),
    };
    Ok((Reconciler::new(reconcile::Parts { mode, ..parts.reconcile }), outside))
}

/// The parts of a reconciler that only says, for these settings and this memory.
///
/// # Errors
/// As for [`reconciler`].
pub(super) fn parts(
    settings: &Settings,
    env: &Env,
    state: Arc<State>,
    patience: Duration,
    tally: &Arc<Tally>,
) -> Result<Parts, Failure> {
    let wrong = |error: Box<dyn std::error::Error + Send + Sync>| Failure::new(Exit::Misconfigured, error);
    let Access { shared, roots, clock, imds, credentials, requests } =
        Access::tallied(&settings.aws, env, &state, tally)?;
    let locator = Locator::new(Arc::clone(&shared), Arc::clone(&imds), Arc::clone(&state));
    let locator = locator.map_err(|error| wrong(error.into()))?;
    let endpoint = locator.likely().clone();

    // Who is patient waits longer for an answer too.
    let timeout = route53::TRANSPORT.timeout.min(patience.saturating_add(Duration::from_secs(1)));
    let bounds = transport::Settings { proxy: endpoint.is_tls(), timeout, ..route53::TRANSPORT };
    let to_route53 = HttpClient::new(bounds, &roots).map_err(|error| wrong(error.into()))?;
    let to_route53 = Arc::new(to_route53);
    let metered = |client: Arc<dyn Transport>, naming: Naming| {
        Arc::new(Meter::new(client, Arc::clone(&requests)).tallied(Arc::clone(tally), naming))
    };
    let client = Client::new(route53::Parts {
        transport: metered(Arc::<HttpClient>::clone(&to_route53), route53::operation),
        locator,
        credentials: Arc::clone(&credentials),
        clock: Arc::clone(&clock),
        machine: Arc::new(SystemClock),
        state: Arc::clone(&state),
        signing: settings.aws.signing,
        patience,
    });
    let client = Arc::new(client.map_err(|error| wrong(error.into()))?);
    let auditor = Auditor::new(settings.audit.clone(), Arc::new(Sockets), Arc::clone(&client));
    if let Ok(uri) = endpoint.url.parse::<Uri>() {
        tokio::spawn(async move { to_route53.preconnect(&uri).await });
    }
    let to_others = |bounds, naming: Naming| metered(Arc::new(OnDemand::new(bounds, roots.clone())), naming);
    let sources = Sources::new(source::Parts {
        metadata: Arc::clone(&imds),
        http: to_others(source::HTTP_TRANSPORT, |_| "source-http"),
        ecs: to_others(source::ECS_TRANSPORT, |_| "source-ecs"),
        datagrams: Arc::new(Sockets),
        env: env.clone(),
    });
    let to_sts = to_others(sts::TRANSPORT, |_| "sts");
    let to_listeners = [false, true].map(|proxy| -> Arc<dyn Transport> {
        Arc::new(OnDemand::new(transport::Settings { proxy, ..notify::TRANSPORT }, roots.clone()))
    });
    let rules = settings.rules.clone();
    let reconcile = reconcile::Parts { rules, sources, client, auditor, state, requests, mode: Mode::Say };
    Ok(Parts { reconcile, shared, imds, credentials, clock, to_sts, to_listeners })
}

/// Resolves at the first SIGTERM or SIGINT.
///
/// # Errors
/// When the operating system doesn't let us listen for them.
pub(super) fn stop_signal() -> Result<impl Future<Output = ()> + Unpin, Failure> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::start)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::start)?;
    Ok(Box::pin(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }))
}

/// Prints a round, and tells what to end with.
///
/// # Errors
/// When standard output can't be written to.
pub(super) fn show(
    round: &Round,
    json: bool,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<Exit, Failure> {
    let printed = if json {
        report::json(round).map_err(io::Error::from).and_then(|text| writeln!(out, "{text}"))
    } else {
        round.entries.iter().try_for_each(|entry| writeln!(out, "{}", report::line(entry)))
    };
    printed.map_err(Failure::output)?;
    let mut hints: Vec<&str> = round.entries.iter().filter_map(|entry| entry.hint.as_deref()).collect();
    hints.dedup();
    for hint in hints {
        // Whoever closed standard error doesn't want to know; the status tells all the same.
        let _ = writeln!(err, "hint: {hint}");
    }
    Ok(exit_of(round.class()))
}

/// The status that a class of outcomes ends with.
pub(super) fn exit_of(class: Class) -> Exit {
    match class {
        Class::Fine => Exit::Ok,
        Class::Other => Exit::Failure,
        Class::TryAgain => Exit::TryAgain,
        Class::Refused => Exit::Refused,
        Class::NotPermitted => Exit::NotPermitted,
        Class::Misconfigured => Exit::Misconfigured,
    }
}
