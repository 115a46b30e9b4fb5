//! One request at a time, as a client sends it that wants to stay signed in.
//!
//! Owns what a client does (`What a client does` in the README): only a refusal is final; after anything else it tries again
//! with the same token. Written on the bare socket, because a scenario must know what was sent: nothing is repeated by
//! itself, and an answer can be lost on purpose.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use serde_json::Value;

use crate::http::{self, Answer};
use crate::peers::{Account, Dialect, Tokens};

/// How long an answer may take: a server that hangs fails the run.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a client tries that is neither answered nor refused.
const TRIES: u32 = 20;
/// Between two of them.
const PAUSE: Duration = Duration::from_millis(100);

/// What a presented refresh token bought.
#[derive(Debug, Clone)]
pub enum Renewal {
    /// The session goes on.
    Granted(Tokens),
    /// It is over; with the word that says why.
    Refused(String),
}

/// Speaks to one running server in its dialect.
pub struct Client<'subject> {
    address: SocketAddr,
    dialect: &'subject dyn Dialect,
    unclear: &'subject AtomicUsize,
}

impl<'subject> Client<'subject> {
    /// Connects with each request, and counts the tries that are neither answered nor refused.
    pub fn of(address: SocketAddr, dialect: &'subject dyn Dialect, unclear: &'subject AtomicUsize) -> Self {
        Self { address, dialect, unclear }
    }

    /// Presents a refresh token until the answer is clear.
    pub fn renew(&self, refresh: &str) -> Result<Renewal> {
        self.open()?.renew(refresh)
    }

    /// A connection that is there before anything is sent, for those who ask at once.
    pub fn open(&self) -> Result<Open<'_>> {
        Ok(Open { client: self, connection: Some(Connection::open(self.address)?) })
    }

    /// Whether an access token is accepted. Errors: it is answered with somebody else's profile.
    pub fn calls(&self, account: &Account, access: &str) -> Result<bool> {
        let mut request = Vec::new();
        self.dialect.profile(&mut request, access);
        self.ask(&request, |answer| {
            if is_refusal(answer.status) {
                return Ok(Some(false));
            }
            if answer.status != 200 {
                return Ok(None);
            }
            ensure!(self.dialect.whose(answer)? == account.username, "somebody else's profile");
            Ok(Some(true))
        })
    }

    /// Ends a session. Errors: the service has no logout, or refuses it.
    pub fn log_out(&self, tokens: &Tokens) -> Result<()> {
        let mut request = Vec::new();
        ensure!(self.dialect.logout(&mut request, tokens), "no logout");
        self.ask(&request, |answer| match answer.status {
            // Refused: the token that was sent was spent by a renewal just now, and the service wants a live one.
            200..=299 | 400..=404 => Ok(Some(())),
            _ => Ok(None),
        })
    }

    /// Changes the password and says what the fresh session's tokens are; nothing where that is refused.
    pub fn change_password(&self, tokens: &Tokens, account: &Account, new: &str) -> Result<Option<Tokens>> {
        let mut request = Vec::new();
        ensure!(self.dialect.password_change(&mut request, tokens, account, new), "no password change");
        self.ask(&request, |answer| match answer.status {
            200 => Ok(Some(Some(self.dialect.tokens(answer, None)?))),
            status if is_refusal(status) => Ok(Some(None)),
            _ => Ok(None),
        })
    }

    /// Sends a request until `read` makes something of its answer.
    fn ask<T>(&self, request: &[u8], read: impl FnMut(&Answer<'_>) -> Result<Option<T>>) -> Result<T> {
        self.open()?.ask(request, read)
    }
}

/// A client with a connection.
pub struct Open<'client> {
    client: &'client Client<'client>,
    connection: Option<Connection>,
}

impl Open<'_> {
    /// Presents a refresh token until the answer is clear.
    pub fn renew(&mut self, refresh: &str) -> Result<Renewal> {
        let dialect = self.client.dialect;
        let mut request = Vec::new();
        dialect.renewal(&mut request, refresh);
        self.ask(&request, |answer| match answer.status {
            200 => Ok(Some(Renewal::Granted(dialect.tokens(answer, None)?))),
            status if is_refusal(status) => Ok(Some(Renewal::Refused(reason(answer)))),
            _ => Ok(None),
        })
    }

    /// Presents a refresh token, whole, and reads no answer; `answered` is whether it is to arrive all the same. Who drops what
    /// comes back hangs up. Errors: it cannot be sent, or the answer does not arrive.
    pub fn present(self, refresh: &str, answered: bool) -> Result<Connection> {
        let mut request = Vec::new();
        self.client.dialect.renewal(&mut request, refresh);
        let mut connection = self.connection.context("no connection")?;
        connection.stream.write_all(&request).context("presenting a token")?;
        if answered {
            // The kernel has it, this program has not.
            let arrived = connection.stream.peek(&mut [0]).context("waiting for an answer")?;
            ensure!(arrived > 0, "hung up on before the answer");
        }
        Ok(connection)
    }

    fn ask<T>(&mut self, request: &[u8], mut read: impl FnMut(&Answer<'_>) -> Result<Option<T>>) -> Result<T> {
        for _ in 0..TRIES {
            if let Some(done) = self.once(request, &mut read)? {
                return Ok(done);
            }
            self.client.unclear.fetch_add(1, Ordering::Relaxed);
            self.connection = None;
            thread::sleep(PAUSE);
        }
        Err(anyhow!("neither answered nor refused, {TRIES} times"))
    }

    /// Nothing where the connection broke.
    fn once<T>(
        &mut self,
        request: &[u8],
        read: &mut impl FnMut(&Answer<'_>) -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => match Connection::open(self.client.address) {
                Ok(opened) => none.insert(opened),
                Err(_) => return Ok(None),
            },
        };
        if connection.stream.write_all(request).is_err() {
            return Ok(None);
        }
        let (made_of_it, closes) = connection.receive(read)?;
        if closes {
            self.connection = None;
        }
        Ok(made_of_it)
    }
}

/// Dropped, it is hung up.
pub struct Connection {
    stream: TcpStream,
}

impl Connection {
    fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).context("connecting")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream })
    }

    /// Reads one answer, and says whether the connection is given up with it. Nothing where that broke before it was there.
    fn receive<T>(&mut self, read: &mut impl FnMut(&Answer<'_>) -> Result<Option<T>>) -> Result<(Option<T>, bool)> {
        let (mut arrived, mut part) = (Vec::new(), [0; 4096]);
        loop {
            let taken = match self.stream.read(&mut part) {
                Ok(0) => return Ok((None, true)),
                Ok(taken) => taken,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => bail!("no answer in {PATIENCE:?}"),
                Err(_) => return Ok((None, true)),
            };
            arrived.extend_from_slice(part.get(..taken).unwrap_or_default());
            if let Some((answer, closes)) = http::parse_last(&arrived)? {
                return Ok((read(&answer)?, closes));
            }
        }
    }
}

/// Final: no try of the same is answered otherwise. 408 and 429 say that one later may be.
fn is_refusal(status: u16) -> bool {
    matches!(status, 400..=499) && !matches!(status, 408 | 429)
}

/// The word of a refusal, by the members that services have for it, else its status.
fn reason(answer: &Answer<'_>) -> String {
    let body: Value = serde_json::from_slice(answer.body).unwrap_or_default();
    let word = ["reason", "code", "error", "message"].iter().find_map(|member| body.get(member)?.as_str());
    word.map_or_else(|| answer.status.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::net::TcpListener;

    use super::*;
    use crate::peers::Rest;

    /// Presents a token to a server that does with the connection what `serve` says, with the whole request at hand.
    fn presented(answered: bool, serve: impl FnOnce(TcpStream) + Send) -> Result<Connection> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let unclear = AtomicUsize::default();
        let client = Client::of(listener.local_addr().unwrap(), &Rest { changes_passwords: false }, &unclear);
        thread::scope(|scope| {
            let open = client.open().unwrap();
            let (stream, _) = listener.accept().unwrap();
            scope.spawn(|| serve(stream));
            open.present("a token", answered)
        })
    }

    /// Reads a request until its body is there.
    fn read(stream: &mut TcpStream) {
        let mut read = Vec::new();
        while !read.ends_with(b"}") {
            let mut part = [0; 1024];
            let taken = stream.read(&mut part).unwrap();
            read.extend_from_slice(&part[..taken]);
        }
    }

    #[test]
    fn who_presents_a_token_stays_until_the_connection_is_let_go() {
        let mut kept = None;
        let held = presented(false, |mut stream| {
            read(&mut stream);
            stream.set_nonblocking(true).unwrap();
            kept = Some(stream);
        });

        let mut stream = kept.unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
        drop(held.unwrap());
        stream.set_nonblocking(false).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn an_answer_that_does_not_arrive_is_no_answer() {
        let answers = |mut stream: TcpStream| {
            read(&mut stream);
            stream.write_all(b"HTTP/1.1 200 OK").unwrap();
        };

        assert!(presented(true, answers).is_ok());
        assert!(presented(true, |mut stream| read(&mut stream)).is_err());
    }

    #[test]
    fn only_a_refusal_is_final() {
        for (status, is_final) in [(400, true), (401, true), (403, true), (404, true), (408, false), (429, false)] {
            assert_eq!(is_refusal(status), is_final, "{status}");
        }
        assert!(!is_refusal(500) && !is_refusal(503) && !is_refusal(200));
    }

    #[test]
    fn a_refusal_is_told_in_its_most_telling_word() {
        for (body, word) in [
            (r#"{"code":"invalid_grant","reason":"reused"}"#, "reused"),
            (r#"{"error":"invalid_grant","error_description":"…"}"#, "invalid_grant"),
            (r#"{"detail":"Token is blacklisted","code":"token_not_valid"}"#, "token_not_valid"),
            ("", "401"),
        ] {
            let answer = Answer { status: 401, head: b"", body: body.as_bytes(), retry_after: None };
            assert_eq!(reason(&answer), word);
        }
    }
}
