//! Notifications beside a daemon on paused time: who is told what, how often, and that nobody waits for it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use pin53::aws::caller::Caller;
use pin53::aws::shared::Shared;
use pin53::board::{Board, key_of};
use pin53::clock::{Clock, ServerClock, SteadyClock};
use pin53::daemon::{self, Settings as Rhythm};
use pin53::env::Env;
use pin53::imds::{self, Imds};
use pin53::notify::{self, Notifier, On, Outside, Preset, Renewal, Settings, Target, Telling, Webhook};
use pin53::sandbox::{Fault, InProcess, Instance};
use pin53::secret::Credentials;
use pin53::sign::{sdk_hmac, sigv4};
use pin53::state::State;
use pin53::template::UserTemplate;
use pin53::transport::{BoxFuture, Error, Transport};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::house::{HOST, House, MOVED, START, cname, seconds};

const RHYTHM: Rhythm = Rhythm { watch: Duration::from_secs(5), interval: Duration::from_secs(300) };
const HOOK: &str = "https://hooks.example/services/sentinel";

/// A host that answers, whatever others do.
const WELL: &str = "well.example";

/// What a server does with a request.
#[derive(Clone, Copy)]
enum Answer {
    Status(u16),
    RetryAfter(u16, &'static str),
    Hang,
    Refuse,
}

/// Servers on the Internet: what they were sent and when, and what they answer, 200 when nothing is said.
struct Net {
    got: Mutex<Vec<(Instant, Request<Bytes>)>>,
    answers: Mutex<VecDeque<Answer>>,
    always: Answer,
}

impl Net {
    fn new(always: Answer) -> Arc<Self> {
        Arc::new(Self { got: Mutex::default(), answers: Mutex::default(), always })
    }

    fn well() -> Arc<Self> {
        Self::new(Answer::Status(200))
    }

    fn say(&self, answers: &[Answer]) {
        self.answers.lock().unwrap().extend(answers);
    }

    fn bodies(&self) -> Vec<serde_json::Value> {
        let got = self.got.lock().unwrap();
        got.iter().map(|(_, request)| serde_json::from_slice(request.body()).unwrap()).collect()
    }

    fn events(&self) -> Vec<String> {
        self.bodies().iter().map(|body| body["event"].as_str().unwrap().to_owned()).collect()
    }

    /// How many requests a host got.
    fn told(&self, host: &str) -> usize {
        self.got.lock().unwrap().iter().filter(|(_, request)| request.uri().host() == Some(host)).count()
    }

    /// When requests came, in seconds from the first.
    fn times(&self) -> Vec<f64> {
        let got = self.got.lock().unwrap();
        let first = got.first().map(|(at, _)| *at);
        got.iter().map(|(at, _)| (*at - first.unwrap()).as_secs_f64()).collect()
    }
}

impl Transport for Net {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, Error>> {
        let host = request.uri().host().unwrap_or_default().to_owned();
        self.got.lock().unwrap().push((Instant::now(), request));
        let said = if host == WELL { None } else { self.answers.lock().unwrap().pop_front() };
        let answer = said.unwrap_or(if host == WELL { Answer::Status(200) } else { self.always });
        Box::pin(async move {
            match answer {
                Answer::Status(status) => Ok(Response::builder().status(status).body(Bytes::new()).unwrap()),
                Answer::RetryAfter(status, after) => {
                    let answer = Response::builder().status(status).header("retry-after", after);
                    Ok(answer.body(Bytes::new()).unwrap())
                }
                Answer::Hang => {
                    let after = notify::TRANSPORT.timeout;
                    tokio::time::sleep(after).await;
                    Err(Error::Timeout { host, after })
                }
                Answer::Refuse => Err(Error::Connect { host, source: None }),
            }
        })
    }
}

fn house() -> House {
    House { patience: daemon::PATIENCE, ..crate::house::house() }
}

fn to(target: Target) -> Settings {
    Settings { on: On::ALL, failed_for: None, target, template: None }
}

fn webhook(url: &str) -> Webhook {
    let address = notify::Address::Url(url.parse().unwrap());
    Webhook { address, preset: None, headers: Vec::new(), key: None }
}

fn hook() -> Settings {
    to(Target::Webhook(webhook(HOOK)))
}

/// What notifications leave a house by.
fn outside(house: &House, net: &Arc<Net>, env: Env) -> Outside {
    let clock = Arc::new(ServerClock::default());
    let in_process = || Arc::new(InProcess::new(Arc::clone(&house.world)));
    let imds = Imds::new(imds::Settings::from_env(&env).unwrap(), in_process(), Arc::clone(&clock));
    let (imds, shared) = (Arc::new(imds), Arc::new(Shared::load(&env, None).unwrap()));
    let credentials = house.chain(&shared, &imds, &clock, in_process());
    let net: Arc<dyn Transport> = Arc::<Net>::clone(net);
    let aws = Caller {
        shared,
        imds,
        state: Arc::clone(&house.state),
        credentials: Arc::new(credentials),
        clock: Arc::clone(&clock),
        machine: Arc::clone(&house.machine),
        over_tls: Arc::clone(&net),
        plain: Arc::clone(&net),
    };
    let plain = Arc::clone(&net);
    Outside { env, over_tls: net, plain, aws, clock, machine: Arc::clone(&house.machine) }
}

fn renewal(house: &House, net: &Arc<Net>, settings: &[Settings]) -> Renewal {
    let rules = vec![key_of(&cname("vpn.example.com"))];
    Renewal { settings: settings.to_vec(), rules, outside: outside(house, net, Env::default()) }
}

/// A daemon with notifications.
struct Running {
    daemon: JoinHandle<()>,
    telling: JoinHandle<()>,
    stop: oneshot::Sender<()>,
    ended: oneshot::Sender<()>,
    renewals: mpsc::Sender<Renewal>,
}

fn start(house: &House, net: &Arc<Net>, settings: &[Settings]) -> Running {
    let reconciler = Arc::new(house.reconciler(&[cname("vpn.example.com")]));
    let board = Arc::new(Board::new(Arc::clone(&house.machine)));
    let (stop, stopped) = oneshot::channel();
    let (ended, over) = oneshot::channel();
    let (renewals, renewed) = mpsc::channel(1);
    let notifier = Notifier::new(renewal(house, net, settings), Telling::Later);
    let telling = notify::run(notifier, board.subscribe(64), renewed, async { drop(over.await) });
    let (_none, reloads) = mpsc::channel(1);
    let daemon =
        daemon::run_reloading(reconciler, RHYTHM, board, daemon::Systemd::of(&house.env), reloads, async {
            drop(stopped.await);
        });
    Running { daemon: tokio::spawn(daemon), telling: tokio::spawn(telling), stop, ended, renewals }
}

impl Running {
    async fn stop(self) -> Duration {
        let started = Instant::now();
        self.stop.send(()).unwrap();
        self.daemon.await.unwrap();
        drop(self.ended);
        self.telling.await.unwrap();
        started.elapsed()
    }
}

#[tokio::test(start_paused = true)]
async fn each_change_is_told_once_with_the_name_and_both_values() {
    let (house, net) = (house(), Net::well());
    let running = start(&house, &net, &[hook()]);
    tokio::time::sleep(seconds(3600)).await;
    house.move_instance();
    tokio::time::sleep(seconds(3600)).await;
    assert_eq!(net.events(), ["changed", "changed"]);
    let body = &net.bodies()[1];
    assert_eq!(body["name"], "vpn.example.com");
    assert_eq!((&body["before"]["values"][0], &body["after"]["values"][0]), (&HOST.into(), &MOVED.into()));
    running.stop().await;
    let got = net.got.lock().unwrap();
    assert_eq!(got[1].1.headers()["content-type"], "application/json");
    assert_eq!(got[1].1.uri().to_string(), HOOK);
}

#[tokio::test(start_paused = true)]
async fn trouble_is_told_once_it_has_lasted_a_minute_and_so_is_its_end() {
    let (house, net) = (house(), Net::well());
    let running = start(&house, &net, &[hook()]);
    tokio::time::sleep(seconds(60)).await;
    // A hiccup.
    house.world.inject(Fault::ImdsError.lasting(seconds(20)));
    tokio::time::sleep(seconds(600)).await;
    assert_eq!(net.events(), ["changed"]);
    house.world.inject(Fault::ImdsError.lasting(seconds(3600)));
    tokio::time::sleep(seconds(59)).await;
    assert_eq!(net.events(), ["changed"]);
    tokio::time::sleep(seconds(10)).await;
    assert_eq!(net.events(), ["changed", "failed"]);
    tokio::time::sleep(seconds(7200)).await;
    assert_eq!(net.events(), ["changed", "failed", "recovered"]);
    let told = net.bodies();
    assert!(told[1]["message"].as_str().unwrap().starts_with("left vpn.example.com: "), "{}", told[1]);
    assert!(told[2]["message"].as_str().unwrap().contains(", after 59m"), "{}", told[2]);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_only_a_person_can_mend_is_told_at_once_and_not_again_after_a_restart() {
    let (house, net) = (house(), Net::well());
    house.world.inject(Fault::AccessDenied.always());
    let running = start(&house, &net, &[hook()]);
    tokio::time::sleep(seconds(2)).await;
    assert_eq!(net.events(), ["failed"]);
    running.stop().await;
    let running = start(&house, &net, &[hook()]);
    tokio::time::sleep(seconds(7200)).await;
    assert_eq!(net.events(), ["failed"]);
    running.stop().await;
    house.world.clear_faults();
    let running = start(&house, &net, &[hook()]);
    tokio::time::sleep(seconds(60)).await;
    assert_eq!(net.events(), ["failed", "recovered", "changed"]);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_hangs_holds_up_neither_the_record_nor_other_listeners() {
    let (house, net) = (house(), Net::new(Answer::Hang));
    let running = start(&house, &net, &[hook(), to(Target::Webhook(webhook("https://well.example/")))]);
    for n in 1..20u8 {
        house.world.move_instance([203, 0, 113, n].into());
        tokio::time::sleep(RHYTHM.watch + seconds(1)).await;
        assert_eq!(house.vpn(), Some(format!("ec2-203-0-113-{n}.eu-west-1.compute.amazonaws.com")));
        assert_eq!(net.told(WELL), usize::from(n));
    }
    assert!(net.told("hooks.example") < 19);
    let took = running.stop().await;
    assert!(took < seconds(2), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_told_is_tried_again_with_growing_pauses_and_then_given_up() {
    let (house, net) = (house(), Net::new(Answer::Refuse));
    let running = start(&house, &net, &[hook()]);
    tokio::time::sleep(seconds(3600)).await;
    let times = net.times();
    assert_eq!(times.len(), 6, "{times:?}");
    let pauses: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses.is_sorted() && times[5] < 600.0, "{pauses:?}");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_final_and_a_server_in_trouble_is_asked_when_it_says() {
    let (house, net) = (house(), Net::well());
    net.say(&[Answer::Status(404)]);
    let running = start(&house, &net, &[hook()]);
    tokio::time::sleep(seconds(3600)).await;
    assert_eq!(net.events().len(), 1);
    for final_answer in [301, 400, 403, 410] {
        net.say(&[Answer::Status(final_answer)]);
        let before = net.events().len();
        house.world.move_instance([203, 0, 113, 7].into());
        tokio::time::sleep(seconds(600)).await;
        house.world.move_instance([203, 0, 113, 8].into());
        tokio::time::sleep(seconds(600)).await;
        assert_eq!(net.events().len(), before + 2, "{final_answer}");
    }
    running.stop().await;

    let net = Net::well();
    net.say(&[Answer::RetryAfter(429, "30"), Answer::RetryAfter(503, "86400"), Answer::Status(500)]);
    let running = start(&house, &net, &[hook()]);
    house.move_instance();
    tokio::time::sleep(seconds(3600)).await;
    let times = net.times();
    assert_eq!(times.len(), 4, "{times:?}");
    assert!((29.0..=31.0).contains(&times[1]), "{times:?}");
    assert!((89.0..=92.0).contains(&times[2]), "nobody is waited for longer than a minute: {times:?}");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn of_too_many_that_wait_the_oldest_are_dropped() {
    let (house, net) = (house(), Net::new(Answer::Hang));
    let running = start(&house, &net, &[hook()]);
    for n in 0..100u8 {
        house.world.move_instance([203, 0, 113, n + 1].into());
        tokio::time::sleep(seconds(5)).await;
    }
    let waited = net.events().len();
    assert!(waited < 100);
    // Whoever hangs now answers from the next on.
    net.say(&[Answer::Status(200); 200]);
    tokio::time::sleep(seconds(3600)).await;
    let last = net.bodies().pop().unwrap();
    assert_eq!(last["after"]["values"][0], "ec2-203-0-113-100.eu-west-1.compute.amazonaws.com");
    assert!(net.events().len() <= waited + 66, "{} of {waited}", net.events().len());
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_gives_what_is_to_be_told_a_moment() {
    let (house, net) = (house(), Net::well());
    let running = start(&house, &net, &[hook()]);
    tokio::time::sleep(Duration::from_millis(1)).await;
    while house.vpn().is_none() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(running.stop().await < seconds(2));
    assert_eq!(net.events(), ["changed"]);
}

#[tokio::test(start_paused = true)]
async fn other_settings_take_the_place_of_the_old_ones() {
    let (house, net, other) = (house(), Net::well(), Net::well());
    let running = start(&house, &net, &[hook()]);
    tokio::time::sleep(seconds(60)).await;
    let settings = vec![hook(), to(Target::Webhook(webhook("http://second.example/")))];
    running.renewals.send(renewal(&house, &other, &settings)).await.unwrap();
    house.move_instance();
    tokio::time::sleep(seconds(60)).await;
    assert_eq!((net.events().len(), other.events().len()), (1, 2));
    running.renewals.send(renewal(&house, &other, &[])).await.unwrap();
    house.world.move_instance([203, 0, 113, 77].into());
    tokio::time::sleep(seconds(60)).await;
    assert_eq!(other.events().len(), 2);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_service_that_worries_hears_of_each_audit_and_of_trouble() {
    let (house, net) = (house(), Net::well());
    let kuma =
        Webhook { preset: Some(Preset::UptimeKuma), ..webhook("https://kuma.example/api/push/sentinel") };
    let running = start(&house, &net, &[to(Target::Webhook(kuma))]);
    tokio::time::sleep(seconds(3600)).await;
    let up = net.got.lock().unwrap().len();
    assert!((11..=15).contains(&up), "{up} in an hour of audits each five minutes");
    house.world.inject(Fault::ImdsSilent.always());
    tokio::time::sleep(seconds(3600)).await;
    running.stop().await;
    let got = net.got.lock().unwrap();
    let down: Vec<String> = got[up..].iter().map(|(_, request)| request.uri().to_string()).collect();
    assert!(down.iter().filter(|url| url.contains("status=down")).count() == 1, "{down:?}");
    assert!(down.last().unwrap().contains("status=down"), "{down:?}");
}

/// One event of a single run to `settings`.
async fn told(house: &House, net: &Arc<Net>, env: Env, settings: Settings) {
    let round = house.once().await;
    let beginning = Renewal { outside: outside(house, net, env), ..renewal(house, net, &[settings]) };
    notify::once(beginning, &round.entries).await;
}

#[tokio::test(start_paused = true)]
async fn a_single_run_waits_some_seconds_and_no_longer() {
    let (house, net) = (house(), Net::new(Answer::Refuse));
    let started = Instant::now();
    told(&house, &net, Env::default(), hook()).await;
    assert!(started.elapsed() <= seconds(11), "{:?}", started.elapsed());
    assert!(net.events().len() >= 2);

    let house = self::house();
    house.world.with_instance(Instance::release_address);
    for _ in 0..3 {
        told(&house, &net, Env::default(), hook()).await;
    }
    let failed = net.events().iter().filter(|event| *event == "failed").count();
    let attempts_of_one = net.events().iter().filter(|event| *event == "changed").count();
    assert_eq!(failed, attempts_of_one, "the same trouble is told once");
}

#[tokio::test(start_paused = true)]
async fn a_webhook_with_a_key_is_signed_in_a_way_that_verifies() {
    let (house, net) = (house(), Net::well());
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "some-secret\n").unwrap();
    let key = notify::Key { id: "some-key".to_owned(), secret_file: secret.path().to_owned() };
    let signed = Webhook { key: Some(key), ..webhook(HOOK) };
    told(&house, &net, Env::default(), to(Target::Webhook(signed))).await;
    let got = net.got.lock().unwrap();
    let keys = |id: &str| (id == "some-key").then(|| Credentials::new("some-key", "some-secret"));
    let now = SteadyClock::starting_at(START.parse().unwrap()).now();
    let verified = sdk_hmac::verify(&got[0].1, &keys, now, seconds(900)).unwrap();
    assert!(verified.payload_signed);
}

#[tokio::test(start_paused = true)]
async fn lambda_and_sns_are_called_with_the_roles_credentials_where_their_arns_are() {
    let (house, net) = (house(), Net::well());
    let function = "arn:aws:lambda:eu-central-1:123456789012:function:told".parse().unwrap();
    let topic = "arn:aws:sns:eu-north-1:123456789012:told".parse().unwrap();
    told(&house, &net, Env::default(), to(Target::Lambda(function))).await;
    house.move_instance();
    let template = Some(UserTemplate::new("{{ message }}"));
    told(&house, &net, Env::default(), Settings { template, ..to(Target::Sns(topic)) }).await;
    house.move_instance();
    let got = net.got.lock().unwrap();
    let urls: Vec<String> = got.iter().map(|(_, request)| request.uri().to_string()).collect();
    assert_eq!(
        urls,
        [
            "https://lambda.eu-central-1.amazonaws.com/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-central-1%3A123456789012%3Afunction%3Atold/invocations",
            "https://sns.eu-north-1.amazonaws.com/"
        ]
    );
    assert_eq!(got[0].1.headers()["x-amz-invocation-type"], "Event");
    assert!(
        std::str::from_utf8(got[1].1.body())
            .unwrap()
            .contains("&Message=changed%20vpn.example.com%20CNAME%20")
    );
    let role = house.world.role_credentials().unwrap();
    for ((_, request), (region, service)) in
        got.iter().zip([("eu-central-1", "lambda"), ("eu-north-1", "sns")])
    {
        let keys = |id: &str| (id == role.key_id).then(|| role.clone());
        let verified = sigv4::verify(request, &keys, house.machine.now(), seconds(300)).unwrap();
        assert_eq!(verified.scope, sigv4::Scope::new(region, service));
    }
}

#[tokio::test(start_paused = true)]
async fn a_program_gets_the_event_on_standard_input() {
    // Programs run in real time.
    tokio::time::resume();
    let (house, net) = (house(), Net::well());
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("event");
    let line = format!("sh -c 'cat > {0} && env >> {0}'", file.display());
    let program = pin53::program::Program::parse(&line).unwrap();
    let env =
        Env::from_iter([("PATH", "/usr/bin:/bin"), ("PIN53_NAME", "a"), ("NOTIFY_SOCKET", "/sentinel")]);
    told(&house, &net, env, to(Target::Command(program))).await;
    let text = std::fs::read_to_string(file).unwrap();
    let (event, env) = text.split_once('\n').unwrap();
    let event: serde_json::Value = serde_json::from_str(event).unwrap();
    assert_eq!(
        (event["event"].as_str(), event["after"]["values"][0].as_str()),
        (Some("changed"), Some(HOST))
    );
    assert!(!env.contains("PIN53_") && !env.contains("sentinel"), "{env}");
}

#[tokio::test(start_paused = true)]
async fn what_was_told_outlives_the_process_in_its_state() {
    let directory = tempfile::tempdir().unwrap();
    let net = Net::well();
    for _ in 0..2 {
        let house = House { state: Arc::new(State::load(directory.path()).0), ..house() };
        house.world.inject(Fault::AccessDenied.always());
        told(&house, &net, Env::default(), hook()).await;
    }
    assert_eq!(net.events(), ["failed"]);
    let kept = std::fs::read_to_string(directory.path().join("state.json")).unwrap();
    assert!(kept.contains("webhook https://hooks.example") && !kept.contains("sentinel"), "{kept}");
}
