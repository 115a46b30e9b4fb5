//! Every schedule up to a length, in all three grace modes.
//!
//! Owns completeness in the small: what can go wrong within a few steps is found here with certainty, not by luck. The
//! waits add up to the window exactly, so that both sides of its boundary and the boundary itself are met.

use crate::history::{Rules, Stop};
use crate::world::World;
use crate::{DEFAULT_GRACE, STRICT, UNTIL_USED};

/// The letters of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The token that is so many generations behind the newest is presented and decided on at once, after those that
    /// wait; nothing happens where there is none.
    Present {
        behind: u32,
    },
    /// It is presented, and waits for a commit that stalls.
    Ask {
        behind: u32,
    },
    CommitEnds,
    WaitFourSeconds,
    WaitSixSeconds,
    CrashForTwentySeconds,
    StopForTwentySeconds,
    ChangeElsewhere,
    SweeperComesBy,
    ClockStepsBackFiveSeconds,
}

/// What a window survives: long enough for login, rotation, lost answer, change, two restarts and a late retry.
const RESTARTS: &[Step] = &[
    Step::Present { behind: 0 },
    Step::Present { behind: 1 },
    Step::Present { behind: 2 },
    Step::WaitFourSeconds,
    Step::WaitSixSeconds,
    Step::CrashForTwentySeconds,
    Step::StopForTwentySeconds,
    Step::ChangeElsewhere,
    Step::SweeperComesBy,
    Step::ClockStepsBackFiveSeconds,
];

/// Who waits for what: long enough for two rotations, each with a retry that waits, and a stall.
const STALLS: &[Step] = &[
    Step::Present { behind: 0 },
    Step::Present { behind: 1 },
    Step::Ask { behind: 0 },
    Step::Ask { behind: 1 },
    Step::CommitEnds,
    Step::WaitFourSeconds,
    Step::WaitSixSeconds,
    Step::CrashForTwentySeconds,
    Step::ChangeElsewhere,
];

/// How many steps a schedule has at most.
const LONGEST: usize = 7;

#[test]
fn no_short_schedule_breaks_a_promise_with_the_default_window() {
    assert!(explored(DEFAULT_GRACE, RESTARTS) > 200_000);
}

#[test]
fn no_short_schedule_breaks_a_promise_in_strict_mode() {
    assert!(explored(STRICT, RESTARTS) > 200_000);
}

#[test]
fn no_short_schedule_breaks_a_promise_until_used() {
    assert!(explored(UNTIL_USED, RESTARTS) > 200_000);
}

#[test]
fn no_short_stall_breaks_a_promise_with_the_default_window() {
    assert!(explored(DEFAULT_GRACE, STALLS) > 200_000);
}

#[test]
fn no_short_stall_breaks_a_promise_in_strict_mode() {
    assert!(explored(STRICT, STALLS) > 200_000);
}

#[test]
fn no_short_stall_breaks_a_promise_until_used() {
    assert!(explored(UNTIL_USED, STALLS) > 200_000);
}

/// Runs every schedule of these steps and returns how many there were. The limits are such that the longer ones run into
/// both.
fn explored(rules: Rules, steps: &[Step]) -> u64 {
    let rules = Rules { idle_ttl: 45_000, absolute_ttl: 75_000, ..rules };
    explore(&World::after_login(rules), steps, &mut Trail(Vec::new()))
}

fn explore(world: &World, steps: &[Step], trail: &mut Trail) -> u64 {
    // A finished session cannot come back to life: `check_state` has just tried it, and time adds nothing to that.
    if trail.0.len() == LONGEST || !world.is_alive() {
        return 1;
    }
    let mut schedules = 0;
    for &step in steps {
        if is_pointless(trail.0.last().copied(), step) {
            continue;
        }
        trail.0.push(step);
        let mut next = world.clone();
        take(&mut next, step);
        // A step that changed nothing leaves a schedule that is one shorter, and was tried.
        if next != *world {
            schedules += explore(&next, steps, trail);
        }
        trail.0.pop();
    }
    schedules
}

/// The steps taken so far. Tells them when an assertion fails, because a backtrace cannot.
struct Trail(Vec<Step>);

impl Drop for Trail {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the schedule that broke it: {:?}", self.0);
        }
    }
}

/// Two waits in the other order are the same schedule; a second change in the same instant changes nothing.
fn is_pointless(last: Option<Step>, step: Step) -> bool {
    matches!(
        (last, step),
        (Some(Step::WaitSixSeconds), Step::WaitFourSeconds) | (Some(Step::ChangeElsewhere), Step::ChangeElsewhere)
    )
}

fn take(world: &mut World, step: Step) {
    match step {
        Step::Present { behind } => {
            let newest = world.history.newest().number;
            if newest > behind {
                world.present(newest - behind);
            }
        }
        Step::Ask { behind } => {
            let newest = world.history.newest().number;
            if newest > behind {
                world.ask(newest - behind);
            }
        }
        Step::CommitEnds => {
            world.decide_waiting();
        }
        Step::WaitFourSeconds => world.pass(4_000),
        Step::WaitSixSeconds => world.pass(6_000),
        Step::CrashForTwentySeconds => world.restart(Stop::Crash, 20_000),
        Step::StopForTwentySeconds => world.restart(Stop::Clean, 20_000),
        Step::SweeperComesBy => world.tick(),
        Step::ChangeElsewhere => world.change_elsewhere(),
        Step::ClockStepsBackFiveSeconds => world.pass(-5_000),
    }
    world.check_state();
}
