//! What is asked of any service, in its own dialect.
//!
//! Owns the checks that are the same for all of them, because they need nobody's keys: a profile is its caller's; a renewal of
//! a service that rotates brings another refresh token than was sent, which goes into the next request of that session; a
//! login brings a pair of tokens that nobody had before; a logout is answered. That the tokens are their holder's shows when they are called with.

use std::collections::HashSet;

use anyhow::{Context as _, Result, ensure};

use super::pick;
use crate::driver::Work;
use crate::http::Answer;
use crate::peers::{Account, Dialect, Tokens};

/// Somebody who is signed in.
#[derive(Debug, Clone)]
pub struct Holder {
    username: String,
    tokens: Tokens,
    in_flight: bool,
}

impl Holder {
    fn of(account: &Account, tokens: Tokens) -> Self {
        Self { username: account.username.clone(), tokens, in_flight: false }
    }

    /// Writes their logout; false where there is none.
    pub fn logout(&self, dialect: &dyn Dialect, request: &mut Vec<u8>) -> bool {
        dialect.logout(request, &self.tokens)
    }

    /// Those of the accounts that have a session.
    pub fn all(accounts: &[Account]) -> Vec<Self> {
        let holder = |account: &Account| Some(Self::of(account, account.tokens.clone()?));
        accounts.iter().filter_map(holder).collect()
    }
}

/// Calls for one's own profile, everybody in turn.
pub struct Calls<'a> {
    dialect: &'a dyn Dialect,
    holders: &'a [Holder],
    next: usize,
}

impl<'a> Calls<'a> {
    /// With the newest tokens of these.
    pub fn of(dialect: &'a dyn Dialect, holders: &'a [Holder]) -> Self {
        Self { dialect, holders, next: 0 }
    }
}

impl Work for Calls<'_> {
    fn ask(&mut self, request: &mut Vec<u8>) -> usize {
        let ticket = self.next;
        self.next = (ticket + 1) % self.holders.len();
        if let Some(holder) = self.holders.get(ticket) {
            self.dialect.profile(request, &holder.tokens.access);
        }
        ticket
    }

    fn check(&mut self, ticket: usize, answer: &Answer<'_>) -> Result<()> {
        let whose = self.dialect.whose(answer)?;
        let asked = self.holders.get(ticket).context("nobody asked")?;
        ensure!(whose == asked.username, "another profile than was asked for");
        Ok(())
    }
}

/// Renewals in chains, each of a uniformly random session that has no request in flight.
pub struct Renewing<'a> {
    dialect: &'a dyn Dialect,
    rotates: bool,
    /// With the newest tokens of each.
    pub holders: Vec<Holder>,
}

impl<'a> Renewing<'a> {
    /// Of the sessions of these; each renewal brings another refresh token where the service `rotates`.
    pub fn of(dialect: &'a dyn Dialect, rotates: bool, holders: Vec<Holder>) -> Self {
        Self { dialect, rotates, holders }
    }
}

impl Work for Renewing<'_> {
    fn ask(&mut self, request: &mut Vec<u8>) -> usize {
        let holders = &mut self.holders;
        let free = |holder: &mut Holder| !std::mem::replace(&mut holder.in_flight, true);
        let ticket = pick(holders.len(), |ticket| holders.get_mut(ticket).is_some_and(free));
        if let Some(holder) = holders.get(ticket) {
            self.dialect.renewal(request, &holder.tokens.refresh);
        }
        ticket
    }

    fn check(&mut self, ticket: usize, answer: &Answer<'_>) -> Result<()> {
        let holder = self.holders.get_mut(ticket).context("nobody renewed")?;
        let tokens = self.dialect.tokens(answer, Some(&holder.tokens))?;
        ensure!(!self.rotates || tokens.refresh != holder.tokens.refresh, "a renewal brought the token that was sent");
        holder.tokens = tokens;
        holder.in_flight = false;
        Ok(())
    }
}

/// Logins, everybody in turn, all of which must succeed.
pub struct LoggingIn<'a> {
    dialect: &'a dyn Dialect,
    accounts: &'a [Account],
    next: usize,
    seen: HashSet<String>,
    /// Who did.
    pub holders: Vec<Holder>,
}

impl<'a> LoggingIn<'a> {
    /// Of these.
    pub fn of(dialect: &'a dyn Dialect, accounts: &'a [Account]) -> Self {
        let known = accounts.iter().filter_map(|account| account.tokens.as_ref());
        let seen = known.map(|tokens| tokens.refresh.clone()).collect();
        Self { dialect, accounts, next: 0, seen, holders: Vec::new() }
    }
}

impl Work for LoggingIn<'_> {
    fn ask(&mut self, request: &mut Vec<u8>) -> usize {
        let ticket = self.next;
        self.next = (ticket + 1) % self.accounts.len();
        if let Some(account) = self.accounts.get(ticket) {
            self.dialect.login(request, account);
        }
        ticket
    }

    fn check(&mut self, ticket: usize, answer: &Answer<'_>) -> Result<()> {
        let account = self.accounts.get(ticket).context("nobody logged in")?;
        let tokens = self.dialect.tokens(answer, None)?;
        ensure!(self.seen.insert(tokens.refresh.clone()), "a login brought a token that somebody has");
        self.holders.push(Holder::of(account, tokens));
        Ok(())
    }
}

/// Logouts of these, one after the other and once each, in the services that have them.
pub struct LoggingOut<'a> {
    dialect: &'a dyn Dialect,
    holders: std::slice::Iter<'a, Holder>,
}

impl<'a> LoggingOut<'a> {
    /// As many as there are holders may be asked for.
    pub fn of(dialect: &'a dyn Dialect, holders: &'a [Holder]) -> Self {
        Self { dialect, holders: holders.iter() }
    }
}

impl Work for LoggingOut<'_> {
    fn ask(&mut self, request: &mut Vec<u8>) -> usize {
        if let Some(holder) = self.holders.next() {
            holder.logout(self.dialect, request);
        }
        0
    }

    fn check(&mut self, _: usize, answer: &Answer<'_>) -> Result<()> {
        ensure!((200..300).contains(&answer.status), "a logout was answered {}", answer.status);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::answered;
    use super::*;
    use crate::peers::Rest;

    const DIALECT: Rest = Rest { changes_passwords: true };

    fn account(username: &str) -> Account {
        let tokens = Tokens { access: format!("access of {username}"), refresh: format!("refresh of {username}") };
        Account { username: username.to_owned(), password: String::new(), tokens: Some(tokens) }
    }

    fn tokens(refresh: &str) -> String {
        format!(r#"{{"access_token":"another","refresh_token":"{refresh}"}}"#)
    }

    #[test]
    fn a_profile_is_its_callers_and_nobody_elses() {
        let holders = Holder::all(&[account("alice"), account("bob")]);
        let profile = |username: &str| format!(r#"{{"user":{{"username":"{username}"}}}}"#);
        let check = |status, username: &str| {
            let mut work = Calls::of(&DIALECT, &holders);
            let ticket = work.ask(&mut Vec::new());
            work.check(ticket, &answered(status, &profile(username), None))
        };

        assert!(check(200, "alice").is_ok());
        assert!(check(200, "bob").is_err());
        assert!(check(401, "alice").is_err());
    }

    #[test]
    fn a_renewal_brings_another_token_wherever_it_has_to() {
        let check = |rotates, status, refresh: &str| {
            let mut work = Renewing::of(&DIALECT, rotates, Holder::all(&[account("alice")]));
            let ticket = work.ask(&mut Vec::new());
            work.check(ticket, &answered(status, &tokens(refresh), None)).map(|()| work)
        };

        assert!(check(true, 200, "refresh of alice").is_err());
        assert!(check(false, 200, "refresh of alice").is_ok());
        assert!(check(true, 401, "a fresh one").is_err());
        let mut work = check(true, 200, "a fresh one").unwrap();
        let mut next = Vec::new();
        work.ask(&mut next);
        assert!(String::from_utf8(next).unwrap().ends_with(r#"{"refresh_token":"a fresh one"}"#));
    }

    #[test]
    fn a_login_brings_a_token_that_nobody_has() {
        let accounts = [account("alice")];
        let mut work = LoggingIn::of(&DIALECT, &accounts);

        assert!(work.check(0, &answered(200, &tokens("refresh of alice"), None)).is_err());
        assert!(work.check(0, &answered(401, "{}", None)).is_err());
        assert!(work.check(0, &answered(200, &tokens("a fresh one"), None)).is_ok());
        assert!(work.check(0, &answered(200, &tokens("a fresh one"), None)).is_err());
        assert_eq!(work.holders.len(), 1);
    }

    #[test]
    fn a_logout_that_is_refused_fails_the_run() {
        let holders = Holder::all(&[account("alice")]);

        assert!(LoggingOut::of(&DIALECT, &holders).check(0, &answered(204, "", None)).is_ok());
        assert!(LoggingOut::of(&DIALECT, &holders).check(0, &answered(401, "", None)).is_err());
    }
}
