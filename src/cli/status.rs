//! `pin53 status`: what the daemon, or the last `--once`, saw and did.
//!
//! The running daemon is asked where `listen` is set and it answers; else what was kept in the state directory
//! is read.

use std::io::{self, IsTerminal as _, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::Request;

use super::{Exit, Failure, engine, log, runtime};
use crate::board::{self, Snapshot};
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Overrides, Watching};
use crate::env::Env;
use crate::state;
use crate::status::{self, Health};
use crate::transport::{self, HttpClient, Transport, TrustedRoots};

#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
#[command(after_help = EXAMPLE)]
pub(super) struct Args {
    /// For health checks: one line, and a status
    #[arg(long, conflicts_with = "watch", help_heading = "What to show")]
    pub check: bool,
    /// The changes that were made, the newest last
    #[arg(long, conflicts_with_all = ["check", "watch"], help_heading = "What to show")]
    pub history: bool,
    /// Go on, and show what is new
    #[arg(long, help_heading = "What to show")]
    pub watch: bool,
    /// One JSON object on stdout, as /status.json
    #[arg(long, help_heading = "What to show")]
    pub json: bool,
    /// Settings file [PIN53_CONFIG=/etc/pin53/pin53.toml]
    #[arg(long, value_name = "FILE", help_heading = "Of what")]
    pub config: Option<PathBuf>,
    // As an argument, since in a comment the variable would be a link.
    #[arg(long, value_name = "DURATION", help_heading = "Of what")]
    #[arg(help = "The daemon's, if it is another [PIN53_INTERVAL]")]
    pub interval: Option<String>,
}

const EXAMPLE: &str = "\
It reads the state directory ($STATE_DIRECTORY, /var/lib/pin53, or the user's
own), or asks the daemon where `listen` is set. With --check it ends with 0 when
every name is as wanted; 75 when pin53 never ran or gave no sign of life for
three intervals and 30 s; else with the gravest status of the names.

Examples:
  pin53 status
  pin53 status --check || systemctl restart pin53";

/// Bounds of a question to the daemon beside us.
const TO_DAEMON: transport::Settings = transport::Settings {
    connect_timeout: Duration::from_secs(1),
    timeout: Duration::from_secs(2),
    body_limit: 16 * 1024 * 1024,
    proxy: false,
};
/// What a wrong file means to a daemon.
const STILL_RUNS: &str = "hint: a daemon that runs goes on with what it read before; it can't start with this file, so mend it first";
/// With `--watch`, from one look to the next.
const AGAIN: Duration = Duration::from_secs(1);
/// To the beginning of a terminal, and what was there away.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// There is nothing to show.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("pin53 has not run here yet: expected {} in {}", board::FILE, paths(.0))]
    NeverRun(Vec<PathBuf>),
    #[error(transparent)]
    State(state::Error),
}

fn paths(directories: &[PathBuf]) -> String {
    let names: Vec<_> = directories.iter().map(|path| path.display().to_string()).collect();
    if names.is_empty() {
        "a state directory, and found no place for one".to_owned()
    } else {
        names.join(" or ")
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let exit = match &error {
            Error::State(state::Error::Read { source, .. })
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                Exit::NotPermitted
            }
            _ => Exit::TryAgain,
        };
        Self::new(exit, error)
    }
}

/// # Errors
/// When what is asked is wrong, or there is nothing to show. A wrong file is told, and doesn't hide the daemon.
pub(super) fn run(args: &Args, env: &Env, out: &mut dyn Write, err: &mut dyn Write) -> Result<Exit, Failure> {
    let overrides =
        Overrides { config: args.config.clone(), interval: args.interval.clone(), ..Overrides::default() };
    let watching = config::watching(&overrides, env)?;
    if !watching.faults.is_empty() {
        // Whoever closed standard error doesn't want to know, and the daemon that is asked about lives.
        let mark = log::mark(env);
        let _ = Failure::from(watching.faults.clone()).print(err, mark);
        let _ = writeln!(err, "{mark}{STILL_RUNS}");
    }
    runtime::block_on(async {
        if args.watch { watch(args, &watching, out).await } else { show(args, &watching, out).await }
    })
}

/// Nothing is to be seen, and a wrong file is reason enough for that.
fn unseen(error: Error, watching: &Watching) -> Failure {
    if watching.faults.is_empty() { error.into() } else { Failure::new(Exit::Misconfigured, error) }
}

async fn show(args: &Args, watching: &Watching, out: &mut dyn Write) -> Result<Exit, Failure> {
    let (snapshot, never) = match look(watching).await {
        Ok(snapshot) => (snapshot, None),
        // Programs get a document that says so.
        Err(Error::NeverRun(places)) if args.json => {
            (Snapshot::default(), Some(unseen(Error::NeverRun(places), watching)))
        }
        Err(error) => return Err(unseen(error, watching)),
    };
    let health = Health::of(&snapshot, SystemClock.now(), watching.interval(snapshot.interval));
    let shown = shown(args, &snapshot, health).map_err(Failure::output)?;
    out.write_all(shown.as_bytes()).map_err(Failure::output)?;
    if let Some(never) = never {
        return Err(never);
    }
    Ok(if args.check { engine::exit_of(health.class()) } else { Exit::Ok })
}

fn shown(args: &Args, snapshot: &Snapshot, health: Health) -> io::Result<String> {
    let now = SystemClock.now();
    Ok(match (args.json, args.history, args.check) {
        (true, true, _) => format!("{}\n", serde_json::json!({ "history": snapshot.history })),
        (true, false, _) => format!("{}\n", serde_json::to_string(snapshot)?),
        (false, true, _) => status::history(&snapshot.history),
        (false, false, true) => format!("{}\n", status::health(health, snapshot)),
        (false, false, false) => {
            let mut text = status::text(snapshot, now);
            if let Health::Stale(_) = health {
                text.push_str(&status::health(health, snapshot));
                text.push('\n');
            }
            text
        }
    })
}

/// Shows again and again what is new; on a terminal in place of what was there.
async fn watch(args: &Args, watching: &Watching, out: &mut dyn Write) -> Result<Exit, Failure> {
    let mut stop = engine::stop_signal()?;
    let redraws = !args.json && io::stdout().is_terminal();
    let mut before = String::new();
    loop {
        let text = match look(watching).await {
            Ok(snapshot) => {
                let health = Health::of(&snapshot, SystemClock.now(), watching.interval(snapshot.interval));
                // Signs of life and passing time are no news in a list.
                let news = if redraws { String::new() } else { news(&snapshot) };
                shown(args, &snapshot, health).map(|text| (text, news))
            }
            Err(error) if args.json => return Err(unseen(error, watching)),
            Err(error) => Ok((format!("{error}\n"), error.to_string())),
        };
        let (text, news) = text.map_err(Failure::output)?;
        if redraws {
            write!(out, "{CLEAR}{text}").and_then(|()| out.flush()).map_err(Failure::output)?;
        } else if news != before {
            write!(out, "{text}").and_then(|()| out.flush()).map_err(Failure::output)?;
            before = news;
        }
        tokio::select! {
            () = &mut stop => return Ok(Exit::Ok),
            () = tokio::time::sleep(AGAIN) => {}
        }
    }
}

/// What makes a snapshot worth showing again.
fn news(snapshot: &Snapshot) -> String {
    let records = snapshot.records.iter().map(|record| (&record.entry, record.last_change));
    format!("{:?} {:?}", records.collect::<Vec<_>>(), snapshot.ready)
}

async fn look(watching: &Watching) -> Result<Snapshot, Error> {
    if let Some(address) = watching.listen
        && let Some(snapshot) = ask(address).await
    {
        return Ok(snapshot);
    }
    let mut first = None;
    for directory in &watching.state_dirs {
        match state::read(&directory.join(board::FILE)) {
            Ok(Some(snapshot)) => return Ok(snapshot),
            Ok(None) => {}
            Err(error) => first = first.or(Some(error)),
        }
    }
    Err(first.map_or_else(|| Error::NeverRun(watching.state_dirs.clone()), Error::State))
}

/// What the daemon that listens at `address` says, if one does.
async fn ask(address: SocketAddr) -> Option<Snapshot> {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let url = format!("http://{}/status.json", SocketAddr::new(ip, address.port()));
    let client = HttpClient::new(TO_DAEMON, &TrustedRoots::compiled_in()).ok()?;
    let answer = client.send(Request::get(url).body(Bytes::new()).ok()?).await.ok()?;
    serde_json::from_slice(answer.body()).ok()
}
