//! `pin53 plan`: what would change.

use std::io::Write;

use super::{Exit, Failure, engine, log, runtime};
use crate::aws::route53;
use crate::config::{self, Overrides};
use crate::env::Env;
use crate::reconcile::{Mode, Wait, unless_stopped};
use crate::report::Outcome;

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
pub(super) fn run(args: &Args, env: &Env, out: &mut dyn Write, err: &mut dyn Write) -> Result<Exit, Failure> {
    let settings = config::load(&args.overrides, env)?;
    log::install(settings.log.clone(), env);
    runtime::block_on(async {
        let mut stop = engine::stop_signal()?;
        let reconciler = engine::reconciler(&settings, env, Mode::Say, route53::PATIENCE)?;
        let round = unless_stopped(&mut stop, &reconciler, reconciler.once(Wait::Off)).await;
        let round = round.value().unwrap_or_else(|| reconciler.broken_off());
        let pending = round.entries.iter().any(|entry| entry.outcome == Outcome::WouldChange);
        let pending = if pending && args.detailed_exit_code { Exit::Pending } else { Exit::Ok };
        Ok(Exit::gravest([engine::show(&round, args.json, out, err)?, pending]))
    })
}
