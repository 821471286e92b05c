//! Hosted zones.

use std::fmt;
use std::str::FromStr;

use super::Name;

/// Longest id (Route 53 API, type ResourceId).
const MAX_ID: usize = 32;

/// A hosted zone's id without the `/hostedzone/` that answers carry before it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ZoneId(Box<str>);

/// A text is no hosted zone id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a hosted zone id (up to {MAX_ID} letters and digits, like Z1PA6795UKMFR9), found '{0}'")]
pub struct ZoneIdError(String);

impl ZoneId {
    /// Reads an id, bare or with its path in front.
    ///
    /// # Errors
    /// When what remains isn't 1 to 32 ASCII letters and digits.
    pub fn parse(text: &str) -> Result<Self, ZoneIdError> {
        let bare = text.rsplit('/').next().unwrap_or(text);
        let fits = (1..=MAX_ID).contains(&bare.len()) && bare.bytes().all(|b| b.is_ascii_alphanumeric());
        if fits { Ok(Self(bare.into())) } else { Err(ZoneIdError(text.to_owned())) }
    }

    /// The bare id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ZoneId {
    type Err = ZoneIdError;

    fn from_str(text: &str) -> Result<Self, ZoneIdError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for ZoneId {
    type Error = ZoneIdError;

    fn try_from(text: String) -> Result<Self, ZoneIdError> {
        Self::parse(&text)
    }
}

impl From<ZoneId> for String {
    fn from(id: ZoneId) -> Self {
        id.0.into()
    }
}

impl fmt::Display for ZoneId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A hosted zone, as far as picking one needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    pub id: ZoneId,
    pub name: Name,
    /// Answers only inside the VPCs that it is associated with.
    pub private: bool,
    /// Made and owned by another AWS service, which alone may edit it.
    pub linked: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_taken_bare_or_with_its_path() {
        assert_eq!(ZoneId::parse("/hostedzone/Z1PA6795UKMFR9").unwrap().as_str(), "Z1PA6795UKMFR9");
        assert_eq!(ZoneId::parse("Z1PA6795UKMFR9").unwrap().as_str(), "Z1PA6795UKMFR9");
        assert!(ZoneId::parse("").is_err());
        assert!(ZoneId::parse("example.com").is_err());
        assert!(ZoneId::parse(&"Z".repeat(33)).is_err());
    }
}
