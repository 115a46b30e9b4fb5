//! A service that renews, and what it must have in its database because of what it answered.
//!
//! Owns the last look: once it has stopped, each session is stored at the generation that its last answer named, neither
//! behind it, which would be a lost renewal, nor ahead of it; and the last tokens of each are its own, signatures included.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use latchkey::tokens::refresh::SessionId;

use super::{Plan, Service};
use crate::driver::Pace;
use crate::measure::Contender;
use crate::reader;
use crate::seed::{Person, World};
use crate::work::Renewals;

/// A service on a database of its own, and the tokens that it gave out.
pub(super) struct Renewing {
    name: String,
    pub service: Service,
    work: Renewals,
}

impl Renewing {
    /// Starts what `command` makes on a copy of a world in which these people have their first tokens.
    pub fn start(
        plan: &Plan,
        name: &str,
        (world, people): (&World, &[Person]),
        command: impl FnOnce(&World) -> Result<Command>,
    ) -> Result<Self> {
        let service = Service::on_a_copy(plan, world, command)?;
        Ok(Self { name: name.to_owned(), service, work: Renewals::of(people) })
    }

    /// To take turns, each with the tokens that the one before it left.
    pub fn contender(&mut self, plan: &Plan, pace: Pace) -> Contender<'_> {
        Contender::new(&self.name, &self.service.server, &mut self.work, plan.connections, pace)
    }

    /// Stops it and holds its database against what it answered.
    pub fn stop(self) -> Result<()> {
        self.service.server.stop()?;
        compare(&self.service.world, &self.work)
    }
}

/// Holds the database of a server that has stopped, and the tokens that it gave out, against each other.
pub(super) fn compare(world: &World, work: &Renewals) -> Result<()> {
    work.check_signatures(&world.keys()?)?;
    let mut answered: Vec<_> = work.generations().collect();
    answered.sort_unstable();
    hold_against(&world.database(), answered.into_iter())
}

/// Holds a database that nobody serves against the generations that were answered last, in the order of their sessions' ids. Both are
/// walked through once: there may be millions.
pub(super) fn hold_against(database: &Path, answered: impl Iterator<Item = (SessionId, u32)>) -> Result<()> {
    let connection = reader::open(database)?;
    let mut statement =
        connection.prepare("SELECT id, current_generation FROM sessions WHERE ended_at IS NULL ORDER BY id")?;
    let mut rows = statement.query([])?;
    let mut stored: Option<(SessionId, u32)> = None;
    for (session, answered) in answered {
        while stored.is_none_or(|(id, _)| id < session)
            && let Some(row) = rows.next()?
        {
            stored = Some((SessionId(row.get(0)?), row.get(1)?));
        }
        let stored = stored.filter(|(id, _)| *id == session).map(|(_, generation)| generation);
        ensure!(
            stored == Some(answered),
            "a session was answered generation {answered} and is stored with {stored:?}: a renewal was lost or made twice"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    #[test]
    fn a_generation_that_the_database_does_not_have_fails_the_run() {
        let ground = tempfile::tempdir().unwrap();
        let world = World::new(ground.path(), 4, &[]).unwrap();
        let work = Renewals::of(&world.people(3).unwrap());
        compare(&world, &work).unwrap();

        let connection = Connection::open(world.database()).unwrap();
        connection
            .execute("UPDATE sessions SET current_generation = 2 WHERE id = (SELECT max(id) FROM sessions)", [])
            .unwrap();

        assert!(compare(&world, &work).is_err());
    }

    #[test]
    fn a_session_that_the_database_does_not_have_or_that_ended_fails_the_run() {
        let ground = tempfile::tempdir().unwrap();
        let world = World::new(ground.path(), 4, &[]).unwrap();
        let mut answered: Vec<_> = Renewals::of(&world.people(3).unwrap()).generations().collect();
        answered.sort_unstable();
        // Whoever is not asked for is passed over.
        hold_against(&world.database(), answered.iter().skip(1).copied()).unwrap();
        let ended =
            "UPDATE sessions SET ended_at = 1, user_version = NULL, username = NULL, roles = NULL WHERE id = ?1";
        for broken in [ended, "DELETE FROM sessions WHERE id = ?1"] {
            hold_against(&world.database(), answered.iter().copied()).unwrap();
            Connection::open(world.database()).unwrap().execute(broken, [answered.pop().unwrap().0.0]).unwrap();
            let all = answered.iter().copied().chain([(SessionId(uuid::Uuid::max()), 1)]);

            assert!(hold_against(&world.database(), all).is_err(), "{broken}");
        }
    }

    #[test]
    fn a_last_token_of_somebody_else_fails_the_run() {
        let ground = tempfile::tempdir().unwrap();
        let world = World::new(ground.path(), 4, &[]).unwrap();
        let mut people = world.people(2).unwrap();
        people[0].access_token = people[1].access_token.clone();

        assert!(compare(&world, &Renewals::of(&people)).is_err());
    }
}
