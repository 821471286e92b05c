//! `pin53`, `pin53 run` and `--once`: the daemon, and one reconcile.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use super::{Exit, Failure, engine, log, progress, runtime};
use crate::aws::route53;
use crate::board::{self, Board};
use crate::causes::with_causes;
use crate::clock::SystemClock;
use crate::config::{self, Overrides, Settings};
use crate::daemon::{self, Reload, Systemd};
use crate::env::Env;
use crate::notify::{self, Notifier, Renewal, Telling};
use crate::reconcile::{Mode, Reconciler, unless_stopped};
use crate::report;
use crate::status::{self, Site};
use crate::transport::Tally;

/// Events that may wait for whoever tells of them: more than come of one look.
const MOST_EVENTS: usize = 1024;

#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Args {
    /// One reconcile, then exit
    #[arg(long, help_heading = "When and how")]
    pub once: bool,
    /// Say what would change, change nothing
    #[arg(long, help_heading = "When and how")]
    pub dry_run: bool,
    #[command(flatten)]
    pub overrides: Overrides,
    /// With --once: one JSON object on stdout
    #[arg(long, requires = "once", help_heading = "When and how")]
    pub json: bool,
}

const EXAMPLE: &str = "\
Example:
  pin53 run --once --name vpn.example.com --wait off";

/// # Errors
/// When the configuration is wrong, or the whole run fails; a name that fails is told in the output.
pub(super) fn run(args: &Args, env: &Env, out: &mut dyn Write, err: &mut dyn Write) -> Result<Exit, Failure> {
    let settings = config::load(&args.overrides, env)?;
    let log = log::install(settings.log.clone(), env);
    runtime::block_on(async {
        if args.once {
            once(&settings, args, env, out, err).await
        } else {
            run_daemon(&settings, args, env, log).await
        }
    })
}

impl Args {
    fn mode(&self) -> Mode {
        if self.dry_run { Mode::Say } else { Mode::Act }
    }

    /// Who is told of what is done: nobody of what is only said.
    fn telling(&self, settings: &Settings, outside: notify::Outside) -> Renewal {
        let rules = settings.rules.iter().map(board::key_of).collect();
        let settings = if self.dry_run { Vec::new() } else { settings.notify.clone() };
        Renewal { settings, rules, outside }
    }
}

async fn once(
    settings: &Settings,
    args: &Args,
    env: &Env,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<Exit, Failure> {
    let mut stop = engine::stop_signal()?;
    let (reconciler, outside) =
        engine::with_outside(settings, env, args.mode(), route53::PATIENCE, &Arc::default())?;
    let work = Box::pin(unless_stopped(&mut stop, &reconciler, reconciler.once(settings.wait)));
    let round = if progress::is_seen(env) {
        progress::shown(work, || stage(&reconciler), err).await
    } else {
        work.await
    };
    let (round, is_whole) = match round.value() {
        Some(round) => (round, true),
        None => (reconciler.broken_off(), false),
    };
    if args.mode() == Mode::Act {
        let board = board(settings, Mode::Act);
        board.begin(reconciler.rules(), settings.interval);
        board.took_round(&round);
        if let Err(error) = board.beat() {
            report::log_not_kept(&error);
        }
    }
    let exit = engine::show(&round, args.json, out, err)?;
    if !is_whole {
        return Ok(exit);
    }
    out.flush().map_err(Failure::output)?;
    // Whoever waits for the words and the status has the words, and the status doesn't depend on it.
    let mut stop = engine::stop_signal()?;
    tokio::select! {
        () = &mut stop => {}
        () = notify::once(args.telling(settings, outside), &round.entries) => {}
    }
    Ok(exit)
}

/// What is being waited for.
fn stage(reconciler: &Reconciler) -> String {
    let taken = reconciler.broken_off().entries.iter().filter(|entry| entry.change_id.is_some()).count();
    let words = if taken > 0 { "change taken, waiting for all name servers to have it" } else { "looking" };
    words.to_owned()
}

async fn run_daemon(settings: &Settings, args: &Args, env: &Env, log: log::Switch) -> Result<Exit, Failure> {
    let stop = engine::stop_signal()?;
    let hangups = signal(SignalKind::hangup()).map_err(Failure::start)?;
    let listener = match settings.listen {
        Some(address) => Some(listen(address).await?),
        None => None,
    };
    let tally = Arc::default();
    let (reconciler, outside) = engine::with_outside(settings, env, args.mode(), daemon::PATIENCE, &tally)?;
    let (reloads, asked) = mpsc::channel(1);
    let (renewals, renewed) = mpsc::channel(1);
    let board = Arc::new(board(settings, args.mode()));
    if let Some(listener) = listener {
        let site = Site { board: Arc::clone(&board), tally: Arc::clone(&tally) };
        // It ends with the process, so that a stop can be watched too.
        tokio::spawn(status::serve(site, listener, std::future::pending()));
    }
    let again = Again {
        args: args.clone(),
        env: env.clone(),
        log,
        listen: settings.listen,
        tally,
        reloads,
        renewals,
    };
    tokio::spawn(again.at_hangups(hangups, Arc::clone(&board)));
    let notifier = Notifier::new(args.telling(settings, outside), Telling::Later);
    let (ended, over) = oneshot::channel::<()>();
    let telling = notify::run(notifier, board.subscribe(MOST_EVENTS), renewed, async { drop(over.await) });
    let telling = tokio::spawn(telling);
    daemon::run_reloading(Arc::new(reconciler), rhythm(settings), board, Systemd::of(env), asked, stop).await;
    drop(ended);
    // A task that panicked has ended the process.
    let _ = telling.await;
    Ok(Exit::Ok)
}

/// The address of the status page can't be had.
#[derive(Debug, thiserror::Error)]
#[error("listen: could not listen on {address}")]
pub(super) struct ListenError {
    address: SocketAddr,
    #[source]
    source: io::Error,
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    let bound = TcpListener::bind(address).await;
    let bound = bound.and_then(|listener| Ok((listener.local_addr()?, listener)));
    let (address, listener) =
        bound.map_err(|source| Failure::new(Exit::Misconfigured, ListenError { address, source }))?;
    tracing::info!("status page on http://{address}/");
    if !address.ip().is_loopback() {
        tracing::warn!(
            "whoever reaches {address} can read the names, their values and what was changed: nobody is asked who he is"
        );
    }
    Ok(listener)
}

/// Where what happens is shown, and kept unless it is only said.
fn board(settings: &Settings, mode: Mode) -> Board {
    let clock = Arc::new(SystemClock);
    let Some(directory) = settings.state_dir.as_deref().filter(|_| mode == Mode::Act) else {
        return Board::new(clock);
    };
    let (board, error) = Board::kept_in(clock, directory);
    if let Some(error) = error {
        tracing::warn!("{}", with_causes(&error));
    }
    board
}

fn rhythm(settings: &Settings) -> daemon::Settings {
    daemon::Settings { watch: settings.watch, interval: settings.interval }
}

/// What the configuration is read from again, and who goes on with it.
struct Again {
    args: Args,
    env: Env,
    log: log::Switch,
    /// Where is listened, since the start.
    listen: Option<SocketAddr>,
    tally: Arc<Tally>,
    reloads: mpsc::Sender<Reload>,
    renewals: mpsc::Sender<Renewal>,
}

impl Again {
    /// Reads the configuration again at each SIGHUP. What is refused is told, and changes nothing.
    async fn at_hangups(self, mut hangups: Signal, board: Arc<Board>) {
        while hangups.recv().await.is_some() {
            board.reloading();
            let reload = match self.read() {
                Ok((settings, taken, outside)) => {
                    tracing::info!("configuration read again");
                    if self.args.mode() == Mode::Act {
                        board.keep_in(settings.state_dir.as_deref());
                    }
                    let renewal = self.args.telling(&settings, outside);
                    // Nobody is left to be told when the daemon has stopped.
                    let _ = self.renewals.send(renewal).await;
                    taken
                }
                Err(failure) => {
                    for line in failure.text().lines() {
                        tracing::error!("configuration refused, the old settings stay: {line}");
                    }
                    Reload::Refused
                }
            };
            if self.reloads.send(reload).await.is_err() {
                return;
            }
        }
    }

    fn read(&self) -> Result<(Settings, Reload, notify::Outside), Failure> {
        let settings = config::load(&self.args.overrides, &self.env)?;
        let (reconciler, outside) =
            engine::with_outside(&settings, &self.env, self.args.mode(), daemon::PATIENCE, &self.tally)?;
        if settings.listen != self.listen {
            tracing::warn!("listen is taken at the start only: restart pin53 for it");
        }
        self.log.set(settings.log.clone());
        let taken = Reload::Taken { reconciler: Arc::new(reconciler), settings: rhythm(&settings) };
        Ok((settings, taken, outside))
    }
}
