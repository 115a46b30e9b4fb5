//! `.env` and the settings in it (`config`).
//!
//! Claims: `Settings::load` never panics; what it accepts means what the documents say that the file means (the reader
//! below is written from them: a line is a setting, whole or refused, never replaced by a variable and never swallowed
//! by its neighbour); what it refuses leaves nothing behind on the disk and is told in one line in which no value stands;
//! secrets that it makes are whole, private and found again.
//!
//! An input is the file. The environment that is passed on is empty; the process's own is not, which must make no
//! difference. The working directory holds a good secret in the file `secret`, for `…_FILE`.

#![no_main]

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use latchkey::config::{Checked, Database, Effective, Settings, SettingsError};
use libfuzzer_sys::{Corpus, fuzz_target};
use tempfile::TempDir;

/// For these tests only; no service was ever started with it.
const SECRET: &str = "vZ0qf5Jt2mXyB8dKc1RwT7uHs4GnLpEaYi6ObQ9eFzNjVMkC\n";
/// Names longer than this are not shown in a refusal.
const PRINTABLE_NAME: usize = 40;
/// What is shown of a file on purpose is shorter: a word of a message may stand in a value by chance.
const TELLING: usize = 6;
/// Lists every setting, commented out.
const EXAMPLE: &str = include_str!("../../.env.example");
/// The texts of refusals about the file of secrets, among others.
const KEPT: &str = concat!(include_str!("../../src/config/kept.rs"), include_str!("../../src/config/key_ring.rs"));

static PLACE: LazyLock<Place> = LazyLock::new(Place::new);

fuzz_target!(|input: &[u8]| -> Corpus {
    if leads_elsewhere(input) {
        return Corpus::Reject;
    }
    PLACE.with(input, || check(input));
    Corpus::Keep
});

type Given = BTreeMap<String, String>;

fn check(input: &[u8]) {
    let dotenv = Path::new(".env");
    let nothing: [(&str, &str); 0] = [];
    let looked_at = Settings::check(nothing, Some(dotenv));
    assert_eq!(PLACE.made(), [] as [PathBuf; 0], "a check makes nothing");
    let loaded = Settings::load(nothing, Some(dotenv));
    let made = PLACE.made();
    check_agrees(&looked_at, &loaded);
    let read = reading(input);
    let Some(given) = read else {
        let refusal = loaded.expect_err("a file that cannot be read as it should");
        assert_eq!(made, [] as [PathBuf; 0], "left behind by: {refusal}");
        return check_refusal(&refusal, input, &Given::new());
    };
    match &loaded {
        Ok(settings) => {
            check_settings(settings, &given, &made);
            check_shown(&looked_at.expect("what was looked at").effective, settings, &given);
        }
        Err(refusal) => {
            assert_eq!(made, [] as [PathBuf; 0], "left behind by: {refusal}");
            check_refusal(refusal, input, &given);
        }
    }
    // A line may be refused for caution's sake; what is taken has to mean the same as in the environment.
    if !matches!(loaded, Err(SettingsError::DotenvLine { .. })) {
        let by_environment = Settings::load(&given, None);
        assert_eq!(told(&loaded), told(&by_environment), "{given:?}");
    }
}

/// Everything that tells two outcomes apart.
fn told(loaded: &Result<Settings, SettingsError>) -> (String, Vec<u8>, Vec<u8>) {
    match loaded {
        Ok(settings) => {
            let Settings { jwt_secret, refresh_token_secret, .. } = settings;
            (format!("{settings:?}"), jwt_secret.expose().to_vec(), refresh_token_secret.expose().to_vec())
        }
        Err(refusal) => (refusal.to_string(), Vec::new(), Vec::new()),
    }
}

fn check_settings(settings: &Settings, given: &Given, made: &[PathBuf]) {
    let Settings { access_token_ttl, refresh_token_ttl, session_ttl, .. } = settings;
    assert!(access_token_ttl <= refresh_token_ttl && refresh_token_ttl <= session_ttl);
    let weak_hash_allowed = given.get("ALLOW_WEAK_HASH").is_some_and(|switch| switch == "1");
    assert!(settings.bcrypt_cost >= if weak_hash_allowed { 4 } else { 10 });

    let Database::Sqlite(database) = &settings.database;
    let name = database.file_name().expect("a name").to_str().expect("UTF-8");
    assert!(
        database.to_str().is_some_and(|path| path.ends_with(name)),
        "not the path of a file: {}",
        database.display()
    );

    let secrets = [settings.jwt_secret.expose(), settings.refresh_token_secret.expose()];
    assert!(secrets[0] != secrets[1] && secrets.iter().all(|secret| secret.len() >= 32));
    hides_the_secrets(&format!("{settings:?}"), settings, given);

    let has = |name: &str| given.contains_key(name) || given.contains_key(&format!("{name}_FILE"));
    let files: Vec<&PathBuf> = made.iter().filter(|path| path.is_file()).collect();
    if has("JWT_SECRET") && has("REFRESH_TOKEN_SECRET") {
        assert_eq!(made, [] as [PathBuf; 0], "both secrets were given");
    } else {
        assert_eq!(files, [&secrets_beside(settings)]);
    }
    for path in made {
        let mode = fs::metadata(path).expect("what was listed").permissions().mode() & 0o777;
        assert_eq!(mode, if path.is_file() { 0o600 } else { 0o700 }, "{}", path.display());
    }
}

/// `check-config` says what a start would say, but for what only making the secrets can tell.
fn check_agrees(looked_at: &Result<Checked, SettingsError>, loaded: &Result<Settings, SettingsError>) {
    match (looked_at, loaded) {
        (Ok(_), Ok(_)) => {}
        (Ok(_), Err(SettingsError::KeptFile { reason, .. })) if reason.starts_with("cannot be made: ") => {}
        (Err(looked_at), Err(loaded)) => assert_eq!(looked_at.to_string(), loaded.to_string()),
        (looked_at, loaded) => panic!("{looked_at:?} and {loaded:?}"),
    }
}

/// Each setting is one line, and no secret is among it.
fn check_shown(shown: &[Effective], settings: &Settings, given: &Given) {
    let lines: Vec<String> = shown.iter().map(ToString::to_string).collect();
    let starts = |line: &String, name: &str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with('='));
    assert!(names().all(|name| lines.iter().filter(|line| starts(line, name)).count() <= 1), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains(char::is_control)), "{lines:?}");
    hides_the_secrets(&lines.join("\n"), settings, given);
}

fn hides_the_secrets(shown: &str, settings: &Settings, given: &Given) {
    let public = |name: &str| name != "JWT_SECRET" && name != "REFRESH_TOKEN_SECRET";
    for secret in [settings.jwt_secret.expose(), settings.refresh_token_secret.expose()] {
        let secret = String::from_utf8_lossy(secret);
        // Whoever writes a secret into another setting shows it.
        let told = given.iter().any(|(name, value)| public(name) && value.contains(&*secret));
        assert!(told || !shown.contains(&*secret), "a secret is shown: {shown}");
    }
}

/// `x.db` -> `x.secrets`; any other name keeps its ending.
fn secrets_beside(settings: &Settings) -> PathBuf {
    let Database::Sqlite(database) = &settings.database;
    let name = database.file_name().expect("a name").to_str().expect("UTF-8");
    let stem = name.strip_suffix(".db").filter(|stem| !stem.is_empty()).unwrap_or(name);
    // By way of components, so that `./x` and `x` are one path.
    database.with_file_name(format!("{stem}.secrets")).components().filter(|part| part.as_os_str() != ".").collect()
}

/// One line, and none of its parts can hold a value. A new kind of refusal has to be looked at here before this compiles.
fn check_refusal(refusal: &SettingsError, input: &[u8], given: &Given) {
    let line = refusal.to_string();
    assert!(!line.contains(char::is_control), "more than one line: {line:?}");
    match refusal {
        // Text that was there before the value was.
        SettingsError::Refused { setting: _, reason: _ } => {}
        SettingsError::UnreadableFile { setting: _, cause } => tells_nothing(&cause.to_string(), "", given),
        SettingsError::KeptFile { setting: _, path, reason } => {
            let database = given.get("DATABASE_URL").map_or("data/latchkey.db", |url| &url["sqlite://".len()..]);
            assert_eq!(path.parent(), Path::new(database).parent(), "a path that nobody gave");
            tells_nothing(reason, KEPT, given);
        }
        SettingsError::UnreadableDotenv { file: _, cause } => panic!("it was there: {cause}"),
        SettingsError::DotenvLine { file, line, name, reason: _ } => {
            assert_eq!(file, Path::new(".env"));
            let at = line.checked_sub(1).and_then(|at| input.split(|byte| *byte == b'\n').nth(at));
            let text = at.unwrap_or_else(|| panic!("there is no line {line}"));
            if let Some(name) = name {
                check_shown_name(name, text);
            }
        }
    }
}

/// A name that is shown is one: short, in capitals, and the name of its line.
fn check_shown_name(name: &str, line: &[u8]) {
    let plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    assert!(name.len() <= PRINTABLE_NAME && name.bytes().all(plain), "not fit to be shown: {name}");
    let line = str::from_utf8(line).expect("a line with a name is UTF-8").trim_start_matches('\u{feff}').trim();
    let (written, _) = line.split_once('=').expect("a line with a name has a value");
    assert!(written.trim_end().ends_with(name), "line {line:?} is not about {name}");
}

/// Whether no value stands in a text, but for words that are in the texts of the program or of the operating system.
fn tells_nothing(text: &str, ours: &str, given: &Given) {
    // A text that goes on in the next line of the source.
    let ours: String = ours.split("\\\n").map(str::trim_start).collect();
    for value in given.values() {
        for telling in value.as_bytes().windows(TELLING).filter_map(|bytes| str::from_utf8(bytes).ok()) {
            let known = ours.contains(telling) || SYSTEM.iter().any(|known| known.contains(telling));
            assert!(known || !text.contains(telling), "{telling:?} of a value is in: {text}");
        }
    }
}

/// Every text that the operating system has for an error, and the standard library's for a path with a NUL in it.
static SYSTEM: LazyLock<Vec<String>> = LazyLock::new(|| {
    let texts = (1..=133).map(|code| io::Error::from_raw_os_error(code).to_string());
    texts.chain(["file name contained an unexpected NUL byte".to_owned()]).collect()
});

/// What the file says, by the documents; `None` where it has to be refused.
fn reading(input: &[u8]) -> Option<Given> {
    let text = str::from_utf8(input.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(input)).ok()?;
    let mut given = Given::new();
    for line in text.split('\n').map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (name, value) = line.split_once('=')?;
        let name = name.trim_end();
        let name = name.strip_prefix("export").filter(|rest| rest.starts_with(char::is_whitespace)).unwrap_or(name);
        let name = name.trim_start();
        if !names().any(|known| known == name) || given.insert(name.to_owned(), value_of(value.trim_start())?).is_some()
        {
            return None;
        }
    }
    Some(given)
}

/// The settings that there are.
fn names() -> impl Iterator<Item = &'static str> {
    let listed = EXAMPLE.lines().filter_map(|line| line.strip_prefix('#')?.split_once('=')).map(|(name, _)| name);
    listed.filter(|name| name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'))
}

/// Bare, in single quotes as it stands, or in double quotes with escapes; behind a blank only a comment may follow.
fn value_of(written: &str) -> Option<String> {
    let mut value = String::new();
    let mut characters = written.chars();
    // An empty value, which is refused later: what a comment alone leaves.
    if written.starts_with('#') {
        return Some(value);
    }
    let mut double_quoted = false;
    while let Some(character) = characters.next() {
        match character {
            '\\' => value.push(match characters.next()? {
                'n' => '\n',
                escaped @ ('\\' | '\'' | '"' | '$' | ' ') => escaped,
                _ => return None,
            }),
            '$' => return None,
            '"' => double_quoted = !double_quoted,
            '\'' if !double_quoted => {
                let (quoted, rest) = characters.as_str().split_once('\'')?;
                value.push_str(quoted);
                characters = rest.chars();
            }
            ' ' | '\t' if !double_quoted => {
                let rest = characters.as_str().trim_start_matches([' ', '\t']);
                return (rest.is_empty() || rest.starts_with('#')).then_some(value);
            }
            // Neither a part of the value nor its end: nobody can see which.
            _ if character.is_whitespace() && !double_quoted => return None,
            _ => value.push(character),
        }
    }
    (!double_quoted).then_some(value)
}

/// Whether the file names a path outside the working directory, where a target must not write or wait. By the parser that
/// the service uses, over the whole file and line by line, so that a fault in either reader cannot lead out.
fn leads_elsewhere(input: &[u8]) -> bool {
    let whole = dotenvy::from_read_iter(input).map_while(Result::ok);
    let lines = input.split(|byte| *byte == b'\n').filter_map(|line| dotenvy::from_read_iter(line).next()?.ok());
    let bare = input.strip_prefix(b"\xEF\xBB\xBF").map(|rest| dotenvy::from_read_iter(rest).map_while(Result::ok));
    let read = reading(input).into_iter().flatten();
    whole.chain(lines).chain(bare.into_iter().flatten()).chain(read).any(|(name, value)| {
        let path = value.strip_prefix("sqlite://").unwrap_or(&value);
        let out = || Path::new(path).is_absolute() || path.split('/').any(|part| part == "..");
        (name == "DATABASE_URL" || name.ends_with("_FILE")) && out()
    })
}

/// A directory of its own to work in.
struct Place {
    directory: TempDir,
    outside: PathBuf,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        fs::write(directory.path().join("secret"), SECRET).expect("a file");
        Self { directory, outside: std::env::current_dir().expect("a working directory") }
    }

    /// Works in the directory, and out of it again: libFuzzer has paths of its own.
    fn with(&self, dotenv: &[u8], work: impl FnOnce()) {
        std::env::set_current_dir(self.directory.path()).expect("the directory");
        fs::write(".env", dotenv).expect("a file");
        work();
        for path in self.made().iter().rev() {
            if path.is_dir() { fs::remove_dir(path) } else { fs::remove_file(path) }.expect("what was listed");
        }
        std::env::set_current_dir(&self.outside).expect("the directory before");
    }

    /// Everything that was not there before, the upper ones first.
    fn made(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        list(Path::new(""), &mut found);
        found.retain(|path| path != Path::new(".env") && path != Path::new("secret"));
        found
    }
}

fn list(directory: &Path, found: &mut Vec<PathBuf>) {
    let here = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let mut names: Vec<_> = fs::read_dir(here).expect("a directory").map(|entry| entry.expect("an entry")).collect();
    names.sort_by_key(fs::DirEntry::file_name);
    for entry in names {
        let path = directory.join(entry.file_name());
        found.push(path.clone());
        if entry.file_type().expect("a type").is_dir() {
            list(&path, found);
        }
    }
}
