//! A server in processes of its own, and what it uses.
//!
//! Owns starting, watching and stopping: the address comes from the line that the service prints, or is one that it was told
//! and answers at; CPU time and memory are those of its [`Group`], the end is by SIGTERM as a service manager would send it. A
//! server that did not end with 0 fails the run. None outlives the bench: each is tied to it by the system, which kills it when
//! the bench is gone, however it went, and what it started is killed by the [guard](group::guard).

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, getppid, kill_process, set_parent_process_death_signal, waitid,
};

use crate::group::{self, Group};

/// What comes before the address on standard output.
const LISTENING: &str = "listening on http://";
/// How long a server may take to answer at the address that it was told; only one that failed takes so long.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long until it is asked again.
const PAUSE: Duration = Duration::from_millis(20);

/// A server that listens.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// All its processes.
    pub group: Group,
    /// Where.
    pub address: SocketAddr,
    /// From the start of the process to the line that says so, or to its first answer.
    pub started_in: Duration,
    /// Its id may be somebody else's by now.
    waited_for: bool,
}

impl Server {
    /// Starts `command`, gives it `input`, and waits until it says where it listens. Its log goes nowhere: the lines are
    /// made and written, and no disk or terminal is measured with them.
    pub fn start(mut command: Command, input: &[u8]) -> Result<Self> {
        command.stdout(Stdio::piped());
        let begun = Instant::now();
        let mut server = Self::spawn(command, input)?;
        let stdout = server.child.stdout.take().context("no standard output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        server.started_in = begun.elapsed();
        let address =
            line.trim().strip_prefix(LISTENING).ok_or_else(|| anyhow!("the server did not start: {line:?}"))?;
        server.address = address.parse()?;
        Ok(server)
    }

    /// The same of a server that says nothing: it was told to listen at `address`, and is asked there until it answers.
    pub fn start_at(address: SocketAddr, mut command: Command, input: &[u8]) -> Result<Self> {
        command.stdout(Stdio::null());
        let begun = Instant::now();
        let mut server = Self::spawn(command, input)?;
        server.address = address;
        while !answers(address) {
            ensure!(!server.has_ended(WaitIdOptions::NOHANG)?, "the server did not start: it ended");
            ensure!(begun.elapsed() < PATIENCE, "the server did not start: nobody answers at {address}");
            std::thread::sleep(PAUSE);
        }
        server.started_in = begun.elapsed();
        Ok(server)
    }

    fn spawn(mut command: Command, input: &[u8]) -> Result<Self> {
        command.stdin(Stdio::piped()).stderr(Stdio::null());
        let child = command.spawn().with_context(|| format!("starting {}", command.get_program().display()))?;
        let group = Group::of(&child);
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Self { child, group, address, started_in: Duration::ZERO, waited_for: false };
        group::watch(group)?;
        if let Some(mut stdin) = server.child.stdin.take() {
            stdin.write_all(input)?;
        }
        Ok(server)
    }

    /// User and system time so far, of all its processes.
    pub fn cpu(&self) -> Result<Duration> {
        self.group.cpu()
    }

    /// Resident memory now, in bytes, of all its processes, each with all of its pages.
    pub fn resident(&self) -> Result<u64> {
        self.group.resident()
    }

    /// Kills it, as a crash would: it writes nothing more, and what it wrote is left as it is.
    pub fn kill(mut self) -> Result<()> {
        self.wait().map(|_| ())
    }

    /// Stops it as a service manager does. Errors: it did not end with 0.
    pub fn stop(mut self) -> Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        self.has_ended(WaitIdOptions::empty())?;
        let status = self.wait()?;
        ensure!(status.success(), "a server ended with {status}");
        Ok(())
    }

    /// Whether its first process has; it waits for it, unless told otherwise. The id stays taken, so that what was left behind
    /// can be found by it.
    fn has_ended(&self, options: WaitIdOptions) -> Result<bool> {
        let options = options | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        Ok(waitid(WaitId::Pid(Pid::from_child(&self.child)), options)?.is_some())
    }

    /// Kills what is left of it, and waits for the first process, whose id is then free.
    fn wait(&mut self) -> Result<ExitStatus> {
        self.group.kill();
        self.waited_for = true;
        let status = self.child.wait();
        group::release(self.group);
        Ok(status?)
    }
}

/// Dropped, it is killed: all of it at once, and without a word to it.
impl Drop for Server {
    fn drop(&mut self) {
        if !self.waited_for {
            self.wait().ok();
        }
    }
}

/// An address that nobody listens at: for a server that cannot choose one by itself. Somebody else may take it before the
/// server does, which then does not start.
pub fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Whether anything is answered to a request.
fn answers(address: SocketAddr) -> bool {
    let asked = || -> std::io::Result<bool> {
        let mut socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        Ok(socket.read(&mut [0])? > 0)
    };
    asked().unwrap_or(false)
}

/// A server of this program, tied to the bench, with an environment of its own and nothing of the caller's. The thread that
/// starts it must be the main one: for the system, that is whose end counts.
pub fn command(program: &Path, environment: &[(String, String)], directory: &Path) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("tied").arg(std::process::id().to_string()).arg(program);
    // `.env` is looked for in the working directory, and there must be none. A group of its own: what is typed at the
    // terminal is for the bench, and a server that ended by itself would look like a failure to it.
    command.env_clear().envs(environment.iter().cloned()).current_dir(directory).process_group(0);
    Ok(command)
}

/// Becomes another program, which is killed when the process `bench`, which must be the parent, is gone. Comes back with
/// what went wrong only.
pub fn become_tied(bench: u32, command: &[OsString]) -> anyhow::Error {
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        return error.into();
    }
    // A parent that was gone before the line above kills nobody any more.
    if getppid().map(|parent| parent.as_raw_nonzero().get().cast_unsigned()) != Some(bench) {
        return anyhow!("the bench has ended");
    }
    let Some((program, arguments)) = command.split_first() else { return anyhow!("no program") };
    anyhow::Error::new(Command::new(program).args(arguments).exec()).context("becoming a server")
}
