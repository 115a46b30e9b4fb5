//! `POST /api/register`.

use futures_util::future::join_all;
use serde_json::json;
use uuid::Uuid;

use crate::support::{Answer, PASSWORD, TestServer};

async fn register(server: &TestServer, username: &str, password: &str) -> Answer {
    server.post("/api/register", &json!({"username": username, "password": password})).await
}

#[actix_web::test]
async fn a_registration_answers_the_new_user_and_nothing_else() {
    let server = TestServer::start().await;
    let now = server.stop_time().now();

    let answer = register(&server, "testuser", PASSWORD).await;

    assert_eq!((answer.status, answer.header("content-type")), (201, "application/json"));
    let id = answer.body["user"]["id"].as_str().unwrap();
    assert!(Uuid::parse_str(id).is_ok(), "{id}");
    let user = json!({"id": id, "username": "testuser", "roles": ["user"], "created_at": now.to_rfc3339()});
    assert_eq!(answer.body, json!({"message": "User created successfully!", "user": user}));
}

#[actix_web::test]
async fn a_name_is_taken_whatever_its_case() {
    let server = TestServer::start().await;
    assert_eq!(register(&server, "Bob", PASSWORD).await.status, 201);

    for name in ["Bob", "bob", "BOB", "bOb"] {
        register(&server, name, PASSWORD).await.assert_problem(409, "username_taken");
    }
}

#[actix_web::test]
async fn a_refused_registration_changes_nothing_about_the_account() {
    let server = TestServer::start().await;
    register(&server, "Bob", PASSWORD).await;

    register(&server, "bob", "another long password").await.assert_problem(409, "username_taken");

    assert_eq!(server.login("bob", PASSWORD).await.status, 200);
    server.login("bob", "another long password").await.assert_problem(401, "invalid_credentials");
}

#[actix_web::test]
async fn of_many_who_want_one_name_at_once_one_gets_it() {
    let server = TestServer::start().await;
    let names = ["carol", "Carol", "CAROL", "cArol", "caRol", "carOl", "caroL", "CaRoL"];

    let answers = join_all(names.map(|name| register(&server, name, PASSWORD))).await;

    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409, 409, 409, 409, 409]);
}

#[actix_web::test]
async fn a_taken_name_costs_no_hash() {
    let server = TestServer::start().await;
    register(&server, "bob", PASSWORD).await;
    let rounds = server.hasher.rounds();

    register(&server, "bob", PASSWORD).await.assert_problem(409, "username_taken");

    assert_eq!(server.hasher.rounds(), rounds);
}

#[actix_web::test]
async fn a_well_formed_name_is_shown_as_registered() {
    let server = TestServer::start().await;
    let longest = "Z".repeat(64);
    for name in ["Bob", "0ne", "a.b", "A_b@c+d-e.f", "9..", &longest] {
        let answer = register(&server, name, PASSWORD).await;
        assert_eq!(answer.status, 201, "{name}: {}", answer.raw);
        assert_eq!(answer.body["user"]["username"], name);

        let login = server.login(&name.to_lowercase(), PASSWORD).await.tokens();
        let profile = server.get_with("/api/profile", &login.access_token).await;
        assert_eq!(profile.body["user"]["username"], name);
    }
}

#[actix_web::test]
async fn a_malformed_name_is_refused() {
    let server = TestServer::start().await;
    let too_long = "a".repeat(65);
    let malformed = [
        ("empty", ""),
        ("two characters", "ab"),
        ("65 characters", &too_long),
        ("begins with a dot", ".bob"),
        ("begins with a dash", "-bob"),
        ("begins with an underscore", "_bob"),
        ("begins with an at sign", "@bob"),
        ("begins with a plus", "+bob"),
        ("a blank inside", "bo b"),
        ("a blank before", " bob"),
        ("a blank behind", "bob "),
        ("a line end", "bob\n"),
        ("a NUL", "bob\0"),
        ("a slash", "../bob"),
        ("a letter of another alphabet", "böb"),
        ("a letter that looks like another", "b\u{043e}b"),
        ("a letter that lower-cases to ASCII", "bob\u{212a}"),
        ("full-width letters", "\u{ff42}\u{ff4f}\u{ff42}"),
        ("an invisible character", "bob\u{200b}"),
        ("a tag", "<b>bob</b>"),
        ("a quote", "bob'--"),
    ];
    for (case, name) in malformed {
        let answer = register(&server, name, PASSWORD).await;
        assert_eq!(answer.status, 422, "{case}: {}", answer.raw);
        answer.assert_problem(422, "invalid_username");
    }
}

#[actix_web::test]
async fn a_weak_password_is_refused_with_the_rule_and_costs_no_hash() {
    let server = TestServer::start().await;
    let rounds = server.hasher.rounds();
    let (short, long, control) = (
        "A password has at least 8 characters.",
        "A password has at most 72 bytes in UTF-8.",
        "A password has no control characters.",
    );
    let weak = [
        ("empty", String::new(), short),
        ("7 characters", "1234567".to_owned(), short),
        ("7 characters of two bytes", "é".repeat(7), short),
        ("7 characters that are 14 before composing", "e\u{301}".repeat(7), short),
        ("73 bytes", "x".repeat(73), long),
        ("37 characters of 73 bytes", "é".repeat(36) + "x", long),
        ("thousands of bytes", "x".repeat(10_000), long),
        ("a NUL in the middle", "password\0tail".to_owned(), control),
        ("a NUL at the end", "password123\0".to_owned(), control),
        ("a NUL at the start", "\0password123".to_owned(), control),
        ("a line end", "password\n123".to_owned(), control),
        ("a tab", "password\t123".to_owned(), control),
        ("DEL", "password\u{7f}123".to_owned(), control),
        ("a C1 control character", "password\u{85}123".to_owned(), control),
    ];
    for (case, password, rule) in weak {
        let answer = register(&server, "bob", &password).await;
        assert_eq!(answer.status, 422, "{case}: {}", answer.raw);
        assert_eq!(answer.assert_problem(422, "weak_password").text("detail"), rule, "{case}");
    }
    assert_eq!(server.hasher.rounds(), rounds);
    assert_eq!(register(&server, "bob", PASSWORD).await.status, 201, "the name must still be free");
}

#[actix_web::test]
async fn a_password_of_72_bytes_is_fine_and_its_last_byte_counts() {
    let server = TestServer::start().await;
    for (name, password, other) in [
        ("ascii", "x".repeat(72), "x".repeat(71)),
        ("two-bytes", "é".repeat(36), "é".repeat(35) + "ê"),
        ("composed-to-72", "e\u{301}".repeat(36), "é".repeat(35)),
        ("eight-characters", "12345678".to_owned(), "1234567 ".to_owned()),
    ] {
        assert_eq!(register(&server, name, &password).await.status, 201, "{name}");
        assert_eq!(server.login(name, &password).await.status, 200, "{name}");
        server.login(name, &other).await.assert_problem(401, "invalid_credentials");
    }
}

#[actix_web::test]
async fn composed_and_decomposed_spellings_are_one_password() {
    let server = TestServer::start().await;
    let (composed, decomposed) = ("caf\u{e9} noir \u{1e69}", "cafe\u{301} noir s\u{307}\u{323}");
    for (name, registered) in [("composer", composed), ("decomposer", decomposed)] {
        register(&server, name, registered).await;
        for typed in [composed, decomposed] {
            assert_eq!(server.login(name, typed).await.status, 200, "{name} {typed:?}");
        }
        server.login(name, "cafe noir s").await.assert_problem(401, "invalid_credentials");
    }
}

#[actix_web::test]
async fn blanks_and_case_of_a_password_are_its_own() {
    let server = TestServer::start().await;
    register(&server, "bob", " Spaced Out ").await;

    assert_eq!(server.login("bob", " Spaced Out ").await.status, 200);
    for other in ["Spaced Out", " Spaced Out", " spaced out "] {
        server.login("bob", other).await.assert_problem(401, "invalid_credentials");
    }
}
