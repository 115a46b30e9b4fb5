//! Attempts to guess a password, as handlers make them.
//!
//! Owns the way of an attempt: [`Attempts::admit`] reserves it and finds the account in one message to the user store, before
//! anything is hashed. Whoever checked the password then either settles it ([`Attempts::settle`], or with the session that
//! is opened: `NewSession::reservation`) or leaves it, which makes it a failure: a client that hangs up has guessed.
//!
//! name + origin -> keys -> user store -> storage (windows, account) -> [`Admission`]

use super::user_store::Users;
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::storage::{Account, AttemptOperation, AttemptOutcome, UserOperation, UserOutcome};
use crate::throttle::told::Told;
use crate::throttle::{Keys, Origin, Reservation, Settlement, Throttled};
use crate::tokens::principal::UserId;

/// What became of an attempt at the door.
#[derive(Debug)]
pub enum Admission {
    /// It may be made.
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
        /// To be told, with the number of others that were not, where it was not told in this window.
        untold: Option<u64>,
    },
}

/// A handle on the table of failures, behind the user store.
pub struct Attempts {
    users: Users,
    keys: Keys,
    told: Told<Option<crate::throttle::Key>>,
    clock: Clock,
}

impl Attempts {
    /// Behind this store, with these names for what is counted.
    pub fn new(users: Users, keys: Keys, clock: Clock) -> Self {
        Self { users, keys, told: Told::new(), clock }
    }

    /// Reserves an attempt for the account with this name, be it one that nobody can have, and finds the account.
    pub async fn admit(&self, name: &str, origin: Origin) -> Result<Admission> {
        match self.ask(AttemptOperation::Admit(self.keys.attempt(name, origin))).await? {
            AttemptOutcome::Admitted { account, reservation } => Ok(Admission::Admitted { account, reservation }),
            AttemptOutcome::Throttled { throttled, user } => {
                let what = throttled.counter.map(|counter| counter.key);
                let untold = self.told.turn(what, throttled.over_at, self.clock.now());
                Ok(Admission::Throttled { throttled, user, untold })
            }
            AttemptOutcome::Settled => Err(Error::Internal("an answer to another question")),
        }
    }

    /// Gives back what an attempt holds that was no failure.
    pub async fn settle(&self, reservation: Reservation, settlement: Settlement<UserId>) -> Result<()> {
        self.ask(AttemptOperation::Settle { reservation, settlement }).await.map(|_| ())
    }

    async fn ask(&self, operation: AttemptOperation) -> Result<AttemptOutcome> {
        match self.users.ask(UserOperation::Attempt(operation)).await? {
            UserOutcome::Attempt(outcome) => Ok(outcome),
            UserOutcome::Created(_)
            | UserOutcome::Found(_)
            | UserOutcome::PasswordChanged { .. }
            | UserOutcome::AllEnded { .. }
            | UserOutcome::Administered(_)
            | UserOutcome::Changed => Err(Error::Internal("an answer to another question")),
        }
    }
}
