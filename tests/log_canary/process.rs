//! The binary as a child process in a directory of its own, and all that it says.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use reqwest::Method;
use rusqlite::Connection;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

pub const JWT: &str = "vZ0qf5Jt2mXyB8dKc1RwT7uHs4GnLpEaYi6ObQ9eFzNjVMkC";
pub const REFRESH: &str = "3f9a1c7be05d8426f1b79e0c4ad3586291e7d0b34c5fa826";

/// Only so that an answer that never comes fails its test instead of hanging it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A directory with a telling name.
pub struct Place(TempDir);

impl Place {
    pub fn new() -> Self {
        Self(tempfile::Builder::new().prefix("Jn4-directory-of-the-database").tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    pub fn write(&self, name: &str, content: &[u8]) {
        fs::write(self.0.path().join(name), content).unwrap();
    }

    /// Puts a key ring beside the database, whole and at once, as the command line does.
    pub fn ring(&self, text: &str) {
        fs::create_dir_all(self.path("data")).unwrap();
        self.write("data/new", text.as_bytes());
        fs::set_permissions(self.path("data/new"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::rename(self.path("data/new"), self.path("data/latchkey.keys")).unwrap();
    }

    /// Starts a server and waits until it listens.
    pub fn start(&self, settings: &[(&str, &str)]) -> Process {
        let mut child = self.command(settings).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let heard = Arc::new(Mutex::new(String::new()));
        let hearing = Arc::clone(&heard);
        let log = thread::spawn(move || {
            let mut line = String::new();
            while stderr.read_line(&mut line).unwrap() > 0 {
                hearing.lock().unwrap().push_str(&std::mem::take(&mut line));
            }
        });
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut said = String::new();
        stdout.read_line(&mut said).unwrap();
        let address = said.trim_end().strip_prefix("listening on http://").expect("it listens").parse().unwrap();
        let output = thread::spawn(move || {
            stdout.read_to_string(&mut said).unwrap();
            said
        });
        let http = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
        Process { address, child, heard, log: Some(log), output: Some(output), http }
    }

    /// Starts a server that must not come to listen: how it ended and what it said.
    pub fn refused(&self, settings: &[(&str, &str)]) -> (Option<i32>, String) {
        let output = self.command(settings).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    }

    fn command(&self, settings: &[(&str, &str)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_latchkey"));
        command
            .current_dir(self.0.path())
            .env_clear()
            .envs([("PORT", "0"), ("BCRYPT_COST", "4"), ("ALLOW_WEAK_HASH", "1")])
            .envs([("JWT_SECRET", JWT), ("REFRESH_TOKEN_SECRET", REFRESH)])
            .env("DATABASE_URL", format!("sqlite://{}", self.path("data/latchkey.db")))
            .envs(settings.iter().copied())
            .stdin(Stdio::null());
        command
    }

    pub fn password_hash(&self) -> String {
        let query = "SELECT password_hash FROM users WHERE username = 'alice'";
        self.database().query_row(query, [], |row| row.get(0)).unwrap()
    }

    /// Makes a client, as its operator does; its secret.
    pub fn client(&self, name: &str) -> String {
        let output = self.command(&[("RUST_LOG", "trace")]).args(["clients", "create", name]).output().unwrap();
        assert!(output.stderr.is_empty(), "{output:?}");
        let said = String::from_utf8(output.stdout).unwrap();
        said.trim_end().rsplit_once("client_secret=").unwrap_or_else(|| panic!("{said}")).1.to_owned()
    }

    /// Puts every session past its limit: the time of a child cannot be moved.
    pub fn expire_sessions(&self) {
        self.database().execute("UPDATE sessions SET idle_expires_at = created_at", []).unwrap();
    }

    /// Breaks the database under the server.
    pub fn damage(&self) {
        let rows = self.database();
        let elsewhere = "UPDATE sqlite_schema SET rootpage = 1 << 30 WHERE name = 'users'";
        rows.execute_batch(&format!("PRAGMA writable_schema = ON; {elsewhere}")).unwrap();
        rows.execute_batch("PRAGMA schema_version = 1000").unwrap();
    }

    fn database(&self) -> Connection {
        Connection::open(self.0.path().join("data/latchkey.db")).unwrap()
    }
}

/// A running server. Dropped, it is killed.
pub struct Process {
    address: SocketAddr,
    child: Child,
    /// What it said so far.
    heard: Arc<Mutex<String>>,
    log: Option<JoinHandle<()>>,
    output: Option<JoinHandle<String>>,
    http: reqwest::Client,
}

impl Process {
    /// Stops it as a service manager does. All that it said; what it said on standard output is no log, but no place for
    /// secrets either.
    pub fn stopped(self) -> String {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let (code, log) = self.ended();
        assert_eq!(code, Some(0), "{log}");
        log
    }

    /// Waits until it ends: how it did, and its log.
    pub fn ended(mut self) -> (Option<i32>, String) {
        let (code, _, log) = self.last_words();
        (code, log)
    }

    /// Stops it: what it said on standard output, and its log.
    pub fn stopped_with_output(mut self) -> (String, String) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let (_, output, log) = self.last_words();
        (output, log)
    }

    fn last_words(&mut self) -> (Option<i32>, String, String) {
        let code = self.child.wait().unwrap().code();
        let output = self.output.take().unwrap().join().unwrap();
        assert!(!output.contains("lkr_"), "{output}");
        self.log.take().unwrap().join().unwrap();
        (code, output, self.heard.lock().unwrap().clone())
    }

    /// Tells it to look at its key ring.
    pub fn hang_up(&self) {
        kill_process(Pid::from_child(&self.child), Signal::HUP).unwrap();
    }

    /// Waits until the log says this.
    pub async fn heard(&self, words: &str) {
        self.heard_times(words, 1).await;
    }

    /// Waits until the log says this so often.
    pub async fn heard_times(&self, words: &str, times: usize) {
        let said = async {
            while self.heard.lock().unwrap().matches(words).count() < times {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, said).await.unwrap_or_else(|_| panic!("it never says {words:?}"));
    }

    pub async fn register(&self, username: &str, password: &str) -> Value {
        self.post("/api/register", &json!({"username": username, "password": password})).await
    }

    pub async fn login(&self, username: &str, password: &str) -> Value {
        self.post("/api/login", &json!({"username": username, "password": password})).await
    }

    /// Renews with the refresh token of an earlier answer.
    pub async fn refresh(&self, tokens: &Value) -> Value {
        self.post("/api/refresh_token", &json!({"refresh_token": tokens["refresh_token"]})).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Value {
        answer(self.request(Method::POST, path).json(body)).await
    }

    /// Posts a form, as a client where one is named.
    pub async fn form(&self, path: &str, client: Option<(&str, &str)>, body: &str) -> Value {
        let request = self.request(Method::POST, path).header("content-type", "application/x-www-form-urlencoded");
        let request = match client {
            Some((id, secret)) => request.basic_auth(id, Some(secret)),
            None => request,
        };
        answer(request.body(body.to_owned())).await
    }

    /// Waits until a client is known.
    pub async fn knows(&self, id: &str, secret: &str) {
        let known = async {
            while !self.form("/api/introspect", Some((id, secret)), "token=x").await["active"].is_boolean() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, known).await.expect("a server that looks");
    }

    pub async fn call(&self, method: Method, path: &str, bearer: &str, body: &Value) -> Value {
        answer(self.request(method, path).bearer_auth(bearer).json(body)).await
    }

    pub async fn get(&self, path: &str, bearer: Option<&str>) -> Value {
        let request = self.request(Method::GET, path);
        answer(match bearer {
            Some(token) => request.bearer_auth(token),
            None => request,
        })
        .await
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("http://{}{path}", self.address))
    }

    /// Sends these bytes over a connection of its own, says that nothing more will come, and reads what comes back.
    pub fn send(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        // Whoever sends nonsense may be cut off.
        stream.read_to_end(&mut answer).ok();
        String::from_utf8_lossy(&answer).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The body as JSON, null where it is none.
async fn answer(request: reqwest::RequestBuilder) -> Value {
    let body = request.send().await.unwrap().text().await.unwrap();
    serde_json::from_str(&body).unwrap_or_default()
}
