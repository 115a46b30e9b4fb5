//! The service that tutorials show: Express, jsonwebtoken and bcrypt, with everything in the memory of one process
//! (`bench/peers/express`).

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use tempfile::TempDir;

use super::rest::Rest;
use super::{Account, Description, Dialect, Missing, Peer, Prepared, installed};
use crate::process::{self, Server};

/// Of `bench/peers`.
const FOLDER: &str = "express";
/// What it knows at a start, and what it still knows at every later one: the secret, which it would have in a file.
const STATE: [&str; 2] = ["state.json", "settings.json"];

/// The tutorials' service.
pub struct Express;

struct Ready {
    node: PathBuf,
    directory: TempDir,
    accounts: Vec<Account>,
    /// Whether it was started: what it had in memory is gone then.
    started: Cell<bool>,
}

impl Peer for Express {
    fn name(&self) -> &'static str {
        "Express tutorial"
    }

    fn rotates(&self) -> bool {
        true
    }

    fn found(&self) -> Result<Description, Missing> {
        installed::check(FOLDER)?;
        let version = [
            installed::package(FOLDER, "express")?,
            installed::package(FOLDER, "jsonwebtoken")?,
            installed::package(FOLDER, "bcrypt")?,
            format!("Node {}", installed::version(&installed::node()?, &["--version"])?),
        ];
        let settings = "NODE_ENV=production, one process, users and refresh tokens in its memory";
        let differs = vec!["nothing is on a disk: a restart logs everybody out, and forgets who they were"];
        Ok(Description { version: version.join(", "), settings: settings.to_owned(), differs })
    }

    fn prepare(&self, ground: &Path, people: usize, cost: u32) -> Result<Box<dyn Prepared>> {
        let node = installed::node().map_err(|Missing(reason)| anyhow!(reason))?;
        let directory = tempfile::Builder::new().prefix("express-").tempdir_in(ground)?;
        let mut command = process::command(&node, &[], directory.path())?;
        command.arg(installed::folder(FOLDER).join("seed.mjs"));
        let accounts = installed::people(command, people, cost)?;
        Ok(Box::new(Ready { node, directory, accounts, started: Cell::new(false) }))
    }
}

impl Prepared for Ready {
    fn start(&self) -> Result<Server> {
        let [all, kept] = STATE;
        let known = if self.started.replace(true) { kept } else { all };
        let environment = [("NODE_ENV".to_owned(), "production".to_owned())];
        let mut command = process::command(&self.node, &environment, self.directory.path())?;
        command.arg(installed::folder(FOLDER).join("server.mjs"));
        Server::start(command, &fs::read(self.directory.path().join(known))?)
    }

    fn directory(&self) -> &Path {
        self.directory.path()
    }

    fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    fn dialect(&self) -> &dyn Dialect {
        &Rest { changes_passwords: false }
    }
}
