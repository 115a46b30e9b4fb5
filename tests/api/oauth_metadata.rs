//! `GET /.well-known/oauth-authorization-server`: what there is, where that can be said.

use serde_json::{Value, json};

use crate::support::TestServer;

const PATH: &str = "/.well-known/oauth-authorization-server";
const URL: &str = "https://id.example.org";

async fn called(public_url: &str, issuer: &str) -> TestServer {
    TestServer::with(&[("PUBLIC_URL", public_url), ("JWT_ISSUER", issuer)]).await
}

#[actix_web::test]
async fn the_document_lists_what_there_is() {
    let server = called(URL, URL).await;

    let answer = server.get(PATH).await;

    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    answer.assert_dressed();
    assert_eq!(
        answer.body,
        json!({
            "issuer": URL,
            "token_endpoint": "https://id.example.org/oauth/token",
            "token_endpoint_auth_methods_supported": ["none"],
            "grant_types_supported": ["refresh_token"],
            "response_types_supported": [],
            "jwks_uri": "https://id.example.org/.well-known/jwks.json",
            "introspection_endpoint": "https://id.example.org/api/introspect",
            "introspection_endpoint_auth_methods_supported": ["client_secret_basic"],
            "revocation_endpoint": "https://id.example.org/api/revoke",
            "revocation_endpoint_auth_methods_supported": ["none", "client_secret_basic"],
        })
    );
}

#[actix_web::test]
async fn every_endpoint_of_the_document_is_one() {
    let server = called(URL, URL).await;

    let document = server.get(PATH).await;

    let endpoints = document.body.as_object().unwrap().iter().filter(|(member, _)| member.ends_with("_endpoint"));
    let endpoints: Vec<&Value> = endpoints.map(|(_, url)| url).collect();
    assert!(!endpoints.is_empty());
    let keys = document.body["jwks_uri"].as_str().unwrap().strip_prefix(URL).unwrap();
    let keys = server.get(keys).await;
    assert_eq!((keys.status, keys.body["keys"].is_array()), (200, true), "{}", keys.raw);
    for url in endpoints {
        let path = url.as_str().unwrap().strip_prefix(URL).unwrap();
        assert!(matches!(server.posted(path, &[]).await.status, 400 | 401), "{path}");
    }
}

#[actix_web::test]
async fn a_slash_behind_the_url_is_none_of_its_name() {
    let server = called("https://id.example.org/", URL).await;

    assert_eq!(server.get(PATH).await.body["issuer"], URL);
}

#[actix_web::test]
async fn where_issuer_and_url_are_not_one_https_url_there_is_no_document() {
    let loopback = "http://localhost:3000";
    for (public_url, issuer) in [
        (URL, "latchkey"),
        (URL, "https://id.example.org/"),
        (URL, "https://ID.example.org"),
        (URL, "https://id.example.org:443"),
        (URL, "http://id.example.org"),
        (loopback, loopback),
    ] {
        let server = called(public_url, issuer).await;
        server.get(PATH).await.assert_problem(404, "not_found");
    }
    let unnamed = TestServer::with(&[("JWT_ISSUER", URL)]).await;
    unnamed.get(PATH).await.assert_problem(404, "not_found");
}
