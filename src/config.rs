//! Settings.
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use zeroize::Zeroizing;

/// Key material. Zeroised when dropped; neither `Debug` nor anything else prints it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes over the bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, for a key and for nothing else.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(…)")
    }
}

/// Every setting, parsed and checked against the others. What it is, its default and unit: `.env.example`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `HOST`: what to bind, an address or a name.
    pub host: String,
    /// `PORT`: 0 picks a free one.
    pub port: u16,
    /// `DATABASE_URL`.
    pub database: Database,
    /// `JWT_SECRET`: signs and verifies HS256 access tokens.
    pub jwt_secret: Secret,
    /// `REFRESH_TOKEN_SECRET`: the MAC key of refresh tokens.
    pub refresh_token_secret: Secret,
    /// `JWT_ISSUER`: claim `iss`.
    pub jwt_issuer: String,
    /// `JWT_AUDIENCE`: claim `aud`.
    pub jwt_audience: String,
    /// `ACCESS_TOKEN_TTL`.
    pub access_token_ttl: Duration,
    /// `REFRESH_TOKEN_TTL`: a session's idle limit.
    pub refresh_token_ttl: Duration,
    /// `SESSION_TTL`: a session's absolute limit.
    pub session_ttl: Duration,
    /// `REFRESH_GRACE`.
    pub refresh_grace: Grace,
    /// `BCRYPT_COST`: base-2 logarithm of the rounds.
    pub bcrypt_cost: u32,
    /// `HASH_THREADS`.
    pub hash_threads: usize,
    /// `HASH_MAX_WAIT`: whoever could not begin hashing within it is turned away.
    pub hash_max_wait: Duration,
    /// `WORKERS`: threads that serve HTTP.
    pub workers: usize,
    /// `LOG_FORMAT`.
    pub log_format: LogFormat,
    /// `RUST_LOG`: directives such as `info,latchkey=debug`, already checked.
    pub log_filter: String,
    /// Limits that are not settings: the contract fixes them, and tests shorten them.
    pub limits: Limits,
}

/// Where the state lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Database {
    /// `sqlite://PATH`: one file, made on the first run.
    Sqlite(PathBuf),
}

/// `REFRESH_GRACE`: what a retry with a spent token is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grace {
    /// How long after a rotation its parent is answered with the current token; zero is strict.
    pub window: Duration,
    /// A lone owner may come back with the parent at any time.
    pub until_used: bool,
}

/// `LOG_FORMAT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for machines.
    Json,
}

/// What the contract fixes.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long a request's body may take to arrive.
    pub body_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body_timeout: Duration::from_secs(15) }
    }
}
