//! What a login or a renewal was given.
//!
//! The one thing that leaves a committed transaction and from which both tokens are made; it says everything that an
//! answer says, so that nothing is read twice. By which way the refresh token leaves is a session's own: [`Transport`].

use std::time::Duration;

use serde::Deserialize;

use crate::clock::Timestamp;
use crate::tokens::principal::Principal;
use crate::tokens::refresh::{Generation, SessionId};

/// How a session's client is given its refresh tokens. Chosen at the login, kept with the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "String")]
pub enum Transport {
    /// In the bodies of answers: the client keeps them.
    #[default]
    Body,
    /// In a cookie: the browser keeps them, where script cannot read them.
    Cookie,
}

impl TryFrom<String> for Transport {
    type Error = &'static str;

    /// Derived code would also take `{"cookie": null}`.
    fn try_from(word: String) -> Result<Self, Self::Error> {
        match word.as_str() {
            "body" => Ok(Self::Body),
            "cookie" => Ok(Self::Cookie),
            _ => Err("neither body nor cookie"),
        }
    }
}

/// A session that is live, and the generation its holder now owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The session.
    pub session: SessionId,
    /// The generation to answer with.
    pub generation: Generation,
    /// When that generation came to be: the key that signed then signs its token whenever it is answered.
    pub generated_at: Timestamp,
    /// Who it speaks for, as the transaction read it.
    pub principal: Principal,
    /// The transaction's time: `iat` of the access token.
    pub granted_at: Timestamp,
    /// When the refresh token ends unless renewed; never past `absolute_expires_at`.
    pub idle_expires_at: Timestamp,
    /// When the session ends whatever happens.
    pub absolute_expires_at: Timestamp,
}

impl Grant {
    /// What really remains of the refresh token at `granted_at`.
    pub fn refresh_expires_in(&self) -> Duration {
        self.idle_expires_at.min(self.absolute_expires_at).since(self.granted_at)
    }
}
