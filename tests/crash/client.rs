//! One request at a time over a kept connection.
//!
//! Written on the bare socket, because a test of what was lost must know what was sent: an HTTP library may repeat a
//! request on a new connection by itself.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use serde_json::{Value, json};

use crate::process::PATIENCE;

/// No whole answer came, and none will: the request was done or not.
#[derive(Debug)]
pub struct Lost;

/// A pair of tokens, as an answer gave it.
#[derive(Debug, Clone)]
pub struct Tokens {
    pub access: String,
    pub refresh: String,
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Null where there is none.
    pub body: Value,
}

impl Answer {
    /// Fails unless this is the status.
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }

    /// The tokens of an answer that must be 200.
    #[track_caller]
    pub fn tokens(self) -> Tokens {
        let answer = self.is(200);
        let text = |member: &str| answer.body[member].as_str().unwrap().to_owned();
        Tokens { access: text("access_token"), refresh: text("refresh_token") }
    }

    /// Fails unless this is a refused renewal with this reason.
    #[track_caller]
    pub fn refused_as(self, reason: &str) {
        let answer = self.is(401);
        assert_eq!(
            (answer.body["code"].as_str(), answer.body["reason"].as_str()),
            (Some("invalid_grant"), Some(reason))
        );
    }
}

/// A request, as it goes over the wire.
pub struct Request(String);

impl Request {
    pub fn register(username: &str, password: &str) -> Self {
        Self::post("/api/register", &json!({"username": username, "password": password}))
    }

    pub fn login(username: &str, password: &str) -> Self {
        Self::post("/api/login", &json!({"username": username, "password": password}))
    }

    pub fn renew(refresh_token: &str) -> Self {
        Self::post("/api/refresh_token", &json!({"refresh_token": refresh_token}))
    }

    pub fn logout(refresh_token: &str) -> Self {
        Self::post("/api/logout", &json!({"refresh_token": refresh_token}))
    }

    pub fn profile(access_token: &str) -> Self {
        Self(format!("GET /api/profile HTTP/1.1\r\nHost: latchkey\r\nAuthorization: Bearer {access_token}\r\n\r\n"))
    }

    fn post(path: &str, body: &Value) -> Self {
        let (body, kind) = (body.to_string(), "Content-Type: application/json");
        let length = body.len();
        Self(format!("POST {path} HTTP/1.1\r\nHost: latchkey\r\n{kind}\r\nContent-Length: {length}\r\n\r\n{body}"))
    }

    /// The same in two parts: a head that asks to be told before the body is sent (RFC 9110 §10.1.1), and the body.
    pub fn in_two(self) -> (Self, Self) {
        let (head, body) = self.0.split_once("\r\n\r\n").unwrap();
        (Self(format!("{head}\r\nExpect: 100-continue\r\n\r\n")), Self(body.to_owned()))
    }
}

/// A connection to the server.
pub struct Client {
    address: SocketAddr,
    stream: Option<BufReader<TcpStream>>,
}

impl Client {
    /// Connects with the first request.
    pub fn of(address: SocketAddr) -> Self {
        Self { address, stream: None }
    }

    /// Sends a request and reads its answer.
    pub fn ask(&mut self, request: &Request) -> Result<Answer, Lost> {
        self.send(request)?;
        self.receive()
    }

    pub fn send(&mut self, Request(text): &Request) -> Result<(), Lost> {
        self.connect()?.get_mut().write_all(text.as_bytes()).map_err(|_| Lost)
    }

    /// The connection, made where there is none.
    pub fn connect(&mut self) -> Result<&mut BufReader<TcpStream>, Lost> {
        if self.stream.is_none() {
            let stream = TcpStream::connect(self.address).map_err(|_| Lost)?;
            stream.set_nodelay(true).map_err(|_| Lost)?;
            // So that a server that hangs fails the test instead of holding it.
            stream.set_read_timeout(Some(PATIENCE)).map_err(|_| Lost)?;
            self.stream = Some(BufReader::new(stream));
        }
        self.stream.as_mut().ok_or(Lost)
    }

    /// Waits until the server closes the connection, and fails if it says anything before.
    pub fn is_hung_up_on(&mut self) {
        let mut said = Vec::new();
        self.stream.as_mut().unwrap().read_to_end(&mut said).map_err(lost).ok();
        assert_eq!(String::from_utf8_lossy(&said), "");
    }

    /// The answer to what was sent, or a 100 that asks for the rest of it.
    pub fn receive(&mut self) -> Result<Answer, Lost> {
        let stream = self.stream.as_mut().ok_or(Lost)?;
        let status = line(stream)?.split(' ').nth(1).ok_or(Lost)?.parse().unwrap();
        let (mut length, mut closes) = (0, false);
        loop {
            let header = line(stream)?.to_ascii_lowercase();
            match header.split_once(": ") {
                None => break,
                Some(("content-length", value)) => length = value.parse().unwrap(),
                Some(("connection", value)) => closes = value == "close",
                Some(_) => {}
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).map_err(lost)?;
        if closes {
            self.stream = None;
        }
        Ok(Answer { status, body: serde_json::from_slice(&body).unwrap_or_default() })
    }
}

/// A line of an answer's head, without its end.
fn line(stream: &mut BufReader<TcpStream>) -> Result<String, Lost> {
    let mut line = String::new();
    stream.read_line(&mut line).map_err(lost)?;
    line.strip_suffix("\r\n").map(str::to_owned).ok_or(Lost)
}

/// A connection that broke lost the answer; one that is silent is a fault of the server.
fn lost(error: std::io::Error) -> Lost {
    assert!(error.kind() != std::io::ErrorKind::WouldBlock, "no answer came");
    Lost
}
