//! What the service takes while nobody asks: its size, its memory, and how soon it is there on a database with people in it.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Plan, service};
use crate::driver::{Pace, Stream, drive};
use crate::measure::{median, progress};
use crate::process::Server;
use crate::report::{Finding, Limit, Report, Unit};
use crate::seed::World;
use crate::work::Profiles;

/// In milliseconds, on an existing database.
const START: Limit = Limit::AtMost(100.0);
/// In MiB.
const RESIDENT: Limit = Limit::AtMost(20.0);
/// In MiB.
const SIZE: Limit = Limit::AtMost(20.0);
/// How often it is started.
const STARTS: usize = 11;
/// How long after its first answer its memory is read.
const SETTLED: Duration = Duration::from_secs(2);
const MIB: f64 = 1024.0 * 1024.0;

/// Measures it.
#[expect(clippy::cast_precision_loss, reason = "bytes of a file and of memory are far below 2^53")]
pub fn run(plan: &Plan, report: &mut Report) -> Result<()> {
    let world = World::new(&plan.ground, plan.cost, &[])?;
    let people = world.people(plan.sessions)?;
    for binary in &plan.binaries {
        let size = std::fs::metadata(&binary.path)?.len();
        let size =
            Finding::new("idle", format!("size of the binary, {}", binary.name), size as f64 / MIB, Unit::Mebibytes);
        report.findings.push(plan.limit(size, SIZE));
    }
    let mut starts = Vec::new();
    let mut resident = 0;
    for start in 1..=STARTS {
        let begun = Instant::now();
        let server = service(&plan.judged_binary()?.path, &world)?;
        first_answer(&server, &people)?;
        starts.push(begun.elapsed().as_secs_f64() * 1e3);
        if start == STARTS {
            std::thread::sleep(SETTLED);
            resident = server.resident()?;
        }
        server.stop()?;
    }
    progress(&format!("idle: {STARTS} starts"));
    let started = Finding::new("idle", "start to first answer", median(starts.into_iter()), Unit::Milliseconds);
    report.findings.push(plan.limit(started, START));
    let resident = Finding::new("idle", "memory", resident as f64 / MIB, Unit::Mebibytes);
    report.findings.push(plan.limit(resident, RESIDENT));
    Ok(())
}

fn first_answer(server: &Server, people: &[crate::seed::Person]) -> Result<()> {
    let mut work = Profiles::of(people);
    let stream = Stream { address: server.address, connections: 1, pace: Pace::PerSecond(1.0), work: &mut work };
    drive(&mut [stream], Duration::from_millis(1)).map(|_| ())
}
