//! What a change of the account does to the tokens that are out.

use latchkey::tokens::principal::Role;

use crate::support::account::claims;
use crate::support::{PASSWORD, TestServer};

#[actix_web::test]
async fn a_role_change_costs_the_access_token_and_not_the_session() {
    let server = TestServer::start().await;
    let login = server.registered("alice").await;
    server.services.users.set_roles(login.user_id(), vec![Role::User, Role::Admin]).await.unwrap();

    server.assert_signed_out(&login.access_token).await;
    let renewed = server.renewed(&login.refresh_token).await;

    assert_eq!(renewed.session_id, login.session_id);
    assert_eq!(claims(&renewed.access_token)["roles"], serde_json::json!(["user", "admin"]));
    let profile = server.get_with("/api/profile", &renewed.access_token).await;
    assert_eq!(profile.body["user"]["roles"], serde_json::json!(["user", "admin"]));
}

#[actix_web::test]
async fn a_token_that_is_held_or_given_again_brings_the_new_roles_too() {
    let server = TestServer::start().await;
    let _time = server.stop_time();
    let login = server.registered("alice").await;
    let renewed = server.renewed(&login.refresh_token).await;

    server.services.users.set_roles(login.user_id(), vec![Role::User, Role::Admin]).await.unwrap();

    for refresh_token in [&login.refresh_token, &renewed.refresh_token] {
        let tokens = server.renewed(refresh_token).await;
        assert_eq!(claims(&tokens.access_token)["roles"], serde_json::json!(["user", "admin"]));
        server.assert_signed_in(&tokens.access_token).await;
    }
}

#[actix_web::test]
async fn a_password_change_ends_every_session_from_before() {
    let server = TestServer::start().await;
    let first = server.registered("alice").await;
    let second = server.renewed(&server.logged_in("alice").await.refresh_token).await;

    server.change_password("alice", "another password").await;

    for tokens in [&first, &second] {
        server.assert_over(tokens, "revoked").await;
    }
}

#[actix_web::test]
async fn after_a_password_change_the_new_password_opens_a_session_and_the_old_one_none() {
    let server = TestServer::start().await;
    server.registered("alice").await;

    server.change_password("alice", "another password").await;

    server.login("alice", PASSWORD).await.assert_problem(401, "invalid_credentials");
    let tokens = server.login("alice", "another password").await.tokens();
    server.assert_signed_in(&tokens.access_token).await;
    server.renewed(&tokens.refresh_token).await;
}

#[actix_web::test]
async fn one_users_changes_leave_another_users_session_alone() {
    let server = TestServer::start().await;
    let alice = server.registered("alice").await;
    let bob = server.registered("bob").await;

    server.services.users.set_roles(alice.user_id(), Vec::new()).await.unwrap();
    server.change_password("alice", "another password").await;
    server.services.users.set_disabled(alice.user_id(), true).await.unwrap();
    server.services.users.delete(None, alice.user_id()).await.unwrap();

    server.assert_signed_in(&bob.access_token).await;
    server.renewed(&bob.refresh_token).await;
}

#[actix_web::test]
async fn a_disabled_user_is_signed_out_and_cannot_come_back() {
    let server = TestServer::start().await;
    let login = server.registered("alice").await;

    server.services.users.set_disabled(login.user_id(), true).await.unwrap();

    server.assert_over(&login, "revoked").await;
    server.login("alice", PASSWORD).await.assert_problem(401, "invalid_credentials");
}

#[actix_web::test]
async fn no_token_from_before_a_disable_comes_back_to_life() {
    let server = TestServer::start().await;
    let login = server.registered("alice").await;

    server.services.users.set_disabled(login.user_id(), true).await.unwrap();
    server.services.users.set_disabled(login.user_id(), false).await.unwrap();

    server.assert_over(&login, "revoked").await;
    let tokens = server.logged_in("alice").await;
    server.assert_signed_in(&tokens.access_token).await;
}

#[actix_web::test]
async fn a_deleted_user_is_signed_out_and_the_name_is_free() {
    let server = TestServer::start().await;
    let login = server.registered("alice").await;

    server.services.users.delete(None, login.user_id()).await.unwrap();

    server.assert_over(&login, "revoked").await;
    server.login("alice", PASSWORD).await.assert_problem(401, "invalid_credentials");
    let namesake = server.registered("alice").await;
    assert_ne!(namesake.user_id(), login.user_id());
    server.assert_over(&login, "revoked").await;
    server.assert_signed_in(&namesake.access_token).await;
}

#[actix_web::test]
async fn a_spent_token_of_a_revoked_session_is_not_named_a_reuse() {
    let server = TestServer::start().await;
    let login = server.registered("alice").await;
    server.change_password("alice", "another password").await;

    server.refresh(&server.token_of(&login.session_id, 5)).await.assert_refused("revoked");

    assert_eq!(server.number("SELECT count(*) FROM sessions WHERE end_reason = 'reuse'"), 0);
}
