//! How many of something there may be in a while: `LOGIN_FAILURES`, `REGISTRATIONS`.
//!
//! Owns what such a limit may say. What it limits, and how it is counted, is the business of `throttle`.

use std::time::Duration;

use super::parse::{duration, whole_number};
use super::source::Parsed;

/// Nobody mistypes a password so often; a bigger number is a slip, or means `off`.
const MOST: u64 = 10_000;
/// `Retry-After` counts in seconds.
const SHORTEST: Duration = Duration::from_secs(1);
/// Whoever was refused has to wait for so long: beyond a day a limit is a lockout, and a bigger number a slip in the unit.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// `N per D`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// So many, 1 to 10,000.
    pub most: u32,
    /// In so long, a second to a day.
    pub per: Duration,
}

/// `N per D`, or `off`.
pub(super) fn rate(text: &str) -> Parsed<Option<Rate>> {
    const MALFORMED: &str = "neither off nor a limit such as 10 per 15m";
    if text == "off" {
        return Ok(None);
    }
    let (number, span) = text.split_once(" per ").ok_or(MALFORMED)?;
    let number = whole_number(number).filter(|_| !number.is_empty()).ok_or(MALFORMED)?;
    let per = duration(span).map_err(|_| MALFORMED)?;
    let most = u32::try_from(number).ok().filter(|_| (1..=MOST).contains(&number));
    let most = most.ok_or("not 1 to 10000 in a while; to have no limit, say off")?;
    if !(SHORTEST..=LONGEST).contains(&per) {
        return Err("not so many in 1s to 24h");
    }
    Ok(Some(Rate { most, per }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_number_in_a_while_or_off() {
        let minutes = |most, minutes: u64| Ok(Some(Rate { most, per: Duration::from_secs(60 * minutes) }));
        assert_eq!(rate("off"), Ok(None));
        assert_eq!(rate("10 per 15m"), minutes(10, 15));
        assert_eq!(rate("1 per 24h"), minutes(1, 24 * 60));
        assert_eq!(rate("10000 per 1d"), minutes(10_000, 24 * 60));
        assert_eq!(rate("5 per 1000ms"), Ok(Some(Rate { most: 5, per: Duration::from_secs(1) })));
    }

    #[test]
    fn what_is_no_such_limit_is_refused() {
        let malformed =
            ["", "10", "15m", "10 per", "per 15m", " per 15m", "10per15m", "10  per 15m", "10 per 15", "OFF"];
        let out_of_bounds =
            ["0 per 15m", "10001 per 15m", "99999999999999999999 per 15m", "10 per 999ms", "10 per 25h"];
        let odd = ["-1 per 15m", "+1 per 15m", "1.5 per 15m", "10 per 15m ", "10/15m", "10 per 0s", "0", "none"];
        for text in malformed.into_iter().chain(out_of_bounds).chain(odd) {
            assert!(rate(text).is_err(), "{text:?}");
        }
    }
}
