//! The server's own life: what it finishes, what it refuses to start on, whom it lets read its files, and how it dies.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use latchkey::actors::Client;
use latchkey::actors::refresh_tokens::RefreshTokens;
use latchkey::app::RunError;
use latchkey::clients::RegisteredClient;
use latchkey::clock::Clock;
use latchkey::config::Database;
use latchkey::error::Error;
use latchkey::lifeline;
use latchkey::storage::sqlite::OpenError;
use latchkey::storage::{
    ClientOperation, ClientOutcome, KeyRingMark, LARGEST_BATCH, LiveSession, News, Pending, Renewable,
    SessionOperation, SessionOutcome, ShownUser, Storage, Swept, UserOperation, UserOutcome, UserPage, UserQuery,
};
use latchkey::tokens::principal::UserId;
use latchkey::tokens::refresh::{Generation, Presented, SessionId};
use latchkey::tokens::revocation::{Revocation, Revocations};
use serde_json::json;
use uuid::Uuid;

use crate::support::in_flight::{InFlight, head};
use crate::support::{PASSWORD, TestServer};

#[actix_web::test]
async fn a_stop_lets_what_is_in_flight_finish() {
    let mut server = TestServer::start().await;
    let login = server.registered("alice").await;
    let renewal =
        InFlight::begin(&server, "POST /api/refresh_token", None, &json!({"refresh_token": login.refresh_token}));
    let registration =
        InFlight::begin(&server, "POST /api/register", None, &json!({"username": "bob", "password": PASSWORD}));
    let mut idle = TcpStream::connect(server.address).unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    assert!(head(&mut idle).starts_with("HTTP/1.1 200"));

    let stopping = server.begin_stop();
    // The server closes what is idle: it has begun to stop.
    idle.read_to_end(&mut Vec::new()).unwrap();
    let (renewed, registered) = (renewal.finish(), registration.finish());

    assert_eq!(renewed.status, 200, "{}", renewed.raw);
    assert_eq!(registered.status, 201, "{}", registered.raw);
    stopping.wait().unwrap();
    let server = server.resume().await;
    assert_eq!(server.number_of(&login.session_id, "current_generation"), 2);
    server.login("bob", PASSWORD).await.tokens();
}

#[actix_web::test]
async fn what_was_answered_before_a_stop_is_there_after_it() {
    let server = TestServer::start().await;
    let login = server.registered("alice").await;
    let renewed = server.renewed(&login.refresh_token).await;

    let server = server.restart().await;

    server.assert_signed_in(&renewed.access_token).await;
    assert_eq!(server.renewed(&renewed.refresh_token).await.refresh_token, renewed.refresh_token);
}

#[actix_web::test]
async fn a_second_server_on_one_database_is_refused_and_the_first_goes_on() {
    let server = TestServer::start().await;

    let refusal = server.refusal().await;

    assert!(matches!(refusal, RunError::Storage(OpenError::InUse)), "{refusal}");
    server.registered("alice").await;
}

#[actix_web::test]
async fn a_clock_far_behind_the_database_is_refused() {
    let mut server = TestServer::start().await;
    server.registered("alice").await;
    server.halt();

    server.clock.step_back(Duration::from_secs(120));
    let refusal = server.refusal().await;

    assert!(matches!(refusal, RunError::Storage(OpenError::ClockBehind { behind_s: 61..=120 })), "{refusal}");
}

#[actix_web::test]
async fn a_clock_a_minute_behind_the_database_is_not_refused_and_time_does_not_run_backwards() {
    let mut server = TestServer::start().await;
    let login = server.registered("alice").await;
    server.halt();
    let minute_ahead = server.clock.wall().plus(Duration::from_secs(60)).as_millis();
    server.rows_to_change().execute("UPDATE service SET last_alive_at = ?1", [minute_ahead]).unwrap();

    let server = server.resume().await;

    server.renewed(&login.refresh_token).await;
    assert!(server.number_of(&login.session_id, "rotated_at") >= minute_ahead);
}

#[actix_web::test]
async fn a_newer_schema_is_refused_and_left_as_it_was() {
    let mut server = TestServer::start().await;
    server.halt();
    let applied = "INSERT INTO schema_migrations (number, name, checksum, applied_at) VALUES (1000, 'newer', '', 0)";
    server.rows_to_change().execute(applied, []).unwrap();

    let refusal = server.refusal().await;

    assert!(matches!(refusal, RunError::Storage(OpenError::NewerSchema { found: 1000, .. })), "{refusal}");
    assert_eq!(server.number("SELECT max(number) FROM schema_migrations"), 1000);
}

#[actix_web::test]
async fn a_migration_that_was_changed_after_it_was_applied_is_refused() {
    let mut server = TestServer::start().await;
    server.halt();
    server.rows_to_change().execute("UPDATE schema_migrations SET checksum = 'another' WHERE number = 1", []).unwrap();

    let refusal = server.refusal().await;

    assert!(matches!(refusal, RunError::Storage(OpenError::ChangedMigration("0001_initial"))), "{refusal}");
}

#[actix_web::test]
async fn the_database_is_its_owners_alone() {
    let server = TestServer::tuned(|settings| {
        let Database::Sqlite(path) = &mut settings.database;
        *path = path.with_file_name("made").join("latchkey.db");
    })
    .await;
    server.registered("alice").await;

    let directory = server.directory().join("made");
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    let mut files: Vec<_> = fs::read_dir(&directory).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let names: Vec<_> = files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["latchkey.db", "latchkey.db-shm", "latchkey.db-wal", "latchkey.db.lock"]);
    for file in &files {
        assert_eq!(mode(file), 0o600, "{}", file.display());
    }
    assert_eq!(mode(&server.directory().join("latchkey.secrets")), 0o600);
}

#[actix_web::test]
async fn a_stopped_server_leaves_the_whole_database_in_one_file() {
    let mut server = TestServer::start().await;
    server.registered("alice").await;

    server.halt();

    assert!(!server.directory().join("latchkey.db-wal").exists());
}

/// Breaks the database under the server, and has it find out.
async fn damage(server: &TestServer, refresh_token: &str) {
    let rows = server.rows_to_change();
    rows.execute_batch(
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = 1 << 30 WHERE name = 'users';",
    )
    .unwrap();
    rows.execute_batch("PRAGMA schema_version = 1000").unwrap();
    server.refresh(refresh_token).await.assert_problem(503, "unavailable");
}

#[actix_web::test]
async fn a_database_that_is_damaged_under_the_server_ends_it() {
    let mut server = TestServer::start().await;
    let login = server.registered("alice").await;

    damage(&server, &login.refresh_token).await;

    let ended = server.end().await;
    assert!(matches!(ended, Err(RunError::Died("storage"))), "{ended:?}");
}

#[actix_web::test]
async fn a_renewal_by_cookie_that_nobody_answers_leaves_the_cookie() {
    let mut server = TestServer::tuned(|settings| settings.limits.last_words = Duration::MAX).await;
    let alice = server.registered_by_cookie("alice").await;
    damage(&server, &alice.cookie).await;

    server.refresh_by_cookie(&alice.cookie).await.assert_problem(503, "unavailable").assert_cookie_stays();
    server.logout_by_cookie(&alice.cookie).await.assert_problem(503, "unavailable").assert_cookie_stays();

    let ended = server.begin_stop().wait();
    assert!(matches!(ended, Err(RunError::Died("storage"))), "{ended:?}");
}

#[actix_web::test]
async fn a_server_that_lost_a_part_is_not_ready_and_answers_what_it_can_before_it_ends() {
    // Its last words last until the test has heard them.
    let mut server = TestServer::tuned(|settings| settings.limits.last_words = Duration::MAX).await;
    let login = server.registered("alice").await;
    assert_eq!(server.get("/readyz").await.status, 200);

    damage(&server, &login.refresh_token).await;

    // The answer from before stands for a second of the service's time, unless a death is known by then.
    server.clock.advance(Duration::from_secs(1));
    server.get("/readyz").await.assert_problem(503, "unavailable");
    assert_eq!(server.get("/healthz").await.status, 200);
    assert_eq!(server.get_with("/api/profile", &login.access_token).await.status, 200);
    server.login("alice", PASSWORD).await.assert_problem(503, "unavailable");
    let ended = server.begin_stop().wait();
    assert!(matches!(ended, Err(RunError::Died("storage"))), "{ended:?}");
}

/// A storage whose every call takes its caller down.
struct Fatal;

impl Storage for Fatal {
    fn sessions(&self, _: Vec<SessionOperation>) -> Pending<SessionOutcome> {
        panic!("on purpose")
    }

    fn users(&self, _: Vec<UserOperation>) -> Pending<UserOutcome> {
        panic!("on purpose")
    }

    fn live_sessions(&self, _: UserId) -> futures_util::future::BoxFuture<'static, Result<Vec<LiveSession>, Error>> {
        panic!("on purpose")
    }

    fn renewable(&self, _: Presented) -> futures_util::future::BoxFuture<'static, Result<Option<Renewable>, Error>> {
        panic!("on purpose")
    }

    fn user_page(&self, _: UserQuery) -> futures_util::future::BoxFuture<'static, Result<UserPage, Error>> {
        panic!("on purpose")
    }

    fn shown_user(&self, _: UserId) -> futures_util::future::BoxFuture<'static, Result<Option<ShownUser>, Error>> {
        panic!("on purpose")
    }

    fn revocations(&self) -> futures_util::future::BoxFuture<'static, Result<Vec<Revocation>, Error>> {
        panic!("on purpose")
    }

    fn news_of_others(&self) -> futures_util::future::BoxFuture<'static, Result<Option<News>, Error>> {
        panic!("on purpose")
    }

    fn clients(&self) -> futures_util::future::BoxFuture<'static, Result<Vec<RegisteredClient>, Error>> {
        panic!("on purpose")
    }

    fn change_clients(&self, _: Vec<ClientOperation>) -> Pending<ClientOutcome> {
        panic!("on purpose")
    }

    fn note_key_ring(&self, _: KeyRingMark) -> futures_util::future::BoxFuture<'static, Result<(), Error>> {
        panic!("on purpose")
    }

    fn sweep(&self) -> futures_util::future::BoxFuture<'static, Result<Swept, Error>> {
        panic!("on purpose")
    }

    fn ping(&self) -> futures_util::future::BoxFuture<'static, Result<(), Error>> {
        panic!("on purpose")
    }

    fn close(&self) -> futures_util::future::BoxFuture<'static, ()> {
        panic!("on purpose")
    }
}

#[actix_web::test]
async fn an_actor_that_panics_answers_nobody_and_is_reported() {
    let (watch, mut deaths) = lifeline::watch();
    let arbiter = actix::Arbiter::new();
    let revocations = Arc::new(Revocations::new(Duration::from_secs(900)));
    let (clients, clock) = (Arc::default(), Clock::system());
    let sessions =
        RefreshTokens::start(&arbiter.handle(), Arc::new(Fatal), revocations, clients, clock, LARGEST_BATCH, &watch);
    let presented = Presented { session: SessionId(Uuid::nil()), generation: Generation::FIRST };

    assert_eq!(sessions.rotate(presented, Client::default()).await, Err(Error::Unavailable));

    drop(watch);
    assert_eq!(deaths.recv().await, Some("refresh-token store"));
    assert_eq!(sessions.rotate(presented, Client::default()).await, Err(Error::Unavailable));
}
