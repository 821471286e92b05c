//! Taking records away when pin53, or its machine, goes: only while they are as they were written.
//!
//! Not here: when that is (`daemon`).

use std::collections::BTreeMap;

use crate::apply::{Applied, apply};
use crate::aws::route53::{self, Change, ChangeInfo, ZoneFinder};
use crate::causes::with_causes;
use crate::desired::{Rule, Wish};
use crate::dns::{RecordSet, RecordType, ZoneId};
use crate::plan::{marker, withdrawal};
use crate::report::{Class, Entry, Failure, Outcome, Values};

use super::{Due, Mode, Reconciler, blank, concerns_all};

/// A record that is to be taken away.
struct Going<'a> {
    place: usize,
    rule: &'a Rule,
    record: RecordSet,
    changes: Vec<Change>,
}

impl Reconciler {
    /// Takes the records of some rules away, by an exact DELETE of what this process wrote or read as
    /// wanted, and reports in the order given. What is there in another form stays.
    pub async fn withdraw(&self, due: &[Due]) -> Vec<Entry> {
        let mut entries: BTreeMap<usize, Entry> = BTreeMap::new();
        let mut zones: BTreeMap<ZoneId, Vec<(usize, &Due, &Rule)>> = BTreeMap::new();
        let mut finder = ZoneFinder::new(&self.client);
        for (place, due) in due.iter().enumerate() {
            let (Some(rule), Ok(key)) = (self.rules.get(due.rule), &due.look.key) else { continue };
            match finder.find(&key.name, &rule.zone, rule.private).await {
                Ok(found) => zones.entry(found.id).or_default().push((place, due, rule)),
                Err(error) => {
                    entries.insert(place, failed(rule, due, &Failure::of(&error)));
                }
            }
        }
        for (zone, leaving) in zones {
            // Changes to one zone never overlap.
            let gate = self.gate(&zone);
            let _held = gate.lock().await;
            let mut going = Vec::new();
            for (place, due, rule) in leaving {
                match self.going(&zone, place, due, rule).await {
                    Ok(one) => going.push(one),
                    Err(entry) => {
                        entries.insert(place, *entry);
                    }
                }
            }
            entries.extend(self.take_away(&zone, going).await);
        }
        entries.into_values().collect()
    }

    /// What to delete for one rule, or why nothing.
    async fn going<'a>(
        &self,
        zone: &ZoneId,
        place: usize,
        due: &Due,
        rule: &'a Rule,
    ) -> Result<Going<'a>, Box<Entry>> {
        let Ok(key) = &due.look.key else { return Err(Box::new(kept(rule, None, "its name isn't known"))) };
        let failed = |error: &route53::Error| Box::new(failed(rule, due, &Failure::of(error)));
        let confirmed = self.confirmed().get(key).cloned();
        let record = if let Some(confirmed) = confirmed {
            confirmed.set
        } else {
            // Nothing was decided about it yet by this process: it is ours if it is what would be written.
            let there = self.client.occupant(zone, key).await.map_err(|error| failed(&error))?;
            match (there.filter(|there| there.key() == *key), rule.wish(key, &due.look.observation)) {
                (Some(there), Wish::Present(wish)) if there.is_equivalent(&wish) => there,
                (there, _) => return Err(Box::new(not_ours(rule, due, there.as_ref()))),
            }
        };
        let owner = rule.terms.owner.as_ref();
        let mut texts = Vec::new();
        if owner.is_some() {
            // Beside a CNAME stands nothing that could say whose it is.
            let here = (key.rtype != RecordType::Cname).then(|| key.name.clone());
            for name in marker::name(&key.name, key.rtype).ok().into_iter().chain(here) {
                texts.extend(self.client.sets_at(zone, &name).await.map_err(|error| failed(&error))?);
            }
        }
        match withdrawal(&record, owner, &texts) {
            Ok(changes) => Ok(Going { place, rule, record, changes }),
            Err(why) => {
                Err(Box::new(Entry { name: key.name.to_string(), ..kept(rule, Some(&record), &why) }))
            }
        }
    }

    /// Deletes all at once, and one by one where that is refused.
    async fn take_away(&self, zone: &ZoneId, going: Vec<Going<'_>>) -> Vec<(usize, Entry)> {
        let mut entries = Vec::with_capacity(going.len());
        if self.mode == Mode::Say {
            let say = |going: Going<'_>| (going.place, gone(&going, Outcome::WouldChange, None));
            return going.into_iter().map(say).collect();
        }
        let mut waiting = if going.is_empty() { Vec::new() } else { vec![going] };
        while let Some(mut batch) = waiting.pop() {
            let changes: Vec<Change> = batch.iter().flat_map(|going| &going.changes).cloned().collect();
            let failure = match apply(&self.client, zone, &changes).await {
                Applied::Accepted(info) => {
                    for going in batch {
                        self.confirm(&going.record, None);
                        entries.push((going.place, gone(&going, Outcome::Changed, Some(&info))));
                    }
                    continue;
                }
                Applied::LostRace(_) | Applied::Refused(_) if batch.len() > 1 => {
                    waiting.push(batch.split_off(batch.len() / 2));
                    waiting.push(batch);
                    continue;
                }
                Applied::LostRace(_) => {
                    for going in batch {
                        self.confirm(&going.record, None);
                        let there = self.client.occupant(zone, &going.record.key()).await;
                        let entry = match there {
                            Ok(there) => {
                                let there = there.filter(|there| there.key() == going.record.key());
                                not_as_written(&going, there.as_ref())
                            }
                            Err(error) => failed_going(&going, &Failure::of(&error)),
                        };
                        entries.push((going.place, entry));
                    }
                    continue;
                }
                Applied::Refused(error) => Failure::of(&route53::Error::Service(error)),
                Applied::Lost(lost) => {
                    // Another attempt finds it gone, or takes it away.
                    let reason = format!("the answer to its withdrawal was lost: {}", with_causes(&lost));
                    Failure::because(Outcome::Unconfirmed, Class::TryAgain, reason)
                }
                Applied::Failed(error) => {
                    let failure = Failure::of(&error);
                    if concerns_all(&error) {
                        batch.extend(waiting.drain(..).flatten());
                    }
                    failure
                }
                Applied::Unsent(error) => {
                    Failure::because(Outcome::Failed, Class::Other, with_causes(&error))
                }
            };
            entries.extend(batch.iter().map(|going| (going.place, failed_going(going, &failure))));
        }
        entries
    }
}

fn gone(going: &Going<'_>, outcome: Outcome, answered: Option<&ChangeInfo>) -> Entry {
    Entry {
        before: Values::of(&going.record),
        change_id: answered.map(|info| info.id.clone()),
        request_id: answered.and_then(|info| info.request_id.clone()),
        reason: Some("withdrawn".to_owned()),
        ..blank(&going.record.name, going.record.rtype, outcome, Class::Fine)
    }
}

fn not_as_written(going: &Going<'_>, there: Option<&RecordSet>) -> Entry {
    let mut entry = kept(going.rule, there, "");
    going.record.name.to_string().clone_into(&mut entry.name);
    entry
}

fn not_ours(rule: &Rule, due: &Due, there: Option<&RecordSet>) -> Entry {
    let mut entry = kept(rule, there, "");
    if let Ok(key) = &due.look.key {
        entry.name = key.name.to_string();
    }
    entry
}

/// A record that isn't taken away, for what stands there or for a reason.
fn kept(rule: &Rule, there: Option<&RecordSet>, reason: &str) -> Entry {
    let (outcome, reason) = match there {
        _ if !reason.is_empty() => (Outcome::Left, format!("kept: {reason}")),
        Some(_) => {
            (Outcome::Left, "kept: it is not as it was written, so it is somebody else's now".to_owned())
        }
        None => (Outcome::Unchanged, "gone already".to_owned()),
    };
    let values = there.and_then(Values::of);
    Entry {
        before: values.clone(),
        after: values,
        reason: Some(reason),
        ..blank(&rule.name, rule.rtype, outcome, Class::Fine)
    }
}

fn failed(rule: &Rule, due: &Due, failure: &Failure) -> Entry {
    let name = due.look.key.as_ref().map_or_else(|_| rule.name.to_string(), |key| key.name.to_string());
    with_failure(blank(&name, rule.rtype, failure.outcome, failure.class), failure)
}

fn failed_going(going: &Going<'_>, failure: &Failure) -> Entry {
    with_failure(blank(&going.record.name, going.record.rtype, failure.outcome, failure.class), failure)
}

fn with_failure(entry: Entry, failure: &Failure) -> Entry {
    Entry {
        reason: Some(format!("could not be withdrawn: {}", failure.reason)),
        hint: failure.hint.clone(),
        request_id: failure.request_id.clone(),
        topic: failure.topic.clone(),
        ..entry
    }
}
