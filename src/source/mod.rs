//! Where a record's value comes from.

use std::str::FromStr;

use crate::dns::Value;

/// A place to look for a value. One variant for each kind, as users write them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Source {
    /// `imds`: the metadata item that fits the record's type.
    Imds,
    /// `imds:PATH`: that item below `/latest/meta-data/`.
    ImdsPath(String),
}

/// A text names no source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a source (imds, imds:PATH), found '{0}'")]
pub struct UnknownSource(pub String);

impl FromStr for Source {
    type Err = UnknownSource;

    fn from_str(text: &str) -> Result<Self, UnknownSource> {
        let unknown = || UnknownSource(text.to_owned());
        match text.split_once(':') {
            None if text == "imds" => Ok(Self::Imds),
            Some(("imds", path)) => {
                let path = path.trim_matches('/');
                let fits = !path.is_empty()
                    && path.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./:".contains(&b))
                    && path.split('/').all(|part| !matches!(part, "" | "." | ".."));
                if fits { Ok(Self::ImdsPath(path.to_owned())) } else { Err(unknown()) }
            }
            _ => Err(unknown()),
        }
    }
}

/// What a look at a source found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation {
    Known(Vec<Value>),
    /// The source answered that there is none, and says so in words.
    KnownNone(String),
    /// The source could not be read, or said something that makes no sense. Never the same as none.
    Unknown(String),
}
