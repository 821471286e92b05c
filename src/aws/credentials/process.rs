//! Credentials that a program prints (`credential_process`).
//!
//! The program is started without a shell, and what it prints is shown to nobody.
//!
//! Spec: <https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html>

use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::AsyncReadExt;
use tokio::process::Command;

use super::{Error, Loaded, Origin, Part, pair};
use crate::clock::Timestamp;
use crate::words;

/// How long the program may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest output that is read.
const LONGEST: u64 = 64 * 1024;
/// What systemd says to us alone: whoever has it can speak to systemd in our name.
const SYSTEMD: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    version: Option<serde_json::Value>,
    access_key_id: Option<String>,
    secret_access_key: Option<String>,
    session_token: Option<String>,
    expiration: Option<Timestamp>,
}

pub(super) async fn load(by: &str, command: &str) -> Result<Loaded, Error> {
    let words =
        words::split(command).ok_or_else(|| Error::broken(by, "expected a quote at its end, found none"))?;
    let Some((program, arguments)) = words.split_first() else {
        return Err(Error::broken(by, "expected a program, found nothing"));
    };
    let mut command = Command::new(program);
    for name in SYSTEMD {
        command.env_remove(name);
    }
    let child = command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    let mut child =
        child.map_err(|error| Error::broken(by, format!("could not start {program}: {error}")))?;
    tracing::debug!(program, "credentials from a program");
    let failed = |error| Error::unanswered(format!("{by}: {program} could not be read"), error);
    let run = async {
        let mut output = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            stdout.take(LONGEST).read_to_end(&mut output).await.map_err(failed)?;
        }
        let status = child.wait().await.map_err(failed)?;
        if !status.success() {
            return Err(Error::refused(by, format!("{program} ended with {status}")));
        }
        understand(by, program, &output)
    };
    let silent = |_| Error::unanswered(format!("{by}: {program} gave no credentials"), Silent);
    tokio::time::timeout(PATIENCE, run).await.map_err(silent)?
}

#[derive(Debug, thiserror::Error)]
#[error("it didn't end within {} s", PATIENCE.as_secs())]
struct Silent;

fn understand(by: &str, program: &str, output: &[u8]) -> Result<Loaded, Error> {
    // The text holds secrets: serde's own message, which may quote it, stays out of the error.
    let parsed: Output = serde_json::from_slice(output).map_err(|_| {
        Error::broken(by, format!("expected JSON from {program}, as AWS's documents describe it"))
    })?;
    if parsed.version != Some(1.into()) {
        return Err(Error::broken(by, format!("expected \"Version\": 1 from {program}")));
    }
    let (Some(id), Some(secret)) = (parsed.access_key_id, parsed.secret_access_key) else {
        return Err(Error::broken(by, format!("expected AccessKeyId and SecretAccessKey from {program}")));
    };
    let credentials = pair(&id, &secret, parsed.session_token.as_deref(), |part| {
        let part = match part {
            Part::KeyId => "AccessKeyId",
            Part::Secret => "SecretAccessKey",
            Part::Token => "SessionToken",
        };
        format!("{by}: {part} from {program}")
    })?;
    Ok(Loaded { credentials, expires: parsed.expiration, origin: Origin::Process })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_program_that_does_not_end_is_ended() {
        let error = load("by", "/bin/sleep 3600").await.unwrap_err();
        assert_eq!(
            crate::causes::with_causes(&error),
            "by: /bin/sleep gave no credentials: it didn't end within 30 s"
        );
    }

    #[test]
    fn what_a_program_prints_is_never_quoted() {
        for output in [
            "sentinel",
            r#"{"Version":2,"SecretAccessKey":"sentinel"}"#,
            r#"{"Version":1,"AccessKeyId":"sentinel"}"#,
            r#"{"Version":"1","AccessKeyId":"A","SecretAccessKey":"sentinel"}"#,
            r#"{"Version":1,"AccessKeyId":"A B","SecretAccessKey":"sentinel"}"#,
        ] {
            let error = understand("by", "program", output.as_bytes()).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("sentinel"), "{error}");
        }
    }
}
