//! Route 53: the way there, whether it takes the signature, the hosted zone of each name, and what it permits.
//!
//! Only reading calls are made. Whether the change of records is permitted can't be tried without making one.

use std::collections::BTreeSet;

use crate::aws::Signing;
use crate::aws::endpoint::Endpoint;
use crate::aws::route53::{self, Apex, Kind, ServiceError, ZoneChoice, ZoneFinder};
use crate::desired::Rule;
use crate::dns::{Name, ZoneId};
use crate::reconcile::Look;
use crate::report::{Class, Failure};
use crate::transport;

use super::{Check, Examiner, STEP};

const ENDPOINT: &str = "endpoint";
const SIGNING: &str = "signing";
const ZONE: &str = "zone";
const PERMISSIONS: &str = "permissions";
const CHANGE: &str = "permissions:change";
const FIND: &str = "route53:ListHostedZonesByName";
/// An id that no change has.
const NO_CHANGE: &str = "C0000000000000";

/// What was found about the zone of a name.
pub(super) struct ZoneSeen {
    pub name: Name,
    choice: ZoneChoice,
    pub private: bool,
    /// Its id, or why there is none.
    pub found: Result<ZoneId, route53::Error>,
    /// What stands at its own name, once it is found.
    pub apex: Option<Result<Apex, route53::Error>>,
}

impl ZoneSeen {
    /// The zone, if its records can be read.
    pub(super) fn readable(&self) -> Option<(&ZoneId, &Apex)> {
        match (&self.found, &self.apex) {
            (Ok(id), Some(Ok(apex))) => Some((id, apex)),
            _ => None,
        }
    }

    fn errors(&self) -> impl Iterator<Item = &route53::Error> {
        let of_apex = self.apex.as_ref().and_then(|apex| apex.as_ref().err());
        self.found.as_ref().err().into_iter().chain(of_apex)
    }

    pub(super) fn is_for(&self, rule: &Rule, look: &Look) -> bool {
        look.key.as_ref().is_ok_and(|key| key.name == self.name)
            && (self.choice == rule.zone && self.private == rule.private)
    }
}

/// Whether the service knows by now who signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    Accepted,
    Refused,
    /// No call was answered by somebody who had looked at the signature.
    Open,
}

/// What the calls so far have shown of the signature.
pub(super) fn proof(zones: &[ZoneSeen]) -> Proof {
    if zones.iter().any(|zone| zone.found.is_ok() && matches!(zone.apex, Some(Ok(_)))) {
        return Proof::Accepted;
    }
    let shown: Vec<Proof> = zones.iter().flat_map(ZoneSeen::errors).map(shows).collect();
    if shown.contains(&Proof::Accepted) {
        Proof::Accepted
    } else if shown.contains(&Proof::Refused) {
        Proof::Refused
    } else {
        Proof::Open
    }
}

fn shows(error: &route53::Error) -> Proof {
    match error {
        route53::Error::NoZone { .. }
        | route53::Error::SeveralZones { .. }
        | route53::Error::Network { .. } => Proof::Accepted,
        route53::Error::Sign(_) | route53::Error::Credentials(_) => Proof::Refused,
        route53::Error::Service(refusal) => match refusal.kind() {
            Kind::Denied | Kind::NoSuchZone | Kind::Invalid => Proof::Accepted,
            Kind::CredentialsRefused | Kind::SignatureRefused | Kind::ClockSkew => Proof::Refused,
            Kind::Unknown if matches!(refusal.status, 401 | 403) => Proof::Refused,
            _ => Proof::Open,
        },
        _ => Proof::Open,
    }
}

/// The refusal of a permission, if it is one.
fn denial(error: &route53::Error) -> Option<&ServiceError> {
    match error {
        route53::Error::Service(refusal) if refusal.kind() == Kind::Denied => Some(refusal),
        _ => None,
    }
}

pub(super) fn endpoint_check(way: Option<&Result<Endpoint, route53::Error>>) -> Check {
    const REACH: &str = "see that its name resolves here and that nothing keeps connections out: security group, network \
                         ACL, a route to the Internet (or dual stack), HTTPS_PROXY; and AWS_ENDPOINT_URL_ROUTE_53 where \
                         it is set";
    let error = match way {
        Some(Ok(endpoint)) if endpoint.is_tls() => {
            return Check::ok(ENDPOINT, format!("{} answers, and its certificate is trusted", endpoint.url));
        }
        Some(Ok(endpoint)) => return Check::ok(ENDPOINT, format!("{} answers, without TLS", endpoint.url)),
        Some(Err(error)) => error,
        None => {
            return Check::fail(ENDPOINT, Class::TryAgain, "no answer in time", "the way is too slow", REACH);
        }
    };
    let failure = Failure::of(error);
    let (found, mend) = match error {
        route53::Error::Locate(_) => {
            ("not known", "set AWS_REGION, or let the instance's metadata tell the region".to_owned())
        }
        route53::Error::Transport(transport::Error::Certificate { .. }) => {
            ("its certificate isn't trusted", failure.hint.unwrap_or_default())
        }
        _ => ("it can't be reached", REACH.to_owned()),
    };
    Check::fail(ENDPOINT, failure.class, found, failure.reason, mend)
}

impl Examiner {
    /// Finds the zone of each record whose name is known, and reads what stands at its own name.
    pub(super) async fn zones(&self, looks: &[Look]) -> Vec<ZoneSeen> {
        let client = self.reconciler.client();
        let mut finder = ZoneFinder::new(client);
        let mut zones: Vec<ZoneSeen> = Vec::new();
        let deadline = tokio::time::Instant::now() + STEP;
        for (rule, look) in self.reconciler.rules().iter().zip(looks) {
            let Ok(key) = &look.key else { continue };
            if zones.iter().any(|zone| zone.is_for(rule, look)) {
                continue;
            }
            let mut zone = ZoneSeen {
                name: key.name.clone(),
                choice: rule.zone.clone(),
                private: rule.private,
                found: Err(route53::Error::Stopped),
                apex: None,
            };
            let looked = async {
                zone.found = finder.find(&key.name, &rule.zone, rule.private).await.map(|found| found.id);
                let Ok(id) = &zone.found else { return };
                // Names of one zone share it.
                let seen = zones.iter().find(|other| other.found.as_ref().is_ok_and(|other| other == id));
                zone.apex = match seen.and_then(ZoneSeen::readable) {
                    Some((_, apex)) => Some(Ok(apex.clone())),
                    None => client.apex(id).await.transpose(),
                };
            };
            // What is left is told of as not looked at.
            let _ = tokio::time::timeout_at(deadline, looked).await;
            let ends = zone
                .errors()
                .any(|error| matches!(error, route53::Error::Transport(_)) || shows(error) == Proof::Refused);
            zones.push(zone);
            if ends || tokio::time::Instant::now() >= deadline {
                break;
            }
        }
        zones
    }

    pub(super) fn signing_check(&self, way: Option<&Endpoint>, known: bool, zones: &[ZoneSeen]) -> Check {
        let Some(endpoint) = way else { return Check::skip(SIGNING, "there is no way to Route 53") };
        if !known {
            return Check::skip(SIGNING, "there is nothing to sign with");
        }
        match proof(zones) {
            Proof::Accepted => self.scheme(endpoint),
            Proof::Open => match zones.iter().flat_map(ZoneSeen::errors).find(|error| !is_unasked(error)) {
                None => Check::skip(SIGNING, "no call was made"),
                Some(error) => {
                    let failure = Failure::of(error);
                    let (found, mend) = unanswered(error);
                    Check::fail(SIGNING, failure.class, found, failure.reason, mend)
                }
            },
            Proof::Refused => {
                let error = zones.iter().flat_map(ZoneSeen::errors).find(|e| shows(e) == Proof::Refused);
                let failure = error.map(Failure::of);
                let (class, why) =
                    failure.map_or((Class::NotPermitted, String::new()), |f| (f.class, f.reason));
                let kind = error.and_then(|error| match error {
                    route53::Error::Service(refusal) => Some(refusal.kind()),
                    _ => None,
                });
                let mend = match kind {
                    Some(Kind::ClockSkew) => {
                        "set this machine's clock, and see that no proxy keeps requests back"
                    }
                    Some(Kind::SignatureRefused) if self.signing == Signing::Auto => {
                        "check the secret access key: it isn't the one that goes with the access key id; where it is, \
                         something on the way changes requests"
                    }
                    Some(Kind::Unknown | Kind::SignatureRefused) if self.signing == Signing::Aws3Https => {
                        "the service may not take AWS3-HTTPS: signing = \"auto\" or \"sigv4\""
                    }
                    Some(Kind::CredentialsRefused) => {
                        "check the access key: it is unknown, or has ended; get new credentials"
                    }
                    _ => "check the credentials, and the endpoint's region",
                };
                Check::fail(SIGNING, class, "refused", why, mend)
            }
        }
    }

    fn scheme(&self, endpoint: &Endpoint) -> Check {
        if self.reconciler.client().is_aws3_taken() {
            return Check::ok(SIGNING, "AWS3-HTTPS is taken");
        }
        if self.signing == Signing::Auto && self.state.refuses_aws3_https(&endpoint.url) {
            return Check::warn(
                SIGNING,
                "SigV4 is taken, AWS3-HTTPS isn't",
                format!(
                    "{} doesn't know AWS3-HTTPS, or something on the way takes its header off",
                    endpoint.url
                ),
                "signing = \"sigv4\" spares the attempt; without it the choice is remembered in the state directory",
            );
        }
        Check::ok(SIGNING, "SigV4 is taken")
    }

    /// Whether the state of a change may be asked for: that of one that isn't there tells. `None` where the answer
    /// doesn't.
    pub(super) async fn may_follow(&self) -> Option<Result<(), ServiceError>> {
        match self.reconciler.client().change_status(NO_CHANGE).await {
            Ok(_) => Some(Ok(())),
            Err(route53::Error::Service(refusal)) => match refusal.kind() {
                Kind::Denied => Some(Err(refusal)),
                Kind::Invalid => Some(Ok(())),
                _ => None,
            },
            Err(_) => None,
        }
    }
}

/// Nobody was asked, for want of time.
fn is_unasked(error: &route53::Error) -> bool {
    matches!(error, route53::Error::Stopped)
}

/// Calls that came to nothing before anybody could judge them.
fn unanswered(error: &route53::Error) -> (&'static str, &'static str) {
    match error {
        route53::Error::Service(refusal) if refusal.kind() == Kind::Throttled => (
            "not judged: the account is throttled",
            "wait; the rate is one for the whole account: see who else asks Route 53 so often (CloudTrail), a tool with a \
             short interval or a fleet",
        ),
        route53::Error::Service(_) => ("not judged: the service isn't well", "try again in a few minutes"),
        route53::Error::Unreadable(_) => (
            "not judged: the answer can't be read",
            "see who answers: a proxy, a captive portal, or another service at that endpoint",
        ),
        _ => ("not judged: no answer", "try again; see the endpoint's check for the way there"),
    }
}

/// The zone of each name, once.
pub(super) fn zone_checks(zones: &[ZoneSeen], looks: &[Look], rules: &[Rule], signed: bool) -> Vec<Check> {
    if !signed {
        return vec![Check::skip(ZONE, "Route 53 can't be asked")];
    }
    let mut checks: Vec<Check> = Vec::new();
    for (rule, look) in rules.iter().zip(looks) {
        let check = match zones.iter().find(|zone| zone.is_for(rule, look)) {
            Some(zone) => zone_check(zone),
            None if look.key.is_err() => Check::skip(format!("{ZONE}:{}", rule.name), "its name isn't known"),
            None => Check::skip(format!("{ZONE}:{}", rule.name), "not looked for: see the other zones"),
        };
        if !checks.contains(&check) {
            checks.push(check);
        }
    }
    checks
}

fn zone_check(zone: &ZoneSeen) -> Check {
    let id = format!("{ZONE}:{}", zone.name);
    if let Some((zone_id, apex)) = zone.readable() {
        let view = if zone.private { "private" } else { "public" };
        return Check::ok(id, format!("{} ({zone_id}), {view}", apex.name));
    }
    let Some(error) = zone.errors().next() else { return Check::skip(id, "the zone holds nothing") };
    if denial(error).is_some() {
        return Check::skip(id, "the policy permits no look at it");
    }
    if is_unasked(error) {
        return Check::fail(
            id,
            Class::TryAgain,
            "not found in time",
            "the look-up took too long",
            "try again",
        );
    }
    let failure = Failure::of(error);
    let (found, mend) = match error {
        route53::Error::NoZone { private: None, .. } => (
            "none",
            "check the name; make the zone (aws route53 create-hosted-zone), or take credentials of the account that \
             has it"
                .to_owned(),
        ),
        route53::Error::NoZone { .. } => {
            ("only a private one", "private = true on the record takes it; else make a public zone".to_owned())
        }
        route53::Error::SeveralZones { .. } | route53::Error::Network { .. } => ("several", failure.hint.unwrap_or_default()),
        route53::Error::Service(refusal) if refusal.kind() == Kind::NoSuchZone => {
            ("the zone that is asked for isn't there", failure.hint.unwrap_or_default())
        }
        error => {
            let (found, mend) = unanswered(error);
            (found, mend.to_owned())
        }
    };
    Check::fail(id, failure.class, found, failure.reason, mend)
}

/// What the reading calls have shown of permissions.
pub(super) fn permission_checks(
    zones: &[ZoneSeen],
    may_follow: Option<&Result<(), ServiceError>>,
    signed: bool,
) -> Vec<Check> {
    if !signed {
        return vec![Check::skip(PERMISSIONS, "no call was judged by them")];
    }
    let of_zones = zones.iter().flat_map(ZoneSeen::errors).filter_map(denial).cloned();
    let of_changes = may_follow.and_then(|answer| answer.as_ref().err()).cloned();
    let denials: Vec<ServiceError> = of_zones.chain(of_changes).collect();
    let reading = if denials.is_empty() {
        let mut permitted = BTreeSet::new();
        for zone in zones {
            if zone.found.is_ok() && !matches!(zone.choice, ZoneChoice::Id(_)) {
                permitted.insert(FIND);
            }
            if zone.readable().is_some() {
                permitted.insert("route53:ListResourceRecordSets");
            }
        }
        if matches!(may_follow, Some(Ok(()))) {
            permitted.insert("route53:GetChange");
        }
        let permitted: Vec<&str> = permitted.into_iter().collect();
        let found = if permitted.is_empty() { "none is denied".to_owned() } else { permitted.join(", ") };
        Check::ok(PERMISSIONS, found)
    } else {
        let actions: BTreeSet<String> = denials.iter().map(action).collect();
        let actions = actions.into_iter().collect::<Vec<_>>().join(", ");
        let why: BTreeSet<String> = denials.iter().map(ToString::to_string).collect();
        Check::fail(
            PERMISSIONS,
            Class::NotPermitted,
            format!("denied: {actions}"),
            why.into_iter().collect::<Vec<_>>().join("; "),
            format!(
                "allow {actions} to these credentials (`pin53 policy` prints what this configuration needs); where that \
                 is done, a permissions boundary, a service control policy or a session policy denies it"
            ),
        )
    };
    let change = "route53:ChangeResourceRecordSets can't be tried without changing something: `pin53 policy` \
                  prints what permits it for this configuration";
    vec![reading, Check::skip(CHANGE, change)]
}

/// The action that was denied, as AWS's message names it.
fn action(refusal: &ServiceError) -> String {
    let named = refusal.messages.iter().find_map(|message| {
        let (_, rest) = message.split_once("to perform: ")?;
        rest.split_whitespace().next().map(str::to_owned)
    });
    match named {
        // The older list is asked for only where the other one was denied, and isn't needed beside it.
        Some(older) if older == "route53:ListHostedZones" => FIND.to_owned(),
        Some(action) => action,
        None => "an action of route53".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, code: &str) -> route53::Error {
        route53::Error::Service(ServiceError {
            status,
            code: code.to_owned(),
            messages: Vec::new(),
            request_id: None,
            retry_after: None,
        })
    }

    #[test]
    fn a_refusal_tells_whether_the_signature_was_found_good() {
        for (status, code, expected) in [
            (403, "AccessDenied", Proof::Accepted),
            (404, "NoSuchHostedZone", Proof::Accepted),
            (403, "SignatureDoesNotMatch", Proof::Refused),
            (403, "InvalidClientTokenId", Proof::Refused),
            (403, "MissingAuthenticationToken", Proof::Refused),
            (400, "RequestExpired", Proof::Refused),
            (400, "Throttling", Proof::Open),
            (503, "", Proof::Open),
        ] {
            assert_eq!(shows(&refusal(status, code)), expected, "{code}");
        }
    }

    #[test]
    fn the_action_that_was_denied_is_the_one_that_the_message_names() {
        let denied = ServiceError {
            status: 403,
            code: "AccessDenied".to_owned(),
            messages: vec![
                "User: arn is not authorized to perform: route53:GetChange on resource: x".to_owned(),
            ],
            request_id: None,
            retry_after: None,
        };
        assert_eq!(action(&denied), "route53:GetChange");
    }
}
