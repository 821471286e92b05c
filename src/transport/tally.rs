//! What became of the requests that left: by operation, answers by status, and how long they took.
//!
//! Not here: which operations there are (each client names its own).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Error;

/// The upper bounds of the classes of duration, in seconds.
pub const BOUNDS: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// Counts, shared by everything that sends.
#[derive(Debug, Default)]
pub struct Tally(Mutex<BTreeMap<&'static str, Sent>>);

/// What became of the requests of one operation.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sent {
    /// How many were answered with a status (`200`), or ended otherwise (`timeout`).
    pub codes: BTreeMap<String, u64>,
    /// How many took no longer than each of [`BOUNDS`], and longer than the bound before.
    pub classes: [u64; BOUNDS.len()],
    /// How many there were, and the seconds that they took in all.
    pub count: u64,
    pub seconds: f64,
}

impl Tally {
    pub(super) fn add(&self, operation: &'static str, code: String, took: Duration) {
        let seconds = took.as_secs_f64();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = all.entry(operation).or_default();
        *sent.codes.entry(code).or_default() += 1;
        sent.count += 1;
        sent.seconds += seconds;
        if let Some(class) = BOUNDS.iter().position(|bound| seconds <= *bound) {
            sent.classes[class] += 1;
        }
    }

    /// The counts so far, by operation.
    #[must_use]
    pub fn read(&self) -> BTreeMap<&'static str, Sent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A word for how a request ended without an answer.
pub(super) fn word(error: &Error) -> &'static str {
    match error {
        Error::Connect { .. } => "connect",
        Error::Certificate { .. } => "certificate",
        Error::Timeout { .. } => "timeout",
        Error::Cut { .. } => "cut",
        Error::TooLarge { .. } => "too_large",
        Error::Request { .. } => "request",
    }
}
