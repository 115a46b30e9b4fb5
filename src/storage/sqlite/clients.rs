//! The `clients` table: who may ask what a token is worth.

use rusqlite::{Connection, Row, params};

use super::batch::{Applied, Operation, Unit};
use crate::clients::{ClientId, FormerSecret, RegisteredClient, SecretHash};
use crate::clock::Timestamp;
use crate::storage::{ClientOperation, ClientOutcome};

impl Operation for ClientOperation {
    type Outcome = ClientOutcome;

    fn apply(self, unit: &mut Unit<'_>) -> Applied<ClientOutcome> {
        let (connection, now) = (unit.connection, unit.now.as_millis());
        match self {
            Self::Create { id, secret } => {
                let added = connection
                    .prepare_cached(
                        "INSERT INTO clients (id, secret_hash, created_at) VALUES (?1, ?2, ?3) ON CONFLICT (id) DO NOTHING",
                    )?
                    .execute(params![id.as_str(), secret.as_bytes(), now])?;
                Ok(if added == 0 { ClientOutcome::Taken } else { ClientOutcome::Created })
            }
            Self::Rotate { id, secret, overlap } => {
                let until = (!overlap.is_zero()).then(|| unit.now.plus(overlap));
                let until_millis = until.map(Timestamp::as_millis);
                let changed = connection
                    .prepare_cached(
                        "UPDATE clients SET former_hash = CASE WHEN ?3 IS NULL THEN NULL ELSE secret_hash END,
                                            former_until = ?3, secret_hash = ?2, rotated_at = ?4 WHERE id = ?1",
                    )?
                    .execute(params![id.as_str(), secret.as_bytes(), until_millis, now])?;
                Ok(if changed == 0 { ClientOutcome::Unknown } else { ClientOutcome::Rotated { former_until: until } })
            }
            Self::Delete(id) => {
                let removed = connection.prepare_cached("DELETE FROM clients WHERE id = ?1")?.execute([id.as_str()])?;
                Ok(if removed == 0 { ClientOutcome::Unknown } else { ClientOutcome::Deleted })
            }
        }
    }
}

/// All of them, by their ids. A row that somebody else wrote and that is none is left out: whoever reads here reads
/// also what others ended, and must not be kept from that.
pub(super) fn all(connection: &Connection) -> rusqlite::Result<Vec<RegisteredClient>> {
    let mut statement = connection.prepare_cached(
        "SELECT id, secret_hash, former_hash, former_until, created_at, rotated_at FROM clients ORDER BY id",
    )?;
    let rows = statement.query_map([], registered)?.collect::<rusqlite::Result<Vec<_>>>()?;
    let all = rows.len();
    let clients: Vec<_> = rows.into_iter().flatten().collect();
    if clients.len() < all {
        tracing::error!(rows = all - clients.len(), "the table of clients has rows that are none");
    }
    Ok(clients)
}

fn registered(row: &Row<'_>) -> rusqlite::Result<Option<RegisteredClient>> {
    // Whatever the file's owner put there, also what is no UTF-8.
    let id = row.get_ref(0)?.as_bytes().ok().and_then(|id| str::from_utf8(id).ok()).and_then(ClientId::parse);
    let (secret, former): (Vec<u8>, Option<Vec<u8>>) = (row.get(1)?, row.get(2)?);
    let former = former.as_deref().and_then(SecretHash::from_stored);
    let until = row.get::<_, Option<i64>>(3)?.map(Timestamp::from_millis);
    let (created_at, rotated_at) = (Timestamp::from_millis(row.get(4)?), row.get::<_, Option<i64>>(5)?);
    Ok(id.zip(SecretHash::from_stored(&secret)).map(|(id, secret)| RegisteredClient {
        id,
        secret,
        former: former.zip(until).map(|(hash, until)| FormerSecret { hash, until }),
        created_at,
        rotated_at: rotated_at.map(Timestamp::from_millis),
    }))
}
