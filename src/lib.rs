//! Latchkey: an access/refresh token service.
//!
//! The map of the house. Arrows point down only; ARCHITECTURE.md walks through it.
//!
//! - [`cli`]: arguments, settings, exit code
//! - [`app`]: puts everything together, starts and stops it; [`logging`]: where log lines go
//! - [`handlers`], [`middleware`]: HTTP in, HTTP out; [`events`]: what the log says of security
//! - [`actors`]: own all mutable state; group commit; hashing threads
//! - [`storage`]: durable state, whole operations in batches
//! - [`tokens`]: what tokens are made of, and when one buys another; pure
//! - [`passwords`]: what may become one, hashing and checking; pure
//! - [`clients`]: who has a secret and may ask about tokens
//! - [`throttle`]: how often may be guessed and registered; decisions
//! - [`config`], [`clock`], [`error`], [`lifeline`]: what everything else stands on

pub mod actors;
pub mod app;
pub mod cli;
pub mod clients;
pub mod clock;
pub mod config;
pub mod error;
pub mod events;
pub mod handlers;
pub mod lifeline;
pub mod logging;
pub mod middleware;
pub mod passwords;
pub mod storage;
pub mod throttle;
pub mod tokens;
