//! Misbehaviour on purpose.

use std::time::Duration;

use super::*;
use crate::sandbox::{Fault, Operation};

const ZONES: &str = "/2013-04-01/hostedzone";

async fn code(client: &Client) -> (u16, String) {
    let (status, body) = client.send(Method::GET, ZONES, "").await;
    let code = if body.contains("<Code>") { refusal(&body).0 } else { body };
    (status.as_u16(), code)
}

fn create() -> [String; 1] {
    [change("CREATE", "a.example.com", "A", &["192.0.2.1"])]
}

#[tokio::test(start_paused = true)]
async fn throttling_ends_after_as_many_calls_as_it_was_asked_for() {
    let client = Client::new();
    client.world.inject(Fault::Throttle.times(2));
    assert_eq!(code(&client).await, (400, "Throttling".to_owned()));
    let (code_of, message) = client.change(&create()).await.unwrap_err();
    assert_eq!((&*code_of, &*message), ("Throttling", "Rate exceeded"));
    assert_eq!(code(&client).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_answer_can_say_when_to_come_back() {
    let client = Client::new();
    client.world.inject(Fault::RetryAfter(Duration::from_millis(1_500)));
    client.world.inject(Fault::Throttle);
    let throttled = client.try_send(Method::GET, ZONES, "").await.unwrap();
    assert_eq!(throttled.headers()["x-amz-retry-after"], "1500");
    let answered = client.try_send(Method::GET, ZONES, "").await.unwrap();
    assert!(!answered.headers().contains_key("x-amz-retry-after"));
}

#[tokio::test(start_paused = true)]
async fn a_fault_of_one_operation_leaves_the_others_alone() {
    let client = Client::new();
    client.world.inject(Fault::Throttle.at(Operation::ChangeResourceRecordSets));
    assert_eq!(code(&client).await.0, 200);
    assert_eq!(client.change(&create()).await.unwrap_err().0, "Throttling");
    client.world.inject(Fault::PriorRequest);
    assert_eq!(code(&client).await.0, 200);
    assert_eq!(client.change(&create()).await.unwrap_err().0, "PriorRequestNotComplete");
}

#[tokio::test(start_paused = true)]
async fn server_errors_come_in_every_form() {
    let client = Client::new();
    client.world.inject(Fault::ServerError.times(3));
    assert_eq!(code(&client).await, (503, String::new()));
    let (status, body) = code(&client).await;
    assert!(status == 500 && body.starts_with("<html>"));
    assert_eq!(code(&client).await, (503, "ServiceUnavailable".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_none_come_with_status_200() {
    let client = Client::new();
    client.world.inject(Fault::Html);
    client.world.inject(Fault::Empty);
    let (status, body) = code(&client).await;
    assert!(status == 200 && body.starts_with("<html>"));
    assert_eq!(code(&client).await, (200, String::new()));
    client.world.inject(Fault::Endless);
    assert!(matches!(client.try_send(Method::GET, ZONES, "").await, Err(Error::TooLarge { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_leaves_the_change_made() {
    let client = Client::new();
    client.world.inject(Fault::LostAnswer);
    assert_eq!(code(&client).await.0, 200, "only changes lose their answers");
    let path = format!("/2013-04-01/hostedzone/{}/rrset/", client.zone);
    let lost = client.try_send(Method::POST, &path, &batch(&create()[0])).await.unwrap_err();
    assert!(lost.may_have_arrived());
    assert!(client.world.record(&name("a.example.com"), RecordType::A).is_some());
    let log = client.world.requests();
    assert_eq!(log.last().unwrap().status, None);
    client.world.inject(Fault::CutBody);
    assert!(matches!(client.try_send(Method::GET, ZONES, "").await, Err(Error::Cut { .. })));
}

#[tokio::test(start_paused = true)]
async fn an_edit_by_someone_else_comes_between_reading_and_writing() {
    let client = Client::new();
    client.world.put_record(set("a.example.com", RecordType::A, &["192.0.2.200"])).unwrap();
    client.world.inject(Fault::Edit);
    let swap = [
        change("DELETE", "a.example.com", "A", &["192.0.2.200"]),
        change("CREATE", "a.example.com", "A", &["198.51.100.1"]),
    ];
    let (code, message) = client.change(&swap).await.unwrap_err();
    assert_eq!(code, "InvalidChangeBatch");
    assert!(message.contains("do not match the current values"), "{message}");
    let found = client.world.record(&name("a.example.com"), RecordType::A).unwrap();
    assert_ne!(found, set("a.example.com", RecordType::A, &["192.0.2.200"]));
    client.world.inject(Fault::Edit);
    let create = [change("CREATE", "new.example.com", "A", &["192.0.2.1"])];
    assert!(client.change(&create).await.unwrap_err().1.contains("but it already exists"));
}

#[tokio::test(start_paused = true)]
async fn a_slow_change_is_pending_until_its_time() {
    let client = Client::new();
    client.world.inject(Fault::SlowInsync(Duration::from_secs(30)));
    let answer = client.change(&create()).await.unwrap();
    let path = format!("/2013-04-01{}", between(&answer, "Id"));
    tokio::time::advance(Duration::from_secs(29)).await;
    assert_eq!(between(&client.get(&path).await, "Status"), "PENDING");
    assert!(client.world.record(&name("a.example.com"), RecordType::A).is_some(), "lists show it at once");
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(between(&client.get(&path).await, "Status"), "INSYNC");
}

#[tokio::test(start_paused = true)]
async fn a_scheme_can_be_refused() {
    let client = Client::new();
    client.world.inject(Fault::RejectAws3);
    assert_eq!(code(&client).await, (403, "MissingAuthenticationToken".to_owned()));
    assert_eq!(code(&client).await.0, 403, "for good");
    let mut request = client.request(Method::GET, ZONES, "");
    let scope = crate::sign::sigv4::Scope::new("us-east-1", "route53");
    crate::sign::sigv4::Signer::new(scope)
        .sign(&request, &client.credentials, client.time)
        .unwrap()
        .apply(request.headers_mut());
    assert_eq!(client.transport.send(request).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn an_expired_token_is_cured_by_new_credentials() {
    let mut client = Client::new();
    client.credentials = client.world.role_credentials().unwrap();
    client.world.inject(Fault::ExpiredToken);
    assert_eq!(code(&client).await, (403, "ExpiredToken".to_owned()));
    assert_eq!(code(&client).await, (403, "ExpiredToken".to_owned()), "the old ones stay expired");
    client.credentials = client.world.role_credentials().unwrap();
    assert_eq!(code(&client).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn refused_batches_can_be_told_in_the_older_shape() {
    let client = Client::new();
    client.world.inject(Fault::OldErrors);
    let path = format!("/2013-04-01/hostedzone/{}/rrset/", client.zone);
    let delete = batch(&change("DELETE", "a.example.com", "A", &["192.0.2.1"]));
    let (status, body) = client.send(Method::POST, &path, &delete).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(body.contains("<InvalidChangeBatch xmlns="), "{body}");
    assert!(body.contains("<Messages><Message>Tried to delete"), "{body}");
}

#[tokio::test(start_paused = true)]
async fn latency_is_waited_for_once_a_request() {
    let client = Client::new();
    client.world.set_latency("aws=41ms".parse().unwrap());
    let before = tokio::time::Instant::now();
    assert_eq!(code(&client).await.0, 200);
    assert_eq!(before.elapsed(), Duration::from_millis(41));
}

#[tokio::test(start_paused = true)]
async fn requests_are_written_down_and_counted() {
    let client = Client::new();
    code(&client).await;
    client.change(&create()).await.unwrap();
    assert_eq!(client.world.calls(Operation::ChangeResourceRecordSets), 1);
    let log = client.world.requests();
    assert_eq!(log.len(), 2);
    assert_eq!(log[1].status, Some(StatusCode::OK));
    assert!(log[1].body.contains("<Action>CREATE</Action>"));
    client.world.forget_requests();
    assert!(client.world.requests().is_empty());
}
