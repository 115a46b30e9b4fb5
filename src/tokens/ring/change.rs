//! What the command line does to a ring.
//!
//! Owns one rule: a change never leaves a moment without a signer, nor a token without the key that verifies it, unless that is
//! what was asked for ([`Ring::withdraw`]). One new key at a time waits for its turn.

use std::time::Duration;

use super::written::{Held, Line};
use super::{Given, Kind, LEAST_NOTICE, MOST_NOTICE, Ring, SETTLED, Shown, State, Term, show};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::tokens::keys::{self, Algorithm, PrivateJwk};

/// What the text of a ring can tell two times apart by.
const LEAST_STEP: Duration = Duration::from_millis(1);
/// The highest number that a refresh token can carry.
const LAST_MAC_ID: u8 = u8::MAX;

/// What kind of key is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewKey {
    /// One that signs access tokens so.
    Access(Algorithm),
    /// A MAC key of refresh tokens.
    Refresh,
}

impl NewKey {
    fn kind(self) -> Kind {
        match self {
            Self::Access(_) => Kind::Access,
            Self::Refresh => Kind::Refresh,
        }
    }
}

/// What retiring a key came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Retired {
    /// It had not signed yet and is gone; the one before it goes on.
    Cancelled,
    /// It signs until its successor does.
    Succeeded {
        /// The one that takes over.
        by: Shown,
    },
    /// It does not sign any more, and verifies until then.
    Already {
        /// The end of what it signed last.
        verifies_until: Timestamp,
    },
    /// It was withdrawn before: there is nothing left to retire.
    Withdrawn,
}

/// What withdrawing a key came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdrawn {
    /// What it was for.
    pub kind: Kind,
    /// What signs now, where the key did until now.
    pub successor: Option<Shown>,
}

/// Why a ring is left as it is.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such key.
    #[error("no key of this name")]
    NoSuchKey,
    /// Too soon for the nodes and verifiers to know it.
    #[error("a key is known for {} s before it signs", LEAST_NOTICE.as_secs())]
    TooSoon,
    /// So late that nobody could rotate until then.
    #[error("a key waits for {} days at most", MOST_NOTICE.as_secs() / (24 * 60 * 60))]
    TooFarOff,
    /// One new key at a time.
    #[error(
        "{kid} waits already and signs from {} on; wait until then, or cancel it (latchkey keys retire -- {kid})",
        activates_at.to_rfc3339()
    )]
    AnotherWaits {
        /// Its name.
        kid: String,
        /// When it signs.
        activates_at: Timestamp,
    },
    /// So soon before it signs that a node which has not heard of the change would sign with it.
    #[error("it signs from {} on, too soon for every node to hear of it; retire it then", activates_at.to_rfc3339())]
    TooLate {
        /// When it signs.
        activates_at: Timestamp,
    },
    /// By this machine's clock it waits, and yet it has signed.
    #[error("the clock of this machine is behind the time at which the key took over")]
    ClockBehind,
    /// All numbers are of keys that still verify.
    #[error("all 255 numbers are in use; the first is free when its key is over")]
    NoNumberFree,
    /// No key could be made.
    #[error("{0}")]
    Failed(#[from] Error),
}

impl Ring {
    /// Adds a key that signs when `notice` is over; the one that signs now does so until then.
    pub fn add(&mut self, new: NewKey, notice: Duration, given: Given<'_>, now: Timestamp) -> Result<Shown, Refusal> {
        if notice < LEAST_NOTICE {
            return Err(Refusal::TooSoon);
        }
        if notice > MOST_NOTICE {
            return Err(Refusal::TooFarOff);
        }
        self.refuse_while_another_waits(new.kind(), given, now)?;
        self.append(new, now.plus(notice), given, now)
    }

    /// Adds a key of the sort that signs now, to take over from it when `notice` is over.
    pub fn rotate(&mut self, kind: Kind, notice: Duration, given: Given<'_>, now: Timestamp) -> Result<Shown, Refusal> {
        let lines = self.lines(kind);
        let signing = lines.iter().find(|line| line.term.signs_at(now)).or(lines.last()).ok_or(Refusal::NoSuchKey)?;
        self.add(successor_of(signing), notice, given, now)
    }

    /// Lets a key go: cancelled where it waits, else succeeded by a new one of its sort after `notice`.
    ///
    /// What waits is cancelled [`SETTLED`] before it signs, at the latest: a node that reads the ring after that would have
    /// signed with a key which nobody verifies any more.
    pub fn retire(
        &mut self,
        name: &str,
        notice: Duration,
        given: Given<'_>,
        now: Timestamp,
    ) -> Result<Retired, Refusal> {
        let (kind, at) = self.find(name, given, now)?;
        let lines = self.lines(kind);
        let line = lines.get(at).ok_or(Refusal::NoSuchKey)?;
        match line.state(kind, given, now) {
            State::Waiting if line.term.activates_at < now.plus(SETTLED) => {
                Err(Refusal::TooLate { activates_at: line.term.activates_at })
            }
            State::Waiting => self.cancel(kind, at).map(|()| Retired::Cancelled),
            State::Signing => match lines.get(at.saturating_add(1)) {
                Some(successor) => Ok(Retired::Succeeded { by: show(kind, successor, given, now) }),
                None => {
                    let by = self.rotate(kind, notice, given, now)?;
                    Ok(Retired::Succeeded { by })
                }
            },
            State::Withdrawn => Ok(Retired::Withdrawn),
            State::Retired | State::Over => {
                Ok(Retired::Already { verifies_until: line.term.verifies_until(kind.lifetime(given)).unwrap_or(now) })
            }
        }
    }

    /// Takes a key out at once, because somebody else has it: what it signed is refused from now on. Where it signed until now,
    /// the one that waits does instead, or else a new one of its sort. Once is enough: again, it changes nothing.
    pub fn withdraw(&mut self, name: &str, given: Given<'_>, now: Timestamp) -> Result<Withdrawn, Refusal> {
        let (kind, at) = self.find(name, given, now)?;
        let lines = self.lines(kind);
        let line = lines.get(at).ok_or(Refusal::NoSuchKey)?;
        let mut successor = None;
        match line.state(kind, given, now) {
            State::Withdrawn => return Ok(Withdrawn { kind, successor }),
            State::Waiting => {
                self.cancel(kind, at)?;
                return Ok(Withdrawn { kind, successor });
            }
            State::Signing => {
                successor = Some(match self.held_mut(kind).get_mut(at.saturating_add(1)) {
                    Some(waiting) => {
                        waiting.term.activates_at = now;
                        show(kind, waiting, given, now)
                    }
                    None => self.append(successor_of(line), now, given, now)?,
                });
            }
            State::Retired | State::Over => {}
        }
        let kid = line.kid(kind, kind.secret(given));
        let lines = self.held_mut(kind);
        match kind {
            Kind::Access => drop(lines.remove(at)),
            Kind::Refresh => {
                if let Some(line) = lines.get_mut(at) {
                    line.held = Held::Withdrawn { kid };
                    line.term.retires_at = Some(line.term.retires_at.map_or(now, |retires_at| retires_at.min(now)));
                }
            }
        }
        Ok(Withdrawn { kind, successor })
    }

    /// Forgets the keys of which nothing is alive any more; their numbers are free again.
    pub fn prune(&mut self, given: Given<'_>, now: Timestamp) {
        for kind in Kind::BOTH {
            self.held_mut(kind).retain(|line| line.term.state(now, kind.lifetime(given)) != State::Over);
        }
    }

    /// Dates a change: later than the one before, and than the `newest` ring that anybody knows of, whatever the clock says.
    pub fn date(&mut self, now: Timestamp, newest: Option<Timestamp>) {
        let before = self.changed_at.max(newest);
        self.changed_at = Some(before.map_or(now, |before| now.max(before.plus(LEAST_STEP))));
    }

    /// The last of the line hands over to the new one at `activates_at`.
    fn append(
        &mut self,
        new: NewKey,
        activates_at: Timestamp,
        given: Given<'_>,
        now: Timestamp,
    ) -> Result<Shown, Refusal> {
        let kind = new.kind();
        let mut lines = self.lines(kind);
        let line = drawn(new, free_number(&lines), activates_at, now)?;
        if let Some(last) = lines.last_mut() {
            last.term.retires_at = Some(activates_at);
        }
        let shown = show(kind, &line, given, now);
        lines.push(line);
        *self.held_mut(kind) = lines;
        Ok(shown)
    }

    /// Takes out a key that waits; the one before it signs on. Where that is gone the key took over from one that was withdrawn,
    /// and if it waits all the same the clock was put back: without it, the withdrawn one might be trusted again.
    fn cancel(&mut self, kind: Kind, at: usize) -> Result<(), Refusal> {
        let lines = self.held_mut(kind);
        let takes_over_at = lines.get(at).map(|line| line.term.activates_at);
        let before = at.checked_sub(1).and_then(|before| lines.get(before));
        let hands_over = |line: &Line| {
            !matches!(line.held, Held::Withdrawn { .. })
                && line.term.retires_at.is_some()
                && line.term.retires_at == takes_over_at
        };
        if !before.is_some_and(hands_over) {
            return Err(Refusal::ClockBehind);
        }
        lines.truncate(at);
        if let Some(last) = lines.last_mut() {
            last.term.retires_at = None;
        }
        // The secret of the settings alone needs no line.
        if lines.len() == 1 && lines.iter().all(|line| matches!(line.held, Held::OfSettings)) {
            lines.clear();
        }
        Ok(())
    }

    fn refuse_while_another_waits(&self, kind: Kind, given: Given<'_>, now: Timestamp) -> Result<(), Refusal> {
        let waiting = self.lines(kind).into_iter().find(|line| now < line.term.activates_at);
        waiting.map_or(Ok(()), |line| {
            let (kid, activates_at) = (line.kid(kind, kind.secret(given)), line.term.activates_at);
            Err(Refusal::AnotherWaits { kid, activates_at })
        })
    }

    /// Where the key of this name stands. What is over is not found: nothing can be done to it.
    fn find(&self, name: &str, given: Given<'_>, now: Timestamp) -> Result<(Kind, usize), Refusal> {
        let stands = |kind: Kind| {
            let is_it =
                |line: &Line| line.kid(kind, kind.secret(given)) == name && line.state(kind, given, now) != State::Over;
            self.lines(kind).iter().position(is_it).map(|at| (kind, at))
        };
        stands(Kind::Access).or_else(|| stands(Kind::Refresh)).ok_or(Refusal::NoSuchKey)
    }
}

fn successor_of(line: &Line) -> NewKey {
    line.algorithm.map_or(NewKey::Refresh, NewKey::Access)
}

fn drawn(new: NewKey, number: Option<u8>, activates_at: Timestamp, now: Timestamp) -> Result<Line, Refusal> {
    let (jwk, algorithm, mac_id) = match new {
        NewKey::Access(algorithm) => (PrivateJwk::draw(algorithm)?, Some(algorithm), None),
        NewKey::Refresh => (PrivateJwk::draw_secret()?, None, Some(number.ok_or(Refusal::NoNumberFree)?)),
    };
    let unusable = |_| Error::Internal("a key that was just drawn");
    let kid = match new {
        NewKey::Access(_) => jwk.signing_key().map_err(unusable)?.kid().to_owned(),
        NewKey::Refresh => keys::mac_kid(&jwk.secret().map_err(unusable)?),
    };
    let term = Term::from(activates_at);
    Ok(Line { held: Held::Key { kid, jwk }, algorithm, mac_id, created_at: Some(now), term })
}

/// The next number after the newest key's that no key in the ring has, withdrawn ones included: until its key is over, a token
/// that carries a number must not meet another key, which would call it unknown.
fn free_number(lines: &[Line]) -> Option<u8> {
    let newest = lines.last().and_then(|line| line.mac_id).unwrap_or(0);
    let after = (newest..LAST_MAC_ID).map(|before| before.saturating_add(1));
    after.chain(1..=newest).find(|id| lines.iter().all(|line| line.mac_id != Some(*id)))
}

#[cfg(test)]
mod tests;
