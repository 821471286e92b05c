//! Which host speaks for Route 53, and in which region its requests are signed.
//!
//! Spec: <https://docs.aws.amazon.com/general/latest/gr/r53.html>

use http::Uri;

use crate::env::Env;

/// A Route 53 endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Scheme and authority, without a final slash: also the name by which state remembers it.
    pub url: String,
    /// The region of SigV4's scope.
    pub signing_region: String,
}

/// The endpoint can't be told.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{variable}: expected a URL like https://route53.amazonaws.com, found '{found}'")]
    Url { variable: &'static str, found: String },
    #[error("{variable} gives a custom endpoint, which doesn't go together with FIPS or dual stack")]
    CustomWithVariant { variable: &'static str },
    #[error("region {region} has no Route 53 endpoint {wish}")]
    NoVariant { region: String, wish: &'static str },
}

/// A part of AWS with accounts, names and endpoints of its own.
struct Partition {
    /// What the names of its regions begin with; the last partition takes all others.
    region_prefix: &'static str,
    host: &'static str,
    signing_region: &'static str,
    fips: Option<&'static str>,
    dual_stack: Option<&'static str>,
    fips_dual_stack: Option<&'static str>,
}

const PARTITIONS: &[Partition] = &[
    Partition {
        region_prefix: "cn-",
        host: "route53.amazonaws.com.cn",
        signing_region: "cn-northwest-1",
        fips: Some("route53-fips.amazonaws.com.cn"),
        dual_stack: Some("route53.global.api.amazonwebservices.com.cn"),
        fips_dual_stack: Some("route53-fips.api.amazonwebservices.com.cn"),
    },
    Partition {
        region_prefix: "us-gov-",
        host: "route53.us-gov.amazonaws.com",
        signing_region: "us-gov-west-1",
        fips: Some("route53.us-gov.amazonaws.com"),
        dual_stack: Some("route53.us-gov.api.aws"),
        fips_dual_stack: Some("route53.us-gov.api.aws"),
    },
    Partition {
        region_prefix: "us-iso-",
        host: "route53.c2s.ic.gov",
        signing_region: "us-iso-east-1",
        fips: Some("route53-fips.c2s.ic.gov"),
        dual_stack: Some("route53.api.aws.ic.gov"),
        fips_dual_stack: Some("route53-fips.api.aws.ic.gov"),
    },
    Partition {
        region_prefix: "us-isob-",
        host: "route53.sc2s.sgov.gov",
        signing_region: "us-isob-east-1",
        fips: Some("route53-fips.sc2s.sgov.gov"),
        dual_stack: Some("route53.api.aws.scloud"),
        fips_dual_stack: Some("route53-fips.api.aws.scloud"),
    },
    Partition {
        region_prefix: "eu-isoe-",
        host: "route53.cloud.adc-e.uk",
        signing_region: "eu-isoe-west-1",
        fips: Some("route53-fips.cloud.adc-e.uk"),
        dual_stack: None,
        fips_dual_stack: None,
    },
    Partition {
        region_prefix: "us-isof-",
        host: "route53.csp.hci.ic.gov",
        signing_region: "us-isof-south-1",
        fips: Some("route53-fips.csp.hci.ic.gov"),
        dual_stack: None,
        fips_dual_stack: None,
    },
    Partition {
        region_prefix: "eusc-",
        host: "route53.amazonaws.eu",
        signing_region: "eusc-de-east-1",
        fips: Some("route53-fips.amazonaws.eu"),
        dual_stack: Some("route53.global.api.amazonwebservices.eu"),
        fips_dual_stack: Some("route53-fips.api.amazonwebservices.eu"),
    },
    Partition {
        region_prefix: "",
        host: "route53.amazonaws.com",
        signing_region: "us-east-1",
        fips: Some("route53-fips.amazonaws.com"),
        dual_stack: Some("route53.global.api.aws"),
        fips_dual_stack: Some("route53-fips.global.api.aws"),
    },
];

impl Partition {
    fn of(region: &str) -> Option<&'static Self> {
        PARTITIONS.iter().find(|partition| region.starts_with(partition.region_prefix))
    }
}

impl Endpoint {
    /// The endpoint that AWS's variables ask for: a custom one, or that of the region's partition.
    ///
    /// # Errors
    /// When the custom one is no URL or stands beside FIPS or dual stack, or the partition lacks
    /// what is asked for.
    pub fn from_env(env: &Env) -> Result<Self, Error> {
        let region = env.get("AWS_REGION").or_else(|| env.get("AWS_DEFAULT_REGION")).unwrap_or("us-east-1");
        let fips = env.is_true("AWS_USE_FIPS_ENDPOINT");
        let dual_stack = env.is_true("AWS_USE_DUALSTACK_ENDPOINT");
        let partition = Partition::of(region);
        let signing_region = partition.map_or("us-east-1", |p| p.signing_region).to_owned();

        let custom = ["AWS_ENDPOINT_URL_ROUTE_53", "AWS_ENDPOINT_URL"]
            .into_iter()
            .filter(|_| !env.is_true("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"))
            .find_map(|variable| Some((variable, env.get(variable)?)));
        if let Some((variable, url)) = custom {
            if fips || dual_stack {
                return Err(Error::CustomWithVariant { variable });
            }
            let parsed: Option<Uri> = url.parse().ok();
            let usable = parsed.is_some_and(|uri| {
                matches!(uri.scheme_str(), Some("http" | "https"))
                    && uri.authority().is_some()
                    && uri.query().is_none()
            });
            if !usable {
                return Err(Error::Url { variable, found: url.to_owned() });
            }
            return Ok(Self { url: url.trim_end_matches('/').to_owned(), signing_region });
        }
        let (host, wish) = match (fips, dual_stack) {
            (false, false) => (partition.map(|p| p.host), ""),
            (true, false) => (partition.and_then(|p| p.fips), "with FIPS"),
            (false, true) => (partition.and_then(|p| p.dual_stack), "with dual stack"),
            (true, true) => (partition.and_then(|p| p.fips_dual_stack), "with FIPS and dual stack"),
        };
        let host = host.ok_or_else(|| Error::NoVariant { region: region.to_owned(), wish })?;
        Ok(Self { url: format!("https://{host}"), signing_region })
    }

    /// Whether nobody on the way can read or change what is sent: TLS, or no way at all.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.is_tls() || self.is_loopback()
    }

    /// Whether the way there is TLS. Only then may a proxy of the environment stand between: it would
    /// see everything else.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.url.starts_with("https://")
    }

    fn is_loopback(&self) -> bool {
        let Ok(uri) = self.url.parse::<Uri>() else { return false };
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(env: &[(&str, &str)]) -> Result<Endpoint, Error> {
        Endpoint::from_env(&Env::from_iter(env.iter().copied()))
    }

    #[test]
    fn every_region_and_variant_has_the_endpoint_that_aws_rules_give_it() {
        #[derive(serde::Deserialize)]
        struct Case {
            region: String,
            fips: bool,
            dualstack: bool,
            url: Option<String>,
            signing_region: Option<String>,
        }
        let cases = include_str!("../../tests/vectors/route53_endpoints.json");
        let cases: Vec<Case> = serde_json::from_str(cases).unwrap();
        assert!(cases.len() > 30);
        for case in cases {
            let found = endpoint(&[
                ("AWS_REGION", &case.region),
                ("AWS_USE_FIPS_ENDPOINT", if case.fips { "true" } else { "false" }),
                ("AWS_USE_DUALSTACK_ENDPOINT", if case.dualstack { "true" } else { "" }),
            ]);
            let shown = format!("{} fips={} dualstack={}", case.region, case.fips, case.dualstack);
            match (case.url, found) {
                (Some(url), Ok(found)) => {
                    assert_eq!(found.url, url, "{shown}");
                    assert_eq!(Some(found.signing_region), case.signing_region, "{shown}");
                }
                (None, Err(_)) => {}
                (wanted, found) => panic!("{shown}: wanted {wanted:?}, found {found:?}"),
            }
        }
    }

    #[test]
    fn a_custom_endpoint_wins_and_does_not_mix_with_variants() {
        let custom = ("AWS_ENDPOINT_URL_ROUTE_53", "http://127.0.0.1:4566/");
        let general = ("AWS_ENDPOINT_URL", "http://localhost:1");
        assert_eq!(endpoint(&[custom, general]).unwrap().url, "http://127.0.0.1:4566");
        assert_eq!(endpoint(&[general]).unwrap().url, "http://localhost:1");
        assert_eq!(
            endpoint(&[general, ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")]).unwrap().url,
            "https://route53.amazonaws.com"
        );
        assert!(matches!(
            endpoint(&[custom, ("AWS_USE_FIPS_ENDPOINT", "true")]),
            Err(Error::CustomWithVariant { .. })
        ));
        assert!(matches!(endpoint(&[("AWS_ENDPOINT_URL", "route53")]), Err(Error::Url { .. })));
    }

    #[test]
    fn only_tls_and_loopback_are_private() {
        let private =
            |url: &str| Endpoint { url: url.to_owned(), signing_region: String::new() }.is_private();
        assert!(private("https://route53.amazonaws.com"));
        assert!(private("http://127.0.0.1:4566"));
        assert!(private("http://[::1]:4566"));
        assert!(private("http://localhost:4566"));
        assert!(!private("http://10.0.0.1:4566"));
        assert!(!private("http://route53.amazonaws.com"));
    }
}
