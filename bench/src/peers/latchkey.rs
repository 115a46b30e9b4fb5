//! Latchkey itself: a release binary on a database of its own.

use std::env;
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

/// What is said of the settings of a run: every one but the secrets, and but where the database is, which says nothing.
fn told(environment: &[(String, String)]) -> String {
    let is_told = |name: &str| !["SECRET", "KEY", "DATABASE"].iter().any(|untold| name.contains(untold));
    let told = environment.iter().filter(|(name, _)| is_told(name));
    told.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", ")
}

impl Peer for Latchkey {
    fn name(&self) -> &'static str {
        "Latchkey"
    }

    fn rotates(&self) -> bool {
        true
    }

    fn found(&self, cost: u32) -> Result<Description, Missing> {
        // For its settings only.
        let world = World::new(&env::temp_dir(), cost, &self.settings);
        let world = world.map_err(|error| Missing(format!("{error:#}")))?;
        let version = version(&self.binary, &[])?;
        Ok(Description { version, settings: told(&world.environment), differs: Vec::new() })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_of_a_run_is_told_but_the_secrets_and_its_folder() {
        let world = World::new(&env::temp_dir(), 9, &[("REFRESH_GRACE", "7s")]).unwrap();
        let told = told(&world.environment);
        let names: Vec<&str> = told.split(", ").filter_map(|setting| Some(setting.split_once('=')?.0)).collect();
        let (told_of, untold): (Vec<_>, Vec<_>) =
            world.environment.iter().map(|(name, _)| name.as_str()).partition(|name| names.contains(name));

        assert_eq!(untold, ["DATABASE_URL", "JWT_SECRET", "REFRESH_TOKEN_SECRET"]);
        assert_eq!(told_of.len(), names.len());
        assert!(told.contains("REFRESH_GRACE=7s") && told.contains("BCRYPT_COST=9"), "{told}");
    }
}
