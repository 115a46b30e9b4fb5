//! `latchkey sessions`.

use reqwest::StatusCode;
use serde_json::Value;

use crate::place::{Place, Server};

/// A server that runs, and an account on it.
fn with_an_account() -> (Place, Server) {
    let place = Place::new();
    let server = place.serve();
    place.created(&["ada"]);
    (place, server)
}

#[actix_web::test]
async fn a_list_shows_the_live_sessions_of_an_account() {
    let (place, server) = with_an_account();
    let first = server.login("ada").await.unwrap();
    let second = server.login("ada").await.unwrap();

    let table = place.ok(&["sessions", "list", "ADA"]);
    let json = place.ok(&["sessions", "list", "ada", "--json"]);

    let ids: Vec<&str> = table.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(ids, ["ID", &second.session, &first.session]);
    let listed: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((listed.len(), &listed[0]["id"], &listed[0]["ip"]), (2, &second.session.into(), &"127.0.0.1".into()));
    let members: Vec<_> = listed[0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["created_at", "expires_at", "id", "ip", "last_used_at", "user_agent"]);
}

#[actix_web::test]
async fn a_session_that_is_revoked_is_over_on_the_running_server_and_the_others_live() {
    let (place, server) = with_an_account();
    let (phone, laptop) = (server.login("ada").await.unwrap(), server.login("ada").await.unwrap());

    assert_eq!(place.ok(&["sessions", "revoke", &phone.session]), format!("{}: over\n", phone.session));

    server.refuses(&phone).await;
    assert_eq!(server.renew(&phone).await.unwrap_err(), StatusCode::UNAUTHORIZED);
    assert!(server.profile(&laptop).await.is_ok());
    place.run(&["sessions", "revoke", &phone.session]).assert_failed(1, "over already");
    let reason: String = place
        .rows()
        .query_row("SELECT end_reason FROM sessions WHERE ended_at IS NOT NULL", [], |row| row.get(0))
        .unwrap();
    assert_eq!(reason, "administrator");
}

#[actix_web::test]
async fn all_sessions_of_an_account_are_revoked_at_once_and_nobody_elses() {
    let (place, server) = with_an_account();
    place.created(&["bob"]);
    let sessions = [server.login("ada").await.unwrap(), server.login("ada").await.unwrap()];
    let bobs = server.login("bob").await.unwrap();

    assert_eq!(place.ok(&["sessions", "revoke", "--user", "Ada"]), "ada: every session is over\n");

    for session in &sessions {
        server.refuses(session).await;
        assert_eq!(server.renew(session).await.unwrap_err(), StatusCode::UNAUTHORIZED);
    }
    assert!(server.profile(&bobs).await.is_ok());
    assert!(server.login("ada").await.is_ok());
}

#[actix_web::test]
async fn what_is_no_session_is_a_wrong_argument_or_a_failure() {
    let (place, _server) = with_an_account();

    for arguments in [
        ["sessions", "revoke"].as_slice(),
        &["sessions", "revoke", "ada"],
        &["sessions", "revoke", "01a205cb-42ab-7844-ba37-c6693f12cd85", "--user", "ada"],
        &["sessions", "list"],
    ] {
        assert_eq!(place.run(arguments).code, Some(2), "{arguments:?}");
    }
    let unknown = "01a205cb-42ab-7844-ba37-c6693f12cd85";
    place.run(&["sessions", "revoke", unknown]).assert_failed(1, unknown);
    place.run(&["sessions", "list", "bob"]).assert_failed(1, "bob: no such user");
    place.run(&["sessions", "revoke", "--user", "bob"]).assert_failed(1, "bob: no such user");
}

#[actix_web::test]
async fn a_client_cannot_steer_the_terminal_of_whoever_lists_its_session() {
    let (place, server) = with_an_account();
    drop(server);
    // Past the server, which keeps what is no control character.
    let writer = rusqlite::Connection::open(place.path().join("data/latchkey.db")).unwrap();
    writer
        .execute_batch(
            "INSERT INTO user_agents (text) VALUES ('a' || char(0x202e) || 'b' || char(27) || '[2J');
             INSERT INTO sessions (id, user_id, epoch, current_generation, parent_generation, created_at,
                                   idle_expires_at, absolute_expires_at, user_agent)
             SELECT randomblob(16), id, epoch, 1, 0, 0, 9e12, 9e12, last_insert_rowid() FROM users",
        )
        .unwrap();

    let table = place.ok(&["sessions", "list", "ada"]);

    assert!(table.ends_with("a\\u202eb\\u001b[2J\n"), "{table:?}");
}
