//! The one runtime of a process: a single thread, for commands that talk to the world.

use std::future::Future;
use std::time::Duration;

use super::Failure;

/// Runs a command to its end.
///
/// # Errors
/// The command's own, or that the operating system refuses what a runtime needs.
pub(super) fn block_on<T>(command: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    // Name look-ups alone run on threads beside ours: few of them, and not for long.
    builder.enable_all().max_blocking_threads(2).thread_keep_alive(Duration::from_secs(1));
    let runtime = builder.build().map_err(Failure::start)?;
    let done = runtime.block_on(command);
    // A look-up that hangs must not hold up the end.
    runtime.shutdown_background();
    done
}
