//! Verdicts and their rows: each that changes something is written, each that does not commits nothing.

use std::time::Duration;

use latchkey::storage::{Client, SessionOutcome, UserAgent};
use latchkey::tokens::refresh::SessionId;
use latchkey::tokens::revocation::Ended;
use uuid::Uuid;

use crate::database::{
    DAY, Database, WINDOW, disabling, endings, granted, logout, presenting, presenting_from, strict_rules, told,
    usual_rules,
};
use crate::engine::Engine;

every_engine![
    the_current_token_is_spent_for_its_successor,
    the_idle_limit_is_renewed_and_never_passes_the_absolute_one,
    a_held_token_commits_nothing,
    a_replayed_parent_commits_nothing,
    a_parent_outside_the_window_is_given_a_new_successor_until_used,
    a_spent_token_ends_its_session_and_names_its_owner,
    a_token_from_the_future_ends_its_session_as_a_rollback,
    a_refusal_commits_nothing,
    the_last_generation_is_over,
    rotations_add_no_rows,
    a_rotation_notes_who_renewed_and_what_is_held_or_replayed_does_not,
    a_rotation_by_a_client_that_does_not_name_itself_forgets_the_one_before,
];

/// The columns that a rotation writes.
fn generations(db: &Database) -> (i64, i64) {
    let column = |name: &str| db.engine.number(&format!("SELECT {name} FROM sessions"));
    (column("current_generation"), column("parent_generation"))
}

fn the_current_token_is_spent_for_its_successor(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let opened = db.session(&db.account("alice"));

    let renewed = granted(db.sessions(vec![presenting(opened.session, 1)]));

    assert_eq!((renewed.session, renewed.generation.number()), (opened.session, 2));
    assert_eq!(renewed.principal, opened.principal);
    assert_eq!(generations(&db), (2, 1));
    assert_eq!(db.engine.number("SELECT rotated_at FROM sessions"), renewed.granted_at.as_millis());

    db.clock.advance(WINDOW);
    assert_eq!(db.present(opened.session, 2), "granted 3");
    assert_eq!(generations(&db), (3, 2));
}

fn the_idle_limit_is_renewed_and_never_passes_the_absolute_one(engine: Box<dyn Engine>) {
    let mut rules = usual_rules();
    (rules.rotation.idle_ttl, rules.session_ttl) = (10 * DAY, 15 * DAY);
    let db = Database::under(rules, engine);
    let opened = db.session(&db.account("alice"));
    assert_eq!(opened.idle_expires_at, opened.granted_at.plus(10 * DAY));

    db.clock.advance(4 * DAY);
    let renewed = granted(db.sessions(vec![presenting(opened.session, 1)]));
    assert_eq!(renewed.idle_expires_at, renewed.granted_at.plus(10 * DAY));
    assert_eq!(renewed.absolute_expires_at, opened.absolute_expires_at);

    db.clock.advance(4 * DAY);
    let late = granted(db.sessions(vec![presenting(opened.session, 2)]));
    assert_eq!(late.idle_expires_at, opened.absolute_expires_at);

    db.clock.advance(7 * DAY);
    assert_eq!(db.present(opened.session, 3), "refused: expired");
}

fn a_held_token_commits_nothing(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let session = db.session(&db.account("alice")).session;
    let renewed = granted(db.sessions(vec![presenting(session, 1)]));
    let before = db.engine.commits();
    db.clock.advance(Duration::from_secs(9));

    let done = db.sessions(vec![presenting(session, 2)]);

    assert_eq!(db.engine.commits(), before);
    assert_eq!(done.revocations, []);
    let held = granted(done);
    assert_eq!((held.generation, held.idle_expires_at), (renewed.generation, renewed.idle_expires_at));
    assert!(held.granted_at > renewed.granted_at, "the access token is a fresh one");
}

fn a_replayed_parent_commits_nothing(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let session = db.session(&db.account("alice")).session;
    db.present(session, 1);
    let before = db.engine.commits();
    db.clock.advance(Duration::from_secs(9));

    assert_eq!(told(&db.sessions(vec![presenting(session, 1), presenting(session, 1)])), ["granted 2", "granted 2"]);

    assert_eq!(db.engine.commits(), before);
    db.clock.advance(Duration::from_secs(1));
    assert_eq!(db.present(session, 1), "reused", "the window did not slide");
}

fn a_parent_outside_the_window_is_given_a_new_successor_until_used(engine: Box<dyn Engine>) {
    let mut rules = usual_rules();
    rules.rotation.until_used = true;
    let db = Database::under(rules, engine);
    let session = db.session(&db.account("alice")).session;
    db.present(session, 1);
    db.clock.advance(DAY);

    assert_eq!(db.present(session, 1), "granted 3");

    assert_eq!(generations(&db), (3, 1));
    assert_eq!(db.present(session, 2), "reused", "the unused successor was spent");
}

fn a_spent_token_ends_its_session_and_names_its_owner(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let alice = db.account("alice");
    let (phone, laptop) = (db.session(&alice).session, db.session(&alice).session);
    db.present(phone, 1);
    db.clock.advance(WINDOW);

    let done = db.sessions(vec![presenting(phone, 1)]);

    assert!(
        matches!(done.outcomes[0], Ok(SessionOutcome::Reused { user, rollback_detected: false }) if user == alice.principal.id),
        "{done:?}"
    );
    assert_eq!(endings(&done.revocations), [Ended::Session(phone)]);
    assert_eq!(db.kept_endings(), [Ended::Session(phone)]);
    assert_eq!(db.engine.text("SELECT max(end_reason) FROM sessions").as_deref(), Some("reuse"));
    assert_eq!(db.present(phone, 2), "refused: revoked");
    assert_eq!(db.present(laptop, 1), "granted 2");
}

fn a_token_from_the_future_ends_its_session_as_a_rollback(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let session = db.session(&db.account("alice")).session;

    let done = db.sessions(vec![presenting(session, 2)]);

    assert_eq!(told(&done), ["reused after a rollback"]);
    assert_eq!(endings(&done.revocations), [Ended::Session(session)]);
    assert_eq!(db.present(session, 1), "refused: revoked");
}

fn a_refusal_commits_nothing(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let (alice, bob, carol) = (db.account("alice"), db.account("bob"), db.account("carol"));
    let (ended, live) = (db.session(&alice).session, db.session(&alice).session);
    let (bobs, carols) = (db.session(&bob).session, db.session(&carol).session);
    db.sessions(vec![logout(ended)]);
    db.change(disabling(bob.principal.id, true));
    db.change(db.password_change(&carol, "another hash"));
    let before = db.engine.commits();

    let unknown = SessionId(Uuid::from_u128(7));
    let refused = db.sessions([unknown, ended, bobs, carols].map(|session| presenting(session, 1)).into());
    db.clock.advance(30 * DAY);
    let late = db.sessions(vec![presenting(live, 1)]);

    let revoked = "refused: revoked";
    assert_eq!(told(&refused), ["refused: unknown", revoked, revoked, revoked]);
    assert_eq!(told(&late), ["refused: expired"]);
    assert!(matches!(late.outcomes[0], Ok(SessionOutcome::Expired { user }) if user == alice.principal.id));
    assert!(refused.revocations.is_empty() && late.revocations.is_empty());
    assert_eq!(db.engine.commits(), before);
}

fn the_last_generation_is_over(engine: Box<dyn Engine>) {
    let db = Database::under(strict_rules(), engine);
    let session = db.session(&db.account("alice")).session;
    db.engine.sql("UPDATE sessions SET current_generation = 4294967294, parent_generation = 4294967293");

    assert_eq!(db.present(session, u32::MAX - 1), "granted 4294967295");
    assert_eq!(db.present(session, u32::MAX), "refused: expired");
}

fn rotations_add_no_rows(engine: Box<dyn Engine>) {
    let db = Database::under(strict_rules(), engine);
    let session = db.session(&db.account("alice")).session;

    let done = db.sessions((1..=100).map(|generation| presenting(session, generation)).collect());

    assert_eq!(told(&done).last().map(String::as_str), Some("granted 101"));
    assert_eq!((db.count("sessions"), db.count("revocations")), (1, 0));
}

/// Where the session's last rotation came from, by its row.
fn last_client(db: &Database) -> (Option<String>, Option<String>) {
    (db.user_agent("TRUE"), db.engine.text("SELECT ip FROM sessions"))
}

fn a_rotation_notes_who_renewed_and_what_is_held_or_replayed_does_not(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let session = db.session(&db.account("alice")).session;
    let tablet = Client { user_agent: Some(UserAgent::of(b"tablet")), ip: Some("2001:db8::7".parse().unwrap()) };

    db.sessions(vec![presenting_from(session, 1, tablet)]);
    assert_eq!(last_client(&db), (Some("tablet".to_owned()), Some("2001:db8::7".to_owned())));

    let held = db.sessions(vec![presenting(session, 2), presenting(session, 1)]);
    assert_eq!(told(&held), ["granted 2", "granted 2"]);
    assert_eq!(last_client(&db), (Some("tablet".to_owned()), Some("2001:db8::7".to_owned())));
}

fn a_rotation_by_a_client_that_does_not_name_itself_forgets_the_one_before(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let session = db.session(&db.account("alice")).session;

    db.sessions(vec![presenting_from(session, 1, Client::default())]);

    assert_eq!(last_client(&db), (None, None));
}
