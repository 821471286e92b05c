//! Where the text that a signer signed and the one that a verifier worked out first part.

use std::fmt;

/// What a text of the signer's was held against, and where it differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Which text it was taken for.
    pub text: &'static str,
    /// `None` where both are the same.
    pub place: Option<Place>,
}

/// The first line that differs; an empty text stands for one that isn't there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    pub expected: String,
    pub computed: String,
}

/// Holds the signer's own text against what was worked out.
///
/// It is taken for the string to sign where it begins with an algorithm's name, or the scheme has no
/// other; else for the canonical request. Gateways print texts in one line, with `|` for its ends.
#[must_use]
pub fn first(expected: &str, canonical_request: Option<&str>, string_to_sign: &str) -> Difference {
    let expected = expected.trim_end_matches(['\r', '\n']).replace("\r\n", "\n");
    // As `--explain` prints it, both texts under their headings.
    let expected = match expected.strip_prefix("canonical request:\n") {
        Some(both) => both.split("\n\nstring to sign:\n").next().unwrap_or_default().to_owned(),
        None => expected.strip_prefix("string to sign:\n").map(str::to_owned).unwrap_or(expected),
    };
    let expected = if expected.contains('\n') { expected } else { expected.replace('|', "\n") };
    let algorithm = string_to_sign.lines().next().unwrap_or_default();
    let (text, computed) = match canonical_request {
        Some(canonical) if expected.lines().next() != Some(algorithm) => ("canonical request", canonical),
        _ => ("string to sign", string_to_sign),
    };
    let (mut theirs, mut ours) = (expected.split('\n'), computed.trim_end_matches('\n').split('\n'));
    let mut line = 0;
    loop {
        line += 1;
        match (theirs.next(), ours.next()) {
            (None, None) => return Difference { text, place: None },
            (expected, computed) if expected == computed => {}
            (expected, computed) => {
                let (expected, computed) = (expected.unwrap_or_default(), computed.unwrap_or_default());
                let same = expected.chars().zip(computed.chars()).take_while(|(a, b)| a == b).count();
                let (expected, computed) = (expected.to_owned(), computed.to_owned());
                let place = Some(Place { line, column: same + 1, expected, computed });
                return Difference { text, place };
            }
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(place) = &self.place else {
            let text = self.text;
            return write!(
                f,
                "no difference in the {text}: the secrets differ, or the signature was changed"
            );
        };
        let Place { line, column, expected, computed } = place;
        writeln!(f, "first difference: line {line} of the {}, column {column}", self.text)?;
        writeln!(f, "  expected: {expected}")?;
        writeln!(f, "  computed: {computed}")?;
        write!(f, "            {}^", " ".repeat(column - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANONICAL: &str = "GET\n/a\n\nhost:example.com\n\nhost\nhash";
    const STRING: &str = "AWS4-HMAC-SHA256\n20150830T123600Z\nscope\nhash";

    #[test]
    fn the_first_line_that_differs_is_marked() {
        let found = first(&CANONICAL.replace("example", "exam.ple"), Some(CANONICAL), STRING);
        insta::assert_snapshot!(found, @"
        first difference: line 4 of the canonical request, column 10
          expected: host:exam.ple.com
          computed: host:example.com
                             ^
        ");
    }

    #[test]
    fn a_text_is_taken_for_what_it_is() {
        assert_eq!(
            first(STRING, Some(CANONICAL), STRING),
            Difference { text: "string to sign", place: None }
        );
        assert_eq!(first(&format!("{CANONICAL}\n"), Some(CANONICAL), STRING).place, None);
        assert_eq!(first(&CANONICAL.replace('\n', "\r\n"), Some(CANONICAL), STRING).place, None);
        assert_eq!(first(&CANONICAL.replace('\n', "|"), Some(CANONICAL), STRING).place, None);
        assert_eq!(first("Sun", None, "Mon").text, "string to sign");
        let explained = format!("canonical request:\n{CANONICAL}\n\nstring to sign:\n{STRING}\n");
        assert_eq!(first(&explained, Some(CANONICAL), STRING).place, None);
        assert_eq!(first("string to sign:\nSun\n", None, "Sun").place, None);
    }

    #[test]
    fn a_line_that_is_missing_is_a_difference() {
        let place = first("GET\n/a", Some(CANONICAL), STRING).place.unwrap();
        assert_eq!((place.line, place.column, place.expected.as_str()), (3, 1, ""));
    }
}
