//! Ownership markers: TXT records beside a record that name who looks after it, in the form of external-dns.
//!
//! Not here: what a marker means for a change (the rest of `plan`).
//!
//! Spec: <https://kubernetes-sigs.github.io/external-dns/latest/docs/registry/txt/>

use crate::desired::Owner;
use crate::dns::{Name, NameError, RecordSet, RecordType, Target, Ttl, strings};

/// The TTL that external-dns gives its markers on Route 53.
const TTL: u64 = 300;
const HERITAGE: &str = "heritage";
const EXTERNAL_DNS: &str = "external-dns";
const OWNER: &str = "external-dns/owner";

/// Where the marker of a record stands: at its name with the type in front of the first label.
/// A wildcard's asterisk stays, and is no wildcard there.
///
/// # Errors
/// When the label or the name gets too long by it.
pub fn name(of: &Name, rtype: RecordType) -> Result<Name, NameError> {
    Name::parse(&format!("{}-{of}", rtype.as_str().to_ascii_lowercase()))
}

/// The marker for `record`, a member of a routed set where that is one.
pub(super) fn for_record(record: &RecordSet, owner: &Owner) -> Result<RecordSet, NameError> {
    let text = format!("\"{HERITAGE}={EXTERNAL_DNS},{OWNER}={owner}\"");
    let ttl = Ttl::new(TTL).unwrap_or(Ttl::MAX);
    Ok(RecordSet {
        name: name(&record.name, record.rtype)?,
        rtype: RecordType::Txt,
        routing: record.routing.clone(),
        target: Target::Values { ttl, values: vec![text] },
        health_check_id: record.health_check_id.clone(),
    })
}

/// Whether `set` marks `record` as `by`'s, in the very form that it is to have.
#[must_use]
pub fn marks(set: &RecordSet, record: &RecordSet, by: &Owner) -> bool {
    for_record(record, by).is_ok_and(|marker| has_form_of(set, &marker))
        && owner(set).as_deref() == Some(by.as_str())
}

/// Whether a marker stands where `marker` is to stand, and is routed as it.
pub(super) fn has_form_of(set: &RecordSet, marker: &RecordSet) -> bool {
    set.key() == marker.key()
        && set.routing == marker.routing
        && set.health_check_id == marker.health_check_id
        && matches!(set.target, Target::Values { .. })
}

/// Whom a TXT record set names as owner; `None` where none of its values is a marker. A marker that
/// names nobody is an empty name's.
pub(super) fn owner(set: &RecordSet) -> Option<String> {
    match &set.target {
        Target::Values { values, .. } if set.rtype == RecordType::Txt => {
            values.iter().find_map(|value| owner_in(value))
        }
        _ => None,
    }
}

fn owner_in(value: &str) -> Option<String> {
    let text = strings(value).concat();
    // Some versions of external-dns wrote the quotes twice.
    let labels = text.trim_matches('"').split(',').filter_map(|label| label.split_once('='));
    let (mut is_marker, mut owner) = (false, String::new());
    for (key, value) in labels {
        match key {
            HERITAGE if value == EXTERNAL_DNS => is_marker = true,
            HERITAGE => return None,
            OWNER => value.clone_into(&mut owner),
            _ => {}
        }
    }
    is_marker.then_some(owner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_stands_where_external_dns_looks_for_it() {
        let at = |text: &str, rtype| name(&Name::parse(text).unwrap(), rtype).unwrap().to_string();
        assert_eq!(at("vpn.example.com", RecordType::Cname), "cname-vpn.example.com");
        assert_eq!(at("VPN.example.com.", RecordType::Aaaa), "aaaa-vpn.example.com");
        let wildcard = name(&Name::parse("*.example.com").unwrap(), RecordType::A).unwrap();
        assert_eq!(wildcard.to_route53(), "a-\\052.example.com.");
        assert!(!wildcard.is_wildcard());
        let longest = Name::parse(&format!("{}.example.com", "a".repeat(62))).unwrap();
        assert!(name(&longest, RecordType::A).is_err());
    }

    #[test]
    fn owners_are_read_as_external_dns_writes_them() {
        for (value, owner) in [
            (r#""heritage=external-dns,external-dns/owner=me""#, Some("me")),
            (
                r#""heritage=external-dns,external-dns/owner=me,external-dns/resource=service/default/nginx""#,
                Some("me"),
            ),
            (r#""\"heritage=external-dns,external-dns/owner=me\"""#, Some("me")),
            (r#""heritage=external-dns,external-" "dns/owner=me""#, Some("me")),
            (r#""heritage=external-dns,external-dns/owner=\155e""#, Some("me")),
            ("heritage=external-dns,external-dns/owner=me", Some("me")),
            (r#""heritage=external-dns""#, Some("")),
            (r#""heritage=other,external-dns/owner=me""#, None),
            (r#""v=spf1 -all""#, None),
            (r#""\"#, None),
            ("", None),
        ] {
            assert_eq!(owner_in(value).as_deref(), owner, "{value}");
        }
    }
}
