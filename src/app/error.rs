//! Why a server did not start, or ended.
//!
//! Owns one rule: each is one line, and says what to change where somebody can.

use std::io;

use crate::clock::Timestamp;
use crate::config::SettingsError;
use crate::error::Error;
use crate::storage::sqlite::OpenError;
use crate::tokens::ring::RingError;

/// Why the server did not start, or ended otherwise than asked.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The database cannot be used.
    #[error("DATABASE_URL: {0}")]
    Storage(#[from] OpenError),
    /// Nobody can listen there.
    #[error("HOST, PORT: cannot listen: {0}")]
    Listen(io::Error),
    /// The key ring cannot be used.
    #[error("{subject} {reason}")]
    Keys {
        /// Where it is, as its refusals begin.
        subject: String,
        /// What is wrong with it.
        reason: RingError,
    },
    /// There was a key ring, and it is gone. A start without it would call tokens unknown that are not, which is final.
    #[error(
        "{subject} is missing although keys of it were in use; bring it back from a backup, or begin a new one (latchkey keys \
         init), after which whoever was signed in with the lost keys has to log in again"
    )]
    KeyRingLost {
        /// Where it should be, as its refusals begin.
        subject: String,
    },
    /// The key ring is older than one that was in use. A start with it would call tokens unknown that are not, and believe keys
    /// again that were taken out.
    #[error(
        "{subject} is of {}, and one of {} was in use; bring that one back, or take this one instead (latchkey keys accept), after \
         which whoever was signed in with keys that it lacks has to log in again",
        changed_at.to_rfc3339(),
        newest.to_rfc3339()
    )]
    KeyRingOlder {
        /// Where it is, as its refusals begin.
        subject: String,
        /// When it came to be.
        changed_at: Timestamp,
        /// When the newest one did that was in use.
        newest: Timestamp,
    },
    /// The key ring cannot be read.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A part failed while starting.
    #[error("cannot start: {0}")]
    Start(#[from] Error),
    /// The runtime or the listener failed.
    #[error("the server failed: {0}")]
    Serve(io::Error),
    /// A part died; its supervisor should start the process again.
    #[error("the {0} died")]
    Died(&'static str),
}

impl RunError {
    /// Whether it is a setting, or what one names, that has to change first.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Keys { .. } | Self::KeyRingLost { .. } | Self::KeyRingOlder { .. } | Self::Settings(_) => true,
            Self::Storage(_) | Self::Listen(_) | Self::Start(_) | Self::Serve(_) | Self::Died(_) => false,
        }
    }
}
