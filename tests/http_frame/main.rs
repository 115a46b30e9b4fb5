//! The frame around the handlers, over real sockets: what a connection sees when a request is refused, late or broken.
//!
//! Toy routes, because no handler's rule is at stake. Raw TCP, because an HTTP client hides what matters here: which bytes
//! are read as which request, and when a connection ends.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first thing that is not as it expects"
)]

mod server;

use std::sync::atomic::Ordering;

use server::Server;

#[test]
fn a_body_that_does_not_arrive_is_answered_with_408_and_the_connection_ends() {
    let server = Server::start();
    let framings = ["Content-Length: 20\r\n\r\n", "Content-Length: 20\r\n\r\n{", "Transfer-Encoding: chunked\r\n\r\n"];
    let connections = framings.map(|framing| {
        let mut connection = server.connect();
        connection.send(&format!("POST /greet HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n{framing}"));
        connection
    });
    for mut connection in connections {
        connection.answer().is_problem(408, "request_timeout");
        connection.ends();
    }
}

#[test]
fn a_chunked_body_is_read_up_to_the_limit_and_refused_beyond() {
    let server = Server::start();
    let mut connection = server.connect();
    let head =
        "POST /greet HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";

    connection.send(&format!("{head}9\r\n{{\"name\":\"\r\n"));
    connection.send("5\r\nann\"}\r\n0\r\n\r\n");
    assert_eq!(connection.answer().body, r#"{"greeting":"Hello, ann"}"#);

    connection.send(head);
    connection.send(&format!("2000\r\n{}\r\n", "x".repeat(0x2000)));
    connection.send(&format!("2001\r\n{}\r\n", "x".repeat(0x2001)));
    connection.answer().is_problem(413, "payload_too_large");
    connection.ends();
}

#[test]
fn a_silent_sender_of_a_refused_chunked_body_does_not_hold_its_connection() {
    let server = Server::start();
    let requests = ["POST /greet", "POST /nowhere", "DELETE /greet", "GET /counted", "GET /behind", "GET /panics"];
    let connections = requests.map(|request| {
        let mut connection = server.connect();
        connection.send(&format!("{request} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"));
        connection
    });
    for mut connection in connections {
        assert_eq!(connection.answer().header("connection"), Some("close"));
        connection.ends();
    }
}

#[test]
fn the_bytes_of_a_refused_body_are_never_read_as_a_request() {
    let server = Server::start();
    let smuggled = "GET /counted HTTP/1.1\r\nHost: h\r\n\r\n";
    let length = smuggled.len();
    let framed = [
        format!("Content-Length: {length}\r\n\r\n{smuggled}"),
        format!("Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{smuggled}\r\n0\r\n\r\n"),
        format!("Content-Length: 99999\r\nContent-Type: application/json\r\n\r\n{smuggled}"),
    ];
    for body in framed {
        // All at once, and with the body after the refusal.
        let head_ends = body.find("\r\n\r\n").unwrap() + 4;
        for at in [body.len(), head_ends] {
            let mut connection = server.connect();
            connection.send(&format!("POST /greet HTTP/1.1\r\nHost: h\r\n{}", &body[..at]));
            let answer = connection.answer();
            assert!([413, 415].contains(&answer.status), "{}", answer.status);
            connection.send_if_open(&body[at..]);
            connection.drain();
        }
    }
    assert_eq!(server.counted.load(Ordering::SeqCst), 0);
}

#[test]
fn a_request_behind_a_body_that_was_read_is_answered() {
    let server = Server::start();
    let mut connection = server.connect();
    let body = r#"{"name":5}"#;
    let length = body.len();
    let refused = format!(
        "POST /greet HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );

    connection.send(&format!("{refused}GET /counted HTTP/1.1\r\nHost: h\r\n\r\n"));

    connection.answer().is_problem(400, "invalid_request");
    assert_eq!(connection.answer().body, "counted");
}

#[test]
fn a_panic_is_one_requests_500_and_the_connection_goes_on() {
    let server = Server::start();
    let mut connection = server.connect();

    for path in ["/panics?hunter2", "/fails"] {
        let answer = connection.get(path);
        answer.is_problem(500, "internal");
        assert!(!answer.body.contains("hunter2"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(connection.get("/counted").body, "counted");
    }
}

#[test]
fn head_is_answered_like_get_without_the_body() {
    let server = Server::start();
    let mut connection = server.connect();
    let get = connection.get("/counted");

    connection.send("HEAD /counted HTTP/1.1\r\nHost: h\r\n\r\n");
    let head = connection.answer_to_head();

    assert_eq!(head.status, 200);
    assert_eq!(head.body, "");
    assert_eq!(head.header("content-length"), Some("7"));
    assert_eq!(head.names(), get.names());
    // The next answer begins where the head ended: no byte of a body was sent.
    assert_eq!(connection.get("/counted").status, 200);
}

#[test]
fn a_wrong_method_is_told_which_are_right() {
    let server = Server::start();
    let mut connection = server.connect();
    for (method, path, allow) in
        [("PUT", "/counted", "GET, HEAD"), ("GET", "/greet", "POST"), ("PATCH", "/many", "GET, HEAD, POST, DELETE")]
    {
        connection.send(&format!("{method} {path} HTTP/1.1\r\nHost: h\r\n\r\n"));
        let answer = connection.answer();

        answer.is_problem(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), Some(allow));
    }
    connection.send("HEAD /greet HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(connection.answer_to_head().status, 405);
}

#[test]
fn a_wrong_method_is_told_before_anybody_is_asked_for_a_token() {
    let server = Server::start();
    let mut connection = server.connect();

    connection.get("/behind").is_problem(404, "not_found");
    connection.send("DELETE /behind HTTP/1.1\r\nHost: h\r\n\r\n");
    connection.answer().is_problem(405, "method_not_allowed");
}

#[test]
fn an_unknown_path_is_a_404() {
    let server = Server::start();
    let mut connection = server.connect();
    for path in ["/", "/nowhere", "/counted/", "/counted/more", "//counted", "/%63ounted%2f"] {
        connection.get(path).is_problem(404, "not_found");
    }
}

#[test]
fn a_request_id_is_kept_or_made_and_is_in_the_problem() {
    let server = Server::start();
    let mut connection = server.connect();
    for (sent, kept) in [("trace-1.a_B", true), ("no spaces", false), ("", false)] {
        connection.send(&format!("GET /nowhere HTTP/1.1\r\nHost: h\r\nX-Request-Id: {sent}\r\n\r\n"));
        let answer = connection.answer();

        let id = answer.header("x-request-id").unwrap();
        assert_eq!(id == sent, kept, "{id}");
        assert_eq!(answer.problem()["request_id"], id);
    }
}

#[test]
fn a_call_that_may_come_without_a_body_tells_none_from_some() {
    let server = Server::start();
    let mut connection = server.connect();
    let head = "POST /many HTTP/1.1\r\nHost: h\r\n";
    let json = "Content-Type: application/json\r\n";
    for (rest, greeted) in [
        ("\r\n".to_owned(), "nobody"),
        ("Content-Length: 0\r\n\r\n".to_owned(), "nobody"),
        (format!("{json}Content-Length: 0\r\n\r\n"), "nobody"),
        (format!("{json}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), "nobody"),
        (format!("{json}Content-Length: 14\r\n\r\n{{\"name\":\"ann\"}}"), "ann"),
        (format!("{json}Transfer-Encoding: chunked\r\n\r\ne\r\n{{\"name\":\"ann\"}}\r\n0\r\n\r\n"), "ann"),
    ] {
        connection.send(&format!("{head}{rest}"));
        assert_eq!(connection.answer().body, greeted, "{rest}");
    }
}
