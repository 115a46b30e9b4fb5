//! A guest: another process that writes beside the one that serves, or where none does.

use std::path::PathBuf;
use std::time::Duration;
use std::{fs, thread};

use latchkey::clock::Clock;
use latchkey::error::Error;
use latchkey::storage::sqlite::{Guest, GuestError, Listed, Missing, OpenError, Sqlite};
use latchkey::storage::{EndReason, KeyRingMark, SessionOperation};
use latchkey::tokens::principal::{Role, UserId};
use latchkey::tokens::revocation::Ended;
use uuid::Uuid;

use crate::database::{
    DAY, Database, creation, creation_of_bytes, disabling, ending_all, endings, giving, logout, search, told,
    usual_rules,
};
use crate::sqlite::SqliteEngine;
use crate::sqlite_file::BACK_TO_THE_FIRST_SCHEMA;

/// Far longer than anything here has to wait for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A database that is served, and where it is.
fn served() -> (Database, PathBuf) {
    let engine = SqliteEngine::fresh();
    let path = engine.path().to_owned();
    (Database::on(Box::new(engine)), path)
}

fn visit(path: &std::path::Path, clock: &Clock) -> Result<Guest, OpenError> {
    Guest::visit(path, usual_rules(), clock, Missing::Refused, PATIENCE)
}

/// All that the process that serves writes down about its own life.
fn service_row(db: &Database) -> Option<String> {
    let columns = "last_alive_at, open_after, endings_kept_for, longer_kept_for, longer_until";
    db.engine.text(&format!("SELECT concat_ws(' ', {columns}) FROM service"))
}

#[test]
fn a_guest_works_beside_a_server_and_each_sees_what_the_other_did() {
    let (db, path) = served();
    let alice = db.account("alice");
    let guest = visit(&path, &db.clock).unwrap();

    let (done, _) = guest.users(vec![search("ALICE"), creation("bob"), creation("Alice")]).unwrap();

    assert_eq!(told(&done), ["found alice", "created bob", "username taken"]);
    assert!(db.find("bob").is_some());
    let session = db.session(&alice).session;
    assert_eq!(guest.live_sessions(alice.principal.id).unwrap()[0].id, session);
}

#[test]
fn what_a_guest_ends_is_told_to_the_server() {
    let (db, path) = served();
    let (alice, bob) = (db.account("alice"), db.account("bob"));
    let (phone, laptop) = (db.session(&alice).session, db.session(&bob).session);
    db.kept_endings();
    let guest = visit(&path, &db.clock).unwrap();

    let (sessions, _) = guest
        .sessions(vec![SessionOperation::End { session: laptop, reason: EndReason::Administrator }, logout(phone)])
        .unwrap();
    let (users, _) = guest.users(vec![disabling(alice.principal.id, true)]).unwrap();

    let ended = db.endings_of_others();
    assert_eq!(told(&sessions), ["ended", "ended"]);
    for ending in endings(&users.revocations).into_iter().chain(endings(&sessions.revocations)) {
        assert!(ended.contains(&ending), "{ending:?} in {ended:?}");
    }
    assert!(ended.contains(&Ended::Session(laptop)));
    assert_eq!(db.present(laptop, 1), "refused: revoked");
}

#[test]
fn a_guest_writes_no_time_of_its_own() {
    let (db, path) = served();
    let alice = db.account("alice");
    let before = service_row(&db);
    db.clock.advance(Duration::from_secs(5));

    visit(&path, &db.clock).unwrap().users(vec![ending_all(alice.principal.id)]).unwrap();
    assert_eq!(service_row(&db), before);

    // Nor where nobody serves.
    db.close();
    let closed = service_row(&db);
    db.clock.advance(Duration::from_secs(5));
    visit(&path, &db.clock).unwrap().users(vec![creation("bob")]).unwrap();
    assert_eq!((service_row(&db), db.count("users")), (closed, 2));
}

/// The window that a crash left open stays open, and the downtime does not count, whoever was there meanwhile.
#[test]
fn a_guest_in_a_downtime_neither_opens_nor_closes_a_window() {
    let (db, path) = served();
    let alice = db.account("alice");
    let session = db.session(&alice).session;
    assert_eq!(db.present(session, 1), "granted 2");
    db.close();
    db.clock.advance(DAY);

    visit(&path, &db.clock).unwrap().users(vec![creation("bob")]).unwrap();

    let clock = db.clock.clone();
    let db = db.reopened(clock);
    assert_eq!(db.present(session, 1), "granted 2");
}

#[test]
fn a_guest_copies_no_log_and_the_server_does_when_it_hears_of_it() {
    const MIB: u64 = 1024 * 1024;
    let (db, path) = served();
    db.kept_endings();
    let length = || fs::metadata(&path).unwrap().len();
    let guest = visit(&path, &db.clock).unwrap();

    guest.users((0..64).map(|row| creation_of_bytes(&format!("user{row}"), 64 * 1024)).collect()).unwrap();
    drop(guest);
    assert!(length() < MIB, "{} bytes were copied", length());

    db.endings_of_others();
    // It is copied by a thread beside the writer.
    let copied = (0..6000).any(|_| {
        thread::sleep(Duration::from_millis(10));
        length() > 4 * MIB
    });
    assert!(copied, "{} bytes were copied", length());
}

#[test]
fn a_guest_waits_for_another_writer_as_long_as_it_is_told_to() {
    let (db, path) = served();
    let patient = visit(&path, &db.clock).unwrap();
    let hasty = Guest::visit(&path, usual_rules(), &db.clock, Missing::Refused, Duration::ZERO).unwrap();
    db.engine.sql("BEGIN IMMEDIATE");

    assert!(matches!(hasty.users(vec![creation("alice")]), Err(GuestError::Busy)));
    thread::scope(|threads| {
        let waiting = threads.spawn(move || told(&patient.users(vec![creation("alice")]).unwrap().0));
        db.engine.sql("COMMIT");
        assert_eq!(waiting.join().unwrap(), ["created alice"]);
    });
}

#[test]
fn where_there_is_no_database_a_guest_makes_one_or_goes() {
    let place = tempfile::tempdir().unwrap();
    let engine = SqliteEngine::within(&place.path().join("data"));
    let (path, clock) = (engine.path().to_owned(), Clock::system());

    assert!(matches!(visit(&path, &clock), Err(OpenError::Missing)));
    assert!(!place.path().join("data").exists());

    let guest = Guest::visit(&path, usual_rules(), &clock, Missing::Made, PATIENCE).unwrap();
    guest.users(vec![creation("alice")]).unwrap();
    assert_eq!(
        fs::read_dir(place.path().join("data")).unwrap().count(),
        4,
        "the file, its log, its index and its lock"
    );
    // While the guest is still there.
    let db = Database::on(Box::new(engine));
    assert!(db.find("alice").is_some());
}

#[test]
fn guests_that_come_at_once_make_one_database() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("data/latchkey.db");

    thread::scope(|threads| {
        for guest in 0..8 {
            let path = path.clone();
            threads.spawn(move || {
                let guests = Guest::visit(&path, usual_rules(), &Clock::system(), Missing::Made, PATIENCE).unwrap();
                guests.users(vec![creation(&format!("guest{guest}"))]).unwrap();
            });
        }
    });

    let all = visit(&path, &Clock::system()).unwrap().accounts(UserId(Uuid::nil()), "", 100).unwrap();
    assert_eq!(all.len(), 8);
}

#[test]
fn an_older_schema_is_brought_up_to_date_by_a_guest_only_where_nobody_serves() {
    let (db, path) = served();
    db.account("alice");
    let newest = db.engine.number("SELECT max(number) FROM schema_migrations");
    db.engine.sql(BACK_TO_THE_FIRST_SCHEMA);
    let has_index = || db.engine.number("SELECT count(*) FROM sqlite_schema WHERE name = 'enabled_admins'") == 1;

    let refused = visit(&path, &db.clock).unwrap_err().to_string();
    assert!(refused.contains(&format!("schema 1, this program has {newest}")), "{refused}");
    assert!(refused.contains("stop it") && !has_index(), "{refused}");

    db.close();
    let guest = visit(&path, &db.clock).unwrap();
    assert_eq!(
        (told(&guest.users(vec![search("alice")]).unwrap().0), has_index()),
        (vec!["found alice".to_owned()], true)
    );
}

#[test]
fn a_newer_schema_is_refused_to_a_guest() {
    let (db, path) = served();
    db.engine.sql("INSERT INTO schema_migrations VALUES (99, '0099_later', 'unknown', 0)");

    assert!(matches!(visit(&path, &db.clock), Err(OpenError::NewerSchema { found: 99, .. })));
}

#[test]
fn a_guest_whose_clock_is_far_behind_is_refused() {
    let (db, path) = served();
    db.account("alice");
    let behind = Clock::system();
    behind.step_back(Duration::from_secs(90));

    assert!(matches!(visit(&path, &behind), Err(OpenError::ClockBehind { .. })));
}

#[test]
fn accounts_are_listed_in_pages_the_oldest_first_with_how_many_sessions_live() {
    let (db, path) = served();
    let (alice, bob) = (db.account("Alice"), db.account("bob"));
    let (phone, _) = (db.session(&alice).session, db.session(&alice));
    db.session(&db.find("bob").unwrap());
    db.sessions(vec![logout(phone)]);
    db.users(vec![disabling(bob.principal.id, true), giving(bob.principal.id, vec![Role::User, Role::Admin])]);
    let guest = visit(&path, &db.clock).unwrap();
    let first = UserId(Uuid::nil());

    let listed = Listed {
        id: alice.principal.id,
        username: "Alice".to_owned(),
        roles: vec!["user".to_owned()],
        disabled: false,
        created_at: alice.created_at,
        sessions: 1,
    };
    let bobs = Listed {
        id: bob.principal.id,
        username: "bob".to_owned(),
        roles: vec!["user".to_owned(), "admin".to_owned()],
        disabled: true,
        created_at: bob.created_at,
        sessions: 0,
    };
    let mut all = guest.accounts(first, "", 10).unwrap();
    // Ids of one millisecond are in no order.
    all.sort_by_key(|listed| listed.username.to_lowercase());
    assert_eq!(all, [listed.clone(), bobs]);
    assert_eq!(guest.accounts(first, "ALI", 10).unwrap(), [listed]);
    assert_eq!(guest.accounts(first, "nobody", 10).unwrap(), []);
    let page = guest.accounts(first, "", 1).unwrap();
    let next = guest.accounts(page[0].id, "", 1).unwrap();
    assert_eq!((page.len(), next.len(), page[0].id == next[0].id), (1, 1, false));
    assert_eq!(guest.accounts(next[0].id, "", 1).unwrap(), []);
}

/// Waits for as long as the server does: five seconds.
#[test]
fn a_guest_that_never_ends_its_transaction_costs_answers_and_not_the_server() {
    let (mut db, _) = served();
    db.engine.sql("BEGIN IMMEDIATE");

    assert_eq!(db.try_users(vec![creation("alice")]).unwrap_err(), Error::Unavailable);

    db.engine.sql("COMMIT");
    assert!(db.account("bob").created_at <= db.clock.now());
    assert!(db.deaths.try_recv().is_err());
}

/// A file that somebody made; and what a power cut leaves of the first page where the name of the journal that guarded it is gone.
#[test]
fn a_database_of_which_only_the_length_was_written_is_made_as_where_there_is_none() {
    let clock = Clock::system();
    for (length, is_made_by_guest) in [(0, true), (0, false), (1024, true), (1024, false)] {
        let begun = vec![0; length];
        let engine = SqliteEngine::fresh();
        let path = engine.path().to_owned();
        fs::write(&path, &begun).unwrap();
        assert!(matches!(visit(&path, &clock), Err(OpenError::Missing)));
        // What a server asks before it opens the database.
        assert_eq!(Sqlite::key_ring_mark(&path).unwrap(), KeyRingMark::default());
        assert_eq!(Sqlite::newest_time(&path).unwrap(), None);
        assert_eq!(fs::read(&path).unwrap(), begun, "whoever makes none changed it");

        if is_made_by_guest {
            let guest = Guest::visit(&path, usual_rules(), &clock, Missing::Made, PATIENCE).unwrap();
            guest.users(vec![creation("alice")]).unwrap();
        }
        let db = Database::on(Box::new(engine));

        assert_eq!(db.count("users"), i64::from(is_made_by_guest));
    }
}

#[test]
fn a_first_page_with_something_in_it_or_with_a_log_is_left_as_it_is() {
    let clock = Clock::system();
    for (last_byte, has_log) in [(1, false), (0, true)] {
        let engine = SqliteEngine::fresh();
        let (path, log) = (engine.path().to_owned(), engine.log());
        let mut first_page = [0; 1024];
        first_page[1023] = last_byte;
        fs::write(&path, first_page).unwrap();
        if has_log {
            fs::write(&log, b"a log").unwrap();
        }

        assert!(Guest::visit(&path, usual_rules(), &clock, Missing::Made, PATIENCE).is_err());

        assert_eq!(fs::read(&path).unwrap(), first_page);
    }
}
