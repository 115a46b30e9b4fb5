//! The keys of a server, in the bench's hands.
//!
//! Owns what needs them: the tokens of people who never logged in, and the whole check of tokens that a server gave out. The
//! driver looks at every answer, and at signatures only where there is time: at each login, and for each session once, at the
//! last pair that it was answered.

use anyhow::{Context as _, Result, ensure};
use latchkey::app;
use latchkey::clock::Clock;
use latchkey::config::Settings;
use latchkey::tokens::access::AccessTokens;
use latchkey::tokens::grant::Grant;
use latchkey::tokens::refresh::{Generation, Presented, RefreshKeys, RefreshToken, SessionId};
use latchkey::tokens::ring::{self, Ring};

use crate::seed::Person;

/// What a server with the same settings signs with.
pub struct Keys {
    access: AccessTokens,
    refresh: RefreshKeys,
    clock: Clock,
}

impl Keys {
    /// Those of a server with these settings, and with the ring as it is now.
    pub fn of(settings: &Settings) -> Result<Self> {
        let ring = settings.key_ring.read()?.map_or(Ok(Ring::empty()), |text| Ring::parse(&text))?;
        let ring::Keys { access, refresh } =
            ring.keys(app::given(settings), &settings.jwt_issuer, &settings.jwt_audience)?;
        Ok(Self { access, refresh, clock: Clock::system() })
    }

    /// Whoever was granted this, and what their profile is.
    pub fn person(&self, grant: &Grant) -> Result<Person> {
        let access_token = self.access.mint(grant)?.text;
        let expires_at = self.access.verify(&access_token, grant.granted_at)?.expires_at;
        let name = grant.principal.username.as_str();
        let (id, session, ends) = (grant.principal.id, grant.session.0, expires_at.to_rfc3339());
        let profile = format!(
            r#"{{"message":"Welcome, {name}! This is protected data.","user":{{"id":"{id}","username":"{name}","roles":["user"]}},"session_id":"{session}","expires_at":"{ends}"}}"#
        );
        Ok(Person {
            username: name.to_owned(),
            session: grant.session,
            refresh_token: self.refresh.mint(grant.session, grant.generation, grant.generated_at)?.expose().to_owned(),
            access_token,
            profile,
        })
    }

    /// The refresh token of this generation of this session, as the service answers it now.
    pub fn refresh_token(&self, session: SessionId, generation: u32) -> Result<RefreshToken> {
        let generation = Generation::new(generation).context("generation 0")?;
        Ok(self.refresh.mint(session, generation, self.clock.now())?)
    }

    /// Errors: one of the tokens is not what this session of this user must have been given.
    pub fn check(&self, given: &Given<'_>) -> Result<()> {
        let generation = Generation::new(given.generation).context("generation 0")?;
        let presented = self.refresh.verify(given.refresh_token, self.clock.now()).context("a refresh token")?;
        let own = Presented { session: given.session, generation };
        ensure!(presented == own, "a refresh token that is not its session's");
        self.check_access(given.username, given.session, given.access_token)
    }

    /// Errors: an access token that is not of this session of this user.
    pub fn check_access(&self, username: &str, session: SessionId, access_token: &str) -> Result<()> {
        let identity = self.access.verify(access_token, self.clock.now()).context("an access token")?;
        ensure!(identity.session == session, "an access token of another session");
        ensure!(identity.principal.username.as_str() == username, "an access token of another user");
        Ok(())
    }
}

/// A pair of tokens, and what it must be.
pub struct Given<'answer> {
    /// Whose.
    pub username: &'answer str,
    /// Of which session.
    pub session: SessionId,
    /// Of the refresh token.
    pub generation: u32,
    /// As answered.
    pub access_token: &'answer str,
    /// As answered.
    pub refresh_token: &'answer str,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::World;

    fn given(person: &Person) -> Given<'_> {
        Given {
            username: &person.username,
            session: person.session,
            generation: 1,
            access_token: &person.access_token,
            refresh_token: &person.refresh_token,
        }
    }

    #[test]
    fn tokens_of_somebody_else_of_another_generation_or_of_other_keys_are_wrong() {
        let ground = tempfile::tempdir().unwrap();
        let world = World::new(ground.path(), 4, &[]).unwrap();
        let people = world.people(2).unwrap();
        let [own, other] = &people[..] else { panic!("two people") };
        let keys = world.keys().unwrap();

        assert!(keys.check(&given(own)).is_ok());
        assert!(keys.check(&Given { username: &other.username, ..given(own) }).is_err());
        assert!(keys.check(&Given { session: other.session, ..given(own) }).is_err());
        let refresh_token = &other.refresh_token;
        assert!(keys.check(&Given { session: other.session, refresh_token, ..given(own) }).is_err());
        assert!(keys.check(&Given { generation: 2, ..given(own) }).is_err());
        assert!(keys.check(&Given { access_token: &other.access_token, ..given(own) }).is_err());
        assert!(keys.check(&Given { refresh_token: &other.refresh_token, ..given(own) }).is_err());
        assert!(World::new(ground.path(), 4, &[]).unwrap().keys().unwrap().check(&given(own)).is_err());
    }
}
