//! `latchkey users`.

use std::fs;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::place::{PASSWORD, Place, said};

/// What a list with `--json` says.
fn objects(list: &str) -> Vec<Value> {
    list.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[actix_web::test]
async fn the_first_admin_is_made_before_the_server_runs_and_logs_in() {
    let place = Place::new();

    let id = place.created(&["Ada", "--role", "admin"]);

    let server = place.serve();
    let tokens = server.login("ada").await.unwrap();
    assert_eq!(
        server.profile(&tokens).await.unwrap()["user"],
        json!({"id": id, "username": "Ada", "roles": ["admin"]})
    );
}

#[actix_web::test]
async fn an_account_that_is_made_while_the_server_runs_logs_in() {
    let place = Place::new();
    let server = place.serve();

    place.created(&["bob"]);

    let tokens = server.login("bob").await.unwrap();
    assert_eq!(server.profile(&tokens).await.unwrap()["user"]["roles"], json!(["user"]));
}

#[test]
fn the_password_is_the_first_line_of_standard_input_and_is_not_shown() {
    let place = Place::new();

    for (name, input) in
        [("unix", "first line 1\nsecond line\n"), ("dos", "first line 1\r\n"), ("bare", "first line 1")]
    {
        let done = place.told(&["users", "create", name], input);
        assert_eq!((done.code, done.err.as_str()), (Some(0), ""));
        assert!(!done.out.contains("line"), "{}", done.out);
        let hash: String = place
            .rows()
            .query_row("SELECT password_hash FROM users WHERE username = ?1", [name], |row| row.get(0))
            .unwrap();
        assert!(bcrypt::verify("first line 1", &hash).unwrap(), "{name}");
        assert!(hash.starts_with("$2b$04$"), "{hash}");
    }
}

#[test]
fn a_password_that_the_policy_refuses_makes_no_account_and_is_not_repeated() {
    let place = Place::new();
    let nist = |input: &str| {
        let mut command = place.command(&["users", "create", "ada"]);
        command.env("PASSWORD_POLICY", "nist");
        said(command, input)
    };
    let long = "x".repeat(5000);
    for (said, words) in [
        (place.told(&["users", "create", "ada"], "canary7\n"), "shorter than 8 characters"),
        (place.told(&["users", "create", "ada"], ""), "no password on standard input"),
        (place.told(&["users", "create", "ada"], "\n"), "shorter than 8 characters"),
        (place.told(&["users", "create", "ada"], &long), "longer than 72 bytes"),
        (nist("canary7canary7\n"), "shorter than 15 characters"),
        (nist("passwordpassword\n"), "common"),
    ] {
        said.assert_failed(1, words);
        assert!(!said.err.contains("canary7") && !said.err.contains("xxx"), "{}", said.err);
    }
    assert_eq!(place.ok(&["users", "list", "--json"]), "");
}

#[test]
fn a_name_that_is_taken_is_refused_whatever_its_case() {
    let place = Place::new();
    place.created(&["ada"]);

    place.told(&["users", "create", "ADA"], PASSWORD).assert_failed(1, "ADA: username taken");
}

#[test]
fn what_is_no_name_no_role_and_no_account_is_a_wrong_argument_or_a_failure() {
    let place = Place::new();
    place.created(&["ada"]);

    for arguments in [
        ["users", "create", "a"].as_slice(),
        &["users", "create", "bob", "--role", "root"],
        &["users", "create", "bob", "password123"],
        &["users", "set-roles", "ada"],
        &["users", "set-roles", "ada", "root"],
        &["users", "disable", "not a name"],
        &["users"],
    ] {
        assert_eq!(place.run(arguments).code, Some(2), "{arguments:?}");
    }
    let nobody = "01a205cb-42ab-7844-ba37-c6693f12cd85";
    for command in ["disable", "enable", "delete"] {
        for who in ["bob", nobody] {
            let arguments = ["users", command, who, "--yes"];
            let arguments = if command == "delete" { &arguments } else { &arguments[..3] };
            place.run(arguments).assert_failed(1, &format!("{who}: no such user"));
        }
    }
}

#[test]
fn only_the_first_account_makes_a_database() {
    let place = Place::new();

    for arguments in [
        ["users", "list"].as_slice(),
        &["users", "disable", "ada"],
        &["users", "delete", "ada", "--yes"],
        &["sessions", "list", "ada"],
    ] {
        place.run(arguments).assert_failed(1, "DATABASE_URL: there is no database yet");
    }
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
}

#[actix_web::test]
async fn the_secrets_of_a_server_that_is_given_them_are_not_asked_for() {
    let place = Place::new();
    drop(place.serve());
    fs::remove_file(place.path().join("data/latchkey.secrets")).unwrap();

    place.created(&["ada"]);
    assert_eq!(objects(&place.ok(&["users", "list", "--json"])).len(), 1);
}

#[test]
fn a_setting_that_is_refused_ends_with_78() {
    let place = Place::new();
    let mut command = place.command(&["users", "list"]);
    command.env("BCRYPT_COST", "canary7");

    let refused = said(command, "");

    refused.assert_failed(78, "BCRYPT_COST");
    assert!(!refused.err.contains("canary7"));
}

#[actix_web::test]
async fn a_list_shows_every_account_and_what_is_asked_for_of_them() {
    let place = Place::new();
    let server = place.serve();
    let ada = place.created(&["Ada", "--role", "admin", "--role", "user"]);
    let bob = place.created(&["bob", "--role", "admin"]);
    server.login("bob").await.unwrap();
    place.ok(&["users", "disable", "ada"]);

    let table = place.ok(&["users", "list"]);
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["ID", "CREATED", "STATE", "SESSIONS", "ROLES", "USERNAME"]);
    assert_eq!((lines[1][0], &lines[1][2..]), (ada.as_str(), ["disabled", "0", "user,admin", "Ada"].as_slice()));
    assert_eq!((lines[2][0], &lines[2][2..]), (bob.as_str(), ["enabled", "1", "admin", "bob"].as_slice()));
    assert_eq!(lines.len(), 3);

    let listed = objects(&place.ok(&["users", "list", "--json"]));
    assert_eq!(listed[1]["created_at"], lines[2][1]);
    assert_eq!(
        listed[0],
        json!({"id": ada, "username": "Ada", "roles": ["user", "admin"], "disabled": true,
               "created_at": lines[1][1], "sessions": 0})
    );
    assert_eq!(objects(&place.ok(&["users", "list", "--query", "AD", "--json"])), listed[..1]);
}

#[actix_web::test]
async fn a_disabled_account_is_out_of_a_running_server_and_an_enabled_one_logs_in_again() {
    let place = Place::new();
    let server = place.serve();
    let id = place.created(&["ada"]);
    place.created(&["bob"]);
    let (ada, bob) = (server.login("ada").await.unwrap(), server.login("bob").await.unwrap());

    assert_eq!(place.ok(&["users", "disable", "ADA"]), "ada: disabled, and every session is over\n");

    server.refuses(&ada).await;
    assert_eq!(server.renew(&ada).await.unwrap_err(), StatusCode::UNAUTHORIZED);
    assert_eq!(server.login("ada").await.unwrap_err(), StatusCode::UNAUTHORIZED);
    assert!(server.profile(&bob).await.is_ok());
    assert_eq!(place.ok(&["users", "disable", &id]), "ada: disabled already\n");
    assert_eq!(place.ok(&["users", "enable", &id]), "ada: enabled\n");
    let again = server.login("ada").await.unwrap();
    // Nothing to do is nothing done: the session lives.
    assert_eq!(place.ok(&["users", "enable", "ada"]), "ada: enabled already\n");
    assert!(server.renew(&again).await.is_ok());
}

#[actix_web::test]
async fn a_role_change_refuses_the_access_token_and_the_next_renewal_has_the_roles() {
    let place = Place::new();
    let server = place.serve();
    place.created(&["ada"]);
    let before = server.login("ada").await.unwrap();

    assert_eq!(place.ok(&["users", "set-roles", "ada", "admin", "user", "admin"]), "ada: user, admin\n");

    server.refuses(&before).await;
    let after = server.renew(&before).await.unwrap();
    assert_eq!(server.profile(&after).await.unwrap()["user"]["roles"], json!(["user", "admin"]));
}

#[actix_web::test]
async fn a_deleted_account_is_gone_and_its_tokens_are_refused() {
    let place = Place::new();
    let server = place.serve();
    place.created(&["ada"]);
    let tokens = server.login("ada").await.unwrap();

    place.run(&["users", "delete", "ada"]).assert_failed(2, "needs --yes");
    assert!(server.profile(&tokens).await.is_ok());
    assert_eq!(place.ok(&["users", "delete", "ada", "--yes"]), "ada: deleted, and every session is over\n");

    server.refuses(&tokens).await;
    assert_eq!(server.login("ada").await.unwrap_err(), StatusCode::UNAUTHORIZED);
    place.created(&["ada"]);
}

#[test]
fn the_last_enabled_admin_stays_whatever_the_operator_asks() {
    let place = Place::new();
    place.created(&["ada", "--role", "admin"]);
    place.created(&["bob", "--role", "admin"]);
    place.ok(&["users", "disable", "bob"]);

    for gone in
        [&["users", "set-roles", "ada", "user"][..], &["users", "disable", "ada"], &["users", "delete", "ada", "--yes"]]
    {
        place.run(gone).assert_failed(1, "ada: ");
        let ada = place.ok(&["users", "list", "--query", "ada", "--json"]);
        assert!(ada.contains(r#""roles":["admin"],"disabled":false"#), "{ada}");
    }

    place.ok(&["users", "enable", "bob"]);
    place.ok(&["users", "delete", "ada", "--yes"]);
}

#[test]
fn while_another_process_writes_all_the_time_it_fails_with_a_line() {
    let place = Place::new();
    place.created(&["ada"]);
    let writer = rusqlite::Connection::open(place.path().join("data/latchkey.db")).unwrap();
    writer.execute_batch("BEGIN IMMEDIATE").unwrap();

    place.run(&["users", "disable", "ada"]).assert_failed(1, "the database is busy");
}
