//! What became of an import.

use std::fmt::Write as _;

use super::entry::Refused;

/// What no look at a hash can tell.
const HINT: &str = "Passwords of more than 72 bytes, or hashed in another form than Unicode's NFC, cannot log in.\n";

/// Counts, and every line that was refused.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// Accounts that were added.
    pub new: usize,
    /// Lines of accounts that were there exactly like that.
    pub there_already: usize,
    refused: Vec<(u64, Refused)>,
}

impl Report {
    /// Notes a line.
    pub fn refuse(&mut self, line: u64, refused: Refused) {
        self.refused.push((line, refused));
    }

    /// How many lines were refused.
    pub fn refused(&self) -> usize {
        self.refused.len()
    }

    /// The refused lines in their order, then the counts and the hint.
    pub fn words(&mut self, dry_run: bool) -> String {
        // Some are only refused with their batch.
        self.refused.sort_by_key(|(line, _)| *line);
        let mut words = String::new();
        for (line, Refused { name, reason }) in &self.refused {
            let name = name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
            // Writing into a string does not fail.
            writeln!(words, "line {line}{name}: {reason}").ok();
        }
        let (new, there, refused) = (self.new, self.there_already, self.refused.len());
        let imported = if dry_run { "would be imported" } else { "imported" };
        writeln!(words, "{new} {imported}, {there} there already, {refused} refused").ok();
        words + HINT
    }
}
