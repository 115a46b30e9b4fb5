//! What every storage engine must do, and what only the SQLite engine can be made to suffer.
//!
//! The suite is written against `dyn Storage` and runs once per engine: each of its modules lists its tests in
//! [`every_engine`], and an engine joins by implementing [`engine::Engine`] and a line in that macro.
//!
//! - [`users`], [`sessions`], [`rotation`]: what the operations do, and what they leave alone
//! - [`one_row`], [`one_row_histories`]: what a renewal reads is what its user is, whatever was done before
//! - [`renewable`]: what a token would be granted for
//! - [`session_limit`]: how many a user may have
//! - [`transport`]: how its client is given refresh tokens is remembered
//! - [`imports`]: accounts that come from elsewhere
//! - [`own_deletion`]: an owner who goes, and the admin who must stay
//! - [`administration`]: what is done to an account by others, and what they are shown
//! - [`listing`]: what an owner is shown of their sessions
//! - [`others`]: what another process ends
//! - [`clients`]: clients with a secret
//! - [`attempts`], [`attempts_bounded`], [`attempts_model`]: guesses, how many rows they may take, and what they add up to
//! - [`batches`]: what it means to share a transaction
//! - [`failing_statements`]: an operation that fails half-way leaves nothing of itself behind
//! - [`sweep`]: what is removed, and when
//! - [`restart`]: what a later process finds
//! - [`sqlite_file`], [`sqlite_faults`]: the file, and a disk that fails under it
//! - [`sqlite_guest`]: another process that writes beside the one that serves

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first thing that is not as it expects"
)]

/// Makes a test of each function for each engine. One that is not listed is dead code, which the lints refuse.
macro_rules! every_engine {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(
                #[test]
                fn $test() {
                    super::$test(Box::new(crate::sqlite::SqliteEngine::fresh()));
                }
            )+
        }
    };
}

mod administration;
mod attempts;
mod attempts_bounded;
mod attempts_model;
mod batches;
mod child;
mod clients;
mod database;
mod engine;
mod failing_statements;
mod imports;
mod listing;
mod one_row;
mod one_row_histories;
mod others;
mod own_deletion;
mod renewable;
mod restart;
mod rotation;
mod session_limit;
mod sessions;
mod sqlite;
mod sqlite_faults;
mod sqlite_file;
mod sqlite_guest;
mod sweep;
mod transport;
mod users;
