//! When a zone's name servers are left alone: they couldn't be asked, or what they answer isn't the zone.

use std::time::Duration;

use tokio::time::Instant;

use super::News;

/// Servers that can't be asked are tried again after this, doubling up to [`LONGEST`]: a blocked port
/// stays blocked for months, and an outage is over in an hour.
const FIRST: Duration = Duration::from_secs(60 * 60);
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// A change is on all of Route 53's name servers within a minute as a rule. When they and the API disagree
/// for this long, and were compared so many times, it isn't this zone that answers.
const DISPUTE: Duration = Duration::from_secs(10 * 60);
const COMPARED: u32 = 3;

/// Whether a zone's name servers are asked, and since when not.
#[derive(Default)]
pub(super) struct Rest {
    until: Option<Instant>,
    pause: Duration,
    /// A person was told.
    said: bool,
    /// Since when, and how often in a row, the API had a record as wanted and DNS had not.
    dispute: Option<(Instant, u32)>,
}

impl Rest {
    pub(super) fn is_on(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    /// They couldn't be asked.
    pub(super) fn begin(&mut self, why: &str, now: Instant) -> Option<News> {
        self.pause = (self.pause * 2).clamp(FIRST, LONGEST);
        self.until = Some(now + self.pause.mul_f64(0.9 + fastrand::f64() / 5.0));
        let first = !std::mem::replace(&mut self.said, true);
        first.then(|| News::AskingApi(why.to_owned()))
    }

    /// They could, and all that they were asked was as wanted, or not.
    pub(super) fn answered(&mut self, agreed: bool) -> Option<News> {
        if agreed {
            self.dispute = None;
        }
        // Whether it is this zone that they answer is open as long as they are contradicted.
        if self.dispute.is_some() {
            return None;
        }
        (self.until, self.pause) = (None, Duration::ZERO);
        std::mem::take(&mut self.said).then_some(News::AskingDns)
    }

    /// The API was asked about what they had said otherwise: they were right, or not.
    pub(super) fn compared(&mut self, right: bool, now: Instant) -> Option<News> {
        if right {
            self.dispute = None;
            return None;
        }
        let (since, times) = self.dispute.get_or_insert((now, 0));
        *times += 1;
        if *times < COMPARED || now.duration_since(*since) < DISPUTE {
            return None;
        }
        self.begin("they answer otherwise than the hosted zone", now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn servers_that_cannot_be_asked_are_left_alone_for_longer_each_time_and_it_is_said_once() {
        let mut rest = Rest::default();
        let mut now = Instant::now();
        assert!(!rest.is_on(now));
        assert_eq!(rest.begin("silent", now), Some(News::AskingApi("silent".to_owned())));
        assert!(rest.is_on(now + 53 * MINUTE) && !rest.is_on(now + 67 * MINUTE));
        for _ in 0..10 {
            now += 30 * 60 * MINUTE;
            assert!(!rest.is_on(now));
            assert_eq!(rest.begin("silent", now), None);
        }
        assert!(rest.is_on(now + 21 * 60 * MINUTE));
        assert_eq!(rest.answered(true), Some(News::AskingDns));
        assert_eq!(rest.answered(true), None);
        assert!(!rest.is_on(now));
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_on_its_way_is_no_reason_to_leave_them_alone_and_lasting_disagreement_is() {
        let mut rest = Rest::default();
        let now = Instant::now();
        for n in 0..30 {
            assert_eq!(rest.compared(false, now + n * Duration::from_secs(2)), None);
        }
        rest.compared(true, now + MINUTE);
        assert_eq!(rest.compared(false, now + 20 * MINUTE), None);
        assert_eq!(rest.compared(false, now + 35 * MINUTE), None);
        assert!(rest.compared(false, now + 36 * MINUTE).is_some());
        assert!(rest.is_on(now + 37 * MINUTE));
    }
}
