//! The real binary, killed and stopped in the middle of load.
//!
//! Owns one promise: an answer 200, 201 or 204 means that a crash right after it loses nothing of it; and one boundary:
//! a request that was under way may have been done or not, and nothing else may be in doubt. Clients keep a ledger of
//! what was answered; after each restart on the same directory, the server is held to it line by line.
//!
//! - `process`: the binary as a child in a directory of its own, and how it ended
//! - `client`: one request at a time over a kept connection, answered whole or lost
//! - `person`: what a client was told, and what must be true after a restart because of it
//! - `crowd`: many persons at once, until so many answers have come
//! - `kill` and `stop`: the tests
//! - `power`: what a power cut would have left, and whether it keeps the promise too
//!
//! SIGKILL takes the process and leaves the operating system's page cache, so `kill` sees a reply that left before its
//! commit and never a missing fsync: with `synchronous=OFF` it passes. Against that stands `power`; docs/durability.md.
//!
//! The moment of a kill is drawn from a seed and measured in answers, not in time. `LATCHKEY_CRASH_SEED=N` draws the same
//! moments and choices again; how the threads interleave stays the machine's. `LATCHKEY_CRASH_ROUNDS=N` is how often each
//! test kills, for long runs:
//!
//! `LATCHKEY_CRASH_ROUNDS=500 cargo test --release --test crash kill:: -- --nocapture`
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first thing that is not as it expects"
)]

mod client;
mod crowd;
mod kill;
mod person;
mod power;
mod process;
mod stop;
