//! What a record's settings say of the set that it is a member of, and of making way and leaving.

use ::config::{Value, ValueKind};

use super::read::{self, Reading, mismatch};
use crate::desired::{Member, OnConflict, Parting, SetIdentifier};
use crate::dns::{Failover, Policy, RecordType};
use crate::pattern::{Pattern, Rendered};

/// The `routing` of a record on its way to a [`Member`].
#[derive(Debug, Default)]
pub(super) struct RoutingDraft {
    pub set_identifier: Option<Pattern<SetIdentifier>>,
    pub multivalue: bool,
    pub weight: Option<u8>,
    pub region: Option<String>,
    pub failover: Option<Failover>,
    pub continent: Option<String>,
    pub country: Option<String>,
    pub subdivision: Option<String>,
    pub health_check_id: Option<String>,
}

const ONE_POLICY: &str = "exactly one of multivalue = true, weight, region, failover and geo";

impl RoutingDraft {
    /// The member that it describes for a record of type `rtype`.
    ///
    /// # Errors
    /// With the key that is at fault, and what was expected and found.
    pub(super) fn member(self, rtype: RecordType) -> Result<Member, (&'static str, String)> {
        let has_geo = self.continent.is_some() || self.country.is_some() || self.subdivision.is_some();
        let given = [
            ("multivalue", self.multivalue),
            ("weight", self.weight.is_some()),
            ("region", self.region.is_some()),
            ("failover", self.failover.is_some()),
            ("geo", has_geo),
        ];
        let given: Vec<&str> = given.into_iter().filter(|(_, given)| *given).map(|(key, _)| key).collect();
        if given.len() != 1 {
            let found = if given.is_empty() { "none".to_owned() } else { given.join(" and ") };
            return Err(("routing", format!("expected {ONE_POLICY}, found {found}")));
        }
        if self.multivalue && rtype == RecordType::Cname {
            let text =
                "expected a record of type A or AAAA, found a CNAME, of which a name answers with one only";
            return Err(("routing.multivalue", text.to_owned()));
        }
        let policy = match (self.weight, self.region, self.failover) {
            (Some(weight), ..) => Policy::Weighted(weight),
            (_, Some(region), _) => Policy::Latency { region },
            (.., Some(role)) => Policy::Failover(role),
            _ if self.multivalue => Policy::Multivalue,
            _ => geolocation(self.continent, self.country, self.subdivision)?,
        };
        let Some(set_identifier) = self.set_identifier else {
            let text = "expected a text that tells this member from the others, like '{{ instance_id }}', found nothing";
            return Err(("routing.set_identifier", text.to_owned()));
        };
        Ok(Member { set_identifier, policy, health_check_id: self.health_check_id })
    }
}

fn geolocation(
    continent: Option<String>,
    country: Option<String>,
    subdivision: Option<String>,
) -> Result<Policy, (&'static str, String)> {
    if continent.is_some() == country.is_some() {
        let found = if continent.is_some() { "both" } else { "neither" };
        return Err(("routing.geo", format!("expected a continent or a country, found {found}")));
    }
    if subdivision.is_some() && country.as_deref() != Some("US") && country.as_deref() != Some("UA") {
        let text = "expected a subdivision of country US or UA, found one of another place".to_owned();
        return Err(("routing.geo.subdivision", text));
    }
    Ok(Policy::Geolocation { continent, country, subdivision })
}

pub(super) fn on_conflict(value: &Value) -> Reading<OnConflict> {
    match text(value) {
        Some("refuse") => Ok(OnConflict::Refuse),
        Some("replace") => Ok(OnConflict::Replace),
        _ => mismatch("refuse or replace", value),
    }
}

pub(super) fn parting(value: &Value) -> Reading<Parting> {
    match text(value) {
        Some("keep") => Ok(Parting::Keep),
        Some("withdraw") => Ok(Parting::Withdraw),
        _ => mismatch("keep or withdraw", value),
    }
}

pub(super) fn set_identifier(value: &Value) -> Reading<Pattern<SetIdentifier>> {
    let Some(text) = text(value) else { return mismatch("a set identifier", value) };
    Pattern::parse(text, SetIdentifier::from_text).map_err(|error| error.to_string())
}

pub(super) fn weight(value: &Value) -> Reading<u8> {
    const EXPECTED: &str = "a weight of 0 to 255";
    let weight = match &value.kind {
        ValueKind::I64(weight) => u8::try_from(*weight).ok(),
        _ => text(value).and_then(|text| text.parse().ok()),
    };
    weight.map_or_else(|| mismatch(EXPECTED, value), Ok)
}

pub(super) fn region(value: &Value) -> Reading<String> {
    let is_region = |text: &&str| {
        let parts: Vec<&str> = text.split('-').collect();
        let (last, words) = parts.split_last().unwrap_or((&"", &[]));
        words.len() >= 2
            && words.iter().all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase()))
            && !last.is_empty()
            && last.bytes().all(|b| b.is_ascii_digit())
    };
    text(value)
        .filter(is_region)
        .map_or_else(|| mismatch("a region like eu-west-1", value), |text| Ok(text.to_owned()))
}

pub(super) fn failover(value: &Value) -> Reading<Failover> {
    match text(value).map(str::to_ascii_lowercase).as_deref() {
        Some("primary") => Ok(Failover::Primary),
        Some("secondary") => Ok(Failover::Secondary),
        _ => mismatch("primary or secondary", value),
    }
}

pub(super) fn continent(value: &Value) -> Reading<String> {
    const CONTINENTS: [&str; 7] = ["AF", "AN", "AS", "EU", "NA", "OC", "SA"];
    let code = text(value).map(str::to_ascii_uppercase).filter(|code| CONTINENTS.contains(&code.as_str()));
    code.map_or_else(|| mismatch("a continent (AF, AN, AS, EU, NA, OC, SA)", value), Ok)
}

pub(super) fn country(value: &Value) -> Reading<String> {
    let is_code =
        |code: &String| code == "*" || code.len() == 2 && code.bytes().all(|b| b.is_ascii_uppercase());
    let code = text(value).map(str::to_ascii_uppercase).filter(is_code);
    code.map_or_else(|| mismatch("a country of two letters like DE, or '*' for all others", value), Ok)
}

pub(super) fn subdivision(value: &Value) -> Reading<String> {
    let is_code =
        |code: &String| (1..=3).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric());
    let code = text(value).map(str::to_ascii_uppercase).filter(is_code);
    code.map_or_else(|| mismatch("a subdivision of up to three letters and digits like CA", value), Ok)
}

pub(super) fn health_check_id(value: &Value) -> Reading<String> {
    let is_id = |id: &&str| {
        (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    text(value).filter(is_id).map_or_else(|| mismatch("a health check's id", value), |id| Ok(id.to_owned()))
}

fn text(value: &Value) -> Option<&str> {
    read::text(value, "a text").ok()
}
