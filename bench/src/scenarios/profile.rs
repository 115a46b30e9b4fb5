//! `GET /api/profile` beside a bare handler that answers the same bytes: what protecting a call costs.
//!
//! With one token, as a script polls, and with as many different ones as there are sessions, as a site full of people
//! does. With the log as it is by default on both sides, and without request lines.

use anyhow::{Context as _, Result};

use super::{Binary, Plan, Service, bare, release, taken_down, variant};
use crate::driver::Pace;
use crate::measure::{Contender, Turns, alternate};
use crate::report::{Finding, Limit, Report, Series};
use crate::seed::{Person, World};
use crate::work::Profiles;

/// Of the bare handler's CPU, with one token.
const ONE_TOKEN: Limit = Limit::RatioAtMost(1.25);
/// Of the bare handler's CPU, with 100,000 tokens.
const MANY_TOKENS: Limit = Limit::RatioAtMost(1.6);
/// What `RUST_LOG` says, and how that reads.
const LOGS: [(&str, &str); 2] = [("info", ""), ("warn", ", no request lines")];

/// The service without its memory of verified tokens.
const NO_CACHE: [&str; 2] = ["--verified-tokens", "0"];

/// Measures it.
pub fn run(plan: &Plan, report: &mut Report) -> Result<()> {
    for (filter, log) in LOGS {
        let world = World::new(&plan.ground, plan.cost, &[("RUST_LOG", filter)])?;
        // One more, whose token is spent on what the bare handlers answer.
        let people = world.people(plan.sessions + 1)?;
        let turns = take_turns(plan, &world, &people, log)?;
        judge(plan, report, &turns, log)?;
        report.turns.extend(turns.iter().map(|turns| Series::of("profile", turns)));
    }
    Ok(())
}

/// The bare handler, each binary with one token and with many, and the service without a cache with either.
fn take_turns(plan: &Plan, world: &World, people: &[Person], log: &str) -> Result<Vec<Turns>> {
    let start = |with: &Binary| Service::on_a_copy(plan, world, |world| release(with, world));
    let services = plan.binaries.iter().map(start).collect::<Result<Vec<_>>>()?;
    let uncached = Service::on_a_copy(plan, world, |world| variant(world, &NO_CACHE))?;
    let (spent, people) = people.split_last().context("no sessions")?;
    let answers = taken_down(&services.first().context("no server")?.server, spent)?;
    let bare = bare(world, &answers)?;

    let one = people.get(..1).context("no sessions")?;
    let mut asked = vec![("bare GET".to_owned(), &bare, Profiles::of(one).answered(&answers.profile.body))];
    let names = plan.binaries.iter().map(|binary| binary.name.as_str()).chain(["no cache"]);
    for (name, service) in names.zip(services.iter().chain([&uncached])) {
        asked.push((format!("{name}, 1 token"), &service.server, Profiles::of(one)));
        asked.push((format!("{name}, {} tokens", people.len()), &service.server, Profiles::of(people)));
    }
    let mut contenders: Vec<Contender<'_>> = Vec::new();
    for (name, server, work) in &mut asked {
        contenders.push(Contender::new(name, server, work, plan.connections, Pace::Closed));
    }
    let turns = alternate(&format!("profile{log}"), plan.rounds, plan.span, &mut contenders, || Ok(()))?;

    bare.stop()?;
    services.into_iter().chain([uncached]).try_for_each(|service| service.server.stop())?;
    Ok(turns)
}

fn judge(plan: &Plan, report: &mut Report, turns: &[Turns], log: &str) -> Result<()> {
    let (bare, others) = turns.split_first().context("no turns")?;
    for (number, own) in others.iter().enumerate() {
        let measure = |what: &str| format!("{what}, {}{log}", own.name);
        let cpu = Finding::cpu("profile", measure("CPU per request"), (own, bare));
        let limit = [ONE_TOKEN, MANY_TOKENS].get(number).copied();
        report.findings.push(match limit {
            Some(limit) => plan.limit(cpu, limit),
            None => cpu,
        });
        if limit.is_some() {
            report.findings.push(Finding::rate("profile", measure("requests"), (own, bare)));
            report.findings.push(Finding::p99("profile", measure("p99"), (own, bare)));
        }
    }
    Ok(())
}
