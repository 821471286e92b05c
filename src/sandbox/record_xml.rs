//! Record sets as XML: read from a change, written into a list.

use crate::dns::{Failover, Policy, RecordSet, RecordType, Routing, Target, Ttl, ZoneId};

use super::error::ApiError;
use super::value::{self, MAX_VALUE};
use super::xml::{Children, Element, Occurs, Order, check, invalid_xml};
use super::zones::Stored;

use Occurs::{Many, Maybe, Once};

const RECORD_SET: &Children = &[
    ("Name", Once),
    ("Type", Once),
    ("SetIdentifier", Maybe),
    ("Weight", Maybe),
    ("Region", Maybe),
    ("GeoLocation", Maybe),
    ("Failover", Maybe),
    ("MultiValueAnswer", Maybe),
    ("TTL", Maybe),
    ("ResourceRecords", Maybe),
    ("AliasTarget", Maybe),
    ("HealthCheckId", Maybe),
    ("TrafficPolicyInstanceId", Maybe),
    ("CidrRoutingConfig", Maybe),
    ("GeoProximityLocation", Maybe),
];
const RECORDS: &Children = &[("ResourceRecord", Many)];
const RECORD: &Children = &[("Value", Once)];
const ALIAS: &Children = &[("HostedZoneId", Once), ("DNSName", Once), ("EvaluateTargetHealth", Once)];
const GEO: &Children = &[("ContinentCode", Maybe), ("CountryCode", Maybe), ("SubdivisionCode", Maybe)];

/// The elements that say how a set is chosen among its like.
const POLICIES: [&str; 7] = [
    "Weight",
    "Region",
    "Failover",
    "GeoLocation",
    "MultiValueAnswer",
    "CidrRoutingConfig",
    "GeoProximityLocation",
];

/// Longest name with its escapes, longest comment, longest identifiers (API model).
const MAX_NAME: usize = 1_024;
const MAX_SET_IDENTIFIER: usize = 128;
const MAX_HEALTH_CHECK_ID: usize = 64;

/// Reads a `ResourceRecordSet`. `action` is told in messages.
///
/// # Errors
/// `InvalidInput` where the set makes no sense by itself, `InvalidChangeBatch` where its name is none.
pub(super) fn read(element: &Element, action: &str, order: Order) -> Result<Stored, ApiError> {
    check(element, RECORD_SET, order)?;
    let name_text = element.text_of("Name").unwrap_or_default();
    length("Name", name_text, MAX_NAME)?;
    let type_text = element.text_of("Type").unwrap_or_default();
    let rtype = RecordType::ALL.iter().copied().find(|t| t.as_str() == type_text).ok_or_else(|| {
        enumeration(type_text, &RecordType::ALL.iter().map(|t| t.as_str()).collect::<Vec<_>>())
    })?;
    let set_identifier = element.text_of("SetIdentifier");
    let context = format!(
        "in Change with [Action={action}, Name={name_text}, Type={type_text}, SetIdentifier={}]",
        set_identifier.unwrap_or("null")
    );
    let target = target(element, order, &context)?;
    let (policy, other_policy) = policy(element, order, &context)?;
    let routing = match (set_identifier, policy) {
        (None, None) => None,
        (None, Some(_)) => {
            return Err(ApiError::invalid_input(format!(
                "Invalid request: Missing field 'SetIdentifier' {context}"
            )));
        }
        (Some(_), None) => {
            return Err(ApiError::invalid_input(format!(
                "Invalid request: Expected exactly one of [{}], but found none {context}",
                POLICIES.join(", ")
            )));
        }
        (Some(id), Some(policy)) => {
            length("SetIdentifier", id, MAX_SET_IDENTIFIER)?;
            Some(Routing { set_identifier: id.to_owned(), policy })
        }
    };
    let health_check_id = element.text_of("HealthCheckId").map(str::to_owned);
    if let Some(id) = &health_check_id {
        length("HealthCheckId", id, MAX_HEALTH_CHECK_ID)?;
    }
    let name = value::name(name_text).map_err(|(code, words)| {
        ApiError::invalid_batch(vec![format!(
            "FATAL problem: {code} ({words}) encountered with '{name_text}'"
        )])
    })?;
    Ok(Stored { set: RecordSet { name, rtype, routing, target, health_check_id }, other_policy })
}

fn target(element: &Element, order: Order, context: &str) -> Result<Target, ApiError> {
    let ttl = element.text_of("TTL").map(ttl).transpose()?;
    let records = element.child("ResourceRecords").map(|r| values(r, order)).transpose()?;
    let alias = element.child("AliasTarget").map(|a| alias(a, order)).transpose()?;
    let traffic = element.text_of("TrafficPolicyInstanceId");
    let wrong = |found: &str| {
        ApiError::invalid_input(format!(
            "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], \
             or TrafficPolicyInstanceId], but found {found} {context}"
        ))
    };
    match (ttl, records, alias, traffic) {
        (Some(ttl), Some(values), None, None) => Ok(Target::Values { ttl, values }),
        (None, None, Some(alias), None) => Ok(alias),
        (None, None, None, Some(id)) => Ok(Target::TrafficPolicy(id.to_owned())),
        // One of the two without the other is as good as none.
        (None, Some(_), None, None) | (_, None, None, None) => Err(wrong("none")),
        _ => Err(wrong("more than one")),
    }
}

fn ttl(text: &str) -> Result<Ttl, ApiError> {
    match text.parse::<i64>() {
        Err(_) => Err(invalid_xml(&format!(
            "cvc-datatype-valid.1.2.1: '{text}' is not a valid value for 'integer'."
        ))),
        Ok(n) if n < 0 => Err(facet("minInclusive", text, "0", "TTL")),
        Ok(n) => u64::try_from(n)
            .ok()
            .and_then(|n| Ttl::new(n).ok())
            .ok_or_else(|| facet("maxInclusive", text, "2147483647", "TTL")),
    }
}

fn values(element: &Element, order: Order) -> Result<Vec<String>, ApiError> {
    check(element, RECORDS, order)?;
    element
        .children
        .iter()
        .map(|record| {
            check(record, RECORD, order)?;
            let value = record.text_of("Value").unwrap_or_default();
            length("RData", value, MAX_VALUE)?;
            Ok(value.to_owned())
        })
        .collect()
}

fn alias(element: &Element, order: Order) -> Result<Target, ApiError> {
    check(element, ALIAS, order)?;
    let id = element.text_of("HostedZoneId").unwrap_or_default();
    let zone_id = ZoneId::parse(id).ok().filter(|parsed| parsed.as_str() == id).ok_or_else(|| {
        length("ResourceId", id, 32).err().unwrap_or_else(|| {
            invalid_xml(&format!(
                "cvc-pattern-valid: Value '{id}' is not facet-valid with respect to pattern '[A-Z0-9]+'."
            ))
        })
    })?;
    let dns_name = element.text_of("DNSName").unwrap_or_default();
    let name = value::name(dns_name).map_err(|(code, words)| {
        ApiError::invalid_batch(vec![format!(
            "FATAL problem: {code} ({words}) encountered with '{dns_name}'"
        )])
    })?;
    let evaluate_health = boolean(element.text_of("EvaluateTargetHealth").unwrap_or_default())?;
    Ok(Target::Alias { zone_id, name, evaluate_health })
}

fn policy(
    element: &Element,
    order: Order,
    context: &str,
) -> Result<(Option<Policy>, Option<Element>), ApiError> {
    let mut found: Vec<&Element> = element.children.iter().filter(|c| POLICIES.contains(&&*c.name)).collect();
    // An answer of false is no policy.
    if let Some(place) = found.iter().position(|e| e.name == "MultiValueAnswer")
        && !boolean(found[place].text.trim())?
    {
        found.remove(place);
    }
    let policy = match found.as_slice() {
        [] => return Ok((None, None)),
        [policy] => *policy,
        _ => {
            return Err(ApiError::invalid_input(format!(
                "Invalid request: Expected exactly one of [{}], but found more than one {context}",
                POLICIES.join(", ")
            )));
        }
    };
    let text = policy.text.trim();
    Ok(match policy.name.as_str() {
        "Weight" => {
            let weight = text.parse::<i64>().map_err(|_| {
                invalid_xml(&format!(
                    "cvc-datatype-valid.1.2.1: '{text}' is not a valid value for 'integer'."
                ))
            })?;
            let bound = if weight < 0 { ("minInclusive", "0") } else { ("maxInclusive", "255") };
            let weight =
                u8::try_from(weight).map_err(|_| facet(bound.0, text, bound.1, "ResourceRecordSetWeight"))?;
            (Some(Policy::Weighted(weight)), None)
        }
        "Region" => {
            length("ResourceRecordSetRegion", text, 64)?;
            (Some(Policy::Latency { region: text.to_owned() }), None)
        }
        "Failover" => match text {
            "PRIMARY" => (Some(Policy::Failover(Failover::Primary)), None),
            "SECONDARY" => (Some(Policy::Failover(Failover::Secondary)), None),
            other => return Err(enumeration(other, &["PRIMARY", "SECONDARY"])),
        },
        "GeoLocation" => {
            check(policy, GEO, order)?;
            let code = |name: &str| policy.text_of(name).map(str::to_owned);
            let geolocation = Policy::Geolocation {
                continent: code("ContinentCode"),
                country: code("CountryCode"),
                subdivision: code("SubdivisionCode"),
            };
            (Some(geolocation), None)
        }
        "MultiValueAnswer" => (Some(Policy::Multivalue), None),
        other => (Some(Policy::Other(other.to_owned())), Some(policy.clone())),
    })
}

/// Writes a record set, its elements in the order of the schema.
pub(super) fn write(stored: &Stored) -> Element {
    let set = &stored.set;
    let mut out = Element::new("ResourceRecordSet")
        .with_text("Name", set.name.to_route53())
        .with_text("Type", set.rtype);
    if let Some(routing) = &set.routing {
        out = out.with_text("SetIdentifier", &routing.set_identifier);
        out = match &routing.policy {
            Policy::Weighted(weight) => out.with_text("Weight", weight),
            Policy::Latency { region } => out.with_text("Region", region),
            Policy::Failover(Failover::Primary) => out.with_text("Failover", "PRIMARY"),
            Policy::Failover(Failover::Secondary) => out.with_text("Failover", "SECONDARY"),
            Policy::Geolocation { continent, country, subdivision } => out.with(
                Element::new("GeoLocation")
                    .with_optional("ContinentCode", continent.as_ref())
                    .with_optional("CountryCode", country.as_ref())
                    .with_optional("SubdivisionCode", subdivision.as_ref()),
            ),
            Policy::Multivalue => out.with_text("MultiValueAnswer", true),
            Policy::Other(_) => out,
        };
    }
    out = match &set.target {
        Target::Values { ttl, values } => {
            let records = values.iter().fold(Element::new("ResourceRecords"), |list, value| {
                list.with(Element::new("ResourceRecord").with_text("Value", value))
            });
            out.with_text("TTL", ttl).with(records)
        }
        Target::Alias { zone_id, name, evaluate_health } => out.with(
            Element::new("AliasTarget")
                .with_text("HostedZoneId", zone_id)
                .with_text("DNSName", name.to_route53())
                .with_text("EvaluateTargetHealth", evaluate_health),
        ),
        Target::TrafficPolicy(_) => out,
    };
    out = out.with_optional("HealthCheckId", set.health_check_id.as_ref());
    if let Target::TrafficPolicy(id) = &set.target {
        out = out.with_text("TrafficPolicyInstanceId", id);
    }
    match &stored.other_policy {
        Some(policy) => out.with(policy.clone()),
        None => out,
    }
}

pub(super) fn boolean(text: &str) -> Result<bool, ApiError> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        other => Err(invalid_xml(&format!(
            "cvc-datatype-valid.1.2.1: '{other}' is not a valid value for 'boolean'."
        ))),
    }
}

pub(super) fn enumeration(found: &str, allowed: &[&str]) -> ApiError {
    invalid_xml(&format!(
        "cvc-enumeration-valid: Value '{found}' is not facet-valid with respect to enumeration '[{}]'. \
         It must be a value from the enumeration.",
        allowed.join(", ")
    ))
}

fn facet(facet: &str, found: &str, bound: &str, type_name: &str) -> ApiError {
    invalid_xml(&format!(
        "cvc-{facet}-valid: Value '{found}' is not facet-valid with respect to {facet} '{bound}' for type '{type_name}'."
    ))
}

/// Refuses a text that is empty or longer than `max` characters.
pub(super) fn length(type_name: &str, text: &str, max: usize) -> Result<(), ApiError> {
    let count = text.chars().count();
    let (facet, bound) = match count {
        0 => ("minLength", 1),
        n if n > max => ("maxLength", max),
        _ => return Ok(()),
    };
    Err(invalid_xml(&format!(
        "cvc-{facet}-valid: Value '{text}' with length = '{count}' is not facet-valid with respect to {facet} \
         '{bound}' for type '{type_name}'."
    )))
}
