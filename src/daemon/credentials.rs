//! Looks for other credentials in place of refused ones, beside everything else.
//!
//! Not here: where credentials come from, and when a record waits for them (`clocks`).

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Daemon, Watched};

/// They are looked for so often.
const OTHER_CREDENTIALS: Duration = Duration::from_secs(30);

/// Which records are due at once after such a look.
#[derive(Clone, Copy)]
pub(super) enum Waking {
    None,
    /// Those that wait for a person.
    Waiting,
    All,
}

impl Daemon {
    /// Where refused ones are all that keeps records from being looked after, others don't have to wait
    /// for a person's clock.
    pub(super) fn look_for_credentials(&mut self) {
        let now = Instant::now();
        if now < self.looked_for_credentials + OTHER_CREDENTIALS
            || !self.credentials.is_empty()
            || !self.watched.iter().any(waits)
        {
            return;
        }
        self.looked_for_credentials = now;
        let client = Arc::clone(self.reconciler.client());
        self.credentials.spawn(async move {
            if client.has_other_credentials().await { Waking::Waiting } else { Waking::None }
        });
    }

    /// Reads credentials anew, and has everything due when that is done.
    pub(super) fn read_credentials_again(&mut self) {
        let client = Arc::clone(self.reconciler.client());
        self.credentials.spawn(async move {
            client.has_other_credentials().await;
            Waking::All
        });
    }

    pub(super) fn wake(&mut self, waking: Waking) {
        let now = Instant::now();
        for watched in &mut self.watched {
            let wakes = match waking {
                Waking::None => false,
                Waking::Waiting => waits(watched),
                Waking::All => true,
            };
            if wakes {
                watched.hurry(now);
            }
        }
    }
}

fn waits(watched: &Watched) -> bool {
    watched.clocks.waits_for_person()
}
