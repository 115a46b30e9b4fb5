//! Where log lines go, and what they look like.
//!
//! Owns three rules. A line is one line: whatever comes from outside, nothing in it ends a line or steers a terminal
//! (`one_line`). Nobody who serves waits for standard error (`buffer`). And no filter, however curious, lets a crate tell
//! what a client sent ([`UNTRUSTED`]).
//!
//! event -> filter -> text or JSON -> `one_line` -> `buffer` -> standard error

use std::io;

use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::{fmt, registry};

use self::buffer::{Buffer, Flush};
use self::one_line::OneLine;
pub use self::one_line::escaped;
use self::stamp::Stamp;
use crate::config::{LogFormat, Settings};

mod buffer;
mod one_line;
mod stamp;

/// Crates whose lines below `info` repeat what came over the wire, header values above all, and into a header of any name a
/// broken client may put a token. They are held at `info` whatever `RUST_LOG` says.
const UNTRUSTED: [&str; 1] = ["actix_http"];

/// Why nothing can be logged.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter is none.
    #[error("RUST_LOG: {0}")]
    Filter(#[from] ParseError),
    /// The thread that writes cannot be started.
    #[error("the writer: {0}")]
    Writer(#[from] io::Error),
    /// Somebody logs already.
    #[error("there is a log already")]
    Taken,
}

/// Begins to log to standard error, panics included; standard output stays free for what a command answers. Dropped, what is
/// returned writes out what is left: keep it until the process ends.
pub fn start(settings: &Settings) -> Result<Flush, LogError> {
    let (buffer, flush) = Buffer::start(io::stderr())?;
    let subscriber = subscriber(settings.log_format, &settings.log_filter, buffer)?;
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::Taken)?;
    log_panics();
    Ok(flush)
}

/// Everything but where the lines go.
///
/// # Errors
///
/// [`ParseError`] where `filter` is none.
pub fn subscriber<W>(
    format: LogFormat,
    filter: &str,
    writer: W,
) -> Result<impl tracing::Subscriber + Send + Sync, ParseError>
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let lines = fmt::layer().with_timer(Stamp).with_writer(OneLine(writer));
    let lines = match format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    Ok(registry().with(discreet(&filter.parse()?)).with(lines))
}

/// A panic says where it happened and no more: its message may hold what a client sent.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        tracing::error!(place, "a panic");
    }));
}

/// The filter, with those held that tell too much.
fn discreet(asked: &Targets) -> Targets {
    let untrusted = |target: &str| UNTRUSTED.iter().any(|name| target.starts_with(name));
    let held = |(target, level): (&str, LevelFilter)| {
        let level = if untrusted(target) { level.min(LevelFilter::INFO) } else { level };
        (target.to_owned(), level)
    };
    let talkative = UNTRUSTED.iter().filter(|name| asked.would_enable(name, &Level::DEBUG));
    Targets::new()
        .with_default(asked.default_level().unwrap_or(LevelFilter::OFF))
        .with_targets(asked.iter().map(held))
        .with_targets(talkative.map(|name| (*name, LevelFilter::INFO)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, Timestamp};

    fn enables(filter: &str, target: &str, level: Level) -> bool {
        discreet(&filter.parse().unwrap()).would_enable(target, &level)
    }

    #[test]
    fn a_line_begins_with_its_time_in_utc() {
        let (line, lines) = std::sync::mpsc::channel();
        let log = subscriber(LogFormat::Text, "info", move || Sent(line.clone())).unwrap();
        let before = Clock::system().now();

        tracing::subscriber::with_default(log, || tracing::info!("something"));

        let line = String::from_utf8(lines.recv().unwrap()).unwrap();
        let (time, _) = line.split_once(' ').unwrap();
        let time = chrono::DateTime::parse_from_rfc3339(time).unwrap();
        assert_eq!(time.offset().local_minus_utc(), 0);
        let time = Timestamp::from_millis(time.timestamp_millis());
        assert!((before..=Clock::system().now()).contains(&time), "{line}");
    }

    struct Sent(std::sync::mpsc::Sender<Vec<u8>>);

    impl io::Write for Sent {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.0.send(line.to_vec()).unwrap();
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_crate_that_repeats_input_is_held_at_info_whatever_is_asked() {
        let module = "actix_http::h1::decoder";
        for asked in
            ["trace", "debug", "actix=trace", "actix_http=trace", "info,actix_http::h1=debug", "off,actix_http=debug"]
        {
            assert!(!enables(asked, module, Level::DEBUG), "{asked}");
            assert!(enables(asked, module, Level::INFO), "{asked}");
        }
    }

    #[test]
    fn everything_else_is_as_it_was_asked() {
        assert!(enables("trace", "latchkey::app", Level::TRACE));
        assert!(enables("info,latchkey=debug", "latchkey::app", Level::DEBUG));
        assert!(!enables("info,latchkey=debug", "actix_server", Level::DEBUG));
        assert!(!enables("info,latchkey::request=off", "latchkey::request", Level::INFO));
        assert!(enables("info,latchkey::request=off", "latchkey::security", Level::INFO));
        assert!(!enables("error", "actix_http", Level::INFO));
        assert!(!enables("latchkey=info", "actix_http", Level::ERROR));
    }
}
