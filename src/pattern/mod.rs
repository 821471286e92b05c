//! Texts with words in braces that the instance's metadata fills in: `{{ instance_id }}.example.com`.
//!
//! A pattern is read once, when it is configured, and tells which items of the metadata it needs.
//! Not here: how those are read (`source`), and what a name or another text made of them has to be,
//! which each kind of text says for itself ([`Rendered`]).

use std::collections::BTreeMap;
use std::fmt;

use crate::dns::Name;

const OPEN: &str = "{{";
const CLOSE: &str = "}}";
/// The words that may stand in braces, as people are told of them. The last stands for a word for each tag.
const WORDS: [&str; 5] = ["instance_id", "region", "availability_zone", "hostname", "tags.KEY"];
const TAGS: &str = "tags.";

/// An item of the instance's metadata that a pattern may ask for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Item {
    InstanceId,
    Region,
    AvailabilityZone,
    /// The first label of the private host name: the rest of it is the region's and the same for all.
    Hostname,
    /// The value of the instance's tag with this key.
    Tag(Box<str>),
}

impl Item {
    /// Where it stands below `/latest/meta-data/`.
    ///
    /// Spec: <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-metadata.html#instancedata-data-categories>
    #[must_use]
    pub fn path(&self) -> String {
        match self {
            Self::InstanceId => "instance-id".to_owned(),
            Self::Region => "placement/region".to_owned(),
            Self::AvailabilityZone => "placement/availability-zone".to_owned(),
            Self::Hostname => "local-hostname".to_owned(),
            Self::Tag(key) => format!("tags/instance/{key}"),
        }
    }

    /// Whether it stays the same for as long as the instance runs.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        !matches!(self, Self::Tag(_))
    }

    fn parse(word: &str) -> Result<Self, Error> {
        match word {
            "instance_id" => Ok(Self::InstanceId),
            "region" => Ok(Self::Region),
            "availability_zone" => Ok(Self::AvailabilityZone),
            "hostname" => Ok(Self::Hostname),
            _ => match word.strip_prefix(TAGS) {
                Some(key) if may_be_in_metadata(key) => Ok(Self::Tag(key.into())),
                Some(key) => Err(Error::Tag(key.to_owned())),
                None => Err(Error::Word { found: word.to_owned(), nearest: nearest(word) }),
            },
        }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InstanceId => f.write_str("instance_id"),
            Self::Region => f.write_str("region"),
            Self::AvailabilityZone => f.write_str("availability_zone"),
            Self::Hostname => f.write_str("hostname"),
            Self::Tag(key) => write!(f, "{TAGS}{key}"),
        }
    }
}

/// Whether a tag of this key can be had from the metadata service at all.
///
/// Spec: <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/work-with-tags-in-IMDS.html>
fn may_be_in_metadata(key: &str) -> bool {
    !matches!(key, "" | "." | ".." | "_index")
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-=.,_:@".contains(&b))
}

/// The word that was likely meant: one that holds what was written, or else the one with the fewest
/// letters to change.
fn nearest(word: &str) -> String {
    // A tag's key is the writer's own.
    if let Some((section, key)) = word.split_once('.')
        && strsim::damerau_levenshtein(section, "tags") <= 2
    {
        return format!("{TAGS}{key}");
    }
    let lower = word.to_ascii_lowercase();
    let unlike = |known: &str| {
        let parts = !lower.is_empty() && (known.contains(&lower) || lower.contains(known));
        (!parts, strsim::damerau_levenshtein(&lower, known))
    };
    WORDS.into_iter().min_by_key(|known| unlike(known)).unwrap_or_default().to_owned()
}

/// A text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error(
        "expected {} or {} in braces, found '{found}'; the nearest is '{nearest}'",
        WORDS[..4].join(", "),
        WORDS[4]
    )]
    Word { found: String, nearest: String },
    #[error(
        "expected a tag's key that the metadata service can show (letters, digits and +-=.,_:@), found '{0}'"
    )]
    Tag(String),
    #[error("expected '{CLOSE}' behind every '{OPEN}', found '{0}'")]
    Open(String),
    #[error("{0}")]
    Text(String),
    #[error("{0} ('x' for what the metadata says)")]
    Probe(String),
}

/// What a pattern may come out as.
pub trait Rendered: Sized {
    /// Checks what the metadata says, as a part of the text; `Err` tells what was expected of it.
    ///
    /// # Errors
    /// When it may not stand in such a text.
    fn admits(value: &str) -> Result<(), &'static str>;

    /// Reads the whole text; `Err` is a sentence of what was expected and found.
    ///
    /// # Errors
    /// When the text is none.
    fn from_text(text: &str) -> Result<Self, String>;
}

/// Metadata stands inside labels: it can't add one, or make a wildcard.
impl Rendered for Name {
    fn admits(value: &str) -> Result<(), &'static str> {
        let fits =
            !value.is_empty() && value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        if fits { Ok(()) } else { Err("letters, digits and hyphens, as in a label of a domain name") }
    }

    fn from_text(text: &str) -> Result<Self, String> {
        let name = Self::parse(text).map_err(|error| error.to_string())?;
        if name.labels().any(|label| label.starts_with('-') || label.ends_with('-')) {
            return Err(format!("expected labels that neither begin nor end with a hyphen, found '{text}'"));
        }
        Ok(name)
    }
}

/// A text of the kind `T`, plain or with words in braces.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Pattern<T> {
    Plain(T),
    Worded(Parts),
}

/// A text with words in braces, in parts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Parts(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Part {
    Text(Box<str>),
    Item(Item),
}

impl<T: Rendered> Pattern<T> {
    /// Reads a pattern. `plain` reads a text without words; a text with some has to be one for it too, with a
    /// letter in the place of each.
    ///
    /// # Errors
    /// On a word that isn't known, braces that aren't closed, and what `plain` refuses.
    pub fn parse(text: &str, plain: impl Fn(&str) -> Result<T, String>) -> Result<Self, Error> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once(OPEN) {
            let (word, after) = behind.split_once(CLOSE).ok_or_else(|| Error::Open(text.to_owned()))?;
            if !before.is_empty() {
                parts.push(Part::Text(before.into()));
            }
            parts.push(Part::Item(Item::parse(word.trim())?));
            rest = after;
        }
        if parts.is_empty() {
            return plain(text).map(Self::Plain).map_err(Error::Text);
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.into()));
        }
        let probe: String = parts.iter().map(|part| part.text().unwrap_or("x")).collect();
        plain(&probe).map_err(Error::Probe)?;
        Ok(Self::Worded(Parts(parts)))
    }

    /// The text, with what the metadata says in the place of its words.
    ///
    /// # Errors
    /// When an item isn't known, or what comes out is no `T`.
    pub fn render(&self, facts: &Facts) -> Result<T, Unrendered>
    where
        T: Clone,
    {
        let parts = match self {
            Self::Plain(plain) => return Ok(plain.clone()),
            Self::Worded(parts) => parts,
        };
        let mut text = String::new();
        for part in &parts.0 {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Item(item) => {
                    let value = facts.get(item).map_err(Unrendered::Unknown)?;
                    T::admits(value).map_err(|expected| {
                        let shown: String = value.chars().take(LONGEST_SHOWN).collect();
                        Unrendered::Unfit(format!("{item}: expected {expected}, found '{shown}'"))
                    })?;
                    text.push_str(value);
                }
            }
        }
        T::from_text(&text).map_err(Unrendered::Unfit)
    }
}

/// A tag's value may have 256 characters; nobody needs all of them to see what is wrong.
const LONGEST_SHOWN: usize = 80;

impl<T> Pattern<T> {
    /// The items of the metadata that it takes to render it.
    pub fn items(&self) -> impl Iterator<Item = &Item> {
        let parts = match self {
            Self::Plain(_) => &[][..],
            Self::Worded(parts) => &parts.0,
        };
        parts.iter().filter_map(|part| match part {
            Part::Item(item) => Some(item),
            Part::Text(_) => None,
        })
    }
}

impl<T: fmt::Display> Pattern<T> {
    /// The text, with what `word` gives in the place of each of its words.
    pub fn filled(&self, word: impl Fn(&Item) -> String) -> String {
        match self {
            Self::Plain(plain) => plain.to_string(),
            Self::Worded(parts) => {
                let filled = parts.0.iter().map(|part| match part {
                    Part::Text(text) => text.to_string(),
                    Part::Item(item) => word(item),
                });
                filled.collect()
            }
        }
    }
}

impl<T> From<T> for Pattern<T> {
    fn from(plain: T) -> Self {
        Self::Plain(plain)
    }
}

/// As it was written.
impl<T: fmt::Display> fmt::Display for Pattern<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(plain) => plain.fmt(f),
            Self::Worded(parts) => parts.fmt(f),
        }
    }
}

impl Parts {
    /// What stands behind the last word.
    #[must_use]
    pub fn tail(&self) -> &str {
        self.0.last().and_then(Part::text).unwrap_or_default()
    }
}

impl fmt::Display for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(text),
            Part::Item(item) => write!(f, "{OPEN} {item} {CLOSE}"),
        })
    }
}

impl Part {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Item(_) => None,
        }
    }
}

/// Why a pattern can't be rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unrendered {
    /// An item isn't known: another time it may be.
    Unknown(String),
    /// What the metadata says makes no such text.
    Unfit(String),
}

/// What the metadata says, as far as it was asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts(BTreeMap<Item, Fact>);

/// What the metadata says of one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// It may be an empty text: a tag's value may.
    Known(String),
    /// The service answered that there is none.
    Absent,
    /// It could not be read, and why.
    Unread(String),
}

impl Facts {
    pub fn insert(&mut self, item: Item, fact: Fact) {
        self.0.insert(item, fact);
    }

    fn get(&self, item: &Item) -> Result<&str, String> {
        match (self.0.get(item), item) {
            (Some(Fact::Known(text)), Item::Hostname) => Ok(text.split('.').next().unwrap_or_default()),
            (Some(Fact::Known(text)), _) => Ok(text),
            (Some(Fact::Absent), Item::Tag(key)) => Err(format!(
                "the instance has no tag '{key}' in its metadata: set it, and let the metadata show tags \
                 (aws ec2 modify-instance-metadata-options --instance-metadata-tags enabled --instance-id ID)"
            )),
            (Some(Fact::Absent), _) => {
                Err(format!("the metadata service has no {} for this instance", item.path()))
            }
            (Some(Fact::Unread(why)), _) => Err(why.clone()),
            (None, _) => Err(format!("{} was not read", item.path())),
        }
    }
}

impl FromIterator<(Item, Fact)> for Facts {
    fn from_iter<I: IntoIterator<Item = (Item, Fact)>>(facts: I) -> Self {
        Self(facts.into_iter().collect())
    }
}

#[cfg(test)]
mod tests;
