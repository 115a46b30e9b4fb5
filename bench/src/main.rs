//! The load bench: the real release binary, driven from a process of its own, beside what it is measured against.
//!
//! Owns the order: build, measure, report. Everything is a ratio from one run; the limits stand with the scenarios, what the
//! numbers mean in docs/performance.md.
//!
//! - [`arguments`]: the command line
//! - [`scenarios`]: what is measured, and what must hold
//! - [`mod@measure`]: rounds and medians; [`figures`]: numbers; [`report`], [`plot`]: what comes out
//! - [`driver`]: offers requests; [`tally`]: what it saw; [`work`]: which, and what must be answered; [`http`]: their bytes;
//!   [`browsers`]: from whom
//! - [`process`]: servers, and the [`group`] of processes that each is; [`watch`]: what they take meanwhile; [`peers`]: the ones
//!   that others make
//! - [`seed`]: databases with people in them, and their [`keys`]; [`past`]: with crowds, and with weeks behind them; [`ground`]:
//!   where those are; [`reader`], [`space`]: what is in them, and what it takes; [`disk`]
//! - [`correctness`]: who is logged out wrongly and which thief stays, here and elsewhere
//! - [`baseline`]: the bare server, and bcrypt alone

mod arguments;
mod baseline;
mod browsers;
mod correctness;
mod disk;
mod driver;
mod figures;
mod ground;
mod group;
mod http;
mod keys;
mod measure;
mod past;
mod peers;
mod plot;
mod process;
mod reader;
mod report;
mod scenarios;
mod seed;
mod space;
mod tally;
mod watch;
mod work;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, anyhow, ensure};
use clap::Parser as _;
use latchkey::app;
use latchkey::config::Settings;
use latchkey::logging;
use serde_json::Value;

use self::arguments::{Arguments, Inner, Scenario};
use self::ground::Ground;
use self::measure::progress;
use self::report::Report;
use self::scenarios::{Binary, Plan, flood, idle, login, profile, renewal, rotation, scale, soak, sweep};

/// As in the service, so that baselines and variants, which are this program too, have the same.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Some limit was missed; a failed run is 1.
const OVER: u8 = 3;

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(OVER),
        Err(failure) => {
            progress(&format!("failed: {failure:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Whether every limit holds.
fn run(arguments: Arguments) -> Result<bool> {
    match arguments.inner {
        Some(Inner::Tied { bench, command }) => Err(process::become_tied(bench, &command)),
        Some(Inner::Guard) => group::guard().map(|()| true),
        Some(Inner::ServeBare) => baseline::serve().map(|()| true),
        Some(Inner::ServeVariant { largest_batch, verified_tokens }) => {
            let mut settings = Settings::load(std::env::vars_os(), None)?;
            settings.limits.largest_batch = largest_batch.unwrap_or(settings.limits.largest_batch);
            settings.limits.verified_tokens = verified_tokens.unwrap_or(settings.limits.verified_tokens);
            let _log = logging::start(&settings)?;
            app::run(settings)?;
            Ok(true)
        }
        None => bench(&arguments),
    }
}

fn bench(arguments: &Arguments) -> Result<bool> {
    let mut plan = arguments.plan_or_exit();
    for file in [&arguments.json, &arguments.plot].into_iter().flatten() {
        // Nobody should learn after an hour that it cannot be written.
        let there = fs::OpenOptions::new().append(true).create(true).open(file);
        there.with_context(|| format!("writing {}", file.display()))?;
    }
    let ground = Ground::claim()?;
    ground.path().clone_into(&mut plan.ground);
    // Last: it takes minutes.
    if plan.binaries.is_empty() {
        plan.binaries.push(built()?);
    }
    let mut report = Report { setting: setting(&plan)?, ..Report::default() };
    let done = run_scenarios(arguments, &plan, &mut report);
    // Also what was found before a failure: it took minutes.
    report.print();
    done?;
    if let Some(file) = &arguments.json {
        fs::write(file, serde_json::to_string_pretty(&report)?)
            .with_context(|| format!("writing {}", file.display()))?;
    }
    if let Some(file) = &arguments.plot {
        plot::draw(&report, file)?;
    }
    report.correctness.as_ref().map_or(Ok(()), correctness::judge)?;
    Ok(report.holds())
}

fn run_scenarios(arguments: &Arguments, plan: &Plan, report: &mut Report) -> Result<()> {
    for scenario in arguments.chosen() {
        match scenario {
            Scenario::Idle => idle::run(plan, report)?,
            Scenario::Profile => profile::run(plan, report)?,
            Scenario::Renewal => renewal::run(plan, report)?,
            Scenario::Login => login::run(plan, report)?,
            Scenario::Flood => flood::run(plan, report)?,
            Scenario::Rotation => rotation::run(plan, report)?,
            Scenario::Correctness => {
                let size = correctness::Size::of(arguments.smoke);
                report.correctness = Some(correctness::run(plan, size, arguments.peers)?);
            }
            Scenario::Scale => scale::run(plan, report)?,
            Scenario::Sweep => sweep::run(plan, report)?,
            Scenario::Soak => soak::run(plan, report)?,
        }
    }
    if arguments.measures_peers() {
        scenarios::peers::run(plan, report)?;
    }
    Ok(())
}

/// Builds the release binary as a user does, and says where it is.
fn built() -> Result<Binary> {
    progress("building the release binary");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--release", "--locked", "--package", "latchkey", "--bin", "latchkey"])
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "the release binary does not build");
    let messages = String::from_utf8(output.stdout)?;
    let executable = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|message| Some(PathBuf::from(message.get("executable")?.as_str()?)))
        .next_back();
    Ok(Binary { name: "latchkey".to_owned(), path: executable.ok_or_else(|| anyhow!("cargo built no binary"))? })
}

/// What whoever compares two runs must know of each.
fn setting(plan: &Plan) -> Result<Vec<(String, String)>> {
    let read = |file: &str| fs::read_to_string(file).unwrap_or_default().trim().to_owned();
    let processor = read("/proc/cpuinfo")
        .lines()
        .find_map(|line| {
            line.strip_prefix("model name").map(|rest| rest.trim_start_matches([' ', '\t', ':']).to_owned())
        })
        .unwrap_or_default();
    let load = read("/proc/loadavg").split(' ').take(3).collect::<Vec<_>>().join(" ");
    Ok(vec![
        ("processor".into(), format!("{processor}, {} cores", plan.cores)),
        ("kernel".into(), read("/proc/sys/kernel/osrelease")),
        ("load before (1, 5, 15 min)".into(), load),
        (
            "run".into(),
            format!(
                "{} rounds of {:?}, {} sessions, {} connections, cost {}",
                plan.rounds, plan.span, plan.sessions, plan.connections, plan.cost
            ),
        ),
    ])
}
