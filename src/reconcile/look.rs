//! A look: what the sources say, and which record each rule is for.

use std::collections::{BTreeMap, BTreeSet};

use crate::desired::Rule;
use crate::dns::RecordKey;
use crate::pattern::{Facts, Unrendered};
use crate::source::{Changes, Observation, Wanted};

use super::Reconciler;

/// What a look found for one rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// The record that the rule is for, where its name can be told.
    pub key: Result<RecordKey, Unrendered>,
    /// What its sources said.
    pub observation: Observation,
}

impl Look {
    /// Whether it tells what should be, and where.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.key.is_ok() && matches!(self.observation, Observation::Known(_))
    }
}

impl Reconciler {
    /// Waits for what makes a look worth while before its time.
    pub fn changes(&self) -> Changes {
        Changes::of(self.rules.iter().flat_map(|rule| &rule.sources))
    }

    /// Looks at the sources of every rule, and at the metadata that its name is made of.
    pub async fn look(&self) -> Vec<Look> {
        let wanted: Vec<Wanted<'_>> = self.rules.iter().map(wanted).collect();
        let items: BTreeSet<_> = self.rules.iter().flat_map(Rule::items).collect();
        let (observations, facts) = tokio::join!(self.sources.look(&wanted), self.sources.facts(items));
        let looks = keys(&self.rules, &facts).into_iter().zip(observations);
        looks.map(|(key, observation)| Look { key, observation }).collect()
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
