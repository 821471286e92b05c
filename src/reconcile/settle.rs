//! One zone's records: read, planned, changed in batches, and what came of each.

use std::collections::BTreeMap;

use crate::apply::{Applied, apply};
use crate::aws::route53::{self, Change, ChangeInfo, LostAnswer, ServiceError};
use crate::causes::with_causes;
use crate::dns::{Name, RecordKey, RecordSet, RecordType, Target, ZoneId};
use crate::plan::{Current, Plan, diff, marker, without_assertions};
use crate::report::{Class, Entry, Failure, Outcome, Values};

use super::{
    Confirmed, Item, Mode, RACES, Reading, Reconciler, Settled, Stage, blank, concerns_all, refused,
};

/// Records in all of a batch (Developer Guide, DNSLimitations), an alias being one,
const MOST_RECORDS: usize = 1_000;
/// and characters of all their values.
const MOST_CHARACTERS: usize = 32_000;
/// What a plan wants to know more about is asked for so often: the name, then what marks it.
const MOST_LOOKS: usize = 4;

/// A record that is to be changed, and how.
pub(super) struct Planned<'a> {
    item: Item<'a>,
    changes: Vec<Change>,
    /// What was there.
    before: Option<Values>,
    /// What tells whose it is then.
    texts: Vec<RecordSet>,
}

/// What became of a part of a batch.
struct Sent<'a> {
    settled: Vec<Settled<'a>>,
    /// Somebody else was faster, or may have been.
    lost: Vec<Item<'a>>,
}

impl Reconciler {
    /// Brings some records of one zone to where they should be.
    pub(super) async fn settle<'a>(
        &self,
        zone: &ZoneId,
        mut items: Vec<Item<'a>>,
        mut reading: Reading,
    ) -> Vec<Settled<'a>> {
        let mut settled = Vec::new();
        for _ in 0..RACES {
            let mut planned = Vec::new();
            for (item, current) in self.read(zone, std::mem::take(&mut items), reading, &mut settled).await {
                planned.extend(self.plan(zone, item, current, &mut settled).await);
            }
            for batch in batches(planned) {
                let sent = self.send(zone, batch).await;
                settled.extend(sent.settled);
                items.extend(sent.lost);
            }
            if items.is_empty() {
                return settled;
            }
            reading = Reading::Fresh;
        }
        let reason = format!("somebody else changed it {RACES} times while it was being changed");
        let failure = Failure::because(Outcome::Failed, Class::TryAgain, reason);
        settled.extend(items.into_iter().map(|item| item.failed(&failure)));
        settled
    }

    /// What is known of where each item belongs. Those for which that can't be read are settled.
    async fn read<'a>(
        &self,
        zone: &ZoneId,
        items: Vec<Item<'a>>,
        reading: Reading,
        settled: &mut Vec<Settled<'a>>,
    ) -> Vec<(Item<'a>, Current)> {
        let mut read = Vec::with_capacity(items.len());
        let mut waiting = items.into_iter();
        while let Some(item) = waiting.next() {
            if let Some(current) = self.recall(&item, reading) {
                read.push((item, current));
                continue;
            }
            // With an owner, more than the record has to be known: the plan says what.
            if item.rule.terms.owner.is_some() {
                read.push((item, Current::default()));
                continue;
            }
            match self.client.occupant(zone, &item.wish.key()).await {
                Ok(set) => read.push((item, set.into_iter().collect())),
                Err(error) => {
                    let failure = Failure::of(&error);
                    settled.push(item.failed(&failure));
                    if concerns_all(&error) {
                        settled.extend(waiting.by_ref().map(|item| item.failed(&failure)));
                    }
                }
            }
        }
        read
    }

    /// What is known of an item without asking, where a change may be built on that.
    fn recall(&self, item: &Item<'_>, reading: Reading) -> Option<Current> {
        let key = item.wish.key();
        // Whoever waits for a rate that is spent doesn't spend more of it on reading once more.
        let put_off = self.put_off().remove(&key);
        // That it is as wanted is nothing that a change could be refused for: it is read again.
        let put_off = put_off.filter(|sets| !sets.iter().any(|set| set.is_equivalent(&item.wish)));
        let sets = put_off.or_else(|| {
            let known = self.confirmed().get(&key).filter(|_| reading == Reading::Remembered).cloned();
            known.map(|Confirmed { set, texts }| [vec![set], texts].concat())
        })?;
        Some(Current::recalled(&item.wish, &item.rule.terms, sets))
    }

    /// What to change for one record, where there is something to. What isn't known yet and matters is
    /// asked for.
    async fn plan<'a>(
        &self,
        zone: &ZoneId,
        item: Item<'a>,
        mut current: Current,
        settled: &mut Vec<Settled<'a>>,
    ) -> Option<Planned<'a>> {
        let has_owner = item.rule.terms.owner.is_some();
        for _ in 0..MOST_LOOKS {
            match diff(&item.wish, &item.rule.terms, &current) {
                Plan::Nothing => {
                    let set = current.get(&item.wish.key()).cloned();
                    let texts = current.texts(&item.wish).filter(|_| has_owner).cloned().collect();
                    self.confirm(&item.wish, set.clone().map(|set| Confirmed { set, texts }));
                    settled.push(item.unchanged(set.as_ref()));
                    return None;
                }
                Plan::Refused(why) => {
                    // What stands there now isn't this record any more.
                    self.confirm(&item.wish, None);
                    let entry = refused(&item.wish.name, item.wish.rtype, why);
                    settled.push(Settled { item, entry, doubt: false });
                    return None;
                }
                Plan::Changes(changes) => {
                    let changes = match &item.refused {
                        Some(refused) if *refused == changes => without_assertions(&changes),
                        _ => changes,
                    };
                    let before = before(&item.wish.key(), &changes, &current);
                    let texts = if has_owner { texts(&item.wish, &changes, &current) } else { Vec::new() };
                    let planned = Planned { item, changes, before, texts };
                    if self.mode == Mode::Say {
                        settled.push(planned.changed(Outcome::WouldChange, None));
                        return None;
                    }
                    return Some(planned);
                }
                Plan::Unclear(names) => {
                    for name in names {
                        match self.client.sets_at(zone, &name).await {
                            Ok(sets) => current.know_all(name, sets),
                            Err(error) => {
                                let failure = Failure::of(&error);
                                if failure.trouble.is_some() {
                                    self.keep_for_later(&item, &current);
                                }
                                settled.push(item.failed(&failure));
                                return None;
                            }
                        }
                    }
                }
            }
        }
        let reason = "what stands at its name could not be told".to_owned();
        settled.push(item.failed(&Failure::because(Outcome::Failed, Class::TryAgain, reason)));
        None
    }

    /// Keeps what was read of a record with an owner when the rest of it couldn't be, so that whoever waits for a
    /// rate doesn't begin anew each time.
    fn keep_for_later(&self, item: &Item<'_>, current: &Current) {
        let (Some(owner), wish) = (&item.rule.terms.owner, &item.wish) else { return };
        let itself = current.get(&wish.key()).into_iter();
        let own = itself.chain(current.texts(wish).filter(|text| marker::marks(text, wish, owner)));
        let own: Vec<RecordSet> = own.cloned().collect();
        if !own.is_empty() {
            self.put_off().insert(wish.key(), own);
        }
    }

    /// Sends a batch, and in parts where it is refused: one bad record stops no other. Each change names what
    /// was read, so that a part needs no reading of its own.
    async fn send<'a>(&self, zone: &ZoneId, batch: Vec<Planned<'a>>) -> Sent<'a> {
        let (mut settled, mut lost) = (Vec::new(), Vec::new());
        let mut waiting = vec![batch];
        while let Some(batch) = waiting.pop() {
            let changes: Vec<Change> = batch.iter().flat_map(|planned| &planned.changes).cloned().collect();
            for planned in &batch {
                self.progress().insert(planned.item.index, Stage::Sent(planned.item.wish.key()));
            }
            match apply(&self.client, zone, &changes).await {
                Applied::Accepted(info) => {
                    for planned in batch {
                        self.confirm(&planned.item.wish, Some(planned.confirmed()));
                        let index = planned.item.index;
                        let done = planned.changed(Outcome::Changed, Some(&info));
                        self.progress().insert(index, Stage::Settled(Box::new(done.entry.clone())));
                        settled.push(done);
                    }
                }
                Applied::LostRace(error) => {
                    tracing::debug!(%error, "somebody else was faster: reading again");
                    lost.extend(batch.into_iter().map(|planned| planned.item));
                }
                Applied::Refused(error) if batch.len() > 1 => {
                    tracing::debug!(%error, records = batch.len(), "batch refused: trying it in parts");
                    waiting.extend(parts(batch, &error));
                }
                Applied::Refused(error) if without_assertions(&changes).len() < changes.len() => {
                    tracing::debug!(%error, "refused: reading again whether what it asserts is so");
                    let again =
                        |planned: Planned<'a>| Item { refused: Some(planned.changes), ..planned.item };
                    lost.extend(batch.into_iter().map(again));
                }
                Applied::Lost(answer) => settled.extend(self.look_again(zone, batch, &answer).await),
                Applied::Refused(error) => {
                    settled.extend(self.fail(batch, &Failure::of(&route53::Error::Service(error))));
                }
                Applied::Failed(error) => {
                    let failure = Failure::of(&error);
                    settled.extend(self.fail(batch, &failure));
                    if concerns_all(&error) {
                        settled.extend(waiting.drain(..).flat_map(|batch| self.fail(batch, &failure)));
                    }
                }
                Applied::Unsent(error) => {
                    let failure = Failure::because(Outcome::Failed, Class::Other, with_causes(&error));
                    settled.extend(self.fail(batch, &failure));
                }
            }
        }
        Sent { settled, lost }
    }

    /// Finds out what became of a batch whose answer was lost.
    async fn look_again<'a>(
        &self,
        zone: &ZoneId,
        batch: Vec<Planned<'a>>,
        lost: &LostAnswer,
    ) -> Vec<Settled<'a>> {
        let lost = format!("the answer to the change was lost: {}", with_causes(lost));
        let mut settled = Vec::with_capacity(batch.len());
        // What keeps one record from being read keeps the others too.
        let mut blind = None;
        for planned in batch {
            let reason = match &blind {
                Some(reason) => String::clone(reason),
                None => match self.is_carried_out(zone, &planned.changes).await {
                    Ok(true) => {
                        self.confirm(&planned.item.wish, Some(planned.confirmed()));
                        settled.push(planned.changed(Outcome::Changed, None));
                        continue;
                    }
                    Ok(false) => format!("{lost}; the record is not as wanted yet"),
                    Err(error) => {
                        let reason =
                            format!("{lost}; looking what became of it failed: {}", with_causes(&error));
                        blind = concerns_all(&error).then(|| reason.clone());
                        reason
                    }
                },
            };
            self.confirm(&planned.item.wish, None);
            let failure = Failure::because(Outcome::Unconfirmed, Class::TryAgain, reason);
            settled.push(planned.item.failed(&failure));
        }
        settled
    }

    /// Whether everything that some changes make is there.
    async fn is_carried_out(&self, zone: &ZoneId, changes: &[Change]) -> Result<bool, route53::Error> {
        for change in changes {
            if let Change::Create(set) = change {
                let there = self.client.occupant(zone, &set.key()).await?;
                if !there.is_some_and(|there| there.is_equivalent(set)) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn fail<'a>(&self, batch: Vec<Planned<'a>>, failure: &Failure) -> Vec<Settled<'a>> {
        let fail = |planned: Planned<'a>| {
            self.confirm(&planned.item.wish, None);
            if failure.trouble.is_some() {
                let deleted = planned.changes.into_iter().filter_map(|change| match change {
                    Change::Delete(set) => Some(set),
                    Change::Create(_) => None,
                });
                self.put_off().insert(planned.item.wish.key(), deleted.collect());
            }
            planned.item.failed(failure)
        };
        batch.into_iter().map(fail).collect()
    }
}

impl<'a> Planned<'a> {
    /// The record as it is to be.
    fn result(&self) -> &RecordSet {
        let key = self.item.wish.key();
        let created = self.changes.iter().find_map(|change| match change {
            Change::Create(set) if set.key() == key => Some(set),
            _ => None,
        });
        created.unwrap_or(&self.item.wish)
    }

    /// What is known once it is carried out.
    fn confirmed(&self) -> Confirmed {
        Confirmed { set: self.result().clone(), texts: self.texts.clone() }
    }

    fn changed(self, outcome: Outcome, answered: Option<&ChangeInfo>) -> Settled<'a> {
        let after = Values::of(self.result());
        let reason = match (&after, Values::of(&self.item.wish)) {
            (Some(after), Some(wish)) if after.ttl != wish.ttl => Some(format!(
                "with ttl {} in place of {}: all members of such a set have the same",
                after.ttl, wish.ttl
            )),
            _ => None,
        };
        let blank = blank(&self.item.wish.name, self.item.wish.rtype, outcome, Class::Fine);
        let change_id = answered.map(|info| info.id.clone());
        let request_id = answered.and_then(|info| info.request_id.clone());
        let entry = Entry { before: self.before, after, change_id, request_id, reason, ..blank };
        Settled { item: self.item, entry, doubt: false }
    }
}

/// What a plan takes away or leaves of the record: itself, or else the first that makes way for it.
fn before(key: &RecordKey, changes: &[Change], current: &Current) -> Option<Values> {
    let deleted = |change: &Change| match change {
        Change::Delete(set) if set.name == key.name => Values::of(set),
        _ => None,
    };
    current.get(key).and_then(Values::of).or_else(|| changes.iter().find_map(deleted))
}

/// The texts that tell whose a record is, once some changes are carried out.
fn texts(wish: &RecordSet, changes: &[Change], current: &Current) -> Vec<RecordSet> {
    let stays = |text: &&RecordSet| {
        !changes.iter().any(|change| matches!(change, Change::Delete(set) if set == *text))
    };
    let new = changes.iter().filter_map(|change| match change {
        Change::Create(set) if set.rtype == RecordType::Txt => Some(set),
        _ => None,
    });
    current.texts(wish).filter(stays).chain(new).cloned().collect()
}

/// Parts of what was planned that Route 53 takes as one batch each.
fn batches(planned: Vec<Planned<'_>>) -> Vec<Vec<Planned<'_>>> {
    let mut batches: Vec<Vec<Planned<'_>>> = Vec::new();
    let (mut records, mut characters) = (0, 0);
    for planned in planned {
        let size = size(&planned.changes);
        (records, characters) = (records + size.0, characters + size.1);
        match batches.last_mut() {
            Some(batch) if records <= MOST_RECORDS && characters <= MOST_CHARACTERS => batch.push(planned),
            _ => {
                (records, characters) = size;
                batches.push(vec![planned]);
            }
        }
    }
    batches
}

/// Records, and characters of their values.
fn size(changes: &[Change]) -> (usize, usize) {
    let sizes = changes.iter().map(|change| match &change.record_set().target {
        Target::Values { values, .. } => {
            (values.len(), values.iter().map(|value| value.chars().count()).sum())
        }
        Target::Alias { .. } | Target::TrafficPolicy(_) => (1, 0),
    });
    sizes.fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1))
}

/// A refused batch in two: those that the refusal names and the others, or halves where it names all or none.
/// The last is sent first.
fn parts<'a>(batch: Vec<Planned<'a>>, refusal: &ServiceError) -> [Vec<Planned<'a>>; 2] {
    let total = batch.len();
    let mut named: BTreeMap<Name, bool> = BTreeMap::new();
    let mut is_named = |planned: &Planned<'a>| {
        planned.changes.iter().any(|change| {
            let name = &change.record_set().name;
            *named.entry(name.clone()).or_insert_with(|| names(refusal, name))
        })
    };
    let (mut named, mut others): (Vec<_>, Vec<_>) = batch.into_iter().partition(|planned| is_named(planned));
    if named.is_empty() || others.is_empty() {
        let mut all = if named.is_empty() { others } else { named };
        others = all.split_off(total / 2);
        named = all;
    }
    [named, others]
}

/// Whether a refusal is about a name, as Route 53 writes it in its messages.
fn names(refusal: &ServiceError, name: &Name) -> bool {
    let name = name.to_route53();
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '\\');
    refusal.messages.iter().any(|message| {
        message.match_indices(name.as_str()).any(|(at, found)| {
            let before = message[..at].chars().next_back();
            let behind = message[at + found.len()..].chars().next();
            !before.is_some_and(is_part) && !behind.is_some_and(is_part)
        })
    })
}
