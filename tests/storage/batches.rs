//! A batch is one transaction in which each operation is decided on what the one before it left.

use latchkey::storage::{LARGEST_BATCH, SessionOutcome};
use latchkey::tokens::revocation::Ended;

use crate::database::{
    Database, WINDOW, creation, endings, granted, hash, logout, opening_from, password_change, presenting,
    strict_rules, told,
};
use crate::engine::Engine;

every_engine![
    all_who_present_one_token_at_once_get_the_same_successor,
    operations_on_one_session_are_decided_in_order,
    an_ending_is_never_overwritten_by_a_later_operation,
    a_reuse_and_what_follows_it_are_decided_in_order,
    changes_of_one_user_are_decided_in_order,
    the_largest_batch_is_done_in_order_and_at_one_time,
    a_refused_operation_fails_alone,
    an_empty_batch_commits_nothing,
];

fn all_who_present_one_token_at_once_get_the_same_successor(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let session = db.session(&db.account("alice")).session;

    let done = db.sessions((0..50).map(|_| presenting(session, 1)).collect());

    assert_eq!(told(&done), ["granted 2"; 50]);
    assert_eq!(db.engine.number("SELECT current_generation FROM sessions"), 2);
}

fn operations_on_one_session_are_decided_in_order(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let session = db.session(&db.account("alice")).session;

    let done = db.sessions(vec![
        presenting(session, 1),
        presenting(session, 1),
        presenting(session, 2),
        logout(session),
        presenting(session, 2),
    ]);

    assert_eq!(told(&done), ["granted 2", "granted 2", "granted 2", "ended", "refused: revoked"]);
    assert_eq!(endings(&done.revocations), [Ended::Session(session)]);
    assert_eq!(db.engine.number("SELECT current_generation FROM sessions"), 2);
}

fn an_ending_is_never_overwritten_by_a_later_operation(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let session = db.session(&db.account("alice")).session;
    db.present(session, 1);
    db.clock.advance(WINDOW);

    let done = db.sessions(vec![logout(session), presenting(session, 1), presenting(session, 2), logout(session)]);

    assert_eq!(told(&done), ["ended", "refused: revoked", "refused: revoked", "was over"]);
    assert_eq!(endings(&done.revocations), [Ended::Session(session)]);
    assert_eq!(db.engine.text("SELECT end_reason FROM sessions").as_deref(), Some("logout"));
}

fn a_reuse_and_what_follows_it_are_decided_in_order(engine: Box<dyn Engine>) {
    let db = Database::under(strict_rules(), engine);
    let session = db.session(&db.account("alice")).session;

    let done = db.sessions(vec![
        presenting(session, 1),
        presenting(session, 2),
        presenting(session, 1),
        presenting(session, 3),
        logout(session),
    ]);

    assert_eq!(told(&done), ["granted 2", "granted 3", "reused", "refused: revoked", "was over"]);
    assert_eq!(db.engine.text("SELECT end_reason FROM sessions").as_deref(), Some("reuse"));
}

fn changes_of_one_user_are_decided_in_order(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let alice = db.account("alice");

    let (phone, laptop) = (db.session(&alice).session, db.session(&alice).session);

    let done =
        db.users(vec![password_change(phone, &alice, "the first"), password_change(laptop, &alice, "the second")]);

    assert_eq!(told(&done), ["changed, and granted 1", "access token refused"]);
    assert_eq!(done.revocations.len(), 1);
    assert_eq!(db.find("alice").unwrap().hash, hash("the first"));
}

fn the_largest_batch_is_done_in_order_and_at_one_time(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let alice = db.account("alice");

    let names = (0..LARGEST_BATCH).map(|number| format!("user{number}"));
    let created = db.users(names.clone().map(|name| creation(&name)).collect());
    assert_eq!(told(&created), names.map(|name| format!("created {name}")).collect::<Vec<_>>());

    let opened = db.sessions((0..LARGEST_BATCH).map(|number| opening_from(&alice, &number.to_string())).collect());
    let grants = opened.outcomes.into_iter().map(|outcome| match outcome {
        Ok(SessionOutcome::Opened { grant, .. }) => grant,
        other => panic!("not opened: {other:?}"),
    });
    let grants: Vec<_> = grants.collect();
    assert_eq!(grants.len(), LARGEST_BATCH);
    assert!(grants.iter().all(|grant| grant.granted_at == grants[0].granted_at));
    db.sessions(vec![logout(grants[300].session)]);
    assert_eq!(db.user_agent("ended_at IS NOT NULL").as_deref(), Some("300"));
}

fn a_refused_operation_fails_alone(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let (alice, bob) = (db.account("alice"), db.account("bob"));
    let (phone, laptop) = (db.session(&alice).session, db.session(&bob).session);
    db.sessions(vec![logout(phone)]);

    let done = db.sessions(vec![presenting(phone, 1), presenting(laptop, 1), presenting(phone, 1)]);

    assert_eq!(told(&done), ["refused: revoked", "granted 2", "refused: revoked"]);
    db.clock.advance(WINDOW);
    assert_eq!(granted(db.sessions(vec![presenting(laptop, 2)])).generation.number(), 3);
}

fn an_empty_batch_commits_nothing(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    db.account("alice");
    let before = db.engine.commits();

    assert!(db.sessions(Vec::new()).outcomes.is_empty());
    assert!(db.users(Vec::new()).outcomes.is_empty());

    assert_eq!(db.engine.commits(), before);
}
