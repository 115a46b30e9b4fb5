//! `POST /api/login`: a name and a password open a session.
//!
//! Unknown name, wrong password, disabled account and a password that could never be one: same status, same body, same
//! work; and each is a failure that counts (`attempt`), the right password of a disabled account too. What was read before the
//! hash is checked again in the transaction that opens the session.
//!
//! permit (503) -> attempt (429) and account -> hash -> session, with which the attempt is given back

use actix_web::web::Data;
use serde::Deserialize;

use crate::actors::password_hasher::HashPermit;
use crate::actors::refresh_tokens::Opened;
use crate::actors::{Account, Client, NewSession, UserAgent};
use crate::error::Error;
use crate::events::{self, GrantedFor, LoginFailure};
use crate::handlers::attempt::Attempt;
use crate::handlers::error::ApiError;
use crate::handlers::issued::Issued;
use crate::handlers::json::{Json, RequestBody};
use crate::handlers::services::Services;
use crate::handlers::unstoppable::to_the_end;
use crate::middleware::trail::Trail;
use crate::passwords::{Checked, Password, Submitted};
use crate::tokens::grant::{Grant, Transport};
use crate::tokens::principal::{Principal, Username};

/// How often a login begins anew when the account changed under it: a rehash by a parallel login is one change, and the
/// next try finds the new hash. What changes more often than that is not this client's to sort out.
const TRIES: usize = 3;

/// What a login takes.
#[derive(Deserialize)]
pub struct Credentials {
    username: String,
    password: Submitted,
    /// How the client wants its refresh tokens.
    #[serde(default)]
    transport: Transport,
}

impl RequestBody for Credentials {
    const SHAPE: &'static str = r#"{"username": string, "password": string, "transport"?: "body" or "cookie"}"#;
}

/// Opens a session: credentials in, a pair of tokens out.
pub async fn login(
    services: Data<Services>,
    trail: Trail,
    client: Client,
    body: Json<Credentials>,
) -> Result<Issued, ApiError> {
    // The permit comes first, so that a flood never reaches the store.
    let permit = services.hashing.admit()?;
    let (attempt, account) = Attempt::begin(&services, &trail, &body.username).await?;
    let transport = body.transport;
    let login = Login { services: &services, trail: &trail, attempt: &attempt, client, transport };
    let mut tried = login.open_session(permit, account, &body.password).await?;
    for _ in 1..TRIES {
        let Tried::Failed { reason: LoginFailure::AccountChanged, .. } = tried else { break };
        tried = login.begin_anew(&body).await?;
    }
    match tried {
        Tried::Opened(grant) => Ok(services.issue(&grant, transport)?.saying("Logged in successfully!")),
        Tried::Failed { reason, account } => {
            events::login_failed(&trail, reason, account.as_ref());
            Err(Error::InvalidCredentials.into())
        }
    }
}

/// How one try went.
enum Tried {
    Opened(Grant),
    /// For the log: the client is told none of it.
    Failed {
        reason: LoginFailure,
        account: Option<Principal>,
    },
}

/// What every try of one login has in common. There is one attempt, however many tries it takes.
struct Login<'a> {
    services: &'a Data<Services>,
    trail: &'a Trail,
    attempt: &'a Attempt,
    client: Client,
    transport: Transport,
}

impl Login<'_> {
    async fn begin_anew(&self, credentials: &Credentials) -> Result<Tried, Error> {
        let permit = self.attempt.or_give_back(self.services.hashing.admit()).await?;
        let account = match Username::parse(&credentials.username) {
            Ok(name) => self.services.users.find(name).await?,
            Err(_) => None,
        };
        self.open_session(permit, account, &credentials.password).await
    }

    /// A name that nobody can have costs the same work as one that nobody has.
    async fn open_session(
        &self,
        permit: HashPermit,
        account: Option<Account>,
        password: &Submitted,
    ) -> Result<Tried, Error> {
        let password = Password::parse(password).ok();
        // A disabled account is one that nobody has: checked against its hash, a right password would show in the work of
        // a rehash.
        let hash = account.as_ref().filter(|account| !account.disabled).map(|account| account.hash.clone());
        let checked = self.services.hashing.check(permit, password, hash).await;
        let checked = self.attempt.or_give_back(checked).await?;
        let failed = |reason, account| Ok(Tried::Failed { reason, account });
        let (account, stronger_hash) = match (account, checked) {
            (None, _) => return failed(LoginFailure::UnknownAccount, None),
            (Some(account), _) if account.disabled => return failed(LoginFailure::Disabled, Some(account.principal)),
            (Some(account), Checked::Differs) => return failed(LoginFailure::WrongPassword, Some(account.principal)),
            (Some(account), Checked::Matches { stronger }) => (account, stronger),
        };
        let session = NewSession {
            seen: account.fence(),
            stronger_hash,
            client: self.client,
            transport: self.transport,
            reservation: self.attempt.reservation(),
        };
        match to_the_end(open(self.services.clone(), self.trail.clone(), session)).await {
            Err(Error::AccountChanged) => failed(LoginFailure::AccountChanged, Some(account.principal)),
            Err(busy @ Error::Overloaded { .. }) => self.attempt.or_give_back(Err(busy)).await,
            opened => opened.map(Tried::Opened),
        }
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
