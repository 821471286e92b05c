//! One round: look, wish, read, plan, apply, report. Each record stands for itself.
//!
//! When rounds happen is the caller's: [`Reconciler::once`] for a single one, `daemon` for many.

mod look;
mod once;
mod served;
mod settle;
mod withdraw;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::join_all;

use crate::audit::Auditor;
use crate::aws::route53::{self, Age, Change, Client, Kind, ZoneFinder};
use crate::desired::{Rule, Wish};
use crate::dns::{RecordKey, RecordSet, RecordType, ZoneId};
use crate::pattern::Unrendered;
use crate::report::{self, Class, Entry, Failure, Outcome, Round, Values};
use crate::source::Sources;
use crate::state::State;

pub use look::Look;
use served::Served;

pub use once::{Ended, GRACE, Wait, unless_stopped};

/// So often somebody else may be faster before a record is left for the next round.
const RACES: usize = 4;

/// Whether rounds change anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Act,
    /// Only say what would be changed.
    Say,
}

/// Where a record's present state is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reading {
    /// Asked for.
    Fresh,
    /// Asked of the zone's name servers, and asked for where they can't tell or answer otherwise.
    Served,
    /// As it was confirmed last, where it was. A change that builds on it is refused by Route 53
    /// when it no longer holds, and then it is asked for.
    Remembered,
}

/// Keeps some records as their rules want them.
pub struct Reconciler {
    rules: Vec<Rule>,
    sources: Sources,
    client: Arc<Client>,
    auditor: Auditor,
    state: Arc<State>,
    /// It was said that the state can't be kept.
    unsaved: AtomicBool,
    requests: Arc<AtomicU64>,
    mode: Mode,
    confirmed: Mutex<HashMap<RecordKey, Confirmed>>,
    /// What a change was built on that was refused for now, or was to be when the rest couldn't be read: as good
    /// as read, since a change that doesn't meet it is refused.
    put_off: Mutex<HashMap<RecordKey, Vec<RecordSet>>>,
    /// How far each rule has come in the round that is under way, by its place.
    progress: Mutex<HashMap<usize, Stage>>,
    /// It was said that a metadata service gives stale credentials.
    stale: AtomicBool,
    /// Held by who reads and changes a zone.
    gates: Mutex<HashMap<ZoneId, Arc<tokio::sync::Mutex<()>>>>,
}

/// A record as last read or written.
#[derive(Debug, Clone)]
struct Confirmed {
    set: RecordSet,
    /// What tells whose it is, where it has an owner.
    texts: Vec<RecordSet>,
}

/// How far a rule has come in a round.
enum Stage {
    /// It is known what this record should be.
    Wished(RecordKey),
    /// A change of it is on its way.
    Sent(RecordKey),
    Settled(Box<Entry>),
}

/// What a reconciler is made of.
pub struct Parts {
    pub rules: Vec<Rule>,
    pub sources: Sources,
    pub client: Arc<Client>,
    pub auditor: Auditor,
    pub state: Arc<State>,
    /// Counts the requests of every transport involved.
    pub requests: Arc<AtomicU64>,
    pub mode: Mode,
}

/// A rule that is looked after in this round, with what was seen when it was looked at.
#[derive(Debug, Clone)]
pub struct Due {
    /// The rule's place in [`Reconciler::rules`].
    pub rule: usize,
    pub look: Look,
}

/// A record on its way through a round.
#[derive(Clone)]
struct Item<'a> {
    /// Its place in the report.
    place: usize,
    /// Its rule's place among the rules.
    index: usize,
    rule: &'a Rule,
    wish: RecordSet,
    zone: Age,
    /// The changes of it that were refused in this round though they may be right but for what they assert.
    refused: Option<Vec<Change>>,
}

/// A record at the end of a round.
struct Settled<'a> {
    item: Item<'a>,
    entry: Entry,
    /// What is remembered of its zone may be wrong.
    doubt: bool,
}

impl Reconciler {
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts { rules, sources, client, auditor, state, requests, mode } = parts;
        Self {
            rules,
            sources,
            client,
            auditor,
            state,
            unsaved: AtomicBool::new(false),
            requests,
            mode,
            confirmed: Mutex::default(),
            put_off: Mutex::default(),
            progress: Mutex::default(),
            stale: AtomicBool::new(false),
            gates: Mutex::default(),
        }
    }

    /// Takes over what `before` knows of the records: each entry is confirmed or refuted when it is used.
    pub fn take_over(&self, before: &Self) {
        let known = before.confirmed().clone();
        self.confirmed().extend(known);
        self.auditor.take_over(&before.auditor);
        self.state.take_over(&before.state);
        self.client.take_over(&before.client);
        self.stale.store(before.stale.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    #[must_use]
    pub fn client(&self) -> &Arc<Client> {
        &self.client
    }

    fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// The zone of a rule's record, where it is known without asking.
    #[must_use]
    pub fn zone_of(&self, due: &Due) -> Option<ZoneId> {
        let rule = self.rules.get(due.rule)?;
        let key = due.look.key.as_ref().ok()?;
        self.client.known_zone(&key.name, &rule.zone, rule.private).map(|found| found.id)
    }

    fn gate(&self, zone: &ZoneId) -> Arc<tokio::sync::Mutex<()>> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(gates.entry(zone.clone()).or_default())
    }

    /// Reconciles the rules that are due, each zone's in one batch, and reports in the order given.
    pub async fn round(&self, due: &[Due], reading: Reading) -> Round {
        let mut entries: BTreeMap<usize, Entry> = BTreeMap::new();
        let mut items = Vec::new();
        for (place, due) in due.iter().enumerate() {
            let Some(rule) = self.rules.get(due.rule) else { continue };
            self.progress().remove(&due.rule);
            let entry = match &due.look.key {
                Ok(key) => match rule.wish(key, &due.look.observation) {
                    Wish::Present(wish) => {
                        self.progress().insert(due.rule, Stage::Wished(key.clone()));
                        let zone = Age::Fresh;
                        items.push(Item { place, index: due.rule, rule, wish, zone, refused: None });
                        continue;
                    }
                    Wish::Untouched(why) => left(&key.name, key.rtype, why),
                    Wish::Implausible(why) => refused(&key.name, key.rtype, why),
                },
                Err(Unrendered::Unknown(why)) => left(&rule.name, rule.rtype, why.clone()),
                Err(Unrendered::Unfit(why)) => refused(&rule.name, rule.rtype, why.clone()),
            };
            entries.insert(place, entry);
        }
        let (mut reading, mut served) = (reading, Served::default());
        if reading == Reading::Served {
            served = self.served(&mut items).await;
            entries.extend(served.as_wanted.drain(..).map(|done| (done.item.place, done.entry)));
            reading = Reading::Fresh;
        }
        // A zone id that is remembered may be out of date, or another account's: then it is looked up, once.
        let mut retried = false;
        while !items.is_empty() {
            let settled = self.settle_all(std::mem::take(&mut items), reading).await;
            for Settled { item, entry, doubt } in settled {
                if doubt && !retried {
                    self.client.forget_zone(&item.wish.name, &item.rule.zone, item.rule.private);
                    items.push(item);
                } else {
                    entries.insert(item.place, entry);
                }
            }
            retried = true;
        }
        self.compare(&served, &entries);
        self.tell_stale();
        self.save();
        let mut progress = self.progress();
        for (place, entry) in &entries {
            if let Some(due) = due.get(*place) {
                progress.insert(due.rule, Stage::Settled(Box::new(entry.clone())));
            }
        }
        Round { entries: entries.into_values().collect(), requests: self.requests(), in_sync: Vec::new() }
    }

    fn save(&self) {
        match self.state.save() {
            Ok(()) => self.unsaved.store(false, Ordering::Relaxed),
            Err(error) if !self.unsaved.swap(true, Ordering::Relaxed) => {
                report::log_not_saved(&error);
            }
            Err(_) => {}
        }
    }

    /// Tells, each time that it turns, that a metadata service gives credentials that it can't renew.
    fn tell_stale(&self) {
        let stale = self.client.stale_credentials();
        if self.stale.swap(stale.is_some(), Ordering::Relaxed) == stale.is_some() {
            return;
        }
        match stale {
            Some(ended) => report::log_stale_credentials(ended),
            None => report::log_fresh_credentials(),
        }
    }

    /// Finds the zones of some records and settles each zone's, the zones side by side.
    async fn settle_all<'a>(&'a self, items: Vec<Item<'a>>, reading: Reading) -> Vec<Settled<'a>> {
        let mut finder = ZoneFinder::new(&self.client);
        let mut zones: BTreeMap<ZoneId, Vec<Item<'a>>> = BTreeMap::new();
        let mut settled = Vec::new();
        // Why no more zones are looked up.
        let mut blocked: Option<Failure> = None;
        for mut item in items {
            if let Some(failure) = &blocked
                && self.client.known_zone(&item.wish.name, &item.rule.zone, item.rule.private).is_none()
            {
                settled.push(item.failed(failure));
                continue;
            }
            match finder.find(&item.wish.name, &item.rule.zone, item.rule.private).await {
                Ok(found) => {
                    item.zone = found.age;
                    zones.entry(found.id).or_default().push(item);
                }
                Err(error) => {
                    let failure = Failure::of(&error);
                    settled.push(item.failed(&failure));
                    if concerns_all(&error) || failure.is_denied {
                        blocked = Some(failure);
                    }
                }
            }
        }
        let each = zones.iter().map(|(zone, items)| async move {
            // Changes to one zone never overlap.
            let gate = self.gate(zone);
            let _held = gate.lock().await;
            self.settle(zone, items.clone(), reading).await
        });
        settled.extend(join_all(each).await.into_iter().flatten());
        settled
    }

    fn confirm(&self, wish: &RecordSet, confirmed: Option<Confirmed>) {
        match confirmed {
            Some(confirmed) => self.confirmed().insert(wish.key(), confirmed),
            None => self.confirmed().remove(&wish.key()),
        };
    }

    fn put_off(&self) -> std::sync::MutexGuard<'_, HashMap<RecordKey, Vec<RecordSet>>> {
        self.put_off.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn progress(&self) -> std::sync::MutexGuard<'_, HashMap<usize, Stage>> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn confirmed(&self) -> std::sync::MutexGuard<'_, HashMap<RecordKey, Confirmed>> {
        self.confirmed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> Item<'a> {
    fn unchanged(self, set: Option<&RecordSet>) -> Settled<'a> {
        let values = set.and_then(Values::of).or_else(|| Values::of(&self.wish));
        let entry = Entry {
            before: values.clone(),
            after: values,
            ..blank(&self.wish.name, self.wish.rtype, Outcome::Unchanged, Class::Fine)
        };
        Settled { item: self, entry, doubt: false }
    }

    fn failed(self, failure: &Failure) -> Settled<'a> {
        let entry = Entry {
            reason: Some(failure.reason.clone()),
            hint: failure.hint.clone(),
            request_id: failure.request_id.clone(),
            topic: failure.topic.clone(),
            trouble: failure.trouble,
            ..blank(&self.wish.name, self.wish.rtype, failure.outcome, failure.class)
        };
        let doubt = match self.zone {
            Age::Fresh => false,
            Age::Known => failure.zone_is_gone,
            Age::Inherited => failure.zone_is_gone || failure.is_denied,
        };
        Settled { item: self, entry, doubt }
    }
}

/// Whether what failed would fail for every other record too, after as long a wait.
fn concerns_all(error: &route53::Error) -> bool {
    use route53::Error as E;
    match error {
        E::Credentials(_)
        | E::Locate(_)
        | E::Transport(_)
        | E::Unreadable(_)
        | E::Sign(_)
        | E::Exposed(_)
        | E::Stopped => true,
        E::Service(refusal) => {
            matches!(refusal.kind(), Kind::Throttled | Kind::Unavailable | Kind::Unreadable)
        }
        E::Lost(_) | E::NoZone { .. } | E::SeveralZones { .. } | E::Network { .. } | E::StrangeType(_) => {
            false
        }
    }
}

fn left(name: &impl ToString, rtype: RecordType, why: String) -> Entry {
    Entry { reason: Some(why), ..blank(name, rtype, Outcome::Left, Class::TryAgain) }
}

fn refused(name: &impl ToString, rtype: RecordType, why: String) -> Entry {
    Entry { reason: Some(why), ..blank(name, rtype, Outcome::Refused, Class::Refused) }
}

fn blank(name: &impl ToString, rtype: RecordType, outcome: Outcome, class: Class) -> Entry {
    Entry {
        name: name.to_string(),
        rtype,
        outcome,
        before: None,
        after: None,
        reason: None,
        hint: None,
        class,
        change_id: None,
        request_id: None,
        topic: None,
        trouble: None,
    }
}
