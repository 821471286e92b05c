//! Which hosted zone a name belongs into.
//!
//! Zones are listed by name in the order of their labels from the right, so everything at and
//! below a name stands together: one page that begins at `example.com` shows each zone that
//! `a.b.example.com` may belong into, however many zones the account has.

use std::collections::HashMap;

use super::client::{Client, Error};
use super::error::{Kind, ServiceError};
use super::network::Networks;
use super::response::ZonePage;
use super::xml;
use crate::dns::{Name, Zone, ZoneId};
use crate::imds::Network;

/// More pages of a hundred zones than any account has.
pub(super) const MOST_PAGES: usize = 1000;

/// How a record's hosted zone is chosen.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ZoneChoice {
    /// This one.
    Id(ZoneId),
    /// The one of this name.
    Named(Name),
    /// The one with the longest name that the record's name lies within.
    Longest,
}

/// Where a page begins: at a name, and among several zones of it at an id.
type Position = (Name, Option<ZoneId>);

/// A zone, and how fresh the knowledge of it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub id: ZoneId,
    pub age: Age,
}

/// When a zone was looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// Just now, or it was given and never looked up.
    Fresh,
    /// In an earlier round of this process.
    Known,
    /// By an earlier process, perhaps with other credentials.
    Inherited,
}

/// Finds the zones of one round's names, asking for nothing twice.
pub struct ZoneFinder<'a> {
    client: &'a Client,
    pages: HashMap<Position, ZonePage>,
    /// All zones, where listing them by name isn't permitted.
    all: Option<Vec<Zone>>,
    networks: Networks,
}

impl<'a> ZoneFinder<'a> {
    #[must_use]
    pub fn new(client: &'a Client) -> Self {
        Self { client, pages: HashMap::new(), all: None, networks: Networks::default() }
    }

    /// The zone for `name`, as remembered or looked up. What is remembered may be out of date.
    ///
    /// # Errors
    /// [`Error::NoZone`], [`Error::SeveralZones`] naming the candidates, [`Error::Network`] where it isn't known
    /// which of them is seen from here, or what kept it from being looked up.
    pub async fn find(&mut self, name: &Name, choice: &ZoneChoice, private: bool) -> Result<Found, Error> {
        let client = self.client;
        if let Some(found) = client.known_zone(name, choice, private) {
            return Ok(found);
        }
        let mut wanted = wanted(name, choice, private);
        // A copied disk may have carried the memory into another network.
        if private
            && client.knows_zone_of_a_network(&wanted)
            && self.networks.own(client).await.is_ok()
            && let Some(found) = client.known_zone(name, choice, private)
        {
            return Ok(found);
        }
        let within = match choice {
            ZoneChoice::Named(zone) => self.zones_of(zone, zone).await?,
            _ => self.zones_of(name, &upmost(name)).await?,
        };
        let zone = match pick(within, name, choice, private)? {
            Picked::One(zone) => zone,
            Picked::OneOf(candidates) => {
                let (zone, network) = self.networks.choose(client, asked(name, choice), &candidates).await?;
                wanted = wanted_in(&wanted, &network);
                zone
            }
        };
        if let Some(endpoint) = client.locator.known() {
            client.state.set_zone(&endpoint.url, &wanted, &zone.id);
        }
        Ok(Found { id: zone.id, age: Age::Fresh })
    }

    /// Every zone at or above `name`, down from `start`.
    async fn zones_of(&mut self, name: &Name, start: &Name) -> Result<Vec<Zone>, Error> {
        if self.all.is_none() {
            match self.seek(name, start).await {
                Err(Error::Service(error)) if is_not_permitted(&error) => {
                    self.all = Some(self.list_all().await?);
                }
                found => return found,
            }
        }
        let all = self.all.as_deref().unwrap_or_default();
        Ok(all.iter().filter(|zone| name.is_within(&zone.name)).cloned().collect())
    }

    async fn seek(&mut self, name: &Name, start: &Name) -> Result<Vec<Zone>, Error> {
        let mut found: Vec<Zone> = Vec::new();
        let mut position: Position = (start.clone(), None);
        loop {
            let page = self.page(&position).await?;
            found.extend(page.zones.iter().filter(|zone| name.is_within(&zone.name)).cloned());
            let Some(next) = page.next_name.clone() else { break };
            if next.0.sort_key() > name.sort_key() {
                break;
            }
            // Zones in between that don't lead to the name are leapt over.
            let ancestor = ancestors(name).rev().find(|ancestor| ancestor.sort_key() >= next.0.sort_key());
            let leap = ancestor.map(|ancestor| if ancestor == next.0 { next } else { (ancestor, None) });
            match leap.filter(|leap| !self.pages.contains_key(leap)) {
                Some(leap) => position = leap,
                None => break,
            }
        }
        // A zone that is a top-level name itself is rare (`internal`), and worth a page only then.
        if found.is_empty()
            && let Some(top) = start.parent()
        {
            let page = self.page(&(top, None)).await?;
            found.extend(page.zones.iter().filter(|zone| name.is_within(&zone.name)).cloned());
        }
        Ok(found)
    }

    async fn page(&mut self, position: &Position) -> Result<&ZonePage, Error> {
        let page = match self.pages.remove(position) {
            Some(page) => page,
            None => self.client.zones_by_name(&position.0, position.1.as_ref()).await?,
        };
        Ok(self.pages.entry(position.clone()).or_insert(page))
    }

    async fn list_all(&self) -> Result<Vec<Zone>, Error> {
        let mut zones = Vec::new();
        let mut marker: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let page = self.client.zones_by_id(marker.as_deref()).await?;
            zones.extend(page.zones);
            marker = page.next_marker;
            if marker.is_none() {
                return Ok(zones);
            }
        }
        Err(Error::Unreadable(xml::Error::Malformed("a list of hosted zones without end".to_owned())))
    }
}

impl Client {
    /// The zone for `name` where it takes no request to find: it is given, or remembered.
    #[must_use]
    pub fn known_zone(&self, name: &Name, choice: &ZoneChoice, private: bool) -> Option<Found> {
        if let ZoneChoice::Id(id) = choice {
            return Some(Found { id: id.clone(), age: Age::Fresh });
        }
        let url = &self.locator.known()?.url;
        let wanted = wanted(name, choice, private);
        let of_network = || {
            let network = self.locator.metadata().seen_network().filter(|_| private)?;
            self.state.zone(url, &wanted_in(&wanted, network))
        };
        let (id, learnt) = self.state.zone(url, &wanted).or_else(of_network)?;
        Some(Found { id, age: if learnt { Age::Known } else { Age::Inherited } })
    }

    /// Whether a zone is remembered that was chosen by a network.
    fn knows_zone_of_a_network(&self, wanted: &str) -> bool {
        let known = self.locator.known();
        known.is_some_and(|endpoint| self.state.knows_zone_like(&endpoint.url, &in_some_network(wanted)))
    }

    /// Forgets the zone remembered for `name`, which the service doesn't know, or doesn't let these
    /// credentials near.
    pub fn forget_zone(&self, name: &Name, choice: &ZoneChoice, private: bool) {
        if let Some(endpoint) = self.locator.known() {
            let wanted = wanted(name, choice, private);
            self.state.forget_zone(&endpoint.url, &wanted);
            if let Some(network) = self.locator.metadata().seen_network() {
                self.state.forget_zone(&endpoint.url, &wanted_in(&wanted, network));
            }
        }
    }
}

/// A zone's own name servers, which are asked for once and remembered.
impl Client {
    /// Those that are remembered.
    #[must_use]
    pub fn known_name_servers(&self, zone: &ZoneId) -> Option<Vec<String>> {
        self.state.name_servers(&self.locator.known()?.url, zone)
    }

    /// The host names of a zone's name servers, as remembered or looked up.
    ///
    /// # Errors
    /// What kept them from being looked up.
    pub async fn name_servers(&self, zone: &ZoneId) -> Result<Vec<String>, Error> {
        if let Some(known) = self.known_name_servers(zone) {
            return Ok(known);
        }
        let found = self.apex(zone).await?.map(|apex| apex.name_servers).unwrap_or_default();
        if let Some(endpoint) = self.locator.known() {
            self.state.set_name_servers(&endpoint.url, zone, Some(&found));
        }
        Ok(found)
    }

    /// Forgets them.
    pub fn forget_name_servers(&self, zone: &ZoneId) {
        if let Some(endpoint) = self.locator.known() {
            self.state.set_name_servers(&endpoint.url, zone, None);
        }
    }
}

/// What a finding is remembered under.
fn wanted(name: &Name, choice: &ZoneChoice, private: bool) -> String {
    let view = if private { "private" } else { "public" };
    match choice {
        ZoneChoice::Named(zone) => format!("{view} zone {zone}"),
        _ => format!("{view} zone of {name}"),
    }
}

/// The same for one that was chosen by the instance's network.
fn wanted_in(wanted: &str, network: &Network) -> String {
    format!("{}{network}", in_some_network(wanted))
}

fn in_some_network(wanted: &str) -> String {
    format!("{wanted} in ")
}

/// The name that zones were looked for by.
fn asked<'a>(name: &'a Name, choice: &'a ZoneChoice) -> &'a Name {
    match choice {
        ZoneChoice::Named(zone) => zone,
        _ => name,
    }
}

/// What a choice leaves.
enum Picked {
    One(Zone),
    /// Several private ones of one name, each for other networks.
    OneOf(Vec<Zone>),
}

/// Zones, for people.
pub(super) fn listed(zones: &[Zone]) -> String {
    zones.iter().map(|zone| format!("{} ({})", zone.id, zone.name)).collect::<Vec<_>>().join(", ")
}

fn pick(zones: Vec<Zone>, name: &Name, choice: &ZoneChoice, private: bool) -> Result<Picked, Error> {
    let fits = |zone: &Zone| match choice {
        ZoneChoice::Named(wanted) => zone.name == *wanted,
        _ => true,
    };
    let (mut seen, others): (Vec<Zone>, Vec<Zone>) =
        zones.into_iter().filter(|zone| fits(zone) && !zone.linked).partition(|zone| zone.private == private);
    let longest = seen.iter().map(|zone| zone.name.labels().count()).max();
    seen.retain(|zone| Some(zone.name.labels().count()) == longest);
    let asked = asked(name, choice).clone();
    match seen.len() {
        1 => Ok(Picked::One(seen.swap_remove(0))),
        0 => {
            let private = (!private && !others.is_empty()).then(|| listed(&others));
            Err(Error::NoZone { name: asked, private })
        }
        _ if private => Ok(Picked::OneOf(seen)),
        _ => Err(Error::SeveralZones { name: asked, candidates: listed(&seen), told: None }),
    }
}

/// Whether the account's policy knows only the older list of zones.
pub(super) fn is_not_permitted(error: &ServiceError) -> bool {
    error.kind() == Kind::Denied
}

/// The name itself and what it lies below, longest first.
fn ancestors(name: &Name) -> impl DoubleEndedIterator<Item = Name> + use<> {
    std::iter::successors(Some(name.clone()), Name::parent).collect::<Vec<_>>().into_iter()
}

/// The shortest name above `name` under which accounts have zones of their own: two labels.
fn upmost(name: &Name) -> Name {
    ancestors(name).rev().nth(1).unwrap_or_else(|| name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(id: &str, name: &str, private: bool) -> Zone {
        Zone { id: ZoneId::parse(id).unwrap(), name: Name::parse(name).unwrap(), private, linked: false }
    }

    fn pick_for(zones: Vec<Zone>, private: bool) -> Result<String, String> {
        let name = Name::parse("vpn.eu.example.com").unwrap();
        match pick(zones, &name, &ZoneChoice::Longest, private) {
            Ok(Picked::One(zone)) => Ok(zone.id.to_string()),
            Ok(Picked::OneOf(zones)) => Ok(format!("one of {}", listed(&zones))),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn the_longest_public_zone_is_taken_unless_a_private_one_is_asked_for() {
        let zones = || {
            vec![
                zone("Z1", "example.com", false),
                zone("Z2", "eu.example.com", false),
                zone("Z3", "vpn.eu.example.com", true),
            ]
        };
        assert_eq!(pick_for(zones(), false).unwrap(), "Z2");
        assert_eq!(pick_for(zones(), true).unwrap(), "Z3");
    }

    #[test]
    fn several_equals_are_an_error_that_lists_them() {
        let zones = vec![zone("Z1", "example.com", false), zone("Z2", "example.com", false)];
        assert_eq!(
            pick_for(zones, false).unwrap_err(),
            "several hosted zones for vpn.eu.example.com: Z1 (example.com), Z2 (example.com)"
        );
    }

    #[test]
    fn several_private_equals_are_for_different_networks() {
        let zones = vec![
            zone("Z1", "example.com", true),
            zone("Z2", "example.com", false),
            zone("Z3", "example.com", true),
        ];
        assert_eq!(pick_for(zones, true).unwrap(), "one of Z1 (example.com), Z3 (example.com)");
    }

    #[test]
    fn where_only_private_zones_match_the_error_says_so() {
        assert_eq!(
            pick_for(vec![zone("Z1", "example.com", true)], false).unwrap_err(),
            "no hosted zone for vpn.eu.example.com that is public (private: Z1 (example.com))"
        );
        assert_eq!(pick_for(vec![], true).unwrap_err(), "no hosted zone for vpn.eu.example.com");
    }

    #[test]
    fn a_zone_of_another_service_is_not_taken() {
        let linked = Zone { linked: true, ..zone("Z2", "eu.example.com", false) };
        assert_eq!(pick_for(vec![zone("Z1", "example.com", false), linked], false).unwrap(), "Z1");
    }

    #[test]
    fn the_search_begins_two_labels_down() {
        assert_eq!(upmost(&Name::parse("a.b.example.com").unwrap()).as_str(), "example.com");
        assert_eq!(upmost(&Name::parse("host.internal").unwrap()).as_str(), "host.internal");
        assert_eq!(upmost(&Name::parse("internal").unwrap()).as_str(), "internal");
    }
}
