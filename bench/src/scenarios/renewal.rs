//! `POST /api/refresh_token` with `REFRESH_GRACE=0s` beside a bare handler: what a durable rotation costs.
//!
//! Every request is on a uniformly random session of all, so that no row is warm, and every one is a write that is on disk
//! before its answer. Beside it the same service with commits that nobody shares, on this disk and on one whose every fsync
//! takes two milliseconds longer. At the end each session must be in the database as it was answered ([`ledger`](super::ledger)).

use anyhow::{Context as _, Result};

use super::ledger::Renewing;
use super::{Binary, Plan, bare, release, taken_down, variant};
use crate::disk::{self, SlowDisk};
use crate::driver::Pace;
use crate::figures::median;
use crate::measure::{Contender, Round, Turns, alternate, progress};
use crate::report::{Finding, Limit, Report, Series, Unit};
use crate::seed::{Person, World};
use crate::work::FixedRenewals;

/// Of the bare handler's CPU.
const CPU: Limit = Limit::RatioAtMost(2.5);
/// Of the bare handler's throughput.
const THROUGHPUT: Limit = Limit::RatioAtLeast(0.45);
/// Of the bare handler's p99, or in milliseconds.
const P99: Limit = Limit::AtMostTimesOr(4.0, 25.0);
/// Of the throughput of a commit for each renewal, on a disk whose fsync takes [`SLOW_MS`] or more.
const SHARING: Limit = Limit::RatioAtLeast(20.0);
/// In milliseconds.
const SLOW_MS: f64 = 1.0;
/// The share of the closed loop's throughput at which tails are measured.
const PACED_AT: f64 = 0.5;

/// The service with commits that nobody shares.
const UNSHARED: [&str; 2] = ["--largest-batch", "1"];

/// Measures it.
pub fn run(plan: &Plan, report: &mut Report) -> Result<()> {
    let world = World::new(&plan.ground, plan.cost, &[])?;
    // One more, whose token is spent on what the bare handlers answer.
    let people = world.people(plan.sessions + 1)?;
    let (spent, people) = people.split_last().context("no sessions")?;
    on_this_disk(plan, report, (&world, people), spent)?;
    on_a_slow_disk(plan, report, (&world, people))
}

fn on_this_disk(plan: &Plan, report: &mut Report, start: (&World, &[Person]), spent: &Person) -> Result<()> {
    let (world, people) = start;
    let service = |with: &Binary| Renewing::start(plan, &with.name, start, |world| release(with, world));
    let mut services = plan.binaries.iter().map(service).collect::<Result<Vec<_>>>()?;
    let mut alone = Renewing::start(plan, "a commit each", start, |world| variant(world, &UNSHARED))?;
    let answers = taken_down(&services.first().context("no server")?.service.server, spent)?;
    let bare = bare(world, &answers)?;
    let mut fixed = FixedRenewals::of(people, &answers.renewal.body);

    let mut fsyncs = Vec::new();
    let mut contenders = vec![Contender::new("bare POST", &bare, &mut fixed, plan.connections, Pace::Closed)];
    for service in services.iter_mut().chain([&mut alone]) {
        contenders.push(service.contender(plan, Pace::Closed));
    }
    let closed = alternate("renewal", plan.rounds, plan.span, &mut contenders, || {
        fsyncs.extend(disk::fsyncs(world.directory.path())?);
        Ok(())
    })?;
    drop(contenders);
    let fsync_ms = median(fsyncs.iter().map(|fsync| fsync.as_secs_f64() * 1e3));
    report.findings.push(Finding::new("renewal", "fsync, median", fsync_ms, Unit::Milliseconds));
    judge_closed(plan, report, &closed, fsync_ms)?;

    let rate = PACED_AT * closed.get(1).context("no turns")?.median(|round| round.rate);
    let pace = Pace::PerSecond(rate);
    let mut contenders = vec![Contender::new("bare POST", &bare, &mut fixed, plan.connections, pace)];
    contenders.extend(services.first_mut().map(|service| service.contender(plan, pace)));
    let paced = alternate("renewal", plan.rounds, plan.span, &mut contenders, || Ok(()))?;
    drop(contenders);
    judge_paced(plan, report, &paced, rate);
    report.turns.extend(closed.iter().chain(&paced).map(|turns| Series::of("renewal", turns)));

    bare.stop()?;
    services.into_iter().chain([alone]).try_for_each(Renewing::stop)
}

fn judge_closed(plan: &Plan, report: &mut Report, turns: &[Turns], fsync_ms: f64) -> Result<()> {
    let (bare, rest) = turns.split_first().context("no turns")?;
    let (alone, services) = rest.split_last().context("no turns")?;
    for (number, own) in services.iter().enumerate() {
        let name = if number == 0 { String::new() } else { format!(", {}", own.name) };
        let findings = [
            (Finding::cpu("renewal", format!("CPU per request{name}"), (own, bare)), CPU),
            (Finding::rate("renewal", format!("renewals{name}"), (own, bare)), THROUGHPUT),
            (Finding::p99("renewal", format!("p99{name}"), (own, bare)), P99),
        ];
        for (finding, limit) in findings {
            report.findings.push(if number == 0 { plan.limit(finding, limit) } else { finding });
        }
    }
    let own = services.first().context("no turns")?;
    let sharing = Finding::rate("renewal", "renewals, beside a commit each", (own, alone));
    report.findings.push(if fsync_ms >= SLOW_MS { plan.limit(sharing, SHARING) } else { sharing });
    Ok(())
}

fn judge_paced(plan: &Plan, report: &mut Report, turns: &[Turns], rate: f64) {
    let [bare, own] = turns else { return };
    let measure = |share: &str| format!("{share} at {rate:.0}/s, from when each was due");
    report.findings.push(plan.limit(Finding::p99("renewal", measure("p99"), (own, bare)), P99));
    let p999 = |round: &Round| round.p999_ms;
    report.findings.push(Finding::of("renewal", measure("p99.9"), (own, bare), p999, Unit::Milliseconds));
}

/// Shared commits and a commit each on a disk that is as slow as many are.
fn on_a_slow_disk(plan: &Plan, report: &mut Report, start: (&World, &[Person])) -> Result<()> {
    let Some(slow) = SlowDisk::build(&plan.ground)? else {
        progress("renewal: no C compiler, so no slow disk");
        return Ok(());
    };
    let judged = plan.judged_binary()?;
    let mut shared =
        Renewing::start(plan, "shared, slow fsync", start, |world| Ok(slow.below(release(judged, world)?)))?;
    let mut alone =
        Renewing::start(plan, "a commit each, slow fsync", start, |world| Ok(slow.below(variant(world, &UNSHARED)?)))?;
    let mut contenders = [shared.contender(plan, Pace::Closed), alone.contender(plan, Pace::Closed)];
    let turns = alternate("renewal", plan.rounds, plan.span, &mut contenders, || Ok(()))?;
    if let [shared, alone] = &turns[..] {
        let measure = format!("renewals, {} ms more per fsync, beside a commit each", disk::ADDED_MS);
        report.findings.push(plan.limit(Finding::rate("renewal", measure, (shared, alone)), SHARING));
    }
    report.turns.extend(turns.iter().map(|turns| Series::of("renewal", turns)));
    [shared, alone].into_iter().try_for_each(Renewing::stop)
}
