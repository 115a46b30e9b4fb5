//! `latchkey healthcheck`: asks a running server how it is.
//!
//! Owns the smallest HTTP client that can: one GET, of which the status is read and nothing else. A client of a library's
//! would be the largest thing in the binary.
//!
//! `HOST`, `PORT` -> addresses -> the first that answers -> its status, all of it within one time limit

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

/// A status line is shorter. Who sends more before the first line end is no server of ours.
const LONGEST_STATUS_LINE: u64 = 256;

/// Asks `path` there and waits no longer than `patience` for everything together. What came of it is one line either way;
/// it is good where the status is 200.
pub(super) fn ask(host: &str, port: u16, path: &str, patience: Duration) -> Result<String, String> {
    if port == 0 {
        return Err("PORT: 0 lets the system pick, so only the server knows the port".to_owned());
    }
    let give_up = Instant::now() + patience;
    let addresses = (host, port).to_socket_addrs().map_err(|cause| format!("HOST: cannot be looked up: {cause}"))?;
    let mut failure = "HOST: has no address".to_owned();
    for address in addresses.map(reachable) {
        match status(address, path, give_up) {
            Ok(200) => return Ok(format!("http://{address}{path} answers 200")),
            // It answered: another address would be another opinion of the same server.
            Ok(status) => return Err(format!("http://{address}{path} answers {status}")),
            Err(cause) => failure = format!("http://{address}{path} does not answer: {cause}"),
        }
    }
    Err(failure)
}

/// An address that listens everywhere is reached on the loopback.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

/// The status of one GET.
fn status(address: SocketAddr, path: &str, give_up: Instant) -> io::Result<u16> {
    let mut connection = TcpStream::connect_timeout(&address, remaining(give_up)?)?;
    connection.set_write_timeout(Some(remaining(give_up)?))?;
    write!(connection, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut line = Vec::new();
    let mut connection = connection.take(LONGEST_STATUS_LINE);
    while !line.contains(&b'\n') {
        connection.get_ref().set_read_timeout(Some(remaining(give_up)?))?;
        let mut piece = [0; LONGEST_STATUS_LINE as usize];
        let read = connection.read(&mut piece).map_err(in_words)?;
        if read == 0 {
            break;
        }
        line.extend(piece.iter().take(read));
    }
    parse(&line).ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "what it says is not HTTP"))
}

/// `HTTP/1.1 200 OK` -> 200.
fn parse(line: &[u8]) -> Option<u16> {
    let mut words = str::from_utf8(line.split(|byte| *byte == b'\n').next()?).ok()?.split(' ');
    let version = words.next()?;
    words.next().filter(|_| version.starts_with("HTTP/1."))?.trim_end().parse().ok()
}

/// What is left of the time; an error where nothing is, because a time-out of zero means "for ever".
fn remaining(give_up: Instant) -> io::Result<Duration> {
    let left = give_up.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(too_late()) } else { Ok(left) }
}

/// A read that timed out is told by Linux as "would block".
fn in_words(cause: io::Error) -> io::Error {
    if matches!(cause.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) { too_late() } else { cause }
}

fn too_late() -> io::Error {
    io::Error::new(ErrorKind::TimedOut, "not in time")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_the_second_word_of_the_first_line() {
        assert_eq!(parse(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n"), Some(200));
        assert_eq!(parse(b"HTTP/1.0 503\r\n"), Some(503));
        for line in
            [b"".as_slice(), b"SSH-2.0-x 200\r\n", b"HTTP/1.1", b"HTTP/1.1 \r\n", b"\xff 200\n", b"HTTP/2 200\n"]
        {
            assert_eq!(parse(line), None, "{}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn a_server_that_accepts_and_says_nothing_is_not_waited_for() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = silent.local_addr().unwrap().port();

        let answer = ask("127.0.0.1", port, "/readyz", Duration::from_millis(50));

        assert_eq!(answer, Err(format!("http://127.0.0.1:{port}/readyz does not answer: not in time")));
    }

    #[test]
    fn what_listens_everywhere_is_asked_on_the_loopback() {
        for (bound, asked) in
            [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:1", "[::1]:1"), ("10.0.0.7:1", "10.0.0.7:1"), ("[::2]:1", "[::2]:1")]
        {
            assert_eq!(reachable(bound.parse().unwrap()), asked.parse().unwrap());
        }
    }
}
