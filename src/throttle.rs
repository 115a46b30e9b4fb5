//! How often a password may be guessed, as a decision.
//!
//! Owns one rule: a guess is counted before it is checked, and given back if it was none. "N per D" is a window that opens
//! with its first failure, holds at most N, and is over D later. Three windows count each guess: of the account from this
//! address (N), of the account (10 N), and of the address (10 N); one from this host is counted in the first alone. Pure: no clock, no storage; the caller passes `now` and
//! the stored windows, and writes what comes back. Why so: docs/adr/0009-throttling.md.
//!
//! name + [`Origin`] -> [`Keys`] -> [`Attempt`] -> storage reads the windows -> [`Policy::reserve`] -> [`Reservation`]
//!
//! - `keys`: what names and addresses are called in storage
//! - `origin`: where an attempt comes from
//! - [`registrations`]: how many an address may make
//! - [`told`]: that something is told once

use std::time::Duration;

use crate::clock::Timestamp;
use crate::config::Rate;
use crate::tokens::principal::Username;

mod keys;
mod origin;
pub mod registrations;
pub mod told;

pub use self::keys::{Key, Keys};
pub use self::origin::{Origin, StandsFor, network};

/// What one account and one address may fail by themselves, against one account from one address.
const WIDER: u32 = 10;

/// What a counter counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Guesses for one account from one address.
    Pair,
    /// Guesses for one account from addresses of other hosts that never logged in to it: from the others nobody can lock its
    /// owner out.
    Account,
    /// Guesses from one address, whatever the account.
    Address,
}

/// A counter's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counter {
    /// What it counts.
    pub scope: Scope,
    /// Of whom and where from.
    pub key: Key,
}

/// A guess that somebody wants to make.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// Whose password; `None` where nobody can have the name that was given.
    pub name: Option<Username>,
    /// The account, by its name: one that does not exist is counted in the same way.
    pub account: Key,
    /// Where from.
    pub address: Key,
    /// The account from there.
    pub pair: Key,
    /// Whom that address stands for.
    pub from: StandsFor,
}

impl Attempt {
    /// What counts it; `is_known` says that this address logged in to the account before. An address that many share is not
    /// counted over all accounts; this host's neither, and what fails here takes nothing from an account's owner elsewhere.
    pub fn counters(&self, is_known: bool) -> impl Iterator<Item = Counter> {
        let pair = Counter { scope: Scope::Pair, key: self.pair };
        let (is_account_counted, is_address_counted) = match self.from {
            StandsFor::Client => (!is_known, true),
            StandsFor::Many => (!is_known, false),
            StandsFor::ThisHost => (false, false),
        };
        let account = is_account_counted.then_some(Counter { scope: Scope::Account, key: self.account });
        let address = is_address_counted.then_some(Counter { scope: Scope::Address, key: self.address });
        [Some(pair), account, address].into_iter().flatten()
    }
}

/// The failures of one window, those that are reserved included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// So many.
    pub failures: u32,
    /// When the first of them was reserved.
    pub opened_at: Timestamp,
}

/// A place that was taken in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Whose.
    pub counter: Counter,
    /// With this place.
    pub window: Window,
}

/// The places that one attempt holds until it is known what it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// Where from, to be remembered where it succeeds.
    pub address: Key,
    /// In the windows of these counters.
    pub taken: Vec<Taken>,
}

/// What an attempt turned out to be. One that is never settled stays a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement<User> {
    /// The password was not checked.
    Unchecked,
    /// The password was right.
    Succeeded(User),
}

/// Why an attempt was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttled {
    /// The counter that is full; `None`: it would have needed a new one, and there is no room for it.
    pub counter: Option<Counter>,
    /// When that is over.
    pub over_at: Timestamp,
    /// How long that is from now.
    pub retry_after: Duration,
}

impl Throttled {
    /// A refusal until `over_at`.
    pub fn until(over_at: Timestamp, counter: Option<Counter>, now: Timestamp) -> Self {
        Self { counter, over_at, retry_after: over_at.since(now) }
    }
}

/// How often may be guessed, and how much is remembered of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// `LOGIN_FAILURES`: for one account from one address.
    pub rate: Rate,
    /// Counters that are kept at most.
    pub most_counters: u32,
}

impl Policy {
    /// Failures that a window of this scope holds.
    pub fn most(&self, scope: Scope) -> u32 {
        match scope {
            Scope::Pair => self.rate.most,
            Scope::Account | Scope::Address => self.rate.most.saturating_mul(WIDER),
        }
    }

    /// A window that was opened at this moment or before is over at `now`.
    pub fn over_before(&self, now: Timestamp) -> Timestamp {
        now.minus(self.rate.per)
    }

    /// When a window is over.
    pub fn over_at(&self, window: &Window) -> Timestamp {
        window.opened_at.plus(self.rate.per)
    }

    /// What a counter may hold to be given up for a new one where there is no room: at most half of the least limit, so
    /// that no number of new names pushes out one that is near its own.
    pub fn most_displaced(&self) -> u32 {
        self.rate.most / 2
    }

    /// Takes a place in each window, or in none. `stored` is what storage has of each counter.
    ///
    /// Errors: the full one that is over last.
    pub fn reserve(&self, stored: &[(Counter, Option<Window>)], now: Timestamp) -> Result<Vec<Taken>, Throttled> {
        let live = |window: &Option<Window>| window.filter(|window| window.opened_at > self.over_before(now));
        let full = stored
            .iter()
            .filter_map(|(counter, window)| live(window).map(|window| (*counter, window)))
            .filter(|(counter, window)| window.failures >= self.most(counter.scope))
            .max_by_key(|(_, window)| window.opened_at);
        if let Some((counter, window)) = full {
            return Err(Throttled::until(self.over_at(&window), Some(counter), now));
        }
        let taken = stored.iter().map(|(counter, window)| {
            let window = live(window).unwrap_or(Window { failures: 0, opened_at: now });
            let window = Window { failures: window.failures.saturating_add(1), ..window };
            Taken { counter: *counter, window }
        });
        Ok(taken.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy { rate: Rate { most: 3, per: Duration::from_secs(60) }, most_counters: 100 };
    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn counter(scope: Scope) -> Counter {
        Counter { scope, key: Key::from_bytes([1; 16]) }
    }

    fn window(failures: u32, millis_ago: u64) -> Option<Window> {
        Some(Window { failures, opened_at: NOW.minus(Duration::from_millis(millis_ago)) })
    }

    #[test]
    fn a_window_takes_so_many_and_is_over_a_while_after_its_first() {
        let table = [
            (Scope::Pair, None, Ok(window(1, 0))),
            (Scope::Pair, window(2, 59_999), Ok(window(3, 59_999))),
            (Scope::Pair, window(3, 59_999), Err(Duration::from_millis(1))),
            (Scope::Pair, window(3, 0), Err(Duration::from_secs(60))),
            (Scope::Pair, window(3, 60_000), Ok(window(1, 0))),
            (Scope::Account, window(29, 1), Ok(window(30, 1))),
            (Scope::Account, window(30, 1), Err(Duration::from_millis(59_999))),
            (Scope::Address, window(29, 1), Ok(window(30, 1))),
            (Scope::Address, window(30, 1), Err(Duration::from_millis(59_999))),
        ];
        for (scope, stored, expected) in table {
            let decided = POLICY.reserve(&[(counter(scope), stored)], NOW);

            let decided = decided.map(|taken| Some(taken[0].window)).map_err(|throttled| throttled.retry_after);
            assert_eq!(decided, expected, "{scope:?} {stored:?}");
        }
    }

    #[test]
    fn of_several_full_windows_the_one_that_is_over_last_is_told() {
        let stored = [
            (counter(Scope::Pair), window(3, 1000)),
            (counter(Scope::Account), window(30, 10)),
            (counter(Scope::Address), window(1, 0)),
        ];

        let throttled = POLICY.reserve(&stored, NOW).unwrap_err();

        assert_eq!(throttled.counter, Some(counter(Scope::Account)));
        assert_eq!(throttled.retry_after, Duration::from_millis(59_990));
    }
}
