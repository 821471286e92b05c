//! The rates of an account: token buckets, one for all calls and one for each operation.
//!
//! A call takes a token of both, or is refused and takes none.
//!
//! Spec: <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html#limits-api-requests>

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::operation::Operation;

/// Tokens that a bucket holds, and how many a second come back (the figures of 2026).
const BURST: f64 = 50.0;
const REFILL: f64 = 10.0;

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Bucket {
    fn full(now: Instant) -> Self {
        Self { tokens: BURST, at: now }
    }

    /// What is in it at `now`.
    fn level(&self, now: Instant) -> f64 {
        (self.tokens + now.duration_since(self.at).as_secs_f64() * REFILL).min(BURST)
    }
}

/// An account's buckets, and what came of the calls so far.
#[derive(Debug)]
pub(super) struct Limits {
    account: Bucket,
    operations: BTreeMap<Operation, Bucket>,
    calls: Calls,
}

/// What came of the calls of an account whose rate is limited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Calls {
    pub taken: u64,
    /// Answered `Throttling`.
    pub throttled: u64,
}

impl Limits {
    pub(super) fn new(now: Instant) -> Self {
        Self { account: Bucket::full(now), operations: BTreeMap::new(), calls: Calls::default() }
    }

    /// Whether a call fits into the rates; it counts as made.
    pub(super) fn take(&mut self, operation: Operation, now: Instant) -> bool {
        let own = self.operations.entry(operation).or_insert_with(|| Bucket::full(now));
        let (account, operation) = (self.account.level(now), own.level(now));
        // What is a token but for the last bit is one.
        let fits = account.min(operation) > 1.0 - 1e-9;
        if fits {
            self.account = Bucket { tokens: account - 1.0, at: now };
            *own = Bucket { tokens: operation - 1.0, at: now };
            self.calls.taken += 1;
        } else {
            self.calls.throttled += 1;
        }
        fits
    }

    pub(super) fn calls(&self) -> Calls {
        self.calls
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_taken_at_once_and_then_ten_a_second() {
        let start = Instant::now();
        let mut limits = Limits::new(start);
        let list = Operation::ListResourceRecordSets;
        assert_eq!((0..60).filter(|_| limits.take(list, start)).count(), 50);
        assert!(!limits.take(Operation::GetChange, start), "the account's bucket is every operation's");
        let later = start + Duration::from_secs(2);
        assert_eq!((0..60).filter(|_| limits.take(list, later)).count(), 20);
        assert_eq!(limits.calls(), Calls { taken: 70, throttled: 51 });
        assert_eq!((0..90).filter(|_| limits.take(list, later + Duration::from_secs(600))).count(), 50);
    }
}
