//! One line of an import: JSON in, an account or a reason out.
//!
//! A refusal may show a name that is one, and never anything else of the line.

use std::fmt;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::lines::LONGEST_LINE;
use crate::cli::visit::distinct;
use crate::passwords::{HashRefusal, PasswordHash};
use crate::storage::NewUser;
use crate::tokens::principal::{Role, Username};

/// What a line says. Dumps have more members, which are not looked at.
#[derive(Deserialize)]
struct Said {
    username: String,
    password_hash: String,
    roles: Option<Vec<String>>,
}

/// Why a line is not imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Reason {
    TooLong,
    NotJson,
    Shape,
    Name,
    Twice,
    Taken,
    Hash(HashRefusal),
    Role,
    NoRole,
}

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(out, "longer than {} KiB", LONGEST_LINE / 1024),
            Self::NotJson => out.write_str("not JSON"),
            Self::Shape => out.write_str("not an object with username, password_hash and perhaps roles"),
            Self::Name => out.write_str("username: not 3 to 64 of A-Z a-z 0-9 . _ @ + -, the first a letter or digit"),
            Self::Twice => out.write_str("username: an earlier line has it"),
            Self::Taken => out.write_str("username: taken by an account with another hash or other roles"),
            Self::Hash(refusal) => write!(out, "password_hash: {refusal}"),
            Self::Role => out.write_str("roles: not user or admin"),
            Self::NoRole => out.write_str("roles: none"),
        }
    }
}

/// A line that is not imported.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli) struct Refused {
    /// Whom it is about, where it has a name that is one.
    pub name: Option<Username>,
    pub reason: Reason,
}

impl Refused {
    /// Of which nothing can be shown.
    pub fn nameless(reason: Reason) -> Self {
        Self { name: None, reason }
    }
}

/// The account that a line is about; none where it is blank. `most_cost` is the most that its hash may cost.
pub(super) fn parse(line: &[u8], most_cost: u32) -> Result<Option<NewUser>, Refused> {
    let line = str::from_utf8(line).map_err(|_| Refused::nameless(Reason::NotJson))?.trim();
    if line.is_empty() {
        return Ok(None);
    }
    let said: Said = serde_json::from_str(line).map_err(|_| {
        // What is of another shape may be no JSON behind the place where that showed.
        let is_json = serde_json::from_str::<IgnoredAny>(line).is_ok();
        Refused::nameless(if is_json { Reason::Shape } else { Reason::NotJson })
    })?;
    // An array would be taken for the members in their order.
    if !line.starts_with('{') {
        return Err(Refused::nameless(Reason::Shape));
    }
    let username = Username::parse(&said.username).map_err(|_| Refused::nameless(Reason::Name))?;
    let account = PasswordHash::import(&said.password_hash, most_cost)
        .map_err(Reason::Hash)
        .and_then(|hash| Ok((hash, roles(said.roles.as_deref())?)));
    match account {
        Ok((hash, roles)) => Ok(Some(NewUser { username, hash, roles })),
        Err(reason) => Err(Refused { name: Some(username), reason }),
    }
}

/// Without a word of them, those of whoever registers.
fn roles(names: Option<&[String]>) -> Result<Vec<Role>, Reason> {
    let Some(names) = names else { return Ok(vec![Role::User]) };
    let roles: Option<Vec<Role>> = names.iter().map(|name| Role::parse(name)).collect();
    let roles = distinct(roles.ok_or(Reason::Role)?);
    if roles.is_empty() { Err(Reason::NoRole) } else { Ok(roles) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "$2y$04$abcdefghijklmnopqrstuuSTZFUOsuMvHFZmRBtyh0pGxkRUF9MEu";

    fn roles_of(line: &str) -> Vec<Role> {
        parse(line.as_bytes(), 5).unwrap().unwrap().roles
    }

    #[test]
    fn a_line_is_an_account_with_the_roles_that_it_names() {
        let line = |roles: &str| format!(r#" {{"email":1,"username":"Ada","password_hash":"{HASH}"{roles}}} "#);

        let user = parse(line("").as_bytes(), 5).unwrap().unwrap();

        assert_eq!((user.username.as_str(), user.hash.expose()), ("Ada", HASH));
        assert_eq!(user.roles, [Role::User]);
        assert_eq!(roles_of(&line(r#","roles":null"#)), [Role::User]);
        assert_eq!(roles_of(&line(r#","roles":["admin"]"#)), [Role::Admin]);
        assert_eq!(roles_of(&line(r#","roles":["admin","user","admin"]"#)), [Role::User, Role::Admin]);
    }

    #[test]
    fn a_blank_line_is_nobody() {
        for blank in ["", " ", "\t\r"] {
            assert_eq!(parse(blank.as_bytes(), 5).map(|user| user.is_none()), Ok(true));
        }
    }

    #[test]
    fn every_other_line_is_refused_with_its_reason() {
        let object =
            |name: &str, hash: &str, more: &str| format!(r#"{{"username":"{name}","password_hash":"{hash}"{more}}}"#);
        let table = [
            ("ada,x".to_owned(), Reason::NotJson),
            ("\u{feff}{}".to_owned(), Reason::NotJson),
            (object("ada", HASH, "")[1..].to_owned(), Reason::NotJson),
            (object("ada", HASH, "") + "}", Reason::NotJson),
            (object("ada", HASH, "").replace('}', ""), Reason::NotJson),
            ("{}".to_owned(), Reason::Shape),
            ("[]".to_owned(), Reason::Shape),
            ("null".to_owned(), Reason::Shape),
            (format!(r#"["ada","{HASH}",null]"#), Reason::Shape),
            (r#"{"username":"ada"}"#.to_owned(), Reason::Shape),
            (r#"{"username":1,"password_hash":"x"}"#.to_owned(), Reason::Shape),
            (object("ada", HASH, r#","username":"bob""#), Reason::Shape),
            (object("ada", HASH, r#","roles":"admin""#), Reason::Shape),
            (object("a", HASH, ""), Reason::Name),
            (object("ada lovelace", HASH, ""), Reason::Name),
            (object("ada", "password123", ""), Reason::Hash(HashRefusal::NotBcrypt)),
            (object("ada", &HASH.replace("$04$", "$06$"), ""), Reason::Hash(HashRefusal::Cost { found: 6, most: 5 })),
            (object("ada", &format!("bcrypt_sha256${HASH}"), ""), Reason::Hash(HashRefusal::OfADigest)),
            (object("ada", HASH, r#","roles":["root"]"#), Reason::Role),
            (object("ada", HASH, r#","roles":["Admin"]"#), Reason::Role),
            (object("ada", HASH, r#","roles":[]"#), Reason::NoRole),
        ];
        for (line, reason) in table {
            let refused = parse(line.as_bytes(), 5).map(|_| ()).unwrap_err();
            assert_eq!(refused.reason, reason, "{line}");
            let named = matches!(reason, Reason::Hash(_) | Reason::Role | Reason::NoRole);
            assert_eq!(refused.name.is_some(), named, "{line}");
        }
        assert_eq!(parse(b"{\"username\":\"\xff\"}", 5).map(|_| ()), Err(Refused::nameless(Reason::NotJson)));
    }
}
