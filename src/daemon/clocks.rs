//! When a record is due again: each class of trouble passes in its own time.
//!
//! | what came of it | looked at again |
//! |---|---|
//! | as wanted, changed | after `interval`, or up to a tenth of it sooner |
//! | refused by a guard or by Route 53 | after `interval` |
//! | the account is throttled | after a random part of a time that grows from a second to four minutes |
//! | another change to the zone isn't finished | after a second or two, up to ten |
//! | network, 5xx, unconfirmed, no credentials yet | after 2 s, doubling up to two minutes |
//! | a permission or the zone is missing | with at most three requests in the first seconds; then after 15 to 60 minutes |
//!
//! Where the service says when it wants to be asked again, it isn't asked before.

use std::time::Duration;

use super::Settings;
use crate::report::{Class, Entry, Trouble};

/// An account's rate is shared by all its machines. One that is throttled knows nothing of the others but
/// that there are too many of them, and each refusal says so again. A random part of a time that grows spreads
/// any number of them. The time is always about a third of what the machine has waited so far, so
/// that the last of many sleep only little longer than the rate is spent; `tests/it/fleet.rs` measures it.
const THROTTLED: Growth =
    Growth { first: Duration::from_secs(1), longest: Duration::from_secs(240), least: 0.0, doublings: 5 };
/// A change takes a moment, and those waiting for it are the few that share the zone.
const BUSY: Growth =
    Growth { first: Duration::from_secs(1), longest: Duration::from_secs(10), least: 0.25, doublings: 16 };
/// What may pass by itself.
const PASSING: Growth =
    Growth { first: Duration::from_secs(2), longest: Duration::from_secs(120), least: 0.5, doublings: 16 };
/// What only a person can mend is tried again after some time between these.
const MEND: Duration = Duration::from_secs(15 * 60);
const LONGEST_MEND: Duration = Duration::from_secs(60 * 60);
/// A permission may be seconds old and not everywhere yet: up to so many requests are spent on it
/// in the first seconds.
const EARLY_REQUESTS: u64 = 3;
const EARLY_RETRY: Duration = Duration::from_secs(12);

/// How a pause grows once it doubles no longer.
const SLOWLY: f64 = 1.2;

/// A pause that grows, of which a random part is waited.
struct Growth {
    first: Duration,
    longest: Duration,
    /// The smallest part.
    least: f64,
    /// After so many doublings it grows more slowly.
    doublings: u32,
}

impl Growth {
    fn pause(&self, times: u32) -> Duration {
        let doubled = self.first.saturating_mul(1 << times.min(self.doublings));
        let grown =
            doubled.as_secs_f64() * SLOWLY.powi(times.saturating_sub(self.doublings).min(100).cast_signed());
        let bound = grown.min(self.longest.as_secs_f64());
        Duration::from_secs_f64(bound * (self.least + (1.0 - self.least) * fastrand::f64()))
    }
}

/// What a round asked of Route 53. Rounds side by side count each other's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Cost {
    pub requests: u64,
    pub denied: u64,
}

/// A record's trouble so far.
#[derive(Debug, Default)]
pub(super) struct Clocks {
    /// What passes by itself, in a row.
    failures: u32,
    throttled: u32,
    busy: u32,
    /// Requests spent since a permission, or the zone, was first missing.
    spent: u64,
    /// It is a person's turn.
    waits_for_person: bool,
}

impl Clocks {
    /// How long the record is left alone after a round that ended with `entry`.
    pub(super) fn pause(&mut self, entry: &Entry, settings: Settings, cost: Cost) -> Duration {
        self.waits_for_person = false;
        match (entry.class, entry.trouble) {
            (Class::Fine, _) => {
                *self = Self::default();
                settings.interval.mul_f64(0.9 + fastrand::f64() / 10.0)
            }
            (Class::Refused, _) => {
                *self = Self::default();
                settings.interval
            }
            (Class::NotPermitted | Class::Misconfigured, _) => {
                self.spent += cost.requests;
                // Without credentials nothing was asked of Route 53 either; a role may come any moment.
                if cost.requests == 0 { next(&PASSING, &mut self.failures) } else { self.mend(cost) }
            }
            (_, Some(Trouble::Throttled)) => next(&THROTTLED, &mut self.throttled),
            (_, Some(Trouble::Busy)) => next(&BUSY, &mut self.busy),
            (Class::TryAgain | Class::Other, None) => next(&PASSING, &mut self.failures),
        }
    }

    /// Whether nothing but a person, or other credentials, can help.
    pub(super) fn waits_for_person(&self) -> bool {
        self.waits_for_person
    }

    fn mend(&mut self, cost: Cost) -> Duration {
        // What was found on the way to a refusal isn't asked for again.
        let again = if cost.denied > 0 { cost.denied } else { cost.requests };
        if self.spent + again <= EARLY_REQUESTS {
            return EARLY_RETRY;
        }
        self.waits_for_person = true;
        MEND + LONGEST_MEND.saturating_sub(MEND).mul_f64(fastrand::f64())
    }
}

fn next(growth: &Growth, times: &mut u32) -> Duration {
    let pause = growth.pause(*times);
    *times = times.saturating_add(1);
    pause
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::RecordType;
    use crate::report::Outcome;

    const RHYTHM: Settings = Settings { watch: Duration::from_secs(5), interval: Duration::from_secs(300) };
    const ONE: Cost = Cost { requests: 1, denied: 0 };

    fn entry(class: Class, trouble: Option<Trouble>) -> Entry {
        Entry {
            name: "vpn.example.com".to_owned(),
            rtype: RecordType::Cname,
            outcome: Outcome::Failed,
            before: None,
            after: None,
            reason: None,
            hint: None,
            class,
            trouble,
            change_id: None,
            request_id: None,
            topic: None,
        }
    }

    /// The longest of many pauses after so many times of the same trouble.
    fn longest(class: Class, trouble: Option<Trouble>, cost: Cost, times: u32) -> (Duration, Duration) {
        let pauses: Vec<Duration> = (0..300)
            .map(|_| {
                let mut clocks = Clocks::default();
                (0..=times).map(|_| clocks.pause(&entry(class, trouble), RHYTHM, cost)).last().unwrap()
            })
            .collect();
        (*pauses.iter().min().unwrap(), *pauses.iter().max().unwrap())
    }

    fn within((least, most): (Duration, Duration), from: f64, to: f64) {
        assert!(least.as_secs_f64() >= from && most.as_secs_f64() <= to, "{least:?} to {most:?}");
        assert!(most.as_secs_f64() > from + (to - from) / 2.0, "it is spread: {least:?} to {most:?}");
    }

    #[test]
    fn each_class_has_its_own_clock() {
        within(longest(Class::Fine, None, ONE, 0), 270.0, 300.0);
        assert_eq!(longest(Class::Refused, None, ONE, 3), (RHYTHM.interval, RHYTHM.interval));
        within(longest(Class::TryAgain, Some(Trouble::Throttled), ONE, 0), 0.0, 1.0);
        within(longest(Class::TryAgain, Some(Trouble::Throttled), ONE, 5), 0.0, 32.0);
        within(longest(Class::TryAgain, Some(Trouble::Throttled), ONE, 40), 0.0, 240.0);
        within(longest(Class::TryAgain, Some(Trouble::Busy), ONE, 0), 0.25, 1.0);
        within(longest(Class::TryAgain, Some(Trouble::Busy), ONE, 40), 2.5, 10.0);
        within(longest(Class::TryAgain, None, ONE, 0), 1.0, 2.0);
        within(longest(Class::TryAgain, None, ONE, 40), 60.0, 120.0);
        within(longest(Class::NotPermitted, None, Cost::default(), 40), 60.0, 120.0);
        within(longest(Class::NotPermitted, None, Cost { requests: 3, denied: 1 }, 0), 900.0, 3600.0);
        within(longest(Class::Misconfigured, None, ONE, 3), 900.0, 3600.0);
    }

    #[test]
    fn what_may_be_seconds_late_is_tried_three_times_and_then_it_is_a_persons_turn() {
        let mut clocks = Clocks::default();
        let denied = entry(Class::NotPermitted, None);
        let spent = Cost { requests: 1, denied: 1 };
        assert_eq!(clocks.pause(&denied, RHYTHM, spent), EARLY_RETRY);
        assert_eq!(clocks.pause(&denied, RHYTHM, spent), EARLY_RETRY);
        assert!(!clocks.waits_for_person());
        assert!(clocks.pause(&denied, RHYTHM, spent) >= MEND);
        assert!(clocks.waits_for_person());
        clocks.pause(&entry(Class::Fine, None), RHYTHM, ONE);
        assert!(!clocks.waits_for_person());
        assert_eq!(clocks.pause(&denied, RHYTHM, spent), EARLY_RETRY, "and anew after it was well");
    }
}
