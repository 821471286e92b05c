//! What a record may hold: the values pin53 itself publishes, checked.
//!
//! Values of other people's records stay the text that was read; only comparing knows their type.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Name, NameError, RecordType};

/// A value of a CNAME, A or AAAA record.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Value {
    Host(Name),
    V4(Ipv4Addr),
    V6(Ipv6Addr),
}

/// Why a text can't be a value of a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    #[error("expected a host name")]
    Host(#[source] NameError),
    #[error("expected a host name, found '{0}'")]
    NotAHost(String),
    #[error("expected an IPv4 address, found '{0}'")]
    V4(String),
    #[error("expected an IPv6 address, found '{0}'")]
    V6(String),
    #[error("expected a record type that pin53 publishes (CNAME, A, AAAA), found {0}")]
    Type(RecordType),
}

impl Value {
    /// Reads `text` as a value of a record of type `rtype`.
    ///
    /// # Errors
    /// When the text isn't one, or pin53 doesn't publish the type.
    pub fn parse(rtype: RecordType, text: &str) -> Result<Self, ValueError> {
        match rtype {
            RecordType::Cname => {
                let name = Name::parse(text).map_err(ValueError::Host)?;
                if name.is_host_name() {
                    Ok(Self::Host(name))
                } else {
                    Err(ValueError::NotAHost(text.to_owned()))
                }
            }
            RecordType::A => text.parse().map(Self::V4).map_err(|_| ValueError::V4(text.to_owned())),
            RecordType::Aaaa => text.parse().map(Self::V6).map_err(|_| ValueError::V6(text.to_owned())),
            other => Err(ValueError::Type(other)),
        }
    }

    /// The address, unless the value is a host name.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Host(_) => None,
            Self::V4(v4) => Some(IpAddr::V4(*v4)),
            Self::V6(v6) => Some(IpAddr::V6(*v6)),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(name) => name.fmt(f),
            Self::V4(v4) => v4.fmt(f),
            Self::V6(v6) => v6.fmt(f),
        }
    }
}

/// The strings of a TXT value, with their escapes undone; a byte beyond ASCII is the character of its number. What
/// stands outside quotation marks belongs to them too, but for white space.
#[must_use]
pub fn strings(value: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let (mut inside, mut rest) = (false, value.chars());
    while let Some(c) = rest.next() {
        let c = match c {
            '"' => {
                inside = !inside;
                if inside {
                    out.push(String::new());
                }
                continue;
            }
            '\\' => {
                let ahead = rest.as_str();
                let octal = ahead.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
                if let Some(byte) = octal {
                    rest = ahead.get(3..).unwrap_or_default().chars();
                    char::from(byte)
                } else if let Some(escaped) = rest.next() {
                    escaped
                } else {
                    continue;
                }
            }
            c if !inside && c.is_whitespace() => continue,
            c => c,
        };
        match out.last_mut() {
            Some(string) => string.push(c),
            None => out.push(c.to_string()),
        }
    }
    out
}

/// Whether two values of records of one type say the same: host names, addresses and texts are compared
/// by what they mean, everything else by its letters.
pub(super) fn same(rtype: RecordType, a: &str, b: &str) -> bool {
    match rtype {
        RecordType::Cname | RecordType::Ns | RecordType::Ptr => {
            a == b || matches!((Name::parse(a), Name::parse(b)), (Ok(a), Ok(b)) if a == b)
        }
        RecordType::A | RecordType::Aaaa => {
            a == b || matches!((a.parse::<IpAddr>(), b.parse::<IpAddr>()), (Ok(a), Ok(b)) if a == b)
        }
        RecordType::Txt => a == b || strings(a) == strings(b),
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_checked_against_its_type() {
        assert!(Value::parse(RecordType::Cname, "ec2-1.example.com.").is_ok());
        assert!(matches!(Value::parse(RecordType::Cname, "198.51.100.7"), Err(ValueError::NotAHost(_))));
        assert!(matches!(Value::parse(RecordType::Cname, "<html>"), Err(ValueError::NotAHost(_))));
        assert!(matches!(Value::parse(RecordType::A, "2001:db8::1"), Err(ValueError::V4(_))));
        assert!(matches!(Value::parse(RecordType::Aaaa, "198.51.100.7"), Err(ValueError::V6(_))));
        assert!(matches!(Value::parse(RecordType::Mx, "10 a."), Err(ValueError::Type(RecordType::Mx))));
    }

    #[test]
    fn another_spelling_is_the_same_value() {
        assert!(same(RecordType::Aaaa, "2001:DB8:0::1", "2001:db8::1"));
        assert!(same(RecordType::Cname, "A.example.com.", "a.example.com"));
        assert!(!same(RecordType::Txt, "\"A\"", "\"a\""));
        assert!(same(RecordType::Txt, r#""a\141\b"   "c""#, r#""aab" "c""#));
        assert!(!same(RecordType::Txt, r#""a" "b""#, r#""ab""#));
        assert!(!same(RecordType::A, "198.51.100.7", "198.51.100.8"));
    }
}
