//! What `bench/peers/install` put there, and programs that are found by their name.
//!
//! Owns the look for it, and the way of secrets: a program of ours makes the people of a peer, is told their password by
//! standard input, and prints who they are on standard output; nothing of it is in an argument or in the environment.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use super::{Account, Missing, Tokens};
use crate::process;
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

/// What a program answers to `--version`, on its first line, started as it will be: with this environment and nothing else.
pub fn version(program: &Path, environment: &[(String, String)]) -> Result<String, Missing> {
    // Anywhere: it reads nothing for that.
    let asked = process::command(program, environment, Path::new("/"))
        .and_then(|mut command| first_line(command.arg("--version")));
    asked.map_err(|error| Missing(format!("{}: {error:#}", program.display())))
}

fn first_line(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    let text = String::from_utf8(output.stdout)?;
    Ok(text.lines().next().context("it says nothing")?.trim().to_owned())
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

/// Node, which itself says where it is: what is called so may be a script that chooses among several, and needs the caller's
/// environment for it, of which nothing is there when the bench starts it.
pub fn node() -> Result<PathBuf, Missing> {
    let asked = first_line(Command::new("node").args(["-p", "process.execPath"]));
    asked.map(PathBuf::from).map_err(|error| Missing(format!("there is no node that runs: {error:#}")))
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
