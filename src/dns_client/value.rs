//! Names, types and values between the wire and the words of Route 53.

use std::fmt::Write;

use hickory_proto::rr::{Name as WireName, RData, RecordType as WireType};

use crate::dns::{Name, RecordType};

/// The types' numbers (<https://www.iana.org/assignments/dns-parameters>).
const NUMBERS: &[(RecordType, u16)] = &[
    (RecordType::A, 1),
    (RecordType::Ns, 2),
    (RecordType::Cname, 5),
    (RecordType::Soa, 6),
    (RecordType::Ptr, 12),
    (RecordType::Mx, 15),
    (RecordType::Txt, 16),
    (RecordType::Aaaa, 28),
    (RecordType::Srv, 33),
    (RecordType::Naptr, 35),
    (RecordType::Ds, 43),
    (RecordType::Sshfp, 44),
    (RecordType::Tlsa, 52),
    (RecordType::Svcb, 64),
    (RecordType::Https, 65),
    (RecordType::Spf, 99),
    (RecordType::Caa, 257),
];

pub(super) fn wire_type(rtype: RecordType) -> WireType {
    let number = NUMBERS.iter().find(|(known, _)| *known == rtype).map_or(0, |(_, number)| *number);
    WireType::from(number)
}

/// The type of ours; `None` for those that Route 53 doesn't have.
pub(super) fn known_type(wire: WireType) -> Option<RecordType> {
    let number = u16::from(wire);
    NUMBERS.iter().find(|(_, known)| *known == number).map(|(rtype, _)| *rtype)
}

/// A name of a message; `None` for the root, which is no name of ours.
pub(super) fn name(wire: &WireName) -> Option<Name> {
    let mut text = String::new();
    for label in wire {
        for &byte in label {
            push(&mut text, byte, byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'*'));
        }
        text.push('.');
    }
    Name::parse(&text).ok()
}

/// A value in Route 53's words; `None` where it has none.
pub(super) fn text(data: &RData) -> Option<String> {
    Some(match data {
        RData::A(address) => address.0.to_string(),
        RData::AAAA(address) => address.0.to_string(),
        RData::CNAME(host) => target(&host.0),
        RData::NS(host) => target(&host.0),
        RData::PTR(host) => target(&host.0),
        RData::MX(mx) => format!("{} {}", mx.preference, target(&mx.exchange)),
        RData::SRV(srv) => {
            format!("{} {} {} {}", srv.priority, srv.weight, srv.port, target(&srv.target))
        }
        RData::SOA(soa) => format!(
            "{} {} {} {} {} {} {}",
            target(&soa.mname),
            target(&soa.rname),
            soa.serial,
            soa.refresh,
            soa.retry,
            soa.expire,
            soa.minimum
        ),
        RData::TXT(txt) => txt.txt_data.iter().map(|string| quoted(string)).collect::<Vec<_>>().join(" "),
        // A record without data is one that an update takes away.
        RData::Update0(_) => return None,
        other => other.to_string(),
    })
}

fn target(host: &WireName) -> String {
    name(host).map_or_else(|| ".".to_owned(), |name| name.to_route53())
}

/// A string of a TXT value, with what has to be escaped.
fn quoted(string: &[u8]) -> String {
    let mut out = String::with_capacity(string.len() + 2);
    out.push('"');
    for &byte in string {
        match byte {
            b'"' | b'\\' => {
                out.push('\\');
                out.push(char::from(byte));
            }
            byte => push(&mut out, byte, matches!(byte, b' '..=b'~')),
        }
    }
    out.push('"');
    out
}

fn push(out: &mut String, byte: u8, plain: bool) {
    if plain {
        out.push(char::from(byte));
    } else {
        // Writing to a string doesn't fail.
        let _ = write!(out, "\\{byte:03o}");
    }
}
