//! Why a command did not do what it was asked to.

use std::fmt;

use crate::app::RunError;
use crate::config::{ChangeError, SettingsError};
use crate::storage::sqlite::{GuestError, OpenError};

/// Nobody and nothing may be named like that, or something is missing: as with clap's own refusals.
const WRONG_ARGUMENT: u8 = 2;
/// It was tried, and failed.
const FAILED: u8 = 1;

/// One line for standard error, and the exit code.
#[derive(Debug)]
pub(super) struct Failure {
    words: String,
    /// What the process ends with.
    pub code: u8,
}

impl Failure {
    /// It was tried, and failed.
    pub fn new(words: impl Into<String>) -> Self {
        Self { words: words.into(), code: FAILED }
    }

    /// What was asked for cannot be done like that.
    pub fn argument(words: impl Into<String>) -> Self {
        Self { words: words.into(), code: WRONG_ARGUMENT }
    }

    /// Refused by a rule of the domain, over this one.
    pub fn about(whom: &impl fmt::Display, error: &impl fmt::Display) -> Self {
        Self::new(format!("{whom}: {error}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.words)
    }
}

impl From<SettingsError> for Failure {
    fn from(refusal: SettingsError) -> Self {
        Self { words: refusal.to_string(), code: super::SETTINGS_REFUSED }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        let code = if error.is_refusal() { super::SETTINGS_REFUSED } else { FAILED };
        Self { words: error.to_string(), code }
    }
}

impl From<ChangeError<Self>> for Failure {
    fn from(error: ChangeError<Self>) -> Self {
        match error {
            ChangeError::Unusable(refusal) => refusal.into(),
            ChangeError::Refused(failure) => failure,
            ChangeError::Full { .. } | ChangeError::Unwritable { .. } => Self::new(error.to_string()),
        }
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        Self::new(format!("DATABASE_URL: {error}"))
    }
}

impl From<GuestError> for Failure {
    fn from(error: GuestError) -> Self {
        Self::new(error.to_string())
    }
}
