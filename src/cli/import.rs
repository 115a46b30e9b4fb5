//! `latchkey users import`: accounts from elsewhere, with their hashes, into a database that may be in use.
//!
//! Owns two rules. The server has room: batches are short, and after each one there is a pause as long as it kept the server from
//! writing. And the file can be imported again: what is there already stays as it is, so that an import that was broken off, or
//! whose refused lines were put right, is simply run once more.
//!
//! file -> `lines` -> `entry` -> batch -> [`Guest`] -> `report`

mod entry;
mod lines;
mod pace;
mod report;

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, IsTerminal as _, stderr};
use std::path::Path;
use std::thread;

use indicatif::{ProgressBar, ProgressStyle};

use self::entry::{Reason, Refused};
use self::lines::{Line, Lines};
use self::pace::Pace;
use self::report::Report;
use super::answer;
use super::failure::Failure;
use super::visit::{self, Visit, settings};
use crate::config::Settings;
use crate::error::{Error, Result as Answer};
use crate::storage::sqlite::{Guest, Missing, OpenError};
use crate::storage::{NewUser, UserOperation, UserOutcome};
use crate::tokens::principal::Username;

/// How much dearer than today's an imported hash may be: each step doubles what a login costs.
const STEPS_ABOVE: u32 = 1;

/// Imports the file, or looks what would become of it. Fails where a line was refused; the others are imported.
pub(super) fn run(file: &Path, dry_run: bool) -> Result<(), Failure> {
    let unreadable = |cause| Failure::new(format!("{}: {cause}", file.display()));
    let input = File::open(file).map_err(unreadable)?;
    let progress = progress(&input);
    let (settings, guest) = open(dry_run)?;
    let mut import = Import {
        guest,
        dry_run,
        most_cost: settings.bcrypt_cost + STEPS_ABOVE,
        seen: HashSet::new(),
        batch: Vec::new(),
        pace: Pace::default(),
        report: Report::default(),
    };
    let done = import.all(Lines::of(BufReader::new(input)), &progress, &unreadable);
    progress.finish_and_clear();
    // Also where it was broken off: what was committed is there.
    answer(&import.report.words(dry_run));
    done?;
    match import.report.refused() {
        0 => Ok(()),
        1 => Err(Failure::new("1 line was refused")),
        refused => Err(Failure::new(format!("{refused} lines were refused"))),
    }
}

/// The database; none where it is only looked at and is not there.
fn open(dry_run: bool) -> Result<(Settings, Option<Guest>), Failure> {
    if !dry_run {
        let Visit { settings, guest } = Visit::begin(Missing::Made)?;
        return Ok((settings, Some(guest)));
    }
    let settings = settings(Missing::Refused)?;
    match visit::guest(&settings, Missing::Refused) {
        Ok(guest) => Ok((settings, Some(guest))),
        Err(OpenError::Missing) => Ok((settings, None)),
        Err(refusal) => Err(refusal.into()),
    }
}

/// A bar over the bytes of the file, on a terminal only.
fn progress(input: &File) -> ProgressBar {
    if !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bytes = input.metadata().ok().filter(std::fs::Metadata::is_file).map(|about| about.len());
    let bar = ProgressBar::new(bytes.unwrap_or(0));
    match ProgressStyle::with_template("importing {wide_bar} {percent:>3} %  {eta} left") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// A line that was understood.
struct Entry {
    line: u64,
    user: NewUser,
}

/// What is under way.
struct Import {
    guest: Option<Guest>,
    dry_run: bool,
    most_cost: u32,
    /// Names of the lines so far, in the form in which they are unique.
    seen: HashSet<String>,
    batch: Vec<Entry>,
    pace: Pace,
    report: Report,
}

impl Import {
    fn all(
        &mut self,
        mut lines: Lines<BufReader<File>>,
        progress: &ProgressBar,
        unreadable: &impl Fn(std::io::Error) -> Failure,
    ) -> Result<(), Failure> {
        while let Some(line) = lines.next().map_err(unreadable)? {
            let Line { number, text } = line;
            match text.ok_or_else(|| Refused::nameless(Reason::TooLong)).and_then(|text| self.read(text)) {
                Ok(Some(user)) => self.batch.push(Entry { line: number, user }),
                Ok(None) => {}
                Err(refused) => self.report.refuse(number, refused),
            }
            if self.batch.len() >= self.pace.rows() {
                progress.set_position(lines.bytes());
                self.commit()?;
            }
        }
        self.commit()
    }

    /// The account of a line; none of a blank one.
    fn read(&mut self, line: &[u8]) -> Result<Option<NewUser>, Refused> {
        let Some(user) = entry::parse(line, self.most_cost)? else { return Ok(None) };
        if !self.seen.insert(user.username.key()) {
            return Err(Refused { name: Some(user.username), reason: Reason::Twice });
        }
        Ok(Some(user))
    }

    /// Commits what has come together, and makes room for others.
    fn commit(&mut self) -> Result<(), Failure> {
        let batch = std::mem::take(&mut self.batch);
        if batch.is_empty() {
            return Ok(());
        }
        let Some(guest) = &self.guest else {
            self.report.new += batch.len();
            return Ok(());
        };
        let operation = |entry: &Entry| match self.dry_run {
            true => UserOperation::Find(entry.user.username.clone()),
            false => UserOperation::Import(entry.user.clone()),
        };
        let (committed, held) = guest.users(batch.iter().map(operation).collect())?;
        for (entry, outcome) in batch.into_iter().zip(committed.outcomes) {
            self.note(entry, outcome)?;
        }
        thread::sleep(self.pace.after(held));
        Ok(())
    }

    fn note(&mut self, Entry { line, user }: Entry, outcome: Answer<UserOutcome>) -> Result<(), Failure> {
        let failed = |error: &Error| Failure::about(&format_args!("line {line}"), error);
        let taken = |name: Username| Refused { name: Some(name), reason: Reason::Taken };
        match outcome {
            Ok(UserOutcome::Found(Some(account))) if account.is(&user) => self.report.there_already += 1,
            Ok(UserOutcome::Found(Some(_))) | Err(Error::UsernameTaken) => {
                self.report.refuse(line, taken(user.username));
            }
            Ok(UserOutcome::Created(_) | UserOutcome::Found(None)) => self.report.new += 1,
            Ok(
                UserOutcome::PasswordChanged { .. }
                | UserOutcome::AllEnded { .. }
                | UserOutcome::Administered(_)
                | UserOutcome::Changed
                | UserOutcome::Attempt(_),
            ) => {
                return Err(failed(&Error::Internal("an answer to another question")));
            }
            Err(error) => return Err(failed(&error)),
        }
        Ok(())
    }
}
