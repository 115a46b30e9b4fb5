//! The load bench: the real release binary, driven from a process of its own, beside what it is measured against.
//!
//! Owns the command line and the order. Everything is a ratio from one run; the limits stand with the scenarios, what the
//! numbers mean in docs/performance.md.
//!
//! - [`scenarios`]: what is measured, and what must hold
//! - [`mod@measure`]: rounds and medians; [`figures`]: numbers; [`report`], [`plot`]: what comes out
//! - [`driver`]: offers requests; [`tally`]: what it saw; [`work`]: which, and what must be answered; [`http`]: their bytes
//! - [`process`]: servers, and the [`group`] of processes that each is; [`peers`]: the ones that others make; [`seed`]: databases with people in them, and their [`keys`]; [`ground`]: where
//!   those are; [`disk`]
//! - [`correctness`]: who is logged out wrongly and which thief stays, here and elsewhere
//! - [`baseline`]: the bare server, and bcrypt alone

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

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use clap::{Parser, Subcommand, ValueEnum};
use latchkey::app;
use latchkey::config::Settings;
use latchkey::logging;
use serde_json::Value;

use self::ground::Ground;
use self::measure::progress;
use self::report::Report;
use self::scenarios::{Binary, Plan, flood, idle, login, profile, renewal, rotation, scale, soak, sweep};

/// How long `soak` takes in a short run.
const SMOKE_SOAK: Duration = Duration::from_secs(10);

/// Some limit was missed; a failed run is 1.
const OVER: u8 = 3;

/// Measures the release binary, which it builds first, and prints one table. Linux only: CPU time and memory are read from
/// /proc.
#[derive(Debug, Parser)]
#[command(
    name = "latchkey-bench",
    after_help = "Exit codes: 0 every limit holds, 1 a wrong answer or a failure, 2 wrong argument, 3 over a limit."
)]
struct Arguments {
    /// What to measure: where nothing is named, all but what takes long (scale, sweep, soak)
    scenarios: Vec<Scenario>,
    /// Compare with the peers that `bench/peers/install` put there: this only, and the scenarios that are named
    #[arg(long)]
    peers: bool,
    /// Write everything as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Draw the ratios and the latencies
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
    /// Turns of each contender
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of a turn
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Sessions in the database
    #[arg(long, default_value_t = 100_000)]
    sessions: usize,
    /// Requests in flight in the closed loops
    #[arg(long, default_value_t = 256)]
    connections: usize,
    /// bcrypt's cost
    #[arg(long, default_value_t = 12)]
    cost: u32,
    /// A release binary to measure instead of the one that is built; more are shown beside the first
    #[arg(long = "binary", value_name = "NAME=PATH", value_parser = binary)]
    binaries: Vec<Binary>,
    /// Ten million sessions too, in `scale`: 6 GiB are written, 8 GiB must be free, half an hour to an hour
    #[arg(long)]
    big: bool,
    /// How long `soak` takes
    #[arg(long, default_value_t = 60.0)]
    minutes: f64,
    /// Look at every answer of a short run and at no limit
    #[arg(long, conflicts_with_all = ["rounds", "seconds", "sessions", "cost", "big", "minutes"])]
    smoke: bool,
    #[command(subcommand)]
    inner: Option<Inner>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scenario {
    /// Size, memory, start
    Idle,
    /// GET /api/profile beside a bare handler
    Profile,
    /// POST /api/refresh_token beside a bare handler, and beside a commit each
    Renewal,
    /// POST /api/login beside bcrypt
    Login,
    /// Four times too many logins beside renewals and profiles
    Flood,
    /// Keys that change under load: not one refused request
    Rotation,
    /// Who is logged out wrongly, and which thief stays: no measurement, and not part of all. With --peers: theirs beside it
    Correctness,
    /// Renewals, memory, disk and start with ten thousand sessions and a million
    Scale,
    /// A million sessions that leave beside renewals and profiles
    Sweep,
    /// Renewals and profiles for an hour: what grows
    Soak,
}

/// What takes so long that it has to be named, or measures nothing.
const LONG: [Scenario; 4] = [Scenario::Correctness, Scenario::Scale, Scenario::Sweep, Scenario::Soak];

/// What the bench starts of itself.
#[derive(Debug, Subcommand)]
enum Inner {
    /// Become another program, which ends when the bench does
    #[command(hide = true)]
    Tied {
        /// The process id of the bench
        bench: u32,
        /// The program and its arguments
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<OsString>,
    },
    /// Kill the servers of a bench that is gone
    #[command(hide = true)]
    Guard,
    /// Answer fixed bytes, which standard input holds
    #[command(hide = true)]
    ServeBare,
    /// Serve as the release binary does, with limits that are not settings
    #[command(hide = true)]
    ServeVariant {
        /// The most operations that may share a commit
        #[arg(long)]
        largest_batch: Option<usize>,
        /// How many verified access tokens each worker remembers
        #[arg(long)]
        verified_tokens: Option<usize>,
    },
}

fn binary(argument: &str) -> Result<Binary> {
    let (name, path) = argument.split_once('=').context("not NAME=PATH")?;
    Ok(Binary { name: name.to_owned(), path: fs::canonicalize(path)? })
}

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
    let ground = Ground::claim()?;
    let plan = plan(arguments, ground.path())?;
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
    // The peers are measured beside what is named, or alone.
    let scenarios =
        if arguments.peers && arguments.scenarios.is_empty() { Vec::new() } else { chosen(&arguments.scenarios) };
    for scenario in scenarios {
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
    // With correctness alone beside it, the peers are those of its table.
    if arguments.peers && arguments.scenarios != [Scenario::Correctness] {
        scenarios::peers::run(plan, report)?;
    }
    Ok(())
}

/// In the order in which they are measured.
fn chosen(named: &[Scenario]) -> Vec<Scenario> {
    let asked = |scenario: &Scenario| match named {
        [] => !LONG.contains(scenario),
        named => named.contains(scenario),
    };
    Scenario::value_variants().iter().copied().filter(asked).collect()
}

fn plan(arguments: &Arguments, ground: &Path) -> Result<Plan> {
    let mut plan = Plan {
        rounds: arguments.rounds,
        span: Duration::try_from_secs_f64(arguments.seconds).context("--seconds")?,
        sessions: arguments.sessions,
        connections: arguments.connections,
        cost: arguments.cost,
        cores: std::thread::available_parallelism()?.get(),
        big: arguments.big,
        soak: Duration::try_from_secs_f64(arguments.minutes * 60.0).context("--minutes")?,
        judged: true,
        binaries: arguments.binaries.clone(),
        ground: ground.to_owned(),
    };
    if arguments.smoke {
        plan = Plan { rounds: 1, span: Duration::from_secs(1), sessions: 5_000, cost: 10, judged: false, ..plan };
        plan.soak = SMOKE_SOAK;
    }
    ensure!(plan.rounds > 0 && !plan.span.is_zero() && !plan.soak.is_zero(), "no time to measure in");
    ensure!(plan.connections > 0, "nothing to measure through");
    // A renewal is of a session that has none in flight: with few of them it would be looked for for long, or for ever.
    let in_flight = plan.connections.max(flood::CONNECTIONS);
    ensure!(plan.sessions >= in_flight * 2, "fewer than {} sessions for {in_flight} connections", in_flight * 2);
    // Last: it takes minutes.
    if plan.binaries.is_empty() {
        plan.binaries.push(built()?);
    }
    Ok(plan)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(arguments: &[&str]) -> Result<Plan> {
        let always = ["latchkey-bench", "--binary", "this=/proc/self/exe"];
        plan(&Arguments::try_parse_from(always.iter().chain(arguments))?, Path::new("/"))
    }

    #[test]
    fn what_could_not_be_measured_or_would_not_be_is_refused() {
        assert!(planned(&[]).is_ok());
        for arguments in [
            &["--rounds", "0"][..],
            &["--seconds", "0"],
            &["--seconds", "inf"],
            &["--seconds", "-1"],
            &["--connections", "0"],
            &["--sessions", "10", "--connections", "1"],
            &["--sessions", "500"],
            &["--smoke", "--connections", "2501"],
            &["--smoke", "--cost", "4"],
            &["--smoke", "--sessions", "600"],
            &["--smoke", "--minutes", "1"],
            &["--smoke", "--big"],
            &["--minutes", "0"],
            &["--binary", "nameless"],
        ] {
            assert!(planned(arguments).is_err(), "{arguments:?}");
        }
    }

    #[test]
    fn what_takes_long_is_measured_where_it_is_named_only() {
        let usual = chosen(&[]);

        assert_eq!(usual.len(), Scenario::value_variants().len() - LONG.len());
        assert!(LONG.iter().all(|long| !usual.contains(long) && chosen(&[*long]) == [*long]));
    }

    #[test]
    fn a_smoke_is_short_and_judges_nothing() {
        let plan = planned(&["--smoke"]).unwrap();

        assert!(!plan.judged);
        assert_eq!((plan.rounds, plan.span), (1, Duration::from_secs(1)));
    }
}
