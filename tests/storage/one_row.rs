//! A renewal reads one row: the copy of the user in it is never another than the user, and no user agent is kept for nobody.
//!
//! What is wrong in the rows is written here once, as queries, for whoever has changed them in another way.

use std::time::Duration;

use latchkey::storage::SessionOutcome;
use latchkey::tokens::principal::Role;

use crate::database::{
    DAY, Database, client, creation, deleting, ending_all, giving, granted, logout, opening_from, presenting_from,
    strict_rules, told,
};
use crate::engine::Engine;

every_engine![
    the_renewal_after_a_role_change_grants_the_new_roles_and_copies_them,
    a_deleted_account_leaves_its_name_in_no_row,
    a_user_who_is_changed_past_the_service_is_another_to_the_next_renewal,
    a_registration_under_a_name_that_is_taken_changes_nothing,
    a_user_agent_is_stored_once_and_goes_with_the_last_that_names_it,
    what_a_renewal_writes_of_a_user_agent_it_takes_back_where_the_rest_fails,
];

/// Wrong, whatever was done before; each is a query that finds none.
pub const WRONG: [&str; 3] = [WRONG_COPIES, WRONG_COUNTS, DANGLING];

/// Copies that are not what their user is: of nobody, of somebody disabled or of another epoch or version, or of the ended.
const WRONG_COPIES: &str = "
    SELECT count(*) FROM sessions s LEFT JOIN users u ON u.id = s.user_id
    WHERE s.username IS NOT NULL
      AND (u.id IS NULL OR u.disabled OR u.epoch <> s.epoch OR s.ended_at IS NOT NULL
           OR u.version <> s.user_version OR u.username <> s.username OR u.roles <> s.roles)";

/// Texts whose number of sessions is another than is written, or none.
const WRONG_COUNTS: &str = "
    SELECT count(*) FROM user_agents a
    WHERE a.sessions <> (SELECT count(*) FROM sessions s WHERE s.user_agent = a.id) OR a.sessions = 0";

/// Sessions that name a text that is gone.
const DANGLING: &str =
    "SELECT count(*) FROM sessions WHERE user_agent IS NOT NULL AND user_agent NOT IN (SELECT id FROM user_agents)";

const COPIES: &str = "SELECT count(*) FROM sessions WHERE username IS NOT NULL";

fn the_renewal_after_a_role_change_grants_the_new_roles_and_copies_them(engine: Box<dyn Engine>) {
    let db = Database::under(strict_rules(), engine);
    let alice = db.account("alice");
    let session = db.session(&alice).session;
    assert_eq!(db.engine.number(COPIES), 1, "a session begins with a copy");

    db.change(giving(alice.principal.id, vec![Role::User, Role::Admin]));
    assert_eq!(db.engine.number(COPIES), 0);
    let renewed = db.sessions(vec![presenting_from(session, 1, client("phone"))]);

    let granted = granted(renewed);
    assert_eq!(granted.principal.roles, [Role::User, Role::Admin]);
    assert!(granted.principal.version > alice.principal.version);
    assert_eq!(db.engine.number(COPIES), 1);
    assert_eq!(db.engine.number(WRONG_COPIES), 0);
}

fn a_deleted_account_leaves_its_name_in_no_row(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let alice = db.account("alice");
    let (live, ended) = (db.session(&alice).session, db.session(&alice).session);
    db.sessions(vec![logout(ended)]);
    db.change(ending_all(alice.principal.id));
    let alice = db.find("alice").unwrap();
    db.session(&alice);

    db.change(deleting(alice.principal.id));

    assert_eq!((db.count("sessions"), db.engine.number(COPIES)), (3, 0));
    assert_eq!(db.present(live, 1), "refused: revoked");
}

fn a_user_who_is_changed_past_the_service_is_another_to_the_next_renewal(engine: Box<dyn Engine>) {
    let db = Database::under(strict_rules(), engine);
    for (name, change, seen) in [
        ("alice", "UPDATE users SET roles = 'user,admin' WHERE username = 'alice'", "alice 1 admin"),
        ("bob", "UPDATE users SET version = 7 WHERE username = 'bob'", "bob 7 user"),
        ("carol", "UPDATE users SET username = 'Carol' WHERE username = 'carol'", "Carol 1 user"),
        ("dave", "UPDATE users SET disabled = 1 WHERE username = 'dave'", "refused: revoked"),
        ("erin", "UPDATE users SET epoch = 2 WHERE username = 'erin'", "refused: revoked"),
        ("frank", "DELETE FROM users WHERE username = 'frank'", "refused: revoked"),
        ("grace", "UPDATE users SET id = randomblob(16), username_key = 'other' WHERE username = 'grace'", "refused: revoked"),
        // A REPLACE removes what is in its way, and no DELETE trigger is run for that: the same account, put back as it was
        // once under another name; another with its name; and one that is given its name or its id.
        (
            "heidi",
            "INSERT OR REPLACE INTO users
             SELECT id, 'Heidi.2', 'heidi.2', password_hash, roles, disabled, epoch, version, created_at
             FROM users WHERE username = 'heidi'",
            "Heidi.2 1 user",
        ),
        (
            "ivan",
            "INSERT OR REPLACE INTO users SELECT randomblob(16), 'IVAN', username_key, password_hash, roles, 0, epoch, version,
                                                 created_at
             FROM users WHERE username = 'ivan'",
            "refused: revoked",
        ),
        (
            "judy",
            "UPDATE OR REPLACE users SET username_key = 'judy' WHERE username = 'not-judy'",
            "refused: revoked",
        ),
        (
            "kim",
            "UPDATE OR REPLACE users SET id = (SELECT id FROM users WHERE username = 'kim') WHERE username = 'not-kim'",
            "not-kim 1 user",
        ),
    ] {
        let session = db.session(&db.account(name)).session;
        db.account(&format!("not-{name}"));
        db.engine.sql(change);

        let renewed = db.sessions(vec![presenting_from(session, 1, client("phone"))]);

        let found = match &renewed.outcomes[0] {
            Ok(SessionOutcome::Granted(grant)) => {
                let (user, most) = (&grant.principal, grant.principal.roles.iter().max().unwrap());
                format!("{} {} {}", user.username.as_str(), user.version.0, most.as_str())
            }
            _ => told(&renewed).remove(0),
        };
        assert_eq!(found, seen, "{change}");
    }
}

/// What stands in the way of a new row loses its copies before the row is refused.
fn a_registration_under_a_name_that_is_taken_changes_nothing(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    db.session(&db.account("alice"));
    let before = db.engine.commits();

    let refused = db.change(creation("ALICE"));

    assert_eq!(refused, "username taken");
    assert_eq!((db.engine.commits(), db.engine.number(COPIES)), (before, 1));
}

fn a_user_agent_is_stored_once_and_goes_with_the_last_that_names_it(engine: Box<dyn Engine>) {
    let db = Database::at_rest(strict_rules(), engine);
    let alice = db.account("alice");
    let texts = || db.engine.text("SELECT group_concat(text || ' ' || sessions) FROM user_agents").unwrap_or_default();
    let opened = db.sessions(vec![opening_from(&alice, "phone"), opening_from(&alice, "phone")]);
    assert_eq!(texts(), "phone 2");

    let session = match &opened.outcomes[0] {
        Ok(SessionOutcome::Opened { grant, .. }) => grant.session,
        other => panic!("not opened: {other:?}"),
    };
    db.sessions(vec![presenting_from(session, 1, client("tablet"))]);
    assert_eq!(texts(), "phone 1,tablet 1");
    db.sessions(vec![presenting_from(session, 2, client("phone"))]);
    assert_eq!(texts(), "phone 2");

    db.pass(Duration::from_secs(60) + 100 * DAY);
    db.sweep();
    assert_eq!((db.count("sessions"), texts()), (0, String::new()));
}

fn what_a_renewal_writes_of_a_user_agent_it_takes_back_where_the_rest_fails(engine: Box<dyn Engine>) {
    let db = Database::under(strict_rules(), engine);
    let session = db.session(&db.account("alice")).session;
    db.engine.break_statements("sessions", "UPDATE", "NEW.user_agent IS NOT OLD.user_agent");

    let renewed = db.sessions(vec![presenting_from(session, 1, client("tablet"))]);

    assert_eq!(told(&renewed), ["unavailable"]);
    assert_eq!(db.count("user_agents"), 1);
    assert_eq!(db.present(session, 1), "granted 2", "the rotation was taken back as well");
}
