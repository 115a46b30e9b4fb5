//! The two secrets: given, read from a file, or made on the first run and found again.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Barrier;

use latchkey::config::Settings;

use crate::{CANARY, JWT, Place, REFRESH, pair};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn secrets_are_made_once_and_found_again() {
    let place = Place::new();

    let first = place.load(&[]).unwrap();
    let again = place.load(&[]).unwrap();

    assert_eq!(pair(&first), pair(&again));
    assert_ne!(first.jwt_secret, first.refresh_token_secret);
    assert_ne!(pair(&first), pair(&Place::new().load(&[]).unwrap()));
    assert_eq!(place.names_in("data"), ["latchkey.secrets"]);
    assert_eq!((mode(&place.secrets_file()), mode(&place.path("data"))), (0o600, 0o700));
}

#[test]
fn a_line_of_the_secrets_file_means_the_same_in_the_environment() {
    let place = Place::new();
    let made = place.load(&[]).unwrap();
    let text = fs::read_to_string(place.secrets_file()).unwrap();
    let lines: Vec<(&str, &str)> = text.lines().filter_map(|line| line.split_once('=')).collect();

    let moved = Place::new().load(&lines).unwrap();

    assert_eq!(pair(&made), pair(&moved));
}

#[test]
fn many_first_starts_at_once_agree_on_one_pair() {
    const STARTS: usize = 16;
    let place = Place::new();
    let barrier = Barrier::new(STARTS);

    let pairs: BTreeSet<_> = std::thread::scope(|scope| {
        let start = || {
            barrier.wait();
            pair(&place.load(&[]).unwrap())
        };
        let starts: Vec<_> = (0..STARTS).map(|_| scope.spawn(start)).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });

    assert_eq!(pairs.len(), 1);
    assert_eq!(place.names_in("data"), ["latchkey.secrets"]);
}

#[test]
fn secrets_that_others_can_read_are_refused_and_left_alone() {
    for open in [0o640, 0o604, 0o620, 0o660, 0o644] {
        let place = Place::new();
        let made = place.load(&[]).unwrap();
        fs::set_permissions(place.secrets_file(), fs::Permissions::from_mode(open)).unwrap();

        let refusal = place.refusal(&[]);

        assert!(refusal.starts_with(&format!("JWT_SECRET: {}: ", place.secrets_file().display())), "{refusal}");
        assert!(refusal.contains("chmod 600") && !refusal.contains('\n'), "{refusal}");
        fs::set_permissions(place.secrets_file(), fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(pair(&place.load(&[]).unwrap()), pair(&made));
    }
}

#[test]
fn a_half_written_or_garbled_secrets_file_is_refused_and_left_alone() {
    let place = Place::new();
    place.load(&[]).unwrap();
    let whole = fs::read(place.secrets_file()).unwrap();
    let long = [whole.as_slice(), &[b'#'; 5000]].concat();
    for text in [&whole[..0], &whole[..whole.len() / 2], &whole[..whole.len() - 1], b"canary7\n", b"\xff\n", &long] {
        fs::write(place.secrets_file(), text).unwrap();

        let refusal = place.refusal(&[("JWT_SECRET", JWT)]);

        let start = format!("REFRESH_TOKEN_SECRET: {}: is incomplete or was changed; ", place.secrets_file().display());
        assert!(refusal.starts_with(&start), "{refusal}");
        assert!(!refusal.contains(CANARY) && !refusal.contains('\n'), "{refusal}");
        assert_eq!(fs::read(place.secrets_file()).unwrap(), text);
    }
}

#[test]
fn what_is_not_a_file_cannot_hold_the_secrets() {
    let place = Place::new();
    fs::create_dir_all(place.secrets_file()).unwrap();
    assert!(place.refusal(&[]).contains("is not a file"));

    let place = Place::new();
    place.write("data", "a file where the directory should be");
    let refusal = place.refusal(&[]);
    assert!(refusal.starts_with("JWT_SECRET: ") && !refusal.contains('\n'), "{refusal}");
}

#[test]
fn only_the_secret_that_is_not_given_comes_from_the_file() {
    let place = Place::new();
    let made = place.load(&[]).unwrap();

    let jwt_given = place.load(&[("JWT_SECRET", JWT)]).unwrap();
    let refresh_given = place.load(&[("REFRESH_TOKEN_SECRET", REFRESH)]).unwrap();

    assert_eq!(pair(&jwt_given), (JWT.into(), pair(&made).1));
    assert_eq!(pair(&refresh_given), (pair(&made).0, REFRESH.into()));
}

#[test]
fn nothing_is_made_when_both_secrets_are_given_or_the_start_is_refused() {
    let place = Place::new();

    place.load(&[("JWT_SECRET", JWT), ("REFRESH_TOKEN_SECRET", REFRESH)]).unwrap();
    place.refusal(&[("SESSION_TTL", "1d")]);
    place.refusal(&[("REFRESH_TOKEN_SECRET", "short")]);
    place.refusal(&[(
        "DATABASE_URL",
        &format!("sqlite://{}", place.path(&format!("made/{}", "x".repeat(240))).display()),
    )]);

    assert_eq!(place.names_in("."), Vec::<String>::new());
}

#[test]
fn the_longest_names_leave_room_for_the_secrets_beside_the_database() {
    let place = Place::new();
    let database = format!("sqlite://{}", place.path(&format!("made/{}", "x".repeat(225))).display());
    assert!(place.load(&[("DATABASE_URL", &database)]).is_ok());
}

#[test]
fn a_secret_from_a_file_loses_one_line_end_and_nothing_else() {
    for (text, kept) in [(JWT.to_owned(), JWT), (format!("{JWT}\n"), JWT), (format!("{JWT}\r\n"), JWT)] {
        let place = Place::new();
        let file = place.write("jwt", text);
        let settings = place.load(&[("JWT_SECRET_FILE", &file)]).unwrap();
        assert_eq!(settings.jwt_secret.expose(), kept.as_bytes());
    }
    let place = Place::new();
    let file = place.write("jwt", format!(" {JWT}\n\n"));
    let settings = place.load(&[("JWT_SECRET_FILE", &file)]).unwrap();
    assert_eq!(settings.jwt_secret.expose(), format!(" {JWT}\n").as_bytes());
}

#[test]
fn a_secret_from_a_file_is_held_to_the_same_strength() {
    for text in ["canary7", "changeme-canary7-changeme-canary7-x\n", "", &"canary7".repeat(1000)] {
        let place = Place::new();
        let file = place.write("jwt", text);
        let refusal = place.refusal(&[("JWT_SECRET_FILE", &file)]);
        assert!(refusal.starts_with("JWT_SECRET_FILE: ") && !refusal.contains(CANARY), "{refusal}");
    }
}

#[test]
fn a_file_that_is_no_secret_is_not_read_to_its_end() {
    let refusal = Place::new().refusal(&[("JWT_SECRET_FILE", "/dev/zero")]);
    assert!(refusal.starts_with("JWT_SECRET_FILE: the file that it names is longer than 4096 bytes"), "{refusal}");
}

#[test]
fn settings_do_not_show_their_secrets_in_debug_output() {
    let settings = Place::new().load(&[("JWT_SECRET", JWT), ("REFRESH_TOKEN_SECRET", REFRESH)]).unwrap();
    let shown = format!("{settings:?}");
    assert!(!shown.contains(JWT) && !shown.contains(REFRESH), "{shown}");
}

#[test]
fn new_secrets_are_not_made_beside_a_database_that_is_not_new() {
    let place = Place::new();
    place.load(&[]).unwrap();
    fs::remove_file(place.secrets_file()).unwrap();
    fs::write(place.path("data/latchkey.db"), "rows").unwrap();

    let refusal = place.refusal(&[]);

    let start =
        format!("JWT_SECRET: {}: is missing although the database is not new; ", place.secrets_file().display());
    assert!(refusal.starts_with(&start) && !refusal.contains('\n'), "{refusal}");
    let database = format!("sqlite://{}", place.path("data/latchkey.db").display());
    let checked = Settings::check([("DATABASE_URL", database)], None);
    assert_eq!(checked.unwrap_err().to_string(), refusal, "check-config says the same as a start");
    assert_eq!(place.names_in("data"), ["latchkey.db"]);
    assert!(place.load(&[("JWT_SECRET", JWT), ("REFRESH_TOKEN_SECRET", REFRESH)]).is_ok());
}
