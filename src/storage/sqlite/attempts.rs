//! Attempts to guess a password: the failures that are counted, and the addresses that accounts know.
//!
//! Owns the bound: there are never more rows than [`Policy::most_counters`]. Where a new one needs room, one goes whose
//! window is over, else one that counts the least and at most half of the least limit, else the attempt is refused; for an
//! address that the account knows, the one that counts the least goes whatever it counts. Decides nothing else itself.
//!
//! attempt -> windows -> [`Policy::reserve`] -> rows, all of them or none

use rusqlite::{OptionalExtension as _, Params, params};

use super::batch::{Applied, Operation, Refusal, Unit};
use super::users;
use crate::clock::Timestamp;
use crate::storage::{AttemptOperation, AttemptOutcome};
use crate::throttle::{Attempt, Counter, Key, Policy, Reservation, Scope, Settlement, Taken, Throttled, Window};
use crate::tokens::principal::UserId;

/// Addresses that an account knows at most: a person's homes, offices and phones' networks of some months. Who has the
/// password alone can push one out.
const MOST_KNOWN: i64 = 20;
/// How long an address is known beyond the life of a session from there: until whoever stays away for a while is back.
const KNOWN_BEYOND: std::time::Duration = std::time::Duration::from_secs(60 * 24 * 60 * 60);

impl Operation for AttemptOperation {
    type Outcome = AttemptOutcome;

    fn apply(self, unit: &mut Unit<'_>) -> Applied<AttemptOutcome> {
        match self {
            Self::Admit(attempt) => admit(unit, &attempt),
            Self::Settle { reservation, settlement } => {
                unit.atomically(|unit| settle(unit, &reservation, settlement))?;
                Ok(AttemptOutcome::Settled)
            }
        }
    }
}

fn admit(unit: &mut Unit<'_>, attempt: &Attempt) -> Applied<AttemptOutcome> {
    let account = match &attempt.name {
        Some(name) => users::find(unit, name)?,
        None => None,
    };
    let Some(policy) = unit.rules.throttle else {
        return Ok(AttemptOutcome::Admitted { account, reservation: None });
    };
    let user = account.as_ref().map(|account| account.principal.id);
    let is_known = match user {
        Some(user) => knows(unit, user, attempt.address)?,
        None => false,
    };
    let stored = attempt.counters(is_known).map(|counter| Ok((counter, window(unit, counter)?)));
    let stored: Vec<(Counter, Option<Window>)> = stored.collect::<Applied<_>>()?;
    let taken = match policy.reserve(&stored, unit.now) {
        Ok(taken) => taken,
        Err(throttled) => return Ok(AttemptOutcome::Throttled { throttled, user }),
    };
    let displaced = match displaced(unit, &policy, attempt, &stored, is_known)? {
        Room::Made(displaced) => displaced,
        Room::None(throttled) => return Ok(AttemptOutcome::Throttled { throttled, user }),
    };
    unit.atomically(|unit| {
        displaced.iter().try_for_each(|key| forget(unit, key))?;
        taken.iter().try_for_each(|taken| write(unit, taken))
    })?;
    let reservation = Some(Reservation { address: attempt.address, taken });
    Ok(AttemptOutcome::Admitted { account, reservation })
}

/// Gives back what an attempt holds; the caller makes it one with whatever else it writes.
pub(super) fn settle(unit: &Unit<'_>, reservation: &Reservation, settlement: Settlement<UserId>) -> Applied<()> {
    for Taken { counter, window } in &reservation.taken {
        match (settlement, counter.scope) {
            // Whatever window it is: whoever knows the password has nothing to guess.
            (Settlement::Succeeded(_), Scope::Pair) => forget(unit, counter.key.as_bytes())?,
            (Settlement::Succeeded(_), Scope::Account | Scope::Address) | (Settlement::Unchecked, _) => {
                give_back(unit, counter.key, window.opened_at)?;
            }
        }
    }
    match settlement {
        Settlement::Succeeded(user) => remember(unit, user, reservation.address),
        Settlement::Unchecked => Ok(()),
    }
}

/// Removes some of what is over: windows, and addresses that were not seen for long.
pub(super) fn sweep(unit: &Unit<'_>, most: usize) -> Applied<()> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    // Without a limit nothing is counted any more, and what was counted before is of no use.
    let over = unit.rules.throttle.map_or(unit.now, |policy| policy.over_before(unit.now));
    let forgotten = unit.now.minus(unit.rules.session_ttl.saturating_add(KNOWN_BEYOND));
    execute(
        unit,
        "DELETE FROM login_failures WHERE key IN (SELECT key FROM login_failures WHERE opened_at <= ?1
                                                  ORDER BY opened_at LIMIT ?2)",
        params![over.as_millis(), most],
    )?;
    execute(
        unit,
        "DELETE FROM known_addresses
         WHERE (user_id, address) IN (SELECT user_id, address FROM known_addresses WHERE seen_at <= ?1
                                      ORDER BY seen_at LIMIT ?2)",
        params![forgotten.as_millis(), most],
    )
}

fn window(unit: &Unit<'_>, counter: Counter) -> Applied<Option<Window>> {
    let mut statement =
        unit.connection.prepare_cached("SELECT failures, opened_at FROM login_failures WHERE key = ?1")?;
    let row = statement.query_row([counter.key.as_bytes()], |row| {
        Ok(Window { failures: row.get(0)?, opened_at: Timestamp::from_millis(row.get(1)?) })
    });
    Ok(row.optional()?)
}

/// A window that is over and still there is written over: it needs no room.
fn write(unit: &Unit<'_>, taken: &Taken) -> Applied<()> {
    execute(
        unit,
        "INSERT INTO login_failures (key, failures, opened_at) VALUES (?1, ?2, ?3)
         ON CONFLICT (key) DO UPDATE SET failures = excluded.failures, opened_at = excluded.opened_at",
        params![taken.counter.key.as_bytes(), taken.window.failures, taken.window.opened_at.as_millis()],
    )
}

/// Only in the window in which it was taken: a later one has none of it.
fn give_back(unit: &Unit<'_>, key: Key, opened_at: Timestamp) -> Applied<()> {
    execute(
        unit,
        "DELETE FROM login_failures WHERE key = ?1 AND opened_at = ?2 AND failures <= 1",
        params![key.as_bytes(), opened_at.as_millis()],
    )?;
    execute(
        unit,
        "UPDATE login_failures SET failures = failures - 1 WHERE key = ?1 AND opened_at = ?2",
        params![key.as_bytes(), opened_at.as_millis()],
    )
}

fn forget(unit: &Unit<'_>, key: &[u8]) -> Applied<()> {
    execute(unit, "DELETE FROM login_failures WHERE key = ?1", [key])
}

/// What makes room for an attempt's new rows.
enum Room {
    /// The rows with these keys.
    Made(Vec<Vec<u8>>),
    /// Nothing may go before this.
    None(Throttled),
}

fn displaced(
    unit: &Unit<'_>,
    policy: &Policy,
    attempt: &Attempt,
    stored: &[(Counter, Option<Window>)],
    is_known: bool,
) -> Applied<Room> {
    let new = stored.iter().filter(|(_, window)| window.is_none()).count();
    let rows: i64 =
        unit.connection.prepare_cached("SELECT number FROM login_failure_rows")?.query_row([], |row| row.get(0))?;
    let needed = rows.saturating_add(i64::try_from(new).unwrap_or(i64::MAX)) - i64::from(policy.most_counters);
    if needed <= 0 {
        return Ok(Room::Made(Vec::new()));
    }
    let over = policy.over_before(unit.now).as_millis();
    let own = [attempt.pair, attempt.account, attempt.address];
    let [pair, account, address] = own.each_ref().map(Key::as_bytes);
    let mut keys = keys(
        unit,
        "SELECT key FROM login_failures WHERE opened_at <= ?1 AND key NOT IN (?2, ?3, ?4) ORDER BY opened_at LIMIT ?5",
        params![over, pair, account, address, needed],
    )?;
    let missing = |keys: &[Vec<u8>]| needed - i64::try_from(keys.len()).unwrap_or(i64::MAX);
    if missing(&keys) > 0 {
        let most = if is_known { u32::MAX } else { policy.most_displaced() };
        keys.extend(self::keys(
            unit,
            "SELECT key FROM login_failures WHERE failures <= ?1 AND opened_at > ?2 AND key NOT IN (?3, ?4, ?5)
             ORDER BY failures, opened_at LIMIT ?6",
            params![most, over, pair, account, address, missing(&keys)],
        )?);
    }
    if missing(&keys) > 0 {
        return Ok(Room::None(Throttled::until(first_over(unit, policy)?, None, unit.now)));
    }
    Ok(Room::Made(keys))
}

/// When the first window of all is over.
fn first_over(unit: &Unit<'_>, policy: &Policy) -> Applied<Timestamp> {
    let mut statement =
        unit.connection.prepare_cached("SELECT opened_at FROM login_failures ORDER BY opened_at LIMIT 1")?;
    let opened_at: Option<i64> = statement.query_row([], |row| row.get(0)).optional()?;
    let opened_at = opened_at.map_or(unit.now, Timestamp::from_millis);
    Ok(policy.over_at(&Window { failures: 0, opened_at }))
}

fn keys(unit: &Unit<'_>, query: &str, parameters: impl Params) -> Applied<Vec<Vec<u8>>> {
    let mut statement = unit.connection.prepare_cached(query)?;
    let keys = statement.query_map(parameters, |row| row.get(0))?;
    keys.collect::<Result<_, _>>().map_err(Refusal::from)
}

fn knows(unit: &Unit<'_>, user: UserId, address: Key) -> Applied<bool> {
    let mut statement = unit
        .connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM known_addresses WHERE user_id = ?1 AND address = ?2)")?;
    Ok(statement.query_row(params![user.0, address.as_bytes()], |row| row.get(0))?)
}

/// Notes that somebody with the right password came from there; not for an account that is gone.
fn remember(unit: &Unit<'_>, user: UserId, address: Key) -> Applied<()> {
    execute(
        unit,
        "INSERT INTO known_addresses (user_id, address, seen_at)
         SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM users WHERE id = ?1)
         ON CONFLICT (user_id, address) DO UPDATE SET seen_at = excluded.seen_at",
        params![user.0, address.as_bytes(), unit.now.as_millis()],
    )?;
    execute(
        unit,
        "DELETE FROM known_addresses
         WHERE user_id = ?1 AND address IN (SELECT address FROM known_addresses WHERE user_id = ?1
                                            ORDER BY seen_at DESC, address = ?2 DESC LIMIT -1 OFFSET ?3)",
        params![user.0, address.as_bytes(), MOST_KNOWN],
    )
}

fn execute(unit: &Unit<'_>, statement: &str, parameters: impl Params) -> Applied<()> {
    unit.connection.prepare_cached(statement)?.execute(parameters)?;
    Ok(())
}
