//! The store of sessions and their refresh tokens.
//!
//! Owns every session: it is opened, renewed and ended only through the messages here, so that of many who present one
//! token at once each is decided on the row that the one before left. Renewals share commits; an ending is refused by
//! `authenticate` before it is answered.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr, ArbiterHandle, Context, Handler, Message, ResponseFuture};
use futures_util::FutureExt as _;

use super::ask;
use super::group_commit::{Answer, GroupCommit, SharesCommits, commit};
use crate::clients::Clients;
use crate::clock::{Clock, Timestamp};
use crate::error::{Error, Result};
use crate::lifeline::{Lifeline, Watch};
use crate::storage::{
    Client, EndReason, EndedSession, KeyRingMark, LiveSession, NewSession, News, Renewable, SessionOperation,
    SessionOutcome, Storage, Swept,
};
use crate::tokens::grant::Grant;
use crate::tokens::principal::UserId;
use crate::tokens::refresh::{Presented, SessionId};
use crate::tokens::revocation::Revocations;

/// How long an ending stays in memory beyond its time at most: to look at every entry takes the time of many renewals.
const PRUNE_EVERY: Duration = Duration::from_secs(30);

/// The actor.
pub struct RefreshTokens {
    group: GroupCommit<SessionOperation, SessionOutcome>,
    storage: Arc<dyn Storage>,
    revocations: Arc<Revocations>,
    clients: Arc<Clients>,
    clock: Clock,
    /// When the map of endings was last rid of what no access token can outlive.
    pruned_at: Timestamp,
    _lifeline: Lifeline,
}

impl RefreshTokens {
    /// Starts the actor on `arbiter`; its batches hold at most `largest_batch` operations.
    pub fn start(
        arbiter: &ArbiterHandle,
        storage: Arc<dyn Storage>,
        revocations: Arc<Revocations>,
        clients: Arc<Clients>,
        clock: Clock,
        largest_batch: usize,
        watch: &Watch,
    ) -> Sessions {
        let lifeline = watch.over("refresh-token store");
        Sessions(Self::start_in_arbiter(arbiter, move |_| {
            let engine = Arc::clone(&storage);
            let group = GroupCommit::new(largest_batch, move |batch| engine.sessions(batch), Arc::clone(&revocations));
            let pruned_at = clock.now();
            Self { group, storage, revocations, clients, clock, pruned_at, _lifeline: lifeline }
        }))
    }
}

impl Actor for RefreshTokens {
    type Context = Context<Self>;
}

impl SharesCommits for RefreshTokens {
    type Operation = SessionOperation;
    type Outcome = SessionOutcome;

    fn group(&mut self) -> &mut GroupCommit<SessionOperation, SessionOutcome> {
        &mut self.group
    }
}

/// What presenting an authentic token came to, where its session is remembered and not over yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renewal {
    /// The session is live.
    Granted(Grant),
    /// The session is past a limit.
    Expired {
        /// Whose session it was.
        user: UserId,
    },
    /// A spent token: the session is over.
    Reused {
        /// Whose session it was.
        user: UserId,
        /// The token was newer than the row: the database went back in time.
        rollback_detected: bool,
    },
}

/// A session that was opened, and what made room for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The new session.
    pub grant: Grant,
    /// The least recently renewed sessions of the same user, which ended because there were too many.
    pub evicted: Vec<SessionId>,
}

/// A handle on the store.
#[derive(Clone)]
pub struct Sessions(Addr<RefreshTokens>);

impl Sessions {
    /// Renews: decides on a token that `client` presented, and grants. Errors: [`Error::InvalidGrant`] where the session is
    /// unknown or was over before.
    pub async fn rotate(&self, presented: Presented, client: Client) -> Result<Renewal> {
        match ask(&self.0, Rotate { presented, client }).await? {
            SessionOutcome::Granted(grant) => Ok(Renewal::Granted(grant)),
            SessionOutcome::Expired { user } => Ok(Renewal::Expired { user }),
            SessionOutcome::Reused { user, rollback_detected } => Ok(Renewal::Reused { user, rollback_detected }),
            SessionOutcome::Opened { .. } | SessionOutcome::Ended { .. } => {
                Err(Error::Internal("an answer to another question"))
            }
        }
    }

    /// Opens a session after a password was checked. Errors: [`Error::AccountChanged`] where the account is no longer
    /// what it was checked against; no session is open then.
    pub async fn open(&self, session: NewSession) -> Result<Opened> {
        match self.ask(SessionOperation::Open(session)).await? {
            SessionOutcome::Opened { grant, evicted } => Ok(Opened { grant, evicted }),
            SessionOutcome::Granted(_)
            | SessionOutcome::Expired { .. }
            | SessionOutcome::Reused { .. }
            | SessionOutcome::Ended { .. } => Err(Error::Internal("an answer to another question")),
        }
    }

    /// Ends a session; one that is over or unknown stays as it is. Which it was, if it was live until now.
    pub async fn end(&self, session: SessionId, reason: EndReason) -> Result<Option<EndedSession>> {
        self.ending(SessionOperation::End { session, reason }).await
    }

    /// Ends a session of a user who asks under another or the same; one that is over stays as it is. Which it was, if it was
    /// live until now. Errors: [`Error::InvalidToken`] where the session that asks is over, [`Error::NoSuchSession`] where the
    /// user has none of this id.
    pub async fn end_own(
        &self,
        owner: UserId,
        asked_by: SessionId,
        session: SessionId,
    ) -> Result<Option<EndedSession>> {
        self.ending(SessionOperation::EndOwn { owner, asked_by, session }).await
    }

    /// A user's live sessions, the one that was used last first.
    pub async fn live(&self, user: UserId) -> Result<Vec<LiveSession>> {
        ask(&self.0, List(user)).await
    }

    /// What renewing with this token now would be granted for; `None` where it would be refused. Nothing is spent and nothing ends.
    pub async fn inspect(&self, presented: Presented) -> Result<Option<Renewable>> {
        ask(&self.0, Inspect(presented)).await
    }

    /// Takes one step of the sweeper, and forgets the endings that no access token can outlive.
    pub async fn sweep(&self) -> Result<Swept> {
        ask(&self.0, Sweep).await
    }

    /// Learns what other processes ended and which clients they changed since it last asked: from the answer on access tokens of
    /// what ended are refused, and clients are who they are now. How many endings were read.
    pub async fn follow(&self) -> Result<usize> {
        ask(&self.0, Follow).await
    }

    /// Has storage remember for good that this key ring is in use.
    pub async fn note_key_ring(&self, ring: KeyRingMark) -> Result<()> {
        ask(&self.0, NoteKeyRing(ring)).await
    }

    /// Answers where the actor and the storage behind it do.
    pub async fn ping(&self) -> Result<()> {
        ask(&self.0, Ping).await
    }

    async fn ending(&self, operation: SessionOperation) -> Result<Option<EndedSession>> {
        match self.ask(operation).await? {
            SessionOutcome::Ended { session } => Ok(session),
            SessionOutcome::Granted(_)
            | SessionOutcome::Opened { .. }
            | SessionOutcome::Expired { .. }
            | SessionOutcome::Reused { .. } => Err(Error::Internal("an answer to another question")),
        }
    }

    async fn ask(&self, operation: SessionOperation) -> Result<SessionOutcome> {
        ask(&self.0, Apply(operation)).await
    }
}

/// Decides on a presented token in the next batch and answers after its commit.
#[derive(Message)]
#[rtype(result = "Result<SessionOutcome>")]
struct Rotate {
    presented: Presented,
    client: Client,
}

impl Handler<Rotate> for RefreshTokens {
    type Result = Answer<SessionOutcome>;

    fn handle(&mut self, Rotate { presented, client }: Rotate, context: &mut Self::Context) -> Self::Result {
        // Asked here and not by whoever sent it: requests must be decided in the order of the times at which they asked, or
        // one that asked inside a window could come behind the rotation that another one asked for after it.
        let asked_at = self.clock.now();
        commit(self, context, SessionOperation::Rotate { presented, asked_at, client })
    }
}

/// Applies one operation in the next batch and answers after its commit.
#[derive(Message)]
#[rtype(result = "Result<SessionOutcome>")]
struct Apply(SessionOperation);

impl Handler<Apply> for RefreshTokens {
    type Result = Answer<SessionOutcome>;

    fn handle(&mut self, Apply(operation): Apply, context: &mut Self::Context) -> Self::Result {
        commit(self, context, operation)
    }
}

/// Changes nothing; answers with a user's live sessions.
#[derive(Message)]
#[rtype(result = "Result<Vec<LiveSession>>")]
struct List(UserId);

impl Handler<List> for RefreshTokens {
    type Result = ResponseFuture<Result<Vec<LiveSession>>>;

    fn handle(&mut self, List(user): List, _: &mut Self::Context) -> Self::Result {
        self.storage.live_sessions(user).boxed_local()
    }
}

/// Changes nothing; answers with what presenting a token would be granted for.
#[derive(Message)]
#[rtype(result = "Result<Option<Renewable>>")]
struct Inspect(Presented);

impl Handler<Inspect> for RefreshTokens {
    type Result = ResponseFuture<Result<Option<Renewable>>>;

    fn handle(&mut self, Inspect(presented): Inspect, _: &mut Self::Context) -> Self::Result {
        self.storage.renewable(presented).boxed_local()
    }
}

/// Removes a few rows that were over for long.
#[derive(Message)]
#[rtype(result = "Result<Swept>")]
struct Sweep;

impl Handler<Sweep> for RefreshTokens {
    type Result = ResponseFuture<Result<Swept>>;

    fn handle(&mut self, _: Sweep, _: &mut Self::Context) -> Self::Result {
        let now = self.clock.now();
        // By time and not by pass: one over a table of millions takes many access-token lifetimes.
        if now >= self.pruned_at.plus(PRUNE_EVERY) {
            self.pruned_at = now;
            self.revocations.prune(now);
        }
        self.storage.sweep().boxed_local()
    }
}

/// Publishes the endings of other processes, as a commit's own are, and the clients that they left: before it is answered.
#[derive(Message)]
#[rtype(result = "Result<usize>")]
struct Follow;

impl Handler<Follow> for RefreshTokens {
    type Result = ResponseFuture<Result<usize>>;

    fn handle(&mut self, _: Follow, _: &mut Self::Context) -> Self::Result {
        let news = self.storage.news_of_others();
        let (revocations, clients) = (Arc::clone(&self.revocations), Arc::clone(&self.clients));
        async move {
            let Some(News { endings, clients: all }) = news.await? else { return Ok(0) };
            endings.iter().for_each(|ending| revocations.publish(*ending));
            clients.replace(all);
            Ok(endings.len())
        }
        .boxed_local()
    }
}

/// Changes no session; answers once the note is on disk.
#[derive(Message)]
#[rtype(result = "Result<()>")]
struct NoteKeyRing(KeyRingMark);

impl Handler<NoteKeyRing> for RefreshTokens {
    type Result = ResponseFuture<Result<()>>;

    fn handle(&mut self, NoteKeyRing(ring): NoteKeyRing, _: &mut Self::Context) -> Self::Result {
        self.storage.note_key_ring(ring).boxed_local()
    }
}

/// Changes nothing; answers once storage did.
#[derive(Message)]
#[rtype(result = "Result<()>")]
struct Ping;

impl Handler<Ping> for RefreshTokens {
    type Result = ResponseFuture<Result<()>>;

    fn handle(&mut self, _: Ping, _: &mut Self::Context) -> Self::Result {
        self.storage.ping().boxed_local()
    }
}
