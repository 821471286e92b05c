//! The machine: whether its metadata can be read, and what the sources of each record say.

use std::time::Duration;

use crate::aws::credentials::{self, Origin};
use crate::causes::with_causes;
use crate::desired::{Parting, Rule};
use crate::dns::RecordType;
use crate::imds;
use crate::pattern::Unrendered;
use crate::reconcile::Look;
use crate::report::Class;
use crate::secret::Credentials;
use crate::source::{Observation, Source};
use crate::transport;

use super::{Check, Examiner, id};

const ID: &str = "metadata";
const STEP: &str = "address";

const ADDRESS: &str = "public-ipv4";
const HOST_NAME: &str = "public-hostname";

/// Who is asked for credentials, as far as the metadata has a part in it.
type Asked<'a> = Option<&'a Result<Credentials, credentials::Error>>;

/// What a look is that wasn't over in time.
pub(super) fn unseen(after: Duration) -> Look {
    let why = format!("the sources could not be read within {} s", after.as_secs());
    Look { key: Err(Unrendered::Unknown(why.clone())), observation: Observation::Unknown(why) }
}

impl Examiner {
    /// Which instance it is.
    pub(super) async fn metadata(&self) -> Result<String, imds::Error> {
        let id =
            self.imds.item("instance-id").await?.unwrap_or_else(|| "an instance without an id".to_owned());
        let place = self.imds.item("placement/availability-zone").await?;
        Ok(place.map_or_else(|| id.clone(), |place| format!("{id} in {place}")))
    }

    pub(super) fn metadata_check(
        &self,
        answer: Option<Result<String, imds::Error>>,
        credentials: Asked<'_>,
    ) -> Check {
        let Some(error) = (match answer {
            Some(Ok(instance)) => return Check::ok(ID, format!("it answers (version 2): {instance}")),
            Some(Err(error)) => Some(error),
            None => None,
        }) else {
            return Check::fail(
                ID,
                Class::TryAgain,
                "no answer in time",
                "the metadata service answers too slowly to be of use",
                "see what keeps this machine busy, or its link-local network",
            );
        };
        if !self.needs_metadata(credentials) {
            return Check::skip(ID, format!("neither a record nor the credentials need it ({error})"));
        }
        let (found, mend) = words(&error);
        let class =
            if matches!(error, imds::Error::Disabled) { Class::Misconfigured } else { Class::TryAgain };
        Check::fail(ID, class, found, with_causes(&error), mend)
    }

    fn needs_metadata(&self, credentials: Asked<'_>) -> bool {
        let of_rules = self.reconciler.rules().iter().any(|rule| {
            let leaves = [rule.leaving.on_terminate, rule.leaving.on_rebalance].contains(&Parting::Withdraw);
            leaves || rule.items().next().is_some() || rule.sources.iter().any(is_metadata)
        });
        let of_credentials = match credentials {
            None => true,
            Some(Ok(_)) => matches!(self.credentials.kept(), Some((Origin::InstanceRole, _))),
            Some(Err(error)) => {
                matches!(error, credentials::Error::Metadata(_) | credentials::Error::NotFound(_))
            }
        };
        of_rules || of_credentials
    }

    pub(super) async fn address_check(&self, rule: &Rule, look: &Look, metadata_fails: bool) -> Check {
        let id = id(STEP, rule, look);
        let by_metadata = metadata_fails && rule.sources.iter().all(is_metadata);
        match (&look.key, &look.observation) {
            (Err(Unrendered::Unknown(_)), _) if metadata_fails => {
                Check::skip(id, "its name is made of the metadata, which can't be read")
            }
            (Err(Unrendered::Unknown(why)), _) => {
                let mend = "see that the instance's metadata has what the name is made of: for a tag, tags in \
                            metadata have to be allowed";
                Check::fail(id, Class::TryAgain, "its name isn't known", why, mend)
            }
            (Err(Unrendered::Unfit(why)), _) => {
                let mend = "change the name in the configuration, or what it is made of";
                Check::fail(id, Class::Refused, "no name comes out", why, mend)
            }
            (Ok(_), Observation::Known(values)) => {
                let values: Vec<String> = values.iter().map(ToString::to_string).collect();
                let values = values.iter().map(|value| value.trim_end_matches('.')).collect::<Vec<_>>();
                Check::ok(id, format!("{} from {}", values.join(", "), sources(rule)))
            }
            (Ok(_), Observation::Unknown(_)) if by_metadata => {
                Check::skip(id, "it comes from the metadata, which can't be read")
            }
            (Ok(_), Observation::Unknown(why)) => {
                let found = format!("{} can't be read", sources(rule));
                let mend = "see that the source answers here, as the user that pin53 runs as, or name another one \
                            behind it in the list";
                Check::fail(id, Class::TryAgain, found, why, mend)
            }
            (Ok(_), Observation::Unfit(why)) => {
                let found = format!("{} is no value of a {}", sources(rule), rule.rtype);
                let mend = "name a source that gives a host name, or change the type of the record";
                Check::fail(id, Class::Refused, found, why, mend)
            }
            (Ok(_), Observation::KnownNone(why)) => self.none(id, rule, why).await,
        }
    }

    /// There is no value. Why that is so, the metadata tells of public host names and addresses.
    async fn none(&self, id: String, rule: &Rule, why: &str) -> Check {
        let public = |item: &str| {
            let of_item = |source: &Source| match source {
                Source::Imds => match rule.rtype {
                    RecordType::Cname => item == HOST_NAME,
                    RecordType::A => item == ADDRESS,
                    _ => false,
                },
                Source::ImdsPath(path) => path == item,
                _ => false,
            };
            rule.sources.iter().any(of_item)
        };
        let fail = |found: &str, why: &str, mend: &str| Check::fail(id, Class::TryAgain, found, why, mend);
        if !public(ADDRESS) && !public(HOST_NAME) {
            let mend = "see why the source has none, or name another one behind it in the list";
            return fail(&format!("{} has none", sources(rule)), why, mend);
        }
        let address = self.imds.item(ADDRESS).await.ok().flatten();
        match address.filter(|_| public(HOST_NAME)) {
            Some(address) => {
                let network = self.imds.network().await.ok().flatten();
                let vpc = network.map_or_else(|| "VPC-ID".to_owned(), |network| network.vpc);
                let mend = format!(
                    "aws ec2 modify-vpc-attribute --vpc-id {vpc} --enable-dns-hostnames '{{\"Value\":true}}' (and \
                     --enable-dns-support), or an A record in place of the CNAME"
                );
                let why = format!(
                    "{why}, though it has the public address {address}: DNS hostnames are not enabled in its VPC"
                );
                fail("no public host name", &why, &mend)
            }
            None => fail(
                "no public address",
                &format!("{why}: it has no public IPv4 address (yet)"),
                "associate an Elastic IP address, or launch into a subnet that gives public addresses; for a private \
                 name take source = \"imds:local-ipv4\" or \"imds:local-hostname\"",
            ),
        }
    }
}

fn is_metadata(source: &Source) -> bool {
    matches!(source, Source::Imds | Source::ImdsPath(_))
}

fn sources(rule: &Rule) -> String {
    rule.sources.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// What was found, and what mends it.
fn words(error: &imds::Error) -> (&'static str, &'static str) {
    use imds::Error as E;
    const OPTIONS: &str = "aws ec2 modify-instance-metadata-options --instance-id ID --http-endpoint enabled, or \
                           sources and credentials that don't need it";
    match error.root() {
        E::Disabled => (
            "switched off by a variable",
            "take AWS_EC2_METADATA_DISABLED out of the environment, or name sources and credentials that don't need \
             the metadata",
        ),
        E::Unreachable(transport::Error::Timeout { .. }) => (
            "it takes the connection, and its answer doesn't arrive",
            "in a container: aws ec2 modify-instance-metadata-options --instance-id ID --http-put-response-hop-limit \
             2, or the host's network; elsewhere a firewall on the machine lets no answer through",
        ),
        E::Unreachable(_) => (
            "nobody is there",
            "off EC2 there is no metadata service: name other sources (--source) and credentials; on EC2 see \
             AWS_EC2_METADATA_SERVICE_ENDPOINT, firewall rules and routes for 169.254.169.254",
        ),
        E::Forbidden => ("it is there, and gives no token (403)", OPTIONS),
        E::NotVersion2(_) => (
            "it answers to version 1 only",
            "put right what answers at its address: on EC2 each instance speaks version 2; a proxy or an emulator in \
             its place has to pass PUT /latest/api/token on",
        ),
        E::Status { status: 401, .. } => (
            "it refuses the token that it gave",
            "see what stands between: a proxy or an emulator that spreads requests over several instances",
        ),
        E::Status { .. } | E::NotText(_) | E::Unexpected { .. } | E::NoToken(_) => (
            "it answers, but not what it should",
            "try again; where it stays so, see what answers at its address, and whether something on the machine asks \
             it so often that it is throttled",
        ),
    }
}
