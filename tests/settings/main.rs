//! The settings as an operator meets them: environment and `.env` in, [`Settings`] or one line of refusal out.
//!
//! - [`values`]: what each setting may say, and how two of them go together
//! - [`dotenv`]: the file, and that the environment wins over it
//! - [`secrets`]: given, read from a file, or made on the first run
//! - [`key_ring`]: where it is kept, and how it changes
//! - [`command_line`]: what the process says and how it ends

#![expect(clippy::unwrap_used, reason = "a test's arrangement may stop at the first thing that is not as it expects")]

mod command_line;
mod dotenv;
mod key_ring;
mod secrets;
mod values;

use std::fs;
use std::path::PathBuf;

use latchkey::config::{Settings, SettingsError};
use tempfile::TempDir;

const JWT: &str = "vZ0qf5Jt2mXyB8dKc1RwT7uHs4GnLpEaYi6ObQ9eFzNjVMkC";
const REFRESH: &str = "3f9a1c7be05d8426f1b79e0c4ad3586291e7d0b34c5fa826";
/// In every value that is refused by these tests, and in no refusal.
const CANARY: &str = "canary7";

/// A directory of its own, and what is asked of the settings there.
struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        fs::write(self.path(name), text).unwrap();
        self.path(name).display().to_string()
    }

    /// The settings with the database in this place, unless `given` says otherwise.
    fn load(&self, given: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let database = format!("sqlite://{}", self.path("data/latchkey.db").display());
        let environment = [("DATABASE_URL", database.as_str())].into_iter().chain(given.iter().copied());
        Settings::load(environment, Some(&self.path(".env")))
    }

    fn refusal(&self, given: &[(&str, &str)]) -> String {
        self.load(given).unwrap_err().to_string()
    }

    fn secrets_file(&self) -> PathBuf {
        self.path("data/latchkey.secrets")
    }

    fn names_in(&self, directory: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(directory)).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

fn pair(settings: &Settings) -> (Vec<u8>, Vec<u8>) {
    (settings.jwt_secret.expose().to_vec(), settings.refresh_token_secret.expose().to_vec())
}
