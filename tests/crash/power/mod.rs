//! A power cut at any moment, as the process's own writes allow it.
//!
//! A SIGKILL leaves what the kernel has; a power cut leaves what was synced, and of the rest anything. So the real binary
//! runs with `shim.c` in front of the system's library, which writes down each change of a file and each sync in order.
//! From this journal the directory is made again as a cut at any position of it could have left it, and everything that
//! was acknowledged before that position is looked for.
//!
//! - `shim`: the binary under it; `journal`: what it wrote down; `disk`: what a cut leaves
//! - `holder`: clients under load; `ledger`: what they were told, in the journal's time; `verdict`: whether it is kept
//!
//! It is a replay of writes, not a block device: docs/durability.md says what that shows and what it does not.
//! `LATCHKEY_POWER_RUNS=N` repeats the runs under load, each with other moments.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::ops::Range;
use std::thread;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tempfile::TempDir;

use self::disk::{Disk, Unsynced};
use self::holder::{Holder, password};
use self::journal::Record;
use self::ledger::{Expected, Line};
use self::shim::{Clock, Death, Watched};
use crate::client::{Client, Request, Tokens};
use crate::crowd;
use crate::person::Grace;

mod disk;
mod holder;
mod journal;
mod ledger;
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

/// Records of a first start until the database file stands beside the secrets: directory, temporary file, link, lock.
const STEPS_TO_SECRETS: usize = 13;

fn runs() -> usize {
    let given = std::env::var("LATCHKEY_POWER_RUNS").ok();
    given.map_or(1, |runs| runs.parse().expect("LATCHKEY_POWER_RUNS: a number"))
}

/// A life of each kind: long enough that the log is copied and starts over; short ones on what the one before left.
fn lives(rng: &mut StdRng) -> [Option<Death>; 6] {
    let mut death = |after: Range<usize>, in_sync| Some(Death { after: rng.random_range(after), in_sync });
    [
        death(1..80, false),
        death(3000..6000, true),
        death(40..400, true),
        None,
        death(40..400, true),
        death(500..2000, false),
    ]
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
    fn of(shim: &str, grace: Grace, settings: &[(&str, &str)], rng: &mut StdRng) -> Option<Self> {
        let watched = Watched::new();
        let mut holders: Vec<Holder> = (0..HOLDERS)
            .map(|number| Holder::new(format!("p{number}"), grace, StdRng::seed_from_u64(rng.random()), watched.path()))
            .collect();
        let (mut births, mut told_an_address) = (Vec::new(), None);
        let mut clock = Clock::new();
        for death in lives(rng) {
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

    fn check(&self, grace: Grace, settings: &[(&str, &str)], rng: &mut StdRng) -> usize {
        let mut clock = self.clock.clone();
        let settings = [settings, &clock.later()].concat();
        let journal = self.watched.journal();
        let records = journal.records();
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
    for _ in 0..runs() {
        let Some(history) = History::of(shim, grace, settings, &mut rng) else { return };
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

/// What was told in a first start, and when.
struct FirstLife {
    secrets: String,
    address_at: u64,
    tokens_at: u64,
    tokens: Tokens,
}

/// A first start, a registration and a login, and a stop.
fn first_life(watched: &Watched, shim: &str) -> Option<FirstLife> {
    let server = watched.start(shim, None, &[]).unwrap_or_else(|ended| panic!("{}", ended.log));
    if !watched.is_watched() {
        return None;
    }
    let address_at = now(watched);
    let mut client = Client::of(server.address);
    client.ask(&Request::register("first", &password("first"))).unwrap().is(201);
    let tokens = client.ask(&Request::login("first", &password("first"))).unwrap().tokens();
    let tokens_at = now(watched);
    server.stop();
    watched.assert_whole();
    Some(FirstLife { secrets: watched.place.secrets(), address_at, tokens_at, tokens })
}

impl FirstLife {
    /// Cuts at every record. A server is started on each different remains that `starts` draws; answers how many.
    fn cut_everywhere(&self, watched: &Watched, mut starts: Option<StdRng>) -> usize {
        let journal = watched.journal();
        let mut disk = Disk::empty(watched.place.path());
        let mut seen = HashSet::new();
        for record in journal.records() {
            disk.replay(&record);
            let (address_told, tokens_given) = (record.end >= self.address_at, record.end >= self.tokens_at);
            let mut variants = vec![disk.after_a_cut(Unsynced::Lost)];
            variants.extend(starts.as_mut().map(|rng| disk.after_a_cut(Unsynced::Drawn(rng))));
            for remains in variants {
                let place = || format!("cut after {:?} of {:?}", record.deed, record.file);
                told_on_failure(place, || {
                    verdict::check_secrets(&remains, &self.secrets, address_told);
                    if starts.is_some() && seen.insert(hash(&(&remains, tokens_given))) {
                        verdict::check_that_it_starts(&remains, tokens_given.then_some(&self.tokens));
                    }
                });
            }
        }
        seen.len()
    }
}

fn hash(of: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

#[test]
fn after_a_power_cut_in_a_first_start_the_next_one_succeeds_with_whole_secrets() {
    let Some(shim) = shim::shim() else { return };
    let watched = Watched::new();
    let Some(life) = first_life(&watched, shim) else { return };

    let started = life.cut_everywhere(&watched, Some(crowd::seeded()));
    println!("{started} different remains of a first start were started");
}

#[test]
fn what_a_first_start_that_was_killed_left_is_as_durable_as_what_the_next_one_makes() {
    let Some(shim) = shim::shim() else { return };
    for after in 1..=STEPS_TO_SECRETS {
        let watched = Watched::new();
        watched.start(shim, Some(Death { after, in_sync: false }), &[]).err();
        let Some(life) = first_life(&watched, shim) else { return };
        told_on_failure(
            || format!("killed after record {after}"),
            || {
                life.cut_everywhere(&watched, None);
            },
        );
    }
}
