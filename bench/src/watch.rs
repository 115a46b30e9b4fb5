//! What servers take while something is done with them.
//!
//! Owns the look from beside: memory and the length of the log are read by a thread of its own, several times while a log of the
//! usual length fills, and what counts is the most that was seen.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, anyhow};

use crate::process::Server;

/// How often.
const LOOK: Duration = Duration::from_millis(50);

/// A server, and its database's file.
#[derive(Debug, Clone, Copy)]
pub struct Watched<'a> {
    /// Whose memory.
    pub server: &'a Server,
    /// Beside which its log lies.
    pub database: &'a Path,
}

/// The most that was seen, in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Peak {
    /// Of resident memory.
    pub resident: u64,
    /// Of the file of the write-ahead log.
    pub log: u64,
}

impl Watched<'_> {
    fn look(&self, peak: &mut Peak) {
        peak.resident = peak.resident.max(self.server.resident().unwrap_or(0));
        peak.log = peak.log.max(bytes(&log_of(self.database)));
    }
}

/// Does `work` and says what each server took at the most meanwhile.
pub fn watched<T>(servers: &[Watched<'_>], work: impl FnOnce() -> Result<T>) -> Result<(T, Vec<Peak>)> {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut peaks = vec![Peak::default(); servers.len()];
            loop {
                // Looked at once more after the end.
                let last = done.load(Ordering::Acquire);
                servers.iter().zip(&mut peaks).for_each(|(server, peak)| server.look(peak));
                if last {
                    return peaks;
                }
                std::thread::sleep(LOOK);
            }
        });
        let result = work();
        done.store(true, Ordering::Release);
        let peaks = watch.join().map_err(|_| anyhow!("the watch panicked"))?;
        Ok((result?, peaks))
    })
}

/// Where SQLite keeps the log of this database.
pub fn log_of(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// How long a file is; nothing where there is none.
pub fn bytes(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |metadata| metadata.len())
}
