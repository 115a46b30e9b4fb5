//! What became of the people of a scenario, counted.
//!
//! Owns the facts and nothing that is made of them: [`verdict`](super::verdict) says which of them Latchkey must show.
//!
//! [`Outcome`] of each session -> [`Counted`] -> the table, the JSON, the judge

use std::collections::BTreeMap;

use serde::Serialize;

/// What became of one session.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// How many different refresh tokens its participants could still renew with at the end.
    pub lineages: usize,
    /// An owner was refused for good, though nobody stole and nobody ended anything: a renewal, or a call with what one brought.
    pub false_logout: bool,
    /// The thief was given a token, at whatever time.
    pub thief_was_served: bool,
    /// The thief could renew after the theft could be seen and the owner had renewed, or tried to.
    pub thief_renews: bool,
    /// At that time the thief could call.
    pub thief_calls: bool,
    /// A refresh token of what had been ended could be renewed.
    pub renewal_outlived: bool,
    /// An access token of what had been ended, by its owner or by a theft, was accepted.
    pub call_outlived: bool,
    /// What the first one was told who was refused.
    pub told: Option<String>,
}

/// The outcomes of all sessions of one scenario with one service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// How many there were.
    pub sessions: usize,
    /// How many of them ended with so many lineages.
    pub lineages: BTreeMap<usize, usize>,
    /// Of the sessions, as are the following.
    pub false_logouts: usize,
    /// See [`Outcome`].
    pub thief_was_served: usize,
    /// See [`Outcome`].
    pub thief_renews: usize,
    /// See [`Outcome`].
    pub thief_calls: usize,
    /// See [`Outcome`].
    pub renewal_outlived: usize,
    /// See [`Outcome`].
    pub call_outlived: usize,
    /// What whoever was refused was told first.
    pub told: BTreeMap<String, usize>,
}

impl Counted {
    /// The fewest lineages that a session ended with, and the most.
    pub fn least_and_most(&self) -> (usize, usize) {
        let bound = |lineages: Option<(&usize, &usize)>| lineages.map_or(0, |(&lineages, _)| lineages);
        (bound(self.lineages.first_key_value()), bound(self.lineages.last_key_value()))
    }
}

impl FromIterator<Outcome> for Counted {
    fn from_iter<T: IntoIterator<Item = Outcome>>(outcomes: T) -> Self {
        let mut counted = Self::default();
        for outcome in outcomes {
            counted.sessions += 1;
            *counted.lineages.entry(outcome.lineages).or_default() += 1;
            counted.false_logouts += usize::from(outcome.false_logout);
            counted.thief_was_served += usize::from(outcome.thief_was_served);
            counted.thief_renews += usize::from(outcome.thief_renews);
            counted.thief_calls += usize::from(outcome.thief_calls);
            counted.renewal_outlived += usize::from(outcome.renewal_outlived);
            counted.call_outlived += usize::from(outcome.call_outlived);
            if let Some(told) = outcome.told {
                *counted.told.entry(told).or_default() += 1;
            }
        }
        counted
    }
}
