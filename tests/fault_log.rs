//! What the log says of a fault, and what it keeps to itself.
//!
//! A binary of its own with a single test: whether anybody listens to a log line is decided once per process, so tests that
//! run beside this one would now and then make it deaf.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first thing that is not as it expects")]

use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Mutex};

use actix_web::dev::Service;
use actix_web::{App, HttpRequest, HttpResponse, test};
use latchkey::error::Error;
use latchkey::handlers::error::ApiError;
use latchkey::handlers::routes::at;
use latchkey::middleware::respond::Respond;

#[actix_web::test]
async fn a_fault_is_logged_once_with_its_request_and_without_its_message() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).init();
    let app = App::new().service(at("/broken").get(broken)).service(at("/panics").get(panics)).wrap(Respond::default());
    let app = test::init_service(app).await;

    for (path, place) in [("/panics?hunter2", "a panic"), ("/broken?hunter2", "the test")] {
        let request = test::TestRequest::get().uri(path).insert_header(("x-request-id", "id-1")).to_request();
        drop(app.call(request).await);

        let lines = log.take();
        assert_eq!(lines.lines().count(), 1, "{lines}");
        assert!(lines.contains("request_id=id-1") && lines.contains(place), "{lines}");
        assert!(!lines.contains("hunter2"), "{lines}");
    }
}

async fn broken() -> Result<HttpResponse, ApiError> {
    Err(Error::Internal("the test").into())
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
