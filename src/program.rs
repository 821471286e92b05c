//! Programs that users name in their settings: split into words, run without a shell, and bounded.
//!
//! A program gets our environment but for what is secret in it and for systemd's. What it leaves running is
//! ended with it. Not here: what its output means.

use std::fmt;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use crate::env::Env;
use crate::words;

/// More than any list of addresses.
const LARGEST: usize = 64 * 1024;
/// What of its complaints is shown, in characters.
const LONGEST_SHOWN: usize = 200;

/// A program and its arguments.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Program {
    name: String,
    arguments: Vec<String>,
}

/// Why a program gave nothing: the end of a sentence that begins with its name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("can't be run: {0}")]
    Start(String),
    #[error("can't be used: {0}")]
    Stream(String),
    #[error("was ended: it was still running after {} s", .0.as_secs_f32())]
    Overrun(Duration),
    #[error("printed more than {LARGEST} bytes")]
    TooMuch,
    #[error("ended with {status}{}{said}", if said.is_empty() { "" } else { ": " })]
    Status {
        status: std::process::ExitStatus,
        /// The first line of its standard error.
        said: String,
    },
    #[error("printed something that is no text")]
    NoText,
}

impl Program {
    /// Splits a line as a shell would do it, quotes and backslashes included; nothing is expanded. `None`
    /// where it names no program, or a quotation mark isn't closed.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = words::split(line)?.into_iter();
        let name = words.next().filter(|name| !name.is_empty())?;
        Some(Self { name, arguments: words.collect() })
    }

    /// What it prints, if it ends well within `patience`. It gets `input` on standard input, or nothing.
    ///
    /// # Errors
    /// When it can't be run, doesn't end well or in time, or prints too much or no text.
    pub async fn run(&self, env: &Env, input: Option<&[u8]>, patience: Duration) -> Result<String, Error> {
        let output = tokio::time::timeout(patience, self.output(env, input)).await;
        output.unwrap_or(Err(Error::Overrun(patience)))
    }

    async fn output(&self, env: &Env, input: Option<&[u8]>) -> Result<String, Error> {
        let mut command = Command::new(&self.name);
        command
            .args(&self.arguments)
            .env_clear()
            .envs(env.with_prefix("").filter(|(name, _)| !is_withheld(name)))
            .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| Error::Start(error.to_string()))?;
        // Dropped before the child, so that the group still is the child's when it is ended.
        let mut group = Group(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)));
        let (into, out, err) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        // Too much output ends it at once; standard error is of interest only when it ends by itself.
        let err = async { Ok::<_, Error>(first_line(err).await) };
        let feed = async {
            if let (Some(mut into), Some(input)) = (into, input) {
                // Whoever doesn't want to know closes it, or has ended already.
                let _ = into.write_all(input).await;
            }
            Ok(())
        };
        let ((), out, said) = tokio::try_join!(feed, read_to(LARGEST, out), err)?;
        let status = child.wait().await.map_err(|error| Error::Stream(error.to_string()))?;
        group.0 = None;
        if !status.success() {
            return Err(Error::Status { status, said });
        }
        String::from_utf8(out).map_err(|_| Error::NoText)
    }

    /// Its name alone: the arguments may hold a key.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
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

/// What goes to us alone: keys and tokens of AWS and of the toolbox, and the line to systemd.
fn is_withheld(name: &str) -> bool {
    let of_aws = name.starts_with("AWS_")
        && ["SECRET", "TOKEN", "ACCESS_KEY"].iter().any(|secret| name.contains(secret));
    let of_systemd =
        matches!(name, "NOTIFY_SOCKET" | "WATCHDOG_PID" | "WATCHDOG_USEC" | "CREDENTIALS_DIRECTORY")
            || name.starts_with("LISTEN_");
    of_aws
        || of_systemd
        // A setting may be one, and a pin53 that is called doesn't mean ours.
        || name.starts_with("PIN53_")
        || matches!(name, "AZURE_STORAGE_KEY" | "SDK_HMAC_KEY" | "SDK_HMAC_SECRET")
}

async fn read_to(limit: usize, stream: Option<impl AsyncRead + Unpin>) -> Result<Vec<u8>, Error> {
    let Some(stream) = stream else { return Ok(Vec::new()) };
    let mut bytes = Vec::new();
    let more = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let read = stream.take(more).read_to_end(&mut bytes).await;
    read.map_err(|error| Error::Stream(error.to_string()))?;
    if bytes.len() > limit { Err(Error::TooMuch) } else { Ok(bytes) }
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
    line.chars().take(LONGEST_SHOWN).collect()
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

    const PATIENCE: Duration = Duration::from_secs(10);

    async fn of(line: &str, input: Option<&[u8]>) -> Result<String, String> {
        let env = Env::from_iter([
            ("PATH", "/usr/bin:/bin"),
            ("AWS_SECRET_ACCESS_KEY", "sentinel-secret"),
            ("AWS_SESSION_TOKEN", "sentinel-token"),
            ("AWS_ACCESS_KEY_ID", "sentinel-id"),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "sentinel-container"),
            ("AWS_REGION", "eu-west-1"),
            ("NOTIFY_SOCKET", "/sentinel"),
            ("CREDENTIALS_DIRECTORY", "/sentinel"),
            ("PIN53_NOTIFY__WEBHOOK", "https://sentinel"),
        ]);
        Program::parse(line).unwrap().run(&env, input, PATIENCE).await.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn it_gets_its_input_and_the_environment_without_what_is_secret() {
        assert_eq!(of("cat", Some(b"event")).await.unwrap(), "event");
        assert_eq!(of("cat", None).await.unwrap(), "");
        let all = of("env", None).await.unwrap();
        assert!(all.contains("AWS_REGION=eu-west-1") && !all.contains("entinel"), "{all}");
        assert!(!all.contains("PIN53_"), "{all}");
    }

    #[tokio::test]
    async fn one_that_doesnt_want_its_input_is_no_failure() {
        let long = vec![b'x'; 1 << 20];
        assert_eq!(of("true", Some(&long)).await.unwrap(), "");
        assert_eq!(of("sh -c 'exec <&-; echo done'", Some(&long)).await.unwrap(), "done\n");
    }

    #[tokio::test]
    async fn one_that_fails_says_why_in_its_own_first_line() {
        let failed = of("sh -c 'echo no route >&2; echo more >&2; exit 75'", None).await.unwrap_err();
        assert_eq!(failed, "ended with exit status: 75: no route");
        assert!(of("/nowhere/program --key sentinel", None).await.unwrap_err().starts_with("can't be run: "));
        assert_eq!(of("printf '\\377'", None).await.unwrap_err(), "printed something that is no text");
    }

    #[tokio::test]
    async fn whatever_it_has_started_is_ended_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let mut held = tokio::net::unix::pipe::OpenOptions::new().open_receiver(&pipe).unwrap();
        let line = format!("sh -c '(echo up; exec sleep 600) > {} & wait'", pipe.display());
        let program = Program::parse(&line).unwrap();
        let env = Env::from_iter([("PATH", "/usr/bin:/bin")]);
        let mut buffer = [0; 8];
        {
            let mut running = std::pin::pin!(program.output(&env, None));
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
