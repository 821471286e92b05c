//! `pin53 sandbox`: a local AWS for people.

use std::ffi::OsString;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::filter::LevelFilter;

use super::{Exit, Failure, engine, log, runtime};
use crate::clock::SystemClock;
use crate::config;
use crate::dns::Name;
use crate::env::Env;
use crate::sandbox::{self, Latency, Options, Running, Script};

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Metadata service [default: a free port]
    #[arg(long, value_name = "ADDR:PORT", help_heading = "Where it listens")]
    pub imds: Option<SocketAddr>,
    /// Route 53 API [default: a free port]
    #[arg(long, value_name = "ADDR:PORT", help_heading = "Where it listens")]
    pub aws: Option<SocketAddr>,
    /// DNS server of its zones [default: a free port]
    #[arg(long, value_name = "ADDR:PORT", help_heading = "Where it listens")]
    pub dns: Option<SocketAddr>,
    /// Serve the Route 53 API over TLS, under a CA of its own
    #[arg(long, help_heading = "Where it listens")]
    pub tls: bool,
    /// Public zone; repeatable [default: example.com]
    #[arg(long, value_name = "NAME", help_heading = "What it is like")]
    pub zone: Vec<Name>,
    /// Misbehave N times; a wrong one lists all
    #[arg(long, value_name = "KIND[:N]", help_heading = "What it is like")]
    pub fault: Vec<Script>,
    /// Delay answers, as in imds=1ms,aws=40ms
    #[arg(long, value_name = "WHERE=TIME,...", help_heading = "What it is like")]
    pub latency: Option<Latency>,
    /// Export an access key beside the role's
    #[arg(long, help_heading = "What it is like")]
    pub keys: bool,
    /// Run this in the sandbox's environment, and end with its status
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

const EXAMPLES: &str = "\
Without a COMMAND it prints the export lines that point any AWS client at it,
and stays.

Examples:
  pin53 sandbox -- pin53 --once --name vpn.example.com
  pin53 sandbox --tls --fault throttle:3 --latency aws=40ms -- sh";

/// The sandbox could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("could not make a directory for the sandbox's files")]
    Directory(#[source] io::Error),
    #[error("could not start {}", .command.display())]
    Command {
        command: OsString,
        #[source]
        source: io::Error,
    },
}

/// # Errors
/// When an address can't be listened on, or COMMAND can't be started.
pub(super) fn run(args: Args, env: &Env, out: &mut dyn Write) -> Result<Exit, Failure> {
    log::install(config::log(env, LevelFilter::WARN)?, env);
    runtime::block_on(async {
        let command = args.command.clone();
        let directory = TempDir::with_prefix("pin53-sandbox-")
            .map_err(|error| Failure::new(Exit::Failure, Error::Directory(error)))?;
        let running = sandbox::start(options(args, &directory), Arc::new(SystemClock)).await;
        let mut running = running.map_err(|error| Failure::new(Exit::Failure, error))?;
        // Runs of pin53 in the sandbox remember what they learn of it in the sandbox.
        let state = directory.path().join("state").display().to_string();
        running.exports.push(("STATE_DIRECTORY".to_owned(), state));
        running.exports.extend(no_proxy(env));
        let exit = match command.split_first() {
            Some((program, arguments)) => command_in(&running, program, arguments).await?,
            None => stay(&running, env, out).await?,
        };
        running.stop().await;
        Ok(exit)
    })
}

/// The loopback is not to be looked for behind a proxy, where the environment has one.
fn no_proxy(env: &Env) -> Option<(String, String)> {
    const PROXIES: &[&str] =
        &["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
    PROXIES.iter().find(|name| env.get(name).is_some())?;
    let others = env.get("NO_PROXY").or_else(|| env.get("no_proxy")).map(|others| format!("{others},"));
    Some(("NO_PROXY".to_owned(), format!("{}127.0.0.1,::1,localhost", others.unwrap_or_default())))
}

fn options(args: Args, directory: &TempDir) -> Options {
    let mut options = Options { faults: args.fault, keys: args.keys, ..Options::default() };
    options.imds = args.imds.unwrap_or(options.imds);
    options.aws = args.aws.unwrap_or(options.aws);
    options.dns = args.dns.or(options.dns);
    options.tls = args.tls.then(|| directory.path().join("ca.pem"));
    options.latency = args.latency.unwrap_or_default();
    if !args.zone.is_empty() {
        options.zones = args.zone.iter().map(ToString::to_string).collect();
    }
    options
}

async fn stay(running: &Running, env: &Env, out: &mut dyn Write) -> Result<Exit, Failure> {
    let stop = engine::stop_signal()?;
    print_exports(running, env, out).and_then(|()| out.flush()).map_err(Failure::output)?;
    stop.await;
    Ok(Exit::Ok)
}

fn print_exports(running: &Running, env: &Env, out: &mut dyn Write) -> io::Result<()> {
    // What is set and would lead past the sandbox.
    for name in sandbox::SHADOWING.iter().filter(|name| env.get(name).is_some()) {
        writeln!(out, "unset {name}")?;
    }
    for (name, value) in &running.exports {
        // Nothing in the values needs more: URLs, paths, names.
        writeln!(out, "export {name}='{}'", value.replace('\'', "'\\''"))?;
    }
    if let Some(dns) = running.dns {
        writeln!(out, "# dns {dns}: dig @{} -p {} vpn.example.com", dns.ip(), dns.port())?;
    }
    writeln!(
        out,
        "# move the instance: curl -X PUT -d '{{\"public-hostname\":\"ec2-203-0-113-9.example.net\"}}' http://{}/sandbox/instance",
        running.imds
    )?;
    writeln!(out, "# ready")
}

async fn command_in(running: &Running, program: &OsString, arguments: &[OsString]) -> Result<Exit, Failure> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::start)?;
    // Ctrl-C goes to the command as well, and it is the command's to answer.
    let _interrupt = signal(SignalKind::interrupt()).map_err(Failure::start)?;
    let mut command = Command::new(program);
    command.args(arguments).kill_on_drop(true);
    for name in sandbox::SHADOWING {
        command.env_remove(name);
    }
    command.envs(running.exports.iter().map(|(name, value)| (name, value)));
    let mut child = command
        .spawn()
        .map_err(|source| Failure::new(Exit::Failure, Error::Command { command: program.clone(), source }))?;
    loop {
        tokio::select! {
            status = child.wait() => return Ok(exit_of(status.map_err(Failure::start)?)),
            _ = terminate.recv() => {
                if let Some(pid) = child.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
                    // It may have ended this moment; then waiting for it tells.
                    let _ = kill_process(pid, Signal::TERM);
                }
            }
        }
    }
}

/// A command's status as a shell tells it.
fn exit_of(status: ExitStatus) -> Exit {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    Exit::Command(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}
