//! What a commit costs, and how many renewals share it.
//!
//! Owns the figures of `storage::sqlite` alone: batches of rotations, each of different sessions, on a file that syncs as
//! the service's does. No actor and no HTTP; the time of a batch is the time of its commit and of what stands in it.
//!
//! sessions opened once -> batches that walk over them, each session presenting its newest generation -> time a batch
//!
//! `cargo bench -p latchkey-bench --bench batch`

#![expect(clippy::expect_used, clippy::panic, reason = "a bench stops at the first thing that is not as it expects")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::rt::Runtime;
use criterion::{BenchmarkId, Criterion, Throughput};
use latchkey::clock::Clock;
use latchkey::error::Result;
use latchkey::lifeline::{self, Deaths, Watch};
use latchkey::passwords::PasswordHash;
use latchkey::storage::sqlite::{Rules, Sqlite};
use latchkey::storage::{
    Client, Committed, LARGEST_BATCH, NewSession, NewUser, SessionOperation, SessionOutcome, Storage, UserAgent,
    UserOperation, UserOutcome,
};
use latchkey::tokens::grant::{Grant, Transport};
use latchkey::tokens::principal::{Role, Username};
use latchkey::tokens::refresh::Presented;
use latchkey::tokens::rotation::Policy;
use tempfile::TempDir;

/// So many that a batch meets rows all over the file, as a service's does.
const SESSIONS: usize = 10_000;
/// One alone, a few clients, the usual full load, and the most that a batch holds.
const SIZES: [usize; 4] = [1, 32, 128, LARGEST_BATCH];
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut database = Database::fresh();
    let mut group = criterion.benchmark_group("commit");
    for size in SIZES {
        group.throughput(Throughput::Elements(u64::try_from(size).unwrap_or(u64::MAX)));
        group.bench_function(BenchmarkId::new("rotations", size), |bencher| {
            bencher.iter_custom(|batches| (0..batches).map(|_| database.rotate(size)).sum());
        });
    }
    group.finish();
    criterion.final_summary();
}

/// A file with sessions in it, and what their holders hold.
struct Database {
    storage: Arc<dyn Storage>,
    runtime: Runtime,
    clock: Clock,
    held: Vec<Presented>,
    next: usize,
    /// Kept for as long as the engine runs: the file, and who would be told of its death.
    _kept: (TempDir, Watch, Deaths),
}

impl Database {
    fn fresh() -> Self {
        // Not in the system's temporary folder, which may be memory.
        let beside = std::env::current_exe().expect("this program");
        let directory = tempfile::tempdir_in(beside.parent().expect("a folder")).expect("a directory");
        let (watch, deaths) = lifeline::watch();
        let clock = Clock::system();
        // Strict: every use rotates, so that each operation of a batch writes.
        let rotation = Policy { window: Duration::ZERO, until_used: false, idle_ttl: 7 * DAY, resumed: None };
        let rules = Rules {
            rotation,
            session_ttl: 30 * DAY,
            max_sessions_per_user: 1,
            revocations_kept_for: Duration::from_secs(960),
            throttle: None,
        };
        let path = directory.path().join("latchkey.db");
        let storage: Arc<dyn Storage> = Arc::new(Sqlite::open(&path, rules, &clock, &watch).expect("a database"));
        let runtime = Runtime::new().expect("a runtime");
        let held = runtime.block_on(async { sessions(storage.as_ref()).await });
        Self { storage, runtime, clock, held, next: 0, _kept: (directory, watch, deaths) }
    }

    /// Renews the next `size` sessions in one batch; how long the batch took.
    fn rotate(&mut self, size: usize) -> Duration {
        if self.next + size > self.held.len() {
            self.next = 0;
        }
        let presenting = self.held.iter_mut().skip(self.next).take(size);
        let asked_at = self.clock.now();
        let batch = presenting
            .map(|token| SessionOperation::Rotate { presented: *token, asked_at, client: client() })
            .collect();

        let begun = Instant::now();
        let committed = self.runtime.block_on(self.storage.sessions(batch)).expect("a commit");
        let took = begun.elapsed();

        for (held, granted) in self.held.iter_mut().skip(self.next).zip(grants(committed)) {
            *held = Presented { session: granted.session, generation: granted.generation };
        }
        self.next += size;
        took
    }
}

/// A browser at home: what each session is opened with, and each rotation writes.
fn client() -> Client {
    Client { user_agent: Some(UserAgent::of(b"a browser of a bench")), ip: Some([127, 0, 0, 1].into()) }
}

/// As many people with a session each.
async fn sessions(storage: &dyn Storage) -> Vec<Presented> {
    let mut held = Vec::with_capacity(SESSIONS);
    while held.len() < SESSIONS {
        let newcomers = held.len()..SESSIONS.min(held.len() + LARGEST_BATCH);
        let created = storage.users(newcomers.map(create).collect()).await.expect("a commit");
        let opened = storage.sessions(created.outcomes.into_iter().map(open).collect()).await.expect("a commit");
        held.extend(grants(opened).map(|grant| Presented { session: grant.session, generation: grant.generation }));
    }
    held
}

fn create(number: usize) -> UserOperation {
    let username = Username::parse(&format!("person{number}")).expect("a name");
    // Never compared with a password here.
    let hash = PasswordHash::from_stored("no hash".to_owned());
    UserOperation::Create(NewUser { username, hash, roles: vec![Role::User] })
}

fn open(created: Result<UserOutcome>) -> SessionOperation {
    let Ok(UserOutcome::Created(account)) = created else { panic!("no account: {created:?}") };
    let seen = account.fence();
    SessionOperation::Open(NewSession {
        seen,
        stronger_hash: None,
        client: client(),
        transport: Transport::Body,
        reservation: None,
    })
}

fn grants(committed: Committed<SessionOutcome>) -> impl Iterator<Item = Grant> {
    committed.outcomes.into_iter().map(|outcome| match outcome {
        Ok(SessionOutcome::Opened { grant, .. } | SessionOutcome::Granted(grant)) => grant,
        other => panic!("not granted: {other:?}"),
    })
}
