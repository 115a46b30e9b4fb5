//! What only the SQLite engine can be made to suffer: a transaction that ends by itself, a full disk, a failing file.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use latchkey::error::Error;
use latchkey::storage::{LARGEST_BATCH, SessionOperation};
use latchkey::tokens::revocation::Ended;

use crate::child;
use crate::database::{Database, creation, creation_of_bytes, endings, logout, opening, presenting, told};
use crate::sqlite::SqliteEngine;

/// A trigger after which there is no transaction any more, as after some failures of SQLite's own.
fn end_the_transaction_on(db: &Database, event: &str, when: &str) {
    db.engine.sql(&format!(
        "CREATE TRIGGER broken AFTER {event} WHEN {when} BEGIN SELECT RAISE(ROLLBACK, 'on purpose'); END"
    ));
}

#[test]
fn where_the_transaction_is_gone_the_whole_batch_failed_and_nothing_more_of_it_ran() {
    let db = Database::on(Box::new(SqliteEngine::fresh()));
    db.account("before");
    end_the_transaction_on(&db, "INSERT ON users", "NEW.username = 'mallory'");

    let done = db.try_users(vec![creation("alice"), creation("mallory"), creation("bob"), creation("carol")]);

    assert_eq!(done.unwrap_err(), Error::Unavailable);
    assert_eq!(db.count("users"), 1, "outside a transaction each statement commits by itself");
    assert_eq!(told(&db.users(vec![creation("bob"), creation("alice")])), ["created bob", "created alice"]);
}

#[test]
fn where_the_transaction_goes_in_the_middle_of_an_operation_nothing_is_published() {
    let mut db = Database::on(Box::new(SqliteEngine::fresh()));
    let alice = db.account("alice");
    let [phone, laptop, third] = [(); 3].map(|()| db.session(&alice).session);
    db.sessions(vec![presenting(phone, 1)]);
    // The note of the second ending: the first one's was written, and the row of the second was.
    end_the_transaction_on(&db, "INSERT ON revocations", "(SELECT count(*) FROM revocations) = 2");

    let batch = || vec![logout(phone), presenting(third, 1), logout(laptop), opening(&alice)];
    assert_eq!(db.try_sessions(batch()).unwrap_err(), Error::Unavailable);

    assert_eq!(db.kept_endings(), []);
    assert_eq!(db.count("sessions"), 3);
    assert_eq!(db.engine.number("SELECT count(*) FROM sessions WHERE ended_at IS NOT NULL"), 0);
    assert!(db.deaths.try_recv().is_err(), "the file is as good as before");
    db.engine.sql("DROP TRIGGER broken");
    let done = db.sessions(batch());
    assert_eq!(told(&done), ["ended", "granted 2", "ended", "opened"]);
    assert_eq!(endings(&done.revocations), [Ended::Session(phone), Ended::Session(laptop)]);
}

#[test]
fn a_full_disk_ends_the_writer_and_nothing_of_the_batch_is_done() {
    child::on_a_small_disk("sqlite_faults::a_full_disk_ends_the_writer_and_nothing_of_the_batch_is_done", |disk| {
        let mut db = Database::on(Box::new(SqliteEngine::within(disk)));
        let alice = db.account("alice");
        let kept = db.session(&alice).session;
        let many = || {
            let openings = (0..LARGEST_BATCH - 2).map(|_| opening(&alice));
            [presenting(kept, 1), logout(kept)].into_iter().chain(openings).collect::<Vec<SessionOperation>>()
        };

        let ballast = fill(disk);
        assert_eq!(db.try_sessions(many()).unwrap_err(), Error::Unavailable);
        assert_eq!(db.next_death(), Some("storage"));
        assert_eq!(db.wait(db.storage.ping()), Err(Error::Unavailable));
        db.close();
        fs::remove_file(&ballast).unwrap();

        let clock = db.clock.clone();
        let db = db.reopened(clock);
        assert_eq!((db.count("sessions"), db.count("users"), db.count("revocations")), (1, 1, 0));
        assert_eq!(db.present(kept, 1), "granted 2");
        assert!(db.sessions(many()).outcomes.iter().all(Result::is_ok));
        is_intact(&db);
    });
}

#[test]
fn a_file_that_turns_read_only_ends_the_writer_and_nothing_of_the_batch_is_done() {
    let engine = SqliteEngine::fresh();
    let log = engine.log();
    let mut db = Database::on(Box::new(engine));
    let alice = db.account("alice");
    let kept = db.session(&alice).session;
    let Some(frozen) = child::Frozen::freeze(&log, "a_file_that_turns_read_only") else { return };

    let failed = db.try_sessions(vec![presenting(kept, 1), opening(&alice), logout(kept)]);

    assert_eq!(failed.unwrap_err(), Error::Unavailable);
    assert_eq!(db.next_death(), Some("storage"));
    drop(frozen);
    db.close();

    let clock = db.clock.clone();
    let db = db.reopened(clock);
    assert_eq!((db.count("sessions"), db.count("users"), db.count("revocations")), (1, 1, 0));
    assert_eq!(db.present(kept, 1), "granted 2");
    is_intact(&db);
}

#[test]
fn an_io_error_in_a_commit_ends_the_writer_and_nothing_of_the_batch_is_done() {
    child::with_a_limit_on_files(
        "sqlite_faults::an_io_error_in_a_commit_ends_the_writer_and_nothing_of_the_batch_is_done",
        |directory| {
            let engine = SqliteEngine::within(directory);
            let log = engine.log();
            let mut db = Database::on(Box::new(engine));
            let alice = db.account("alice");
            let kept = db.session(&alice).session;
            child::limit_files_to(Some(fs::metadata(&log).unwrap().len()));

            let failed = db.try_sessions(vec![presenting(kept, 1), opening(&alice), logout(kept)]);

            assert_eq!(failed.unwrap_err(), Error::Unavailable);
            assert_eq!(db.next_death(), Some("storage"));
            assert_eq!(db.try_users(vec![creation("bob")]).unwrap_err(), Error::Unavailable);
            assert_eq!(db.wait(db.storage.ping()), Err(Error::Unavailable));
            child::limit_files_to(None);
            db.close();
            assert!(fs::metadata(&log).unwrap().len() > 0, "the next process needs the log");

            let clock = db.clock.clone();
            let db = db.reopened(clock);
            assert_eq!((db.count("sessions"), db.count("users"), db.count("revocations")), (1, 1, 0));
            assert_eq!(db.present(kept, 1), "granted 2");
            is_intact(&db);
        },
    );
}

#[test]
fn an_io_error_in_a_checkpoint_ends_the_writer_and_the_log_is_kept() {
    child::with_a_limit_on_files(
        "sqlite_faults::an_io_error_in_a_checkpoint_ends_the_writer_and_the_log_is_kept",
        |directory| {
            let engine = SqliteEngine::within(directory);
            let (file, log) = (engine.path().to_owned(), engine.log());
            let db = Database::on(Box::new(engine));
            let alice = db.account("alice");
            for batch in 0..2 {
                db.users((0..512).map(|row| creation_of_bytes(&format!("long{batch}.{row}"), 8000)).collect());
            }
            let clock = db.clock.clone();
            // Closing copied the log into the file, which is longer now than the log will be.
            let mut db = db.reopened(clock);
            let kept = db.session(&alice).session;
            child::limit_files_to(Some(fs::metadata(&file).unwrap().len()));

            // More than four megabytes of log: somebody begins to copy it, and the file cannot grow.
            let done = db.users((0..512).map(|row| creation_of_bytes(&format!("short{row}"), 9000)).collect());

            assert!(done.outcomes.iter().all(Result::is_ok), "the log took it all");
            assert_eq!(db.next_death(), Some("storage"));
            child::limit_files_to(None);
            db.close();
            assert!(fs::metadata(&log).unwrap().len() > 4 * 1024 * 1024, "the log is all that is certain");

            let clock = db.clock.clone();
            let db = db.reopened(clock);
            assert_eq!(db.count("users"), 1 + 3 * 512);
            assert_eq!(db.present(kept, 1), "granted 2");
            is_intact(&db);
        },
    );
}

#[test]
fn a_list_from_a_damaged_file_ends_the_process_as_a_batch_would() {
    let mut db = Database::on(Box::new(SqliteEngine::fresh()));
    let alice = db.account("alice");
    db.session(&alice);
    let elsewhere = "UPDATE sqlite_schema SET rootpage = 1 << 30 WHERE name = 'live_sessions_by_user'";
    db.engine.sql(&format!("PRAGMA writable_schema = ON; {elsewhere}"));
    db.engine.sql("PRAGMA schema_version = 1000");

    let listed = db.wait(db.storage.live_sessions(alice.principal.id));

    assert_eq!(listed, Err(Error::Unavailable));
    assert_eq!(db.next_death(), Some("storage"));
    assert_eq!(db.wait(db.storage.live_sessions(alice.principal.id)), Err(Error::Unavailable));
}

/// Writes a file that takes what room is left.
fn fill(disk: &Path) -> std::path::PathBuf {
    let ballast = disk.join("ballast");
    let mut file = File::create(&ballast).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    ballast
}

fn is_intact(db: &Database) {
    assert_eq!(db.engine.text("PRAGMA integrity_check").as_deref(), Some("ok"));
}
