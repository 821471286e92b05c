//! Shapes of answers and refusals, and the operations on zones.

use super::*;

#[tokio::test(start_paused = true)]
async fn what_does_not_exist_is_told_by_its_id() {
    let client = Client::new();
    let refused = async |method: Method, path: &str| {
        let (status, body) = client.send(method, path, "").await;
        let (code, message) = refusal(&body);
        format!("{} {code}: {message}", status.as_u16())
    };
    let get = Method::GET;
    assert_eq!(
        refused(get.clone(), "/2013-04-01/hostedzone/Z404").await,
        "404 NoSuchHostedZone: No hosted zone found with ID: Z404"
    );
    assert_eq!(
        refused(Method::POST, "/2013-04-01/hostedzone/Z404/rrset").await,
        "404 NoSuchHostedZone: No hosted zone found with ID: Z404"
    );
    assert_eq!(
        refused(get, "/2013-04-01/change/C404").await,
        "404 NoSuchChange: Could not find resource with ID: C404"
    );
}

#[tokio::test(start_paused = true)]
async fn a_refusal_has_the_shape_of_the_api() {
    let client = Client::new();
    let answer = client.try_send(Method::GET, "/2013-04-01/hostedzone/Z404", "").await.unwrap();
    let id = answer.headers()["x-amzn-requestid"].to_str().unwrap().to_owned();
    assert_eq!(answer.headers()["content-type"], "text/xml");
    let (_, body) = text(answer);
    assert_eq!(
        body,
        format!(
            "<?xml version=\"1.0\"?>\n<ErrorResponse xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><Error>\
             <Type>Sender</Type><Code>NoSuchHostedZone</Code><Message>No hosted zone found with ID: Z404</Message>\
             </Error><RequestId>{id}</RequestId></ErrorResponse>"
        )
    );
}

#[tokio::test(start_paused = true)]
async fn an_id_with_its_path_left_on_is_taken_for_a_wrong_signature() {
    let client = Client::new();
    let path = format!("/2013-04-01/hostedzone//hostedzone/{}/rrset", client.zone);
    let (status, body) = client.send(Method::GET, &path, "").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(body.contains("<InvalidSignatureException><Message>"), "{body}");
    let (status, _) = client.send(Method::GET, "/2013-04-01/nothing", "").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn both_paths_for_changes_are_served() {
    let client = Client::new();
    for (path, host) in [("rrset", "a"), ("rrset/", "b")] {
        let path = format!("/2013-04-01/hostedzone/{}/{path}", client.zone);
        let body = batch(&change("CREATE", &format!("{host}.example.com"), "A", &["192.0.2.1"]));
        assert_eq!(client.send(Method::POST, &path, &body).await.0, StatusCode::OK);
    }
}

#[tokio::test(start_paused = true)]
async fn zones_are_made_and_removed() {
    let client = Client::new();
    let create = |name: &str, reference: &str| {
        format!(
            "<CreateHostedZoneRequest xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><Name>{name}</Name>\
             <CallerReference>{reference}</CallerReference><HostedZoneConfig><Comment>c</Comment></HostedZoneConfig>\
             </CreateHostedZoneRequest>"
        )
    };
    let path = "/2013-04-01/hostedzone";
    let (status, body) = client.send(Method::POST, path, &create("example.net", "1")).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    let id = between(&body, "Id").to_owned();
    assert_eq!(between(&body, "CallerReference"), "1");
    let (status, body) = client.send(Method::POST, path, &create("example.org", "1")).await;
    assert_eq!((status.as_u16(), refusal(&body).0), (409, "HostedZoneAlreadyExists".to_owned()));
    let (_, body) = client.send(Method::POST, path, &create("*.example.org", "2")).await;
    assert_eq!(refusal(&body).0, "InvalidDomainName");

    client.world.put_record(set("a.example.net", RecordType::A, &["192.0.2.1"])).unwrap();
    let zone = format!("/2013-04-01{id}");
    let (_, body) = client.send(Method::DELETE, &zone, "").await;
    assert_eq!(refusal(&body).0, "HostedZoneNotEmpty");
    let key = crate::dns::RecordKey::simple(name("a.example.net"), RecordType::A);
    assert!(client.world.remove_record(&key).is_some());
    assert_eq!(client.send(Method::DELETE, &zone, "").await.0, StatusCode::OK);
    assert_eq!(client.send(Method::GET, &zone, "").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_at_home_at_other_hosts() {
    let client = Client::new();
    let request = Request::get("http://192.0.2.1/").body(Bytes::new()).unwrap();
    assert!(matches!(client.transport.send(request).await, Err(Error::Connect { .. })));
    let request = Request::get("http://localhost:4566/date").body(Bytes::new()).unwrap();
    let transport = client.transport.clone().at("localhost:4566", crate::sandbox::Side::Api);
    assert_eq!(transport.send(request).await.unwrap().status(), StatusCode::OK);
}
