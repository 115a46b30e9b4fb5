//! Services that are driven in the same way: Latchkey, and what others use in its place.
//!
//! Owns what they have in common. A [`Peer`] is found or is missing, and makes a folder with people in it; what it
//! [`Prepared`] can be started, killed and started again; its [`Dialect`] says how it is spoken to. Each has one file here
//! and, unless it is Latchkey, a folder in `bench/peers` with its lock file and what we wrote for it, from which
//! `bench/peers/install` makes it runnable. Nothing is installed here, and each peer is set up as its own documentation advises
//! for production, but for two things: the services on Node are one process each, though Express advises a cluster of them, because
//! what they keep is in the memory of one; and oidc-provider, which asks for Node 22, is run with 20 as well.
//!
//! [`present`] -> [`Peer::prepare`] -> [`Prepared::start`] -> a [`Server`] that speaks a [`Dialect`]

use std::path::Path;

use anyhow::{Result, anyhow};
use serde::Serialize;

use crate::http::Answer;
use crate::measure::progress;
use crate::process::Server;

pub use self::express::Express;
pub use self::latchkey::Latchkey;
pub use self::pocketbase::PocketBase;
#[cfg(test)]
pub use self::rest::Rest;
pub use self::simplejwt::SimpleJwt;

mod express;
mod installed;
mod latchkey;
mod node;
mod oidc_provider;
mod pocketbase;
mod rest;
mod simplejwt;

/// Says that every peer has to be there, as it does for tests (`tests/foreign`).
const REQUIRED: (&str, &str) = ("LATCHKEY_FOREIGN", "required");

/// Somebody with an account.
#[derive(Debug, Clone)]
pub struct Account {
    /// By which they log in.
    pub username: String,
    /// In plain.
    pub password: String,
    /// Of their one session, where they have one.
    pub tokens: Option<Tokens>,
}

/// What a login or a renewal brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// For calls.
    pub access: String,
    /// For the next renewal; the same as the other one where a service has only one.
    pub refresh: String,
}

/// What it is, for the report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Description {
    /// Its own, and of what runs it.
    pub version: String,
    /// How it is set up.
    pub settings: String,
    /// What it does otherwise than Latchkey, so that nobody reads more out of a ratio than is in it.
    pub differs: Vec<&'static str>,
}

/// Why it is not there, and what would help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing(pub String);

/// A service that can be started here.
pub trait Peer {
    /// For the report.
    fn name(&self) -> &'static str;

    /// Whether a renewal spends the refresh token, so that each brings another one.
    fn rotates(&self) -> bool;

    /// What there is of it, as it is when it hashes at this cost. Errors: it is not installed.
    fn found(&self, cost: u32) -> Result<Description, Missing>;

    /// Makes a folder below `ground` with so many accounts in it, each with one session. One hash, of this cost where the
    /// service hashes at all, is everybody's: ten thousand would take an hour.
    fn prepare(&self, ground: &Path, people: usize, cost: u32) -> Result<Box<dyn Prepared>>;
}

/// A service with people, which can be started, stopped or killed, and started again. What it keeps in memory only it has
/// forgotten then.
pub trait Prepared {
    /// Starts it on what is in its folder.
    fn start(&self) -> Result<Server>;

    /// Its folder: all that it keeps. It goes with this value.
    fn directory(&self) -> &Path;

    /// Who has an account.
    fn accounts(&self) -> &[Account];

    /// How it is spoken to.
    fn dialect(&self) -> &dyn Dialect;
}

/// How a service is spoken to: requests as bytes, and answers as what a check needs.
pub trait Dialect: Sync {
    /// Writes a login; false where it is no call.
    fn login(&self, request: &mut Vec<u8>, account: &Account) -> bool;

    /// Writes a renewal.
    fn renewal(&self, request: &mut Vec<u8>, refresh: &str);

    /// Writes a call for the caller's own profile.
    fn profile(&self, request: &mut Vec<u8>, access: &str);

    /// Writes a logout; false where there is none.
    fn logout(&self, request: &mut Vec<u8>, tokens: &Tokens) -> bool;

    /// Writes a change of the password; false where there is none.
    fn password_change(&self, request: &mut Vec<u8>, tokens: &Tokens, account: &Account, new: &str) -> bool;

    /// What a login brought, or a renewal of what was held `before`. Errors: the answer is none of the expected kind.
    fn tokens(&self, answer: &Answer<'_>, before: Option<&Tokens>) -> Result<Tokens>;

    /// Whose profile was answered, by the name of their account. Errors: the answer is none of the expected kind.
    fn whose(&self, answer: &Answer<'_>) -> Result<String>;
}

/// Everybody whom Latchkey is compared with.
pub fn all() -> Vec<Box<dyn Peer>> {
    vec![Box::new(Express), Box::new(PocketBase), Box::new(SimpleJwt), Box::new(oidc_provider::OidcProvider)]
}

/// Those of all that are there, as they are when they hash at this cost; what is missing is said. Errors: one is missing, and
/// none may be.
pub fn present(cost: u32) -> Result<Vec<(Box<dyn Peer>, Description)>> {
    let mut there = Vec::new();
    for peer in all() {
        let found = peer.found(cost).map_err(|Missing(reason)| anyhow!(reason));
        if let Some(description) = unless_left_out(peer.name(), found)? {
            there.push((peer, description));
        }
    }
    Ok(there)
}

/// What became of a peer that was looked for, made or started; nothing where that failed, which is said: it is left out, and
/// the others are not. Errors: none may be left out.
pub fn unless_left_out<T>(name: &str, outcome: Result<T>) -> Result<Option<T>> {
    let required = std::env::var(REQUIRED.0).is_ok_and(|value| value == REQUIRED.1);
    left_out(name, outcome, required, progress)
}

fn left_out<T>(name: &str, outcome: Result<T>, required: bool, say: impl FnOnce(&str)) -> Result<Option<T>> {
    match outcome {
        Ok(outcome) => Ok(Some(outcome)),
        Err(reason) if required => Err(reason.context(format!("{}={}, and {name}", REQUIRED.0, REQUIRED.1))),
        Err(reason) => {
            say(&format!("{name} is skipped: {reason:#}"));
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_cannot_take_part_is_skipped_with_the_reason_or_a_failure_where_none_may_be() {
        let away = || -> Result<()> { Err(anyhow!("run install").context("making it")) };
        let mut said = Vec::new();

        assert_eq!(left_out("there", Ok("found"), true, |_| ()).unwrap(), Some("found"));
        assert_eq!(left_out("away", away(), false, |line| said.push(line.to_owned())).unwrap(), None);
        assert_eq!(said, ["away is skipped: making it: run install"]);
        let failure = format!("{:#}", left_out("away", away(), true, |_| ()).unwrap_err());
        assert_eq!(failure, "LATCHKEY_FOREIGN=required, and away: making it: run install");
    }
}
