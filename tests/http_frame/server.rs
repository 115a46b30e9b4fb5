//! A server of toy routes, and a client that speaks raw TCP to it.

use std::collections::BTreeSet;
use std::future::Ready;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::dev::{ServerHandle, ServiceRequest, ServiceResponse};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, Data, resource};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use latchkey::config::Limits;
use latchkey::handlers::error::ApiError;
use latchkey::handlers::json::{Json, OptionalJson, RequestBody};
use latchkey::handlers::routes::{at, nowhere};
use latchkey::middleware::respond::Respond;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Deserialize)]
struct Greet {
    name: String,
}

impl RequestBody for Greet {
    const SHAPE: &'static str = r#"{"name": string}"#;
}

#[derive(Serialize)]
struct Greeting {
    greeting: String,
}

async fn greet(body: Json<Greet>) -> Json<Greeting> {
    Json(Greeting { greeting: format!("Hello, {}", body.name) })
}

async fn greet_anybody(body: OptionalJson<Greet>) -> String {
    body.0.map_or("nobody".to_owned(), |greet| greet.name)
}

async fn serve_counted(count: Data<AtomicUsize>) -> &'static str {
    count.fetch_add(1, Ordering::SeqCst);
    "counted"
}

/// A middleware that lets nobody through.
async fn hides(_: ServiceRequest, _: Next<BoxBody>) -> Result<ServiceResponse, actix_web::Error> {
    Err(ApiError::NotFound.into())
}

async fn panics(request: HttpRequest) -> HttpResponse {
    panic!("{}", request.uri())
}

/// A middleware that panics before there is a future.
fn fails<S>(_: ServiceRequest, _: &S) -> Ready<Result<ServiceResponse, actix_web::Error>> {
    panic!("hunter2")
}

/// A server of toy routes on a port of its own, stopped when dropped.
pub struct Server {
    address: SocketAddr,
    /// How often `/counted` was served.
    pub counted: Arc<AtomicUsize>,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start() -> Self {
        let counted = Data::new(AtomicUsize::new(0));
        let count = counted.clone();
        let app = move || {
            App::new()
                .app_data(Limits { body_timeout: Duration::from_millis(50), ..Limits::default() })
                .app_data(count.clone())
                .service(at("/greet").post(greet))
                .service(at("/counted").get(serve_counted))
                .service(at("/many").get(serve_counted).post(greet_anybody).delete(serve_counted))
                .service(at("/behind").get(serve_counted).behind(|| from_fn(hides)))
                .service(at("/panics").get(panics))
                .service(resource("/fails").wrap_fn(fails).to(HttpResponse::Ok))
                .default_service(web::to(nowhere))
                .wrap(Respond::default())
        };
        let (started, running) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                // No shorter disconnect time-out than the default second: actix counts it from a clock that it reads twice
                // a second, and a deadline that is past when it is set never comes.
                let server = HttpServer::new(app).workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
                let address = server.addrs()[0];
                let server = server.run();
                started.send((address, server.handle())).unwrap();
                server.await.unwrap();
            });
        });
        let (address, handle) = running.recv().unwrap();
        Self { address, counted: counted.into_inner(), handle, thread: Some(thread) }
    }

    pub fn connect(&self) -> Connection {
        let stream = TcpStream::connect(self.address).unwrap();
        // Only so that a test whose answer never comes fails instead of hanging.
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Connection { stream: BufReader::new(stream) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The command is sent by the call; awaiting it would only wait for what the thread's end shows as well.
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// One connection, spoken byte by byte.
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    pub fn send(&mut self, bytes: &str) {
        self.stream.get_mut().write_all(bytes.as_bytes()).unwrap();
    }

    /// Sends what the server may already have closed the door on.
    pub fn send_if_open(&mut self, bytes: &str) {
        drop(self.stream.get_mut().write_all(bytes.as_bytes()));
    }

    pub fn get(&mut self, path: &str) -> Answer {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"));
        self.answer()
    }

    pub fn answer(&mut self) -> Answer {
        let mut answer = self.answer_to_head();
        let length = answer.header("content-length").unwrap().parse().unwrap();
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).unwrap();
        answer.body = String::from_utf8(body).unwrap();
        answer
    }

    pub fn answer_to_head(&mut self) -> Answer {
        let status = self.line().split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = Vec::new();
        loop {
            let line = self.line();
            let Some((name, value)) = line.split_once(": ") else { break };
            headers.push((name.to_lowercase(), value.to_owned()));
        }
        assert!(headers.iter().all(|(name, _)| name != "server"));
        Answer { status, headers, body: String::new() }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// The server ends the connection without being asked to, and says nothing more.
    pub fn ends(mut self) {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).unwrap();
        assert_eq!(String::from_utf8_lossy(&rest), "");
    }

    /// Says that nothing more will come, and waits until the server has dealt with what did.
    pub fn drain(mut self) {
        drop(self.stream.get_ref().shutdown(Shutdown::Write));
        drop(self.stream.read_to_end(&mut Vec::new()));
    }
}

pub struct Answer {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn names(&self) -> BTreeSet<&str> {
        self.headers.iter().map(|(name, _)| name.as_str()).collect()
    }

    pub fn problem(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.body);
        serde_json::from_str(&self.body).unwrap()
    }

    #[track_caller]
    pub fn is_problem(&self, status: u16, code: &str) {
        let problem = self.problem();
        assert_eq!((self.status, problem["code"].as_str()), (status, Some(code)));
        assert_eq!(problem["status"], status);
    }
}
