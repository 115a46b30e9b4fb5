//! What an admin does to accounts: `PATCH`, `DELETE` and the end of sessions, and who may not.

use futures_util::future;
use latchkey::tokens::principal::{Role, UserId};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::in_flight::InFlight;
use crate::support::{Answer, PASSWORD, TestServer, Tokens, log};

const NOBODY: &str = "0192f0c0-0000-7000-8000-000000000001";

/// A server with an admin and a user.
async fn server() -> (TestServer, Tokens, Tokens) {
    let server = TestServer::start().await;
    let admin = server.admin("root").await;
    let alice = server.registered("alice").await;
    (server, admin, alice)
}

async fn delete(server: &TestServer, admin: &Tokens, user: UserId) -> Answer {
    server.as_admin(admin, Method::DELETE, &format!("/{user}"), None).await
}

async fn end_sessions(server: &TestServer, admin: &Tokens, user: UserId) -> Answer {
    server.as_admin(admin, Method::DELETE, &format!("/{user}/sessions"), None).await
}

/// The roles that an access token shows.
async fn roles(server: &TestServer, tokens: &Tokens) -> Value {
    server.get_with("/api/profile", &tokens.access_token).await.body["user"]["roles"].clone()
}

/// One call of each kind, on this account.
fn every_call(user: &str) -> [(Method, String, Option<Value>); 5] {
    [
        (Method::GET, String::new(), None),
        (Method::GET, format!("/{user}"), None),
        (Method::PATCH, format!("/{user}"), Some(json!({"disabled": true}))),
        (Method::DELETE, format!("/{user}"), None),
        (Method::DELETE, format!("/{user}/sessions"), None),
    ]
}

#[actix_web::test]
async fn without_the_role_every_call_is_refused_with_the_challenge_for_it_and_told_once() {
    log::keep();
    let (server, admin, alice) = server().await;

    for (method, path, body) in every_call(&admin.user_id().to_string()) {
        let answer = server.as_admin(&alice, method, &path, body).await;
        answer.assert_problem(403, "insufficient_scope");
        assert_eq!(answer.header("www-authenticate"), r#"Bearer realm="latchkey", error="insufficient_scope""#);
    }

    server.assert_signed_in(&admin.access_token).await;
    let words = format!("event=authz_fail outcome=failure role=admin user_id={}", alice.user_id());
    assert_eq!(log::lines_with(&words).len(), 5);
}

#[actix_web::test]
async fn without_a_token_or_with_a_forged_one_every_call_is_a_401() {
    let (server, _, alice) = server().await;
    for (method, path, body) in every_call(&alice.user_id().to_string()) {
        let bare = server.request(method.clone(), &format!("/api/admin/users{path}")).json(&body);
        Answer::of(bare).await.assert_problem(401, "missing_token");
        let forged = Tokens { access_token: "forged".to_owned(), ..alice.clone() };
        server.as_admin(&forged, method, &path, body).await.assert_problem(401, "invalid_token");
    }
    server.assert_signed_in(&alice.access_token).await;
}

#[actix_web::test]
async fn an_account_that_nobody_has_and_an_id_that_is_none_are_unknown() {
    let (server, admin, _) = server().await;
    for id in [NOBODY, "not-an-id", "0"] {
        for (method, path, body) in every_call(id).into_iter().skip(1) {
            server.as_admin(&admin, method, &path, body).await.assert_problem(404, "not_found");
        }
    }
}

#[actix_web::test]
async fn a_role_change_refuses_the_old_token_and_a_renewal_brings_the_new_roles() {
    let (server, admin, alice) = server().await;

    let answer = server.patched(&admin, alice.user_id(), json!({"roles": ["admin", "user", "admin"]})).await;

    assert_eq!((answer.status, &answer.body["roles"]), (200, &json!(["user", "admin"])), "{}", answer.raw);
    assert_eq!((&answer.body["disabled"], &answer.body["sessions"]), (&json!(false), &json!(1)));
    server.get_with("/api/profile", &alice.access_token).await.assert_problem(401, "invalid_token");
    let renewed = server.renewed(&alice.refresh_token).await;
    assert_eq!(renewed.session_id, alice.session_id, "the session lives on");
    assert_eq!(roles(&server, &renewed).await, json!(["user", "admin"]));
    assert_eq!(server.as_admin(&renewed, Method::GET, "", None).await.status, 200);
}

#[actix_web::test]
async fn an_account_without_any_role_keeps_what_is_its_own() {
    let (server, admin, alice) = server().await;

    let answer = server.patched(&admin, alice.user_id(), json!({"roles": []})).await;

    assert_eq!((answer.status, &answer.body["roles"]), (200, &json!([])));
    let renewed = server.renewed(&alice.refresh_token).await;
    assert_eq!(roles(&server, &renewed).await, json!([]));
    assert_eq!(server.putting_password(&renewed.access_token, PASSWORD, "another password").await.status, 200);
}

#[actix_web::test]
async fn disabling_ends_every_session_at_once_and_enabling_lets_log_in_again() {
    let (server, admin, alice) = server().await;

    let answer = server.patched(&admin, alice.user_id(), json!({"disabled": true})).await;

    assert_eq!((answer.status, &answer.body["disabled"], &answer.body["sessions"]), (200, &json!(true), &json!(0)));
    server.assert_over(&alice, "revoked").await;
    server.login("alice", PASSWORD).await.assert_problem(401, "invalid_credentials");

    let answer = server.patched(&admin, alice.user_id(), json!({"disabled": false})).await;

    assert_eq!((answer.status, &answer.body["disabled"]), (200, &json!(false)));
    server.assert_over(&alice, "revoked").await;
    server.logged_in("alice").await;
}

#[actix_web::test]
async fn roles_and_lock_change_together_or_not_at_all() {
    let (server, admin, alice) = server().await;

    let both = json!({"roles": ["admin"], "disabled": true});
    let answer = server.patched(&admin, alice.user_id(), both).await;
    assert_eq!((&answer.body["roles"], &answer.body["disabled"]), (&json!(["admin"]), &json!(true)));

    let refused = json!({"roles": ["user", "admin"], "disabled": true});
    server.patched(&admin, admin.user_id(), refused).await.assert_problem(409, "last_admin");
    server.assert_signed_in(&admin.access_token).await;
}

#[actix_web::test]
async fn what_is_so_already_costs_nobody_a_renewal() {
    log::keep();
    let (server, admin, alice) = server().await;

    for change in [json!({"roles": ["user"]}), json!({"disabled": false}), json!({"roles": ["user", "user"]})] {
        assert_eq!(server.patched(&admin, alice.user_id(), change).await.status, 200);
    }

    server.assert_signed_in(&alice.access_token).await;
    assert_eq!(server.number("SELECT version FROM users WHERE username = 'alice'"), 1);
    let told = log::lines_with(&format!("by={} user_id={}", admin.user_id(), alice.user_id()));
    assert_eq!(told, [""; 0]);
}

#[actix_web::test]
async fn a_change_of_nothing_and_of_another_shape_is_a_400_and_an_unknown_role_a_422() {
    let (server, admin, alice) = server().await;
    for body in [
        json!({}),
        json!({"roles": null}),
        json!({"roles": null, "disabled": null}),
        json!({"username": "bob"}),
        json!({"roles": "admin"}),
        json!({"roles": [1]}),
        json!({"disabled": "true"}),
        json!({"disabled": 1}),
        json!([]),
    ] {
        server.patched(&admin, alice.user_id(), body).await.assert_problem(400, "invalid_request");
    }
    for roles in [json!(["canary7"]), json!(["user", "Admin"]), json!([""]), json!([" admin"]), json!(["user,admin"])] {
        let answer = server.patched(&admin, alice.user_id(), json!({"roles": roles, "disabled": true})).await;
        answer.assert_problem(422, "invalid_role");
        assert!(!answer.raw.contains("canary7"), "{}", answer.raw);
    }
    let path = format!("/api/admin/users/{}", alice.user_id());
    let untyped = server.request(Method::PATCH, &path).bearer_auth(&admin.access_token).body("{}");
    Answer::of(untyped).await.assert_problem(415, "unsupported_media_type");
    server.assert_signed_in(&alice.access_token).await;
}

#[actix_web::test]
async fn a_deletion_ends_everything_and_frees_the_name() {
    let (server, admin, alice) = server().await;

    let answer = delete(&server, &admin, alice.user_id()).await;

    assert_eq!((answer.status, answer.raw.as_str()), (204, ""));
    server.assert_over(&alice, "revoked").await;
    delete(&server, &admin, alice.user_id()).await.assert_problem(404, "not_found");
    assert_ne!(server.registered("alice").await.user_id(), alice.user_id());
}

#[actix_web::test]
async fn the_sessions_of_a_user_end_and_the_account_stays() {
    let (server, admin, alice) = server().await;
    let laptop = server.logged_in("alice").await;

    assert_eq!(end_sessions(&server, &admin, alice.user_id()).await.status, 204);

    for over in [&alice, &laptop] {
        server.assert_over(over, "revoked").await;
    }
    server.assert_signed_in(&admin.access_token).await;
    server.logged_in("alice").await;
}

#[actix_web::test]
async fn an_admin_ends_their_own_sessions_like_any_others() {
    let (server, admin, _) = server().await;

    assert_eq!(end_sessions(&server, &admin, admin.user_id()).await.status, 204);

    server.assert_over(&admin, "revoked").await;
    server.logged_in("root").await;
}

#[actix_web::test]
async fn the_only_enabled_admin_can_be_neither_demoted_nor_disabled_nor_deleted() {
    let (server, admin, alice) = server().await;
    server.services.users.set_roles(alice.user_id(), vec![Role::Admin]).await.unwrap();
    server.services.users.set_disabled(alice.user_id(), true).await.unwrap();
    let own = admin.user_id();

    for change in [json!({"roles": ["user"]}), json!({"roles": []}), json!({"disabled": true})] {
        server.patched(&admin, own, change).await.assert_problem(409, "last_admin");
    }
    delete(&server, &admin, own).await.assert_problem(409, "last_admin");

    server.assert_signed_in(&admin.access_token).await;
    // A disabled admin is no admin who could be missed.
    assert_eq!(delete(&server, &admin, alice.user_id()).await.status, 204);
}

#[actix_web::test]
async fn beside_another_admin_one_demotes_disables_or_deletes_themselves_and_it_holds_from_the_next_request_on() {
    let (server, one, _) = server().await;
    server.admin("other").await;

    assert_eq!(server.patched(&one, one.user_id(), json!({"roles": ["user"]})).await.status, 200);
    server.as_admin(&one, Method::GET, "", None).await.assert_problem(401, "invalid_token");
    let demoted = server.renewed(&one.refresh_token).await;
    server.as_admin(&demoted, Method::GET, "", None).await.assert_problem(403, "insufficient_scope");

    let disabled = server.admin("third").await;
    assert_eq!(server.patched(&disabled, disabled.user_id(), json!({"disabled": true})).await.status, 200);
    server.assert_over(&disabled, "revoked").await;
    let gone = server.admin("fourth").await;
    assert_eq!(delete(&server, &gone, gone.user_id()).await.status, 204);
    server.assert_over(&gone, "revoked").await;
}

#[actix_web::test]
async fn of_two_admins_who_demote_each_other_at_once_one_remains() {
    let server = TestServer::start().await;
    let hash = server.hash_of(PASSWORD).await;
    for round in 0..50 {
        let names = [format!("one{round}"), format!("other{round}")];
        let mut admins = Vec::new();
        for name in &names {
            server.create(name, hash.clone()).await;
            let user = server.user_id(name).await;
            server.services.users.set_roles(user, vec![Role::Admin]).await.unwrap();
            admins.push((user, server.logged_in(name).await));
        }
        let [(one, ones), (other, others)] = &admins[..] else { unreachable!() };

        let demotion = json!({"roles": ["user"]});
        let (first, second) =
            future::join(server.patched(ones, *other, demotion.clone()), server.patched(others, *one, demotion)).await;

        let mut statuses = [first.status, second.status];
        statuses.sort_unstable();
        assert_eq!(statuses[0], 200);
        assert!([401, 403, 409].contains(&statuses[1]), "{statuses:?}");
        assert_eq!(server.number("SELECT count(*) FROM users WHERE instr(roles, 'admin')"), 1, "round {round}");
        // For the next round, past the operations, which would keep the last one.
        server.rows_to_change().execute("UPDATE users SET roles = 'user'", []).unwrap();
    }
}

#[actix_web::test]
async fn what_an_admin_asked_before_they_were_demoted_is_not_done_after_it() {
    let (server, admin, alice) = server().await;
    let other = server.admin("other").await;
    let line = format!("PATCH /api/admin/users/{}", alice.user_id());
    let waiting = InFlight::begin(&server, &line, Some(&other.access_token), &json!({"disabled": true}));

    assert_eq!(server.patched(&admin, other.user_id(), json!({"roles": ["user"]})).await.status, 200);

    waiting.finish().assert_problem(401, "invalid_token");
    server.assert_signed_in(&alice.access_token).await;
}

#[actix_web::test]
async fn what_an_admin_asked_under_a_session_that_ended_meanwhile_is_not_done() {
    let (server, admin, alice) = server().await;
    let line = format!("PATCH /api/admin/users/{}", alice.user_id());
    let waiting = InFlight::begin(&server, &line, Some(&admin.access_token), &json!({"disabled": true}));

    server.logout(&admin.refresh_token).await;

    waiting.finish().assert_problem(401, "invalid_token");
    server.assert_signed_in(&alice.access_token).await;
}

#[actix_web::test]
async fn a_renewal_that_races_a_disable_leaves_nothing_that_lives() {
    let (server, admin, alice) = server().await;
    for _ in 0..20 {
        let tokens = server.logged_in("alice").await;
        let disable = server.patched(&admin, alice.user_id(), json!({"disabled": true}));

        let (renewed, disabled) = future::join(server.refreshing(&tokens.refresh_token), disable).await;

        assert_eq!(disabled.status, 200, "{}", disabled.raw);
        if renewed.status == 200 {
            server.assert_over(&renewed.tokens(), "revoked").await;
        } else {
            renewed.assert_refused("revoked");
        }
        assert_eq!(server.patched(&admin, alice.user_id(), json!({"disabled": false})).await.status, 200);
    }
}

#[actix_web::test]
async fn what_is_done_to_an_account_holds_after_a_restart() {
    let (server, admin, alice) = server().await;
    let bob = server.registered("bob").await;
    server.patched(&admin, alice.user_id(), json!({"disabled": true})).await;
    server.patched(&admin, bob.user_id(), json!({"roles": ["user", "admin"]})).await;

    let server = server.restart().await;

    server.assert_over(&alice, "revoked").await;
    server.get_with("/api/profile", &bob.access_token).await.assert_problem(401, "invalid_token");
    assert_eq!(roles(&server, &server.renewed(&bob.refresh_token).await).await, json!(["user", "admin"]));
}

#[actix_web::test]
async fn each_act_is_logged_once_with_who_did_it_to_whom() {
    log::keep();
    let (server, admin, alice) = server().await;
    let (by, whom) = (admin.user_id(), alice.user_id());

    server.patched(&admin, whom, json!({"roles": ["admin", "user"], "disabled": true})).await;
    server.patched(&admin, whom, json!({"disabled": false})).await;
    end_sessions(&server, &admin, whom).await;
    delete(&server, &admin, whom).await;

    for words in [
        format!("event=privilege_permissions_changed outcome=success by={by} user_id={whom} from=user to=user,admin"),
        format!("event=user_updated outcome=success by={by} user_id={whom} disabled=true"),
        format!("event=user_updated outcome=success by={by} user_id={whom} disabled=false"),
        format!("event=authn_token_revoked outcome=success reason=by_admin by={by} user_id={whom}"),
        format!("event=user_deleted outcome=success by={by} user_id={whom}"),
    ] {
        assert_eq!(log::lines_with(&words).len(), 1, "{words}");
    }
}
