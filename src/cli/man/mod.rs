//! `pin53 man`: the manual, a page at a time or all of it for a package.
//!
//! Not here: what the pages say. Those of commands come from the definition of the command line, that of the
//! configuration from its table of settings, the others stand in `templates/man/`.

mod command;
mod settings;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap_mangen::roff::{Roff, roman};

use super::{Exit, Failure, arguments};

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Args {
    /// Like plan, pin53.toml, failures, migrating [default: pin53]
    #[arg(value_name = "PAGE")]
    pub page: Option<String>,
    /// Write all pages into its man1, man5 and so on
    #[arg(long, value_name = "DIR", conflicts_with = "page")]
    pub dir: Option<PathBuf>,
}

const EXAMPLE: &str = "\
Prints a page as man reads it.

Examples:
  pin53 man pin53.toml | man -l -
  pin53 man --dir /usr/share/man";

/// What leads to no page.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("expected a page of the manual ({known}), found '{found}'")]
    Unknown { found: String, known: String },
    #[error("could not write {}", .path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// # Errors
/// When there is no such page, or it can't be written.
pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    let pages = pages();
    if let Some(dir) = &args.dir {
        for page in &pages {
            page.write_below(dir).map_err(|error| Failure::new(Exit::Failure, error))?;
        }
        return Ok(Exit::Ok);
    }
    let wanted = args.page.as_deref().unwrap_or("pin53");
    let page = pages.iter().find(|page| page.answers_to(wanted)).ok_or_else(|| {
        let known = pages.iter().map(|page| page.name.trim_start_matches("pin53-"));
        let known = known.collect::<Vec<_>>().join(", ");
        Failure::new(Exit::Usage, Error::Unknown { found: wanted.to_owned(), known })
    })?;
    match out.write_all(page.text.as_bytes()).and_then(|()| out.flush()) {
        // `pin53 man | head` has read what it wanted.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::output(error)),
        _ => Ok(Exit::Ok),
    }
}

/// A page of the manual, as man reads it.
struct Page {
    name: String,
    section: char,
    text: String,
}

/// Pages on what no single command or setting is about.
const OVERVIEWS: [(&str, &str); 2] = [
    ("pin53-failures", include_str!("../../../templates/man/pin53-failures.7")),
    ("pin53-migrating", include_str!("../../../templates/man/pin53-migrating.7")),
];

/// All pages, the program's own first.
fn pages() -> Vec<Page> {
    let definition = arguments::definition();
    let mut pages = command::pages(&definition);
    pages.push(settings::page());
    pages.extend(OVERVIEWS.map(|(name, body)| Page::new(name, '7', body)));
    pages
}

impl Page {
    /// A page whose sections, from NAME on, are `body`.
    fn new(name: &str, section: char, body: &str) -> Self {
        // Without a date: the version tells as much, and two builds of it are alike.
        let (title, version) = (name.to_uppercase(), env!("CARGO_PKG_VERSION"));
        let head = format!(".TH \"{title}\" {section} \"\" \"pin53 {version}\" \"pin53 manual\"\n");
        Self { name: name.to_owned(), section, text: format!("{}{head}{body}", Roff::new().render()) }
    }

    /// Whether it is meant by `pin53-plan`, `plan`, `plan.1` or `plan(1)`.
    fn answers_to(&self, wanted: &str) -> bool {
        let section = self.section;
        let plain = wanted
            .strip_suffix(&format!(".{section}"))
            .or_else(|| wanted.strip_suffix(&format!("({section})")))
            .unwrap_or(wanted);
        self.name == plain || self.name.strip_prefix("pin53-") == Some(plain)
    }

    fn write_below(&self, dir: &Path) -> Result<(), Error> {
        let folder = dir.join(format!("man{}", self.section));
        let path = folder.join(format!("{}.{}", self.name, self.section));
        let written = fs::create_dir_all(&folder).and_then(|()| fs::write(&path, &self.text));
        written.map_err(|source| Error::Write { path, source })
    }
}

/// The lines of a part of a page: without the preamble on apostrophes, which stands once, at a page's head.
fn rendered(part: &Roff) -> String {
    without_preamble(&part.render()).to_owned()
}

fn without_preamble(text: &str) -> &str {
    text.strip_prefix(&Roff::new().render()).unwrap_or(text)
}

/// A section that names other pages.
fn see_also(roff: &mut Roff, pages: impl IntoIterator<Item = String>) {
    roff.control("SH", ["SEE ALSO"]);
    let list = pages.into_iter().collect::<Vec<_>>().join(", ");
    roff.text([roman(list)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(page: &str) -> Result<String, Failure> {
        let mut out = Vec::new();
        run(&Args { page: Some(page.to_owned()), dir: None }, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_page_answers_to_its_name_with_and_without_program_and_section() {
        for name in ["pin53-plan", "plan", "plan.1", "pin53-plan(1)"] {
            assert!(printed(name).unwrap().contains(".TH \"PIN53-PLAN\" 1 "), "{name}");
        }
        assert!(printed("pin53.toml(5)").unwrap().contains(".TH \"PIN53.TOML\" 5 "));
        for name in ["plan.5", "toml", ""] {
            assert_eq!(printed(name).unwrap_err().exit(), Exit::Usage, "{name}");
        }
    }

    #[test]
    fn all_pages_are_written_where_man_looks_for_them() {
        let dir = tempfile::tempdir().unwrap();
        let args = Args { page: None, dir: Some(dir.path().join("share/man")) };
        run(&args, &mut Vec::new()).unwrap();
        for page in pages() {
            let path = format!("share/man/man{0}/{1}.{0}", page.section, page.name);
            assert_eq!(fs::read_to_string(dir.path().join(path)).unwrap(), page.text);
        }
    }

    #[test]
    fn every_page_that_another_names_is_there() {
        let pages = pages();
        for page in &pages {
            let text = page.text.replace("\\-", "-");
            let mentions = text
                .split(|c: char| c.is_whitespace() || c == ',')
                .filter(|word| word.starts_with("pin53") && word.trim_end_matches('.').ends_with(')'));
            for mention in mentions {
                let mention = mention.trim_end_matches('.');
                assert!(pages.iter().any(|page| page.answers_to(mention)), "{} names {mention}", page.name);
            }
        }
    }
}
