//! JSON bodies, in and out.
//!
//! Owns the contract's rules about JSON in a request: one object, in UTF-8, each member once. A refusal never repeats a byte of
//! the body: the parser's own messages quote values, so they are dropped and the expected shape is told instead.
//!
//! bytes within the limits (`body`) -> one object -> `T`; members that `T` has no field for are ignored

use std::future::ready;
use std::ops::Deref;

use actix_web::body::BoxBody;
use actix_web::dev::Payload;
use actix_web::http::header::{ContentType, HeaderMap};
use actix_web::{FromRequest, HttpRequest, HttpResponse, Responder};
use futures_util::future::LocalBoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::body::Arriving;
use super::body_headers::{Media, announces_body, check_declaration};
use super::error::ApiError;
use crate::error::Error;

/// What a call takes as its body. Deserialise it by derive and without `flatten`: derived code refuses a member that comes
/// twice, which a proxy and we might otherwise read differently.
pub trait RequestBody: DeserializeOwned + 'static {
    /// The members, for the text of a refusal: `{"username": string, "password": string}`.
    const SHAPE: &'static str;
}

/// A JSON body: of a request where `T` is a [`RequestBody`], of an answer where it can be serialised.
pub struct Json<T>(pub T);

/// The body of a call that may come without one.
pub struct OptionalJson<T>(pub Option<T>);

impl<T: RequestBody> OptionalJson<T> {
    /// The body of a call that turned out not to do without one.
    ///
    /// # Errors
    ///
    /// Those of [`Json`] where there is none.
    pub(super) fn required(self, headers: &HeaderMap) -> Result<T, ApiError> {
        match self.0 {
            Some(body) => Ok(body),
            None => Err(check_declaration(headers, Media::Json).err().unwrap_or_else(wrong_shape::<T>)),
        }
    }
}

impl<T> Deref for Json<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: RequestBody> FromRequest for Json<T> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let arriving = Arriving::of(request, payload, Media::Json);
        Box::pin(async move { Ok(Self(parse(&arriving?.whole().await?)?)) })
    }
}

impl<T: RequestBody> FromRequest for OptionalJson<T> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        // Where there is no body, a Content-Type describes nothing.
        if !announces_body(request.headers()) {
            return Box::pin(ready(Ok(Self(None))));
        }
        let arriving = Arriving::of(request, payload, Media::Json);
        Box::pin(async move {
            let body = arriving?.whole().await?;
            // A chunked body only shows by ending that it was empty.
            if body.is_empty() { Ok(Self(None)) } else { Ok(Self(Some(parse(&body)?))) }
        })
    }
}

impl<T: Serialize> Responder for Json<T> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        match serde_json::to_vec(&self.0) {
            Ok(body) => HttpResponse::Ok().insert_header(ContentType::json()).body(body),
            Err(_) => HttpResponse::from_error(ApiError::from(Error::Internal("an answer that is not JSON"))),
        }
    }
}

fn parse<T: RequestBody>(body: &[u8]) -> Result<T, ApiError> {
    // The whole body must be UTF-8 (RFC 8259 §8.1); the parser would not look inside members that it skips.
    let Ok(text) = str::from_utf8(body) else {
        return Err(ApiError::invalid_request("The body is not UTF-8."));
    };
    // serde reads an array into a struct, field by field; only an object is asked for.
    if !text.trim_start_matches([' ', '\t', '\n', '\r']).starts_with('{') {
        return Err(wrong_shape::<T>());
    }
    serde_json::from_str(text).map_err(|error| match error.classify() {
        Category::Data => wrong_shape::<T>(),
        Category::Syntax | Category::Eof | Category::Io => ApiError::invalid_request("The body is not valid JSON."),
    })
}

fn wrong_shape<T: RequestBody>() -> ApiError {
    ApiError::invalid_request(format!("The body must be a JSON object {}, each member once.", T::SHAPE))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use serde::Deserialize;

    use super::*;
    use crate::handlers::body::LONGEST_BODY;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Credentials {
        username: String,
        password: String,
    }

    impl RequestBody for Credentials {
        const SHAPE: &'static str = r#"{"username": string, "password": string}"#;
    }

    const GOOD: &[u8] = br#"{"username":"u","password":"hunter2"}"#;

    fn json() -> TestRequest {
        TestRequest::post().insert_header(("content-type", "application/json"))
    }

    async fn read_as<B: FromRequest<Error = ApiError>>(request: TestRequest) -> Result<B, ApiError> {
        let (request, mut payload) = request.to_http_parts();
        B::from_request(&request, &mut payload).await
    }

    async fn read_json(body: &[u8]) -> Result<Json<Credentials>, ApiError> {
        read_as(json().set_payload(body.to_vec())).await
    }

    /// A body of so many bytes, the padding in a member that nobody asked for.
    fn body_of(length: usize) -> Vec<u8> {
        let (head, tail) = (r#"{"username":"u","password":"p","padding":""#, r#""}"#);
        let padding = "x".repeat(length - head.len() - tail.len());
        format!("{head}{padding}{tail}").into_bytes()
    }

    #[actix_web::test]
    async fn an_object_is_read_and_unknown_members_are_ignored() {
        let body = br#" {"role":"admin","password":"p\u00e4","more":[[{}]],"username":"u"} "#;

        let read = read_json(body).await.unwrap();

        assert_eq!(read.0, Credentials { username: "u".into(), password: "pä".into() });
    }

    #[actix_web::test]
    async fn a_body_of_another_form_is_refused_without_an_echo() {
        let deep = "[".repeat(10_000);
        let deep_member = format!(r#"{{"username":{deep}"#);
        let bodies: &[&[u8]] = &[
            b"",
            b" ",
            b"null",
            b"12345",
            b"hunter2",
            br#""hunter2""#,
            br#"["hunter2","hunter2"]"#,
            br#"{"username":"hunter2","password":"p""#,
            br#"{"username":"hunter2"}"#,
            br#"{"username":"u","password":"p"} hunter2"#,
            br#"{"username":"u","password":"p"}{}"#,
            br#"{"username":"u","password":"hunter2","password":"hunter2"}"#,
            br#"{"username":"u","password":"hunter2","p\u0061ssword":"x"}"#,
            br#"{"username":"u","password":12345}"#,
            br#"{"username":"u","password":null}"#,
            br#"{"username":{"hunter2":1},"password":"p"}"#,
            br#"{username:"hunter2",password:"p"}"#,
            b"{'username':'hunter2','password':'p'}",
            b"\xef\xbb\xbf{\"username\":\"u\",\"password\":\"p\"}",
            b"{\"username\":\"u\",\"password\":\"hunter2\xff\"}",
            b"{\"username\":\"u\",\"password\":\"p\",\"unknown\":\"\xff\"}",
            b"{\"username\":\"u\",\"password\":\"p\"}\0",
            b"{\"username\":\"hunter2\0\",\"password\":\"p\"}",
            br#"{"username":"u","password":"\ud800"}"#,
            deep.as_bytes(),
            deep_member.as_bytes(),
        ];
        for body in bodies {
            let Err(ApiError::InvalidRequest { detail }) = read_json(body).await else {
                panic!("{}", String::from_utf8_lossy(body));
            };
            assert!(!detail.contains("hunter2") && !detail.contains("12345"), "{detail}");
        }
    }

    #[actix_web::test]
    async fn sixteen_kibibytes_are_read_and_one_byte_more_is_not() {
        assert!(read_json(&body_of(LONGEST_BODY)).await.is_ok());
        assert_eq!(read_json(&body_of(LONGEST_BODY + 1)).await.err(), Some(ApiError::PayloadTooLarge));
    }

    #[actix_web::test]
    async fn a_declared_length_above_the_limit_is_refused_before_anything_is_read() {
        let request = json().set_payload(GOOD).insert_header(("content-length", "16385"));

        let refused = read_as::<Json<Credentials>>(request).await;

        assert_eq!(refused.err(), Some(ApiError::PayloadTooLarge));
    }

    #[actix_web::test]
    async fn a_call_that_may_come_without_a_body_tells_none_from_a_wrong_one() {
        let optional = async |request| read_as::<OptionalJson<Credentials>>(request).await.map(|body| body.0);

        assert_eq!(optional(TestRequest::post()).await, Ok(None));
        assert_eq!(optional(json().set_payload("")).await, Ok(None));
        assert!(matches!(optional(json().set_payload(GOOD)).await, Ok(Some(_))));
        assert!(matches!(optional(json().set_payload("null")).await, Err(ApiError::InvalidRequest { .. })));
        let undeclared = optional(TestRequest::post().set_payload(GOOD)).await;
        assert!(matches!(undeclared, Err(ApiError::UnsupportedMediaType(_))));
    }

    #[actix_web::test]
    async fn the_headers_are_asked_before_the_body() {
        let compressed = json().insert_header(("content-encoding", "gzip")).set_payload("hunter2");

        assert!(matches!(
            read_as::<Json<Credentials>>(compressed).await.err(),
            Some(ApiError::UnsupportedMediaType(_))
        ));
    }
}
