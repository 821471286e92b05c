//! The Route 53 API: which operation a request is, whether it may be, and what it answers.
//!
//! Spec: <https://docs.aws.amazon.com/Route53/latest/APIReference/API_Operations_Amazon_Route_53.html>

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{DATE, HeaderName, LOCATION, USER_AGENT};
use http::{Method, Request, Response, StatusCode};
use jiff::Timestamp;
use tokio::time::Instant;

use crate::clock::http_date;
use crate::dns::{Name, RecordType, ZoneId};

use super::answer::{Answer, response, set};
use super::authenticate::{self, Scheme, authenticate};
use super::batch;
use super::change_request::{ChangeRequest, MAX_COMMENT};
use super::error::ApiError;
use super::fault::Fault;
use super::instance::ACCOUNT;
use super::keys::{Key, letters};
use super::listing::{self, Query};
use super::log::{Logged, Side};
use super::operation::Operation;
use super::record_xml::{boolean, length};
use super::sts;
use super::value;
use super::world::{Held, State, World};
use super::xml::{Children, Element, NAMESPACE, Occurs, Order, check};
use super::zones::{Change, HostedZone, Vpc};

static REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
/// In milliseconds.
static RETRY_AFTER: HeaderName = HeaderName::from_static("x-amz-retry-after");

/// Largest body of a request. A batch of a thousand records at its longest fits three times.
pub(super) const MAX_BODY: usize = 1 << 20;

const XML: &str = "text/xml";
const HTML: &str = "<html>\n<head><title>Please wait</title></head>\n<body><h1>Hello</h1></body>\n</html>\n";

/// A request's operation with the ids in its path.
struct Route {
    operation: Operation,
    id: String,
}

impl World {
    /// Answers a request to the Route 53 API.
    pub async fn route53(self: &Arc<Self>, request: Request<Bytes>) -> Answer {
        let path = request.uri().path().to_owned();
        let route = route(request.method(), &path);
        let to_sts = path == "/" && request.method() == Method::POST;
        let asked = if to_sts { sts::operation(&request) } else { String::new() };
        let operation = match &route {
            Some(route) => route.operation.as_str(),
            None if to_sts => &asked,
            None if path == "/date" => "date",
            None => "unknown",
        };
        let (number, request_id, latency, hold) = {
            let mut state = self.lock();
            let hold = state.takes_hold();
            let number = state.log.arrived(Logged {
                side: Side::Api,
                operation: operation.to_owned(),
                method: request.method().clone(),
                target: request.uri().path_and_query().map_or_else(String::new, ToString::to_string),
                body: String::from_utf8_lossy(request.body()).into_owned(),
                status: None,
            });
            let request_id = uuid(&state.next_id("request"));
            (number, request_id, state.latency.aws, hold)
        };
        // Half of it on the way to the service, half on the way back; in whole milliseconds, as timers run.
        let there = Duration::from_millis(u64::try_from(latency.as_millis() / 2).unwrap_or(0));
        if !there.is_zero() {
            tokio::time::sleep(there).await;
        }
        if hold == Some(Held::Unheard) {
            self.held.notify_one();
            return Answer::Silent;
        }
        let (mut answer, busy) = self.react(&request, route.as_ref(), &request_id);
        if hold == Some(Held::CarriedOut) {
            self.held.notify_one();
            return Answer::Silent;
        }
        if !latency.is_zero() {
            tokio::time::sleep(latency.saturating_sub(there)).await;
        }
        drop(busy);
        let now = http_date(self.now());
        if let Answer::Whole(response) | Answer::Cut(response) | Answer::Endless(response) = &mut answer {
            set(response, REQUEST_ID.clone(), &request_id);
            set(response, DATE, &now);
        }
        self.lock().log.answered(number, answer.status());
        answer
    }

    fn react(
        self: &Arc<Self>,
        request: &Request<Bytes>,
        route: Option<&Route>,
        request_id: &str,
    ) -> (Answer, Option<Busy>) {
        if request.uri().path() == "/date" {
            let status = match *request.method() {
                Method::GET | Method::HEAD => StatusCode::OK,
                _ => StatusCode::METHOD_NOT_ALLOWED,
            };
            return (Answer::Whole(response(status, "text/plain", "")), None);
        }
        let now = self.now();
        let mut state = self.lock();
        if request.uri().path() == "/" && request.method() == Method::POST {
            return (Answer::Whole(sts::answer(&mut state, request, request_id, now)), None);
        }
        let old_shape = state.old_errors;
        let refused =
            |error: &ApiError| Answer::Whole(response(error.status, XML, error.body(request_id, old_shape)));
        let Some(Route { operation, id }) = route else {
            return (unknown_route(request, &refused), None);
        };
        let operation = *operation;
        if let Some(mut answer) = faulty(&mut state, operation, request, now, &refused) {
            if let (Answer::Whole(response), Some(time)) = (&mut answer, state.retry_after)
                && !response.status().is_success()
            {
                set(response, RETRY_AFTER.clone(), &time.as_millis().to_string());
            }
            return (answer, None);
        }
        let mut busy = None;
        let result = authenticate(request, &state.keys, now)
            .and_then(|key| permitted(&key, operation, id))
            .and_then(|()| {
                if operation == Operation::ChangeResourceRecordSets {
                    let (answer, zone) = change(&mut state, id, request, now)?;
                    busy = Some(Busy { world: Arc::clone(self), zone });
                    Ok(response(StatusCode::OK, XML, answer.document(Some(NAMESPACE))))
                } else {
                    perform(&mut state, operation, id, request, now)
                }
            });
        let answer = match result {
            Err(error) => refused(&error),
            Ok(_) if busy.is_some() && state.faults.strikes(Fault::LostAnswer, None, Instant::now()) => {
                Answer::Dropped
            }
            Ok(answer) if state.faults.strikes(Fault::CutBody, Some(operation), Instant::now()) => {
                Answer::Cut(answer)
            }
            Ok(answer) => Answer::Whole(answer),
        };
        (answer, busy)
    }
}

/// A zone whose change is being carried out; free again when this is dropped.
struct Busy {
    world: Arc<World>,
    zone: ZoneId,
}

impl Drop for Busy {
    fn drop(&mut self) {
        if let Some(zone) = self.world.lock().zones.get_mut(&self.zone) {
            zone.busy = false;
        }
    }
}

fn route(method: &Method, path: &str) -> Option<Route> {
    use Operation as O;
    let parts: Vec<&str> = path.strip_prefix("/2013-04-01/")?.split('/').collect();
    let (operation, id) = match (method, parts.as_slice()) {
        (&Method::GET, ["hostedzone"]) => (O::ListHostedZones, ""),
        (&Method::POST, ["hostedzone"]) => (O::CreateHostedZone, ""),
        (&Method::GET, ["hostedzonesbyname"]) => (O::ListHostedZonesByName, ""),
        (&Method::GET, ["hostedzonesbyvpc"]) => (O::ListHostedZonesByVPC, ""),
        (&Method::GET, ["hostedzone", id]) if !id.is_empty() => (O::GetHostedZone, *id),
        (&Method::DELETE, ["hostedzone", id]) if !id.is_empty() => (O::DeleteHostedZone, *id),
        (&Method::GET, ["hostedzone", id, "rrset"]) if !id.is_empty() => (O::ListResourceRecordSets, *id),
        // The model has the slash at the end, clients of old leave it out.
        (&Method::POST, ["hostedzone", id, "rrset"] | ["hostedzone", id, "rrset", ""]) if !id.is_empty() => {
            (O::ChangeResourceRecordSets, *id)
        }
        (&Method::GET, ["change", id]) if !id.is_empty() => (O::GetChange, *id),
        _ => return None,
    };
    Some(Route { operation, id: listing::decoded(id) })
}

fn unknown_route(request: &Request<Bytes>, refused: &dyn Fn(&ApiError) -> Answer) -> Answer {
    let path = request.uri().path();
    // An id that still has its path: the service takes it for a signature over another path.
    if ["//hostedzone/", "/hostedzone/hostedzone/", "//change/", "/change/change/"]
        .iter()
        .any(|doubled| path.contains(doubled))
    {
        return refused(&ApiError::forbidden(
            "InvalidSignatureException",
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
             Access Key and signing method. Consult the service documentation for details.",
        ));
    }
    Answer::Whole(response(StatusCode::NOT_FOUND, XML, "<UnknownOperationException/>\n"))
}

/// The scripted answers that come in place of the real one.
fn faulty(
    state: &mut State,
    operation: Operation,
    request: &Request<Bytes>,
    now: Timestamp,
    refused: &dyn Fn(&ApiError) -> Answer,
) -> Option<Answer> {
    let limited = state.limits.as_mut().is_some_and(|limits| !limits.take(operation, Instant::now()));
    let mut strikes = |fault| state.faults.strikes(fault, Some(operation), Instant::now());
    let bad = StatusCode::BAD_REQUEST;
    if limited || strikes(Fault::Throttle) {
        return Some(refused(&ApiError::new(bad, "Throttling", "Rate exceeded")));
    }
    if operation == Operation::ChangeResourceRecordSets && strikes(Fault::PriorRequest) {
        return Some(refused(&prior_request()));
    }
    if strikes(Fault::Html) {
        return Some(Answer::Whole(response(StatusCode::OK, "text/html", HTML)));
    }
    if strikes(Fault::Empty) {
        return Some(Answer::Whole(response(StatusCode::OK, XML, "")));
    }
    if strikes(Fault::Endless) {
        return Some(Answer::Endless(response(StatusCode::OK, XML, " ".repeat(8 * 1024))));
    }
    if strikes(Fault::RejectAws3) && authenticate::scheme(request) == Some(Scheme::Aws3Https) {
        return Some(refused(&authenticate::missing()));
    }
    if strikes(Fault::AccessDenied) {
        let principal = format!("arn:aws:iam::{ACCOUNT}:user/pin53");
        return Some(refused(&denied(&principal, operation, "*")));
    }
    if strikes(Fault::ExpiredToken) {
        state.keys.expire_role(now);
        return Some(refused(&authenticate::expired_token()));
    }
    if strikes(Fault::ServerError) {
        state.server_errors += 1;
        return Some(match state.server_errors % 3 {
            1 => Answer::Whole(response(StatusCode::SERVICE_UNAVAILABLE, XML, "")),
            2 => Answer::Whole(response(StatusCode::INTERNAL_SERVER_ERROR, "text/html", HTML)),
            _ => refused(&ApiError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "ServiceUnavailable",
                "Service unavailable, please try again",
            )),
        });
    }
    None
}

fn prior_request() -> ApiError {
    ApiError::new(
        StatusCode::BAD_REQUEST,
        "PriorRequestNotComplete",
        "The request was rejected because Route 53 was still processing a prior request.",
    )
}

fn permitted(key: &Key, operation: Operation, id: &str) -> Result<(), ApiError> {
    if key.denied.contains(&operation) {
        return Err(denied(&key.principal, operation, id));
    }
    Ok(())
}

fn denied(principal: &str, operation: Operation, id: &str) -> ApiError {
    let resource = match operation {
        Operation::GetChange => format!("arn:aws:route53:::change/{id}"),
        _ if id.is_empty() => "*".to_owned(),
        _ => format!("arn:aws:route53:::hostedzone/{id}"),
    };
    ApiError::forbidden(
        "AccessDenied",
        format!(
            "User: {principal} is not authorized to perform: route53:{operation} on resource: {resource} because no \
             identity-based policy allows the route53:{operation} action"
        ),
    )
}

/// Every operation but the change of records.
fn perform(
    state: &mut State,
    operation: Operation,
    id: &str,
    request: &Request<Bytes>,
    now: Timestamp,
) -> Result<Response<Bytes>, ApiError> {
    let query = Query::read(request.uri().query().unwrap_or_default());
    let root = match operation {
        Operation::ListHostedZones => listing::list_zones(state, &query)?,
        Operation::ListHostedZonesByName => listing::list_zones_by_name(state, &query)?,
        Operation::ListHostedZonesByVPC => listing::list_zones_by_vpc(state, &query)?,
        Operation::ListResourceRecordSets => listing::list_record_sets(find(state, id)?, &query)?,
        Operation::GetHostedZone => {
            let zone = find(state, id)?;
            let root = Element::new("GetHostedZoneResponse").with(listing::zone(zone));
            if zone.is_private() {
                let vpcs = zone.vpcs.iter().fold(Element::new("VPCs"), |list, vpc| {
                    list.with(
                        Element::new("VPC").with_text("VPCRegion", &vpc.region).with_text("VPCId", &vpc.id),
                    )
                });
                root.with(vpcs)
            } else {
                root.with(delegation(zone))
            }
        }
        Operation::GetChange => {
            let change = state.changes.get(id).ok_or_else(|| {
                ApiError::new(
                    StatusCode::NOT_FOUND,
                    "NoSuchChange",
                    format!("Could not find resource with ID: {id}"),
                )
            })?;
            Element::new("GetChangeResponse").with(change_info(id, change, Instant::now()))
        }
        Operation::CreateHostedZone => return create_zone(state, request, now),
        Operation::DeleteHostedZone => {
            let zone = find(state, id)?;
            let own = |rtype| matches!(rtype, RecordType::Ns | RecordType::Soa);
            if zone.records().all().any(|s| s.set.name != zone.name || !own(s.set.rtype)) {
                return Err(ApiError::new(
                    StatusCode::BAD_REQUEST,
                    "HostedZoneNotEmpty",
                    "The specified hosted zone contains non-required resource record sets and so cannot be deleted.",
                ));
            }
            let zone = zone.id.clone();
            state.zones.remove(&zone);
            Element::new("DeleteHostedZoneResponse").with(new_change(state, None, now))
        }
        // Carried out where its zone is marked as busy.
        Operation::ChangeResourceRecordSets => return Err(prior_request()),
    };
    Ok(response(StatusCode::OK, XML, root.document(Some(NAMESPACE))))
}

fn find<'a>(state: &'a State, id: &str) -> Result<&'a HostedZone, ApiError> {
    ZoneId::parse(id).ok().and_then(|id| state.zones.get(&id)).ok_or_else(|| ApiError::no_such_zone(id))
}

/// Carries out a batch; gives the answer and the zone, which is busy from now on.
fn change(
    state: &mut State,
    id: &str,
    request: &Request<Bytes>,
    now: Timestamp,
) -> Result<(Element, ZoneId), ApiError> {
    let zone = find(state, id)?;
    if let Some(service) = &zone.linked_to {
        return Err(ApiError::forbidden(
            "AccessDenied",
            format!("The resource hostedzone/{id} can only be managed through {service}"),
        ));
    }
    if zone.busy {
        return Err(prior_request());
    }
    let zone_id = zone.id.clone();
    let batch = ChangeRequest::read(request.body(), order(request))?;
    if let Some(first) = batch.changes.first()
        && state.faults.strikes(Fault::Edit, None, Instant::now())
    {
        state.edit_by_someone_else(&zone_id, &first.stored);
    }
    let same = batch::made_anew(&batch.changes);
    if !same.is_empty() && state.faults.strikes(Fault::RefuseSame, None, Instant::now()) {
        return Err(ApiError::invalid_batch(same));
    }
    let visible = Instant::now() + state.in_sync_after;
    let zone = state.zones.get_mut(&zone_id).ok_or_else(|| ApiError::no_such_zone(id))?;
    let protected =
        batch.changes.iter().map(|change| &change.stored.set).filter(|set| {
            zone.protected.iter().any(|(name, rtype)| *name == set.name && *rtype == set.rtype)
        });
    // The words are ours: none were seen in the field yet.
    let protected: Vec<String> = protected
        .map(|set| {
            format!("RRSet of type {} with DNS name {} is protected", set.rtype, set.name.to_route53())
        })
        .collect();
    if !protected.is_empty() {
        return Err(ApiError::invalid_batch(protected));
    }
    let records =
        batch::apply(&zone.name, zone.records(), &batch.changes).map_err(ApiError::invalid_batch)?;
    zone.set_records(records, visible);
    zone.busy = true;
    let answer = Element::new("ChangeResourceRecordSetsResponse").with(new_change(state, batch.comment, now));
    Ok((answer, zone_id))
}

/// Whether elements have to stand in the order of the schema.
///
/// boto3 and the AWS CLI write the fields of a record set as their caller's dict has them, and Route 53
/// takes that; so they are let off. Everyone else is held to the order that the documentation asks for.
fn order(request: &Request<Bytes>) -> Order {
    let agent = request.headers().get(USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let lax = ["Boto3/", "Botocore/", "aws-cli/"].iter().any(|client| agent.starts_with(client));
    if lax { Order::Any } else { Order::Schema }
}

fn new_change(state: &mut State, comment: Option<String>, now: Timestamp) -> Element {
    let id = format!("C{}", letters(&state.next_id("change"), 20));
    let at = Instant::now();
    let change = Change { submitted: now, comment, in_sync: at + state.in_sync_after };
    let mut info = change_info(&id, &change, at);
    // It is PENDING in the answer that gives its id, however fast it is afterwards.
    if let Some(status) = info.children.iter_mut().find(|c| c.name == "Status") {
        "PENDING".clone_into(&mut status.text);
    }
    state.changes.insert(id, change);
    info
}

fn change_info(id: &str, change: &Change, at: Instant) -> Element {
    Element::new("ChangeInfo")
        .with_text("Id", format!("/change/{id}"))
        .with_text("Status", if at < change.in_sync { "PENDING" } else { "INSYNC" })
        .with_text("SubmittedAt", change.submitted.strftime("%Y-%m-%dT%H:%M:%S%.3fZ"))
        .with_optional("Comment", change.comment.as_ref())
}

fn delegation(zone: &HostedZone) -> Element {
    let servers =
        zone.delegation().iter().fold(Element::new("NameServers"), |list, s| list.with_text("NameServer", s));
    Element::new("DelegationSet").with(servers)
}

const CREATE: &Children = &[
    ("Name", Occurs::Once),
    ("VPC", Occurs::Maybe),
    ("CallerReference", Occurs::Once),
    ("HostedZoneConfig", Occurs::Maybe),
    ("DelegationSetId", Occurs::Maybe),
];
const CONFIG: &Children = &[("Comment", Occurs::Maybe), ("PrivateZone", Occurs::Maybe)];
const VPC: &Children = &[("VPCRegion", Occurs::Once), ("VPCId", Occurs::Once)];

fn create_zone(
    state: &mut State,
    request: &Request<Bytes>,
    now: Timestamp,
) -> Result<Response<Bytes>, ApiError> {
    let order = order(request);
    let root = Element::read(request.body(), "CreateHostedZoneRequest")?;
    check(&root, CREATE, order)?;
    let name = zone_name(root.text_of("Name").unwrap_or_default())?;
    let reference = root.text_of("CallerReference").unwrap_or_default();
    length("Nonce", reference, 128)?;
    if state.zones.values().any(|zone| zone.caller_reference == reference) {
        return Err(ApiError::new(
            StatusCode::CONFLICT,
            "HostedZoneAlreadyExists",
            format!(
                "A hosted zone has already been created with the specified caller reference: {reference}"
            ),
        ));
    }
    let (mut comment, mut private) = (None, false);
    if let Some(config) = root.child("HostedZoneConfig") {
        check(config, CONFIG, order)?;
        comment = config.text_of("Comment").filter(|c| !c.is_empty()).map(str::to_owned);
        if let Some(comment) = &comment {
            length("ResourceDescription", comment, MAX_COMMENT)?;
        }
        private = config.text_of("PrivateZone").map(boolean).transpose()?.unwrap_or(false);
    }
    let mut vpcs = Vec::new();
    if let Some(vpc) = root.child("VPC") {
        check(vpc, VPC, order)?;
        let text = |name: &str| vpc.text_of(name).unwrap_or_default().to_owned();
        vpcs.push(Vpc { region: text("VPCRegion"), id: text("VPCId") });
    }
    if private && vpcs.is_empty() {
        return Err(ApiError::invalid_input(
            "When you're creating a private hosted zone, you must specify a VPC",
        ));
    }
    if let Some(id) = root.text_of("DelegationSetId") {
        return Err(ApiError::new(
            StatusCode::NOT_FOUND,
            "NoSuchDelegationSet",
            format!("No delegation set found with ID: {id}"),
        ));
    }
    let id = state.add_zone(&name, &vpcs);
    if let Some(zone) = state.zones.get_mut(&id) {
        reference.clone_into(&mut zone.caller_reference);
        zone.comment = comment;
    }
    let info = new_change(state, None, now);
    let zone = find(state, id.as_str())?;
    let root = Element::new("CreateHostedZoneResponse").with(listing::zone(zone)).with(info);
    let root = match zone.vpcs.first() {
        Some(vpc) => {
            root.with(Element::new("VPC").with_text("VPCRegion", &vpc.region).with_text("VPCId", &vpc.id))
        }
        None => root.with(delegation(zone)),
    };
    let mut answer = response(StatusCode::CREATED, XML, root.document(Some(NAMESPACE)));
    set(&mut answer, LOCATION, &format!("https://route53.amazonaws.com/2013-04-01/hostedzone/{id}"));
    Ok(answer)
}

fn zone_name(text: &str) -> Result<Name, ApiError> {
    let bad = |why: &str| ApiError::new(StatusCode::BAD_REQUEST, "InvalidDomainName", why);
    let name = value::name(text)
        .map_err(|(_, words)| bad(&format!("{text} is not a valid domain name: {words}")))?;
    if name.is_wildcard() || name.parent().is_none() {
        return Err(bad(&format!("{text} is not a valid domain name")));
    }
    Ok(name)
}

/// An id in the form of a UUID.
fn uuid(seed: &str) -> String {
    use sha2::{Digest, Sha256};
    let hex = Sha256::digest(seed).iter().take(16).fold(String::new(), |mut out, byte| {
        use std::fmt::Write;
        let _ = write!(out, "{byte:02x}");
        out
    });
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
