//! Which web pages may read the answers: `CORS_ORIGINS`.

use latchkey::error::Error;
use reqwest::Method;
use serde_json::json;

use crate::everywhere::PATHS;
use crate::support::{Answer, PASSWORD, TestServer};

const LISTED: &str = "https://app.test";
const ALSO_LISTED: &str = "http://localhost:5173";
/// What is nearly listed, and what pages without an origin send.
const UNLISTED: [&str; 14] = [
    "http://app.test",
    "https://app.test:8443",
    "https://app.test/",
    "https://app.test.evil.example",
    "https://evil-app.test",
    "https://evil.example/https://app.test",
    "https://sub.app.test",
    "https://APP.test",
    "https://app.tes",
    "http://localhost",
    "https://app.test, http://localhost:5173",
    "null",
    "*",
    "",
];

async fn server() -> TestServer {
    TestServer::with(&[("CORS_ORIGINS", "https://app.test,http://localhost:5173")]).await
}

async fn from(origin: &str, request: reqwest::RequestBuilder) -> Answer {
    Answer::of(request.header("origin", origin)).await
}

async fn preflight(server: &TestServer, origin: &str, path: &str, method: &str) -> Answer {
    let request = server.request(Method::OPTIONS, path).header("access-control-request-method", method);
    from(origin, request.header("access-control-request-headers", "authorization,content-type")).await
}

/// The answer's CORS headers and `Vary`, by name.
fn cors(answer: &Answer) -> Vec<(&str, &str)> {
    let about =
        answer.headers.iter().filter(|(name, _)| name.as_str().starts_with("access-control-") || *name == "vary");
    let mut about: Vec<_> = about.map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    about.sort_unstable();
    about
}

fn readable_by(origin: &str) -> Vec<(&str, &str)> {
    vec![
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-origin", origin),
        ("access-control-expose-headers", "X-Request-Id, Retry-After, WWW-Authenticate"),
        ("vary", "Origin"),
    ]
}

#[actix_web::test]
async fn without_a_list_no_answer_has_a_word_of_it() {
    let server = TestServer::start().await;

    let call = from(LISTED, server.request(Method::GET, "/api")).await;
    let asked = preflight(&server, LISTED, "/api/login", "POST").await;

    assert_eq!((cors(&call), cors(&asked)), (vec![], vec![]));
    asked.assert_problem(405, "method_not_allowed");
}

#[actix_web::test]
async fn a_listed_page_is_named_and_no_other_is() {
    let server = server().await;
    for origin in [LISTED, ALSO_LISTED] {
        let answer = from(origin, server.request(Method::GET, "/api")).await;
        assert_eq!((answer.status, cors(&answer)), (200, readable_by(origin)));
    }
    for origin in UNLISTED {
        let answer = from(origin, server.request(Method::GET, "/api")).await;
        assert_eq!((answer.status, cors(&answer)), (200, vec![("vary", "Origin")]), "{origin}");
        let asked = preflight(&server, origin, "/api/login", "POST").await;
        asked.assert_problem(405, "method_not_allowed");
        assert_eq!(cors(&asked).len(), 1, "{origin}: {:?}", cors(&asked));
    }
    assert_eq!(cors(&server.get("/api").await), [("vary", "Origin")], "a cache must know it, whoever asked first");
    let two = server.request(Method::GET, "/api").header("origin", LISTED).header("origin", ALSO_LISTED);
    assert_eq!(cors(&Answer::of(two).await), [("vary", "Origin")]);
}

#[actix_web::test]
async fn a_preflight_tells_the_methods_of_the_path_and_what_may_be_sent() {
    let server = server().await;
    for (path, methods) in PATHS {
        let answer = preflight(&server, LISTED, path, "DELETE").await;

        assert_eq!((answer.status, answer.raw.as_str()), (204, ""), "{path}");
        let expected = [
            ("access-control-allow-credentials", "true"),
            ("access-control-allow-headers", "Authorization, Content-Type, X-Request-Id"),
            ("access-control-allow-methods", methods),
            ("access-control-allow-origin", LISTED),
            ("access-control-max-age", "7200"),
            ("vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
        ];
        assert_eq!(cors(&answer), expected, "{path}");
        answer.assert_dressed();
    }
}

#[actix_web::test]
async fn a_preflight_for_an_address_that_nothing_has_lets_the_page_read_the_404() {
    let server = server().await;

    let asked = preflight(&server, LISTED, "/api/nowhere", "DELETE").await;

    assert_eq!(asked.status, 204);
    assert_eq!(asked.header("access-control-allow-methods"), "GET, HEAD, POST, PUT, PATCH, DELETE");
    let answer = from(LISTED, server.request(Method::DELETE, "/api/nowhere")).await;
    assert_eq!(cors(answer.assert_problem(404, "not_found")), readable_by(LISTED));
}

#[actix_web::test]
async fn an_options_that_is_no_preflight_is_a_405_that_the_page_can_read() {
    let server = server().await;

    let answer = from(LISTED, server.request(Method::OPTIONS, "/api/login")).await;

    answer.assert_problem(405, "method_not_allowed");
    assert_eq!((answer.header("allow"), answer.header("access-control-allow-origin")), ("POST", LISTED));
}

#[actix_web::test]
async fn a_listed_page_can_read_every_error() {
    let server = server().await;
    let get = |path| server.request(Method::GET, path);
    let post = |path, body| server.request(Method::POST, path).json(&body);
    let refused = [
        (400, "invalid_request", post("/api/login", json!({}))),
        (401, "invalid_credentials", post("/api/login", json!({"username": "nobody", "password": PASSWORD}))),
        (401, "missing_token", get("/api/profile")),
        (401, "invalid_token", get("/api/profile").bearer_auth("forged")),
        (401, "invalid_grant", post("/api/refresh_token", json!({"refresh_token": "forged"}))),
        (404, "not_found", get("/api/nowhere")),
        (405, "method_not_allowed", server.request(Method::DELETE, "/api/login")),
        (413, "payload_too_large", post("/api/login", json!({"padding": "x".repeat(16 * 1024)}))),
        (415, "unsupported_media_type", server.request(Method::POST, "/api/login").body("{}")),
        (422, "weak_password", post("/api/register", json!({"username": "bob", "password": "short"}))),
    ];
    for (status, code, request) in refused {
        let answer = from(LISTED, request).await;
        let said = cors(answer.assert_problem(status, code));
        // A renewal's answer says first what else it depends on.
        assert!(said.iter().all(|said| readable_by(LISTED).contains(said) || said.0 == "vary"), "{code}: {said:?}");
        assert!(readable_by(LISTED).iter().all(|header| said.contains(header)), "{code}: {said:?}");
    }
}

#[actix_web::test]
async fn a_listed_page_can_read_that_the_service_is_at_capacity() {
    let server = server().await;
    let mut permits = Vec::new();
    let full = loop {
        match server.services.hashing.admit() {
            Ok(permit) => permits.push(permit),
            Err(refusal) => break refusal,
        }
    };
    assert!(matches!(full, Error::Overloaded { .. }));

    let login = server.request(Method::POST, "/api/login").json(&json!({"username": "alice", "password": PASSWORD}));
    let answer = from(LISTED, login).await;

    assert_eq!(cors(answer.assert_problem(503, "overloaded")), readable_by(LISTED));
    assert!(!answer.header("retry-after").is_empty());
}
