//! The expected verdict, told from the past instead of from a row's columns.
//!
//! Owns the model's reading of the verdict table: every token that was ever handed out is remembered with the token that
//! it was asked for with, its window and its fate; what a presentation should do is found by searching that memory.
//! Endings are remembered as having happened, not as counters. Never calls `decide`.

use latchkey::error::GrantRefusal;
use latchkey::tokens::rotation::{Advance, Verdict};

use crate::server::TICK;
use crate::{at, generation};

/// The settings that a history plays by; times in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
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
#[derive(Debug, Clone, PartialEq)]
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
    /// Since when a process has lived with its window without a break, in the time that the service was up.
    lived_from: i64,
    /// When its window was known to be over for ever, in the time that the service was up.
    shut_at: Option<i64>,
}

/// A request, by both clocks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Asked {
    /// The service's time at which it asked.
    pub at: i64,
    /// How long the service had been up by then.
    pub uptime: i64,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    Clean,
    Crash,
}

/// All that happened to one session.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    rules: Rules,
    opened_at: i64,
    issued: Vec<Issued>,
    /// When something last changed in the service, or a process started, in the time that it was up.
    busy_at: i64,
    pub was_ended: bool,
    /// The password was changed, or the account disabled, since the session was opened.
    pub was_fenced: bool,
    pub is_disabled: bool,
    pub is_deleted: bool,
}

impl Issued {
    /// Whether a process has lived through the whole window.
    fn is_lived_through(&self, window: i64, uptime: i64) -> bool {
        uptime - self.lived_from >= window
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
            lived_from: 0,
            shut_at: None,
        };
        Self {
            rules,
            opened_at,
            issued: vec![first],
            busy_at: 0,
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

    /// What presenting `number` should do, in a request of `asked_at` that is decided at `now`.
    pub fn expects(&self, number: u32, asked_at: i64, now: i64) -> Verdict {
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
            (Fate::Unspent, _) if self.is_open(token, asked_at) => Verdict::Hold,
            (Fate::Unspent, _) => Verdict::Rotate(self.advance(number, now)),
            (Fate::Presented, Some(heir)) if self.is_open(heir, asked_at) => Verdict::Replay,
            (Fate::Presented, Some(heir)) if self.rules.until_used && heir.fate == Fate::Unspent => {
                Verdict::Reissue(self.advance(number, now))
            }
            (Fate::Presented | Fate::PassedOver, _) => Verdict::Reuse { rollback_detected: false },
        }
    }

    /// Remembers that `number` was presented, and answers what that should have done.
    pub fn present(&mut self, number: u32, asked_at: i64, now: i64, uptime: i64) -> Verdict {
        let expected = self.expects(number, asked_at, now);
        match expected {
            Verdict::Rotate(_) => self.hand_out(number, Fate::Presented, now, uptime),
            Verdict::Reissue(_) => self.hand_out(number, Fate::PassedOver, now, uptime),
            Verdict::Reuse { .. } => self.was_ended = true,
            Verdict::Hold | Verdict::Replay | Verdict::Refuse(_) => {}
        }
        expected
    }

    /// Something changed in the service: a window that was lived through by then is over for ever.
    pub fn changed(&mut self, uptime: i64) {
        self.busy_at = uptime;
        self.shut_windows(uptime);
    }

    /// A restart: windows that were open when the service was last known to run stay open for a window's length from the
    /// start on, however many restarts it takes. One that was over at a clean stop, or had been over in a service that
    /// was quiet for a window and a tick, stays closed.
    pub fn restart(&mut self, stop: Stop, last_alive: i64, started_at: i64, uptime: i64) {
        let window = self.rules.window;
        if stop == Stop::Clean || uptime - self.busy_at >= window + TICK {
            self.shut_windows(uptime);
        }
        self.busy_at = uptime;
        for token in self.issued.iter_mut().filter(|token| token.asked_with.is_some()) {
            let is_carried = window > 0 && token.open_until > last_alive;
            let is_owed = uptime - token.made_at_uptime < window;
            assert!(is_carried || !is_owed, "a restart closed the window of {} early", token.number);
            if is_carried {
                token.open_until = started_at + window;
            }
            token.lived_from = uptime;
        }
    }

    fn shut_windows(&mut self, uptime: i64) {
        let window = self.rules.window;
        for token in self.issued.iter_mut().filter(|token| token.is_lived_through(window, uptime)) {
            token.shut_at = token.shut_at.or(Some(uptime));
        }
    }

    /// Whether the holder of `number` asked in time: it is unspent, or the service was up for less than a window since it
    /// bought its successor. Such a presentation must never end the session, however late it is decided.
    pub fn is_in_time(&self, number: u32, asked: Asked) -> bool {
        self.find(number).is_some_and(|token| match token.fate {
            Fate::Unspent => true,
            Fate::PassedOver => false,
            // A window of zero promises nothing, not even to a request that had to wait.
            Fate::Presented if self.rules.window == 0 => false,
            Fate::Presented => {
                self.last_bought_with(number).is_some_and(|heir| asked.uptime - heir.made_at_uptime < self.rules.window)
            }
        })
    }

    /// Whether `number` asks in a window that was over for ever before: it must neither be held nor replayed.
    pub fn is_shut(&self, number: u32, asked: Asked) -> bool {
        let decides = self.find(number).and_then(|token| match token.fate {
            Fate::Unspent => Some(token),
            Fate::Presented | Fate::PassedOver => self.last_bought_with(number),
        });
        decides.and_then(|token| token.shut_at).is_some_and(|shut_at| asked.uptime >= shut_at)
    }

    /// Whether `number` is known and can never be what its session goes on from: no retry of `asked_at` reaches it.
    pub fn is_spent_for_good(&self, number: u32, asked_at: i64) -> bool {
        self.find(number).is_some_and(|token| match token.fate {
            Fate::Unspent => false,
            Fate::PassedOver => true,
            Fate::Presented => !self.last_bought_with(number).is_some_and(|heir| self.is_open(heir, asked_at)),
        })
    }

    /// A window of zero is closed even to a request from before it.
    fn is_open(&self, token: &Issued, asked_at: i64) -> bool {
        self.rules.window > 0 && asked_at < token.open_until
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
            lived_from: uptime,
            shut_at: None,
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
