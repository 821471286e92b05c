//! The records: what stands at each name now, and what pin53 would change, or why it would not.

use crate::reconcile::{Due, Look, Reading};
use crate::report::{Class, Entry, Outcome, line};
use crate::source::Observation;

use super::service::ZoneSeen;
use super::{Check, Examiner, STEP, id, within};

const RECORD: &str = "record";

impl Examiner {
    pub(super) async fn records(&self, looks: &[Look], zones: &[ZoneSeen]) -> Vec<Check> {
        let rules = self.reconciler.rules();
        let mut due = Vec::new();
        let mut checks: Vec<(usize, Check)> = Vec::new();
        for (place, (rule, look)) in rules.iter().zip(looks).enumerate() {
            let id = id(RECORD, rule, look);
            if !zones.iter().any(|zone| zone.is_for(rule, look) && zone.readable().is_some()) {
                checks.push((place, Check::skip(id, "its zone can't be read")));
            } else if matches!(look.observation, Observation::Known(_)) {
                due.push(Due { rule: place, look: look.clone() });
            } else {
                checks.push((place, Check::skip(id, "it isn't known what should stand there")));
            }
        }
        let round = within(STEP, self.reconciler.round(&due, Reading::Fresh)).await;
        let mut entries = round.into_iter().flat_map(|round| round.entries);
        for Due { rule: place, look } in &due {
            let Some(rule) = rules.get(*place) else { continue };
            let id = id(RECORD, rule, look);
            let check = match entries.next() {
                Some(entry) => record_check(id, &entry),
                None => Check::fail(
                    id,
                    Class::TryAgain,
                    "not read in time",
                    "Route 53 answers too slowly",
                    "try again; see the endpoint's check for the way there",
                ),
            };
            checks.push((*place, check));
        }
        checks.sort_by_key(|(place, _)| *place);
        checks.into_iter().map(|(_, check)| check).collect()
    }
}

fn record_check(id: String, entry: &Entry) -> Check {
    let why = entry.reason.clone().unwrap_or_default();
    let (found, mend) = match entry.outcome {
        Outcome::Unchanged => {
            return Check::ok(
                id,
                format!("as it should be: {}", line(entry).trim_start_matches("unchanged ")),
            );
        }
        Outcome::Changed | Outcome::WouldChange => {
            return Check::ok(id, format!("nothing stands in the way; pin53 {}", line(entry)));
        }
        Outcome::Left => return Check::skip(id, why),
        Outcome::Refused => ("refused", mend_refusal(&why).to_owned()),
        Outcome::Failed | Outcome::Unconfirmed => {
            let mend = entry.hint.clone().unwrap_or_else(|| "try again; pin53 does so by itself".to_owned());
            ("it can't be read", mend)
        }
    };
    Check::fail(id, entry.class, found, why, mend)
}

/// What lifts a refusal, by what it says.
fn mend_refusal(why: &str) -> &'static str {
    if why.contains("on_conflict") {
        "take it away if nobody needs it, let pin53 do so with on_conflict = \"replace\" on the record, or choose another name"
    } else if why.contains("apex") {
        "choose a name below the zone's own, or an A record in place of the CNAME (type = \"A\")"
    } else if why.contains("owner '") {
        "ask that owner to let go of the name, or set the same owner on the record if it is yours; else choose another name"
    } else if why.contains("allow_private") {
        "private = true puts it into a private zone, allow_private = true publishes it all the same; or take a public \
         source"
    } else if why.contains("point at itself") {
        "name a source that tells the host that the name is to lead to"
    } else {
        "change the record in the configuration, or what stands there"
    }
}
