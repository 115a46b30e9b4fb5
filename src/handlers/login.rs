//! `POST /api/login`: a name and a password open a session.
//!
//! Unknown name, wrong password, disabled account and a password that could never be one: same status, same body, same
//! work. What was read before the hash is checked again in the transaction that opens the session.

use actix_web::web::Data;
use serde::Deserialize;

use crate::actors::refresh_tokens::Opened;
use crate::actors::{Client, NewSession, UserAgent};
use crate::error::Error;
use crate::events::{self, GrantedFor, LoginFailure};
use crate::handlers::error::ApiError;
use crate::handlers::json::{Json, RequestBody};
use crate::handlers::services::{Services, TokenResponse};
use crate::handlers::unstoppable::to_the_end;
use crate::middleware::trail::Trail;
use crate::passwords::{Checked, Password, Submitted};
use crate::tokens::grant::Grant;
use crate::tokens::principal::{Principal, Username};

/// How often a login begins anew when the account changed under it: a rehash by a parallel login is one change, and the
/// next try finds the new hash. What changes more often than that is not this client's to sort out.
const ATTEMPTS: usize = 3;

/// What a login takes.
#[derive(Deserialize)]
pub struct Credentials {
    username: String,
    password: Submitted,
}

impl RequestBody for Credentials {
    const SHAPE: &'static str = r#"{"username": string, "password": string}"#;
}

/// Opens a session: credentials in, a pair of tokens out.
pub async fn login(
    services: Data<Services>,
    trail: Trail,
    client: Client,
    body: Json<Credentials>,
) -> Result<Json<TokenResponse>, ApiError> {
    let mut attempt = open_session(&services, &trail, &body, &client).await?;
    for _ in 1..ATTEMPTS {
        let Attempt::Failed { reason: LoginFailure::AccountChanged, .. } = attempt else { break };
        attempt = open_session(&services, &trail, &body, &client).await?;
    }
    match attempt {
        Attempt::Opened(grant) => Ok(Json(services.issue(&grant)?.saying("Logged in successfully!"))),
        Attempt::Failed { reason, account } => {
            events::login_failed(&trail, reason, account.as_ref());
            Err(Error::InvalidCredentials.into())
        }
    }
}

/// How one try went.
enum Attempt {
    Opened(Grant),
    /// For the log: the client is told none of it.
    Failed {
        reason: LoginFailure,
        account: Option<Principal>,
    },
}

async fn open_session(
    services: &Data<Services>,
    trail: &Trail,
    credentials: &Credentials,
    client: &Client,
) -> Result<Attempt, Error> {
    let permit = services.hashing.admit()?;
    let account = match Username::parse(&credentials.username) {
        Ok(name) => services.users.find(name).await?,
        // A name that nobody can have costs the same work as one that nobody has.
        Err(_) => None,
    };
    let password = Password::parse(&credentials.password).ok();
    // A disabled account is one that nobody has: checked against its hash, a right password would show in the work of a
    // rehash.
    let hash = account.as_ref().filter(|account| !account.disabled).map(|account| account.hash.clone());
    let checked = services.hashing.check(permit, password, hash).await?;
    let failed = |reason, account| Ok(Attempt::Failed { reason, account });
    let (account, stronger_hash) = match (account, checked) {
        (None, _) => return failed(LoginFailure::UnknownAccount, None),
        (Some(account), _) if account.disabled => return failed(LoginFailure::Disabled, Some(account.principal)),
        (Some(account), Checked::Differs) => return failed(LoginFailure::WrongPassword, Some(account.principal)),
        (Some(account), Checked::Matches { stronger }) => (account, stronger),
    };
    let session = NewSession { seen: account.fence(), stronger_hash, client: *client };
    match to_the_end(open(services.clone(), trail.clone(), session)).await {
        Err(Error::AccountChanged) => failed(LoginFailure::AccountChanged, Some(account.principal)),
        opened => opened.map(Attempt::Opened),
    }
}

async fn open(services: Data<Services>, trail: Trail, session: NewSession) -> Result<Grant, Error> {
    let user_agent = session.client.user_agent;
    let Opened { grant, evicted } = services.sessions.open(session).await?;
    let (user, session) = (grant.principal.id, grant.session);
    trail.note_user(user);
    trail.note_session(session);
    events::login_succeeded(&trail, user, session);
    events::session_created(&trail, user, session, user_agent.as_ref().map(UserAgent::as_str));
    events::tokens_created(&trail, GrantedFor::Login, user, session);
    evicted.into_iter().for_each(|evicted| events::session_evicted(&trail, user, evicted));
    Ok(grant)
}
