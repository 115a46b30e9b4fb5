//! A database that is served, and the words of a test about it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use latchkey::clock::{Clock, Timestamp};
use latchkey::config::Rate;
use latchkey::error::{Error, Result};
use latchkey::lifeline::{self, Deaths, Watch};
use latchkey::passwords::PasswordHash;
use latchkey::storage::sqlite::Rules;
use latchkey::storage::{
    Account, AccountChange, Act, Administration, AttemptOutcome, Client, Committed, EndReason, LiveSession, NewSession,
    NewUser, PasswordChange, SessionOperation, SessionOutcome, Storage, Swept, UserAgent, UserOperation, UserOutcome,
};
use latchkey::throttle;
use latchkey::tokens::grant::{Grant, Transport};
use latchkey::tokens::principal::{Role, UserId, Username};
use latchkey::tokens::refresh::{Generation, Presented, SessionId};
use latchkey::tokens::revocation::{Ended, Revocation};
use latchkey::tokens::rotation::Policy;
use tokio::runtime::{Builder, Runtime};

use crate::engine::Engine;

pub const WINDOW: Duration = Duration::from_secs(10);
/// Far longer than anything here takes: turns a wait without an end into a failure.
const NEVER: Duration = Duration::from_secs(60);
pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A window of ten seconds, sessions of 30 idle and 90 days in all, access tokens of a quarter of an hour.
pub fn usual_rules() -> Rules {
    Rules {
        rotation: Policy { window: WINDOW, until_used: false, idle_ttl: 30 * DAY, resumed: None },
        session_ttl: 90 * DAY,
        max_sessions_per_user: 100_000,
        revocations_kept_for: Duration::from_secs(960),
        throttle: None,
    }
}

/// Every use rotates, nothing is replayed.
pub fn strict_rules() -> Rules {
    let usual = usual_rules();
    Rules { rotation: Policy { window: Duration::ZERO, ..usual.rotation }, ..usual }
}

/// Three failures a minute from one address, and a table for so many counters.
pub fn throttling_rules(most_counters: u32) -> Rules {
    let rate = Rate { most: 3, per: Duration::from_secs(60) };
    Rules { throttle: Some(throttle::Policy { rate, most_counters }), ..usual_rules() }
}

/// An engine at work on its database.
pub struct Database {
    pub engine: Box<dyn Engine>,
    pub clock: Clock,
    pub storage: Arc<dyn Storage>,
    pub deaths: Deaths,
    rules: Rules,
    runtime: Runtime,
    _watch: Watch,
}

impl Database {
    pub fn on(engine: Box<dyn Engine>) -> Self {
        Self::under(usual_rules(), engine)
    }

    pub fn under(rules: Rules, engine: Box<dyn Engine>) -> Self {
        Self::start(rules, engine, Clock::system())
    }

    /// With a time that stands still until the test lets some of it [`pass`](Self::pass). Not to be reopened: its wall
    /// clock is far behind.
    pub fn at_rest(rules: Rules, engine: Box<dyn Engine>) -> Self {
        let db = Self::under(rules, engine);
        db.clock.step_back(100 * 365 * DAY);
        db
    }

    /// Lets exactly so much time pass.
    pub fn pass(&self, span: Duration) {
        self.clock.note(self.clock.now().plus(span));
    }

    fn start(rules: Rules, engine: Box<dyn Engine>, clock: Clock) -> Self {
        let (watch, deaths) = lifeline::watch();
        let storage = engine.open(rules, &clock, &watch).unwrap();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        Self { engine, clock, storage, deaths, rules, runtime, _watch: watch }
    }

    /// Closes, and starts again as a new process whose clock is this one.
    pub fn reopened(self, clock: Clock) -> Self {
        self.close();
        Self::start(self.rules, self.engine, clock)
    }

    /// The same with other rules.
    pub fn reopened_under(self, rules: Rules, clock: Clock) -> Self {
        self.close();
        Self::start(rules, self.engine, clock)
    }

    /// Why a new process with this clock would be refused; nobody serves the database from then on.
    pub fn refusal_to_reopen(&self, clock: &Clock) -> String {
        self.close();
        let (watch, _deaths) = lifeline::watch();
        match self.engine.open(self.rules, clock, &watch) {
            Ok(_) => panic!("the database was opened"),
            Err(refusal) => refusal,
        }
    }

    pub fn wait<T>(&self, answer: impl Future<Output = T>) -> T {
        self.runtime.block_on(answer)
    }

    pub fn close(&self) {
        self.wait(self.storage.close());
    }

    /// The part whose death is reported next; none where that never happens.
    pub fn next_death(&mut self) -> Option<&'static str> {
        let death = async { tokio::time::timeout(NEVER, self.deaths.recv()).await };
        self.runtime.block_on(death).unwrap_or(None)
    }

    pub fn try_sessions(&self, batch: Vec<SessionOperation>) -> Result<Committed<SessionOutcome>> {
        self.wait(self.storage.sessions(batch))
    }

    pub fn try_users(&self, batch: Vec<UserOperation>) -> Result<Committed<UserOutcome>> {
        self.wait(self.storage.users(batch))
    }

    pub fn sessions(&self, batch: Vec<SessionOperation>) -> Committed<SessionOutcome> {
        self.try_sessions(batch).unwrap()
    }

    pub fn users(&self, batch: Vec<UserOperation>) -> Committed<UserOutcome> {
        self.try_users(batch).unwrap()
    }

    /// Registers somebody.
    pub fn account(&self, name: &str) -> Account {
        match self.users(vec![creation(name)]).outcomes.pop() {
            Some(Ok(UserOutcome::Created(account))) => account,
            other => panic!("{name} was not created: {other:?}"),
        }
    }

    pub fn find(&self, name: &str) -> Option<Account> {
        match self.users(vec![search(name)]).outcomes.pop() {
            Some(Ok(UserOutcome::Found(account))) => account,
            other => panic!("{name} was not looked for: {other:?}"),
        }
    }

    /// Opens a session.
    pub fn session(&self, account: &Account) -> Grant {
        granted(self.sessions(vec![opening(account)]))
    }

    /// A password change that is asked for under a session of its own.
    pub fn password_change(&self, account: &Account, new: &str) -> UserOperation {
        password_change(self.session(account).session, account, new)
    }

    /// Presents a token in a batch of its own, and says what became of it.
    pub fn present(&self, session: SessionId, generation: u32) -> String {
        told(&self.sessions(vec![presenting(session, generation)])).remove(0)
    }

    /// Does one thing to a user, and says what became of it.
    pub fn change(&self, operation: UserOperation) -> String {
        told(&self.users(vec![operation])).remove(0)
    }

    /// The endings that a later process would read.
    pub fn kept_endings(&self) -> Vec<Ended> {
        endings(&self.wait(self.storage.revocations()).unwrap())
    }

    /// What others may have ended since this was last asked.
    pub fn endings_of_others(&self) -> Vec<Ended> {
        self.wait(self.storage.news_of_others()).unwrap().map_or(Vec::new(), |news| endings(&news.endings))
    }

    /// A user's live sessions, as they are shown.
    pub fn live(&self, account: &Account) -> Vec<LiveSession> {
        self.wait(self.storage.live_sessions(account.principal.id)).unwrap()
    }

    pub fn sweep(&self) -> Swept {
        self.wait(self.storage.sweep()).unwrap()
    }

    /// What the client of the one session of which this holds called itself.
    pub fn user_agent(&self, condition: &str) -> Option<String> {
        let named = "SELECT a.text FROM sessions s LEFT JOIN user_agents a ON a.id = s.user_agent WHERE";
        self.engine.text(&format!("{named} {condition}"))
    }

    /// How many rows a table has.
    pub fn count(&self, table: &str) -> i64 {
        self.engine.number(&format!("SELECT count(*) FROM {table}"))
    }
}

pub fn hash(text: &str) -> PasswordHash {
    PasswordHash::from_stored(text.to_owned())
}

pub fn name(text: &str) -> Username {
    Username::parse(text).unwrap()
}

pub fn creation(username: &str) -> UserOperation {
    let hash = hash(&format!("a hash of {username}'s"));
    UserOperation::Create(NewUser { username: name(username), hash, roles: vec![Role::User] })
}

/// An account whose row is so many bytes long and more: what fills a file quickly.
pub fn creation_of_bytes(username: &str, bytes: usize) -> UserOperation {
    UserOperation::Create(NewUser { username: name(username), hash: hash(&"x".repeat(bytes)), roles: vec![Role::User] })
}

/// An act of the operator's.
fn administering(user: UserId, act: Act) -> UserOperation {
    UserOperation::Administer(Administration { by: None, user, act })
}

pub fn disabling(user: UserId, disabled: bool) -> UserOperation {
    administering(user, Act::Change(AccountChange { disabled: Some(disabled), roles: None }))
}

pub fn giving(user: UserId, roles: Vec<Role>) -> UserOperation {
    administering(user, Act::Change(AccountChange { roles: Some(roles), disabled: None }))
}

pub fn ending_all(user: UserId) -> UserOperation {
    administering(user, Act::EndSessions)
}

pub fn deleting(user: UserId) -> UserOperation {
    administering(user, Act::Delete)
}

pub fn search(username: &str) -> UserOperation {
    UserOperation::Find(name(username))
}

pub fn password_change(asked_by: SessionId, account: &Account, new: &str) -> UserOperation {
    let client = client("password change");
    UserOperation::ChangePassword(PasswordChange { seen: account.fence(), hash: hash(new), asked_by, client })
}

pub fn opening(account: &Account) -> SessionOperation {
    opening_from(account, "phone")
}

pub fn opening_from(account: &Account, user_agent: &str) -> SessionOperation {
    opening_by(account, client(user_agent))
}

pub fn opening_by(account: &Account, client: Client) -> SessionOperation {
    SessionOperation::Open(NewSession { client, ..new_session(account, "") })
}

pub fn new_session(account: &Account, user_agent: &str) -> NewSession {
    NewSession {
        seen: account.fence(),
        stronger_hash: None,
        client: client(user_agent),
        transport: Transport::Body,
        reservation: None,
    }
}

/// A client with this user agent, at the suite's address.
pub fn client(user_agent: &str) -> Client {
    Client { user_agent: Some(UserAgent::of(user_agent.as_bytes())), ip: Some([192, 0, 2, 1].into()) }
}

/// A client that says nothing of itself.
pub fn nameless_client() -> Client {
    Client { user_agent: None, ..client("") }
}

/// What is true of the row of a session that such a client opens.
pub fn opened_by(user_agent: &str) -> String {
    format!("NEW.user_agent = (SELECT id FROM user_agents WHERE text = '{user_agent}')")
}

/// A request that does not have to wait: no time of asking is later than the transaction's.
pub fn presenting(session: SessionId, generation: u32) -> SessionOperation {
    presenting_from(session, generation, client("phone"))
}

/// The same of another client.
pub fn presenting_from(session: SessionId, generation: u32, client: Client) -> SessionOperation {
    let presented = Presented { session, generation: Generation::new(generation).unwrap() };
    SessionOperation::Rotate { presented, asked_at: Timestamp::from_millis(i64::MAX), client }
}

pub fn logout(session: SessionId) -> SessionOperation {
    SessionOperation::End { session, reason: EndReason::Logout }
}

/// The grant that is a batch's one outcome.
pub fn granted(mut committed: Committed<SessionOutcome>) -> Grant {
    match committed.outcomes.pop() {
        Some(Ok(SessionOutcome::Granted(grant) | SessionOutcome::Opened { grant, .. })) => grant,
        other => panic!("nothing was granted: {other:?}"),
    }
}

/// What ended, without the times.
pub fn endings(revocations: &[Revocation]) -> Vec<Ended> {
    revocations.iter().map(|revocation| revocation.ended).collect()
}

/// What became of each operation, in a few words.
pub fn told<Outcome: Told>(committed: &Committed<Outcome>) -> Vec<String> {
    let words = |outcome: &Result<Outcome>| match outcome {
        Ok(outcome) => outcome.told(),
        Err(Error::InvalidGrant(reason)) => format!("refused: {reason}"),
        Err(error) => error.to_string(),
    };
    committed.outcomes.iter().map(words).collect()
}

pub trait Told {
    fn told(&self) -> String;
}

impl Told for SessionOutcome {
    fn told(&self) -> String {
        match self {
            Self::Granted(grant) => format!("granted {}", grant.generation.number()),
            Self::Opened { evicted, .. } if evicted.is_empty() => "opened".to_owned(),
            Self::Opened { evicted, .. } => format!("opened for {}", evicted.len()),
            Self::Reused { rollback_detected: false, .. } => "reused".to_owned(),
            Self::Reused { rollback_detected: true, .. } => "reused after a rollback".to_owned(),
            Self::Expired { .. } => "refused: expired".to_owned(),
            Self::Ended { session: Some(_) } => "ended".to_owned(),
            Self::Ended { session: None } => "was over".to_owned(),
        }
    }
}

impl Told for UserOutcome {
    fn told(&self) -> String {
        match self {
            Self::Created(account) => format!("created {}", account.principal.username),
            Self::Found(Some(account)) => format!("found {}", account.principal.username),
            Self::Found(None) => "found nobody".to_owned(),
            Self::PasswordChanged { grant, .. } => format!("changed, and granted {}", grant.generation.number()),
            Self::Administered(_) | Self::Changed | Self::AllEnded { .. } => "changed".to_owned(),
            Self::Attempt(AttemptOutcome::Admitted { .. }) => "admitted".to_owned(),
            Self::Attempt(AttemptOutcome::Throttled { .. }) => "throttled".to_owned(),
            Self::Attempt(AttemptOutcome::Settled) => "settled".to_owned(),
        }
    }
}
