//! What every command on accounts begins with: the settings, the database beside the server that may run, and whom it is about.
//!
//! Owns the rule of who is meant: what is written like a UUID is an id and never a name, although names of that form can be
//! registered. Otherwise somebody could take another's id for a name, and be what a command is done to.
//!
//! environment, `.env` -> [`Settings`] -> [`Guest`] -> [`Visit::account`] -> one operation, one transaction

use std::fmt;
use std::path::Path;
use std::time::Duration;

use uuid::Uuid;

use super::DOTENV;
use super::failure::Failure;
use crate::app;
use crate::clock::Clock;
use crate::config::{Database, Settings};
use crate::error::Error;
use crate::storage::sqlite::{Guest, Missing, OpenError};
use crate::storage::{Account, Act, Administration, UserOperation, UserOutcome};
use crate::tokens::principal::{Role, UserId, Username};

/// How long a command waits where others write: many times what the longest batch of a server takes.
const PATIENCE: Duration = Duration::from_secs(5);
/// The length of a UUID with its hyphens (RFC 9562 §4).
const UUID_LENGTH: usize = 36;

/// The settings, and the database that they name.
pub(super) struct Visit {
    pub settings: Settings,
    pub guest: Guest,
}

impl Visit {
    /// Finds the database, or makes it and the secrets beside it.
    pub fn begin(missing: Missing) -> Result<Self, Failure> {
        let settings = settings(missing)?;
        let guest = guest(&settings, missing)?;
        Ok(Self { settings, guest })
    }

    /// The account that is meant.
    pub fn account(&self, who: &Who) -> Result<Account, Failure> {
        let operation = match who {
            Who::Named(name) => UserOperation::Find(name.clone()),
            Who::Id(id) => UserOperation::FindById(*id),
        };
        if let UserOutcome::Found(Some(account)) = self.user(who, operation)? {
            return Ok(account);
        }
        Err(Failure::about(who, &Error::NoSuchUser))
    }

    /// One operation on a user, about this one.
    pub fn user(&self, whom: &impl fmt::Display, operation: UserOperation) -> Result<UserOutcome, Failure> {
        let (committed, _) = self.guest.users(vec![operation])?;
        let outcome = committed.outcomes.into_iter().next().unwrap_or(Err(Error::Unavailable));
        outcome.map_err(|error| Failure::about(whom, &error))
    }

    /// Does something to an account, as the operator of this host. The last enabled admin stays, as over the API: whoever wants
    /// them gone makes another one first.
    pub fn administer(&self, account: &Account, act: Act) -> Result<(), Failure> {
        let administration = Administration { by: None, user: account.principal.id, act };
        self.user(&account.principal.username, UserOperation::Administer(administration)).map(|_| ())
    }
}

/// The settings without the secrets. Where there is to be a database, they are made before it, as by a server's first start.
pub(super) fn settings(missing: Missing) -> Result<Settings, Failure> {
    let makes = missing == Missing::Made;
    Ok(Settings::beside_a_server(std::env::vars_os(), Some(Path::new(DOTENV)), makes)?)
}

/// The database that the settings name. Errors: see [`OpenError`].
pub(super) fn guest(settings: &Settings, missing: Missing) -> Result<Guest, OpenError> {
    let Database::Sqlite(path) = &settings.database;
    Guest::visit(path, app::rules(settings), &Clock::system(), missing, PATIENCE)
}

/// An account, as it is named on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Who {
    /// By name, whatever the case.
    Named(Username),
    /// By id.
    Id(UserId),
}

impl Who {
    /// Reads an argument.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Ok(id) = id(text) {
            return Ok(Self::Id(UserId(id)));
        }
        name(text).map(Self::Named)
    }
}

impl fmt::Display for Who {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => name.fmt(out),
            Self::Id(id) => id.fmt(out),
        }
    }
}

/// Reads a name as an argument.
pub(super) fn name(text: &str) -> Result<Username, String> {
    let rule = "3 to 64 of A-Z a-z 0-9 . _ @ + -, the first a letter or digit";
    Username::parse(text).map_err(|_| rule.to_owned())
}

/// Reads an id as an argument.
pub(super) fn id(text: &str) -> Result<Uuid, String> {
    // Without hyphens it may be a name.
    let uuid = Some(text).filter(|text| text.len() == UUID_LENGTH).and_then(|text| Uuid::parse_str(text).ok());
    uuid.ok_or_else(|| "an id is a UUID, as `sessions list` shows it".to_owned())
}

/// Reads a role as an argument.
pub(super) fn role(text: &str) -> Result<Role, String> {
    Role::parse(text).ok_or_else(|| "a role is user or admin".to_owned())
}

/// Each role once, in one order.
pub(super) fn distinct(mut roles: Vec<Role>) -> Vec<Role> {
    roles.sort_unstable();
    roles.dedup();
    roles
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_like_an_id_is_never_a_name() {
        let id = "01a205cb-42ab-7844-ba37-c6693f12cd85";
        assert_eq!(Who::parse(id), Ok(Who::Id(UserId(id.parse().unwrap()))));
        assert_eq!(Who::parse(&id.to_uppercase()), Who::parse(id));
        for named in ["ada", "01a205cb42ab7844ba37c6693f12cd85", "01a205cb-42ab-7844-ba37-c6693f12cd8z"] {
            assert_eq!(Who::parse(named), Ok(Who::Named(Username::parse(named).unwrap())));
        }
        for nobody in ["", "a", "{01a205cb-42ab-7844-ba37-c6693f12cd85}"] {
            assert!(Who::parse(nobody).is_err(), "{nobody}");
        }
    }

    #[test]
    fn roles_are_kept_once_and_in_one_order() {
        assert_eq!(distinct(vec![Role::Admin, Role::User, Role::Admin]), [Role::User, Role::Admin]);
    }
}
