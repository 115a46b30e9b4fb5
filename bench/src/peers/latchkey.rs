//! Latchkey itself: a release binary on a database of its own.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::installed::version;
use super::rest::Rest;
use super::{Account, Description, Dialect, Missing, Peer, Prepared, Tokens};
use crate::process::{self, Server};
use crate::seed::{PASSWORD, World};

/// A binary, and what it is set to beside the bench's own settings ([`World::new`]).
pub struct Latchkey {
    /// The binary.
    pub binary: PathBuf,
    /// Names and values; they win.
    pub settings: Vec<(&'static str, &'static str)>,
}

struct Ready {
    binary: PathBuf,
    world: World,
    accounts: Vec<Account>,
}

impl Peer for Latchkey {
    fn name(&self) -> &'static str {
        "Latchkey"
    }

    fn rotates(&self) -> bool {
        true
    }

    fn found(&self) -> Result<Description, Missing> {
        let settings: Vec<String> = self.settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let version = version(&self.binary, &[])?;
        Ok(Description { version, settings: settings.join(", "), differs: Vec::new() })
    }

    fn prepare(&self, ground: &Path, people: usize, cost: u32) -> Result<Box<dyn Prepared>> {
        let world = World::new(ground, cost, &self.settings)?;
        let account = |person: crate::seed::Person| Account {
            username: person.username,
            password: PASSWORD.to_owned(),
            tokens: Some(Tokens { access: person.access_token, refresh: person.refresh_token }),
        };
        let accounts = world.people(people)?.into_iter().map(account).collect();
        Ok(Box::new(Ready { binary: self.binary.clone(), world, accounts }))
    }
}

impl Prepared for Ready {
    fn start(&self) -> Result<Server> {
        let directory = self.world.directory.path();
        Server::start(process::command(&self.binary, &self.world.environment, directory)?, b"")
    }

    fn directory(&self) -> &Path {
        self.world.directory.path()
    }

    fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    fn dialect(&self) -> &dyn Dialect {
        &Rest { changes_passwords: true }
    }
}
