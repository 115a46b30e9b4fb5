//! Rounds.
//!
//! Owns how two things are compared on a machine that others use too: they take turns within seconds of each other, each
//! turn is a round, and what counts is the median over the rounds of the ratio between neighbours. CPU is the server
//! process's user and system time over the answers that it gave, because a driver on the same cores distorts the rest.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use hdrhistogram::Histogram;

use crate::driver::{Connected, Pace, Stream, Work};
use crate::figures::{median, number};
use crate::process::Server;
use crate::tally::{DIGITS, Tally};

/// Somebody who takes turns.
pub struct Contender<'a> {
    /// For progress and the report.
    pub name: String,
    /// Who answers.
    pub server: &'a Server,
    /// What is asked.
    pub work: &'a mut dyn Work,
    /// Requests in flight.
    pub connections: usize,
    /// When they leave.
    pub pace: Pace,
    /// Whether each connection is answered once before a turn begins ([`Connected::greet`]).
    pub greeted: bool,
}

impl<'a> Contender<'a> {
    /// Whose name says the pace, where it is a fixed one.
    pub fn new(name: &str, server: &'a Server, work: &'a mut dyn Work, connections: usize, pace: Pace) -> Self {
        let name = match pace {
            Pace::Closed => name.to_owned(),
            Pace::PerSecond(rate) => format!("{name} at {rate:.0}/s"),
        };
        Self { name, server, work, connections, pace, greeted: false }
    }
}

/// What all turns of one contender came to.
#[derive(Debug, Clone)]
pub struct Turns {
    /// For the report.
    pub name: String,
    /// One for each round.
    pub rounds: Vec<Round>,
    /// In microseconds, of all rounds.
    pub latency: Histogram<u64>,
}

/// One turn.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct Round {
    /// Answers.
    pub answers: u64,
    /// Answers a second.
    pub rate: f64,
    /// User and system time of the server for one answer, in microseconds.
    pub cpu_us: f64,
    /// Median latency in milliseconds.
    pub p50_ms: f64,
    /// In milliseconds.
    pub p99_ms: f64,
    /// In milliseconds.
    pub p999_ms: f64,
}

impl Round {
    fn of(tally: &Tally, cpu: Duration) -> Self {
        Self {
            answers: tally.answers,
            rate: tally.rate(),
            cpu_us: cpu.as_secs_f64() * 1e6 / number(tally.answers.max(1)),
            p50_ms: tally.quantile_ms(0.5),
            p99_ms: tally.quantile_ms(0.99),
            p999_ms: tally.quantile_ms(0.999),
        }
    }
}

impl Turns {
    /// The median of a figure over the rounds.
    pub fn median(&self, figure: impl Fn(&Round) -> f64) -> f64 {
        median(self.rounds.iter().map(figure))
    }

    /// The median over the rounds of the ratio to what `other` had in the same round.
    pub fn ratio_to(&self, other: &Self, figure: impl Fn(&Round) -> f64) -> f64 {
        median(self.rounds.iter().zip(&other.rounds).map(|(own, other)| figure(own) / figure(other)))
    }
}

/// Lets the contenders take turns of `span`. `between` runs after every round.
pub fn alternate(
    what: &str,
    rounds: usize,
    span: Duration,
    contenders: &mut [Contender<'_>],
    mut between: impl FnMut() -> Result<()>,
) -> Result<Vec<Turns>> {
    let mut turns: Vec<Turns> = Vec::with_capacity(contenders.len());
    for contender in contenders.iter_mut() {
        // Connections, caches and branch predictors of both sides are warm before anything counts.
        turn(contender, span / 4).with_context(|| format!("{what}, {}", contender.name))?;
        turns.push(Turns { name: contender.name.clone(), rounds: Vec::new(), latency: Histogram::new(DIGITS)? });
    }
    for round in 1..=rounds {
        for (contender, turns) in contenders.iter_mut().zip(&mut turns) {
            let (tally, cpu) = turn(contender, span).with_context(|| format!("{what}, {}", contender.name))?;
            ensure!(tally.answers > 0, "{what}, {}: no answer", contender.name);
            let figures = Round::of(&tally, cpu);
            progress(&format!(
                "{what}: round {round} of {rounds}, {}: {:.0}/s, {:.1} µs CPU, p99 {:.2} ms",
                contender.name, figures.rate, figures.cpu_us, figures.p99_ms
            ));
            turns.latency.add(&tally.latency)?;
            turns.rounds.push(figures);
        }
        between()?;
    }
    Ok(turns)
}

fn turn(contender: &mut Contender<'_>, span: Duration) -> Result<(Tally, Duration)> {
    let Contender { server, work, connections, pace, greeted, .. } = contender;
    let mut streams = [Stream { address: server.address, connections: *connections, pace: *pace, work: &mut **work }];
    let mut connected = Connected::to(&mut streams)?;
    if *greeted {
        connected.greet()?;
    }
    let before = server.cpu()?;
    let tally = connected.drive(span)?.pop().context("no tally")?;
    Ok((tally, server.cpu()?.saturating_sub(before)))
}

/// Tells whoever waits what is going on; the report alone goes to standard output.
pub fn progress(line: &str) {
    eprintln!("{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(cpu: &[f64]) -> Turns {
        let round = |cpu_us| Round { answers: 1, rate: 0.0, cpu_us, p50_ms: 0.0, p99_ms: 0.0, p999_ms: 0.0 };
        Turns {
            name: String::new(),
            rounds: cpu.iter().copied().map(round).collect(),
            latency: Histogram::new(3).unwrap(),
        }
    }

    #[test]
    fn neighbours_are_compared_so_that_a_slow_minute_does_not_count() {
        let (bare, ours) = (turns(&[10.0, 30.0, 10.0]), turns(&[20.0, 60.0, 21.0]));

        assert_eq!(ours.median(|round| round.cpu_us), 21.0);
        assert_eq!(ours.ratio_to(&bare, |round| round.cpu_us), 2.0);
    }
}
