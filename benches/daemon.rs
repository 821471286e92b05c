//! The daemon's memory over an hour of paused time and a thousand changes, in one process with the
//! sandbox: a figure that grows with either is a leak.

#![expect(clippy::expect_used, reason = "a measurement that can't be set up can't be made")]
#![expect(clippy::print_stdout, reason = "the figures are for people")]

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use pin53::audit::{self, Auditor};
use pin53::aws::Signing;
use pin53::aws::credentials::{self, Chain};
use pin53::aws::locator::Locator;
use pin53::aws::route53::{self, Client};
use pin53::aws::shared::Shared;
use pin53::clock::{ServerClock, SteadyClock, SystemClock};
use pin53::daemon::{self, Settings};
use pin53::desired::{Leaving, Rule, Terms, ZoneChoice};
use pin53::dns::{Name, RecordType, Ttl};
use pin53::env::Env;
use pin53::imds::{self, Imds};
use pin53::reconcile::{Mode, Parts, Reconciler};
use pin53::sandbox::{InProcess, Operation, World};
use pin53::source::{self, Source, Sources};
use pin53::state::State;
use pin53::transport::Meter;

const CHANGES: u16 = 1000;
const WATCH: Duration = Duration::from_secs(5);

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("a runtime").block_on(measure());
}

async fn measure() {
    let clock = SteadyClock::starting_at("2026-11-21T10:00:00Z".parse().expect("a time"));
    let world = World::new(Arc::new(clock));
    world.add_zone("example.com").expect("a zone");
    let reconciler = Arc::new(reconciler(&world));
    let rhythm = Settings { watch: WATCH, interval: Duration::from_secs(300) };
    let daemon = tokio::spawn(daemon::run(reconciler, rhythm, std::future::pending()));

    // What is allocated once, is by then.
    change(&world, 0, 100).await;
    let start = resident();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    world.forget_requests();
    let hour = resident();
    change(&world, 100, CHANGES).await;
    let changed = resident();
    daemon.abort();
    println!("resident, with the sandbox in the same process: {start} KiB");
    println!("after an hour in which nothing changes:         {hour} KiB ({:+})", hour - start);
    println!("after {CHANGES} changes more:                        {changed} KiB ({:+})", changed - hour);
}

async fn change(world: &World, from: u16, times: u16) {
    for n in from..from + times {
        let [high, low] = n.to_be_bytes();
        world.move_instance([203, 0, high, low].into());
        tokio::time::sleep(WATCH * 2).await;
        assert_eq!(world.calls(Operation::ChangeResourceRecordSets), 1, "each move is one change");
        world.forget_requests();
    }
}

fn resident() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("procfs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

fn reconciler(world: &Arc<World>) -> Reconciler {
    let requests = Arc::new(AtomicU64::new(0));
    let clock = Arc::new(ServerClock::default());
    let state = Arc::new(State::in_memory());
    let env = Env::default();
    let transport = Arc::new(Meter::new(Arc::new(InProcess::new(Arc::clone(world))), Arc::clone(&requests)));
    let settings = imds::Settings::from_env(&env).expect("settings");
    let imds = Arc::new(Imds::new(settings, Arc::<Meter>::clone(&transport), Arc::clone(&clock)));
    let shared = Arc::new(Shared::load(&env, None).expect("no files"));
    let credentials = Chain::new(credentials::Parts {
        shared: Arc::clone(&shared),
        assume_role: None,
        imds: Arc::clone(&imds),
        clock: Arc::clone(&clock),
        machine: Arc::new(SystemClock),
        state: Arc::clone(&state),
        to_sts: Arc::<Meter>::clone(&transport),
        to_container: Arc::<Meter>::clone(&transport),
    });
    let client = Client::new(route53::Parts {
        transport,
        locator: Locator::new(shared, Arc::clone(&imds), Arc::clone(&state)).expect("an endpoint"),
        credentials: Arc::new(credentials),
        clock,
        machine: Arc::new(SystemClock),
        state: Arc::clone(&state),
        signing: Signing::Auto,
        patience: daemon::PATIENCE,
    });
    let rule = Rule {
        name: Name::parse("vpn.example.com").expect("a name").into(),
        rtype: RecordType::Cname,
        sources: vec![Source::Imds],
        agree: 1,
        ttl: Ttl::new(60).expect("a TTL"),
        zone: ZoneChoice::Longest,
        private: false,
        allow_private: false,
        terms: Terms::default(),
        member: None,
        leaving: Leaving::default(),
    };
    let client = Arc::new(client.expect("a client"));
    let elsewhere = Arc::new(InProcess::new(Arc::clone(world)));
    let sources = Sources::new(source::Parts {
        metadata: imds,
        http: Arc::<InProcess>::clone(&elsewhere),
        ecs: Arc::<InProcess>::clone(&elsewhere),
        datagrams: Arc::<InProcess>::clone(&elsewhere),
        env,
    });
    Reconciler::new(Parts {
        rules: vec![rule],
        sources,
        auditor: Auditor::new(audit::Settings::default(), elsewhere, Arc::clone(&client)),
        client,
        state,
        requests,
        mode: Mode::Act,
    })
}
