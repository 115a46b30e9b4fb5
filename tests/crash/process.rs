//! The binary as a child process in a directory of its own.

use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};
use tempfile::TempDir;

/// How long an event may take that must come: far more than any machine needs, and less than a build's patience.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What every child is started with: a free port, the cheapest hash, and no limit on those who only test. Hashing yields to
/// everything else, so that on a busy machine it may be long until it is its turn.
const SETTINGS: [(&str, &str); 6] = [
    ("PORT", "0"),
    ("BCRYPT_COST", "4"),
    ("ALLOW_WEAK_HASH", "1"),
    ("HASH_MAX_WAIT", "60s"),
    ("REGISTRATIONS", "off"),
    ("LOGIN_FAILURES", "off"),
];

/// What a server says on standard output once it does, before its address.
const LISTENING: &str = "listening on http://";

/// A working directory that outlives the processes in it.
pub struct Place(TempDir);

impl Place {
    pub fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Starts a server and waits until it says where it listens.
    pub fn start(&self, changes: &[(&str, &str)]) -> Process {
        self.try_to_start(changes).unwrap_or_else(|ended| panic!("the server did not start: {}", ended.log))
    }

    /// Starts a server that may end before it says where it listens.
    pub fn try_to_start(&self, changes: &[(&str, &str)]) -> Result<Process, Ended> {
        let mut process = self.spawn(changes);
        match process.output.wait_for(LISTENING) {
            None => Err(process.ended()),
            Some(line) => {
                process.address = line.trim_start_matches(LISTENING).parse().unwrap();
                Ok(process)
            }
        }
    }

    /// Starts a server that must not come to listen, and waits for its end.
    pub fn start_in_vain(&self, changes: &[(&str, &str)]) -> Ended {
        self.try_to_start(changes).err().expect("the server started")
    }

    /// The binary with the defaults, [`SETTINGS`] and `changes`, and nothing else in its environment.
    fn spawn(&self, changes: &[(&str, &str)]) -> Process {
        let mut child = Command::new(env!("CARGO_BIN_EXE_latchkey"))
            .current_dir(self.0.path())
            .env_clear()
            .envs(SETTINGS)
            .envs(changes.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = Lines::of(child.stdout.take().unwrap());
        let log = Lines::of(child.stderr.take().unwrap());
        Process { address: ([0, 0, 0, 0], 0).into(), child, output, log }
    }

    /// The file of the secrets that the first start made.
    pub fn secrets(&self) -> String {
        fs::read_to_string(self.0.path().join("data/latchkey.secrets")).unwrap()
    }

    /// Whether there is a write-ahead log: a clean stop leaves none.
    pub fn has_write_ahead_log(&self) -> bool {
        self.database("-wal").exists()
    }

    /// Fails unless the database of a stopped server is sound. Looks at a copy, so that recovering the original stays the
    /// server's own work.
    pub fn assert_sound(&self) {
        let copy = TempDir::new().unwrap();
        let path = copy.path().join("copy.db");
        fs::copy(self.database(""), &path).unwrap();
        if self.has_write_ahead_log() {
            fs::copy(self.database("-wal"), copy.path().join("copy.db-wal")).unwrap();
        }
        let connection = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        let verdict: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(verdict, "ok");
    }

    fn database(&self, ending: &str) -> PathBuf {
        self.0.path().join(format!("data/latchkey.db{ending}"))
    }
}

/// A running server. Dropped, it is killed.
pub struct Process {
    /// Where it listens.
    pub address: SocketAddr,
    child: Child,
    output: Lines,
    log: Lines,
}

/// How a process ended, and all that it said.
pub struct Ended {
    pub status: ExitStatus,
    pub output: String,
    pub log: String,
}

impl Process {
    /// Asks it to stop.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for a line of the log that holds these words.
    pub fn wait_for_log(&mut self, words: &str) {
        assert!(self.log.wait_for(words).is_some(), "the log ended without {words:?}: {}", self.log.rest());
    }

    /// Kills it without a warning.
    pub fn kill(mut self) -> Ended {
        self.child.kill().unwrap();
        self.ended()
    }

    /// Stops it as a service manager does, and fails unless it ends well.
    pub fn stop(self) -> Ended {
        self.signal(Signal::TERM);
        let ended = self.ended();
        assert_eq!(ended.status.code(), Some(0), "{}", ended.log);
        ended
    }

    /// Waits for its end. Whatever it was told to do, it never logs an error on the way.
    pub fn ended(mut self) -> Ended {
        let log = self.log.rest();
        let output = self.output.rest();
        // Both streams have ended, so the process has, or is about to.
        let status = self.child.wait().unwrap();
        for fault in ["ERROR", "panicked"] {
            assert!(!log.contains(fault), "{log}");
        }
        Ended { status, output, log }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nothing to kill where it has ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// What a stream said so far. Read by a thread of its own, so that a child never waits for a full pipe.
struct Lines {
    arriving: Receiver<String>,
    seen: String,
}

impl Lines {
    fn of(stream: impl Read + Send + 'static) -> Self {
        let (arrived, arriving) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n') {
                let line = String::from_utf8_lossy(&line.unwrap()).into_owned();
                if arrived.send(line).is_err() {
                    return;
                }
            }
        });
        Self { arriving, seen: String::new() }
    }

    /// The next line that holds these words; `None` where the stream ended before.
    fn wait_for(&mut self, words: &str) -> Option<String> {
        loop {
            let line = self.next()?;
            if line.contains(words) {
                return Some(line);
            }
        }
    }

    /// Everything, once the stream has ended.
    fn rest(&mut self) -> String {
        while self.next().is_some() {}
        std::mem::take(&mut self.seen)
    }

    fn next(&mut self) -> Option<String> {
        match self.arriving.recv_timeout(PATIENCE) {
            Ok(line) => {
                self.seen += &line;
                self.seen.push('\n');
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("the process neither speaks nor ends; it said: {}", self.seen),
        }
    }
}
