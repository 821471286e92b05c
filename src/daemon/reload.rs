//! A configuration that is read again while the daemon runs.
//!
//! Not here: reading it, and the signal that asks for it (the caller's).

use std::sync::Arc;

use tokio::time::Instant;

use super::{Daemon, Settings, Watched};
use crate::reconcile::Reconciler;

/// What came of reading it.
pub enum Reload {
    /// It is to be gone on with.
    Taken { reconciler: Arc<Reconciler>, settings: Settings },
    /// It was refused: what was read before stays.
    Refused,
}

impl Daemon {
    /// Takes in what came of reading. A configuration that waits is not put off by a refused one behind it.
    pub(super) fn take_reload(&mut self, reload: Reload) {
        self.systemd.reloading();
        if matches!(reload, Reload::Taken { .. }) || self.reload.is_none() {
            self.reload = Some(reload);
        }
    }

    /// Goes on with a configuration that was read again, once no round is under way that builds on the old
    /// one. Either way everything is due at once: whoever asks for it has mended something.
    pub(super) fn reload(&mut self) {
        if !self.rounds.is_empty() {
            return;
        }
        let Some(reload) = self.reload.take() else { return };
        let taken = matches!(reload, Reload::Taken { .. });
        match reload {
            Reload::Taken { reconciler, settings } => self.go_on_with(reconciler, settings),
            Reload::Refused => self.read_credentials_again(),
        }
        self.look_now();
        self.board.reloaded(taken);
        self.systemd.reloaded();
    }

    fn go_on_with(&mut self, reconciler: Arc<Reconciler>, settings: Settings) {
        let now = Instant::now();
        reconciler.take_over(&self.reconciler);
        let mut before: Vec<_> =
            self.reconciler.rules().iter().zip(self.watched.drain(..)).map(Some).collect();
        let watched = reconciler.rules().iter().map(|rule| {
            let same = |slot: &&mut Option<_>| matches!(slot, Some((old, _)) if *old == rule);
            let kept = before.iter_mut().find(same).and_then(Option::take);
            kept.map_or_else(|| Watched::new(now), |(_, watched)| watched)
        });
        self.watched = watched.collect();
        for watched in &mut self.watched {
            watched.hurry(now);
        }
        self.look_afresh(&reconciler);
        self.reconciler = reconciler;
        self.settings = settings;
        self.board.begin(self.reconciler.rules(), settings.interval);
        self.look_out();
    }
}
