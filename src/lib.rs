//! Latchkey.

pub mod actors;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod error;
pub mod handlers;
pub mod lifeline;
pub mod middleware;
pub mod passwords;
pub mod storage;
pub mod tokens;
