//! What the daemon reports while it runs.

use std::sync::Arc;
use std::time::Duration;

use pin53::board::{Board, Event};
use pin53::daemon::{self, Reload, Settings, Systemd};
use pin53::desired::{Leaving, Parting, Rule};
use pin53::report::Outcome;
use pin53::sandbox::{Fault, Instance};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::house::{House, board, cname, house, seconds};

const RHYTHM: Settings = Settings { watch: Duration::from_secs(5), interval: Duration::from_secs(300) };

struct Running {
    board: Arc<Board>,
    events: mpsc::Receiver<Arc<Event>>,
    reloads: mpsc::Sender<Reload>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

fn start(house: &House, rules: &[Rule]) -> Running {
    let board = board();
    let events = board.subscribe(1000);
    let (stop, stopped) = oneshot::channel();
    let (reloads, asked) = mpsc::channel(1);
    let reconciler = Arc::new(house.reconciler(rules));
    let stopped = async { drop(stopped.await) };
    let task = tokio::spawn(daemon::run_reloading(
        reconciler,
        RHYTHM,
        Arc::clone(&board),
        Systemd::of(&house.env),
        asked,
        stopped,
    ));
    Running { board, events, reloads, stop, task }
}

impl Running {
    /// What has happened meanwhile, in short.
    fn told(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        while let Ok(event) = self.events.try_recv() {
            told.push(match &*event {
                Event::Decided(decision) => decision.entry.outcome.word().to_owned(),
                Event::InSync { .. } => "in sync".to_owned(),
                other => format!("{other:?}"),
            });
        }
        told
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_ready_with_its_first_decision_and_not_before() {
    let house = house();
    house.world.with_instance(Instance::release_address);
    let mut daemon = start(&house, &[cname("vpn.example.com")]);
    tokio::time::sleep(seconds(60)).await;
    assert!(!daemon.board.snapshot().ready);
    assert!(daemon.told().iter().all(|told| told == "left"));
    assert!(daemon.board.snapshot().words().starts_with("left vpn.example.com: "));
    house.move_instance();
    tokio::time::sleep(seconds(120)).await;
    assert!(daemon.board.snapshot().ready);
    let told = daemon.told();
    let told: Vec<&str> = told.iter().map(String::as_str).filter(|told| *told != "left").collect();
    assert_eq!(told, ["changed", "Ready", "in sync"]);
    let snapshot = daemon.board.snapshot();
    assert_eq!(snapshot.records[0].last_change, Some(snapshot.history[0].when));
    assert!(snapshot.history[0].in_sync_after.is_some_and(|after| after > 0.0 && after < 100.0));
}

#[tokio::test(start_paused = true)]
async fn each_audit_confirms_and_trouble_does_not() {
    let house = house();
    let daemon = start(&house, &[cname("vpn.example.com")]);
    tokio::time::sleep(seconds(3600)).await;
    let confirmed = |daemon: &Running| daemon.board.snapshot().records[0].last_confirmed.unwrap();
    let hour = confirmed(&daemon);
    assert!(hour.duration_since(crate::house::START.parse().unwrap()).as_secs() > 3600 - 331);
    house.world.inject(Fault::ServerError.always());
    house.move_instance();
    tokio::time::sleep(seconds(3600)).await;
    let record = &daemon.board.snapshot().records[0];
    assert!(record.trouble_since.is_some(), "{record:?}");
    assert!(confirmed(&daemon).duration_since(hour).as_secs() <= 331);
}

#[tokio::test(start_paused = true)]
async fn a_reload_and_a_stop_are_told_and_so_is_what_the_stop_withdraws() {
    let house = house();
    let leaving = Leaving { on_stop: Parting::Withdraw, ..Leaving::default() };
    let mut daemon = start(&house, &[Rule { leaving, ..cname("vpn.example.com") }]);
    tokio::time::sleep(seconds(60)).await;
    daemon.told();
    assert!(daemon.reloads.send(Reload::Refused).await.is_ok());
    tokio::time::sleep(seconds(2)).await;
    assert_eq!(daemon.told(), ["Reloaded { taken: false }", "unchanged"]);
    daemon.stop.send(()).unwrap();
    daemon.task.await.unwrap();
    let left: Vec<Event> =
        std::iter::from_fn(|| daemon.events.try_recv().ok()).map(|e| Event::clone(&e)).collect();
    let [Event::Stopping, Event::Decided(withdrawn)] = &left[..] else { panic!("{left:?}") };
    assert_eq!((withdrawn.entry.outcome, &withdrawn.entry.after), (Outcome::Changed, &None));
}
