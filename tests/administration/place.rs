//! A directory, a server that runs in it, and the command line beside it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

use reqwest::StatusCode;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Whoever waited for so long waits for what will not come.
const HANGS_AFTER: Duration = Duration::from_secs(60);
/// What everybody here has.
pub const PASSWORD: &str = "correct horse battery";
/// A free port, the cheapest hash, and nobody turned away who only tests.
const SETTINGS: [(&str, &str); 5] = [
    ("PORT", "0"),
    ("BCRYPT_COST", "4"),
    ("ALLOW_WEAK_HASH", "1"),
    ("HASH_MAX_WAIT", "60s"),
    ("LOGIN_FAILURES", "off"),
];

/// A working directory.
pub struct Place(TempDir);

/// How a command ended.
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Place {
    pub fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The binary in this directory, with the test's settings and no other.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_latchkey"));
        command.args(arguments).current_dir(self.path()).env_clear().envs(SETTINGS);
        command
    }

    /// Runs a command that is given this on standard input.
    pub fn told(&self, arguments: &[&str], input: &str) -> Said {
        said(self.command(arguments), input)
    }

    /// Runs a command.
    pub fn run(&self, arguments: &[&str]) -> Said {
        self.told(arguments, "")
    }

    /// What a command that must succeed, and complain of nothing, prints.
    #[track_caller]
    pub fn ok(&self, arguments: &[&str]) -> String {
        self.run(arguments).ok()
    }

    /// Adds an account with [`PASSWORD`]; its id.
    #[track_caller]
    pub fn created(&self, arguments: &[&str]) -> String {
        let arguments: Vec<_> = ["users", "create"].iter().chain(arguments).copied().collect();
        self.told(&arguments, &format!("{PASSWORD}\n")).ok().trim_end().to_owned()
    }

    /// Writes a file of these lines; its name.
    pub fn file(&self, lines: &[String]) -> &'static str {
        std::fs::write(self.path().join("users.jsonl"), lines.join("\n")).unwrap();
        "users.jsonl"
    }

    /// How many rows a table has.
    pub fn count(&self, table: &str) -> usize {
        let count: i64 = self.rows().query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap();
        usize::try_from(count).unwrap()
    }

    /// Starts a server and waits until it says where it listens.
    pub fn serve(&self) -> Server {
        self.serve_with(&[])
    }

    /// The same with other settings.
    pub fn serve_with(&self, changes: &[(&str, &str)]) -> Server {
        let mut command = self.command(&["serve"]);
        let mut child =
            command.envs(changes.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let url = line.trim_end().strip_prefix("listening on ").expect("a server that listens").to_owned();
        Server { url, child, http: reqwest::Client::new(), _output: output }
    }

    /// Changes rows while no server runs.
    pub fn write(&self, sql: &str) {
        Connection::open(self.path().join("data/latchkey.db")).unwrap().execute_batch(sql).unwrap();
    }

    /// The rows as they are.
    pub fn rows(&self) -> Connection {
        let path = self.path().join("data/latchkey.db");
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
    }
}

/// Runs a command that is given this on standard input.
pub fn said(mut command: Command, input: &str) -> Said {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a command");
    // It may have ended without reading.
    child.stdin.take().unwrap().write_all(input.as_bytes()).ok();
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    Said { code: status.code(), out: String::from_utf8(stdout).unwrap(), err: String::from_utf8(stderr).unwrap() }
}

impl Said {
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (Some(0), ""), "{}", self.out);
        self.out
    }

    /// Fails unless it failed with this code and one line that holds these words, and printed nothing.
    #[track_caller]
    pub fn assert_failed(&self, code: i32, words: &str) {
        assert_eq!((self.code, self.out.as_str()), (Some(code), ""), "{}", self.err);
        assert!(self.err.starts_with("latchkey: ") && self.err.contains(words), "{}", self.err);
        assert_eq!(self.err.lines().count(), 1, "{}", self.err);
    }
}

/// A running server. Dropped, it is killed.
pub struct Server {
    url: String,
    child: Child,
    http: reqwest::Client,
    /// Kept open: nobody should write into a pipe that is closed.
    _output: BufReader<ChildStdout>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// What a login or a renewal answers.
#[derive(Debug, Clone)]
pub struct Tokens {
    pub access: String,
    pub refresh: String,
    pub session: String,
}

impl Server {
    pub async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        let answer = self.http.post(format!("{}{path}", self.url)).json(body).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap_or_default())
    }

    pub async fn login(&self, username: &str) -> Result<Tokens, StatusCode> {
        let (status, body) = self.post("/api/login", &json!({"username": username, "password": PASSWORD})).await;
        tokens(status, &body)
    }

    pub async fn renew(&self, tokens_of: &Tokens) -> Result<Tokens, StatusCode> {
        let (status, body) = self.post("/api/refresh_token", &json!({"refresh_token": tokens_of.refresh})).await;
        tokens(status, &body)
    }

    /// What the profile says; the status where it is refused.
    pub async fn profile(&self, tokens: &Tokens) -> Result<Value, StatusCode> {
        let request = self.http.get(format!("{}/api/profile", self.url)).bearer_auth(&tokens.access);
        let answer = request.send().await.unwrap();
        let status = answer.status();
        if status.is_success() { Ok(answer.json().await.unwrap()) } else { Err(status) }
    }

    /// What a client is told of a token; the status where it is refused.
    pub async fn introspect(&self, (id, secret): &(String, String), token: &str) -> Result<Value, StatusCode> {
        let request = self.http.post(format!("{}/api/introspect", self.url)).basic_auth(id, Some(secret));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = request.body(format!("token={token}")).send().await.unwrap();
        let status = answer.status();
        if status.is_success() { Ok(answer.json().await.unwrap()) } else { Err(status) }
    }

    /// Waits until a client is known, or is not; fails where that never comes.
    pub async fn knows(&self, client: &(String, String), is_known: bool) {
        let comes = async {
            while self.introspect(client, "x").await.is_ok() != is_known {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(HANGS_AFTER, comes).await.expect("a server that looks");
        let refused = Err(StatusCode::UNAUTHORIZED);
        assert!(is_known || self.introspect(client, "x").await == refused);
    }

    /// The names of the published keys.
    pub async fn published(&self) -> Vec<String> {
        let keys: Value =
            self.http.get(format!("{}/.well-known/jwks.json", self.url)).send().await.unwrap().json().await.unwrap();
        keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until so many keys are published; fails where that never comes.
    pub async fn publishes(&self, keys: usize) -> Vec<String> {
        let published = async {
            loop {
                let published = self.published().await;
                if published.len() == keys {
                    return published;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(HANGS_AFTER, published).await.expect("keys that are published")
    }

    /// Waits until the access token is refused; fails where that never comes.
    pub async fn refuses(&self, tokens: &Tokens) {
        let refused = async {
            while self.profile(tokens).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(HANGS_AFTER, refused).await.expect("an access token that is refused");
        assert_eq!(self.profile(tokens).await, Err(StatusCode::UNAUTHORIZED));
    }
}

fn tokens(status: StatusCode, body: &Value) -> Result<Tokens, StatusCode> {
    let text = |member: &str| body[member].as_str().unwrap_or_else(|| panic!("no {member}: {body}")).to_owned();
    if status != StatusCode::OK {
        return Err(status);
    }
    Ok(Tokens { access: text("access_token"), refresh: text("refresh_token"), session: text("session_id") })
}
