//! `pin53 demo`: the whole story on the sandbox, told as it happens.
//!
//! What runs is the real thing: the daemon, over HTTP, against the sandbox's ports. Each chapter waits
//! for what it tells.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr;
use tokio::net::UdpSocket;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing_subscriber::filter::LevelFilter;

use super::{Exit, Failure, engine, log, runtime};
use crate::clock::SystemClock;
use crate::config;
use crate::daemon;
use crate::desired::{Leaving, Rule, Terms, ZoneChoice};
use crate::dns::{Name, RecordSet, RecordType, Ttl};
use crate::env::Env;
use crate::reconcile::{Mode, Wait};
use crate::report;
use crate::sandbox::{self, Fault, Instance, Operation, Options, Running, Side};
use crate::source::Source;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Args {}

const EXAMPLE: &str = "\
An instance gets an address and its name follows; it moves; someone else edits
the record; Route 53 throttles. All of it happens on the embedded sandbox: no
AWS account is needed, and nothing leaves this machine.

Example:
  pin53 demo";

const NAME: &str = "vpn.example.com";
/// Faster than by default, so that nobody waits.
const WATCH: Duration = Duration::from_millis(500);
const INTERVAL: Duration = Duration::from_secs(3600);
/// A chapter that takes longer than this has gone wrong.
const PATIENCE: Duration = Duration::from_secs(8);

/// The story doesn't go as told.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{chapter}: {NAME} was to point at {wanted} by now")]
    NotFollowed { chapter: &'static str, wanted: String },
    #[error("the sandbox's DNS server can't be asked")]
    Dns(#[source] std::io::Error),
    #[error("the sandbox's DNS server can't be asked for {NAME}")]
    DnsQuery(#[source] hickory_proto::ProtoError),
    #[error("the sandbox's DNS server gave an answer that can't be read")]
    DnsAnswer(#[source] hickory_proto::serialize::binary::DecodeError),
    #[error("the name of the story is none")]
    Name(#[source] crate::dns::NameError),
    #[error("the time to live of the story is none")]
    Ttl(#[source] crate::dns::TtlError),
    #[error("the sandbox takes no such record")]
    Edit(#[source] sandbox::EditError),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::new(Exit::Failure, error)
    }
}

/// # Errors
/// When the sandbox can't be set up, or the story doesn't go as told.
pub(super) fn run(env: &Env, out: &mut dyn Write) -> Result<Exit, Failure> {
    log::install(config::log(env, LevelFilter::ERROR)?, env);
    runtime::block_on(async {
        let mut instance = Instance::default();
        instance.release_address();
        let options = Options { instance, ..Options::default() };
        let running = sandbox::start(options, Arc::new(SystemClock)).await;
        let mut story = Story {
            running: running.map_err(|error| Failure::new(Exit::Failure, error))?,
            name: Name::parse(NAME).map_err(Error::Name)?,
            ttl: Ttl::new(60).map_err(Error::Ttl)?,
            out,
            costs: Vec::new(),
        };
        story.tell().await?;
        story.running.stop().await;
        Ok(Exit::Ok)
    })
}

struct Story<'a> {
    running: Running,
    name: Name,
    ttl: Ttl,
    out: &'a mut dyn Write,
    costs: Vec<Cost>,
}

/// What a chapter took.
struct Cost {
    chapter: &'static str,
    took: Duration,
    metadata: usize,
    route53: usize,
}

impl Story<'_> {
    async fn tell(&mut self) -> Result<(), Failure> {
        self.say(
            "A local AWS: an instance's metadata, Route 53 with the zone example.com, and its name server.",
        )?;
        self.say(&format!("pin53 runs as the daemon for {NAME}, looking at the metadata twice a second."))?;
        let settings = self.settings();
        let env: Env = self.running.exports.iter().cloned().collect();

        let reconciler = Arc::new(engine::reconciler(&settings, &env, Mode::Act, daemon::PATIENCE)?);
        let (stop, stopped) = oneshot::channel::<()>();
        let rhythm = daemon::Settings { watch: WATCH, interval: INTERVAL };
        let pinning = tokio::spawn(daemon::run(Arc::clone(&reconciler), rhythm, async {
            let _ = stopped.await;
        }));

        self.chapter("1. The instance has no public address yet")?;
        tokio::time::sleep(WATCH + WATCH / 2).await;
        self.say("   The metadata says so (404). That is known, and no reason to touch anything.")?;
        self.dig().await?;

        self.chapter("2. It gets one: 198.51.100.7")?;
        self.follow("created", Ipv4Addr::new(198, 51, 100, 7)).await?;

        self.chapter("3. It was stopped and started, and wakes up as 203.0.113.9")?;
        self.follow("moved", Ipv4Addr::new(203, 0, 113, 9)).await?;

        self.chapter("4. It moves again, while Route 53 throttles: it refuses the change twice")?;
        self.running.world.inject(Fault::Throttle.at(Operation::ChangeResourceRecordSets).times(2));
        self.follow("throttled", Ipv4Addr::new(203, 0, 113, 77)).await?;

        self.chapter("5. Someone else edits the record")?;
        let edited = vec!["somewhere-else.example.net.".to_owned()];
        let edited = RecordSet::simple(self.name.clone(), RecordType::Cname, self.ttl, edited);
        self.running.world.put_record(edited).map_err(Error::Edit)?;
        self.dig().await?;
        self.say("   The audit (every five minutes; here: `pin53 --once`) reads what is there and replaces exactly that:")?;
        let (started, before) = (Instant::now(), self.counts());
        let round = reconciler.once(Wait::Off).await;
        self.spent("edited", started, before);
        let wanted = self.public_hostname();
        if self.pinned().as_ref() != Some(&wanted) {
            return Err(Error::NotFollowed { chapter: "edited", wanted }.into());
        }
        for entry in &round.entries {
            self.say(&format!("   {}", report::line(entry)))?;
        }
        self.dig().await?;
        let _ = stop.send(());
        let _ = pinning.await;
        self.tell_costs()
    }

    /// Moves the instance and waits until the name has followed.
    async fn follow(&mut self, chapter: &'static str, address: Ipv4Addr) -> Result<(), Failure> {
        let (started, before) = (Instant::now(), self.counts());
        self.running.world.move_instance(address);
        let wanted = self.public_hostname();
        while self.pinned().as_ref() != Some(&wanted) {
            if started.elapsed() > PATIENCE {
                return Err(Error::NotFollowed { chapter, wanted }.into());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.spent(chapter, started, before);
        self.dig().await
    }

    fn public_hostname(&self) -> String {
        self.running.world.with_instance(|instance| instance.public_hostname.clone()).unwrap_or_default()
    }

    /// What the record says.
    fn pinned(&self) -> Option<String> {
        let set = self.running.world.record(&self.name, RecordType::Cname)?;
        set.as_simple().and_then(|(_, values)| values.first().cloned())
    }

    fn counts(&self) -> (usize, usize) {
        let world = &self.running.world;
        // Following a change until it is everywhere goes on behind the chapters.
        let looks = world.calls(Operation::GetChange);
        (world.requests_to(Side::Metadata), world.requests_to(Side::Api) - looks)
    }

    fn spent(&mut self, chapter: &'static str, started: Instant, before: (usize, usize)) {
        let after = self.counts();
        let cost = Cost {
            chapter,
            took: started.elapsed(),
            metadata: after.0 - before.0,
            route53: after.1 - before.1,
        };
        self.costs.push(cost);
    }

    fn tell_costs(&mut self) -> Result<(), Failure> {
        self.chapter("What it cost")?;
        self.say("              until it is in Route 53    requests: metadata    Route 53")?;
        for cost in std::mem::take(&mut self.costs) {
            let Cost { chapter, took, metadata, route53 } = cost;
            self.say(&format!("   {chapter:<11}{:>20} ms {metadata:>20} {route53:>17}", took.as_millis()))?;
        }
        self.say("\n   While nothing changes: one request to the metadata for each look, and none to Route 53's API, as audits ask its\n   name servers (where those can't be asked: one for each audit).")
    }

    /// Asks the zone's name server, and shows the answer as dig would.
    async fn dig(&mut self) -> Result<(), Failure> {
        let Some(server) = self.running.dns else { return Ok(()) };
        let answer = ask(server, &self.name).await?;
        let shown = if answer.answers.is_empty() {
            let code = if answer.metadata.response_code == ResponseCode::NXDomain {
                "NXDOMAIN"
            } else {
                "no answer"
            };
            format!("   $ dig {NAME}    ;; {code}")
        } else {
            let lines = answer.answers.iter().map(|record| format!("   $ dig {NAME}    {record}"));
            lines.collect::<Vec<_>>().join("\n")
        };
        self.say(&shown)
    }

    fn settings(&self) -> config::Settings {
        let rule = Rule {
            name: self.name.clone().into(),
            rtype: RecordType::Cname,
            sources: vec![Source::Imds],
            agree: 1,
            ttl: self.ttl,
            zone: ZoneChoice::Longest,
            private: false,
            allow_private: false,
            terms: Terms::default(),
            member: None,
            leaving: Leaving::default(),
        };
        config::Settings { rules: vec![rule], ..config::Settings::default() }
    }

    fn chapter(&mut self, title: &str) -> Result<(), Failure> {
        self.say(&format!("\n{title}"))
    }

    fn say(&mut self, line: &str) -> Result<(), Failure> {
        writeln!(self.out, "{line}").and_then(|()| self.out.flush()).map_err(Failure::output)
    }
}

async fn ask(server: SocketAddr, name: &Name) -> Result<Message, Failure> {
    let mut query = Message::new(fastrand::u16(..), MessageType::Query, OpCode::Query);
    let labels: Vec<Vec<u8>> = name.wire_labels().collect();
    let qname = rr::Name::from_labels(labels).map_err(Error::DnsQuery)?;
    query.add_query(Query::query(qname, rr::RecordType::CNAME));
    let bytes = query.to_vec().map_err(Error::DnsQuery)?;
    let exchange = async {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        socket.connect(server).await?;
        socket.send(&bytes).await?;
        let mut buffer = vec![0; 4096];
        let length = socket.recv(&mut buffer).await?;
        buffer.truncate(length);
        Ok(buffer)
    };
    let timed_out = |_| Err(std::io::ErrorKind::TimedOut.into());
    let answer =
        tokio::time::timeout(PATIENCE, exchange).await.unwrap_or_else(timed_out).map_err(Error::Dns)?;
    Ok(Message::from_vec(&answer).map_err(Error::DnsAnswer)?)
}
