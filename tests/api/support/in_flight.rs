//! Requests that have begun and wait.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;

use super::raw::parse;
use super::{Answer, TestServer};

/// A request whose head the server has read and whose body it waits for: whoever it comes from was looked at already.
pub struct InFlight {
    connection: TcpStream,
    body: String,
}

impl InFlight {
    /// Begins a `METHOD /path`, as the bearer of a token or of none.
    pub fn begin(server: &TestServer, line: &str, bearer: Option<&str>, body: &Value) -> Self {
        let (mut connection, body) = (TcpStream::connect(server.address).unwrap(), body.to_string());
        let bearer = bearer.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        write!(
            connection,
            "{line} HTTP/1.1\r\nHost: test\r\n{bearer}Content-Type: application/json\r\nContent-Length: {}\r\n\
             Connection: close\r\nExpect: 100-continue\r\n\r\n",
            body.len()
        )
        .unwrap();
        assert_eq!(head(&mut connection), "HTTP/1.1 100 Continue\r\n\r\n");
        Self { connection, body }
    }

    /// Sends the body, and waits for the answer.
    pub fn finish(mut self) -> Answer {
        self.connection.write_all(self.body.as_bytes()).unwrap();
        let mut answer = String::new();
        self.connection.read_to_string(&mut answer).unwrap();
        parse(&answer)
    }
}

/// Reads to the end of a head, and not a byte more.
pub fn head(connection: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && connection.read(&mut byte).unwrap() == 1 {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}
