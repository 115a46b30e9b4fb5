//! People who call and renew, as a client does: with the access token while it is good, and a renewal before it ends.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use latchkey::tokens::refresh::SessionId;
use serde::Deserialize;

use super::{Renewed, presented};
use crate::driver::Work;
use crate::http::{self, Answer};
use crate::keys::{Given, Keys};
use crate::seed::Person;

/// `GET /api/profile` and `POST /api/refresh_token`, everybody in turn. No answer may be another than 200.
pub struct Visits {
    sessions: Vec<Session>,
    next: usize,
    /// How long before its end a client renews an access token.
    renews_before: Duration,
    /// What was answered 200, by the key of the token that was sent or given.
    pub seen: Seen,
}

/// Answers, by key.
#[derive(Debug, Default)]
pub struct Seen {
    /// By `kid`: profiles that its tokens opened, and tokens that it signed.
    pub access: BTreeMap<String, Counts>,
    /// By number: renewals that its tokens bought, and tokens that it signed.
    pub refresh: BTreeMap<u8, Counts>,
}

/// Of one key.
#[derive(Debug, Default, Clone, Copy)]
pub struct Counts {
    /// Requests with one of its tokens.
    pub accepted: u64,
    /// Tokens that it signed.
    pub signed: u64,
}

struct Session {
    id: SessionId,
    username: String,
    refresh_token: String,
    number: u8,
    generation: u32,
    access_token: String,
    kid: String,
    renews_at: Instant,
    asked_for: Option<Request>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Request {
    Profile,
    Renewal,
}

/// How long the access token of an answer with tokens is good.
#[derive(Deserialize)]
struct Lasting {
    expires_in: u64,
}

#[derive(Deserialize)]
struct Profile<'answer> {
    #[serde(borrow)]
    user: User<'answer>,
    session_id: SessionId,
}

#[derive(Deserialize)]
struct User<'answer> {
    username: &'answer str,
}

#[derive(Deserialize)]
struct Header {
    kid: String,
}

impl Visits {
    /// Of the sessions of these people, each of whom renews first.
    pub fn of(people: &[Person], renews_before: Duration) -> Result<Self> {
        let session = |person: &Person| {
            Ok(Session {
                id: person.session,
                username: person.username.clone(),
                refresh_token: person.refresh_token.clone(),
                number: number(&person.refresh_token)?,
                generation: 1,
                access_token: String::new(),
                kid: String::new(),
                renews_at: Instant::now(),
                asked_for: None,
            })
        };
        let sessions = people.iter().map(session).collect::<Result<_>>()?;
        Ok(Self { sessions, next: 0, renews_before, seen: Seen::default() })
    }

    /// Holds the last pair of tokens of every session against the keys. Errors: one is not what it must be.
    pub fn check_signatures(&self, keys: &Keys) -> Result<()> {
        self.sessions.iter().filter(|session| Instant::now() < session.renews_at).try_for_each(|session| {
            keys.check(&Given {
                username: &session.username,
                session: session.id,
                generation: session.generation,
                access_token: &session.access_token,
                refresh_token: &session.refresh_token,
            })
        })
    }

    /// The next session that nobody asks for right now.
    fn pick(&mut self) -> usize {
        loop {
            let ticket = self.next;
            self.next = (ticket + 1) % self.sessions.len();
            if self.sessions.get(ticket).is_some_and(|session| session.asked_for.is_none()) {
                return ticket;
            }
        }
    }
}

impl Work for Visits {
    fn ask(&mut self, request: &mut Vec<u8>) -> usize {
        let ticket = self.pick();
        if let Some(session) = self.sessions.get_mut(ticket) {
            if session.renews_at <= Instant::now() {
                session.asked_for = Some(Request::Renewal);
                http::post(request, "/api/refresh_token", &presented(&session.refresh_token));
            } else {
                session.asked_for = Some(Request::Profile);
                http::get(request, "/api/profile", &session.access_token);
            }
        }
        ticket
    }

    fn check(&mut self, ticket: usize, answer: &Answer<'_>) -> Result<()> {
        let session = self.sessions.get_mut(ticket).context("no such session")?;
        match session.asked_for.take().context("nothing was asked")? {
            Request::Profile => {
                ensure!(answer.status == 200, "a profile was answered {} under {}", answer.status, session.kid);
                let profile: Profile<'_> = serde_json::from_slice(answer.body)?;
                let own = profile.user.username == session.username && profile.session_id == session.id;
                ensure!(own, "another profile than was asked for");
                self.seen.access.entry(session.kid.clone()).or_default().accepted += 1;
            }
            Request::Renewal => {
                ensure!(answer.status == 200, "a renewal was answered {} under {}", answer.status, session.number);
                let renewed: Renewed<'_> = serde_json::from_slice(answer.body)?;
                let Lasting { expires_in } = serde_json::from_slice(answer.body)?;
                self.seen.refresh.entry(session.number).or_default().accepted += 1;
                session.take(&renewed, Duration::from_secs(expires_in).saturating_sub(self.renews_before))?;
                self.seen.access.entry(session.kid.clone()).or_default().signed += 1;
                self.seen.refresh.entry(session.number).or_default().signed += 1;
            }
        }
        Ok(())
    }
}

impl Session {
    fn take(&mut self, renewed: &Renewed<'_>, renews_in: Duration) -> Result<()> {
        self.generation = renewed.succeeds(self.id, self.generation)?;
        self.number = number(renewed.refresh_token)?;
        renewed.refresh_token.clone_into(&mut self.refresh_token);
        renewed.access_token.clone_into(&mut self.access_token);
        self.kid = kid(renewed.access_token)?;
        self.renews_at = Instant::now() + renews_in;
        Ok(())
    }
}

/// Which key signed an access token, as it says.
fn kid(access_token: &str) -> Result<String> {
    let header = access_token.split('.').next().context("a token without a header")?;
    let header: Header = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header)?)?;
    Ok(header.kid)
}

/// The number of the key of a refresh token: the second byte, which the first four characters hold whole.
fn number(refresh_token: &str) -> Result<u8> {
    let encoded = refresh_token.strip_prefix("lkr_").and_then(|encoded| encoded.get(..4));
    let bytes = URL_SAFE_NO_PAD.decode(encoded.context("a refresh token")?)?;
    bytes.get(1).copied().context("a refresh token")
}

#[cfg(test)]
mod tests {
    use super::super::tests::{answered, person, token};
    use super::*;

    fn answer(session: u128, generation: u32, kid: &str) -> String {
        let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"EdDSA","kid":"{kid}"}}"#));
        let (token, id) = (token(session, generation), uuid::Uuid::from_u128(session));
        format!(r#"{{"access_token":"{header}.b.c","expires_in":60,"refresh_token":"{token}","session_id":"{id}"}}"#)
    }

    /// One session that renewed once.
    fn renewed(status: u16, body: &str) -> Result<Visits> {
        let mut work = Visits::of(&[person(5)], Duration::from_secs(1))?;
        let mut request = Vec::new();
        let ticket = work.ask(&mut request);
        assert!(request.starts_with(b"POST /api/refresh_token"));
        work.check(ticket, &answered(status, body, None))?;
        Ok(work)
    }

    #[test]
    fn a_client_renews_first_and_calls_with_what_it_was_given_and_each_key_is_counted() {
        let mut work = renewed(200, &answer(5, 2, "new")).unwrap();
        let mut request = Vec::new();

        let ticket = work.ask(&mut request);
        let profile = format!(r#"{{"user":{{"username":"person"}},"session_id":"{}"}}"#, uuid::Uuid::from_u128(5));
        work.check(ticket, &answered(200, &profile, None)).unwrap();

        assert!(request.starts_with(b"GET /api/profile"));
        let counts = work.seen.access["new"];
        assert_eq!((counts.signed, counts.accepted), (1, 1));
        let counts = work.seen.refresh[&1];
        assert_eq!((counts.signed, counts.accepted), (1, 1));
    }

    #[test]
    fn one_refused_renewal_or_profile_fails_the_run() {
        assert!(renewed(401, &answer(5, 2, "new")).is_err());
        assert!(renewed(200, &answer(5, 3, "new")).is_err());
        assert!(renewed(200, &answer(6, 2, "new")).is_err());
        let mut work = renewed(200, &answer(5, 2, "new")).unwrap();
        let ticket = work.ask(&mut Vec::new());
        assert!(work.check(ticket, &answered(401, "{}", None)).is_err());
    }
}
