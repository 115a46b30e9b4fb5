//! Hashing, on threads of its own.
//!
//! Owns two rules: bcrypt runs here and nowhere else, at a lower priority than everything that serves; and whoever could
//! not begin within `HASH_MAX_WAIT` is turned away at the door, before anything else is asked. SyncArbiter's queue is
//! unbounded, so the bound is a semaphore in front of it. The permit travels inside the message: a client that hangs up
//! neither frees it early nor leaks it.
//!
//! [`Hashing::admit`] -> [`HashPermit`] -> message -> a niced thread -> [`crate::passwords::Hasher`]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr, Handler, Message, SyncArbiter, SyncContext};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::ask;
use crate::clock::{Clock, Timestamp};
use crate::error::{Error, Result};
use crate::passwords::{Checked, Hasher, Password, PasswordHash};

/// Added to the threads' nice value: the scheduler then prefers everything else about nine to one.
pub const NICENESS: i32 = 10;
/// Work that found a free thread may still wait for the scheduler so long, even where `HASH_MAX_WAIT` lets nobody queue.
const LEAST_PATIENCE: Duration = Duration::from_millis(250);
/// The least that a client is asked to wait: `Retry-After` counts in seconds.
const LEAST_RETRY: Duration = Duration::from_secs(1);

/// One hashing thread.
pub struct PasswordHasher {
    hasher: Arc<Hasher>,
    clock: Clock,
}

impl Actor for PasswordHasher {
    type Context = SyncContext<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        // On Linux this is the thread's own priority; elsewhere it would be the whole process's.
        if cfg!(target_os = "linux")
            && let Err(error) = rustix::process::nice(NICENESS)
        {
            tracing::warn!("hashing threads keep their priority: {error}");
        }
    }
}

/// A handle on the threads, and the door in front of them.
#[derive(Clone)]
pub struct Hashing {
    threads: Addr<PasswordHasher>,
    slots: Arc<Semaphore>,
    clock: Clock,
    max_wait: Duration,
    retry_after: Duration,
}

/// The right to hash once. Freed when the work is done, not when the client goes.
#[derive(Debug)]
pub struct HashPermit {
    _slot: OwnedSemaphorePermit,
    /// Work that did not begin by then is dropped.
    begins_by: Timestamp,
}

impl Hashing {
    /// Starts `threads` hashing threads. Measures how long a hash takes here, and admits as many as can begin within
    /// `max_wait`: those that run, and those that wait behind them.
    pub fn start(hasher: Arc<Hasher>, threads: usize, max_wait: Duration, clock: Clock) -> Self {
        let one_hash = hasher.estimate().max(Duration::from_micros(1));
        let waves = max_wait.as_micros() / one_hash.as_micros().max(1);
        let waves = usize::try_from(waves).unwrap_or(usize::MAX).saturating_add(1);
        let slots = threads.saturating_mul(waves).min(Semaphore::MAX_PERMITS);
        tracing::debug!(one_hash_ms = one_hash.as_millis(), slots, "hashing admits");
        let worker_clock = clock.clone();
        let threads = SyncArbiter::start(threads, move || PasswordHasher {
            hasher: Arc::clone(&hasher),
            clock: worker_clock.clone(),
        });
        let retry_after = one_hash.max(LEAST_RETRY);
        Self { threads, slots: Arc::new(Semaphore::new(slots)), clock, max_wait, retry_after }
    }

    /// A permit, or [`Error::Overloaded`] with nothing started.
    pub fn admit(&self) -> Result<HashPermit> {
        match Arc::clone(&self.slots).try_acquire_owned() {
            Ok(slot) => {
                Ok(HashPermit { _slot: slot, begins_by: self.clock.now().plus(self.max_wait.max(LEAST_PATIENCE)) })
            }
            Err(_) => Err(Error::Overloaded { retry_after: self.retry_after }),
        }
    }

    /// Hashes a new password. Errors: [`Error::Overloaded`] where its turn came too late.
    pub async fn hash(&self, permit: HashPermit, password: Password) -> Result<PasswordHash> {
        let retry_after = self.retry_after;
        ask(&self.threads, Hash { permit, password, retry_after }).await
    }

    /// Checks what was submitted against what is stored; either may be missing, and a failure costs the same in every
    /// case. Errors: [`Error::Overloaded`] where its turn came too late.
    pub async fn check(
        &self,
        permit: HashPermit,
        submitted: Option<Password>,
        stored: Option<PasswordHash>,
    ) -> Result<Checked> {
        let retry_after = self.retry_after;
        ask(&self.threads, Check { permit, submitted, stored, retry_after }).await
    }
}

/// Hashes a new password.
#[derive(Message)]
#[rtype(result = "Result<PasswordHash>")]
struct Hash {
    permit: HashPermit,
    password: Password,
    retry_after: Duration,
}

impl Handler<Hash> for PasswordHasher {
    type Result = Result<PasswordHash>;

    fn handle(&mut self, message: Hash, _: &mut Self::Context) -> Self::Result {
        self.work(message.permit, message.retry_after, |hasher| hasher.hash(&message.password))
    }
}

/// Checks a password.
#[derive(Message)]
#[rtype(result = "Result<Checked>")]
struct Check {
    permit: HashPermit,
    submitted: Option<Password>,
    stored: Option<PasswordHash>,
    retry_after: Duration,
}

impl Handler<Check> for PasswordHasher {
    type Result = Result<Checked>;

    fn handle(&mut self, message: Check, _: &mut Self::Context) -> Self::Result {
        self.work(message.permit, message.retry_after, |hasher| {
            hasher.check(message.submitted.as_ref(), message.stored.as_ref())
        })
    }
}

impl PasswordHasher {
    /// Runs a job whose time has not passed. A panic costs this answer only: a SyncArbiter's thread that unwinds is gone
    /// for good.
    fn work<T>(&self, permit: HashPermit, retry_after: Duration, job: impl FnOnce(&Hasher) -> Result<T>) -> Result<T> {
        if self.clock.now() > permit.begins_by {
            return Err(Error::Overloaded { retry_after });
        }
        catch_unwind(AssertUnwindSafe(|| job(&self.hasher))).unwrap_or(Err(Error::Internal("hashing panicked")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passwords::Submitted;

    fn password(text: &str) -> Password {
        Password::parse(&Submitted::new(text.to_owned())).unwrap()
    }

    #[actix_web::test]
    async fn whoever_finds_no_slot_is_turned_away_and_the_slot_comes_back_with_the_answer() {
        let hashing = Hashing::start(Arc::new(Hasher::new(4)), 1, Duration::from_secs(3), Clock::system());
        let mut held: Vec<HashPermit> = std::iter::from_fn(|| hashing.admit().ok()).collect();
        assert!(matches!(hashing.admit(), Err(Error::Overloaded { .. })));

        hashing.hash(held.pop().unwrap(), password("right password")).await.unwrap();

        assert!(hashing.admit().is_ok());
    }

    #[actix_web::test]
    async fn work_whose_time_has_passed_is_dropped_unhashed() {
        let clock = Clock::system();
        let hasher = Arc::new(Hasher::new(4));
        let hashing = Hashing::start(Arc::clone(&hasher), 1, Duration::from_secs(3), clock.clone());
        let permit = hashing.admit().unwrap();
        let rounds = hasher.rounds();

        clock.advance(Duration::from_secs(4));
        let late = hashing.hash(permit, password("right password")).await;

        assert!(matches!(late, Err(Error::Overloaded { .. })));
        assert_eq!(hasher.rounds(), rounds);
    }

    #[actix_web::test]
    async fn a_panic_costs_one_answer_and_no_thread() {
        let worker = PasswordHasher { hasher: Arc::new(Hasher::new(4)), clock: Clock::system() };
        let hashing = Hashing::start(Arc::new(Hasher::new(4)), 1, Duration::from_secs(3), Clock::system());

        let broken: Result<()> = worker.work(hashing.admit().unwrap(), LEAST_RETRY, |_| panic!("on purpose"));

        assert_eq!(broken, Err(Error::Internal("hashing panicked")));
        assert!(worker.work(hashing.admit().unwrap(), LEAST_RETRY, |_| Ok(())).is_ok());
    }
}
