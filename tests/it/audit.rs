//! Audits over DNS: what costs no call of the API, and what falls back to it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use pin53::audit::{self, Via};
use pin53::daemon::{self, Settings};
use pin53::desired::Rule;
use pin53::dns::{RecordSet, RecordType, Target};
use pin53::sandbox::{Fault, InProcess, Operation, Side};
use pin53::transport::{BoxFuture, Datagrams, Way};
use tokio::task::JoinHandle;
use tracing::Level;

use crate::house::{HOST, House, Log, MOVED, cname, name, of_type, seconds, simple};

const INTERVAL: Duration = Duration::from_secs(300);
/// An interval, and a moment for what it leads to.
const LONGEST: Duration = Duration::from_secs(306);

fn house() -> House {
    House { patience: daemon::PATIENCE, ..crate::house::house() }
}

fn start(house: &House, rules: &[Rule]) -> JoinHandle<()> {
    let rhythm = Settings { watch: seconds(5), interval: INTERVAL };
    tokio::spawn(daemon::run(Arc::new(house.reconciler(rules)), rhythm, std::future::pending()))
}

/// A daemon for `vpn.example.com` that is through with its start.
async fn settled(house: &House) -> JoinHandle<()> {
    let daemon = start(house, &[cname("vpn.example.com")]);
    tokio::time::sleep(seconds(60)).await;
    assert_eq!(house.vpn().as_deref(), Some(HOST));
    house.world.forget_requests();
    daemon
}

fn drift() -> RecordSet {
    simple("vpn.example.com", RecordType::Cname, 60, &["drift.example.net."])
}

fn asked(house: &House) -> usize {
    house.world.requests_to(Side::Api)
}

#[tokio::test(start_paused = true)]
async fn an_unchanged_daemon_asks_the_api_nothing_after_its_start() {
    let house = house();
    let _daemon = settled(&house).await;
    tokio::time::sleep(seconds(24 * 3600)).await;
    assert_eq!(asked(&house), 0);
    let questions = house.world.dns_queries();
    assert!((520..=720).contains(&questions), "{questions} questions in a day of audits");
}

#[tokio::test(start_paused = true)]
async fn drift_of_value_or_ttl_or_existence_is_seen_and_mended_within_an_interval() {
    type Edit = fn(&House);
    let edits: [Edit; 3] = [
        |house| house.put(drift()),
        |house| house.put(simple("vpn.example.com", RecordType::Cname, 300, &[HOST])),
        |house| {
            house.world.remove_record(&drift().key());
        },
    ];
    let house = house();
    let _daemon = settled(&house).await;
    for edit in edits {
        edit(&house);
        house.world.forget_requests();
        tokio::time::sleep(LONGEST).await;
        let mended = house.world.record(&name("vpn.example.com"), RecordType::Cname).unwrap();
        assert!(mended.is_equivalent(&simple("vpn.example.com", RecordType::Cname, 60, &[HOST])));
        let reads = house.world.calls(Operation::ListResourceRecordSets);
        assert_eq!((reads, house.changes()), (1, 1));
        tokio::time::sleep(LONGEST).await;
    }
}

#[tokio::test(start_paused = true)]
async fn with_via_api_the_api_alone_is_asked() {
    let audit = audit::Settings { via: Via::Api, ..audit::Settings::default() };
    let house = House { audit, ..house() };
    let _daemon = settled(&house).await;
    tokio::time::sleep(seconds(3600)).await;
    assert_eq!(house.world.dns_queries(), 0);
    assert!((10..=14).contains(&asked(&house)), "{}", asked(&house));
}

#[tokio::test(start_paused = true)]
async fn silent_or_lame_servers_have_the_api_asked_in_the_same_audit_and_are_tried_again_rarely() {
    for fault in [Fault::DnsSilent, Fault::DnsRefused] {
        let house = house();
        let _daemon = settled(&house).await;
        house.world.inject(fault.always());
        house.put(drift());
        let started = tokio::time::Instant::now();
        while house.world.dns_queries() == 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(started.elapsed() < LONGEST);
        tokio::time::sleep(seconds(5)).await;
        assert_eq!(house.vpn().as_deref(), Some(HOST), "{fault:?}: mended within 5 s of the audit's begin");
        let questions = house.world.dns_queries();
        tokio::time::sleep(seconds(50 * 60)).await;
        assert_eq!(house.world.dns_queries(), questions, "{fault:?}: left alone");

        house.world.clear_faults();
        tokio::time::sleep(seconds(30 * 60)).await;
        assert!(house.world.dns_queries() > questions, "{fault:?}: tried again");
        house.world.forget_requests();
        tokio::time::sleep(seconds(3600)).await;
        assert_eq!(asked(&house), 0, "{fault:?}: enough again");
    }
}

#[tokio::test(start_paused = true)]
async fn where_dns_is_dead_nothing_is_changed_and_nothing_removed() {
    let house = house();
    let _daemon = settled(&house).await;
    house.world.inject(Fault::DnsSilent.always());
    house.world.inject(Fault::ServerError.always());
    tokio::time::sleep(seconds(3600)).await;
    house.world.clear_faults();
    assert_eq!((house.vpn().as_deref(), house.changes()), (Some(HOST), 0));
}

#[tokio::test(start_paused = true)]
async fn a_private_zone_is_audited_through_the_api() {
    let house = house();
    let zone = house.world.add_private_zone("example.org").unwrap();
    let rule = Rule { private: true, ..cname("vpn.example.org") };
    let _daemon = start(&house, &[rule]);
    tokio::time::sleep(seconds(60)).await;
    assert_eq!(house.world.records(&zone).len(), 3);
    house.world.forget_requests();
    tokio::time::sleep(seconds(3600)).await;
    assert!((10..=14).contains(&asked(&house)));
    assert_eq!(house.world.dns_queries(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_record_behind_which_an_alias_stands_is_not_taken_for_ours() {
    // Over DNS the alias answers as the record did; what is refused is looked at through the API each time.
    let house = house();
    let zone = house.world.zone_of(&name("example.com")).unwrap();
    house.put(simple("real.example.com", RecordType::A, 60, &["198.51.100.7"]));
    house.put(RecordSet {
        target: Target::Alias { zone_id: zone, name: name("real.example.com"), evaluate_health: false },
        ..simple("vpn.example.com", RecordType::A, 60, &["198.51.100.7"])
    });
    let _daemon = start(&house, &[of_type(RecordType::A, "vpn.example.com")]);
    tokio::time::sleep(seconds(60)).await;
    house.world.forget_requests();
    tokio::time::sleep(seconds(3600)).await;
    assert!((10..=14).contains(&asked(&house)), "{}", asked(&house));
    assert_eq!(house.world.dns_queries(), 0);
}

/// One server of four is lame or silent, or answers from another world.
struct Odd(InProcess, Oddity);

#[derive(Clone, Copy)]
enum Oddity {
    Silent,
    Spoilt(fn(&mut [u8])),
}

impl Datagrams for Odd {
    fn exchange(&self, server: SocketAddr, message: Vec<u8>, way: Way) -> BoxFuture<'_, io::Result<Vec<u8>>> {
        let odd = self.1;
        Box::pin(async move {
            let mut answer = self.0.exchange(server, message, way).await?;
            match (server.ip(), odd) {
                // The first of the four.
                (IpAddr::V4(v4), Oddity::Silent) if v4.octets()[2] < 2 => std::future::pending().await,
                (IpAddr::V4(v4), Oddity::Spoilt(spoil)) if v4.octets()[2] < 2 => spoil(&mut answer),
                _ => {}
            }
            Ok(answer)
        })
    }

    fn addresses<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        self.0.addresses(host)
    }
}

#[tokio::test(start_paused = true)]
async fn a_lame_or_a_silent_server_among_good_ones_is_passed_over() {
    let odd: [fn(InProcess) -> Arc<dyn Datagrams>; 3] = [
        // Not authoritative, REFUSED, silent.
        |datagrams| Arc::new(Odd(datagrams, Oddity::Spoilt(|answer| answer[2] &= !0x04))),
        |datagrams| Arc::new(Odd(datagrams, Oddity::Spoilt(|answer| answer[3] |= 5))),
        |datagrams| Arc::new(Odd(datagrams, Oddity::Silent)),
    ];
    for datagrams in odd {
        let house = House { datagrams, ..house() };
        let _daemon = settled(&house).await;
        tokio::time::sleep(seconds(6 * 3600)).await;
        assert_eq!(asked(&house), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn where_servers_disagree_the_api_decides() {
    fn stale(answer: &mut [u8]) {
        let place = answer.windows(4).rposition(|four| four == b"ec2-").unwrap_or(0);
        answer[place] = b'x';
    }
    let house = House { datagrams: |datagrams| Arc::new(Odd(datagrams, Oddity::Spoilt(stale))), ..house() };
    let _daemon = settled(&house).await;
    tokio::time::sleep(seconds(3600)).await;
    assert_eq!(house.changes(), 0);
    assert!(house.world.calls(Operation::ListResourceRecordSets) > 0);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_is_not_on_all_servers_yet_is_no_drift() {
    let house = house();
    let _daemon = settled(&house).await;
    house.world.inject(Fault::SlowInsync(seconds(400)));
    house.move_instance();
    tokio::time::sleep(seconds(350)).await;
    assert_eq!((house.vpn().as_deref(), house.changes()), (Some(MOVED), 1));
    tokio::time::sleep(seconds(600)).await;
    house.world.forget_requests();
    tokio::time::sleep(seconds(3600)).await;
    assert_eq!(asked(&house), 0, "and then they agree");
}

#[tokio::test(start_paused = true)]
async fn name_servers_are_learnt_once_and_remembered() {
    let house = house();
    let daemon = settled(&house).await;
    daemon.abort();
    let _daemon = start(&house, &[cname("vpn.example.com")]);
    tokio::time::sleep(seconds(3600)).await;
    assert_eq!(asked(&house), 1, "one read at the start");
}

#[tokio::test(start_paused = true)]
async fn name_servers_without_addresses_here_cost_one_request_an_audit_and_no_more() {
    struct Nameless(InProcess);
    impl Datagrams for Nameless {
        fn exchange(&self, _: SocketAddr, _: Vec<u8>, _: Way) -> BoxFuture<'_, io::Result<Vec<u8>>> {
            panic!("there is nobody to ask")
        }
        fn addresses<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
            let world = self.0.clone();
            Box::pin(async move {
                drop(world);
                std::future::pending().await
            })
        }
    }
    let house = House { datagrams: |datagrams| Arc::new(Nameless(datagrams)), ..house() };
    let _daemon = settled(&house).await;
    tokio::time::sleep(seconds(3300)).await;
    assert!((10..=12).contains(&asked(&house)), "{}", asked(&house));
}

/// Name servers with addresses of both families, of which the machine can reach one or none.
struct Families {
    world: InProcess,
    has_aaaa_only: bool,
    reaches_ipv4: bool,
    reaches_ipv6: bool,
}

impl Families {
    fn both(world: InProcess) -> Self {
        Self { world, has_aaaa_only: false, reaches_ipv4: true, reaches_ipv6: true }
    }
}

impl Datagrams for Families {
    fn exchange(&self, server: SocketAddr, message: Vec<u8>, way: Way) -> BoxFuture<'_, io::Result<Vec<u8>>> {
        let reached = if server.is_ipv4() { self.reaches_ipv4 } else { self.reaches_ipv6 };
        if !reached {
            return Box::pin(std::future::ready(Err(io::ErrorKind::NetworkUnreachable.into())));
        }
        let ip = match server.ip() {
            IpAddr::V6(v6) => v6.to_ipv4_mapped().unwrap().into(),
            v4 @ IpAddr::V4(_) => v4,
        };
        self.world.exchange((ip, server.port()).into(), message, way)
    }

    fn addresses<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let found = self.world.addresses(host).await?;
            let mapped = found.iter().filter_map(|ip| match ip {
                IpAddr::V4(v4) => Some(IpAddr::V6(v4.to_ipv6_mapped())),
                IpAddr::V6(_) => None,
            });
            let v4 = found.iter().copied().filter(|_| !self.has_aaaa_only);
            Ok(mapped.chain(v4).collect())
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_machine_of_one_family_audits_over_that_one() {
    let machines: [fn(InProcess) -> Arc<dyn Datagrams>; 3] = [
        |world| Arc::new(Families { reaches_ipv4: false, ..Families::both(world) }),
        |world| Arc::new(Families { reaches_ipv6: false, ..Families::both(world) }),
        |world| Arc::new(Families { reaches_ipv4: false, has_aaaa_only: true, ..Families::both(world) }),
    ];
    for datagrams in machines {
        let house = House { datagrams, ..house() };
        let _daemon = settled(&house).await;
        tokio::time::sleep(seconds(6 * 3600)).await;
        assert_eq!(asked(&house), 0);
        assert!(house.world.dns_queries() > 0);
    }
}

/// The lines that tell of a zone that is audited through the API.
fn told(log: &Log) -> Vec<String> {
    log.of(Level::WARN).into_iter().filter(|line| line.contains("is audited through the API")).collect()
}

#[tokio::test(start_paused = true)]
async fn where_no_server_can_be_reached_the_api_is_asked_and_that_is_said_once() {
    let machines: [fn(InProcess) -> Arc<dyn Datagrams>; 2] = [
        |world| Arc::new(Families { reaches_ipv6: false, has_aaaa_only: true, ..Families::both(world) }),
        |world| Arc::new(Families { reaches_ipv4: false, reaches_ipv6: false, ..Families::both(world) }),
    ];
    for datagrams in machines {
        let log = Log::default();
        let _logging = tracing::subscriber::set_default(log.subscriber(Level::INFO));
        let house = House { datagrams, ..house() };
        let _daemon = settled(&house).await;
        tokio::time::sleep(seconds(6 * 3600)).await;
        assert_eq!(told(&log).len(), 1, "{:#?}", told(&log));
        assert_eq!((house.vpn().as_deref(), house.changes()), (Some(HOST), 0));
        assert!(house.world.calls(Operation::ListResourceRecordSets) >= 60, "one an audit");
    }
}

/// All servers answer from inside, with a name of their own: a split horizon.
struct Inside(InProcess);

impl Datagrams for Inside {
    fn exchange(&self, server: SocketAddr, message: Vec<u8>, way: Way) -> BoxFuture<'_, io::Result<Vec<u8>>> {
        Box::pin(async move {
            let mut answer = self.0.exchange(server, message, way).await?;
            if let Some(place) = answer.windows(4).rposition(|four| four == b"ec2-") {
                answer[place] = b'x';
            }
            Ok(answer)
        })
    }

    fn addresses<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        self.0.addresses(host)
    }
}

#[tokio::test(start_paused = true)]
async fn behind_a_split_horizon_the_api_is_asked_and_that_is_said_once() {
    let log = Log::default();
    let _logging = tracing::subscriber::set_default(log.subscriber(Level::INFO));
    let house = House { datagrams: |datagrams| Arc::new(Inside(datagrams)), ..house() };
    let _daemon = settled(&house).await;
    tokio::time::sleep(seconds(20 * 60)).await;
    let questions = house.world.dns_queries();
    tokio::time::sleep(seconds(50 * 60)).await;
    assert_eq!(house.world.dns_queries(), questions, "left alone");
    tokio::time::sleep(seconds(5 * 3600)).await;
    let told = told(&log);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].contains("they answer otherwise than the hosted zone"), "{told:?}");
    assert_eq!((house.vpn().as_deref(), house.changes()), (Some(HOST), 0));
    // What a person changes is still seen, through the API.
    house.put(drift());
    tokio::time::sleep(LONGEST).await;
    assert_eq!(house.vpn().as_deref(), Some(HOST));
}
