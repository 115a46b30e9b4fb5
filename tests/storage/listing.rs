//! The list of a user's live sessions.

use std::time::Duration;

use latchkey::storage::sqlite::Rules;
use latchkey::storage::{Account, LiveSession, UserOperation};
use latchkey::tokens::principal::{Role, UserId};
use latchkey::tokens::refresh::SessionId;
use uuid::Uuid;

use crate::database::{
    DAY, Database, client, deleting, giving, granted, logout, opening_from, presenting_from, usual_rules,
};
use crate::engine::Engine;

every_engine![
    a_session_is_shown_as_it_was_opened,
    a_rotation_shows_in_use_limit_and_client,
    the_session_that_was_used_last_comes_first,
    a_limit_that_comes_first_is_the_one_that_is_shown,
    a_session_that_was_ended_is_not_shown,
    a_session_past_its_idle_limit_is_not_shown_from_that_moment_on,
    a_session_past_its_absolute_limit_is_not_shown_from_that_moment_on,
    sessions_of_another_epoch_are_not_shown,
    nothing_is_shown_of_who_is_disabled_or_gone,
    a_role_change_leaves_the_list_alone,
];

fn shown(db: &Database, account: &Account) -> Vec<SessionId> {
    db.live(account).iter().map(|session| session.id).collect()
}

fn a_session_is_shown_as_it_was_opened(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let (alice, bob) = (db.account("alice"), db.account("bob"));
    db.session(&bob);

    let opened = granted(db.sessions(vec![opening_from(&alice, "a browser")]));

    let session = LiveSession {
        id: opened.session,
        created_at: opened.granted_at,
        last_used_at: opened.granted_at,
        expires_at: opened.idle_expires_at,
        user_agent: Some("a browser".to_owned()),
        ip: Some("192.0.2.1".to_owned()),
    };
    assert_eq!(db.live(&alice), [session]);
}

fn a_rotation_shows_in_use_limit_and_client(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let alice = db.account("alice");
    let opened = db.session(&alice);
    db.clock.advance(DAY);

    let renewed = granted(db.sessions(vec![presenting_from(opened.session, 1, client("tablet"))]));

    let shown = db.live(&alice).remove(0);
    assert_eq!((shown.created_at, shown.last_used_at), (opened.granted_at, renewed.granted_at));
    assert_eq!((shown.expires_at, shown.user_agent.as_deref()), (renewed.idle_expires_at, Some("tablet")));
}

fn the_session_that_was_used_last_comes_first(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let alice = db.account("alice");
    let [first, second, third] = [(); 3].map(|()| {
        db.clock.advance(DAY);
        db.session(&alice).session
    });
    assert_eq!(shown(&db, &alice), [third, second, first]);

    db.clock.advance(DAY);
    db.present(first, 1);

    assert_eq!(shown(&db, &alice), [first, third, second]);
}

fn a_limit_that_comes_first_is_the_one_that_is_shown(engine: Box<dyn Engine>) {
    let mut rules = usual_rules();
    (rules.rotation.idle_ttl, rules.session_ttl) = (10 * DAY, 15 * DAY);
    let db = Database::under(rules, engine);
    let alice = db.account("alice");
    let opened = db.session(&alice);
    assert_eq!(db.live(&alice)[0].expires_at, opened.granted_at.plus(10 * DAY));

    db.clock.advance(6 * DAY);
    db.present(opened.session, 1);

    assert_eq!(db.live(&alice)[0].expires_at, opened.absolute_expires_at);
    // Whatever the row says of the idle limit.
    db.engine.sql("UPDATE sessions SET idle_expires_at = absolute_expires_at + 1");
    assert_eq!(db.live(&alice)[0].expires_at, opened.absolute_expires_at);
}

fn a_session_that_was_ended_is_not_shown(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let alice = db.account("alice");
    let (phone, laptop) = (db.session(&alice).session, db.session(&alice).session);

    db.sessions(vec![logout(phone)]);

    assert_eq!(shown(&db, &alice), [laptop]);
}

/// Fails unless a session of these rules is shown until then, and no longer.
fn shown_until(limit: Duration, rules: Rules, engine: Box<dyn Engine>, change: &str) {
    let db = Database::under(rules, engine);
    let alice = db.account("alice");
    let opened = db.session(&alice);
    db.engine.sql(change);
    // Time stands still but for what is noted.
    db.clock.step_back(1000 * DAY);

    db.clock.note(opened.granted_at.plus(limit - Duration::from_millis(1)));
    assert_eq!(shown(&db, &alice), [opened.session]);
    db.clock.note(opened.granted_at.plus(limit));
    assert_eq!(shown(&db, &alice), []);
}

fn a_session_past_its_idle_limit_is_not_shown_from_that_moment_on(engine: Box<dyn Engine>) {
    let mut rules = usual_rules();
    rules.rotation.idle_ttl = 3 * DAY;
    shown_until(3 * DAY, rules, engine, "");
}

fn a_session_past_its_absolute_limit_is_not_shown_from_that_moment_on(engine: Box<dyn Engine>) {
    let mut rules = usual_rules();
    rules.session_ttl = 5 * DAY;
    shown_until(5 * DAY, rules, engine, "UPDATE sessions SET idle_expires_at = absolute_expires_at + 1");
}

fn sessions_of_another_epoch_are_not_shown(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let alice = db.account("alice");
    let asked_by = db.session(&alice).session;
    db.change(UserOperation::EndSessions { user: alice.principal.id, asked_by });
    assert_eq!(shown(&db, &alice), []);

    let changed = db.find("alice").unwrap();
    let fresh = db.session(&changed).session;

    assert_eq!(shown(&db, &alice), [fresh]);
}

fn nothing_is_shown_of_who_is_disabled_or_gone(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let (alice, bob) = (db.account("alice"), db.account("bob"));
    db.session(&alice);
    db.session(&bob);

    // Past the operations, which would raise the epoch as well.
    db.engine.sql("UPDATE users SET disabled = 1 WHERE username = 'alice'");
    db.change(deleting(bob.principal.id));

    assert_eq!(shown(&db, &alice), []);
    assert_eq!(shown(&db, &bob), []);
    assert_eq!(db.wait(db.storage.live_sessions(UserId(Uuid::from_u128(7)))), Ok(vec![]));
}

fn a_role_change_leaves_the_list_alone(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let alice = db.account("alice");
    let session = db.session(&alice).session;

    db.change(giving(alice.principal.id, vec![Role::Admin]));

    assert_eq!(shown(&db, &alice), [session]);
}
