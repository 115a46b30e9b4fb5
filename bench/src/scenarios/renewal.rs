//! `POST /api/refresh_token` with `REFRESH_GRACE=0s` beside a bare handler: what a durable rotation costs.
//!
//! Every request is on a uniformly random session of all, so that no row is warm, and every one is a write that is on disk
//! before its answer. Beside it the same service with commits that nobody shares, on this disk and on one whose every fsync
//! takes two milliseconds longer. At the end each session must be in the database at the generation that its last answer
//! named.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use rusqlite::{Connection, OpenFlags};
use uuid::Uuid;

use super::{Plan, bare, service, taken_down, variant};
use crate::disk::{self, SlowDisk};
use crate::driver::Pace;
use crate::measure::{Contender, Turns, alternate, progress};
use crate::process::{self, Server};
use crate::report::{Finding, Limit, Report, Series, Unit};
use crate::seed::{Person, World};
use crate::work::{FixedRenewals, Renewals};

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

/// Measures it.
pub fn run(plan: &Plan, report: &mut Report) -> Result<()> {
    let world = World::new(&plan.ground, plan.cost, &[])?;
    let people = world.people(plan.sessions)?;
    let (spent, people) = people.split_last().context("no sessions")?;
    let copies = |count: usize| (0..count).map(|_| world.copy(&plan.ground)).collect::<Result<Vec<_>>>();
    let worlds = copies(plan.binaries.len())?;
    let servers = plan
        .binaries
        .iter()
        .zip(&worlds)
        .map(|(binary, world)| service(&binary.path, world))
        .collect::<Result<Vec<_>>>()?;
    let alone_world = world.copy(&plan.ground)?;
    let alone = variant(&alone_world, &["--largest-batch", "1"])?;
    let answers = taken_down(servers.first().context("no server")?, spent)?;
    let bare = bare(&world, &answers)?;

    let mut fixed = FixedRenewals::of(people, &answers.renewal.body);
    let mut works: Vec<Renewals> = servers.iter().map(|_| Renewals::of(people)).collect();
    let mut alone_work = Renewals::of(people);
    let mut fsyncs = Vec::new();
    let closed = {
        let closed = |name: &str, server, work| Contender {
            name: name.to_owned(),
            server,
            work,
            connections: plan.connections,
            pace: Pace::Closed,
        };
        let mut contenders = vec![closed("bare POST", &bare, &mut fixed)];
        for ((binary, server), work) in plan.binaries.iter().zip(&servers).zip(&mut works) {
            contenders.push(closed(&binary.name, server, work));
        }
        contenders.push(closed("a commit each", &alone, &mut alone_work));
        alternate("renewal", plan.rounds, plan.span, &mut contenders, || {
            fsyncs.extend(disk::fsyncs(world.directory.path())?);
            Ok(())
        })?
    };
    let fsync_ms = crate::measure::median(fsyncs.iter().map(|fsync| fsync.as_secs_f64() * 1e3));
    report.findings.push(Finding::new("renewal", "fsync, median", fsync_ms, Unit::Milliseconds));
    judge_closed(plan, report, &closed, fsync_ms)?;

    let rate = PACED_AT * closed.get(1).context("no turns")?.median(|round| round.rate);
    let mut paced = vec![Contender {
        name: format!("bare POST at {rate:.0}/s"),
        server: &bare,
        work: &mut fixed,
        connections: plan.connections,
        pace: Pace::PerSecond(rate),
    }];
    if let (Some(server), Some(work)) = (servers.first(), works.first_mut()) {
        let name = format!("{} at {rate:.0}/s", plan.judged_binary()?.name);
        paced.push(Contender { name, server, work, connections: plan.connections, pace: Pace::PerSecond(rate) });
    }
    let paced = alternate("renewal", plan.rounds, plan.span, &mut paced, || Ok(()))?;
    if let [bare, own] = &paced[..] {
        let p99 = |round: &crate::measure::Round| round.p99_ms;
        let measure = format!("p99 at {rate:.0}/s, from when each was due");
        let finding = Finding::of("renewal", measure, (own, bare), p99, Unit::Milliseconds);
        report.findings.push(plan.limit(finding, P99));
        let measure = format!("p99.9 at {rate:.0}/s, from when each was due");
        let p999 = |round: &crate::measure::Round| round.p999_ms;
        report.findings.push(Finding::of("renewal", measure, (own, bare), p999, Unit::Milliseconds));
    }
    report.turns.extend(closed.iter().chain(&paced).map(|turns| Series::of("renewal", turns)));

    bare.stop()?;
    for ((server, world), work) in servers.into_iter().zip(&worlds).zip(&works) {
        stopped(server, world, work)?;
    }
    stopped(alone, &alone_world, &alone_work)?;
    on_a_slow_disk(plan, report, &world, people)
}

fn judge_closed(plan: &Plan, report: &mut Report, turns: &[Turns], fsync_ms: f64) -> Result<()> {
    let (bare, rest) = turns.split_first().context("no turns")?;
    let (alone, services) = rest.split_last().context("no turns")?;
    for (number, own) in services.iter().enumerate() {
        let name = if number == 0 { String::new() } else { format!(", {}", own.name) };
        let beside = (own, bare);
        let findings = [
            (
                Finding::of(
                    "renewal",
                    format!("CPU per request{name}"),
                    beside,
                    |round| round.cpu_us,
                    Unit::Microseconds,
                ),
                CPU,
            ),
            (
                Finding::of("renewal", format!("renewals{name}"), beside, |round| round.rate, Unit::PerSecond),
                THROUGHPUT,
            ),
            (Finding::of("renewal", format!("p99{name}"), beside, |round| round.p99_ms, Unit::Milliseconds), P99),
        ];
        for (finding, limit) in findings {
            report.findings.push(if number == 0 { plan.limit(finding, limit) } else { finding });
        }
    }
    let own = services.first().context("no turns")?;
    let measure = "renewals, beside a commit each";
    let sharing = Finding::of("renewal", measure, (own, alone), |round| round.rate, Unit::PerSecond);
    report.findings.push(if fsync_ms >= SLOW_MS { plan.limit(sharing, SHARING) } else { sharing });
    Ok(())
}

/// The same two on a disk that is as slow as many are.
fn on_a_slow_disk(plan: &Plan, report: &mut Report, world: &World, people: &[Person]) -> Result<()> {
    let Some(slow) = SlowDisk::build(&plan.ground)? else {
        progress("renewal: no C compiler, so no slow disk");
        return Ok(());
    };
    let (shared_world, alone_world) = (world.copy(&plan.ground)?, world.copy(&plan.ground)?);
    let mut shared =
        process::command(&plan.judged_binary()?.path, &shared_world.environment, shared_world.directory.path());
    slow.below(&mut shared);
    let shared = Server::start(shared, b"")?;
    let mut alone = super::ourselves(&alone_world)?;
    alone.args(["serve-variant", "--largest-batch", "1"]);
    slow.below(&mut alone);
    let alone = Server::start(alone, b"")?;
    let (mut shared_work, mut alone_work) = (Renewals::of(people), Renewals::of(people));
    let closed = |name: &str, server, work| Contender {
        name: name.to_owned(),
        server,
        work,
        connections: plan.connections,
        pace: Pace::Closed,
    };
    let mut contenders = [
        closed("shared, slow fsync", &shared, &mut shared_work),
        closed("a commit each, slow fsync", &alone, &mut alone_work),
    ];
    let turns = alternate("renewal", plan.rounds, plan.span, &mut contenders, || Ok(()))?;
    if let [shared, alone] = &turns[..] {
        let measure = format!("renewals, {} ms more per fsync, beside a commit each", disk::ADDED_MS);
        let finding = Finding::of("renewal", measure, (shared, alone), |round| round.rate, Unit::PerSecond);
        report.findings.push(plan.limit(finding, SHARING));
    }
    report.turns.extend(turns.iter().map(|turns| Series::of("renewal", turns)));
    stopped(shared, &shared_world, &shared_work)?;
    stopped(alone, &alone_world, &alone_work)
}

/// Stops a server and holds its database against what it answered.
fn stopped(server: Server, world: &World, work: &Renewals) -> Result<()> {
    server.stop()?;
    compare(&world.database(), work)
}

fn compare(database: &Path, work: &Renewals) -> Result<()> {
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut statement = connection.prepare("SELECT id, current_generation FROM sessions WHERE ended_at IS NULL")?;
    let stored: HashMap<Uuid, u32> =
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?;
    for (session, answered) in work.generations() {
        let stored = stored.get(&session.0).copied();
        ensure!(
            stored == Some(answered),
            "a session was answered generation {answered} and is stored with {stored:?}: a renewal was lost or made twice"
        );
    }
    Ok(())
}
