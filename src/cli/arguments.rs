//! The command line: its commands, and where options may stand.
//!
//! Options are defined with the command or the settings that they belong to, once.

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches};

use super::{
    capture, check, completions, curl, demo, doctor, man, plan, policy, run, sandbox, sign, status, verify,
};

#[derive(Debug, clap::Parser)]
#[command(name = "pin53", version, disable_help_subcommand = true, after_help = EXAMPLES)]
#[command(about = "Keeps DNS names in Amazon Route 53 pinned to a machine whose address changes")]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: run::Args,
}

/// What to do. Options of commands that aren't called are never built.
#[derive(Debug, clap::Subcommand)]
#[command(defer = true)]
pub(super) enum Command {
    /// Keep names pinned: as a daemon, or once
    Run(run::Args),
    /// What would change; changes nothing
    Plan(plan::Args),
    /// What was last seen and done
    Status(status::Args),
    /// The configuration file alone: every fault at once
    Check(check::Args),
    /// Checks every step, and says what mends it
    Doctor(doctor::Args),
    /// The least-privilege IAM policy for the configuration
    Policy(policy::Args),
    /// Sign a request: the headers to add, or the signed URL
    #[command(hide = true)]
    Sign(sign::Args),
    /// curl, with its request signed
    #[command(hide = true)]
    Curl(curl::Args),
    /// Check the signature of a request
    #[command(hide = true)]
    Verify(verify::Args),
    /// Show what a client really sends
    #[command(hide = true)]
    Capture(capture::Args),
    /// A local AWS to try and test on
    Sandbox(sandbox::Args),
    /// The whole story on the sandbox, in a few seconds
    Demo(demo::Args),
    /// What a shell needs to complete commands and options
    #[command(hide = true)]
    Completions(completions::Args),
    /// The manual's pages
    #[command(hide = true)]
    Man(man::Args),
}

const EXAMPLES: &str = "\
Examples:
  pin53 --once --name vpn.example.com   pin this machine's public host name
  pin53 sign --help                     toolbox: sign, curl, verify, capture
  pin53 man | man -l -                  the manual; others: pin53 man --help";

/// The whole definition, hidden commands shown, for what is generated from it.
pub(super) fn definition() -> clap::Command {
    let mut definition = Arguments::command();
    definition.build();
    definition.mut_subcommands(|command| command.hide(false))
}

/// Reads the arguments, the program's name first.
///
/// # Errors
/// On wrong usage, and where help or the version is asked for.
pub(super) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, clap::Error> {
    let mut definition = Arguments::command();
    let arguments = command_first(arguments.into_iter().collect(), &definition);
    let mut matches = definition.try_get_matches_from_mut(arguments)?;
    let parsed =
        Arguments::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut definition))?;
    Ok(parsed.command.unwrap_or(Command::Run(parsed.run)))
}

/// Moves a command's word before the options that stand in front of it, so that `pin53 --name x plan` is
/// `pin53 plan --name x`, and the command alone decides which options make sense.
fn command_first(mut arguments: Vec<OsString>, definition: &clap::Command) -> Vec<OsString> {
    let takes_value = |long: &str| {
        definition.get_arguments().any(|a| a.get_long() == Some(long) && a.get_action().takes_values())
    };
    let mut i = 1;
    while let Some(word) = arguments.get(i).and_then(|word| word.to_str()) {
        match word.strip_prefix("--") {
            None if definition.get_subcommands().any(|command| command.get_name() == word) => {
                arguments[1..=i].rotate_right(1);
                break;
            }
            None | Some("" | "help" | "version") => break,
            Some(long) => i += if takes_value(long) { 2 } else { 1 },
        }
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, clap::Error> {
        parse(line.split(' ').map(OsString::from))
    }

    fn refused(line: &str) -> String {
        parsed(line).unwrap_err().to_string()
    }

    #[test]
    fn the_definition_holds_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn options_may_stand_before_and_after_the_command() {
        for line in [
            "pin53 --once --name a.example.com --ttl 5",
            "pin53 run --once --name a.example.com --ttl 5",
            "pin53 --once --name a.example.com run --ttl 5",
            "pin53 --once --name=a.example.com --ttl 5 run",
        ] {
            let Ok(Command::Run(args)) = parsed(line) else { panic!("expected run from {line}") };
            assert!(args.once, "{line}");
            assert_eq!(args.overrides.name, ["a.example.com"], "{line}");
            assert_eq!(args.overrides.ttl.as_deref(), Some("5"), "{line}");
        }
        let Ok(Command::Plan(args)) = parsed("pin53 --name a --json plan --name b --detailed-exit-code")
        else {
            panic!("expected plan")
        };
        assert!(args.json && args.detailed_exit_code);
        assert_eq!(args.overrides.name, ["a", "b"]);
    }

    #[test]
    fn the_value_of_an_option_is_no_command() {
        let Ok(Command::Run(args)) = parsed("pin53 --name plan --zone demo") else { panic!("expected run") };
        assert_eq!(args.overrides.name, ["plan"]);
        assert_eq!(args.overrides.zone.as_deref(), Some("demo"));
    }

    #[test]
    fn options_that_make_no_sense_for_a_command_are_refused() {
        for line in [
            "pin53 plan --once",
            "pin53 --once plan",
            "pin53 plan --dry-run",
            "pin53 demo --name a.example.com",
            "pin53 --name a.example.com demo",
            "pin53 run --detailed-exit-code",
            "pin53 --json",
            "pin53 status --name a.example.com",
            "pin53 status --watch --check",
            "pin53 sandbox --ttl 5",
            "pin53 sandbox --zone a..b",
            "pin53 sandbox --imds here",
            "pin53 --once --once",
            "pin53 --ttl 5 --ttl 6",
            "pin53 help",
            "pin53 --name",
        ] {
            let error = parsed(line).expect_err(line);
            assert!(error.use_stderr(), "{line}");
        }
    }

    #[test]
    fn a_mistyped_option_or_command_is_answered_with_the_nearest() {
        insta::assert_snapshot!(refused("pin53 --nmae a.example.com"), @"
        error: unexpected argument '--nmae' found

          tip: a similar argument exists: '--name'

        Usage: pin53 --name <NAME>

        For more information, try '--help'.
        ");
        insta::assert_snapshot!(refused("pin53 plam"), @"
        error: unrecognized subcommand 'plam'

          tip: a similar subcommand exists: 'plan'

        Usage: pin53 [OPTIONS] [COMMAND]

        For more information, try '--help'.
        ");
    }

    #[test]
    fn what_follows_the_dashes_belongs_to_the_command_in_the_sandbox() {
        let line =
            "pin53 sandbox --tls --zone a.example --zone b.example --fault throttle:2 -- pin53 --once plan";
        let Ok(Command::Sandbox(args)) = parsed(line) else { panic!("expected sandbox") };
        assert_eq!(args.command, ["pin53", "--once", "plan"]);
        assert_eq!(args.zone.len(), 2);
        assert_eq!(args.fault, ["throttle:2".parse().unwrap()]);
        assert!(args.tls);
    }

    #[test]
    fn help_fits_a_screen_and_shows_an_example() {
        for line in [
            "pin53 --help",
            "pin53 run --help",
            "pin53 plan --help",
            "pin53 status --help",
            "pin53 doctor --help",
            "pin53 sandbox --help",
            "pin53 demo -h",
            "pin53 sign --help",
            "pin53 verify --help",
            "pin53 capture --help",
            "pin53 curl --help",
            "pin53 check --help",
            "pin53 policy --help",
            "pin53 completions --help",
            "pin53 man --help",
        ] {
            let help = refused(line);
            assert!(help.lines().count() <= 40, "{line}: {} lines", help.lines().count());
            assert!(help.lines().all(|line| line.len() <= 80), "{line}");
            assert!(help.contains("Example"), "{line}");
        }
    }

    #[test]
    fn help_of_the_program() {
        insta::assert_snapshot!(refused("pin53 --help"), @"
        Keeps DNS names in Amazon Route 53 pinned to a machine whose address changes

        Usage: pin53 [OPTIONS] [COMMAND]

        Commands:
          run      Keep names pinned: as a daemon, or once
          plan     What would change; changes nothing
          status   What was last seen and done
          check    The configuration file alone: every fault at once
          doctor   Checks every step, and says what mends it
          policy   The least-privilege IAM policy for the configuration
          sandbox  A local AWS to try and test on
          demo     The whole story on the sandbox, in a few seconds

        Options:
          -h, --help     Print help
          -V, --version  Print version

        When and how:
              --once                    One reconcile, then exit
              --dry-run                 Say what would change, change nothing
              --interval <DURATION>     Audit against Route 53 [PIN53_INTERVAL=5m]
              --watch <DURATION>        Look at the sources [PIN53_WATCH=5s]
              --wait <DURATION|off>     Follow a change to INSYNC [PIN53_WAIT=2m]
              --signing <SCHEME>        aws3-https or sigv4 [PIN53_AWS__SIGNING=auto]
              --log-format <text|json>  Log form [PIN53_LOG_FORMAT=text, PIN53_LOG=info]
              --json                    With --once: one JSON object on stdout

        What to pin:
              --name <NAME>          Name to pin; repeatable [PIN53_NAME=A,B]
              --type <CNAME|A|AAAA>  Their type [PIN53_TYPE=CNAME]
              --source <SOURCE>      Value from; repeatable [PIN53_SOURCE=imds]
              --ttl <SECONDS>        Their time to live [PIN53_TTL=60]
              --zone <ID-OR-NAME>    Hosted zone [PIN53_ZONE, else found from the name]
              --config <FILE>        Settings file [PIN53_CONFIG=/etc/pin53/pin53.toml]

        Examples:
          pin53 --once --name vpn.example.com   pin this machine's public host name
          pin53 sign --help                     toolbox: sign, curl, verify, capture
          pin53 man | man -l -                  the manual; others: pin53 man --help
        ");
    }

    #[test]
    fn help_of_run() {
        insta::assert_snapshot!(refused("pin53 run --help"), @"
        Keep names pinned: as a daemon, or once

        Usage: pin53 run [OPTIONS]

        Options:
          -h, --help  Print help

        When and how:
              --once                    One reconcile, then exit
              --dry-run                 Say what would change, change nothing
              --interval <DURATION>     Audit against Route 53 [PIN53_INTERVAL=5m]
              --watch <DURATION>        Look at the sources [PIN53_WATCH=5s]
              --wait <DURATION|off>     Follow a change to INSYNC [PIN53_WAIT=2m]
              --signing <SCHEME>        aws3-https or sigv4 [PIN53_AWS__SIGNING=auto]
              --log-format <text|json>  Log form [PIN53_LOG_FORMAT=text, PIN53_LOG=info]
              --json                    With --once: one JSON object on stdout

        What to pin:
              --name <NAME>          Name to pin; repeatable [PIN53_NAME=A,B]
              --type <CNAME|A|AAAA>  Their type [PIN53_TYPE=CNAME]
              --source <SOURCE>      Value from; repeatable [PIN53_SOURCE=imds]
              --ttl <SECONDS>        Their time to live [PIN53_TTL=60]
              --zone <ID-OR-NAME>    Hosted zone [PIN53_ZONE, else found from the name]
              --config <FILE>        Settings file [PIN53_CONFIG=/etc/pin53/pin53.toml]

        Example:
          pin53 run --once --name vpn.example.com --wait off
        ");
    }

    #[test]
    fn help_of_plan() {
        insta::assert_snapshot!(refused("pin53 plan --help"), @"
        What would change; changes nothing

        Usage: pin53 plan [OPTIONS]

        Options:
          -h, --help  Print help

        What to pin:
              --name <NAME>          Name to pin; repeatable [PIN53_NAME=A,B]
              --type <CNAME|A|AAAA>  Their type [PIN53_TYPE=CNAME]
              --source <SOURCE>      Value from; repeatable [PIN53_SOURCE=imds]
              --ttl <SECONDS>        Their time to live [PIN53_TTL=60]
              --zone <ID-OR-NAME>    Hosted zone [PIN53_ZONE, else found from the name]
              --config <FILE>        Settings file [PIN53_CONFIG=/etc/pin53/pin53.toml]

        When and how:
              --interval <DURATION>     Audit against Route 53 [PIN53_INTERVAL=5m]
              --watch <DURATION>        Look at the sources [PIN53_WATCH=5s]
              --wait <DURATION|off>     Follow a change to INSYNC [PIN53_WAIT=2m]
              --signing <SCHEME>        aws3-https or sigv4 [PIN53_AWS__SIGNING=auto]
              --log-format <text|json>  Log form [PIN53_LOG_FORMAT=text, PIN53_LOG=info]

        Output:
              --json                One JSON object on stdout
              --detailed-exit-code  End with 2 when changes are pending

        Example:
          pin53 plan --name vpn.example.com --detailed-exit-code
        ");
    }

    #[test]
    fn help_of_doctor() {
        insta::assert_snapshot!(refused("pin53 doctor --help"), @"
        Checks every step, and says what mends it

        Usage: pin53 doctor [OPTIONS]

        Options:
          -h, --help  Print help

        What to pin:
              --name <NAME>          Name to pin; repeatable [PIN53_NAME=A,B]
              --type <CNAME|A|AAAA>  Their type [PIN53_TYPE=CNAME]
              --source <SOURCE>      Value from; repeatable [PIN53_SOURCE=imds]
              --ttl <SECONDS>        Their time to live [PIN53_TTL=60]
              --zone <ID-OR-NAME>    Hosted zone [PIN53_ZONE, else found from the name]
              --config <FILE>        Settings file [PIN53_CONFIG=/etc/pin53/pin53.toml]

        When and how:
              --interval <DURATION>     Audit against Route 53 [PIN53_INTERVAL=5m]
              --watch <DURATION>        Look at the sources [PIN53_WATCH=5s]
              --wait <DURATION|off>     Follow a change to INSYNC [PIN53_WAIT=2m]
              --signing <SCHEME>        aws3-https or sigv4 [PIN53_AWS__SIGNING=auto]
              --log-format <text|json>  Log form [PIN53_LOG_FORMAT=text, PIN53_LOG=info]

        Output:
              --json  One JSON object on stdout

        It changes nothing, and ends with 0 where nothing failed.

        Example:
          pin53 doctor --name vpn.example.com
        ");
    }

    #[test]
    fn help_of_sandbox() {
        insta::assert_snapshot!(refused("pin53 sandbox --help"), @"
        A local AWS to try and test on

        Usage: pin53 sandbox [OPTIONS] [-- <COMMAND>...]

        Arguments:
          [COMMAND]...  Run this in the sandbox's environment, and end with its status

        Options:
          -h, --help  Print help

        Where it listens:
              --imds <ADDR:PORT>  Metadata service [default: a free port]
              --aws <ADDR:PORT>   Route 53 API [default: a free port]
              --dns <ADDR:PORT>   DNS server of its zones [default: a free port]
              --tls               Serve the Route 53 API over TLS, under a CA of its own

        What it is like:
              --zone <NAME>               Public zone; repeatable [default: example.com]
              --fault <KIND[:N]>          Misbehave N times; a wrong one lists all
              --latency <WHERE=TIME,...>  Delay answers, as in imds=1ms,aws=40ms
              --keys                      Export an access key beside the role's

        Without a COMMAND it prints the export lines that point any AWS client at it,
        and stays.

        Examples:
          pin53 sandbox -- pin53 --once --name vpn.example.com
          pin53 sandbox --tls --fault throttle:3 --latency aws=40ms -- sh
        ");
    }

    #[test]
    fn help_of_demo() {
        insta::assert_snapshot!(refused("pin53 demo --help"), @"
        The whole story on the sandbox, in a few seconds

        Usage: pin53 demo

        Options:
          -h, --help  Print help

        An instance gets an address and its name follows; it moves; someone else edits
        the record; Route 53 throttles. All of it happens on the embedded sandbox: no
        AWS account is needed, and nothing leaves this machine.

        Example:
          pin53 demo
        ");
    }
}
