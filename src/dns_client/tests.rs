//! The client against servers that answer what a test wants, and against sockets.

use std::net::{IpAddr, SocketAddr};
use std::sync::Mutex;

use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::rdata::{A, CNAME, TXT};
use hickory_proto::rr::{Name as WireName, RData, Record};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::transport::{BoxFuture, Sockets};

/// What is answered to a query, if anything.
type Script = fn(&Message) -> Option<Vec<u8>>;

/// Answers each way by its script, and counts.
struct Scripted {
    udp: Script,
    tcp: Script,
    ways: Mutex<Vec<Way>>,
}

impl Scripted {
    fn new(udp: Script, tcp: Script) -> Self {
        Self { udp, tcp, ways: Mutex::default() }
    }

    async fn ask(&self) -> Result<Answer, Error> {
        ask(self, server(), &question("vpn.example.com", RecordType::A)).await
    }

    fn ways(&self) -> Vec<Way> {
        self.ways.lock().unwrap().clone()
    }
}

impl Datagrams for Scripted {
    fn exchange(&self, _: SocketAddr, message: Vec<u8>, way: Way) -> BoxFuture<'_, io::Result<Vec<u8>>> {
        self.ways.lock().unwrap().push(way);
        let answer = if way == Way::Udp { self.udp } else { self.tcp };
        let answer = answer(&Message::from_vec(&message).unwrap());
        Box::pin(async move {
            match answer {
                Some(answer) => Ok(answer),
                None => std::future::pending().await,
            }
        })
    }

    fn addresses<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }
}

fn server() -> SocketAddr {
    ([192, 0, 2, 53], 53).into()
}

fn question(name: &str, rtype: RecordType) -> Question {
    Question { name: Name::parse(name).unwrap(), rtype, recursive: false }
}

/// The answer to a question: its own name, one address.
fn answered(query: &Message) -> Message {
    let mut answer = Message::response(query.metadata.id, query.metadata.op_code);
    answer.metadata.authoritative = true;
    answer.add_queries(query.queries.iter().cloned());
    let name = query.queries[0].name().clone();
    answer.add_answer(Record::from_rdata(name, 60, RData::A(A::new(198, 51, 100, 7))));
    answer
}

fn good(query: &Message) -> Option<Vec<u8>> {
    answered(query).to_vec().ok()
}

fn silent(_: &Message) -> Option<Vec<u8>> {
    None
}

#[tokio::test(start_paused = true)]
async fn an_answer_over_udp_is_enough() {
    let server = Scripted::new(good, silent);
    let answer = server.ask().await.unwrap();
    assert_eq!((answer.code, answer.authoritative), (Code::NoError, true));
    let question = question("vpn.example.com", RecordType::A);
    let rows: Vec<_> = answer.of(&question).map(|row| (row.ttl, row.value.as_str())).collect();
    assert_eq!(rows, [(60, "198.51.100.7")]);
    assert_eq!(server.ways(), [Way::Udp]);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_come_over_udp_is_asked_for_over_tcp() {
    fn cut(query: &Message) -> Option<Vec<u8>> {
        let mut answer = answered(query);
        answer.metadata.truncation = true;
        answer.to_vec().ok()
    }
    fn noise(query: &Message) -> Option<Vec<u8>> {
        (!query.queries.is_empty()).then(|| b"<html>".to_vec())
    }
    for udp in [cut, noise, silent] {
        let server = Scripted::new(udp, good);
        assert_eq!(server.ask().await.unwrap().answers.len(), 1);
        assert_eq!(server.ways(), [Way::Udp, Way::Tcp]);
        assert!(Scripted::new(udp, cut).ask().await.is_err(), "cut over TCP too is no answer");
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_given_up_in_time() {
    let started = tokio::time::Instant::now();
    let error = Scripted::new(silent, silent).ask().await.unwrap_err();
    assert!(matches!(error, Error::NoAnswer { .. }), "{error}");
    assert!(started.elapsed() <= LONGEST, "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_another_question_is_none() {
    type Spoil = fn(&mut Message);
    let spoils: [Spoil; 6] = [
        |answer| answer.metadata.id ^= 1,
        |answer| answer.metadata.message_type = MessageType::Query,
        |answer| {
            answer.queries[0].set_name(WireName::from_ascii("other.example.com.").unwrap());
        },
        |answer| {
            answer.queries[0].set_query_type(hickory_proto::rr::RecordType::AAAA);
        },
        |answer| answer.queries.clear(),
        |answer| answer.queries.push(answer.queries[0].clone()),
    ];
    let question = question("vpn.example.com", RecordType::A);
    for (n, spoil) in spoils.into_iter().enumerate() {
        let query = Message::from_vec(&message::write(7, &question).unwrap()).unwrap();
        let mut answer = answered(&query);
        assert!(message::read(&answer.to_vec().unwrap(), 7, &question).is_some());
        spoil(&mut answer);
        assert!(message::read(&answer.to_vec().unwrap(), 7, &question).is_none(), "{n}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_and_a_name_that_is_not_there_are_answers() {
    fn coded(query: &Message, code: ResponseCode) -> Option<Vec<u8>> {
        let mut answer = answered(query);
        answer.answers.clear();
        answer.metadata.response_code = code;
        answer.to_vec().ok()
    }
    let codes: [(Script, Code); 3] = [
        (|query| coded(query, ResponseCode::Refused), Code::Refused),
        (|query| coded(query, ResponseCode::NXDomain), Code::NxDomain),
        (|query| coded(query, ResponseCode::ServFail), Code::Other(2)),
    ];
    for (server, code) in codes {
        assert_eq!(Scripted::new(server, silent).ask().await.unwrap().code, code);
    }
}

#[test]
fn values_are_spelled_as_route_53_spells_them() {
    let host = WireName::from_labels([b"a*".as_slice(), b"B", b"x y"]).unwrap();
    assert_eq!(value::text(&RData::CNAME(CNAME(host))).unwrap(), "a\\052.b.x\\040y.");
    let strings = TXT::from_bytes(vec![b"say \"hi\" \\", b"\xe9", b""]);
    assert_eq!(value::text(&RData::TXT(strings)).unwrap(), r#""say \"hi\" \\" "\351" """#);
}

#[test]
fn every_type_has_its_number() {
    for rtype in RecordType::ALL {
        assert_eq!(value::known_type(value::wire_type(*rtype)), Some(*rtype));
    }
}

proptest! {
    #[test]
    fn nothing_on_the_wire_makes_it_panic(noise in prop::collection::vec(any::<u8>(), 0..200), place in 0usize..80) {
        let question = question("vpn.example.com", RecordType::A);
        let query = Message::from_vec(&message::write(7, &question).unwrap()).unwrap();
        let mut bytes = answered(&query).to_vec().unwrap();
        let place = place.min(bytes.len());
        for (byte, other) in bytes[place..].iter_mut().zip(&noise) {
            *byte = *other;
        }
        let _ = message::read(&bytes, 7, &question);
        let _ = message::read(&noise, 7, &question);
    }
}

#[tokio::test]
async fn over_sockets_a_stray_datagram_is_passed_over_and_tcp_serves_the_rest() {
    // A port that is free for the one may be taken for the other.
    let (udp, tcp, address) = loop {
        let udp = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = udp.local_addr().unwrap();
        if let Ok(tcp) = tokio::net::TcpListener::bind(address).await {
            break (udp, tcp, address);
        }
    };
    let serving = async {
        let mut buffer = [0; 600];
        let (length, peer) = udp.recv_from(&mut buffer).await.unwrap();
        let query = Message::from_vec(&buffer[..length]).unwrap();
        let mut stray = answered(&query);
        stray.metadata.id = query.metadata.id ^ 0x5555;
        udp.send_to(&stray.to_vec().unwrap(), peer).await.unwrap();
        let mut cut = answered(&query);
        cut.metadata.truncation = true;
        udp.send_to(&cut.to_vec().unwrap(), peer).await.unwrap();

        let (mut stream, _) = tcp.accept().await.unwrap();
        let length = stream.read_u16().await.unwrap();
        let mut query = vec![0; usize::from(length)];
        stream.read_exact(&mut query).await.unwrap();
        let answer = good(&Message::from_vec(&query).unwrap()).unwrap();
        stream.write_u16(u16::try_from(answer.len()).unwrap()).await.unwrap();
        stream.write_all(&answer).await.unwrap();
    };
    let question = question("vpn.example.com", RecordType::A);
    let (answer, ()) = tokio::join!(ask(&Sockets, address, &question), serving);
    assert_eq!(answer.unwrap().answers[0].value, "198.51.100.7");
}

#[tokio::test]
async fn where_nobody_listens_it_says_so() {
    let free = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = ask(&Sockets, free, &question("vpn.example.com", RecordType::A)).await.unwrap_err();
    assert!(error.to_string().contains(&free.to_string()), "{error}");
    assert!(std::error::Error::source(&error).is_some());
    let local = Sockets.addresses("localhost").await.unwrap();
    assert!(local.iter().all(IpAddr::is_loopback) && !local.is_empty());
}
