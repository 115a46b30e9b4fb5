//! `PASSWORD_POLICY`: what a new password must be.

use latchkey::config::PasswordPolicy;
use serde_json::json;

use crate::support::{Answer, TestServer};

const PASSPHRASE: &str = "a fox, a lantern and tea";

async fn register(server: &TestServer, username: &str, password: &str) -> Answer {
    server.post("/api/register", &json!({"username": username, "password": password})).await
}

#[actix_web::test]
async fn nist_refuses_what_is_tried_first_with_the_rule_and_without_an_echo() {
    let server = TestServer::with(&[("PASSWORD_POLICY", "nist")]).await;
    let rounds = server.hasher.rounds();
    let (short, common, name) = (
        "A password has at least 15 characters.",
        "The password is one that is tried first, or made of such.",
        "A password is not made of the username.",
    );
    let weak = [
        ("password123", short),
        ("9fZ-q7Xw2 kLr8", short),
        ("ManchesterUnited", common),
        ("Password12345678", common),
        ("123123123123123123", common),
        ("alexander.hamilton", name),
        ("Alexander.Hamilton!1", name),
    ];
    for (password, rule) in weak {
        let answer = register(&server, "Alexander.Hamilton", password).await;

        assert_eq!(answer.assert_problem(422, "weak_password").text("detail"), rule, "{password}");
        assert!(!answer.raw.to_lowercase().contains(&password.to_lowercase()), "{}", answer.raw);
    }
    assert_eq!(server.hasher.rounds(), rounds);
    assert_eq!(register(&server, "alexander.hamilton", PASSPHRASE).await.status, 201);
    server.login("Alexander.Hamilton", PASSPHRASE).await.tokens();
}

#[actix_web::test]
async fn basic_refuses_none_of_it() {
    let server = TestServer::start().await;
    for (username, password) in [("alice", "password123"), ("alexander.hamilton", "alexander.hamilton")] {
        assert_eq!(register(&server, username, password).await.status, 201, "{password}");
    }
}

#[actix_web::test]
async fn a_password_from_before_the_policy_still_opens_a_session() {
    let server = TestServer::start().await;
    assert_eq!(register(&server, "alice", "password123").await.status, 201);

    let server = server.restart_with(|settings| settings.password_policy = PasswordPolicy::Nist).await;

    server.login("alice", "password123").await.tokens();
    register(&server, "bob", "password123").await.assert_problem(422, "weak_password");
}
