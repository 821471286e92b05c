//! Record sets: what Route 53 keeps under a name and a type.

use std::fmt;
use std::str::FromStr;

use super::value;
use super::{Name, ZoneId};

macro_rules! record_types {
    ($($variant:ident = $text:literal),+ $(,)?) => {
        /// The types of record that Route 53 knows.
        ///
        /// Spec: <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/ResourceRecordTypes.html>
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum RecordType { $($variant),+ }

        impl RecordType {
            /// Every type, in alphabetical order, which is the order of `Ord` too.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The type in capitals, as in the API and in zone files.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }
    };
}

record_types! {
    A = "A", Aaaa = "AAAA", Caa = "CAA", Cname = "CNAME", Ds = "DS", Https = "HTTPS", Mx = "MX",
    Naptr = "NAPTR", Ns = "NS", Ptr = "PTR", Soa = "SOA", Spf = "SPF", Srv = "SRV", Sshfp = "SSHFP",
    Svcb = "SVCB", Tlsa = "TLSA", Txt = "TXT",
}

/// A text names no record type of Route 53's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a record type (CNAME, A, AAAA, …), found '{0}'")]
pub struct UnknownRecordType(pub String);

impl FromStr for RecordType {
    type Err = UnknownRecordType;

    fn from_str(text: &str) -> Result<Self, UnknownRecordType> {
        Self::ALL
            .iter()
            .copied()
            .find(|t| t.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| UnknownRecordType(text.to_owned()))
    }
}

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl serde::Serialize for RecordType {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for RecordType {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Time to live, in seconds: 0 to 2147483647.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "u64")]
pub struct Ttl(u32);

/// A number is no TTL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a TTL of 0 to 2147483647 seconds, found '{0}'")]
pub struct TtlError(pub String);

impl Ttl {
    /// The largest that Route 53 takes (API, type TTL).
    pub const MAX: Self = Self(i32::MAX as u32);

    /// # Errors
    /// Above [`Ttl::MAX`].
    pub fn new(seconds: u64) -> Result<Self, TtlError> {
        match u32::try_from(seconds) {
            Ok(fits) if fits <= Self::MAX.0 => Ok(Self(fits)),
            _ => Err(TtlError(seconds.to_string())),
        }
    }

    #[must_use]
    pub fn seconds(self) -> u32 {
        self.0
    }
}

impl TryFrom<u64> for Ttl {
    type Error = TtlError;

    fn try_from(seconds: u64) -> Result<Self, TtlError> {
        Self::new(seconds)
    }
}

impl FromStr for Ttl {
    type Err = TtlError;

    fn from_str(text: &str) -> Result<Self, TtlError> {
        text.parse::<u64>()
            .map_err(|_| TtlError(text.to_owned()))
            .and_then(|s| Self::new(s).map_err(|_| TtlError(text.to_owned())))
    }
}

impl fmt::Display for Ttl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What names one record set among all of a zone's.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordKey {
    pub name: Name,
    pub rtype: RecordType,
    /// Set on each member of a routed set.
    pub set_identifier: Option<String>,
}

impl RecordKey {
    /// The key of a simple (not routed) record set.
    #[must_use]
    pub fn simple(name: Name, rtype: RecordType) -> Self {
        Self { name, rtype, set_identifier: None }
    }
}

impl fmt::Display for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.rtype)?;
        match &self.set_identifier {
            Some(id) => write!(f, " ({id})"),
            None => Ok(()),
        }
    }
}

/// A resource record set.
///
/// Spec: <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ResourceRecordSet.html>
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordSet {
    pub name: Name,
    pub rtype: RecordType,
    pub routing: Option<Routing>,
    pub target: Target,
    pub health_check_id: Option<String>,
}

/// What makes a record set one of several of the same name and type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routing {
    pub set_identifier: String,
    pub policy: Policy,
}

/// By what Route 53 chooses among the members of a routed set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Policy {
    Weighted(u8),
    Latency {
        region: String,
    },
    Failover(Failover),
    Geolocation {
        continent: Option<String>,
        country: Option<String>,
        subdivision: Option<String>,
    },
    Multivalue,
    /// A policy that pin53 recognises but doesn't write; holds its XML element's name.
    Other(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failover {
    Primary,
    Secondary,
}

/// What a record set answers with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Values as they were read, byte for byte: a DELETE has to repeat them.
    Values {
        ttl: Ttl,
        values: Vec<String>,
    },
    Alias {
        zone_id: ZoneId,
        name: Name,
        evaluate_health: bool,
    },
    /// Made and kept by a traffic policy; holds the policy instance's id.
    TrafficPolicy(String),
}

impl RecordSet {
    /// A simple record set: no routing, no alias.
    #[must_use]
    pub fn simple(name: Name, rtype: RecordType, ttl: Ttl, values: Vec<String>) -> Self {
        Self { name, rtype, routing: None, target: Target::Values { ttl, values }, health_check_id: None }
    }

    #[must_use]
    pub fn key(&self) -> RecordKey {
        RecordKey {
            name: self.name.clone(),
            rtype: self.rtype,
            set_identifier: self.routing.as_ref().map(|r| r.set_identifier.clone()),
        }
    }

    /// TTL and values of a simple record set; `None` where an alias, a traffic policy or routing is involved.
    #[must_use]
    pub fn as_simple(&self) -> Option<(Ttl, &[String])> {
        match (&self.routing, &self.target) {
            (None, Target::Values { ttl, values }) => Some((*ttl, values)),
            _ => None,
        }
    }

    /// Whether both answer the same: spelling and order of values, and the final dot, make no difference.
    #[must_use]
    pub fn is_equivalent(&self, other: &Self) -> bool {
        let same_target = match (&self.target, &other.target) {
            (Target::Values { ttl, values }, Target::Values { ttl: other_ttl, values: other_values }) => {
                ttl == other_ttl && same_values(self.rtype, values, other_values)
            }
            (a, b) => a == b,
        };
        self.name == other.name
            && self.rtype == other.rtype
            && self.routing == other.routing
            && self.health_check_id == other.health_check_id
            && same_target
    }
}

fn same_values(rtype: RecordType, a: &[String], b: &[String]) -> bool {
    let within = |a: &[String], b: &[String]| a.iter().all(|x| b.iter().any(|y| value::same(rtype, x, y)));
    a.len() == b.len() && within(a, b) && within(b, a)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(rtype: RecordType, ttl: u64, values: &[&str]) -> RecordSet {
        RecordSet::simple(
            Name::parse("vpn.example.com").unwrap(),
            rtype,
            Ttl::new(ttl).unwrap(),
            values.iter().map(|v| (*v).to_owned()).collect(),
        )
    }

    #[test]
    fn order_and_spelling_of_values_do_not_matter_but_the_ttl_does() {
        let one = set(RecordType::Aaaa, 60, &["2001:db8::1", "2001:db8::2"]);
        assert!(one.is_equivalent(&set(RecordType::Aaaa, 60, &["2001:DB8::2", "2001:db8:0::1"])));
        assert!(!one.is_equivalent(&set(RecordType::Aaaa, 300, &["2001:db8::1", "2001:db8::2"])));
        assert!(!one.is_equivalent(&set(RecordType::Aaaa, 60, &["2001:db8::1"])));
        assert!(!one.is_equivalent(&set(RecordType::Aaaa, 60, &["2001:db8::1", "2001:db8::1"])));
    }

    #[test]
    fn types_are_read_in_any_case_and_listed_in_order() {
        assert_eq!("cname".parse(), Ok(RecordType::Cname));
        assert!("CNAMES".parse::<RecordType>().is_err());
        assert!(RecordType::ALL.is_sorted_by_key(|t| t.as_str()));
    }

    #[test]
    fn a_ttl_has_bounds() {
        assert_eq!("2147483647".parse(), Ok(Ttl::MAX));
        assert!("2147483648".parse::<Ttl>().is_err());
        assert!("-1".parse::<Ttl>().is_err());
        assert!("1m".parse::<Ttl>().is_err());
    }
}
