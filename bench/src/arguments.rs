//! The command line, and what a run is by it.
//!
//! Owns what may be asked for, and what is refused: a run that would measure nothing, or for ever.
//!
//! arguments -> [`Arguments`] -> scenarios, and the [`Plan`] that they are measured by

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum};
use latchkey::config::bcrypt_cost;

use crate::scenarios::{Binary, Plan, flood};

/// How long `soak` takes.
const USUAL_MINUTES: f64 = 60.0;
/// In a short run, and the least that has quarters to compare: a sample takes a while.
const SMOKE_SOAK: Duration = Duration::from_secs(10);

/// Measures the release binary, which it builds first, and prints one table. Linux only: CPU time and memory are read from
/// /proc.
#[derive(Debug, Parser)]
#[command(
    name = "latchkey-bench",
    after_help = "Exit codes: 0 every limit holds, 1 a wrong answer or a failure, 2 wrong argument, 3 over a limit, 130 and 143 \
                  interrupted."
)]
pub struct Arguments {
    /// What to measure: where nothing is named, all but what takes long (scale, sweep, soak)
    pub scenarios: Vec<Scenario>,
    /// Compare with the peers that `bench/peers/install` put there: this only, and the scenarios that are named
    #[arg(long)]
    pub peers: bool,
    /// Write everything as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Draw the ratios and the latencies
    #[arg(long, value_name = "FILE.svg")]
    pub plot: Option<PathBuf>,
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
    #[arg(long, default_value_t = 12, value_parser = bcrypt_cost)]
    cost: u32,
    /// A release binary to measure instead of the one that is built; more are shown beside the first by
    /// idle, profile and renewal
    #[arg(long = "binary", value_name = "NAME=PATH", value_parser = binary)]
    binaries: Vec<Binary>,
    /// Ten million sessions too, in `scale`: 6 GiB are written, 8 GiB must be free, 17 to 60 minutes
    #[arg(long)]
    big: bool,
    /// How long `soak` takes: an hour, where this does not say
    #[arg(long)]
    minutes: Option<f64>,
    /// Look at every answer of a short run and at no limit
    #[arg(long, conflicts_with_all = ["rounds", "seconds", "sessions", "cost", "big", "minutes"])]
    pub smoke: bool,
    /// Where it is this program that the bench starts
    #[command(subcommand)]
    pub inner: Option<Inner>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
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
pub enum Inner {
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

impl Arguments {
    /// How much is measured. Where no binary is named there is none in it yet, and nowhere to put databases. Ends the process with
    /// what clap ends it with, 2, where something could not be measured or would not be.
    pub fn plan_or_exit(&self) -> Plan {
        let wrong = |refused| Self::command().error(ErrorKind::ValueValidation, format_args!("{refused:#}"));
        self.plan().unwrap_or_else(|refused: anyhow::Error| wrong(refused).exit())
    }

    fn plan(&self) -> Result<Plan> {
        self.refuse_what_nothing_uses()?;
        let mut plan = Plan {
            rounds: self.rounds,
            span: Duration::try_from_secs_f64(self.seconds).context("--seconds")?,
            sessions: self.sessions,
            connections: self.connections,
            cost: self.cost,
            cores: std::thread::available_parallelism()?.get(),
            big: self.big,
            soak: Duration::try_from_secs_f64(self.minutes.unwrap_or(USUAL_MINUTES) * 60.0).context("--minutes")?,
            judged: true,
            binaries: self.binaries.clone(),
            ground: PathBuf::new(),
        };
        if self.smoke {
            plan = Plan { rounds: 1, span: Duration::from_secs(1), sessions: 5_000, cost: 10, judged: false, ..plan };
            plan.soak = SMOKE_SOAK;
        }
        let names = self.binaries.iter().map(|binary| &binary.name).collect::<HashSet<_>>();
        ensure!(names.len() == self.binaries.len(), "--binary: two have the same name");
        ensure!(plan.rounds > 0, "--rounds: none to measure in");
        ensure!(!plan.span.is_zero(), "--seconds: no time to measure in");
        ensure!(plan.soak >= SMOKE_SOAK, "--minutes: shorter than {SMOKE_SOAK:?}");
        ensure!(plan.connections > 0, "--connections: nothing to measure through");
        // A renewal is of a session that has none in flight: with few of them it would be looked for for long, or for ever.
        let in_flight = plan.connections.max(flood::CONNECTIONS);
        ensure!(plan.sessions >= in_flight * 2, "fewer than {} sessions for {in_flight} connections", in_flight * 2);
        Ok(plan)
    }

    /// An argument that is of scenarios which are not measured is a mistake, seen by nobody until the run is over.
    fn refuse_what_nothing_uses(&self) -> Result<()> {
        let measured = self.chosen();
        let compared = [Scenario::Idle, Scenario::Profile, Scenario::Renewal];
        ensure!(!self.big || measured.contains(&Scenario::Scale), "--big is of `scale`, which is not named");
        ensure!(
            self.minutes.is_none() || measured.contains(&Scenario::Soak),
            "--minutes is of `soak`, which is not named"
        );
        ensure!(
            self.binaries.len() < 2 || compared.iter().any(|scenario| measured.contains(scenario)),
            "a second --binary is shown by idle, profile and renewal, of which none is measured"
        );
        Ok(())
    }

    /// What is measured, in its order. The peers are measured beside what is named, or alone.
    pub fn chosen(&self) -> Vec<Scenario> {
        if self.peers && self.scenarios.is_empty() { Vec::new() } else { chosen(&self.scenarios) }
    }

    /// Whether the peers are measured: with correctness alone beside it, they are those of its table.
    pub fn measures_peers(&self) -> bool {
        self.peers && self.scenarios != [Scenario::Correctness]
    }
}

/// What is measured of all where these are named, in the order in which it is.
fn chosen(named: &[Scenario]) -> Vec<Scenario> {
    let asked = |scenario: &Scenario| match named {
        [] => !LONG.contains(scenario),
        named => named.contains(scenario),
    };
    Scenario::value_variants().iter().copied().filter(asked).collect()
}

fn binary(argument: &str) -> Result<Binary> {
    let (name, path) = argument.split_once('=').context("not NAME=PATH")?;
    let path = fs::canonicalize(path)?;
    ensure!(path.is_file(), "not a file");
    Ok(Binary { name: name.to_owned(), path })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(arguments: &[&str]) -> Result<Plan> {
        let always = ["latchkey-bench", "--binary", "this=/proc/self/exe"];
        Arguments::try_parse_from(always.iter().chain(arguments))?.plan()
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
            &["--minutes", "0", "soak"],
            &["--minutes", "0.1", "soak"],
            &["--minutes", "5"],
            &["--minutes", "5", "idle"],
            &["--big"],
            &["--big", "idle"],
            &["--binary", "other=/proc/self/exe", "scale"],
            &["--binary", "other=/proc/self/exe", "--peers"],
            &["--binary", "nameless"],
            &["--binary", "folder=/proc/self"],
            &["--binary", "this=/proc/self/exe"],
            &["--cost", "3"],
            &["--cost", "17"],
        ] {
            assert!(planned(arguments).is_err(), "{arguments:?}");
        }
    }

    #[test]
    fn what_is_of_one_scenario_is_taken_beside_others() {
        for arguments in [
            &["--minutes", "5", "soak"][..],
            &["--big", "scale", "idle"],
            &["--binary", "other=/proc/self/exe"],
            &["--binary", "other=/proc/self/exe", "renewal", "login"],
        ] {
            assert!(planned(arguments).is_ok(), "{arguments:?}");
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
