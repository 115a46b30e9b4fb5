//! What is asked of a server, and what it must answer.
//!
//! Owns the checks. A profile must be its caller's, to the byte. A renewal must be of the session whose token was sent and
//! name the next generation, neither the same one again nor one further; its token goes into the next request of that
//! session. A login must bring a pair of tokens, or be turned away with a `Retry-After`.

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use latchkey::tokens::refresh::SessionId;
use serde::Deserialize;
use uuid::Uuid;

use crate::driver::Work;
use crate::http::{self, Answer};
use crate::seed::{PASSWORD, Person};

/// `GET /api/profile`, everybody in turn.
pub struct Profiles<'people> {
    people: &'people [Person],
    next: usize,
    /// The one answer of a baseline, whoever asks.
    fixed: Option<&'people str>,
}

impl<'people> Profiles<'people> {
    /// Of each of `people`, over and over.
    pub fn of(people: &'people [Person]) -> Self {
        Self { people, next: 0, fixed: None }
    }

    /// The same requests to a server that has one answer.
    pub fn answered(self, fixed: &'people str) -> Self {
        Self { fixed: Some(fixed), ..self }
    }
}

impl Work for Profiles<'_> {
    fn ask(&mut self, request: &mut Vec<u8>) -> usize {
        let ticket = self.next;
        self.next = (ticket + 1) % self.people.len();
        if let Some(person) = self.people.get(ticket) {
            http::get(request, "/api/profile", &person.access_token);
        }
        ticket
    }

    fn check(&mut self, ticket: usize, answer: &Answer<'_>) -> Result<()> {
        let expected = self.fixed.or_else(|| self.people.get(ticket).map(|person| person.profile.as_str()));
        ensure!(answer.status == 200, "a profile was answered {}", answer.status);
        ensure!(
            expected.is_some_and(|expected| expected.as_bytes() == answer.body),
            "another profile than was asked for"
        );
        Ok(())
    }
}

/// `POST /api/refresh_token`, each on a uniformly random session that has no request in flight.
pub struct Renewals {
    sessions: Vec<Session>,
    body: String,
}

struct Session {
    id: SessionId,
    token: String,
    generation: u32,
    in_flight: bool,
}

/// The members of an answer that are looked at.
#[derive(Deserialize)]
struct Renewed<'answer> {
    access_token: &'answer str,
    refresh_token: &'answer str,
    session_id: SessionId,
}

/// Of an error.
#[derive(Deserialize)]
struct Problem<'answer> {
    code: &'answer str,
}

impl Renewals {
    /// Of the sessions of these people.
    pub fn of(people: &[Person]) -> Self {
        let sessions = people
            .iter()
            .map(|person| Session {
                id: person.session,
                token: person.refresh_token.clone(),
                generation: 1,
                in_flight: false,
            })
            .collect();
        Self { sessions, body: String::new() }
    }

    /// The generation that each session must have in the database once everything is answered.
    pub fn generations(&self) -> impl Iterator<Item = (SessionId, u32)> {
        self.sessions.iter().map(|session| (session.id, session.generation))
    }

    /// A session to be renewed, uniformly among those that nobody renews right now.
    fn pick(&mut self) -> usize {
        loop {
            let ticket = rand::random_range(0..self.sessions.len());
            if let Some(session) = self.sessions.get_mut(ticket)
                && !session.in_flight
            {
                session.in_flight = true;
                return ticket;
            }
        }
    }
}

impl Work for Renewals {
    fn ask(&mut self, request: &mut Vec<u8>) -> usize {
        let ticket = self.pick();
        self.body.clear();
        if let Some(session) = self.sessions.get(ticket) {
            for part in [r#"{"refresh_token":""#, &session.token, r#""}"#] {
                self.body.push_str(part);
            }
        }
        http::post(request, "/api/refresh_token", &self.body);
        ticket
    }

    fn check(&mut self, ticket: usize, answer: &Answer<'_>) -> Result<()> {
        ensure!(answer.status == 200, "a renewal was answered {}", answer.status);
        let renewed: Renewed<'_> = serde_json::from_slice(answer.body)?;
        let session = self.sessions.get_mut(ticket).context("no such session")?;
        let (id, generation) = read(renewed.refresh_token)?;
        ensure!(renewed.session_id == session.id && id == session.id, "the tokens of another session");
        ensure!(generation != session.generation, "a renewal was lost: the successor is the token that was sent");
        ensure!(generation == session.generation + 1, "a renewal was made twice: a generation is missing");
        ensure!(renewed.access_token.split('.').count() == 3, "no access token");
        session.generation = generation;
        session.token.clear();
        session.token.push_str(renewed.refresh_token);
        session.in_flight = false;
        Ok(())
    }
}

/// Session and generation of a refresh token: version (1), key id (1), session (16), generation (4), MAC (32).
fn read(token: &str) -> Result<(SessionId, u32)> {
    let mut bytes = [0; 54];
    let encoded = token.strip_prefix("lkr_").context("a refresh token without its prefix")?;
    let length = URL_SAFE_NO_PAD.decode_slice(encoded, &mut bytes)?;
    ensure!(length == bytes.len(), "a refresh token of another length");
    let [_, _, rest @ ..] = bytes;
    let (id, rest) = rest.split_first_chunk::<16>().context("a refresh token")?;
    let generation = rest.first_chunk::<4>().context("a refresh token")?;
    Ok((SessionId(Uuid::from_bytes(*id)), u32::from_be_bytes(*generation)))
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
        http::post(request, "/api/refresh_token", &format!(r#"{{"refresh_token":"{token}"}}"#));
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

/// `POST /api/login`, everybody in turn.
pub struct Logins<'people> {
    people: &'people [Person],
    next: usize,
    /// Whether 503 with `Retry-After` is an answer too.
    may_be_turned_away: bool,
    /// How many were.
    pub turned_away: u64,
}

impl<'people> Logins<'people> {
    /// That must all succeed.
    pub fn of(people: &'people [Person]) -> Self {
        Self { people, next: 0, may_be_turned_away: false, turned_away: 0 }
    }

    /// Of which the surplus is turned away.
    pub fn too_many(people: &'people [Person]) -> Self {
        Self { may_be_turned_away: true, ..Self::of(people) }
    }
}

impl Work for Logins<'_> {
    fn ask(&mut self, request: &mut Vec<u8>) -> usize {
        let ticket = self.next;
        self.next = (ticket + 1) % self.people.len();
        let name = self.people.get(ticket).map_or("", |person| &person.username);
        http::post(request, "/api/login", &format!(r#"{{"username":"{name}","password":"{PASSWORD}"}}"#));
        ticket
    }

    fn check(&mut self, _: usize, answer: &Answer<'_>) -> Result<()> {
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
        let tokens: Renewed<'_> = serde_json::from_str(std::str::from_utf8(answer.body)?)?;
        let (session, generation) = read(tokens.refresh_token)?;
        ensure!(session == tokens.session_id && generation == 1, "a login without a fresh session");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(session: u128, generation: u32) -> String {
        let mut bytes = vec![1, 1];
        bytes.extend(session.to_be_bytes());
        bytes.extend(generation.to_be_bytes());
        bytes.extend([7; 32]);
        format!("lkr_{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    fn person(session: u128) -> Person {
        Person {
            username: "person".into(),
            session: SessionId(Uuid::from_u128(session)),
            refresh_token: token(session, 1),
            access_token: "a.b.c".into(),
            profile: format!("profile {session}"),
        }
    }

    fn answer(session: u128, generation: u32, of: u128) -> String {
        let (token, of) = (token(session, generation), Uuid::from_u128(of));
        format!(r#"{{"access_token":"a.b.c","refresh_token":"{token}","session_id":"{of}"}}"#)
    }

    fn answered(status: u16, body: &str, retry_after: Option<u64>) -> Answer<'_> {
        Answer { status, head: b"", body: body.as_bytes(), retry_after }
    }

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

    #[test]
    fn somebody_elses_profile_fails_the_run() {
        let people = [person(1), person(2)];
        let mut work = Profiles::of(&people);
        let answer = |body: &'static str| answered(200, body, None);

        assert!(work.check(0, &answer("profile 1")).is_ok());
        assert!(work.check(0, &answer("profile 2")).is_err());
    }

    #[test]
    fn a_login_is_turned_away_in_the_contracts_words_or_not_at_all() {
        let people = [person(1)];
        let away = |code: &str| format!(r#"{{"code":"{code}"}}"#);
        let check =
            |mut work: Logins<'_>, code: &str, retry_after| work.check(0, &answered(503, &away(code), retry_after));

        assert!(check(Logins::too_many(&people), "overloaded", Some(1)).is_ok());
        assert!(check(Logins::too_many(&people), "overloaded", None).is_err());
        assert!(check(Logins::too_many(&people), "unavailable", Some(1)).is_err());
        assert!(check(Logins::of(&people), "overloaded", Some(1)).is_err());
    }
}
