//! The ring's file while the server runs, and at its next start.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use latchkey::app::RunError;
use latchkey::config::{KeyRing, Secret};
use latchkey::tokens::keys::Algorithm;
use latchkey::tokens::ring::change::NewKey;
use latchkey::tokens::ring::{Kind, Ring};
use serde_json::Value;

use crate::support::{PASSWORD, TestServer, Tokens};

const EDDSA: NewKey = NewKey::Access(Algorithm::EdDsa);

/// What may have become of the file.
type Accident = fn(&Path, &str);

const ACCIDENTS: [(&str, Accident); 6] = [
    ("cut", |file, text| fs::write(file, &text[..text.len() / 2]).unwrap()),
    ("empty", |file, _| fs::write(file, "").unwrap()),
    ("newer", |file, text| fs::write(file, text.replace("\"version\": 1", "\"version\": 2")).unwrap()),
    ("open to others", |file, _| fs::set_permissions(file, fs::Permissions::from_mode(0o644)).unwrap()),
    ("removed", |file, _| fs::remove_file(file).unwrap()),
    ("another key", |file, text| fs::write(file, text.replacen("\"d\": \"", "\"d\": \"AAAA", 1)).unwrap()),
];

/// A server with a ring of one key, which signs.
async fn with_ring() -> (TestServer, String) {
    let server = TestServer::start().await;
    let secret = server.registered("alice").await.kid();
    server.withdraw(&secret).await;
    server.add_key(EDDSA).await;
    let text = fs::read_to_string(server.ring_file()).unwrap();
    (server, text)
}

/// Puts the file back as it was.
fn mend(server: &TestServer, text: &str) {
    fs::write(server.ring_file(), text).unwrap();
    fs::set_permissions(server.ring_file(), fs::Permissions::from_mode(0o600)).unwrap();
}

#[actix_web::test]
async fn a_ring_that_cannot_be_used_changes_nothing_for_a_server_that_runs() {
    let (server, text) = with_ring().await;
    let (kid, published) = (server.login("alice", PASSWORD).await.tokens().kid(), server.published().await);
    for (what, accident) in ACCIDENTS {
        mend(&server, &text);
        server.look().await;
        accident(&server.ring_file(), &text);

        server.look().await;

        let tokens = server.login("alice", PASSWORD).await.tokens();
        assert_eq!((tokens.kid(), server.published().await), (kid.clone(), published.clone()), "{what}");
        assert_eq!(server.get_with("/api/profile", &tokens.access_token).await.status, 200, "{what}");
        assert_eq!(server.get("/readyz").await.status, 200, "{what}");
    }
    mend(&server, &text);
    server.withdraw(&kid).await;
    assert_ne!(server.login("alice", PASSWORD).await.tokens().kid(), kid, "a ring that was mended counts");
}

#[actix_web::test]
async fn a_ring_that_cannot_be_used_stops_a_start_and_is_left_alone() {
    let (mut server, text) = with_ring().await;
    server.halt();
    for (what, accident) in ACCIDENTS {
        mend(&server, &text);
        accident(&server.ring_file(), &text);
        let before = fs::read(server.ring_file()).ok();

        let refusal = server.refusal().await;

        assert!(refusal.is_refusal(), "{what}: {refusal}");
        let (line, name) = (refusal.to_string(), server.ring_file().display().to_string());
        assert!(line.starts_with(&format!("key ring {name} ")) && line.lines().count() == 1, "{what}: {line}");
        assert_eq!(fs::read(server.ring_file()).ok(), before, "{what}");
    }
    mend(&server, &text);
    server.resume().await;
}

#[actix_web::test]
async fn a_start_without_the_ring_that_is_in_use_is_refused_and_an_empty_one_is_the_way_out() {
    let (mut server, _) = with_ring().await;
    server.halt();
    fs::remove_file(server.ring_file()).unwrap();
    let names = |server: &TestServer| {
        let entries = fs::read_dir(server.directory()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort_unstable();
        names
    };
    let before = names(&server);

    let refusal = server.refusal().await;

    assert!(matches!(refusal, RunError::KeyRingLost { .. }), "{refusal}");
    assert!(refusal.to_string().contains("latchkey keys init"), "{refusal}");
    assert_eq!(names(&server), before, "nothing was made");
    mend(&server, &Ring::empty().to_text());
    let server = server.resume().await;
    assert_eq!(server.login("alice", PASSWORD).await.status, 200);
}

#[actix_web::test]
async fn a_ring_without_keys_may_go_again() {
    let server = TestServer::start().await;
    let added = server.add_key(EDDSA).await;
    assert_eq!(server.number("SELECT key_ring_in_use FROM service"), 1, "noted before the key signs");

    let server = TestServer::start().await;
    server.change_ring(|_, _, _| ()).await;
    assert_eq!(server.number("SELECT key_ring_in_use FROM service"), 0);
    fs::remove_file(server.ring_file()).unwrap();

    let server = server.restart().await;

    assert_ne!(server.registered("alice").await.kid(), added);
}

#[actix_web::test]
async fn a_mounted_ring_is_followed_through_the_links_that_lead_to_it() {
    let place = tempfile::tempdir().unwrap();
    let [link, next] = ["..data", "..data_tmp"].map(|name| place.path().join(name));
    let ring = place.path().join("ring");
    for name in ["first", "second"] {
        fs::create_dir(place.path().join(name)).unwrap();
        fs::write(place.path().join(name).join("ring"), &*Ring::empty().to_text()).unwrap();
    }
    symlink("first", &link).unwrap();
    symlink("..data/ring", &ring).unwrap();
    let server = TestServer::with(&[("KEY_RING_FILE", ring.to_str().unwrap())]).await;
    let before = server.registered("alice").await.kid();
    let first = server.change_ring(|ring, given, now| ring.withdraw(&before, given, now).unwrap()).await;
    let first = first.successor.unwrap().kid;
    assert_eq!(server.login("alice", PASSWORD).await.tokens().kid(), first);

    // As Kubernetes does it: all files of a mount change with one rename.
    symlink("second", &next).unwrap();
    fs::rename(&next, &link).unwrap();
    server.look().await;

    assert_eq!(server.login("alice", PASSWORD).await.tokens().kid(), before);
}

#[actix_web::test]
async fn a_ring_in_the_environment_signs_as_one_in_a_file() {
    let (server, text) = with_ring().await;
    let kid = server.login("alice", PASSWORD).await.tokens().kid();

    let given = TestServer::with(&[("KEY_RING", &text)]).await;

    assert_eq!(given.registered("alice").await.kid(), kid);
}

#[actix_web::test]
async fn a_database_whose_ring_was_in_the_environment_misses_it_too() {
    let (_, text) = with_ring().await;
    let mut server = TestServer::with(&[("KEY_RING", &text)]).await;
    server.halt();
    let file = server.ring_file();

    let refusal = server.refusal_with(|settings| settings.key_ring = KeyRing::File { path: file, named: false }).await;

    assert!(matches!(refusal, RunError::KeyRingLost { .. }), "{refusal}");
}

/// A server, halted after a ring took the place of another, and the texts of both: of keys for each kind of token.
async fn with_two_rings() -> (TestServer, Tokens, [String; 2]) {
    let server = TestServer::start().await;
    let text = || fs::read_to_string(server.ring_file()).unwrap();
    server.add_key(EDDSA).await;
    let older = text();
    let alice = server.registered("alice").await;
    let name = server.change_ring(|ring, given, now| {
        ring.shown(given, now).into_iter().find(|key| key.kind == Kind::Refresh).unwrap().kid
    });
    server.withdraw(&name.await).await;
    let texts = [older, text()];
    (server, alice, texts)
}

#[actix_web::test]
async fn a_start_with_an_older_ring_than_was_in_use_is_refused_and_the_newest_goes_on() {
    let (mut server, alice, [older, newest]) = with_two_rings().await;
    let of_the_newest = server.login("alice", PASSWORD).await.tokens();
    server.halt();
    mend(&server, &older);

    let refusal = server.refusal().await;

    assert!(matches!(refusal, RunError::KeyRingOlder { .. }) && refusal.is_refusal(), "{refusal}");
    assert!(refusal.to_string().contains("latchkey keys accept") && !refusal.to_string().contains('\n'), "{refusal}");
    assert_eq!(fs::read_to_string(server.ring_file()).unwrap(), older);
    mend(&server, &newest);
    let server = server.resume().await;
    assert_eq!(server.refresh(&of_the_newest.refresh_token).await.status, 200);
    server.refresh(&alice.refresh_token).await.assert_refused("unknown");
}

#[actix_web::test]
async fn an_older_ring_under_a_server_that_runs_changes_nothing_and_one_that_is_dated_anew_counts() {
    let (server, alice, [older, _]) = with_two_rings().await;
    let of_the_newest = server.login("alice", PASSWORD).await.tokens();
    mend(&server, &older);

    server.look().await;

    server.refresh(&alice.refresh_token).await.assert_refused("unknown");
    let renewed = server.refresh(&of_the_newest.refresh_token).await.tokens();
    // As `latchkey keys accept` does it.
    server.change_ring(|_, _, _| ()).await;
    server.refresh(&renewed.refresh_token).await.assert_refused("unknown");
    assert_eq!(server.refresh(&alice.refresh_token).await.status, 200);
}

#[actix_web::test]
async fn a_database_from_a_backup_goes_on_with_the_newest_ring() {
    let server = TestServer::start().await;
    server.add_key(EDDSA).await;
    let mut server = server;
    server.halt();
    let (database, backup) = (server.directory().join("latchkey.db"), server.directory().join("backup"));
    fs::copy(&database, &backup).unwrap();
    let server = server.resume().await;
    server.add_key(NewKey::Refresh).await;
    let mut server = server;
    server.halt();
    fs::copy(&backup, &database).unwrap();

    let server = server.resume().await;

    assert_eq!(server.registered("alice").await.mac_id(), 1);
}

#[actix_web::test]
async fn a_ring_in_the_environment_that_does_not_say_how_old_it_is_goes_in_the_place_of_any_other() {
    let (_, _, [older, newest]) = with_two_rings().await;
    let mut server = TestServer::with(&[("KEY_RING", &newest)]).await;
    server.halt();
    let given = |text: &str| KeyRing::Given(Secret::new(text.as_bytes().to_vec()));

    let refusal = server.refusal_with(|settings| settings.key_ring = given(&older)).await;

    assert!(matches!(refusal, RunError::KeyRingOlder { .. }), "{refusal}");
    let mut by_hand: Value = serde_json::from_str(&older).unwrap();
    by_hand.as_object_mut().unwrap().remove("changed_at").unwrap();
    server.restart_with(|settings| settings.key_ring = given(&by_hand.to_string())).await;
}
