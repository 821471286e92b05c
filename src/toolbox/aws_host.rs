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
    ("appsync-api", "appsync"),
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
    ("ddb", "dynamodb"),
    ("deployment-marketplace", "aws-marketplace"),
    ("discovery-marketplace", "aws-marketplace"),
    ("email", "ses"),
    ("eventsv2", "events"),
    ("forecastquery", "forecast"),
    ("git-codecommit", "codecommit"),
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
    ("queue", "sqs"),
    ("reporting-marketplace", "aws-marketplace"),
    ("runtime-v2-lex", "lex"),
    ("s3-accelerate", "s3"),
    ("s3-accesspoint", "s3"),
    ("s3-control", "s3"),
    ("servicecatalog-appregistry", "servicecatalog"),
    ("sms-voice.pinpoint", "sms-voice"),
    ("transcribestreaming", "transcribe"),
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
    let host = host.strip_suffix('.').unwrap_or(&host);
    let (name, whole) = PARTITIONS
        .iter()
        .find_map(|(suffix, region)| host.strip_suffix(suffix).map(|name| (name, *region)))?;
    // Endpoints inside a VPC end in `SERVICE.REGION.vpce`.
    let name = name.strip_suffix(".vpce").unwrap_or(name);
    let labels: Vec<&str> =
        name.split('.').filter(|label| !matches!(*label, "dualstack" | "global")).collect();
    if let Some(region) = labels.last()?.strip_prefix("s3-").filter(|region| is_region(region)) {
        return Some(Known { region: region.to_owned(), service: "s3".to_owned() });
    }
    // A bucket may have the name of a region.
    let is_bucket = |at: usize| labels.get(at + 1) == Some(&"s3");
    let region_at = labels.iter().rposition(|label| is_region(label)).filter(|at| !is_bucket(*at));
    let (region, before) = match region_at {
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
    let service = match known {
        Some((_, service)) => service,
        // `ACCOUNT-ats.iot.REGION`
        None if last == "iot" && plain.len() > 1 => "iotdata",
        // `BUCKET--ZONE--x-s3.s3express-ZONE.REGION`
        None if last.starts_with("s3express-") => "s3express",
        None => last,
    };
    Some(service.to_owned())
}

/// Whether a label is a region's, like `us-east-1` (botocore, `partitions.json`).
fn is_region(label: &str) -> bool {
    const AREAS: [&str; 11] = ["af", "ap", "ca", "cn", "eu", "eusc", "il", "me", "mx", "sa", "us"];
    let parts: Vec<&str> = label.split('-').collect();
    let [area, words @ .., number] = &parts[..] else { return false };
    let word = |word: &&str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    AREAS.contains(area)
        && (1..=2).contains(&words.len())
        && words.iter().all(word)
        && matches!(number.as_bytes(), [b'1'..=b'9'] | [b'1'..=b'9', b'0'..=b'9'])
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
            ("iam.amazonaws.com.", "us-east-1", "iam"),
            ("my-app-1.s3.amazonaws.com", "us-east-1", "s3"),
            ("us-east-2.s3.amazonaws.com", "us-east-1", "s3"),
            ("us-east-2.s3.eu-west-1.amazonaws.com", "eu-west-1", "s3"),
            ("vpce-1a2b.lambda.us-east-1.vpce.amazonaws.com", "us-east-1", "lambda"),
            ("bucket.vpce-1a2b.s3.us-east-1.vpce.amazonaws.com", "us-east-1", "s3"),
            ("x.appsync-api.eu-west-1.amazonaws.com", "eu-west-1", "appsync"),
            ("123456789012.ddb.us-east-1.amazonaws.com", "us-east-1", "dynamodb"),
            ("abc-ats.iot.us-east-1.amazonaws.com", "us-east-1", "iotdata"),
            ("iot.us-east-1.amazonaws.com", "us-east-1", "iot"),
            ("eu-west-1.queue.amazonaws.com", "eu-west-1", "sqs"),
            ("b--use1-az4--x-s3.s3express-use1-az4.us-east-1.amazonaws.com", "us-east-1", "s3express"),
            ("s3express-control.us-east-1.amazonaws.com", "us-east-1", "s3express"),
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
