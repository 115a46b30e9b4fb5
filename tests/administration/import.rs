//! `latchkey users import`.

use std::fs;
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::place::{PASSWORD, Place, Server, Tokens};

/// What stands at the end of every report.
const HINT: &str = "Passwords of more than 72 bytes, or hashed in another form than Unicode's NFC, cannot log in.\n";

/// A hash of [`PASSWORD`] in this form.
fn hash(version: &str) -> String {
    bcrypt::hash(PASSWORD, 4).unwrap().replace("$2b$", version)
}

fn line(username: &str, hash: &str) -> String {
    json!({"username": username, "password_hash": hash}).to_string()
}

/// So many lines of one hash.
fn lines(users: usize) -> Vec<String> {
    let hash = hash("$2b$");
    (0..users).map(|user| line(&format!("user{user}"), &hash)).collect()
}

fn report(new: usize, there: usize, refused: usize) -> String {
    format!("{new} imported, {there} there already, {refused} refused\n{HINT}")
}

/// Accounts as they are, without the times.
fn accounts(place: &Place) -> Vec<Value> {
    let list = place.ok(&["users", "list", "--json"]);
    let account = |line| {
        let account: Value = serde_json::from_str(line).unwrap();
        json!([account["username"], account["roles"], account["disabled"]])
    };
    let mut accounts: Vec<_> = list.lines().map(account).collect();
    accounts.sort_by_key(ToString::to_string);
    accounts
}

#[actix_web::test]
async fn users_of_every_kind_of_dump_log_in_with_their_passwords() {
    let place = Place::new();
    let server = place.serve();
    let file = place.file(&[
        line("express", &hash("$2b$")),
        line("supabase", &hash("$2a$")),
        line("Laravel", &hash("$2y$")),
        line("django", &format!("bcrypt${}", hash("$2b$"))),
        String::new(),
        json!({"id": 7, "username": "boss", "password_hash": hash("$2b$"), "roles": ["admin", "user"]}).to_string(),
    ]);

    assert_eq!(place.ok(&["users", "import", file]), report(5, 0, 0));

    for name in ["express", "supabase", "laravel", "django"] {
        let tokens = server.login(name).await.unwrap();
        assert_eq!(server.profile(&tokens).await.unwrap()["user"]["roles"], json!(["user"]));
    }
    let tokens = server.login("boss").await.unwrap();
    assert_eq!(server.profile(&tokens).await.unwrap()["user"]["roles"], json!(["user", "admin"]));
}

/// A file with a line of every kind that is refused, among good ones; and what is said of them.
fn broken_lines() -> (Vec<String>, &'static str) {
    let hash = hash("$2b$");
    let lines = [
        "canary7 canary7".to_owned(),
        line("good1", &hash),
        "[1, 2]".to_owned(),
        json!({"username": "canary7 canary7", "password_hash": hash}).to_string(),
        json!({"username": "roles", "password_hash": hash, "roles": ["canary7"]}).to_string(),
        json!({"username": "nothing", "password_hash": hash, "roles": []}).to_string(),
        line("GOOD1", &hash),
        line("ada", &hash),
        line("plain", "canary7canary7"),
        line("weak", &hash.replace("$04$", "$03$")),
        line("dear", &hash.replace("$04$", "$06$")),
        line("digest", &format!("bcrypt_sha256${hash}")),
        format!("\"{}\"", "canary7".repeat(10_000)),
        "{\"username\":\"canary7\"".to_owned(),
        line("good2", &hash.replace("$04$", "$05$")),
    ];
    let said = "\
line 1: not JSON
line 3: not an object with username, password_hash and perhaps roles
line 4: username: not 3 to 64 of A-Z a-z 0-9 . _ @ + -, the first a letter or digit
line 5 (roles): roles: not user or admin
line 6 (nothing): roles: none
line 7 (GOOD1): username: an earlier line has it
line 8 (ada): username: taken by an account with another hash or other roles
line 9 (plain): password_hash: not a bcrypt hash ($2a$, $2b$ or $2y$)
line 10 (weak): password_hash: a cost of 3, which is not 4 to 5
line 11 (dear): password_hash: a cost of 6, which is not 4 to 5
line 12 (digest): password_hash: bcrypt over SHA-256 (bcrypt_sha256), which cannot be checked here
line 13: longer than 64 KiB
line 14: not JSON
";
    (lines.into(), said)
}

#[test]
fn broken_lines_are_refused_one_by_one_with_their_reasons_and_the_others_imported() {
    let place = Place::new();
    place.created(&["ada"]);
    let (lines, said) = broken_lines();
    let file = place.file(&lines);

    let first = place.run(&["users", "import", file]);
    let again = place.run(&["users", "import", file]);

    assert_eq!(first.out, said.to_owned() + &report(2, 0, 13));
    assert_eq!(again.out, said.to_owned() + &report(0, 2, 13));
    for done in [first, again] {
        assert_eq!((done.code, done.err.as_str()), (Some(1), "latchkey: 13 lines were refused\n"));
        assert!(!done.out.contains("canary7") && !done.out.contains("$2b$04$"), "{}", done.out);
    }
    let there = ["ada", "good1", "good2"].map(|name| json!([name, ["user"], false]));
    assert_eq!(accounts(&place), there);
}

#[test]
fn a_second_run_changes_nothing() {
    let place = Place::new();
    let file = place.file(&lines(700));
    assert_eq!(place.ok(&["users", "import", file]), report(700, 0, 0));
    let rows = || -> Vec<(Vec<u8>, i64, i64)> {
        let rows = place.rows();
        let mut rows = rows.prepare("SELECT id, version, created_at FROM users ORDER BY id").unwrap();
        rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap().map(Result::unwrap).collect()
    };
    let before = rows();

    assert_eq!(place.ok(&["users", "import", file]), report(0, 700, 0));

    assert_eq!(rows(), before);
}

#[test]
fn a_dry_run_says_the_same_and_writes_nothing() {
    let place = Place::new();
    let (lines, said) = broken_lines();
    let file = place.file(&lines);
    let said = |new, there, refused| {
        format!("{said}{}", report(new, there, refused).replacen("imported", "would be imported", 1))
    };

    // Without a database nothing is made, and nobody is there.
    let nowhere = place.run(&["users", "import", "--dry-run", file]);
    assert_eq!(nowhere.out.lines().rev().nth(1), Some("3 would be imported, 0 there already, 12 refused"));
    let data = place.path().join("data");
    assert!(!data.exists());
    // Nor of a file that somebody only made.
    let made = data.join("latchkey.db");
    fs::create_dir(&data).unwrap();
    fs::write(&made, "").unwrap();
    assert_eq!(place.run(&["users", "import", "--dry-run", file]).out, nowhere.out);
    assert_eq!(fs::metadata(&made).unwrap().len(), 0);

    place.created(&["ada"]);
    assert_eq!(place.run(&["users", "import", "--dry-run", file]).out, said(2, 0, 13));
    assert_eq!(place.count("users"), 1);
    place.run(&["users", "import", file]);
    assert_eq!(place.run(&["users", "import", "--dry-run", file]).out, said(0, 2, 13));
}

#[test]
fn a_file_that_cannot_be_read_is_a_failure_that_makes_nothing() {
    let place = Place::new();

    place.run(&["users", "import", "nowhere.jsonl"]).assert_failed(1, "nowhere.jsonl: ");

    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
}

#[test]
fn an_import_writes_no_time_into_the_servers_row() {
    let place = Place::new();
    drop(place.serve());
    place.created(&["ada"]);
    let row = || -> String {
        let columns = "last_alive_at, open_after, endings_kept_for, longer_kept_for, longer_until";
        place.rows().query_row(&format!("SELECT concat_ws(' ', {columns}) FROM service"), [], |row| row.get(0)).unwrap()
    };
    let before = row();

    place.ok(&["users", "import", place.file(&lines(10))]);

    assert_eq!((row(), place.count("users")), (before, 11));
}

fn importing(place: &Place, file: &str) -> Child {
    place.command(&["users", "import", file]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn an_import_that_was_killed_is_run_again() {
    const USERS: usize = 20_000;
    let place = Place::new();
    place.created(&["ada"]);
    let file = place.file(&lines(USERS));

    let mut killed = importing(&place, file);
    while place.count("users") < 1000 && killed.try_wait().unwrap().is_none() {
        thread::sleep(Duration::from_millis(1));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    let there = place.count("users") - 1;

    assert_eq!(place.ok(&["users", "import", file]), report(USERS - there, there, 0));
    assert_eq!(place.count("users"), USERS + 1);
    let sound: String = place.rows().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
}

/// Everybody renews once; fails where somebody is refused.
async fn renewed(server: &Server, tokens: Vec<Tokens>) -> Vec<Tokens> {
    join_all(tokens.iter().map(async |tokens| server.renew(tokens).await.unwrap())).await
}

#[actix_web::test]
async fn while_thousands_are_imported_no_renewal_fails() {
    const USERS: usize = 20_000;
    let place = Place::new();
    // Every renewal is a write.
    let server = place.serve_with(&[("REFRESH_GRACE", "0s")]);
    place.created(&["ada"]);
    let mut tokens = join_all((0..8).map(async |_| server.login("ada").await.unwrap())).await;
    let mut import = importing(&place, place.file(&lines(USERS)));

    let mut during = 0;
    let status = loop {
        tokens = renewed(&server, tokens).await;
        match import.try_wait().unwrap() {
            None => during += 1,
            Some(status) => break status,
        }
    };

    assert!(status.success(), "{status}");
    assert!(during > 10, "only {during} rounds of renewals went on meanwhile");
    assert_eq!(place.count("users"), USERS + 1);
    assert!(server.login(&format!("user{}", USERS - 1)).await.is_ok());
}
