//! Lists and their pages.

use super::*;

fn names(body: &str, tag: &str) -> Vec<String> {
    body.split(&format!("<{tag}>")).skip(1).map(|part| part.split_once('<').unwrap().0.to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn zones_come_a_hundred_a_page_each_exactly_once() {
    let client = Client::new();
    for n in 0..204 {
        client.world.add_zone(&format!("z{n}.example.net")).unwrap();
    }
    let mut seen = Vec::new();
    let mut path = "/2013-04-01/hostedzone?maxitems=500".to_owned();
    loop {
        let page = client.get(&path).await;
        assert_eq!(between(&page, "MaxItems"), "100");
        seen.extend(names(&page, "Id"));
        if between(&page, "IsTruncated") == "false" {
            assert!(!page.contains("NextMarker"));
            break;
        }
        path = format!("/2013-04-01/hostedzone?marker={}", between(&page, "NextMarker"));
    }
    assert_eq!(seen.len(), 205);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 205);
}

#[tokio::test(start_paused = true)]
async fn zones_by_name_begin_at_the_name_and_go_on_to_others() {
    let client = Client::new();
    for zone in ["example.org", "a.example.com", "example.com"] {
        client.world.add_zone(zone).unwrap();
    }
    client.world.add_private_zone("example.com").unwrap();
    let all = client.get("/2013-04-01/hostedzonesbyname").await;
    assert_eq!(
        names(&all, "Name"),
        ["example.com.", "example.com.", "example.com.", "a.example.com.", "example.org."]
    );
    let from = client.get("/2013-04-01/hostedzonesbyname?dnsname=b.example.com&maxitems=1").await;
    assert_eq!(names(&from, "Name"), ["example.org."]);
    assert_eq!(between(&from, "DNSName"), "b.example.com.");
    let first = client.get("/2013-04-01/hostedzonesbyname?dnsname=example.com&maxitems=2").await;
    let next = format!(
        "/2013-04-01/hostedzonesbyname?dnsname={}&hostedzoneid={}&maxitems=2",
        between(&first, "NextDNSName"),
        between(&first, "NextHostedZoneId")
    );
    assert_eq!(names(&client.get(&next).await, "Name"), ["example.com.", "a.example.com."]);
}

#[tokio::test(start_paused = true)]
async fn a_private_zone_shows_its_networks_and_a_public_one_its_servers() {
    let client = Client::new();
    let private = client.world.add_private_zone("example.com").unwrap();
    let shown = client.get(&format!("/2013-04-01/hostedzone/{private}")).await;
    assert_eq!(between(&shown, "PrivateZone"), "true");
    assert_eq!(between(&shown, "VPCId"), "vpc-0123456789abcdef0");
    let shown = client.get(&format!("/2013-04-01/hostedzone/{}", client.zone)).await;
    assert_eq!(names(&shown, "NameServer").len(), 4);
    let only = client.get("/2013-04-01/hostedzone?hostedzonetype=PrivateHostedZone").await;
    assert_eq!(names(&only, "Id"), [format!("/hostedzone/{private}")]);
    let by_vpc =
        client.get("/2013-04-01/hostedzonesbyvpc?vpcid=vpc-0123456789abcdef0&vpcregion=eu-west-1").await;
    assert_eq!(names(&by_vpc, "HostedZoneId"), [private.to_string()]);
}

#[tokio::test(start_paused = true)]
async fn record_sets_are_ordered_by_reversed_labels_with_the_dot_kept() {
    let client = Client::new();
    for text in ["b.a.example.com", "a-b.example.com", "a.example.com", "*.example.com"] {
        client.world.put_record(set(text, RecordType::A, &["192.0.2.1"])).unwrap();
    }
    client.world.put_record(set("a.example.com", RecordType::Txt, &["\"<&>\""])).unwrap();
    let body = client.get(&format!("/2013-04-01/hostedzone/{}/rrset", client.zone)).await;
    assert_eq!(
        names(&body, "Name"),
        [
            "example.com.",
            "example.com.",
            "\\052.example.com.",
            "a-b.example.com.",
            "a.example.com.",
            "a.example.com.",
            "b.a.example.com."
        ]
    );
    assert!(body.contains("<Value>\"&lt;&amp;&gt;\"</Value>"), "{body}");
    assert_eq!(between(&body, "MaxItems"), "300");
}

#[tokio::test(start_paused = true)]
async fn a_list_of_record_sets_begins_where_it_is_asked_to() {
    let client = Client::new();
    for text in ["a.example.com", "b.example.com", "c.example.com"] {
        client.world.put_record(set(text, RecordType::A, &["192.0.2.1"])).unwrap();
        client.world.put_record(set(text, RecordType::Txt, &["\"x\""])).unwrap();
    }
    let list = async |query: &str| {
        let body = client.get(&format!("/2013-04-01/hostedzone/{}/rrset?{query}", client.zone)).await;
        names(&body, "Name").into_iter().zip(names(&body, "Type")).map(|(n, t)| n + &t).collect::<Vec<_>>()
    };
    assert_eq!(list("name=B.example.com&maxitems=1").await, ["b.example.com.A"]);
    assert_eq!(list("name=b.example.com.&type=AAAA&maxitems=1").await, ["b.example.com.TXT"]);
    assert_eq!(
        list("name=b.example.com&type=TXT&maxitems=2").await,
        ["b.example.com.TXT", "c.example.com.A"]
    );
    assert!(list("name=d.example.com").await.is_empty());
    assert!(list("name=zzz.example.org").await.is_empty());
    let path = format!("/2013-04-01/hostedzone/{}/rrset?type=A", client.zone);
    let (status, body) = client.send(Method::GET, &path, "").await;
    assert_eq!((status.as_u16(), refusal(&body).0), (400, "InvalidInput".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn pages_of_record_sets_lead_through_routed_sets_too() {
    let client = Client::new();
    let members: Vec<String> = (0..7)
        .map(|n| {
            let rest = format!(
                "<SetIdentifier>m{n}</SetIdentifier><Weight>1</Weight><TTL>60</TTL>{}",
                records(&["192.0.2.1"])
            );
            raw("CREATE", "w.example.com", "A", &rest)
        })
        .collect();
    client.change(&members).await.unwrap();
    let mut seen = Vec::new();
    let mut query = "maxitems=2".to_owned();
    loop {
        let body = client.get(&format!("/2013-04-01/hostedzone/{}/rrset?{query}", client.zone)).await;
        seen.extend(names(&body, "SetIdentifier"));
        if between(&body, "IsTruncated") == "false" {
            break;
        }
        query = format!(
            "maxitems=2&name={}&type={}",
            between(&body, "NextRecordName"),
            between(&body, "NextRecordType")
        );
        if body.contains("NextRecordIdentifier") {
            query += "&identifier=";
            query += between(&body, "NextRecordIdentifier");
        }
    }
    assert_eq!(seen, ["m0", "m1", "m2", "m3", "m4", "m5", "m6"]);
}
