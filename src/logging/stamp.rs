//! The time at the head of a line.
//!
//! Owns one rule: the form is tracing-subscriber's own, RFC 3339 in UTC to the microsecond, and a request pays little for it: the
//! date and the time of day are written once a second and thread, and only the microseconds for each line.
//!
//! system time -> [`Stamp`] -> text or JSON

use std::cell::RefCell;
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{DateTime, SecondsFormat, Utc};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

/// The machine's time, in UTC, to the microsecond. Not `Clock`'s, which stands still where the machine's was set back: a log is
/// laid beside those of other programs.
#[derive(Debug)]
pub(super) struct Stamp;

thread_local! {
    /// A second since 1970, and how a line of it begins.
    static SECOND: RefCell<(u64, String)> = const { RefCell::new((u64::MAX, String::new())) };
}

impl FormatTime for Stamp {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        SECOND.with_borrow_mut(|(second, text)| {
            if *second != time.as_secs() {
                *second = time.as_secs();
                *text = to_the_second(*second);
            }
            writer.write_str(text)
        })?;
        write!(writer, ".{:06}Z", time.subsec_micros())
    }
}

/// `2023-11-14T22:13:20`.
fn to_the_second(second: u64) -> String {
    let time = i64::try_from(second).ok().and_then(|second| DateTime::<Utc>::from_timestamp(second, 0));
    let mut text = time.unwrap_or_default().to_rfc3339_opts(SecondsFormat::Secs, true);
    text.truncate(text.len().saturating_sub("Z".len()));
    text
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::fmt::time;

    use super::*;

    fn written(timer: &impl FormatTime) -> String {
        let mut text = String::new();
        timer.format_time(&mut Writer::new(&mut text)).unwrap();
        text
    }

    #[test]
    fn a_time_is_written_as_tracing_subscriber_writes_it() {
        let before = written(&time::SystemTime);
        let ours = [written(&Stamp), written(&Stamp)];
        let after = written(&time::SystemTime);

        // Of one form, they compare as the times do.
        assert!(before <= ours[0] && ours[0] <= ours[1] && ours[1] <= after, "{before} {ours:?} {after}");
        assert!(ours.iter().all(|ours| ours.len() == before.len() && ours.len() == after.len()));
    }

    #[test]
    fn a_second_is_written_without_its_zone() {
        assert_eq!(to_the_second(1_700_000_000), "2023-11-14T22:13:20");
    }
}
