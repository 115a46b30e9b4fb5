//! A service that runs on Node and has everything in the memory of one process.
//!
//! Its folder in `bench/peers` has a `seed.mjs`, which makes people, and a `server.mjs`, which is told what the other one left:
//! all of it at its first start, and at any other only what it would not have had in memory.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use tempfile::TempDir;

use super::{Account, Dialect, Missing, Prepared, installed};
use crate::process::{self, Server};

/// What it is told at its first start, and at any other.
const TOLD: [&str; 2] = ["state.json", "settings.json"];

/// The oldest Node that the services were seen on.
const OLDEST: u32 = 20;

struct Ready {
    folder: &'static str,
    node: PathBuf,
    directory: TempDir,
    accounts: Vec<Account>,
    dialect: &'static dyn Dialect,
    /// Whether it was started: what it had in memory is gone then.
    started: Cell<bool>,
}

/// As Node's own documentation says for production.
fn environment() -> [(String, String); 1] {
    [("NODE_ENV".to_owned(), "production".to_owned())]
}

/// Makes people for the service of a folder of `bench/peers`.
pub fn prepare(
    folder: &'static str,
    dialect: &'static dyn Dialect,
    ground: &Path,
    (people, cost): (usize, u32),
) -> Result<Box<dyn Prepared>> {
    let node = installed::node().map_err(|Missing(reason)| anyhow!(reason))?;
    let directory = tempfile::Builder::new().prefix(&format!("{folder}-")).tempdir_in(ground)?;
    let mut command = process::command(&node, &environment(), directory.path())?;
    command.arg(installed::folder(folder).join("seed.mjs"));
    let accounts = installed::people(command, people, cost)?;
    Ok(Box::new(Ready { folder, node, directory, accounts, dialect, started: Cell::new(false) }))
}

/// The versions of a service's packages, and of Node.
pub fn versions(folder: &str, packages: &[&str]) -> Result<String, Missing> {
    installed::check(folder)?;
    let mut versions = packages.iter().map(|name| installed::package(folder, name)).collect::<Result<Vec<_>, _>>()?;
    let node = installed::version(&installed::node()?, &environment())?;
    tried(&node)?;
    versions.push(format!("Node {node}"));
    Ok(versions.join(", "))
}

/// Errors: nobody saw the services on so old a Node.
fn tried(version: &str) -> Result<(), Missing> {
    let major = version.strip_prefix('v').and_then(|version| version.split('.').next()?.parse::<u32>().ok());
    if major.is_some_and(|major| major >= OLDEST) {
        return Ok(());
    }
    Err(Missing(format!("Node is {version}, and {OLDEST} is the oldest that it was tried with")))
}

impl Prepared for Ready {
    fn start(&self) -> Result<Server> {
        let [first, later] = TOLD;
        let told = if self.started.replace(true) { later } else { first };
        let mut command = process::command(&self.node, &environment(), self.directory.path())?;
        command.arg(installed::folder(self.folder).join("server.mjs"));
        Server::start(command, &fs::read(self.directory.path().join(told))?)
    }

    fn directory(&self) -> &Path {
        self.directory.path()
    }

    fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    fn dialect(&self) -> &dyn Dialect {
        self.dialect
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_is_older_than_what_was_tried_is_missing() {
        for (version, is_tried) in [
            ("v20.0.0", true),
            ("v22.1.0", true),
            ("v100.0.0", true),
            ("v18.20.4", false),
            ("v9.0.0", false),
            ("", false),
        ] {
            assert_eq!(tried(version).is_ok(), is_tried, "{version}");
        }
    }
}
