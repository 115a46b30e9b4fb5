//! Whether what remains of a directory keeps every promise that was made until the cut.

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::disk::{Remains, lay_out};
use super::holder::password;
use super::ledger::{Asked, Expected};
use crate::client::{Client, Request, Tokens};
use crate::person::Grace;
use crate::process::Place;

const DATABASE: &str = "data/latchkey.db";
const SECRETS: &str = "data/latchkey.secrets";
/// Sessions of which a started server is asked: each takes a commit or two.
const ASKED: usize = 40;

/// A session's row.
struct Row {
    id: [u8; 16],
    current: u32,
    parent: u32,
    ended: bool,
    /// An access token of it is refused.
    refused: bool,
    /// The next process knows that the service ran when it was renewed.
    lived_through: bool,
}

/// By the rows, as SQLite recovers them.
pub fn check_rows(remains: &Remains, root: &Path, expected: &Expected) {
    let (accounts, sessions) = rows(remains, root);
    for (name, certain) in &expected.accounts {
        assert!(!certain || accounts.contains(name), "the account {name} is lost");
    }
    assert!(accounts.iter().all(|name| expected.accounts.contains_key(name)), "an account that nobody asked for");

    let there: BTreeSet<_> = sessions.iter().map(|row| row.id).collect();
    assert_eq!(expected.ids().difference(&there).next(), None, "a session is lost");
    let unknown = there.len() - expected.sessions.len();
    assert!(unknown <= expected.logins_in_doubt, "{unknown} sessions that nobody opened");
    for row in sessions {
        assert_eq!(row.ended, row.refused, "an ending and its revocation are one");
        assert!(row.lived_through, "a renewal whose window no restart would carry");
        assert!(row.current == 1 || row.parent + 1 == row.current, "{} after {}", row.current, row.parent);
        let Some(session) = expected.sessions.get(&row.id) else { continue };
        let (least, most) = (session.newest.generation, session.most());
        assert!(row.current >= least, "spent tokens are alive: generation {}, given out {least}", row.current);
        assert!(row.current <= most, "generation {} of at most {most}", row.current);
        assert!(row.ended || !session.over, "an ended session is alive");
        assert!(!row.ended || session.may_be_over(), "a session ended that nobody ended");
    }
}

/// Names of accounts, and sessions. None where there is no schema yet.
fn rows(remains: &Remains, root: &Path) -> (BTreeSet<String>, Vec<Row>) {
    if !remains.contains_key(Path::new(DATABASE)) {
        return (BTreeSet::new(), Vec::new());
    }
    lay_out(remains, root);
    let connection = Connection::open_with_flags(root.join(DATABASE), OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
    // Nobody else looks at it, and it is thrown away: no index in shared memory, no sync, no checkpoint.
    connection.execute_batch("PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = OFF").unwrap();
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
    let verdict: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'service'", [], |row| row.get(0))
        .unwrap();
    if tables == 0 {
        return (BTreeSet::new(), Vec::new());
    }
    let mut names = connection.prepare("SELECT username FROM users").unwrap();
    let names = names.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let mut sessions = connection
        .prepare(
            "SELECT id, current_generation, parent_generation, ended_at IS NOT NULL,
                    EXISTS (SELECT 1 FROM revocations r WHERE r.kind = 1 AND r.id = s.id),
                    max(created_at, coalesce(rotated_at, 0)) <= (SELECT last_alive_at FROM service)
             FROM sessions s",
        )
        .unwrap();
    let sessions = sessions.query_map([], |row| {
        Ok(Row {
            id: row.get(0)?,
            current: row.get(1)?,
            parent: row.get(2)?,
            ended: row.get(3)?,
            refused: row.get(4)?,
            lived_through: row.get(5)?,
        })
    });
    (names, sessions.unwrap().map(Result::unwrap).collect())
}

/// The secrets are whole or not there; once an address was told, they are there.
pub fn check_secrets(remains: &Remains, whole: &str, told_an_address: bool) {
    match remains.get(Path::new(SECRETS)) {
        None => assert!(!told_an_address, "the secrets are lost"),
        Some((_, contents)) => assert!(contents.as_deref() == Some(whole.as_bytes()), "the secrets are not whole"),
    }
}

/// By a server that is started on it, as each client would see it.
pub fn check_by_asking(remains: &Remains, expected: &Expected, grace: Grace, settings: &[(&str, &str)]) {
    let place = Place::new();
    lay_out(remains, place.path());
    let server = place.start(settings);
    let mut client = Client::of(server.address);
    let mut ask = |request: Request| client.ask(&request).expect("an answer");
    for (name, _) in expected.accounts.iter().filter(|(_, certain)| **certain).take(ASKED) {
        ask(Request::login(name, &password(name))).tokens();
        ask(Request::register(name, &password(name))).is(409);
    }
    for session in expected.sessions.values().rev().take(ASKED) {
        let newest = &session.newest.tokens;
        if session.over {
            ask(Request::renew(&newest.refresh)).refused_as("revoked");
            ask(Request::profile(&newest.access)).is(401);
        } else if let [Asked::Renew(held), ..] = session.in_doubt.as_slice() {
            let answer = ask(Request::renew(&held.tokens.refresh));
            // Strict: a lost answer may be a logout. Otherwise it is asked again, and answered.
            if grace == Grace::Default || answer.status == 200 {
                answer.tokens();
            }
        } else if session.in_doubt.is_empty() {
            ask(Request::profile(&newest.access)).is(200);
            ask(Request::renew(&newest.refresh)).tokens();
            if grace == Grace::Strict
                && let Some(spent) = session.spent.last()
            {
                ask(Request::renew(&spent.tokens.refresh)).refused_as("reused");
                ask(Request::renew(&newest.refresh)).refused_as("revoked");
            }
        }
    }
    server.stop();
    place.assert_sound();
}

/// A server that is started on it comes to listen, serves, and knows the tokens that were given out.
pub fn check_that_it_starts(remains: &Remains, given_out: Option<&Tokens>) {
    let place = Place::new();
    lay_out(remains, place.path());
    let server = place.start(&[]);
    let mut client = Client::of(server.address);
    if let Some(tokens) = given_out {
        client.ask(&Request::profile(&tokens.access)).unwrap().is(200);
        client.ask(&Request::renew(&tokens.refresh)).unwrap().tokens();
    }
    client.ask(&Request::register("somebody", &password("somebody"))).unwrap().is(201);
    client.ask(&Request::login("somebody", &password("somebody"))).unwrap().tokens();
    server.stop();
    place.assert_sound();
}
