//! Programs that nobody here wrote, found for the tests that prove something with them.
//!
//! Owns one rule: what is missing is a reason to skip, which is printed, and a failure where `LATCHKEY_FOREIGN=required`
//! says that it has to be there (`.ci/run` does). `tests/foreign/install` puts it there; this only asks it, and installs
//! nothing. A secret goes into such a program by its standard input, never by its arguments, which everybody can read.
//!
//! [`program`] -> a command, or none -> [`Program`]: a line in, a line out, for as long as its test lasts

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

/// Only so that a program that never answers fails its test instead of hanging it.
const HANGS_AFTER: Duration = Duration::from_secs(60);

/// A script of this repository with the part of `tests/foreign/install` that it needs, or none where that is missing: then
/// the reason is printed, and the test is to return.
pub fn program(part: &str, script: &str) -> Option<Command> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("tests/foreign");
    is_there(part, &folder.join("install")).then(|| {
        let mut command = if part == "python" {
            bare(&folder.join(".venv/bin/python"))
        } else {
            let mut node = bare(Path::new("node"));
            node.arg("--import").arg(folder.join("webcrypto.mjs"));
            node
        };
        command.arg(root.join(script));
        command
    })
}

/// A program that sees nothing of what is set around the tests: a proxy for HTTP, for one, would be asked for the server.
pub fn bare(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    command
}

fn is_there(part: &str, install: &Path) -> bool {
    let check = Command::new(install).args(["--check", part]).output().unwrap();
    let reason = String::from_utf8_lossy(&[check.stdout, check.stderr].concat()).trim_end().to_owned();
    if check.status.success() {
        return true;
    }
    skip(&reason);
    false
}

/// Says why the test is to return, and fails it where nothing may be missing.
pub fn skip(reason: &str) {
    let required = std::env::var_os("LATCHKEY_FOREIGN").is_some_and(|value| value == "required");
    assert!(!required, "LATCHKEY_FOREIGN=required, and {reason}");
    let test = thread::current();
    let skipped = format!("{} skipped: {reason}\n", test.name().unwrap_or("a test"));
    // Not by a macro, whose output is shown for tests that fail only.
    io::stderr().write_all(skipped.as_bytes()).unwrap();
}

/// A program that lives as long as its test. Dropped, it is killed.
pub struct Program {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
}

impl Program {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a program that starts");
        let (stdin, stdout) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let (said, lines) = mpsc::channel();
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| said.send(line)));
        Self { child, stdin, lines }
    }

    /// The next line that it says.
    pub fn line(&self) -> String {
        self.lines.recv_timeout(HANGS_AFTER).expect("a program that answers")
    }

    /// What it answers to a line.
    pub fn ask(&mut self, line: &str) -> String {
        writeln!(self.stdin, "{line}").expect("a program that listens");
        self.line()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
