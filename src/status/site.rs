//! The views over HTTP: `/`, `/status.json`, `/metrics`, `/healthz`, `/readyz`. Only reads, and knows no secret.
//!
//! Not here: which address is listened on, and whether (the caller's).

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use tokio::net::TcpListener;

use super::{Format, Health, health, metrics, page};
use crate::board::{Board, Snapshot};
use crate::clock::Timestamp;
use crate::listen::Server;
use crate::transport::Tally;

/// Connections at a time. One more waits until another has ended.
const CONNECTIONS: usize = 32;
/// A connection is one request, and takes no longer than this: who is slow takes nobody's place for long.
const LONGEST: Duration = Duration::from_secs(10);

/// What is served.
#[derive(Clone)]
pub struct Site {
    pub board: Arc<Board>,
    pub tally: Arc<Tally>,
}

/// Serves until `stop` resolves.
pub async fn serve(site: Site, listener: TcpListener, stop: impl Future<Output = ()>) {
    // What answers on the loopback interface alone is meant for this machine.
    let is_local = listener.local_addr().is_ok_and(|address| address.ip().is_loopback());
    let router = Router::new().fallback(answer).with_state((site, is_local));
    Server::new(listener).brief(CONNECTIONS, LONGEST).serve(router, stop).await;
}

async fn answer(State((site, is_local)): State<(Site, bool)>, request: Request<Body>) -> Response<Body> {
    let answer = site.answer(request.method(), request.uri().path(), request.headers(), is_local);
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(policy) = HeaderValue::from_str(&page::content_security_policy()) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    if answer.status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}

struct Answer {
    status: StatusCode,
    content_type: &'static str,
    body: String,
}

impl Answer {
    fn plain(status: StatusCode, body: impl Into<String>) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", body: body.into() }
    }

    fn made<E>(content_type: &'static str, body: Result<String, E>) -> Self {
        match body {
            Ok(body) => Self { status: StatusCode::OK, content_type, body },
            Err(_) => Self::plain(StatusCode::INTERNAL_SERVER_ERROR, "this could not be put into words\n"),
        }
    }
}

impl Site {
    fn answer(&self, method: &Method, path: &str, headers: &HeaderMap, is_local: bool) -> Answer {
        if is_local && !names_this_machine(headers) {
            let why =
                "expected localhost or an address as the host: a page elsewhere may be asking in your name\n";
            return Answer::plain(StatusCode::MISDIRECTED_REQUEST, why);
        }
        let (snapshot, now) = (self.board.snapshot(), self.board.now());
        let answer = match path {
            "/" => Answer::made(
                "text/html; charset=utf-8",
                page::page(&snapshot, now, health_of(&snapshot, now)),
            ),
            "/status.json" => {
                let document = serde_json::to_string(&snapshot).map(|text| text + "\n");
                Answer::made("application/json", document)
            }
            "/metrics" => {
                let format = format_for(headers);
                let text = metrics(&snapshot, &self.tally.read(), now, format);
                Answer { status: StatusCode::OK, content_type: format.content_type(), body: text }
            }
            "/healthz" => alive(&snapshot, now),
            "/readyz" => {
                let status = if snapshot.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
                Answer::plain(status, snapshot.words() + "\n")
            }
            _ => {
                return Answer::plain(
                    StatusCode::NOT_FOUND,
                    "there is /, /status.json, /metrics, /healthz and /readyz\n",
                );
            }
        };
        if *method == Method::GET || *method == Method::HEAD {
            return answer;
        }
        Answer::plain(StatusCode::METHOD_NOT_ALLOWED, "nothing can be changed here: GET or HEAD\n")
    }
}

fn health_of(snapshot: &Snapshot, now: Timestamp) -> Health {
    let interval = Duration::try_from_secs_f64(snapshot.interval).unwrap_or_default();
    Health::of(snapshot, now, interval)
}

/// Whether the daemon does its work, whatever comes of it.
fn alive(snapshot: &Snapshot, now: Timestamp) -> Answer {
    let loop_alone = Snapshot { records: Vec::new(), ..snapshot.clone() };
    match health_of(&loop_alone, now) {
        stale @ Health::Stale(_) => {
            Answer::plain(StatusCode::SERVICE_UNAVAILABLE, health(stale, snapshot) + "\n")
        }
        Health::Fresh(_) | Health::Unknown => Answer::plain(StatusCode::OK, "alive\n"),
    }
}

/// OpenMetrics, unless plain text and not OpenMetrics is asked for.
fn format_for(headers: &HeaderMap) -> Format {
    let accepts = |media: &str| {
        let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        accepted.flat_map(|value| value.split(',')).any(|range| range.trim_start().starts_with(media))
    };
    if accepts("text/plain") && !accepts("application/openmetrics-text") {
        Format::Plain
    } else {
        Format::OpenMetrics
    }
}

/// Whether a request's host is an address or `localhost`, and not a name that somebody elsewhere may have pointed
/// at this machine (DNS rebinding). Browsers always tell a host.
fn names_this_machine(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST) else { return true };
    let Ok(host) = host.to_str() else { return false };
    let host = match host.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => host,
    };
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    let is_address = host.parse::<std::net::Ipv4Addr>().is_ok() || host.starts_with('[');
    is_address || name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosted(host: &str) -> bool {
        names_this_machine(&HeaderMap::from_iter([(header::HOST, host.parse().unwrap())]))
    }

    #[test]
    fn only_names_of_this_machine_are_answered_on_its_own_interface() {
        for host in
            ["127.0.0.1:9353", "127.0.0.1", "localhost:9353", "LOCALHOST", "[::1]:9353", "pin53.localhost"]
        {
            assert!(hosted(host), "{host}");
        }
        for host in
            ["evil.example", "evil.example:9353", "127.0.0.1.evil.example", "localhost.evil.example:80", ""]
        {
            assert!(!hosted(host), "{host}");
        }
        assert!(names_this_machine(&HeaderMap::new()), "HTTP/1.0 has no host");
    }

    #[test]
    fn plain_text_is_for_those_that_ask_for_it_and_for_nothing_else() {
        let format =
            |accept: &str| format_for(&HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]));
        assert_eq!(format_for(&HeaderMap::new()), Format::OpenMetrics);
        assert_eq!(format("*/*"), Format::OpenMetrics);
        assert_eq!(format("text/plain;version=0.0.4"), Format::Plain);
        let prometheus =
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1";
        assert_eq!(format(prometheus), Format::OpenMetrics);
    }
}
