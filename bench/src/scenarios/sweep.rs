//! A million sessions that have been over for more than a week, and the sweeper, at its own pace, beside people who renew and call.
//!
//! The load goes on until the last of them has left, which is looked for by its id, and once more for a minute when nothing is left to
//! remove. Those that are over for less than a week must be there at the end, and every live one as it was answered.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use hdrhistogram::Histogram;
use latchkey::tokens::refresh::SessionId;
use rusqlite::Connection;

use super::mixed::Mixed;
use super::{Plan, judged, ledger};
use crate::figures::{mebibytes, median, number, quantile_ms};
use crate::measure::progress;
use crate::past::{DAY, Member, Past};
use crate::process::Server;
use crate::reader;
use crate::report::{Curve, Finding, Limit, Report, Unit};
use crate::seed::{Person, World};
use crate::space::Space;
use crate::tally::DIGITS;
use crate::work::CrowdRenewals;

/// In milliseconds, of either call.
const P99: Limit = Limit::AtMost(25.0);
/// Sessions to be removed.
const OVER: u32 = 1_000_000;
/// In a short run.
const SMOKE_OVER: u32 = 5_000;
/// Of those, so many more are over for less than a week.
const STAYING: usize = 50;
/// The most sessions of one account.
const EACH: u32 = 20;
/// Whose profiles are asked for.
const CALLING: usize = 1_000;
/// How often it is looked what is left.
const LOOK: Duration = Duration::from_secs(5);
/// So many looks are taken when nothing is left to remove.
const QUIET: usize = 12;
/// Of the sessions that leave, in the order of their ids, so many are looked for.
const MARKS: usize = 200;
/// Rows of which a sweeper that works gets through more in each second: a sixteenth of what it is set to, which is 256 each
/// tenth of a second. How long they are waited for follows.
const LEAST_PACE: u64 = 160;

/// Who is in the database.
struct Crowd {
    /// Live, and sorted.
    live: Vec<Member>,
    /// Some ids of those that must leave, sorted; the last one is the last of all.
    marks: Vec<SessionId>,
    leaving: usize,
    staying: usize,
    calling: Vec<Person>,
}

/// Measures it.
pub fn run(plan: &Plan, report: &mut Report) -> Result<()> {
    let world = World::new(&plan.ground, plan.cost, &[])?;
    let keys = world.keys()?;
    let over = usize::try_from(if plan.judged { OVER } else { SMOKE_OVER })?;
    let Crowd { live, marks, leaving, staying, calling } = Crowd::seed(&world, over, plan.sessions)?;
    let before = Space::of(&world.database())?;
    let sessions = live.len();

    let begun = Instant::now();
    let server = judged(plan, &world)?;
    let mut mixed = Mixed::half(plan, &server, CrowdRenewals::of(live, &keys), calling)?;
    let mut latencies = Latencies::none()?;
    let place = (&server, &*world.database());
    let due = Due { marks: &marks, leaving, begun, patience: patience(leaving + staying + sessions)? };
    let taken = due.until_gone(&mut latencies, &mut mixed, place)?;
    let mut quiet = Latencies::none()?;
    for _ in 0..if plan.judged { QUIET } else { 1 } {
        Latencies::add(&mut quiet, &mut mixed, &server, LOOK)?;
    }
    server.stop()?;

    let words = format!("{leaving} of {} sessions leave", leaving + staying + sessions);
    for ((latencies, quiet), rate) in latencies.into_iter().zip(&quiet).zip(mixed.rates) {
        latencies.judge(plan, report, quiet, rate, &words);
    }
    let finding = |measure: &str, found, unit| Finding::new("sweep", measure, found, unit);
    let count = |count: usize| number(u64::try_from(count).unwrap_or(u64::MAX));
    report.findings.push(finding("time until the last has left", taken.as_secs_f64(), Unit::Seconds));
    report.findings.push(finding("rows that left", count(leaving) / taken.as_secs_f64(), Unit::PerSecond));
    let after = Space::of(&world.database())?;
    let file = finding("file after it, beside before", mebibytes(after.file), Unit::Mebibytes);
    report.findings.push(file.beside(mebibytes(before.file)));
    report.findings.push(finding("free in it, for sessions to come", mebibytes(after.free), Unit::Mebibytes));

    ledger::hold_against(&world.database(), mixed.renewals.generations())?;
    let left = reader::sessions(&reader::open(&world.database())?)?;
    ensure!(
        left == sessions + staying,
        "{left} sessions are left of {sessions} live ones and {staying} that must stay"
    );
    Ok(())
}

/// How long it is waited until the last has left, of so many rows that the sweeper has to look at.
fn patience(rows: usize) -> Result<Duration> {
    Ok(Duration::from_secs(u64::try_from(rows)?.div_ceil(LEAST_PACE)))
}

impl Crowd {
    /// Accounts of weeks ago. Sessions that nobody renewed or that were logged out of, half and half, and are due; some that are over
    /// and not due; and the live ones, of the last days.
    fn seed(world: &World, over: usize, sessions: usize) -> Result<Self> {
        let begun = Instant::now();
        let mut past = Past::begin(world, 40 * DAY)?;
        let accounts = u32::try_from(sessions)?.max(u32::try_from(over)? / EACH);
        let owners = past.register(accounts, 30 * DAY)?;
        past.pass_until(24 * DAY);
        // Time and again, so that nobody has too many at once.
        let repeated: Vec<_> = owners.iter().cycle().take(over).copied().collect();
        let mut due = past.log_in(&repeated, 19 * DAY, 0)?;
        past.log_out(&every_other(&due), 18 * DAY)?;
        past.pass_until(16 * DAY);
        past.forget_endings()?;
        past.pass_until(8 * DAY);
        let staying = past.log_in(repeated.get(..over / STAYING).unwrap_or_default(), 8 * DAY - DAY / 2, 0)?;
        past.pass_until(6 * DAY);
        past.log_out(&every_other(&staying), 6 * DAY)?;
        past.pass_until(5 * DAY);
        let owners = owners.get(..sessions).context("too few accounts")?;
        let mut live = past.log_in(owners, Duration::ZERO, CALLING)?;
        let calling = past.close(&world.keys()?)?;
        live.sort_unstable();
        due.sort_unstable();
        progress(&format!("sweep: {over} sessions that are due in {:.1} s", begun.elapsed().as_secs_f64()));
        let last = due.last().context("nobody is due")?.session;
        let mut marks: Vec<_> = due.iter().step_by((due.len() / MARKS).max(1)).map(|member| member.session).collect();
        marks.push(last);
        Ok(Self { live, marks, leaving: due.len(), staying: staying.len(), calling })
    }
}

/// What the sweeper has to do, and since when.
struct Due<'a> {
    marks: &'a [SessionId],
    leaving: usize,
    begun: Instant,
    patience: Duration,
}

impl Due<'_> {
    /// Goes on until the last mark is gone: how long after the start of the server that was.
    fn until_gone(
        self,
        calls: &mut [Latencies; 2],
        mixed: &mut Mixed<'_>,
        (server, database): (&Server, &Path),
    ) -> Result<Duration> {
        let Self { marks, leaving, begun, patience } = self;
        let connection = reader::open(database)?;
        let last = marks.last().context("no marks")?;
        loop {
            Latencies::add(calls, mixed, server, LOOK)?;
            let taken = begun.elapsed();
            if !is_there(&connection, *last)? {
                return Ok(taken);
            }
            // They leave in the order of their ids.
            let gone = marks.partition_point(|mark| !is_there(&connection, *mark).unwrap_or(true));
            let p99 = calls.iter().filter_map(|call| call.p99s.last()).map(|(_, ms)| *ms).fold(0.0, f64::max);
            let share = 100 * gone / marks.len();
            progress(&format!("sweep: {share}% of {leaving} after {:.0} s, p99 {p99:.1} ms", taken.as_secs_f64()));
            ensure!(taken < patience, "{share}% have left after {:.0} s", taken.as_secs_f64());
        }
    }
}

fn every_other(members: &[Member]) -> Vec<Member> {
    members.iter().step_by(2).copied().collect()
}

/// Of one call.
struct Latencies {
    call: &'static str,
    all: Histogram<u64>,
    /// Minutes from the first look on, and the p99 since the look before.
    p99s: Vec<(f64, f64)>,
}

impl Latencies {
    fn none() -> Result<[Self; 2]> {
        let of = |call| Ok::<_, anyhow::Error>(Self { call, all: Histogram::new(DIGITS)?, p99s: Vec::new() });
        Ok([of("renewals")?, of("profiles")?])
    }

    fn add(calls: &mut [Self; 2], mixed: &mut Mixed<'_>, server: &Server, span: Duration) -> Result<()> {
        for (latencies, tally) in calls.iter_mut().zip(&mixed.offer(server, span, None)?) {
            latencies.all.add(&tally.latency)?;
            let minutes = latencies.p99s.last().map_or(0.0, |(minutes, _)| *minutes) + span.as_secs_f64() / 60.0;
            latencies.p99s.push((minutes, tally.quantile_ms(0.99)));
        }
        Ok(())
    }

    fn judge(self, plan: &Plan, report: &mut Report, quiet: &Self, rate: f64, words: &str) {
        let measure = |what: &str| format!("{what} of {rate:.0}/s {} while {words}", self.call);
        let finding = |what: &str, [swept, quiet]: [f64; 2]| {
            Finding::new("sweep", measure(what), swept, Unit::Milliseconds).beside(quiet)
        };
        for (share, name) in [(0.5, "p50"), (0.99, "p99"), (0.999, "p99.9")] {
            let finding = finding(name, [&self.all, &quiet.all].map(|seen| quantile_ms(seen, share)));
            report.findings.push(if name == "p99" { plan.limit(finding, P99) } else { finding });
        }
        // What a busy neighbour does to some of them does not count here.
        let middle = |latencies: &Self| median(latencies.p99s.iter().map(|(_, ms)| *ms));
        report.findings.push(finding("the median of the p99s of five seconds each", [&self, quiet].map(middle)));
        let picture = "Sweep: p99 while they leave";
        let name = self.call.to_owned();
        report.curves.push(Curve { picture, over: "minutes", unit: "ms", name, points: self.p99s });
    }
}

fn is_there(connection: &Connection, session: SessionId) -> Result<bool> {
    let mut statement = connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM sessions WHERE id = ?1)")?;
    Ok(statement.query_row([session.0], |row| row.get(0))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_leaves_and_what_is_over_for_less_than_a_week_does_not() {
        let ground = tempfile::tempdir().unwrap();
        let world = World::new(ground.path(), 4, &[]).unwrap();
        let crowd = Crowd::seed(&world, 400, 50).unwrap();
        let connection = reader::open(&world.database()).unwrap();
        assert_eq!((crowd.leaving, crowd.staying, reader::sessions(&connection).unwrap()), (400, 8, 458));
        // Of the endings only those that are new enough: every other one of those that stay.
        let endings: u32 = connection.query_row("SELECT count(*) FROM revocations", [], |row| row.get(0)).unwrap();
        assert_eq!(endings, 4);

        let mut today = Past::begin(&world, Duration::ZERO).unwrap();
        today.sweep_all().unwrap();

        assert_eq!(reader::sessions(&connection).unwrap(), 58);
        assert!(!crowd.marks.iter().any(|mark| is_there(&connection, *mark).unwrap()));
    }
}
