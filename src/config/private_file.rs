//! Files that nobody but the owner may read, and that are whole at any time.
//!
//! Owns one rule: such a file is written elsewhere, synced and then given its name, so that a crash leaves the old one, the new
//! one or none. What is read was the owner's alone when it was opened.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use zeroize::Zeroizing;

/// Owner only.
const FILE_MODE: u32 = 0o600;
/// Owner only.
const DIRECTORY_MODE: u32 = 0o700;
/// What of a file's mode lets group or others in.
const OPEN_TO_OTHERS: u32 = 0o077;

/// Why a file is not read.
pub(super) enum Unreadable {
    /// A directory, a pipe, a device or the like.
    NotAFile,
    /// Group or others may have read or changed it.
    OpenToOthers,
    /// Longer than what we write.
    TooLong,
    /// The operating system refused.
    Io(io::Error),
}

impl From<io::Error> for Unreadable {
    fn from(cause: io::Error) -> Self {
        Self::Io(cause)
    }
}

/// `data/latchkey.db` -> `data/latchkey.ENDING`. Another ending than `.db` stays, so that `x.db` and `x.sqlite` have a
/// file each and no database is taken for its own.
pub(super) fn beside(database: &Path, ending: &str) -> PathBuf {
    let stem = if database.extension().is_some_and(|ending| ending == "db") { database.file_stem() } else { None };
    let mut name: OsString = stem.or(database.file_name()).unwrap_or_default().to_owned();
    name.push(".");
    name.push(ending);
    database.with_file_name(name)
}

/// The bytes of this file, `longest` of them at most; `None` where there is none.
pub(super) fn read(path: &Path, longest: u64) -> Result<Option<Zeroizing<Vec<u8>>>, Unreadable> {
    let file = match opened(path) {
        Ok(file) => file,
        Err(Unreadable::Io(cause)) if cause.kind() == ErrorKind::NotFound => return Ok(None),
        Err(reason) => return Err(reason),
    };
    if file.metadata()?.permissions().mode() & OPEN_TO_OTHERS != 0 {
        return Err(Unreadable::OpenToOthers);
    }
    bounded(file, longest)?.ok_or(Unreadable::TooLong).map(Some)
}

/// A file and nothing else: a pipe would be waited for until somebody writes, which may be never.
pub(super) fn opened(path: &Path) -> Result<File, Unreadable> {
    let without_waiting = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = OpenOptions::new().read(true).custom_flags(without_waiting).open(path)?;
    // Asked of the open file, not of the path, so that what is checked is what is read.
    if file.metadata()?.is_file() { Ok(file) } else { Err(Unreadable::NotAFile) }
}

/// All bytes of an open file; `None` where there are more than `longest`.
pub(super) fn bounded(file: File, longest: u64) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    // As long as it may get at once: a buffer that grows leaves copies of secrets behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(longest).unwrap_or(0).saturating_add(1)));
    file.take(longest.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(if bytes.len() as u64 > longest { None } else { Some(bytes) })
}

/// Makes a file that is not there yet, for the owner only; its bytes are on disk afterwards, its name need not be.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(file)
}

/// Puts these bytes in the place of this file; whoever calls keeps others from doing it at the same time. A file that was there
/// stays whose it was, and as open as it was: whoever reads it goes on doing so.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = directory_of(path);
    let temporary = temporary_of(path, "");
    // What a crash left behind: one at a time writes, so nobody is using it.
    absent_is_well(fs::remove_file(&temporary))?;
    let written = write_new(&temporary, bytes)
        .and_then(|file| keep_rights(path, &file))
        .and_then(|()| fs::rename(&temporary, path));
    if let Err(cause) = written {
        fs::remove_file(&temporary).ok();
        return Err(cause);
    }
    sync_directory(directory)
}

/// `data/latchkey.keys` -> `data/.latchkey.keysMARK.tmp`.
pub(super) fn temporary_of(path: &Path, mark: &str) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(mark);
    name.push(".tmp");
    path.with_file_name(name)
}

/// `data/latchkey.keys` -> `data/latchkey.keys.MARK`.
pub(super) fn marked(path: &Path, mark: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(mark);
    path.with_file_name(name)
}

/// Makes the directory and those above it, for the owner only: the database will stand in it too. A name is durable
/// when the directory that holds it is synced, so each parent is.
pub(super) fn make_directory(directory: &Path) -> io::Result<()> {
    // The working directory has no parent to go on with; if it was removed, opening it says so.
    if directory.is_dir() || directory == Path::new(".") {
        return Ok(());
    }
    let parent = directory_of(directory);
    make_directory(parent)?;
    match DirBuilder::new().mode(DIRECTORY_MODE).create(directory) {
        Err(cause) if cause.kind() != ErrorKind::AlreadyExists => Err(cause),
        Ok(()) | Err(_) => sync_directory(parent),
    }
}

pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// The directory that a path stands in; for a bare name that is the working directory.
pub(super) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

/// Owner, group and mode of the file that is there; a new one is its maker's alone.
fn keep_rights(path: &Path, file: &File) -> io::Result<()> {
    let before = match fs::metadata(path) {
        Ok(before) => before,
        Err(cause) => return absent_is_well(Err(cause)),
    };
    let made = file.metadata()?;
    if (before.uid(), before.gid()) != (made.uid(), made.gid()) {
        fchown(file, Some(before.uid()), Some(before.gid()))?;
    }
    file.set_permissions(before.permissions())?;
    file.sync_all()
}

fn absent_is_well(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
