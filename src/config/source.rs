//! Where a setting's text comes from.
//!
//! Owns one rule: the environment wins over `.env`, and neither is ever changed (`set_var` races with every thread that
//! reads the environment). Unknown names in the environment belong to other programs; in `.env` they are typing errors.
//!
//! environment + `.env` -> [`Source`] -> text, or the default -> a parser

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::Path;

use zeroize::Zeroizing;

use super::catalogue::{self, Setting};
use super::error::SettingsError;

/// What a parser makes of a text. The reason of a refusal is fixed text, so that it cannot repeat a value.
pub(super) type Parsed<T> = Result<T, &'static str>;

/// Names longer than this are not printed: ours are shorter, and a secret pasted without its name is longer.
const PRINTABLE_NAME: usize = 40;

/// Some editors begin a UTF-8 file with it; dotenvy would take it for a part of the first name.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Which of the two a text was found in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Environment,
    Dotenv,
}

/// A text and where it was found. Zeroised when dropped, because some of it is secret.
struct Given {
    text: Zeroizing<String>,
    place: Place,
}

/// What was given, by name.
pub(super) struct Source(BTreeMap<&'static str, Given>);

impl Source {
    /// Reads `.env` if it is there, and lays the environment over it.
    pub(super) fn gather<K, V>(
        environment: impl IntoIterator<Item = (K, V)>,
        dotenv: Option<&Path>,
    ) -> Result<Self, SettingsError>
    where
        K: Into<OsString>,
        V: Into<OsString>,
    {
        let mut given = dotenv.map(read_dotenv).transpose()?.unwrap_or_default();
        for (name, value) in environment {
            let Some(name) = name.into().to_str().and_then(catalogue::known) else { continue };
            let Ok(value) = value.into().into_string() else {
                return Err(SettingsError::Refused { setting: name, reason: "not UTF-8" });
            };
            given.insert(name, Given { text: Zeroizing::new(value), place: Place::Environment });
        }
        Ok(Self(given))
    }

    /// The text that was given; `None` where none was. Empty is refused: it is what remains of a variable that was not
    /// set where this one was written, and taking it for "not given" would, say, quietly make a new secret.
    pub(super) fn given(&self, setting: &Setting) -> Result<Option<&str>, SettingsError> {
        match self.0.get(setting.name) {
            Some(given) if given.text.is_empty() => {
                Err(refused(setting, "empty; give it a value, or take it out to have the default"))
            }
            Some(given) => Ok(Some(&given.text)),
            None => Ok(None),
        }
    }

    /// Where it was given; `None` where it was not.
    pub(super) fn place(&self, setting: &Setting) -> Option<Place> {
        self.0.get(setting.name).map(|given| given.place)
    }

    /// The setting, parsed from what was given or else from its default.
    pub(super) fn read<T>(&self, setting: &Setting, parse: fn(&str) -> Parsed<T>) -> Result<T, SettingsError> {
        let text = self.given(setting)?.unwrap_or(setting.default);
        parse(text).map_err(|reason| refused(setting, reason))
    }

    /// The same for a setting whose default is worked out at the start.
    pub(super) fn read_or<T>(
        &self,
        setting: &Setting,
        parse: fn(&str) -> Parsed<T>,
        default: T,
    ) -> Result<T, SettingsError> {
        let Some(text) = self.given(setting)? else { return Ok(default) };
        parse(text).map_err(|reason| refused(setting, reason))
    }
}

/// The refusal of a setting's value.
pub(super) fn refused(setting: &Setting, reason: &'static str) -> SettingsError {
    SettingsError::Refused { setting: setting.name, reason }
}

fn read_dotenv(path: &Path) -> Result<BTreeMap<&'static str, Given>, SettingsError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(cause) => return Err(SettingsError::UnreadableDotenv { file: path.to_owned(), cause }),
    };
    let refusal = |line, name, reason| SettingsError::DotenvLine { file: path.to_owned(), line, name, reason };

    let mut given = BTreeMap::new();
    let text = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&bytes);
    for (line, written) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        if let Some(reason) = misread(written) {
            return Err(refusal(line, None, reason));
        }
        // A line at a time: dotenvy would let a quote run on to wherever the next one is, and an apostrophe in a comment
        // could swallow the settings up to another. The blanks at the end would keep it waiting for more.
        let item = match dotenvy::from_read_iter(written.trim_ascii_end()).next() {
            None => continue,
            Some(item) => item,
        };
        // The error holds the line's text, so nothing of it is passed on.
        let Ok((name, value)) = item else {
            return Err(refusal(
                line,
                None,
                "not NAME=value on one line, a blank in the value without quotes, or a quote that is not closed",
            ));
        };
        let value = Given { text: Zeroizing::new(value), place: Place::Dotenv };
        let Some(known) = catalogue::known(&name) else {
            return Err(refusal(line, printable(name), "not a setting"));
        };
        if given.insert(known, value).is_some() {
            return Err(refusal(line, Some(name), "given a second time"));
        }
    }
    Ok(given)
}

/// What on this line dotenvy would take for something else than is written there.
///
/// - A `$` outside single quotes and without a backslash of its own: it puts a variable in its place, and nothing for a
///   name that is not set. A secret with a `$` in it would be cut short without a word.
/// - White space that looks like a blank: it ends the value before a `#`, or it does not, depending on how many there are.
fn misread(line: &[u8]) -> Option<&'static str> {
    // What is no text is refused by dotenvy itself.
    let line = str::from_utf8(line).ok().map(str::trim_end).filter(|line| !line.trim_start().starts_with('#'))?;
    let (mut escaped, mut in_single, mut in_double, mut after_blank) = (false, false, false, false);
    for character in line.chars() {
        let blank = matches!(character, ' ' | '\t') && !escaped && !in_single && !in_double;
        match character {
            _ if escaped => escaped = false,
            '\'' if !in_double => in_single = !in_single,
            _ if in_single => {}
            '\\' => escaped = true,
            '"' => in_double = !in_double,
            '$' => return Some("a `$` would be replaced by a variable; put the value into single quotes"),
            _ if in_double || blank => {}
            // The rest is a comment.
            '#' if after_blank => return None,
            _ if character.is_whitespace() => {
                return Some("white space that is neither a blank nor a tab; put the value into single quotes");
            }
            _ => {}
        }
        after_blank = blank;
    }
    None
}

/// A name that may be shown: one that looks like a name of a setting, and not like a secret that stands alone.
fn printable(name: String) -> Option<String> {
    let plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    Some(name).filter(|name| name.len() <= PRINTABLE_NAME && name.bytes().all(plain))
}
