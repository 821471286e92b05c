//! `pin53 doctor`: every step, what was found, and what mends it.

use std::io::{self, Write};
use std::sync::Arc;

use super::{Exit, Failure, engine, log, runtime};
use crate::clock::SystemClock;
use crate::config::{self, Overrides, Settings};
use crate::doctor::{self, Check, Findings, Systemd};
use crate::env::Env;
use crate::report::Class;
use crate::state::State;
use crate::transport::Sockets;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Args {
    #[command(flatten)]
    pub overrides: Overrides,
    /// One JSON object on stdout
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

const EXAMPLE: &str = "\
It changes nothing, and ends with 0 where nothing failed.

Example:
  pin53 doctor --name vpn.example.com";

const RESOLV_CONF: &str = "/etc/resolv.conf";

/// # Errors
/// On wrong usage, or when standard output can't be written to; what is wrong elsewhere is told in the output.
pub(super) fn run(args: &Args, env: &Env, out: &mut dyn Write) -> Result<Exit, Failure> {
    let findings = match config::load(&args.overrides, env) {
        Ok(settings) => {
            log::install(settings.log.clone(), env);
            runtime::block_on(Box::pin(examined(&settings, env)))?
        }
        Err(faults) if faults.are_usage() => return Err(faults.into()),
        Err(faults) => {
            let mend = "put right what is named, in the file, variable or option that is named with it; pin53 check looks at the file alone";
            Findings::ended_at(&wrong("configuration", "it can't be used", &faults.into(), mend))
        }
    };
    let shown = if args.json {
        findings.json().map_err(io::Error::from).and_then(|text| writeln!(out, "{text}"))
    } else {
        out.write_all(findings.text().as_bytes())
    };
    shown.map_err(Failure::output)?;
    Ok(engine::exit_of(findings.class()))
}

async fn examined(settings: &Settings, env: &Env) -> Result<Findings, Failure> {
    let mut stop = engine::stop_signal()?;
    // What is learnt here is for nobody else.
    let state = Arc::new(State::in_memory());
    let parts = match engine::parts(settings, env, state, doctor::PATIENCE, &Arc::default()) {
        Ok(parts) => parts,
        Err(failure) => {
            return Ok({
                let mend = "put right what is named: a variable of AWS's, or a setting of a profile file";
                Findings::ended_at(&wrong("aws-settings", "they can't be used", &failure, mend))
            });
        }
    };
    let resolvers = std::fs::read_to_string(RESOLV_CONF).unwrap_or_default();
    let examination = doctor::examine(doctor::Parts {
        shared: parts.shared,
        imds: parts.imds,
        credentials: parts.credentials,
        clock: parts.clock,
        machine: Arc::new(SystemClock),
        to_sts: parts.to_sts,
        datagrams: Arc::new(Sockets),
        signing: settings.aws.signing,
        audit: settings.audit.clone(),
        state_dir: settings.state_dir.clone(),
        resolvers: doctor::resolvers(&resolvers),
        systemd: Systemd::default(),
        reconcile: parts.reconcile,
    });
    tokio::select! {
        findings = examination => Ok(findings),
        () = &mut stop => Err(Failure::new(Exit::TryAgain, Stopped)),
    }
}

/// What everything else builds on is wrong: each fault, and the hint that goes with it or else what can be said of all.
fn wrong(step: &str, found: &str, failure: &Failure, mend: &str) -> Check {
    let why = failure.text().lines().collect::<Vec<_>>().join("; ");
    let mend = failure.hint().unwrap_or_else(|| mend.to_owned());
    Check::fail(step, Class::Misconfigured, found, why, mend)
}

/// Somebody has broken the examination off.
#[derive(Debug, thiserror::Error)]
#[error("stopped before everything was looked at")]
struct Stopped;
