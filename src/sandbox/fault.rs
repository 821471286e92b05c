//! Misbehaviour on purpose: its vocabulary, for the option `--fault` and for tests, and what is still due of it.
//!
//! A fault is written `KIND[:N]`, `KIND:DURATION` or `KIND:always`; those of the API also take an
//! operation: `throttle:3`, `throttle:ChangeResourceRecordSets`, `throttle:ChangeResourceRecordSets:3`,
//! `no-address:30s`, `clock:-1y`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::time::Instant;

use super::latency::{duration, duration_text};
use super::operation::Operation;

/// A kind of misbehaviour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// API calls are answered `Throttling`.
    Throttle,
    /// Changes are answered `PriorRequestNotComplete`.
    PriorRequest,
    /// API calls are answered 503 without a body, 500 with an HTML page, 503 in XML, in turn.
    ServerError,
    /// The API's answer, to a call that was carried out, breaks off in the middle of its body.
    CutBody,
    /// A change is carried out, and the connection ends without an answer.
    LostAnswer,
    /// API calls are answered with an HTML page and status 200.
    Html,
    /// API calls are answered with status 200 and no body.
    Empty,
    /// API calls are answered with a body that has no end.
    Endless,
    /// Changes stay PENDING for this long, and DNS gives the old answer meanwhile.
    SlowInsync(Duration),
    /// The world's clock, by which signatures and credentials are judged, is off by this much.
    Clock(SignedDuration),
    /// API calls are answered `ExpiredToken`; the role has new credentials from then on.
    ExpiredToken,
    /// The metadata service gives the role's credentials as they are, however long ago they have ended, and AWS
    /// takes them.
    StaleCredentials,
    /// `public-hostname` and `public-ipv4` are absent.
    NoAddress,
    /// The metadata service doesn't answer.
    ImdsSilent,
    /// The metadata service answers 500.
    ImdsError,
    /// The metadata service refuses tokens (401).
    ImdsToken,
    /// The metadata service is disabled for the instance (403).
    ImdsOff,
    /// The metadata service knows version 1 only.
    ImdsV1,
    /// API calls are answered `AccessDenied`.
    AccessDenied,
    /// API calls that are signed by AWS3-HTTPS are refused as a scheme that isn't known.
    RejectAws3,
    /// Just before a change is carried out, someone else changes its first record set.
    Edit,
    /// The metadata service's answers have no `Date`.
    NoDate,
    /// The account has Route 53's rates: 50 calls at once, and 10 a second from then on.
    RateLimit,
    /// The DNS server doesn't answer.
    DnsSilent,
    /// The DNS server says that it doesn't speak for the zones.
    DnsRefused,
    /// Batches that take a set away and make the very same again are refused.
    RefuseSame,
    /// Refused batches are told in the older shape, a list of messages.
    OldErrors,
    /// Answers that ask for a retry name this time in `x-amz-retry-after`.
    RetryAfter(Duration),
    /// The API call of this number from now on isn't carried out, and never answered.
    Hold(u32),
    /// The API call of this number from now on is carried out, and never answered.
    HoldAnswer(u32),
}

impl Fault {
    /// How each kind is written, in the order of the variants, with an example for those that need a value.
    const KINDS: [(&'static str, Self); 30] = [
        ("throttle", Self::Throttle),
        ("prior-request", Self::PriorRequest),
        ("server-error", Self::ServerError),
        ("cut-body", Self::CutBody),
        ("lost-answer", Self::LostAnswer),
        ("html", Self::Html),
        ("empty", Self::Empty),
        ("endless", Self::Endless),
        ("slow-insync", Self::SlowInsync(Duration::ZERO)),
        ("clock", Self::Clock(SignedDuration::ZERO)),
        ("expired-token", Self::ExpiredToken),
        ("stale-credentials", Self::StaleCredentials),
        ("no-address", Self::NoAddress),
        ("imds-silent", Self::ImdsSilent),
        ("imds-error", Self::ImdsError),
        ("imds-token", Self::ImdsToken),
        ("imds-off", Self::ImdsOff),
        ("imds-v1", Self::ImdsV1),
        ("access-denied", Self::AccessDenied),
        ("reject-aws3", Self::RejectAws3),
        ("edit", Self::Edit),
        ("no-date", Self::NoDate),
        ("rate-limit", Self::RateLimit),
        ("dns-silent", Self::DnsSilent),
        ("dns-refused", Self::DnsRefused),
        ("refuse-same", Self::RefuseSame),
        ("old-errors", Self::OldErrors),
        ("retry-after", Self::RetryAfter(Duration::ZERO)),
        ("hold", Self::Hold(1)),
        ("hold-answer", Self::HoldAnswer(1)),
    ];

    fn is(self, other: Self) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }

    fn kind(self) -> &'static str {
        Self::KINDS.iter().find(|(_, fault)| fault.is(self)).map_or("", |(kind, _)| kind)
    }

    /// Whether the fault concerns calls of the API, and so can be narrowed to an operation.
    fn takes_operation(self) -> bool {
        use Fault as F;
        matches!(
            self,
            F::Throttle
                | F::ServerError
                | F::CutBody
                | F::Html
                | F::Empty
                | F::Endless
                | F::ExpiredToken
                | F::AccessDenied
                | F::RejectAws3
        )
    }

    /// The next `n` times.
    #[must_use]
    pub fn times(self, n: u32) -> Script {
        Script { extent: Extent::Times(n), ..self.into() }
    }

    /// For a while.
    #[must_use]
    pub fn lasting(self, time: Duration) -> Script {
        Script { extent: Extent::Lasting(time), ..self.into() }
    }

    /// From now on.
    #[must_use]
    pub fn always(self) -> Script {
        Script { extent: Extent::Always, ..self.into() }
    }

    /// At this operation alone.
    #[must_use]
    pub fn at(self, operation: Operation) -> Script {
        Script { only: Some(operation), ..self.into() }
    }
}

/// How long a fault goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    Times(u32),
    Lasting(Duration),
    Always,
}

/// A fault with its extent: what the option `--fault` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Script {
    pub fault: Fault,
    pub only: Option<Operation>,
    pub extent: Extent,
}

/// Once, but for the faults that are a state of things.
impl From<Fault> for Script {
    fn from(fault: Fault) -> Self {
        use Fault as F;
        let extent = match fault {
            F::SlowInsync(_)
            | F::Clock(_)
            | F::RejectAws3
            | F::NoDate
            | F::RateLimit
            | F::DnsSilent
            | F::DnsRefused
            | F::RefuseSame
            | F::OldErrors
            | F::RetryAfter(_)
            | F::AccessDenied
            | F::NoAddress
            | F::StaleCredentials
            | F::ImdsSilent
            | F::ImdsError
            | F::ImdsToken
            | F::ImdsOff
            | F::ImdsV1 => Extent::Always,
            _ => Extent::Times(1),
        };
        Self { fault, only: None, extent }
    }
}

impl Script {
    /// The same, a number of times.
    #[must_use]
    pub fn times(self, n: u32) -> Self {
        Self { extent: Extent::Times(n), ..self }
    }

    /// The same, from now on.
    #[must_use]
    pub fn always(self) -> Self {
        Self { extent: Extent::Always, ..self }
    }
}

/// A text is no fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnknownFault {
    #[error("expected a fault (one of {all}), found '{0}'", all = kinds())]
    Kind(String),
    #[error("expected {expected} behind '{kind}:', found '{found}'")]
    Argument { kind: &'static str, expected: &'static str, found: String },
}

fn kinds() -> String {
    Fault::KINDS.map(|(kind, _)| kind).join(", ")
}

impl FromStr for Script {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        let (name, arguments) = text.split_once(':').map_or((text, None), |(n, a)| (n, Some(a)));
        let (kind, fault) = Fault::KINDS
            .into_iter()
            .find(|(kind, _)| *kind == name)
            .ok_or_else(|| UnknownFault::Kind(text.to_owned()))?;
        let bad = |expected| UnknownFault::Argument {
            kind,
            expected,
            found: arguments.unwrap_or_default().to_owned(),
        };
        match fault {
            Fault::SlowInsync(_) | Fault::RetryAfter(_) => {
                let time = arguments.and_then(|a| duration(a).or_else(|| duration(&format!("{a}s"))));
                return time
                    .map(|time| match fault {
                        Fault::RetryAfter(_) => Fault::RetryAfter(time).into(),
                        _ => Fault::SlowInsync(time).into(),
                    })
                    .ok_or_else(|| bad("a number of seconds or a duration"));
            }
            Fault::Hold(_) | Fault::HoldAnswer(_) => {
                let number = arguments.unwrap_or("1").parse().ok().filter(|number| *number > 0);
                let number = number.ok_or_else(|| bad("the number of a call, 1 being the next"))?;
                return Ok(match fault {
                    Fault::Hold(_) => Fault::Hold(number).into(),
                    _ => Fault::HoldAnswer(number).into(),
                });
            }
            Fault::Clock(_) => {
                let offset = arguments.and_then(|a| {
                    let (sign, time) = match a.split_at_checked(1)? {
                        ("+", time) => (1, time),
                        ("-", time) => (-1, time),
                        _ => (1, a),
                    };
                    SignedDuration::try_from(duration(time)?).ok()?.checked_mul(sign)
                });
                return offset
                    .map(|offset| Fault::Clock(offset).into())
                    .ok_or_else(|| bad("a duration like +1y or -20m"));
            }
            _ => {}
        }
        let mut script = Self::from(fault);
        let mut extent = None;
        for argument in arguments.into_iter().flat_map(|a| a.split(':')) {
            if let Ok(n) = argument.parse() {
                extent = Some(Extent::Times(n));
            } else if let Some(time) = duration(argument) {
                extent = Some(Extent::Lasting(time));
            } else if argument == "always" {
                extent = Some(Extent::Always);
            } else if fault.takes_operation() {
                script.only = Some(argument.parse().map_err(|_| {
                    bad("a number, a duration, 'always' or an operation of the Route 53 API")
                })?);
                script.extent = Extent::Always;
            } else {
                return Err(bad("a number, a duration or 'always'"));
            }
        }
        Ok(Self { extent: extent.unwrap_or(script.extent), ..script })
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.fault.kind())?;
        match self.fault {
            Fault::SlowInsync(time) | Fault::RetryAfter(time) => {
                return write!(f, ":{}", duration_text(time));
            }
            Fault::Hold(number) | Fault::HoldAnswer(number) => return write!(f, ":{number}"),
            Fault::Clock(offset) => {
                let sign = if offset.is_negative() { '-' } else { '+' };
                return write!(f, ":{sign}{}", duration_text(offset.unsigned_abs()));
            }
            _ => {}
        }
        if let Some(operation) = self.only {
            write!(f, ":{operation}")?;
        }
        match self.extent {
            Extent::Times(n) => write!(f, ":{n}"),
            Extent::Lasting(time) => write!(f, ":{}", duration_text(time)),
            Extent::Always => f.write_str(":always"),
        }
    }
}

/// The faults that are still due.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Due>);

#[derive(Debug)]
struct Due {
    fault: Fault,
    only: Option<Operation>,
    left: Left,
}

#[derive(Debug)]
enum Left {
    Times(u32),
    Until(Instant),
    Always,
}

impl Faults {
    pub(super) fn add(&mut self, script: Script, now: Instant) {
        let left = match script.extent {
            Extent::Times(n) => Left::Times(n),
            Extent::Lasting(time) => Left::Until(now + time),
            Extent::Always => Left::Always,
        };
        self.0.push(Due { fault: script.fault, only: script.only, left });
    }

    /// Whether the fault is due now, at this operation; it counts as having happened.
    pub(super) fn strikes(&mut self, fault: Fault, at: Option<Operation>, now: Instant) -> bool {
        self.0.retain(|due| match due.left {
            Left::Times(n) => n > 0,
            Left::Until(end) => now < end,
            Left::Always => true,
        });
        let due = self.0.iter_mut().find(|d| d.fault.is(fault) && (d.only.is_none() || d.only == at));
        if let Some(due) = due {
            if let Left::Times(n) = &mut due.left {
                *n -= 1;
            }
            true
        } else {
            false
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_read_back_as_they_were_written() {
        for (text, full) in [
            ("throttle", "throttle:1"),
            ("throttle:3", "throttle:3"),
            ("access-denied:ListHostedZones", "access-denied:ListHostedZones:always"),
            ("throttle:ChangeResourceRecordSets:2", "throttle:ChangeResourceRecordSets:2"),
            ("no-address:30s", "no-address:30s"),
            ("reject-aws3", "reject-aws3:always"),
            ("slow-insync:5", "slow-insync:5s"),
            ("slow-insync:1500ms", "slow-insync:1500ms"),
            ("retry-after:1500ms", "retry-after:1500ms"),
            ("hold", "hold:1"),
            ("hold-answer:3", "hold-answer:3"),
            ("clock:+1y", "clock:+1y"),
            ("clock:-365d", "clock:-1y"),
            ("clock:20m", "clock:+20m"),
        ] {
            let script: Script = text.parse().unwrap();
            assert_eq!(script.to_string(), full);
            assert_eq!(full.parse(), Ok(script));
        }
        for (kind, fault) in Fault::KINDS {
            assert_eq!(fault.kind(), kind);
        }
    }

    #[test]
    fn what_is_no_fault_is_answered_with_what_would_be() {
        insta::assert_snapshot!("thottle:1".parse::<Script>().unwrap_err(), @"expected a fault (one of throttle, prior-request, server-error, cut-body, lost-answer, html, empty, endless, slow-insync, clock, expired-token, stale-credentials, no-address, imds-silent, imds-error, imds-token, imds-off, imds-v1, access-denied, reject-aws3, edit, no-date, rate-limit, dns-silent, dns-refused, refuse-same, old-errors, retry-after, hold, hold-answer), found 'thottle:1'");
        insta::assert_snapshot!("edit:ListHostedZones".parse::<Script>().unwrap_err(), @"expected a number, a duration or 'always' behind 'edit:', found 'ListHostedZones'");
        insta::assert_snapshot!("throttle:Nothing".parse::<Script>().unwrap_err(), @"expected a number, a duration, 'always' or an operation of the Route 53 API behind 'throttle:', found 'Nothing'");
        insta::assert_snapshot!("clock".parse::<Script>().unwrap_err(), @"expected a duration like +1y or -20m behind 'clock:', found ''");
        assert!("slow-insync:é".parse::<Script>().is_err());
        assert!("clock:é1y".parse::<Script>().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_fault_strikes_as_often_as_it_was_asked_to() {
        let mut faults = Faults::default();
        let now = Instant::now();
        faults.add(Fault::Throttle.times(2), now);
        faults.add(Fault::AccessDenied.at(Operation::GetChange).always(), now);
        faults.add(Fault::NoAddress.lasting(Duration::from_secs(30)), now);
        let list = Some(Operation::ListHostedZones);
        assert!(faults.strikes(Fault::Throttle, list, now));
        assert!(faults.strikes(Fault::Throttle, list, now));
        assert!(!faults.strikes(Fault::Throttle, list, now));
        assert!(!faults.strikes(Fault::AccessDenied, list, now));
        assert!(faults.strikes(Fault::AccessDenied, Some(Operation::GetChange), now));
        assert!(faults.strikes(Fault::NoAddress, None, now + Duration::from_secs(29)));
        assert!(!faults.strikes(Fault::NoAddress, None, now + Duration::from_secs(30)));
    }
}
