//! `POST /api/login` beside bcrypt itself: what the service adds to the hash that a login is.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::{Plan, judged};
use crate::baseline;
use crate::driver::{Pace, Stream, drive};
use crate::figures::median;
use crate::keys::Keys;
use crate::measure::progress;
use crate::process::Server;
use crate::report::{Finding, Limit, Report, Unit};
use crate::seed::{Person, World};
use crate::work::Logins;

/// Of bcrypt's own bound.
const THROUGHPUT: Limit = Limit::RatioAtLeast(0.95);
/// Logins in flight for each hashing thread: enough that none ever waits for the next.
const IN_FLIGHT: usize = 4;
/// A hash takes a fifth of a second and more: so many times longer turns give the rate two digits.
const LONGER: u32 = 4;
/// Who logs in, in turn.
const PEOPLE: usize = 50;

/// Measures it.
pub fn run(plan: &Plan, report: &mut Report) -> Result<()> {
    // However slow the machine is, nobody is turned away: that is the flood's business.
    let world = World::new(&plan.ground, plan.cost, &[("HASH_MAX_WAIT", "60s")])?;
    let people = world.people(PEOPLE)?;
    let keys = world.keys()?;
    let server = judged(plan, &world)?;
    let span = plan.span * LONGER;
    let (mut bounds, mut rates) = (Vec::new(), Vec::new());
    for round in 1..=plan.rounds {
        let bound = baseline::hashing(plan.cores, plan.cost, span)?;
        let rate = logins(&server, (&people, &keys), plan.cores, span)?;
        progress(&format!("login: round {round} of {}: bcrypt {bound:.2}/s, logins {rate:.2}/s", plan.rounds));
        bounds.push(bound);
        rates.push(rate);
    }
    let ratio = median(rates.iter().zip(&bounds).map(|(rate, bound)| rate / bound));
    let measure = format!("logins, beside bcrypt at cost {}", plan.cost);
    let mut finding = Finding::new("login", measure, median(rates.into_iter()), Unit::PerSecond);
    finding.beside = Some(median(bounds.into_iter()));
    finding.ratio = Some(ratio);
    report.findings.push(plan.limit(finding, THROUGHPUT));
    server.stop()
}

fn logins(server: &Server, (people, keys): (&[Person], &Keys), threads: usize, span: Duration) -> Result<f64> {
    let connections = threads * IN_FLIGHT;
    let mut work = Logins::of(people, keys);
    let stream = Stream { address: server.address, connections, pace: Pace::Closed, work: &mut work };
    let tally = drive(&mut [stream], span)?.pop().context("no tally")?;
    Ok(tally.rate_between(threads))
}
