//! The binary with `shim.c` in front of the system's library.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use tempfile::TempDir;

use super::disk::{Disk, Remains, Unsynced};
use super::journal::Journal;
use crate::process::{Ended, Place, Process};

/// Where the dynamic linker is known to load what it is told to; elsewhere a journal that stays empty is a reason to skip.
const CERTAIN: bool = cfg!(all(target_os = "linux", target_env = "gnu", not(target_feature = "crt-static")));

/// The compiled shim; `None` where there can be none, which is said once.
pub fn shim() -> Option<&'static str> {
    static BUILT: OnceLock<Option<String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| build().inspect_err(|reason| skipped(reason)).ok());
    built.as_deref()
}

fn build() -> Result<String, &'static str> {
    if !cfg!(target_os = "linux") {
        return Err("the shim is written for Linux");
    }
    let at = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/crash/power/shim.c");
    // Put in place whole, so that test runs that overlap do not load half a library.
    let (made, library) = (at.join(format!("shim-{}.so", std::process::id())), at.join("shim.so"));
    let compiler = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o"])
        .arg(&made)
        .args([source, "-ldl", "-lpthread"])
        .output();
    let compiled = compiler.map_err(|_| "there is no cc")?;
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    fs::rename(&made, &library).unwrap();
    Ok(library.to_str().unwrap().to_owned())
}

/// A wall clock that stands still while a process runs, and moves on between two of them. Where there is no shim the
/// machine's own goes on.
#[derive(Clone)]
pub struct Clock {
    millis: String,
}

/// How much later the next process starts: more than the default window, so that only what is carried is open; and little
/// enough that an access token outlives a few of them.
const DOWNTIME_MS: u128 = 60_000;

impl Clock {
    pub fn new() -> Self {
        Self { millis: SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().to_string() }
    }

    /// The settings of a process that starts after a downtime.
    pub fn later(&mut self) -> Vec<(&'static str, &str)> {
        self.millis = (self.millis.parse::<u128>().unwrap() + DOWNTIME_MS).to_string();
        shim().map_or_else(Vec::new, |shim| vec![("LD_PRELOAD", shim), ("SHIM_CLOCK_AT_MS", self.millis.as_str())])
    }
}

/// Past the capture of a test's output: a test that did not run should not look like one that passed.
fn skipped(reason: &str) {
    io::stderr().write_all(format!("what needs the shim is skipped: {reason}\n").as_bytes()).unwrap();
}

/// When a process kills itself, in records of the journal.
#[derive(Debug, Clone, Copy)]
pub struct Death {
    pub after: usize,
    /// At the next sync: all is written and nothing is durable.
    pub in_sync: bool,
}

/// A place in which everything is written down.
pub struct Watched {
    pub place: Place,
    journal: TempDir,
}

impl Watched {
    pub fn new() -> Self {
        let watched = Self { place: Place::new(), journal: TempDir::new().unwrap() };
        fs::write(watched.path(), "").unwrap();
        watched
    }

    /// The journal. Its length is the time in which everything here is told.
    pub fn path(&self) -> PathBuf {
        self.journal.path().join("journal")
    }

    pub fn journal(&self) -> Journal {
        Journal::read(&self.path())
    }

    /// How many there are.
    pub fn records(&self) -> usize {
        self.journal().records().len()
    }

    pub fn start(&self, shim: &str, death: Option<Death>, changes: &[(&str, &str)]) -> Result<Process, Ended> {
        let root = self.place.path().canonicalize().unwrap();
        let (journal, after) = (self.path(), death.map_or(0, |death| death.after).to_string());
        let watching = [
            ("LD_PRELOAD", shim),
            ("SHIM_ROOT", root.to_str().unwrap()),
            ("SHIM_JOURNAL", journal.to_str().unwrap()),
            ("SHIM_DIE_AFTER", &after),
            ("SHIM_DIE_IN_SYNC", if death.is_some_and(|death| death.in_sync) { "1" } else { "0" }),
        ];
        self.place.try_to_start(&[changes, &watching].concat())
    }

    /// Whether the shim was loaded.
    pub fn is_watched(&self) -> bool {
        let watched = fs::metadata(self.path()).unwrap().len() > 0;
        if !watched {
            if CERTAIN {
                panic!("the shim saw nothing");
            }
            skipped("LD_PRELOAD does nothing here");
        }
        watched
    }

    /// Fails unless what was written down is all that was done.
    pub fn assert_whole(&self) {
        let journal = self.journal();
        let mut disk = Disk::empty(self.place.path());
        journal.records().iter().for_each(|record| disk.replay(record));
        let told = but_the_index(disk.after_a_cut(Unsynced::Kept));
        let mut there = Remains::new();
        read(self.place.path(), Path::new(""), &mut there);
        let there = but_the_index(there);
        let names =
            |remains: &Remains| remains.iter().map(|(path, (mode, _))| (path.clone(), *mode)).collect::<Vec<_>>();
        assert_eq!(names(&told), names(&there));
        assert!(told == there, "the journal does not hold all that was written");
    }
}

fn read(root: &Path, path: &Path, remains: &mut Remains) {
    use std::os::unix::fs::MetadataExt as _;
    for entry in fs::read_dir(root.join(path)).unwrap() {
        let entry = entry.unwrap();
        let (path, about) = (path.join(entry.file_name()), entry.metadata().unwrap());
        let contents = about.is_file().then(|| fs::read(entry.path()).unwrap());
        remains.insert(path.clone(), (about.mode(), contents));
        if about.is_dir() {
            read(root, &path, remains);
        }
    }
}

/// Without the index of the write-ahead log: it is mapped, which nobody sees, and made anew by the first who opens it.
fn but_the_index(mut remains: Remains) -> Remains {
    remains.retain(|path, _| !path.to_string_lossy().ends_with("-shm"));
    remains
}
