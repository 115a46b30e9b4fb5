//! What the sweeper removes, when, and in which steps.

use std::time::Duration;

use latchkey::storage::{LARGEST_BATCH, Swept};
use latchkey::tokens::principal::Version;
use latchkey::tokens::revocation::Ended;

use crate::database::{DAY, Database, deleting, logout, opening, usual_rules};
use crate::engine::Engine;

every_engine![
    an_ended_session_stays_a_week_and_leaves_then,
    an_expired_session_stays_a_week_and_leaves_then,
    a_live_session_stays,
    a_pass_takes_small_steps_and_the_next_one_begins_anew,
    endings_are_forgotten_once_no_access_token_can_be_left,
    a_sweep_that_finds_nothing_commits_nothing,
];

const SECOND: Duration = Duration::from_secs(1);
/// The suite's sessions end within seconds of each other at most.
const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// More than any pass of this suite takes, whatever the step.
const MOST_STEPS: usize = 10_000;

/// Sweeps to the end of the table: how many steps it took, and how many rows left.
fn pass(db: &Database) -> (usize, usize) {
    let mut all = 0;
    for steps in 1..=MOST_STEPS {
        match db.sweep() {
            Swept::Step { removed } => all += removed,
            Swept::Pass { removed } => return (steps, all + removed),
        }
    }
    panic!("a pass does not end");
}

fn removed_by_a_pass(db: &Database) -> usize {
    pass(db).1
}

fn an_ended_session_stays_a_week_and_leaves_then(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let alice = db.account("alice");
    let (phone, laptop) = (db.session(&alice).session, db.session(&alice).session);
    db.sessions(vec![logout(phone)]);

    db.clock.advance(WEEK - 60 * SECOND);
    assert_eq!(removed_by_a_pass(&db), 0);
    assert_eq!(db.present(phone, 1), "refused: revoked", "late reuse is still named");

    db.clock.advance(60 * SECOND);
    assert_eq!(removed_by_a_pass(&db), 1);
    assert_eq!(db.present(phone, 1), "refused: unknown");
    assert_eq!(db.present(laptop, 1), "granted 2");
}

fn an_expired_session_stays_a_week_and_leaves_then(engine: Box<dyn Engine>) {
    let mut rules = usual_rules();
    (rules.rotation.idle_ttl, rules.session_ttl) = (3 * DAY, 5 * DAY);
    let db = Database::under(rules, engine);
    let alice = db.account("alice");
    let idle = db.session(&alice).session;
    let renewed = db.session(&alice).session;
    db.clock.advance(2 * DAY);
    db.present(renewed, 1);

    db.clock.advance(DAY + WEEK - 60 * SECOND);
    assert_eq!(removed_by_a_pass(&db), 0);

    db.clock.advance(60 * SECOND);
    assert_eq!(removed_by_a_pass(&db), 1);
    assert_eq!(db.present(idle, 1), "refused: unknown");
    assert_eq!(db.present(renewed, 2), "refused: expired");

    db.clock.advance(2 * DAY);
    assert_eq!(removed_by_a_pass(&db), 1);
    assert_eq!(db.count("sessions"), 0);
}

fn a_live_session_stays(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let session = db.session(&db.account("alice")).session;

    db.clock.advance(29 * DAY);

    assert_eq!(removed_by_a_pass(&db), 0);
    assert_eq!(db.present(session, 1), "granted 2");
}

fn a_pass_takes_small_steps_and_the_next_one_begins_anew(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let alice = db.account("alice");
    let many = || (0..LARGEST_BATCH).map(|_| opening(&alice)).collect();
    db.sessions(many());
    db.sessions(many());
    let all = 2 * LARGEST_BATCH;
    // Everything expires after 30 days, so the first pass walks over rows that it leaves alone.
    let (steps, removed) = pass(&db);
    assert!(steps > 1, "{all} rows in one step");
    assert_eq!(removed, 0);

    db.clock.advance(30 * DAY + WEEK);
    let kept = db.session(&alice).session;
    let (steps, removed) = pass(&db);

    assert!(steps > 1, "{all} rows in one step");
    assert_eq!(removed, all);
    assert_eq!(db.present(kept, 1), "granted 2");
    assert_eq!(db.count("sessions"), 1);
}

fn endings_are_forgotten_once_no_access_token_can_be_left(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    let alice = db.account("alice");
    let session = db.session(&alice).session;
    db.sessions(vec![logout(session)]);
    let user = alice.principal.id;
    db.change(deleting(user));
    let both = [Ended::Session(session), Ended::User { id: user, least_version: Version(2) }];

    db.clock.advance(900 * SECOND);
    removed_by_a_pass(&db);
    assert_eq!(db.kept_endings(), both);

    db.clock.advance(60 * SECOND);
    removed_by_a_pass(&db);
    assert_eq!(db.kept_endings(), []);
}

fn a_sweep_that_finds_nothing_commits_nothing(engine: Box<dyn Engine>) {
    let db = Database::on(engine);
    assert_eq!(db.sweep(), Swept::Pass { removed: 0 });
    let session = db.session(&db.account("alice")).session;
    db.sessions(vec![logout(session)]);
    let before = db.engine.commits();

    assert_eq!(db.sweep(), Swept::Pass { removed: 0 });

    assert_eq!(db.engine.commits(), before);
}
