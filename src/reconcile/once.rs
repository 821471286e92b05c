//! A single round, for a boot-time unit, a timer or a person.

use std::future::Future;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::{Due, Look, Mode, Reading, Reconciler, Stage, blank};
use crate::apply::{Followed, Pace, follow};
use crate::desired::Rule;
use crate::report::{Class, Entry, Failure, Outcome, Round};
use crate::source::Observation;

/// An instance without an address is looked at again after these pauses. Whoever has to wait
/// longer for one runs the daemon.
const LOOKS: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(1)];

/// A stop waits this long for the answer to a change that is on its way, so that the whole
/// takes less than two seconds.
pub const GRACE: Duration = Duration::from_millis(1500);

/// How long a change is followed until it is in sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    Off,
    For(Duration),
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

impl Reconciler {
    /// Looks, reconciles every rule, and follows what was changed.
    pub async fn once(&self, wait: Wait) -> Round {
        // Credentials come from the same service as the address: they are read side by side, and
        // what is wrong with them shows when they are used.
        let (looks, ()) = tokio::join!(self.look_briefly(), self.client.prepare());
        let due: Vec<Due> = looks.into_iter().enumerate().map(|(rule, look)| Due { rule, look }).collect();
        let mut round = self.round(&due, Reading::Fresh).await;
        if let (Mode::Act, Wait::For(patience)) = (self.mode, wait) {
            self.follow_all(&mut round, patience).await;
        }
        round.requests = self.requests();
        round
    }

    /// What is reported when a round is broken off: of each record, how far it had come.
    #[must_use]
    pub fn broken_off(&self) -> Round {
        let progress = self.progress();
        let entry = |(index, rule): (usize, &Rule)| {
            let stopped = |name: String, outcome, reason: &str| Entry {
                reason: Some(reason.to_owned()),
                ..blank(&name, rule.rtype, outcome, Class::TryAgain)
            };
            let undecided = |name| stopped(name, Outcome::Left, "stopped before anything was decided");
            match progress.get(&index) {
                Some(Stage::Settled(entry)) if entry.change_id.is_some() => Entry {
                    outcome: Outcome::Unconfirmed,
                    class: Class::TryAgain,
                    reason: Some("the change was taken; stopped before all name servers had it".to_owned()),
                    ..Entry::clone(entry)
                },
                Some(Stage::Settled(entry)) => Entry::clone(entry),
                Some(Stage::Sent(key)) => {
                    let reason = "stopped while a change was on its way";
                    stopped(key.name.to_string(), Outcome::Unconfirmed, reason)
                }
                Some(Stage::Wished(key)) => undecided(key.name.to_string()),
                None => undecided(rule.name.to_string()),
            }
        };
        Round {
            entries: self.rules.iter().enumerate().map(entry).collect(),
            requests: self.requests(),
            in_sync: Vec::new(),
        }
    }

    async fn look_briefly(&self) -> Vec<Look> {
        let mut looks = self.look().await;
        for pause in LOOKS {
            if !looks.iter().any(|look| matches!(look.observation, Observation::KnownNone(_))) {
                break;
            }
            tokio::time::sleep(pause).await;
            looks = self.look().await;
        }
        looks
    }

    async fn follow_all(&self, round: &mut Round, patience: Duration) {
        let ids: Vec<String> = round.change_ids().into_iter().map(str::to_owned).collect();
        let started = Instant::now();
        let each = ids.iter().map(|id| async move {
            let followed = follow(&self.client, id, patience, Pace::WAITED_FOR).await;
            (followed, started.elapsed())
        });
        for (id, (followed, took)) in ids.iter().zip(join_all(each).await) {
            let (class, reason, hint) = match followed {
                Followed::InSync => {
                    round.in_sync.push((id.clone(), took));
                    continue;
                }
                Followed::OutOfTime => {
                    let reason =
                        format!("change {id} was taken, but is not on all name servers after {patience:?}");
                    (Class::TryAgain, reason, None)
                }
                Followed::Unreadable(error) => {
                    let failure = Failure::of(&error);
                    // The change was taken: only a missing permission is a matter of its own.
                    let denied = failure.class == Class::NotPermitted;
                    (
                        if denied { failure.class } else { Class::TryAgain },
                        format!("change {id} was taken, but can't be followed: {}", failure.reason),
                        failure.hint,
                    )
                }
            };
            for entry in round.entries.iter_mut().filter(|entry| entry.change_id.as_ref() == Some(id)) {
                entry.outcome = Outcome::Unconfirmed;
                entry.class = class;
                entry.reason = Some(reason.clone());
                entry.hint.clone_from(&hint);
            }
        }
    }
}
