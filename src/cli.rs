//! The command line.
//!
//! Owns what the process tells whoever started it: words on standard error and an exit code. Settings are read and
//! checked before anything else happens and before any thread starts; no command works with half of them.
//!
//! arguments -> [`Settings`] -> logging -> the command -> exit code

use std::fmt::Display;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{fmt, registry};

use crate::app;
use crate::config::{LogFormat, Settings};

/// Looked for in the working directory only: one that was found further up would be somebody else's.
const DOTENV: &str = ".env";
/// The settings were refused: `EX_CONFIG` of `sysexits.h`. Trying again is no use, so a service manager can be told not
/// to restart (systemd: `RestartPreventExitStatus=78`). A wrong argument is 2, as with most programs; a failure later
/// is 1.
const SETTINGS_REFUSED: u8 = 78;
const AFTER_HELP: &str = "\
Settings come from the environment and from .env in the working directory; .env.example lists them all.
Exit codes: 0 stopped as asked, 1 failed, 2 wrong argument, 78 a setting was refused.";

/// What was asked for; what clap says about the program itself comes from Cargo.toml.
#[derive(Debug, Parser)]
#[command(name = "latchkey", version, about, long_about = None, after_help = AFTER_HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum Command {
    /// Run the server until it is told to stop (also what happens without a command)
    Serve,
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
    let settings = match Settings::load(std::env::vars_os(), Some(Path::new(DOTENV))) {
        Ok(settings) => settings,
        Err(refusal) => {
            complain(&refusal);
            return ExitCode::from(SETTINGS_REFUSED);
        }
    };
    match arguments.command.unwrap_or(Command::Serve) {
        Command::Serve => serve(settings),
    }
}

fn serve(settings: Settings) -> ExitCode {
    if let Err(failure) = log_to_standard_error(&settings) {
        complain(&format_args!("logging cannot start: {failure}"));
        return ExitCode::FAILURE;
    }
    log_panics();
    match app::run(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Not by way of the log: its filter may be off, and whoever started us should see why we stopped.
            complain(&failure);
            ExitCode::FAILURE
        }
    }
}

/// A panic says where it happened and no more: its message may hold what a client sent.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        tracing::error!(place, "a panic");
    }));
}

/// One line on standard error. Where that is closed there is nobody to tell; `eprintln!` would panic.
fn complain(what: &dyn Display) {
    let _ = writeln!(std::io::stderr(), "latchkey: {what}");
}

/// Standard output stays free for what a command answers.
fn log_to_standard_error(settings: &Settings) -> Result<(), Box<dyn std::error::Error>> {
    let filter: Targets = settings.log_filter.parse()?;
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = match settings.log_format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    Ok(registry().with(lines.with_filter(filter)).try_init()?)
}
