//! One commit for everybody who waits for one.
//!
//! Owns one rule: an actor has one batch in flight and collects the next meanwhile; the return of one submits the other.
//! Whatever arrives while a commit is syncing joins the next, so that durability costs almost nothing under load and one
//! fsync when idle. No timer. Written once, for both stores and for every engine.
//!
//! operation -> [`commit`] -> open batch -> storage -> endings published -> every waiting reply

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorFutureExt as _, AsyncContext as _, Context, WrapFuture as _};
use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::sync::oneshot;

use crate::error::{Error, Result};
use crate::storage::{Committed, Pending};
use crate::tokens::revocation::Revocations;

/// Operations that may wait for the next batches: a second of work at a tenth of the measured speed. Beyond it nothing
/// is started.
const MOST_WAITING: usize = 4096;
/// When it is worth trying again after that.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// An actor that shares commits.
pub trait SharesCommits: Actor<Context = Context<Self>> {
    /// What its batches are made of.
    type Operation: Send + 'static;
    /// What becomes of one.
    type Outcome: Send + 'static;

    /// Its open batch.
    fn group(&mut self) -> &mut GroupCommit<Self::Operation, Self::Outcome>;
}

/// The batch that is open, and whether another is in flight.
pub struct GroupCommit<Operation, Outcome> {
    apply: Box<dyn Fn(Vec<Operation>) -> Pending<Outcome>>,
    revocations: Arc<Revocations>,
    /// The most operations of one batch.
    largest: usize,
    operations: Vec<Operation>,
    replies: Vec<Reply<Outcome>>,
    in_flight: bool,
}

type Reply<Outcome> = oneshot::Sender<Result<Outcome>>;

impl<Operation, Outcome> GroupCommit<Operation, Outcome> {
    /// Batches of at most `largest` operations go to `apply`; what they ended goes to `revocations` before anybody is
    /// answered.
    pub fn new(
        largest: usize,
        apply: impl Fn(Vec<Operation>) -> Pending<Outcome> + 'static,
        revocations: Arc<Revocations>,
    ) -> Self {
        let apply = Box::new(apply);
        Self { apply, revocations, largest, operations: Vec::new(), replies: Vec::new(), in_flight: false }
    }

    /// Takes the oldest waiting operations, at most a batch of them.
    fn take_batch(&mut self) -> Option<(Pending<Outcome>, Vec<Reply<Outcome>>)> {
        let size = self.operations.len().min(self.largest);
        self.in_flight = size > 0;
        self.in_flight.then(|| {
            let operations = self.operations.drain(..size).collect();
            ((self.apply)(operations), self.replies.drain(..size).collect())
        })
    }

    fn deliver(&self, result: Result<Committed<Outcome>>, replies: Vec<Reply<Outcome>>) {
        match result {
            Ok(committed) => {
                committed.revocations.into_iter().for_each(|revocation| self.revocations.publish(revocation));
                for (reply, outcome) in replies.into_iter().zip(committed.outcomes) {
                    // A client that hung up; the commit stands.
                    reply.send(outcome).ok();
                }
            }
            Err(error) => {
                for reply in replies {
                    reply.send(Err(error.clone())).ok();
                }
            }
        }
    }
}

/// Lets an operation join the open batch, and answers after its commit.
///
/// Errors: the operation's own; [`Error::Overloaded`] where too many wait already; [`Error::Unavailable`] where the
/// batch failed or the actor went meanwhile.
pub fn commit<A: SharesCommits>(
    actor: &mut A,
    context: &mut Context<A>,
    operation: A::Operation,
) -> BoxFuture<'static, Result<A::Outcome>> {
    let group = actor.group();
    if group.operations.len() >= MOST_WAITING {
        return async { Err(Error::Overloaded { retry_after: RETRY_AFTER }) }.boxed();
    }
    let (reply, answer) = oneshot::channel();
    group.operations.push(operation);
    group.replies.push(reply);
    if !group.in_flight {
        submit(actor, context);
    }
    async { answer.await.unwrap_or(Err(Error::Unavailable)) }.boxed()
}

fn submit<A: SharesCommits>(actor: &mut A, context: &mut Context<A>) {
    if let Some((batch, replies)) = actor.group().take_batch() {
        context.spawn(batch.into_actor(actor).map(|result, actor, context| {
            actor.group().deliver(result, replies);
            submit(actor, context);
        }));
    }
}

#[cfg(test)]
mod tests;
