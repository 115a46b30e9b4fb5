//! Whole sessions, from the login to the end: what happens to a service now and then.

use std::collections::VecDeque;

use anyhow::{Context as _, Result, bail, ensure};
use latchkey::tokens::refresh::SessionId;

use super::{Problem, Renewed, credentials, presented};
use crate::driver::Work;
use crate::http::{self, Answer};
use crate::keys::{Given, Keys};
use crate::seed;

/// People who log in, renew, and log out or present a spent token, which ends the session as well; then the newest token is refused.
/// Everybody in turn, one request at a time.
pub struct Lifecycles<'keys> {
    people: VecDeque<Somebody>,
    /// Whose answer is awaited.
    asking: Option<Somebody>,
    keys: &'keys Keys,
    /// What was seen.
    pub seen: Seen,
}

/// How often.
#[derive(Debug, Default, Clone, Copy)]
pub struct Seen {
    /// Logins.
    pub logins: u64,
    /// Logouts.
    pub logouts: u64,
    /// Spent tokens that were refused as such.
    pub reuses: u64,
}

struct Somebody {
    username: String,
    /// Whether their session ends by a spent token this time.
    reuses: bool,
    step: Step,
}

/// What somebody does next.
#[derive(Clone, Copy)]
enum Step {
    LogIn,
    Renew(SessionId),
    /// Log out, or present the spent one.
    End(SessionId),
    /// With a token of a session that is over.
    Try(SessionId),
}

/// Of the token that a login brings, and of its successor.
const FIRST: u32 = 1;
const SECOND: u32 = 2;

impl<'keys> Lifecycles<'keys> {
    /// Of the accounts with these numbers; those with odd ones begin with a spent token, so that a short run sees both ends.
    pub fn of(numbers: impl Iterator<Item = u32>, keys: &'keys Keys) -> Self {
        let somebody = |number| Somebody { username: seed::name(number), reuses: number % 2 == 1, step: Step::LogIn };
        Self { people: numbers.map(somebody).collect(), asking: None, keys, seen: Seen::default() }
    }

    fn token(&self, session: SessionId, generation: u32) -> String {
        self.keys.refresh_token(session, generation).map_or_else(|_| String::new(), |token| token.expose().to_owned())
    }

    fn given(&self, somebody: &Somebody, generation: u32, answer: &Answer<'_>) -> Result<SessionId> {
        ensure!(answer.status == 200, "a login or its renewal was answered {}", answer.status);
        let tokens: Renewed<'_> = serde_json::from_slice(answer.body)?;
        self.keys.check(&Given {
            username: &somebody.username,
            session: tokens.session_id,
            generation,
            access_token: tokens.access_token,
            refresh_token: tokens.refresh_token,
        })?;
        Ok(tokens.session_id)
    }
}

impl Work for Lifecycles<'_> {
    fn ask(&mut self, request: &mut Vec<u8>) -> usize {
        self.asking = self.people.pop_front();
        let Some(somebody) = &self.asking else { return 0 };
        let presented = |session, generation| presented(&self.token(session, generation));
        let (path, body) = match somebody.step {
            Step::LogIn => ("/api/login", credentials(&somebody.username)),
            Step::Renew(session) => ("/api/refresh_token", presented(session, FIRST)),
            Step::End(session) if somebody.reuses => ("/api/refresh_token", presented(session, FIRST)),
            Step::End(session) => ("/api/logout", presented(session, SECOND)),
            Step::Try(session) => ("/api/refresh_token", presented(session, SECOND)),
        };
        http::post(request, path, &body);
        0
    }

    fn check(&mut self, _: usize, answer: &Answer<'_>) -> Result<()> {
        let mut somebody = self.asking.take().context("nobody asked")?;
        somebody.step = match somebody.step {
            Step::LogIn => {
                self.seen.logins += 1;
                Step::Renew(self.given(&somebody, FIRST, answer)?)
            }
            Step::Renew(session) => {
                ensure!(self.given(&somebody, SECOND, answer)? == session, "the tokens of another session");
                Step::End(session)
            }
            Step::End(session) => {
                if somebody.reuses {
                    refused(answer, "reused")?;
                    self.seen.reuses += 1;
                } else {
                    ensure!(answer.status == 204, "a logout was answered {}", answer.status);
                    self.seen.logouts += 1;
                }
                Step::Try(session)
            }
            Step::Try(_) => {
                refused(answer, "revoked")?;
                somebody.reuses = !somebody.reuses;
                Step::LogIn
            }
        };
        // Whoever has begun goes on: a session takes four requests in a row.
        if matches!(somebody.step, Step::LogIn) {
            self.people.push_back(somebody);
        } else {
            self.people.push_front(somebody);
        }
        Ok(())
    }
}

fn refused(answer: &Answer<'_>, reason: &str) -> Result<()> {
    ensure!(answer.status == 401, "a token of a session that is over was answered {}", answer.status);
    let problem: Problem<'_> = serde_json::from_slice(answer.body)?;
    if (problem.code, problem.reason) != ("invalid_grant", Some(reason)) {
        bail!("a token was refused as {} {:?}, not as {reason}", problem.code, problem.reason);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::answered;
    use super::*;
    use crate::seed::{Person, World};

    /// Somebody whose first tokens stand for what a login brings, and the keys of these.
    fn somebody() -> (Person, Keys) {
        let ground = tempfile::tempdir().unwrap();
        let world = World::new(ground.path(), 4, &[]).unwrap();
        (world.people(1).unwrap().remove(0), world.keys().unwrap())
    }

    fn tokens(person: &Person, keys: &Keys, generation: u32) -> String {
        let refresh = keys.refresh_token(person.session, generation).unwrap();
        let (access, refresh, session) = (&person.access_token, refresh.expose(), person.session.0);
        format!(r#"{{"access_token":"{access}","refresh_token":"{refresh}","session_id":"{session}"}}"#)
    }

    fn refusal(reason: &str) -> String {
        format!(r#"{{"code":"invalid_grant","reason":"{reason}"}}"#)
    }

    /// The next request's path, after which `status` and `body` are answered.
    fn step(work: &mut Lifecycles<'_>, status: u16, body: &str) -> Result<String> {
        let mut request = Vec::new();
        let ticket = work.ask(&mut request);
        work.check(ticket, &answered(status, body, None))?;
        Ok(String::from_utf8(request)?.split(' ').nth(1).context("no path")?.to_owned())
    }

    #[test]
    fn a_session_ends_by_a_logout_and_the_next_one_by_a_spent_token() {
        let (person, keys) = somebody();
        let mut work = Lifecycles::of([0].into_iter(), &keys);
        let [first, second] = [1, 2].map(|generation| tokens(&person, &keys, generation));
        for (end, status, body) in [("/api/logout", 204, String::new()), ("/api/refresh_token", 401, refusal("reused"))]
        {
            assert_eq!(step(&mut work, 200, &first).unwrap(), "/api/login");
            assert_eq!(step(&mut work, 200, &second).unwrap(), "/api/refresh_token");
            assert_eq!(step(&mut work, status, &body).unwrap(), end);
            assert_eq!(step(&mut work, 401, &refusal("revoked")).unwrap(), "/api/refresh_token");
        }

        assert_eq!((work.seen.logins, work.seen.logouts, work.seen.reuses), (2, 1, 1));
        assert!(Lifecycles::of([1].into_iter(), &keys).people[0].reuses);
    }

    #[test]
    fn an_end_that_is_none_fails_the_run() {
        let (person, keys) = somebody();
        let [first, second] = [1, 2].map(|generation| tokens(&person, &keys, generation));
        for (reuses, status, body) in [
            (false, 401, refusal("revoked")),
            (true, 200, second.clone()),
            (true, 401, refusal("revoked")),
            (true, 401, refusal("unknown")),
        ] {
            let mut work = Lifecycles::of([0].into_iter(), &keys);
            work.people[0].reuses = reuses;
            step(&mut work, 200, &first).unwrap();
            step(&mut work, 200, &second).unwrap();

            assert!(step(&mut work, status, &body).is_err(), "{reuses} {status} {body}");
        }
    }

    #[test]
    fn a_token_that_is_taken_after_the_end_fails_the_run() {
        let (person, keys) = somebody();
        let [first, second] = [1, 2].map(|generation| tokens(&person, &keys, generation));
        let mut work = Lifecycles::of([0].into_iter(), &keys);
        step(&mut work, 200, &first).unwrap();
        step(&mut work, 200, &second).unwrap();
        step(&mut work, 204, "").unwrap();

        assert!(step(&mut work, 200, &second).is_err());
    }
}
