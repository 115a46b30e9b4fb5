//! What an admin is shown of accounts, and what is done to an account by somebody who is not its owner.
//!
//! Owns the shapes: pages and their entries, acts and what became of them. The engines decide each act in one transaction
//! with the question who asks, and whether an admin is left.

use crate::clock::Timestamp;
use crate::tokens::principal::{Role, UserId, Username};
use crate::tokens::refresh::SessionId;

/// Which accounts to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserQuery {
    /// Only those behind this one, in the order of ids.
    pub after: Option<UserId>,
    /// Only those whose name has this in it, as it stands but for its case.
    pub containing: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// Some of the accounts, by their ids: whoever registered first stands first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserPage {
    /// They.
    pub users: Vec<ShownUser>,
    /// Where the next page begins, if there is one.
    pub next: Option<UserId>,
}

/// An account as an admin is shown it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownUser {
    /// Its id.
    pub id: UserId,
    /// As registered.
    pub username: Username,
    /// What they may do.
    pub roles: Vec<Role>,
    /// Locked out.
    pub disabled: bool,
    /// When it was added.
    pub created_at: Timestamp,
    /// How many live sessions it has.
    pub sessions: u32,
}

/// An act on somebody's account.
///
/// Refused with [`Error::InvalidToken`](crate::error::Error::InvalidToken) where whoever asks may not by now, with
/// [`Error::NoSuchUser`](crate::error::Error::NoSuchUser), and with [`Error::LastAdmin`](crate::error::Error::LastAdmin) where
/// no enabled admin would be left.
#[derive(Debug, Clone)]
pub struct Administration {
    /// Who asks; nobody where it is the operator of this host.
    pub by: Option<AskedBy>,
    /// Whose account.
    pub user: UserId,
    /// What is done.
    pub act: Act,
}

/// An admin who asks, and the session under which they do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AskedBy {
    /// Who.
    pub admin: UserId,
    /// Under which session.
    pub session: SessionId,
}

/// What may be done to an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Changes what it may do, and whether it is locked out. What is so already changes nothing.
    Change(AccountChange),
    /// Ends every session.
    EndSessions,
    /// Removes it, which ends every session; the name is free.
    Delete,
}

/// What an account is to be; `None` leaves it as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountChange {
    /// All of its roles. Access tokens with the old ones are refused from then on, sessions live on.
    pub roles: Option<Vec<Role>>,
    /// Locked out, which ends every session, or let in again.
    pub disabled: Option<bool>,
}

/// An account that an act changed, or found as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedUser {
    /// As it is now.
    pub user: ShownUser,
    /// The roles that it had, where it has others now.
    pub former_roles: Option<Vec<Role>>,
    /// Whether it was locked out or let in.
    pub is_disabled_changed: bool,
}
