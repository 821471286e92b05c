//! What happens, in one place: the daemon and `--once` report here, and whoever tells of it reads here.
//!
//! A [`Snapshot`] is all there is to see at a moment, and its views are pure. An [`Event`] is told to each
//! subscriber when it happens; one that doesn't keep up misses some, and never holds up the daemon. Not
//! here: what is worth a log line (`report`), and what anybody makes of all this.

mod event;
mod snapshot;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;

use crate::clock::{Clock, Timestamp};
use crate::desired::Rule;
use crate::report::Entry;

pub use event::{Decision, Event};
pub use snapshot::{Change, Phase, Record, Snapshot};

/// Where what happens is reported. Shared; reporting and reading never wait for anybody.
pub struct Board {
    clock: Arc<dyn Clock>,
    inner: Mutex<Inner>,
    subscribers: Mutex<Vec<mpsc::Sender<Arc<Event>>>>,
}

struct Inner {
    phase: Phase,
    ready: bool,
    interval: Duration,
    /// When something was last reported.
    updated: Option<Timestamp>,
    /// By the places of the rules: what each is known by, and its record once something came of it.
    records: Vec<(String, Option<Record>)>,
    history: Vec<Change>,
}

impl Board {
    /// An empty board, whose times are those of `clock`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let inner = Inner {
            phase: Phase::Running,
            ready: false,
            interval: Duration::ZERO,
            updated: None,
            records: Vec::new(),
            history: Vec::new(),
        };
        Self { clock, inner: Mutex::new(inner), subscribers: Mutex::default() }
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
        let Some((_, known)) = inner.records.get_mut(place) else { return };
        let before = known.take();
        let decision = Decision::new(entry.clone(), at, before.as_ref());
        *known = Some(Record::after(before, &decision, looked));
        inner.updated = Some(at);
        if let Some(change) = Change::of(&decision) {
            snapshot::remember(&mut inner.history, change);
        }
        let first = decision.is_firm() && !std::mem::replace(&mut inner.ready, true);
        drop(inner);
        self.tell(Event::Decided(Box::new(decision)));
        if first {
            self.tell(Event::Ready);
        }
    }

    /// All name servers answer with a change.
    pub fn in_sync(&self, change: &str) {
        let at = self.now();
        let mut inner = self.lock();
        let mut after = Duration::ZERO;
        for made in inner.history.iter_mut().filter(|made| made.change_id.as_deref() == Some(change)) {
            after = at.duration_since(made.when).try_into().unwrap_or_default();
            made.in_sync_after = Some(after.as_secs_f64());
        }
        drop(inner);
        self.tell(Event::InSync { change: change.to_owned(), after });
    }

    /// It isn't known whether they do, and isn't looked at any longer.
    pub fn not_in_sync(&self, change: &str, why: &str) {
        self.tell(Event::NotInSync { change: change.to_owned(), why: why.to_owned() });
    }

    /// The configuration is about to be read again.
    pub fn reloading(&self) {
        self.lock().phase = Phase::Reloading;
        self.tell(Event::Reloading);
    }

    /// It was read, and is gone on with or was refused.
    pub fn reloaded(&self, taken: bool) {
        self.lock().phase = Phase::Running;
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
        let inner = self.lock();
        Snapshot {
            records: inner.records.iter().filter_map(|(_, record)| record.clone()).collect(),
            ready: inner.ready,
            updated: inner.updated,
            interval: inner.interval.as_secs_f64(),
            history: inner.history.clone(),
            rules: inner.records.len(),
            phase: inner.phase,
        }
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

    /// To the millisecond: nobody reads more of it.
    fn now(&self) -> Timestamp {
        let now = self.clock.now();
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a rule is known by from one configuration to the next.
fn key_of(rule: &Rule) -> String {
    let Rule { name, rtype, member, .. } = rule;
    match member {
        Some(member) => format!("{name} {rtype} ({})", member.set_identifier),
        None => format!("{name} {rtype}"),
    }
}

#[cfg(test)]
mod tests;
