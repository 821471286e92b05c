//! Private zones of one name: which of them the instance's network sees.

use pin53::desired::{Rule, ZoneChoice};
use pin53::dns::{RecordType, ZoneId};
use pin53::env::Env;
use pin53::report::{Class, Outcome};
use pin53::sandbox::{Fault, Operation};
use pin53::secret::ExposeSecret;
use pin53::source::Source;
use pin53::state::State;

use super::house::{House, cname, house, lines, name, outcomes};

/// The network that the instance stands in, and another.
const OWN: (&str, &str) = ("eu-west-1", "vpc-0123456789abcdef0");
const OTHER: (&str, &str) = ("us-east-1", "vpc-0aaaaaaaaaaaaaaa1");
const VPN: &str = "vpn.corp.example";

fn inside(at: &str) -> Rule {
    Rule { private: true, ..cname(at) }
}

/// A house with its own zone `corp.example` between two that other networks see, and what it is about: the own one.
fn corp() -> (House, ZoneId) {
    let house = house();
    house.world.add_private_zone_of("corp.example", &[OTHER]).unwrap();
    let own = house.world.add_private_zone_of("corp.example", &[OTHER, OWN]).unwrap();
    // The same id in another region is another network.
    house.world.add_private_zone_of("corp.example", &[(OTHER.0, OWN.1)]).unwrap();
    (house, own)
}

/// The house with keys of its own: for AWS it needs no metadata.
fn with_keys(house: House, more: &[(&str, &str)]) -> House {
    let keys = house.world.long_lived_credentials();
    let env = [
        ("AWS_ACCESS_KEY_ID", keys.key_id.as_str()),
        ("AWS_SECRET_ACCESS_KEY", keys.secret.expose_secret()),
        ("AWS_REGION", "eu-west-1"),
    ];
    let env = env.into_iter().chain(more.iter().copied());
    House { env: Env::from_iter(env), ..house }
}

fn fixed() -> Rule {
    Rule { sources: vec![Source::Static("host.example.net".to_owned())], ..inside(VPN) }
}

fn holds(house: &House, zone: &ZoneId, at: &str) -> bool {
    house.world.records(zone).iter().any(|set| set.name == name(at) && set.rtype == RecordType::Cname)
}

#[tokio::test(start_paused = true)]
async fn of_several_private_zones_the_one_that_the_instances_network_sees_is_taken() {
    let (house, own) = corp();
    house.world.add_zone("corp.example").unwrap();
    let round = house.once_with(&[inside(VPN), inside("b.corp.example")]).await;
    assert_eq!(outcomes(&round), [Outcome::Changed; 2], "{}", lines(&round));
    assert!(holds(&house, &own, VPN) && holds(&house, &own, "b.corp.example"));
    assert_eq!(house.world.calls(Operation::ListHostedZonesByVPC), 1, "one request for all names");
    assert_eq!(house.world.calls(Operation::GetHostedZone), 0);
    // A public zone of that name is another matter.
    assert_eq!(outcomes(&house.once_with(&[cname("c.corp.example")]).await), [Outcome::Changed]);
    assert!(!holds(&house, &own, "c.corp.example"));
}

#[tokio::test(start_paused = true)]
async fn a_zone_that_is_the_only_one_of_its_name_is_taken_without_a_question() {
    let house = house();
    let only = house.world.add_private_zone_of("corp.example", &[OTHER]).unwrap();
    assert_eq!(outcomes(&house.once_with(&[inside(VPN)]).await), [Outcome::Changed]);
    assert!(holds(&house, &only, VPN));
    assert_eq!(house.world.calls(Operation::ListHostedZonesByVPC), 0);
}

#[tokio::test(start_paused = true)]
async fn the_choice_is_remembered_and_not_carried_into_another_network() {
    let (house, own) = corp();
    let named = Rule { zone: ZoneChoice::Named(name("corp.example")), ..inside(VPN) };
    let directory = tempfile::tempdir().unwrap();
    let house = House { state: State::load(directory.path()).0.into(), ..house };
    assert_eq!(outcomes(&house.once_with(std::slice::from_ref(&named)).await), [Outcome::Changed]);
    house.world.forget_requests();

    let house = House { state: State::load(directory.path()).0.into(), ..house };
    assert_eq!(outcomes(&house.once_with(std::slice::from_ref(&named)).await), [Outcome::Unchanged]);
    let lists = [Operation::ListHostedZonesByName, Operation::ListHostedZonesByVPC];
    assert_eq!(lists.map(|list| house.world.calls(list)), [0, 0]);

    // A copy of the machine's disk, in another region.
    house.world.with_instance(|instance| instance.placement.region = "us-east-1".to_owned());
    let house = House { state: State::load(directory.path()).0.into(), ..house };
    let round = house.once_with(&[Rule { sources: fixed().sources, ..named }]).await;
    assert_eq!(outcomes(&round), [Outcome::Changed], "{}", lines(&round));
    let there = house.world.records(&own).into_iter().find(|set| set.name == name(VPN)).unwrap();
    assert_ne!(
        there.as_simple().unwrap().1,
        ["host.example.net"],
        "the first network's record stays as it is"
    );
}

#[tokio::test(start_paused = true)]
async fn a_zone_that_is_gone_is_chosen_anew() {
    let (house, own) = corp();
    let reconciler = house.reconciler(&[inside(VPN)]);
    let off = pin53::reconcile::Wait::Off;
    assert_eq!(outcomes(&reconciler.once(off).await), [Outcome::Changed]);
    house.world.remove_zone(&own);
    let next = house.world.add_private_zone_of("corp.example", &[OWN]).unwrap();
    assert_eq!(outcomes(&reconciler.once(off).await), [Outcome::Changed]);
    assert!(holds(&house, &next, VPN));
}

#[tokio::test(start_paused = true)]
async fn where_the_network_sees_none_of_them_they_are_listed_with_those_that_do() {
    let house = house();
    let first = house.world.add_private_zone_of("corp.example", &[OTHER]).unwrap();
    let second = house.world.add_private_zone_of("corp.example", &[(OTHER.0, OWN.1)]).unwrap();
    let round = house.once_with(&[inside(VPN), cname("vpn.example.com")]).await;
    assert_eq!(outcomes(&round), [Outcome::Failed, Outcome::Changed], "one that fails stops no other");
    assert_eq!(round.class(), Class::Misconfigured);
    let line = lines(&round);
    for part in [
        format!("{first} (corp.example: vpc-0aaaaaaaaaaaaaaa1 (us-east-1))"),
        format!("{second} (corp.example: vpc-0123456789abcdef0 (us-east-1))"),
        "none of them is associated with this instance's network, vpc-0123456789abcdef0 (eu-west-1)"
            .to_owned(),
    ] {
        assert!(line.contains(&part), "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn more_than_one_are_no_choice() {
    let (house, _) = corp();
    house.world.add_private_zone_of("corp.example", &[OWN]).unwrap();
    let round = house.once_with(&[inside(VPN)]).await;
    assert_eq!((outcomes(&round), round.class()), (vec![Outcome::Failed], Class::Misconfigured));
    assert!(lines(&round).contains("more than one of them"), "{}", lines(&round));
    assert_eq!(house.changes(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_network_leaves_the_record_alone() {
    for fault in [Fault::ImdsError, Fault::ImdsSilent] {
        let (house, _) = corp();
        house.world.inject(fault.always());
        let house = with_keys(house, &[]);
        let open = Rule { private: false, ..fixed() };
        let round = house.once_with(&[fixed(), Rule { name: name("a.example.com").into(), ..open }]).await;
        assert_eq!(outcomes(&round), [Outcome::Left, Outcome::Changed], "{}", lines(&round));
        assert_eq!(round.class(), Class::TryAgain);
        let line = lines(&round);
        assert!(line.contains("the instance's network (VPC), which tells the private zones"), "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_metadata_the_candidates_are_listed() {
    let (house, own) = corp();
    let house = with_keys(house, &[("AWS_EC2_METADATA_DISABLED", "true")]);
    let round = house.once_with(&[fixed()]).await;
    assert_eq!((outcomes(&round), round.class()), (vec![Outcome::Failed], Class::Misconfigured));
    assert!(lines(&round).contains(own.as_str()), "{}", lines(&round));
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_knows_only_the_zones_themselves_will_do() {
    let (house, own) = corp();
    house.deny(Operation::ListHostedZonesByVPC);
    assert_eq!(outcomes(&house.once_with(&[inside(VPN)]).await), [Outcome::Changed]);
    assert!(holds(&house, &own, VPN));
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_knows_neither_makes_the_choice_a_persons() {
    let (house, _) = corp();
    house.deny(Operation::ListHostedZonesByVPC);
    house.deny(Operation::GetHostedZone);
    let round = house.once_with(&[inside(VPN), cname("vpn.example.com")]).await;
    assert_eq!(outcomes(&round), [Outcome::Failed, Outcome::Changed]);
    assert_eq!(round.class(), Class::Misconfigured);
    assert!(lines(&round).contains("the permission route53:ListHostedZonesByVPC"), "{}", lines(&round));
}

#[tokio::test(start_paused = true)]
async fn a_network_that_sees_hundreds_of_zones_is_read_page_by_page() {
    let (house, own) = corp();
    for n in 0..250 {
        house.world.add_private_zone(&format!("zone-{n}.example.net")).unwrap();
    }
    assert_eq!(outcomes(&house.once_with(&[inside(VPN)]).await), [Outcome::Changed]);
    assert!(holds(&house, &own, VPN));
    assert_eq!(house.world.calls(Operation::ListHostedZonesByVPC), 3);
}
