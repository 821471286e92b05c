//! The daemon over simulated hours.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use pin53::audit::{self, Via};
use pin53::daemon::{self, Settings};
use pin53::desired::{Rule, ZoneChoice};
use pin53::dns::{RecordType, ZoneId};
use pin53::sandbox::{Fault, InProcess, Operation, Side};
use pin53::transport::{BoxFuture, Error, Transport};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::house::{HOST, House, MOVED, cname, seconds, simple};

fn house() -> House {
    House { patience: daemon::PATIENCE, ..crate::house::house() }
}

const RHYTHM: Settings = Settings { watch: Duration::from_secs(5), interval: Duration::from_secs(300) };

/// A daemon for `vpn.example.com`, and how to stop it.
struct Running {
    task: JoinHandle<()>,
    stop: oneshot::Sender<()>,
}

fn start(house: &House) -> Running {
    start_with(house, &[cname("vpn.example.com")], RHYTHM)
}

fn start_with(house: &House, rules: &[Rule], rhythm: Settings) -> Running {
    let reconciler = Arc::new(house.reconciler(rules));
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(daemon::run(reconciler, rhythm, async {
        let _ = stopped.await;
    }));
    Running { task, stop }
}

impl Running {
    async fn stop(self) -> Duration {
        let started = tokio::time::Instant::now();
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
        started.elapsed()
    }
}

#[tokio::test(start_paused = true)]
async fn it_pins_at_the_start_and_follows_within_a_watch_and_a_second() {
    let house = house();
    let daemon = start(&house);
    tokio::time::sleep(seconds(1)).await;
    assert_eq!(house.vpn().as_deref(), Some(HOST));
    for n in 1..20u8 {
        tokio::time::sleep(Duration::from_millis(700 * u64::from(n))).await;
        house.world.move_instance([203, 0, 113, n].into());
        tokio::time::sleep(RHYTHM.watch + seconds(1)).await;
        let expected = format!("ec2-203-0-113-{n}.eu-west-1.compute.amazonaws.com");
        assert_eq!(house.vpn(), Some(expected));
    }
    daemon.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_move_is_one_request_because_the_old_value_is_known() {
    let house = house();
    let daemon = start(&house);
    tokio::time::sleep(seconds(60)).await;
    house.world.forget_requests();
    house.move_instance();
    tokio::time::sleep(seconds(6)).await;
    assert_eq!(house.vpn().as_deref(), Some(MOVED));
    assert_eq!(house.changes(), 1);
    assert_eq!(house.world.calls(Operation::ListResourceRecordSets), 0);
    daemon.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_old_value_that_is_no_longer_true_is_read_again() {
    let house = house();
    let daemon = start(&house);
    tokio::time::sleep(seconds(60)).await;
    house.put(simple("vpn.example.com", RecordType::Cname, 300, &["someone-elses.example.net."]));
    house.move_instance();
    tokio::time::sleep(seconds(6)).await;
    assert_eq!(house.vpn().as_deref(), Some(MOVED));
    daemon.stop().await;
}

#[tokio::test(start_paused = true)]
async fn while_nothing_changes_a_look_is_one_request_and_an_audit_through_the_api_is_one() {
    let audit = audit::Settings { via: Via::Api, ..audit::Settings::default() };
    let house = House { audit, ..house() };
    let daemon = start(&house);
    tokio::time::sleep(seconds(120)).await;
    house.world.forget_requests();
    tokio::time::sleep(seconds(3600)).await;
    let looks = house.world.requests_to(Side::Metadata);
    let audits = house.world.requests_to(Side::Api);
    assert!((718..=722).contains(&looks), "{looks} looks in an hour");
    assert!((10..=14).contains(&audits), "{audits} audits in an hour");
    assert_eq!(house.world.calls(Operation::ListResourceRecordSets), audits);
    daemon.stop().await;
}

#[tokio::test(start_paused = true)]
async fn drift_is_mended_within_an_interval() {
    let house = house();
    let daemon = start(&house);
    tokio::time::sleep(seconds(60)).await;
    house.put(simple("vpn.example.com", RecordType::Cname, 60, &["drift.example.net."]));
    tokio::time::sleep(RHYTHM.interval + RHYTHM.interval / 10 + RHYTHM.watch).await;
    assert_eq!(house.vpn().as_deref(), Some(HOST));
    daemon.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_metadata_service_that_is_silent_at_boot_is_waited_for() {
    let house = house();
    house.put(simple("vpn.example.com", RecordType::Cname, 60, &["old.example.net."]));
    house.world.inject(Fault::ImdsSilent.lasting(seconds(30)));
    let daemon = start(&house);
    tokio::time::sleep(seconds(29)).await;
    assert_eq!(house.vpn().as_deref(), Some("old.example.net."));
    tokio::time::sleep(seconds(12)).await;
    assert_eq!(house.vpn().as_deref(), Some(HOST));
    daemon.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_public_address_that_comes_minutes_after_boot_is_published_then() {
    let house = house();
    house.world.with_instance(pin53::sandbox::Instance::release_address);
    let daemon = start(&house);
    tokio::time::sleep(seconds(300)).await;
    assert_eq!((house.vpn(), house.changes()), (None, 0));
    house.move_instance();
    tokio::time::sleep(seconds(6)).await;
    assert_eq!(house.vpn().as_deref(), Some(MOVED));
    daemon.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_address_that_goes_away_leaves_the_record() {
    let house = house();
    let daemon = start(&house);
    tokio::time::sleep(seconds(10)).await;
    house.world.with_instance(pin53::sandbox::Instance::release_address);
    house.world.forget_requests();
    tokio::time::sleep(seconds(1200)).await;
    assert_eq!(house.vpn().as_deref(), Some(HOST));
    assert_eq!(house.requests().1, 0, "nothing is asked while nothing is known");
    daemon.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_only_a_person_can_mend_is_asked_for_rarely() {
    let house = house();
    house.deny(Operation::ListResourceRecordSets);
    let daemon = start(&house);
    tokio::time::sleep(seconds(20)).await;
    assert!(house.requests().1 <= 3, "{:?}", house.requests());
    house.world.forget_requests();
    tokio::time::sleep(seconds(14 * 60)).await;
    assert_eq!(house.requests().1, 0);
    tokio::time::sleep(seconds(47 * 60)).await;
    assert!(house.requests().1 >= 1);
    daemon.stop().await;
}

#[tokio::test(start_paused = true)]
async fn credentials_are_renewed_before_they_end() {
    let house = house();
    let daemon = start(&house);
    // A day: the role's credentials last some hours.
    for hour in 0..24u8 {
        tokio::time::sleep(seconds(3600)).await;
        house.world.move_instance([203, 0, 113, hour + 1].into());
    }
    tokio::time::sleep(seconds(6)).await;
    assert_eq!(house.vpn().as_deref(), Some("ec2-203-0-113-24.eu-west-1.compute.amazonaws.com"));
    let refused = house
        .world
        .requests()
        .iter()
        .filter(|r| r.side == Side::Api && r.status.is_none_or(|s| !s.is_success()))
        .count();
    assert_eq!(refused, 0, "no request was made with ended credentials");
    daemon.stop().await;
}

#[tokio::test(start_paused = true)]
async fn trouble_with_route_53_passes() {
    for fault in [Fault::Throttle, Fault::ServerError, Fault::Html] {
        let house = house();
        house.world.inject(fault.lasting(seconds(120)));
        let daemon = start(&house);
        // Who was throttled stays away for up to four minutes.
        tokio::time::sleep(seconds(120 + 240 + 30)).await;
        assert_eq!(house.vpn().as_deref(), Some(HOST), "{fault:?}");
        daemon.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn it_stops_within_two_seconds_whatever_it_waits_for() {
    for trouble in ["aws=600s", "imds=600s"] {
        let house = house();
        let daemon = start(&house);
        tokio::time::sleep(seconds(10)).await;
        house.world.set_latency(trouble.parse().unwrap());
        house.move_instance();
        tokio::time::sleep(seconds(7)).await;
        let took = daemon.stop().await;
        assert!(took < seconds(2), "{trouble}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_role_that_is_attached_after_boot_is_taken_soon() {
    let house = house();
    house.world.with_instance(|instance| instance.role = None);
    let daemon = start(&house);
    tokio::time::sleep(seconds(20)).await;
    assert_eq!(house.requests().1, 0, "without credentials nothing is asked of Route 53");
    house.world.with_instance(|instance| instance.role = Some("late".to_owned()));
    tokio::time::sleep(seconds(60)).await;
    assert_eq!(house.vpn().as_deref(), Some(HOST));
    daemon.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_permission_that_is_seconds_late_costs_seconds() {
    let house = house();
    house.world.inject(Fault::AccessDenied.at(Operation::ListResourceRecordSets).times(1));
    let daemon = start(&house);
    tokio::time::sleep(seconds(20)).await;
    assert_eq!(house.vpn().as_deref(), Some(HOST));
    daemon.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_audit_does_not_wait_for_a_rare_look() {
    let house = house();
    let rhythm = Settings { watch: seconds(3600), interval: seconds(300) };
    let daemon = start_with(&house, &[cname("vpn.example.com")], rhythm);
    tokio::time::sleep(seconds(10)).await;
    house.put(simple("vpn.example.com", RecordType::Cname, 60, &["drift.example.net."]));
    tokio::time::sleep(seconds(340)).await;
    assert_eq!(house.vpn().as_deref(), Some(HOST));
    assert_eq!(house.world.requests().iter().filter(|r| r.operation.contains("public-hostname")).count(), 1);
    daemon.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_throttled_account_is_not_kept_throttled() {
    let house = house();
    house.world.inject(Fault::Throttle.always());
    let daemon = start(&house);
    tokio::time::sleep(seconds(3600)).await;
    let (_, asked) = house.requests();
    assert!(asked < 250, "{asked} requests in a throttled hour");
    daemon.stop().await;
}

#[tokio::test(start_paused = true)]
async fn trouble_in_one_zone_does_not_hold_up_another() {
    let house = house();
    house.world.add_zone("example.org").unwrap();
    let rules = [cname("vpn.example.com"), cname("bad.example.org")];
    house.put(simple("bad.example.org", RecordType::A, 60, &["198.51.100.1"]));
    house.world.inject(Fault::PriorRequest.times(4));
    let daemon = start_with(&house, &rules, RHYTHM);
    tokio::time::sleep(seconds(60)).await;
    house.move_instance();
    tokio::time::sleep(RHYTHM.watch + seconds(1)).await;
    assert_eq!(house.vpn().as_deref(), Some(MOVED));
    assert_eq!(house.value("bad.example.org", RecordType::A).as_deref(), Some("198.51.100.1"));
    daemon.stop().await;
}

#[tokio::test(start_paused = true)]
async fn whatever_is_denied_or_missing_takes_at_most_three_requests_in_the_first_twenty_seconds() {
    type Trouble = fn(&House);
    let troubles: [Trouble; 5] = [
        |house| house.world.inject(Fault::AccessDenied.always()),
        |house| house.deny(Operation::ListResourceRecordSets),
        |house| house.deny(Operation::ChangeResourceRecordSets),
        |house| house.deny(Operation::ListHostedZonesByName),
        |house| house.world.remove_zone(&house.world.zone_of(&crate::house::name("example.com")).unwrap()),
    ];
    for (n, trouble) in troubles.into_iter().enumerate() {
        let house = house();
        trouble(&house);
        let daemon = start(&house);
        tokio::time::sleep(seconds(20)).await;
        let (_, asked) = house.requests();
        // Where only the newer list is denied, the older one finds the zone, and the name is pinned.
        let bound = if house.vpn().is_some() { 6 } else { 3 };
        assert!(asked <= bound, "{n}: {asked} requests");
        daemon.stop().await;
    }
}

/// Never answers what concerns one zone.
struct Hanging(InProcess);

impl Transport for Hanging {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, Error>> {
        if request.method() == Method::POST && request.uri().path().contains("ZHANGS") {
            let host = "route53.amazonaws.com".to_owned();
            return Box::pin(async move {
                tokio::time::sleep(seconds(10)).await;
                Err(Error::Timeout { host, after: seconds(10) })
            });
        }
        let path = request.uri().path_and_query().unwrap().as_str();
        if path.contains("ZHANGS") {
            let none = "<ListResourceRecordSetsResponse><ResourceRecordSets/><IsTruncated>false</IsTruncated></ListResourceRecordSetsResponse>";
            return Box::pin(async move { Ok(Response::new(Bytes::from(none))) });
        }
        self.0.send(request)
    }
}

#[tokio::test(start_paused = true)]
async fn a_zone_whose_changes_hang_holds_up_no_other_zone() {
    let house = House { between: |transport| Arc::new(Hanging(transport)), ..house() };
    let hanging = Rule { zone: ZoneChoice::Id(ZoneId::parse("ZHANGS").unwrap()), ..cname("bad.example.org") };
    let daemon = start_with(&house, &[hanging, cname("vpn.example.com")], RHYTHM);
    tokio::time::sleep(seconds(20)).await;
    for n in 1..10u8 {
        house.world.move_instance([203, 0, 113, n].into());
        tokio::time::sleep(RHYTHM.watch + seconds(1)).await;
        let expected = format!("ec2-203-0-113-{n}.eu-west-1.compute.amazonaws.com");
        assert_eq!(house.vpn(), Some(expected));
    }
    let took = daemon.stop().await;
    assert!(took < seconds(2), "{took:?}");
}

/// Answers changes half a second late.
struct Late(InProcess);

impl Transport for Late {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, Error>> {
        let change = request.method() == Method::POST;
        Box::pin(async move {
            let answer = self.0.send(request).await;
            if change {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            answer
        })
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_that_changes_while_its_change_is_on_its_way_is_followed_at_once() {
    let house = House { between: |transport| Arc::new(Late(transport)), ..house() };
    let rhythm = Settings { watch: Duration::from_millis(200), interval: seconds(300) };
    let daemon = start_with(&house, &[cname("vpn.example.com")], rhythm);
    tokio::time::sleep(Duration::from_millis(100)).await;
    house.move_instance();
    tokio::time::sleep(seconds(2)).await;
    assert_eq!(house.vpn().as_deref(), Some(MOVED));
    daemon.stop().await;
}
