//! What to change: a pure function of what is wanted and what is there.
//!
//! Laws, held in `laws`: carrying out the changes for a wish satisfies it; a second look finds
//! nothing to do; nothing is touched but the record set that the wish names and its marker, and, where
//! replacing is asked for, the sets of that very name and their markers of the same owner.
//!
//! Where a record has an owner, it and its marker change together: each is taken away as it was read and made
//! again, even if only the other is to change. So a batch that was planned on what is no longer so, be it the
//! record or whose it is, is refused by Route 53, and a plan may build on what is only remembered. What no
//! batch can hold is that nothing came to stand where nothing stood: the older form of a marker, at the name
//! itself, can come beside an address at any time, so that all that stands at the name is asked for anew before each
//! change of one ([`Current::recalled`]). A CNAME stands alone, and that it is still there says so.
//!
//! Should Route 53 refuse a batch that makes the same again, which nobody has written down, the change goes without
//! that ([`without_assertions`]), once a fresh look has shown the very state that the batch named.

#[cfg(test)]
mod laws;
pub mod marker;
mod obstacle;

use std::collections::{BTreeSet, HashMap};

use crate::aws::route53::Change;
use crate::desired::{OnConflict, Owner, Terms};
use crate::dns::{Name, Policy, RecordKey, RecordSet, RecordType, Target, Ttl};
use obstacle::{Obstacle, Relation, relation};

/// What is known of a zone's record sets, by name.
#[derive(Debug, Clone, Default)]
pub struct Current {
    by_name: HashMap<Name, Known>,
}

#[derive(Debug, Clone, Default)]
struct Known {
    sets: Vec<RecordSet>,
    /// There are no others at this name.
    is_whole: bool,
}

impl Current {
    /// What is known to stand at `name`.
    #[must_use]
    pub fn at(&self, name: &Name) -> &[RecordSet] {
        self.by_name.get(name).map_or(&[], |known| &known.sets)
    }

    /// The set of this key, if it is known to be there.
    #[must_use]
    pub fn get(&self, key: &RecordKey) -> Option<&RecordSet> {
        self.at(&key.name).iter().find(|set| set.key() == *key)
    }

    /// Takes in everything that stands at `name`.
    pub fn know_all(&mut self, name: Name, sets: Vec<RecordSet>) {
        self.by_name.insert(name, Known { sets, is_whole: true });
    }

    /// What is known of `wish` by `sets` that stood there once. That its marker was among them is as good as
    /// all that stands at the marker's name: a plan that builds on it takes it away.
    #[must_use]
    pub fn recalled(wish: &RecordSet, terms: &Terms, sets: Vec<RecordSet>) -> Self {
        let marks = |set: &&RecordSet| terms.owner.as_ref().is_some_and(|by| marker::marks(set, wish, by));
        let marker = sets.iter().find(marks).cloned();
        let mut current: Self = sets.into_iter().collect();
        if let Some(marker) = marker {
            current.know_all(marker.name.clone(), vec![marker]);
        }
        current
    }

    /// The texts that tell whose `wish` is, as far as they are known: at its name and at its marker's.
    pub fn texts<'a>(&'a self, wish: &RecordSet) -> impl Iterator<Item = &'a RecordSet> {
        let places = [Some(wish.name.clone()), marker::name(&wish.name, wish.rtype).ok()];
        let sets = places.into_iter().flatten().flat_map(|name| self.at(&name));
        sets.filter(|set| set.rtype == RecordType::Txt)
    }

    fn knows_all(&self, name: &Name) -> bool {
        self.by_name.get(name).is_some_and(|known| known.is_whole)
    }
}

/// Sets beside which there may be others: the first that stands in the way or is the one in question,
/// where there is any.
impl FromIterator<RecordSet> for Current {
    fn from_iter<I: IntoIterator<Item = RecordSet>>(sets: I) -> Self {
        let mut by_name: HashMap<Name, Known> = HashMap::new();
        for set in sets {
            by_name.entry(set.name.clone()).or_default().sets.push(set);
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
    /// All that stands at these names has to be known first.
    Unclear(BTreeSet<Name>),
}

/// What brings about `wish`, given what is there now.
#[must_use]
pub fn diff(wish: &RecordSet, terms: &Terms, current: &Current) -> Plan {
    let (mut itself, mut siblings, mut obstacles) = (None, Vec::new(), Vec::new());
    for set in current.at(&wish.name) {
        match relation(wish, set) {
            Relation::Itself => itself = Some(set),
            Relation::Sibling => siblings.push(set),
            Relation::Obstacle(obstacle) => obstacles.push(obstacle),
            Relation::Stranger => {}
        }
    }
    let mut unclear: BTreeSet<&Name> = BTreeSet::new();
    let replaces = terms.on_conflict == OnConflict::Replace && !obstacles.is_empty();
    let alone = itself.is_some() && wish.rtype == RecordType::Cname && wish.routing.is_none();
    let needs_company = replaces
        || terms.owner.is_some() && !alone
        || wish.routing.is_some() && itself.is_none_or(|set| needs_siblings(wish, set));
    if needs_company && !current.knows_all(&wish.name) {
        unclear.insert(&wish.name);
    }
    let marker = match terms.owner.as_ref().map(|owner| marker::for_record(wish, owner)).transpose() {
        Ok(marker) => marker,
        Err(error) => return Plan::Refused(format!("its ownership marker has no name: {error}")),
    };
    if let Some(marker) = &marker
        && current.at(&wish.name).iter().any(|set| set.rtype == RecordType::Soa)
    {
        return Plan::Refused(format!(
            "its ownership marker would stand at {}, outside the zone of which this is the own name (its apex): \
             leave owner out of this record",
            marker.name
        ));
    }
    let beside = if replaces { markers_of(&obstacles, marker.as_ref()) } else { BTreeSet::new() };
    let places: Vec<&Name> = marker.iter().map(|marker| &marker.name).chain(&beside).collect();
    unclear.extend(places.into_iter().filter(|name| !current.knows_all(name)));
    if !unclear.is_empty() {
        return Plan::Unclear(unclear.into_iter().cloned().collect());
    }

    let mut changes = Vec::new();
    if (terms.owner.is_some() || replaces)
        && let Some(why) = foreign(current.at(&wish.name), terms.owner.as_ref())
    {
        return Plan::Refused(why);
    }
    if let Some(why) = refusal(&obstacles, terms.on_conflict) {
        return Plan::Refused(why);
    }
    changes.extend(obstacles.iter().map(|obstacle| Change::Delete(obstacle.set.clone())));
    for name in &beside {
        if let Some(why) = foreign(current.at(name), terms.owner.as_ref()) {
            return Plan::Refused(why);
        }
        let gone = current.at(name).iter().filter(|set| {
            marker::owner(set).is_some()
                && obstacles.iter().any(|o| o.set.key().set_identifier == set.key().set_identifier)
        });
        changes.extend(gone.cloned().map(Change::Delete));
    }
    let fitted = with_ttl_of(siblings.into_iter(), wish);
    let (mut creates, mut right) = (Vec::new(), Vec::new());
    match itself {
        Some(set) if set.is_equivalent(&fitted) => right.push(set),
        _ => {
            changes.extend(itself.cloned().map(Change::Delete));
            creates.push(Change::Create(fitted));
        }
    }
    if let (Some(marker), Some(owner)) = (marker, &terms.owner) {
        match marker_changes(&marker, owner, current.at(&marker.name)) {
            Ok(Marking { stale, there, new }) => {
                changes.extend(stale.into_iter().cloned().map(Change::Delete));
                creates.extend(new.map(Change::Create));
                right.extend(there);
            }
            Err(why) => return Plan::Refused(why),
        }
        if !changes.is_empty() || !creates.is_empty() {
            changes.extend(right.iter().map(|set| Change::Delete(RecordSet::clone(set))));
            creates.extend(right.into_iter().cloned().map(Change::Create));
        }
    }
    changes.extend(creates);
    if changes.is_empty() { Plan::Nothing } else { Plan::Changes(changes) }
}

/// Some changes without those that only assert that a set is as it was read: taken away and made again the same.
#[must_use]
pub fn without_assertions(changes: &[Change]) -> Vec<Change> {
    let is_assertion = |change: &Change| match change {
        Change::Delete(set) => changes.contains(&Change::Create(set.clone())),
        Change::Create(set) => changes.contains(&Change::Delete(set.clone())),
    };
    changes.iter().filter(|change| !is_assertion(change)).cloned().collect()
}

/// What takes `record` away, which is as it was written, with its marker where that is among `texts`: what
/// stands at the name and at the marker's.
///
/// # Errors
/// Why it stays: it has become another owner's.
pub fn withdrawal(
    record: &RecordSet,
    owner: Option<&Owner>,
    texts: &[RecordSet],
) -> Result<Vec<Change>, String> {
    let mut gone = vec![record];
    if let Some(owner) = owner
        && let Ok(marker) = marker::for_record(record, owner)
    {
        let marks = |set: &&RecordSet| {
            let id = set.key().set_identifier;
            set.name == marker.name && (id.is_none() || id == marker.key().set_identifier)
        };
        let at_name = |set: &&RecordSet| set.name == record.name;
        if let Some(why) = foreign(texts.iter().filter(|set| at_name(set) || marks(set)), Some(owner)) {
            return Err(why);
        }
        let own = |set: &&RecordSet| set.key() == marker.key() && marker::owner(set).is_some();
        gone.extend(texts.iter().filter(own));
    }
    Ok(gone.into_iter().cloned().map(Change::Delete).collect())
}

/// Whether the other members of a routed set matter for a member that is there.
fn needs_siblings(wish: &RecordSet, itself: &RecordSet) -> bool {
    shares_ttl(wish) && ttl(wish) != ttl(itself)
}

fn ttl(set: &RecordSet) -> Option<Ttl> {
    match &set.target {
        Target::Values { ttl, .. } => Some(*ttl),
        _ => None,
    }
}

/// Whether Route 53 wants the same TTL of all members.
fn shares_ttl(set: &RecordSet) -> bool {
    let policy = set.routing.as_ref().map(|routing| &routing.policy);
    matches!(policy, Some(Policy::Weighted(_) | Policy::Latency { .. }))
}

/// `wish` with the TTL that the set's other members have, where all have to have the same.
fn with_ttl_of<'a>(mut siblings: impl Iterator<Item = &'a RecordSet>, wish: &RecordSet) -> RecordSet {
    let mut fitted = wish.clone();
    if shares_ttl(wish)
        && let Some(shared) = siblings.find_map(ttl)
        && let Target::Values { ttl, .. } = &mut fitted.target
    {
        *ttl = shared;
    }
    fitted
}

/// Why these obstacles stay, if they do.
fn refusal(obstacles: &[Obstacle<'_>], on_conflict: OnConflict) -> Option<String> {
    let staying = obstacles.iter().find(|obstacle| !obstacle.replaceable);
    let first = match on_conflict {
        _ if staying.is_some() => staying,
        OnConflict::Refuse => obstacles.first(),
        OnConflict::Replace => None,
    }?;
    let lift = if first.replaceable { " (on_conflict = \"replace\" takes it out of the way)" } else { "" };
    Some(format!("{}{lift}", first.why))
}

/// The names at which external-dns keeps the markers of what is taken out of the way. An alias is a CNAME
/// to its older versions.
fn markers_of(obstacles: &[Obstacle<'_>], own: Option<&RecordSet>) -> BTreeSet<Name> {
    let types = obstacles.iter().flat_map(|obstacle| {
        let alias = matches!(obstacle.set.target, Target::Alias { .. }).then_some(RecordType::Cname);
        [Some(obstacle.set.rtype), alias].into_iter().flatten().map(|rtype| (&obstacle.set.name, rtype))
    });
    let names = types.filter_map(|(name, rtype)| marker::name(name, rtype).ok());
    names.filter(|name| own.is_none_or(|own| own.name != *name)).collect()
}

/// Why what is marked by one of `sets` is left alone: it is another owner's.
fn foreign<'a>(sets: impl IntoIterator<Item = &'a RecordSet>, own: Option<&Owner>) -> Option<String> {
    sets.into_iter().find_map(|set| {
        let found = marker::owner(set)?;
        (own.map(Owner::as_str) != Some(&*found)).then(|| foreign_words(set, &found, own))
    })
}

fn foreign_words(set: &RecordSet, found: &str, own: Option<&Owner>) -> String {
    let own = own.map_or_else(|| "this record has none".to_owned(), |own| format!("this one's is '{own}'"));
    format!("it belongs to owner '{found}', says the TXT record at {} ({own})", set.name)
}

/// What stands at the marker's name, and what is to.
struct Marking<'a> {
    /// Markers of the same owner in another form.
    stale: Vec<&'a RecordSet>,
    /// The marker, where it is right,
    there: Option<&'a RecordSet>,
    /// and where it isn't.
    new: Option<RecordSet>,
}

/// What to take away and what to make at the marker's name.
fn marker_changes<'a>(
    marker: &RecordSet,
    owner: &Owner,
    sets: &'a [RecordSet],
) -> Result<Marking<'a>, String> {
    let (mut stale, mut siblings, mut there) = (Vec::new(), Vec::new(), None);
    for set in sets.iter().filter(|set| matches!(set.rtype, RecordType::Txt | RecordType::Cname)) {
        let is_other_member = match (&marker.routing, &set.routing) {
            (Some(own), Some(found)) => own.set_identifier != found.set_identifier,
            _ => false,
        };
        match (relation(marker, set), marker::owner(set)) {
            (Relation::Sibling, _) if is_other_member => siblings.push(set),
            (_, Some(found)) if found != owner.as_str() => {
                return Err(foreign_words(set, &found, Some(owner)));
            }
            (Relation::Itself, Some(_)) if marker::has_form_of(set, marker) => there = Some(set),
            (_, Some(_)) => stale.push(set),
            (_, None) => {
                return Err(format!(
                    "a {} record that is no marker stands at {}, where its ownership marker belongs",
                    set.rtype, set.name
                ));
            }
        }
    }
    let new = there.is_none().then(|| with_ttl_of(siblings.into_iter(), marker));
    Ok(Marking { stale, there, new })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::{Policy, Routing, Ttl, ZoneId};

    const TERMS: Terms = Terms { on_conflict: OnConflict::Refuse, owner: None };

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
        match diff(wish, &TERMS, &Current::from_iter([there])) {
            Plan::Refused(why) => why,
            other => panic!("expected a refusal, found {other:?}"),
        }
    }

    #[test]
    fn absent_is_created() {
        let wish = cname(60, "a.example.net");
        assert_eq!(
            diff(&wish, &TERMS, &Current::default()),
            Plan::Changes(vec![Change::Create(wish.clone())])
        );
    }

    #[test]
    fn what_is_equal_is_left_alone_in_any_spelling() {
        let current = Current::from_iter([cname(60, "A.example.NET.")]);
        assert_eq!(diff(&cname(60, "a.example.net"), &TERMS, &current), Plan::Nothing);
    }

    #[test]
    fn another_value_or_ttl_is_an_exact_delete_and_a_create() {
        for there in [cname(60, "Old.example.net."), cname(300, "a.example.net.")] {
            let wish = cname(60, "a.example.net");
            let plan = diff(&wish, &TERMS, &Current::from_iter([there.clone()]));
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
            "a record of type A stands there, and a CNAME stands alone (on_conflict = \"replace\" takes it out of the way)",
            "that is the zone's own name (its apex), where a CNAME can't stand",
            "NS records stand there: it is the zone's own name (its apex) or a zone of its own, where a CNAME can't stand",
            "an alias of type CNAME to lb.example.net stands there (on_conflict = \"replace\" takes it out of the way)",
            "a routed set of type CNAME (member 'blue', weight 1) stands there (on_conflict = \"replace\" takes it out of the way)",
            "a record of type CNAME stands there, and a CNAME stands alone (on_conflict = \"replace\" takes it out of the way)",
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
        assert_eq!(diff(&wish, &TERMS, &current), Plan::Changes(vec![Change::Create(wish.clone())]));
    }
}
