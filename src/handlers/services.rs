//! What handlers ask.
//!
//! Everything that a request can reach, put together once by `app` and shared by all workers. No state of its own: stores
//! are behind handles, keys are constant, the map of endings is read without a lock.

use std::sync::Arc;

use serde::Serialize;

use crate::actors::attempts::Attempts;
use crate::actors::password_hasher::Hashing;
use crate::actors::refresh_tokens::Sessions;
use crate::actors::user_store::Users;
use crate::clients::Clients;
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::handlers::health::Readiness;
use crate::handlers::oauth::metadata::Metadata;
use crate::passwords::Policy;
use crate::throttle::registrations::Registrations;
use crate::tokens::access::{AccessTokens, Authentic, Identity};
use crate::tokens::grant::Grant;
use crate::tokens::refresh::{RefreshKeys, RefreshToken, SessionId};
use crate::tokens::revocation::Revocations;
use crate::tokens::verified::VerifiedTokens;

/// What handlers ask.
pub struct Services {
    /// Accounts.
    pub users: Users,
    /// How often passwords were guessed.
    pub attempts: Attempts,
    /// How often addresses registered.
    pub registrations: Registrations,
    /// Sessions and their refresh tokens.
    pub sessions: Sessions,
    /// The only place where bcrypt runs.
    pub hashing: Hashing,
    /// What a new password must be.
    pub password_policy: Policy,
    /// Signs and verifies access tokens.
    pub access_tokens: AccessTokens,
    /// Makes and reads refresh tokens.
    pub refresh_keys: RefreshKeys,
    /// Who may ask what a token is worth.
    pub clients: Arc<Clients>,
    /// What standard clients are told of the service, where that can be said.
    pub metadata: Option<Metadata>,
    /// What ended.
    pub revocations: Arc<Revocations>,
    /// The time.
    pub clock: Clock,
    /// Whether the parts behind this answer.
    pub readiness: Readiness,
}

/// A pair of tokens, as a login and a renewal answer it.
#[derive(Serialize)]
pub struct TokenResponse {
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'static str>,
    token_type: &'static str,
    access_token: String,
    /// What remains of the access token, in seconds.
    expires_in: u64,
    refresh_token: RefreshToken,
    /// What remains of the refresh token unless it is renewed, in seconds.
    refresh_expires_in: u64,
    session_id: SessionId,
}

impl TokenResponse {
    /// The same with a sentence for people.
    pub fn saying(self, message: &'static str) -> Self {
        Self { message: Some(message), ..self }
    }
}

impl Services {
    /// Makes the tokens of a grant. Errors: [`Error::Internal`] where a token cannot be made.
    pub fn issue(&self, grant: &Grant) -> Result<TokenResponse> {
        let access = self.access_tokens.mint(grant)?;
        Ok(TokenResponse {
            message: None,
            token_type: "Bearer",
            access_token: access.text,
            expires_in: access.expires_in,
            refresh_token: self.refresh_keys.mint(grant.session, grant.generation),
            refresh_expires_in: grant.refresh_expires_in().as_secs(),
            session_id: grant.session,
        })
    }

    /// Who a bearer token speaks for. Errors: [`Error::InvalidToken`], also where its session or user ended since.
    pub fn identify(&self, access_token: &str) -> Result<Identity> {
        self.inspect(access_token).map(|authentic| authentic.identity)
    }

    /// All that an access token says. Errors: those of [`identify`](Self::identify).
    pub fn inspect(&self, access_token: &str) -> Result<Authentic> {
        let authentic = self.access_tokens.authenticate(access_token)?;
        if self.stands(&authentic) { Ok(authentic) } else { Err(Error::InvalidToken) }
    }

    /// The same for a token that is likely to come again: its signature is checked the first times only.
    pub fn recognise(&self, verified: &VerifiedTokens, access_token: &str) -> Result<Identity> {
        if let Some(authentic) = verified.find(&self.access_tokens, access_token) {
            if self.stands(&authentic) {
                return Ok(authentic.identity);
            }
            verified.forget(&self.access_tokens, access_token);
            return Err(Error::InvalidToken);
        }
        let authentic = self.access_tokens.authenticate(access_token)?;
        if !self.stands(&authentic) {
            return Err(Error::InvalidToken);
        }
        verified.keep(&self.access_tokens, access_token, &authentic);
        Ok(authentic.identity)
    }

    /// Whether an authentic token is accepted now: what is asked of every token at every request.
    fn stands(&self, authentic: &Authentic) -> bool {
        authentic.is_valid_at(self.clock.now()) && !self.is_over(&authentic.identity)
    }

    /// Whether what an access token stood for ended or changed since it was issued.
    pub fn is_over(&self, identity: &Identity) -> bool {
        let principal = &identity.principal;
        self.revocations.refuses(identity.session, principal.id, principal.version)
    }
}
