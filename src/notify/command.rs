//! A program of the user's: it gets the event as JSON, or as the template says, on standard input.

use std::time::Duration;

use super::event::Event;
use super::{Again, Failure, Outside};
use crate::program::{Error, Program};

/// Longer than it takes to tell somebody on the Internet.
const PATIENCE: Duration = Duration::from_secs(30);
/// The status by which a program asks to be run again: EX_TEMPFAIL of `sysexits.h`.
const TRY_AGAIN: i32 = 75;

pub(super) async fn run(
    program: &Program,
    event: &Event,
    rendered: Option<String>,
    outside: &Outside,
) -> Result<(), Failure> {
    let input = rendered.unwrap_or_else(|| event.json() + "\n");
    match program.run(&outside.env, Some(input.as_bytes()), PATIENCE).await {
        Ok(_) | Err(Error::NoText | Error::TooMuch) => Ok(()),
        Err(error) => {
            let asks = matches!(&error, Error::Status { status, .. } if status.code() == Some(TRY_AGAIN));
            let again = if asks { Again::Later } else { Again::Never };
            Err(Failure { why: format!("{program} {error}"), again })
        }
    }
}
