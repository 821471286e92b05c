//! `pin53 demo`: the whole story on the sandbox.

use std::io::Write;

use tracing_subscriber::filter::LevelFilter;

use super::{Exit, Failure, log, not_wired, runtime};
use crate::config;
use crate::env::Env;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Args {}

const EXAMPLE: &str = "\
An instance gets an address and its name follows; it moves; someone else edits
the record; Route 53 throttles. All of it happens on the embedded sandbox: no
AWS account is needed, and nothing leaves this machine.

Example:
  pin53 demo";

/// # Errors
/// When the sandbox can't be set up, or the story doesn't go as told.
pub(super) fn run(env: &Env, out: &mut dyn Write) -> Result<Exit, Failure> {
    log::install(config::log(env, LevelFilter::ERROR)?);
    runtime::block_on(not_wired::engine("demo", out))
}
