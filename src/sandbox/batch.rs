//! What a batch of changes makes of a zone's record sets: the rules that AWS holds it to.
//!
//! All or nothing, checked in the order of the batch, and every reason is told, in AWS's words where
//! they are known.

use std::collections::HashMap;

use crate::dns::{Name, Policy, RecordKey, RecordType, Target};

use super::change_request::{Action, ChangeItem};
use super::value;
use super::zones::{Records, Stored};

/// Records in all of a batch, an alias being one, and what an UPSERT holds counted twice (Developer Guide, DNSLimitations).
const MAX_RECORDS: usize = 1_000;
/// Characters of all values of a batch, what an UPSERT holds counted twice.
const MAX_CHARACTERS: usize = 32_000;
/// Values of one record set.
const MAX_VALUES: usize = 400;
/// Record sets of a zone, by default.
const MAX_SETS: usize = 10_000;
/// Record sets of one name and type that are chosen among.
const MAX_ROUTED: usize = 100;

/// Applies a batch; gives the zone's record sets as they are after it.
///
/// # Errors
/// With every reason why it can't be; nothing is changed then.
pub(super) fn apply(zone: &Name, records: &Records, changes: &[ChangeItem]) -> Result<Records, Vec<String>> {
    let over = limits(changes);
    if !over.is_empty() {
        return Err(over);
    }
    let mut reasons = contradictions(changes);
    let mut next = records.clone();
    for change in changes {
        reasons.extend(faults_of_its_own(zone, change));
        let stored = &change.stored;
        let key = stored.set.key();
        let told = told(&key);
        let existing = next.get(&key).cloned();
        match (change.action, existing) {
            (Action::Create, Some(_)) => {
                reasons.push(format!("Tried to create resource record set {told} but it already exists"));
            }
            (Action::Delete, None) => {
                reasons.push(format!("Tried to delete resource record set {told} but it was not found"));
            }
            (Action::Delete, Some(existing)) => {
                if existing.is_matched_by(stored) {
                    next.remove(&key);
                } else {
                    reasons.push(format!(
                        "Tried to delete resource record set {told} but the values provided do not match the \
                         current values"
                    ));
                }
            }
            (Action::Create, None) | (Action::Upsert, _) => {
                next.remove(&key);
                reasons.extend(conflicts(zone, &next, stored));
                next.put(stored.clone());
            }
        }
    }
    if next.of_type(zone, RecordType::Ns).next().is_none() {
        reasons.push("A HostedZone must contain at least one NS record for the zone itself.".to_owned());
    }
    if next.of_type(zone, RecordType::Soa).next().is_none() {
        reasons.push("A HostedZone must contain exactly one SOA record.".to_owned());
    }
    if next.len() > MAX_SETS.max(records.len()) {
        reasons.push(format!("Number of resource record sets limit of {MAX_SETS} exceeded."));
    }
    let mut seen = Vec::new();
    reasons.retain(|reason| {
        let new = !seen.contains(reason);
        seen.push(reason.clone());
        new
    });
    if reasons.is_empty() { Ok(next) } else { Err(reasons) }
}

fn limits(changes: &[ChangeItem]) -> Vec<String> {
    let (mut records, mut characters) = (0, 0);
    for change in changes {
        let twice = if change.action == Action::Upsert { 2 } else { 1 };
        if let Target::Values { values, .. } = &change.stored.set.target {
            records += twice * values.len();
            characters += twice * values.iter().map(|v| v.chars().count()).sum::<usize>();
        } else {
            records += twice;
        }
    }
    let mut over = Vec::new();
    if records > MAX_RECORDS {
        over.push(format!("Number of records limit of {MAX_RECORDS} exceeded."));
    }
    if characters > MAX_CHARACTERS {
        over.push(format!("Number of characters limit of {MAX_CHARACTERS} exceeded."));
    }
    over
}

/// Sets that a batch changes more than once; to be deleted and made anew is the one sensible way.
fn contradictions(changes: &[ChangeItem]) -> Vec<String> {
    let mut by_key: HashMap<RecordKey, Vec<Action>> = HashMap::new();
    for change in changes {
        by_key.entry(change.stored.set.key()).or_default().push(change.action);
    }
    let mut reasons: Vec<String> = by_key
        .into_iter()
        .filter(|(_, actions)| !matches!(actions[..], [_] | [Action::Delete, Action::Create]))
        .map(|(key, _)| contradiction(&key))
        .collect();
    reasons.sort();
    reasons
}

/// Refuses the sets that a batch takes away and makes again as they were ([`super::Fault::RefuseSame`]).
pub(super) fn made_anew(changes: &[ChangeItem]) -> Vec<String> {
    let gone = |made: &&ChangeItem| {
        let is_same =
            |other: &ChangeItem| other.action == Action::Delete && other.stored.is_matched_by(&made.stored);
        made.action == Action::Create && changes.iter().any(is_same)
    };
    changes.iter().filter(gone).map(|made| contradiction(&made.stored.set.key())).collect()
}

fn contradiction(key: &RecordKey) -> String {
    format!(
        "The request contains an invalid set of changes for a resource record set '{} {}'",
        key.rtype,
        key.name.to_route53()
    )
}

/// What is wrong with a set whatever else the zone holds.
fn faults_of_its_own(zone: &Name, change: &ChangeItem) -> Vec<String> {
    let set = &change.stored.set;
    let (name, apex) = (set.name.to_route53(), zone.to_route53());
    let mut reasons = Vec::new();
    if !set.name.is_within(zone) {
        reasons.push(format!("RRSet with DNS name {name} is not permitted in zone {apex}"));
        return reasons;
    }
    // What stands there may be deleted, whatever it is.
    if change.action == Action::Delete {
        return reasons;
    }
    if set.rtype == RecordType::Cname && set.name == *zone {
        reasons.push(format!(
            "RRSet of type CNAME with DNS name {name} is not permitted at apex in zone {apex}"
        ));
    }
    if set.rtype == RecordType::Soa && set.name != *zone {
        reasons.push(format!("RRSet of type SOA with DNS name {name} is not permitted in zone {apex}"));
    }
    if set.rtype == RecordType::Ns && set.name.is_wildcard() {
        reasons.push(format!(
            "RRSet of type NS with DNS name {name} is not permitted as a wildcard in zone {apex}"
        ));
    }
    match &set.target {
        Target::Values { values, .. } => {
            for text in values {
                if let Err((code, words)) = value::rdata(set.rtype, text) {
                    reasons.push(format!(
                        "Invalid Resource Record: 'FATAL problem: {code} ({words}) encountered with '{text}''"
                    ));
                }
            }
            let one_only = matches!(set.rtype, RecordType::Cname | RecordType::Soa);
            if one_only && values.len() > 1 {
                reasons.push(format!(
                    "RRSet of type {} with DNS name {name} must contain exactly one resource record",
                    set.rtype
                ));
            }
            if values.len() > MAX_VALUES {
                reasons.push(format!("Number of values limit of {MAX_VALUES} exceeded."));
            }
            let mut sorted: Vec<&String> = values.iter().collect();
            sorted.sort();
            if let Some((twice, _)) = sorted.iter().zip(sorted.iter().skip(1)).find(|(a, b)| a == b) {
                reasons.push(format!("Duplicate Resource Record: '{twice}'"));
            }
            let single_policy = set
                .routing
                .as_ref()
                .is_some_and(|r| matches!(r.policy, Policy::Weighted(_) | Policy::Latency { .. }));
            if single_policy && values.len() > 1 {
                reasons.push(format!(
                    "{} cannot be created as weighted and latency sets must contain exactly one resource record.",
                    subject(&change.stored)
                ));
            }
        }
        Target::Alias { .. } => {
            if matches!(set.rtype, RecordType::Ns | RecordType::Soa) {
                reasons.push(format!("RRSet of type {} with DNS name {name} cannot be an alias", set.rtype));
            }
        }
        Target::TrafficPolicy(id) => {
            reasons.push(format!("No traffic policy instance exists with ID: {id}"));
        }
    }
    reasons
}

/// What speaks against putting a set beside the others of its name.
fn conflicts(zone: &Name, records: &Records, stored: &Stored) -> Vec<String> {
    let set = &stored.set;
    let (name, apex) = (set.name.to_route53(), zone.to_route53());
    let mut reasons = Vec::new();
    let others: Vec<&Stored> = records.at(&set.name).collect();
    let of_other_type = others.iter().filter(|o| o.set.rtype != set.rtype);
    if set.rtype == RecordType::Cname {
        // At the apex, SOA and NS always stand; that it is the apex is told already.
        if set.name != *zone && of_other_type.count() > 0 {
            reasons.push(format!(
                "RRSet of type CNAME with DNS name {name} is not permitted as it conflicts with other records with \
                 the same DNS name in zone {apex}"
            ));
        }
    } else if of_other_type.clone().any(|o| o.set.rtype == RecordType::Cname) {
        reasons.push(format!(
            "RRSet of type {} with DNS name {name} is not permitted because a conflicting RRSet of type  CNAME with \
             the same DNS name already exists in zone {apex}",
            set.rtype
        ));
    }
    let siblings: Vec<&Stored> = others.into_iter().filter(|o| o.set.rtype == set.rtype).collect();
    if let Some(sibling) = siblings.iter().find(|s| policy_name(s) != policy_name(stored)) {
        reasons.push(format!("{} cannot be created {}", subject(stored), why_not_beside(stored, sibling)));
    }
    if siblings.len() >= MAX_ROUTED {
        reasons
            .push(format!("{} cannot be created as the limit of {MAX_ROUTED} is exceeded.", subject(stored)));
    }
    let choice = |s: &Stored| s.set.routing.as_ref().map(|r| r.policy.clone());
    let once = match choice(stored) {
        policy @ Some(Policy::Latency { .. } | Policy::Failover(_) | Policy::Geolocation { .. }) => policy,
        _ => None,
    };
    if once.is_some() && siblings.iter().any(|s| choice(s) == once) {
        reasons.push(format!(
            "{} cannot be created as another {} set exists with the same name, type and {}.",
            subject(stored),
            policy_name(stored),
            if policy_name(stored) == "failover" { "role" } else { "location" }
        ));
    }
    let one_ttl = |s: &Stored| match (&s.set.target, &s.set.routing) {
        (Target::Values { ttl, .. }, Some(routing))
            if matches!(routing.policy, Policy::Weighted(_) | Policy::Latency { .. }) =>
        {
            Some(*ttl)
        }
        _ => None,
    };
    let ttl = one_ttl(stored);
    if ttl.is_some() && siblings.iter().filter_map(|s| one_ttl(s)).any(|other| Some(other) != ttl) {
        reasons.push(format!(
            "{} cannot be created as {} sets must contain the same TTL.",
            subject(stored),
            policy_name(stored)
        ));
    }
    reasons
}

/// Why a set can't stand beside one of another policy, or of none.
fn why_not_beside(stored: &Stored, sibling: &Stored) -> String {
    let kind = match policy_name(stored) {
        // These two forms were seen in the field, the rest follow them.
        "" => format!("as a {} set", policy_name(sibling)),
        "multivalue answer" => "because a non multivalue answer rrset".to_owned(),
        policy => format!("as a non-{policy} set"),
    };
    format!("{kind} exists with the same name and type.")
}

fn policy_name(stored: &Stored) -> &'static str {
    match stored.set.routing.as_ref().map(|r| &r.policy) {
        None => "",
        Some(Policy::Weighted(_)) => "weighted",
        Some(Policy::Latency { .. }) => "latency",
        Some(Policy::Failover(_)) => "failover",
        Some(Policy::Geolocation { .. }) => "geolocation",
        Some(Policy::Multivalue) => "multivalue answer",
        Some(Policy::Other(name)) if name == "CidrRoutingConfig" => "IP-based",
        Some(Policy::Other(_)) => "geoproximity",
    }
}

/// How a message begins that is about a set among its like.
fn subject(stored: &Stored) -> String {
    let set = &stored.set;
    let mut out = format!("RRSet with DNS name {}, type {}", set.name.to_route53(), set.rtype);
    if let Some(routing) = &set.routing {
        out.push_str(", SetIdentifier ");
        out.push_str(&routing.set_identifier);
    }
    out
}

fn told(key: &RecordKey) -> String {
    let id = key.set_identifier.as_ref().map_or_else(String::new, |id| format!(", set-identifier='{id}'"));
    format!("[name='{}', type='{}'{id}]", key.name.to_route53(), key.rtype)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::{RecordSet, Ttl};

    fn create(n: usize) -> ChangeItem {
        let name = Name::parse(&format!("h{n}.example.com")).unwrap();
        let values = vec!["192.0.2.1".to_owned()];
        let set = RecordSet::simple(name, RecordType::A, Ttl::new(60).unwrap(), values);
        ChangeItem { action: Action::Create, stored: set.into() }
    }

    #[test]
    fn a_zone_holds_ten_thousand_record_sets() {
        let zone = Name::parse("example.com").unwrap();
        let mut records = Records::default();
        for n in 0..MAX_SETS - 3 {
            records.put(create(n).stored);
        }
        for (rtype, value) in [(RecordType::Ns, "ns.example.net"), (RecordType::Soa, "a. b. 1 1 1 1 1")] {
            let ttl = Ttl::new(60).unwrap();
            records.put(RecordSet::simple(zone.clone(), rtype, ttl, vec![value.to_owned()]).into());
        }
        let last = apply(&zone, &records, &[create(MAX_SETS)]).unwrap();
        assert_eq!(
            apply(&zone, &last, &[create(MAX_SETS + 1)]).unwrap_err(),
            ["Number of resource record sets limit of 10000 exceeded."]
        );
    }
}
