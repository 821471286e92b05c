//! Roles: who may assume them, and what their credentials are good for.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use jiff::{SignedDuration, Timestamp};

use super::super::{InProcess, World};
use super::NOW;
use crate::clock::SteadyClock;
use crate::secret::Credentials;
use crate::sign::sigv4::{Scope, Signer};
use crate::transport::Transport;

const ROLE: &str = "arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fdns";

fn world() -> Arc<World> {
    World::new(Arc::new(SteadyClock::starting_at(NOW.parse().unwrap())))
}

async fn ask(world: &Arc<World>, by: Option<&Credentials>, form: &str) -> Response<Bytes> {
    let request = Request::post("https://sts.eu-west-1.amazonaws.com/")
        .header("content-type", "application/x-www-form-urlencoded");
    let mut request = request.body(Bytes::copy_from_slice(form.as_bytes())).unwrap();
    if let Some(by) = by {
        let now: Timestamp = NOW.parse().unwrap();
        let signed = Signer::new(Scope::new("eu-west-1", "sts")).sign(&request, by, now).unwrap();
        signed.apply(request.headers_mut());
    }
    InProcess::new(Arc::clone(world)).send(request).await.unwrap()
}

fn text(answer: &Response<Bytes>, element: &str) -> String {
    let body = std::str::from_utf8(answer.body()).unwrap();
    let from = body.split(&format!("<{element}>")).nth(1).unwrap_or_default();
    from.split(&format!("</{element}>")).next().unwrap().to_owned()
}

fn assume(more: &str) -> String {
    format!("Action=AssumeRole&Version=2011-06-15&RoleArn={ROLE}&RoleSessionName=me{more}")
}

#[tokio::test(start_paused = true)]
async fn whoever_has_a_key_assumes_a_role_and_is_somebody_else_then() {
    let world = world();
    let answer = ask(&world, Some(&world.long_lived_credentials()), &assume("&DurationSeconds=900")).await;
    assert_eq!(answer.status(), StatusCode::OK, "{answer:?}");
    assert_eq!(text(&answer, "Expiration"), "2026-03-01T12:15:00Z");
    let assumed = Credentials::new(text(&answer, "AccessKeyId"), text(&answer, "SecretAccessKey"))
        .with_token(text(&answer, "SessionToken"));
    let who = ask(&world, Some(&assumed), "Action=GetCallerIdentity&Version=2011-06-15").await;
    assert_eq!(text(&who, "Arn"), "arn:aws:sts::123456789012:assumed-role/dns/me");
}

#[tokio::test(start_paused = true)]
async fn a_role_is_refused_without_its_external_id_without_a_signature_and_to_strangers() {
    let world = world();
    world.guard_role("arn:aws:iam::123456789012:role/dns", "x-1");
    let keys = world.long_lived_credentials();
    let code = |answer: Response<Bytes>| text(&answer, "Code");
    assert_eq!(code(ask(&world, Some(&keys), &assume("")).await), "AccessDenied");
    assert_eq!(code(ask(&world, Some(&keys), &assume("&ExternalId=x-2")).await), "AccessDenied");
    assert_eq!(code(ask(&world, Some(&keys), &assume("&ExternalId=x-1")).await), "");
    assert_eq!(code(ask(&world, None, &assume("&ExternalId=x-1")).await), "MissingAuthenticationToken");
    let other = assume("").replace("123456789012", "210987654321");
    assert_eq!(code(ask(&world, Some(&keys), &other).await), "AccessDenied");
    assert_eq!(
        code(ask(&world, Some(&keys), &assume("&ExternalId=x-1&DurationSeconds=1")).await),
        "ValidationError"
    );
    assert_eq!(code(ask(&world, Some(&keys), "Action=Nothing").await), "InvalidAction");
}

#[tokio::test(start_paused = true)]
async fn a_token_of_a_trusted_provider_is_as_good_as_a_signature_until_it_ends() {
    let world = world();
    let form =
        |token: &str| assume(&format!("&WebIdentityToken={token}")).replace("Role&", "RoleWithWebIdentity&");
    assert_eq!(text(&ask(&world, None, &form("a.b.c")).await, "Code"), "InvalidIdentityToken");
    world.trust_token("a.b.c", None);
    assert!(text(&ask(&world, None, &form("a.b.c")).await, "AccessKeyId").starts_with("ASIA"));
    let ended = world.now().checked_sub(SignedDuration::from_secs(1)).unwrap();
    world.trust_token("d.e.f", Some(ended));
    assert_eq!(text(&ask(&world, None, &form("d.e.f")).await, "Code"), "ExpiredTokenException");
}
