//! Where secrets must not be found: storage and the log.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::support::{PASSWORD, TestServer, Tokens, log};

const CHANGED: &str = "the-password-from-now-on";

/// Everything that was secret in a short life: registered, logged in, renewed, refused, changed.
async fn a_short_life(server: &TestServer) -> Vec<Vec<u8>> {
    let alice = server.registered("alice").await;
    let renewed = server.refresh(&alice.refresh_token).await.tokens();
    server.login("alice", "typed-into-the-wrong-window").await.assert_problem(401, "invalid_credentials");
    server.login("typed-into-the-wrong-field", PASSWORD).await.assert_problem(401, "invalid_credentials");
    server.post("/api/logout", &json!({"refresh_token": renewed.refresh_token})).await;
    server.refresh(&renewed.refresh_token).await.assert_refused("revoked");
    let again = server.logged_in("alice").await;
    server
        .putting_password(&again.access_token, "typed-when-asked-again", CHANGED)
        .await
        .assert_problem(403, "wrong_password");
    let changed = server.putting_password(&again.access_token, PASSWORD, CHANGED).await.tokens();
    let words =
        [PASSWORD, CHANGED, "typed-into-the-wrong-window", "typed-into-the-wrong-field", "typed-when-asked-again"];
    let mut secrets: Vec<Vec<u8>> = words.map(|word| word.as_bytes().to_vec()).into();
    for Tokens { access_token, refresh_token, .. } in [alice, renewed, again, changed] {
        let mac = &URL_SAFE_NO_PAD.decode(&refresh_token[4..]).unwrap()[22..];
        let signature = access_token.rsplit('.').next().unwrap();
        secrets.extend([mac.to_vec(), refresh_token.into_bytes(), signature.as_bytes().to_vec()]);
    }
    secrets.extend([server.jwt_secret().to_vec(), server.refresh_token_secret().to_vec()]);
    secrets
}

fn holds(text: &[u8], secret: &[u8]) -> bool {
    text.windows(secret.len()).any(|window| window == secret)
}

#[actix_web::test]
async fn the_database_holds_no_password_no_token_and_no_key() {
    let server = TestServer::start().await;

    let secrets = a_short_life(&server).await;

    let entries = fs::read_dir(server.directory()).unwrap().map(|entry| entry.unwrap());
    let database = entries.filter(|entry| entry.file_name() != "latchkey.secrets");
    let database: Vec<u8> = database.flat_map(|entry| fs::read(entry.path()).unwrap()).collect();
    assert!(holds(&database, b"alice") && holds(&database, b"$2b$04$"), "what is stored must be found");
    for secret in secrets {
        assert!(!holds(&database, &secret), "{:?}", String::from_utf8_lossy(&secret));
    }
}

#[actix_web::test]
async fn the_log_holds_no_password_no_token_and_no_key() {
    log::keep();
    let server = TestServer::start().await;

    let secrets = a_short_life(&server).await;

    let id = server.user_id("alice").await.to_string();
    assert!(!log::lines_with(&id).is_empty(), "what is logged must be found");
    for secret in secrets {
        let lines = log::lines_with(&String::from_utf8_lossy(&secret));
        assert!(lines.is_empty(), "{lines:?}");
    }
}
