//! The zones over DNS, message by message.

use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name as WireName, RecordType as WireType};
use proptest::prelude::*;

use super::*;
use crate::dns::{Policy, RecordKey, Routing, Target};
use crate::sandbox::Fault;
use crate::transport::Way;

fn query(text: &str, rtype: WireType) -> Message {
    let mut query = Message::new(7, MessageType::Query, OpCode::Query);
    let mut name = WireName::from_ascii(text).unwrap();
    name.set_fqdn(true);
    query.add_query(Query::query(name, rtype));
    query
}

fn send(client: &Client, query: &Message, way: Way) -> Message {
    Message::from_vec(&client.world.answer_dns(&query.to_vec().unwrap(), way).unwrap()).unwrap()
}

/// The code and the rows of the answer, as dig would write them.
fn ask(client: &Client, text: &str, rtype: WireType) -> (ResponseCode, Vec<String>) {
    let answer = send(client, &query(text, rtype), Way::Udp);
    let rows = answer.answers.iter().map(|r| format!("{} {} {} {}", r.name, r.ttl, r.record_type(), r.data));
    (answer.metadata.response_code, rows.collect())
}

fn put(client: &Client, text: &str, rtype: RecordType, values: &[&str]) {
    client.world.put_record(set(text, rtype, values)).unwrap();
}

const OK: ResponseCode = ResponseCode::NoError;

#[tokio::test(start_paused = true)]
async fn records_are_answered_by_name_and_type() {
    let client = Client::new();
    put(&client, "a.example.com", RecordType::A, &["192.0.2.1", "192.0.2.2"]);
    put(&client, "a.example.com", RecordType::Txt, &["\"x y\""]);
    put(&client, "a.example.com", RecordType::Mx, &["10 mail.example.com"]);
    let (code, rows) = ask(&client, "a.example.com", WireType::A);
    assert_eq!(code, OK);
    assert_eq!(rows, ["a.example.com. 60 A 192.0.2.1", "a.example.com. 60 A 192.0.2.2"]);
    assert_eq!(ask(&client, "a.example.com", WireType::TXT).1, ["a.example.com. 60 TXT x y"]);
    assert_eq!(ask(&client, "a.example.com", WireType::MX).1, ["a.example.com. 60 MX 10 mail.example.com."]);
    assert_eq!(ask(&client, "example.com", WireType::NS).1.len(), 4);
    assert_eq!(ask(&client, "example.com", WireType::SOA).1.len(), 1);
    let answer = send(&client, &query("A.ExAmPle.com", WireType::A), Way::Udp);
    assert!(answer.metadata.authoritative);
    assert_eq!(answer.answers[0].name.to_string(), "A.ExAmPle.com.", "in the case it was asked");
}

/// What the network's resolver says, and whether it says so with authority.
fn resolved(client: &Client, text: &str, rtype: WireType) -> (ResponseCode, usize, bool) {
    let answer = client.world.resolve(&query(text, rtype).to_vec().unwrap()).unwrap();
    let answer = Message::from_vec(&answer).unwrap();
    assert!(answer.metadata.recursion_available);
    (answer.metadata.response_code, answer.answers.len(), answer.metadata.authoritative)
}

#[tokio::test(start_paused = true)]
async fn a_resolver_is_led_by_what_the_zone_above_points_to() {
    let client = Client::new();
    put(&client, "a.example.com", RecordType::A, &["192.0.2.1"]);
    assert_eq!(resolved(&client, "a.example.com", WireType::A), (OK, 1, false));
    assert_eq!(resolved(&client, "example.com", WireType::NS), (OK, 4, false));
    assert_eq!(resolved(&client, "other.example.org", WireType::A), (ResponseCode::ServFail, 0, false));

    let zone = Name::parse("example.com").unwrap();
    client.world.delegate(&zone, &["ns1.registrar.example"]);
    assert_eq!(resolved(&client, "example.com", WireType::NS), (OK, 1, false));
    assert_eq!(resolved(&client, "a.example.com", WireType::A), (ResponseCode::ServFail, 0, false));
    client.world.delegate(&zone, &[]);
    assert_eq!(resolved(&client, "a.example.com", WireType::A), (ResponseCode::NXDomain, 0, false));
    assert_eq!(
        ask(&client, "a.example.com", WireType::A).1.len(),
        1,
        "the zone's own servers still speak for it"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_told_with_the_soa() {
    let client = Client::new();
    put(&client, "a.b.example.com", RecordType::A, &["192.0.2.1"]);
    for (text, rtype, code) in [
        ("x.example.com", WireType::A, ResponseCode::NXDomain),
        ("x.a.b.example.com", WireType::A, ResponseCode::NXDomain),
        ("a.b.example.com", WireType::AAAA, OK),
        ("b.example.com", WireType::A, OK),
        ("a.b.example.com", WireType::HINFO, OK),
    ] {
        let answer = send(&client, &query(text, rtype), Way::Udp);
        assert_eq!(answer.metadata.response_code, code, "{text} {rtype}");
        assert!(answer.answers.is_empty());
        assert_eq!(answer.authorities.len(), 1);
        assert_eq!(answer.authorities[0].ttl, 900);
        assert_eq!(answer.authorities[0].record_type(), WireType::SOA);
    }
}

#[tokio::test(start_paused = true)]
async fn a_cname_is_followed_inside_the_zone_and_not_beyond() {
    let client = Client::new();
    put(&client, "a.example.com", RecordType::Cname, &["b.example.com"]);
    put(&client, "b.example.com", RecordType::A, &["192.0.2.1"]);
    put(&client, "out.example.com", RecordType::Cname, &["ec2.example.net"]);
    put(&client, "gone.example.com", RecordType::Cname, &["nowhere.example.com"]);
    put(&client, "loop.example.com", RecordType::Cname, &["loop.example.com"]);
    assert_eq!(
        ask(&client, "a.example.com", WireType::A).1,
        ["a.example.com. 60 CNAME b.example.com.", "b.example.com. 60 A 192.0.2.1"]
    );
    assert_eq!(ask(&client, "a.example.com", WireType::CNAME).1.len(), 1);
    assert_eq!(
        ask(&client, "out.example.com", WireType::A),
        (OK, vec!["out.example.com. 60 CNAME ec2.example.net.".to_owned()])
    );
    let (code, rows) = ask(&client, "gone.example.com", WireType::A);
    assert_eq!((code, rows.len()), (ResponseCode::NXDomain, 1));
    assert_eq!(ask(&client, "loop.example.com", WireType::A).0, OK);
}

#[tokio::test(start_paused = true)]
async fn a_wildcard_covers_what_does_not_exist() {
    let client = Client::new();
    put(&client, "*.example.com", RecordType::A, &["192.0.2.1"]);
    put(&client, "there.example.com", RecordType::Txt, &["\"x\""]);
    assert_eq!(ask(&client, "x.example.com", WireType::A).1, ["x.example.com. 60 A 192.0.2.1"]);
    assert_eq!(ask(&client, "y.x.example.com", WireType::A).1, ["y.x.example.com. 60 A 192.0.2.1"]);
    assert_eq!(ask(&client, "*.example.com", WireType::A).1, ["*.example.com. 60 A 192.0.2.1"]);
    assert_eq!(ask(&client, "there.example.com", WireType::A), (OK, Vec::new()));
    assert_eq!(ask(&client, "x.there.example.com", WireType::A).0, ResponseCode::NXDomain);
}

#[tokio::test(start_paused = true)]
async fn a_part_that_was_given_away_is_referred_to_its_servers() {
    let client = Client::new();
    put(&client, "sub.example.com", RecordType::Ns, &["ns.example.net"]);
    let answer = send(&client, &query("a.sub.example.com", WireType::A), Way::Udp);
    assert_eq!(answer.metadata.response_code, OK);
    assert!(!answer.metadata.authoritative && answer.answers.is_empty());
    assert_eq!(answer.authorities[0].name.to_string(), "sub.example.com.");
}

#[tokio::test(start_paused = true)]
async fn routed_sets_and_aliases_answer_with_what_they_lead_to() {
    let client = Client::new();
    for (id, weight, value) in [("blue", 0, "192.0.2.1"), ("green", 5, "192.0.2.2")] {
        let mut member = set("w.example.com", RecordType::A, &[value]);
        member.routing = Some(Routing { set_identifier: id.to_owned(), policy: Policy::Weighted(weight) });
        client.world.put_record(member).unwrap();
    }
    for (id, value) in [("a", "192.0.2.3"), ("b", "192.0.2.4")] {
        let mut member = set("m.example.com", RecordType::A, &[value]);
        member.routing = Some(Routing { set_identifier: id.to_owned(), policy: Policy::Multivalue });
        client.world.put_record(member).unwrap();
    }
    let mut alias = set("alias.example.com", RecordType::A, &[]);
    alias.target =
        Target::Alias { zone_id: client.zone.clone(), name: name("w.example.com"), evaluate_health: false };
    client.world.put_record(alias.clone()).unwrap();
    alias.name = name("elsewhere.example.com");
    alias.target =
        Target::Alias { zone_id: client.zone.clone(), name: name("lb.example.net"), evaluate_health: false };
    client.world.put_record(alias).unwrap();

    assert_eq!(ask(&client, "w.example.com", WireType::A).1, ["w.example.com. 60 A 192.0.2.2"]);
    assert_eq!(ask(&client, "m.example.com", WireType::A).1.len(), 2);
    assert_eq!(ask(&client, "elsewhere.example.com", WireType::A), (OK, Vec::new()));
    let aliased = ask(&client, "alias.example.com", WireType::A).1;
    assert_eq!(aliased.len(), 1);
    assert!(aliased[0].starts_with("alias.example.com. 60 A 192.0.2."));
}

#[tokio::test(start_paused = true)]
async fn dns_learns_of_a_change_when_it_is_in_sync() {
    let client = Client::new();
    put(&client, "a.example.com", RecordType::A, &["192.0.2.1"]);
    client.world.inject(Fault::SlowInsync(Duration::from_secs(30)));
    let a = |client: &Client| ask(client, "a.example.com", WireType::A).1;
    client.change(&[change("UPSERT", "a.example.com", "A", &["192.0.2.2"])]).await.unwrap();
    assert_eq!(a(&client), ["a.example.com. 60 A 192.0.2.1"]);
    tokio::time::advance(Duration::from_secs(30)).await;
    assert_eq!(a(&client), ["a.example.com. 60 A 192.0.2.2"]);
    client.world.remove_record(&RecordKey::simple(name("a.example.com"), RecordType::A)).unwrap();
    assert_eq!(ask(&client, "a.example.com", WireType::A).0, ResponseCode::NXDomain);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_ours_is_refused() {
    let client = Client::new();
    client.world.add_private_zone("example.org").unwrap();
    let refused = ResponseCode::Refused;
    assert_eq!(ask(&client, "example.net", WireType::A).0, refused);
    assert_eq!(ask(&client, "example.org", WireType::SOA).0, refused, "a private zone is not for everyone");
    assert_eq!(ask(&client, "example.com", WireType::ANY).0, refused);
    assert_eq!(ask(&client, "example.com", WireType::AXFR).0, refused);
    assert_eq!(ask(&client, ".", WireType::NS).0, refused);
    let mut chaos = query("version.bind", WireType::TXT);
    chaos.queries[0].set_query_class(DNSClass::CH);
    assert_eq!(send(&client, &chaos, Way::Udp).metadata.response_code, refused);
    let update = Message::new(7, MessageType::Query, OpCode::Update);
    assert_eq!(send(&client, &update, Way::Udp).metadata.response_code, ResponseCode::NotImp);
    let mut future = query("example.com", WireType::SOA);
    let mut edns = Edns::new();
    edns.set_version(1);
    future.set_edns(edns);
    // The number of BADVERS is that of BADSIG too.
    assert_eq!(u16::from(send(&client, &future, Way::Udp).metadata.response_code), 16);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_too_large_for_udp_is_to_be_asked_for_over_tcp() {
    let client = Client::new();
    let values: Vec<String> = (1..=60).map(|n| format!("192.0.2.{n}")).collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    put(&client, "a.example.com", RecordType::A, &values);
    let mut question = query("a.example.com", WireType::A);
    let short = send(&client, &question, Way::Udp);
    assert!(short.metadata.truncation && short.answers.is_empty());
    let whole = send(&client, &question, Way::Tcp);
    assert!(!whole.metadata.truncation);
    assert_eq!(whole.answers.len(), 60);
    let mut edns = Edns::new();
    edns.set_max_payload(4_096);
    question.set_edns(edns);
    let larger = send(&client, &question, Way::Udp);
    assert_eq!(larger.answers.len(), 60);
    assert_eq!(larger.max_payload(), 1_232);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_question_is_told_so_or_left_alone() {
    let client = Client::new();
    assert_eq!(client.world.answer_dns(b"", Way::Udp), None);
    assert_eq!(client.world.answer_dns(&[1, 2, 3], Way::Udp), None);
    let garbled = [0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xff];
    let answer = Message::from_vec(&client.world.answer_dns(&garbled, Way::Udp).unwrap()).unwrap();
    assert_eq!((answer.metadata.id, answer.metadata.response_code), (7, ResponseCode::FormErr));
    let mut answer = query("example.com", WireType::SOA);
    answer.metadata.message_type = MessageType::Response;
    assert_eq!(client.world.answer_dns(&answer.to_vec().unwrap(), Way::Udp), None);
}

proptest! {
    #[test]
    fn no_packet_makes_the_server_panic(head in prop::collection::vec(any::<u8>(), 0..20), rest in prop::collection::vec(any::<u8>(), 0..40)) {
        let world = World::new(Arc::new(crate::clock::SystemClock));
        world.add_zone("example.com").unwrap();
        let mut packet = query("a.example.com", WireType::A).to_vec().unwrap();
        for (place, byte) in packet.iter_mut().zip(head) {
            *place ^= byte & 0x11;
        }
        packet.extend(rest);
        for way in [Way::Udp, Way::Tcp] {
            let _ = world.answer_dns(&packet, way);
        }
    }
}
