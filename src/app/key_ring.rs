//! From the place of the key ring to the keys in use.
//!
//! Owns one rule: a ring is used as a whole or refused, by a line that names its place and never what stands in it.
//!
//! [`KeyRing`](crate::config::KeyRing) -> [`Ring::parse`] -> [`Ring::keys`], which tests each key

use super::{RunError, given};
use crate::config::Settings;
use crate::tokens::ring::{Keys, Ring};

/// The keys of a start. Without a ring they are the secrets of the settings.
pub(super) fn read(settings: &Settings) -> Result<Keys, RunError> {
    let text = settings.key_ring.read()?;
    let unusable = |reason| RunError::Keys { subject: settings.key_ring.subject(), reason };
    let ring = text.map_or(Ok(Ring::empty()), |text| Ring::parse(&text)).map_err(unusable)?;
    ring.keys(given(settings), &settings.jwt_issuer, &settings.jwt_audience).map_err(unusable)
}
