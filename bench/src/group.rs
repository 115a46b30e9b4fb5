//! All processes of a server: what they use together, and that none stays behind.
//!
//! Owns the process group, which each server is started in: its own processes and those that they make are in it, unless one
//! leaves on purpose. CPU time and memory are summed over it, so that a server of one process and one of many are measured
//! alike; what ended meanwhile counts with whoever waited for it. A group that its server left behind is killed by the bench,
//! and by the [`guard`] where the bench itself is gone.

use std::fs;
use std::io::{BufRead as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process_group};

/// A process group, by the id of the process that began it.
#[derive(Debug, Clone, Copy)]
pub struct Group(Pid);

impl Group {
    /// Of a process that was started in a group of its own.
    pub fn of(leader: &Child) -> Self {
        Self(Pid::from_child(leader))
    }

    /// User and system time of all of it so far.
    pub fn cpu(self) -> Result<Duration> {
        let per_second = rustix::param::clock_ticks_per_second();
        let mut ticks = 0;
        let mut members = 0;
        for stat in self.stats()? {
            members += 1;
            ticks += stat.ticks;
        }
        ensure!(members > 0, "a server is gone");
        Ok(Duration::from_millis(ticks * 1000 / per_second))
    }

    /// Resident memory of all of it now, in bytes. A page that several processes have counts for each of them: this is what is
    /// judged, so that a server whose binary runs twice is not flattered.
    pub fn resident(self) -> Result<u64> {
        self.sum("Rss:")
    }

    /// The same, where a page that several processes have counts once, in parts: for services of many processes, which share much.
    pub fn proportional(self) -> Result<u64> {
        self.sum("Pss:")
    }

    /// Resident memory of the process that began it, in bytes: all there is of a service of one process. One short file is read, so
    /// it may be looked at often; the system adds it up from counters of each processor, and it may be off by some 100 KiB for
    /// each, so that it is good for machines with few.
    pub fn resident_of_first(self) -> Result<u64> {
        let statm = format!("/proc/{}/statm", self.0.as_raw_nonzero());
        let statm = fs::read_to_string(&statm).with_context(|| format!("reading {statm}"))?;
        let pages: u64 = statm.split(' ').nth(1).context("too few fields in /proc/PID/statm")?.parse()?;
        ensure!(pages > 0, "a server is gone");
        Ok(pages * u64::try_from(rustix::param::page_size())?)
    }

    /// Of a line of the sums of every process.
    fn sum(self, name: &str) -> Result<u64> {
        let mut kib = 0;
        for stat in self.stats()? {
            // One that ended since has none any more.
            let Ok(sums) = fs::read_to_string(format!("/proc/{}/smaps_rollup", stat.process)) else { continue };
            let Some(line) = sums.lines().find_map(|line| line.strip_prefix(name)) else { continue };
            kib += line.trim().trim_end_matches(" kB").parse::<u64>()?;
        }
        ensure!(kib > 0, "a server is gone");
        Ok(kib * 1024)
    }

    /// Kills what is left of it. The id must not be free for others: the leader was not waited for yet, or somebody is left.
    pub fn kill(self) {
        // Nobody may be left.
        kill_process_group(self.0, Signal::KILL).ok();
    }

    fn stats(self) -> Result<Vec<Stat>> {
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(process) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
            // One that ended since counts with whoever waited for it.
            let Ok(stat) = fs::read_to_string(format!("/proc/{process}/stat")) else { continue };
            let stat = Stat::parse(process, &stat)?;
            if stat.group == self.0.as_raw_nonzero().get() {
                found.push(stat);
            }
        }
        Ok(found)
    }
}

/// Of a process.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    process: u32,
    group: i32,
    /// User and system time, of itself and of those children that ended and were waited for.
    ticks: u64,
}

impl Stat {
    /// Fields 5 and 14 to 17 of `/proc/PID/stat` (proc(5)), counted behind the name, which may hold blanks and parentheses.
    fn parse(process: u32, stat: &str) -> Result<Self> {
        let (_, fields) = stat.rsplit_once(')').context("no name in /proc/PID/stat")?;
        let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3).context("too few fields in /proc/PID/stat");
        // Times of children are signed, and never negative.
        let ticks = (14..=17).map(|number| field(number)?.parse::<u64>().context("ticks")).sum::<Result<u64>>()?;
        Ok(Self { process, group: field(5)?.parse()?, ticks })
    }
}

/// The process that kills the groups of a bench that is gone, and the pipe on which it learns of them and of that end: the
/// system closes the pipe, however the bench goes. Its leaders the system kills by itself (`process::become_tied`).
static GUARD: Mutex<Option<ChildStdin>> = Mutex::new(None);

/// Has the guard kill this group if the bench ends before [`release`].
pub fn watch(group: Group) -> Result<()> {
    tell('+', group)
}

/// This group is gone.
pub fn release(group: Group) {
    // A guard that is gone needs no telling.
    tell('-', group).ok();
}

fn tell(sign: char, group: Group) -> Result<()> {
    let mut guard = GUARD.lock().unwrap_or_else(PoisonError::into_inner);
    let pipe = match &mut *guard {
        Some(pipe) => pipe,
        none => none.insert(start()?),
    };
    // In one piece: a bench that is killed amid the line would leave half a number.
    pipe.write_all(format!("{sign}{}\n", group.0.as_raw_nonzero()).as_bytes()).context("telling the guard")
}

/// In a group of its own: what is typed at the terminal is for the bench.
fn start() -> Result<ChildStdin> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("guard").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    let child = command.spawn().context("starting the guard")?;
    child.stdin.context("no pipe to the guard")
}

/// Is the guard: reads which groups there are for as long as the bench lives, and kills the ones that it leaves.
pub fn guard() -> Result<()> {
    let lines = std::io::stdin().lock().lines().map_while(Result::ok);
    left(lines).into_iter().filter_map(Pid::from_raw).map(Group).for_each(Group::kill);
    Ok(())
}

/// Which groups there are after these lines.
fn left(lines: impl Iterator<Item = String>) -> Vec<i32> {
    let mut groups = Vec::new();
    for line in lines {
        let Some((sign, Ok(group))) = line.split_at_checked(1).map(|(sign, group)| (sign, group.parse())) else {
            continue;
        };
        if sign == "+" {
            groups.push(group);
        } else {
            groups.retain(|known| *known != group);
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_counted_behind_the_name_and_with_those_of_children_that_ended() {
        let stat = "42 (a) b ) S 1 7 3 4 5 6 7 8 9 10 150 50 8 2 20 0 9 0 100 1000";

        assert_eq!(Stat::parse(42, stat).unwrap(), Stat { process: 42, group: 7, ticks: 210 });
        assert!(Stat::parse(42, "42 (a) S 1").is_err());
    }

    #[test]
    fn what_a_process_of_the_group_used_counts_while_it_lives_and_after_it() {
        // Burns time in a child that it waits for, then says so and stays.
        let burning = "sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done'; echo done; exec sleep 1000";
        let mut leader =
            Command::new("/bin/sh").args(["-c", burning]).process_group(0).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        std::io::BufReader::new(leader.stdout.take().unwrap()).read_line(&mut said).unwrap();
        let group = Group::of(&leader);

        let used = group.cpu().unwrap();
        group.kill();
        leader.wait().unwrap();

        assert!(used > Duration::ZERO);
        assert!(group.cpu().is_err());
    }

    #[test]
    fn memory_that_processes_share_counts_for_each_of_them_or_in_parts() {
        // The same program twice, which takes no more once both have said that they are there.
        let twice = "exec 3<&0; /bin/sh -c 'echo there; read line <&3' & echo there; read line <&3";
        let mut leader = Command::new("/bin/sh")
            .args(["-c", twice])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = std::io::BufReader::new(leader.stdout.take().unwrap()).lines();
        assert_eq!(said.by_ref().take(2).count(), 2);
        let group = Group::of(&leader);

        let sums = [group.resident_of_first(), group.proportional(), group.resident()].map(Result::unwrap);
        group.kill();
        // Closed by both: a process that ends lets go of its memory before it does of its files.
        assert!(said.next().is_none());
        // Until it is waited for it is there, without memory.
        let zombie = rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT;
        rustix::process::waitid(rustix::process::WaitId::Pid(group.0), zombie).unwrap();
        let gone = [group.resident_of_first(), group.proportional(), group.resident()];
        leader.wait().unwrap();

        let [first, parts, all] = sums;
        assert!(first > 0 && parts > 0 && first < all && parts < all, "{sums:?}");
        assert!(gone.iter().all(Result::is_err), "{gone:?}");
    }

    #[test]
    fn the_guard_kills_what_the_bench_did_not_say_was_gone() {
        let lines = ["+12", "+13", "-12", "", "+x"].map(str::to_owned);

        assert_eq!(left(lines.into_iter()), [13]);
    }
}
