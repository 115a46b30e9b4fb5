//! Opening and ending sessions.

use latchkey::storage::{Account, EndReason, SessionOperation, SessionOutcome};
use latchkey::tokens::principal::Epoch;
use latchkey::tokens::refresh::{Generation, SessionId};
use latchkey::tokens::revocation::Ended;
use uuid::Uuid;

use crate::database::{
    DAY, Database, deleting, disabling, endings, hash, logout, new_session, opening, told, usual_rules,
};
use crate::engine::Engine;

every_engine![
    a_session_opens_with_the_first_generation_and_both_limits,
    a_session_keeps_where_it_came_from,
    no_session_opens_for_an_account_that_is_another_by_now,
    a_stronger_hash_is_stored_with_its_session,
    a_stronger_hash_is_refused_with_its_session,
    an_ending_says_whose_session_it_was_if_it_was_live,
    what_ended_with_all_of_its_users_sessions_is_not_ended_again,
    an_ending_keeps_its_first_reason,
    an_owner_ends_a_session_of_theirs_and_the_others_live,
    an_owner_may_end_the_session_that_asks_and_one_that_is_over,
    a_session_that_is_not_the_owners_is_none_and_lives,
    under_a_session_that_is_not_live_none_is_ended,
];

fn a_session_opens_with_the_first_generation_and_both_limits(engine: Box<dyn Engine>) {
    let mut rules = usual_rules();
    rules.session_ttl = 20 * DAY;
    rules.rotation.idle_ttl = 30 * DAY;
    let db = Database::under(rules, engine);
    let alice = db.account("alice");
    let before = db.clock.now();

    let grant = db.session(&alice);

    assert_eq!((grant.generation, &grant.principal), (Generation::FIRST, &alice.principal));
    assert!(grant.granted_at >= before && grant.granted_at <= db.clock.now());
    assert_eq!(grant.absolute_expires_at, grant.granted_at.plus(20 * DAY));
    assert_eq!(grant.idle_expires_at, grant.absolute_expires_at, "the idle limit is past the absolute one");
}

fn a_session_keeps_where_it_came_from(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let alice = db.account("alice");

    db.sessions(vec![SessionOperation::Open(new_session(&alice, "a browser"))]);

    assert_eq!(db.user_agent("TRUE").as_deref(), Some("a browser"));
    assert_eq!(db.engine.text("SELECT ip FROM sessions").as_deref(), Some("192.0.2.1"));
}

fn no_session_opens_for_an_account_that_is_another_by_now(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let refused = |seen: &Account| {
        let (before, sessions) = (db.engine.commits(), db.count("sessions"));
        assert_eq!(told(&db.sessions(vec![opening(seen)])), ["the account changed meanwhile"]);
        assert_eq!(db.count("sessions"), sessions);
        assert_eq!(db.engine.commits(), before);
    };
    let alice = db.account("alice");
    refused(&Account { hash: hash("what was read before"), ..alice.clone() });
    refused(&Account { epoch: Epoch(2), ..alice.clone() });

    db.change(db.password_change(&alice, "another hash"));
    refused(&alice);

    db.change(disabling(alice.principal.id, true));
    refused(&db.find("alice").unwrap());

    db.change(deleting(alice.principal.id));
    refused(&alice);
}

fn a_stronger_hash_is_stored_with_its_session(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let alice = db.account("alice");
    let mut session = new_session(&alice, "phone");
    session.stronger_hash = Some(hash("a stronger hash"));
    let opening = || SessionOperation::Open(session.clone());

    // The second was checked against the hash that the first one replaced.
    let done = db.sessions(vec![opening(), opening()]);

    assert_eq!(told(&done), ["opened", "the account changed meanwhile"]);
    assert_eq!(done.revocations, [], "the password is the same one");
    let stored = db.find("alice").unwrap();
    assert_eq!(stored, Account { hash: hash("a stronger hash"), ..alice });
    assert_eq!(db.count("sessions"), 1);
}

fn a_stronger_hash_is_refused_with_its_session(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let alice = db.account("alice");
    let mut session = new_session(&alice, "phone");
    session.stronger_hash = Some(hash("the old password, hashed again"));
    db.change(db.password_change(&alice, "the new password's"));

    let done = db.sessions(vec![SessionOperation::Open(session)]);

    assert_eq!(told(&done), ["the account changed meanwhile"]);
    assert_eq!(db.find("alice").unwrap().hash, hash("the new password's"));
}

fn an_ending_says_whose_session_it_was_if_it_was_live(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let alice = db.account("alice");
    let (phone, laptop) = (db.session(&alice).session, db.session(&alice).session);
    let unknown = SessionId(Uuid::from_u128(7));

    let done = db.sessions(vec![logout(phone), logout(phone), logout(unknown)]);

    assert_eq!(told(&done), ["ended", "was over", "was over"]);
    let Ok(SessionOutcome::Ended { session: Some(ended) }) = done.outcomes[0] else { panic!("{done:?}") };
    assert_eq!(ended.owner, alice.principal.id);
    assert_eq!(endings(&done.revocations), [Ended::Session(phone)]);
    assert_eq!(db.kept_endings(), [Ended::Session(phone)]);
    assert_eq!(db.present(phone, 1), "refused: revoked");
    assert_eq!(db.present(laptop, 1), "granted 2");

    let before = db.engine.commits();
    let again = db.sessions(vec![logout(phone), logout(unknown)]);
    assert_eq!(told(&again), ["was over", "was over"]);
    assert_eq!(again.revocations, []);
    assert_eq!(db.engine.commits(), before);
}

fn what_ended_with_all_of_its_users_sessions_is_not_ended_again(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let (alice, bob) = (db.account("alice"), db.account("bob"));
    let (changed, deleted) = (db.session(&alice).session, db.session(&bob).session);
    db.change(db.password_change(&alice, "another hash"));
    db.change(deleting(bob.principal.id));
    let before = db.engine.commits();

    let done = db.sessions(vec![logout(changed), logout(deleted)]);

    assert_eq!(told(&done), ["was over", "was over"]);
    assert_eq!(done.revocations, []);
    assert_eq!(db.engine.commits(), before);
}

fn an_ending_keeps_its_first_reason(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let alice = db.account("alice");
    let phone = db.session(&alice).session;
    let reason = || db.engine.text("SELECT end_reason FROM sessions");
    let ended_at = || db.engine.number("SELECT ended_at FROM sessions");
    assert_eq!(reason(), None);

    db.sessions(vec![logout(phone)]);
    assert_eq!(reason().as_deref(), Some("logout"));
    let at = ended_at();

    db.clock.advance(DAY);
    db.sessions(vec![SessionOperation::End { session: phone, reason: EndReason::Reuse }]);
    assert_eq!((reason().as_deref(), ended_at()), (Some("logout"), at));
}

fn ending_own(owner: &Account, asked_by: SessionId, session: SessionId) -> SessionOperation {
    SessionOperation::EndOwn { owner: owner.principal.id, asked_by, session }
}

fn an_owner_ends_a_session_of_theirs_and_the_others_live(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let alice = db.account("alice");
    let (phone, laptop, third) = (db.session(&alice).session, db.session(&alice).session, db.session(&alice).session);

    let done = db.sessions(vec![ending_own(&alice, laptop, phone)]);

    let Ok(SessionOutcome::Ended { session: Some(ended) }) = done.outcomes[0] else { panic!("{done:?}") };
    assert_eq!(ended.owner, alice.principal.id);
    assert_eq!(endings(&done.revocations), [Ended::Session(phone)]);
    assert_eq!(db.kept_endings(), [Ended::Session(phone)]);
    let reason = db.engine.text("SELECT end_reason FROM sessions WHERE ended_at IS NOT NULL");
    assert_eq!(reason.as_deref(), Some("revoked"));
    assert_eq!(db.present(phone, 1), "refused: revoked");
    assert_eq!(db.present(laptop, 1), "granted 2");
    assert_eq!(db.present(third, 1), "granted 2");
}

fn an_owner_may_end_the_session_that_asks_and_one_that_is_over(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let alice = db.account("alice");
    let (phone, laptop) = (db.session(&alice).session, db.session(&alice).session);
    db.sessions(vec![logout(phone)]);
    let before = db.engine.commits();
    assert_eq!(told(&db.sessions(vec![ending_own(&alice, laptop, phone)])), ["was over"]);
    assert_eq!(db.engine.commits(), before);

    assert_eq!(told(&db.sessions(vec![ending_own(&alice, laptop, laptop)])), ["ended"]);

    assert_eq!(db.live(&alice), []);
}

fn a_session_that_is_not_the_owners_is_none_and_lives(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let (alice, bob) = (db.account("alice"), db.account("bob"));
    let (alices, bobs) = (db.session(&alice).session, db.session(&bob).session);
    let unknown = SessionId(Uuid::from_u128(7));

    let done = db.sessions(vec![ending_own(&alice, alices, bobs), ending_own(&alice, alices, unknown)]);

    assert_eq!(told(&done), ["no such session"; 2]);
    assert_eq!(done.revocations, []);
    assert_eq!(db.present(bobs, 1), "granted 2");
}

fn under_a_session_that_is_not_live_none_is_ended(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let (alice, bob) = (db.account("alice"), db.account("bob"));
    let refused = |asked_by, session| {
        let done = db.sessions(vec![ending_own(&alice, asked_by, session)]);
        assert_eq!((told(&done), done.revocations), (vec!["access token refused".to_owned()], vec![]));
    };
    let expired = db.session(&alice).session;
    db.clock.advance(30 * DAY);
    let (ended, live, bobs) = (db.session(&alice).session, db.session(&alice).session, db.session(&bob).session);
    db.sessions(vec![logout(ended)]);

    for asked_by in [ended, expired, bobs, SessionId(Uuid::from_u128(7))] {
        refused(asked_by, live);
    }
    assert_eq!(db.present(live, 1), "granted 2");

    db.change(disabling(alice.principal.id, true));
    refused(live, live);
    db.change(disabling(alice.principal.id, false));
    refused(live, live);
    db.change(deleting(alice.principal.id));
    refused(live, live);
}
