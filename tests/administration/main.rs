//! The command line for accounts as an operator uses it: the real binary, beside a real server that runs meanwhile.
//!
//! - [`accounts`]: `latchkey users`
//! - [`clients`]: `latchkey clients`
//! - [`import`]: `latchkey users import`
//! - [`sessions`]: `latchkey sessions`
//! - [`terminal`]: what is asked for where somebody sits before it
//! - [`place`]: the two processes and the directory that they share

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first thing that is not as it expects"
)]

mod accounts;
mod clients;
mod import;
mod place;
mod sessions;
mod terminal;
