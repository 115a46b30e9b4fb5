//! Bodies that are declared as something else, too long, or late, at every call that takes one.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use crate::support::calls::{CALLS, CANARY, Call, Called, assert_refused};
use crate::support::{Answer, TestServer};

#[actix_web::test]
async fn sixteen_kibibytes_are_read_and_one_byte_more_is_not() {
    let called = Called::start().await;
    for call in &CALLS {
        call.assert_read("16 KiB", &called.raw(call, call.body_of(16 * 1024)).await);
        let answer = called.raw(call, call.body_of(16 * 1024 + 1)).await;
        assert_refused(call.path, &answer, 413, "payload_too_large");
    }
}

#[actix_web::test]
async fn a_chunked_body_that_grows_too_large_is_refused() {
    let called = Called::start().await;
    let exchanges = CALLS.iter().map(|call| {
        let body = call.body_of(16 * 1024 + 1);
        let head = called.head(call);
        called.server.exchange(format!(
            "{head}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
            body.len()
        ))
    });
    for (call, answer) in CALLS.iter().zip(join_all(exchanges).await) {
        assert_refused(call.path, &answer, 413, "payload_too_large");
    }
}

#[actix_web::test]
async fn a_body_that_does_not_arrive_is_a_408() {
    let server = TestServer::tuned(|settings| settings.limits.body_timeout = Duration::from_millis(50)).await;
    let called = Called::on(server).await;
    let framings = [
        "Content-Length: 40\r\n\r\n",
        "Content-Length: 40\r\n\r\n{\"cAnArY*7f3b\"",
        "Transfer-Encoding: chunked\r\n\r\n",
    ];
    let mut exchanges = Vec::new();
    for call in &CALLS {
        for framing in framings {
            let head = called.head(call);
            exchanges.push(called.server.exchange(format!("{head}\r\n{framing}")));
        }
    }
    for answer in join_all(exchanges).await {
        assert_refused("a silent client", &answer, 408, "request_timeout");
    }
}

/// A request with these header lines and a well-formed body.
fn declared(called: &Called, call: &Call, headers: &[(&str, &str)]) -> reqwest::RequestBuilder {
    let request = called.request(call).body(call.body(&json!(CANARY)).to_string());
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
}

const JSON: (&str, &str) = ("content-type", "application/json");

#[actix_web::test]
async fn a_body_that_is_not_declared_as_json_is_refused_with_what_would_do() {
    let called = Called::start().await;
    let types = [
        "text/json",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=cAnArY*7f3b",
        "application/json5",
        "application/problem+json",
        "application/json; charset=latin1",
        "application/json; charset=utf-16",
        "application/json; charset=utf-8; charset=utf-8",
        "application/json, application/json",
        "application/json;version=1",
        "application/",
        "json",
        "*/*",
        "",
    ];
    let mut undeclared: Vec<Vec<(&str, &str)>> = types.iter().map(|value| vec![("content-type", *value)]).collect();
    undeclared.extend([vec![], vec![JSON, JSON], vec![JSON, ("content-type", "text/plain")]]);
    for call in &CALLS {
        for headers in &undeclared {
            let answer = Answer::of(declared(&called, call, headers)).await;
            assert_refused(&format!("{headers:?} to {}", call.path), &answer, 415, "unsupported_media_type");
            assert_eq!(answer.header("accept"), "application/json", "{headers:?}");
            assert_eq!(answer.header("accept-encoding"), "", "{headers:?}");
        }
    }
}

#[actix_web::test]
async fn a_compressed_body_is_refused_with_what_would_do() {
    let called = Called::start().await;
    for call in &CALLS {
        for coding in ["gzip", "GZIP", "x-gzip", "br", "deflate", "zstd", "identity, gzip", "cAnArY*7f3b", ""] {
            let answer = Answer::of(declared(&called, call, &[JSON, ("content-encoding", coding)])).await;
            assert_refused(&format!("{coding:?} to {}", call.path), &answer, 415, "unsupported_media_type");
            assert_eq!(answer.header("accept-encoding"), "identity", "{coding}");
            assert_eq!(answer.header("accept"), "", "{coding}");
        }
    }
}

#[actix_web::test]
async fn json_is_read_however_its_declaration_is_spelt() {
    let called = Called::start().await;
    let declarations: [&[(&str, &str)]; 6] = [
        &[JSON],
        &[("content-type", "application/json; charset=utf-8")],
        &[("content-type", "application/json;charset=UTF-8")],
        &[("content-type", "Application/JSON; charset=\"utf-8\"")],
        &[JSON, ("content-encoding", "identity")],
        &[JSON, ("accept-encoding", "gzip"), ("accept", "text/html")],
    ];
    for headers in declarations {
        for call in &CALLS {
            call.assert_read(&format!("{headers:?}"), &Answer::of(declared(&called, call, headers)).await);
        }
    }
}
