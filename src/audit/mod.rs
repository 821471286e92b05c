//! Comparing records with what their zone's own name servers answer, which costs no call of an API.
//!
//! Only one thing is ever concluded from DNS: that a zone answers what is expected of it. Everything else
//! (another answer, none, servers that disagree) is a reason to ask the API, in the same round, and
//! only what the API says is acted upon. Not here: which records this is good for, which are the simple ones
//! in public zones (`reconcile`).

mod rest;
mod servers;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use crate::aws::route53::Client;
use crate::dns::{Name, RecordSet, RecordType, ZoneId};
use crate::transport::Datagrams;

use rest::Rest;
use servers::{Said, ask_several};

/// No look takes longer, so that a round that has to ask the API after all is done within five seconds.
const LONGEST: Duration = Duration::from_secs(3);
/// How many questions are asked at a time.
const AT_ONCE: usize = 8;
/// For how long a host name's addresses are taken to stay.
const ADDRESSES_LAST: Duration = Duration::from_secs(60 * 60);

/// How records are audited.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    pub via: Via,
    /// Asked in place of the zone's own; empty asks those.
    pub name_servers: Vec<SocketAddr>,
}

/// By which way audits go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Via {
    /// Over DNS where DNS can tell, else through the API.
    #[default]
    Auto,
    Api,
}

/// A text names no way of auditing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected auto or api, found '{0}'")]
pub struct UnknownVia(pub String);

impl FromStr for Via {
    type Err = UnknownVia;

    fn from_str(text: &str) -> Result<Self, UnknownVia> {
        match text {
            "auto" => Ok(Self::Auto),
            "api" => Ok(Self::Api),
            other => Err(UnknownVia(other.to_owned())),
        }
    }
}

/// What the name servers are to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// This simple set.
    Set(RecordSet),
    /// Nothing of this type at this name.
    Nothing(Name, RecordType),
}

/// What the name servers say about one question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    AsExpected,
    /// Something else, or some of them say something else.
    Otherwise,
    /// They can't be asked.
    Unknown,
}

/// What is worth telling a person, each time that it turns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// From now on the API is asked, for this reason.
    AskingApi(String),
    /// The name servers are asked again.
    AskingDns,
}

/// Asks the name servers of zones.
pub struct Auditor {
    settings: Settings,
    datagrams: Arc<dyn Datagrams>,
    client: Arc<Client>,
    zones: Mutex<HashMap<ZoneId, Zone>>,
}

/// What is known of one zone's servers.
#[derive(Default)]
struct Zone {
    addresses: Option<(Vec<SocketAddr>, Instant)>,
    rest: Rest,
}

impl Auditor {
    #[must_use]
    pub fn new(settings: Settings, datagrams: Arc<dyn Datagrams>, client: Arc<Client>) -> Self {
        Self { settings, datagrams, client, zones: Mutex::default() }
    }

    /// Takes over what `before` knows of zones, where it asked the same servers.
    pub fn take_over(&self, before: &Self) {
        if self.settings == before.settings {
            *self.zones() = std::mem::take(&mut *before.zones());
        }
    }

    /// Whether `zone`'s name servers are to be asked now, and not the API.
    #[must_use]
    pub fn asks(&self, zone: &ZoneId) -> bool {
        self.settings.via == Via::Auto
            && self.zones().get(zone).is_none_or(|zone| !zone.rest.is_on(Instant::now()))
    }

    /// Learns which name servers `zone` has, ahead of the first look. What goes wrong shows then.
    pub async fn prepare(&self, zone: &ZoneId) {
        let known = self.client.known_name_servers(zone).is_some();
        if self.settings.via == Via::Auto
            && self.settings.name_servers.is_empty()
            && !known
            && let Err(error) = self.client.name_servers(zone).await
        {
            tracing::debug!(%error, %zone, "name servers not known yet");
        }
    }

    /// What `zone`'s name servers say to what is expected, in its order, and what is new about that.
    pub async fn look(&self, zone: &ZoneId, expected: &[Expected]) -> (Vec<Verdict>, Option<News>) {
        let mut verdicts = vec![Verdict::Unknown; expected.len()];
        let deadline = Instant::now() + LONGEST;
        let servers = match tokio::time::timeout_at(deadline, self.servers_of(zone)).await {
            Ok(Ok(servers)) => servers,
            Ok(Err(why)) => return (verdicts, self.give_up(zone, &why)),
            Err(_) => return (verdicts, self.give_up(zone, "their addresses can't be found out in time")),
        };
        let mut trouble = None;
        for (some, verdicts) in expected.chunks(AT_ONCE).zip(verdicts.chunks_mut(AT_ONCE)) {
            let each = some.iter().map(|one| ask_several(&*self.datagrams, &servers, one, deadline));
            for (said, verdict) in join_all(each).await.into_iter().zip(verdicts) {
                match said {
                    Said::AsExpected => *verdict = Verdict::AsExpected,
                    Said::Otherwise => *verdict = Verdict::Otherwise,
                    Said::Nothing(why) => trouble = Some(why),
                }
            }
            if trouble.is_some() {
                break;
            }
        }
        let news = if let Some(why) = trouble {
            self.give_up(zone, &why)
        } else {
            let agreed = verdicts.iter().all(|verdict| *verdict == Verdict::AsExpected);
            self.zones().entry(zone.clone()).or_default().rest.answered(agreed)
        };
        (verdicts, news)
    }

    /// Takes in that the API had a record as wanted of which the name servers had said otherwise, or that
    /// they were right.
    pub fn compare(&self, zone: &ZoneId, right: bool) -> Option<News> {
        self.zones().entry(zone.clone()).or_default().rest.compared(right, Instant::now())
    }

    fn give_up(&self, zone: &ZoneId, why: &str) -> Option<News> {
        // They may have been changed.
        self.client.forget_name_servers(zone);
        let mut zones = self.zones();
        let known = zones.entry(zone.clone()).or_default();
        known.addresses = None;
        known.rest.begin(why, Instant::now())
    }

    async fn servers_of(&self, zone: &ZoneId) -> Result<Vec<SocketAddr>, String> {
        if !self.settings.name_servers.is_empty() {
            return Ok(self.settings.name_servers.clone());
        }
        let fresh = |(servers, since): &(Vec<SocketAddr>, Instant)| {
            (since.elapsed() < ADDRESSES_LAST).then(|| servers.clone())
        };
        if let Some(servers) = self.zones().get(zone).and_then(|zone| zone.addresses.as_ref().and_then(fresh))
        {
            return Ok(servers);
        }
        let hosts = self.client.name_servers(zone).await;
        let hosts = hosts.map_err(|error| format!("they can't be found out: {error}"))?;
        let found = join_all(hosts.iter().map(|host| self.datagrams.addresses(host))).await;
        let servers: Vec<SocketAddr> =
            found.into_iter().flatten().flatten().map(|address| (address, 53).into()).collect();
        if hosts.is_empty() {
            return Err("the hosted zone names none".to_owned());
        }
        if servers.is_empty() {
            return Err(format!("none of their names ({}) has an address here", hosts.join(", ")));
        }
        self.zones().entry(zone.clone()).or_default().addresses = Some((servers.clone(), Instant::now()));
        Ok(servers)
    }

    fn zones(&self) -> std::sync::MutexGuard<'_, HashMap<ZoneId, Zone>> {
        self.zones.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
