//! What pin53 remembers from run to run: a small JSON file that saves requests and nothing else.
//!
//! How files of the state directory are read and written is here too; what `board` keeps in one of its own
//! isn't. Every entry is a hint that the service confirms or refutes when it is used. Without the file,
//! or with a broken one, everything works and is learnt again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::dns::ZoneId;

/// The file's name in the state directory.
const FILE: &str = "state.json";

/// The memory, shared by everything that has something to remember.
#[derive(Debug, Default)]
pub struct State {
    directory: Option<PathBuf>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    facts: Facts,
    changed: bool,
    /// The zones that were looked up in this process.
    learnt: BTreeSet<(String, String)>,
}

fn learnt(endpoint: &str, wanted: &str) -> (String, String) {
    (endpoint.to_owned(), wanted.to_owned())
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Facts {
    /// The instance role's name.
    role: Option<String>,
    /// The instance's region.
    region: Option<String>,
    /// What was learnt of each Route 53 endpoint.
    endpoints: BTreeMap<String, Endpoint>,
    /// Records in trouble, and who was told of it.
    told: BTreeMap<String, Told>,
}

/// Trouble of a record, as far as it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    pub since: Timestamp,
    /// The notifications that know of it.
    pub to: Vec<String>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Endpoint {
    /// The service doesn't take AWS3-HTTPS.
    refuses_aws3_https: bool,
    /// Hosted zone ids, by what was looked for.
    zones: BTreeMap<String, ZoneId>,
    /// The host names of zones' name servers.
    name_servers: BTreeMap<ZoneId, Vec<String>>,
}

/// The state file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("could not read {}", .path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("expected pin53's own JSON in {}", .path.display())]
    Format {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    #[error("could not write {}", .path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl State {
    /// A memory that lasts as long as the process.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::default()
    }

    /// The memory kept in `directory`. A file that can't be used is an error to tell about beside
    /// an empty memory to go on with.
    #[must_use]
    pub fn load(directory: &Path) -> (Self, Option<Error>) {
        let (facts, error) = match read(&directory.join(FILE)) {
            Ok(facts) => (facts.unwrap_or_default(), None),
            Err(error) => (Facts::default(), Some(error)),
        };
        let inner = Mutex::new(Inner { facts, ..Inner::default() });
        (Self { directory: Some(directory.to_owned()), inner }, error)
    }

    /// Writes what has changed since the last time, by renaming a finished file into place.
    ///
    /// # Errors
    /// When the directory or the file can't be written. It is tried again the next time.
    pub fn save(&self) -> Result<(), Error> {
        let Some(directory) = &self.directory else { return Ok(()) };
        let facts = {
            let mut inner = self.lock();
            if !std::mem::take(&mut inner.changed) {
                return Ok(());
            }
            inner.facts.clone()
        };
        write(&directory.join(FILE), &facts, Durability::Lasting).inspect_err(|_| self.lock().changed = true)
    }

    /// Takes over the facts of another memory. Its zones count as those of an earlier process: they may
    /// have been found with other credentials.
    pub fn take_over(&self, before: &Self) {
        let facts = before.lock().facts.clone();
        let mut inner = self.lock();
        inner.facts = facts;
        inner.changed = true;
    }

    pub fn role(&self) -> Option<String> {
        self.lock().facts.role.clone()
    }

    pub fn set_role(&self, role: Option<&str>) {
        self.update(|facts| replace_if_other(&mut facts.role, role.map(str::to_owned)));
    }

    pub fn region(&self) -> Option<String> {
        self.lock().facts.region.clone()
    }

    pub fn set_region(&self, region: &str) {
        self.update(|facts| replace_if_other(&mut facts.region, Some(region.to_owned())));
    }

    /// Whether the service at `endpoint` is known not to take AWS3-HTTPS.
    pub fn refuses_aws3_https(&self, endpoint: &str) -> bool {
        self.lock().facts.endpoints.get(endpoint).is_some_and(|known| known.refuses_aws3_https)
    }

    pub fn set_refuses_aws3_https(&self, endpoint: &str) {
        self.update(|facts| {
            replace_if_other(
                &mut facts.endpoints.entry(endpoint.to_owned()).or_default().refuses_aws3_https,
                true,
            )
        });
    }

    /// The id found at `endpoint` the last time `wanted` was looked for, and whether that was in
    /// this process: what is older may have been another account's.
    pub fn zone(&self, endpoint: &str, wanted: &str) -> Option<(ZoneId, bool)> {
        let inner = self.lock();
        let id = inner.facts.endpoints.get(endpoint)?.zones.get(wanted)?.clone();
        Some((id, inner.learnt.contains(&learnt(endpoint, wanted))))
    }

    /// Whether there is one for anything that begins like this.
    pub fn knows_zone_like(&self, endpoint: &str, start: &str) -> bool {
        let inner = self.lock();
        let known = inner.facts.endpoints.get(endpoint);
        known.is_some_and(|known| known.zones.keys().any(|wanted| wanted.starts_with(start)))
    }

    pub fn set_zone(&self, endpoint: &str, wanted: &str, id: &ZoneId) {
        self.lock().learnt.insert(learnt(endpoint, wanted));
        self.update(|facts| {
            let zones = &mut facts.endpoints.entry(endpoint.to_owned()).or_default().zones;
            zones.insert(wanted.to_owned(), id.clone()).as_ref() != Some(id)
        });
    }

    pub fn forget_zone(&self, endpoint: &str, wanted: &str) {
        self.update(|facts| {
            facts.endpoints.get_mut(endpoint).is_some_and(|known| known.zones.remove(wanted).is_some())
        });
    }

    /// The host names of a zone's name servers, as they were learnt at `endpoint`.
    pub fn name_servers(&self, endpoint: &str, zone: &ZoneId) -> Option<Vec<String>> {
        self.lock().facts.endpoints.get(endpoint)?.name_servers.get(zone).cloned()
    }

    /// Remembers them, or forgets them.
    pub fn set_name_servers(&self, endpoint: &str, zone: &ZoneId, hosts: Option<&[String]>) {
        self.update(|facts| {
            let known = &mut facts.endpoints.entry(endpoint.to_owned()).or_default().name_servers;
            match hosts {
                Some(hosts) => known.insert(zone.clone(), hosts.to_vec()).as_deref() != Some(hosts),
                None => known.remove(zone).is_some(),
            }
        });
    }

    /// Records in trouble, and who was told of it.
    pub fn told(&self) -> BTreeMap<String, Told> {
        self.lock().facts.told.clone()
    }

    pub fn set_told(&self, told: BTreeMap<String, Told>) {
        self.update(|facts| replace_if_other(&mut facts.told, told));
    }

    /// Makes a change that tells whether it made a difference.
    fn update(&self, change: impl FnOnce(&mut Facts) -> bool) {
        let mut inner = self.lock();
        let changed = change(&mut inner.facts);
        inner.changed |= changed;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn replace_if_other<T: PartialEq>(place: &mut T, value: T) -> bool {
    let other = *place != value;
    *place = value;
    other
}

/// What a file of ours holds; `None` where there is none.
///
/// # Errors
/// When it can't be read, or holds something else.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(Error::Read { path: path.to_owned(), source }),
    };
    serde_json::from_slice(&bytes).map_err(|source| Error::Format { path: path.to_owned(), source })
}

/// Whether what is written has to outlast a loss of power from then on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    Lasting,
    /// Without it there is what was there before, or nothing that can be read.
    Passing,
}

/// Renames a finished file to `path`, whose directory is made where it is missing.
///
/// # Errors
/// When that isn't possible.
pub fn write(path: &Path, what: &impl Serialize, durability: Durability) -> Result<(), Error> {
    let text = serde_json::to_vec_pretty(what).map_err(io::Error::from);
    text.and_then(|text| replace(path, &text, durability))
        .map_err(|source| Error::Write { path: path.to_owned(), source })
}

fn replace(path: &Path, text: &[u8], durability: Durability) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(format!(".{}", std::process::id()));
    let unfinished = PathBuf::from(unfinished);
    let written = fs::File::create(&unfinished).and_then(|mut file| {
        file.write_all(text)?;
        if durability == Durability::Lasting { file.sync_all() } else { Ok(()) }
    });
    written.and_then(|()| fs::rename(&unfinished, path)).inspect_err(|_| {
        // Best effort: the error that counts is the one on its way.
        let _ = fs::remove_file(&unfinished);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_there_the_next_time() {
        let directory = tempfile::tempdir().unwrap();
        let nested = directory.path().join("pin53");
        let (state, error) = State::load(&nested);
        assert!(error.is_none());
        let id = ZoneId::parse("Z1").unwrap();
        state.set_role(Some("vpn"));
        state.set_region("eu-west-1");
        state.set_zone("https://r53", "vpn.example.com", &id);
        state.set_refuses_aws3_https("https://r53");
        state.save().unwrap();

        let (again, error) = State::load(&nested);
        assert!(error.is_none());
        assert_eq!(again.role().as_deref(), Some("vpn"));
        assert_eq!(again.region().as_deref(), Some("eu-west-1"));
        assert_eq!(again.zone("https://r53", "vpn.example.com"), Some((id, false)));
        assert_eq!(again.zone("https://other", "vpn.example.com"), None);
        assert!(again.refuses_aws3_https("https://r53"));
        again.forget_zone("https://r53", "vpn.example.com");
        assert_eq!(again.zone("https://r53", "vpn.example.com"), None);
        assert_eq!(fs::read_dir(&nested).unwrap().count(), 1, "no unfinished file is left");
    }

    #[test]
    fn a_broken_file_is_told_and_replaced() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(FILE), "{\"role\": ").unwrap();
        let (state, error) = State::load(directory.path());
        assert!(matches!(error, Some(Error::Format { .. })));
        state.set_role(Some("vpn"));
        state.save().unwrap();
        assert_eq!(State::load(directory.path()).0.role().as_deref(), Some("vpn"));
    }

    #[test]
    fn nothing_is_written_while_nothing_changes() {
        let directory = tempfile::tempdir().unwrap();
        let (state, _) = State::load(directory.path());
        state.set_role(None);
        state.save().unwrap();
        assert!(!directory.path().join(FILE).exists());
    }

    #[test]
    fn a_directory_that_cannot_be_written_is_an_error_that_names_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let blocked = directory.path().join("file");
        fs::write(&blocked, "").unwrap();
        let (state, _) = State::load(&blocked.join("below"));
        state.set_role(Some("vpn"));
        assert!(state.save().unwrap_err().to_string().ends_with("file/below/state.json"));
        fs::remove_file(&blocked).unwrap();
        state.save().unwrap();
        assert_eq!(State::load(&blocked.join("below")).0.role().as_deref(), Some("vpn"));
    }
}
