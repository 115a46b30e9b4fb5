//! How often may be tried, and by whom.
//!
//! - `origin`: where an attempt comes from, and what counts as one address

mod origin;

pub use self::origin::{Origin, network};
