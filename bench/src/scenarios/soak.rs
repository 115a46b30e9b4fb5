//! An hour at half load: what grows.
//!
//! Renewals and profiles at half of what the service comes to, and now and then a whole session from login to end. Memory, the file,
//! its log, rows and p99 are looked at every ten seconds. The first quarter is for what fills once (caches, the log, pages that
//! split when a row is renewed for the first time); the last one must be as the second was.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::mixed::Mixed;
use super::{Plan, judged, ledger};
use crate::figures::{mebibytes, median, number};
use crate::measure::progress;
use crate::past::{DAY, Past};
use crate::process::Server;
use crate::reader;
use crate::report::{Curve, Finding, Limit, Report, Unit};
use crate::seed::World;
use crate::tally::Tally;
use crate::watch::{bytes, log_of};
use crate::work::{CrowdRenewals, Lifecycles};

/// In MiB, of memory from the second quarter to the last. An allocator's pages come and go by less; a leak of ten bytes for each
/// renewal comes to more within minutes.
const MEMORY: Limit = Limit::AtMost(4.0);
/// In MiB, of the file and of its log. Rows of sessions that were opened meanwhile are part of it: some thousands, a MiB or two.
const FILES: Limit = Limit::AtMost(4.0);
/// Of the second quarter's p99, or in milliseconds.
const P99: Limit = Limit::AtMostTimesOr(1.5, 25.0);
/// Between two samples.
const EVERY: Duration = Duration::from_secs(10);
/// Of a short run there are so many.
const LEAST_SAMPLES: u32 = 8;
/// Whose profiles are asked for.
const CALLING: usize = 1_000;
/// Who logs in, and out.
const LOGGING_IN: u32 = 50;
/// Requests of theirs a second: a session takes four.
const LIFECYCLES: f64 = 1.0;
/// In a short run, so that both ends of a session are seen.
const SMOKE_LIFECYCLES: f64 = 4.0;

/// What was seen at one time.
#[derive(Debug, Clone, Copy, Default, Serialize)]
struct Sample {
    minutes: f64,
    memory_mib: f64,
    file_mib: f64,
    log_mib: f64,
    rows: f64,
    /// Of renewals, since the sample before.
    renewals_p99_ms: f64,
    /// Of profiles.
    profiles_p99_ms: f64,
}

/// A column of the samples: what it is called, its unit, and whether it must stay flat.
type Column = (&'static str, Unit, fn(&Sample) -> f64, Option<Limit>);

const COLUMNS: [Column; 6] = [
    ("memory", Unit::Mebibytes, |sample| sample.memory_mib, Some(MEMORY)),
    ("file", Unit::Mebibytes, |sample| sample.file_mib, Some(FILES)),
    ("log", Unit::Mebibytes, |sample| sample.log_mib, Some(FILES)),
    ("rows of sessions", Unit::Count, |sample| sample.rows, None),
    ("p99 of renewals", Unit::Milliseconds, |sample| sample.renewals_p99_ms, Some(P99)),
    ("p99 of profiles", Unit::Milliseconds, |sample| sample.profiles_p99_ms, Some(P99)),
];

/// Measures it.
pub fn run(plan: &Plan, report: &mut Report) -> Result<()> {
    let world = World::new(&plan.ground, plan.cost, &[])?;
    let keys = world.keys()?;
    let sessions = u32::try_from(plan.sessions)?;
    let mut past = Past::begin(&world, 40 * DAY)?;
    let owners = past.register(sessions + LOGGING_IN, 10 * DAY)?;
    past.pass_until(5 * DAY);
    // In the order of their numbers nobody came back: the last ones log in later.
    let (renewing, logging_in) = owners.split_at_checked(plan.sessions).context("too few accounts")?;
    let mut members = past.log_in(renewing, Duration::ZERO, CALLING)?;
    members.sort_unstable();
    let calling = past.close(&keys)?;
    let mut lifecycles = Lifecycles::of(logging_in.iter().map(|owner| owner.number), &keys);

    let server = judged(plan, &world)?;
    let mut mixed = Mixed::half(plan, &server, CrowdRenewals::of(members, &keys), calling)?;
    let samples = soak(plan, (&server, &world.database()), &mut mixed, &mut lifecycles)?;
    server.stop()?;
    judge(&samples, report, |finding, limit| plan.limit(finding, limit));
    for (what, count) in [
        ("logins", lifecycles.seen.logins),
        ("logouts", lifecycles.seen.logouts),
        ("spent tokens, refused", lifecycles.seen.reuses),
    ] {
        report.findings.push(Finding::new("soak", what, number(count), Unit::Count));
    }
    ledger::hold_against(&world.database(), mixed.renewals.generations())
}

fn soak(
    plan: &Plan,
    (server, database): (&Server, &Path),
    mixed: &mut Mixed<'_>,
    lifecycles: &mut Lifecycles<'_>,
) -> Result<Vec<Sample>> {
    let rate = if plan.judged { LIFECYCLES } else { SMOKE_LIFECYCLES };
    let every = EVERY.min(plan.soak / LEAST_SAMPLES);
    let begun = Instant::now();
    let mut samples = Vec::new();
    while begun.elapsed() < plan.soak {
        let tallies = mixed.offer(server, every, Some((rate, lifecycles)))?;
        let sample = Sample::take(server, database, begun, &tallies)?;
        if samples.len() % 6 == 0 {
            progress(&format!("soak: {sample:.1?}"));
        }
        samples.push(sample);
    }
    Ok(samples)
}

impl Sample {
    fn take(server: &Server, database: &Path, begun: Instant, tallies: &[Tally]) -> Result<Self> {
        let p99 = |stream: usize| tallies.get(stream).map(|tally| tally.quantile_ms(0.99)).context("no tally");
        let rows = reader::sessions(&reader::open(database)?)?;
        Ok(Self {
            minutes: begun.elapsed().as_secs_f64() / 60.0,
            memory_mib: mebibytes(server.resident()?),
            file_mib: mebibytes(bytes(database)?),
            log_mib: mebibytes(bytes(&log_of(database))?),
            rows: number(u64::try_from(rows)?),
            renewals_p99_ms: p99(0)?,
            profiles_p99_ms: p99(1)?,
        })
    }
}

/// The medians of the second and of the last quarter.
fn quarters(samples: &[Sample], column: fn(&Sample) -> f64) -> (f64, f64) {
    let quarter = samples.len().div_ceil(4);
    let of = |number: usize| median(samples.iter().skip(number * quarter).take(quarter).map(column));
    let last = median(samples.iter().rev().take(quarter).map(column));
    (of(1), last)
}

fn judge(samples: &[Sample], report: &mut Report, limited: impl Fn(Finding, Limit) -> Finding) {
    for (name, unit, column, limit) in COLUMNS {
        let (second, last) = quarters(samples, column);
        let finding = match unit {
            Unit::Mebibytes => {
                let measure = format!("{name}: growth from the second quarter to the last");
                report.findings.push(Finding::new("soak", name, last, unit).beside(second));
                Finding::new("soak", measure, last - second, unit)
            }
            _ => Finding::new("soak", format!("{name}, last quarter beside the second"), last, unit).beside(second),
        };
        report.findings.push(match limit {
            Some(limit) => limited(finding, limit),
            None => finding,
        });
        let points = samples.iter().map(|sample| (sample.minutes, column(sample))).collect();
        report.curves.push(Curve {
            picture: picture(unit),
            over: "minutes",
            unit: unit.symbol(),
            name: name.to_owned(),
            points,
        });
    }
}

fn picture(unit: Unit) -> &'static str {
    if unit == Unit::Mebibytes {
        "Soak: memory, file and log"
    } else if unit == Unit::Count {
        "Soak: rows of sessions"
    } else {
        "Soak: p99"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A report on samples whose every column is what `value` says to their share of the time.
    fn judged(value: impl Fn(f64) -> f64) -> Report {
        let samples = (0..40).map(|number| value(f64::from(number) / 40.0)).map(|value| Sample {
            memory_mib: value,
            file_mib: value,
            log_mib: value,
            renewals_p99_ms: value,
            profiles_p99_ms: value,
            ..Sample::default()
        });
        let mut report = Report::default();
        judge(&samples.collect::<Vec<_>>(), &mut report, Finding::limited);
        report
    }

    fn over(report: &Report) -> usize {
        report.findings.iter().filter(|finding| finding.within == Some(false)).count()
    }

    #[test]
    fn what_grows_between_the_second_and_the_last_quarter_is_over_its_limit() {
        for (what, value, expected) in [
            ("flat", (|_| 30.0) as fn(f64) -> f64, 0),
            ("filled in the first quarter", |share| if share < 0.25 { 5.0 } else { 30.0 }, 0),
            ("less than four more", |share| 30.0 + 4.0 * share, 0),
            ("one look at something else", |share| if share == 0.9 { 300.0 } else { 30.0 }, 0),
            ("the last look at something else", |share| if share > 0.97 { 300.0 } else { 30.0 }, 0),
            ("a leak", |share| 30.0 + 12.0 * share, 3),
            ("twice as much at the end", |share| if share < 0.75 { 30.0 } else { 60.0 }, 5),
            ("smaller at the end", |share| 60.0 - 30.0 * share, 0),
        ] {
            assert_eq!(over(&judged(value)), expected, "{what}");
        }
    }

    #[test]
    fn every_column_is_drawn_over_time() {
        let report = judged(|_| 1.0);

        assert_eq!(report.curves.len(), COLUMNS.len());
        assert!(report.curves.iter().all(|curve| curve.points.len() == 40));
    }
}
