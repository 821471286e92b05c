//! Time: the one place that asks the machine for it, and the HTTP date format.
//!
//! Nothing that is signed trusts the machine's clock: that is what [`ServerClock`] is for.

use std::time::{Duration, SystemTime};

mod server;

pub use jiff::Timestamp;
pub use server::{Authority, ServerClock};

/// Something that tells the time of day.
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;
}

/// The machine's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A clock that starts at a chosen time and runs with tokio's, so that a test's paused time
/// moves it, and a clock that is wrong can be had on purpose.
#[derive(Debug, Clone, Copy)]
pub struct SteadyClock {
    base: Timestamp,
    start: tokio::time::Instant,
}

impl SteadyClock {
    /// A clock that shows `base` now.
    #[must_use]
    pub fn starting_at(base: Timestamp) -> Self {
        Self { base, start: tokio::time::Instant::now() }
    }
}

impl Clock for SteadyClock {
    fn now(&self) -> Timestamp {
        self.base.saturating_add(self.start.elapsed()).unwrap_or(Timestamp::MAX)
    }
}

/// A text is no date as HTTP writes them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an HTTP date like 'Sun, 30 Aug 2015 12:36:00 GMT', found '{0}'")]
pub struct HttpDateError(String);

/// Reads the value of a `Date` header.
///
/// # Errors
/// When it is in none of the three forms of RFC 9110 section 5.6.7.
pub fn parse_http_date(text: &str) -> Result<Timestamp, HttpDateError> {
    let bad = || HttpDateError(text.to_owned());
    let time = httpdate::parse_http_date(text.trim()).map_err(|_| bad())?;
    Timestamp::try_from(time).map_err(|_| bad())
}

/// Writes a time as HTTP does (IMF-fixdate), to the second below.
#[must_use]
pub fn http_date(time: Timestamp) -> String {
    // The format has no years before 1970 or after 9999.
    let seconds = u64::try_from(time.as_second()).unwrap_or(0);
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_dates_are_read_and_written() {
        let time = parse_http_date("Sun, 30 Aug 2015 12:36:00 GMT").unwrap();
        assert_eq!(time.to_string(), "2015-08-30T12:36:00Z");
        assert_eq!(http_date(time), "Sun, 30 Aug 2015 12:36:00 GMT");
        assert!(parse_http_date("yesterday").is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_steady_clock_runs_with_paused_time() {
        let clock = SteadyClock::starting_at("2015-08-30T12:36:00Z".parse().unwrap());
        tokio::time::advance(Duration::from_secs(90)).await;
        assert_eq!(clock.now().to_string(), "2015-08-30T12:37:30Z");
    }
}
