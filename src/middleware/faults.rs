//! What the log says of failures that are ours.
//!
//! Owns one rule: an answer of 5xx leaves a line with its cause, and a flood of them does not become a flood of lines. A
//! fault of the program is told every time. That the service is full or that a part does not answer is told at once, and
//! then at most every ten seconds with the number of those that were not told; each request has its own line anyway.
//!
//! [`ApiError`] on its way out -> [`note`] -> the log

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tracing::field::display;

use super::trail::Trail;
use crate::error::Error;
use crate::handlers::error::ApiError;

/// Between two lines about the same condition: soon enough for whoever watches, seldom enough to be read.
const PAUSE: Duration = Duration::from_secs(10);

static OVERLOADED: Seldom = Seldom::new();
static UNAVAILABLE: Seldom = Seldom::new();
static NOT_READY: Seldom = Seldom::new();

/// Logs a failure of ours; what is a client's is no news. The texts name places and parts of the program, never input.
pub(super) fn note(failure: &ApiError, trail: &Trail) {
    match failure {
        ApiError::Domain(Error::Internal(place)) => {
            let route = trail.route().map(display);
            tracing::error!(request_id = %trail.id(), route, place, "a request failed inside the service");
        }
        ApiError::Domain(Error::Overloaded { .. }) => OVERLOADED.tell(|untold| {
            let (route, ip) = (trail.route().map(display), trail.ip().map(display));
            tracing::warn!(request_id = %trail.id(), route, ip, untold, "at capacity: requests are turned away");
        }),
        ApiError::Domain(Error::Unavailable) => UNAVAILABLE.tell(|untold| {
            let route = trail.route().map(display);
            tracing::warn!(request_id = %trail.id(), route, untold, "storage or an actor does not answer");
        }),
        ApiError::NotReady { failing } => {
            NOT_READY.tell(|untold| tracing::warn!(failing = %failing, untold, "not ready"));
        }
        _ => {}
    }
}

/// Lets one through every [`PAUSE`], whatever the thread, and counts the others.
struct Seldom {
    /// Milliseconds since [`EPOCH`].
    next: AtomicU64,
    untold: AtomicU64,
}

/// Some moment before the first line.
static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

impl Seldom {
    const fn new() -> Self {
        Self { next: AtomicU64::new(0), untold: AtomicU64::new(0) }
    }

    fn tell(&self, line: impl FnOnce(u64)) {
        if let Some(untold) = self.turn(EPOCH.elapsed()) {
            line(untold);
        }
    }

    /// How many were not told since the last one, where it is time for one.
    fn turn(&self, now: Duration) -> Option<u64> {
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let next = self.next.load(Ordering::Relaxed);
        let after = millis(now.saturating_add(PAUSE));
        // Of several threads that find it is time, one exchanges.
        if millis(now) >= next && self.next.compare_exchange(next, after, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            return Some(self.untold.swap(0, Ordering::Relaxed));
        }
        self.untold.fetch_add(1, Ordering::Relaxed);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_at_once_and_then_one_every_pause_with_the_number_of_the_others() {
        let seldom = Seldom::new();
        let at = |seconds| seldom.turn(Duration::from_secs(seconds));

        assert_eq!([at(5), at(5), at(14)], [Some(0), None, None]);
        assert_eq!([at(15), at(16), at(100)], [Some(2), None, Some(1)]);
    }
}
