//! Which of several private zones of one name is meant: the one that the instance's own network (VPC) sees.
//!
//! Only asked where there are several. Route 53 lets a network see one zone of a name at most.
//!
//! Spec: <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ListHostedZonesByVPC.html>

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::client::{Client, Error, query_text};
use super::response;
use super::xml;
use super::zones::{MOST_PAGES, is_not_permitted, listed};
use crate::dns::{Name, Zone, ZoneId};
use crate::imds::{self, Network};

/// What was found out about networks in one round.
#[derive(Default)]
pub(super) struct Networks {
    /// The instance's own; `None` within where the metadata knows none.
    own: Option<Result<Option<Network>, Arc<imds::Error>>>,
    seen: Seen,
    /// The networks that see a zone.
    of_zones: HashMap<ZoneId, Vec<Network>>,
}

/// The zones that the instance's network sees.
#[derive(Default)]
enum Seen {
    #[default]
    Unasked,
    /// Listing them isn't permitted.
    Hidden,
    These(BTreeSet<ZoneId>),
}

impl Networks {
    /// The instance's own network.
    ///
    /// # Errors
    /// When that could not be found out.
    pub(super) async fn own(&mut self, client: &Client) -> Result<Option<Network>, Arc<imds::Error>> {
        if self.own.is_none() {
            self.own = Some(match client.locator.metadata().network().await {
                Err(imds::Error::Disabled) => Ok(None),
                found => found.map_err(Arc::new),
            });
        }
        self.own.clone().unwrap_or(Ok(None))
    }

    /// The one of `candidates` that the instance's network sees, and that network.
    ///
    /// # Errors
    /// [`Error::Network`] when it isn't known which network that is, [`Error::SeveralZones`] when it isn't exactly
    /// one, or what kept it from being looked up.
    pub(super) async fn choose(
        &mut self,
        client: &Client,
        name: &Name,
        candidates: &[Zone],
    ) -> Result<(Zone, Network), Error> {
        let several = |told: String| Error::SeveralZones {
            name: name.clone(),
            candidates: listed(candidates),
            told: Some(told),
        };
        let own = match self.own(client).await {
            Ok(Some(own)) => own,
            Ok(None) => return Err(several("the metadata tells no network (VPC) to choose by".to_owned())),
            Err(source) => {
                return Err(Error::Network { name: name.clone(), candidates: listed(candidates), source });
            }
        };
        if matches!(self.seen, Seen::Unasked) {
            self.seen = client.zones_of_network(&own).await?;
        }
        let chosen: Vec<&Zone> = if let Seen::These(seen) = &self.seen {
            candidates.iter().filter(|zone| seen.contains(&zone.id)).collect()
        } else {
            let mut chosen = Vec::new();
            for zone in candidates {
                match self.of_zone(client, &zone.id).await {
                    Ok(networks) if networks.contains(&own) => chosen.push(zone),
                    Ok(_) => {}
                    Err(Error::Service(error)) if is_not_permitted(&error) => {
                        return Err(several(format!(
                            "to choose the one of {own} takes the permission route53:ListHostedZonesByVPC, or \
                             route53:GetHostedZone for each"
                        )));
                    }
                    Err(error) => return Err(error),
                }
            }
            chosen
        };
        if let [only] = chosen[..] {
            return Ok((only.clone(), own));
        }
        let how_many = if chosen.is_empty() { "none" } else { "more than one" };
        let mut lines = Vec::new();
        for zone in candidates {
            let networks = match self.of_zone(client, &zone.id).await {
                Ok(networks) => networks.iter().map(Network::to_string).collect::<Vec<_>>().join(", "),
                Err(error) => {
                    tracing::debug!(zone = %zone.id, %error, "networks of a zone not read");
                    "networks not known".to_owned()
                }
            };
            lines.push(format!("{} ({}: {networks})", zone.id, zone.name));
        }
        Err(Error::SeveralZones {
            name: name.clone(),
            candidates: lines.join(", "),
            told: Some(format!("{how_many} of them is associated with this instance's network, {own}")),
        })
    }

    async fn of_zone(&mut self, client: &Client, zone: &ZoneId) -> Result<&[Network], Error> {
        let networks = match self.of_zones.remove(zone) {
            Some(networks) => networks,
            None => client.networks_of_zone(zone).await?,
        };
        Ok(self.of_zones.entry(zone.clone()).or_insert(networks))
    }
}

impl Client {
    async fn zones_of_network(&self, network: &Network) -> Result<Seen, Error> {
        let start = format!(
            "/2013-04-01/hostedzonesbyvpc?vpcid={}&vpcregion={}&maxitems=100",
            query_text(&network.vpc),
            query_text(&network.region)
        );
        let (mut zones, mut path) = (BTreeSet::new(), start.clone());
        for _ in 0..MOST_PAGES {
            let page = match self.get(&path, response::network_page).await {
                Err(Error::Service(error)) if is_not_permitted(&error) => return Ok(Seen::Hidden),
                page => page?,
            };
            zones.extend(page.zones);
            let Some(token) = page.next_token else { return Ok(Seen::These(zones)) };
            path = format!("{start}&nexttoken={}", query_text(&token));
        }
        Err(Error::Unreadable(xml::Error::Malformed("a list of a network's zones without end".to_owned())))
    }

    /// The networks that see a zone.
    ///
    /// # Errors
    /// When that could not be read.
    pub async fn networks_of_zone(&self, zone: &ZoneId) -> Result<Vec<Network>, Error> {
        self.get(&format!("/2013-04-01/hostedzone/{zone}"), response::zone_networks).await
    }
}
