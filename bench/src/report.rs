//! What was found, for people and for programs.
//!
//! Owns the verdict: a finding with a limit is within it or over it, and one that is over is red in the table and `false` in
//! the JSON. Nothing is left out for being bad.

use std::io::IsTerminal as _;

use serde::Serialize;

use crate::correctness::Results;
use crate::figures::quantile_ms;
use crate::measure::{Round, Turns};
use crate::peers::Description;

mod table;

/// Everything of one run.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// The machine and the settings.
    pub setting: Vec<(String, String)>,
    /// In the order in which they were found.
    pub findings: Vec<Finding>,
    /// What Latchkey is beside others.
    pub peers: Vec<Beside>,
    /// Who is logged out wrongly and which thief stays, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correctness: Option<Results>,
    /// Who was how fast in which round.
    pub turns: Vec<Series>,
    /// What was looked at over and over: over sizes, or over time.
    pub curves: Vec<Curve>,
}

/// A line of a picture. Those of one picture have the same caption, and the same two axes.
#[derive(Debug, Clone, Serialize)]
pub struct Curve {
    /// Of the picture.
    pub picture: &'static str,
    /// What goes to the right.
    pub over: &'static str,
    /// What goes up, with its unit.
    pub unit: &'static str,
    /// Which line it is.
    pub name: String,
    /// To the right, and up.
    pub points: Vec<(f64, f64)>,
}

/// One number, and what it must keep to.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// `profile`, `renewal` …
    pub scenario: &'static str,
    /// What was measured.
    pub measure: String,
    /// The same of what it is compared with.
    pub beside: Option<f64>,
    /// The number.
    pub found: f64,
    /// Of both.
    pub unit: Unit,
    /// `found` over `beside`, as the median of the rounds' ratios.
    pub ratio: Option<f64>,
    /// What must hold.
    pub limit: Option<Limit>,
    /// Whether it does; nothing where there is no limit.
    pub within: Option<bool>,
}

/// Latchkey beside a peer.
#[derive(Debug, Clone, Serialize)]
pub struct Beside {
    /// Who.
    pub name: &'static str,
    /// What it is.
    pub description: Description,
    /// Of each call that both have, the peer's numbers beside ours.
    pub findings: Vec<Finding>,
}

/// What numbers count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// µs.
    Microseconds,
    /// ms.
    Milliseconds,
    /// 1/s.
    PerSecond,
    /// MiB.
    Mebibytes,
    /// B.
    Bytes,
    /// s.
    Seconds,
    /// How many.
    Count,
}

impl Unit {
    /// As it stands behind a number.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Microseconds => " µs",
            Self::Milliseconds => " ms",
            Self::PerSecond => "/s",
            Self::Mebibytes => " MiB",
            Self::Bytes => " B",
            Self::Seconds => " s",
            Self::Count => "",
        }
    }
}

/// What must hold of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// The number itself.
    AtMost(f64),
    /// The number itself.
    AtLeast(f64),
    /// The ratio.
    RatioAtMost(f64),
    /// The ratio.
    RatioAtLeast(f64),
    /// The greater of a multiple of what it is compared with, and a number.
    AtMostTimesOr(f64, f64),
}

impl Limit {
    fn allows(self, found: f64, ratio: Option<f64>) -> bool {
        match self {
            Self::AtMost(most) => found <= most,
            Self::AtLeast(least) => found >= least,
            Self::RatioAtMost(most) => ratio.is_some_and(|ratio| ratio <= most),
            Self::RatioAtLeast(least) => ratio.is_some_and(|ratio| ratio >= least),
            Self::AtMostTimesOr(times, most) => found <= most || ratio.is_some_and(|ratio| ratio <= times),
        }
    }

    fn words(self, unit: Unit) -> String {
        match self {
            Self::AtMost(most) => format!("≤ {most}{}", unit.symbol()),
            Self::AtLeast(least) => format!("≥ {least}{}", unit.symbol()),
            Self::RatioAtMost(most) => format!("≤ {most}×"),
            Self::RatioAtLeast(least) => format!("≥ {least}×"),
            Self::AtMostTimesOr(times, most) => format!("≤ {times}× or {most}{}", unit.symbol()),
        }
    }
}

impl Finding {
    /// A number by itself.
    pub fn new(scenario: &'static str, measure: impl Into<String>, found: f64, unit: Unit) -> Self {
        Self { scenario, measure: measure.into(), beside: None, found, unit, ratio: None, limit: None, within: None }
    }

    /// The median of a figure, beside that of another contender.
    pub fn of(
        scenario: &'static str,
        measure: impl Into<String>,
        (own, other): (&Turns, &Turns),
        figure: impl Fn(&Round) -> f64,
        unit: Unit,
    ) -> Self {
        Self {
            beside: Some(other.median(&figure)),
            ratio: Some(own.ratio_to(other, &figure)),
            ..Self::new(scenario, measure, own.median(&figure), unit)
        }
    }

    /// CPU per request, beside that of another contender.
    pub fn cpu(scenario: &'static str, measure: impl Into<String>, beside: (&Turns, &Turns)) -> Self {
        Self::of(scenario, measure, beside, |round| round.cpu_us, Unit::Microseconds)
    }

    /// Answers a second, beside those of another contender.
    pub fn rate(scenario: &'static str, measure: impl Into<String>, beside: (&Turns, &Turns)) -> Self {
        Self::of(scenario, measure, beside, |round| round.rate, Unit::PerSecond)
    }

    /// The latency that one answer in a hundred passed, beside that of another contender.
    pub fn p99(scenario: &'static str, measure: impl Into<String>, beside: (&Turns, &Turns)) -> Self {
        Self::of(scenario, measure, beside, |round| round.p99_ms, Unit::Milliseconds)
    }

    /// The same beside another number.
    pub fn beside(self, other: f64) -> Self {
        Self { ratio: Some(self.found / other), beside: Some(other), ..self }
    }

    /// The same with a limit, judged.
    pub fn limited(self, limit: Limit) -> Self {
        Self { within: Some(limit.allows(self.found, self.ratio)), limit: Some(limit), ..self }
    }
}

/// The rounds of one contender, and its latencies.
#[derive(Debug, Clone, Serialize)]
pub struct Series {
    /// `profile`, `renewal` …
    pub scenario: &'static str,
    /// Who.
    pub name: String,
    /// One for each.
    pub rounds: Vec<Round>,
    /// Share of the answers, and the milliseconds that they took at most.
    pub latency_ms: Vec<(f64, f64)>,
}

/// Where the latencies are read off.
const SHARES: [f64; 9] = [0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999];

impl Series {
    /// Takes down the turns of a contender.
    pub fn of(scenario: &'static str, turns: &Turns) -> Self {
        let read = |share| (share, quantile_ms(&turns.latency, share));
        Self { scenario, name: turns.name.clone(), rounds: turns.rounds.clone(), latency_ms: SHARES.map(read).to_vec() }
    }
}

impl Report {
    /// Whether every limit holds.
    pub fn holds(&self) -> bool {
        let beside = self.peers.iter().flat_map(|peer| &peer.findings);
        self.findings.iter().chain(beside).all(|finding| finding.within != Some(false))
    }

    /// The curves of each picture, in the order in which they came.
    pub fn pictures(&self) -> Vec<Vec<&Curve>> {
        let mut pictures: Vec<Vec<&Curve>> = Vec::new();
        for curve in &self.curves {
            match pictures
                .iter_mut()
                .find(|picture| picture.first().is_some_and(|first| first.picture == curve.picture))
            {
                Some(picture) => picture.push(curve),
                None => pictures.push(vec![curve]),
            }
        }
        pictures
    }

    /// The tables, in colour where `coloured`.
    pub fn table(&self, coloured: bool) -> String {
        table::of(self, coloured)
    }

    /// Prints them.
    pub fn print(&self) {
        let coloured = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        println!("{}", self.table(coloured));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(found: f64, beside: f64, limit: Limit) -> Finding {
        Finding::new("profile", "CPU", found, Unit::Milliseconds).beside(beside).limited(limit)
    }

    #[test]
    fn a_limit_says_what_it_allows() {
        for (found, beside, limit, within) in [
            (2.0, 1.0, Limit::RatioAtMost(2.0), true),
            (2.1, 1.0, Limit::RatioAtMost(2.0), false),
            (0.5, 1.0, Limit::RatioAtLeast(0.5), true),
            (0.4, 1.0, Limit::RatioAtLeast(0.5), false),
            (3.0, 9.0, Limit::AtMost(3.0), true),
            (3.1, 9.0, Limit::AtMost(3.0), false),
            (3.0, 9.0, Limit::AtLeast(3.0), true),
            (2.9, 9.0, Limit::AtLeast(3.0), false),
            (24.0, 1.0, Limit::AtMostTimesOr(4.0, 25.0), true),
            (39.0, 10.0, Limit::AtMostTimesOr(4.0, 25.0), true),
            (41.0, 10.0, Limit::AtMostTimesOr(4.0, 25.0), false),
        ] {
            assert_eq!(finding(found, beside, limit).within, Some(within), "{found} {beside} {limit:?}");
        }
    }

    #[test]
    fn what_is_over_its_limit_is_red_and_the_run_does_not_hold() {
        let mut report = Report::default();
        report.findings.push(finding(1.0, 1.0, Limit::RatioAtMost(2.0)));
        assert!(report.holds());
        report.findings.push(finding(3.0, 1.0, Limit::RatioAtMost(2.0)));

        assert!(!report.holds());
        let table = report.table(true);
        let red: Vec<&str> = table.lines().filter(|line| line.starts_with("\u{1b}[31m")).collect();
        assert!(matches!(red[..], [line] if line.contains("OVER")), "{table}");
        assert!(!report.table(false).contains('\u{1b}'));
    }

    #[test]
    fn a_peer_that_is_better_than_its_limit_allows_is_red_in_its_own_table() {
        let over = finding(3.0, 1.0, Limit::RatioAtMost(2.0));
        let description = Description { version: "1.2.3".into(), ..Description::default() };
        let report =
            Report { peers: vec![Beside { name: "somebody", description, findings: vec![over] }], ..Report::default() };

        assert!(!report.holds());
        let table = report.table(true);
        assert!(table.contains("beside somebody: 1.2.3"), "{table}");
        assert!(table.lines().any(|line| line.starts_with("\u{1b}[31m") && line.contains("OVER")), "{table}");
    }
}
