//! How long the sandbox takes to answer, and how durations are written in its options.

use std::str::FromStr;
use std::time::Duration;

/// Time added before each answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Latency {
    pub imds: Duration,
    pub aws: Duration,
}

/// A text is no latency.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a latency like imds=1ms,aws=40ms, found '{0}'")]
pub struct LatencyError(String);

impl FromStr for Latency {
    type Err = LatencyError;

    fn from_str(text: &str) -> Result<Self, LatencyError> {
        let bad = || LatencyError(text.to_owned());
        let mut latency = Self::default();
        for part in text.split(',') {
            let (service, time) = part.split_once('=').ok_or_else(bad)?;
            let time = duration(time.trim()).ok_or_else(bad)?;
            match service.trim() {
                "imds" => latency.imds = time,
                "aws" => latency.aws = time,
                _ => return Err(bad()),
            }
        }
        Ok(latency)
    }
}

/// Longest duration that an option takes: beyond the range of times there is nothing to try.
const LONGEST: u64 = 1_000 * 365 * 86_400;

/// `500ms`, `5s`, `2m`, `1h`, `30d`, `1y` (365 days).
pub(super) fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let number: u64 = text[..digits].parse().ok()?;
    let seconds = match &text[digits..] {
        "ms" => return Some(Duration::from_millis(number)).filter(|d| d.as_secs() <= LONGEST),
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "y" => 365 * 86_400,
        _ => return None,
    };
    number.checked_mul(seconds).filter(|s| *s <= LONGEST).map(Duration::from_secs)
}

/// The shortest way to write a duration that [`duration`] reads.
pub(super) fn duration_text(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if duration.subsec_nanos() != 0 {
        return format!("{}ms", duration.as_millis());
    }
    for (unit, size) in [("y", 365 * 86_400), ("d", 86_400), ("h", 3_600), ("m", 60)] {
        if seconds != 0 && seconds.is_multiple_of(size) {
            return format!("{}{unit}", seconds / size);
        }
    }
    format!("{seconds}s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_names_one_service_or_both() {
        let both = Latency { imds: Duration::from_millis(1), aws: Duration::from_millis(40) };
        assert_eq!("imds=1ms,aws=40ms".parse(), Ok(both));
        assert_eq!("aws=2s".parse(), Ok(Latency { imds: Duration::ZERO, aws: Duration::from_secs(2) }));
        for bad in ["", "40ms", "dns=1ms", "aws=", "aws=1", "aws=-1s", "aws=1s,", "aws=é"] {
            assert!(bad.parse::<Latency>().is_err(), "{bad}");
        }
    }

    #[test]
    fn durations_read_back_as_they_were_written() {
        for text in ["1ms", "1500ms", "0s", "90s", "2m", "1h", "5d", "1y"] {
            assert_eq!(duration_text(duration(text).unwrap()), text);
        }
        assert_eq!(duration("99999999999y"), None);
        assert_eq!(duration("18446744073709551615s"), None);
    }
}
