//! The actors, which own all mutable state.
//!
//! Owns the rule of who may change what: users through [`user_store`], sessions through [`refresh_tokens`], nobody past
//! them. Both stores run on one arbiter that never blocks; bcrypt runs in [`password_hasher`] and nowhere else. Handlers
//! hold the handles of this module and never an address.
//!
//! handler -> handle -> message -> actor -> [`group_commit`] -> storage; and back with the commit

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Handler, Message};

use crate::error::{Error, Result};

pub mod attempts;
pub mod group_commit;
pub mod password_hasher;
pub mod refresh_tokens;
pub mod user_store;

pub use crate::storage::{
    Account, AccountChange, AskedBy, ChangedUser, Client, EndReason, EndedSession, Fence, LiveSession, NewSession,
    NewUser, PasswordChange, Renewable, ShownUser, UserAgent, UserPage, UserQuery,
};

/// Asks an actor and waits. An actor that is gone, or that dropped the question, did not answer: the write may have
/// happened. Its death is reported elsewhere, once; here it is only [`Error::Unavailable`].
async fn ask<A, M, T>(actor: &Addr<A>, message: M) -> Result<T>
where
    A: Actor + Handler<M>,
    A::Context: ToEnvelope<A, M>,
    M: Message<Result = Result<T>> + Send + 'static,
    T: Send + 'static,
{
    actor.send(message).await.unwrap_or(Err(Error::Unavailable))
}
