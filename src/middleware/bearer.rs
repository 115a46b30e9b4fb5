//! The Authorization header, parsed.
//!
//! Owns one rule: which bearer token a request presents, if any (RFC 6750 §2.1, RFC 9110 §11.4). Ambiguity is refused rather
//! than resolved: of two headers a proxy may have checked the other one. It never looks at the token itself, and nothing but
//! this header is ever asked for one: a query string ends up in logs.
//!
//! request headers -> [`token`] -> `middleware::authenticate` verifies it

use actix_web::http::header::{self, HeaderMap};

use crate::error::Error;
use crate::handlers::error::ApiError;

/// The bearer token of a request; `None` where there is no Authorization header or it is of another scheme.
///
/// # Errors
///
/// [`ApiError::MalformedAuthorization`] for two headers, an empty one, or `Bearer` without a token;
/// [`Error::InvalidToken`] for a token that is not ASCII, as no token of ours could be.
pub fn token(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let Some(Authorization { scheme, rest }) = authorization(headers)? else { return Ok(None) };
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Ok(None);
    }
    match rest {
        [] => Err(malformed("The Authorization header names the scheme Bearer without a token.")),
        token => match str::from_utf8(token) {
            Ok(token) if token.is_ascii() => Ok(Some(token)),
            _ => Err(Error::InvalidToken.into()),
        },
    }
}

/// An Authorization header, taken apart.
pub(super) struct Authorization<'a> {
    /// As it was written.
    pub scheme: &'a [u8],
    /// What follows it; may be empty.
    pub rest: &'a [u8],
}

/// The Authorization header; `None` where there is none.
///
/// # Errors
///
/// [`ApiError::MalformedAuthorization`] for two headers, or an empty one.
pub(super) fn authorization(headers: &HeaderMap) -> Result<Option<Authorization<'_>>, ApiError> {
    let mut sent = headers.get_all(header::AUTHORIZATION);
    let Some(value) = sent.next() else { return Ok(None) };
    if sent.next().is_some() {
        return Err(malformed("There is more than one Authorization header."));
    }
    // The head's parser already cut blanks off both ends; a value made by other means is treated alike.
    let value = value.as_bytes().trim_ascii();
    if value.is_empty() {
        return Err(malformed("The Authorization header is empty."));
    }
    let scheme_ends = value.iter().position(|byte| *byte == b' ').unwrap_or(value.len());
    let (scheme, rest) = value.split_at_checked(scheme_ends).unwrap_or((value, b""));
    Ok(Some(Authorization { scheme, rest: rest.trim_ascii_start() }))
}

fn malformed(detail: &'static str) -> ApiError {
    ApiError::MalformedAuthorization { detail }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn sent(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    #[test]
    fn a_token_is_found_whatever_the_case_of_the_scheme_and_the_number_of_spaces() {
        for value in ["Bearer abc.def", "bearer abc.def", "BEARER abc.def", "Bearer   abc.def"] {
            assert_eq!(token(&sent(&[value])), Ok(Some("abc.def")), "{value}");
        }
    }

    #[test]
    fn no_header_and_other_schemes_present_no_token() {
        for values in [&[][..], &["Basic dTpw"], &["Bearertoken"], &["Negotiate"], &["Token Bearer x"]] {
            assert_eq!(token(&sent(values)), Ok(None), "{values:?}");
        }
    }

    #[test]
    fn what_is_ambiguous_or_empty_is_a_malformed_request() {
        let twice = ["Bearer a", "Bearer a"];
        for values in
            [&[""][..], &["Bearer"], &["bearer"], &["Bearer "], &twice, &["Bearer a", "Basic dTpw"], &["", ""]]
        {
            let headers = sent(values);
            let refused = token(&headers);
            assert!(matches!(refused, Err(ApiError::MalformedAuthorization { .. })), "{values:?}: {refused:?}");
        }
    }

    #[test]
    fn a_token_that_is_not_ascii_is_refused_as_a_token() {
        assert_eq!(token(&sent(&["Bearer tökèn"])), Err(ApiError::Domain(Error::InvalidToken)));
    }
}
