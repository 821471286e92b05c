//! `pin53`, `pin53 run` and `--once`: the daemon, and one reconcile.

use std::io::Write;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::{Exit, Failure, engine, log, runtime};
use crate::aws::route53;
use crate::board::Board;
use crate::causes::with_causes;
use crate::clock::SystemClock;
use crate::config::{self, Overrides, Settings};
use crate::daemon::{self, Reload, Systemd};
use crate::env::Env;
use crate::reconcile::{Mode, unless_stopped};
use crate::report;

#[derive(Debug, clap::Args)]
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
}

async fn once(
    settings: &Settings,
    args: &Args,
    env: &Env,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<Exit, Failure> {
    let mut stop = engine::stop_signal()?;
    let reconciler = engine::reconciler(settings, env, args.mode(), route53::PATIENCE)?;
    let round = unless_stopped(&mut stop, &reconciler, reconciler.once(settings.wait)).await;
    let round = round.value().unwrap_or_else(|| reconciler.broken_off());
    if args.mode() == Mode::Act {
        let board = board(settings, Mode::Act);
        board.begin(reconciler.rules(), settings.interval);
        board.took_round(&round);
        if let Err(error) = board.beat() {
            report::log_not_kept(&error);
        }
    }
    engine::show(&round, args.json, out, err)
}

async fn run_daemon(settings: &Settings, args: &Args, env: &Env, log: log::Switch) -> Result<Exit, Failure> {
    let stop = engine::stop_signal()?;
    let hangups = signal(SignalKind::hangup()).map_err(Failure::start)?;
    let reconciler = engine::reconciler(settings, env, args.mode(), daemon::PATIENCE)?;
    let (reloads, asked) = mpsc::channel(1);
    let board = Arc::new(board(settings, args.mode()));
    let again = Again { overrides: args.overrides.clone(), env: env.clone(), mode: args.mode(), log };
    tokio::spawn(again.at_hangups(hangups, Arc::clone(&board), reloads));
    daemon::run_reloading(Arc::new(reconciler), rhythm(settings), board, Systemd::of(env), asked, stop).await;
    Ok(Exit::Ok)
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

/// What the configuration is read from again.
struct Again {
    overrides: Overrides,
    env: Env,
    mode: Mode,
    log: log::Switch,
}

impl Again {
    /// Reads the configuration again at each SIGHUP. What is refused is told, and changes nothing.
    async fn at_hangups(self, mut hangups: Signal, board: Arc<Board>, reloads: mpsc::Sender<Reload>) {
        while hangups.recv().await.is_some() {
            board.reloading();
            let reload = match self.read() {
                Ok((settings, taken)) => {
                    tracing::info!("configuration read again");
                    if self.mode == Mode::Act {
                        board.keep_in(settings.state_dir.as_deref());
                    }
                    taken
                }
                Err(failure) => {
                    for line in failure.text().lines() {
                        tracing::error!("configuration refused, the old settings stay: {line}");
                    }
                    Reload::Refused
                }
            };
            if reloads.send(reload).await.is_err() {
                return;
            }
        }
    }

    fn read(&self) -> Result<(Settings, Reload), Failure> {
        let settings = config::load(&self.overrides, &self.env)?;
        let reconciler = engine::reconciler(&settings, &self.env, self.mode, daemon::PATIENCE)?;
        self.log.set(settings.log.clone());
        let taken = Reload::Taken { reconciler: Arc::new(reconciler), settings: rhythm(&settings) };
        Ok((settings, taken))
    }
}
