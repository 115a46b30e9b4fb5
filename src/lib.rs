//! Latchkey.

pub mod clock;
pub mod config;
pub mod error;
pub mod tokens;
