//! Stands in for engines that aren't connected to their commands yet.

use std::future::{Ready, ready};

use super::{Exit, Failure};

/// Takes what the engine will be given, and fails.
pub(super) fn engine<T>(name: &str, _given: T) -> Ready<Result<Exit, Failure>> {
    ready(Err(Failure::new(Exit::Failure, format!("{name} is not wired to its command yet"))))
}
