//! The world as a client meets it: requests in, answers out, by way of the in-process transport.

mod answers;
mod changes;
mod dns;
mod faults;
mod lists;
mod metadata;
mod ports;
mod roles;
mod signatures;

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use jiff::Timestamp;

use crate::clock::SteadyClock;
use crate::dns::{Name, RecordSet, RecordType, Ttl, ZoneId};
use crate::secret::Credentials;
use crate::sign::aws3;
use crate::transport::{Error, Transport};

use super::{InProcess, World};

const NOW: &str = "2026-03-01T12:00:00Z";

/// A world with the zone example.com, and someone who sends it signed requests.
struct Client {
    world: Arc<World>,
    transport: InProcess,
    zone: ZoneId,
    credentials: Credentials,
    time: Timestamp,
    agent: &'static str,
}

impl Client {
    fn new() -> Self {
        let time = NOW.parse().unwrap();
        let world = World::new(Arc::new(SteadyClock::starting_at(time)));
        let zone = world.add_zone("example.com").unwrap();
        let transport = InProcess::new(Arc::clone(&world));
        let credentials = world.long_lived_credentials();
        Self { world, transport, zone, credentials, time, agent: "pin53" }
    }

    fn request(&self, method: Method, path: &str, body: &str) -> Request<Bytes> {
        Request::builder()
            .method(method)
            .uri(format!("https://route53.amazonaws.com{path}"))
            .header("user-agent", self.agent)
            .body(Bytes::copy_from_slice(body.as_bytes()))
            .unwrap()
    }

    async fn try_send(&self, method: Method, path: &str, body: &str) -> Result<Response<Bytes>, Error> {
        let mut request = self.request(method, path, body);
        aws3::sign(request.headers(), &self.credentials, aws3::Algorithm::HmacSha256, self.time)
            .unwrap()
            .apply(request.headers_mut());
        self.transport.send(request).await
    }

    async fn send(&self, method: Method, path: &str, body: &str) -> (StatusCode, String) {
        text(self.try_send(method, path, body).await.unwrap())
    }

    async fn get(&self, path: &str) -> String {
        let (status, body) = self.send(Method::GET, path, "").await;
        assert_eq!(status, StatusCode::OK, "{body}");
        body
    }

    /// Sends a batch; gives the code and the message of a refusal.
    async fn change(&self, changes: &[String]) -> Result<String, (String, String)> {
        self.change_raw(&batch(&changes.concat())).await
    }

    async fn change_raw(&self, body: &str) -> Result<String, (String, String)> {
        let path = format!("/2013-04-01/hostedzone/{}/rrset/", self.zone);
        let (status, body) = self.send(Method::POST, &path, body).await;
        if status == StatusCode::OK { Ok(body) } else { Err(refusal(&body)) }
    }

    /// The message of a refusal that is an InvalidChangeBatch.
    async fn refused(&self, changes: &[String]) -> String {
        let before = self.world.records(&self.zone);
        let (code, message) = self.change(changes).await.unwrap_err();
        assert_eq!(code, "InvalidChangeBatch", "{message}");
        assert_eq!(self.world.records(&self.zone), before, "a refused batch changes nothing");
        message
    }
}

fn text(response: Response<Bytes>) -> (StatusCode, String) {
    let (parts, body) = response.into_parts();
    (parts.status, String::from_utf8(body.to_vec()).unwrap())
}

fn between<'a>(body: &'a str, tag: &str) -> &'a str {
    let (_, rest) = body.split_once(&format!("<{tag}>")).unwrap_or_else(|| panic!("{tag} in {body}"));
    rest.split_once(&format!("</{tag}>")).unwrap().0
}

fn refusal(body: &str) -> (String, String) {
    let message = between(body, "Message").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    (between(body, "Code").to_owned(), message)
}

fn batch(changes: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><ChangeResourceRecordSetsRequest \
         xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><ChangeBatch><Comment>test</Comment>\
         <Changes>{changes}</Changes></ChangeBatch></ChangeResourceRecordSetsRequest>"
    )
}

/// A change of a simple set with a TTL of 60.
fn change(action: &str, name: &str, rtype: &str, values: &[&str]) -> String {
    raw(action, name, rtype, &format!("<TTL>60</TTL>{}", records(values)))
}

fn raw(action: &str, name: &str, rtype: &str, rest: &str) -> String {
    format!(
        "<Change><Action>{action}</Action><ResourceRecordSet><Name>{name}</Name><Type>{rtype}</Type>{rest}\
         </ResourceRecordSet></Change>"
    )
}

fn records(values: &[&str]) -> String {
    let list: Vec<String> = values.iter().map(|v| v.replace('&', "&amp;").replace('<', "&lt;")).collect();
    let list = list.join("</Value></ResourceRecord><ResourceRecord><Value>");
    format!("<ResourceRecords><ResourceRecord><Value>{list}</Value></ResourceRecord></ResourceRecords>")
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn set(text: &str, rtype: RecordType, values: &[&str]) -> RecordSet {
    let values = values.iter().map(|v| (*v).to_owned()).collect();
    RecordSet::simple(name(text), rtype, Ttl::new(60).unwrap(), values)
}
