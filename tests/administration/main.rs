//! The command line for accounts and keys as an operator uses it: the real binary, beside a real server that runs meanwhile.
//!
//! - [`accounts`]: `latchkey users`
//! - [`clients`]: `latchkey clients`
//! - [`import`]: `latchkey users import`
//! - [`keys`], [`keys_beside_a_server`], [`keys_refused`],
//!   [`keys_at_once`]: `latchkey keys`
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
mod keys;
mod keys_at_once;
mod keys_beside_a_server;
mod keys_refused;
mod place;
mod sessions;
mod terminal;
