//! Where a record's value comes from, and the metadata that its name is made of.
//!
//! A look ends in one of three ways, and *unknown* is never *none*.

mod imds;

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::join_all;

use crate::causes::with_causes;
use crate::dns::{RecordType, Value};
use crate::imds::{Error, Imds};
use crate::pattern::{Fact, Facts, Item};

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

impl Source {
    /// The metadata item that this source reads for a record of type `rtype`.
    fn item(&self, rtype: RecordType) -> &str {
        match self {
            Self::Imds => imds::item_for(rtype),
            Self::ImdsPath(path) => path,
        }
    }
}

/// What a look at a record's sources found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation {
    Known(Vec<Value>),
    /// The source answered that there is none, and says so in words.
    KnownNone(String),
    /// The source could not be read, or said something that makes no sense. Never the same as none.
    Unknown(String),
}

/// The sources of one record.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    pub rtype: RecordType,
    /// In the order in which they count.
    pub sources: &'a [Source],
}

/// Whoever looks at sources.
pub struct Sources {
    metadata: Arc<Imds>,
    /// Items for names that stay the same, as once read.
    lasting: Mutex<BTreeMap<Item, String>>,
}

impl Sources {
    #[must_use]
    pub fn new(metadata: Arc<Imds>) -> Self {
        Self { metadata, lasting: Mutex::default() }
    }

    /// Looks at the sources of each record, reading each item once.
    pub async fn look(&self, wanted: &[Wanted<'_>]) -> Vec<Observation> {
        let mut items: BTreeSet<&str> = BTreeSet::new();
        for record in wanted {
            items.extend(record.sources.iter().map(|source| source.item(record.rtype)));
        }
        let reading = items.into_iter().map(|item| async move { (item, self.metadata.item(item).await) });
        let read: BTreeMap<_, _> = join_all(reading).await.into_iter().collect();
        wanted.iter().map(|record| first_known(record, &read)).collect()
    }

    /// What the metadata says of some items. What stays the same is read once.
    pub async fn facts(&self, items: BTreeSet<&Item>) -> Facts {
        let reading = items.into_iter().map(|item| async move { (item.clone(), self.fact(item).await) });
        join_all(reading).await.into_iter().collect()
    }

    async fn fact(&self, item: &Item) -> Fact {
        if let Some(text) = self.lasting().get(item) {
            return Fact::Known(text.clone());
        }
        match self.metadata.text(&item.path()).await {
            Ok(Some(text)) if item.is_lasting() && text.is_empty() => Fact::Absent,
            Ok(Some(text)) => {
                if item.is_lasting() {
                    self.lasting().insert(item.clone(), text.clone());
                }
                Fact::Known(text)
            }
            Ok(None) => Fact::Absent,
            Err(error) => Fact::Unread(with_causes(&error)),
        }
    }

    fn lasting(&self) -> std::sync::MutexGuard<'_, BTreeMap<Item, String>> {
        self.lasting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first source that knows something; where none does, the first that could not be read.
fn first_known(record: &Wanted<'_>, read: &BTreeMap<&str, Result<Option<String>, Error>>) -> Observation {
    let mut fallback: Option<Observation> = None;
    for source in record.sources {
        let item = source.item(record.rtype);
        let observation = match read.get(item) {
            Some(Ok(Some(text))) => understand(record.rtype, item, text),
            Some(Ok(None)) => {
                Observation::KnownNone(format!("the metadata service has no {item} for this instance"))
            }
            Some(Err(error)) => Observation::Unknown(with_causes(error)),
            None => Observation::Unknown(format!("{item} was not read")),
        };
        match (&observation, &fallback) {
            (Observation::Known(_), _) => return observation,
            (_, None) | (Observation::Unknown(_), Some(Observation::KnownNone(_))) => {
                fallback = Some(observation);
            }
            _ => {}
        }
    }
    fallback.unwrap_or_else(|| Observation::Unknown("no source is configured".to_owned()))
}

/// Reads a text as values, one a line.
fn understand(rtype: RecordType, item: &str, text: &str) -> Observation {
    let values: Result<Vec<Value>, _> = text.lines().map(|line| Value::parse(rtype, line.trim())).collect();
    match values {
        Ok(mut values) => {
            values.sort();
            values.dedup();
            if rtype == RecordType::Cname && values.len() > 1 {
                return Observation::Unknown(format!(
                    "{item}: expected one host name, found {}",
                    values.len()
                ));
            }
            Observation::Known(values)
        }
        Err(error) => {
            let mut shown = with_causes(&error);
            shown.truncate(shown.char_indices().nth(200).map_or(shown.len(), |(at, _)| at));
            Observation::Unknown(format!("{item}: {shown}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_read_as_users_write_them() {
        assert_eq!("imds".parse(), Ok(Source::Imds));
        assert_eq!("imds:/local-ipv4".parse(), Ok(Source::ImdsPath("local-ipv4".into())));
        for bad in ["", "imds:", "imds:../api/token", "imds:a b", "IMDS", "imds:a//b"] {
            assert!(bad.parse::<Source>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_first_source_that_knows_counts_and_unknown_outweighs_none() {
        let record = Wanted {
            rtype: RecordType::A,
            sources: &[Source::Imds, Source::ImdsPath("a".into()), Source::ImdsPath("b".into())],
        };
        let look =
            |public: Result<Option<String>, Error>, a: Result<Option<String>, Error>, b: Option<&str>| {
                let b = Ok(b.map(str::to_owned));
                first_known(&record, &BTreeMap::from([("public-ipv4", public), ("a", a), ("b", b)]))
            };
        let known = Observation::Known(vec![Value::V4([198, 51, 100, 7].into())]);
        assert_eq!(look(Ok(None), Err(Error::Disabled), Some("198.51.100.7")), known);
        assert!(matches!(look(Ok(None), Err(Error::Disabled), None), Observation::Unknown(_)));
        assert!(
            matches!(look(Ok(None), Ok(None), None), Observation::KnownNone(why) if why.contains("public-ipv4"))
        );
    }

    #[test]
    fn an_answer_that_is_no_value_is_unknown() {
        for text in ["<html>", "10.0.0.1.2", "", "2001:db8::1"] {
            let text = if text.is_empty() { " " } else { text };
            assert!(matches!(understand(RecordType::A, "x", text), Observation::Unknown(_)), "{text}");
        }
        assert!(matches!(
            understand(RecordType::Cname, "x", "a.example\nb.example"),
            Observation::Unknown(_)
        ));
        assert!(
            matches!(understand(RecordType::A, "x", "198.51.100.7\n198.51.100.8"), Observation::Known(v) if v.len() == 2)
        );
    }
}
