//! A server in a process of its own, and what it uses.
//!
//! Owns starting, watching and stopping: the address comes from the line that the service prints, CPU time and memory from
//! `/proc`, the end by SIGTERM as a service manager would send it. A server that did not end with 0 fails the run. None
//! outlives the bench: each is tied to it by the system, which kills what is left when the bench is gone, however it went.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use rustix::process::{Pid, Signal, getppid, kill_process, set_parent_process_death_signal};

/// What comes before the address on standard output.
const LISTENING: &str = "listening on http://";

/// A server that listens.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Where.
    pub address: SocketAddr,
    /// From the start of the process to the line that says so.
    pub started_in: Duration,
}

impl Server {
    /// Starts `command`, gives it `input`, and waits until it says where it listens. Its log goes nowhere: the lines are
    /// made and written, and no disk or terminal is measured with them.
    pub fn start(mut command: Command, input: &[u8]) -> Result<Self> {
        let begun = Instant::now();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let child = command.spawn().with_context(|| format!("starting {}", command.get_program().display()))?;
        let mut server = Self { child, address: SocketAddr::from(([127, 0, 0, 1], 0)), started_in: Duration::ZERO };
        if let Some(mut stdin) = server.child.stdin.take() {
            stdin.write_all(input)?;
        }
        let stdout = server.child.stdout.take().context("no standard output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        server.started_in = begun.elapsed();
        let address =
            line.trim().strip_prefix(LISTENING).ok_or_else(|| anyhow!("the server did not start: {line:?}"))?;
        server.address = address.parse()?;
        Ok(server)
    }

    /// User and system time so far.
    pub fn cpu(&self) -> Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        cpu_of(&stat)
    }

    /// Resident memory now, in bytes.
    pub fn resident(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib * 1024)
    }

    /// Kills it, as a crash would: it writes nothing more, and what it wrote is left as it is.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Stops it as a service manager does. Errors: it did not end with 0.
    pub fn stop(mut self) -> Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let status = self.child.wait()?;
        ensure!(status.success(), "a server ended with {status}");
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Stopped already, or the run failed.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Fields 14 and 15 of `/proc/PID/stat` (proc(5)), counted behind the name, which may hold blanks and parentheses.
fn cpu_of(stat: &str) -> Result<Duration> {
    let (_, fields) = stat.rsplit_once(')').context("no name in /proc/PID/stat")?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next().context("no times in /proc/PID/stat")?.parse::<u64>().context("ticks");
    let ticks = ticks()? + ticks()?;
    let per_second = rustix::param::clock_ticks_per_second();
    Ok(Duration::from_millis(ticks * 1000 / per_second))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_counted_behind_the_name() {
        let stat = "42 (a) b ) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 9 0 100 1000";
        let per_second = rustix::param::clock_ticks_per_second();

        assert_eq!(cpu_of(stat).unwrap(), Duration::from_millis(200 * 1000 / per_second));
        assert!(cpu_of("42 (a) S 1").is_err());
    }
}
