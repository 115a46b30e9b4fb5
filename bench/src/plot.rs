//! The picture for docs/performance.md: everything that has a limit beside it, the latencies of renewals, and what was looked at over
//! sizes or over time.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use crate::report::{Curve, Finding, Limit, Report};

/// In pixels.
const WIDTH: u32 = 1100;
/// Of one bar with its room.
const BAR: u32 = 34;
/// Of the latencies.
const CURVES: u32 = 420;
/// Of what was looked at over sizes or over time, each.
const LINES: u32 = 280;

/// Draws it into `file`.
pub fn draw(report: &Report, file: &Path) -> Result<()> {
    let bars = Bar::all(report);
    let pictures = report.pictures();
    let renewals = report.turns.iter().any(|series| series.scenario == "renewal");
    let heights = [
        u32::try_from(bars.len())? * BAR + 60,
        if renewals { CURVES } else { 0 },
        u32::try_from(pictures.len())? * LINES,
    ];
    let area = SVGBackend::new(file, (WIDTH, heights.iter().sum())).into_drawing_area();
    area.fill(&WHITE).map_err(|error| anyhow!("{error}"))?;
    let [upper, middle, _] = heights;
    let (top, rest) = area.split_vertically(upper);
    ratios(&bars, &top).map_err(|error| anyhow!("{error}"))?;
    let (latencies, bottom) = rest.split_vertically(middle);
    if renewals {
        curves(report, &latencies).map_err(|error| anyhow!("{error}"))?;
    }
    for (picture, area) in pictures.iter().zip(bottom.split_evenly((pictures.len().max(1), 1))) {
        lines(picture, &area).map_err(|error| anyhow!("{error}"))?;
    }
    area.present().map_err(|error| anyhow!("{error}"))
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type Drawn = Result<(), Box<dyn std::error::Error>>;

/// How much of a limit is used: 1 is the limit itself, whichever side of it is the good one.
struct Bar {
    words: String,
    used: f64,
    within: bool,
}

impl Bar {
    /// Latchkey's own, and then those beside each peer.
    fn all(report: &Report) -> Vec<Self> {
        let own = report.findings.iter().filter_map(|finding| Self::of(finding, finding.measure.clone()));
        let beside = report.peers.iter().flat_map(|peer| {
            let words = |finding: &Finding| format!("{}, beside {}", finding.measure, peer.name);
            peer.findings.iter().filter_map(move |finding| Self::of(finding, words(finding)))
        });
        own.chain(beside).collect()
    }

    fn of(finding: &Finding, measure: String) -> Option<Self> {
        let ratio = finding.ratio.unwrap_or(f64::INFINITY);
        let used = match finding.limit? {
            Limit::AtMost(most) => finding.found / most,
            Limit::AtLeast(least) => least / finding.found,
            Limit::RatioAtMost(most) => ratio / most,
            Limit::RatioAtLeast(least) => least / ratio,
            Limit::AtMostTimesOr(times, most) => (finding.found / most).min(ratio / times),
        };
        Some(Self { words: format!("{}: {measure}", finding.scenario), used, within: finding.within.unwrap_or(true) })
    }
}

fn ratios(bars: &[Bar], area: &Area<'_>) -> Drawn {
    let count = i32::try_from(bars.len())?;
    let widest = bars.iter().map(|bar| bar.used).fold(1.2_f64, f64::max).min(3.0);
    let mut chart = ChartBuilder::on(area)
        .caption("Share of each limit that is used (1 = the limit)", ("sans-serif", 18))
        .margin(10)
        .x_label_area_size(24)
        .build_cartesian_2d(-1.9_f64..widest, 0..count.max(1))?;
    // The words stand left of zero, where there is no ratio.
    let label = |x: &f64| if *x < 0.0 { String::new() } else { format!("{x:.1}") };
    chart.configure_mesh().disable_mesh().disable_y_axis().x_labels(12).x_label_formatter(&label).draw()?;
    for (row, bar) in bars.iter().rev().enumerate() {
        let row = i32::try_from(row)?;
        let colour = if bar.within { RGBColor(60, 130, 90) } else { RGBColor(190, 50, 40) };
        let mut rectangle = Rectangle::new([(0.0, row), (bar.used.min(widest), row + 1)], colour.filled());
        rectangle.set_margin(8, 8, 0, 0);
        chart.draw_series([rectangle])?;
        chart.draw_series([Text::new(bar.words.clone(), (-1.88, row + 1), ("sans-serif", 13))])?;
    }
    chart.draw_series([PathElement::new(vec![(1.0, 0), (1.0, count)], BLACK.stroke_width(2))])?;
    Ok(())
}

fn curves(report: &Report, area: &Area<'_>) -> Drawn {
    let shown: Vec<_> = report.turns.iter().filter(|series| series.scenario == "renewal").collect();
    let slowest = shown.iter().flat_map(|series| &series.latency_ms).map(|(_, ms)| *ms).fold(1.0, f64::max);
    // The share of answers that took longer, so that each step to the right is one nine more.
    let nines = |share: f64| -(1.0 - share).log10();
    let mut chart = ChartBuilder::on(area)
        .caption("Renewals: latency (ms) by share of answers", ("sans-serif", 18))
        .margin(10)
        .x_label_area_size(36)
        .y_label_area_size(56)
        // The last part is for the legend.
        .build_cartesian_2d(0.0..5.2, (0.05..slowest * 1.2).log_scale())?;
    let label = |x: &f64| if *x > 4.0 { String::new() } else { format!("{}%", 100.0 - 100.0 / 10_f64.powf(*x)) };
    chart.configure_mesh().x_labels(6).x_label_formatter(&label).x_desc("answered within").y_desc("ms").draw()?;
    for (number, series) in shown.iter().enumerate() {
        let colour = Palette99::pick(number).to_rgba();
        let points = series.latency_ms.iter().map(|(share, ms)| (nines(*share), ms.max(0.05)));
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
            .label(series.name.clone())
            .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 16, y)], colour.stroke_width(2)));
    }
    chart.configure_series_labels().border_style(BLACK).background_style(WHITE.mix(0.8)).draw()?;
    Ok(())
}

/// Curves of one picture, from zero upwards.
fn lines(picture: &[&Curve], area: &Area<'_>) -> Drawn {
    let Some(first) = picture.first() else { return Ok(()) };
    let points = || picture.iter().flat_map(|curve| &curve.points);
    let from = points().map(|(x, _)| *x).fold(f64::INFINITY, f64::min);
    let to = points().map(|(x, _)| *x).fold(f64::NEG_INFINITY, f64::max);
    let highest = points().map(|(_, y)| *y).fold(f64::MIN_POSITIVE, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption(first.picture, ("sans-serif", 18))
        .margin(10)
        .x_label_area_size(36)
        .y_label_area_size(72)
        // The last part is for the legend.
        .build_cartesian_2d(from..from + (to - from).max(f64::MIN_POSITIVE) * 1.3, 0.0..highest * 1.1)?;
    chart.configure_mesh().x_labels(8).x_desc(first.over).y_desc(first.unit.trim()).draw()?;
    for (number, curve) in picture.iter().enumerate() {
        let colour = Palette99::pick(number).to_rgba();
        chart
            .draw_series(LineSeries::new(curve.points.iter().copied(), colour.stroke_width(2)))?
            .label(curve.name.clone())
            .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 16, y)], colour.stroke_width(2)));
    }
    chart.configure_series_labels().border_style(BLACK).background_style(WHITE.mix(0.8)).draw()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::Description;
    use crate::report::{Beside, Unit};

    #[test]
    fn everything_that_has_a_limit_has_a_bar_and_says_beside_whom() {
        let finding = |measure: &str| Finding::new("login", measure, 1.0, Unit::Milliseconds).beside(2.0);
        let limited = |measure: &str| finding(measure).limited(Limit::RatioAtMost(1.0));
        let description = Description::default();
        let peer = Beside { name: "somebody", description, findings: vec![finding("CPU"), limited("p99")] };
        let report = Report { findings: vec![limited("p50"), finding("p90")], peers: vec![peer], ..Report::default() };

        let bars = Bar::all(&report);

        let words: Vec<&str> = bars.iter().map(|bar| &*bar.words).collect();
        assert_eq!(words, ["login: p50", "login: p99, beside somebody"]);
        assert!(bars.iter().all(|bar| bar.used == 0.5));
    }
}
