//! A day of the daemon, by its log lines: nothing is said twice while nothing changes.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use pin53::daemon::{self, Settings};
use pin53::desired::Rule;
use pin53::dns::RecordType;
use pin53::sandbox::{Fault, Instance};
use pin53::state::State;
use pin53::transport::{BoxFuture, Error, Transport};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;

use crate::house::{House, cname, house, seconds, simple};

/// Few looks: a day of them is soon over.
const RHYTHM: Settings = Settings { watch: Duration::from_secs(300), interval: Duration::from_secs(900) };
const HOUR: u64 = 60 * 60;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What is logged from `info` on in a day of a daemon, to which `trouble` comes after an hour.
async fn day(house: &House, rule: Rule, trouble: impl FnOnce(&House)) -> Vec<String> {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::registry()
        .with(tracing_subscriber::fmt::layer().with_ansi(false).with_writer(move || writer.clone()))
        .with(LevelFilter::INFO);
    let _heard = tracing::subscriber::set_default(subscriber);
    let daemon = tokio::spawn(daemon::run(
        Arc::new(house.reconciler(&[rule])),
        RHYTHM,
        tokio::time::sleep(seconds(24 * HOUR)),
    ));
    tokio::time::sleep(seconds(HOUR)).await;
    trouble(house);
    daemon.await.unwrap();
    let logged = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    logged.lines().map(str::to_owned).collect()
}

fn daemons() -> House {
    House { patience: daemon::PATIENCE, ..house() }
}

#[tokio::test(start_paused = true)]
async fn a_day_on_which_nothing_happens_is_two_lines() {
    let lines = day(&daemons(), cname("vpn.example.com"), |_| {}).await;
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines[0].contains("changed vpn.example.com") && lines[1].contains("in sync"), "{lines:#?}");
}

#[tokio::test(start_paused = true)]
async fn trouble_that_lasts_all_day_is_said_once() {
    type Trouble = fn(&House);
    let troubles: [(&str, Trouble); 11] = [
        ("no-address", |house| house.world.with_instance(Instance::release_address)),
        ("imds-silent", |house| house.world.inject(Fault::ImdsSilent.always())),
        ("imds-error", |house| house.world.inject(Fault::ImdsError.always())),
        ("imds-token", |house| house.world.inject(Fault::ImdsToken.always())),
        ("stale-credentials", |house| house.world.inject(Fault::StaleCredentials.always())),
        ("dns-silent", |house| house.world.inject(Fault::DnsSilent.always())),
        ("throttle", |house| {
            house.world.inject(Fault::Throttle.always());
            house.move_instance();
        }),
        ("access-denied", |house| {
            house.world.inject(Fault::AccessDenied.always());
            house.move_instance();
        }),
        ("server-error", |house| {
            house.world.inject(Fault::ServerError.always());
            house.move_instance();
        }),
        ("html", |house| {
            house.world.inject(Fault::Html.always());
            house.move_instance();
        }),
        ("no role", |house| {
            house.world.with_instance(|instance| instance.role = None);
            house.move_instance();
        }),
    ];
    for (kind, trouble) in troubles {
        let lines = day(&daemons(), cname("vpn.example.com"), trouble).await;
        // The start, the move where there is one, and the trouble in as many words as it takes.
        assert!((2..=6).contains(&lines.len()), "{kind}: {lines:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_refused_all_day_is_said_once() {
    let house = daemons();
    house.put(simple("vpn.example.com", RecordType::A, 60, &["198.51.100.1"]));
    let lines = day(&house, cname("vpn.example.com"), |_| {}).await;
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].contains("refused vpn.example.com"), "{lines:#?}");
}

/// A server whose trouble is another one each time.
struct Moody(Mutex<u16>);

impl Transport for Moody {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, Error>> {
        let mut turn = self.0.lock().unwrap();
        *turn += 1;
        let host = request.uri().host().unwrap_or_default().to_owned();
        let answer = match *turn % 3 {
            0 => Err(Error::Timeout { host, after: seconds(3) }),
            1 => Ok(Response::builder().status(500 + *turn % 90).body(Bytes::new()).unwrap()),
            _ => Ok(Response::new(Bytes::from(format!("busy for another {turn} s")))),
        };
        Box::pin(std::future::ready(answer))
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_whose_trouble_reads_otherwise_each_time_is_not_heard_out_all_day() {
    let house = House { elsewhere: Arc::new(Moody(Mutex::default())), ..daemons() };
    let source = vec!["https://ip.example/".parse().unwrap()];
    let lines = day(&house, Rule { sources: source, ..cname("vpn.example.com") }, |_| {}).await;
    assert!(lines.len() <= 8, "{lines:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_state_that_cannot_be_kept_is_said_once() {
    let directory = tempfile::tempdir().unwrap();
    let blocked = directory.path().join("file");
    std::fs::write(&blocked, "").unwrap();
    let house = House { state: Arc::new(State::load(&blocked).0), ..daemons() };
    let lines = day(&house, cname("vpn.example.com"), House::move_instance).await;
    let told = lines.iter().filter(|line| line.contains("could not write")).count();
    assert_eq!(told, 1, "{lines:#?}");
}
