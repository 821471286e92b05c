//! What Route 53 answers, read.
//!
//! Unknown elements are passed over: the service adds some every year.

use super::xml::{Cursor, Error};
use crate::clock::Timestamp;
use crate::dns::{
    Failover, Name, Policy, RecordKey, RecordSet, RecordType, Routing, Target, Ttl, Zone, ZoneId,
};
use crate::imds::Network;

/// A page of hosted zones.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ZonePage {
    pub zones: Vec<Zone>,
    /// Where the next page begins, of a list by name.
    pub next_name: Option<(Name, Option<ZoneId>)>,
    /// Where the next page begins, of a list by id.
    pub next_marker: Option<String>,
}

/// A page of record sets, in the order of the zone.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct RecordPage {
    pub sets: Vec<RecordSet>,
    pub truncated: bool,
}

/// How far a change has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeInfo {
    /// Without the `/change/` in front.
    pub id: String,
    /// All of the zone's name servers answer with it.
    pub in_sync: bool,
    pub submitted_at: Option<Timestamp>,
    /// The request that was answered, for Route 53's support; the body doesn't tell.
    pub request_id: Option<String>,
}

/// Reads the answer to ListHostedZonesByName or ListHostedZones.
///
/// # Errors
/// When it is no such answer, or a cut one.
pub fn zone_page(body: &[u8]) -> Result<ZonePage, Error> {
    let (mut cursor, root) = Cursor::new(body)?;
    if !matches!(root.as_str(), "ListHostedZonesByNameResponse" | "ListHostedZonesResponse") {
        return Err(Error::Root { expected: "ListHostedZonesByNameResponse", found: root });
    }
    let mut page = ZonePage::default();
    let (mut truncated, mut listed, mut next_name, mut next_id) = (false, false, None, None);
    while let Some(name) = cursor.child()? {
        match name.as_str() {
            "HostedZones" => {
                listed = true;
                while cursor.child()?.is_some() {
                    page.zones.push(zone(&mut cursor)?);
                }
            }
            "IsTruncated" => truncated = cursor.parse("IsTruncated")?,
            "NextDNSName" => next_name = Some(cursor.parse("NextDNSName")?),
            "NextHostedZoneId" => next_id = Some(cursor.parse("NextHostedZoneId")?),
            "NextMarker" => page.next_marker = Some(cursor.text()?),
            _ => cursor.skip()?,
        }
    }
    if !listed {
        return Err(Error::Missing("HostedZones"));
    }
    if truncated {
        page.next_name = next_name.map(|name| (name, next_id));
    } else {
        page.next_marker = None;
    }
    Ok(page)
}

fn zone(cursor: &mut Cursor<'_>) -> Result<Zone, Error> {
    let (mut id, mut name, mut private, mut linked) = (None, None, false, false);
    while let Some(element) = cursor.child()? {
        match element.as_str() {
            "Id" => id = Some(cursor.parse("Id")?),
            "Name" => name = Some(cursor.parse("Name")?),
            "LinkedService" => {
                linked = true;
                cursor.skip()?;
            }
            "Config" => {
                while let Some(element) = cursor.child()? {
                    match element.as_str() {
                        "PrivateZone" => private = cursor.parse("PrivateZone")?,
                        _ => cursor.skip()?,
                    }
                }
            }
            _ => cursor.skip()?,
        }
    }
    Ok(Zone {
        id: id.ok_or(Error::Missing("Id"))?,
        name: name.ok_or(Error::Missing("Name"))?,
        private,
        linked,
    })
}

/// A page of the private zones that a network sees.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct NetworkPage {
    pub zones: Vec<ZoneId>,
    pub next_token: Option<String>,
}

/// Reads the answer to ListHostedZonesByVPC.
///
/// # Errors
/// When it is no such answer, or a cut one.
pub fn network_page(body: &[u8]) -> Result<NetworkPage, Error> {
    let mut cursor = Cursor::within(body, "ListHostedZonesByVPCResponse")?;
    let mut page = NetworkPage::default();
    let mut listed = false;
    while let Some(name) = cursor.child()? {
        match name.as_str() {
            "HostedZoneSummaries" => {
                listed = true;
                while cursor.child()?.is_some() {
                    let mut id = None;
                    while let Some(element) = cursor.child()? {
                        match element.as_str() {
                            "HostedZoneId" => id = Some(cursor.parse("HostedZoneId")?),
                            _ => cursor.skip()?,
                        }
                    }
                    page.zones.push(id.ok_or(Error::Missing("HostedZoneId"))?);
                }
            }
            "NextToken" => page.next_token = Some(cursor.text()?).filter(|token| !token.is_empty()),
            _ => cursor.skip()?,
        }
    }
    if listed { Ok(page) } else { Err(Error::Missing("HostedZoneSummaries")) }
}

/// Reads the answer to GetHostedZone, as far as it tells the networks that see the zone: none see a public one.
///
/// # Errors
/// When it is no such answer, or a cut one.
pub fn zone_networks(body: &[u8]) -> Result<Vec<Network>, Error> {
    let mut cursor = Cursor::within(body, "GetHostedZoneResponse")?;
    let mut networks = Vec::new();
    while let Some(name) = cursor.child()? {
        if name != "VPCs" {
            cursor.skip()?;
            continue;
        }
        while cursor.child()?.is_some() {
            let (mut vpc, mut region) = (None, None);
            while let Some(element) = cursor.child()? {
                match element.as_str() {
                    "VPCId" => vpc = Some(cursor.text()?.trim().to_owned()),
                    "VPCRegion" => region = Some(cursor.text()?.trim().to_owned()),
                    _ => cursor.skip()?,
                }
            }
            networks.push(Network {
                vpc: vpc.ok_or(Error::Missing("VPCId"))?,
                region: region.ok_or(Error::Missing("VPCRegion"))?,
            });
        }
    }
    Ok(networks)
}

/// Reads the answer to ListResourceRecordSets.
///
/// # Errors
/// When it is no such answer, or a cut one.
pub fn record_page(body: &[u8]) -> Result<RecordPage, Error> {
    let mut cursor = Cursor::within(body, "ListResourceRecordSetsResponse")?;
    let mut page = RecordPage::default();
    let mut listed = false;
    while let Some(name) = cursor.child()? {
        match name.as_str() {
            "ResourceRecordSets" => {
                listed = true;
                while cursor.child()?.is_some() {
                    page.sets.push(record_set(&mut cursor)?);
                }
            }
            "IsTruncated" => page.truncated = cursor.parse("IsTruncated")?,
            _ => cursor.skip()?,
        }
    }
    if listed { Ok(page) } else { Err(Error::Missing("ResourceRecordSets")) }
}

/// The sets of one name on a page that begins with it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct NamePage {
    pub sets: Vec<RecordSet>,
    /// Where the next page begins, if it begins with more of them.
    pub next: Option<RecordKey>,
}

/// Reads the answer to ListResourceRecordSets as far as it is about `name`. What stands elsewhere need not
/// be understood.
///
/// # Errors
/// When it is no such answer, or a cut one, or a set at that name is of a type that isn't known.
pub fn name_page(body: &[u8], name: &Name) -> Result<NamePage, Error> {
    let mut cursor = Cursor::within(body, "ListResourceRecordSetsResponse")?;
    let mut page = NamePage::default();
    let (mut listed, mut next_name, mut next_type, mut next_identifier) = (false, None, None, None);
    while let Some(element) = cursor.child()? {
        match element.as_str() {
            "ResourceRecordSets" => {
                listed = true;
                while cursor.child()?.is_some() {
                    match record_set(&mut cursor) {
                        Ok(set) if set.name == *name => page.sets.push(set),
                        Ok(_) => {}
                        Err(Error::Strange { name: other, .. }) if other != *name => {}
                        Err(error) => return Err(error),
                    }
                }
            }
            "NextRecordName" => next_name = Some(cursor.parse::<Name>("NextRecordName")?),
            "NextRecordType" => next_type = cursor.text()?.trim().parse::<RecordType>().ok(),
            "NextRecordIdentifier" => next_identifier = Some(cursor.text()?),
            _ => cursor.skip()?,
        }
    }
    if !listed {
        return Err(Error::Missing("ResourceRecordSets"));
    }
    page.next = match next_name.filter(|next| next == name) {
        None => None,
        Some(name) => {
            let rtype = next_type.ok_or(Error::Missing("NextRecordType"))?;
            Some(RecordKey { name, rtype, set_identifier: next_identifier })
        }
    };
    Ok(page)
}

/// Reads the element ResourceRecordSet that the cursor is in.
pub(super) fn record_set(cursor: &mut Cursor<'_>) -> Result<RecordSet, Error> {
    let (mut name, mut rtype, mut ttl, mut values, mut alias) = (None, None, None, Vec::new(), None);
    let (mut set_identifier, mut policy, mut health_check_id, mut traffic_policy) = (None, None, None, None);
    while let Some(element) = cursor.child()? {
        match element.as_str() {
            "Name" => name = Some(cursor.parse("Name")?),
            "Type" => rtype = Some(cursor.text()?),
            "TTL" => ttl = Some(cursor.parse::<Ttl>("TTL")?),
            "ResourceRecords" => {
                while cursor.child()?.is_some() {
                    while let Some(element) = cursor.child()? {
                        match element.as_str() {
                            "Value" => values.push(cursor.text()?),
                            _ => cursor.skip()?,
                        }
                    }
                }
            }
            "AliasTarget" => alias = Some(alias_target(cursor)?),
            "SetIdentifier" => set_identifier = Some(cursor.text()?),
            "Weight" => policy = Some(Policy::Weighted(cursor.parse("Weight")?)),
            "Region" => policy = Some(Policy::Latency { region: cursor.text()? }),
            "Failover" => {
                policy = Some(Policy::Failover(match cursor.text()?.trim() {
                    "PRIMARY" => Failover::Primary,
                    "SECONDARY" => Failover::Secondary,
                    other => return Err(Error::Value { element: "Failover", fault: other.to_owned() }),
                }));
            }
            "GeoLocation" => policy = Some(geolocation(cursor)?),
            "MultiValueAnswer" => {
                if cursor.parse("MultiValueAnswer")? {
                    policy = Some(Policy::Multivalue);
                }
            }
            "CidrRoutingConfig" | "GeoProximityLocation" => {
                cursor.skip()?;
                policy = Some(Policy::Other(element));
            }
            "HealthCheckId" => health_check_id = Some(cursor.text()?),
            "TrafficPolicyInstanceId" => traffic_policy = Some(cursor.text()?),
            _ => cursor.skip()?,
        }
    }
    let name: Name = name.ok_or(Error::Missing("Name"))?;
    let rtype = rtype.ok_or(Error::Missing("Type"))?;
    let Ok(rtype) = rtype.trim().parse::<RecordType>() else { return Err(Error::Strange { name, rtype }) };
    let routing = set_identifier.map(|set_identifier| Routing {
        set_identifier,
        policy: policy.unwrap_or_else(|| Policy::Other("SetIdentifier".to_owned())),
    });
    let target = match (traffic_policy, alias, ttl) {
        (Some(id), _, _) => Target::TrafficPolicy(id),
        (None, Some(alias), _) => alias,
        (None, None, Some(ttl)) => Target::Values { ttl, values },
        (None, None, None) => return Err(Error::Missing("TTL")),
    };
    Ok(RecordSet { name, rtype, routing, target, health_check_id })
}

fn alias_target(cursor: &mut Cursor<'_>) -> Result<Target, Error> {
    let (mut zone_id, mut name, mut evaluate_health) = (None, None, false);
    while let Some(element) = cursor.child()? {
        match element.as_str() {
            "HostedZoneId" => zone_id = Some(cursor.parse("HostedZoneId")?),
            "DNSName" => name = Some(cursor.parse("DNSName")?),
            "EvaluateTargetHealth" => evaluate_health = cursor.parse("EvaluateTargetHealth")?,
            _ => cursor.skip()?,
        }
    }
    Ok(Target::Alias {
        zone_id: zone_id.ok_or(Error::Missing("HostedZoneId"))?,
        name: name.ok_or(Error::Missing("DNSName"))?,
        evaluate_health,
    })
}

fn geolocation(cursor: &mut Cursor<'_>) -> Result<Policy, Error> {
    let (mut continent, mut country, mut subdivision) = (None, None, None);
    while let Some(element) = cursor.child()? {
        let place = match element.as_str() {
            "ContinentCode" => &mut continent,
            "CountryCode" => &mut country,
            "SubdivisionCode" => &mut subdivision,
            _ => {
                cursor.skip()?;
                continue;
            }
        };
        *place = Some(cursor.text()?);
    }
    Ok(Policy::Geolocation { continent, country, subdivision })
}

/// Reads the answer to ChangeResourceRecordSets or GetChange.
///
/// # Errors
/// When it is no such answer, or a cut one.
pub fn change_info(body: &[u8]) -> Result<ChangeInfo, Error> {
    let (mut cursor, root) = Cursor::new(body)?;
    if !matches!(root.as_str(), "ChangeResourceRecordSetsResponse" | "GetChangeResponse") {
        return Err(Error::Root { expected: "ChangeResourceRecordSetsResponse", found: root });
    }
    let (mut id, mut in_sync, mut submitted_at) = (None, None, None);
    while let Some(element) = cursor.child()? {
        if element != "ChangeInfo" {
            cursor.skip()?;
            continue;
        }
        while let Some(element) = cursor.child()? {
            match element.as_str() {
                "Id" => id = cursor.text()?.rsplit('/').next().map(|id| id.trim().to_owned()),
                "Status" => in_sync = Some(cursor.text()?.trim() == "INSYNC"),
                "SubmittedAt" => submitted_at = cursor.text()?.trim().parse().ok(),
                _ => cursor.skip()?,
            }
        }
    }
    let id = id
        .filter(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric()))
        .ok_or(Error::Missing("Id"))?;
    Ok(ChangeInfo { id, in_sync: in_sync.ok_or(Error::Missing("Status"))?, submitted_at, request_id: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(name: &str) -> String {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../../../tests/vectors/route53_xml.json")).unwrap();
        let responses = vectors["responses"].as_array().unwrap();
        let found = responses.iter().find(|response| response["name"] == name).unwrap();
        found["body"].as_str().unwrap().to_owned()
    }

    #[test]
    fn a_page_of_record_sets_is_read_with_escapes_routing_and_aliases() {
        let page = record_page(recorded("rrset-page").as_bytes()).unwrap();
        assert!(page.truncated);
        insta::assert_debug_snapshot!(page.sets, @r#"
        [
            RecordSet {
                name: Name(*.example.com),
                rtype: Txt,
                routing: None,
                target: Values {
                    ttl: Ttl(
                        300,
                    ),
                    values: [
                        "\"a & b\" \"c\"",
                    ],
                },
                health_check_id: None,
            },
            RecordSet {
                name: Name(w.example.com),
                rtype: A,
                routing: Some(
                    Routing {
                        set_identifier: "blue",
                        policy: Weighted(
                            0,
                        ),
                    },
                ),
                target: Values {
                    ttl: Ttl(
                        60,
                    ),
                    values: [
                        "198.51.100.7",
                    ],
                },
                health_check_id: None,
            },
            RecordSet {
                name: Name(alias.example.com),
                rtype: A,
                routing: None,
                target: Alias {
                    zone_id: ZoneId(
                        "Z35SXDOTRQ7X7K",
                    ),
                    name: Name(lb-1.us-east-1.elb.amazonaws.com),
                    evaluate_health: true,
                },
                health_check_id: None,
            },
        ]
        "#);
    }

    #[test]
    fn changes_are_read_with_bare_ids() {
        let pending = change_info(recorded("change-pending").as_bytes()).unwrap();
        assert_eq!(pending.id, "C2682N5HXP0BZ4");
        assert!(!pending.in_sync);
        assert!(change_info(recorded("getchange-insync").as_bytes()).unwrap().in_sync);
    }

    #[test]
    fn a_cut_answer_is_never_a_short_one() {
        let whole = recorded("rrset-page");
        let root_ends = whole.rfind("</ListResourceRecordSetsResponse>").unwrap();
        for length in 0..root_ends + 5 {
            if whole.is_char_boundary(length) {
                assert!(record_page(&whole.as_bytes()[..length]).is_err(), "cut at {length}");
            }
        }
        assert!(record_page(b"<html><body>hello</body></html>").is_err());
        assert!(record_page(b"<ListResourceRecordSetsResponse/>").is_err());
    }

    #[test]
    fn zones_are_read_without_optional_elements_and_with_unknown_ones() {
        let page = zone_page(
            br#"<?xml version="1.0"?><ListHostedZonesByNameResponse xmlns="x"><HostedZones>
            <HostedZone><Id>/hostedzone/Z1</Id><Name>example.com.</Name><CallerReference>r</CallerReference></HostedZone>
            <HostedZone><Id>/hostedzone/Z2</Id><Name>example.com.</Name><Config><Comment>c</Comment><PrivateZone>true</PrivateZone></Config>
            <LinkedService><ServicePrincipal>s</ServicePrincipal></LinkedService><Features><New/></Features></HostedZone>
            </HostedZones><IsTruncated>true</IsTruncated><NextDNSName>example.org.</NextDNSName><NextHostedZoneId>Z3</NextHostedZoneId>
            <MaxItems>2</MaxItems></ListHostedZonesByNameResponse>"#,
        );
        insta::assert_debug_snapshot!(page.unwrap(), @r#"
        ZonePage {
            zones: [
                Zone {
                    id: ZoneId(
                        "Z1",
                    ),
                    name: Name(example.com),
                    private: false,
                    linked: false,
                },
                Zone {
                    id: ZoneId(
                        "Z2",
                    ),
                    name: Name(example.com),
                    private: true,
                    linked: true,
                },
            ],
            next_name: Some(
                (
                    Name(example.org),
                    Some(
                        ZoneId(
                            "Z3",
                        ),
                    ),
                ),
            ),
            next_marker: None,
        }
        "#);
    }

    #[test]
    fn the_networks_of_a_zone_and_the_zones_of_a_network_are_read() {
        let zone = br#"<?xml version="1.0"?><GetHostedZoneResponse xmlns="x"><HostedZone><Id>/hostedzone/Z1</Id>
            <Name>example.com.</Name></HostedZone><VPCs><VPC><VPCRegion>eu-west-1</VPCRegion><VPCId>vpc-1</VPCId></VPC>
            <VPC><VPCRegion>us-east-1</VPCRegion><VPCId>vpc-2</VPCId></VPC></VPCs></GetHostedZoneResponse>"#;
        let networks = zone_networks(zone).unwrap();
        let words: Vec<String> = networks.iter().map(ToString::to_string).collect();
        assert_eq!(words, ["vpc-1 (eu-west-1)", "vpc-2 (us-east-1)"]);
        let page = network_page(
            br#"<ListHostedZonesByVPCResponse xmlns="x"><HostedZoneSummaries><HostedZoneSummary>
            <HostedZoneId>Z1</HostedZoneId><Name>example.com.</Name><Owner><OwningAccount>1</OwningAccount></Owner>
            </HostedZoneSummary></HostedZoneSummaries><MaxItems>1</MaxItems><NextToken>t</NextToken>
            </ListHostedZonesByVPCResponse>"#,
        );
        let zones = vec![ZoneId::parse("Z1").unwrap()];
        assert_eq!(page.unwrap(), NetworkPage { zones, next_token: Some("t".to_owned()) });
        assert!(network_page(b"<ListHostedZonesByVPCResponse/>").is_err());
        assert!(zone_networks(&zone[..zone.len() - 40]).is_err());
    }

    #[test]
    fn a_record_of_a_type_that_is_not_known_is_told_by_its_name() {
        let page = recorded("rrset-page").replace("<Type>TXT</Type>", "<Type>NEW</Type>");
        let name = Name::parse("*.example.com").unwrap();
        assert_eq!(record_page(page.as_bytes()), Err(Error::Strange { name, rtype: "NEW".to_owned() }));
    }
}
