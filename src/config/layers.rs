//! The layers, laid over one another: options over environment over file.
//!
//! The `config` crate merges. It forgets in which variable a value stood, and takes `record[9]` and `a.b`
//! among a layer's keys for paths; so a layer is cut down to keys of our own table before it is merged, and
//! a value's origin is the option or variable that it came from.

use std::path::{Path, PathBuf};

use ::config::{Config, ConfigError, Environment, Map, Source, Value, ValueKind};

use super::fault::{Fault, Faults, Place, Problem};
use super::keys::{self, Draft, Key, NOTIFICATIONS, NOTIFY, PREFIX, RECORD, RECORDS, SETTINGS};
use super::notify::TARGETS;
use super::{Overrides, file};
use crate::env::Env;

/// What the `config` crate calls the origin of a value from the environment.
const FROM_ENVIRONMENT: &str = "the environment";

/// The key whose presence on the command line or in the environment makes records.
const NAME: &str = "name";
const TYPE: &str = "type";

/// All layers as one tree of known keys.
pub(super) struct Layers {
    tree: Value,
    /// Where the lowest layer came from.
    file: Option<PathBuf>,
}

/// A layer that is read already.
#[derive(Debug, Clone, Default)]
pub(super) struct Layer(pub Map<String, Value>);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.0.clone())
    }
}

impl Layers {
    /// Reads and merges, and notes what is wrong with each layer's keys.
    pub(super) fn read(overrides: &Overrides, env: &Env, default_file: &Path, faults: &mut Faults) -> Self {
        let (file, lowest) = file::layer(overrides, env, default_file, faults);
        let mut options = option_layer(overrides);
        let given = GivenRecords::read(overrides, env);
        if let Some(records) = given.named() {
            options.0.insert(RECORDS.to_owned(), Value::new(None, records));
        }
        let notification = GivenNotification::read(env);
        if let Some(table) = notification.whole() {
            options.0.insert(NOTIFICATIONS.to_owned(), Value::new(None, vec![table]));
        }
        unknown_variables(env, faults);
        let merged = Config::builder()
            .add_source(lowest)
            .add_source(environment_layer(env))
            .add_source(options)
            .build();
        let mut tree = match merged {
            Ok(config) => config.cache,
            Err(error) => {
                let problem = Problem::Unreadable { expected: "settings", found: error.to_string() };
                faults.push(Fault { place: Place::Nowhere, key: None, problem });
                Value::default()
            }
        };
        if given.names.is_empty() {
            given.lay_over(&mut tree, faults);
        }
        notification.lay_over(&mut tree, faults);
        Self { tree, file }
    }

    /// The value at a path, unless no layer has it.
    pub(super) fn get(&self, path: &str) -> Option<&Value> {
        path.split('.').try_fold(&self.tree, |value, word| match &value.kind {
            ValueKind::Table(table) => table.get(word),
            _ => None,
        })
    }

    /// Whether a file was there to be read.
    pub(super) fn has_file(&self) -> bool {
        self.file.is_some()
    }

    /// Whether the list at a path has anything in it.
    pub(super) fn has_any(&self, path: &str) -> bool {
        matches!(self.get(path).map(|value| &value.kind), Some(ValueKind::Array(items)) if !items.is_empty())
    }

    /// The fault of a value that stands at `path`.
    pub(super) fn fault(&self, value: &Value, path: &str, problem: String) -> Fault {
        let (place, key) = match (value.origin(), &self.file) {
            (Some(FROM_ENVIRONMENT), _) => (Place::Variable(keys::variable(path)), None),
            (Some(origin), _) => (place(origin), None),
            (None, Some(file)) => (Place::File(file.clone()), Some(path.to_owned())),
            (None, None) => (Place::Nowhere, Some(path.to_owned())),
        };
        Fault { place, key, problem: Problem::Value(problem) }
    }
}

fn option_layer(overrides: &Overrides) -> Layer {
    let given = SETTINGS.iter().filter_map(|key| {
        let (option, values) = key.given(overrides)?;
        Some((key.path.to_owned(), text(option, values.last()?)))
    });
    Layer(given.collect())
}

fn environment_layer(env: &Env) -> Environment {
    let variables = SETTINGS.iter().filter_map(|key| {
        let name = key.variable();
        let value = env.get(&name)?.to_owned();
        Some((name, value))
    });
    Environment::with_prefix(PREFIX.trim_end_matches('_'))
        .prefix_separator("_")
        .separator("__")
        .source(Some(variables.collect()))
}

/// What options and environment say of records.
struct GivenRecords {
    /// Names that take the place of the file's records.
    names: Vec<Value>,
    /// The other settings: of these names or, without any, of the file's records.
    settings: Vec<(&'static str, Value)>,
}

impl GivenRecords {
    fn read(overrides: &Overrides, env: &Env) -> Self {
        let (mut names, mut settings) = (Vec::new(), Vec::new());
        for key in RECORD {
            let mut values = given(key, overrides, env);
            if key.path == NAME {
                names = values;
            } else if values.len() == 1 {
                settings.extend(values.pop().map(|value| (key.path, value)));
            } else if let Some(first) = values.first() {
                let origin = first.origin().map(str::to_owned);
                settings.push((key.path, Value::new(origin.as_ref(), values)));
            }
        }
        Self { names, settings }
    }

    /// A table for each name, all with the same settings.
    fn named(&self) -> Option<Vec<Value>> {
        let record = |name: &Value| {
            let settings = self.settings.iter().map(|(path, value)| ((*path).to_owned(), value.clone()));
            let table: Map<String, Value> = settings.chain([(NAME.to_owned(), name.clone())]).collect();
            Value::new(None, table)
        };
        (!self.names.is_empty()).then(|| self.names.iter().map(record).collect())
    }

    /// Puts the settings over those of the file's records. A type is what a record is, not how it is
    /// kept: it stands with its name.
    fn lay_over(&self, tree: &mut Value, faults: &mut Faults) {
        let records = tables(tree, RECORDS);
        for (path, value) in &self.settings {
            if records.is_empty() || *path == TYPE {
                let problem =
                    Problem::Value("expected a name beside it (--name or PIN53_NAME), found none".to_owned());
                let place = value.origin().map_or(Place::Nowhere, place);
                faults.push(Fault { place, key: None, problem });
                continue;
            }
            for record in records.iter_mut() {
                if let ValueKind::Table(table) = &mut record.kind {
                    table.insert((*path).to_owned(), value.clone());
                }
            }
        }
    }
}

/// What the environment says of notifications.
struct GivenNotification(Vec<(&'static str, Value)>);

impl GivenNotification {
    fn read(env: &Env) -> Self {
        let given = NOTIFY.iter().filter_map(|key| {
            let variable = key.variable();
            let value = text(&variable, env.get(&variable)?);
            Some((key.path, value))
        });
        Self(given.collect())
    }

    fn has_target(&self) -> bool {
        self.0.iter().any(|(path, _)| TARGETS.contains(path))
    }

    /// A notification that takes the place of the file's.
    fn whole(&self) -> Option<Value> {
        let table: Map<String, Value> =
            self.0.iter().map(|(path, value)| ((*path).to_owned(), value.clone())).collect();
        self.has_target().then(|| Value::new(None, table))
    }

    /// Puts settings that make no notification of their own over those of the file's.
    fn lay_over(&self, tree: &mut Value, faults: &mut Faults) {
        if self.has_target() {
            return;
        }
        let notifications = tables(tree, NOTIFICATIONS);
        for (path, value) in &self.0 {
            if notifications.is_empty() {
                let beside = TARGETS.map(|target| keys::variable(&format!("{NOTIFICATIONS}.{target}")));
                let text = format!("expected one of {} beside it, found none", beside.join(", "));
                let place = value.origin().map_or(Place::Nowhere, place);
                faults.push(Fault { place, key: None, problem: Problem::Value(text) });
            }
            for notification in notifications.iter_mut() {
                if let ValueKind::Table(table) = &mut notification.kind {
                    table.insert((*path).to_owned(), value.clone());
                }
            }
        }
    }
}

/// The tables of a list.
fn tables<'a>(tree: &'a mut Value, list: &str) -> &'a mut [Value] {
    let found = match &mut tree.kind {
        ValueKind::Table(table) => table.get_mut(list).map(|found| &mut found.kind),
        _ => None,
    };
    match found {
        Some(ValueKind::Array(tables)) => tables.as_mut_slice(),
        _ => &mut [],
    }
}

/// What options, or else variables, say for `key` of the records they name.
fn given(key: &Key<Draft>, overrides: &Overrides, env: &Env) -> Vec<Value> {
    if let Some((option, values)) = key.given(overrides)
        && !values.is_empty()
    {
        return values.iter().map(|value| text(option, value)).collect();
    }
    let Some((variable, value)) =
        key.variables().find_map(|name| env.get(&name).map(|value| (name.clone(), value)))
    else {
        return Vec::new();
    };
    if key.path == NAME {
        value
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(|name| text(&variable, name))
            .collect()
    } else {
        vec![text(&variable, value)]
    }
}

/// The place of a value whose origin we named ourselves.
fn place(origin: &str) -> Place {
    let name = origin.to_owned();
    if name.starts_with("--") { Place::Option(name) } else { Place::Variable(name) }
}

fn text(origin: &str, value: &str) -> Value {
    Value::new(Some(&origin.to_owned()), value)
}

pub(super) fn unknown_variables(env: &Env, faults: &mut Faults) {
    let known: Vec<String> = keys::variables().collect();
    for (name, _) in env.with_prefix(PREFIX) {
        if !known.iter().any(|known| known == name) {
            let nearest = keys::nearest_variable(name);
            let problem = Problem::Unknown { found: name.to_owned(), nearest };
            faults.push(Fault { place: Place::Variable(name.to_owned()), key: None, problem });
        }
    }
}
