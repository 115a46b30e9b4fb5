//! How many live sessions a user may have.

use latchkey::storage::sqlite::Rules;
use latchkey::storage::{Committed, SessionOperation, SessionOutcome, UserOperation};
use latchkey::tokens::refresh::SessionId;
use latchkey::tokens::revocation::Ended;

use crate::database::{
    DAY, Database, endings, hash, logout, new_session, opened_by, opening, opening_from, presenting, told, usual_rules,
};
use crate::engine::Engine;

every_engine![
    beyond_the_limit_the_least_recently_renewed_session_makes_room,
    up_to_the_limit_nothing_makes_room,
    a_session_that_was_ended_does_not_count,
    a_session_past_its_idle_limit_does_not_count,
    a_session_past_its_absolute_limit_does_not_count,
    a_session_of_another_epoch_does_not_count,
    each_opening_of_a_batch_makes_its_own_room,
    a_limit_of_one_leaves_the_last,
    a_lower_limit_takes_effect_with_the_next_opening,
    an_opening_that_is_refused_makes_no_room,
    an_opening_that_fails_makes_no_room,
    a_room_that_cannot_be_noted_is_not_made,
];

fn at_most(max_sessions_per_user: usize) -> Rules {
    Rules { max_sessions_per_user, ..usual_rules() }
}

/// Which sessions made room for the one that this opened.
fn evicted(committed: &Committed<SessionOutcome>) -> Vec<SessionId> {
    match committed.outcomes.as_slice() {
        [Ok(SessionOutcome::Opened { evicted, .. })] => evicted.clone(),
        other => panic!("not one opening: {other:?}"),
    }
}

fn beyond_the_limit_the_least_recently_renewed_session_makes_room(engine: Box<dyn Engine>) {
    let db = Database::under(at_most(3), engine);
    let alice = db.account("alice");
    let [first, second, third] = [(); 3].map(|()| {
        db.clock.advance(DAY);
        db.session(&alice).session
    });
    db.clock.advance(DAY);
    db.present(first, 1);

    let done = db.sessions(vec![opening(&alice)]);

    assert_eq!(evicted(&done), [second]);
    assert_eq!(endings(&done.revocations), [Ended::Session(second)]);
    assert_eq!(db.kept_endings(), [Ended::Session(second)]);
    let reason = db.engine.text("SELECT end_reason FROM sessions WHERE ended_at IS NOT NULL");
    assert_eq!(reason.as_deref(), Some("evicted"));
    assert_eq!(db.present(second, 1), "refused: revoked");
    assert_eq!(db.live(&alice).len(), 3);

    db.clock.advance(DAY);
    assert_eq!(evicted(&db.sessions(vec![opening(&alice)])), [third]);
}

fn up_to_the_limit_nothing_makes_room(engine: Box<dyn Engine>) {
    let db = Database::under(at_most(3), engine);
    let (alice, bob) = (db.account("alice"), db.account("bob"));

    let done = db.sessions(vec![opening(&alice), opening(&bob), opening(&alice), opening(&bob), opening(&alice)]);

    assert_eq!(told(&done), ["opened"; 5]);
    assert_eq!(done.revocations, []);
}

/// Fails if a session makes room for the next one after `change` and a day.
fn does_not_count(engine: Box<dyn Engine>, rules: Rules, change: impl FnOnce(&Database, SessionId)) {
    let db = Database::under(rules, engine);
    let session = db.session(&db.account("alice")).session;
    change(&db, session);
    db.clock.advance(DAY);
    let alice = db.find("alice").unwrap();

    assert_eq!(evicted(&db.sessions(vec![opening(&alice)])), []);
}

fn a_session_that_was_ended_does_not_count(engine: Box<dyn Engine>) {
    does_not_count(engine, at_most(1), |db, session| drop(db.sessions(vec![logout(session)])));
}

fn a_session_past_its_idle_limit_does_not_count(engine: Box<dyn Engine>) {
    let mut rules = at_most(1);
    rules.rotation.idle_ttl = DAY;
    does_not_count(engine, rules, |_, _| ());
}

fn a_session_past_its_absolute_limit_does_not_count(engine: Box<dyn Engine>) {
    let mut rules = at_most(1);
    rules.session_ttl = DAY;
    let later = "UPDATE sessions SET idle_expires_at = absolute_expires_at * 2";
    does_not_count(engine, rules, |db, _| db.engine.sql(later));
}

fn a_session_of_another_epoch_does_not_count(engine: Box<dyn Engine>) {
    does_not_count(engine, at_most(1), |db, asked_by| {
        let user = db.find("alice").unwrap().principal.id;
        db.change(UserOperation::EndSessions { user, asked_by });
    });
}

fn each_opening_of_a_batch_makes_its_own_room(engine: Box<dyn Engine>) {
    let db = Database::under(at_most(2), engine);
    let alice = db.account("alice");
    let before = db.session(&alice).session;
    db.clock.advance(DAY);

    let done = db.sessions(vec![opening(&alice), presenting(before, 1), opening(&alice), opening(&alice)]);

    assert_eq!(told(&done), ["opened", "granted 2", "opened for 1", "opened for 1"]);
    assert_eq!(done.revocations.len(), 2);
    assert_eq!(db.live(&alice).len(), 2);
}

fn a_limit_of_one_leaves_the_last(engine: Box<dyn Engine>) {
    let db = Database::under(at_most(1), engine);
    let alice = db.account("alice");
    let first = db.session(&alice).session;
    db.clock.advance(DAY);

    let second = db.session(&alice).session;

    assert_eq!(db.present(first, 1), "refused: revoked");
    assert_eq!(db.present(second, 1), "granted 2");
}

fn a_lower_limit_takes_effect_with_the_next_opening(engine: Box<dyn Engine>) {
    let db = Database::under(at_most(4), engine);
    let alice = db.account("alice");
    let [first, second, third, fourth] = [(); 4].map(|()| {
        db.clock.advance(DAY);
        db.session(&alice).session
    });
    let clock = db.clock.clone();
    let db = db.reopened_under(at_most(2), clock);
    assert_eq!(db.live(&alice).len(), 4);

    let done = db.sessions(vec![opening(&alice)]);

    assert_eq!(evicted(&done), [third, second, first]);
    assert_eq!(db.present(fourth, 1), "granted 2");
}

fn an_opening_that_is_refused_makes_no_room(engine: Box<dyn Engine>) {
    let db = Database::under(at_most(1), engine);
    let alice = db.account("alice");
    let session = db.session(&alice).session;
    let mut stale = new_session(&alice, "phone");
    stale.seen.hash = hash("what was read before");

    let done = db.sessions(vec![SessionOperation::Open(stale)]);

    assert_eq!(told(&done), ["the account changed meanwhile"]);
    assert_eq!(db.present(session, 1), "granted 2");
}

fn an_opening_that_fails_makes_no_room(engine: Box<dyn Engine>) {
    let db = Database::under(at_most(1), engine);
    let alice = db.account("alice");
    let session = db.session(&alice).session;
    db.engine.break_statements("sessions", "INSERT", &opened_by("broken"));

    let done = db.sessions(vec![opening_from(&alice, "broken")]);

    assert_eq!((told(&done), done.revocations), (vec!["unavailable".to_owned()], vec![]));
    assert_eq!(db.kept_endings(), []);
    assert_eq!(db.present(session, 1), "granted 2");
}

fn a_room_that_cannot_be_noted_is_not_made(engine: Box<dyn Engine>) {
    let db = Database::under(at_most(1), engine);
    let alice = db.account("alice");
    let session = db.session(&alice).session;
    db.engine.break_statements("revocations", "INSERT", "NEW.kind = 1");

    let done = db.sessions(vec![opening(&alice), presenting(session, 1)]);

    assert_eq!(told(&done), ["unavailable", "granted 2"]);
    assert_eq!((done.revocations, db.count("sessions")), (vec![], 1));
}
