//! Many at once: whatever the order they are decided in, the outcome is one of the allowed ones.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::future::{self, join_all};
use serde_json::json;

use crate::support::{Answer, PASSWORD, TestServer, Tokens};

const WINDOW: Duration = Duration::from_secs(10);

/// Presents all of these at once.
async fn refresh_at_once(server: &TestServer, refresh_tokens: &[&str]) -> Vec<Answer> {
    join_all(refresh_tokens.iter().map(|token| server.refreshing(token))).await
}

/// The distinct refresh tokens of answers that must all be 200.
fn successors(answers: &[Answer]) -> HashSet<String> {
    answers.iter().map(|answer| answer.tokens().refresh_token).collect()
}

/// How many answers were refused for this reason.
fn refused(answers: &[Answer], reason: &str) -> usize {
    answers.iter().filter(|answer| answer.status == 401 && answer.body["reason"] == reason).count()
}

#[actix_web::test]
async fn renewals_with_one_token_at_once_all_get_the_one_successor() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    let login = server.registered("alice").await;

    let answers = refresh_at_once(&server, &[login.refresh_token.as_str(); 24]).await;

    let successors = successors(&answers);
    assert_eq!(successors, HashSet::from([server.token_of(&login.session_id, 2)]));
    let access_tokens: HashSet<_> = answers.iter().map(|answer| answer.text("access_token")).collect();
    assert_eq!(access_tokens.len(), 24);
    for access_token in access_tokens {
        server.assert_signed_in(access_token).await;
    }
    time.pass(WINDOW);
    let next = server.renewed(&server.token_of(&login.session_id, 2)).await;
    assert_eq!(next.refresh_token, server.token_of(&login.session_id, 3));
}

#[actix_web::test]
async fn strict_renewals_with_one_token_at_once_are_a_reuse_but_for_the_first() {
    let server = TestServer::with(&[("REFRESH_GRACE", "0s")]).await;
    let login = server.registered("alice").await;

    let answers = refresh_at_once(&server, &[login.refresh_token.as_str(); 24]).await;

    let granted: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    let [granted] = granted.as_slice() else { panic!("{} were granted", granted.len()) };
    // The second ends the session, so those that follow it find it ended.
    assert_eq!((refused(&answers, "reused"), refused(&answers, "revoked")), (1, 22));
    server.assert_over(&granted.tokens(), "revoked").await;
}

#[actix_web::test]
async fn a_parent_and_its_successor_presented_at_once_lead_to_the_same_token() {
    let server = TestServer::start().await;
    let _time = server.stop_time();
    let login = server.registered("alice").await;
    let renewed = server.renewed(&login.refresh_token).await;

    let presented = [login.refresh_token.as_str(), renewed.refresh_token.as_str()].repeat(12);
    let answers = refresh_at_once(&server, &presented).await;

    assert_eq!(successors(&answers), HashSet::from([renewed.refresh_token]));
}

#[actix_web::test]
async fn a_parent_and_its_successor_presented_at_once_end_the_session_outside_the_window() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    let login = server.registered("alice").await;
    let parent = server.renewed(&login.refresh_token).await;
    time.pass(WINDOW);
    let newest = server.renewed(&parent.refresh_token).await;
    time.pass(WINDOW);

    let presented = [newest.refresh_token.as_str(), login.refresh_token.as_str()].repeat(12);
    let answers = refresh_at_once(&server, &presented).await;

    assert_eq!(refused(&answers, "reused"), 1);
    for answer in answers.iter().filter(|answer| answer.status == 200) {
        server.assert_over(&answer.tokens(), "revoked").await;
    }
    server.assert_over(&newest, "revoked").await;
}

#[actix_web::test]
async fn reissues_of_one_token_at_once_are_one_reissue() {
    let server = TestServer::with(&[("REFRESH_GRACE", "until-used")]).await;
    let time = server.stop_time();
    let login = server.registered("alice").await;
    server.renewed(&login.refresh_token).await;
    time.pass(WINDOW);

    let answers = refresh_at_once(&server, &[login.refresh_token.as_str(); 24]).await;

    assert_eq!(successors(&answers), HashSet::from([server.token_of(&login.session_id, 3)]));
}

#[actix_web::test]
async fn renewals_that_race_a_logout_leave_nothing_alive() {
    let server = TestServer::start().await;
    server.registered("alice").await;
    for round in 0..6 {
        let login = server.logged_in("alice").await;
        let logout = async {
            let mut own = login.clone();
            for _ in 0..round {
                own = server.renewed(&own.refresh_token).await;
            }
            server.logout(&own.refresh_token).await;
        };
        let renewing = join_all((0..23).map(|_| follow(&server, login.clone())));
        let (given, ()) = future::join(renewing, logout).await;

        for tokens in given.iter().flatten() {
            server.assert_signed_out(&tokens.access_token).await;
        }
        for generation in 1..=3 {
            server.refresh(&server.token_of(&login.session_id, generation)).await.assert_refused("revoked");
        }
    }
    assert_eq!(server.number("SELECT count(*) FROM sessions WHERE end_reason = 'logout'"), 6);
}

/// Renews until it is refused; everything that was given.
async fn follow(server: &TestServer, from: Tokens) -> Vec<Tokens> {
    let mut given = vec![from];
    // What is sent beside it ends the session after a few; with many more than that nothing ever will.
    for _ in 0..1000 {
        let answer = server.refresh(&given.last().unwrap().refresh_token).await;
        if answer.status == 401 {
            return given;
        }
        given.push(answer.tokens());
    }
    panic!("nothing ends the session");
}

#[actix_web::test]
async fn renewals_that_race_a_password_change_leave_nothing_alive() {
    let server = TestServer::with(&[("REFRESH_GRACE", "0s")]).await;
    server.registered("alice").await;
    let mut password = PASSWORD.to_owned();
    let mut asking = server.logged_in("alice").await;
    for round in 0..50 {
        let logins = join_all((0..4).map(|_| server.logging_in("alice", &password))).await;
        let new = format!("password number {round}");

        let renewing = join_all(logins.iter().map(|login| follow(&server, login.tokens())));
        let changing = server.putting_password(&asking.access_token, &password, &new);
        let (given, changed) = future::join(renewing, changing).await;

        let fresh = changed.tokens();
        server.assert_over(&asking, "revoked").await;
        (asking, password) = (fresh, new);
        let list = server.get_with("/api/sessions", &asking.access_token).await;
        let listed: Vec<_> = list.body["sessions"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
        assert_eq!(listed, [&asking.session_id]);
        for chain in given {
            let (newest, older) = chain.split_last().unwrap();
            server.assert_over(newest, "revoked").await;
            // An older one too, as it was spent: the newest three show it without asking for each of hundreds.
            for tokens in older.iter().rev().take(2) {
                server.assert_over(tokens, "revoked").await;
            }
        }
    }
    assert_eq!(server.number("SELECT count(*) FROM sessions WHERE ended_at IS NOT NULL"), 0);
}

#[actix_web::test]
async fn of_many_who_register_one_name_at_once_in_any_case_one_succeeds() {
    let server = TestServer::start().await;
    let names = ["carol", "Carol", "CAROL", "cArOl", "caroL"].repeat(4);

    let answers = join_all(
        names
            .iter()
            .map(async |name| server.post("/api/register", &json!({"username": name, "password": PASSWORD})).await),
    )
    .await;

    let registered: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
    let [registered] = registered.as_slice() else { panic!("{} succeeded", registered.len()) };
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        answer.assert_problem(409, "username_taken");
    }
    let login = server.login("carol", PASSWORD).await.tokens();
    let profile = server.get_with("/api/profile", &login.access_token).await;
    assert_eq!(profile.body["user"]["username"], registered.body["user"]["username"]);
    assert_eq!(server.number("SELECT count(*) FROM users"), 1);
}
