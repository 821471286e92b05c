//! pin53 killed at every point of a change, and started again.
//!
//! The sandbox holds each call of the API in turn, before and after it is carried out: between two calls nothing
//! leaves the process, so that these are all the points there are.

use std::fs;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use pin53::clock::SystemClock;
use pin53::dns::{Policy, RecordSet, RecordType, Routing};
use pin53::sandbox::{self, Fault, Operation, Options, Running};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use super::house::{HOST, name, simple};

/// Longer than anything takes, so that only what hangs runs into it.
const PATIENCE: Duration = Duration::from_secs(30);
const VPN: &str = "vpn.example.com";

/// A change: what stood there, how the record is configured, and what stands there in the end.
struct Story {
    before: Vec<RecordSet>,
    settings: &'static str,
    after: Vec<RecordSet>,
}

fn member(id: &str, value: &str) -> RecordSet {
    let routing = Some(Routing { set_identifier: id.to_owned(), policy: Policy::Multivalue });
    RecordSet { routing, ..simple(VPN, RecordType::A, 60, &[value]) }
}

fn marker() -> RecordSet {
    simple(
        "cname-vpn.example.com",
        RecordType::Txt,
        300,
        &["\"heritage=external-dns,external-dns/owner=me\""],
    )
}

fn stories() -> Vec<Story> {
    let host = || simple(VPN, RecordType::Cname, 60, &[HOST]);
    let old = || simple(VPN, RecordType::Cname, 60, &["old.example.net"]);
    vec![
        Story { before: vec![], settings: "", after: vec![host()] },
        Story { before: vec![old()], settings: "", after: vec![host()] },
        Story { before: vec![], settings: "owner = 'me'", after: vec![host(), marker()] },
        Story { before: vec![old()], settings: "owner = 'me'", after: vec![host(), marker()] },
        Story { before: vec![old(), marker()], settings: "owner = 'me'", after: vec![host(), marker()] },
        Story { before: vec![host()], settings: "owner = 'me'", after: vec![host(), marker()] },
        Story {
            before: vec![
                simple(VPN, RecordType::A, 60, &["192.0.2.1"]),
                simple(VPN, RecordType::Aaaa, 60, &["2001:db8::1"]),
            ],
            settings: "on_conflict = 'replace'\nowner = 'me'",
            after: vec![host(), marker()],
        },
        Story {
            before: vec![member("i-other", "192.0.2.1"), member("i-0123456789abcdef0", "192.0.2.2")],
            settings: "type = 'A'\nrouting = { set_identifier = '{{ instance_id }}', multivalue = true }",
            after: vec![member("i-other", "192.0.2.1"), member("i-0123456789abcdef0", "198.51.100.7")],
        },
    ]
}

struct Town {
    running: Running,
    directory: TempDir,
}

impl Town {
    async fn of(story: &Story) -> Self {
        let town = Self {
            running: sandbox::start(Options::default(), Arc::new(SystemClock)).await.unwrap(),
            directory: TempDir::new().unwrap(),
        };
        for set in story.before.iter().cloned().chain([bystander()]) {
            town.running.world.put_record(set).unwrap();
        }
        let settings = format!("[[record]]\nname = '{VPN}'\n{}\n", story.settings);
        fs::write(town.directory.path().join("pin53.toml"), settings).unwrap();
        town
    }

    fn pin53(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pin53"));
        command.arg("--config").arg(self.directory.path().join("pin53.toml"));
        command.env_clear().kill_on_drop(true);
        command.envs(self.running.exports.iter().map(|(name, value)| (name, value)));
        command.env("STATE_DIRECTORY", self.directory.path().join("state"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn once(&self) -> Command {
        let mut command = self.pin53();
        command.arg("--once");
        command
    }

    /// A daemon that asks the API for nothing once it is through with its start.
    fn daemon(&self) -> Child {
        let mut command = self.pin53();
        command.args(["--watch", "1h"]).env("PIN53_AUDIT__VIA", "api").stderr(Stdio::null());
        command.spawn().unwrap()
    }

    async fn becomes(&self, sets: &[RecordSet]) {
        let becomes = async {
            while !are_equivalent(&self.sets(), sets) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, becomes).await.unwrap();
    }

    /// Whether a call is held before pin53 comes to its end, which is a good one.
    async fn holds(&self, child: &mut Child) -> bool {
        let was_held = async {
            tokio::select! {
                () = self.running.world.held() => true,
                status = child.wait() => {
                    assert!(status.unwrap().success());
                    false
                }
            }
        };
        timeout(PATIENCE, was_held).await.unwrap()
    }

    /// Everything in the zone but its own sets, by name and type.
    fn sets(&self) -> Vec<RecordSet> {
        let zone = self.running.world.zone_of(&name(VPN)).unwrap();
        let sets = self.running.world.records(&zone).into_iter();
        sorted(sets.filter(|set| set.name != name("example.com")).collect())
    }
}

fn bystander() -> RecordSet {
    simple("www.example.com", RecordType::A, 60, &["192.0.2.9"])
}

fn sorted(mut sets: Vec<RecordSet>) -> Vec<RecordSet> {
    sets.sort_by_key(RecordSet::key);
    sets
}

#[tokio::test]
async fn killed_at_any_point_of_a_change_and_started_again_it_ends_in_the_right_record() {
    let stories = stories();
    let holds = [Fault::Hold as fn(u32) -> Fault, Fault::HoldAnswer];
    let told =
        stories.iter().enumerate().flat_map(|(place, story)| holds.map(|hold| tell(place, story, hold)));
    futures_util::future::join_all(told).await;
}

/// Plays a story as often as it has calls, and kills pin53 at another one each time.
async fn tell(place: usize, story: &Story, hold: fn(u32) -> Fault) {
    let wanted = sorted(story.after.iter().cloned().chain([bystander()]).collect());
    let untouched = sorted(story.before.iter().cloned().chain([bystander()]).collect());
    for call in 1.. {
        let town = Town::of(story).await;
        town.running.world.inject(hold(call));
        let mut child = town.once().spawn().unwrap();
        if !town.holds(&mut child).await {
            assert!(call > 4, "story {place}: zone, set, change and its state are asked for, found {call}");
            return;
        }
        child.kill().await.unwrap();
        let left = town.sets();
        let is_whole = [&untouched, &wanted].into_iter().any(|whole| are_equivalent(&left, whole));
        assert!(is_whole, "story {place}, call {call}: half a change: {left:?}");
        let mut again = town.once();
        let again = timeout(PATIENCE, again.args(["--wait", "off"]).output()).await.unwrap().unwrap();
        assert_eq!(again.status.code(), Some(0), "story {place}, call {call}: {again:?}");
        let ended = town.sets();
        assert!(are_equivalent(&ended, &wanted), "story {place}, call {call}: {ended:?}");
    }
}

#[tokio::test]
async fn killed_at_any_point_of_a_withdrawal_it_publishes_again_and_withdraws_at_the_next_stop() {
    let own = |value| member("i-0123456789abcdef0", value);
    let stories = [
        Story {
            before: vec![],
            settings: "on_stop = 'withdraw'\nowner = 'me'",
            after: vec![simple(VPN, RecordType::Cname, 60, &[HOST]), marker()],
        },
        Story {
            before: vec![member("i-other", "192.0.2.1")],
            settings: "on_stop = 'withdraw'\ntype = 'A'\n\
                       routing = { set_identifier = '{{ instance_id }}', multivalue = true }",
            after: vec![member("i-other", "192.0.2.1"), own("198.51.100.7")],
        },
    ];
    let holds = [Fault::Hold as fn(u32) -> Fault, Fault::HoldAnswer];
    let told = stories.iter().flat_map(|story| holds.map(|hold| tell_withdrawal(story, hold)));
    futures_util::future::join_all(told).await;
}

/// Plays a story to its end and then stops the daemon, which is killed at another call of its withdrawal each time.
async fn tell_withdrawal(story: &Story, hold: fn(u32) -> Fault) {
    let published = sorted(story.after.iter().cloned().chain([bystander()]).collect());
    let withdrawn = sorted(story.before.iter().cloned().chain([bystander()]).collect());
    for call in 1.. {
        let town = Town::of(story).await;
        let mut daemon = town.daemon();
        town.becomes(&published).await;
        town.running.world.inject(hold(call));
        stop(&daemon);
        if !town.holds(&mut daemon).await {
            assert!(call > 1, "the change is asked for at least");
            assert!(are_equivalent(&town.sets(), &withdrawn), "call {call}: {:?}", town.sets());
            return;
        }
        daemon.kill().await.unwrap();
        let left = town.sets();
        let is_whole = [&published, &withdrawn].into_iter().any(|whole| are_equivalent(&left, whole));
        assert!(is_whole, "call {call}: half a change: {left:?}");
        town.running.world.forget_requests();
        let mut again = town.daemon();
        // It is there to be stopped once it has looked.
        let looks = async {
            while town.running.world.calls(Operation::ListResourceRecordSets) == 0 {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, looks).await.unwrap();
        town.becomes(&published).await;
        stop(&again);
        assert!(timeout(PATIENCE, again.wait()).await.unwrap().unwrap().success());
        assert!(are_equivalent(&town.sets(), &withdrawn), "call {call}: {:?}", town.sets());
    }
}

fn stop(daemon: &Child) {
    let pid = Pid::from_raw(i32::try_from(daemon.id().unwrap()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
}

fn are_equivalent(sets: &[RecordSet], others: &[RecordSet]) -> bool {
    sets.len() == others.len() && sets.iter().zip(others).all(|(set, other)| set.is_equivalent(other))
}
