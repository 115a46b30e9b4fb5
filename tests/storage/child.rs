//! Tests that need a process of their own: a limit on file sizes or a mounted file system is the whole process's.

use std::env;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tempfile::TempDir;

/// Which test a child runs, by its path in this binary.
const TEST: &str = "LATCHKEY_STORAGE_TEST";
/// Where a child finds its directory.
const DIRECTORY: &str = "LATCHKEY_STORAGE_DIRECTORY";

/// Runs `body` in a child process in which a write beyond the limit on file sizes fails with EFBIG instead of ending the
/// process: an ignored signal stays ignored by what a shell starts.
pub fn with_a_limit_on_files(test: &str, body: impl FnOnce(&Path)) {
    match directory_of_child(test) {
        Some(directory) => body(&directory),
        None => start_child(test, &["sh", "-c", r#"trap '' XFSZ; exec "$0" "$@""#]),
    }
}

/// Runs `body` in a child process whose directory is a file system of 4 MiB, seen by no other process. Says so and runs
/// nothing where mounting one is not allowed.
pub fn on_a_small_disk(test: &str, body: impl FnOnce(&Path)) {
    if let Some(directory) = directory_of_child(test) {
        return body(&directory);
    }
    const MOUNT: &str = r#"mount -t tmpfs -o size=4m tmpfs "$LATCHKEY_STORAGE_DIRECTORY" && exec "$0" "$@""#;
    // As the administrator; or as anybody where the system allows user namespaces.
    let ways: [&[&str]; 2] =
        [&["unshare", "--mount", "sh", "-c", MOUNT], &["unshare", "--map-root-user", "--mount", "sh", "-c", MOUNT]];
    let way = ways.into_iter().find(|way| {
        let directory = TempDir::new().unwrap();
        let tried = Command::new(way[0]).args(&way[1..]).arg("true").env(DIRECTORY, directory.path()).output();
        tried.is_ok_and(|output| output.status.success())
    });
    match way {
        Some(way) => start_child(test, way),
        None => {
            let skipped = format!("{test} skipped: mounting a file system is not allowed here\n");
            // Past the capture of a test's output: a test that did not run should not look like one that passed.
            io::stderr().write_all(skipped.as_bytes()).unwrap();
        }
    }
}

/// The directory that this process was started for, if it is the child of this test.
fn directory_of_child(test: &str) -> Option<PathBuf> {
    env::var(TEST).ok().filter(|running| running == test)?;
    env::var_os(DIRECTORY).map(PathBuf::from)
}

fn start_child(test: &str, way: &[&str]) {
    let directory = TempDir::new().unwrap();
    let output = Command::new(way[0])
        .args(&way[1..])
        .arg(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(TEST, test)
        .env(DIRECTORY, directory.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{}\n{said}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

/// From now on no file of this process grows beyond so many bytes; `None`: as large as the system lets it.
pub fn limit_files_to(bytes: Option<u64>) {
    let maximum = getrlimit(Resource::Fsize).maximum;
    setrlimit(Resource::Fsize, Rlimit { current: bytes.or(maximum), maximum }).unwrap();
}

/// A file that nobody can write, not even who has it open, until this is dropped.
pub struct Frozen(PathBuf);

impl Frozen {
    /// Makes the file immutable. Says so and answers `None` where that is not allowed, or does not stop who has it open.
    pub fn freeze(file: &Path, test: &str) -> Option<Self> {
        let scratch = file.with_extension("scratch");
        let mut open = std::fs::File::create(&scratch).unwrap();
        let stops_writers = chattr("+i", &scratch) && open.write_all(b"x").is_err();
        chattr("-i", &scratch);
        std::fs::remove_file(&scratch).unwrap();
        if stops_writers && chattr("+i", file) {
            return Some(Self(file.to_owned()));
        }
        let skipped = format!("{test} skipped: files cannot be made immutable here\n");
        io::stderr().write_all(skipped.as_bytes()).unwrap();
        None
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        chattr("-i", &self.0);
    }
}

fn chattr(change: &str, file: &Path) -> bool {
    Command::new("chattr").arg(change).arg(file).output().is_ok_and(|output| output.status.success())
}
