//! The settings there are: a line for each, with its place in the file, its option and how it is read.
//!
//! The variable follows from the path: `aws.signing` is `PIN53_AWS__SIGNING`. A record's settings can be
//! given for the names of `--name` only, as `PIN53_RECORD__TTL` or, where there is an option, `PIN53_TTL`;
//! those of a notification as `PIN53_NOTIFY__WEBHOOK`.

use ::config::Value;

use super::notify::{self, NotifyDraft};
use super::read::{self, Reading, ZoneText};
use super::routing::{self, RoutingDraft};
use super::{Overrides, Settings};
use crate::desired::{Leaving, Terms};
use crate::dns::{Name, RecordType, Ttl};
use crate::pattern::Pattern;
use crate::source::Source;

/// What every variable of pin53's begins with.
pub(super) const PREFIX: &str = "PIN53_";
/// The variable that names the file.
pub(super) const CONFIG_VARIABLE: &str = "PIN53_CONFIG";
/// The list in the file that holds the records.
pub(super) const RECORDS: &str = "record";
/// And the one that holds the notifications.
pub(super) const NOTIFICATIONS: &str = "notify";

/// What an option was given, once or several times.
type Given = fn(&Overrides) -> &[String];

/// One setting, which is read into a `T`.
pub(super) struct Key<T: 'static> {
    /// Where it stands in the file, below what `T` is for.
    pub path: &'static str,
    option: Option<(&'static str, Given)>,
    read: fn(&mut T, &Value) -> Reading<()>,
}

/// A record's settings on their way to a rule.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub name: Option<Pattern<Name>>,
    pub rtype: Option<RecordType>,
    pub sources: Option<Vec<Source>>,
    pub agree: Option<usize>,
    pub ttl: Option<Ttl>,
    pub zone: Option<ZoneText>,
    pub private: bool,
    pub allow_private: bool,
    pub terms: Terms,
    pub leaving: Leaving,
    pub routing: RoutingDraft,
}

#[rustfmt::skip]
pub(super) const SETTINGS: &[Key<Settings>] = &[
    setting("interval", |s, v| put(&mut s.interval, read::duration(v, &read::INTERVAL))).option("--interval", |o| o.interval.as_slice()),
    setting("watch", |s, v| put(&mut s.watch, read::duration(v, &read::WATCH))).option("--watch", |o| o.watch.as_slice()),
    setting("wait", |s, v| put(&mut s.wait, read::wait(v))).option("--wait", |o| o.wait.as_slice()),
    setting("state", |s, v| put(&mut s.state_dir, read::directory(v).map(Some))),
    setting("listen", |s, v| put(&mut s.listen, read::listen(v).map(Some))),
    setting("aws.signing", |s, v| put(&mut s.aws.signing, read::parsed(v, "auto, aws3-https or sigv4"))).option("--signing", |o| o.signing.as_slice()),
    setting("aws.profile", |s, v| put(&mut s.aws.profile, read::profile(v).map(Some))),
    setting("aws.assume_role.arn", |s, v| put(&mut s.role().arn, read::role_arn(v))),
    setting("aws.assume_role.external_id", |s, v| put(&mut s.role().external_id, read::external_id(v).map(Some))),
    setting("aws.assume_role.session_name", |s, v| put(&mut s.role().session_name, read::session_name(v).map(Some))),
    setting("audit.via", |s, v| put(&mut s.audit.via, read::parsed(v, "auto or api"))),
    setting("audit.name_servers", |s, v| put(&mut s.audit.name_servers, read::name_servers(v))),
    setting("log", |s, v| put(&mut s.log.filter, read::log_filter(v))),
    setting("log_format", |s, v| put(&mut s.log.format, read::log_format(v))).option("--log-format", |o| o.log_format.as_slice()),
];

#[rustfmt::skip]
pub(super) const RECORD: &[Key<Draft>] = &[
    of_record("name", |d, v| put(&mut d.name, read::name_pattern(v).map(Some))).option("--name", |o| &o.name),
    of_record("type", |d, v| put(&mut d.rtype, read::record_type(v).map(Some))).option("--type", |o| o.rtype.as_slice()),
    of_record("source", |d, v| put(&mut d.sources, read::one_or_more(v, |v| read::parsed(v, "a source")).map(Some))).option("--source", |o| &o.source),
    of_record("agree", |d, v| put(&mut d.agree, read::count(v).map(Some))),
    of_record("ttl", |d, v| put(&mut d.ttl, read::ttl(v).map(Some))).option("--ttl", |o| o.ttl.as_slice()),
    of_record("zone", |d, v| put(&mut d.zone, read::zone(v).map(Some))).option("--zone", |o| o.zone.as_slice()),
    of_record("private", |d, v| put(&mut d.private, read::flag(v))),
    of_record("allow_private", |d, v| put(&mut d.allow_private, read::flag(v))),
    of_record("on_conflict", |d, v| put(&mut d.terms.on_conflict, routing::on_conflict(v))),
    of_record("owner", |d, v| put(&mut d.terms.owner, read::parsed(v, "an owner").map(Some))),
    of_record("on_stop", |d, v| put(&mut d.leaving.on_stop, routing::parting(v))),
    of_record("on_terminate", |d, v| put(&mut d.leaving.on_terminate, routing::parting(v))),
    of_record("on_rebalance", |d, v| put(&mut d.leaving.on_rebalance, routing::parting(v))),
    of_record("routing.set_identifier", |d, v| put(&mut d.routing.set_identifier, routing::set_identifier(v).map(Some))),
    of_record("routing.multivalue", |d, v| put(&mut d.routing.multivalue, read::flag(v))),
    of_record("routing.weight", |d, v| put(&mut d.routing.weight, routing::weight(v).map(Some))),
    of_record("routing.region", |d, v| put(&mut d.routing.region, routing::region(v).map(Some))),
    of_record("routing.failover", |d, v| put(&mut d.routing.failover, routing::failover(v).map(Some))),
    of_record("routing.geo.continent", |d, v| put(&mut d.routing.continent, routing::continent(v).map(Some))),
    of_record("routing.geo.country", |d, v| put(&mut d.routing.country, routing::country(v).map(Some))),
    of_record("routing.geo.subdivision", |d, v| put(&mut d.routing.subdivision, routing::subdivision(v).map(Some))),
    of_record("routing.health_check_id", |d, v| put(&mut d.routing.health_check_id, routing::health_check_id(v).map(Some))),
];

#[rustfmt::skip]
pub(super) const NOTIFY: &[Key<NotifyDraft>] = &[
    of_notification("on", |d, v| put(&mut d.on, notify::on(v).map(Some))),
    of_notification("failed_for", |d, v| put(&mut d.failed_for, notify::failed_for(v).map(Some))),
    of_notification("webhook", |d, v| put(&mut d.webhook, notify::webhook(v).map(Some))),
    of_notification("webhook_file", |d, v| put(&mut d.webhook_file, notify::file(v).map(Some))),
    of_notification("preset", |d, v| put(&mut d.preset, notify::preset(v).map(Some))),
    of_notification("template", |d, v| put(&mut d.template, notify::template(v).map(Some))),
    of_notification("headers", |d, v| put(&mut d.headers, notify::headers(v).map(Some))),
    of_notification("key", |d, v| put(&mut d.key, notify::key(v).map(Some))),
    of_notification("secret_file", |d, v| put(&mut d.secret_file, notify::file(v).map(Some))),
    of_notification("lambda", |d, v| put(&mut d.lambda, read::parsed(v, "a function's name or ARN").map(Some))),
    of_notification("sns", |d, v| put(&mut d.sns, read::parsed(v, "a topic's ARN").map(Some))),
    of_notification("command", |d, v| put(&mut d.command, notify::command(v).map(Some))),
];

const fn setting(path: &'static str, read: fn(&mut Settings, &Value) -> Reading<()>) -> Key<Settings> {
    Key { path, option: None, read }
}

const fn of_record(path: &'static str, read: fn(&mut Draft, &Value) -> Reading<()>) -> Key<Draft> {
    Key { path, option: None, read }
}

const fn of_notification(
    path: &'static str,
    read: fn(&mut NotifyDraft, &Value) -> Reading<()>,
) -> Key<NotifyDraft> {
    Key { path, option: None, read }
}

fn put<T>(place: &mut T, reading: Reading<T>) -> Reading<()> {
    *place = reading?;
    Ok(())
}

impl<T> Key<T> {
    const fn option(mut self, name: &'static str, given: Given) -> Self {
        self.option = Some((name, given));
        self
    }

    pub(super) fn read(&self, value: &Value, into: &mut T) -> Reading<()> {
        (self.read)(into, value)
    }

    #[cfg(test)]
    pub(super) fn option_name(&self) -> Option<&'static str> {
        self.option.map(|(name, _)| name)
    }

    /// The option's name and the values it was given.
    pub(super) fn given<'a>(&self, overrides: &'a Overrides) -> Option<(&'static str, &'a [String])> {
        self.option.map(|(name, given)| (name, given(overrides)))
    }
}

impl Key<Settings> {
    pub(super) fn variable(&self) -> String {
        variable(self.path)
    }
}

impl Key<Draft> {
    /// The variables for the records of `--name`, the one that wins first.
    pub(super) fn variables(&self) -> impl Iterator<Item = String> {
        let short = self.option.map(|_| variable(self.path));
        short.into_iter().chain([variable(&format!("{RECORDS}.{}", self.path))])
    }
}

impl Key<NotifyDraft> {
    pub(super) fn variable(&self) -> String {
        variable(&format!("{NOTIFICATIONS}.{}", self.path))
    }
}

/// The variable for a path of the file.
pub(super) fn variable(path: &str) -> String {
    format!("{PREFIX}{}", path.replace('.', "__").to_ascii_uppercase())
}

/// Every variable that pin53 reads settings from.
pub(super) fn variables() -> impl Iterator<Item = String> {
    let settings = SETTINGS.iter().map(Key::<Settings>::variable);
    let records = RECORD.iter().flat_map(Key::variables);
    let notifications = NOTIFY.iter().map(Key::<NotifyDraft>::variable);
    settings.chain(records).chain(notifications).chain([CONFIG_VARIABLE.to_owned()])
}

/// Every path that the file may hold, a record's below `record` and a notification's below `notify`.
pub(crate) fn paths() -> impl Iterator<Item = String> {
    let settings = SETTINGS.iter().map(|key| key.path.to_owned());
    let notifications = NOTIFY.iter().map(|key| format!("{NOTIFICATIONS}.{}", key.path));
    settings.chain(RECORD.iter().map(|key| format!("{RECORDS}.{}", key.path))).chain(notifications)
}

/// Every table that such a path leads through.
fn sections() -> impl Iterator<Item = String> {
    paths().filter_map(|path| path.rsplit_once('.').map(|(section, _)| section.to_owned()))
}

/// What someone who wrote `path` is likely to have meant: one letter in three may be wrong, or its section,
/// which is told then.
pub(super) fn nearest_path(path: &str) -> Option<String> {
    let (section, word) = split(path);
    let distance = |candidate: &str| {
        let (other_section, other_word) = split(candidate);
        let elsewhere = usize::from(section != other_section);
        let whole = strsim::damerau_levenshtein(path, candidate);
        whole.min(strsim::damerau_levenshtein(word, other_word) + elsewhere)
    };
    let nearest = nearest(paths().chain(sections()), distance, word)?;
    Some(match split(&nearest) {
        (same, word) if same == section => format!("'{word}'"),
        ("", word) => format!("'{word}', above the first section"),
        _ => format!("'{nearest}'"),
    })
}

/// The variable that someone who wrote `name` is likely to have meant.
pub(super) fn nearest_variable(name: &str) -> Option<String> {
    let upper = name.to_ascii_uppercase();
    let word = name.get(PREFIX.len()..).unwrap_or_default();
    let nearest = nearest(variables(), |candidate| strsim::damerau_levenshtein(&upper, candidate), word)?;
    Some(format!("'{nearest}'"))
}

fn nearest(
    candidates: impl Iterator<Item = String>,
    distance: impl Fn(&str) -> usize,
    word: &str,
) -> Option<String> {
    let limit = word.chars().count() / 3 + 1;
    let (near, nearest) = candidates.map(|c| (distance(&c), c)).min_by_key(|(distance, _)| *distance)?;
    (near <= limit).then_some(nearest)
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('.').unwrap_or(("", path))
}
