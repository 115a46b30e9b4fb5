//! How a change of keys is told.
//!
//! Owns one rule: what a change costs is said, before it where somebody is asked and after it in any case.

use crate::clock::Timestamp;
use crate::tokens::ring::change::Withdrawn;
use crate::tokens::ring::{Kind, Shown, State};

/// Behind every change.
pub(super) const TOLD: &str = "A server that runs has read it within 5 s.\n";

/// Which key takes over from which, and when.
pub(super) fn takes_over(new: &Shown, keys: &[Shown]) -> String {
    let from = time(new.activates_at);
    let signing = keys.iter().find(|key| key.kind == new.kind && key.state == State::Signing);
    let before = signing.map(|key| {
        let until = time(key.verifies_until);
        format!("{}: signs until then, and verifies until {until}\n", key.kid)
    });
    format!("{}: {}, signs from {from} on\n{}", new.kid, sort(new), before.unwrap_or_default())
}

/// What it costs to refuse a key at once.
pub(super) fn cost(key: &Shown) -> &'static str {
    match (key.state, key.kind) {
        (State::Withdrawn | State::Over, _) => "Nothing of it is alive.",
        (State::Waiting, Kind::Refresh) => "It has signed nothing yet.",
        // It is published already.
        (State::Waiting, Kind::Access) => {
            "It has signed nothing yet. Who verifies elsewhere believes it until they fetch\n\
             the keys again."
        }
        (State::Retired, Kind::Access) => {
            "Whoever holds a token of it renews, once. Who verifies elsewhere believes it\n\
             until they fetch the keys again."
        }
        // What takes its place may be a key that nobody has fetched yet.
        (State::Signing, Kind::Access) => {
            "Whoever holds a token of it renews, once. Who verifies elsewhere believes it\n\
             until they fetch the keys again; who did so a moment ago refuses new tokens until\n\
             they may again, for 10 to 30 s."
        }
        (State::Signing | State::Retired, Kind::Refresh) => {
            "Every session whose newest token it signed has to log in again, and late theft\n\
             of those reads `unknown`. The sessions themselves live on: their access tokens are\n\
             believed to their end, and a logout by such a refresh token ends nothing. A\n\
             logout by access token does, `latchkey sessions revoke`, or an admin."
        }
    }
}

/// What was refused, what it costs, and who signs now.
pub(super) fn withdrawn(key: &Shown, gone: &Withdrawn) -> String {
    let successor = gone.successor.as_ref().map(|key| format!("{}: {}, signs from now on\n", key.kid, sort(key)));
    format!("{}: refused from now on\n{}\n{}", key.kid, cost(key), successor.unwrap_or_default())
}

/// There is nothing left to do.
pub(super) fn withdrawn_before(kid: &str) -> String {
    format!("{kid}: withdrawn already\n")
}

/// How it signs, or with which number.
fn sort(key: &Shown) -> String {
    match (key.algorithm, key.mac_id) {
        (Some(algorithm), _) => algorithm.name().to_owned(),
        (None, Some(number)) => format!("number {number} of refresh tokens"),
        (None, None) => "refresh tokens".to_owned(),
    }
}

fn time(moment: Option<Timestamp>) -> String {
    moment.map_or_else(|| "now".to_owned(), Timestamp::to_rfc3339)
}
