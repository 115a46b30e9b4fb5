//! Clients with a secret: who may call, how they prove it, and what is said of those who do not.

use reqwest::Method;

use crate::support::forms::{basic, encoded};
use crate::support::{Answer, TestServer, log};

const CALLS: [(&str, &str); 2] = [("/api/introspect", "token=x"), ("/api/revoke", "token=x")];

/// Calls with this Authorization header, if any, and these parameters beside a token.
async fn called(server: &TestServer, path: &str, header: Option<&str>, more: &[(&str, &str)]) -> Answer {
    let request = server.form(path, encoded(&[&[("token", "x")], more].concat()));
    Answer::of(match header {
        Some(value) => request.header("authorization", value),
        None => request,
    })
    .await
}

#[actix_web::test]
async fn a_client_that_does_not_prove_itself_is_refused() {
    let server = TestServer::start().await;
    let client = server.client("orders").await;
    let billing = server.client("billing").await;
    let secret_of = |header: &str| {
        use base64::Engine as _;
        let pair = base64::engine::general_purpose::STANDARD.decode(&header["Basic ".len()..]).unwrap();
        String::from_utf8(pair).unwrap().split_once(':').unwrap().1.to_owned()
    };
    let (own, others) = (secret_of(&client), secret_of(&billing));
    for (path, _) in CALLS {
        for header in [
            basic("orders", &others),
            basic("orders", ""),
            basic("orders", &own[..46]),
            basic("Orders", &own),
            basic("nobody", &own),
            basic(&own, ""),
            basic("", &own),
            basic("first-party", &own),
            client.replace("Basic", "Digest"),
            "Basic".to_owned(),
            format!("Basic orders:{own}"),
        ] {
            called(&server, path, Some(&header), &[]).await.assert_oauth(401, "invalid_client");
        }
        for more in [
            vec![("client_id", "orders"), ("client_secret", own.as_str())],
            vec![("client_id", "orders")],
            vec![("client_id", "nobody")],
            vec![("client_secret", &own)],
            vec![("client_assertion", "x"), ("client_assertion_type", "y")],
        ] {
            called(&server, path, None, &more).await.assert_oauth(401, "invalid_client");
        }
        let twice = [("client_secret", own.as_str())];
        called(&server, path, Some(&client), &twice).await.assert_oauth(400, "invalid_request");
        let two = [("client_id", "billing")];
        called(&server, path, Some(&client), &two).await.assert_oauth(400, "invalid_request");

        let itself = [("client_id", "orders")];
        for (header, more) in [
            (client.clone(), &[][..]),
            (client.replace("Basic", "bAsIc"), &itself),
            (basic("%6frders", &own.replace('_', "%5F")), &[]),
        ] {
            assert_eq!(called(&server, path, Some(&header), more).await.status, 200, "{path}");
        }
    }
}

#[actix_web::test]
async fn only_a_client_with_a_secret_may_introspect() {
    let server = TestServer::start().await;
    let alice = server.registered("alice").await;
    let bearer = format!("Bearer {}", alice.access_token);
    let first_party: &[(&str, &str)] = &[("client_id", "first-party")];
    for (header, more) in
        [(None, &[][..]), (None, first_party), (Some(basic("first-party", "")), &[]), (Some(bearer), &[])]
    {
        called(&server, "/api/introspect", header.as_deref(), more).await.assert_oauth(401, "invalid_client");
    }
}

#[actix_web::test]
async fn a_client_with_a_secret_has_no_use_for_refresh_tokens() {
    let server = TestServer::start().await;
    let client = server.client("orders").await;
    let alice = server.registered("alice").await;

    let parameters = [("grant_type", "refresh_token"), ("refresh_token", alice.refresh_token.as_str())];
    let answer = server.posted_by(&client, "/oauth/token", &parameters).await;

    answer.assert_oauth(400, "unauthorized_client");
    assert_eq!(server.number_of(&alice.session_id, "current_generation"), 1);
}

#[actix_web::test]
async fn a_refused_client_is_logged_without_its_secret_and_by_name_only_where_there_is_one() {
    log::keep();
    let server = TestServer::start().await;
    server.client("orders").await;
    let pasted = "lkc_Zq7-pasted-into-the-wrong-field";
    for (id, header, more) in [
        ("client-wrong", basic("orders", pasted), vec![]),
        ("client-unknown", basic(pasted, pasted), vec![]),
        ("client-first-party", basic("first-party", pasted), vec![]),
        ("client-digest", format!("Digest {pasted}"), vec![]),
        ("client-body", String::new(), vec![("client_id", pasted), ("client_secret", pasted)]),
        ("client-named", String::new(), vec![("client_id", pasted)]),
        ("client-none", String::new(), vec![]),
    ] {
        let request = server.form("/api/introspect", encoded(&[&[("token", pasted)], more.as_slice()].concat()));
        let request = if header.is_empty() { request } else { request.header("authorization", header) };
        Answer::of(request.header("x-request-id", id)).await.assert_oauth(401, "invalid_client");
    }
    for (id, words) in [
        ("client-wrong", "reason=wrong_secret client_id=orders ip=127.0.0.1"),
        ("client-unknown", "reason=unknown_client ip=127.0.0.1"),
        ("client-first-party", "reason=unknown_client ip=127.0.0.1"),
        ("client-digest", "reason=unsupported_method ip=127.0.0.1"),
        ("client-body", "reason=unsupported_method ip=127.0.0.1"),
        ("client-named", "reason=no_secret ip=127.0.0.1"),
        ("client-none", "reason=no_secret ip=127.0.0.1"),
    ] {
        let line = log::line_with(&[id, "authn_client_fail"]);
        assert!(line.contains("WARN latchkey::security: a client did not prove itself"), "{line}");
        assert!(line.contains(&format!("event=authn_client_fail outcome=failure {words} request_id={id}")), "{line}");
    }
    assert_eq!(log::lines_with("Zq7-pasted"), [""; 0]);
}

#[actix_web::test]
async fn a_client_that_another_process_changed_is_who_it_is_after_the_next_look() {
    let server = TestServer::start().await;
    let client = server.client("orders").await;
    let status = async || called(&server, "/api/introspect", Some(&client), &[]).await.status;
    assert_eq!(status().await, 200);

    server.rows_to_change().execute("DELETE FROM clients", []).unwrap();
    server.services.sessions.follow().await.unwrap();

    assert_eq!(status().await, 401);
}

#[actix_web::test]
async fn a_restarted_server_knows_its_clients() {
    let server = TestServer::start().await;
    let client = server.client("orders").await;

    let server = server.restart().await;

    assert_eq!(called(&server, "/api/introspect", Some(&client), &[]).await.status, 200);
}

#[actix_web::test]
async fn an_access_token_opens_nothing_at_the_calls_of_clients() {
    let server = TestServer::start().await;
    let admin = server.admin("admin").await;
    for (path, body) in CALLS {
        let request = server.form(path, body).bearer_auth(&admin.access_token);
        let answer = Answer::of(request).await;
        assert_eq!(answer.status, if path == "/api/revoke" { 200 } else { 401 }, "{path}: {}", answer.raw);
    }
    let profile = server.request(Method::GET, "/api/profile").header("authorization", server.client("orders").await);
    Answer::of(profile).await.assert_problem(401, "missing_token");
}
