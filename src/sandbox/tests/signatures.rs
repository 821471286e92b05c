//! Who is let in.

use super::*;
use crate::sandbox::{Operation, Script};
use crate::sign::sigv4::{Scope, Signer};
use jiff::SignedDuration;

const ZONES: &str = "/2013-04-01/hostedzone";

fn v4(client: &Client, credentials: &Credentials, time: Timestamp, scope: (&str, &str)) -> Request<Bytes> {
    let mut request = client.request(Method::GET, ZONES, "");
    let signer = Signer::new(Scope::new(scope.0, scope.1));
    signer.sign(&request, credentials, time).unwrap().apply(request.headers_mut());
    request
}

async fn code(client: &Client, request: Request<Bytes>) -> (u16, String, String) {
    let (status, body) = text(client.transport.send(request).await.unwrap());
    if status.is_success() {
        return (status.as_u16(), String::new(), String::new());
    }
    let (code, message) = refusal(&body);
    (status.as_u16(), code, message)
}

const ROUTE53: (&str, &str) = ("us-east-1", "route53");

#[tokio::test(start_paused = true)]
async fn both_schemes_are_accepted_from_keys_that_are_known() {
    let client = Client::new();
    assert_eq!(client.send(Method::GET, ZONES, "").await.0, StatusCode::OK);
    assert_eq!(code(&client, v4(&client, &client.credentials, client.time, ROUTE53)).await.0, 200);
    let role = client.world.role_credentials().unwrap();
    assert_eq!(code(&client, v4(&client, &role, client.time, ROUTE53)).await.0, 200);
    let added = Credentials::new("AKIAADDED", "secret");
    assert_eq!(code(&client, v4(&client, &added, client.time, ROUTE53)).await.1, "InvalidClientTokenId");
    client.world.add_credentials(added.clone(), None);
    assert_eq!(code(&client, v4(&client, &added, client.time, ROUTE53)).await.0, 200);
    client.world.remove_credentials("AKIAADDED");
    assert_eq!(
        code(&client, v4(&client, &added, client.time, ROUTE53)).await,
        (403, "InvalidClientTokenId".into(), "The security token included in the request is invalid.".into())
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_signature_nobody_is_let_in() {
    let client = Client::new();
    let answer = code(&client, client.request(Method::GET, ZONES, "")).await;
    assert_eq!(answer, (403, "MissingAuthenticationToken".into(), "Missing Authentication Token".into()));
    let mut request = client.request(Method::GET, ZONES, "");
    request.headers_mut().insert("authorization", "Basic YTpi".parse().unwrap());
    assert_eq!(code(&client, request).await.1, "IncompleteSignature");
}

#[tokio::test(start_paused = true)]
async fn another_secret_another_body_or_another_scope_does_not_match() {
    let client = Client::new();
    let forged = Credentials::new(client.credentials.key_id.clone(), "guessed");
    let (status, code_of, message) = code(&client, v4(&client, &forged, client.time, ROUTE53)).await;
    assert_eq!((status, &*code_of), (403, "SignatureDoesNotMatch"));
    assert!(message.starts_with("The request signature we calculated does not match"), "{message}");
    assert!(message.contains("The Canonical String for this request should have been"), "{message}");

    let mut request = v4(&client, &client.credentials, client.time, ROUTE53);
    *request.body_mut() = Bytes::from_static(b"more");
    assert_eq!(code(&client, request).await.1, "SignatureDoesNotMatch");

    let (_, _, message) =
        code(&client, v4(&client, &client.credentials, client.time, ("us-east-1", "iam"))).await;
    assert_eq!(message, "Credential should be scoped to correct service: 'route53'. ");
    let elsewhere = v4(&client, &client.credentials, client.time, ("eu-west-1", "route53"));
    assert_eq!(code(&client, elsewhere).await.2, "Credential should be scoped to a valid region. ");
    let mut custom = client.request(Method::GET, ZONES, "");
    *custom.uri_mut() = format!("http://localhost:1{ZONES}").parse().unwrap();
    let signer = Signer::new(Scope::new("eu-west-1", "route53"));
    signer.sign(&custom, &client.credentials, client.time).unwrap().apply(custom.headers_mut());
    let transport = client.transport.clone().at("localhost:1", crate::sandbox::Side::Api);
    assert_eq!(
        transport.send(custom).await.unwrap().status(),
        StatusCode::OK,
        "as SDKs sign for other endpoints"
    );

    let mut request = client.request(Method::GET, ZONES, "");
    aws3::sign(request.headers(), &forged, aws3::Algorithm::HmacSha1, client.time)
        .unwrap()
        .apply(request.headers_mut());
    assert_eq!(code(&client, request).await.1, "SignatureDoesNotMatch");
}

#[tokio::test(start_paused = true)]
async fn a_date_holds_for_five_minutes_either_way() {
    let mut client = Client::new();
    let by = |seconds| NOW.parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds);
    for (offset, lets_in) in [(-300, true), (300, true), (-301, false), (301, false)] {
        client.time = by(offset);
        assert_eq!(client.send(Method::GET, ZONES, "").await.0.is_success(), lets_in, "{offset}");
        let v4 = code(&client, v4(&client, &client.credentials, client.time, ROUTE53)).await;
        assert_eq!(v4.0 == 200, lets_in, "{offset}");
    }
    client.time = by(-3_600);
    insta::assert_debug_snapshot!(code(&client, v4(&client, &client.credentials, client.time, ROUTE53)).await, @r#"
    (
        403,
        "SignatureDoesNotMatch",
        "Signature expired: 20260301T110000Z is now earlier than 20260301T115500Z (20260301T120000Z - 5 min.)",
    )
    "#);
    let (status, body) = client.send(Method::GET, ZONES, "").await;
    assert_eq!(status, 400);
    insta::assert_debug_snapshot!(refusal(&body), @r#"
    (
        "RequestExpired",
        "Request timestamp: Sun, 01 Mar 2026 11:00:00 GMT expired. It must be within 300 secs/ of server time.",
    )
    "#);
    client.time = by(3_600);
    assert_eq!(
        code(&client, v4(&client, &client.credentials, client.time, ROUTE53)).await.2,
        "Signature not yet current: 20260301T130000Z is still later than 20260301T120500Z (20260301T120000Z + 5 min.)"
    );
}

#[tokio::test(start_paused = true)]
async fn the_worlds_clock_can_be_wrong_and_says_so_in_every_answer() {
    let client = Client::new();
    client.world.inject("clock:+1y".parse::<Script>().unwrap());
    let answer = client.try_send(Method::GET, ZONES, "").await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert_eq!(answer.headers()["date"], "Mon, 01 Mar 2027 12:00:00 GMT");
    let date = client.transport.send(client.request(Method::GET, "/date", "")).await.unwrap();
    assert_eq!(date.status(), StatusCode::OK);
    assert_eq!(date.headers()["date"], "Mon, 01 Mar 2027 12:00:00 GMT");
    assert!(date.headers().contains_key("x-amzn-requestid"));
}

#[tokio::test(start_paused = true)]
async fn credentials_of_a_role_need_their_token_and_come_to_an_end() {
    let mut client = Client::new();
    let role = client.world.role_credentials().unwrap();
    let mut bare = role.clone();
    bare.session_token = None;
    assert_eq!(code(&client, v4(&client, &bare, client.time, ROUTE53)).await.1, "InvalidClientTokenId");
    client.credentials = role.clone();
    assert_eq!(client.send(Method::GET, ZONES, "").await.0, StatusCode::OK);
    client.world.expire_role_credentials();
    let (status, body) = client.send(Method::GET, ZONES, "").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(
        refusal(&body),
        ("ExpiredToken".to_owned(), "The security token included in the request is expired".to_owned())
    );
    client.credentials = client.world.role_credentials().unwrap();
    assert_ne!(client.credentials.key_id, role.key_id);
    assert_eq!(client.send(Method::GET, ZONES, "").await.0, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn what_is_denied_is_told_with_who_and_what() {
    let mut client = Client::new();
    client.credentials = client.world.role_credentials().unwrap();
    client.world.deny(Some(&client.credentials.key_id), Operation::ChangeResourceRecordSets);
    let (code, message) =
        client.change(&[change("CREATE", "a.example.com", "A", &["192.0.2.1"])]).await.unwrap_err();
    assert_eq!(code, "AccessDenied");
    assert_eq!(
        message,
        format!(
            "User: arn:aws:sts::123456789012:assumed-role/pin53/i-0123456789abcdef0 is not authorized to perform: \
             route53:ChangeResourceRecordSets on resource: arn:aws:route53:::hostedzone/{} because no identity-based \
             policy allows the route53:ChangeResourceRecordSets action",
            client.zone
        )
    );
    assert_eq!(client.send(Method::GET, ZONES, "").await.0, StatusCode::OK);
}
