//! Renewals of a crowd, of which no token is kept.

use std::collections::HashSet;

use anyhow::{Context as _, Result, ensure};
use latchkey::tokens::refresh::SessionId;

use super::{Renewed, pick, presented};
use crate::browsers;
use crate::driver::Work;
use crate::http::{self, Answer};
use crate::keys::Keys;
use crate::past::Member;
use crate::seed;

/// `POST /api/refresh_token`, each on a uniformly random session that has no request in flight. The token that is sent is made for
/// the request, and the one that is answered must be the one that the keys make of the next generation, to the letter.
pub struct CrowdRenewals<'keys> {
    members: Vec<Member>,
    in_flight: HashSet<usize>,
    keys: &'keys Keys,
}

impl<'keys> CrowdRenewals<'keys> {
    /// Of these sessions, which have what these keys signed.
    pub fn of(members: Vec<Member>, keys: &'keys Keys) -> Self {
        Self { members, in_flight: HashSet::new(), keys }
    }

    /// How many sessions there are.
    pub fn sessions(&self) -> usize {
        self.members.len()
    }

    /// The generation that each session must have in the database once everything is answered, in the order of their ids where
    /// the members came in it.
    pub fn generations(&self) -> impl Iterator<Item = (SessionId, u32)> {
        self.members.iter().map(|member| (member.session, member.generation))
    }
}

impl Work for CrowdRenewals<'_> {
    fn ask(&mut self, request: &mut Vec<u8>) -> usize {
        let ticket = pick(self.members.len(), |ticket| self.in_flight.insert(ticket));
        if let Some(member) = self.members.get(ticket)
            && let Ok(token) = self.keys.refresh_token(member.session, member.generation)
        {
            http::post_as(request, "/api/refresh_token", &browsers::of(member.number), &presented(token.expose()));
        }
        ticket
    }

    fn check(&mut self, ticket: usize, answer: &Answer<'_>) -> Result<()> {
        ensure!(answer.status == 200, "a renewal was answered {}", answer.status);
        let renewed: Renewed<'_> = serde_json::from_slice(answer.body)?;
        let member = self.members.get_mut(ticket).context("no such session")?;
        let next = renewed.succeeds(member.session, member.generation)?;
        let successor = self.keys.refresh_token(member.session, next)?;
        ensure!(successor.expose() == renewed.refresh_token, "a successor that the keys do not make");
        self.keys.check_access(&seed::name(member.number), member.session, renewed.access_token)?;
        member.generation = next;
        self.in_flight.remove(&ticket);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use latchkey::tokens::refresh::SessionId;

    use super::super::tests::answered;
    use super::*;
    use crate::seed::{Person, World};

    /// Two people, the keys of their tokens, and keys of another service.
    fn people() -> (Vec<Person>, Keys, Keys) {
        let ground = tempfile::tempdir().unwrap();
        let [world, other] = [(), ()].map(|()| World::new(ground.path(), 4, &[]).unwrap());
        (world.people(2).unwrap(), world.keys().unwrap(), other.keys().unwrap())
    }

    fn member(person: &Person, number: u32) -> Member {
        Member { session: person.session, number, generation: 1 }
    }

    fn answer(refresh_token: &str, access_token: &str, session: SessionId) -> String {
        format!(r#"{{"access_token":"{access_token}","refresh_token":"{refresh_token}","session_id":"{}"}}"#, session.0)
    }

    #[test]
    fn a_session_is_renewed_with_the_token_of_its_generation_by_its_own_browser() {
        let (people, keys, _) = people();
        let mut work = CrowdRenewals::of(vec![member(&people[0], 0)], &keys);
        let successor = keys.refresh_token(people[0].session, 2).unwrap();
        let mut request = Vec::new();
        let ticket = work.ask(&mut request);
        let request = String::from_utf8(request).unwrap();
        assert!(request.ends_with(&format!(r#"{{"refresh_token":"{}"}}"#, people[0].refresh_token)));
        assert!(request.contains(&format!("User-Agent: {}\r\n", browsers::of(0))));

        let body = answer(successor.expose(), &people[0].access_token, people[0].session);
        work.check(ticket, &answered(200, &body, None)).unwrap();

        let mut request = Vec::new();
        work.ask(&mut request);
        assert!(request.ends_with(format!(r#"{{"refresh_token":"{}"}}"#, successor.expose()).as_bytes()));
        assert_eq!(work.generations().collect::<Vec<_>>(), [(people[0].session, 2)]);
    }

    #[test]
    fn a_wrong_successor_fails_the_run() {
        let (people, keys, others) = people();
        let [own, other] = [people[0].session, people[1].session];
        let made =
            |keys: &Keys, session, generation| keys.refresh_token(session, generation).unwrap().expose().to_owned();
        let right = made(&keys, own, 2);
        for (what, status, successor, access_token, session) in [
            ("lost", 200, made(&keys, own, 1), &people[0].access_token, own),
            ("made twice", 200, made(&keys, own, 3), &people[0].access_token, own),
            ("another session's", 200, made(&keys, other, 2), &people[0].access_token, own),
            ("said to be another session's", 200, right.clone(), &people[0].access_token, other),
            ("of other keys", 200, made(&others, own, 2), &people[0].access_token, own),
            ("with another's access token", 200, right.clone(), &people[1].access_token, own),
            ("refused", 401, right, &people[0].access_token, own),
        ] {
            let mut work = CrowdRenewals::of(vec![member(&people[0], 0)], &keys);
            let ticket = work.ask(&mut Vec::new());
            let body = answer(&successor, access_token, session);

            assert!(work.check(ticket, &answered(status, &body, None)).is_err(), "{what}");
        }
    }

    #[test]
    fn a_session_is_not_renewed_twice_at_once() {
        let (people, keys, _) = people();
        let mut work = CrowdRenewals::of(vec![member(&people[0], 0), member(&people[1], 1)], &keys);

        let mut tickets = [(); 2].map(|()| work.ask(&mut Vec::new()));

        tickets.sort_unstable();
        assert_eq!(tickets, [0, 1]);
    }
}
