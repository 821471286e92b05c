//! From what a source says to values of a record: one a line.

use crate::causes::with_causes;
use crate::dns::{RecordType, Value};

use super::look::Observation;

/// What of a text that makes no sense is shown, in characters.
const LONGEST_SHOWN: usize = 200;
/// No name is longer, in characters (RFC 1035, section 3.1).
const LONGEST_NAME: usize = 255;

/// Reads a text as values, one a line. `what` names the text to people.
pub(super) fn read(rtype: RecordType, what: &str, text: &str) -> Observation {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let values: Result<Vec<Value>, _> = lines.map(|line| Value::parse(rtype, line)).collect();
    match values {
        Ok(values) => known(rtype, what, values),
        Err(error) => {
            let why = format!("{what}: {}", shortened(&with_causes(&error)));
            if rtype == RecordType::Cname && is_word(text) {
                Observation::Unfit(why)
            } else {
                Observation::Unknown(why)
            }
        }
    }
}

/// Whether a text is a word, meant as it is: not a page, nor what somebody between us and the source has to say.
fn is_word(text: &str) -> bool {
    let text = text.trim();
    text.len() <= LONGEST_NAME && !text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '<')
}

/// Values as an observation: each once, and in an order of their own.
pub(super) fn known(rtype: RecordType, what: &str, mut values: Vec<Value>) -> Observation {
    values.sort();
    values.dedup();
    match values.len() {
        0 => Observation::KnownNone(format!("{what} is empty")),
        several @ 2.. if rtype == RecordType::Cname => {
            Observation::Unknown(format!("{what}: expected one host name, found {several}"))
        }
        _ => Observation::Known(values),
    }
}

/// What others wrote, as far as it needs to be seen.
pub(super) fn shortened(text: &str) -> String {
    text.chars().take(LONGEST_SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_no_value_is_unknown() {
        for text in ["<html>", "10.0.0.1.2", "2001:db8::1", "198.51.100.7 198.51.100.8"] {
            assert!(matches!(read(RecordType::A, "x", text), Observation::Unknown(_)), "{text}");
        }
        for text in ["<html>", "busy, try again"] {
            assert!(matches!(read(RecordType::Cname, "x", text), Observation::Unknown(_)), "{text}");
        }
        let two = read(RecordType::Cname, "x", "a.example\nb.example");
        assert_eq!(two, Observation::Unknown("x: expected one host name, found 2".to_owned()));
        let long = read(RecordType::A, "x", &"9".repeat(10_000));
        assert!(matches!(long, Observation::Unknown(why) if why.len() < 300));
    }

    #[test]
    fn what_is_plainly_no_host_name_is_unfit_for_a_cname() {
        for text in ["192.0.2.1", "2001:db8::1", "a..example", "no-host!"] {
            assert!(matches!(read(RecordType::Cname, "x", text), Observation::Unfit(_)), "{text}");
        }
    }

    #[test]
    fn several_lines_are_several_values_each_once() {
        let both = read(RecordType::A, "x", "198.51.100.8\r\n\n 198.51.100.7 \n198.51.100.8\n");
        let values = ["198.51.100.7", "198.51.100.8"].map(|v| Value::parse(RecordType::A, v).unwrap());
        assert_eq!(both, Observation::Known(values.to_vec()));
    }

    #[test]
    fn nothing_is_none_and_not_unknown() {
        for text in ["", " \n\t\n"] {
            assert!(matches!(read(RecordType::A, "x", text), Observation::KnownNone(_)));
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_known_is_a_value_and_at_least_one(text in "\\PC{0,60}|([0-9a-f.:\n]{0,15}){0,4}") {
            for rtype in [RecordType::A, RecordType::Aaaa, RecordType::Cname] {
                if let Observation::Known(values) = read(rtype, "x", &text) {
                    proptest::prop_assert!(!values.is_empty());
                    let shown = values.iter().all(|value| Value::parse(rtype, &value.to_string()).is_ok());
                    proptest::prop_assert!(shown);
                }
            }
        }
    }
}
