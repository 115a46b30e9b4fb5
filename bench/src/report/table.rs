//! The report as tables: what was measured, and one for each peer.

use std::fmt::Write as _;

use super::{Beside, Finding, Report};

const COLUMNS: usize = 7;
const OVER: &str = "OVER";
const WITHIN: &str = "ok";

/// All of it, in colour where `coloured`. Writing to a string, which takes every line, cannot fail.
pub fn of(report: &Report, coloured: bool) -> String {
    let mut text = String::new();
    for (name, value) in &report.setting {
        writeln!(text, "{name}: {value}").ok();
    }
    if !report.findings.is_empty() {
        text.push('\n');
        rows(&mut text, &report.findings, ["scenario", "beside"], coloured);
    }
    for peer in &report.peers {
        beside(&mut text, peer, coloured);
    }
    if let Some(correctness) = &report.correctness {
        write!(text, "\n{}", correctness.table()).ok();
    }
    text
}

fn beside(text: &mut String, peer: &Beside, coloured: bool) {
    let description = &peer.description;
    writeln!(text, "\nbeside {}: {}", peer.name, description.version).ok();
    for line in std::iter::once(description.settings.as_str()).chain(description.differs.iter().copied()) {
        writeln!(text, "  {line}").ok();
    }
    rows(text, &peer.findings, ["call", peer.name], coloured);
}

/// The findings under a header that names the first column, and what they are beside.
fn rows(text: &mut String, findings: &[Finding], [scenario, beside]: [&str; 2], coloured: bool) {
    let header = [scenario, "measured", beside, "Latchkey", "ratio", "limit", ""].map(str::to_owned);
    let rows: Vec<[String; COLUMNS]> = std::iter::once(header).chain(findings.iter().map(cells)).collect();
    let widths: Vec<usize> = (0..COLUMNS)
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    for row in rows {
        let line: String = row
            .iter()
            .zip(&widths)
            .enumerate()
            // Words to the left, numbers to the right.
            .map(
                |(column, (cell, width))| {
                    if (2..5).contains(&column) { format!("{cell:>width$}  ") } else { format!("{cell:<width$}  ") }
                },
            )
            .collect();
        let colour = match row.last().map(String::as_str) {
            Some(OVER) if coloured => ("\u{1b}[31m", "\u{1b}[0m"),
            Some(WITHIN) if coloured => ("\u{1b}[32m", "\u{1b}[0m"),
            _ => ("", ""),
        };
        writeln!(text, "{}{}{}", colour.0, line.trim_end(), colour.1).ok();
    }
}

fn cells(finding: &Finding) -> [String; COLUMNS] {
    let number = |number: f64| format!("{}{}", short(number), finding.unit.symbol());
    [
        finding.scenario.to_owned(),
        finding.measure.clone(),
        finding.beside.map_or_else(String::new, number),
        number(finding.found),
        finding.ratio.map_or_else(String::new, |ratio| format!("{}×", short(ratio))),
        finding.limit.map_or_else(String::new, |limit| limit.words(finding.unit)),
        finding.within.map_or("", |within| if within { WITHIN } else { OVER }).to_owned(),
    ]
}

/// Three digits that matter.
fn short(number: f64) -> String {
    let digits = match number.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 || size == 0.0 => 2,
        size if size >= 0.1 => 3,
        _ => 4,
    };
    format!("{number:.digits$}")
}
