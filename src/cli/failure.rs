//! What ends a command early, and the only place where it is put into words: the chain of causes once,
//! then hints.
//!
//! Hints stand here and not with the errors, because they speak of options, files and habits that the
//! modules below know nothing of.

use std::error::Error;
use std::io::{self, Write};

use super::{Exit, run, status};
use crate::causes::with_causes;
use crate::config::{self, Faults, Problem};
use crate::report;

/// An error together with the status to end with.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    error: Box<dyn Error + Send + Sync>,
}

impl Failure {
    pub fn new(exit: Exit, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { exit, error: error.into() }
    }

    /// Standard output doesn't take what a command has to say.
    pub fn output(error: io::Error) -> Self {
        Self::new(Exit::Failure, SystemError::Output(error))
    }

    /// The operating system refuses what a runtime needs.
    pub fn start(error: io::Error) -> Self {
        Self::new(Exit::Failure, SystemError::Start(error))
    }

    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// What went wrong, with its causes; several things, one a line.
    pub fn text(&self) -> String {
        with_causes(&*self.error)
    }

    /// What helps, where that can be said.
    pub fn hint(&self) -> Option<String> {
        causes(&*self.error).find_map(hint)
    }

    /// Writes `error:` with the chain of causes and `hint:` lines, each behind `mark`. An error that tells
    /// several things, one a line, is several errors.
    ///
    /// # Errors
    /// When `to` can't be written to.
    pub fn print(&self, to: &mut dyn Write, mark: &str) -> io::Result<()> {
        for line in self.text().lines() {
            writeln!(to, "{mark}error: {line}")?;
        }
        for hint in causes(&*self.error).filter_map(hint) {
            writeln!(to, "{mark}hint: {hint}")?;
        }
        Ok(())
    }
}

impl From<Faults> for Failure {
    fn from(faults: Faults) -> Self {
        Self::new(if faults.are_usage() { Exit::Usage } else { Exit::Misconfigured }, faults)
    }
}

/// What the operating system may refuse a command of ours.
#[derive(Debug, thiserror::Error)]
enum SystemError {
    #[error("could not write to standard output")]
    Output(#[source] io::Error),
    #[error("could not start")]
    Start(#[source] io::Error),
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// What helps against an error, where that can be said.
fn hint(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(faults) = error.downcast_ref::<Faults>()
        && faults.iter().any(|fault| fault.problem == Problem::NothingToPin)
    {
        return Some(format!(
            "name one with --name, or put a [[record]] into {}, or into the file that --config names",
            config::DEFAULT_FILE
        ));
    }
    if error.is::<run::ListenError>() {
        return Some(
            "another program, or another pin53, may have that port: choose another; port 0 takes a free one"
                .to_owned(),
        );
    }
    if let Some(error) = error.downcast_ref::<status::Error>() {
        let hint = match error {
            status::Error::NeverRun(_) => "start the daemon, or run `pin53 --once`",
            status::Error::State(_) => "the state directory of the service is its own: sudo pin53 status",
        };
        return Some(hint.to_owned());
    }
    error.downcast_ref().and_then(report::hint_for)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::route53;
    use crate::config::Overrides;
    use crate::env::Env;
    use crate::transport::Error;

    fn printed(failure: &Failure) -> String {
        let mut out = Vec::new();
        failure.print(&mut out, "").unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_chain_is_joined_once_and_hints_follow() {
        let refused = Error::Certificate { host: "r53.test".to_owned(), out_of_time: true, source: None };
        let failure = Failure::new(Exit::TryAgain, route53::Error::Transport(refused));
        insta::assert_snapshot!(printed(&failure), @"
        error: Route 53 can't be reached: the certificate of r53.test was refused
        hint: certificates are judged by this machine's clock, and it seems to be wrong: set it (chronyc makestep, or timedatectl set-ntp true)
        ");
    }

    #[test]
    fn every_fault_of_a_configuration_is_an_error_of_its_own() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let overrides = Overrides {
            config: Some(file.path().to_owned()),
            watch: Some("1".to_owned()),
            ttl: Some("x".to_owned()),
            ..Overrides::default()
        };
        let failure = Failure::from(config::load(&overrides, &Env::default()).unwrap_err());
        assert_eq!(failure.exit(), Exit::Usage);
        insta::assert_snapshot!(printed(&failure), @"
        error: --ttl: expected a name beside it (--name or PIN53_NAME), found none
        error: --watch: expected a duration of 1s to 24h, like 5s, found '1'
        ");
    }
}
