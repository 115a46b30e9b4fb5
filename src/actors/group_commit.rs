//! One commit for everybody who waits for one.
//!
//! Owns one rule: an actor has one batch in flight and collects the next meanwhile; the return of one submits the other.
//! Whatever arrives while a commit is syncing joins the next, so that durability costs almost nothing under load and one
//! fsync when idle. No timer. Written once, for both stores and for every engine.
//!
//! No task waits for a commit: the reply that actix made for a message is answered straight from the batch.
//!
//! operation -> [`commit`] -> open batch -> storage -> endings published -> every waiting reply

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::dev::{MessageResponse, OneshotSender};
use actix::{Actor, ActorFutureExt as _, AsyncContext as _, Context, Message, WrapFuture as _};

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
    replies: Vec<Waiting<Outcome>>,
    in_flight: bool,
}

type Reply<Outcome> = OneshotSender<Result<Outcome>>;

/// Where a batch finds the reply. It is there as soon as the handler that joined the batch has returned, and the batch comes back
/// after that at the earliest; nobody waits where none comes.
type Waiting<Outcome> = Rc<Cell<Option<Reply<Outcome>>>>;

/// A handler's answer: what becomes of the operation is sent to whoever sent the message, after the commit.
#[must_use = "whoever sent the message is told that nobody answers"]
pub struct Answer<Outcome>(Result<Waiting<Outcome>>);

impl<Outcome> Answer<Outcome> {
    fn goes_to(self, reply: Option<Reply<Outcome>>) {
        match (self.0, reply) {
            (Ok(waiting), reply) => waiting.set(reply),
            // Whoever asked may have gone.
            (Err(error), Some(reply)) => drop(reply.send(Err(error))),
            (Err(_), None) => {}
        }
    }
}

impl<A, M, Outcome> MessageResponse<A, M> for Answer<Outcome>
where
    A: Actor,
    M: Message<Result = Result<Outcome>>,
    Outcome: 'static,
{
    fn handle(self, _: &mut A::Context, reply: Option<OneshotSender<M::Result>>) {
        self.goes_to(reply);
    }
}

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
    fn take_batch(&mut self) -> Option<(Pending<Outcome>, Vec<Waiting<Outcome>>)> {
        let size = self.operations.len().min(self.largest);
        self.in_flight = size > 0;
        self.in_flight.then(|| {
            let operations = self.operations.drain(..size).collect();
            ((self.apply)(operations), self.replies.drain(..size).collect())
        })
    }

    fn deliver(&self, result: Result<Committed<Outcome>>, replies: Vec<Waiting<Outcome>>) {
        match result {
            Ok(committed) => {
                committed.revocations.into_iter().for_each(|revocation| self.revocations.publish(revocation));
                for (waiting, outcome) in replies.into_iter().zip(committed.outcomes) {
                    // A client that hung up; the commit stands.
                    if let Some(reply) = waiting.take() {
                        reply.send(outcome).ok();
                    }
                }
            }
            Err(error) => {
                for waiting in replies {
                    if let Some(reply) = waiting.take() {
                        reply.send(Err(error.clone())).ok();
                    }
                }
            }
        }
    }
}

/// Lets an operation join the open batch, and answers after its commit.
///
/// Errors: the operation's own; [`Error::Overloaded`] where too many wait already; [`Error::Unavailable`] where the
/// batch failed. Where the actor goes meanwhile, the reply goes with it.
pub fn commit<A: SharesCommits>(
    actor: &mut A,
    context: &mut Context<A>,
    operation: A::Operation,
) -> Answer<A::Outcome> {
    let group = actor.group();
    if group.operations.len() >= MOST_WAITING {
        return Answer(Err(Error::Overloaded { retry_after: RETRY_AFTER }));
    }
    let waiting = Waiting::default();
    group.operations.push(operation);
    group.replies.push(Rc::clone(&waiting));
    if !group.in_flight {
        submit(actor, context);
    }
    Answer(Ok(waiting))
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
