//! One name per request.
//!
//! Owns one rule: the client's `X-Request-Id` is kept if there is exactly one and it is 1–64 of `[A-Za-z0-9._-]`; otherwise
//! a random one is made. The restriction is what lets the id into logs and answers as it is: nothing in it can end a line, a
//! header or a JSON string. It identifies a request for people and never authorises anything.
//!
//! request headers -> [`RequestId::of`] -> `trail`, the answer's `X-Request-Id`, problem bodies, log lines

use std::fmt;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

/// `X-Request-Id`.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken over from a client, in bytes; the contract fixes it.
const LONGEST: usize = 64;

/// The name of one request. It shares its bytes with the header it came from, so that keeping one costs no copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The client's id where it is acceptable, else a new one.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut sent = headers.get_all(X_REQUEST_ID);
        match (sent.next(), sent.next()) {
            (Some(only), None) if is_acceptable(only.as_bytes()) => Self(only.clone()),
            _ => Self::random(),
        }
    }

    /// 128 random bits in hexadecimal.
    fn random() -> Self {
        let digits = Uuid::from_u128(rand::random()).simple().to_string();
        // Hexadecimal digits always are a header value; the type cannot know that, and a number needs no such promise.
        Self(HeaderValue::try_from(digits).unwrap_or_else(|_| HeaderValue::from(rand::random::<u64>())))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// The id as the answer's header has it.
    pub fn to_header(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

fn is_acceptable(id: &[u8]) -> bool {
    (1..=LONGEST).contains(&id.len())
        && id.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(values: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(X_REQUEST_ID, HeaderValue::from_bytes(value).unwrap());
        }
        headers
    }

    #[test]
    fn a_well_formed_id_is_kept() {
        for id in ["a", "0", "Abc.def_ghi-1", &"x".repeat(64)] {
            assert_eq!(RequestId::of(&sent(&[id.as_bytes()])).as_str(), id);
        }
    }

    #[test]
    fn anything_else_is_replaced() {
        let long = "x".repeat(65);
        let refused: [&[u8]; 8] = [b"", long.as_bytes(), b"a b", b"a/b", b"a\"b", b"a\tb", "ä".as_bytes(), b"a,b"];
        for id in refused {
            let made = RequestId::of(&sent(&[id]));
            assert_ne!(made.as_str().as_bytes(), id);
            assert!(is_acceptable(made.as_str().as_bytes()));
        }
    }

    #[test]
    fn of_two_ids_neither_is_kept() {
        let made = RequestId::of(&sent(&[b"first", b"second"]));

        assert!(!["first", "second"].contains(&made.as_str()));
    }

    #[test]
    fn a_made_id_is_random() {
        assert_ne!(RequestId::of(&HeaderMap::new()), RequestId::of(&HeaderMap::new()));
    }
}
