//! When the daemon, or its machine, goes: notices of the instance's end are looked for, and the records
//! that are to go with it are withdrawn.
//!
//! Not here: how a record is withdrawn without touching another's (`reconcile`).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{Daemon, Watched};
use crate::desired::{Leaving, Parting};
use crate::reconcile::{Due, Reconciler};
use crate::report::{self, Class, Entry};
use crate::source::{Notice, NoticesWanted};

/// A withdrawal that failed is tried again after this: a spot instance has two minutes.
const AGAIN: Duration = Duration::from_secs(5);
/// All withdrawals of a stop take no longer than this. systemd waits for 90 s.
const AT_STOP: Duration = Duration::from_secs(5);

/// Whether a rule's record is still to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Stay {
    #[default]
    Here,
    /// It is to be withdrawn.
    Going,
    /// It is withdrawn, or not ours any more: either way this process doesn't publish it again.
    Gone,
}

/// What is on its way out.
pub(super) struct Exits {
    /// What the lookout sees: at its first look, and then whatever is new.
    notices: mpsc::UnboundedReceiver<Option<Notice>>,
    /// That first look has still to come.
    is_unsettled: bool,
    /// Looks for notices.
    lookout: JoinSet<()>,
    /// Withdrawals under way, with the places of their rules.
    withdrawals: JoinSet<(Vec<usize>, Vec<Entry>)>,
}

/// What came to pass among the exits.
pub(super) enum Exit {
    Notice(Option<Notice>),
    Withdrawn(Vec<usize>, Vec<Entry>),
}

impl Exits {
    pub(super) fn new() -> Self {
        let (_, notices) = mpsc::unbounded_channel();
        Self { notices, is_unsettled: false, lookout: JoinSet::new(), withdrawals: JoinSet::new() }
    }

    /// Whether it is known, as far as it is to be, if the instance ends. Whoever is started again on a machine
    /// that ends publishes nothing.
    pub(super) fn is_settled(&self) -> bool {
        !self.is_unsettled
    }

    /// Waits for something to come to pass.
    pub(super) async fn next(&mut self) -> Exit {
        loop {
            tokio::select! {
                biased;
                Some(notice) = self.notices.recv() => return Exit::Notice(notice),
                Some(Ok((places, entries))) = self.withdrawals.join_next() => {
                    return Exit::Withdrawn(places, entries);
                }
                else => std::future::pending::<()>().await,
            }
        }
    }
}

impl Daemon {
    /// Looks for notices from now on, where some rule asks for it.
    pub(super) fn look_out(&mut self) {
        self.exits.lookout = JoinSet::new();
        let (notices, seen) = mpsc::unbounded_channel();
        self.exits.notices = seen;
        let wanted = notices_wanted(&self.reconciler);
        self.exits.is_unsettled = wanted != NoticesWanted::default();
        if self.exits.is_settled() {
            return;
        }
        let (reconciler, watch) = (Arc::clone(&self.reconciler), self.settings.watch);
        self.exits.lookout.spawn(async move {
            let mut last = reconciler.notice(wanted).await;
            // Nobody is left to be told when the daemon has stopped.
            let _ = notices.send(last);
            while !last.is_some_and(Notice::is_final) {
                tokio::time::sleep(watch).await;
                let notice = reconciler.notice(wanted).await;
                if notice.is_some() && notice != last {
                    let _ = notices.send(notice);
                    last = notice;
                }
            }
        });
    }

    pub(super) fn take_exit(&mut self, exit: Exit) {
        match exit {
            Exit::Notice(notice) => {
                self.exits.is_unsettled = false;
                if let Some(notice) = notice {
                    self.take_notice(notice);
                }
            }
            Exit::Withdrawn(places, entries) => {
                let now = Instant::now();
                for (place, entry) in places.iter().zip(&entries) {
                    self.board.decided(*place, entry, true);
                    if let Some(watched) = self.watched.get_mut(*place) {
                        watched.settle_withdrawal(entry, now);
                    }
                }
            }
        }
        self.start_withdrawals();
    }

    fn take_notice(&mut self, notice: Notice) {
        report::log_notice(&notice.to_string());
        for (rule, watched) in self.reconciler.rules().iter().zip(&mut self.watched) {
            if asks(rule.leaving, notice) && watched.stay == Stay::Here {
                watched.stay = Stay::Going;
                watched.due = Instant::now();
            }
        }
    }

    /// Withdraws what is to go, once it is known what that is and no round is under way for it.
    pub(super) fn start_withdrawals(&mut self) {
        let now = Instant::now();
        let mut due = Vec::new();
        for (rule, watched) in self.watched.iter_mut().enumerate() {
            if watched.stay == Stay::Going
                && !watched.busy
                && watched.due <= now
                && let Some(look) = watched.known.clone()
            {
                watched.busy = true;
                due.push(Due { rule, look });
            }
        }
        if due.is_empty() {
            return;
        }
        let reconciler = Arc::clone(&self.reconciler);
        self.exits.withdrawals.spawn(async move {
            let entries = reconciler.withdraw(&due).await;
            (due.iter().map(|due| due.rule).collect(), entries)
        });
    }

    /// Withdraws what is to go when the daemon is stopped, within bounds.
    pub(super) async fn withdraw_at_stop(&mut self) {
        let rules = self.reconciler.rules().iter().zip(&self.watched).enumerate();
        let due: Vec<Due> = rules
            .filter(|(_, (rule, watched))| {
                rule.leaving.on_stop == Parting::Withdraw && watched.stay != Stay::Gone
                    || watched.stay == Stay::Going
            })
            .filter_map(|(rule, (_, watched))| Some(Due { rule, look: watched.known.clone()? }))
            .collect();
        if due.is_empty() {
            return;
        }
        // The rounds have ended: what they had to say is taken in, and what is left of them is let go.
        self.rounds.shutdown().await;
        self.exits.withdrawals.shutdown().await;
        self.reconciler.client().open();
        match tokio::time::timeout(AT_STOP, self.reconciler.withdraw(&due)).await {
            Ok(entries) => {
                for (due, entry) in due.iter().zip(&entries) {
                    report::log_decision(entry);
                    self.board.decided(due.rule, entry, true);
                }
            }
            Err(_) => report::log_not_withdrawn(due.len()),
        }
    }
}

impl Watched {
    fn settle_withdrawal(&mut self, entry: &Entry, now: Instant) {
        self.busy = false;
        if self.said.is_news(entry) {
            report::log_decision(entry);
        }
        if entry.class == Class::Fine {
            self.stay = Stay::Gone;
        } else {
            self.due = now + AGAIN;
        }
    }
}

fn asks(leaving: Leaving, notice: Notice) -> bool {
    let parting = if notice.is_final() { leaving.on_terminate } else { leaving.on_rebalance };
    parting == Parting::Withdraw
}

fn notices_wanted(reconciler: &Reconciler) -> NoticesWanted {
    let any = |asks: fn(Leaving) -> Parting| {
        reconciler.rules().iter().any(|rule| asks(rule.leaving) == Parting::Withdraw)
    };
    NoticesWanted { end: any(|leaving| leaving.on_terminate), rebalance: any(|leaving| leaving.on_rebalance) }
}
