//! AWS's profile files: `~/.aws/config` and `~/.aws/credentials`, merged as the SDKs merge them.
//!
//! Gives properties as text, with the file they stand in. What a property means is its reader's.
//! Values may be secret: nothing here shows one.
//!
//! Spec: <https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html>

mod grammar;
mod location;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::env::Env;
pub use grammar::{Fault, FaultKind};
pub use location::{Kind, expand, home};

/// The profile that is taken when none is asked for.
pub const DEFAULT: &str = "default";

/// A file that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("could not read {}", .path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{}: expected UTF-8", .0.display())]
    NotText(PathBuf),
    #[error("{}: {fault}", .path.display())]
    Grammar { path: PathBuf, fault: Fault },
}

/// All that both files say.
#[derive(Debug, Clone, Default)]
pub struct Profiles {
    named: BTreeMap<String, Section>,
    sso_sessions: BTreeMap<String, Section>,
    services: BTreeMap<String, Section>,
    /// The files that were read.
    files: Vec<Arc<PathBuf>>,
}

/// The properties of a profile, or of a section of another kind.
#[derive(Clone, Default)]
pub struct Section(BTreeMap<String, Property>);

#[derive(Clone)]
struct Property {
    value: String,
    kind: Kind,
    file: Arc<PathBuf>,
}

/// Names only: values are where secrets live.
impl fmt::Debug for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Section {
    /// The value of a property; `None` when it is left out, or blank.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(|property| property.value.as_str()).filter(|value| !value.is_empty())
    }

    /// A property within another: `endpoint_url` in `route_53`.
    #[must_use]
    pub fn nested(&self, key: &str, inner: &str) -> Option<&str> {
        let value = &self.0.get(key)?.value;
        // Only a property without a value of its own has others in it.
        let body = value.strip_prefix('\n')?;
        let found = grammar::nested(body).filter(|(name, _)| name.eq_ignore_ascii_case(inner)).last();
        found.map(|(_, value)| value).filter(|value| !value.is_empty())
    }

    /// Which of the files a property stands in.
    #[must_use]
    pub fn kind_of(&self, key: &str) -> Option<Kind> {
        self.0.get(key).map(|property| property.kind)
    }

    /// The file that a property stands in.
    #[must_use]
    pub fn file_of(&self, key: &str) -> Option<&PathBuf> {
        self.0.get(key).map(|property| &*property.file)
    }

    /// A file that says something about this section.
    fn some_file(&self) -> Option<&PathBuf> {
        self.0.values().next().map(|property| &*property.file)
    }

    fn merge(&mut self, properties: Vec<(String, String)>, kind: Kind, file: &Arc<PathBuf>) {
        for (name, value) in properties {
            self.0.insert(name, Property { value, kind, file: Arc::clone(file) });
        }
    }
}

impl Profiles {
    /// Reads both files, where they are.
    ///
    /// # Errors
    /// When one is there and can't be read or understood.
    pub fn load(env: &Env) -> Result<Self, Error> {
        let mut profiles = Self::default();
        // The credentials file comes second, since its properties stand over the other's.
        for kind in [Kind::Config, Kind::Credentials] {
            if let Some((path, text)) = kind.read(env)? {
                profiles.add(kind, path, &text)?;
            }
        }
        Ok(profiles)
    }

    /// Lays a file's text over what is there.
    ///
    /// # Errors
    /// When it can't be understood.
    pub fn add(&mut self, kind: Kind, path: PathBuf, text: &str) -> Result<(), Error> {
        let file = Arc::new(path);
        let sections =
            grammar::sections(text).map_err(|fault| Error::Grammar { path: PathBuf::clone(&file), fault })?;
        // [profile default] makes [default] count for nothing, wherever it stands.
        let is_prefixed_default = |title| of_config(title) == Some(("profile", DEFAULT));
        let prefixed = kind == Kind::Config && sections.iter().any(|s| is_prefixed_default(s.title));
        for section in sections {
            let place = match (kind, section.title) {
                (Kind::Config, DEFAULT) if prefixed => None,
                (Kind::Config, DEFAULT) => Some(&mut self.named).zip(Some(DEFAULT)),
                (Kind::Config, title) => match of_config(title) {
                    Some(("profile", name)) => Some((&mut self.named, name)),
                    Some(("sso-session", name)) => Some((&mut self.sso_sessions, name)),
                    Some(("services", name)) => Some((&mut self.services, name)),
                    _ => None,
                },
                (Kind::Credentials, name) => Some((&mut self.named, name)),
            };
            if let Some((sections, name)) = place.filter(|(_, name)| grammar::is_name(name)) {
                sections.entry(name.to_owned()).or_default().merge(section.properties, kind, &file);
            }
        }
        self.files.push(file);
        Ok(())
    }

    #[must_use]
    pub fn profile(&self, name: &str) -> Option<&Section> {
        self.named.get(name)
    }

    /// A section `[sso-session NAME]`.
    #[must_use]
    pub fn sso_session(&self, name: &str) -> Option<&Section> {
        self.sso_sessions.get(name)
    }

    /// A section `[services NAME]`.
    #[must_use]
    pub fn services(&self, name: &str) -> Option<&Section> {
        self.services.get(name)
    }

    /// How messages name a profile: with a file that it stands in, or those that were looked into.
    #[must_use]
    pub fn place_of(&self, name: &str) -> String {
        match self.profile(name).and_then(Section::some_file) {
            Some(file) => format!("profile '{name}' ({})", file.display()),
            None => format!("profile '{name}'"),
        }
    }

    /// The files that were read, for messages; `None` where there are none.
    #[must_use]
    pub fn files(&self) -> Option<String> {
        let files: Vec<String> = self.files.iter().map(|file| file.display().to_string()).collect();
        (!files.is_empty()).then(|| files.join(" and "))
    }
}

/// The kind and the name in a title of the config file.
fn of_config(title: &str) -> Option<(&str, &str)> {
    let (kind, name) = title.split_once([' ', '\t'])?;
    Some((kind, name.trim()))
}

#[cfg(test)]
mod tests;
