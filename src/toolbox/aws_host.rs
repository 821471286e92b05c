//! What the name of an AWS host says of the scope that its requests are signed for.
//!
//! Names are `SERVICE.REGION.amazonaws.com`, with exceptions that are listed here. Held against what
//! botocore knows of every service (`tests/interop/test_hosts.py`). Not here: hosts of other names.

/// Where names end, and the region of services that have one for a whole partition.
const PARTITIONS: &[(&str, &str)] = &[
    (".amazonaws.com.cn", "cn-north-1"),
    (".api.amazonwebservices.com.cn", "cn-north-1"),
    (".amazonaws.com", "us-east-1"),
    (".api.aws", "us-east-1"),
    (".on.aws", "us-east-1"),
    (".amazonaws.eu", "eusc-de-east-1"),
    (".c2s.ic.gov", "us-iso-east-1"),
    (".sc2s.sgov.gov", "us-isob-east-1"),
    (".cloud.adc-e.uk", "eu-isoe-west-1"),
    (".csp.hci.ic.gov", "us-isof-south-1"),
];

/// Services that China has in its other region alone.
const IN_NORTHWEST: &[&str] = &["budgets", "health", "route53"];

/// Hosts whose service is called otherwise in a signature: what stands before the region, and the name.
const CALLED_OTHERWISE: &[(&str, &str)] = &[
    ("account-access-runtime", "account-access"),
    ("agent-registry-control", "agent-registry"),
    ("agreement-marketplace", "aws-marketplace"),
    ("api.tunneling.iot", "IoTSecuredTunneling"),
    ("appconfigdata", "appconfig"),
    ("appstream2", "appstream"),
    ("bedrock-agent", "bedrock"),
    ("bedrock-agent-runtime", "bedrock"),
    ("bedrock-agentcore-control", "bedrock-agentcore"),
    ("bedrock-data-automation", "bedrock"),
    ("bedrock-data-automation-runtime", "bedrock"),
    ("bedrock-runtime", "bedrock"),
    ("cassandra-streams", "cassandra"),
    ("cloudhsmv2", "cloudhsm"),
    ("cloudsearchdomain", "cloudsearch"),
    ("cloudwatch-omni", "cloudwatch"),
    ("contact-lens", "connect"),
    ("data-ats.iot", "iotdata"),
    ("data.ats.iot", "iotdata"),
    ("data-signer", "signer"),
    ("data.iot", "iotdata"),
    ("data.jobs.iot", "iot-jobs-data"),
    ("deployment-marketplace", "aws-marketplace"),
    ("discovery-marketplace", "aws-marketplace"),
    ("email", "ses"),
    ("eventsv2", "events"),
    ("forecastquery", "forecast"),
    ("iam-toolbox", "iam"),
    ("identity-chime", "chime"),
    ("ivsrealtime", "ivs"),
    ("lambda-url", "lambda"),
    ("mail-manager", "ses"),
    ("marketplace", "aws-marketplace"),
    ("media-pipelines-chime", "chime"),
    ("meetings-chime", "chime"),
    ("memory-db", "memorydb"),
    ("messaging-chime", "chime"),
    ("migrationhub-config", "mgh"),
    ("models-v2-lex", "lex"),
    ("oidc", "sso-oauth"),
    ("participant.connect", "execute-api"),
    ("partnercentral-prm", "partnercentral"),
    ("personalize-events", "personalize"),
    ("personalize-runtime", "personalize"),
    ("pinpoint", "mobiletargeting"),
    ("portal.sso", "awsssoportal"),
    ("reporting-marketplace", "aws-marketplace"),
    ("runtime-v2-lex", "lex"),
    ("s3-accelerate", "s3"),
    ("s3-control", "s3"),
    ("servicecatalog-appregistry", "servicecatalog"),
    ("sms-voice.pinpoint", "sms-voice"),
    ("voice-chime", "chime"),
];

/// The region and the service of an AWS host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    pub region: String,
    pub service: String,
}

/// Reads a host's name, without a port; `None` for one that isn't AWS's.
#[must_use]
pub fn read(host: &str) -> Option<Known> {
    let host = host.to_ascii_lowercase();
    let (name, whole) = PARTITIONS
        .iter()
        .find_map(|(suffix, region)| host.strip_suffix(suffix).map(|name| (name, *region)))?;
    let labels: Vec<&str> =
        name.split('.').filter(|label| !matches!(*label, "dualstack" | "global")).collect();
    if let Some(region) = labels.last()?.strip_prefix("s3-").filter(|region| is_region(region)) {
        return Some(Known { region: region.to_owned(), service: "s3".to_owned() });
    }
    let (region, before) = match labels.iter().rposition(|label| is_region(label)) {
        // `DOMAIN.REGION.es.amazonaws.com`
        Some(at) if at + 1 < labels.len() => (labels[at], &labels[at + 1..]),
        Some(at) => (labels[at], &labels[..at]),
        None => match labels.split_last()? {
            (&"us-gov", before) => ("us-gov-west-1", before),
            _ => (whole, &labels[..]),
        },
    };
    let service = called(before)?;
    let region = if region == "cn-north-1"
        && whole == region
        && IN_NORTHWEST.contains(&service.as_str())
        && !labels.contains(&region)
    {
        "cn-northwest-1"
    } else {
        region
    };
    Some(Known { region: region.to_owned(), service })
}

/// The name in signatures of the service that these labels end in.
fn called(labels: &[&str]) -> Option<String> {
    let plain: Vec<&str> = labels.iter().map(|label| label.strip_suffix("-fips").unwrap_or(label)).collect();
    let last = *plain.last().filter(|label| !label.is_empty())?;
    let whole = plain.join(".");
    let ends_in = |known: &str| whole == known || whole.ends_with(&format!(".{known}"));
    // The longest that fits: `sms-voice.pinpoint` before `pinpoint`.
    let known =
        CALLED_OTHERWISE.iter().filter(|(known, _)| ends_in(known)).max_by_key(|(known, _)| known.len());
    Some(known.map_or(last, |(_, service)| service).to_owned())
}

/// Whether a label has the shape of a region, like `us-east-1`.
fn is_region(label: &str) -> bool {
    let parts: Vec<&str> = label.split('-').collect();
    let words = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    matches!(parts.split_last(), Some((number, words_before)) if words_before.len() >= 2
        && (2..=4).contains(&words_before[0].len())
        && words_before.iter().all(words)
        && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_tells_region_and_service() {
        for (host, region, service) in [
            ("lambda.eu-west-1.amazonaws.com", "eu-west-1", "lambda"),
            ("Route53.amazonaws.com", "us-east-1", "route53"),
            ("route53.amazonaws.com.cn", "cn-northwest-1", "route53"),
            ("iam.cn-north-1.amazonaws.com.cn", "cn-north-1", "iam"),
            ("iam.us-gov.amazonaws.com", "us-gov-west-1", "iam"),
            ("route53.us-gov.api.aws", "us-gov-west-1", "route53"),
            ("route53.global.api.aws", "us-east-1", "route53"),
            ("route53-fips.amazonaws.com", "us-east-1", "route53"),
            ("route53.c2s.ic.gov", "us-iso-east-1", "route53"),
            ("my.bucket.s3.dualstack.eu-west-1.amazonaws.com", "eu-west-1", "s3"),
            ("bucket.s3.amazonaws.com", "us-east-1", "s3"),
            ("s3-us-west-2.amazonaws.com", "us-west-2", "s3"),
            ("search-x.eu-west-1.es.amazonaws.com", "eu-west-1", "es"),
            ("abc.execute-api.eu-west-1.amazonaws.com", "eu-west-1", "execute-api"),
            ("abc.lambda-url.eu-west-1.on.aws", "eu-west-1", "lambda"),
            ("sms-voice.pinpoint.us-east-1.amazonaws.com", "us-east-1", "sms-voice"),
            ("email.us-east-1.amazonaws.com", "us-east-1", "ses"),
        ] {
            let expected = Known { region: region.to_owned(), service: service.to_owned() };
            assert_eq!(read(host), Some(expected), "{host}");
        }
    }

    #[test]
    fn other_hosts_tell_nothing() {
        for host in
            ["example.com", "127.0.0.1", "amazonaws.com", ".amazonaws.com", "amazonaws.com.example.com", ""]
        {
            assert_eq!(read(host), None, "{host:?}");
        }
    }
}
