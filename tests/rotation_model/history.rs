//! The expected verdict, told from the past instead of from a row's columns.
//!
//! Owns the model's reading of the verdict table: every token that was ever handed out is remembered with the token that
//! it was asked for with, its window and its fate; what a presentation should do is found by searching that memory.
//! Endings are remembered as having happened, not as counters. Never calls `decide`.

use latchkey::error::GrantRefusal;
use latchkey::tokens::rotation::{Advance, Verdict};

use crate::{at, generation};

/// The settings that a history plays by; times in milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    pub window: i64,
    pub until_used: bool,
    pub idle_ttl: i64,
    pub absolute_ttl: i64,
}

/// What became of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Nobody presented it when that would have spent it.
    Unspent,
    /// It was presented and bought a successor.
    Presented,
    /// Its parent came back under `until-used`, and a sibling was made instead of it.
    PassedOver,
}

/// A token that was handed out.
#[derive(Debug, Clone)]
pub struct Issued {
    pub number: u32,
    /// The token whose presentation made this one; the login's has none.
    asked_with: Option<u32>,
    pub made_at: i64,
    /// Up to here it is held, and whoever presents `asked_with` is answered with it.
    open_until: i64,
    fate: Fate,
    /// How long the service had been up when it was made: its holders were promised a window's worth of retries, counted
    /// in the time that the service was up.
    made_at_uptime: i64,
}

/// All that happened to one session.
#[derive(Debug, Clone)]
pub struct History {
    rules: Rules,
    opened_at: i64,
    issued: Vec<Issued>,
    pub was_ended: bool,
    /// The password was changed, or the account disabled, since the session was opened.
    pub was_fenced: bool,
    pub is_disabled: bool,
    pub is_deleted: bool,
}

impl Issued {
    fn is_open(&self, now: i64) -> bool {
        now < self.open_until
    }
}

impl History {
    /// A login at `opened_at` that handed out `number`.
    pub fn of_login(rules: Rules, number: u32, opened_at: i64) -> Self {
        let first = Issued {
            number,
            asked_with: None,
            made_at: opened_at,
            open_until: opened_at,
            fate: Fate::Unspent,
            made_at_uptime: 0,
        };
        Self {
            rules,
            opened_at,
            issued: vec![first],
            was_ended: false,
            was_fenced: false,
            is_disabled: false,
            is_deleted: false,
        }
    }

    pub fn newest(&self) -> &Issued {
        self.issued.last().unwrap()
    }

    /// When the window of the newest token closes.
    pub fn window_end(&self) -> i64 {
        self.newest().open_until
    }

    /// When the session is over unless it is renewed before.
    pub fn limit(&self) -> i64 {
        let absolute = self.opened_at + self.rules.absolute_ttl;
        (self.newest().made_at + self.rules.idle_ttl).min(absolute)
    }

    /// Nothing but a refusal can come out of this session any more.
    pub fn is_over(&self, now: i64) -> bool {
        let cannot_advance = self.newest().number == u32::MAX;
        self.was_ended
            || cannot_advance
            || now >= self.limit()
            || self.was_fenced
            || self.is_disabled
            || self.is_deleted
    }

    /// What presenting `number` should do.
    pub fn expects(&self, number: u32, now: i64) -> Verdict {
        let newest = self.newest();
        if self.was_ended {
            return Verdict::Refuse(GrantRefusal::Revoked);
        }
        if newest.number == u32::MAX || now >= self.limit() {
            return Verdict::Refuse(GrantRefusal::Expired);
        }
        if self.is_over(now) {
            return Verdict::Refuse(GrantRefusal::Revoked);
        }
        let Some(token) = self.find(number) else {
            return Verdict::Reuse { rollback_detected: number > newest.number };
        };
        match (token.fate, self.last_bought_with(number)) {
            (Fate::Unspent, _) if token.is_open(now) => Verdict::Hold,
            (Fate::Unspent, _) => Verdict::Rotate(self.advance(number, now)),
            (Fate::Presented, Some(heir)) if heir.is_open(now) => Verdict::Replay,
            (Fate::Presented, Some(heir)) if self.rules.until_used && heir.fate == Fate::Unspent => {
                Verdict::Reissue(self.advance(number, now))
            }
            (Fate::Presented | Fate::PassedOver, _) => Verdict::Reuse { rollback_detected: false },
        }
    }

    /// Remembers that `number` was presented, and answers what that should have done.
    pub fn present(&mut self, number: u32, now: i64, uptime: i64) -> Verdict {
        let expected = self.expects(number, now);
        match expected {
            Verdict::Rotate(_) => self.hand_out(number, Fate::Presented, now, uptime),
            Verdict::Reissue(_) => self.hand_out(number, Fate::PassedOver, now, uptime),
            Verdict::Reuse { .. } => self.was_ended = true,
            Verdict::Hold | Verdict::Replay | Verdict::Refuse(_) => {}
        }
        expected
    }

    /// A restart: windows that were open at the last change stay open for a window's length from the start on, however
    /// many restarts it takes.
    pub fn restart(&mut self, last_alive: i64, started_at: i64, uptime: i64) {
        let window = self.rules.window;
        for token in self.issued.iter_mut().filter(|token| token.asked_with.is_some()) {
            let is_carried = window > 0 && token.open_until > last_alive;
            let is_owed = uptime - token.made_at_uptime < window;
            assert!(is_carried || !is_owed, "a restart closed the window of {} early", token.number);
            if is_carried {
                token.open_until = started_at + window;
            }
        }
    }

    /// Whether the holder of `number` comes in time: it is unspent, or the service was up for less than a window since
    /// it bought its successor. Such a presentation must never end the session.
    pub fn is_in_time(&self, number: u32, uptime: i64) -> bool {
        self.find(number).is_some_and(|token| match token.fate {
            Fate::Unspent => true,
            Fate::PassedOver => false,
            Fate::Presented => {
                self.last_bought_with(number).is_some_and(|heir| uptime - heir.made_at_uptime < self.rules.window)
            }
        })
    }

    /// Whether `number` is known and can never be what its session goes on from: no retry reaches it any more.
    pub fn is_spent_for_good(&self, number: u32, now: i64) -> bool {
        self.find(number).is_some_and(|token| match token.fate {
            Fate::Unspent => false,
            Fate::PassedOver => true,
            Fate::Presented => !self.last_bought_with(number).is_some_and(|heir| heir.is_open(now)),
        })
    }

    fn hand_out(&mut self, asked_with: u32, fate_of_predecessor: Fate, now: i64, uptime: i64) {
        let predecessor = self.issued.last_mut().unwrap();
        predecessor.fate = fate_of_predecessor;
        let number = predecessor.number + 1;
        self.issued.push(Issued {
            number,
            asked_with: Some(asked_with),
            made_at: now,
            open_until: now + self.rules.window,
            fate: Fate::Unspent,
            made_at_uptime: uptime,
        });
    }

    fn advance(&self, presented: u32, now: i64) -> Advance {
        let absolute = self.opened_at + self.rules.absolute_ttl;
        Advance {
            current: generation(self.newest().number + 1),
            parent: generation(presented),
            rotated_at: at(now),
            idle_expires_at: at((now + self.rules.idle_ttl).min(absolute)),
        }
    }

    fn find(&self, number: u32) -> Option<&Issued> {
        self.issued.iter().find(|token| token.number == number)
    }

    fn last_bought_with(&self, number: u32) -> Option<&Issued> {
        self.issued.iter().rev().find(|token| token.asked_with == Some(number))
    }
}
