//! Forms of records, what makes way for them, and whose they are.

use pin53::desired::{Member, OnConflict, Rule, Terms, ZoneChoice};
use pin53::dns::{Failover, Policy, RecordKey, RecordSet, RecordType, Routing, Target, ZoneId};
use pin53::reconcile::Mode;
use pin53::report::{Class, Outcome};
use pin53::sandbox::{Fault, Operation};

use super::house::{HOST, House, cname, house, lines, marker, name, of_type, only, outcomes, owned, simple};

const VPN: &str = "vpn.example.com";

fn replacing(rule: Rule) -> Rule {
    Rule { terms: Terms { on_conflict: OnConflict::Replace, ..rule.terms.clone() }, ..rule }
}

fn member(id: &str, policy: Policy) -> Rule {
    let set_identifier = pin53::pattern::Pattern::parse(id, pin53::pattern::Rendered::from_text).unwrap();
    Rule {
        member: Some(Member { set_identifier, policy, health_check_id: None }),
        ..of_type(RecordType::A, VPN)
    }
}

fn routed(id: &str, policy: Policy, ttl: u64, value: &str) -> RecordSet {
    let routing = Some(Routing { set_identifier: id.to_owned(), policy });
    RecordSet { routing, ..simple(VPN, RecordType::A, ttl, &[value]) }
}

fn alias(at: &str) -> RecordSet {
    let target = Target::Alias {
        zone_id: ZoneId::parse("Z2").unwrap(),
        name: name("lb.example.net"),
        evaluate_health: false,
    };
    RecordSet { target, ..simple(at, RecordType::A, 60, &[]) }
}

impl House {
    /// What stands at and around the name: everything but the zone's own sets.
    fn shown(&self) -> String {
        let zone = self.world.zone_of(&name("example.com")).unwrap();
        let sets = self.world.records(&zone).into_iter().filter(|set| set.name != name("example.com"));
        let show = |set: RecordSet| match &set.target {
            Target::Values { ttl, values } => format!("{} {ttl} {}", set.key(), values.join(" ")),
            other => format!("{} {other:?}", set.key()),
        };
        sets.map(show).collect::<Vec<_>>().join("\n")
    }
}

#[tokio::test(start_paused = true)]
async fn what_stands_in_the_way_is_left_and_it_is_said_how_to_lift_that() {
    let house = house();
    house.put(simple(VPN, RecordType::A, 60, &["192.0.2.1"]));
    let round = house.once().await;
    assert_eq!(round.class(), Class::Refused);
    insta::assert_snapshot!(lines(&round), @r#"refused vpn.example.com: a record of type A stands there, and a CNAME stands alone (on_conflict = "replace" takes it out of the way)"#);
    assert_eq!(house.changes(), 0);
}

#[tokio::test(start_paused = true)]
async fn another_type_makes_way_in_the_same_change_where_that_is_asked_for() {
    let house = house();
    house.put(simple(VPN, RecordType::A, 60, &["192.0.2.1", "192.0.2.2"]));
    house.put(simple(VPN, RecordType::Aaaa, 300, &["2001:db8::1"]));
    house.put(simple("www.example.com", RecordType::A, 60, &["192.0.2.9"]));
    let round = house.once_with(&[replacing(cname(VPN))]).await;
    insta::assert_snapshot!(format!("{}\n{}", lines(&round), house.shown()), @"
    changed vpn.example.com CNAME 192.0.2.1, 192.0.2.2 -> ec2-198-51-100-7.eu-west-1.compute.amazonaws.com (ttl 60)
    vpn.example.com CNAME 60 ec2-198-51-100-7.eu-west-1.compute.amazonaws.com
    www.example.com A 60 192.0.2.9
    ");
    assert_eq!(house.changes(), 1);
    let again = house.once_with(&[replacing(cname(VPN))]).await;
    assert_eq!(outcomes(&again), [Outcome::Unchanged]);

    let back = house.once_with(&[replacing(of_type(RecordType::A, VPN))]).await;
    insta::assert_snapshot!(format!("{}\n{}", lines(&back), house.shown()), @"
    changed vpn.example.com A ec2-198-51-100-7.eu-west-1.compute.amazonaws.com -> 198.51.100.7 (ttl 60)
    vpn.example.com A 60 198.51.100.7
    www.example.com A 60 192.0.2.9
    ");
}

#[tokio::test(start_paused = true)]
async fn an_alias_and_every_member_of_a_routed_set_make_way() {
    for there in [
        vec![alias(VPN)],
        vec![
            routed("a", Policy::Weighted(1), 60, "192.0.2.1"),
            routed("b", Policy::Weighted(9), 60, "192.0.2.2"),
        ],
        (0..100).map(|n| routed(&format!("m{n}"), Policy::Multivalue, 60, &format!("192.0.2.{n}"))).collect(),
    ] {
        for rule in [cname(VPN), of_type(RecordType::A, VPN)] {
            let house = house();
            for set in there.clone() {
                house.put(set);
            }
            assert_eq!(outcomes(&house.once_with(std::slice::from_ref(&rule)).await), [Outcome::Refused]);
            let rtype = rule.rtype;
            let round = house.once_with(&[replacing(rule)]).await;
            assert_eq!(outcomes(&round), [Outcome::Changed], "{round:?}");
            assert!(house.value(VPN, rtype).is_some());
            assert_eq!(house.shown().lines().count(), 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_nobody_may_take_away_stays_even_then() {
    for rtype in [RecordType::Txt, RecordType::Mx, RecordType::Ns] {
        let house = house();
        let value = match rtype {
            RecordType::Txt => "\"v=spf1 -all\"",
            RecordType::Mx => "10 mail.example.com",
            _ => "ns.example.net",
        };
        house.put(simple(VPN, RecordType::A, 60, &["192.0.2.1"]));
        house.put(simple(VPN, rtype, 60, &[value]));
        let round = house.once_with(&[replacing(cname(VPN))]).await;
        assert_eq!(outcomes(&round), [Outcome::Refused], "{rtype}");
        let reason = only(&round).reason.clone().unwrap();
        assert!(reason.contains("stand") && !reason.contains("replace"), "{reason}");
        assert_eq!(house.changes(), 0);
    }
    let house = house();
    house.put(RecordSet {
        target: Target::TrafficPolicy("tpi".into()),
        ..simple(VPN, RecordType::A, 60, &[])
    });
    assert_eq!(outcomes(&house.once_with(&[replacing(cname(VPN))]).await), [Outcome::Refused]);
}

#[tokio::test(start_paused = true)]
async fn reading_and_planning_cost_one_request_in_a_zone_of_any_size() {
    let house = house();
    let zone = house.world.zone_of(&name("example.com")).unwrap();
    for n in 0..3000 {
        house
            .world
            .put_record_in(&zone, simple(&format!("h{n}.example.com"), RecordType::A, 60, &["192.0.2.1"]));
    }
    for rule in [
        cname(VPN),
        of_type(RecordType::A, VPN),
        replacing(cname(VPN)),
        replacing(of_type(RecordType::A, VPN)),
    ] {
        let house = House { mode: Mode::Say, ..house_of(&house) };
        house.world.forget_requests();
        assert_eq!(outcomes(&house.once_with(&[rule]).await), [Outcome::WouldChange]);
        assert_eq!(house.world.calls(Operation::ListResourceRecordSets), 1);
    }
    let owned = owned(of_type(RecordType::A, VPN), "me");
    house.world.forget_requests();
    assert_eq!(outcomes(&house.once_with(&[owned]).await), [Outcome::Changed]);
    assert_eq!(house.world.calls(Operation::ListResourceRecordSets), 2, "the name, and its marker's");
}

/// Another house in the same world.
fn house_of(other: &House) -> House {
    House { world: std::sync::Arc::clone(&other.world), ..house() }
}

#[tokio::test(start_paused = true)]
async fn a_marker_is_written_with_the_record_and_repaired_from_either_side() {
    let house = house();
    let rules = [owned(cname(VPN), "me"), owned(of_type(RecordType::A, "*.example.com"), "me")];
    let round = house.once_with(&rules).await;
    assert_eq!(outcomes(&round), [Outcome::Changed; 2]);
    insta::assert_snapshot!(house.shown(), @r#"
    *.example.com A 60 198.51.100.7
    a-*.example.com TXT 300 "heritage=external-dns,external-dns/owner=me"
    cname-vpn.example.com TXT 300 "heritage=external-dns,external-dns/owner=me"
    vpn.example.com CNAME 60 ec2-198-51-100-7.eu-west-1.compute.amazonaws.com
    "#);
    assert_eq!(house.changes(), 1, "records and markers go together");
    assert_eq!(outcomes(&house.once_with(&rules).await), [Outcome::Unchanged; 2]);

    let marker_key = RecordKey::simple(name("cname-vpn.example.com"), RecordType::Txt);
    house.world.remove_record(&marker_key).unwrap();
    let round = house.once_with(&rules[..1]).await;
    assert_eq!(lines(&round), format!("changed {VPN} CNAME {HOST} -> {HOST} (ttl 60)"));
    house.world.remove_record(&RecordKey::simple(name(VPN), RecordType::Cname)).unwrap();
    let round = house.once_with(&rules[..1]).await;
    assert_eq!(lines(&round), format!("changed {VPN} CNAME (none) -> {HOST} (ttl 60)"));
    assert_eq!(outcomes(&house.once_with(&rules).await), [Outcome::Unchanged; 2]);
}

#[tokio::test(start_paused = true)]
async fn a_marker_of_another_owner_is_respected_wherever_it_stands() {
    let there = |rule: Rule| match rule.rtype {
        RecordType::Cname => simple(VPN, RecordType::Cname, 60, &["x.example.net"]),
        _ => simple(VPN, RecordType::A, 60, &["192.0.2.1"]),
    };
    for rule in [cname(VPN), of_type(RecordType::A, VPN)] {
        let new = format!("{}-{VPN}", rule.rtype.as_str().to_lowercase());
        for at in [new.as_str(), VPN] {
            for rule in [owned(rule.clone(), "me"), replacing(owned(rule.clone(), "me"))] {
                let house = house();
                if rule.rtype != RecordType::Cname || at != VPN {
                    house.put(there(rule.clone()));
                }
                house.put(marker(at, "you"));
                let round = house.once_with(&[rule]).await;
                assert_eq!(outcomes(&round), [Outcome::Refused]);
                let reason = only(&round).reason.clone().unwrap();
                assert!(reason.contains("owner 'you'") && reason.contains(at), "{reason}");
                assert_eq!(house.changes(), 0);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_marker_of_our_own_with_more_labels_is_left_as_it_is() {
    let house = house();
    house.put(marker("cname-vpn.example.com", "me"));
    house.put(simple(VPN, RecordType::Cname, 60, &[HOST]));
    assert_eq!(outcomes(&house.once_with(&[owned(cname(VPN), "me")]).await), [Outcome::Unchanged]);
    assert_eq!(house.changes(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_makes_way_takes_its_marker_along_and_not_when_that_is_anothers() {
    let house = house();
    house.put(alias(VPN));
    house.put(marker("a-vpn.example.com", "you"));
    for rule in [replacing(cname(VPN)), replacing(owned(cname(VPN), "me"))] {
        let round = house.once_with(&[rule]).await;
        assert_eq!(outcomes(&round), [Outcome::Refused]);
        assert!(only(&round).reason.as_ref().unwrap().contains("owner 'you'"));
    }
    house.put(marker("a-vpn.example.com", "me"));
    let round = house.once_with(&[replacing(owned(cname(VPN), "me"))]).await;
    assert_eq!(outcomes(&round), [Outcome::Changed]);
    insta::assert_snapshot!(house.shown(), @r#"
    cname-vpn.example.com TXT 300 "heritage=external-dns,external-dns/owner=me"
    vpn.example.com CNAME 60 ec2-198-51-100-7.eu-west-1.compute.amazonaws.com
    "#);
}

#[tokio::test(start_paused = true)]
async fn a_zones_own_name_has_no_place_for_a_marker_and_that_is_said_before_anything_is_sent() {
    let house = house();
    let apex = of_type(RecordType::A, "example.com");
    let rules = [owned(apex.clone(), "me"), owned(of_type(RecordType::A, VPN), "me")];
    let round = house.once_with(&rules).await;
    assert_eq!(outcomes(&round), [Outcome::Refused, Outcome::Changed]);
    insta::assert_snapshot!(lines(&round).lines().next().unwrap(), @"refused example.com: its ownership marker would stand at a-example.com, outside the zone of which this is the own name (its apex): leave owner out of this record");
    assert_eq!(house.changes(), 1, "the other one's");
    assert_eq!(
        outcomes(&house.once_with(&[apex]).await),
        [Outcome::Changed],
        "without a marker it is as any other"
    );
}

#[tokio::test(start_paused = true)]
async fn a_txt_record_of_somebody_s_is_no_place_for_a_marker() {
    let house = house();
    house.put(simple("cname-vpn.example.com", RecordType::Txt, 60, &["\"hello\""]));
    let round = house.once_with(&[owned(cname(VPN), "me")]).await;
    insta::assert_snapshot!(lines(&round), @"refused vpn.example.com: a TXT record that is no marker stands at cname-vpn.example.com, where its ownership marker belongs");
    assert_eq!(house.changes(), 0);
}

#[tokio::test(start_paused = true)]
async fn each_instance_touches_its_own_member_only() {
    let house = house();
    house.put(routed("i-other", Policy::Multivalue, 60, "192.0.2.1"));
    let rules = [member("{{ instance_id }}", Policy::Multivalue)];
    let round = house.once_with(&rules).await;
    assert_eq!(lines(&round), format!("changed {VPN} A (none) -> 198.51.100.7 (ttl 60)"));
    house.world.forget_requests();
    assert_eq!(outcomes(&house.once_with(&rules).await), [Outcome::Unchanged]);
    assert_eq!(house.world.calls(Operation::ListResourceRecordSets), 1);
    house.move_instance();
    assert_eq!(outcomes(&house.once_with(&rules).await), [Outcome::Changed]);
    insta::assert_snapshot!(house.shown(), @"
    vpn.example.com A (i-0123456789abcdef0) 60 203.0.113.9
    vpn.example.com A (i-other) 60 192.0.2.1
    ");
}

#[tokio::test(start_paused = true)]
async fn every_policy_is_published_and_kept() {
    let geo = |continent: Option<&str>, country: Option<&str>| Policy::Geolocation {
        continent: continent.map(str::to_owned),
        country: country.map(str::to_owned),
        subdivision: None,
    };
    for policy in [
        Policy::Multivalue,
        Policy::Weighted(0),
        Policy::Latency { region: "eu-west-1".into() },
        Policy::Failover(Failover::Secondary),
        geo(Some("EU"), None),
        geo(None, Some("*")),
    ] {
        let house = house();
        let rules = [owned(member("one", policy.clone()), "me")];
        let round = house.once_with(&rules).await;
        assert_eq!(outcomes(&round), [Outcome::Changed], "{policy:?} {round:?}");
        assert_eq!(outcomes(&house.once_with(&rules).await), [Outcome::Unchanged], "{policy:?}");
        house.move_instance();
        assert_eq!(outcomes(&house.once_with(&rules).await), [Outcome::Changed], "{policy:?}");
        assert_eq!(house.shown().lines().count(), 2, "{}", house.shown());
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_stand_beside_a_member_is_refused_with_the_reason() {
    let weighted = || member("one", Policy::Weighted(1));
    let cases = [
        (weighted(), simple(VPN, RecordType::A, 60, &["192.0.2.1"])),
        (weighted(), routed("two", Policy::Multivalue, 60, "192.0.2.1")),
        (weighted(), simple(VPN, RecordType::Cname, 60, &["x.example.net"])),
        (of_type(RecordType::A, VPN), routed("two", Policy::Weighted(1), 60, "192.0.2.1")),
        (
            member("one", Policy::Failover(Failover::Primary)),
            routed("two", Policy::Failover(Failover::Primary), 60, "192.0.2.1"),
        ),
    ];
    let mut said = Vec::new();
    for (rule, there) in cases {
        let house = house();
        house.put(there);
        let round = house.once_with(std::slice::from_ref(&rule)).await;
        assert_eq!(house.changes(), 0);
        said.push(lines(&round));
        said.push(lines(&house.once_with(&[replacing(rule)]).await));
    }
    insta::assert_snapshot!(said.join("\n"), @r#"
    refused vpn.example.com: a record of type A stands there, and a routed set has no place for one that isn't routed (on_conflict = "replace" takes it out of the way)
    changed vpn.example.com A 192.0.2.1 -> 198.51.100.7 (ttl 60)
    refused vpn.example.com: a routed set of type A (member 'two', multivalue) stands there, and a set is routed by one policy: weight 1 beside multivalue can't be (on_conflict = "replace" takes it out of the way)
    changed vpn.example.com A 192.0.2.1 -> 198.51.100.7 (ttl 60)
    refused vpn.example.com: a record of type CNAME stands there, and a CNAME stands alone (on_conflict = "replace" takes it out of the way)
    changed vpn.example.com A x.example.net -> 198.51.100.7 (ttl 60)
    refused vpn.example.com: a routed set of type A (member 'two', weight 1) stands there (on_conflict = "replace" takes it out of the way)
    changed vpn.example.com A 192.0.2.1 -> 198.51.100.7 (ttl 60)
    refused vpn.example.com: a routed set of type A (member 'two', failover primary) stands there, in the place that this member is to have
    refused vpn.example.com: a routed set of type A (member 'two', failover primary) stands there, in the place that this member is to have
    "#);
}

#[tokio::test(start_paused = true)]
async fn a_weighted_member_has_the_ttl_of_its_siblings() {
    let house = house();
    house.put(routed("other", Policy::Weighted(1), 300, "192.0.2.1"));
    let rules = [member("one", Policy::Weighted(2))];
    let round = house.once_with(&rules).await;
    assert_eq!(lines(&round), format!("changed {VPN} A (none) -> 198.51.100.7 (ttl 300)"));
    assert!(only(&round).reason.as_ref().unwrap().contains("all members"));
    assert_eq!(outcomes(&house.once_with(&rules).await), [Outcome::Unchanged]);
}

#[tokio::test(start_paused = true)]
async fn one_bad_record_stops_no_other_and_has_its_own_words() {
    let house = house();
    // The id is another zone's than the name's, which no guard sees.
    let zone = ZoneChoice::Id(house.world.zone_of(&name("example.com")).unwrap());
    let mut rules: Vec<Rule> = (0..20).map(|n| cname(&format!("h{n}.example.com"))).collect();
    rules[7] = Rule { zone, ..cname("h7.example.org") };
    let round = house.once_with(&rules).await;
    let refused: Vec<_> = round.entries.iter().filter(|entry| entry.outcome != Outcome::Changed).collect();
    assert_eq!(refused.len(), 1, "{round:?}");
    assert_eq!(refused[0].outcome, Outcome::Refused);
    insta::assert_snapshot!(refused[0].reason.as_ref().unwrap(), @"Route 53 answered InvalidChangeBatch (400): RRSet with DNS name h7.example.org. is not permitted in zone example.com.");
    assert_eq!(house.changes(), 3, "together, the others, and the one");
}

#[tokio::test(start_paused = true)]
async fn a_protected_record_set_is_refused_with_the_reason_and_stops_no_other() {
    let house = house();
    house.put(simple(VPN, RecordType::Cname, 60, &["old.example.net"]));
    house.world.protect(&name(VPN), RecordType::Cname);
    let rules = [cname("a.example.com"), cname(VPN), cname("b.example.com")];
    let round = house.once_with(&rules).await;
    assert_eq!(outcomes(&round), [Outcome::Changed, Outcome::Refused, Outcome::Changed]);
    assert!(round.entries[1].reason.as_ref().unwrap().contains("is protected"), "{round:?}");
    assert_eq!(house.vpn().as_deref(), Some("old.example.net"));
}

#[tokio::test(start_paused = true)]
async fn more_than_a_batch_holds_is_sent_in_several() {
    let house = house();
    let zone = ZoneChoice::Id(house.world.zone_of(&name("example.com")).unwrap());
    let rules: Vec<Rule> =
        (0..1001).map(|n| Rule { zone: zone.clone(), ..cname(&format!("h{n}.example.com")) }).collect();
    let round = house.once_with(&rules).await;
    assert!(round.entries.iter().all(|entry| entry.outcome == Outcome::Changed), "{:?}", round.entries[0]);
    assert_eq!(house.changes(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_lost_race_over_what_makes_way_is_read_and_decided_anew() {
    let house = house();
    house.put(simple(VPN, RecordType::A, 60, &["192.0.2.1"]));
    house.world.inject(Fault::Edit);
    let round = house.once_with(&[replacing(cname(VPN))]).await;
    assert_eq!(outcomes(&round), [Outcome::Changed]);
    assert_eq!(house.changes(), 2);
    assert_eq!(house.shown().lines().count(), 1);
}
