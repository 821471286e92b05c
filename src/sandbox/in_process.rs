//! The world as a transport: no sockets, no time but tokio's.
//!
//! A request looks to the world as it would when it came over a socket, and what comes back, or
//! doesn't, is what the real transport would make of it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, Response, Uri};

use crate::transport::{BoxFuture, Datagrams, Error, Transport, Way};

use super::answer::Answer;
use super::log::Side;
use super::world::World;

/// Sends to a [`World`] in the same process.
///
/// The metadata service is at its real addresses, the API and STS at hosts whose names begin with `route53` and `sts`;
/// [`at`](Self::at) gives either another one. Nobody is at home anywhere else.
#[derive(Clone)]
pub struct InProcess {
    world: Arc<World>,
    hosts: Vec<(String, Side)>,
    timeout: Duration,
    body_limit: usize,
}

impl InProcess {
    /// A transport with the bounds of a real one: 10 s, and 4 MiB for an answer.
    #[must_use]
    pub fn new(world: Arc<World>) -> Self {
        let hosts = ["169.254.169.254", "[fd00:ec2::254]"].map(|host| (host.to_owned(), Side::Metadata));
        Self { world, hosts: hosts.to_vec(), timeout: Duration::from_secs(10), body_limit: 4 << 20 }
    }

    /// How long an answer may take.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Has a service answer at another host, or host and port.
    #[must_use]
    pub fn at(mut self, authority: &str, side: Side) -> Self {
        self.hosts.push((authority.to_owned(), side));
        self
    }

    fn side(&self, uri: &Uri) -> Option<Side> {
        let authority = uri.authority()?;
        let known = |(host, _): &&(String, Side)| host == authority.as_str() || host == authority.host();
        match self.hosts.iter().find(known) {
            Some((_, side)) => Some(*side),
            None if ["route53", "sts"].iter().any(|name| authority.host().starts_with(name)) => {
                Some(Side::Api)
            }
            None => None,
        }
    }

    async fn exchange(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, Error> {
        let host = request.uri().authority().map_or_else(String::new, ToString::to_string);
        let Some(side) = self.side(request.uri()) else {
            return Err(Error::Connect { host, source: None });
        };
        let head = request.method() == Method::HEAD;
        as_it_arrives(&mut request, &host)
            .map_err(|source| Error::Request { host: host.clone(), source: Some(source.into()) })?;
        let answering = async {
            match side {
                Side::Metadata => self.world.metadata(request).await,
                Side::Api => self.world.route53(request).await,
            }
        };
        let waited = tokio::time::timeout(self.timeout, async {
            match answering.await {
                Answer::Silent => std::future::pending().await,
                answer => answer,
            }
        });
        match waited.await {
            Err(_) => Err(Error::Timeout { host, after: self.timeout }),
            Ok(Answer::Whole(mut response)) => {
                if head {
                    *response.body_mut() = Bytes::new();
                }
                if response.body().len() > self.body_limit {
                    return Err(Error::TooLarge { host, limit: self.body_limit });
                }
                Ok(response)
            }
            Ok(Answer::Endless(_)) => Err(Error::TooLarge { host, limit: self.body_limit }),
            Ok(Answer::Cut(_) | Answer::Dropped | Answer::Silent) => Err(Error::Cut { host, source: None }),
        }
    }
}

impl Transport for InProcess {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, Error>> {
        Box::pin(self.exchange(request))
    }
}

/// The first two bytes of the addresses of Route 53's name servers; the others are the number in their names.
const NAME_SERVERS: [u8; 2] = [205, 251];

/// The resolver of each network of Amazon's.
const RESOLVER: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 169, 253));

/// The name servers of the world's zones, at addresses that go with their names, and the network's resolver.
impl Datagrams for InProcess {
    fn exchange(&self, server: SocketAddr, message: Vec<u8>, way: Way) -> BoxFuture<'_, io::Result<Vec<u8>>> {
        Box::pin(async move {
            if server == SocketAddr::new(RESOLVER, 53) {
                return self.world.resolve(&message).ok_or_else(|| io::ErrorKind::InvalidData.into());
            }
            let ours = matches!(server.ip(), IpAddr::V4(v4) if v4.octets()[..2] == NAME_SERVERS);
            match self.world.answer_dns(&message, way) {
                Some(answer) if ours && server.port() == 53 => Ok(answer),
                _ => std::future::pending().await,
            }
        })
    }

    fn addresses<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        let known =
            self.world.lock().zones.values().any(|zone| zone.delegation().iter().any(|ns| ns == host));
        let number = host.strip_prefix("ns-").and_then(|rest| rest.split('.').next()?.parse::<u16>().ok());
        let found = match number {
            Some(number) if known => {
                let ([a, b], [c, d]) = (NAME_SERVERS, number.to_be_bytes());
                Ok(vec![Ipv4Addr::new(a, b, c, d).into()])
            }
            _ => Err(io::ErrorKind::NotFound.into()),
        };
        Box::pin(std::future::ready(found))
    }
}

/// Over a socket, a request has its host in a header, and only path and query in its first line.
fn as_it_arrives(request: &mut Request<Bytes>, host: &str) -> Result<(), http::Error> {
    if !request.headers().contains_key(HOST) {
        let host = HeaderValue::from_str(host)?;
        request.headers_mut().insert(HOST, host);
    }
    let target = request.uri().path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
    *request.uri_mut() = Uri::from(target);
    Ok(())
}
