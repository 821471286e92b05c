//! What the daemon tells systemd, or whoever else has given it a socket for that: that it is ready, what it
//! waits for, that its loop still turns.
//!
//! A datagram each, through the standard library: a crate for this would read the process's environment by
//! itself. Not here: what there is to tell (`board`), and how the unit answers to it.
//!
//! Spec: <https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html>,
//! <https://www.freedesktop.org/software/systemd/man/latest/sd_watchdog_enabled.html>

use std::fmt::Write;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

use crate::board::{Board, Phase};
use crate::env::Env;

/// Whoever can't decide by then is ready all the same: what waits for it, a boot perhaps, goes on.
const READY_AFTER: Duration = Duration::from_secs(20);
/// systemd reads at once. If it doesn't, the loop has more to do than to wait for it.
const PATIENCE: Duration = Duration::from_secs(1);

/// The line to systemd, and what was said on it.
pub struct Systemd {
    /// `None` where nobody listens.
    socket: Option<SocketAddr>,
    /// How often the watchdog is fed, where there is one.
    feed_every: Option<Duration>,
    feed_at: Instant,
    ready_by: Instant,
    is_ready: bool,
    is_reloading: bool,
    is_stopping: bool,
    status: String,
}

impl Systemd {
    /// What the environment says of it. Its time begins now.
    #[must_use]
    pub fn of(env: &Env) -> Self {
        let socket = env.get("NOTIFY_SOCKET").and_then(|place| match place.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name).ok(),
            None => SocketAddr::from_pathname(place).ok(),
        });
        let number = |name: &str| env.get(name).and_then(|text| text.parse::<u64>().ok());
        // A process that inherits the variables of another's watchdog has none.
        let is_ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let feed_every = number("WATCHDOG_USEC")
            .filter(|micros| *micros > 0 && is_ours)
            .map(|micros| Duration::from_micros(micros) / 2);
        let now = Instant::now();
        Self {
            socket,
            feed_every,
            feed_at: now,
            ready_by: now + READY_AFTER,
            is_ready: false,
            is_reloading: false,
            is_stopping: false,
            status: String::new(),
        }
    }

    /// When there is something to say, whatever happens until then.
    pub(super) fn next(&self) -> Option<Instant> {
        self.socket.as_ref()?;
        let feed = self.feed_every.map(|_| self.feed_at);
        let ready = (!self.is_ready && !self.is_reloading).then_some(self.ready_by);
        feed.into_iter().chain(ready).min()
    }

    /// Says what is new on the board. Called by the loop at each of its turns, and by nobody else: the
    /// watchdog is to starve when the loop hangs.
    pub(super) fn follow(&mut self, board: &Board) {
        if self.socket.is_none() {
            return;
        }
        let now = Instant::now();
        let snapshot = board.snapshot();
        let mut message = String::new();
        if snapshot.phase == Phase::Stopping && !self.is_stopping {
            self.is_stopping = true;
            message.push_str("STOPPING=1\n");
        }
        if !self.is_ready && !self.is_reloading && (snapshot.ready || now >= self.ready_by) {
            self.is_ready = true;
            message.push_str("READY=1\n");
        }
        let status = snapshot.words().replace(char::is_control, " ");
        if status != self.status {
            // A String takes whatever is written to it.
            let _ = writeln!(message, "STATUS={status}");
            self.status = status;
        }
        if let Some(every) = self.feed_every
            && now >= self.feed_at
        {
            self.feed_at = now + every;
            message.push_str("WATCHDOG=1\n");
        }
        self.say(&message);
    }

    /// The configuration is read again.
    pub(super) fn reloading(&mut self) {
        if !std::mem::replace(&mut self.is_reloading, true) {
            // Both in one message: systemd takes it for the answer to what it asked for before that time.
            self.say(&format!("RELOADING=1\nMONOTONIC_USEC={}\n", monotonic_micros()));
        }
    }

    /// It was read, whatever came of it. Who wasn't ready before isn't by that.
    pub(super) fn reloaded(&mut self) {
        if std::mem::take(&mut self.is_reloading) && self.is_ready {
            self.say("READY=1\n");
        }
    }

    fn say(&self, message: &str) {
        let Some(socket) = self.socket.as_ref().filter(|_| !message.is_empty()) else { return };
        if let Err(error) = send(socket, message) {
            tracing::debug!(%error, message, "systemd doesn't listen");
        }
    }
}

fn send(to: &SocketAddr, message: &str) -> io::Result<()> {
    // Bound to nothing and connected to nobody, each one anew: systemd's socket may be another's by now.
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.send_to_addr(message.as_bytes(), to).map(|_| ())
}

/// The clock that systemd compares with its own.
fn monotonic_micros() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1_000
}
