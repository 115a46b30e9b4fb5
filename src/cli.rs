//! The command line.
//!
//! Owns what the process tells whoever started it: what was asked for on standard output, a failure in one line on standard
//! error, and an exit code. Settings are read and checked before anything else happens and before any thread starts. Only
//! `serve` makes anything, `users` where it adds accounts to a database that is not there yet, and `keys` the ring and the secrets
//! that it follows.
//!
//! arguments -> [`Settings`] -> logging -> the command -> exit code
//!
//! Accounts, sessions, clients: `users`, `sessions`, `clients`; beside a server that may run: `visit`. Which key signs: `keys`.

mod clients;
mod failure;
mod healthcheck;
mod import;
mod keys;
mod sessions;
mod typed;
mod users;
mod visit;

use std::fmt::Display;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use serde::Serialize;

use self::clients::Clients;
use self::failure::Failure;
use self::keys::Keys;
use self::sessions::Sessions;
use self::users::Users;
use crate::app::{self, RunError};
use crate::config::{Checked, Settings};
use crate::logging;

/// Looked for in the working directory only: one that was found further up would be somebody else's.
const DOTENV: &str = ".env";
/// The settings were refused: `EX_CONFIG` of `sysexits.h`. Trying again is no use, so a service manager can be told not
/// to restart (systemd: `RestartPreventExitStatus=78`). A wrong argument is 2, as with most programs; a failure later
/// is 1.
const SETTINGS_REFUSED: u8 = 78;
/// What a health check takes at most. `/readyz` waits for up to a second itself, and those who run a check give it a few.
const HEALTHCHECK_PATIENCE: Duration = Duration::from_secs(5);
/// Not wrapped by clap: at most 80 columns.
const AFTER_HELP: &str = "\
Settings come from the environment and from .env in the working directory, and
the environment wins. None has to be set: without any, `latchkey` serves
http://127.0.0.1:3000 and keeps its database and secrets in data/.
`latchkey check-config` lists them all.

Exit codes: 0 done or stopped as asked, 1 failed, 2 wrong argument, 78 a setting
was refused.";
const AFTER_HELP_CHECK_CONFIG: &str = "\
Each line is NAME=value, and behind a # where the value was found: default,
environment, .env or a file. Secrets and the key ring are checked and not
shown. Nothing is made: not the secrets, not a folder, not the database.

Exit codes: 0 a start would accept the settings, 78 one was refused and named on
standard error. Where that is the key ring, the settings are shown all the same.";
const AFTER_HELP_HEALTHCHECK: &str = "\
Asks over plain TCP at the HOST and PORT of the settings, within 5 seconds; a
HOST of 0.0.0.0 or :: is asked on the loopback address. For a container:
HEALTHCHECK CMD [\"latchkey\", \"healthcheck\"]

Exit codes: 0 it answered 200, 1 anything else.";

const AFTER_HELP_ACCOUNTS: &str = "\
Run it as the user that the server runs as, with the same DATABASE_URL; the
secrets are not needed. A server that runs sees every change with the next
request, and refuses the access tokens of what ended within a second. USER is a
name, whatever the case, or an id; what is written like an id is never a name.

Exit codes: 0 done, 1 failed, 2 wrong argument, 78 a setting was refused.";

const AFTER_HELP_CLIENTS: &str = "\
Run it as the user that the server runs as, with the same DATABASE_URL; the
secrets are not needed. A server that runs knows of every change within a
second. A new secret goes to standard output, once, as two lines that a shell
reads: client_id=NAME and client_secret=SECRET.

Exit codes: 0 done, 1 failed, 2 wrong argument, 78 a setting was refused.";

const AFTER_HELP_KEYS: &str = "\
Run it as the user that the server runs as, with the same settings. The ring is
one file beside the database, or the one that KEY_RING_FILE names. A new key is
known for a while before it signs, and the one before it verifies for as long as
what it signed may live: ACCESS_TOKEN_TTL, or SESSION_TTL for refresh tokens.
Nobody notices. A server that runs reads a changed ring within 5 s, or at once
when it is sent SIGHUP. No command shows a key.

Exit codes: 0 done, 1 failed, 2 wrong argument, 78 a setting or the key ring was
refused.";

/// What was asked for; what clap says about the program itself comes from Cargo.toml.
#[derive(Debug, Parser)]
#[command(name = "latchkey", version, about, long_about = None, after_help = AFTER_HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server until it is told to stop (also what happens without a command)
    Serve,
    /// Show what every setting comes to, without the secrets, and make nothing
    #[command(after_help = AFTER_HELP_CHECK_CONFIG)]
    CheckConfig,
    /// Ask the server that runs with these settings whether it is ready
    #[command(after_help = AFTER_HELP_HEALTHCHECK)]
    Healthcheck {
        /// Ask whether the process runs (/healthz) and not whether its parts answer (/readyz)
        #[arg(long)]
        live: bool,
    },
    /// Add, list, change and import accounts, also while the server runs
    #[command(subcommand, after_help = AFTER_HELP_ACCOUNTS)]
    Users(Users),
    /// List and end sessions, also while the server runs
    #[command(subcommand, after_help = AFTER_HELP_ACCOUNTS)]
    Sessions(Sessions),
    /// Add, list, rotate and remove clients with a secret, which may introspect tokens, also while the server runs
    #[command(subcommand, after_help = AFTER_HELP_CLIENTS)]
    Clients(Clients),
    /// Add, list and retire the keys that sign tokens, also while the server runs
    #[command(subcommand, after_help = AFTER_HELP_KEYS)]
    Keys(Keys),
}

/// Does what the arguments say. The code it answers with is the process's.
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        // Help and version come this way too, with code 0. A closed standard output is no reason to fail over them.
        Err(answer) => {
            let _ = answer.print();
            return u8::try_from(answer.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from);
        }
    };
    match arguments.command.unwrap_or(Command::Serve) {
        // The key ring is looked at before the secrets are made: a start that is refused leaves nothing behind.
        Command::Serve => match checked().and_then(|_| Ok(Settings::load(std::env::vars_os(), dotenv())?)) {
            Ok(settings) => serve(settings),
            Err(refusal) => refused(&refusal),
        },
        Command::CheckConfig => check_config(),
        Command::Healthcheck { live } => healthcheck(live),
        Command::Users(command) => ended(users::run(command)),
        Command::Sessions(command) => ended(sessions::run(command)),
        Command::Clients(command) => ended(clients::run(command)),
        Command::Keys(command) => ended(keys::run(command)),
    }
}

/// The settings and the key ring, as a start would find them; makes nothing.
fn checked() -> Result<Checked, RunError> {
    let checked = Settings::check(std::env::vars_os(), dotenv())?;
    app::check(&checked.settings)?;
    Ok(checked)
}

fn dotenv() -> Option<&'static Path> {
    Some(Path::new(DOTENV))
}

fn ended(done: Result<(), Failure>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&failure);
            ExitCode::from(failure.code)
        }
    }
}

fn refused(refusal: &RunError) -> ExitCode {
    complain(refusal);
    ExitCode::from(SETTINGS_REFUSED)
}

/// The settings are shown also where the ring that they name is refused: they say which one it is.
fn check_config() -> ExitCode {
    let Checked { settings, effective } = match Settings::check(std::env::vars_os(), dotenv()) {
        Ok(checked) => checked,
        Err(refusal) => return refused(&refusal.into()),
    };
    answer(&effective.iter().map(|setting| format!("{setting}\n")).collect::<String>());
    match app::check(&settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(refusal) => refused(&refusal),
    }
}

/// 0 or 1 and nothing else: that is all that a container's health check may answer. A refused setting is a 1 too.
fn healthcheck(live: bool) -> ExitCode {
    let answered = Settings::address(std::env::vars_os(), dotenv()).map_err(|refusal| refusal.to_string()).and_then(
        |(host, port)| healthcheck::ask(&host, port, if live { "/healthz" } else { "/readyz" }, HEALTHCHECK_PATIENCE),
    );
    match answered {
        Ok(words) => {
            answer(&format!("{words}\n"));
            ExitCode::SUCCESS
        }
        Err(failure) => {
            complain(&failure);
            ExitCode::FAILURE
        }
    }
}

fn serve(settings: Settings) -> ExitCode {
    let log = match logging::start(&settings) {
        Ok(log) => log,
        Err(failure) => {
            complain(&format_args!("logging cannot start: {failure}"));
            return ExitCode::FAILURE;
        }
    };
    let ended = app::run(settings);
    // Before the last word, which does not go by way of it.
    drop(log);
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Not by way of the log: its filter may be off, and whoever started us should see why we stopped.
            complain(&failure);
            if failure.is_refusal() { ExitCode::from(SETTINGS_REFUSED) } else { ExitCode::FAILURE }
        }
    }
}

/// What a command was asked for. Whoever closed standard output does not want it: false.
fn answer(words: &str) -> bool {
    let mut out = std::io::stdout();
    out.write_all(words.as_bytes()).and_then(|()| out.flush()).is_ok()
}

/// One JSON object with a line end.
fn json_line(object: &impl Serialize) -> String {
    // What is shown is made of text and numbers, of which there is always an object.
    serde_json::to_string(object).map_or_else(|_| String::new(), |object| object + "\n")
}

/// One line on standard error. Where that is closed there is nobody to tell; `eprintln!` would panic.
fn complain(what: &dyn Display) {
    let _ = writeln!(std::io::stderr(), "latchkey: {what}");
}
