//! `GET /api/admin/users` and `GET /api/admin/users/{id}`: the accounts, for admins. Behind `authenticate` and `RequireRole`.
//!
//! Owns the shape of an account in an answer, and that of a page: a cursor is the last id of the page before it, in a form
//! that no client is tempted to make for itself.

use actix_web::HttpRequest;
use actix_web::web::{Data, Path, Query};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::actors::{ShownUser, UserPage, UserQuery};
use crate::error::Error;
use crate::handlers::error::ApiError;
use crate::handlers::json::Json;
use crate::handlers::services::Services;
use crate::tokens::principal::{Role, UserId, Username};

/// Accounts of a page, where nothing is asked for.
const USUAL_PAGE: usize = 50;
/// The most that one page may have: some 40 KB.
const LARGEST_PAGE: usize = 200;
/// Characters of a search: no name is longer.
const LONGEST_SEARCH: usize = 64;

/// An account, as admins see it.
#[derive(Serialize)]
pub struct User {
    id: UserId,
    username: Username,
    roles: Vec<Role>,
    disabled: bool,
    created_at: String,
    sessions: u32,
}

/// Some of the accounts, and how to ask for the next.
#[derive(Serialize)]
pub struct UserList {
    users: Vec<User>,
    next_cursor: Option<String>,
}

/// What the query string says; other parameters are not looked at.
#[derive(Deserialize)]
struct Asked {
    limit: Option<String>,
    cursor: Option<String>,
    q: Option<String>,
}

/// Lists the accounts, the oldest first; with `q` those whose name has it in it.
pub async fn list(services: Data<Services>, request: HttpRequest) -> Result<Json<UserList>, ApiError> {
    let UserPage { users, next } = services.users.page(query(request.query_string())?).await?;
    let next_cursor = next.map(|user| URL_SAFE_NO_PAD.encode(user.0.as_bytes()));
    Ok(Json(UserList { users: users.into_iter().map(User::from).collect(), next_cursor }))
}

/// Shows one account.
pub async fn show(services: Data<Services>, id: Path<String>) -> Result<Json<User>, ApiError> {
    Ok(Json(services.users.shown(user_id(&id)?).await?.into()))
}

/// The id of a path. Errors: [`Error::NoSuchUser`] where it is none: it is one that nobody has.
pub(super) fn user_id(text: &str) -> Result<UserId, Error> {
    Uuid::try_parse(text).map(UserId).map_err(|_| Error::NoSuchUser)
}

fn query(text: &str) -> Result<UserQuery, ApiError> {
    let asked = Query::<Asked>::from_query(text)
        .map_err(|_| ApiError::invalid_request("The query string cannot be read."))?
        .into_inner();
    let limit = match asked.limit {
        None => USUAL_PAGE,
        Some(limit) => limit
            .parse()
            .ok()
            .filter(|limit| (1..=LARGEST_PAGE).contains(limit))
            .ok_or_else(|| ApiError::invalid_request("`limit` must be a number from 1 to 200."))?,
    };
    let after = asked.cursor.map(|cursor| id_of(&cursor)).transpose()?;
    if asked.q.as_ref().is_some_and(|part| part.chars().count() > LONGEST_SEARCH) {
        return Err(ApiError::invalid_request("`q` must have at most 64 characters."));
    }
    Ok(UserQuery { after, containing: asked.q, limit })
}

fn id_of(cursor: &str) -> Result<UserId, ApiError> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| Uuid::from_slice(&bytes).ok());
    bytes.map(UserId).ok_or_else(|| ApiError::invalid_request("`cursor` must be a `next_cursor` of this list."))
}

impl From<ShownUser> for User {
    fn from(user: ShownUser) -> Self {
        Self {
            id: user.id,
            username: user.username,
            roles: user.roles,
            disabled: user.disabled,
            created_at: user.created_at.to_rfc3339(),
            sessions: user.sessions,
        }
    }
}
