//! `pin53 plan`: what would change.

use std::io::Write;

use super::{Exit, Failure, log, not_wired, runtime};
use crate::config::{self, Overrides};
use crate::env::Env;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Args {
    #[command(flatten)]
    pub overrides: Overrides,
    /// One JSON object on stdout
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// End with 2 when changes are pending
    #[arg(long, help_heading = "Output")]
    pub detailed_exit_code: bool,
}

const EXAMPLE: &str = "\
Example:
  pin53 plan --name vpn.example.com --detailed-exit-code";

/// # Errors
/// When the configuration is wrong, or the whole run fails; a name that fails is told in the output.
pub(super) fn run(args: &Args, env: &Env, out: &mut dyn Write) -> Result<Exit, Failure> {
    let settings = config::load(&args.overrides, env)?;
    log::install(settings.log.clone());
    let given = (settings, env, args.json, args.detailed_exit_code, out);
    runtime::block_on(not_wired::engine("plan", given))
}
