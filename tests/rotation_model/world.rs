//! One session on a server whose clock, restarts and neighbours are events.
//!
//! Owns the check after every step: the verdict is the one that the history expects, and the promises hold that can be
//! said without any model. The server stores what a verdict says and nothing else, as storage does: a crash keeps the
//! rows and the time of the last batch that changed something, and forgets the rest.
//!
//! event -> [`Server`] and [`History`] side by side -> assertions

use std::time::Duration;

use latchkey::error::GrantRefusal;
use latchkey::tokens::principal::Epoch;
use latchkey::tokens::rotation::{Advance, Policy, Resumed, Session, User, Verdict, decide, open_after};

use crate::history::{History, Rules};
use crate::{at, generation, presented_at};

/// The login's time: some way from zero, so that a clock can be stepped back before it.
pub const LOGIN: i64 = 1_000_000;

/// The rows, the settings and the clock.
#[derive(Debug, Clone)]
struct Server {
    session: Session,
    user: Option<User>,
    policy: Policy,
    wall: i64,
    newest_time: i64,
    /// The one-row table: when a batch last changed something.
    last_alive: i64,
    /// Beside it: which windows were open then.
    open_after: i64,
}

/// A server, the history that it should have, and what is known without looking at either.
#[derive(Debug, Clone)]
pub struct World {
    pub rules: Rules,
    server: Server,
    pub history: History,
    /// For how long the service was up, by its own clock.
    pub uptime: i64,
    is_finished: bool,
    last_advance_at: Option<i64>,
}

impl Server {
    fn present(&mut self, number: u32) -> Verdict {
        let verdict = self.would_say(number);
        match verdict {
            Verdict::Rotate(advance) | Verdict::Reissue(advance) => self.store(advance),
            Verdict::Reuse { .. } => self.end_session(),
            Verdict::Hold | Verdict::Replay | Verdict::Refuse(_) => {}
        }
        verdict
    }

    fn would_say(&self, number: u32) -> Verdict {
        decide(
            Some(&self.session),
            self.user.as_ref(),
            generation(number),
            presented_at(self.newest_time),
            &self.policy,
        )
    }

    fn store(&mut self, advance: Advance) {
        self.session.current = advance.current;
        self.session.parent = Some(advance.parent);
        self.session.rotated_at = Some(advance.rotated_at);
        self.session.idle_expires_at = advance.idle_expires_at;
        self.note_alive();
    }

    /// What every batch that changes something writes beside it.
    fn note_alive(&mut self) {
        self.last_alive = self.newest_time;
        self.open_after = open_after(at(self.newest_time), &self.policy).as_millis();
    }

    fn end_session(&mut self) {
        self.session.ended = true;
        self.note_alive();
    }
}

impl World {
    /// Just after a login.
    pub fn after_login(rules: Rules) -> Self {
        Self::with_first_generation(rules, 1)
    }

    /// Just after a login that handed out `number`, to be near the end of the numbers.
    pub fn with_first_generation(rules: Rules, number: u32) -> Self {
        let millis = |span: i64| Duration::from_millis(span.unsigned_abs());
        let server = Server {
            session: Session {
                epoch: Epoch(7),
                current: generation(number),
                parent: None,
                rotated_at: None,
                idle_expires_at: at(LOGIN + rules.idle_ttl.min(rules.absolute_ttl)),
                absolute_expires_at: at(LOGIN + rules.absolute_ttl),
                ended: false,
            },
            user: Some(User { epoch: Epoch(7), disabled: false }),
            policy: Policy {
                window: millis(rules.window),
                until_used: rules.until_used,
                idle_ttl: millis(rules.idle_ttl),
                resumed: None,
            },
            wall: LOGIN,
            newest_time: LOGIN,
            last_alive: LOGIN,
            open_after: LOGIN - rules.window,
        };
        let history = History::of_login(rules, number, LOGIN);
        Self { rules, server, history, uptime: 0, is_finished: false, last_advance_at: None }
    }

    pub fn now(&self) -> i64 {
        self.server.newest_time
    }

    /// Nothing was ended by reuse or logout yet.
    pub fn is_alive(&self) -> bool {
        !self.is_finished
    }

    /// Presents a token, checks all that can be said about the outcome, and returns the verdict.
    pub fn present(&mut self, number: u32) -> Verdict {
        let now = self.now();
        let before = self.clone();

        let expected = self.history.present(number, now, self.uptime);
        let verdict = self.server.present(number);

        assert_eq!(verdict, expected, "presented {number} at +{} to {before:#?}", now - LOGIN);
        before.check_promises(number, verdict);
        self.is_finished |= matches!(verdict, Verdict::Reuse { .. });
        if let Verdict::Rotate(advance) | Verdict::Reissue(advance) = verdict {
            self.last_advance_at = Some(advance.rotated_at.as_millis());
        }
        self.check_state();
        if let Some(answer) = self.answered(number, verdict) {
            self.check_a_second_try(number, answer);
        }
        verdict
    }

    /// The token in the answer, where the verdict is a 200.
    pub fn answered(&self, presented: u32, verdict: Verdict) -> Option<u32> {
        match verdict {
            Verdict::Hold => Some(presented),
            Verdict::Replay => Some(self.server.session.current.number()),
            Verdict::Rotate(advance) | Verdict::Reissue(advance) => Some(advance.current.number()),
            Verdict::Refuse(_) | Verdict::Reuse { .. } => None,
        }
    }

    /// What presenting a token would do, without doing it.
    pub fn would_say(&self, number: u32) -> Verdict {
        self.server.would_say(number)
    }

    /// Lets the wall clock run on, or steps it back; the service's time stands still while it is behind.
    pub fn pass(&mut self, millis: i64) {
        let before = self.server.newest_time;
        self.server.wall += millis;
        self.server.newest_time = before.max(self.server.wall);
        self.uptime += self.server.newest_time - before;
    }

    /// Lets time pass until the service's clock shows `moment`, if that is still to come.
    pub fn pass_until(&mut self, moment: i64) {
        if moment > self.now() {
            self.pass(moment - self.server.wall);
        }
    }

    /// A crash, `downtime` and a start: the clock starts from the wall or the newest stored time.
    pub fn restart(&mut self, downtime: i64) {
        let last_alive = self.server.last_alive;
        self.server.wall += downtime;
        let started_at = self.server.wall.max(last_alive);
        self.server.newest_time = started_at;
        self.server.policy.resumed = Some(Resumed {
            last_alive: at(last_alive),
            started_at: at(started_at),
            open_after: at(self.server.open_after),
        });
        self.history.restart(last_alive, started_at, self.uptime);
    }

    /// A batch that changed something, but not this session.
    pub fn change_elsewhere(&mut self) {
        self.server.note_alive();
    }

    pub fn log_out(&mut self) {
        self.server.end_session();
        self.history.was_ended = true;
        self.is_finished = true;
    }

    pub fn change_password(&mut self) {
        self.change_user(|user| user.epoch.0 += 1);
        self.history.was_fenced = true;
    }

    pub fn disable(&mut self) {
        self.change_user(|user| {
            user.epoch.0 += 1;
            user.disabled = true;
        });
        self.history.was_fenced = true;
        self.history.is_disabled = true;
    }

    /// A row that says disabled without a raised epoch, as an operator's SQL may leave it.
    pub fn disable_by_hand(&mut self) {
        self.change_user(|user| user.disabled = true);
        self.history.is_disabled = true;
    }

    pub fn enable(&mut self) {
        self.change_user(|user| user.disabled = false);
        self.history.is_disabled = false;
    }

    pub fn delete_user(&mut self) {
        self.server.user = None;
        self.server.note_alive();
        self.history.is_deleted = true;
    }

    fn change_user(&mut self, change: impl FnOnce(&mut User)) {
        if let Some(user) = &mut self.server.user {
            change(user);
        }
        self.server.note_alive();
    }

    /// What must be true of a verdict, whatever the model thinks; `self` is the world before it.
    fn check_promises(&self, number: u32, verdict: Verdict) {
        let now = self.now();
        if self.history.is_over(now) {
            assert!(matches!(verdict, Verdict::Refuse(_)), "I2, I5: the session was over, and {verdict:?} came out");
            return;
        }
        if self.history.is_in_time(number, self.uptime) {
            assert!(self.answered(number, verdict).is_some(), "no false logout: {number} came in time: {verdict:?}");
        }
        if self.history.is_spent_for_good(number, now) && !self.rules.until_used {
            assert!(matches!(verdict, Verdict::Reuse { .. }), "no missed theft: {number} was let through: {verdict:?}");
        }
        if let Verdict::Rotate(advance) | Verdict::Reissue(advance) = verdict {
            let newest = self.history.newest();
            assert!(
                self.last_advance_at.is_none_or(|last| now >= last + self.rules.window),
                "once per window: {} was made at {} and again at {now}",
                newest.number,
                newest.made_at
            );
            assert!(advance.idle_expires_at <= self.server.session.absolute_expires_at, "I4: {advance:?}");
            assert!(advance.idle_expires_at > at(now), "a renewal that is over at once: {advance:?}");
        }
    }

    /// What must be true between any two steps: each token near the newest would do what the history expects, at most
    /// one can be rotated (I1), and none can once the session is finished (I2).
    pub fn check_state(&self) {
        let now = self.now();
        let newest = self.history.newest().number;
        let mut can_rotate = 0;
        for number in newest.saturating_sub(3).max(1)..=newest.saturating_add(1) {
            let verdict = self.would_say(number);
            assert_eq!(verdict, self.history.expects(number, now), "{number} at +{} in {self:#?}", now - LOGIN);
            can_rotate += u32::from(matches!(verdict, Verdict::Rotate(_)));
            if self.is_finished {
                assert_eq!(verdict, Verdict::Refuse(GrantRefusal::Revoked), "I2: {number} in {self:#?}");
            }
        }
        assert!(can_rotate <= 1, "I1: {can_rotate} generations can be rotated in {self:#?}");
    }

    /// A second try at the same moment gets the same successor (I1, I6), unless the window is zero: that is strict. The
    /// last generation is over as soon as it is made.
    fn check_a_second_try(&self, number: u32, answer: u32) {
        if self.rules.window > 0 && answer < u32::MAX {
            let again = self.would_say(number);
            assert!(matches!(again, Verdict::Hold | Verdict::Replay), "I6: {again:?}");
            assert_eq!(self.answered(number, again), Some(answer), "I1: two successors of {number}");
        }
    }
}
