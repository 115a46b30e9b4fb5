//! The arrows of the house point down only.
//!
//! Reads the sources: `main -> cli -> app, logging -> handlers, middleware, events -> actors -> storage, throttle, clients,
//! tokens, passwords -> error, clock, config, lifeline`, and what a module must not name even sideways.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first thing that is not as it expects")]

use std::fs;
use std::path::{Path, PathBuf};

/// The storeys, from the top.
const STOREYS: [&[&str]; 7] = [
    &["main"],
    &["cli"],
    &["app", "logging"],
    &["handlers", "middleware", "events"],
    &["actors"],
    &["storage", "throttle", "clients", "tokens", "passwords"],
    &["error", "clock", "config", "lifeline"],
];

/// What a module must not name, crates included.
const FORBIDDEN: [(&str, &[&str]); 9] = [
    ("tokens", &["actors", "handlers", "storage", "actix", "actix_web"]),
    ("throttle", &["actors", "handlers", "storage", "actix", "actix_web"]),
    ("clients", &["actors", "handlers", "storage", "actix", "actix_web"]),
    ("passwords", &["actors", "handlers", "storage", "actix", "actix_web"]),
    ("storage", &["actors", "handlers", "actix", "actix_web"]),
    ("actors", &["handlers", "middleware", "actix_web"]),
    ("handlers", &["storage"]),
    ("middleware", &["storage"]),
    ("events", &["storage", "actors", "actix", "actix_web"]),
];

#[test]
fn no_module_names_one_above_it() {
    let mut arrows = 0;
    for (path, module) in sources() {
        for named in named_in(&path) {
            let (Some(from), Some(to)) = (storey(&module), storey(&named)) else { continue };
            assert!(from <= to, "{} names {named}, which is above it", path.display());
            arrows += 1;
        }
    }
    assert!(arrows > 50, "only {arrows} arrows found: does this test still read the sources?");
}

#[test]
fn no_module_names_what_it_must_not() {
    for (path, module) in sources() {
        let forbidden = FORBIDDEN.iter().filter(|(of, _)| *of == module).flat_map(|(_, names)| names.iter());
        for name in forbidden {
            assert!(!named_in(&path).iter().any(|named| named == name), "{} names {name}", path.display());
        }
    }
}

#[test]
fn every_module_has_a_storey() {
    for (path, module) in sources() {
        assert!(module == "lib" || storey(&module).is_some(), "{} is on no storey", path.display());
    }
}

fn storey(module: &str) -> Option<usize> {
    STOREYS.iter().position(|storey| storey.contains(&module))
}

/// Every source file with the module at the top of the house that it belongs to.
fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let top = path.strip_prefix(&root).unwrap().iter().next().unwrap().to_string_lossy().into_owned();
                found.push((path, top.trim_end_matches(".rs").to_owned()));
            }
        }
    }
    assert!(found.len() > 20, "only {} sources found", found.len());
    found
}

/// Modules and crates that a file's code names: `crate::NAME`, `latchkey::NAME`, and `NAME::` of the crates that matter.
fn named_in(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let mut names = Vec::new();
    for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
        let words: Vec<&str> = line.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).collect();
        let hidden = line.contains("crate::{") || line.contains("super::super::");
        assert!(!hidden, "{}: spell the path out, or this test cannot see where it leads: {line}", path.display());
        for word in words {
            let mut parts = word.split("::");
            match parts.next() {
                Some("crate" | "latchkey") => names.extend(parts.next().map(str::to_owned)),
                Some(krate @ ("actix" | "actix_web")) => names.push(krate.to_owned()),
                _ => {}
            }
        }
    }
    names
}
