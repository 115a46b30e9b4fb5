//! Time that stands still.

use std::time::Duration;

use latchkey::clock::{Clock, Timestamp};

use super::TestServer;

/// So far back that the wall clock does not catch up while a test runs.
const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// The server's time, standing still until the test lets some of it pass: a limit is then met to the millisecond, however
/// busy the machine is. Not for a server that is to be restarted: its wall clock is far behind.
pub struct StoppedTime(Clock);

impl TestServer {
    /// Stops the server's time at a whole second, so that what is told in seconds is exact.
    pub fn stop_time(&self) -> StoppedTime {
        let second = Timestamp::from_millis(self.clock.now().as_unix_seconds() * 1000 + 1000);
        self.clock.step_back(FAR);
        self.clock.note(second);
        StoppedTime(self.clock.clone())
    }
}

impl StoppedTime {
    /// Lets exactly so much time pass.
    pub fn pass(&self, span: Duration) {
        self.0.note(self.now().plus(span));
    }

    /// What the server takes for now.
    pub fn now(&self) -> Timestamp {
        self.0.now()
    }
}
