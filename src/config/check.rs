//! The configuration file alone: what is wrong with it, and nothing of what options or variables would lay over it.

use std::path::{Path, PathBuf};

use super::fault::{Fault, Faults, Place, Problem};
use super::keys::{CONFIG_VARIABLE, RECORDS};
use super::layers::{self, Layers};
use super::{DEFAULT_FILE, Overrides, file, read_settings};
use crate::env::Env;

/// What was found in a file.
#[derive(Debug)]
pub struct Checked {
    pub file: PathBuf,
    /// How many records it configures.
    pub records: usize,
    pub faults: Faults,
}

/// Reads the file that `named` or else its variable or its default tells. Of the environment only the names of pin53's
/// own variables are looked at, since a mistyped one is a fault wherever it stands.
#[must_use]
pub fn check(named: Option<&Path>, env: &Env) -> Checked {
    check_or(Path::new(DEFAULT_FILE), named, env)
}

pub(super) fn check_or(default: &Path, named: Option<&Path>, env: &Env) -> Checked {
    let alone: Env = env.get(CONFIG_VARIABLE).map(|path| (CONFIG_VARIABLE, path)).into_iter().collect();
    let overrides = Overrides { config: named.map(Path::to_owned), ..Overrides::default() };
    let mut faults = Faults::default();
    layers::unknown_variables(env, &mut faults);
    let layers = Layers::read(&overrides, &alone, default, &mut faults);
    let (_, file) = file::place(&overrides, &alone, default);
    let records = read_settings(&layers, &alone, &mut faults).rules.len();
    let place = Place::File(file.clone());
    if !layers.has_file() && faults.is_empty() {
        let problem = Problem::Unreadable { expected: "a file", found: "none".to_owned() };
        faults.push(Fault { place, key: None, problem });
    } else if !layers.has_any(RECORDS) && faults.iter().all(|fault| !hides_records(fault)) {
        faults.push(Fault { place, key: Some(RECORDS.to_owned()), problem: Problem::NothingToPin });
    }
    Checked { file, records, faults }
}

/// Whether it may be why there seem to be no records.
fn hides_records(fault: &Fault) -> bool {
    let is_of_records = fault.key.as_ref().is_some_and(|key| key.starts_with(RECORDS));
    is_of_records
        || match &fault.problem {
            Problem::Unreadable { .. } => true,
            Problem::Unknown { nearest, .. } => nearest.as_ref().is_some_and(|near| near.contains(RECORDS)),
            _ => false,
        }
}
