//! The command line: arguments in, one call, words and an exit status out.
//!
//! The only place that writes to standard output, and the only one that turns errors into words.

mod access;
mod arguments;
mod capture;
mod check;
mod completions;
mod curl;
mod demo;
mod doctor;
mod engine;
mod exit;
mod failure;
mod log;
mod man;
mod plan;
mod policy;
mod progress;
mod run;
mod runtime;
mod sandbox;
mod sign;
mod signing;
mod status;
mod verify;

use std::ffi::OsString;
use std::io::{self, Write};

use arguments::Command;
pub use exit::Exit;
pub use failure::Failure;

use crate::env::Env;

/// Does what the arguments (the program's name first) ask for. What was asked for goes to `out`, why it
/// could not be had to `err`.
pub fn main(
    arguments: impl IntoIterator<Item = OsString>,
    env: &Env,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Exit {
    let done = match arguments::parse(arguments) {
        Ok(command) => dispatch(command, env, out, err),
        Err(answer) => answered(&answer, out, err),
    };
    let done = done.and_then(|exit| out.flush().map(|()| exit).map_err(Failure::output));
    done.unwrap_or_else(|failure| {
        // Whoever closed standard error doesn't want to know; the status tells all the same.
        let _ = failure.print(err, log::mark(env));
        failure.exit()
    })
}

fn dispatch(command: Command, env: &Env, out: &mut dyn Write, err: &mut dyn Write) -> Result<Exit, Failure> {
    match command {
        Command::Run(args) => run::run(&args, env, out, err),
        Command::Plan(args) => plan::run(&args, env, out, err),
        Command::Status(args) => status::run(&args, env, out, err),
        Command::Check(args) => check::run(&args, env, out),
        Command::Doctor(args) => doctor::run(&args, env, out),
        Command::Policy(args) => policy::run(&args, env, out, err),
        Command::Sign(args) => sign::run(&args, env, out, err),
        Command::Curl(args) => curl::run(&args, env, out, err),
        Command::Verify(args) => verify::run(&args, env, out),
        Command::Capture(args) => capture::run(&args, env, out, err),
        Command::Sandbox(args) => sandbox::run(args, env, out),
        Command::Demo(_) => demo::run(env, out),
        Command::Completions(args) => completions::run(&args, out),
        Command::Man(args) => man::run(&args, out),
    }
}

/// Gives out help, version or what is wrong with the arguments.
fn answered(answer: &clap::Error, out: &mut dyn Write, err: &mut dyn Write) -> Result<Exit, Failure> {
    let answer_text = answer.render().to_string();
    if answer.use_stderr() {
        // As for a failure: the status tells.
        let _ = err.write_all(answer_text.as_bytes());
        return Ok(Exit::Usage);
    }
    match out.write_all(answer_text.as_bytes()).and_then(|()| out.flush()) {
        // `pin53 --help | head` has read what it wanted.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::output(error)),
        _ => Ok(Exit::Ok),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Status, standard output and standard error of a command line.
    fn called(line: &str, env: &Env) -> (u8, String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let exit = main(line.split(' ').map(OsString::from), env, &mut out, &mut err);
        (exit.code(), String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    fn plain(line: &str) -> (u8, String, String) {
        called(line, &Env::default())
    }

    #[test]
    fn help_and_version_are_answers_and_go_to_standard_output() {
        for line in ["pin53 --help", "pin53 -h", "pin53 plan --help", "pin53 --version", "pin53 -V"] {
            let (code, out, err) = plain(line);
            assert_eq!((code, err.as_str()), (0, ""), "{line}");
            assert!(out.contains("pin53"), "{line}");
        }
        assert_eq!(plain("pin53 --version").1, format!("pin53 {}\n", env!("CARGO_PKG_VERSION")));
    }

    #[test]
    fn wrong_usage_ends_with_64_and_says_why_on_standard_error() {
        for line in [
            "pin53 --frobnicate",
            "pin53 frobnicate",
            "pin53 demo --once",
            "pin53 --name a.example.com --ttl 1m",
        ] {
            let (code, out, err) = plain(line);
            assert_eq!((code, out.as_str()), (64, ""), "{line}");
            assert!(err.starts_with("error: "), "{line}: {err}");
        }
    }

    #[test]
    fn a_wrong_configuration_ends_with_78() {
        let misspelt = Env::from_iter([("PIN53_NAMES", "a.example.com")]);
        let unfiltered = Env::from_iter([("PIN53_LOG", "loud")]);
        for (line, env) in [
            ("pin53 --once", &misspelt),
            ("pin53 plan", &misspelt),
            ("pin53 --once --name a.example.com", &unfiltered),
            ("pin53 sandbox", &unfiltered),
            ("pin53 --once --name a.example.com --config /nowhere/pin53.toml", &Env::default()),
        ] {
            let (code, out, err) = called(line, env);
            assert_eq!((code, out.as_str()), (78, ""), "{line}");
            assert!(err.starts_with("error: "), "{line}: {err}");
        }
    }

    #[test]
    fn nothing_to_pin_is_answered_with_what_to_do() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let env = Env::from_iter([("PIN53_CONFIG", file.path().to_string_lossy())]);
        let (code, _, err) = called("pin53 --once", &env);
        assert_eq!(code, 78);
        insta::assert_snapshot!(err, @"
        error: expected a name to pin, found none
        hint: name one with --name, or put a [[record]] into /etc/pin53/pin53.toml, or into the file that --config names
        ");
    }

    /// A writer that takes nothing.
    struct Stuck(io::ErrorKind);

    impl Write for Stuck {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn help_that_is_not_read_to_its_end_is_no_failure_but_a_full_disk_is() {
        let help = |kind| {
            let (line, mut err) = (["pin53", "--help"].map(OsString::from), Vec::new());
            let exit = main(line, &Env::default(), &mut Stuck(kind), &mut err);
            (exit, String::from_utf8(err).unwrap())
        };
        assert_eq!(help(io::ErrorKind::BrokenPipe), (Exit::Ok, String::new()));
        let (exit, err) = help(io::ErrorKind::StorageFull);
        assert_eq!(exit, Exit::Failure);
        insta::assert_snapshot!(err, @"error: could not write to standard output: no storage space");
    }
}
