//! What another process ends in the database of a running server: the command line, above all.

use std::time::Duration;

use tokio::time::timeout;

use crate::support::TestServer;
use crate::support::process::HANGS_AFTER;

#[actix_web::test]
async fn the_access_tokens_of_what_another_process_ended_are_refused_after_the_next_look() {
    let server = TestServer::start().await;
    let (alice, bob) = (server.registered("alice").await, server.registered("bob").await);
    let at = server.clock.now().as_millis();
    let id = alice.session_id.replace('-', "");

    let write = format!("INSERT INTO revocations VALUES (1, x'{id}', 0, {at})");
    server.rows_to_change().execute_batch(&write).unwrap();
    server.services.sessions.follow().await.unwrap();

    server.assert_signed_out(&alice.access_token).await;
    server.assert_signed_in(&bob.access_token).await;
}

#[actix_web::test]
async fn a_server_looks_by_itself_for_what_others_ended() {
    let server = TestServer::start().await;
    let alice = server.registered("alice").await;
    let at = server.clock.now().as_millis();
    let id = alice.user_id().0.simple().to_string();

    let write = format!("INSERT INTO revocations VALUES (2, x'{id}', 2, {at})");
    server.rows_to_change().execute_batch(&write).unwrap();

    let known = async {
        while server.services.revocations.is_empty() {
            actix_web::rt::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(HANGS_AFTER, known).await.expect("a server that looks");
    server.assert_signed_out(&alice.access_token).await;
}
