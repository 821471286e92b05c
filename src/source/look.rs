//! A look: each source is asked at most once, and what several say of one record becomes one word.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::join_all;
use tokio::sync::OnceCell;

use crate::causes::with_causes;
use crate::dns::{RecordType, Value};
use crate::env::Env;
use crate::imds::Imds;
use crate::pattern::{Fact, Facts, Item};
use crate::transport::{Datagrams, Transport};

use super::interface;
use super::{Source, command, dns, ecs, file, http, imds, values};

/// What a look at a record's sources found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation {
    Known(Vec<Value>),
    /// The source answered that there is none, and says so in words.
    KnownNone(String),
    /// The source was read, and what it says can't be what the record is to hold.
    Unfit(String),
    /// The source could not be read, or said something that makes no sense. Never the same as none.
    Unknown(String),
}

/// The sources of one record.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    pub rtype: RecordType,
    /// In the order in which they count.
    pub sources: &'a [Source],
    /// So many of them have to say the same; with 1, the first that knows something counts.
    pub agree: usize,
}

/// By what sources are read.
pub struct Parts {
    pub metadata: Arc<Imds>,
    /// To servers anywhere, within [`super::HTTP_TRANSPORT`].
    pub http: Arc<dyn Transport>,
    /// To the task metadata endpoint, within [`super::ECS_TRANSPORT`].
    pub ecs: Arc<dyn Transport>,
    pub datagrams: Arc<dyn Datagrams>,
    /// Where the endpoint is, and what commands are run in.
    pub env: Env,
}

/// Whoever looks at sources.
pub struct Sources {
    parts: Parts,
    /// Items for names that stay the same, as once read.
    lasting: Mutex<BTreeMap<Item, String>>,
}

/// What is read once a look: a metadata item, however it is written, or another source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Place<'a> {
    Item(&'a str),
    Other(&'a Source),
}

impl<'a> Place<'a> {
    fn of(source: &'a Source, rtype: RecordType) -> Self {
        match source {
            Source::Imds => Self::Item(imds::item_for(rtype)),
            Source::ImdsPath(path) => Self::Item(path),
            other => Self::Other(other),
        }
    }
}

/// A look that is under way: what some records' sources say, each being read when it is first asked for.
pub struct Inquiry<'a> {
    sources: &'a Sources,
    read: HashMap<(Place<'a>, RecordType), OnceCell<Observation>>,
}

impl Sources {
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self { parts, lasting: Mutex::default() }
    }

    /// Begins a look at the sources of these records, which reads none twice.
    #[must_use]
    pub fn begin<'a>(&'a self, wanted: impl IntoIterator<Item = Wanted<'a>>) -> Inquiry<'a> {
        let places = wanted.into_iter().flat_map(|record| {
            record.sources.iter().map(move |source| {
                let rtype = record.rtype;
                ((Place::of(source, rtype), rtype), OnceCell::new())
            })
        });
        Inquiry { sources: self, read: places.collect() }
    }

    async fn read(&self, source: &Source, rtype: RecordType) -> Observation {
        let Parts { metadata, http, ecs, datagrams, env } = &self.parts;
        match source {
            Source::Imds => imds::read(metadata, imds::item_for(rtype), rtype).await,
            Source::ImdsPath(path) => imds::read(metadata, path, rtype).await,
            Source::Ecs => ecs::read(ecs.as_ref(), env, rtype).await,
            Source::Interface(name) => interface::read(name, rtype),
            Source::Http(url) => http::read(http.as_ref(), url, rtype).await,
            Source::Dns(lookup) => dns::read(datagrams.as_ref(), lookup, rtype).await,
            Source::Command(program) => command::read(program, env, rtype).await,
            Source::File(path) => file::read(path, rtype),
            Source::Static(value) => values::read(rtype, "static", value),
        }
    }

    pub(super) fn metadata(&self) -> &Imds {
        &self.parts.metadata
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
        match self.parts.metadata.text(&item.path()).await {
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

impl<'a> Inquiry<'a> {
    /// What the sources of one of the records say.
    pub async fn of(&self, record: Wanted<'a>) -> Observation {
        if record.agree <= 1 {
            return self.first_known(record).await;
        }
        let said = join_all(record.sources.iter().map(|source| self.ask(source, record.rtype))).await;
        agreed(record.sources, record.agree, &said)
    }

    /// The first source that knows something; where none does, the first that could not be read.
    async fn first_known(&self, record: Wanted<'a>) -> Observation {
        let mut fallback: Option<Observation> = None;
        for source in record.sources {
            let observation = self.ask(source, record.rtype).await;
            match (&observation, &fallback) {
                (Observation::Known(_), _) => return observation,
                (_, None)
                | (Observation::Unknown(_), Some(Observation::KnownNone(_) | Observation::Unfit(_))) => {
                    fallback = Some(observation);
                }
                _ => {}
            }
        }
        fallback.unwrap_or_else(|| Observation::Unknown("no source is configured".to_owned()))
    }

    async fn ask(&self, source: &'a Source, rtype: RecordType) -> Observation {
        let reading = || self.sources.read(source, rtype);
        match self.read.get(&(Place::of(source, rtype), rtype)) {
            Some(cell) => cell.get_or_init(reading).await.clone(),
            None => reading().await,
        }
    }
}

/// What at least `needed` of the sources say.
fn agreed(sources: &[Source], needed: usize, said: &[Observation]) -> Observation {
    let say_the_same = |one: &Observation| match one {
        Observation::Known(_) => said.iter().filter(|other| *other == one).count(),
        Observation::KnownNone(_) => {
            said.iter().filter(|other| matches!(other, Observation::KnownNone(_))).count()
        }
        Observation::Unfit(_) | Observation::Unknown(_) => 0,
    };
    if let Some(observation) = said.iter().find(|one| say_the_same(one) >= needed) {
        return observation.clone();
    }
    let each = sources.iter().zip(said).map(|(source, observation)| match observation {
        Observation::Known(values) => {
            let values: Vec<String> = values.iter().map(ToString::to_string).collect();
            format!("{source}: {}", values.join(", "))
        }
        Observation::KnownNone(why) | Observation::Unfit(why) | Observation::Unknown(why) => {
            format!("{source}: {why}")
        }
    });
    let each: Vec<String> = each.collect();
    Observation::Unknown(format!("expected {needed} sources to say the same, found {}", each.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(text: &str) -> Observation {
        Observation::Known(vec![Value::parse(RecordType::A, text).unwrap()])
    }

    #[test]
    fn so_many_have_to_say_the_same() {
        let sources: Vec<Source> =
            ["imds", "file:/a", "file:/b"].iter().map(|text| text.parse().unwrap()).collect();
        let [one, other] = [known("198.51.100.7"), known("198.51.100.8")];
        let none = || Observation::KnownNone("none".to_owned());
        let unknown = || Observation::Unknown("silent".to_owned());
        let judged = |said: [&Observation; 3]| agreed(&sources, 2, &said.map(Observation::clone));

        assert_eq!(judged([&one, &other, &one]), one);
        assert_eq!(judged([&other, &one, &one]), one);
        assert_eq!(judged([&one, &one, &unknown()]), one);
        assert_eq!(judged([&none(), &one, &none()]), none());
        let split = judged([&one, &other, &unknown()]);
        let expected = "expected 2 sources to say the same, found imds: 198.51.100.7; file:/a: 198.51.100.8; \
                        file:/b: silent";
        assert_eq!(split, Observation::Unknown(expected.to_owned()));
        assert!(matches!(judged([&unknown(), &unknown(), &unknown()]), Observation::Unknown(_)));
    }
}
