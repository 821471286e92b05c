//! Domain names: absolute, lower case, with Route 53's `\ooo` escapes.
//!
//! Not here: whether a name may be published, and where (that is `desired`'s).

use std::fmt;
use std::str::FromStr;

/// Longest label, in bytes (RFC 1035 section 2.3.4).
const MAX_LABEL: usize = 63;
/// Longest name on the wire: a length byte before each label and the root's (RFC 1035 section 2.3.4).
const MAX_WIRE: usize = 255;

/// An absolute domain name.
///
/// Two spellings of one name are equal: case, the final dot and the `\ooo` escape
/// of a character make no difference. `Display` writes the form for people, without
/// the final dot and with a plain `*`; [`Name::to_route53`] the form the API answers with.
///
/// Spec: <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DomainNameFormat.html>
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    /// Canonical text: lower case, no final dot, everything but `[a-z0-9-_*]` as `\ooo`.
    text: Box<str>,
}

/// Why a text is no domain name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("expected a domain name, found nothing")]
    Empty,
    #[error("expected a domain name, found '{0}', which has an empty label")]
    EmptyLabel(String),
    #[error("expected labels of at most {MAX_LABEL} bytes, found '{0}'")]
    LabelTooLong(String),
    #[error("expected a name of at most {MAX_WIRE} bytes, found one of {0}")]
    TooLong(usize),
    #[error("expected a backslash to be followed by three octal digits (\\000 to \\377), found '{0}'")]
    BadEscape(String),
    #[error("expected ASCII (an internationalised name in its xn-- form), found '{0}'")]
    NotAscii(String),
}

impl Name {
    /// Reads a name in any case, with or without the final dot, with plain or escaped characters.
    ///
    /// # Errors
    /// When a label is empty or longer than 63 bytes, the name longer than 255, an escape is not
    /// three octal digits, or a character is outside ASCII.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let trimmed = text.strip_suffix('.').unwrap_or(text);
        if trimmed.is_empty() {
            return Err(NameError::Empty);
        }
        if !trimmed.is_ascii() {
            return Err(NameError::NotAscii(text.to_owned()));
        }
        let mut out = String::with_capacity(trimmed.len());
        let mut label = 0;
        let mut wire = 1;
        let mut bytes = trimmed.bytes();
        while let Some(byte) = bytes.next() {
            let byte = match byte {
                b'.' => {
                    if label == 0 {
                        return Err(NameError::EmptyLabel(text.to_owned()));
                    }
                    wire += label + 1;
                    label = 0;
                    out.push('.');
                    continue;
                }
                b'\\' => octal(&mut bytes).ok_or_else(|| NameError::BadEscape(text.to_owned()))?,
                plain => plain,
            };
            label += 1;
            if label > MAX_LABEL {
                return Err(NameError::LabelTooLong(text.to_owned()));
            }
            let byte = byte.to_ascii_lowercase();
            if matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'*') {
                out.push(char::from(byte));
            } else {
                push_escape(&mut out, byte);
            }
        }
        if label == 0 {
            return Err(NameError::EmptyLabel(text.to_owned()));
        }
        wire += label + 1;
        if wire > MAX_WIRE {
            return Err(NameError::TooLong(wire));
        }
        Ok(Self { text: out.into() })
    }

    /// The form Route 53 answers with: escaped, with the final dot.
    #[must_use]
    pub fn to_route53(&self) -> String {
        let mut out = self.text.replace('*', "\\052");
        out.push('.');
        out
    }

    /// The name without the final dot, `*` plain, as people write it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The labels from left to right, in canonical text.
    pub fn labels(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.text.split('.')
    }

    /// The labels from left to right as the bytes that go on the wire.
    pub fn wire_labels(&self) -> impl DoubleEndedIterator<Item = Vec<u8>> {
        self.labels().map(|label| {
            let mut out = Vec::with_capacity(label.len());
            let mut bytes = label.bytes();
            while let Some(byte) = bytes.next() {
                // Canonical text holds whole escapes only, so the fallback is never taken.
                out.push(if byte == b'\\' { octal(&mut bytes).unwrap_or(byte) } else { byte });
            }
            out
        })
    }

    /// The name of which this one is a child; `None` for a top-level name.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let (_, rest) = self.text.split_once('.')?;
        Some(Self { text: rest.into() })
    }

    /// Whether this name is `zone` or lies below it, on label boundaries.
    #[must_use]
    pub fn is_within(&self, zone: &Self) -> bool {
        self.text.strip_suffix(&*zone.text).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }

    /// Whether the leftmost label is `*`, the only place where it stands for any label.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        self.text.starts_with("*.")
    }

    /// Whether every label is made of letters, digits and inner hyphens and the last one is not
    /// a number, which is what a CNAME's value has to be to be reachable as a host
    /// (RFC 1123 section 2.1).
    #[must_use]
    pub fn is_host_name(&self) -> bool {
        let label_fits = |label: &str| {
            !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        self.labels().all(label_fits)
            && !self.labels().next_back().is_some_and(|l| l.bytes().all(|b| b.is_ascii_digit()))
    }

    /// The key by which Route 53 orders names in its lists.
    #[must_use]
    pub fn sort_key(&self) -> SortKey {
        let mut key = String::with_capacity(self.text.len() + 1);
        for label in self.labels().rev() {
            key.push_str(&label.replace('*', "\\052"));
            key.push('.');
        }
        SortKey(key)
    }
}

/// A name with its labels reversed and the final dot kept, in escaped form: Route 53's list order
/// is the byte order of these. A name's key is a prefix of the keys of everything below it.
///
/// Spec: <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ListResourceRecordSets.html>
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SortKey(String);

fn octal(bytes: &mut impl Iterator<Item = u8>) -> Option<u8> {
    let mut value = 0u16;
    for _ in 0..3 {
        let digit = bytes.next().filter(|b| matches!(b, b'0'..=b'7'))?;
        value = value * 8 + u16::from(digit - b'0');
    }
    u8::try_from(value).ok()
}

fn push_escape(out: &mut String, byte: u8) {
    out.push('\\');
    for shift in [6, 3, 0] {
        out.push(char::from(b'0' + ((byte >> shift) & 7)));
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::parse(text)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({})", self.text)
    }
}

impl serde::Serialize for Name {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> serde::Deserialize<'de> for Name {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(text: &str) -> Name {
        Name::parse(text).expect("a name")
    }

    #[test]
    fn case_final_dot_and_escape_do_not_make_another_name() {
        assert_eq!(name("VPN.Example.com."), name("vpn.example.com"));
        assert_eq!(name("\\052.example.com"), name("*.example.com."));
        assert_eq!(name("a\\101.example.com"), name("aa.example.com"));
    }

    #[test]
    fn a_wildcard_is_plain_for_people_and_escaped_for_route_53() {
        let wildcard = name("*.Example.com");
        assert_eq!(wildcard.to_string(), "*.example.com");
        assert_eq!(wildcard.to_route53(), "\\052.example.com.");
        assert!(wildcard.is_wildcard());
        assert!(!name("a*.example.com").is_wildcard());
    }

    #[test]
    fn a_dot_inside_a_label_stays_inside_it() {
        let dotted = name("a\\056b.example.com");
        assert_eq!(dotted.labels().count(), 3);
        assert_eq!(dotted.wire_labels().next(), Some(b"a.b".to_vec()));
        assert!(!dotted.is_host_name());
    }

    #[test]
    fn zones_match_on_labels_not_on_letters() {
        assert!(name("vpn.example.com").is_within(&name("example.com")));
        assert!(name("example.com").is_within(&name("example.com")));
        assert!(!name("badexample.com").is_within(&name("example.com")));
    }

    #[test]
    fn bad_names_say_what_was_expected() {
        assert_eq!(Name::parse(""), Err(NameError::Empty));
        assert_eq!(Name::parse("."), Err(NameError::Empty));
        assert!(matches!(Name::parse("a..b"), Err(NameError::EmptyLabel(_))));
        assert!(matches!(Name::parse(".a"), Err(NameError::EmptyLabel(_))));
        assert!(matches!(Name::parse("a\\9b.com"), Err(NameError::BadEscape(_))));
        assert!(matches!(Name::parse("a\\777.com"), Err(NameError::BadEscape(_))));
        assert!(matches!(Name::parse("bücher.example"), Err(NameError::NotAscii(_))));
        assert!(matches!(Name::parse(&"a".repeat(64)), Err(NameError::LabelTooLong(_))));
        assert!(matches!(Name::parse(&["a".repeat(63).as_str(); 4].join(".")), Err(NameError::TooLong(257))));
        assert!(Name::parse(&format!("{0}.{0}.{0}.{1}", "a".repeat(63), "a".repeat(61))).is_ok());
    }

    #[test]
    fn addresses_and_stray_hyphens_are_not_host_names() {
        assert!(name("ec2-198-51-100-7.eu-west-1.compute.amazonaws.com").is_host_name());
        assert!(!name("198.51.100.7").is_host_name());
        assert!(!name("-a.example.com").is_host_name());
        assert!(!name("*.example.com").is_host_name());
    }

    #[test]
    fn list_order_keeps_the_dot_so_that_a_hyphen_sorts_before_it() {
        let mut names =
            ["b.a.example.com", "a-b.example.com", "a.example.com", "example.com", "*.example.com"].map(name);
        names.sort_by_key(Name::sort_key);
        let sorted: Vec<_> = names.iter().map(Name::as_str).collect();
        assert_eq!(
            sorted,
            ["example.com", "*.example.com", "a-b.example.com", "a.example.com", "b.a.example.com"]
        );
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_as_the_same_name(text in "[ -~]{1,40}") {
            if let Ok(parsed) = Name::parse(&text) {
                prop_assert_eq!(&name(&parsed.to_string()), &parsed);
                prop_assert_eq!(&name(&parsed.to_route53()), &parsed);
            }
        }

        #[test]
        fn everything_below_a_name_sorts_directly_behind_it(child in "[a-z0-9-]{1,8}", other in "[a-z0-9-]{1,8}(\\.[a-z0-9-]{1,4})?") {
            let zone = name("zone.example");
            let below = name(&format!("{child}.zone.example"));
            let elsewhere = name(&format!("{other}.example"));
            let key = elsewhere.sort_key();
            if zone.sort_key() <= key && key <= below.sort_key() {
                prop_assert!(elsewhere.is_within(&zone));
            }
        }
    }
}
