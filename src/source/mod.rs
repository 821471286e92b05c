//! Where a record's value comes from, and the metadata that its name is made of.
//!
//! Here stands what sources there are and how users write them; a file for each tells how it is read.
//! A look at one ends in one of three ways, and *unknown* is never *none*.

mod command;
mod dns;
mod ecs;
mod file;
mod http;
mod imds;
mod interface;
mod look;
mod notice;
mod values;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::dns::{RecordType, Value};
use crate::program::Program;

pub use dns::Lookup;
pub use ecs::TRANSPORT as ECS_TRANSPORT;
pub use http::{TRANSPORT as HTTP_TRANSPORT, Url};
pub use interface::{Changes, Interface};
pub use look::{Inquiry, Observation, Parts, Sources, Wanted};
pub use notice::{Notice, NoticesWanted};

/// A place to look for a value. One variant for each kind, as users write them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Source {
    /// `imds`: the metadata item that fits the record's type.
    Imds,
    /// `imds:PATH`: that item below `/latest/meta-data/`.
    ImdsPath(String),
    /// `ecs`: the network of the ECS task that this is a container of.
    Ecs,
    /// `interface:NAME`: the addresses of a network interface.
    Interface(Interface),
    /// `http:URL`, or a bare URL: what a server answers.
    Http(Url),
    /// `dns:SERVER/NAME[/TYPE]`: what a DNS server answers.
    Dns(Lookup),
    /// `command:PROGRAM`: what a program prints.
    Command(Program),
    /// `file:PATH`: what stands in a file.
    File(PathBuf),
    /// `static:VALUE`: always the same.
    Static(String),
}

/// The kinds of source as they are written, for people.
const KINDS: [&str; 9] = [
    "imds",
    "imds:PATH",
    "ecs",
    "interface:NAME",
    "http:URL",
    "dns:SERVER/NAME[/TYPE]",
    "command:PROGRAM",
    "file:PATH",
    "static:VALUE",
];

/// A text names no source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("expected a source ({}), found '{found}'{}", KINDS.join(", "), .nearest.map(|n| format!("; the nearest is '{n}'")).unwrap_or_default())]
    Kind { found: String, nearest: Option<&'static str> },
    #[error("expected {expected}, found '{found}'")]
    Form { expected: &'static str, found: String },
    /// What was found is not for other eyes.
    #[error("expected {expected}")]
    Secret { expected: &'static str },
}

impl FromStr for Source {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text.starts_with("https://") || text.starts_with("http://") {
            return text.parse().map(Self::Http);
        }
        let form = |expected| Error::Form { expected, found: text.to_owned() };
        match text.split_once(':') {
            None if text == "imds" => Ok(Self::Imds),
            None if text == "ecs" => Ok(Self::Ecs),
            Some(("imds", path)) => imds::path(path)
                .map(Self::ImdsPath)
                .ok_or_else(|| form("imds: and an item below /latest/meta-data/, like imds:local-ipv4")),
            Some(("interface", name)) => name.parse().map(Self::Interface),
            Some(("http", url)) => url.parse().map(Self::Http),
            Some(("dns", lookup)) => lookup.parse().map(Self::Dns),
            Some(("command", line)) => command::program(line).map(Self::Command),
            Some(("file", "")) => Err(form("file: and a path, like file:/run/address")),
            Some(("file", path)) => Ok(Self::File(path.into())),
            Some(("static", "")) => Err(form("static: and a value, like static:198.51.100.7")),
            Some(("static", value)) => Ok(Self::Static(value.to_owned())),
            _ => Err(Error::Kind { found: text.to_owned(), nearest: nearest(text) }),
        }
    }
}

/// The kind that was likely meant, if any.
fn nearest(text: &str) -> Option<&'static str> {
    let word = text.split(':').next().unwrap_or_default().to_ascii_lowercase();
    let kind_of = |kind: &'static str| kind.split(':').next().unwrap_or_default();
    let distance = |kind| strsim::damerau_levenshtein(&word, kind_of(kind));
    // With something behind it, the form with something behind it is meant.
    let kinds = KINDS.into_iter().filter(|kind| *kind != "imds" || !text.contains(':'));
    let (near, nearest) = kinds.map(|kind| (distance(kind), kind)).min_by_key(|(near, _)| *near)?;
    (near <= word.chars().count() / 3 + 1).then_some(nearest)
}

/// As users write it, but for what may be secret in it: of a URL the host, of a command the program.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Imds => f.write_str("imds"),
            Self::ImdsPath(path) => write!(f, "imds:{path}"),
            Self::Ecs => f.write_str("ecs"),
            Self::Interface(name) => write!(f, "interface:{name}"),
            Self::Http(url) => url.fmt(f),
            Self::Dns(lookup) => write!(f, "dns:{lookup}"),
            Self::Command(program) => write!(f, "command:{program}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Static(value) => write!(f, "static:{value}"),
        }
    }
}

impl Source {
    /// Checks that it can have values for a record of type `rtype`; `Err` is a sentence of what was
    /// expected and found.
    ///
    /// # Errors
    /// When it never can.
    pub fn serves(&self, rtype: RecordType) -> Result<(), String> {
        match self {
            Self::Static(value) => match Value::parse(rtype, value) {
                Ok(_) => Ok(()),
                Err(error) => Err(format!("{self}: {}", crate::causes::with_causes(&error))),
            },
            Self::Interface(_) if rtype == RecordType::Cname => {
                Err(format!("expected a source of host names for a CNAME record, found '{self}'"))
            }
            Self::Dns(lookup) => lookup.serves(rtype),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        text.parse::<Source>().unwrap_err().to_string()
    }

    #[test]
    fn sources_are_read_as_users_write_them_and_shown_alike() {
        assert_eq!("imds".parse(), Ok(Source::Imds));
        assert_eq!("imds:/local-ipv4".parse(), Ok(Source::ImdsPath("local-ipv4".into())));
        assert_eq!("file:/run/address".parse(), Ok(Source::File("/run/address".into())));
        for text in [
            "imds",
            "imds:network/interfaces/macs/06:00:00:00:00:53/ipv6s",
            "ecs",
            "interface:eth0",
            "interface:eth0.100",
            "dns:192.0.2.53/vpn.example.com",
            "dns:192.0.2.53:5353/vpn.example.com/TXT",
            "dns:[2001:db8::53]:5353/vpn.example.com/AAAA",
            "file:/run/my address",
            "static:2001:db8::1",
        ] {
            assert_eq!(text.parse::<Source>().unwrap().to_string(), text);
        }
        assert_eq!("http:https://a.example/ip".parse::<Source>(), "https://a.example/ip".parse());
    }

    #[test]
    fn what_is_no_source_is_answered_with_what_was_expected() {
        for bad in ["imds:", "imds:../api/token", "imds:a b", "imds:a//b"] {
            assert!(fault(bad).starts_with("expected imds: and an item"), "{}", fault(bad));
        }
        for bad in ["interface:", "interface:a/b", "interface:much-too-long-a-name", "interface:a b"] {
            assert!(fault(bad).starts_with("expected interface: and the name"), "{}", fault(bad));
        }
        for bad in ["http:", "http:example.com", "https://", "http:ftp://a.example", "http:/a"] {
            assert!(fault(bad).starts_with("expected an http or https URL"), "{}", fault(bad));
        }
        for bad in ["dns:", "dns:a.example", "dns:/a", "dns:1.1.1.1/", "dns:1.1.1.1/a/MX", "dns:1.1.1.1:x/a"]
        {
            assert!(fault(bad).starts_with("expected dns:SERVER/NAME[/TYPE]"), "{}", fault(bad));
        }
        for bad in ["command:", "command: ", "command:'a"] {
            assert!(fault(bad).starts_with("expected command: and a program"), "{}", fault(bad));
        }
        assert!(fault("file:").starts_with("expected file: and a path"));
        assert!(fault("static:").starts_with("expected static: and a value"));
    }

    #[test]
    fn an_unknown_kind_is_answered_with_the_nearest() {
        insta::assert_snapshot!(fault("ifconfig"), @"expected a source (imds, imds:PATH, ecs, interface:NAME, http:URL, dns:SERVER/NAME[/TYPE], command:PROGRAM, file:PATH, static:VALUE), found 'ifconfig'");
        for (text, nearest) in [
            ("idms", "imds"),
            ("IMDS", "imds"),
            ("imsd:local-ipv4", "imds:PATH"),
            ("eks", "ecs"),
            ("htttp:x", "http:URL"),
            ("comand:x", "command:PROGRAM"),
            ("interfaces:x", "interface:NAME"),
        ] {
            assert!(fault(text).ends_with(&format!("; the nearest is '{nearest}'")), "{}", fault(text));
        }
    }

    #[test]
    fn what_may_be_secret_is_not_shown() {
        let shown = |text: &str| text.parse::<Source>().unwrap().to_string();
        assert_eq!(shown("https://a.example:8443/ip?key=sentinel"), "https://a.example:8443");
        assert_eq!(shown("command:/usr/bin/my-ip --key sentinel"), "command:/usr/bin/my-ip");
        for bad in
            ["https://user:sentinel@a.example/", "http:user:sentinel@a.example", "http:ftp://u:sentinel@a"]
        {
            assert!(
                fault(bad).contains("without a user") && !fault(bad).contains("sentinel"),
                "{}",
                fault(bad)
            );
        }
        assert!(!fault("command:my-ip --key 'sentinel").contains("sentinel"));
        assert!("https://a.example/@me?mail=a@b.example".parse::<Source>().is_ok());
    }

    #[test]
    fn a_source_that_never_fits_the_type_is_told() {
        let serves = |text: &str, rtype| text.parse::<Source>().unwrap().serves(rtype);
        assert!(serves("static:198.51.100.7", RecordType::A).is_ok());
        for (text, rtype) in [
            ("static:198.51.100.7", RecordType::Aaaa),
            ("static:198.51.100.7", RecordType::Cname),
            ("static:not a host", RecordType::Cname),
            ("interface:eth0", RecordType::Cname),
            ("dns:192.0.2.53/a.example/CNAME", RecordType::A),
            ("dns:192.0.2.53/a.example/A", RecordType::Cname),
        ] {
            assert!(serves(text, rtype).unwrap_err().contains("expected"), "{text} {rtype}");
        }
        assert!(serves("dns:192.0.2.53/a.example/TXT", RecordType::Cname).is_ok());
    }
}
