//! A database with a past, and a crowd in it of which nothing is kept but what cannot be reckoned.
//!
//! Owns what a run over millions of sessions starts from. It is written by the service's own storage engine, as `seed` does, whose
//! clock is set back and goes on with each batch: accounts, and days or weeks later the sessions, in another order, so that ids lie
//! in the trees as in a service that has run for long. No row is written here, so a change of the schema needs none here.
//!
//! A token is a pure function of the keys, its session and its generation. So what is kept of a session is its id, its number,
//! from which its owner's name and browser follow, and its generation: 24 bytes.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use actix_web::rt::{System, SystemRunner};
use anyhow::{Result, anyhow, ensure};
use latchkey::clock::Clock;
use latchkey::lifeline::{self, Deaths, Watch};
use latchkey::passwords::PasswordHash;
use latchkey::storage::{EndReason, Fence, Pending, SessionOperation, SessionOutcome, Storage, Swept, UserOutcome};
use latchkey::tokens::grant::Grant;
use latchkey::tokens::principal::{Epoch, UserId};
use latchkey::tokens::refresh::SessionId;
use rand::seq::SliceRandom as _;

use crate::browsers;
use crate::keys::Keys;
use crate::seed::{self, Person, World, create, open};

/// Sessions that share a commit here. Rows of one batch have ids of one millisecond, in any order, and the fuller a batch the more
/// room their pages have left: 204 bytes for a row that came by itself, 208 where 16 came together, 233 of 64, 244 of 512.
const BATCH: usize = 16;
/// Accounts that do: their rows are shorter, and 64 of them lie as one by one.
const ACCOUNTS: usize = 64;
/// Batches in flight: one is made while another is written.
const IN_FLIGHT: usize = 2;
/// A day.
pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Of a session that nobody renews: `REFRESH_TOKEN_TTL`'s default.
const IDLE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Somebody of a crowd, with one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// Whose tokens these are; first, so that members sort as their rows do.
    pub session: SessionId,
    /// Of its owner: from it the name and the browser follow.
    pub number: u32,
    /// Of the newest refresh token that was answered.
    pub generation: u32,
}

/// An account without a session of its own yet.
#[derive(Debug, Clone, Copy)]
pub struct Owner {
    id: UserId,
    /// From it the name follows.
    pub number: u32,
}

/// What the client of an account's number calls itself.
pub type Browser = fn(u32) -> Cow<'static, str>;

/// A world's database, opened by the engine some time ago.
pub struct Past {
    runner: SystemRunner,
    storage: Arc<dyn Storage>,
    clock: Clock,
    /// How long ago it is there.
    ago: Duration,
    hash: PasswordHash,
    /// With which the owner of this number logs in.
    browser: Browser,
    /// Grants of some sessions, for access tokens.
    grants: Vec<Grant>,
    _watch: (Watch, Deaths),
}

impl Past {
    /// Opens the database of a world that nobody serves, so long ago.
    pub fn begin(world: &World, ago: Duration) -> Result<Self> {
        let settings = world.settings()?;
        ensure!(settings.refresh_token_ttl == IDLE, "sessions that live for another time than is reckoned with");
        let hash = seed::hash(&settings)?;
        let clock = Clock::system();
        clock.step_back(ago);
        let watch = lifeline::watch();
        let storage = seed::engine(&settings, &clock, &watch.0)?;
        Ok(Self {
            runner: System::new(),
            storage,
            clock,
            ago,
            hash,
            browser: browsers::of,
            grants: Vec::new(),
            _watch: watch,
        })
    }

    /// Lets time pass until it is so long ago.
    pub fn pass_until(&mut self, ago: Duration) {
        let span = self.ago.saturating_sub(ago);
        self.ago -= span;
        self.clock.advance(span);
    }

    /// So many people register, evenly from here on until `ago`. They come back in any order.
    pub fn register(&mut self, count: u32, ago: Duration) -> Result<Vec<Owner>> {
        let numbers: Vec<u32> = (0..count).collect();
        let mut owners = Vec::with_capacity(numbers.len());
        let hash = self.hash.clone();
        let ask = |storage: &dyn Storage, batch: &[u32]| {
            let accounts = batch.iter().map(|number| create(number, &hash)).collect::<Result<_>>()?;
            Ok(storage.users(accounts))
        };
        self.submit((&numbers, ACCOUNTS), ago, ask, |number, outcome| {
            let UserOutcome::Created(account) = outcome else { return Err(anyhow!("no user was created")) };
            owners.push(Owner { id: account.principal.id, number });
            Ok(())
        })?;
        owners.shuffle(&mut rand::rng());
        Ok(owners)
    }

    /// Each of these logs in, evenly from here on until `ago`. For the first `known` of them access tokens can be made.
    pub fn log_in(&mut self, owners: &[Owner], ago: Duration, known: usize) -> Result<Vec<Member>> {
        let mut members = Vec::with_capacity(owners.len());
        let mut grants = Vec::new();
        let (hash, browser) = (self.hash.clone(), self.browser);
        let ask = |storage: &dyn Storage, batch: &[Owner]| {
            let opened = batch.iter().map(|owner| {
                let seen = Fence { user: owner.id, epoch: Epoch(1), hash: hash.clone() };
                open(seen, &browser(owner.number))
            });
            Ok(storage.sessions(opened.collect()))
        };
        self.submit((owners, BATCH), ago, ask, |owner, outcome| {
            let SessionOutcome::Opened { grant, evicted } = outcome else {
                return Err(anyhow!("no session was opened"));
            };
            ensure!(evicted.is_empty(), "somebody has too many sessions");
            members.push(Member {
                session: grant.session,
                number: owner.number,
                generation: grant.generation.number(),
            });
            if grants.len() < known {
                grants.push(grant);
            }
            Ok(())
        })?;
        self.grants.append(&mut grants);
        Ok(members)
    }

    /// Each of these logs out, evenly from here on until `ago`.
    pub fn log_out(&mut self, members: &[Member], ago: Duration) -> Result<()> {
        let ask = |storage: &dyn Storage, batch: &[Member]| {
            let ends = |member: &Member| SessionOperation::End { session: member.session, reason: EndReason::Logout };
            Ok(storage.sessions(batch.iter().map(ends).collect()))
        };
        self.submit((members, BATCH), ago, ask, |_, outcome| {
            ensure!(matches!(outcome, SessionOutcome::Ended { session: Some(_) }), "nobody was logged out");
            Ok(())
        })
    }

    /// The sweeper works until what ended is forgotten for access tokens, as it is within a day or two; no session is over for so
    /// long by then that it leaves.
    pub fn forget_endings(&mut self) -> Result<()> {
        let mut left = self.endings()?;
        while left > 0 {
            self.sweep_all()?;
            let now = self.endings()?;
            ensure!(now < left, "endings are not forgotten");
            left = now;
        }
        Ok(())
    }

    /// How many are known for access tokens.
    fn endings(&self) -> Result<usize> {
        Ok(self.runner.block_on(self.storage.revocations())?.len())
    }

    /// The sweeper goes once through all sessions that there are.
    pub fn sweep_all(&mut self) -> Result<()> {
        while matches!(self.runner.block_on(self.storage.sweep())?, Swept::Step { .. }) {}
        Ok(())
    }

    /// Closes it, and says whose access tokens can be made, with tokens of now.
    pub fn close(self, keys: &Keys) -> Result<Vec<Person>> {
        self.runner.block_on(self.storage.close());
        let now = Clock::system().now();
        self.grants.into_iter().map(|grant| keys.person(&Grant { granted_at: now, ..grant })).collect()
    }

    /// Has every item's operation done, in batches of so many, over which time passes evenly until `ago`.
    fn submit<Item: Copy, Outcome>(
        &mut self,
        (items, size): (&[Item], usize),
        ago: Duration,
        ask: impl Fn(&dyn Storage, &[Item]) -> Result<Pending<Outcome>>,
        mut take: impl FnMut(Item, Outcome) -> Result<()>,
    ) -> Result<()> {
        let (from, batches) = (self.ago, u32::try_from(items.len().div_ceil(size))?);
        let step = from.saturating_sub(ago) / batches.max(1);
        let mut in_flight = VecDeque::with_capacity(IN_FLIGHT);
        let mut batches = items.chunks(size);
        loop {
            let batch = batches.next();
            if let Some(batch) = batch {
                self.pass_until(self.ago.saturating_sub(step));
                in_flight.push_back((batch, ask(&*self.storage, batch)?));
            }
            if in_flight.len() < IN_FLIGHT && batch.is_some() {
                continue;
            }
            let Some((batch, pending)) = in_flight.pop_front() else { break };
            let committed = self.runner.block_on(pending)?;
            for (item, outcome) in batch.iter().zip(committed.outcomes) {
                take(*item, outcome?)?;
            }
        }
        self.pass_until(ago);
        Ok(())
    }
}

/// So many accounts that registered weeks ago, each with a session of the last days, of which none is over; sorted as their rows
/// are. Each comes with its own `browser`.
pub fn crowd(world: &World, count: u32, browser: Browser) -> Result<Vec<Member>> {
    let mut past = Past { browser, ..Past::begin(world, 40 * DAY)? };
    let owners = past.register(count, 10 * DAY)?;
    past.pass_until(5 * DAY);
    let mut members = past.log_in(&owners, Duration::ZERO, 0)?;
    past.close(&world.keys()?)?;
    members.sort_unstable();
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_came_over_days_in_another_order_than_it_registered() {
        let ground = tempfile::tempdir().unwrap();
        let world = World::new(ground.path(), 4, &[]).unwrap();
        let now = Clock::system().now();

        let members = crowd(&world, 100, browsers::of).unwrap();

        let ago = |member: &Member| {
            let (seconds, _) = member.session.0.get_timestamp().unwrap().to_unix();
            Duration::from_secs(now.as_unix_seconds().abs_diff(seconds.cast_signed()))
        };
        // Seven batches over five days, of which two are under way at once.
        assert!(ago(&members[0]) > 3 * DAY && ago(&members[99]) < 2 * DAY);
        assert!(members.is_sorted() && members[..32].iter().any(|member| member.number >= 64));
    }

    #[test]
    fn each_of_a_crowd_comes_with_its_own_browser() {
        let ground = tempfile::tempdir().unwrap();
        let world = World::new(ground.path(), 4, &[]).unwrap();
        crowd(&world, 40, browsers::own).unwrap();

        let connection = crate::reader::open(&world.database()).unwrap();
        let browsers: u32 = connection.query_row("SELECT count(*) FROM user_agents", [], |row| row.get(0)).unwrap();

        assert_eq!(browsers, 40);
    }

    #[test]
    fn the_past_ends_today() {
        let ground = tempfile::tempdir().unwrap();
        let world = World::new(ground.path(), 4, &[]).unwrap();
        crowd(&world, 40, browsers::of).unwrap();

        // Times from the future would be refused, and so would those of a server on it.
        assert!(Past::begin(&world, Duration::ZERO).is_ok());
    }
}
