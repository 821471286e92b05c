//! Sources beside the metadata service, as a whole round and the daemon see them.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use pin53::daemon::{self, Reload, Settings};
use pin53::desired::Rule;
use pin53::dns::RecordType;
use pin53::env::Env;
use pin53::report::{Class, Outcome, Round};
use pin53::sandbox::Side;
use pin53::transport::{BoxFuture, Error, Transport};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::house::{HOST, House, MOVED, cname, house, lines, of_type, outcomes, seconds, simple};

/// Servers that say the same to everybody, and what they were asked for.
#[derive(Default)]
struct Net {
    pages: BTreeMap<&'static str, (u16, String)>,
    asked: Mutex<Vec<String>>,
}

impl Net {
    fn of<const N: usize>(pages: [(&'static str, u16, &str); N]) -> Arc<Self> {
        let pages = pages.into_iter().map(|(url, status, body)| (url, (status, body.to_owned())));
        Arc::new(Self { pages: pages.collect(), asked: Mutex::default() })
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Transport for Net {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, Error>> {
        let url = request.uri().to_string();
        let answer = match self.pages.get(url.as_str()) {
            Some((status, body)) => {
                let response = Response::builder().status(*status).body(Bytes::from(body.clone()));
                Ok(response.unwrap())
            }
            None => Err(Error::Timeout { host: url.clone(), after: Duration::from_secs(3) }),
        };
        self.asked.lock().unwrap().push(url);
        Box::pin(std::future::ready(answer))
    }
}

fn from(rtype: RecordType, sources: &[&str]) -> Rule {
    let sources = sources.iter().map(|source| source.parse().unwrap()).collect();
    Rule { sources, ..of_type(rtype, "a.example.com") }
}

async fn a_of(house: &House, sources: &[&str]) -> Round {
    house.once_with(&[from(RecordType::A, sources)]).await
}

/// The lines of a round for one A record that ended as `left`.
fn left(round: &Round) -> String {
    assert_eq!((outcomes(round), round.class()), (vec![Outcome::Left], Class::TryAgain), "{}", lines(round));
    lines(round)
}

#[tokio::test(start_paused = true)]
async fn items_of_an_interface_are_values_one_a_line_and_lists_of_items_are_none() {
    let house = house();
    let mac = "imds:network/interfaces/macs/06:00:00:00:00:53";
    let round = house.once_with(&[from(RecordType::Aaaa, &[&format!("{mac}/ipv6s")])]).await;
    assert_eq!(lines(&round), "changed a.example.com AAAA (none) -> 2001:db8::53 (ttl 60)");
    let said = left(&a_of(&house, &["imds:network/interfaces/macs"]).await);
    assert_eq!(
        said,
        "left a.example.com: network/interfaces/macs is a list of items of the metadata \
         (06:00:00:00:00:53/), not a value"
    );
    left(&a_of(&house, &[mac]).await);
}

#[tokio::test(start_paused = true)]
async fn what_a_server_answers_is_published_and_every_request_is_counted() {
    let net = Net::of([("https://ip.example/v4?key=1", 200, " 198.51.100.44\n")]);
    let house = House { elsewhere: Arc::<Net>::clone(&net), ..house() };
    let round = a_of(&house, &["https://ip.example/v4?key=1"]).await;
    assert_eq!(lines(&round), "changed a.example.com A (none) -> 198.51.100.44 (ttl 60)");
    assert_eq!(net.asked().len(), 1);
    let (metadata, api) = house.requests();
    assert_eq!(round.requests, metadata as u64 + api as u64 + 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_can_not_be_understood_leaves_the_name() {
    let net = Net::of([
        ("http://ip.example/moved", 302, ""),
        ("http://ip.example/broken", 500, "198.51.100.1"),
        ("http://ip.example/page", 200, "<html>198.51.100.1</html>"),
        ("http://ip.example/empty", 200, ""),
    ]);
    let house = House { elsewhere: Arc::<Net>::clone(&net), ..house() };
    house.put(simple("a.example.com", RecordType::A, 60, &["198.51.100.1"]));
    for path in ["moved", "broken", "page", "empty", "silent"] {
        let url = format!("http:http://ip.example/{path}");
        assert!(left(&a_of(&house, &[&url]).await).contains("ip.example"), "{path}");
    }
    assert!(!net.asked().iter().any(|url| url.contains("elsewhere")), "no redirect is followed");
    assert_eq!(house.value("a.example.com", RecordType::A).as_deref(), Some("198.51.100.1"));
    assert_eq!(house.requests().1, 0);
}

#[tokio::test(start_paused = true)]
async fn a_cname_refuses_what_is_plainly_no_host_name() {
    let net = Net::of([
        ("http://ip.example/address", 200, "198.51.100.1\n"),
        ("http://ip.example/word", 200, "vpn_host!"),
        ("http://ip.example/page", 200, "<html>"),
    ]);
    let house = House { elsewhere: net, ..house() };
    house.put(simple("a.example.com", RecordType::Cname, 60, &[HOST]));
    let host = |sources: &[&str]| from(RecordType::Cname, sources);
    for source in ["http:http://ip.example/address", "http:http://ip.example/word", "imds:public-ipv4"] {
        let round = house.once_with(&[host(&[source])]).await;
        assert_eq!((outcomes(&round), round.class()), (vec![Outcome::Refused], Class::Refused), "{source}");
    }
    // A page isn't the answer that was asked for, and another source that can't be read may know one.
    for sources in [
        &["http:http://ip.example/page"][..],
        &["http:http://ip.example/address", "http:http://ip.example/silent"],
    ] {
        left(&house.once_with(&[host(sources)]).await);
    }
    assert_eq!(house.value("a.example.com", RecordType::Cname).as_deref(), Some(HOST));
    let round = house.once_with(&[host(&["http:http://ip.example/word", "imds"])]).await;
    assert_eq!(outcomes(&round), [Outcome::Unchanged], "the next source is asked");
}

const TASK: &str = r#"{"Containers": [{"Networks": [{"NetworkMode": "awsvpc", "IPv4Addresses": ["10.0.2.61"],
    "PrivateDNSName": "ip-10-0-2-61.ec2.internal"}]}]}"#;

#[tokio::test(start_paused = true)]
async fn a_task_tells_its_addresses_which_stay_out_of_a_public_zone() {
    let net = Net::of([("http://169.254.170.2/v4/abc/task", 200, TASK)]);
    let env = Env::from_iter([("ECS_CONTAINER_METADATA_URI_V4", "http://169.254.170.2/v4/abc")]);
    let house = House { elsewhere: net, env, ..house() };
    let refused = a_of(&house, &["ecs"]).await;
    assert_eq!((outcomes(&refused), refused.class()), (vec![Outcome::Refused], Class::Refused));
    assert!(lines(&refused).contains("10.0.2.61 is a private address"), "{}", lines(&refused));
    let allowed = Rule { allow_private: true, ..from(RecordType::A, &["ecs"]) };
    let round = house.once_with(&[allowed]).await;
    assert_eq!(lines(&round), "changed a.example.com A (none) -> 10.0.2.61 (ttl 60)");
    let host = Rule { sources: vec!["ecs".parse().unwrap()], ..cname("task.example.com") };
    let round = house.once_with(&[host]).await;
    assert_eq!(lines(&round), "changed task.example.com CNAME (none) -> ip-10-0-2-61.ec2.internal (ttl 60)");
}

#[tokio::test(start_paused = true)]
async fn a_dns_server_is_asked_for_what_the_record_is() {
    let house = house();
    house.put(simple("origin.example.com", RecordType::A, 60, &["198.51.100.1", "198.51.100.2"]));
    house.put(simple("text.example.com", RecordType::Txt, 60, &["\"198.51.100.3\""]));
    house.put(simple("alias.example.com", RecordType::Cname, 60, &["target.example.net."]));
    // One of the zone's own name servers, by address and by name.
    let server = "205.251.0.1";
    let round = a_of(&house, &[&format!("dns:{server}/origin.example.com")]).await;
    assert_eq!(lines(&round), "changed a.example.com A (none) -> 198.51.100.1, 198.51.100.2 (ttl 60)");
    let round = a_of(&house, &[&format!("dns:{server}/text.example.com/TXT")]).await;
    assert!(lines(&round).ends_with("-> 198.51.100.3 (ttl 60)"), "{}", lines(&round));
    let sources = vec![format!("dns:{server}/alias.example.com").parse().unwrap()];
    let round = house.once_with(&[Rule { sources, ..cname("b.example.com") }]).await;
    assert_eq!(lines(&round), "changed b.example.com CNAME (none) -> target.example.net (ttl 60)");
    let said = left(&a_of(&house, &[&format!("dns:{server}/nowhere.example.com")]).await);
    assert!(said.ends_with("there is no name nowhere.example.com in DNS"), "{said}");
    let said = left(&a_of(&house, &["dns:192.0.2.1:5353/origin.example.com"]).await);
    assert!(said.contains("no DNS answer from 192.0.2.1:5353"), "{said}");
    let said = left(&a_of(&house, &["dns:ns.nowhere.example/origin.example.com"]).await);
    assert!(said.contains("the DNS server ns.nowhere.example isn't found"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn files_and_fixed_values_are_published() {
    let house = house();
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "198.51.100.2\n198.51.100.1\n").unwrap();
    let round = a_of(&house, &[&format!("file:{}", file.path().display())]).await;
    assert_eq!(lines(&round), "changed a.example.com A (none) -> 198.51.100.1, 198.51.100.2 (ttl 60)");
    assert!(lines(&a_of(&house, &["static:198.51.100.9"]).await).ends_with("-> 198.51.100.9 (ttl 60)"));
    let itself = Rule { sources: vec!["static:B.example.com.".parse().unwrap()], ..cname("b.example.com") };
    assert_eq!(outcomes(&house.once_with(&[itself]).await), [Outcome::Refused]);
}

#[tokio::test(start_paused = true)]
async fn the_next_source_of_a_list_is_asked_when_the_one_before_knows_nothing() {
    let net = Net::of([("http://ip.example/", 200, "198.51.100.44")]);
    let house = House { elsewhere: Arc::<Net>::clone(&net), ..house() };
    let list = ["imds", "http://ip.example/"];
    assert!(lines(&a_of(&house, &list).await).ends_with("-> 198.51.100.7 (ttl 60)"));
    assert!(net.asked().is_empty(), "nobody is asked for what is known");
    house.world.with_instance(pin53::sandbox::Instance::release_address);
    assert!(lines(&a_of(&house, &list).await).ends_with("-> 198.51.100.44 (ttl 60)"));
}

#[tokio::test(start_paused = true)]
async fn so_many_sources_have_to_say_the_same() {
    let net = Net::of([
        ("http://one.example/", 200, "198.51.100.7"),
        ("http://two.example/", 200, "203.0.113.200"),
    ]);
    let house = House { elsewhere: net, ..house() };
    let agreeing = |agree, sources: &[&str]| [Rule { agree, ..from(RecordType::A, sources) }];
    let round = house.once_with(&agreeing(2, &["http://two.example/", "imds", "http://one.example/"])).await;
    assert_eq!(lines(&round), "changed a.example.com A (none) -> 198.51.100.7 (ttl 60)");
    let said = left(&house.once_with(&agreeing(2, &["imds", "http://two.example/"])).await);
    assert_eq!(
        said,
        "left a.example.com: expected 2 sources to say the same, found imds: 198.51.100.7; \
         http://two.example: 203.0.113.200"
    );
    left(&house.once_with(&agreeing(3, &["http://two.example/", "imds", "http://one.example/"])).await);
}

#[tokio::test(start_paused = true)]
async fn a_source_of_several_names_is_read_once_a_look() {
    let net = Net::of([("http://ip.example/", 200, "198.51.100.44")]);
    let house = House { elsewhere: Arc::<Net>::clone(&net), ..house() };
    let sources = || vec!["http://ip.example/".parse().unwrap()];
    let rules = ["b.example.com", "c.example.com"]
        .map(|at| Rule { sources: sources(), ..of_type(RecordType::A, at) });
    assert_eq!(outcomes(&house.once_with(&rules).await), [Outcome::Changed, Outcome::Changed]);
    assert_eq!(net.asked().len(), 1);
}

/// A net that answers after a while.
struct Slow(Arc<Net>, Duration);

impl Transport for Slow {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, Error>> {
        let answer = self.0.send(request);
        Box::pin(async {
            tokio::time::sleep(self.1).await;
            answer.await
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_source_keeps_no_other_name_waiting() {
    let net = Net::of([("http://ip.example/", 200, "198.51.100.44")]);
    let elsewhere = Arc::new(Slow(Arc::<Net>::clone(&net), seconds(60)));
    let house = House { patience: daemon::PATIENCE, elsewhere, ..house() };
    let rules = [from(RecordType::A, &["http://ip.example/"]), cname("vpn.example.com")];
    let (daemon, stop) = start(&house, &rules);
    tokio::time::sleep(seconds(3)).await;
    assert_eq!(house.vpn().as_deref(), Some(HOST));
    house.move_instance();
    tokio::time::sleep(seconds(6)).await;
    assert_eq!(house.vpn().as_deref(), Some(MOVED));
    assert_eq!(house.value("a.example.com", RecordType::A), None);
    tokio::time::sleep(seconds(60)).await;
    assert_eq!(house.value("a.example.com", RecordType::A).as_deref(), Some("198.51.100.44"));
    assert!(net.asked().len() <= 2, "it is asked again only when it has answered");
    stop.send(()).unwrap();
    daemon.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_a_look_sees_that_began_before_a_reload_is_not_taken_for_news_of_other_rules() {
    let net = Net::of([("http://ip.example/", 200, "198.51.100.44")]);
    let elsewhere = Arc::new(Slow(Arc::<Net>::clone(&net), seconds(60)));
    let house = House { patience: daemon::PATIENCE, elsewhere, ..house() };
    let rhythm = Settings { watch: seconds(5), interval: seconds(3600) };
    let (reloads, reloaded) = mpsc::channel(1);
    let reconciler = Arc::new(house.reconciler(&[from(RecordType::A, &["http://ip.example/"])]));
    tokio::spawn(daemon::run_reloading(
        reconciler,
        rhythm,
        crate::house::board(),
        daemon::Systemd::of(&house.env),
        reloaded,
        std::future::pending(),
    ));
    tokio::time::sleep(seconds(30)).await;
    let reconciler = Arc::new(house.reconciler(&[of_type(RecordType::A, "b.example.com")]));
    reloads.send(Reload::Taken { reconciler, settings: rhythm }).await.unwrap();
    tokio::time::sleep(seconds(2)).await;
    assert_eq!(house.value("b.example.com", RecordType::A).as_deref(), Some("198.51.100.7"));
    tokio::time::sleep(seconds(120)).await;
    assert_eq!(house.value("b.example.com", RecordType::A).as_deref(), Some("198.51.100.7"));
    assert_eq!(house.value("a.example.com", RecordType::A), None);
}

/// A daemon, and how to stop it.
fn start(house: &House, rules: &[Rule]) -> (JoinHandle<()>, oneshot::Sender<()>) {
    let reconciler = Arc::new(house.reconciler(rules));
    let rhythm = Settings { watch: seconds(5), interval: seconds(3600) };
    let (stop, stopped) = oneshot::channel::<()>();
    let daemon = tokio::spawn(daemon::run(reconciler, rhythm, async {
        let _ = stopped.await;
    }));
    (daemon, stop)
}

#[tokio::test(start_paused = true)]
async fn the_daemon_looks_at_every_source_each_watch_and_asks_the_metadata_for_nothing_without_need() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "198.51.100.1").unwrap();
    let house = House { patience: daemon::PATIENCE, ..house() };
    let source = format!("file:{}", file.path().display());
    let (daemon, stop) = start(&house, &[from(RecordType::A, &[&source])]);
    tokio::time::sleep(seconds(1)).await;
    assert_eq!(house.value("a.example.com", RecordType::A).as_deref(), Some("198.51.100.1"));
    house.world.forget_requests();
    fs::write(file.path(), "198.51.100.2").unwrap();
    tokio::time::sleep(seconds(6)).await;
    assert_eq!(house.value("a.example.com", RecordType::A).as_deref(), Some("198.51.100.2"));
    fs::remove_file(file.path()).unwrap();
    tokio::time::sleep(seconds(600)).await;
    assert_eq!(house.value("a.example.com", RecordType::A).as_deref(), Some("198.51.100.2"));
    let items = house.world.requests();
    assert!(
        !items.iter().any(|asked| asked.side == Side::Metadata && asked.operation.contains("public")),
        "{items:?}"
    );
    stop.send(()).unwrap();
    daemon.await.unwrap();
}
