//! What the log says of a fault, and what it keeps to itself.
//!
//! A binary of its own with a single test: whether anybody listens to a log line is decided once per process, so tests that
//! run beside this one would now and then make it deaf.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first thing that is not as it expects")]

use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::dev::Service;
use actix_web::{App, HttpRequest, HttpResponse, test};
use latchkey::config::LogFormat;
use latchkey::error::Error;
use latchkey::handlers::error::ApiError;
use latchkey::handlers::routes::at;
use latchkey::logging;
use latchkey::middleware::respond::Respond;

/// In the path, the query, a header, and what is panicked with.
const SECRET: &str = "hunter2";

#[actix_web::test]
async fn a_fault_is_logged_once_with_its_request_and_without_its_message() {
    logging::log_panics();
    for format in [LogFormat::Text, LogFormat::Json] {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = logging::subscriber(format, "trace", move || writer.clone()).unwrap();
        let _listening = tracing::subscriber::set_default(subscriber);
        let app = App::new()
            .service(at("/broken/{id}").get(broken))
            .service(at("/panics/{id}").get(panics))
            .wrap(Respond::default());
        let app = test::init_service(app).await;

        for (path, lines) in [
            ("/panics", ["tests/fault_log.rs", "a request failed inside the service", "answered"].as_slice()),
            ("/broken", &["a request failed inside the service", "answered"]),
        ] {
            let request = test::TestRequest::get().uri(&format!("{path}/{SECRET}?{SECRET}"));
            let request = request.insert_header(("x-request-id", "id-1")).insert_header(("authorization", SECRET));
            drop(app.call(request.to_request()).await);

            let written = log.take();
            assert!(!written.contains(SECRET), "{written}");
            assert_eq!(written.lines().count(), lines.len(), "{written}");
            for (line, words) in written.lines().zip(lines) {
                assert!(line.contains(words), "{line}");
                assert!(line.contains("id-1") || line.contains("a panic"), "{line}");
            }
            let last = written.lines().last().unwrap();
            assert!(last.contains(&format!("{path}/{{id}}")) && last.contains("500"), "{last}");
        }
    }

    // In the same test, because it is about the same process: of a flood one line is told, and each request has its own.
    let log = Log::default();
    let writer = log.clone();
    let subscriber = logging::subscriber(LogFormat::Text, "info", move || writer.clone()).unwrap();
    let _listening = tracing::subscriber::set_default(subscriber);
    let app = test::init_service(App::new().service(at("/full").get(full)).wrap(Respond::default())).await;
    for _ in 0..5 {
        app.call(test::TestRequest::get().uri("/full").to_request()).await.unwrap();
    }
    let written = log.take();
    let told: Vec<&str> = written.lines().filter(|line| line.contains("WARN")).collect();
    assert!(
        matches!(told.as_slice(), [line] if line.contains("at capacity") && line.contains("untold=0")),
        "{written}"
    );
    assert_eq!(written.lines().filter(|line| line.contains("route=/full status=503")).count(), 5, "{written}");
}

async fn broken() -> Result<HttpResponse, ApiError> {
    Err(Error::Internal("the test").into())
}

/// Turned away at the door.
async fn full() -> Result<HttpResponse, ApiError> {
    Err(Error::Overloaded { retry_after: Duration::from_secs(1) }.into())
}

async fn panics(request: HttpRequest) -> HttpResponse {
    panic!("{}", request.uri())
}

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// All of it since the last time.
    fn take(&self) -> String {
        String::from_utf8(mem::take(&mut self.0.lock().unwrap())).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(text)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
