//! An account that its owner deletes, and the admin who must stay.

use latchkey::storage::{Account, UserOperation};
use latchkey::tokens::principal::{Epoch, Principal, Role, UserId, Version};
use latchkey::tokens::refresh::SessionId;
use latchkey::tokens::revocation::Ended;
use uuid::Uuid;

use crate::database::{Database, creation, disabling, endings, giving, hash, logout, told};
use crate::engine::Engine;

every_engine![
    an_owner_deletes_their_account_and_every_session_ends,
    a_deletion_is_refused_once_the_account_is_another,
    a_deletion_is_refused_once_the_session_that_asks_is_over,
    the_only_enabled_admin_is_not_deleted,
    an_admin_beside_another_enabled_one_is_deleted,
    of_two_admins_in_a_batch_one_stays,
    who_is_no_admin_is_missed_by_nobody,
];

fn deletion(asked_by: SessionId, account: &Account) -> UserOperation {
    UserOperation::DeleteOwn { seen: account.fence(), asked_by }
}

fn with_roles(db: &Database, name: &str, roles: &[Role]) -> Account {
    let user = db.account(name).principal.id;
    db.change(giving(user, roles.to_vec()));
    db.find(name).unwrap()
}

fn admin(db: &Database, name: &str) -> Account {
    with_roles(db, name, &[Role::User, Role::Admin])
}

/// Asks for the deletion of the account under a session of its own, and says what became of it.
fn delete(db: &Database, account: &Account) -> String {
    let asked_by = db.session(account).session;
    db.change(deletion(asked_by, account))
}

fn an_owner_deletes_their_account_and_every_session_ends(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let (alice, bob) = (db.account("alice"), db.account("bob"));
    let (phone, laptop, bobs) = (db.session(&alice).session, db.session(&alice).session, db.session(&bob).session);

    let done = db.users(vec![deletion(phone, &alice), creation("ALICE")]);

    assert_eq!(told(&done), ["changed", "created ALICE"]);
    let ended = Ended::User { id: alice.principal.id, least_version: Version(2) };
    assert_eq!((endings(&done.revocations), db.kept_endings()), (vec![ended], vec![ended]));
    assert_ne!(db.find("alice").unwrap().principal.id, alice.principal.id);
    for session in [phone, laptop] {
        assert_eq!(db.present(session, 1), "refused: revoked");
    }
    assert_eq!(db.present(bobs, 1), "granted 2");
}

fn a_deletion_is_refused_once_the_account_is_another(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let alice = db.account("alice");
    let asked_by = db.session(&alice).session;

    for seen in
        [Account { hash: hash("what was read before"), ..alice.clone() }, Account { epoch: Epoch(2), ..alice.clone() }]
    {
        assert_eq!(db.change(deletion(asked_by, &seen)), "the account changed meanwhile");
    }

    assert_eq!(db.find("alice"), Some(alice));
}

fn a_deletion_is_refused_once_the_session_that_asks_is_over(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let (alice, bob) = (db.account("alice"), db.account("bob"));
    let (ended, bobs) = (db.session(&alice).session, db.session(&bob).session);
    db.sessions(vec![logout(ended)]);

    for asked_by in [ended, bobs, SessionId(Uuid::from_u128(7))] {
        assert_eq!(db.change(deletion(asked_by, &alice)), "access token refused");
    }
    assert_eq!(db.find("alice").as_ref(), Some(&alice));

    let live = db.session(&alice).session;
    let nobody = Account { principal: nobody_like(&alice), ..alice.clone() };
    assert_eq!(db.change(deletion(live, &nobody)), "access token refused");
    let done = db.users(vec![deletion(live, &alice), deletion(live, &alice)]);
    assert_eq!(told(&done), ["changed", "access token refused"]);
}

/// Like that account's, but of an id that nobody has.
fn nobody_like(account: &Account) -> Principal {
    Principal { id: UserId(Uuid::from_u128(7)), ..account.principal.clone() }
}

fn the_only_enabled_admin_is_not_deleted(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let (alice, disabled) = (admin(&db, "alice"), admin(&db, "mallory"));
    db.account("bob");
    db.change(disabling(disabled.principal.id, true));
    let session = db.session(&alice).session;
    let kept = db.kept_endings();

    let done = db.users(vec![deletion(session, &alice)]);

    assert_eq!((told(&done), done.revocations), (vec!["the last admin".to_owned()], vec![]));
    assert_eq!((db.find("alice"), db.kept_endings()), (Some(alice), kept));
    assert_eq!(db.present(session, 1), "granted 2");
}

fn an_admin_beside_another_enabled_one_is_deleted(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let alice = with_roles(&db, "alice", &[Role::Admin]);
    admin(&db, "bob");

    assert_eq!(delete(&db, &alice), "changed");

    assert_eq!(db.find("alice"), None);
}

fn of_two_admins_in_a_batch_one_stays(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let (alice, bob) = (admin(&db, "alice"), admin(&db, "bob"));
    let (alices, bobs) = (db.session(&alice).session, db.session(&bob).session);

    let done = db.users(vec![deletion(alices, &alice), deletion(bobs, &bob)]);

    assert_eq!(told(&done), ["changed", "the last admin"]);
    assert_eq!(db.find("bob"), Some(bob));
}

fn who_is_no_admin_is_missed_by_nobody(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    for (name, roles) in [("alice", &[Role::User][..]), ("bob", &[])] {
        let account = with_roles(&db, name, roles);
        assert_eq!(delete(&db, &account), "changed", "{name}");
    }
}
