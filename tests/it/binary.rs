//! The built binary against its contract: words, exit status, variables, signals.

use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use pin53::clock::SystemClock;
use pin53::dns::RecordType;
use pin53::sandbox::{self, Fault, Instance, Operation, Options, Running};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::house::{HOST, MOVED, name, simple};

/// Longer than anything takes, so that only what hangs runs into it.
const PATIENCE: Duration = Duration::from_secs(30);

/// A sandbox on ports, and a directory for the state of the runs in it.
pub(crate) struct Town {
    pub(crate) running: Running,
    pub(crate) directory: TempDir,
}

pub(crate) async fn town(options: impl FnOnce(&mut Options, &TempDir)) -> Town {
    let directory = TempDir::new().unwrap();
    let mut given = Options::default();
    options(&mut given, &directory);
    Town { running: sandbox::start(given, Arc::new(SystemClock)).await.unwrap(), directory }
}

pub(crate) async fn plain() -> Town {
    town(|_, _| {}).await
}

impl Town {
    /// `pin53` in an environment that holds nothing but what leads to the sandbox.
    pub(crate) fn pin53(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pin53"));
        command.args(arguments).env_clear().kill_on_drop(true);
        command.envs(self.running.exports.iter().map(|(name, value)| (name, value)));
        command.env("STATE_DIRECTORY", self.directory.path().join("state"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(timeout(PATIENCE, self.pin53(arguments).output()).await.unwrap().unwrap())
    }

    fn vpn(&self) -> Option<String> {
        let set = self.running.world.record(&name("vpn.example.com"), RecordType::Cname)?;
        set.as_simple().unwrap().1.first().cloned()
    }

    async fn vpn_becomes(&self, value: &str) {
        let followed = async {
            while self.vpn().as_deref() != Some(value) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, followed).await.unwrap();
    }
}

#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { status: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

fn terminate(child: &Child) {
    let pid = Pid::from_raw(child.id().unwrap().cast_signed()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
}

const ONCE: &[&str] = &["--once", "--name", "vpn.example.com", "--wait", "off"];

#[tokio::test]
async fn once_pins_the_name_and_says_so_in_one_line() {
    let town = plain().await;
    let ran = town.run(ONCE).await;
    assert_eq!((ran.status, ran.err.as_str()), (Some(0), ""));
    assert_eq!(ran.out, format!("changed vpn.example.com CNAME (none) -> {HOST} (ttl 60)\n"));
    assert_eq!(town.vpn().as_deref(), Some(HOST));
    let again = town.run(ONCE).await;
    assert_eq!(
        (again.status, again.out),
        (Some(0), format!("unchanged vpn.example.com CNAME {HOST} (ttl 60)\n"))
    );
}

#[tokio::test]
async fn a_private_zone_is_chosen_by_the_instances_network() {
    let town = plain().await;
    let world = &town.running.world;
    world.add_private_zone_of("corp.example", &[("us-east-1", "vpc-0aaaaaaaaaaaaaaa1")]).unwrap();
    let own = world.add_private_zone("corp.example").unwrap();
    let file = town.directory.path().join("pin53.toml");
    std::fs::write(&file, "[[record]]\nname = 'vpn.corp.example'\nprivate = true\n").unwrap();
    let run = ["--once", "--wait", "off", "--config", file.to_str().unwrap()];
    for outcome in ["changed", "unchanged"] {
        let ran = town.run(&run).await;
        assert_eq!((ran.status, ran.err.as_str()), (Some(0), ""), "{ran:?}");
        assert!(ran.out.starts_with(outcome), "{ran:?}");
        assert_eq!(world.records(&own).len(), 3, "beside NS and SOA");
    }
    assert_eq!(world.calls(Operation::ListHostedZonesByVPC), 1, "the choice is remembered");
}

#[tokio::test]
async fn once_follows_the_change_until_it_is_in_sync() {
    let town = plain().await;
    let ran = town.run(&["--once", "--name", "vpn.example.com"]).await;
    assert_eq!(ran.status, Some(0), "{ran:?}");
    assert_eq!(town.running.world.calls(Operation::GetChange), 1);
}

#[tokio::test]
async fn it_works_over_tls_under_a_private_authority() {
    let town = town(|options, directory| options.tls = Some(directory.path().join("ca.pem"))).await;
    let ran = town.run(ONCE).await;
    assert_eq!(ran.status, Some(0), "{ran:?}");
    assert_eq!(town.vpn().as_deref(), Some(HOST));

    let mut unknown = town.pin53(ONCE);
    let ran = Ran::of(unknown.env_remove("AWS_CA_BUNDLE").output().await.unwrap());
    assert_eq!(ran.status, Some(75), "{ran:?}");
    assert!(ran.out.contains("certificate") && ran.err.contains("AWS_CA_BUNDLE"), "{ran:?}");

    let mut missing = town.pin53(ONCE);
    let ran = Ran::of(missing.env("AWS_CA_BUNDLE", "/nowhere/ca.pem").output().await.unwrap());
    assert_eq!(ran.status, Some(78), "{ran:?}");
    assert!(ran.err.contains("/nowhere/ca.pem"), "{ran:?}");
}

#[tokio::test]
async fn no_proxy_stands_between_it_and_the_metadata_or_the_loopback() {
    let town = plain().await;
    let mut command = town.pin53(ONCE);
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        // Whoever asks this one is refused.
        command.env(name, "http://127.0.0.1:1");
    }
    let ran = Ran::of(command.output().await.unwrap());
    assert_eq!(ran.status, Some(0), "{ran:?}");
}

#[tokio::test]
async fn json_is_one_object() {
    let town = plain().await;
    let ran = town.run(&[ONCE, &["--json"]].concat()).await;
    let mut report: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let ids = report["change_ids"].take();
    assert!(ids[0].as_str().unwrap().bytes().all(|b| b.is_ascii_alphanumeric()), "bare ids: {ids}");
    let expected = serde_json::json!({
        "records": [{
            "name": "vpn.example.com", "type": "CNAME", "outcome": "changed", "before": null,
            "after": {"values": [HOST], "ttl": 60}, "reason": null
        }],
        "change_ids": null,
        "requests": 7
    });
    assert_eq!(report, expected);
    let again = town.run(&[ONCE, &["--json"]].concat()).await;
    let report: serde_json::Value = serde_json::from_str(&again.out).unwrap();
    assert_eq!(report["change_ids"], serde_json::json!([]));
    assert_eq!(report["records"][0]["outcome"], "unchanged");
    assert_eq!(report["records"][0]["before"], report["records"][0]["after"]);
}

#[tokio::test]
async fn plan_changes_nothing_and_tells_pending_changes_when_asked() {
    let town = plain().await;
    let plan = ["plan", "--name", "vpn.example.com"];
    let ran = town.run(&plan).await;
    assert_eq!(ran.status, Some(0));
    assert_eq!(ran.out, format!("would change vpn.example.com CNAME (none) -> {HOST} (ttl 60)\n"));
    let detailed = [&plan[..], &["--detailed-exit-code", "--json"]].concat();
    let ran = town.run(&detailed).await;
    assert_eq!(ran.status, Some(2));
    assert!(ran.out.contains(r#""outcome":"would_change""#), "{}", ran.out);
    let dry = town.run(&[ONCE, &["--dry-run"]].concat()).await;
    assert!(dry.out.starts_with("would change "), "{dry:?}");
    assert_eq!(town.vpn(), None);
    town.run(ONCE).await;
    assert_eq!(town.run(&detailed).await.status, Some(0));
}

#[tokio::test]
async fn each_kind_of_failure_has_its_status_and_harms_no_record() {
    type Trouble = fn(&Town);
    let cases: &[(i32, &[&str], Trouble)] = &[
        (64, &["--ones"], |_| {}),
        (65, &[], |town| {
            let address = simple("vpn.example.com", RecordType::A, 60, &["198.51.100.1"]);
            town.running.world.put_record(address).unwrap();
        }),
        (75, &[], |town| town.running.world.with_instance(Instance::release_address)),
        (75, &[], |town| town.running.world.inject(Fault::ImdsError.always())),
        (77, &[], |town| town.running.world.with_instance(|instance| instance.role = None)),
        (78, &["--zone", "ZNOSUCHZONE"], |_| {}),
        (78, &["--config", "/nowhere/pin53.toml"], |_| {}),
    ];
    for (status, more, trouble) in cases {
        let town = plain().await;
        trouble(&town);
        let zone = town.running.world.zone_of(&name("example.com")).unwrap();
        let before = town.running.world.records(&zone);
        let ran = town.run(&[ONCE, more].concat()).await;
        assert_eq!(ran.status, Some(*status), "{more:?}: {ran:?}");
        assert_eq!(town.running.world.records(&zone), before);
    }
}

#[tokio::test]
async fn the_daemon_follows_and_ends_when_asked_with_nothing_on_stdout() {
    let town = plain().await;
    let arguments =
        ["--name", "vpn.example.com", "--watch", "1s", "--interval", "1h", "--log-format", "json"];
    let mut child = town.pin53(&arguments).spawn().unwrap();
    town.vpn_becomes(HOST).await;
    town.running.world.move_instance([203, 0, 113, 9].into());
    town.vpn_becomes(MOVED).await;
    terminate(&child);
    let status = timeout(PATIENCE, child.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(0));
    let ran = Ran::of(child.wait_with_output().await.unwrap());
    assert_eq!(ran.out, "");
    let line: serde_json::Value = serde_json::from_str(ran.err.lines().next().unwrap()).unwrap();
    assert_eq!((line["level"].as_str(), line["name"].as_str()), (Some("INFO"), Some("vpn.example.com")));
    assert!(
        line["timestamp"].is_string() && line["message"].as_str().unwrap().starts_with("changed "),
        "{line}"
    );
}

#[tokio::test]
async fn a_stop_while_a_change_is_answered_ends_the_daemon_in_order() {
    let town = town(|options, _| options.latency = "aws=400ms".parse().unwrap()).await;
    let world = &town.running.world;
    let child = town.pin53(&["--name", "vpn.example.com"]).spawn().unwrap();
    let sent = async {
        while world.calls(Operation::ChangeResourceRecordSets) == 0 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, sent).await.unwrap();
    terminate(&child);
    let ran = Ran::of(timeout(PATIENCE, child.wait_with_output()).await.unwrap().unwrap());
    assert_eq!(ran.status, Some(0), "{ran:?}");
    assert!(ran.err.contains("changed vpn.example.com"), "{ran:?}");
}

#[tokio::test]
async fn no_secret_is_logged_even_at_the_finest_level() {
    for fault in [None, Some(Fault::ExpiredToken), Some(Fault::RejectAws3), Some(Fault::Html)] {
        let town = plain().await;
        if let Some(fault) = fault {
            town.running.world.inject(fault);
        }
        let keys = town.running.world.role_credentials().unwrap();
        let mut command = town.pin53(ONCE);
        let ran = Ran::of(command.env("PIN53_LOG", "trace").output().await.unwrap());
        assert_eq!(ran.status, Some(0), "{ran:?}");
        assert!(ran.err.contains("TRACE") || ran.err.contains("DEBUG"), "{ran:?}");
        let secret = |text: &secrecy::SecretString| secrecy::ExposeSecret::expose_secret(text).to_owned();
        for sentinel in [secret(&keys.secret), secret(keys.session_token.as_ref().unwrap())] {
            assert!(!ran.err.contains(&sentinel) && !ran.out.contains(&sentinel), "{fault:?}");
        }
        assert!(!ran.err.contains("Signature="), "{}", ran.err);
    }
}

#[tokio::test]
async fn the_sandbox_runs_a_command_in_its_environment_and_ends_with_its_status() {
    let pin53 = env!("CARGO_BIN_EXE_pin53");
    let script = format!("'{pin53}' --once --name vpn.example.com --wait off && exit 7");
    let mut command = Command::new(pin53);
    command.args(["sandbox", "--tls", "--", "sh", "-c", &script]).env_clear().env("PATH", "/usr/bin:/bin");
    // Keys of the outside world lead past the sandbox, and are left outside.
    command.env("AWS_ACCESS_KEY_ID", "AKIDOUTSIDE").env("AWS_SECRET_ACCESS_KEY", "outside");
    let ran = Ran::of(timeout(PATIENCE, command.output()).await.unwrap().unwrap());
    assert_eq!(ran.status, Some(7), "{ran:?}");
    assert!(ran.out.starts_with("changed vpn.example.com CNAME (none) -> ec2-"), "{ran:?}");
}

#[tokio::test]
async fn the_demo_tells_its_story() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pin53"));
    let ran = Ran::of(timeout(PATIENCE, command.arg("demo").env_clear().output()).await.unwrap().unwrap());
    assert_eq!((ran.status, ran.err.as_str()), (Some(0), ""), "{ran:?}");
    for told in [
        "NXDOMAIN",
        "IN CNAME ec2-198-51-100-7",
        "IN CNAME ec2-203-0-113-9",
        "somewhere-else",
        "What it cost",
    ] {
        assert!(ran.out.contains(told), "{told} is missing from {}", ran.out);
    }
    let mended = "changed vpn.example.com CNAME somewhere-else.example.net -> ec2-203-0-113-77";
    assert!(ran.out.contains(mended), "{}", ran.out);
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[tokio::test]
async fn status_tells_what_once_saw_and_did() {
    let town = plain().await;
    let never = town.run(&["status"]).await;
    assert_eq!((never.status, never.out.as_str()), (Some(75), ""), "{never:?}");
    assert!(never.err.contains("has not run here yet"), "{never:?}");
    let never = town.run(&["status", "--json"]).await;
    assert_eq!(never.status, Some(75));
    assert_eq!(
        (&json(&never.out)["records"], &json(&never.out)["ready"]),
        (&serde_json::json!([]), &false.into())
    );

    let plan = town.run(&["plan", "--name", "vpn.example.com"]).await;
    let dry = town.run(&["--once", "--dry-run", "--name", "vpn.example.com"]).await;
    assert_eq!((plan.status, dry.status), (Some(0), Some(0)));
    assert_eq!(town.run(&["status", "--check"]).await.status, Some(75), "nothing was done yet");

    town.run(&["--once", "--name", "vpn.example.com"]).await;
    let text = town.run(&["status"]).await;
    assert_eq!((text.status, text.err.as_str()), (Some(0), ""));
    assert!(
        text.out.starts_with(&format!("changed vpn.example.com CNAME (none) -> {HOST} (ttl 60)\n")),
        "{text:?}"
    );
    let check = town.run(&["status", "--check"]).await;
    assert_eq!(check.status, Some(0), "{check:?}");
    let first = json(&town.run(&["status", "--json"]).await.out);
    assert_eq!(first["ready"], true);
    assert_eq!(first["records"][0]["last_change"], first["records"][0]["last_confirmed"]);
    assert!(first["history"][0]["in_sync_after"].is_number(), "{first}");
    let history = town.run(&["status", "--history"]).await;
    assert!(
        history.out.contains(&format!(" vpn.example.com CNAME (none) -> {HOST} (ttl 60), in sync after ")),
        "{history:?}"
    );

    let again = town.run(ONCE).await;
    assert_eq!(again.status, Some(0));
    let second = json(&town.run(&["status", "--json"]).await.out);
    assert_eq!(second["records"][0]["outcome"], "unchanged");
    assert_eq!(second["records"][0]["last_change"], first["records"][0]["last_change"]);
    assert_ne!(second["records"][0]["last_confirmed"], first["records"][0]["last_confirmed"]);
    assert_eq!(second["history"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_health_check_ends_with_the_gravest_status_of_the_names() {
    let town = plain().await;
    town.run(ONCE).await;
    let address = simple("apex.example.com", RecordType::A, 60, &["198.51.100.1"]);
    town.running.world.put_record(address).unwrap();
    let both = ["--once", "--name", "vpn.example.com", "--name", "apex.example.com", "--wait", "off"];
    assert_eq!(town.run(&both).await.status, Some(65));
    let check = town.run(&["status", "--check"]).await;
    assert_eq!(check.status, Some(65));
    assert!(check.out.contains("refused apex.example.com"), "{check:?}");
    assert_eq!(check.out.lines().count(), 1);
    let json = town.run(&["status", "--check", "--json"]).await;
    assert_eq!(json.status, Some(65));
}

#[tokio::test]
async fn a_file_that_was_broken_since_is_told_and_does_not_hide_the_daemon_that_runs_on() {
    let town = plain().await;
    let file = town.directory.path().join("pin53.toml");
    let at = file.to_str().unwrap();
    std::fs::write(&file, "[[record]\n").unwrap();
    let never = town.run(&["status", "--config", at]).await;
    assert_eq!((never.status, never.out.as_str()), (Some(78), ""), "{never:?}");
    std::fs::write(&file, "[[record]]\nname = \"vpn.example.com\"\n").unwrap();
    let ran = town.run(&["--once", "--config", at, "--wait", "off"]).await;
    assert_eq!(ran.status, Some(0), "{ran:?}");
    for broken in ["[[record]\n", "intervl = \"5m\"\n", "interval = \"soon\"\n"] {
        std::fs::write(&file, broken).unwrap();
        for more in [&[][..], &["--check"], &["--json"], &["--history"]] {
            let seen = town.run(&[&["status", "--config", at][..], more].concat()).await;
            assert_eq!(seen.status, Some(0), "{broken}: {seen:?}");
            assert!(seen.out.contains("vpn.example.com"), "{broken}: {seen:?}");
            assert!(seen.err.starts_with(&format!("error: {at}: ")), "{broken}: {seen:?}");
        }
    }
    std::fs::remove_file(&file).unwrap();
    let wrong = town.run(&["status", "--config", at]).await;
    assert_eq!((wrong.status, wrong.out.as_str()), (Some(78), ""), "the question itself is wrong: {wrong:?}");
}

#[tokio::test]
async fn a_program_that_prints_credentials_is_not_given_the_line_to_systemd() {
    let town = plain().await;
    let (config, seen) = (town.directory.path().join("aws"), town.directory.path().join("seen"));
    let script = format!("env > {}; exit 1", seen.display());
    std::fs::write(&config, format!("[profile a]\ncredential_process = /bin/sh -c '{script}'\n")).unwrap();
    let mut command = town.pin53(ONCE);
    for (name, value) in
        [("NOTIFY_SOCKET", "/nowhere"), ("WATCHDOG_USEC", "1"), ("AWS_PROFILE", "a"), ("SEEN", "1")]
    {
        command.env(name, value);
    }
    let ran =
        Ran::of(timeout(PATIENCE, command.env("AWS_CONFIG_FILE", &config).output()).await.unwrap().unwrap());
    assert_eq!(ran.status, Some(77), "{ran:?}");
    let seen = std::fs::read_to_string(&seen).unwrap();
    assert!(seen.contains("SEEN=1") && seen.contains("AWS_PROFILE=a"), "{seen}");
    assert!(!seen.contains("NOTIFY_SOCKET") && !seen.contains("WATCHDOG"), "{seen}");
}

#[tokio::test]
async fn the_daemon_keeps_its_status_for_others_to_read() {
    let town = plain().await;
    let mut child = town.pin53(&["--name", "vpn.example.com", "--watch", "1s"]).spawn().unwrap();
    let in_sync = async {
        while town.run(&["status", "--history"]).await.out.matches("in sync after").count() == 0 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, in_sync).await.unwrap();
    let status = json(&town.run(&["status", "--json"]).await.out);
    assert_eq!((&status["ready"], &status["records"][0]["after"]["values"][0]), (&true.into(), &HOST.into()));
    assert_eq!(town.run(&["status", "--check"]).await.status, Some(0));
    child.kill().await.unwrap();
    assert_eq!(town.run(&["status", "--check"]).await.status, Some(0), "it may be started again any moment");
}

#[tokio::test]
async fn status_goes_on_watching_until_it_is_told_to_stop() {
    let town = plain().await;
    town.run(ONCE).await;
    let mut watch = town.pin53(&["status", "--watch"]).spawn().unwrap();
    let mut lines =
        tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(watch.stdout.take().unwrap()));
    let told = async |lines: &mut tokio::io::Lines<_>, word: &str| {
        let told = async {
            loop {
                let line: String = lines.next_line().await.unwrap().unwrap();
                if line.starts_with(word) {
                    return;
                }
            }
        };
        timeout(PATIENCE, told).await.unwrap();
    };
    told(&mut lines, "changed vpn.example.com").await;
    town.run(ONCE).await;
    told(&mut lines, "unchanged vpn.example.com").await;
    terminate(&watch);
    assert_eq!(timeout(PATIENCE, watch.wait()).await.unwrap().unwrap().code(), Some(0));
}

/// A daemon for `vpn.example.com` with a status page.
struct Shown {
    child: Child,
    address: String,
}

async fn shown(town: &Town, more: &[&str]) -> Shown {
    let arguments = [&["--name", "vpn.example.com", "--watch", "1s"], more].concat();
    let mut command = town.pin53(&arguments);
    let mut child = command.env("PIN53_LISTEN", "127.0.0.1:0").spawn().unwrap();
    let log = tokio::io::BufReader::new(child.stderr.take().unwrap());
    let mut lines = tokio::io::AsyncBufReadExt::lines(log);
    let address = loop {
        let line = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap();
        if let Some((_, address)) = line.split_once("status page on http://") {
            break address.trim_end_matches('/').to_owned();
        }
    };
    // Somebody reads on, so that nothing waits for it.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Shown { child, address }
}

impl Shown {
    /// The whole answer to a request, its head in lower case.
    async fn ask(&self, method: &str, path: &str, more: &str) -> (String, String) {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut stream = tokio::net::TcpStream::connect(&self.address).await.unwrap();
        let host =
            if more.starts_with("Host:") { String::new() } else { format!("Host: {}\r\n", self.address) };
        let request = format!("{method} {path} HTTP/1.1\r\n{host}{more}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_ascii_lowercase(), body.to_owned())
    }

    async fn status(&self, path: &str) -> String {
        self.ask("GET", path, "").await.0.split(' ').nth(1).unwrap().to_owned()
    }
}

#[tokio::test]
async fn the_status_page_and_what_stands_beside_it_can_be_read_and_nothing_else() {
    let town = plain().await;
    town.running.world.inject(Fault::ImdsError.always());
    let daemon = shown(&town, &[]).await;
    assert_eq!(daemon.status("/readyz").await, "503", "nothing could be decided yet");
    assert_eq!(daemon.status("/healthz").await, "200");
    town.running.world.clear_faults();
    let ready = async {
        while daemon.status("/readyz").await != "200" {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, ready).await.unwrap();

    let (head, page) = daemon.ask("GET", "/", "").await;
    assert!(head.contains("content-type: text/html") && head.contains("default-src 'none'"), "{head}");
    assert!(page.contains("vpn.example.com") && page.contains(HOST), "{page}");
    let (head, metrics) = daemon.ask("GET", "/metrics", "").await;
    assert!(head.contains("content-type: application/openmetrics-text; version=1.0.0"), "{head}");
    assert!(metrics.contains("operation=\"ChangeResourceRecordSets\",code=\"200\"} 1\n"), "{metrics}");
    assert!(metrics.contains("pin53_clock_offset_seconds ") && metrics.ends_with("# EOF\n"), "{metrics}");
    let (head, document) = daemon.ask("GET", "/status.json", "").await;
    assert!(head.contains("content-type: application/json"), "{head}");
    let served = json(&document);
    assert_eq!(served["records"][0]["after"]["values"][0], HOST);

    let mut status = town.pin53(&["status", "--json"]);
    status.env("PIN53_LISTEN", &daemon.address).env("STATE_DIRECTORY", "/nowhere");
    let asked = json(&Ran::of(status.output().await.unwrap()).out);
    assert_eq!(
        (&asked["records"][0]["name"], &asked["ready"]),
        (&served["records"][0]["name"], &true.into())
    );

    for path in ["/", "/status.json", "/metrics", "/healthz", "/readyz"] {
        let (head, body) = daemon.ask("HEAD", path, "").await;
        assert!(head.starts_with("http/1.1 200 ") && body.is_empty(), "{path}: {head} {body}");
        for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
            let (head, _) = daemon.ask(method, path, "Content-Length: 0\r\n").await;
            assert!(
                head.starts_with("http/1.1 405 ") && head.contains("allow: get, head"),
                "{method} {path}: {head}"
            );
        }
    }
    assert_eq!(daemon.status("/favicon.ico").await, "404");
    let (head, _) = daemon.ask("GET", "/status.json", "Host: evil.example\r\n").await;
    assert!(head.starts_with("http/1.1 421 "), "{head}");

    let keys = town.running.world.role_credentials().unwrap();
    let secret = |text: &secrecy::SecretString| secrecy::ExposeSecret::expose_secret(text).to_owned();
    for shown in [page, metrics, document] {
        assert!(!shown.contains(&secret(&keys.secret)) && !shown.contains(&keys.key_id), "{shown}");
    }
    terminate(&daemon.child);
    let ended = timeout(PATIENCE, daemon.child.wait_with_output()).await.unwrap().unwrap();
    assert_eq!(ended.status.code(), Some(0));
}

#[tokio::test]
async fn a_port_that_somebody_has_is_a_wrong_configuration() {
    let town = plain().await;
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = town.pin53(&["--name", "vpn.example.com"]);
    let output = timeout(PATIENCE, command.env("PIN53_LISTEN", &address).output()).await.unwrap().unwrap();
    let ran = Ran::of(output);
    assert_eq!(ran.status, Some(78), "{ran:?}");
    assert!(
        ran.err.contains(&format!("listen: could not listen on {address}")) && ran.err.contains("hint: "),
        "{ran:?}"
    );
    assert_eq!(town.vpn(), None, "nothing was done");
}

#[tokio::test]
async fn clients_that_stall_hold_up_neither_the_daemon_nor_others() {
    let town = plain().await;
    let daemon = shown(&town, &[]).await;
    let mut stalled = Vec::new();
    for _ in 0..20 {
        stalled.push(tokio::net::TcpStream::connect(&daemon.address).await.unwrap());
    }
    town.vpn_becomes(HOST).await;
    town.running.world.move_instance([203, 0, 113, 9].into());
    town.vpn_becomes(MOVED).await;
    assert_eq!(daemon.status("/healthz").await, "200");
}
