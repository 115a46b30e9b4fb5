//! What another process writes into the database while this one serves it.

use std::time::Duration;

use latchkey::tokens::principal::{UserId, Version};
use latchkey::tokens::revocation::Ended;
use uuid::Uuid;

use crate::database::{Database, logout};
use crate::engine::Engine;

every_engine![
    an_ending_of_another_process_is_told_once,
    what_this_process_ends_itself_is_nobody_elses,
    an_ending_between_the_start_and_the_first_look_is_told,
    of_endings_from_long_before_the_last_look_none_is_read_again,
];

fn ended(number: u128) -> Ended {
    Ended::User { id: UserId(Uuid::from_u128(number)), least_version: Version(2) }
}

/// Writes an ending as another process does, that much before now.
fn ends_elsewhere(db: &Database, number: u128, before: Duration) {
    let at = db.clock.now().minus(before).as_millis();
    db.engine.sql(&format!("INSERT INTO revocations VALUES (2, x'{number:032x}', 2, {at})"));
}

/// A database whose process has begun: it knows every ending so far.
fn begun(engine: Box<dyn Engine>) -> Database {
    let db = Database::on(engine);
    db.kept_endings();
    db
}

fn an_ending_of_another_process_is_told_once(engine: Box<dyn Engine>) {
    let db = begun(engine);
    assert_eq!(db.endings_of_others(), []);

    ends_elsewhere(&db, 1, Duration::ZERO);

    assert_eq!(db.endings_of_others(), [ended(1)]);
    assert_eq!(db.endings_of_others(), []);
}

fn what_this_process_ends_itself_is_nobody_elses(engine: Box<dyn Engine>) {
    let db = begun(engine);
    let alice = db.account("alice");

    db.sessions(vec![logout(db.session(&alice).session)]);

    assert_eq!(db.kept_endings().len(), 1);
    assert_eq!(db.endings_of_others(), []);
}

fn an_ending_between_the_start_and_the_first_look_is_told(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    assert_eq!(db.kept_endings(), []);

    ends_elsewhere(&db, 1, Duration::ZERO);

    assert_eq!(db.endings_of_others(), [ended(1)]);
}

/// Their clock may be a minute behind; what is older than that was read when it was written.
fn of_endings_from_long_before_the_last_look_none_is_read_again(engine: Box<dyn Engine>) {
    let db = begun(engine);
    ends_elsewhere(&db, 1, Duration::ZERO);
    assert_eq!(db.endings_of_others(), [ended(1)]);
    db.clock.advance(Duration::from_secs(120));
    assert_eq!(db.endings_of_others(), []);

    ends_elsewhere(&db, 2, Duration::from_secs(59));

    assert_eq!(db.endings_of_others(), [ended(2)]);
}
