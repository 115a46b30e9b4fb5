//! Django REST framework with djangorestframework-simplejwt behind gunicorn (`bench/peers/simplejwt`).

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::rest::{Credentials, Profile, json};
use super::{Account, Description, Dialect, Missing, Peer, Prepared, Tokens, installed};
use crate::http::{self, Answer};
use crate::process::{self, Server, free_address};

/// Of `bench/peers`.
const FOLDER: &str = "simplejwt";
/// What it is made of, as their packages are called.
const PACKAGES: [&str; 5] = ["djangorestframework-simplejwt", "djangorestframework", "Django", "gunicorn", "bcrypt"];

/// The service.
pub struct SimpleJwt;

struct Ready {
    directory: TempDir,
    accounts: Vec<Account>,
}

fn python() -> PathBuf {
    installed::folder(FOLDER).join(".venv/bin/python")
}

/// What was compiled when it was installed is used, and our few modules leave nothing beside them.
fn environment() -> [(String, String); 1] {
    [("PYTHONDONTWRITEBYTECODE".to_owned(), "1".to_owned())]
}

impl SimpleJwt {
    /// For the report, and for its limits.
    pub const NAME: &str = "simplejwt";
}

impl Peer for SimpleJwt {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn rotates(&self) -> bool {
        true
    }

    fn found(&self, cost: u32) -> Result<Description, Missing> {
        installed::check(FOLDER)?;
        let settings = format!(
            "ROTATE_REFRESH_TOKENS and BLACKLIST_AFTER_ROTATION, BCryptSHA256 at cost {cost}, DEBUG off; SQLite in WAL with \
             IMMEDIATE and kept connections; gunicorn with 2 x cores + 1 workers of 2 x cores threads, keepalive 75 s"
        );
        Ok(Description {
            version: format!(
                "{}, {}",
                installed::wheels(FOLDER, &PACKAGES)?,
                installed::version(&python(), &environment())?
            ),
            settings,
            differs: vec![
                "a renewal is several transactions, and leaves two rows more",
                "profile reads the caller from the database",
            ],
        })
    }

    fn prepare(&self, ground: &Path, people: usize, cost: u32) -> Result<Box<dyn Prepared>> {
        let directory = tempfile::Builder::new().prefix("simplejwt-").tempdir_in(ground)?;
        let mut command = process::command(&python(), &environment(), directory.path())?;
        command.arg(installed::folder(FOLDER).join("seed.py"));
        let accounts = installed::people(command, people, cost)?;
        Ok(Box::new(Ready { directory, accounts }))
    }
}

impl Prepared for Ready {
    fn start(&self) -> Result<Server> {
        let address = free_address()?;
        let folder = installed::folder(FOLDER);
        let mut command = process::command(&python(), &environment(), self.directory.path())?;
        command.args(["-m", "gunicorn", "--config"]).arg(folder.join("gunicorn.conf.py"));
        command.arg("--pythonpath").arg(folder).args(["--bind", &address.to_string()]);
        Server::start_at(address, command, b"")
    }

    fn directory(&self) -> &Path {
        self.directory.path()
    }

    fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    fn dialect(&self) -> &dyn Dialect {
        &Pairs
    }
}

/// Its calls on pairs of tokens.
struct Pairs;

#[derive(Serialize)]
struct Presented<'a> {
    refresh: &'a str,
}

#[derive(Deserialize)]
struct Pair<'a> {
    #[serde(borrow)]
    access: Cow<'a, str>,
    #[serde(borrow)]
    refresh: Cow<'a, str>,
}

impl Dialect for Pairs {
    fn login(&self, request: &mut Vec<u8>, account: &Account) -> bool {
        http::post(request, "/api/token/", &json(&Credentials::of(account)));
        true
    }

    fn renewal(&self, request: &mut Vec<u8>, refresh: &str) {
        http::post(request, "/api/token/refresh/", &json(&Presented { refresh }));
    }

    fn profile(&self, request: &mut Vec<u8>, access: &str) {
        http::get(request, "/api/profile/", access);
    }

    fn logout(&self, request: &mut Vec<u8>, tokens: &Tokens) -> bool {
        http::post(request, "/api/token/blacklist/", &json(&Presented { refresh: &tokens.refresh }));
        true
    }

    fn password_change(&self, _: &mut Vec<u8>, _: &Tokens, _: &Account, _: &str) -> bool {
        false
    }

    fn tokens(&self, answer: &Answer<'_>, _: Option<&Tokens>) -> Result<Tokens> {
        ensure!(answer.status == 200, "tokens were asked for and answered {}", answer.status);
        let Pair { access, refresh } = serde_json::from_slice(answer.body)?;
        Ok(Tokens { access: access.into_owned(), refresh: refresh.into_owned() })
    }

    fn whose(&self, answer: &Answer<'_>) -> Result<String> {
        ensure!(answer.status == 200, "a profile was answered {}", answer.status);
        Ok(serde_json::from_slice::<Profile>(answer.body).context("a profile")?.user.username)
    }
}
