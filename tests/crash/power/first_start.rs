//! A power cut while the directory, the secrets and the database are made, at each record of it.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher as _};

use rand::rngs::StdRng;

use super::disk::{Disk, Unsynced};
use super::holder::password;
use super::shim::{Death, Watched, shim};
use super::{now, told_on_failure, verdict};
use crate::client::{Client, Request, Tokens};
use crate::crowd;

/// Records of a first start until the database file stands beside the secrets: directory, temporary file, link, lock.
const STEPS_TO_SECRETS: usize = 13;

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
    let Some(shim) = shim() else { return };
    let watched = Watched::new();
    let Some(life) = first_life(&watched, shim) else { return };

    let started = life.cut_everywhere(&watched, Some(crowd::seeded()));
    println!("{started} different remains of a first start were started");
}

#[test]
fn what_a_first_start_that_was_killed_left_is_as_durable_as_what_the_next_one_makes() {
    let Some(shim) = shim() else { return };
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
