//! What needs no account: the greeting, and the probes.

use serde_json::json;

use crate::support::TestServer;

#[actix_web::test]
async fn the_api_greets() {
    let answer = TestServer::start().await.get("/api").await;

    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.body, json!({"message": "Welcome to the API! It's working."}));
}

#[actix_web::test]
async fn the_probes_say_that_the_process_runs_and_that_its_parts_answer() {
    let server = TestServer::start().await;
    for path in ["/healthz", "/readyz"] {
        let answer = server.get(path).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"), "{path}");
    }
}
