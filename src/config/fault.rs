//! What is wrong with a configuration, and where it says so.

use std::fmt::{self, Write};
use std::path::PathBuf;

/// Everything that is wrong with the layers of a configuration, in the order in which it was found.
///
/// `Display` writes one fault a line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Faults(Vec<Fault>);

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub place: Place,
    /// The key's path inside a file, like `record[1].ttl`.
    pub key: Option<String>,
    pub problem: Problem,
}

/// Where a setting was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Option(String),
    Variable(String),
    File(PathBuf),
    /// In none of the layers.
    Nowhere,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// A value that its key can't hold: "expected …, found …".
    Value(String),
    /// A key or variable that pin53 doesn't have, and in words the one that was likely meant.
    Unknown { found: String, nearest: Option<String> },
    /// A file that can't be read, or isn't TOML.
    Unreadable { expected: &'static str, found: String },
    /// No record is configured.
    NothingToPin,
}

impl Faults {
    /// Adds a fault; the same one twice is one fault. Settings for several names would repeat it.
    pub(super) fn push(&mut self, fault: Fault) {
        if !self.0.contains(&fault) {
            self.0.push(fault);
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `value`, unless there are faults.
    pub(super) fn unless_any<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter()
    }

    /// Whether it is the command line alone that is wrong: values of options that can't be.
    #[must_use]
    pub fn are_usage(&self) -> bool {
        self.0
            .iter()
            .all(|fault| matches!((&fault.place, &fault.problem), (Place::Option(_), Problem::Value(_))))
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, fault) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

impl Problem {
    /// What was expected and what was found, where the problem is one of these words.
    #[must_use]
    pub fn sides(&self) -> Option<(&str, &str)> {
        match self {
            Self::Value(text) => text.strip_prefix("expected ")?.split_once(", found "),
            Self::Unknown { found, .. } => Some(("a setting of pin53's", found)),
            Self::Unreadable { expected, found } => Some((expected, found)),
            Self::NothingToPin => Some(("a name to pin", "none")),
        }
    }

    /// What was likely meant.
    #[must_use]
    pub fn nearest(&self) -> Option<&str> {
        match self {
            Self::Unknown { nearest, .. } => nearest.as_deref(),
            _ => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match &self.place {
            Place::Option(name) | Place::Variable(name) => format!("{name}: "),
            Place::File(path) => format!("{}: ", path.display()),
            Place::Nowhere => String::new(),
        };
        let key = self.key.as_ref().map(|key| format!("{key}: ")).unwrap_or_default();
        // What was found is anyone's text, and must stay in its line.
        for c in format!("{place}{key}{}", self.problem).chars() {
            if c.is_control() { write!(f, "{}", c.escape_default())? } else { f.write_char(c)? }
        }
        Ok(())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(text) => f.write_str(text),
            Self::Unknown { found, nearest } => {
                write!(f, "expected a setting of pin53's, found '{found}'")?;
                match nearest {
                    Some(nearest) => write!(f, "; the nearest is {nearest}"),
                    None => Ok(()),
                }
            }
            Self::Unreadable { expected, found } => write!(f, "expected {expected}, found: {found}"),
            Self::NothingToPin => f.write_str("expected a name to pin, found none"),
        }
    }
}
