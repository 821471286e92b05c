//! `/sandbox/` on the metadata port: what people and scripts use to change the world while it runs.

use std::fmt::Write;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use serde_json::{Map, Value, json};

use super::answer::response;
use super::fault::Script;
use super::world::World;

pub(super) fn answer(world: &World, request: &Request<Bytes>) -> Response<Bytes> {
    let path = request.uri().path();
    match (request.method(), path) {
        (&Method::GET, "/sandbox/instance") => shown(&world.lock().instance.shown()),
        (&Method::PUT, "/sandbox/instance") => {
            let now = world.now();
            let mut state = world.lock();
            match object(request.body()).and_then(|changes| state.instance.change(&changes, now)) {
                Ok(()) => shown(&state.instance.shown()),
                Err(why) => refused(StatusCode::BAD_REQUEST, &why),
            }
        }
        (&Method::GET, "/sandbox/stats") => shown(&world.lock().log.stats()),
        (&Method::POST, "/sandbox/fault") => {
            let text = String::from_utf8_lossy(request.body());
            match text.trim().parse::<Script>() {
                Ok(script) => {
                    world.inject(script);
                    shown(&json!({ "fault": script.to_string() }))
                }
                Err(why) => refused(StatusCode::BAD_REQUEST, &why.to_string()),
            }
        }
        (&Method::DELETE, "/sandbox/fault") => {
            world.clear_faults();
            shown(&json!({ "fault": null }))
        }
        (_, "/sandbox/instance" | "/sandbox/stats" | "/sandbox/fault") => {
            refused(StatusCode::METHOD_NOT_ALLOWED, &format!("{path} doesn't take {}", request.method()))
        }
        _ => refused(
            StatusCode::NOT_FOUND,
            "known are GET and PUT /sandbox/instance, GET /sandbox/stats, POST and DELETE /sandbox/fault",
        ),
    }
}

/// A JSON object, or a form in which an empty value is null.
fn object(body: &[u8]) -> Result<Map<String, Value>, String> {
    let text = std::str::from_utf8(body).map_err(|_| "expected UTF-8".to_owned())?.trim();
    if text.starts_with('{') {
        return serde_json::from_str(text).map_err(|e| format!("expected a JSON object: {e}"));
    }
    if text.is_empty() {
        return Err("expected a JSON object or a form, found nothing".to_owned());
    }
    text.split('&')
        .map(|pair| {
            let (key, value) =
                pair.split_once('=').ok_or_else(|| format!("expected KEY=VALUE, found '{pair}'"))?;
            let value = super::listing::decoded(value);
            Ok((key.to_owned(), if value.is_empty() { Value::Null } else { Value::String(value) }))
        })
        .collect()
}

fn shown(value: &Value) -> Response<Bytes> {
    response(StatusCode::OK, "application/json", format!("{value:#}\n"))
}

fn refused(status: StatusCode, why: &str) -> Response<Bytes> {
    let mut body = String::new();
    let _ = writeln!(body, "{:#}", json!({ "error": why }));
    response(status, "application/json", body)
}
