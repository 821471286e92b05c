//! What should be: a rule and an observation give a wish.

use crate::dns::{Name, RecordType, Ttl, ZoneId};
use crate::source::Source;

/// One record to keep, as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub name: Name,
    pub rtype: RecordType,
    /// Asked in this order; the first that answers counts.
    pub sources: Vec<Source>,
    pub ttl: Ttl,
    pub zone: ZoneChoice,
    /// Publish addresses that aren't reachable from everywhere in a public zone too.
    pub allow_private: bool,
}

/// The hosted zone that a rule's record belongs into.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ZoneChoice {
    /// This one.
    Id(ZoneId),
    /// The one of this name.
    Named { name: Name, private: bool },
    /// The one with the longest name that the record's name lies within.
    Longest { private: bool },
}
