//! XML as the sandbox's API takes and gives it: a small tree, read from events and checked against
//! the order of elements that the API's schema lays down.
//!
//! Not here: what the elements mean.

use std::fmt;

use quick_xml::NsReader;
use quick_xml::XmlVersion;
use quick_xml::events::Event;
use quick_xml::name::{Namespace, ResolveResult};

use super::error::ApiError;

/// The namespace of every request and answer of this version of the API.
pub(super) const NAMESPACE: &str = "https://route53.amazonaws.com/doc/2013-04-01/";

/// The schema's deepest path has seven elements; this only keeps a hostile body from filling the memory.
const MAX_DEPTH: usize = 16;

/// An element with either children or text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) name: String,
    pub(super) text: String,
    pub(super) children: Vec<Element>,
}

impl Element {
    pub(super) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), text: String::new(), children: Vec::new() }
    }

    /// Adds a child.
    pub(super) fn with(mut self, child: Self) -> Self {
        self.children.push(child);
        self
    }

    /// Adds a child that holds text.
    pub(super) fn with_text(self, name: &str, text: impl fmt::Display) -> Self {
        self.with(Self { name: name.to_owned(), text: text.to_string(), children: Vec::new() })
    }

    /// Adds a child that holds text, if there is one.
    pub(super) fn with_optional(self, name: &str, text: Option<impl fmt::Display>) -> Self {
        match text {
            Some(text) => self.with_text(name, text),
            None => self,
        }
    }

    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|c| c.name == name)
    }

    /// The text of a child, without the white space around it.
    pub(super) fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|c| c.text.trim())
    }

    /// The document with this element as its root.
    pub(super) fn document(&self, namespace: Option<&str>) -> String {
        let mut out = String::from("<?xml version=\"1.0\"?>\n");
        self.render(namespace, &mut out);
        out
    }

    fn render(&self, namespace: Option<&str>, out: &mut String) {
        out.push('<');
        out.push_str(&self.name);
        if let Some(namespace) = namespace {
            out.push_str(" xmlns=\"");
            out.push_str(namespace);
            out.push('"');
        }
        out.push('>');
        for c in self.text.chars() {
            match c {
                '&' => out.push_str("&amp;"),
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                c => out.push(c),
            }
        }
        for child in &self.children {
            child.render(None, out);
        }
        out.push_str("</");
        out.push_str(&self.name);
        out.push('>');
    }

    /// Reads a document whose root has to be `root`, in the API's namespace.
    pub(super) fn read(body: &[u8], root: &str) -> Result<Self, ApiError> {
        let text =
            std::str::from_utf8(body).map_err(|_| ApiError::malformed("The request body is not UTF-8"))?;
        let read = tree(text)?.ok_or_else(|| expected_root(root))?;
        if read.name == root {
            return Ok(read);
        }
        if read.name.rsplit('}').next() == Some(root) {
            // Xerces, by which these texts are, has a name for it.
            return Err(invalid_xml(&format!("cvc-elt.1: Cannot find the declaration of element '{root}'.")));
        }
        Err(expected_root(root))
    }
}

fn expected_root(root: &str) -> ApiError {
    let what = root.strip_suffix("Request").unwrap_or(root);
    let what = if what == "ChangeResourceRecordSets" { "ChangeBatch" } else { what };
    ApiError::malformed(format!("{what} is not valid, expected {root}"))
}

/// A body that is XML but not what the schema says.
pub(super) fn invalid_xml(why: &str) -> ApiError {
    ApiError::invalid_input(format!("Invalid XML ; {why}"))
}

fn tree(text: &str) -> Result<Option<Element>, ApiError> {
    let ill_formed = |why: &str| ApiError::malformed(format!("The XML document is not well-formed: {why}"));
    let mut reader = NsReader::from_str(text);
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    loop {
        let (namespace, event) = reader.read_resolved_event().map_err(|e| ill_formed(&e.to_string()))?;
        let mut closed = None;
        match event {
            Event::Start(ref tag) | Event::Empty(ref tag) => {
                if root.is_some() || open.len() == MAX_DEPTH {
                    return Err(ill_formed("more elements than expected"));
                }
                let local = tag.local_name();
                let local: &str = local.as_ref();
                let element = Element::new(match namespace {
                    ResolveResult::Bound(Namespace(NAMESPACE)) => local.to_owned(),
                    ResolveResult::Bound(Namespace(other)) => format!("{{{other}}}{local}"),
                    ResolveResult::Unbound => format!("{{}}{local}"),
                    ResolveResult::Unknown(_) => return Err(ill_formed("a prefix without a namespace")),
                });
                if matches!(event, Event::Empty(_)) {
                    closed = Some(element);
                } else {
                    open.push(element);
                }
            }
            Event::End(_) => closed = open.pop(),
            Event::Text(text) => append(&mut open, &text.xml_content(XmlVersion::Implicit1_0))
                .ok_or_else(|| ill_formed("text outside the root"))?,
            Event::CData(text) => append(&mut open, &text.xml_content(XmlVersion::Implicit1_0))
                .ok_or_else(|| ill_formed("text outside the root"))?,
            Event::GeneralRef(reference) => {
                let character = reference.resolve_char_ref().map_err(|e| ill_formed(&e.to_string()))?;
                let name = reference.xml_content(XmlVersion::Implicit1_0);
                let resolved = match character {
                    Some(c) => c.to_string(),
                    None => match &*name {
                        "amp" => "&",
                        "lt" => "<",
                        "gt" => ">",
                        "quot" => "\"",
                        "apos" => "'",
                        _ => return Err(ill_formed("an entity that isn't defined")),
                    }
                    .to_owned(),
                };
                append(&mut open, &resolved).ok_or_else(|| ill_formed("text outside the root"))?;
            }
            Event::DocType(_) => return Err(ill_formed("a document type declaration is not allowed")),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof if open.is_empty() => return Ok(root),
            Event::Eof => return Err(ill_formed("the document ends inside an element")),
        }
        if let Some(element) = closed {
            match open.last_mut() {
                Some(parent) => parent.children.push(element),
                None => root = Some(element),
            }
        }
    }
}

fn append(open: &mut [Element], text: &str) -> Option<()> {
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return None,
    }
    Some(())
}

/// How often a child may stand in its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occurs {
    Once,
    Maybe,
    /// At least once.
    Many,
}

/// Whether children have to stand in the order of the schema.
///
/// Older versions of the API refused any other order; today's takes what boto3 writes, which is the
/// order of its caller's dict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Schema,
    Any,
}

/// The children that an element may have, in their order.
pub(super) type Children = [(&'static str, Occurs)];

/// Checks the children of `element`.
///
/// # Errors
/// In the words of the validator that AWS uses.
pub(super) fn check(element: &Element, schema: &Children, order: Order) -> Result<(), ApiError> {
    let mut position = 0;
    let mut seen = vec![false; schema.len()];
    for child in &element.children {
        let place = schema.iter().position(|(name, _)| *name == child.name);
        let fits = place.is_some_and(|place| {
            let again = seen[place] && schema[place].1 != Occurs::Many;
            let skipped = (position..place).any(|i| schema[i].1 != Occurs::Maybe && !seen[i]);
            !again && (order == Order::Any || (place >= position && !skipped))
        });
        let Some(place) = place.filter(|_| fits) else {
            let name = child.name.rsplit('}').next().unwrap_or_default();
            let expected = possible(schema, &seen, position);
            return Err(invalid_xml(&if expected.is_empty() {
                format!(
                    "cvc-complex-type.2.4.d: Invalid content was found starting with element '{name}'. \
                     No child element is expected at this point."
                )
            } else {
                format!(
                    "cvc-complex-type.2.4.a: Invalid content was found starting with element '{name}'. \
                     One of '{{{expected}}}' is expected."
                )
            }));
        };
        seen[place] = true;
        position = place;
    }
    let missing = schema.iter().zip(&seen).position(|((_, occurs), seen)| *occurs != Occurs::Maybe && !seen);
    if let Some(first) = missing {
        let from = if order == Order::Any { first } else { position };
        return Err(invalid_xml(&format!(
            "cvc-complex-type.2.4.b: The content of element '{}' is not complete. One of '{{{}}}' is expected.",
            element.name,
            possible(schema, &seen, from)
        )));
    }
    if !element.children.is_empty() && !element.text.trim().is_empty() {
        return Err(invalid_xml(&format!(
            "cvc-complex-type.2.3: Element '{}' cannot have character [children], because the type's content type \
             is element-only.",
            element.name
        )));
    }
    Ok(())
}

/// What could stand next: everything up to the first child that must.
fn possible(schema: &Children, seen: &[bool], position: usize) -> String {
    let mut names = Vec::new();
    for (i, (name, occurs)) in schema.iter().enumerate().skip(position) {
        if seen[i] && *occurs != Occurs::Many {
            continue;
        }
        names.push(format!("\"{NAMESPACE}\":{name}"));
        if !seen[i] && *occurs != Occurs::Maybe {
            break;
        }
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Element, ApiError> {
        Element::read(body.as_bytes(), "Root")
    }

    #[test]
    fn text_entities_and_prefixes_are_read() {
        let root = read(&format!(
            "<?xml version='1.0'?><!-- c --><p:Root xmlns:p='{NAMESPACE}'><p:A>a &amp; &#233;<![CDATA[<b>]]></p:A><p:B/></p:Root>"
        ))
        .unwrap();
        assert_eq!(root.text_of("A"), Some("a & é<b>"));
        assert_eq!(root.text_of("B"), Some(""));
    }

    #[test]
    fn another_namespace_or_root_is_told_in_aws_words() {
        let message = |body: &str| read(body).unwrap_err().message;
        assert_eq!(
            message("<Root/>"),
            "Invalid XML ; cvc-elt.1: Cannot find the declaration of element 'Root'."
        );
        assert_eq!(message("<Other/>"), "Root is not valid, expected Root");
        assert_eq!(
            Element::read(b"", "ChangeResourceRecordSetsRequest").unwrap_err().message,
            "ChangeBatch is not valid, expected ChangeResourceRecordSetsRequest"
        );
    }

    #[test]
    fn what_is_not_xml_is_refused() {
        for body in
            ["<Root>", "<Root></Rood>", "<Root>&nbsp;</Root>", "<!DOCTYPE a><Root/>", "text", "<a:Root/>"]
        {
            assert_eq!(read(body).unwrap_err().code, "MalformedInput", "{body}");
        }
        assert_eq!(read(&"<Root>".repeat(100)).unwrap_err().code, "MalformedInput");
        assert_eq!(Element::read(b"\xff\xfe", "Root").unwrap_err().code, "MalformedInput");
    }

    #[test]
    fn what_is_written_reads_back() {
        let root = Element::new("Root").with_text("A", "a & <b>").with(Element::new("C").with_text("D", 1));
        assert_eq!(read(&root.document(Some(NAMESPACE))).unwrap(), root);
    }

    #[test]
    fn order_and_number_of_children_are_checked() {
        let schema = [("A", Occurs::Once), ("B", Occurs::Maybe), ("C", Occurs::Maybe), ("D", Occurs::Many)];
        let message = |names: &str, order| {
            let element = names.chars().fold(Element::new("E"), |e, n| e.with(Element::new(n.to_string())));
            check(&element, &schema, order).err().map(|e| e.message.replace(NAMESPACE, "N"))
        };
        assert_eq!(message("ABCDD", Order::Schema), None);
        assert_eq!(message("AD", Order::Schema), None);
        assert_eq!(
            message("ACBD", Order::Schema).unwrap(),
            "Invalid XML ; cvc-complex-type.2.4.a: Invalid content was found starting with element 'B'. \
             One of '{\"N\":D}' is expected."
        );
        assert_eq!(message("DCA", Order::Any), None);
        assert_eq!(
            message("AX", Order::Any).unwrap(),
            "Invalid XML ; cvc-complex-type.2.4.a: Invalid content was found starting with element 'X'. \
             One of '{\"N\":B, \"N\":C, \"N\":D}' is expected."
        );
        assert_eq!(
            message("A", Order::Schema).unwrap(),
            "Invalid XML ; cvc-complex-type.2.4.b: The content of element 'E' is not complete. \
             One of '{\"N\":B, \"N\":C, \"N\":D}' is expected."
        );
        assert!(message("AAD", Order::Any).is_some());
        assert!(message("BD", Order::Schema).unwrap().contains("2.4.a"));
    }
}
