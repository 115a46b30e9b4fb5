//! How many rows attempts may take, and which go first: a flood grows nothing, and forgets nothing that matters.

use std::time::Duration;

use latchkey::config::Rate;
use latchkey::storage::Swept;
use latchkey::storage::sqlite::Rules;
use latchkey::throttle::{Policy, Settlement};

use crate::attempts::{admit, admitting, guesses_left, settling};
use crate::database::{Database, throttling_rules, told};
use crate::engine::Engine;

every_engine![
    a_flood_of_names_takes_no_more_rows_than_there_may_be,
    a_flood_of_names_does_not_push_out_a_counter_that_is_near_its_limit,
    what_is_over_goes_before_what_counts,
    what_counts_the_least_goes_however_new_it_is,
    of_what_counts_the_least_the_oldest_goes,
    an_attempt_does_not_push_out_what_counts_it,
    a_table_full_of_high_counters_refuses_what_it_cannot_count,
    an_address_that_an_account_knows_always_finds_room,
    what_is_over_is_swept,
];

const WINDOW: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);
const HERE: &str = "192.0.2.1";

/// Another address for each number.
fn address(number: u32) -> String {
    std::net::Ipv4Addr::from(0x0a00_0000 + number).to_string()
}

/// One failure for each of so many names, each from an address of its own: three new counters each.
fn flood(db: &Database, names: std::ops::Range<u32>) {
    let attempts: Vec<_> = names.map(|number| admitting(&format!("name{number}"), &address(number))).collect();
    let done = db.users(attempts);
    assert!(told(&done).iter().all(|words| words == "admitted"), "{:?}", told(&done));
}

fn a_flood_of_names_takes_no_more_rows_than_there_may_be(engine: Box<dyn Engine>) {
    let db = Database::at_rest(throttling_rules(30), engine);

    for batch in 0..20 {
        flood(&db, 50 * batch..50 * (batch + 1));

        assert_eq!(db.count("login_failures"), 30);
        assert_eq!(db.engine.number("SELECT number FROM login_failure_rows"), 30);
    }
}

fn a_flood_of_names_does_not_push_out_a_counter_that_is_near_its_limit(engine: Box<dyn Engine>) {
    let db = Database::at_rest(throttling_rules(30), engine);
    for _ in 0..2 {
        admit(&db, "alice", HERE).unwrap();
    }

    for batch in 0..20 {
        flood(&db, 50 * batch..50 * (batch + 1));
    }

    assert_eq!(guesses_left(&db, "alice", HERE), 1);
}

fn what_is_over_goes_before_what_counts(engine: Box<dyn Engine>) {
    let db = Database::at_rest(throttling_rules(9), engine);
    for _ in 0..3 {
        admit(&db, "alice", HERE).unwrap();
    }
    db.pass(WINDOW - SECOND);
    flood(&db, 0..2);
    db.pass(SECOND);

    // Alice's window is over: its three rows are the first to go, however much they count.
    flood(&db, 2..3);

    assert_eq!(db.engine.number("SELECT max(failures) FROM login_failures"), 1);
    assert_eq!(guesses_left(&db, "name0", &address(0)), 2);
    assert_eq!(guesses_left(&db, "name1", &address(1)), 2);
}

fn of_what_counts_the_least_the_oldest_goes(engine: Box<dyn Engine>) {
    let db = Database::at_rest(throttling_rules(9), engine);
    for number in 0..3 {
        flood(&db, number..number + 1);
        db.pass(SECOND);
    }

    flood(&db, 3..4);

    // Asked from the newest on, because to ask takes room as well.
    assert_eq!(guesses_left(&db, "name2", &address(2)), 2);
    assert_eq!(guesses_left(&db, "name1", &address(1)), 2);
    assert_eq!(guesses_left(&db, "name0", &address(0)), 3);
}

fn what_counts_the_least_goes_however_new_it_is(engine: Box<dyn Engine>) {
    let rate = Rate { most: 10, per: WINDOW };
    let throttle = Some(Policy { rate, most_counters: 9 });
    let db = Database::at_rest(Rules { throttle, ..throttling_rules(9) }, engine);
    for _ in 0..4 {
        admit(&db, "alice", HERE).unwrap();
    }
    db.pass(SECOND);

    flood(&db, 0..50);

    assert_eq!(guesses_left(&db, "alice", HERE), 6);
}

fn an_attempt_does_not_push_out_what_counts_it(engine: Box<dyn Engine>) {
    let db = Database::at_rest(throttling_rules(3), engine);
    // Which of three equals would go first is decided by their keys: that it is this one has to happen now and then.
    for number in 0..10 {
        let name = format!("name{number}");
        admit(&db, &name, &address(2 * number)).unwrap();

        admit(&db, &name, &address(2 * number + 1)).unwrap();

        assert_eq!(db.count("login_failures"), 3);
        assert_eq!(db.engine.number("SELECT max(failures) FROM login_failures"), 2, "the account's own");
        db.pass(WINDOW);
    }
}

fn a_table_full_of_high_counters_refuses_what_it_cannot_count(engine: Box<dyn Engine>) {
    let db = Database::at_rest(throttling_rules(6), engine);
    for name in ["alice", "bob"] {
        assert_eq!(guesses_left(&db, name, &address(name.len().try_into().unwrap())), 3);
        db.pass(10 * SECOND);
    }
    let before = db.engine.commits();

    let refused = admit(&db, "carol", HERE).unwrap_err();

    assert_eq!(refused.counter, None);
    assert_eq!(refused.retry_after, WINDOW - 20 * SECOND);
    assert_eq!(db.engine.commits(), before);
    db.pass(refused.retry_after);
    assert!(admit(&db, "carol", HERE).is_ok());
    assert!(admit(&db, "bob", &address(3)).is_err(), "what is not over still counts");
}

fn an_address_that_an_account_knows_always_finds_room(engine: Box<dyn Engine>) {
    let db = Database::at_rest(throttling_rules(6), engine);
    let carol = db.account("carol");
    let held = admit(&db, "carol", HERE).unwrap();
    db.change(settling(held, Settlement::Succeeded(&carol)));
    for (number, name) in (0..).zip(["alice", "bob"]) {
        assert_eq!(guesses_left(&db, name, &address(number)), 3);
    }

    assert_eq!(guesses_left(&db, "carol", HERE), 3);
    assert_eq!(db.count("login_failures"), 6);
}

fn what_is_over_is_swept(engine: Box<dyn Engine>) {
    let db = Database::at_rest(throttling_rules(1000), engine);
    flood(&db, 0..10);
    db.pass(WINDOW - SECOND);
    flood(&db, 10..11);

    db.sweep();
    assert_eq!(db.count("login_failures"), 33);

    db.pass(SECOND);
    assert_eq!(db.sweep(), Swept::Pass { removed: 0 });
    assert_eq!(db.count("login_failures"), 3);
    assert_eq!(db.engine.number("SELECT number FROM login_failure_rows"), 3);
}
