//! What the process says to whoever starts it, and how it ends.

use std::process::{Command, Output};

use crate::{CANARY, Place};

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

    assert!(help.status.success() && String::from_utf8_lossy(&help.stdout).contains("serve"));
    assert!(version.status.success());
    assert_eq!(String::from_utf8(version.stdout).unwrap(), format!("latchkey {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(wrong.status.code(), Some(2));
}
