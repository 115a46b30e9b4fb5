//! Work that ends even where its client does not wait.
//!
//! Owns one rule: a write and the log line about it belong together. actix drops a handler whose client broke the connection
//! off; a message that an actor has by then is acted upon all the same, and nobody would be there to log what it did. From
//! the message on, such work runs as a task of its own, which the handler merely waits for.

use actix_web::rt;

use crate::error::{Error, Result};

/// Runs `work` to its end, whatever becomes of whoever waits for it.
pub(super) async fn to_the_end<T: 'static>(work: impl Future<Output = Result<T>> + 'static) -> Result<T> {
    rt::spawn(work).await.unwrap_or(Err(Error::Internal("a panic")))
}
