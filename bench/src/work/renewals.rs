//! Renewals in chains: each answer's token goes into the next request of its session.

use anyhow::{Context as _, Result, ensure};
use latchkey::tokens::refresh::SessionId;

use super::{Renewed, pick, presented, read};
use crate::driver::Work;
use crate::http::{self, Answer};
use crate::keys::{Given, Keys};
use crate::seed::Person;

/// `POST /api/refresh_token`, each on a uniformly random session that has no request in flight.
pub struct Renewals {
    sessions: Vec<Session>,
}

struct Session {
    id: SessionId,
    username: String,
    /// The newest that was answered.
    refresh_token: String,
    access_token: String,
    generation: u32,
    in_flight: bool,
}

impl Renewals {
    /// Of the sessions of these people.
    pub fn of(people: &[Person]) -> Self {
        let sessions = people
            .iter()
            .map(|person| Session {
                id: person.session,
                username: person.username.clone(),
                refresh_token: person.refresh_token.clone(),
                access_token: person.access_token.clone(),
                generation: 1,
                in_flight: false,
            })
            .collect();
        Self { sessions }
    }

    /// The generation that each session must have in the database once everything is answered.
    pub fn generations(&self) -> impl Iterator<Item = (SessionId, u32)> {
        self.sessions.iter().map(|session| (session.id, session.generation))
    }

    /// Holds the last pair of tokens of every session against the keys. Errors: one is not what it must be.
    pub fn check_signatures(&self, keys: &Keys) -> Result<()> {
        self.sessions.iter().try_for_each(|session| {
            keys.check(&Given {
                username: &session.username,
                session: session.id,
                generation: session.generation,
                access_token: &session.access_token,
                refresh_token: &session.refresh_token,
            })
        })
    }
}

impl Work for Renewals {
    fn ask(&mut self, request: &mut Vec<u8>) -> usize {
        let sessions = &mut self.sessions;
        let free = |session: &mut Session| !std::mem::replace(&mut session.in_flight, true);
        let ticket = pick(sessions.len(), |ticket| sessions.get_mut(ticket).is_some_and(free));
        let token = sessions.get(ticket).map_or("", |session| &session.refresh_token);
        http::post(request, "/api/refresh_token", &presented(token));
        ticket
    }

    fn check(&mut self, ticket: usize, answer: &Answer<'_>) -> Result<()> {
        ensure!(answer.status == 200, "a renewal was answered {}", answer.status);
        let renewed: Renewed<'_> = serde_json::from_slice(answer.body)?;
        let session = self.sessions.get_mut(ticket).context("no such session")?;
        session.generation = renewed.succeeds(session.id, session.generation)?;
        for (held, answered) in
            [(&mut session.refresh_token, renewed.refresh_token), (&mut session.access_token, renewed.access_token)]
        {
            held.clear();
            held.push_str(answered);
        }
        session.in_flight = false;
        Ok(())
    }
}

/// `POST /api/refresh_token` to a server that has one answer, whoever asks.
pub struct FixedRenewals<'people> {
    people: &'people [Person],
    fixed: &'people str,
}

impl<'people> FixedRenewals<'people> {
    /// The same requests as [`Renewals`] begins with.
    pub fn of(people: &'people [Person], fixed: &'people str) -> Self {
        Self { people, fixed }
    }
}

impl Work for FixedRenewals<'_> {
    fn ask(&mut self, request: &mut Vec<u8>) -> usize {
        let ticket = rand::random_range(0..self.people.len());
        let token = self.people.get(ticket).map_or("", |person| &person.refresh_token);
        http::post(request, "/api/refresh_token", &presented(token));
        ticket
    }

    fn check(&mut self, _: usize, answer: &Answer<'_>) -> Result<()> {
        ensure!(answer.status == 200 && answer.body == self.fixed.as_bytes(), "another answer than the fixed one");
        // What a client of the real one does with it, so that the driver costs the same.
        let renewed: Renewed<'_> = serde_json::from_slice(answer.body)?;
        read(renewed.refresh_token)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::super::tests::{answer, answered, person, token};
    use super::*;

    fn renewed(status: u16, body: &str) -> Result<Renewals> {
        let mut work = Renewals::of(&[person(5)]);
        let ticket = work.ask(&mut Vec::new());
        work.check(ticket, &answered(status, body, None))?;
        Ok(work)
    }

    #[test]
    fn a_renewal_carries_its_token_into_the_next_request() {
        let mut work = renewed(200, &answer(5, 2, 5)).unwrap();

        let mut request = Vec::new();
        work.ask(&mut request);

        assert!(String::from_utf8(request).unwrap().ends_with(&format!(r#"{{"refresh_token":"{}"}}"#, token(5, 2))));
        assert_eq!(work.generations().collect::<Vec<_>>(), [(SessionId(Uuid::from_u128(5)), 2)]);
    }

    #[test]
    fn a_lost_a_double_and_a_foreign_renewal_fail_the_run() {
        for (status, body) in [
            (200, answer(5, 1, 5)),
            (200, answer(5, 3, 5)),
            (200, answer(6, 2, 5)),
            (200, answer(5, 2, 6)),
            (401, answer(5, 2, 5)),
            (200, "{}".to_owned()),
        ] {
            assert!(renewed(status, &body).is_err(), "{status} {body}");
        }
    }
}
