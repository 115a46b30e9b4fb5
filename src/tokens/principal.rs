//! Who a token speaks for: user ids, usernames, roles, and the two counters that fence them.
//!
//! Parse at the edge, then trust the type: a [`Username`] that exists is well-formed.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::{Error, Result};

/// Least and greatest length of a username, in characters (all ASCII).
const USERNAME_LENGTH: std::ops::RangeInclusive<usize> = 3..=64;

/// A user's id: a UUIDv7, so that new rows land side by side in the index. Not a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserId(pub Uuid);

impl fmt::Display for UserId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// A name as its owner registered it: 3–64 of `[A-Za-z0-9._@+-]`, the first a letter or digit.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Username(String);

impl Username {
    /// Accepts a well-formed name. Errors: [`Error::InvalidUsername`].
    pub fn parse(name: &str) -> Result<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._@+-".contains(&byte);
        let starts_well = name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric());
        if starts_well && USERNAME_LENGTH.contains(&name.len()) && name.bytes().all(allowed) {
            Ok(Self(name.to_owned()))
        } else {
            Err(Error::InvalidUsername)
        }
    }

    /// As registered.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form in which names are unique: without regard to case.
    pub fn key(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl fmt::Display for Username {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// What a user may do beyond their own account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everybody.
    User,
    /// May use the admin API.
    Admin,
}

impl Role {
    /// The word in tokens, answers and storage.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin => "admin",
        }
    }

    /// The role with this name, exactly.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "user" => Some(Self::User),
            "admin" => Some(Self::Admin),
            _ => None,
        }
    }
}

/// Rises with a password change, a disable and "log out everywhere". A session remembers the epoch it was opened under
/// and is over once the user's is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(pub i64);

/// Rises with everything that raises [`Epoch`] and with a role change. An access token with an older one is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub i64);

/// The user as an access token describes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The user's id, claim `sub`.
    pub id: UserId,
    /// The name as registered, claim `username`.
    pub username: Username,
    /// What they may do, claim `roles`.
    pub roles: Vec<Role>,
    /// The counter that ends tokens at a change, claim `ver`.
    pub version: Version,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_username_is_3_to_64_plain_characters_after_a_letter_or_digit() {
        let longest = "a".repeat(64);
        for good in ["bob", "a.b", "0ne", "A_b@c+d-e.f", longest.as_str()] {
            assert!(Username::parse(good).is_ok(), "{good}");
        }
        let too_long = "a".repeat(65);
        for bad in ["", "ab", ".bob", "-bob", "bo b", "bob\n", "böb", "bob\0", "<b>bob", too_long.as_str()] {
            assert_eq!(Username::parse(bad), Err(Error::InvalidUsername), "{bad}");
        }
    }

    #[test]
    fn names_differ_by_more_than_case() {
        let shouted = Username::parse("BOB").map(|name| name.key());
        assert_eq!(shouted, Username::parse("bob").map(|name| name.key()));
    }
}
