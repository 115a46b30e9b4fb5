//! What the contract says of every answer: headers, request ids, challenges, methods, unknown paths.

use reqwest::Method;
use reqwest::header::AUTHORIZATION;
use serde_json::{Value, json};

use crate::support::forms::OAUTH_PATHS;
use crate::support::{Answer, PASSWORD, TestServer};

/// Every path with the methods that it answers to.
pub const PATHS: [(&str, &str); 22] = [
    ("/api", "GET, HEAD"),
    ("/api/register", "POST"),
    ("/api/login", "POST"),
    ("/api/refresh_token", "POST"),
    ("/api/logout", "POST"),
    ("/api/profile", "GET, HEAD"),
    ("/api/sessions", "GET, HEAD"),
    ("/api/sessions/0192f0c0-0000-7000-8000-000000000001", "DELETE"),
    ("/api/logout_all", "POST"),
    ("/api/password", "PUT"),
    ("/api/delete_account", "POST"),
    ("/api/admin/users", "GET, HEAD"),
    ("/api/admin/users/0192f0c0-0000-7000-8000-000000000001", "GET, HEAD, PATCH, DELETE"),
    ("/api/admin/users/0192f0c0-0000-7000-8000-000000000001/sessions", "DELETE"),
    ("/oauth/token", "POST"),
    ("/api/introspect", "POST"),
    ("/api/revoke", "POST"),
    ("/.well-known/oauth-authorization-server", "GET, HEAD"),
    ("/.well-known/jwks.json", "GET, HEAD"),
    ("/healthz", "GET, HEAD"),
    ("/readyz", "GET, HEAD"),
    ("/problems", "GET, HEAD"),
];

/// One request for each kind of answer, with its status and, where it is an error, its code.
fn one_of_each(server: &TestServer) -> Vec<(u16, &'static str, reqwest::RequestBuilder)> {
    let get = |path| server.request(Method::GET, path);
    let post = |path, body: Value| server.request(Method::POST, path).json(&body);
    let user = |name: &str, password: &str| json!({"username": name, "password": password});
    vec![
        (200, "", get("/api")),
        (401, "missing_token", get("/api/sessions")),
        (401, "missing_token", post("/api/logout_all", json!({}))),
        (401, "missing_token", get("/api/admin/users")),
        (200, "", get("/healthz")),
        (200, "", get("/readyz")),
        (200, "", post("/api/login", user("alice", PASSWORD))),
        (201, "", post("/api/register", user("newcomer", PASSWORD))),
        (204, "", post("/api/logout", json!({"refresh_token": "forged"}))),
        (400, "invalid_request", post("/api/login", json!({}))),
        (401, "invalid_credentials", post("/api/login", user("alice", "wrong horse battery"))),
        (401, "missing_token", get("/api/profile")),
        (401, "invalid_token", get("/api/profile").bearer_auth("forged")),
        (401, "invalid_grant", post("/api/refresh_token", json!({"refresh_token": "forged"}))),
        (404, "not_found", get("/api/nowhere")),
        (405, "method_not_allowed", server.request(Method::DELETE, "/api/login")),
        (409, "username_taken", post("/api/register", user("alice", PASSWORD))),
        (413, "payload_too_large", post("/api/login", json!({"padding": "x".repeat(16 * 1024)}))),
        (415, "unsupported_media_type", server.request(Method::POST, "/api/login").body("{}")),
        (422, "invalid_username", post("/api/register", user("a b", PASSWORD))),
        (422, "weak_password", post("/api/register", user("bob", "short"))),
    ]
}

#[actix_web::test]
async fn every_answer_has_its_headers_and_the_clients_request_id() {
    let server = TestServer::start().await;
    server.registered("alice").await;

    for (status, code, request) in one_of_each(&server) {
        let answer = Answer::of(request.header("x-request-id", "trace-1.a_B")).await;

        assert_eq!(answer.status, status, "{code} {}", answer.raw);
        assert_eq!(answer.header("x-request-id"), "trace-1.a_B");
        answer.assert_dressed();
        if !code.is_empty() {
            answer.assert_problem(status, code);
        }
    }
}

#[actix_web::test]
async fn the_type_of_every_error_is_a_place_on_the_page_of_problems() {
    let server = TestServer::start().await;
    server.registered("alice").await;
    for (_, code, request) in one_of_each(&server).into_iter().filter(|(_, code, _)| !code.is_empty()) {
        let answer = Answer::of(request).await;

        let (path, anchor) = answer.text("type").split_once('#').unwrap();
        let page = server.get(path).await;
        assert!(page.status == 200 && page.raw.contains(&format!(" id=\"{anchor}\"")), "{code}");
    }
}

#[actix_web::test]
async fn a_request_id_is_kept_if_it_is_harmless_and_made_otherwise() {
    let server = TestServer::start().await;
    let longest = "x".repeat(64);
    for id in ["a", "0", "trace-1.a_B", &longest] {
        let answer = Answer::of(server.request(Method::GET, "/api/nowhere").header("x-request-id", id)).await;
        assert_eq!(answer.assert_problem(404, "not_found").text("request_id"), id);
    }
    let too_long = "x".repeat(65);
    for id in ["", "a b", "a/b", "a\"b", "<script>", "a,b", &too_long] {
        let answer = Answer::of(server.request(Method::GET, "/api/nowhere").header("x-request-id", id)).await;
        let made = answer.assert_problem(404, "not_found").text("request_id");
        assert_ne!(made, id);
        assert!(made.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{made}");
    }
}

#[actix_web::test]
async fn two_requests_without_an_id_get_different_ones() {
    let server = TestServer::start().await;

    let (first, second) = (server.get("/api").await, server.get("/api").await);

    assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
}

#[actix_web::test]
async fn every_401_has_the_challenge_for_its_cause_and_nothing_else_has_one() {
    let server = TestServer::start().await;
    server.registered("alice").await;
    for (status, code, request) in one_of_each(&server) {
        let expected = match (status, code) {
            (401, "invalid_token") => r#"Bearer realm="latchkey", error="invalid_token""#,
            (401, _) => r#"Bearer realm="latchkey""#,
            _ => "",
        };
        assert_eq!(Answer::of(request).await.header("www-authenticate"), expected, "{code}");
    }
}

#[actix_web::test]
async fn every_path_tells_which_methods_it_answers_to() {
    let server = TestServer::start().await;
    for (path, allow) in PATHS {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"] {
            if allow.split(", ").any(|allowed| allowed == method) {
                continue;
            }
            let answer = Answer::of(server.request(method.parse().unwrap(), path)).await;
            assert_eq!((answer.status, answer.header("allow")), (405, allow), "{method} {path}");
            if method == "HEAD" {
                continue;
            }
            if OAUTH_PATHS.contains(&path) {
                answer.assert_oauth(405, "invalid_request");
            } else {
                answer.assert_problem(405, "method_not_allowed");
            }
        }
    }
}

#[actix_web::test]
async fn head_is_answered_as_get_is_without_the_body() {
    // Without these there is no metadata to ask for.
    let server = TestServer::with(&[("PUBLIC_URL", "https://a.example"), ("JWT_ISSUER", "https://a.example")]).await;
    let alice = server.admin("alice").await;
    // The account of the table's id is nobody's: `admin_users` asks for one that is there.
    let somewhere = |(path, allow): &&(&str, &str)| allow.contains("GET") && !path.contains("/users/");
    for path in PATHS.iter().filter(somewhere).map(|(path, _)| path) {
        let get = server.get_with(path, &alice.access_token).await;
        let head = Answer::of(server.request(Method::HEAD, path).bearer_auth(&alice.access_token)).await;

        assert_eq!((head.status, head.raw.as_str()), (200, ""), "{path}");
        assert_eq!(head.header("content-length"), get.raw.len().to_string(), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
        // What may be cached has its headers tested in `problems` and `jwks`.
        if !["/problems", "/.well-known/jwks.json"].contains(path) {
            head.assert_dressed();
        }
    }
}

#[actix_web::test]
async fn head_of_the_profile_needs_a_token_too() {
    let server = TestServer::start().await;

    let answer = Answer::of(server.request(Method::HEAD, "/api/profile")).await;

    assert_eq!((answer.status, answer.raw.as_str()), (401, ""));
}

#[actix_web::test]
async fn an_unknown_path_is_a_404_without_an_echo() {
    let server = TestServer::start().await;
    for path in
        ["/", "/api/", "/api/login/", "/API", "/api/profile/hunter2", "/hunter2?hunter2", "/api%2flogin", "//api"]
    {
        let answer = server.exchange(format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(!answer.assert_problem(404, "not_found").raw.contains("hunter2"), "{path}");
    }
}

#[actix_web::test]
async fn a_token_in_the_query_string_is_no_token() {
    let server = TestServer::start().await;
    let alice = server.registered("alice").await;
    let (access, refresh) = (&alice.access_token, &alice.refresh_token);
    let empty = json!({});

    server.get(&format!("/api/profile?access_token={access}")).await.assert_problem(401, "missing_token");
    server.get(&format!("/api/profile?authorization=Bearer%20{access}")).await.assert_problem(401, "missing_token");
    let logout = server.request(Method::POST, &format!("/api/logout?refresh_token={refresh}&access_token={access}"));
    Answer::of(logout).await.assert_problem(401, "missing_token");
    let renewal = server.post(&format!("/api/refresh_token?refresh_token={refresh}"), &empty).await;
    renewal.assert_problem(400, "invalid_request");

    assert_eq!(server.get_with("/api/profile", access).await.status, 200);
}

#[actix_web::test]
async fn credentials_in_the_query_string_are_none() {
    let server = TestServer::start().await;
    server.registered("alice").await;
    for path in ["/api/login", "/api/register"] {
        let query = format!("{path}?username=alice2&password=correct%20horse%20battery");
        server.post(&query, &json!({})).await.assert_problem(400, "invalid_request");
    }
}

#[actix_web::test]
async fn other_schemes_of_authorization_are_no_bearer_token() {
    let server = TestServer::start().await;
    let alice = server.registered("alice").await;
    let basic = "Basic YWxpY2U6Y29ycmVjdCBob3JzZSBiYXR0ZXJ5".to_owned();
    for value in [basic, format!("Token {}", alice.access_token), format!("Bearer{}", alice.access_token)] {
        let request = server.request(Method::GET, "/api/profile").header(AUTHORIZATION, &value);
        let answer = Answer::of(request).await;
        answer.assert_problem(401, "missing_token");
        assert_eq!(answer.header("www-authenticate"), r#"Bearer realm="latchkey""#);
    }
}

#[actix_web::test]
async fn the_scheme_may_be_written_in_any_case() {
    let server = TestServer::start().await;
    let alice = server.registered("alice").await;
    for scheme in ["bearer", "BEARER", "bEaReR", "Bearer  "] {
        let value = format!("{scheme} {}", alice.access_token);
        let answer = Answer::of(server.request(Method::GET, "/api/profile").header(AUTHORIZATION, value)).await;
        assert_eq!(answer.status, 200, "{scheme}");
    }
}

#[actix_web::test]
async fn an_ambiguous_or_empty_authorization_is_a_malformed_request() {
    let server = TestServer::start().await;
    let token = server.registered("alice").await.access_token;
    let twice = format!("Authorization: Bearer {token}\r\nAuthorization: Bearer {token}");
    let two_schemes = format!("Authorization: Bearer {token}\r\nauthorization: Basic YTpi");
    let other_order = format!("Authorization: Basic YTpi\r\nAUTHORIZATION: Bearer {token}");
    let nothing = ["Authorization:", "Authorization: Bearer", "Authorization: bearer  ", "Authorization: Bearer\t"];
    for headers in nothing.into_iter().chain([twice.as_str(), &two_schemes, &other_order]) {
        for call in ["GET /api/profile", "POST /api/logout"] {
            let request = format!("{call} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{headers}\r\n\r\n");
            let answer = server.exchange(request).await;
            assert_eq!(answer.status, 400, "{call} {headers}: {}", answer.raw);
            answer.assert_problem(400, "invalid_request");
            assert_eq!(answer.header("www-authenticate"), r#"Bearer realm="latchkey", error="invalid_request""#);
        }
    }
    assert_eq!(server.get_with("/api/profile", &token).await.status, 200);
}
