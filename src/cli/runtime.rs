//! The one runtime of a process: a single thread, for commands that talk to the world.

use std::future::Future;

use super::{Exit, Failure};

/// Runs a command to its end.
///
/// # Errors
/// The command's own, or that the operating system refuses what a runtime needs.
pub(super) fn block_on(command: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Failure::start)?.block_on(command)
}
