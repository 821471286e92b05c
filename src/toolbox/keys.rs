//! The keys that `verify` and `capture` know: of one signer, or from a file.
//!
//! The file is TOML, a key id and its secret a line. No error quotes what the file holds.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::secret::{Credentials, ExposeSecret, SecretString};

/// Credentials by their key ids.
#[derive(Clone, Default)]
pub struct Keys(BTreeMap<String, Credentials>);

/// The file with the keys can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("could not read the keys in {}", .path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{}:{line}: expected TOML like AKIDEXAMPLE = \"secret\" in each line", .path.display())]
    Syntax { path: PathBuf, line: usize },
    #[error("{}: '{id}': expected a secret in quotation marks", .path.display())]
    Secret { path: PathBuf, id: String },
    #[error("{}: expected at least one key like AKIDEXAMPLE = \"secret\", found none", .path.display())]
    Empty { path: PathBuf },
}

impl Keys {
    /// Knows these credentials alone.
    #[must_use]
    pub fn of(credentials: Credentials) -> Self {
        Self(BTreeMap::from([(credentials.key_id.clone(), credentials)]))
    }

    /// Reads a file of keys.
    ///
    /// # Errors
    /// When it can't be read, isn't TOML, or holds anything but secrets by their ids.
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path);
        let text = SecretString::from(text.map_err(|source| Error::Read { path: path.to_owned(), source })?);
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &SecretString) -> Result<Self, Error> {
        let path = || path.to_owned();
        let text = text.expose_secret();
        // TOML's own message quotes the line.
        let line = |at: usize| text[..at.min(text.len())].matches('\n').count() + 1;
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| Error::Syntax {
            path: path(),
            line: line(error.span().map_or(0, |span| span.start)),
        })?;
        let mut keys = BTreeMap::new();
        for (id, secret) in table {
            let toml::Value::String(secret) = secret else { return Err(Error::Secret { path: path(), id }) };
            if secret.is_empty() {
                return Err(Error::Secret { path: path(), id });
            }
            keys.insert(id.clone(), Credentials::new(id, secret));
        }
        if keys.is_empty() { Err(Error::Empty { path: path() }) } else { Ok(Self(keys)) }
    }

    #[must_use]
    pub fn find(&self, id: &str) -> Option<Credentials> {
        self.0.get(id).cloned()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Credentials> {
        self.0.values()
    }
}

/// The ids alone.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Keys, Error> {
        Keys::parse(Path::new("keys.toml"), &SecretString::from(text))
    }

    #[test]
    fn each_id_has_its_secret() {
        let keys = parsed("# mine\nAKID = \"one\"\n\"with.dots\" = 'two'\n").unwrap();
        assert_eq!(keys.find("AKID").unwrap().secret.expose_secret(), "one");
        assert_eq!(keys.find("with.dots").unwrap().secret.expose_secret(), "two");
        assert!(keys.find("other").is_none());
        assert!(!format!("{keys:?}").contains("one"));
    }

    #[test]
    fn what_is_wrong_is_told_by_its_place_and_never_by_its_value() {
        for (text, expected) in [
            ("AKID = \"one\"\nOTHER = sentinel\n", "keys.toml:2: expected TOML"),
            ("AKID = \"sentinel\"\nAKID = \"sentinel\"\n", "keys.toml:2: expected TOML"),
            ("AKID = 53", "keys.toml: 'AKID': expected a secret in quotation marks"),
            ("with.dots = \"sentinel\"", "keys.toml: 'with': expected a secret in quotation marks"),
            ("AKID = ''", "keys.toml: 'AKID': expected a secret in quotation marks"),
            ("", "keys.toml: expected at least one key"),
        ] {
            let error = parsed(text).unwrap_err();
            assert!(error.to_string().starts_with(expected), "{error}");
            assert!(!format!("{error:?}").contains("sentinel"), "{error:?}");
        }
    }
}
