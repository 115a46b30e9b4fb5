//! Requests as bytes, answers as what a check needs of them.
//!
//! Owns the wire of the bench: HTTP/1.1 over kept connections, written here because the driver shares two cores with what
//! it measures, and a client library would take more of them than the server. Nothing is tolerated: an answer without a
//! length, or one more byte than was asked for, fails the run.

use anyhow::{Result, bail, ensure};

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
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head_length) = head.parse(bytes)? else { return Ok(None) };
    let status = head.code.unwrap_or_default();
    let mut length = None;
    let mut retry_after = None;
    for header in head.headers {
        if header.name.eq_ignore_ascii_case("content-length") {
            length = Some(std::str::from_utf8(header.value)?.parse()?);
        } else if header.name.eq_ignore_ascii_case("retry-after") {
            retry_after = Some(std::str::from_utf8(header.value)?.parse()?);
        } else if header.name.eq_ignore_ascii_case("connection") {
            ensure!(
                header.value.eq_ignore_ascii_case(b"keep-alive"),
                "the server gave the connection up with {status}"
            );
        }
    }
    let length: usize = match length {
        Some(length) => length,
        // It has none to have (RFC 9110 §15.3.5).
        None if status == 204 => 0,
        None => bail!("an answer {status} without a length"),
    };
    let Some(body) = bytes.get(head_length..head_length.saturating_add(length)) else { return Ok(None) };
    Ok(Some((
        Answer { status, head: bytes.get(..head_length).unwrap_or_default(), body, retry_after },
        head_length + length,
    )))
}

/// Writes `GET path` with a bearer token.
pub fn get(request: &mut Vec<u8>, path: &str, access_token: &str) {
    for part in ["GET ", path, " HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ", access_token, "\r\n\r\n"] {
        request.extend_from_slice(part.as_bytes());
    }
}

/// What a client calls itself that is nobody's browser.
const USER_AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64) latchkey-bench";

/// Writes `POST path` with a JSON body.
pub fn post(request: &mut Vec<u8>, path: &str, body: &str) {
    post_as(request, path, USER_AGENT, body);
}

/// Writes `POST path` with a JSON body, from a client that calls itself so.
pub fn post_as(request: &mut Vec<u8>, path: &str, user_agent: &str, body: &str) {
    let length = body.len().to_string();
    for part in [
        "POST ",
        path,
        " HTTP/1.1\r\nHost: localhost\r\nUser-Agent: ",
        user_agent,
        "\r\nContent-Type: application/json\r\nContent-Length: ",
        &length,
        "\r\n\r\n",
        body,
    ] {
        request.extend_from_slice(part.as_bytes());
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
    fn an_answer_without_content_ends_with_its_head() {
        let bytes = b"HTTP/1.1 204 No Content\r\ncache-control: no-store\r\n\r\n";

        let (answer, taken) = parse(bytes).unwrap().unwrap();

        assert_eq!((answer.status, answer.body, taken), (204, &b""[..], bytes.len()));
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
