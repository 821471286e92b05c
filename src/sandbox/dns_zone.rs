//! What the world's public zones answer to a question: the rules of authoritative DNS, without its messages.
//!
//! Spec: RFC 1034 section 4.3.2 with the wildcards of RFC 4592.

use std::sync::Arc;

use tokio::time::Instant;

use crate::dns::{Failover, Name, Policy, RecordType, Target};

use super::world::State;
use super::zones::{Records, Stored};

/// How many CNAMEs and aliases are followed.
const MAX_CHAIN: usize = 8;
/// How many members of a multivalue set are given.
const MAX_MULTIVALUE: usize = 8;

/// Records of one name and type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rows {
    pub(super) name: Name,
    pub(super) rtype: RecordType,
    pub(super) ttl: u32,
    pub(super) values: Vec<String>,
}

/// How the answer is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    /// The name exists; without answers, it has none of the type.
    NoError,
    NxDomain,
    /// No zone of ours.
    Refused,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) code: Code,
    pub(super) authoritative: bool,
    pub(super) answers: Vec<Rows>,
    /// The SOA of what isn't there, or the name servers to ask instead.
    pub(super) authority: Vec<Rows>,
}

/// Answers a question; `rtype` is `None` for a type that no record set of Route 53 has.
pub(super) fn lookup(state: &mut State, question: &Name, rtype: Option<RecordType>, now: Instant) -> Reply {
    let Some((apex, records)) = zone(state, question, now) else {
        return Reply {
            code: Code::Refused,
            authoritative: false,
            answers: Vec::new(),
            authority: Vec::new(),
        };
    };
    let mut answers = Vec::new();
    let mut name = question.clone();
    for _ in 0..MAX_CHAIN {
        if let Some(servers) = delegation(&records, &apex, &name, rtype) {
            let authoritative = !answers.is_empty();
            return Reply { code: Code::NoError, authoritative, answers, authority: vec![servers] };
        }
        let Some(owner) = owner(&records, &name) else {
            return negative(Code::NxDomain, answers, &apex, &records);
        };
        let of_type: Vec<&Stored> =
            rtype.into_iter().flat_map(|rtype| records.of_type(&owner, rtype)).collect();
        if !of_type.is_empty() {
            let rows = chosen(state, &name, &of_type, now);
            if rows.values.is_empty() {
                return negative(Code::NoError, answers, &apex, &records);
            }
            answers.push(rows);
            return positive(answers);
        }
        let cname: Vec<&Stored> = records.of_type(&owner, RecordType::Cname).collect();
        if cname.is_empty() {
            return negative(Code::NoError, answers, &apex, &records);
        }
        let rows = chosen(state, &name, &cname, now);
        let next = rows.values.first().and_then(|value| Name::parse(value).ok());
        answers.push(rows);
        match next {
            // What lies outside the zone the resolver asks for itself.
            Some(next) if next.is_within(&apex) => name = next,
            _ => return positive(answers),
        }
    }
    positive(answers)
}

fn positive(answers: Vec<Rows>) -> Reply {
    Reply { code: Code::NoError, authoritative: true, answers, authority: Vec::new() }
}

fn negative(code: Code, answers: Vec<Rows>, apex: &Name, records: &Records) -> Reply {
    let soa = records.of_type(apex, RecordType::Soa).filter_map(|stored| match &stored.set.target {
        Target::Values { ttl, values } => {
            // What isn't there may be remembered as long as the SOA's last field says (RFC 2308 section 5).
            let minimum = values.first()?.rsplit(' ').next()?.parse().unwrap_or(0);
            let (name, values) = (apex.clone(), values.clone());
            Some(Rows { name, rtype: RecordType::Soa, ttl: ttl.seconds().min(minimum), values })
        }
        _ => None,
    });
    Reply { code, authoritative: true, answers, authority: soa.collect() }
}

fn zone(state: &mut State, name: &Name, now: Instant) -> Option<(Name, Arc<Records>)> {
    let zone = state.zone_of(name)?;
    Some((zone.name.clone(), zone.published(now)))
}

/// The name servers of the part of the zone that `name` lies in, if it was given away.
fn delegation(records: &Records, apex: &Name, name: &Name, rtype: Option<RecordType>) -> Option<Rows> {
    let cut = std::iter::successors(Some(name.clone()), Name::parent)
        .take_while(|ancestor| ancestor != apex && ancestor.is_within(apex))
        .filter(|ancestor| records.of_type(ancestor, RecordType::Ns).next().is_some())
        .last()?;
    // The DS of a delegation is the parent's to answer.
    if cut == *name && rtype == Some(RecordType::Ds) {
        return None;
    }
    let servers = records.of_type(&cut, RecordType::Ns).next()?;
    match &servers.set.target {
        Target::Values { ttl, values } => {
            let (name, values) = (servers.set.name.clone(), values.clone());
            Some(Rows { name, rtype: RecordType::Ns, ttl: ttl.seconds(), values })
        }
        _ => None,
    }
}

/// The name whose record sets speak for `name`: itself, or the wildcard that covers it.
fn owner(records: &Records, name: &Name) -> Option<Name> {
    if records.has_name(name) {
        return Some(name.clone());
    }
    let encloser = std::iter::successors(name.parent(), Name::parent).find(|n| records.has_name(n))?;
    let wildcard = Name::parse(&format!("*.{encloser}")).ok()?;
    let stands = records.at(&wildcard).next().is_some();
    stands.then_some(wildcard)
}

/// What a set, or one of several that are chosen among, answers under `name`.
fn chosen(state: &mut State, name: &Name, members: &[&Stored], now: Instant) -> Rows {
    let policy = |stored: &Stored| stored.set.routing.as_ref().map(|r| r.policy.clone());
    let weight = |stored: &Stored| match policy(stored) {
        Some(Policy::Weighted(weight)) => u64::from(weight),
        _ => 0,
    };
    let total: u64 = members.iter().map(|m| weight(m)).sum();
    let picked: Vec<&Stored> = match members.first().and_then(|m| policy(m)) {
        Some(Policy::Multivalue) => members.iter().take(MAX_MULTIVALUE).copied().collect(),
        Some(Policy::Weighted(_)) if total > 0 => {
            let mut draw = fastrand::u64(..total);
            let drawn = members.iter().find(|m| {
                let hit = draw < weight(m);
                draw = draw.saturating_sub(weight(m));
                hit
            });
            drawn.into_iter().copied().collect()
        }
        Some(Policy::Failover(_)) => {
            let primary = members.iter().find(|m| policy(m) == Some(Policy::Failover(Failover::Primary)));
            primary.or(members.first()).into_iter().copied().collect()
        }
        _ => members.iter().take(1).copied().collect(),
    };
    let mut rows = Rows {
        name: name.clone(),
        rtype: members.first().map_or(RecordType::A, |m| m.set.rtype),
        ttl: u32::MAX,
        values: Vec::new(),
    };
    for stored in picked {
        if let Some((ttl, values)) = values(state, stored, now) {
            rows.ttl = rows.ttl.min(ttl);
            rows.values.extend(values);
        }
    }
    rows
}

/// The values of a set; an alias has those of its target, where that is in the world.
fn values(state: &mut State, stored: &Stored, now: Instant) -> Option<(u32, Vec<String>)> {
    let rtype = stored.set.rtype;
    let mut stored = stored.clone();
    for _ in 0..MAX_CHAIN {
        let alias = match stored.set.target {
            Target::Values { ttl, values } => return Some((ttl.seconds(), values)),
            Target::Alias { name, .. } => name,
            Target::TrafficPolicy(_) => return None,
        };
        let (_, records) = zone(state, &alias, now)?;
        stored = records.of_type(&owner(&records, &alias)?, rtype).next()?.clone();
    }
    None
}
