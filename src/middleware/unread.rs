//! No connection stays open for the rest of a body that nobody reads.
//!
//! Owns one rule: an answer that leaves while a chunked body is still arriving closes the connection. actix does that by
//! itself for a body with a `Content-Length`, discarding input for the disconnect time-out at most. For a chunked one whose
//! reader is gone it goes on reading until the last chunk, without a limit or a time-out: whoever is refused (408 and 413
//! above all) could go on sending, or stay silent, for ever. What it looks at is whether the reader is alive; so the reader
//! is shared, and kept with the answer's body until that is out.
//!
//! chunked request -> [`Unread::of`] -> whoever reads the body inside ... [`Unread::keep_with`] -> the answer

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest};
use actix_web::error::PayloadError;
use actix_web::http::header;
use actix_web::web::Bytes;
use actix_web::{HttpMessage, HttpResponse};
use futures_util::Stream;

/// A handle on a chunked body, whoever reads it.
#[derive(Clone)]
pub(super) struct Unread(Rc<RefCell<Payload>>);

impl Unread {
    /// Shares the body of a chunked request; any other is left as it is and costs nothing.
    pub(super) fn of(request: &mut ServiceRequest) -> Option<Self> {
        if matches!(request.parts().1, Payload::None) || !request.headers().contains_key(header::TRANSFER_ENCODING) {
            return None;
        }
        let shared = Self(Rc::new(RefCell::new(request.take_payload())));
        let reader: Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>> = Box::pin(shared.clone());
        request.set_payload(Payload::from(reader));
        Some(shared)
    }

    /// Ties the body's life to the answer's.
    pub(super) fn keep_with(&self, response: HttpResponse) -> HttpResponse {
        response.map_body(|_, body| BoxBody::new(Kept { body, _unread: self.clone() }))
    }
}

impl Stream for Unread {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(cx)
    }
}

/// An answer's body, with the request's that must not go before it.
struct Kept {
    body: BoxBody,
    _unread: Unread,
}

impl MessageBody for Kept {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(cx)
    }
}
