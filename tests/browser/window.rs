//! A browser on a page, and everything behind it.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};

use crate::foreign::{self, Program};
use crate::support::time::StoppedTime;
use crate::support::{PASSWORD, TestServer};

/// One browser at a time: several of them on a small machine starve each other, and each is a dozen processes.
static TURN: Mutex<()> = Mutex::const_new(());

/// A browser, the page's server, and Latchkey behind it.
pub struct Window {
    pub server: TestServer,
    /// The server's time.
    pub time: StoppedTime,
    /// Where the page is.
    pub page: String,
    browser: Program,
    _pages: Program,
    _profile: TempDir,
    /// The last to be dropped.
    _turn: MutexGuard<'static, ()>,
}

/// What came of a stranger's page that tried to use the cookie.
pub struct Attempts {
    /// By requests of its script, with CORS and without.
    pub requests: Vec<String>,
    /// By forms that a person was made to send.
    pub forms: [Value; 2],
}

/// The names of ten tabs.
pub fn tabs() -> impl Iterator<Item = String> {
    (1..=10).map(|number| format!("tab {number}"))
}

impl Window {
    /// With other settings, by their names. None where something is missing that nobody here wrote.
    pub async fn open(changes: &[(&str, &str)]) -> Option<Self> {
        let mut browser = foreign::program("node", "tests/foreign/browser.mjs")?;
        let mut pages = foreign::program("node", "examples/browser/server.mjs")?;
        let Some(chromium) = chromium() else {
            foreign::skip("there is no chromium");
            return None;
        };
        let turn = TURN.lock().await;
        let server = TestServer::with(changes).await;
        let time = server.stop_time();
        pages.env("PORT", "0").env("LATCHKEY_URL", server.url(""));
        let pages = Program::start(pages);
        let page = pages.line().strip_prefix("serving ").expect("it serves").to_owned();
        let profile = TempDir::new().unwrap();
        browser.env("CHROMIUM", chromium).env("PROFILE", profile.path()).env("HOME", profile.path());
        let browser = Program::start(browser);
        Some(Self { server, time, page, browser, _pages: pages, _profile: profile, _turn: turn })
    }

    /// What came of a command.
    #[track_caller]
    pub fn ask(&mut self, command: Value) -> Value {
        let answer: Value = serde_json::from_str(&self.browser.ask(&command.to_string())).unwrap();
        assert_eq!(answer.get("failed"), None, "{command}");
        answer["done"].clone()
    }

    /// What came of many at once.
    #[track_caller]
    pub fn all(&mut self, commands: impl Iterator<Item = Value>) -> Value {
        self.ask(json!({"do": "all", "commands": commands.collect::<Vec<_>>()}))
    }

    /// What a script comes to in the page.
    #[track_caller]
    pub fn run(&mut self, tab: &str, script: &str) -> Value {
        self.ask(json!({"do": "run", "tab": tab, "script": script}))
    }

    /// Waits until the page says this.
    #[track_caller]
    pub fn says(&mut self, tab: &str, text: &str) {
        self.ask(json!({"do": "says", "tab": tab, "text": text}));
    }

    /// What the page's calls came to since this was last asked.
    #[track_caller]
    pub fn answers(&mut self, tab: &str) -> Vec<String> {
        serde_json::from_value(self.ask(json!({"do": "answers", "tab": tab}))).unwrap()
    }

    /// Registers somebody and logs them in on the page; the session's id.
    pub fn log_in(&mut self, tab: &str, username: &str) -> String {
        let registration = json!({"username": username, "password": PASSWORD}).to_string();
        let registration =
            json!({"method": "POST", "headers": {"content-type": "application/json"}, "body": registration});
        self.ask(json!({"do": "open", "tab": tab, "url": self.page.clone()}));
        self.says(tab, super::SIGNED_OUT);
        let status =
            self.run(tab, &format!(r#"fetch("/api/register", {registration}).then((answer) => answer.status)"#));
        assert_eq!(status, 201);
        self.ask(json!({"do": "fill", "tab": tab, "field": "#username", "text": username}));
        self.ask(json!({"do": "fill", "tab": tab, "field": "#password", "text": PASSWORD}));
        self.ask(json!({"do": "click", "tab": tab, "button": "#log-in"}));
        self.says(tab, &format!("Welcome, {username}!"));
        let id: uuid::Uuid = self.server.rows().query_row("SELECT id FROM sessions", [], |row| row.get(0)).unwrap();
        id.to_string()
    }

    /// Asks for what only somebody who is signed in is shown.
    pub fn show_profile(&mut self, tab: &str, username: &str) {
        // So that what it said before is not taken for the answer.
        self.run(tab, r#"void (document.getElementById("status").textContent = "")"#);
        self.ask(json!({"do": "click", "tab": tab, "button": "#profile"}));
        self.says(tab, &format!("Welcome, {username}!"));
    }

    /// Lets a page of this origin try all that a page can.
    pub fn attempts_of(&mut self, origin: &str) -> Attempts {
        let tab = "stranger";
        let calls = ["/api/refresh_token", "/api/logout"].map(|call| format!("{}{call}", self.page));
        self.ask(json!({"do": "open", "tab": tab, "url": origin}));
        // With CORS a listed page may read the answer, which is a refusal; without, the request is sent and the page is told nothing.
        for (mode, comes_to) in [("cors", "cors"), ("no-cors", "opaque")] {
            for call in &calls {
                let request = json!({"method": "POST", "credentials": "include", "mode": mode});
                let script =
                    format!(r#"fetch("{call}", {request}).then((answer) => answer.type, (error) => error.name)"#);
                assert_eq!(self.run(tab, &script), comes_to, "{mode} {call}");
            }
        }
        let requests = self.answers(tab);
        let forms = calls.map(|action| {
            self.ask(json!({"do": "open", "tab": tab, "url": origin}));
            self.ask(json!({"do": "submit", "tab": tab, "action": action}))
        });
        Attempts { requests, forms }
    }

    /// Fails unless the session's first token was never spent, and the page is signed in still.
    pub fn assert_untouched(&mut self, session: &str) {
        self.server.assert_unspent(session);
        self.time.pass(super::ACCESS_TOKEN_TTL);
        self.show_profile("tab", "alice");
        assert_eq!(self.server.number_of(session, "current_generation"), 2);
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // In order, so that no process of it is left behind. A test that failed does not wait for it.
        if !std::thread::panicking() {
            self.ask(json!({"do": "quit"}));
        }
    }
}

/// The browser, as Debian calls it.
fn chromium() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let usual = [Path::new("/usr/bin").to_owned()];
    std::env::split_paths(&path).chain(usual).map(|folder| folder.join("chromium")).find(|program| program.is_file())
}
