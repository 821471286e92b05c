//! The configuration file: where it is, and its keys against the table of known ones.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ::config::{ConfigError, File, FileFormat, Map, Source, Value, ValueKind};

use super::Overrides;
use super::fault::{Fault, Faults, Place, Problem};
use super::keys::{self, CONFIG_VARIABLE, NOTIFICATIONS, NOTIFY, RECORD, RECORDS, SETTINGS};
use super::layers::Layer;
use super::syntax::Broken;
use crate::env::Env;

/// Reads the file that is named, or else the default one if it is there, and leaves what pin53 doesn't
/// know out of it.
pub(super) fn layer(
    overrides: &Overrides,
    env: &Env,
    default: &Path,
    faults: &mut Faults,
) -> (Option<PathBuf>, Layer) {
    let (named_by, path) = place(overrides, env, default);
    let text = match fs::read(&path) {
        Ok(bytes) => String::from_utf8(bytes).map_err(|error| Problem::Unreadable {
            expected: "UTF-8",
            found: error.utf8_error().to_string(),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => match named_by {
            Some(place) => {
                let problem = Problem::Unreadable {
                    expected: "a file",
                    found: format!("nothing at {}", path.display()),
                };
                faults.push(Fault { place, key: None, problem });
                return (None, Layer::default());
            }
            None => return (None, Layer::default()),
        },
        Err(error) => Err(Problem::Unreadable { expected: "a readable file", found: error.to_string() }),
    };
    let mut known = Map::new();
    match text {
        Ok(text) => match File::from_str(&text, FileFormat::Toml).collect() {
            Ok(tree) => known = Walk { path: &path, faults }.settings(tree, ""),
            Err(error) => broken(&path, &text, &error, faults),
        },
        Err(problem) => faults.push(Fault { place: Place::File(path.clone()), key: None, problem }),
    }
    (Some(path), Layer(known))
}

/// Where the file is, and who names it, where anybody does.
pub(super) fn place(overrides: &Overrides, env: &Env, default: &Path) -> (Option<Place>, PathBuf) {
    match (&overrides.config, env.get(CONFIG_VARIABLE)) {
        (Some(path), _) => (Some(Place::Option("--config".to_owned())), path.clone()),
        (None, Some(path)) => (Some(Place::Variable(CONFIG_VARIABLE.to_owned())), PathBuf::from(path)),
        (None, None) => (None, default.to_owned()),
    }
}

/// Notes what keeps a file from being TOML, and the unknown among its keys.
fn broken(path: &Path, text: &str, error: &ConfigError, faults: &mut Faults) {
    let broken = Broken::read(text);
    let found = broken.as_ref().map_or_else(|| vec![syntax(error)], |broken| broken.faults.clone());
    for found in found {
        let problem = Problem::Unreadable { expected: "TOML", found };
        faults.push(Fault { place: Place::File(path.to_owned()), key: None, problem });
    }
    let mut of_keys = Faults::default();
    let keys = broken.map(|broken| broken.keys).unwrap_or_default();
    Walk { path, faults: &mut of_keys }.settings(keys, "");
    let unknown = of_keys.iter().filter(|fault| matches!(fault.problem, Problem::Unknown { .. }));
    unknown.for_each(|fault| faults.push(fault.clone()));
}

/// What is wrong and where, in one line: the parser draws a picture of the place, whose first line tells
/// line and column and whose last line tells what is wrong.
fn syntax(error: &ConfigError) -> String {
    let text = match error {
        ConfigError::FileParse { cause, .. } => cause.to_string(),
        other => other.to_string(),
    };
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    match (lines.next(), lines.next_back()) {
        (Some(first), Some(last)) => {
            format!("{}: {last}", first.trim_start_matches("TOML parse error at "))
        }
        (Some(only), None) => only.to_owned(),
        _ => text,
    }
}

/// A list of tables that the file may hold.
struct List {
    name: &'static str,
    knows: fn(&str) -> bool,
    /// Whether it has keys whose paths begin so.
    has_below: fn(&str) -> bool,
    /// Whether what stands there in its place may be quoted.
    is_public: bool,
}

const LISTS: [List; 2] = [
    List {
        name: RECORDS,
        knows: |path| RECORD.iter().any(|key| key.path == path),
        has_below: |below| RECORD.iter().any(|key| key.path.starts_with(below)),
        is_public: true,
    },
    List {
        name: NOTIFICATIONS,
        knows: |path| NOTIFY.iter().any(|key| key.path == path),
        has_below: |below| NOTIFY.iter().any(|key| key.path.starts_with(below)),
        is_public: false,
    },
];

impl List {
    /// What is told of a value that has no place here.
    fn shown(&self, value: Value) -> Value {
        match value.kind {
            ValueKind::String(_) if !self.is_public => Value::new(None, "..."),
            _ => value,
        }
    }
}

/// A walk over the file's tree with the key path at hand.
struct Walk<'a> {
    path: &'a Path,
    faults: &'a mut Faults,
}

impl Walk<'_> {
    /// The settings of a table below `section` ("" or "aws.") that pin53 knows.
    fn settings(&mut self, table: Map<String, Value>, section: &str) -> Map<String, Value> {
        let mut known = Map::new();
        for (key, value) in sorted(table) {
            let path = format!("{section}{key}");
            let below = format!("{path}.");
            if let Some(list) = LISTS.iter().find(|list| list.name == path) {
                if let Some(tables) = self.tables(list, value) {
                    known.insert(key, Value::new(None, tables));
                }
            } else if SETTINGS.iter().any(|setting| setting.path == path) {
                known.insert(key, value);
            } else if SETTINGS.iter().any(|setting| setting.path.starts_with(&below)) {
                match value.kind {
                    ValueKind::Table(table) => {
                        let inner = self.settings(table, &below);
                        known.insert(key, Value::new(None, inner));
                    }
                    _ => self.misshapen(&path, &format!("a table ([{path}])"), &value),
                }
            } else {
                self.unknown(&path, &key, keys::nearest_path(&path));
            }
        }
        known
    }

    fn tables(&mut self, list: &List, value: Value) -> Option<Vec<Value>> {
        let expected = format!("a list of tables ([[{}]])", list.name);
        let ValueKind::Array(items) = value.kind else {
            self.misshapen(list.name, &expected, &list.shown(value));
            return None;
        };
        let mut tables = Vec::with_capacity(items.len());
        for (i, item) in items.into_iter().enumerate() {
            let ValueKind::Table(table) = item.kind else {
                self.misshapen(&format!("{}[{i}]", list.name), &expected, &list.shown(item));
                continue;
            };
            let mut known = Map::new();
            self.table(list, table, i, "", &mut known);
            tables.push(Value::new(None, known));
        }
        Some(tables)
    }

    /// Takes in what pin53 knows of a table below `section` ("" or "routing."), by key paths.
    fn table(
        &mut self,
        list: &List,
        table: Map<String, Value>,
        i: usize,
        section: &str,
        known: &mut Map<String, Value>,
    ) {
        let name = list.name;
        for (key, value) in sorted(table) {
            let path = format!("{section}{key}");
            let below = format!("{path}.");
            if (list.knows)(&path) {
                known.insert(path, value);
            } else if (list.has_below)(&below) {
                if let ValueKind::Table(table) = value.kind {
                    self.table(list, table, i, &below, known);
                } else {
                    let expected = format!("a table ({key} = {{ ... }})");
                    self.misshapen(&format!("{name}[{i}].{path}"), &expected, &value);
                }
            } else {
                let nearest = keys::nearest_path(&format!("{name}.{path}"));
                self.unknown(&format!("{name}[{i}].{path}"), &key, nearest);
            }
        }
    }

    fn unknown(&mut self, path: &str, key: &str, nearest: Option<String>) {
        self.fault(path, Problem::Unknown { found: key.to_owned(), nearest });
    }

    fn misshapen(&mut self, path: &str, expected: &str, value: &Value) {
        if let Err(text) = super::read::mismatch::<()>(expected, value) {
            self.fault(path, Problem::Value(text));
        }
    }

    fn fault(&mut self, path: &str, problem: Problem) {
        let place = Place::File(self.path.to_owned());
        self.faults.push(Fault { place, key: Some(path.to_owned()), problem });
    }
}

/// In the order of the alphabet, since the parser's map has none.
fn sorted(table: Map<String, Value>) -> Vec<(String, Value)> {
    let mut entries: Vec<_> = table.into_iter().collect();
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    entries
}
