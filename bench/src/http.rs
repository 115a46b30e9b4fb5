//! Requests as bytes, answers as what a check needs of them.
//!
//! Owns the wire of the bench: HTTP/1.1 over kept connections, written here because the driver shares two cores with what
//! it measures, and a client library would take more of them than the server. Nothing is tolerated: an answer without a
//! length, or one more byte than was asked for, fails the run.

use anyhow::{Result, bail, ensure};

use crate::browsers;

/// More headers than any answer has.
const MOST_HEADERS: usize = 32;

/// An answer, in the connection's buffer.
#[derive(Debug)]
pub struct Answer<'buffer> {
    /// The status.
    pub status: u16,
    /// The head, whole.
    pub head: &'buffer [u8],
    /// The body, whole.
    pub body: &'buffer [u8],
    /// `Retry-After` in seconds, where there is one.
    pub retry_after: Option<u64>,
}

impl Answer<'_> {
    /// Names and values of the head, in their order.
    pub fn headers(&self) -> Result<Vec<(String, String)>> {
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut head = httparse::Response::new(&mut headers);
        head.parse(self.head)?;
        let owned =
            |header: &httparse::Header<'_>| Ok((header.name.to_owned(), std::str::from_utf8(header.value)?.to_owned()));
        head.headers.iter().map(owned).collect()
    }
}

/// The first answer in `bytes` and how many of them it takes; none while it is not all there.
pub fn parse(bytes: &[u8]) -> Result<Option<(Answer<'_>, usize)>> {
    let Some(Parsed { answer, taken, closes }) = read(bytes)? else { return Ok(None) };
    ensure!(!closes, "the server gave the connection up with {}", answer.status);
    Ok(Some((answer, taken)))
}

/// The same, for who asks once and counts nothing; and whether the server gives the connection up.
pub fn parse_last(bytes: &[u8]) -> Result<Option<(Answer<'_>, bool)>> {
    Ok(read(bytes)?.map(|Parsed { answer, closes, .. }| (answer, closes)))
}

struct Parsed<'buffer> {
    answer: Answer<'buffer>,
    taken: usize,
    closes: bool,
}

fn read(bytes: &[u8]) -> Result<Option<Parsed<'_>>> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head_length) = head.parse(bytes)? else { return Ok(None) };
    let status = head.code.unwrap_or_default();
    let mut length = None;
    let mut retry_after = None;
    let mut closes = false;
    for header in head.headers {
        if header.name.eq_ignore_ascii_case("content-length") {
            length = Some(std::str::from_utf8(header.value)?.parse()?);
        } else if header.name.eq_ignore_ascii_case("retry-after") {
            retry_after = Some(std::str::from_utf8(header.value)?.parse()?);
        } else if header.name.eq_ignore_ascii_case("connection") {
            closes = !header.value.eq_ignore_ascii_case(b"keep-alive");
        }
    }
    let length: usize = match length {
        Some(length) => length,
        // There is none, and never a body (RFC 9110 §8.6).
        None if status == 204 => 0,
        None => bail!("an answer {status} without a length"),
    };
    let Some(body) = bytes.get(head_length..head_length.saturating_add(length)) else { return Ok(None) };
    let answer = Answer { status, head: bytes.get(..head_length).unwrap_or_default(), body, retry_after };
    Ok(Some(Parsed { answer, taken: head_length + length, closes }))
}

/// The media type of nearly all bodies here.
pub const JSON: &str = "application/json";

/// Writes `GET path` with a bearer token.
pub fn get(request: &mut Vec<u8>, path: &str, access_token: &str) {
    write(request, ["GET", path], Some(access_token), None);
}

/// Writes `POST path` with a JSON body, from the [usual browser](browsers::USUAL).
pub fn post(request: &mut Vec<u8>, path: &str, body: &str) {
    post_as(request, path, browsers::USUAL, body);
}

/// Writes `POST path` with a JSON body, from a client that calls itself so.
pub fn post_as(request: &mut Vec<u8>, path: &str, user_agent: &str, body: &str) {
    write_as(request, user_agent, ["POST", path], None, Some([JSON, body]));
}

/// Writes a request of this method to this path, with a bearer token and a body of some media type where there are any.
pub fn write(request: &mut Vec<u8>, to: [&str; 2], bearer: Option<&str>, body: Option<[&str; 2]>) {
    write_as(request, browsers::USUAL, to, bearer, body);
}

/// Where there is a body there may be a session to be opened, which remembers a user agent.
fn write_as(request: &mut Vec<u8>, user_agent: &str, to: [&str; 2], bearer: Option<&str>, body: Option<[&str; 2]>) {
    let mut put = |parts: &[&str]| parts.iter().for_each(|part| request.extend_from_slice(part.as_bytes()));
    let [method, path] = to;
    put(&[method, " ", path, " HTTP/1.1\r\nHost: localhost\r\n"]);
    if let Some(token) = bearer {
        put(&["Authorization: Bearer ", token, "\r\n"]);
    }
    if let Some([media_type, body]) = body {
        let length = body.len().to_string();
        put(&["User-Agent: ", user_agent, "\r\nContent-Type: ", media_type]);
        put(&["\r\nContent-Length: ", &length, "\r\n\r\n", body]);
    } else {
        put(&["\r\n"]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 7\r\ncontent-length: 2\r\n\r\nno";

    #[test]
    fn an_answer_is_read_once_it_is_all_there() {
        for arrived in 0..ANSWER.len() {
            assert!(parse(&ANSWER[..arrived]).unwrap().is_none(), "{arrived}");
        }
        let (answer, taken) = parse(ANSWER).unwrap().unwrap();
        assert_eq!((answer.status, answer.body, answer.retry_after, taken), (503, &b"no"[..], Some(7), ANSWER.len()));
    }

    #[test]
    fn an_answer_that_has_no_body_by_its_status_needs_no_length() {
        let (answer, taken) = parse(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap().unwrap();

        assert_eq!((answer.status, answer.body, taken), (204, &b""[..], 27));
    }

    #[test]
    fn who_asks_once_is_told_that_the_connection_is_given_up() {
        for (header, closed) in [("", false), ("connection: keep-alive\r\n", false), ("connection: close\r\n", true)] {
            let bytes = format!("HTTP/1.1 401 Unauthorized\r\n{header}content-length: 0\r\n\r\n");
            let (answer, closes) = parse_last(bytes.as_bytes()).unwrap().unwrap();
            assert_eq!((answer.status, closes), (401, closed), "{header}");
        }
    }

    #[test]
    fn what_would_break_the_count_of_answers_is_refused() {
        for answer in
            ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", "x\r\n"]
        {
            assert!(parse(answer.as_bytes()).is_err(), "{answer}");
        }
    }
}
