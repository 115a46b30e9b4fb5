//! `POST /api/login`: a name and a password open a session.
//!
//! Unknown name, wrong password, disabled account and a password that could never be one: same status, same body, same
//! work. What was read before the hash is checked again in the transaction that opens the session.

use actix_web::HttpRequest;
use actix_web::http::header;
use actix_web::web::Data;
use serde::Deserialize;

use crate::actors::{LONGEST_USER_AGENT, NewSession};
use crate::error::Error;
use crate::handlers::error::ApiError;
use crate::handlers::json::{Json, RequestBody};
use crate::handlers::services::{Services, TokenResponse};
use crate::passwords::{Checked, Password, Submitted};
use crate::tokens::grant::Grant;
use crate::tokens::principal::Username;

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
    request: HttpRequest,
    body: Json<Credentials>,
) -> Result<Json<TokenResponse>, ApiError> {
    let client = Client::of(&request);
    let mut opened = Err(Error::AccountChanged);
    for _ in 0..ATTEMPTS {
        opened = open_session(&services, &body, &client).await;
        if opened != Err(Error::AccountChanged) {
            break;
        }
    }
    Ok(Json(services.issue(&opened?)?.saying("Logged in successfully!")))
}

async fn open_session(services: &Services, credentials: &Credentials, client: &Client) -> Result<Grant, Error> {
    let permit = services.hashing.admit()?;
    let account = match Username::parse(&credentials.username) {
        // A disabled account is one that nobody has: checked against its hash, a right password would show in the work
        // of a rehash.
        Ok(name) => services.users.find(name).await?.filter(|account| !account.disabled),
        // A name that nobody can have costs the same work as one that nobody has.
        Err(_) => None,
    };
    let password = Password::parse(&credentials.password).ok();
    let hash = account.as_ref().map(|account| account.hash.clone());
    let checked = services.hashing.check(permit, password, hash).await?;
    let (Some(account), Checked::Matches { stronger }) = (account, checked) else {
        return Err(Error::InvalidCredentials);
    };
    let session = NewSession {
        seen: account.fence(),
        stronger_hash: stronger,
        user_agent: client.user_agent.clone(),
        ip: client.ip.clone(),
    };
    let grant = services.sessions.open(session).await?;
    tracing::info!(
        event = "authn_login_success", user_id = %grant.principal.id, session_id = %grant.session, "a session was opened"
    );
    Ok(grant)
}

/// Where a session comes from, for its owner's list of sessions.
struct Client {
    user_agent: Option<String>,
    ip: Option<String>,
}

impl Client {
    fn of(request: &HttpRequest) -> Self {
        let user_agent = request.headers().get(header::USER_AGENT).map(|agent| {
            let mut agent = String::from_utf8_lossy(agent.as_bytes()).replace(char::is_control, " ");
            agent.truncate(agent.floor_char_boundary(LONGEST_USER_AGENT));
            agent
        });
        Self { user_agent, ip: request.peer_addr().map(|peer| peer.ip().to_string()) }
    }
}
