//! The endings that access tokens must not outlive, in memory.
//!
//! Owns one rule: an access token of something that ended is refused from the answer of the ending on, without a
//! database read per request. The map mirrors the `revocations` table: filled from it before the server listens, added
//! to after each commit and before its answer. An entry stays for as long as an access token could still be alive, so
//! the map holds what was ended within one access-token lifetime and no more. Reads take no lock.

use std::time::Duration;

use papaya::{HashMap, ResizeMode};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::tokens::principal::{UserId, Version};
use crate::tokens::refresh::SessionId;

/// How much longer than the access-token lifetime an entry is kept: room for a clock that was stepped.
pub const KEPT_BEYOND_TTL: Duration = Duration::from_secs(60);

/// One ending, as the `revocations` table holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revocation {
    /// What ended.
    pub ended: Ended,
    /// The time of the transaction that ended it.
    pub at: Timestamp,
}

/// What an entry refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Every access token of this session.
    Session(SessionId),
    /// Every access token of this user that is older than the version.
    User {
        /// Whose.
        id: UserId,
        /// The lowest `ver` that is still accepted.
        least_version: Version,
    },
}

/// How long an ending is kept, in the map and in the table, where access tokens live `access_ttl`.
pub fn kept_for(access_ttl: Duration) -> Duration {
    access_ttl.saturating_add(KEPT_BEYOND_TTL)
}

/// The map that `authenticate` reads.
#[derive(Debug)]
pub struct Revocations {
    sessions: HashMap<Uuid, Timestamp>,
    users: HashMap<Uuid, (Version, Timestamp)>,
    kept_for: Duration,
}

impl Revocations {
    /// An empty map for access tokens that live `access_ttl`.
    pub fn new(access_ttl: Duration) -> Self {
        Self { sessions: map(), users: map(), kept_for: kept_for(access_ttl) }
    }

    /// Adds an ending. One that is already there keeps the higher version and the later time.
    pub fn publish(&self, revocation: Revocation) {
        let at = revocation.at;
        match revocation.ended {
            Ended::Session(id) => {
                self.sessions.pin().update_or_insert(id.0, |known| (*known).max(at), at);
            }
            Ended::User { id, least_version } => {
                let merge = |known: &(Version, Timestamp)| (known.0.max(least_version), known.1.max(at));
                self.users.pin().update_or_insert(id.0, merge, (least_version, at));
            }
        }
    }

    /// Whether a token of this session, user and version belongs to something that ended.
    pub fn refuses(&self, session: SessionId, user: UserId, version: Version) -> bool {
        self.sessions.pin().contains_key(&session.0)
            || self.users.pin().get(&user.0).is_some_and(|(least_version, _)| version < *least_version)
    }

    /// Drops the entries whose tokens have all expired by `now`.
    pub fn prune(&self, now: Timestamp) {
        let oldest = now.minus(self.kept_for);
        self.sessions.pin().retain(|_, at| *at > oldest);
        self.users.pin().retain(|_, (_, at)| *at > oldest);
    }

    /// How many endings are held.
    pub fn len(&self) -> usize {
        self.sessions.len() + self.users.len()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A map that grows in one go. By default it grows with each later write, and until the last of them every look-up goes
/// through two tables and more: twenty times as long, where most who ask are not in any. Whoever writes waits for the growth,
/// a few milliseconds for 100,000 entries, seldom and only the stores' thread; whoever reads never waits.
fn map<V>() -> HashMap<Uuid, V> {
    HashMap::builder().resize_mode(ResizeMode::Blocking).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
    const TTL: Duration = Duration::from_secs(900);

    fn session(number: u128) -> SessionId {
        SessionId(Uuid::from_u128(number))
    }

    fn user(number: u128) -> UserId {
        UserId(Uuid::from_u128(number))
    }

    #[test]
    fn an_ended_session_is_refused_and_its_neighbour_is_not() {
        let map = Revocations::new(TTL);
        map.publish(Revocation { ended: Ended::Session(session(1)), at: NOW });

        assert!(map.refuses(session(1), user(1), Version(1)));
        assert!(!map.refuses(session(2), user(1), Version(1)));
    }

    #[test]
    fn a_users_older_versions_are_refused_and_an_older_entry_never_lowers_the_bar() {
        let map = Revocations::new(TTL);
        map.publish(Revocation { ended: Ended::User { id: user(1), least_version: Version(3) }, at: NOW });
        map.publish(Revocation { ended: Ended::User { id: user(1), least_version: Version(2) }, at: NOW });

        assert!(map.refuses(session(1), user(1), Version(2)));
        assert!(!map.refuses(session(1), user(1), Version(3)));
        assert!(!map.refuses(session(1), user(2), Version(1)));
    }

    #[test]
    fn entries_leave_once_no_access_token_can_be_left() {
        let map = Revocations::new(TTL);
        map.publish(Revocation { ended: Ended::Session(session(1)), at: NOW });
        map.publish(Revocation { ended: Ended::User { id: user(1), least_version: Version(2) }, at: NOW });

        map.prune(NOW.plus(TTL));
        assert_eq!(map.len(), 2);
        map.prune(NOW.plus(TTL + KEPT_BEYOND_TTL));
        assert!(map.is_empty());
    }
}
