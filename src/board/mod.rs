//! What happens, in one place: the daemon and `--once` report here, and whoever tells of it reads here.
//!
//! A [`Snapshot`] is all there is to see at a moment, and its views are pure. An [`Event`] is told to each
//! subscriber when it happens; one that doesn't keep up misses some, and never holds up the daemon. Not
//! here: what is worth a log line (`report`), and what anybody makes of all this.

mod event;
mod snapshot;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::clock::{Clock, Timestamp};
use crate::desired::Rule;
use crate::report::{Entry, Round};
use crate::state;
use crate::state::Durability::{Lasting, Passing};

pub use event::{Decision, Event};
pub use snapshot::{Change, Outcomes, Phase, Record, Snapshot, Vitals};

/// The document's name in the state directory.
pub const FILE: &str = "status.json";
/// What is kept is written anew after an interval in which nothing happened, but no more often than this.
const REFRESH: Duration = Duration::from_secs(10);

/// Where what happens is reported. Shared; reporting and reading never wait for anybody.
pub struct Board {
    clock: Arc<dyn Clock>,
    inner: Mutex<Inner>,
    subscribers: Mutex<Vec<mpsc::Sender<Arc<Event>>>>,
}

struct Inner {
    phase: Phase,
    /// Something has come of a record in this process.
    heard: bool,
    ready: bool,
    interval: Duration,
    /// When whoever reports was last seen alive.
    updated: Option<Timestamp>,
    /// By the places of the rules: what each is known by, and its record once something came of it.
    records: Vec<(String, Option<Record>)>,
    history: Vec<Change>,
    vitals: Vitals,
    keeping: Keeping,
}

/// What is written to the state directory, and when.
#[derive(Default)]
struct Keeping {
    directory: Option<PathBuf>,
    /// Something has happened since it was last written.
    news: bool,
    written: Option<Instant>,
}

impl Board {
    /// An empty board, whose times are those of `clock`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let inner = Inner {
            phase: Phase::Starting,
            heard: false,
            ready: false,
            interval: Duration::ZERO,
            updated: None,
            records: Vec::new(),
            history: Vec::new(),
            vitals: Vitals::default(),
            keeping: Keeping::default(),
        };
        Self { clock, inner: Mutex::new(inner), subscribers: Mutex::default() }
    }

    /// A board that goes on from what was kept in `directory`, and is kept there. A file that can't be used
    /// is an error to tell about beside an empty board to go on with.
    #[must_use]
    pub fn kept_in(clock: Arc<dyn Clock>, directory: &Path) -> (Self, Option<state::Error>) {
        let board = Self::new(clock);
        let (kept, error) = match state::read::<Snapshot>(&directory.join(FILE)) {
            Ok(kept) => (kept.unwrap_or_default(), None),
            Err(error) => (Snapshot::default(), Some(error)),
        };
        {
            let mut inner = board.lock();
            inner.records =
                kept.records.into_iter().map(|record| (record.rule.clone(), Some(record))).collect();
            inner.history = kept.history;
            inner.keeping.directory = Some(directory.to_owned());
        }
        (board, error)
    }

    /// From now on it is kept there.
    pub fn keep_in(&self, directory: Option<&Path>) {
        let keeping = &mut self.lock().keeping;
        if keeping.directory.as_deref() != directory {
            keeping.directory = directory.map(Path::to_owned);
            keeping.news = true;
        }
    }

    /// Notes that whoever reports is alive, and writes what is kept: where something has happened, or else
    /// when an interval is over, so that old news can be told from a dead daemon.
    ///
    /// # Errors
    /// When it can't be written. It is tried again when it is due again.
    pub fn beat(&self) -> Result<(), state::Error> {
        let now = self.now();
        let mut inner = self.lock();
        inner.updated = Some(now);
        let rest = inner.interval.max(REFRESH);
        let keeping = &mut inner.keeping;
        let is_due = keeping.written.is_none_or(|written| written.elapsed() >= rest);
        let Some(directory) = keeping.directory.clone().filter(|_| keeping.news || is_due) else {
            return Ok(());
        };
        let durability = if std::mem::take(&mut keeping.news) { Lasting } else { Passing };
        keeping.written = Some(Instant::now());
        let snapshot = inner.snapshot();
        drop(inner);
        state::write(&directory.join(FILE), &snapshot, durability)
    }

    /// From now on it is these rules whose outcomes are reported, by their places, each at least once in
    /// an `interval`. What is known of a rule that was there before stays.
    pub fn begin(&self, rules: &[Rule], interval: Duration) {
        let mut inner = self.lock();
        inner.interval = interval;
        let mut before = std::mem::take(&mut inner.records);
        inner.records = rules
            .iter()
            .map(|rule| {
                let key = key_of(rule);
                let known = before.iter_mut().find(|(other, _)| *other == key);
                let record = known.and_then(|(_, record)| record.take());
                (key, record)
            })
            .collect();
    }

    /// Takes in what came of the rule at `place`. `looked`: its record was written or seen, and not only
    /// remembered.
    pub fn decided(&self, place: usize, entry: &Entry, looked: bool) {
        let at = self.now();
        let mut inner = self.lock();
        let Some((key, known)) = inner.records.get_mut(place) else { return };
        let before = known.take();
        let decision = Decision::new(key, entry.clone(), at, before.as_ref());
        *known = Some(Record::after(before, &decision, looked));
        inner.updated = Some(at);
        inner.keeping.news |= decision.is_news || decision.is_change();
        if let Some(change) = Change::of(&decision) {
            snapshot::remember(&mut inner.history, change);
        }
        if !std::mem::replace(&mut inner.heard, true) && inner.phase == Phase::Starting {
            inner.phase = Phase::Running;
        }
        let first = decision.is_firm() && !std::mem::replace(&mut inner.ready, true);
        inner.keeping.news |= first;
        drop(inner);
        self.tell(Event::Decided(Box::new(decision)));
        if first {
            self.tell(Event::Ready);
        }
    }

    /// Takes in a whole round about every rule.
    pub fn took_round(&self, round: &Round) {
        for (place, entry) in round.entries.iter().enumerate() {
            self.decided(place, entry, true);
        }
        for (change, took) in &round.in_sync {
            self.in_sync(change, Some(*took));
        }
    }

    /// All name servers answer with a change, which took so long; where that isn't said, as long as has passed
    /// since it was reported.
    pub fn in_sync(&self, change: &str, took: Option<Duration>) {
        let at = self.now();
        let mut inner = self.lock();
        let mut after = took;
        for made in inner.history.iter_mut().filter(|made| made.change_id.as_deref() == Some(change)) {
            let passed = after.unwrap_or(at.duration_since(made.when).try_into().unwrap_or_default());
            made.in_sync_after = Some(passed.as_secs_f64());
            after = Some(passed);
        }
        inner.keeping.news |= after.is_some();
        drop(inner);
        self.tell(Event::InSync { change: change.to_owned(), after: after.unwrap_or_default() });
    }

    /// It isn't known whether they do, and isn't looked at any longer.
    pub fn not_in_sync(&self, change: &str, why: &str) {
        self.tell(Event::NotInSync { change: change.to_owned(), why: why.to_owned() });
    }

    /// Takes in how things beside the records stand.
    pub fn note(&self, vitals: Vitals) {
        self.lock().vitals = vitals;
    }

    /// The configuration is about to be read again.
    pub fn reloading(&self) {
        self.lock().phase = Phase::Reloading;
        self.tell(Event::Reloading);
    }

    /// It was read, and is gone on with or was refused.
    pub fn reloaded(&self, taken: bool) {
        let mut inner = self.lock();
        inner.phase = if inner.heard { Phase::Running } else { Phase::Starting };
        drop(inner);
        self.tell(Event::Reloaded { taken });
    }

    /// The daemon was asked to stop. What it withdraws is still reported.
    pub fn stopping(&self) {
        self.lock().phase = Phase::Stopping;
        self.tell(Event::Stopping);
    }

    /// All there is to see now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.lock().snapshot()
    }

    /// Events from now on. Those for which there is no room among `most` that wait are lost.
    #[must_use]
    pub fn subscribe(&self, most: usize) -> mpsc::Receiver<Arc<Event>> {
        let (sender, receiver) = mpsc::channel(most);
        self.subscribers.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        receiver
    }

    fn tell(&self, event: Event) {
        let mut subscribers = self.subscribers.lock().unwrap_or_else(PoisonError::into_inner);
        if subscribers.is_empty() {
            return;
        }
        let event = Arc::new(event);
        subscribers.retain(|subscriber| match subscriber.try_send(Arc::clone(&event)) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Full(_)) => {
                tracing::debug!(?event, "nobody has room for this event");
                true
            }
            Err(mpsc::error::TrySendError::Closed(_)) => false,
        });
    }

    /// The board's time, to the millisecond: nobody reads more of it.
    pub fn now(&self) -> Timestamp {
        let now = self.clock.now();
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn snapshot(&self) -> Snapshot {
        Snapshot {
            records: self.records.iter().filter_map(|(_, record)| record.clone()).collect(),
            ready: self.ready,
            updated: self.updated,
            interval: self.interval.as_secs_f64(),
            history: self.history.clone(),
            rules: self.records.len(),
            phase: self.phase,
            vitals: self.vitals,
        }
    }
}

/// What a rule is known by from one configuration to the next.
#[must_use]
pub fn key_of(rule: &Rule) -> String {
    let Rule { name, rtype, member, .. } = rule;
    match member {
        Some(member) => format!("{name} {rtype} ({})", member.set_identifier),
        None => format!("{name} {rtype}"),
    }
}

#[cfg(test)]
mod tests;
