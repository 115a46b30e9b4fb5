//! Counts and times as numbers to reckon with.
//!
//! Owns the conversions, so that each is lossy in one place and has its unit in its name.

use std::time::Duration;

use hdrhistogram::Histogram;

/// A count, of one run or of bytes.
#[expect(clippy::cast_precision_loss, reason = "what is counted here is far below 2^53")]
pub fn number(count: u64) -> f64 {
    count as f64
}

/// Bytes in MiB.
pub fn mebibytes(bytes: u64) -> f64 {
    number(bytes) / (1024.0 * 1024.0)
}

/// So many in this time, for each second of it.
pub fn per_second(count: u64, span: Duration) -> f64 {
    number(count) / span.as_secs_f64().max(f64::MIN_POSITIVE)
}

/// The latency that this share of the answers did not pass, in milliseconds; the histogram counts microseconds.
pub fn quantile_ms(latency: &Histogram<u64>, share: f64) -> f64 {
    number(latency.value_at_quantile(share)) / 1e3
}

/// The middle one; of an even number the mean of the middle two. 0 of none.
pub fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    let upper = figures.get(figures.len() / 2).copied().unwrap_or_default();
    let lower = figures.get((figures.len().saturating_sub(1)) / 2).copied().unwrap_or_default();
    f64::midpoint(lower, upper)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        assert_eq!(median([4.0, 1.0, 2.0, 8.0].into_iter()), 3.0);
        assert_eq!(median([5.0].into_iter()), 5.0);
        assert_eq!(median(std::iter::empty()), 0.0);
    }
}
