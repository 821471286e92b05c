//! The world: everything that the sandbox's services know, and the ways to look at it and change it
//! from outside. Tests and the demo live on these.
//!
//! Not here: what the services answer (`imds`, `route53`, `dns_server`).

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::dns::{Name, NameError, RecordKey, RecordSet, RecordType, ZoneId};
use crate::secret::Credentials;

use super::fault::{Fault, Faults, Script};
use super::instance::{Instance, VPC};
use super::keys::{KeyRing, letters};
use super::latency::Latency;
use super::limits::{Calls, Limits};
use super::log::{Log, Logged, Side};
use super::operation::Operation;
use super::sts::Trust;
use super::zones::{Change, HostedZone, Stored, Vpc};

/// A local AWS.
pub struct World {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// Told of each call that is held.
    pub(super) held: Notify,
}

pub(super) struct State {
    pub(super) zones: BTreeMap<ZoneId, HostedZone>,
    pub(super) changes: BTreeMap<String, Change>,
    pub(super) instance: Instance,
    /// Metadata tokens with the time until which they hold.
    pub(super) tokens: HashMap<String, Instant>,
    pub(super) keys: KeyRing,
    pub(super) trust: Trust,
    /// Where the zones above lead to, for the zones whose own name servers those are not.
    pub(super) parents: BTreeMap<Name, Vec<String>>,
    pub(super) faults: Faults,
    pub(super) latency: Latency,
    pub(super) log: Log,
    /// How long a change stays PENDING.
    pub(super) in_sync_after: Duration,
    /// The account's rates, where they are limited.
    pub(super) limits: Option<Limits>,
    pub(super) old_errors: bool,
    /// The call that is to be held: how many come before it, and whether it is carried out.
    pub(super) hold: Option<(u32, Held)>,
    /// What answers that ask for a retry say about when.
    pub(super) retry_after: Option<Duration>,
    /// How many scripted server errors there were, to take their forms in turn.
    pub(super) server_errors: u64,
    clock_offset: SignedDuration,
    ids: u64,
}

/// What becomes of a call that is never answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    Unheard,
    CarriedOut,
}

/// An edit that the world can't make.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    #[error("expected the name of a zone")]
    Name(#[source] NameError),
    #[error("no public zone holds {0}")]
    NoZone(Name),
}

impl World {
    /// A world without zones, with one instance that has an address and a role. What it judges by time
    /// (signatures, credentials) it judges by `clock`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            clock,
            state: Mutex::new(State {
                zones: BTreeMap::new(),
                changes: BTreeMap::new(),
                instance: Instance::default(),
                tokens: HashMap::new(),
                keys: KeyRing::new(),
                trust: Trust::default(),
                parents: BTreeMap::new(),
                faults: Faults::default(),
                latency: Latency::default(),
                log: Log::default(),
                in_sync_after: Duration::ZERO,
                limits: None,
                old_errors: false,
                hold: None,
                retry_after: None,
                server_errors: 0,
                clock_offset: SignedDuration::ZERO,
                ids: 0,
            }),
            held: Notify::new(),
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // Whoever panicked while it held the world has failed already; the others go on with what is there.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The world's time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let offset = self.lock().clock_offset;
        self.clock.now().saturating_add(offset).unwrap_or(Timestamp::MAX)
    }

    /// Makes a public zone, beside others of that name if there are any.
    ///
    /// # Errors
    /// When the text is no name.
    pub fn add_zone(&self, name: &str) -> Result<ZoneId, EditError> {
        let name = Name::parse(name).map_err(EditError::Name)?;
        Ok(self.lock().add_zone(&name, &[]))
    }

    /// Makes a private zone in the instance's network.
    ///
    /// # Errors
    /// When the text is no name.
    pub fn add_private_zone(&self, name: &str) -> Result<ZoneId, EditError> {
        let region = self.lock().instance.placement.region.clone();
        self.add_private_zone_of(name, &[(&region, VPC)])
    }

    /// Makes a private zone in some networks, each by its region and id.
    ///
    /// # Errors
    /// When the text is no name.
    pub fn add_private_zone_of(&self, name: &str, networks: &[(&str, &str)]) -> Result<ZoneId, EditError> {
        let name = Name::parse(name).map_err(EditError::Name)?;
        let vpc = |(region, id): &(&str, &str)| Vpc { region: (*region).to_owned(), id: (*id).to_owned() };
        Ok(self.lock().add_zone(&name, &networks.iter().map(vpc).collect::<Vec<_>>()))
    }

    /// Gives a zone to another AWS service, which alone may edit it from then on.
    pub fn link_zone(&self, id: &ZoneId, service_principal: &str) {
        if let Some(zone) = self.lock().zones.get_mut(id) {
            zone.linked_to = Some(service_principal.to_owned());
        }
    }

    /// Protects the record sets of a name and type from changes through the API.
    pub fn protect(&self, name: &Name, rtype: RecordType) {
        if let Some(zone) = self.lock().zone_of(name) {
            zone.protected.push((name.clone(), rtype));
        }
    }

    /// Takes a zone away with all that it holds.
    pub fn remove_zone(&self, id: &ZoneId) {
        self.lock().zones.remove(id);
    }

    /// The public zone that holds a name: the one with the longest name.
    #[must_use]
    pub fn zone_of(&self, name: &Name) -> Option<ZoneId> {
        self.lock().zone_of(name).map(|zone| zone.id.clone())
    }

    /// Sets a record set as someone else would: in place of what stands there, at once in DNS, and
    /// whatever the API would say about it.
    ///
    /// # Errors
    /// When no public zone holds its name.
    pub fn put_record(&self, set: RecordSet) -> Result<(), EditError> {
        let mut state = self.lock();
        let zone = state.zone_of(&set.name).ok_or_else(|| EditError::NoZone(set.name.clone()))?;
        zone.edit(|records| records.put(set.into()));
        Ok(())
    }

    /// Sets a record set in a zone of one's choice.
    pub fn put_record_in(&self, zone: &ZoneId, set: RecordSet) {
        if let Some(zone) = self.lock().zones.get_mut(zone) {
            zone.edit(|records| records.put(set.into()));
        }
    }

    /// Sets many record sets in a zone of one's choice, at the cost of one.
    pub fn put_records_in(&self, zone: &ZoneId, sets: impl IntoIterator<Item = RecordSet>) {
        if let Some(zone) = self.lock().zones.get_mut(zone) {
            zone.edit(|records| sets.into_iter().for_each(|set| records.put(set.into())));
        }
    }

    /// Takes a record set away as someone else would; gives what stood there.
    pub fn remove_record(&self, key: &RecordKey) -> Option<RecordSet> {
        let mut state = self.lock();
        let mut removed = None;
        state.zone_of(&key.name)?.edit(|records| removed = records.remove(key));
        removed.map(|stored| stored.set)
    }

    /// The simple record set of a name and type in its public zone.
    #[must_use]
    pub fn record(&self, name: &Name, rtype: RecordType) -> Option<RecordSet> {
        let key = RecordKey::simple(name.clone(), rtype);
        self.lock().zone_of(name)?.records().get(&key).map(|stored| stored.set.clone())
    }

    /// Every record set of a zone, in the order of the API's lists; empty without such a zone.
    #[must_use]
    pub fn records(&self, zone: &ZoneId) -> Vec<RecordSet> {
        let state = self.lock();
        state.zones.get(zone).into_iter().flat_map(|z| z.records().all()).map(|s| s.set.clone()).collect()
    }

    /// Looks at the instance, and changes it.
    pub fn with_instance<T>(&self, edit: impl FnOnce(&mut Instance) -> T) -> T {
        edit(&mut self.lock().instance)
    }

    /// Gives the instance another public address and the host name that goes with it.
    pub fn move_instance(&self, address: Ipv4Addr) {
        self.with_instance(|instance| instance.move_to(address));
    }

    /// A long-lived key that may do everything.
    #[must_use]
    pub fn long_lived_credentials(&self) -> Credentials {
        KeyRing::long_lived()
    }

    /// The role's credentials of now, as the metadata gives them; `None` for an instance without a role.
    #[must_use]
    pub fn role_credentials(&self) -> Option<Credentials> {
        let now = self.now();
        let mut state = self.lock();
        let Instance { role: Some(role), id, .. } = state.instance.clone() else { return None };
        Some(state.keys.of_role(&role, &id, now).credentials)
    }

    /// Has the role's credentials expire this moment; the metadata has new ones.
    pub fn expire_role_credentials(&self) {
        let now = self.now();
        self.lock().keys.expire_role(now);
    }

    /// Makes credentials known, until they expire.
    pub fn add_credentials(&self, credentials: Credentials, expires: Option<Timestamp>) {
        let principal = format!("arn:aws:iam::{}:user/added", super::instance::ACCOUNT);
        self.lock().keys.add(credentials, expires, principal);
    }

    /// Makes credentials unknown.
    pub fn remove_credentials(&self, key_id: &str) {
        self.lock().keys.remove(key_id);
    }

    /// Denies an operation to the key of this id, or to every key there is.
    pub fn deny(&self, key_id: Option<&str>, operation: Operation) {
        self.lock().keys.deny(key_id, operation);
    }

    /// Has a fault happen.
    pub fn inject(&self, script: impl Into<Script>) {
        let script = script.into();
        let mut state = self.lock();
        match script.fault {
            Fault::Clock(offset) => state.clock_offset = offset,
            Fault::SlowInsync(time) => state.in_sync_after = time,
            Fault::OldErrors => state.old_errors = true,
            Fault::Hold(number) => state.hold = Some((number, Held::Unheard)),
            Fault::HoldAnswer(number) => state.hold = Some((number, Held::CarriedOut)),
            Fault::StaleCredentials => state.keys.stale = true,
            Fault::RateLimit => state.limits = Some(Limits::new(Instant::now())),
            Fault::RetryAfter(time) => state.retry_after = Some(time),
            _ => state.faults.add(script, Instant::now()),
        }
    }

    /// Waits until a call is held (see [`Fault::Hold`]).
    pub async fn held(&self) {
        self.held.notified().await;
    }

    /// Ends every fault, a wrong clock and a slow INSYNC too.
    pub fn clear_faults(&self) {
        let mut state = self.lock();
        state.faults.clear();
        state.clock_offset = SignedDuration::ZERO;
        state.in_sync_after = Duration::ZERO;
        state.old_errors = false;
        state.hold = None;
        state.keys.stale = false;
        state.limits = None;
        state.retry_after = None;
    }

    pub fn set_latency(&self, latency: Latency) {
        self.lock().latency = latency;
    }

    /// The requests so far, oldest first (the last 10,000 of them).
    #[must_use]
    pub fn requests(&self) -> Vec<Logged> {
        self.lock().log.requests()
    }

    /// How many calls of an operation arrived, answered or not.
    #[must_use]
    pub fn calls(&self, operation: Operation) -> usize {
        self.lock().log.count(Side::Api, Some(operation.as_str()))
    }

    /// How many requests arrived at a service.
    #[must_use]
    pub fn requests_to(&self, side: Side) -> usize {
        self.lock().log.count(side, None)
    }

    /// What came of the API's calls since [`Fault::RateLimit`] was injected.
    #[must_use]
    pub fn limited_calls(&self) -> Calls {
        self.lock().limits.as_ref().map(Limits::calls).unwrap_or_default()
    }

    /// How many questions arrived at the DNS server.
    #[must_use]
    pub fn dns_queries(&self) -> u64 {
        self.lock().log.dns_queries()
    }

    /// Forgets the requests so far, and their counts.
    pub fn forget_requests(&self) {
        self.lock().log.forget();
    }
}

impl HostedZone {
    /// Changes the record sets past the API.
    fn edit(&mut self, edit: impl FnOnce(&mut super::zones::Records)) {
        let mut records = self.records().clone();
        edit(&mut records);
        self.set_records(records, Instant::now());
    }
}

impl State {
    pub(super) fn add_zone(&mut self, name: &Name, vpcs: &[Vpc]) -> ZoneId {
        loop {
            let seed = self.next_id("zone");
            // Letters and digits only, and few enough: always an id.
            let Ok(id) = ZoneId::parse(&format!("Z{}", letters(&seed, 20))) else { continue };
            let zone = HostedZone::new(id.clone(), name.clone(), seed, vpcs.to_vec());
            self.zones.insert(id.clone(), zone);
            return id;
        }
    }

    pub(super) fn zone_of(&mut self, name: &Name) -> Option<&mut HostedZone> {
        self.zones
            .values_mut()
            .filter(|zone| !zone.is_private() && name.is_within(&zone.name))
            .max_by_key(|zone| zone.name.labels().count())
    }

    /// Counts a call; whether it is the one to be held.
    pub(super) fn takes_hold(&mut self) -> Option<Held> {
        let (left, held) = self.hold.as_mut()?;
        *left -= 1;
        let (is_it, held) = (*left == 0, *held);
        if is_it {
            self.hold = None;
        }
        is_it.then_some(held)
    }

    /// A text that is new in this world, and the same in every run.
    pub(super) fn next_id(&mut self, kind: &str) -> String {
        self.ids += 1;
        format!("{kind} {}", self.ids)
    }

    /// Changes a record set behind the back of whoever is about to: another value where it is simple,
    /// a new set where there is none.
    pub(super) fn edit_by_someone_else(&mut self, zone: &ZoneId, target: &Stored) {
        self.ids += 1;
        let value = match target.set.rtype {
            RecordType::A => format!("192.0.2.{}", 1 + self.ids % 254),
            RecordType::Aaaa => format!("2001:db8::{:x}", 0xe000 + self.ids % 0x1000),
            RecordType::Txt | RecordType::Spf => format!("\"edit {}\"", self.ids),
            _ => format!("someone-else-{}.example.net", self.ids),
        };
        let key = target.set.key();
        let Some(zone) = self.zones.get_mut(zone) else { return };
        let mut stored = zone.records().get(&key).cloned().unwrap_or_else(|| target.clone());
        if let crate::dns::Target::Values { values, .. } = &mut stored.set.target {
            *values = vec![value];
        }
        zone.edit(|records| records.put(stored));
    }
}
