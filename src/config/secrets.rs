//! Where the two secrets come from.
//!
//! Owns one rule: what the operator gives is used or refused, never replaced; only what is not given at all comes from
//! the file beside the database, which is made on the first run ([`kept`]).
//!
//! `…_SECRET` or the file of `…_SECRET_FILE` -> strength -> [`Secret`]; neither -> [`kept`] -> [`Secret`]
//!
//! [`Secrets::load`] is for a start; [`Secrets::check`] only looks.

use std::borrow::Cow;
use std::fs::File;
use std::path::PathBuf;

use super::catalogue::{JWT_SECRET, JWT_SECRET_FILE, REFRESH_TOKEN_SECRET, REFRESH_TOKEN_SECRET_FILE, Setting};
use super::error::SettingsError;
use super::source::{Source, refused};
use super::{Database, Secret, kept, private_file, strength};

/// Far more than any secret; it keeps a `…_FILE` that names a device or a log from being read for ever.
const LONGEST_FILE: u64 = 4096;

/// Both keys.
pub(super) struct Secrets {
    /// `JWT_SECRET`.
    pub(super) jwt: Secret,
    /// `REFRESH_TOKEN_SECRET`.
    pub(super) refresh_token: Secret,
}

impl Secrets {
    /// Takes what is given and, where something is missing, finds or makes the file beside the database. Nothing is
    /// made when what is given is refused.
    pub(super) fn load(source: &Source, database: &Database) -> Result<Self, SettingsError> {
        let jwt = given(source, &JWT_SECRET, &JWT_SECRET_FILE)?;
        let refresh_token = given(source, &REFRESH_TOKEN_SECRET, &REFRESH_TOKEN_SECRET_FILE)?;
        match (jwt, refresh_token) {
            (Some(jwt), Some(refresh_token)) => Self { jwt, refresh_token }.checked(),
            (jwt, refresh_token) => {
                let Database::Sqlite(file) = database;
                let path = kept::path_beside(file);
                let kept = kept::find_or_make(&path, file).map_err(|reason| unusable(jwt.as_ref(), path, reason))?;
                kept.overruled_by(jwt, refresh_token).checked()
            }
        }
    }

    /// Looks at the same and makes nothing. Answers with what is there already, and with the file beside the database, where
    /// something is to come from it.
    pub(super) fn check(
        source: &Source,
        database: &Database,
    ) -> Result<(Option<Self>, Option<KeptFile>), SettingsError> {
        let jwt = given(source, &JWT_SECRET, &JWT_SECRET_FILE)?;
        let refresh_token = given(source, &REFRESH_TOKEN_SECRET, &REFRESH_TOKEN_SECRET_FILE)?;
        match (jwt, refresh_token) {
            (Some(jwt), Some(refresh_token)) => Ok((Some(Self { jwt, refresh_token }.checked()?), None)),
            (jwt, refresh_token) => {
                let Database::Sqlite(file) = database;
                let path = kept::path_beside(file);
                match kept::look(&path, file).map_err(|reason| unusable(jwt.as_ref(), path.clone(), reason))? {
                    Some(kept) => {
                        let found = kept.overruled_by(jwt, refresh_token).checked()?;
                        Ok((Some(found), Some(KeptFile { path, exists: true })))
                    }
                    None => Ok((None, Some(KeptFile { path, exists: false }))),
                }
            }
        }
    }

    /// What is given wins over what is kept.
    fn overruled_by(self, jwt: Option<Secret>, refresh_token: Option<Secret>) -> Self {
        Self { jwt: jwt.unwrap_or(self.jwt), refresh_token: refresh_token.unwrap_or(self.refresh_token) }
    }

    fn checked(self) -> Result<Self, SettingsError> {
        // Whoever verifies access tokens elsewhere holds the one, and must not be able to forge refresh tokens with it.
        if self.jwt == self.refresh_token {
            return Err(refused(&REFRESH_TOKEN_SECRET, "repeats JWT_SECRET; each needs a value of its own"));
        }
        Ok(self)
    }
}

/// The file beside the database, when it is only looked for.
pub(super) struct KeptFile {
    pub(super) path: PathBuf,
    /// It is made at the first start otherwise.
    pub(super) exists: bool,
}

/// The refusal names the first secret that was to come from the file.
fn unusable(jwt: Option<&Secret>, path: PathBuf, reason: Cow<'static, str>) -> SettingsError {
    let missing = if jwt.is_none() { &JWT_SECRET } else { &REFRESH_TOKEN_SECRET };
    SettingsError::KeptFile { setting: missing.name, path, reason: reason.into_owned() }
}

fn given(source: &Source, value: &Setting, file: &Setting) -> Result<Option<Secret>, SettingsError> {
    let (secret, setting) = match (source.given(value)?, source.given(file)?) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => return Err(refused(file, "given together with the secret itself; take one of them out")),
        (Some(text), None) => (Secret::new(text.as_bytes().to_vec()), value),
        (None, Some(path)) => (read(path, file)?, file),
    };
    strength::check(secret.expose()).map_err(|reason| refused(setting, reason))?;
    Ok(Some(secret))
}

/// Reads a secret from a file, without the line end that editors and `openssl` put behind it. Who else may read the
/// file is not looked at: Docker and Kubernetes mount secrets readable by all, inside the container.
fn read(path: &str, setting: &Setting) -> Result<Secret, SettingsError> {
    let bytes = File::open(path)
        .and_then(|file| private_file::bounded(file, LONGEST_FILE))
        .map_err(|cause| SettingsError::UnreadableFile { setting: setting.name, cause })?
        .ok_or(refused(setting, "the file that it names is longer than 4096 bytes; it should hold the secret alone"))?;
    let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    Ok(Secret::new(line.strip_suffix(b"\r").unwrap_or(line).to_vec()))
}
