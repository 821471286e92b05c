//! The client: time, credentials, signature, sending, and what to do about a refusal.
//!
//! Each call is bounded, and signed anew for each attempt. A change whose answer is lost is never
//! repeated here: whoever asked for it has to look what became of it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use jiff::SignedDuration;
use tokio::sync::watch;
use tokio::time::Instant;

use super::error::{self, Kind, ServiceError};
use super::response::{self, ChangeInfo, ZonePage};
use super::xml;
use crate::aws::Signing;
use crate::aws::credentials::{self, Chain};
use crate::aws::endpoint::Endpoint;
use crate::aws::locator::{LocateError, Locator};
use crate::clock::{Authority, Clock, ServerClock, Timestamp};
use crate::dns::{Name, RecordKey, RecordSet, RecordType, ZoneId};
use crate::imds;
use crate::secret::Credentials;
use crate::sign::{self, aws3, sigv4};
use crate::state::State;
use crate::transport::{self, Transport};

/// Bounds of the requests to Route 53.
pub const TRANSPORT: transport::Settings = transport::Settings {
    connect_timeout: Duration::from_secs(5),
    timeout: Duration::from_secs(10),
    // A page of 300 record sets stays below 2 MiB even when each holds the longest values.
    body_limit: 4 * 1024 * 1024,
    proxy: true,
};
/// No call begins another attempt after this, so that the last one ends within 30 s.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// The pause before the first retry is at most this, where the account's rate is what stands in the way,
const THROTTLED_PAUSE: Duration = Duration::from_secs(1);
/// or another change, or the network. Each further one at most doubles, up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A service that asks for more than this is not meant seriously.
const LONGEST_QUIET: Duration = Duration::from_secs(15 * 60);

/// Record sets on a page of those at one name: all there are as a rule, and little of what comes behind.
const PAGE: usize = 100;
/// A name has a hundred sets of each type at most.
const MOST_PAGES: usize = 30;

/// Why a call gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Credentials(credentials::Error),
    /// Which Route 53 is ours.
    #[error(transparent)]
    Locate(LocateError),
    #[error("Route 53 can't be reached")]
    Transport(#[source] transport::Error),
    #[error("the answer from Route 53 can't be read")]
    Unreadable(#[source] xml::Error),
    /// The change may have been carried out.
    #[error("the answer to the change was lost")]
    Lost(#[source] LostAnswer),
    /// Nothing was sent: pin53 is on its way out.
    #[error("stopped before the change was sent")]
    Stopped,
    #[error("a record of type {0} stands there, which pin53 doesn't know")]
    StrangeType(String),
    #[error(transparent)]
    Service(ServiceError),
    #[error("the request can't be signed")]
    Sign(#[source] sign::Error),
    #[error(
        "AWS3-HTTPS covers neither the request nor its way: expected https or a loopback address, found {0}"
    )]
    Exposed(String),
    #[error("no hosted zone for {name}{}", .private.as_ref().map(|ids| format!(" that is public (private: {ids})")).unwrap_or_default())]
    NoZone { name: Name, private: Option<String> },
    #[error("several hosted zones for {name}: {candidates}{}", .told.as_ref().map(|told| format!("; {told}")).unwrap_or_default())]
    SeveralZones {
        name: Name,
        candidates: String,
        /// Why none of them could be chosen by the instance's network.
        told: Option<String>,
    },
    #[error(
        "the instance's network (VPC), which tells the private zones for {name} apart ({candidates}), could not be read"
    )]
    Network {
        name: Name,
        candidates: String,
        #[source]
        source: Arc<imds::Error>,
    },
}

/// How an answer was lost.
#[derive(Debug, thiserror::Error)]
pub enum LostAnswer {
    #[error(transparent)]
    Transport(transport::Error),
    #[error("it can't be read")]
    Unreadable(#[source] xml::Error),
    /// The service answered that it isn't well, and whatever came then doesn't tell.
    #[error("the service wasn't well")]
    AfterFailure(#[source] Box<Error>),
}

/// What one attempt ended with, when not with an answer.
enum Failure {
    Transport(transport::Error),
    Unreadable(xml::Error),
    Refused(ServiceError, Response<Bytes>),
    /// Nothing that another attempt would change.
    Final(Error),
}

/// What was put right once already in a call.
#[derive(Default)]
struct Corrected {
    clock: bool,
    credentials: bool,
    scheme: bool,
}

/// Talks to one Route 53 endpoint.
pub struct Client {
    transport: Arc<dyn Transport>,
    pub(super) locator: Locator,
    credentials: Arc<Chain>,
    clock: Arc<ServerClock>,
    machine: Arc<dyn Clock>,
    pub(super) state: Arc<State>,
    signing: Signing,
    /// Signs for the region of the endpoint, once that is known.
    sigv4: OnceLock<sigv4::Signer>,
    patience: Duration,
    changes: Changes,
    requests: AtomicU64,
    denied: AtomicU64,
    aws3_taken: AtomicBool,
    /// The service asked not to be asked before.
    quiet_until: Mutex<Option<Instant>>,
    /// The key that was last refused, or not permitted something.
    refused_key: Mutex<Option<String>>,
}

/// Changes on their way, and whether there may be more.
#[derive(Default)]
struct Changes {
    /// How many have been sent and not answered.
    pending: watch::Sender<usize>,
    closed: AtomicBool,
}

/// A hosted zone by what stands at its own name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Apex {
    pub name: Name,
    /// The hosts that its own NS set names.
    pub name_servers: Vec<String>,
}

/// What a client is made of.
pub struct Parts {
    pub transport: Arc<dyn Transport>,
    pub locator: Locator,
    pub credentials: Arc<Chain>,
    pub clock: Arc<ServerClock>,
    /// Asked only when no answer ever told the time.
    pub machine: Arc<dyn Clock>,
    pub state: Arc<State>,
    pub signing: Signing,
    /// For how long a call is attempted again: [`PATIENCE`], or less where the caller comes back by itself.
    /// Then a throttled call isn't attempted again at all.
    pub patience: Duration,
}

impl Client {
    /// # Errors
    /// [`Error::Exposed`] when AWS3-HTTPS is asked for on a way that others can listen to.
    pub fn new(parts: Parts) -> Result<Self, Error> {
        let Parts { transport, locator, credentials, clock, machine, state, signing, patience } = parts;
        if signing == Signing::Aws3Https && !locator.likely().is_private() {
            return Err(Error::Exposed(locator.likely().url.clone()));
        }
        let changes = Changes::default();
        Ok(Self {
            transport,
            locator,
            credentials,
            clock,
            machine,
            state,
            signing,
            sigv4: OnceLock::new(),
            patience,
            changes,
            requests: AtomicU64::new(0),
            denied: AtomicU64::new(0),
            aws3_taken: AtomicBool::new(false),
            quiet_until: Mutex::new(None),
            refused_key: Mutex::new(None),
        })
    }

    /// Takes over what `before` learnt of time, and of the same service.
    pub fn take_over(&self, before: &Self) {
        self.clock.take_over(&before.clock);
        if self.locator.likely().url == before.locator.likely().url {
            self.aws3_taken.store(before.is_aws3_taken(), Ordering::Relaxed);
        }
    }

    /// Gets credentials ahead of the first request. What goes wrong shows when they are used.
    pub async fn prepare(&self) {
        if let Err(error) = self.credentials.get().await {
            tracing::debug!(%error, "no credentials yet");
        }
    }

    /// The region that this is, where it is known.
    #[must_use]
    pub fn region(&self) -> Option<String> {
        self.locator.region()
    }

    /// How many requests were sent to the service.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// How many of them were refused for want of a permission.
    #[must_use]
    pub fn denied(&self) -> u64 {
        self.denied.load(Ordering::Relaxed)
    }

    /// Reads the credentials again; whether they are others than those that the service has refused last.
    pub async fn has_other_credentials(&self) -> bool {
        let refused = self.refused_key.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let now = self.credentials.look_again().await;
        now.is_some() && refused.is_some() && now != refused
    }

    /// When the credentials at hand have ended or are about to, which a metadata service can't renew.
    #[must_use]
    pub fn stale_credentials(&self) -> Option<Timestamp> {
        self.credentials.stale_since()
    }

    /// How far the machine's clock is ahead of Amazon's, once an answer has told that.
    #[must_use]
    pub fn clock_offset(&self) -> Option<SignedDuration> {
        self.clock.now().map(|now| self.machine.now().duration_since(now))
    }

    /// When the credentials at hand end, if they do.
    #[must_use]
    pub fn credentials_expire(&self) -> Option<Timestamp> {
        self.credentials.kept().and_then(|(_, expires)| expires)
    }

    /// Until when the service asked to be left alone, in its last refusal that said so.
    #[must_use]
    pub fn quiet_until(&self) -> Option<Instant> {
        *self.quiet_until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets changes through again: the last ones of a stop.
    pub fn open(&self) {
        self.changes.closed.store(false, Ordering::Relaxed);
    }

    /// Sends no more changes, and resolves when those on their way are answered.
    pub async fn close(&self) {
        self.changes.closed.store(true, Ordering::Relaxed);
        // The sender lives as long as `self`, so that this ends only one way.
        let _ = self.changes.pending.subscribe().wait_for(|pending| *pending == 0).await;
    }

    /// The record set that stands in the way of, or is, the one of `key`: at most one is read.
    ///
    /// A CNAME stands alone at its name, so for a simple one the first set of any type is asked for: either
    /// it is the CNAME or it is what keeps it out.
    ///
    /// # Errors
    /// When that could not be read.
    pub async fn occupant(&self, zone: &ZoneId, key: &RecordKey) -> Result<Option<RecordSet>, Error> {
        let is_alone = key.rtype == RecordType::Cname && key.set_identifier.is_none();
        let path = sets_from(zone, 1, &key.name, (!is_alone).then_some(key));
        let first = |body: &[u8]| match response::name_page(body, &key.name) {
            Ok(page) => Ok(Ok(page.sets.into_iter().next())),
            Err(xml::Error::Strange { rtype, .. }) => Ok(Err(Error::StrangeType(rtype))),
            Err(error) => Err(error),
        };
        self.get(&path, first).await?
    }

    /// Every record set that stands at `name`: a page of them as a rule, however many others the zone has.
    ///
    /// # Errors
    /// When they could not all be read.
    pub async fn sets_at(&self, zone: &ZoneId, name: &Name) -> Result<Vec<RecordSet>, Error> {
        let (mut sets, mut next): (Vec<RecordSet>, Option<RecordKey>) = (Vec::new(), None);
        for _ in 0..MOST_PAGES {
            let path = sets_from(zone, PAGE, name, next.as_ref());
            let read = |body: &[u8]| match response::name_page(body, name) {
                Ok(page) => Ok(Ok(page)),
                Err(xml::Error::Strange { rtype, .. }) => Ok(Err(Error::StrangeType(rtype))),
                Err(error) => Err(error),
            };
            let page = self.get(&path, read).await??;
            sets.extend(page.sets);
            next = page.next;
            if next.is_none() {
                return Ok(sets);
            }
        }
        Err(Error::Unreadable(xml::Error::Malformed(format!("a list of record sets at {name} without end"))))
    }

    /// Sends a change batch, once for each time that the service refuses it for now.
    ///
    /// # Errors
    /// [`Error::Lost`] when it may have been carried out, and all others when it wasn't.
    pub async fn change(&self, zone: &ZoneId, body: String) -> Result<ChangeInfo, Error> {
        let path = format!("/2013-04-01/hostedzone/{zone}/rrset/");
        let read = |answer: &Response<Bytes>| {
            let request_id = error::request_id(answer.headers());
            Ok(ChangeInfo { request_id, ..response::change_info(answer.body())? })
        };
        self.call(&Method::POST, &path, Bytes::from(body), read).await
    }

    /// How far a change has come.
    ///
    /// # Errors
    /// When that could not be read.
    pub async fn change_status(&self, id: &str) -> Result<ChangeInfo, Error> {
        self.get(&format!("/2013-04-01/change/{id}"), response::change_info).await
    }

    /// What a zone says of itself at its own name, where its list begins; `None` for one without records.
    ///
    /// # Errors
    /// When that could not be read.
    pub async fn apex(&self, zone: &ZoneId) -> Result<Option<Apex>, Error> {
        let path = format!("/2013-04-01/hostedzone/{zone}/rrset?maxitems=30");
        let page = self.get(&path, response::record_page).await?;
        let Some(name) = page.sets.first().map(|set| set.name.clone()) else { return Ok(None) };
        let own = page.sets.iter().find(|set| set.rtype == RecordType::Ns && set.name == name);
        let values = own.and_then(RecordSet::as_simple).map_or(&[][..], |(_, values)| values);
        let name_servers = values.iter().map(|host| host.trim_end_matches('.').to_owned()).collect();
        Ok(Some(Apex { name, name_servers }))
    }

    /// Goes the way to the service without a signature, and gives where it ended. Any status will do.
    ///
    /// # Errors
    /// When it isn't known where the service is, or there is no way there.
    pub async fn reach(&self) -> Result<Endpoint, Error> {
        let endpoint = self.locator.get(self.credentials.is_of_instance()).await.map_err(Error::Locate)?;
        self.ask_time(endpoint).await.map_err(Error::Transport)?;
        Ok(endpoint.clone())
    }

    pub(super) async fn zones_by_name(&self, start: &Name, id: Option<&ZoneId>) -> Result<ZonePage, Error> {
        let mut path =
            format!("/2013-04-01/hostedzonesbyname?dnsname={}&maxitems=100", query_text(&start.to_route53()));
        if let Some(id) = id {
            path.push_str("&hostedzoneid=");
            path.push_str(id.as_str());
        }
        self.get(&path, response::zone_page).await
    }

    pub(super) async fn zones_by_id(&self, marker: Option<&str>) -> Result<ZonePage, Error> {
        let marker = marker.map(|marker| format!("&marker={}", query_text(marker))).unwrap_or_default();
        self.get(&format!("/2013-04-01/hostedzone?maxitems=100{marker}"), response::zone_page).await
    }

    pub(super) async fn get<T>(
        &self,
        path: &str,
        read: impl Fn(&[u8]) -> Result<T, xml::Error>,
    ) -> Result<T, Error> {
        self.call(&Method::GET, path, Bytes::new(), |answer| read(answer.body())).await
    }

    /// Attempts the request until it is answered, refused for good, or out of time.
    async fn call<T>(
        &self,
        method: &Method,
        path: &str,
        body: Bytes,
        read: impl Fn(&Response<Bytes>) -> Result<T, xml::Error>,
    ) -> Result<T, Error> {
        let started = Instant::now();
        let is_change = *method == Method::POST;
        let mut corrected = Corrected::default();
        let mut attempt = 0;
        // The service failed a change, and may have carried it out before.
        let mut failed = false;
        loop {
            let credentials = self.credentials.get().await;
            let credentials = credentials.map_err(|error| settled(Error::Credentials(error), failed))?;
            let endpoint = self.locator.get(self.credentials.is_of_instance()).await;
            let endpoint = endpoint.map_err(|error| settled(Error::Locate(error), failed))?;
            let aws3 = !corrected.scheme && self.starts_with_aws3(endpoint);
            let failure = match self.attempt(endpoint, method, path, &body, &credentials, aws3).await {
                Ok(answer) => match read(&answer) {
                    Ok(value) => {
                        self.settle_scheme(endpoint, aws3, &corrected);
                        return Ok(value);
                    }
                    Err(error) => Failure::Unreadable(error),
                },
                Err(failure) => failure,
            };
            let (error, longest) = match failure {
                Failure::Final(error) => return Err(settled(error, failed)),
                Failure::Transport(error) if is_change && error.may_have_arrived() => {
                    return Err(Error::Lost(LostAnswer::Transport(error)));
                }
                Failure::Transport(error) if !error.is_transient() => {
                    return Err(settled(Error::Transport(error), failed));
                }
                Failure::Transport(error) => (Error::Transport(error), PAUSE),
                Failure::Unreadable(error) if is_change => {
                    return Err(Error::Lost(LostAnswer::Unreadable(error)));
                }
                Failure::Unreadable(error) => (Error::Unreadable(error), PAUSE),
                Failure::Refused(refusal, answer) => {
                    if self.put_right(&refusal, &answer, &credentials, aws3, &mut corrected).await {
                        tracing::debug!(%refusal, "signing again");
                        continue;
                    }
                    if let Some(millis) = refusal.retry_after {
                        let until = Instant::now() + Duration::from_millis(millis).min(LONGEST_QUIET);
                        *self.quiet_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
                    }
                    match refusal.kind() {
                        // Trying again at once takes from the rate that is spent already, for a caller who comes
                        // back by himself, and knows better when.
                        Kind::Throttled if self.patience < PATIENCE => {
                            return Err(settled(Error::Service(refusal), failed));
                        }
                        Kind::Throttled => (Error::Service(refusal), THROTTLED_PAUSE),
                        Kind::Busy => (Error::Service(refusal), PAUSE),
                        Kind::Unreadable if is_change => return Err(settled(Error::Service(refusal), true)),
                        Kind::Unavailable | Kind::Unreadable => {
                            failed = is_change;
                            (Error::Service(refusal), PAUSE)
                        }
                        kind => {
                            if matches!(
                                kind,
                                Kind::Denied | Kind::CredentialsRefused | Kind::SignatureRefused
                            ) {
                                let key = Some(credentials.key_id.clone());
                                *self.refused_key.lock().unwrap_or_else(PoisonError::into_inner) = key;
                            }
                            if kind == Kind::Denied {
                                self.denied.fetch_add(1, Ordering::Relaxed);
                            }
                            if proves_signature(kind) {
                                self.settle_scheme(endpoint, aws3, &corrected);
                            }
                            return Err(settled(Error::Service(refusal), failed));
                        }
                    }
                }
            };
            let pause = pause(longest, attempt, &error);
            if started.elapsed() + pause > self.patience {
                return Err(settled(error, failed));
            }
            attempt += 1;
            tracing::debug!(%error, attempt, ?pause, "trying again");
            tokio::time::sleep(pause).await;
        }
    }

    async fn attempt(
        &self,
        endpoint: &Endpoint,
        method: &Method,
        path: &str,
        body: &Bytes,
        credentials: &Credentials,
        aws3: bool,
    ) -> Result<Response<Bytes>, Failure> {
        let time = self.time(endpoint).await.map_err(Failure::Transport)?;
        let request = Request::builder().method(method).uri(format!("{}{path}", endpoint.url));
        let request = if body.is_empty() { request } else { request.header("content-type", "text/xml") };
        let mut request = request.body(body.clone()).map_err(|source| {
            let host = endpoint.url.clone();
            Failure::Transport(transport::Error::Request { host, source: Some(source.into()) })
        })?;
        let signed = if aws3 {
            aws3::sign(request.headers(), credentials, aws3::Algorithm::HmacSha256, time)
        } else {
            let signer = || {
                let scope = sigv4::Scope::new(endpoint.signing_region.clone(), "route53");
                sigv4::Signer::new(scope)
            };
            self.sigv4.get_or_init(signer).sign(&request, credentials, time)
        };
        signed.map_err(|error| Failure::Final(Error::Sign(error)))?.apply(request.headers_mut());

        let _pending = if *method == Method::POST {
            if self.changes.closed.load(Ordering::Relaxed) {
                return Err(Failure::Final(Error::Stopped));
            }
            Some(Pending::begin(&self.changes.pending))
        } else {
            None
        };
        self.requests.fetch_add(1, Ordering::Relaxed);
        let answer = self.transport.send(request).await.map_err(Failure::Transport)?;
        if answer.status().is_success() {
            self.clock.observe(answer.headers(), Authority::Service);
            return Ok(answer);
        }
        Err(Failure::Refused(ServiceError::read(&answer), answer))
    }

    /// Amazon's time: as known, or asked for without a signature. Any status carries it.
    async fn time(&self, endpoint: &Endpoint) -> Result<Timestamp, transport::Error> {
        if let Some(now) = self.clock.now() {
            return Ok(now);
        }
        self.ask_time(endpoint).await?;
        Ok(self.clock.now().unwrap_or_else(|| self.machine.now()))
    }

    async fn ask_time(&self, endpoint: &Endpoint) -> Result<(), transport::Error> {
        let host = || endpoint.url.clone();
        let request = Request::get(format!("{}/date", endpoint.url))
            .body(Bytes::new())
            .map_err(|source| transport::Error::Request { host: host(), source: Some(source.into()) })?;
        let answer = self.transport.send(request).await?;
        self.clock.observe(answer.headers(), Authority::Service);
        Ok(())
    }

    /// Mends what a refusal complains of, each thing once; whether it is worth signing again.
    async fn put_right(
        &self,
        refusal: &ServiceError,
        answer: &Response<Bytes>,
        credentials: &Credentials,
        aws3: bool,
        corrected: &mut Corrected,
    ) -> bool {
        match refusal.kind() {
            Kind::ClockSkew if !corrected.clock => {
                self.clock.observe(answer.headers(), Authority::Service);
                corrected.clock = true;
                true
            }
            Kind::CredentialsRefused if !corrected.credentials => {
                corrected.credentials = true;
                self.credentials.refused(credentials).await;
                let fresh = self.credentials.get().await;
                fresh.is_ok_and(|fresh| fresh.key_id != credentials.key_id)
            }
            // Whoever doesn't know the scheme may say so in any words, or none.
            Kind::SignatureRefused | Kind::Unknown | Kind::Unreadable | Kind::Invalid
                if aws3 && matches!(refusal.status, 400 | 403) && !self.is_aws3_taken() =>
            {
                corrected.scheme = self.signing == Signing::Auto;
                corrected.scheme
            }
            _ => false,
        }
    }

    fn starts_with_aws3(&self, endpoint: &Endpoint) -> bool {
        match self.signing {
            Signing::Aws3Https => true,
            Signing::SigV4 => false,
            Signing::Auto => endpoint.is_private() && !self.state.refuses_aws3_https(&endpoint.url),
        }
    }

    /// Whether a signature by AWS3-HTTPS was found good by this process: what is refused then is not
    /// the scheme.
    #[must_use]
    pub fn is_aws3_taken(&self) -> bool {
        self.aws3_taken.load(Ordering::Relaxed)
    }

    /// Notes that AWS3-HTTPS was taken, or remembers that SigV4 was where it wasn't.
    fn settle_scheme(&self, endpoint: &Endpoint, aws3: bool, corrected: &Corrected) {
        if aws3 {
            self.aws3_taken.store(true, Ordering::Relaxed);
        } else if corrected.scheme {
            tracing::debug!(endpoint = endpoint.url, "AWS3-HTTPS not taken, SigV4 from now on");
            self.state.set_refuses_aws3_https(&endpoint.url);
        }
    }
}

/// The list of a zone's record sets from a name on, or from this very one.
fn sets_from(zone: &ZoneId, most: usize, name: &Name, key: Option<&RecordKey>) -> String {
    let name = query_text(&name.to_route53());
    let mut path = format!("/2013-04-01/hostedzone/{zone}/rrset?maxitems={most}&name={name}");
    if let Some(key) = key {
        path.push_str("&type=");
        path.push_str(key.rtype.as_str());
        if let Some(identifier) = &key.set_identifier {
            path.push_str("&identifier=");
            path.push_str(&query_text(identifier));
        }
    }
    path
}

/// Whether a refusal of this kind comes only after the signature was found good.
fn proves_signature(kind: Kind) -> bool {
    matches!(kind, Kind::Denied | Kind::NoSuchZone | Kind::InvalidBatch)
}

/// What a call ends with: after a failed attempt at a change, nobody knows whether it was carried out.
fn settled(error: Error, failed: bool) -> Error {
    if failed { Error::Lost(LostAnswer::AfterFailure(Box::new(error))) } else { error }
}

/// A random part of a pause that doubles, or what the service asks for.
fn pause(longest: Duration, attempt: u32, error: &Error) -> Duration {
    let bound = longest.saturating_mul(1 << attempt.min(10)).min(LONGEST_PAUSE);
    let pause = bound.mul_f64(fastrand::f64());
    match error {
        Error::Service(ServiceError { retry_after: Some(millis), .. }) => {
            // Longer than patience, and there is no other attempt.
            pause.max(Duration::from_millis(*millis))
        }
        _ => pause,
    }
}

/// Counts a change that is on its way, until its answer is there or nobody waits for it.
struct Pending<'a>(&'a watch::Sender<usize>);

impl<'a> Pending<'a> {
    fn begin(count: &'a watch::Sender<usize>) -> Self {
        count.send_modify(|pending| *pending += 1);
        Self(count)
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|pending| *pending -= 1);
    }
}

/// `text` as a query's value in the one spelling that every signer agrees on.
pub(super) fn query_text(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
