//! Attempts to guess a password: what is reserved, given back and remembered.

use std::time::Duration;

use latchkey::clock::Clock;
use latchkey::config::Secret;
use latchkey::error::Error;
use latchkey::storage::{
    Account, AttemptOperation, AttemptOutcome, NewSession, SessionOperation, UserOperation, UserOutcome,
};
use latchkey::throttle::{Attempt, Keys, Origin, Reservation, Settlement, StandsFor, Throttled};

use crate::database::{DAY, Database, granted, new_session, throttling_rules, told};
use crate::engine::Engine;

every_engine![
    an_attempt_finds_its_account_and_is_counted_wherever_there_is_one_or_not,
    of_a_batch_of_guesses_no_more_are_admitted_than_of_as_many_alone,
    a_refused_attempt_changes_nothing,
    an_attempt_that_was_given_back_was_none,
    what_is_given_back_after_its_window_is_not_taken_from_the_next,
    a_success_is_given_back_with_the_session_that_it_opens,
    a_session_that_the_fence_refused_gives_nothing_back,
    a_success_without_a_session_counts_as_one,
    an_attempt_that_fails_half_way_reserves_nothing,
    failures_and_known_addresses_outlive_a_restart,
    a_deleted_account_knows_no_address,
    of_many_addresses_an_account_knows_the_last_twenty,
    an_address_is_known_for_the_life_of_a_session_and_two_months_more,
    where_nothing_is_counted_nothing_is_written,
];

const WINDOW: Duration = Duration::from_secs(60);
const HERE: &str = "192.0.2.1";
const ELSEWHERE: &str = "198.51.100.1";

/// More counters than these tests make.
fn database(engine: Box<dyn Engine>) -> Database {
    Database::at_rest(throttling_rules(1000), engine)
}

pub fn attempt(name: &str, address: &str) -> Attempt {
    let secret = Secret::new(b"the keys of these tests, 32 bytes".to_vec());
    Keys::new(&secret).attempt(name, Origin { ip: address.parse().ok(), stands_for: StandsFor::Client })
}

pub fn admitting(name: &str, address: &str) -> UserOperation {
    UserOperation::Attempt(AttemptOperation::Admit(attempt(name, address)))
}

pub fn settling(reservation: Reservation, settlement: Settlement<&Account>) -> UserOperation {
    let settlement = match settlement {
        Settlement::Unchecked => Settlement::Unchecked,
        Settlement::Succeeded(account) => Settlement::Succeeded(account.principal.id),
    };
    UserOperation::Attempt(AttemptOperation::Settle { reservation, settlement })
}

/// Makes an attempt in a batch of its own.
pub fn admit(db: &Database, name: &str, address: &str) -> Result<Reservation, Throttled> {
    match db.users(vec![admitting(name, address)]).outcomes.pop() {
        Some(Ok(UserOutcome::Attempt(AttemptOutcome::Admitted { reservation: Some(held), .. }))) => Ok(held),
        Some(Ok(UserOutcome::Attempt(AttemptOutcome::Throttled { throttled, .. }))) => Err(throttled),
        other => panic!("{other:?}"),
    }
}

/// Makes attempts until one is refused; how many were not.
pub fn guesses_left(db: &Database, name: &str, address: &str) -> usize {
    (0..).take_while(|_| admit(db, name, address).is_ok()).count()
}

fn fail(db: &Database, name: &str, address: &str, times: usize) {
    for _ in 0..times {
        admit(db, name, address).unwrap();
    }
}

fn succeed(db: &Database, account: &Account, address: &str) {
    let reservation = admit(db, account.principal.username.as_str(), address).unwrap();
    db.sessions(vec![opening_with(account, Some(reservation))]);
}

fn opening_with(account: &Account, reservation: Option<Reservation>) -> SessionOperation {
    SessionOperation::Open(NewSession { reservation, ..new_session(account, "phone") })
}

fn an_attempt_finds_its_account_and_is_counted_wherever_there_is_one_or_not(engine: Box<dyn Engine>) {
    let db = database(engine);
    let alice = db.account("Alice");

    for (name, found) in [("aLICE", Some(&alice)), ("nobody", None), ("no name at all", None)] {
        let outcome = db.users(vec![admitting(name, HERE)]).outcomes.pop();
        let Some(Ok(UserOutcome::Attempt(AttemptOutcome::Admitted { account, reservation }))) = outcome else {
            panic!("{name}: {outcome:?}");
        };
        assert_eq!(account.as_ref(), found, "{name}");
        assert_eq!(reservation.map(|held| held.taken.len()), Some(3), "{name}");
    }
    for name in ["alice", "nobody", "no name at all"] {
        assert_eq!(guesses_left(&db, name, HERE), 2, "{name}");
    }
}

fn of_a_batch_of_guesses_no_more_are_admitted_than_of_as_many_alone(engine: Box<dyn Engine>) {
    let db = database(engine);
    db.account("alice");

    let done = db.users((0..20).map(|_| admitting("alice", HERE)).collect());

    let told = told(&done);
    assert_eq!(told.iter().filter(|words| *words == "admitted").count(), 3);
    assert_eq!(told.iter().filter(|words| *words == "throttled").count(), 17);
}

fn a_refused_attempt_changes_nothing(engine: Box<dyn Engine>) {
    let db = database(engine);
    db.account("alice");
    fail(&db, "alice", HERE, 3);
    let before = db.engine.commits();

    assert!(admit(&db, "alice", HERE).is_err());

    assert_eq!(db.engine.commits(), before);
}

fn an_attempt_that_was_given_back_was_none(engine: Box<dyn Engine>) {
    let db = database(engine);
    let held = admit(&db, "alice", HERE).unwrap();
    fail(&db, "alice", HERE, 2);

    assert_eq!(db.change(settling(held, Settlement::Unchecked)), "settled");

    assert_eq!(guesses_left(&db, "alice", HERE), 1);
    // The account's and the address's own windows too: 30 each, of which 3 are taken.
    for number in 0..9 {
        let (name, address) = (format!("name{number}"), format!("203.0.113.{number}"));
        assert_eq!((guesses_left(&db, &name, HERE), guesses_left(&db, "alice", &address)), (3, 3));
    }
    assert_eq!((guesses_left(&db, "another", HERE), guesses_left(&db, "alice", ELSEWHERE)), (0, 0));
}

fn what_is_given_back_after_its_window_is_not_taken_from_the_next(engine: Box<dyn Engine>) {
    let db = database(engine);
    let late = admit(&db, "alice", HERE).unwrap();
    db.pass(WINDOW);
    fail(&db, "alice", HERE, 2);

    db.change(settling(late, Settlement::Unchecked));

    assert_eq!(guesses_left(&db, "alice", HERE), 1);
}

fn a_success_is_given_back_with_the_session_that_it_opens(engine: Box<dyn Engine>) {
    let db = database(engine);
    let alice = db.account("alice");
    fail(&db, "alice", HERE, 2);
    let held = admit(&db, "alice", HERE).unwrap();
    let before = db.engine.commits();

    granted(db.sessions(vec![opening_with(&alice, Some(held))]));

    assert_eq!(db.engine.commits(), before + 1);
    assert_eq!(db.count("login_failures"), 2, "the failures of the account and of the address stay");
    assert_eq!(db.count("known_addresses"), 1);
    assert_eq!(guesses_left(&db, "alice", HERE), 3);
}

fn a_session_that_the_fence_refused_gives_nothing_back(engine: Box<dyn Engine>) {
    let db = database(engine);
    let alice = db.account("alice");
    let held = admit(&db, "alice", HERE).unwrap();
    db.change(db.password_change(&alice, "another hash"));

    let refused = db.sessions(vec![opening_with(&alice, Some(held))]);

    assert_eq!(refused.outcomes.into_iter().map(Result::err).collect::<Vec<_>>(), [Some(Error::AccountChanged)]);
    assert_eq!(db.count("known_addresses"), 0);
    assert_eq!(guesses_left(&db, "alice", HERE), 2);
}

fn a_success_without_a_session_counts_as_one(engine: Box<dyn Engine>) {
    let db = database(engine);
    let alice = db.account("alice");
    fail(&db, "alice", HERE, 2);
    let held = admit(&db, "alice", HERE).unwrap();

    db.change(settling(held, Settlement::Succeeded(&alice)));

    assert_eq!(db.count("known_addresses"), 1);
    assert_eq!(guesses_left(&db, "alice", HERE), 3);
}

fn an_attempt_that_fails_half_way_reserves_nothing(engine: Box<dyn Engine>) {
    let db = database(engine);
    fail(&db, "bob", HERE, 1);
    // Another account from the same address: the third of its three counters is the first that is not new.
    db.engine.break_statements("login_failures", "UPDATE", "NEW.failures = 2");

    let done = db.users(vec![admitting("alice", HERE), admitting("carol", ELSEWHERE)]);

    assert_eq!(told(&done), ["unavailable", "admitted"]);
    db.engine.sql("DROP TRIGGER broken");
    assert_eq!(db.count("login_failures"), 6);
    assert_eq!(db.engine.number("SELECT number FROM login_failure_rows"), 6);
    assert_eq!(guesses_left(&db, "alice", HERE), 3);
}

fn failures_and_known_addresses_outlive_a_restart(engine: Box<dyn Engine>) {
    let db = Database::under(throttling_rules(1000), engine);
    let alice = db.account("alice");
    succeed(&db, &alice, HERE);
    for number in 0..10 {
        fail(&db, "alice", &format!("203.0.113.{number}"), 3);
    }
    let clock = db.clock.clone();

    let db = db.reopened(clock);

    assert_eq!(guesses_left(&db, "alice", "203.0.113.0"), 0);
    assert_eq!(guesses_left(&db, "alice", ELSEWHERE), 0);
    assert_eq!(guesses_left(&db, "alice", HERE), 3);
}

fn a_deleted_account_knows_no_address(engine: Box<dyn Engine>) {
    let db = database(engine);
    let (alice, bob) = (db.account("alice"), db.account("bob"));
    succeed(&db, &alice, HERE);
    succeed(&db, &bob, HERE);
    let held = admit(&db, "alice", ELSEWHERE).unwrap();

    db.change(UserOperation::Delete(alice.principal.id));

    assert_eq!(db.count("known_addresses"), 1);
    // The password was checked before the account was gone.
    db.change(settling(held, Settlement::Succeeded(&alice)));
    assert_eq!(db.count("known_addresses"), 1);
}

fn of_many_addresses_an_account_knows_the_last_twenty(engine: Box<dyn Engine>) {
    let db = database(engine);
    let alice = db.account("alice");
    for number in 0..21 {
        succeed(&db, &alice, &format!("192.0.2.{number}"));
        db.pass(Duration::from_secs(1));
        // The first is in use all the time.
        succeed(&db, &alice, "192.0.2.0");
        db.pass(Duration::from_secs(1));
    }

    assert_eq!(db.count("known_addresses"), 20);
    for number in 0..10 {
        fail(&db, "alice", &format!("203.0.113.{number}"), 3);
    }
    assert_eq!(guesses_left(&db, "alice", "192.0.2.0"), 3);
    assert_eq!(guesses_left(&db, "alice", "192.0.2.1"), 0);
    assert_eq!(guesses_left(&db, "alice", "192.0.2.2"), 3);
}

fn an_address_is_known_for_the_life_of_a_session_and_two_months_more(engine: Box<dyn Engine>) {
    let db = database(engine);
    succeed(&db, &db.account("alice"), HERE);

    // The suite's sessions live for 90 days.
    db.pass(150 * DAY - WINDOW);
    db.sweep();
    assert_eq!(db.count("known_addresses"), 1);

    db.pass(WINDOW);
    db.sweep();
    assert_eq!(db.count("known_addresses"), 0);
}

fn where_nothing_is_counted_nothing_is_written(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let alice = db.account("alice");
    let before = db.engine.commits();

    let done = db.users((0..20).map(|_| admitting("alice", HERE)).collect());

    assert_eq!(told(&done), ["admitted"; 20]);
    assert_eq!(db.engine.commits(), before);
    granted(db.sessions(vec![opening_with(&alice, None)]));
    assert_eq!(db.count("known_addresses"), 0);
    // What was counted before it was switched off goes, at once.
    let db = db.reopened(Clock::system());
    db.engine.sql("INSERT INTO login_failures (key, failures, opened_at) VALUES (x'00', 3, 0)");
    db.sweep();
    assert_eq!(db.count("login_failures"), 0);
}
