//! The layers, laid over one another: options over environment over file.
//!
//! The `config` crate merges. It forgets in which variable a value stood, and takes `record[9]` and `a.b`
//! among a layer's keys for paths; so a layer is cut down to keys of our own table before it is merged, and
//! a value's origin is the option or variable that it came from.

use std::path::{Path, PathBuf};

use ::config::{Config, ConfigError, Environment, Map, Source, Value, ValueKind};

use super::fault::{Fault, Faults, Place, Problem};
use super::keys::{self, Draft, Key, PREFIX, RECORD, RECORDS, SETTINGS};
use super::{Overrides, file};
use crate::env::Env;

/// What the `config` crate calls the origin of a value from the environment.
const FROM_ENVIRONMENT: &str = "the environment";

/// The key whose presence on the command line or in the environment makes records.
const NAME: &str = "name";

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
        if let Some(records) = named_records(overrides, env, faults) {
            options.0.insert(RECORDS.to_owned(), Value::new(None, records));
        }
        unknown_variables(env, faults);
        let merged = Config::builder()
            .add_source(lowest)
            .add_source(environment_layer(env))
            .add_source(options)
            .build();
        let tree = match merged {
            Ok(config) => config.cache,
            Err(error) => {
                let problem = Problem::Unreadable { expected: "settings", found: error.to_string() };
                faults.push(Fault { place: Place::Nowhere, key: None, problem });
                Value::default()
            }
        };
        Self { tree, file }
    }

    /// The value at a path, unless no layer has it.
    pub(super) fn get(&self, path: &str) -> Option<&Value> {
        path.split('.').try_fold(&self.tree, |value, word| match &value.kind {
            ValueKind::Table(table) => table.get(word),
            _ => None,
        })
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

/// A table for each name that options or environment give, all with the same settings. They take the place
/// of the file's records. Without a name there is nothing that such a setting could be for.
fn named_records(overrides: &Overrides, env: &Env, faults: &mut Faults) -> Option<Vec<Value>> {
    let mut names = Vec::new();
    let mut settings = Vec::new();
    for key in RECORD {
        let given = given(key, overrides, env);
        if key.path == NAME {
            names = given;
        } else if !given.is_empty() {
            settings.push((key.path, given));
        }
    }
    if names.is_empty() {
        for origin in settings.iter().flat_map(|(_, values)| values).filter_map(Value::origin) {
            let problem =
                Problem::Value("expected a name beside it (--name or PIN53_NAME), found none".to_owned());
            faults.push(Fault { place: place(origin), key: None, problem });
        }
        return None;
    }
    let record = |name: Value| {
        let settings = settings.iter().map(|(path, values)| match values.as_slice() {
            [one] => ((*path).to_owned(), one.clone()),
            several => ((*path).to_owned(), Value::new(None, several.to_vec())),
        });
        let table: Map<String, Value> = settings.chain([(NAME.to_owned(), name)]).collect();
        Value::new(None, table)
    };
    Some(names.into_iter().map(record).collect())
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

fn unknown_variables(env: &Env, faults: &mut Faults) {
    let known: Vec<String> = keys::variables().collect();
    for (name, _) in env.with_prefix(PREFIX) {
        if !known.iter().any(|known| known == name) {
            let nearest = keys::nearest_variable(name);
            let problem = Problem::Unknown { found: name.to_owned(), nearest };
            faults.push(Fault { place: Place::Variable(name.to_owned()), key: None, problem });
        }
    }
}
