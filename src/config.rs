//! Settings: what the operator may choose.
//!
//! Owns one rule: a service that starts has settings that are whole and agree with each other. Whatever is malformed,
//! contradictory or misspelt stops the start with one line that names the setting and never shows its value. Everything
//! behind this module trusts `Settings` and asks no environment.
//!
//! environment over `.env` (`source`) -> each value (`parse`) -> the values against each other (`Settings::agree`)
//! -> the key ring, if what is there can be read (`key_ring`) -> the secrets (`secrets`), found or made last, so that a refused start
//! leaves nothing behind
//!
//! [`Settings::load`] is for a start. [`Settings::check`] and [`Settings::address`] look and make nothing, and
//! [`Settings::beside_a_server`] only where the first account comes before the first start.
//!
//! - `catalogue`: the names and the defaults
//! - `effective`: what the settings come to, without the secrets
//! - `origins`: which web origins there can be, the service's own among them
//! - `proxies`: which proxies are believed; `rate`: how many in a while
//! - `strength`: which secrets are too weak
//! - `kept`: the file of secrets beside the database; `private_file`: how such a file is read and written
//! - `key_ring`: where the keys are that the command line makes

mod catalogue;
mod effective;
mod error;
mod kept;
mod key_ring;
mod origins;
mod parse;
mod private_file;
mod proxies;
mod rate;
mod secrets;
mod source;
mod strength;

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use zeroize::Zeroizing;

use self::catalogue::{
    ACCESS_TOKEN_TTL, ALLOW_WEAK_HASH, BCRYPT_COST, COOKIE_INSECURE, CORS_ORIGINS, DATABASE_URL, HASH_MAX_WAIT,
    HASH_THREADS, HOST, JWT_AUDIENCE, JWT_ISSUER, LOG_FORMAT, LOGIN_FAILURES, MAX_SESSIONS_PER_USER, PASSWORD_POLICY,
    PORT, PUBLIC_URL, REFRESH_GRACE, REFRESH_TOKEN_TTL, REGISTRATIONS, RUST_LOG, SESSION_TTL, TRUSTED_PROXIES, WORKERS,
};
pub use self::effective::Effective;
pub use self::error::SettingsError;
pub use self::key_ring::{ChangeError, KeyRing, LONGEST_KEY_RING};
pub use self::origins::Origin;
pub use self::parse::{bcrypt_cost, duration};
pub use self::rate::Rate;
use self::secrets::Secrets;
use self::source::{Source, refused};

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
    /// `PUBLIC_URL`: the origin that clients call the service by, where the operator says so.
    pub public_url: Option<Origin>,
    /// `CORS_ORIGINS`: the web origins whose pages may read the answers.
    pub cors_origins: Vec<Origin>,
    /// `COOKIE_INSECURE`: refresh cookies also work over plain HTTP, for development on this machine.
    pub cookie_insecure: bool,
    /// `DATABASE_URL`.
    pub database: Database,
    /// `JWT_SECRET`: signs and verifies HS256 access tokens.
    pub jwt_secret: Secret,
    /// `REFRESH_TOKEN_SECRET`: the MAC key of refresh tokens.
    pub refresh_token_secret: Secret,
    /// `KEY_RING`, `KEY_RING_FILE`, or the file beside the database.
    pub key_ring: KeyRing,
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
    /// `MAX_SESSIONS_PER_USER`: how many live sessions a user may have.
    pub max_sessions_per_user: usize,
    /// `PASSWORD_POLICY`: what a new password must be.
    pub password_policy: PasswordPolicy,
    /// `BCRYPT_COST`: base-2 logarithm of the rounds.
    pub bcrypt_cost: u32,
    /// `HASH_THREADS`.
    pub hash_threads: usize,
    /// `HASH_MAX_WAIT`: whoever could not begin hashing within it is turned away.
    pub hash_max_wait: Duration,
    /// `LOGIN_FAILURES`: how often a login may fail; `None` is `off`.
    pub login_failures: Option<Rate>,
    /// `REGISTRATIONS`: how many an address may make; `None` is `off`.
    pub registrations: Option<Rate>,
    /// `TRUSTED_PROXIES`: whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// `WORKERS`: threads that serve HTTP.
    pub workers: usize,
    /// `LOG_FORMAT`.
    pub log_format: LogFormat,
    /// `RUST_LOG`: directives such as `info,latchkey=debug`, already checked.
    pub log_filter: String,
    /// Limits that are not settings: the contract fixes them, and tests shorten them.
    pub limits: Limits,
}

impl Settings {
    /// Reads the settings from an environment (`std::env::vars_os()`) and, for what it does not hold, from the file
    /// `dotenv` if there is one. Makes the secrets on the first run; changes nothing else, and never the environment.
    ///
    /// Errors: the first setting that cannot be used, as one line. Call it before any thread starts: everything else
    /// depends on what it says.
    pub fn load<K, V>(
        environment: impl IntoIterator<Item = (K, V)>,
        dotenv: Option<&Path>,
    ) -> Result<Self, SettingsError>
    where
        K: Into<OsString>,
        V: Into<OsString>,
    {
        let source = Source::gather(environment, dotenv)?;
        let settings = Self::without_secrets(&source)?;
        settings.key_ring.found()?;
        let Secrets { jwt, refresh_token } = Secrets::load(&source, &settings.database)?;
        Ok(Self { jwt_secret: jwt, refresh_token_secret: refresh_token, ..settings })
    }

    /// Reads and checks the same, the secrets included, and makes nothing. Secrets that a start would make are empty.
    ///
    /// Errors: those of [`Settings::load`], but for what only making the secrets can tell. The key ring is not read: whoever is told
    /// that it is refused may see the settings all the same.
    pub fn check<K, V>(
        environment: impl IntoIterator<Item = (K, V)>,
        dotenv: Option<&Path>,
    ) -> Result<Checked, SettingsError>
    where
        K: Into<OsString>,
        V: Into<OsString>,
    {
        let source = Source::gather(environment, dotenv)?;
        let settings = Self::without_secrets(&source)?;
        let (found, kept) = Secrets::check(&source, &settings.database)?;
        let effective = effective::all(&source, &settings, kept.as_ref());
        let settings = match found {
            Some(Secrets { jwt, refresh_token }) => {
                Self { jwt_secret: jwt, refresh_token_secret: refresh_token, ..settings }
            }
            None => settings,
        };
        Ok(Checked { settings, effective })
    }

    /// Everything but the secrets, which stay empty, for whoever works on the database beside a server. Where `makes` and there is
    /// no database, the secrets are made if they are not given, as [`Settings::load`] does: beside one that holds something it
    /// would refuse to.
    pub fn beside_a_server<K, V>(
        environment: impl IntoIterator<Item = (K, V)>,
        dotenv: Option<&Path>,
        makes: bool,
    ) -> Result<Self, SettingsError>
    where
        K: Into<OsString>,
        V: Into<OsString>,
    {
        let source = Source::gather(environment, dotenv)?;
        let settings = Self::without_secrets(&source)?;
        let Database::Sqlite(path) = &settings.database;
        if makes && !kept::holds_something(path) {
            Secrets::load(&source, &settings.database)?;
        }
        Ok(settings)
    }

    /// `HOST` and `PORT` alone, for whoever asks a server that runs already.
    pub fn address<K, V>(
        environment: impl IntoIterator<Item = (K, V)>,
        dotenv: Option<&Path>,
    ) -> Result<(String, u16), SettingsError>
    where
        K: Into<OsString>,
        V: Into<OsString>,
    {
        let source = Source::gather(environment, dotenv)?;
        Ok((source.read(&HOST, parse::host)?, source.read(&PORT, parse::port)?))
    }

    /// Everything but the secrets, which stay empty: a start that is refused must not have made them.
    fn without_secrets(source: &Source) -> Result<Self, SettingsError> {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(parse::MOST_THREADS));
        let database = source.read(&DATABASE_URL, parse::database)?;
        let settings = Self {
            host: source.read(&HOST, parse::host)?,
            port: source.read(&PORT, parse::port)?,
            public_url: source.read_or(&PUBLIC_URL, |text| origins::public_url(text).map(Some), None)?,
            cors_origins: source.read_or(&CORS_ORIGINS, origins::origins, Vec::new())?,
            cookie_insecure: source.read(&COOKIE_INSECURE, parse::switch)?,
            key_ring: KeyRing::gather(source, &database)?,
            database,
            jwt_secret: Secret::new(Vec::new()),
            refresh_token_secret: Secret::new(Vec::new()),
            jwt_issuer: source.read(&JWT_ISSUER, parse::claim)?,
            jwt_audience: source.read(&JWT_AUDIENCE, parse::claim)?,
            access_token_ttl: source.read(&ACCESS_TOKEN_TTL, parse::access_token_ttl)?,
            refresh_token_ttl: source.read(&REFRESH_TOKEN_TTL, parse::duration)?,
            session_ttl: source.read(&SESSION_TTL, parse::duration)?,
            refresh_grace: source.read(&REFRESH_GRACE, parse::grace)?,
            max_sessions_per_user: source.read(&MAX_SESSIONS_PER_USER, parse::max_sessions)?,
            password_policy: source.read(&PASSWORD_POLICY, parse::password_policy)?,
            bcrypt_cost: source.read(&BCRYPT_COST, parse::bcrypt_cost)?,
            hash_threads: source.read_or(&HASH_THREADS, parse::threads, cores)?,
            hash_max_wait: source.read(&HASH_MAX_WAIT, parse::hash_max_wait)?,
            login_failures: source.read(&LOGIN_FAILURES, rate::rate)?,
            registrations: source.read(&REGISTRATIONS, rate::rate)?,
            trusted_proxies: source.read_or(&TRUSTED_PROXIES, proxies::proxies, Vec::new())?,
            workers: source.read_or(&WORKERS, parse::threads, cores)?,
            log_format: source.read(&LOG_FORMAT, parse::log_format)?,
            log_filter: source.read(&RUST_LOG, parse::log_filter)?,
            limits: Limits::default(),
        };
        settings.agree(source.read(&ALLOW_WEAK_HASH, parse::switch)?)?;
        Ok(settings)
    }

    /// What no single value can tell. A lifetime that another one cuts short is a misunderstanding, not a choice.
    fn agree(&self, allow_weak_hash: bool) -> Result<(), SettingsError> {
        if self.access_token_ttl > self.refresh_token_ttl {
            return Err(refused(&ACCESS_TOKEN_TTL, "longer than REFRESH_TOKEN_TTL"));
        }
        if self.refresh_token_ttl > self.session_ttl {
            return Err(refused(&REFRESH_TOKEN_TTL, "longer than SESSION_TTL"));
        }
        if self.cookie_insecure && !parse::is_loopback(&self.host) {
            return Err(refused(
                &COOKIE_INSECURE,
                "for plain HTTP on this machine alone: HOST must be 127.0.0.1, ::1 or localhost",
            ));
        }
        // A proxy on this machine may serve the world from a loopback HOST; who calls it by https has no use for this.
        if self.cookie_insecure && self.public_url.as_ref().is_some_and(Origin::is_https) {
            return Err(refused(
                &COOKIE_INSECURE,
                "for plain HTTP on this machine alone: PUBLIC_URL must not be https",
            ));
        }
        if self.bcrypt_cost < parse::LEAST_STRONG_COST && !allow_weak_hash {
            return Err(refused(&BCRYPT_COST, "below 10, which is for tests only; they set ALLOW_WEAK_HASH=1"));
        }
        Ok(())
    }
}

/// What a start would find.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The settings; a secret that would be made is empty.
    pub settings: Settings,
    /// What each setting comes to, in the order of `.env.example`, with no secret among it.
    pub effective: Vec<Effective>,
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

/// `PASSWORD_POLICY`; what each of them asks for is `passwords`' business.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordPolicy {
    /// Long enough.
    Basic,
    /// Long, and none that is tried first.
    Nist,
}

/// `LOG_FORMAT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for machines.
    Json,
}

/// The most operations that one batch may hold: a commit stays short, and a batch's memory small.
pub const LARGEST_BATCH: usize = 512;

/// What the contract fixes, or nobody needs to choose.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long a request's body may take to arrive.
    pub body_timeout: Duration,
    /// How long a service that lost a part still answers, 503 where that part is needed: long enough for a probe to see
    /// `/readyz` red and send traffic elsewhere, and for requests that were on their way not to meet a closed port.
    pub last_words: Duration,
    /// The most operations that may share a commit, [`LARGEST_BATCH`]. The bench shows what sharing is worth by a service
    /// with 1.
    pub largest_batch: usize,
    /// How many access tokens each worker recognises without checking their signatures again; 0: none.
    /// See [`VerifiedTokens`](crate::tokens::verified::VerifiedTokens).
    pub verified_tokens: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_timeout: Duration::from_secs(15),
            last_words: Duration::from_secs(1),
            largest_batch: LARGEST_BATCH,
            verified_tokens: 4096,
        }
    }
}
