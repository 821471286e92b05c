//! How requests come in: an HTTP/1.1 server on a listener that the caller has bound.
//!
//! Every server of the house is a tower service (axum's `Router` is one) given to [`Server`].
//! A failing `accept` never ends a server, a slow TLS handshake never holds up another
//! connection, and a service that answers with an error has its connection closed without an
//! answer. Not here: what is answered.

mod recorder;

use std::future::{Future, poll_fn};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::Service;

pub use recorder::RawHead;
use recorder::Recorder;

/// How long requests that are being answered may take once the server is told to stop.
const GRACE: Duration = Duration::from_secs(1);
/// Longest TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Pause after an `accept` that failed for want of something (descriptors, memory): at once it would fail again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where a request came from, put into its extensions by a server that records heads.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub std::net::SocketAddr);

/// Longest head, in bytes, of a request that is to be brief: what browsers send is much shorter.
const SHORT: usize = 16 * 1024;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What is done with what one connection did instead of asking: in words, for people.
type OnFault = Arc<dyn Fn(std::net::SocketAddr, String) + Send + Sync>;

/// An HTTP server about to run.
pub struct Server {
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    auto_date: bool,
    record_heads: bool,
    on_fault: Option<OnFault>,
    connections: Arc<AtomicU64>,
    brief: Option<Brief>,
}

/// Connections of one request each, so many at a time, none of which lasts longer.
#[derive(Debug, Clone, Copy)]
struct Brief {
    most: usize,
    longest: Duration,
}

impl Server {
    /// A server of plain HTTP on `listener`.
    #[must_use]
    pub fn new(listener: TcpListener) -> Self {
        Self {
            listener,
            tls: None,
            auto_date: true,
            record_heads: false,
            on_fault: None,
            connections: Arc::default(),
            brief: None,
        }
    }

    /// The same over TLS.
    #[must_use]
    pub fn tls(self, config: Arc<rustls::ServerConfig>) -> Self {
        Self { tls: Some(config), ..self }
    }

    /// Takes `most` connections at a time, each for one request of a short head, and ends it after `longest`.
    #[must_use]
    pub fn brief(self, most: usize, longest: Duration) -> Self {
        Self { brief: Some(Brief { most, longest }), ..self }
    }

    /// Leaves the `Date` header to the service, which may have a clock of its own or send none.
    #[must_use]
    pub fn without_date(self) -> Self {
        Self { auto_date: false, ..self }
    }

    /// Gives each request its [`RawHead`] and [`Peer`], and each connection one request.
    #[must_use]
    pub fn record_heads(self) -> Self {
        Self { record_heads: true, ..self }
    }

    /// Tells of connections that end without a whole request or answer.
    #[must_use]
    pub fn on_fault(self, tell: impl Fn(std::net::SocketAddr, String) + Send + Sync + 'static) -> Self {
        Self { on_fault: Some(Arc::new(tell)), ..self }
    }

    /// Counts accepted connections into `count`.
    #[must_use]
    pub fn count_connections(self, count: Arc<AtomicU64>) -> Self {
        Self { connections: count, ..self }
    }

    /// Serves until `stop` completes, then lets requests that are being answered finish, for a second at most.
    pub async fn serve<S, B>(self, service: S, stop: impl Future<Output = ()>)
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send,
        S::Error: Into<BoxError>,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        let mut stop = std::pin::pin!(stop);
        let (running, stopping) = watch::channel(());
        let mut connections = JoinSet::new();
        loop {
            while self.brief.is_some_and(|brief| connections.len() >= brief.most) {
                tokio::select! {
                    () = &mut stop => return,
                    _ = connections.join_next() => {}
                }
            }
            let accepted = tokio::select! {
                () = &mut stop => break,
                accepted = self.listener.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::debug!(%error, "could not accept a connection");
                    if !concerns_one_connection(&error) {
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                    continue;
                }
            };
            while connections.try_join_next().is_some() {}
            self.connections.fetch_add(1, Ordering::Relaxed);
            // Answers are small and written whole: waiting for more only delays them.
            let _ = stream.set_nodelay(true);
            let (service, stopping) = (service.clone(), stopping.clone());
            let (tls, auto_date) = (self.tls.clone(), self.auto_date);
            let (record, brief) = (self.record_heads, self.brief);
            let on_fault = self.on_fault.clone();
            let faulty = move |fault: String| {
                tracing::debug!(%peer, fault, "a connection ended early");
                if let Some(tell) = on_fault {
                    tell(peer, fault);
                }
            };
            connections.spawn(async move {
                let Some(config) = tls else {
                    let head = RawHead::default();
                    let origin = record.then(|| (head.clone(), Peer(peer)));
                    let stream: Box<dyn Stream> =
                        if record { Box::new(Recorder { inner: stream, head }) } else { Box::new(stream) };
                    let conversation = converse(stream, service, auto_date, brief, origin, stopping);
                    return within(brief, conversation).await.unwrap_or_else(faulty);
                };
                let handshake = tokio_rustls::TlsAcceptor::from(config).accept(stream);
                match tokio::time::timeout(HANDSHAKE, handshake).await {
                    Ok(Ok(stream)) => {
                        let stream = Box::new(stream);
                        let conversation = converse(stream, service, auto_date, brief, None, stopping);
                        within(brief, conversation).await.unwrap_or_else(faulty);
                    }
                    Ok(Err(error)) => tracing::debug!(%peer, %error, "TLS handshake failed"),
                    Err(_) => tracing::debug!(%peer, "TLS handshake took too long"),
                }
            });
        }
        drop(running);
        let _ = tokio::time::timeout(GRACE, async { while connections.join_next().await.is_some() {} }).await;
    }
}

/// A connection of any kind: one type for all of them keeps the server from being compiled for each.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<I: AsyncRead + AsyncWrite + Unpin + Send> Stream for I {}

/// Ends a conversation that has to be brief and isn't.
async fn within(
    brief: Option<Brief>,
    conversation: impl Future<Output = Result<(), String>>,
) -> Result<(), String> {
    let Some(brief) = brief else { return conversation.await };
    let ended = tokio::time::timeout(brief.longest, conversation).await;
    ended.unwrap_or_else(|_| Err(format!("not over within {:?}", brief.longest)))
}

/// How the requests of one connection came, where that is kept.
type Origin = Option<(RawHead, Peer)>;

async fn converse<S, B>(
    stream: Box<dyn Stream>,
    service: S,
    auto_date: bool,
    brief: Option<Brief>,
    origin: Origin,
    mut stopping: watch::Receiver<()>,
) -> Result<(), String>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let keep_alive = origin.is_none() && brief.is_none();
    let service = service_fn(move |mut request: Request<Incoming>| {
        let mut service = service.clone();
        if let Some((head, peer)) = &origin {
            request.extensions_mut().insert(head.clone());
            request.extensions_mut().insert(*peer);
        }
        async move {
            poll_fn(|context| service.poll_ready(context)).await?;
            service.call(request).await
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).auto_date_header(auto_date).keep_alive(keep_alive);
    if brief.is_some() {
        builder.max_buf_size(SHORT);
    }
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        // The sender is never used but dropped.
        _ = stopping.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    ended.map_err(|error| crate::causes::with_causes(&error))
}

fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    matches!(error.kind(), K::ConnectionRefused | K::ConnectionAborted | K::ConnectionReset)
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::task::{Context, Poll};

    use axum::body::Body as AxumBody;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::sync::oneshot;

    async fn bound() -> (TcpListener, std::net::SocketAddr) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    async fn ask(address: std::net::SocketAddr) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        stream
    }

    async fn rest(mut stream: TcpStream) -> String {
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    #[tokio::test]
    async fn a_stop_lets_an_answer_finish_and_ends_idle_connections() {
        let (listener, address) = bound().await;
        let (stop, stopped) = oneshot::channel::<()>();
        let (asked, mut arrived) = tokio::sync::mpsc::channel::<oneshot::Sender<()>>(1);
        let answer = get(move || async move {
            let (go, gone) = oneshot::channel();
            asked.send(go).await.unwrap();
            gone.await.unwrap();
            "finished"
        });
        let router = axum::Router::new().route("/", answer);
        let count = Arc::new(AtomicU64::new(0));
        let server = Server::new(listener).count_connections(Arc::clone(&count));
        let server = tokio::spawn(server.serve(router, async { drop(stopped.await) }));
        let idle = TcpStream::connect(address).await.unwrap();
        let busy = ask(address).await;
        let go = arrived.recv().await.unwrap();
        stop.send(()).unwrap();
        go.send(()).unwrap();
        assert!(rest(busy).await.ends_with("finished"));
        assert_eq!(rest(idle).await, "");
        server.await.unwrap();
        assert_eq!(count.load(Ordering::Relaxed), 2);
        assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
    }

    /// Refuses to answer.
    #[derive(Clone)]
    struct Mute;

    impl Service<Request<Incoming>> for Mute {
        type Response = Response<AxumBody>;
        type Error = BoxError;
        type Future = std::future::Ready<Result<Response<AxumBody>, BoxError>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<Incoming>) -> Self::Future {
            std::future::ready(Err("no".into()))
        }
    }

    #[tokio::test]
    async fn a_service_that_fails_ends_the_connection_without_an_answer() {
        let (listener, address) = bound().await;
        tokio::spawn(Server::new(listener).serve(Mute, std::future::pending()));
        assert_eq!(rest(ask(address).await).await, "");
        assert_eq!(rest(ask(address).await).await, "", "the server goes on");
    }

    #[tokio::test(start_paused = true)]
    async fn who_stalls_a_brief_server_is_put_out_and_holds_up_others_no_longer() {
        let (listener, address) = bound().await;
        let longest = Duration::from_secs(10);
        let router = axum::Router::new().route("/", get(|| async { "here" }));
        tokio::spawn(Server::new(listener).brief(2, longest).serve(router, std::future::pending()));
        let first = ask(address).await;
        assert!(rest(first).await.ends_with("here"), "and the connection ends with its request");
        let started = tokio::time::Instant::now();
        let stalled =
            [TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap()];
        let waiting = ask(address).await;
        assert!(rest(waiting).await.ends_with("here"));
        assert!(started.elapsed() >= longest, "two at a time");
        for stream in stalled {
            assert_eq!(rest(stream).await, "");
        }
        let mut long = TcpStream::connect(address).await.unwrap();
        let head = format!("GET / HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "x".repeat(SHORT));
        let _ = long.write_all(head.as_bytes()).await;
        assert!(rest(long).await.starts_with("HTTP/1.1 431 "));
    }

    #[tokio::test]
    async fn the_date_is_the_services_own_where_it_wants_to() {
        let router = axum::Router::new().route("/", get(|| async { ([("connection", "close")], "x") }));
        let (listener, address) = bound().await;
        tokio::spawn(Server::new(listener).serve(router.clone(), std::future::pending()));
        assert!(rest(ask(address).await).await.contains("date: "));
        let (listener, address) = bound().await;
        tokio::spawn(Server::new(listener).without_date().serve(router, std::future::pending()));
        assert!(!rest(ask(address).await).await.contains("date: "));
    }
}
