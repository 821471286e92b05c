//! From records as configured to rules: defaults filled in, and each name and type once. And notifications.

use std::collections::HashSet;

use ::config::{Value, ValueKind};

use super::fault::Faults;
use super::keys::{Draft, NOTIFICATIONS, NOTIFY, RECORD, RECORDS};
use super::layers::Layers;
use super::notify::NotifyDraft;
use super::read::ZoneText;
use crate::desired::{OnConflict, Rule, ZoneChoice};
use crate::dns::{Name, RecordType, Ttl};
use crate::notify;
use crate::pattern::Pattern;
use crate::plan::marker;
use crate::source::Source;

/// Follows a moved machine within a minute, and is what a resolver asks for again as often as that.
const DEFAULT_TTL: u64 = 60;

/// The rules of all records that can be read.
pub(super) fn rules(layers: &Layers, faults: &mut Faults) -> Vec<Rule> {
    let Some(ValueKind::Array(records)) = layers.get(RECORDS).map(|value| &value.kind) else {
        return Vec::new();
    };
    let mut rules: Vec<Rule> = Vec::with_capacity(records.len());
    for (i, record) in records.iter().enumerate() {
        let Some(rule) = rule(record, i, layers, faults) else { continue };
        match rules.iter().find_map(|other| clash(&rule, other)) {
            None => rules.push(rule),
            Some(text) => faults.push(layers.fault(at(record, "name"), &path(i, "name"), text)),
        }
    }
    rules
}

/// Why two records can't both be kept.
fn clash(rule: &Rule, other: &Rule) -> Option<String> {
    let (name, rtype) = (&rule.name, rule.rtype);
    if *name != other.name {
        return None;
    }
    if rtype != other.rtype {
        // Where none replaces the other, the second is refused and says why.
        let alone = [rtype, other.rtype].contains(&RecordType::Cname);
        let replaces = [rule, other].iter().any(|rule| rule.terms.on_conflict == OnConflict::Replace);
        return (alone && replaces).then(|| {
            format!(
                "expected a CNAME alone at its name, found {} beside {rtype} at {name}, one to replace the other",
                other.rtype
            )
        });
    }
    match (&rule.member, &other.member) {
        (Some(a), Some(b)) if std::mem::discriminant(&a.policy) != std::mem::discriminant(&b.policy) => {
            Some(format!("expected one policy for all members of {name} {rtype}, found two"))
        }
        (Some(a), Some(b)) if a.set_identifier != b.set_identifier => None,
        (Some(a), Some(_)) => {
            let id = &a.set_identifier;
            Some(format!("expected each member once, found {name} {rtype} ({id}) again"))
        }
        _ => Some(format!("expected each name and type once, found {name} {rtype} again")),
    }
}

fn rule(record: &Value, i: usize, layers: &Layers, faults: &mut Faults) -> Option<Rule> {
    let ValueKind::Table(table) = &record.kind else { return None };
    let mut draft = Draft::default();
    let mut whole = true;
    let mut fault = |value: &Value, key: &str, text: String| {
        faults.push(layers.fault(value, &path(i, key), text));
        whole = false;
    };
    let mut readable = true;
    for key in RECORD {
        let Some(value) = table.get(key.path) else { continue };
        if let Err(text) = key.read(value, &mut draft) {
            readable = false;
            fault(first(value), key.path, text);
        }
    }
    if !table.contains_key("name") {
        fault(record, "name", "expected a domain name, found nothing".to_owned());
    }
    if let (Some(name), Some(ZoneText::Name(zone))) = (&draft.name, &draft.zone)
        && !may_lie_within(name, zone)
    {
        let text = format!("expected a zone that {name} lies in, found '{zone}'");
        fault(at(record, "zone"), "zone", text);
    }
    let zone = match draft.zone {
        Some(ZoneText::Id(id)) => ZoneChoice::Id(id),
        Some(ZoneText::Name(name)) => ZoneChoice::Named(name),
        None => ZoneChoice::Longest,
    };
    let ttl = draft.ttl.or_else(|| Ttl::new(DEFAULT_TTL).ok());
    let rtype = draft.rtype.unwrap_or(RecordType::Cname);
    let sources = draft.sources.unwrap_or_else(|| vec![Source::Imds]);
    // What is wrong with the type itself was told already.
    let type_is_told = draft.rtype.is_some() || !table.contains_key("type");
    let misfit = sources.iter().find_map(|source| source.serves(rtype).err());
    if let Some(text) = misfit.filter(|_| type_is_told) {
        fault(first(at(record, "source")), "source", text);
    }
    // One that stands there twice would agree with itself.
    let different = sources.iter().collect::<HashSet<_>>().len();
    if let Some(needed) = draft.agree.filter(|needed| *needed > different) {
        let text = format!("expected at most the number of different sources, {different}, found {needed}");
        fault(at(record, "agree"), "agree", text);
    }
    // What can't be read was told already.
    let is_routed = readable && table.keys().any(|key| key.starts_with("routing."));
    let member = match is_routed.then(|| draft.routing.member(rtype)).transpose() {
        Ok(member) => member,
        Err((key, text)) => {
            fault(at(record, key), key, text);
            None
        }
    };
    if let (Some(Pattern::Plain(name)), Some(_)) = (&draft.name, &draft.terms.owner) {
        match (marker::name(name, rtype), &zone) {
            (Err(error), _) => {
                fault(at(record, "owner"), "owner", format!("its marker would have no name: {error}"));
            }
            (Ok(marker), ZoneChoice::Named(zone)) if zone == name => {
                let text = format!(
                    "expected no owner for the zone's own name: the marker would stand at {marker}, outside the zone \
                     {zone}; leave owner out of this record"
                );
                fault(at(record, "owner"), "owner", text);
            }
            _ => {}
        }
    }
    if !whole {
        return None;
    }
    Some(Rule {
        name: draft.name?,
        rtype,
        sources,
        agree: draft.agree.unwrap_or(1),
        ttl: ttl?,
        zone,
        private: draft.private,
        allow_private: draft.allow_private,
        terms: draft.terms,
        member,
        leaving: draft.leaving,
    })
}

/// The notifications that can be read.
pub(super) fn notifications(layers: &Layers, faults: &mut Faults) -> Vec<notify::Settings> {
    let Some(ValueKind::Array(tables)) = layers.get(NOTIFICATIONS).map(|value| &value.kind) else {
        return Vec::new();
    };
    let mut notifications = Vec::with_capacity(tables.len());
    for (i, notification) in tables.iter().enumerate() {
        let ValueKind::Table(table) = &notification.kind else { continue };
        let mut draft = NotifyDraft::default();
        let mut readable = true;
        let mut fault = |value: &Value, key: &str, text: String| {
            faults.push(layers.fault(value, &format!("{NOTIFICATIONS}[{i}].{key}"), text));
        };
        for key in NOTIFY {
            let Some(value) = table.get(key.path) else { continue };
            if let Err(text) = key.read(value, &mut draft) {
                readable = false;
                fault(value, key.path, text);
            }
        }
        // What can't be read was told already.
        if readable {
            match draft.settings() {
                Ok(settings) => notifications.push(settings),
                Err((key, text)) => fault(at(notification, key), key, text),
            }
        }
    }
    notifications
}

/// Where the name depends on the metadata, what stands behind its last word tells as much as can be told.
fn may_lie_within(name: &Pattern<Name>, zone: &Name) -> bool {
    match name {
        Pattern::Plain(name) => name.is_within(zone),
        Pattern::Worded(parts) => {
            let tail = parts.tail().split_once('.').and_then(|(_, tail)| Name::parse(tail).ok());
            tail.is_none_or(|tail| tail.is_within(zone) || zone.is_within(&tail))
        }
    }
}

/// In a list, the first item's place is as good as the list's and more exact for options.
fn first(value: &Value) -> &Value {
    match &value.kind {
        ValueKind::Array(items) => items.first().unwrap_or(value),
        _ => value,
    }
}

/// The value of a record's key, or else the record.
fn at<'a>(record: &'a Value, key: &str) -> &'a Value {
    match &record.kind {
        ValueKind::Table(table) => table.get(key).unwrap_or(record),
        _ => record,
    }
}

fn path(i: usize, key: &str) -> String {
    format!("{RECORDS}[{i}].{key}")
}
