//! `POST /api/delete_account`: the caller's account, its sessions and its tokens end. Behind `authenticate`.

use actix_web::web::{Data, ReqData};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;

use crate::actors::Fence;
use crate::error::Result;
use crate::events;
use crate::handlers::current_password;
use crate::handlers::error::ApiError;
use crate::handlers::json::{Json, RequestBody};
use crate::handlers::refresh_cookie::{Carried, ended};
use crate::handlers::services::Services;
use crate::handlers::unstoppable::to_the_end;
use crate::middleware::trail::Trail;
use crate::passwords::Submitted;
use crate::tokens::access::Identity;
use crate::tokens::grant::Transport;
use crate::tokens::refresh::SessionId;

/// What a deletion takes.
#[derive(Deserialize)]
pub struct Confirmation {
    password: Submitted,
}

impl RequestBody for Confirmation {
    const SHAPE: &'static str = r#"{"password": string}"#;
}

/// Deletes the caller's account. The name is free from then on; whoever takes it is somebody else.
pub async fn delete_account(
    services: Data<Services>,
    trail: Trail,
    request: HttpRequest,
    caller: ReqData<Identity>,
    body: Json<Confirmation>,
) -> std::result::Result<HttpResponse, ApiError> {
    let carried = Carried::by(&services, request.headers()).of_any_session_of(&services, &caller).await;
    let transport = current_password::confirmed(&services, &trail, &caller, &body.password, async |account| {
        to_the_end(delete(services.clone(), trail.clone(), account.fence(), caller.session)).await
    })
    .await?;
    Ok(ended(&services, carried.goes_with(caller.session, transport))?)
}

async fn delete(services: Data<Services>, trail: Trail, seen: Fence, asked_by: SessionId) -> Result<Transport> {
    let user = seen.user;
    let transport = services.users.delete_own(seen, asked_by).await?;
    events::user_deleted(&trail, user, asked_by);
    Ok(transport)
}
