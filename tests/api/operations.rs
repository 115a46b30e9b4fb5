//! What needs no account: the greeting, and the probes.

use std::process::Command;

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

#[actix_web::test]
async fn the_health_check_of_the_command_line_finds_the_server() {
    for host in ["127.0.0.1", "0.0.0.0"] {
        let server = TestServer::with(&[("HOST", host)]).await;
        for arguments in [["healthcheck"].as_slice(), &["healthcheck", "--live"]] {
            let output = Command::new(env!("CARGO_BIN_EXE_latchkey"))
                .args(arguments)
                .current_dir(server.directory())
                .envs([("HOST", host), ("PORT", &server.address.port().to_string())])
                .output()
                .unwrap();

            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success() && said.ends_with("z answers 200\n"), "{host} {arguments:?}: {output:?}");
        }
    }
}
