//! Values of records, as Route 53 takes them: checked by type, and read into what goes over DNS.

use std::net::{Ipv4Addr, Ipv6Addr};

use hickory_proto::rr::rdata::{A, AAAA, CNAME, MX, NS, NULL, PTR, SOA, SRV, TXT};
use hickory_proto::rr::{Name as WireName, RData, RecordType as WireType};

use crate::dns::{Name, NameError, RecordType};

/// Longest value (Developer Guide, quotas).
pub(super) const MAX_VALUE: usize = 4_000;
/// Longest string of a TXT value (RFC 1035 section 3.3).
const MAX_STRING: usize = 255;

/// What is wrong with a value: Route 53's name for it, and its words.
pub(super) type Fatal = (String, &'static str);

/// Reads a value.
///
/// # Errors
/// With what Route 53 says about values that are none; where its words aren't known, in its pattern.
pub(super) fn rdata(rtype: RecordType, value: &str) -> Result<RData, Fatal> {
    let fields: Vec<&str> = value.split(' ').filter(|f| !f.is_empty()).collect();
    let fields = |count: usize, words: &'static str| match fields.len() == count {
        true => Ok(fields.clone()),
        false if count == 1 && fields.len() > 1 => {
            Err((format!("{rtype}RRDATANotSingleField"), "Value contains spaces"))
        }
        false => Err((format!("{rtype}RRDATAWrongNumberOfFields"), words)),
    };
    match rtype {
        RecordType::A => {
            let text = single(rtype, value)?;
            let address: Ipv4Addr = text
                .parse()
                .map_err(|_| ("ARRDATAIllegalIPv4Address".to_owned(), "Value is not a valid IPv4 address"))?;
            Ok(RData::A(A(address)))
        }
        RecordType::Aaaa => {
            let text = single(rtype, value)?;
            let address: Ipv6Addr = text.parse().map_err(|_| {
                ("AAAARRDATAIllegalIPv6Address".to_owned(), "Value is not a valid IPv6 address")
            })?;
            Ok(RData::AAAA(AAAA(address)))
        }
        RecordType::Cname => Ok(RData::CNAME(CNAME(wire_name(single(rtype, value)?)?))),
        RecordType::Ns => Ok(RData::NS(NS(wire_name(single(rtype, value)?)?))),
        RecordType::Ptr => Ok(RData::PTR(PTR(wire_name(single(rtype, value)?)?))),
        RecordType::Mx => {
            let f = fields(2, "Value must be a preference and a domain name")?;
            Ok(RData::MX(MX::new(number(rtype, f[0])?, wire_name(f[1])?)))
        }
        RecordType::Srv => {
            let f = fields(4, "Value must be a priority, a weight, a port and a domain name")?;
            let target = if f[3] == "." { WireName::root() } else { wire_name(f[3])? };
            Ok(RData::SRV(SRV::new(number(rtype, f[0])?, number(rtype, f[1])?, number(rtype, f[2])?, target)))
        }
        RecordType::Soa => {
            let f = fields(7, "Value must have seven fields")?;
            let seconds = |text: &str| {
                number::<u32>(rtype, text).and_then(|n| i32::try_from(n).map_err(|_| illegal(rtype)))
            };
            Ok(RData::SOA(SOA::new(
                wire_name(f[0])?,
                wire_name(f[1])?,
                number(rtype, f[2])?,
                seconds(f[3])?,
                seconds(f[4])?,
                seconds(f[5])?,
                number(rtype, f[6])?,
            )))
        }
        RecordType::Txt => {
            let strings = character_strings(value)?;
            Ok(RData::TXT(TXT::from_bytes(strings.iter().map(Vec::as_slice).collect())))
        }
        RecordType::Spf => {
            let mut bytes = Vec::new();
            for string in character_strings(value)? {
                // A string is no longer than its length byte can say.
                bytes.push(u8::try_from(string.len()).unwrap_or(u8::MAX));
                bytes.extend(string);
            }
            Ok(RData::Unknown { code: wire_type(rtype), rdata: NULL::with(bytes) })
        }
        RecordType::Caa => parsed(rtype, WireType::CAA, value),
        RecordType::Ds => {
            let f = fields(4, "Value must be a key tag, an algorithm, a digest type and a digest")?;
            let mut bytes = number::<u16>(rtype, f[0])?.to_be_bytes().to_vec();
            bytes.push(number(rtype, f[1])?);
            bytes.push(number(rtype, f[2])?);
            bytes.extend(hex(f[3]).ok_or_else(|| illegal(rtype))?);
            Ok(RData::Unknown { code: wire_type(rtype), rdata: NULL::with(bytes) })
        }
        RecordType::Naptr => parsed(rtype, WireType::NAPTR, value),
        RecordType::Sshfp => parsed(rtype, WireType::SSHFP, value),
        RecordType::Tlsa => parsed(rtype, WireType::TLSA, value),
        RecordType::Svcb => parsed(rtype, WireType::SVCB, value),
        RecordType::Https => parsed(rtype, WireType::HTTPS, value),
    }
}

/// The type as it goes over DNS.
pub(super) fn wire_type(rtype: RecordType) -> WireType {
    match rtype {
        RecordType::A => WireType::A,
        RecordType::Aaaa => WireType::AAAA,
        RecordType::Caa => WireType::CAA,
        RecordType::Cname => WireType::CNAME,
        RecordType::Ds => WireType::DS,
        RecordType::Https => WireType::HTTPS,
        RecordType::Mx => WireType::MX,
        RecordType::Naptr => WireType::NAPTR,
        RecordType::Ns => WireType::NS,
        RecordType::Ptr => WireType::PTR,
        RecordType::Soa => WireType::SOA,
        RecordType::Spf => WireType::Unknown(99),
        RecordType::Srv => WireType::SRV,
        RecordType::Sshfp => WireType::SSHFP,
        RecordType::Svcb => WireType::SVCB,
        RecordType::Tlsa => WireType::TLSA,
        RecordType::Txt => WireType::TXT,
    }
}

/// A name as it goes over DNS.
pub(super) fn to_wire(name: &Name) -> Option<WireName> {
    let labels: Vec<Vec<u8>> = name.wire_labels().collect();
    let mut wire = WireName::from_labels(labels.iter().map(Vec::as_slice)).ok()?;
    wire.set_fqdn(true);
    Some(wire)
}

/// What Route 53 says about a name that is none.
pub(super) fn name_fault(error: &NameError) -> Fatal {
    let (code, words) = match error {
        NameError::Empty | NameError::EmptyLabel(_) => ("DomainLabelEmpty", "Domain label is empty"),
        NameError::LabelTooLong(_) => ("DomainLabelTooLong", "Domain label is too long"),
        NameError::TooLong(_) => ("DomainNameTooLong", "Domain name is too long"),
        NameError::BadEscape(_) | NameError::NotAscii(_) => UNSUPPORTED,
    };
    (code.to_owned(), words)
}

/// What Route 53 says about characters that have to be escaped and are not.
const UNSUPPORTED: (&str, &str) = ("UnsupportedCharacter", "Value contains unsupported characters");

/// A name as it may stand in a request: control characters, the space and all beyond ASCII are escaped.
pub(super) fn name(text: &str) -> Result<Name, Fatal> {
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err((UNSUPPORTED.0.to_owned(), UNSUPPORTED.1));
    }
    Name::parse(text).map_err(|e| name_fault(&e))
}

fn wire_name(text: &str) -> Result<WireName, Fatal> {
    to_wire(&name(text)?).ok_or_else(|| (UNSUPPORTED.0.to_owned(), UNSUPPORTED.1))
}

fn single(rtype: RecordType, value: &str) -> Result<&str, Fatal> {
    if value.contains(' ') {
        return Err((format!("{rtype}RRDATANotSingleField"), "Value contains spaces"));
    }
    Ok(value)
}

fn number<T: std::str::FromStr>(rtype: RecordType, text: &str) -> Result<T, Fatal> {
    // A sign would be read by `parse`.
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(illegal(rtype));
    }
    text.parse().map_err(|_| illegal(rtype))
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|c| c.to_digit(16)).collect();
    let digits = digits.filter(|d| !d.is_empty() && d.len() % 2 == 0)?;
    digits.chunks_exact(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).ok()).collect()
}

fn illegal(rtype: RecordType) -> Fatal {
    (format!("{rtype}RRDATAIllegalValue"), "Value is not valid for its type")
}

/// The rarer types, whose values are written as in a zone file.
fn parsed(rtype: RecordType, wire: WireType, value: &str) -> Result<RData, Fatal> {
    // The parser takes comments, and lines that go on.
    let mut quoted = false;
    let plain = value.chars().all(|c| {
        quoted ^= c == '"';
        (c == ' ' || c.is_ascii_graphic()) && (quoted || !matches!(c, ';' | '(' | ')'))
    });
    if !plain || quoted {
        return Err(illegal(rtype));
    }
    RData::try_from_str(wire, value).map_err(|_| illegal(rtype))
}

/// The strings of a TXT value: each in quotation marks, `\"` and `\\` escaped, other bytes as `\ooo`.
fn character_strings(value: &str) -> Result<Vec<Vec<u8>>, Fatal> {
    let unquoted = || ("InvalidCharacterString".to_owned(), "Value should be enclosed in quotation marks");
    let mut strings = Vec::new();
    let mut rest = value.trim().as_bytes();
    loop {
        let inner = rest.strip_prefix(b"\"").ok_or_else(unquoted)?;
        let mut string = Vec::new();
        let mut bytes = inner;
        loop {
            bytes = match bytes {
                [] => return Err(unquoted()),
                [b'"', after @ ..] => {
                    rest = after;
                    break;
                }
                [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..] => {
                    string.push((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'));
                    after
                }
                [b'\\', c, after @ ..] if c.is_ascii_graphic() => {
                    string.push(*c);
                    after
                }
                [c @ b' '..=b'~', after @ ..] if *c != b'\\' => {
                    string.push(*c);
                    after
                }
                _ => return Err((UNSUPPORTED.0.to_owned(), UNSUPPORTED.1)),
            };
        }
        if string.len() > MAX_STRING {
            return Err(("CharacterStringTooLong".to_owned(), "Value is too long"));
        }
        strings.push(string);
        let next = rest.iter().position(|b| *b != b' ').unwrap_or(rest.len());
        if next == rest.len() {
            return Ok(strings);
        }
        if next == 0 {
            return Err(unquoted());
        }
        rest = &rest[next..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fault(rtype: RecordType, value: &str) -> String {
        rdata(rtype, value).map(|d| panic!("{d:?}")).unwrap_err().0
    }

    #[test]
    fn each_type_takes_its_values() {
        for (rtype, value) in [
            (RecordType::A, "192.0.2.1"),
            (RecordType::Aaaa, "2001:0db8:85a3:0:0:8a2e:0370:7334"),
            (RecordType::Caa, "0 issue \"letsencrypt.org\""),
            (RecordType::Cname, "host.example.com"),
            (RecordType::Ds, "123 4 2 1234567890ABCDEF1234567890ABCDEF1234567890ABCDEF1234567890ABCDEF"),
            (RecordType::Https, "1 . alpn=\"h2\""),
            (RecordType::Mx, "10 mail.example.com"),
            (RecordType::Naptr, "100 50 \"u\" \"E2U+sip\" \"!^(.*)$!sip:info@example.com!\" ."),
            (RecordType::Ns, "ns-1.example.com."),
            (RecordType::Ptr, "host.example.com"),
            (RecordType::Soa, "ns-1.example.com. hostmaster.example.com. 1 7200 900 1209600 86400"),
            (RecordType::Spf, "\"v=spf1 -all\""),
            (RecordType::Srv, "1 10 5269 xmpp.example.com."),
            (RecordType::Sshfp, "1 1 123456789abcdef67890123456789abcdef67890"),
            (RecordType::Svcb, "1 svc.example.com. port=\"8080\""),
            (RecordType::Tlsa, "3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"),
            (RecordType::Txt, "\"a b\" \"c \\\" \\\\ \\351\""),
        ] {
            assert!(rdata(rtype, value).is_ok(), "{rtype} {value}: {:?}", rdata(rtype, value));
        }
    }

    #[test]
    fn what_is_no_value_has_a_name() {
        assert_eq!(fault(RecordType::A, "host.example.com"), "ARRDATAIllegalIPv4Address");
        assert_eq!(fault(RecordType::A, "1.2.3.4 5.6.7.8"), "ARRDATANotSingleField");
        assert_eq!(fault(RecordType::Aaaa, "192.0.2.1"), "AAAARRDATAIllegalIPv6Address");
        assert_eq!(fault(RecordType::Cname, "a..b"), "DomainLabelEmpty");
        assert_eq!(fault(RecordType::Cname, "bücher.example"), "UnsupportedCharacter");
        assert_eq!(fault(RecordType::Cname, ""), "DomainLabelEmpty");
        assert_eq!(fault(RecordType::Txt, "plain"), "InvalidCharacterString");
        assert_eq!(fault(RecordType::Txt, "\"a\"\"b\""), "InvalidCharacterString");
        assert_eq!(fault(RecordType::Txt, "\"open"), "InvalidCharacterString");
        assert_eq!(fault(RecordType::Txt, "\"é\""), "UnsupportedCharacter");
        assert_eq!(fault(RecordType::Txt, &format!("\"{}\"", "a".repeat(256))), "CharacterStringTooLong");
        assert_eq!(fault(RecordType::Mx, "mail.example.com"), "MXRRDATAWrongNumberOfFields");
        assert_eq!(fault(RecordType::Mx, "+10 mail.example.com"), "MXRRDATAIllegalValue");
        assert_eq!(fault(RecordType::Srv, "1 2 65536 a.example.com"), "SRVRRDATAIllegalValue");
        assert_eq!(fault(RecordType::Caa, "0 issue"), "CAARRDATAIllegalValue");
    }

    #[test]
    fn escapes_of_txt_are_octal() {
        let RData::TXT(txt) = rdata(RecordType::Txt, "\"ex\\344mple\"").unwrap() else { panic!("TXT") };
        assert_eq!(&*txt.txt_data[0], b"ex\xe4mple");
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "[ -~]{0,60}|[0-9]{1,5} [ -~]{0,20}", pick in 0..RecordType::ALL.len()) {
            let _ = rdata(RecordType::ALL[pick], &text);
        }
    }
}
