//! The credentials of a client, by HTTP Basic (RFC 7617, RFC 6749 §2.3.1).
//!
//! Owns one rule: how an id and a secret stand in the Authorization header. OAuth form-encodes both before they are
//! joined, unlike everybody else, so that an id may hold a colon. It never looks at what they are worth.
//!
//! request headers -> [`credentials`] -> `handlers::oauth::client`

use actix_web::http::header::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::bearer::{Authorization, authorization};
use crate::handlers::error::ApiError;
use crate::handlers::form::decoded;

/// What a request presents of a client. Wiped when dropped.
#[derive(PartialEq, Eq)]
pub enum Sent {
    /// No Authorization header, or a bearer token: that is a user's.
    Nothing,
    /// Another scheme, or what is no id and secret.
    Unreadable,
    /// These, decoded.
    Credentials {
        /// Which client.
        id: Zeroizing<String>,
        /// May be empty.
        secret: Zeroizing<String>,
    },
}

/// The credentials of a request.
///
/// # Errors
///
/// [`ApiError::MalformedAuthorization`] for two headers, or an empty one.
pub fn credentials(headers: &HeaderMap) -> Result<Sent, ApiError> {
    let Some(Authorization { scheme, rest }) = authorization(headers)? else { return Ok(Sent::Nothing) };
    if scheme.eq_ignore_ascii_case(b"bearer") {
        return Ok(Sent::Nothing);
    }
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return Ok(Sent::Unreadable);
    }
    Ok(read(rest).unwrap_or(Sent::Unreadable))
}

fn read(encoded: &[u8]) -> Option<Sent> {
    // Reserved at once: a vector that grows leaves copies behind which nobody wipes.
    let mut pair = Zeroizing::new(Vec::with_capacity(encoded.len()));
    STANDARD.decode_vec(encoded, &mut pair).ok()?;
    let colon = pair.iter().position(|byte| *byte == b':')?;
    let (id, secret) = pair.split_at_checked(colon)?;
    Some(Sent::Credentials { id: decoded(id)?, secret: decoded(secret.strip_prefix(b":")?)? })
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{AUTHORIZATION, HeaderValue};

    use super::*;

    fn sent(value: &str) -> Result<Sent, ApiError> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        credentials(&headers)
    }

    fn basic(pair: &[u8]) -> String {
        format!("Basic {}", STANDARD.encode(pair))
    }

    fn pair(id: &str, secret: &str) -> Sent {
        Sent::Credentials { id: Zeroizing::new(id.to_owned()), secret: Zeroizing::new(secret.to_owned()) }
    }

    #[test]
    fn id_and_secret_are_decoded_as_oauth_encodes_them() {
        for (written, id, secret) in [
            ("orders:lkc_a-b", "orders", "lkc_a-b"),
            ("first%2Dparty:", "first-party", ""),
            ("orders:lkc%5Fa%2db", "orders", "lkc_a-b"),
            ("a%3Ab:c:d+e", "a:b", "c:d e"),
            (":", "", ""),
        ] {
            assert!(sent(&basic(written.as_bytes())) == Ok(pair(id, secret)), "{written}");
        }
        assert!(sent(&basic(b"a:b").replace("Basic ", "bAsIc   ")) == Ok(pair("a", "b")));
    }

    #[test]
    fn what_is_no_pair_is_unreadable_and_a_bearer_token_is_a_users() {
        let unreadable = ["Basic", "Basic !", "Basic YQ", "Digest a=b", "YTpi", "Negotiate YTpi"].map(str::to_owned);
        for value in
            unreadable.into_iter().chain([basic(b"nocolon"), basic(b"a:%zz"), basic(b"a:\xff"), basic(b"%c3:b")])
        {
            assert!(sent(&value) == Ok(Sent::Unreadable), "{value}");
        }
        assert!(sent("Bearer abc") == Ok(Sent::Nothing));
        assert!(credentials(&HeaderMap::new()) == Ok(Sent::Nothing));
    }

    #[test]
    fn two_headers_are_a_malformed_request() {
        let mut headers = HeaderMap::new();
        for _ in 0..2 {
            headers.append(AUTHORIZATION, HeaderValue::from_static("Basic YTpi"));
        }
        assert!(matches!(credentials(&headers), Err(ApiError::MalformedAuthorization { .. })));
    }
}
