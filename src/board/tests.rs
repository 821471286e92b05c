//! The board on paused time.

use super::*;
use crate::clock::SteadyClock;
use crate::desired::{Leaving, Terms, ZoneChoice};
use crate::dns::{Name, RecordType, Ttl};
use crate::report::{Class, Outcome, Values};
use crate::source::Source;

const START: &str = "2026-11-21T10:00:00Z";
const INTERVAL: Duration = Duration::from_secs(300);

fn rule(name: &str) -> Rule {
    Rule {
        name: Name::parse(name).unwrap().into(),
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

fn entry(name: &str, outcome: Outcome, value: &str) -> Entry {
    let (class, reason) = match outcome {
        Outcome::Changed | Outcome::Unchanged => (Class::Fine, None),
        _ => (Class::TryAgain, Some(value.to_owned())),
    };
    let values = Values { ttl: Ttl::new(60).unwrap(), values: vec![value.to_owned()] };
    Entry {
        name: name.to_owned(),
        rtype: RecordType::Cname,
        outcome,
        before: None,
        after: (class == Class::Fine).then_some(values),
        reason,
        hint: None,
        class,
        trouble: None,
        change_id: (outcome == Outcome::Changed).then(|| "C1".to_owned()),
        request_id: None,
        topic: None,
    }
}

/// A board for these names, which begins at ten o'clock.
fn board(names: &[&str]) -> Board {
    let board = Board::new(Arc::new(SteadyClock::starting_at(START.parse().unwrap())));
    board.begin(&names.iter().map(|name| rule(name)).collect::<Vec<_>>(), INTERVAL);
    board
}

async fn pass(seconds: u64) {
    tokio::time::advance(Duration::from_secs(seconds)).await;
}

fn after(seconds: i64) -> Timestamp {
    START.parse::<Timestamp>().unwrap() + jiff::SignedDuration::from_secs(seconds)
}

fn told(events: &mut mpsc::Receiver<Arc<Event>>) -> Vec<Event> {
    std::iter::from_fn(|| events.try_recv().ok()).map(|event| Event::clone(&event)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_record_tells_when_it_was_changed_and_when_it_was_last_seen_as_wanted() {
    let board = board(&["a.example.com"]);
    board.decided(0, &entry("a.example.com", Outcome::Changed, "x.example"), true);
    pass(300).await;
    board.decided(0, &entry("a.example.com", Outcome::Unchanged, "x.example"), true);
    pass(10).await;
    board.decided(0, &entry("a.example.com", Outcome::Unchanged, "x.example"), false);
    pass(10).await;
    board.decided(0, &entry("a.example.com", Outcome::Left, "silent"), true);
    let record = &board.snapshot().records[0];
    assert_eq!(record.last_change, Some(after(0)));
    assert_eq!(record.last_confirmed, Some(after(300)), "what is only remembered confirms nothing");
    assert_eq!((record.decided, record.trouble_since), (after(320), Some(after(320))));
}

#[tokio::test(start_paused = true)]
async fn subscribers_are_told_of_decisions_of_trouble_and_its_end() {
    let board = board(&["a.example.com"]);
    let mut events = board.subscribe(10);
    let mut decide = |outcome, value| {
        board.decided(0, &entry("a.example.com", outcome, value), true);
        told(&mut events)
    };
    let [Event::Decided(first)] = &decide(Outcome::Left, "silent")[..] else { panic!("one event") };
    assert!(first.is_news && !first.is_fine());
    assert_eq!(first.trouble_since, Some(after(0)));
    pass(60).await;
    let [Event::Decided(again)] = &decide(Outcome::Left, "silent")[..] else { panic!("one event") };
    assert!(!again.is_news);
    assert_eq!((again.at, again.trouble_since), (after(60), Some(after(0))));
    pass(60).await;
    let [Event::Decided(mended), Event::Ready] = &decide(Outcome::Changed, "x.example")[..] else {
        panic!("two events")
    };
    assert!(mended.is_news && mended.is_recovery());
    assert_eq!(mended.trouble_since, Some(after(0)));
    let [Event::Decided(calm)] = &decide(Outcome::Unchanged, "x.example")[..] else { panic!("one event") };
    assert!(!calm.is_news && !calm.is_recovery());
}

#[tokio::test(start_paused = true)]
async fn a_change_is_remembered_with_the_time_until_it_is_in_sync() {
    let board = board(&["a.example.com"]);
    let mut events = board.subscribe(10);
    board.decided(0, &entry("a.example.com", Outcome::Changed, "x.example"), true);
    pass(42).await;
    board.in_sync("C1", None);
    let history = board.snapshot().history;
    assert_eq!(history.len(), 1);
    assert_eq!((history[0].when, history[0].in_sync_after), (after(0), Some(42.0)));
    let in_sync = Event::InSync { change: "C1".to_owned(), after: Duration::from_secs(42) };
    assert_eq!(told(&mut events).last(), Some(&in_sync));
}

#[tokio::test(start_paused = true)]
async fn the_history_is_bounded_and_keeps_the_newest() {
    let board = board(&["a.example.com"]);
    for n in 0..250 {
        board.decided(0, &entry("a.example.com", Outcome::Changed, &format!("{n}.example")), true);
    }
    let history = board.snapshot().history;
    assert_eq!(history.len(), 100);
    assert_eq!(history.last().unwrap().after.as_ref().unwrap().values, ["249.example"]);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_misses_events_and_holds_up_nobody() {
    let board = board(&["a.example.com"]);
    let mut slow = board.subscribe(2);
    drop(board.subscribe(1));
    for _ in 0..5 {
        board.reloading();
    }
    assert_eq!(told(&mut slow).len(), 2);
    board.stopping();
    assert_eq!(told(&mut slow), [Event::Stopping]);
}

#[tokio::test(start_paused = true)]
async fn what_is_known_of_a_rule_outlives_a_reload_and_goes_with_it() {
    let board = board(&["a.example.com", "b.example.com"]);
    board.decided(0, &entry("a.example.com", Outcome::Changed, "x.example"), true);
    board.decided(1, &entry("b.example.com", Outcome::Left, "silent"), true);
    board.begin(&[rule("b.example.com"), rule("c.example.com")], INTERVAL);
    let snapshot = board.snapshot();
    let names: Vec<&str> = snapshot.records.iter().map(|record| record.entry.name.as_str()).collect();
    assert_eq!((names, snapshot.rules), (vec!["b.example.com"], 2));
    board.decided(2, &entry("gone.example.com", Outcome::Left, "late"), true);
    assert_eq!(board.snapshot().records.len(), 1, "a place that isn't there any more is passed over");
}

#[tokio::test(start_paused = true)]
async fn one_line_says_what_is_waited_for_or_how_it_is() {
    let one = board(&["a.example.com"]);
    assert_eq!(one.snapshot().words(), "looking at the sources for the first time");
    one.decided(0, &entry("a.example.com", Outcome::Left, "silent"), true);
    assert_eq!(one.snapshot().words(), "left a.example.com: silent");
    one.reloading();
    assert_eq!(one.snapshot().words(), "reading the configuration again");
    one.reloaded(false);
    assert_eq!(one.snapshot().words(), "left a.example.com: silent");

    let two = board(&["a.example.com", "b.example.com"]);
    two.decided(0, &entry("a.example.com", Outcome::Changed, "x.example"), true);
    assert_eq!(two.snapshot().words(), "1 of 2 records as wanted");
    two.decided(1, &entry("b.example.com", Outcome::Left, "silent"), true);
    assert_eq!(two.snapshot().words(), "1 of 2 records as wanted; left b.example.com: silent");
    two.stopping();
    assert_eq!(two.snapshot().words(), "stopping");
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_is_a_document_that_can_be_read_back() {
    let board = board(&["a.example.com"]);
    board.decided(0, &entry("a.example.com", Outcome::Changed, "x.example"), true);
    board.in_sync("C1", None);
    let snapshot = board.snapshot();
    let text = serde_json::to_string(&snapshot).unwrap();
    let read: Snapshot = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), text);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let record = &value["records"][0];
    assert_eq!(record["outcome"], "changed");
    assert_eq!(record["after"], serde_json::json!({"values": ["x.example"], "ttl": 60}));
    assert_eq!(record["last_change"], START);
}

fn kept(directory: &Path) -> Board {
    let (board, error) = Board::kept_in(Arc::new(SteadyClock::starting_at(after(1000))), directory);
    assert!(error.is_none(), "{error:?}");
    board.begin(&[rule("a.example.com")], INTERVAL);
    board
}

#[tokio::test(start_paused = true)]
async fn what_was_kept_is_there_after_a_restart_but_what_is_ready_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let first = kept(directory.path());
    first.decided(0, &entry("a.example.com", Outcome::Changed, "x.example"), true);
    first.beat().unwrap();
    let second = kept(directory.path());
    let snapshot = second.snapshot();
    let mut known = first.snapshot().records;
    known[0].outcomes.clear();
    assert_eq!(snapshot.records, known);
    assert_eq!(snapshot.history, first.snapshot().history);
    assert!(!snapshot.ready);
    assert_eq!(snapshot.words(), "looking at the sources for the first time");
    second.decided(0, &entry("a.example.com", Outcome::Unchanged, "x.example"), true);
    let record = &second.snapshot().records[0];
    assert_eq!(record.last_change, first.snapshot().records[0].last_change);
}

#[tokio::test(start_paused = true)]
async fn it_is_written_when_something_happens_and_once_an_interval() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE);
    let board = kept(directory.path());
    let beat = || {
        board.beat().unwrap();
        std::fs::remove_file(&path).is_ok()
    };
    assert!(beat());
    let mut written = 0;
    for _ in 0..120 {
        pass(5).await;
        board.decided(0, &entry("a.example.com", Outcome::Left, "silent"), true);
        written += u32::from(beat());
    }
    assert_eq!(written, 2, "when it falls silent, and once after that in ten minutes");
    board.decided(0, &entry("a.example.com", Outcome::Changed, "x.example"), true);
    assert!(beat() && !beat());
    board.in_sync("C1", None);
    assert!(beat() && !beat());
}

#[tokio::test(start_paused = true)]
async fn a_broken_file_is_told_and_replaced() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join(FILE), "{").unwrap();
    let (board, error) = Board::kept_in(Arc::new(SteadyClock::starting_at(after(0))), directory.path());
    assert!(matches!(error, Some(state::Error::Format { .. })));
    board.beat().unwrap();
    kept(directory.path());
}

#[tokio::test(start_paused = true)]
async fn a_change_that_is_not_seen_on_all_name_servers_is_remembered_too() {
    let board = board(&["a.example.com"]);
    let taken = entry("a.example.com", Outcome::Changed, "x.example");
    let unconfirmed = Entry { outcome: Outcome::Unconfirmed, class: Class::TryAgain, ..taken.clone() };
    let lost = Entry { change_id: None, ..unconfirmed.clone() };
    let round = |entry| Round { entries: vec![entry], ..Round::default() };
    board.took_round(&round(lost));
    assert_eq!(board.snapshot().history, []);
    board.took_round(&round(unconfirmed));
    let after = board.snapshot();
    assert_eq!((after.history.len(), after.records[0].last_confirmed), (1, None));
    let in_sync = vec![("C1".to_owned(), Duration::from_secs(7))];
    board.took_round(&Round { in_sync, ..round(taken) });
    assert_eq!(board.snapshot().history[1].in_sync_after, Some(7.0));
}
