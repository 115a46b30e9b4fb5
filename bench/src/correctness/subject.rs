//! A service that the scenarios are played with: started, killed, started again, and put back in time.
//!
//! Owns its state between the scenarios. Nobody takes part twice: each scenario is dealt people of its own. What a backup is
//! follows from what the service keeps: each SQLite database in its folder is copied while it is in use, as a consistent whole;
//! where there is none, the service keeps nothing, and a restart ends every session.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rusqlite::Connection;
use tempfile::TempDir;

use super::client::Client;
use crate::measure::progress;
use crate::peers::{Account, Peer, Prepared, Tokens};
use crate::process::Server;

/// What is at the beginning of an SQLite database (<https://www.sqlite.org/fileformat.html>, 1.3).
const SQLITE: &[u8] = b"SQLite format 3\0";
/// What stands beside a database that is in use or was killed, and belongs to no other state of it.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Somebody with a session, who takes part in one scenario.
#[derive(Debug, Clone)]
pub struct Person {
    /// By which they log in.
    pub account: Account,
    /// Of the login; nobody renewed yet.
    pub tokens: Tokens,
}

/// A service, its state, and its server while it runs.
pub struct Subject<'peer> {
    peer: &'peer dyn Peer,
    at: String,
    ground: PathBuf,
    size: usize,
    /// Before the folder that it runs on, so that it is gone first, whatever ends this.
    server: Option<Server>,
    prepared: Box<dyn Prepared>,
    dealt: usize,
    /// It keeps nothing, and its process ended since the people were made.
    has_forgotten: bool,
    window: Duration,
    unclear: AtomicUsize,
}

/// bcrypt's least: the races are those of renewals, not of hashes.
pub const COST: u32 = 4;
/// How long after its end a window is over for certain.
const MARGIN: Duration = Duration::from_millis(300);

impl<'peer> Subject<'peer> {
    /// Makes one with so many people, and starts it. `window` is `REFRESH_GRACE` of the one who has it: what is inside for
    /// Latchkey comes as soon for everybody, and what is outside as late.
    pub fn start(peer: &'peer dyn Peer, ground: &Path, people: usize, window: Duration) -> Result<Self> {
        let mut subject = Self {
            peer,
            at: peer.name().to_owned(),
            ground: ground.to_owned(),
            size: people,
            server: None,
            prepared: peer.prepare(ground, people, COST)?,
            dealt: 0,
            has_forgotten: false,
            window,
            unclear: AtomicUsize::default(),
        };
        subject.start_again()?;
        Ok(subject)
    }

    /// Of the service.
    pub fn name(&self) -> &'static str {
        self.peer.name()
    }

    /// Says what it is at.
    pub fn progress(&mut self, words: &str) {
        self.at = format!("{}: {words}", self.peer.name());
        progress(&format!("correctness: {}", self.at));
    }

    /// What it said last.
    pub fn at(&self) -> String {
        self.at.clone()
    }

    /// A client of the running server.
    pub fn client(&self) -> Result<Client<'_>> {
        let server = self.server.as_ref().context("the server does not run")?;
        Ok(Client::of(server.address, self.prepared.dialect(), &self.unclear))
    }

    /// So many people who took part in nothing yet, each with a session that lives. Errors: there are none left.
    pub fn people(&mut self, count: usize) -> Result<Vec<Person>> {
        if self.has_forgotten {
            self.begin_anew()?;
        }
        let people = self.prepared.accounts().iter().skip(self.dealt).take(count);
        let people = people
            .map(|account| {
                let tokens = account.tokens.clone().context("somebody has no session")?;
                Ok(Person { account: account.clone(), tokens })
            })
            .collect::<Result<Vec<_>>>()?;
        ensure!(people.len() == count, "more people are needed than there are");
        self.dealt += count;
        let client = self.client()?;
        for Person { account, tokens } in &people {
            ensure!(client.calls(account, &tokens.access)?, "somebody's session is over before anything was done");
        }
        Ok(people)
    }

    /// Puts a service that forgot everybody in the place of one that did not.
    fn begin_anew(&mut self) -> Result<()> {
        self.stop()?;
        self.prepared = self.peer.prepare(&self.ground, self.size, COST)?;
        (self.dealt, self.has_forgotten) = (0, false);
        self.start_again()
    }

    /// Whether it can be asked to change a password, and to end a session.
    pub fn changes_passwords_and_ends_sessions(&self) -> Result<[bool; 2]> {
        let account = self.prepared.accounts().first().context("nobody has an account")?;
        let tokens = account.tokens.as_ref().context("no session")?;
        let (dialect, mut unsent) = (self.prepared.dialect(), Vec::new());
        let changes = dialect.password_change(&mut unsent, tokens, account, "unsent");
        Ok([changes, dialect.logout(&mut unsent, tokens)])
    }

    /// Waits until a window that is open now is over.
    pub fn wait_until_outside(&self) {
        thread::sleep(self.window + MARGIN);
    }

    /// How long a window is.
    pub fn window(&self) -> Duration {
        self.window
    }

    /// How many tries were neither answered nor refused, and repeated, since this was asked last.
    pub fn repeated_tries(&self) -> usize {
        self.unclear.swap(0, Ordering::Relaxed)
    }

    /// SIGKILL.
    pub fn kill(&mut self) -> Result<()> {
        self.server = None;
        self.has_forgotten = !self.keeps_its_state()?;
        Ok(())
    }

    /// Ends as a service manager asks it to.
    pub fn stop(&mut self) -> Result<()> {
        self.server.take().map_or(Ok(()), Server::stop)?;
        self.has_forgotten = !self.keeps_its_state()?;
        Ok(())
    }

    /// Starts on what it left.
    pub fn start_again(&mut self) -> Result<()> {
        self.server = Some(self.prepared.start()?);
        Ok(())
    }

    /// Whether anything of it outlives its process.
    pub fn keeps_its_state(&self) -> Result<bool> {
        Ok(!databases(self.prepared.directory())?.is_empty())
    }

    /// Copies its state while it runs.
    pub fn back_up(&self) -> Result<Backup> {
        let copies = tempfile::tempdir_in(self.prepared.directory().parent().context("no folder above")?)?;
        let mut kept = Vec::new();
        for (number, original) in databases(self.prepared.directory())?.into_iter().enumerate() {
            let copy = copies.path().join(number.to_string());
            let to = copy.to_str().context("a path that is no text")?;
            // A consistent copy of what was committed, as `.backup` of the shell makes: sqlite.org/lang_vacuum.html.
            Connection::open(&original)?.execute("VACUUM INTO ?1", [to])?;
            kept.push((original, copy));
        }
        Ok(Backup { kept, _copies: copies })
    }

    /// Puts a copy back. The server must not run.
    pub fn restore(&self, backup: &Backup) -> Result<()> {
        for (original, copy) in &backup.kept {
            for ending in BESIDE {
                let mut beside = original.clone().into_os_string();
                beside.push(ending);
                fs::remove_file(beside).ok();
            }
            // Into the file that is there, which keeps its mode.
            fs::write(original, fs::read(copy)?)?;
        }
        Ok(())
    }
}

/// The state of a moment.
pub struct Backup {
    kept: Vec<(PathBuf, PathBuf)>,
    _copies: TempDir,
}

/// The SQLite databases in a folder, at whatever depth.
fn databases(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let (path, kind) = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)))?;
        if kind.is_dir() {
            found.extend(databases(&path)?);
        } else if kind.is_file() {
            let mut start = Vec::new();
            fs::File::open(&path)?.take(SQLITE.len() as u64).read_to_end(&mut start)?;
            if start == SQLITE {
                found.push(path);
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_are_found_by_what_they_begin_with() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("deeper")).unwrap();
        let database = folder.path().join("deeper").join("state");
        Connection::open(&database).unwrap().execute_batch("CREATE TABLE people(name)").unwrap();
        fs::write(folder.path().join("other.db"), "text").unwrap();

        assert_eq!(databases(folder.path()).unwrap(), [database]);
    }
}
