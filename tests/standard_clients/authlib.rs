//! Authlib: given the answer of a login, it calls the API and renews when the access token ends.

use std::time::Duration;

use serde_json::{Value, json};

use crate::foreign::{self, Program};
use crate::support::TestServer;
use crate::{Client, refresh_token};

const QUARTER: u64 = 15 * 60;

/// A client that was given the answer of a login, or none where the library is missing.
async fn signed_in(server: &TestServer) -> Option<Client> {
    let mut command = foreign::program("python", "tests/foreign/authlib_client.py")?;
    command.arg(server.url(""));
    let mut client = Client(Program::start(command));
    server.registered("alice").await;
    let login = server.login("alice", crate::support::PASSWORD).await.body;
    client.asked(&json!({"do": "keep", "token": login}));
    Some(client)
}

/// Lets a quarter of an hour pass, for both.
fn pass(server: &TestServer, client: &mut Client) {
    server.clock.advance(Duration::from_secs(QUARTER));
    client.asked(&json!({"do": "later", "seconds": QUARTER}));
}

fn profile() -> Value {
    json!({"do": "get", "path": "/api/profile"})
}

#[actix_web::test]
async fn it_renews_by_itself_each_time_that_the_access_token_ends() {
    let server = TestServer::start().await;
    let Some(mut client) = signed_in(&server).await else { return };
    assert_eq!(client.asked(&profile()), json!({"status": 200, "renewed": []}));

    let mut kept = Vec::new();
    for _ in 0..3 {
        pass(&server, &mut client);
        let answer = client.asked(&profile());
        assert_eq!((&answer["status"], answer["renewed"].as_array().unwrap().len()), (&json!(200), 1), "{answer}");
        kept.push(refresh_token(&answer["renewed"][0]));
        assert_eq!(client.asked(&profile())["renewed"], json!([]), "once is enough");
    }
    kept.dedup();
    assert_eq!(kept.len(), 3, "each renewal gave another refresh token, and it was kept");
}

#[actix_web::test]
async fn it_is_told_that_a_session_is_over() {
    let server = TestServer::start().await;
    let Some(mut client) = signed_in(&server).await else { return };
    let renewed = client.renewed(&json!({"do": "renew"}));
    server.logout(&renewed).await;

    pass(&server, &mut client);

    let refused = client.asked(&profile());
    assert_eq!(refused["error"], "invalid_grant", "{refused}");
    assert!(refused["description"].as_str().unwrap().ends_with("Reason: revoked."), "{refused}");
}

#[actix_web::test]
async fn it_introspects_as_a_client_with_a_secret_and_revokes_as_one_without() {
    let server = TestServer::start().await;
    let Some(mut client) = signed_in(&server).await else { return };
    let orders = server.new_client("orders").await;
    let bob = server.registered("bob").await;

    for token in [&bob.access_token, &bob.refresh_token] {
        let told = client.introspected(&orders, token);
        assert_eq!((&told["active"], &told["username"]), (&json!(true), &json!("bob")), "{told}");
    }
    let stranger = json!({"do": "introspect", "token": bob.access_token, "client": ["orders", "lkc_wrong"]});
    assert_eq!(client.asked(&stranger)["body"]["error"], "invalid_client");

    let revoked = client.asked(&json!({"do": "revoke", "token": bob.refresh_token}));
    assert_eq!(revoked["status"], 200, "{revoked}");
    server.assert_over(&bob, "revoked").await;
    assert_eq!(client.introspected(&orders, &bob.access_token), json!({"active": false}));
}
