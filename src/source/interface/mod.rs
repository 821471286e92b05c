//! `interface:NAME`: the addresses of a network interface, and the news of their changes.
//!
//! Of IPv6 addresses only those that last: a temporary one changes by the hour, a deprecated one is on
//! its way out, and a tentative one may turn out to be somebody else's. No link-local ones.

mod changes;
mod netlink;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use netlink_packet_route::address::AddressFlags;

use crate::dns::{RecordType, Value};

use super::look::Observation;
use super::{Error, values};

pub use changes::Changes;

/// Longest name of an interface, in bytes (Linux, IFNAMSIZ with its final zero).
const LONGEST: usize = 15;

/// The name of a network interface.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Interface(Box<str>);

impl FromStr for Interface {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let fits = (1..=LONGEST).contains(&name.len())
            && !matches!(name, "." | "..")
            && name.bytes().all(|b| b.is_ascii_graphic() && !b"/:".contains(&b));
        if fits {
            Ok(Self(name.into()))
        } else {
            Err(Error::Form {
                expected: "interface: and the name of a network interface, like interface:eth0",
                found: format!("interface:{name}"),
            })
        }
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An address as the kernel has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Address {
    ip: IpAddr,
    flags: AddressFlags,
}

impl Address {
    /// Whether others may be told of it.
    fn lasts(&self) -> bool {
        match self.ip {
            IpAddr::V4(v4) => !v4.is_link_local(),
            IpAddr::V6(v6) => {
                // What is "secondary" of IPv4 is "temporary" of IPv6: one bit of the kernel's.
                let passing = AddressFlags::Secondary
                    | AddressFlags::Deprecated
                    | AddressFlags::Tentative
                    | AddressFlags::Dadfailed;
                !v6.is_unicast_link_local() && !self.flags.intersects(passing)
            }
        }
    }
}

/// What the kernel says of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Missing,
    Down,
    Up(Vec<Address>),
}

pub(super) fn read(name: &Interface, rtype: RecordType) -> Observation {
    match netlink::state(name) {
        Ok(state) => understand(&state, name, rtype),
        Err(error) => Observation::Unknown(format!("the addresses of {name} can't be read: {error}")),
    }
}

fn understand(state: &State, name: &Interface, rtype: RecordType) -> Observation {
    let addresses = match state {
        State::Missing => return Observation::KnownNone(format!("there is no interface {name}")),
        State::Down => return Observation::KnownNone(format!("the interface {name} is down")),
        State::Up(addresses) => addresses,
    };
    let lasting = addresses.iter().filter(|address| address.lasts());
    let found = lasting.filter_map(|address| match (address.ip, rtype) {
        (IpAddr::V4(v4), RecordType::A) => Some(Value::V4(v4)),
        (IpAddr::V6(v6), RecordType::Aaaa) => Some(Value::V6(v6)),
        _ => None,
    });
    match values::known(rtype, "", found.collect()) {
        Observation::KnownNone(_) => {
            let kind = if rtype == RecordType::Aaaa { "lasting IPv6 address" } else { "IPv4 address" };
            Observation::KnownNone(format!("the interface {name} has no {kind}"))
        }
        known => known,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(addresses: &[(&str, AddressFlags)]) -> State {
        let address = |(ip, flags): &(&str, AddressFlags)| Address { ip: ip.parse().unwrap(), flags: *flags };
        State::Up(addresses.iter().map(address).collect())
    }

    fn of(state: &State, rtype: RecordType) -> Observation {
        understand(state, &"eth0".parse().unwrap(), rtype)
    }

    fn known(rtype: RecordType, texts: &[&str]) -> Observation {
        Observation::Known(texts.iter().map(|text| Value::parse(rtype, text).unwrap()).collect())
    }

    #[test]
    fn only_ipv6_addresses_that_last_are_told() {
        let all = state(&[
            ("2001:db8::1", AddressFlags::Permanent),
            ("2001:db8::2", AddressFlags::Secondary),
            ("2001:db8::3", AddressFlags::Deprecated | AddressFlags::Permanent),
            ("2001:db8::4", AddressFlags::Tentative),
            ("2001:db8::5", AddressFlags::Dadfailed | AddressFlags::Tentative),
            ("2001:db8::6", AddressFlags::Managetempaddr | AddressFlags::StablePrivacy),
            ("fe80::1", AddressFlags::Permanent),
            ("198.51.100.7", AddressFlags::Permanent),
        ]);
        assert_eq!(of(&all, RecordType::Aaaa), known(RecordType::Aaaa, &["2001:db8::1", "2001:db8::6"]));
    }

    #[test]
    fn a_second_ipv4_address_is_one_like_the_first() {
        let both = state(&[
            ("198.51.100.7", AddressFlags::Permanent),
            ("198.51.100.8", AddressFlags::Permanent | AddressFlags::Secondary),
            ("169.254.10.20", AddressFlags::Permanent),
        ]);
        assert_eq!(of(&both, RecordType::A), known(RecordType::A, &["198.51.100.7", "198.51.100.8"]));
    }

    #[test]
    fn an_interface_without_an_address_has_none() {
        for (state, why) in [
            (State::Missing, "there is no interface eth0"),
            (State::Down, "the interface eth0 is down"),
            (state(&[]), "the interface eth0 has no lasting IPv6 address"),
        ] {
            assert_eq!(of(&state, RecordType::Aaaa), Observation::KnownNone(why.to_owned()));
        }
    }

    #[test]
    fn the_kernel_is_asked() {
        // Every network namespace has this one, and none the other.
        let lo = netlink::state(&"lo".parse().unwrap()).unwrap();
        assert_ne!(lo, State::Missing);
        if let State::Up(addresses) = lo {
            assert!(addresses.iter().any(|address| address.ip.is_loopback()), "{addresses:?}");
        }
        assert_eq!(netlink::state(&"pin53-nowhere".parse().unwrap()).unwrap(), State::Missing);
    }
}
