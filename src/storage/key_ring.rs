//! What is remembered of key rings.
//!
//! Owns one rule: it only grows. A ring that was in use was in use, whatever became of its file.

use crate::clock::Timestamp;

/// What is remembered of the key rings that were in use, so that none is lost or goes back in time without a word.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeyRingMark {
    /// There were keys in one of them.
    pub holds_keys: bool,
    /// When the newest of them came to be; `None` where none said so.
    pub changed_at: Option<Timestamp>,
}

impl KeyRingMark {
    /// What is remembered once `other` was in use as well.
    pub fn and(self, other: Self) -> Self {
        Self { holds_keys: self.holds_keys || other.holds_keys, changed_at: self.changed_at.max(other.changed_at) }
    }
}
