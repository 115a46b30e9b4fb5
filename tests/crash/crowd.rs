//! Many persons at once, until so many answers have come.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::client::Client;
use crate::person::{Doubts, Grace, Interruption, Person};

/// Enough that most requests share a commit, and that some are at every stage when the server dies.
const PERSONS: usize = 8;
/// When the server dies, in answers: early enough for the first ones, late enough for long chains of renewals.
const ANSWERS: RangeInclusive<usize> = 40..=500;
/// What one person may still be answered after the server was told to stop. It drains within a few answers.
const MOST_AFTER: usize = 10_000;

/// Draws a seed, or takes the one that is given, and prints it: a failing test shows it.
pub fn seeded() -> StdRng {
    let given = std::env::var("LATCHKEY_CRASH_SEED").ok();
    let seed = given.map_or_else(rand::random, |seed| seed.parse().expect("LATCHKEY_CRASH_SEED: a number"));
    println!("LATCHKEY_CRASH_SEED={seed}");
    StdRng::seed_from_u64(seed)
}

/// The persons, and when to interrupt them.
pub struct Crowd {
    persons: Vec<Person>,
    rng: StdRng,
}

impl Crowd {
    pub fn new(grace: Grace) -> Self {
        let mut rng = seeded();
        let persons = (0..PERSONS).map(|number| Person::new(format!("p{number}"), grace, rng.random())).collect();
        Self { persons, rng }
    }

    /// Of one, whose names nobody had before.
    pub fn of_a_passer_by() -> Self {
        let mut rng = StdRng::seed_from_u64(rand::random());
        let name = format!("passer-by-{:x}", rng.random::<u32>());
        Self { persons: vec![Person::new(name, Grace::Default, rng.random())], rng }
    }

    /// Everybody does so many things, and is answered.
    pub fn do_a_little(&mut self, address: SocketAddr, deeds: usize) {
        for person in &mut self.persons {
            let mut tabs = [Client::of(address), Client::of(address)];
            (0..deeds).for_each(|_| person.act(&mut tabs).expect("an answer"));
        }
    }

    /// Everybody does this and that until they lose an answer; `interrupt` is called after so many answers, and must
    /// make them.
    pub fn busy_until<T>(&mut self, address: SocketAddr, interrupt: impl FnOnce() -> T) -> T {
        let due = self.rng.random_range(ANSWERS);
        let answers = AtomicUsize::new(0);
        let (reached, reaching) = mpsc::channel();
        let interrupted = thread::scope(|scope| {
            for person in &mut self.persons {
                let (answers, reached) = (&answers, reached.clone());
                scope.spawn(move || {
                    let mut tabs = [Client::of(address), Client::of(address)];
                    while person.act(&mut tabs).is_ok() {
                        let so_far = answers.fetch_add(1, Ordering::Relaxed) + 1;
                        assert!(so_far < due + MOST_AFTER, "the server serves on after it was told to stop");
                        if so_far == due {
                            reached.send(()).unwrap();
                        }
                    }
                });
            }
            drop(reached);
            // An error: everybody has failed already, which the end of the scope will tell.
            reaching.recv().ok();
            interrupt()
        });
        println!("interrupted at answer {due}; {} came", answers.into_inner());
        interrupted
    }

    /// Everybody holds the server that was started again to what they were told.
    pub fn check(&mut self, address: SocketAddr, interruption: Interruption) {
        thread::scope(|scope| {
            for person in &mut self.persons {
                scope.spawn(move || person.check(&mut Client::of(address), interruption));
            }
        });
        let (done, not_done) = self
            .persons
            .iter_mut()
            .map(|person| std::mem::take(&mut person.doubts))
            .fold((0, 0), |(done, not_done), Doubts { done: and, not_done: nor }| (done + and, not_done + nor));
        println!("of the requests under way, {done} had been done and {not_done} not");
    }
}
