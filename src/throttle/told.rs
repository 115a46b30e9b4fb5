//! That something is told once.
//!
//! Owns one rule: what goes on for a while is told when it begins, and a flood of it is no flood of lines. Bounded: beyond
//! [`MOST`] things at once the others are counted, and the next line says how many there were.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use crate::clock::Timestamp;

/// Things that are remembered as told: more at once are an attack that a thousand lines say enough about.
const MOST: usize = 1024;

/// What was told, and until when that stands.
#[derive(Debug)]
pub struct Told<K>(Mutex<Memory<K>>);

#[derive(Debug)]
struct Memory<K> {
    until: HashMap<K, Timestamp>,
    untold: u64,
}

impl<K: Hash + Eq> Told<K> {
    /// Nothing was told yet.
    pub fn new() -> Self {
        Self(Mutex::new(Memory { until: HashMap::new(), untold: 0 }))
    }

    /// Whether to tell `what` now, which then stands as told until `until`; with how many others were not told.
    pub fn turn(&self, what: K, until: Timestamp, now: Timestamp) -> Option<u64> {
        // A poisoned lock: whoever panicked had written all or nothing.
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if memory.until.get(&what).is_some_and(|until| *until > now) {
            return None;
        }
        if memory.until.len() >= MOST {
            memory.until.retain(|_, until| *until > now);
        }
        if memory.until.len() >= MOST {
            memory.untold = memory.untold.saturating_add(1);
            return None;
        }
        memory.until.insert(what, until);
        Some(std::mem::take(&mut memory.untold))
    }
}

impl<K: Hash + Eq> Default for Told<K> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn a_thing_is_told_once_and_again_when_it_was_over() {
        let told = Told::new();

        assert_eq!(told.turn("a", at(10), at(0)), Some(0));
        assert_eq!(told.turn("a", at(10), at(9)), None);
        assert_eq!(told.turn("b", at(10), at(9)), Some(0));
        assert_eq!(told.turn("a", at(20), at(10)), Some(0));
    }

    #[test]
    fn beyond_its_memory_things_are_counted_and_the_number_told_with_the_next() {
        let told = Told::new();
        for thing in 0..MOST {
            assert_eq!(told.turn(thing, at(10), at(0)), Some(0));
        }

        assert_eq!(told.turn(MOST, at(10), at(0)), None);
        assert_eq!(told.turn(MOST + 1, at(10), at(0)), None);

        assert_eq!(told.turn(MOST, at(20), at(10)), Some(2));
        assert_eq!(told.turn(MOST + 1, at(20), at(10)), Some(0));
    }
}
