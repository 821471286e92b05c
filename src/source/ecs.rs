//! `ecs`: the network of the ECS task that this is a container of, by the task metadata endpoint,
//! version 4.
//!
//! Only in the network mode `awsvpc` has a task addresses of its own. They are private ones: the
//! endpoint knows no public address.
//!
//! Spec: <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4.html>

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri};
use serde::Deserialize;

use crate::causes::with_causes;
use crate::dns::RecordType;
use crate::env::Env;
use crate::transport::{self, Transport};

use super::look::Observation;
use super::values;

/// Bounds of the requests: the endpoint is a link-local neighbour, and tells of all containers of the task.
pub const TRANSPORT: transport::Settings = transport::Settings {
    connect_timeout: Duration::from_secs(1),
    timeout: Duration::from_secs(2),
    body_limit: 1024 * 1024,
    proxy: false,
};

const VARIABLE: &str = "ECS_CONTAINER_METADATA_URI_V4";
const ATTEMPTS: u32 = 2;

#[derive(Deserialize)]
struct Task {
    #[serde(rename = "Containers", default)]
    containers: Vec<Container>,
}

#[derive(Deserialize)]
struct Container {
    #[serde(rename = "Networks", default)]
    networks: Option<Vec<Network>>,
}

#[derive(Deserialize)]
struct Network {
    #[serde(rename = "NetworkMode", default)]
    mode: String,
    #[serde(rename = "IPv4Addresses", default)]
    v4: Option<Vec<String>>,
    #[serde(rename = "IPv6Addresses", default)]
    v6: Option<Vec<String>>,
    #[serde(rename = "PrivateDNSName", default)]
    host: Option<String>,
}

pub(super) async fn read(endpoint: &dyn Transport, env: &Env, rtype: RecordType) -> Observation {
    let unknown = |why: String| Observation::Unknown(format!("the task metadata endpoint {why}"));
    let Some(base) = env.get(VARIABLE) else {
        return Observation::Unknown(format!(
            "{VARIABLE} isn't set: this is no container of an ECS task (agent 1.39, Fargate platform 1.4 or later)"
        ));
    };
    let Ok(uri) = format!("{}/task", base.trim_end_matches('/')).parse::<Uri>() else {
        return Observation::Unknown(format!("{VARIABLE}: expected a URL, found '{base}'"));
    };
    let mut attempt = 1;
    let answer = loop {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = uri.clone();
        match endpoint.send(request).await {
            Ok(answer) => break answer,
            Err(error) if error.is_transient() && attempt < ATTEMPTS => attempt += 1,
            Err(error) => return unknown(format!("can't be read: {}", with_causes(&error))),
        }
    };
    if answer.status() != StatusCode::OK {
        return unknown(format!("answered with status {}", answer.status().as_u16()));
    }
    match serde_json::from_slice(answer.body()) {
        Ok(task) => understand(&task, rtype),
        Err(error) => unknown(format!("can't be understood: {error}")),
    }
}

fn understand(task: &Task, rtype: RecordType) -> Observation {
    let networks = || task.containers.iter().flat_map(|container| container.networks.iter().flatten());
    let own: Vec<&Network> = networks().filter(|network| network.mode == "awsvpc").collect();
    if own.is_empty() {
        let found = match networks().next() {
            Some(network) => format!("'{}'", values::shortened(&network.mode)),
            None => "none".to_owned(),
        };
        return Observation::Unknown(format!(
            "expected a task with the network mode 'awsvpc', which alone gives it addresses of its own, found {found}"
        ));
    }
    let (what, texts): (&str, Vec<&str>) = match rtype {
        RecordType::A => {
            ("IPv4Addresses", own.iter().flat_map(|n| n.v4.iter().flatten()).map(String::as_str).collect())
        }
        RecordType::Aaaa => {
            ("IPv6Addresses", own.iter().flat_map(|n| n.v6.iter().flatten()).map(String::as_str).collect())
        }
        _ => ("PrivateDNSName", own.iter().filter_map(|n| n.host.as_deref()).collect()),
    };
    match values::read(rtype, what, &texts.join("\n")) {
        Observation::KnownNone(_) => Observation::KnownNone(format!("the task has no {what}")),
        observation => observation,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After the documentation's example of a Fargate task, with an IPv6 address and what isn't read left out.
    const TASK: &str = r#"{
        "Cluster": "default", "TaskARN": "arn:aws:ecs:us-west-2:111122223333:task/default/e9028f8d5d8e4f258373e7b93ce9a3c3",
        "Containers": [
          {"Name": "~internal~ecs~pause", "Networks": [{"NetworkMode": "awsvpc", "IPv4Addresses": ["10.0.2.61"],
            "IPv6Addresses": ["2600:1f14::61"], "MACAddress": "0a:10:e7:10:f4:9d", "PrivateDNSName": "ip-10-0-2-61.us-west-2.compute.internal"}]},
          {"Name": "query-metadata", "Networks": [{"NetworkMode": "awsvpc", "IPv4Addresses": ["10.0.2.61"],
            "IPv6Addresses": ["2600:1f14::61"], "PrivateDNSName": "ip-10-0-2-61.us-west-2.compute.internal"}]},
          {"Name": "starting"}]}"#;

    fn of(json: &str, rtype: RecordType) -> Observation {
        understand(&serde_json::from_str(json).unwrap(), rtype)
    }

    fn shown(observation: &Observation) -> String {
        match observation {
            Observation::Known(values) => {
                values.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
            }
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn each_type_has_its_field() {
        assert_eq!(shown(&of(TASK, RecordType::A)), "10.0.2.61");
        assert_eq!(shown(&of(TASK, RecordType::Aaaa)), "2600:1f14::61");
        assert_eq!(shown(&of(TASK, RecordType::Cname)), "ip-10-0-2-61.us-west-2.compute.internal");
    }

    #[test]
    fn another_network_mode_is_told() {
        for (task, found) in [
            (TASK.replace("awsvpc", "bridge"), "'bridge'"),
            (TASK.replace("awsvpc", "host"), "'host'"),
            ("{}".to_owned(), "none"),
        ] {
            let Observation::Unknown(why) = of(&task, RecordType::A) else { panic!("{found}") };
            assert!(why.contains("'awsvpc'") && why.ends_with(&format!("found {found}")), "{why}");
        }
    }

    #[test]
    fn a_task_without_an_address_of_the_family_has_none() {
        let v4_only = TASK.replace("\"IPv6Addresses\": [\"2600:1f14::61\"],", "");
        assert_eq!(
            of(&v4_only, RecordType::Aaaa),
            Observation::KnownNone("the task has no IPv6Addresses".into())
        );
    }

    /// An endpoint that mustn't be asked.
    struct Nobody;

    impl Transport for Nobody {
        fn send(
            &self,
            request: Request<Bytes>,
        ) -> transport::BoxFuture<'_, Result<http::Response<Bytes>, transport::Error>> {
            panic!("{} was asked for", request.uri())
        }
    }

    #[tokio::test]
    async fn outside_of_a_task_it_is_unknown() {
        let observation = read(&Nobody, &Env::default(), RecordType::A).await;
        assert!(
            matches!(observation, Observation::Unknown(why) if why.contains("ECS_CONTAINER_METADATA_URI_V4 isn't set"))
        );
    }
}
