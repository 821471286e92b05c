//! What was decided and done, and the views of it: lines, JSON, log, and how grave it is.

mod json;
mod log;
mod text;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::aws::credentials;
use crate::aws::locator::LocateError;
use crate::aws::route53::{self, Kind};
use crate::causes::with_causes;
use crate::dns::{RecordSet, RecordType, Target, Ttl};
use crate::transport;

pub use json::json;
pub use log::{
    log_asking_api, log_asking_dns, log_decision, log_fresh_credentials, log_in_sync, log_not_in_sync,
    log_not_kept, log_not_notified, log_not_saved, log_not_withdrawn, log_notice, log_notification_dropped,
    log_renamed, log_stale_credentials,
};
pub use text::line;

/// What came of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Changed,
    /// Would be changed, had it not been asked to only say so.
    WouldChange,
    Unchanged,
    /// Not touched: what it should be isn't known.
    Left,
    /// Not touched: a guard of ours, or Route 53, stands against it.
    Refused,
    /// Not touched: it could not be done.
    Failed,
    /// Perhaps changed, or changed and not seen on all name servers in time.
    Unconfirmed,
}

impl Outcome {
    /// The word in the JSON report.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::WouldChange => "would_change",
            Self::Unchanged => "unchanged",
            Self::Left => "left",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Unconfirmed => "unconfirmed",
        }
    }
}

/// How a round ended for its caller, from best to gravest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    Fine,
    /// Nothing that has a name of its own.
    Other,
    /// Another time it may well work.
    TryAgain,
    /// Refused by a guard or by Route 53.
    Refused,
    /// No credentials, or they may not.
    NotPermitted,
    /// The configuration is wrong.
    Misconfigured,
}

/// Trouble that passes in a time of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The account's rate is spent.
    Throttled,
    /// Another change to the zone isn't finished.
    Busy,
}

/// TTL and values of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Values {
    pub ttl: Ttl,
    pub values: Vec<String>,
}

impl Values {
    /// Those of a set that has some.
    #[must_use]
    pub fn of(set: &RecordSet) -> Option<Self> {
        let Target::Values { ttl, values } = &set.target else { return None };
        Some(Self { ttl: *ttl, values: values.iter().map(|value| without_dot(set.rtype, value)).collect() })
    }
}

/// Host names are shown without their final dot.
fn without_dot(rtype: RecordType, value: &str) -> String {
    match rtype {
        RecordType::Cname => value.strip_suffix('.').unwrap_or(value).to_owned(),
        _ => value.to_owned(),
    }
}

/// One record in a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// As it is known, or else as it is configured.
    pub name: String,
    #[serde(rename = "type")]
    pub rtype: RecordType,
    pub outcome: Outcome,
    /// What was there, where it is known.
    pub before: Option<Values>,
    /// What is there now, where it is known.
    pub after: Option<Values>,
    pub reason: Option<String>,
    /// What a person can do about it.
    pub hint: Option<String>,
    pub class: Class,
    /// What kind of trouble it is, where that passes in a time of its own.
    #[serde(skip)]
    pub trouble: Option<Trouble>,
    pub change_id: Option<String>,
    /// The request that Route 53 refused, for its support.
    pub request_id: Option<String>,
    /// What the reason is about, without what differs from time to time; `None` where that is the
    /// reason itself.
    #[serde(skip)]
    pub topic: Option<String>,
}

impl Entry {
    /// Whether this says to a person what `other` has said already.
    #[must_use]
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        // That what was changed is still as it was changed is no news.
        let settled = |entry: &Self| match entry.outcome {
            Outcome::Changed => Outcome::Unchanged,
            outcome => outcome,
        };
        let about = |entry: &Self| entry.topic.clone().or_else(|| entry.reason.clone());
        settled(self) == settled(other) && self.after == other.after && about(self) == about(other)
    }
}

/// One pass over some records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Round {
    pub entries: Vec<Entry>,
    /// HTTP requests so far, to every service.
    pub requests: u64,
    /// Changes that were followed until all name servers had them, and how long that took.
    pub in_sync: Vec<(String, Duration)>,
}

impl Round {
    /// The changes that were sent, each once.
    #[must_use]
    pub fn change_ids(&self) -> Vec<&str> {
        let mut ids: Vec<&str> = Vec::new();
        for id in self.entries.iter().filter_map(|entry| entry.change_id.as_deref()) {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        ids
    }

    /// How grave the gravest entry is.
    #[must_use]
    pub fn class(&self) -> Class {
        self.entries.iter().map(|entry| entry.class).max().unwrap_or(Class::Fine)
    }
}

/// Why something was not done, as it goes into an entry.
#[derive(Debug, Clone)]
pub struct Failure {
    pub outcome: Outcome,
    pub class: Class,
    pub reason: String,
    pub hint: Option<String>,
    /// What it is about, without what differs from time to time.
    pub topic: Option<String>,
    pub trouble: Option<Trouble>,
    pub request_id: Option<String>,
    /// The hosted zone that was asked for is not there.
    pub zone_is_gone: bool,
    /// Perhaps the zone is another account's.
    pub is_denied: bool,
}

impl Failure {
    /// Says what an error of the Route 53 client means.
    #[must_use]
    pub fn of(error: &route53::Error) -> Self {
        let class = class_of(error);
        let outcome = match error {
            route53::Error::Lost(_) => Outcome::Unconfirmed,
            route53::Error::Stopped | route53::Error::Network { .. } => Outcome::Left,
            _ if class == Class::Refused => Outcome::Refused,
            _ => Outcome::Failed,
        };
        let (reason, hint) = (with_causes(error), hint_for(error));
        let route53::Error::Service(refusal) = error else {
            return Self { hint, ..Self::because(outcome, class, reason) };
        };
        Self {
            hint,
            trouble: match refusal.kind() {
                Kind::Throttled => Some(Trouble::Throttled),
                Kind::Busy => Some(Trouble::Busy),
                _ => None,
            },
            topic: Some(format!("{} {}", refusal.status, refusal.code)),
            request_id: refusal.request_id.clone(),
            zone_is_gone: refusal.kind() == Kind::NoSuchZone,
            is_denied: refusal.kind() == Kind::Denied,
            ..Self::because(outcome, class, reason)
        }
    }

    /// A failure in words of our own.
    #[must_use]
    pub fn because(outcome: Outcome, class: Class, reason: String) -> Self {
        Self {
            outcome,
            class,
            reason,
            hint: None,
            topic: None,
            trouble: None,
            request_id: None,
            zone_is_gone: false,
            is_denied: false,
        }
    }
}

fn class_of(error: &route53::Error) -> Class {
    use route53::Error as E;
    match error {
        E::Credentials(
            credentials::Error::NotFound(_)
            | credentials::Error::Role { .. }
            | credentials::Error::Refused { .. },
        ) => Class::NotPermitted,
        E::Credentials(credentials::Error::Metadata(_) | credentials::Error::Unanswered { .. })
        | E::Locate(LocateError::Region(_))
        | E::Transport(_)
        | E::Unreadable(_)
        | E::Lost(_)
        | E::Network { .. }
        | E::Stopped => Class::TryAgain,
        E::Credentials(credentials::Error::Broken { .. })
        | E::Locate(LocateError::Endpoint(_))
        | E::Exposed(_)
        | E::NoZone { .. }
        | E::SeveralZones { .. } => Class::Misconfigured,
        E::Sign(_) => Class::Other,
        E::StrangeType(_) => Class::Refused,
        E::Service(refusal) => match refusal.kind() {
            Kind::Throttled | Kind::Busy | Kind::Unavailable | Kind::Unreadable | Kind::ClockSkew => {
                Class::TryAgain
            }
            Kind::CredentialsRefused | Kind::SignatureRefused | Kind::Denied => Class::NotPermitted,
            Kind::NoSuchZone => Class::Misconfigured,
            Kind::InvalidBatch | Kind::Invalid => Class::Refused,
            Kind::Unknown if matches!(refusal.status, 401 | 403) => Class::NotPermitted,
            Kind::Unknown => Class::Other,
        },
    }
}

/// What a person can do about an error of the Route 53 client.
#[must_use]
pub fn hint_for(error: &route53::Error) -> Option<String> {
    use route53::Error as E;
    let hint = match error {
        E::Credentials(credentials::Error::Metadata(error)) => return error.hint().map(str::to_owned),
        E::Credentials(credentials::Error::NotFound(_)) => {
            "give the instance a role with the policy of deploy/iam/policy.json, or set AWS_PROFILE, or \
             AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        }
        E::Transport(transport::Error::Certificate { out_of_time: true, .. }) => {
            "certificates are judged by this machine's clock, and it seems to be wrong: set it (chronyc makestep, \
             or timedatectl set-ntp true)"
        }
        E::Transport(transport::Error::Certificate { .. }) => {
            "AWS_CA_BUNDLE names the file of a certificate authority of your own, which has to have issued the server's \
             certificate"
        }
        E::NoZone { private: Some(_), .. } => "private = true on the record takes a private zone",
        E::NoZone { .. } => "check the name, and that these credentials are of the account that has the zone",
        E::SeveralZones { .. } | E::Network { .. } => {
            "choose one of them: --zone ID, or zone = \"ID\" on the record"
        }
        E::Exposed(_) => "use https, or signing = \"sigv4\"",
        E::Service(refusal) => match refusal.kind() {
            Kind::Denied => "the policy of deploy/iam/policy.json permits what pin53 does",
            Kind::NoSuchZone => {
                "check the zone's id, and that these credentials are of the account that has it"
            }
            Kind::CredentialsRefused | Kind::SignatureRefused => {
                "check the access key: it is unknown, ended, or doesn't go with its secret"
            }
            _ => return None,
        },
        _ => return None,
    };
    Some(hint.to_owned())
}
