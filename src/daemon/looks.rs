//! Looks at the sources, beside everything else: what is slow to be read keeps nothing waiting but itself.
//!
//! Not here: what follows from what was seen.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Daemon;
use crate::reconcile::{Look, Reconciler};

/// What was seen of some rules.
pub(super) type News = Vec<(usize, Look)>;

/// Whether a rule is being looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attention {
    Elsewhere,
    Looking,
    /// Something has changed since that look began.
    Overtaken,
}

impl Daemon {
    /// Makes it time to look at the sources.
    pub(super) fn look_now(&mut self) {
        self.next_look = Instant::now();
        for watched in &mut self.watched {
            if watched.attention == Attention::Looking {
                watched.attention = Attention::Overtaken;
            }
        }
    }

    /// Begins to look at the sources, where it is time for that and they aren't being looked at already.
    pub(super) fn look(&mut self) {
        let now = Instant::now();
        if now < self.next_look {
            return;
        }
        self.next_look = now + self.settings.watch;
        let first = self.watched.iter().all(|watched| watched.seen.is_none() && watched.is_idle());
        let idle = self.watched.iter_mut().enumerate().filter(|(_, watched)| watched.is_idle());
        let places: Vec<usize> = idle
            .map(|(place, watched)| {
                watched.attention = Attention::Looking;
                place
            })
            .collect();
        if places.is_empty() {
            return;
        }
        let (reconciler, news) = (Arc::clone(&self.reconciler), self.news.0.clone());
        self.looks.spawn(async move {
            // Nobody is left to be told when the daemon has stopped.
            let look = reconciler.look_at(&places, |seen| drop(news.send(seen)));
            if first {
                // Credentials are read beside the address.
                tokio::join!(look, reconciler.client().prepare());
            } else {
                look.await;
            }
        });
    }

    /// Forgets the looks under way, for other rules than `reconciler`'s.
    pub(super) fn look_afresh(&mut self, reconciler: &Reconciler) {
        self.changes = reconciler.changes();
        (self.looks, self.news) = (JoinSet::new(), mpsc::unbounded_channel());
        for watched in &mut self.watched {
            watched.attention = Attention::Elsewhere;
        }
    }

    /// Takes in what was seen.
    pub(super) fn take_in(&mut self, news: News) {
        for (place, look) in news {
            let Some(watched) = self.watched.get_mut(place) else { continue };
            let attention = std::mem::replace(&mut watched.attention, Attention::Elsewhere);
            if attention == Attention::Overtaken {
                self.next_look = Instant::now();
            }
            watched.take_in(look);
        }
    }
}
