//! The store of users.
//!
//! Owns every account: its name, hash, roles and counters change only through the messages here. Commands share commits;
//! what a change ends is published before it is answered. Attempts to guess a password are counted here too: `attempts`.

use std::sync::Arc;

use actix::{Actor, Addr, ArbiterHandle, Context, Handler, Message, ResponseFuture};
use futures_util::FutureExt as _;

use super::ask;
use super::group_commit::{GroupCommit, SharesCommits, commit};
use crate::error::{Error, Result};
use crate::lifeline::{Lifeline, Watch};
use crate::storage::{Account, Fence, NewUser, PasswordChange, Storage, UserOperation, UserOutcome};
use crate::tokens::grant::Grant;
use crate::tokens::principal::{Role, UserId, Username};
use crate::tokens::refresh::SessionId;
use crate::tokens::revocation::Revocations;

/// The actor.
pub struct UserStore {
    group: GroupCommit<UserOperation, UserOutcome>,
    storage: Arc<dyn Storage>,
    _lifeline: Lifeline,
}

impl UserStore {
    /// Starts the actor on `arbiter`; its batches hold at most `largest_batch` operations.
    pub fn start(
        arbiter: &ArbiterHandle,
        storage: Arc<dyn Storage>,
        revocations: Arc<Revocations>,
        largest_batch: usize,
        watch: &Watch,
    ) -> Users {
        let lifeline = watch.over("user store");
        Users(Self::start_in_arbiter(arbiter, move |_| {
            let engine = Arc::clone(&storage);
            let group = GroupCommit::new(largest_batch, move |batch| engine.users(batch), revocations);
            Self { group, storage, _lifeline: lifeline }
        }))
    }
}

impl Actor for UserStore {
    type Context = Context<Self>;
}

impl SharesCommits for UserStore {
    type Operation = UserOperation;
    type Outcome = UserOutcome;

    fn group(&mut self) -> &mut GroupCommit<UserOperation, UserOutcome> {
        &mut self.group
    }
}

/// A handle on the store.
#[derive(Clone)]
pub struct Users(Addr<UserStore>);

impl Users {
    /// Adds an account. Errors: [`Error::UsernameTaken`].
    pub async fn create(&self, user: NewUser) -> Result<Account> {
        match self.ask(UserOperation::Create(user)).await? {
            UserOutcome::Created(account) => Ok(account),
            UserOutcome::Found(_)
            | UserOutcome::PasswordChanged(_)
            | UserOutcome::Changed
            | UserOutcome::Attempt(_) => Err(Error::Internal("an answer to another question")),
        }
    }

    /// The account with this name, without regard to case.
    pub async fn find(&self, name: Username) -> Result<Option<Account>> {
        match self.ask(UserOperation::Find(name)).await? {
            UserOutcome::Found(account) => Ok(account),
            UserOutcome::Created(_)
            | UserOutcome::PasswordChanged(_)
            | UserOutcome::Changed
            | UserOutcome::Attempt(_) => Err(Error::Internal("an answer to another question")),
        }
    }

    /// Sets a new password, ends every session and opens one. Errors: [`Error::InvalidToken`] where the session that asks is
    /// over, [`Error::AccountChanged`] where the account is no longer what the old password was checked against.
    pub async fn change_password(&self, change: PasswordChange) -> Result<Grant> {
        match self.ask(UserOperation::ChangePassword(change)).await? {
            UserOutcome::PasswordChanged(grant) => Ok(grant),
            UserOutcome::Created(_) | UserOutcome::Found(_) | UserOutcome::Changed | UserOutcome::Attempt(_) => {
                Err(Error::Internal("an answer to another question"))
            }
        }
    }

    /// Ends every session of a user who asks under one of them. Errors: [`Error::InvalidToken`] where that one is over.
    pub async fn end_sessions(&self, user: UserId, asked_by: SessionId) -> Result<()> {
        self.ask(UserOperation::EndSessions { user, asked_by }).await.map(|_| ())
    }

    /// Locks an account out, which ends every session, or lets it in again. Errors: [`Error::NoSuchUser`].
    pub async fn set_disabled(&self, user: UserId, disabled: bool) -> Result<()> {
        self.ask(UserOperation::SetDisabled { user, disabled }).await.map(|_| ())
    }

    /// Replaces an account's roles; its sessions live on, its access tokens do not. Errors: [`Error::NoSuchUser`].
    pub async fn set_roles(&self, user: UserId, roles: Vec<Role>) -> Result<()> {
        self.ask(UserOperation::SetRoles { user, roles }).await.map(|_| ())
    }

    /// Removes an account, which ends every session. Errors: [`Error::NoSuchUser`].
    pub async fn delete(&self, user: UserId) -> Result<()> {
        self.ask(UserOperation::Delete(user)).await.map(|_| ())
    }

    /// The same, asked for by its owner. Errors: [`Error::InvalidToken`] where the session that asks is over,
    /// [`Error::AccountChanged`] where the account is no longer what the password was checked against, [`Error::LastAdmin`].
    pub async fn delete_own(&self, seen: Fence, asked_by: SessionId) -> Result<()> {
        self.ask(UserOperation::DeleteOwn { seen, asked_by }).await.map(|_| ())
    }

    /// Answers where the actor and the storage behind it do.
    pub async fn ping(&self) -> Result<()> {
        ask(&self.0, Ping).await
    }

    /// Does one thing to users.
    pub(super) async fn ask(&self, operation: UserOperation) -> Result<UserOutcome> {
        ask(&self.0, Apply(operation)).await
    }
}

/// Applies one operation in the next batch and answers after its commit.
#[derive(Message)]
#[rtype(result = "Result<UserOutcome>")]
struct Apply(UserOperation);

impl Handler<Apply> for UserStore {
    type Result = ResponseFuture<Result<UserOutcome>>;

    fn handle(&mut self, Apply(operation): Apply, context: &mut Self::Context) -> Self::Result {
        commit(self, context, operation)
    }
}

/// Changes nothing; answers once storage did.
#[derive(Message)]
#[rtype(result = "Result<()>")]
struct Ping;

impl Handler<Ping> for UserStore {
    type Result = ResponseFuture<Result<()>>;

    fn handle(&mut self, _: Ping, _: &mut Self::Context) -> Self::Result {
        self.storage.ping().boxed_local()
    }
}
