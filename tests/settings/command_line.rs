//! What the process says to whoever starts it, and how it ends.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Output};

use crate::{CANARY, JWT, Place, REFRESH};

/// The real binary in a directory of its own, with this environment and no other.
fn latchkey(place: &Place, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_latchkey"))
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied())
        .current_dir(place.directory.path())
        .output()
        .unwrap()
}

#[test]
fn the_process_says_what_it_refuses_in_one_line_on_standard_error_and_ends_with_78() {
    let place = Place::new();
    for arguments in [[].as_slice(), &["serve"]] {
        let output = latchkey(&place, arguments, &[("PORT", CANARY)]);

        assert_eq!(output.status.code(), Some(78));
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "latchkey: PORT: not a number from 0 to 65535\n");
        assert_eq!(output.stdout, b"");
    }
    place.write(".env", "TYPO=1\n");
    let output = latchkey(&place, &[], &[]);
    assert_eq!(output.status.code(), Some(78));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "latchkey: .env: line 1: TYPO: not a setting\n");
}

#[test]
fn help_and_version_need_no_settings_and_a_wrong_argument_ends_with_2() {
    let place = Place::new();
    let refused = [("PORT", CANARY)];

    let help = latchkey(&place, &["--help"], &refused);
    let version = latchkey(&place, &["--version"], &refused);
    let wrong = latchkey(&place, &["swerve"], &refused);

    let help = String::from_utf8(help.stdout).unwrap();
    for word in ["serve", "check-config", "healthcheck", "users", "sessions", ".env", "Exit codes"] {
        assert!(help.contains(word), "{word} in\n{help}");
    }
    assert!(version.status.success());
    for command in ["serve", "check-config", "healthcheck", "users", "sessions"] {
        assert!(latchkey(&place, &[command, "--help"], &refused).status.success(), "{command}");
    }
    assert_eq!(String::from_utf8(version.stdout).unwrap(), format!("latchkey {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(wrong.status.code(), Some(2));
}

/// What `check-config` prints, once it has ended with 0.
fn checked(place: &Place, environment: &[(&str, &str)]) -> String {
    let output = latchkey(place, &["check-config"], environment);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.stderr, b"");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn check_config_shows_every_setting_of_the_example_in_its_order() {
    let shown = checked(&Place::new(), &[]);

    let names: Vec<_> = shown.lines().map(|line| line.split('=').next().unwrap()).collect();
    let example = include_str!("../../.env.example").lines().filter_map(|line| line.strip_prefix('#')?.split_once('='));
    let example: Vec<_> = example.map(|(name, _)| name).filter(|name| !name.contains(' ')).collect();
    assert_eq!(names, example);
    let cores = std::thread::available_parallelism().unwrap();
    for line in
        ["PORT=3000  # default", "DATABASE_URL=sqlite://data/latchkey.db  # default", "RUST_LOG=info  # default"]
            .map(str::to_owned)
            .into_iter()
            .chain(["WORKERS", "HASH_THREADS"].map(|name| format!("{name}={cores}  # default")))
    {
        assert!(shown.lines().any(|shown| shown == line), "{line} in\n{shown}");
    }
}

#[test]
fn check_config_says_where_each_setting_was_found() {
    let place = Place::new();
    place.write(".env", "PORT=4000\nHOST=localhost\n");
    place.write("jwt", JWT);

    let shown = checked(&place, &[("PORT", "5000"), ("JWT_SECRET_FILE", "jwt"), ("REFRESH_TOKEN_SECRET", REFRESH)]);

    for line in [
        "PORT=5000  # environment",
        "HOST=localhost  # .env",
        "JWT_ISSUER=latchkey  # default",
        "JWT_SECRET=(not shown)  # file jwt",
        "JWT_SECRET_FILE=jwt  # environment",
        "REFRESH_TOKEN_SECRET=(not shown)  # environment",
        "REFRESH_TOKEN_SECRET_FILE=  # default",
        "KEY_RING=(none)  # default",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line} in\n{shown}");
    }
}

#[test]
fn check_config_never_shows_a_secret() {
    let place = Place::new();
    let kept =
        place.load(&[("DATABASE_URL", &format!("sqlite://{}", place.path("data/latchkey.db").display()))]).unwrap();
    place.write("secret", JWT);
    for environment in [
        vec![],
        vec![("JWT_SECRET", JWT)],
        vec![("JWT_SECRET", JWT), ("REFRESH_TOKEN_SECRET", REFRESH)],
        vec![("JWT_SECRET_FILE", "secret"), ("REFRESH_TOKEN_SECRET", REFRESH)],
    ] {
        let shown = checked(&place, &environment);

        for secret in [JWT.as_bytes(), REFRESH.as_bytes(), kept.jwt_secret.expose(), kept.refresh_token_secret.expose()]
        {
            assert!(!shown.contains(str::from_utf8(secret).unwrap()), "{environment:?}: {shown}");
        }
        for line in shown.lines().filter(|line| line.split('=').next().unwrap().ends_with("_SECRET")) {
            assert!(line.contains("_SECRET=(not shown)  # "), "{line}");
        }
    }
}

#[test]
fn check_config_makes_nothing_and_finds_what_a_start_has_made() {
    let place = Place::new();

    let before = checked(&place, &[]);

    assert_eq!(place.names_in("."), Vec::<String>::new());
    assert!(before.contains("JWT_SECRET=(made at the first start)  # default\n"), "{before}");
    place.load(&[]).unwrap();
    let after = checked(&place, &[]);
    assert!(after.contains("REFRESH_TOKEN_SECRET=(not shown)  # file data/latchkey.secrets\n"), "{after}");
    assert_eq!(place.names_in("data"), ["latchkey.secrets"]);
}

#[test]
fn check_config_refuses_what_a_start_refuses_in_the_same_words() {
    let refused = |place: &Place, environment: &[(&str, &str)]| {
        let (checked, started) = (latchkey(place, &["check-config"], environment), latchkey(place, &[], environment));
        assert_eq!((checked.status.code(), &checked.stdout), (Some(78), &Vec::new()), "{environment:?}");
        let words = String::from_utf8(checked.stderr).unwrap();
        assert_eq!(words, String::from_utf8(started.stderr).unwrap());
        assert!(words.starts_with("latchkey: ") && words.lines().count() == 1 && !words.contains(CANARY), "{words}");
        words
    };
    let place = Place::new();
    for environment in [
        vec![("PORT", CANARY)],
        vec![("SESSION_TTL", "1d")],
        vec![("JWT_SECRET", CANARY)],
        vec![("JWT_SECRET_FILE", "/nowhere/canary7")],
        vec![("JWT_SECRET", JWT), ("REFRESH_TOKEN_SECRET", JWT)],
    ] {
        refused(&place, &environment);
    }
    place.load(&[]).unwrap();
    let made = fs::read_to_string(place.secrets_file()).unwrap();
    let jwt = made.lines().find_map(|line| line.strip_prefix("JWT_SECRET=")).unwrap();
    let repeated = refused(&place, &[("REFRESH_TOKEN_SECRET", jwt)]);
    assert!(repeated.contains("repeats JWT_SECRET"), "{repeated}");
    fs::write(place.secrets_file(), "canary7\n").unwrap();
    assert!(refused(&place, &[]).contains("data/latchkey.secrets: is incomplete or was changed"));
}

#[test]
fn check_config_refuses_a_ring_as_a_start_does_and_shows_the_settings_all_the_same() {
    let place = Place::new();
    let ring = r#"{"version": 1, "access_tokens": [], "refresh_tokens": [], "canary7": ""}"#;
    place.write("ring", ring);
    for (name, value, words) in [
        ("KEY_RING", ring, "KEY_RING: the key ring is incomplete"),
        ("KEY_RING_FILE", "ring", "KEY_RING_FILE: the file that it names is incomplete"),
        ("KEY_RING_FILE", "nowhere", "KEY_RING_FILE: the file that it names cannot be read"),
    ] {
        let environment = [(name, value), ("PORT", "5000")];

        let (checked, started) =
            (latchkey(&place, &["check-config"], &environment), latchkey(&place, &[], &environment));

        assert_eq!(checked.status.code(), Some(78), "{value}");
        let refusal = String::from_utf8(checked.stderr).unwrap();
        assert!(refusal.contains(words) && refusal.lines().count() == 1 && !refusal.contains(CANARY), "{refusal}");
        assert_eq!(refusal, String::from_utf8(started.stderr).unwrap());
        let shown = String::from_utf8(checked.stdout).unwrap();
        assert!(shown.contains("PORT=5000  # environment\n") && shown.contains("KEY_RING=(not shown)"), "{shown}");
        assert!(!shown.contains(CANARY), "{shown}");
        assert_eq!(place.names_in("."), ["ring"]);
    }
}

#[test]
fn a_start_with_a_ring_that_cannot_be_used_leaves_nothing_behind() {
    let place = Place::new();
    let refused = latchkey(&place, &[], &[("KEY_RING", "{\"version\": 2}")]);

    assert_eq!(refused.status.code(), Some(78));
    let words = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(words, "latchkey: KEY_RING: the key ring was written by a newer version of latchkey\n");
    assert_eq!(place.names_in("."), Vec::<String>::new());
}

#[test]
fn check_config_says_where_the_ring_is_and_shows_nothing_of_it() {
    let place = Place::new();
    let ring = r#"{"version": 1, "access_tokens": [], "refresh_tokens": [], "comment": "canary7"}"#;
    place.write("ring", ring);
    for (name, value, line) in [
        ("KEY_RING", ring, "KEY_RING=(not shown)  # environment"),
        ("KEY_RING_FILE", "ring", "KEY_RING=(not shown)  # file ring"),
    ] {
        let shown = checked(&place, &[(name, value)]);
        assert!(shown.lines().any(|shown| shown == line) && !shown.contains(CANARY), "{line} in\n{shown}");
    }
    assert_eq!(place.names_in("."), ["ring"]);
}

/// Answers one connection with this, once it has read the request's head; the head is what comes back.
fn answering(answer: &'static str) -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let served = std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && connection.read(&mut byte).unwrap() == 1 {
            head.push(byte[0]);
        }
        connection.write_all(answer.as_bytes()).unwrap();
        String::from_utf8(head).unwrap()
    });
    (port, served)
}

#[test]
fn healthcheck_asks_the_configured_port_and_is_content_with_200_alone() {
    let table = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0, "answers 200"),
        ("HTTP/1.1 503 Service Unavailable\r\n\r\n", 1, "answers 503"),
        ("HTTP/1.1 204 No Content\r\n\r\n", 1, "answers 204"),
        ("canary7 200 OK\r\n", 1, "is not HTTP"),
        ("", 1, "is not HTTP"),
    ];
    for (answer, code, words) in table {
        for (arguments, path) in [(["healthcheck"].as_slice(), "/readyz"), (&["healthcheck", "--live"], "/healthz")] {
            let place = Place::new();
            let (port, served) = answering(answer);
            let output = latchkey(&place, arguments, &[("HOST", "0.0.0.0"), ("PORT", &port)]);

            let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            assert_eq!(output.status.code(), Some(code), "{answer:?}: {said}");
            assert!(said.contains(words) && said.contains(&port) && said.contains(path), "{answer:?}: {said}");
            assert!(said.lines().count() == 1 && !said.contains(CANARY), "{said}");
            let asked = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
            assert_eq!(served.join().unwrap(), asked);
            assert_eq!(place.names_in("."), Vec::<String>::new());
        }
    }
}

#[test]
fn healthcheck_ends_with_1_where_nobody_listens_and_where_it_cannot_know_whom_to_ask() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    for (port, words) in [(free.as_str(), "does not answer"), ("0", "PORT: 0"), (CANARY, "PORT: not a number")] {
        let output = latchkey(&Place::new(), &["healthcheck"], &[("PORT", port)]);

        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{said}");
        assert!(said.starts_with("latchkey: ") && said.contains(words) && said.lines().count() == 1, "{said}");
    }
}
