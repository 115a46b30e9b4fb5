//! The key ring: which keys there are, and when each one signs.
//!
//! Owns the rules by which keys change without anyone noticing. At any time one key signs; a new one is known for
//! [`LEAST_NOTICE`] before it does, so that every node and every verifier has it by then; the one before it verifies for as long as
//! what it signed last can live. Pure: the caller passes `now`, reads the file and writes it.
//!
//! text -> [`Ring::parse`] -> [`Ring::keys`] -> what the service signs and verifies with
//! [`Ring::add`], [`Ring::retire`] -> [`Ring::to_text`]
//!
//! - `written`: the text
//! - `error`: why one cannot be used
//! - [`signers`]: which key signs, by name
//! - `term`: when a key signs, and until when it verifies
//! - [`change`]: what the command line does to a ring
//!
//! The secrets of the settings are keys like the others: `JWT_SECRET`, and `REFRESH_TOKEN_SECRET` with the number
//! [`FIRST_MAC_ID`]. A ring that holds nothing leaves it at them; as soon as another key is added, they stand in the ring with
//! the time at which they stop, and never come back.

pub mod change;
mod error;
pub mod signers;
pub mod term;
mod written;

use std::time::Duration;

pub use self::error::RingError;
pub use self::term::{State, Term};
use self::written::{Held, Line};
use crate::clock::Timestamp;
use crate::config::Secret;
use crate::tokens::access::{AccessTokens, Claimed};
use crate::tokens::keys::{self, Algorithm, SigningKey};
use crate::tokens::refresh::{MacKey, RefreshKeys};

/// How soon a running server has read a ring that changed, at the latest.
pub const PICK_UP: Duration = Duration::from_secs(5);
/// How long everybody has known a new key when it begins to sign.
pub const SETTLED: Duration = Duration::from_secs(10);
/// How long before its activation a key is added, at least.
pub const LEAST_NOTICE: Duration = Duration::from_secs(15);
/// The same, where nothing else is said. Verifiers elsewhere ask for keys that they do not know, but not at once again: the
/// `jose` package waits 30 s between two looks.
pub const USUAL_NOTICE: Duration = Duration::from_secs(60);
/// How long before its activation a key is added, at most: one at a time waits, and for so long no other can be added.
pub const MOST_NOTICE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// The number of `REFRESH_TOKEN_SECRET` in refresh tokens.
pub const FIRST_MAC_ID: u8 = 1;

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Signs access tokens.
    Access,
    /// The MAC of refresh tokens.
    Refresh,
}

/// What a ring needs from the settings.
#[derive(Clone, Copy)]
pub struct Given<'a> {
    /// `JWT_SECRET`.
    pub jwt_secret: &'a Secret,
    /// `REFRESH_TOKEN_SECRET`.
    pub refresh_token_secret: &'a Secret,
    /// `ACCESS_TOKEN_TTL`: how long a key of access tokens verifies after it last signed.
    pub access_token_ttl: Duration,
    /// `SESSION_TTL`: the same for a key of refresh tokens.
    pub session_ttl: Duration,
}

/// The keys, and when each one signs. Holds secrets; it has no `Debug`.
#[derive(Clone)]
pub struct Ring {
    access: Vec<Line>,
    refresh: Vec<Line>,
    /// When it became what it is; `None` where somebody made it by hand.
    changed_at: Option<Timestamp>,
}

/// The keys of a service, parsed and tested.
pub struct Keys {
    /// Signs and verifies access tokens.
    pub access: AccessTokens,
    /// Makes and reads refresh tokens.
    pub refresh: RefreshKeys,
}

/// What an operator is told of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Its name: the `kid` of an access token, `rt-…` for a refresh token's.
    pub kid: String,
    /// What it is for.
    pub kind: Kind,
    /// How it signs; `None` for a MAC key of refresh tokens.
    pub algorithm: Option<Algorithm>,
    /// The number that stands in refresh tokens.
    pub mac_id: Option<u8>,
    /// Whether it waits, signs, verifies only, was withdrawn, or is gone.
    pub state: State,
    /// When it signs; `None` where it always did.
    pub activates_at: Option<Timestamp>,
    /// When it stops signing, if that is known.
    pub retires_at: Option<Timestamp>,
    /// Until when it verifies, if that is known; `None` where it was withdrawn.
    pub verifies_until: Option<Timestamp>,
    /// Of one that was withdrawn: until when a token may carry its number, which no other key has until then.
    pub number_taken_until: Option<Timestamp>,
}

impl Ring {
    /// The ring of a service that has the secrets of its settings only.
    pub const fn empty() -> Self {
        Self { access: Vec::new(), refresh: Vec::new(), changed_at: None }
    }

    /// When it became what it is, by which an older ring is told from a newer one; `None` where it does not say.
    pub const fn changed_at(&self) -> Option<Timestamp> {
        self.changed_at
    }

    /// Whether it holds nothing but what the settings say.
    pub fn is_empty(&self) -> bool {
        self.access.is_empty() && self.refresh.is_empty()
    }

    /// Parses and tests every key that still verifies at some time. Errors: [`RingError`], which the parse did not see: a key that
    /// fails its self-test.
    ///
    /// `issuer` and `audience` are what access tokens claim.
    pub fn keys(&self, given: Given<'_>, issuer: &str, audience: &str) -> Result<Keys, RingError> {
        let tested = |passes: bool, kid: &str| {
            if passes { Ok(()) } else { Err(RingError::SelfTest { kid: kid.to_owned() }) }
        };
        let mut access = Vec::new();
        for line in &self.lines(Kind::Access) {
            if let Some(key) = line.signing_key(given.jwt_secret)? {
                tested(key.passes_self_test(), key.kid())?;
                access.push((key, line.term));
            }
        }
        let mut refresh = Vec::new();
        for line in &self.lines(Kind::Refresh) {
            if let (Some(secret), Some(id)) = (line.secret(given.refresh_token_secret)?, line.mac_id) {
                let key = MacKey::new(id, &secret);
                tested(key.passes_self_test(), &keys::mac_kid(&secret))?;
                refresh.push((key, line.term));
            }
        }
        let claimed = Claimed { issuer, audience, ttl: given.access_token_ttl };
        let access = AccessTokens::new(access, claimed).map_err(|_| RingError::NoSigner { what: "access" })?;
        let refresh = RefreshKeys::of(refresh, given.session_ttl).ok_or(RingError::NoSigner { what: "refresh" })?;
        Ok(Keys { access, refresh })
    }

    /// Every key, those of access tokens first, the newest first.
    pub fn shown(&self, given: Given<'_>, now: Timestamp) -> Vec<Shown> {
        let both = Kind::BOTH.map(|kind| (kind, self.lines(kind)));
        both.iter().flat_map(|(kind, lines)| lines.iter().rev().map(|line| show(*kind, line, given, now))).collect()
    }

    /// The lines of one kind, in the order of their terms, with the settings' own where there is no other.
    fn lines(&self, kind: Kind) -> Vec<Line> {
        let lines = self.held(kind);
        if lines.is_empty() { vec![Line::of_settings(kind)] } else { lines.clone() }
    }

    fn held(&self, kind: Kind) -> &Vec<Line> {
        match kind {
            Kind::Access => &self.access,
            Kind::Refresh => &self.refresh,
        }
    }

    fn held_mut(&mut self, kind: Kind) -> &mut Vec<Line> {
        match kind {
            Kind::Access => &mut self.access,
            Kind::Refresh => &mut self.refresh,
        }
    }
}

impl Kind {
    /// Each of them.
    pub const BOTH: [Self; 2] = [Self::Access, Self::Refresh];

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Refresh => "refresh",
        }
    }

    /// How long a key of this kind verifies after it last signed: as long as what it signed may live.
    fn lifetime(self, given: Given<'_>) -> Duration {
        match self {
            Self::Access => given.access_token_ttl,
            Self::Refresh => given.session_ttl,
        }
    }

    /// The settings' secret of this kind.
    fn secret(self, given: Given<'_>) -> &Secret {
        match self {
            Self::Access => given.jwt_secret,
            Self::Refresh => given.refresh_token_secret,
        }
    }
}

fn show(kind: Kind, line: &Line, given: Given<'_>, now: Timestamp) -> Shown {
    let lifetime = kind.lifetime(given);
    let (state, until) = (line.state(kind, given, now), line.term.verifies_until(lifetime));
    let is_withdrawn = matches!(line.held, Held::Withdrawn { .. });
    Shown {
        kid: line.kid(kind, kind.secret(given)),
        kind,
        algorithm: line.algorithm,
        mac_id: line.mac_id,
        state,
        activates_at: Some(line.term.activates_at).filter(|at| *at > Timestamp::from_millis(0)),
        retires_at: line.term.retires_at,
        verifies_until: until.filter(|_| !is_withdrawn),
        number_taken_until: until.filter(|_| is_withdrawn),
    }
}

impl Line {
    /// The key of a line of access tokens; `None` where it was withdrawn.
    fn signing_key(&self, of_settings: &Secret) -> Result<Option<SigningKey>, RingError> {
        match &self.held {
            Held::Withdrawn { .. } => Ok(None),
            Held::OfSettings => Ok(Some(SigningKey::hs256(of_settings))),
            Held::Key { kid, jwk } => {
                let not_its_name = || RingError::NotItsName { kid: kid.clone() };
                let key = jwk.signing_key().map_err(|_| not_its_name())?;
                if key.kid() != kid || Some(key.algorithm()) != self.algorithm {
                    return Err(not_its_name());
                }
                Ok(Some(key))
            }
        }
    }

    /// The secret of a line of refresh tokens; `None` where it was withdrawn.
    fn secret(&self, of_settings: &Secret) -> Result<Option<Secret>, RingError> {
        match &self.held {
            Held::Withdrawn { .. } => Ok(None),
            Held::OfSettings => Ok(Some(of_settings.clone())),
            Held::Key { kid, jwk } => {
                let not_its_name = || RingError::NotItsName { kid: kid.clone() };
                let secret = jwk.secret().map_err(|_| not_its_name())?;
                if keys::mac_kid(&secret) == *kid { Ok(Some(secret)) } else { Err(not_its_name()) }
            }
        }
    }

    /// What it does: what its term says, unless it was withdrawn.
    fn state(&self, kind: Kind, given: Given<'_>, now: Timestamp) -> State {
        match (self.term.state(now, kind.lifetime(given)), &self.held) {
            (State::Over, _) => State::Over,
            (_, Held::Withdrawn { .. }) => State::Withdrawn,
            (state, Held::OfSettings | Held::Key { .. }) => state,
        }
    }

    /// Its name.
    fn kid(&self, kind: Kind, of_settings: &Secret) -> String {
        match (&self.held, kind) {
            (Held::Key { kid, .. } | Held::Withdrawn { kid }, _) => kid.clone(),
            (Held::OfSettings, Kind::Access) => keys::hs256_kid(of_settings),
            (Held::OfSettings, Kind::Refresh) => keys::mac_kid(of_settings),
        }
    }
}
