//! Passwords: what may become one, and the work of hashing and checking it.
//!
//! Owns two rules: what bcrypt would silently ignore is refused before it gets there, and a failed check costs the same
//! whatever made it fail. Pure but for the work itself: the caller decides on which thread that happens.
//!
//! text -> [`Password::parse`] (NFC, no control characters, at most 72 bytes) -> [`Hasher::hash`] / [`Hasher::check`]
//! a new one: text + username -> [`Policy::accept`] -> [`Hasher::hash`]; one that was hashed elsewhere:
//! [`PasswordHash::import`]

mod common;
mod imported;
mod policy;

use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use icu_normalizer::ComposingNormalizerBorrowed;
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

pub use self::imported::HashRefusal;
pub use self::policy::Policy;
use crate::error::{Error, PasswordRefusal, Result};

/// The bytes of a password that bcrypt reads; it ignores the rest without a word.
const LONGEST_BYTES: usize = 72;
/// How much dearer than today's a stored hash may be for every failure to be made to cost as much: sixteen times.
const MOST_STEPS_ABOVE: u32 = 4;
/// The cost that the estimate measures: the cheapest there is, about a millisecond.
const MEASURED_COST: u32 = 4;
/// Measurements of which the estimate takes the fastest: the others were interrupted.
const MEASUREMENTS: usize = 3;

/// A password as a client sent it: unchecked, zeroised, never printed.
pub struct Submitted(Zeroizing<String>);

impl Submitted {
    /// Takes over what somebody typed.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl<'de> Deserialize<'de> for Submitted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

impl fmt::Debug for Submitted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Submitted(…)")
    }
}

/// A password that bcrypt reads to its last byte: NFC, without control characters, at most 72 bytes. Two that are equal are
/// one password to bcrypt.
#[derive(PartialEq, Eq)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Normalises and checks. Errors: [`PasswordRefusal::ControlCharacter`], [`PasswordRefusal::TooLong`].
    pub fn parse(submitted: &Submitted) -> std::result::Result<Self, PasswordRefusal> {
        // Normalising can shorten a text but at most by a small factor; what is far too long need not be looked at.
        if submitted.0.len() > LONGEST_BYTES * 8 {
            return Err(PasswordRefusal::TooLong);
        }
        let text = ComposingNormalizerBorrowed::new_nfc().normalize(&submitted.0).into_owned();
        let text = Zeroizing::new(text);
        if text.chars().any(char::is_control) {
            return Err(PasswordRefusal::ControlCharacter);
        }
        if text.len() > LONGEST_BYTES {
            return Err(PasswordRefusal::TooLong);
        }
        Ok(Self(text))
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Password(…)")
    }
}

/// A bcrypt hash in modular crypt format: `$2b$` as we write it, `$2a$` and `$2y$` as others do.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Takes a hash from storage; whether it is one shows when it is checked.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// For storage, and for nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The cost in it, `None` where it is not a bcrypt hash.
    fn cost(&self) -> Option<u32> {
        self.0.split('$').nth(2)?.parse().ok()
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("PasswordHash(…)")
    }
}

/// What a check found.
#[derive(Debug, PartialEq, Eq)]
pub enum Checked {
    /// The password is the account's. `stronger` is a hash at today's cost where the stored one is cheaper. One that is
    /// dearer stays: a lower `BCRYPT_COST` weakens nobody who is registered.
    Matches {
        /// To be stored under the same fence as what the check was for.
        stronger: Option<PasswordHash>,
    },
    /// It is not, or there is no account, or it could never have been a password.
    Differs,
}

/// Hashes at one cost and counts the work.
#[derive(Debug)]
pub struct Hasher {
    cost: u32,
    /// The dearest hash that was checked so far, or today's cost: what a failure has to cost. Hashes from before
    /// `BCRYPT_COST` was lowered, or imported ones, are dearer than today's.
    dearest: AtomicU32,
    rounds: AtomicU64,
}

impl Hasher {
    /// For new hashes at `cost` (base-2 logarithm of the rounds).
    pub fn new(cost: u32) -> Self {
        Self { cost, dearest: AtomicU32::new(cost), rounds: AtomicU64::new(0) }
    }

    /// Rounds done so far, dummies included: what a test compares instead of time.
    pub fn rounds(&self) -> u64 {
        self.rounds.load(Ordering::Relaxed)
    }

    /// How long one hash takes on an idle core: the cheapest is measured, and each step of cost doubles it.
    pub fn estimate(&self) -> Duration {
        let fastest = (0..MEASUREMENTS)
            .map(|_| {
                let begun = Instant::now();
                self.burn(MEASURED_COST);
                begun.elapsed()
            })
            .min()
            .unwrap_or_default();
        fastest.saturating_mul(1_u32.checked_shl(self.cost.saturating_sub(MEASURED_COST)).unwrap_or(u32::MAX))
    }

    /// Hashes a new password. Errors: [`Error::Internal`] where the system gives no randomness.
    pub fn hash(&self, password: &Password) -> Result<PasswordHash> {
        self.count(self.cost);
        bcrypt::hash(password.0.as_bytes(), self.cost).map(PasswordHash).map_err(|_| Error::Internal("bcrypt"))
    }

    /// Checks what was submitted against what is stored. Either may be missing; a failure costs as much as the dearest
    /// hash that was seen, today's at least, and what is cheaper is topped up to it.
    pub fn check(&self, submitted: Option<&Password>, stored: Option<&PasswordHash>) -> Result<Checked> {
        let (Some(password), Some(hash), Some(cost)) = (submitted, stored, stored.and_then(PasswordHash::cost)) else {
            self.burn(self.dearest.load(Ordering::Relaxed));
            return Ok(Checked::Differs);
        };
        match bcrypt::verify(password.0.as_bytes(), hash.expose()) {
            Ok(true) => {
                self.count(cost);
                let stronger = if cost < self.cost { Some(self.hash(password)?) } else { None };
                return Ok(Checked::Matches { stronger });
            }
            Ok(false) => {
                self.count(cost);
                // Only now is it known to be a hash of that cost. Far dearer ones than today's are not what others pay for.
                let seen = cost.min(self.cost.saturating_add(MOST_STEPS_ABOVE));
                let dearest = self.dearest.fetch_max(seen, Ordering::Relaxed).max(seen);
                // The rounds at cost c, c, c+1, … add up to those of the dearest.
                (cost..dearest).for_each(|step| self.burn(step));
            }
            // Not a hash after all, so nothing was computed yet.
            Err(_) => self.burn(self.dearest.load(Ordering::Relaxed)),
        }
        Ok(Checked::Differs)
    }

    /// The work of one hash at `cost`, for nothing.
    fn burn(&self, cost: u32) {
        self.count(cost);
        let wasted = bcrypt::hash_with_salt_bytes(b"no account has this password", cost, [0; 16]);
        std::hint::black_box(wasted).ok();
    }

    fn count(&self, cost: u32) {
        self.rounds.fetch_add(1_u64.checked_shl(cost).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::parse(&Submitted::new(text.to_owned())).unwrap()
    }

    #[test]
    fn what_bcrypt_would_ignore_is_refused() {
        let parse = |text: &str| Password::parse(&Submitted::new(text.to_owned())).map(|_| ());
        assert_eq!(parse("password\0tail"), Err(PasswordRefusal::ControlCharacter));
        assert_eq!(parse("pass\nword"), Err(PasswordRefusal::ControlCharacter));
        assert_eq!(parse(&"x".repeat(72)), Ok(()));
        assert_eq!(parse(&"x".repeat(73)), Err(PasswordRefusal::TooLong));
        assert_eq!(parse(&"x".repeat(100_000)), Err(PasswordRefusal::TooLong));
    }

    #[test]
    fn the_last_of_72_bytes_counts() {
        let hasher = Hasher::new(4);
        let hash = hasher.hash(&password(&"x".repeat(72))).unwrap();
        let other = password(&format!("{}y", "x".repeat(71)));

        assert_eq!(hasher.check(Some(&other), Some(&hash)).unwrap(), Checked::Differs);
    }

    #[test]
    fn composed_and_decomposed_spellings_are_one_password() {
        let hasher = Hasher::new(4);
        let hash = hasher.hash(&password("caf\u{e9} noir")).unwrap();

        let typed = password("cafe\u{301} noir");

        assert_eq!(hasher.check(Some(&typed), Some(&hash)).unwrap(), Checked::Matches { stronger: None });
    }

    #[test]
    fn every_failure_costs_the_same_number_of_rounds() {
        let hasher = Hasher::new(6);
        let right = password("right password");
        let wrong = password("wrong password");
        let todays = hasher.hash(&right).unwrap();
        let cheaper = Hasher::new(4).hash(&right).unwrap();
        let garbled = PasswordHash::from_stored("$2b$06$not a hash".to_owned());
        let cases: [(Option<&Password>, Option<&PasswordHash>); 6] = [
            (Some(&wrong), Some(&todays)),
            (Some(&wrong), Some(&cheaper)),
            (Some(&wrong), Some(&garbled)),
            (Some(&wrong), None),
            (None, Some(&todays)),
            (None, None),
        ];
        for (submitted, stored) in cases {
            let before = hasher.rounds();
            assert_eq!(hasher.check(submitted, stored).unwrap(), Checked::Differs);
            assert_eq!(hasher.rounds() - before, 1 << 6);
        }
    }

    #[test]
    fn once_a_dearer_hash_was_seen_every_failure_costs_as_much_as_that() {
        let wrong = password("wrong password");
        let dearer = Hasher::new(6).hash(&password("right password")).unwrap();
        let hasher = Hasher::new(4);
        let todays = hasher.hash(&password("right password")).unwrap();
        hasher.check(Some(&wrong), Some(&dearer)).unwrap();

        for stored in [Some(&dearer), Some(&todays), None] {
            let before = hasher.rounds();
            assert_eq!(hasher.check(Some(&wrong), stored).unwrap(), Checked::Differs);
            assert_eq!(hasher.rounds() - before, 1 << 6);
        }
    }

    #[test]
    fn a_match_with_a_cheaper_hash_brings_a_stronger_one() {
        let cheaper = Hasher::new(4).hash(&password("right password")).unwrap();
        let hasher = Hasher::new(5);

        let checked = hasher.check(Some(&password("right password")), Some(&cheaper)).unwrap();

        let Checked::Matches { stronger: Some(stronger) } = checked else { panic!("no stronger hash: {checked:?}") };
        assert_eq!(stronger.cost(), Some(5));
        assert!(stronger.expose().starts_with("$2b$"));
        let again = hasher.check(Some(&password("right password")), Some(&stronger)).unwrap();
        assert_eq!(again, Checked::Matches { stronger: None });
    }

    #[test]
    fn hashes_of_other_systems_verify() {
        let hash = Hasher::new(4).hash(&password("right password")).unwrap();
        for prefix in ["$2a$", "$2y$"] {
            let foreign = PasswordHash::from_stored(hash.expose().replacen("$2b$", prefix, 1));
            let checked = Hasher::new(4).check(Some(&password("right password")), Some(&foreign)).unwrap();
            assert_eq!(checked, Checked::Matches { stronger: None }, "{prefix}");
        }
    }

    #[test]
    fn nothing_prints_a_password() {
        let shown = format!("{:?} {:?}", Submitted::new("hunter2hunter2".to_owned()), password("hunter2hunter2"));
        assert!(!shown.contains("hunter2"));
    }
}
