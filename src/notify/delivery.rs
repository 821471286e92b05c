//! Queues and attempts: each notification has its own, so that one that is slow holds up no other.
//!
//! An event is attempted a few times with pauses that grow, and given up after some minutes, with a line in the
//! log. Of too many that wait, the oldest is dropped. At the end what waits is given a moment, and no pause.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::event::Event;
use super::situations::{Due, Listener, Situations, Telling};
use super::{Again, Outside, Renewal, Settings};
use crate::clock::Timestamp;
use crate::report::{self, Entry};
use crate::state::State;

/// What is still to be told when the daemon stops may take so long.
pub(super) const AT_STOP: Duration = Duration::from_millis(1500);
/// And when a single run has ended.
pub(super) const AT_ONCE: Duration = Duration::from_secs(10);
/// Most events that wait for one notification.
const MOST_WAITING: usize = 64;
/// The pauses between attempts, of which at least half is waited.
const PAUSES: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(4),
    Duration::from_secs(16),
    Duration::from_secs(60),
    Duration::from_secs(240),
];
/// An event is given up after so long: what is news by then is in the log.
const LONGEST: Duration = Duration::from_secs(10 * 60);

/// Tells what happens to whoever wants to hear. Dropped, it tells nothing more.
pub struct Notifier {
    situations: Situations,
    state: Arc<State>,
    outside: Arc<Mutex<Arc<Outside>>>,
    settings: Vec<Settings>,
    desks: Vec<Arc<Desk>>,
    workers: JoinSet<()>,
    /// When everything ends.
    end: watch::Sender<Option<Instant>>,
}

/// Where events wait for one notification.
struct Desk {
    label: String,
    settings: Settings,
    waiting: Mutex<Waiting>,
    rung: Notify,
}

#[derive(Default)]
struct Waiting {
    events: VecDeque<Event>,
    /// The one that is being told.
    at_work: Option<Event>,
    closed: bool,
}

impl Notifier {
    #[must_use]
    pub fn new(beginning: Renewal, telling: Telling) -> Self {
        let Renewal { settings, rules, outside } = beginning;
        let state = Arc::clone(&outside.aws.state);
        let mut situations = Situations::new(telling, host(), state.told(), outside.machine.now());
        situations.keep(rules);
        let mut notifier = Self {
            situations,
            state,
            outside: Arc::new(Mutex::new(Arc::new(outside))),
            settings: Vec::new(),
            desks: Vec::new(),
            workers: JoinSet::new(),
            end: watch::Sender::new(None),
        };
        notifier.listen_to(settings);
        notifier
    }

    /// Goes on with other settings. What waits for notifications that are left out is told all the same.
    pub fn renew(&mut self, renewal: Renewal) {
        let Renewal { settings, rules, outside } = renewal;
        self.situations.keep(rules);
        self.state = Arc::clone(&outside.aws.state);
        *self.outside.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(outside);
        self.listen_to(settings);
        self.remember();
    }

    fn listen_to(&mut self, settings: Vec<Settings>) {
        let mut before = std::mem::take(&mut self.desks);
        for listener in Listener::all(&settings) {
            let same = |desk: &Arc<Desk>| desk.label == listener.label && desk.settings == *listener.settings;
            if let Some(kept) = before.iter().position(same) {
                self.desks.push(before.swap_remove(kept));
                continue;
            }
            let desk = Arc::new(Desk {
                label: listener.label,
                settings: listener.settings.clone(),
                waiting: Mutex::default(),
                rung: Notify::new(),
            });
            self.desks.push(Arc::clone(&desk));
            self.workers.spawn(work(desk, Arc::clone(&self.outside), self.end.subscribe()));
        }
        for desk in before {
            desk.close();
        }
        self.settings = settings;
    }

    /// Takes in what came of the record of a rule, at `at`.
    pub fn take(&mut self, rule: &str, entry: &Entry, at: Timestamp) {
        let due = self.situations.take(rule, entry, at, &Listener::all(&self.settings));
        self.put(due);
    }

    /// Waits until trouble has lasted long enough to be told, and tells it. Nothing is lost when this is dropped.
    pub async fn lasting(&mut self) {
        let Some(next) = self.situations.next(&Listener::all(&self.settings)) else {
            return std::future::pending().await;
        };
        let machine = Arc::clone(&self.outside().machine);
        let left = next.duration_since(machine.now());
        tokio::time::sleep(Duration::try_from(left).unwrap_or_default()).await;
        let due = self.situations.lasting(machine.now().max(next), &Listener::all(&self.settings));
        self.put(due);
    }

    /// Tells what is still to be told, within bounds.
    pub async fn finish(mut self, within: Duration) {
        let end = Instant::now() + within;
        self.end.send_replace(Some(end));
        for desk in &self.desks {
            desk.close();
        }
        let all = async { while self.workers.join_next().await.is_some() {} };
        if tokio::time::timeout_at(end, all).await.is_err() {
            for desk in &self.desks {
                desk.give_up();
            }
        }
    }

    fn put(&mut self, due: Vec<Due>) {
        for (place, event) in due {
            if let Some(desk) = self.desks.get(place) {
                desk.put(event);
            }
        }
        self.remember();
    }

    fn remember(&self) {
        self.state.set_told(self.situations.told());
        // Whoever saves it next says why it can't be.
        let _ = self.state.save();
    }

    fn outside(&self) -> Arc<Outside> {
        Arc::clone(&self.outside.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Desk {
    fn put(&self, event: Event) {
        let mut waiting = self.waiting();
        if waiting.events.len() >= MOST_WAITING
            && let Some(oldest) = waiting.events.pop_front()
        {
            report::log_notification_dropped(&self.label, &oldest.message());
        }
        waiting.events.push_back(event);
        drop(waiting);
        self.rung.notify_one();
    }

    fn close(&self) {
        self.waiting().closed = true;
        self.rung.notify_one();
    }

    /// The next event, until there is none any more.
    async fn next(&self) -> Option<Event> {
        loop {
            {
                let mut waiting = self.waiting();
                waiting.at_work = waiting.events.pop_front();
                if waiting.at_work.is_some() || waiting.closed {
                    return waiting.at_work.clone();
                }
            }
            self.rung.notified().await;
        }
    }

    fn give_up(&self) {
        let mut waiting = self.waiting();
        let at_work = waiting.at_work.take();
        for event in at_work.into_iter().chain(waiting.events.drain(..)) {
            report::log_not_notified(&self.label, &event.message(), "out of time at the end");
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn work(desk: Arc<Desk>, outside: Arc<Mutex<Arc<Outside>>>, mut end: watch::Receiver<Option<Instant>>) {
    while let Some(event) = desk.next().await {
        match deliver(&desk, &event, &outside, &mut end).await {
            Ok(()) => tracing::debug!(listener = desk.label, event = event.kind.word(), "notified"),
            Err(why) => report::log_not_notified(&desk.label, &event.message(), &why),
        }
    }
}

async fn deliver(
    desk: &Desk,
    event: &Event,
    outside: &Mutex<Arc<Outside>>,
    end: &mut watch::Receiver<Option<Instant>>,
) -> Result<(), String> {
    let latest = Instant::now() + LONGEST;
    let mut pauses = PAUSES.iter();
    let mut attempts = 0;
    loop {
        let outside = Arc::clone(&outside.lock().unwrap_or_else(PoisonError::into_inner));
        let Err(failure) = desk.settings.send(event, &outside).await else { return Ok(()) };
        attempts += 1;
        let said = |why: String| if attempts > 1 { format!("{why} (attempt {attempts})") } else { why };
        let (Some(pause), true) = (pauses.next(), failure.again != Again::Never) else {
            return Err(said(failure.why));
        };
        let pause = match failure.again {
            Again::After(asked) => asked.max(*pause / 2),
            Again::Later | Again::Never => pause.mul_f64(0.5 + fastrand::f64() / 2.0),
        };
        let next = Instant::now() + pause;
        tracing::debug!(listener = desk.label, error = failure.why, ?pause, "not notified yet");
        let mut asleep = std::pin::pin!(tokio::time::sleep_until(next));
        loop {
            let last = end.borrow_and_update().map_or(latest, |end| end.min(latest));
            if next > last {
                return Err(said(failure.why));
            }
            tokio::select! {
                () = &mut asleep => break,
                Ok(()) = end.changed() => {}
            }
        }
    }
}

/// The machine's name, for those who hear of many.
fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}
