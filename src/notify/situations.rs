//! What there is to tell of each record, and to whom it was told already.
//!
//! Pure but for the memory that it is given: no clock, no task. A change is told as it comes. Trouble is told
//! once it has lasted, once; its end is told to whom its beginning was, or would have been. What was told is
//! remembered from run to run, so that neither a restart nor the next run of a timer tells it again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::SignedDuration;

use super::Settings;
use super::event::{Event, Kind};
use crate::clock::Timestamp;
use crate::report::{Class, Entry, Outcome};
use crate::state::Told;

/// What may pass by itself is told once it has lasted for so long, where nobody says otherwise.
const PATIENCE: SignedDuration = SignedDuration::from_secs(60);
/// Whoever wants to hear that all is well hears it no oftener than this.
const BEAT: SignedDuration = SignedDuration::from_secs(30);
/// Trouble of a record that isn't kept any more is forgotten after this.
const FORGOTTEN: SignedDuration = SignedDuration::from_hours(30 * 24);

/// To whom something is to be told, by place among the notifications, and what.
pub(super) type Due = (usize, Event);

/// How long trouble has to last before it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Telling {
    /// By somebody who stays and sees whether it passes.
    Later,
    /// By somebody who is about to end: now, unless the settings say how long it has to last.
    Now,
}

pub(super) struct Situations {
    telling: Telling,
    host: String,
    /// What there is to keep. Trouble of anything else is remembered, and is nobody's trouble now.
    rules: BTreeSet<String>,
    /// By rule, since a name may turn out otherwise each time.
    failing: BTreeMap<String, Failing>,
    /// When it was last told that all is well.
    beat: Option<Timestamp>,
}

struct Failing {
    since: Timestamp,
    /// `None` as long as only the memory knows of it.
    entry: Option<Entry>,
    told: BTreeSet<String>,
}

impl Situations {
    pub(super) fn new(telling: Telling, host: String, told: BTreeMap<String, Told>, now: Timestamp) -> Self {
        let lasting = |told: &Told| now.duration_since(told.since) < FORGOTTEN;
        let failing = told.into_iter().filter(|(_, told)| lasting(told)).map(|(key, told)| {
            (key, Failing { since: told.since, entry: None, told: told.to.into_iter().collect() })
        });
        Self { telling, host, rules: BTreeSet::new(), failing: failing.collect(), beat: None }
    }

    /// From now on there are these rules to keep.
    pub(super) fn keep(&mut self, rules: impl IntoIterator<Item = String>) {
        self.rules = rules.into_iter().collect();
    }

    /// What is to be remembered.
    pub(super) fn told(&self) -> BTreeMap<String, Told> {
        let told =
            |failing: &Failing| Told { since: failing.since, to: failing.told.iter().cloned().collect() };
        self.failing.iter().map(|(key, failing)| (key.clone(), told(failing))).collect()
    }

    /// What there is to tell once a record was looked after.
    pub(super) fn take(
        &mut self,
        rule: &str,
        entry: &Entry,
        at: Timestamp,
        listeners: &[Listener],
    ) -> Vec<Due> {
        if listeners.is_empty() {
            // Nobody is to be told later what happened before he was here.
            self.failing.clear();
            return Vec::new();
        }
        let mut due = Vec::new();
        let fine = entry.class == Class::Fine;
        if fine && let Some(failing) = self.failing.remove(rule) {
            for (place, listener) in wanting(listeners, Kind::Recovered) {
                let heard = if listener.settings.on.failed {
                    failing.told.contains(&listener.label)
                } else {
                    // Nobody told him of the beginning; he wants to know of the end of what was worth it.
                    let class = failing.entry.as_ref().map_or(Class::TryAgain, |entry| entry.class);
                    at.duration_since(failing.since) >= self.patience(class, listener.settings)
                };
                if heard {
                    due.push((place, self.event(Kind::Recovered, entry, at, Some(failing.since))));
                }
            }
        }
        // A change that was taken and isn't on all name servers yet was made all the same.
        let taken = entry.outcome == Outcome::Unconfirmed && entry.change_id.is_some();
        if entry.outcome == Outcome::Changed || taken {
            for (place, _) in wanting(listeners, Kind::Changed) {
                due.push((place, self.event(Kind::Changed, entry, at, None)));
            }
        }
        if !fine {
            let failing = self.failing.entry(rule.to_owned()).or_insert_with(|| Failing {
                since: at,
                entry: None,
                told: BTreeSet::new(),
            });
            failing.entry = Some(entry.clone());
            due.extend(self.lasting(at, listeners));
        } else if self.kept().next().is_none() && self.beat.is_none_or(|beat| at.duration_since(beat) >= BEAT)
        {
            self.beat = Some(at);
            for (place, _) in wanting(listeners, Kind::Well) {
                // What else he hears says as much.
                if !due.iter().any(|(other, _)| *other == place) {
                    due.push((place, self.event(Kind::Well, entry, at, None)));
                }
            }
        }
        due
    }

    /// What trouble has lasted long enough to be told.
    pub(super) fn lasting(&mut self, now: Timestamp, listeners: &[Listener]) -> Vec<Due> {
        let mut due = Vec::new();
        for (place, listener) in wanting(listeners, Kind::Failed) {
            let ripe: Vec<String> = self
                .kept()
                .filter(|(_, failing)| self.ripens(failing, listener).is_some_and(|at| at <= now))
                .map(|(key, _)| key.clone())
                .collect();
            for key in ripe {
                let Some(failing) = self.failing.get_mut(&key) else { continue };
                failing.told.insert(listener.label.clone());
                let since = failing.since;
                if let Some(entry) = failing.entry.clone() {
                    due.push((place, self.event(Kind::Failed, &entry, now, Some(since))));
                }
            }
        }
        due
    }

    /// When there is something to tell although nothing happens.
    pub(super) fn next(&self, listeners: &[Listener]) -> Option<Timestamp> {
        let each = wanting(listeners, Kind::Failed)
            .flat_map(|(_, listener)| self.kept().filter_map(|(_, failing)| self.ripens(failing, listener)));
        each.min()
    }

    /// Trouble of what there is to keep.
    fn kept(&self) -> impl Iterator<Item = (&String, &Failing)> {
        self.failing.iter().filter(|(rule, _)| self.rules.contains(*rule))
    }

    /// When trouble is to be told to somebody who doesn't know of it.
    fn ripens(&self, failing: &Failing, listener: &Listener) -> Option<Timestamp> {
        let entry = failing.entry.as_ref().filter(|_| !failing.told.contains(&listener.label))?;
        failing.since.checked_add(self.patience(entry.class, listener.settings)).ok()
    }

    fn patience(&self, class: Class, settings: &Settings) -> SignedDuration {
        let said = settings
            .failed_for
            .map(|said: Duration| SignedDuration::try_from(said).unwrap_or(SignedDuration::MAX));
        said.unwrap_or(match (self.telling, class) {
            (Telling::Now, _) | (_, Class::Refused | Class::NotPermitted | Class::Misconfigured) => {
                SignedDuration::ZERO
            }
            (Telling::Later, Class::Fine | Class::Other | Class::TryAgain) => PATIENCE,
        })
    }

    fn event(&self, kind: Kind, entry: &Entry, at: Timestamp, since: Option<Timestamp>) -> Event {
        Event { kind, entry: entry.clone(), at, since, host: self.host.clone() }
    }
}

/// One that something is told to, and what the memory calls him.
pub(super) struct Listener<'a> {
    pub label: String,
    pub settings: &'a Settings,
}

impl<'a> Listener<'a> {
    /// All of some notifications. Those of one label are told apart by their order.
    pub(super) fn all(settings: &'a [Settings]) -> Vec<Self> {
        let mut listeners: Vec<Self> = Vec::with_capacity(settings.len());
        for settings in settings {
            let label = settings.target.to_string();
            let alike = listeners.iter().filter(|other| other.settings.target.to_string() == label).count();
            let label = if alike == 0 { label } else { format!("{label} ({})", alike + 1) };
            listeners.push(Self { label, settings });
        }
        listeners
    }
}

fn wanting<'a, 'b>(
    listeners: &'b [Listener<'a>],
    kind: Kind,
) -> impl Iterator<Item = (usize, &'b Listener<'a>)> + use<'a, 'b> {
    listeners.iter().enumerate().filter(move |(_, listener)| listener.settings.wants(kind))
}

#[cfg(test)]
mod tests {
    use super::super::{Address, On, Preset, Target, Webhook};
    use super::*;
    use crate::dns::{RecordType, Ttl};
    use crate::program::Program;
    use crate::report::Values;

    fn entry(outcome: Outcome, class: Class) -> Entry {
        let values =
            |value: &str| Some(Values { ttl: Ttl::new(60).unwrap(), values: vec![value.to_owned()] });
        Entry {
            name: "vpn.example.com".to_owned(),
            rtype: RecordType::Cname,
            outcome,
            before: values("a.example.net"),
            after: values("b.example.net"),
            reason: (class != Class::Fine).then(|| "because".to_owned()),
            hint: None,
            class,
            change_id: None,
            request_id: None,
            topic: None,
            trouble: None,
        }
    }

    fn changed() -> Entry {
        entry(Outcome::Changed, Class::Fine)
    }
    fn well() -> Entry {
        entry(Outcome::Unchanged, Class::Fine)
    }
    fn away() -> Entry {
        entry(Outcome::Left, Class::TryAgain)
    }
    fn denied() -> Entry {
        entry(Outcome::Failed, Class::NotPermitted)
    }

    const RULE: &str = "vpn.example.com CNAME";
    const OTHER: &str = "web.example.com CNAME";
    const ALL: On = On { changed: true, failed: true, recovered: true };

    fn to(program: &str, on: On, failed_for: Option<u64>) -> Settings {
        Settings {
            on,
            failed_for: failed_for.map(Duration::from_secs),
            target: Target::Command(Program::parse(program).unwrap()),
            template: None,
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + seconds).unwrap()
    }

    struct Story {
        settings: Vec<Settings>,
        situations: Situations,
    }

    impl Story {
        fn of(telling: Telling, settings: Vec<Settings>) -> Self {
            let mut situations = Situations::new(telling, String::new(), BTreeMap::new(), at(0));
            situations.keep([RULE.to_owned()]);
            Self { settings, situations }
        }

        fn take(&mut self, seconds: i64, entry: &Entry) -> String {
            self.take_of(RULE, seconds, entry)
        }

        fn take_of(&mut self, rule: &str, seconds: i64, entry: &Entry) -> String {
            shown(&self.situations.take(rule, entry, at(seconds), &Listener::all(&self.settings)))
        }

        fn lasting(&mut self, seconds: i64) -> String {
            shown(&self.situations.lasting(at(seconds), &Listener::all(&self.settings)))
        }

        fn again(self, telling: Telling, seconds: i64) -> Self {
            let told = self.situations.told();
            let told = serde_json::from_str(&serde_json::to_string(&told).unwrap()).unwrap();
            let mut situations = Situations::new(telling, String::new(), told, at(seconds));
            situations.keep(self.situations.rules);
            Self { settings: self.settings, situations }
        }
    }

    fn shown(due: &[Due]) -> String {
        due.iter().map(|(to, event)| format!("{to}:{}", event.kind.word())).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn each_change_is_told_to_whoever_wants_to_hear_of_changes() {
        let mut story = Story::of(
            Telling::Later,
            vec![
                to("a", ALL, None),
                to("b", On { changed: false, ..ALL }, None),
                to("c", On::default(), None),
            ],
        );
        assert_eq!(story.take(0, &changed()), "0:changed 2:changed");
        assert_eq!(story.take(300, &well()), "");
        assert_eq!(story.take(600, &changed()), "0:changed 2:changed");
    }

    #[test]
    fn trouble_is_told_once_it_has_lasted_and_its_end_after_that() {
        let mut story = Story::of(Telling::Later, vec![to("a", ALL, None), to("b", ALL, Some(300))]);
        assert_eq!(story.take(0, &well()), "");
        assert_eq!(story.take(5, &away()), "");
        assert_eq!(story.situations.next(&Listener::all(&story.settings)), Some(at(65)));
        assert_eq!((story.lasting(64), story.lasting(65)), (String::new(), "0:failed".to_owned()));
        assert_eq!(story.take(70, &away()), "");
        assert_eq!(story.situations.next(&Listener::all(&story.settings)), Some(at(305)));
        assert_eq!(story.take(100, &well()), "0:recovered", "nobody told the other of its beginning");
        assert_eq!(story.take(110, &away()), "", "it is another one");
        assert_eq!(story.take(130, &changed()), "0:changed 1:changed");
    }

    #[test]
    fn what_only_a_person_can_mend_is_told_at_once() {
        let mut story = Story::of(Telling::Later, vec![to("a", ALL, None), to("b", ALL, Some(60))]);
        assert_eq!(story.take(0, &denied()), "0:failed");
        assert_eq!(story.take(30, &denied()), "");
        assert_eq!(story.take(60, &denied()), "1:failed");
        assert_eq!(story.take(90, &changed()), "0:recovered 1:recovered 0:changed 1:changed");
    }

    #[test]
    fn neither_a_restart_nor_the_next_run_tells_it_again() {
        let mut story = Story::of(Telling::Later, vec![to("a", ALL, None), to("a", ALL, Some(600))]);
        assert_eq!(story.take(0, &denied()), "0:failed");
        let mut story = story.again(Telling::Now, 300);
        assert_eq!(story.lasting(10_000), "", "nobody has looked yet whether it is so still");
        assert_eq!(story.take(300, &denied()), "");
        let mut story = story.again(Telling::Now, 600);
        assert_eq!(story.take(600, &denied()), "1:failed", "it lasts since the first run");
        let mut story = story.again(Telling::Later, 900);
        assert_eq!(story.take(900, &well()), "0:recovered 1:recovered");
        assert!(story.again(Telling::Later, 900).situations.told().is_empty());
    }

    #[test]
    fn a_run_that_is_about_to_end_tells_at_once_where_nobody_says_for_how_long() {
        let mut story = Story::of(Telling::Now, vec![to("a", ALL, None), to("b", ALL, Some(60))]);
        assert_eq!(story.take(0, &away()), "0:failed");
    }

    #[test]
    fn whoever_wants_to_hear_of_the_end_alone_hears_of_the_end_of_what_has_lasted() {
        let end = On { changed: false, failed: false, recovered: true };
        let mut story = Story::of(Telling::Later, vec![to("a", end, None)]);
        story.take(0, &away());
        assert_eq!(story.take(30, &well()), "");
        story.take(100, &away());
        assert_eq!(story.take(200, &well()), "0:recovered");
    }

    #[test]
    fn a_change_that_was_taken_but_is_not_in_sync_is_told_as_both() {
        let mut story = Story::of(Telling::Now, vec![to("a", ALL, None)]);
        let taken =
            Entry { change_id: Some("C1".to_owned()), ..entry(Outcome::Unconfirmed, Class::TryAgain) };
        assert_eq!(story.take(0, &taken), "0:changed 0:failed");
    }

    #[test]
    fn trouble_ends_under_whatever_name_the_record_has_by_then() {
        let mut story = Story::of(Telling::Later, vec![to("a", ALL, Some(0))]);
        let unnamed = Entry { name: "{{ tags.Role }}.example.com".to_owned(), ..away() };
        assert_eq!(story.take(0, &unnamed), "0:failed");
        assert_eq!(story.take(5, &well()), "0:recovered");
        assert!(story.situations.told().is_empty());
    }

    #[test]
    fn members_of_one_name_are_each_in_trouble_of_their_own() {
        let mut story = Story::of(Telling::Later, vec![to("a", ALL, Some(0))]);
        let (blue, green) = ("vpn.example.com A (blue)", "vpn.example.com A (green)");
        story.situations.keep([blue.to_owned(), green.to_owned()]);
        assert_eq!(story.take_of(blue, 0, &denied()), "0:failed");
        assert_eq!(story.take_of(green, 0, &well()), "", "the other is well, and this one isn't");
        assert_eq!(story.take_of(blue, 300, &denied()), "");
        assert_eq!(story.take_of(blue, 600, &well()), "0:recovered");
    }

    #[test]
    fn a_record_that_is_left_out_while_in_trouble_keeps_nobody_from_hearing_that_all_is_well() {
        let webhook = Webhook {
            address: Address::Url("https://hc.example/ping".parse().unwrap()),
            preset: Some(Preset::Healthchecks),
            headers: Vec::new(),
            key: None,
        };
        let life = Settings { target: Target::Webhook(webhook), ..to("a", ALL, Some(60)) };
        let mut story = Story::of(Telling::Later, vec![life]);
        story.situations.keep([RULE.to_owned(), OTHER.to_owned()]);
        assert_eq!(story.take_of(OTHER, 0, &away()), "");
        assert_eq!(story.take(0, &well()), "", "not all is");
        story.situations.keep([RULE.to_owned()]);
        assert_eq!(story.situations.next(&Listener::all(&story.settings)), None);
        assert_eq!((story.lasting(300), story.take(300, &well())), (String::new(), "0:well".to_owned()));
        let mut story = story.again(Telling::Later, 600);
        assert_eq!(story.take(600, &well()), "0:well", "nor after a restart");
    }

    #[test]
    fn trouble_of_a_record_that_is_not_kept_any_more_is_forgotten_in_time() {
        let mut story = Story::of(Telling::Later, vec![to("a", ALL, None)]);
        story.take(0, &denied());
        let month = 31 * 24 * 60 * 60;
        assert!(story.again(Telling::Later, month).situations.told().is_empty());
    }
}
