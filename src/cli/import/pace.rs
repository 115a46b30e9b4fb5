//! How many rows a batch has, and how long the pause behind it is.
//!
//! Owns the room that others have: the server's renewals wait for a batch of the import as for one of their own, and half of the
//! time is theirs.

use std::time::Duration;

/// About as many as a batch of the server's.
const MOST_ROWS: usize = 500;
/// The longest that a batch should keep others from writing.
const LONGEST: Duration = Duration::from_millis(50);

/// The size of the next batch.
#[derive(Debug)]
pub(super) struct Pace {
    rows: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Self { rows: MOST_ROWS }
    }
}

impl Pace {
    /// How many rows the next batch has.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// After a batch that kept others from writing for so long: how long to leave them alone.
    pub fn after(&mut self, held: Duration) -> Duration {
        if held > LONGEST {
            self.rows = (self.rows / 2).max(1);
        } else if held < LONGEST / 2 {
            self.rows = (self.rows * 2).min(MOST_ROWS);
        }
        held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_that_took_long_makes_the_next_one_smaller_and_a_short_one_larger_again() {
        let mut pace = Pace::default();
        assert_eq!(pace.rows(), 500);
        for (held, rows) in [(51, 250), (80, 125), (50, 125), (25, 125), (24, 250), (1, 500), (1, 500)] {
            let held = Duration::from_millis(held);
            assert_eq!((pace.after(held), pace.rows()), (held, rows));
        }
        (0..20).for_each(|_| assert_eq!(pace.after(Duration::from_secs(1)), Duration::from_secs(1)));
        assert_eq!(pace.rows(), 1);
    }
}
