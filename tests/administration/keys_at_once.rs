//! `latchkey keys` where two run at once, or one is killed half-way: the ring is whole, and no change is lost.

use std::process::Stdio;
use std::thread;
use std::time::Instant;

use crate::place::{Place, Said};

const ROTATE: [&str; 3] = ["keys", "rotate", "--refresh"];
/// Rounds of commands that race.
const RACES: usize = 8;
/// Commands that are killed, each a little later after its start than the one before, the last ones after their end.
const KILLS: u32 = 80;

#[test]
fn of_commands_at_once_one_after_the_other_has_its_turn() {
    let place = Place::new();
    place.ok(&["keys", "init", "--yes"]);
    for _ in 0..RACES {
        let rotations: [&[&str]; 4] = [
            &["keys", "rotate"],
            &["keys", "rotate", "--refresh"],
            &["keys", "rotate"],
            &["keys", "rotate", "--refresh"],
        ];
        let ended: Vec<Said> = thread::scope(|scope| {
            let running = rotations.map(|arguments| scope.spawn(|| place.run(arguments)));
            running.map(|one| one.join().unwrap()).into()
        });

        // One of each kind came first, and the other one was told so.
        for kind in 0..2 {
            let mut codes = [ended[kind].code, ended[kind + 2].code];
            codes.sort_unstable();
            assert_eq!(codes, [Some(0), Some(1)], "{} {}", ended[kind].err, ended[kind + 2].err);
        }
        for kind in ["access", "refresh"] {
            let waiting = place.key(kind, "waiting");
            place.ok(&["keys", "retire", "--", &waiting]);
        }
    }
}

#[test]
fn a_command_that_is_killed_leaves_the_ring_before_it_or_the_ring_after_it() {
    let place = Place::new();
    place.ok(&["keys", "generate", "--alg", "EdDSA", "--activate-in", "1h"]);
    let cancel = || drop(place.ok(&["keys", "retire", &place.key("refresh", "waiting")]));
    let begun = Instant::now();
    place.ok(&ROTATE);
    let whole = begun.elapsed();
    cancel();
    for kill in 0..KILLS {
        let mut command = place.command(&ROTATE);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        thread::sleep(whole * kill / (KILLS * 3 / 4));
        child.kill().unwrap();
        child.wait().unwrap();

        // The list reads the whole ring and tests every key.
        assert_eq!(place.keys("access").len(), 2);
        match place.keys("refresh").len() {
            1 => {}
            2 => cancel(),
            keys => panic!("{keys} keys"),
        }
    }
    // Nothing that was left behind is in the way of the next one.
    place.ok(&ROTATE);
}
