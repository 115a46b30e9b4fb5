//! What a later process finds: everything that was acknowledged, and times that go on.

use std::time::Duration;

use latchkey::clock::Clock;
use latchkey::error::{Error, Result};
use latchkey::tokens::principal::{Role, Version};
use latchkey::tokens::revocation::Ended;

use crate::database::{Database, WINDOW, creation, logout, opening, presenting};
use crate::engine::Engine;

every_engine![
    everything_acknowledged_is_there_after_a_restart,
    time_without_the_service_does_not_count_against_a_window,
    a_window_that_had_closed_before_the_service_stopped_stays_closed,
    a_ping_is_answered,
    after_closing_every_call_is_unavailable_and_no_death_is_reported,
    times_go_on_after_the_wall_clock_stepped_back_a_little,
    a_wall_clock_far_behind_the_newest_time_is_refused,
];

fn everything_acknowledged_is_there_after_a_restart(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let (alice, bob) = (db.account("Alice"), db.account("bob"));
    let (live, over) = (db.session(&alice).session, db.session(&alice).session);
    let bobs = db.session(&bob).session;
    db.sessions(vec![presenting(live, 1), logout(over)]);
    db.change(db.password_change(&bob, "another hash"));
    let bob = db.find("bob");
    let clock = db.clock.clone();

    let db = db.reopened(clock);

    assert_eq!((db.find("alice"), db.find("bob")), (Some(alice), bob.clone()));
    let endings = [Ended::Session(over), Ended::User { id: bob.unwrap().principal.id, least_version: Version(2) }];
    assert_eq!(db.kept_endings(), endings);
    assert_eq!(db.present(over, 1), "refused: revoked");
    assert_eq!(db.present(bobs, 1), "refused: revoked");
    assert_eq!(db.present(live, 2), "granted 2");
    db.clock.advance(WINDOW);
    assert_eq!(db.present(live, 2), "granted 3");
}

fn time_without_the_service_does_not_count_against_a_window(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let alice = db.account("alice");
    let (answered, lost) = (db.session(&alice).session, db.session(&alice).session);
    db.sessions(vec![presenting(answered, 1), presenting(lost, 1)]);
    // The clock of the process after this one: this one stops without having seen the hour.
    let clock = Clock::system();
    clock.advance(Duration::from_secs(3600));

    let db = db.reopened(clock);

    assert_eq!(db.present(lost, 1), "granted 2");
    assert_eq!(db.present(answered, 2), "granted 2");
    db.clock.advance(WINDOW - Duration::from_secs(5));
    assert_eq!(db.present(lost, 1), "granted 2");
    db.clock.advance(Duration::from_secs(5));
    assert_eq!(db.present(answered, 2), "granted 3");
    assert_eq!(db.present(lost, 1), "reused");
}

fn a_window_that_had_closed_before_the_service_stopped_stays_closed(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let alice = db.account("alice");
    let session = db.session(&alice).session;
    db.present(session, 1);
    db.clock.advance(WINDOW);
    db.account("bob");
    let clock = db.clock.clone();

    let db = db.reopened(clock);

    assert_eq!(db.present(session, 1), "reused");
}

fn a_ping_is_answered(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    assert_eq!(db.wait(db.storage.ping()), Ok(()));
}

fn after_closing_every_call_is_unavailable_and_no_death_is_reported(engine: Box<dyn Engine>) {
    let mut db = Database::on(engine);
    let alice = db.account("alice");

    db.close();

    fn refused<T: std::fmt::Debug>(answer: Result<T>) {
        assert_eq!(answer.map(|_| ()), Err(Error::Unavailable));
    }
    refused(db.try_users(vec![creation("bob")]));
    refused(db.try_sessions(vec![opening(&alice)]));
    refused(db.wait(db.storage.live_sessions(alice.principal.id)));
    refused(db.wait(db.storage.revocations()));
    refused(db.wait(db.storage.sweep()));
    refused(db.wait(db.storage.ping()));
    db.close();
    assert!(db.deaths.try_recv().is_err(), "a death was reported");
}

fn times_go_on_after_the_wall_clock_stepped_back_a_little(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let alice = db.account("alice");
    let before = db.session(&alice);
    let stepped = Clock::system();
    stepped.step_back(Duration::from_secs(30));

    let db = db.reopened(stepped);

    let after = db.session(&alice);
    assert!(after.granted_at >= before.granted_at, "{after:?} was granted before {before:?}");
}

fn a_wall_clock_far_behind_the_newest_time_is_refused(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let alice = db.account("alice");
    let behind = Clock::system();
    behind.step_back(Duration::from_secs(120));

    let refusal = db.refusal_to_reopen(&behind);

    assert!(refusal.contains("clock"), "{refusal}");
    let db = db.reopened(Clock::system());
    assert_eq!(db.find("alice"), Some(alice));
    assert_eq!(db.session(&db.find("alice").unwrap()).principal.roles, [Role::User]);
}
