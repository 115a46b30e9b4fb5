//! What the settings come to, for an operator to read.
//!
//! Owns one rule: every setting is shown once, with what it comes to and where that was found, and a secret is never shown.
//! The rest may be: a refused value is not known to be what its name says, but one that was accepted is.
//!
//! [`Source`] + [`Settings`] -> [`Effective`], one for each line of `latchkey check-config`

use std::fmt;
use std::path::PathBuf;

use super::catalogue::{self, DATABASE_URL, HASH_THREADS, JWT_SECRET, REFRESH_TOKEN_SECRET, Setting, WORKERS};
use super::catalogue::{JWT_SECRET_FILE, KEY_RING, REFRESH_TOKEN_SECRET_FILE};
use super::key_ring::KeyRing;
use super::secrets::KeptFile;
use super::source::{Place, Source};
use super::{Database, Settings};

/// In place of a secret.
const NOT_SHOWN: &str = "(not shown)";
/// In place of a secret that there is not yet.
const TO_BE_MADE: &str = "(made at the first start)";
/// In place of a ring that nobody made.
const NO_RING: &str = "(none)";

/// One setting. `Display` is its line: `NAME=value  # where from`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// What the environment and `.env` call it.
    pub name: &'static str,
    /// Its text; what stands for a secret is in brackets.
    pub value: String,
    /// Where the value was found.
    pub provenance: Provenance,
}

/// Where a value was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Provenance {
    /// Nowhere: it is what it is without being given.
    Default,
    /// A variable of the environment.
    Environment,
    /// A line of `.env`.
    Dotenv,
    /// A file of secrets or keys: the one that a `…_FILE` names, or the one beside the database.
    File(PathBuf),
}

impl fmt::Display for Effective {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = match &self.provenance {
            Provenance::Default => format!("{}={}  # default", self.name, self.value),
            Provenance::Environment => format!("{}={}  # environment", self.name, self.value),
            Provenance::Dotenv => format!("{}={}  # .env", self.name, self.value),
            Provenance::File(path) => format!("{}={}  # file {}", self.name, self.value, path.display()),
        };
        // A path may hold a line end, and one setting is one line.
        out.write_str(&line.replace(char::is_control, "?"))
    }
}

/// Every setting, in the order of the catalogue. `kept` is the file beside the database, where a secret comes from it.
pub(super) fn all(source: &Source, settings: &Settings, kept: Option<&KeptFile>) -> Vec<Effective> {
    let shown = |setting: &Setting| match *setting {
        JWT_SECRET => secret(source, setting, &JWT_SECRET_FILE, kept),
        REFRESH_TOKEN_SECRET => secret(source, setting, &REFRESH_TOKEN_SECRET_FILE, kept),
        KEY_RING => key_ring(source, &settings.key_ring),
        // Not the text that was given: an engine that is asked for with a password must not show it here.
        DATABASE_URL => match &settings.database {
            Database::Sqlite(path) => plain(source, setting, format!("sqlite://{}", path.display())),
        },
        HASH_THREADS => plain(source, setting, settings.hash_threads.to_string()),
        WORKERS => plain(source, setting, settings.workers.to_string()),
        _ => plain(source, setting, text_of(source, setting)),
    };
    catalogue::ALL.iter().map(shown).collect()
}

fn plain(source: &Source, setting: &Setting, value: String) -> Effective {
    let provenance = match source.place(setting) {
        None => Provenance::Default,
        Some(Place::Environment) => Provenance::Environment,
        Some(Place::Dotenv) => Provenance::Dotenv,
    };
    Effective { name: setting.name, value, provenance }
}

fn secret(source: &Source, setting: &Setting, file: &Setting, kept: Option<&KeptFile>) -> Effective {
    let from_file = |path: PathBuf| Effective {
        name: setting.name,
        value: NOT_SHOWN.to_owned(),
        provenance: Provenance::File(path),
    };
    match (source.place(setting), source.place(file), kept) {
        (Some(_), _, _) => plain(source, setting, NOT_SHOWN.to_owned()),
        (None, Some(_), _) => from_file(text_of(source, file).into()),
        (None, None, Some(KeptFile { path, exists: true })) => from_file(path.clone()),
        (None, None, _) => plain(source, setting, TO_BE_MADE.to_owned()),
    }
}

fn key_ring(source: &Source, ring: &KeyRing) -> Effective {
    let not_shown = |provenance| Effective { name: KEY_RING.name, value: NOT_SHOWN.to_owned(), provenance };
    match ring {
        KeyRing::Given(_) => plain(source, &KEY_RING, NOT_SHOWN.to_owned()),
        KeyRing::File { path, named } if *named || path.exists() => not_shown(Provenance::File(path.clone())),
        KeyRing::File { .. } => plain(source, &KEY_RING, NO_RING.to_owned()),
    }
}

/// The text that was given, or else the default's. All of it was accepted before.
fn text_of(source: &Source, setting: &Setting) -> String {
    source.given(setting).ok().flatten().unwrap_or(setting.default).to_owned()
}
