//! The credential chain, in worlds on disk: a folder a case, with files, environment, traffic and what is to
//! come of it. Whatever happens there, no secret reaches a log line or an error.
//!
//! | in a world | is |
//! |---|---|
//! | `world.json` | `says`: the rule it holds; `env`; `config`: pin53's own `[aws]`; `traffic`; `leaves`; `expect` |
//! | `home/…` | files of the home directory; `{root}` in any text is where the world's copy stands |
//!
//! Every secret in a world has `sentinel` in it. Traffic is an exchange after the other, in that order, each
//! with what the request has to be and what is answered: `silence` for no way there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use pin53::aws::credentials::{self, Chain, Error};
use pin53::aws::shared::Shared;
use pin53::aws::sts::Role;
use pin53::causes::with_causes;
use pin53::clock::{ServerClock, SteadyClock};
use pin53::env::Env;
use pin53::imds::{self, Imds};
use pin53::secret::{Credentials, ExposeSecret};
use pin53::state::State;
use pin53::transport::{self, BoxFuture, Transport};
use serde::Deserialize;

use crate::house::Log;

/// The time of every world.
const NOW: &str = "2026-11-21T10:00:00Z";
const DATE: &str = "Sat, 21 Nov 2026 10:00:00 GMT";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct World {
    says: String,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    config: Config,
    #[serde(default)]
    traffic: Vec<Exchange>,
    /// Files of JSON in the home directory, as they are to be in the end.
    #[serde(default)]
    leaves: BTreeMap<String, serde_json::Value>,
    expect: Expect,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Config {
    profile: Option<String>,
    assume_role: Option<AssumeRole>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AssumeRole {
    arn: String,
    external_id: Option<String>,
    session_name: Option<String>,
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct Exchange {
    /// Method and URL.
    request: String,
    /// Headers that it has; null for one that it must not have. A value may be a beginning, with `…` behind it.
    #[serde(default)]
    headers: BTreeMap<String, Option<String>>,
    /// Fields of the form in its body, all of them.
    #[serde(default)]
    form: BTreeMap<String, String>,
    /// The JSON in its body.
    #[serde(default)]
    json: serde_json::Value,
    #[serde(default)]
    status: Option<u16>,
    #[serde(default)]
    body: serde_json::Value,
    #[serde(default)]
    answer_headers: BTreeMap<String, String>,
    #[serde(default)]
    silence: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, untagged)]
enum Expect {
    Credentials { key_id: String, secret: String, token: Option<String> },
    Error { error: String, kind: String },
}

/// Answers as the world's traffic says, and holds each request against it.
struct Script {
    left: Mutex<std::collections::VecDeque<Exchange>>,
    faults: Mutex<Vec<String>>,
}

impl Script {
    fn answer(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, transport::Error> {
        let host = request.uri().authority().map_or_else(String::new, ToString::to_string);
        let shown = format!("{} {}", request.method(), request.uri());
        let refused = || transport::Error::Connect { host: host.clone(), source: None };
        let Some(exchange) = self.left.lock().unwrap().pop_front() else {
            self.faults.lock().unwrap().push(format!("{shown}: nothing was to be asked any more"));
            return Err(refused());
        };
        let mut faults = Vec::new();
        if exchange.request != shown {
            faults.push(format!("wanted {}, found {shown}", exchange.request));
        }
        for (name, wanted) in &exchange.headers {
            let found = request.headers().get(name).map(|value| value.to_str().unwrap());
            let fits = match (wanted, found) {
                (Some(wanted), Some(found)) => match wanted.strip_suffix('…') {
                    Some(start) => found.starts_with(start),
                    None => found == wanted,
                },
                (None, None) => true,
                _ => false,
            };
            if !fits {
                faults.push(format!("{shown}: {name}: wanted {wanted:?}, found {found:?}"));
            }
        }
        if !exchange.form.is_empty() {
            let text = String::from_utf8(request.body().to_vec()).unwrap();
            let found: BTreeMap<String, String> =
                text.split('&').map(|pair| pair.split_once('=').unwrap()).map(decoded).collect();
            if found != exchange.form {
                faults.push(format!("{shown}: wanted {:?}, found {found:?}", exchange.form));
            }
        }
        if !exchange.json.is_null() {
            let found: serde_json::Value = serde_json::from_slice(request.body()).unwrap();
            if found != exchange.json {
                faults.push(format!("{shown}: wanted {}, found {found}", exchange.json));
            }
        }
        self.faults.lock().unwrap().extend(faults);
        if exchange.silence {
            return Err(refused());
        }
        let body = match exchange.body {
            serde_json::Value::Null => String::new(),
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        };
        let mut answer = Response::builder().status(exchange.status.unwrap_or(200)).header("date", DATE);
        for (name, value) in &exchange.answer_headers {
            answer = answer.header(name, value);
        }
        Ok(answer.body(Bytes::from(body)).unwrap())
    }
}

fn decoded((name, value): (&str, &str)) -> (String, String) {
    let value = percent_encoding::percent_decode_str(value).decode_utf8().unwrap();
    (name.to_owned(), value.into_owned())
}

impl Transport for Script {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, transport::Error>> {
        Box::pin(std::future::ready(self.answer(&request)))
    }
}

fn copy(from: &Path, to: &Path, root: &str) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &target, root);
        } else {
            fs::write(&target, fs::read_to_string(&path).unwrap().replace("{root}", root)).unwrap();
            fs::set_permissions(&target, fs::metadata(&path).unwrap().permissions()).unwrap();
        }
    }
}

async fn resolved(world: &World, script: &Arc<Script>) -> Result<Credentials, Error> {
    let env = Env::from_iter(world.env.clone());
    let shared = Arc::new(Shared::load(&env, world.config.profile.as_deref())?);
    let property = |key: &str| shared.property(key).map(|said| (said.value, said.by));
    let settings = imds::Settings::read(&env, property).unwrap();
    let clock = Arc::new(ServerClock::default());
    let imds =
        Arc::new(Imds::new(settings, Arc::<Script>::clone(script) as Arc<dyn Transport>, Arc::clone(&clock)));
    let assume_role = world.config.assume_role.as_ref().map(|role| Role {
        arn: role.arn.clone(),
        session_name: role.session_name.clone(),
        external_id: role.external_id.clone(),
        duration: None,
    });
    let chain = Chain::new(credentials::Parts {
        shared,
        assume_role,
        imds,
        clock,
        machine: Arc::new(SteadyClock::starting_at(NOW.parse().unwrap())),
        state: Arc::new(State::in_memory()),
        to_sts: Arc::<Script>::clone(script),
        to_container: Arc::<Script>::clone(script),
    });
    chain.get().await
}

fn kind(error: &Error) -> &'static str {
    match error {
        Error::Broken { .. } => "broken",
        Error::Refused { .. } | Error::Role { .. } => "refused",
        Error::NotFound(_) => "not found",
        Error::Unanswered { .. } | Error::Metadata(_) => "unanswered",
    }
}

/// What is wrong with what came of a world, and what was logged.
fn faults_of(folder: &Path) -> (Vec<String>, String) {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().to_str().unwrap().to_owned();
    let text = fs::read_to_string(folder.join("world.json")).unwrap().replace("{root}", &root);
    let mut world: World =
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    assert!(!world.says.is_empty());
    let home = directory.path().join("home");
    if folder.join("home").exists() {
        copy(&folder.join("home"), &home, &root);
    }
    world.env.entry("HOME".to_owned()).or_insert_with(|| home.to_str().unwrap().to_owned());

    let script =
        Arc::new(Script { left: Mutex::new(world.traffic.clone().into()), faults: Mutex::default() });
    let log = Log::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let found = tracing::subscriber::with_default(log.subscriber(tracing::Level::TRACE), || {
        runtime.block_on(async {
            // A program that is waited for runs in real time.
            if !has_process(folder) {
                tokio::time::pause();
            }
            resolved(&world, &script).await
        })
    });
    let mut faults = std::mem::take(&mut *script.faults.lock().unwrap());
    for (path, wanted) in &world.leaves {
        let found: serde_json::Value = serde_json::from_slice(&fs::read(home.join(path)).unwrap()).unwrap();
        if found != *wanted {
            faults.push(format!("{path}: wanted {wanted}, found {found}"));
        }
    }
    let left = script.left.lock().unwrap();
    faults.extend(left.iter().map(|exchange| format!("not asked: {}", exchange.request)));
    let logged = log.text();
    match (found, &world.expect) {
        (Ok(found), Expect::Credentials { key_id, secret, token }) => {
            let shown = (
                found.key_id.as_str(),
                found.secret.expose_secret(),
                found.session_token.as_ref().map(ExposeSecret::expose_secret),
            );
            if shown != (key_id.as_str(), secret.as_str(), token.as_deref()) {
                faults.push(format!("wanted {key_id}, found {shown:?}"));
            }
        }
        (Err(error), Expect::Error { error: wanted, kind: wanted_kind }) => {
            let told = with_causes(&error);
            if !told.contains(wanted.as_str()) || kind(&error) != wanted_kind {
                faults.push(format!("wanted {wanted_kind}: {wanted}, found {}: {told}", kind(&error)));
            }
            if format!("{told} {error:?}").contains("sentinel") {
                faults.push(format!("a secret in an error: {told}"));
            }
        }
        (Ok(found), Expect::Error { error, .. }) => {
            faults.push(format!("wanted {error}, found credentials of {}", found.key_id));
        }
        (Err(error), Expect::Credentials { key_id, .. }) => {
            faults.push(format!("wanted {key_id}, found {}: {}", kind(&error), with_causes(&error)));
        }
    }
    if logged.contains("sentinel") {
        faults.push(format!("a secret in the log: {logged}"));
    }
    (faults, logged)
}

fn has_process(folder: &Path) -> bool {
    let config = folder.join("home/.aws/config");
    fs::read_to_string(config).is_ok_and(|text| text.contains("credential_process"))
}

#[test]
fn in_every_world_the_chain_finds_what_it_should_and_tells_no_secret() {
    let worlds = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/worlds");
    let mut folders: Vec<PathBuf> =
        fs::read_dir(worlds).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    let (mut told, mut log) = (Vec::new(), String::new());
    for folder in &folders {
        let name = folder.file_name().unwrap().to_str().unwrap();
        let (faults, logged) = faults_of(folder);
        told.extend(faults.into_iter().map(|fault| format!("{name}: {fault}")));
        log.push_str(&logged);
    }
    assert!(log.contains("assuming a role"), "the log is heard");
    assert!(told.is_empty(), "{}", told.join("\n"));
    assert!(folders.len() >= 120, "{} worlds", folders.len());
}
