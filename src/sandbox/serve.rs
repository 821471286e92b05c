//! The world on ports: the metadata service, the API and DNS, for programs of all kinds.
//!
//! Not here: which command runs in it and what is printed (`cli`).

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body as AxumBody;
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{Request, Response, StatusCode};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::listen::Server;
use crate::secret::ExposeSecret;

use super::answer::{Answer, response};
use super::dns_server;
use super::fault::Script;
use super::instance::Instance;
use super::latency::Latency;
use super::log::Side;
use super::route53::MAX_BODY;
use super::tls::{Tls, TlsError};
use super::world::{EditError, World};

/// Variables that would lead a client past the sandbox's own credentials and addresses. Whoever runs
/// a command in the sandbox takes them out of its environment.
pub const SHADOWING: &[&str] = &[
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_ENDPOINT_URL",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_CA_BUNDLE",
];

/// What a sandbox is to be.
pub struct Options {
    /// Where the metadata service listens; port 0 is any that is free.
    pub imds: SocketAddr,
    pub aws: SocketAddr,
    /// `None` leaves DNS out.
    pub dns: Option<SocketAddr>,
    /// The API over TLS; the file is where its certificate authority is written to.
    pub tls: Option<PathBuf>,
    /// Exports a long-lived key. The role has credentials anyway, as on an instance.
    pub keys: bool,
    /// Names of public zones.
    pub zones: Vec<String>,
    pub faults: Vec<Script>,
    pub latency: Latency,
    pub instance: Instance,
}

impl Default for Options {
    /// Free ports of the loopback, plain HTTP, the zone `example.com`.
    fn default() -> Self {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            imds: free,
            aws: free,
            dns: Some(free),
            tls: None,
            keys: false,
            zones: vec!["example.com".to_owned()],
            faults: Vec::new(),
            latency: Latency::default(),
            instance: Instance::default(),
        }
    }
}

/// A sandbox that can't be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("could not listen on {address} for {service}")]
    Bind {
        service: &'static str,
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("could not make the zone '{name}'")]
    Zone {
        name: String,
        #[source]
        source: EditError,
    },
    #[error("could not set up TLS")]
    Tls(#[source] TlsError),
    #[error("could not write the certificate authority to {}", .path.display())]
    CaFile {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// A sandbox that runs. It ends when this is dropped, or in order by [`stop`](Self::stop).
pub struct Running {
    pub world: Arc<World>,
    pub imds: SocketAddr,
    pub aws: SocketAddr,
    pub dns: Option<SocketAddr>,
    /// The variables that point any AWS client at it.
    pub exports: Vec<(String, String)>,
    stop: watch::Sender<()>,
    servers: JoinSet<()>,
}

impl Running {
    /// Stops serving; what is being answered is answered, for a second at most.
    pub async fn stop(mut self) {
        drop(self.stop);
        while self.servers.join_next().await.is_some() {}
    }
}

/// Starts a sandbox. The world's time is `clock`'s, certificates are valid by it too.
///
/// # Errors
/// When a port can't be had, a zone's name is none, or TLS can't be set up.
pub async fn start(options: Options, clock: Arc<dyn Clock>) -> Result<Running, StartError> {
    let machine_time = clock.now();
    let world = World::new(clock);
    for name in &options.zones {
        world.add_zone(name).map_err(|source| StartError::Zone { name: name.clone(), source })?;
    }
    world.set_latency(options.latency);
    world.with_instance(|instance| *instance = options.instance);
    for fault in options.faults {
        world.inject(fault);
    }

    let (imds_listener, imds) = bind("the metadata service", options.imds).await?;
    let (aws_listener, aws) = bind("the Route 53 API", options.aws).await?;
    let (stop, stopping) = watch::channel(());
    let mut servers = JoinSet::new();
    let (metadata_count, api_count) = {
        let state = world.lock();
        (Arc::clone(&state.log.connections.metadata), Arc::clone(&state.log.connections.api))
    };

    let scheme = if options.tls.is_some() { "https" } else { "http" };
    let region = world.with_instance(|instance| instance.placement.region.clone());
    let mut exports = vec![
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT".to_owned(), format!("http://{imds}")),
        ("AWS_ENDPOINT_URL_ROUTE_53".to_owned(), format!("{scheme}://{aws}")),
        ("AWS_ENDPOINT_URL_STS".to_owned(), format!("{scheme}://{aws}")),
        ("AWS_REGION".to_owned(), region.clone()),
        ("AWS_DEFAULT_REGION".to_owned(), region),
        // Whoever works in the sandbox works with its credentials, and not with those of a home directory.
        ("AWS_CONFIG_FILE".to_owned(), "/dev/null".to_owned()),
        ("AWS_SHARED_CREDENTIALS_FILE".to_owned(), "/dev/null".to_owned()),
    ];

    let server = Server::new(imds_listener).without_date().count_connections(metadata_count);
    servers.spawn(server.serve(Answering::of(&world, Side::Metadata), ended(stopping.clone())));
    let mut server = Server::new(aws_listener).without_date().count_connections(api_count);
    if let Some(path) = options.tls {
        let tls = Tls::new(machine_time).map_err(StartError::Tls)?;
        std::fs::write(&path, &tls.ca_pem)
            .map_err(|source| StartError::CaFile { path: path.clone(), source })?;
        exports.push(("AWS_CA_BUNDLE".to_owned(), path.display().to_string()));
        server = server.tls(tls.config);
    }
    servers.spawn(server.serve(Answering::of(&world, Side::Api), ended(stopping.clone())));

    let dns = match options.dns {
        None => None,
        Some(address) => {
            let (udp, tcp, bound) = bind_dns(address).await?;
            let (world, stopped) = (Arc::clone(&world), ended(stopping));
            servers.spawn(async move {
                tokio::select! {
                    () = dns_server::serve(world, udp, tcp) => {}
                    () = stopped => {}
                }
            });
            // The names of its zones' name servers lead to Amazon's.
            exports.push(("PIN53_AUDIT__NAME_SERVERS".to_owned(), bound.to_string()));
            Some(bound)
        }
    };
    if options.keys {
        let key = world.long_lived_credentials();
        exports.push(("AWS_ACCESS_KEY_ID".to_owned(), key.key_id));
        exports.push(("AWS_SECRET_ACCESS_KEY".to_owned(), key.secret.expose_secret().to_owned()));
    }
    Ok(Running { world, imds, aws, dns, exports, stop, servers })
}

async fn ended(mut stopping: watch::Receiver<()>) {
    // The sender is never used but dropped.
    let _ = stopping.changed().await;
}

async fn bind(service: &'static str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Bind { service, address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// UDP and TCP on one port. A port that is free for the one may be taken for the other, so that
/// any port is looked for a few times.
async fn bind_dns(address: SocketAddr) -> Result<(UdpSocket, TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Bind { service: "DNS", address, source };
    let mut attempts = if address.port() == 0 { 16 } else { 1 };
    loop {
        attempts -= 1;
        let udp = UdpSocket::bind(address).await.map_err(failed)?;
        let bound = udp.local_addr().map_err(failed)?;
        match TcpListener::bind(bound).await {
            Ok(tcp) => return Ok((udp, tcp, bound)),
            Err(source) if attempts == 0 => return Err(failed(source)),
            Err(_) => {}
        }
    }
}

/// A side of the world as a service of HTTP.
#[derive(Clone)]
struct Answering {
    world: Arc<World>,
    side: Side,
}

impl Answering {
    fn of(world: &Arc<World>, side: Side) -> Self {
        Self { world: Arc::clone(world), side }
    }
}

/// There is no answer: the connection is to end.
#[derive(Debug, thiserror::Error)]
#[error("the answer is withheld")]
struct Withheld;

impl tower::Service<Request<Incoming>> for Answering {
    type Response = Response<Sent>;
    type Error = Withheld;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Sent>, Withheld>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Withheld>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let Self { world, side } = self.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let Ok(body) = axum::body::to_bytes(AxumBody::new(body), MAX_BODY).await else {
                let answer = response(StatusCode::PAYLOAD_TOO_LARGE, "text/plain", "The body is too large\n");
                return Ok(answer.map(|body| Sent::Whole(Some(body))));
            };
            let request = Request::from_parts(parts, body);
            let answer = match side {
                Side::Metadata => world.metadata(request).await,
                Side::Api => world.route53(request).await,
            };
            match answer {
                Answer::Whole(response) => Ok(response.map(|body| Sent::Whole(Some(body)))),
                Answer::Cut(mut response) => {
                    let whole = response.body().len();
                    response.headers_mut().insert(CONTENT_LENGTH, whole.into());
                    Ok(response.map(|body| Sent::Cut { left: Some(body.slice(..whole / 2)), flushed: false }))
                }
                Answer::Endless(response) => Ok(response.map(Sent::Endless)),
                Answer::Dropped => Err(Withheld),
                Answer::Silent => std::future::pending().await,
            }
        })
    }
}

/// A body as it is sent.
enum Sent {
    Whole(Option<Bytes>),
    Cut { left: Option<Bytes>, flushed: bool },
    Endless(Bytes),
}

impl Body for Sent {
    type Data = Bytes;
    type Error = Withheld;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Withheld>>> {
        match &mut *self {
            Self::Whole(body) => Poll::Ready(body.take().map(|body| Ok(Frame::data(body)))),
            Self::Endless(part) => Poll::Ready(Some(Ok(Frame::data(part.clone())))),
            Self::Cut { left, flushed } => {
                if let Some(left) = left.take() {
                    return Poll::Ready(Some(Ok(Frame::data(left))));
                }
                // What came before is sent while the rest is waited for, and not thrown away with the error.
                if !std::mem::replace(flushed, true) {
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Ready(Some(Err(Withheld)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => SizeHint::with_exact(body.as_ref().map_or(0, |b| b.len() as u64)),
            Self::Cut { .. } | Self::Endless(_) => SizeHint::default(),
        }
    }
}
