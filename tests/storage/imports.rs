//! Accounts that come from elsewhere with their hashes.

use latchkey::storage::{NewUser, UserOperation};
use latchkey::tokens::principal::Role;

use crate::database::{Database, creation, hash, name, told};
use crate::engine::Engine;

every_engine![
    an_imported_account_is_there_as_it_was_given,
    an_account_that_is_there_exactly_is_found_and_nothing_is_written,
    a_name_of_another_account_is_taken_and_the_account_stays_as_it_is,
    a_refused_import_does_not_keep_the_others_of_its_batch,
];

fn import(username: &str, of: &str, roles: &[Role]) -> UserOperation {
    UserOperation::Import(NewUser { username: name(username), hash: hash(of), roles: roles.to_vec() })
}

fn an_imported_account_is_there_as_it_was_given(engine: Box<dyn Engine>) {
    let db = Database::on(engine);

    let done = db.change(import("Alice", "a hash", &[Role::User, Role::Admin]));

    assert_eq!(done, "created Alice");
    let alice = db.find("alice").unwrap();
    assert_eq!(alice.principal.username.as_str(), "Alice");
    assert_eq!(
        (alice.hash, alice.principal.roles, alice.disabled),
        (hash("a hash"), vec![Role::User, Role::Admin], false)
    );
}

fn an_account_that_is_there_exactly_is_found_and_nothing_is_written(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    db.change(import("alice", "a hash", &[Role::User]));
    let commits = db.engine.commits();

    assert_eq!(db.change(import("alice", "a hash", &[Role::User])), "found alice");

    assert_eq!(db.engine.commits(), commits);
}

fn a_name_of_another_account_is_taken_and_the_account_stays_as_it_is(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    db.change(import("alice", "a hash", &[Role::User]));
    let alice = db.find("alice");

    for other in [
        import("alice", "another hash", &[Role::User]),
        import("alice", "a hash", &[Role::Admin]),
        import("ALICE", "a hash", &[Role::User]),
    ] {
        assert_eq!(db.change(other), "username taken");
    }

    assert_eq!(db.find("alice"), alice);
}

fn a_refused_import_does_not_keep_the_others_of_its_batch(engine: Box<dyn Engine>) {
    let db = Database::on(engine);

    let done =
        db.users(vec![creation("bob"), import("alice", "1", &[]), import("bob", "2", &[]), import("carol", "3", &[])]);

    assert_eq!(told(&done), ["created bob", "created alice", "username taken", "created carol"]);
    assert_eq!(db.count("users"), 3);
}
