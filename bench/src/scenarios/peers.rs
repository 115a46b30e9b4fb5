//! Latchkey beside others, each installed, started, seeded and driven the same way ([`crate::peers`]).
//!
//! Three calls, in which all take turns on as many accounts over as many connections: logins, renewals, and profiles with the
//! tokens that the renewals brought. CPU is that of all processes of a service. What a peer does otherwise than Latchkey is
//! said beside its numbers and not made up for.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};

use super::Plan;
use crate::driver::{Pace, Stream, Work, drive};
use crate::figures::{mebibytes, number, quantile_ms};
use crate::measure::{Contender, Turns, alternate};
use crate::peers::{self, Description, Express, Latchkey, Missing, Peer, PocketBase, Prepared, SimpleJwt};
use crate::process::Server;
use crate::report::{Beside, Finding, Limit, Report, Series, Unit};
use crate::work::spoken::{Calls, Holder, LoggingIn, LoggingOut, Renewing};

/// What Latchkey is set to: every renewal rotates and is on disk before its answer, and no login is turned away.
const SETTINGS: [(&str, &str); 2] = [("REFRESH_GRACE", "0s"), ("HASH_MAX_WAIT", "60s")];
/// Accounts of each service, each with a session; fewer where the plan has fewer.
const PEOPLE: usize = 10_000;
/// What Latchkey may take of a peer's CPU. In everything else it is to be no worse than any of them, logins included.
const CPU: [(&str, &str, Limit); 3] = [
    (Express::NAME, "profile", Limit::RatioAtMost(1.0 / 20.0)),
    (PocketBase::NAME, "renewal", Limit::RatioAtMost(1.0 / 8.0)),
    (SimpleJwt::NAME, "renewal", Limit::RatioAtMost(1.0 / 50.0)),
];
/// The call that is a hash for everybody.
const LOGIN: &str = "login";
/// Requests in flight: what each peer bears as it is set up.
const CONNECTIONS: usize = 64;
/// Logins in flight for each core: enough that no core waits for the next.
const LOGINS: usize = 4;
/// A hash takes a fifth of a second and more. In turns that are so many times longer, what a service leaves idle while the last
/// logins are answered, a hash of one core at the most, is a hundredth.
const LONGER: u32 = 6;

/// A service that is measured.
struct Side {
    peer: Box<dyn Peer>,
    description: Description,
    /// Before the folder that it runs on, so that it is gone first, whatever ends this.
    server: Server,
    prepared: Box<dyn Prepared>,
}

impl Side {
    fn start(plan: &Plan, (peer, description): (Box<dyn Peer>, Description)) -> Result<Self> {
        let people = plan.sessions.min(PEOPLE);
        let prepared = peer.prepare(&plan.ground, people, plan.cost).context("making its people")?;
        let server = prepared.start().context("starting it")?;
        Ok(Self { peer, description, server, prepared })
    }

    /// Whether a login is a call of it.
    fn logs_in(&self) -> bool {
        self.prepared.accounts().first().is_some_and(|account| self.prepared.dialect().login(&mut Vec::new(), account))
    }
}

/// Something that all are asked for in turn.
struct Call {
    name: &'static str,
    span: Duration,
    connections: usize,
    /// Before a turn begins. Logins are too dear for it, and too slow to show it.
    greeted: bool,
    who: fn(&Side) -> bool,
}

/// Measures it.
pub fn run(plan: &Plan, report: &mut Report) -> Result<()> {
    let latchkey = Latchkey { binary: plan.judged_binary()?.path.clone(), settings: SETTINGS.to_vec() };
    let own = latchkey.found(plan.cost).map_err(|Missing(reason)| anyhow!(reason))?;
    report.setting.push((
        "beside others".to_owned(),
        format!(
            "{} with {}; {} accounts each, {CONNECTIONS} connections, {} for logins",
            own.version,
            own.settings,
            plan.sessions.min(PEOPLE),
            plan.cores * LOGINS
        ),
    ));
    let mut sides = vec![Side::start(plan, (Box::new(latchkey), own)).context("Latchkey")?];
    for (peer, description) in peers::present(plan.cost)? {
        let name = peer.name();
        sides.extend(peers::unless_left_out(name, Side::start(plan, (peer, description)))?);
    }
    ensure!(sides.len() > 1, "there is nobody to compare with: bench/peers/install installs them");

    let mut found: Vec<Vec<Finding>> = sides.iter().map(|_| Vec::new()).collect();
    for (call, turns) in measured(plan, &sides)? {
        judge(&|finding, limit| plan.limit(finding, limit), call, &turns, &mut found)?;
        report.turns.extend(turns.iter().flatten().map(|turns| Series::of(call, turns)));
    }
    let memory = |side: &Side| side.server.group.proportional().map(mebibytes);
    let own = memory(sides.first().context("nobody")?)?;
    for (side, mut findings) in sides.iter().zip(found).skip(1) {
        findings.push(
            Finding::new("all", "memory at the end, shared pages in parts", own, Unit::Mebibytes).beside(memory(side)?),
        );
        let description = side.description.clone();
        report.peers.push(Beside { name: side.peer.name(), description, findings });
    }
    sides.into_iter().try_for_each(|side| side.server.stop().with_context(|| side.peer.name()))
}

/// The turns of each side in each call, in the order of the sides; none where it has no such call.
type Measured = Vec<(&'static str, Vec<Option<Turns>>)>;

fn measured(plan: &Plan, sides: &[Side]) -> Result<Measured> {
    let call = |name, who| Call { name, span: plan.span, connections: CONNECTIONS, greeted: true, who };
    let mut logins: Vec<_> =
        sides.iter().map(|side| LoggingIn::of(side.prepared.dialect(), side.prepared.accounts())).collect();
    let hashing = Call {
        span: plan.span * LONGER,
        connections: plan.cores * LOGINS,
        greeted: false,
        ..call(LOGIN, Side::logs_in)
    };
    let login = take_turns(plan, &hashing, sides, &mut logins)?;
    for (side, login) in sides.iter().zip(&logins).filter(|(side, _)| side.logs_in()) {
        believed(side, &login.holders).with_context(|| format!("tokens of a login to {}", side.peer.name()))?;
    }

    let mut renewing: Vec<_> = sides
        .iter()
        .map(|side| {
            let holders = Holder::all(side.prepared.accounts());
            Renewing::of(side.prepared.dialect(), side.peer.rotates(), holders)
        })
        .collect();
    let renewal = take_turns(plan, &call("renewal", |_| true), sides, &mut renewing)?;
    let mut calls: Vec<_> = sides
        .iter()
        .zip(&renewing)
        .map(|(side, renewing)| Calls::of(side.prepared.dialect(), &renewing.holders))
        .collect();
    let profile = take_turns(plan, &call("profile", |_| true), sides, &mut calls)?;
    Ok(vec![("profile", profile), ("renewal", renewal), (LOGIN, login)])
}

/// Lets those who have it take turns in a call.
fn take_turns<W: Work>(plan: &Plan, call: &Call, sides: &[Side], works: &mut [W]) -> Result<Vec<Option<Turns>>> {
    let mut contenders: Vec<Contender<'_>> = sides
        .iter()
        .zip(works)
        .filter(|(side, _)| (call.who)(side))
        .map(|(side, work)| Contender {
            greeted: call.greeted,
            ..Contender::new(side.peer.name(), &side.server, work, call.connections, Pace::Closed)
        })
        .collect();
    let mut turns = alternate(call.name, plan.rounds, call.span, &mut contenders, || Ok(()))?.into_iter();
    Ok(sides.iter().map(|side| if (call.who)(side) { turns.next() } else { None }).collect())
}

/// Calls once with the tokens of each of these, who logged in, and logs them out again where there is such a call.
fn believed(side: &Side, holders: &[Holder]) -> Result<()> {
    let dialect = side.prepared.dialect();
    once_each(side, holders.len(), &mut Calls::of(dialect, holders))?;
    let can_log_out = holders.first().is_some_and(|holder| holder.logout(dialect, &mut Vec::new()));
    if can_log_out { once_each(side, holders.len(), &mut LoggingOut::of(dialect, holders)) } else { Ok(()) }
}

/// So many requests, of which no connection is asked for the next one before it answered.
fn once_each(side: &Side, requests: usize, work: &mut dyn Work) -> Result<()> {
    const SPAN: Duration = Duration::from_secs(1);
    let pace = Pace::PerSecond(number(requests.try_into()?) / SPAN.as_secs_f64());
    let stream = Stream { address: side.server.address, connections: CONNECTIONS, pace, work };
    drive(&mut [stream], SPAN).map(|_| ())
}

/// Adds, with its limits, what the first of the turns, which are Latchkey's, come to beside each of the others.
fn judge(
    limited: &dyn Fn(Finding, Limit) -> Finding,
    call: &'static str,
    turns: &[Option<Turns>],
    found: &mut [Vec<Finding>],
) -> Result<()> {
    let (own, others) = turns.split_first().context("no turns")?;
    let own = own.as_ref().context("no turns of Latchkey")?;
    for (other, found) in others.iter().zip(found.iter_mut().skip(1)) {
        let Some(other) = other else { continue };
        let beside = (own, other);
        let cpu = Finding::cpu(call, "CPU per request", beside);
        let limit = CPU.iter().find(|(peer, of, _)| *peer == other.name && *of == call);
        found.push(limit.map_or(cpu.clone(), |(_, _, limit)| limited(cpu, *limit)));
        // Of all that was asked until the last answer, for logins too. Between the first answer and the last one in time, a service that
        // hashes eight at once shows a tenth more than it did: it answers the first eight together.
        found.push(limited(Finding::rate(call, "requests", beside), Limit::RatioAtLeast(1.0)));
        let p99 = if call == LOGIN { p99_of_all(call, beside) } else { Finding::p99(call, "p99", beside) };
        found.push(limited(p99, Limit::RatioAtMost(1.0)));
    }
    Ok(())
}

/// The latency that one answer in a hundred of all rounds passed: a single one has fewer than a hundred.
fn p99_of_all(call: &'static str, (own, other): (&Turns, &Turns)) -> Finding {
    let [own, other] = [own, other].map(|turns| quantile_ms(&turns.latency, 0.99));
    Finding::new(call, "p99 of all rounds", own, Unit::Milliseconds).beside(other)
}

#[cfg(test)]
mod tests {
    use hdrhistogram::Histogram;

    use super::*;
    use crate::measure::Round;

    fn turns(name: &str, rate: f64, latency_us: u64) -> Turns {
        let latency_ms = number(latency_us) / 1e3;
        let (cpu_us, answers) = (1.0, 100);
        let round = Round { answers, rate, cpu_us, p50_ms: latency_ms, p99_ms: latency_ms, p999_ms: latency_ms };
        let mut latency = Histogram::new(3).unwrap();
        latency.record_n(latency_us, answers).unwrap();
        Turns { name: name.to_owned(), rounds: vec![round], latency }
    }

    #[test]
    fn latchkey_is_no_worse_than_any_peer_in_logins_as_in_everything_else() {
        let peer = turns("peer", 100.0, 1000);
        for call in [LOGIN, "renewal", "profile"] {
            for (own, is_within) in [
                (turns("own", 100.0, 1000), true),
                (turns("own", 99.0, 1000), false),
                (turns("own", 100.0, 1010), false),
            ] {
                let mut found = vec![Vec::new(), Vec::new()];
                judge(&Finding::limited, call, &[Some(own.clone()), Some(peer.clone())], &mut found).unwrap();
                let holds = found[1].iter().all(|finding| finding.within != Some(false));
                assert_eq!(holds, is_within, "{call}: {:?}", own.rounds);
            }
        }
    }
}
