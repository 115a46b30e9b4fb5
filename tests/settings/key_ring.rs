//! The key ring: where it is looked for, and how it is changed. What stands in it is not known here.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use latchkey::config::{ChangeError, KeyRing, LONGEST_KEY_RING};
use zeroize::Zeroizing;

use crate::{CANARY, JWT, Place, REFRESH};

const SECRETS: [(&str, &str); 2] = [("JWT_SECRET", JWT), ("REFRESH_TOKEN_SECRET", REFRESH)];
/// Whoever waited for so long waits for what will not come.
const HANGS_AFTER: Duration = Duration::from_secs(60);
const TEXT: &str = "{\"canary7\": true}\n";

impl Place {
    fn ring_file(&self) -> PathBuf {
        self.path("data/latchkey.keys")
    }

    /// Where the settings say that the ring is.
    fn ring(&self, given: &[(&str, &str)]) -> KeyRing {
        self.load(&[&SECRETS, given].concat()).unwrap().key_ring
    }

    /// The same, with a file beside the database.
    fn ring_with_file(&self) -> KeyRing {
        let ring = self.ring(&[]);
        write(&ring, TEXT).unwrap();
        ring
    }
}

fn write(ring: &KeyRing, text: &str) -> Result<(), ChangeError<&'static str>> {
    ring.change(|_| Ok(Zeroizing::new(text.to_owned())))
}

fn text(ring: &KeyRing) -> Option<String> {
    ring.read().unwrap().map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
}

#[test]
fn there_need_not_be_a_ring_and_looking_for_one_makes_nothing() {
    let place = Place::new();
    assert_eq!(text(&place.ring(&[])), None);
    assert_eq!(place.names_in("."), Vec::<String>::new());
}

#[test]
fn a_ring_is_made_beside_the_database_for_the_owner_only() {
    let place = Place::new();

    let ring = place.ring_with_file();

    assert_eq!(text(&ring).as_deref(), Some(TEXT));
    assert_eq!(place.names_in("data"), ["latchkey.keys"]);
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(place.ring_file()), mode(place.path("data"))), (0o600, 0o700));
}

#[test]
fn a_ring_that_others_can_read_is_refused_and_left_alone() {
    for open in [0o640, 0o604, 0o620, 0o660, 0o644] {
        let place = Place::new();
        let ring = place.ring_with_file();
        fs::set_permissions(place.ring_file(), fs::Permissions::from_mode(open)).unwrap();

        let refusal = place.refusal(&SECRETS);

        assert!(refusal.starts_with(&format!("key ring {} is open to ", place.ring_file().display())), "{refusal}");
        assert!(
            refusal.contains("chmod 600")
                && refusal.contains("latchkey keys retire --now KID")
                && !refusal.contains('\n'),
            "{refusal}"
        );
        assert_eq!(write(&ring, "{}").unwrap_err().to_string(), refusal);
        assert_eq!(fs::read_to_string(place.ring_file()).unwrap(), TEXT);
    }
}

#[test]
fn what_is_no_file_or_far_too_long_cannot_hold_a_ring() {
    let place = Place::new();
    fs::create_dir_all(place.ring_file()).unwrap();
    assert!(place.refusal(&SECRETS).contains("is not a file"));

    let place = Place::new();
    let long = "x".repeat(usize::try_from(LONGEST_KEY_RING).unwrap() + 1);
    place.ring_with_file();
    fs::write(place.ring_file(), &long).unwrap();
    assert!(place.refusal(&SECRETS).contains("latchkey.keys is longer than"));
    let refusal = place.refusal(&[("KEY_RING", &format!("{{{long}"))]);
    assert!(refusal.starts_with("KEY_RING: longer than"), "{refusal}");
    let named = place.ring_file().display().to_string();
    let refusal = place.refusal(&[("KEY_RING_FILE", &named)]);
    assert!(refusal.starts_with("KEY_RING_FILE: the file that it names is longer than"), "{refusal}");
    let refusal = place.refusal(&[("KEY_RING_FILE", "/dev/zero")]);
    assert!(refusal.starts_with("KEY_RING_FILE: what it names is not a file"), "{refusal}");
}

#[test]
fn a_pipe_in_the_rings_place_is_refused_and_not_waited_for() {
    for named in [false, true] {
        let (done, refusal) = mpsc::channel();
        thread::spawn(move || {
            let place = Place::new();
            fs::create_dir(place.path("data")).unwrap();
            assert!(Command::new("mkfifo").args(["-m", "600"]).arg(place.ring_file()).status().unwrap().success());
            let pipe = place.ring_file().display().to_string();
            let given: &[_] = if named { &[("KEY_RING_FILE", pipe.as_str())] } else { &[] };
            done.send(place.refusal(&[&SECRETS, given].concat())).unwrap();
        });
        let refusal = refusal.recv_timeout(HANGS_AFTER).expect("an answer while nobody writes into the pipe");
        assert!(refusal.contains("is not a file; it should hold the key ring"), "{refusal}");
    }
}

#[test]
fn a_named_ring_must_be_there_and_may_be_open_to_others() {
    let place = Place::new();
    let named = place.path("mounted").display().to_string();
    let refusal = place.ring(&[("KEY_RING_FILE", &named)]).read().unwrap_err().to_string();
    assert!(refusal.starts_with("KEY_RING_FILE: the file that it names cannot be read: "), "{refusal}");
    place.write("mounted", TEXT);
    fs::set_permissions(&named, fs::Permissions::from_mode(0o644)).unwrap();

    let ring = place.ring(&[("KEY_RING_FILE", &named)]);
    assert_eq!(text(&ring).as_deref(), Some(TEXT));
    write(&ring, "{}").unwrap();

    assert_eq!(text(&ring).as_deref(), Some("{}"));
    let mode = fs::metadata(&named).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o644, "whoever read it goes on reading it");
}

#[test]
fn a_ring_from_the_environment_is_read_and_not_changed() {
    let place = Place::new();
    let ring = place.ring(&[("KEY_RING", TEXT)]);

    assert_eq!(text(&ring).as_deref(), Some(TEXT));
    let refusal = write(&ring, "{}").unwrap_err().to_string();
    assert!(refusal.starts_with("KEY_RING: comes from the environment and cannot be changed here; "), "{refusal}");
    assert_eq!(place.names_in("."), Vec::<String>::new());
    assert!(!format!("{ring:?}").contains(CANARY));
}

#[test]
fn only_one_ring_can_be_given() {
    let place = Place::new();
    let named = place.write("mounted", TEXT);
    let refusal = place.refusal(&[("KEY_RING", TEXT), ("KEY_RING_FILE", &named)]);
    assert!(refusal.starts_with("KEY_RING_FILE: given together with KEY_RING"), "{refusal}");
}

#[test]
fn a_refused_change_leaves_the_ring_as_it_was() {
    let place = Place::new();
    let ring = place.ring_with_file();
    let refused = ring.change(|found| {
        assert_eq!(found, Some(TEXT.as_bytes()));
        Err("no such key")
    });
    assert_eq!(refused.unwrap_err().to_string(), "no such key");

    let long = "x".repeat(usize::try_from(LONGEST_KEY_RING).unwrap() + 1);
    assert!(matches!(write(&ring, &long), Err(ChangeError::Full { .. })), "a server would refuse to read it");

    fs::create_dir(place.path("data/.latchkey.keys.tmp")).unwrap();
    let refusal = write(&ring, "{}").unwrap_err().to_string();
    assert!(refusal.contains("latchkey.keys cannot be written: ") && !refusal.contains('\n'), "{refusal}");
    assert_eq!(text(&ring).as_deref(), Some(TEXT));
}

#[test]
fn changes_at_once_wait_for_each_other() {
    const CHANGES: usize = 16;
    let place = Place::new();
    let ring = place.ring(&[]);

    std::thread::scope(|scope| {
        for _ in 0..CHANGES {
            scope.spawn(|| {
                let longer = |found: Option<&[u8]>| {
                    let mut text = String::from_utf8(found.unwrap_or_default().to_vec()).unwrap();
                    text.push('x');
                    Ok::<_, &str>(Zeroizing::new(text))
                };
                ring.change(longer).unwrap();
            });
        }
    });

    assert_eq!(text(&ring), Some("x".repeat(CHANGES)));
    assert_eq!(place.names_in("data"), ["latchkey.keys"]);
}

#[test]
fn what_a_killed_change_left_behind_is_no_ring_and_in_nobodys_way() {
    let place = Place::new();
    let ring = place.ring_with_file();
    place.write("data/.latchkey.keys.tmp", "{\"ha");

    assert_eq!(text(&ring).as_deref(), Some(TEXT));
    write(&ring, "{}").unwrap();

    assert_eq!(text(&ring).as_deref(), Some("{}"));
    assert_eq!(place.names_in("data"), ["latchkey.keys"]);
}

#[test]
fn a_link_stays_and_what_it_leads_to_changes() {
    let place = Place::new();
    place.ring_with_file();
    fs::create_dir(place.path("elsewhere")).unwrap();
    fs::rename(place.ring_file(), place.path("elsewhere/ring")).unwrap();
    symlink("../elsewhere/ring", place.ring_file()).unwrap();

    write(&place.ring(&[]), "{}").unwrap();

    assert!(fs::symlink_metadata(place.ring_file()).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(place.path("elsewhere/ring")).unwrap(), "{}");
}
