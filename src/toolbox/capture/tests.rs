//! What is shown of real requests over real sockets, and how clients that misbehave are borne.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::*;
use crate::clock::SystemClock;
use crate::secret::Credentials;
use crate::toolbox::Keys;

/// Sends bytes and gives the answer, and what was captured in both forms.
struct Bench {
    address: SocketAddr,
    arrivals: mpsc::Receiver<Arrival>,
}

async fn bench(max_body: usize, verifier: Option<Verifier>) -> Bench {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let settings = Settings { respond: StatusCode::OK, max_body };
    let (arrivals, serving) =
        serve(listener, settings, verifier, Arc::new(SystemClock), std::future::pending());
    tokio::spawn(serving);
    Bench { address, arrivals }
}

async fn sent(address: SocketAddr, bytes: Vec<u8>) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&bytes).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

impl Bench {
    async fn next(&mut self) -> Turn {
        loop {
            if let Arrival::Request(turn) = self.arrivals.recv().await.unwrap() {
                return *turn;
            }
        }
    }

    /// The captured request and the answer.
    async fn ask(&mut self, bytes: &[u8]) -> (Captured, String) {
        let answer = tokio::spawn(sent(self.address, bytes.to_vec()));
        let Turn { captured, answer: go } = self.next().await;
        go.send(captured.status).unwrap();
        (captured, answer.await.unwrap())
    }
}

/// The text without the line that says when and from where.
fn text(captured: &Captured) -> String {
    captured.text(false).split_once('\n').unwrap().1.to_owned()
}

#[tokio::test]
async fn names_come_as_the_client_wrote_them_and_fields_one_a_line() {
    let mut bench = bench(1000, None).await;
    let form = "POST /a?x=1+2&sig=sentinel HTTP/1.1\r\nHost: h\r\nX-ODD:  b \r\nx-odd: a\r\nAuthorization: Basic sentinel\r\n\
                Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 28\r\n\r\nb=%C3%BC&a=1%0A2&sig=sentinel";
    let (captured, answer) = bench.ask(form.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    insta::assert_snapshot!(text(&captured), @r"
    POST /a?x=1+2&sig=[redacted] HTTP/1.1
    Host: h
    X-ODD: b
    x-odd: a
    Authorization: Basic [redacted]
    Content-Type: application/x-www-form-urlencoded
    Content-Length: 28

    query:
      x = 1 2
      sig = [redacted]

    form:
      b = ü
      a = 1\n2
      sig = [redacted]
    ");
    let json = captured.json(false);
    assert_eq!(json["headers"][1], serde_json::json!(["X-ODD", "b"]));
    assert_eq!(json["form"][1], serde_json::json!(["a", "1\n2"]));
    assert_eq!(json["target"], "/a?x=1+2&sig=[redacted]");
    assert!(!json.to_string().contains("sentinel"));
    assert!(captured.text(true).contains("Basic sentinel") && captured.text(true).contains("sig = sentinel"));
}

#[tokio::test]
async fn bodies_are_shown_for_what_they_are() {
    let mut bench = bench(1000, None).await;
    for (kind, body, shown) in [
        ("application/json", "{\"b\":1.0,\"a\":2}", "  {\n    \"b\": 1.0,\n    \"a\": 2\n  }\n"),
        ("application/json", "{\"b\":", "  {\"b\":\n(not valid JSON)"),
        ("text/plain", "one\ntwo", "  one\n  two\n"),
        ("text/plain", "x\r\n-- forged\rover", "  x\n  -- forged\\rover\n"),
        ("text/plain", "\u{1b}[31mred", "1b 5b 33 31"),
    ] {
        let length = body.len();
        let raw = format!(
            "PUT / HTTP/1.1\r\nHost: h\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let (captured, _) = bench.ask(raw.as_bytes()).await;
        assert!(text(&captured).contains(shown), "{}", text(&captured));
        assert!(!captured.text(true).contains('\u{1b}'));
        assert_eq!(captured.json(false)["body"], body);
    }
    let chunked =
        "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    let (captured, _) = bench.ask(chunked.as_bytes()).await;
    assert_eq!(captured.json(false)["body"], "abcde");
}

#[tokio::test]
async fn blank_lines_before_a_request_hide_nothing_of_it() {
    let mut bench = bench(100, None).await;
    let (captured, _) =
        bench.ask(b"\r\n\r\nGET /a?X-Amz-Signature=sentinel HTTP/1.1\r\nHost: h\r\nCookie: c\r\n\r\n").await;
    assert!(text(&captured).starts_with("GET /a?X-Amz-Signature=[redacted] HTTP/1.1\nHost: h\nCookie: c\n"));
    assert!(!captured.json(false).to_string().contains("sentinel"));
}

#[tokio::test]
async fn parts_of_a_form_are_fields_and_what_may_not_be_shown_takes_the_body_with_it() {
    let mut bench = bench(1000, None).await;
    for (name, value, shown) in
        [("a", "one", "\nform:\n  a = one\n\nbody, "), ("sig", "sentinel", "  sig = [redacted]\n\nbody, ")]
    {
        let body =
            format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n--x--\r\n");
        let length = body.len();
        let raw = format!(
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let (captured, _) = bench.ask(raw.as_bytes()).await;
        assert!(text(&captured).contains(shown), "{}", text(&captured));
        assert!(
            !text(&captured).contains("sentinel") && !captured.json(false).to_string().contains("sentinel")
        );
        assert!(
            captured.text(true).contains(value)
                && captured.json(true)["body"].as_str().unwrap().contains(value)
        );
    }
}

#[tokio::test]
async fn what_is_no_request_is_told() {
    let mut bench = bench(100, None).await;
    let answer = sent(bench.address, b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n".to_vec()).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    let told = bench.arrivals.recv().await.unwrap();
    assert!(matches!(&told, Arrival::Fault { why, .. } if why.contains("invalid HTTP")), "{told:?}");
}

#[tokio::test]
async fn many_slow_long_bodies_hold_up_no_short_one() {
    let mut bench = bench(10 * SHORT, None).await;
    let mut slow = Vec::new();
    for _ in 0..2 * LONG_AT_ONCE {
        let mut stream = TcpStream::connect(bench.address).await.unwrap();
        let head = format!("PUT /slow HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", 4 * SHORT);
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&vec![b'x'; 2 * SHORT]).await.unwrap();
        slow.push(stream);
    }
    let (captured, answer) =
        bench.ask(b"PUT /quick HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc").await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && captured.request.uri().path() == "/quick", "{answer}");
    // And those that waited are taken in once there is a place.
    let count = slow.len();
    let mut writing = JoinSet::new();
    for mut stream in slow {
        writing.spawn(async move { stream.write_all(&vec![b'x'; 2 * SHORT]).await.map(|()| stream) });
    }
    for _ in 0..count {
        let turn = bench.next().await;
        assert_eq!(turn.captured.request.body().len(), 4 * SHORT);
        turn.done(true);
    }
}

#[tokio::test]
async fn a_body_that_is_too_long_is_cut_and_answered_413() {
    let mut bench = bench(4, None).await;
    let (captured, answer) = bench.ask(b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nabcdef").await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert_eq!(
        (captured.json(false)["body"].as_str(), captured.json(false)["cut"].as_bool()),
        (Some("abcd"), Some(true))
    );
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_is_given_up() {
    let mut bench = bench(100, None).await;
    let (captured, answer) = bench.ask(b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nabc").await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(text(&captured).contains("the body took too long"));
}

#[tokio::test]
async fn what_is_not_signed_is_answered_401_with_the_reason() {
    let keys = Keys::of(Credentials::new("AKID", "secret"));
    let verifier = Verifier { scheme: Scheme::SdkHmac, region: None, service: None, keys };
    let mut bench = bench(100, Some(verifier)).await;
    let (_, answer) = bench.ask(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("\r\n\r\nnot signed: "), "{answer}");

    let mut request =
        Request::get("http://h/").header("x-security-token", "sentinel").body(Bytes::new()).unwrap();
    let signed =
        crate::sign::sdk_hmac::sign(&request, &Credentials::new("AKID", "secret"), SystemClock.now());
    signed.unwrap().apply(request.headers_mut());
    let lines: Vec<_> = request
        .headers()
        .iter()
        .map(|(name, value)| format!("{name}: {}\r\n", value.to_str().unwrap()))
        .collect();
    let raw = format!("GET / HTTP/1.1\r\nHost: h\r\n{}", lines.concat());
    let (captured, answer) = bench.ask(format!("{raw}\r\n").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(text(&captured).contains("sdk-hmac: valid, signed by AKID at "));
    let (captured, answer) = bench.ask(format!("{}\r\n", raw.replace("GET /", "GET /x")).as_bytes()).await;
    assert!(answer.contains("mismatch: ") && answer.contains("canonical request:\nGET\n/x/\n"), "{answer}");
    assert!(!text(&captured).contains("sentinel") && !captured.json(false).to_string().contains("sentinel"));
}

#[tokio::test]
async fn clients_that_stall_or_send_rubbish_hold_up_no_other() {
    let mut bench = bench(100, None).await;
    let mut stalled = Vec::new();
    for start in ["", "GET / HT", "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nx"] {
        let mut stream = TcpStream::connect(bench.address).await.unwrap();
        stream.write_all(start.as_bytes()).await.unwrap();
        stalled.push(stream);
    }
    let refused = sent(bench.address, b"\x00\x01\x02\r\n\r\n".to_vec()).await;
    assert!(refused.starts_with("HTTP/1.1 400 "), "{refused}");
    let mut clients = JoinSet::new();
    for number in 0..600 {
        let raw = format!("GET /{number} HTTP/1.1\r\nHost: h\r\n\r\n");
        clients.spawn(sent(bench.address, raw.into_bytes()));
    }
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < 600 {
        let turn = bench.next().await;
        seen.insert(turn.captured.request.uri().path().to_owned());
        turn.done(true);
    }
    while let Some(answer) = clients.join_next().await {
        assert!(answer.unwrap().starts_with("HTTP/1.1 200 "));
    }
}
