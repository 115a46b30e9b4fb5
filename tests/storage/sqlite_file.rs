//! The SQLite engine's file: who may read it, who is refused, and how long its log grows.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process;
use std::time::Duration;

use futures_util::FutureExt as _;
use latchkey::clock::{Clock, Timestamp};
use latchkey::lifeline;
use latchkey::storage::KeyRingMark;
use latchkey::storage::sqlite::Sqlite;

use crate::database::{
    Database, creation_of_bytes, deleting, ending_all, granted, logout, nameless_client, opening_by, told, usual_rules,
};
use crate::one_row::WRONG;
use crate::sqlite::SqliteEngine;

/// Of a ring with keys.
const MARK: KeyRingMark = KeyRingMark { holds_keys: true, changed_at: Some(Timestamp::from_millis(1_800_000_000_000)) };

/// Takes back what every migration did but the first.
pub const BACK_TO_THE_FIRST_SCHEMA: &str = "
    DROP TRIGGER users_change;
    DROP TRIGGER users_go;
    DROP TRIGGER users_come;
    DROP TRIGGER users_move;
    CREATE TABLE former_sessions (
        id BLOB NOT NULL PRIMARY KEY, user_id BLOB NOT NULL, epoch INTEGER NOT NULL, current_generation INTEGER NOT NULL,
        parent_generation INTEGER NOT NULL, rotated_at INTEGER, created_at INTEGER NOT NULL, idle_expires_at INTEGER NOT NULL,
        absolute_expires_at INTEGER NOT NULL, ended_at INTEGER, end_reason TEXT, user_agent TEXT, ip TEXT
    ) STRICT, WITHOUT ROWID;
    INSERT INTO former_sessions
    SELECT s.id, user_id, epoch, current_generation, parent_generation, rotated_at, created_at, idle_expires_at,
           absolute_expires_at, ended_at, end_reason, text, ip
    FROM sessions s LEFT JOIN user_agents a ON a.id = user_agent;
    DROP TABLE sessions;
    DROP TABLE user_agents;
    ALTER TABLE former_sessions RENAME TO sessions;
    DROP INDEX enabled_admins;
    ALTER TABLE service DROP COLUMN endings_kept_for;
    ALTER TABLE service DROP COLUMN longer_kept_for;
    ALTER TABLE service DROP COLUMN longer_until;
    ALTER TABLE service DROP COLUMN key_ring_in_use;
    ALTER TABLE service DROP COLUMN key_ring_changed_at;
    DROP TRIGGER known_addresses_go;
    DROP TABLE known_addresses;
    DROP TABLE login_failures;
    DROP TABLE login_failure_rows;
    DROP TABLE clients;
    CREATE INDEX sessions_by_user ON sessions (user_id);
    DELETE FROM schema_migrations WHERE number > 1";

/// Takes back what the last migration did.
const BACK_TO_THE_FIRST_TRIGGERS: &str = "
    DROP TRIGGER users_come;
    DROP TRIGGER users_move;
    DELETE FROM schema_migrations WHERE number = 10";

#[test]
fn the_files_and_their_directory_are_their_owners_alone() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("made/on/the/way");
    let engine = SqliteEngine::within(&directory);
    let files = ["", "-wal", "-shm", ".lock"].map(|ending| engine.beside(ending));
    let db = Database::on(Box::new(engine));
    db.account("alice");

    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(files.map(mode), [0o600; 4]);
    assert_eq!(mode(directory), 0o700);
}

#[test]
fn the_file_has_small_pages_and_a_write_ahead_log() {
    let db = Database::on(Box::new(SqliteEngine::fresh()));

    assert_eq!(db.engine.number("PRAGMA page_size"), 1024);
    assert_eq!(db.engine.text("PRAGMA journal_mode").as_deref(), Some("wal"));
}

#[test]
fn a_database_that_is_served_is_refused_to_a_second_server() {
    let db = Database::on(Box::new(SqliteEngine::fresh()));
    let (watch, _deaths) = lifeline::watch();

    let refused = db.engine.open(usual_rules(), &Clock::system(), &watch).err();

    assert_eq!(refused.as_deref(), Some("another Latchkey serves this database"));
    db.account("alice");
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let db = Database::on(Box::new(SqliteEngine::fresh()));
    db.engine.sql("INSERT INTO schema_migrations VALUES (99, '0099_later', 'unknown', 0)");
    db.close();
    let before = db.engine.commits();

    let refusal = db.refusal_to_reopen(&Clock::system());

    assert!(refusal.contains("schema 99"), "{refusal}");
    assert_eq!(db.engine.commits(), before);
}

#[test]
fn a_migration_that_was_changed_after_it_was_applied_is_refused() {
    let db = Database::on(Box::new(SqliteEngine::fresh()));
    db.engine.sql("UPDATE schema_migrations SET checksum = 'of another text'");

    let refusal = db.refusal_to_reopen(&Clock::system());

    assert!(refusal.contains("0001_initial"), "{refusal}");
}

#[test]
fn a_database_of_the_first_schema_is_brought_up_to_date_with_all_that_is_in_it() {
    let db = Database::on(Box::new(SqliteEngine::fresh()));
    let [alice, bob, carol, dave] = ["alice", "bob", "carol", "dave"].map(|name| db.account(name));
    let [session, of_one_text, out] = [(); 3].map(|()| db.session(&alice).session);
    let nameless = granted(db.sessions(vec![opening_by(&alice, nameless_client())])).session;
    let [older, locked, deleted] = [&bob, &carol, &dave].map(|account| db.session(account).session);
    db.sessions(vec![logout(out)]);
    db.change(ending_all(bob.principal.id));
    db.change(deleting(dave.principal.id));
    // With the epoch as it was: nothing but this says that the session is over.
    db.engine.sql("UPDATE users SET disabled = 1 WHERE username = 'carol'");
    db.close();
    db.engine.sql(BACK_TO_THE_FIRST_SCHEMA);

    let clock = db.clock.clone();
    let db = db.reopened(clock);

    assert_eq!(WRONG.map(|wrong| db.engine.number(wrong)), [0; 3]);
    assert_eq!(db.live(&alice).len(), 3);
    assert_eq!(db.engine.text("SELECT text || sessions FROM user_agents").as_deref(), Some("phone6"));
    let copies = "SELECT group_concat(username || user_version || roles) FROM sessions";
    assert_eq!(db.engine.text(copies).as_deref(), Some("alice1user,alice1user,alice1user"));
    for session in [session, of_one_text, nameless] {
        assert_eq!(db.present(session, 1), "granted 2");
    }
    for session in [out, older, locked, deleted] {
        assert_eq!(db.present(session, 1), "refused: revoked");
    }
    assert_eq!(
        db.engine.number("SELECT sum(transport) FROM sessions"),
        0,
        "their clients keep their tokens themselves"
    );
    let index = |name| db.engine.number(&format!("SELECT count(*) FROM sqlite_schema WHERE name = '{name}'"));
    assert_eq!((index("sessions_by_user"), index("live_sessions_by_user")), (0, 1));
}

#[test]
fn a_copy_that_was_left_behind_before_all_triggers_were_there_is_taken_away() {
    let db = Database::on(Box::new(SqliteEngine::fresh()));
    let [stale, right] = ["alice", "bob"].map(|name| db.session(&db.account(name)).session);
    db.close();
    db.engine.sql(BACK_TO_THE_FIRST_TRIGGERS);
    db.engine.sql(
        "INSERT OR REPLACE INTO users SELECT id, username, username_key, password_hash, roles, 1, epoch, version, created_at
         FROM users WHERE username = 'alice'",
    );
    assert_eq!(db.engine.number(WRONG[0]), 1);

    let clock = db.clock.clone();
    let db = db.reopened(clock);

    assert_eq!(WRONG.map(|wrong| db.engine.number(wrong)), [0; 3]);
    assert_eq!(db.engine.text("SELECT group_concat(username) FROM sessions").as_deref(), Some("bob"));
    assert_eq!((db.present(stale, 1), db.present(right, 1)), ("refused: revoked".to_owned(), "granted 2".to_owned()));
}

#[test]
#[should_panic(expected = "CHECK constraint failed")]
fn a_transport_that_is_none_is_refused_by_the_file_itself() {
    let db = Database::on(Box::new(SqliteEngine::fresh()));
    db.session(&db.account("alice"));

    // Read back, it would keep the session from ever being ended.
    db.engine.sql("UPDATE sessions SET transport = 2");
}

#[test]
fn a_list_is_answered_while_a_batch_waits_for_the_file() {
    let db = Database::on(Box::new(SqliteEngine::fresh()));
    let alice = db.account("alice");
    let session = db.session(&alice).session;
    // Another process writes, as the command line may.
    db.engine.sql("BEGIN IMMEDIATE");
    let mut waiting = db.storage.sessions(vec![logout(session)]);

    assert_eq!(db.live(&alice).len(), 1);

    assert!(db.wait(async { (&mut waiting).now_or_never() }).is_none(), "the batch did not wait");
    db.engine.sql("COMMIT");
    assert_eq!(told(&db.wait(waiting).unwrap()), ["ended"]);
    assert_eq!(db.live(&alice), []);
}

#[test]
fn an_orderly_close_leaves_one_file() {
    let engine = SqliteEngine::fresh();
    let log = engine.log();
    let db = Database::on(Box::new(engine));
    let alice = db.account("alice");
    // The reader has the file open as well.
    db.live(&alice);
    assert!(log.exists());

    db.close();

    assert!(!log.exists(), "the log was not copied");
    assert_eq!(db.count("users"), 1);
}

/// Writes 64 MiB, several logs' worth.
fn fill(db: &Database) {
    // Long rows fill the log quickly.
    for batch in 0..64 {
        db.users((0..128).map(|row| creation_of_bytes(&format!("user{batch}.{row}"), 8 * 1024)).collect());
    }
}

/// Left to the second connection alone the log would never start over: it would be as long as all that was written.
#[test]
fn the_log_starts_over_while_the_database_is_written() {
    const MIB: u64 = 1024 * 1024;
    let engine = SqliteEngine::fresh();
    let (file, log) = (engine.path().to_owned(), engine.log());
    let db = Database::on(Box::new(engine));

    fill(&db);

    let length = |path| fs::metadata(path).unwrap().len();
    assert!(length(log.clone()) < 40 * MIB, "{} bytes of log", length(log));
    db.close();
    assert!(length(file) > 64 * MIB, "too little was written to tell");
}

/// Otherwise another process that closes the file would take itself for the last, and remove the log under the engine.
#[test]
#[cfg(target_os = "linux")]
fn sqlites_lock_on_the_file_outlives_each_sync_of_it() {
    let engine = SqliteEngine::fresh();
    let file = engine.path().to_owned();
    let db = Database::on(Box::new(engine));
    let (own, inode) = (process::id().to_string(), format!(":{}", fs::metadata(&file).unwrap().ino()));
    let is_locked = || {
        let locks = fs::read_to_string("/proc/locks").unwrap();
        let mut locks = locks.lines().map(|lock| lock.split_whitespace().collect::<Vec<_>>());
        locks.any(|lock| lock.contains(&own.as_str()) && lock.iter().any(|field| field.ends_with(&inode)))
    };
    assert!(is_locked(), "the locks cannot be read here");

    fill(&db);

    assert!(is_locked());
    db.close();
    assert!(!is_locked());
}

#[test]
fn a_database_that_is_not_there_or_older_than_the_mark_of_a_key_ring_has_none_and_is_left_alone() {
    let place = tempfile::tempdir().unwrap();
    let engine = SqliteEngine::within(place.path());
    let (path, log) = (engine.path().to_owned(), engine.log());
    assert_eq!(Sqlite::key_ring_mark(&path).unwrap(), KeyRingMark::default());
    assert!(!path.exists());
    let db = Database::on(Box::new(engine));
    assert_eq!(Sqlite::key_ring_mark(&path).unwrap(), KeyRingMark::default());
    db.close();
    db.engine.sql(BACK_TO_THE_FIRST_SCHEMA);
    db.engine.sql("PRAGMA wal_checkpoint(TRUNCATE)");
    drop(db);
    fs::remove_file(&log).ok();

    assert_eq!(Sqlite::key_ring_mark(&path).unwrap(), KeyRingMark::default());

    assert!(!log.exists(), "a log was left behind");
}

#[test]
fn the_mark_of_a_key_ring_is_seen_in_the_log_of_a_server_that_was_killed_and_the_log_is_left_to_the_next() {
    let engine = SqliteEngine::fresh();
    let (path, log) = (engine.path().to_owned(), engine.log());
    let db = Database::on(Box::new(engine));
    db.wait(db.storage.note_key_ring(MARK)).unwrap();
    let place = tempfile::tempdir().unwrap();
    let (killed, its_log) = (place.path().join("latchkey.db"), place.path().join("latchkey.db-wal"));
    fs::copy(&path, &killed).unwrap();
    fs::copy(&log, &its_log).unwrap();
    let before = fs::read(&its_log).unwrap();

    assert_eq!(Sqlite::key_ring_mark(&killed).unwrap(), MARK);

    assert!(!before.is_empty() && fs::read(&its_log).unwrap() == before);
}

#[test]
fn the_mark_of_a_key_ring_stays_whatever_ring_comes_after_it() {
    let engine = SqliteEngine::fresh();
    let path = engine.path().to_owned();
    let db = Database::on(Box::new(engine));
    let older =
        KeyRingMark { holds_keys: false, changed_at: MARK.changed_at.map(|at| at.minus(Duration::from_millis(1))) };

    for ring in [MARK, older, KeyRingMark::default()] {
        db.wait(db.storage.note_key_ring(ring)).unwrap();
        assert_eq!(Sqlite::key_ring_mark(&path).unwrap(), MARK, "beside the server");
    }

    db.close();
    assert_eq!(Sqlite::key_ring_mark(&path).unwrap(), MARK);
    let clock = db.clock.clone();
    let _db = db.reopened(clock);
    assert_eq!(Sqlite::key_ring_mark(&path).unwrap(), MARK);
}
