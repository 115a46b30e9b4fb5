//! A bench that ends before its time leaves no server behind, nor what that had started, and an interrupted one no database.
//!
//! The server is a script that starts a process, says where it listens, which is here, and never answers: once it was asked,
//! the bench is in the midst of its run.
#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is not as it expects")]

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use tempfile::TempDir;

/// How long anything here may take, in seconds; only a failure takes so long.
const PATIENCE_S: i64 = 30;

/// A bench that waits for an answer.
struct Bench {
    process: Child,
    /// The server, and the process that it started.
    servers: [OwnedFd; 2],
    folder: TempDir,
    /// Never taken from: who is connected waits.
    _listener: TcpListener,
}

impl Bench {
    fn that_waits() -> Self {
        // The bench keeps its databases beside its own file: here it has a place of its own.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let program = folder.path().join("latchkey-bench");
        fs::hard_link(env!("CARGO_BIN_EXE_latchkey-bench"), &program).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (script, ids) = (folder.path().join("server"), folder.path().join("ids"));
        let address = listener.local_addr().unwrap();
        let lines = format!(
            "#!/bin/sh\nsleep 1000 &\necho $$ $! > '{}'\necho listening on http://{address}\nexec sleep 1000\n",
            ids.display()
        );
        fs::write(&script, lines).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).unwrap();
        let process = Command::new(&program)
            .args(["login", "--rounds", "1", "--seconds", "0.01", "--cost", "4", "--binary"])
            .arg(format!("silent={}", script.display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // It was started, has said where, and was asked.
        assert!(happens(&listener), "nobody was asked");
        let ids = fs::read_to_string(ids).unwrap();
        let open = |id: &str| pidfd_open(Pid::from_raw(id.parse().unwrap()).unwrap(), PidfdFlags::empty()).unwrap();
        let servers: Vec<OwnedFd> = ids.split_whitespace().map(open).collect();
        Self { process, servers: servers.try_into().unwrap(), folder, _listener: listener }
    }

    fn end_by(&mut self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
        self.process.wait().unwrap();
    }

    fn servers_end(&self) -> bool {
        self.servers.iter().all(happens)
    }

    fn runs(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.folder.path().join("latchkey-bench-runs")).unwrap();
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
        for server in &self.servers {
            rustix::process::pidfd_send_signal(server, Signal::KILL).ok();
        }
    }
}

/// Waits for a connection to a listener, or for the end of a process.
fn happens(what: &impl AsFd) -> bool {
    let patience = Timespec { tv_sec: PATIENCE_S, tv_nsec: 0 };
    poll(&mut [PollFd::new(what, PollFlags::IN)], Some(&patience)).unwrap() == 1
}

#[test]
fn the_servers_of_a_killed_bench_end_with_it() {
    let mut bench = Bench::that_waits();

    bench.end_by(Signal::KILL);

    assert!(bench.servers_end());
}

#[test]
fn an_interrupted_bench_leaves_no_server_and_no_database() {
    let mut bench = Bench::that_waits();
    assert_eq!(bench.runs().len(), 1);

    bench.end_by(Signal::INT);

    assert!(bench.servers_end());
    assert_eq!(bench.runs(), Vec::<PathBuf>::new());
}
