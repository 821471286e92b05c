//! When the addresses of some interfaces change.
//!
//! The kernel speaks of every link and address of the machine, and again whenever a router repeats
//! itself. Only what makes a difference to the interfaces of ours is news.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

use super::super::Source;
use super::{Interface, State, netlink};

/// Notices come in swarms: the first opens a pause for the others.
const SWARM: Duration = Duration::from_millis(50);

/// Waits for changes. Without interfaces to wait for, it opens no socket.
pub struct Changes {
    listener: Option<AsyncFd<OwnedFd>>,
    /// What is known of each interface.
    known: BTreeMap<Interface, Option<State>>,
    /// When what was noticed is looked at.
    due: Option<Instant>,
}

impl Changes {
    /// Waits for changes of the interfaces among these sources, from now on.
    pub fn of<'a>(sources: impl IntoIterator<Item = &'a Source>) -> Self {
        let interfaces = sources.into_iter().filter_map(|source| match source {
            Source::Interface(name) => Some(name),
            _ => None,
        });
        let mut interfaces = interfaces.peekable();
        // Heard first and looked at then: no change is lost in between.
        let listener = interfaces.peek().and_then(|_| listen());
        let known = interfaces.map(|name| (name.clone(), look(name))).collect();
        Self { listener, known, due: None }
    }

    /// Resolves when something has changed. It may be dropped at any time, and loses nothing.
    pub async fn next(&mut self) {
        loop {
            if let Some(due) = self.due {
                tokio::time::sleep_until(due).await;
                self.due = None;
                if self.has_changed() {
                    return;
                }
            }
            let Some(listener) = &self.listener else { return std::future::pending().await };
            match heard(listener).await {
                Ok(()) => self.due = Some(Instant::now() + SWARM),
                Err(error) => {
                    tracing::debug!(%error, "no more notices of address changes");
                    self.listener = None;
                }
            }
        }
    }

    fn has_changed(&mut self) -> bool {
        // What came meanwhile is looked at together.
        if let Some(listener) = &self.listener {
            while netlink::take(listener.get_ref()).is_ok() {}
        }
        let mut changed = false;
        for (name, known) in &mut self.known {
            let state = look(name);
            changed |= *known != state;
            *known = state;
        }
        changed
    }
}

#[expect(deprecated, reason = "what took its place is unsafe; its contract is one that an OwnedFd keeps")]
fn listen() -> Option<AsyncFd<OwnedFd>> {
    let listener = netlink::listener().and_then(AsyncFd::new);
    listener.inspect_err(|error| tracing::debug!(%error, "no notices of address changes")).ok()
}

fn look(name: &Interface) -> Option<State> {
    netlink::state(name).inspect_err(|error| tracing::debug!(%name, %error, "addresses not read")).ok()
}

/// Resolves when the kernel has spoken of a link or an address, or of more than there was room for.
async fn heard(listener: &AsyncFd<OwnedFd>) -> io::Result<()> {
    loop {
        let mut ready = listener.readable().await?;
        match ready.try_io(|socket| netlink::take(socket.get_ref())) {
            Ok(Ok(true)) => return Ok(()),
            Ok(Ok(false)) | Err(_) => {}
            Ok(Err(error)) if error.raw_os_error() == Some(rustix::io::Errno::NOBUFS.raw_os_error()) => {
                return Ok(());
            }
            Ok(Err(error)) => return Err(error),
        }
    }
}
