//! The views of snapshots.

use super::*;
use crate::board::{Change, Record};
use crate::dns::{RecordType, Ttl};
use crate::report::{Outcome, Values};

const NOW: &str = "2026-11-21T10:00:00Z";
const INTERVAL: Duration = Duration::from_secs(300);

pub(super) fn now() -> Timestamp {
    NOW.parse().unwrap()
}

pub(super) fn before(seconds: u64) -> Timestamp {
    now() - Duration::from_secs(seconds)
}

fn values(value: &str) -> Values {
    Values { ttl: Ttl::new(60).unwrap(), values: vec![value.to_owned()] }
}

pub(super) fn record(name: &str, outcome: Outcome, decided: Timestamp) -> Record {
    let class = match outcome {
        Outcome::Changed | Outcome::WouldChange | Outcome::Unchanged => Class::Fine,
        Outcome::Refused => Class::Refused,
        _ => Class::TryAgain,
    };
    let fine = class == Class::Fine;
    let entry = Entry {
        name: name.to_owned(),
        rtype: RecordType::Cname,
        outcome,
        before: fine.then(|| values("a.example")),
        after: fine.then(|| values("b.example")),
        reason: (!fine).then(|| "the <service> is silent".to_owned()),
        hint: (!fine).then(|| "see to it".to_owned()),
        class,
        trouble: None,
        change_id: None,
        request_id: None,
        topic: None,
    };
    Record {
        entry,
        rule: format!("{name} CNAME"),
        decided,
        trouble_since: (!fine).then(|| before(200)),
        last_change: Some(before(3 * 60 * 60)),
        last_confirmed: fine.then_some(decided),
        outcomes: [(outcome, 3)].into(),
    }
}

pub(super) fn snapshot(records: Vec<Record>, updated: Timestamp) -> Snapshot {
    let change = Change {
        when: before(3 * 60 * 60),
        name: "vpn.example.com".to_owned(),
        rtype: RecordType::Cname,
        before: None,
        after: Some(values("b.example")),
        change_id: Some("C1".to_owned()),
        in_sync_after: Some(31.4),
    };
    Snapshot {
        rules: records.len(),
        records,
        ready: true,
        updated: Some(updated),
        interval: INTERVAL.as_secs_f64(),
        history: vec![Change { after: None, in_sync_after: None, ..change.clone() }, change],
        ..Snapshot::default()
    }
}

fn health_of(records: Vec<Record>, updated: Timestamp) -> Health {
    Health::of(&snapshot(records, updated), now(), INTERVAL)
}

#[test]
fn it_is_fresh_for_three_intervals_and_thirty_seconds() {
    let fine = |age| vec![record("a.example.com", Outcome::Unchanged, before(age))];
    assert_eq!(health_of(fine(10), before(10)), Health::Fresh(Class::Fine));
    assert_eq!(health_of(fine(930), before(930)), Health::Fresh(Class::Fine));
    assert_eq!(health_of(fine(931), before(931)), Health::Stale(Duration::from_secs(931)));
    assert_eq!(health_of(fine(931), before(5)), Health::Stale(Duration::from_secs(931)));
    assert_eq!(health_of(fine(10), now() + Duration::from_secs(60)), Health::Fresh(Class::Fine));
}

#[test]
fn what_waits_for_a_person_or_is_withdrawn_is_not_stale() {
    let refused = record("a.example.com", Outcome::Refused, before(3000));
    assert_eq!(health_of(vec![refused], before(5)), Health::Fresh(Class::Refused));
    let mut withdrawn = record("a.example.com", Outcome::Changed, before(3000));
    withdrawn.entry.after = None;
    assert_eq!(health_of(vec![withdrawn], before(5)), Health::Fresh(Class::Fine));
}

#[test]
fn the_gravest_counts_and_nothing_known_is_no_good_sign() {
    let both = vec![
        record("a.example.com", Outcome::Left, before(5)),
        record("b.example.com", Outcome::Refused, before(5)),
    ];
    assert_eq!(health_of(both, before(5)).class(), Class::Refused);
    assert_eq!(health_of(Vec::new(), before(5)), Health::Unknown);
    let one_of_two = Snapshot {
        rules: 2,
        ..snapshot(vec![record("a.example.com", Outcome::Unchanged, before(5))], before(5))
    };
    assert_eq!(Health::of(&one_of_two, now(), INTERVAL), Health::Unknown);
    assert_eq!(Health::of(&Snapshot::default(), now(), INTERVAL).class(), Class::TryAgain);
}

#[test]
fn a_person_reads_each_record_with_its_times() {
    let records = vec![
        record("vpn.example.com", Outcome::Unchanged, before(12)),
        record("db.example.com", Outcome::Left, before(3)),
    ];
    let mut snapshot = snapshot(records, before(3));
    snapshot.records[1].last_change = None;
    insta::assert_snapshot!(text(&snapshot, now()), @"
    unchanged vpn.example.com CNAME b.example (ttl 60)
        confirmed 12 s ago, changed 3 h ago
    left db.example.com: the <service> is silent
        in trouble for 3 min; never confirmed, never changed
        hint: see to it
    ");
    insta::assert_snapshot!(history(&snapshot.history), @"
    2026-11-21T07:00:00Z vpn.example.com CNAME (none) -> (none)
    2026-11-21T07:00:00Z vpn.example.com CNAME (none) -> b.example (ttl 60), in sync after 31 s
    ");
    let said =
        |passed| health(Health::of(&snapshot, now() + Duration::from_secs(passed), INTERVAL), &snapshot);
    insta::assert_snapshot!([said(0), said(4000)].join("\n"), @"
    1 of 2 records as wanted; left db.example.com: the <service> is silent
    stale: no sign of life for 66 min
    ");
}

#[test]
fn lengths_are_told_in_their_largest_unit() {
    let said = [0, 1, 90, 119, 120, 3600, 7200, 48 * 3600].map(|s| ago(Duration::from_secs(s)));
    assert_eq!(
        said,
        ["just now", "1 s ago", "90 s ago", "119 s ago", "2 min ago", "60 min ago", "2 h ago", "2 d ago"]
    );
}

fn sent() -> std::collections::BTreeMap<&'static str, crate::transport::Sent> {
    let mut sent = crate::transport::Sent { count: 3, seconds: 0.5, ..Default::default() };
    sent.codes.insert("200".to_owned(), 2);
    sent.codes.insert("timeout".to_owned(), 1);
    sent.classes[2] = 2;
    [("GetChange", sent)].into()
}

#[test]
fn metrics_tell_of_records_and_of_requests() {
    let records = vec![
        record("vpn.example.com", Outcome::Unchanged, before(12)),
        record("quo\"te.example.com", Outcome::Left, before(3)),
    ];
    let mut snapshot = snapshot(records, before(3));
    snapshot.vitals.clock_offset = Some(jiff::SignedDuration::from_secs(-2));
    snapshot.vitals.credentials_expire = Some(now() + Duration::from_secs(600));
    let text = metrics(&snapshot, &sent(), now(), Format::OpenMetrics);
    for line in [
        "pin53_as_wanted{name=\"vpn.example.com\",type=\"CNAME\"} 1",
        "pin53_as_wanted{name=\"quo\\\"te.example.com\",type=\"CNAME\"} 0",
        "pin53_since_in_sync_seconds{name=\"vpn.example.com\",type=\"CNAME\"} 12",
        "pin53_outcomes_total{name=\"vpn.example.com\",type=\"CNAME\",outcome=\"unchanged\"} 3",
        "# TYPE pin53_outcomes counter",
        "pin53_requests_total{operation=\"GetChange\",code=\"timeout\"} 1",
        "pin53_request_duration_seconds_bucket{operation=\"GetChange\",le=\"0.01\"} 0",
        "pin53_request_duration_seconds_bucket{operation=\"GetChange\",le=\"0.025\"} 2",
        "pin53_request_duration_seconds_bucket{operation=\"GetChange\",le=\"10.0\"} 2",
        "pin53_request_duration_seconds_bucket{operation=\"GetChange\",le=\"+Inf\"} 3",
        "pin53_request_duration_seconds_sum{operation=\"GetChange\"} 0.5",
        "pin53_clock_offset_seconds -2",
        "pin53_credentials_remaining_seconds 600",
        "pin53_ready 1",
    ] {
        assert!(text.lines().any(|other| other == line), "{line} is missing from\n{text}");
    }
    assert!(text.ends_with("\n# EOF\n"));
    let plain = metrics(&snapshot, &sent(), now(), Format::Plain);
    assert!(plain.contains("# TYPE pin53_outcomes_total counter") && !plain.contains("EOF"));
}

#[test]
fn of_members_with_one_name_the_worst_is_told() {
    let mut worse = record("a.example.com", Outcome::Unchanged, before(70));
    worse.rule = "a.example.com CNAME (b)".to_owned();
    let records = vec![record("a.example.com", Outcome::Unchanged, before(10)), worse];
    let text = metrics(&snapshot(records, before(1)), &sent(), now(), Format::OpenMetrics);
    let ages: Vec<&str> =
        text.lines().filter(|line| line.starts_with("pin53_since_in_sync_seconds{")).collect();
    assert_eq!(ages, ["pin53_since_in_sync_seconds{name=\"a.example.com\",type=\"CNAME\"} 70"]);
}

#[test]
fn the_page_shows_records_and_changes_and_escapes_what_others_have_said() {
    let records = vec![
        record("vpn.example.com", Outcome::Unchanged, before(12)),
        record("db.example.com", Outcome::Left, before(3)),
    ];
    let snapshot = snapshot(records, before(3));
    let page = page(&snapshot, now(), Health::of(&snapshot, now(), INTERVAL)).unwrap();
    for told in [
        "1 of 2 records as wanted",
        "the &lt;service&gt; is silent",
        "see to it",
        "12 s ago",
        "in sync after 31 s",
    ] {
        assert!(page.contains(told), "{told} is missing from\n{page}");
    }
    assert!(!page.contains("<script") && !page.contains("<service>"), "{page}");
    let empty = Snapshot::default();
    assert!(
        super::page(&empty, now(), Health::Unknown).unwrap().contains("Nothing has come of any record yet")
    );
}
