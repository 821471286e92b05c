//! Notifications: whoever wants to hear is told that a record was changed, is in trouble, or is well again.
//!
//! | file | owns |
//! |---|---|
//! | `event` | what is told, as a sentence, as JSON, as fields of a template |
//! | `situations` | what there is to tell, and to whom it was told already |
//! | `delivery` | queues and attempts |
//! | `webhook`, `preset`, `lambda`, `sns`, `command` | a way of telling each |
//!
//! Nothing here holds up a reconcile: events come through a channel that nobody waits at, each notification has
//! a queue of its own, and both are bounded. Whatever may be secret (URLs, headers, keys, a program's
//! arguments) is never shown. Not here: what was decided (`reconcile`), and reading the settings (`config`).

mod command;
mod delivery;
mod event;
mod lambda;
mod preset;
mod secrets;
mod situations;
mod sns;
mod webhook;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::aws::caller::Caller;
use crate::board;
use crate::clock::{Clock, ServerClock};
use crate::env::Env;
use crate::program::Program;
use crate::report::Entry;
use crate::template::UserTemplate;
use crate::transport::{self, Transport};

pub use delivery::Notifier;
use delivery::{AT_ONCE, AT_STOP};
pub use event::{Event, Kind};
pub use lambda::Function;
pub use preset::{PRESETS, Preset};
pub use situations::Telling;
pub use sns::Topic;
pub use webhook::{Address, Key, Url, Webhook};

/// Bounds of the requests: what is told is short, and so is what is answered.
pub const TRANSPORT: transport::Settings = transport::Settings {
    connect_timeout: Duration::from_secs(5),
    timeout: Duration::from_secs(10),
    body_limit: 64 * 1024,
    proxy: true,
};

/// One notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub on: On,
    /// How long trouble has to last before it is told; left out, what only a person can mend is told at once
    /// and the rest after a minute.
    pub failed_for: Option<Duration>,
    pub target: Target,
    /// What is sent, or with a preset its text, in place of pin53's own.
    pub template: Option<UserTemplate>,
}

/// What is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct On {
    pub changed: bool,
    pub failed: bool,
    pub recovered: bool,
}

impl Default for On {
    fn default() -> Self {
        Self { changed: true, failed: false, recovered: false }
    }
}

impl On {
    pub const ALL: Self = Self { changed: true, failed: true, recovered: true };
}

/// How it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Webhook(Webhook),
    /// A function of AWS Lambda is invoked.
    Lambda(Function),
    /// A message is published to a topic of Amazon SNS.
    Sns(Topic),
    Command(Program),
}

impl Target {
    /// The action of IAM that it takes, and on what; `partition` is where a function is whose ARN isn't given.
    #[must_use]
    pub fn permission(&self, partition: &str) -> Option<(&'static str, String)> {
        match self {
            Self::Lambda(function) => Some(("lambda:InvokeFunction", function.arn(partition))),
            Self::Sns(topic) => Some(("sns:Publish", topic.to_string())),
            Self::Webhook(_) | Self::Command(_) => None,
        }
    }
}

/// How people know it, without what may be secret.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Webhook(webhook) => webhook.fmt(f),
            Self::Lambda(function) => write!(f, "lambda {function}"),
            Self::Sns(topic) => write!(f, "sns {topic}"),
            Self::Command(program) => write!(f, "command {program}"),
        }
    }
}

/// What notifications leave by.
pub struct Outside {
    pub env: Env,
    pub over_tls: Arc<dyn Transport>,
    /// Never through a proxy, which would see everything.
    pub plain: Arc<dyn Transport>,
    pub aws: Caller,
    /// Amazon's time, which signs.
    pub clock: Arc<ServerClock>,
    /// The machine's, which signs only while the other isn't known, and tells when something happened.
    pub machine: Arc<dyn Clock>,
}

/// Why something could not be told.
#[derive(Debug)]
struct Failure {
    /// The end of a sentence that begins with whom it was to be told.
    why: String,
    again: Again,
}

/// Whether to try once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Again {
    Never,
    Later,
    /// As the other side asks for.
    After(Duration),
}

impl Settings {
    fn wants(&self, kind: Kind) -> bool {
        match kind {
            Kind::Changed => self.on.changed,
            Kind::Failed => self.on.failed,
            Kind::Recovered => self.on.recovered,
            Kind::Well => match &self.target {
                Target::Webhook(webhook) => webhook.preset.is_some_and(Preset::listens_for_life),
                _ => false,
            },
        }
    }

    /// Checks what only shows when something is sent: a template that can't be filled in.
    ///
    /// # Errors
    /// With what is wrong in words.
    pub fn check(&self) -> Result<(), String> {
        let Some(template) = &self.template else { return Ok(()) };
        for event in Event::samples() {
            template.render(event.fields()).map_err(|error| crate::causes::with_causes(&error))?;
        }
        Ok(())
    }

    /// Tells once.
    async fn send(&self, event: &Event, outside: &Outside) -> Result<(), Failure> {
        let rendered = self.template.as_ref().map(|template| template.render(event.fields())).transpose();
        let rendered = rendered.map_err(|error| Failure {
            why: format!("the template can't be filled in: {}", crate::causes::with_causes(&error)),
            again: Again::Never,
        })?;
        match &self.target {
            Target::Webhook(webhook) => {
                let is_json = self.template.as_ref().is_none_or(UserTemplate::is_json);
                webhook.send(event, rendered, is_json, outside).await
            }
            Target::Lambda(function) => function.invoke(event, rendered, outside).await,
            Target::Sns(topic) => topic.publish(event, rendered, outside).await,
            Target::Command(program) => command::run(program, event, rendered, outside).await,
        }
    }
}

impl Failure {
    fn of_call(error: &crate::aws::caller::Error) -> Self {
        let again = if error.is_transient() { Again::Later } else { Again::Never };
        Self { why: crate::causes::with_causes(error), again }
    }
}

/// What is read from the configuration, at the start or again.
pub struct Renewal {
    pub settings: Vec<Settings>,
    /// What the rules are known by to the board, in their order.
    pub rules: Vec<String>,
    pub outside: Outside,
}

/// Tells what came of a single run, an entry for each rule, within bounds.
pub async fn once(beginning: Renewal, entries: &[Entry]) {
    let now = beginning.outside.machine.now();
    let rules = beginning.rules.clone();
    let mut notifier = Notifier::new(beginning, Telling::Now);
    for (rule, entry) in rules.iter().zip(entries) {
        notifier.take(rule, entry, now);
    }
    notifier.finish(AT_ONCE).await;
}

/// Tells what `events` bring, and goes on with other settings as they come, until `ended` resolves. What is to
/// be told by then is given a moment.
pub async fn run(
    mut notifier: Notifier,
    mut events: mpsc::Receiver<Arc<board::Event>>,
    mut renewals: mpsc::Receiver<Renewal>,
    ended: impl Future<Output = ()>,
) {
    let mut ended = std::pin::pin!(ended);
    loop {
        tokio::select! {
            biased;
            () = &mut ended => break,
            Some(renewal) = renewals.recv() => notifier.renew(renewal),
            Some(event) = events.recv() => take(&mut notifier, &event),
            () = notifier.lasting() => {}
        }
    }
    while let Ok(event) = events.try_recv() {
        take(&mut notifier, &event);
    }
    notifier.finish(AT_STOP).await;
}

fn take(notifier: &mut Notifier, event: &board::Event) {
    if let board::Event::Decided(decision) = event {
        notifier.take(&decision.rule, &decision.entry, decision.at);
    }
}
