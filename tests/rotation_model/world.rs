//! One session on a server whose clock, restarts, stalls and neighbours are events.
//!
//! Owns the check after every step: the verdict is the one that the history expects, and the promises hold that can be
//! said without any model. Requests are decided in the order in which they asked, however long they had to wait.
//!
//! event -> [`Server`] and [`History`] side by side -> assertions

use std::collections::VecDeque;

use latchkey::error::GrantRefusal;
use latchkey::tokens::rotation::{User, Verdict};

use crate::at;
use crate::history::{Asked, History, Rules, Stop};
use crate::server::Server;

/// The login's time: some way from zero, so that a clock can be stepped back before it.
pub const LOGIN: i64 = 1_000_000;

/// A server, the history that it should have, and what is known without looking at either.
#[derive(Debug, Clone, PartialEq)]
pub struct World {
    pub rules: Rules,
    server: Server,
    pub history: History,
    /// For how long the service was up, by its own clock.
    uptime: i64,
    /// Requests that asked while a commit stalled, oldest first.
    waiting: VecDeque<Request>,
    is_finished: bool,
    last_advance_at: Option<i64>,
}

/// A token, and when it was presented.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Request {
    number: u32,
    asked: Asked,
}

/// What became of a request.
#[derive(Debug, Clone, Copy)]
pub struct Decided {
    pub number: u32,
    pub verdict: Verdict,
    /// The token in the answer, where that is a 200.
    pub answer: Option<u32>,
}

impl World {
    /// Just after a login.
    pub fn after_login(rules: Rules) -> Self {
        Self::with_first_generation(rules, 1)
    }

    /// Just after a login that handed out `number`, to be near the end of the numbers.
    pub fn with_first_generation(rules: Rules, number: u32) -> Self {
        Self {
            rules,
            server: Server::after_login(rules, number, LOGIN),
            history: History::of_login(rules, number, LOGIN),
            uptime: 0,
            waiting: VecDeque::new(),
            is_finished: false,
            last_advance_at: None,
        }
    }

    /// The moment, by both clocks.
    pub fn now(&self) -> Asked {
        Asked { at: self.server.newest_time, uptime: self.uptime }
    }

    /// Nothing was ended by reuse or logout yet.
    pub fn is_alive(&self) -> bool {
        !self.is_finished
    }

    /// A token is presented, and has to wait for the commit before it.
    pub fn ask(&mut self, number: u32) {
        self.waiting.push_back(Request { number, asked: self.now() });
    }

    /// The commit before them is done: decides on the requests that waited.
    pub fn decide_waiting(&mut self) -> Vec<Decided> {
        let mut decided = Vec::with_capacity(self.waiting.len());
        while let Some(request) = self.waiting.pop_front() {
            decided.push(self.decide(request));
        }
        decided
    }

    /// Presents a token that is decided at once, after those that wait.
    pub fn present(&mut self, number: u32) -> Decided {
        self.ask(number);
        self.decide_waiting().pop().unwrap()
    }

    /// Checks all that can be said about the outcome of a request.
    fn decide(&mut self, request: Request) -> Decided {
        let Request { number, asked } = request;
        let now = self.now().at;
        let before = self.clone();

        let expected = self.history.present(number, asked.at, now, self.uptime);
        let verdict = self.server.present(number, asked.at);

        assert_eq!(verdict, expected, "presented {request:?} at +{} to {before:#?}", now - LOGIN);
        before.check_promises(request, verdict);
        if let Verdict::Rotate(advance) | Verdict::Reissue(advance) = verdict {
            self.last_advance_at = Some(advance.rotated_at.as_millis());
        }
        match verdict {
            Verdict::Rotate(_) | Verdict::Reissue(_) => self.changed(),
            Verdict::Reuse { .. } => {
                self.is_finished = true;
                self.changed();
            }
            Verdict::Hold | Verdict::Replay | Verdict::Refuse(_) => {}
        }
        self.check_state();
        let answer = self.answered(number, verdict);
        if let Some(answer) = answer {
            self.check_a_second_try(request, answer);
        }
        Decided { number, verdict, answer }
    }

    fn answered(&self, presented: u32, verdict: Verdict) -> Option<u32> {
        match verdict {
            Verdict::Hold => Some(presented),
            Verdict::Replay => Some(self.server.session.current.number()),
            Verdict::Rotate(advance) | Verdict::Reissue(advance) => Some(advance.current.number()),
            Verdict::Refuse(_) | Verdict::Reuse { .. } => None,
        }
    }

    /// What presenting a token now would do, without doing it.
    pub fn would_say(&self, number: u32) -> Verdict {
        self.server.would_say(number, self.now().at)
    }

    /// Lets the wall clock run on, or steps it back.
    pub fn pass(&mut self, millis: i64) {
        self.let_time_pass(|server| server.pass(millis));
    }

    /// Lets time pass until the service's clock shows `moment`, if that is still to come.
    pub fn pass_until(&mut self, moment: i64) {
        self.let_time_pass(|server| server.pass_until(moment));
    }

    fn let_time_pass(&mut self, pass: impl FnOnce(&mut Server)) {
        let before = self.server.newest_time;
        pass(&mut self.server);
        self.uptime += self.server.newest_time - before;
    }

    /// The sweeper comes by, as it does from time to time.
    pub fn tick(&mut self) {
        self.server.tick();
    }

    /// The process ends, and another starts after `downtime`. Requests that waited are never answered.
    pub fn restart(&mut self, stop: Stop, downtime: i64) {
        self.waiting.clear();
        if stop == Stop::Clean {
            self.server.stop();
        }
        self.server.start(downtime);
        self.history.restart(stop, self.server.last_alive, self.server.newest_time, self.uptime);
    }

    /// A batch that changed something, but not this session.
    pub fn change_elsewhere(&mut self) {
        self.changed();
    }

    pub fn log_out(&mut self) {
        self.server.session.ended = true;
        self.history.was_ended = true;
        self.is_finished = true;
        self.changed();
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
        self.history.is_deleted = true;
        self.changed();
    }

    fn change_user(&mut self, change: impl FnOnce(&mut User)) {
        if let Some(user) = &mut self.server.user {
            change(user);
        }
        self.changed();
    }

    fn changed(&mut self) {
        self.server.changed();
        self.history.changed(self.uptime);
    }

    /// What must be true of a verdict, whatever the model thinks; `self` is the world before it.
    fn check_promises(&self, request: Request, verdict: Verdict) {
        let Request { number, asked } = request;
        let now = self.now().at;
        if self.history.is_over(now) {
            assert!(matches!(verdict, Verdict::Refuse(_)), "I2, I5: the session was over, and {verdict:?} came out");
            return;
        }
        if self.history.is_in_time(number, asked) {
            assert!(self.answered(number, verdict).is_some(), "no false logout: {request:?} came in time: {verdict:?}");
        }
        if self.history.is_shut(number, asked) {
            let is_open = matches!(verdict, Verdict::Hold | Verdict::Replay);
            assert!(!is_open, "no missed theft: the window of {request:?} was opened again: {verdict:?}");
        }
        if self.history.is_spent_for_good(number, asked.at) && !self.rules.until_used {
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
        let now = self.now().at;
        let newest = self.history.newest().number;
        let mut can_rotate = 0;
        for number in newest.saturating_sub(3).max(1)..=newest.saturating_add(1) {
            let verdict = self.would_say(number);
            assert_eq!(verdict, self.history.expects(number, now, now), "{number} at +{} in {self:#?}", now - LOGIN);
            can_rotate += u32::from(matches!(verdict, Verdict::Rotate(_)));
            if self.is_finished {
                assert_eq!(verdict, Verdict::Refuse(GrantRefusal::Revoked), "I2: {number} in {self:#?}");
            }
        }
        assert!(can_rotate <= 1, "I1: {can_rotate} generations can be rotated in {self:#?}");
    }

    /// A second try that asked at the same moment gets the same successor (I1, I6), unless the window is zero: that is
    /// strict. The last generation is over as soon as it is made.
    fn check_a_second_try(&self, request: Request, answer: u32) {
        if self.rules.window > 0 && answer < u32::MAX {
            let again = self.server.would_say(request.number, request.asked.at);
            assert!(matches!(again, Verdict::Hold | Verdict::Replay), "I6: {again:?}");
            assert_eq!(self.answered(request.number, again), Some(answer), "I1: two successors of {request:?}");
        }
    }
}
