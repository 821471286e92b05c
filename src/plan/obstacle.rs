//! What keeps a record set from standing where others stand, and whether those may be taken away.

use crate::dns::{Failover, Policy, RecordSet, RecordType, Target};

/// What stands in the way of a wish.
#[derive(Debug)]
pub(super) struct Obstacle<'a> {
    pub(super) set: &'a RecordSet,
    /// What it is and why it is one, as half a sentence.
    pub(super) why: String,
    /// `on_conflict = "replace"` takes it away.
    pub(super) replaceable: bool,
}

/// What `set`, which stands at the same name, is to `wish`.
pub(super) enum Relation<'a> {
    /// The record set that the wish is about, as it is now.
    Itself,
    /// Another member of the same routed set.
    Sibling,
    /// Of no interest.
    Stranger,
    Obstacle(Obstacle<'a>),
}

pub(super) fn relation<'a>(wish: &RecordSet, set: &'a RecordSet) -> Relation<'a> {
    let obstacle = |why: String, replaceable: bool| {
        Relation::Obstacle(Obstacle { set, why, replaceable: replaceable && is_replaceable(set) })
    };
    if set.rtype != wish.rtype {
        return match (wish.rtype, set.rtype) {
            (RecordType::Cname, RecordType::Soa) => {
                obstacle("that is the zone's own name (its apex), where a CNAME can't stand".to_owned(), false)
            }
            (RecordType::Cname, RecordType::Ns) => obstacle(
                "NS records stand there: it is the zone's own name (its apex) or a zone of its own, where a CNAME \
                 can't stand"
                    .to_owned(),
                false,
            ),
            (RecordType::Cname, _) | (_, RecordType::Cname) => {
                obstacle(format!("{} stands there, and a CNAME stands alone", words(set)), true)
            }
            _ => Relation::Stranger,
        };
    }
    let stands = || format!("{} stands there", words(set));
    match (&wish.routing, &set.routing) {
        (None, None) if is_plain(set) => Relation::Itself,
        (None, _) => obstacle(stands(), true),
        (Some(_), None) => {
            obstacle(format!("{}, and a routed set has no place for one that isn't routed", stands()), true)
        }
        (Some(wanted), Some(found)) => {
            let same_kind = std::mem::discriminant(&wanted.policy) == std::mem::discriminant(&found.policy);
            let same_member = wanted.set_identifier == found.set_identifier;
            if !same_kind {
                let why = format!(
                    "{}, and a set is routed by one policy: {} beside {} can't be",
                    stands(),
                    policy_words(&wanted.policy),
                    policy_words(&found.policy)
                );
                obstacle(why, true)
            } else if same_member && matches!(set.target, Target::Values { .. }) {
                Relation::Itself
            } else if same_member {
                obstacle(stands(), true)
            } else if wanted.policy == found.policy && has_one_place(&wanted.policy) {
                // It is another machine's: whoever has the place keeps it.
                obstacle(format!("{}, in the place that this member is to have", stands()), false)
            } else {
                Relation::Sibling
            }
        }
    }
}

/// A simple set of values: nothing but name, type, TTL and values.
fn is_plain(set: &RecordSet) -> bool {
    set.as_simple().is_some() && set.health_check_id.is_none()
}

/// Whether a set could be taken away, and be put back by whoever had it: types that pin53 publishes, in any
/// form that it can write.
fn is_replaceable(set: &RecordSet) -> bool {
    let of_ours = matches!(set.rtype, RecordType::A | RecordType::Aaaa | RecordType::Cname);
    let writable = !matches!(set.routing.as_ref().map(|routing| &routing.policy), Some(Policy::Other(_)));
    of_ours && writable && !matches!(set.target, Target::TrafficPolicy(_))
}

/// Policies by which only one member can have a place.
fn has_one_place(policy: &Policy) -> bool {
    matches!(policy, Policy::Latency { .. } | Policy::Failover(_) | Policy::Geolocation { .. })
}

/// A record set, for people.
fn words(set: &RecordSet) -> String {
    let rtype = set.rtype;
    match (&set.routing, &set.target) {
        (_, Target::TrafficPolicy(id)) => {
            format!("a set of type {rtype} made by traffic policy instance {id}")
        }
        (Some(routing), _) => format!(
            "a routed set of type {rtype} (member '{}', {})",
            routing.set_identifier,
            policy_words(&routing.policy)
        ),
        (None, Target::Alias { name, .. }) => format!("an alias of type {rtype} to {name}"),
        (None, Target::Values { .. }) if set.health_check_id.is_some() => {
            format!("a record of type {rtype} with a health check")
        }
        (None, Target::Values { .. }) => format!("a record of type {rtype}"),
    }
}

fn policy_words(policy: &Policy) -> String {
    match policy {
        Policy::Weighted(weight) => format!("weight {weight}"),
        Policy::Latency { region } => format!("latency {region}"),
        Policy::Failover(Failover::Primary) => "failover primary".to_owned(),
        Policy::Failover(Failover::Secondary) => "failover secondary".to_owned(),
        Policy::Geolocation { continent, country, subdivision } => {
            let places: Vec<&str> =
                [continent, country, subdivision].into_iter().flatten().map(String::as_str).collect();
            format!("geolocation {}", places.join("-"))
        }
        Policy::Multivalue => "multivalue".to_owned(),
        Policy::Other(element) => format!("policy {element}"),
    }
}
