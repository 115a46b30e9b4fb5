//! What the calls of the OAuth standards have in common: the rules about their bodies, and the form of their errors.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;

use crate::support::calls::{CANARY, assert_no_echo};
use crate::support::forms::{FORM, OAUTH_PATHS, encoded};
use crate::support::{Answer, TestServer};

/// A well-formed body of so many bytes, in a parameter that nobody reads.
fn body_of(length: usize) -> String {
    format!("padding={}", "x".repeat(length - "padding=".len()))
}

fn head(path: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: h\r\nContent-Type: {FORM}\r\nConnection: close")
}

/// Whatever the call makes of a body without its parameters, shows that it was read.
async fn assert_read(path: &str, request: reqwest::RequestBuilder) {
    let answer = Answer::of(request).await;
    assert!(matches!(answer.status, 400 | 401), "{path}: {}", answer.raw);
}

#[actix_web::test]
async fn a_body_that_cannot_be_decoded_is_an_invalid_request_and_not_repeated() {
    let server = TestServer::start().await;
    for path in OAUTH_PATHS {
        for broken in ["%", "%4", "%zz", "%ff"] {
            let answer = Answer::of(server.form(path, format!("token={CANARY}{broken}"))).await;
            assert_no_echo(broken, answer.assert_oauth(400, "invalid_request"));
        }
        let bytes = [b"token=\xff", CANARY.as_bytes()].concat();
        Answer::of(server.form(path, bytes)).await.assert_oauth(400, "invalid_request");
    }
}

#[actix_web::test]
async fn a_form_of_sixteen_kibibytes_is_read_and_one_byte_more_is_not() {
    let server = TestServer::start().await;
    for path in OAUTH_PATHS {
        assert_read(path, server.form(path, body_of(16 * 1024))).await;
        Answer::of(server.form(path, body_of(16 * 1024 + 1))).await.assert_oauth(413, "invalid_request");
        let body = body_of(16 * 1024 + 1);
        let chunked = format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
        server.exchange(format!("{}\r\n{chunked}", head(path))).await.assert_oauth(413, "invalid_request");
    }
}

#[actix_web::test]
async fn a_form_that_does_not_arrive_is_a_408() {
    let server = TestServer::tuned(|settings| settings.limits.body_timeout = Duration::from_millis(50)).await;
    let framings =
        ["Content-Length: 40\r\n\r\n", "Content-Length: 40\r\n\r\ntoken=a", "Transfer-Encoding: chunked\r\n\r\n"];
    let exchanges = OAUTH_PATHS
        .iter()
        .flat_map(|path| framings.map(|framing| server.exchange(format!("{}\r\n{framing}", head(path)))));
    for answer in join_all(exchanges).await {
        answer.assert_oauth(408, "invalid_request");
    }
}

#[actix_web::test]
async fn a_body_that_is_not_declared_as_a_form_is_refused_with_what_would_do() {
    let server = TestServer::start().await;
    let undeclared: [&[&str]; 7] = [
        &[],
        &["application/json"],
        &["multipart/form-data; boundary=x"],
        &["text/plain"],
        &["application/x-www-form-urlencoded; charset=latin1"],
        &[FORM, FORM],
        &["*/*"],
    ];
    for path in OAUTH_PATHS {
        for types in undeclared {
            let request = server.request(Method::POST, path).body(encoded(&[("token", CANARY)]));
            let request = types.iter().fold(request, |request, declared| request.header("content-type", *declared));
            let answer = Answer::of(request).await;
            assert_no_echo(path, answer.assert_oauth(415, "invalid_request"));
            assert_eq!(answer.header("accept"), FORM, "{types:?}");
        }
        for declared in ["application/x-www-form-urlencoded;charset=UTF-8", "Application/X-WWW-Form-URLencoded"] {
            assert_read(path, server.request(Method::POST, path).header("content-type", declared).body("x=y")).await;
        }
    }
}

#[actix_web::test]
async fn a_compressed_form_is_refused_with_what_would_do() {
    let server = TestServer::start().await;
    for path in OAUTH_PATHS {
        for coding in ["gzip", "br", "deflate", "identity, gzip"] {
            let answer = Answer::of(server.form(path, "token=a").header("content-encoding", coding)).await;
            answer.assert_oauth(415, "invalid_request");
            assert_eq!(answer.header("accept-encoding"), "identity", "{coding}");
        }
    }
}

#[actix_web::test]
async fn two_authorization_headers_are_an_invalid_request() {
    let server = TestServer::start().await;
    for path in OAUTH_PATHS {
        for headers in ["Authorization: Basic YTo=\r\nAuthorization: Basic YTo=", "Authorization:"] {
            let request = format!("{}\r\n{headers}\r\nContent-Length: 7\r\n\r\ntoken=a", head(path));
            server.exchange(request).await.assert_oauth(400, "invalid_request");
        }
    }
}
