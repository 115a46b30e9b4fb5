//! Durable state: whole operations, in batches.
//!
//! Owns the shape that every engine fills: a batch goes in, is decided in order inside one transaction, and comes back
//! after its commit is on disk. There is no per-query surface, so an engine is free in how it gets there. The decisions
//! themselves are not here: engines fill `tokens::rotation`'s types from their rows and write what it says.
//!
//! batch of operations -> one transaction -> commit (fsync) -> one outcome each, and the endings to publish

use futures_util::future::BoxFuture;

use crate::clients::RegisteredClient;
use crate::clock::Timestamp;
pub use crate::config::LARGEST_BATCH;
use crate::error::Result;
use crate::passwords::PasswordHash;
use crate::throttle::Reservation;
use crate::tokens::grant::{Grant, Transport};
use crate::tokens::principal::{Epoch, Principal, Role, UserId, Username};
use crate::tokens::refresh::{Presented, SessionId};
use crate::tokens::revocation::Revocation;

mod administration;
mod attempts;
mod client;
mod clients;
mod key_ring;
pub mod sqlite;

pub use self::administration::{
    AccountChange, Act, Administration, AskedBy, ChangedUser, ShownUser, UserPage, UserQuery,
};
pub use self::attempts::{AttemptOperation, AttemptOutcome};
pub use self::client::{Client, LONGEST_USER_AGENT, UserAgent};
pub use self::clients::{ClientOperation, ClientOutcome};
pub use self::key_ring::KeyRingMark;

/// A batch on its way through an engine. [`Error::Unavailable`](crate::error::Error::Unavailable) means that nothing of it is known to be done.
pub type Pending<Outcome> = BoxFuture<'static, Result<Committed<Outcome>>>;

/// What a committed batch answers.
#[derive(Debug)]
pub struct Committed<Outcome> {
    /// One for each operation, in order. A refused operation fails alone.
    pub outcomes: Vec<Result<Outcome>>,
    /// What the batch ended, to be published before anything is answered.
    pub revocations: Vec<Revocation>,
}

/// A storage engine. Every engine passes the suite in `tests/storage`.
pub trait Storage: Send + Sync + 'static {
    /// Applies operations on sessions, in order, in one transaction.
    fn sessions(&self, batch: Vec<SessionOperation>) -> Pending<SessionOutcome>;

    /// Applies operations on users, in order, in one transaction.
    fn users(&self, batch: Vec<UserOperation>) -> Pending<UserOutcome>;

    /// A user's live sessions, the one that was used last first; none where the user is gone or disabled. Sees everything that
    /// was answered before it was asked, and keeps no batch waiting.
    fn live_sessions(&self, user: UserId) -> BoxFuture<'static, Result<Vec<LiveSession>>>;

    /// What presenting a token now would be granted for; `None` where it would be refused. Changes nothing, whichever generation
    /// it is, and keeps no batch waiting.
    fn renewable(&self, presented: Presented) -> BoxFuture<'static, Result<Option<Renewable>>>;

    /// Accounts for an admin, beside the batches.
    fn user_page(&self, query: UserQuery) -> BoxFuture<'static, Result<UserPage>>;

    /// One account for an admin, beside the batches.
    fn shown_user(&self, user: UserId) -> BoxFuture<'static, Result<Option<ShownUser>>>;

    /// The endings that access tokens may still be alive of.
    fn revocations(&self) -> BoxFuture<'static, Result<Vec<Revocation>>>;

    /// What another process may have written since [`Storage::revocations`] or this was last asked; some of it may be known
    /// already. `None`, for the price of one look, where no other process wrote anything.
    fn news_of_others(&self) -> BoxFuture<'static, Result<Option<News>>>;

    /// All clients that have a secret, by their ids.
    fn clients(&self) -> BoxFuture<'static, Result<Vec<RegisteredClient>>>;

    /// Applies operations on clients, in order, in one transaction, for whoever operates this host.
    fn change_clients(&self, batch: Vec<ClientOperation>) -> Pending<ClientOutcome>;

    /// Remembers for good that this key ring is in use, beside what is remembered of others: durable once it answers.
    fn note_key_ring(&self, ring: KeyRingMark) -> BoxFuture<'static, Result<()>>;

    /// Takes one small step through the sessions and removes those that were over for long, and endings that no access
    /// token can outlive. One pass is done when it answers [`Swept::Pass`]. In a service that has become quiet it notes once
    /// that the last windows were lived through, so that a restart does not open them again.
    fn sweep(&self) -> BoxFuture<'static, Result<Swept>>;

    /// Answers once everything submitted before it is done.
    fn ping(&self) -> BoxFuture<'static, Result<()>>;

    /// Writes what is due and closes; later calls answer unavailable.
    fn close(&self) -> BoxFuture<'static, ()>;
}

/// What other processes wrote, as far as it is kept in memory.
#[derive(Debug, Default)]
pub struct News {
    /// What they ended.
    pub endings: Vec<Revocation>,
    /// All clients that there are now, whoever changed them.
    pub clients: Vec<RegisteredClient>,
}

/// One operation on sessions.
#[derive(Debug)]
pub enum SessionOperation {
    /// Decides on a presented token and writes the verdict.
    Rotate {
        /// The token.
        presented: Presented,
        /// When it was presented, by this process's clock: waiting for a batch does not count against a grace window.
        asked_at: Timestamp,
        /// Who presented it: noted with a rotation.
        client: Client,
    },
    /// Opens a session, if the account is still what the password was checked against. Where the user has as many as they
    /// may have, the least recently renewed of the live ones end.
    Open(NewSession),
    /// Ends a session; one that is over or unknown stays as it is.
    End {
        /// Which.
        session: SessionId,
        /// Why, for the row.
        reason: EndReason,
    },
    /// Ends a session of its owner's, who asks under another or the same; one that is over stays as it is. Refused with
    /// [`Error::InvalidToken`](crate::error::Error::InvalidToken) where the session that asks is not live, with
    /// [`Error::NoSuchSession`](crate::error::Error::NoSuchSession) where the owner has none of this id.
    EndOwn {
        /// Who asks.
        owner: UserId,
        /// Under which session.
        asked_by: SessionId,
        /// Which one is to end.
        session: SessionId,
    },
}

/// What became of it.
#[derive(Debug)]
pub enum SessionOutcome {
    /// Renewed.
    Granted(Grant),
    /// Opened.
    Opened {
        /// The new session.
        grant: Grant,
        /// Sessions of the same user that were ended to make room for it.
        evicted: Vec<SessionId>,
    },
    /// The session is past a limit; nothing was changed.
    Expired {
        /// Whose session it was.
        user: UserId,
    },
    /// A spent token ended its session.
    Reused {
        /// Whose session it was.
        user: UserId,
        /// The token was newer than the row: the database went back in time.
        rollback_detected: bool,
    },
    /// An [`SessionOperation::End`] or [`SessionOperation::EndOwn`] was done; whether there was anything left to end.
    Ended {
        /// The session, if it was live until then.
        session: Option<EndedSession>,
    },
}

/// A session that was live until it was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndedSession {
    /// Whose it was.
    pub owner: UserId,
    /// How its client was given refresh tokens.
    pub transport: Transport,
}

/// Why a session's row says that it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// Its holder logged out.
    Logout,
    /// A spent token was presented outside the grace window.
    Reuse,
    /// Its owner picked it from the list of their sessions.
    Revoked,
    /// Whoever administers the service picked it.
    Administrator,
    /// Its owner opened more sessions than they may have, and this one was not renewed for the longest time.
    Evicted,
}

impl EndReason {
    /// The word in the row.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::Reuse => "reuse",
            Self::Revoked => "revoked",
            Self::Administrator => "administrator",
            Self::Evicted => "evicted",
        }
    }
}

/// A session to be opened.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// The account as it was read before the password was checked.
    pub seen: Fence,
    /// A hash at today's cost, to be stored with the session where the account's was cheaper.
    pub stronger_hash: Option<PasswordHash>,
    /// Where it is opened from.
    pub client: Client,
    /// How its client is given refresh tokens.
    pub transport: Transport,
    /// What the attempt held that checked the password: given back with this, as a success.
    pub reservation: Option<Reservation>,
}

/// What was read of an account before a hash. A write that carries it is refused with
/// [`Error::AccountChanged`](crate::error::Error::AccountChanged) if the epoch or the hash is another by then, or the user disabled or gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// Whose account.
    pub user: UserId,
    /// Its epoch.
    pub epoch: Epoch,
    /// Its hash.
    pub hash: PasswordHash,
}

/// One operation on users.
#[derive(Debug)]
pub enum UserOperation {
    /// Adds an account. Refused with [`Error::UsernameTaken`](crate::error::Error::UsernameTaken).
    Create(NewUser),
    /// Looks an account up by name, without regard to case.
    Find(Username),
    /// Looks an account up by its id.
    FindById(UserId),
    /// Adds an account that was somewhere else before, hash and all; one that is there exactly like that is found. Refused with
    /// [`Error::UsernameTaken`](crate::error::Error::UsernameTaken) where the name is another account's.
    Import(NewUser),
    /// Sets a new password, ends every session and opens one, of the transport of the session that asks. Refused with
    /// [`Error::InvalidToken`](crate::error::Error::InvalidToken) where the session that asks is not live, with
    /// [`Error::AccountChanged`](crate::error::Error::AccountChanged) where the account is not what the old password was checked against.
    ChangePassword(PasswordChange),
    /// Ends every session of a user who asks under one of them. Refused with
    /// [`Error::InvalidToken`](crate::error::Error::InvalidToken) where that one is not live.
    EndSessions {
        /// Whose.
        user: UserId,
        /// Under which session.
        asked_by: SessionId,
    },
    /// Does something to an account that is somebody else's, or whoever's where the operator of this host asks.
    Administer(Administration),
    /// Removes an account for its owner, which ends every session; the name is free. Refused with [`Error::InvalidToken`](crate::error::Error::InvalidToken) where the
    /// session that asks is not live, with [`Error::AccountChanged`](crate::error::Error::AccountChanged) where the account is
    /// not what the password was checked against, with [`Error::LastAdmin`](crate::error::Error::LastAdmin) where no other
    /// enabled admin would be left.
    DeleteOwn {
        /// The account as it was read before the password was checked.
        seen: Fence,
        /// The session that asks.
        asked_by: SessionId,
    },
    /// Counts attempts to guess a password.
    Attempt(AttemptOperation),
}

/// What became of it.
#[derive(Debug)]
pub enum UserOutcome {
    /// The account that was added.
    Created(Account),
    /// The account with this name, if there is one.
    Found(Option<Account>),
    /// The password was changed, and this session opened.
    PasswordChanged {
        /// The new session.
        grant: Grant,
        /// How its client is given refresh tokens, as that of the session that asked was.
        transport: Transport,
    },
    /// Every session of a user ended, as they asked.
    AllEnded {
        /// How the client of the session that asked was given refresh tokens.
        transport: Transport,
    },
    /// Another write was done.
    Changed,
    /// An account was changed by an admin, or was so already.
    Administered(ChangedUser),
    /// An attempt was counted, refused or settled.
    Attempt(AttemptOutcome),
}

/// A password to be changed by its owner.
#[derive(Debug, Clone)]
pub struct PasswordChange {
    /// The account as it was read before the old password was checked.
    pub seen: Fence,
    /// Of the new password.
    pub hash: PasswordHash,
    /// The session that asks.
    pub asked_by: SessionId,
    /// Where it is asked from.
    pub client: Client,
}

/// An account to be added.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Unique without regard to case.
    pub username: Username,
    /// Of their password.
    pub hash: PasswordHash,
    /// What they may do.
    pub roles: Vec<Role>,
}

/// An account as storage holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Who, with roles and version.
    pub principal: Principal,
    /// Of their password.
    pub hash: PasswordHash,
    /// Locked out.
    pub disabled: bool,
    /// The counter that ends sessions.
    pub epoch: Epoch,
    /// When it was added.
    pub created_at: Timestamp,
}

impl Account {
    /// Whether this is what importing `user` again would make: the name as it is written, the hash and the roles.
    pub fn is(&self, user: &NewUser) -> bool {
        let roles = &self.principal.roles;
        self.principal.username == user.username && self.hash == user.hash && *roles == user.roles
    }

    /// What a later write must find unchanged.
    pub fn fence(&self) -> Fence {
        Fence { user: self.principal.id, epoch: self.epoch, hash: self.hash.clone() }
    }
}

/// A session that a token would renew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewable {
    /// Whose.
    pub principal: Principal,
    /// When it ends unless it is renewed.
    pub expires_at: Timestamp,
}

/// A session that can be renewed, as its owner is shown it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveSession {
    /// Which.
    pub id: SessionId,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it was last rotated, or else opened.
    pub last_used_at: Timestamp,
    /// When it ends unless it is renewed.
    pub expires_at: Timestamp,
    /// What the client that used it last calls itself.
    pub user_agent: Option<String>,
    /// Where it was used last.
    pub ip: Option<String>,
}

/// What a step of the sweeper did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swept {
    /// There is more to look at.
    Step {
        /// Sessions removed by this step.
        removed: usize,
    },
    /// This step reached the end of the table; the next one begins anew.
    Pass {
        /// Sessions removed by this step.
        removed: usize,
    },
}
