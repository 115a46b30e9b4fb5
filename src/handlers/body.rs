//! The bytes of a request's body.
//!
//! Owns the contract's rules about any body, whatever is written in it: declared as what the call reads, not
//! compressed, at most 16 KiB, all of it within the time limit. Bodies hold passwords and tokens: the one copy that is
//! made here is wiped after parsing (the network buffer before it is actix's and is not).
//!
//! headers (`body_headers`) -> [`Arriving`] -> bytes within the limits -> `json`, `form`

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use futures_util::StreamExt;
use zeroize::Zeroizing;

use super::body_headers::{Media, check_declaration, declared_length};
use super::error::ApiError;
use crate::config::Limits;

/// The longest body that is read, in bytes; the contract fixes it. No call comes near: two passwords are a few hundred.
pub(super) const LONGEST_BODY: usize = 16 * 1024;

/// A body that passed everything its headers can say, and is not here yet.
pub(super) struct Arriving {
    payload: Payload,
    /// How many bytes it will have at most.
    longest: usize,
    within: Duration,
}

impl Arriving {
    /// Asks the headers; nothing was read of one that is refused.
    ///
    /// # Errors
    ///
    /// [`ApiError::UnsupportedMediaType`], [`ApiError::PayloadTooLarge`].
    pub fn of(request: &HttpRequest, payload: &mut Payload, media: Media) -> Result<Self, ApiError> {
        let headers = request.headers();
        check_declaration(headers, media)?;
        let longest = declared_length(headers).unwrap_or(LONGEST_BODY);
        if longest > LONGEST_BODY {
            return Err(ApiError::PayloadTooLarge);
        }
        let limits = request.app_data::<Limits>().copied().unwrap_or_default();
        Ok(Self { payload: payload.take(), longest, within: limits.body_timeout })
    }

    /// The whole body, within its size and its time. One deadline for all of it: a limit on each pause would let a client
    /// that sends a byte now and then hold a connection for as long as it likes.
    ///
    /// # Errors
    ///
    /// [`ApiError::RequestTimeout`], [`ApiError::PayloadTooLarge`], [`ApiError::InvalidRequest`] where it is framed
    /// wrongly.
    pub async fn whole(self) -> Result<Zeroizing<Vec<u8>>, ApiError> {
        let reading = read(self.payload, self.longest);
        tokio::time::timeout(self.within, reading).await.unwrap_or(Err(ApiError::RequestTimeout))
    }
}

async fn read(mut payload: Payload, longest: usize) -> Result<Zeroizing<Vec<u8>>, ApiError> {
    // Reserved at once: a vector that grows leaves copies behind which nobody wipes.
    let mut body = Zeroizing::new(Vec::with_capacity(longest));
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| ApiError::invalid_request("The body ended early or is framed wrongly."))?;
        if chunk.len() > LONGEST_BODY.saturating_sub(body.len()) {
            return Err(ApiError::PayloadTooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
