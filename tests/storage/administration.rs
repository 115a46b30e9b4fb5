//! Acts of admins on accounts, and the pages that they are shown.

use latchkey::storage::{
    Account, AccountChange, Act, Administration, AskedBy, ShownUser, UserOperation, UserOutcome, UserPage, UserQuery,
};
use latchkey::tokens::principal::{Epoch, Role, UserId, Version};
use latchkey::tokens::refresh::SessionId;
use latchkey::tokens::revocation::Ended;
use uuid::Uuid;

use crate::database::{DAY, Database, deleting, disabling, endings, giving, logout, told, usual_rules};
use crate::engine::Engine;

every_engine![
    roles_and_lock_change_in_one_write,
    what_is_so_already_changes_nothing,
    a_change_answers_with_the_account_as_it_is_now,
    an_end_of_sessions_leaves_the_account,
    whoever_is_no_admin_by_now_does_nothing,
    where_nobody_is_nothing_is_done,
    the_last_enabled_admin_stays_whatever_is_asked,
    of_two_admins_who_demote_each_other_in_a_batch_one_remains,
    a_page_has_accounts_in_the_order_of_their_ids,
    a_search_takes_every_character_as_it_stands,
    a_shown_account_counts_its_live_sessions_only,
];

const NOBODY: UserId = UserId(Uuid::from_u128(7));

fn acting(by: Option<AskedBy>, user: UserId, act: Act) -> UserOperation {
    UserOperation::Administer(Administration { by, user, act })
}

/// An admin with a session.
fn admin(db: &Database, name: &str) -> (Account, AskedBy) {
    let user = db.account(name).principal.id;
    db.change(giving(user, vec![Role::User, Role::Admin]));
    let account = db.find(name).unwrap();
    let session = db.session(&account).session;
    (account, AskedBy { admin: user, session })
}

fn change(db: &Database, user: UserId, change: AccountChange) -> latchkey::storage::ChangedUser {
    match db.users(vec![acting(None, user, Act::Change(change))]).outcomes.pop() {
        Some(Ok(UserOutcome::Administered(changed))) => changed,
        other => panic!("not changed: {other:?}"),
    }
}

fn page(db: &Database, query: UserQuery) -> UserPage {
    db.wait(db.storage.user_page(query)).unwrap()
}

fn shown(db: &Database, user: UserId) -> Option<ShownUser> {
    db.wait(db.storage.shown_user(user)).unwrap()
}

fn roles_and_lock_change_in_one_write(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let alice = db.account("alice");
    let session = db.session(&alice).session;
    let before = db.engine.commits();
    let both = AccountChange { roles: Some(vec![Role::Admin]), disabled: Some(true) };

    let done = db.users(vec![acting(None, alice.principal.id, Act::Change(both))]);

    let ended = Ended::User { id: alice.principal.id, least_version: Version(2) };
    assert_eq!((endings(&done.revocations), db.kept_endings()), (vec![ended], vec![ended]));
    assert_eq!(db.engine.commits(), before + 1);
    let after = db.find("alice").unwrap();
    assert_eq!((after.disabled, after.epoch, after.principal.version), (true, Epoch(2), Version(2)));
    assert_eq!((after.principal.roles, after.hash), (vec![Role::Admin], alice.hash));
    assert_eq!(db.present(session, 1), "refused: revoked");
}

fn what_is_so_already_changes_nothing(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let alice = db.account("alice");
    let before = db.engine.commits();
    let same = AccountChange { roles: Some(vec![Role::User, Role::User]), disabled: Some(false) };

    for asked in [same, AccountChange::default()] {
        let changed = change(&db, alice.principal.id, asked);
        assert_eq!((changed.former_roles, changed.is_disabled_changed), (None, false));
    }

    assert_eq!((db.engine.commits(), db.find("alice")), (before, Some(alice)));
    assert_eq!(db.kept_endings(), []);
}

fn a_change_answers_with_the_account_as_it_is_now(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let alice = db.account("alice");
    let user = alice.principal.id;
    db.session(&alice);
    let roles = Some(vec![Role::Admin, Role::User, Role::Admin]);

    let changed = change(&db, user, AccountChange { roles, disabled: None });

    assert_eq!((changed.user.roles.clone(), changed.user.sessions), (vec![Role::User, Role::Admin], 1));
    assert_eq!((changed.former_roles, changed.is_disabled_changed), (Some(vec![Role::User]), false));
    assert_eq!(shown(&db, user), Some(changed.user));
    admin(&db, "root");
    let changed = change(&db, user, AccountChange { roles: None, disabled: Some(true) });
    assert_eq!((changed.user.disabled, changed.user.sessions), (true, 0));
    assert_eq!((changed.former_roles, changed.is_disabled_changed), (None, true));
}

fn an_end_of_sessions_leaves_the_account(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let (alice, bob) = (db.account("alice"), db.account("bob"));
    let (of_alice, of_bob) = (db.session(&alice).session, db.session(&bob).session);

    let done = db.users(vec![acting(None, alice.principal.id, Act::EndSessions)]);

    assert_eq!(told(&done), ["changed"]);
    let ended = Ended::User { id: alice.principal.id, least_version: Version(2) };
    assert_eq!((endings(&done.revocations), db.kept_endings()), (vec![ended], vec![ended]));
    assert_eq!((db.present(of_alice, 1), db.present(of_bob, 1)), ("refused: revoked".into(), "granted 2".into()));
    let after = db.find("alice").unwrap();
    assert_eq!((after.hash, after.disabled, after.principal.roles), (alice.hash, false, alice.principal.roles));
}

fn whoever_is_no_admin_by_now_does_nothing(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let (_, root) = admin(&db, "root");
    let (demoted, as_demoted) = admin(&db, "demoted");
    let (disabled, as_disabled) = admin(&db, "disabled");
    let alice = db.account("alice");
    let as_alice = AskedBy { admin: alice.principal.id, session: db.session(&alice).session };
    let ended = AskedBy { session: db.session(&db.find("root").unwrap()).session, ..root };
    db.sessions(vec![logout(ended.session)]);
    db.change(giving(demoted.principal.id, vec![Role::User]));
    db.change(disabling(disabled.principal.id, true));
    let nobodys = AskedBy { session: SessionId(Uuid::from_u128(7)), ..root };
    let anothers = AskedBy { session: as_alice.session, ..root };

    let lock = AccountChange { disabled: Some(true), roles: None };
    for by in [as_alice, as_demoted, as_disabled, ended, nobodys, anothers] {
        for act in [Act::Change(lock.clone()), Act::EndSessions, Act::Delete] {
            let done = db.users(vec![acting(Some(by), alice.principal.id, act)]);
            assert_eq!((told(&done), done.revocations), (vec!["access token refused".to_owned()], vec![]), "{by:?}");
        }
    }

    assert_eq!(db.find("alice").as_ref(), Some(&alice));
    assert_eq!(db.change(acting(Some(root), alice.principal.id, Act::Delete)), "changed");
}

fn where_nobody_is_nothing_is_done(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let (_, root) = admin(&db, "root");
    let before = db.engine.commits();

    for act in [Act::Change(AccountChange::default()), Act::EndSessions, Act::Delete] {
        assert_eq!(db.change(acting(Some(root), NOBODY, act)), "no such user");
    }

    assert_eq!(db.engine.commits(), before);
    assert_eq!(shown(&db, NOBODY), None);
}

fn the_last_enabled_admin_stays_whatever_is_asked(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let (root, by) = admin(&db, "root");
    let (other, _) = admin(&db, "other");
    db.change(disabling(other.principal.id, true));
    let (kept, before) = (db.kept_endings(), db.engine.commits());
    let to = |roles: &[Role], disabled| AccountChange { roles: Some(roles.to_vec()), disabled: Some(disabled) };

    for by in [None, Some(by)] {
        for act in [
            Act::Change(to(&[Role::User], false)),
            Act::Change(to(&[], false)),
            Act::Change(to(&[Role::Admin], true)),
            Act::Delete,
        ] {
            let told = db.change(acting(by, root.principal.id, act.clone()));
            assert_eq!(told, "the last admin", "{act:?}");
        }
    }

    assert_eq!((db.find("root"), db.kept_endings(), db.engine.commits()), (Some(root), kept, before));
    assert_eq!(db.change(deleting(other.principal.id)), "changed");
}

fn of_two_admins_who_demote_each_other_in_a_batch_one_remains(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let ((one, by_one), (other, by_other)) = (admin(&db, "one"), admin(&db, "other"));
    admin(&db, "third");
    let demote = |by, account: &Account| {
        acting(Some(by), account.principal.id, Act::Change(AccountChange { roles: Some(vec![]), disabled: None }))
    };

    let done = db.users(vec![demote(by_one, &other), demote(by_other, &one)]);

    assert_eq!(told(&done), ["changed", "access token refused"]);
    assert_eq!(db.find("one"), Some(one));
}

fn a_page_has_accounts_in_the_order_of_their_ids(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let mut ids: Vec<UserId> = (0..7).map(|number| db.account(&format!("name{number}")).principal.id).collect();
    ids.sort_unstable();
    let page = |after, limit| {
        let page = page(&db, UserQuery { after, containing: None, limit });
        (page.users.into_iter().map(|user| user.id).collect::<Vec<_>>(), page.next)
    };

    assert_eq!(page(None, 3), (ids[..3].to_vec(), Some(ids[2])));
    assert_eq!(page(Some(ids[2]), 3), (ids[3..6].to_vec(), Some(ids[5])));
    assert_eq!(page(Some(ids[5]), 3), (ids[6..].to_vec(), None));
    assert_eq!(page(Some(ids[6]), 3), (vec![], None));
    assert_eq!(page(None, 7), (ids.clone(), None));
    assert_eq!(page(None, 6), (ids[..6].to_vec(), Some(ids[5])));
}

fn a_search_takes_every_character_as_it_stands(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    for name in ["Alice", "a_b", "axb"] {
        db.account(name);
    }
    let found = |part: &str| {
        let query = UserQuery { after: None, containing: Some(part.to_owned()), limit: 9 };
        page(&db, query).users.into_iter().map(|user| user.username.as_str().to_owned()).collect::<Vec<_>>()
    };

    assert_eq!(found("LIC"), ["Alice"]);
    assert_eq!(found("_"), ["a_b"]);
    for nothing in ["%", "\\", "*", "?", "'", "\0", "alice "] {
        assert_eq!(found(nothing), [""; 0], "{nothing:?}");
    }
    assert_eq!(found("").len(), 3);
}

fn a_shown_account_counts_its_live_sessions_only(engine: Box<dyn Engine>) {
    let mut rules = usual_rules();
    rules.rotation.idle_ttl = 3 * DAY;
    let db = Database::under(rules, engine);
    let alice = db.account("alice");
    let user = alice.principal.id;
    let sessions = || shown(&db, user).unwrap().sessions;
    let (idle, ended) = (db.session(&alice).session, db.session(&alice).session);
    assert_eq!(sessions(), 2);

    db.sessions(vec![logout(ended)]);
    assert_eq!(sessions(), 1);
    db.clock.advance(2 * DAY);
    let late = db.session(&alice).session;
    assert_eq!(sessions(), 2);
    db.clock.advance(2 * DAY);
    assert_eq!(sessions(), 1);
    assert_eq!((db.present(idle, 1), db.present(late, 1)), ("refused: expired".into(), "granted 2".into()));
    db.change(acting(None, user, Act::EndSessions));
    assert_eq!(sessions(), 0);
}
