//! `pin53 verify`: whether a request, as it stands in a file, is what the holder of a key signed.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::signing::{CheckArgs, KeyArgs, TimeArgs};
use super::{Exit, Failure};
use crate::env::Env;
use crate::sign::Rejection;
use crate::toolbox::difference::{self, Difference};
use crate::toolbox::{Scheme, Verified, raw, visible, visible_lines};

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// aws3-https, sigv4, sigv4-query, azure or sdk-hmac
    #[arg(long, value_name = "SCHEME", help_heading = "What to check")]
    pub scheme: Scheme,
    #[command(flatten)]
    pub check: CheckArgs,
    /// The signer's own canonical request or string to sign
    #[arg(long, value_name = "FILE", help_heading = "What to check")]
    pub expect: Option<PathBuf>,
    #[command(flatten)]
    pub own: KeyArgs,
    #[command(flatten)]
    pub time: TimeArgs,
    /// One JSON object on stdout
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// The request as it was sent [default: -]
    #[arg(value_name = "FILE", help_heading = "What to check")]
    pub file: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Ends with 0 and `valid`, or with 65 and why not; on a mismatch with the texts
that it worked out.

Example:
  pin53 verify --scheme sdk-hmac --keys keys.toml request.txt";

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("could not read {what}")]
    Read {
        what: String,
        #[source]
        source: io::Error,
    },
    #[error("{what} is no HTTP request")]
    Raw {
        what: String,
        #[source]
        source: raw::Error,
    },
}

/// # Errors
/// When the request can't be read, or there are no keys.
pub(super) fn run(args: &Args, env: &Env, out: &mut dyn Write) -> Result<Exit, Failure> {
    let verifier = args.check.verifier(args.scheme, &args.own, env)?;
    let file = args.file.as_deref().filter(|file| *file != Path::new("-"));
    let what = file.map_or("standard input".to_owned(), |file| file.display().to_string());
    let read = |read: io::Result<Vec<u8>>, what: String| {
        read.map_err(|source| Failure::new(Exit::Usage, Error::Read { what, source }))
    };
    let expected = match &args.expect {
        Some(file) => {
            let text = read(std::fs::read(file), file.display().to_string())?;
            Some(String::from_utf8_lossy(&text).into_owned())
        }
        None => None,
    };
    let bytes = if let Some(file) = file {
        std::fs::read(file)
    } else {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    };
    let bytes = read(bytes, what.clone())?;
    let request = raw::read(&bytes);
    let request = request.map_err(|source| Failure::new(Exit::Refused, Error::Raw { what, source }))?;
    let answer = verifier.verify(&request, args.time.now(env)?);
    let difference = match (&answer, expected) {
        (Err(Rejection::Mismatch { canonical_request, string_to_sign }), Some(expected)) => {
            Some(difference::first(&expected, canonical_request.as_deref(), string_to_sign))
        }
        _ => None,
    };
    let printed = if args.json {
        print_json(&answer, difference.as_ref(), out)
    } else {
        print_text(&answer, difference.as_ref(), out)
    };
    printed.map_err(Failure::output)?;
    Ok(if answer.is_ok() { Exit::Ok } else { Exit::Refused })
}

fn print_text(
    answer: &Result<Verified, Rejection>,
    difference: Option<&Difference>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let Err(rejection) = answer else { return writeln!(out, "valid") };
    writeln!(out, "{}: {}", rejection.name(), visible(&rejection.to_string()))?;
    let Rejection::Mismatch { canonical_request, string_to_sign } = rejection else { return Ok(()) };
    if let Some(difference) = difference {
        writeln!(out, "\n{}", visible_lines(&difference.to_string()))?;
    }
    if let Some(canonical_request) = canonical_request {
        writeln!(out, "\ncanonical request:\n{}", visible_lines(canonical_request))?;
    }
    writeln!(out, "\nstring to sign:\n{}", visible_lines(string_to_sign))
}

fn print_json(
    answer: &Result<Verified, Rejection>,
    difference: Option<&Difference>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let object = match answer {
        Ok(verified) => json!({
            "valid": true,
            "key_id": verified.key_id,
            "signed_at": verified.signed_at.to_string(),
        }),
        Err(Rejection::Mismatch { canonical_request, string_to_sign }) => json!({
            "valid": false,
            "reason": "mismatch",
            "why": "the signature does not match",
            "canonical_request": canonical_request,
            "string_to_sign": string_to_sign,
            "difference": difference.map(ToString::to_string),
        }),
        Err(rejection) => {
            json!({ "valid": false, "reason": rejection.name(), "why": rejection.to_string() })
        }
    };
    writeln!(out, "{object}")
}
