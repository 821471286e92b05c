//! `pin53 capture`: a server that shows what a client really sends.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use http::StatusCode;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tracing_subscriber::filter::LevelFilter;

use super::signing::{CheckArgs, KeyArgs};
use super::{Exit, Failure, engine, log, runtime};
use crate::clock::SystemClock;
use crate::config;
use crate::env::Env;
use crate::toolbox::capture::{self, Arrival, Captured, Settings};
use crate::toolbox::{Scheme, visible};

const MAX_BODY: usize = 1024 * 1024;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Address [default: 127.0.0.1 and a free port]
    #[arg(long, value_name = "ADDR[:PORT]", value_parser = address, help_heading = "What it takes and answers")]
    pub listen: Option<SocketAddr>,
    /// Answer with this status [default: 200]
    #[arg(long, value_name = "STATUS", value_parser = status, help_heading = "What it takes and answers")]
    pub respond: Option<StatusCode>,
    /// Longest body taken [default: 1048576]
    #[arg(long, value_name = "BYTES", help_heading = "What it takes and answers")]
    pub max_body: Option<usize>,
    /// End after one request
    #[arg(long, help_heading = "What it takes and answers")]
    pub once: bool,
    /// Answer 401 to what isn't signed in this scheme
    #[arg(long, value_name = "SCHEME", help_heading = "What to check")]
    pub scheme: Option<Scheme>,
    #[command(flatten)]
    pub check: CheckArgs,
    #[command(flatten)]
    pub own: KeyArgs,
    /// Append to this file as well
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub log: Option<PathBuf>,
    /// A JSON object a request
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// Show credentials and signatures too
    #[arg(long, help_heading = "Output")]
    pub show_secrets: bool,
}

const EXAMPLES: &str = "\
Example:
  pin53 capture --listen 127.0.0.1:8080 --scheme sdk-hmac --keys keys.toml";

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("could not listen on {address}")]
    Listen {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("could not open {}", .path.display())]
    Log {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    text.parse()
        .or_else(|_| bare.parse::<IpAddr>().map(|address| SocketAddr::new(address, 0)))
        .map_err(|_| "expected an address like 127.0.0.1:8080".to_owned())
}

fn status(text: &str) -> Result<StatusCode, String> {
    let status = text.parse::<u16>().ok().and_then(|code| StatusCode::from_u16(code).ok());
    status
        .filter(|status| (200..600).contains(&status.as_u16()))
        .ok_or("expected a status from 200 to 599".to_owned())
}

/// # Errors
/// When there are no keys to check with, the log can't be opened, or the address can't be listened on.
pub(super) fn run(args: &Args, env: &Env, out: &mut dyn Write, err: &mut dyn Write) -> Result<Exit, Failure> {
    log::install(config::log(env, LevelFilter::WARN)?, env);
    let verifier = args.scheme.map(|scheme| args.check.verifier(scheme, &args.own, env)).transpose()?;
    let log = args.log.as_ref().map(|path| {
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path);
        file.map_err(|source| Failure::new(Exit::Failure, Error::Log { path: path.clone(), source }))
    });
    let mut shown = Shown { args, out, err, log: log.transpose()? };
    runtime::block_on(async {
        let stop = engine::stop_signal()?;
        let address = args.listen.unwrap_or(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0));
        let listening = TcpListener::bind(address).await;
        let listening =
            listening.and_then(|listener| listener.local_addr().map(|address| (listener, address)));
        let (listener, address) =
            listening.map_err(|source| Failure::new(Exit::Failure, Error::Listen { address, source }))?;
        shown.begin(address).map_err(Failure::output)?;

        let settings = Settings {
            respond: args.respond.unwrap_or(StatusCode::OK),
            max_body: args.max_body.unwrap_or(MAX_BODY),
        };
        let (enough, had_enough) = oneshot::channel::<()>();
        let ended = async {
            let _ = had_enough.await;
        };
        let (mut turns, serving) = capture::serve(listener, settings, verifier, Arc::new(SystemClock), ended);
        let mut stop = stop;
        let dealing = async move {
            loop {
                let turn = tokio::select! {
                    () = &mut stop => break Ok(()),
                    turn = turns.recv() => turn,
                };
                let turn = match turn {
                    Some(Arrival::Request(turn)) => turn,
                    Some(Arrival::Fault { peer, why }) => {
                        shown.tell(peer, &why);
                        continue;
                    }
                    None => break Ok(()),
                };
                let kept = shown.keep(&turn.captured);
                let printed = shown.print(&turn.captured);
                turn.done(kept && printed.is_ok());
                if let Err(error) = printed {
                    break Err(error);
                }
                if args.once {
                    break Ok(());
                }
            }
        };
        let dealing = async {
            let dealt = dealing.await;
            let _ = enough.send(());
            dealt
        };
        let (dealt, ()) = tokio::join!(dealing, serving);
        dealt.map(|()| Exit::Ok).map_err(Failure::output)
    })
}

/// Where requests are shown.
struct Shown<'a> {
    args: &'a Args,
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    log: Option<File>,
}

impl Shown<'_> {
    fn begin(&mut self, address: SocketAddr) -> io::Result<()> {
        let line = format!("listening on http://{address}");
        let exposed = !address.ip().is_loopback();
        // Standard output is for requests alone, where a program reads them.
        let to = if self.args.json { &mut *self.err } else { &mut *self.out };
        writeln!(to, "{line}")?;
        to.flush()?;
        if exposed {
            let warning = "whoever reaches this address can have requests printed and logged here, and what is sent to it travels in the clear";
            writeln!(self.err, "warning: {address} isn't on the loopback: {warning}")?;
        }
        Ok(())
    }

    /// Says on standard error what came that is no request.
    fn tell(&mut self, peer: SocketAddr, why: &str) {
        // Whoever closed standard error doesn't want to know.
        let _ = writeln!(self.err, "warning: {peer} sent no whole HTTP/1.1 request: {}", visible(why));
    }

    fn print(&mut self, captured: &Captured) -> io::Result<()> {
        self.out.write_all(self.text(captured).as_bytes())?;
        self.out.flush()
    }

    /// Appends to the log file, and says whether it took all.
    fn keep(&mut self, captured: &Captured) -> bool {
        let text = self.text(captured);
        let Some(log) = &mut self.log else { return true };
        match log.write_all(text.as_bytes()) {
            Ok(()) => true,
            Err(error) => {
                // Whoever closed standard error doesn't want to know; the client is told.
                let _ = writeln!(self.err, "warning: the log file didn't take a request: {error}");
                false
            }
        }
    }

    fn text(&self, captured: &Captured) -> String {
        if self.args.json {
            format!("{}\n", captured.json(self.args.show_secrets))
        } else {
            captured.text(self.args.show_secrets)
        }
    }
}
