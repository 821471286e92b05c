//! Audits over DNS: records that their name servers answer as wanted need no call of the API.

use std::collections::{BTreeMap, BTreeSet};

use crate::audit::{Expected, News, Verdict};
use crate::dns::{RecordSet, RecordType, ZoneId};
use crate::plan::marker;
use crate::report::{self, Entry, Outcome};

use super::{Confirmed, Due, Item, Reconciler, Settled};

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
        let mut zones: BTreeMap<ZoneId, Vec<(Item<'a>, Confirmed, Vec<Expected>)>> = BTreeMap::new();
        for item in std::mem::take(items) {
            match self.auditable(&item) {
                Some((zone, confirmed, expected)) if self.auditor.asks(&zone) => {
                    zones.entry(zone).or_default().push((item, confirmed, expected));
                }
                _ => items.push(item),
            }
        }
        let mut served = Served::default();
        for (zone, asked) in zones {
            let all: Vec<Expected> = asked.iter().flat_map(|(_, _, expected)| expected).cloned().collect();
            let (verdicts, news) = self.auditor.look(&zone, &all).await;
            tell(&zone, news);
            let mut verdicts = verdicts.into_iter();
            for (item, confirmed, expected) in asked {
                let own: Vec<Verdict> = verdicts.by_ref().take(expected.len()).collect();
                if own.iter().all(|verdict| *verdict == Verdict::AsExpected) {
                    served.as_wanted.push(item.unchanged(Some(&confirmed.set)));
                    continue;
                }
                if own.contains(&Verdict::Otherwise) {
                    served.otherwise.insert(item.place, zone.clone());
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
            is_public
                && key.is_some_and(|key| self.confirmed().get(key).is_some_and(|known| is_plain(&known.set)))
        };
        let zones: BTreeSet<ZoneId> = due.iter().filter(simple).filter_map(|due| self.zone_of(due)).collect();
        for zone in zones {
            self.auditor.prepare(&zone).await;
        }
        self.save();
    }

    /// The zone of an item for which DNS can tell, what is known of it, and what its name servers are to answer. It is
    /// public, and was last seen or written as a simple set, as it is wanted: over DNS an alias or a member
    /// of a routed set looks the same. With an owner, its marker was there too, and is asked for beside it; beside an address
    /// also the text at its own name, where the older form of markers stands.
    fn auditable(&self, item: &Item<'_>) -> Option<(ZoneId, Confirmed, Vec<Expected>)> {
        let wish = &item.wish;
        if item.rule.private {
            return None;
        }
        let zone = self.client.known_zone(&wish.name, &item.rule.zone, item.rule.private)?.id;
        let confirmed = self.confirmed().get(&wish.key()).cloned()?;
        let Confirmed { set, texts } = &confirmed;
        if !is_plain(set) || !set.is_equivalent(wish) {
            return None;
        }
        let mut expected = vec![Expected::Set(set.clone())];
        if let Some(owner) = &item.rule.terms.owner {
            let marker = texts.iter().find(|text| marker::marks(text, wish, owner))?;
            expected.push(Expected::Set(marker.clone()));
            // A CNAME stands alone.
            if wish.rtype != RecordType::Cname {
                expected.push(match texts.iter().find(|text| text.name == wish.name) {
                    None => Expected::Nothing(wish.name.clone(), RecordType::Txt),
                    Some(text) if is_plain(text) => Expected::Set(text.clone()),
                    Some(_) => return None,
                });
            }
        }
        Some((zone, confirmed, expected))
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
