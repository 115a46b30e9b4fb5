//! Four times as many logins as the machine can hash, beside people who renew and call: who feels it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use hdrhistogram::Histogram;

use super::{Plan, service};
use crate::baseline;
use crate::driver::{DIGITS, Pace, Stream, Tally, drive};
use crate::measure::progress;
use crate::process::Server;
use crate::report::{Finding, Limit, Report, Unit};
use crate::seed::{Person, World};
use crate::work::{Logins, Profiles, Renewals};

/// Of the p99 without the flood, or in milliseconds.
const P99: Limit = Limit::AtMostTimesOr(5.0, 25.0);
/// Of resident memory, in MiB.
const GROWTH: Limit = Limit::AtMost(32.0);
/// Logins offered, in bcrypt's own bounds.
const OFFERED: f64 = 4.0;
/// Renewals, and profiles, a second.
const OTHERS: f64 = 1000.0;
/// Connections of each of those.
const CONNECTIONS: usize = 64;
/// The flood must outlast `HASH_MAX_WAIT`, from where on logins are turned away.
const LEAST_SPAN: Duration = Duration::from_secs(8);
/// Who logs in, in turn.
const LOGGING_IN: usize = 50;
/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(100);
const MIB: f64 = 1024.0 * 1024.0;

/// Latencies of one kind of call over all rounds.
struct Seen {
    quiet: Histogram<u64>,
    flooded: Histogram<u64>,
}

impl Seen {
    fn nothing() -> Result<Self> {
        Ok(Self { quiet: Histogram::new(DIGITS)?, flooded: Histogram::new(DIGITS)? })
    }
}

/// Measures it.
pub fn run(plan: &Plan, report: &mut Report) -> Result<()> {
    let world = World::new(&plan.ground, plan.cost, &[])?;
    let people = world.people(plan.sessions)?;
    let server = service(&plan.judged_binary()?.path, &world)?;
    let bound = baseline::hashing(plan.cores, plan.cost, plan.span)?;
    let span = (plan.span * 2).max(LEAST_SPAN);
    let mut renewals = Renewals::of(&people);
    let mut seen = [Seen::nothing()?, Seen::nothing()?];
    let (mut turned_away, mut logged_in, mut growth) = (0, 0, 0.0_f64);
    for round in 1..=plan.rounds {
        let quiet = others(&server, &mut renewals, &people, None, span)?;
        let before = server.resident()?;
        let logging_in = people.get(..LOGGING_IN).context("too few sessions")?;
        let mut logins = Logins::too_many(logging_in);
        let (flooded, peak) =
            watched(&server, || others(&server, &mut renewals, &people, Some((&mut logins, OFFERED * bound)), span))?;
        #[expect(clippy::cast_precision_loss, reason = "bytes of memory are far below 2^53")]
        let grown = peak.saturating_sub(before) as f64 / MIB;
        growth = growth.max(grown);
        turned_away += logins.turned_away;
        logged_in += flooded.get(2).map_or(0, |tally| tally.accepted);
        for ((seen, quiet), flooded) in seen.iter_mut().zip(&quiet).zip(&flooded) {
            ensure!(quiet.answers == quiet.accepted && flooded.answers == flooded.accepted, "a call failed");
            seen.quiet.add(&quiet.latency)?;
            seen.flooded.add(&flooded.latency)?;
        }
        progress(&format!(
            "flood: round {round} of {}: {:.0} logins/s offered, {} turned away, +{grown:.1} MiB",
            plan.rounds,
            OFFERED * bound,
            logins.turned_away
        ));
    }
    for (call, seen) in ["renewals", "profiles"].iter().zip(&seen) {
        for (share, name) in [(0.5, "p50"), (0.99, "p99"), (0.999, "p99.9")] {
            let measure = format!("{name} of {OTHERS}/s {call}, beside no flood");
            let finding = Finding::new("flood", measure, ms(&seen.flooded, share), Unit::Milliseconds)
                .beside(ms(&seen.quiet, share));
            report.findings.push(if name == "p99" { plan.limit(finding, P99) } else { finding });
        }
    }
    let count = |measure: &str, count: u64| {
        #[expect(clippy::cast_precision_loss, reason = "counts of one run are far below 2^53")]
        let count = count as f64;
        Finding::new("flood", measure, count, Unit::Count)
    };
    report.findings.push(count("logins that succeeded", logged_in));
    let away = count("logins turned away with Retry-After", turned_away);
    // Without one, there was no flood.
    report.findings.push(plan.limit(away, Limit::AtLeast(1.0)));
    report.findings.push(plan.limit(Finding::new("flood", "growth of memory", growth, Unit::Mebibytes), GROWTH));
    server.stop()
}

/// Renewals and profiles at their rates, and logins at theirs where there is a flood; a tally of each.
fn others(
    server: &Server,
    renewals: &mut Renewals,
    people: &[Person],
    flood: Option<(&mut Logins<'_>, f64)>,
    span: Duration,
) -> Result<Vec<Tally>> {
    let address = server.address;
    let mut profiles = Profiles::of(people);
    let paced = Pace::PerSecond(OTHERS);
    let mut streams = vec![
        Stream { address, connections: CONNECTIONS, pace: paced, work: renewals },
        Stream { address, connections: CONNECTIONS, pace: paced, work: &mut profiles },
    ];
    if let Some((logins, rate)) = flood {
        streams.push(Stream { address, connections: CONNECTIONS, pace: Pace::PerSecond(rate), work: logins });
    }
    drive(&mut streams, span)
}

/// Does `work` and says how much memory the server had at the most meanwhile.
fn watched<T>(server: &Server, work: impl FnOnce() -> Result<T>) -> Result<(T, u64)> {
    let (done, peak) = (AtomicBool::new(false), AtomicU64::new(server.resident()?));
    let result = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                peak.fetch_max(server.resident().unwrap_or(0), Ordering::Relaxed);
                std::thread::sleep(LOOK);
            }
        });
        let result = work();
        done.store(true, Ordering::Relaxed);
        result
    })?;
    Ok((result, peak.load(Ordering::Relaxed)))
}

fn ms(latency: &Histogram<u64>, share: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "latencies of one run are far below 2^53 µs")]
    let ms = latency.value_at_quantile(share) as f64 / 1e3;
    ms
}
