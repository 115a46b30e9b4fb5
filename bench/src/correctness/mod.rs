//! Correctness beside speed: who logs people out wrongly, and who lets a thief stay.
//!
//! Eleven scenarios of renewal, played with Latchkey and with every peer that rotates, as a client sees them: what is held can be
//! renewed or not, is accepted or not. Nothing of a service is looked into. What comes out is told of everybody and judged of
//! Latchkey alone, for which any other outcome than that of its design fails the run.
//!
//! - [`honest`], [`theft`], [`endings`], [`restarts`]: the scenarios
//! - [`subject`]: a service, its state, its server; [`client`]: one request at a time; [`holder`]: who holds what, and how many
//!   lineages that makes
//! - [`outcome`]: what became of each session; [`verdict`]: how that is called, and what Latchkey must show; [`table`]: what is
//!   printed
//!
//! Waiting for a window is part of it: this is a script, and its times are real.

mod client;
mod endings;
mod holder;
mod honest;
mod outcome;
mod restarts;
mod subject;
mod table;
mod theft;
mod verdict;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use self::subject::Subject;
use self::table::{Cell, Row};
pub use self::table::{Results, Service};
use self::verdict::{Case, faults};
use crate::measure::progress;
use crate::peers::{Description, Latchkey, Peer as _, present, unless_left_out};
use crate::scenarios::Plan;

/// How often each scenario is played.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Sessions of a race: one that is lost once in ten is seen.
    sessions: usize,
    /// Kills, each with some renewals under way.
    kills: usize,
    /// Sessions of a theft, which is no race.
    thefts: usize,
    /// Sessions of which an old token is polled, hundreds of times.
    polled: usize,
    /// `REFRESH_GRACE`, as long as it is and as a setting.
    window: (Duration, &'static str),
    /// What the others are played with as if it was theirs: nothing of what they do depends on it.
    window_elsewhere: Duration,
}

impl Size {
    /// Of a run, and of a short one.
    pub fn of(smoke: bool) -> Self {
        if smoke {
            let (window, window_elsewhere) = ((Duration::from_secs(1), "1s"), Duration::from_millis(300));
            Self { sessions: 10, kills: 2, thefts: 4, polled: 2, window, window_elsewhere }
        } else {
            let (window, window_elsewhere) = ((Duration::from_secs(2), "2s"), Duration::from_secs(2));
            Self { sessions: 50, kills: 12, thefts: 20, polled: 5, window, window_elsewhere }
        }
    }

    /// For the table.
    fn words(self) -> String {
        let Self { sessions, kills, thefts, polled, window: (_, window), .. } = self;
        let in_flight = honest::IN_FLIGHT;
        format!(
            "{sessions} sessions a race, {kills} kills with {in_flight} renewals each, {thefts} thefts a row, {polled} polled, REFRESH_GRACE={window}"
        )
    }

    /// So many take part in something.
    fn people(self) -> usize {
        // Four races. Of the thefts one inside the window (4, 4b), two outside it (5, 5b), one of a grandparent (6), and two each of
        // a restart (10) and of a backup (11, 11b). Two halves of polling (7, 7b).
        self.sessions * 4 + self.kills * honest::IN_FLIGHT + self.thefts * 8 + self.polled * 2
    }
}

/// Plays everything with Latchkey and, where asked, with the peers. Errors: Latchkey did not show what it must.
pub fn run(plan: &Plan, size: Size, with_peers: bool) -> Result<Results> {
    let mut results = Results { played: size.words(), services: Vec::new() };
    let latchkey =
        Latchkey { binary: plan.judged_binary()?.path.clone(), settings: vec![("REFRESH_GRACE", size.window.1)] };
    let (window, elsewhere) = (size.window.0, size.window_elsewhere);
    let description = described(&latchkey)?;
    let subject = Subject::start(&latchkey, &plan.ground, size.people(), window).context(latchkey.name())?;
    results.services.push(play(subject, description, size)?);
    if with_peers {
        for (peer, description) in present(subject::COST)? {
            if !peer.rotates() {
                progress(&format!("correctness: {} is left out: it does not rotate", peer.name()));
                continue;
            }
            let started = Subject::start(&*peer, &plan.ground, size.people(), elsewhere);
            if let Some(subject) = unless_left_out(peer.name(), started)? {
                results.services.push(play(subject, description, size)?);
            }
        }
    }
    Ok(results)
}

fn described(latchkey: &Latchkey) -> Result<Description> {
    latchkey.found(subject::COST).map_err(|missing| anyhow::anyhow!("{}", missing.0))
}

/// Plays all scenarios with one service.
fn play(mut subject: Subject<'_>, description: Description, size: Size) -> Result<Service> {
    let rows = rows(&mut subject, size).with_context(|| subject.at())?;
    subject.stop()?;
    Ok(Service::new(subject.name(), description, rows))
}

/// Plays the scenarios in the order of the table.
fn rows(subject: &mut Subject<'_>, size: Size) -> Result<Vec<Row>> {
    let forgets = (!subject.keeps_its_state()?).then_some("its state is in memory only");
    let [changes_passwords, ends_sessions] = subject.changes_passwords_and_ends_sessions()?;
    let mut rows = Vec::new();
    // Of scenarios that are played at once the first has the tries of all.
    let mut add = |case, counted, note, subject: &Subject<'_>| {
        rows.push(Row { repeated_tries: subject.repeated_tries(), ..Row::new(case, counted, note) });
    };

    add(Case::TenTabs, Cell::Counted(honest::ten_tabs(subject, size)?), None, subject);
    add(Case::LostAnswer, Cell::Counted(honest::lost_answer(subject, size)?), None, subject);
    add(Case::Kill, Cell::Counted(honest::kill(subject, size)?), forgets, subject);
    let [inside, then_outside] = theft::parent_inside(subject, size)?;
    add(Case::ParentInside, Cell::Counted(inside), None, subject);
    add(Case::ParentInsideThenOutside, Cell::Counted(then_outside), None, subject);
    let [thief_second, owner_second] = theft::parent_outside(subject, size)?;
    add(Case::ParentOutside, Cell::Counted(thief_second), None, subject);
    add(Case::ThiefFirst, Cell::Counted(owner_second), None, subject);
    add(Case::Grandparent, Cell::Counted(theft::grandparent(subject, size)?), None, subject);
    let [outside, from_inside] = theft::polled(subject, size)?;
    add(Case::PolledOutside, Cell::Counted(outside), None, subject);
    add(Case::PolledFromInside, Cell::Counted(from_inside), None, subject);
    let logout =
        if ends_sessions { Cell::Counted(endings::logout(subject, size)?) } else { Cell::Meaningless("no logout") };
    add(Case::Logout, logout, None, subject);
    let password_change = if changes_passwords {
        Cell::Counted(endings::password_change(subject, size)?)
    } else {
        Cell::Meaningless("no password change")
    };
    add(Case::PasswordChange, password_change, None, subject);
    let replayed = Cell::Counted(restarts::replay_after_restart(subject, size)?);
    add(Case::ReplayAfterRestart, replayed, forgets, subject);
    let [newest, old] = match forgets {
        Some(_) => [const { Cell::Meaningless("nothing to copy: in memory only") }; 2],
        None => restarts::restored_backup(subject, size)?.map(Cell::Counted),
    };
    add(Case::RestoredNewest, newest, None, subject);
    add(Case::RestoredOld, old, None, subject);
    Ok(rows)
}

/// Errors: Latchkey, which is the first of the services, shows anything but what its design says.
pub fn judge(results: &Results) -> Result<()> {
    let mut found = Vec::new();
    for row in results.services.first().into_iter().flat_map(|latchkey| &latchkey.rows) {
        let faults = match &row.outcome {
            Cell::Counted(counted) => faults(row.case, counted, row.repeated_tries),
            Cell::Meaningless(why) => vec![(*why).to_owned()],
        };
        if !faults.is_empty() {
            found.push(format!("{}: {}", row.case.title(), faults.join(", ")));
        }
    }
    ensure!(found.is_empty(), "Latchkey does not show what it must: {}", found.join("; "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::outcome::Outcome;
    use super::*;

    fn service(name: &'static str, cell: Cell) -> Service {
        let description = Description { version: "1".to_owned(), settings: String::new(), differs: Vec::new() };
        Service::new(name, description, vec![Row::new(Case::Kill, cell, None)])
    }

    fn ending_with(lineages: usize) -> Cell {
        Cell::Counted([Outcome { lineages, ..Outcome::default() }].into_iter().collect())
    }

    fn judged(services: Vec<Service>) -> Result<()> {
        judge(&Results { played: String::new(), services })
    }

    #[test]
    fn latchkey_is_judged_by_every_row_and_nobody_else_is() {
        assert!(judged(vec![service("Latchkey", ending_with(1)), service("another", ending_with(5))]).is_ok());

        let fault = judged(vec![service("Latchkey", ending_with(2))]).unwrap_err().to_string();
        assert!(fault.contains("3 retry after a kill"), "{fault}");
        assert!(judged(vec![service("Latchkey", Cell::Meaningless("not played"))]).is_err());
    }

    #[test]
    fn a_try_that_had_to_be_repeated_is_judged_with_its_row() {
        let row = |case, repeated_tries| Row { repeated_tries, ..Row::new(case, ending_with(1), None) };
        let latchkey = |rows| vec![Service::new("Latchkey", Description::default(), rows)];

        assert!(judged(latchkey(vec![row(Case::Kill, 3), row(Case::TenTabs, 0)])).is_ok());
        let fault = judged(latchkey(vec![row(Case::Kill, 3), row(Case::TenTabs, 1)])).unwrap_err().to_string();
        assert!(fault.contains("1 ten tabs") && !fault.contains("3 retry"), "{fault}");
    }
}
