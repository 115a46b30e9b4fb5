//! `REGISTRATIONS`: how many an address may make.

use std::time::Duration;

use latchkey::actors::password_hasher::HashPermit;
use serde_json::json;

use crate::support::{Answer, PASSWORD, TestServer};

const HERE: &str = "192.0.2.1";
const ELSEWHERE: &str = "198.51.100.1";

/// Three an hour: one more every 20 minutes.
async fn server() -> TestServer {
    TestServer::behind_a_proxy(&[("REGISTRATIONS", "3 per 1h")]).await
}

async fn register_from(server: &TestServer, address: &str, username: &str) -> Answer {
    let body = json!({"username": username, "password": PASSWORD});
    Answer::of(server.request_from(address, "/api/register").json(&body)).await
}

async fn statuses(server: &TestServer, address: &str, names: &[&str]) -> Vec<u16> {
    let mut statuses = Vec::new();
    for name in names {
        statuses.push(register_from(server, address, name).await.status);
    }
    statuses
}

#[actix_web::test]
async fn an_address_registers_so_many_and_then_one_more_in_a_while() {
    let server = server().await;
    let time = server.stop_time();
    assert_eq!(statuses(&server, HERE, &["alice", "bob", "carol"]).await, [201; 3]);
    let rounds = server.hasher.rounds();

    let refused = register_from(&server, HERE, "dave").await;

    refused.assert_problem(429, "too_many_attempts");
    assert_eq!(refused.header("retry-after"), "1200");
    assert_eq!(server.hasher.rounds(), rounds, "a hash was computed");
    assert_eq!(register_from(&server, ELSEWHERE, "erin").await.status, 201);
    time.pass(Duration::from_secs(1200));
    assert_eq!(statuses(&server, HERE, &["dave", "frank"]).await, [201, 429]);
}

#[actix_web::test]
async fn asking_which_names_are_taken_is_limited_too_and_slips_are_not() {
    let server = server().await;
    let _time = server.stop_time();
    assert_eq!(statuses(&server, HERE, &["alice"]).await, [201]);

    assert_eq!(
        statuses(&server, HERE, &["x", "not a name", "alice", "alice", "alice"]).await,
        [422, 422, 409, 409, 429]
    );
}

#[actix_web::test]
async fn a_registration_that_found_no_place_is_not_counted() {
    let server = server().await;
    let _time = server.stop_time();
    let crowd: Vec<HashPermit> = std::iter::from_fn(|| server.services.hashing.admit().ok()).collect();
    assert_eq!(statuses(&server, HERE, &["a00", "a01", "a02", "a03"]).await, [503; 4]);

    drop(crowd);

    assert_eq!(statuses(&server, HERE, &["a00", "a01", "a02", "a03"]).await, [201, 201, 201, 429]);
}

#[actix_web::test]
async fn this_host_may_register_as_many_as_it_likes_and_so_may_everybody_where_it_is_switched_off() {
    let here = TestServer::with(&[("REGISTRATIONS", "1 per 1h")]).await;
    let off = TestServer::behind_a_proxy(&[("REGISTRATIONS", "off")]).await;
    for number in 0..4 {
        assert_eq!(here.register(&format!("name{number}"), PASSWORD).await.status, 201);
        assert_eq!(register_from(&off, HERE, &format!("name{number}")).await.status, 201);
    }
}
