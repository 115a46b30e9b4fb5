//! oauth4webapi: strict about everything that a server answers, and finds the endpoints from the issuer.

use serde_json::json;

use crate::Client;
use crate::foreign::{self, Program};
use crate::support::{TestServer, Tokens};

const ISSUER: &str = "https://id.example.org";

/// A server, a client of it, and somebody's tokens; none where the library is missing.
async fn started(issuer: Option<&str>) -> Option<(TestServer, Client, Tokens)> {
    let mut command = foreign::program("node", "tests/foreign/oauth4webapi_client.mjs")?;
    let named: Vec<_> = issuer.into_iter().flat_map(|url| [("PUBLIC_URL", url), ("JWT_ISSUER", url)]).collect();
    let server = TestServer::with(&named).await;
    command.arg(server.url("")).args(issuer);
    let alice = server.registered("alice").await;
    Some((server, Client(Program::start(command)), alice))
}

#[actix_web::test]
async fn it_renews_where_it_is_told_the_token_endpoint() {
    let Some((server, mut client, alice)) = started(None).await else { return };

    let first = client.renewed(&json!({"do": "renew", "token": alice.refresh_token}));
    let again = client.renewed(&json!({"do": "renew", "token": alice.refresh_token}));

    assert_eq!(first, again, "a lost answer is answered with the same successor");
    server.renewed(&first).await;
}

#[actix_web::test]
async fn it_finds_everything_from_the_issuer() {
    let Some((server, mut client, alice)) = started(Some(ISSUER)).await else { return };
    let orders = server.new_client("orders").await;

    let found = client.asked(&json!({"do": "discover"}));
    assert_eq!(found["server"]["issuer"], ISSUER, "{found}");

    let renewed = client.renewed(&json!({"do": "renew", "token": alice.refresh_token}));
    let told = client.introspected(&orders, &renewed);
    assert_eq!((&told["active"], &told["token_type"]), (&json!(true), &json!("refresh_token")), "{told}");
    assert_eq!(client.introspected(&orders, &alice.access_token)["iss"], ISSUER);

    assert_eq!(client.asked(&json!({"do": "revoke", "token": alice.access_token})), json!({}));
    server.assert_over(&alice, "revoked").await;
    assert_eq!(client.introspected(&orders, &renewed), json!({"active": false}));
}

#[actix_web::test]
async fn it_understands_what_is_refused() {
    let Some((_server, mut client, alice)) = started(None).await else { return };

    let refused = client.asked(&json!({"do": "renew", "token": "lkr_forged"}));
    assert_eq!((&refused["status"], &refused["error"]), (&json!(400), &json!("invalid_grant")), "{refused}");

    let stranger = json!({"do": "renew", "token": alice.refresh_token, "client_id": "someone"});
    let refused = client.asked(&stranger);
    assert_eq!((&refused["status"], &refused["challenges"]), (&json!(401), &json!(["basic"])), "{refused}");
}

#[actix_web::test]
async fn without_metadata_there_is_nothing_to_find() {
    let Some((server, _, _)) = started(None).await else { return };
    let mut command = foreign::program("node", "tests/foreign/oauth4webapi_client.mjs").unwrap();
    command.args([&server.url(""), ISSUER]);
    let mut client = Client(Program::start(command));

    let refused = client.asked(&json!({"do": "discover"}));

    assert_eq!(refused["error"], "OAUTH_RESPONSE_IS_NOT_CONFORM", "{refused}");
}
