//! What `bench/peers/install` put there, and programs that are found by their name.
//!
//! Owns the look for it, and the way of secrets: a program of ours makes the people of a peer, is told their password by
//! standard input, and prints who they are on standard output; nothing of it is in an argument or in the environment.

use std::env;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use super::{Account, Missing, Tokens};
use crate::seed::PASSWORD;

/// The folder of a peer.
pub fn folder(peer: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(peer)
}

/// Errors: a peer is not installed, or as another version than is wanted.
pub fn check(peer: &str) -> Result<(), Missing> {
    let install = folder("install");
    let output = Command::new(&install).args(["--check", peer]).output();
    let output = output.map_err(|error| Missing(format!("{}: {error}", install.display())))?;
    if output.status.success() {
        return Ok(());
    }
    Err(Missing(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).trim().to_owned()))
}

/// What a program prints about its version, on its first line.
pub fn version(program: &Path, arguments: &[&str]) -> Result<String, Missing> {
    let failed = |reason: String| Missing(format!("{}: {reason}", program.display()));
    let output = Command::new(program).args(arguments).output().map_err(|error| failed(error.to_string()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().next().map(|line| line.trim().to_owned()).ok_or_else(|| failed("says no version".to_owned()))
}

/// The version of a package in a peer's `node_modules`.
pub fn package(peer: &str, name: &str) -> Result<String, Missing> {
    #[derive(Deserialize)]
    struct Package {
        version: String,
    }
    let file = folder(peer).join("node_modules").join(name).join("package.json");
    let read = || -> Result<Package> { Ok(serde_json::from_slice(&std::fs::read(&file)?)?) };
    let package = read().map_err(|error| Missing(format!("{}: {error}", file.display())))?;
    Ok(format!("{name} {}", package.version))
}

/// The versions of wheels in a peer's `.venv`: those of its lock file, which are the ones that were installed.
pub fn wheels(peer: &str, names: &[&str]) -> Result<String, Missing> {
    let file = folder(peer).join("requirements.txt");
    let locked = std::fs::read_to_string(&file).map_err(|error| Missing(format!("{}: {error}", file.display())))?;
    let version = |name: &str| locked.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix("=="));
    let versions = names.iter().map(|name| format!("{name} {}", version(name).unwrap_or("of no version")));
    Ok(versions.collect::<Vec<_>>().join(", "))
}

/// Node, wherever the caller has it: what the bench starts has no PATH.
pub fn node() -> Result<PathBuf, Missing> {
    let directories = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&directories).map(|directory| directory.join("node")).find(|file| file.is_file());
    found.ok_or_else(|| Missing("there is no node".to_owned()))
}

/// What a program of ours that makes people is told.
#[derive(Serialize)]
struct Wanted<'a> {
    people: usize,
    password: &'a str,
    cost: u32,
}

/// Whom it made, a line each.
#[derive(Deserialize)]
struct Made {
    username: String,
    access: String,
    refresh: String,
}

/// Has a program make so many people with one hash of this cost between them.
pub fn people(mut command: Command, people: usize, cost: u32) -> Result<Vec<Account>> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn()?;
    let wanted = serde_json::to_vec(&Wanted { people, password: PASSWORD, cost })?;
    child.stdin.take().context("no standard input")?.write_all(&wanted)?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "making people ended with {}", output.status);
    let made = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Made>();
    let account = |made: Made| Account {
        username: made.username,
        password: PASSWORD.to_owned(),
        tokens: Some(Tokens { access: made.access, refresh: made.refresh }),
    };
    let accounts: Vec<Account> = made.map(|made| Ok(account(made?))).collect::<Result<_>>()?;
    ensure!(accounts.len() == people, "{} people were made, not {people}", accounts.len());
    Ok(accounts)
}
