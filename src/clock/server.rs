//! Amazon's time, learnt from the `Date` of its answers.

use std::sync::{Mutex, PoisonError};

use http::HeaderMap;
use http::header::DATE;
use tokio::time::Instant;

use super::{Timestamp, parse_http_date};

/// Whose `Date` it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Authority {
    /// The instance's metadata service.
    Metadata,
    /// The service that judges the signature: what it says about time outweighs the rest.
    Service,
}

/// A clock that shows Amazon's time once an answer has told it.
///
/// It runs on from there by the machine's steady clock, so that neither a wrong time of day nor
/// a correction of it while pin53 runs makes a difference.
#[derive(Debug, Default)]
pub struct ServerClock {
    anchor: Mutex<Option<Anchor>>,
}

#[derive(Debug, Clone, Copy)]
struct Anchor {
    time: Timestamp,
    at: Instant,
    by: Authority,
}

impl ServerClock {
    /// Takes the time from an answer that has just arrived. Without a readable `Date`, nothing changes.
    pub fn observe(&self, headers: &HeaderMap, by: Authority) {
        let date = headers.get(DATE).and_then(|value| value.to_str().ok());
        let Some(time) = date.and_then(|text| parse_http_date(text).ok()) else { return };
        let mut anchor = self.anchor.lock().unwrap_or_else(PoisonError::into_inner);
        if anchor.is_none_or(|known| known.by <= by) {
            *anchor = Some(Anchor { time, at: Instant::now(), by });
        }
    }

    /// Takes over what another one was told.
    pub fn take_over(&self, before: &Self) {
        let known = *before.anchor.lock().unwrap_or_else(PoisonError::into_inner);
        *self.anchor.lock().unwrap_or_else(PoisonError::into_inner) = known;
    }

    /// Amazon's time, to the second; `None` until an answer has told it.
    #[must_use]
    pub fn now(&self) -> Option<Timestamp> {
        let anchor = *self.anchor.lock().unwrap_or_else(PoisonError::into_inner);
        anchor.and_then(|known| known.time.checked_add(known.at.elapsed()).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn dated(date: &str) -> HeaderMap {
        HeaderMap::from_iter([(DATE, date.parse().unwrap())])
    }

    #[tokio::test(start_paused = true)]
    async fn it_runs_on_from_the_last_answer() {
        let clock = ServerClock::default();
        assert_eq!(clock.now(), None);
        clock.observe(&dated("Sun, 30 Aug 2015 12:36:00 GMT"), Authority::Metadata);
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(clock.now().unwrap().to_string(), "2015-08-30T12:36:05Z");
    }

    #[test]
    fn the_service_outweighs_the_metadata_and_nonsense_changes_nothing() {
        let clock = ServerClock::default();
        clock.observe(&dated("Sun, 30 Aug 2015 12:36:00 GMT"), Authority::Service);
        clock.observe(&dated("Sun, 30 Aug 2020 12:36:00 GMT"), Authority::Metadata);
        clock.observe(&dated("today"), Authority::Service);
        clock.observe(&HeaderMap::new(), Authority::Service);
        assert_eq!(clock.now().unwrap().strftime("%Y").to_string(), "2015");
    }
}
