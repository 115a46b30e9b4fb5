//! No false logout: what holders of a session's token may do without ever losing the session.
//!
//! Owns the promise to clients, as rules that they can follow. What counts is when they asked: a commit may stall for as
//! long as it likes.
//!
//! - Tabs with a copy each: each asks in time, that is, before a window has passed since its token was spent; where the
//!   window is zero, no two at once.
//! - Tabs that share a store and talk at once: an answer is written only over the token that it was asked for with (a
//!   Hold that crosses a Rotate on the wire would put the spent token back), and a token whose first try was a window ago
//!   is not tried again.
//! - A lone owner under `until-used`, or tabs that take turns: a new try gives up the answers of those before it (the
//!   token in one of them may be passed over by then). There is no limit to the time between tries.

use std::collections::VecDeque;

use proptest::prelude::*;

use crate::history::{Rules, Stop};
use crate::world::{Decided, World};
use crate::{DEFAULT_GRACE, STRICT, UNTIL_USED, WINDOW, without_limits};

/// Enough for several tabs to be behind by different amounts.
const TABS: usize = 5;

/// One thing that happens; numbers choose among what there is, modulo its length.
#[derive(Debug, Clone)]
enum Event {
    Present(usize),
    AnswerArrives(usize),
    AnswerIsLost(usize),
    Around(Around),
}

/// What happens to the server, whatever the tabs do.
#[derive(Debug, Clone)]
enum Around {
    TimePasses(i64),
    WindowIsAboutToEnd(i64),
    ClockStepsBack(i64),
    Restart(Stop, i64),
    ChangeElsewhere,
    CommitStalls,
    CommitEnds,
    Tick,
}

fn event() -> impl Strategy<Value = Event> {
    let any_of = 0_usize..64;
    prop_oneof![
        10 => any_of.clone().prop_map(Event::Present),
        10 => any_of.clone().prop_map(Event::AnswerArrives),
        2 => any_of.prop_map(Event::AnswerIsLost),
        15 => around().prop_map(Event::Around),
    ]
}

fn around() -> impl Strategy<Value = Around> {
    prop_oneof![
        6 => (0_i64..12_000).prop_map(Around::TimePasses),
        4 => (-1_i64..=1).prop_map(Around::WindowIsAboutToEnd),
        1 => (0_i64..8_000).prop_map(Around::ClockStepsBack),
        2 => (0_i64..3_600_000).prop_map(|downtime| Around::Restart(Stop::Crash, downtime)),
        1 => (0_i64..3_600_000).prop_map(|downtime| Around::Restart(Stop::Clean, downtime)),
        2 => Just(Around::ChangeElsewhere),
        2 => Just(Around::CommitStalls),
        2 => Just(Around::CommitEnds),
        1 => Just(Around::Tick),
    ]
}

/// An answer under way.
#[derive(Debug, Clone, Copy)]
struct Answer {
    store: usize,
    asked_with: u32,
    token: u32,
    /// Which of its network's requests it answers, from 1.
    request: usize,
}

/// A request that waits for a stalled commit.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    store: usize,
    request: usize,
}

/// The server, what each store holds, and the requests and answers on their way.
struct Network {
    world: World,
    is_stalled: bool,
    /// Oldest first.
    waiting: VecDeque<Waiting>,
    stores: Vec<u32>,
    answers: Vec<Answer>,
    requests: usize,
}

impl Network {
    fn new(rules: Rules, stores: usize) -> Self {
        Self {
            world: World::after_login(without_limits(rules)),
            is_stalled: false,
            waiting: VecDeque::new(),
            stores: vec![1; stores],
            answers: Vec::new(),
            requests: 0,
        }
    }

    fn happens(&mut self, around: &Around) {
        match *around {
            Around::TimePasses(millis) => self.world.pass(millis),
            Around::WindowIsAboutToEnd(offset) => self.world.pass_until(self.world.history.window_end() + offset),
            Around::ClockStepsBack(millis) => self.world.pass(-millis),
            Around::Restart(stop, downtime) => self.restart(stop, downtime),
            Around::ChangeElsewhere => self.world.change_elsewhere(),
            Around::CommitStalls => self.is_stalled = true,
            Around::CommitEnds => self.commit_ends(),
            Around::Tick => self.world.tick(),
        }
    }

    fn present(&mut self, store: usize) {
        self.requests += 1;
        self.waiting.push_back(Waiting { store, request: self.requests });
        self.world.ask(self.stores[store]);
        if !self.is_stalled {
            self.commit_ends();
        }
    }

    fn commit_ends(&mut self) {
        self.is_stalled = false;
        for (waiting, decided) in self.waiting.drain(..).zip(self.world.decide_waiting()) {
            let Waiting { store, request } = waiting;
            let Decided { number: asked_with, verdict, answer } = decided;
            assert!(
                answer.is_some(),
                "a false logout: {asked_with} of store {store} got {verdict:?} in {:#?}",
                self.world
            );
            self.answers.extend(answer.map(|token| Answer { store, asked_with, token, request }));
        }
    }

    /// A clean stop answers whoever waits; a crash never does.
    fn restart(&mut self, stop: Stop, downtime: i64) {
        if stop == Stop::Clean {
            self.commit_ends();
        }
        self.is_stalled = false;
        self.waiting.clear();
        self.world.restart(stop, downtime);
    }

    fn lose_answer(&mut self, nth: usize) {
        self.remove_answer(nth);
    }

    fn remove_answer(&mut self, nth: usize) -> Option<Answer> {
        let nth = nth.checked_rem(self.answers.len())?;
        Some(self.answers.swap_remove(nth))
    }
}

/// Each tab has its own copy, writes whatever arrives last, and asks only if it comes in time.
fn play_own_copies(rules: Rules, events: &[Event]) {
    let mut network = Network::new(rules, TABS);
    for event in events {
        match event {
            Event::Present(tab) => {
                let tab = tab % TABS;
                let is_in_time = network.world.history.is_in_time(network.stores[tab], network.world.now());
                if is_in_time && (rules.window > 0 || network.waiting.is_empty()) {
                    network.present(tab);
                }
            }
            Event::AnswerArrives(nth) => {
                if let Some(answer) = network.remove_answer(*nth) {
                    network.stores[answer.store] = answer.token;
                }
            }
            Event::AnswerIsLost(nth) => network.lose_answer(*nth),
            Event::Around(around) => network.happens(around),
        }
    }
}

/// All tabs share one store, talk at once, write by compare-and-set, and retry in time.
fn play_shared_store(rules: Rules, events: &[Event]) {
    let mut network = Network::new(rules, 1);
    // The tries with the token in the store that may have spent it, oldest first: which request, and when.
    let mut tries: Vec<(usize, i64)> = Vec::new();
    for event in events {
        match event {
            Event::Present(_) => {
                let uptime = network.world.now().uptime;
                if tries.first().is_none_or(|(_, first)| uptime - first < WINDOW) {
                    network.present(0);
                    tries.push((network.requests, uptime));
                }
            }
            Event::AnswerArrives(nth) => {
                let stored = network.stores[0];
                match network.remove_answer(*nth).filter(|answer| answer.asked_with == stored) {
                    // It was held, so neither that try nor any before it has spent the token.
                    Some(answer) if answer.token == stored => tries.retain(|&(request, _)| request > answer.request),
                    Some(answer) => {
                        network.stores[0] = answer.token;
                        tries.clear();
                    }
                    None => {}
                }
            }
            Event::AnswerIsLost(nth) => network.lose_answer(*nth),
            Event::Around(around) => network.happens(around),
        }
    }
}

/// One request at a time, in whatever tab; whoever tries again no longer listens to the try before.
fn play_turns(rules: Rules, events: &[Event]) {
    let mut network = Network::new(rules, 1);
    for event in events {
        match event {
            Event::Present(_) => network.present(0),
            Event::AnswerArrives(nth) => {
                let latest = network.requests;
                if let Some(answer) = network.remove_answer(*nth).filter(|answer| answer.request == latest) {
                    network.stores[0] = answer.token;
                }
            }
            Event::AnswerIsLost(nth) => network.lose_answer(*nth),
            Event::Around(around) => network.happens(around),
        }
    }
}

proptest! {
    // As many as fit into a second for each mode.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn tabs_with_a_copy_each_that_come_in_time_never_end_a_session(
        events in prop::collection::vec(event(), 1..80)
    ) {
        play_own_copies(DEFAULT_GRACE, &events);
        play_own_copies(UNTIL_USED, &events);
        play_own_copies(STRICT, &events);
    }

    #[test]
    fn tabs_that_share_a_store_and_retry_in_time_never_end_a_session(
        events in prop::collection::vec(event(), 1..80)
    ) {
        play_shared_store(DEFAULT_GRACE, &events);
    }

    #[test]
    fn until_used_a_lone_owner_may_retry_at_any_time_and_is_never_logged_out(
        events in prop::collection::vec(event(), 1..80)
    ) {
        play_turns(UNTIL_USED, &events);
    }
}
