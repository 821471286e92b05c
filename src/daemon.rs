//! When rounds happen: at the start, when a source says something new, and on an interval.
//!
//! Not here: what a round does (`reconcile`), and which signals mean stop (the caller's).

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use crate::apply::{Followed, follow};
use crate::causes::with_causes;
use crate::reconcile::{Due, Reading, Reconciler};
use crate::report::{self, Class, Entry, Outcome};
use crate::source::Observation;

/// A stop waits this long for the answer to a change that is on its way, so that the whole
/// takes less than two seconds.
const GRACE: Duration = Duration::from_millis(1500);
/// What may pass by itself is tried again after this, doubling up to [`LONGEST_RETRY`].
const FIRST_RETRY: Duration = Duration::from_secs(2);
const LONGEST_RETRY: Duration = Duration::from_secs(60);
/// What only a person can mend is tried again after some time between these.
const MEND: Duration = Duration::from_secs(15 * 60);
const LONGEST_MEND: Duration = Duration::from_secs(60 * 60);
/// How long a change is followed before it is said that it isn't in sync.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

/// The daemon's rhythm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How often the sources are looked at.
    pub watch: Duration,
    /// How often each record is compared with what Route 53 has; jittered by a tenth either way.
    pub interval: Duration,
}

/// What the daemon knows of one rule between rounds.
struct Watched {
    /// What the sources said when they last said anything definite.
    observed: Option<Observation>,
    /// When the record is due, whatever the sources say.
    due: Instant,
    failures: u32,
    /// What was logged last.
    said: Option<(Outcome, Option<String>)>,
}

/// Runs until `stop` resolves.
pub async fn run(reconciler: Arc<Reconciler>, settings: Settings, stop: impl Future<Output = ()>) {
    let mut stop = std::pin::pin!(stop);
    let start = Instant::now();
    let mut watched: Vec<Watched> = reconciler
        .rules()
        .iter()
        .map(|_| Watched { observed: None, due: start, failures: 0, said: None })
        .collect();
    let mut followed: JoinSet<()> = JoinSet::new();
    let mut ticks = tokio::time::interval(settings.watch);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = &mut stop => return,
            Some(_) = followed.join_next() => {}
            _ = ticks.tick() => {
                let cycle = cycle(&reconciler, &mut watched, settings, &mut followed);
                if let Err(stopped) = unless_stopped(&mut stop, &reconciler, cycle).await {
                    if stopped.changing {
                        tracing::warn!("stopped while a change was on its way: could not confirm it");
                    }
                    return;
                }
            }
        }
    }
}

/// `stop` came before the work was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped {
    /// A change was on its way, and its answer didn't come in time.
    pub changing: bool,
}

/// Runs `work` to its end, or until `stop`. A change that is on its way by then is given a moment
/// to be answered, so that what became of it can be told.
///
/// # Errors
/// [`Stopped`] when `stop` came first.
pub async fn unless_stopped<T>(
    stop: &mut (impl Future<Output = ()> + Unpin),
    reconciler: &Reconciler,
    work: impl Future<Output = T>,
) -> Result<T, Stopped> {
    let mut work = std::pin::pin!(work);
    tokio::select! {
        biased;
        done = &mut work => return Ok(done),
        () = stop => {}
    }
    let changing = reconciler.client().is_changing();
    if changing && let Ok(done) = tokio::time::timeout(GRACE, work).await {
        return Ok(done);
    }
    Err(Stopped { changing })
}

/// One look at the sources, and a round for the records that it, or the time, makes due.
async fn cycle(
    reconciler: &Arc<Reconciler>,
    watched: &mut [Watched],
    settings: Settings,
    followed: &mut JoinSet<()>,
) {
    let observations = if watched.iter().all(|watched| watched.said.is_none()) {
        // The first time, credentials are read beside the address.
        tokio::join!(reconciler.observe(), reconciler.client().prepare()).0
    } else {
        reconciler.observe().await
    };
    let now = Instant::now();
    let (mut moved, mut audited) = (Vec::new(), Vec::new());
    for (rule, (observation, watched)) in observations.into_iter().zip(&mut *watched).enumerate() {
        let is_known = matches!(observation, Observation::Known(_));
        let is_new = is_known && watched.observed.as_ref() != Some(&observation);
        let was_known = watched.observed.is_some();
        if is_new {
            watched.observed = Some(observation.clone());
        }
        let due = Due { rule, observation };
        if is_new && was_known {
            moved.push(due);
        } else if is_new || watched.due <= now || !is_known {
            audited.push(due);
        }
    }
    for (due, reading) in [(moved, Reading::Remembered), (audited, Reading::Fresh)] {
        if due.is_empty() {
            continue;
        }
        let round = reconciler.round(&due, reading).await;
        for (due, entry) in due.iter().zip(&round.entries) {
            if let Some(watched) = watched.get_mut(due.rule) {
                watched.settle(entry, settings);
            }
        }
        for id in round.change_ids() {
            let (client, id) = (Arc::clone(reconciler.client()), id.to_owned());
            followed.spawn(async move {
                match follow(&client, &id, PATIENCE).await {
                    Followed::InSync => report::log_in_sync(&id),
                    Followed::OutOfTime => report::log_not_in_sync(&id, "out of time"),
                    Followed::Unreadable(error) => report::log_not_in_sync(&id, &with_causes(&error)),
                }
            });
        }
    }
}

impl Watched {
    /// Logs what is new about an entry, and decides when the record is due again.
    fn settle(&mut self, entry: &Entry, settings: Settings) {
        // That what was changed is still as it was changed is no news.
        let settled = if entry.outcome == Outcome::Changed { Outcome::Unchanged } else { entry.outcome };
        let saying = (settled, entry.reason.clone());
        if entry.outcome == Outcome::Changed || self.said.as_ref() != Some(&saying) {
            report::log_decision(entry);
            self.said = Some(saying);
        }
        let pause = match entry.class {
            // Nothing was asked of Route 53: the next look decides.
            _ if entry.outcome == Outcome::Left => Duration::ZERO,
            Class::Fine => jittered(settings.interval),
            Class::Refused => settings.interval,
            Class::TryAgain | Class::Other => {
                let bound = FIRST_RETRY.saturating_mul(1 << self.failures.min(10)).min(LONGEST_RETRY);
                bound.mul_f64(0.5 + fastrand::f64() / 2.0)
            }
            Class::NotPermitted | Class::Misconfigured => {
                MEND + LONGEST_MEND.saturating_sub(MEND).mul_f64(fastrand::f64())
            }
        };
        self.failures =
            if matches!(entry.class, Class::TryAgain | Class::Other) { self.failures + 1 } else { 0 };
        self.due = Instant::now() + pause;
    }
}

fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(0.9 + fastrand::f64() / 5.0)
}
