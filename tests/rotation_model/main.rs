//! Tries to break the rules of refresh-token rotation.
//!
//! Owns one question: does [`decide`](latchkey::tokens::rotation::decide) keep the promises that its rules were made for,
//! whatever happens in whatever order? The answer is looked for three times: row by row ([`verdict_table`]), in every
//! schedule up to a length ([`short_schedules`]), and in long random ones with many holders, a thief, endings, clock
//! steps, stalled commits and restarts ([`interleavings`], [`honest_tabs`], [`theft`]). No storage, no actor, no sleeping:
//! time is a number here.
//!
//! events -> [`world::World`] -> decide on a row, beside [`history::History`], which expects the verdict from what happened
//!
//! The expectation never looks at the columns of the row. It remembers each token that was handed out and what became
//! of it, so that a mistake in the columns cannot hide in a copy of itself.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails, and these are made only where the model itself would be wrong"
)]

mod history;
mod honest_tabs;
mod interleavings;
mod server;
mod short_schedules;
mod theft;
mod verdict_table;
mod world;

use history::Rules;
use latchkey::clock::Timestamp;
use latchkey::tokens::refresh::Generation;
use latchkey::tokens::rotation::Moment;

/// `REFRESH_GRACE`'s default, in milliseconds.
const WINDOW: i64 = 10_000;

/// The three kinds of `REFRESH_GRACE`. The limits are short, so that schedules of a minute or two run into them.
const DEFAULT_GRACE: Rules = Rules { window: WINDOW, until_used: false, idle_ttl: 60_000, absolute_ttl: 200_000 };
const STRICT: Rules = Rules { window: 0, ..DEFAULT_GRACE };
const UNTIL_USED: Rules = Rules { until_used: true, ..DEFAULT_GRACE };

/// A session that neither limit ends within a test.
const fn without_limits(rules: Rules) -> Rules {
    Rules { idle_ttl: 1 << 40, absolute_ttl: 1 << 40, ..rules }
}

fn generation(number: u32) -> Generation {
    Generation::new(number).unwrap()
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// A request that did not have to wait.
fn presented_at(millis: i64) -> Moment {
    Moment { asked_at: at(millis), now: at(millis) }
}
