//! How a DNS message leaves, and how its answer comes back: over UDP or TCP.
//!
//! Not here: what is in the messages, and when to give up on a server (`dns_client`).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use super::BoxFuture;

/// Largest answer over UDP that is taken, far above what servers send (DNS flag day 2020: 1232).
const LARGEST_DATAGRAM: usize = 4096;
/// After so many datagrams that don't answer the question, somebody is guessing.
const MOST_STRANGERS: usize = 64;

/// By which way a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Udp,
    Tcp,
}

/// Brings DNS messages to servers, and finds servers by their host names.
pub trait Datagrams: Send + Sync {
    /// Sends `message` to `server` and gives what comes back from there with the same id, its first two
    /// bytes. It may never resolve.
    ///
    /// # Errors
    /// When nothing can be sent, or no answer will come.
    fn exchange(&self, server: SocketAddr, message: Vec<u8>, way: Way) -> BoxFuture<'_, io::Result<Vec<u8>>>;

    /// The addresses of a host.
    ///
    /// # Errors
    /// When they can't be found out.
    fn addresses<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// Messages over sockets, hosts by the system's resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sockets;

impl Datagrams for Sockets {
    fn exchange(&self, server: SocketAddr, message: Vec<u8>, way: Way) -> BoxFuture<'_, io::Result<Vec<u8>>> {
        Box::pin(async move {
            match way {
                Way::Udp => over_udp(server, &message).await,
                Way::Tcp => over_tcp(server, &message).await,
            }
        })
    }

    fn addresses<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            // The port is only there because the resolver wants one.
            let found = tokio::net::lookup_host((host, 53)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

async fn over_udp(server: SocketAddr, message: &[u8]) -> io::Result<Vec<u8>> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    // A port of the system's choice for each question; connected, it hears of nobody else.
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    socket.send(message).await?;
    let mut buffer = vec![0; LARGEST_DATAGRAM];
    for _ in 0..MOST_STRANGERS {
        let length = socket.recv(&mut buffer).await?;
        if length >= 2 && message.get(..2) == buffer.get(..2) {
            buffer.truncate(length);
            return Ok(buffer);
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "datagrams with other ids"))
}

/// A message with its length before it (RFC 1035 section 4.2.2), so that no answer is above 64 KiB.
async fn over_tcp(server: SocketAddr, message: &[u8]) -> io::Result<Vec<u8>> {
    let length = u16::try_from(message.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut stream = TcpStream::connect(server).await?;
    stream.write_all(&[&length.to_be_bytes()[..], message].concat()).await?;
    let length = stream.read_u16().await?;
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}
