//! What the driver saw of a stream.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::figures::{per_second, quantile_ms};

/// Latencies are kept in microseconds, to three digits.
pub const DIGITS: u8 = 3;

/// What a stream saw.
#[derive(Debug, Clone)]
pub struct Tally {
    /// All answers.
    pub answers: u64,
    /// Those with a status of 2xx.
    pub accepted: u64,
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// From the first answer to the last one that came in time, and how many there were.
    pub between: (Duration, u64),
    /// In microseconds, of every answer.
    pub latency: Histogram<u64>,
}

impl Tally {
    /// Answers a second.
    pub fn rate(&self) -> f64 {
        per_second(self.answers, self.elapsed)
    }

    /// Answers a second of so many threads, each of which takes so long for one that the ends of a run would count: between
    /// the first and the last, with the first of each thread left out.
    pub fn rate_between(&self, threads: usize) -> f64 {
        let (span, answers) = self.between;
        per_second(answers.saturating_sub(u64::try_from(threads).unwrap_or(u64::MAX)), span)
    }

    /// The latency that this share of the answers did not pass, in milliseconds.
    pub fn quantile_ms(&self, share: f64) -> f64 {
        quantile_ms(&self.latency, share)
    }
}
