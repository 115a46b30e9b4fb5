//! The only source of "now".
//!
//! Owns one rule: time never runs backwards inside a process. Every decision takes `now` as a parameter; whoever needs
//! one asks a [`Clock`] once and passes it on. Tests move time with [`Clock::advance`] instead of sleeping.
//!
//! system time + offset (zero outside tests), raised to the newest time seen -> [`Timestamp`]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, SecondsFormat, Utc};

/// A moment: milliseconds since 1970-01-01T00:00:00Z, as storage holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment so many milliseconds after the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down: a JWT `NumericDate` (RFC 7519 §2).
    pub const fn as_unix_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The moment `span` later; the end of time where that would overflow.
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }

    /// The moment `span` earlier; the start of time where that would overflow.
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(millis(span)))
    }

    /// How long after `earlier` this is; zero where it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// RFC 3339 in UTC with milliseconds, as every answer of the API writes a time.
    pub fn to_rfc3339(self) -> String {
        DateTime::<Utc>::from_timestamp_millis(self.0).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Millis, true)
    }

    /// The moment that an RFC 3339 text names; `None` where it is none. What is finer than a millisecond is cut.
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        DateTime::parse_from_rfc3339(text).ok().map(|moment| Self(moment.timestamp_millis()))
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// A handle on this process's time; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Clock(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    newest: AtomicI64,
    offset: AtomicI64,
}

impl Clock {
    /// The system's time, without an offset.
    pub fn system() -> Self {
        Self::default()
    }

    /// The time: the system's plus the offset, and never earlier than any time given out or noted before.
    pub fn now(&self) -> Timestamp {
        let wall = self.wall().as_millis();
        Timestamp(self.0.newest.fetch_max(wall, Ordering::AcqRel).max(wall))
    }

    /// The system's time plus the offset, even where it ran backwards: only for comparing it with storage at start.
    pub fn wall(&self) -> Timestamp {
        let system = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis);
        Timestamp(system.saturating_add(self.0.offset.load(Ordering::Acquire)))
    }

    /// Makes every later [`now`](Self::now) at least `moment`: storage notes the newest time that it holds.
    pub fn note(&self, moment: Timestamp) {
        self.0.newest.fetch_max(moment.as_millis(), Ordering::AcqRel);
    }

    /// Moves time forward for tests; nothing in the service calls it.
    pub fn advance(&self, span: Duration) {
        self.0.offset.fetch_add(millis(span), Ordering::AcqRel);
    }

    /// Steps the wall clock back for tests, as an operator or NTP may; [`now`](Self::now) stands still meanwhile.
    pub fn step_back(&self, span: Duration) {
        self.0.offset.fetch_sub(millis(span), Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn now_stands_still_while_the_wall_clock_runs_backwards() {
        let clock = Clock::system();
        let before = clock.now();

        clock.step_back(Duration::from_secs(3600));

        assert!(clock.now() >= before);
        assert!(clock.wall() < before);
    }

    #[test]
    fn a_time_noted_from_storage_is_never_undercut() {
        let clock = Clock::system();
        let ahead = clock.now().plus(Duration::from_secs(30));

        clock.note(ahead);

        assert_eq!(clock.now(), ahead);
    }

    #[test]
    fn times_are_written_as_rfc_3339_in_utc() {
        let (moment, text) = (Timestamp::from_millis(1_700_000_000_123), "2023-11-14T22:13:20.123Z");
        assert_eq!(moment.to_rfc3339(), text);
        assert_eq!(Timestamp::from_rfc3339(text), Some(moment));
        assert_eq!(Timestamp::from_rfc3339("2023-11-14"), None);
    }
}
