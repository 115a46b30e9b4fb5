//! Logins, all of which must succeed, or so many that some are turned away.

use std::collections::HashSet;

use anyhow::{Result, ensure};
use latchkey::tokens::refresh::SessionId;

use super::{Problem, Renewed, credentials};
use crate::driver::Work;
use crate::http::{self, Answer};
use crate::keys::{Given, Keys};
use crate::seed::Person;

/// `POST /api/login`, everybody in turn.
pub struct Logins<'people> {
    people: &'people [Person],
    next: usize,
    /// Whether 503 with `Retry-After` is an answer too.
    may_be_turned_away: bool,
    keys: &'people Keys,
    opened: HashSet<SessionId>,
    /// How many were.
    pub turned_away: u64,
}

impl<'people> Logins<'people> {
    /// That must all succeed.
    pub fn of(people: &'people [Person], keys: &'people Keys) -> Self {
        let opened = people.iter().map(|person| person.session).collect();
        Self { people, next: 0, may_be_turned_away: false, keys, opened, turned_away: 0 }
    }

    /// Of which the surplus is turned away.
    pub fn too_many(people: &'people [Person], keys: &'people Keys) -> Self {
        Self { may_be_turned_away: true, ..Self::of(people, keys) }
    }
}

impl Work for Logins<'_> {
    fn ask(&mut self, request: &mut Vec<u8>) -> usize {
        let ticket = self.next;
        self.next = (ticket + 1) % self.people.len();
        let name = self.people.get(ticket).map_or("", |person| &person.username);
        http::post(request, "/api/login", &credentials(name));
        ticket
    }

    fn check(&mut self, ticket: usize, answer: &Answer<'_>) -> Result<()> {
        if answer.status == 503 && self.may_be_turned_away {
            let problem: Problem<'_> = serde_json::from_slice(answer.body)?;
            ensure!(problem.code == "overloaded", "a login was turned away for another reason: {}", problem.code);
            ensure!(
                answer.retry_after.is_some_and(|seconds| seconds > 0),
                "a login was turned away without Retry-After"
            );
            self.turned_away += 1;
            return Ok(());
        }
        ensure!(answer.status == 200, "a login was answered {}", answer.status);
        let tokens: Renewed<'_> = serde_json::from_slice(answer.body)?;
        self.keys.check(&Given {
            username: self.people.get(ticket).map_or("", |person| &person.username),
            session: tokens.session_id,
            generation: 1,
            access_token: tokens.access_token,
            refresh_token: tokens.refresh_token,
        })?;
        ensure!(self.opened.insert(tokens.session_id), "a login without a fresh session");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::answered;
    use super::*;
    use crate::seed::World;

    /// Two people, and the keys under which they have their tokens.
    fn people() -> (Vec<Person>, Keys) {
        let ground = tempfile::tempdir().unwrap();
        let world = World::new(ground.path(), 4, &[]).unwrap();
        (world.people(2).unwrap(), world.keys().unwrap())
    }

    fn tokens(person: &Person) -> String {
        let (access, refresh, session) = (&person.access_token, &person.refresh_token, person.session);
        format!(r#"{{"access_token":"{access}","refresh_token":"{refresh}","session_id":"{}"}}"#, session.0)
    }

    #[test]
    fn a_login_brings_its_callers_tokens_of_a_session_that_nobody_had() {
        let (people, keys) = people();
        // What the first one has stands for what a login brings: nothing of it was seen by these logins yet.
        let mut work = Logins::of(&people, &keys);
        work.opened.clear();
        let login = |work: &mut Logins<'_>, ticket| work.check(ticket, &answered(200, &tokens(&people[0]), None));

        assert!(login(&mut work, 1).is_err());
        assert!(login(&mut work, 0).is_ok());
        assert!(login(&mut work, 0).is_err());
        assert!(login(&mut Logins::of(&people, &keys), 0).is_err());
    }

    #[test]
    fn a_login_is_turned_away_in_the_contracts_words_or_not_at_all() {
        let (people, keys) = people();
        let away = |code: &str| format!(r#"{{"code":"{code}"}}"#);
        let check =
            |mut work: Logins<'_>, code: &str, retry_after| work.check(0, &answered(503, &away(code), retry_after));

        assert!(check(Logins::too_many(&people, &keys), "overloaded", Some(1)).is_ok());
        assert!(check(Logins::too_many(&people, &keys), "overloaded", None).is_err());
        assert!(check(Logins::too_many(&people, &keys), "unavailable", Some(1)).is_err());
        assert!(check(Logins::of(&people, &keys), "overloaded", Some(1)).is_err());
    }
}
