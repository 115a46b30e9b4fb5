//! What a token would be granted for, told without presenting it.

use std::time::Duration;

use latchkey::tokens::refresh::{Generation, Presented, SessionId};
use uuid::Uuid;

use crate::database::{DAY, Database, WINDOW, disabling, ending_all, logout, strict_rules, usual_rules};
use crate::engine::Engine;

every_engine![
    what_would_be_answered_is_renewable_and_nothing_else_is,
    a_strict_parent_is_not_renewable,
    what_ended_in_any_way_is_not_renewable,
    it_says_whose_session_it_is_and_when_that_ends,
    a_window_that_a_restart_carried_counts,
    looking_commits_nothing_and_ends_nothing,
];

fn is_renewable(db: &Database, session: SessionId, generation: u32) -> bool {
    let presented = Presented { session, generation: Generation::new(generation).unwrap() };
    db.wait(db.storage.renewable(presented)).unwrap().is_some()
}

/// Of the generations 1 to 4.
fn renewable(db: &Database, session: SessionId) -> Vec<u32> {
    (1..=4).filter(|generation| is_renewable(db, session, *generation)).collect()
}

fn what_would_be_answered_is_renewable_and_nothing_else_is(engine: Box<dyn Engine>) {
    let db = Database::at_rest(usual_rules(), engine);
    let session = db.session(&db.account("alice")).session;
    assert_eq!(renewable(&db, session), [1]);

    db.present(session, 1);
    assert_eq!(renewable(&db, session), [1, 2]);
    db.pass(WINDOW);
    assert_eq!(renewable(&db, session), [2]);
    db.present(session, 2);
    assert_eq!(renewable(&db, session), [2, 3]);
}

fn a_strict_parent_is_not_renewable(engine: Box<dyn Engine>) {
    let db = Database::at_rest(strict_rules(), engine);
    let session = db.session(&db.account("alice")).session;

    db.present(session, 1);

    assert_eq!(renewable(&db, session), [2]);
}

fn what_ended_in_any_way_is_not_renewable(engine: Box<dyn Engine>) {
    let db = Database::at_rest(usual_rules(), engine);
    let [alice, bob, carol, dave] = ["alice", "bob", "carol", "dave"].map(|name| db.account(name));
    let [out, locked, everywhere, late] = [&alice, &bob, &carol, &dave].map(|account| db.session(account).session);

    db.sessions(vec![logout(out)]);
    db.change(disabling(bob.principal.id, true));
    db.change(ending_all(carol.principal.id));

    for session in [out, locked, everywhere, SessionId(Uuid::nil())] {
        assert!(!is_renewable(&db, session, 1));
    }
    db.pass(30 * DAY - Duration::from_millis(1));
    assert!(is_renewable(&db, late, 1));
    db.pass(Duration::from_millis(1));
    assert!(!is_renewable(&db, late, 1));
}

fn it_says_whose_session_it_is_and_when_that_ends(engine: Box<dyn Engine>) {
    let db = Database::at_rest(usual_rules(), engine);
    let alice = db.account("alice");
    let granted = db.session(&alice);
    let presented = Presented { session: granted.session, generation: granted.generation };

    let told = db.wait(db.storage.renewable(presented)).unwrap().unwrap();

    assert_eq!(told.principal, alice.principal);
    assert_eq!(told.expires_at, granted.idle_expires_at);
}

fn a_window_that_a_restart_carried_counts(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let session = db.session(&db.account("alice")).session;
    db.present(session, 1);

    db.close();
    let clock = db.clock.clone();
    clock.advance(DAY);
    let db = db.reopened(clock);

    assert_eq!(renewable(&db, session), [1, 2]);
}

fn looking_commits_nothing_and_ends_nothing(engine: Box<dyn Engine>) {
    let db = Database::at_rest(usual_rules(), engine);
    let session = db.session(&db.account("alice")).session;
    db.present(session, 1);
    db.pass(WINDOW);
    let before = db.engine.commits();

    assert_eq!(renewable(&db, session), [2]);

    assert_eq!(db.engine.commits(), before);
    assert_eq!(db.present(session, 2), "granted 3");
}
