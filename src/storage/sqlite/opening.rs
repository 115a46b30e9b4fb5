//! Opening a session.
//!
//! Owns two rules: a session opens for nobody who is another by now than the password was checked against, and a user never
//! has more live ones than `MAX_SESSIONS_PER_USER`: of those before it, the least recently renewed make room, and end like any
//! other session does.

use rusqlite::params;

use super::batch::{Applied, Unit};
use super::sessions::{end, new_id, transport_column};
use super::{attempts, live, user_agents, users};
use crate::storage::client::InlineText;
use crate::storage::{Account, Client, EndReason, NewSession, SessionOutcome};
use crate::throttle::Settlement;
use crate::tokens::grant::{Grant, Transport};
use crate::tokens::refresh::{Generation, SessionId};

/// Opens it, if the account is still what was read before the hash.
pub(super) fn open(unit: &mut Unit<'_>, new: &NewSession) -> Applied<SessionOutcome> {
    let account = users::unchanged(unit, &new.seen)?;
    unit.atomically(|unit| {
        if let Some(stronger) = &new.stronger_hash {
            users::write_hash(unit, new.seen.user, stronger)?;
        }
        let evicted = make_room(unit, &account)?;
        let grant = begin(unit, account, &new.client, new.transport)?;
        if let Some(reservation) = &new.reservation {
            attempts::settle(unit, reservation, Settlement::Succeeded(new.seen.user))?;
        }
        Ok(SessionOutcome::Opened { grant, evicted })
    })
}

/// Ends as many of the account's live sessions as leave room for one more. More than one only where the limit was lowered.
fn make_room(unit: &mut Unit<'_>, account: &Account) -> Applied<Vec<SessionId>> {
    let kept = unit.rules.max_sessions_per_user.saturating_sub(1);
    let surplus = live::beyond(unit.connection, account.principal.id, account.epoch, unit.now, kept)?;
    for session in &surplus {
        end(unit, *session, EndReason::Evicted)?;
    }
    Ok(surplus)
}

/// Begins a session of the account, as it is now. Up to three statements.
pub(super) fn begin(unit: &Unit<'_>, account: Account, client: &Client, transport: Transport) -> Applied<Grant> {
    let session = SessionId(new_id(unit.now));
    let absolute_expires_at = unit.now.plus(unit.rules.session_ttl);
    let idle_expires_at = unit.now.plus(unit.rules.rotation.idle_ttl).min(absolute_expires_at);
    let user_agent = user_agents::number(unit, client.user_agent.as_ref())?;
    unit.connection
        .prepare_cached(
            "INSERT INTO sessions (id, user_id, epoch, current_generation, parent_generation, created_at,
                                   idle_expires_at, absolute_expires_at, user_agent, ip, transport,
                                   user_version, username, roles)
             VALUES (?1, ?2, ?3, ?4, 0, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )?
        .execute(params![
            session.0,
            account.principal.id.0,
            account.epoch.0,
            Generation::FIRST.number(),
            unit.now.as_millis(),
            idle_expires_at.as_millis(),
            absolute_expires_at.as_millis(),
            user_agent,
            client.address().as_ref().map(InlineText::as_str),
            transport_column(transport),
            account.principal.version.0,
            account.principal.username.as_str(),
            users::joined(&account.principal.roles),
        ])?;
    Ok(Grant {
        session,
        generation: Generation::FIRST,
        generated_at: unit.now,
        principal: account.principal,
        granted_at: unit.now,
        idle_expires_at,
        absolute_expires_at,
    })
}
