//! The outermost layer: every answer leaves through here.
//!
//! Owns what the contract says of all answers: a request id, the security headers, errors as `application/problem+json` or in
//! the [`Dialect`](crate::handlers::oauth::Dialect) of their path, and that a panic is one request's 500 instead of a broken
//! connection. What [`cors`](super::cors) says of an answer is applied here too, because there are answers that no inner layer
//! sees. It must be the last `wrap` of the app. A handler knows nothing of it: it returns an [`ApiError`] and finds the [`Trail`]
//! in the request's extensions. A body that a handler wrote itself is never touched, whatever its status.
//!
//! request -> trail into the extensions -> everything inside -> answer, error or panic -> `finish` -> log line, client

use std::any::Any;
use std::future::{Ready, ready};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use futures_util::FutureExt;
use futures_util::future::{self, CatchUnwind, Either, Join, Map};

use super::cors::{Asked, Cors};
use super::faults;
use super::forwarded::Proxies;
use super::request_id::{RequestId, X_REQUEST_ID};
use super::request_line::RequestLine;
use super::trail::Trail;
use super::unread::Unread;
use crate::error::Error;
use crate::handlers::error::ApiError;

/// The layer, for `App::wrap`.
#[derive(Debug, Clone, Default)]
pub struct Respond {
    cors: Option<Arc<Cors>>,
    proxies: Arc<Proxies>,
}

impl Respond {
    /// With the list of web origins, where there is one.
    pub fn with(cors: Option<Arc<Cors>>) -> Self {
        Self { cors, ..Self::default() }
    }

    /// Behind these proxies.
    pub fn behind(self, proxies: Arc<Proxies>) -> Self {
        Self { proxies, ..self }
    }
}

/// The layer around one worker's service.
#[derive(Debug)]
pub struct RespondService<S> {
    inner: S,
    cors: Option<Arc<Cors>>,
    proxies: Arc<Proxies>,
}

impl<S, B> Transform<S, ServiceRequest> for Respond
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error>,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse;
    type Error = actix_web::Error;
    type Transform = RespondService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(RespondService { inner, cors: self.cors.clone(), proxies: Arc::clone(&self.proxies) }))
    }
}

/// What came out of everything inside; the outer error is a panic's payload.
type Outcome<B> = Result<Result<ServiceResponse<B>, actix_web::Error>, Box<dyn Any + Send>>;

/// What `finish` needs of a request, kept beside it: after an error or a panic the request itself is gone.
/// Public only because the name of the layer's future holds it.
pub struct Exchange {
    line: RequestLine,
    outfit: Outfit,
}

/// What its answer is dressed with.
struct Outfit {
    trail: Trail,
    unread: Option<Unread>,
    cors: Option<Asked>,
}

/// The inner future, or a panic from before there was one.
type Caught<F, B> = Either<CatchUnwind<AssertUnwindSafe<F>>, Ready<Outcome<B>>>;

/// A join with a value that is there already, and not an async block: such a future can be named, so no request pays for
/// a box.
type Answer<F, B> =
    Map<Join<Caught<F, B>, Ready<Exchange>>, fn((Outcome<B>, Exchange)) -> Result<ServiceResponse, actix_web::Error>>;

impl<S, B> Service<ServiceRequest> for RespondService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error>,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse;
    type Error = actix_web::Error;
    type Future = Answer<S::Future, B>;

    forward_ready!(inner);

    fn call(&self, mut request: ServiceRequest) -> Self::Future {
        let trail = Trail::begin(&request, &self.proxies);
        let line = RequestLine::begin(&trail);
        let unread = Unread::of(&mut request);
        let cors = self.cors.as_ref().map(|cors| cors.of(request.method(), request.headers()));
        // The request moves inside and comes back with the answer. A clone of it kept here would make actix panic, which
        // needs to be its only owner.
        let caught = match panic::catch_unwind(AssertUnwindSafe(|| self.inner.call(request))) {
            Ok(answer) => Either::Left(AssertUnwindSafe(answer).catch_unwind()),
            Err(payload) => Either::Right(ready(Err(payload))),
        };
        future::join(caught, ready(Exchange { line, outfit: Outfit { trail, unread, cors } })).map(finish)
    }
}

/// Makes an answer of whatever came out.
fn finish<B: MessageBody + 'static>(
    (outcome, Exchange { line, outfit }): (Outcome<B>, Exchange),
) -> Result<ServiceResponse, actix_web::Error> {
    let error = match outcome {
        Ok(Ok(answer)) => {
            let (request, response) = answer.into_parts();
            let failure = failure_of(&response);
            if let Some(failure) = &failure {
                faults::note(failure, &outfit.trail);
            }
            let response = dress(response, failure.as_ref(), &outfit);
            line.answered(response.status());
            return Ok(ServiceResponse::new(request, response));
        }
        Ok(Err(error)) => error,
        // The payload is neither logged nor answered: a panic's message may hold what a client sent.
        Err(_payload) => ApiError::from(Error::Internal("a panic")).into(),
    };
    let failure = classify(&error, &error.error_response());
    faults::note(&failure, &outfit.trail);
    line.answered(outfit.trail.dialect().status(&failure));
    Err(answer_later(error, failure, outfit))
}

/// The answer to an error that has lost its request, which an answer of this layer would need: actix makes one of the error
/// itself, and a mapper gives that the form of all others.
fn answer_later(mut error: actix_web::Error, failure: ApiError, outfit: Outfit) -> actix_web::Error {
    error.add_response_mapper(move |response| dress(response, Some(&failure), &outfit));
    error
}

/// Which error an answer is, if it is one: it was made from an error, or is a status without a body, as the framework's
/// own refusals are.
fn failure_of<B: MessageBody>(response: &HttpResponse<B>) -> Option<ApiError> {
    if let Some(error) = response.error() {
        return Some(classify(error, response));
    }
    let status = response.status();
    let is_bare = (status.is_client_error() || status.is_server_error())
        && matches!(response.body().size(), BodySize::None | BodySize::Sized(0));
    is_bare.then(|| ApiError::of_status(status, response.headers()))
}

/// Our own errors say what they are; of the framework's only the status can be trusted.
fn classify<B>(error: &actix_web::Error, response: &HttpResponse<B>) -> ApiError {
    match error.as_error::<ApiError>() {
        Some(known) => known.clone(),
        None => ApiError::of_status(response.status(), response.headers()),
    }
}

/// Gives an answer what every answer has.
fn dress<B: MessageBody + 'static>(
    response: HttpResponse<B>,
    failure: Option<&ApiError>,
    outfit: &Outfit,
) -> HttpResponse {
    let preflight = failure.zip(outfit.cors.as_ref()).and_then(|(failure, asked)| asked.preflight(failure));
    let mut response = match failure {
        Some(_) if preflight.is_some() => HttpResponse::NoContent().finish(),
        Some(failure) => outfit.trail.dialect().render(failure, response, outfit.trail.id().as_str()),
        None => response.map_into_boxed_body(),
    };
    harden(response.headers_mut(), outfit.trail.id());
    outfit.trail.dialect().dress(response.headers_mut());
    if let Some(asked) = &outfit.cors {
        asked.dress(response.headers_mut(), preflight.as_deref());
    }
    match &outfit.unread {
        Some(unread) => unread.keep_with(response),
        None => response,
    }
}

/// The headers of every answer. An answer that may be cached says so itself; all others hold or refuse secrets.
fn harden(headers: &mut HeaderMap, id: &RequestId) {
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_REQUEST_ID, id.to_header());
}

#[cfg(test)]
mod tests {
    use actix_web::body::BoxBody;
    use actix_web::http::StatusCode;
    use actix_web::middleware::{Next, from_fn};
    use actix_web::{App, HttpRequest, test, web};
    use serde_json::Value;

    use super::*;
    use crate::handlers::routes::{at, nowhere};

    struct Answer {
        status: StatusCode,
        headers: HeaderMap,
        body: String,
    }

    impl Answer {
        fn header(&self, name: &str) -> &str {
            self.headers.get(name).map_or("", |value| value.to_str().unwrap())
        }

        fn code(&self) -> String {
            assert_eq!(self.header("content-type"), "application/problem+json");
            let problem: Value = serde_json::from_str(&self.body).unwrap();
            assert_eq!(problem["status"], self.status.as_u16());
            assert_eq!(problem["request_id"], "id-1");
            problem["code"].as_str().unwrap().to_owned()
        }
    }

    async fn refuses(_: ServiceRequest, _: Next<BoxBody>) -> Result<ServiceResponse, actix_web::Error> {
        Err(ApiError::from(Error::InvalidToken).into())
    }

    async fn broken() -> Result<HttpResponse, ApiError> {
        Err(Error::Internal("the test").into())
    }

    async fn panics(request: HttpRequest) -> HttpResponse {
        panic!("{}", request.uri())
    }

    fn eager<S>(_: ServiceRequest, _: &S) -> Ready<Result<ServiceResponse, actix_web::Error>> {
        panic!("before there is a future")
    }

    async fn get(path: &str) -> Answer {
        get_from(path, Respond::default()).await
    }

    /// The answer to `GET path` of a page. Like the server, it makes an answer of an error.
    async fn get_from(path: &str, respond: Respond) -> Answer {
        let own = async || HttpResponse::ServiceUnavailable().body("own words");
        let cached = async || HttpResponse::Ok().insert_header(("cache-control", "max-age=60")).body("c");
        let app = App::new()
            .service(at("/fine").get(async || HttpResponse::Ok().body("fine")))
            .service(at("/cached").get(cached))
            .service(at("/own").get(own))
            .service(at("/bare").get(async || HttpResponse::ImATeapot().finish()))
            .service(at("/query").get(async |_: web::Query<(u64,)>| "a number"))
            .service(at("/unset").get(async |_: web::Data<u64>| "a number"))
            .service(at("/broken").get(broken))
            .service(at("/panics").get(panics))
            .service(at("/oauth").get(panics).in_oauth())
            .service(web::resource("/refused").wrap(from_fn(refuses)).to(HttpResponse::Ok))
            .service(web::resource("/eager").wrap_fn(eager).to(HttpResponse::Ok))
            .service(web::resource("/stock").route(web::post().to(HttpResponse::Ok)))
            .default_service(web::to(nowhere))
            .wrap(respond);
        let app = test::init_service(app).await;
        let request = test::TestRequest::get().uri(path).insert_header(("x-request-id", "id-1"));
        let request = request.insert_header(("origin", "https://a.example")).to_request();
        let response = match app.call(request).await {
            Ok(answer) => answer.into_parts().1,
            Err(error) => error.error_response(),
        };
        let (status, headers) = (response.status(), response.headers().clone());
        let body = actix_web::body::to_bytes(response.into_body()).await.unwrap();
        Answer { status, headers, body: String::from_utf8(body.to_vec()).unwrap() }
    }

    #[actix_web::test]
    async fn every_answer_has_the_security_headers_and_its_request_id() {
        for path in ["/fine", "/own", "/bare", "/query", "/broken", "/panics", "/eager", "/refused", "/stock", "/none"]
        {
            let answer = get(path).await;

            assert_eq!(answer.header("cache-control"), "no-store", "{path}");
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
            assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
            assert_eq!(answer.header("x-request-id"), "id-1", "{path}");
            assert!(!answer.headers.contains_key(header::SERVER), "{path}");
        }
    }

    #[actix_web::test]
    async fn an_answer_that_may_be_cached_says_so_itself() {
        assert_eq!(get("/cached").await.header("cache-control"), "max-age=60");
    }

    #[actix_web::test]
    async fn a_body_that_a_handler_wrote_is_never_touched() {
        assert_eq!(get("/fine").await.body, "fine");
        assert_eq!(get("/own").await.body, "own words");
    }

    #[actix_web::test]
    async fn every_error_is_a_problem_whoever_made_it() {
        for (path, status, code) in [
            ("/none", 404, "not_found"),
            ("/stock", 405, "method_not_allowed"),
            ("/bare", 400, "invalid_request"),
            ("/query?0=hunter2", 400, "invalid_request"),
            ("/refused", 401, "invalid_token"),
            ("/unset", 500, "internal"),
            ("/broken", 500, "internal"),
            ("/panics?hunter2", 500, "internal"),
            ("/eager", 500, "internal"),
        ] {
            let answer = get(path).await;

            assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code), "{path}");
            assert!(!answer.body.contains("hunter2"), "{path}: {}", answer.body);
        }
    }

    #[actix_web::test]
    async fn on_a_path_of_the_oauth_standards_even_a_panic_has_their_form() {
        let answer = get("/oauth?hunter2").await;

        let body: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!((answer.status.as_u16(), &body["error"]), (500, &"server_error".into()));
        assert_eq!((answer.header("pragma"), answer.header("x-request-id")), ("no-cache", "id-1"));
        assert_eq!(get("/panics").await.header("pragma"), "");
    }

    #[actix_web::test]
    async fn a_listed_page_can_read_every_answer_and_without_a_list_there_is_no_word_of_it() {
        for path in ["/fine", "/own", "/bare", "/query", "/broken", "/panics", "/eager", "/refused", "/stock", "/none"]
        {
            let cors = Cors::new(&["https://a.example".parse().unwrap()]).map(Arc::new);
            let answer = get_from(path, Respond::with(cors)).await;
            assert_eq!(answer.header("access-control-allow-origin"), "https://a.example", "{path}");
            assert_eq!(answer.header("vary"), "Origin", "{path}");

            let plain = get(path).await;
            assert_eq!(plain.header("access-control-allow-origin"), "", "{path}");
            assert_eq!(plain.header("vary"), "", "{path}");
        }
    }

    #[actix_web::test]
    async fn the_frameworks_own_405_keeps_its_allow() {
        assert_eq!(get("/stock").await.header("allow"), "POST");
    }
}
