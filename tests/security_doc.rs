//! What SECURITY.md claims, it shows.
//!
//! Reads the page and the sources: every test that it cites exists, every file too, every requirement of ASVS that it has to
//! speak of stands in it once, and none is called met without something that shows it. What the page says in words is for
//! its readers to judge.
#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is not as it expects")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const PAGE: &str = include_str!("../SECURITY.md");

/// ASVS 5.0.0: the sections of the chapters that the page covers, with the number of their requirements of levels 1 and 2.
/// Those come first in each section, from 1.
const SECTIONS: [(&str, u32); 36] = [
    ("3.3", 4),
    ("3.5", 5),
    ("6.1", 3),
    ("6.2", 12),
    ("6.3", 4),
    ("6.4", 4),
    ("6.5", 5),
    ("6.6", 3),
    ("6.8", 4),
    ("7.1", 3),
    ("7.2", 4),
    ("7.3", 2),
    ("7.4", 5),
    ("7.5", 2),
    ("7.6", 2),
    ("9.1", 3),
    ("9.2", 4),
    ("10.1", 2),
    ("10.2", 2),
    ("10.3", 4),
    ("10.4", 11),
    ("10.5", 5),
    ("10.6", 2),
    ("10.7", 3),
    ("13.1", 1),
    ("13.2", 5),
    ("13.3", 2),
    ("13.4", 5),
    ("14.1", 2),
    ("14.2", 4),
    ("14.3", 3),
    ("16.1", 1),
    ("16.2", 5),
    ("16.3", 4),
    ("16.4", 3),
    ("16.5", 3),
];

#[test]
fn every_cited_test_and_file_exists() {
    let spans: Vec<_> = PAGE.lines().flat_map(code_spans).collect();
    let mut cited = 0;
    let mut offenders = Vec::new();
    for span in spans {
        if span.contains("::") && !is_log_target(span) {
            cited += 1;
            if !is_test(span) {
                offenders.push(span);
            }
        } else if looks_like_a_path(span) && !exists(span) {
            offenders.push(span);
        }
    }
    assert!(cited > 100, "only {cited} citations found: does this test still read the page?");
    assert!(offenders.is_empty(), "SECURITY.md cites what does not exist:\n{}", offenders.join("\n"));
}

#[test]
fn no_citation_waits_for_a_test_that_is_there() {
    let settled: Vec<_> = pending(PAGE).into_iter().filter(|name| is_test(name)).collect();
    assert!(settled.is_empty(), "SECURITY.md can cite these now, without PENDING:\n{}", settled.join("\n"));
}

#[test]
fn every_requirement_is_spoken_of_once() {
    let mut spoken: BTreeMap<String, u32> = BTreeMap::new();
    for id in requirements().flat_map(|row| ids(row.first().unwrap())) {
        *spoken.entry(id).or_default() += 1;
    }
    let expected: BTreeMap<String, u32> = SECTIONS
        .iter()
        .flat_map(|(section, most)| (1..=*most).map(move |number| (format!("{section}.{number}"), 1)))
        .collect();
    assert_eq!(spoken, expected);
}

#[test]
fn what_is_met_is_shown_and_what_is_not_has_a_reason() {
    let mut offenders = Vec::new();
    for row in requirements() {
        let [id, _, state, reason] = row.as_slice() else {
            offenders.push(format!("{row:?}: not four columns"));
            continue;
        };
        let shown = code_spans(reason).any(|span| is_test(span) || exists(span)) || !pending(reason).is_empty();
        match *state {
            "met" if shown => {}
            "open" | "not applicable" if !reason.is_empty() => {}
            _ => offenders.push(format!("{id}: {state}: {reason}")),
        }
    }
    assert!(offenders.is_empty(), "{}", offenders.join("\n"));
}

#[test]
fn a_name_counts_as_a_test_only_where_it_is_one() {
    assert!(is_test("tests/security_doc.rs::every_cited_test_and_file_exists"));
    for none in [
        "tests/security_doc.rs::is_test",
        "tests/security_doc.rs::every_cited_test",
        "tests/security_doc::every_cited_test_and_file_exists",
        "tests/nowhere.rs::every_cited_test_and_file_exists",
        "every_cited_test_and_file_exists",
    ] {
        assert!(!is_test(none), "{none}");
    }
}

/// What stands between backticks on a line; none goes over the end of one.
fn code_spans(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// What stands in `PENDING(…)`: a citation of a test that is about to come.
fn pending(text: &str) -> Vec<&str> {
    text.split("PENDING(").skip(1).map(|rest| rest.split(')').next().unwrap()).collect()
}

/// The rows of the tables of requirements, each as its columns.
fn requirements() -> impl Iterator<Item = Vec<&'static str>> {
    let is_requirement =
        |line: &&str| line.strip_prefix("| ").is_some_and(|row| row.starts_with(|c: char| c.is_ascii_digit()));
    let columns = |line: &'static str| line.trim_matches('|').split('|').map(str::trim).collect();
    PAGE.lines().filter(is_requirement).map(columns)
}

/// `6.5.1–6.5.5` -> each of the five.
fn ids(column: &str) -> Vec<String> {
    let (first, last) = column.split_once('–').unwrap_or((column, column));
    let (section, first) = first.rsplit_once('.').unwrap();
    let last = last.strip_prefix(section).unwrap().trim_start_matches('.');
    (first.parse::<u32>().unwrap()..=last.parse().unwrap()).map(|number| format!("{section}.{number}")).collect()
}

/// `latchkey::security` names what is logged, not where it is shown.
fn is_log_target(span: &str) -> bool {
    matches!(span, "latchkey::request" | "latchkey::security")
}

fn looks_like_a_path(span: &str) -> bool {
    let folders = ["src/", "tests/", "docs/", "migrations/", "assets/", ".ci/"];
    folders.iter().any(|folder| span.starts_with(folder))
        || [".md", ".rs", ".toml"].iter().any(|end| span.ends_with(end))
}

fn exists(path: &str) -> bool {
    !path.is_empty() && Path::new(env!("CARGO_MANIFEST_DIR")).join(path).is_file()
}

/// Whether `file::name` is a function with a test's attribute in that file.
fn is_test(citation: &str) -> bool {
    let Some((file, name)) = citation.split_once("::") else { return false };
    let Ok(source) = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)) else { return false };
    let mut is_attributed = false;
    for line in source.lines().map(str::trim_start) {
        if line.starts_with("#[") && (line.ends_with("test]") || line.contains("test(")) {
            is_attributed = true;
        }
        if let Some(function) = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ") {
            if is_attributed && function.strip_prefix(name).is_some_and(|rest| rest.starts_with('(')) {
                return true;
            }
            is_attributed = false;
        }
    }
    false
}
