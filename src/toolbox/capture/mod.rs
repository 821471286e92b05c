//! The server that captures: what each request holds, in full and fit to be shown, and what it is answered.
//!
//! Requests are taken in side by side and handed over one by one; an answer waits until its request
//! was dealt with. Not here: where they are printed.

mod body;
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
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::{Scheme, Verified, Verifier};
use crate::clock::{Clock, Timestamp};
use crate::listen::{Peer, RawHead, Server};
use crate::sign::Rejection;

/// How long a body may take to come.
const BODY_PATIENCE: Duration = Duration::from_secs(30);
/// Requests that are taken in at one time; more are told to come back.
const AT_ONCE: usize = 256;

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
    turns: mpsc::Sender<Turn>,
    room: Semaphore,
}

/// Serves on `listener` until `stop` completes, and gives each request to the receiver.
pub fn serve(
    listener: TcpListener,
    settings: Settings,
    verifier: Option<Verifier>,
    clock: Arc<dyn Clock>,
    stop: impl Future<Output = ()>,
) -> (mpsc::Receiver<Turn>, impl Future<Output = ()>) {
    // One at a time: whoever prints slowly holds up answers and not memory.
    let (turns, received) = mpsc::channel(1);
    let taking = Taking { settings, verifier, clock, turns, room: Semaphore::new(AT_ONCE) };
    let router = axum::Router::new().fallback(take).with_state(Arc::new(taking));
    (received, Server::new(listener).record_heads().serve(router, stop))
}

async fn take(State(taking): State<Arc<Taking>>, request: Request<Body>) -> Response {
    let Ok(_place) = taking.room.try_acquire() else {
        return answer(StatusCode::SERVICE_UNAVAILABLE, "too many requests at one time\n".to_owned(), None);
    };
    let (parts, body) = request.into_parts();
    let (body, cut) = taking.body(body).await;
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
    if taking.turns.send(Turn { captured, answer: sender }).await.is_err() {
        return answer(StatusCode::SERVICE_UNAVAILABLE, String::new(), None);
    }
    let status = dealt_with.await.unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    answer(status, why, scheme)
}

const TOO_LONG: &str = "the body is longer than what is taken";

impl Taking {
    /// The body as far as it is taken, and why it isn't whole.
    async fn body(&self, body: Body) -> (Bytes, Option<&'static str>) {
        let mut stream = body.into_data_stream();
        let mut taken = Vec::new();
        let mut cut = None;
        let read = async {
            while let Some(chunk) = stream.next().await {
                let Ok(chunk) = chunk else {
                    cut = Some("the body broke off");
                    break;
                };
                let room = self.settings.max_body - taken.len();
                taken.extend_from_slice(&chunk[..chunk.len().min(room)]);
                if chunk.len() > room {
                    cut = Some(TOO_LONG);
                    break;
                }
            }
        };
        if tokio::time::timeout(BODY_PATIENCE, read).await.is_err() {
            cut = Some("the body took too long");
        }
        (taken.into(), cut)
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
