//! Operations on users: names, the fence, and what a change ends.

use latchkey::storage::{Account, UserOperation, UserOutcome};
use latchkey::tokens::principal::{Epoch, Role, UserId, Version};
use latchkey::tokens::refresh::SessionId;
use latchkey::tokens::revocation::Ended;
use uuid::Uuid;

use crate::database::{
    DAY, Database, creation, deleting, disabling, ending_all, endings, giving, granted, hash, logout, password_change,
    presenting, search, told,
};
use crate::engine::Engine;

every_engine![
    an_account_is_found_whatever_the_case_and_shown_as_registered,
    an_account_is_found_by_its_id,
    nobody_has_a_name_that_nobody_registered,
    a_name_is_taken_whatever_its_case,
    the_first_of_two_creations_in_a_batch_wins_and_the_batch_goes_on,
    a_password_change_ends_every_session_and_every_access_token_from_before,
    a_password_change_is_refused_once_the_account_is_another,
    a_password_change_is_refused_once_the_session_that_asks_is_over,
    a_password_change_opens_the_only_session_that_lives,
    logging_out_everywhere_ends_every_session_and_leaves_the_account,
    under_a_session_that_is_not_live_nobody_is_logged_out,
    an_administrator_ends_every_session_of_a_user_and_leaves_the_account,
    disabling_ends_every_session_and_enabling_revives_none,
    a_role_change_refuses_access_tokens_and_leaves_sessions_alone,
    a_deletion_ends_every_session_and_frees_the_name,
    nobody_is_changed_where_nobody_is,
    each_change_raises_the_least_version_and_the_highest_is_kept,
];

fn everybody_below(account: &Account, least_version: i64) -> Ended {
    Ended::User { id: account.principal.id, least_version: Version(least_version) }
}

fn an_account_is_found_whatever_the_case_and_shown_as_registered(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let before = db.clock.now();

    let created = db.account("Alice.B");

    assert_eq!(db.find("aLICE.b"), Some(created.clone()));
    assert_eq!(created.principal.username.as_str(), "Alice.B");
    assert_eq!(created.principal.roles, [Role::User]);
    assert_eq!(created.hash, hash("a hash of Alice.B's"));
    assert_eq!((created.disabled, created.epoch, created.principal.version), (false, Epoch(1), Version(1)));
    assert!(created.created_at >= before);
}

fn an_account_is_found_by_its_id(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    db.account("alice");
    let bob = db.account("bob");

    let done =
        db.users(vec![UserOperation::FindById(bob.principal.id), UserOperation::FindById(UserId(Uuid::from_u128(7)))]);

    assert_eq!(told(&done), ["found bob", "found nobody"]);
}

fn nobody_has_a_name_that_nobody_registered(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    db.account("alice");

    assert_eq!(db.find("alic"), None);
    assert_eq!(db.find("alice2"), None);
}

fn a_name_is_taken_whatever_its_case(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let alice = db.account("alice");

    assert_eq!(db.change(creation("ALICE")), "username taken");

    assert_eq!(db.find("Alice"), Some(alice));
    assert_eq!(db.count("users"), 1);
}

fn the_first_of_two_creations_in_a_batch_wins_and_the_batch_goes_on(engine: Box<dyn Engine>) {
    let db = Database::on(engine);

    let done = db.users(vec![creation("Alice"), creation("alice"), creation("bob"), search("ALICE")]);

    assert_eq!(told(&done), ["created Alice", "username taken", "created bob", "found Alice"]);
    assert_eq!(db.find("alice").unwrap().hash, hash("a hash of Alice's"));
    assert_eq!(db.count("users"), 2);
}

fn a_password_change_ends_every_session_and_every_access_token_from_before(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let (alice, bob) = (db.account("alice"), db.account("bob"));
    let (phone, laptop, bobs) = (db.session(&alice), db.session(&alice), db.session(&bob));

    let done = db.users(vec![password_change(phone.session, &alice, "another hash")]);

    assert_eq!(told(&done), ["changed, and granted 1"]);
    assert_eq!(endings(&done.revocations), [everybody_below(&alice, 2)]);
    assert_eq!(db.kept_endings(), [everybody_below(&alice, 2)]);
    let changed = db.find("alice").unwrap();
    assert_eq!(
        (changed.hash.clone(), changed.epoch, changed.principal.version),
        (hash("another hash"), Epoch(2), Version(2))
    );
    assert_eq!(db.present(phone.session, 1), "refused: revoked");
    assert_eq!(db.present(laptop.session, 1), "refused: revoked");
    assert_eq!(db.present(bobs.session, 1), "granted 2");
    assert_eq!(db.session(&changed).principal.version, Version(2));
}

fn a_password_change_is_refused_once_the_account_is_another(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let alice = db.account("alice");
    let asked_by = db.session(&alice).session;

    for seen in
        [Account { hash: hash("what was read before"), ..alice.clone() }, Account { epoch: Epoch(2), ..alice.clone() }]
    {
        let done = db.users(vec![password_change(asked_by, &seen, "stolen")]);
        assert_eq!((told(&done), done.revocations), (vec!["the account changed meanwhile".to_owned()], vec![]));
    }

    assert_eq!(db.find("alice"), Some(alice.clone()));
    assert_eq!(db.live(&alice).len(), 1);
}

fn a_password_change_is_refused_once_the_session_that_asks_is_over(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let (alice, bob) = (db.account("alice"), db.account("bob"));
    let refused = |asked_by| {
        let seen = db.find("alice").unwrap_or_else(|| alice.clone());
        let done = db.users(vec![password_change(asked_by, &seen, "stolen")]);
        assert_eq!((told(&done), done.revocations), (vec!["access token refused".to_owned()], vec![]));
        assert!(db.find("alice").is_none_or(|alice| alice.hash == seen.hash));
    };
    let (ended, live, bobs) = (db.session(&alice).session, db.session(&alice).session, db.session(&bob).session);
    db.sessions(vec![logout(ended)]);
    for asked_by in [ended, bobs, SessionId(Uuid::from_u128(7))] {
        refused(asked_by);
    }

    db.change(password_change(live, &alice, "another hash"));
    refused(live);
    let set = |disabled| disabling(alice.principal.id, disabled);
    let fresh = db.session(&db.find("alice").unwrap()).session;
    db.change(set(true));
    refused(fresh);
    db.change(set(false));
    refused(fresh);
    let last = db.session(&db.find("alice").unwrap()).session;
    db.change(deleting(alice.principal.id));
    refused(last);
}

fn a_password_change_opens_the_only_session_that_lives(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let alice = db.account("alice");
    let (phone, laptop) = (db.session(&alice).session, db.session(&alice).session);

    let mut done = db.users(vec![password_change(phone, &alice, "another hash")]);

    let Some(Ok(UserOutcome::PasswordChanged { grant, .. })) = done.outcomes.pop() else { panic!("{done:?}") };
    assert_eq!((grant.generation.number(), grant.principal.version), (1, Version(2)));
    assert_eq!(grant.absolute_expires_at, grant.granted_at.plus(90 * DAY));
    let live = db.live(&alice);
    assert_eq!(live.iter().map(|session| session.id).collect::<Vec<_>>(), [grant.session]);
    assert_eq!(live[0].user_agent.as_deref(), Some("password change"));
    assert_ne!(grant.session, phone);
    assert_eq!(db.present(laptop, 1), "refused: revoked");
    assert_eq!(db.present(grant.session, 1), "granted 2");
}

fn logging_out_everywhere_ends_every_session_and_leaves_the_account(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let (alice, bob) = (db.account("alice"), db.account("bob"));
    let (phone, laptop, bobs) = (db.session(&alice).session, db.session(&alice).session, db.session(&bob).session);

    let done = db.users(vec![UserOperation::EndSessions { user: alice.principal.id, asked_by: phone }]);

    assert_eq!(told(&done), ["changed"]);
    assert_eq!(endings(&done.revocations), [everybody_below(&alice, 2)]);
    assert_eq!(db.kept_endings(), [everybody_below(&alice, 2)]);
    assert_eq!(db.present(phone, 1), "refused: revoked");
    assert_eq!(db.present(laptop, 1), "refused: revoked");
    assert_eq!(db.present(bobs, 1), "granted 2");
    let after = db.find("alice").unwrap();
    assert_eq!((&after.hash, after.disabled, after.epoch), (&alice.hash, false, Epoch(2)));
    assert_eq!(db.session(&after).principal.version, Version(2));
}

fn under_a_session_that_is_not_live_nobody_is_logged_out(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let (alice, bob) = (db.account("alice"), db.account("bob"));
    let (ended, live, bobs) = (db.session(&alice).session, db.session(&alice).session, db.session(&bob).session);
    db.sessions(vec![logout(ended)]);

    for asked_by in [ended, bobs, SessionId(Uuid::from_u128(7))] {
        let done = db.users(vec![UserOperation::EndSessions { user: alice.principal.id, asked_by }]);
        assert_eq!((told(&done), done.revocations), (vec!["access token refused".to_owned()], vec![]));
    }

    assert_eq!(db.find("alice"), Some(alice));
    assert_eq!(db.present(live, 1), "granted 2");
}

fn an_administrator_ends_every_session_of_a_user_and_leaves_the_account(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let (alice, bob) = (db.account("alice"), db.account("bob"));
    let (phone, laptop, bobs) = (db.session(&alice), db.session(&alice), db.session(&bob));

    let done = db.users(vec![ending_all(alice.principal.id)]);

    assert_eq!(told(&done), ["changed"]);
    assert_eq!(endings(&done.revocations), [everybody_below(&alice, 2)]);
    assert_eq!(db.kept_endings(), [everybody_below(&alice, 2)]);
    assert_eq!(db.present(phone.session, 1), "refused: revoked");
    assert_eq!(db.present(laptop.session, 1), "refused: revoked");
    assert_eq!(db.present(bobs.session, 1), "granted 2");
    let changed = db.find("alice").unwrap();
    assert_eq!((&changed.hash, changed.disabled), (&alice.hash, false));
}

fn disabling_ends_every_session_and_enabling_revives_none(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let alice = db.account("alice");
    let phone = db.session(&alice);
    let set = |disabled| disabling(alice.principal.id, disabled);

    let done = db.users(vec![set(true)]);

    assert_eq!(endings(&done.revocations), [everybody_below(&alice, 2)]);
    assert!(db.find("alice").unwrap().disabled);
    assert_eq!(db.present(phone.session, 1), "refused: revoked");

    db.users(vec![set(false)]);

    let enabled = db.find("alice").unwrap();
    assert!(!enabled.disabled);
    assert_eq!(db.present(phone.session, 1), "refused: revoked");
    assert_eq!(db.session(&enabled).generation.number(), 1);
}

fn a_role_change_refuses_access_tokens_and_leaves_sessions_alone(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let alice = db.account("alice");
    let phone = db.session(&alice);
    let roles = vec![Role::User, Role::Admin];

    let done = db.users(vec![giving(alice.principal.id, roles.clone())]);

    assert_eq!(endings(&done.revocations), [everybody_below(&alice, 2)]);
    assert_eq!(db.kept_endings(), [everybody_below(&alice, 2)]);
    assert_eq!(db.find("alice").unwrap().epoch, Epoch(1));
    let renewed = granted(db.sessions(vec![presenting(phone.session, 1)]));
    assert_eq!((renewed.principal.roles, renewed.principal.version), (roles, Version(2)));
}

fn a_deletion_ends_every_session_and_frees_the_name(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let alice = db.account("alice");
    let phone = db.session(&alice);

    let done = db.users(vec![deleting(alice.principal.id), creation("alice")]);

    assert_eq!(told(&done), ["changed", "created alice"]);
    assert_eq!(endings(&done.revocations), [everybody_below(&alice, 2)]);
    assert_eq!(db.kept_endings(), [everybody_below(&alice, 2)]);
    assert_ne!(db.find("alice").unwrap().principal.id, alice.principal.id);
    assert_eq!(db.present(phone.session, 1), "refused: revoked");
}

fn nobody_is_changed_where_nobody_is(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    db.account("alice");
    let user = UserId(Uuid::from_u128(7));
    let before = db.engine.commits();

    let done = db.users(vec![disabling(user, true), giving(user, vec![Role::Admin]), ending_all(user), deleting(user)]);

    assert_eq!(told(&done), ["no such user"; 4]);
    assert_eq!(done.revocations, []);
    assert_eq!(db.kept_endings(), []);
    assert_eq!(db.engine.commits(), before);
}

fn each_change_raises_the_least_version_and_the_highest_is_kept(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let alice = db.account("alice");
    let user = alice.principal.id;

    let changing = db.password_change(&alice, "another hash");

    let done = db.users(vec![giving(user, vec![]), changing, disabling(user, true)]);

    assert_eq!(told(&done), ["changed", "changed, and granted 1", "changed"]);
    assert_eq!(endings(&done.revocations), [2, 3, 4].map(|version| everybody_below(&alice, version)));
    assert_eq!(db.kept_endings(), [everybody_below(&alice, 4)]);
    let changed = db.find("alice").unwrap();
    assert_eq!((changed.epoch, changed.principal.version), (Epoch(3), Version(4)));
}
