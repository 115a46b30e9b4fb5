//! What was asked and told, and when, in the journal's time; and what must be true at a moment of it.
//!
//! A request that was sent at a length of the journal has no record below it. An answer that came at a length needs nothing
//! beyond it: whatever makes the answer true was durable then, or is lost in a cut right there.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::client::Tokens;

/// A pair of tokens, and what the refresh token says.
#[derive(Debug, Clone)]
pub struct Held {
    pub session: [u8; 16],
    pub generation: u32,
    pub tokens: Tokens,
}

impl From<Tokens> for Held {
    fn from(tokens: Tokens) -> Self {
        // docs/adr/0003: version, key id, session id, generation, MAC.
        let bytes = URL_SAFE_NO_PAD.decode(tokens.refresh.strip_prefix("lkr_").unwrap()).unwrap();
        let generation = u32::from_be_bytes(bytes[18..22].try_into().unwrap());
        Self { session: bytes[2..18].try_into().unwrap(), generation, tokens }
    }
}

#[derive(Debug, Clone)]
pub enum Asked {
    Register(String),
    Login,
    Renew(Held),
    Logout(Held),
}

#[derive(Debug, Clone)]
pub enum Told {
    /// The account is there: it was made, or had been.
    Exists,
    Given(Held),
    /// The session is over: it was ended by this, or had been.
    Over,
}

#[derive(Debug)]
pub struct Line {
    pub sent_at: u64,
    pub asked: Asked,
    /// Never where the answer was lost.
    pub told: Option<(u64, Told)>,
}

/// What must be true at a moment.
#[derive(Debug, Default)]
pub struct Expected {
    /// Whether it is certain.
    pub accounts: BTreeMap<String, bool>,
    pub sessions: BTreeMap<[u8; 16], Session>,
    /// Sessions that may be there under any name.
    pub logins_in_doubt: usize,
}

#[derive(Debug)]
pub struct Session {
    /// The newest pair that was given out.
    pub newest: Held,
    /// Those before it that were used, and whose use was acknowledged.
    pub spent: Vec<Held>,
    /// What was presented or logged out with since, without an answer.
    pub in_doubt: Vec<Asked>,
    pub over: bool,
}

impl Session {
    /// The generations that the row may have come to.
    pub fn most(&self) -> u32 {
        let renewals = self.in_doubt.iter().filter(|asked| matches!(asked, Asked::Renew(_)));
        self.newest.generation + u32::from(renewals.count() > 0)
    }

    /// Logged out in doubt; or presented twice in doubt, of which the second may have been reuse.
    pub fn may_be_over(&self) -> bool {
        self.over || self.in_doubt.len() > 1 || matches!(self.in_doubt.first(), Some(Asked::Logout(_)))
    }
}

impl Expected {
    /// Of each client's lines, in the order in which they were sent.
    pub fn at(moment: u64, clients: &[Vec<Line>]) -> Self {
        let mut expected = Self::default();
        for line in clients.iter().flatten().filter(|line| line.sent_at < moment) {
            expected.take(line, moment);
        }
        expected
    }

    fn take(&mut self, line: &Line, moment: u64) {
        let told = line.told.as_ref().filter(|(at, _)| *at <= moment).map(|(_, told)| told);
        match (&line.asked, told) {
            (Asked::Register(name), told) => {
                *self.accounts.entry(name.clone()).or_default() |= told.is_some();
            }
            (Asked::Login, None) => self.logins_in_doubt += 1,
            (Asked::Renew(held) | Asked::Logout(held), None) => {
                self.sessions.get_mut(&held.session).unwrap().in_doubt.push(line.asked.clone());
            }
            (Asked::Login, Some(Told::Given(held))) => {
                let (newest, spent) = (held.clone(), Vec::new());
                self.sessions.insert(held.session, Session { newest, spent, in_doubt: Vec::new(), over: false });
            }
            (Asked::Renew(_), Some(Told::Given(held))) => {
                let session = self.sessions.get_mut(&held.session).unwrap();
                if held.generation != session.newest.generation {
                    session.spent.push(std::mem::replace(&mut session.newest, held.clone()));
                }
                session.in_doubt.clear();
            }
            (Asked::Renew(held) | Asked::Logout(held), Some(_)) => {
                let session = self.sessions.get_mut(&held.session).unwrap();
                session.over = true;
            }
            (Asked::Login, Some(_)) => panic!("a login that was told {told:?}"),
        }
    }

    /// The sessions of which something was told.
    pub fn ids(&self) -> BTreeSet<[u8; 16]> {
        self.sessions.keys().copied().collect()
    }
}
