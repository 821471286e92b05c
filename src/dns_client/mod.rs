//! One question to one DNS server: asked over UDP, and over TCP where that doesn't get through.
//!
//! Bounded in time, and nothing that a server sends can do more than be an error. Not here: which
//! server to ask, and whether to believe it. The sandbox's DNS server shares none of this.

mod message;
mod value;

#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::dns::{Name, RecordType};
use crate::transport::{Datagrams, Way};

/// Servers on the Internet answer within a tenth of this.
const OVER_UDP: Duration = Duration::from_secs(1);
/// A handshake and an answer.
const OVER_TCP: Duration = Duration::from_millis(1500);
/// No question takes longer than this.
pub const LONGEST: Duration = OVER_UDP.saturating_add(OVER_TCP);

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    pub name: Name,
    pub rtype: RecordType,
    /// The server may ask others; without this, it is to say only what it knows itself.
    pub recursive: bool,
}

/// What a server says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub code: Code,
    /// The server speaks for the zone that the name lies in.
    pub authoritative: bool,
    /// Rows of the types that pin53 knows; those of a name's aliases are among them.
    pub answers: Vec<Row>,
    pub authority: Vec<Row>,
}

/// How an answer is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The name exists; without answers, it has none of the type.
    NoError,
    /// There is no such name.
    NxDomain,
    /// The server doesn't speak for the name.
    Refused,
    /// Any other, by its number.
    Other(u16),
}

/// One resource record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub name: Name,
    pub rtype: RecordType,
    pub ttl: u32,
    /// As Route 53 writes it: host names with the final dot, TXT in quotation marks.
    pub value: String,
}

/// There is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no DNS answer from {server}")]
    NoAnswer {
        server: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("what {server} answered is no answer to the question")]
    Garbled { server: SocketAddr },
    #[error("the name can't be asked for: {0}")]
    Name(Name),
}

impl Answer {
    /// The rows of the very name and type that were asked for.
    pub fn of<'a>(&'a self, question: &'a Question) -> impl Iterator<Item = &'a Row> {
        self.answers.iter().filter(|row| row.name == question.name && row.rtype == question.rtype)
    }
}

/// Asks `server`, over UDP first, over TCP where the answer is too large for that or doesn't come.
///
/// # Errors
/// When there is no answer within [`LONGEST`], or none that belongs to the question.
pub async fn ask(
    datagrams: &dyn Datagrams,
    server: SocketAddr,
    question: &Question,
) -> Result<Answer, Error> {
    match attempt(datagrams, server, question, Way::Udp).await {
        Ok(message::Read::Whole(answer)) => return Ok(answer),
        Ok(message::Read::Cut) => {}
        Err(error @ Error::Name(_)) => return Err(error),
        Err(error) => tracing::trace!(%error, "asking again over TCP"),
    }
    match attempt(datagrams, server, question, Way::Tcp).await? {
        message::Read::Whole(answer) => Ok(answer),
        message::Read::Cut => Err(Error::Garbled { server }),
    }
}

async fn attempt(
    datagrams: &dyn Datagrams,
    server: SocketAddr,
    question: &Question,
    way: Way,
) -> Result<message::Read, Error> {
    let id = fastrand::u16(..);
    let sent = message::write(id, question).ok_or_else(|| Error::Name(question.name.clone()))?;
    let time = if way == Way::Udp { OVER_UDP } else { OVER_TCP };
    let answer = tokio::time::timeout(time, datagrams.exchange(server, sent, way)).await;
    let answer = answer.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    let answer = answer.map_err(|source| Error::NoAnswer { server, source })?;
    message::read(&answer, id, question).ok_or(Error::Garbled { server })
}
