//! Operations on clients that have a secret.
//!
//! What a secret is and when it counts is `clients`' business; an engine keeps the rows.

use std::time::Duration;

use crate::clients::{ClientId, SecretHash};
use crate::clock::Timestamp;

/// One operation on clients. Only the operator of this host asks for them; what is refused changes nothing.
#[derive(Debug)]
pub enum ClientOperation {
    /// Adds a client.
    Create {
        /// Its id.
        id: ClientId,
        /// Of its secret.
        secret: SecretHash,
    },
    /// Gives a client another secret. The one from before is taken for as long as is said here; any older one is over.
    Rotate {
        /// Whose.
        id: ClientId,
        /// Of the new one.
        secret: SecretHash,
        /// How long the one from before is taken as well; zero ends it at once.
        overlap: Duration,
    },
    /// Removes a client; its id is free.
    Delete(ClientId),
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientOutcome {
    /// It was added.
    Created,
    /// It has another secret, and the one from before is taken until then.
    Rotated {
        /// Nothing where it was ended at once.
        former_until: Option<Timestamp>,
    },
    /// It was removed.
    Deleted,
    /// There is a client of this id already.
    Taken,
    /// There is no client of this id.
    Unknown,
}
