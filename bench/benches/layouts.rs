//! What the layout of the tables costs a renewal, by the number of sessions.
//!
//! Owns the comparison from which `migrations/sqlite` was chosen: the statements of a renewal over tables of several shapes, in
//! batches, with a sync each, a second connection that checkpoints as the engine's did when the layout was chosen, and nothing of the
//! service around them.
//!
//! a [`Layout`] -> tables with so many sessions of as many users -> rotations of random ones -> one line of a table
//!
//! `cargo bench -p latchkey-bench --bench layouts [-- SESSIONS... [--only TEXT]]`, on a quiet machine; a million sessions take
//! about 15 s a layout.

#![expect(clippy::expect_used, reason = "a bench stops at the first thing that is not as it expects")]

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension as _, params};

/// A full load's usual batch.
const BATCH: usize = 128;
/// How long each layout is driven, after a quarter of it that does not count.
const SPAN: Duration = Duration::from_secs(3);
/// In the order of the table.
const SIZES: [u32; 3] = [10_000, 100_000, 1_000_000];
/// As long as a browser's is.
const USER_AGENT: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36";
/// As many bytes as a bcrypt hash.
const HASH: &str = "$2b$12$abcdefghijklmnopqrstuvabcdefghijklmnopqrstuvwxyzabcde";

/// Where the user agent of a session is.
#[derive(Clone, Copy, PartialEq)]
enum Agents {
    /// In its row, and written by each renewal.
    InRow,
    /// In a table of user agents, by a number in its row; compared by each renewal.
    Numbered,
}

#[derive(Clone, Copy)]
struct Layout {
    name: &'static str,
    page_bytes: u32,
    /// Whether the tables have a rowid, and their ids an index beside.
    rowid: bool,
    agents: Agents,
    /// Whether the hash is in a table beside `users`.
    hash_aside: bool,
    /// Whether a session's row holds what a renewal must know of its user.
    user_in_row: bool,
    /// Whether a session names its user by a number, which is the key of `users`.
    numbered_users: bool,
    /// Whether the key of a session's row is a number that is made of its id, which has an index beside.
    integer_key: bool,
    cache_mib: i64,
    mapped_mib: i64,
    /// The length of the log at which the writer itself checkpoints.
    log_mib: u32,
    /// Whether the live sessions of a user are in an index.
    indexed: bool,
}

const BEFORE: Layout = Layout {
    name: "wide rows, 1 KiB, 16 MiB of cache",
    page_bytes: 1024,
    rowid: false,
    agents: Agents::InRow,
    hash_aside: false,
    user_in_row: false,
    numbered_users: false,
    integer_key: false,
    cache_mib: 16,
    mapped_mib: 0,
    log_mib: 16,
    indexed: true,
};
const NARROW: Layout = Layout { name: "numbered agents", agents: Agents::Numbered, ..BEFORE };
const SPLIT: Layout = Layout { name: "… and hashes aside", hash_aside: true, ..NARROW };

const ONE_ROW: Layout = Layout { name: "one row", user_in_row: true, ..NARROW };

const INTEGER: Layout = Layout { name: "one row, keyed by a number", integer_key: true, ..ONE_ROW };

const LAYOUTS: [Layout; 26] = [
    BEFORE,
    Layout { name: "wide, 2 KiB", page_bytes: 2048, ..BEFORE },
    Layout { name: "wide, 4 KiB", page_bytes: 4096, ..BEFORE },
    Layout { name: "wide, rowid", rowid: true, ..BEFORE },
    Layout { name: "wide, no index", indexed: false, ..BEFORE },
    Layout { name: "wide, 48 MiB of cache", cache_mib: 48, ..BEFORE },
    NARROW,
    Layout { name: "numbered agents, 512 B", page_bytes: 512, ..NARROW },
    Layout { name: "numbered agents, 48 MiB of cache", cache_mib: 48, ..NARROW },
    SPLIT,
    Layout { name: "split, 512 B", page_bytes: 512, ..SPLIT },
    Layout { name: "split, 2 KiB", page_bytes: 2048, ..SPLIT },
    Layout { name: "split, rowid", rowid: true, ..SPLIT },
    Layout { name: "split, numbered users", numbered_users: true, ..SPLIT },
    Layout { name: "split, 48 MiB of cache", cache_mib: 48, ..SPLIT },
    Layout { name: "split, 48 MiB mapped", mapped_mib: 48, ..SPLIT },
    Layout { name: "split, 48 MiB of cache, log of 48 MiB", cache_mib: 48, log_mib: 48, ..SPLIT },
    ONE_ROW,
    Layout { name: "one row, 512 B", page_bytes: 512, ..ONE_ROW },
    Layout { name: "one row, 2 KiB", page_bytes: 2048, ..ONE_ROW },
    Layout { name: "one row, rowid", rowid: true, ..ONE_ROW },
    INTEGER,
    Layout { name: "one row, keyed by a number, 2 KiB", page_bytes: 2048, ..INTEGER },
    Layout { name: "one row, keyed by a number, 512 B", page_bytes: 512, ..INTEGER },
    Layout { name: "one row, 48 MiB of cache", cache_mib: 48, ..ONE_ROW },
    Layout { name: "one row, 32 MiB of cache", cache_mib: 32, ..ONE_ROW },
];

fn main() {
    // Cargo adds one of its own.
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let (mut only, mut named) = (None, Vec::new());
    while let Some(argument) = arguments.next() {
        if argument == "--only" {
            only = Some(arguments.next().expect("what --only names"));
        } else {
            named.push(argument.parse().expect("a number of sessions"));
        }
    }
    let sizes = if named.is_empty() { SIZES.to_vec() } else { named };
    println!("| layout | sessions | CPU | rotations | a session takes | the file |\n|---|---|---|---|---|---|");
    for layout in LAYOUTS.iter().filter(|layout| only.as_ref().is_none_or(|part| layout.name.contains(part))) {
        for sessions in &sizes {
            measure(layout, *sessions);
        }
    }
}

fn measure(layout: &Layout, sessions: u32) {
    // Beside the build, which is seldom in memory.
    let beside = std::env::current_exe().expect("this program");
    let directory = tempfile::tempdir_in(beside.parent().expect("a folder")).expect("a folder");
    let path = directory.path().join("layout.db");
    fill(layout, &path, sessions);
    let (bytes, file) = sizes(&path, sessions);
    let database = Driven::open(layout, &path, sessions);
    database.drive(SPAN / 4);
    let (cpu_us, rate) = database.drive(SPAN);
    println!("| {} | {sessions} | {cpu_us:.1} µs | {rate:.0}/s | {bytes:.0} B | {file:.0} B |", layout.name);
}

/// The ids of the rows are in no order that a renewal follows, but in that of their making, as UUIDv7 are.
fn id(kind: u128, number: u32) -> [u8; 16] {
    let spread = u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835) & ((1 << 70) - 1);
    ((u128::from(number) << 80) | (kind << 78) | spread).to_be_bytes()
}

/// A number made of an id: its time, and the end of what is random in it.
fn place(id: &[u8; 16]) -> i64 {
    let wide = u128::from_be_bytes(*id);
    i64::try_from((wide >> 80 << 16) | (wide & 0xffff)).expect("a small time")
}

/// Whose session it is: users and sessions came in other orders.
fn owner(session: u32, sessions: u32) -> u32 {
    u32::try_from(u64::from(session) * 7_368_787 % u64::from(sessions)).expect("a remainder")
}

fn configure(layout: &Layout, connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "page_size", layout.page_bytes)?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))?;
    connection.pragma_update(None, "cache_size", -1024 * layout.cache_mib)?;
    connection.pragma_update_and_check(None, "mmap_size", layout.mapped_mib << 20, |_| Ok(()))?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

fn fill(layout: &Layout, path: &Path, sessions: u32) {
    let mut connection = Connection::open(path).expect("a database");
    configure(layout, &connection).expect("settings");
    connection.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -500000").expect("settings");
    connection.execute_batch(&schema(layout)).expect("tables");
    let transaction = connection.transaction().expect("a transaction");
    {
        let own_hash = if layout.hash_aside { "" } else { HASH };
        // The numbers of users are given by the table, in their order from 1.
        let mut user = transaction
            .prepare(
                "INSERT INTO users (id, username, username_key, password_hash, created_at)
                 VALUES (?1, ?2, ?2, ?3, 1763889300000)",
            )
            .expect("a statement");
        let mut hash = transaction.prepare("INSERT INTO hashes VALUES (?1, ?2)").expect("a statement");
        let place_too = if layout.integer_key { ", ?7" } else { "" };
        let mut session = transaction
            .prepare(&format!(
                "INSERT INTO sessions VALUES (?1, ?2, 1, 1, 0, NULL, 1763889300000, 1764494100000, 1766481300000, NULL,
                                              NULL, ?3, '203.0.113.77', 0, ?4, ?5, ?6{place_too})",
            ))
            .expect("a statement");
        let agent: rusqlite::types::Value = match layout.agents {
            Agents::InRow => USER_AGENT.to_owned().into(),
            Agents::Numbered => 1.into(),
        };
        for number in 0..sessions {
            let name = format!("person{number:07}");
            user.execute(params![id(1, number), name, own_hash]).expect("a user");
            if layout.hash_aside {
                hash.execute(params![id(1, number), HASH]).expect("a hash");
            }
        }
        for number in 0..sessions {
            let owner = owner(number, sessions);
            let user: rusqlite::types::Value =
                if layout.numbered_users { i64::from(owner + 1).into() } else { id(1, owner).to_vec().into() };
            let copy = layout.user_in_row.then(|| (1, format!("person{owner:07}"), "user"));
            let (version, name, roles) =
                copy.map_or((None, None, None), |(version, name, roles)| (Some(version), Some(name), Some(roles)));
            let key = id(0, number);
            if layout.integer_key {
                session.execute(params![key, user, agent, version, name, roles, place(&key)]).expect("a session");
            } else {
                session.execute(params![key, user, agent, version, name, roles]).expect("a session");
            }
        }
    }
    transaction.commit().expect("a commit");
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").expect("a checkpoint");
}

fn schema(layout: &Layout) -> String {
    let key = if layout.rowid { "STRICT" } else { "STRICT, WITHOUT ROWID" };
    let (id, users) = if layout.numbered_users {
        ("number INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE", "STRICT")
    } else {
        ("id BLOB NOT NULL PRIMARY KEY", key)
    };
    let (unique, place, sessions) =
        if layout.integer_key { ("UNIQUE", ", place INTEGER PRIMARY KEY", "STRICT") } else { ("PRIMARY KEY", "", key) };
    let index = if layout.indexed {
        "CREATE INDEX live_sessions_by_user ON sessions (user_id, epoch) WHERE ended_at IS NULL;"
    } else {
        ""
    };
    format!(
        "CREATE TABLE users ({id}, username TEXT NOT NULL, username_key TEXT NOT NULL UNIQUE, password_hash TEXT NOT NULL,
                             roles TEXT NOT NULL DEFAULT 'user', disabled INTEGER NOT NULL DEFAULT 0,
                             epoch INTEGER NOT NULL DEFAULT 1, version INTEGER NOT NULL DEFAULT 1,
                             created_at INTEGER NOT NULL) {users};
         CREATE TABLE hashes (user_id BLOB NOT NULL PRIMARY KEY, hash TEXT NOT NULL) STRICT, WITHOUT ROWID;
         CREATE TABLE user_agents (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;
         INSERT INTO user_agents VALUES (1, '{USER_AGENT}');
         CREATE TABLE sessions (id BLOB NOT NULL {unique}, user_id ANY NOT NULL, epoch INTEGER NOT NULL,
                                current_generation INTEGER NOT NULL, parent_generation INTEGER NOT NULL,
                                rotated_at INTEGER, created_at INTEGER NOT NULL, idle_expires_at INTEGER NOT NULL,
                                absolute_expires_at INTEGER NOT NULL, ended_at INTEGER, end_reason TEXT,
                                user_agent ANY, ip TEXT, transport INTEGER NOT NULL,
                                user_version INTEGER, username TEXT, roles TEXT{place}) {sessions};
         CREATE TABLE service (last_alive_at INTEGER, open_after INTEGER) STRICT;
         INSERT INTO service VALUES (1, 1);
         {index}"
    )
}

/// Of the table of sessions and its indexes, and of all, in bytes for each session.
fn sizes(path: &Path, sessions: u32) -> (f64, f64) {
    let connection = Connection::open(path).expect("a database");
    let own: i64 = connection
        .query_row(
            "SELECT sum(pgsize) FROM dbstat WHERE aggregate = TRUE AND name IN
             (SELECT name FROM sqlite_schema WHERE tbl_name = 'sessions')",
            [],
            |row| row.get(0),
        )
        .expect("the size of a table");
    let each = |bytes: u64| f64::from(u32::try_from(bytes >> 10).expect("below 4 TiB")) * 1024.0 / f64::from(sessions);
    (each(own.unsigned_abs()), each(fs::metadata(path).expect("a file").len()))
}

/// A database that is renewed in.
struct Driven {
    layout: Layout,
    connection: Connection,
    sessions: u32,
    frames: Arc<AtomicU32>,
    wake: mpsc::SyncSender<()>,
}

impl Driven {
    fn open(layout: &Layout, path: &Path, sessions: u32) -> Self {
        let mut connection = Connection::open(path).expect("a database");
        configure(layout, &connection).expect("settings");
        let frames = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&frames);
        let count = move |_: &mut rusqlite::hooks::Wal, pages: i32| {
            counted.store(u32::try_from(pages).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        };
        connection.wal_hook(Some(count)).expect("a hook");
        let helper = Connection::open(path).expect("a database");
        configure(layout, &helper).expect("settings");
        let (wake, woken) = mpsc::sync_channel(1);
        thread::spawn(move || {
            while woken.recv().is_ok() {
                checkpoint(&helper);
            }
        });
        Self { layout: *layout, connection, sessions, frames, wake }
    }

    /// Rotates random sessions for so long: microseconds of the process for each, and how many a second.
    fn drive(&self, span: Duration) -> (f64, f64) {
        let mebibyte = 1024 * 1024 / self.layout.page_bytes;
        let (mut done, mut woken_at, mut helped_at) = (0_u32, 0, 0);
        let (begun, cpu) = (Instant::now(), cpu());
        while begun.elapsed() < span {
            self.batch();
            done += u32::try_from(BATCH).expect("a batch");
            let frames = self.frames.load(Ordering::Relaxed);
            if frames < woken_at {
                (woken_at, helped_at) = (0, 0);
            }
            if frames >= self.layout.log_mib * mebibyte && frames >= helped_at + mebibyte {
                helped_at = frames;
                checkpoint(&self.connection);
            } else if frames >= woken_at + mebibyte {
                woken_at = frames;
                self.wake.try_send(()).ok();
            }
        }
        let spent = self::cpu().saturating_sub(cpu);
        (spent.as_secs_f64() * 1e6 / f64::from(done), f64::from(done) / begun.elapsed().as_secs_f64())
    }

    fn batch(&self) {
        let execute = |sql: &str| self.connection.prepare_cached(sql).and_then(|mut sql| sql.execute([]));
        execute("BEGIN IMMEDIATE").expect("a transaction");
        for _ in 0..BATCH {
            self.rotate(&id(0, rand::random_range(0..self.sessions))).expect("a rotation");
        }
        execute("UPDATE service SET last_alive_at = last_alive_at + 1").expect("a time");
        execute("COMMIT").expect("a commit");
    }

    fn rotate(&self, session: &[u8; 16]) -> rusqlite::Result<()> {
        let (agent, join) = match self.layout.agents {
            Agents::InRow => ("NULL", ""),
            Agents::Numbered => ("a.text", "LEFT JOIN user_agents a ON a.id = s.user_agent"),
        };
        let (user, columns) = match (self.layout.user_in_row, self.layout.numbered_users) {
            (true, _) => ("", "1, 0, s.user_version, s.username, s.roles"),
            (false, true) => {
                ("LEFT JOIN users u ON u.number = s.user_id", "u.epoch, u.disabled, u.version, u.username, u.roles")
            }
            (false, false) => {
                ("LEFT JOIN users u ON u.id = s.user_id", "u.epoch, u.disabled, u.version, u.username, u.roles")
            }
        };
        let key = if self.layout.integer_key { "place" } else { "id" };
        let select = format!(
            "SELECT s.user_id, s.epoch, s.current_generation, s.parent_generation, s.rotated_at, s.idle_expires_at,
                    s.absolute_expires_at, s.ended_at IS NOT NULL, {columns}, {agent}
             FROM sessions s {user} {join} WHERE s.{key} = ?1"
        );
        let session: rusqlite::types::Value =
            if self.layout.integer_key { place(session).into() } else { session.to_vec().into() };
        let (generation, agent): (u32, Option<String>) = self
            .connection
            .prepare_cached(&select)?
            .query_row([&session], |row| {
                let (_, _): (Option<i64>, String) = (row.get(4)?, row.get(11)?);
                Ok((row.get(2)?, row.get(13)?))
            })
            .optional()?
            .expect("a session");
        let generations = "UPDATE sessions SET current_generation = ?2, parent_generation = ?3, rotated_at = ?4, idle_expires_at = ?5, ip = ?6";
        let (now, idle, ip) = (1_763_889_400_000_i64, 1_764_494_200_000_i64, "203.0.113.77");
        match self.layout.agents {
            Agents::InRow => self
                .connection
                .prepare_cached(&format!("{generations}, user_agent = ?7 WHERE {key} = ?1"))?
                .execute(params![session, generation + 1, generation, now, idle, ip, USER_AGENT])?,
            Agents::Numbered => {
                assert_eq!(agent.as_deref(), Some(USER_AGENT));
                self.connection.prepare_cached(&format!("{generations} WHERE {key} = ?1"))?.execute(params![
                    session,
                    generation + 1,
                    generation,
                    now,
                    idle,
                    ip
                ])?
            }
        };
        Ok(())
    }
}

fn checkpoint(connection: &Connection) {
    connection
        .prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")
        .and_then(|mut pragma| pragma.query_row([], |_| Ok(())))
        .expect("a checkpoint");
}

/// User and system time of this process (proc(5)).
fn cpu() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").expect("times");
    let (_, fields) = stat.rsplit_once(')').expect("a name");
    let ticks: u64 =
        fields.split_ascii_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
}
