//! What the security events may say of a cause or a reason.
//!
//! Owns these words: operators search for them and write rules by them, so one that is given out stays. None comes from a
//! request.

use std::fmt;

use crate::error::Error;

/// What a new session was opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantedFor {
    /// A login.
    Login,
    /// A password change, which ended the session that asked for it.
    PasswordChange,
}

impl fmt::Display for GrantedFor {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Login => "login",
            Self::PasswordChange => "password_change",
        })
    }
}

/// Who sent a refresh cookie that was not one of the service's own pages, as far as the browser says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stranger {
    /// A page of another origin of the same site.
    SameSite,
    /// A page of another site.
    CrossSite,
    /// A page of an origin that is not listed, in a browser that says no more.
    OtherOrigin,
    /// Nobody knows: nothing was said, or two things.
    Unclear,
}

impl fmt::Display for Stranger {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::SameSite => "same_site",
            Self::CrossSite => "cross_site",
            Self::OtherOrigin => "other_origin",
            Self::Unclear => "unclear",
        })
    }
}

/// How a single session came to be ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevocationCause {
    /// A holder of one of its tokens logged out.
    Logout,
    /// Its owner picked it from the list of their sessions.
    Revoked,
}

impl fmt::Display for RevocationCause {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Logout => "logout",
            Self::Revoked => "revoked",
        })
    }
}

/// Why a login was refused: for the operator, never for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginFailure {
    /// No account has this name, or none can.
    UnknownAccount,
    /// The account has another password.
    WrongPassword,
    /// The account is locked out, whatever the password.
    Disabled,
    /// The account changed while the password was being checked, each time it was tried.
    AccountChanged,
}

impl fmt::Display for LoginFailure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::UnknownAccount => "unknown_account",
            Self::WrongPassword => "wrong_password",
            Self::Disabled => "disabled",
            Self::AccountChanged => "account_changed",
        })
    }
}

/// Why a client was refused: for the operator, never for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientFailure {
    /// No client has this name.
    UnknownClient,
    /// The client has another secret.
    WrongSecret,
    /// A call that asks for a secret, or a name of somebody who should have one, came without.
    NoSecret,
    /// Not HTTP Basic, or not as it is written.
    UnsupportedMethod,
}

impl fmt::Display for ClientFailure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::UnknownClient => "unknown_client",
            Self::WrongSecret => "wrong_secret",
            Self::NoSecret => "no_secret",
            Self::UnsupportedMethod => "unsupported_method",
        })
    }
}

/// Why a password was not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordChangeFailure {
    /// The current one was another.
    WrongPassword,
    /// The new one is outside the policy.
    WeakPassword,
    /// The new one is the current one.
    UnchangedPassword,
    /// The session that asked ended meanwhile.
    SessionEnded,
}

impl PasswordChangeFailure {
    /// Which of them an error is; `None` where the service itself could not do it, of which another line tells.
    pub fn of(error: &Error) -> Option<Self> {
        match error {
            Error::WrongPassword => Some(Self::WrongPassword),
            Error::WeakPassword(_) => Some(Self::WeakPassword),
            Error::UnchangedPassword => Some(Self::UnchangedPassword),
            Error::InvalidToken => Some(Self::SessionEnded),
            Error::InvalidUsername
            | Error::UsernameTaken
            | Error::InvalidRole
            | Error::InsufficientScope
            | Error::LastAdmin
            | Error::InvalidCredentials
            | Error::AccountChanged
            | Error::NoSuchUser
            | Error::NoSuchSession
            | Error::MissingToken
            | Error::InvalidGrant(_)
            | Error::TooManyAttempts { .. }
            | Error::Overloaded { .. }
            | Error::Unavailable
            | Error::Internal(_) => None,
        }
    }
}

impl fmt::Display for PasswordChangeFailure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::WrongPassword => "wrong_password",
            Self::WeakPassword => "weak_password",
            Self::UnchangedPassword => "unchanged_password",
            Self::SessionEnded => "session_ended",
        })
    }
}
