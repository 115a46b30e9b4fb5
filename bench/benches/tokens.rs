//! What one token costs: minted, verified, decided upon.
//!
//! Owns the figures of `tokens`, which are pure: no server, no storage, no clock but the `now` that is passed. What a
//! request costs beside them is in docs/performance.md, counted in instructions.
//!
//! `cargo bench -p latchkey-bench --bench tokens`

#![expect(clippy::expect_used, reason = "a bench stops at the first thing that is not as it expects")]

use std::hint::black_box;
use std::time::Duration;

use criterion::Criterion;
use latchkey::clock::Timestamp;
use latchkey::config::Secret;
use latchkey::tokens::access::{AccessTokens, Claimed};
use latchkey::tokens::grant::Grant;
use latchkey::tokens::principal::{Epoch, Principal, Role, UserId, Username, Version};
use latchkey::tokens::refresh::{Generation, RefreshKeys, SessionId};
use latchkey::tokens::rotation::{self, Moment, Policy};
use uuid::Uuid;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const TTL: Duration = Duration::from_secs(900);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    access_tokens(&mut criterion);
    refresh_tokens(&mut criterion);
    decisions(&mut criterion);
    criterion.final_summary();
}

fn access_tokens(criterion: &mut Criterion) {
    let secret = Secret::new(b"a key of a bench, 32 bytes or more, used nowhere else".to_vec());
    let tokens =
        AccessTokens::hs256(&secret, Claimed { issuer: "latchkey", audience: "latchkey", ttl: TTL }).expect("a key");
    let grant = grant();
    let token = tokens.mint(&grant).expect("a token");

    let mut group = criterion.benchmark_group("access");
    group.bench_function("mint", |bencher| bencher.iter(|| tokens.mint(black_box(&grant))));
    group.bench_function("verify", |bencher| bencher.iter(|| tokens.verify(black_box(&token.text), NOW)));
    group.finish();
}

fn refresh_tokens(criterion: &mut Criterion) {
    let secret = Secret::new(b"another key of a bench, used nowhere else".to_vec());
    let keys = RefreshKeys::new(1, &secret);
    let session = SessionId(Uuid::from_u128(7));
    let token = keys.mint(session, Generation::FIRST, NOW).expect("a token");

    let mut group = criterion.benchmark_group("refresh");
    group.bench_function("mint", |bencher| bencher.iter(|| keys.mint(black_box(session), Generation::FIRST, NOW)));
    group.bench_function("parse and MAC", |bencher| bencher.iter(|| keys.verify(black_box(token.expose()), NOW)));
    group.finish();
}

/// The three answers that clients meet: a rotation, the same token within the window, and the spent one after it.
fn decisions(criterion: &mut Criterion) {
    let policy = Policy { window: Duration::from_secs(10), until_used: false, idle_ttl: 7 * DAY, resumed: None };
    let current = Generation::FIRST.successor().expect("two is not the last");
    let session = rotation::Session {
        epoch: Epoch(1),
        current,
        parent: Some(Generation::FIRST),
        rotated_at: Some(NOW),
        idle_expires_at: NOW.plus(7 * DAY),
        absolute_expires_at: NOW.plus(30 * DAY),
        ended: false,
    };
    let user = rotation::User { epoch: Epoch(1), disabled: false };
    let later = NOW.plus(Duration::from_secs(60));

    let mut group = criterion.benchmark_group("decide");
    for (name, presented, now) in
        [("rotate", current, later), ("hold", current, NOW), ("reuse", Generation::FIRST, later)]
    {
        let moment = Moment { asked_at: now, now };
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                rotation::decide(Some(black_box(&session)), Some(&user), black_box(presented), moment, &policy)
            });
        });
    }
    group.finish();
}

fn grant() -> Grant {
    Grant {
        session: SessionId(Uuid::from_u128(7)),
        generation: Generation::FIRST,
        generated_at: NOW,
        principal: Principal {
            id: UserId(Uuid::from_u128(8)),
            username: Username::parse("testuser").expect("a name"),
            roles: vec![Role::User],
            version: Version(1),
        },
        granted_at: NOW,
        idle_expires_at: NOW.plus(7 * DAY),
        absolute_expires_at: NOW.plus(30 * DAY),
    }
}
