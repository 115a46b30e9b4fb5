//! `latchkey keys`, where it is refused: with a line, and nothing has changed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use crate::keys::with_a_signing_key;
use crate::place::{Place, said};

impl Place {
    /// Everything in the directory.
    fn everything(&self) -> Vec<(String, Vec<u8>)> {
        let data = self.path().join("data");
        let mut files: Vec<_> = fs::read_dir(data).map_or_else(
            |_| Vec::new(),
            |files| {
                let files = files.map(|file| file.unwrap().path());
                files.map(|path| (path.display().to_string(), fs::read(&path).unwrap_or_default())).collect()
            },
        );
        files.sort();
        files
    }
}

#[test]
fn what_cannot_be_done_is_refused_with_a_line_and_changes_nothing() {
    let place = with_a_signing_key("EdDSA");
    place.ok(&["keys", "rotate", "--activate-in", "1h"]);
    place.age(Duration::from_secs(3600 - 5));
    let waiting = place.key("access", "waiting");
    let before = place.everything();

    let table: [(&[&str], i32, &str); 8] = [
        (&["generate", "--alg", "ES256"], 1, "waits already and signs from"),
        (&["rotate"], 1, &format!("wait until then, or cancel it (latchkey keys retire -- {waiting})")),
        (&["retire", "--", &waiting], 1, "too soon for every node to hear of it"),
        (&["retire", "nobody"], 1, "nobody: no key of this name"),
        (&["retire", "nobody", "--now", "--yes"], 1, "nobody: no key of this name"),
        (&["retire", "--now", "--", &waiting], 2, "needs --yes"),
        (&["init"], 1, "there is a key ring already"),
        (&["init", "--yes"], 1, "there is a key ring already"),
    ];
    for (arguments, code, words) in table {
        place.run(&[&["keys"], arguments].concat()).assert_failed(code, words);
    }
    for arguments in [
        &[][..],
        &["generate"],
        &["generate", "--alg", "none"],
        &["generate", "--alg", "eddsa"],
        &["generate", "--alg", "EdDSA", "--activate-in", "14s"],
        &["generate", "--alg", "EdDSA", "--activate-in", "soon"],
        &["generate", "--alg", "EdDSA", "--activate-in", "31d"],
        &["rotate", "EdDSA"],
        &["rotate", "--refresh", "--activate-in", "14999ms"],
        &["retire"],
        &["retire", "nobody", "--yes"],
        &["retire", "nobody", "--now", "--activate-in", "60s"],
        &["list", "nobody"],
    ] {
        assert_eq!(place.run(&[&["keys"], arguments].concat()).code, Some(2), "{arguments:?}");
    }
    assert_eq!(place.everything(), before);
}

#[test]
fn where_no_server_ever_started_only_what_makes_a_key_makes_anything() {
    let place = Place::new();

    place.run(&["keys", "list"]).assert_failed(1, "there are no keys yet");
    place.run(&["keys", "retire", "hs-00000000"]).assert_failed(1, "hs-00000000: no key of this name");
    place.run(&["keys", "retire", "hs-00000000", "--now", "--yes"]).assert_failed(1, "no key of this name");
    assert_eq!(place.run(&["keys", "rotate", "--activate-in", "1s"]).code, Some(2));
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);

    place.ok(&["keys", "rotate", "--refresh"]);
    assert_eq!(place.keys("refresh").len(), 2);
}

#[test]
fn a_ring_from_the_environment_is_listed_and_not_changed() {
    let place = with_a_signing_key("EdDSA");
    let given = place.ring();
    fs::remove_file(place.path().join("data/latchkey.keys")).unwrap();
    let with_ring = |arguments: &[&str]| {
        let mut command = place.command(arguments);
        command.env("KEY_RING", &given);
        said(command, "")
    };
    let before = place.everything();
    let listed = with_ring(&["keys", "list"]).ok();
    let kid = listed.lines().nth(1).unwrap().split(' ').next().unwrap().to_owned();

    for arguments in [
        &["keys", "rotate"][..],
        &["keys", "generate", "--alg", "EdDSA"],
        &["keys", "retire", "--", &kid],
        &["keys", "retire", "--now", "--yes", "--", &kid],
    ] {
        with_ring(arguments).assert_failed(78, "KEY_RING: comes from the environment and cannot be changed here");
    }
    with_ring(&["keys", "init", "--yes"]).assert_failed(1, "there is a key ring already");
    assert_eq!(place.everything(), before);
    // Nor are secrets made for it.
    let nowhere = Place::new();
    let mut command = nowhere.command(&["keys", "rotate"]);
    command.env("KEY_RING", &given);
    assert_eq!(said(command, "").code, Some(78));
    assert_eq!(fs::read_dir(nowhere.path()).unwrap().count(), 0);
}

#[test]
fn a_ring_that_cannot_be_trusted_is_refused_with_78_and_left_alone() {
    type Spoil = fn(&Place);
    let file = |place: &Place| place.path().join("data/latchkey.keys");
    let table: [(Spoil, &str); 4] = [
        (
            |place| {
                fs::set_permissions(place.path().join("data/latchkey.keys"), fs::Permissions::from_mode(0o644)).unwrap()
            },
            "chmod 600",
        ),
        (
            |place| fs::write(place.path().join("data/latchkey.keys"), &place.ring()[..200]).unwrap(),
            "is incomplete or was changed",
        ),
        (
            |place| {
                fs::write(
                    place.path().join("data/latchkey.keys"),
                    place.ring().replace("\"version\": 1", "\"version\": 2"),
                )
                .unwrap()
            },
            "newer version",
        ),
        (|place| fs::remove_file(place.path().join("data/latchkey.secrets")).unwrap(), "latchkey.secrets"),
    ];
    for (spoil, words) in table {
        let place = with_a_signing_key("EdDSA");
        place.ok(&["keys", "rotate", "--refresh"]);
        drop(place.serve());
        spoil(&place);
        let before = fs::read(file(&place)).unwrap();

        for arguments in [&["keys", "list"][..], &["keys", "rotate"], &["keys", "retire", "x"]] {
            place.run(arguments).assert_failed(78, words);
        }
        assert_eq!(fs::read(file(&place)).unwrap(), before, "{words}");
    }
}

#[test]
fn a_ring_that_cannot_be_written_stays_as_it_was() {
    let place = with_a_signing_key("EdDSA");
    // In the way of the temporary file; a folder without write permission would not stop root.
    fs::create_dir(place.path().join("data/.latchkey.keys.tmp")).unwrap();
    let before = place.ring();

    place.run(&["keys", "rotate"]).assert_failed(1, "cannot be written");

    assert_eq!(place.ring(), before);
    assert_eq!(place.keys("access").len(), 2);
}

#[test]
fn a_damaged_ring_without_a_backup_is_kept_aside_and_an_empty_one_begun() {
    let damages: [fn(&str) -> String; 3] =
        [|text| text[..200].to_owned(), |_| String::new(), |text| text.replacen("\"d\":\"", "\"d\":\"AAAA", 1)];
    for damage in damages {
        let place = with_a_signing_key("EdDSA");
        drop(place.serve());
        let (data, damaged) = (place.path().join("data"), damage(&place.ring()));
        fs::write(data.join("latchkey.keys"), &damaged).unwrap();
        place.run(&["serve"]).assert_failed(78, "latchkey keys init");
        place.run(&["keys", "init"]).assert_failed(2, "needs --yes");
        assert_eq!(place.ring(), damaged);

        let told = place.ok(&["keys", "init", "--yes"]);

        let kept = told.lines().find_map(|line| line.strip_suffix(": what was there, with its keys")).unwrap();
        assert!(kept.contains("/data/latchkey.keys.damaged-"), "{told}");
        let kept = place.path().join(kept);
        assert_eq!(fs::read_to_string(&kept).unwrap(), damaged);
        assert_eq!(fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(place.keys("access").len(), 1);
        drop(place.serve());
    }
}

#[test]
fn a_ring_of_a_newer_version_is_not_damaged() {
    let place = with_a_signing_key("EdDSA");
    let newer = place.ring().replace("\"version\":1", "\"version\":2");
    fs::write(place.path().join("data/latchkey.keys"), &newer).unwrap();
    let before = place.everything();

    place.run(&["keys", "init", "--yes"]).assert_failed(78, "newer version");

    assert_eq!(place.everything(), before);
}
