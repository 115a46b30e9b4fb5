//! What a process wrote and did not live to sync: the next one recovers it, and answers from it without a commit of its own.

use tempfile::TempDir;

use super::disk::{Disk, Unsynced};
use super::holder::password;
use super::journal::{Deed, Record};
use super::ledger::{Asked, Expected, Held, Line, Told};
use super::shim::{Clock, Death, Watched, shim};
use super::{now, verdict};
use crate::client::{Client, Request};
use crate::process::Process;

/// Of the database.
const PAGE_BYTES: usize = 1024;
const NAME: &str = "somebody";

fn started(watched: &Watched, shim: &str, death: Option<Death>, clock: &[(&str, &str)]) -> Process {
    watched.start(shim, death, clock).unwrap_or_else(|ended| panic!("{}", ended.log))
}

/// A new pair of a new session; noted.
fn logged_in(watched: &Watched, client: &mut Client, lines: &mut Vec<Line>) -> Held {
    let sent_at = now(watched);
    let held = Held::from(client.ask(&Request::login(NAME, &password(NAME))).unwrap().tokens());
    lines.push(Line { sent_at, asked: Asked::Login, told: Some((now(watched), Told::Given(held.clone()))) });
    held
}

/// Asks, loses the answer to a death in the middle of the commit's sync, asks again, and cuts the power at that answer.
fn asked_again_before_a_cut(ask: impl Fn(&Held) -> (Request, Asked)) {
    let Some(shim) = shim() else { return };
    let (watched, mut lines, mut clock) = (Watched::new(), Vec::new(), Clock::new());
    let time = clock.later();
    let server = started(&watched, shim, None, &time);
    let mut client = Client::of(server.address);
    client.ask(&Request::register(NAME, &password(NAME))).unwrap().is(201);
    lines.push(Line { sent_at: 0, asked: Asked::Register(NAME.to_owned()), told: Some((now(&watched), Told::Exists)) });
    let held = logged_in(&watched, &mut client, &mut lines);
    server.stop();
    if !watched.is_watched() {
        return;
    }
    // After a stop, every start and every first commit begin alike: as many records later, the next sync is the commit's.
    let before = watched.records();
    let server = started(&watched, shim, None, &time);
    logged_in(&watched, &mut Client::of(server.address), &mut lines);
    server.stop();
    let after = 1 + first_page(watched.journal().records().split_off(before));
    let dying = started(&watched, shim, Some(Death { after, in_sync: true }), &time);
    let (request, asked) = ask(&held);
    let sent_at = now(&watched);
    Client::of(dying.address).ask(&request).unwrap_err();
    dying.ended();
    let died_at = now(&watched);

    let server = started(&watched, shim, None, &time);
    let answer = Client::of(server.address).ask(&request).unwrap();
    let told_at = now(&watched);
    server.stop();

    let told = match &asked {
        Asked::Register(_) => {
            answer.is(409);
            Told::Exists
        }
        Asked::Logout(_) => {
            answer.is(204);
            Told::Over
        }
        Asked::Renew(_) => Told::Given(Held::from(answer.tokens())),
        Asked::Login => panic!("a login has no retry"),
    };
    lines.push(Line { sent_at, asked, told: Some((told_at, told)) });
    let expected = Expected::at(told_at, &[lines]);
    let holds = |unsynced, until| {
        let journal = watched.journal();
        let mut disk = Disk::empty(watched.place.path());
        journal.records().iter().filter(|record| record.end <= until).for_each(|record| disk.replay(record));
        verdict::check_rows(&disk.after_a_cut(unsynced), TempDir::new().unwrap().path(), &expected);
    };
    // It was written when the process died: otherwise this shows nothing.
    holds(Unsynced::Kept, died_at);
    holds(Unsynced::Lost, told_at);
}

/// The first record that writes a page.
fn first_page(records: Vec<Record<'_>>) -> usize {
    let is_page = |record: &Record<'_>| matches!(record.deed, Deed::Write { bytes, .. } if bytes.len() == PAGE_BYTES);
    records.iter().position(is_page).unwrap()
}

#[test]
fn a_renewal_that_is_answered_from_a_recovered_commit_outlives_a_power_cut() {
    asked_again_before_a_cut(|held| (Request::renew(&held.tokens.refresh), Asked::Renew(held.clone())));
}

#[test]
fn a_logout_that_is_answered_from_a_recovered_commit_outlives_a_power_cut() {
    asked_again_before_a_cut(|held| (Request::logout(&held.tokens.refresh), Asked::Logout(held.clone())));
}

#[test]
fn a_name_that_is_refused_because_of_a_recovered_commit_is_still_taken_after_a_power_cut() {
    asked_again_before_a_cut(|_| {
        (Request::register("another", &password("another")), Asked::Register("another".to_owned()))
    });
}
