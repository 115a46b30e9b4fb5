//! How often may be tried, and by whom.
//!
//! - `origin`: where an attempt comes from, and what counts as one address
//! - [`registrations`]: how many an address may make
//! - [`told`]: that something is told once

mod origin;
pub mod registrations;
pub mod told;

pub use self::origin::{Origin, network};
