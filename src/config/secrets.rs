//! Where the two secrets come from.
//!
//! Owns one rule: what the operator gives is used or refused, never replaced; only what is not given at all comes from
//! the file beside the database, which is made on the first run ([`kept`]).
//!
//! `…_SECRET` or the file of `…_SECRET_FILE` -> strength -> [`Secret`]; neither -> [`kept`] -> [`Secret`]

use std::fs::File;
use std::io::Read;

use zeroize::Zeroizing;

use super::catalogue::{JWT_SECRET, JWT_SECRET_FILE, REFRESH_TOKEN_SECRET, REFRESH_TOKEN_SECRET_FILE, Setting};
use super::error::SettingsError;
use super::source::{Source, refused};
use super::{Database, Secret, kept, strength};

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
        let secrets = match (jwt, refresh_token) {
            (Some(jwt), Some(refresh_token)) => Self { jwt, refresh_token },
            (None, refresh_token) => {
                let kept = kept_beside(database, &JWT_SECRET)?;
                Self { jwt: kept.jwt, refresh_token: refresh_token.unwrap_or(kept.refresh_token) }
            }
            (Some(jwt), None) => {
                Self { jwt, refresh_token: kept_beside(database, &REFRESH_TOKEN_SECRET)?.refresh_token }
            }
        };
        // Whoever verifies access tokens elsewhere holds the one, and must not be able to forge refresh tokens with it.
        if secrets.jwt == secrets.refresh_token {
            return Err(refused(&REFRESH_TOKEN_SECRET, "repeats JWT_SECRET; each needs a value of its own"));
        }
        Ok(secrets)
    }
}

fn kept_beside(database: &Database, setting: &Setting) -> Result<Secrets, SettingsError> {
    let Database::Sqlite(database) = database;
    let path = kept::path_beside(database);
    kept::find_or_make(&path).map_err(|reason| SettingsError::KeptSecrets {
        setting: setting.name,
        path,
        reason: reason.into_owned(),
    })
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
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST_FILE as usize + 1));
    File::open(path)
        .and_then(|file| file.take(LONGEST_FILE + 1).read_to_end(&mut bytes))
        .map_err(|cause| SettingsError::UnreadableFile { setting: setting.name, cause })?;
    if bytes.len() as u64 > LONGEST_FILE {
        return Err(refused(
            setting,
            "the file that it names is longer than 4096 bytes; it should hold the secret alone",
        ));
    }
    let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    Ok(Secret::new(line.strip_suffix(b"\r").unwrap_or(line).to_vec()))
}
