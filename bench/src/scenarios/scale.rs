//! The same renewals with ten thousand sessions, a million and, where it is asked for, ten million: what does not stay as it was.
//!
//! One server on each database, and all of them take turns in the same rounds. Every renewal is of a uniformly random session and
//! rotates durably. Then: what a session takes on the disk, fresh and renewed; how soon a server is there that was stopped, and one
//! that was killed with a long log; and whether each session is stored as it was answered.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::{Plan, first_answer, judged, ledger};
use crate::browsers;
use crate::disk;
use crate::driver::{Pace, Stream, drive};
use crate::figures::{mebibytes, median, number};
use crate::keys::Keys;
use crate::measure::{Contender, Round, Turns, alternate, progress};
use crate::past::crowd;
use crate::process::Server;
use crate::reader;
use crate::report::{Curve, Finding, Limit, Report, Series, Unit};
use crate::seed::World;
use crate::space::Space;
use crate::watch::{Peak, Watched, bytes, log_of, watched};
use crate::work::CrowdRenewals;

/// Of the throughput with ten thousand sessions.
const THROUGHPUT: Limit = Limit::RatioAtLeast(0.8);
/// Of memory beyond that with ten thousand sessions, in MiB.
const GROWTH: Limit = Limit::AtMost(64.0);
/// On the disk, for each session, whatever belongs to it; its account does not.
const BYTES: Limit = Limit::AtMost(320.0);
/// What is held against it.
const DISK: &str = "disk of a session without its account";
/// In milliseconds, from the start of the process to the first renewal, of the slowest start: it is to hold at any.
const START: Limit = Limit::AtMost(300.0);
/// Of the log, in MiB. It starts over from 16 MiB on, when the helper has synced the file; from 24 MiB on the writer does not wait for
/// that and tries with each MiB more, and a batch of 512 rotations adds one or two. It cannot while the helper copies, and meanwhile
/// the log grows with the load, by some 45 MiB a second at the most that was seen. So this is a checkpoint of a second.
const LOG: Limit = Limit::AtMost(64.0);

/// Sessions.
const SIZES: [u32; 3] = [10_000, 1_000_000, 10_000_000];
/// In a short run.
const SMOKE_SIZES: [u32; 2] = [1_000, 20_000];
/// Bytes that must be free for ten million: their file with its log, and room for whatever else the machine does.
const BIG_DISK: u64 = 8 * 1024 * 1024 * 1024;
/// Sessions of which each has a user agent of its own.
const OF_THEIR_OWN: u32 = 10_000;
/// In a short run.
const SMOKE_OF_THEIR_OWN: u32 = 500;
/// How often each is started after a stop, and after a kill.
const STARTS: [usize; 2] = [5, 3];
/// Bytes for each session, from which on a table or an index is told of.
const SHOWN_FROM: f64 = 1.0;
/// The log of a server that is killed: as long as it gets before it is to start over.
const LONG_LOG: u64 = 16 * 1024 * 1024;
/// The longest that renewals go on after the rounds, until there were as many as sessions.
const RENEWING: Duration = Duration::from_secs(100);

/// A database of one size.
struct Scale<'keys> {
    name: String,
    world: World,
    work: CrowdRenewals<'keys>,
    /// Before anything was renewed.
    fresh: Space,
}

/// Measures it.
pub fn run(plan: &Plan, report: &mut Report) -> Result<()> {
    let sizes = match (plan.judged, plan.big) {
        (false, _) => &SMOKE_SIZES[..],
        (true, false) => SIZES.split_last().context("no sizes")?.1,
        (true, true) => &SIZES,
    };
    if plan.big {
        let free = disk::free(&plan.ground)?;
        ensure!(free >= BIG_DISK, "{:.0} MiB of disk are free: 6 GiB are written, 8 GiB must be free", mebibytes(free));
    }
    all_of_their_own(plan, report)?;
    let worlds = sizes.iter().map(|_| World::new(&plan.ground, plan.cost, &[])).collect::<Result<Vec<_>>>()?;
    let keys = worlds.iter().map(World::keys).collect::<Result<Vec<_>>>()?;
    let mut scales = Vec::new();
    for ((size, world), keys) in sizes.iter().zip(worlds).zip(&keys) {
        scales.push(Scale::seed(*size, world, keys)?);
    }
    load(plan, report, &mut scales)?;
    for scale in &mut scales {
        scale.judge_space(plan, report)?;
    }
    for scale in &mut scales {
        scale.judge_starts(plan, report)?;
        ledger::hold_against(&scale.world.database(), scale.work.generations())?;
    }
    Ok(())
}

/// What a session takes of which no other has the user agent, which is stored once for all that have it. Without a limit: nobody has
/// such a crowd but who invents it.
fn all_of_their_own(plan: &Plan, report: &mut Report) -> Result<()> {
    let sessions = if plan.judged { OF_THEIR_OWN } else { SMOKE_OF_THEIR_OWN };
    let world = World::new(&plan.ground, plan.cost, &[])?;
    crowd(&world, sessions, browsers::own)?;
    let each = number(Space::of(&world.database())?.of_sessions()) / f64::from(sessions);
    let measure = format!("{DISK}, {sessions} sessions, every one with a user agent of its own");
    report.findings.push(Finding::new("scale", measure, each, Unit::Bytes));
    Ok(())
}

impl<'keys> Scale<'keys> {
    fn seed(size: u32, world: World, keys: &'keys Keys) -> Result<Self> {
        let name = format!("{size} sessions");
        let begun = Instant::now();
        let members = crowd(&world, size, browsers::of)?;
        progress(&format!("scale: {name} in {:.1} s", begun.elapsed().as_secs_f64()));
        let fresh = Space::of(&world.database())?;
        Ok(Self { name, work: CrowdRenewals::of(members, keys), world, fresh })
    }

    fn sessions(&self) -> f64 {
        number(u64::try_from(self.work.sessions()).unwrap_or(u64::MAX))
    }

    /// Goes on until there were as many renewals as sessions, or for long enough: how many for each session.
    fn renew_all(&mut self, server: &Server, plan: &Plan) -> Result<()> {
        let begun = Instant::now();
        let mut answers = 0;
        while number(answers) < self.sessions() && begun.elapsed() < RENEWING {
            answers += renewals(server, &mut self.work, plan.connections, plan.span)?;
        }
        Ok(())
    }

    fn judge_space(&self, plan: &Plan, report: &mut Report) -> Result<()> {
        let renewed = Space::of(&self.world.database())?;
        let rotations: u64 = self.work.generations().map(|(_, generation)| u64::from(generation - 1)).sum();
        let each = number(rotations) / self.sessions();
        for (space, when) in
            [(&self.fresh, "fresh".to_owned()), (&renewed, format!("after {each:.1} renewals of each"))]
        {
            let finding = |what: &str, bytes: u64| {
                let measure = format!("{what}, {}, {when}", self.name);
                Finding::new("scale", measure, number(bytes) / self.sessions(), Unit::Bytes)
            };
            report.findings.push(plan.limit(finding(DISK, space.of_sessions()), BYTES));
            report.findings.push(finding("disk of its account", space.of_others()));
            report.findings.push(finding("the whole file, for each session", space.file));
            for part in &space.parts {
                let each = number(part.bytes) / self.sessions();
                if each < SHOWN_FROM {
                    break;
                }
                progress(&format!("scale: {}, {when}: {each:.1} B {} ({})", self.name, part.name, part.table));
            }
        }
        Ok(())
    }

    /// Starts it after stops and after kills.
    fn judge_starts(&mut self, plan: &Plan, report: &mut Report) -> Result<()> {
        let [stops, kills] = STARTS;
        let mut starts = Vec::new();
        for _ in 0..stops {
            starts.push(self.start(plan)?);
        }
        let mut after_kills = Vec::new();
        let mut log = 0;
        for _ in 0..kills {
            log = self.kill(plan)?.max(log);
            after_kills.push(self.start(plan)?);
        }
        let name = &self.name;
        for (measure, spans) in [
            (format!("start to first renewal, {name}"), starts),
            (format!("start after a kill with {:.0} MiB of log, {name}", mebibytes(log)), after_kills),
        ] {
            progress(&format!("scale: {measure}: {spans:.0?} ms"));
            let [slowest, middle] = started(&measure, &spans);
            report.findings.extend([plan.limit(slowest, START), middle]);
        }
        Ok(())
    }

    /// Milliseconds from a start to the first renewal.
    fn start(&mut self, plan: &Plan) -> Result<f64> {
        let begun = Instant::now();
        let server = judged(plan, &self.world)?;
        first_answer(&server, &mut self.work)?;
        let taken = begun.elapsed().as_secs_f64() * 1e3;
        server.stop()?;
        Ok(taken)
    }

    /// Kills a server whose log is long, and says how long. Somebody reads meanwhile, so that the log cannot start over.
    fn kill(&mut self, plan: &Plan) -> Result<u64> {
        let server = judged(plan, &self.world)?;
        let database = self.world.database();
        let reader = reader::open(&database)?;
        reader.execute_batch("BEGIN; SELECT 1 FROM service")?;
        let log = log_of(&database);
        while bytes(&log)? < LONG_LOG {
            renewals(&server, &mut self.work, plan.connections, plan.span / 4)?;
        }
        // Before the kill: the last connection that closes copies the log.
        drop(reader);
        server.kill()?;
        bytes(&log)
    }
}

/// The slowest of some starts, which is judged, and the median.
fn started(measure: &str, spans: &[f64]) -> [Finding; 2] {
    let finding = |which, span| Finding::new("scale", format!("{measure}, {which}"), span, Unit::Milliseconds);
    let slowest = spans.iter().copied().fold(0.0, f64::max);
    [finding("the slowest", slowest), finding("the median", median(spans.iter().copied()))]
}

/// Renewals as fast as they are answered: how many.
fn renewals(server: &Server, work: &mut CrowdRenewals<'_>, connections: usize, span: Duration) -> Result<u64> {
    let stream = Stream { address: server.address, connections, pace: Pace::Closed, work };
    Ok(drive(&mut [stream], span)?.pop().context("no tally")?.answers)
}

/// All sizes in turn.
fn load(plan: &Plan, report: &mut Report, scales: &mut [Scale<'_>]) -> Result<()> {
    let mut servers = Vec::new();
    for scale in &*scales {
        servers.push(judged(plan, &scale.world)?);
    }
    let databases: Vec<_> = scales.iter().map(|scale| scale.world.database()).collect();
    let watch: Vec<_> =
        servers.iter().zip(&databases).map(|(server, database)| Watched { group: server.group, database }).collect();
    let (turns, peaks) = watched(&watch, || {
        let mut contenders = Vec::new();
        for (scale, server) in scales.iter_mut().zip(&servers) {
            let work = &mut scale.work;
            contenders.push(Contender::new(&scale.name, server, work, plan.connections, Pace::Closed));
        }
        let turns = alternate("scale", plan.rounds, plan.span, &mut contenders, || Ok(()))?;
        drop(contenders);
        // Not measured: so that most rows are as long as renewed ones are.
        for (scale, server) in scales.iter_mut().zip(&servers) {
            scale.renew_all(server, plan)?;
        }
        Ok(turns)
    })?;
    judge_load(report, &turns, &peaks, |finding, limit| plan.limit(finding, limit))?;
    let over_sizes = |unit, figure: fn(&Round) -> f64| Curve {
        picture: if unit == "/s" { "Renewals a second" } else { "CPU per renewal" },
        over: "sessions (log 10)",
        unit,
        name: "median of the rounds".to_owned(),
        points: scales
            .iter()
            .zip(&turns)
            .map(|(scale, turns)| (scale.sessions().log10(), turns.median(figure)))
            .collect(),
    };
    report.curves.push(over_sizes("/s", |round| round.rate));
    report.curves.push(over_sizes("µs", |round| round.cpu_us));
    report.turns.extend(turns.iter().map(|turns| Series::of("scale", turns)));
    servers.into_iter().try_for_each(Server::stop)
}

fn judge_load(
    report: &mut Report,
    turns: &[Turns],
    peaks: &[Peak],
    limited: impl Fn(Finding, Limit) -> Finding,
) -> Result<()> {
    let (small, larger) = turns.split_first().context("no turns")?;
    let (small_peak, larger_peaks) = peaks.split_first().context("no peaks")?;
    ensure!(larger.len() == larger_peaks.len(), "peaks of others");
    for (own, peak) in larger.iter().zip(larger_peaks) {
        let measure = |what: &str| format!("{what}, {}, beside {}", own.name, small.name);
        report.findings.push(limited(Finding::rate("scale", measure("renewals"), (own, small)), THROUGHPUT));
        report.findings.push(Finding::cpu("scale", measure("CPU per renewal"), (own, small)));
        report.findings.push(Finding::p99("scale", measure("p99"), (own, small)));
        let (most, least) = (mebibytes(peak.resident), mebibytes(small_peak.resident));
        report.findings.push(Finding::new("scale", measure("most memory"), most, Unit::Mebibytes).beside(least));
        let growth = Finding::new("scale", format!("growth of memory, {}", own.name), most - least, Unit::Mebibytes);
        report.findings.push(limited(growth, GROWTH));
    }
    for (turns, peak) in turns.iter().zip(peaks) {
        let log = Finding::new("scale", format!("longest log, {}", turns.name), mebibytes(peak.log), Unit::Mebibytes);
        report.findings.push(limited(log, LOG));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use hdrhistogram::Histogram;

    use super::*;

    const MIB: u64 = 1024 * 1024;

    /// What is over its limit with a million, beside 10,000 renewals a second, 20 MiB of memory and a log of 16 with ten thousand.
    fn over(rate: f64, memory: u64, log: u64) -> Vec<String> {
        let turns = [("few", 10_000.0), ("many", rate)].map(|(name, rate)| Turns {
            name: name.to_owned(),
            rounds: vec![Round { answers: 1, rate, cpu_us: 1.0, p50_ms: 1.0, p99_ms: 1.0, p999_ms: 1.0 }],
            latency: Histogram::new(3).unwrap(),
        });
        let peaks = [(20, 16), (memory, log)].map(|(memory, log)| Peak { resident: memory * MIB, log: log * MIB });
        let mut report = Report::default();
        judge_load(&mut report, &turns, &peaks, Finding::limited).unwrap();
        let over = report.findings.into_iter().filter(|finding| finding.within == Some(false));
        over.map(|finding| finding.measure).collect()
    }

    #[test]
    fn what_does_not_stay_as_it_is_with_few_sessions_is_over_its_limit() {
        assert!(over(8_000.0, 84, 64).is_empty());
        assert_eq!(over(7_900.0, 84, 64), ["renewals, many, beside few"]);
        assert_eq!(over(8_000.0, 85, 64), ["growth of memory, many"]);
        assert_eq!(over(8_000.0, 84, 65), ["longest log, many"]);
    }

    #[test]
    fn the_slowest_start_is_the_one_that_is_judged() {
        let [slowest, middle] = started("start", &[10.0, 400.0, 20.0]);

        assert_eq!((slowest.found, middle.found), (400.0, 20.0));
        assert_eq!(slowest.limited(START).within, Some(false));
    }
}
