//! The partitions of AWS: parts with accounts, names and endpoints of their own.
//!
//! Spec: <https://docs.aws.amazon.com/general/latest/gr/r53.html>

/// A part of AWS, found by a region's name.
pub(super) struct Partition {
    /// What the names of its regions begin with; the last partition takes all others.
    region_prefix: &'static str,
    /// Its name, as it stands in ARNs.
    pub name: &'static str,
    pub route53: Route53,
    /// What the hosts of its regional services end with, and of those with dual stack.
    suffix: &'static str,
    dual_stack_suffix: &'static str,
    /// Its plain hosts of STS and SSO are validated under FIPS already.
    plain_is_fips: bool,
}

/// The one Route 53 of a partition.
pub(super) struct Route53 {
    pub host: &'static str,
    pub signing_region: &'static str,
    pub fips: Option<&'static str>,
    pub dual_stack: Option<&'static str>,
    pub fips_dual_stack: Option<&'static str>,
}

const PARTITIONS: &[Partition] = &[
    Partition {
        region_prefix: "cn-",
        name: "aws-cn",
        route53: Route53 {
            host: "route53.amazonaws.com.cn",
            signing_region: "cn-northwest-1",
            fips: Some("route53-fips.amazonaws.com.cn"),
            dual_stack: Some("route53.global.api.amazonwebservices.com.cn"),
            fips_dual_stack: Some("route53-fips.api.amazonwebservices.com.cn"),
        },
        suffix: "amazonaws.com.cn",
        dual_stack_suffix: "api.amazonwebservices.com.cn",
        plain_is_fips: false,
    },
    Partition {
        region_prefix: "us-gov-",
        name: "aws-us-gov",
        route53: Route53 {
            host: "route53.us-gov.amazonaws.com",
            signing_region: "us-gov-west-1",
            fips: Some("route53.us-gov.amazonaws.com"),
            dual_stack: Some("route53.us-gov.api.aws"),
            fips_dual_stack: Some("route53.us-gov.api.aws"),
        },
        suffix: "amazonaws.com",
        dual_stack_suffix: "api.aws",
        plain_is_fips: true,
    },
    Partition {
        region_prefix: "us-iso-",
        name: "aws-iso",
        route53: Route53 {
            host: "route53.c2s.ic.gov",
            signing_region: "us-iso-east-1",
            fips: Some("route53-fips.c2s.ic.gov"),
            dual_stack: Some("route53.api.aws.ic.gov"),
            fips_dual_stack: Some("route53-fips.api.aws.ic.gov"),
        },
        suffix: "c2s.ic.gov",
        dual_stack_suffix: "api.aws.ic.gov",
        plain_is_fips: false,
    },
    Partition {
        region_prefix: "us-isob-",
        name: "aws-iso-b",
        route53: Route53 {
            host: "route53.sc2s.sgov.gov",
            signing_region: "us-isob-east-1",
            fips: Some("route53-fips.sc2s.sgov.gov"),
            dual_stack: Some("route53.api.aws.scloud"),
            fips_dual_stack: Some("route53-fips.api.aws.scloud"),
        },
        suffix: "sc2s.sgov.gov",
        dual_stack_suffix: "api.aws.scloud",
        plain_is_fips: false,
    },
    Partition {
        region_prefix: "eu-isoe-",
        name: "aws-iso-e",
        route53: Route53 {
            host: "route53.cloud.adc-e.uk",
            signing_region: "eu-isoe-west-1",
            fips: Some("route53-fips.cloud.adc-e.uk"),
            dual_stack: None,
            fips_dual_stack: None,
        },
        suffix: "cloud.adc-e.uk",
        dual_stack_suffix: "api.cloud-aws.adc-e.uk",
        plain_is_fips: false,
    },
    Partition {
        region_prefix: "us-isof-",
        name: "aws-iso-f",
        route53: Route53 {
            host: "route53.csp.hci.ic.gov",
            signing_region: "us-isof-south-1",
            fips: Some("route53-fips.csp.hci.ic.gov"),
            dual_stack: None,
            fips_dual_stack: None,
        },
        suffix: "csp.hci.ic.gov",
        dual_stack_suffix: "api.aws.hci.ic.gov",
        plain_is_fips: false,
    },
    Partition {
        region_prefix: "eusc-",
        name: "aws-eusc",
        route53: Route53 {
            host: "route53.amazonaws.eu",
            signing_region: "eusc-de-east-1",
            fips: Some("route53-fips.amazonaws.eu"),
            dual_stack: Some("route53.global.api.amazonwebservices.eu"),
            fips_dual_stack: Some("route53-fips.api.amazonwebservices.eu"),
        },
        suffix: "amazonaws.eu",
        dual_stack_suffix: "api.amazonwebservices.eu",
        plain_is_fips: false,
    },
    AWS,
];

/// The one that all regions without a prefix of their own are in.
const AWS: Partition = Partition {
    region_prefix: "",
    name: "aws",
    route53: Route53 {
        host: "route53.amazonaws.com",
        signing_region: "us-east-1",
        fips: Some("route53-fips.amazonaws.com"),
        dual_stack: Some("route53.global.api.aws"),
        fips_dual_stack: Some("route53-fips.global.api.aws"),
    },
    suffix: "amazonaws.com",
    dual_stack_suffix: "api.aws",
    plain_is_fips: false,
};

impl Partition {
    pub(super) fn of(region: &str) -> &'static Self {
        PARTITIONS.iter().find(|partition| region.starts_with(partition.region_prefix)).unwrap_or(&AWS)
    }

    /// The host of a service that each region has its own of.
    pub(super) fn regional(&self, service: &str, region: &str, fips: bool, dual_stack: bool) -> String {
        let suffix = if dual_stack { self.dual_stack_suffix } else { self.suffix };
        let variant = if fips && (dual_stack || !self.plain_is_fips) { "-fips" } else { "" };
        format!("{service}{variant}.{region}.{suffix}")
    }
}
