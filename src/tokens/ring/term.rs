//! When a key signs, and until when it verifies.

use std::time::Duration;

use crate::clock::Timestamp;

/// The time in which a key signs: from `activates_at` on, until `retires_at`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    /// From here on it signs.
    pub activates_at: Timestamp,
    /// From here on another one does; `None` while that is not known.
    pub retires_at: Option<Timestamp>,
}

/// What a key does at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Verifies, and will sign.
    Waiting,
    /// Signs.
    Signing,
    /// Verifies what it signed.
    Retired,
    /// Nothing any more: it was taken out before its time, and only its number stays taken. No term says so.
    Withdrawn,
    /// Nothing any more.
    Over,
}

impl Term {
    /// Of a key that always signed.
    pub const ALWAYS: Self = Self { activates_at: Timestamp::from_millis(0), retires_at: None };

    /// Of a key that signs from a time on.
    pub const fn from(activates_at: Timestamp) -> Self {
        Self { activates_at, retires_at: None }
    }

    /// Whether what is made at this time is signed with it.
    pub fn signs_at(&self, moment: Timestamp) -> bool {
        self.activates_at <= moment && self.retires_at.is_none_or(|retires_at| moment < retires_at)
    }

    /// The end of what it signed last, where that lives for `lifetime`; `None` while it goes on signing.
    pub fn verifies_until(&self, lifetime: Duration) -> Option<Timestamp> {
        self.retires_at.map(|retires_at| retires_at.plus(lifetime))
    }

    /// Whether something that it signed may live still.
    pub fn verifies_at(&self, moment: Timestamp, lifetime: Duration) -> bool {
        self.verifies_until(lifetime).is_none_or(|until| moment < until)
    }

    /// What it does at `moment`, where what it signs lives for `lifetime`.
    pub fn state(&self, moment: Timestamp, lifetime: Duration) -> State {
        if moment < self.activates_at {
            State::Waiting
        } else if self.signs_at(moment) {
            State::Signing
        } else if self.verifies_at(moment, lifetime) {
            State::Retired
        } else {
            State::Over
        }
    }
}

/// Of things with terms, in the order of these, the one that signs at `moment`. Where none does (a key was taken out at
/// once, and this moment was its own) the one that took its place, and not the newest: that one may wait still, and not every
/// node knows a key that waits.
pub fn signer_at<T>(keys: &[(T, Term)], moment: Timestamp) -> Option<&T> {
    // Nearly always the newest one.
    let signer = keys.iter().rev().find(|(_, term)| term.signs_at(moment));
    let successor = || keys.iter().find(|(_, term)| moment < term.activates_at);
    signer.or_else(successor).or(keys.last()).map(|(key, _)| key)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: Duration = Duration::from_millis(100);

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn a_term_is_waited_for_served_and_outlived_to_the_millisecond() {
        let term = Term { activates_at: at(1000), retires_at: Some(at(2000)) };
        let table = [
            (999, State::Waiting),
            (1000, State::Signing),
            (1999, State::Signing),
            (2000, State::Retired),
            (2099, State::Retired),
            (2100, State::Over),
        ];
        for (moment, state) in table {
            assert_eq!(term.state(at(moment), LIFETIME), state, "{moment}");
        }
        assert_eq!(Term::ALWAYS.state(at(i64::MAX), LIFETIME), State::Signing);
    }

    #[test]
    fn each_moment_has_one_signer_and_a_gap_goes_to_the_one_after_it() {
        let first = Term { retires_at: Some(at(1000)), ..Term::ALWAYS };
        let after_a_gap = Term { activates_at: at(2000), retires_at: Some(at(3000)) };
        let keys = [("first", first), ("after", after_a_gap), ("newest", Term::from(at(3000)))];
        for (moment, signer) in [(0, "first"), (999, "first"), (1000, "after"), (2000, "after"), (3000, "newest")] {
            assert_eq!(signer_at(&keys, at(moment)), Some(&signer), "{moment}");
        }
        assert_eq!(signer_at::<()>(&[], at(0)), None);
    }
}
