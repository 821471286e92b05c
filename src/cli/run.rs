//! `pin53`, `pin53 run` and `--once`: the daemon, and one reconcile.

use std::io::Write;

use super::{Exit, Failure, log, not_wired, runtime};
use crate::config::{self, Overrides, Settings};
use crate::env::Env;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Args {
    /// One reconcile, then exit
    #[arg(long, help_heading = "What to do")]
    pub once: bool,
    /// Say what would change, change nothing
    #[arg(long, help_heading = "What to do")]
    pub dry_run: bool,
    #[command(flatten)]
    pub overrides: Overrides,
    /// With --once: one JSON object on stdout
    #[arg(long, requires = "once", help_heading = "Output")]
    pub json: bool,
}

const EXAMPLE: &str = "\
Example:
  pin53 run --once --name vpn.example.com --wait off";

/// # Errors
/// When the configuration is wrong, or the whole run fails; a name that fails is told in the output.
pub(super) fn run(args: &Args, env: &Env, out: &mut dyn Write) -> Result<Exit, Failure> {
    let settings = config::load(&args.overrides, env)?;
    log::install(settings.log.clone());
    runtime::block_on(async {
        if args.once { once(settings, args, env, out).await } else { daemon(settings, args, env).await }
    })
}

async fn once(settings: Settings, args: &Args, env: &Env, out: &mut dyn Write) -> Result<Exit, Failure> {
    not_wired::engine("reconcile", (settings, env, args.dry_run, args.json, out)).await
}

async fn daemon(settings: Settings, args: &Args, env: &Env) -> Result<Exit, Failure> {
    let reload = || config::load(&args.overrides, env);
    not_wired::engine("daemon", (settings, reload, env, args.dry_run)).await
}
