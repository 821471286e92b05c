//! `command:PROGRAM`: what a program prints on standard output.
//!
//! Not here: how programs are run (`program`).

use std::time::Duration;

use crate::dns::RecordType;
use crate::env::Env;
use crate::program::Program;

use super::look::Observation;
use super::{Error, values};

/// Longer than a program takes that asks somebody on the Internet.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn program(line: &str) -> Result<Program, Error> {
    Program::parse(line).ok_or_else(|| Error::Form {
        expected: "command: and a program with its arguments, each quotation mark closed",
        // Behind the program's name there may be a key.
        found: format!("command:{}", line.split_whitespace().next().unwrap_or_default()),
    })
}

pub(super) async fn read(program: &Program, env: &Env, rtype: RecordType) -> Observation {
    run(program, env, rtype, PATIENCE).await
}

async fn run(program: &Program, env: &Env, rtype: RecordType, patience: Duration) -> Observation {
    match program.run(env, None, patience).await {
        Ok(text) => values::read(rtype, program.name(), &text),
        Err(why) => Observation::Unknown(format!("{program} {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn of(line: &str) -> Observation {
        let env = Env::from_iter([
            ("PATH", "/usr/bin:/bin"),
            ("AWS_SECRET_ACCESS_KEY", "sentinel-secret"),
            ("AWS_SESSION_TOKEN", "sentinel-token"),
            ("AWS_ACCESS_KEY_ID", "sentinel-id"),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "sentinel-container"),
            ("AWS_REGION", "eu-west-1"),
            ("NOTIFY_SOCKET", "/sentinel"),
        ]);
        read(&program(line).unwrap(), &env, RecordType::A).await
    }

    fn why(observation: Observation) -> String {
        let Observation::Unknown(why) = observation else {
            panic!("expected unknown, found {observation:?}")
        };
        why
    }

    #[tokio::test]
    async fn what_it_prints_is_the_value_and_its_arguments_are_split_but_not_expanded() {
        assert!(matches!(of("echo 198.51.100.7").await, Observation::Known(values) if values.len() == 1));
        assert!(
            matches!(of("printf '%s\\n' 198.51.100.7 '198.51.100.8'").await, Observation::Known(v) if v.len() == 2)
        );
        assert!(why(of("echo $PATH").await).contains("found '$PATH'"));
        assert!(matches!(of("true").await, Observation::KnownNone(_)));
    }

    #[tokio::test]
    async fn a_program_that_fails_is_unknown_and_says_why_in_its_own_first_line() {
        let failed = why(of("sh -c 'echo 198.51.100.7; echo no route >&2; echo more >&2; exit 3'").await);
        assert_eq!(failed, "sh ended with exit status: 3: no route");
        assert_eq!(why(of("false").await), "false ended with exit status: 1");
        assert!(why(of("sh -c 'kill -9 $$'").await).contains("signal: 9"));
        assert!(
            why(of("/nowhere/program --key sentinel").await).starts_with("/nowhere/program can't be run: ")
        );
    }

    #[tokio::test]
    async fn it_gets_the_environment_without_what_is_secret() {
        let all = why(of("env").await);
        let counted = why(of("sh -c 'env | grep -c sentinel; env | grep ^AWS_ >&2; exit 1'").await);
        assert_eq!(counted, "sh ended with exit status: 1: AWS_REGION=eu-west-1");
        assert!(!all.contains("sentinel"), "{all}");
    }

    #[tokio::test]
    async fn a_program_that_prints_without_end_is_ended() {
        assert_eq!(why(of("yes 198.51.100.7").await), "yes printed more than 65536 bytes");
    }

    #[tokio::test]
    async fn a_program_that_overruns_is_unknown() {
        let program = Program::parse("sleep 600").unwrap();
        let env = Env::from_iter([("PATH", "/usr/bin:/bin")]);
        let observation = run(&program, &env, RecordType::A, Duration::from_millis(20)).await;
        assert_eq!(why(observation), "sleep was ended: it was still running after 0.02 s");
    }
}
