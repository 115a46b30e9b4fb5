//! Latchkey.

pub mod actors;
pub mod clock;
pub mod config;
pub mod error;
pub mod lifeline;
pub mod passwords;
pub mod storage;
pub mod tokens;
