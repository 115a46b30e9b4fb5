//! `latchkey keys`: what each command does and says. What is refused: `keys_refused`; at once and killed half-way: `keys_at_once`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use latchkey::clock::Timestamp;
use serde_json::Value;

use crate::place::{Place, Said, said};

/// `ACCESS_TOKEN_TTL` and `SESSION_TTL` by default.
const ACCESS_TTL: Duration = Duration::from_secs(15 * 60);
const SESSION_TTL: Duration = Duration::from_secs(30 * 24 * 60 * 60);
const MINUTE: Duration = Duration::from_secs(60);

impl Place {
    /// The keys of one kind, the newest first.
    #[track_caller]
    pub fn keys(&self, kind: &str) -> Vec<Value> {
        let list = self.ok(&["keys", "list", "--json"]);
        let keys = list.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        keys.filter(|key| key["kind"] == kind).collect()
    }

    /// The name of the key of this kind in this state.
    #[track_caller]
    pub fn key(&self, kind: &str, state: &str) -> String {
        let keys = self.keys(kind);
        let key = keys.iter().find(|key| key["state"] == state).unwrap_or_else(|| panic!("no {state} key: {keys:?}"));
        key["kid"].as_str().unwrap().to_owned()
    }

    pub fn ring(&self) -> String {
        fs::read_to_string(self.path().join("data/latchkey.keys")).unwrap()
    }

    /// Makes the ring so much older, as if so much time had passed.
    pub fn age(&self, span: Duration) {
        let mut ring: Value = serde_json::from_str(&self.ring()).unwrap();
        for lines in ["access_tokens", "refresh_tokens"] {
            for line in ring[lines].as_array_mut().unwrap() {
                for (name, value) in line.as_object_mut().unwrap() {
                    if name.ends_with("_at") {
                        *value = moment(value).minus(span).to_rfc3339().into();
                    }
                }
            }
        }
        fs::write(self.path().join("data/latchkey.keys"), ring.to_string()).unwrap();
    }
}

pub fn moment(value: &Value) -> Timestamp {
    Timestamp::from_rfc3339(value.as_str().unwrap()).unwrap()
}

/// A place with a key of access tokens that signs.
pub fn with_a_signing_key(alg: &str) -> Place {
    let place = Place::new();
    place.ok(&["keys", "generate", "--alg", alg]);
    place.age(MINUTE);
    place
}

#[test]
fn the_first_key_makes_the_secrets_and_a_ring_for_the_owner_only_and_takes_over_from_the_settings() {
    let place = Place::new();

    let told = place.ok(&["keys", "generate", "--alg", "EdDSA", "--activate-in", "15s"]);

    let [new, settings] = &place.keys("access")[..] else { panic!("two keys") };
    let (takes_over, until) = (new["activates_at"].as_str().unwrap(), settings["verifies_until"].as_str().unwrap());
    let lines = [
        format!("{}: EdDSA, signs from {takes_over} on", new["kid"].as_str().unwrap()),
        format!("{}: signs until then, and verifies until {until}", settings["kid"].as_str().unwrap()),
        "A server that runs has read it within 5 s.".to_owned(),
    ];
    assert_eq!(told.lines().collect::<Vec<_>>(), lines);
    assert_eq!((&new["state"], &settings["state"]), (&"waiting".into(), &"signing".into()));
    assert_eq!(settings["retires_at"], new["activates_at"]);
    assert_eq!(moment(&settings["verifies_until"]), moment(&new["activates_at"]).plus(ACCESS_TTL));
    for file in ["latchkey.keys", "latchkey.secrets"] {
        let mode = fs::metadata(place.path().join("data").join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    // And a server starts with them.
    drop(place.serve());
}

#[test]
fn a_key_waits_a_minute_where_nothing_else_is_said() {
    let place = Place::new();
    place.ok(&["keys", "generate", "--alg", "ES256"]);
    let ring: Value = serde_json::from_str(&place.ring()).unwrap();
    let line = &ring["access_tokens"][1];
    assert_eq!(moment(&line["activates_at"]), moment(&line["created_at"]).plus(MINUTE));
}

#[test]
fn a_list_shows_every_key_as_a_table_and_as_objects() {
    let place = with_a_signing_key("EdDSA");
    place.ok(&["keys", "rotate", "--refresh"]);

    let table = place.ok(&["keys", "list"]);

    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    let states: Vec<_> = lines.iter().map(|line| line[1..5].join(" ")).collect();
    assert_eq!(
        states,
        [
            "KIND ALG NUMBER STATE",
            "access EdDSA - signing",
            "access HS256 - retired",
            "refresh - 2 waiting",
            "refresh - 1 signing"
        ]
    );
    let [waiting, signing] = &place.keys("refresh")[..] else { panic!("two keys") };
    assert_eq!(
        lines[3],
        [
            waiting["kid"].as_str().unwrap(),
            "refresh",
            "-",
            "2",
            "waiting",
            waiting["activates_at"].as_str().unwrap(),
            "-",
            "-"
        ]
    );
    assert_eq!(moment(&signing["verifies_until"]), moment(&waiting["activates_at"]).plus(SESSION_TTL));
    let members: Vec<_> = signing.as_object().unwrap().keys().map(String::as_str).collect();
    let told =
        ["activates_at", "alg", "kid", "kind", "number", "number_taken_until", "retires_at", "state", "verifies_until"];
    assert_eq!(members, told);
    assert_eq!(
        (&signing["alg"], &signing["number"], &signing["activates_at"]),
        (&Value::Null, &1.into(), &Value::Null)
    );
}

#[test]
fn a_rotation_is_of_the_sort_that_signs() {
    for alg in ["EdDSA", "ES256", "HS256"] {
        let place = with_a_signing_key(alg);

        place.ok(&["keys", "rotate"]);

        assert_eq!(place.keys("access")[0]["alg"], alg);
        assert_eq!(place.keys("refresh").len(), 1);
    }
    let place = Place::new();
    let told = place.ok(&["keys", "rotate", "--refresh", "--activate-in", "1h"]);
    assert!(told.contains(": number 2 of refresh tokens, signs from "), "{told}");
    assert_eq!(place.keys("access").len(), 1);
}

#[test]
fn a_key_that_waits_is_cancelled_and_one_that_signs_is_succeeded() {
    let place = with_a_signing_key("ES256");
    let signing = place.key("access", "signing");

    let told = place.ok(&["keys", "retire", "--", &signing]);
    let waiting = place.key("access", "waiting");
    assert!(told.starts_with(&format!("{waiting}: ES256, signs from ")), "{told}");
    assert!(told.contains(&format!("\n{signing}: signs until then, and verifies until ")), "{told}");
    // Once is enough: the same one takes over.
    assert_eq!(place.ok(&["keys", "retire", "--", &signing]), told);

    let told = place.ok(&["keys", "retire", "--", &waiting]);
    assert!(told.starts_with(&format!("{waiting}: cancelled")), "{told}");
    assert_eq!(place.key("access", "signing"), signing);
    assert_eq!(place.keys("access").len(), 2);
}

#[test]
fn a_key_that_is_retired_says_until_when_it_verifies_and_is_forgotten_then() {
    let place = with_a_signing_key("EdDSA");
    let retired = place.keys("access")[1].clone();
    let kid = retired["kid"].as_str().unwrap();

    let told = place.ok(&["keys", "retire", kid]);
    assert_eq!(
        told,
        format!("{kid}: retired already, and verifies until {}\n", retired["verifies_until"].as_str().unwrap())
    );

    place.age(ACCESS_TTL);
    assert_eq!(place.key("access", "over"), kid);
    place.run(&["keys", "retire", kid]).assert_failed(1, &format!("{kid}: no key of this name"));
    place.ok(&["keys", "rotate", "--refresh"]);
    assert_eq!(place.keys("access").len(), 1);
}

#[test]
fn a_leaked_key_of_access_tokens_is_refused_at_once_and_it_is_said_what_that_costs() {
    let place = with_a_signing_key("EdDSA");
    let leaked = place.key("access", "signing");

    place.run(&["keys", "retire", "--now", "--", &leaked]).assert_failed(2, "needs --yes");
    assert_eq!(place.key("access", "signing"), leaked);
    let told = place.ok(&["keys", "retire", "--now", "--yes", "--", &leaked]);

    let successor = place.key("access", "signing");
    let lines: Vec<_> = told.lines().collect();
    assert_eq!(
        (lines[0], lines[4]),
        (&*format!("{leaked}: refused from now on"), &*format!("{successor}: EdDSA, signs from now on"))
    );
    assert!(lines[1].contains("renews, once") && lines[2].contains("fetch the keys again"), "{told}");
    assert!(lines[2].ends_with("who did so a moment ago refuses new tokens until"), "{told}");
    assert!(!place.ring().contains(&leaked) && place.keys("access").iter().all(|key| key["kid"] != leaked));
}

#[test]
fn a_leaked_key_of_refresh_tokens_is_refused_at_once_and_its_number_stays_taken() {
    let place = Place::new();
    place.ok(&["keys", "rotate", "--refresh"]);
    place.age(MINUTE);
    let leaked = place.key("refresh", "signing");

    let told = place.ok(&["keys", "retire", &leaked, "--now", "--yes"]);

    assert!(told.contains("has to log in again") && told.contains("`unknown`"), "{told}");
    assert!(told.contains("sessions themselves live on") && told.contains("`latchkey sessions revoke`"), "{told}");
    assert!(told.contains(": number 3 of refresh tokens, signs from now on\n"), "{told}");
    assert_eq!(place.key("refresh", "withdrawn"), leaked);
    let [successor, withdrawn, _] = &place.keys("refresh")[..] else { panic!("three keys") };
    assert_eq!((&withdrawn["number"], &withdrawn["verifies_until"]), (&2.into(), &Value::Null));
    let until = moment(&successor["activates_at"]).plus(SESSION_TTL).to_rfc3339();
    assert_eq!(withdrawn["number_taken_until"], until);
    let table = place.ok(&["keys", "list"]);
    assert!(table.contains(&format!("  - (its number is taken until {until})\n")), "{table}");
    for again in [&["keys", "retire", &leaked][..], &["keys", "retire", &leaked, "--now"]] {
        assert_eq!(place.ok(again), format!("{leaked}: withdrawn already\n"));
    }
    // One that waits has signed nothing: it costs nothing, but that an access key is published already.
    place.ok(&["keys", "rotate", "--refresh"]);
    let waiting = place.key("refresh", "waiting");
    let told = place.ok(&["keys", "retire", &waiting, "--now", "--yes"]);
    assert!(told.starts_with(&format!("{waiting}: refused from now on\nIt has signed nothing yet.\n")), "{told}");
    place.ok(&["keys", "rotate"]);
    let told = place.ok(&["keys", "retire", "--now", "--yes", "--", &place.key("access", "waiting")]);
    assert!(told.contains("It has signed nothing yet. Who verifies elsewhere believes it"), "{told}");
}

#[test]
fn an_empty_ring_is_begun_only_where_there_is_none_and_on_purpose() {
    let place = Place::new();

    place.run(&["keys", "init"]).assert_failed(2, "needs --yes");
    assert!(!place.path().join("data/latchkey.keys").exists());
    place.ok(&["keys", "init", "--yes"]);

    let keys = [place.keys("access"), place.keys("refresh")].concat();
    assert_eq!(keys.iter().map(|key| key["state"].as_str().unwrap()).collect::<Vec<_>>(), ["signing"; 2]);
    drop(place.serve());
}

#[test]
fn the_first_ring_is_begun_where_a_setting_says() {
    let place = Place::new();
    let told = |arguments: &[&str]| {
        let mut command = place.command(arguments);
        command.env("KEY_RING_FILE", "ring");
        said(command, "")
    };
    for arguments in [&["keys", "rotate"][..], &["serve"]] {
        told(arguments).assert_failed(78, "KEY_RING_FILE: the file that it names cannot be read");
    }
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0, "nothing was made");

    told(&["keys", "init", "--yes"]).ok();

    told(&["keys", "rotate"]).ok();
    assert_eq!(fs::metadata(place.path().join("ring")).unwrap().permissions().mode() & 0o777, 0o600);
    told(&["keys", "init", "--yes"]).assert_failed(1, "there is a key ring already");
}

#[test]
fn no_command_says_anything_of_a_key_but_its_name() {
    let place = Place::new();
    let mut told = Vec::new();
    let mut tell = |arguments: &[&str]| {
        let Said { out, err, .. } = place.run(&[&["keys"], arguments].concat());
        told.push(out + &err);
    };
    let mut secret = Vec::new();
    for alg in ["EdDSA", "ES256", "HS256"] {
        tell(&["generate", "--alg", alg]);
        tell(&["rotate", "--refresh"]);
        secret.extend(secrets_of(&place));
        place.age(MINUTE);
        tell(&["list"]);
        tell(&["list", "--json"]);
        tell(&["rotate"]);
        secret.extend(secrets_of(&place));
        tell(&["retire", "--", &place.key("access", "waiting")]);
        tell(&["retire", "--now", "--yes", "--", &place.key("refresh", "signing")]);
    }
    fs::write(place.path().join("data/latchkey.keys"), place.ring().replace("kid", "kit")).unwrap();
    tell(&["list"]);

    assert!(secret.len() > 12, "{}", secret.len());
    for (told, secret) in told.iter().flat_map(|told| secret.iter().map(move |secret| (told, secret))) {
        assert!(!told.contains(secret.as_str()), "{told}");
    }
}

/// What nobody may see: of the ring, and of the file of secrets.
fn secrets_of(place: &Place) -> Vec<String> {
    let ring: Value = serde_json::from_str(&place.ring()).unwrap();
    let lines = ["access_tokens", "refresh_tokens"].map(|lines| ring[lines].as_array().unwrap().clone()).concat();
    let members =
        lines.iter().flat_map(|line| ["d", "k"].map(|member| line["key"][member].as_str().map(str::to_owned)));
    let kept = fs::read_to_string(place.path().join("data/latchkey.secrets")).unwrap();
    let kept = kept.lines().filter_map(|line| Some(line.split_once("SECRET=")?.1.to_owned())).collect::<Vec<_>>();
    members.flatten().chain(kept).collect()
}

#[test]
fn every_help_text_fits_a_terminal_of_80_columns() {
    let place = Place::new();
    for command in ["", "generate", "rotate", "retire", "init", "accept", "list"] {
        let arguments: Vec<_> = ["keys", command, "--help"].into_iter().filter(|word| !word.is_empty()).collect();
        let help = place.ok(&arguments);
        assert!(help.lines().all(|line| line.chars().count() <= 80), "{help}");
    }
    let help = place.ok(&["keys", "retire", "--help"]);
    assert!(
        help.contains("renews, once") && help.contains("to log in\n") && help.contains("reads `unknown`"),
        "{help}"
    );
    assert!(help.contains("refuses new tokens until they may again") && help.contains("sessions\n"), "{help}");
}
