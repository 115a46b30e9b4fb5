//! Where runs have their databases.
//!
//! Owns what is left on the disk: nothing. All of it is below one folder beside this program, which one bench claims at a
//! time, because two would measure each other. What a run has there goes with it, also if it is interrupted; what one that
//! was killed left goes when the next one claims the folder.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process;
use std::thread;

use actix_web::rt::System;
use actix_web::rt::signal::unix::{SignalKind, signal};
use anyhow::{Context as _, Result, bail};
use futures_util::future::{Either, select};

use crate::measure::progress;

/// Beside this program: on the disk of the build, which is seldom one in memory.
const FOLDER: &str = "latchkey-bench-runs";
/// Held while a bench runs.
const LOCK: &str = "lock";
/// What a shell says of a program that a signal ended, less the signal's number.
const SIGNALLED: i32 = 128;

/// The folder, claimed.
#[derive(Debug)]
pub struct Ground {
    path: PathBuf,
    _lock: File,
}

impl Ground {
    /// Claims the folder, and clears it once more if this process is interrupted or told to end. Errors: another bench has it.
    pub fn claim() -> Result<Self> {
        let executable = std::env::current_exe()?;
        let ground = Self::at(executable.parent().context("no folder of this program")?.join(FOLDER))?;
        ground.clear_when_interrupted()?;
        Ok(ground)
    }

    fn at(path: PathBuf) -> Result<Self> {
        fs::create_dir_all(&path)?;
        let lock = File::create(path.join(LOCK))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!("another bench is running: each would measure the other"),
            Err(TryLockError::Error(error)) => return Err(error).context("locking the folder of the runs"),
        }
        clear(&path)?;
        Ok(Self { path, _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The servers end with this process (`process::become_tied`), whatever ends it; the databases are removed here.
    fn clear_when_interrupted(&self) -> Result<()> {
        let path = self.path.clone();
        let wait = move || {
            let signal = System::new().block_on(interrupted())?;
            progress("interrupted");
            // What a server that is not gone yet still holds or makes, the next run finds.
            clear(&path).ok();
            process::exit(SIGNALLED + signal.as_raw_value())
        };
        thread::Builder::new().name("signals".to_owned()).spawn(wait).map(|_: thread::JoinHandle<Result<()>>| ())?;
        Ok(())
    }
}

async fn interrupted() -> Result<SignalKind> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(match select(pin!(interrupt.recv()), pin!(terminate.recv())).await {
        Either::Left(_) => SignalKind::interrupt(),
        Either::Right(_) => SignalKind::terminate(),
    })
}

/// Removes every folder in it, and leaves the lock.
fn clear(path: &Path) -> Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path()).with_context(|| format!("removing {}", entry.path().display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_run_left_goes_with_the_next_claim() {
        let folder = tempfile::tempdir().unwrap();
        let left = folder.path().join("run-of-yesterday");
        fs::create_dir(&left).unwrap();
        fs::write(left.join("latchkey.db"), "people").unwrap();

        let ground = Ground::at(folder.path().to_owned()).unwrap();

        assert!(ground.path().is_dir() && !left.exists());
    }

    #[test]
    fn one_bench_has_the_ground_and_the_next_one_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let first = Ground::at(folder.path().to_owned()).unwrap();
        assert!(Ground::at(folder.path().to_owned()).is_err());

        drop(first);
        assert!(Ground::at(folder.path().to_owned()).is_ok());
    }
}
