//! What is asked of a server, and what it must answer.
//!
//! Owns the checks. A profile must be its caller's, to the byte. A renewal must be of the session whose token was sent and
//! name the next generation, neither the same one again nor one further; its token goes into the next request of that
//! session. A login must bring a pair of tokens of a session that nobody had before, or be turned away with a `Retry-After`.

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use latchkey::tokens::refresh::SessionId;
use serde::Deserialize;
use uuid::Uuid;

use crate::driver::Work;
use crate::http::{self, Answer};
use crate::seed::{PASSWORD, Person};

pub use self::lifecycles::Lifecycles;
pub use self::logins::Logins;
pub use self::members::CrowdRenewals;
pub use self::renewals::{FixedRenewals, Renewals};

mod lifecycles;
mod logins;
mod members;
mod renewals;
pub mod spoken;
pub mod visits;

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

/// The members of an answer with tokens that are looked at.
#[derive(Deserialize)]
struct Renewed<'answer> {
    access_token: &'answer str,
    refresh_token: &'answer str,
    session_id: SessionId,
}

impl Renewed<'_> {
    /// Holds a renewal's refresh token against the session whose token was sent, of this generation: the next generation's number.
    fn succeeds(&self, session: SessionId, generation: u32) -> Result<u32> {
        let (id, next) = read(self.refresh_token)?;
        ensure!(self.session_id == session && id == session, "the tokens of another session");
        ensure!(next != generation, "a renewal was lost: the successor is the token that was sent");
        ensure!(next == generation + 1, "a renewal was made twice: a generation is missing");
        Ok(next)
    }
}

/// The members of an error that are looked at.
#[derive(Deserialize)]
struct Problem<'answer> {
    code: &'answer str,
    reason: Option<&'answer str>,
}

/// A uniformly random one of so many that `take` takes: those that have a request in flight it does not.
fn pick(many: usize, mut take: impl FnMut(usize) -> bool) -> usize {
    loop {
        let ticket = rand::random_range(0..many);
        if take(ticket) {
            return ticket;
        }
    }
}

/// The body that presents a refresh token, to be renewed or to be logged out.
pub fn presented(refresh_token: &str) -> String {
    [r#"{"refresh_token":""#, refresh_token, r#""}"#].concat()
}

/// The body with which somebody logs in who was seeded.
fn credentials(username: &str) -> String {
    [r#"{"username":""#, username, r#"","password":""#, PASSWORD, r#""}"#].concat()
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

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn token(session: u128, generation: u32) -> String {
        let mut bytes = vec![1, 1];
        bytes.extend(session.to_be_bytes());
        bytes.extend(generation.to_be_bytes());
        bytes.extend([7; 32]);
        format!("lkr_{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    pub(super) fn person(session: u128) -> Person {
        Person {
            username: "person".into(),
            session: SessionId(Uuid::from_u128(session)),
            refresh_token: token(session, 1),
            access_token: "a.b.c".into(),
            profile: format!("profile {session}"),
        }
    }

    pub(super) fn answer(session: u128, generation: u32, of: u128) -> String {
        let (token, of) = (token(session, generation), Uuid::from_u128(of));
        format!(r#"{{"access_token":"a.b.c","refresh_token":"{token}","session_id":"{of}"}}"#)
    }

    pub(super) fn answered(status: u16, body: &str, retry_after: Option<u64>) -> Answer<'_> {
        Answer { status, head: b"", body: body.as_bytes(), retry_after }
    }

    #[test]
    fn somebody_elses_profile_fails_the_run() {
        let people = [person(1), person(2)];
        let mut work = Profiles::of(&people);
        let answer = |body: &'static str| answered(200, body, None);

        assert!(work.check(0, &answer("profile 1")).is_ok());
        assert!(work.check(0, &answer("profile 2")).is_err());
    }
}
