//! `pin53 sandbox`: a local AWS for people.

use std::ffi::OsString;
use std::io::Write;
use std::net::SocketAddr;

use tracing_subscriber::filter::LevelFilter;

use super::{Exit, Failure, log, not_wired, runtime};
use crate::config;
use crate::dns::Name;
use crate::env::Env;

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
    /// Misbehave N times; a wrong KIND lists all
    #[arg(long, value_name = "KIND[:N]", help_heading = "What it is like")]
    pub fault: Vec<String>,
    /// Delay answers, as in imds=1ms,aws=40ms
    #[arg(long, value_name = "WHERE=TIME,...", help_heading = "What it is like")]
    pub latency: Option<String>,
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

/// # Errors
/// When an address can't be listened on, a fault or latency isn't one, or COMMAND can't be started.
pub(super) fn run(args: Args, env: &Env, out: &mut dyn Write) -> Result<Exit, Failure> {
    log::install(config::log(env, LevelFilter::WARN)?);
    runtime::block_on(not_wired::engine("sandbox", (args, env, out)))
}
