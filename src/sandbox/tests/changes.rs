//! What a batch may do to a zone, and what is said when it may not.

use proptest::prelude::*;

use super::*;
use crate::dns::Target;
use crate::sandbox::change_request::ChangeRequest;
use crate::sandbox::xml::Order;

#[tokio::test(start_paused = true)]
async fn a_record_is_created_replaced_and_deleted() {
    let client = Client::new();
    let answer =
        client.change(&[change("CREATE", "VPN.example.com", "CNAME", &["a.example.net"])]).await.unwrap();
    assert_eq!(between(&answer, "Status"), "PENDING");
    assert_eq!(between(&answer, "SubmittedAt"), "2026-03-01T12:00:00.000Z");
    assert_eq!(between(&answer, "Comment"), "test");
    let id = between(&answer, "Id");
    let answer = client.get(&format!("/2013-04-01{id}")).await;
    assert_eq!(between(&answer, "Status"), "INSYNC");

    client
        .change(&[
            change("DELETE", "vpn.example.com.", "CNAME", &["a.example.net"]),
            change("CREATE", "vpn.example.com.", "CNAME", &["b.example.net"]),
        ])
        .await
        .unwrap();
    client.change(&[change("UPSERT", "vpn.example.com.", "CNAME", &["c.example.net"])]).await.unwrap();
    let read = client.world.record(&name("vpn.example.com"), RecordType::Cname).unwrap();
    assert_eq!(read, set("vpn.example.com", RecordType::Cname, &["c.example.net"]));
    client.change(&[change("DELETE", "vpn.example.com.", "CNAME", &["c.example.net"])]).await.unwrap();
    assert_eq!(client.world.record(&name("vpn.example.com"), RecordType::Cname), None);
}

#[tokio::test(start_paused = true)]
async fn a_delete_has_to_name_what_stands_there_to_the_letter() {
    let client = Client::new();
    client.world.put_record(set("a.example.com", RecordType::A, &["192.0.2.1", "192.0.2.2"])).unwrap();
    let mismatch = "[Tried to delete resource record set [name='a.example.com.', type='A'] but the values \
                    provided do not match the current values]";
    let other_value = change("DELETE", "a.example.com", "A", &["192.0.2.1", "192.0.2.3"]);
    assert_eq!(client.refused(&[other_value]).await, mismatch);
    let one_value = change("DELETE", "a.example.com", "A", &["192.0.2.1"]);
    assert_eq!(client.refused(&[one_value]).await, mismatch);
    let other_ttl = raw(
        "DELETE",
        "a.example.com",
        "A",
        &format!("<TTL>61</TTL>{}", records(&["192.0.2.1", "192.0.2.2"])),
    );
    assert_eq!(client.refused(&[other_ttl]).await, mismatch);
    assert_eq!(
        client.refused(&[change("DELETE", "b.example.com", "A", &["192.0.2.1"])]).await,
        "[Tried to delete resource record set [name='b.example.com.', type='A'] but it was not found]"
    );
    client.change(&[change("DELETE", "a.example.com", "A", &["192.0.2.2", "192.0.2.1"])]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_exists_is_not_created_again() {
    let client = Client::new();
    client.world.put_record(set("*.example.com", RecordType::A, &["192.0.2.1"])).unwrap();
    assert_eq!(
        client.refused(&[change("CREATE", "\\052.example.com", "A", &["192.0.2.2"])]).await,
        "[Tried to create resource record set [name='\\052.example.com.', type='A'] but it already exists]"
    );
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_all_or_nothing_and_tells_every_reason() {
    let client = Client::new();
    let message = client
        .refused(&[
            change("CREATE", "a.example.com", "A", &["192.0.2.1"]),
            change("DELETE", "b.example.com", "A", &["192.0.2.1"]),
            change("CREATE", "c.example.org", "A", &["192.0.2.1"]),
        ])
        .await;
    insta::assert_snapshot!(message, @"[Tried to delete resource record set [name='b.example.com.', type='A'] but it was not found, RRSet with DNS name c.example.org. is not permitted in zone example.com.]");
}

#[tokio::test(start_paused = true)]
async fn a_cname_stands_alone_and_not_at_the_apex() {
    let client = Client::new();
    assert_eq!(
        client.refused(&[change("CREATE", "example.com", "CNAME", &["a.example.net"])]).await,
        "[RRSet of type CNAME with DNS name example.com. is not permitted at apex in zone example.com.]"
    );
    client.world.put_record(set("a.example.com", RecordType::A, &["192.0.2.1"])).unwrap();
    assert_eq!(
        client.refused(&[change("UPSERT", "a.example.com", "CNAME", &["a.example.net"])]).await,
        "[RRSet of type CNAME with DNS name a.example.com. is not permitted as it conflicts with other records \
         with the same DNS name in zone example.com.]"
    );
    client.world.put_record(set("c.example.com", RecordType::Cname, &["a.example.net"])).unwrap();
    assert_eq!(
        client.refused(&[change("CREATE", "c.example.com", "A", &["192.0.2.1"])]).await,
        "[RRSet of type A with DNS name c.example.com. is not permitted because a conflicting RRSet of type  \
         CNAME with the same DNS name already exists in zone example.com.]"
    );
    assert_eq!(
        client
            .refused(&[change("CREATE", "d.example.com", "CNAME", &["a.example.net", "b.example.net"])])
            .await,
        "[RRSet of type CNAME with DNS name d.example.com. must contain exactly one resource record]"
    );
}

#[tokio::test(start_paused = true)]
async fn a_type_is_swapped_in_one_batch_in_the_right_order_only() {
    let client = Client::new();
    client.world.put_record(set("a.example.com", RecordType::Cname, &["x.example.net"])).unwrap();
    let delete = change("DELETE", "a.example.com", "CNAME", &["x.example.net"]);
    let create = change("CREATE", "a.example.com", "A", &["192.0.2.1"]);
    assert!(client.refused(&[create.clone(), delete.clone()]).await.contains("a conflicting RRSet"));
    client.change(&[delete, create]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_set_is_changed_once_in_a_batch() {
    let client = Client::new();
    client.world.put_record(set("a.example.com", RecordType::A, &["192.0.2.1"])).unwrap();
    let delete = change("DELETE", "a.example.com", "A", &["192.0.2.1"]);
    let reason =
        "The request contains an invalid set of changes for a resource record set 'A a.example.com.'";
    assert!(client.refused(&[delete.clone(), delete]).await.contains(reason));
    let upsert = change("UPSERT", "a.example.com", "A", &["192.0.2.2"]);
    assert_eq!(client.refused(&[upsert.clone(), upsert]).await, format!("[{reason}]"));
}

#[tokio::test(start_paused = true)]
async fn soa_and_ns_of_the_apex_stay() {
    let client = Client::new();
    let path = format!("/2013-04-01/hostedzone/{}/rrset?name=example.com&type=NS&maxitems=1", client.zone);
    let list = client.get(&path).await;
    let ns = between(&list, "ResourceRecordSet");
    let delete =
        format!("<Change><Action>DELETE</Action><ResourceRecordSet>{ns}</ResourceRecordSet></Change>");
    assert_eq!(
        client.refused(&[delete]).await,
        "[A HostedZone must contain at least one NS record for the zone itself.]"
    );
    let list = client.get(&path.replace("type=NS", "type=SOA")).await;
    let soa = between(&list, "ResourceRecordSet");
    let delete =
        format!("<Change><Action>DELETE</Action><ResourceRecordSet>{soa}</ResourceRecordSet></Change>");
    assert_eq!(client.refused(&[delete]).await, "[A HostedZone must contain exactly one SOA record.]");
}

#[tokio::test(start_paused = true)]
async fn values_have_to_fit_their_type() {
    let client = Client::new();
    let a = client.refused(&[change("CREATE", "a.example.com", "A", &["host.example.net"])]).await;
    insta::assert_snapshot!(a, @"[Invalid Resource Record: 'FATAL problem: ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address) encountered with 'host.example.net'']");
    let txt = client.refused(&[change("CREATE", "a.example.com", "TXT", &["a & b"])]).await;
    insta::assert_snapshot!(txt, @"[Invalid Resource Record: 'FATAL problem: InvalidCharacterString (Value should be enclosed in quotation marks) encountered with 'a & b'']");
    let twice = client.refused(&[change("CREATE", "a.example.com", "A", &["192.0.2.1", "192.0.2.1"])]).await;
    insta::assert_snapshot!(twice, @"[Duplicate Resource Record: '192.0.2.1']");
    let label = client.refused(&[change("CREATE", "a..example.com", "A", &["192.0.2.1"])]).await;
    insta::assert_snapshot!(label, @"[FATAL problem: DomainLabelEmpty (Domain label is empty) encountered with 'a..example.com']");
    let space = client.refused(&[change("CREATE", "a b.example.com", "A", &["192.0.2.1"])]).await;
    assert!(space.contains("UnsupportedCharacter"));
    client.change(&[change("CREATE", "a\\040b.example.com", "A", &["192.0.2.1"])]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_set_says_one_way_what_it_answers() {
    let client = Client::new();
    let alias = "<AliasTarget><HostedZoneId>Z1</HostedZoneId><DNSName>a.example.net</DNSName>\
                 <EvaluateTargetHealth>false</EvaluateTargetHealth></AliasTarget>";
    let refused = async |rest: &str| {
        let (code, message) = client.change(&[raw("CREATE", "a.example.com", "A", rest)]).await.unwrap_err();
        assert_eq!(code, "InvalidInput");
        message
    };
    insta::assert_snapshot!(refused("").await, @"Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or TrafficPolicyInstanceId], but found none in Change with [Action=CREATE, Name=a.example.com, Type=A, SetIdentifier=null]");
    assert!(refused("<TTL>60</TTL>").await.contains("but found none"));
    assert!(refused(&records(&["192.0.2.1"])).await.contains("but found none"));
    let both = format!("<TTL>60</TTL>{}{alias}", records(&["192.0.2.1"]));
    assert!(refused(&both).await.contains("but found more than one"));
    client.change(&[raw("CREATE", "a.example.com", "A", alias)]).await.unwrap();
    let read = client.world.record(&name("a.example.com"), RecordType::A).unwrap();
    assert!(matches!(read.target, Target::Alias { .. }));
}

#[tokio::test(start_paused = true)]
async fn numbers_have_bounds() {
    let client = Client::new();
    let ttl = async |ttl: &str| {
        let rest = format!("<TTL>{ttl}</TTL>{}", records(&["192.0.2.1"]));
        client.change(&[raw("UPSERT", "a.example.com", "A", &rest)]).await.map_err(|(_, message)| message)
    };
    assert!(ttl("0").await.is_ok());
    assert!(ttl("2147483647").await.is_ok());
    insta::assert_snapshot!(ttl("2147483648").await.unwrap_err(), @"Invalid XML ; cvc-maxInclusive-valid: Value '2147483648' is not facet-valid with respect to maxInclusive '2147483647' for type 'TTL'.");
    insta::assert_snapshot!(ttl("-1").await.unwrap_err(), @"Invalid XML ; cvc-minInclusive-valid: Value '-1' is not facet-valid with respect to minInclusive '0' for type 'TTL'.");
    insta::assert_snapshot!(ttl("60s").await.unwrap_err(), @"Invalid XML ; cvc-datatype-valid.1.2.1: '60s' is not a valid value for 'integer'.");
    let weight = raw(
        "CREATE",
        "w.example.com",
        "A",
        &format!(
            "<SetIdentifier>a</SetIdentifier><Weight>256</Weight><TTL>60</TTL>{}",
            records(&["192.0.2.1"])
        ),
    );
    assert!(client.change(&[weight]).await.unwrap_err().1.contains("maxInclusive '255'"));
}

#[tokio::test(start_paused = true)]
async fn a_batch_has_limits() {
    let client = Client::new();
    let many = |action: &str, count: usize| -> Vec<String> {
        (0..count).map(|n| change(action, &format!("h{n}.example.com"), "A", &["192.0.2.1"])).collect()
    };
    assert_eq!(client.refused(&many("CREATE", 1_001)).await, "[Number of records limit of 1000 exceeded.]");
    assert_eq!(client.refused(&many("UPSERT", 501)).await, "[Number of records limit of 1000 exceeded.]");
    client.change(&many("CREATE", 1_000)).await.unwrap();
    client.change(&many("UPSERT", 500)).await.unwrap();
    let long: Vec<String> = (0..9)
        .map(|n| {
            let strings = vec![format!("\"{}\"", "x".repeat(250)); 15].join(" ");
            change("CREATE", &format!("t{n}.example.com"), "TXT", &[&strings])
        })
        .collect();
    assert_eq!(client.refused(&long).await, "[Number of characters limit of 32000 exceeded.]");
    let values: Vec<String> = (0..401).map(|n| format!("192.0.{}.{}", n / 250, n % 250)).collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    assert_eq!(
        client.refused(&[change("CREATE", "v.example.com", "A", &values)]).await,
        "[Number of values limit of 400 exceeded.]"
    );
    let comment = batch(&change("CREATE", "c.example.com", "A", &["192.0.2.1"]))
        .replace("<Comment>test", &format!("<Comment>{}", "c".repeat(257)));
    assert!(client.change_raw(&comment).await.unwrap_err().1.contains("maxLength '256'"));
}

#[tokio::test(start_paused = true)]
async fn the_body_has_to_follow_the_schema() {
    let client = Client::new();
    let good = batch(&change("CREATE", "a.example.com", "A", &["192.0.2.1"]));
    let refused = async |body: String| {
        let (code, message) = client.change_raw(&body).await.unwrap_err();
        format!("{code}: {message}")
    };
    insta::assert_snapshot!(refused(good.replace("https://route53", "http://route53")).await, @"InvalidInput: Invalid XML ; cvc-elt.1: Cannot find the declaration of element 'ChangeResourceRecordSetsRequest'.");
    insta::assert_snapshot!(refused(good.replace("ChangeResourceRecordSetsRequest", "ChangeBatch")).await, @"MalformedInput: ChangeBatch is not valid, expected ChangeResourceRecordSetsRequest");
    insta::assert_snapshot!(refused(good.replace("<Name>a.example.com</Name><Type>A</Type>", "<Type>A</Type><Name>a.example.com</Name>")).await, @r#"InvalidInput: Invalid XML ; cvc-complex-type.2.4.a: Invalid content was found starting with element 'Type'. One of '{"https://route53.amazonaws.com/doc/2013-04-01/":Name}' is expected."#);
    insta::assert_snapshot!(refused(batch("")).await, @r#"InvalidInput: Invalid XML ; cvc-complex-type.2.4.b: The content of element 'Changes' is not complete. One of '{"https://route53.amazonaws.com/doc/2013-04-01/":Change}' is expected."#);
    insta::assert_snapshot!(refused(good.replace("CREATE", "create")).await, @"InvalidInput: Invalid XML ; cvc-enumeration-valid: Value 'create' is not facet-valid with respect to enumeration '[CREATE, DELETE, UPSERT]'. It must be a value from the enumeration.");
    assert!(refused(good.replace("<Type>A<", "<Type>a<")).await.contains("cvc-enumeration-valid: Value 'a'"));
    assert!(refused(good.replace("</Changes>", "")).await.starts_with("MalformedInput"));
    assert!(
        refused(good.replace("ResourceRecords>", "Records>"))
            .await
            .contains("starting with element 'Records'")
    );
}

#[tokio::test(start_paused = true)]
async fn boto3_may_write_elements_in_any_order() {
    let mut client = Client::new();
    let body = batch(&change("CREATE", "a.example.com", "A", &["192.0.2.1"]))
        .replace("<Name>a.example.com</Name><Type>A</Type>", "<Type>A</Type><Name>a.example.com</Name>");
    assert!(client.change_raw(&body).await.is_err());
    client.agent = "Boto3/1.44.5 md/Botocore#1.44.5";
    client.change_raw(&body).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn routed_sets_keep_to_their_kind() {
    let client = Client::new();
    let routed = |action: &str, id: &str, policy: &str, ttl: u32, values: &[&str]| {
        let rest = format!("<SetIdentifier>{id}</SetIdentifier>{policy}<TTL>{ttl}</TTL>{}", records(values));
        raw(action, "w.example.com", "A", &rest)
    };
    let weight = "<Weight>10</Weight>";
    let one = ["192.0.2.1"];
    client.change(&[routed("CREATE", "blue", weight, 60, &one)]).await.unwrap();
    client.change(&[routed("CREATE", "green", "<Weight>0</Weight>", 60, &one)]).await.unwrap();
    insta::assert_snapshot!(client.refused(&[routed("CREATE", "red", weight, 61, &one)]).await, @"[RRSet with DNS name w.example.com., type A, SetIdentifier red cannot be created as weighted sets must contain the same TTL.]");
    insta::assert_snapshot!(client.refused(&[routed("CREATE", "red", weight, 60, &["192.0.2.1", "192.0.2.2"])]).await, @"[RRSet with DNS name w.example.com., type A, SetIdentifier red cannot be created as weighted and latency sets must contain exactly one resource record.]");
    insta::assert_snapshot!(client.refused(&[routed("CREATE", "red", "<MultiValueAnswer>true</MultiValueAnswer>", 60, &one)]).await, @"[RRSet with DNS name w.example.com., type A, SetIdentifier red cannot be created because a non multivalue answer rrset exists with the same name and type.]");
    insta::assert_snapshot!(client.refused(&[routed("CREATE", "red", "<Region>eu-west-1</Region>", 60, &one)]).await, @"[RRSet with DNS name w.example.com., type A, SetIdentifier red cannot be created as a non-latency set exists with the same name and type.]");
    insta::assert_snapshot!(client.refused(&[change("CREATE", "w.example.com", "A", &one)]).await, @"[RRSet with DNS name w.example.com., type A cannot be created as a weighted set exists with the same name and type.]");
    insta::assert_snapshot!(client.refused(&[routed("CREATE", "blue", weight, 60, &one)]).await, @"[Tried to create resource record set [name='w.example.com.', type='A', set-identifier='blue'] but it already exists]");

    let (_, message) = client.change(&[routed("CREATE", "red", "", 60, &one)]).await.unwrap_err();
    assert!(message.contains("but found none"), "{message}");
    let no_id = raw("CREATE", "x.example.com", "A", &format!("{weight}<TTL>60</TTL>{}", records(&one)));
    let (_, message) = client.change(&[no_id]).await.unwrap_err();
    insta::assert_snapshot!(message, @"Invalid request: Missing field 'SetIdentifier' in Change with [Action=CREATE, Name=x.example.com, Type=A, SetIdentifier=null]");

    let mismatch = client.refused(&[routed("DELETE", "blue", "<Weight>11</Weight>", 60, &one)]).await;
    assert!(mismatch.contains("do not match the current values"), "{mismatch}");
    client.change(&[routed("DELETE", "blue", weight, 60, &one)]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn policies_that_are_only_kept_are_given_back_as_they_came() {
    let client = Client::new();
    let geo = "<GeoProximityLocation><AWSRegion>eu-west-1</AWSRegion><Bias>5</Bias></GeoProximityLocation>";
    let of = |action: &str, geo: &str| {
        let rest = format!("<SetIdentifier>g</SetIdentifier><TTL>60</TTL>{}{geo}", records(&["192.0.2.1"]));
        raw(action, "g.example.com", "A", &rest)
    };
    client.change(&[of("CREATE", geo)]).await.unwrap();
    let list = client.get(&format!("/2013-04-01/hostedzone/{}/rrset?name=g.example.com", client.zone)).await;
    assert!(list.contains(geo), "{list}");
    assert!(client.refused(&[of("DELETE", &geo.replace('5', "6"))]).await.contains("do not match"));
    client.change(&[of("DELETE", geo)]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_zone_of_another_service_is_not_edited() {
    let client = Client::new();
    client.world.link_zone(&client.zone, "servicediscovery.amazonaws.com");
    let (code, _) =
        client.change(&[change("CREATE", "a.example.com", "A", &["192.0.2.1"])]).await.unwrap_err();
    assert_eq!(code, "AccessDenied");
}

#[tokio::test(start_paused = true)]
async fn changes_of_one_zone_do_not_overlap() {
    let client = Client::new();
    client.world.set_latency("aws=40ms".parse().unwrap());
    let one = [change("CREATE", "a.example.com", "A", &["192.0.2.1"])];
    let two = [change("CREATE", "b.example.com", "A", &["192.0.2.1"])];
    let (first, second) = tokio::join!(client.change(&one), client.change(&two));
    let (made, refused): (Vec<_>, Vec<_>) = [first, second].into_iter().partition(Result::is_ok);
    assert_eq!((made.len(), refused.len()), (1, 1));
    let (code, message) = refused.into_iter().next().unwrap().unwrap_err();
    assert_eq!(code, "PriorRequestNotComplete");
    assert_eq!(message, "The request was rejected because Route 53 was still processing a prior request.");
    assert_eq!(client.world.records(&client.zone).len(), 3);
    client.change(&[change("CREATE", "c.example.com", "A", &["192.0.2.1"])]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_a_list_shows_can_be_deleted_word_for_word_and_made_again() {
    let client = Client::new();
    let values = |list: &[&str]| format!("<TTL>60</TTL>{}", records(list));
    let routed =
        |policy: &str| format!("<SetIdentifier>a &amp; b</SetIdentifier>{policy}{}", values(&["192.0.2.1"]));
    let check = "<HealthCheckId>abcdef11-2222-3333-4444-555555fedcba</HealthCheckId>";
    for (number, (rtype, rest)) in [
        ("A", values(&["192.0.2.1", "192.0.2.2"])),
        ("TXT", values(&["\"<&> \\\"\" \"\\351\""])),
        ("A", routed("<Weight>0</Weight>") + check),
        ("A", routed("<Region>eu-west-1</Region>")),
        ("A", routed("<Failover>PRIMARY</Failover>")),
        ("A", routed("<GeoLocation><CountryCode>US</CountryCode><SubdivisionCode>CA</SubdivisionCode></GeoLocation>")),
        ("A", routed("<MultiValueAnswer>true</MultiValueAnswer>")),
        (
            "AAAA",
            "<AliasTarget><HostedZoneId>Z35SXDOTRQ7X7K</HostedZoneId><DNSName>lb.example.net.</DNSName>\
             <EvaluateTargetHealth>true</EvaluateTargetHealth></AliasTarget>"
                .to_owned(),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let host = format!("s{number}.example.com");
        client.change(&[raw("CREATE", &host, rtype, &rest)]).await.unwrap();
        let path = format!("/2013-04-01/hostedzone/{}/rrset?name={host}&type={rtype}&maxitems=1", client.zone);
        let list = client.get(&path).await;
        let shown = between(&list, "ResourceRecordSet");
        let item = |action: &str| {
            format!("<Change><Action>{action}</Action><ResourceRecordSet>{shown}</ResourceRecordSet></Change>")
        };
        let before = client.world.records(&client.zone);
        client.change(&[item("DELETE")]).await.unwrap();
        assert_eq!(client.world.records(&client.zone).len(), before.len() - 1);
        client.change(&[item("CREATE")]).await.unwrap();
        assert_eq!(client.world.records(&client.zone), before);
    }
}

#[tokio::test(start_paused = true)]
async fn a_role_of_failover_is_given_once() {
    let client = Client::new();
    let primary = |id: &str| {
        let rest = format!(
            "<SetIdentifier>{id}</SetIdentifier><Failover>PRIMARY</Failover><TTL>60</TTL>{}",
            records(&["192.0.2.1"])
        );
        raw("CREATE", "f.example.com", "A", &rest)
    };
    client.change(&[primary("a")]).await.unwrap();
    insta::assert_snapshot!(client.refused(&[primary("b")]).await, @"[RRSet with DNS name f.example.com., type A, SetIdentifier b cannot be created as another failover set exists with the same name, type and role.]");
}

proptest! {
    #[test]
    fn no_body_makes_the_reader_panic(at in 0.0..1.0, length in 0usize..30, splice in "[ -~é<>&/]{0,20}") {
        let good = batch(&change("CREATE", "a.example.com", "A", &["192.0.2.1"]));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let start = (at * good.len() as f64) as usize;
        let end = (start + length).min(good.len());
        let body = format!("{}{splice}{}", &good[..start], &good[end..]);
        for order in [Order::Schema, Order::Any] {
            if let Err(refusal) = ChangeRequest::read(body.as_bytes(), order) {
                prop_assert!(refusal.status.is_client_error());
            }
        }
    }
}
