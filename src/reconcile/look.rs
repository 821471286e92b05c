//! A look: what the sources say, and which record each rule is for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::OnceCell;

use crate::desired::Rule;
use crate::dns::RecordKey;
use crate::pattern::{Facts, Unrendered};
use crate::source::{Changes, Notice, NoticesWanted, Observation, Wanted};

use super::Reconciler;

/// Records that are seen within this time of a look go into one change.
const TOGETHER: Duration = Duration::from_secs(1);

/// What a look found for one rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// The record that the rule is for, where its name can be told.
    pub key: Result<RecordKey, Unrendered>,
    /// What its sources said.
    pub observation: Observation,
}

impl Look {
    /// Whether it tells what should be, be it nothing that may, and where.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.key.is_ok() && matches!(self.observation, Observation::Known(_) | Observation::Unfit(_))
    }
}

impl Reconciler {
    /// Waits for what makes a look worth while before its time.
    pub fn changes(&self) -> Changes {
        Changes::of(self.rules.iter().flat_map(|rule| &rule.sources))
    }

    /// The gravest notice there is of the instance's end.
    pub async fn notice(&self, wanted: NoticesWanted) -> Option<Notice> {
        self.sources.notice(wanted).await
    }

    /// Looks at the sources of every rule, and at the metadata that its name is made of.
    pub async fn look(&self) -> Vec<Look> {
        let every: Vec<usize> = (0..self.rules.len()).collect();
        let mut looks = BTreeMap::new();
        self.look_at(&every, |news| looks.extend(news)).await;
        looks.into_values().collect()
    }

    /// Looks at some of the rules, and tells of them by their places: first of all that are seen within a
    /// moment, then of each as it is seen. A slow source keeps no other name waiting.
    pub async fn look_at(&self, places: &[usize], mut tell: impl FnMut(Vec<(usize, Look)>)) {
        let rules = places.iter().filter_map(|place| Some((*place, self.rules.get(*place)?)));
        let inquiry = &self.sources.begin(rules.clone().map(|(_, rule)| wanted(rule)));
        let keys = &OnceCell::new();
        let mut looks: FuturesUnordered<_> = rules
            .map(|(place, rule)| async move {
                let (keys, observation) =
                    tokio::join!(keys.get_or_init(|| self.keys()), inquiry.of(wanted(rule)));
                keys.get(place).map(|key| (place, Look { key: key.clone(), observation }))
            })
            .collect();
        let mut together = Vec::with_capacity(places.len());
        let in_time = async {
            while let Some(look) = looks.next().await {
                together.extend(look);
            }
        };
        // All of them as a rule.
        let _ = tokio::time::timeout(TOGETHER, in_time).await;
        if !together.is_empty() {
            tell(together);
        }
        while let Some(look) = looks.next().await {
            tell(look.into_iter().collect());
        }
    }

    /// Which record each rule is for.
    async fn keys(&self) -> Vec<Result<RecordKey, Unrendered>> {
        let items: BTreeSet<_> = self.rules.iter().flat_map(Rule::items).collect();
        keys(&self.rules, &self.sources.facts(items).await)
    }
}

fn wanted(rule: &Rule) -> Wanted<'_> {
    Wanted { rtype: rule.rtype, sources: &rule.sources, agree: rule.agree }
}

/// Which record each rule is for. Where two are for the same, it is the first one's.
fn keys(rules: &[Rule], facts: &Facts) -> Vec<Result<RecordKey, Unrendered>> {
    let mut owners: BTreeMap<RecordKey, String> = BTreeMap::new();
    let key = |rule: &Rule| {
        let key = rule.key(facts)?;
        if let Some(other) = owners.get(&key) {
            let why = format!("{} comes out as {key}, which is the record of {other} already", rule.name);
            return Err(Unrendered::Unfit(why));
        }
        owners.insert(key.clone(), rule.name.to_string());
        Ok(key)
    };
    rules.iter().map(key).collect()
}
