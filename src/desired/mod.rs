//! What should be: a rule and an observation give a wish.
//!
//! Here stands what may be published at all. Whether it fits what is there already is `plan`'s.

mod terms;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub use crate::aws::route53::ZoneChoice;
pub use terms::{Leaving, Member, OnConflict, Owner, OwnerError, Parting, SetIdentifier, Terms};

use crate::dns::{Name, Policy, RecordKey, RecordSet, RecordType, Routing, Ttl, Value};
use crate::pattern::{Facts, Item, Pattern, Unrendered};
use crate::source::{Observation, Source};

/// One record to keep, as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub name: Pattern<Name>,
    pub rtype: RecordType,
    /// In the order in which they count.
    pub sources: Vec<Source>,
    /// So many sources have to say the same, all of them being asked; 1: the first that answers counts.
    pub agree: usize,
    pub ttl: Ttl,
    pub zone: ZoneChoice,
    /// The record belongs into a private zone.
    pub private: bool,
    /// Publish addresses that aren't reachable from everywhere in a public zone too.
    pub allow_private: bool,
    pub terms: Terms,
    /// The record is a member of a routed set.
    pub member: Option<Member>,
    pub leaving: Leaving,
}

/// What a rule wants at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    Present(RecordSet),
    /// Nobody knows what should be there: what is there stays.
    Untouched(String),
    /// What was found makes no sense to publish.
    Implausible(String),
}

impl Rule {
    /// The items of the metadata that its texts are made of.
    pub fn items(&self) -> impl Iterator<Item = &Item> {
        self.name.items().chain(self.member.iter().flat_map(|member| member.set_identifier.items()))
    }

    /// Which record it is for, given what the metadata says.
    ///
    /// # Errors
    /// When an item isn't known, or makes no name that may stand where this one has to.
    pub fn key(&self, facts: &Facts) -> Result<RecordKey, Unrendered> {
        let name = self.name.render(facts)?;
        match &self.zone {
            ZoneChoice::Named(zone) if !name.is_within(zone) => {
                Err(Unrendered::Unfit(format!("{name} doesn't lie in the zone {zone}")))
            }
            _ => {
                let routing = self.member.as_ref().map(|member| member.routing(facts)).transpose()?;
                let set_identifier = routing.map(|routing| routing.set_identifier);
                Ok(RecordKey { name, rtype: self.rtype, set_identifier })
            }
        }
    }

    /// What this rule wants for its record, given what its sources said.
    #[must_use]
    pub fn wish(&self, key: &RecordKey, observation: &Observation) -> Wish {
        let values = match observation {
            Observation::Known(values) => values,
            Observation::KnownNone(why) | Observation::Unknown(why) => return Wish::Untouched(why.clone()),
            Observation::Unfit(why) => return Wish::Implausible(why.clone()),
        };
        if let Some(fault) = values.iter().find_map(|value| self.fault_of(&key.name, value)) {
            return Wish::Implausible(fault);
        }
        let values: Vec<String> = values.iter().map(ToString::to_string).collect();
        let count = values.len();
        let mut wish = RecordSet::simple(key.name.clone(), key.rtype, self.ttl, values);
        if let (Some(member), Some(set_identifier)) = (&self.member, &key.set_identifier) {
            if count > 1 && matches!(member.policy, Policy::Weighted(_) | Policy::Latency { .. }) {
                return Wish::Implausible(format!(
                    "a member of a weighted or latency set holds one value, and the sources say {count}"
                ));
            }
            wish.routing =
                Some(Routing { set_identifier: set_identifier.clone(), policy: member.policy.clone() });
            wish.health_check_id.clone_from(&member.health_check_id);
        }
        Wish::Present(wish)
    }

    fn fault_of(&self, own: &Name, value: &Value) -> Option<String> {
        match value {
            Value::Host(name) if name == own => Some(format!("{name} would point at itself")),
            Value::Host(_) => None,
            address => {
                let address = address.address()?;
                let kind = special_purpose(address)?;
                (!self.private && !self.allow_private).then(|| {
                    format!(
                        "{address} is {}, which doesn't belong into a public zone (allow_private = true publishes it \
                         all the same)",
                        kind.words()
                    )
                })
            }
        }
    }
}

/// Addresses that the Internet doesn't route.
///
/// Spec: <https://www.iana.org/assignments/iana-ipv4-special-registry>,
/// <https://www.iana.org/assignments/iana-ipv6-special-registry>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Special {
    Unspecified,
    Loopback,
    LinkLocal,
    Multicast,
    Private,
    SharedByCarrier,
}

impl Special {
    fn words(self) -> &'static str {
        match self {
            Self::Unspecified => "no address (unspecified)",
            Self::Loopback => "a loopback address",
            Self::LinkLocal => "a link-local address",
            Self::Multicast => "a multicast or broadcast address",
            Self::Private => "a private address",
            Self::SharedByCarrier => "an address behind carrier-grade NAT",
        }
    }
}

fn special_purpose(address: IpAddr) -> Option<Special> {
    match address {
        IpAddr::V4(v4) => special_v4(v4),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => special_v4(v4),
            None => special_v6(v6),
        },
    }
}

fn special_v4(v4: Ipv4Addr) -> Option<Special> {
    let [a, b, ..] = v4.octets();
    match () {
        () if a == 0 => Some(Special::Unspecified),
        () if v4.is_loopback() => Some(Special::Loopback),
        () if v4.is_link_local() => Some(Special::LinkLocal),
        () if v4.is_multicast() || a >= 240 => Some(Special::Multicast),
        () if v4.is_private() => Some(Special::Private),
        () if a == 100 && (64..128).contains(&b) => Some(Special::SharedByCarrier),
        () => None,
    }
}

fn special_v6(v6: Ipv6Addr) -> Option<Special> {
    match v6.segments()[0] {
        _ if v6.is_unspecified() => Some(Special::Unspecified),
        _ if v6.is_loopback() => Some(Special::Loopback),
        first if first & 0xffc0 == 0xfe80 => Some(Special::LinkLocal),
        first if first & 0xff00 == 0xff00 => Some(Special::Multicast),
        // Unique local addresses, and the site-local ones that they replaced.
        first if first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfec0 => Some(Special::Private),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(rtype: RecordType) -> Rule {
        Rule {
            name: Name::parse("vpn.example.com").unwrap().into(),
            rtype,
            sources: vec![Source::Imds],
            agree: 1,
            ttl: Ttl::new(60).unwrap(),
            zone: ZoneChoice::Longest,
            private: false,
            allow_private: false,
            terms: Terms::default(),
            member: None,
            leaving: Leaving::default(),
        }
    }

    fn wish(rule: &Rule, observation: &Observation) -> Wish {
        rule.wish(&rule.key(&Facts::default()).unwrap(), observation)
    }

    fn known(rtype: RecordType, text: &str) -> Observation {
        Observation::Known(vec![Value::parse(rtype, text).unwrap()])
    }

    #[test]
    fn what_is_unknown_or_none_leaves_the_record_alone() {
        for observation in [Observation::Unknown("why".into()), Observation::KnownNone("why".into())] {
            assert_eq!(wish(&rule(RecordType::Cname), &observation), Wish::Untouched("why".into()));
        }
    }

    #[test]
    fn a_cname_to_itself_is_refused() {
        let wish = wish(&rule(RecordType::Cname), &known(RecordType::Cname, "VPN.example.com."));
        assert!(matches!(wish, Wish::Implausible(_)));
    }

    #[test]
    fn addresses_that_the_internet_does_not_route_are_refused() {
        let unroutable = [
            "0.0.0.0",
            "127.0.0.1",
            "169.254.169.254",
            "224.0.0.1",
            "255.255.255.255",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
        ];
        for address in unroutable {
            let wish = wish(&rule(RecordType::A), &known(RecordType::A, address));
            assert!(matches!(wish, Wish::Implausible(_)), "{address}");
        }
        for address in ["::", "::1", "fe80::1", "ff02::1", "fd00:ec2::254", "::ffff:10.0.0.1"] {
            let wish = wish(&rule(RecordType::Aaaa), &known(RecordType::Aaaa, address));
            assert!(matches!(wish, Wish::Implausible(_)), "{address}");
        }
        for address in ["198.51.100.7", "100.128.0.1", "172.32.0.1"] {
            assert!(
                matches!(wish(&rule(RecordType::A), &known(RecordType::A, address)), Wish::Present(_)),
                "{address}"
            );
        }
        let v6 = known(RecordType::Aaaa, "2600:1f18::7");
        assert!(matches!(wish(&rule(RecordType::Aaaa), &v6), Wish::Present(_)));
    }

    #[test]
    fn they_are_published_in_a_private_zone_and_where_that_was_asked_for() {
        for asked in [
            Rule { allow_private: true, ..rule(RecordType::A) },
            Rule { private: true, ..rule(RecordType::A) },
        ] {
            assert!(matches!(wish(&asked, &known(RecordType::A, "10.0.0.1")), Wish::Present(_)));
        }
    }
}
