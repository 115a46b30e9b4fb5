//! `ACCESS_TOKEN_TTL` that is changed while access tokens are out.

use std::time::Duration;

use crate::support::{TestServer, Tokens};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// Starts the server again with access tokens that live so long, and lets the sweeper look.
async fn restart_with_ttl(server: TestServer, ttl: Duration) -> TestServer {
    let server = server.restart_with(|settings| settings.access_token_ttl = ttl).await;
    server.services.sessions.sweep().await.unwrap();
    server
}

/// A session that was logged out, under access tokens of an hour, half of which have passed under those of a minute.
async fn logged_out_and_lowered() -> (TestServer, Tokens) {
    let server = TestServer::with(&[("ACCESS_TOKEN_TTL", "1h")]).await;
    let alice = server.registered("alice").await;
    server.logout(&alice.refresh_token).await;
    let server = restart_with_ttl(server, MINUTE).await;
    server.clock.advance(HOUR / 2);
    server.services.sessions.sweep().await.unwrap();
    (server, alice)
}

#[actix_web::test]
async fn a_token_of_an_ended_session_stays_dead_when_the_setting_is_lowered_and_raised_again() {
    let (server, alice) = logged_out_and_lowered().await;
    server.assert_signed_out(&alice.access_token).await;

    let server = restart_with_ttl(server, HOUR).await;

    server.assert_signed_out(&alice.access_token).await;
}

#[actix_web::test]
async fn it_stays_dead_over_restarts_and_other_settings_in_between() {
    let (mut server, alice) = logged_out_and_lowered().await;

    for ttl in [MINUTE, 2 * MINUTE, MINUTE, HOUR] {
        server = restart_with_ttl(server, ttl).await;
        server.assert_signed_out(&alice.access_token).await;
    }
}

#[actix_web::test]
async fn endings_are_forgotten_on_time_again_once_no_token_of_the_longer_setting_is_left() {
    let (server, _) = logged_out_and_lowered().await;
    server.clock.advance(HOUR / 2 + MINUTE);

    let server = restart_with_ttl(server, MINUTE).await;
    let bob = server.registered("bob").await;
    server.logout(&bob.refresh_token).await;
    server.clock.advance(2 * MINUTE);
    server.services.sessions.sweep().await.unwrap();

    assert_eq!(server.services.revocations.len(), 0);
    assert_eq!(server.number("SELECT count(*) FROM revocations"), 0);
}

#[actix_web::test]
async fn a_first_start_notes_its_own_setting_and_a_second_one_nothing_longer() {
    let server = TestServer::start().await;
    let noted = |server: &TestServer| {
        let same = "endings_kept_for = 960000 AND longer_kept_for IS NULL AND longer_until IS NULL";
        server.number(&format!("SELECT count(*) FROM service WHERE {same}"))
    };
    assert_eq!(noted(&server), 1);

    let server = server.restart().await;

    assert_eq!(noted(&server), 1);
}
