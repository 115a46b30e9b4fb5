//! The store of users.
//!
//! Owns every account: its name, hash, roles and counters change only through the messages here. Commands share commits;
//! what a change ends is published before it is answered. Attempts to guess a password are counted here too: `attempts`.

use std::sync::Arc;

use actix::{Actor, Addr, ArbiterHandle, Context, Handler, Message, ResponseFuture};
use futures_util::FutureExt as _;

use super::ask;
use super::group_commit::{Answer, GroupCommit, SharesCommits, commit};
use crate::error::{Error, Result};
use crate::lifeline::{Lifeline, Watch};
use crate::storage::{
    Account, AccountChange, Act, Administration, AskedBy, ChangedUser, Fence, NewUser, PasswordChange, ShownUser,
    Storage, UserOperation, UserOutcome, UserPage, UserQuery,
};
use crate::tokens::grant::{Grant, Transport};
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
            | UserOutcome::PasswordChanged { .. }
            | UserOutcome::AllEnded { .. }
            | UserOutcome::Administered(_)
            | UserOutcome::Changed
            | UserOutcome::Attempt(_) => Err(Error::Internal("an answer to another question")),
        }
    }

    /// The account with this name, without regard to case.
    pub async fn find(&self, name: Username) -> Result<Option<Account>> {
        match self.ask(UserOperation::Find(name)).await? {
            UserOutcome::Found(account) => Ok(account),
            UserOutcome::Created(_)
            | UserOutcome::PasswordChanged { .. }
            | UserOutcome::AllEnded { .. }
            | UserOutcome::Administered(_)
            | UserOutcome::Changed
            | UserOutcome::Attempt(_) => Err(Error::Internal("an answer to another question")),
        }
    }

    /// Sets a new password, ends every session and opens one, of the transport of the one that asks. Errors:
    /// [`Error::InvalidToken`] where the session that asks is over, [`Error::AccountChanged`] where the account is no longer
    /// what the old password was checked against.
    pub async fn change_password(&self, change: PasswordChange) -> Result<(Grant, Transport)> {
        match self.ask(UserOperation::ChangePassword(change)).await? {
            UserOutcome::PasswordChanged { grant, transport } => Ok((grant, transport)),
            UserOutcome::Created(_)
            | UserOutcome::Found(_)
            | UserOutcome::AllEnded { .. }
            | UserOutcome::Administered(_)
            | UserOutcome::Changed
            | UserOutcome::Attempt(_) => Err(Error::Internal("an answer to another question")),
        }
    }

    /// Ends every session of a user who asks under one of them, and says of which transport that one was. Errors:
    /// [`Error::InvalidToken`] where it is over.
    pub async fn end_sessions(&self, user: UserId, asked_by: SessionId) -> Result<Transport> {
        self.ending_all(UserOperation::EndSessions { user, asked_by }).await
    }

    /// Changes an account for an admin, or for the operator of this host. Errors: [`Error::InvalidToken`] where whoever asks may
    /// not by now, [`Error::NoSuchUser`], [`Error::LastAdmin`] where no enabled admin would be left.
    pub async fn change(&self, by: Option<AskedBy>, user: UserId, change: AccountChange) -> Result<ChangedUser> {
        match self.administer(by, user, Act::Change(change)).await? {
            UserOutcome::Administered(changed) => Ok(changed),
            UserOutcome::Created(_)
            | UserOutcome::Found(_)
            | UserOutcome::PasswordChanged { .. }
            | UserOutcome::AllEnded { .. }
            | UserOutcome::Changed
            | UserOutcome::Attempt(_) => Err(Error::Internal("an answer to another question")),
        }
    }

    /// Locks an account out or lets it in, for the operator of this host. Errors: as of [`Users::change`].
    pub async fn set_disabled(&self, user: UserId, disabled: bool) -> Result<()> {
        self.change(None, user, AccountChange { disabled: Some(disabled), roles: None }).await.map(|_| ())
    }

    /// Gives an account its roles, for the operator of this host. Errors: as of [`Users::change`].
    pub async fn set_roles(&self, user: UserId, roles: Vec<Role>) -> Result<()> {
        self.change(None, user, AccountChange { roles: Some(roles), disabled: None }).await.map(|_| ())
    }

    /// Ends every session of an account. Errors: as of [`Users::change`], but for the last admin.
    pub async fn end_sessions_of(&self, by: Option<AskedBy>, user: UserId) -> Result<()> {
        self.administer(by, user, Act::EndSessions).await.map(|_| ())
    }

    /// Removes an account, which ends every session. Errors: as of [`Users::change`].
    pub async fn delete(&self, by: Option<AskedBy>, user: UserId) -> Result<()> {
        self.administer(by, user, Act::Delete).await.map(|_| ())
    }

    /// Accounts, as an admin is shown them.
    pub async fn page(&self, query: UserQuery) -> Result<UserPage> {
        ask(&self.0, Page(query)).await
    }

    /// One account, as an admin is shown it. Errors: [`Error::NoSuchUser`].
    pub async fn shown(&self, user: UserId) -> Result<ShownUser> {
        ask(&self.0, Show(user)).await?.ok_or(Error::NoSuchUser)
    }

    /// Removes an account for its owner, and says of which transport the session was that asks. Errors: [`Error::InvalidToken`]
    /// where the session that asks is over, [`Error::AccountChanged`] where the account is no longer what the password was
    /// checked against, [`Error::LastAdmin`].
    pub async fn delete_own(&self, seen: Fence, asked_by: SessionId) -> Result<Transport> {
        self.ending_all(UserOperation::DeleteOwn { seen, asked_by }).await
    }

    /// Answers where the actor and the storage behind it do.
    pub async fn ping(&self) -> Result<()> {
        ask(&self.0, Ping).await
    }

    async fn ending_all(&self, operation: UserOperation) -> Result<Transport> {
        match self.ask(operation).await? {
            UserOutcome::AllEnded { transport } => Ok(transport),
            UserOutcome::Created(_)
            | UserOutcome::Found(_)
            | UserOutcome::PasswordChanged { .. }
            | UserOutcome::Administered(_)
            | UserOutcome::Changed
            | UserOutcome::Attempt(_) => Err(Error::Internal("an answer to another question")),
        }
    }

    async fn administer(&self, by: Option<AskedBy>, user: UserId, act: Act) -> Result<UserOutcome> {
        self.ask(UserOperation::Administer(Administration { by, user, act })).await
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
    type Result = Answer<UserOutcome>;

    fn handle(&mut self, Apply(operation): Apply, context: &mut Self::Context) -> Self::Result {
        commit(self, context, operation)
    }
}

/// Changes nothing; answers with some of the accounts.
#[derive(Message)]
#[rtype(result = "Result<UserPage>")]
struct Page(UserQuery);

impl Handler<Page> for UserStore {
    type Result = ResponseFuture<Result<UserPage>>;

    fn handle(&mut self, Page(query): Page, _: &mut Self::Context) -> Self::Result {
        self.storage.user_page(query).boxed_local()
    }
}

/// Changes nothing; answers with an account, if there is one.
#[derive(Message)]
#[rtype(result = "Result<Option<ShownUser>>")]
struct Show(UserId);

impl Handler<Show> for UserStore {
    type Result = ResponseFuture<Result<Option<ShownUser>>>;

    fn handle(&mut self, Show(user): Show, _: &mut Self::Context) -> Self::Result {
        self.storage.shown_user(user).boxed_local()
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
