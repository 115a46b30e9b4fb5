//! No missed theft: what a thief gets out of a copied token, and for how long.
//!
//! Owns the promise to the owner. Inside the window a thief who holds the same token cannot be told from a second tab,
//! and shares the line. Once he is ahead of the owner, the owner's next renewal outside the window finds him out: the
//! session ends, or, under `until-used`, his token is dead and its next use ends the session.

use latchkey::tokens::rotation::Verdict;
use proptest::prelude::*;

use crate::history::{Rules, Stop};
use crate::world::{Decided, World};
use crate::{DEFAULT_GRACE, STRICT, UNTIL_USED, without_limits};

/// One thing that happens.
#[derive(Debug, Clone)]
enum Event {
    OwnerRenews { answer_arrives: bool },
    ThiefCopiesTheOwnersToken,
    ThiefPresents(usize),
    TimePasses(i64),
    WindowIsAboutToEnd(i64),
    Restart(Stop, i64),
    Tick,
    ChangeElsewhere,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => prop::bool::weighted(0.8).prop_map(|answer_arrives| Event::OwnerRenews { answer_arrives }),
        4 => Just(Event::ThiefCopiesTheOwnersToken),
        5 => (0_usize..64).prop_map(Event::ThiefPresents),
        5 => (0_i64..15_000).prop_map(Event::TimePasses),
        4 => (-1_i64..=1).prop_map(Event::WindowIsAboutToEnd),
        1 => (0_i64..40_000).prop_map(|downtime| Event::Restart(Stop::Crash, downtime)),
        1 => (0_i64..40_000).prop_map(|downtime| Event::Restart(Stop::Clean, downtime)),
        1 => Just(Event::Tick),
        1 => Just(Event::ChangeElsewhere),
    ]
}

struct Theft {
    world: World,
    owners: u32,
    stolen: Vec<u32>,
    /// The newest token that a theft made and the owner was never given.
    ahead: Option<u32>,
}

impl Theft {
    fn take(&mut self, event: &Event) {
        match *event {
            Event::OwnerRenews { answer_arrives } => self.owner_renews(answer_arrives),
            Event::ThiefCopiesTheOwnersToken => self.stolen.push(self.owners),
            Event::ThiefPresents(nth) => self.thief_presents(nth),
            Event::TimePasses(millis) => self.world.pass(millis),
            Event::WindowIsAboutToEnd(offset) => self.world.pass_until(self.world.history.window_end() + offset),
            Event::Restart(stop, downtime) => self.world.restart(stop, downtime),
            Event::Tick => self.world.tick(),
            Event::ChangeElsewhere => self.world.change_elsewhere(),
        }
    }

    fn owner_renews(&mut self, answer_arrives: bool) {
        let Decided { verdict, answer, .. } = self.world.present(self.owners);
        let is_inside = matches!(verdict, Verdict::Hold | Verdict::Replay);
        if let Some(theirs) = self.ahead.filter(|_| !is_inside) {
            self.check_discovered(theirs);
        }
        if self.stolen.is_empty() && self.world.rules.until_used {
            assert!(self.world.is_alive(), "a lone owner was logged out: {verdict:?}");
        }
        if let Some(token) = answer.filter(|_| answer_arrives) {
            self.owners = token;
            self.ahead = self.ahead.filter(|&theirs| theirs != token);
        }
    }

    fn thief_presents(&mut self, nth: usize) {
        let Some(&token) = self.stolen.get(nth % self.stolen.len().max(1)) else { return };
        let Decided { verdict, answer, .. } = self.world.present(token);
        if matches!(verdict, Verdict::Rotate(_) | Verdict::Reissue(_)) {
            self.ahead = answer;
        }
        self.stolen.extend(answer);
    }

    /// The owner renewed outside the window while the thief was ahead.
    fn check_discovered(&self, theirs: u32) {
        if !self.world.is_alive() {
            return;
        }
        assert!(self.world.rules.until_used, "a missed theft: the thief still has {theirs} in {:#?}", self.world);
        let next_use = self.world.would_say(theirs);
        assert!(matches!(next_use, Verdict::Reuse { .. }), "a thief got through with {theirs}: {next_use:?}");
    }
}

fn play(rules: Rules, events: &[Event]) {
    let world = World::after_login(without_limits(rules));
    let mut theft = Theft { world, owners: 1, stolen: Vec::new(), ahead: None };
    for event in events {
        theft.take(event);
    }
}

proptest! {
    // As many as fit into a second for each mode.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn a_thief_who_got_ahead_is_found_out_by_the_owners_next_renewal_outside_the_window(
        events in prop::collection::vec(event(), 1..60)
    ) {
        play(DEFAULT_GRACE, &events);
        play(STRICT, &events);
    }

    #[test]
    fn until_used_a_thief_who_got_ahead_is_out_by_the_owners_next_renewal_or_the_session_is(
        events in prop::collection::vec(event(), 1..60)
    ) {
        play(UNTIL_USED, &events);
    }
}
