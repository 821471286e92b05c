//! Values from the metadata service.

use crate::dns::RecordType;

/// The item that fits a record type: public ones, because a public name is the normal wish.
pub(super) fn item_for(rtype: RecordType) -> &'static str {
    match rtype {
        RecordType::A => "public-ipv4",
        RecordType::Aaaa => "ipv6",
        _ => "public-hostname",
    }
}
