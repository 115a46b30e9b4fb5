//! Presenting a token, and ending a session.
//!
//! Fills `tokens::rotation`'s types from the rows, and writes the verdict, or only tells it. Decides nothing itself. A renewal
//! reads and writes one row (docs/adr/0016): it holds a copy of what must be known of the user, which the database takes away
//! with any change of them.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use uuid::Uuid;

use super::batch::{Applied, Operation, Refusal, Unit};
use super::{opening, user_agents, users};
use crate::clock::Timestamp;
use crate::error::{Error, GrantRefusal};
use crate::storage::client::InlineText;
use crate::storage::{Client, EndReason, EndedSession, Renewable, SessionOperation, SessionOutcome, UserAgent};
use crate::tokens::grant::{Grant, Transport};
use crate::tokens::principal::{Epoch, Principal, UserId, Version};
use crate::tokens::refresh::{Generation, Presented, SessionId};
use crate::tokens::revocation::Ended;
use crate::tokens::rotation::{self, Advance, Moment, Verdict};

impl Operation for SessionOperation {
    type Outcome = SessionOutcome;

    fn apply(self, unit: &mut Unit<'_>) -> Applied<SessionOutcome> {
        match self {
            Self::Rotate { presented, asked_at, client } => rotate(unit, presented, asked_at, &client),
            Self::Open(session) => opening::open(unit, &session),
            Self::End { session, reason } => {
                end(unit, session, reason).map(|session| SessionOutcome::Ended { session })
            }
            Self::EndOwn { owner, asked_by, session } => {
                end_own(unit, owner, asked_by, session).map(|session| SessionOutcome::Ended { session })
            }
        }
    }
}

/// A session's row, and what is known of its user: from the same row where it holds a copy.
struct Stored {
    owner: UserId,
    session: rotation::Session,
    user: Option<(rotation::User, Principal)>,
    is_user_copied: bool,
    user_agent: Option<UserAgent>,
}

fn rotate(unit: &mut Unit<'_>, presented: Presented, asked_at: Timestamp, client: &Client) -> Applied<SessionOutcome> {
    let stored = load(unit.connection, presented.session)?;
    let session = stored.as_ref().map(|stored| &stored.session);
    let user = stored.as_ref().and_then(|stored| stored.user.as_ref()).map(|(user, _)| user);
    let moment = Moment { asked_at, now: unit.now };
    let verdict = rotation::decide(session, user, presented.generation, moment, &unit.rules.rotation);

    let advance = match verdict {
        Verdict::Refuse(reason) => {
            return match stored {
                Some(Stored { owner, .. }) if reason == GrantRefusal::Expired => {
                    Ok(SessionOutcome::Expired { user: owner })
                }
                _ => Err(Error::InvalidGrant(reason).into()),
            };
        }
        Verdict::Reuse { rollback_detected } => {
            end(unit, presented.session, EndReason::Reuse)?;
            let user = stored.map_or(UserId(Uuid::nil()), |stored| stored.owner);
            return Ok(SessionOutcome::Reused { user, rollback_detected });
        }
        Verdict::Hold | Verdict::Replay => None,
        Verdict::Rotate(advance) | Verdict::Reissue(advance) => Some(advance),
    };
    // Every verdict that gets here was made of a session and its user.
    let Some(Stored { session, user: Some((_, principal)), is_user_copied, user_agent, .. }) = stored else {
        return Err(Error::InvalidGrant(GrantRefusal::Unknown).into());
    };
    if let Some(advance) = &advance {
        if is_user_copied && user_agent == client.user_agent {
            write_advance(unit, presented.session, advance, client)?;
        } else {
            write_advance_anew(unit, presented.session, advance, client, &principal)?;
        }
    }
    Ok(SessionOutcome::Granted(Grant {
        session: presented.session,
        generation: advance.map_or(session.current, |advance| advance.current),
        generated_at: advance.map(|advance| advance.rotated_at).or(session.rotated_at).unwrap_or(unit.now),
        principal,
        granted_at: unit.now,
        idle_expires_at: advance.map_or(session.idle_expires_at, |advance| advance.idle_expires_at),
        absolute_expires_at: session.absolute_expires_at,
    }))
}

/// What nearly every renewal changes.
fn write_advance(unit: &Unit<'_>, session: SessionId, advance: &Advance, client: &Client) -> Applied<()> {
    unit.connection
        .prepare_cached(
            "UPDATE sessions SET current_generation = ?2, parent_generation = ?3, rotated_at = ?4, idle_expires_at = ?5,
                                 ip = ?6
             WHERE id = ?1",
        )?
        .execute(params![
            session.0,
            advance.current.number(),
            advance.parent.number(),
            advance.rotated_at.as_millis(),
            advance.idle_expires_at.as_millis(),
            client.address().as_ref().map(InlineText::as_str),
        ])?;
    Ok(())
}

/// The same, where the client calls itself something else by now, or the copy of the user is gone because they changed.
fn write_advance_anew(
    unit: &mut Unit<'_>,
    session: SessionId,
    advance: &Advance,
    client: &Client,
    user: &Principal,
) -> Applied<()> {
    unit.atomically(|unit| {
        write_advance(unit, session, advance, client)?;
        let user_agent = user_agents::number(unit, client.user_agent.as_ref())?;
        unit.connection
            .prepare_cached(
                "UPDATE sessions SET user_agent = ?2, user_version = ?3, username = ?4, roles = ?5 WHERE id = ?1",
            )?
            .execute(params![
                session.0,
                user_agent,
                user.version.0,
                user.username.as_str(),
                users::joined(&user.roles)
            ])?;
        Ok(())
    })
}

/// Ends a session and the access tokens of it; says which it was, if nothing had ended it before, be it by itself or with all
/// of its user's. An ending is never overwritten. One that is past a limit is ended all the same: an access token of it may
/// live a little longer.
pub(super) fn end(unit: &mut Unit<'_>, session: SessionId, reason: EndReason) -> Applied<Option<EndedSession>> {
    unit.atomically(|unit| {
        let ended = unit
            .connection
            .prepare_cached(
                "UPDATE sessions SET ended_at = ?2, end_reason = ?3, user_version = NULL, username = NULL, roles = NULL
                 WHERE id = ?1 AND ended_at IS NULL AND epoch = (SELECT epoch FROM users WHERE id = sessions.user_id)
                 RETURNING user_id, transport",
            )?
            .query_row(params![session.0, unit.now.as_millis(), reason.as_str()], |row| {
                Ok((UserId(row.get(0)?), row.get(1)?))
            })
            .optional()?;
        let Some((owner, transport)) = ended else { return Ok(None) };
        unit.revoke(Ended::Session(session))?;
        Ok(Some(EndedSession { owner, transport: stored_transport(transport)? }))
    })
}

fn end_own(
    unit: &mut Unit<'_>,
    owner: UserId,
    asked_by: SessionId,
    session: SessionId,
) -> Applied<Option<EndedSession>> {
    require_live(unit, asked_by, owner)?;
    let whose: Option<UserId> = unit
        .connection
        .prepare_cached("SELECT user_id FROM sessions WHERE id = ?1")?
        .query_row([session.0], |row| row.get(0).map(UserId))
        .optional()?;
    // Another user's is as unknown as one that nobody has.
    if whose != Some(owner) {
        return Err(Error::NoSuchSession.into());
    }
    end(unit, session, EndReason::Revoked)
}

/// What was asked under a session is done only while it lives, as this transaction finds it: its access token was checked
/// earlier. Errors: [`Error::InvalidToken`], also where the session is another user's.
pub(super) fn require_live(unit: &Unit<'_>, session: SessionId, owner: UserId) -> Applied<()> {
    let stored = load(unit.connection, session)?.filter(|stored| stored.owner == owner);
    let session = stored.as_ref().map(|stored| &stored.session);
    let user = stored.as_ref().and_then(|stored| stored.user.as_ref()).map(|(user, _)| user);
    rotation::live(session, user, unit.now).map(|_| ()).map_err(|_| Error::InvalidToken.into())
}

/// How the client of a session is given refresh tokens. Not a column of [`load`]: a renewal does without.
pub(super) fn transport(unit: &Unit<'_>, session: SessionId) -> Applied<Transport> {
    let column = unit
        .connection
        .prepare_cached("SELECT transport FROM sessions WHERE id = ?1")?
        .query_row([session.0], |row| row.get(0))?;
    stored_transport(column)
}

/// A transport as the column has it.
pub(super) fn transport_column(transport: Transport) -> i64 {
    match transport {
        Transport::Body => 0,
        Transport::Cookie => 1,
    }
}

/// A transport column. Errors: [`Error::Internal`] where it has a number that this version does not know.
fn stored_transport(column: i64) -> Applied<Transport> {
    match column {
        0 => Ok(Transport::Body),
        1 => Ok(Transport::Cookie),
        _ => Err(Error::Internal("a stored transport").into()),
    }
}

/// What presenting a token at `now` would be granted for, by the rule that decides when it is presented. Nothing is written,
/// not even where the rule says that the session ends.
pub(super) fn renewable(
    connection: &Connection,
    presented: Presented,
    now: Timestamp,
    policy: &rotation::Policy,
) -> Applied<Option<Renewable>> {
    let Some(Stored { session, user: Some((user, principal)), .. }) = load(connection, presented.session)? else {
        return Ok(None);
    };
    let moment = Moment { asked_at: now, now };
    match rotation::decide(Some(&session), Some(&user), presented.generation, moment, policy) {
        Verdict::Hold | Verdict::Replay | Verdict::Rotate(_) | Verdict::Reissue(_) => {
            let expires_at = session.idle_expires_at.min(session.absolute_expires_at);
            Ok(Some(Renewable { principal, expires_at }))
        }
        Verdict::Refuse(_) | Verdict::Reuse { .. } => Ok(None),
    }
}

/// The session's row alone, and its user's where it has no copy of them.
fn load(connection: &Connection, session: SessionId) -> Applied<Option<Stored>> {
    let stored = connection
        .prepare_cached(
            "SELECT s.user_id, s.epoch, s.current_generation, s.parent_generation, s.rotated_at, s.idle_expires_at,
                    s.absolute_expires_at, s.ended_at IS NOT NULL, s.user_version, s.username, s.roles, a.text
             FROM sessions s LEFT JOIN user_agents a ON a.id = s.user_agent WHERE s.id = ?1",
        )?
        .query_row([session.0], |row| Ok(stored(row)))
        .optional()?
        .transpose()?;
    match stored {
        Some(stored) if stored.user.is_none() => Ok(Some(Stored { user: user(connection, stored.owner)?, ..stored })),
        stored => Ok(stored),
    }
}

fn stored(row: &Row<'_>) -> Applied<Stored> {
    let owner = UserId(row.get(0)?);
    let session = rotation::Session {
        epoch: Epoch(row.get(1)?),
        current: Generation::new(row.get(2)?).ok_or(Error::Internal("a session without a generation"))?,
        parent: Generation::new(row.get(3)?),
        rotated_at: row.get::<_, Option<i64>>(4)?.map(Timestamp::from_millis),
        idle_expires_at: Timestamp::from_millis(row.get(5)?),
        absolute_expires_at: Timestamp::from_millis(row.get(6)?),
        ended: row.get(7)?,
    };
    let user = match row.get::<_, Option<_>>(8)? {
        None => None,
        // A copy stands only while its user is enabled and of the session's epoch.
        Some(version) => Some((
            rotation::User { epoch: session.epoch, disabled: false },
            principal(owner, Version(version), row.get_ref(9)?, row.get_ref(10)?)?,
        )),
    };
    let user_agent = row.get_ref(11)?.as_str_or_null()?.map(|text| UserAgent::of(text.as_bytes()));
    Ok(Stored { owner, session, is_user_copied: user.is_some(), user, user_agent })
}

fn user(connection: &Connection, id: UserId) -> Applied<Option<(rotation::User, Principal)>> {
    connection
        .prepare_cached("SELECT epoch, disabled, version, username, roles FROM users WHERE id = ?1")?
        .query_row([id.0], |row| {
            let user = rotation::User { epoch: Epoch(row.get(0)?), disabled: row.get(1)? };
            Ok(principal(id, Version(row.get(2)?), row.get_ref(3)?, row.get_ref(4)?).map(|principal| (user, principal)))
        })
        .optional()?
        .transpose()
}

fn principal(id: UserId, version: Version, username: ValueRef<'_>, roles: ValueRef<'_>) -> Applied<Principal> {
    Ok(Principal { id, version, username: users::stored_name(username)?, roles: users::stored_roles(roles)? })
}

/// A UUIDv7 of the transaction's time: rows of one time lie side by side in the tree.
pub(super) fn new_id(now: Timestamp) -> Uuid {
    let millis = u64::try_from(now.as_millis()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &rand::random()).into_uuid()
}

impl From<rusqlite::types::FromSqlError> for Refusal {
    fn from(_: rusqlite::types::FromSqlError) -> Self {
        Self::Domain(Error::Internal("a column of another type"))
    }
}
