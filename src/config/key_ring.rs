//! Where the key ring is kept.
//!
//! Owns one rule: the ring is whole or absent, and one change follows another. What stands in it is not known here; a ring is
//! text that `tokens::ring` reads.
//!
//! `KEY_RING`, or the file of `KEY_RING_FILE`, or else the file beside the database -> [`KeyRing::read`] -> bytes
//! [`KeyRing::change`]: lock -> read -> the caller's change -> temporary file (0600) -> fsync -> rename -> fsync of the directory
//!
//! The file beside the database need not be there, and is refused while group or others may read it. Who may read one that is
//! named is not looked at: Docker and Kubernetes mount secrets readable by all, inside the container.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::catalogue::{KEY_RING, KEY_RING_FILE};
use super::error::SettingsError;
use super::private_file::{self, Unreadable};
use super::source::{Source, refused};
use super::{Database, Secret};

/// The longest ring, in bytes. All 255 keys of refresh tokens that there can be at a time take 75 KiB, and leave room for 100 of
/// access tokens (`tokens::ring` has a test that writes them). Linux passes 128 KiB in one variable.
pub const LONGEST_KEY_RING: u64 = 128 * 1024;

const TOO_LONG: &str = "longer than 131072 bytes, which no key ring is";
const TOO_LONG_FILE: &str = "the file that it names is longer than 131072 bytes, which no key ring is";
const NOT_A_FILE: &str = "what it names is not a file; it should hold the key ring";
const NOT_A_RING: &str = "not the text of a key ring; KEY_RING_FILE is where a file is named";
const TWO_RINGS: &str = "given together with KEY_RING; take one of them out";
const NOT_HERE: &str = "comes from the environment and cannot be changed here; change it where the environment is made, or \
                        keep the ring in a file (KEY_RING_FILE)";

/// Where the ring is. `Debug` shows no key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyRing {
    /// `KEY_RING`: the text itself.
    Given(Secret),
    /// A file.
    File {
        /// Where.
        path: PathBuf,
        /// `KEY_RING_FILE` says so: it must be there. Else it stands beside the database, and without it the ring is empty.
        named: bool,
    },
}

/// Why a ring was left as it was.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError<E> {
    /// It cannot be read, or not be changed here.
    #[error(transparent)]
    Unusable(#[from] SettingsError),
    /// The change was refused by who makes it.
    #[error("{0}")]
    Refused(E),
    /// The new one is too long.
    #[error("{subject} would be longer than {LONGEST_KEY_RING} bytes; keys that are over make room")]
    Full {
        /// The ring, as its refusals begin.
        subject: String,
    },
    /// It cannot be written.
    #[error("{subject} cannot be written: {cause}; its directory must be writable for who runs this")]
    Unwritable {
        /// The ring, as its refusals begin.
        subject: String,
        /// The operating system's word for it.
        cause: io::Error,
    },
}

impl KeyRing {
    /// Where the settings say that it is.
    pub(super) fn gather(source: &Source, database: &Database) -> Result<Self, SettingsError> {
        match (source.given(&KEY_RING)?, source.given(&KEY_RING_FILE)?) {
            (Some(_), Some(_)) => Err(refused(&KEY_RING_FILE, TWO_RINGS)),
            (Some(text), None) => given(text),
            (None, Some(path)) => Ok(Self::File { path: path.into(), named: true }),
            (None, None) => {
                let Database::Sqlite(file) = database;
                Ok(Self::File { path: private_file::beside(file, "keys"), named: false })
            }
        }
    }

    /// The text; `None` where nobody made a ring yet. Errors: it cannot be read, is too long, or open to others.
    pub fn read(&self) -> Result<Option<Zeroizing<Vec<u8>>>, SettingsError> {
        match self {
            Self::Given(text) => Ok(Some(Zeroizing::new(text.expose().to_vec()))),
            Self::File { path, named: true } => match private_file::opened(path) {
                Ok(file) => {
                    let bytes = private_file::bounded(file, LONGEST_KEY_RING).map_err(unreadable)?;
                    bytes.ok_or(refused(&KEY_RING_FILE, TOO_LONG_FILE)).map(Some)
                }
                Err(Unreadable::Io(cause)) => Err(unreadable(cause)),
                Err(Unreadable::NotAFile | Unreadable::OpenToOthers | Unreadable::TooLong) => {
                    Err(refused(&KEY_RING_FILE, NOT_A_FILE))
                }
            },
            Self::File { path, named: false } => {
                match private_file::read(path, LONGEST_KEY_RING) {
                    // Where a file stands in its directory's place: the secrets and the database say so.
                    Err(Unreadable::Io(cause)) if cause.kind() == ErrorKind::NotADirectory => Ok(None),
                    read => read.map_err(|reason| unusable(path, reason)),
                }
            }
        }
    }

    /// The same for who begins one: `None` also where the one that is named is not there yet.
    pub fn found(&self) -> Result<Option<Zeroizing<Vec<u8>>>, SettingsError> {
        match self {
            Self::File { path, named: true }
                if fs::metadata(path).is_err_and(|cause| cause.kind() == ErrorKind::NotFound) =>
            {
                Ok(None)
            }
            Self::File { .. } | Self::Given(_) => self.read(),
        }
    }

    /// Puts what `change` makes of the text in its place. Others who change it meanwhile wait, who reads it does not; a crash
    /// leaves the one or the other whole.
    ///
    /// Errors: [`ChangeError`], after which the ring is what it was.
    pub fn change<E>(
        &self,
        change: impl FnOnce(Option<&[u8]>) -> Result<Zeroizing<String>, E>,
    ) -> Result<(), ChangeError<E>> {
        self.put(None, change).map(drop)
    }

    /// The same, and what was there is kept in a file of its own beside it, for the owner only, whose name ends with `mark`; where.
    pub fn change_and_keep<E>(
        &self,
        mark: &str,
        change: impl FnOnce(Option<&[u8]>) -> Result<Zeroizing<String>, E>,
    ) -> Result<Option<PathBuf>, ChangeError<E>> {
        self.put(Some(mark), change)
    }

    fn put<E>(
        &self,
        keep: Option<&str>,
        change: impl FnOnce(Option<&[u8]>) -> Result<Zeroizing<String>, E>,
    ) -> Result<Option<PathBuf>, ChangeError<E>> {
        let Self::File { path, .. } = self else { return Err(refused(&KEY_RING, NOT_HERE).into()) };
        let unwritable = |cause| ChangeError::Unwritable { subject: self.subject(), cause };
        let path = target_of(path).map_err(unwritable)?;
        let _lock = self.lock(&path).map_err(unwritable)?;
        let found = self.found()?;
        let text = change(found.as_ref().map(|bytes| bytes.as_slice())).map_err(ChangeError::Refused)?;
        if text.len() as u64 > LONGEST_KEY_RING {
            return Err(ChangeError::Full { subject: self.subject() });
        }
        let mut kept = None;
        if let (Some(mark), Some(found)) = (keep, &found) {
            // A copy: there is no moment without a ring, which a server would take for a lost one.
            let beside = private_file::marked(&path, mark);
            private_file::write_new(&beside, found).map_err(unwritable)?;
            kept = Some(beside);
        }
        private_file::replace(&path, text.as_bytes()).map_err(unwritable)?;
        Ok(kept)
    }

    /// What a refusal of this ring begins with, up to what is wrong with it. The path of a named file is a setting's value and
    /// not shown.
    pub fn subject(&self) -> String {
        match self {
            Self::Given(_) => format!("{}: the key ring", KEY_RING.name),
            Self::File { named: true, .. } => format!("{}: the file that it names", KEY_RING_FILE.name),
            // A file that no setting names.
            Self::File { path, named: false } => format!("key ring {}", path.display()),
        }
    }

    /// Held until it is dropped. The directory is what is locked: it is there before the first ring and stays when a ring takes
    /// another's place, and nothing has to be made for it.
    fn lock(&self, path: &Path) -> io::Result<File> {
        let directory = private_file::directory_of(path);
        match self {
            Self::File { named: false, .. } => private_file::make_directory(directory)?,
            Self::File { named: true, .. } | Self::Given(_) => {}
        }
        let held = File::open(directory)?;
        held.lock()?;
        Ok(held)
    }
}

fn given(text: &str) -> Result<KeyRing, SettingsError> {
    if text.len() as u64 > LONGEST_KEY_RING {
        return Err(refused(&KEY_RING, TOO_LONG));
    }
    if !text.trim_start().starts_with('{') {
        return Err(refused(&KEY_RING, NOT_A_RING));
    }
    Ok(KeyRing::Given(Secret::new(text.as_bytes().to_vec())))
}

/// Where a link leads to: that is what changes, and the link stays.
fn target_of(path: &Path) -> io::Result<Cow<'_, Path>> {
    match fs::canonicalize(path) {
        Ok(target) => Ok(Cow::Owned(target)),
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(Cow::Borrowed(path)),
        Err(cause) => Err(cause),
    }
}

fn unreadable(cause: io::Error) -> SettingsError {
    SettingsError::UnreadableFile { setting: KEY_RING_FILE.name, cause }
}

fn unusable(path: &Path, reason: Unreadable) -> SettingsError {
    let reason = match reason {
        Unreadable::NotAFile => "is not a file; it should hold the key ring".to_owned(),
        Unreadable::OpenToOthers => {
            "is open to group or others; chmod 600 it, or, if somebody may have read it, replace \
                                     its keys as well (latchkey keys retire --now KID)"
                .to_owned()
        }
        Unreadable::TooLong => {
            "is longer than 131072 bytes, which no key ring is; bring it back from a backup, or move it away and begin anew \
             (latchkey keys init)"
                .to_owned()
        }
        Unreadable::Io(cause) => format!("cannot be read: {cause}"),
    };
    SettingsError::KeyRing { path: path.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_refusals_say_of_the_longest_ring_is_what_it_is() {
        for words in [TOO_LONG, TOO_LONG_FILE] {
            assert!(words.contains(&format!(" {LONGEST_KEY_RING} bytes")), "{words}");
        }
    }
}
