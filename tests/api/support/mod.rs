//! A real server in its own thread and System, and a client that asks it over HTTP.

pub mod account;
pub mod by_hand;
pub mod calls;
pub mod cookie;
pub mod forge;
pub mod forms;
pub mod in_flight;
pub mod key_ring;
pub mod log;
mod origin;
pub mod process;
mod raw;
pub mod ring_file;
pub mod time;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use actix_web::rt::System;
use actix_web::web::Data;
use latchkey::app::{Looks, RunError, Server};
use latchkey::clock::Clock;
use latchkey::config::Settings;
use latchkey::handlers::services::Services;
use latchkey::passwords::Hasher;
use latchkey::tokens::principal::{UserId, Username};
use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;

/// What every registered test user has.
pub const PASSWORD: &str = "correct horse battery";

/// A server of its own for one test. Dropped, it stops, and fails the test if a part of it died.
pub struct TestServer {
    pub address: SocketAddr,
    /// The actors' handles, for what has no endpoint yet.
    pub services: Data<Services>,
    /// The server's time.
    pub clock: Clock,
    /// Counts the work of hashing.
    pub hasher: Arc<Hasher>,
    /// Has the server look at its key ring.
    key_ring: Looks,
    running: Option<Running>,
    directory: Arc<TempDir>,
    settings: Settings,
    http: reqwest::Client,
}

struct Running {
    thread: JoinHandle<Result<(), RunError>>,
    stop: oneshot::Sender<()>,
}

/// Settings for tests: the cheapest hash, an own database, a free port; `changes` on top.
pub fn settings(directory: &Path, changes: &[(&str, &str)]) -> Settings {
    let database = format!("sqlite://{}/latchkey.db", directory.display());
    let mut pairs = vec![
        ("PORT", "0"),
        ("DATABASE_URL", &database),
        ("BCRYPT_COST", "4"),
        ("ALLOW_WEAK_HASH", "1"),
        ("WORKERS", "2"),
        ("HASH_THREADS", "2"),
    ];
    pairs.retain(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    pairs.extend_from_slice(changes);
    Settings::load(pairs, None).expect("settings of a test")
}

impl TestServer {
    /// With the defaults.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// With other settings, by their names.
    pub async fn with(changes: &[(&str, &str)]) -> Self {
        let directory = Arc::new(TempDir::new().unwrap());
        let settings = settings(directory.path(), changes);
        Self::launch(directory, settings, Clock::system()).await
    }

    /// With settings that have no name, such as limits; `change` gets the defaults.
    pub async fn tuned(change: impl FnOnce(&mut Settings)) -> Self {
        let directory = Arc::new(TempDir::new().unwrap());
        let mut settings = settings(directory.path(), &[]);
        change(&mut settings);
        Self::launch(directory, settings, Clock::system()).await
    }

    /// With these settings, which name this directory, and this clock.
    pub async fn launch(directory: Arc<TempDir>, settings: Settings, clock: Clock) -> Self {
        let (started, starting) = mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let (settings_of_thread, clock_of_thread) = (settings.clone(), clock.clone());
        let thread = thread::spawn(move || {
            System::new().block_on(async {
                let server = Server::start(settings_of_thread, clock_of_thread).await?;
                let handles = (server.services.clone(), Arc::clone(&server.hasher), server.key_ring.clone());
                started.send((server.address, handles)).ok();
                server.serve_until(async { stopped.await.unwrap_or(()) }).await
            })
        });
        let Ok((address, (services, hasher, key_ring))) = starting.recv() else {
            panic!("the server did not start: {:?}", thread.join());
        };
        let running = Some(Running { thread, stop });
        let http = reqwest::Client::new();
        Self { address, services, clock, hasher, key_ring, running, directory, settings, http }
    }

    /// Stops the server as SIGTERM does and starts it again on the same database and clock.
    pub async fn restart(self) -> Self {
        self.restart_with(|_| ()).await
    }

    /// The same, with settings changed meanwhile.
    pub async fn restart_with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        self.stop();
        change(&mut self.settings);
        let clock = self.clock.clone();
        Self::launch(Arc::clone(&self.directory), self.settings.clone(), clock).await
    }

    /// Where the server's files are.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub fn jwt_secret(&self) -> &[u8] {
        self.settings.jwt_secret.expose()
    }

    pub fn refresh_token_secret(&self) -> &[u8] {
        self.settings.refresh_token_secret.expose()
    }

    fn stop(&mut self) {
        let Some(running) = self.running.take() else { return };
        running.stop.send(()).ok();
        let ended = running.thread.join().expect("the server's thread panicked");
        if !thread::panicking() {
            ended.expect("the server ended on its own");
        }
    }

    /// The id of a registered user.
    pub async fn user_id(&self, username: &str) -> UserId {
        let account = self.services.users.find(Username::parse(username).unwrap()).await.unwrap();
        account.expect("a registered user").principal.id
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A request to be added to.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, self.url(path))
    }

    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    pub async fn get_with(&self, path: &str, access_token: &str) -> Answer {
        Answer::of(self.request(Method::GET, path).bearer_auth(access_token)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        Answer::of(self.request(Method::POST, path).json(body)).await
    }

    pub async fn refresh(&self, refresh_token: &str) -> Answer {
        self.post("/api/refresh_token", &json!({ "refresh_token": refresh_token })).await
    }

    pub async fn login(&self, username: &str, password: &str) -> Answer {
        self.post("/api/login", &json!({"username": username, "password": password})).await
    }

    pub async fn register(&self, username: &str, password: &str) -> Answer {
        self.post("/api/register", &json!({"username": username, "password": password})).await
    }

    /// Registers a user with [`PASSWORD`] and logs them in.
    pub async fn registered(&self, username: &str) -> Tokens {
        let answer = self.register(username, PASSWORD).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        self.login(username, PASSWORD).await.tokens()
    }

    /// Sends bytes over a connection of its own and reads until the server closes it.
    pub async fn raw(&self, request: &[u8]) -> String {
        use std::io::{Read as _, Write as _};
        let (address, request) = (self.address, request.to_vec());
        let exchange = move || {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            // Only so that a test whose answer never comes fails instead of hanging.
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            stream.write_all(&request).unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).ok();
            String::from_utf8_lossy(&answer).into_owned()
        };
        actix_web::rt::task::spawn_blocking(exchange).await.unwrap()
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A pair of tokens, as a client keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    pub access_token: String,
    pub refresh_token: String,
    pub session_id: String,
}

/// An answer with its body read.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    /// The body as JSON; null where there is none or it is not JSON.
    pub body: Value,
    /// The body as it came.
    pub raw: String,
}

impl Answer {
    pub async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let raw = response.text().await.expect("a whole body");
        Self { status, headers, body: serde_json::from_str(&raw).unwrap_or_default(), raw }
    }

    /// A member of the body that is text.
    pub fn text(&self, member: &str) -> &str {
        self.body[member].as_str().unwrap_or_else(|| panic!("no text {member:?} in {}", self.raw))
    }

    /// A header, empty where it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The tokens of an answer that must be 200.
    #[track_caller]
    pub fn tokens(&self) -> Tokens {
        assert_eq!(self.status, 200, "{}", self.raw);
        Tokens {
            access_token: self.text("access_token").to_owned(),
            refresh_token: self.text("refresh_token").to_owned(),
            session_id: self.text("session_id").to_owned(),
        }
    }

    /// Fails unless this is the problem with this status and code: every member of it and no other, in the clothes of
    /// every answer.
    #[track_caller]
    pub fn assert_problem(&self, status: u16, code: &str) -> &Self {
        assert_eq!((self.status, self.body["code"].as_str()), (status, Some(code)), "{}", self.raw);
        assert_eq!(self.header("content-type"), "application/problem+json");
        let reason = (code == "invalid_grant").then_some("reason");
        let members = ["type", "title", "status", "code", "detail", "request_id"].into_iter().chain(reason);
        let sent: BTreeSet<_> = self.body.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(sent, members.collect(), "{}", self.raw);
        assert_eq!(self.body["type"], format!("/problems#{code}"));
        assert_eq!(self.body["status"], status, "{}", self.raw);
        assert_eq!(self.body["request_id"], self.header("x-request-id"));
        assert!(!self.text("title").is_empty() && !self.text("detail").is_empty(), "{}", self.raw);
        self.assert_dressed()
    }

    /// Fails unless the headers are there that every answer has, and the one that none has is not.
    #[track_caller]
    pub fn assert_dressed(&self) -> &Self {
        assert_eq!(self.header("cache-control"), "no-store", "{:?}", self.headers);
        assert_eq!(self.header("x-content-type-options"), "nosniff", "{:?}", self.headers);
        assert_eq!(self.header("referrer-policy"), "no-referrer", "{:?}", self.headers);
        assert!(!self.header("x-request-id").is_empty(), "{:?}", self.headers);
        assert!(!self.headers.contains_key("server"), "{:?}", self.headers);
        self
    }

    /// Fails unless this is 401 `invalid_grant` with this reason.
    #[track_caller]
    pub fn assert_refused(&self, reason: &str) {
        self.assert_problem(401, "invalid_grant");
        assert_eq!(self.text("reason"), reason, "{}", self.raw);
    }
}
