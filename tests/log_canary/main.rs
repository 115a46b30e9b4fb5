//! The whole log of a real server at TRACE, through a life full of secrets: none of them is in it, in either format.
//!
//! - [`key_ring`]: the keys that the command line makes
//! - [`process`]: the binary as a child, with everything that it says
//! - [`secrets`]: what must not be found, in which forms
//!
//! A panic needs a route that panics, which the binary has not: `tests/fault_log.rs`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first thing that is not as it expects"
)]

mod key_ring;
mod process;
mod secrets;

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};

use crate::process::{Place, Process};
use crate::secrets::Secrets;

const PASSWORD: &str = "Vd8-password-of-alice";
const WRONG_PASSWORD: &str = "Kx3-password-of-nobody";
const OTHER_PASSWORD: &str = "Gf2-password-from-now-on";
/// Typed into the name field, where it is a possible name, and where it is none.
const AS_NAME: &str = "Wm5-password-as-a-name";
const AS_NO_NAME: &str = "Tz9 password as no name!";
const NOT_A_SECRET: &str = "bQ7uXe2Lr9Kd4Wf1Zs8Hn5Ty3Cm6Gv0P";

/// What every life leaves in the log, by the names of OWASP's vocabulary.
const EVENTS: [&str; 19] = [
    "sys_startup",
    "user_created",
    "authn_login_success",
    "authn_login_fail",
    "authn_client_fail",
    "session_created",
    "session_evicted",
    "authn_password_change",
    "authn_password_change_fail",
    "user_deleted",
    "authn_token_created",
    "authn_token_reuse",
    "authn_token_revoked",
    "session_expired",
    "malicious_cors",
    "keys_changed",
    "keys_refused",
    "signer_changed",
    "sys_shutdown",
];

#[actix_web::test]
async fn no_secret_is_in_the_log_at_trace_as_text() {
    let (log, secrets) = a_life("text").await;

    secrets.assert_absent_from(&log);
    for event in EVENTS {
        assert!(log.contains(&format!("event={event} ")), "{event} must be found:\n{log}");
    }
    assert!(log.contains("TRACE") && log.contains("latchkey::request: answered"), "the log is deaf:\n{log}");
    for line in log.lines() {
        assert!(line.starts_with("20") && !line.chars().any(misleads), "{line:?}");
    }
}

#[actix_web::test]
async fn no_secret_is_in_the_log_at_trace_as_json() {
    let (log, secrets) = a_life("json").await;

    secrets.assert_absent_from(&log);
    assert!(!log.chars().any(|char| char != '\n' && misleads(char)), "{log:?}");
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert!(lines.iter().all(|line| line["timestamp"].is_string() && line["level"].is_string()), "{log}");
    let logged: BTreeSet<&str> = lines.iter().filter_map(|line| line["event"].as_str()).collect();
    assert_eq!(logged, EVENTS.into_iter().collect());
    for line in lines.iter().filter(|line| line["target"] == "latchkey::request" && line["message"] == "answered") {
        assert!(line["status"].is_u64() && line["duration_us"].is_u64() && line["request_id"].is_string(), "{line}");
        assert_eq!(line["ip"], "127.0.0.1", "{line}");
    }
    let agents: Vec<&str> = lines.iter().filter_map(|line| line["user_agent"].as_str()).collect();
    assert!(agents.contains(&"a\u{2028}b\u{202e}c d"), "what was escaped means the same: {agents:?}");
}

#[test]
fn a_refused_start_shows_no_value() {
    let place = Place::new();
    place.write("broken.db", "no database at all, but long enough to look like one".repeat(99).as_bytes());
    let broken = format!("sqlite://{}", place.path("broken.db"));
    let folder = format!("sqlite://{}", place.path(""));
    for (name, value) in [
        ("JWT_SECRET", "Rt6-short-secret"),
        ("REFRESH_TOKEN_SECRET", "Rt6-Rt6-Rt6-Rt6-Rt6-Rt6-Rt6-Rt6-Rt6-Rt6-Rt6"),
        ("DATABASE_URL", "postgres://latchkey:Rt6-of-the-database@db.internal.example/latchkey"),
        ("DATABASE_URL", &broken),
        ("DATABASE_URL", &folder),
        ("RUST_LOG", "Rt6-no-filter=["),
    ] {
        let (code, said) = place.refused(&[("RUST_LOG", "trace"), (name, value)]);

        assert!(matches!(code, Some(1 | 78)), "{name}: {code:?} {said}");
        assert!(!said.is_empty(), "{name}");
        Secrets::of([value, place.path("").as_str()]).assert_absent_from(&said);
        assert!(!said.contains("Rt6"), "{name}: {said}");
    }
}

#[test]
fn insecure_cookies_are_warned_of_whatever_the_filter_of_the_log() {
    let said = |settings: &[(&str, &str)]| Place::new().start(settings).stopped_with_output();

    let (output, log) = said(&[("COOKIE_INSECURE", "1"), ("RUST_LOG", "warn")]);
    assert!(log.contains(" WARN ") && log.contains("event=cookies_insecure "), "{log}");
    assert!(output.contains("WARNING: COOKIE_INSECURE=1"), "{output}");
    let (output, log) = said(&[("COOKIE_INSECURE", "1"), ("RUST_LOG", "off")]);
    assert!(log.is_empty() && output.contains("WARNING: COOKIE_INSECURE=1"), "{log} {output}");
    let (output, log) = said(&[]);
    assert!(!log.contains("cookies_insecure") && !output.contains("WARNING"), "{log} {output}");
}

#[actix_web::test]
async fn a_service_that_cannot_go_on_says_so_last() {
    let place = Place::new();
    let server = place.start(&[("LOG_FORMAT", "json")]);
    server.register("alice", PASSWORD).await;
    let tokens = server.login("alice", PASSWORD).await;
    place.damage();

    server.post("/api/refresh_token", &json!({"refresh_token": tokens["refresh_token"]})).await;
    let (code, log) = server.ended();

    assert_eq!(code, Some(1));
    let crash = log.lines().find(|line| line.contains("sys_crash")).unwrap_or_else(|| panic!("{log}"));
    assert!(crash.contains(r#""level":"ERROR""#) && crash.contains("the storage died"), "{crash}");
    assert!(!log.contains("sys_shutdown"), "{log}");
    assert!(log.ends_with("latchkey: the storage died\n"), "the last word comes last: {log}");
}

/// A server's life at TRACE, from its start to its end: all that it said, and all that was secret in it.
async fn a_life(format: &str) -> (String, Secrets) {
    let place = Place::new();
    let mut secrets =
        Secrets::of([PASSWORD, WRONG_PASSWORD, OTHER_PASSWORD, AS_NAME, AS_NO_NAME, process::JWT, process::REFRESH]);
    let rings = [key_ring::ring(), key_ring::ring()];
    rings.iter().for_each(|ring| key_ring::add_keys(&mut secrets, ring));
    place.ring(&rings[0]);
    let server = place.start(&[
        ("RUST_LOG", "trace"),
        ("LOG_FORMAT", format),
        ("REFRESH_GRACE", "0s"),
        ("MAX_SESSIONS_PER_USER", "2"),
    ]);
    server.register("alice", PASSWORD).await;
    let late = server.login("alice", PASSWORD).await;
    secrets.add_tokens(&late);
    place.expire_sessions();
    assert_eq!(server.refresh(&late).await["reason"], "expired");

    place.ring(&rings[1][..rings[1].len() / 2]);
    server.heard("keys_refused").await;
    place.ring(&rings[1]);
    server.heard("keys_changed").await;
    server.get("/.well-known/jwks.json", None).await;
    people(&server, &mut secrets).await;
    owner(&server, &mut secrets).await;
    pages(&server, &mut secrets).await;
    hostile(&server, &mut secrets).await;
    clients(&place, &server, &mut secrets).await;

    secrets.add(&place.password_hash());
    secrets.add(&place.path(""));
    (server.stopped(), secrets)
}

/// What people do: rightly, wrongly, twice.
async fn people(server: &Process, secrets: &mut Secrets) {
    for (name, password) in [
        ("alice", WRONG_PASSWORD),
        (AS_NAME, PASSWORD),
        (AS_NO_NAME, PASSWORD),
        ("alice\n\r\u{1b}[2J\0\u{2028}", PASSWORD),
    ] {
        server.login(name, password).await;
        server.register(name, WRONG_PASSWORD).await;
    }
    let first = server.login("alice", PASSWORD).await;
    let second = server.refresh(&first).await;
    let other = server.login("alice", PASSWORD).await;
    for tokens in [&first, &second, &other] {
        secrets.add_tokens(tokens);
    }
    server.get("/api/profile", other["access_token"].as_str()).await;
    assert_eq!(server.refresh(&first).await["reason"], "reused");
    assert_eq!(server.refresh(&second).await["reason"], "revoked");
    server.post("/api/logout", &json!({"refresh_token": other["refresh_token"]})).await;
    server.get("/api/profile", other["access_token"].as_str()).await;
}

/// What an owner does to their account, until there is none.
async fn owner(server: &Process, secrets: &mut Secrets) {
    server.register("owner", PASSWORD).await;
    let sessions = [(); 3].map(|()| server.login("owner", PASSWORD));
    for session in sessions {
        secrets.add_tokens(&session.await);
    }
    let held = server.login("owner", PASSWORD).await;
    let bearer = held["access_token"].as_str().unwrap();
    let listed = server.get("/api/sessions", Some(bearer)).await;
    let other = listed["sessions"][1]["id"].as_str().unwrap();
    server.call(Method::DELETE, &format!("/api/sessions/{other}"), bearer, &json!({})).await;
    let change = |current: &str, new: &str| json!({"current_password": current, "new_password": new});
    server.call(Method::PUT, "/api/password", bearer, &change(WRONG_PASSWORD, OTHER_PASSWORD)).await;
    let fresh = server.call(Method::PUT, "/api/password", bearer, &change(PASSWORD, OTHER_PASSWORD)).await;
    for tokens in [&held, &fresh] {
        secrets.add_tokens(tokens);
    }
    let bearer = fresh["access_token"].as_str().unwrap();
    server.call(Method::POST, "/api/delete_account", bearer, &json!({"password": WRONG_PASSWORD})).await;
    server.call(Method::POST, "/api/logout_all", bearer, &json!({})).await;
    let last = server.login("owner", OTHER_PASSWORD).await;
    secrets.add_tokens(&last);
    let bearer = last["access_token"].as_str().unwrap();
    server.call(Method::POST, "/api/delete_account", bearer, &json!({"password": OTHER_PASSWORD})).await;
}

/// What clients with a secret do, and what those do that have none, or put it where it does not belong.
async fn clients(place: &Place, server: &Process, secrets: &mut Secrets) {
    let secret = place.client("orders");
    secrets.add(&secret);
    secrets.add(&STANDARD.encode(format!("orders:{secret}")));
    secrets.add(&STANDARD.encode(format!("{secret}:{secret}")));
    let held = server.login("alice", PASSWORD).await;
    secrets.add_tokens(&held);
    let (access, refresh) = (held["access_token"].as_str().unwrap(), held["refresh_token"].as_str().unwrap());
    server.knows("orders", &secret).await;
    for token in [access, refresh, &secret] {
        server.form("/api/introspect", Some(("orders", &secret)), &format!("token={token}")).await;
    }
    for (id, given) in
        [("orders", NOT_A_SECRET), ("orders", refresh), (&secret, &secret), (refresh, ""), (access, PASSWORD)]
    {
        server.form("/api/introspect", Some((id, given)), &format!("token={access}")).await;
    }
    for body in [
        format!("token={access}&client_id={secret}"),
        format!("token={access}&client_id=orders&client_secret={secret}"),
        format!("token={access}&token={refresh}&{secret}={secret}"),
        format!("token={secret}%"),
    ] {
        server.form(&format!("/api/introspect?token={access}&client_secret={secret}"), None, &body).await;
        server.form("/api/revoke", None, &body).await;
    }
    server.form("/oauth/token", None, &format!("grant_type=password&username=alice&password={PASSWORD}")).await;
    server.form("/oauth/token", None, &format!("grant_type={secret}&refresh_token={refresh}&scope={secret}")).await;
    let renewal = format!("grant_type=refresh_token&refresh_token={refresh}");
    secrets.add_tokens(&server.form("/oauth/token", None, &renewal).await);
    server.form("/api/revoke", Some(("orders", &secret)), &format!("token={refresh}")).await;
}

/// What pages do with a cookie, and pages of other sites.
async fn pages(server: &Process, secrets: &mut Secrets) {
    server.register("page", PASSWORD).await;
    let body = json!({"username": "page", "password": PASSWORD, "transport": "cookie"}).to_string();
    let declared = format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let head = |call: &str| format!("POST {call} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n");
    let cookie_of = |answer: &str| {
        let (_, rest) = answer.split_once("__Host-latchkey_refresh=").unwrap_or_else(|| panic!("no cookie: {answer}"));
        rest.split(';').next().unwrap().to_owned()
    };
    let cookie = cookie_of(&server.send(&format!("{}{declared}", head("/api/login"))));
    secrets.add(&cookie);
    let sending = |call: &str, cookie: &str, site: &str| {
        let cookie = format!("Cookie: a=b; __Host-latchkey_refresh={cookie}\r\n");
        server.send(&format!("{}{cookie}Sec-Fetch-Site: {site}\r\n\r\n", head(call)))
    };
    for (call, site) in [
        ("/api/refresh_token", "cross-site"),
        ("/api/logout", "same-site"),
        ("/api/logout", PASSWORD),
        ("/api/profile", "same-origin"),
    ] {
        sending(call, &cookie, site);
    }
    sending("/api/refresh_token", &format!("{cookie}; __Host-latchkey_refresh={cookie}"), "same-origin");
    let next = cookie_of(&sending("/api/refresh_token", &cookie, "same-origin"));
    secrets.add(&next);
    sending("/api/logout", &next, "same-origin");
    sending("/api/refresh_token", &next, "same-origin");
}

/// What broken and hostile clients do with what they hold.
async fn hostile(server: &Process, secrets: &mut Secrets) {
    let held = server.login("alice", PASSWORD).await;
    secrets.add_tokens(&held);
    let (access, refresh) = (held["access_token"].as_str().unwrap(), held["refresh_token"].as_str().unwrap());
    let forged = format!("{}{NOT_A_SECRET}", &access[..access.len() - NOT_A_SECRET.len()]);
    server.get("/api/profile", Some(&forged)).await;
    server.get("/api/profile", Some(refresh)).await;
    server.get(&format!("/api/{refresh}?access_token={access}&password={PASSWORD}"), None).await;
    server.get("/a%0a%0d%1b%00%e2%80%a8b", None).await;

    let json = "Content-Type: application/json\r\n";
    let body = |body: String| format!("{json}Content-Length: {}\r\n\r\n{body}", body.len());
    for (line, rest) in [
        ("POST /api/refresh_token", body(format!(r#"{{"refresh_token":"{refresh}""#))),
        ("POST /api/refresh_token", body(format!(r#"{{"refresh_token":["{refresh}"]}}"#))),
        ("POST /api/login", body(format!(r#"["alice","{PASSWORD}"]"#))),
        ("POST /api/login", body(format!(r#"{{"username":"alice","password":{{"{PASSWORD}":1}}}}"#))),
        ("POST /api/login", format!("Content-Type: {PASSWORD}\r\nContent-Length: 2\r\n\r\n{{}}")),
        ("POST /api/login", format!("{json}Content-Length: {PASSWORD}\r\n\r\n")),
        ("POST /api/login", format!("{json}Content-Length: 5\r\nContent-Length: {PASSWORD}\r\n\r\n")),
        ("POST /api/login", format!("{json}Transfer-Encoding: {PASSWORD}\r\n\r\n")),
        ("POST /api/login", format!("{json}Transfer-Encoding: chunked\r\n\r\n{PASSWORD}\r\n")),
        ("POST /api/login", format!("{json}Transfer-Encoding: chunked\r\n\r\n2\r\n{PASSWORD}\r\n")),
        ("POST /api/login", format!("Expect: {PASSWORD}\r\n{}", body("{}".to_owned()))),
        ("GET /api/profile", format!("Authorization: Basic {access}\r\n\r\n")),
        ("GET /api/profile", format!("Authorization: Bearer {access}\r\nAuthorization: Bearer {refresh}\r\n\r\n")),
        ("GET /api/profile", format!("X-Request-Id: {access}\r\nCookie: t={refresh}\r\n\r\n")),
        ("GET /api", format!("{PASSWORD}: {access}\r\n\r\n")),
        ("GET /api", format!("{access}\r\n\r\n")),
        ("GET /api", format!("X: {access}\u{1b}\0\r\n\r\n")),
        (&format!("{} /api", &refresh[4..40]), "\r\n".to_owned()),
        (&format!("GET /{access} {PASSWORD}"), "\r\n".to_owned()),
    ] {
        server.send(&format!("{line} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{rest}"));
    }
    let login = json!({"username": "alice", "password": PASSWORD}).to_string();
    let agent = format!("User-Agent: a\u{2028}b\u{202e}c\td\r\nX-Request-Id: a\u{2028}b\r\n{}", body(login));
    let answer = server.send(&format!("POST /api/login HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{agent}"));
    let (_, tokens) = answer.split_once("\r\n\r\n").unwrap();
    secrets.add_tokens(&serde_json::from_str(tokens).expect(tokens));
}

/// Ends a line somewhere, steers a terminal, or turns the direction of writing.
fn misleads(char: char) -> bool {
    char.is_control() || "\u{2028}\u{2029}\u{202e}".contains(char)
}
