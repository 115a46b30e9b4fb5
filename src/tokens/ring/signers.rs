//! Which key of a ring signs at a time, by its name.
//!
//! Owns nothing: it is asked by whoever tells operators that another key signs now, and holds names and terms only.

use super::term::signer_at;
use super::written::Held;
use super::{Given, Kind, Ring, Term};
use crate::clock::Timestamp;

/// The names of the keys of a ring, each with its term.
pub struct Signers {
    access: Vec<(String, Term)>,
    refresh: Vec<(String, Term)>,
}

impl Signers {
    /// The name of the key that signs at this time.
    pub fn at(&self, kind: Kind, moment: Timestamp) -> Option<&str> {
        let keys = match kind {
            Kind::Access => &self.access,
            Kind::Refresh => &self.refresh,
        };
        signer_at(keys, moment).map(String::as_str)
    }
}

impl Ring {
    /// Which of its keys signs when.
    pub fn signers(&self, given: Given<'_>) -> Signers {
        let named = |kind: Kind| {
            let lines = self.lines(kind).into_iter().filter(|line| !matches!(line.held, Held::Withdrawn { .. }));
            lines.map(|line| (line.kid(kind, kind.secret(given)), line.term)).collect()
        };
        Signers { access: named(Kind::Access), refresh: named(Kind::Refresh) }
    }
}
