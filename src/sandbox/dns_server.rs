//! DNS over UDP and TCP: messages in, messages out.
//!
//! Not here: what the zones answer (`dns_zone`).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Record, RecordType as WireType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::Instant;

use crate::dns::{Name, RecordType};
use crate::transport::Way;

use super::dns_zone::{Code, Reply, Rows, lookup};
use super::fault::Fault;
use super::value::{rdata, to_wire, wire_type};
use super::world::World;

/// Largest UDP answer, whatever the client would take: more may be broken up on the way (DNS flag day 2020).
const MAX_UDP: u16 = 1_232;
/// How long a TCP connection may last: enough for a few questions.
const LIFETIME: Duration = Duration::from_secs(10);

/// Pause after a socket's failure: at once it would fail again.
const PAUSE: Duration = Duration::from_millis(10);

impl World {
    /// Answers a DNS message; `None` for what no answer is due to.
    pub(super) fn answer_dns(&self, message: &[u8], way: Way) -> Option<Vec<u8>> {
        {
            let mut state = self.lock();
            state.log.asked_over_dns();
            if state.faults.strikes(Fault::DnsSilent, None, Instant::now()) {
                return None;
            }
        }
        let Ok(query) = Message::from_vec(message) else {
            let id = u16::from_be_bytes([*message.first()?, *message.get(1)?]);
            // A header that says it is an answer is not answered, lest two servers talk for ever.
            let is_query = message.len() >= 12 && message[2] & 0x80 == 0;
            let error = Message::error_msg(id, OpCode::Query, ResponseCode::FormErr);
            return is_query.then(|| error.to_vec().ok()).flatten();
        };
        if query.metadata.message_type != MessageType::Query {
            return None;
        }
        let answer = self.answer_message(&query);
        let limit = query.max_payload().min(MAX_UDP);
        let bytes = answer.to_vec().ok()?;
        if way == Way::Udp && bytes.len() > usize::from(limit) {
            return answer.truncate().to_vec().ok();
        }
        Some(bytes)
    }

    pub(super) fn answer_message(&self, query: &Message) -> Message {
        let mut answer = Message::response(query.metadata.id, query.metadata.op_code);
        answer.metadata.recursion_desired = query.metadata.recursion_desired;
        answer.add_queries(query.queries.iter().cloned());
        if query.edns.is_some() {
            let mut edns = Edns::new();
            edns.set_max_payload(MAX_UDP);
            answer.set_edns(edns);
        }
        let refused = match query.queries.as_slice() {
            _ if query.metadata.op_code != OpCode::Query => ResponseCode::NotImp,
            _ if query.version() > 0 => ResponseCode::BADVERS,
            [question] => match self.answer_question(question) {
                Some(reply) => {
                    fill(&mut answer, question, reply);
                    return answer;
                }
                None => ResponseCode::Refused,
            },
            _ => ResponseCode::FormErr,
        };
        answer.metadata.response_code = refused;
        answer
    }

    fn answer_question(&self, question: &Query) -> Option<Reply> {
        let asked = question.query_type();
        // Route 53 doesn't hand out whole zones either.
        let refused = matches!(asked, WireType::ANY | WireType::AXFR | WireType::IXFR);
        if question.query_class() != DNSClass::IN || refused {
            return None;
        }
        if self.lock().faults.strikes(Fault::DnsRefused, None, Instant::now()) {
            return None;
        }
        let name = from_wire(question.name())?;
        let rtype = RecordType::ALL.iter().copied().find(|t| wire_type(*t) == asked);
        Some(lookup(&mut self.lock(), &name, rtype, Instant::now()))
    }
}

fn fill(answer: &mut Message, question: &Query, reply: Reply) {
    answer.metadata.response_code = match reply.code {
        Code::NoError => ResponseCode::NoError,
        Code::NxDomain => ResponseCode::NXDomain,
        Code::Refused => ResponseCode::Refused,
    };
    answer.metadata.authoritative = reply.authoritative;
    for rows in reply.answers {
        answer.add_answers(records(&rows, question));
    }
    for rows in reply.authority {
        answer.add_authorities(records(&rows, question));
    }
}

fn records(rows: &Rows, question: &Query) -> Vec<Record> {
    // The name comes back in the case it was asked in: resolvers check that.
    let asked = from_wire(question.name()).is_some_and(|name| name == rows.name);
    let Some(name) = (if asked { Some(question.name().clone()) } else { to_wire(&rows.name) }) else {
        return Vec::new();
    };
    rows.values
        .iter()
        .filter_map(|value| rdata(rows.rtype, value).ok())
        .map(|data| Record::from_rdata(name.clone(), rows.ttl, data))
        .collect()
}

/// A name of a message; `None` for the root, which is no name of ours.
pub(super) fn from_wire(name: &hickory_proto::rr::Name) -> Option<Name> {
    let mut text = String::new();
    for label in name {
        for byte in label {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'*') {
                text.push(char::from(*byte));
            } else {
                use std::fmt::Write;
                let _ = write!(text, "\\{byte:03o}");
            }
        }
        text.push('.');
    }
    Name::parse(&text).ok()
}

/// Serves a world's zones until it is dropped.
pub(super) async fn serve(world: Arc<World>, udp: UdpSocket, tcp: TcpListener) {
    tokio::join!(serve_udp(&world, &udp), serve_tcp(&world, &tcp));
}

async fn serve_udp(world: &World, socket: &UdpSocket) {
    let mut buffer = vec![0; usize::from(u16::MAX)];
    loop {
        match socket.recv_from(&mut buffer).await {
            Ok((length, peer)) => {
                if let Some(answer) = world.answer_dns(&buffer[..length], Way::Udp)
                    && let Err(error) = socket.send_to(&answer, peer).await
                {
                    tracing::debug!(%error, %peer, "could not send a DNS answer");
                }
            }
            // Of an earlier answer's that found nobody at home, for instance.
            Err(error) => {
                tracing::debug!(%error, "could not receive a DNS question");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn serve_tcp(world: &Arc<World>, listener: &TcpListener) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                while connections.try_join_next().is_some() {}
                let world = Arc::clone(world);
                connections.spawn(async move {
                    if let Ok(Err(error)) = tokio::time::timeout(LIFETIME, converse(&world, stream)).await {
                        tracing::debug!(%error, "a DNS connection ended early");
                    }
                });
            }
            Err(error) => {
                tracing::debug!(%error, "could not accept a DNS connection");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Messages with their lengths before them (RFC 1035 section 4.2.2).
async fn converse(world: &World, mut stream: TcpStream) -> io::Result<()> {
    loop {
        let length = match stream.read_u16().await {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        };
        let mut message = vec![0; usize::from(length)];
        stream.read_exact(&mut message).await?;
        let Some(answer) = world.answer_dns(&message, Way::Tcp) else { return Ok(()) };
        let Ok(length) = u16::try_from(answer.len()) else { return Ok(()) };
        stream.write_all(&[&length.to_be_bytes()[..], &answer].concat()).await?;
    }
}
