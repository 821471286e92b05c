//! The metadata service.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::*;
use crate::sandbox::{Fault, Side};

const TTL: &str = "x-aws-ec2-metadata-token-ttl-seconds";
const TOKEN: &str = "x-aws-ec2-metadata-token";

async fn send(
    client: &Client,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Response<Bytes>, Error> {
    let mut request = Request::builder().method(method).uri(format!("http://169.254.169.254{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    client.transport.send(request.body(Bytes::copy_from_slice(body.as_bytes())).unwrap()).await
}

async fn token(client: &Client, ttl: &str) -> (StatusCode, String) {
    text(send(client, Method::PUT, "/latest/api/token", &[(TTL, ttl)], "").await.unwrap())
}

async fn item(client: &Client, path: &str) -> (u16, String) {
    let (_, token) = token(client, "21600").await;
    let path = format!("/latest/meta-data/{path}");
    let (status, body) = text(send(client, Method::GET, &path, &[(TOKEN, &token)], "").await.unwrap());
    (status.as_u16(), body)
}

#[tokio::test(start_paused = true)]
async fn a_token_is_needed_and_comes_to_its_end() {
    let client = Client::new();
    let get = async |token: &str| {
        let path = "/latest/meta-data/public-hostname";
        send(&client, Method::GET, path, &[(TOKEN, token)], "").await.unwrap().status().as_u16()
    };
    assert_eq!(get("guessed").await, 401);
    let answer = send(&client, Method::PUT, "/latest/api/token", &[(TTL, "60")], "").await.unwrap();
    assert_eq!(answer.headers()[TTL], "60");
    assert_eq!(answer.headers()["date"], "Sun, 01 Mar 2026 12:00:00 GMT");
    assert_eq!(answer.headers()["connection"], "close");
    let (_, token) = text(answer);
    assert_eq!(get(&token).await, 200);
    tokio::time::advance(Duration::from_secs(59)).await;
    assert_eq!(get(&token).await, 200);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(get(&token).await, 401);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_given_to_well_formed_requests_from_nearby_only() {
    let client = Client::new();
    for bad in ["0", "21601", "x", ""] {
        assert_eq!(token(&client, bad).await.0, StatusCode::BAD_REQUEST, "{bad:?}");
    }
    let status = async |method: Method, path: &str, headers: &[(&str, &str)]| {
        send(&client, method, path, headers, "").await.unwrap().status().as_u16()
    };
    assert_eq!(status(Method::PUT, "/latest/api/token", &[]).await, 400);
    let forwarded = [(TTL, "60"), ("x-forwarded-for", "192.0.2.1")];
    assert_eq!(status(Method::PUT, "/latest/api/token", &forwarded).await, 403);
    assert_eq!(status(Method::PUT, "/2021-03-23/api/token", &[(TTL, "60")]).await, 403);
    assert_eq!(status(Method::GET, "/latest/api/token", &[]).await, 405);
    assert_eq!(status(Method::POST, "/latest/meta-data/mac", &[]).await, 405);
}

#[tokio::test(start_paused = true)]
async fn items_are_text_and_absent_ones_a_page() {
    let client = Client::new();
    assert_eq!(
        item(&client, "public-hostname").await,
        (200, "ec2-198-51-100-7.eu-west-1.compute.amazonaws.com".to_owned())
    );
    client.world.move_instance(Ipv4Addr::new(203, 0, 113, 9));
    assert_eq!(item(&client, "public-ipv4").await.1, "203.0.113.9");
    client.world.with_instance(super::super::Instance::release_address);
    let (status, body) = item(&client, "public-hostname").await;
    assert_eq!(status, 404);
    assert!(body.contains("<title>404 - Not Found</title>"), "{body}");
    assert_eq!(item(&client, "tags/instance/Name").await.0, 404);
    assert_eq!(item(&client, "placement/region").await.1, "eu-west-1");
    let mac = item(&client, "mac").await.1;
    assert_eq!(item(&client, &format!("network/interfaces/macs/{mac}/device-number")).await.1, "0");
}

#[tokio::test(start_paused = true)]
async fn folders_are_listed() {
    let client = Client::new();
    let list = item(&client, "").await.1;
    for entry in ["iam/", "local-ipv4", "network/", "placement/", "public-hostname"] {
        assert!(list.lines().any(|line| line == entry), "{entry} in {list}");
    }
    assert_eq!(item(&client, "iam/security-credentials/").await, (200, "pin53".to_owned()));
    assert_eq!(item(&client, "network/interfaces/macs/").await.1, "06:00:00:00:00:53/");
    client.world.with_instance(|instance| instance.role = None);
    assert_eq!(item(&client, "iam/security-credentials/").await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn a_roles_credentials_are_renewed_as_the_worlds_time_goes_on() {
    let client = Client::new();
    let read = async || -> serde_json::Value {
        serde_json::from_str(&item(&client, "iam/security-credentials/pin53").await.1).unwrap()
    };
    let first = read().await;
    assert_eq!(first["Code"], "Success");
    assert_eq!(first["Type"], "AWS-HMAC");
    assert_eq!(first["Expiration"], "2026-03-01T18:00:00Z");
    assert_eq!(read().await, first);
    tokio::time::advance(Duration::from_secs(5 * 3_600 + 1_800)).await;
    let second = read().await;
    assert_ne!(second["AccessKeyId"], first["AccessKeyId"]);
    assert_eq!(second["Expiration"], "2026-03-01T23:30:00Z");
}

#[tokio::test(start_paused = true)]
async fn the_instance_is_changed_and_looked_at_without_a_token() {
    let client = Client::new();
    let put =
        async |body: &str| text(send(&client, Method::PUT, "/sandbox/instance", &[], body).await.unwrap());
    let (status, body) = put(r#"{"public-hostname": null}"#).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(item(&client, "public-hostname").await.0, 404);
    assert_eq!(item(&client, "public-ipv4").await.0, 200, "only what is named changes");
    assert_eq!(put("public-hostname=a.example.net&public-ipv4=").await.0, StatusCode::OK);
    assert_eq!(item(&client, "public-hostname").await.1, "a.example.net");
    assert_eq!(item(&client, "public-ipv4").await.0, 404);
    let (status, body) = put("colour=red").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(body.contains("'colour' is nothing that can be changed"), "{body}");
    for bad in ["", "{", "[1]", "x"] {
        assert_eq!(put(bad).await.0, StatusCode::BAD_REQUEST, "{bad}");
    }
    let (_, shown) = text(send(&client, Method::GET, "/sandbox/instance", &[], "").await.unwrap());
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&shown).unwrap()["public-hostname"],
        "a.example.net"
    );
}

#[tokio::test(start_paused = true)]
async fn faults_are_ordered_and_counts_read_over_http() {
    let client = Client::new();
    let order = async |fault: &str| {
        send(&client, Method::POST, "/sandbox/fault", &[], fault).await.unwrap().status().as_u16()
    };
    assert_eq!(order("nonsense").await, 400);
    assert_eq!(order("no-address:1").await, 200);
    assert_eq!(item(&client, "public-hostname").await.0, 404);
    assert_eq!(item(&client, "public-hostname").await.0, 200);
    let (_, stats) = text(send(&client, Method::GET, "/sandbox/stats", &[], "").await.unwrap());
    let stats: serde_json::Value = serde_json::from_str(&stats).unwrap();
    assert_eq!(stats["imds"]["requests"], 4);
    assert_eq!(stats["imds"]["operations"]["meta-data/public-hostname"], 2);
    assert_eq!(client.world.requests_to(Side::Metadata), 4);
}

#[tokio::test(start_paused = true)]
async fn the_metadata_service_can_be_silent_broken_or_without_a_clock() {
    let client = Client::new();
    client.world.inject(Fault::ImdsSilent.lasting(Duration::from_secs(30)));
    let silent = send(&client, Method::PUT, "/latest/api/token", &[(TTL, "60")], "").await;
    assert!(matches!(silent, Err(Error::Timeout { .. })));
    tokio::time::advance(Duration::from_secs(30)).await;
    assert_eq!(token(&client, "60").await.0, StatusCode::OK);
    client.world.inject(Fault::ImdsError.times(1));
    assert_eq!(token(&client, "60").await.0, StatusCode::INTERNAL_SERVER_ERROR);
    let (_, good) = token(&client, "60").await;
    client.world.inject(Fault::ImdsToken.times(1));
    let mac = async || {
        let answer =
            send(&client, Method::GET, "/latest/meta-data/mac", &[(TOKEN, &good)], "").await.unwrap();
        answer.status().as_u16()
    };
    assert_eq!(mac().await, 401);
    assert_eq!(mac().await, 200);
    client.world.inject(Fault::ImdsOff.times(1));
    assert_eq!(token(&client, "60").await.0, StatusCode::FORBIDDEN);
    client.world.inject(Fault::ImdsV1.times(2));
    assert_eq!(token(&client, "60").await.0, StatusCode::METHOD_NOT_ALLOWED);
    let untold = send(&client, Method::GET, "/latest/meta-data/mac", &[], "").await.unwrap();
    assert_eq!(untold.status(), StatusCode::OK, "version 1 asks for no token");
    client.world.inject(Fault::NoDate);
    let answer = send(&client, Method::PUT, "/latest/api/token", &[(TTL, "60")], "").await.unwrap();
    assert!(!answer.headers().contains_key("date"));
}

#[tokio::test(start_paused = true)]
async fn an_announced_end_is_told_in_the_items_for_it() {
    let client = Client::new();
    for path in
        ["spot/instance-action", "autoscaling/target-lifecycle-state", "events/recommendations/rebalance"]
    {
        assert_eq!(item(&client, path).await.0, 404, "{path}");
    }
    let body = r#"{"spot-action": "terminate", "target-lifecycle-state": "Terminated"}"#;
    send(&client, Method::PUT, "/sandbox/instance", &[], body).await.unwrap();
    assert_eq!(
        item(&client, "spot/instance-action").await.1,
        r#"{"action":"terminate","time":"2026-03-01T12:02:00Z"}"#
    );
    assert_eq!(item(&client, "autoscaling/target-lifecycle-state").await.1, "Terminated");
}
