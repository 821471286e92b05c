//! Names with the instance's metadata in them, alone and in the daemon.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pin53::daemon::{self, Settings};
use pin53::desired::{Rule, ZoneChoice};
use pin53::dns::{Name, RecordType};
use pin53::pattern::Pattern;
use pin53::report::{Class, Outcome};
use pin53::sandbox::{Operation, Side};
use tokio::sync::oneshot;

use crate::house::{HOST, House, MOVED, cname, house, lines, name, of_type, only, outcomes, seconds};

const RHYTHM: Settings = Settings { watch: Duration::from_secs(5), interval: Duration::from_secs(300) };

fn pattern(text: &str) -> Pattern<Name> {
    Pattern::parse(text, |text| Name::parse(text).map_err(|error| error.to_string())).unwrap()
}

fn named(text: &str) -> Rule {
    Rule { name: pattern(text), ..cname("unused.example.com") }
}

fn tag(house: &House, value: Option<&str>) {
    let tags = value.map(|value| BTreeMap::from([("Role".to_owned(), value.to_owned())]));
    house.world.with_instance(|instance| instance.tags = tags);
}

#[tokio::test(start_paused = true)]
async fn a_name_is_made_of_what_the_metadata_says() {
    let house = house();
    tag(&house, Some("VPN"));
    for (text, expected) in [
        ("{{ instance_id }}.example.com", "i-0123456789abcdef0.example.com"),
        ("{{ tags.Role }}.{{ region }}.example.com", "vpn.eu-west-1.example.com"),
        ("{{ availability_zone }}.example.com", "eu-west-1a.example.com"),
        ("{{ hostname }}.example.com", "ip-10-0-0-53.example.com"),
    ] {
        let round = house.once_with(&[named(text)]).await;
        assert_eq!(lines(&round), format!("changed {expected} CNAME (none) -> {HOST} (ttl 60)"));
        assert_eq!(house.value(expected, RecordType::Cname).unwrap(), HOST);
    }
}

#[tokio::test(start_paused = true)]
async fn a_tag_that_is_not_there_leaves_the_name_and_says_how_to_show_tags() {
    let house = house();
    let round = house.once_with(&[named("{{ tags.Role }}.example.com"), cname("vpn.example.com")]).await;
    assert_eq!(outcomes(&round), [Outcome::Left, Outcome::Changed], "it stops no other");
    assert_eq!(round.class(), Class::TryAgain);
    let line = lines(&round);
    assert!(line.starts_with("left {{ tags.Role }}.example.com: the instance has no tag 'Role'"), "{line}");
    assert!(line.contains("--instance-metadata-tags enabled"), "{line}");
}

#[tokio::test(start_paused = true)]
async fn a_value_that_can_not_be_a_label_is_refused() {
    let house = house();
    for value in ["web server", "a.b", "*", "", &"a".repeat(64)] {
        tag(&house, Some(value));
        let round = house.once_with(&[named("{{ tags.Role }}.example.com")]).await;
        assert_eq!((outcomes(&round), round.class()), (vec![Outcome::Refused], Class::Refused), "{value}");
        assert!(lines(&round).starts_with("refused {{ tags.Role }}.example.com: "), "{}", lines(&round));
    }
    assert_eq!(house.changes(), 0);
}

#[tokio::test(start_paused = true)]
async fn metadata_that_can_not_be_read_leaves_the_name() {
    let house = house();
    house.world.inject("imds-error:always".parse::<pin53::sandbox::Script>().unwrap());
    let round = house.once_with(&[named("{{ region }}.example.com")]).await;
    assert_eq!(only(&round).outcome, Outcome::Left);
    assert!(lines(&round).starts_with("left {{ region }}.example.com: "), "{}", lines(&round));
}

#[tokio::test(start_paused = true)]
async fn of_two_rules_that_come_out_as_one_record_the_second_is_refused() {
    let house = house();
    let region = "eu-west-1.example.com";
    let rules =
        [named("{{ region }}.example.com"), cname(region), of_type(RecordType::A, "other.example.com")];
    let round = house.once_with(&rules).await;
    assert_eq!(outcomes(&round), [Outcome::Changed, Outcome::Refused, Outcome::Changed]);
    let why = round.entries[1].reason.as_deref().unwrap();
    assert!(why.contains("the record of {{ region }}.example.com already"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn a_name_outside_the_zone_that_was_asked_for_is_refused() {
    let house = house();
    let elsewhere = Rule {
        zone: ZoneChoice::Named(name("us-east-1.example.com")),
        ..named("vpn.{{ region }}.example.com")
    };
    let round = house.once_with(&[elsewhere]).await;
    assert_eq!(
        lines(&round),
        "refused vpn.{{ region }}.example.com: vpn.eu-west-1.example.com doesn't lie in the zone us-east-1.example.com"
    );
}

/// What the metadata service was asked for, apart from tokens and the address.
fn asked(house: &House, path: &str) -> usize {
    let log = house.world.requests();
    log.iter().filter(|entry| entry.side == Side::Metadata && entry.operation.ends_with(path)).count()
}

#[tokio::test(start_paused = true)]
async fn the_daemon_reads_what_stays_the_same_once_and_follows_a_tag() {
    let house = House { patience: daemon::PATIENCE, ..house() };
    tag(&house, Some("blue"));
    let rules = [named("{{ tags.Role }}.{{ region }}.example.com")];
    let reconciler = Arc::new(house.reconciler(&rules));
    let (stop, stopped) = oneshot::channel::<()>();
    let daemon = tokio::spawn(daemon::run(reconciler, RHYTHM, async {
        let _ = stopped.await;
    }));
    tokio::time::sleep(seconds(30)).await;
    assert_eq!(house.value("blue.eu-west-1.example.com", RecordType::Cname).unwrap(), HOST);
    assert_eq!(asked(&house, "placement/region"), 1);

    // Renamed: the record at the old name is nobody's to take away.
    tag(&house, Some("green"));
    tokio::time::sleep(seconds(6)).await;
    assert_eq!(house.value("green.eu-west-1.example.com", RecordType::Cname).unwrap(), HOST);
    assert_eq!(house.value("blue.eu-west-1.example.com", RecordType::Cname).unwrap(), HOST);

    // Without the tag nothing is touched, and no call of Route 53 is made.
    house.world.forget_requests();
    tag(&house, None);
    house.move_instance();
    tokio::time::sleep(seconds(900)).await;
    assert_eq!(house.value("green.eu-west-1.example.com", RecordType::Cname).unwrap(), HOST);
    assert_eq!(house.requests().1, 0);
    tag(&house, Some("green"));
    tokio::time::sleep(seconds(6)).await;
    assert_eq!(house.value("green.eu-west-1.example.com", RecordType::Cname).unwrap(), MOVED);

    // What is refused is looked at again as soon as it is something else.
    tag(&house, Some("not a label"));
    tokio::time::sleep(seconds(6)).await;
    tag(&house, Some("red"));
    tokio::time::sleep(seconds(6)).await;
    assert_eq!(house.value("red.eu-west-1.example.com", RecordType::Cname).unwrap(), MOVED);
    assert_eq!(house.world.calls(Operation::ChangeResourceRecordSets), 2);
    stop.send(()).unwrap();
    daemon.await.unwrap();
}
