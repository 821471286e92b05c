//! A reconciler of our own in a world of its own: no sockets, paused time.

use std::io::Write;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use pin53::audit::{self, Auditor};
use pin53::aws::Signing;
use pin53::aws::credentials::{self, Chain};
use pin53::aws::locator::Locator;
use pin53::aws::route53::{self, Client};
use pin53::aws::shared::Shared;
use pin53::aws::sts::Role;
use pin53::board::Board;
use pin53::clock::{Clock, ServerClock, SteadyClock, Timestamp};
use pin53::desired::{Leaving, Rule, Terms, ZoneChoice};
use pin53::dns::{Name, RecordSet, RecordType, Ttl};
use pin53::env::Env;
use pin53::imds::{self, Imds};
use pin53::reconcile::{Mode, Parts, Reconciler, Wait};
use pin53::report::{Entry, Outcome, Round, line};
use pin53::sandbox::{InProcess, Operation, Side, World};
use pin53::source::{self, Source, Sources};
use pin53::state::State;
use pin53::transport::{BoxFuture, Datagrams, Error, Meter, Transport};
use tracing::Level;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;

/// The world's time when a test begins.
pub(crate) const START: &str = "2026-11-21T10:00:00Z";
/// The host name that the world's instance begins with.
pub(crate) const HOST: &str = "ec2-198-51-100-7.eu-west-1.compute.amazonaws.com";
/// And the one it has after a move to 203.0.113.9.
pub(crate) const MOVED: &str = "ec2-203-0-113-9.eu-west-1.compute.amazonaws.com";

pub(crate) struct House {
    pub(crate) world: Arc<World>,
    pub(crate) state: Arc<State>,
    pub(crate) env: Env,
    /// The instance has no IPv4: only hosts of IPv6 can be reached.
    pub(crate) without_ipv4: bool,
    /// A role that is assumed with what the providers give.
    pub(crate) assume_role: Option<Role>,
    pub(crate) signing: Signing,
    pub(crate) mode: Mode,
    pub(crate) patience: Duration,
    /// What the machine's own clock shows.
    pub(crate) machine: Arc<dyn Clock>,
    pub(crate) audit: audit::Settings,
    /// Stands between the client and the name servers, where a test wants it to.
    pub(crate) datagrams: fn(InProcess) -> Arc<dyn Datagrams>,
    /// Stands between the client and the API, where a test wants it to.
    pub(crate) between: fn(InProcess) -> Arc<dyn Transport>,
    /// Every server beside AWS.
    pub(crate) elsewhere: Arc<dyn Transport>,
}

/// A world with one public zone, `example.com`, and a house on its instance.
pub(crate) fn house() -> House {
    let now: Timestamp = START.parse().unwrap();
    let world = World::new(Arc::new(SteadyClock::starting_at(now)));
    world.add_zone("example.com").unwrap();
    House {
        world,
        state: Arc::new(State::in_memory()),
        env: Env::default(),
        without_ipv4: false,
        assume_role: None,
        signing: Signing::Auto,
        mode: Mode::Act,
        patience: route53::PATIENCE,
        machine: Arc::new(SteadyClock::starting_at(now)),
        audit: audit::Settings::default(),
        datagrams: |datagrams| Arc::new(datagrams),
        between: |transport| Arc::new(transport),
        elsewhere: Arc::new(Nowhere),
    }
}

/// What a reconciler is made of, and by itself what that is made of.
pub(crate) struct Engine {
    pub(crate) reconcile: Parts,
    pub(crate) shared: Arc<Shared>,
    pub(crate) imds: Arc<Imds>,
    pub(crate) credentials: Arc<Chain>,
    pub(crate) clock: Arc<ServerClock>,
    pub(crate) sts: Arc<dyn Transport>,
}

/// A net in which nobody answers.
struct Nowhere;

impl Transport for Nowhere {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, Error>> {
        let host = request.uri().host().unwrap_or_default().to_owned();
        Box::pin(async { Err(Error::Connect { host, source: None }) })
    }
}

/// A board that begins at the world's time.
pub(crate) fn board() -> Arc<Board> {
    Arc::new(Board::new(Arc::new(SteadyClock::starting_at(START.parse().unwrap()))))
}

pub(crate) fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

pub(crate) fn cname(at: &str) -> Rule {
    Rule {
        name: name(at).into(),
        rtype: RecordType::Cname,
        sources: vec![Source::Imds],
        agree: 1,
        ttl: Ttl::new(60).unwrap(),
        zone: ZoneChoice::Longest,
        private: false,
        allow_private: false,
        terms: Terms::default(),
        member: None,
        leaving: Leaving::default(),
    }
}

pub(crate) fn owned(rule: Rule, owner: &str) -> Rule {
    Rule { terms: Terms { owner: Some(owner.parse().unwrap()), ..rule.terms.clone() }, ..rule }
}

/// A marker of another tool's, with more labels than ours.
pub(crate) fn marker(at: &str, owner: &str) -> RecordSet {
    let text = format!(
        "\"heritage=external-dns,external-dns/owner={owner},external-dns/resource=service/default/x\""
    );
    simple(at, RecordType::Txt, 300, &[&text])
}

pub(crate) fn of_type(rtype: RecordType, at: &str) -> Rule {
    Rule { rtype, ..cname(at) }
}

pub(crate) fn simple(at: &str, rtype: RecordType, ttl: u64, values: &[&str]) -> RecordSet {
    RecordSet::simple(
        name(at),
        rtype,
        Ttl::new(ttl).unwrap(),
        values.iter().map(|v| (*v).to_owned()).collect(),
    )
}

impl House {
    pub(crate) fn chain(
        &self,
        shared: &Arc<Shared>,
        imds: &Arc<Imds>,
        clock: &Arc<ServerClock>,
        sts: Arc<dyn Transport>,
    ) -> Chain {
        Chain::new(credentials::Parts {
            shared: Arc::clone(shared),
            assume_role: self.assume_role.clone(),
            imds: Arc::clone(imds),
            clock: Arc::clone(clock),
            machine: Arc::clone(&self.machine),
            state: Arc::clone(&self.state),
            to_sts: Arc::clone(&sts),
            to_container: sts,
        })
    }

    fn reachable(&self, transport: Arc<dyn Transport>) -> Arc<dyn Transport> {
        if self.without_ipv4 { Arc::new(Ipv6Alone(transport)) } else { transport }
    }

    pub(crate) fn reconciler(&self, rules: &[Rule]) -> Reconciler {
        Reconciler::new(self.engine(rules).reconcile)
    }

    pub(crate) fn engine(&self, rules: &[Rule]) -> Engine {
        let requests = Arc::new(AtomicU64::new(0));
        let clock = Arc::new(ServerClock::default());
        let metered = |transport| Arc::new(Meter::new(transport, Arc::clone(&requests)));
        let to_metadata = InProcess::new(Arc::clone(&self.world)).timeout(imds::TRANSPORT.timeout);
        let settings = imds::Settings::from_env(&self.env).unwrap();
        let to_metadata = metered(self.reachable(Arc::new(to_metadata)));
        let imds = Arc::new(Imds::new(settings, to_metadata, Arc::clone(&clock)));
        let shared = Arc::new(Shared::load(&self.env, None).unwrap());
        let sts = metered(self.reachable(Arc::new(InProcess::new(Arc::clone(&self.world)))));
        let credentials = Arc::new(self.chain(&shared, &imds, &clock, Arc::<Meter>::clone(&sts)));
        let to_api = InProcess::new(Arc::clone(&self.world)).timeout(route53::TRANSPORT.timeout);
        let client = Client::new(route53::Parts {
            transport: metered(self.reachable((self.between)(to_api))),
            locator: Locator::new(Arc::clone(&shared), Arc::clone(&imds), Arc::clone(&self.state)).unwrap(),
            credentials: Arc::clone(&credentials),
            clock: Arc::clone(&clock),
            machine: Arc::clone(&self.machine),
            state: Arc::clone(&self.state),
            signing: self.signing,
            patience: self.patience,
        });
        let client = Arc::new(client.unwrap());
        let datagrams = (self.datagrams)(InProcess::new(Arc::clone(&self.world)));
        let auditor = Auditor::new(self.audit.clone(), datagrams, Arc::clone(&client));
        let reconcile = Parts {
            rules: rules.to_vec(),
            sources: Sources::new(source::Parts {
                metadata: Arc::clone(&imds),
                http: metered(Arc::clone(&self.elsewhere)),
                ecs: metered(Arc::clone(&self.elsewhere)),
                datagrams: Arc::new(InProcess::new(Arc::clone(&self.world))),
                env: self.env.clone(),
            }),
            client,
            auditor,
            state: Arc::clone(&self.state),
            requests,
            mode: self.mode,
        };
        Engine { reconcile, shared, imds, credentials, clock, sts }
    }

    /// One round for one CNAME, `vpn.example.com`, without following it.
    pub(crate) async fn once(&self) -> Round {
        self.once_with(&[cname("vpn.example.com")]).await
    }

    pub(crate) async fn once_with(&self, rules: &[Rule]) -> Round {
        self.reconciler(rules).once(Wait::Off).await
    }

    /// The value of the CNAME at `vpn.example.com`.
    pub(crate) fn vpn(&self) -> Option<String> {
        self.value("vpn.example.com", RecordType::Cname)
    }

    pub(crate) fn value(&self, at: &str, rtype: RecordType) -> Option<String> {
        let set = self.world.record(&name(at), rtype)?;
        Some(set.as_simple().unwrap().1.join(" "))
    }

    pub(crate) fn move_instance(&self) {
        self.world.move_instance([203, 0, 113, 9].into());
    }

    pub(crate) fn put(&self, set: RecordSet) {
        self.world.put_record(set).unwrap();
    }

    /// Denies an operation to the instance's role.
    pub(crate) fn deny(&self, operation: Operation) {
        let role = self.world.role_credentials().unwrap();
        self.world.deny(Some(&role.key_id), operation);
    }

    pub(crate) fn changes(&self) -> usize {
        self.world.calls(Operation::ChangeResourceRecordSets)
    }

    /// Requests to the metadata service and to Route 53.
    pub(crate) fn requests(&self) -> (usize, usize) {
        (self.world.requests_to(Side::Metadata), self.world.requests_to(Side::Api))
    }
}

/// Hosts that have IPv4 alone aren't there.
struct Ipv6Alone(Arc<dyn Transport>);

impl Transport for Ipv6Alone {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, Error>> {
        let host = request.uri().host().unwrap_or_default().to_owned();
        if host.starts_with("169.254.") || host.ends_with(".amazonaws.com") {
            return Box::pin(std::future::ready(Err(Error::Connect { host, source: None })));
        }
        self.0.send(request)
    }
}

/// What is logged.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Takes in every level down to this one.
    pub(crate) fn subscriber(&self, level: Level) -> impl tracing::Subscriber + Send + Sync + use<> {
        let writer = self.clone();
        let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(move || writer.clone());
        tracing_subscriber::registry().with(lines).with(LevelFilter::from_level(level))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The lines of a level.
    pub(crate) fn of(&self, level: Level) -> Vec<String> {
        let is_of = |line: &&str| line.split_whitespace().nth(1) == Some(level.as_str());
        self.text().lines().filter(is_of).map(str::to_owned).collect()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The only entry of a round.
pub(crate) fn only(round: &Round) -> &Entry {
    assert_eq!(round.entries.len(), 1, "{round:?}");
    &round.entries[0]
}

pub(crate) fn outcomes(round: &Round) -> Vec<Outcome> {
    round.entries.iter().map(|entry| entry.outcome).collect()
}

/// What `--once` would print.
pub(crate) fn lines(round: &Round) -> String {
    round.entries.iter().map(line).collect::<Vec<_>>().join("\n")
}

pub(crate) fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}
