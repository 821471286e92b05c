//! Hosted zones and what they hold: record sets in Route 53's order, and what DNS already knows of them.
//!
//! Not here: what may be changed (`batch`).

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::dns::{Name, RecordKey, RecordSet, RecordType, SortKey, Target, Ttl, ZoneId};

use super::keys::letters;
use super::xml::Element;

/// A record set as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) set: RecordSet,
    /// The element of a policy of which `dns` knows the name only.
    pub(super) other_policy: Option<Element>,
}

impl From<RecordSet> for Stored {
    fn from(set: RecordSet) -> Self {
        Self { set, other_policy: None }
    }
}

impl Stored {
    /// Whether a DELETE that names `other` means this very set: everything has to be the same, values
    /// letter for letter, though in any order.
    pub(super) fn is_matched_by(&self, other: &Self) -> bool {
        let same_target = match (&self.set.target, &other.set.target) {
            (Target::Values { ttl, values }, Target::Values { ttl: other_ttl, values: other_values }) => {
                let (mut a, mut b) = (values.clone(), other_values.clone());
                a.sort();
                b.sort();
                ttl == other_ttl && a == b
            }
            (a, b) => a == b,
        };
        same_target
            && self.set.key() == other.set.key()
            && self.set.routing == other.set.routing
            && self.set.health_check_id == other.set.health_check_id
            && self.other_policy == other.other_policy
    }
}

/// Where a record set stands among all of its zone's: by name with the labels reversed, type, identifier.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(SortKey, &'static str, Option<String>);

impl Place {
    pub(super) fn of(key: &RecordKey) -> Self {
        Self(key.name.sort_key(), key.rtype.as_str(), key.set_identifier.clone())
    }

    /// The first place that a set of this name could have.
    pub(super) fn first_of(name: &Name) -> Self {
        Self(name.sort_key(), "", None)
    }
}

/// The record sets of a zone, in the order of its lists.
#[derive(Debug, Clone, Default)]
pub(super) struct Records(BTreeMap<Place, Stored>);

impl Records {
    pub(super) fn get(&self, key: &RecordKey) -> Option<&Stored> {
        self.0.get(&Place::of(key))
    }

    pub(super) fn put(&mut self, stored: Stored) {
        self.0.insert(Place::of(&stored.set.key()), stored);
    }

    pub(super) fn remove(&mut self, key: &RecordKey) -> Option<Stored> {
        self.0.remove(&Place::of(key))
    }

    pub(super) fn from<'a>(&'a self, start: &Place) -> impl Iterator<Item = &'a Stored> + use<'a> {
        self.0.range(start..).map(|(_, stored)| stored)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Stored> {
        self.0.values()
    }

    pub(super) fn at<'a>(&'a self, name: &'a Name) -> impl Iterator<Item = &'a Stored> {
        self.from(&Place::first_of(name)).take_while(move |stored| stored.set.name == *name)
    }

    pub(super) fn of_type<'a>(
        &'a self,
        name: &'a Name,
        rtype: RecordType,
    ) -> impl Iterator<Item = &'a Stored> {
        self.at(name).filter(move |stored| stored.set.rtype == rtype)
    }

    /// Whether the name, or one below it, has a record set.
    pub(super) fn has_name(&self, name: &Name) -> bool {
        // Everything below a name follows directly behind it.
        self.from(&Place::first_of(name)).next().is_some_and(|next| next.set.name.is_within(name))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// A network of a private zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Vpc {
    pub(super) region: String,
    pub(super) id: String,
}

/// A hosted zone.
#[derive(Debug)]
pub(super) struct HostedZone {
    pub(super) id: ZoneId,
    pub(super) name: Name,
    pub(super) caller_reference: String,
    pub(super) comment: Option<String>,
    /// Not empty exactly for a private zone.
    pub(super) vpcs: Vec<Vpc>,
    /// The service that made the zone and alone may edit it.
    pub(super) linked_to: Option<String>,
    /// Names and types whose record sets are protected from changes.
    pub(super) protected: Vec<(Name, RecordType)>,
    /// A change to the zone is being carried out.
    pub(super) busy: bool,
    records: Arc<Records>,
    /// What DNS gives, and what it will give from when on.
    published: Arc<Records>,
    coming: VecDeque<(Instant, Arc<Records>)>,
}

impl HostedZone {
    /// A new zone with the two record sets that every zone has.
    pub(super) fn new(id: ZoneId, name: Name, caller_reference: String, vpcs: Vec<Vpc>) -> Self {
        let servers = name_servers(id.as_str());
        let mut records = Records::default();
        let soa = format!("{} awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400", servers[0]);
        records.put(simple(&name, RecordType::Ns, 172_800, servers.to_vec()));
        records.put(simple(&name, RecordType::Soa, 900, vec![soa]));
        let records = Arc::new(records);
        Self {
            id,
            name,
            caller_reference,
            comment: None,
            vpcs,
            linked_to: None,
            protected: Vec::new(),
            busy: false,
            published: Arc::clone(&records),
            records,
            coming: VecDeque::new(),
        }
    }

    pub(super) fn is_private(&self) -> bool {
        !self.vpcs.is_empty()
    }

    /// What the API gives: every change that was accepted.
    pub(super) fn records(&self) -> &Records {
        &self.records
    }

    /// Replaces the record sets; DNS knows of it from `visible` on.
    pub(super) fn set_records(&mut self, records: Records, visible: Instant) {
        self.records = Arc::new(records);
        // Where nobody asks over DNS, what is visible by now is let go of here.
        self.published(Instant::now());
        self.coming.push_back((visible, Arc::clone(&self.records)));
    }

    /// What DNS gives at `now`.
    pub(super) fn published(&mut self, now: Instant) -> Arc<Records> {
        while self.coming.front().is_some_and(|(visible, _)| *visible <= now) {
            if let Some((_, records)) = self.coming.pop_front() {
                self.published = records;
            }
        }
        Arc::clone(&self.published)
    }

    /// The zone's name servers, from its own record set.
    pub(super) fn delegation(&self) -> Vec<String> {
        let key = RecordKey::simple(self.name.clone(), RecordType::Ns);
        match self.records.get(&key).map(|stored| &stored.set.target) {
            Some(Target::Values { values, .. }) => {
                values.iter().map(|v| v.trim_end_matches('.').to_owned()).collect()
            }
            _ => Vec::new(),
        }
    }
}

fn simple(name: &Name, rtype: RecordType, ttl: u32, values: Vec<String>) -> Stored {
    let ttl = Ttl::new(u64::from(ttl)).unwrap_or(Ttl::MAX);
    RecordSet::simple(name.clone(), rtype, ttl, values).into()
}

/// Four names in the pattern of Route 53's.
fn name_servers(zone: &str) -> [String; 4] {
    let spread = letters(zone, 4);
    let mut numbers = spread.bytes().map(u16::from);
    [("com", 0), ("net", 512), ("org", 1024), ("co.uk", 1536)].map(|(domain, base)| {
        let number = base + numbers.next().unwrap_or_default();
        format!("ns-{number}.awsdns-{:02}.{domain}.", number % 64)
    })
}

/// A change that was accepted.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) submitted: Timestamp,
    pub(super) comment: Option<String>,
    pub(super) in_sync: Instant,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_zone_has_its_two_record_sets() {
        let zone = HostedZone::new(
            ZoneId::parse("Z1").unwrap(),
            Name::parse("example.com").unwrap(),
            "r".to_owned(),
            Vec::new(),
        );
        let types: Vec<_> = zone.records().all().map(|s| s.set.rtype).collect();
        assert_eq!(types, [RecordType::Ns, RecordType::Soa]);
        assert_eq!(zone.delegation().len(), 4);
        assert!(!zone.is_private());
    }

    #[test]
    fn a_name_exists_when_something_lies_below_it() {
        let mut records = Records::default();
        let name = |text: &str| Name::parse(text).unwrap();
        records.put(simple(&name("a.b.example.com"), RecordType::A, 60, vec!["192.0.2.1".to_owned()]));
        assert!(records.has_name(&name("b.example.com")));
        assert!(records.has_name(&name("a.b.example.com")));
        assert!(!records.has_name(&name("c.example.com")));
        assert!(!records.has_name(&name("a-b.example.com")));
        assert!(!records.has_name(&name("x.a.b.example.com")));
    }
}
