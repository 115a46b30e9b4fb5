//! Why the start is refused.
//!
//! Owns one rule: a refusal is one line that names the setting, or the file that no setting names, and never shows a value. Most
//! reasons are therefore `&'static str`: text that was written before the value was known cannot repeat it.

use std::io;
use std::path::PathBuf;

/// Why the settings cannot be used. `Display` is one line: what is wrong and, where it is not obvious, what to do.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A value that is malformed, out of its limits or at odds with another setting.
    #[error("{setting}: {reason}")]
    Refused {
        /// Its name.
        setting: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A `…_FILE` setting whose file cannot be read. The path is the setting's value, so only the cause is shown.
    #[error("{setting}: the file that it names cannot be read: {cause}")]
    UnreadableFile {
        /// The name of the `…_FILE` setting.
        setting: &'static str,
        /// The operating system's word for it; it has no path in it.
        cause: io::Error,
    },
    /// A file of secrets that is kept beside the database cannot be made or used. Here the path is shown: it says which file to
    /// mend, and the value of `DATABASE_URL` that it comes from was accepted as a plain path.
    #[error("{setting}: {path}: {reason}", path = .path.display())]
    KeptFile {
        /// What was to come from there, the first of it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// The key ring beside the database cannot be read. No setting names it: it is what is there.
    #[error("key ring {path} {reason}", path = .path.display())]
    KeyRing {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// `.env` cannot be read.
    #[error("{file}: cannot be read: {cause}", file = .file.display())]
    UnreadableDotenv {
        /// Where it was looked for.
        file: PathBuf,
        /// The operating system's word for it.
        cause: io::Error,
    },
    /// A line of `.env` that cannot be used. Nothing of a line is shown but the name of a setting: the rest may be a
    /// secret.
    #[error("{file}: line {line}: {name}{reason}", file = .file.display(), name = named(.name))]
    DotenvLine {
        /// The file.
        file: PathBuf,
        /// Counted from 1.
        line: usize,
        /// The name on the line, where it is fit to be shown.
        name: Option<String>,
        /// What is wrong with it.
        reason: &'static str,
    },
}

fn named(name: &Option<String>) -> String {
    name.as_ref().map(|name| format!("{name}: ")).unwrap_or_default()
}
