//! The extractors of JSON bodies (`handlers::json`, `handlers::body_headers`), driven as actix drives them.
//!
//! Claims: they never panic and never hang; they accept and refuse what the contract says, for the reason it says (the
//! model below is written from the documents); and what a refusal says depends on nothing but the kind of refusal, so
//! that no byte of a request can be in it.
//!
//! An input is a request: a letter (`j` for `Json`, `o` for `OptionalJson`), header lines as in HTTP, an empty line, the
//! body. In the body three control characters, which JSON has no use for, say how it arrives: 0x1E ends a chunk, 0x1F is
//! a pause of four seconds (time is paused, so it costs nothing), 0x1C breaks the connection off.

#![no_main]

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::LazyLock;
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::test::TestRequest;
use actix_web::web::Bytes;
use actix_web::{FromRequest, ResponseError};
use futures_util::stream::{self, StreamExt};
use latchkey::config::Limits;
use latchkey::handlers::error::{ApiError, Unsupported};
use latchkey::handlers::json::{Json, OptionalJson, RequestBody};
use libfuzzer_sys::fuzz_target;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

const LONGEST_BODY: usize = 16 * 1024;
const PAUSE: Duration = Duration::from_secs(4);
/// No multiple of a pause, so that it is never a question which of the two came first.
const BODY_TIMEOUT: Duration = Duration::from_secs(15);

const CHUNK_ENDS: u8 = 0x1E;
const PAUSES: u8 = 0x1F;
const BREAKS_OFF: u8 = 0x1C;

/// One request for each kind of refusal.
const REFUSED: [&[u8]; 8] = [
    b"jcontent-type: text/plain\n\n{}",
    b"jcontent-type: application/json\ncontent-encoding: gzip\n\n{}",
    b"jcontent-type: application/json\ncontent-length: 16385\n\n{}",
    b"jcontent-type: application/json\n\n{\x1F\x1F\x1F\x1F}",
    b"jcontent-type: application/json\n\n{\x1C",
    b"jcontent-type: application/json\n\n{\xFF}",
    b"jcontent-type: application/json\n\n{",
    b"jcontent-type: application/json\n\n{}",
];

/// What the service may say to a refused body: what it says to these.
static TEXTS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    REFUSED.map(|input| text_of(&Request::of(input).read().expect_err("a refusal"))).into_iter().collect()
});

thread_local! {
    static RUNTIME: RefCell<Runtime> =
        RefCell::new(Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime"));
}

fuzz_target!(|input: &[u8]| {
    let request = Request::of(input);
    let read = request.read();
    if let Err(error) = &read {
        let text = text_of(error);
        assert!(TEXTS.contains(&text), "a refusal that no plain request gets: {text}");
    }
    let read = read.map_err(|error| kind(&error));
    assert_eq!(read, request.expected(), "{:?}", String::from_utf8_lossy(input));
});

/// What a call asks for.
#[derive(Debug, PartialEq, Deserialize)]
struct Credentials {
    username: String,
    password: String,
}

impl RequestBody for Credentials {
    const SHAPE: &'static str = r#"{"username": string, "password": string}"#;
}

/// Which refusal it is, as far as the contract tells them apart.
#[derive(Debug, PartialEq)]
enum Kind {
    Coding,
    ContentType,
    TooLarge,
    TooSlow,
    Invalid,
}

fn kind(error: &ApiError) -> Kind {
    match error {
        ApiError::UnsupportedMediaType(Unsupported::Coding) => Kind::Coding,
        ApiError::UnsupportedMediaType(Unsupported::ContentType(_)) => Kind::ContentType,
        ApiError::PayloadTooLarge => Kind::TooLarge,
        ApiError::RequestTimeout => Kind::TooSlow,
        ApiError::InvalidRequest { .. } => Kind::Invalid,
        other => panic!("{other:?} is not about a body"),
    }
}

/// All that a client or a log could be shown of a refusal.
fn text_of(error: &ApiError) -> String {
    let response = error.render(error.error_response(), "request-id");
    let (head, body) = response.into_parts();
    let body = body.try_into_bytes().expect("a body that is there");
    let body = String::from_utf8_lossy(&body).into_owned();
    format!("{} {:?} {body} {error} {error:?}", head.status(), head.headers())
}

/// A part of a body, as it arrives.
#[derive(Clone, Debug)]
enum Event {
    Chunk(Vec<u8>),
    Pause,
    BreakOff,
}

struct Request {
    optional: bool,
    headers: Vec<(HeaderName, HeaderValue)>,
    events: Vec<Event>,
}

impl Request {
    fn of(input: &[u8]) -> Self {
        let (first, mut rest) = input.split_first().unwrap_or((&b'j', &[]));
        let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::new();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = (&rest[..end], &rest[end + 1..]);
            rest = after;
            if line.is_empty() {
                break;
            }
            if let Some(header) = header(line)
                && !(header.0 == "content-length" && headers.iter().any(|(name, _)| *name == header.0))
            {
                headers.push(header);
            }
        }
        Self { optional: *first == b'o', headers, events: events(rest) }
    }

    /// What the service makes of it.
    fn read(&self) -> Result<Option<Credentials>, ApiError> {
        let mut request = TestRequest::post().app_data(Limits { body_timeout: BODY_TIMEOUT, ..Limits::default() });
        for (name, value) in &self.headers {
            request = request.append_header((name.clone(), value.clone()));
        }
        let request = request.to_http_request();
        let arriving = stream::iter(self.events.clone()).filter_map(async |event| match event {
            Event::Chunk(bytes) => Some(Ok(Bytes::from(bytes))),
            Event::BreakOff => Some(Err(PayloadError::Incomplete(None))),
            Event::Pause => {
                tokio::time::sleep(PAUSE).await;
                None
            }
        });
        let mut payload: Payload = Payload::Stream { payload: arriving.boxed_local() };
        RUNTIME.with_borrow(|runtime| {
            runtime.block_on(async {
                if self.optional {
                    OptionalJson::from_request(&request, &mut payload).await.map(|body| body.0)
                } else {
                    Json::from_request(&request, &mut payload).await.map(|body| Some(body.0))
                }
            })
        })
    }

    /// What the contract says that it makes of it.
    fn expected(&self) -> Result<Option<Credentials>, Kind> {
        let values = |name: &str| -> Vec<&[u8]> {
            self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_bytes()).collect()
        };
        let declared = values("content-length").first().map(|digits| length(digits).expect("looked at before"));
        if self.optional && declared.unwrap_or(0) == 0 && values("transfer-encoding").is_empty() {
            return Ok(None);
        }
        if values("content-encoding").iter().any(|coding| !coding.eq_ignore_ascii_case(b"identity")) {
            return Err(Kind::Coding);
        }
        let [media_type] = values("content-type")[..] else { return Err(Kind::ContentType) };
        if !is_json(media_type) {
            return Err(Kind::ContentType);
        }
        if declared.unwrap_or(0) > LONGEST_BODY as u64 {
            return Err(Kind::TooLarge);
        }
        let body = self.arrived()?;
        if self.optional && body.is_empty() {
            return Ok(None);
        }
        let text = str::from_utf8(&body).map_err(|_| Kind::Invalid)?;
        let Members { username, password } = serde_json::from_str(text).map_err(|_| Kind::Invalid)?;
        match (&username[..], &password[..]) {
            ([Value::String(username)], [Value::String(password)]) => {
                Ok(Some(Credentials { username: username.clone(), password: password.clone() }))
            }
            _ => Err(Kind::Invalid),
        }
    }

    fn arrived(&self) -> Result<Vec<u8>, Kind> {
        let (mut body, mut elapsed) = (Vec::new(), Duration::ZERO);
        for event in &self.events {
            match event {
                Event::Chunk(bytes) => body.extend_from_slice(bytes),
                Event::Pause => elapsed += PAUSE,
                Event::BreakOff => return Err(Kind::Invalid),
            }
            if elapsed > BODY_TIMEOUT {
                return Err(Kind::TooSlow);
            }
            if body.len() > LONGEST_BODY {
                return Err(Kind::TooLarge);
            }
        }
        Ok(body)
    }
}

/// Every `username` and `password` of an object, each as often as it comes.
#[derive(Default)]
struct Members {
    username: Vec<Value>,
    password: Vec<Value>,
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Self::default())
    }
}

impl<'de> Visitor<'de> for Members {
    type Value = Self;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self, A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "username" => self.username.push(map.next_value()?),
                "password" => self.password.push(map.next_value()?),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(self)
    }
}

/// `name: value`, where actix would hand it to us: it refuses a length that is no number itself.
fn header(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let name = HeaderName::from_bytes(&line[..colon]).ok()?;
    let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?;
    (name != "content-length" || length(value.as_bytes()).is_some()).then_some((name, value))
}

fn length(digits: &[u8]) -> Option<u64> {
    let digits = str::from_utf8(digits).ok()?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

fn events(body: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    for part in body.split_inclusive(|byte| [CHUNK_ENDS, PAUSES, BREAKS_OFF].contains(byte)) {
        let (bytes, after) = match part.split_last() {
            Some((&CHUNK_ENDS, bytes)) => (bytes, None),
            Some((&PAUSES, bytes)) => (bytes, Some(Event::Pause)),
            Some((&BREAKS_OFF, bytes)) => (bytes, Some(Event::BreakOff)),
            _ => (part, None),
        };
        // Nothing arrives as an empty chunk: in HTTP it is the end.
        if !bytes.is_empty() {
            events.push(Event::Chunk(bytes.to_vec()));
        }
        events.extend(after);
    }
    events
}

/// `application/json`, and nothing behind it but `charset=utf-8`, at most once (RFC 9110 §5.6.6, §8.3.2).
fn is_json(media_type: &[u8]) -> bool {
    let lower = String::from_utf8_lossy(media_type).to_ascii_lowercase();
    let mut parts = lower.split(';').map(|part| part.trim_matches([' ', '\t']));
    let essence = parts.next();
    let parameters: Vec<&str> = parts.filter(|parameter| !parameter.is_empty()).collect();
    essence == Some("application/json")
        && (parameters.is_empty() || parameters == ["charset=utf-8"] || parameters == ["charset=\"utf-8\""])
}
