//! A fleet in one account, on paused time: the daemon as it is, the sandbox, and the account's own rates.

use std::sync::Arc;
use std::time::Duration;

use pin53::daemon::{self, Settings};
use pin53::desired::{Rule, ZoneChoice};
use pin53::dns::{RecordType, ZoneId};
use pin53::report::Outcome;
use pin53::sandbox::{Fault, Operation, Side};
use pin53::state::State;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::house::{HOST, House, MOVED, cname, marker, owned, seconds, simple};

/// The account's rates (`sandbox::limits`).
const BURST: f64 = 50.0;
const REFILL: f64 = 10.0;
const ENDPOINT: &str = "https://route53.amazonaws.com";

/// Instances of one account, each with a name of its own.
struct Fleet {
    house: House,
    /// Each name, and the zone that it lies in.
    names: Vec<(String, ZoneId)>,
    /// One record of so many has an owner, if any has.
    owned: Option<usize>,
}

impl Fleet {
    /// So many instances in each of some zones; their records hold what their last boot put there.
    fn with_owners(zones: usize, each: usize, owned: Option<usize>) -> Self {
        let house = House { patience: daemon::PATIENCE, ..crate::house::house() };
        let mut names = Vec::new();
        for zone in 0..zones {
            let apex = format!("zone-{zone}.example.org");
            let id = house.world.add_zone(&apex).unwrap();
            let hosts = (0..each).map(|host| format!("host-{host}.{apex}")).collect::<Vec<_>>();
            let sets = hosts.iter().map(|host| simple(host, RecordType::Cname, 60, &[HOST]));
            let markers = hosts.iter().enumerate().filter(|(place, _)| has_owner(*place, owned));
            let markers = markers.map(|(_, host)| marker(&format!("cname-{host}"), "me"));
            house.world.put_records_in(&id, sets.chain(markers));
            names.extend(hosts.into_iter().map(|host| (host, id.clone())));
        }
        Self { house, names, owned }
    }

    /// Boots them all, in this moment.
    fn boot(&self, rhythm: Settings) -> JoinSet<()> {
        let mut daemons = JoinSet::new();
        for (place, (host, zone)) in self.names.iter().enumerate() {
            // What the boot before has left in the state file.
            let state = State::in_memory();
            let servers = self.house.world.records(zone).into_iter().find(|set| set.rtype == RecordType::Ns);
            let servers = servers.unwrap().as_simple().unwrap().1.to_vec();
            let servers: Vec<_> = servers.iter().map(|host| host.trim_end_matches('.').to_owned()).collect();
            state.set_name_servers(ENDPOINT, zone, Some(&servers));
            let house = House {
                state: Arc::new(state),
                world: Arc::clone(&self.house.world),
                patience: daemon::PATIENCE,
                ..crate::house::house()
            };
            let rule = Rule { zone: ZoneChoice::Id(zone.clone()), ..cname(host) };
            let rule = if has_owner(place, self.owned) { owned(rule, "me") } else { rule };
            let reconciler = Arc::new(house.reconciler(&[rule]));
            daemons.spawn(daemon::run(reconciler, rhythm, std::future::pending()));
        }
        daemons
    }

    fn pinned(&self, value: &str) -> usize {
        let wanted = |(host, _): &&(String, ZoneId)| {
            self.house.value(host, RecordType::Cname).as_deref() == Some(value)
        };
        self.names.iter().filter(wanted).count()
    }
}

/// Not the first of them, so that drift meets others.
fn has_owner(place: usize, owned: Option<usize>) -> bool {
    owned.is_some_and(|owned| place % owned == owned / 2)
}

/// What a mass reboot came to.
#[derive(Debug)]
struct Boot {
    took: Duration,
    /// The shortest time in which the rates admit the calls that were needed.
    least: f64,
    taken: u64,
    throttled: u64,
}

/// Boots a fleet whose instances all have another address than before, and waits for the last one.
async fn mass_reboot(zones: usize, each: usize) -> Boot {
    let fleet = Fleet::with_owners(zones, each, Some(OWNED));
    let world = &fleet.house.world;
    fleet.house.move_instance();
    world.inject(Fault::RateLimit);
    let started = Instant::now();
    let _daemons = fleet.boot(Settings { watch: seconds(24 * 3600), interval: seconds(24 * 3600) });
    let wanted = fleet.names.len();
    // To look at all names costs time, so it is done only when they may be through.
    while world.limited_calls().taken < 2 * u64::try_from(wanted).unwrap() || fleet.pinned(MOVED) < wanted {
        tokio::time::sleep(seconds(5)).await;
        assert!(started.elapsed() < seconds(24 * 3600), "{} of {wanted}", fleet.pinned(MOVED));
    }
    let took = started.elapsed();
    let calls = world.limited_calls();
    Boot {
        took,
        least: (f64::from(u32::try_from(calls.taken).unwrap()) - BURST) / REFILL,
        taken: calls.taken,
        throttled: calls.throttled,
    }
}

/// A zone of a fleet; more names in one cost the sandbox more than they cost Route 53.
const ZONE: usize = 100;

async fn reboots(instances: usize, slack: f64) {
    let boot = mass_reboot(instances / ZONE, ZONE).await;
    let ratio = boot.took.as_secs_f64() / boot.least;
    // A read, the change and a look whether it is in sync; with an owner the marker is read too, once.
    let most = 3 * instances + instances / OWNED;
    assert!(boot.taken <= u64::try_from(most).unwrap(), "at most {most} requests: {boot:?}");
    assert!(ratio <= slack, "{ratio:.3} times the least: {boot:?}");
    // A refusal costs the account nothing but is no reason to hammer it.
    assert!(boot.throttled <= 12 * boot.taken, "{boot:?}");
}

#[tokio::test(start_paused = true)]
async fn a_mass_reboot_keeps_the_accounts_rate_busy() {
    // The last of a small fleet sleeps for as long a part of a shorter time.
    reboots(1_000, 2.0).await;
}

#[tokio::test(start_paused = true)]
#[ignore = "takes minutes where it isn't optimised: cargo test --profile fleet"]
async fn a_mass_reboot_of_ten_thousand_takes_little_longer_than_the_rate_demands() {
    reboots(10_000, 1.15).await;
}

/// One of so many records has an owner, where some have.
const OWNED: usize = 10;

/// A day in which nothing happens but what others do by hand.
async fn steady_day(instances: usize, interval: Duration) {
    let fleet = Fleet::with_owners(instances / ZONE, ZONE, Some(OWNED));
    let world = &fleet.house.world;
    let rhythm = Settings { watch: seconds(6 * 3600), interval };
    let _daemons = fleet.boot(rhythm);
    tokio::time::sleep(seconds(600)).await;
    world.forget_requests();
    tokio::time::sleep(seconds(24 * 3600)).await;
    assert_eq!(world.requests_to(Side::Api), 0, "an unchanged fleet costs the account nothing");

    for (host, _) in fleet.names.iter().step_by(50) {
        fleet.house.put(simple(host, RecordType::Cname, 60, &["drift.example.net."]));
    }
    tokio::time::sleep(interval + seconds(6)).await;
    assert_eq!(fleet.pinned(HOST), instances, "drift is mended within an interval");
    let mended = instances.div_ceil(50);
    assert_eq!(world.calls(Operation::ChangeResourceRecordSets), mended);
    assert_eq!(world.calls(Operation::ListResourceRecordSets), mended);
}

#[tokio::test(start_paused = true)]
async fn an_unchanged_fleet_asks_the_api_nothing_all_day() {
    steady_day(200, seconds(3600)).await;
}

#[tokio::test(start_paused = true)]
#[ignore = "takes minutes where it isn't optimised: cargo test --profile fleet"]
async fn an_unchanged_fleet_of_a_thousand_asks_the_api_nothing_all_day() {
    steady_day(1_000, seconds(300)).await;
}

async fn one_zone(names: usize) {
    let fleet = Fleet::with_owners(1, names, Some(OWNED));
    let world = &fleet.house.world;
    fleet.house.move_instance();
    // A change takes as long as to keep the zone busy for the next one.
    world.set_latency("aws=20ms".parse().unwrap());
    let started = Instant::now();
    let _daemons = fleet.boot(Settings { watch: seconds(24 * 3600), interval: seconds(24 * 3600) });
    while fleet.pinned(MOVED) < fleet.names.len() {
        tokio::time::sleep(seconds(10)).await;
        assert!(started.elapsed() < seconds(600), "{} so far", fleet.pinned(MOVED));
    }
    let reads = world.calls(Operation::ListResourceRecordSets);
    assert_eq!(reads, names + names / OWNED, "a change that was put off is sent again without another read");
}

#[tokio::test(start_paused = true)]
async fn names_in_one_zone_follow_when_their_changes_meet() {
    one_zone(200).await;
}

#[tokio::test(start_paused = true)]
#[ignore = "takes minutes where it isn't optimised: cargo test --profile fleet"]
async fn a_thousand_names_in_one_zone_follow_when_their_changes_meet() {
    one_zone(1_000).await;
}

#[tokio::test(start_paused = true)]
async fn in_a_zone_of_ten_thousand_records_one_name_costs_one_small_request() {
    let house = crate::house::house();
    let zone = house.world.zone_of(&crate::house::name("example.com")).unwrap();
    let others =
        (0..10_000).map(|n| simple(&format!("host-{n}.example.com"), RecordType::A, 60, &["198.51.100.7"]));
    house.world.put_records_in(&zone, others);
    house.put(simple("vpn.example.com", RecordType::Cname, 60, &[HOST]));
    let rule = Rule { zone: ZoneChoice::Id(zone), ..cname("vpn.example.com") };
    let round = house.once_with(&[rule]).await;
    assert_eq!(crate::house::outcomes(&round), [Outcome::Unchanged]);
    let requests = house.world.requests();
    let asked: Vec<_> = requests.iter().filter(|request| request.side == Side::Api).collect();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(asked[0].target.contains("maxitems=1&"), "and its answer is one record's: {}", asked[0].target);
}
