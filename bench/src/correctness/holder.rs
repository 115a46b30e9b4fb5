//! Somebody who holds tokens of a session, and how many lineages a session has.
//!
//! Owns the count. Two holders of one text are one lineage. A lineage is alive if its token can be renewed, and what that
//! brought as well, after every other one was tried: a token whose first use ends the session is none.

use anyhow::Result;

use super::client::{Client, Open, Renewal};
use crate::peers::{Account, Tokens};

/// Somebody who holds tokens.
#[derive(Debug, Clone)]
pub struct Holder {
    /// The newest that were given.
    pub tokens: Tokens,
    /// What the first refusal said, after which an honest client sends its user to the login.
    pub refused: Option<String>,
    /// How often a token was given.
    pub served: usize,
    /// Honest clients take no for an answer.
    gives_up: bool,
}

impl Holder {
    /// The client of an owner.
    pub fn honest(tokens: &Tokens) -> Self {
        Self { tokens: tokens.clone(), refused: None, served: 0, gives_up: true }
    }

    /// Somebody who copied these.
    pub fn thief(tokens: &Tokens) -> Self {
        Self { gives_up: false, ..Self::honest(tokens) }
    }

    /// Renews with the newest token, unless that is known to be in vain.
    pub fn renew(&mut self, client: &Client<'_>) -> Result<()> {
        self.renew_over(&mut client.open()?)
    }

    /// The same over a connection that is there already.
    pub fn renew_over(&mut self, open: &mut Open<'_>) -> Result<()> {
        if !self.has_given_up() {
            let renewal = open.renew(&self.tokens.refresh)?;
            self.take(renewal);
        }
        Ok(())
    }

    /// Whether the newest access token is accepted.
    pub fn calls(&self, client: &Client<'_>, account: &Account) -> Result<bool> {
        client.calls(account, &self.tokens.access)
    }

    /// Whether this is an honest client that was refused.
    pub fn has_given_up(&self) -> bool {
        self.gives_up && self.refused.is_some()
    }

    /// Presents an old token, whatever was given since.
    pub fn poll(&mut self, client: &Client<'_>, old: &Tokens) -> Result<()> {
        let renewal = client.renew(&old.refresh)?;
        self.take(renewal);
        Ok(())
    }

    /// Takes down what a renewal brought.
    fn take(&mut self, renewal: Renewal) {
        match renewal {
            Renewal::Granted(tokens) => {
                self.tokens = tokens;
                self.served += 1;
            }
            Renewal::Refused(reason) => {
                self.refused.get_or_insert(reason);
            }
        }
    }
}

/// How many lineages these holders have, and whether each of them is on one; they hold what renewing brought.
pub fn lineages(client: &Client<'_>, holders: &mut [Holder]) -> Result<(usize, Vec<bool>)> {
    let mut alive: Vec<bool> = holders.iter().map(|holder| !holder.has_given_up()).collect();
    let mut count = 0;
    // What the first round finds alive, a later one of the same round may have ended.
    for _round in 0..2 {
        let mut tried: Vec<(String, Renewal)> = Vec::new();
        for (holder, alive) in holders.iter_mut().zip(&mut alive).filter(|(_, alive)| **alive) {
            let known =
                tried.iter().find(|(text, _)| *text == holder.tokens.refresh).map(|(_, renewal)| renewal.clone());
            let renewal = match known {
                Some(renewal) => renewal,
                None => {
                    let renewal = client.renew(&holder.tokens.refresh)?;
                    tried.push((holder.tokens.refresh.clone(), renewal.clone()));
                    renewal
                }
            };
            *alive = matches!(renewal, Renewal::Granted(_));
            holder.take(renewal);
        }
        count = tried.iter().filter(|(_, renewal)| matches!(renewal, Renewal::Granted(_))).count();
    }
    Ok((count, alive))
}
