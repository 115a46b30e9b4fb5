//! What each setting may say.
//!
//! Owns the limits of every single value; how two of them go together is `Settings::agree`'s business.
//! Pure: text in, a value or a reason out. The reason is fixed text, so it cannot repeat the value.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing_subscriber::filter::{LevelFilter, Targets};

use super::source::Parsed;
use super::{Database, Grace, LogFormat, PasswordPolicy};

/// RFC 1035 §2.3.4: no name in the DNS is longer.
const LONGEST_HOST: usize = 253;
/// What stands beside the database adds at most so many bytes to its name: a dot, `.secrets`, a dot, 16 digits, `.tmp`.
const BESIDE: usize = 30;
/// `NAME_MAX` of Linux and of most file systems. A name that is too long would only show when the directories above it
/// were made already, and a refused start leaves nothing behind.
const LONGEST_NAME: usize = 255 - BESIDE;
/// `PATH_MAX` of Linux, which counts the NUL at the end.
const LONGEST_PATH: usize = 4095 - BESIDE;
/// A claim is repeated in every access token, and tokens travel in headers that proxies cut at 4 to 8 KiB.
const LONGEST_CLAIM: usize = 255;
/// Ten years. Nobody means to stay signed in longer; a bigger number is a slip in the unit.
const LONGEST_DURATION: Duration = Duration::from_secs(3650 * 24 * 60 * 60);
/// Inside the window whoever stole a spent token is given the live one and nobody notices. Retries after a lost answer
/// come within seconds; five minutes are for a client that waits long between them, and `until-used` is for more.
const LONGEST_GRACE: Duration = Duration::from_secs(5 * 60);
/// The window that goes with `until-used`: the default one, for tabs that renew at the same time.
const UNTIL_USED_WINDOW: Duration = Duration::from_secs(10);
/// A client, or the proxy before us, has given up after a minute.
const LONGEST_HASH_WAIT: Duration = Duration::from_secs(60);
/// The least that bcrypt takes. What is below [`LEAST_STRONG_COST`] needs `ALLOW_WEAK_HASH`.
const LEAST_COST: u64 = 4;
/// Each step doubles the time: 12 takes a fifth to a third of a second of a core, 16 three to five. Above it, one login on a
/// small machine takes longer than clients wait, and a slip of the finger (21 for 12) would stop all logins.
const GREATEST_COST: u64 = 16;
/// The least cost that resists guessing offline (OWASP, Password Storage Cheat Sheet).
pub(super) const LEAST_STRONG_COST: u32 = 10;
/// A login looks at all live sessions of its user, and the list shows them all: ten thousand are a few milliseconds of the
/// storage thread and two megabytes of answer. An account that needs more is used by more than one.
const MOST_SESSIONS: usize = 10_000;
/// More threads than any machine has cores; above it the number is a slip.
pub(super) const MOST_THREADS: usize = 1024;

/// An IP address or a name to resolve. An IPv6 address may stand in the brackets that a URL puts around it.
pub(super) fn host(text: &str) -> Parsed<String> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if bare.parse::<Ipv6Addr>().is_ok() {
        return Ok(bare.to_owned());
    }
    if text.parse::<Ipv4Addr>().is_ok() || is_host_name(text) {
        return Ok(text.to_owned());
    }
    Err("neither an IP address such as 127.0.0.1 or ::1 nor a host name (the port is a setting of its own)")
}

/// RFC 1123 §2.1. A last label of digits alone would be a mistyped IPv4 address (127.0.0.256).
pub(super) fn is_host_name(text: &str) -> bool {
    let name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let label = |label: &str| !label.is_empty() && !label.starts_with('-') && label.bytes().all(name);
    let digits = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    text.len() <= LONGEST_HOST && text.split('.').all(label) && !text.rsplit('.').next().is_some_and(digits)
}

/// Whether only this machine reaches a server that binds this: an address of the loopback network, or the name that stands
/// for one (RFC 6761 §6.3). Any other name may resolve to anything.
pub(super) fn is_loopback(host: &str) -> bool {
    host.parse::<IpAddr>().map_or_else(|_| host.eq_ignore_ascii_case("localhost"), |address| address.is_loopback())
}

/// 0 lets the system pick.
pub(super) fn port(text: &str) -> Parsed<u16> {
    whole_number(text).and_then(|number| u16::try_from(number).ok()).ok_or("not a number from 0 to 65535")
}

/// `sqlite://PATH`, relative to the working directory or with three slashes absolute.
///
/// What SQLite itself would take for something other than a plain path (`:memory:`, `file:` URIs) is refused: state in
/// memory is lost with the process, and a query could switch durability off. `%` is refused because half of the world
/// would decode it and the other half would not.
pub(super) fn database(text: &str) -> Parsed<Database> {
    if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        return Err("this build has the embedded engine only: sqlite://PATH");
    }
    let Some(path) = text.strip_prefix("sqlite://") else {
        return Err("not sqlite://PATH, such as sqlite://data/latchkey.db or sqlite:///srv/latchkey.db");
    };
    if path.contains(['?', '#', '%']) {
        return Err("a plain path follows sqlite://, without a query, a `#` or a `%`");
    }
    if path.starts_with(':') || path.starts_with("file:") {
        return Err("the database is a file: what it holds must outlive the process");
    }
    if path.chars().any(char::is_control) {
        return Err("a control character in the path");
    }
    if path.ends_with('/') || path.ends_with("/.") || Path::new(path).file_name().is_none() {
        return Err("the path of a file follows sqlite://");
    }
    if path.len() > LONGEST_PATH || path.split('/').any(|name| name.len() > LONGEST_NAME) {
        return Err("a name of more than 225 bytes in the path, or a path of more than 4065");
    }
    Ok(Database::Sqlite(PathBuf::from(path)))
}

/// A claim's text (`iss`, `aud`).
pub(super) fn claim(text: &str) -> Parsed<String> {
    if text.is_empty() || text.len() > LONGEST_CLAIM || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("not 1 to 255 bytes without white space");
    }
    Ok(text.to_owned())
}

/// A whole number and its unit: `ms`, `s`, `m`, `h` or `d`.
pub fn duration(text: &str) -> Parsed<Duration> {
    const MALFORMED: &str = "not a duration such as 500ms, 10s, 15m, 12h or 7d";
    let (number, unit) = text.split_at(text.bytes().take_while(u8::is_ascii_digit).count());
    let millis_per_unit: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 60 * 60 * 1000,
        "d" => 24 * 60 * 60 * 1000,
        _ => return Err(MALFORMED),
    };
    if number.is_empty() {
        return Err(MALFORMED);
    }
    // What is too big for the type is all digits, and so merely too long.
    let millis = number.parse::<u64>().ok().and_then(|number| number.checked_mul(millis_per_unit));
    let span = millis.map_or(Duration::MAX, Duration::from_millis);
    if span > LONGEST_DURATION { Err("longer than ten years (3650d)") } else { Ok(span) }
}

/// At least a second, and whole seconds: that is what `exp` can say (a NumericDate, RFC 7519 §4.1.4).
pub(super) fn access_token_ttl(text: &str) -> Parsed<Duration> {
    let ttl = duration(text)?;
    if ttl.is_zero() || ttl.subsec_nanos() != 0 { Err("not one or more whole seconds") } else { Ok(ttl) }
}

/// A window, or `until-used`.
pub(super) fn grace(text: &str) -> Parsed<Grace> {
    if text == "until-used" {
        return Ok(Grace { window: UNTIL_USED_WINDOW, until_used: true });
    }
    let window = duration(text).map_err(|_| "neither a duration such as 10s (0s is strict) nor until-used")?;
    if window > LONGEST_GRACE {
        return Err("longer than 5m; for clients that stay away longer there is until-used");
    }
    Ok(Grace { window, until_used: false })
}

/// `basic` or `nist`.
pub(super) fn password_policy(text: &str) -> Parsed<PasswordPolicy> {
    match text {
        "basic" => Ok(PasswordPolicy::Basic),
        "nist" => Ok(PasswordPolicy::Nist),
        _ => Err("neither basic nor nist"),
    }
}

/// The base-2 logarithm of the rounds. For a program that takes one on its command line, too.
pub fn bcrypt_cost(text: &str) -> Parsed<u32> {
    whole_number(text)
        .filter(|cost| (LEAST_COST..=GREATEST_COST).contains(cost))
        .and_then(|cost| u32::try_from(cost).ok())
        .ok_or("not a number from 10 to 16 (4 to 9 with ALLOW_WEAK_HASH=1)")
}

/// `1` or `0`.
pub(super) fn switch(text: &str) -> Parsed<bool> {
    match text {
        "1" => Ok(true),
        "0" => Ok(false),
        _ => Err("neither 1 nor 0"),
    }
}

/// How many threads; `WORKERS` and `HASH_THREADS`.
pub(super) fn threads(text: &str) -> Parsed<usize> {
    count(text, MOST_THREADS).ok_or("not a number from 1 to 1024")
}

/// How many live sessions a user may have: at least the one that a login opens.
pub(super) fn max_sessions(text: &str) -> Parsed<usize> {
    count(text, MOST_SESSIONS).ok_or("not a number from 1 to 10000")
}

/// From one to `most`.
fn count(text: &str, most: usize) -> Option<usize> {
    let number = whole_number(text).and_then(|number| usize::try_from(number).ok());
    number.filter(|number| (1..=most).contains(number))
}

/// Zero turns away whoever cannot begin at once.
pub(super) fn hash_max_wait(text: &str) -> Parsed<Duration> {
    let wait = duration(text)?;
    if wait > LONGEST_HASH_WAIT { Err("longer than 60s, when clients have given up") } else { Ok(wait) }
}

/// `text` or `json`.
pub(super) fn log_format(text: &str) -> Parsed<LogFormat> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("neither text nor json"),
    }
}

/// Directives between commas: a level, or `TARGET=LEVEL`.
///
/// tracing-subscriber takes more than it acts on: a misspelt level is to it the name of a module, which silences all
/// the others, and a span in brackets is a target that nothing has. Both are refused here. A bare module is taken for ours
/// only.
pub(super) fn log_filter(text: &str) -> Parsed<String> {
    let ours = |module: &str| module == "latchkey" || module.starts_with("latchkey::");
    let is_target = |target: &str| {
        !target.is_empty() && target.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_:-".contains(&byte))
    };
    let is_directive = |directive: &str| match directive.split_once('=') {
        Some((target, level)) => is_target(target) && is_level(level),
        None => is_level(directive) || (ours(directive) && is_target(directive)),
    };
    if text.split(',').all(is_directive) && text.parse::<Targets>().is_ok() {
        Ok(text.to_owned())
    } else {
        Err("not directives such as info or info,latchkey=debug (off, error, warn, info, debug, trace)")
    }
}

fn is_level(text: &str) -> bool {
    !text.is_empty() && text.parse::<LevelFilter>().is_ok()
}

/// Digits and nothing else; `str::parse` alone would also take `+80`.
pub(super) fn whole_number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_whole_number_and_a_unit() {
        let table =
            [("0s", 0), ("500ms", 500), ("10s", 10_000), ("15m", 900_000), ("12h", 43_200_000), ("7d", 604_800_000)];
        for (text, millis) in table {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(duration("3650d"), Ok(LONGEST_DURATION));
        let malformed = ["", "10", "s", "-1s", "+1s", " 1s", "1s ", "1 s", "1.5h", "1S", "1w", "1h30m", "１s", "1µs"];
        for text in malformed.into_iter().chain(["3651d", "18446744073709551615d", "99999999999999999999s"]) {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_access_token_lives_for_whole_seconds() {
        assert_eq!(access_token_ttl("2000ms"), Ok(Duration::from_secs(2)));
        for text in ["0s", "0d", "999ms", "1500ms", "15"] {
            assert!(access_token_ttl(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_host_is_an_address_or_a_name() {
        let table = [("127.0.0.1", "127.0.0.1"), ("::", "::"), ("[::1]", "::1"), ("localhost", "localhost")];
        for (text, bound) in table.into_iter().chain([("api-1.my_net.example", "api-1.my_net.example")]) {
            assert_eq!(host(text).as_deref(), Ok(bound), "{text}");
        }
        let long = "a.".repeat(127) + "aa";
        let refused =
            ["", ":3000", "127.0.0.1:3000", "127.0.0.256", "127.1", "http://localhost", "a b", "-a", "a..b", "*"];
        for text in refused.into_iter().chain(["[localhost]", "[::1", "caf\u{e9}", long.as_str()]) {
            assert!(host(text).is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_keep_to_their_limits() {
        assert_eq!((port("0"), port("65535")), (Ok(0), Ok(65535)));
        assert_eq!((threads("1"), threads("1024")), (Ok(1), Ok(1024)));
        assert_eq!((max_sessions("1"), max_sessions("10000")), (Ok(1), Ok(10_000)));
        assert_eq!((bcrypt_cost("4"), bcrypt_cost("16")), (Ok(4), Ok(16)));
        for text in ["", "65536", "-1", "+80", "80 ", "0x50", "8_0", "eighty", "99999999999999999999"] {
            assert!(port(text).is_err(), "{text}");
        }
        for text in ["0", "1025", "", "2.5"] {
            assert!(threads(text).is_err(), "{text}");
        }
        for text in ["0", "10001", "", "off", "-1"] {
            assert!(max_sessions(text).is_err(), "{text}");
        }
        for text in ["3", "17", "31", "12.0", ""] {
            assert!(bcrypt_cost(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_database_is_a_file_of_a_plain_path() {
        for path in ["data/latchkey.db", "/var/lib/latchkey/latchkey.db", "./x", "../x.sqlite", "a b.db"] {
            assert_eq!(database(&format!("sqlite://{path}")), Ok(Database::Sqlite(path.into())), "{path}");
        }
        let refused = [
            "",
            "data/latchkey.db",
            "sqlite:data.db",
            "sqlite::memory:",
            "sqlite://",
            "sqlite:///",
            "sqlite://data/",
            "sqlite://.",
            "sqlite://..",
            "sqlite://data/.",
            "sqlite://:memory:",
            "sqlite://file:x.db",
            "sqlite://x.db?mode=memory",
            "sqlite://x.db#1",
            "sqlite://my%20data.db",
            "sqlite://x\ny.db",
            "SQLITE://x.db",
            "mysql://localhost/latchkey",
        ];
        for text in refused {
            assert!(database(text).is_err(), "{text}");
        }
        let (fits, too_long) = ("x".repeat(LONGEST_NAME), "x".repeat(LONGEST_NAME + 1));
        assert!(database(&format!("sqlite://{fits}/{fits}")).is_ok());
        for path in [format!("{too_long}/x.db"), format!("data/{too_long}"), "x/".repeat(LONGEST_PATH / 2) + "xx"] {
            assert!(database(&format!("sqlite://{path}")).is_err(), "{path}");
        }
        for text in ["postgres://localhost/latchkey", "postgresql://u:p@localhost/latchkey"] {
            assert!(database(text).is_err_and(|reason| reason.contains("embedded engine only")), "{text}");
        }
    }

    #[test]
    fn grace_is_a_short_window_or_until_used() {
        let window = |millis| Ok(Grace { window: Duration::from_millis(millis), until_used: false });
        assert_eq!((grace("0s"), grace("1500ms"), grace("5m")), (window(0), window(1500), window(300_000)));
        assert_eq!(grace("until-used"), Ok(Grace { window: Duration::from_secs(10), until_used: true }));
        for text in ["", "0", "until_used", "Until-Used", "301s", "1h", "7d"] {
            assert!(grace(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_wait_for_a_hash_ends_before_the_client_gives_up() {
        assert_eq!((hash_max_wait("0s"), hash_max_wait("60s")), (Ok(Duration::ZERO), Ok(Duration::from_secs(60))));
        assert!(hash_max_wait("61s").is_err());
    }

    #[test]
    fn claims_hold_no_white_space() {
        assert_eq!(claim("https://id.example.org/").as_deref(), Ok("https://id.example.org/"));
        for text in ["", " ", "a b", "a\n", "a\u{7}", &"x".repeat(256)] {
            assert!(claim(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn switches_and_formats_have_two_words_each() {
        assert_eq!((switch("1"), switch("0")), (Ok(true), Ok(false)));
        assert_eq!((log_format("text"), log_format("json")), (Ok(LogFormat::Text), Ok(LogFormat::Json)));
        for text in ["", "true", "yes", "2", "on"] {
            assert!(switch(text).is_err(), "{text}");
        }
        for text in ["", "JSON", "logfmt"] {
            assert!(log_format(text).is_err(), "{text}");
        }
        assert_eq!(password_policy("basic"), Ok(PasswordPolicy::Basic));
        assert_eq!(password_policy("nist"), Ok(PasswordPolicy::Nist));
        for text in ["", "NIST", "none", "strict"] {
            assert!(password_policy(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_misspelt_log_level_is_not_taken_for_a_module() {
        for text in
            ["info", "WARN", "off", "info,latchkey=debug", "warn,latchkey::storage=trace", "latchkey", "actix_web=off"]
        {
            assert_eq!(log_filter(text).as_deref(), Ok(text));
        }
        let refused = ["", "inof", "verbose", "info,", ",", "latchkey=loud", "latchkey=", "=info", "a=b=info"];
        for text in
            refused.into_iter().chain(["info, latchkey=debug", "x[{y}]=info", "latchkey[span]=info", "latchkey/re"])
        {
            assert!(log_filter(text).is_err(), "{text}");
        }
    }
}
