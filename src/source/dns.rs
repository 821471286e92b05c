//! `dns:SERVER/NAME[/TYPE]`: what a DNS server answers, as in `dns:resolver1.opendns.com/myip.opendns.com`.
//!
//! The server is asked itself, whatever the system's resolver says; only its own host name goes there.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use crate::causes::with_causes;
use crate::dns::{Name, RecordType, Value};
use crate::dns_client::{self, Answer, Code, Question};
use crate::transport::Datagrams;

use super::look::Observation;
use super::{Error, values};

const PORT: u16 = 53;
/// A server's addresses beyond these aren't tried.
const MOST_ADDRESSES: usize = 4;
const EXPECTED: &str =
    "dns:SERVER/NAME[/TYPE], the server with or without a port, the type A, AAAA, CNAME or TXT";

const MAY_BE_ASKED: [RecordType; 4] = [RecordType::A, RecordType::Aaaa, RecordType::Cname, RecordType::Txt];

/// A question, and who is asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Lookup {
    server: Server,
    port: u16,
    name: Name,
    /// `None` for the record's own type.
    rtype: Option<RecordType>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Server {
    Address(IpAddr),
    Host(Name),
}

impl FromStr for Lookup {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        parse(text).ok_or_else(|| Error::Form { expected: EXPECTED, found: format!("dns:{text}") })
    }
}

fn parse(text: &str) -> Option<Lookup> {
    let mut parts = text.split('/');
    let (server, port) = server(parts.next()?)?;
    let name = Name::parse(parts.next()?).ok()?;
    let rtype = parts.next().map(|text| text.parse().ok().filter(|rtype| MAY_BE_ASKED.contains(rtype)));
    match (rtype, parts.next()) {
        (None, None) => Some(Lookup { server, port, name, rtype: None }),
        (Some(Some(rtype)), None) => Some(Lookup { server, port, name, rtype: Some(rtype) }),
        _ => None,
    }
}

/// An address, bare, in brackets or with a port, or a host name with or without one.
fn server(text: &str) -> Option<(Server, u16)> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some((Server::Address(address), PORT));
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some((Server::Address(address.ip()), address.port())).filter(|(_, port)| *port != 0);
    }
    if let Some(bare) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return Some((Server::Address(bare.parse().ok()?), PORT));
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, port.parse().ok().filter(|port| *port != 0)?),
        None => (text, PORT),
    };
    let host = Name::parse(host).ok().filter(Name::is_host_name)?;
    Some((Server::Host(host), port))
}

impl fmt::Display for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.server {
            Server::Address(address) if self.port == PORT => write!(f, "{address}")?,
            Server::Address(address) => write!(f, "{}", SocketAddr::new(*address, self.port))?,
            Server::Host(host) if self.port == PORT => write!(f, "{host}")?,
            Server::Host(host) => write!(f, "{host}:{}", self.port)?,
        }
        write!(f, "/{}", self.name)?;
        self.rtype.map_or(Ok(()), |rtype| write!(f, "/{rtype}"))
    }
}

impl Lookup {
    /// Checks that it can have values for a record of type `rtype`.
    ///
    /// # Errors
    /// In words, when the type that it asks for has other values.
    pub(super) fn serves(&self, rtype: RecordType) -> Result<(), String> {
        match self.rtype {
            Some(asked) if asked != rtype && asked != RecordType::Txt => {
                Err(format!("expected a question for {rtype} or TXT, found 'dns:{self}'"))
            }
            _ => Ok(()),
        }
    }
}

pub(super) async fn read(datagrams: &dyn Datagrams, lookup: &Lookup, rtype: RecordType) -> Observation {
    let addresses = match &lookup.server {
        Server::Address(address) => vec![*address],
        Server::Host(host) => {
            let found = tokio::time::timeout(dns_client::LONGEST, datagrams.addresses(host.as_str())).await;
            match found.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into())) {
                Ok(found) => in_order(found, rtype),
                Err(error) => {
                    return Observation::Unknown(format!("the DNS server {host} isn't found: {error}"));
                }
            }
        }
    };
    let asked = lookup.rtype.unwrap_or(rtype);
    let question = Question { name: lookup.name.clone(), rtype: asked, recursive: true };
    let mut why = format!("the DNS server of dns:{lookup} has no address");
    for address in addresses {
        let server = SocketAddr::new(address, lookup.port);
        match dns_client::ask(datagrams, server, &question).await {
            Ok(answer) => return understand(&answer, &question, rtype),
            Err(error) => why = with_causes(&error),
        }
    }
    Observation::Unknown(why)
}

/// Servers that tell who asks them have to be asked by the kind of address that is wanted.
fn in_order(mut addresses: Vec<IpAddr>, rtype: RecordType) -> Vec<IpAddr> {
    addresses.sort_by_key(|address| address.is_ipv6() != (rtype == RecordType::Aaaa));
    addresses.truncate(MOST_ADDRESSES);
    addresses
}

fn understand(answer: &Answer, question: &Question, rtype: RecordType) -> Observation {
    let Question { name, rtype: asked, .. } = question;
    let what = format!("{name} {asked}");
    match answer.code {
        Code::NoError => {}
        Code::NxDomain => return Observation::KnownNone(format!("there is no name {name} in DNS")),
        Code::Refused => return Observation::Unknown(format!("the DNS server refuses to answer for {name}")),
        Code::Other(code) => {
            return Observation::Unknown(format!("the DNS server answered {what} with code {code}"));
        }
    }
    // An alias on the way to the addresses is the server's to follow.
    let rows = answer.answers.iter().filter(|row| row.rtype == *asked);
    if *asked == RecordType::Txt {
        let texts: Vec<String> = rows.map(|row| unquoted(&row.value)).collect();
        return none_in_words(values::read(rtype, &what, &texts.join("\n")), &what);
    }
    let rows = rows.filter(|row| *asked != RecordType::Cname || row.name == *name);
    let parsed: Result<Vec<Value>, _> = rows.map(|row| Value::parse(rtype, &row.value)).collect();
    match parsed {
        Ok(found) => none_in_words(values::known(rtype, &what, found), &what),
        Err(error) => Observation::Unknown(format!("{what}: {}", values::shortened(&with_causes(&error)))),
    }
}

fn none_in_words(observation: Observation, what: &str) -> Observation {
    match observation {
        Observation::KnownNone(_) => Observation::KnownNone(format!("there is no {what} in DNS")),
        known => known,
    }
}

/// The text of a TXT value: its strings without quotation marks, one after the other.
///
/// Octal escapes stay as they are: no address and no host name holds one.
fn unquoted(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let (mut inside, mut chars) = (false, value.chars());
    while let Some(c) = chars.next() {
        match c {
            '"' => inside = !inside,
            '\\' => text.extend(chars.next()),
            c if inside => text.push(c),
            _ => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns_client::Row;

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    fn row(at: &str, rtype: RecordType, value: &str) -> Row {
        Row { name: name(at), rtype, ttl: 60, value: value.to_owned() }
    }

    fn of(rtype: RecordType, asked: RecordType, code: Code, answers: Vec<Row>) -> Observation {
        let answer = Answer { code, authoritative: true, answers, authority: Vec::new() };
        let question = Question { name: name("a.example.com"), rtype: asked, recursive: true };
        understand(&answer, &question, rtype)
    }

    fn known(rtype: RecordType, texts: &[&str]) -> Observation {
        Observation::Known(texts.iter().map(|text| Value::parse(rtype, text).unwrap()).collect())
    }

    #[test]
    fn a_server_is_an_address_or_a_host_with_or_without_a_port() {
        for (text, shown) in [
            ("1.1.1.1/a.example", "1.1.1.1/a.example"),
            ("1.1.1.1:53/A.Example./a", "1.1.1.1/a.example/A"),
            ("[2001:db8::1]/a.example", "2001:db8::1/a.example"),
            ("[2001:db8::1]:5353/a.example", "[2001:db8::1]:5353/a.example"),
            ("2001:db8::1/a.example", "2001:db8::1/a.example"),
            ("ns1.example.net:5353/a.example/txt", "ns1.example.net:5353/a.example/TXT"),
        ] {
            assert_eq!(text.parse::<Lookup>().unwrap().to_string(), shown);
        }
        for bad in
            ["1.1.1.1:0/a", "1.1.1.1:99999/a", "[::1/a", "a b/a", "1.1.1.1/a/A/b", "1.1.1.1/a/", "1.1.1/a"]
        {
            assert!(bad.parse::<Lookup>().is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_behind_an_alias_count_and_an_alias_is_its_own_target() {
        let chain = || {
            vec![
                row("a.example.com", RecordType::Cname, "b.example.com."),
                row("b.example.com", RecordType::Cname, "c.example.com."),
                row("c.example.com", RecordType::A, "198.51.100.7"),
            ]
        };
        let a = of(RecordType::A, RecordType::A, Code::NoError, chain());
        assert_eq!(a, known(RecordType::A, &["198.51.100.7"]));
        let cname = of(RecordType::Cname, RecordType::Cname, Code::NoError, chain());
        assert_eq!(cname, known(RecordType::Cname, &["b.example.com"]));
    }

    #[test]
    fn text_is_unquoted_and_its_strings_are_one() {
        let texts = |value: &str| {
            let rows = vec![row("a.example.com", RecordType::Txt, value)];
            of(RecordType::A, RecordType::Txt, Code::NoError, rows)
        };
        assert_eq!(texts("\"198.51.100.7\""), known(RecordType::A, &["198.51.100.7"]));
        assert_eq!(texts("\"198.51.\" \"100.7\""), known(RecordType::A, &["198.51.100.7"]));
        assert!(matches!(texts("\"edns0-client-subnet 198.51.100.7/32\""), Observation::Unknown(_)));
        assert_eq!(unquoted("\"a \\\"b\\\" \\\\\" \"c\""), "a \"b\" \\c");
    }

    #[test]
    fn no_name_and_no_row_are_none_and_everything_else_is_unknown() {
        let a = RecordType::A;
        assert!(matches!(of(a, a, Code::NxDomain, vec![]), Observation::KnownNone(_)));
        assert!(
            matches!(of(a, a, Code::NoError, vec![]), Observation::KnownNone(why) if why == "there is no a.example.com A in DNS")
        );
        for code in [Code::Refused, Code::Other(2)] {
            assert!(matches!(of(a, a, code, vec![]), Observation::Unknown(_)), "{code:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_too_strange_to_be_unquoted(value in "\\PC{0,40}|[\"\\\\a ]{0,12}") {
            let text = unquoted(&value);
            proptest::prop_assert!(text.len() <= value.len());
        }
    }

    #[test]
    fn who_is_to_tell_an_address_is_asked_by_one_of_its_kind() {
        let both: Vec<IpAddr> = ["192.0.2.1", "2001:db8::1"].map(|a| a.parse().unwrap()).to_vec();
        assert!(in_order(both.clone(), RecordType::Aaaa)[0].is_ipv6());
        assert!(in_order(both.clone(), RecordType::A)[0].is_ipv4());
        assert!(in_order(both, RecordType::Cname)[0].is_ipv4());
    }
}
