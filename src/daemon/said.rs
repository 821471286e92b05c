//! What a person was told of a record's situation, so that nothing is said twice while nothing changes.
//!
//! Not here: how it is said (`report`).

use crate::report::{Class, Entry, Outcome};

/// Trouble that tells its reason otherwise each time is heard out so often, and then left alone until the
/// situation is another one.
const MOST_REASONS: usize = 8;

/// What was said of the present situation.
#[derive(Debug, Default)]
pub(super) struct Said(Vec<Entry>);

impl Said {
    /// Whether `entry` is news; if so it counts as said.
    pub(super) fn is_news(&mut self, entry: &Entry) -> bool {
        if entry.outcome == Outcome::Changed || !self.goes_on(entry) {
            self.0.clear();
        } else if self.0.len() >= MOST_REASONS || self.0.iter().any(|said| entry.says_the_same_as(said)) {
            return false;
        }
        self.0.push(entry.clone());
        true
    }

    /// Whether it is the situation of which something was said already. Trouble that may pass stays the same
    /// whatever it says of its reasons: a server that is sometimes refused and sometimes silent is away.
    fn goes_on(&self, entry: &Entry) -> bool {
        self.0.last().is_some_and(|last| {
            entry.says_the_same_as(last)
                || (entry.class == Class::TryAgain
                    && last.class == Class::TryAgain
                    && entry.outcome == last.outcome)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::RecordType;

    fn entry(outcome: Outcome, reason: &str) -> Entry {
        let class = match outcome {
            Outcome::Left | Outcome::Failed => Class::TryAgain,
            Outcome::Refused => Class::Refused,
            _ => Class::Fine,
        };
        Entry {
            name: "vpn.example.com".to_owned(),
            rtype: RecordType::Cname,
            outcome,
            before: None,
            after: None,
            reason: Some(reason.to_owned()).filter(|reason| !reason.is_empty()),
            hint: None,
            class,
            change_id: None,
            request_id: None,
            topic: None,
            trouble: None,
        }
    }

    #[test]
    fn each_situation_is_said_once_and_again_when_it_comes_back() {
        let mut said = Said::default();
        let fine = entry(Outcome::Unchanged, "");
        let away = entry(Outcome::Left, "silent");
        let story = [&fine, &fine, &away, &away, &fine, &away, &fine];
        let news: Vec<bool> = story.iter().map(|entry| said.is_news(entry)).collect();
        assert_eq!(news, [true, false, true, false, true, true, true]);
        let changed = entry(Outcome::Changed, "");
        assert!(said.is_news(&changed) && said.is_news(&changed), "each change is news");
        assert!(!said.is_news(&fine), "that it is as it was changed is none");
    }

    #[test]
    fn reasons_that_take_turns_are_said_once_each_and_new_ones_without_end_are_not() {
        let mut said = Said::default();
        let turns = (0..100).filter(|n| {
            let reason = if n % 2 == 0 { "silent" } else { "refused" };
            said.is_news(&entry(Outcome::Left, reason))
        });
        assert_eq!(turns.count(), 2);
        let endless = (0..100).filter(|n| said.is_news(&entry(Outcome::Left, &format!("at {n} o'clock"))));
        assert_eq!(endless.count(), MOST_REASONS - 2);
        assert!(said.is_news(&entry(Outcome::Failed, "silent")), "another outcome is another situation");
    }

    #[test]
    fn a_refusal_for_another_reason_is_another_situation() {
        let mut said = Said::default();
        for reason in ["an alias", "an A record", "an alias"] {
            assert!(said.is_news(&entry(Outcome::Refused, reason)), "{reason}");
            assert!(!said.is_news(&entry(Outcome::Refused, reason)), "{reason}");
        }
    }
}
