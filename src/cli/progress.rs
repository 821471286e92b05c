//! What a person at a terminal sees while a reconcile takes its time: one line on standard error, which is gone when
//! it is over. Nothing of it goes anywhere else.

use std::future::Future;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use tokio::time::Instant;

use crate::env::Env;

/// What is over sooner needs no telling.
const PERIOD: Duration = Duration::from_secs(1);
/// Clears the line from the cursor on.
const CLEAR: &str = "\x1b[K";

/// Whether somebody sees it: standard error is a terminal that can clear a line.
pub(super) fn is_seen(env: &Env) -> bool {
    io::stderr().is_terminal() && env.get("TERM").is_some_and(|term| term != "dumb")
}

/// Runs `work`, and once a second shows on `err` what `stage` says, for as long as it takes.
pub(super) async fn shown<T>(
    work: impl Future<Output = T>,
    stage: impl Fn() -> String,
    err: &mut dyn Write,
) -> T {
    let mut work = std::pin::pin!(work);
    let started = Instant::now();
    let mut ticks = tokio::time::interval_at(started + PERIOD, PERIOD);
    let mut is_drawn = false;
    let done = loop {
        tokio::select! {
            biased;
            done = &mut work => break done,
            _ = ticks.tick() => {
                // Whoever closed standard error doesn't want to know. The cursor goes back, so that a log line
                // stands where this did.
                let _ = write!(err, "{} ({} s){CLEAR}\r", stage(), started.elapsed().as_secs());
                let _ = err.flush();
                is_drawn = true;
            }
        }
    };
    if is_drawn {
        let _ = write!(err, "{CLEAR}");
        let _ = err.flush();
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn drawn(takes: Duration) -> String {
        let mut err = Vec::new();
        let done = shown(tokio::time::sleep(takes), || "waiting".to_owned(), &mut err).await;
        assert_eq!(done, ());
        String::from_utf8(err).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_is_drawn_each_second_and_cleared_in_the_end() {
        let line = "waiting (1 s)\x1b[K\rwaiting (2 s)\x1b[K\r\x1b[K";
        assert_eq!(drawn(Duration::from_millis(2500)).await, line);
        assert_eq!(drawn(Duration::from_millis(900)).await, "");
    }
}
