//! What is printed: services beside each other, a scenario a line.

use std::fmt::Write as _;

use serde::Serialize;

use super::outcome::Counted;
use super::verdict::Case;
use crate::peers::Description;

/// How the table is to be read.
const LEGEND: &str = "\
The number is how many lineages a session had at the end: refresh tokens of different text that its participants could still \
renew with (the fewest and the most, where sessions differ). \"logged out\": in so many sessions an owner was refused for good, at a \
renewal or, in 1 to 3, at a call, though nobody had stolen or ended anything; a state that is lost in a restart counts, and one that \
went back (11), where it is said what they were told: Latchkey does it on purpose and says \"reused\". \"thief renews\", \"thief \
calls\": he could, after a spent token had come back when it could be no retry, and the owner had renewed or tried to. \"forked\": \
more than one lineage. \"outlives\": of a session that was ended, also by a theft, a token was accepted. Where nothing of this \
happened: \"kept\", the owner goes on; \"shared\", owner and thief hold one token; \"ended\", the theft ended the session; \"thief \
refused\", the session went on without him. What is told of the others is not judged.";

/// Everything of one run.
#[derive(Debug, Serialize)]
pub struct Results {
    /// How often, and with which window.
    pub played: String,
    /// Latchkey is the first.
    pub services: Vec<Service>,
}

/// All rows of one service.
#[derive(Debug, Serialize)]
pub struct Service {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub description: Description,
    /// One for each case.
    pub rows: Vec<Row>,
    /// Those of all rows.
    pub repeated_tries: usize,
}

/// What became of a case.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Which.
    pub case: Case,
    /// The facts.
    pub outcome: Cell,
    /// The facts in a few words.
    pub words: String,
    /// Why it is so.
    pub note: Option<&'static str>,
    /// Tries that were neither answered nor refused (5xx, 408, 429, a broken connection), and repeated.
    pub repeated_tries: usize,
}

/// The facts, or why there are none.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cell {
    /// As they were found.
    Counted(Counted),
    /// There is nothing to be played.
    Meaningless(&'static str),
}

impl Service {
    /// With its rows in the order of the table.
    pub fn new(name: &'static str, description: Description, rows: Vec<Row>) -> Self {
        let repeated_tries = rows.iter().map(|row| row.repeated_tries).sum();
        Self { name, description, rows, repeated_tries }
    }
}

impl Row {
    /// With the words that go with the facts; no try was repeated.
    pub fn new(case: Case, outcome: Cell, note: Option<&'static str>) -> Self {
        let words = match &outcome {
            Cell::Counted(counted) => {
                let lineages = match counted.least_and_most() {
                    (least, most) if least == most => most.to_string(),
                    (least, most) => format!("{least}–{most}"),
                };
                format!("{lineages}  {}", case.words(counted))
            }
            Cell::Meaningless(why) => format!("–  {why}"),
        };
        Self { case, outcome, words, note, repeated_tries: 0 }
    }

    fn cell(&self) -> String {
        self.note.map_or_else(|| self.words.clone(), |note| format!("{} ({note})", self.words))
    }
}

impl Results {
    /// The table, and what is counted as what.
    pub fn table(&self) -> String {
        let mut table = format!("correctness: {}\n\n", self.played);
        let names = self.services.iter().map(|service| service.name.to_owned());
        let mut lines: Vec<Vec<String>> = vec![std::iter::once(String::new()).chain(names).collect()];
        // All services have the same rows.
        let first = self.services.first();
        for (number, row) in first.into_iter().flat_map(|service| &service.rows).enumerate() {
            let cells = self.services.iter().map(|service| service.rows.get(number).map(Row::cell).unwrap_or_default());
            lines.push(std::iter::once(row.case.title().to_owned()).chain(cells).collect());
        }
        let columns = self.services.len() + 1;
        let width = |column: usize| {
            lines.iter().filter_map(|line| line.get(column)).map(|cell: &String| cell.chars().count()).max()
        };
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        for line in &lines {
            let padded: String = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}   ")).collect();
            // A string takes every line.
            writeln!(table, "{}", padded.trim_end()).ok();
        }
        table.push('\n');
        for Service { name, description, repeated_tries, .. } in &self.services {
            let Description { version, settings, .. } = description;
            writeln!(table, "{name}: {version}; {settings}; {repeated_tries} tries repeated after 5xx or no answer")
                .ok();
        }
        writeln!(table, "\n{LEGEND}").ok();
        table
    }
}

#[cfg(test)]
mod tests {
    use super::super::outcome::Outcome;
    use super::*;

    fn row(lineages: &[usize]) -> Row {
        let counted = lineages.iter().map(|&lineages| Outcome { lineages, ..Outcome::default() }).collect();
        Row::new(Case::TenTabs, Cell::Counted(counted), None)
    }

    #[test]
    fn where_sessions_differ_the_fewest_and_the_most_lineages_are_shown() {
        assert_eq!(row(&[1, 1]).words, "1  kept");
        assert_eq!(row(&[0, 4, 1]).words, "0–4  forked 1/3");
    }

    #[test]
    fn every_service_has_its_column() {
        let service = |name, lineages: &[usize]| {
            let description = Description { version: "1".to_owned(), settings: String::new(), differs: Vec::new() };
            Service::new(name, description, vec![row(lineages)])
        };
        let results = Results { played: String::new(), services: vec![service("Here", &[1]), service("There", &[2])] };

        let table = results.table();
        let line = table.lines().find(|line| line.starts_with("1 ten tabs")).unwrap();

        assert!(line.contains("1  kept") && line.ends_with("2  forked 1/1"), "{line}");
    }
}
