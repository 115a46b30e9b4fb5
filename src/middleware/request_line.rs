//! One line for each request.
//!
//! Owns the access log: method, route pattern, status, duration, request id, who and where from. Never the path or the
//! query as they came: people and broken clients put tokens there. This is the hottest path of the service, so where the
//! line is filtered out neither the clock is read nor anything kept.
//!
//! [`RequestLine::begin`] -> the request is answered -> [`RequestLine::answered`]; or it is dropped, which is a line too

use std::time::Instant;

use actix_web::http::StatusCode;
use tracing::{Level, enabled, info};

use super::trail::Trail;

/// The name that `RUST_LOG` knows these lines by.
pub const TARGET: &str = "latchkey::request";

/// The line of a request that is being answered; nothing where nobody wants to read it.
#[derive(Debug)]
pub(super) struct RequestLine(Option<Begun>);

#[derive(Debug)]
struct Begun {
    at: Instant,
    trail: Trail,
}

impl RequestLine {
    /// Notes the time, if the line will be written.
    pub(super) fn begin(trail: &Trail) -> Self {
        Self(enabled!(target: TARGET, Level::INFO).then(|| Begun { at: Instant::now(), trail: trail.clone() }))
    }

    /// Writes the line of a request that was answered.
    pub(super) fn answered(mut self, status: StatusCode) {
        if let Some(begun) = self.0.take() {
            begun.write(Some(status), "answered");
        }
    }
}

/// A request whose client broke the connection off, or that the end of the service cut short.
impl Drop for RequestLine {
    fn drop(&mut self) {
        if let Some(begun) = self.0.take() {
            begun.write(None, "abandoned");
        }
    }
}

impl Begun {
    fn write(&self, status: Option<StatusCode>, what: &'static str) {
        let trail = &self.trail;
        info!(
            target: TARGET,
            method = %trail.method(),
            route = trail.route().map(display),
            status = status.map(|status| status.as_u16()),
            // Half a million years fit.
            duration_us = u64::try_from(self.at.elapsed().as_micros()).unwrap_or(u64::MAX),
            request_id = %trail.id(),
            user_id = trail.user().map(display),
            session_id = trail.session().map(display),
            ip = trail.ip().map(display),
            "{what}"
        );
    }
}
