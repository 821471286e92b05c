//! One line a record, for people.

use super::{Entry, Outcome, Values};

/// The line that `--once` and `plan` print for a record.
#[must_use]
pub fn line(entry: &Entry) -> String {
    let Entry { name, rtype, .. } = entry;
    let verb = match entry.outcome {
        Outcome::WouldChange => "would change",
        outcome => outcome.word(),
    };
    let because = || entry.reason.as_deref().unwrap_or("no reason was given");
    match (entry.outcome, &entry.after) {
        (Outcome::Changed | Outcome::WouldChange, Some(after)) => {
            let before = Values::in_words(entry.before.as_ref());
            format!("{verb} {name} {rtype} {before} -> {} (ttl {})", list(after), after.ttl)
        }
        (Outcome::Changed | Outcome::WouldChange, None) => {
            let before = Values::in_words(entry.before.as_ref());
            format!("{verb} {name} {rtype} {before} -> (none)")
        }
        (Outcome::Unchanged, Some(after)) => {
            format!("{verb} {name} {rtype} {} (ttl {})", list(after), after.ttl)
        }
        _ => match &entry.request_id {
            Some(id) => format!("{verb} {name}: {} [request {id}]", because()),
            None => format!("{verb} {name}: {}", because()),
        },
    }
}

impl Values {
    /// The values in a row; `(none)` where there are none to speak of.
    #[must_use]
    pub fn in_words(values: Option<&Self>) -> String {
        values.map_or_else(|| "(none)".to_owned(), list)
    }
}

fn list(values: &Values) -> String {
    values.values.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::{RecordType, Ttl};
    use crate::report::Class;

    #[test]
    fn each_outcome_has_its_line() {
        let values = |v: &[&str]| {
            Some(Values { ttl: Ttl::new(60).unwrap(), values: v.iter().map(|v| (*v).to_owned()).collect() })
        };
        let entry = |outcome, before, after, reason: Option<&str>| {
            line(&Entry {
                name: "*.example.com".to_owned(),
                rtype: RecordType::Cname,
                outcome,
                before,
                after,
                reason: reason.map(str::to_owned),
                hint: None,
                class: Class::Fine,
                change_id: None,
                request_id: None,
                topic: None,
                trouble: None,
            })
        };
        let lines = [
            entry(Outcome::Changed, values(&["a.example"]), values(&["b.example"]), None),
            entry(Outcome::Changed, None, values(&["b.example", "c.example"]), None),
            entry(Outcome::WouldChange, None, values(&["b.example"]), None),
            entry(Outcome::Unchanged, values(&["a.example"]), values(&["a.example"]), None),
            entry(Outcome::Left, None, None, Some("the metadata service can't be reached")),
            entry(
                Outcome::Unconfirmed,
                None,
                values(&["b.example"]),
                Some("the answer to the change was lost"),
            ),
        ];
        insta::assert_snapshot!(lines.join("\n"), @"
        changed *.example.com CNAME a.example -> b.example (ttl 60)
        changed *.example.com CNAME (none) -> b.example, c.example (ttl 60)
        would change *.example.com CNAME (none) -> b.example (ttl 60)
        unchanged *.example.com CNAME a.example (ttl 60)
        left *.example.com: the metadata service can't be reached
        unconfirmed *.example.com: the answer to the change was lost
        ");
    }
}
