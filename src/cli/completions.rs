//! `pin53 completions`: what a shell needs to complete pin53's commands and options.
//!
//! Generated from the definition of the command line. Not there, and so added here: the words that an
//! option takes where their reading belongs to the configuration or the toolbox.

use std::io::Write;

use clap::builder::PossibleValuesParser;
use clap_complete::aot::{Bash, Fish, Zsh};

use super::{Exit, Failure, arguments};
use crate::toolbox::Scheme;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Args {
    /// bash, zsh or fish
    #[arg(value_name = "SHELL", hide_possible_values = true)]
    pub shell: Shell,
}

const EXAMPLE: &str = "\
Prints what the shell reads at its start; packages put it where it looks:
  bash  /usr/share/bash-completion/completions/pin53
  zsh   /usr/share/zsh/vendor-completions/_pin53
  fish  /usr/share/fish/vendor_completions.d/pin53.fish

Example:
  source <(pin53 completions bash)";

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(super) enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// # Errors
/// When standard output can't be written to.
pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    out.write_all(&script(args.shell)).map_err(Failure::output)?;
    Ok(Exit::Ok)
}

fn script(shell: Shell) -> Vec<u8> {
    let mut definition = worded(arguments::definition());
    let mut script = Vec::new();
    match shell {
        Shell::Bash => clap_complete::generate(Bash, &mut definition, "pin53", &mut script),
        Shell::Zsh => clap_complete::generate(Zsh, &mut definition, "pin53", &mut script),
        Shell::Fish => clap_complete::generate(Fish, &mut definition, "pin53", &mut script),
    }
    script
}

/// The options that take one of a few words, and these.
fn words(option: &str) -> Option<Vec<&'static str>> {
    match option {
        "type" => Some(vec!["CNAME", "A", "AAAA"]),
        "signing" => Some(vec!["auto", "aws3-https", "sigv4"]),
        "log-format" => Some(vec!["text", "json"]),
        "scheme" => Some(Scheme::ALL.iter().map(|scheme| scheme.name()).collect()),
        "algorithm" => Some(vec!["hmac-sha256", "hmac-sha1"]),
        _ => None,
    }
}

/// The definition with the words of its options.
fn worded(definition: clap::Command) -> clap::Command {
    let with_words = |command: clap::Command| {
        command.mut_args(|option| match option.get_long().and_then(words) {
            Some(words) => option.value_parser(PossibleValuesParser::new(words)),
            None => option,
        })
    };
    with_words(definition).mut_subcommands(with_words)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::config::{self, Overrides};
    use crate::env::Env;

    fn text(shell: Shell) -> String {
        String::from_utf8(script(shell)).unwrap()
    }

    #[test]
    fn every_command_and_option_is_in_the_script_of_each_shell() {
        let definition = arguments::definition();
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = text(shell);
            let commands = definition.get_subcommands().chain([&definition]);
            for command in commands {
                assert!(script.contains(command.get_name()), "{shell:?}: {}", command.get_name());
                for long in command.get_arguments().filter_map(clap::Arg::get_long) {
                    assert!(script.contains(long), "{shell:?}: {} --{long}", command.get_name());
                }
            }
        }
    }

    #[test]
    fn words_are_offered_and_each_of_them_is_taken() {
        let script = text(Shell::Fish);
        for (option, command) in [
            ("type", "pin53 plan --name a.example.com --type"),
            ("signing", "pin53 plan --name a.example.com --signing"),
            ("log-format", "pin53 plan --name a.example.com --log-format"),
            ("scheme", "pin53 sign https://example.com/ --scheme"),
            ("algorithm", "pin53 sign https://example.com/ --scheme aws3-https --algorithm"),
        ] {
            for word in words(option).unwrap() {
                let line = format!("{command} {word}");
                let parsed = arguments::parse(line.split(' ').map(OsString::from)).expect(&line);
                if let arguments::Command::Plan(args) = parsed {
                    let config = Some("/dev/null".into());
                    let overrides = Overrides { config, ..args.overrides };
                    config::load(&overrides, &Env::default()).expect(&line);
                }
                assert!(script.contains(word), "{word}");
            }
        }
    }
}
