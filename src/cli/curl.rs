//! `pin53 curl`: curl, with its request signed.
//!
//! This process becomes curl: its exit status and the signals it gets are curl's own. What the signature
//! adds reaches it in a file that has no name, and so doesn't show among the processes.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use http::header::CONTENT_LENGTH;
use rustix::fs::{MemfdFlags, memfd_create};

use super::signing::{self, SignArgs};
use super::{Exit, Failure, sign};
use crate::env::Env;
use crate::sign::Signed;
use crate::toolbox::Scheme;
use crate::toolbox::curl::{self, Files, Length, Understood};

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    pub sign: SignArgs,
    /// Also the canonical request and string to sign, on stderr
    #[arg(long, help_heading = "Output")]
    pub explain: bool,
    /// curl's own arguments, with the URL
    #[arg(last = true, required = true, value_name = "CURL-ARGUMENTS")]
    pub arguments: Vec<OsString>,
}

const EXAMPLES: &str = "\
~/.curlrc isn't read, as it could change the request unseen.

Example:
  pin53 curl --scheme sigv4 -- -sS https://iam.amazonaws.com/?Action=GetUser";

/// What is secret in the environment, and none of curl's business.
const SECRET: [&str; 6] = [
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AZURE_STORAGE_KEY",
    "SDK_HMAC_SECRET",
];
/// By which a request for this machine would leave it.
const PROXIES: [&str; 3] = ["http_proxy", "all_proxy", "ALL_PROXY"];

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("could not start curl: expected it on PATH")]
    Start(#[source] io::Error),
    #[error("could not hand the signature to curl")]
    HandOver(#[source] io::Error),
    #[error(
        "azure signs the length of the body, which curl doesn't send for standard input: expected a file"
    )]
    NoLength,
    #[error("aws3-https on plain http has to stay on this machine: expected no {0}")]
    Elsewhere(String),
}

/// Reads the files of this machine.
struct Machine;

impl Files for Machine {
    fn file(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        // What a pipe gives it gives once, and curl reads it again.
        if !std::fs::metadata(path)?.is_file() {
            let why = "expected a regular file, or - for standard input";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        std::fs::read(path)
    }

    fn stdin(&mut self) -> io::Result<Vec<u8>> {
        let mut read = Vec::new();
        io::stdin().lock().read_to_end(&mut read).map(|_| read)
    }
}

/// Becomes curl, and so comes back only with what kept it from that.
///
/// # Errors
/// When the arguments aren't understood to the last, there are no keys, or there is no curl.
pub(super) fn run(args: &Args, env: &Env, out: &mut dyn Write, err: &mut dyn Write) -> Result<Exit, Failure> {
    let usage = |error| Failure::new(Exit::Usage, error);
    let mut understood = curl::understand(&args.arguments, &mut Machine).map_err(usage)?;
    signing::refuse_plain(args.sign.scheme, understood.request.uri())?;
    if args.sign.scheme == Scheme::Azure {
        cover_length(&mut understood)?;
    }
    let stays_here =
        args.sign.scheme == Scheme::Aws3Https && understood.request.uri().scheme_str() == Some("http");
    if let Some(option) = understood.elsewhere.take_if(|_| stays_here) {
        return Err(Failure::new(Exit::Misconfigured, Error::Elsewhere(option)));
    }
    let way = args.sign.signer(understood.request.uri(), env)?;
    let (credentials, time) = args.sign.identity(env)?;
    let signed = way.sign(&understood.request, &credentials, time).map_err(signing::unsigned)?;
    if args.explain {
        sign::explain(&signed, err).map_err(Failure::output)?;
    }
    out.flush().map_err(Failure::output)?;
    let error = become_curl(&args.arguments, &understood, &signed, stays_here);
    Err(Failure::new(Exit::Failure, error))
}

/// Azure signs the length that curl sends, which it does for an empty body too.
fn cover_length(understood: &mut Understood) -> Result<(), Failure> {
    let length = understood.request.body().len();
    match understood.length {
        Length::Unsaid => {}
        Length::Sent => {
            understood.request.headers_mut().insert(CONTENT_LENGTH, length.into());
        }
        Length::Chunked => return Err(Failure::new(Exit::Usage, Error::NoLength)),
    }
    Ok(())
}

fn become_curl(arguments: &[OsString], understood: &Understood, signed: &Signed, stays_here: bool) -> Error {
    let mut command = Command::new("curl");
    let handed = config(signed).and_then(|config| hand_over(&config));
    let config = match handed {
        Ok(config) => config,
        Err(error) => return Error::HandOver(error),
    };
    command.arg("-q").arg("-K").arg(format!("/dev/fd/{}", config.as_raw_fd()));
    command.args(if signed.url.is_some() { &understood.without_url } else { arguments });
    if let Some(stdin) = &understood.stdin {
        match hand_over(stdin) {
            Ok(stdin) => command.stdin(Stdio::from(stdin)),
            Err(error) => return Error::HandOver(error),
        };
    }
    for name in SECRET.iter().chain(if stays_here { &PROXIES[..] } else { &[] }) {
        command.env_remove(name);
    }
    Error::Start(command.exec())
}

/// A config file of curl's, with what isn't to be seen among its arguments.
fn config(signed: &Signed) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let mut line = |name: &str, value: &[u8]| -> io::Result<()> {
        write!(text, "{name} = \"")?;
        for &byte in value {
            if matches!(byte, b'"' | b'\\') {
                text.push(b'\\');
            }
            text.push(byte);
        }
        text.write_all(b"\"\n")
    };
    for (name, value) in &signed.headers {
        line("header", &[name.as_str().as_bytes(), b": ", value.as_bytes()].concat())?;
    }
    if let Some(url) = &signed.url {
        line("url", url.as_bytes())?;
    }
    Ok(text)
}

/// A file without a name that curl inherits, to be read from its start.
fn hand_over(content: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create("pin53", MemfdFlags::empty())?);
    file.write_all(content)?;
    file.rewind()?;
    Ok(file)
}
