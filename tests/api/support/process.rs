//! A server's end and its next start, and the database in between.

use std::time::Duration;

use latchkey::app::{RunError, Server};
use latchkey::config::Settings;
use rusqlite::{Connection, OpenFlags};
use tokio::time::timeout;
use uuid::Uuid;

use super::{Running, TestServer};

/// Whoever waited for so long waits for what will not come: far more than a busy machine needs.
pub const HANGS_AFTER: Duration = Duration::from_secs(60);

impl TestServer {
    /// Stops the server as SIGTERM does. What it left stays until this is dropped.
    pub fn halt(&mut self) {
        self.stop();
    }

    /// Starts a server that was halted again, on the same database and clock.
    pub async fn resume(self) -> Self {
        assert!(self.running.is_none(), "halt it first");
        self.restart().await
    }

    /// Stops the server, and starts it again after so much time.
    pub async fn restart_after(mut self, downtime: Duration) -> Self {
        self.halt();
        self.clock.advance(downtime);
        self.resume().await
    }

    /// Why a server does not start on this server's database.
    pub async fn refusal(&self) -> RunError {
        self.refusal_with(|_| ()).await
    }

    /// The same, with settings changed.
    pub async fn refusal_with(&self, change: impl FnOnce(&mut Settings)) -> RunError {
        let mut settings = self.settings.clone();
        change(&mut settings);
        match Server::start(settings, self.clock.clone()).await {
            Ok(_) => panic!("it started"),
            Err(refusal) => refusal,
        }
    }

    /// Asks the server to stop and returns at once.
    pub fn begin_stop(&mut self) -> Ending {
        let Running { thread, stop } = self.running.take().expect("a running server");
        stop.send(()).expect("a server that serves");
        Ending(thread)
    }

    /// Waits for the server to end on its own.
    pub async fn end(&mut self) -> Result<(), RunError> {
        let Running { thread, mut stop } = self.running.take().expect("a running server");
        timeout(HANGS_AFTER, stop.closed()).await.expect("a server that ends");
        thread.join().expect("the server's thread panicked")
    }

    /// The rows as they are, also while the server runs.
    pub fn rows(&self) -> Connection {
        Connection::open_with_flags(self.database(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
    }

    /// The rows, to be changed.
    pub fn rows_to_change(&self) -> Connection {
        Connection::open_with_flags(self.database(), OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap()
    }

    /// A number that a query without parameters answers.
    pub fn number(&self, query: &str) -> i64 {
        self.rows().query_row(query, [], |row| row.get(0)).unwrap()
    }

    /// A number in a session's row.
    pub fn number_of(&self, session_id: &str, column: &str) -> i64 {
        let id: Uuid = session_id.parse().unwrap();
        let query = format!("SELECT {column} FROM sessions WHERE id = ?1");
        self.rows().query_row(&query, [id], |row| row.get(0)).unwrap()
    }

    fn database(&self) -> std::path::PathBuf {
        self.directory().join("latchkey.db")
    }
}

/// A server that was asked to stop.
pub struct Ending(std::thread::JoinHandle<Result<(), RunError>>);

impl Ending {
    /// Waits until it has.
    pub fn wait(self) -> Result<(), RunError> {
        self.0.join().expect("the server's thread panicked")
    }
}
