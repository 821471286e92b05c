//! Where log lines go and how they look: standard error, as text or as JSON.
//!
//! Where standard error is systemd's journal, a line of text begins with its level as the journal reads it,
//! and leaves out what the journal notes by itself. Whatever others have written that a line quotes, it stays
//! one line. Not here: what is worth a line.
//!
//! Spec: <https://www.freedesktop.org/software/systemd/man/latest/sd-daemon.html>,
//! <https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html#%24JOURNAL_STREAM>

use std::fmt;
use std::os::fd::AsFd;

use tracing::field::Field;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Registry, registry, reload};

use crate::clock::{Clock, SystemClock};
use crate::config::{Log, LogFormat};
use crate::env::Env;
use crate::toolbox::visible;

/// What an error that is no log line begins with, where the journal reads it.
const JOURNAL_ERROR: &str = "<3>";

/// What every line goes through.
type Lines = Box<dyn Layer<Registry> + Send + Sync>;

/// Makes the log another one while the process runs.
pub(super) struct Switch {
    lines: reload::Handle<Lines, Registry>,
    for_journal: bool,
}

/// Sends the log lines of this process to standard error.
pub(super) fn install(log: Log, env: &Env) -> Switch {
    let for_journal = is_journal(env);
    let (lines, handle) = reload::Layer::new(lines(log, SystemClock, for_journal, std::io::stderr));
    // Refused only where the process has a subscriber already, which then is the caller's own.
    let _ = tracing::subscriber::set_global_default(registry().with(lines));
    Switch { lines: handle, for_journal }
}

impl Switch {
    pub(super) fn set(&self, log: Log) {
        // Refused only where there is no such log, as above.
        let _ = self.lines.reload(lines(log, SystemClock, self.for_journal, std::io::stderr));
    }
}

/// What a line on standard error begins with that tells of an error and is no log line.
pub(super) fn mark(env: &Env) -> &'static str {
    if is_journal(env) { JOURNAL_ERROR } else { "" }
}

/// Whether standard error is the journal's own stream, and not a file or a pipe that it was led to since.
fn is_journal(env: &Env) -> bool {
    is_stream_of_journal(env, std::io::stderr())
}

fn is_stream_of_journal(env: &Env, stream: impl AsFd) -> bool {
    let Some((device, inode)) = env.get("JOURNAL_STREAM").and_then(|text| text.split_once(':')) else {
        return false;
    };
    // Numbers of either sign and width, as the platform has them, compared as they are written.
    rustix::fs::fstat(stream)
        .is_ok_and(|stat| stat.st_dev.to_string() == device && stat.st_ino.to_string() == inode)
}

fn lines<W>(log: Log, clock: impl Clock + 'static, for_journal: bool, writer: W) -> Lines
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(false);
    let lines = match log.format {
        LogFormat::Text => {
            lines.event_format(Text { clock, for_journal }).fmt_fields(debug_fn(in_words)).boxed()
        }
        LogFormat::Json => lines
            .with_timer(Stamp(clock))
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .boxed(),
    };
    lines.and_then(log.filter).boxed()
}

/// Lines of text, with time and level for people or for the journal.
struct Text<C> {
    clock: C,
    for_journal: bool,
}

impl<S, N, C> FormatEvent<S, N> for Text<C>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    C: Clock,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut to: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let level = *event.metadata().level();
        if self.for_journal {
            write!(to, "<{}>", priority(level))?;
        } else {
            write!(to, "{:.3} {level:>5} ", self.clock.now())?;
        }
        context.field_format().format_fields(to.by_ref(), event)?;
        writeln!(to)
    }
}

/// A level as syslog counts them (RFC 5424, section 6.2.1).
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

/// Writes a field for people. What the message of a decision or of a notification says already is not said
/// again.
fn in_words(to: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    match field.name() {
        "message" => to.write_str(&visible(&format!("{value:?}"))),
        "name" | "outcome" | "reason" | "request_id" | "to" | "why" => Ok(()),
        name => write!(to, " {name}={}", visible(&format!("{value:?}"))),
    }
}

/// Times in UTC to the millisecond.
struct Stamp<C>(C);

impl<C: Clock> FormatTime for Stamp<C> {
    fn format_time(&self, to: &mut Writer<'_>) -> fmt::Result {
        write!(to, "{:.3}", self.0.now())
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::filter::{LevelFilter, Targets};

    use super::*;
    use crate::clock::SteadyClock;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged_to(for_journal: bool, format: LogFormat, talk: impl FnOnce()) -> String {
        let filter = Targets::new().with_default(LevelFilter::INFO);
        let written = Written::default();
        let writer = written.clone();
        let clock = SteadyClock::starting_at("2015-08-30T12:36:00Z".parse().unwrap());
        let lines = lines(Log { format, filter }, clock, for_journal, move || writer.clone());
        tracing::subscriber::with_default(registry().with(lines), talk);
        String::from_utf8(written.0.lock().unwrap().clone()).unwrap()
    }

    fn logged(format: LogFormat, talk: impl FnOnce()) -> String {
        logged_to(false, format, talk)
    }

    fn talk() {
        tracing::debug!("not worth a line");
        tracing::warn!(name = "vpn.example.com", attempt = 2, "could not confirm");
    }

    #[tokio::test(start_paused = true)]
    async fn a_text_line_has_time_level_message_and_fields() {
        insta::assert_snapshot!(logged(LogFormat::Text, talk), @"2015-08-30T12:36:00.000Z  WARN could not confirm attempt=2");
    }

    #[tokio::test(start_paused = true)]
    async fn a_json_line_has_its_fields_beside_time_level_and_message() {
        insta::assert_snapshot!(logged(LogFormat::Json, talk), @r#"{"timestamp":"2015-08-30T12:36:00.000Z","level":"WARN","message":"could not confirm","name":"vpn.example.com","attempt":2,"target":"pin53::cli::log::tests"}"#);
    }

    #[tokio::test(start_paused = true)]
    async fn the_journal_gets_levels_and_keeps_the_time_itself() {
        let lines = logged_to(true, LogFormat::Text, || {
            tracing::error!("one");
            tracing::warn!("two");
            tracing::info!(change = "C1", "three");
        });
        assert_eq!(lines, "<3>one\n<4>two\n<6>three change=\"C1\"\n");
        assert!(logged_to(true, LogFormat::Json, talk).starts_with("{\"timestamp\""));
    }

    #[tokio::test(start_paused = true)]
    async fn what_others_have_written_breaks_no_line_and_paints_nothing() {
        let evil = "a\n<0>b\r\u{1b}[31m\u{9b}1m\u{202e}\0";
        for for_journal in [false, true] {
            let lines = logged_to(for_journal, LogFormat::Text, || {
                tracing::info!(%evil, also = evil, "said {evil}");
            });
            assert_eq!(lines.matches('\n').count(), 1, "{lines:?}");
            assert!(!lines.trim_end().chars().any(|c| c.is_control() || c == '\u{202e}'), "{lines:?}");
            assert!(lines.contains("said a\\n<0>b"), "{lines:?}");
        }
        let line = logged(LogFormat::Json, || tracing::info!(evil, "said {evil}"));
        assert_eq!(line.matches('\n').count(), 1, "{line:?}");
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            (line["evil"].as_str(), line["message"].as_str()),
            (Some(evil), Some(&*format!("said {evil}")))
        );
    }

    #[test]
    fn the_journal_is_told_by_device_and_inode_and_by_nothing_less() {
        let file = tempfile::tempfile().unwrap();
        let other = tempfile::tempfile().unwrap();
        let stat = rustix::fs::fstat(&file).unwrap();
        let stream = format!("{}:{}", stat.st_dev, stat.st_ino);
        let env = Env::from_iter([("JOURNAL_STREAM", stream.as_str())]);
        assert!(is_stream_of_journal(&env, &file));
        assert!(!is_stream_of_journal(&env, &other), "it was led elsewhere since");
        assert!(!is_stream_of_journal(&Env::default(), &file));
        for wrong in [stat.st_ino.to_string(), ":".to_owned(), format!("{stream}:1"), format!("0{stream}")] {
            assert!(!is_stream_of_journal(&Env::from_iter([("JOURNAL_STREAM", wrong)]), &file));
        }
    }
}
