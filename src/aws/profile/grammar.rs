//! The grammar of AWS's profile files, as the SDKs agree on it: sections, properties, continued lines.
//!
//! Knows nothing of what a section is for (`profile`'s) and quotes no line: any may hold a secret.
//!
//! Spec: <https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html>

/// A section of a file, its properties in the order of the file.
#[derive(PartialEq, Eq)]
pub(super) struct Section<'a> {
    /// What stands between the brackets, trimmed.
    pub title: &'a str,
    /// Names in lower case. The lines of a continued value are joined by newlines.
    pub properties: Vec<(String, String)>,
}

/// A line that is none of the grammar's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {kind}")]
pub struct Fault {
    pub line: usize,
    pub kind: FaultKind,
}

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FaultKind {
    #[error("expected ']' at the end of the section's name")]
    UnclosedSection,
    #[error("expected a section like [profile NAME] before the first property")]
    NoSection,
    #[error("expected a property, found a continued line")]
    NothingToContinue,
    #[error("expected '=' behind the property's name")]
    NoEquals,
    #[error("expected a property's name before '='")]
    NoName,
    #[error("expected '=' behind the nested property's name")]
    NoNestedEquals,
    #[error("expected a nested property's name before '='")]
    NoNestedName,
}

const COMMENT: [char; 2] = ['#', ';'];

/// Reads a file's text.
///
/// # Errors
/// At the first line that can't be understood.
pub(super) fn sections(text: &str) -> Result<Vec<Section<'_>>, Fault> {
    let mut sections: Vec<Section<'_>> = Vec::new();
    // What a line that begins with white space continues.
    let mut current = Current::Nothing;
    // Some editors put a byte order mark in front.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (index, line) in text.lines().enumerate() {
        let fault = |kind| Fault { line: index + 1, kind };
        if line.trim().is_empty() || line.starts_with(COMMENT) {
            continue;
        }
        if let Some(rest) = line.strip_prefix('[') {
            let title = rest.split(COMMENT).next().unwrap_or_default().trim_end();
            let title = title.strip_suffix(']').ok_or_else(|| fault(FaultKind::UnclosedSection))?;
            sections.push(Section { title: title.trim(), properties: Vec::new() });
            current = Current::Nothing;
            continue;
        }
        let properties = match sections.last_mut() {
            Some(section) => &mut section.properties,
            None => return Err(fault(FaultKind::NoSection)),
        };
        if line.starts_with([' ', '\t']) {
            let more = line.trim();
            match current {
                Current::Nothing => return Err(fault(FaultKind::NothingToContinue)),
                Current::Ignored => continue,
                Current::Property => {}
                Current::Nested => {
                    let (name, _) = more.split_once('=').ok_or_else(|| fault(FaultKind::NoNestedEquals))?;
                    if name.trim().is_empty() {
                        return Err(fault(FaultKind::NoNestedName));
                    }
                }
            }
            if let Some((_, value)) = properties.last_mut() {
                value.push('\n');
                value.push_str(more);
            }
            continue;
        }
        let (name, value) =
            without_comment(line).split_once('=').ok_or_else(|| fault(FaultKind::NoEquals))?;
        let (name, value) = (name.trim(), value.trim());
        if name.is_empty() {
            return Err(fault(FaultKind::NoName));
        }
        current = match (is_name(name), value.is_empty()) {
            (false, _) => Current::Ignored,
            (true, true) => Current::Nested,
            (true, false) => Current::Property,
        };
        if is_name(name) {
            properties.push((name.to_ascii_lowercase(), value.to_owned()));
        }
    }
    Ok(sections)
}

#[derive(Clone, Copy)]
enum Current {
    Nothing,
    Property,
    /// A property without a value: what follows are properties of its own.
    Nested,
    /// A property whose name is none.
    Ignored,
}

/// Cuts off what follows a comment sign behind white space. One within a value belongs to it.
fn without_comment(line: &str) -> &str {
    let signs = line.match_indices(COMMENT).map(|(at, _)| at);
    let mut behind_space = signs.filter(|&at| line[..at].ends_with([' ', '\t']));
    behind_space.next().map_or(line, |at| &line[..at])
}

/// Whether a text can be the name of a profile or of a property.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_/.%@:+".contains(c))
}

/// The properties within a value that has some.
pub(super) fn nested(value: &str) -> impl Iterator<Item = (&str, &str)> {
    value.lines().filter_map(|line| line.split_once('=')).map(|(name, value)| (name.trim(), value.trim()))
}
