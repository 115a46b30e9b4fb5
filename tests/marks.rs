//! What the SQLite engine writes down so that a grace window survives the right things.
//!
//! Owns the marks: `last_alive_at` and `open_after` after a change, in a quiet service, and at a clean stop; and, as the
//! third thing that a window survives, that a request is decided by the time at which it asked. A crash is a copy of the
//! files of an engine that is still at work, opened by another. The window is so long that no test can take
//! a part of it that matters; time is moved, never waited for. Why: docs/adr/0005-what-a-grace-window-survives.md.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first thing that is not as it expects")]

use std::fs;
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use latchkey::clock::{Clock, Timestamp};
use latchkey::error::Error;
use latchkey::lifeline;
use latchkey::passwords::PasswordHash;
use latchkey::storage::sqlite::{Rules, Sqlite};
use latchkey::storage::{
    Client, Fence, NewSession, NewUser, SessionOperation, SessionOutcome, Storage, UserOperation, UserOutcome,
};
use latchkey::tokens::grant::Transport;
use latchkey::tokens::principal::{Role, Username};
use latchkey::tokens::refresh::{Generation, Presented, SessionId};
use latchkey::tokens::rotation::Policy;
use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

const WINDOW: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// A part of a window.
const A_WHILE: Duration = Duration::from_secs(60);

const RULES: Rules = Rules {
    rotation: Policy { window: WINDOW, until_used: false, idle_ttl: DAY.saturating_mul(30), resumed: None },
    session_ttl: DAY.saturating_mul(90),
    max_sessions_per_user: 50,
    revocations_kept_for: DAY.saturating_mul(90),
    throttle: None,
};

#[test]
fn a_retry_after_two_restarts_inside_one_window_is_replayed() {
    let service = Service::start();
    let session = service.session_that_lost_its_answer();

    let service = service.crashed(DAY);
    service.clock.advance(A_WHILE);
    service.register("bob");
    let service = service.crashed(DAY);

    assert_eq!(service.present(session, 1), GRANTED_2);
}

#[test]
fn what_restarts_carried_is_over_after_one_window_in_one_process() {
    let service = Service::start();
    let session = service.session_that_lost_its_answer();

    let service = service.crashed(DAY);
    service.clock.advance(WINDOW);
    service.register("bob");
    let service = service.crashed(DAY);

    assert_eq!(service.present(session, 1), REUSED);
}

#[test]
fn a_quiet_day_is_remembered_over_a_crash() {
    let service = Service::start();
    let session = service.session_that_lost_its_answer();

    service.clock.advance(WINDOW);
    service.sweep();
    service.clock.advance(DAY);
    let service = service.crashed(Duration::ZERO);

    assert_eq!(service.present(session, 1), REUSED);
}

#[test]
fn a_quiet_window_after_a_start_is_remembered_over_a_crash_though_the_sweeper_came_by_before() {
    let service = Service::start();
    let session = service.session_that_lost_its_answer();

    let service = service.crashed(DAY);
    service.sweep();
    service.clock.advance(WINDOW);
    service.sweep();
    let service = service.crashed(DAY);

    assert_eq!(service.present(session, 1), REUSED);
}

#[test]
fn a_window_that_is_over_at_a_clean_stop_stays_over() {
    let service = Service::start();
    let session = service.session_that_lost_its_answer();

    service.clock.advance(WINDOW);
    let service = service.stopped(DAY);

    assert_eq!(service.present(session, 1), REUSED);
}

#[test]
fn a_window_that_is_open_at_a_clean_stop_is_carried() {
    let service = Service::start();
    let session = service.session_that_lost_its_answer();

    service.clock.advance(A_WHILE);
    let service = service.stopped(DAY);
    let service = service.stopped(DAY);

    assert_eq!(service.present(session, 1), GRANTED_2);
}

#[test]
fn quietness_is_written_down_once_and_again_only_after_a_change() {
    let service = Service::start();
    let session = service.session_that_lost_its_answer();
    let changed = service.marks();

    service.clock.advance(A_WHILE);
    service.sweep();
    assert_eq!(service.marks(), changed, "a window had not passed");

    service.clock.advance(WINDOW);
    service.sweep();
    let quiet = service.marks();
    assert!(quiet > changed, "nothing was written down");

    service.clock.advance(DAY);
    service.sweep();
    assert_eq!(service.marks(), quiet, "it was written down again");

    assert_eq!(service.present(session, 2), "granted 3");
    let changed_again = service.marks();
    service.clock.advance(WINDOW);
    service.sweep();
    assert!(service.marks() > changed_again, "nothing was written down after the second change");
}

#[test]
fn a_retry_that_asked_in_time_is_replayed_however_late_it_is_decided() {
    let service = Service::start();
    let session = service.session_that_lost_its_answer();

    let asked_at = service.clock.now();
    service.clock.advance(DAY);

    assert_eq!(service.decide(session, 1, asked_at), GRANTED_2);
    assert_eq!(service.present(session, 1), REUSED);
}

#[test]
fn quietness_is_due_one_window_after_the_change_and_not_a_millisecond_before() {
    let service = Service::start();
    service.session_that_lost_its_answer();
    // From here on the service's time stands still, unless it is noted that it is later.
    service.clock.step_back(DAY);
    let changed = service.marks();
    let due = Timestamp::from_millis(changed.0).plus(WINDOW);

    service.clock.note(due.minus(Duration::from_millis(1)));
    service.sweep();
    assert_eq!(service.marks(), changed);

    service.clock.note(due);
    service.sweep();
    assert_eq!(service.marks(), (due.as_millis(), changed.0));
}

const GRANTED_2: &str = "granted 2";
const REUSED: &str = "reused";

/// An engine at work on files of its own.
struct Service {
    clock: Clock,
    storage: Sqlite,
    directory: TempDir,
    runtime: Runtime,
}

impl Service {
    fn start() -> Self {
        Self::on(tempfile::tempdir().unwrap(), Clock::system())
    }

    fn on(directory: TempDir, clock: Clock) -> Self {
        let (watch, _deaths) = lifeline::watch();
        let storage = Sqlite::open(&database_in(&directory), RULES, &clock, &watch).unwrap();
        let runtime = Builder::new_current_thread().build().unwrap();
        Self { clock, storage, directory, runtime }
    }

    /// Another process on what is in the files now, after `downtime`; what this one writes later is lost.
    fn crashed(self, downtime: Duration) -> Self {
        let copy = tempfile::tempdir().unwrap();
        for name in ["latchkey.db", "latchkey.db-wal"] {
            fs::copy(self.directory.path().join(name), copy.path().join(name)).unwrap();
        }
        self.wait(self.storage.close());
        self.clock.advance(downtime);
        Self::on(copy, self.clock)
    }

    /// Another process on the same files, after a clean stop and `downtime`.
    fn stopped(self, downtime: Duration) -> Self {
        self.wait(self.storage.close());
        self.clock.advance(downtime);
        Self::on(self.directory, self.clock)
    }

    /// A session whose first token was spent just now.
    fn session_that_lost_its_answer(&self) -> SessionId {
        let seen = self.register("alice");
        let opening = SessionOperation::Open(NewSession {
            seen,
            stronger_hash: None,
            client: Client::default(),
            transport: Transport::Body,
            reservation: None,
        });
        let Ok(SessionOutcome::Opened { grant, .. }) = self.session_operation(opening) else { panic!("no session") };
        assert_eq!(self.present(grant.session, 1), GRANTED_2);
        grant.session
    }

    /// A change that has nothing to do with any session.
    fn register(&self, name: &str) -> Fence {
        let hash = PasswordHash::from_stored("a hash".to_owned());
        let new = NewUser { username: Username::parse(name).unwrap(), hash, roles: vec![Role::User] };
        match self.wait(self.storage.users(vec![UserOperation::Create(new)])).unwrap().outcomes.pop() {
            Some(Ok(UserOutcome::Created(account))) => account.fence(),
            other => panic!("{name} was not created: {other:?}"),
        }
    }

    /// What presenting a token does, in words.
    fn present(&self, session: SessionId, number: u32) -> String {
        self.decide(session, number, self.clock.now())
    }

    fn decide(&self, session: SessionId, number: u32, asked_at: Timestamp) -> String {
        let presented = Presented { session, generation: Generation::new(number).unwrap() };
        match self.session_operation(SessionOperation::Rotate { presented, asked_at, client: Client::default() }) {
            Ok(SessionOutcome::Granted(grant)) => format!("granted {}", grant.generation.number()),
            Ok(SessionOutcome::Reused { .. }) => REUSED.to_owned(),
            other => panic!("{number} was neither granted nor reused: {other:?}"),
        }
    }

    fn session_operation(&self, operation: SessionOperation) -> Result<SessionOutcome, Error> {
        let mut committed = self.wait(self.storage.sessions(vec![operation])).unwrap();
        committed.outcomes.pop().unwrap()
    }

    fn sweep(&self) {
        self.wait(self.storage.sweep()).unwrap();
    }

    /// `last_alive_at` and `open_after`, as anybody else reads them.
    fn marks(&self) -> (i64, i64) {
        let reader = Connection::open_with_flags(database_in(&self.directory), OpenFlags::SQLITE_OPEN_READ_ONLY);
        let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        reader.unwrap().query_row("SELECT last_alive_at, open_after FROM service", [], row).unwrap()
    }

    fn wait<T>(&self, answer: impl Future<Output = T>) -> T {
        self.runtime.block_on(answer)
    }
}

fn database_in(directory: &TempDir) -> PathBuf {
    directory.path().join("latchkey.db")
}
