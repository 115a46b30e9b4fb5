//! `POST /api/register`: a name and a password become an account.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::{Deserialize, Serialize};

use crate::actors::{Account, NewUser};
use crate::error::Error;
use crate::events;
use crate::handlers::error::ApiError;
use crate::handlers::json::{Json, RequestBody};
use crate::handlers::services::Services;
use crate::handlers::unstoppable::to_the_end;
use crate::middleware::trail::Trail;
use crate::passwords::Submitted;
use crate::tokens::principal::{Role, UserId, Username};

/// What registration takes.
#[derive(Deserialize)]
pub struct Registration {
    username: String,
    password: Submitted,
}

impl RequestBody for Registration {
    const SHAPE: &'static str = r#"{"username": string, "password": string}"#;
}

#[derive(Serialize)]
struct Registered<'a> {
    message: &'static str,
    user: User<'a>,
}

#[derive(Serialize)]
struct User<'a> {
    id: UserId,
    username: &'a Username,
    roles: &'a [Role],
    created_at: String,
}

/// Adds an account. The permit comes first, so that a flood never reaches the stores; a name that is taken is told before
/// a hash is spent on it, and the store has the last word. Counted is what got as far as that question: whoever asks which
/// names there are is limited too.
pub async fn register(
    services: Data<Services>,
    trail: Trail,
    body: Json<Registration>,
) -> Result<HttpResponse, ApiError> {
    let username = Username::parse(&body.username)?;
    let password = services.password_policy.accept(&body.password, &username)?;
    let permit = services.hashing.admit()?;
    if let Err(refused) = services.registrations.admit(trail.origin()) {
        if let Some(untold) = refused.untold {
            events::registrations_limited(&trail, untold);
        }
        return Err(Error::TooManyAttempts { retry_after: refused.retry_after }.into());
    }
    if services.users.find(username.clone()).await?.is_some() {
        return Err(Error::UsernameTaken.into());
    }
    let hash = services.hashing.hash(permit, password).await?;
    let user = NewUser { username, hash, roles: vec![Role::User] };
    let account = to_the_end(create(services, trail, user)).await?;
    Ok(HttpResponse::Created().json(registered(&account)))
}

async fn create(services: Data<Services>, trail: Trail, user: NewUser) -> Result<Account, Error> {
    let account = services.users.create(user).await?;
    trail.note_user(account.principal.id);
    events::user_created(&trail, account.principal.id);
    Ok(account)
}

fn registered(account: &Account) -> Registered<'_> {
    Registered {
        message: "User created successfully!",
        user: User {
            id: account.principal.id,
            username: &account.principal.username,
            roles: &account.principal.roles,
            created_at: account.created_at.to_rfc3339(),
        },
    }
}
