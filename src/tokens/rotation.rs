//! Refresh-token rotation, as a decision.
//!
//! Owns one rule: a generation is spent once, and a retry inside the grace window is given the successor that the first
//! try was given. Pure: no clock, no storage, no actor; the caller passes `now` and persists what comes back.
//!
//! session row + user row + presented generation -> [`decide`] -> [`Verdict`] -> storage writes it
//!
//! Why each row of the table is there: docs/adr/0004-grace-window-and-holding.md.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::error::GrantRefusal;
use crate::tokens::principal::Epoch;
use crate::tokens::refresh::Generation;

/// What `decide` needs of a session row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// The user's epoch when the session was opened.
    pub epoch: Epoch,
    /// The one generation that can still be rotated.
    pub current: Generation,
    /// The generation that `current` came from; `None` until the first rotation.
    pub parent: Option<Generation>,
    /// When `current` was made by a rotation; `None` until the first one.
    pub rotated_at: Option<Timestamp>,
    /// Over from here on unless renewed; never past `absolute_expires_at`.
    pub idle_expires_at: Timestamp,
    /// Over from here on, whatever happens.
    pub absolute_expires_at: Timestamp,
    /// Ended by logout, revocation or reuse.
    pub ended: bool,
}

/// What `decide` needs of the user's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    /// Sessions opened under another epoch are over.
    pub epoch: Epoch,
    /// A disabled user renews nothing.
    pub disabled: bool,
}

/// The settings of rotation, and what is known of the time before this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// `REFRESH_GRACE`'s window; zero is strict: every use rotates and nothing is replayed.
    pub window: Duration,
    /// `REFRESH_GRACE=until-used`: a parent outside the window is given a new successor instead of ending the session.
    pub until_used: bool,
    /// `REFRESH_TOKEN_TTL`: how far a rotation moves the idle limit.
    pub idle_ttl: Duration,
    /// What keeps windows open that a restart interrupted; `None` on a fresh database.
    pub resumed: Option<Resumed>,
}

/// A restart: the time in which the service was down does not count against a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resumed {
    /// The last moment at which the service before this process is known to have written.
    pub last_alive: Timestamp,
    /// When this process started.
    pub started_at: Timestamp,
    /// What [`open_after`] said when `last_alive` was written: of rotations after this moment the windows were open then.
    pub open_after: Timestamp,
}

/// What is written beside `now` whenever the service notes that it is alive: of rotations after this moment the windows
/// are open, be it for themselves or because a restart carried them. Without it, a second restart inside one window would
/// forget what the first one carried, and log out whoever lost an answer.
pub fn open_after(now: Timestamp, policy: &Policy) -> Timestamp {
    let own = now.minus(policy.window);
    let carried = policy.resumed.filter(|resumed| now < resumed.started_at.plus(policy.window));
    carried.map_or(own, |resumed| own.min(resumed.open_after))
}

/// When a token is presented: two times, because a request may wait for its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// When the request asked. Decides whether a window is open: a commit that stalls for longer than the window must not
    /// turn the retry that waited behind it into a reuse.
    pub asked_at: Timestamp,
    /// The time of the transaction. Decides everything else.
    pub now: Timestamp,
}

/// What a presented refresh token does, and what its holder is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The current generation inside its own window: nothing changes, the same token is answered again.
    Hold,
    /// The parent inside the window: nothing changes, the current token is answered.
    Replay,
    /// The current generation is spent for the next.
    Rotate(Advance),
    /// `until-used`: the parent came back outside the window, so the successor that nobody used is spent for another.
    Reissue(Advance),
    /// Refused without any effect.
    Refuse(GrantRefusal),
    /// A spent token outside the window: the session ends here.
    Reuse {
        /// The presented generation is newer than the stored one: the database went back in time (a restored backup).
        rollback_detected: bool,
    },
}

/// The session's columns after a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advance {
    /// The new current generation, which is answered.
    pub current: Generation,
    /// The generation whose retries are answered with it.
    pub parent: Generation,
    /// The start of the new window.
    pub rotated_at: Timestamp,
    /// The idle limit, renewed but never past the absolute one.
    pub idle_expires_at: Timestamp,
}

/// Decides what presenting `presented` does; the first row of the table that matches wins. `session` is `None` where no
/// such session is stored, `user` where its user is gone.
pub fn decide(
    session: Option<&Session>,
    user: Option<&User>,
    presented: Generation,
    moment: Moment,
    policy: &Policy,
) -> Verdict {
    let now = moment.now;
    let (session, successor) = match live(session, user, now) {
        Ok(live) => live,
        Err(refusal) => return Verdict::Refuse(refusal),
    };

    let asked_at = moment.asked_at.min(now);
    let open = session.rotated_at.is_some_and(|rotated_at| window_is_open(rotated_at, asked_at, policy));
    let advance_from = |parent| Advance {
        current: successor,
        parent,
        rotated_at: now,
        idle_expires_at: now.plus(policy.idle_ttl).min(session.absolute_expires_at),
    };
    if presented == session.current {
        if open { Verdict::Hold } else { Verdict::Rotate(advance_from(presented)) }
    } else if session.parent == Some(presented) && open {
        Verdict::Replay
    } else if session.parent == Some(presented) && policy.until_used {
        Verdict::Reissue(advance_from(presented))
    } else {
        Verdict::Reuse { rollback_detected: presented > session.current }
    }
}

/// The session and the generation that comes next, where it is live at `now`; else why it is not.
pub fn live<'a>(
    session: Option<&'a Session>,
    user: Option<&User>,
    now: Timestamp,
) -> Result<(&'a Session, Generation), GrantRefusal> {
    let session = session.ok_or(GrantRefusal::Unknown)?;
    if session.ended {
        return Err(GrantRefusal::Revoked);
    }
    let successor = session.current.successor().ok_or(GrantRefusal::Expired)?;
    if now >= session.idle_expires_at || now >= session.absolute_expires_at {
        return Err(GrantRefusal::Expired);
    }
    if !user.is_some_and(|user| !user.disabled && user.epoch == session.epoch) {
        return Err(GrantRefusal::Revoked);
    }
    Ok((session, successor))
}

/// Whether the window of a rotation at `rotated_at` is open to a request of `asked_at`: for `policy.window` from the
/// rotation on, and, if it was still open when the process before this one was last known to run, until that long after
/// this process's start. A window of zero is never open, not even to a request from before the rotation.
fn window_is_open(rotated_at: Timestamp, asked_at: Timestamp, policy: &Policy) -> bool {
    let resumed = policy.resumed.is_some_and(|resumed| {
        rotated_at > resumed.open_after
            && rotated_at <= resumed.last_alive
            && asked_at < resumed.started_at.plus(policy.window)
    });
    !policy.window.is_zero() && (asked_at < rotated_at.plus(policy.window) || resumed)
}
