//! The file `.env`: what a line may be, and that the environment wins over it.

use std::fs;

use crate::{CANARY, JWT, Place};

#[test]
fn the_environment_wins_over_dotenv() {
    let place = Place::new();
    place.write(".env", "# mine\nexport PORT=4000 # not 3000\nHOST=\"localhost\"\nJWT_ISSUER='a$b'\nWORKERS=none\n");

    let settings = place.load(&[("PORT", "5000"), ("WORKERS", "2")]).unwrap();

    assert_eq!((settings.port, settings.host.as_str(), settings.workers), (5000, "localhost", 2));
    assert_eq!(settings.jwt_issuer, "a$b");
    assert!(std::env::var_os("HOST").is_none_or(|host| host != "localhost"), "the environment was changed");
}

#[test]
fn a_line_of_dotenv_that_cannot_be_used_is_refused_by_its_number_without_its_content() {
    let table = [
        ("\nPORT=1\nPROT=canary7\n", 3, "PROT: not a setting"),
        ("BASE_URL=canary7", 1, "BASE_URL: not a setting"),
        ("port=canary7", 1, "not a setting"),
        ("canary7=1", 1, "not a setting"),
        ("CANARY7CANARY7CANARY7CANARY7CANARY7CANARY7==", 1, "not a setting"),
        ("PORT=1\nHOST=localhost\nPORT=canary7", 3, "PORT: given a second time"),
        ("# fine\n\ncanary7", 3, "not NAME=value"),
        ("PORT=1\nJWT_ISSUER=canary7 canary7\n", 2, "not NAME=value"),
        ("JWT_ISSUER='canary7\n", 1, "not NAME=value"),
        ("JWT_SECRET=canary7$HOME\n", 1, "a `$` would be replaced"),
        ("# $5\nPORT=1\nJWT_SECRET=\"\\$canary7$\"", 3, "a `$` would be replaced"),
    ];
    for (text, line, reason) in table {
        let place = Place::new();
        let file = place.write(".env", text);
        let refusal = place.refusal(&[]);
        assert!(refusal.starts_with(&format!("{file}: line {line}: {reason}")), "{text:?}: {refusal}");
        assert!(!refusal.to_ascii_lowercase().contains(CANARY) && !refusal.contains('\n'), "{refusal}");
    }
}

#[test]
fn a_dollar_is_taken_as_it_stands_only_in_single_quotes_or_behind_a_backslash_of_its_own() {
    let place = Place::new();
    place.write(".env", r#"JWT_AUDIENCE='a\$PATH'"".\$b"#);
    assert_eq!(place.load(&[]).unwrap().jwt_audience, r"a\$PATH.$b");

    place.write(".env", "JWT_AUDIENCE=a # costs $5\n");
    assert_eq!(place.load(&[]).unwrap().jwt_audience, "a");

    for value in [
        "a$PATH.'b'",
        r"a\ #$PATH.",
        "'a '#$PATH.",
        "a#$PATH.",
        r#""'$PATH.'""#,
        r#""\\$PATH.""#,
        r"'\'$PATH.",
        "$PATH.",
    ] {
        let file = place.write(".env", format!("PORT=1\nJWT_AUDIENCE={value}\n"));
        assert!(place.refusal(&[]).starts_with(&format!("{file}: line 2: a `$` would be replaced")), "{value}");
    }
}

#[test]
fn white_space_that_looks_like_a_blank_does_not_end_a_value_by_chance() {
    for space in ['\u{a0}', '\u{b}', '\u{2003}', '\r'] {
        let place = Place::new();
        for spaces in 1..=3 {
            let spaces = String::from(space).repeat(spaces);
            let file = place.write(".env", format!("PORT=1\nJWT_SECRET={JWT}{spaces}#{JWT}\n"));
            let refusal = place.refusal(&[]);
            assert!(refusal.starts_with(&format!("{file}: line 2: white space that is neither")), "{refusal}");
        }
        place.write(".env", format!("JWT_SECRET='{JWT}{space}#{JWT}' # {space}\n"));
        assert_eq!(place.load(&[]).unwrap().jwt_secret.expose(), format!("{JWT}{space}#{JWT}").as_bytes());
    }
}

#[test]
fn no_setting_is_swallowed_by_the_line_before_it() {
    let swallowing = [
        ("PORT=4000  # don't show it\nACCESS_TOKEN_TTL=5m\nHOST=::  # it's public\n", 1),
        ("PORT=1\nJWT_ISSUER='a\nHOST=::\n'\n", 2),
        ("JWT_ISSUER=\"a\nHOST=::\n\"\n", 1),
        ("PORT=1\nJWT_ISSUER=a\\\nHOST=::\n", 2),
    ];
    for (text, line) in swallowing {
        let place = Place::new();
        let file = place.write(".env", text);
        let refusal = place.refusal(&[]);
        assert!(
            refusal.starts_with(&format!("{file}: line {line}: not NAME=value on one line")),
            "{text:?}: {refusal}"
        );
    }
}

#[test]
fn a_line_of_the_example_can_be_uncommented_as_it_stands() {
    let mut tried = 0;
    for line in include_str!("../../.env.example").lines().filter_map(|line| line.strip_prefix('#')) {
        let Some((name, value)) = line.split_once('=') else { continue };
        if !name.contains(' ') && !value.is_empty() {
            let place = Place::new();
            place.write(".env", line);
            assert!(place.load(&[]).is_ok(), "{line}: {}", place.refusal(&[]));
            tried += 1;
        }
    }
    assert!(tried > 10, "only {tried} settings found: does this test still read the example?");
}

#[test]
fn blanks_at_the_end_of_the_file_wait_for_nothing() {
    let place = Place::new();
    place.write(".env", "HOST=localhost # don't show it\nPORT=4000 ");
    assert_eq!(place.load(&[]).unwrap().port, 4000);
}

#[test]
fn a_dotenv_that_cannot_be_read_is_refused_and_a_missing_one_is_fine() {
    let place = Place::new();
    assert!(place.load(&[]).is_ok());

    let file = place.write(".env", b"JWT_ISSUER=canary7\xff\n");
    assert_eq!(
        place.refusal(&[]),
        format!(
            "{file}: line 1: not NAME=value on one line, a blank in the value without quotes, or a quote that is not closed"
        )
    );

    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert!(place.refusal(&[]).starts_with(&format!("{file}: cannot be read: ")));
}

#[test]
fn a_byte_order_mark_and_line_ends_of_windows_are_no_part_of_a_value() {
    let place = Place::new();
    place.write(".env", "\u{feff}PORT=4000\r\nHOST=localhost\r\n");

    let settings = place.load(&[]).unwrap();

    assert_eq!((settings.port, settings.host.as_str()), (4000, "localhost"));
}
