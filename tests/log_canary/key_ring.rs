//! The key ring of a real server: followed on SIGHUP, refused in one line, and never shown.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;

use latchkey::clock::Clock;
use latchkey::config::Secret;
use latchkey::tokens::keys::Algorithm;
use latchkey::tokens::ring::change::NewKey;
use latchkey::tokens::ring::{Given, Ring};
use serde_json::Value;

use crate::process::{self, Place};
use crate::secrets::Secrets;

/// As long as a key has to be known before it signs, and longer than a test takes.
const NOTICE: Duration = Duration::from_secs(60);

/// What a ring is given to, as [`Place`] starts it.
fn settings() -> [Secret; 2] {
    [process::JWT, process::REFRESH].map(|secret| Secret::new(secret.as_bytes().to_vec()))
}

/// A ring with a key of each sort beside the secrets; the last one waits.
pub fn ring() -> String {
    let [jwt_secret, refresh_token_secret] = &settings();
    let (access_token_ttl, session_ttl) = (Duration::from_secs(900), Duration::from_secs(30 * 24 * 3600));
    let given = Given { jwt_secret, refresh_token_secret, access_token_ttl, session_ttl };
    // Added so long ago that one waits for the next no more.
    let (mut ring, mut now) = (Ring::empty(), Clock::system().now().minus(3 * NOTICE));
    for algorithm in Algorithm::ALL {
        ring.add(NewKey::Access(algorithm), NOTICE, given, now).unwrap();
        now = now.plus(NOTICE);
    }
    ring.add(NewKey::Refresh, NOTICE, given, now).unwrap();
    ring.to_text().to_string()
}

/// Every private half and every secret of a ring.
pub fn add_keys(secrets: &mut Secrets, text: &str) {
    let ring: Value = serde_json::from_str(text).unwrap();
    let lines = ["access_tokens", "refresh_tokens"].iter().flat_map(|kind| ring[kind].as_array().unwrap());
    let halves = lines.flat_map(|line| ["d", "k"].map(|member| line["key"][member].as_str())).flatten();
    let mut found = 0;
    for half in halves {
        secrets.add(half);
        found += 1;
    }
    assert!(found >= 4, "a key of each sort");
}

#[actix_web::test]
async fn a_ring_that_changed_is_used_on_sighup_and_a_broken_one_is_told_once() {
    let place = Place::new();
    place.ring(&ring());
    let server = place.start(&[]);
    let published = server.get("/.well-known/jwks.json", None).await;
    place.ring("{\"version\": 1, \"half");
    server.hang_up();
    server.heard("event=keys_refused").await;
    // Looked at again, it is the same.
    server.hang_up();
    server.heard_times("asked to look at the key ring", 2).await;
    assert_eq!(server.get("/.well-known/jwks.json", None).await, published);

    place.ring(&ring());
    server.hang_up();
    server.heard("event=keys_changed").await;

    assert_ne!(server.get("/.well-known/jwks.json", None).await, published);
    let log = server.stopped();
    assert_eq!(log.matches("event=keys_refused").count(), 1, "{log}");
    let refused = log.lines().find(|line| line.contains("keys_refused")).unwrap();
    assert!(
        refused.contains("ERROR latchkey::security") && refused.contains("is incomplete or was changed"),
        "{refused}"
    );
    let changed = log.lines().find(|line| line.contains("keys_changed")).unwrap();
    assert!(changed.contains("access_keys=") && changed.contains("refresh_keys=2"), "{changed}");
}

#[actix_web::test]
async fn a_pipe_that_takes_the_rings_place_is_told_and_keeps_a_server_neither_from_following_nor_from_stopping() {
    let place = Place::new();
    place.ring(&ring());
    let server = place.start(&[]);
    let path = place.path("data/latchkey.keys");
    fs::remove_file(&path).unwrap();
    assert!(Command::new("mkfifo").args(["-m", "600", &path]).status().unwrap().success());
    server.hang_up();
    server.heard("is not a file").await;

    fs::remove_file(&path).unwrap();
    place.ring(&ring());
    server.hang_up();
    server.heard("event=keys_changed").await;

    server.stopped();
}

#[test]
fn a_start_that_refuses_its_ring_ends_with_78_and_shows_nothing_of_it() {
    let text = ring();
    let (half, newer) = (text[..text.len() / 2].to_owned(), text.replace("\"version\": 1", "\"version\": 2"));
    let swapped = text.replacen("\"d\": \"", "\"d\": \"AAAA", 1);
    for (what, broken, words) in [
        ("open to group", &text, "is open to group or others"),
        ("cut", &half, "is incomplete or was changed"),
        ("empty", &String::new(), "is incomplete or was changed"),
        ("newer", &newer, "was written by a newer version"),
        ("another key", &swapped, "holds a key that is not what its name"),
    ] {
        let place = Place::new();
        place.ring(broken);
        let mode = if what == "open to group" { 0o640 } else { 0o600 };
        fs::set_permissions(place.path("data/latchkey.keys"), fs::Permissions::from_mode(mode)).unwrap();

        let (code, said) = place.refused(&[("RUST_LOG", "trace")]);

        assert_eq!(code, Some(78), "{what}: {said}");
        assert!(said.starts_with("latchkey: key ring ") && said.contains(words), "{what}: {said}");
        assert_eq!(said.lines().count(), 1, "{what}: {said}");
        let mut secrets = Secrets::of([]);
        add_keys(&mut secrets, &text);
        secrets.assert_absent_from(&said);
        let names: Vec<_> = fs::read_dir(place.path("data")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["latchkey.keys"], "{what}");
    }
}

#[actix_web::test]
async fn a_start_without_the_ring_that_was_in_use_ends_with_78_and_says_what_to_do() {
    let place = Place::new();
    place.ring(&ring());
    place.start(&[]).stopped();
    fs::remove_file(place.path("data/latchkey.keys")).unwrap();

    let (code, said) = place.refused(&[]);

    assert_eq!(code, Some(78), "{said}");
    assert!(said.starts_with("latchkey: key ring ") && said.lines().count() == 1, "{said}");
    assert!(said.contains("bring it back from a backup") && said.contains("latchkey keys init"), "{said}");
}
