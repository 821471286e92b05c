//! `imds` and `imds:PATH`: values from the metadata service.

use std::net::IpAddr;

use crate::causes::with_causes;
use crate::dns::RecordType;
use crate::imds::Imds;

use super::look::Observation;
use super::values;

/// The item that fits a record type: public ones, because a public name is the normal wish.
pub(super) fn item_for(rtype: RecordType) -> &'static str {
    match rtype {
        RecordType::A => "public-ipv4",
        RecordType::Aaaa => "ipv6",
        _ => "public-hostname",
    }
}

/// The path of an item, if it is one.
pub(super) fn path(text: &str) -> Option<String> {
    let path = text.trim_matches('/');
    let fits = !path.is_empty()
        && path.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./:".contains(&b))
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."));
    fits.then(|| path.to_owned())
}

pub(super) async fn read(metadata: &Imds, item: &str, rtype: RecordType) -> Observation {
    match metadata.item(item).await {
        // The entries of a list that are lists themselves end in a slash.
        Ok(Some(text)) if text.lines().any(|line| line.trim_end().ends_with('/')) => {
            let entries: Vec<&str> = text.split_whitespace().take(8).collect();
            Observation::Unknown(format!(
                "{item} is a list of items of the metadata ({}), not a value",
                entries.join(" ")
            ))
        }
        Ok(Some(text)) => match values::read(rtype, item, &text) {
            // An item that isn't made for a host name. Anything else wasn't written by the metadata service.
            Observation::Unfit(why) if text.trim().parse::<IpAddr>().is_err() => Observation::Unknown(why),
            observation => observation,
        },
        Ok(None) => Observation::KnownNone(format!("the metadata service has no {item} for this instance")),
        Err(error) => Observation::Unknown(with_causes(&error)),
    }
}
