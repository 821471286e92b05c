//! The lists of the API: where a page begins, where it ends, and how the next one is asked for.
//!
//! Spec: <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ListResourceRecordSets.html>

use std::collections::HashMap;

use crate::dns::{Name, RecordKey, RecordType, ZoneId};

use super::error::ApiError;
use super::instance::ACCOUNT;
use super::record_xml;
use super::value;
use super::world::State;
use super::xml::Element;
use super::zones::{HostedZone, Place};

/// Zones on a page, at most.
const ZONES: usize = 100;
/// Record sets on a page, at most.
const RECORD_SETS: usize = 300;

/// The parameters of a query string.
pub(super) struct Query(HashMap<String, String>);

impl Query {
    /// Reads a query string; of a parameter that is repeated the first counts.
    pub(super) fn read(text: &str) -> Self {
        let mut parameters = HashMap::new();
        for pair in text.split('&').filter(|p| !p.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            parameters.entry(decoded(name)).or_insert_with(|| decoded(value));
        }
        Self(parameters)
    }

    /// A parameter that is there and not empty.
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|v| !v.is_empty())
    }

    /// `maxitems`, held down to what a page may have.
    fn max_items(&self, most: usize) -> Result<usize, ApiError> {
        let Some(text) = self.get("maxitems") else { return Ok(most) };
        match text.parse::<usize>() {
            Ok(n) if n > 0 => Ok(n.min(most)),
            _ => Err(ApiError::invalid_input(format!("Invalid value for maxitems: '{text}'"))),
        }
    }

    fn name(&self, parameter: &str) -> Result<Option<Name>, ApiError> {
        self.get(parameter)
            .map(|text| {
                value::name(text).map_err(|(code, words)| {
                    ApiError::invalid_input(format!(
                        "FATAL problem: {code} ({words}) encountered with '{text}'"
                    ))
                })
            })
            .transpose()
    }
}

/// Undoes percent-encoding; what isn't encoded rightly stays as it is.
pub(super) fn decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        let digit = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16));
        match (byte, digit(ahead.next()), digit(ahead.next())) {
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high * 16 + low).unwrap_or_default());
                bytes = ahead;
            }
            (b'+', ..) => out.push(b' '),
            (plain, ..) => out.push(plain),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A zone as lists and GetHostedZone show it.
pub(super) fn zone(zone: &HostedZone) -> Element {
    let config = Element::new("Config")
        .with_optional("Comment", zone.comment.as_ref())
        .with_text("PrivateZone", zone.is_private());
    let shown = Element::new("HostedZone")
        .with_text("Id", format!("/hostedzone/{}", zone.id))
        .with_text("Name", zone.name.to_route53())
        .with_text("CallerReference", &zone.caller_reference)
        .with(config)
        .with_text("ResourceRecordSetCount", zone.records().len());
    match &zone.linked_to {
        None => shown,
        Some(service) => shown.with(
            Element::new("LinkedService")
                .with_text("ServicePrincipal", service)
                .with_text("Description", format!("Managed by {service}")),
        ),
    }
}

fn zones<'a>(page: impl IntoIterator<Item = &'a &'a HostedZone>) -> Element {
    page.into_iter().fold(Element::new("HostedZones"), |list, z| list.with(zone(z)))
}

/// ListHostedZones: by id, since the API promises no order.
pub(super) fn list_zones(state: &State, query: &Query) -> Result<Element, ApiError> {
    let max = query.max_items(ZONES)?;
    if let Some(id) = query.get("delegationsetid") {
        return Err(ApiError::new(
            http::StatusCode::NOT_FOUND,
            "NoSuchDelegationSet",
            format!("No delegation set found with ID: {id}"),
        ));
    }
    let private_only = match query.get("hostedzonetype") {
        None => false,
        Some("PrivateHostedZone") => true,
        Some(other) => {
            return Err(ApiError::invalid_input(format!("Invalid value for hostedzonetype: '{other}'")));
        }
    };
    let marker = query.get("marker");
    let start = marker
        .map(|text| {
            ZoneId::parse(text).map_err(|_| ApiError::invalid_input(format!("Invalid marker: '{text}'")))
        })
        .transpose()?;
    let all: Vec<&HostedZone> = state
        .zones
        .values()
        .filter(|zone| start.as_ref().is_none_or(|start| zone.id >= *start))
        .filter(|zone| !private_only || zone.is_private())
        .collect();
    let page = &all[..max.min(all.len())];
    Ok(Element::new("ListHostedZonesResponse")
        .with(zones(page))
        .with_optional("Marker", marker)
        .with_text("IsTruncated", all.len() > max)
        .with_optional("NextMarker", all.get(max).map(|zone| &zone.id))
        .with_text("MaxItems", max))
}

/// ListHostedZonesByName: in the order of names, from one on to the end of all zones.
pub(super) fn list_zones_by_name(state: &State, query: &Query) -> Result<Element, ApiError> {
    let max = query.max_items(ZONES)?;
    let name = query.name("dnsname")?;
    let id = query.get("hostedzoneid");
    if id.is_some() && name.is_none() {
        return Err(ApiError::invalid_input("The hosted zone ID was given without a DNS name"));
    }
    let start = (name.as_ref().map(Name::sort_key), id.and_then(|id| ZoneId::parse(id).ok()));
    let mut all: Vec<&HostedZone> = state
        .zones
        .values()
        .filter(|zone| match &start {
            (None, _) => true,
            (Some(key), None) => zone.name.sort_key() >= *key,
            (Some(key), Some(id)) => (zone.name.sort_key(), &zone.id) >= (key.clone(), id),
        })
        .collect();
    all.sort_by_key(|zone| (zone.name.sort_key(), zone.id.clone()));
    let page = &all[..max.min(all.len())];
    let next = all.get(max);
    Ok(Element::new("ListHostedZonesByNameResponse")
        .with(zones(page))
        .with_optional("DNSName", name.map(|n| n.to_route53()))
        .with_optional("HostedZoneId", id)
        .with_text("IsTruncated", next.is_some())
        .with_optional("NextDNSName", next.map(|zone| zone.name.to_route53()))
        .with_optional("NextHostedZoneId", next.map(|zone| &zone.id))
        .with_text("MaxItems", max))
}

/// ListHostedZonesByVPC: the private zones of a network.
pub(super) fn list_zones_by_vpc(state: &State, query: &Query) -> Result<Element, ApiError> {
    let max = query.max_items(ZONES)?;
    let (Some(vpc), Some(region)) = (query.get("vpcid"), query.get("vpcregion")) else {
        return Err(ApiError::invalid_input("The VPC ID and the VPC region are both needed"));
    };
    // The id of the zone that comes next serves as the token.
    let start = query.get("nexttoken").and_then(|token| ZoneId::parse(token).ok());
    let all: Vec<&HostedZone> = state
        .zones
        .values()
        .filter(|zone| zone.vpcs.iter().any(|v| v.id == vpc && v.region == region))
        .filter(|zone| start.as_ref().is_none_or(|start| zone.id >= *start))
        .collect();
    let summaries = all.iter().take(max).fold(Element::new("HostedZoneSummaries"), |list, zone| {
        let owner = Element::new("Owner");
        let owner = match &zone.linked_to {
            Some(service) => owner.with_text("OwningService", service),
            None => owner.with_text("OwningAccount", ACCOUNT),
        };
        list.with(
            Element::new("HostedZoneSummary")
                .with_text("HostedZoneId", &zone.id)
                .with_text("Name", zone.name.to_route53())
                .with(owner),
        )
    });
    Ok(Element::new("ListHostedZonesByVPCResponse")
        .with(summaries)
        .with_text("MaxItems", max)
        .with_optional("NextToken", all.get(max).map(|zone| &zone.id)))
}

/// ListResourceRecordSets: in Route 53's order, from a name, a name and a type, or those and an identifier.
pub(super) fn list_record_sets(zone: &HostedZone, query: &Query) -> Result<Element, ApiError> {
    let max = query.max_items(RECORD_SETS)?;
    let rtype = query
        .get("type")
        .map(|text| {
            RecordType::ALL.iter().copied().find(|t| t.as_str() == text).ok_or_else(|| {
                ApiError::invalid_input(format!("Invalid value for the record type: '{text}'"))
            })
        })
        .transpose()?;
    let identifier = query.get("identifier").map(str::to_owned);
    let start = match (query.name("name")?, rtype, identifier) {
        (None, None, None) => Place::first_of(&zone.name),
        (Some(name), None, None) => Place::first_of(&name),
        (Some(name), Some(rtype), set_identifier) => Place::of(&RecordKey { name, rtype, set_identifier }),
        (None, _, _) => {
            return Err(ApiError::invalid_input(
                "The record type or identifier was given without a record name",
            ));
        }
        (Some(_), None, Some(_)) => {
            return Err(ApiError::invalid_input("The identifier was given without a record type"));
        }
    };
    let mut rest = zone.records().from(&start);
    let sets = rest
        .by_ref()
        .take(max)
        .fold(Element::new("ResourceRecordSets"), |list, stored| list.with(record_xml::write(stored)));
    let next = rest.next().map(|stored| stored.set.key());
    Ok(Element::new("ListResourceRecordSetsResponse")
        .with(sets)
        .with_text("IsTruncated", next.is_some())
        .with_optional("NextRecordName", next.as_ref().map(|key| key.name.to_route53()))
        .with_optional("NextRecordType", next.as_ref().map(|key| key.rtype))
        .with_optional("NextRecordIdentifier", next.as_ref().and_then(|key| key.set_identifier.as_ref()))
        .with_text("MaxItems", max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_decoded() {
        let query = Query::read("name=%5C052.example.com.&type=TXT&identifier=a+b%2&x&type=A");
        assert_eq!(query.get("name"), Some("\\052.example.com."));
        assert_eq!(query.get("identifier"), Some("a b%2"));
        assert_eq!(query.get("type"), Some("TXT"));
        assert_eq!(query.get("x"), None);
    }
}
