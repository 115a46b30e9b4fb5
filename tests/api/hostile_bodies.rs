//! Bodies that are not what a call asks for, at every call that takes one.

use serde_json::{Value, json};

use crate::support::calls::{CALLS, CANARY, Call, Called, assert_refused};
use crate::support::forge::parts;
use crate::support::{PASSWORD, TestServer};

/// Bodies that are no JSON object with the right members.
fn malformed(call: &Call) -> Vec<(String, Vec<u8>)> {
    let good = call.body(&json!(CANARY)).to_string();
    let first = call.members[0];
    let after_brace = |text: &str| good.replacen('{', &format!("{{{text}"), 1);
    let instead = |text: &str| good.replacen(&format!("\"{CANARY}\""), text, 1);
    let utf16: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut cases: Vec<(String, Vec<u8>)> = [
        ("blanks", "  \r\n".to_owned()),
        ("a list for a struct", json!(vec![CANARY; call.members.len()]).to_string()),
        ("a list with an object", format!("[{good}]")),
        ("an empty list", "[]".to_owned()),
        ("a bare string", format!("\"{CANARY}\"")),
        ("a bare word", CANARY.to_owned()),
        ("null", "null".to_owned()),
        ("a number", "12345678".to_owned()),
        ("true", "true".to_owned()),
        ("an empty object", "{}".to_owned()),
        ("a member in another case", good.replace(first, &first.to_uppercase())),
        ("truncated", good[..good.len() - 1].to_owned()),
        ("truncated in a string", good[..good.len() - 3].to_owned()),
        ("a comma behind the last member", good.replace('}', ",}")),
        ("a second object", format!("{good}{good}")),
        ("a word behind", format!("{good} {CANARY}")),
        ("a NUL behind", format!("{good}\0")),
        ("a BOM in front", format!("\u{feff}{good}")),
        ("a NUL in front", format!("\0{good}")),
        ("single quotes", good.replace('"', "'")),
        ("no quotes", good.replace('"', "")),
        ("a comment", after_brace(&format!("/*{CANARY}*/"))),
        ("a prefix against hijacking", format!(")]}}',\n{good}")),
        ("a member twice", after_brace(&format!("\"{first}\":\"{CANARY}\","))),
        ("a member twice, once escaped", {
            after_brace(&format!("\"\\u{:04x}{}\":\"{CANARY}\",", first.as_bytes()[0], &first[1..]))
        }),
        ("a NUL in a string", instead(&format!("\"{CANARY}\0\""))),
        ("a line end in a string", instead(&format!("\"{CANARY}\n\""))),
        ("half of a surrogate pair", instead(&format!("\"{CANARY}\\ud800\""))),
        ("an unknown escape", instead(&format!("\"{CANARY}\\x41\""))),
        ("not a number", instead("NaN")),
        ("a form", format!("{first}={CANARY}")),
        ("XML", format!("<{first}>{CANARY}</{first}>")),
        ("nested lists without an end", "[".repeat(16_000)),
        ("nested lists", format!("{}{}", "[".repeat(8000), "]".repeat(8000))),
        ("nested objects without an end", format!("{{\"{first}\":").repeat(800)),
        ("nested lists in a member", instead(&format!("{}{}", "[".repeat(7000), "]".repeat(7000)))),
        ("nested lists in a member that nobody asked for", after_brace(&format!("\"x\":{},", "[".repeat(8000)))),
    ]
    .map(|(case, text)| (case.to_owned(), text.into_bytes()))
    .into();
    let with_bytes = |text: &str, bytes: &[u8]| {
        let (before, after) = text.split_once('%').unwrap();
        [before.as_bytes(), bytes, after.as_bytes()].concat()
    };
    cases.extend([
        ("UTF-16".to_owned(), utf16),
        ("a byte that is no UTF-8".to_owned(), with_bytes(&instead(&format!("\"{CANARY}%\"")), b"\xff")),
        ("Latin-1".to_owned(), with_bytes(&instead(&format!("\"{CANARY}%\"")), b"\xe4")),
        ("an overlong NUL".to_owned(), with_bytes(&instead(&format!("\"{CANARY}%\"")), b"\xc0\x80")),
        ("no UTF-8 in a member that nobody asked for".to_owned(), with_bytes(&after_brace("\"x\":\"%\","), b"\xff")),
        ("compressed and not declared".to_owned(), [b"\x1f\x8b\x08\x00", CANARY.as_bytes()].concat()),
    ]);
    for member in call.members {
        let others = call.members.iter().filter(|other| *other != member);
        let missing: Value = others.map(|other| ((*other).to_owned(), json!(CANARY))).collect();
        cases.push((format!("no {member}"), missing.to_string().into_bytes()));
        for value in
            [json!(null), json!(12_345_678), json!(1.5), json!(true), json!([CANARY]), json!({ CANARY: CANARY })]
        {
            let mut body = call.body(&json!(CANARY));
            body[*member] = value.clone();
            cases.push((format!("{member} is {value}"), body.to_string().into_bytes()));
        }
    }
    cases
}

#[actix_web::test]
async fn a_body_of_another_shape_is_refused_and_not_repeated() {
    let called = Called::start().await;
    for call in &CALLS {
        for (case, body) in malformed(call) {
            let answer = called.raw(call, body).await;
            assert_refused(&format!("{case} to {}", call.path), &answer, 400, "invalid_request");
            assert!(!answer.raw.contains("12345678"), "{case}: {}", answer.raw);
        }
    }
}

#[actix_web::test]
async fn no_body_is_no_json_except_where_a_bearer_token_may_stand_in() {
    let called = Called::start().await;
    for call in &CALLS {
        let (status, code) = if call.path == "/api/logout" { (401, "missing_token") } else { (400, "invalid_request") };
        let answer = called.raw(call, "").await;
        assert_refused(&format!("nothing to {}", call.path), &answer, status, code);
    }
}

#[actix_web::test]
async fn an_escaped_nul_is_a_value_and_refused_as_one() {
    let called = Called::start().await;
    let statuses = [
        (422, "invalid_username"),
        (401, "invalid_credentials"),
        (401, "invalid_grant"),
        (204, ""),
        (422, "weak_password"),
        (403, "wrong_password"),
    ];
    for (call, (status, code)) in CALLS.iter().zip(statuses) {
        let answer = called.raw(call, call.body(&json!(format!("{CANARY}\0"))).to_string()).await;
        assert_eq!(answer.status, status, "{}: {}", call.path, answer.raw);
        if !code.is_empty() {
            assert_refused(call.path, &answer, status, code);
        }
    }
}

#[actix_web::test]
async fn a_refused_value_is_not_repeated() {
    let server = TestServer::start().await;
    let user = |name: &str, password: &str| json!({"username": name, "password": password});
    for (body, status, code) in [
        (user(&format!("<{CANARY}>"), PASSWORD), 422, "invalid_username"),
        (user("bob", &format!("{CANARY}\n")), 422, "weak_password"),
        (user("bob", &CANARY[..7]), 422, "weak_password"),
        (user("bob", &CANARY.repeat(8)), 422, "weak_password"),
    ] {
        let answer = server.post("/api/register", &body).await;
        assert_refused(&body.to_string(), &answer, status, code);
        assert!(!answer.raw.contains(&CANARY[..7]), "{}", answer.raw);
    }
}

#[actix_web::test]
async fn members_that_nobody_asked_for_are_never_bound() {
    let server = TestServer::start().await;
    let id = "0192f0c0-0000-7000-8000-000000000001";
    let more = json!({
        "username": "bob", "password": PASSWORD, "roles": ["admin"], "role": "admin", "admin": true, "is_admin": true,
        "id": id, "sub": id, "ver": 99, "epoch": 99, "disabled": true, "created_at": "1970-01-01T00:00:00Z",
        "password_hash": "$2b$04$x", "user": {"id": id, "roles": ["admin"]}, "__proto__": {"roles": ["admin"]}, "": null,
    });

    let registered = server.post("/api/register", &more).await;
    assert_eq!(registered.status, 201, "{}", registered.raw);
    let user = &registered.body["user"];
    assert_ne!(user["id"], id);
    assert_eq!((&user["username"], &user["roles"]), (&json!("bob"), &json!(["user"])));
    assert!(!user["created_at"].as_str().unwrap().starts_with("1970"));

    let login = server.post("/api/login", &more).await.tokens();
    let renewal = json!({
        "refresh_token": login.refresh_token, "generation": 99, "session_id": id, "roles": ["admin"], "user_id": id,
    });
    let renewed = server.post("/api/refresh_token", &renewal).await.tokens();
    assert_eq!(renewed.session_id, login.session_id);
    for token in [login.access_token, renewed.access_token] {
        let (_, claims) = parts(&token);
        assert_eq!((&claims["sub"], &claims["roles"]), (&user["id"], &json!(["user"])));
        assert_eq!(server.get_with("/api/profile", &token).await.body["user"]["roles"], json!(["user"]));
    }
}
