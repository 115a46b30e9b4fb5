//! Requests that an HTTP client would not send, byte by byte.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::{Answer, TestServer};

impl TestServer {
    /// Sends these bytes over a connection of its own and reads the one answer until the server closes it: the request
    /// should say `Connection: close` unless it expects to be cut off.
    pub async fn exchange(&self, request: impl AsRef<[u8]>) -> Answer {
        parse(&self.raw(request.as_ref()).await)
    }
}

pub fn parse(answer: &str) -> Answer {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        headers.append(HeaderName::try_from(name).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    Answer { status, headers, body: serde_json::from_str(body).unwrap_or_default(), raw: body.to_owned() }
}
