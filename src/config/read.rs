//! How a raw value becomes a setting, or a sentence of what was expected and what was found.
//!
//! Environment and options can only say text, so truth values and numbers may be text everywhere.

use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ::config::{Value, ValueKind};
use jiff::fmt::friendly::SpanParser;
use tracing_subscriber::filter::{LevelFilter, Targets};

use super::{LogFormat, Wait};
use crate::dns::{Name, RecordType, Ttl, ZoneId};
use crate::pattern::Pattern;

static DURATIONS: SpanParser = SpanParser::new();

/// A setting, or "expected …, found …".
pub(super) type Reading<T> = Result<T, String>;

/// A duration within bounds that `expected` tells in words.
pub(super) struct Period {
    pub bounds: RangeInclusive<Duration>,
    pub expected: &'static str,
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// More often would spend the account's request rate; less often is no audit.
pub(super) const INTERVAL: Period = Period {
    bounds: Duration::from_secs(1)..=Duration::from_secs(7 * DAY),
    expected: "a duration of 1s to 168h, like 5m",
};

pub(super) const WATCH: Period = Period {
    bounds: Duration::from_secs(1)..=Duration::from_secs(DAY),
    expected: "a duration of 1s to 24h, like 5s",
};

/// Route 53 is in sync within a minute as a rule (API, GetChange).
const WAIT: Period = Period {
    bounds: Duration::from_millis(1)..=Duration::from_secs(HOUR),
    expected: "'off' or a duration of up to 1h, like 2m",
};

/// What stands there, for people.
fn found(value: &Value) -> String {
    match &value.kind {
        ValueKind::String(text) => format!("'{text}'"),
        ValueKind::Table(_) => "a table".to_owned(),
        ValueKind::Array(_) => "a list".to_owned(),
        ValueKind::Nil => "nothing".to_owned(),
        plain => plain.to_string(),
    }
}

pub(super) fn mismatch<T>(expected: &str, value: &Value) -> Reading<T> {
    Err(format!("expected {expected}, found {}", found(value)))
}

pub(super) fn text<'a>(value: &'a Value, expected: &str) -> Reading<&'a str> {
    match &value.kind {
        ValueKind::String(text) => Ok(text.trim()),
        _ => mismatch(expected, value),
    }
}

/// Text of a type whose own error says what was expected and found.
pub(super) fn parsed<T: FromStr<Err: Display>>(value: &Value, expected: &str) -> Reading<T> {
    text(value, expected)?.parse().map_err(|error: T::Err| error.to_string())
}

/// What a role's ARN looks like.
pub(super) const ROLE_ARN: &str = "a role's ARN like arn:aws:iam::123456789012:role/NAME";

/// Spec: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html>
pub(super) fn role_arn(value: &Value) -> Reading<String> {
    let arn = text(value, ROLE_ARN)?;
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let fits = matches!(parts[..], ["arn", partition, "iam", "", account, role]
        if !partition.is_empty() && !account.is_empty() && role.starts_with("role/") && role.len() > 5)
        && arn.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(arn.to_owned()) } else { mismatch(ROLE_ARN, value) }
}

pub(super) fn profile(value: &Value) -> Reading<String> {
    written_with(value, "the name of a profile in AWS's files", 1..=128, "-_/.%@:+")
}

/// Spec: <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>
pub(super) fn external_id(value: &Value) -> Reading<String> {
    written_with(value, "an external id of 2 to 1224 letters, digits and _+=,.@:/-", 2..=1224, "_+=,.@:/-")
}

pub(super) fn session_name(value: &Value) -> Reading<String> {
    written_with(value, "a session's name of 2 to 64 letters, digits and _+=,.@-", 2..=64, "_+=,.@-")
}

/// A text of letters, digits and some other characters.
fn written_with(value: &Value, expected: &str, length: RangeInclusive<usize>, more: &str) -> Reading<String> {
    let found = text(value, expected)?;
    let fits =
        length.contains(&found.len()) && found.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c));
    if fits { Ok(found.to_owned()) } else { mismatch(expected, value) }
}

pub(super) fn flag(value: &Value) -> Reading<bool> {
    match &value.kind {
        ValueKind::Boolean(flag) => Ok(*flag),
        ValueKind::String(text) if text == "true" => Ok(true),
        ValueKind::String(text) if text == "false" => Ok(false),
        _ => mismatch("true or false", value),
    }
}

pub(super) fn ttl(value: &Value) -> Reading<Ttl> {
    match &value.kind {
        ValueKind::I64(seconds) => seconds.to_string().parse().map_err(|error| format!("{error}")),
        _ => parsed(value, "a TTL in seconds"),
    }
}

/// How many of several.
pub(super) fn count(value: &Value) -> Reading<usize> {
    let number = match &value.kind {
        ValueKind::I64(number) => usize::try_from(*number).ok(),
        ValueKind::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|number| *number > 0).map_or_else(|| mismatch("a number of sources, at least 1", value), Ok)
}

pub(super) fn duration(value: &Value, period: &Period) -> Reading<Duration> {
    let parsed = DURATIONS.parse_unsigned_duration(text(value, period.expected)?);
    match parsed {
        Ok(duration) if period.bounds.contains(&duration) => Ok(duration),
        _ => mismatch(period.expected, value),
    }
}

pub(super) fn wait(value: &Value) -> Reading<Wait> {
    match &value.kind {
        ValueKind::String(text) if text == "off" => Ok(Wait::Off),
        _ => duration(value, &WAIT).map(Wait::For),
    }
}

pub(super) fn directory(value: &Value) -> Reading<PathBuf> {
    match text(value, "a directory")? {
        "" => mismatch("a directory", value),
        path => Ok(PathBuf::from(path)),
    }
}

/// Where to listen.
pub(super) fn listen(value: &Value) -> Reading<SocketAddr> {
    const EXPECTED: &str = "an address and a port to listen on, like 127.0.0.1:9353 or [::1]:9353";
    let text = text(value, EXPECTED)?;
    let address = match text.strip_prefix("localhost:") {
        Some(port) => port.parse().ok().map(|port: u16| (Ipv4Addr::LOCALHOST, port).into()),
        None => text.parse().ok(),
    };
    address.map_or_else(|| mismatch(EXPECTED, value), Ok)
}

/// One value or a list of them, none of which may be missing.
pub(super) fn one_or_more<T>(value: &Value, item: impl Fn(&Value) -> Reading<T>) -> Reading<Vec<T>> {
    match &value.kind {
        ValueKind::Array(items) if items.is_empty() => Err("expected at least one, found none".to_owned()),
        ValueKind::Array(items) => items.iter().map(item).collect(),
        _ => Ok(vec![item(value)?]),
    }
}

/// Addresses of name servers: a list, or text with commas. The port is DNS's own where none is said.
pub(super) fn name_servers(value: &Value) -> Reading<Vec<SocketAddr>> {
    const EXPECTED: &str = "a name server's address, like 192.0.2.53:53 or [2001:db8::53]:53";
    let address = |text: &str| match (text.parse(), text.parse::<IpAddr>()) {
        (Ok(address), _) => Ok(address),
        (_, Ok(ip)) => Ok(SocketAddr::from((ip, 53))),
        _ => Err(format!("expected {EXPECTED}, found '{text}'")),
    };
    match &value.kind {
        ValueKind::Array(items) => items.iter().map(|item| address(text(item, EXPECTED)?)).collect(),
        _ => text(value, EXPECTED)?.split(',').map(|part| address(part.trim())).collect(),
    }
}

/// A name as people write it.
///
/// DNS allows any byte in a label, and [`Name`] any ASCII character. Written plainly those are a slip (a
/// list in one string, words in braces, a URL) and would be published as such, so they have to be escaped.
pub(super) fn name(value: &Value) -> Reading<Name> {
    plain_name(text(value, A_NAME)?)
}

/// A name that may hold words in braces.
pub(super) fn name_pattern(value: &Value) -> Reading<Pattern<Name>> {
    Pattern::parse(text(value, A_NAME)?, plain_name).map_err(|error| error.to_string())
}

const A_NAME: &str = "a domain name";

fn plain_name(text: &str) -> Reading<Name> {
    let plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '*' | '.' | '\\') || !c.is_ascii();
    match text.chars().find(|&c| !plain(c)) {
        Some(odd) => Err(format!("expected {A_NAME}, found '{text}', in which '{odd}' is not escaped")),
        None => text.parse().map_err(|error| format!("{error}")),
    }
}

/// A type that pin53 publishes.
pub(super) fn record_type(value: &Value) -> Reading<RecordType> {
    const EXPECTED: &str = "a record type that pin53 publishes (CNAME, A, AAAA)";
    match parsed(value, EXPECTED) {
        Ok(rtype @ (RecordType::Cname | RecordType::A | RecordType::Aaaa)) => Ok(rtype),
        _ => mismatch(EXPECTED, value),
    }
}

/// A zone as people write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ZoneText {
    Id(ZoneId),
    Name(Name),
}

pub(super) fn zone(value: &Value) -> Reading<ZoneText> {
    let text = text(value, "a zone's id or name")?;
    // Ids hold no dot. Route 53's begin with a capital Z, those of servers that stand in for it are
    // capitals and digits in any order; a top-level zone written like either is nobody's.
    let bare = text.rsplit('/').next().unwrap_or(text);
    let mixed = bare.bytes().any(|b| b.is_ascii_digit()) && bare.bytes().any(|b| b.is_ascii_uppercase());
    let is_id = bare.starts_with('Z') || mixed && !bare.bytes().any(|b| b.is_ascii_lowercase());
    match ZoneId::parse(text) {
        Ok(id) if is_id => Ok(ZoneText::Id(id)),
        _ => name(value)
            .map(ZoneText::Name)
            .map_err(|_| format!("expected a zone's id (Z1PA6795UKMFR9) or name, found '{text}'")),
    }
}

pub(super) fn log_format(value: &Value) -> Reading<LogFormat> {
    match text(value, "text or json")? {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => mismatch("text or json", value),
    }
}

/// A tracing filter: a level for everything, levels by module, or both.
///
/// `Targets` takes a bare word for a module to log entirely, which turns a mistyped level into silence, so
/// a bare word has to be a level here. Modules that nothing is said about log from `info` on.
pub(super) fn log_filter(value: &Value) -> Reading<Targets> {
    const EXPECTED: &str = "a tracing filter like 'debug' or 'info,pin53::aws=trace'";
    let text = text(value, EXPECTED)?;
    let bare_words_are_levels =
        text.split(',').filter(|part| !part.contains('=')).all(|part| part.parse::<LevelFilter>().is_ok());
    match text.parse::<Targets>() {
        Ok(targets) if bare_words_are_levels => {
            let default = targets.default_level().unwrap_or(LevelFilter::INFO);
            Ok(targets.with_default(default))
        }
        _ => mismatch(EXPECTED, value),
    }
}
