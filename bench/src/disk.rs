//! The disk: what is free of it, how long an fsync takes here, and a disk on which it takes longer.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

/// Fsyncs of one sample.
const SAMPLES: usize = 21;
/// What one of them has to write: a page of the log.
const PAGE: [u8; 4096] = [0; 4096];
/// What [`SlowDisk`] adds to every fsync, in milliseconds: a disk without a cache that survives a power cut, or one behind a
/// network.
pub const ADDED_MS: u32 = 2;
/// The library that adds it.
const SOURCE: &str = include_str!("slow_disk.c");

/// How long some fsyncs take in `directory`, each after a page was written.
pub fn fsyncs(directory: &Path) -> Result<Vec<Duration>> {
    let mut file = tempfile::tempfile_in(directory)?;
    let mut spans = Vec::with_capacity(SAMPLES);
    for _ in 0..SAMPLES {
        file.write_all(&PAGE)?;
        let begun = Instant::now();
        file.sync_data()?;
        spans.push(begun.elapsed());
    }
    Ok(spans)
}

/// Bytes that may still be written in `directory`.
pub fn free(directory: &Path) -> Result<u64> {
    let disk = rustix::fs::statvfs(directory)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// A library that is loaded into a server and makes its fsyncs slower.
#[derive(Debug)]
pub struct SlowDisk {
    library: PathBuf,
    _directory: tempfile::TempDir,
}

impl SlowDisk {
    /// Compiles it below `parent`; nothing where there is no C compiler.
    pub fn build(parent: &Path) -> Result<Option<Self>> {
        let directory = tempfile::tempdir_in(parent)?;
        let (source, library) = (directory.path().join("slow_disk.c"), directory.path().join("slow_disk.so"));
        File::create(&source)?.write_all(SOURCE.as_bytes())?;
        let added = format!("-DADDED_MS={ADDED_MS}");
        let compiled =
            Command::new("cc").args(["-shared", "-fPIC", "-O2", &added, "-o"]).arg(&library).arg(&source).status();
        match compiled {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
            Ok(status) => {
                ensure!(status.success(), "slow_disk.c does not compile");
                Ok(Some(Self { library, _directory: directory }))
            }
        }
    }

    /// Puts it below a server that is not started yet.
    pub fn below(&self, mut command: Command) -> Command {
        command.env("LD_PRELOAD", &self.library);
        command
    }
}
