//! A statement that fails inside a batch: its operation answers unavailable alone and leaves nothing of itself behind,
//! also where an earlier statement of it had succeeded; its neighbours commit, and nothing of it is published.

use latchkey::storage::{SessionOperation, UserOperation};
use latchkey::tokens::revocation::Ended;

use crate::database::{
    Database, WINDOW, creation, deleting, disabling, endings, giving, hash, logout, new_session, opened_by,
    opening_from, presenting, told,
};
use crate::engine::Engine;

every_engine![
    a_creation_that_fails_leaves_its_neighbours_alone,
    a_rotation_that_fails_spends_nothing,
    an_ending_that_cannot_be_noted_did_not_happen,
    a_reuse_that_cannot_be_noted_ends_nothing_and_is_found_again,
    a_session_that_cannot_be_opened_leaves_the_old_hash,
    a_password_change_that_fails_half_way_changes_nothing,
    a_password_change_that_cannot_open_a_session_changes_nothing,
    a_session_that_its_owner_cannot_end_lives,
    a_logout_everywhere_that_fails_half_way_changes_nothing,
    a_disabling_that_fails_half_way_changes_nothing,
    a_role_change_that_fails_half_way_changes_nothing,
    a_deletion_that_fails_half_way_changes_nothing,
    an_owners_deletion_that_fails_half_way_changes_nothing,
];

fn a_creation_that_fails_leaves_its_neighbours_alone(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    db.engine.break_statements("users", "INSERT", "NEW.username = 'mallory'");

    let done = db.users(vec![creation("alice"), creation("mallory"), creation("bob")]);

    assert_eq!(told(&done), ["created alice", "unavailable", "created bob"]);
    assert_eq!(told(&db.users(vec![creation("carol")])), ["created carol"]);
    assert_eq!(db.find("mallory"), None);
    assert_eq!(db.count("users"), 3);
}

fn a_rotation_that_fails_spends_nothing(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let alice = db.account("alice");
    let (phone, laptop) = (db.session(&alice).session, db.session(&alice).session);
    db.sessions(vec![opening_from(&alice, "third")]);
    db.engine.break_statements("sessions", "UPDATE", "NEW.current_generation = 3");
    db.sessions(vec![presenting(phone, 1)]);
    db.clock.advance(WINDOW);

    let done = db.sessions(vec![presenting(phone, 2), presenting(laptop, 1)]);

    assert_eq!(told(&done), ["unavailable", "granted 2"]);
    db.engine.sql("DROP TRIGGER broken");
    assert_eq!(db.present(phone, 2), "granted 3");
}

fn an_ending_that_cannot_be_noted_did_not_happen(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let alice = db.account("alice");
    let (phone, laptop) = (db.session(&alice).session, db.session(&alice).session);
    let third = db.session(&alice).session;
    break_the_note_of(&db, 1);

    let done = db.sessions(vec![presenting(phone, 1), logout(laptop), presenting(third, 1), presenting(laptop, 1)]);

    assert_eq!(told(&done), ["granted 2", "unavailable", "granted 2", "granted 2"]);
    assert_eq!(done.revocations, []);
    assert_eq!(db.kept_endings(), []);
    assert_eq!(db.engine.number("SELECT count(*) FROM sessions WHERE ended_at IS NOT NULL"), 0);
}

fn a_reuse_that_cannot_be_noted_ends_nothing_and_is_found_again(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let session = db.session(&db.account("alice")).session;
    db.present(session, 1);
    db.clock.advance(WINDOW);
    break_the_note_of(&db, 1);

    let done = db.sessions(vec![presenting(session, 1)]);

    assert_eq!((told(&done), done.revocations), (vec!["unavailable".to_owned()], vec![]));
    db.engine.sql("DROP TRIGGER broken");
    let again = db.sessions(vec![presenting(session, 1)]);
    assert_eq!(told(&again), ["reused"]);
    assert_eq!(endings(&again.revocations), [Ended::Session(session)]);
}

fn a_session_that_cannot_be_opened_leaves_the_old_hash(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let (alice, bob) = (db.account("alice"), db.account("bob"));
    let mut session = new_session(&alice, "broken");
    session.stronger_hash = Some(hash("a stronger hash"));
    db.engine.break_statements("sessions", "INSERT", &opened_by("broken"));

    let done = db.sessions(vec![
        opening_from(&bob, "phone"),
        SessionOperation::Open(session),
        // The fence still holds: nothing of the operation before it is there.
        opening_from(&alice, "phone"),
    ]);

    assert_eq!(told(&done), ["opened", "unavailable", "opened"]);
    assert_eq!(db.find("alice"), Some(alice));
    assert_eq!(db.count("sessions"), 2);
}

fn a_password_change_that_fails_half_way_changes_nothing(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let alice = db.account("alice");
    break_the_note_of(&db, 2);
    fails_half_way(&db, db.password_change(&alice, "another hash"));
}

fn a_password_change_that_cannot_open_a_session_changes_nothing(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let alice = db.account("alice");
    db.engine.break_statements("sessions", "INSERT", &opened_by("password change"));
    fails_half_way(&db, db.password_change(&alice, "another hash"));
}

fn a_session_that_its_owner_cannot_end_lives(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let alice = db.account("alice");
    let (phone, laptop) = (db.session(&alice).session, db.session(&alice).session);
    break_the_note_of(&db, 1);

    let own = SessionOperation::EndOwn { owner: alice.principal.id, asked_by: phone, session: laptop };
    let done = db.sessions(vec![own, presenting(laptop, 1)]);

    assert_eq!(told(&done), ["unavailable", "granted 2"]);
    assert_eq!((done.revocations, db.kept_endings()), (vec![], vec![]));
}

fn a_logout_everywhere_that_fails_half_way_changes_nothing(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let alice = db.account("alice");
    let asked_by = db.session(&alice).session;
    break_the_note_of(&db, 2);
    fails_half_way(&db, UserOperation::EndSessions { user: alice.principal.id, asked_by });
}

fn a_disabling_that_fails_half_way_changes_nothing(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let user = db.account("alice").principal.id;
    break_the_note_of(&db, 2);
    fails_half_way(&db, disabling(user, true));
}

fn a_role_change_that_fails_half_way_changes_nothing(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let user = db.account("alice").principal.id;
    break_the_note_of(&db, 2);
    fails_half_way(&db, giving(user, Vec::new()));
}

fn a_deletion_that_fails_half_way_changes_nothing(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let user = db.account("alice").principal.id;
    // The last statement: by then the note of it was written, and must not be published.
    db.engine.break_statements("users", "DELETE", "OLD.username = 'alice'");
    fails_half_way(&db, deleting(user));
}

fn an_owners_deletion_that_fails_half_way_changes_nothing(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let alice = db.account("alice");
    let asked_by = db.session(&alice).session;
    db.engine.break_statements("users", "DELETE", "OLD.username = 'alice'");
    fails_half_way(&db, UserOperation::DeleteOwn { seen: alice.fence(), asked_by });
    assert_eq!(db.present(asked_by, 1), "granted 2");
}

/// Endings of sessions (1) or users (2) cannot be written: the second statement of what ends something fails.
fn break_the_note_of(db: &Database, kind: u8) {
    db.engine.break_statements("revocations", "INSERT", &format!("NEW.kind = {kind}"));
}

/// Alice is as before, and the neighbours are done.
fn fails_half_way(db: &Database, operation: UserOperation) {
    let alice = db.find("alice");

    let done = db.users(vec![creation("first"), operation, creation("last")]);

    assert_eq!(told(&done), ["created first", "unavailable", "created last"]);
    assert_eq!(done.revocations, []);
    assert_eq!(db.kept_endings(), []);
    assert_eq!(db.find("alice"), alice);
}
