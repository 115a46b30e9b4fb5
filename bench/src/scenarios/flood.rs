//! Four times as many logins as the machine can hash, beside people who renew and call: who feels it.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use hdrhistogram::Histogram;

use super::{Plan, judged, ledger};
use crate::baseline;
use crate::driver::{Pace, Stream, drive};
use crate::figures::{mebibytes, number, quantile_ms};
use crate::measure::progress;
use crate::process::Server;
use crate::report::{Finding, Limit, Report, Unit};
use crate::seed::{Person, World};
use crate::tally::{DIGITS, Tally};
use crate::watch::{Watched, watched};
use crate::work::{Logins, Profiles, Renewals};

/// Of the p99 without the flood, or in milliseconds.
const P99: Limit = Limit::AtMostTimesOr(5.0, 25.0);
/// Of resident memory, in MiB.
const GROWTH: Limit = Limit::AtMost(32.0);
/// Logins offered, in bcrypt's own bounds.
const OFFERED: f64 = 4.0;
/// Renewals, and profiles, a second.
const OTHERS: f64 = 1000.0;
/// Connections of each of those, and the least of the logins.
pub const CONNECTIONS: usize = 64;
/// The most of the logins: below the usual limit of open files.
const MOST_CONNECTIONS: usize = 768;
/// Logins in flight, in those that the service lets wait: with fewer than one nobody would be turned away.
const BEYOND_WAITING: f64 = 2.0;
/// The flood must outlast `HASH_MAX_WAIT`, from where on logins are turned away.
const LEAST_SPAN: Duration = Duration::from_secs(8);
/// Who logs in, in turn.
const LOGGING_IN: usize = 50;

/// What all rounds showed.
struct Seen {
    /// Renewals, and profiles.
    calls: [(&'static str, Latencies); 2],
    turned_away: u64,
    logged_in: u64,
    growth_mib: f64,
}

/// Of one kind of call, without the flood and with it.
struct Latencies {
    quiet: Histogram<u64>,
    flooded: Histogram<u64>,
}

impl Latencies {
    fn none() -> Result<Self> {
        Ok(Self { quiet: Histogram::new(DIGITS)?, flooded: Histogram::new(DIGITS)? })
    }
}

/// Measures it.
pub fn run(plan: &Plan, report: &mut Report) -> Result<()> {
    let world = World::new(&plan.ground, plan.cost, &[])?;
    // Others than those who renew: who logs in often enough has older sessions ended.
    let people = world.people(plan.sessions + LOGGING_IN)?;
    let (logging_in, people) = people.split_at_checked(LOGGING_IN).context("too few people")?;
    let keys = world.keys()?;
    let server = judged(plan, &world)?;
    let bound = baseline::hashing(plan.cores, plan.cost, plan.span)?;
    let connections = connections(bound, world.settings()?.hash_max_wait);
    let offered = OFFERED * bound;
    let mut renewals = Renewals::of(people);
    let calls = [("renewals", Latencies::none()?), ("profiles", Latencies::none()?)];
    let mut seen = Seen { calls, turned_away: 0, logged_in: 0, growth_mib: 0.0 };
    for round in 1..=plan.rounds {
        progress(&format!("flood: round {round} of {}, {offered:.0} logins/s", plan.rounds));
        let flood = Flood { logins: Logins::too_many(logging_in, &keys), rate: offered, connections };
        seen.add_round((&server, &world.database()), (&mut renewals, people), flood, (plan.span * 2).max(LEAST_SPAN))?;
    }
    seen.judge(plan, report);
    server.stop()?;
    ledger::compare(&world, &renewals)
}

/// More logins than can be answered.
struct Flood<'people> {
    logins: Logins<'people>,
    rate: f64,
    connections: usize,
}

/// So many that more logins are in flight than a service with this bound hashes while it lets anybody wait.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped, and never below nothing")]
fn connections(bound: f64, hash_max_wait: Duration) -> usize {
    ((BEYOND_WAITING * bound * hash_max_wait.as_secs_f64()) as usize).clamp(CONNECTIONS, MOST_CONNECTIONS)
}

impl Seen {
    fn add_round(
        &mut self,
        (server, database): (&Server, &Path),
        (renewals, people): (&mut Renewals, &[Person]),
        mut flood: Flood<'_>,
        span: Duration,
    ) -> Result<()> {
        // Both alike, though the first one's peaks are not needed: a look takes time of the same processors.
        let watch = [Watched { group: server.group, database }];
        let (quiet, _) = watched(&watch, || others(server, renewals, people, None, span))?;
        let before = server.group.resident_of_first()?;
        let (flooded, peaks) = watched(&watch, || others(server, renewals, people, Some(&mut flood), span))?;
        let peak = peaks.first().context("nobody was watched")?.resident;
        self.growth_mib = self.growth_mib.max(mebibytes(peak.saturating_sub(before)));
        self.turned_away += flood.logins.turned_away;
        self.logged_in += flooded.get(2).map_or(0, |tally| tally.accepted);
        for (((_, latencies), quiet), flooded) in self.calls.iter_mut().zip(&quiet).zip(&flooded) {
            latencies.quiet.add(&quiet.latency)?;
            latencies.flooded.add(&flooded.latency)?;
        }
        Ok(())
    }

    fn judge(&self, plan: &Plan, report: &mut Report) {
        for (call, latencies) in &self.calls {
            for (share, name) in [(0.5, "p50"), (0.99, "p99"), (0.999, "p99.9")] {
                let measure = format!("{name} of {OTHERS}/s {call}, beside no flood");
                let [flooded, quiet] = [&latencies.flooded, &latencies.quiet].map(|seen| quantile_ms(seen, share));
                let finding = Finding::new("flood", measure, flooded, Unit::Milliseconds).beside(quiet);
                report.findings.push(if name == "p99" { plan.limit(finding, P99) } else { finding });
            }
        }
        let count = |measure: &str, count: u64| Finding::new("flood", measure, number(count), Unit::Count);
        report.findings.push(count("logins that succeeded", self.logged_in));
        let away = count("logins turned away with Retry-After", self.turned_away);
        // Without one, there was no flood.
        report.findings.push(plan.limit(away, Limit::AtLeast(1.0)));
        let growth = Finding::new("flood", "growth of memory", self.growth_mib, Unit::Mebibytes);
        report.findings.push(plan.limit(growth, GROWTH));
    }
}

/// Renewals and profiles at their rates, and logins at theirs where there is a flood; a tally of each.
fn others(
    server: &Server,
    renewals: &mut Renewals,
    people: &[Person],
    flood: Option<&mut Flood<'_>>,
    span: Duration,
) -> Result<Vec<Tally>> {
    let address = server.address;
    let mut profiles = Profiles::of(people);
    let paced = Pace::PerSecond(OTHERS);
    let mut streams = vec![
        Stream { address, connections: CONNECTIONS, pace: paced, work: renewals },
        Stream { address, connections: CONNECTIONS, pace: paced, work: &mut profiles },
    ];
    if let Some(Flood { logins, rate, connections }) = flood {
        streams.push(Stream { address, connections: *connections, pace: Pace::PerSecond(*rate), work: logins });
    }
    drive(&mut streams, span)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_logins_are_in_flight_than_may_wait_as_far_as_there_are_files() {
        let wait = Duration::from_secs(3);

        assert_eq!(connections(8.0, wait), 64);
        assert_eq!(connections(40.0, wait), 240);
        assert_eq!(connections(2000.0, wait), 768);
    }
}
