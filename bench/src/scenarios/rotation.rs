//! Keys that change while people call and renew: not one request is refused.
//!
//! A key of access tokens and one of refresh tokens are rotated by the binary's own command while the server runs and everybody goes
//! on. The run lasts until the old key of access tokens has come to its end, so that a token which outlived its key would
//! show. The first answer that is not 200 ends the run, and so does a new key that nobody saw.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use latchkey::app;
use latchkey::clock::Clock;
use latchkey::config::Settings;
use latchkey::tokens::keys::Algorithm;
use latchkey::tokens::ring::change::NewKey;
use latchkey::tokens::ring::{Kind, LEAST_NOTICE, Ring, Shown, State, USUAL_NOTICE};

use super::{Plan, judged, release};
use crate::driver::{Pace, Stream, drive};
use crate::figures::number;
use crate::measure::progress;
use crate::report::{Finding, Report, Unit};
use crate::seed::World;
use crate::work::visits::{Counts, Visits};

/// The old key verifies for so long after the new one took over.
const TTL: Duration = Duration::from_secs(8);
/// A client renews so long before the end of its token.
const RENEWS_BEFORE: Duration = Duration::from_secs(3);
/// Before the rotation.
const BEFORE: Duration = Duration::from_secs(2);
/// After the end of the old key.
const AFTER: Duration = Duration::from_secs(2);
/// Who calls.
const PEOPLE: usize = 1_000;
/// Requests a second, of all of them.
const RATE: f64 = 1_000.0;
/// Connections.
const CONNECTIONS: usize = 32;

/// Measures it.
pub fn run(plan: &Plan, report: &mut Report) -> Result<()> {
    let ttl = format!("{}s", TTL.as_secs());
    let world = World::new(&plan.ground, plan.cost, &[("ACCESS_TOKEN_TTL", &ttl)])?;
    let settings = world.settings()?;
    begin_with(Algorithm::EdDsa, &settings)?;
    let before = keys(&settings)?;
    let people = world.people(PEOPLE)?;
    let server = judged(plan, &world)?;
    let mut visits = Visits::of(&people, RENEWS_BEFORE)?;
    let mut visit = |span: Duration| {
        let pace = Pace::PerSecond(RATE);
        let stream = Stream { address: server.address, connections: CONNECTIONS, pace, work: &mut visits };
        drive(&mut [stream], span).map(drop)
    };

    progress("rotation: people call and renew");
    visit(BEFORE)?;
    let notice = format!("{}s", LEAST_NOTICE.as_secs());
    let mut rotations = Vec::new();
    for flags in [&[][..], &["--refresh"]] {
        let mut command = release(plan.judged_binary()?, &world)?;
        command.args(["keys", "rotate", "--activate-in", &notice]).args(flags);
        rotations.push(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?);
    }
    progress("rotation: keys that were added take over and the old ones end");
    visit(LEAST_NOTICE + TTL + AFTER)?;
    for mut rotation in rotations {
        ensure!(rotation.wait()?.success(), "`keys rotate` failed");
    }
    server.stop()?;
    visits.check_signatures(&world.keys()?)?;

    let after = keys(&settings)?;
    for kind in [Kind::Access, Kind::Refresh] {
        let (old, new) = (signer(&before, kind)?, signer(&after, kind)?);
        ensure!(old.kid != new.kid, "no new key signs");
        for (key, which) in [(old, "the old key"), (new, "the new key")] {
            let what = match kind {
                Kind::Access => "access",
                Kind::Refresh => "refresh",
            };
            let counts = counts(&visits, key);
            progress(&format!("rotation: {what} tokens of {}: {counts:?}", key.kid));
            ensure!(counts.signed > 0 && counts.accepted > 0, "nobody saw a token of {which}");
            let finding = |measure: String, count| Finding::new("rotation", measure, number(count), Unit::Count);
            report.findings.push(finding(format!("{what} tokens signed by {which}"), counts.signed));
            report.findings.push(finding(format!("requests with {what} tokens of {which}, accepted"), counts.accepted));
        }
    }
    let old = signer(&before, Kind::Access)?;
    let ended = after.iter().all(|key| key.kid != old.kid || key.state == State::Over);
    ensure!(ended, "the run was over before the old key was");
    Ok(())
}

/// A ring in which a key of this sort has signed for a while.
fn begin_with(algorithm: Algorithm, settings: &Settings) -> Result<()> {
    let mut ring = Ring::empty();
    let long_ago = Clock::system().now().minus(USUAL_NOTICE * 2);
    ring.add(NewKey::Access(algorithm), USUAL_NOTICE, app::given(settings), long_ago)?;
    settings.key_ring.change(|_| Ok::<_, anyhow::Error>(ring.to_text()))?;
    Ok(())
}

fn keys(settings: &Settings) -> Result<Vec<Shown>> {
    let text = settings.key_ring.read()?.context("no key ring")?;
    Ok(Ring::parse(&text)?.shown(app::given(settings), Clock::system().now()))
}

fn signer(keys: &[Shown], kind: Kind) -> Result<&Shown> {
    keys.iter().find(|key| key.kind == kind && key.state == State::Signing).context("no key signs")
}

fn counts(visits: &Visits, key: &Shown) -> Counts {
    let of_number = |id| visits.seen.refresh.get(&id);
    key.mac_id.map_or_else(|| visits.seen.access.get(&key.kid), of_number).copied().unwrap_or_default()
}
