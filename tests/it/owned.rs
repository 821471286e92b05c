//! Records with an owner: what their upkeep costs, and whose word counts while nobody reads.

use std::sync::Arc;
use std::time::Duration;

use pin53::daemon::{self, Settings};
use pin53::desired::Rule;
use pin53::dns::{RecordKey, RecordType};
use pin53::report::Outcome;
use pin53::sandbox::{Fault, Operation, Side};
use tokio::task::JoinHandle;

use super::house::{HOST, House, MOVED, cname, marker, name, of_type, outcomes, owned, seconds, simple};

const VPN: &str = "vpn.example.com";
const ADDRESS: &str = "198.51.100.7";
/// An interval, and a moment for what it leads to.
const LONGEST: Duration = Duration::from_secs(306);

fn house() -> House {
    House { patience: daemon::PATIENCE, ..super::house::house() }
}

fn start(house: &House, rules: &[Rule]) -> JoinHandle<()> {
    let rhythm = Settings { watch: seconds(5), interval: seconds(300) };
    tokio::spawn(daemon::run(Arc::new(house.reconciler(rules)), rhythm, std::future::pending()))
}

/// A daemon that is through with its start.
async fn settled(house: &House, rules: &[Rule]) -> JoinHandle<()> {
    let daemon = start(house, rules);
    tokio::time::sleep(seconds(60)).await;
    house.world.forget_requests();
    daemon
}

fn asked(house: &House) -> usize {
    house.world.requests_to(Side::Api)
}

fn reads(house: &House) -> usize {
    house.world.calls(Operation::ListResourceRecordSets)
}

fn remove(house: &House, at: &str) {
    house.world.remove_record(&RecordKey::simple(name(at), RecordType::Txt)).unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_unchanged_record_with_an_owner_costs_no_call() {
    let house = house();
    house.put(simple("text.example.com", RecordType::Txt, 60, &["\"v=spf1 -all\" \"caf\\351\""]));
    let rules = [
        cname(VPN),
        of_type(RecordType::A, "*.example.com"),
        of_type(RecordType::A, "text.example.com"),
        of_type(RecordType::A, "a\\100b\\056c.example.com"),
    ];
    let _daemon = settled(&house, &rules.map(|rule| owned(rule, "me"))).await;
    assert!(house.value("a-a\\100b\\056c.example.com", RecordType::Txt).is_some());
    tokio::time::sleep(seconds(6 * 3600)).await;
    assert_eq!(asked(&house), 0);
    // Two servers for each audit: a CNAME and its marker, an address, its marker and the text at its name.
    let questions = house.world.dns_queries();
    assert!((130 * 11..=180 * 11).contains(&questions), "{questions} questions in six hours of audits");
}

#[tokio::test(start_paused = true)]
async fn a_marker_in_other_words_of_the_same_owner_costs_no_call_either() {
    let house = house();
    let text =
        "\"heritage=external-dns,external-\" \"dns/owner=\\155e,external-dns/resource=service/default/x\"";
    house.put(simple("cname-vpn.example.com", RecordType::Txt, 60, &[text]));
    house.put(simple(VPN, RecordType::Cname, 60, &[HOST]));
    let _daemon = settled(&house, &[owned(cname(VPN), "me")]).await;
    tokio::time::sleep(seconds(3600)).await;
    assert_eq!(asked(&house), 0);
    house.move_instance();
    tokio::time::sleep(seconds(60)).await;
    assert_eq!(house.vpn().as_deref(), Some(MOVED));
    assert_eq!(house.value("cname-vpn.example.com", RecordType::Txt).as_deref(), Some(text));
}

#[tokio::test(start_paused = true)]
async fn a_marker_that_is_gone_is_made_again_within_an_interval() {
    let house = house();
    let _daemon = settled(&house, &[owned(cname(VPN), "me")]).await;
    remove(&house, "cname-vpn.example.com");
    tokio::time::sleep(LONGEST).await;
    assert!(house.value("cname-vpn.example.com", RecordType::Txt).is_some());
    assert_eq!((reads(&house), house.changes()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_move_costs_one_change_and_for_an_address_the_look_at_its_name() {
    for (rule, looks) in [(cname(VPN), 0), (of_type(RecordType::A, VPN), 1)] {
        let house = house();
        let rtype = rule.rtype;
        let _daemon = settled(&house, &[owned(rule, "me")]).await;
        let before = house.value(VPN, rtype);
        house.move_instance();
        tokio::time::sleep(seconds(12)).await;
        assert_ne!(house.value(VPN, rtype), before);
        assert_eq!((reads(&house), house.changes()), (looks, 1), "{rtype}");
        tokio::time::sleep(seconds(60)).await;
        house.world.forget_requests();
        tokio::time::sleep(seconds(3600)).await;
        assert_eq!(asked(&house), 0, "{rtype}: what was written is what is asked for");
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_that_was_given_to_another_owner_is_not_moved_at_the_next_moment() {
    let cases = [
        (cname(VPN), "cname-vpn.example.com"),
        (of_type(RecordType::A, VPN), "a-vpn.example.com"),
        (of_type(RecordType::A, VPN), VPN),
    ];
    for (rule, at) in cases {
        let house = house();
        let rtype = rule.rtype;
        let _daemon = settled(&house, &[owned(rule, "me")]).await;
        let before = house.value(VPN, rtype);
        house.put(marker(at, "you"));
        house.move_instance();
        tokio::time::sleep(seconds(3600)).await;
        assert_eq!(house.value(VPN, rtype), before, "{rtype}, marked at {at}");
        assert!(house.value(at, RecordType::Txt).unwrap().contains("owner=you"));
    }
}

#[tokio::test(start_paused = true)]
async fn another_owner_is_seen_by_the_audit_and_the_record_left_to_it() {
    for at in ["a-vpn.example.com", VPN] {
        let house = house();
        let _daemon = settled(&house, &[owned(of_type(RecordType::A, VPN), "me")]).await;
        house.put(marker(at, "you"));
        tokio::time::sleep(LONGEST).await;
        assert_eq!(reads(&house), 2, "{at}");
        house.put(simple(VPN, RecordType::A, 60, &["192.0.2.1"]));
        tokio::time::sleep(seconds(3600)).await;
        assert_eq!(house.value(VPN, RecordType::A).as_deref(), Some("192.0.2.1"));
        assert_eq!(house.changes(), 0, "{at}");
        // It is given back.
        remove(&house, at);
        tokio::time::sleep(LONGEST).await;
        assert_eq!(house.value(VPN, RecordType::A).as_deref(), Some(ADDRESS));
        assert!(house.value("a-vpn.example.com", RecordType::Txt).unwrap().contains("owner=me"));
    }
}

#[tokio::test(start_paused = true)]
async fn where_dns_is_silent_a_record_with_an_owner_is_audited_through_the_api() {
    let house = house();
    let _daemon = settled(&house, &[owned(cname(VPN), "me")]).await;
    house.world.inject(Fault::DnsSilent.always());
    remove(&house, "cname-vpn.example.com");
    tokio::time::sleep(LONGEST + seconds(5)).await;
    assert!(house.value("cname-vpn.example.com", RecordType::Txt).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_lost_repair_of_a_marker_is_not_taken_for_done_because_the_record_is_right() {
    let house = super::house::house();
    house.put(simple(VPN, RecordType::Cname, 60, &[HOST]));
    // The zone, the name, the marker's name, and then the change.
    house.world.inject(Fault::Hold(4));
    let round = house.once_with(&[owned(cname(VPN), "me")]).await;
    assert_eq!(house.value("cname-vpn.example.com", RecordType::Txt), None);
    assert_eq!(outcomes(&round), [Outcome::Unconfirmed], "{round:?}");
    // The zone is known by now.
    house.world.inject(Fault::HoldAnswer(3));
    let round = house.once_with(&[owned(cname(VPN), "me")]).await;
    assert!(house.value("cname-vpn.example.com", RecordType::Txt).is_some());
    assert_eq!(outcomes(&round), [Outcome::Changed], "{round:?}");
}

#[tokio::test(start_paused = true)]
async fn a_record_with_an_owner_follows_where_making_the_same_marker_again_is_refused() {
    for (rule, at) in
        [(cname(VPN), "cname-vpn.example.com"), (of_type(RecordType::A, VPN), "a-vpn.example.com")]
    {
        let house = house();
        let rtype = rule.rtype;
        let _daemon = settled(&house, &[owned(rule, "me")]).await;
        house.world.inject(Fault::RefuseSame);
        let before = house.value(VPN, rtype);
        let marked = house.value(at, RecordType::Txt);
        house.move_instance();
        tokio::time::sleep(seconds(60)).await;
        assert_ne!(house.value(VPN, rtype), before);
        assert_eq!(house.value(at, RecordType::Txt), marked);
        assert_eq!(house.changes(), 2, "{rtype}: refused, and then without the marker");
        // The other way round, the record is what stays the same.
        remove(&house, at);
        tokio::time::sleep(LONGEST).await;
        assert_eq!(house.value(at, RecordType::Txt), marked);
        assert_eq!(house.changes(), 4, "{rtype}");
    }
}

#[tokio::test(start_paused = true)]
async fn another_owner_is_respected_where_making_the_same_marker_again_is_refused() {
    let house = house();
    let _daemon = settled(&house, &[owned(cname(VPN), "me")]).await;
    house.world.inject(Fault::RefuseSame);
    house.put(marker("cname-vpn.example.com", "you"));
    house.move_instance();
    tokio::time::sleep(seconds(3600)).await;
    assert_eq!(house.vpn().as_deref(), Some(HOST));
    assert!(house.value("cname-vpn.example.com", RecordType::Txt).unwrap().contains("owner=you"));
}
