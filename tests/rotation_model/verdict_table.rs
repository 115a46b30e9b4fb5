//! The verdict table, row by row and boundary by boundary.
//!
//! Owns the exact answers: each test is one sentence about one situation. The situations start from a session that has
//! just been rotated from generation 4 to 5 and differ in what the test names.

use std::time::Duration;

use latchkey::clock::Timestamp;
use latchkey::error::GrantRefusal;
use latchkey::tokens::principal::Epoch;
use latchkey::tokens::refresh::Generation;
use latchkey::tokens::rotation::{Advance, Moment, Policy, Resumed, Session, User, Verdict, decide, open_after};

use crate::{at, generation, presented_at};

/// When generation 4 was spent for 5.
const ROTATED: i64 = 1_000_000;
const WINDOW: Duration = Duration::from_secs(10);
/// The first moment at which the window is closed.
const WINDOW_END: i64 = ROTATED + 10_000;
const IDLE_TTL: Duration = Duration::from_secs(600);
const IDLE_END: i64 = ROTATED + 600_000;
const ABSOLUTE_END: i64 = ROTATED + 900_000;

const HELD: Verdict = Verdict::Hold;
const REPLAYED: Verdict = Verdict::Replay;
const REUSED: Verdict = Verdict::Reuse { rollback_detected: false };
const ROLLED_BACK: Verdict = Verdict::Reuse { rollback_detected: true };
const UNKNOWN: Verdict = Verdict::Refuse(GrantRefusal::Unknown);
const REVOKED: Verdict = Verdict::Refuse(GrantRefusal::Revoked);
const EXPIRED: Verdict = Verdict::Refuse(GrantRefusal::Expired);

/// Rows and settings, to be varied.
#[derive(Clone, Copy)]
struct Scene {
    session: Session,
    user: User,
    policy: Policy,
}

impl Scene {
    fn present(&self, number: u32, now: i64) -> Verdict {
        decide(Some(&self.session), Some(&self.user), generation(number), presented_at(now), &self.policy)
    }
}

/// A session whose generation 4 was spent for 5 at [`ROTATED`].
fn rotated() -> Scene {
    Scene {
        session: Session {
            epoch: Epoch(3),
            current: generation(5),
            parent: Some(generation(4)),
            rotated_at: Some(at(ROTATED)),
            idle_expires_at: at(IDLE_END),
            absolute_expires_at: at(ABSOLUTE_END),
            ended: false,
        },
        user: User { epoch: Epoch(3), disabled: false },
        policy: Policy { window: WINDOW, until_used: false, idle_ttl: IDLE_TTL, resumed: None },
    }
}

/// A session as a login leaves it at [`ROTATED`].
fn opened() -> Scene {
    let mut scene = rotated();
    scene.session.current = Generation::FIRST;
    scene.session.parent = None;
    scene.session.rotated_at = None;
    scene
}

fn until_used() -> Scene {
    let mut scene = rotated();
    scene.policy.until_used = true;
    scene
}

fn strict() -> Scene {
    let mut scene = rotated();
    scene.policy.window = Duration::ZERO;
    scene
}

fn resumed(last_alive: i64, started_at: i64) -> Scene {
    let mut scene = rotated();
    let open_after = at(last_alive - 10_000);
    scene.policy.resumed = Some(Resumed { last_alive: at(last_alive), started_at: at(started_at), open_after });
    scene
}

/// The columns of an advance at `now`, with the idle limit that is not cut.
fn advance(parent: u32, current: u32, now: i64) -> Advance {
    let idle_expires_at: Timestamp = at(now).plus(IDLE_TTL);
    Advance { current: generation(current), parent: generation(parent), rotated_at: at(now), idle_expires_at }
}

#[test]
fn a_session_that_is_not_stored_is_unknown() {
    let scene = rotated();
    assert_eq!(decide(None, Some(&scene.user), generation(5), presented_at(WINDOW_END), &scene.policy), UNKNOWN);
    assert_eq!(decide(None, None, generation(5), presented_at(WINDOW_END), &scene.policy), UNKNOWN);
}

#[test]
fn an_ended_session_is_revoked_for_every_generation() {
    let mut scene = rotated();
    scene.session.ended = true;
    for number in 1..=6 {
        assert_eq!(scene.present(number, ROTATED), REVOKED);
        assert_eq!(scene.present(number, WINDOW_END), REVOKED);
    }
}

#[test]
fn an_ended_session_is_called_revoked_even_after_its_limits() {
    let mut scene = rotated();
    scene.session.ended = true;
    assert_eq!(scene.present(5, ABSOLUTE_END), REVOKED);
}

#[test]
fn the_last_millisecond_before_the_idle_limit_still_renews() {
    assert!(matches!(rotated().present(5, IDLE_END - 1), Verdict::Rotate(_)));
}

#[test]
fn a_session_expires_at_its_idle_limit() {
    for number in 1..=6 {
        assert_eq!(rotated().present(number, IDLE_END), EXPIRED);
    }
}

#[test]
fn a_session_expires_at_its_absolute_limit_though_the_idle_one_is_later() {
    let mut scene = rotated();
    scene.session.idle_expires_at = at(ABSOLUTE_END + 1);
    assert!(matches!(scene.present(5, ABSOLUTE_END - 1), Verdict::Rotate(_)));
    assert_eq!(scene.present(5, ABSOLUTE_END), EXPIRED);
}

#[test]
fn a_session_expires_inside_its_window_too() {
    let mut scene = rotated();
    scene.session.absolute_expires_at = at(ROTATED + 1);
    scene.session.idle_expires_at = at(ROTATED + 1);
    assert_eq!(scene.present(4, ROTATED), REPLAYED);
    assert_eq!(scene.present(4, ROTATED + 1), EXPIRED);
    assert_eq!(scene.present(5, ROTATED + 1), EXPIRED);
}

#[test]
fn an_expired_session_is_called_expired_though_its_user_is_gone() {
    let scene = rotated();
    assert_eq!(decide(Some(&scene.session), None, generation(5), presented_at(IDLE_END), &scene.policy), EXPIRED);
}

#[test]
fn a_session_at_the_greatest_generation_is_over() {
    let mut scene = rotated();
    scene.session.current = Generation::LAST;
    scene.session.parent = generation(u32::MAX - 1).into();
    assert_eq!(scene.present(u32::MAX, WINDOW_END), EXPIRED);
    assert_eq!(scene.present(u32::MAX - 1, WINDOW_END), EXPIRED);
}

#[test]
fn the_generation_before_the_greatest_still_rotates() {
    let mut scene = rotated();
    scene.session.current = generation(u32::MAX - 1);
    scene.session.parent = generation(u32::MAX - 2).into();
    let verdict = scene.present(u32::MAX - 1, WINDOW_END);
    assert_eq!(verdict, Verdict::Rotate(advance(u32::MAX - 1, u32::MAX, WINDOW_END)));
}

#[test]
fn a_session_whose_user_is_gone_is_revoked() {
    let scene = rotated();
    for number in 1..=6 {
        let verdict = decide(Some(&scene.session), None, generation(number), presented_at(ROTATED), &scene.policy);
        assert_eq!(verdict, REVOKED);
    }
}

#[test]
fn a_disabled_users_session_is_revoked_inside_and_outside_the_window() {
    let mut scene = rotated();
    scene.user.disabled = true;
    for number in 1..=6 {
        assert_eq!(scene.present(number, ROTATED), REVOKED);
        assert_eq!(scene.present(number, WINDOW_END), REVOKED);
    }
}

#[test]
fn a_session_of_another_epoch_is_revoked_whether_it_is_older_or_newer() {
    for epoch in [2, 4] {
        let mut scene = rotated();
        scene.user.epoch = Epoch(epoch);
        for number in 1..=6 {
            assert_eq!(scene.present(number, ROTATED), REVOKED);
            assert_eq!(scene.present(number, WINDOW_END), REVOKED);
        }
    }
}

#[test]
fn the_current_token_is_held_from_its_making_to_the_last_millisecond_of_its_window() {
    assert_eq!(rotated().present(5, ROTATED), HELD);
    assert_eq!(rotated().present(5, WINDOW_END - 1), HELD);
}

#[test]
fn the_current_token_rotates_as_soon_as_its_window_is_over() {
    assert_eq!(rotated().present(5, WINDOW_END), Verdict::Rotate(advance(5, 6, WINDOW_END)));
}

#[test]
fn the_first_token_rotates_at_once_because_no_rotation_made_it() {
    assert_eq!(opened().present(1, ROTATED), Verdict::Rotate(advance(1, 2, ROTATED)));
}

#[test]
fn a_rotation_moves_the_idle_limit_by_its_ttl_where_there_is_room() {
    let Verdict::Rotate(advance) = rotated().present(5, ABSOLUTE_END - 600_000) else { unreachable!() };
    assert_eq!(advance.idle_expires_at, at(ABSOLUTE_END));
    let Verdict::Rotate(advance) = rotated().present(5, ABSOLUTE_END - 600_001) else { unreachable!() };
    assert_eq!(advance.idle_expires_at, at(ABSOLUTE_END - 1));
}

#[test]
fn a_rotation_never_moves_the_idle_limit_past_the_absolute_one() {
    let Verdict::Rotate(advance) = rotated().present(5, IDLE_END - 1) else { unreachable!() };
    assert_eq!(advance.idle_expires_at, at(ABSOLUTE_END));
    let Verdict::Reissue(advance) = until_used().present(4, IDLE_END - 1) else { unreachable!() };
    assert_eq!(advance.idle_expires_at, at(ABSOLUTE_END));
}

#[test]
fn the_parent_is_replayed_from_its_spending_to_the_last_millisecond_of_the_window() {
    assert_eq!(rotated().present(4, ROTATED), REPLAYED);
    assert_eq!(rotated().present(4, WINDOW_END - 1), REPLAYED);
}

#[test]
fn the_parent_is_reused_as_soon_as_the_window_is_over() {
    assert_eq!(rotated().present(4, WINDOW_END), REUSED);
}

#[test]
fn an_older_token_is_reused_even_inside_the_window() {
    for number in 1..=3 {
        assert_eq!(rotated().present(number, ROTATED), REUSED);
        assert_eq!(rotated().present(number, WINDOW_END), REUSED);
    }
}

#[test]
fn a_token_from_the_future_tells_that_the_database_went_back_in_time() {
    for scene in [rotated(), until_used(), strict(), resumed(ROTATED, WINDOW_END)] {
        for number in [6, 7, u32::MAX] {
            assert_eq!(scene.present(number, ROTATED), ROLLED_BACK);
            assert_eq!(scene.present(number, WINDOW_END), ROLLED_BACK);
        }
    }
    assert_eq!(opened().present(2, ROTATED), ROLLED_BACK);
}

#[test]
fn strict_rotates_the_current_token_in_the_very_millisecond_of_its_making() {
    assert_eq!(strict().present(5, ROTATED), Verdict::Rotate(advance(5, 6, ROTATED)));
}

#[test]
fn strict_replays_nothing() {
    assert_eq!(strict().present(4, ROTATED), REUSED);
}

#[test]
fn strict_is_not_softened_by_a_restart() {
    let mut scene = resumed(ROTATED, ROTATED);
    scene.policy.window = Duration::ZERO;
    assert_eq!(scene.present(4, ROTATED), REUSED);
    assert!(matches!(scene.present(5, ROTATED), Verdict::Rotate(_)));
}

#[test]
fn until_used_holds_and_replays_inside_the_window_like_any_other() {
    assert_eq!(until_used().present(5, WINDOW_END - 1), HELD);
    assert_eq!(until_used().present(4, WINDOW_END - 1), REPLAYED);
}

#[test]
fn until_used_gives_the_parent_another_successor_outside_the_window_and_keeps_it_as_the_parent() {
    assert_eq!(until_used().present(4, WINDOW_END), Verdict::Reissue(advance(4, 6, WINDOW_END)));
}

#[test]
fn until_used_still_rotates_the_current_token_outside_the_window() {
    assert_eq!(until_used().present(5, WINDOW_END), Verdict::Rotate(advance(5, 6, WINDOW_END)));
}

#[test]
fn until_used_refuses_the_successor_that_was_passed_over() {
    let mut scene = until_used();
    scene.session.current = generation(6);
    assert_eq!(scene.present(5, ROTATED), REUSED);
    assert_eq!(scene.present(5, WINDOW_END), REUSED);
}

#[test]
fn until_used_ends_the_session_at_a_token_older_than_the_parent() {
    assert_eq!(until_used().present(3, ROTATED), REUSED);
    assert_eq!(until_used().present(3, WINDOW_END), REUSED);
}

#[test]
fn until_used_does_not_outlive_the_limits_or_an_ending() {
    assert_eq!(until_used().present(4, IDLE_END), EXPIRED);
    let mut scene = until_used();
    scene.user.disabled = true;
    assert_eq!(scene.present(4, WINDOW_END), REVOKED);
}

#[test]
fn a_window_that_a_restart_interrupted_is_open_until_one_window_after_the_start() {
    let started_at = ROTATED + 300_000;
    let scene = resumed(ROTATED + 4_000, started_at);
    for now in [started_at, started_at + 9_999] {
        assert_eq!(scene.present(4, now), REPLAYED);
        assert_eq!(scene.present(5, now), HELD);
    }
    assert_eq!(scene.present(4, started_at + 10_000), REUSED);
    assert!(matches!(scene.present(5, started_at + 10_000), Verdict::Rotate(_)));
}

#[test]
fn a_window_is_resumed_if_the_last_write_was_the_rotation_itself() {
    assert_eq!(resumed(ROTATED, ROTATED + 300_000).present(4, ROTATED + 300_000), REPLAYED);
}

#[test]
fn a_window_is_resumed_if_the_last_write_was_its_last_millisecond() {
    assert_eq!(resumed(WINDOW_END - 1, ROTATED + 300_000).present(4, ROTATED + 300_000), REPLAYED);
}

#[test]
fn a_window_that_was_over_at_the_last_write_stays_closed() {
    let scene = resumed(WINDOW_END, ROTATED + 300_000);
    assert_eq!(scene.present(4, ROTATED + 300_000), REUSED);
    assert!(matches!(scene.present(5, ROTATED + 300_000), Verdict::Rotate(_)));
}

#[test]
fn a_rotation_after_the_start_has_a_window_of_its_own_only() {
    let scene = resumed(ROTATED - 5_000, ROTATED - 1);
    assert_eq!(scene.present(4, WINDOW_END - 1), REPLAYED);
    assert_eq!(scene.present(4, WINDOW_END), REUSED);

    // Even where the clock of a process that shares the storage is behind this one's start.
    let scene = resumed(ROTATED - 1, ROTATED + 5_000);
    assert_eq!(scene.present(4, WINDOW_END), REUSED);
}

#[test]
fn a_first_token_is_not_held_after_a_restart() {
    let mut scene = opened();
    scene.policy.resumed =
        Some(Resumed { last_alive: at(ROTATED), started_at: at(ROTATED), open_after: at(ROTATED - 10_000) });
    assert_eq!(scene.present(1, ROTATED), Verdict::Rotate(advance(1, 2, ROTATED)));
}

#[test]
fn until_used_a_resumed_window_is_replayed_and_reissued_only_after_it() {
    let started_at = ROTATED + 200_000;
    let mut scene = resumed(ROTATED, started_at);
    scene.policy.until_used = true;
    assert_eq!(scene.present(4, started_at + 9_999), REPLAYED);
    assert_eq!(scene.present(4, started_at + 10_000), Verdict::Reissue(advance(4, 6, started_at + 10_000)));
}

#[test]
fn a_window_at_the_end_of_time_does_not_wrap_around() {
    let mut scene = rotated();
    scene.session.rotated_at = Some(at(i64::MAX - 1));
    scene.session.idle_expires_at = at(i64::MAX);
    scene.session.absolute_expires_at = at(i64::MAX);
    assert_eq!(scene.present(4, i64::MAX - 1), REPLAYED);
}

#[test]
fn what_a_restart_carried_is_carried_over_the_next_one_too() {
    let policy = resumed(ROTATED, ROTATED + 100_000).policy;
    let carried = at(ROTATED - 10_000);

    assert_eq!(open_after(at(ROTATED + 101_000), &policy), carried);
    assert_eq!(open_after(at(ROTATED + 109_999), &policy), carried);
    assert_eq!(open_after(at(ROTATED + 110_000), &policy), at(ROTATED + 100_000));
}

#[test]
fn a_retry_that_waited_behind_a_stalled_commit_came_in_time() {
    let scene = rotated();
    let stalled = Moment { asked_at: at(WINDOW_END - 1), now: at(WINDOW_END + 60_000) };
    let too_late = Moment { asked_at: at(WINDOW_END), now: at(WINDOW_END + 60_000) };
    let verdict =
        |number, moment| decide(Some(&scene.session), Some(&scene.user), generation(number), moment, &scene.policy);

    assert_eq!(verdict(4, stalled), REPLAYED);
    assert_eq!(verdict(5, stalled), HELD);
    assert_eq!(verdict(4, too_late), REUSED);
    assert_eq!(verdict(5, too_late), Verdict::Rotate(advance(5, 6, WINDOW_END + 60_000)));
}

#[test]
fn a_wait_does_not_keep_a_session_alive_past_its_limits() {
    let scene = rotated();
    let moment = Moment { asked_at: at(ROTATED), now: at(IDLE_END) };

    assert_eq!(decide(Some(&scene.session), Some(&scene.user), generation(5), moment, &scene.policy), EXPIRED);
}

#[test]
fn strict_a_request_from_before_the_rotation_is_reuse_all_the_same() {
    let scene = strict();
    let moment = Moment { asked_at: at(ROTATED - 1), now: at(ROTATED) };

    assert_eq!(decide(Some(&scene.session), Some(&scene.user), generation(4), moment, &scene.policy), REUSED);
}

#[test]
fn a_request_cannot_ask_from_the_future() {
    let scene = rotated();
    let moment = Moment { asked_at: at(WINDOW_END), now: at(WINDOW_END - 1) };

    assert_eq!(decide(Some(&scene.session), Some(&scene.user), generation(4), moment, &scene.policy), REPLAYED);
}
