//! Operations on attempts to guess a password, which the engines keep behind the users.
//!
//! The decision is `throttle`'s; an engine reads the windows, writes what is taken, and keeps the table bounded.

use super::Account;
use crate::throttle::{Attempt, Reservation, Settlement, Throttled};
use crate::tokens::principal::UserId;

/// One operation on attempts.
#[derive(Debug)]
pub enum AttemptOperation {
    /// Reserves an attempt and finds the account that it is for. One that is refused changes nothing.
    Admit(Attempt),
    /// Gives back what an attempt holds that was no failure. A success forgets the failures of this account from this address
    /// as well, and remembers the address for the account.
    Settle {
        /// What it holds.
        reservation: Reservation,
        /// What it was.
        settlement: Settlement<UserId>,
    },
}

/// What became of it.
#[derive(Debug)]
pub enum AttemptOutcome {
    /// The attempt may be made.
    Admitted {
        /// The account with the name, if there is one.
        account: Option<Account>,
        /// What it holds; nothing where guesses are not counted.
        reservation: Option<Reservation>,
    },
    /// There were too many.
    Throttled {
        /// Of what, and until when.
        throttled: Throttled,
        /// The account with the name, if there is one.
        user: Option<UserId>,
    },
    /// What was held is given back.
    Settled,
}
