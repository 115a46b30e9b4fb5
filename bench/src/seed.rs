//! A database with people in it, and the tokens they hold.
//!
//! Owns what a run starts from. Accounts and sessions are written by the service's own storage engine, tokens are made with
//! the service's own keys, so that what is driven later is what a login would have left behind, without the hours that a
//! hundred thousand hashes would take.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use actix_web::rt::System;
use anyhow::{Result, anyhow};
use latchkey::app;
use latchkey::clock::Clock;
use latchkey::config::{Database, Settings};
use latchkey::lifeline::{self, Watch};
use latchkey::passwords::{Hasher, Password, PasswordHash, Submitted};
use latchkey::storage::sqlite::Sqlite;
use latchkey::storage::{
    Client, Fence, LARGEST_BATCH, NewSession, NewUser, SessionOperation, SessionOutcome, Storage, UserAgent,
    UserOperation, UserOutcome,
};
use latchkey::tokens::grant::{Grant, Transport};
use latchkey::tokens::principal::{Role, Username};
use latchkey::tokens::refresh::SessionId;
use tempfile::TempDir;

use crate::browsers;
use crate::keys::Keys;

/// Everybody's password.
pub const PASSWORD: &str = "a password of the bench";

/// A folder with a database, and the settings of those who serve it.
pub struct World {
    /// The folder; it goes with this value.
    pub directory: TempDir,
    /// The settings, as an environment.
    pub environment: Vec<(String, String)>,
}

/// Somebody with a session.
#[derive(Debug, Clone)]
pub struct Person {
    /// As registered.
    pub username: String,
    /// Their one session.
    pub session: SessionId,
    /// Of generation 1.
    pub refresh_token: String,
    /// Good for as long as a run takes.
    pub access_token: String,
    /// What `GET /api/profile` must answer them.
    pub profile: String,
}

impl World {
    /// A folder below `parent` and settings for it: fresh secrets, a free port, `cost`, and `more`, which wins.
    pub fn new(parent: &Path, cost: u32, more: &[(&str, &str)]) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("run-").tempdir_in(parent)?;
        let secret = || format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>());
        let mut environment: Vec<(String, String)> = [
            ("PORT", "0".to_owned()),
            ("DATABASE_URL", format!("sqlite://{}", database(directory.path()).display())),
            ("JWT_SECRET", secret()),
            ("REFRESH_TOKEN_SECRET", secret()),
            ("BCRYPT_COST", cost.to_string()),
            ("ALLOW_WEAK_HASH", "1".to_owned()),
            ("LOGIN_FAILURES", "off".to_owned()),
            ("REGISTRATIONS", "off".to_owned()),
            // Strict: every renewal rotates and is written, so that every successor must be another one.
            ("REFRESH_GRACE", "0s".to_owned()),
            // Longer than a run: nobody's access token expires in the midst of it.
            ("ACCESS_TOKEN_TTL", "1d".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec();
        for (name, value) in more {
            environment.retain(|(known, _)| known != name);
            environment.push(((*name).to_owned(), (*value).to_owned()));
        }
        Ok(Self { directory, environment })
    }

    /// The settings that a server with this environment has.
    pub fn settings(&self) -> Result<Settings> {
        Ok(Settings::load(self.environment.iter().cloned(), None)?)
    }

    /// What a server with this environment signs with.
    pub fn keys(&self) -> Result<Keys> {
        Keys::of(&self.settings()?)
    }

    /// The database's file.
    pub fn database(&self) -> PathBuf {
        database(self.directory.path())
    }

    /// The same database with the same secrets once more, for a server beside the first. Nobody may have either open.
    pub fn copy(&self, parent: &Path) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("run-").tempdir_in(parent)?;
        let copy = database(directory.path());
        std::fs::copy(self.database(), &copy)?;
        let mut environment = self.environment.clone();
        environment.retain(|(name, _)| name != "DATABASE_URL");
        environment.push(("DATABASE_URL".to_owned(), format!("sqlite://{}", copy.display())));
        Ok(Self { directory, environment })
    }

    /// Adds so many accounts, each with one session.
    pub fn people(&self, count: usize) -> Result<Vec<Person>> {
        let settings = self.settings()?;
        let hash = hash(&settings)?;
        let keys = self.keys()?;
        let grants = System::new().block_on(open_sessions(&settings, &hash, count))?;
        grants.iter().map(|grant| keys.person(grant)).collect()
    }
}

fn database(directory: &Path) -> PathBuf {
    directory.join("latchkey.db")
}

async fn open_sessions(settings: &Settings, hash: &PasswordHash, count: usize) -> Result<Vec<Grant>> {
    let (watch, _deaths) = lifeline::watch();
    let storage = engine(settings, &Clock::system(), &watch)?;
    let mut grants = Vec::with_capacity(count);
    let numbers: Vec<usize> = (0..count).collect();
    for batch in numbers.chunks(LARGEST_BATCH) {
        let created = batch.iter().map(|number| create(number, hash)).collect::<Result<_>>()?;
        let created = storage.users(created).await?.outcomes;
        let opened = created.into_iter().map(|outcome| open_own(outcome?)).collect::<Result<_>>()?;
        for outcome in storage.sessions(opened).await?.outcomes {
            match outcome? {
                SessionOutcome::Opened { grant, .. } => grants.push(grant),
                other => return Err(anyhow!("no session was opened: {other:?}")),
            }
        }
    }
    storage.close().await;
    Ok(grants)
}

/// Of everybody's password.
pub fn hash(settings: &Settings) -> Result<PasswordHash> {
    let password = Password::parse(&Submitted::new(PASSWORD.to_owned())).map_err(|refusal| anyhow!("{refusal:?}"))?;
    Ok(Hasher::new(settings.bcrypt_cost).hash(&password)?)
}

/// Opens the database of these settings with the service's own engine, at the time of `clock`.
pub fn engine(settings: &Settings, clock: &Clock, watch: &Watch) -> Result<Arc<dyn Storage>> {
    let Database::Sqlite(path) = &settings.database;
    Ok(Arc::new(Sqlite::open(path, app::rules(settings), clock, watch)?))
}

/// Adds the account of this number.
pub fn create(number: impl Display, hash: &PasswordHash) -> Result<UserOperation> {
    let username = Username::parse(&name(number))?;
    Ok(UserOperation::Create(NewUser { username, hash: hash.clone(), roles: vec![Role::User] }))
}

fn open_own(created: UserOutcome) -> Result<SessionOperation> {
    let UserOutcome::Created(account) = created else { return Err(anyhow!("no user was created")) };
    Ok(open(account.fence(), browsers::USUAL))
}

/// Opens a session for whoever is as they were seen, from this machine.
pub fn open(seen: Fence, user_agent: &str) -> SessionOperation {
    SessionOperation::Open(NewSession {
        seen,
        stronger_hash: None,
        client: Client { user_agent: Some(UserAgent::of(user_agent.as_bytes())), ip: Some([127, 0, 0, 1].into()) },
        transport: Transport::Body,
        reservation: None,
    })
}

/// What the account of this number is called.
pub fn name(number: impl Display) -> String {
    format!("person{number:07}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http;

    #[test]
    fn a_session_is_seeded_with_the_browser_that_renews_it() {
        let ground = tempfile::tempdir().unwrap();
        let world = World::new(ground.path(), 4, &[]).unwrap();
        world.people(1).unwrap();
        let mut request = Vec::new();
        http::post(&mut request, "/api/refresh_token", "{}");

        let connection = rusqlite::Connection::open(world.database()).unwrap();
        let stored: String = connection.query_row("SELECT text FROM user_agents", [], |row| row.get(0)).unwrap();

        assert!(String::from_utf8(request).unwrap().contains(&format!("\r\nUser-Agent: {stored}\r\n")));
    }
}
