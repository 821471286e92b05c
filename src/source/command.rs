//! `command:PROGRAM`: what a program prints on standard output.
//!
//! One program, run without a shell, bounded in time and output. It gets our environment but for what is
//! secret in it and for systemd's, and no standard input. What it leaves running is ended with it.

use std::fmt;
use std::process::Stdio;
use std::str::FromStr;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

use crate::dns::RecordType;
use crate::env::Env;
use crate::words;

use super::look::Observation;
use super::{Error, values};

/// Longer than a program takes that asks somebody on the Internet.
const PATIENCE: Duration = Duration::from_secs(10);
/// More than any list of addresses.
const LARGEST: usize = 64 * 1024;

/// A program and its arguments.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Program {
    name: String,
    arguments: Vec<String>,
}

/// Split as a shell would do it, quotes and backslashes included; nothing is expanded.
impl FromStr for Program {
    type Err = Error;

    fn from_str(line: &str) -> Result<Self, Error> {
        let mut words = words::split(line).unwrap_or_default().into_iter();
        match words.next().filter(|name| !name.is_empty()) {
            Some(name) => Ok(Self { name, arguments: words.collect() }),
            None => Err(Error::Form {
                expected: "command: and a program with its arguments, each quotation mark closed",
                // Behind the program's name there may be a key.
                found: format!("command:{}", line.split_whitespace().next().unwrap_or_default()),
            }),
        }
    }
}

/// The program alone: its arguments may hold a key.
impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.name, f)
    }
}

pub(super) async fn read(program: &Program, env: &Env, rtype: RecordType) -> Observation {
    run(program, env, rtype, PATIENCE).await
}

async fn run(program: &Program, env: &Env, rtype: RecordType, patience: Duration) -> Observation {
    match tokio::time::timeout(patience, output(program, env)).await {
        Ok(Ok(text)) => values::read(rtype, &program.name, &text),
        Ok(Err(why)) => Observation::Unknown(format!("{program} {why}")),
        Err(_) => Observation::Unknown(format!(
            "{program} was ended: it was still running after {} s",
            patience.as_secs_f32()
        )),
    }
}

/// What it prints, if it ends well; else the end of a sentence that begins with its name.
async fn output(program: &Program, env: &Env) -> Result<String, String> {
    let mut command = Command::new(&program.name);
    command
        .args(&program.arguments)
        .env_clear()
        .envs(env.with_prefix("").filter(|(name, _)| !is_withheld(name)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| format!("can't be run: {error}"))?;
    // Dropped before the child, so that the group still is the child's when it is ended.
    let mut group = Group(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)));
    let (out, err) = (child.stdout.take(), child.stderr.take());
    // Too much output ends it at once; standard error is of interest only when it ends by itself.
    let err = async { Ok::<_, String>(first_line(err).await) };
    let (out, err) = tokio::try_join!(read_to(LARGEST, out), err)?;
    let status = child.wait().await.map_err(|error| format!("can't be waited for: {error}"))?;
    group.0 = None;
    if !status.success() {
        let said = if err.is_empty() { String::new() } else { format!(": {err}") };
        return Err(format!("ended with {status}{said}"));
    }
    String::from_utf8(out).map_err(|_| "printed something that is no text".to_owned())
}

/// What goes to us alone: keys and tokens of AWS and of the toolbox, and the line to systemd.
fn is_withheld(name: &str) -> bool {
    let of_aws = name.starts_with("AWS_")
        && ["SECRET", "TOKEN", "ACCESS_KEY"].iter().any(|secret| name.contains(secret));
    let of_systemd =
        matches!(name, "NOTIFY_SOCKET" | "WATCHDOG_PID" | "WATCHDOG_USEC") || name.starts_with("LISTEN_");
    of_aws || of_systemd || matches!(name, "AZURE_STORAGE_KEY" | "SDK_HMAC_KEY" | "SDK_HMAC_SECRET")
}

async fn read_to(limit: usize, stream: Option<impl AsyncRead + Unpin>) -> Result<Vec<u8>, String> {
    let Some(stream) = stream else { return Ok(Vec::new()) };
    let mut bytes = Vec::new();
    let more = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let read = stream.take(more).read_to_end(&mut bytes).await;
    read.map_err(|error| format!("can't be read from: {error}"))?;
    if bytes.len() > limit { Err(format!("printed more than {limit} bytes")) } else { Ok(bytes) }
}

/// The first line, as far as it needs to be seen. The rest is read so that nobody waits to write it.
async fn first_line(stream: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut stream) = stream else { return String::new() };
    let mut kept = Vec::new();
    let mut buffer = [0; 1024];
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        if kept.len() < buffer.len() {
            kept.extend_from_slice(&buffer[..length]);
        }
    }
    let text = String::from_utf8_lossy(&kept);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    values::shortened(line)
}

/// The processes of a program that hasn't ended: they are, when this is dropped.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            // It fails when all of them have ended by themselves.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn of(line: &str) -> Observation {
        let env = Env::from_iter([
            ("PATH", "/usr/bin:/bin"),
            ("AWS_SECRET_ACCESS_KEY", "sentinel-secret"),
            ("AWS_SESSION_TOKEN", "sentinel-token"),
            ("AWS_ACCESS_KEY_ID", "sentinel-id"),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "sentinel-container"),
            ("AWS_REGION", "eu-west-1"),
            ("NOTIFY_SOCKET", "/sentinel"),
        ]);
        read(&line.parse().unwrap(), &env, RecordType::A).await
    }

    fn why(observation: Observation) -> String {
        let Observation::Unknown(why) = observation else {
            panic!("expected unknown, found {observation:?}")
        };
        why
    }

    #[tokio::test]
    async fn what_it_prints_is_the_value_and_its_arguments_are_split_but_not_expanded() {
        assert!(matches!(of("echo 198.51.100.7").await, Observation::Known(values) if values.len() == 1));
        assert!(
            matches!(of("printf '%s\\n' 198.51.100.7 '198.51.100.8'").await, Observation::Known(v) if v.len() == 2)
        );
        assert!(why(of("echo $PATH").await).contains("found '$PATH'"));
        assert!(matches!(of("true").await, Observation::KnownNone(_)));
    }

    #[tokio::test]
    async fn a_program_that_fails_is_unknown_and_says_why_in_its_own_first_line() {
        let failed = why(of("sh -c 'echo 198.51.100.7; echo no route >&2; echo more >&2; exit 3'").await);
        assert_eq!(failed, "sh ended with exit status: 3: no route");
        assert_eq!(why(of("false").await), "false ended with exit status: 1");
        assert!(why(of("sh -c 'kill -9 $$'").await).contains("signal: 9"));
        assert!(
            why(of("/nowhere/program --key sentinel").await).starts_with("/nowhere/program can't be run: ")
        );
    }

    #[tokio::test]
    async fn it_gets_the_environment_without_what_is_secret() {
        let all = why(of("env").await);
        let counted = why(of("sh -c 'env | grep -c sentinel; env | grep ^AWS_ >&2; exit 1'").await);
        assert_eq!(counted, "sh ended with exit status: 1: AWS_REGION=eu-west-1");
        assert!(!all.contains("sentinel"), "{all}");
    }

    #[tokio::test]
    async fn a_program_that_prints_without_end_is_ended() {
        assert_eq!(why(of("yes 198.51.100.7").await), "yes printed more than 65536 bytes");
    }

    #[tokio::test]
    async fn a_program_that_overruns_is_unknown() {
        let program = "sleep 600".parse().unwrap();
        let env = Env::from_iter([("PATH", "/usr/bin:/bin")]);
        let observation = run(&program, &env, RecordType::A, Duration::from_millis(20)).await;
        assert_eq!(why(observation), "sleep was ended: it was still running after 0.02 s");
    }

    #[tokio::test]
    async fn whatever_it_has_started_is_ended_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let mut held = tokio::net::unix::pipe::OpenOptions::new().open_receiver(&pipe).unwrap();
        let line = format!("sh -c '(echo up; exec sleep 600) > {} & wait'", pipe.display());
        let program: Program = line.parse().unwrap();
        let env = Env::from_iter([("PATH", "/usr/bin:/bin")]);
        let mut buffer = [0; 8];
        {
            let mut running = std::pin::pin!(output(&program, &env));
            // Nobody has the pipe open yet as long as nothing is read from it.
            while buffer[0] == 0 {
                tokio::select! {
                    ended = &mut running => panic!("{ended:?}"),
                    read = held.read(&mut buffer) => { read.unwrap(); }
                }
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(held.read(&mut buffer).await.unwrap(), 0, "nobody holds the pipe any more");
    }
}
