//! A single round, as it should go and as it can go wrong. In each case: the right words, how grave
//! it is, and that no record is harmed.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use jiff::SignedDuration;
use pin53::aws::Signing;
use pin53::clock::SteadyClock;
use pin53::desired::ZoneChoice;
use pin53::dns::{Policy, RecordSet, RecordType, Routing, Target, ZoneId};
use pin53::env::Env;
use pin53::reconcile::{Due, Ended, Mode, Reading, Wait, unless_stopped};
use pin53::report::{Class, Outcome};
use pin53::sandbox::{Fault, InProcess, Latency, Operation};
use pin53::secret::ExposeSecret;
use pin53::state::State;
use pin53::transport::{BoxFuture, Error, Transport};

use crate::house::{HOST, House, MOVED, cname, house, lines, name, of_type, only, outcomes, seconds, simple};

#[tokio::test(start_paused = true)]
async fn a_name_that_is_absent_is_created_then_left_alone_then_follows_the_instance() {
    let house = house();
    assert_eq!(
        lines(&house.once().await),
        format!("changed vpn.example.com CNAME (none) -> {HOST} (ttl 60)")
    );
    assert_eq!(house.vpn().as_deref(), Some(HOST));

    let second = house.once().await;
    assert_eq!(lines(&second), format!("unchanged vpn.example.com CNAME {HOST} (ttl 60)"));
    assert_eq!(second.class(), Class::Fine);
    assert!(second.change_ids().is_empty());
    assert_eq!(house.changes(), 1, "what is as wanted is not sent again");

    house.move_instance();
    let third = house.once().await;
    assert_eq!(lines(&third), format!("changed vpn.example.com CNAME {HOST} -> {MOVED} (ttl 60)"));
    assert_eq!(third.change_ids().len(), 1);
    assert_eq!(house.vpn().as_deref(), Some(MOVED));
}

#[tokio::test(start_paused = true)]
async fn a_change_of_value_is_an_exact_delete_and_a_create_in_one_batch() {
    let house = house();
    house.put(simple("vpn.example.com", RecordType::Cname, 300, &["Old.Example.NET."]));
    assert_eq!(
        lines(&house.once().await),
        format!("changed vpn.example.com CNAME Old.Example.NET -> {HOST} (ttl 60)")
    );
    let requests = house.world.requests();
    let sent = &requests.iter().find(|request| request.method == Method::POST).unwrap().body;
    let delete = sent.find("<Action>DELETE</Action>").unwrap();
    let create = sent.find("<Action>CREATE</Action>").unwrap();
    assert!(delete < create);
    assert!(
        sent[delete..create].contains("<TTL>300</TTL>") && sent[delete..create].contains("Old.Example.NET.")
    );
    assert_eq!(house.changes(), 1);
}

#[tokio::test(start_paused = true)]
async fn another_ttl_is_put_right() {
    let house = house();
    house.put(simple("vpn.example.com", RecordType::Cname, 300, &[HOST]));
    assert_eq!(outcomes(&house.once().await), [Outcome::Changed]);
    assert_eq!(
        house
            .world
            .record(&name("vpn.example.com"), RecordType::Cname)
            .unwrap()
            .as_simple()
            .unwrap()
            .0
            .seconds(),
        60
    );
}

#[tokio::test(start_paused = true)]
async fn each_source_has_its_type() {
    let house = house();
    let rules = [of_type(RecordType::A, "a.example.com"), of_type(RecordType::Aaaa, "six.example.com")];
    assert_eq!(outcomes(&house.once_with(&rules).await), [Outcome::Changed, Outcome::Changed]);
    assert_eq!(house.value("a.example.com", RecordType::A).as_deref(), Some("198.51.100.7"));
    assert_eq!(house.value("six.example.com", RecordType::Aaaa).as_deref(), Some("2001:db8::53"));
}

#[tokio::test(start_paused = true)]
async fn a_private_address_goes_into_a_public_zone_only_when_that_is_said() {
    let house = house();
    let inside = pin53::desired::Rule {
        sources: vec!["imds:local-ipv4".parse().unwrap()],
        ..of_type(RecordType::A, "inside.example.com")
    };
    let refused = house.once_with(std::slice::from_ref(&inside)).await;
    assert_eq!((outcomes(&refused), refused.class()), (vec![Outcome::Refused], Class::Refused));
    assert_eq!(house.value("inside.example.com", RecordType::A), None);
    let allowed = house.once_with(&[pin53::desired::Rule { allow_private: true, ..inside }]).await;
    assert_eq!(outcomes(&allowed), [Outcome::Changed]);
}

#[tokio::test(start_paused = true)]
async fn a_wildcard_is_the_same_name_in_every_spelling() {
    let house = house();
    assert_eq!(outcomes(&house.once_with(&[cname("*.Example.com.")]).await), [Outcome::Changed]);
    assert_eq!(outcomes(&house.once_with(&[cname("\\052.example.com")]).await), [Outcome::Unchanged]);
}

// What a run costs.

#[tokio::test(start_paused = true)]
async fn a_first_run_takes_four_requests_to_the_metadata_and_three_to_route_53() {
    let house = house();
    let round = house.once().await;
    assert_eq!(house.requests(), (4, 3));
    assert_eq!(round.requests, 7);
}

#[tokio::test(start_paused = true)]
async fn with_zone_and_role_remembered_a_change_takes_three_and_two() {
    let house = house();
    house.once().await;
    house.move_instance();
    house.world.forget_requests();
    assert_eq!(outcomes(&house.once().await), [Outcome::Changed]);
    assert_eq!(house.requests(), (3, 2));
}

#[tokio::test(start_paused = true)]
async fn the_memory_survives_in_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let kept = || Arc::new(State::load(directory.path()).0);
    let house = House { state: kept(), ..house() };
    house.once().await;
    house.world.forget_requests();
    let again = House { state: kept(), ..house };
    assert_eq!(outcomes(&again.once().await), [Outcome::Unchanged]);
    assert_eq!(again.requests(), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn a_remembered_zone_that_is_gone_is_looked_up_again() {
    let house = house();
    house.once().await;
    let old = house.world.zone_of(&name("vpn.example.com")).unwrap();
    house.world.remove_zone(&old);
    house.world.add_zone("example.com").unwrap();
    assert_eq!(outcomes(&house.once().await), [Outcome::Changed]);
    assert_eq!(house.vpn().as_deref(), Some(HOST));
}

// Dry runs.

#[tokio::test(start_paused = true)]
async fn a_plan_says_what_would_change_and_changes_nothing() {
    let house = House { mode: Mode::Say, ..house() };
    assert_eq!(
        lines(&house.once().await),
        format!("would change vpn.example.com CNAME (none) -> {HOST} (ttl 60)")
    );
    assert_eq!((house.changes(), house.vpn()), (0, None));
}

// Zones.

#[tokio::test(start_paused = true)]
async fn the_longest_zone_is_found_among_hundreds_in_at_most_two_requests() {
    let house = house();
    for n in 0..250 {
        house.world.add_zone(&format!("zone-{n:03}.example.com")).unwrap();
        house.world.add_zone(&format!("badexample-{n}.com")).unwrap();
    }
    let long = house.world.add_zone("zz.deep.example.com").unwrap();
    house.world.add_private_zone("vpn.zz.deep.example.com").unwrap();
    assert_eq!(outcomes(&house.once_with(&[cname("vpn.zz.deep.example.com")]).await), [Outcome::Changed]);
    assert_eq!(
        house.world.records(&long).len(),
        3,
        "the record stands beside NS and SOA of the longest zone"
    );
    let lookups = house.world.calls(Operation::ListHostedZonesByName);
    assert!(lookups <= 3, "{lookups} look-ups");
}

#[tokio::test(start_paused = true)]
async fn names_of_one_zone_share_its_lookup_and_its_batch() {
    let house = house();
    let rules = ["a.example.com", "b.example.com", "c.d.example.com"].map(cname);
    assert_eq!(outcomes(&house.once_with(&rules).await), [Outcome::Changed; 3]);
    assert_eq!(house.world.calls(Operation::ListHostedZonesByName), 1);
    assert_eq!(house.changes(), 1);
}

#[tokio::test(start_paused = true)]
async fn without_a_zone_the_name_fails_as_a_wrong_configuration() {
    let house = house();
    let round = house.once_with(&[cname("vpn.example.org"), cname("vpn.example.com")]).await;
    assert_eq!(outcomes(&round), [Outcome::Failed, Outcome::Changed], "one that fails stops no other");
    assert_eq!(round.class(), Class::Misconfigured);
    assert_eq!(
        lines(&round).lines().next().unwrap(),
        "failed vpn.example.org: no hosted zone for vpn.example.org"
    );
}

#[tokio::test(start_paused = true)]
async fn several_zones_of_one_name_are_listed_and_one_can_be_chosen() {
    let house = house();
    let second = house.world.add_zone("example.com").unwrap();
    let round = house.once().await;
    assert_eq!((outcomes(&round), round.class()), (vec![Outcome::Failed], Class::Misconfigured));
    assert!(lines(&round).contains(second.as_str()), "{}", lines(&round));
    let chosen = pin53::desired::Rule { zone: ZoneChoice::Id(second.clone()), ..cname("vpn.example.com") };
    assert_eq!(outcomes(&house.once_with(&[chosen]).await), [Outcome::Changed]);
    assert_eq!(house.world.records(&second).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_private_zone_is_taken_only_when_asked_for() {
    let house = house();
    let private = house.world.add_private_zone("example.com").unwrap();
    assert_eq!(outcomes(&house.once().await), [Outcome::Changed]);
    assert_eq!(house.world.records(&private).len(), 2);
    let inside = pin53::desired::Rule { private: true, ..cname("vpn.example.com") };
    assert_eq!(outcomes(&house.once_with(&[inside]).await), [Outcome::Changed]);
    assert_eq!(house.world.records(&private).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_knows_only_the_older_list_of_zones_will_do() {
    let house = house();
    for n in 0..120 {
        house.world.add_zone(&format!("zone-{n}.example.net")).unwrap();
    }
    house.deny(Operation::ListHostedZonesByName);
    assert_eq!(outcomes(&house.once().await), [Outcome::Changed]);
    assert_eq!(house.world.calls(Operation::ListHostedZones), 2);
}

// What stands in the way.

#[tokio::test(start_paused = true)]
async fn what_stands_in_the_way_is_refused_and_stays() {
    let alias = Target::Alias {
        zone_id: ZoneId::parse("Z2").unwrap(),
        name: name("lb.example.net"),
        evaluate_health: false,
    };
    let routing = Some(Routing { set_identifier: "blue".into(), policy: Policy::Weighted(1) });
    let there = [
        simple("vpn.example.com", RecordType::A, 60, &["198.51.100.1"]),
        simple("vpn.example.com", RecordType::Mx, 60, &["10 mx.example.net."]),
        RecordSet { target: alias, ..simple("vpn.example.com", RecordType::A, 60, &[]) },
        RecordSet { routing, ..simple("vpn.example.com", RecordType::Cname, 60, &["other.example.net."]) },
    ];
    for set in there {
        let house = house();
        house.put(set.clone());
        let round = house.once().await;
        assert_eq!((outcomes(&round), round.class()), (vec![Outcome::Refused], Class::Refused), "{round:?}");
        assert_eq!(house.changes(), 0);
        let zone = house.world.zone_of(&name("example.com")).unwrap();
        assert!(house.world.records(&zone).contains(&set));
    }
}

#[tokio::test(start_paused = true)]
async fn a_cname_at_the_apex_is_refused_and_so_is_an_address_beside_a_cname() {
    let house = house();
    house.put(simple("www.example.com", RecordType::Cname, 60, &["a.example.net."]));
    let round = house.once_with(&[cname("example.com"), of_type(RecordType::A, "www.example.com")]).await;
    assert_eq!((outcomes(&round), round.class()), (vec![Outcome::Refused; 2], Class::Refused), "{round:?}");
    assert_eq!(house.value("www.example.com", RecordType::Cname).as_deref(), Some("a.example.net."));
}

#[tokio::test(start_paused = true)]
async fn what_route_53_refuses_is_refused_and_stops_no_other_name_of_the_batch() {
    let house = house();
    // One name wanted as two types: each is fine by what is there, and Route 53 takes only one.
    let rules = [
        cname("a.example.com"),
        cname("both.example.com"),
        of_type(RecordType::A, "both.example.com"),
        cname("b.example.com"),
    ];
    let round = house.once_with(&rules).await;
    let refused = outcomes(&round).iter().filter(|outcome| **outcome == Outcome::Refused).count();
    assert_eq!(refused, 1, "{round:?}");
    assert_eq!(round.class(), Class::Refused);
    assert!(house.value("a.example.com", RecordType::Cname).is_some());
    assert!(house.value("b.example.com", RecordType::Cname).is_some());
}

// Time.

#[tokio::test(start_paused = true)]
async fn a_machine_clock_that_is_a_year_off_does_not_matter() {
    for wrong in ["2025-11-21T10:00:00Z", "2027-11-21T10:00:00Z", "1970-01-01T00:00:00Z"] {
        let machine = Arc::new(SteadyClock::starting_at(wrong.parse().unwrap()));
        let house = House { machine, ..house() };
        assert_eq!(outcomes(&house.once().await), [Outcome::Changed], "{wrong}");
        assert_eq!(house.requests(), (4, 3), "time costs no request");
    }
}

#[tokio::test(start_paused = true)]
async fn where_the_metadata_tells_no_time_route_53_is_asked_for_it() {
    let house = house();
    house.world.inject(Fault::NoDate);
    assert_eq!(outcomes(&house.once().await), [Outcome::Changed]);
    assert_eq!(house.requests(), (4, 4));
}

#[tokio::test(start_paused = true)]
async fn with_keys_from_the_environment_only_the_address_is_asked_of_the_metadata() {
    let house = house();
    let keys = house.world.long_lived_credentials();
    let env = Env::from_iter([
        ("AWS_ACCESS_KEY_ID", keys.key_id.as_str()),
        ("AWS_SECRET_ACCESS_KEY", keys.secret.expose_secret()),
    ]);
    let house = House { env, ..house };
    assert_eq!(outcomes(&house.once().await), [Outcome::Changed]);
    assert_eq!(house.requests(), (2, 3));
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_went_wrong_is_put_right_and_the_request_signed_again_once() {
    for off in [SignedDuration::from_hours(24 * 365), SignedDuration::from_hours(-24 * 365)] {
        for signing in [Signing::Auto, Signing::SigV4] {
            let house = House { signing, ..house() };
            // The role's credentials end in hours: only long-lived ones outlast a leap of a year.
            let keys = house.world.long_lived_credentials();
            let env = Env::from_iter([
                ("AWS_ACCESS_KEY_ID", keys.key_id.as_str()),
                ("AWS_SECRET_ACCESS_KEY", keys.secret.expose_secret()),
            ]);
            let house = House { env, ..house };
            let reconciler = house.reconciler(&[cname("vpn.example.com")]);
            reconciler.look().await;
            house.world.inject(Fault::Clock(off));
            let look = reconciler.look().await.swap_remove(0);
            house.world.inject(Fault::Clock(SignedDuration::ZERO));
            house.world.forget_requests();
            let due = Due { rule: 0, look };
            let round = reconciler.round(&[due], Reading::Fresh).await;
            assert_eq!(outcomes(&round), [Outcome::Changed], "{off} {signing:?}: {round:?}");
            assert_eq!(house.requests(), (0, 4), "one refused for its date, and three");
        }
    }
}

// Credentials and permissions.

#[tokio::test(start_paused = true)]
async fn expired_credentials_are_replaced_once() {
    let house = house();
    house.world.inject(Fault::ExpiredToken);
    assert_eq!(outcomes(&house.once().await), [Outcome::Changed]);
}

#[tokio::test(start_paused = true)]
async fn a_metadata_token_that_is_refused_is_renewed() {
    let house = house();
    let reconciler = house.reconciler(&[cname("vpn.example.com")]);
    reconciler.look().await;
    house.world.inject(Fault::ImdsToken.times(1));
    house.world.forget_requests();
    assert!(reconciler.look().await[0].is_known());
    assert_eq!(house.requests().0, 3, "the refusal, a new token, and the item");
}

#[tokio::test(start_paused = true)]
async fn without_a_role_or_keys_every_attempt_is_named() {
    let house = house();
    house.world.with_instance(|instance| instance.role = None);
    let round = house.once().await;
    assert_eq!((outcomes(&round), round.class()), (vec![Outcome::Failed], Class::NotPermitted));
    insta::assert_snapshot!(lines(&round), @"failed vpn.example.com: no credentials: the environment: AWS_ACCESS_KEY_ID is not set; web identity: AWS_WEB_IDENTITY_TOKEN_FILE is not set; the profile files: there are none; a container: neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor AWS_CONTAINER_CREDENTIALS_FULL_URI is set; the instance's role: the metadata service says that the instance has none");
}

#[tokio::test(start_paused = true)]
async fn access_denied_is_said_with_what_was_denied() {
    let house = house();
    house.put(simple("vpn.example.com", RecordType::Cname, 60, &["old.example.net."]));
    house.deny(Operation::ChangeResourceRecordSets);
    let round = house.once().await;
    assert_eq!((outcomes(&round), round.class()), (vec![Outcome::Failed], Class::NotPermitted));
    assert!(lines(&round).contains("ChangeResourceRecordSets"), "{}", lines(&round));
    assert_eq!(house.vpn().as_deref(), Some("old.example.net."));
    assert_eq!(house.changes(), 1, "a permission is not asked for again");
}

#[tokio::test(start_paused = true)]
async fn a_wrong_secret_is_not_permitted() {
    let house = house();
    let keys = house.world.long_lived_credentials();
    let env =
        Env::from_iter([("AWS_ACCESS_KEY_ID", keys.key_id.as_str()), ("AWS_SECRET_ACCESS_KEY", "wrong")]);
    let house = House { env, ..house };
    let round = house.once().await;
    assert_eq!((outcomes(&round), round.class()), (vec![Outcome::Failed], Class::NotPermitted), "{round:?}");
    assert!(!lines(&round).contains("wrong"));
    assert!(
        !house.state.refuses_aws3_https("https://route53.amazonaws.com"),
        "a wrong secret says nothing of the scheme"
    );
}

// Schemes.

#[tokio::test(start_paused = true)]
async fn where_aws3_https_is_not_taken_sigv4_is_from_then_on() {
    let house = house();
    house.world.inject(Fault::RejectAws3);
    assert_eq!(outcomes(&house.once().await), [Outcome::Changed]);
    assert_eq!(house.requests(), (4, 4), "one refusal, and then no more");
    house.world.forget_requests();
    house.move_instance();
    assert_eq!(outcomes(&house.once().await), [Outcome::Changed]);
    assert_eq!(house.requests(), (3, 2));
}

#[tokio::test(start_paused = true)]
async fn aws3_https_alone_does_not_fall_back() {
    let house = House { signing: Signing::Aws3Https, ..house() };
    house.world.inject(Fault::RejectAws3);
    let round = house.once().await;
    assert_eq!((outcomes(&round), round.class()), (vec![Outcome::Failed], Class::NotPermitted), "{round:?}");
}

// Addresses.

#[tokio::test(start_paused = true)]
async fn without_an_address_the_record_is_left_after_a_short_wait() {
    let house = house();
    house.put(simple("vpn.example.com", RecordType::Cname, 60, &["old.example.net."]));
    house.world.with_instance(pin53::sandbox::Instance::release_address);
    let round = house.once().await;
    assert_eq!((outcomes(&round), round.class()), (vec![Outcome::Left], Class::TryAgain));
    insta::assert_snapshot!(lines(&round), @"left vpn.example.com: the metadata service has no public-hostname for this instance");
    assert_eq!(house.vpn().as_deref(), Some("old.example.net."));
    assert_eq!(house.requests().1, 0);
}

#[tokio::test(start_paused = true)]
async fn an_address_that_comes_a_moment_later_is_taken() {
    let house = house();
    house.world.inject(Fault::NoAddress.times(1));
    assert_eq!(outcomes(&house.once().await), [Outcome::Changed]);
}

#[tokio::test(start_paused = true)]
async fn a_silent_or_broken_metadata_service_is_unknown_and_leaves_the_record() {
    for fault in [Fault::ImdsSilent, Fault::ImdsError, Fault::ImdsToken] {
        let house = house();
        house.put(simple("vpn.example.com", RecordType::Cname, 60, &["old.example.net."]));
        house.world.inject(fault.always());
        let started = tokio::time::Instant::now();
        let round = house.once().await;
        assert_eq!((outcomes(&round), round.class()), (vec![Outcome::Left], Class::TryAgain), "{fault:?}");
        assert_eq!(house.vpn().as_deref(), Some("old.example.net."));
        assert!(started.elapsed() < seconds(30));
        let said = lines(&round);
        assert!(said.contains("no answer from") || said.contains("status"), "it says what happened: {said}");
    }
}

// Route 53 in trouble.

#[tokio::test(start_paused = true)]
async fn throttling_and_unfinished_changes_are_waited_out() {
    for fault in [Fault::Throttle, Fault::PriorRequest, Fault::ServerError] {
        let house = house();
        house.world.inject(fault.times(5));
        assert_eq!(outcomes(&house.once().await), [Outcome::Changed], "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn throttling_without_end_is_given_up_within_half_a_minute_a_step() {
    let house = house();
    house.world.inject(Fault::Throttle.always());
    let started = tokio::time::Instant::now();
    let round = house.once().await;
    assert_eq!((outcomes(&round), round.class()), (vec![Outcome::Failed], Class::TryAgain));
    assert!(started.elapsed() <= seconds(31), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn answers_that_cannot_be_read_are_network_trouble_and_decide_nothing() {
    for fault in [Fault::Html, Fault::Empty, Fault::CutBody, Fault::Endless] {
        let house = house();
        house.put(simple("vpn.example.com", RecordType::Cname, 60, &["old.example.net."]));
        house.world.inject(fault.at(Operation::ListResourceRecordSets).always());
        let round = house.once().await;
        assert_eq!(
            (outcomes(&round), round.class()),
            (vec![Outcome::Failed], Class::TryAgain),
            "{fault:?}: {round:?}"
        );
        assert_eq!(house.vpn().as_deref(), Some("old.example.net."));
        assert_eq!(house.changes(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_whose_answer_is_lost_is_looked_up_and_settled() {
    for fault in [Fault::LostAnswer.into(), Fault::CutBody.at(Operation::ChangeResourceRecordSets)] {
        let house = house();
        house.put(simple("vpn.example.com", RecordType::Cname, 60, &["old.example.net."]));
        house.world.inject(fault);
        let round = house.once().await;
        assert_eq!(
            (outcomes(&round), round.class()),
            (vec![Outcome::Changed], Class::Fine),
            "{fault:?}: {round:?}"
        );
        assert_eq!(house.changes(), 1, "a change is never sent twice on suspicion");
        assert_eq!(house.vpn().as_deref(), Some(HOST));
    }
}

/// Loses changes on their way there.
struct Lossy(InProcess);

impl Transport for Lossy {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, Error>> {
        if request.method() == Method::POST {
            let host = "route53.amazonaws.com".to_owned();
            return Box::pin(async { Err(Error::Cut { host, source: None }) });
        }
        self.0.send(request)
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_that_was_lost_on_its_way_is_unconfirmed() {
    let house = House { between: |transport| Arc::new(Lossy(transport)), ..house() };
    house.put(simple("vpn.example.com", RecordType::Cname, 60, &["old.example.net."]));
    let round = house.once().await;
    assert_eq!((outcomes(&round), round.class()), (vec![Outcome::Unconfirmed], Class::TryAgain));
    insta::assert_snapshot!(lines(&round), @"unconfirmed vpn.example.com: the answer to the change was lost: the answer from route53.amazonaws.com broke off; the record is not as wanted yet");
    assert_eq!(house.vpn().as_deref(), Some("old.example.net."));
}

#[tokio::test(start_paused = true)]
async fn someone_who_edits_between_read_and_write_is_seen() {
    let house = house();
    house.put(simple("vpn.example.com", RecordType::Cname, 60, &["old.example.net."]));
    house.world.inject(Fault::Edit);
    let round = house.once().await;
    assert_eq!(outcomes(&round), [Outcome::Changed]);
    assert_eq!(house.vpn().as_deref(), Some(HOST));
    let before = only(&round).before.clone().unwrap().values;
    assert_ne!(before, ["old.example.net"], "what was replaced is what the other had written");
    assert_eq!(house.changes(), 2);
}

#[tokio::test(start_paused = true)]
async fn someone_who_is_always_faster_is_left_to_win() {
    let house = house();
    house.put(simple("vpn.example.com", RecordType::Cname, 60, &["old.example.net."]));
    house.world.inject(Fault::Edit.always());
    let round = house.once().await;
    assert_eq!((outcomes(&round), round.class()), (vec![Outcome::Failed], Class::TryAgain));
    assert_ne!(house.vpn().as_deref(), Some(HOST));
}

#[tokio::test(start_paused = true)]
async fn older_error_shapes_mean_the_same() {
    let house = house();
    house.put(simple("vpn.example.com", RecordType::Cname, 60, &["old.example.net."]));
    house.world.inject(Fault::OldErrors);
    house.world.inject(Fault::Edit);
    assert_eq!(outcomes(&house.once().await), [Outcome::Changed]);
}

// Following a change.

#[tokio::test(start_paused = true)]
async fn a_change_is_followed_until_it_is_in_sync() {
    let house = house();
    house.world.inject(Fault::SlowInsync(seconds(40)));
    let started = tokio::time::Instant::now();
    let round = house.reconciler(&[cname("vpn.example.com")]).once(Wait::For(seconds(120))).await;
    assert_eq!(outcomes(&round), [Outcome::Changed]);
    assert!(started.elapsed() >= seconds(40));
    let looks = house.world.calls(Operation::GetChange);
    assert!((2..=7).contains(&looks), "{looks} looks");
}

#[tokio::test(start_paused = true)]
async fn a_change_that_is_not_in_sync_in_time_is_unconfirmed() {
    let house = house();
    house.world.inject(Fault::SlowInsync(seconds(600)));
    let started = tokio::time::Instant::now();
    let round = house.reconciler(&[cname("vpn.example.com")]).once(Wait::For(seconds(30))).await;
    assert_eq!((outcomes(&round), round.class()), (vec![Outcome::Unconfirmed], Class::TryAgain));
    assert_eq!(round.change_ids().len(), 1);
    assert!(started.elapsed() < seconds(32), "{:?}", started.elapsed());
    assert_eq!(house.vpn().as_deref(), Some(HOST));
}

// Stopping.

#[tokio::test(start_paused = true)]
async fn a_stop_while_reading_ends_at_once_and_while_changing_within_two_seconds() {
    for (slow, changing) in [("aws=20s", false), ("aws=0s", true)] {
        let house = house();
        house.world.set_latency(slow.parse::<Latency>().unwrap());
        if changing {
            house.world.inject(Fault::LostAnswer);
        }
        let reconciler = house.reconciler(&[cname("vpn.example.com")]);
        let mut stop = Box::pin(tokio::time::sleep(Duration::from_millis(500)));
        let started = tokio::time::Instant::now();
        let ended = unless_stopped(&mut stop, &reconciler, reconciler.once(Wait::For(seconds(60)))).await;
        assert!(started.elapsed() < Duration::from_millis(2500), "{:?}", started.elapsed());
        if !changing {
            assert_eq!(ended.value(), None);
            let round = reconciler.broken_off();
            assert_eq!((outcomes(&round), round.class()), (vec![Outcome::Left], Class::TryAgain));
            assert_eq!(house.vpn(), None);
        }
    }
}

/// Takes ten seconds to answer a change, which is carried out at once.
struct SlowAnswer(InProcess);

impl Transport for SlowAnswer {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, Error>> {
        let slow = request.method() == Method::POST;
        Box::pin(async move {
            let answer = self.0.send(request).await;
            if slow {
                tokio::time::sleep(seconds(9)).await;
            }
            answer
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_while_a_change_is_on_its_way_says_that_it_could_not_be_confirmed() {
    let house = House { between: |transport| Arc::new(SlowAnswer(transport)), ..house() };
    let reconciler = house.reconciler(&[cname("vpn.example.com")]);
    let mut stop = Box::pin(tokio::time::sleep(seconds(1)));
    let started = tokio::time::Instant::now();
    let ended = unless_stopped(&mut stop, &reconciler, reconciler.once(Wait::Off)).await;
    assert_eq!(ended, Ended::Stopped { changing: true });
    assert!(started.elapsed() < seconds(3), "{:?}", started.elapsed());
    let round = reconciler.broken_off();
    assert_eq!((outcomes(&round), round.class()), (vec![Outcome::Unconfirmed], Class::TryAgain));
}

#[tokio::test(start_paused = true)]
async fn a_stop_while_a_change_is_followed_says_that_it_was_taken() {
    let house = house();
    house.world.inject(Fault::SlowInsync(seconds(600)));
    let reconciler = house.reconciler(&[cname("vpn.example.com")]);
    let mut stop = Box::pin(tokio::time::sleep(seconds(10)));
    let ended = unless_stopped(&mut stop, &reconciler, reconciler.once(Wait::For(seconds(120)))).await;
    assert_eq!(ended.value(), None);
    let round = reconciler.broken_off();
    assert_eq!((outcomes(&round), round.change_ids().len()), (vec![Outcome::Unconfirmed], 1), "{round:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stop_sends_no_further_change() {
    let house = house();
    house.world.set_latency("aws=1s".parse::<Latency>().unwrap());
    let reconciler = house.reconciler(&[cname("vpn.example.com")]);
    // Two answers of a second each come before the change.
    let mut stop = Box::pin(tokio::time::sleep(Duration::from_millis(1500)));
    let ended = unless_stopped(&mut stop, &reconciler, reconciler.once(Wait::Off)).await;
    assert_eq!(ended.value(), None);
    tokio::time::sleep(seconds(60)).await;
    assert_eq!((house.changes(), house.vpn()), (0, None));
}

#[tokio::test(start_paused = true)]
async fn a_change_is_looked_at_once_more_when_patience_ends() {
    let house = house();
    house.world.inject(Fault::SlowInsync(Duration::from_millis(200)));
    let round =
        house.reconciler(&[cname("vpn.example.com")]).once(Wait::For(Duration::from_millis(500))).await;
    assert_eq!(outcomes(&round), [Outcome::Changed]);
    assert_eq!(house.world.calls(Operation::GetChange), 1);
}

#[tokio::test(start_paused = true)]
async fn following_a_change_outlasts_throttling() {
    let house = house();
    house.world.inject(Fault::Throttle.at(Operation::GetChange).times(12));
    let round = house.reconciler(&[cname("vpn.example.com")]).once(Wait::For(seconds(120))).await;
    assert_eq!(outcomes(&round), [Outcome::Changed], "{round:?}");
}

// Answers of others than Route 53, and of a Route 53 that isn't well.

/// Answers whatever reads with a page of somebody on the way.
struct Portal<const STATUS: u16>(InProcess);

impl<const STATUS: u16> Transport for Portal<STATUS> {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, Error>> {
        if request.method() == Method::POST {
            return self.0.send(request);
        }
        let page = Bytes::from_static(b"<html><body>Please log in</body></html>");
        Box::pin(async move { Ok(Response::builder().status(STATUS).body(page).unwrap()) })
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_of_somebody_on_the_way_is_network_trouble_whatever_its_status() {
    let between: [fn(InProcess) -> Arc<dyn Transport>; 4] = [
        |transport| Arc::new(Portal::<400>(transport)),
        |transport| Arc::new(Portal::<403>(transport)),
        |transport| Arc::new(Portal::<404>(transport)),
        |transport| Arc::new(Portal::<408>(transport)),
    ];
    for between in between {
        let house = House { between, ..house() };
        let round = house.once().await;
        assert_eq!((outcomes(&round), round.class()), (vec![Outcome::Failed], Class::TryAgain), "{round:?}");
        assert_eq!(house.changes(), 0);
        assert!(!house.state.refuses_aws3_https("https://route53.amazonaws.com"), "{round:?}");
    }
}

/// Carries a change out and says that it failed.
struct FailsAfterwards(InProcess);

impl Transport for FailsAfterwards {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, Error>> {
        let change = request.method() == Method::POST;
        Box::pin(async move {
            let answer = self.0.send(request).await?;
            if change && answer.status().is_success() {
                return Ok(Response::builder().status(503).body(Bytes::new()).unwrap());
            }
            Ok(answer)
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_that_was_carried_out_and_said_to_have_failed_is_reported_as_a_change() {
    let house = House { between: |transport| Arc::new(FailsAfterwards(transport)), ..house() };
    house.put(simple("vpn.example.com", RecordType::Cname, 60, &["old.example.net."]));
    let round = house.once().await;
    assert_eq!(lines(&round), format!("changed vpn.example.com CNAME old.example.net -> {HOST} (ttl 60)"));
}

/// The network goes with the change.
struct GoesDown(InProcess, std::sync::atomic::AtomicBool);

impl Transport for GoesDown {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, Error>> {
        use std::sync::atomic::Ordering::Relaxed;
        let down =
            self.1.fetch_or(request.method() == Method::POST, Relaxed) || request.method() == Method::POST;
        if down {
            let host = "route53.amazonaws.com".to_owned();
            return Box::pin(async { Err(Error::Timeout { host, after: seconds(10) }) });
        }
        self.0.send(request)
    }
}

#[tokio::test(start_paused = true)]
async fn many_names_do_not_wait_one_after_the_other_for_a_network_that_is_gone() {
    let house = House { between: |transport| Arc::new(GoesDown(transport, false.into())), ..house() };
    let rules: Vec<_> = (0..20).map(|n| cname(&format!("host-{n}.example.com"))).collect();
    let started = tokio::time::Instant::now();
    let round = house.once_with(&rules).await;
    assert_eq!(outcomes(&round), [Outcome::Unconfirmed; 20]);
    assert!(started.elapsed() < seconds(31), "{:?}", started.elapsed());
}

/// Somebody else's zone: there, and not ours to read.
struct Foreign(InProcess);

impl Transport for Foreign {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, Error>> {
        if request.uri().path().contains("ZFOREIGN") {
            let body = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not authorized</Message></Error></ErrorResponse>";
            return Box::pin(
                async move { Ok(Response::builder().status(403).body(Bytes::from(body)).unwrap()) },
            );
        }
        self.0.send(request)
    }
}

#[tokio::test(start_paused = true)]
async fn a_remembered_zone_of_another_account_is_looked_up_again() {
    let directory = tempfile::tempdir().unwrap();
    let foreign = ZoneId::parse("ZFOREIGN").unwrap();
    let (baked, _) = State::load(directory.path());
    baked.set_zone("https://route53.amazonaws.com", "public zone of vpn.example.com", &foreign);
    baked.save().unwrap();
    let state = Arc::new(State::load(directory.path()).0);
    let house = House { state, between: |transport| Arc::new(Foreign(transport)), ..house() };
    assert_eq!(outcomes(&house.once().await), [Outcome::Changed]);
    assert_eq!(house.vpn().as_deref(), Some(HOST));
}

#[tokio::test(start_paused = true)]
async fn a_denied_lookup_is_not_asked_again_for_each_name() {
    let house = house();
    house.deny(Operation::ListHostedZonesByName);
    house.deny(Operation::ListHostedZones);
    let zone = ZoneChoice::Id(house.world.zone_of(&name("example.com")).unwrap());
    let given = pin53::desired::Rule { zone, ..cname("given.example.com") };
    let rules = [cname("a.example.com"), cname("b.example.com"), given];
    let round = house.once_with(&rules).await;
    assert_eq!(
        outcomes(&round),
        [Outcome::Failed, Outcome::Failed, Outcome::Changed],
        "a zone that is given needs no look-up"
    );
    assert_eq!(round.class(), Class::NotPermitted);
    assert_eq!(house.requests().1, 4);
}

#[tokio::test(start_paused = true)]
async fn a_silent_metadata_service_costs_no_more_for_several_items() {
    let house = house();
    house.world.inject(Fault::ImdsSilent.always());
    let rules = [
        cname("a.example.com"),
        of_type(RecordType::A, "b.example.com"),
        of_type(RecordType::Aaaa, "c.example.com"),
    ];
    let started = tokio::time::Instant::now();
    assert_eq!(outcomes(&house.once_with(&rules).await), [Outcome::Left; 3]);
    assert!(started.elapsed() < seconds(8), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_record_with_a_health_check_is_not_ours_to_replace() {
    let house = house();
    let checked = RecordSet {
        health_check_id: Some("abcdef11-2222-3333-4444-555555fedcba".to_owned()),
        ..simple("vpn.example.com", RecordType::Cname, 60, &["old.example.net."])
    };
    house.put(checked);
    assert_eq!(outcomes(&house.once().await), [Outcome::Refused]);
    assert_eq!(house.changes(), 0);
}

/// Carries each change out, and answers it with a page of somebody on the way.
struct Masked<const STATUS: u16>(InProcess);

impl<const STATUS: u16> Transport for Masked<STATUS> {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, Error>> {
        let change = request.method() == Method::POST;
        Box::pin(async move {
            let answer = self.0.send(request).await?;
            if change {
                let page = Bytes::from_static(b"<html>Bad gateway</html>");
                return Ok(Response::builder().status(STATUS).body(page).unwrap());
            }
            Ok(answer)
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_whose_answer_is_somebody_elses_page_is_looked_up_and_settled() {
    let between: [fn(InProcess) -> Arc<dyn Transport>; 4] = [
        |transport| Arc::new(Masked::<502>(transport)),
        |transport| Arc::new(Masked::<504>(transport)),
        |transport| Arc::new(Masked::<302>(transport)),
        |transport| Arc::new(Masked::<404>(transport)),
    ];
    for between in between {
        let house = House { between, ..house() };
        house.put(simple("vpn.example.com", RecordType::Cname, 60, &["old.example.net."]));
        let round = house.once().await;
        assert_eq!((outcomes(&round), round.class()), (vec![Outcome::Changed], Class::Fine), "{round:?}");
        assert_eq!(house.vpn().as_deref(), Some(HOST));
    }
}

/// A gateway that knows SigV4 only, and refuses everything else without a word.
struct Mute(InProcess);

impl Transport for Mute {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, Error>> {
        if request.headers().contains_key("x-amzn-authorization") {
            return Box::pin(async { Ok(Response::builder().status(403).body(Bytes::new()).unwrap()) });
        }
        self.0.send(request)
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_the_scheme_without_a_word_is_one_too() {
    let house = House { between: |transport| Arc::new(Mute(transport)), ..house() };
    assert_eq!(outcomes(&house.once().await), [Outcome::Changed]);
    assert!(house.state.refuses_aws3_https("https://route53.amazonaws.com"));
}

#[tokio::test(start_paused = true)]
async fn changes_to_one_zone_never_overlap() {
    let house = house();
    house.world.set_latency("aws=300ms".parse::<Latency>().unwrap());
    let reconciler = house.reconciler(&[cname("a.example.com"), cname("b.example.com")]);
    let looks = reconciler.look().await;
    let due = |rule: usize| [Due { rule, look: looks[rule].clone() }];
    let (first, second) = (due(0), due(1));
    let (a, b) =
        tokio::join!(reconciler.round(&first, Reading::Fresh), reconciler.round(&second, Reading::Fresh));
    assert_eq!((outcomes(&a), outcomes(&b)), (vec![Outcome::Changed], vec![Outcome::Changed]));
    assert_eq!(house.changes(), 2, "none was refused for another that wasn't finished");
}
