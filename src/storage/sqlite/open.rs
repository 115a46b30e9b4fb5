//! Opening the database: files, settings, and the times in it. Its schema is `migrations`'.
//!
//! Owns one rule: a database that this process must not touch is left as it was. One that another process serves, that
//! has a newer schema, a changed migration, or times from the future, is refused with a line that says so.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};

use super::migrations::{has_table, migrate, refuse_what_is_newer};
use super::{Rules, revocations};
use crate::clock::{Clock, Timestamp};
use crate::tokens::rotation::Resumed;

/// 1 KiB pages were the fastest: a rotation dirties one small page (56,000 against 49,000 rotations/s with 4 KiB).
pub(super) const PAGE_BYTES: u32 = 1024;
/// Page cache of a connection, in KiB: the upper levels of the trees of millions of sessions.
const CACHE_KIB: i64 = 16 * 1024;
/// The reader's: it answers a list now and then.
const READER_CACHE_KIB: i64 = 2 * 1024;
/// How long a write waits for another process's: the command line's transactions are far shorter.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How far the newest time in storage may be ahead of the wall clock.
pub(super) const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);
/// Owner only: the file holds password hashes.
const FILE_MODE: u32 = 0o600;
/// Owner only.
const DIRECTORY_MODE: u32 = 0o700;

/// Why the database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The operating system refused something.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// What it said.
        source: io::Error,
    },
    /// Another process serves this file: it owns the writes and the endings in memory.
    #[error("another Latchkey serves this database")]
    InUse,
    /// The schema is newer than this program.
    #[error("the database has schema {found}, this program knows up to {known}: use a newer program")]
    NewerSchema {
        /// In the file.
        found: i64,
        /// In this program.
        known: i64,
    },
    /// A migration that was applied is not the one in this program.
    #[error("migration {0} was applied with another text than this program has")]
    ChangedMigration(&'static str),
    /// There is none, and whoever asks makes none.
    #[error("there is no database yet: run this in the server's folder, or set it as the server does")]
    Missing,
    /// A guest's program is newer than the server's that runs.
    #[error(
        "the database has schema {found}, this program has {known}, and a server runs: stop it to bring the schema up to date"
    )]
    OlderSchema {
        /// In the file.
        found: i64,
        /// In this program.
        known: i64,
    },
    /// The wall clock is behind the times in storage.
    #[error("the clock is {behind_s} s behind the newest time in the database: set it right first")]
    ClockBehind {
        /// By how much, in seconds.
        behind_s: u64,
    },
    /// A place that cannot hold a write-ahead log, without which a commit would not be what it is said to be.
    #[error("the database cannot have a write-ahead log here, only the journal mode {found:?}")]
    NoWriteAheadLog {
        /// What SQLite chose instead.
        found: String,
    },
    /// SQLite refused something. Only its code is told: its own words may hold the path, which is a setting's value.
    #[error("{}", .0.sqlite_error().map_or_else(|| "SQLite failed".to_owned(), ToString::to_string))]
    Sql(#[from] rusqlite::Error),
}

/// An open database, for the writer thread.
pub(super) struct Opened {
    pub connection: Connection,
    pub rules: Rules,
    pub lock: File,
    /// Somebody registered already.
    pub has_users: bool,
}

/// Opens or makes the database and brings its schema up to date.
pub(super) fn open(path: &Path, mut rules: Rules, clock: &Clock) -> Result<Opened, OpenError> {
    let Prepared { connection, last, lock } = prepare(path, clock)?;
    rules.rotation.resumed = last.map(|(last_alive, open_after)| {
        clock.note(last_alive);
        Resumed { last_alive, started_at: clock.now(), open_after }
    });
    rules.revocations_kept_for = revocations::longest_kept_for(&connection, rules.revocations_kept_for, clock.now())?;
    let has_users = connection.query_row("SELECT EXISTS (SELECT 1 FROM users)", [], |row| row.get(0))?;
    Ok(Opened { connection, rules, lock, has_users })
}

/// A database of today's schema that nobody else serves.
pub(super) struct Prepared {
    connection: Connection,
    last: Option<(Timestamp, Timestamp)>,
    lock: File,
}

/// Makes the database where there is none, and brings its schema up to date.
pub(super) fn prepare(path: &Path, clock: &Clock) -> Result<Prepared, OpenError> {
    make_directory(path)?;
    let lock = lock(path)?;
    make_file(path)?;
    let mut connection = connect(path)?;
    refuse_what_is_newer(&connection)?;
    let last = times(&connection)?;
    refuse_times_ahead(last.as_ref(), clock)?;
    configure(&connection)?;
    migrate(&mut connection, clock)?;
    sync_log(path)?;
    Ok(Prepared { connection, last, lock })
}

/// A connection that looks first: closed again, it leaves everything as it was, the log too.
pub(super) fn connect(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(connection)
}

/// What every connection that writes needs.
pub(super) fn configure(connection: &Connection) -> Result<(), OpenError> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // Takes effect in an empty file only, and must come before the journal mode.
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    let journal: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if !journal.eq_ignore_ascii_case("wal") {
        return Err(OpenError::NoWriteAheadLog { found: journal });
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    // On macOS an ordinary fsync stops at the drive's cache; elsewhere these do nothing.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    connection.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // Closing a file that failed must not copy the log and remove it: the log is what can be trusted.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    // Without it SQLite marks a statement whose plan might depend on what is bound, every join by an id among them, and plans it
    // anew each time that it comes out of the cache of prepared statements: half of all instructions of a renewal.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// What a connection needs that reads beside the others and must neither write nor touch the log.
pub(super) fn configure_reader(connection: &Connection) -> Result<(), OpenError> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(())
}

/// Lets the last connection copy the log into the file and remove it when it closes.
pub(super) fn copy_the_log_on_close(connection: &Connection) {
    // Otherwise the next process copies it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false).ok();
}

/// Before anything is written: with a clock that is behind, tokens would live too long and windows open again.
pub(super) fn refuse_times_ahead(last: Option<&(Timestamp, Timestamp)>, clock: &Clock) -> Result<(), OpenError> {
    let behind = last.map_or(Duration::ZERO, |(last_alive, _)| last_alive.since(clock.wall()));
    if behind > CLOCK_TOLERANCE {
        return Err(OpenError::ClockBehind { behind_s: behind.as_secs() });
    }
    Ok(())
}

/// `last_alive_at` and `open_after` of the process before this one; `None` in a database that nothing changed yet.
pub(super) fn times(connection: &Connection) -> rusqlite::Result<Option<(Timestamp, Timestamp)>> {
    if !has_table(connection, "service")? {
        return Ok(None);
    }
    connection
        .query_row("SELECT last_alive_at, open_after FROM service WHERE last_alive_at IS NOT NULL", [], |row| {
            Ok((Timestamp::from_millis(row.get(0)?), Timestamp::from_millis(row.get(1)?)))
        })
        .optional()
}

/// When the service is last known to have run.
pub(super) fn last_alive(connection: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    let millis: Option<i64> =
        connection.prepare_cached("SELECT last_alive_at FROM service")?.query_row([], |row| row.get(0))?;
    Ok(millis.map(Timestamp::from_millis))
}

fn directory_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Makes the directory. Each level is a name in the one above it, and made durable there; also where it was there, because
/// whoever made it may have died before that, and everything that is acknowledged from now on lies below it.
fn make_directory(path: &Path) -> Result<(), OpenError> {
    let what = "making the database's directory";
    let directory = directory_of(path);
    let levels = || directory.ancestors().filter(|level| level.parent().is_some());
    let missing: Vec<_> = levels().filter(|level| !level.exists()).collect();
    let made = DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(&directory);
    made.map_err(|source| OpenError::Io { what, source })?;
    for level in levels() {
        match sync_directory(&directory_of(level)) {
            Err(OpenError::Io { source, .. }) if !missing.contains(&level) && is_out_of_reach(&source) => {}
            synced => synced?,
        }
    }
    Ok(())
}

/// What an operator prepared may stand where this process may not read, or in a file system that is never written.
fn is_out_of_reach(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, PermissionDenied, ReadOnlyFilesystem, Unsupported};
    matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem | InvalidInput | Unsupported)
}

fn lock(path: &Path) -> Result<File, OpenError> {
    let what = "locking the database";
    let mut name = path.as_os_str().to_owned();
    // A file of its own: SQLite's locks on the database file would be lost with any other handle on it.
    name.push(".lock");
    let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(FILE_MODE).open(name);
    let file = opened.map_err(|source| OpenError::Io { what, source })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(OpenError::InUse),
        Err(fs::TryLockError::Error(source)) => Err(OpenError::Io { what, source }),
    }
}

/// Makes the file with the right mode before SQLite can make it with another; the log and its index inherit it.
fn make_file(path: &Path) -> Result<(), OpenError> {
    let what = "making the database file";
    match OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(source) => return Err(OpenError::Io { what, source }),
    }
    // Also where the file is there: whoever made it may have died before this.
    sync_directory(&directory_of(path))?;
    if is_only_begun(path).map_err(|source| OpenError::Io { what, source })? {
        let emptied = OpenOptions::new().write(true).open(path).and_then(|file| {
            file.set_len(0)?;
            file.sync_all()
        });
        emptied.map_err(|source| OpenError::Io { what, source })?;
    }
    Ok(())
}

/// Whether there is a database, or a file that SQLite refuses because it is none. A file of no length is neither: whoever makes no
/// database must make none of it.
pub(super) fn is_there(path: &Path) -> Result<bool, OpenError> {
    let is_there = path.try_exists().and_then(|exists| Ok(exists && !is_only_begun(path)?));
    is_there.map_err(|source| OpenError::Io { what: "looking for the database", source })
}

/// Whether this is a file that was made for a database, and nothing more; or the first page of one, of which a power cut left nothing
/// but its length. SQLite writes it under the guard of a journal, whose name it makes durable with fdatasync, which need not do
/// that; without the journal it says that this is no database.
///
/// Reads only where there is no log. A process loses SQLite's locks on a file with any handle that it closes on it, and a connection
/// that serves has a log.
fn is_only_begun(path: &Path) -> io::Result<bool> {
    let about = fs::metadata(path)?;
    if !about.is_file() || about.len() > u64::from(PAGE_BYTES) || log_of(path).try_exists()? {
        return Ok(false);
    }
    Ok(about.len() == 0 || fs::read(path)?.iter().all(|byte| *byte == 0))
}

/// Where SQLite keeps the write-ahead log of this database.
pub(super) fn log_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// Makes durable what is recovered from the log. A process that died between a write and its sync leaves commits that nobody
/// was told of; from here on they are answered from, often without a commit of our own (a renewal that is asked again, a
/// logout of a session that has ended), and a power cut must not take back what an answer was made of. And the log's name:
/// SQLite, where it makes the log, calls fdatasync for its directory, which need not make a name durable.
pub(super) fn sync_log(path: &Path) -> Result<(), OpenError> {
    // SQLite's locks are on the other files, so that closing this handle loses none.
    match File::open(log_of(path)).and_then(|log| log.sync_all()) {
        Ok(()) => sync_directory(&directory_of(path)),
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(OpenError::Io { what: "syncing the database's log", source }),
    }
}

/// A new name is durable only once its directory is.
fn sync_directory(directory: &Path) -> Result<(), OpenError> {
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(|source| OpenError::Io { what: "syncing the database's directory", source })
}

/// How SQLite would go about a statement on today's schema and what its triggers do, in its words.
#[cfg(test)]
pub(super) fn explained(query: &str) -> String {
    let mut connection = Connection::open_in_memory().unwrap();
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRIGGER_EQP, true).unwrap();
    migrate(&mut connection, &Clock::system()).unwrap();
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {query}")).unwrap();
    let nothing = vec![rusqlite::types::Null; statement.parameter_count()];
    let steps = statement.query_map(rusqlite::params_from_iter(nothing), |row| row.get::<_, String>(3)).unwrap();
    steps.collect::<rusqlite::Result<Vec<_>>>().unwrap().join("\n")
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;
    use crate::storage::sqlite::migrations::MIGRATIONS;

    #[test]
    fn a_place_without_a_write_ahead_log_is_refused() {
        let nowhere = Connection::open_in_memory().unwrap();

        let refused = configure(&nowhere);

        assert!(matches!(refused, Err(OpenError::NoWriteAheadLog { ref found }) if found == "memory"), "{refused:?}");
    }

    /// In memory (tmpfs) a folder is shorter than a page.
    #[test]
    fn a_folder_in_the_place_of_the_database_is_none_that_was_only_begun() {
        let place = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let length = fs::metadata(place.path()).unwrap().len();
        assert!(length <= u64::from(PAGE_BYTES), "a folder of {length} bytes shows nothing");

        assert!(is_there(place.path()).unwrap());
    }

    #[test]
    fn a_statement_is_planned_once_whatever_is_bound_to_it() {
        let directory = tempfile::tempdir().unwrap();
        let connection = Connection::open(directory.path().join("latchkey.db")).unwrap();
        configure(&connection).unwrap();
        connection.execute_batch(MIGRATIONS[0].1).unwrap();
        let joined = "SELECT u.epoch FROM sessions s LEFT JOIN users u ON u.id = s.user_id WHERE s.id = ?1";

        for id in 1..=3_u8 {
            let mut statement = connection.prepare_cached(joined).unwrap();
            assert!(!statement.exists([[id; 16]]).unwrap());
        }

        let planned_again = connection.prepare_cached(joined).unwrap().get_status(StatementStatus::RePrepare);
        assert_eq!(planned_again, 0);
    }
}
