//! Where a request comes from: an extractor for the calls that open or renew a session.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};

use crate::actors::{Client, UserAgent};
use crate::handlers::error::ApiError;
use crate::middleware::trail::Trail;

impl FromRequest for Client {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let user_agent = request.headers().get(header::USER_AGENT).map(|agent| UserAgent::of(agent.as_bytes()));
        let ip = request.extensions().get::<Trail>().and_then(Trail::ip);
        ready(Ok(Self { user_agent, ip }))
    }
}
