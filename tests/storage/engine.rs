//! What the suite needs of an engine beside `dyn Storage`.

use std::sync::Arc;

use latchkey::clock::Clock;
use latchkey::lifeline::Watch;
use latchkey::storage::Storage;
use latchkey::storage::sqlite::Rules;

/// An engine's way to one database of its own, empty at first and removed when this is dropped.
pub trait Engine {
    /// Starts the engine on the database, as a new process would; what it refuses, in words.
    fn open(&self, rules: Rules, clock: &Clock, watch: &Watch) -> Result<Arc<dyn Storage>, String>;

    /// Runs a statement past the engine, as another client of the database.
    fn sql(&self, statement: &str);

    /// What a query past the engine answers with one row and one integer.
    fn number(&self, query: &str) -> i64;

    /// What a query past the engine answers with one row and one text.
    fn text(&self, query: &str) -> Option<String>;

    /// Makes a statement that touches such a row fail alone: `event` is `INSERT`, `UPDATE` or `DELETE`, `when` a
    /// condition on `NEW` or `OLD`.
    fn break_statements(&self, table: &str, event: &str, when: &str);

    /// A number that is another one after each commit that changed something.
    fn commits(&self) -> i64;
}
