//! A power cut at any moment, as the process's own writes allow it.
//!
//! A SIGKILL leaves what the kernel has; a power cut leaves what was synced, and of the rest anything. So the real binary
//! runs with `shim.c` in front of the system's library, which writes down each change of a file and each sync in order.
//! From this journal the directory is made again as a cut at any position of it could have left it, and everything that
//! was acknowledged before that position is looked for.
//!
//! - `shim`: the binary under it; `journal`: what it wrote down; `disk`: what a cut leaves
//! - `holder`: clients under load; `ledger`: what they were told, in the journal's time; `verdict`: whether it is kept
//! - `first_start`: the same where there was nothing before; `recovered`: where a process died in the middle of a commit
//!
//! It is a replay of writes, not a block device: docs/durability.md says what that shows and what it does not.
//! `LATCHKEY_POWER_RUNS=N` repeats the runs under load, each with other moments.

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::thread;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tempfile::TempDir;

use self::disk::{Disk, Unsynced};
use self::holder::Holder;
use self::journal::{Deed, Record};
use self::ledger::{Expected, Line};
use self::shim::{Clock, Death, Watched};
use crate::client::Client;
use crate::crowd;
use crate::person::Grace;

mod disk;
mod first_start;
mod holder;
mod journal;
mod ledger;
mod recovered;
pub mod shim;
mod verdict;

/// Enough that requests share commits.
const HOLDERS: usize = 6;
/// What each does in a life that is stopped.
const DEEDS: usize = 25;
/// Far more than any life lasts.
const MOST_DEEDS: usize = 100_000;
/// Moments of a run that are looked at, besides the first answers of each life.
const CUTS: usize = 50;
/// Of each life: what was recovered is answered before anything new is synced.
const FIRST_ANSWERS: usize = 6;
/// Of each cut, besides the harshest.
const DRAWN: usize = 2;
/// Cuts after which a server is started and asked.
const ASKED: usize = 3;

fn runs() -> usize {
    let given = std::env::var("LATCHKEY_POWER_RUNS").ok();
    given.map_or(1, |runs| runs.parse().expect("LATCHKEY_POWER_RUNS: a number"))
}

/// A life of each kind, long ones and short ones on what the one before left. The longest, at the end of a long run, is one
/// in which the log grows beyond what the checkpoints beside it can copy, and starts over.
fn lives(rng: &mut StdRng, longest: bool) -> Vec<Option<Death>> {
    let mut death = |after: Range<usize>, in_sync| Some(Death { after: rng.random_range(after), in_sync });
    let lives = [
        death(1..80, false),
        death(3000..6000, true),
        death(40..400, true),
        None,
        death(40..400, true),
        death(500..2000, false),
    ];
    lives.into_iter().chain(longest.then(|| death(80_000..100_000, true))).collect()
}

/// Many lives under load.
struct History {
    watched: Watched,
    clients: Vec<Vec<Line>>,
    /// Where lives began, and when the first address was told.
    births: Vec<u64>,
    told_an_address: u64,
    secrets: String,
    clock: Clock,
}

impl History {
    fn of(shim: &str, grace: Grace, settings: &[(&str, &str)], longest: bool, rng: &mut StdRng) -> Option<Self> {
        let watched = Watched::new();
        let mut holders: Vec<Holder> = (0..HOLDERS)
            .map(|number| Holder::new(format!("p{number}"), grace, StdRng::seed_from_u64(rng.random()), watched.path()))
            .collect();
        let (mut births, mut told_an_address) = (Vec::new(), None);
        let mut clock = Clock::new();
        for death in lives(rng, longest) {
            births.push(now(&watched));
            if let Ok(server) = watched.start(shim, death, &[settings, &clock.later()].concat()) {
                told_an_address.get_or_insert_with(|| now(&watched));
                let deeds = if death.is_some() { MOST_DEEDS } else { DEEDS };
                let done = live(&mut holders, &server, deeds);
                assert!(death.is_none() || done, "the server lives on");
                match death {
                    Some(_) => server.ended(),
                    None => server.stop(),
                };
            }
            if !watched.is_watched() {
                return None;
            }
            watched.assert_whole();
        }
        let secrets = watched.place.secrets();
        let clients = holders.into_iter().map(|holder| holder.lines).collect();
        Some(Self { watched, clients, births, told_an_address: told_an_address.unwrap(), secrets, clock })
    }

    /// Positions in the journal, in records: right after answers, where nothing more may be lost, and anywhere.
    fn cuts(&self, records: &[Record<'_>], rng: &mut StdRng) -> BTreeSet<usize> {
        let mut answers: Vec<u64> =
            self.clients.iter().flatten().filter_map(|line| Some(line.told.as_ref()?.0)).collect();
        answers.sort_unstable();
        let mut moments = Vec::new();
        for birth in &self.births {
            moments.extend(answers.iter().filter(|answer| *answer > birth).take(FIRST_ANSWERS));
        }
        moments.extend((0..CUTS / 2).map(|_| answers[rng.random_range(0..answers.len())]));
        let mut cuts: BTreeSet<usize> =
            moments.iter().map(|moment| 1 + records.partition_point(|record| record.end < *moment)).collect();
        cuts.extend((0..CUTS - CUTS / 2).map(|_| rng.random_range(0..=records.len())));
        cuts
    }

    /// Of the last life alone: each start begins a log as well.
    fn assert_the_log_started_over(&self) {
        let journal = self.watched.journal();
        let records = journal.records();
        let born = records.partition_point(|record| record.end <= *self.births.last().unwrap());
        assert!(log_beginnings(&records[born..]) > 1, "the longest life was too short: the log never started over");
    }

    fn check(&self, grace: Grace, settings: &[(&str, &str)], rng: &mut StdRng) -> usize {
        let mut clock = self.clock.clone();
        let settings = [settings, &clock.later()].concat();
        let journal = self.watched.journal();
        let records = journal.records();
        println!("{} records; the log began {} times", records.len(), log_beginnings(&records));
        let cuts = self.cuts(&records, rng);
        let asked: Vec<usize> = (0..ASKED).map(|_| rng.random_range(0..cuts.len())).collect();
        let mut disk = Disk::empty(self.watched.place.path());
        let mut replayed = records.iter();
        let mut done = 0;
        for (index, cut) in cuts.iter().enumerate() {
            replayed.by_ref().take(cut - done).for_each(|record| disk.replay(record));
            done = *cut;
            let moment = done.checked_sub(1).map_or(0, |last| records[last].end);
            let expected = Expected::at(moment, &self.clients);
            for drawn in 0..=DRAWN {
                let remains = disk.after_a_cut(if drawn == 0 { Unsynced::Lost } else { Unsynced::Drawn(rng) });
                told_on_failure(
                    || format!("cut after record {cut} of {}, variant {drawn}", records.len()),
                    || {
                        verdict::check_secrets(&remains, &self.secrets, moment >= self.told_an_address);
                        verdict::check_rows(&remains, TempDir::new().unwrap().path(), &expected);
                        if asked.contains(&index) && moment >= self.told_an_address {
                            verdict::check_by_asking(&remains, &expected, grace, &settings);
                        }
                    },
                );
            }
        }
        cuts.len() * (1 + DRAWN)
    }
}

/// How often the header of the write-ahead log was written: it has 32 bytes, and nothing else of that length is first.
fn log_beginnings(records: &[Record<'_>]) -> usize {
    records.iter().filter(|record| matches!(record.deed, Deed::Write { at: 0, bytes } if bytes.len() == 32)).count()
}

/// The journal's length.
fn now(watched: &Watched) -> u64 {
    fs::metadata(watched.path()).unwrap().len()
}

/// Everybody does so much, or until they lose an answer. Whether all lost one.
fn live(holders: &mut [Holder], server: &crate::process::Process, deeds: usize) -> bool {
    thread::scope(|scope| {
        let address = server.address;
        let started: Vec<_> = holders
            .iter_mut()
            .map(|holder| {
                scope.spawn(move || {
                    let mut client = Client::of(address);
                    (0..deeds).any(|_| holder.act(&mut client).is_err())
                })
            })
            .collect();
        started.into_iter().all(|holder| holder.join().unwrap())
    })
}

/// Says where a check failed.
fn told_on_failure(place: impl Fn() -> String, check: impl FnOnce()) {
    struct Told<F: Fn() -> String>(F);
    impl<F: Fn() -> String> Drop for Told<F> {
        fn drop(&mut self) {
            if thread::panicking() {
                println!("{}", self.0());
            }
        }
    }
    let _told = Told(place);
    check();
}

fn cut_the_power(grace: Grace, settings: &[(&str, &str)]) {
    let Some(shim) = shim::shim() else { return };
    let mut rng = crowd::seeded();
    let mut checked = 0;
    for run in 1..=runs() {
        let longest = run > 1 && run == runs();
        let Some(history) = History::of(shim, grace, settings, longest, &mut rng) else { return };
        if longest {
            history.assert_the_log_started_over();
        }
        checked += history.check(grace, settings, &mut rng);
    }
    println!("{checked} remains of power cuts were checked");
}

#[test]
fn a_power_cut_at_any_moment_loses_nothing_acknowledged_and_brings_nothing_spent_back() {
    cut_the_power(Grace::Strict, &[("REFRESH_GRACE", "0s")]);
}

#[test]
fn with_the_default_grace_a_power_cut_logs_nobody_out_who_holds_or_retries_a_token() {
    cut_the_power(Grace::Default, &[]);
}
