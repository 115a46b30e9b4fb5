//! The names of the settings, and what each one is when it is not given.
//!
//! Owns the list: what is not in [`ALL`] is no setting, and stops the start when it stands in `.env`. `.env.example`
//! says the same in more words; a test below keeps the two from drifting apart.

/// A setting's name and its default, as text that is parsed like any value.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Setting {
    /// What the environment and `.env` call it.
    pub(super) name: &'static str,
    /// Empty where it is worked out at the start (cores) or where there is none.
    pub(super) default: &'static str,
}

const fn setting(name: &'static str, default: &'static str) -> Setting {
    Setting { name, default }
}

pub(super) const HOST: Setting = setting("HOST", "127.0.0.1");
pub(super) const PORT: Setting = setting("PORT", "3000");
pub(super) const PUBLIC_URL: Setting = setting("PUBLIC_URL", "");
pub(super) const CORS_ORIGINS: Setting = setting("CORS_ORIGINS", "");
pub(super) const COOKIE_INSECURE: Setting = setting("COOKIE_INSECURE", "0");
pub(super) const DATABASE_URL: Setting = setting("DATABASE_URL", "sqlite://data/latchkey.db");
pub(super) const JWT_SECRET: Setting = setting("JWT_SECRET", "");
pub(super) const JWT_SECRET_FILE: Setting = setting("JWT_SECRET_FILE", "");
pub(super) const REFRESH_TOKEN_SECRET: Setting = setting("REFRESH_TOKEN_SECRET", "");
pub(super) const REFRESH_TOKEN_SECRET_FILE: Setting = setting("REFRESH_TOKEN_SECRET_FILE", "");
pub(super) const KEY_RING: Setting = setting("KEY_RING", "");
pub(super) const KEY_RING_FILE: Setting = setting("KEY_RING_FILE", "");
pub(super) const JWT_ISSUER: Setting = setting("JWT_ISSUER", "latchkey");
pub(super) const JWT_AUDIENCE: Setting = setting("JWT_AUDIENCE", "latchkey");
pub(super) const ACCESS_TOKEN_TTL: Setting = setting("ACCESS_TOKEN_TTL", "15m");
pub(super) const REFRESH_TOKEN_TTL: Setting = setting("REFRESH_TOKEN_TTL", "7d");
pub(super) const SESSION_TTL: Setting = setting("SESSION_TTL", "30d");
pub(super) const REFRESH_GRACE: Setting = setting("REFRESH_GRACE", "10s");
pub(super) const MAX_SESSIONS_PER_USER: Setting = setting("MAX_SESSIONS_PER_USER", "50");
pub(super) const PASSWORD_POLICY: Setting = setting("PASSWORD_POLICY", "basic");
pub(super) const BCRYPT_COST: Setting = setting("BCRYPT_COST", "12");
pub(super) const ALLOW_WEAK_HASH: Setting = setting("ALLOW_WEAK_HASH", "0");
pub(super) const HASH_THREADS: Setting = setting("HASH_THREADS", "");
pub(super) const HASH_MAX_WAIT: Setting = setting("HASH_MAX_WAIT", "3s");
pub(super) const LOGIN_FAILURES: Setting = setting("LOGIN_FAILURES", "10 per 15m");
pub(super) const REGISTRATIONS: Setting = setting("REGISTRATIONS", "300 per 1h");
pub(super) const TRUSTED_PROXIES: Setting = setting("TRUSTED_PROXIES", "");
pub(super) const WORKERS: Setting = setting("WORKERS", "");
pub(super) const LOG_FORMAT: Setting = setting("LOG_FORMAT", "text");
pub(super) const RUST_LOG: Setting = setting("RUST_LOG", "info");

/// Every setting there is, in the order of `.env.example`.
pub(super) const ALL: [Setting; 30] = [
    HOST,
    PORT,
    PUBLIC_URL,
    CORS_ORIGINS,
    COOKIE_INSECURE,
    DATABASE_URL,
    JWT_SECRET,
    JWT_SECRET_FILE,
    REFRESH_TOKEN_SECRET,
    REFRESH_TOKEN_SECRET_FILE,
    KEY_RING,
    KEY_RING_FILE,
    JWT_ISSUER,
    JWT_AUDIENCE,
    ACCESS_TOKEN_TTL,
    REFRESH_TOKEN_TTL,
    SESSION_TTL,
    REFRESH_GRACE,
    MAX_SESSIONS_PER_USER,
    PASSWORD_POLICY,
    BCRYPT_COST,
    ALLOW_WEAK_HASH,
    HASH_THREADS,
    HASH_MAX_WAIT,
    LOGIN_FAILURES,
    REGISTRATIONS,
    TRUSTED_PROXIES,
    WORKERS,
    LOG_FORMAT,
    RUST_LOG,
];

/// The name as the catalogue spells it; `None` for what is no setting.
pub(super) fn known(name: &str) -> Option<&'static str> {
    ALL.iter().map(|setting| setting.name).find(|known| *known == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../.env.example");

    #[test]
    fn the_example_lists_every_setting_once_in_order_and_commented_out_with_its_default() {
        let written: Vec<(&str, &str)> = EXAMPLE
            .lines()
            .filter_map(|line| line.strip_prefix('#')?.split_once('='))
            .filter(|(name, _)| name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'))
            // A default with blanks stands in quotes there, to be uncommented as it is.
            .map(|(name, value)| (name, value.trim_matches('\'')))
            .collect();

        let coded: Vec<(&str, &str)> = ALL.iter().map(|setting| (setting.name, setting.default)).collect();

        assert_eq!(written, coded);
    }

    #[test]
    fn the_example_sets_nothing_by_itself() {
        let live: Vec<&str> = EXAMPLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        assert_eq!(live, Vec::<&str>::new());
    }

    #[test]
    fn the_example_holds_nothing_that_would_pass_for_a_secret() {
        for chunk in EXAMPLE.split(|character: char| character.is_whitespace() || "`='\"()".contains(character)) {
            assert!(super::super::strength::check(chunk.as_bytes()).is_err(), "{chunk}");
        }
    }

    #[test]
    fn every_setting_has_a_comment_above_it() {
        let lines: Vec<&str> = EXAMPLE.lines().collect();
        for setting in &ALL {
            let begin = format!("#{}=", setting.name);
            let at = lines.iter().position(|written| written.starts_with(&begin)).unwrap();
            assert!(lines[at - 1].starts_with("# "), "{begin}");
        }
    }
}
