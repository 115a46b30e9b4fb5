//! What a request's headers say of its body.
//!
//! Owns one rule: a body is read if it is declared as what the call reads, in UTF-8, and neither compressed nor coded
//! otherwise. Ambiguous declarations (two, or a list) are refused: something before us may have gone by the other one.
//! It never looks at the body.
//!
//! request headers -> [`check_declaration`], [`announces_body`], [`declared_length`] -> `body`

use std::fmt;

use actix_web::http::header::{self, HeaderMap};

use super::error::ApiError;

/// What a call reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    /// The calls of this service.
    Json,
    /// Those of the OAuth standards.
    Form,
}

impl Media {
    /// Its name in `Content-Type` and `Accept`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Form => "application/x-www-form-urlencoded",
        }
    }
}

/// What about a body is unsupported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsupported {
    /// Its declared type is not this one in UTF-8.
    ContentType(Media),
    /// It is compressed or otherwise coded.
    Coding,
}

impl fmt::Display for Unsupported {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::ContentType(_) => "content type",
            Self::Coding => "content coding",
        })
    }
}

/// Refuses a body that is not declared as what the call reads.
///
/// # Errors
///
/// [`ApiError::UnsupportedMediaType`].
pub(super) fn check_declaration(headers: &HeaderMap, media: Media) -> Result<(), ApiError> {
    if !headers.get_all(header::CONTENT_ENCODING).all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(ApiError::UnsupportedMediaType(Unsupported::Coding));
    }
    if !declares(headers, media) {
        return Err(ApiError::UnsupportedMediaType(Unsupported::ContentType(media)));
    }
    Ok(())
}

/// Whether there is a body at all: a request has one if it says so (RFC 9112 §6.3).
pub(super) fn announces_body(headers: &HeaderMap) -> bool {
    declared_length(headers).is_some_and(|length| length > 0) || headers.contains_key(header::TRANSFER_ENCODING)
}

/// The `Content-Length`. One that is no number or comes twice was refused by actix before any of our code ran.
pub(super) fn declared_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Exactly one `Content-Type`, this one, with no parameter but `charset=utf-8`.
fn declares(headers: &HeaderMap, media: Media) -> bool {
    let mut sent = headers.get_all(header::CONTENT_TYPE);
    let (Some(only), None) = (sent.next(), sent.next()) else { return false };
    let mut parts = only.to_str().unwrap_or_default().split(';').map(|part| part.trim_matches([' ', '\t']));
    let is_it = parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case(media.name()));
    // RFC 9110 §5.6.6 lets a parameter be empty.
    let mut parameters = parts.filter(|parameter| !parameter.is_empty());
    is_it && parameters.next().is_none_or(is_utf8) && parameters.next().is_none()
}

/// `charset=utf-8` in any case, quoted or not (RFC 9110 §8.3.2).
fn is_utf8(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else { return false };
    let value = value.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')).unwrap_or(value);
    name.eq_ignore_ascii_case("charset") && value.eq_ignore_ascii_case("utf-8")
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn check(sent: &[(&str, &str)]) -> Result<(), ApiError> {
        check_as(Media::Json, sent)
    }

    fn check_as(media: Media, sent: &[(&str, &str)]) -> Result<(), ApiError> {
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            headers.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        check_declaration(&headers, media)
    }

    #[test]
    fn json_in_utf_8_is_read() {
        for declared in [
            "application/json",
            "Application/JSON",
            "application/json;charset=utf-8",
            "application/json; charset=UTF-8",
            "application/json ; Charset=\"utf-8\" ;",
        ] {
            assert_eq!(check(&[("content-type", declared)]), Ok(()), "{declared}");
        }
    }

    #[test]
    fn every_other_type_is_refused() {
        let refused = Err(ApiError::UnsupportedMediaType(Unsupported::ContentType(Media::Json)));
        for declared in [
            "text/json",
            "application/json5",
            "application/problem+json",
            "application/json;charset=latin1",
            "application/json;charset=utf-8;charset=utf-8",
            "application/json;charset=\"utf-8",
            "application/json;version=1",
            "application/json, application/json",
            "multipart/form-data; boundary=x",
            "application/x-www-form-urlencoded",
            "*/*",
            "",
        ] {
            assert_eq!(check(&[("content-type", declared)]), refused, "{declared}");
        }
        assert_eq!(check(&[]), refused);
        assert_eq!(check(&[("content-type", "application/json"), ("content-type", "application/json")]), refused);
    }

    #[test]
    fn a_form_is_declared_as_one() {
        let form = "application/x-www-form-urlencoded";
        for declared in [form, "Application/X-WWW-Form-Urlencoded;charset=UTF-8"] {
            assert_eq!(check_as(Media::Form, &[("content-type", declared)]), Ok(()), "{declared}");
        }
        let refused = Err(ApiError::UnsupportedMediaType(Unsupported::ContentType(Media::Form)));
        for declared in ["application/json", "multipart/form-data; boundary=x", "text/plain", ""] {
            assert_eq!(check_as(Media::Form, &[("content-type", declared)]), refused, "{declared}");
        }
        assert_eq!(check_as(Media::Form, &[("content-type", form), ("content-type", form)]), refused);
    }

    #[test]
    fn no_coding_but_the_identity_is_read() {
        let coded = |coding| check(&[("content-type", "application/json"), ("content-encoding", coding)]);

        assert_eq!(coded("identity"), Ok(()));
        for coding in ["gzip", "br", "deflate", "identity, gzip", ""] {
            assert_eq!(coded(coding), Err(ApiError::UnsupportedMediaType(Unsupported::Coding)), "{coding}");
        }
    }
}
