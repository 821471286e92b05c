//! What to change: a pure function of what is wanted and what is there.
//!
//! Laws, tested below: carrying out the changes for a wish satisfies it; a second look finds
//! nothing to do; nothing is touched but the record set that the wish names.

use std::collections::HashMap;

use crate::aws::route53::Change;
use crate::dns::{Name, RecordSet, RecordType, Target};

/// What is known of a zone's record sets, by name.
#[derive(Debug, Clone, Default)]
pub struct Current {
    by_name: HashMap<Name, Vec<RecordSet>>,
}

impl Current {
    /// What stands at `name`.
    #[must_use]
    pub fn at(&self, name: &Name) -> &[RecordSet] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }
}

impl FromIterator<RecordSet> for Current {
    fn from_iter<I: IntoIterator<Item = RecordSet>>(sets: I) -> Self {
        let mut by_name: HashMap<Name, Vec<RecordSet>> = HashMap::new();
        for set in sets {
            by_name.entry(set.name.clone()).or_default().push(set);
        }
        Self { by_name }
    }
}

/// What a wish comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// It is as wanted.
    Nothing,
    /// To be carried out together or not at all.
    Changes(Vec<Change>),
    /// Something stands in the way that isn't pin53's to remove.
    Refused(String),
}

/// What brings about `wish`, given what is there now.
#[must_use]
pub fn diff(wish: &RecordSet, current: &Current) -> Plan {
    let mut replaced = None;
    for set in current.at(&wish.name) {
        if let Some(obstacle) = obstacle(wish, set) {
            return Plan::Refused(obstacle);
        }
        if set.rtype == wish.rtype {
            replaced = Some(set);
        }
    }
    match replaced {
        Some(set) if set.is_equivalent(wish) => Plan::Nothing,
        Some(set) => Plan::Changes(vec![Change::Delete(set.clone()), Change::Create(wish.clone())]),
        None => Plan::Changes(vec![Change::Create(wish.clone())]),
    }
}

/// Why `wish` can't stand where `set` stands; `None` where it can, or takes its place.
fn obstacle(wish: &RecordSet, set: &RecordSet) -> Option<String> {
    if set.rtype != wish.rtype {
        return match (wish.rtype, set.rtype) {
            (RecordType::Cname, RecordType::Soa) => {
                Some("that is the zone's own name (its apex), where a CNAME can't stand".to_owned())
            }
            (RecordType::Cname, RecordType::Ns) => Some(
                "NS records stand there: it is the zone's own name (its apex) or a zone of its own, where a CNAME \
                 can't stand"
                    .to_owned(),
            ),
            (RecordType::Cname, other) => {
                Some(format!("a record of type {other} stands there, and a CNAME stands alone"))
            }
            (_, RecordType::Cname) => Some("a CNAME stands there, and a CNAME stands alone".to_owned()),
            _ => None,
        };
    }
    let rtype = set.rtype;
    match (&set.routing, &set.target) {
        (Some(routing), _) => {
            Some(format!("a routed set of type {rtype} stands there (member '{}')", routing.set_identifier))
        }
        (None, Target::Alias { name, .. }) => {
            Some(format!("an alias of type {rtype} to {name} stands there"))
        }
        (None, Target::TrafficPolicy(id)) => {
            Some(format!("a set of type {rtype} made by traffic policy instance {id} stands there"))
        }
        (None, Target::Values { .. }) if set.health_check_id.is_some() => {
            Some(format!("a record of type {rtype} with a health check stands there"))
        }
        (None, Target::Values { .. }) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::{Policy, Routing, Ttl, ZoneId};
    use proptest::prelude::*;

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    fn set(at: &str, rtype: RecordType, ttl: u64, values: &[&str]) -> RecordSet {
        RecordSet::simple(
            name(at),
            rtype,
            Ttl::new(ttl).unwrap(),
            values.iter().map(|v| (*v).to_owned()).collect(),
        )
    }

    fn cname(ttl: u64, value: &str) -> RecordSet {
        set("vpn.example.com", RecordType::Cname, ttl, &[value])
    }

    fn refusal(wish: &RecordSet, there: RecordSet) -> String {
        match diff(wish, &Current::from_iter([there])) {
            Plan::Refused(why) => why,
            other => panic!("expected a refusal, found {other:?}"),
        }
    }

    #[test]
    fn absent_is_created() {
        let wish = cname(60, "a.example.net");
        assert_eq!(diff(&wish, &Current::default()), Plan::Changes(vec![Change::Create(wish.clone())]));
    }

    #[test]
    fn what_is_equal_is_left_alone_in_any_spelling() {
        let current = Current::from_iter([cname(60, "A.example.NET.")]);
        assert_eq!(diff(&cname(60, "a.example.net"), &current), Plan::Nothing);
    }

    #[test]
    fn another_value_or_ttl_is_an_exact_delete_and_a_create() {
        for there in [cname(60, "Old.example.net."), cname(300, "a.example.net.")] {
            let wish = cname(60, "a.example.net");
            let plan = diff(&wish, &Current::from_iter([there.clone()]));
            assert_eq!(plan, Plan::Changes(vec![Change::Delete(there), Change::Create(wish)]));
        }
    }

    #[test]
    fn what_stands_in_the_way_is_named() {
        let wish = cname(60, "a.example.net");
        let alias = Target::Alias {
            zone_id: ZoneId::parse("Z2").unwrap(),
            name: name("lb.example.net"),
            evaluate_health: false,
        };
        let routing = Routing { set_identifier: "blue".into(), policy: Policy::Weighted(1) };
        let refusals = [
            refusal(&wish, set("vpn.example.com", RecordType::A, 60, &["198.51.100.7"])),
            refusal(&wish, set("vpn.example.com", RecordType::Soa, 900, &["ns. host. 1 2 3 4 5"])),
            refusal(&wish, set("vpn.example.com", RecordType::Ns, 900, &["ns1.example.net."])),
            refusal(&wish, RecordSet { target: alias, ..wish.clone() }),
            refusal(&wish, RecordSet { routing: Some(routing), ..wish.clone() }),
            refusal(&set("vpn.example.com", RecordType::A, 60, &["198.51.100.7"]), wish.clone()),
        ];
        insta::assert_debug_snapshot!(refusals, @r#"
        [
            "a record of type A stands there, and a CNAME stands alone",
            "that is the zone's own name (its apex), where a CNAME can't stand",
            "NS records stand there: it is the zone's own name (its apex) or a zone of its own, where a CNAME can't stand",
            "an alias of type CNAME to lb.example.net stands there",
            "a routed set of type CNAME stands there (member 'blue')",
            "a CNAME stands there, and a CNAME stands alone",
        ]
        "#);
    }

    #[test]
    fn an_address_stands_beside_other_types() {
        let wish = set("vpn.example.com", RecordType::A, 60, &["198.51.100.7"]);
        let current = Current::from_iter([
            set("vpn.example.com", RecordType::Txt, 60, &["\"x\""]),
            set("vpn.example.com", RecordType::Aaaa, 60, &["2001:db8::1"]),
        ]);
        assert_eq!(diff(&wish, &current), Plan::Changes(vec![Change::Create(wish.clone())]));
    }

    /// What Route 53 does with a batch: all of it in order, or nothing.
    fn carry_out(changes: &[Change], sets: &[RecordSet]) -> Option<Vec<RecordSet>> {
        let mut sets = sets.to_vec();
        for change in changes {
            match change {
                Change::Delete(gone) => {
                    let at = sets.iter().position(|set| set == gone)?;
                    sets.remove(at);
                }
                Change::Create(new) if sets.iter().any(|set| set.key() == new.key()) => return None,
                Change::Create(new) => sets.push(new.clone()),
            }
        }
        Some(sets)
    }

    prop_compose! {
        fn any_set()(
            at in prop::sample::select(vec!["a.example.com", "b.example.com", "*.example.com", "example.com"]),
            rtype in prop::sample::select(vec![RecordType::Cname, RecordType::A, RecordType::Aaaa, RecordType::Txt, RecordType::Soa]),
            ttl in prop::sample::select(vec![60u64, 300]),
            value in prop::sample::select(vec!["198.51.100.7", "x.example.net", "X.example.net.", "2001:db8::1", "2001:DB8::1"]),
            form in 0..6u8,
        ) -> RecordSet {
            let mut set = set(at, rtype, ttl, &[value]);
            match form {
                0 => set.routing = Some(Routing { set_identifier: "m".into(), policy: Policy::Multivalue }),
                1 => set.target = Target::Alias { zone_id: ZoneId::parse("Z2").unwrap(), name: name("lb.example.net"), evaluate_health: true },
                _ => {}
            }
            set
        }
    }

    fn any_zone() -> impl Strategy<Value = Vec<RecordSet>> {
        prop::collection::vec(any_set(), 0..8).prop_map(|mut sets| {
            sets.sort_by_key(RecordSet::key);
            sets.dedup_by_key(|set| set.key());
            sets
        })
    }

    fn any_wish() -> impl Strategy<Value = RecordSet> {
        any_set().prop_map(|mut wish| {
            wish.routing = None;
            wish.target = Target::Values { ttl: Ttl::new(60).unwrap(), values: vec!["x.example.net".into()] };
            wish
        })
    }

    proptest! {
        #[test]
        fn carrying_out_the_changes_satisfies_the_wish_and_leaves_nothing_to_do(wish in any_wish(), zone in any_zone()) {
            if let Plan::Changes(changes) = diff(&wish, &zone.iter().cloned().collect()) {
                let after = carry_out(&changes, &zone).expect("the service takes the batch");
                prop_assert!(after.iter().any(|set| set.is_equivalent(&wish)));
                prop_assert_eq!(diff(&wish, &after.into_iter().collect()), Plan::Nothing);
            }
        }

        #[test]
        fn nothing_but_the_set_that_the_wish_names_is_touched(wish in any_wish(), zone in any_zone()) {
            if let Plan::Changes(changes) = diff(&wish, &zone.iter().cloned().collect()) {
                for change in changes {
                    prop_assert_eq!(change.record_set().key(), wish.key());
                    prop_assert!(change.record_set().as_simple().is_some());
                }
            }
        }
    }
}
