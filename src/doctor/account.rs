//! The account: credentials, whose they are, and the clock by which they are judged.

use jiff::SignedDuration;

use crate::aws::credentials::{self, Origin};
use crate::aws::endpoint::{DEFAULT_REGION, Endpoint};
use crate::aws::route53::{self, Kind};
use crate::aws::shared::Service;
use crate::aws::sts::{self, Sts};
use crate::causes::with_causes;
use crate::report::{Class, Failure};
use crate::secret::Credentials;

use super::{CREDENTIALS, Check, Examiner};

const IDENTITY: &str = "identity";
/// Signatures are by Amazon's time; certificates, logs and timers are by the machine's.
const MOST_OFF: SignedDuration = SignedDuration::from_secs(60);
/// Dates of answers are in whole seconds, and take some time on their way.
const NOT_WORTH_SAYING: SignedDuration = SignedDuration::from_secs(2);

/// What STS said, or why it wasn't asked.
pub(super) enum Identity {
    Arn(String),
    Refused(sts::Error),
    /// No answer in time.
    Silent,
    NotAsked(String),
}

impl Examiner {
    pub(super) fn credentials_check(
        &self,
        answer: Option<&Result<Credentials, credentials::Error>>,
        metadata_fails: bool,
    ) -> Check {
        const ID: &str = "credentials";
        let error = match answer {
            Some(Ok(_)) => {
                let Some(ended) = self.credentials.stale_since() else { return Check::ok(ID, self.whence()) };
                return Check::warn(
                    ID,
                    self.whence(),
                    format!(
                        "they end at {ended}, and who gives them has no new ones: they are used on meanwhile"
                    ),
                    "see that the role is still there and trusts the service that it is for, and AWS's health dashboard \
                     for the region",
                );
            }
            Some(Err(credentials::Error::Metadata(_))) if metadata_fails => {
                return Check::skip(ID, "nobody else has some, and the metadata service can't be asked");
            }
            Some(Err(error)) => error,
            None => {
                let why = format!("none within {} s", CREDENTIALS.as_secs());
                let mend = "see who is asked for them: a profile's credential_process, SSO, STS or a container's \
                            endpoint";
                return Check::fail(ID, Class::TryAgain, "none in time", why, mend);
            }
        };
        let failure = Failure::of(&route53::Error::Credentials(error.clone()));
        let (found, mend) = match error {
            credentials::Error::Broken { what, .. } => (
                "set up, but not so that they work",
                format!("put {what} right, or take it away: as long as it is there, nobody else is asked"),
            ),
            credentials::Error::Refused { what, .. } if what.contains("could not be assumed") => (
                "refused",
                "let the role's trust policy admit this caller (with the external id, where it asks for one), and the \
                 caller's own policy permit sts:AssumeRole"
                    .to_owned(),
            ),
            credentials::Error::Refused { what, .. } => {
                ("refused", format!("renew what {what} gives: log in again, or give a new key or token"))
            }
            credentials::Error::Unanswered { .. } => {
                ("not to be had for now", "see that who gives them can be reached from here".to_owned())
            }
            credentials::Error::Role { role, .. } => (
                "the instance's role gives none",
                format!(
                    "see that role {role} is still there and trusts ec2.amazonaws.com, then replace the instance's \
                     profile association"
                ),
            ),
            credentials::Error::Metadata(error) => {
                let mend = error.hint().unwrap_or("see why the metadata service doesn't answer");
                ("not read from the metadata", mend.to_owned())
            }
            credentials::Error::NotFound(_) => ("none", failure.hint.clone().unwrap_or_default()),
        };
        Check::fail(ID, failure.class, found, failure.reason, mend)
    }

    fn whence(&self) -> String {
        let Some((origin, expires)) = self.credentials.kept() else { return "there".to_owned() };
        let (profile, _) = self.shared.chosen();
        let from = match origin {
            Origin::Environment => "from the environment (AWS_ACCESS_KEY_ID)".to_owned(),
            Origin::Profile => format!("from profile '{profile}'"),
            Origin::Sts => "of a role that was assumed".to_owned(),
            Origin::Sso => format!("from IAM Identity Center, profile '{profile}'"),
            Origin::Process => format!("from credential_process, profile '{profile}'"),
            Origin::Container => "from the container's endpoint".to_owned(),
            Origin::InstanceRole => match self.state.role() {
                Some(role) => format!("of the instance's role {role}"),
                None => "of the instance's role".to_owned(),
            },
        };
        match expires {
            Some(expires) => format!("{from}, until {expires}"),
            None => format!("{from}, without an end"),
        }
    }

    /// Asks STS whose credentials these are. A service at a place of one's own doesn't send them to Amazon's STS.
    pub(super) async fn identity(&self, credentials: &Credentials) -> Identity {
        let own_place = |service| !matches!(self.shared.endpoint_url(service), Ok(None));
        if own_place(Service::Route53) && !own_place(Service::Sts) {
            let why =
                "Route 53 is at an endpoint of its own, and no STS is set beside it (AWS_ENDPOINT_URL_STS)";
            return Identity::NotAsked(why.to_owned());
        }
        let region = match self.shared.region() {
            Some(said) => said.value,
            None => self.imds.region().await.unwrap_or_else(|| DEFAULT_REGION.to_owned()),
        };
        let of = if self.imds.is_without_ipv4() { Endpoint::without_ipv4 } else { Endpoint::of };
        let endpoint = match of(Service::Sts, &self.shared, &region) {
            Ok(endpoint) => endpoint,
            Err(error) => return Identity::NotAsked(error.to_string()),
        };
        let sts = Sts {
            transport: std::sync::Arc::clone(&self.to_sts),
            clock: std::sync::Arc::clone(&self.clock),
            machine: std::sync::Arc::clone(&self.machine),
        };
        match sts.caller_identity(&endpoint, credentials).await {
            Ok(arn) => Identity::Arn(arn),
            Err(error) => Identity::Refused(error),
        }
    }

    pub(super) fn clock_check(&self) -> Check {
        const ID: &str = "clock";
        let Some(amazon) = self.clock.now() else {
            return Check::skip(ID, "no answer of Amazon's has told the time");
        };
        let offset = self.machine.now().duration_since(amazon);
        let words = |by: SignedDuration| {
            let seconds = by.as_secs();
            format!("{} s {}", seconds.unsigned_abs(), if seconds < 0 { "behind" } else { "ahead" })
        };
        let (found, length) = (words(offset), offset.abs());
        if length > MOST_OFF {
            return Check::fail(
                ID,
                Class::Other,
                found,
                format!("this machine's clock is off Amazon's by more than {} s", MOST_OFF.as_secs()),
                "set it (chronyc makestep, or timedatectl set-ntp true; Amazon's server is 169.254.169.123). pin53 \
                 signs by Amazon's time, but certificates, timers and log lines are by the machine's",
            );
        }
        let exact = length <= NOT_WORTH_SAYING;
        Check::ok(ID, if exact { "it shows Amazon's time".to_owned() } else { found })
    }
}

/// What STS's answer means, beside what Route 53 makes of the same credentials.
pub(super) fn identity_check(answer: Identity, accepted: bool) -> Check {
    const UNNEEDED: &str =
        "pin53 itself doesn't need STS but to assume a role; to be told who it is, let it be reached";
    let error = match answer {
        Identity::Arn(arn) => return Check::ok(IDENTITY, arn),
        Identity::NotAsked(why) => return Check::skip(IDENTITY, why),
        Identity::Silent => {
            return Check::warn(IDENTITY, "not known", "STS did not answer in time", UNNEEDED);
        }
        Identity::Refused(error) => error,
    };
    let why = with_causes(&error);
    let sts::Error::Service(refusal) = &error else {
        return Check::warn(IDENTITY, "not known", why, UNNEEDED);
    };
    match refusal.kind() {
        Kind::CredentialsRefused | Kind::SignatureRefused if accepted => Check::warn(
            IDENTITY,
            "not known to STS here",
            why,
            "Route 53 takes these credentials; where a role is to be assumed with them, see that STS is active in this \
             region",
        ),
        Kind::CredentialsRefused => Check::fail(
            IDENTITY,
            Class::NotPermitted,
            "the credentials are refused",
            why,
            if refusal.code.starts_with("Expired") {
                "they have ended: get new ones (log in again, or let a role give them: those renew themselves)"
            } else {
                "check the access key id: it is unknown, inactive, deleted, or of another partition; a session token \
                 has to go with it (AWS_SESSION_TOKEN)"
            },
        ),
        Kind::SignatureRefused => Check::fail(
            IDENTITY,
            Class::NotPermitted,
            "the signature is refused",
            why,
            "check the secret access key: it isn't the one that goes with the access key id",
        ),
        _ => Check::warn(IDENTITY, "not known", why, UNNEEDED),
    }
}
