//! What is asked for where somebody sits before a terminal, and a server that runs in one.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::place::{PASSWORD, Place};

/// A command on a terminal of its own, as `script` makes it.
struct Terminal {
    child: Child,
    keys: ChildStdin,
    screen: ChildStdout,
    shown: String,
}

impl Terminal {
    /// Says so and answers `None` where there is no `script` (util-linux).
    fn open(place: &Place, arguments: &str, test: &str) -> Option<Self> {
        let mut command = Command::new("script");
        let settings = place.command(&[]);
        let settings = settings.get_envs().filter_map(|(name, value)| Some((name, value?)));
        // Without a shell between: where whoever runs the tests ignores SIGHUP, it would as well, and hand none on.
        let line = format!("exec {} {arguments}", env!("CARGO_BIN_EXE_latchkey"));
        command.args(["--quiet", "--return", "--command", &line, "/dev/null"]).current_dir(place.path()).envs(settings);
        // What kind of terminal it is, says whoever starts one: a service manager's environment does not.
        command.env("TERM", "xterm");
        match command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn() {
            Ok(mut child) => {
                let (keys, screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
                Some(Self { child, keys, screen, shown: String::new() })
            }
            Err(_) => {
                io::stderr().write_all(format!("{test} skipped: there is no script\n").as_bytes()).unwrap();
                None
            }
        }
    }

    /// Waits until this is to be seen.
    fn wait_for(&mut self, words: &str) {
        let mut byte = [0];
        while !self.shown.ends_with(words) {
            assert_eq!(self.screen.read(&mut byte).unwrap(), 1, "it ended: {}", self.shown);
            self.shown.push(char::from(byte[0]));
        }
    }

    /// Waits for a question and types an answer.
    fn answer(mut self, question: &str, answer: &str) -> Self {
        self.wait_for(question);
        self.keys.write_all(format!("{answer}\n").as_bytes()).unwrap();
        self
    }

    /// How it ended, and all that was to be seen.
    fn end(mut self) -> (Option<i32>, String) {
        let mut rest = Vec::new();
        self.screen.read_to_end(&mut rest).unwrap();
        let status = self.child.wait().unwrap();
        (status.code(), self.shown + &String::from_utf8_lossy(&rest))
    }
}

#[test]
fn a_password_is_asked_for_twice() {
    let place = Place::new();
    let create = |name: &str| Terminal::open(&place, &format!("users create {name}"), "a_password_is_asked_for_twice");
    let Some(same) = create("ada") else { return };

    let (code, shown) = same.answer("Password: ", PASSWORD).answer("Once more: ", PASSWORD).end();
    assert_eq!(code, Some(0), "{shown}");
    let (code, shown) =
        create("bob").unwrap().answer("Password: ", PASSWORD).answer("Once more: ", "another one").end();
    assert_eq!(code, Some(1), "{shown}");
    assert!(shown.contains("the two passwords are not the same"), "{shown}");

    let names = place.ok(&["users", "list", "--json"]);
    assert!(names.contains("\"ada\"") && !names.contains("\"bob\""), "{names}");
    assert!(
        place
            .rows()
            .query_row("SELECT password_hash FROM users", [], |row| row.get(0))
            .is_ok_and(|hash: String| bcrypt::verify(PASSWORD, &hash).unwrap())
    );
}

#[test]
fn a_deletion_asks_back() {
    let place = Place::new();
    let id = place.created(&["ada"]);
    let delete = || Terminal::open(&place, "users delete ada", "a_deletion_asks_back");
    let question = format!("Delete ada ({id}), with every session? [y/N] ");
    let Some(asked) = delete() else { return };

    let (code, shown) = asked.answer(&question, "").end();
    assert_eq!(code, Some(1), "{shown}");
    assert!(shown.contains("ada: not deleted"), "{shown}");
    assert_ne!(place.ok(&["users", "list", "--json"]), "");

    let (code, shown) = delete().unwrap().answer(&question, "y").end();
    assert_eq!(code, Some(0), "{shown}");
    assert_eq!(place.ok(&["users", "list", "--json"]), "");
}

#[test]
fn a_key_that_leaked_is_refused_after_a_yes_to_what_that_costs() {
    let place = Place::new();
    place.ok(&["keys", "rotate", "--refresh"]);
    let leaked = place.key("refresh", "signing");
    let retire = || {
        Terminal::open(
            &place,
            &format!("keys retire {leaked} --now"),
            "a_key_that_leaked_is_refused_after_a_yes_to_what_that_costs",
        )
    };
    let question = format!("Refuse everything that {leaked} signed, at once? [y/N] ");
    let Some(asked) = retire() else { return };

    let (code, shown) = asked.answer(&question, "").end();
    assert_eq!(code, Some(1), "{shown}");
    assert!(shown.contains("has to log in again") && shown.contains(&format!("{leaked}: not retired")), "{shown}");
    assert_eq!(place.key("refresh", "signing"), leaked);

    let (code, shown) = retire().unwrap().answer(&question, "y").end();
    assert_eq!(code, Some(0), "{shown}");
    assert_eq!(place.key("refresh", "withdrawn"), leaked);
}

#[test]
fn a_ring_that_goes_back_in_time_while_somebody_is_asked_is_left_alone() {
    let place = Place::new();
    place.ok(&["keys", "rotate", "--refresh"]);
    let (older, signing) = (place.ring(), place.key("refresh", "signing"));
    place.ok(&["keys", "rotate"]);
    drop(place.serve());
    let Some(mut retire) = Terminal::open(
        &place,
        &format!("keys retire {signing} --now"),
        "a_ring_that_goes_back_in_time_while_somebody_is_asked_is_left_alone",
    ) else {
        return;
    };

    retire.wait_for("at once? [y/N] ");
    fs::write(place.path().join("data/latchkey.keys"), &older).unwrap();
    let (code, shown) = retire.answer("", "y").end();

    assert_eq!(code, Some(78), "{shown}");
    assert!(shown.contains("latchkey keys accept"), "{shown}");
    assert_eq!(place.ring(), older);
}

#[test]
fn an_import_shows_how_far_it_is_on_a_terminal_only() {
    let place = Place::new();
    let hash = bcrypt::hash(PASSWORD, 4).unwrap();
    let line = |user| format!(r#"{{"username":"user{user}","password_hash":"{hash}"}}"#);
    let file = place.file(&(0..700).map(line).collect::<Vec<_>>());
    let Some(import) = Terminal::open(&place, &format!("users import {file}"), "an_import_shows_how_far_it_is") else {
        return;
    };

    let (code, shown) = import.end();

    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("importing ") && shown.contains(" %"), "{shown}");
    assert!(!place.ok(&["users", "import", file]).contains('%'));
}

#[test]
fn a_server_stops_when_the_terminal_that_it_runs_in_is_closed() {
    let place = Place::new();
    // Nobody writes to it; it ends when the server does.
    let running = place.path().join("running");
    assert!(Command::new("mkfifo").arg(&running).status().unwrap().success());
    let Some(mut terminal) = Terminal::open(&place, "serve 3>running 2>log", "a_server_stops_when_the_terminal") else {
        return;
    };
    let (ended, end) = mpsc::channel();
    thread::spawn(move || ended.send(File::open(running).and_then(|mut fifo| fifo.read_to_end(&mut Vec::new()))));
    terminal.wait_for("listening on http://");

    terminal.child.kill().unwrap();
    terminal.child.wait().unwrap();

    end.recv_timeout(Duration::from_secs(120)).expect("it stops").unwrap();
    let log = fs::read_to_string(place.path().join("log")).unwrap();
    assert!(log.contains("stopping: finishing what is in flight"), "{log}");
}
