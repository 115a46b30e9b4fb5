//! The store of sessions and their refresh tokens.
//!
//! Owns every session: it is opened, renewed and ended only through the messages here, so that of many who present one
//! token at once each is decided on the row that the one before left. Renewals share commits; an ending is refused by
//! `authenticate` before it is answered.

use std::sync::Arc;

use actix::{Actor, Addr, ArbiterHandle, Context, Handler, Message, ResponseFuture};
use futures_util::FutureExt as _;

use super::ask;
use super::group_commit::{GroupCommit, SharesCommits, commit};
use crate::clock::Clock;
use crate::error::{Error, GrantRefusal, Result};
use crate::lifeline::{Lifeline, Watch};
use crate::storage::{EndReason, NewSession, SessionOperation, SessionOutcome, Storage, Swept};
use crate::tokens::grant::Grant;
use crate::tokens::refresh::{Presented, SessionId};
use crate::tokens::revocation::Revocations;

/// The actor.
pub struct RefreshTokens {
    group: GroupCommit<SessionOperation, SessionOutcome>,
    storage: Arc<dyn Storage>,
    revocations: Arc<Revocations>,
    clock: Clock,
    _lifeline: Lifeline,
}

impl RefreshTokens {
    /// Starts the actor on `arbiter`.
    pub fn start(
        arbiter: &ArbiterHandle,
        storage: Arc<dyn Storage>,
        revocations: Arc<Revocations>,
        clock: Clock,
        watch: &Watch,
    ) -> Sessions {
        let lifeline = watch.over("refresh-token store");
        let asking = clock.clone();
        let store = Self::start_in_arbiter(arbiter, |_| {
            let engine = Arc::clone(&storage);
            let group = GroupCommit::new(move |batch| engine.sessions(batch), Arc::clone(&revocations));
            Self { group, storage, revocations, clock, _lifeline: lifeline }
        });
        Sessions { store, clock: asking }
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

/// A handle on the store.
#[derive(Clone)]
pub struct Sessions {
    store: Addr<RefreshTokens>,
    clock: Clock,
}

impl Sessions {
    /// Renews: decides on a presented token, and grants. Errors: [`Error::InvalidGrant`]; where its reason is `Reused`,
    /// the session is over.
    pub async fn rotate(&self, presented: Presented) -> Result<Grant> {
        let asked_at = self.clock.now();
        match self.ask(SessionOperation::Rotate { presented, asked_at }).await? {
            SessionOutcome::Granted(grant) => Ok(grant),
            SessionOutcome::Reused { user, rollback_detected } => {
                let generation = presented.generation.number();
                tracing::warn!(
                    event = "authn_token_reuse", user_id = %user, session_id = %presented.session, generation,
                    rollback_detected, "a spent refresh token ended its session"
                );
                Err(Error::InvalidGrant(GrantRefusal::Reused))
            }
            SessionOutcome::Ended { .. } => Err(Error::Internal("an answer to another question")),
        }
    }

    /// Opens a session after a password was checked. Errors: [`Error::AccountChanged`] where the account is no longer
    /// what it was checked against; no session is open then.
    pub async fn open(&self, session: NewSession) -> Result<Grant> {
        match self.ask(SessionOperation::Open(session)).await? {
            SessionOutcome::Granted(grant) => Ok(grant),
            SessionOutcome::Reused { .. } | SessionOutcome::Ended { .. } => {
                Err(Error::Internal("an answer to another question"))
            }
        }
    }

    /// Ends a session; one that is over or unknown stays as it is. Whether it was live until now.
    pub async fn end(&self, session: SessionId, reason: EndReason) -> Result<bool> {
        match self.ask(SessionOperation::End { session, reason }).await? {
            SessionOutcome::Ended { was_live } => Ok(was_live),
            SessionOutcome::Granted(_) | SessionOutcome::Reused { .. } => {
                Err(Error::Internal("an answer to another question"))
            }
        }
    }

    /// Takes one step of the sweeper, and forgets the endings that no access token can outlive.
    pub async fn sweep(&self) -> Result<Swept> {
        ask(&self.store, Sweep).await
    }

    /// Answers where the actor and the storage behind it do.
    pub async fn ping(&self) -> Result<()> {
        ask(&self.store, Ping).await
    }

    async fn ask(&self, operation: SessionOperation) -> Result<SessionOutcome> {
        ask(&self.store, Apply(operation)).await
    }
}

/// Applies one operation in the next batch and answers after its commit.
#[derive(Message)]
#[rtype(result = "Result<SessionOutcome>")]
struct Apply(SessionOperation);

impl Handler<Apply> for RefreshTokens {
    type Result = ResponseFuture<Result<SessionOutcome>>;

    fn handle(&mut self, Apply(operation): Apply, context: &mut Self::Context) -> Self::Result {
        commit(self, context, operation)
    }
}

/// Removes a few rows that were over for long.
#[derive(Message)]
#[rtype(result = "Result<Swept>")]
struct Sweep;

impl Handler<Sweep> for RefreshTokens {
    type Result = ResponseFuture<Result<Swept>>;

    fn handle(&mut self, _: Sweep, _: &mut Self::Context) -> Self::Result {
        self.revocations.prune(self.clock.now());
        self.storage.sweep().boxed_local()
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
