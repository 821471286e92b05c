//! Audits over DNS: records that their name servers answer as wanted need no call of the API.

use std::collections::{BTreeMap, BTreeSet};

use crate::audit::{News, Verdict};
use crate::dns::{RecordSet, ZoneId};
use crate::plan::Current;
use crate::report::{self, Entry, Outcome};

use super::{Due, Item, Reconciler, Settled};

/// What the name servers said about the records of a round.
#[derive(Default)]
pub(super) struct Served<'a> {
    /// They answer as wanted.
    pub as_wanted: Vec<Settled<'a>>,
    /// By place in the report: the zone whose servers say otherwise.
    otherwise: BTreeMap<usize, ZoneId>,
}

impl Reconciler {
    /// Takes those items out that are served as wanted. The others are to be asked for.
    pub(super) async fn served<'a>(&self, items: &mut Vec<Item<'a>>) -> Served<'a> {
        let mut zones: BTreeMap<ZoneId, Vec<(Item<'a>, RecordSet)>> = BTreeMap::new();
        for item in std::mem::take(items) {
            match self.auditable(&item) {
                Some((zone, set)) if self.auditor.asks(&zone) => {
                    zones.entry(zone).or_default().push((item, set));
                }
                _ => items.push(item),
            }
        }
        let mut served = Served::default();
        for (zone, mut asked) in zones {
            let sets: Vec<RecordSet> = asked.iter().map(|(_, set)| set.clone()).collect();
            let (verdicts, news) = self.auditor.look(&zone, &sets).await;
            tell(&zone, news);
            for ((item, set), verdict) in asked.drain(..).zip(verdicts) {
                match verdict {
                    Verdict::AsWanted => {
                        let current = Current::from_iter([set]);
                        served.as_wanted.push(self.unchanged(item, &current));
                        continue;
                    }
                    Verdict::Otherwise => {
                        served.otherwise.insert(item.place, zone.clone());
                    }
                    Verdict::Unknown => {}
                }
                items.push(item);
            }
        }
        served
    }

    /// Compares what the name servers said with what the API said then.
    pub(super) fn compare(&self, served: &Served<'_>, entries: &BTreeMap<usize, Entry>) {
        for (place, zone) in &served.otherwise {
            match entries.get(place).map(|entry| entry.outcome) {
                Some(Outcome::Unchanged) => tell(zone, self.auditor.compare(zone, false)),
                Some(Outcome::Changed | Outcome::WouldChange) => {
                    tell(zone, self.auditor.compare(zone, true));
                }
                _ => {}
            }
        }
    }

    /// Learns, ahead of their first audit, the name servers of the zones of some records that were looked after.
    pub async fn prepare_audits(&self, due: &[Due]) {
        let simple = |due: &&Due| {
            let key = due.look.key.as_ref().ok();
            let is_public = self.rules.get(due.rule).is_some_and(|rule| !rule.private);
            is_public && key.is_some_and(|key| self.confirmed().get(key).is_some_and(is_plain))
        };
        let zones: BTreeSet<ZoneId> = due.iter().filter(simple).filter_map(|due| self.zone_of(due)).collect();
        for zone in zones {
            self.auditor.prepare(&zone).await;
        }
        self.save();
    }

    /// The zone and the set of an item for which DNS can tell: it is public, and was last seen or written as a
    /// simple set, as it is wanted. Over DNS an alias or a member of a routed set looks the same.
    fn auditable(&self, item: &Item<'_>) -> Option<(ZoneId, RecordSet)> {
        // A marker is looked at with its record, in one reading.
        if item.rule.private || item.rule.terms.owner.is_some() {
            return None;
        }
        let zone = self.client.known_zone(&item.wish.name, &item.rule.zone, item.rule.private)?.id;
        let set = self.confirmed().get(&item.wish.key()).cloned()?;
        (is_plain(&set) && set.is_equivalent(&item.wish)).then_some((zone, set))
    }
}

/// Whether DNS shows the whole of a set.
fn is_plain(set: &RecordSet) -> bool {
    set.as_simple().is_some() && set.health_check_id.is_none()
}

fn tell(zone: &ZoneId, news: Option<News>) {
    match news {
        Some(News::AskingApi(why)) => report::log_asking_api(zone, &why),
        Some(News::AskingDns) => report::log_asking_dns(zone),
        None => {}
    }
}
