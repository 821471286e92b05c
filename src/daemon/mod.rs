//! When rounds happen: at the start, when a source says something new, and on an interval.
//!
//! Not here: what a round does (`reconcile`), and which signals mean stop (the caller's).

mod clocks;
mod credentials;
mod leaving;
mod looks;
mod reload;
mod said;
mod systemd;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

use crate::apply::{Followed, Pace, follow};
use crate::board::{Board, Vitals};
use crate::causes::with_causes;
use crate::clock::SystemClock;
use crate::dns::ZoneId;
use crate::env::Env;
use crate::reconcile::{Due, GRACE, Look, Reading, Reconciler};
use crate::report::{self, Class, Entry, Outcome, Round};
use crate::source::Changes;
use clocks::{Clocks, Cost};
use credentials::Waking;
use leaving::{Exits, Stay};
use looks::{Attention, News};
pub use reload::Reload;
use said::Said;
pub use systemd::Systemd;

/// For how long one of the daemon's calls is attempted again. It comes back by itself, and what
/// goes wrong in one zone must not keep it from looking after the others.
pub const PATIENCE: Duration = Duration::from_secs(3);
/// How long a change is followed before it is said that it isn't in sync.
const FOLLOWED: Duration = Duration::from_secs(60 * 60);

/// The daemon's rhythm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How often the sources are looked at.
    pub watch: Duration,
    /// How often each record is compared with what Route 53 has; up to a tenth of it sooner.
    pub interval: Duration,
}

/// Runs until `stop` resolves.
pub async fn run(reconciler: Arc<Reconciler>, settings: Settings, stop: impl Future<Output = ()>) {
    let (_none, reloads) = mpsc::channel(1);
    let board = Arc::new(Board::new(Arc::new(SystemClock)));
    run_reloading(reconciler, settings, board, Systemd::of(&Env::default()), reloads, stop).await;
}

/// Runs until `stop` resolves, reports to `board` and to systemd, and goes on with each configuration that
/// `reloads` brings.
pub async fn run_reloading(
    reconciler: Arc<Reconciler>,
    settings: Settings,
    board: Arc<Board>,
    systemd: Systemd,
    mut reloads: mpsc::Receiver<Reload>,
    stop: impl Future<Output = ()>,
) {
    let mut stop = std::pin::pin!(stop);
    let mut daemon = Daemon::new(reconciler, settings, board, systemd);
    daemon.look_out();
    // Nothing in here is waited for but the next turn: what may hang is done beside it.
    loop {
        daemon.beat();
        daemon.systemd.follow(&daemon.board);
        let (next, say) = (daemon.next(), daemon.systemd.next());
        tokio::select! {
            biased;
            () = &mut stop => break,
            Some(reload) = reloads.recv() => daemon.take_reload(reload),
            Some(_) = daemon.followed.join_next() => {}
            Some(finished) = daemon.rounds.join_next() => {
                // A round that panicked has ended the process, and none is aborted before the stop.
                if let Ok(finished) = finished {
                    daemon.take(finished);
                }
            }
            Some(news) = daemon.news.1.recv() => {
                daemon.take_in(news);
                daemon.start_rounds();
            }
            Some(_) = daemon.looks.join_next() => {}
            Some(Ok(waking)) = daemon.credentials.join_next() => {
                daemon.wake(waking);
                daemon.start_rounds();
            }
            exit = daemon.exits.next() => {
                daemon.take_exit(exit);
                daemon.start_rounds();
            }
            () = daemon.changes.next() => daemon.look_now(),
            () = tokio::time::sleep_until(say.unwrap_or(next)), if say.is_some() => {}
            () = tokio::time::sleep_until(next) => {
                daemon.look();
                daemon.look_for_credentials();
                daemon.start_rounds();
            }
        }
        daemon.reload();
    }
    daemon.stop().await;
}

struct Daemon {
    reconciler: Arc<Reconciler>,
    settings: Settings,
    board: Arc<Board>,
    systemd: Systemd,
    /// When the loop last turned.
    beaten: Instant,
    /// What is on the board could not be written the last time.
    unkept: bool,
    /// When the sources are looked at next.
    next_look: Instant,
    watched: Vec<Watched>,
    /// A configuration that waits for the rounds under way.
    reload: Option<Reload>,
    /// When credentials were last looked for in place of refused ones.
    looked_for_credentials: Instant,
    /// That, under way.
    credentials: JoinSet<Waking>,
    /// Tells when a look is worth while before its time.
    changes: Changes,
    /// Looks under way: what is slow to be read keeps nothing else waiting.
    looks: JoinSet<()>,
    /// What they have seen.
    news: (mpsc::UnboundedSender<News>, mpsc::UnboundedReceiver<News>),
    /// Rounds under way: one for each zone, so that none waits for another's.
    rounds: JoinSet<Finished>,
    followed: JoinSet<()>,
    exits: Exits,
}

/// What the daemon knows of one rule between rounds.
struct Watched {
    attention: Attention,
    /// What was seen at the last look.
    seen: Option<Look>,
    /// What was seen when it last told what should be, and where.
    known: Option<Look>,
    /// That has changed since it was last acted on.
    moved: bool,
    /// A round is under way for it.
    busy: bool,
    /// When the record is due, whatever the sources say.
    due: Instant,
    clocks: Clocks,
    said: Said,
    /// What came of it when it was last known what should be.
    firm: Option<Entry>,
    /// Since then it wasn't, and that was told.
    left: bool,
    /// The change of this record that is being followed.
    following: Option<AbortHandle>,
    stay: Stay,
}

/// A round that has come to its end.
struct Finished {
    due: Vec<Due>,
    reading: Reading,
    round: Round,
    cost: Cost,
}

impl Daemon {
    fn new(reconciler: Arc<Reconciler>, settings: Settings, board: Arc<Board>, systemd: Systemd) -> Self {
        board.begin(reconciler.rules(), settings.interval);
        let now = Instant::now();
        let watched = reconciler.rules().iter().map(|_| Watched::new(now)).collect();
        let (rounds, followed) = (JoinSet::new(), JoinSet::new());
        let changes = reconciler.changes();
        let (looks, news) = (JoinSet::new(), mpsc::unbounded_channel());
        Self {
            reconciler,
            settings,
            board,
            systemd,
            beaten: now,
            unkept: false,
            next_look: now,
            watched,
            reload: None,
            looked_for_credentials: now,
            credentials: JoinSet::new(),
            changes,
            looks,
            news,
            rounds,
            followed,
            exits: Exits::new(),
        }
    }

    /// When there is something to do next, be it to show that it is alive.
    fn next(&self) -> Instant {
        let next = self.next_look.min(self.beaten + self.settings.interval);
        if !self.may_start_rounds() {
            return next;
        }
        let due = self.watched.iter().filter_map(Watched::next).min();
        due.map_or(next, |due| due.min(next))
    }

    /// Shows that the loop turns.
    fn beat(&mut self) {
        self.beaten = Instant::now();
        let kept = self.board.beat();
        if let Err(error) = &kept
            && !self.unkept
        {
            report::log_not_kept(error);
        }
        self.unkept = kept.is_err();
    }

    /// None is started while a configuration waits for those under way, nor before it is known whether the
    /// instance ends.
    fn may_start_rounds(&self) -> bool {
        self.reload.is_none() && self.exits.is_settled()
    }

    /// Starts a round for each zone with records that are due.
    fn start_rounds(&mut self) {
        if !self.may_start_rounds() {
            return;
        }
        self.start_withdrawals();
        let now = Instant::now();
        let mut rounds: BTreeMap<(Option<ZoneId>, Reading), Vec<Due>> = BTreeMap::new();
        for (rule, watched) in self.watched.iter_mut().enumerate() {
            if let Some(entry) = watched.come_back() {
                self.board.decided(rule, &entry, false);
            }
            if let Some((reading, look)) = watched.start(now) {
                let due = Due { rule, look };
                let zone = self.reconciler.zone_of(&due);
                rounds.entry((zone, reading)).or_default().push(due);
            }
        }
        for ((_, reading), due) in rounds {
            let reconciler = Arc::clone(&self.reconciler);
            self.rounds.spawn(async move {
                let client = reconciler.client();
                let before = (client.requests(), client.denied());
                let round = reconciler.round(&due, reading).await;
                let cost =
                    Cost { requests: client.requests() - before.0, denied: client.denied() - before.1 };
                Finished { due, reading, round, cost }
            });
        }
    }

    /// Takes in what came of a round, and follows its changes; those that they supersede no longer.
    fn take(&mut self, finished: Finished) {
        let Finished { due, reading, round, cost } = finished;
        let client = self.reconciler.client();
        let vitals =
            Vitals { clock_offset: client.clock_offset(), credentials_expire: client.credentials_expire() };
        self.board.note(vitals);
        let quiet = client.quiet_until();
        for (due, entry) in due.iter().zip(&round.entries) {
            self.board.decided(due.rule, entry, reading != Reading::Remembered);
            if let Some(watched) = self.watched.get_mut(due.rule) {
                watched.settle(due, entry, self.settings, cost, quiet);
            }
        }
        // Route 53 answers, and is asked for the name servers while it is asked anyway.
        if cost.requests > 0 && round.entries.iter().any(|entry| entry.class == Class::Fine) {
            let reconciler = Arc::clone(&self.reconciler);
            let due = due.clone();
            self.followed.spawn(async move { reconciler.prepare_audits(&due).await });
        }
        for id in round.change_ids() {
            let (client, change) = (Arc::clone(self.reconciler.client()), id.to_owned());
            let board = Arc::clone(&self.board);
            let handle = self.followed.spawn(async move {
                let why = match follow(&client, &change, FOLLOWED, Pace::ASIDE).await {
                    Followed::InSync => {
                        report::log_in_sync(&change);
                        return board.in_sync(&change, None);
                    }
                    Followed::OutOfTime => "out of time".to_owned(),
                    Followed::Unreadable(error) => with_causes(&error),
                };
                report::log_not_in_sync(&change, &why);
                board.not_in_sync(&change, &why);
            });
            for (due, _) in
                due.iter().zip(&round.entries).filter(|(_, entry)| entry.change_id.as_deref() == Some(id))
            {
                if let Some(watched) = self.watched.get_mut(due.rule)
                    && let Some(superseded) = watched.following.replace(handle.clone())
                {
                    superseded.abort();
                }
            }
        }
    }

    /// Sends no more changes, and gives those on their way a moment to be answered, so that what became
    /// of them can be told.
    async fn stop(mut self) {
        self.board.stopping();
        self.systemd.follow(&self.board);
        self.looks.abort_all();
        let answered = tokio::time::timeout(GRACE, self.reconciler.client().close()).await;
        if answered.is_err() {
            tracing::warn!("stopped while a change was on its way: could not confirm it");
        }
        // Rounds that had only waited for their answer have ended by their next turn.
        tokio::task::yield_now().await;
        while let Some(finished) = self.rounds.try_join_next() {
            if let Ok(finished) = finished {
                self.take(finished);
            }
        }
        self.withdraw_at_stop().await;
        self.beat();
    }
}

impl Watched {
    fn new(now: Instant) -> Self {
        Self {
            attention: Attention::Elsewhere,
            seen: None,
            known: None,
            moved: false,
            busy: false,
            due: now,
            clocks: Clocks::default(),
            said: Said::default(),
            firm: None,
            left: false,
            following: None,
            stay: Stay::Here,
        }
    }

    /// Has it due now, whatever kept it waiting.
    fn hurry(&mut self, now: Instant) {
        self.clocks = Clocks::default();
        self.due = now;
    }

    fn is_idle(&self) -> bool {
        self.attention == Attention::Elsewhere
    }

    fn is_known(&self) -> bool {
        self.seen.as_ref().is_some_and(Look::is_known)
    }

    /// When a round is to be started for it, without another look.
    fn next(&self) -> Option<Instant> {
        (!self.busy && self.is_known() && self.stay != Stay::Gone).then_some(self.due)
    }

    fn take_in(&mut self, look: Look) {
        let seen = self.seen.insert(look);
        if seen.is_known() {
            let before = self.known.replace(seen.clone());
            if let Some(Look { key: Ok(old), .. }) = &before
                && let Ok(new) = &seen.key
                && old != new
            {
                report::log_renamed(old, new);
            }
            self.moved |= before.is_some_and(|before| before != *seen);
        }
    }

    /// Whether a round is due, and on what it is to build.
    fn start(&mut self, now: Instant) -> Option<(Reading, Look)> {
        let look = self.seen.clone()?;
        // Where nothing is known, a round says so, and asks nothing of Route 53.
        if self.busy || self.stay != Stay::Here || (self.is_known() && !self.moved && self.due > now) {
            return None;
        }
        self.busy = true;
        let acts = self.is_known() && std::mem::take(&mut self.moved);
        Some((if acts { Reading::Remembered } else { Reading::Served }, look))
    }

    /// Where nothing was known for a while, and now the same is known as before: what came of it then holds
    /// again, and nobody has to be asked for that.
    fn come_back(&mut self) -> Option<Entry> {
        if !self.left || self.busy || self.moved || !self.is_known() || self.stay != Stay::Here {
            return None;
        }
        self.left = false;
        let firm = self.firm.as_ref().filter(|entry| entry.class == Class::Fine)?;
        let entry = Entry {
            outcome: Outcome::Unchanged,
            before: firm.after.clone(),
            reason: None,
            change_id: None,
            request_id: None,
            ..firm.clone()
        };
        if self.said.is_news(&entry) {
            report::log_decision(&entry);
        }
        Some(entry)
    }

    /// Logs what is new about an entry, and decides when the record is due again.
    fn settle(&mut self, due: &Due, entry: &Entry, settings: Settings, cost: Cost, quiet: Option<Instant>) {
        self.busy = false;
        if self.said.is_news(entry) {
            report::log_decision(entry);
        }
        // Nothing was asked of Route 53: the record is due when it was.
        if entry.outcome == Outcome::Left || !due.look.is_known() {
            self.left |= !due.look.is_known();
            return;
        }
        (self.firm, self.left) = (Some(entry.clone()), false);
        let now = Instant::now();
        let pause = self.clocks.pause(entry, settings, cost);
        // What the sources said meanwhile doesn't wait.
        let moved = self.moved && self.known.as_ref() != Some(&due.look);
        self.moved = moved;
        self.due = if moved { now } else { now + pause };
        if let Some(quiet) = quiet.filter(|quiet| entry.class != Class::Fine && *quiet > self.due) {
            self.due = quiet;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::{Name, RecordKey, RecordType, Value};
    use crate::source::Observation;

    const RHYTHM: Settings = Settings { watch: Duration::from_secs(5), interval: Duration::from_secs(300) };
    const NOTHING: Cost = Cost { requests: 0, denied: 0 };

    fn look(observation: Observation) -> Look {
        let name = Name::parse("vpn.example.com").unwrap();
        Look { key: Ok(RecordKey::simple(name, RecordType::Cname)), observation }
    }

    fn known(value: &str) -> Look {
        look(Observation::Known(vec![Value::parse(RecordType::Cname, value).unwrap()]))
    }

    fn entry(outcome: Outcome) -> Entry {
        Entry {
            name: "vpn.example.com".to_owned(),
            rtype: RecordType::Cname,
            outcome,
            before: None,
            after: None,
            reason: None,
            hint: None,
            class: if outcome == Outcome::Left { Class::TryAgain } else { Class::Fine },
            change_id: None,
            request_id: None,
            topic: None,
            trouble: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_move_is_not_forgotten_over_a_moment_in_which_nothing_is_known() {
        let now = Instant::now();
        let mut watched = Watched::new(now);
        let due = |look| Due { rule: 0, look };
        watched.take_in(known("a.example.net"));
        assert_eq!(watched.start(now), Some((Reading::Served, known("a.example.net"))));

        watched.take_in(known("b.example.net"));
        let silent = look(Observation::Unknown("silent".to_owned()));
        watched.take_in(silent.clone());
        watched.settle(&due(known("a.example.net")), &entry(Outcome::Changed), RHYTHM, NOTHING, None);
        assert_eq!(watched.start(now), Some((Reading::Served, silent.clone())));
        watched.settle(&due(silent), &entry(Outcome::Left), RHYTHM, NOTHING, None);

        watched.take_in(known("b.example.net"));
        assert_eq!(watched.start(now), Some((Reading::Remembered, known("b.example.net"))));
        assert_eq!(watched.start(now), None, "while a round is under way, no other is started");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_decided_before_nothing_was_known_holds_again_after_it() {
        let now = Instant::now();
        let mut watched = Watched::new(now);
        let due = |look| Due { rule: 0, look };
        watched.take_in(known("a.example.net"));
        watched.start(now);
        watched.settle(&due(known("a.example.net")), &entry(Outcome::Changed), RHYTHM, NOTHING, None);
        assert_eq!(watched.come_back(), None);
        let silent = look(Observation::Unknown("silent".to_owned()));
        watched.take_in(silent.clone());
        watched.start(now);
        watched.settle(&due(silent.clone()), &entry(Outcome::Left), RHYTHM, NOTHING, None);
        assert_eq!(watched.come_back(), None, "nothing is known");
        watched.take_in(known("a.example.net"));
        assert_eq!(watched.come_back(), Some(entry(Outcome::Unchanged)));
        assert_eq!(watched.come_back(), None, "it is said once");
        assert_eq!(watched.start(now), None, "and nobody is asked");

        watched.take_in(silent.clone());
        watched.start(now);
        watched.settle(&due(silent), &entry(Outcome::Left), RHYTHM, NOTHING, None);
        watched.take_in(known("b.example.net"));
        assert_eq!(watched.come_back(), None, "another value has to be decided about");
    }

    #[tokio::test(start_paused = true)]
    async fn a_flapping_source_does_not_undo_a_long_pause() {
        let now = Instant::now();
        let mut watched = Watched::new(now);
        watched.take_in(known("a.example.net"));
        watched.start(now);
        let denied = Entry { class: Class::NotPermitted, ..entry(Outcome::Failed) };
        let spent = Cost { requests: 3, denied: 3 };
        watched.settle(&Due { rule: 0, look: known("a.example.net") }, &denied, RHYTHM, spent, None);
        let silent = look(Observation::Unknown("silent".to_owned()));
        watched.take_in(silent.clone());
        assert!(watched.start(now).is_some());
        watched.settle(&Due { rule: 0, look: silent }, &entry(Outcome::Left), RHYTHM, NOTHING, None);
        watched.take_in(known("a.example.net"));
        assert_eq!(watched.start(now + Duration::from_secs(14 * 60)), None);
    }
}
