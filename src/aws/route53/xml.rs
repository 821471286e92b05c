//! A cursor over an XML document that is read front to back, once.
//!
//! Local names only: Route 53 has answered in more than one namespace. Elements that nobody asks
//! for are skipped, a document that ends early is an error.

use quick_xml::Reader;
use quick_xml::events::Event;

use crate::dns::Name;

/// A text is not the XML that was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("expected XML, found something else: {0}")]
    Malformed(String),
    #[error("expected the XML to go on, found its end")]
    Cut,
    #[error("expected <{expected}>, found <{found}>")]
    Root { expected: &'static str, found: String },
    #[error("expected <{0}>, found none")]
    Missing(&'static str),
    #[error("<{element}>: {fault}")]
    Value { element: &'static str, fault: String },
    /// A record set of a type that isn't known.
    #[error("a record of type {rtype} at {name}")]
    Strange { name: Name, rtype: String },
}

pub(in crate::aws) struct Cursor<'a> {
    reader: Reader<&'a [u8]>,
}

impl<'a> Cursor<'a> {
    /// A cursor within the root element of `document`, and that element's name.
    pub(super) fn new(document: &'a [u8]) -> Result<(Self, String), Error> {
        let text = std::str::from_utf8(document).map_err(|error| Error::Malformed(error.to_string()))?;
        let mut reader = Reader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        let mut cursor = Self { reader };
        loop {
            match cursor.next()? {
                Event::Start(start) => {
                    let name = start.local_name().as_ref().to_owned();
                    return Ok((cursor, name));
                }
                Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
                Event::Text(text) if text.trim().is_empty() => {}
                other => return Err(Error::Malformed(format!("{other:?}").chars().take(80).collect())),
            }
        }
    }

    /// A cursor within the root element, which has to be `expected`.
    pub(in crate::aws) fn within(document: &'a [u8], expected: &'static str) -> Result<Self, Error> {
        let (cursor, found) = Self::new(document)?;
        if found == expected { Ok(cursor) } else { Err(Error::Root { expected, found }) }
    }

    /// The name of the next child of the element that the cursor is in, entering it; `None`, leaving
    /// the element, when there are no more.
    pub(in crate::aws) fn child(&mut self) -> Result<Option<String>, Error> {
        loop {
            match self.next()? {
                Event::Start(start) => return Ok(Some(start.local_name().as_ref().to_owned())),
                Event::End(_) => return Ok(None),
                Event::Eof => return Err(Error::Cut),
                _ => {}
            }
        }
    }

    /// The text of the element that the cursor is in, leaving it.
    pub(in crate::aws) fn text(&mut self) -> Result<String, Error> {
        let mut out = String::new();
        loop {
            match self.next()? {
                Event::Text(text) => out.push_str(&text.xml10_content()),
                Event::CData(data) => out.push_str(&data.xml10_content()),
                Event::GeneralRef(reference) => {
                    let name = reference.xml10_content();
                    match reference.resolve_char_ref() {
                        Ok(Some(character)) => out.push(character),
                        _ => match quick_xml::escape::resolve_predefined_entity(&name) {
                            Some(resolved) => out.push_str(resolved),
                            None => return Err(Error::Malformed(format!("unknown entity &{name};"))),
                        },
                    }
                }
                Event::Start(_) => self.skip()?,
                Event::End(_) => return Ok(out),
                Event::Eof => return Err(Error::Cut),
                _ => {}
            }
        }
    }

    /// Leaves the element that the cursor is in, whatever it holds.
    pub(in crate::aws) fn skip(&mut self) -> Result<(), Error> {
        let mut depth = 1;
        while depth > 0 {
            match self.next()? {
                Event::Start(_) => depth += 1,
                Event::End(_) => depth -= 1,
                Event::Eof => return Err(Error::Cut),
                _ => {}
            }
        }
        Ok(())
    }

    /// The text of the element that the cursor is in, read as a `T`, leaving it.
    pub(super) fn parse<T>(&mut self, element: &'static str) -> Result<T, Error>
    where
        T: std::str::FromStr,
        T::Err: std::fmt::Display,
    {
        let text = self.text()?;
        text.trim().parse().map_err(|fault: T::Err| Error::Value { element, fault: fault.to_string() })
    }

    fn next(&mut self) -> Result<Event<'a>, Error> {
        self.reader.read_event().map_err(|error| match error {
            quick_xml::Error::Syntax(_) => Error::Cut,
            other => Error::Malformed(other.to_string()),
        })
    }
}
