//! What servers take while something is done with them.
//!
//! Owns the look from beside: memory and the length of the log are read by a thread of its own, several times while a log of the
//! usual length fills, and what counts is the most that was seen. A look is two short calls for each server, because it shares the
//! processors with what is measured; one that fails fails the run, for nothing seen would be nothing grown.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};

use crate::group::Group;

/// How often.
const LOOK: Duration = Duration::from_millis(50);

/// A server of one process, and its database's file.
#[derive(Debug, Clone, Copy)]
pub struct Watched<'a> {
    /// Whose memory.
    pub group: Group,
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
    fn look(&self, peak: &mut Peak) -> Result<()> {
        peak.resident = peak.resident.max(self.group.resident_of_first()?);
        peak.log = peak.log.max(bytes(&log_of(self.database))?);
        Ok(())
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
                servers.iter().zip(&mut peaks).try_for_each(|(server, peak)| server.look(peak))?;
                if last {
                    return Ok(peaks);
                }
                std::thread::sleep(LOOK);
            }
        });
        let result = work();
        done.store(true, Ordering::Release);
        let peaks: Result<_> = watch.join().map_err(|_| anyhow!("the watch panicked"))?;
        // A server that is gone fails both, and the work can say why.
        Ok((result?, peaks?))
    })
}

/// Where SQLite keeps the log of this database.
pub fn log_of(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// How long a file is. Errors: there is none.
pub fn bytes(file: &Path) -> Result<u64> {
    let metadata = std::fs::metadata(file).with_context(|| format!("looking at {}", file.display()))?;
    Ok(metadata.len())
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::os::unix::process::CommandExt as _;
    use std::process::{Child, Command, Stdio};

    use super::*;

    /// Stands for a server; it goes with this value.
    struct Sleeping(Child);

    impl Sleeping {
        fn start() -> Self {
            // It has its memory once it says something.
            let mut shell = Command::new("/bin/sh");
            shell.args(["-c", "echo there; read line"]).stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut started = shell.process_group(0).spawn().unwrap();
            let mut said = String::new();
            BufReader::new(started.stdout.take().unwrap()).read_line(&mut said).unwrap();
            assert_eq!(said, "there\n");
            Self(started)
        }

        fn group(&self) -> Group {
            Group::of(&self.0)
        }
    }

    impl Drop for Sleeping {
        fn drop(&mut self) {
            self.0.kill().unwrap();
            self.0.wait().unwrap();
        }
    }

    #[test]
    fn the_most_that_was_seen_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("some.db");
        std::fs::write(log_of(&database), [0; 100]).unwrap();
        let server = Sleeping::start();
        let watch = Watched { group: server.group(), database: &database };
        let mut peak = Peak::default();

        watch.look(&mut peak).unwrap();
        let resident = std::mem::replace(&mut peak.resident, u64::MAX);
        std::fs::write(log_of(&database), [0; 10]).unwrap();
        watch.look(&mut peak).unwrap();

        assert!(resident > 0);
        assert_eq!((peak.resident, peak.log), (u64::MAX, 100));
    }

    #[test]
    fn what_cannot_be_looked_at_fails_the_run() {
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("some.db");
        let server = Sleeping::start();
        let group = server.group();
        let watch = || watched(&[Watched { group, database: &database }], || Ok(())).map(|((), peaks)| peaks[0].log);

        assert!(watch().unwrap_err().to_string().contains("some.db-wal"));
        std::fs::write(log_of(&database), [0; 100]).unwrap();
        assert_eq!(watch().unwrap(), 100);
        drop(server);

        assert!(watch().unwrap_err().to_string().contains("statm"));
    }
}
