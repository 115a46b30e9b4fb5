//! The file of secrets beside the database.
//!
//! Owns one rule: the secrets are made once, whole and durable before anybody uses them, and are never overwritten. To
//! lose them is to log everybody out; to have two pairs is to refuse half of the tokens.
//!
//! first run: random -> temporary file (0600) -> fsync -> hard link to the final name -> fsync of the directory -> read
//! later: read
//!
//! The link is what makes it once: it fails where the name is taken, so of many processes that start together one wins
//! and the others read what it wrote. The file's text is the secret itself, not an encoding of it: a line that is moved
//! into the environment keeps every session alive.

use std::borrow::Cow;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::TryRng;
use rand::rngs::SysRng;
use zeroize::Zeroizing;

use super::private_file::{self, Unreadable};
use super::secrets::Secrets;
use super::{Secret, strength};

/// As many bytes as the output of HMAC-SHA-256, beyond which a key gains nothing (RFC 2104 §3).
const SECRET_BYTES: usize = 32;
/// A few hundred bytes are what we write; what is much longer is some other file. Buffers are made this long at once,
/// because one that grows leaves copies of the secrets behind.
const LONGEST_FILE: u64 = 4096;
const JWT_LINE: &str = "JWT_SECRET=";
const REFRESH_TOKEN_LINE: &str = "REFRESH_TOKEN_SECRET=";
const HEADER: &str = "\
# Made by latchkey on its first run. Whoever reads this can forge tokens: keep it at mode 0600.
# Back it up, but apart from the database: both together hold every token. Without it, everybody has to log in again.
";
const GARBLED: &str = "is incomplete or was changed; bring it back from a backup, or give JWT_SECRET and \
                       REFRESH_TOKEN_SECRET, after which everybody has to log in again";
const LOST: &str = "is missing although the database is not new; bring it back from a backup, or give JWT_SECRET and \
                    REFRESH_TOKEN_SECRET, after which everybody has to log in again";

/// What stands between us and the secrets, and what to do about it. Never holds a part of the file.
type Problem = Cow<'static, str>;

/// `data/latchkey.db` -> `data/latchkey.secrets`.
pub(super) fn path_beside(database: &Path) -> PathBuf {
    private_file::beside(database, "secrets")
}

/// The secrets of this file; where there is none, it is made first.
pub(super) fn find_or_make(path: &Path, database: &Path) -> Result<Secrets, Problem> {
    if let Some(found) = look(path, database)? {
        return Ok(found);
    }
    make(path).map_err(|cause| {
        format!("cannot be made: {cause}; make its directory writable, or give JWT_SECRET and REFRESH_TOKEN_SECRET")
    })?;
    find(path)?.ok_or(Cow::Borrowed("was removed by somebody while it was made; start again"))
}

/// The secrets of this file; `None` where they are to be made, which is not where `database` holds something already: with
/// other secrets than its own, everybody would be told for good that their token is unknown. Makes nothing.
pub(super) fn look(path: &Path, database: &Path) -> Result<Option<Secrets>, Problem> {
    let found = find(path)?;
    if found.is_none() && holds_something(database) {
        // Many may start together: who made the database meanwhile made the secrets before it.
        return find(path)?.ok_or(LOST.into()).map(Some);
    }
    Ok(found)
}

/// Whether a database is not new.
pub(super) fn holds_something(database: &Path) -> bool {
    fs::metadata(database).is_ok_and(|about| about.len() > 0)
}

fn find(path: &Path) -> Result<Option<Secrets>, Problem> {
    match private_file::read(path, LONGEST_FILE) {
        Ok(None) => Ok(None),
        Ok(Some(bytes)) => str::from_utf8(&bytes).ok().and_then(parse).map(Some).ok_or(GARBLED.into()),
        Err(Unreadable::TooLong) => Err(GARBLED.into()),
        Err(Unreadable::NotAFile) => Err("is not a file; it should hold the secrets".into()),
        Err(Unreadable::OpenToOthers) => {
            Err("is open to group or others; chmod 600 it, or, if somebody may have read it, give JWT_SECRET and \
                 REFRESH_TOKEN_SECRET instead (everybody has to log in again)"
                .into())
        }
        Err(Unreadable::Io(cause)) => Err(format!("cannot be read: {cause}").into()),
    }
}

/// Comments, and each of the two lines once. `None` for anything else: half a file must not pass for a shorter secret.
fn parse(text: &str) -> Option<Secrets> {
    let (mut jwt, mut refresh_token) = (None, None);
    for line in text.strip_suffix('\n')?.split('\n').filter(|line| !line.starts_with('#')) {
        let (place, value) = match (line.strip_prefix(JWT_LINE), line.strip_prefix(REFRESH_TOKEN_LINE)) {
            (Some(value), _) => (&mut jwt, value),
            (None, Some(value)) => (&mut refresh_token, value),
            (None, None) => return None,
        };
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(value).ok()?);
        if bytes.len() != SECRET_BYTES || strength::check(value.as_bytes()).is_err() || place.is_some() {
            return None;
        }
        *place = Some(Secret::new(value.as_bytes().to_vec()));
    }
    Some(Secrets { jwt: jwt?, refresh_token: refresh_token? })
}

/// Makes the file, or leaves the one that another process made meanwhile.
fn make(path: &Path) -> io::Result<()> {
    let directory = private_file::directory_of(path);
    private_file::make_directory(directory)?;
    let mut text = Zeroizing::new(String::with_capacity(LONGEST_FILE as usize));
    text.push_str(HEADER);
    for line in [JWT_LINE, REFRESH_TOKEN_LINE] {
        text.push_str(line);
        text.push_str(&random_secret()?);
        text.push('\n');
    }

    // A crash before the end leaves the temporary file behind. It is as private as the final one, and nobody reads it.
    let mark = format!(".{:016x}", SysRng.try_next_u64().map_err(io::Error::other)?);
    let temporary = private_file::temporary_of(path, &mark);
    let written = private_file::write_new(&temporary, text.as_bytes());
    let linked = written.and_then(|_| fs::hard_link(&temporary, path));
    let removed = fs::remove_file(&temporary);
    match linked {
        Err(cause) if cause.kind() != ErrorKind::AlreadyExists => return Err(cause),
        // Won, or lost to another process. The loser syncs as well: it may be the first to answer with these secrets.
        Ok(()) | Err(_) => removed?,
    }
    private_file::sync_directory(directory)
}

/// 32 bytes of the operating system's randomness as text. The few that look weak by chance are drawn again, because an
/// operator who moves one into the environment should not be refused.
fn random_secret() -> io::Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new([0_u8; SECRET_BYTES]);
    loop {
        SysRng.try_fill_bytes(bytes.as_mut_slice()).map_err(io::Error::other)?;
        let text = Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()));
        if strength::check(text.as_bytes()).is_ok() {
            return Ok(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "# a comment\n\
        JWT_SECRET=TqvB_cR3o0XyJm-8dZf5KwLs1n7GhEuApYi6Qb9OeFw\n\
        REFRESH_TOKEN_SECRET=q2Zr8NcW5xVtB0yKjD7LsPfGhM3aUeXo1iR6T9vQwEw\n";

    #[test]
    fn the_file_is_named_after_the_database() {
        let table = [
            ("data/latchkey.db", "data/latchkey.secrets"),
            ("/srv/a.b.db", "/srv/a.b.secrets"),
            ("latchkey.sqlite", "latchkey.sqlite.secrets"),
            ("latchkey", "latchkey.secrets"),
            ("x.secrets", "x.secrets.secrets"),
        ];
        for (database, file) in table {
            assert_eq!(path_beside(Path::new(database)), Path::new(file));
        }
    }

    #[test]
    fn a_whole_file_gives_both_secrets_as_they_are_written() {
        let secrets = parse(WHOLE).unwrap();
        assert_eq!(secrets.jwt.expose(), b"TqvB_cR3o0XyJm-8dZf5KwLs1n7GhEuApYi6Qb9OeFw");
        assert_eq!(secrets.refresh_token.expose(), b"q2Zr8NcW5xVtB0yKjD7LsPfGhM3aUeXo1iR6T9vQwEw");
    }

    #[test]
    fn a_file_that_was_cut_anywhere_is_refused() {
        for end in 0..WHOLE.len() {
            assert!(parse(&WHOLE[..end]).is_none(), "cut at {end}");
        }
    }

    #[test]
    fn a_line_twice_or_unknown_or_too_much_of_it_is_refused() {
        let repeated = format!("{WHOLE}{}\n", WHOLE.lines().last().unwrap());
        let altered =
            [repeated, format!("{WHOLE}OTHER=1\n"), WHOLE.replace("eFw", "eFwAAA"), WHOLE.replace('\n', "\r\n")];
        for text in altered {
            assert!(parse(&text).is_none(), "{text}");
        }
    }

    #[test]
    fn drawn_secrets_are_strong_and_differ() {
        let (one, other) = (random_secret().unwrap(), random_secret().unwrap());
        assert_ne!(one, other);
        assert_eq!(URL_SAFE_NO_PAD.decode(one.as_bytes()).unwrap().len(), SECRET_BYTES);
    }
}
