//! The rule itself, with an engine that answers when the test says so.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context as PollContext, Poll, Wake, Waker};

use actix::dev::MessageResult;
use actix::{ActorContext as _, Addr, Handler, Message};
use futures_util::future::{self, BoxFuture, FutureExt as _};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::*;
use crate::actors::ask;
use crate::clock::Timestamp;
use crate::storage::LARGEST_BATCH;
use crate::tokens::principal::{UserId, Version};
use crate::tokens::refresh::SessionId;
use crate::tokens::revocation::{Ended, Revocation};

/// An actor whose operations are numbers.
struct Counter(GroupCommit<usize, usize>);

impl Actor for Counter {
    type Context = Context<Self>;
}

impl SharesCommits for Counter {
    type Operation = usize;
    type Outcome = usize;

    fn group(&mut self) -> &mut GroupCommit<usize, usize> {
        &mut self.0
    }
}

type Coming = BoxFuture<'static, Result<usize>>;

/// Operations that arrive together; answered, as soon as all of them joined a batch, with their answers to come.
#[derive(Message)]
#[rtype(result = "Vec<Coming>")]
struct Arrive(Vec<usize>);

impl Handler<Arrive> for Counter {
    type Result = MessageResult<Arrive>;

    fn handle(&mut self, Arrive(operations): Arrive, context: &mut Self::Context) -> Self::Result {
        let answers = operations.into_iter().map(|operation| {
            let (reply, answer) = oneshot::channel();
            commit(self, context, operation).goes_to(Some(reply));
            async { answer.await.unwrap_or(Err(Error::Unavailable)) }.boxed()
        });
        MessageResult(answers.collect())
    }
}

/// One operation, as those of the service come.
#[derive(Message)]
#[rtype(result = "Result<usize>")]
struct One(usize);

impl Handler<One> for Counter {
    type Result = Answer<usize>;

    fn handle(&mut self, One(operation): One, context: &mut Self::Context) -> Self::Result {
        commit(self, context, operation)
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Stop;

impl Handler<Stop> for Counter {
    type Result = ();

    fn handle(&mut self, _: Stop, context: &mut Self::Context) {
        context.stop();
    }
}

/// A batch that the engine was given and has not answered.
struct Batch {
    operations: Vec<usize>,
    answer: oneshot::Sender<Result<Committed<usize>>>,
}

impl Batch {
    /// Commits: each operation's outcome is ten times the operation.
    fn commit(self) {
        let outcomes = self.operations.iter().map(|operation| Ok(operation * 10)).collect();
        self.answer_with(Ok(Committed { outcomes, revocations: Vec::new() }));
    }

    fn answer_with(self, answer: Result<Committed<usize>>) {
        assert!(self.answer.send(answer).is_ok(), "nobody waits for the batch");
    }
}

/// The actor between a test that sends operations and a test that is the engine.
struct Bench {
    actor: Addr<Counter>,
    batches: UnboundedReceiver<Batch>,
    revocations: Arc<Revocations>,
}

impl Bench {
    fn new() -> Self {
        let (submitted, batches) = unbounded_channel();
        let revocations = Arc::new(Revocations::new(Duration::from_secs(900)));
        let apply = move |operations| {
            let (answer, answered) = oneshot::channel();
            assert!(submitted.send(Batch { operations, answer }).is_ok(), "the test is over");
            async { answered.await.unwrap_or(Err(Error::Unavailable)) }.boxed()
        };
        let actor = Counter(GroupCommit::new(LARGEST_BATCH, apply, Arc::clone(&revocations))).start();
        Self { actor, batches, revocations }
    }

    async fn arrive(&self, operations: impl IntoIterator<Item = usize>) -> Vec<Coming> {
        self.actor.send(Arrive(operations.into_iter().collect())).await.unwrap()
    }

    /// Asks as the service does. It is in the actor's mailbox when this returns.
    fn asked(&self, operation: usize) -> Coming {
        let actor = self.actor.clone();
        let mut asked = async move { ask(&actor, One(operation)).await }.boxed();
        assert!((&mut asked).now_or_never().is_none(), "answered by nobody");
        asked
    }

    /// The batch that the engine gets next.
    async fn batch(&mut self) -> Batch {
        surely(self.batches.recv()).await.unwrap()
    }

    /// What the engine was given and the test has not looked at.
    fn untouched(&mut self) -> Option<Vec<usize>> {
        self.batches.try_recv().ok().map(|batch| batch.operations)
    }
}

async fn all(answers: Vec<Coming>) -> Vec<Result<usize>> {
    surely(future::join_all(answers)).await
}

/// Waits for what comes at once or not at all: a wait without an end becomes a failure.
async fn surely<T>(event: impl Future<Output = T>) -> T {
    const NEVER: Duration = Duration::from_secs(10);
    tokio::time::timeout(NEVER, event).await.expect("it never happened")
}

#[actix::test]
async fn an_operation_that_finds_nobody_waiting_leaves_at_once() {
    let mut bench = Bench::new();

    let answers = bench.arrive([1]).await;
    let batch = bench.batch().await;
    assert_eq!(batch.operations, [1]);
    batch.commit();

    assert_eq!(all(answers).await, [Ok(10)]);
    let answers = bench.arrive([2]).await;
    bench.batch().await.commit();
    assert_eq!(all(answers).await, [Ok(20)], "the rule starts over once nothing is in flight");
}

#[actix::test]
async fn all_that_arrives_while_a_batch_is_in_flight_joins_the_next_in_order() {
    let mut bench = Bench::new();
    let first = bench.arrive([1]).await;
    let in_flight = bench.batch().await;

    let meanwhile = [bench.arrive([2]).await, bench.arrive([3, 4]).await, bench.arrive([5]).await];
    assert_eq!(bench.untouched(), None, "one batch is in flight");
    in_flight.commit();

    let next = bench.batch().await;
    assert_eq!(next.operations, [2, 3, 4, 5]);
    assert_eq!(all(first).await, [Ok(10)]);
    next.commit();
    assert_eq!(all(meanwhile.into_iter().flatten().collect()).await, [20, 30, 40, 50].map(Ok));
    assert_eq!(bench.untouched(), None);
}

#[actix::test]
async fn a_batch_is_bounded_and_the_oldest_go_first() {
    let mut bench = Bench::new();
    let mut answers = bench.arrive([0]).await;
    let in_flight = bench.batch().await;
    answers.extend(bench.arrive(1..=LARGEST_BATCH + 2).await);
    in_flight.commit();

    let full = bench.batch().await;
    assert_eq!(full.operations, (1..=LARGEST_BATCH).collect::<Vec<_>>());
    full.commit();
    let rest = bench.batch().await;
    assert_eq!(rest.operations, [LARGEST_BATCH + 1, LARGEST_BATCH + 2]);
    rest.commit();

    let expected: Vec<_> = (0..=LARGEST_BATCH + 2).map(|operation| Ok(operation * 10)).collect();
    assert_eq!(all(answers).await, expected);
}

#[actix::test]
async fn whoever_sent_the_message_is_answered_after_the_commit() {
    let mut bench = Bench::new();
    let mut asked = bench.asked(1);
    let batch = bench.batch().await;
    assert!((&mut asked).now_or_never().is_none(), "answered before the commit");

    batch.commit();

    assert_eq!(surely(asked).await, Ok(10));
}

#[actix::test]
async fn each_is_answered_with_its_own_outcome() {
    let mut bench = Bench::new();
    let answers = bench.arrive([1]).await;
    let waiting = bench.arrive([2, 3, 4]).await;
    bench.batch().await.commit();

    let outcomes = vec![Ok(20), Err(Error::AccountChanged), Ok(40)];
    bench.batch().await.answer_with(Ok(Committed { outcomes: outcomes.clone(), revocations: Vec::new() }));

    assert_eq!(all(answers).await, [Ok(10)]);
    assert_eq!(all(waiting).await, outcomes);
}

/// Notes, at the moment a reply arrives, whether the ending was in the map already.
struct AtArrival {
    revocations: Arc<Revocations>,
    was_published: AtomicBool,
}

const SESSION: SessionId = SessionId(Uuid::from_u128(1));
const USER: UserId = UserId(Uuid::from_u128(2));

impl Wake for AtArrival {
    fn wake(self: Arc<Self>) {
        self.was_published.store(self.revocations.refuses(SESSION, USER, Version(1)), Ordering::SeqCst);
    }
}

#[actix::test]
async fn endings_are_published_before_anybody_is_answered() {
    let mut bench = Bench::new();
    bench.arrive([0]).await;
    let mut answers = bench.arrive([1, 2]).await;
    let (second, mut first) = (answers.pop().unwrap(), pin!(answers.remove(0)));
    let noted =
        Arc::new(AtArrival { revocations: Arc::clone(&bench.revocations), was_published: AtomicBool::new(false) });
    let waker = Waker::from(Arc::clone(&noted));
    assert_eq!(first.as_mut().poll(&mut PollContext::from_waker(&waker)), Poll::Pending);
    let ending = Revocation { ended: Ended::Session(SESSION), at: Timestamp::from_millis(1_800_000_000_000) };

    bench.batch().await.commit();
    let batch = bench.batch().await;
    assert!(bench.revocations.is_empty(), "published before the commit");
    batch.answer_with(Ok(Committed { outcomes: vec![Ok(10), Ok(20)], revocations: vec![ending] }));

    // Answered after the first, whose waker must not be replaced by looking at it.
    assert_eq!(surely(second).await, Ok(20));
    assert!(noted.was_published.load(Ordering::SeqCst), "answered before it was published");
}

#[actix::test]
async fn a_failed_batch_answers_everybody_with_its_error_and_the_next_one_goes_on() {
    let mut bench = Bench::new();
    let first = bench.arrive([1]).await;
    let failing = bench.arrive([2, 3]).await;
    bench.batch().await.commit();
    let batch = bench.batch().await;
    let next = bench.arrive([4]).await;

    let error = Error::Internal("of the whole batch");
    batch.answer_with(Err(error.clone()));

    assert_eq!(all(failing).await, [Err(error.clone()), Err(error)]);
    bench.batch().await.commit();
    assert_eq!((all(first).await, all(next).await), (vec![Ok(10)], vec![Ok(40)]));
}

#[actix::test]
async fn where_too_many_wait_the_next_is_turned_away_and_nothing_of_it_started() {
    let mut bench = Bench::new();
    let mut answers = bench.arrive([0]).await;
    let in_flight = bench.batch().await;
    answers.extend(bench.arrive(1..=MOST_WAITING).await);

    let refused = bench.arrive([999_999]).await;

    assert_eq!(all(refused).await, [Err(Error::Overloaded { retry_after: RETRY_AFTER })]);
    in_flight.commit();
    let mut done = 0;
    while done < MOST_WAITING {
        let batch = bench.batch().await;
        done += batch.operations.len();
        assert!(!batch.operations.contains(&999_999));
        batch.commit();
    }
    assert!(all(answers).await.iter().all(Result::is_ok));
    assert_eq!(bench.untouched(), None);
}

#[actix::test]
async fn there_is_room_again_once_a_batch_was_submitted() {
    let mut bench = Bench::new();
    bench.arrive([0]).await;
    let in_flight = bench.batch().await;
    bench.arrive(1..=MOST_WAITING).await;
    in_flight.commit();
    let _submitted = bench.batch().await;

    let mut answers = bench.arrive(0..=LARGEST_BATCH).await;

    let last = answers.pop().unwrap();
    assert_eq!(
        surely(last).await,
        Err(Error::Overloaded { retry_after: RETRY_AFTER }),
        "one more than there is room for"
    );
    assert!(answers.into_iter().all(|answer| answer.now_or_never().is_none()), "one of them was turned away");
}

#[actix::test]
async fn a_client_that_hung_up_disturbs_nobody_and_its_operation_is_done() {
    let mut bench = Bench::new();
    drop(bench.arrive([1]).await);
    let mut waiting = bench.arrive([2, 3, 4]).await;
    drop(waiting.remove(1));

    bench.batch().await.commit();
    let batch = bench.batch().await;

    assert_eq!(batch.operations, [2, 3, 4]);
    batch.commit();
    assert_eq!(all(waiting).await, [Ok(20), Ok(40)]);
}

#[actix::test]
async fn who_waits_for_an_actor_that_goes_is_told() {
    let mut bench = Bench::new();
    let mut answers = bench.arrive([1]).await;
    let _in_flight = bench.batch().await;
    answers.push(bench.asked(2));

    bench.actor.send(Stop).await.unwrap();

    assert_eq!(all(answers).await, [Err(Error::Unavailable), Err(Error::Unavailable)]);
}

#[actix::test]
async fn an_engine_that_answers_too_little_makes_up_nothing() {
    let mut bench = Bench::new();
    bench.arrive([1]).await;
    let answers = vec![bench.asked(2), bench.asked(3)];
    // Comes after them.
    bench.arrive([]).await;
    bench.batch().await.commit();

    bench.batch().await.answer_with(Ok(Committed { outcomes: vec![Ok(20)], revocations: Vec::new() }));

    assert_eq!(all(answers).await, [Ok(20), Err(Error::Unavailable)]);
}
