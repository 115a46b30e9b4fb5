//! The walk that must always work as written.

use serde_json::json;

use crate::support::TestServer;

#[actix_web::test]
async fn the_walk_of_the_contract_works_as_written() {
    let server = TestServer::start().await;
    let user = json!({"username": "testuser", "password": "password123"});

    let registered = server.post("/api/register", &user).await;
    assert_eq!(registered.status, 201);
    assert_eq!(registered.body["message"], "User created successfully!");

    let login = server.post("/api/login", &user).await;
    assert_eq!(login.status, 200);

    assert_eq!(server.get("/api/profile").await.status, 401);

    let profile = server.get_with("/api/profile", login.text("access_token")).await;
    assert_eq!(profile.status, 200);
    assert_eq!(profile.body["message"], "Welcome, testuser! This is protected data.");
}
