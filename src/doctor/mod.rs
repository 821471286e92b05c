//! The examination: every step from the metadata service to a name that resolves, what was found there, and on a
//! failure why, and what mends it.
//!
//! It looks, and never writes: it plans with a reconciler that only says, on a memory that is kept nowhere. Each step
//! has its time, so that the whole ends within half a minute; what doesn't build on each other runs side by side, and a
//! step whose basis failed is passed over.
//!
//! | file | examines |
//! |---|---|
//! | `machine` | the metadata service, and the value of each record |
//! | `account` | credentials, whose they are, and the machine's clock |
//! | `service` | Route 53: the way there, the signature, zones, permissions |
//! | `public` | what DNS says: name servers, the parent zone, and who sees a private zone |
//! | `records` | what stands at each name, and what would be changed |
//! | `host` | the state directory, and systemd's units |
//!
//! Not here: how settings are read, and what goes to the terminal (`cli`).

mod account;
mod check;
mod host;
mod machine;
mod public;
mod records;
mod service;

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::audit;
use crate::aws::Signing;
use crate::aws::credentials::Chain;
use crate::aws::shared::Shared;
use crate::clock::{Clock, ServerClock};
use crate::desired::Rule;
use crate::imds::Imds;
use crate::reconcile::{self, Look, Mode, Reconciler};
use crate::state::State;
use crate::transport::{Datagrams, Transport};
pub use check::{Check, Findings, Status};
pub use host::Systemd;
pub use public::resolvers;

/// For how long a call of the API is attempted again. A throttled one isn't: the account's rate is others' too.
pub const PATIENCE: Duration = Duration::from_secs(3);
/// How long the steps may take. One after the other come credentials, the way to Route 53, zones, and records, in 26 s
/// at worst; sources are looked at meanwhile.
const CREDENTIALS: Duration = Duration::from_secs(8);
const WAY: Duration = Duration::from_secs(5);
const SOURCES: Duration = Duration::from_secs(11);
const STEP: Duration = Duration::from_secs(6);

/// What is examined, and with what.
pub struct Parts {
    /// With a [`State`] that lasts as long as the process.
    pub reconcile: reconcile::Parts,
    pub shared: Arc<Shared>,
    pub imds: Arc<Imds>,
    pub credentials: Arc<Chain>,
    pub clock: Arc<ServerClock>,
    /// The clock that is examined.
    pub machine: Arc<dyn Clock>,
    pub to_sts: Arc<dyn Transport>,
    pub datagrams: Arc<dyn Datagrams>,
    pub signing: Signing,
    pub audit: audit::Settings,
    /// Where the daemon keeps its state; `None` where there is no place for it.
    pub state_dir: Option<PathBuf>,
    /// The servers that this machine asks about names, in their order.
    pub resolvers: Vec<SocketAddr>,
    pub systemd: Systemd,
}

/// Everything at hand while it is examined.
struct Examiner {
    reconciler: Reconciler,
    state: Arc<State>,
    shared: Arc<Shared>,
    imds: Arc<Imds>,
    credentials: Arc<Chain>,
    clock: Arc<ServerClock>,
    machine: Arc<dyn Clock>,
    to_sts: Arc<dyn Transport>,
    datagrams: Arc<dyn Datagrams>,
    signing: Signing,
    audit: audit::Settings,
    resolvers: Vec<SocketAddr>,
}

/// Examines everything, and changes nothing.
pub async fn examine(parts: Parts) -> Findings {
    let Parts { reconcile, state_dir, systemd, .. } = parts;
    let examiner = Examiner {
        state: Arc::clone(&reconcile.state),
        reconciler: Reconciler::new(reconcile::Parts { mode: Mode::Say, ..reconcile }),
        shared: parts.shared,
        imds: parts.imds,
        credentials: parts.credentials,
        clock: parts.clock,
        machine: parts.machine,
        to_sts: parts.to_sts,
        datagrams: parts.datagrams,
        signing: parts.signing,
        audit: parts.audit,
        resolvers: parts.resolvers,
    };
    let mut findings = Box::pin(examiner.run()).await;
    findings.push(host::state(state_dir.as_deref()));
    findings.push(host::unit(&systemd).await);
    findings
}

impl Examiner {
    async fn run(&self) -> Findings {
        let mut findings = Findings::default();
        findings.push(self.configuration());
        findings.push(self.aws_settings());

        let account = async {
            let credentials = within(CREDENTIALS, self.credentials.get()).await;
            (credentials, within(WAY, self.reconciler.client().reach()).await)
        };
        let (metadata, looks, (credentials, way)) =
            tokio::join!(within(SOURCES, self.metadata()), within(SOURCES, self.reconciler.look()), account,);
        let metadata = self.metadata_check(metadata, credentials.as_ref());
        let metadata_fails = metadata.status == Status::Fail;
        let looks = looks.unwrap_or_else(|| self.unseen());
        findings.push(metadata);
        for (rule, look) in self.reconciler.rules().iter().zip(&looks) {
            findings.push(self.address_check(rule, look, metadata_fails).await);
        }
        let credentials_check = self.credentials_check(credentials.as_ref(), metadata_fails);
        let credentials = credentials.and_then(Result::ok);
        let endpoint_check = service::endpoint_check(way.as_ref());
        let way = way.and_then(Result::ok);

        let zones = async {
            match (&credentials, &way) {
                (Some(_), Some(_)) => self.zones(&looks).await,
                _ => Vec::new(),
            }
        };
        let identity = async {
            match &credentials {
                Some(credentials) => {
                    within(STEP, self.identity(credentials)).await.unwrap_or(account::Identity::Silent)
                }
                None => account::Identity::NotAsked("there are no credentials".to_owned()),
            }
        };
        let (identity, zones) = tokio::join!(identity, zones);
        let proof = service::proof(&zones);
        findings.push(credentials_check);
        let identity = account::identity_check(identity, proof == service::Proof::Accepted);
        let stranger = identity.status == Status::Fail;
        findings.push(identity);
        findings.push(self.clock_check());
        findings.push(endpoint_check);
        let signing = self.signing_check(way.as_ref(), credentials.is_some() && !stranger, &zones);
        let signed = matches!(signing.status, Status::Ok | Status::Warn);
        findings.push(signing);

        let (records, dns, may_follow) =
            tokio::join!(self.records(&looks, &zones), self.public_checks(&zones), async {
                if signed { within(STEP, self.may_follow()).await.flatten() } else { None }
            },);
        findings.extend(service::zone_checks(&zones, &looks, self.reconciler.rules(), signed));
        findings.extend(dns);
        findings.extend(records);
        findings.extend(service::permission_checks(&zones, may_follow.as_ref(), signed));
        findings
    }

    fn configuration(&self) -> Check {
        let records: Vec<String> =
            self.reconciler.rules().iter().map(|rule| format!("{} {}", rule.name, rule.rtype)).collect();
        Check::ok("configuration", format!("to keep: {}", records.join(", ")))
    }

    fn aws_settings(&self) -> Check {
        let (profile, by) = self.shared.chosen();
        let region = match self.shared.region() {
            Some(said) => format!("region {} ({})", said.value, said.by),
            None => "no region set, the instance's is taken".to_owned(),
        };
        let profile = match self.shared.profiles().profile(profile) {
            Some(_) => format!("profile '{profile}' ({})", by.name()),
            None => "no profile".to_owned(),
        };
        Check::ok("aws-settings", format!("{profile}, {region}"))
    }

    /// What is known of the sources when they couldn't be read in time.
    fn unseen(&self) -> Vec<Look> {
        let rules = self.reconciler.rules().iter();
        rules.map(|_| machine::unseen(SOURCES)).collect()
    }
}

/// What a check about one record is called.
fn id(step: &str, rule: &Rule, look: &Look) -> String {
    match &look.key {
        Ok(key) => format!("{step}:{}/{}", key.name, key.rtype),
        Err(_) => format!("{step}:{}/{}", rule.name, rule.rtype),
    }
}

/// `None` when it takes longer.
async fn within<T>(time: Duration, step: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(time, step).await.ok()
}
