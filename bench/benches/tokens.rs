//! What one token costs: minted, verified, decided upon.
//!
//! Owns the figures of `tokens`, which are pure: no server, no storage, no clock but the `now` that is passed. What a
//! request costs beside them is in docs/performance.md, counted in instructions.
//!
//! Each algorithm of access tokens also beside jsonwebtoken's own `encode` and `decode`, which set the key up for every token, over
//! the same claims.
//!
//! `cargo bench -p latchkey-bench --bench tokens`

#![expect(clippy::expect_used, reason = "a bench stops at the first thing that is not as it expects")]

use std::hint::black_box;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use criterion::Criterion;
use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation};
use latchkey::clock::{Clock, Timestamp};
use latchkey::config::Secret;
use latchkey::tokens::access::{AccessTokens, Claimed};
use latchkey::tokens::grant::Grant;
use latchkey::tokens::keys::{Algorithm, PrivateJwk};
use latchkey::tokens::principal::{Epoch, Principal, Role, UserId, Username, Version};
use latchkey::tokens::refresh::{Generation, RefreshKeys, SessionId};
use latchkey::tokens::ring::Term;
use latchkey::tokens::rotation::{self, Moment, Policy};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const TTL: Duration = Duration::from_secs(900);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    access_tokens(&mut criterion);
    algorithms(&mut criterion);
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

/// The claims of an access token, as anybody would write them down.
#[derive(Clone, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: Uuid,
    client_id: String,
    username: String,
    roles: Vec<String>,
    sid: Uuid,
    ver: i64,
    iat: i64,
    exp: i64,
    jti: Uuid,
}

/// With a key that was parsed once, and with one that is parsed for each token.
fn algorithms(criterion: &mut Criterion) {
    for algorithm in Algorithm::ALL {
        let key = PrivateJwk::draw(algorithm).expect("randomness").signing_key().expect("a key");
        let claimed = Claimed { issuer: "latchkey", audience: "latchkey", ttl: TTL };
        let tokens = AccessTokens::new(vec![(key, Term::ALWAYS)], claimed).expect("a key");
        let (grant, claims) = (grant(), claims());
        let token = tokens.mint(&grant).expect("a token").text;
        let (header, encoding, decoding) = parsed_each_time(algorithm);
        let theirs = jsonwebtoken::encode(&header, &claims, &encoding).expect("a token");
        let mut validation = Validation::new(header.alg);
        validation.set_audience(&["latchkey"]);
        validation.set_issuer(&["latchkey"]);

        let mut group = criterion.benchmark_group(algorithm.name());
        group.bench_function("mint", |bencher| bencher.iter(|| tokens.mint(black_box(&grant))));
        group.bench_function("jsonwebtoken::encode", |bencher| {
            bencher.iter(|| jsonwebtoken::encode(&header, black_box(&claims), &encoding));
        });
        group.bench_function("verify", |bencher| bencher.iter(|| tokens.verify(black_box(&token), NOW)));
        group.bench_function("jsonwebtoken::decode", |bencher| {
            bencher.iter(|| jsonwebtoken::decode::<Claims>(black_box(&theirs), &decoding, &validation));
        });
        group.finish();
    }
}

/// A key of this algorithm as jsonwebtoken takes it.
fn parsed_each_time(algorithm: Algorithm) -> (Header, EncodingKey, DecodingKey) {
    let random = SystemRandom::new();
    let (alg, encoding, decoding) = match algorithm {
        Algorithm::EdDsa => {
            let document = Ed25519KeyPair::generate_pkcs8v1(&random).expect("a key");
            let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).expect("a key");
            let decoding = DecodingKey::from_ed_der(pair.public_key().as_ref());
            (jsonwebtoken::Algorithm::EdDSA, EncodingKey::from_ed_der(document.as_ref()), decoding)
        }
        Algorithm::Es256 => {
            let signing = &ECDSA_P256_SHA256_FIXED_SIGNING;
            let document = EcdsaKeyPair::generate_pkcs8(signing, &random).expect("a key");
            let pair = EcdsaKeyPair::from_pkcs8(signing, document.as_ref()).expect("a key");
            let decoding = DecodingKey::from_ec_der(pair.public_key().as_ref());
            (jsonwebtoken::Algorithm::ES256, EncodingKey::from_ec_der(document.as_ref()), decoding)
        }
        Algorithm::Hs256 => {
            let secret = [7; 32];
            (jsonwebtoken::Algorithm::HS256, EncodingKey::from_secret(&secret), DecodingKey::from_secret(&secret))
        }
    };
    (Header::new(alg), encoding, decoding)
}

fn claims() -> Claims {
    // Its end is held against the system's time there.
    let now = Clock::system().now().as_unix_seconds();
    Claims {
        iss: "latchkey".to_owned(),
        aud: "latchkey".to_owned(),
        sub: Uuid::from_u128(8),
        client_id: "first-party".to_owned(),
        username: "testuser".to_owned(),
        roles: vec!["user".to_owned()],
        sid: Uuid::from_u128(7),
        ver: 1,
        iat: now,
        exp: now + 24 * 60 * 60,
        jti: Uuid::from_u128(9),
    }
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
