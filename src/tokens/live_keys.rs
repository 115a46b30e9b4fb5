//! The keys that the service works with now.
//!
//! Owns one rule: a ring that was read takes the place of the one before it as a whole, between two looks of a request. Reads take
//! no lock and wait for nobody; a request that must see one state of it looks once.
//!
//! [`Ring::keys`](crate::tokens::ring::Ring::keys) -> [`LiveKeys::replace`]; [`LiveKeys::now`] -> sign, verify

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use crate::tokens::ring::Keys;

/// The keys in use.
pub struct LiveKeys(ArcSwap<Keys>);

impl LiveKeys {
    /// Begins with these.
    pub fn new(keys: Keys) -> Self {
        Self(ArcSwap::from_pointee(keys))
    }

    /// What is in use at this moment.
    pub fn now(&self) -> Guard<Arc<Keys>> {
        self.0.load()
    }

    /// From here on, these. What was given out before goes on with the ones before.
    pub fn replace(&self, keys: Keys) {
        self.0.store(Arc::new(keys));
    }
}
