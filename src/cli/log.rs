//! Where log lines go and how they look: standard error, as text or as JSON.
//!
//! Not here: what is worth a line.

use std::fmt;

use tracing::Subscriber;
use tracing::field::Field;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry;

use crate::clock::{Clock, SystemClock};
use crate::config::{Log, LogFormat};

/// Sends the log lines of this process to standard error.
pub(super) fn install(log: Log) {
    let subscriber = subscriber(log, SystemClock, std::io::stderr);
    // Refused only where the process has a subscriber already, which then is the caller's own.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

fn subscriber<W>(log: Log, clock: impl Clock + 'static, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines =
        tracing_subscriber::fmt::layer().with_writer(writer).with_timer(Stamp(clock)).with_ansi(false);
    let lines = match log.format {
        LogFormat::Text => lines.with_target(false).fmt_fields(debug_fn(in_words)).boxed(),
        LogFormat::Json => {
            lines.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
        }
    };
    registry().with(lines).with(log.filter)
}

/// Writes a field for people. What a decision's message says already is not said again.
fn in_words(to: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    match field.name() {
        "message" => write!(to, "{value:?}"),
        "name" | "outcome" | "reason" => Ok(()),
        name => write!(to, " {name}={value:?}"),
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
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, talk: impl FnOnce()) -> String {
        let filter = Targets::new().with_default(LevelFilter::INFO);
        let lines = Lines::default();
        let writer = lines.clone();
        let clock = SteadyClock::starting_at("2015-08-30T12:36:00Z".parse().unwrap());
        let subscriber = subscriber(Log { format, filter }, clock, move || writer.clone());
        tracing::subscriber::with_default(subscriber, talk);
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
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
}
