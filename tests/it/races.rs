//! Two pin53 with different wishes for one name, and a person who edits it, at random times.
//!
//! The law: nothing is overwritten unseen. Each set that a batch which was carried out takes away had come to its
//! sender before, letter for letter, in an answer of the API's, or was written by the sender itself; and batches are the only
//! way in which anything but the person's own edits changes the record. So whatever the person wrote was read by whoever
//! replaced it, before it was replaced.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use pin53::desired::{OnConflict, Rule, Terms};
use pin53::dns::{Name, RecordKey, RecordType};
use pin53::reconcile::Wait;
use pin53::sandbox::{Fault, InProcess, Latency};
use pin53::source::Source;
use pin53::transport::{BoxFuture, Error, Transport};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::house::{House, cname, house, name, simple};

/// Batches over all schedules.
static CARRIED_OUT: AtomicUsize = AtomicUsize::new(0);
static REFUSED: AtomicUsize = AtomicUsize::new(0);

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

#[derive(Debug, Clone)]
enum Act {
    /// The person sets another value, or another type,
    Edit(u8),
    EditAsAddress(u8),
    /// or takes away what is there.
    Remove,
    Fault(Fault),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let act = prop_oneof![
        6 => any::<u8>().prop_map(Act::Edit),
        2 => any::<u8>().prop_map(Act::EditAsAddress),
        2 => Just(Act::Remove),
        1 => Just(Act::Fault(Fault::LostAnswer)),
        1 => Just(Act::Fault(Fault::CutBody)),
        1 => Just(Act::Fault(Fault::PriorRequest)),
    ];
    prop::collection::vec((0..120u64, act).prop_map(|(after, act)| Step { after, act }), 1..8)
}

fn wanting(value: &str, on_conflict: OnConflict) -> Rule {
    let terms = Terms { on_conflict, owner: None };
    Rule { sources: vec![Source::Static(value.to_owned())], terms, ..cname(VPN) }
}

/// The sets in a text of XML, by their own letters: what a DELETE has to repeat.
fn sets(xml: &str) -> Vec<String> {
    let open = "<ResourceRecordSet>";
    let parts = xml.split(open).skip(1).map(|part| part.split("</ResourceRecordSet>").next().unwrap());
    parts.map(|set| set.split_whitespace().collect::<Vec<_>>().join("").to_lowercase()).collect()
}

fn deleted(batch: &str) -> Vec<String> {
    let changes = batch.split("<Change>").skip(1).filter(|change| change.contains("<Action>DELETE</Action>"));
    changes.flat_map(sets).collect()
}

async fn play(steps: Vec<Step>, starts: [u64; 2], on_conflict: OnConflict) -> Result<(), TestCaseError> {
    let town = house();
    town.world.set_latency(Latency { aws: Duration::from_millis(20), ..Latency::default() });
    town.put(simple(VPN, RecordType::Cname, 60, &["first.example.net"]));
    TRACE.take();
    let taps: [fn(InProcess) -> Arc<dyn Transport>; 2] =
        [|inner| Arc::new(Tap { who: 0, inner }), |inner| Arc::new(Tap { who: 1, inner })];
    let mut parties = Vec::new();
    for (who, wish) in ["one.example.net", "two.example.net"].into_iter().enumerate() {
        let party = House { world: Arc::clone(&town.world), between: taps[who], ..house() };
        parties.push((party.reconciler(&[wanting(wish, on_conflict)]), starts[who]));
    }
    let rounds = parties.iter().map(|(reconciler, start)| async move {
        tokio::time::sleep(Duration::from_millis(*start)).await;
        for _ in 0..3 {
            reconciler.once(Wait::Off).await;
            tokio::time::sleep(Duration::from_millis(37)).await;
        }
    });
    let person = async {
        let name = name(VPN);
        for step in steps {
            tokio::time::sleep(Duration::from_millis(step.after)).await;
            match step.act {
                Act::Edit(n) => {
                    clear(&town, &name);
                    town.put(simple(VPN, RecordType::Cname, 60, &[&format!("person-{n}.example.net")]));
                }
                Act::EditAsAddress(n) => {
                    clear(&town, &name);
                    town.put(simple(VPN, RecordType::A, 60, &[&format!("192.0.2.{n}")]));
                }
                Act::Remove => clear(&town, &name),
                Act::Fault(fault) => town.world.inject(fault),
            }
        }
    };
    tokio::join!(futures_util::future::join_all(rounds), person);
    let trace = TRACE.take();
    prop_assert!(!trace.is_empty());
    for passed in trace.iter().filter(|passed| !passed.request.is_empty()) {
        match passed.answer {
            Some((200, _)) => CARRIED_OUT.fetch_add(1, Ordering::Relaxed),
            Some(_) => REFUSED.fetch_add(1, Ordering::Relaxed),
            None => 0,
        };
    }
    let mut seen: [Vec<String>; 2] = Default::default();
    for passed in &trace {
        prop_assert!(!passed.request.contains("UPSERT"));
        for set in deleted(&passed.request) {
            // Refused or not: nothing is asked to be taken away that wasn't read.
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
    if on_conflict == OnConflict::Refuse {
        let replaced = trace.iter().flat_map(|passed| deleted(&passed.request));
        prop_assert!(replaced.into_iter().all(|set| set.contains("<type>cname</type>")));
    }
    Ok(())
}

fn clear(town: &House, name: &Name) {
    for rtype in [RecordType::Cname, RecordType::A] {
        town.world.remove_record(&RecordKey::simple(name.clone(), rtype));
    }
}

#[test]
fn nothing_is_overwritten_unseen_in_a_thousand_schedules() {
    let mut runner = TestRunner::new(Config { cases: 1000, ..Config::default() });
    let starts = [0..150u64, 0..150u64];
    let terms = prop::sample::select(vec![OnConflict::Refuse, OnConflict::Replace]);
    let law = runner.run(&(steps(), starts, terms), |(steps, starts, on_conflict)| {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(play(steps, starts, on_conflict))
    });
    law.unwrap();
    let [carried_out, refused] = [&CARRIED_OUT, &REFUSED].map(|count| count.load(Ordering::Relaxed));
    assert!(
        carried_out > 2000 && refused > 100,
        "they do meet: {carried_out} carried out, {refused} refused"
    );
}
