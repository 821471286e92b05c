//! The laws of planning, over zones, wishes and terms at random.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::dns::{Failover, Routing, ZoneId};

/// Whether Route 53 lets a set stand beside others (API, ResourceRecordSet; what it says is held in `sandbox`).
fn may_stand(set: &RecordSet, others: &[RecordSet]) -> bool {
    let at_name: Vec<&RecordSet> = others.iter().filter(|other| other.name == set.name).collect();
    let of_type: Vec<&&RecordSet> = at_name.iter().filter(|other| other.rtype == set.rtype).collect();
    let kind = |set: &RecordSet| set.routing.as_ref().map(|routing| std::mem::discriminant(&routing.policy));
    let has_place = |set: &RecordSet| match set.routing.as_ref().map(|routing| routing.policy.clone()) {
        policy @ Some(Policy::Failover(_) | Policy::Latency { .. }) => policy,
        _ => None,
    };
    let alone = |set: &RecordSet| set.rtype == RecordType::Cname;
    let ttls = |other: &RecordSet| {
        !shares_ttl(other) || ttl(other).is_none() || ttl(set).is_none() || ttl(other) == ttl(set)
    };
    of_type.len()
        == at_name.iter().filter(|other| alone(set) || alone(other) || other.rtype == set.rtype).count()
        && of_type.iter().all(|other| {
            other.key() != set.key()
                && kind(other) == kind(set)
                && (has_place(set).is_none() || has_place(set) != has_place(other))
                && ttls(other)
        })
}

/// What Route 53 does with a batch: all of it in order, or nothing.
fn carry_out(changes: &[Change], zone: &[RecordSet]) -> Option<Vec<RecordSet>> {
    let mut sets = zone.to_vec();
    for change in changes {
        match change {
            Change::Delete(gone) => {
                let at = sets.iter().position(|set| set == gone)?;
                sets.remove(at);
            }
            Change::Create(new) if !may_stand(new, &sets) => return None,
            Change::Create(new) => sets.push(new.clone()),
        }
    }
    Some(sets)
}

/// Plans as a round does: from the one set that is asked for first, and all of those names that the plan asks for.
fn planned(wish: &RecordSet, terms: &Terms, zone: &[RecordSet]) -> Plan {
    let mut sorted = zone.to_vec();
    sorted.sort_by_key(|set| (set.name.sort_key(), set.key()));
    let first = sorted.into_iter().find(|set| {
        let from = match (wish.rtype, &wish.routing) {
            (RecordType::Cname, None) => true,
            _ => {
                (set.rtype.as_str(), set.key().set_identifier)
                    >= (wish.rtype.as_str(), wish.key().set_identifier)
            }
        };
        set.name == wish.name && from
    });
    let current = match terms.owner {
        None => Current::from_iter(first),
        Some(_) => Current::default(),
    };
    planned_on(current, wish, terms, zone)
}

/// Plans on what is known, and all of those names that the plan asks for.
fn planned_on(mut current: Current, wish: &RecordSet, terms: &Terms, zone: &[RecordSet]) -> Plan {
    for _ in 0..4 {
        match diff(wish, terms, &current) {
            Plan::Unclear(names) => {
                for name in names {
                    assert!(!current.knows_all(&name), "nothing is asked for twice");
                    let sets = zone.iter().filter(|set| set.name == name).cloned().collect();
                    current.know_all(name, sets);
                }
            }
            plan => return plan,
        }
    }
    panic!("a plan becomes clear");
}

const NAMES: [&str; 3] = ["a.example.com", "b.example.com", "*.example.com"];

fn any_policy() -> impl Strategy<Value = Option<Policy>> {
    prop_oneof![
        4 => Just(None),
        2 => Just(Some(Policy::Multivalue)),
        1 => (0..3u8).prop_map(|weight| Some(Policy::Weighted(weight))),
        1 => Just(Some(Policy::Failover(Failover::Primary))),
        1 => Just(Some(Policy::Latency { region: "eu-west-1".to_owned() })),
    ]
}

prop_compose! {
    fn any_set(types: &'static [RecordType])(
        at in prop::sample::select(NAMES.to_vec()),
        rtype in prop::sample::select(types),
        seconds in prop::sample::select(vec![60u64, 300]),
        value in prop::sample::select(vec!["198.51.100.7", "x.example.net", "X.example.net.", "2001:db8::1", "2001:DB8::1"]),
        policy in any_policy(),
        id in prop::sample::select(vec!["i-1", "i-2", "i-3"]),
        is_alias in prop::bool::weighted(0.1),
    ) -> RecordSet {
        let mut set = RecordSet::simple(Name::parse(at).unwrap(), rtype, Ttl::new(seconds).unwrap(), vec![value.to_owned()]);
        set.routing = policy.map(|policy| Routing { set_identifier: id.to_owned(), policy });
        if is_alias {
            let name = Name::parse("lb.example.net").unwrap();
            set.target = Target::Alias { zone_id: ZoneId::parse("Z2").unwrap(), name, evaluate_health: true };
        }
        set
    }
}

prop_compose! {
    fn any_marker()(
        set in any_set(&[RecordType::Cname, RecordType::A]),
        owner in prop::sample::select(vec!["me", "you"]),
        is_old in prop::bool::weighted(0.2),
        is_marker in prop::bool::weighted(0.9),
    ) -> RecordSet {
        let mut marker = marker::for_record(&set, &owner.parse().unwrap()).unwrap();
        if is_old {
            marker.name = set.name;
        }
        if let (false, Target::Values { values, .. }) = (is_marker, &mut marker.target) {
            *values = vec!["\"v=spf1 -all\"".to_owned()];
        }
        marker
    }
}

const EVERY: &[RecordType] =
    &[RecordType::Cname, RecordType::A, RecordType::Aaaa, RecordType::Mx, RecordType::Txt, RecordType::Soa];

fn any_zone() -> impl Strategy<Value = Vec<RecordSet>> {
    let any = prop_oneof![3 => any_set(EVERY), 1 => any_marker()];
    prop::collection::vec(any, 0..12).prop_map(|sets| {
        let mut zone: Vec<RecordSet> = Vec::new();
        for set in sets {
            if may_stand(&set, &zone) {
                zone.push(set);
            }
        }
        zone
    })
}

fn any_wish() -> impl Strategy<Value = RecordSet> {
    any_set(&[RecordType::Cname, RecordType::A, RecordType::Aaaa]).prop_map(|mut wish| {
        let values = vec!["x.example.net".to_owned()];
        wish.target = Target::Values { ttl: Ttl::new(60).unwrap(), values };
        wish
    })
}

fn any_terms() -> impl Strategy<Value = Terms> {
    let on_conflict = prop::sample::select(vec![OnConflict::Refuse, OnConflict::Replace]);
    (on_conflict, prop::bool::ANY).prop_map(|(on_conflict, is_owned)| Terms {
        on_conflict,
        owner: is_owned.then(|| "me".parse().unwrap()),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, ..ProptestConfig::default() })]

    #[test]
    fn carrying_out_the_changes_satisfies_the_wish_and_leaves_nothing_to_do(
        wish in any_wish(), terms in any_terms(), zone in any_zone(),
    ) {
        if let Plan::Changes(changes) = planned(&wish, &terms, &zone) {
            let after = carry_out(&changes, &zone).expect("the service takes the batch");
            let there = after.iter().find(|set| set.key() == wish.key()).expect("the record is there");
            let mut with_its_ttl = wish.clone();
            if let (true, Target::Values { ttl: own, .. }) = (shares_ttl(&wish), &mut with_its_ttl.target) {
                *own = ttl(there).unwrap();
            }
            prop_assert!(there.is_equivalent(&with_its_ttl));
            if let Some(owner) = &terms.owner {
                let marker = marker::for_record(&wish, owner).unwrap();
                let there = after.iter().find(|set| set.key() == marker.key()).expect("its marker is there");
                prop_assert_eq!(marker::owner(there), Some(owner.to_string()));
            }
            prop_assert_eq!(planned(&wish, &terms, &after), Plan::Nothing);
        }
    }

    #[test]
    fn nothing_is_touched_but_the_record_its_marker_and_what_makes_way(
        wish in any_wish(), terms in any_terms(), zone in any_zone(),
    ) {
        let Plan::Changes(changes) = planned(&wish, &terms, &zone) else { return Ok(()) };
        let markers: BTreeSet<Name> =
            [RecordType::A, RecordType::Aaaa, RecordType::Cname].map(|rtype| marker::name(&wish.name, rtype).unwrap()).into();
        for change in &changes {
            let set = change.record_set();
            let is_itself = set.key() == wish.key();
            let of_ours = matches!(set.rtype, RecordType::A | RecordType::Aaaa | RecordType::Cname);
            let makes_way = terms.on_conflict == OnConflict::Replace
                && matches!(change, Change::Delete(_))
                && set.name == wish.name
                && of_ours;
            let is_marker = terms.owner.is_some()
                && markers.contains(&set.name)
                && marker::owner(set).as_deref() == terms.owner.as_ref().map(Owner::as_str);
            prop_assert!(is_itself || makes_way || is_marker, "{:?}", set);
        }
    }

    #[test]
    fn what_another_owner_has_marked_is_not_touched(wish in any_wish(), zone in any_zone()) {
        let terms = Terms { on_conflict: OnConflict::Replace, owner: Some("me".parse().unwrap()) };
        let marker = marker::for_record(&wish, terms.owner.as_ref().unwrap()).unwrap();
        let is_anothers = zone.iter().any(|set| {
            let here = set.name == wish.name || set.key() == marker.key();
            here && marker::owner(set).is_some_and(|owner| owner != "me")
        });
        if is_anothers {
            let plan = planned(&wish, &terms, &zone);
            prop_assert!(matches!(&plan, Plan::Refused(why) if !why.is_empty()) || matches!(plan, Plan::Nothing), "{:?}", plan);
        }
    }

    #[test]
    fn what_builds_on_memory_is_refused_where_it_has_become_another_owners(
        wish in any_wish(), zone in any_zone(), is_old in prop::bool::ANY, seconds in prop::sample::select(vec![60u64, 90]),
    ) {
        let own: Owner = "me".parse().unwrap();
        let terms = Terms { on_conflict: OnConflict::Replace, owner: Some(own.clone()) };
        let Plan::Changes(changes) = planned(&wish, &terms, &zone) else { return Ok(()) };
        let after = carry_out(&changes, &zone).unwrap();
        let marker = after.iter().position(|set| marker::marks(set, &wish, &own)).expect("its marker is there");
        let mut known: Vec<RecordSet> = after.iter().filter(|set| set.key() == wish.key()).cloned().collect();
        known.push(after[marker].clone());
        let mut moved = wish.clone();
        moved.target = Target::Values { ttl: Ttl::new(seconds).unwrap(), values: vec!["y.example.net".to_owned()] };

        let current = || Current::recalled(&moved, &terms, known.clone());
        if let Plan::Changes(changes) = planned_on(current(), &moved, &terms, &after) {
            let moved_on = carry_out(&changes, &after).expect("nobody else was there");
            prop_assert_eq!(planned(&moved, &terms, &moved_on), Plan::Nothing);
        }

        // Somebody gives it to another owner, in the form of today or in the older one.
        let mut given = after.clone();
        let mut theirs = marker::for_record(&wish, &"you".parse().unwrap()).unwrap();
        if is_old && wish.rtype != RecordType::Cname {
            theirs.name = wish.name.clone();
            given.retain(|set| set.name != theirs.name || set.rtype != RecordType::Txt);
            given.push(theirs);
        } else {
            given[marker] = theirs;
        }
        if let Plan::Changes(changes) = planned_on(current(), &moved, &terms, &given) {
            prop_assert_eq!(carry_out(&changes, &given), None);
        }
    }

    #[test]
    fn a_withdrawal_takes_the_record_and_its_marker_and_nothing_else(wish in any_wish(), zone in any_zone()) {
        let terms = Terms { on_conflict: OnConflict::Replace, owner: Some("me".parse().unwrap()) };
        let Plan::Changes(changes) = planned(&wish, &terms, &zone) else { return Ok(()) };
        let after = carry_out(&changes, &zone).unwrap();
        let record = after.iter().find(|set| set.key() == wish.key()).unwrap();
        let gone = withdrawal(record, terms.owner.as_ref(), &after).expect("nobody else's");
        let marker = marker::for_record(&wish, terms.owner.as_ref().unwrap()).unwrap();
        let left = carry_out(&gone, &after).expect("the service takes the batch");
        prop_assert_eq!(left.len() + 2, after.len());
        prop_assert!(left.iter().all(|set| set.key() != wish.key() && set.key() != marker.key()));
    }
}
