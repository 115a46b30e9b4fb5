//! `latchkey keys`: which key signs, and which one will.
//!
//! Owns what each command says. The rules of a ring are those of [`tokens::ring`](crate::tokens::ring), and one change at a time is
//! [`config::KeyRing`]'s promise. A key is named and never shown, and a refused command leaves everything
//! as it was.
//!
//! arguments -> settings and secrets -> the ring under its lock -> [`Ring::add`], [`Ring::retire`] -> written -> lines
//!
//! `list`: every key there is. `words`: how a change is told. `ways_out`: of a ring that a start refuses.

mod list;
mod ways_out;
mod words;

use std::time::Duration;

use clap::Subcommand;

use self::words::TOLD;
use super::failure::Failure;
use super::{answer, checked, dotenv, typed};
use crate::app;
use crate::clock::{Clock, Timestamp};
use crate::config::{self, Database, KeyRing, Settings};
use crate::storage::sqlite::Sqlite;
use crate::tokens::keys::Algorithm;
use crate::tokens::ring::change::{NewKey, Refusal, Retired};
use crate::tokens::ring::{Given, Kind, LEAST_NOTICE, MOST_NOTICE, Ring, RingError, Shown, State};

const AFTER_HELP_RETIRE: &str = "\
A key that waits is cancelled, at the latest 10 s before it signs. One that
signs goes on until a new one of its sort does, and then verifies for as long as
what it signed may live: nobody notices.

With --now, for a key that somebody else has, what it signed is refused at once.
A running server hears of it within 5 s. It costs:

  a key of access   whoever holds a token of it renews, once. Who verifies
  tokens            elsewhere believes it until they fetch the keys again:
                    max-age, or as long as their own cache. Who fetched them a
                    moment ago refuses new tokens until they may again: 10 s by
                    max-age and in our examples, 30 s in jose and PyJWT
  a key of refresh  every session whose newest token it signed has to log in
  tokens            again, and late theft of those reads `unknown`. The sessions
                    live on: access tokens are believed to their end, and a
                    logout by such a refresh token answers 204 and ends nothing.
                    To end them: a logout by access token, `latchkey sessions
                    revoke`, or an admin's calls

A name may begin with a hyphen. Only one that looks like an option, such as
-h..., needs `keys retire -- KID`.

Exit codes: 0 done, or retired before, 1 failed, 2 wrong argument, 78 a setting
or the key ring was refused.";

/// What can be done to keys.
#[derive(Debug, Subcommand)]
pub(super) enum Keys {
    /// Add a key that signs access tokens after a while
    Generate {
        /// EdDSA, ES256 or HS256 (a shared secret)
        #[arg(long, value_parser = algorithm)]
        alg: Algorithm,
        /// When it signs, 15s to 30d
        #[arg(long, value_name = "DURATION", value_parser = notice, default_value = "60s")]
        activate_in: Duration,
    },
    /// Add a key of the sort that signs now, which takes over after a while
    Rotate {
        /// A key of refresh tokens, not of access tokens
        #[arg(long)]
        refresh: bool,
        /// When it signs, 15s to 30d
        #[arg(long, value_name = "DURATION", value_parser = notice, default_value = "60s")]
        activate_in: Duration,
    },
    /// Cancel a key, let another one take over, or refuse it at once
    #[command(after_help = AFTER_HELP_RETIRE)]
    Retire {
        /// Its name, as `keys list` shows it
        #[arg(allow_hyphen_values = true)]
        kid: String,
        /// When the next signs, 15s to 30d
        #[arg(long, value_name = "DURATION", value_parser = notice, default_value = "60s", conflicts_with = "now")]
        activate_in: Duration,
        /// Refuse what it signed at once: the key leaked
        #[arg(long)]
        now: bool,
        /// Do not ask back
        #[arg(long, requires = "now")]
        yes: bool,
    },
    /// Begin an empty ring, where one was lost or damaged without a backup
    #[command(after_help = ways_out::AFTER_HELP_INIT)]
    Init {
        /// Do not ask back
        #[arg(long)]
        yes: bool,
    },
    /// Take the ring that is there, where a newer one was lost
    #[command(after_help = ways_out::AFTER_HELP_ACCEPT)]
    Accept {
        /// Do not ask back
        #[arg(long)]
        yes: bool,
    },
    /// List the keys, those of access tokens first, the newest first
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
}

/// Does it.
pub(super) fn run(command: Keys) -> Result<(), Failure> {
    match command {
        Keys::Generate { alg, activate_in } => {
            add(|ring, given, now| ring.add(NewKey::Access(alg), activate_in, given, now))
        }
        Keys::Rotate { refresh, activate_in } => {
            let kind = if refresh { Kind::Refresh } else { Kind::Access };
            add(|ring, given, now| ring.rotate(kind, activate_in, given, now))
        }
        Keys::Retire { kid, now: true, yes, .. } => withdraw(&kid, yes),
        Keys::Retire { kid, activate_in, .. } => retire(&kid, activate_in),
        Keys::Init { yes } => ways_out::init(yes),
        Keys::Accept { yes } => ways_out::accept(yes),
        Keys::List { json } => list(json),
    }
}

fn add(make: impl FnOnce(&mut Ring, Given<'_>, Timestamp) -> Result<Shown, Refusal>) -> Result<(), Failure> {
    let settings = settings()?;
    let (added, keys) = change(&settings, |ring, given, now| {
        let added = make(ring, given, now).map_err(|refusal| Failure::new(refusal.to_string()))?;
        Ok((added, ring.shown(given, now)))
    })?;
    answer(&format!("{}{TOLD}", words::takes_over(&added, &keys)));
    Ok(())
}

fn retire(kid: &str, notice: Duration) -> Result<(), Failure> {
    let settings = settings_where_there_are_keys(kid)?;
    let (retired, keys) = change(&settings, |ring, given, now| {
        let retired = ring.retire(kid, notice, given, now).map_err(|refusal| Failure::about(&kid, &refusal))?;
        Ok((retired, ring.shown(given, now)))
    })?;
    answer(&match retired {
        Retired::Cancelled => format!("{kid}: cancelled, and will not sign\n{TOLD}"),
        Retired::Succeeded { by } => format!("{}{TOLD}", words::takes_over(&by, &keys)),
        Retired::Already { verifies_until } => {
            format!("{kid}: retired already, and verifies until {}\n", verifies_until.to_rfc3339())
        }
        Retired::Withdrawn => words::withdrawn_before(kid),
    });
    Ok(())
}

fn withdraw(kid: &str, yes: bool) -> Result<(), Failure> {
    let settings = settings_where_there_are_keys(kid)?;
    let named = |keys: Vec<Shown>| keys.into_iter().find(|key| key.kid == kid).ok_or_else(|| no_such_key(kid));
    let key = named(shown(&settings)?)?;
    if key.state == State::Withdrawn {
        answer(&words::withdrawn_before(kid));
        return Ok(());
    }
    if !yes {
        let question = format!("{}\nRefuse everything that {kid} signed, at once?", words::cost(&key));
        if !typed::agreed(&question, "retire --now asks back where there is a terminal, and needs --yes elsewhere")? {
            return Err(Failure::new(format!("{kid}: not retired")));
        }
    }
    let told = change(&settings, |ring, given, now| {
        let key = named(ring.shown(given, now))?;
        let gone = ring.withdraw(kid, given, now).map_err(|refusal| Failure::about(&kid, &refusal))?;
        Ok(words::withdrawn(&key, &gone))
    })?;
    answer(&format!("{told}{TOLD}"));
    Ok(())
}

fn list(json: bool) -> Result<(), Failure> {
    let settings = checked()?.settings;
    if are_missing(&settings) {
        return Err(Failure::new("there are no keys yet: the first start makes them"));
    }
    list::print(&shown(&settings)?, json);
    Ok(())
}

/// Every key as it stands now.
fn shown(settings: &Settings) -> Result<Vec<Shown>, Failure> {
    let text = settings.key_ring.read()?;
    let ring = ring(text.as_ref().map(|text| text.as_slice()), settings)?;
    Ok(ring.shown(app::given(settings), now(settings)?))
}

/// Dates a change of this ring. Errors: the database cannot be looked at.
fn date(ring: &mut Ring, settings: &Settings) -> Result<(), Failure> {
    let Database::Sqlite(path) = &settings.database;
    ring.date(now(settings)?, Sqlite::key_ring_mark(path)?.changed_at);
    Ok(())
}

/// The time as a server on this database has it: where this machine's clock was put back, that is the newest time in the database,
/// and a key that is dated by the clock alone would sign before anybody knows it.
fn now(settings: &Settings) -> Result<Timestamp, Failure> {
    let (clock, Database::Sqlite(path)) = (Clock::system(), &settings.database);
    if let Some(newest) = Sqlite::newest_time(path)? {
        clock.note(newest);
    }
    Ok(clock.now())
}

/// Changes the ring, in which nothing is left that is over. What is written is a ring that a server accepts.
fn change<T>(
    settings: &Settings,
    change: impl FnOnce(&mut Ring, Given<'_>, Timestamp) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut done = None;
    settings.key_ring.change(|text| {
        let mut changed = ring(text, settings)?;
        let Database::Sqlite(path) = &settings.database;
        // A change would pass an old ring off as the newest.
        app::refuse_older(&changed, Sqlite::key_ring_mark(path)?, settings)?;
        let before = changed.to_text();
        // Under the lock: whoever waited for it must not date the change before it had its turn.
        let (given, now) = (app::given(settings), now(settings)?);
        changed.prune(given, now);
        done = Some(change(&mut changed, given, now)?);
        if *changed.to_text() != *before {
            date(&mut changed, settings)?;
        }
        let text = changed.to_text();
        ring(Some(text.as_bytes()), settings)?;
        Ok(text)
    })?;
    done.ok_or_else(|| Failure::new("the key ring was not changed"))
}

/// The ring of this text, each of whose keys was tested.
fn ring(text: Option<&[u8]>, settings: &Settings) -> Result<Ring, Failure> {
    tested(text, settings).map_err(|reason| unusable(reason, settings))
}

fn unusable(reason: RingError, settings: &Settings) -> Failure {
    app::RunError::Keys { subject: settings.key_ring.subject(), reason }.into()
}

fn tested(text: Option<&[u8]>, settings: &Settings) -> Result<Ring, RingError> {
    let ring = text.map_or(Ok(Ring::empty()), Ring::parse)?;
    ring.keys(app::given(settings), &settings.jwt_issuer, &settings.jwt_audience)?;
    Ok(ring)
}

/// The settings with their secrets, which time and name the keys. Where no server ever started they are made, as by its first start;
/// not before the ring was found to be one that can be changed.
fn settings() -> Result<Settings, Failure> {
    found_or_made(checked()?.settings)
}

fn found_or_made(settings: Settings) -> Result<Settings, Failure> {
    if !are_missing(&settings) {
        return Ok(settings);
    }
    match settings.key_ring {
        KeyRing::Given(_) => Ok(settings),
        KeyRing::File { .. } => Ok(Settings::load(std::env::vars_os(), dotenv())?),
    }
}

/// The same for what is done to a key that is there: nothing is made for it.
fn settings_where_there_are_keys(kid: &str) -> Result<Settings, Failure> {
    let settings = checked()?.settings;
    if are_missing(&settings) { Err(no_such_key(kid)) } else { Ok(settings) }
}

/// Whether the secrets of the settings are still to be made.
fn are_missing(settings: &Settings) -> bool {
    settings.jwt_secret.expose().is_empty()
}

fn no_such_key(kid: &str) -> Failure {
    Failure::about(&kid, &Refusal::NoSuchKey)
}

/// Reads an algorithm as an argument.
fn algorithm(text: &str) -> Result<Algorithm, String> {
    Algorithm::parse(text).ok_or_else(|| "an algorithm is EdDSA, ES256 or HS256".to_owned())
}

/// Reads how long a key waits as an argument.
fn notice(text: &str) -> Result<Duration, String> {
    // Not in the words of the settings, whose example is 500ms.
    let notice = config::duration(text).ok().filter(|notice| (LEAST_NOTICE..=MOST_NOTICE).contains(notice));
    notice.ok_or_else(|| {
        "a key waits from 15s, in which everybody gets to know it, to 30d, such as 60s, 15m or 12h".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(subcommand)]
        keys: Keys,
    }

    #[test]
    fn what_is_said_of_a_notice_is_what_it_is() {
        for (text, is_one) in [("14999ms", false), ("15s", true), ("30d", true), ("2592001s", false)] {
            assert_eq!(notice(text).is_ok(), is_one, "{text}");
        }
        for malformed in ["60", "0", "soon", "400d", "99999999d"] {
            let refusal = notice(malformed).unwrap_err();
            assert!(refusal.contains("15s") && refusal.contains("30d") && !refusal.contains("ms"), "{refusal}");
        }
    }

    #[test]
    fn a_name_that_begins_with_a_hyphen_is_a_name() {
        for kid in ["-dRk0XyJm-8dZf5KwLs1n7GhEuApYi6Qb9OeFw3TqvB", "--k0XyJm-8dZf5KwLs1n7GhEuApYi6Qb9OeFw3Tqvdc"] {
            for arguments in [["keys", "retire", kid, "--now"], ["keys", "retire", "--now", kid]] {
                let line = Line::try_parse_from(arguments).unwrap_or_else(|refusal| panic!("{refusal}"));
                let Keys::Retire { kid: read, now: true, .. } = line.keys else { panic!("retire --now") };
                assert_eq!(read, kid);
            }
        }
        let Ok(Line { keys: Keys::Retire { kid, now: true, .. } }) =
            Line::try_parse_from(["keys", "retire", "--now", "--", "-hR"])
        else {
            panic!("retire --now")
        };
        assert_eq!(kid, "-hR");
    }
}
