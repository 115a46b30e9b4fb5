//! The bodies of the OAuth standards: `application/x-www-form-urlencoded`.
//!
//! Owns one rule: a parameter that a call reads is in the body once or not at all (RFC 6749 §3.2). One without a value
//! is as good as not there, one that nobody reads is ignored, and the query string is never looked at: it ends up in
//! logs. A name counts as what it decodes to. A refusal names the parameter, which is the call's own word, and never
//! its value.
//!
//! bytes within the limits (`body`) -> [`Form`] -> [`Form::take`], once for each parameter that the call reads

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use zeroize::Zeroizing;

use super::body::Arriving;
use super::body_headers::Media;
use super::error::ApiError;

/// A decoded body; wiped when dropped.
pub struct Form(Vec<Parameter>);

struct Parameter {
    name: Zeroizing<String>,
    value: Zeroizing<String>,
}

impl FromRequest for Form {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let arriving = Arriving::of(request, payload, Media::Form);
        Box::pin(async move { Self::parse(&arriving?.whole().await?) })
    }
}

impl Form {
    /// Reads a body. Errors: [`ApiError::InvalidRequest`] where it cannot be decoded.
    fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let pairs = body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
        let parameters = pairs.map(|pair| {
            let ends = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            let (name, value) = pair.split_at_checked(ends).unwrap_or((pair, b""));
            let value = value.strip_prefix(b"=").unwrap_or(value);
            Some(Parameter { name: decoded(name)?, value: decoded(value)? })
        });
        let parameters: Option<Vec<_>> = parameters.collect();
        parameters.map(Self).ok_or_else(|| ApiError::invalid_request("The body is not a form in UTF-8."))
    }

    /// Takes a parameter out; `None` where it is not there, or without a value.
    ///
    /// # Errors
    ///
    /// [`ApiError::InvalidRequest`] where it comes twice, with whichever values.
    pub fn take(&mut self, name: &'static str) -> Result<Option<Zeroizing<String>>, ApiError> {
        let mut found = self.0.iter_mut().filter(|parameter| *parameter.name == name);
        let value = found.next().map(|parameter| std::mem::take(&mut parameter.value));
        if found.next().is_some() {
            return Err(ApiError::invalid_request(format!("The parameter `{name}` is there more than once.")));
        }
        Ok(value.filter(|value| !value.is_empty()))
    }

    /// Takes a parameter out that has to be there.
    ///
    /// # Errors
    ///
    /// [`ApiError::InvalidRequest`] where it is not, or comes twice.
    pub fn take_required(&mut self, name: &'static str) -> Result<Zeroizing<String>, ApiError> {
        let missing = || ApiError::invalid_request(format!("The parameter `{name}` is missing."));
        self.take(name)?.ok_or_else(missing)
    }
}

/// What a form's text stands for: a plus is a blank, `%` and two digits are a byte, and all of it is UTF-8. `None` for
/// what is no such text: read generously, it would be read differently by others.
pub(crate) fn decoded(text: &[u8]) -> Option<Zeroizing<String>> {
    // Reserved at once: a vector that grows leaves copies behind which nobody wipes.
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => digit(*rest.next()?)? << 4 | digit(*rest.next()?)?,
            plain => *plain,
        });
    }
    // Asked first: what is refused is to be wiped as well.
    str::from_utf8(&bytes).ok()?;
    String::from_utf8(std::mem::take(&mut *bytes)).ok().map(Zeroizing::new)
}

fn digit(character: u8) -> Option<u8> {
    char::from(character).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use proptest::prelude::*;

    use super::*;
    use crate::handlers::error::Unsupported;

    fn form(body: &str) -> Form {
        Form::parse(body.as_bytes()).unwrap()
    }

    fn taken(body: &str, name: &'static str) -> Option<String> {
        form(body).take(name).unwrap().map(|value| value.to_string())
    }

    #[test]
    fn a_parameter_is_what_it_decodes_to() {
        for body in
            ["token=a+b", "token=a%20b", "%74oken=a%20%62", "x=y&token=a+b&z", "&&token=a+b&", "token=a%20b&Token=c"]
        {
            assert_eq!(taken(body, "token").as_deref(), Some("a b"), "{body}");
        }
        assert_eq!(taken("token=a=b==", "token").as_deref(), Some("a=b=="));
        assert_eq!(taken("token=%C3%A4%2B%26%3D%25", "token").as_deref(), Some("ä+&=%"));
    }

    #[test]
    fn a_parameter_without_a_value_is_not_there() {
        for body in ["", "token", "token=", "%74oken=&x=y", "Token=a", " token=a", "tokens=a"] {
            assert_eq!(taken(body, "token"), None, "{body}");
            let missing = form(body).take_required("token");
            assert_eq!(missing, Err(ApiError::invalid_request("The parameter `token` is missing.")), "{body}");
        }
    }

    #[test]
    fn a_parameter_that_comes_twice_is_refused_and_one_that_nobody_reads_is_ignored() {
        for body in ["token=a&token=a", "token=a&x=y&token=b", "token=a&%74oken=b", "token=&token=a", "token&token=a"] {
            let refused = form(body).take("token");
            assert_eq!(
                refused,
                Err(ApiError::invalid_request("The parameter `token` is there more than once.")),
                "{body}"
            );
        }
        assert_eq!(taken("resource=a&resource=b&token=c", "token").as_deref(), Some("c"));
    }

    #[test]
    fn what_cannot_be_decoded_is_refused_also_where_nobody_reads_it() {
        for body in
            ["token=%", "token=%4", "token=%4x", "token=%+1", "x=%zz&token=a", "%ff=a", "token=%c3", "token=a%c0%80"]
        {
            assert!(matches!(Form::parse(body.as_bytes()), Err(ApiError::InvalidRequest { .. })), "{body}");
        }
        assert!(Form::parse(b"token=\xff").is_err());
    }

    #[actix_web::test]
    async fn a_form_is_read_from_the_body_alone_and_only_where_it_is_declared() {
        let declared = TestRequest::post().insert_header(("content-type", "application/x-www-form-urlencoded"));
        let (request, mut payload) = declared.uri("/?token=a").set_payload("x=y").to_http_parts();
        let mut read = Form::from_request(&request, &mut payload).await.unwrap();
        assert_eq!(read.take("token"), Ok(None));

        let (request, mut payload) = TestRequest::post().set_payload("token=a").to_http_parts();
        let refused = Form::from_request(&request, &mut payload).await.err();
        assert_eq!(refused, Some(ApiError::UnsupportedMediaType(Unsupported::ContentType(Media::Form))));
    }

    proptest! {
        #[test]
        fn whatever_was_encoded_is_decoded(text in any::<String>()) {
            let encoded: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
            prop_assert_eq!(decoded(encoded.as_bytes()).map(|value| value.to_string()), Some(text));
        }

        #[test]
        fn no_body_takes_the_service_down(body in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(mut form) = Form::parse(&body) {
                form.take("token").ok();
            }
        }
    }
}
