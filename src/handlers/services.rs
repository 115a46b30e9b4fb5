//! What handlers ask.
//!
//! Everything that a request can reach, put together once by `app` and shared by all workers. No state of its own: stores
//! are behind handles, keys are replaced as a whole, the map of endings is read without a lock.

use std::sync::Arc;

use crate::actors::attempts::Attempts;
use crate::actors::password_hasher::Hashing;
use crate::actors::refresh_tokens::Sessions;
use crate::actors::user_store::Users;
use crate::clients::Clients;
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::handlers::health::Readiness;
use crate::handlers::issued::{Issued, TokenResponse};
use crate::handlers::oauth::metadata::Metadata;
use crate::handlers::own_pages::OwnPages;
use crate::handlers::refresh_cookie::RefreshCookie;
use crate::passwords::Policy;
use crate::throttle::registrations::Registrations;
use crate::tokens::access::{Authentic, Identity};
use crate::tokens::grant::{Grant, Transport};
use crate::tokens::live_keys::LiveKeys;
use crate::tokens::refresh::Presented;
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
    /// Sign and verify both kinds of tokens.
    pub keys: Arc<LiveKeys>,
    /// Who may ask what a token is worth.
    pub clients: Arc<Clients>,
    /// What standard clients are told of the service, where that can be said.
    pub metadata: Option<Metadata>,
    /// The form of the cookie that carries refresh tokens.
    pub refresh_cookie: RefreshCookie,
    /// Who may send it.
    pub own_pages: OwnPages,
    /// What ended.
    pub revocations: Arc<Revocations>,
    /// The time.
    pub clock: Clock,
    /// Whether the parts behind this answer.
    pub readiness: Readiness,
}

impl Services {
    /// Makes the tokens of a grant, the refresh token for this transport. Errors: [`Error::Internal`] where a token cannot be made.
    pub fn issue(&self, grant: &Grant, transport: Transport) -> Result<Issued> {
        let keys = self.keys.now();
        let access = keys.access.mint(grant)?;
        let refresh_expires_in = grant.refresh_expires_in().as_secs();
        let refresh_token = keys.refresh.mint(grant.session, grant.generation, grant.generated_at)?;
        let (refresh_token, cookie) = match transport {
            Transport::Body => (Some(refresh_token), None),
            Transport::Cookie => (None, Some(self.refresh_cookie.carrying(&refresh_token, refresh_expires_in)?)),
        };
        let body = TokenResponse {
            message: None,
            token_type: "Bearer",
            access_token: access.text,
            expires_in: access.expires_in,
            refresh_token,
            refresh_expires_in,
            session_id: grant.session,
        };
        Ok(Issued { body, cookie })
    }

    /// What a refresh token says. Errors: [`Error::InvalidGrant`] where no key of ours signed it.
    pub fn read_refresh_token(&self, token: &str) -> Result<Presented> {
        self.keys.now().refresh.verify(token, self.clock.now())
    }

    /// Who a bearer token speaks for. Errors: [`Error::InvalidToken`], also where its session or user ended since.
    pub fn identify(&self, access_token: &str) -> Result<Identity> {
        self.inspect(access_token).map(|authentic| authentic.identity)
    }

    /// All that an access token says. Errors: those of [`identify`](Self::identify).
    pub fn inspect(&self, access_token: &str) -> Result<Authentic> {
        let authentic = self.keys.now().access.authenticate(access_token)?;
        if self.stands(&authentic) { Ok(authentic) } else { Err(Error::InvalidToken) }
    }

    /// The same for a token that is likely to come again: its signature is checked the first times only.
    pub fn recognise(&self, verified: &VerifiedTokens, access_token: &str) -> Result<Identity> {
        let keys = self.keys.now();
        if let Some(authentic) = verified.find(&keys.access, access_token) {
            if self.stands(&authentic) {
                return Ok(authentic.identity);
            }
            verified.forget(&keys.access, access_token);
            return Err(Error::InvalidToken);
        }
        let authentic = keys.access.authenticate(access_token)?;
        if !self.stands(&authentic) {
            return Err(Error::InvalidToken);
        }
        verified.keep(&keys.access, access_token, &authentic);
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
