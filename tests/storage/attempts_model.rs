//! Attempts against a model: a few people and addresses, time that moves, and every way in which an attempt can end.
//!
//! The model keeps each failure with its time in plain lists and knows nothing of rows. Where the table has room for all,
//! the engine and the model must agree about every single attempt.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use latchkey::storage::{Account, NewSession, SessionOperation};
use latchkey::throttle::{Reservation, Settlement};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::attempts::{admit, settling};
use crate::database::{Database, new_session, throttling_rules};
use crate::engine::Engine;

every_engine![every_history_of_attempts_is_what_the_model_says];

/// Of `throttling_rules`.
const MOST: usize = 3;
const WINDOW: u64 = 60_000;
/// Enough for a history to come near each limit.
const ADDRESSES: [&str; 12] = [
    "192.0.2.1",
    "192.0.2.2",
    "192.0.2.3",
    "192.0.2.4",
    "192.0.2.5",
    "192.0.2.6",
    "192.0.2.7",
    "192.0.2.8",
    "192.0.2.9",
    "2001:db8::1",
    "2001:db8::2",
    "2001:db8:1::1",
];

#[derive(Debug, Clone, Copy)]
enum Step {
    Attempt { name: usize, address: usize, end: End },
    Pass { millis: u64 },
}

/// How an attempt goes on where it is admitted.
#[derive(Debug, Clone, Copy)]
enum End {
    Fail,
    Succeed,
    GiveBack,
    /// It is settled after a while.
    Later {
        succeeds: bool,
        after: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let end = prop_oneof![
        12 => Just(End::Fail),
        2 => Just(End::Succeed),
        2 => Just(End::GiveBack),
        1 => (any::<bool>(), 0..2 * WINDOW).prop_map(|(succeeds, after)| End::Later { succeeds, after }),
    ];
    // The first of two names exists; most attempts are at it.
    let name = prop_oneof![4 => Just(0_usize), 1 => Just(1)];
    prop_oneof![
        15 => (name, 0..ADDRESSES.len(), end).prop_map(|(name, address, end)| Step::Attempt { name, address, end }),
        1 => (1..WINDOW).prop_map(|millis| Step::Pass { millis }),
    ]
}

/// A window by its first moment, and what is in it.
#[derive(Debug, Clone, Default)]
struct Count {
    opened_at: u64,
    failures: usize,
}

#[derive(Default)]
struct Model {
    now: u64,
    counts: HashMap<String, Count>,
    known: HashSet<String>,
}

impl Model {
    /// What counts an attempt: each with its limit.
    fn counters(&self, name: &str, exists: bool, place: &str) -> Vec<(String, usize)> {
        let mut counters = vec![(format!("{name} from {place}"), MOST), (format!("from {place}"), 10 * MOST)];
        if !(exists && self.known.contains(place)) {
            counters.push((name.to_owned(), 10 * MOST));
        }
        counters
    }

    /// The windows that the attempt is in, or when there may be another.
    fn admit(&mut self, counters: &[(String, usize)]) -> Result<Vec<(String, u64)>, u64> {
        let now = self.now;
        self.counts.retain(|_, count| count.opened_at + WINDOW > now);
        let full =
            counters.iter().filter_map(|(name, most)| self.counts.get(name).filter(|count| count.failures >= *most));
        if let Some(over_at) = full.map(|count| count.opened_at + WINDOW).max() {
            return Err(over_at - now);
        }
        let enter = |(name, _): &(String, usize)| {
            let count = self.counts.entry(name.clone()).or_insert(Count { opened_at: now, failures: 0 });
            count.failures += 1;
            (name.clone(), count.opened_at)
        };
        Ok(counters.iter().map(enter).collect())
    }

    fn settle(&mut self, held: &[(String, u64)], succeeded_from: Option<&str>) {
        for (name, opened_at) in held {
            let is_pair = name.contains(" from ");
            if succeeded_from.is_some() && is_pair {
                self.counts.remove(name);
            } else if let Some(count) = self.counts.get_mut(name).filter(|count| count.opened_at == *opened_at) {
                count.failures -= 1;
                if count.failures == 0 {
                    self.counts.remove(name);
                }
            }
        }
        self.known.extend(succeeded_from.map(str::to_owned));
    }
}

/// An attempt whose end is still to come.
struct Open {
    at: u64,
    succeeds: bool,
    reservation: Reservation,
    held: Vec<(String, u64)>,
    place: String,
}

/// One history on a database, with a name of its own in it.
struct History<'a> {
    db: &'a Database,
    names: [String; 2],
    account: Account,
    model: Model,
    open: Vec<Open>,
    /// Addresses are this history's own as well: 2001:db8:N:…, 10.N.…
    number: u16,
}

impl History<'_> {
    /// The address that the engine is told, and what the model takes it for.
    fn address(&self, index: usize) -> (String, String) {
        let octet = |ip: &str| ip.rsplit('.').next().unwrap().to_owned();
        let [high, low] = self.number.to_be_bytes();
        match ADDRESSES[index] {
            v6 @ ("2001:db8::1" | "2001:db8::2") => {
                (v6.replace("::", &format!(":{:x}::", self.number)), format!("net {}", self.number))
            }
            "2001:db8:1::1" => (format!("2001:db8:{:x}:1::1", self.number), format!("other net {}", self.number)),
            v4 => {
                let address = format!("10.{high}.{low}.{}", octet(v4));
                (address.clone(), address)
            }
        }
    }

    fn take(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Pass { millis } => {
                self.model.now += millis;
                self.db.pass(Duration::from_millis(millis));
                let due = self.model.now;
                let (over, open): (Vec<_>, Vec<_>) = self.open.drain(..).partition(|open| open.at <= due);
                self.open = open;
                over.into_iter().for_each(|open| self.end(open));
                Ok(())
            }
            Step::Attempt { name, address, end } => {
                let (address, place) = self.address(address);
                let counters = self.model.counters(&self.names[name], name == 0, &place);
                let expected = self.model.admit(&counters);
                let admitted = admit(self.db, &self.names[name], &address);
                let told = admitted.as_ref().err().map(|throttled| throttled.retry_after);
                prop_assert_eq!(told, expected.as_ref().err().map(|millis| Duration::from_millis(*millis)));
                let (Ok(reservation), Ok(held)) = (admitted, expected) else { return Ok(()) };
                let now = self.model.now;
                let (at, succeeds) = match end {
                    End::Fail => return Ok(()),
                    End::Succeed => (now, name == 0),
                    End::GiveBack => (now, false),
                    End::Later { succeeds, after } => (now + after, succeeds && name == 0),
                };
                let open = Open { at, succeeds, reservation, held, place };
                if at > now {
                    self.open.push(open)
                } else {
                    self.end(open)
                }
                Ok(())
            }
        }
    }

    fn end(&mut self, open: Open) {
        self.model.settle(&open.held, open.succeeds.then_some(open.place.as_str()));
        if open.succeeds {
            let session = NewSession { reservation: Some(open.reservation), ..new_session(&self.account, "phone") };
            self.db.sessions(vec![SessionOperation::Open(session)]);
        } else {
            self.db.change(settling(open.reservation, Settlement::Unchecked));
        }
    }
}

fn every_history_of_attempts_is_what_the_model_says(engine: Box<dyn Engine>) {
    let db = Database::at_rest(throttling_rules(100_000), engine);
    let number = std::cell::Cell::new(0);
    let config = ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() };

    let checked = TestRunner::new(config).run(&proptest::collection::vec(step(), 60..120), |steps| {
        number.set(number.get() + 1);
        let names = [format!("alice{}", number.get()), format!("nobody{}", number.get())];
        let account = db.account(&names[0]);
        let (model, open) = (Model::default(), Vec::new());
        let mut history = History { db: &db, names, account, model, open, number: number.get() };
        steps.into_iter().try_for_each(|step| history.take(step))
    });

    checked.unwrap();
}
