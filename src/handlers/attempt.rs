//! An attempt to guess a password, for every call that takes one.
//!
//! Owns one rule: whoever checks a password begins an [`Attempt`] first, and tells it how that went. One that is neither
//! given back nor settled as a success stays a failure, also where the client hangs up: drop it for a wrong password.
//!
//! hashing permit -> [`Attempt::begin`] (429 and one event where there were too many) -> the hash, through
//! [`Attempt::or_give_back`] -> `NewSession::reservation`, or [`Attempt::succeeded`]

use actix_web::web::Data;

use crate::actors::Account;
use crate::actors::attempts::Admission;
use crate::error::{Error, Result};
use crate::events;
use crate::handlers::services::Services;
use crate::middleware::trail::Trail;
use crate::throttle::{Reservation, Settlement};
use crate::tokens::principal::UserId;

/// An attempt that was admitted.
pub struct Attempt {
    services: Data<Services>,
    reservation: Option<Reservation>,
}

impl Attempt {
    /// Reserves an attempt for the account with this name, and finds the account.
    ///
    /// Errors: [`Error::TooManyAttempts`]; nothing was reserved.
    pub async fn begin(services: &Data<Services>, trail: &Trail, name: &str) -> Result<(Self, Option<Account>)> {
        match services.attempts.admit(name, trail.origin()).await? {
            Admission::Admitted { account, reservation } => {
                Ok((Self { services: services.clone(), reservation }, account))
            }
            Admission::Throttled { throttled, user, untold } => {
                if let Some(untold) = untold {
                    events::login_locked(trail, &throttled, user, untold);
                }
                Err(Error::TooManyAttempts { retry_after: throttled.retry_after })
            }
        }
    }

    /// Passes on what the service did for it, and gives it back where that failed: then no password was looked at, or a right
    /// one was and the service too busy for what follows.
    pub async fn or_give_back<T>(&self, outcome: Result<T>) -> Result<T> {
        if outcome.is_err() {
            // Where storage does not answer it stays a failure, and what failed first is what the client is told.
            self.settle(Settlement::Unchecked).await.ok();
        }
        outcome
    }

    /// The password was right, and no session is opened with it: forgets the failures of this account from this address.
    /// Nothing to do where the login's session carries the reservation itself.
    pub async fn succeeded(&self, user: UserId) -> Result<()> {
        self.settle(Settlement::Succeeded(user)).await
    }

    /// What it holds, for the session that is opened with it.
    pub fn reservation(&self) -> Option<Reservation> {
        self.reservation.clone()
    }

    async fn settle(&self, settlement: Settlement<UserId>) -> Result<()> {
        match self.reservation() {
            Some(reservation) => self.services.attempts.settle(reservation, settlement).await,
            None => Ok(()),
        }
    }
}
