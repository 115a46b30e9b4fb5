//! `GET /api/profile` beside a bare handler that answers the same bytes: what protecting a call costs.
//!
//! With one token, as a script polls, and with as many different ones as there are sessions, as a site full of people
//! does. With the log as it is by default on both sides, and without request lines.

use anyhow::{Context as _, Result};

use super::{Plan, bare, service, taken_down, variant};
use crate::driver::Pace;
use crate::measure::{Contender, alternate};
use crate::report::{Finding, Limit, Report, Series, Unit};
use crate::seed::{Person, World};
use crate::work::Profiles;

/// Of the bare handler's CPU, with one token.
const ONE_TOKEN: Limit = Limit::RatioAtMost(1.25);
/// Of the bare handler's CPU, with 100,000 tokens.
const MANY_TOKENS: Limit = Limit::RatioAtMost(1.6);
/// What `RUST_LOG` says, and how that reads.
const LOGS: [(&str, &str); 2] = [("info", ""), ("warn", ", no request lines")];

/// Measures it.
pub fn run(plan: &Plan, report: &mut Report) -> Result<()> {
    for (filter, log) in LOGS {
        let world = World::new(&plan.ground, plan.cost, &[("RUST_LOG", filter)])?;
        let people = world.people(plan.sessions)?;
        with_log(plan, report, &world, &people, log)?;
    }
    Ok(())
}

fn with_log(plan: &Plan, report: &mut Report, world: &World, people: &[Person], log: &str) -> Result<()> {
    let worlds = plan.binaries.iter().map(|_| world.copy(&plan.ground)).collect::<Result<Vec<_>>>()?;
    let servers = plan
        .binaries
        .iter()
        .zip(&worlds)
        .map(|(binary, world)| service(&binary.path, world))
        .collect::<Result<Vec<_>>>()?;
    let uncached_world = world.copy(&plan.ground)?;
    let uncached = variant(&uncached_world, &["--verified-tokens", "0"])?;
    let (spent, people) = people.split_last().context("no sessions")?;
    let answers = taken_down(servers.first().context("no server")?, spent)?;
    let bare = bare(world, &answers)?;

    let one = people.get(..1).context("no sessions")?;
    let mut contenders = vec![("bare GET".to_owned(), &bare, Profiles::of(one).answered(&answers.profile.body))];
    for (binary, server) in plan.binaries.iter().zip(&servers) {
        contenders.push((format!("{}, 1 token", binary.name), server, Profiles::of(one)));
        contenders.push((format!("{}, {} tokens", binary.name, people.len()), server, Profiles::of(people)));
    }
    contenders.push(("no cache, 1 token".to_owned(), &uncached, Profiles::of(one)));
    contenders.push((format!("no cache, {} tokens", people.len()), &uncached, Profiles::of(people)));
    let mut turns: Vec<Contender<'_>> = Vec::new();
    for (name, server, work) in &mut contenders {
        turns.push(Contender { name: name.clone(), server, work, connections: plan.connections, pace: Pace::Closed });
    }
    let turns = alternate(&format!("profile{log}"), plan.rounds, plan.span, &mut turns, || Ok(()))?;
    drop(contenders);

    let (bare_turns, others) = turns.split_first().context("no turns")?;
    for (number, own) in others.iter().enumerate() {
        let measure = |what: &str| format!("{what}, {}{log}", own.name);
        let cpu = Finding::of(
            "profile",
            measure("CPU per request"),
            (own, bare_turns),
            |round| round.cpu_us,
            Unit::Microseconds,
        );
        report.findings.push(match number {
            0 => plan.limit(cpu, ONE_TOKEN),
            1 => plan.limit(cpu, MANY_TOKENS),
            _ => cpu,
        });
        let beside = (own, bare_turns);
        let rate = Finding::of("profile", measure("requests"), beside, |round| round.rate, Unit::PerSecond);
        let p99 = Finding::of("profile", measure("p99"), beside, |round| round.p99_ms, Unit::Milliseconds);
        if number < 2 {
            report.findings.extend([rate, p99]);
        }
    }
    report.turns.extend(turns.iter().map(|turns| Series::of("profile", turns)));
    servers.into_iter().try_for_each(crate::process::Server::stop)?;
    uncached.stop()?;
    bare.stop()
}
