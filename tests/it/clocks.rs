//! How soon the daemon comes back: after each class of error, after a SIGHUP, with other credentials.

use std::sync::Arc;
use std::time::Duration;

use pin53::daemon::{self, Reload, Settings};
use pin53::desired::Rule;
use pin53::dns::RecordType;
use pin53::sandbox::{Fault, Logged, Operation, Script, Side};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::house::{HOST, House, MOVED, cname, name, seconds, simple};

const RHYTHM: Settings = Settings { watch: Duration::from_secs(5), interval: Duration::from_secs(300) };

fn house() -> House {
    House { patience: daemon::PATIENCE, ..crate::house::house() }
}

/// Starts a daemon, to which configurations can be sent.
fn start(house: &House, rules: &[Rule]) -> mpsc::Sender<Reload> {
    let reconciler = Arc::new(house.reconciler(rules));
    let (reloads, asked) = mpsc::channel(1);
    tokio::spawn(daemon::run_reloading(
        reconciler,
        RHYTHM,
        crate::house::board(),
        daemon::Systemd::of(&house.env),
        asked,
        std::future::pending(),
    ));
    reloads
}

fn asked(house: &House) -> usize {
    house.world.requests_to(Side::Api)
}

/// How often a name's record was read.
fn reads(house: &House) -> usize {
    let read = |r: &&Logged| r.operation == "ListResourceRecordSets" && r.target.contains("name=");
    house.world.requests().iter().filter(read).count()
}

async fn until(condition: impl Fn() -> bool) -> Duration {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < seconds(7200), "it never came");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    started.elapsed()
}

#[tokio::test(start_paused = true)]
async fn what_is_denied_is_asked_for_at_once_after_a_sighup_whatever_the_file_says() {
    let house = house();
    house.world.inject(Fault::AccessDenied.always());
    let reloads = start(&house, &[cname("vpn.example.com")]);
    tokio::time::sleep(seconds(60)).await;
    house.world.forget_requests();
    tokio::time::sleep(seconds(600)).await;
    assert_eq!(asked(&house), 0, "it is a person's turn");

    reloads.send(Reload::Refused).await.unwrap();
    assert!(until(|| asked(&house) > 0).await < seconds(1));
    tokio::time::sleep(seconds(60)).await;
    house.world.clear_faults();
    let reconciler = Arc::new(house.reconciler(&[cname("vpn.example.com")]));
    reloads.send(Reload::Taken { reconciler, settings: RHYTHM }).await.unwrap();
    assert!(until(|| house.vpn().is_some()).await < seconds(1));
}

#[tokio::test(start_paused = true)]
async fn a_missing_zone_is_found_at_once_after_a_sighup() {
    let house = house();
    let zone = house.world.zone_of(&name("example.com")).unwrap();
    house.world.remove_zone(&zone);
    let reloads = start(&house, &[cname("vpn.example.com")]);
    tokio::time::sleep(seconds(20)).await;
    assert!(asked(&house) <= 3, "{}", asked(&house));
    tokio::time::sleep(seconds(60)).await;
    house.world.add_zone("example.com").unwrap();
    reloads.send(Reload::Refused).await.unwrap();
    assert!(until(|| house.vpn().is_some()).await < seconds(1));
}

#[tokio::test(start_paused = true)]
async fn other_credentials_are_tried_without_being_told() {
    let house = house();
    house.world.inject(Fault::AccessDenied.always());
    let _daemon = start(&house, &[cname("vpn.example.com")]);
    tokio::time::sleep(seconds(120)).await;
    house.world.clear_faults();
    house.world.forget_requests();
    tokio::time::sleep(seconds(600)).await;
    assert_eq!(asked(&house), 0, "the same ones are not tried again");
    house.world.expire_role_credentials();
    assert!(until(|| house.vpn().is_some()).await <= seconds(60));
}

#[tokio::test(start_paused = true)]
async fn a_new_configuration_goes_on_with_what_is_known() {
    let house = house();
    let reloads = start(&house, &[cname("vpn.example.com")]);
    tokio::time::sleep(seconds(60)).await;
    house.world.forget_requests();
    let rules = [cname("new.example.com"), cname("vpn.example.com")];
    let settings = Settings { watch: seconds(1), interval: seconds(3600) };
    let reconciler = Arc::new(house.reconciler(&rules));
    reloads.send(Reload::Taken { reconciler, settings }).await.unwrap();
    until(|| house.value("new.example.com", RecordType::Cname).is_some()).await;
    tokio::time::sleep(seconds(30)).await;
    assert_eq!(house.changes(), 1);
    assert_eq!(reads(&house), 1, "only the new name is read");
    // The rhythm is the new one.
    house.move_instance();
    assert!(until(|| house.vpn().as_deref() == Some(MOVED)).await < seconds(2));
    assert_eq!(reads(&house), 1, "the old value is known");
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_no_longer_configured_is_no_longer_looked_after() {
    let house = house();
    let reloads = start(&house, &[cname("vpn.example.com"), cname("old.example.com")]);
    tokio::time::sleep(seconds(60)).await;
    let reconciler = Arc::new(house.reconciler(&[cname("vpn.example.com")]));
    reloads.send(Reload::Taken { reconciler, settings: RHYTHM }).await.unwrap();
    tokio::time::sleep(seconds(10)).await;
    house.move_instance();
    tokio::time::sleep(seconds(400)).await;
    assert_eq!(house.vpn().as_deref(), Some(MOVED));
    assert_eq!(house.value("old.example.com", RecordType::Cname).as_deref(), Some(HOST));
}

#[tokio::test(start_paused = true)]
async fn a_configuration_that_comes_during_a_round_waits_for_its_end() {
    let house = house();
    let reloads = start(&house, &[cname("vpn.example.com")]);
    tokio::time::sleep(seconds(60)).await;
    house.world.set_latency("aws=2s".parse().unwrap());
    house.move_instance();
    tokio::time::sleep(seconds(6)).await;
    house.world.forget_requests();
    let reconciler = Arc::new(house.reconciler(&[cname("vpn.example.com")]));
    reloads.send(Reload::Taken { reconciler, settings: RHYTHM }).await.unwrap();
    tokio::time::sleep(seconds(30)).await;
    assert_eq!(house.vpn().as_deref(), Some(MOVED));
    assert_eq!(house.changes(), 0, "the change was on its way already, and was taken in");
}

#[tokio::test(start_paused = true)]
async fn a_change_that_is_throttled_is_sent_again_without_another_read() {
    let faults: [Script; 2] =
        [Fault::Throttle.at(Operation::ChangeResourceRecordSets), Fault::PriorRequest.into()];
    for fault in faults {
        let house = house();
        house.put(simple("vpn.example.com", RecordType::Cname, 60, &["old.example.net."]));
        house.world.inject(fault.times(7));
        let _daemon = start(&house, &[cname("vpn.example.com")]);
        until(|| house.vpn().as_deref() == Some(HOST)).await;
        assert_eq!(reads(&house), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_busy_zone_is_waited_for_in_seconds() {
    let house = house();
    house.world.inject(Fault::PriorRequest.lasting(seconds(60)));
    let _daemon = start(&house, &[cname("vpn.example.com")]);
    let took = until(|| house.vpn().is_some()).await;
    assert!((seconds(60)..seconds(75)).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_says_when_is_not_asked_before() {
    for wait in [seconds(2), seconds(20), seconds(90)] {
        let house = house();
        house.world.inject(Fault::RetryAfter(wait));
        house.world.inject(Fault::Throttle.times(1));
        let _daemon = start(&house, &[cname("vpn.example.com")]);
        until(|| asked(&house) == 1).await;
        assert!(until(|| asked(&house) > 1).await >= wait.saturating_sub(Duration::from_millis(200)));
        tokio::time::sleep(seconds(5)).await;
        assert_eq!(house.vpn().as_deref(), Some(HOST));
    }
}
