//! What the service takes while nobody asks: its size, its memory, and how soon it is there on a database with people in it.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Plan, first_answer, judged};
use crate::figures::{mebibytes, median};
use crate::measure::progress;
use crate::report::{Finding, Limit, Report, Unit};
use crate::seed::World;
use crate::work::Profiles;

/// In milliseconds, on an existing database, with the bench's own step before it (`process::become_tied`).
const START: Limit = Limit::AtMost(100.0);
/// In MiB.
const RESIDENT: Limit = Limit::AtMost(20.0);
/// In MiB.
const SIZE: Limit = Limit::AtMost(20.0);
/// How often it is started.
const STARTS: usize = 11;
/// How long after its first answer its memory is read.
const SETTLED: Duration = Duration::from_secs(2);

/// Measures it.
pub fn run(plan: &Plan, report: &mut Report) -> Result<()> {
    let world = World::new(&plan.ground, plan.cost, &[])?;
    let people = world.people(plan.sessions)?;
    for binary in &plan.binaries {
        let size = mebibytes(std::fs::metadata(&binary.path)?.len());
        let size = Finding::new("idle", format!("size of the binary, {}", binary.name), size, Unit::Mebibytes);
        report.findings.push(plan.limit(size, SIZE));
    }
    let mut starts = Vec::new();
    let mut resident = 0;
    for start in 1..=STARTS {
        let begun = Instant::now();
        let server = judged(plan, &world)?;
        first_answer(&server, &mut Profiles::of(&people))?;
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
    let resident = Finding::new("idle", "memory", mebibytes(resident), Unit::Mebibytes);
    report.findings.push(plan.limit(resident, RESIDENT));
    Ok(())
}
