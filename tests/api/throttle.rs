//! `LOGIN_FAILURES`: how often a password may be guessed, from where, and whom that never locks out.

use std::time::Duration;

use futures_util::future::join_all;

use crate::support::{Answer, PASSWORD, TestServer};

const WINDOW: Duration = Duration::from_secs(15 * 60);
const HERE: &str = "192.0.2.1";
const ELSEWHERE: &str = "198.51.100.1";
/// What one bcrypt of these tests costs.
const ONE_HASH: u64 = 1 << 4;

/// Three failures a quarter of an hour, so ten times that is 30.
async fn server() -> TestServer {
    let server = TestServer::behind_a_proxy(&[("LOGIN_FAILURES", "3 per 15m")]).await;
    register(&server, "alice").await;
    server
}

async fn register(server: &TestServer, username: &str) {
    assert_eq!(server.register(username, PASSWORD).await.status, 201);
}

/// Fails unless this login is refused for so many seconds, whatever its password.
#[track_caller]
fn assert_throttled(answer: &Answer, seconds: u64) {
    answer.assert_problem(429, "too_many_attempts");
    assert_eq!(answer.header("retry-after"), seconds.to_string());
}

/// Fails unless the right password opens a session from there.
async fn assert_gets_in(server: &TestServer, address: &str, username: &str) {
    server.logging_in_from(address, username, PASSWORD).await.tokens();
}

async fn assert_kept_out(server: &TestServer, address: &str, username: &str) {
    server.logging_in_from(address, username, PASSWORD).await.assert_problem(429, "too_many_attempts");
}

/// Three wrong passwords from each of so many addresses.
async fn fail_from_everywhere(server: &TestServer, username: &str, addresses: usize) {
    for last in 1..=addresses {
        server.fail_from(&format!("203.0.113.{last}"), username, 3).await;
    }
}

#[actix_web::test]
async fn after_so_many_failures_nothing_is_checked_until_the_first_is_a_window_ago() {
    let server = server().await;
    let time = server.stop_time();
    server.fail_from(HERE, "alice", 1).await;
    time.pass(Duration::from_millis(1500));
    server.fail_from(HERE, "alice", 2).await;
    let rounds = server.hasher.rounds();

    assert_throttled(&server.logging_in_from(HERE, "alice", "a wrong password").await, 899);
    assert_throttled(&server.logging_in_from(HERE, "alice", PASSWORD).await, 899);
    assert_throttled(&server.logging_in_from(HERE, "ALICE", PASSWORD).await, 899);
    time.pass(WINDOW - Duration::from_millis(1501));
    assert_throttled(&server.logging_in_from(HERE, "alice", PASSWORD).await, 1);

    assert_eq!(server.hasher.rounds(), rounds, "a hash was computed");
    time.pass(Duration::from_millis(1));
    assert_gets_in(&server, HERE, "alice").await;
}

#[actix_web::test]
async fn failures_for_one_account_from_one_address_touch_no_other_account_and_no_other_address() {
    let server = server().await;
    register(&server, "bob").await;

    server.fail_from(HERE, "alice", 3).await;

    assert_kept_out(&server, HERE, "alice").await;
    assert_gets_in(&server, HERE, "bob").await;
    assert_gets_in(&server, ELSEWHERE, "alice").await;
}

#[actix_web::test]
async fn a_name_that_does_not_exist_is_throttled_like_one_that_does() {
    let server = server().await;
    let _time = server.stop_time();
    let mut mallory = server.account("alice").await;
    register(&server, "mallory").await;
    mallory.principal.id = server.user_id("mallory").await;
    server.services.users.set_disabled(mallory.principal.id, true).await.unwrap();

    let names = ["alice", "nobody", "no such name!", "mallory"];
    let mut answers = Vec::new();
    for (number, name) in names.into_iter().enumerate() {
        let address = format!("192.0.2.{number}");
        let password = if name == "mallory" { PASSWORD } else { "a wrong password" };
        let mut of_name = Vec::new();
        for _ in 0..5 {
            let before = server.hasher.rounds();
            let answer = server.logging_in_from(&address, name, password).await;
            of_name.push((
                answer.status,
                answer.text("detail").to_owned(),
                answer.header("retry-after").to_owned(),
                answer.header("www-authenticate").to_owned(),
                server.hasher.rounds() - before,
            ));
        }
        answers.push(of_name);
    }

    let statuses: Vec<_> = answers[0].iter().map(|(status, ..)| *status).collect();
    assert_eq!(statuses, [401, 401, 401, 429, 429]);
    for (name, of_name) in names.iter().zip(&answers) {
        assert_eq!(of_name, &answers[0], "{name}");
    }
}

#[actix_web::test]
async fn an_account_takes_ten_times_as_many_failures_from_addresses_that_it_does_not_know() {
    let server = server().await;

    fail_from_everywhere(&server, "alice", 10).await;

    assert_kept_out(&server, ELSEWHERE, "alice").await;
    server.fail_from(ELSEWHERE, "bob", 3).await;
}

#[actix_web::test]
async fn nobody_can_lock_an_owner_out_who_logged_in_from_there_before() {
    let server = server().await;
    let time = server.stop_time();
    assert_gets_in(&server, HERE, "alice").await;
    assert_gets_in(&server, "2001:db8:1:2::7", "alice").await;
    time.pass(Duration::from_secs(30 * 24 * 60 * 60));

    fail_from_everywhere(&server, "alice", 10).await;

    assert_kept_out(&server, ELSEWHERE, "alice").await;
    assert_gets_in(&server, HERE, "alice").await;
    assert_gets_in(&server, "2001:db8:1:2:3:4:5:6", "alice").await;
    // The owner's own slips are limited all the same.
    server.fail_from(HERE, "alice", 3).await;
    assert_kept_out(&server, HERE, "alice").await;
}

#[actix_web::test]
async fn an_address_that_logged_in_to_one_account_is_no_friend_of_another() {
    let server = server().await;
    register(&server, "bob").await;
    assert_gets_in(&server, HERE, "bob").await;

    fail_from_everywhere(&server, "alice", 10).await;

    assert_kept_out(&server, HERE, "alice").await;
}

#[actix_web::test]
async fn an_owners_failures_from_where_they_are_known_do_not_fill_the_accounts_window() {
    let server = server().await;
    assert_gets_in(&server, HERE, "alice").await;
    server.fail_from(HERE, "alice", 3).await;

    fail_from_everywhere(&server, "alice", 10).await;
}

#[actix_web::test]
async fn an_address_takes_ten_times_as_many_failures_whatever_the_names() {
    let server = server().await;
    for number in 0..30 {
        server.fail_from(HERE, &format!("name{number}"), 1).await;
    }

    assert_kept_out(&server, HERE, "alice").await;
    assert_gets_in(&server, ELSEWHERE, "alice").await;
}

#[actix_web::test]
async fn neighbours_in_an_ipv6_network_are_one_address() {
    let server = server().await;
    for neighbour in 1..=3 {
        server.fail_from(&format!("2001:db8:1:2::{neighbour}"), "alice", 1).await;
    }

    assert_kept_out(&server, "[2001:db8:1:2:ffff::9]:50000", "alice").await;
    assert_gets_in(&server, "2001:db8:1:3::1", "alice").await;
}

#[actix_web::test]
async fn this_hosts_own_address_is_not_counted_by_itself() {
    let server = TestServer::with(&[("LOGIN_FAILURES", "3 per 15m")]).await;
    register(&server, "alice").await;
    for number in 0..31 {
        server.login(&format!("name{number}"), PASSWORD).await.assert_problem(401, "invalid_credentials");
    }

    for _ in 0..3 {
        server.login("alice", "a wrong password").await.assert_problem(401, "invalid_credentials");
    }

    server.login("alice", PASSWORD).await.assert_problem(429, "too_many_attempts");
}

#[actix_web::test]
async fn what_fails_on_this_host_takes_nothing_from_an_accounts_window() {
    let server = server().await;
    for _ in 0..3 {
        server.login("alice", "a wrong password").await.assert_problem(401, "invalid_credentials");
    }
    server.login("alice", PASSWORD).await.assert_problem(429, "too_many_attempts");

    fail_from_everywhere(&server, "alice", 10).await;

    assert_kept_out(&server, ELSEWHERE, "alice").await;
}

#[actix_web::test]
async fn whoever_guesses_elsewhere_keeps_nobody_out_on_this_host() {
    let server = server().await;
    fail_from_everywhere(&server, "alice", 10).await;
    assert_kept_out(&server, ELSEWHERE, "alice").await;

    server.login("alice", PASSWORD).await.tokens();
}

#[actix_web::test]
async fn a_success_forgets_the_failures_of_its_own_account_and_address_and_no_others() {
    let server = server().await;
    register(&server, "bob").await;
    server.fail_from(HERE, "alice", 2).await;
    server.fail_from(HERE, "bob", 2).await;
    server.fail_from(ELSEWHERE, "alice", 2).await;

    assert_gets_in(&server, HERE, "alice").await;

    server.fail_from(HERE, "alice", 3).await;
    assert_kept_out(&server, HERE, "alice").await;
    server.fail_from(HERE, "bob", 1).await;
    assert_kept_out(&server, HERE, "bob").await;
    server.fail_from(ELSEWHERE, "alice", 1).await;
    assert_kept_out(&server, ELSEWHERE, "alice").await;
}

#[actix_web::test]
async fn a_success_does_not_give_its_address_more_guesses_at_others() {
    let server = server().await;
    for number in 0..29 {
        server.fail_from(HERE, &format!("name{number}"), 1).await;
    }

    assert_gets_in(&server, HERE, "alice").await;

    server.fail_from(HERE, "bob", 1).await;
    assert_kept_out(&server, HERE, "alice").await;
}

#[actix_web::test]
async fn successes_count_nothing() {
    let server = server().await;
    for number in 0..31 {
        assert_gets_in(&server, HERE, "alice").await;
        assert_gets_in(&server, &format!("203.0.113.{number}"), "alice").await;
    }

    assert_eq!(server.number("SELECT count(*) FROM login_failures"), 0);
    server.fail_from(HERE, "alice", 3).await;
    server.fail_from(ELSEWHERE, "alice", 3).await;
}

#[actix_web::test]
async fn guesses_at_once_cannot_be_more_than_one_after_the_other() {
    let server = TestServer::behind_a_proxy(&[("LOGIN_FAILURES", "10 per 15m"), ("HASH_MAX_WAIT", "60s")]).await;
    register(&server, "alice").await;
    // However busy the machine is, nobody's turn comes too late.
    let _time = server.stop_time();
    let rounds = server.hasher.rounds();

    let guesses = (0..50).map(|number| server.logging_in_from(HERE, "alice", &format!("guess number {number}")));
    let answers = join_all(guesses).await;

    let with = |status| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((with(401), with(429)), (10, 40));
    assert_eq!(server.hasher.rounds() - rounds, 10 * ONE_HASH);
}

#[actix_web::test]
async fn a_restart_forgets_no_failure_and_no_address() {
    let server = server().await;
    assert_gets_in(&server, HERE, "alice").await;
    fail_from_everywhere(&server, "alice", 10).await;

    let server = server.restart().await;

    assert_kept_out(&server, "203.0.113.1", "alice").await;
    assert_kept_out(&server, ELSEWHERE, "alice").await;
    assert_gets_in(&server, HERE, "alice").await;
}

#[actix_web::test]
async fn whoever_is_refused_takes_no_place_in_front_of_the_hashing_threads() {
    let changes = [("LOGIN_FAILURES", "1 per 15m"), ("HASH_THREADS", "1"), ("HASH_MAX_WAIT", "0s")];
    let server = TestServer::behind_a_proxy(&changes).await;
    let _time = server.stop_time();
    register(&server, "alice").await;
    server.fail_from(HERE, "alice", 1).await;

    for _ in 0..3 {
        assert_kept_out(&server, HERE, "alice").await;
    }

    assert_gets_in(&server, ELSEWHERE, "alice").await;
}

#[actix_web::test]
async fn switched_off_nothing_is_counted() {
    let server = TestServer::behind_a_proxy(&[("LOGIN_FAILURES", "off")]).await;
    register(&server, "alice").await;

    server.fail_from(HERE, "alice", 31).await;

    assert_gets_in(&server, HERE, "alice").await;
    let rows = "SELECT (SELECT count(*) FROM login_failures) + (SELECT count(*) FROM known_addresses)";
    assert_eq!(server.number(rows), 0);
}
