//! What systemd is told: the daemon on paused time, and the built binary, each on a real socket.

use std::fs;
use std::future::Future;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::pin::pin;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use pin53::clock::SystemClock;
use pin53::daemon::{self, Reload, Settings, Systemd};
use pin53::desired::{Leaving, Parting, Rule};
use pin53::env::Env;
use pin53::sandbox::{self, Fault, Instance, Options, Running};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use crate::house::{HOST, House, board, cname, seconds};

const RHYTHM: Settings = Settings { watch: Duration::from_secs(5), interval: Duration::from_secs(300) };
/// Longer than anything takes, so that only what hangs runs into it.
const PATIENCE: Duration = Duration::from_secs(30);

fn house() -> House {
    House { patience: daemon::PATIENCE, ..super::house::house() }
}

/// systemd's end of the line.
struct Ear {
    socket: UnixDatagram,
    directory: TempDir,
}

impl Ear {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let socket = UnixDatagram::bind(directory.path().join("notify")).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self { socket, directory }
    }

    fn env(&self, more: &[(&str, &str)]) -> Env {
        let place = self.directory.path().join("notify").display().to_string();
        Env::from_iter([("NOTIFY_SOCKET", place.as_str())].into_iter().chain(more.iter().copied()))
    }

    /// The messages since it was asked last.
    fn heard(&self) -> Vec<String> {
        std::iter::from_fn(|| heard(&self.socket)).collect()
    }
}

fn heard(socket: &UnixDatagram) -> Option<String> {
    let mut buffer = [0; 4096];
    match socket.recv(&mut buffer) {
        Ok(length) => Some(String::from_utf8(buffer[..length].to_vec()).unwrap()),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
        Err(error) => panic!("{error}"),
    }
}

fn has(messages: &[String], line: &str) -> bool {
    messages.iter().flat_map(|message| message.lines()).any(|said| said == line)
}

/// The last status.
fn status(messages: &[String]) -> String {
    let lines = messages.iter().flat_map(|message| message.lines());
    lines.filter_map(|line| line.strip_prefix("STATUS=")).next_back().unwrap_or_default().to_owned()
}

fn fed(messages: &[String]) -> usize {
    messages.iter().flat_map(|message| message.lines()).filter(|line| *line == "WATCHDOG=1").count()
}

fn daemon_of<S: Future<Output = ()>>(
    house: &House,
    rule: Rule,
    env: &Env,
    reloads: mpsc::Receiver<Reload>,
    stop: S,
) -> impl Future<Output = ()> + use<S> {
    let reconciler = Arc::new(house.reconciler(&[rule]));
    daemon::run_reloading(reconciler, RHYTHM, board(), Systemd::of(env), reloads, stop)
}

/// Runs one for `vpn.example.com` beside the test.
fn start(house: &House, rule: Rule, env: &Env) -> mpsc::Sender<Reload> {
    let (reloads, asked) = mpsc::channel(1);
    tokio::spawn(daemon_of(house, rule, env, asked, std::future::pending()));
    reloads
}

fn on_terminate(rule: Rule) -> Rule {
    Rule { leaving: Leaving { on_terminate: Parting::Withdraw, ..rule.leaving }, ..rule }
}

#[tokio::test(start_paused = true)]
async fn the_first_decision_makes_it_ready_and_the_status_says_what_came_of_it() {
    let (house, ear) = (house(), Ear::new());
    let _reloads = start(&house, cname("vpn.example.com"), &ear.env(&[]));
    sleep(seconds(1)).await;
    let heard = ear.heard();
    assert!(has(&heard, "READY=1"), "{heard:?}");
    assert_eq!(status(&heard), format!("changed vpn.example.com CNAME (none) -> {HOST} (ttl 60)"));
    assert_eq!(fed(&heard), 0, "nobody asked for a watchdog's food");
    sleep(seconds(60)).await;
    house.world.with_instance(Instance::release_address);
    sleep(seconds(6)).await;
    let heard = ear.heard();
    assert!(status(&heard).starts_with("left vpn.example.com"), "{heard:?}");
    assert!(!has(&heard, "READY=1"), "it is ready once: {heard:?}");
}

#[tokio::test(start_paused = true)]
async fn who_can_not_decide_says_why_and_is_ready_after_twenty_seconds() {
    type Trouble = fn(&House);
    let troubles: [(&str, Trouble); 4] = [
        ("left", |house| house.world.with_instance(Instance::release_address)),
        ("left", |house| house.world.inject(Fault::ImdsError.always())),
        ("left", |house| house.world.set_latency("imds=600s".parse().unwrap())),
        ("failed", |house| house.world.inject(Fault::ServerError.always())),
    ];
    for (n, (word, trouble)) in troubles.into_iter().enumerate() {
        let (house, ear) = (house(), Ear::new());
        trouble(&house);
        let _reloads = start(&house, on_terminate(cname("vpn.example.com")), &ear.env(&[]));
        sleep(Duration::from_millis(19_900)).await;
        let before = ear.heard();
        assert!(!has(&before, "READY=1"), "{n}: {before:?}");
        assert!(before[0].starts_with("STATUS=looking at the sources"), "{n}: {before:?}");
        assert!(status(&before).starts_with(word), "{n}: {before:?}");
        sleep(Duration::from_millis(200)).await;
        assert!(has(&ear.heard(), "READY=1"), "{n}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_watchdog_is_fed_at_half_its_time_whatever_the_daemon_waits_for() {
    for trouble in ["aws=600s", "imds=600s", "imds=0ms"] {
        let (house, ear) = (house(), Ear::new());
        house.world.set_latency(trouble.parse().unwrap());
        let pid = std::process::id().to_string();
        let env = ear.env(&[("WATCHDOG_USEC", "3000000"), ("WATCHDOG_PID", &pid)]);
        let reloads = start(&house, on_terminate(cname("vpn.example.com")), &env);
        for second in 0..120 {
            sleep(Duration::from_millis(1500)).await;
            assert!(fed(&ear.heard()) >= 1, "{trouble}, {second}");
            if second == 20 {
                let reconciler = Arc::new(house.reconciler(&[on_terminate(cname("b.example.com"))]));
                reloads.send(Reload::Taken { reconciler, settings: RHYTHM }).await.unwrap();
            }
            if second == 40 {
                reloads.send(Reload::Refused).await.unwrap();
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_but_the_loop_feeds_the_watchdog() {
    let (house, ear) = (house(), Ear::new());
    let env = ear.env(&[("WATCHDOG_USEC", "3000000")]);
    let (_reloads, asked) = mpsc::channel(1);
    let mut daemon = pin!(daemon_of(&house, cname("vpn.example.com"), &env, asked, std::future::pending()));
    tokio::select! {
        () = &mut daemon => unreachable!(),
        // More messages than these nobody holds for us.
        () = sleep(seconds(10)) => {}
    }
    assert!(fed(&ear.heard()) >= 6);
    // The loop hangs; all that it has started goes on.
    sleep(seconds(30)).await;
    assert_eq!(ear.heard(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn the_watchdog_of_another_process_is_left_to_it() {
    let (house, ear) = (house(), Ear::new());
    let env = ear.env(&[("WATCHDOG_USEC", "3000000"), ("WATCHDOG_PID", "1")]);
    let _reloads = start(&house, cname("vpn.example.com"), &env);
    sleep(seconds(30)).await;
    let heard = ear.heard();
    assert!(has(&heard, "READY=1") && fed(&heard) == 0, "{heard:?}");
}

#[tokio::test(start_paused = true)]
async fn a_reload_is_announced_and_ends_ready_whatever_came_of_it() {
    let (house, ear) = (house(), Ear::new());
    let reloads = start(&house, cname("vpn.example.com"), &ear.env(&[]));
    sleep(seconds(10)).await;
    ear.heard();
    let reconciler = Arc::new(house.reconciler(&[cname("b.example.com")]));
    for reload in [Reload::Taken { reconciler, settings: RHYTHM }, Reload::Refused] {
        reloads.send(reload).await.unwrap();
        sleep(seconds(1)).await;
        let heard = ear.heard();
        let begun = heard.iter().position(|message| message.lines().any(|line| line == "RELOADING=1"));
        let ready = heard.iter().rposition(|message| message.lines().any(|line| line == "READY=1"));
        assert!(begun.is_some() && begun < ready, "{heard:?}");
        let announced = &heard[begun.unwrap()];
        let micros = announced.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")).unwrap();
        assert!(micros.parse::<u64>().unwrap() > 0, "{announced}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_not_ready_is_not_made_so_by_a_reload() {
    let (house, ear) = (house(), Ear::new());
    house.world.with_instance(Instance::release_address);
    let reloads = start(&house, cname("vpn.example.com"), &ear.env(&[]));
    sleep(seconds(10)).await;
    reloads.send(Reload::Refused).await.unwrap();
    sleep(seconds(9)).await;
    assert!(!has(&ear.heard(), "READY=1"));
    sleep(seconds(2)).await;
    assert!(has(&ear.heard(), "READY=1"));
}

#[tokio::test(start_paused = true)]
async fn a_configuration_that_was_taken_is_not_lost_over_a_refused_one_behind_it() {
    let (house, ear) = (house(), Ear::new());
    house.world.set_latency("aws=2s".parse().unwrap());
    let reloads = start(&house, cname("vpn.example.com"), &ear.env(&[]));
    // A round is under way.
    sleep(seconds(1)).await;
    let reconciler = Arc::new(house.reconciler(&[cname("b.example.com")]));
    reloads.send(Reload::Taken { reconciler, settings: RHYTHM }).await.unwrap();
    reloads.send(Reload::Refused).await.unwrap();
    sleep(seconds(60)).await;
    assert!(house.value("b.example.com", pin53::dns::RecordType::Cname).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_stop_is_announced_at_its_beginning() {
    let (house, ear) = (house(), Ear::new());
    let (stop, stopped) = oneshot::channel::<()>();
    let (_reloads, asked) = mpsc::channel(1);
    let stopped = async {
        let _ = stopped.await;
    };
    let daemon = tokio::spawn(daemon_of(&house, cname("vpn.example.com"), &ear.env(&[]), asked, stopped));
    sleep(seconds(10)).await;
    ear.heard();
    stop.send(()).unwrap();
    daemon.await.unwrap();
    let heard = ear.heard();
    assert!(has(&heard, "STOPPING=1") && !has(&heard, "READY=1"), "{heard:?}");
}

/// The built binary beside a sandbox.
struct Service {
    running: Running,
    directory: TempDir,
}

impl Service {
    async fn new() -> Self {
        let running = sandbox::start(Options::default(), Arc::new(SystemClock)).await.unwrap();
        Self { running, directory: TempDir::new().unwrap() }
    }

    fn configure(&self, text: &str) {
        fs::write(self.directory.path().join("pin53.toml"), text).unwrap();
    }

    fn start(&self, notify: &str) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pin53"));
        command.env_clear().envs(self.running.exports.iter().map(|(name, value)| (name, value)));
        command.env("STATE_DIRECTORY", self.directory.path().join("state")).env("NOTIFY_SOCKET", notify);
        command.env("PIN53_CONFIG", self.directory.path().join("pin53.toml"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        command.spawn().unwrap()
    }
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_raw(child.id().unwrap().cast_signed()).unwrap(), signal).unwrap();
}

/// Listens until a message holds such a line, and gives out that message.
async fn until(socket: &UnixDatagram, line: &str) -> String {
    let listened = async {
        loop {
            match heard(socket) {
                Some(message) if message.lines().any(|said| said.starts_with(line)) => return message,
                Some(_) => {}
                None => sleep(Duration::from_millis(5)).await,
            }
        }
    };
    timeout(PATIENCE, listened).await.unwrap_or_else(|_| panic!("{line} was never said"))
}

const RECORD: &str = "[[record]]\nname = 'vpn.example.com'\n";

#[tokio::test]
async fn the_binary_tells_its_story_on_a_socket_with_a_path() {
    let (service, ear) = (Service::new().await, Ear::new());
    service.configure(RECORD);
    let place = ear.directory.path().join("notify").display().to_string();
    let child = service.start(&place);
    until(&ear.socket, "READY=1").await;
    for text in ["log = 'debug'\n[[record]]\nname = 'b.example.com'\n", "intervall = '1m'\n"] {
        service.configure(text);
        signal(&child, Signal::HUP);
        assert!(until(&ear.socket, "RELOADING=1").await.contains("\nMONOTONIC_USEC="));
        until(&ear.socket, "READY=1").await;
    }
    signal(&child, Signal::TERM);
    until(&ear.socket, "STOPPING=1").await;
    let output = timeout(PATIENCE, child.wait_with_output()).await.unwrap().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{log}");
    assert!(log.contains("the old settings stay"), "{log}");
    assert!(log.contains("DEBUG"), "the log is as the file says since it was read again: {log}");
}

#[tokio::test]
async fn the_binary_finds_an_abstract_socket() {
    let service = Service::new().await;
    service.configure(RECORD);
    let name = service.directory.path().display().to_string();
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let socket = UnixDatagram::bind_addr(&address).unwrap();
    socket.set_nonblocking(true).unwrap();
    let _child = service.start(&format!("@{name}"));
    assert!(until(&socket, "READY=1").await.contains("\nSTATUS=changed vpn.example.com"));
}
