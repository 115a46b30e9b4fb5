//! What is measured, one file each, with the limits of each beside the measuring.
//!
//! [`Plan`] -> a scenario -> findings and series in the [`Report`](crate::report::Report)

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::baseline::{Answers, Fixed};
use crate::driver::{Pace, Stream, Work, drive};
use crate::http::Answer;
use crate::process::{self, Server};
use crate::seed::{Person, World};
use crate::work::presented;

pub mod flood;
pub mod idle;
mod ledger;
pub mod login;
mod mixed;
pub mod peers;
pub mod profile;
pub mod renewal;
pub mod rotation;
pub mod scale;
pub mod soak;
pub mod sweep;

/// Headers that actix writes itself, whatever a handler says.
const WRITTEN_BY_ACTIX: [&str; 3] = ["content-length", "date", "connection"];

/// How much is measured, and with what.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Turns of each contender.
    pub rounds: usize,
    /// How long a turn takes.
    pub span: Duration,
    /// Sessions in the database.
    pub sessions: usize,
    /// Connections of the closed loops.
    pub connections: usize,
    /// `BCRYPT_COST`.
    pub cost: u32,
    /// Hashing threads, and workers: the cores.
    pub cores: usize,
    /// Whether ten million sessions are among the sizes of [`scale`].
    pub big: bool,
    /// How long [`soak`] takes.
    pub soak: Duration,
    /// Whether the numbers are held against the limits.
    pub judged: bool,
    /// Release binaries; the first is the one that is judged, the others are shown beside it.
    pub binaries: Vec<Binary>,
    /// Where databases are made: on a disk, not in memory.
    pub ground: PathBuf,
}

/// A release binary.
#[derive(Debug, Clone)]
pub struct Binary {
    /// For the report.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
}

impl Plan {
    /// The binary that is judged.
    pub fn judged_binary(&self) -> Result<&Binary> {
        self.binaries.first().context("no binary to measure")
    }

    /// A limit, where limits count.
    pub fn limit(&self, finding: crate::report::Finding, limit: crate::report::Limit) -> crate::report::Finding {
        if self.judged { finding.limited(limit) } else { finding }
    }
}

/// Asks once, and returns with the answer.
fn first_answer(server: &Server, work: &mut dyn Work) -> Result<()> {
    let stream = Stream { address: server.address, connections: 1, pace: Pace::PerSecond(1.0), work };
    drive(&mut [stream], Duration::from_millis(1)).map(|_| ())
}

/// A release binary that serves a world.
fn release(binary: &Binary, world: &World) -> Result<Command> {
    process::command(&binary.path, &world.environment, world.directory.path())
}

/// The service in another form than the settings offer: the same code in this program's own binary.
fn variant(world: &World, flags: &[&str]) -> Result<Command> {
    let mut command = ourselves(world)?;
    command.arg("serve-variant").args(flags);
    Ok(command)
}

/// Starts the service that is judged.
fn judged(plan: &Plan, world: &World) -> Result<Server> {
    Server::start(release(plan.judged_binary()?, world)?, b"")
}

/// A service on a database of its own.
struct Service {
    server: Server,
    world: World,
}

impl Service {
    /// Starts what `command` makes on a copy of a world.
    fn on_a_copy(plan: &Plan, world: &World, command: impl FnOnce(&World) -> Result<Command>) -> Result<Self> {
        let world = world.copy(&plan.ground)?;
        let server = Server::start(command(&world)?, b"")?;
        Ok(Self { server, world })
    }
}

/// Starts the bare server with a world's settings.
fn bare(world: &World, answers: &Answers) -> Result<Server> {
    let mut command = ourselves(world)?;
    command.arg("serve-bare");
    Server::start(command, &serde_json::to_vec(answers)?)
}

fn ourselves(world: &World) -> Result<Command> {
    process::command(&std::env::current_exe()?, &world.environment, world.directory.path())
}

/// Takes down what the service answers to a profile and to a renewal of `person`. The renewal spends their token.
fn taken_down(server: &Server, person: &Person) -> Result<Answers> {
    let mut profile = Vec::new();
    crate::http::get(&mut profile, "/api/profile", &person.access_token);
    let mut renewal = Vec::new();
    crate::http::post(&mut renewal, "/api/refresh_token", &presented(&person.refresh_token));
    Ok(Answers { profile: fixed(server, profile)?, renewal: fixed(server, renewal)? })
}

fn fixed(server: &Server, request: Vec<u8>) -> Result<Fixed> {
    let mut once = Once { request, answer: None };
    first_answer(server, &mut once)?;
    once.answer.context("no answer")
}

/// One request, whose answer is kept.
struct Once {
    request: Vec<u8>,
    answer: Option<Fixed>,
}

impl Work for Once {
    fn ask(&mut self, request: &mut Vec<u8>) -> usize {
        request.extend_from_slice(&self.request);
        0
    }

    fn check(&mut self, _: usize, answer: &Answer<'_>) -> Result<()> {
        anyhow::ensure!(answer.status == 200, "the service answered {}", answer.status);
        let mut headers = answer.headers()?;
        headers.retain(|(name, _)| !WRITTEN_BY_ACTIX.iter().any(|written| name.eq_ignore_ascii_case(written)));
        self.answer = Some(Fixed { headers, body: std::str::from_utf8(answer.body)?.to_owned() });
        Ok(())
    }
}
