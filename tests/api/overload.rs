//! A flood of logins: whoever cannot begin hashing in time is turned away at the door, and nobody else notices.

use futures_util::future::join_all;
use latchkey::actors::password_hasher::HashPermit;

use crate::support::{Answer, PASSWORD, TestServer};

/// Takes every place in front of the hashing threads; they come back when the permits are dropped.
fn crowd_the_door(server: &TestServer) -> Vec<HashPermit> {
    std::iter::from_fn(|| server.services.hashing.admit().ok()).collect()
}

fn assert_turned_away(answer: &Answer) {
    answer.assert_problem(503, "overloaded");
    let seconds: u64 = answer.header("retry-after").parse().expect("seconds");
    assert!(seconds >= 1);
}

#[actix_web::test]
async fn what_needs_a_hash_and_finds_no_place_is_turned_away_before_anything_is_done() {
    let server = TestServer::start().await;
    let alice = server.registered("alice").await;
    let rounds = server.hasher.rounds();
    let crowd = crowd_the_door(&server);

    assert_turned_away(&server.login("alice", PASSWORD).await);
    assert_turned_away(&server.login("nobody", PASSWORD).await);
    assert_turned_away(&server.register("bob", PASSWORD).await);
    assert_turned_away(&server.putting_password(&alice.access_token, PASSWORD, "another password").await);
    assert_turned_away(&server.deleting_account(&alice.access_token, PASSWORD).await);

    assert_eq!(server.hasher.rounds(), rounds);
    drop(crowd);
    server.assert_signed_in(&alice.access_token).await;
    assert_eq!(server.login("alice", PASSWORD).await.status, 200);
    assert_eq!(server.login("bob", PASSWORD).await.status, 401, "nobody was registered");
}

#[actix_web::test]
async fn what_needs_no_hash_is_served_while_the_door_is_crowded() {
    let server = TestServer::start().await;
    let alice = server.registered("alice").await;
    let _crowd = crowd_the_door(&server);

    let renewed = server.refresh(&alice.refresh_token).await.tokens();
    server.assert_signed_in(&renewed.access_token).await;
    assert_eq!(server.get("/readyz").await.status, 200);
    server.logout(&renewed.refresh_token).await;
}

#[actix_web::test]
async fn a_place_is_free_again_after_each_hash_whatever_became_of_it() {
    // One thread and no waiting: a single place.
    let server = TestServer::with(&[("HASH_THREADS", "1"), ("HASH_MAX_WAIT", "0s")]).await;
    // However busy the machine is, nobody's turn comes too late.
    let _time = server.stop_time();
    server.registered("alice").await;

    for _ in 0..3 {
        assert_eq!(server.login("alice", PASSWORD).await.status, 200);
        assert_eq!(server.login("alice", "a wrong password").await.status, 401);
        assert_eq!(server.register("alice", PASSWORD).await.status, 409);
    }
}

#[actix_web::test]
async fn of_a_flood_each_login_is_either_done_or_turned_away() {
    let server = TestServer::with(&[("HASH_THREADS", "1"), ("HASH_MAX_WAIT", "0s")]).await;
    // However busy the machine is, nobody's turn comes too late.
    let _time = server.stop_time();
    server.registered("alice").await;

    let answers = join_all((0..40).map(|_| server.logging_in("alice", PASSWORD))).await;

    assert!(answers.iter().any(|answer| answer.status == 200), "nobody got in");
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        assert_turned_away(answer);
    }
}
