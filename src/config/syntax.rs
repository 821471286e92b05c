//! What keeps a file from being TOML: all of it, and what can be told of its keys in spite of it.

use std::collections::BTreeSet;

use ::config::{Map, Value, ValueKind};
use toml::de::{DeTable, DeValue, Error};

/// A text that isn't TOML.
pub(super) struct Broken {
    /// What was found, with line and column, in the order in which it stands there.
    pub faults: Vec<String>,
    /// Its keys on lines that can be read; values are left out.
    pub keys: Map<String, Value>,
}

impl Broken {
    /// `None` where nothing is wrong.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (table, errors) = DeTable::parse_recoverable(text);
        let mut told: Vec<(usize, usize, String)> = errors.iter().map(|error| told(text, error)).collect();
        told.sort();
        // What comes behind the first on a line is most often its consequence.
        told.dedup_by_key(|(line, ..)| *line);
        let lines: BTreeSet<usize> = told.iter().map(|(line, ..)| *line).collect();
        let faults: Vec<String> = told
            .into_iter()
            .map(|(line, column, text)| format!("line {line}, column {column}: {text}"))
            .collect();
        let keys = keys(table.get_ref(), &|offset| lines.contains(&place(text, offset).0));
        (!faults.is_empty()).then_some(Self { faults, keys })
    }
}

/// Line, column and what is wrong there.
fn told(text: &str, error: &Error) -> (usize, usize, String) {
    let (line, column) = place(text, error.span().map_or(text.len(), |span| span.start));
    (line, column, error.message().lines().last().unwrap_or_default().to_owned())
}

/// Line and column, from 1.
fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let column = before.get(line_start..).unwrap_or_default().chars().count();
    (before.matches('\n').count() + 1, column + 1)
}

fn keys(table: &DeTable<'_>, is_broken: &dyn Fn(usize) -> bool) -> Map<String, Value> {
    let whole = table.iter().filter(|(key, _)| !is_broken(key.span().start));
    whole.map(|(key, value)| (key.get_ref().to_string(), shape(value.get_ref(), is_broken))).collect()
}

/// Tables and lists, of which keys are parts.
fn shape(value: &DeValue<'_>, is_broken: &dyn Fn(usize) -> bool) -> Value {
    let kind = match value {
        DeValue::Table(table) => ValueKind::Table(keys(table, is_broken)),
        DeValue::Array(items) => {
            ValueKind::Array(items.iter().map(|item| shape(item.get_ref(), is_broken)).collect())
        }
        _ => ValueKind::Nil,
    };
    Value::new(None, kind)
}
