//! The world over sockets, as other programs meet it.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use super::*;
use crate::clock::SystemClock;
use crate::sandbox::{Fault, Options, Running, StartError, start};
use crate::transport::{HttpClient, Settings, TrustedRoots};

async fn run(options: Options) -> Running {
    start(options, Arc::new(SystemClock)).await.unwrap()
}

fn http(roots: &TrustedRoots) -> HttpClient {
    let settings = Settings {
        connect_timeout: Duration::from_secs(5),
        timeout: Duration::from_secs(5),
        body_limit: 1 << 20,
        proxy: false,
    };
    HttpClient::new(settings, roots).unwrap()
}

fn get(uri: String) -> Request<Bytes> {
    Request::get(uri).body(Bytes::new()).unwrap()
}

fn list(running: &Running, scheme: &str) -> Request<Bytes> {
    let mut request = get(format!("{scheme}://{}/2013-04-01/hostedzone", running.aws));
    let credentials = running.world.long_lived_credentials();
    let scope = crate::sign::sigv4::Scope::new("us-east-1", "route53");
    crate::sign::sigv4::Signer::new(scope)
        .sign(&request, &credentials, running.world.now())
        .unwrap()
        .apply(request.headers_mut());
    request
}

/// Sends bytes and reads until the other side ends the connection.
async fn raw(address: SocketAddr, text: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn both_services_answer_over_http() {
    let running = run(Options { zones: vec!["example.net".to_owned()], ..Options::default() }).await;
    let client = http(&TrustedRoots::compiled_in());
    let (status, body) = text(client.send(list(&running, "http")).await.unwrap());
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(between(&body, "Name"), "example.net.");
    let answer = client.send(get(format!("http://{}/latest/meta-data/mac", running.imds))).await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(answer.headers().get_all("date").iter().count(), 1);
    let exports: Vec<&str> = running.exports.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        exports,
        [
            "AWS_EC2_METADATA_SERVICE_ENDPOINT",
            "AWS_ENDPOINT_URL_ROUTE_53",
            "AWS_ENDPOINT_URL_STS",
            "AWS_REGION",
            "AWS_DEFAULT_REGION",
            "AWS_CONFIG_FILE",
            "AWS_SHARED_CREDENTIALS_FILE",
            "PIN53_AUDIT__NAME_SERVERS"
        ]
    );
    running.stop().await;
}

#[tokio::test]
async fn the_metadata_service_ends_the_connection_and_may_leave_the_date_out() {
    let running = run(Options::default()).await;
    running.world.inject(Fault::NoDate.times(1));
    let token =
        "PUT /latest/api/token HTTP/1.1\r\nHost: x\r\nX-aws-ec2-metadata-token-ttl-seconds: 60\r\n\r\n";
    let answer = raw(running.imds, token).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(!answer.to_lowercase().contains("\r\ndate:"), "{answer}");
    assert!(raw(running.imds, token).await.to_lowercase().contains("\r\ndate:"));
    let stats = raw(running.imds, "GET /sandbox/stats HTTP/1.0\r\n\r\n").await;
    assert!(stats.contains("\"connections\": 3"), "{stats}");
}

#[tokio::test]
async fn broken_answers_are_broken_on_the_wire_too() {
    let running = run(Options::default()).await;
    let client = http(&TrustedRoots::compiled_in());
    running.world.inject(Fault::CutBody);
    assert!(matches!(client.send(list(&running, "http")).await, Err(Error::Cut { .. })));
    running.world.inject(Fault::Endless);
    assert!(matches!(client.send(list(&running, "http")).await, Err(Error::TooLarge { .. })));
    running.world.inject(Fault::LostAnswer);
    let zone = running.world.zone_of(&name("example.com")).unwrap();
    let body = batch(&change("CREATE", "a.example.com", "A", &["192.0.2.1"]));
    let mut request = Request::post(format!("http://{}/2013-04-01/hostedzone/{zone}/rrset/", running.aws))
        .body(Bytes::from(body))
        .unwrap();
    let credentials = running.world.long_lived_credentials();
    aws3::sign(request.headers(), &credentials, aws3::Algorithm::HmacSha256, running.world.now())
        .unwrap()
        .apply(request.headers_mut());
    assert!(matches!(client.send(request).await, Err(Error::Cut { .. })));
    assert!(running.world.record(&name("a.example.com"), RecordType::A).is_some());
    let large = format!("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", 2 << 20);
    assert!(raw(running.aws, &(large + &"x".repeat(2 << 20))).await.starts_with("HTTP/1.1 413"));
}

#[tokio::test]
async fn tls_is_trusted_by_the_exported_authority_and_by_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    let running = run(Options { tls: Some(ca.clone()), keys: true, ..Options::default() }).await;
    let exported = |name: &str| running.exports.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
    assert_eq!(exported("AWS_CA_BUNDLE").as_deref(), ca.to_str());
    assert_eq!(exported("AWS_ACCESS_KEY_ID"), Some(running.world.long_lived_credentials().key_id));
    assert!(exported("AWS_ENDPOINT_URL_ROUTE_53").unwrap().starts_with("https://127.0.0.1:"));

    // Someone who connects and says nothing doesn't keep the others waiting.
    let _idle = TcpStream::connect(running.aws).await.unwrap();
    let client = http(&TrustedRoots::from_bundle(ca.to_str().unwrap()).unwrap());
    assert_eq!(client.send(list(&running, "https")).await.unwrap().status(), StatusCode::OK);
    let stranger = http(&TrustedRoots::compiled_in());
    let refused = stranger.send(list(&running, "https")).await;
    assert!(matches!(refused, Err(Error::Certificate { out_of_time: false, .. })), "{refused:?}");
}

#[tokio::test]
async fn dns_answers_over_udp_and_tcp_on_one_port() {
    use hickory_proto::op::{Message, MessageType, OpCode, Query};
    use hickory_proto::rr::{Name as WireName, RecordType as WireType};

    let running = run(Options::default()).await;
    let address = running.dns.unwrap();
    let mut query = Message::new(53, MessageType::Query, OpCode::Query);
    query.add_query(Query::query(WireName::from_ascii("example.com.").unwrap(), WireType::SOA));
    let query = query.to_vec().unwrap();

    let socket = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
    let mut buffer = [0; 512];
    // An answer to nobody doesn't end the server.
    for _ in 0..2 {
        let gone = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
        gone.send_to(&query, address).await.unwrap();
    }
    socket.send_to(&query, address).await.unwrap();
    let (length, _) = socket.recv_from(&mut buffer).await.unwrap();
    assert_eq!(Message::from_vec(&buffer[..length]).unwrap().answers.len(), 1);

    let mut stream = TcpStream::connect(address).await.unwrap();
    for _ in 0..2 {
        stream.write_u16(u16::try_from(query.len()).unwrap()).await.unwrap();
        stream.write_all(&query).await.unwrap();
        let mut answer = vec![0; usize::from(stream.read_u16().await.unwrap())];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(Message::from_vec(&answer).unwrap().answers.len(), 1);
    }
    running.stop().await;
}

#[tokio::test]
async fn what_can_not_be_started_says_why() {
    let running = run(Options::default()).await;
    let taken = start(Options { aws: running.aws, ..Options::default() }, Arc::new(SystemClock)).await;
    assert_eq!(
        taken.err().unwrap().to_string(),
        format!("could not listen on {} for the Route 53 API", running.aws)
    );
    let zones = vec!["a..b".to_owned()];
    let bad = start(Options { zones, ..Options::default() }, Arc::new(SystemClock)).await;
    assert!(matches!(bad.err().unwrap(), StartError::Zone { .. }));
}
