//! Records that go with the daemon, or with its machine.

use std::sync::Arc;
use std::time::Duration;

use pin53::daemon::{self, Settings};
use pin53::desired::{Leaving, Parting, Rule};
use pin53::dns::RecordType;
use pin53::reconcile::{Due, Mode};
use pin53::report::Outcome;
use pin53::sandbox::{Fault, Instance, Side};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::house::{HOST, House, MOVED, cname, marker, name, of_type, owned, seconds, simple};

const VPN: &str = "vpn.example.com";
const RHYTHM: Settings = Settings { watch: Duration::from_secs(5), interval: Duration::from_secs(300) };
/// Two `watch` and a few seconds.
const NOTICED: Duration = Duration::from_secs(12);

fn house() -> House {
    House { patience: daemon::PATIENCE, ..super::house::house() }
}

fn on_stop(rule: Rule) -> Rule {
    Rule { leaving: Leaving { on_stop: Parting::Withdraw, ..rule.leaving }, ..rule }
}

fn on_terminate(rule: Rule) -> Rule {
    Rule { leaving: Leaving { on_terminate: Parting::Withdraw, ..rule.leaving }, ..rule }
}

fn on_rebalance(rule: Rule) -> Rule {
    Rule { leaving: Leaving { on_rebalance: Parting::Withdraw, ..rule.leaving }, ..rule }
}

struct Running {
    task: JoinHandle<()>,
    stop: oneshot::Sender<()>,
}

fn start(house: &House, rules: &[Rule]) -> Running {
    let reconciler = Arc::new(house.reconciler(rules));
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(daemon::run(reconciler, RHYTHM, async {
        let _ = stopped.await;
    }));
    Running { task, stop }
}

impl Running {
    async fn stop(self) -> Duration {
        let started = Instant::now();
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
        started.elapsed()
    }
}

fn terminate(instance: &mut Instance) {
    instance.spot_action = Some(("terminate".to_owned(), "2026-11-21T10:02:00Z".parse().unwrap()));
}

#[tokio::test(start_paused = true)]
async fn a_stop_withdraws_what_is_to_go_with_the_daemon_and_nothing_else() {
    let house = house();
    house.put(simple("www.example.com", RecordType::A, 60, &["192.0.2.9"]));
    let rules = [on_stop(owned(cname(VPN), "me")), on_stop(cname("b.example.com")), cname("c.example.com")];
    let daemon = start(&house, &rules);
    tokio::time::sleep(seconds(2)).await;
    assert!(house.value("cname-vpn.example.com", RecordType::Txt).is_some());
    let changes = house.changes();
    assert!(daemon.stop().await < seconds(2));
    assert_eq!(house.changes() - changes, 1, "all of a zone's in one change");
    assert_eq!(house.vpn(), None);
    assert_eq!(house.value("cname-vpn.example.com", RecordType::Txt), None);
    assert_eq!(house.value("b.example.com", RecordType::Cname), None);
    assert_eq!(house.value("c.example.com", RecordType::Cname).as_deref(), Some(HOST));
    assert_eq!(house.value("www.example.com", RecordType::A).as_deref(), Some("192.0.2.9"));
}

#[tokio::test(start_paused = true)]
async fn what_somebody_changed_stays_when_the_daemon_is_stopped() {
    let house = house();
    let daemon = start(&house, &[on_stop(cname(VPN)), on_stop(cname("b.example.com"))]);
    tokio::time::sleep(seconds(2)).await;
    house.put(simple(VPN, RecordType::Cname, 60, &["theirs.example.net"]));
    daemon.stop().await;
    assert_eq!(house.vpn().as_deref(), Some("theirs.example.net"));
    assert_eq!(house.value("b.example.com", RecordType::Cname), None, "one that stays keeps no other");
}

#[tokio::test(start_paused = true)]
async fn what_was_never_ours_stays_when_the_daemon_is_stopped() {
    let house = house();
    house.put(simple(VPN, RecordType::A, 60, &["192.0.2.1"]));
    let daemon = start(&house, &[on_stop(cname(VPN))]);
    tokio::time::sleep(seconds(2)).await;
    daemon.stop().await;
    assert_eq!(house.value(VPN, RecordType::A).as_deref(), Some("192.0.2.1"));
    assert_eq!(house.changes(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_has_become_another_owner_s_stays_when_the_daemon_is_stopped() {
    for at in ["a-vpn.example.com", VPN] {
        let house = house();
        let daemon = start(&house, &[on_stop(owned(of_type(RecordType::A, VPN), "me"))]);
        tokio::time::sleep(seconds(2)).await;
        house.put(marker(at, "you"));
        daemon.stop().await;
        assert!(house.value(VPN, RecordType::A).is_some(), "marked at {at}");
        assert_eq!(house.changes(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_rehearsal_says_what_it_would_withdraw_and_changes_nothing() {
    let house = House { mode: Mode::Say, ..house() };
    house.put(simple(VPN, RecordType::Cname, 60, &[HOST]));
    let reconciler = house.reconciler(&[on_stop(cname(VPN)), on_terminate(cname(VPN))]);
    let looks = reconciler.look().await.into_iter();
    let due: Vec<Due> = looks.enumerate().map(|(rule, look)| Due { rule, look }).take(1).collect();
    let entries = reconciler.withdraw(&due).await;
    assert_eq!(entries[0].outcome, Outcome::WouldChange);
    assert_eq!(entries[0].reason.as_deref(), Some("withdrawn"));

    let daemon = start(&house, &[on_stop(cname(VPN))]);
    tokio::time::sleep(seconds(2)).await;
    daemon.stop().await;
    let daemon = start(&house, &[on_terminate(cname(VPN))]);
    house.world.with_instance(terminate);
    tokio::time::sleep(NOTICED).await;
    daemon.stop().await;
    assert_eq!((house.vpn().as_deref(), house.changes()), (Some(HOST), 0));
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_in_time_when_nothing_can_be_withdrawn() {
    let house = house();
    let daemon = start(&house, &[on_stop(cname(VPN))]);
    tokio::time::sleep(seconds(2)).await;
    house.world.inject(Fault::Throttle.always());
    assert!(daemon.stop().await < seconds(8));
    assert_eq!(house.vpn().as_deref(), Some(HOST));
}

#[tokio::test(start_paused = true)]
async fn a_record_goes_with_its_instance_and_is_not_published_again() {
    for end in [terminate, |instance: &mut Instance| instance.lifecycle_state = Some("Terminated".to_owned())]
    {
        let house = house();
        let daemon = start(&house, &[on_terminate(cname(VPN)), cname("b.example.com")]);
        tokio::time::sleep(seconds(33)).await;
        assert_eq!(house.vpn().as_deref(), Some(HOST));
        house.world.with_instance(end);
        tokio::time::sleep(NOTICED).await;
        assert_eq!(house.vpn(), None);
        house.move_instance();
        tokio::time::sleep(seconds(1000)).await;
        assert_eq!(house.vpn(), None);
        assert_eq!(
            house.value("b.example.com", RecordType::Cname).as_deref(),
            Some(MOVED),
            "the daemon stays up"
        );
        daemon.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn other_notices_take_nothing_away() {
    let house = house();
    let daemon = start(&house, &[on_terminate(cname(VPN))]);
    for action in ["stop", "hibernate"] {
        let time = "2026-11-21T10:02:00Z".parse().unwrap();
        house.world.with_instance(|instance| {
            instance.spot_action = Some((action.to_owned(), time));
            instance.lifecycle_state = Some("InService".to_owned());
            instance.rebalance = Some(time);
        });
        tokio::time::sleep(NOTICED).await;
        assert_eq!(house.vpn().as_deref(), Some(HOST), "{action}");
    }
    daemon.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_recommendation_takes_away_what_is_to_go_with_it() {
    let house = house();
    let daemon = start(&house, &[on_rebalance(cname(VPN)), on_terminate(cname("b.example.com"))]);
    tokio::time::sleep(seconds(3)).await;
    let time = "2026-11-21T10:02:00Z".parse().unwrap();
    house.world.with_instance(|instance| instance.rebalance = Some(time));
    tokio::time::sleep(NOTICED).await;
    assert_eq!(house.vpn(), None);
    assert!(house.value("b.example.com", RecordType::Cname).is_some());
    house.world.with_instance(terminate);
    tokio::time::sleep(NOTICED).await;
    assert_eq!(house.value("b.example.com", RecordType::Cname), None);
    daemon.stop().await;
}

#[tokio::test(start_paused = true)]
async fn whoever_starts_on_an_instance_that_ends_withdraws_and_never_publishes() {
    let house = house();
    house.put(simple(VPN, RecordType::Cname, 60, &[HOST]));
    house.put(simple("b.example.com", RecordType::Cname, 60, &["theirs.example.net"]));
    house.world.with_instance(terminate);
    let rules = [
        on_terminate(cname(VPN)),
        on_terminate(cname("b.example.com")),
        on_terminate(of_type(RecordType::A, "c.example.com")),
    ];
    let daemon = start(&house, &rules);
    tokio::time::sleep(NOTICED).await;
    assert_eq!(house.vpn(), None, "it was as this instance would write it");
    assert_eq!(house.value("b.example.com", RecordType::Cname).as_deref(), Some("theirs.example.net"));
    assert_eq!(house.value("c.example.com", RecordType::A), None);
    daemon.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_withdrawal_that_fails_is_tried_again_until_it_is_done() {
    let house = house();
    let daemon = start(&house, &[on_terminate(cname(VPN))]);
    tokio::time::sleep(seconds(3)).await;
    house.world.inject(Fault::Throttle.lasting(seconds(20)));
    house.world.with_instance(terminate);
    tokio::time::sleep(seconds(18)).await;
    assert_eq!(house.vpn().as_deref(), Some(HOST));
    tokio::time::sleep(seconds(30)).await;
    assert_eq!(house.vpn(), None);
    daemon.stop().await;
}

#[tokio::test(start_paused = true)]
async fn notices_are_looked_for_only_where_some_rule_asks() {
    let house = house();
    let daemon = start(&house, &[on_stop(cname(VPN))]);
    tokio::time::sleep(seconds(60)).await;
    daemon.stop().await;
    let asked = house.world.requests().into_iter().filter(|request| {
        request.side == Side::Metadata
            && (request.operation.contains("spot") || request.operation.contains("autoscaling"))
    });
    assert_eq!(asked.count(), 0);
    assert!(house.world.zone_of(&name(VPN)).is_some());
}
