//! When rounds happen: at the start, when a source says something new, and on an interval.
//!
//! Not here: what a round does (`reconcile`), and which signals mean stop (the caller's).

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

use crate::apply::{Followed, follow};
use crate::causes::with_causes;
use crate::reconcile::{Due, Reading, Reconciler};
use crate::report::{self, Class, Entry, Outcome, Round};
use crate::source::Observation;

/// For how long one of the daemon's calls is attempted again. It comes back by itself, and what
/// goes wrong in one zone must not keep it from looking after the others.
pub const PATIENCE: Duration = Duration::from_secs(3);
/// A stop waits this long for the answer to a change that is on its way, so that the whole
/// takes less than two seconds.
const GRACE: Duration = Duration::from_millis(1500);
/// What may pass by itself is tried again after this, doubling up to [`LONGEST_RETRY`].
const FIRST_RETRY: Duration = Duration::from_secs(2);
const LONGEST_RETRY: Duration = Duration::from_secs(120);
/// What only a person can mend is tried again after some time between these.
const MEND: Duration = Duration::from_secs(15 * 60);
const LONGEST_MEND: Duration = Duration::from_secs(60 * 60);
/// A permission may be seconds old and not everywhere yet: up to so many requests are spent on it
/// in the first seconds.
const EARLY_REQUESTS: u64 = 3;
const EARLY_RETRY: Duration = Duration::from_secs(12);
/// How long a change is followed before it is said that it isn't in sync.
const FOLLOWED: Duration = Duration::from_secs(10 * 60);

/// The daemon's rhythm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How often the sources are looked at.
    pub watch: Duration,
    /// How often each record is compared with what Route 53 has; jittered by a tenth either way.
    pub interval: Duration,
}

/// Runs until `stop` resolves.
pub async fn run(reconciler: Arc<Reconciler>, settings: Settings, stop: impl Future<Output = ()>) {
    let mut stop = std::pin::pin!(stop);
    let mut daemon = Daemon::new(reconciler, settings);
    loop {
        let next = daemon.next();
        tokio::select! {
            biased;
            () = &mut stop => return,
            Some(_) = daemon.followed.join_next() => {}
            () = tokio::time::sleep_until(next) => {
                let reconciler = Arc::clone(&daemon.reconciler);
                match unless_stopped(&mut stop, &reconciler, daemon.cycle()).await {
                    Ended::Done(()) => {}
                    Ended::DoneAtStop(()) => return,
                    Ended::Stopped { changing } => {
                        if changing {
                            tracing::warn!("stopped while a change was on its way: could not confirm it");
                        }
                        return;
                    }
                }
            }
        }
    }
}

/// How work ended that could be stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended<T> {
    Done(T),
    /// `stop` came, and the work was done all the same a moment later. `stop` is not to be waited
    /// for again.
    DoneAtStop(T),
    Stopped {
        /// A change was on its way, and its answer didn't come in time.
        changing: bool,
    },
}

impl<T> Ended<T> {
    /// What the work gave, if it came to its end.
    pub fn value(self) -> Option<T> {
        match self {
            Self::Done(value) | Self::DoneAtStop(value) => Some(value),
            Self::Stopped { .. } => None,
        }
    }
}

/// Runs `work` to its end, or until `stop`. From then on no change is sent; one that is on its way is
/// given a moment to be answered, so that what became of it can be told.
pub async fn unless_stopped<T>(
    stop: &mut (impl Future<Output = ()> + Unpin),
    reconciler: &Reconciler,
    work: impl Future<Output = T>,
) -> Ended<T> {
    let mut work = std::pin::pin!(work);
    tokio::select! {
        biased;
        done = &mut work => return Ended::Done(done),
        () = stop => {}
    }
    tokio::select! {
        biased;
        done = &mut work => Ended::DoneAtStop(done),
        () = reconciler.client().close() => Ended::Stopped { changing: false },
        () = tokio::time::sleep(GRACE) => Ended::Stopped { changing: true },
    }
}

struct Daemon {
    reconciler: Arc<Reconciler>,
    settings: Settings,
    /// When the sources are looked at next.
    look: Instant,
    watched: Vec<Watched>,
    followed: JoinSet<()>,
}

/// What the daemon knows of one rule between rounds.
struct Watched {
    /// What the sources said at the last look.
    observed: Option<Observation>,
    /// What they said when they last said what should be there.
    known: Option<Observation>,
    /// When the record is due, whatever the sources say.
    due: Instant,
    failures: u32,
    /// Requests spent since a permission, or the zone, was first missing.
    spent: u64,
    /// What was logged last.
    said: Option<Entry>,
    /// The change of this record that is being followed.
    following: Option<AbortHandle>,
}

impl Daemon {
    fn new(reconciler: Arc<Reconciler>, settings: Settings) -> Self {
        let now = Instant::now();
        let watched = reconciler.rules().iter().map(|_| Watched::new(now)).collect();
        Self { reconciler, settings, look: now, watched, followed: JoinSet::new() }
    }

    /// When there is something to do next.
    fn next(&self) -> Instant {
        let due = self.watched.iter().filter(|watched| watched.is_known()).map(|watched| watched.due).min();
        due.map_or(self.look, |due| due.min(self.look))
    }

    /// A look at the sources where it is time for one, and a round for the records that it, or the
    /// time, makes due.
    async fn cycle(&mut self) {
        let mut moved = Vec::new();
        let mut rest = Vec::new();
        let looked = Instant::now() >= self.look;
        if looked {
            // The next look is counted from this one's beginning, unless it took longer than that.
            self.look += self.settings.watch;
            let observations = self.observe().await;
            self.look = self.look.max(Instant::now());
            for (rule, (observation, watched)) in observations.into_iter().zip(&mut self.watched).enumerate()
            {
                match watched.take_in(observation) {
                    News::Moved => moved.push(rule),
                    News::Unknown => rest.push(rule),
                    News::None => {}
                }
            }
        }
        let now = Instant::now();
        let due = |rule: &usize| {
            self.watched.get(*rule).is_some_and(|watched| watched.is_known() && watched.due <= now)
        };
        rest.extend((0..self.watched.len()).filter(due).filter(|rule| !moved.contains(rule)));
        rest.sort_unstable();
        self.round(&moved, Reading::Remembered).await;
        self.round(&rest, Reading::Fresh).await;
    }

    async fn observe(&self) -> Vec<Observation> {
        if self.watched.iter().all(|watched| watched.observed.is_none()) {
            // The first time, credentials are read beside the address.
            tokio::join!(self.reconciler.observe(), self.reconciler.client().prepare()).0
        } else {
            self.reconciler.observe().await
        }
    }

    async fn round(&mut self, rules: &[usize], reading: Reading) {
        let observed = |rule: usize| self.watched.get(rule).and_then(|watched| watched.observed.clone());
        let due: Vec<Due> =
            rules.iter().filter_map(|&rule| Some(Due { rule, observation: observed(rule)? })).collect();
        if due.is_empty() {
            return;
        }
        let client = Arc::clone(self.reconciler.client());
        let before = (client.requests(), client.denied());
        let round = self.reconciler.round(&due, reading).await;
        let cost = Cost { requests: client.requests() - before.0, denied: client.denied() - before.1 };
        for (due, entry) in due.iter().zip(&round.entries) {
            if let Some(watched) = self.watched.get_mut(due.rule) {
                watched.settle(entry, self.settings, cost);
            }
        }
        self.follow(&due, &round);
    }

    /// Follows the changes of a round; those that they supersede no longer.
    fn follow(&mut self, due: &[Due], round: &Round) {
        for id in round.change_ids() {
            let (client, change) = (Arc::clone(self.reconciler.client()), id.to_owned());
            let handle = self.followed.spawn(async move {
                match follow(&client, &change, FOLLOWED).await {
                    Followed::InSync => report::log_in_sync(&change),
                    Followed::OutOfTime => report::log_not_in_sync(&change, "out of time"),
                    Followed::Unreadable(error) => report::log_not_in_sync(&change, &with_causes(&error)),
                }
            });
            for (due, _) in
                due.iter().zip(&round.entries).filter(|(_, entry)| entry.change_id.as_deref() == Some(id))
            {
                if let Some(watched) = self.watched.get_mut(due.rule)
                    && let Some(superseded) = watched.following.replace(handle.clone())
                {
                    superseded.abort();
                }
            }
        }
    }
}

/// What a round asked of Route 53.
#[derive(Clone, Copy)]
struct Cost {
    requests: u64,
    denied: u64,
}

/// What a look at a record's sources brought.
enum News {
    /// It should be something else than before.
    Moved,
    /// Nobody knows what it should be.
    Unknown,
    None,
}

impl Watched {
    fn new(now: Instant) -> Self {
        Self { observed: None, known: None, due: now, failures: 0, spent: 0, said: None, following: None }
    }

    fn is_known(&self) -> bool {
        matches!(self.observed, Some(Observation::Known(_)))
    }

    fn take_in(&mut self, observation: Observation) -> News {
        let observed = self.observed.insert(observation);
        if !matches!(observed, Observation::Known(_)) {
            return News::Unknown;
        }
        match self.known.replace(observed.clone()) {
            Some(before) if before != *observed => News::Moved,
            _ => News::None,
        }
    }

    /// Logs what is new about an entry, and decides when the record is due again.
    fn settle(&mut self, entry: &Entry, settings: Settings, cost: Cost) {
        if entry.outcome == Outcome::Changed
            || !self.said.as_ref().is_some_and(|said| entry.says_the_same_as(said))
        {
            report::log_decision(entry);
        }
        self.said = Some(entry.clone());
        // Nothing was asked of Route 53: the next look decides.
        if entry.outcome == Outcome::Left {
            return;
        }
        let pause = match entry.class {
            Class::Fine => settings.interval.mul_f64(0.9 + fastrand::f64() / 5.0),
            Class::Refused => settings.interval,
            Class::NotPermitted | Class::Misconfigured => {
                self.spent += cost.requests;
                // Without credentials nothing was asked of Route 53 either; a role may come any moment.
                if cost.requests == 0 { self.retry() } else { self.mend(cost) }
            }
            Class::TryAgain | Class::Other => self.retry(),
        };
        match entry.class {
            Class::Fine | Class::Refused => (self.failures, self.spent) = (0, 0),
            Class::NotPermitted | Class::Misconfigured => {
                self.failures = self.failures.saturating_add(u32::from(cost.requests == 0));
            }
            Class::TryAgain | Class::Other => self.failures = self.failures.saturating_add(1),
        }
        self.due = Instant::now() + pause;
    }

    fn retry(&self) -> Duration {
        let bound = FIRST_RETRY.saturating_mul(1 << self.failures.min(10)).min(LONGEST_RETRY);
        bound.mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    fn mend(&self, cost: Cost) -> Duration {
        // What was found on the way to a refusal isn't asked for again.
        let again = if cost.denied > 0 { cost.denied } else { cost.requests };
        if self.spent + again <= EARLY_REQUESTS {
            return EARLY_RETRY;
        }
        MEND + LONGEST_MEND.saturating_sub(MEND).mul_f64(fastrand::f64())
    }
}
