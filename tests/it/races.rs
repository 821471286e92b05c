//! Two pin53 with different wishes for one name, and a person who edits it, at random times: a simple record, one that each of them
//! marks as its own, and members of a routed set.
//!
//! The law: nothing is overwritten unseen. Each set that a batch takes away had come to its
//! sender before, letter for letter, in an answer of the API's, or was written by the sender itself; and batches are the only
//! way in which anything but the person's own edits changes the record. So whatever the person wrote was read by whoever
//! replaced it, before it was replaced. Where there are owners, each batch makes the sender's own marker and takes no
//! other's away, so that none is carried out while another's stands. Where there are members, each batch names the
//! sender's alone.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use pin53::desired::{Member, OnConflict, Rule, Terms};
use pin53::dns::{Policy, RecordKey, RecordSet, RecordType, Routing, Value};
use pin53::pattern::{Pattern, Rendered};
use pin53::reconcile::{Due, Look, Reading};
use pin53::sandbox::{Fault, InProcess, Latency};
use pin53::source::Observation;
use pin53::transport::{BoxFuture, Error, Transport};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::house::{House, cname, house, marker, name, of_type, owned, simple};

const VPN: &str = "vpn.example.com";

thread_local! {
    /// What passed between the reconcilers of this thread and the API, in its order.
    static TRACE: RefCell<Vec<Passed>> = const { RefCell::new(Vec::new()) };
}

#[derive(Debug, Clone)]
struct Passed {
    who: usize,
    request: String,
    /// `None` where no answer came back whole.
    answer: Option<(u16, String)>,
}

/// Writes down what passes.
struct Tap {
    who: usize,
    inner: InProcess,
}

impl Transport for Tap {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, Error>> {
        Box::pin(async move {
            let is_change = request.method() == Method::POST;
            let text = String::from_utf8_lossy(request.body()).into_owned();
            let of_sets = request.uri().path().contains("/rrset");
            let answer = self.inner.send(request).await;
            if of_sets {
                let told = answer.as_ref().ok().map(|answer| {
                    (answer.status().as_u16(), String::from_utf8_lossy(answer.body()).into_owned())
                });
                let request = if is_change { text } else { String::new() };
                TRACE.with_borrow_mut(|trace| trace.push(Passed { who: self.who, request, answer: told }));
            }
            answer
        })
    }
}

#[derive(Debug, Clone)]
struct Step {
    after: u64,
    act: Act,
}

/// Each is the sort of prize's own: `Contest::act`.
#[derive(Debug, Clone)]
enum Act {
    Edit(u8),
    EditBeside(u8),
    Remove,
    RemoveBeside,
    Fault(Fault),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let act = prop_oneof![
        6 => any::<u8>().prop_map(Act::Edit),
        3 => any::<u8>().prop_map(Act::EditBeside),
        2 => Just(Act::Remove),
        1 => Just(Act::RemoveBeside),
        1 => Just(Act::Fault(Fault::LostAnswer)),
        1 => Just(Act::Fault(Fault::CutBody)),
        1 => Just(Act::Fault(Fault::PriorRequest)),
    ];
    prop::collection::vec((0..120u64, act).prop_map(|(after, act)| Step { after, act }), 1..8)
}

/// What the two want.
#[derive(Debug, Clone, Copy)]
enum Prize {
    /// One simple record.
    Record(OnConflict),
    /// One record of this type, each marked as its own.
    Marked(RecordType),
    /// Each a member of one routed set, under its own identifier or both under one.
    Members { shared: bool },
}

const PARTIES: [&str; 3] = ["one", "two", "person"];

impl Prize {
    fn id(self, who: usize) -> &'static str {
        if matches!(self, Self::Members { shared: true }) && who < 2 { "shared" } else { PARTIES[who] }
    }

    fn rule(self, who: usize) -> Rule {
        match self {
            Self::Record(on_conflict) => Rule { terms: Terms { on_conflict, owner: None }, ..cname(VPN) },
            Self::Marked(rtype) => owned(of_type(rtype, VPN), PARTIES[who]),
            Self::Members { .. } => {
                let set_identifier = Pattern::parse(self.id(who), Rendered::from_text).unwrap();
                let member = Member { set_identifier, policy: Policy::Multivalue, health_check_id: None };
                Rule { member: Some(member), ..of_type(RecordType::A, VPN) }
            }
        }
    }

    fn rtype(self) -> RecordType {
        match self {
            Self::Record(_) => RecordType::Cname,
            Self::Marked(rtype) => rtype,
            Self::Members { .. } => RecordType::A,
        }
    }

    /// A value of some party's.
    fn value(self, who: usize, n: u8) -> String {
        match self.rtype() {
            RecordType::Cname => format!("{}-{n}.example.net", PARTIES[who]),
            _ => format!("198.51.{}.{n}", 100 + who),
        }
    }

    fn marker_at(self) -> String {
        format!("{}-{VPN}", self.rtype().as_str().to_lowercase())
    }

    /// The record, or the member of this party, with a value of the person's.
    fn set(self, whose: usize, n: u8) -> RecordSet {
        let set = simple(VPN, self.rtype(), 60, &[&self.value(2, n)]);
        let routing = Routing { set_identifier: self.id(whose).to_owned(), policy: Policy::Multivalue };
        RecordSet { routing: matches!(self, Self::Members { .. }).then_some(routing), ..set }
    }

    /// Does what the person does.
    fn act(self, town: &House, act: &Act) {
        let simply = |at: &str, rtype| RecordKey::simple(name(at), rtype);
        let clear = || {
            for rtype in [RecordType::Cname, RecordType::A] {
                town.world.remove_record(&simply(VPN, rtype));
            }
        };
        match (self, act) {
            (_, Act::Fault(fault)) => town.world.inject(*fault),
            (Self::Record(_) | Self::Marked(_), Act::Edit(n)) => {
                clear();
                town.put(self.set(2, *n));
            }
            (Self::Record(_), Act::EditBeside(n)) => {
                clear();
                town.put(simple(VPN, RecordType::A, 60, &[&format!("192.0.2.{n}")]));
            }
            (Self::Record(_), Act::Remove | Act::RemoveBeside) | (Self::Marked(_), Act::Remove) => clear(),
            (Self::Marked(_), Act::EditBeside(n)) => {
                town.put(marker(&self.marker_at(), PARTIES[usize::from(*n) % 3]));
            }
            (Self::Marked(_), Act::RemoveBeside) => {
                town.world.remove_record(&simply(&self.marker_at(), RecordType::Txt));
            }
            (Self::Members { .. }, Act::Edit(n)) => town.put(self.set(usize::from(*n) % 2, *n)),
            (Self::Members { .. }, Act::EditBeside(n)) => town.put(self.set(2, *n)),
            (Self::Members { .. }, Act::Remove) => {
                town.world.remove_record(&self.set(0, 0).key());
            }
            (Self::Members { .. }, Act::RemoveBeside) => {
                drop(town.world.remove_record(&self.set(2, 0).key()));
            }
        }
    }
}

/// The sets in a text of XML, by their own letters: what a DELETE has to repeat.
fn sets(xml: &str) -> Vec<String> {
    let open = "<ResourceRecordSet>";
    let parts = xml.split(open).skip(1).map(|part| part.split("</ResourceRecordSet>").next().unwrap());
    let words = parts.map(|set| set.split_whitespace().collect::<Vec<_>>().join(""));
    words.map(|set| set.replace("&#x2f;", "/").replace("&quot;", "\"").to_lowercase()).collect()
}

fn of_action(batch: &str, action: &str) -> Vec<String> {
    let action = format!("<Action>{action}</Action>");
    let changes = batch.split("<Change>").skip(1).filter(|change| change.contains(&action));
    changes.flat_map(sets).collect()
}

/// What passed, and what stood there at the end.
struct Played {
    trace: Vec<Passed>,
    town: House,
}

async fn play(prize: Prize, steps: &[Step], starts: [u64; 2]) -> Played {
    let town = house();
    town.world.set_latency(Latency { aws: Duration::from_millis(20), ..Latency::default() });
    town.put(prize.set(2, 0));
    TRACE.take();
    let taps: [fn(InProcess) -> Arc<dyn Transport>; 2] =
        [|inner| Arc::new(Tap { who: 0, inner }), |inner| Arc::new(Tap { who: 1, inner })];
    let mut parties = Vec::new();
    for (who, start) in starts.into_iter().enumerate() {
        let party = House { world: Arc::clone(&town.world), between: taps[who], ..house() };
        parties.push((who, party.reconciler(&[prize.rule(who)]), start));
    }
    let rounds = parties.iter().map(|(who, reconciler, start)| async move {
        tokio::time::sleep(Duration::from_millis(*start)).await;
        // Its address changes each time, and from the second on it builds on what it remembers.
        for (n, reading) in [Reading::Fresh, Reading::Remembered, Reading::Remembered].into_iter().enumerate()
        {
            let value = prize.value(*who, u8::try_from(n).unwrap());
            let known = Observation::Known(vec![Value::parse(prize.rtype(), &value).unwrap()]);
            let looks = reconciler.look().await.into_iter();
            let look = looks.map(|look| Look { observation: known.clone(), ..look }).next().unwrap();
            reconciler.round(&[Due { rule: 0, look }], reading).await;
            tokio::time::sleep(Duration::from_millis(37)).await;
        }
    });
    let person = async {
        for step in steps {
            tokio::time::sleep(Duration::from_millis(step.after)).await;
            prize.act(&town, &step.act);
        }
    };
    tokio::join!(futures_util::future::join_all(rounds), person);
    Played { trace: TRACE.take(), town }
}

/// Nothing is asked to be taken away, be it refused or not, that wasn't read or written before.
fn nothing_unseen(trace: &[Passed]) -> Result<(), TestCaseError> {
    prop_assert!(!trace.is_empty());
    let mut seen: [Vec<String>; 2] = Default::default();
    for passed in trace {
        prop_assert!(!passed.request.contains("UPSERT"));
        for set in of_action(&passed.request, "DELETE") {
            prop_assert!(seen[passed.who].contains(&set), "not seen before: {set} in {trace:#?}");
        }
        if passed.request.is_empty() {
            if let Some((200, answer)) = &passed.answer {
                seen[passed.who].extend(sets(answer));
            }
        } else if !matches!(passed.answer, Some((400.., _))) {
            // What a batch was to make may be there, whether its answer came or not.
            seen[passed.who].extend(sets(&passed.request));
        }
    }
    Ok(())
}

/// How many schedules are played where nothing is optimised,
const FEW: u32 = 100;
/// and where it is.
const MANY: u32 = 1000;

/// Plays schedules under the common law and one of their own; they have to meet each other.
fn play_all(
    schedules: u32,
    prizes: &'static [Prize],
    law: impl Fn(Prize, &[Step], &Played) -> Result<(), TestCaseError>,
) {
    let mut runner = TestRunner::new(Config { cases: schedules, ..Config::default() });
    let (carried_out, refused) = (Cell::new(0_u32), Cell::new(0_u32));
    let schedule = (steps(), [0..150u64, 0..150u64], prop::sample::select(prizes));
    let held = runner.run(&schedule, |(steps, starts, prize)| {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let played = runtime.block_on(play(prize, &steps, starts));
        for passed in played.trace.iter().filter(|passed| !passed.request.is_empty()) {
            match passed.answer {
                Some((200, _)) => carried_out.set(carried_out.get() + 1),
                Some(_) => refused.set(refused.get() + 1),
                None => {}
            }
        }
        nothing_unseen(&played.trace)?;
        law(prize, &steps, &played)
    });
    held.unwrap();
    let [carried_out, refused] = [carried_out.get(), refused.get()];
    assert!(
        carried_out > 2 * schedules && refused > schedules / 10,
        "they do meet: {carried_out} carried out, {refused} refused"
    );
}

#[test]
fn nothing_is_overwritten_unseen() {
    nothing_is_overwritten_unseen_in(FEW);
}

#[test]
#[ignore = "takes minutes where it isn't optimised: cargo test --profile fleet"]
fn nothing_is_overwritten_unseen_in_a_thousand_schedules() {
    nothing_is_overwritten_unseen_in(MANY);
}

fn nothing_is_overwritten_unseen_in(schedules: u32) {
    const PRIZES: &[Prize] = &[Prize::Record(OnConflict::Refuse), Prize::Record(OnConflict::Replace)];
    play_all(schedules, PRIZES, |prize, _, played| {
        if matches!(prize, Prize::Record(OnConflict::Refuse)) {
            let replaced = played.trace.iter().flat_map(|passed| of_action(&passed.request, "DELETE"));
            prop_assert!(replaced.into_iter().all(|set| set.contains("<type>cname</type>")));
        }
        Ok(())
    });
}

#[test]
fn nobody_changes_a_record_that_another_owner_has_marked() {
    nobody_changes_a_record_that_another_owner_has_marked_in(FEW);
}

#[test]
#[ignore = "takes minutes where it isn't optimised: cargo test --profile fleet"]
fn nobody_changes_a_record_that_another_owner_has_marked_in_a_thousand_schedules() {
    nobody_changes_a_record_that_another_owner_has_marked_in(MANY);
}

fn nobody_changes_a_record_that_another_owner_has_marked_in(schedules: u32) {
    const PRIZES: &[Prize] = &[Prize::Marked(RecordType::Cname), Prize::Marked(RecordType::A)];
    play_all(schedules, PRIZES, |_, _, played| {
        for passed in played.trace.iter().filter(|passed| !passed.request.is_empty()) {
            let own = format!("external-dns/owner={}", PARTIES[passed.who]);
            let is_marker = |set: &&String| set.contains("<type>txt</type>");
            prop_assert!(sets(&passed.request).iter().filter(is_marker).all(|set| set.contains(&own)));
            let made = of_action(&passed.request, "CREATE");
            prop_assert_eq!(made.iter().filter(is_marker).count(), 1, "{:#?}", passed);
        }
        Ok(())
    });
}

#[test]
fn nobody_touches_another_s_member() {
    nobody_touches_another_s_member_in(FEW);
}

#[test]
#[ignore = "takes minutes where it isn't optimised: cargo test --profile fleet"]
fn nobody_touches_another_s_member_in_a_thousand_schedules() {
    nobody_touches_another_s_member_in(MANY);
}

fn nobody_touches_another_s_member_in(schedules: u32) {
    const PRIZES: &[Prize] = &[Prize::Members { shared: false }, Prize::Members { shared: true }];
    play_all(schedules, PRIZES, |prize, steps, played| {
        for passed in played.trace.iter().filter(|passed| !passed.request.is_empty()) {
            let own = format!("<setidentifier>{}</setidentifier>", prize.id(passed.who));
            prop_assert!(sets(&passed.request).iter().all(|set| set.contains(&own)), "{:#?}", passed);
        }
        // The person's own member is as the person left it.
        let left = steps.iter().rev().find_map(|step| match step.act {
            Act::EditBeside(n) => Some(Some(prize.set(2, n))),
            Act::RemoveBeside => Some(None),
            _ => None,
        });
        let zone = played.town.world.zone_of(&name(VPN)).unwrap();
        let key = prize.set(2, 0).key();
        let there = played.town.world.records(&zone).into_iter().find(|set| set.key() == key);
        prop_assert_eq!(there, left.unwrap_or(Some(prize.set(2, 0))));
        Ok(())
    });
}
