//! Browsers with many tabs: whatever order requests and answers take, nobody is ever logged out.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use latchkey::clock::Timestamp;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{RngExt as _, SeedableRng as _};

use crate::support::time::StoppedTime;
use crate::support::{TestServer, Tokens};

const WINDOW: Duration = Duration::from_secs(10);
const TABS: usize = 20;
/// Each is another order of things.
const SEEDS: std::ops::Range<u64> = 0..8;
/// How often each tab renews until it rests.
const RENEWALS: usize = 3;
/// The longest pause between two things that happen.
const LONGEST_PAUSE_MS: u64 = 500;
/// Answers arrive within this and a pause. With [`OFTEN_ENOUGH`] it keeps every token in the store younger than the
/// window when it is used, which is what the promise asks of a client.
const SLOWEST: Duration = Duration::from_secs(3);
/// No answer is lost where the store was last written longer ago than this.
const OFTEN_ENOUGH: Duration = Duration::from_secs(1);

/// Tabs that share one store of tokens, without taking turns.
struct Browser<'a> {
    server: &'a TestServer,
    time: &'a StoppedTime,
    random: StdRng,
    /// The refresh token that the next tab will present.
    store: String,
    stored_at: Timestamp,
    /// Renewals that each tab still has to do.
    to_do: [usize; TABS],
    /// Answers on their way, the oldest first.
    answers: VecDeque<Coming>,
}

/// An answer that the server gave and the tab does not have yet.
struct Coming {
    tab: usize,
    tokens: Tokens,
    since: Timestamp,
}

impl Browser<'_> {
    /// One thing that happens: a tab asks, or an answer arrives or is lost.
    async fn step(&mut self) {
        let pause = self.random.random_range(0..=LONGEST_PAUSE_MS);
        self.time.pass(Duration::from_millis(pause));
        let now = self.time.now();
        let ready: Vec<usize> = (0..TABS)
            .filter(|tab| self.to_do[*tab] > 0 && self.answers.iter().all(|answer| answer.tab != *tab))
            .collect();
        let overdue = self.answers.front().is_some_and(|oldest| now.since(oldest.since) > SLOWEST);
        if overdue {
            let oldest = self.answers.pop_front().unwrap();
            self.arrives(oldest).await;
        } else if !ready.is_empty() && (self.answers.is_empty() || self.random.random_bool(0.5)) {
            let tab = *ready.choose(&mut self.random).unwrap();
            let tokens = self.server.renewed(&self.store).await;
            self.answers.push_back(Coming { tab, tokens, since: now });
        } else {
            let any = self.random.random_range(0..self.answers.len());
            let answer = self.answers.remove(any).unwrap();
            self.arrives(answer).await;
        }
    }

    async fn arrives(&mut self, answer: Coming) {
        let may_be_lost = self.time.now().since(self.stored_at) < OFTEN_ENOUGH;
        if may_be_lost && self.random.random_bool(0.2) {
            // The tab will ask again, with what the store holds by then.
            return;
        }
        self.store = answer.tokens.refresh_token;
        self.stored_at = self.time.now();
        self.to_do[answer.tab] -= 1;
        self.server.assert_signed_in(&answer.tokens.access_token).await;
    }
}

#[actix_web::test]
async fn tabs_that_share_a_store_over_slow_and_lost_answers_stay_signed_in() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    for seed in SEEDS {
        let login = server.registered(&format!("user{seed}")).await;
        let mut browser = Browser {
            server: &server,
            time: &time,
            random: StdRng::seed_from_u64(seed),
            store: login.refresh_token.clone(),
            stored_at: time.now(),
            to_do: [RENEWALS; TABS],
            answers: VecDeque::new(),
        };
        while browser.to_do.iter().any(|left| *left > 0) {
            browser.step().await;
        }

        let mut ends = HashSet::new();
        for _ in 0..TABS {
            ends.insert(server.renewed(&browser.store).await.refresh_token);
        }
        assert_eq!(ends.len(), 1, "seed {seed}");
        let rotations = server.number_of(&login.session_id, "current_generation") - 1;
        assert!(rotations >= 2, "seed {seed} was over within one window");
    }
    assert_eq!(server.number("SELECT count(*) FROM sessions WHERE ended_at IS NULL"), SEEDS.count() as i64);
    assert_eq!(server.number("SELECT count(*) FROM sessions"), SEEDS.count() as i64);
}

#[actix_web::test]
async fn tabs_that_are_restored_at_once_stay_signed_in_however_late_the_answers_come() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    for seed in SEEDS {
        let mut random = StdRng::seed_from_u64(seed);
        let login = server.registered(&format!("user{seed}")).await;
        let mut store = login.refresh_token.clone();
        let mut answers = Vec::new();
        // All ask within one window; some answers arrive meanwhile, so that later tabs read the successor.
        for _ in 0..TABS {
            answers.push(server.renewed(&store).await);
            time.pass((WINDOW - Duration::from_millis(1)) / u32::try_from(TABS).unwrap());
            if random.random_bool(0.3) {
                let early = answers.swap_remove(random.random_range(0..answers.len()));
                server.assert_signed_in(&early.access_token).await;
                store = early.refresh_token;
            }
        }

        answers.shuffle(&mut random);
        for late in answers {
            time.pass(Duration::from_millis(random.random_range(0..30_000)));
            server.assert_signed_in(&late.access_token).await;
            store = late.refresh_token;
        }

        server.renewed(&store).await;
        assert_eq!(server.number_of(&login.session_id, "current_generation"), 3, "seed {seed}");
    }
}

#[actix_web::test]
async fn tabs_with_a_copy_of_the_token_each_stay_signed_in_if_all_renew_within_the_window() {
    let server = TestServer::start().await;
    let time = server.stop_time();
    for seed in SEEDS {
        let mut random = StdRng::seed_from_u64(seed);
        let login = server.registered(&format!("user{seed}")).await;
        let mut copies = vec![login.refresh_token.clone(); TABS];
        for round in 0..3 {
            // Each tab asks twice; the first answer may be lost.
            let mut asking: Vec<usize> = (0..TABS).chain(0..TABS).collect();
            asking.shuffle(&mut random);
            let mut asked = [false; TABS];
            for tab in asking {
                let tokens = server.renewed(&copies[tab]).await;
                time.pass((WINDOW - Duration::from_millis(1)) / u32::try_from(2 * TABS).unwrap());
                let lost = !std::mem::replace(&mut asked[tab], true) && random.random_bool(0.4);
                if !lost {
                    server.assert_signed_in(&tokens.access_token).await;
                    copies[tab] = tokens.refresh_token;
                }
            }

            let live = server.token_of(&login.session_id, round + 2);
            assert!(copies.iter().all(|copy| *copy == live), "seed {seed}, round {round}");
            time.pass(WINDOW);
        }
        assert_eq!(server.number_of(&login.session_id, "ended_at IS NULL"), 1);
    }
    assert_eq!(server.number("SELECT count(*) FROM sessions"), SEEDS.count() as i64);
}
