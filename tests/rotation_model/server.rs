//! The service as far as rotation can tell: rows, settings, a clock, and the marks that outlive the process.
//!
//! Owns what is kept and what is forgotten. It stores what a verdict says and nothing else, as storage does: a crash
//! keeps the rows and the last mark and forgets the rest. Marks are made when the engine makes them: with every batch
//! that changes something, once a service has been quiet for a window, and at a clean stop.

use std::time::Duration;

use latchkey::tokens::principal::Epoch;
use latchkey::tokens::rotation::{Advance, Moment, Policy, Resumed, Session, User, Verdict, decide, open_after};

use crate::history::Rules;
use crate::{at, generation};

/// How long after a mark of quietness is due the sweeper comes by at the latest, in milliseconds. As short as the waits
/// of the schedules, so that they meet both sides of it; the service's is a minute.
pub const TICK: i64 = 4_000;

/// The rows, the settings, the clock and the last mark.
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    pub session: Session,
    pub user: Option<User>,
    pub newest_time: i64,
    policy: Policy,
    wall: i64,
    /// The one-row table: when the service is last known to have run.
    pub last_alive: i64,
    /// Beside it: which windows were open then.
    open_after: i64,
    /// Something changed, or the process started, since it was noted that all was quiet.
    windows_may_be_open: bool,
}

impl Server {
    /// At a login at `now` that handed out `number`, on a fresh database.
    pub fn after_login(rules: Rules, number: u32, now: i64) -> Self {
        let millis = |span: i64| Duration::from_millis(span.unsigned_abs());
        Self {
            session: Session {
                epoch: Epoch(7),
                current: generation(number),
                parent: None,
                rotated_at: None,
                idle_expires_at: at(now + rules.idle_ttl.min(rules.absolute_ttl)),
                absolute_expires_at: at(now + rules.absolute_ttl),
                ended: false,
            },
            user: Some(User { epoch: Epoch(7), disabled: false }),
            policy: Policy {
                window: millis(rules.window),
                until_used: rules.until_used,
                idle_ttl: millis(rules.idle_ttl),
                resumed: None,
            },
            wall: now,
            newest_time: now,
            last_alive: now,
            open_after: now - rules.window,
            windows_may_be_open: true,
        }
    }

    /// Decides on a request of `asked_at` in a transaction of now, and stores the verdict.
    pub fn present(&mut self, number: u32, asked_at: i64) -> Verdict {
        let verdict = self.would_say(number, asked_at);
        match verdict {
            Verdict::Rotate(advance) | Verdict::Reissue(advance) => self.store(advance),
            Verdict::Reuse { .. } => self.session.ended = true,
            Verdict::Hold | Verdict::Replay | Verdict::Refuse(_) => {}
        }
        verdict
    }

    pub fn would_say(&self, number: u32, asked_at: i64) -> Verdict {
        let moment = Moment { asked_at: at(asked_at), now: at(self.newest_time) };
        decide(Some(&self.session), self.user.as_ref(), generation(number), moment, &self.policy)
    }

    fn store(&mut self, advance: Advance) {
        self.session.current = advance.current;
        self.session.parent = Some(advance.parent);
        self.session.rotated_at = Some(advance.rotated_at);
        self.session.idle_expires_at = advance.idle_expires_at;
    }

    /// A batch that changed something is committed.
    pub fn changed(&mut self) {
        self.note_alive();
        self.windows_may_be_open = true;
    }

    /// The sweeper comes by.
    pub fn tick(&mut self) {
        if self.windows_may_be_open && self.newest_time >= self.quiet_mark_due_at() {
            self.note_alive();
            self.windows_may_be_open = false;
        }
    }

    /// Lets the wall clock run on, or steps it back; the service's time stands still while it is behind. The sweeper is
    /// not later than it may be.
    pub fn pass(&mut self, millis: i64) {
        self.wall += millis;
        let now = self.newest_time.max(self.wall);
        let latest_tick = self.quiet_mark_due_at() + TICK;
        if self.windows_may_be_open && now >= latest_tick {
            self.newest_time = self.newest_time.max(latest_tick);
            self.tick();
        }
        self.newest_time = now;
    }

    /// Lets time pass until the service's clock shows `moment`, if that is still to come.
    pub fn pass_until(&mut self, moment: i64) {
        if moment > self.newest_time {
            self.pass(moment - self.wall);
        }
    }

    /// A clean stop writes down what it knows; a crash does not.
    pub fn stop(&mut self) {
        self.note_alive();
    }

    /// A start after `downtime`: the clock goes on from the wall or the newest stored time.
    pub fn start(&mut self, downtime: i64) {
        self.wall += downtime;
        self.newest_time = self.wall.max(self.last_alive);
        self.policy.resumed = Some(Resumed {
            last_alive: at(self.last_alive),
            started_at: at(self.newest_time),
            open_after: at(self.open_after),
        });
        self.windows_may_be_open = true;
    }

    fn note_alive(&mut self) {
        self.last_alive = self.newest_time;
        self.open_after = open_after(at(self.newest_time), &self.policy).as_millis();
    }

    /// One window after the last change or the start.
    fn quiet_mark_due_at(&self) -> i64 {
        let started_at = self.policy.resumed.map_or(i64::MIN, |resumed| resumed.started_at.as_millis());
        at(self.last_alive.max(started_at)).plus(self.policy.window).as_millis()
    }
}
