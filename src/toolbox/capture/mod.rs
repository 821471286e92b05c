//! The server that captures: what each request holds, in full and fit to be shown, and what it is answered.
//!
//! Requests are taken in side by side and handed over one by one; an answer waits until its request
//! was dealt with. Not here: where they are printed.

mod body;
mod multipart;
mod redact;
mod show;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use futures_util::StreamExt;
use http::header::{CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use http::{Request, StatusCode};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc, oneshot};
use tokio::time::Instant;

use super::{Scheme, Verified, Verifier};
use crate::clock::{Clock, Timestamp};
use crate::listen::{Peer, RawHead, Server};
use crate::sign::Rejection;

/// How long a body may take to come.
const BODY_PATIENCE: Duration = Duration::from_secs(30);
/// Bodies up to this long are taken from however many clients there are;
const SHORT: usize = 64 * 1024;
/// longer ones from so many at one time, so that memory has a bound. The others wait.
const LONG_AT_ONCE: usize = 32;

/// What is done with requests.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The answer to what is taken.
    pub respond: StatusCode,
    /// The longest body that is taken, in bytes.
    pub max_body: usize,
}

/// One request, and what was found of it.
#[derive(Debug)]
pub struct Captured {
    time: Timestamp,
    peer: Option<SocketAddr>,
    /// The request line and the headers as they came.
    head: Vec<u8>,
    request: Request<Bytes>,
    /// Why not all of the body is here.
    cut: Option<&'static str>,
    verified: Option<(Scheme, Result<Verified, Rejection>)>,
    status: StatusCode,
}

/// A request to be dealt with; its answer goes out when [`Turn::done`] is called.
#[derive(Debug)]
pub struct Turn {
    pub captured: Captured,
    answer: oneshot::Sender<StatusCode>,
}

/// What came in over one connection.
#[derive(Debug)]
pub enum Arrival {
    Request(Box<Turn>),
    /// No HTTP/1.1 request, or not all of one; with why in words.
    Fault {
        peer: SocketAddr,
        why: String,
    },
}

impl Turn {
    /// Lets the answer go: the request's own, or that it could not be kept.
    pub fn done(self, kept: bool) {
        let status = if kept { self.captured.status } else { StatusCode::INTERNAL_SERVER_ERROR };
        // A client that has gone wants no answer.
        let _ = self.answer.send(status);
    }
}

struct Taking {
    settings: Settings,
    verifier: Option<Verifier>,
    clock: Arc<dyn Clock>,
    arrivals: mpsc::Sender<Arrival>,
    long: Semaphore,
}

/// Serves on `listener` until `stop` completes, and gives each request to the receiver.
pub fn serve(
    listener: TcpListener,
    settings: Settings,
    verifier: Option<Verifier>,
    clock: Arc<dyn Clock>,
    stop: impl Future<Output = ()>,
) -> (mpsc::Receiver<Arrival>, impl Future<Output = ()>) {
    // One at a time: whoever prints slowly holds up answers and not memory.
    let (arrivals, received) = mpsc::channel(1);
    let faults = arrivals.clone();
    let taking = Taking { settings, verifier, clock, arrivals, long: Semaphore::new(LONG_AT_ONCE) };
    let router = axum::Router::new().fallback(take).with_state(Arc::new(taking));
    let server = Server::new(listener).record_heads().on_fault(move |peer, why| {
        // Of many that come at once, one is told: requests are what counts.
        let _ = faults.try_send(Arrival::Fault { peer, why });
    });
    (received, server.serve(router, stop))
}

async fn take(State(taking): State<Arc<Taking>>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let (body, cut, _place) = taking.body(body).await;
    let mut captured = Captured {
        time: taking.clock.now(),
        peer: parts.extensions.get::<Peer>().map(|peer| peer.0),
        head: parts.extensions.get::<RawHead>().map(RawHead::bytes).unwrap_or_default(),
        request: Request::from_parts(parts, body),
        cut,
        verified: None,
        status: taking.settings.respond,
    };
    if let Some(verifier) = &taking.verifier {
        captured.verified = Some((verifier.scheme, verifier.verify(&captured.request, captured.time)));
    }
    let (why, scheme) = match (&captured.verified, captured.cut) {
        (_, Some(cut)) => {
            captured.status =
                if cut == TOO_LONG { StatusCode::PAYLOAD_TOO_LARGE } else { StatusCode::REQUEST_TIMEOUT };
            (format!("{cut}\n"), None)
        }
        (Some((scheme, Err(rejection))), None) => {
            captured.status = StatusCode::UNAUTHORIZED;
            (show::reason(rejection), Some(*scheme))
        }
        _ => (String::new(), None),
    };
    let (sender, dealt_with) = oneshot::channel();
    let turn = Box::new(Turn { captured, answer: sender });
    if taking.arrivals.send(Arrival::Request(turn)).await.is_err() {
        return answer(StatusCode::SERVICE_UNAVAILABLE, String::new(), None);
    }
    let status = dealt_with.await.unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    answer(status, why, scheme)
}

const TOO_LONG: &str = "the body is longer than what is taken";

impl Taking {
    /// The body as far as it is taken, why it isn't whole, and its place among the long ones.
    async fn body(&self, body: Body) -> (Bytes, Option<&'static str>, Option<SemaphorePermit<'_>>) {
        let mut stream = body.into_data_stream();
        let mut taken = Vec::new();
        let mut place = None;
        let mut deadline = Instant::now() + BODY_PATIENCE;
        let cut = loop {
            let chunk = match tokio::time::timeout_at(deadline, stream.next()).await {
                Ok(None) => break None,
                Ok(Some(Ok(chunk))) => chunk,
                Ok(Some(Err(_))) => break Some("the body broke off"),
                Err(_) => break Some("the body took too long"),
            };
            let room = self.settings.max_body - taken.len();
            let fits = &chunk[..chunk.len().min(room)];
            if place.is_none() && taken.len() + fits.len() > SHORT {
                let since = Instant::now();
                // Never closed.
                place = self.long.acquire().await.ok();
                deadline += since.elapsed();
            }
            taken.extend_from_slice(fits);
            if chunk.len() > room {
                break Some(TOO_LONG);
            }
        };
        (taken.into(), cut, place)
    }
}

fn answer(status: StatusCode, why: String, scheme: Option<Scheme>) -> Response {
    let mut response = Response::new(Body::from(why));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if let Some(scheme) = scheme.filter(|_| status == StatusCode::UNAUTHORIZED) {
        let challenge = match scheme {
            Scheme::Aws3Https => "AWS3-HTTPS",
            Scheme::SigV4 | Scheme::SigV4Query => "AWS4-HMAC-SHA256",
            Scheme::Azure => "SharedKey",
            Scheme::SdkHmac => "SDK-HMAC-SHA256",
        };
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    response
}
