//! On what terms a record is kept: beside which others, as whose, as a member of what, and for how long.

use std::fmt;
use std::str::FromStr;

use crate::dns::{Policy, Routing};
use crate::pattern::{Facts, Pattern, Rendered, Unrendered};

/// What a record may do to what stands at its name, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Terms {
    pub on_conflict: OnConflict,
    /// Written into a marker beside the record.
    pub owner: Option<Owner>,
}

/// What becomes of a record set of another kind that stands at the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnConflict {
    /// It stays, and the record is refused.
    #[default]
    Refuse,
    /// A, AAAA, CNAME, alias and routed sets make way for the record.
    Replace,
}

/// Who looks after a record, as its marker names them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owner(Box<str>);

/// A text names no owner.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected an owner of 1 to {MAX_OWNER} letters, digits and signs other than white space, '\"', '\\', ',' and '=', \
     found '{0}'"
)]
pub struct OwnerError(String);

/// With the rest of the marker it fits into one string of a TXT record, which holds 255 characters.
const MAX_OWNER: usize = 200;

impl Owner {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Owner {
    type Err = OwnerError;

    fn from_str(text: &str) -> Result<Self, OwnerError> {
        let fits = (1..=MAX_OWNER).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\' | b',' | b'='));
        if fits { Ok(Self(text.into())) } else { Err(OwnerError(text.to_owned())) }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What makes a record one member of a routed set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub set_identifier: Pattern<SetIdentifier>,
    pub policy: Policy,
    /// The health check that the member is answered by.
    pub health_check_id: Option<String>,
}

impl Member {
    /// How the member is routed, given what the metadata says.
    ///
    /// # Errors
    /// When its identifier can't be told.
    pub fn routing(&self, facts: &Facts) -> Result<Routing, Unrendered> {
        let set_identifier = self.set_identifier.render(facts)?.0;
        Ok(Routing { set_identifier, policy: self.policy.clone() })
    }
}

/// What tells the members of a routed set apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SetIdentifier(String);

/// Longest identifier (API model).
const MAX_SET_IDENTIFIER: usize = 128;

impl Rendered for SetIdentifier {
    fn admits(value: &str) -> Result<(), &'static str> {
        if value.is_empty() { Err("a text that isn't empty") } else { Ok(()) }
    }

    fn from_text(text: &str) -> Result<Self, String> {
        let fits =
            (1..=MAX_SET_IDENTIFIER).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("expected a set identifier of 1 to {MAX_SET_IDENTIFIER} characters, found '{text}'"))
        }
    }
}

impl fmt::Display for SetIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What becomes of the record when pin53, or its machine, goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Leaving {
    /// The daemon is stopped.
    pub on_stop: Parting,
    /// EC2 or Auto Scaling announces the instance's end.
    pub on_terminate: Parting,
    /// EC2 recommends to replace the instance, which is at risk of being interrupted.
    pub on_rebalance: Parting,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Parting {
    /// It stays.
    #[default]
    Keep,
    /// It is taken away, if it still is as it was written.
    Withdraw,
}
