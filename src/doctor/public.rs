//! What the world sees of a zone: whether its name servers speak for it, whether the parent zone points to them, and
//! who sees a private one.
//!
//! The parent is asked through this machine's own resolver, so that one question is enough.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use futures_util::future::join_all;

use crate::audit::Via;
use crate::aws::route53::{self, Apex};
use crate::causes::with_causes;
use crate::dns::{Name, RecordType, ZoneId};
use crate::dns_client::{self, Answer, Code, Question, ask};
use crate::report::{Class, Failure};

use super::service::ZoneSeen;
use super::{Check, Examiner, STEP, within};

/// A zone has four name servers; more addresses of one aren't needed to know whether it speaks.
const MOST_ADDRESSES: usize = 2;
/// Resolvers beyond these aren't asked.
const MOST_RESOLVERS: usize = 2;
/// The servers that Route 53 names in every private zone have this in their names.
const OF_PRIVATE_ZONES: &str = ".awsdns-00.";

/// The servers that a resolv.conf(5) names.
#[must_use]
pub fn resolvers(resolv_conf: &str) -> Vec<SocketAddr> {
    let addresses = resolv_conf.lines().filter_map(|line| {
        let address = line.trim().strip_prefix("nameserver")?.split_whitespace().next()?;
        address.parse::<IpAddr>().ok()
    });
    addresses.map(|address| (address, 53).into()).collect()
}

/// What one of a zone's name servers said.
enum Said {
    /// It speaks for the zone, and these are the zone's name servers.
    Servers(BTreeSet<String>),
    /// It doesn't speak for it.
    Stranger,
    Nothing(String),
}

impl Examiner {
    /// What DNS says of each zone whose records can be read.
    pub(super) async fn public_checks(&self, zones: &[ZoneSeen]) -> Vec<Check> {
        let mut readable: Vec<(&ZoneId, &Apex, bool)> = Vec::new();
        for zone in zones {
            if let Some((id, apex)) = zone.readable()
                && !readable.iter().any(|(known, ..)| *known == id)
            {
                readable.push((id, apex, zone.private));
            }
        }
        if readable.is_empty() {
            return vec![Check::skip("delegation", "no zone is known")];
        }
        let each = readable.into_iter().map(|(id, apex, private)| async move {
            if private {
                vec![self.network_check(id, apex).await]
            } else {
                let (servers, parent) =
                    tokio::join!(self.name_servers_check(apex), self.delegation_check(apex));
                vec![servers, parent]
            }
        });
        join_all(each).await.into_iter().flatten().collect()
    }

    async fn name_servers_check(&self, apex: &Apex) -> Check {
        let id = format!("name-servers:{}", apex.name);
        let Some(said) = within(STEP, self.ask_name_servers(apex)).await else {
            return Check::warn(id, "no answer in time", "their addresses take too long to find", OPEN_PORT);
        };
        let (asked, given) = (said.len(), !self.audit.name_servers.is_empty());
        let (mut right, mut strangers, mut silent, mut others) = (0, Vec::new(), Vec::new(), None);
        for (server, said) in said {
            match said {
                Said::Servers(found) if given || found == own(apex) => right += 1,
                Said::Servers(found) => others = Some((server, found)),
                Said::Stranger => strangers.push(server),
                Said::Nothing(why) => silent.push(why),
            }
        }
        let whose = if given { "[audit] name_servers" } else { "its name servers" };
        if let Some((server, found)) = others {
            return Check::fail(
                id,
                Class::Misconfigured,
                format!("{server} speaks for another zone of that name"),
                format!("it names {}, and the hosted zone {}", list(&found), list(&own(apex))),
                "see whether there are several hosted zones of that name, and take the one that is served (--zone ID), or \
                 set its NS record set back to the zone's own name servers",
            );
        }
        if right == 0 && !strangers.is_empty() {
            return Check::fail(
                id,
                Class::Misconfigured,
                "they don't speak for the zone",
                format!("{} refused to answer for {} with authority", strangers.join(", "), apex.name),
                if given {
                    "name servers that serve the zone, or leave [audit] name_servers out: the zone's own are then asked"
                } else {
                    "see that the zone is still there, and that nothing between answers on port 53 in their place"
                },
            );
        }
        if right == 0 {
            let why = silent
                .into_iter()
                .next()
                .unwrap_or_else(|| "none of their names has an address here".to_owned());
            if self.audit.via == Via::Api {
                return Check::skip(id, format!("they don't answer, and audits ask the API ({why})"));
            }
            return Check::warn(id, "none of them answers (port 53)", why, OPEN_PORT);
        }
        Check::ok(id, format!("{right} of {asked} of {whose} speak for the zone"))
    }

    /// Each server that is to be asked, with what it said.
    async fn ask_name_servers(&self, apex: &Apex) -> Vec<(String, Said)> {
        let question = &Question { name: apex.name.clone(), rtype: RecordType::Ns, recursive: false };
        if !self.audit.name_servers.is_empty() {
            let asking =
                self.audit.name_servers.iter().map(|server| async move {
                    (server.to_string(), self.ask_one(&[*server], question).await)
                });
            return join_all(asking).await;
        }
        let asking = apex.name_servers.iter().map(|host| async move {
            let said = match self.datagrams.addresses(host).await {
                Ok(mut addresses) => {
                    // Not every machine has IPv6.
                    addresses.sort_by_key(IpAddr::is_ipv6);
                    let servers: Vec<SocketAddr> = addresses
                        .into_iter()
                        .take(MOST_ADDRESSES)
                        .map(|address| (address, 53).into())
                        .collect();
                    self.ask_one(&servers, question).await
                }
                Err(error) => Said::Nothing(format!("{host} isn't found: {error}")),
            };
            (host.clone(), said)
        });
        join_all(asking).await
    }

    /// Asks a server at its addresses, until one of them answers.
    async fn ask_one(&self, addresses: &[SocketAddr], question: &Question) -> Said {
        let mut said = Said::Nothing("it has no address here".to_owned());
        for address in addresses {
            said = match ask(&*self.datagrams, *address, question).await {
                Ok(answer) if answer.authoritative && answer.code == Code::NoError => {
                    return Said::Servers(servers(&answer, question));
                }
                Ok(_) => return Said::Stranger,
                Err(error) => Said::Nothing(with_causes(&error)),
            };
        }
        said
    }

    /// Whether whoever asks for the zone is led to it.
    async fn delegation_check(&self, apex: &Apex) -> Check {
        let id = format!("delegation:{}", apex.name);
        if !self.audit.name_servers.is_empty() {
            return Check::skip(id, "[audit] name_servers are asked, whoever the parent zone points to");
        }
        let question = Question { name: apex.name.clone(), rtype: RecordType::Ns, recursive: true };
        let mut trouble = "resolv.conf names no resolver".to_owned();
        for resolver in self.resolvers.iter().take(MOST_RESOLVERS) {
            match within(dns_client::LONGEST, ask(&*self.datagrams, *resolver, &question)).await {
                Some(Ok(answer)) => return judge_delegation(id, apex, *resolver, &answer, &question),
                Some(Err(error)) => trouble = with_causes(&error),
                None => trouble = format!("no answer from {resolver}"),
            }
        }
        Check::warn(
            id,
            "not known",
            trouble,
            "see that this machine's resolver answers (resolvectl status, /etc/resolv.conf)",
        )
    }

    /// Whether this machine is in a network that sees a private zone.
    async fn network_check(&self, zone: &ZoneId, apex: &Apex) -> Check {
        let id = format!("network:{}", apex.name);
        let client = self.reconciler.client();
        let looked = async { tokio::join!(client.networks_of_zone(zone), self.imds.network()) };
        let (networks, own) = match within(STEP, looked).await {
            Some((Ok(networks), own)) => (networks, own.ok().flatten()),
            Some((Err(route53::Error::Service(refusal)), _)) if refusal.kind() == route53::Kind::Denied => {
                let found =
                    "not known: route53:GetHostedZone isn't permitted, and pin53 itself doesn't need it";
                return Check::skip(id, found);
            }
            Some((Err(error), _)) => {
                return Check::skip(id, format!("not known: {}", Failure::of(&error).reason));
            }
            None => return Check::skip(id, "not known in time"),
        };
        let seen_in = networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match own {
            None => Check::skip(id, format!("it is seen in {seen_in}; this machine's network isn't known")),
            Some(own) if networks.contains(&own) => {
                Check::ok(id, format!("it is seen in this machine's network, {own}"))
            }
            Some(own) => Check::warn(
                id,
                format!("it isn't seen in this machine's network, {own}"),
                format!("the private zone answers in {seen_in} only: this machine won't see its own record"),
                format!(
                    "aws route53 associate-vpc-with-hosted-zone --hosted-zone-id {zone} --vpc \
                     VPCRegion={},VPCId={}, if it is to be seen there",
                    own.region, own.vpc
                ),
            ),
        }
    }
}

const OPEN_PORT: &str = "let UDP and TCP port 53 out (security group, network ACL, firewall); or set [audit] via = \"api\": \
                         audits then go through the API, at the cost of a call each";

fn judge_delegation(
    id: String,
    apex: &Apex,
    resolver: SocketAddr,
    answer: &Answer,
    question: &Question,
) -> Check {
    let Apex { name, .. } = apex;
    let own = own(apex);
    let to_do = format!(
        "give the zone's name servers to whoever keeps the parent zone (the registrar of a domain, or NS \
         records for {name} in the zone above it): {}",
        list(&own)
    );
    let fail =
        |found: String, why: String| Check::fail(id.clone(), Class::Misconfigured, found, why, to_do.clone());
    match answer.code {
        Code::NoError => {}
        Code::NxDomain => {
            return fail(
                "nobody points to it".to_owned(),
                format!("{resolver} says that there is no name {name}"),
            );
        }
        Code::Refused => {
            let why = format!("{resolver} refuses to answer");
            return Check::warn(id, "not known", why, "take a resolver that answers this machine");
        }
        Code::Other(code) => {
            return fail(
                "nobody is led to it".to_owned(),
                format!(
                    "{resolver} gives up on {name} (code {code}): those that the parent zone points to don't speak for it, \
                     or DNSSEC doesn't hold"
                ),
            );
        }
    }
    let found = servers(answer, question);
    if found == own {
        return Check::ok(id, format!("whoever asks for {name} is led to its {} name servers", own.len()));
    }
    let of_private = !found.is_empty() && found.iter().all(|host| host.contains(OF_PRIVATE_ZONES));
    if of_private {
        return Check::warn(
            id,
            "not known: hidden by a private zone of that name",
            format!(
                "{resolver} answers out of a private hosted zone, which this machine's network sees in its place"
            ),
            format!("ask from outside that network: dig NS {name}; expected {}", list(&own)),
        );
    }
    if found.is_empty() {
        return fail(
            "nobody points to it".to_owned(),
            format!("{resolver} finds no name servers for {name}"),
        );
    }
    if found.is_disjoint(&own) {
        return fail(
            "the parent zone points elsewhere".to_owned(),
            format!(
                "whoever asks for {name} is led to {}, and the hosted zone's are {}",
                list(&found),
                list(&own)
            ),
        );
    }
    Check::warn(
        id,
        "the parent zone points to some of its name servers, or to others beside them",
        format!(
            "whoever asks for {name} is led to {}, and the hosted zone's are {}",
            list(&found),
            list(&own)
        ),
        to_do,
    )
}

fn servers(answer: &Answer, question: &Question) -> BTreeSet<String> {
    answer.of(question).map(|row| host(&row.value)).collect()
}

fn own(apex: &Apex) -> BTreeSet<String> {
    apex.name_servers.iter().map(|text| host(text)).collect()
}

/// A host in the one spelling in which it can be compared.
fn host(text: &str) -> String {
    Name::parse(text).map_or_else(|_| text.to_owned(), |name| name.to_string())
}

fn list(hosts: &BTreeSet<String>) -> String {
    hosts.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns_client::Row;
    use crate::doctor::Status;

    #[test]
    fn resolvers_are_those_of_resolv_conf_in_their_order() {
        let text = "# comment\nsearch a.example\nnameserver 169.254.169.253\nnameserver  fd00:ec2::253 # x\nnameserver no\n";
        let found: Vec<String> = resolvers(text).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["169.254.169.253:53", "[fd00:ec2::253]:53"]);
    }

    fn judged(code: Code, hosts: &[&str]) -> Status {
        let name = Name::parse("example.com").unwrap();
        let apex = Apex {
            name: name.clone(),
            name_servers: vec!["ns-1.awsdns-01.com".into(), "ns-2.awsdns-02.net".into()],
        };
        let question = Question { name: name.clone(), rtype: RecordType::Ns, recursive: true };
        let rows = hosts.iter().map(|host| Row {
            name: name.clone(),
            rtype: RecordType::Ns,
            ttl: 60,
            value: (*host).to_owned(),
        });
        let answer = Answer { code, authoritative: false, answers: rows.collect(), authority: Vec::new() };
        judge_delegation("id".to_owned(), &apex, "192.0.2.53:53".parse().unwrap(), &answer, &question).status
    }

    #[test]
    fn a_zone_is_delegated_when_the_world_is_led_to_its_own_servers() {
        assert_eq!(judged(Code::NoError, &["NS-1.awsdns-01.com.", "ns-2.awsdns-02.net."]), Status::Ok);
        assert_eq!(judged(Code::NoError, &["ns-1.awsdns-01.com."]), Status::Warn);
        assert_eq!(judged(Code::NoError, &["ns1.other.example."]), Status::Fail);
        assert_eq!(judged(Code::NoError, &[]), Status::Fail);
        assert_eq!(judged(Code::NxDomain, &[]), Status::Fail);
        assert_eq!(judged(Code::Other(2), &[]), Status::Fail);
    }

    #[test]
    fn what_a_private_zone_or_a_resolver_hides_is_not_held_against_the_zone() {
        assert_eq!(judged(Code::NoError, &["ns-0.awsdns-00.com.", "ns-512.awsdns-00.net."]), Status::Warn);
        assert_eq!(judged(Code::Refused, &[]), Status::Warn);
    }
}
