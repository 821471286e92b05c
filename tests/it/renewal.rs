//! Credentials over time: renewed ahead, by one for all, used on while nobody can renew them. And the region, which
//! says where they are used.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::join_all;
use http::Method;
use pin53::aws::Signing;
use pin53::aws::credentials::Chain;
use pin53::aws::shared::Shared;
use pin53::aws::sts::Role;
use pin53::clock::ServerClock;
use pin53::dns::RecordType;
use pin53::env::Env;
use pin53::imds::{self, Imds};
use pin53::reconcile::{Due, Reading, Wait};
use pin53::report::{Class, Outcome};
use pin53::sandbox::{Fault, InProcess, Operation};

use tracing::Level;

use crate::house::{House, Log, house, lines, of_type, only, outcomes, seconds};

const ROLE: &str = "arn:aws:iam::123456789012:role/dns";
const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

fn with_role() -> House {
    let role = Role { arn: ROLE.to_owned(), external_id: Some("x-1".to_owned()), ..Role::default() };
    let house = House { assume_role: Some(role), ..house() };
    house.world.guard_role(ROLE, "x-1");
    house
}

fn chain(house: &House) -> Chain {
    let transport = Arc::new(InProcess::new(Arc::clone(&house.world)));
    let clock = Arc::new(ServerClock::default());
    let settings = imds::Settings::from_env(&house.env).unwrap();
    let imds = Arc::new(Imds::new(settings, Arc::<InProcess>::clone(&transport), Arc::clone(&clock)));
    let shared = Arc::new(Shared::load(&house.env, None).unwrap());
    house.chain(&shared, &imds, &clock, transport)
}

async fn key(chain: &Chain) -> String {
    chain.get().await.unwrap().key_id
}

/// How often something was asked for, by the name that the sandbox logs it under.
fn asked(house: &House, operation: &str) -> usize {
    house.world.requests().iter().filter(|request| request.operation == operation).count()
}

async fn pass(time: u64) {
    tokio::time::sleep(seconds(time)).await;
}

#[tokio::test(start_paused = true)]
async fn a_record_is_kept_with_a_role_that_is_assumed() {
    let house = with_role();
    let round = house.once().await;
    assert_eq!(outcomes(&round), [Outcome::Changed], "{}", lines(&round));
    assert_eq!(asked(&house, "AssumeRole"), 1);
    house.world.guard_role(ROLE, "another");
    let refused = house.once().await;
    assert!(
        lines(&refused)
            .contains("[aws] assume_role: role arn:aws:iam::123456789012:role/dns could not be assumed")
    );
}

#[tokio::test(start_paused = true)]
async fn a_session_is_renewed_some_minutes_ahead_and_not_before() {
    let house = with_role();
    let chain = chain(&house);
    let first = key(&chain).await;
    pass(55 * MINUTE).await;
    assert_eq!((key(&chain).await, asked(&house, "AssumeRole")), (first.clone(), 1));
    pass(2 * MINUTE).await;
    assert_ne!(key(&chain).await, first);
    assert_eq!(asked(&house, "AssumeRole"), 2);
}

#[tokio::test(start_paused = true)]
async fn one_asks_for_all_who_wait_and_fails_for_all_of_them() {
    let house = with_role();
    house.world.set_latency("aws=40ms".parse().unwrap());
    let chain = chain(&house);
    let keys: BTreeSet<String> = join_all((0..50).map(|_| key(&chain))).await.into_iter().collect();
    assert_eq!((keys.len(), asked(&house, "AssumeRole")), (1, 1));
    pass(57 * MINUTE).await;
    join_all((0..50).map(|_| key(&chain))).await;
    assert_eq!(asked(&house, "AssumeRole"), 2);

    house.world.guard_role(ROLE, "another");
    pass(2 * HOUR).await;
    let all = join_all((0..50).map(|_| chain.get())).await;
    assert!(all.iter().all(Result::is_err));
    assert_eq!(asked(&house, "AssumeRole"), 3);
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_renewed_is_used_until_it_ends_and_asked_for_twice_a_minute() {
    let house = with_role();
    let chain = chain(&house);
    let first = key(&chain).await;
    house.world.guard_role(ROLE, "another");
    pass(57 * MINUTE).await;
    for _ in 0..60 {
        assert_eq!(key(&chain).await, first);
        pass(1).await;
    }
    assert!((2..=4).contains(&asked(&house, "AssumeRole")), "{}", asked(&house, "AssumeRole"));
    pass(3 * MINUTE).await;
    let told = chain.get().await.unwrap_err().to_string();
    assert!(told.starts_with("[aws] assume_role"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_refused_is_replaced_and_the_call_made_again() {
    let house = with_role();
    house.world.inject(Fault::ExpiredToken.at(Operation::ListResourceRecordSets).times(1));
    assert_eq!(outcomes(&house.once().await), [Outcome::Changed]);
    assert_eq!(asked(&house, "AssumeRole"), 2);
}

#[tokio::test(start_paused = true)]
async fn ended_credentials_of_a_metadata_service_that_can_not_renew_them_are_used_on() {
    let house = house();
    let chain = chain(&house);
    let item = "meta-data/iam/security-credentials/pin53";
    let first = key(&chain).await;
    house.world.inject(Fault::StaleCredentials);
    pass(7 * HOUR).await;
    house.world.forget_requests();
    for _ in 0..(10 * MINUTE) {
        assert_eq!(key(&chain).await, first);
        pass(1).await;
    }
    assert!((1..=3).contains(&asked(&house, item)), "{} within ten minutes", asked(&house, item));
    // It may be silent as well.
    house.world.inject(Fault::ImdsSilent.lasting(seconds(20 * MINUTE)));
    pass(15 * MINUTE).await;
    assert_eq!(key(&chain).await, first);
    // And when it has recovered, it gives new ones.
    house.world.clear_faults();
    pass(12 * MINUTE).await;
    assert_ne!(key(&chain).await, first);
}

#[tokio::test(start_paused = true)]
async fn a_record_is_kept_with_credentials_that_a_metadata_service_can_not_renew() {
    let house = house();
    house.once().await;
    house.world.inject(Fault::StaleCredentials);
    pass(7 * HOUR).await;
    house.move_instance();
    assert_eq!(outcomes(&house.once().await), [Outcome::Changed]);
}

#[tokio::test(start_paused = true)]
async fn credentials_that_a_metadata_service_can_not_renew_are_told_of_once_and_so_is_their_renewal() {
    let log = Log::default();
    let _logging = tracing::subscriber::set_default(log.subscriber(Level::INFO));
    let house = house();
    let reconciler = house.reconciler(&[of_type(RecordType::A, "vpn.example.com")]);
    reconciler.once(Wait::Off).await;
    house.world.inject(Fault::StaleCredentials);
    pass(7 * HOUR).await;
    assert_eq!(log.of(Level::WARN), [""; 0]);
    for _ in 0..10 {
        reconciler.once(Wait::Off).await;
        pass(12 * MINUTE).await;
    }
    let told = log.of(Level::WARN);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].contains("gives credentials that have ended or are about to"), "{told:?}");
    house.world.clear_faults();
    for _ in 0..10 {
        reconciler.once(Wait::Off).await;
        pass(12 * MINUTE).await;
    }
    let renewed = log.of(Level::INFO);
    assert_eq!(
        renewed.iter().filter(|line| line.contains("gives new credentials again")).count(),
        1,
        "{renewed:#?}"
    );
    assert_eq!(log.of(Level::WARN).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_web_identity_token_is_read_again_at_each_renewal() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let write = |token: &str| std::fs::write(file.path(), token).unwrap();
    write("first.jwt");
    let env = Env::from_iter([
        ("AWS_ROLE_ARN", ROLE),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", file.path().to_str().unwrap()),
        ("AWS_REGION", "eu-west-1"),
    ]);
    let house = House { env, ..house() };
    house.world.trust_token("first.jwt", None);
    let chain = chain(&house);
    let first = key(&chain).await;
    write("second.jwt");
    house.world.trust_token("second.jwt", None);
    pass(57 * MINUTE).await;
    assert_ne!(key(&chain).await, first);
    let sent: Vec<bool> = house
        .world
        .requests()
        .iter()
        .filter(|request| request.method == Method::POST)
        .map(|request| request.body.ends_with("WebIdentityToken=second.jwt"))
        .collect();
    assert_eq!(sent, [false, true]);
}

// Where.

#[tokio::test(start_paused = true)]
async fn an_instance_of_another_partition_needs_no_variable() {
    for (region, signing_region) in [("us-gov-west-1", "us-gov-west-1"), ("cn-north-1", "cn-northwest-1")] {
        let house = House { signing: Signing::SigV4, ..house() };
        house.world.with_instance(|instance| {
            region.clone_into(&mut instance.placement.region);
            instance.move_to([198, 51, 100, 7].into());
        });
        // The sandbox takes signatures for the region of the host that is asked alone.
        let named = house.once().await;
        assert_eq!(outcomes(&named), [Outcome::Changed], "{signing_region}: {}", lines(&named));
        assert_eq!(asked(&house, "meta-data/placement/region"), 0, "the host name has told it");

        let a = [of_type(RecordType::A, "a.example.com")];
        let house = House { state: Arc::default(), ..house };
        assert_eq!(outcomes(&house.once_with(&a).await), [Outcome::Changed]);
        assert_eq!(asked(&house, "meta-data/placement/region"), 1);
        house.once_with(&a).await;
        assert_eq!(asked(&house, "meta-data/placement/region"), 1, "it is remembered");
    }
}

#[tokio::test(start_paused = true)]
async fn where_the_region_can_not_be_read_nothing_is_sent_with_the_roles_credentials() {
    let house = house();
    let reconciler = house.reconciler(&[of_type(RecordType::A, "a.example.com")]);
    let looks = reconciler.look().await;
    reconciler.client().prepare().await;
    house.world.inject(Fault::ImdsError.always());
    let due: Vec<Due> = looks.into_iter().map(|look| Due { rule: 0, look }).collect();
    let round = reconciler.round(&due, Reading::Fresh).await;
    assert_eq!(only(&round).class, Class::TryAgain);
    assert!(lines(&round).contains("the instance's region could not be read"), "{}", lines(&round));
    assert_eq!(house.requests().1, 0);
}

#[tokio::test(start_paused = true)]
async fn an_instance_without_ipv4_reaches_everything_over_dual_stack() {
    for env in [Env::default(), Env::from_iter([("AWS_REGION", "eu-west-1")])] {
        let house = House { without_ipv4: true, env, ..with_role() };
        let six = [of_type(RecordType::Aaaa, "six.example.com")];
        let round = house.once_with(&six).await;
        assert_eq!(outcomes(&round), [Outcome::Changed], "{}", lines(&round));
        assert_eq!(asked(&house, "AssumeRole"), 1);
    }
    // Who says no, has it so.
    let env = Env::from_iter([("AWS_USE_DUALSTACK_ENDPOINT", "false")]);
    let house = House { without_ipv4: true, env, patience: seconds(1), ..house() };
    assert_eq!(only(&house.once().await).class, Class::TryAgain);
    assert_eq!(house.requests().1, 0);
}
