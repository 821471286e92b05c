//! Which host speaks for a service, and in which region requests to it are signed.
//!
//! Not here: which region that is (`region`), and who may say so (`shared`).

use http::Uri;

use super::partition::Partition;
use super::shared::{Service, Shared};

/// The region that is taken where none is set and no metadata tells one.
pub const DEFAULT_REGION: &str = "us-east-1";

/// An endpoint of an AWS service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Scheme and authority, without a final slash: also the name by which state remembers it.
    pub url: String,
    /// The region of SigV4's scope.
    pub signing_region: String,
}

/// The endpoint can't be told.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    #[error("{by}: expected a URL like https://route53.amazonaws.com, found {found}")]
    Url { by: String, found: String },
    #[error("{by} gives a custom endpoint, which doesn't go together with {variant} ({variant_by})")]
    CustomWithVariant { by: String, variant: &'static str, variant_by: String },
    #[error("region {region} has no Route 53 endpoint {wish}")]
    NoVariant { region: String, wish: &'static str },
    #[error("{by}: expected a section [services {found}], found none")]
    NoServices { by: String, found: String },
    #[error("{by}: expected a region like eu-west-1, found '{found}'")]
    Region { by: String, found: String },
}

impl Endpoint {
    /// Where a service is for `region`: at a custom place, or at that of the region or its partition.
    ///
    /// # Errors
    /// When the custom one is no URL or stands beside FIPS or dual stack, or the partition lacks
    /// what is asked for.
    pub fn of(service: Service, shared: &Shared, region: &str) -> Result<Self, Error> {
        Self::find(service, shared, region, shared.dual_stack().is_some())
    }

    /// The same for an instance without IPv4, which reaches dual stack alone: that is taken where nobody says
    /// anything about it.
    ///
    /// # Errors
    /// As for [`of`](Self::of).
    pub fn without_ipv4(service: Service, shared: &Shared, region: &str) -> Result<Self, Error> {
        let said = shared.setting("AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint");
        match said {
            Some(_) => Self::of(service, shared, region),
            None => match Self::find(service, shared, region, true) {
                Err(Error::NoVariant { .. }) => Self::of(service, shared, region),
                found => found,
            },
        }
    }

    fn find(service: Service, shared: &Shared, region: &str, dual_stack: bool) -> Result<Self, Error> {
        if !is_region(region) {
            let by = shared.region().map_or_else(|| "the region".to_owned(), |said| said.by);
            return Err(Error::Region { by, found: region.to_owned() });
        }
        let region = of_global(region);
        let partition = Partition::of(region);
        let signing_region = match service {
            Service::Route53 => partition.route53.signing_region,
            Service::Sts | Service::Sso | Service::SsoOidc | Service::Lambda | Service::Sns => region,
        };
        let signing_region = signing_region.to_owned();
        let fips = shared.fips();
        let custom = shared
            .endpoint_url(service)
            .map_err(|name| Error::NoServices { by: name.by, found: name.value })?;
        if let Some(custom) = custom {
            if let Some((variant, said)) =
                fips.map(|said| ("FIPS", said)).or_else(|| Some(("dual stack", shared.dual_stack()?)))
            {
                return Err(Error::CustomWithVariant { by: custom.by, variant, variant_by: said.by });
            }
            // Nothing of ours speaks to a server by name and password, and messages name its host.
            if custom.value.contains('@') {
                return Err(Error::Url { by: custom.by, found: "one with '@' in it".to_owned() });
            }
            let parsed: Option<Uri> = custom.value.parse().ok();
            let usable = parsed.is_some_and(|uri| {
                matches!(uri.scheme_str(), Some("http" | "https"))
                    && uri.authority().is_some()
                    && uri.query().is_none()
            });
            if !usable {
                return Err(Error::Url { by: custom.by, found: format!("'{}'", custom.value) });
            }
            return Ok(Self { url: custom.value.trim_end_matches('/').to_owned(), signing_region });
        }
        let fips = fips.is_some();
        let host = match service {
            Service::Sts => partition.regional("sts", region, fips, dual_stack),
            Service::Sso => partition.regional("portal.sso", region, fips, dual_stack),
            Service::SsoOidc => partition.regional("oidc", region, fips, dual_stack),
            Service::Lambda => partition.regional("lambda", region, fips, dual_stack),
            Service::Sns => partition.regional("sns", region, fips, dual_stack),
            Service::Route53 => {
                let route53 = &partition.route53;
                let (host, wish) = match (fips, dual_stack) {
                    (false, false) => (Some(route53.host), ""),
                    (true, false) => (route53.fips, "with FIPS"),
                    (false, true) => (route53.dual_stack, "with dual stack"),
                    (true, true) => (route53.fips_dual_stack, "with FIPS and dual stack"),
                };
                host.ok_or_else(|| Error::NoVariant { region: region.to_owned(), wish })?.to_owned()
            }
        };
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

/// The region that stands behind a partition's name for all of its own: some tools are set to one.
fn of_global(region: &str) -> &str {
    match region {
        "aws-global" => DEFAULT_REGION,
        "aws-cn-global" => "cn-northwest-1",
        "aws-us-gov-global" => "us-gov-west-1",
        "aws-iso-global" => "us-iso-east-1",
        "aws-iso-b-global" => "us-isob-east-1",
        other => other,
    }
}

/// Whether a text can stand in a host name as a region does.
pub(super) fn is_region(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Env;

    fn endpoint_of(service: Service, env: &[(&str, &str)]) -> Result<Endpoint, Error> {
        let shared = Shared::load(&Env::from_iter(env.iter().copied()), None).unwrap();
        let region = shared.region().map_or(DEFAULT_REGION.to_owned(), |said| said.value);
        Endpoint::of(service, &shared, &region)
    }

    fn endpoint(env: &[(&str, &str)]) -> Result<Endpoint, Error> {
        endpoint_of(Service::Route53, env)
    }

    #[derive(serde::Deserialize)]
    struct Case {
        service: Option<String>,
        region: String,
        fips: bool,
        dualstack: bool,
        url: Option<String>,
        signing_region: Option<String>,
    }

    #[test]
    fn every_region_and_variant_has_the_endpoint_that_aws_rules_give_it() {
        let route53 = include_str!("../../tests/vectors/route53_endpoints.json");
        let regional = include_str!("../../tests/vectors/regional_endpoints.json");
        let cases = [route53, regional]
            .into_iter()
            .flat_map(|text| serde_json::from_str::<Vec<Case>>(text).unwrap())
            .collect::<Vec<_>>();
        assert!(cases.len() > 130);
        for case in cases {
            let service = match case.service.as_deref() {
                None => Service::Route53,
                Some("sts") => Service::Sts,
                Some("sso") => Service::Sso,
                Some(other) => {
                    assert_eq!(other, "sso-oidc");
                    Service::SsoOidc
                }
            };
            let found = endpoint_of(
                service,
                &[
                    ("AWS_REGION", &case.region),
                    ("AWS_USE_FIPS_ENDPOINT", if case.fips { "true" } else { "false" }),
                    ("AWS_USE_DUALSTACK_ENDPOINT", if case.dualstack { "true" } else { "" }),
                ],
            );
            let shown =
                format!("{service:?} {} fips={} dualstack={}", case.region, case.fips, case.dualstack);
            match (case.url, found) {
                (Some(url), Ok(found)) => {
                    assert_eq!(found.url, url, "{shown}");
                    if let Some(region) = case.signing_region {
                        assert_eq!(found.signing_region, region, "{shown}");
                    }
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
        let china = endpoint(&[general, ("AWS_REGION", "cn-north-1")]).unwrap();
        assert_eq!(china.signing_region, "cn-northwest-1");
        for variant in ["AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"] {
            let told = endpoint(&[custom, (variant, "true")]).unwrap_err().to_string();
            assert!(told.starts_with("AWS_ENDPOINT_URL_ROUTE_53 gives") && told.contains(variant), "{told}");
        }
        assert!(matches!(endpoint(&[("AWS_ENDPOINT_URL", "route53")]), Err(Error::Url { .. })));
        let told = endpoint(&[("AWS_ENDPOINT_URL", "https://me:sentinel@proxy")]).unwrap_err().to_string();
        assert!(told.starts_with("AWS_ENDPOINT_URL: expected a URL") && !told.contains("sentinel"), "{told}");
    }

    #[test]
    fn a_partition_may_be_named_in_place_of_a_region() {
        let found = endpoint(&[("AWS_REGION", "aws-cn-global")]).unwrap();
        assert_eq!(
            (found.url.as_str(), found.signing_region.as_str()),
            ("https://route53.amazonaws.com.cn", "cn-northwest-1")
        );
        let sts = endpoint_of(Service::Sts, &[("AWS_REGION", "aws-global")]).unwrap();
        assert_eq!(
            (sts.url.as_str(), sts.signing_region.as_str()),
            ("https://sts.us-east-1.amazonaws.com", "us-east-1")
        );
    }

    #[test]
    fn what_cannot_be_a_region_leads_to_no_host() {
        for wrong in ["eu west", "evil.example/", "-a", "a@b"] {
            let told = endpoint(&[("AWS_REGION", wrong)]).unwrap_err().to_string();
            assert!(told.starts_with("AWS_REGION: expected a region"), "{told}");
        }
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
