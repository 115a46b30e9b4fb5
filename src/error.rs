//! What can go wrong, in the domain's words.
//!
//! Owns the list of refusals and failures that actors, tokens, passwords and storage can answer with. No HTTP here: which
//! status and code each one becomes is the business of `handlers::error` alone.

use std::fmt;
use std::time::Duration;

/// The answer of everything below the handlers.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a request was refused or failed. Named for what happened; `handlers::error` alone knows the HTTP status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The name is not 3–64 characters of `[A-Za-z0-9._@+-]` that start with a letter or digit.
    #[error("invalid username")]
    InvalidUsername,
    /// Somebody already has this name, whatever its case.
    #[error("username taken")]
    UsernameTaken,
    /// The password is outside the policy.
    #[error("password refused: {0}")]
    WeakPassword(PasswordRefusal),
    /// Unknown name, wrong password or disabled account; which of them is never told.
    #[error("invalid credentials")]
    InvalidCredentials,
    /// The password that was asked for again is not the account's.
    #[error("wrong password")]
    WrongPassword,
    /// The new password is the one that the account has.
    #[error("the new password is the current one")]
    UnchangedPassword,
    /// There would be no enabled admin any more.
    #[error("the last admin")]
    LastAdmin,
    /// The account changed between the read before a hash and the write after it; nothing was written.
    #[error("the account changed meanwhile")]
    AccountChanged,
    /// No account has this id.
    #[error("no such user")]
    NoSuchUser,
    /// The user has no session of this id.
    #[error("no such session")]
    NoSuchSession,
    /// No access token where one is needed.
    #[error("access token missing")]
    MissingToken,
    /// An access token that is malformed, forged, expired, or of something that ended.
    #[error("access token refused")]
    InvalidToken,
    /// A refresh token that buys nothing.
    #[error("refresh token refused: {0}")]
    InvalidGrant(GrantRefusal),
    /// Every admission slot was taken; nothing was started.
    #[error("at capacity")]
    Overloaded {
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// Too many guesses or registrations; nothing was started.
    #[error("too many attempts")]
    TooManyAttempts {
        /// When there may be another.
        retry_after: Duration,
    },
    /// Storage or an actor did not answer; a write may have happened.
    #[error("unavailable")]
    Unavailable,
    /// A bug or a broken invariant of ours. The text names the place and never carries input.
    #[error("internal error: {0}")]
    Internal(&'static str),
}

/// Why a password cannot be set. None of them repeats the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordRefusal {
    /// Fewer characters than the policy asks for.
    TooShort {
        /// The least number of characters (Unicode scalar values after NFC).
        least: usize,
    },
    /// More than the 72 bytes that bcrypt reads.
    TooLong,
    /// A control character; bcrypt would ignore everything from a NUL byte on.
    ControlCharacter,
    /// On the list of common passwords, or stretched from one of it.
    Common,
    /// The username, or stretched from it.
    Username,
}

impl fmt::Display for PasswordRefusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { least } => write!(out, "shorter than {least} characters"),
            Self::TooLong => out.write_str("longer than 72 bytes"),
            Self::ControlCharacter => out.write_str("contains a control character"),
            Self::Common => out.write_str("common"),
            Self::Username => out.write_str("made of the username"),
        }
    }
}

/// Why an authentic-looking refresh token was refused: the `reason` member of a 401 `invalid_grant`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantRefusal {
    /// Malformed, forged, of an unknown key, or of a session that nobody remembers.
    Unknown,
    /// Past the session's idle or absolute limit.
    Expired,
    /// The session was ended, or its user is disabled, gone, or changed the password.
    Revoked,
    /// A spent token outside the grace window: the whole session is over.
    Reused,
}

impl GrantRefusal {
    /// The word that stands in the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Reused => "reused",
        }
    }
}

impl fmt::Display for GrantRefusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}
