//! What each setting may say, and how two of them go together.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use latchkey::config::{Database, Grace, LogFormat, Origin, PasswordPolicy, Rate, Settings};

use crate::{CANARY, JWT, Place, REFRESH, pair};

#[test]
fn nothing_has_to_be_given() {
    let settings = Place::new().load(&[]).unwrap();

    assert_eq!((settings.host.as_str(), settings.port), ("127.0.0.1", 3000));
    assert_eq!((settings.public_url, settings.cookie_insecure), (None, false));
    assert_eq!(settings.cors_origins, []);
    assert_eq!((settings.jwt_issuer.as_str(), settings.jwt_audience.as_str()), ("latchkey", "latchkey"));
    assert_eq!(settings.access_token_ttl, Duration::from_secs(15 * 60));
    assert_eq!(settings.refresh_token_ttl, Duration::from_secs(7 * 24 * 60 * 60));
    assert_eq!(settings.session_ttl, Duration::from_secs(30 * 24 * 60 * 60));
    assert_eq!(settings.refresh_grace, Grace { window: Duration::from_secs(10), until_used: false });
    assert_eq!(settings.max_sessions_per_user, 50);
    assert_eq!(settings.password_policy, PasswordPolicy::Basic);
    assert_eq!((settings.bcrypt_cost, settings.hash_max_wait), (12, Duration::from_secs(3)));
    let per = |most, secs| Some(Rate { most, per: Duration::from_secs(secs) });
    assert_eq!((settings.login_failures, settings.registrations), (per(10, 15 * 60), per(300, 60 * 60)));
    assert_eq!(settings.trusted_proxies, []);
    let cores = std::thread::available_parallelism().unwrap().get();
    assert_eq!((settings.hash_threads, settings.workers), (cores, cores));
    assert_eq!((settings.log_format, settings.log_filter.as_str()), (LogFormat::Text, "info"));
}

#[test]
fn every_setting_can_be_chosen() {
    let place = Place::new();
    let jwt_file = place.write("jwt", JWT);

    let settings = place
        .load(&[
            ("HOST", "::1"),
            ("PORT", "0"),
            ("PUBLIC_URL", "http://localhost:8080/"),
            ("CORS_ORIGINS", "https://app.test, http://localhost:5173"),
            ("COOKIE_INSECURE", "1"),
            ("DATABASE_URL", "sqlite:///srv/latchkey.db"),
            ("JWT_SECRET_FILE", &jwt_file),
            ("REFRESH_TOKEN_SECRET", REFRESH),
            ("JWT_ISSUER", "https://id.test"),
            ("JWT_AUDIENCE", "shop"),
            ("ACCESS_TOKEN_TTL", "10s"),
            ("REFRESH_TOKEN_TTL", "1h"),
            ("SESSION_TTL", "1h"),
            ("REFRESH_GRACE", "until-used"),
            ("MAX_SESSIONS_PER_USER", "3"),
            ("PASSWORD_POLICY", "nist"),
            ("BCRYPT_COST", "4"),
            ("ALLOW_WEAK_HASH", "1"),
            ("HASH_THREADS", "3"),
            ("HASH_MAX_WAIT", "500ms"),
            ("LOGIN_FAILURES", "off"),
            ("REGISTRATIONS", "5 per 12h"),
            ("TRUSTED_PROXIES", "127.0.0.1, fd00::/8"),
            ("WORKERS", "5"),
            ("LOG_FORMAT", "json"),
            ("RUST_LOG", "warn,latchkey=debug"),
        ])
        .unwrap();

    assert_eq!((settings.host.as_str(), settings.port), ("::1", 0));
    assert_eq!(settings.public_url.as_ref().map(Origin::as_str), Some("http://localhost:8080"));
    assert!(settings.cookie_insecure);
    let origins: Vec<_> = settings.cors_origins.iter().map(Origin::as_str).collect();
    assert_eq!(origins, ["https://app.test", "http://localhost:5173"]);
    assert_eq!(settings.database, Database::Sqlite("/srv/latchkey.db".into()));
    assert_eq!(pair(&settings), (JWT.into(), REFRESH.into()));
    assert_eq!((settings.jwt_issuer.as_str(), settings.jwt_audience.as_str()), ("https://id.test", "shop"));
    assert_eq!(settings.access_token_ttl, Duration::from_secs(10));
    assert_eq!(
        (settings.refresh_token_ttl, settings.session_ttl),
        (Duration::from_secs(3600), Duration::from_secs(3600))
    );
    assert_eq!(settings.refresh_grace, Grace { window: Duration::from_secs(10), until_used: true });
    assert_eq!(settings.max_sessions_per_user, 3);
    assert_eq!(settings.password_policy, PasswordPolicy::Nist);
    assert_eq!((settings.bcrypt_cost, settings.hash_max_wait), (4, Duration::from_millis(500)));
    let registrations = Rate { most: 5, per: Duration::from_secs(12 * 60 * 60) };
    assert_eq!((settings.login_failures, settings.registrations), (None, Some(registrations)));
    let proxies: Vec<_> = settings.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(proxies, ["127.0.0.1/32", "fd00::/8"]);
    assert_eq!((settings.hash_threads, settings.workers), (3, 5));
    assert_eq!((settings.log_format, settings.log_filter.as_str()), (LogFormat::Json, "warn,latchkey=debug"));
}

/// One refused value for every setting, with a canary where text fits.
const MALFORMED: [(&str, &str); 30] = [
    ("HOST", "canary7:3000"),
    ("PORT", "canary7"),
    ("PUBLIC_URL", "http://canary7.example"),
    ("CORS_ORIGINS", "https://canary7.example/"),
    ("COOKIE_INSECURE", "canary7"),
    ("DATABASE_URL", "postgres://latchkey:canary7@localhost/latchkey"),
    ("JWT_SECRET", "canary7"),
    ("JWT_SECRET_FILE", "/nowhere/canary7"),
    ("REFRESH_TOKEN_SECRET", "changeme-canary7-changeme-canary7-x"),
    ("REFRESH_TOKEN_SECRET_FILE", "/nowhere/canary7"),
    ("KEY_RING", "keys/canary7.json"),
    ("KEY_RING_FILE", "/dev/null/canary7"),
    ("JWT_ISSUER", "canary7 canary7"),
    ("JWT_AUDIENCE", "canary7\tcanary7"),
    ("ACCESS_TOKEN_TTL", "canary7"),
    ("REFRESH_TOKEN_TTL", "7canary7"),
    ("SESSION_TTL", "canary7d"),
    ("REFRESH_GRACE", "canary7"),
    ("MAX_SESSIONS_PER_USER", "canary7"),
    ("PASSWORD_POLICY", "canary7"),
    ("BCRYPT_COST", "canary7"),
    ("ALLOW_WEAK_HASH", "canary7"),
    ("HASH_THREADS", "canary7"),
    ("HASH_MAX_WAIT", "canary7s"),
    ("LOGIN_FAILURES", "canary7 per 15m"),
    ("REGISTRATIONS", "10 per canary7"),
    ("TRUSTED_PROXIES", "10.0.0.0/8,canary7"),
    ("WORKERS", "canary7"),
    ("LOG_FORMAT", "canary7"),
    ("RUST_LOG", "canary7"),
];

#[test]
fn insecure_cookies_are_for_whoever_only_this_machine_reaches() {
    for host in ["127.0.0.1", "127.0.0.2", "::1", "[::1]", "localhost"] {
        let settings = Place::new().load(&[("HOST", host), ("COOKIE_INSECURE", "1")]).unwrap();
        assert!(settings.cookie_insecure, "{host}");
    }
}

fn settings_of_the_example() -> BTreeSet<&'static str> {
    let lines = include_str!("../../.env.example").lines();
    let names = lines.filter_map(|line| line.strip_prefix('#')?.split_once('=')).map(|(name, _)| name);
    names.filter(|name| !name.contains(' ')).collect()
}

#[test]
fn a_malformed_setting_stops_the_start_with_one_line_that_names_it_and_never_shows_its_value() {
    assert_eq!(MALFORMED.iter().map(|(name, _)| *name).collect::<BTreeSet<_>>(), settings_of_the_example());
    for (name, value) in MALFORMED {
        let place = Place::new();
        let from_environment = place.refusal(&[(name, value)]);
        place.write(".env", format!("{name}='{value}'\n"));
        let from_dotenv = Settings::load::<&str, &str>([], Some(&place.path(".env"))).unwrap_err().to_string();

        assert!(from_environment.starts_with(&format!("{name}: ")), "{from_environment}");
        assert_eq!(from_environment, from_dotenv);
        assert!(!from_environment.contains(CANARY) && !from_environment.contains('\n'), "{from_environment}");
    }
}

#[test]
fn an_empty_setting_is_malformed_and_not_left_out() {
    for name in settings_of_the_example() {
        let refusal = Place::new().refusal(&[(name, "")]);
        assert!(refusal.starts_with(&format!("{name}: empty")), "{refusal}");
    }
}

#[test]
fn a_known_setting_that_is_not_utf_8_is_refused_and_an_unknown_one_is_not_ours() {
    let garbage = OsString::from_vec(b"canary7\xff".to_vec());
    for name in settings_of_the_example() {
        let refusal = Settings::load([(OsString::from(name), garbage.clone())], None).unwrap_err().to_string();
        assert_eq!(refusal, format!("{name}: not UTF-8"));
    }

    let place = Place::new();
    let database = OsString::from(format!("sqlite://{}", place.path("x.db").display()));
    let settings = Settings::load([("LS_COLORS".into(), garbage), (OsString::from("DATABASE_URL"), database)], None);
    assert!(settings.is_ok());
}

#[test]
fn settings_that_contradict_each_other_are_refused_by_both_names() {
    let table = [
        (["ACCESS_TOKEN_TTL", "8d", "PORT", "1"], "ACCESS_TOKEN_TTL", "REFRESH_TOKEN_TTL"),
        (["REFRESH_TOKEN_TTL", "31d", "PORT", "1"], "REFRESH_TOKEN_TTL", "SESSION_TTL"),
        (["SESSION_TTL", "1d", "PORT", "1"], "REFRESH_TOKEN_TTL", "SESSION_TTL"),
        (["COOKIE_INSECURE", "1", "HOST", "0.0.0.0"], "COOKIE_INSECURE", "HOST"),
        (["COOKIE_INSECURE", "1", "HOST", "192.0.2.1"], "COOKIE_INSECURE", "HOST"),
        (["COOKIE_INSECURE", "1", "HOST", "::"], "COOKIE_INSECURE", "HOST"),
        (["COOKIE_INSECURE", "1", "HOST", "localhost.example"], "COOKIE_INSECURE", "HOST"),
        (["COOKIE_INSECURE", "1", "PUBLIC_URL", "https://id.test"], "COOKIE_INSECURE", "PUBLIC_URL"),
        (["COOKIE_INSECURE", "1", "PUBLIC_URL", "https://localhost:8443"], "COOKIE_INSECURE", "PUBLIC_URL"),
        (["BCRYPT_COST", "9", "PORT", "1"], "BCRYPT_COST", "ALLOW_WEAK_HASH"),
        (["BCRYPT_COST", "9", "ALLOW_WEAK_HASH", "0"], "BCRYPT_COST", "ALLOW_WEAK_HASH"),
        (["JWT_SECRET", JWT, "REFRESH_TOKEN_SECRET", JWT], "REFRESH_TOKEN_SECRET", "repeats JWT_SECRET"),
    ];
    for ([name, value, second, its_value], named, other) in table {
        let refusal = Place::new().refusal(&[(name, value), (second, its_value)]);
        assert!(refusal.starts_with(&format!("{named}: ")) && refusal.contains(other), "{refusal}");
    }
    for (name, file) in [("JWT_SECRET", "JWT_SECRET_FILE"), ("REFRESH_TOKEN_SECRET", "REFRESH_TOKEN_SECRET_FILE")] {
        let place = Place::new();
        let path = place.write("x", JWT);
        let refusal = place.refusal(&[(name, JWT), (file, &path)]);
        assert!(refusal.starts_with(&format!("{file}: given together")), "{refusal}");
    }
}
