//! What it costs that endings are looked up on every request.
//!
//! Owns one comparison: the same tokens are authenticated while the map of endings is empty and while it holds 100,000, half
//! of them sessions and half users. Once as the functions that decide (`Services::identify`, and `Services::recognise`, which
//! spares the signature of a token that it knows), once as the middleware in front of a handler that does nothing, with actix's
//! routing around it and no socket.
//!
//! `cargo bench -p latchkey-bench --bench authenticate`

#![expect(clippy::expect_used, clippy::panic, reason = "a bench stops at the first thing that is not as it expects")]

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use actix_web::dev::{Service as _, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::AUTHORIZATION;
use actix_web::middleware::from_fn;
use actix_web::rt::System;
use actix_web::test::{self, TestRequest};
use actix_web::web::{self, Data};
use actix_web::{App, HttpResponse};
use criterion::{BatchSize, BenchmarkId, Criterion};
use latchkey::app::Server;
use latchkey::clock::Clock;
use latchkey::config::{Limits, Settings};
use latchkey::handlers::services::Services;
use latchkey::middleware::authenticate::authenticate;
use latchkey::tokens::grant::Grant;
use latchkey::tokens::principal::{Principal, Role, UserId, Username, Version};
use latchkey::tokens::refresh::{Generation, SessionId};
use latchkey::tokens::revocation::{Ended, Revocation};
use latchkey::tokens::verified::VerifiedTokens;
use uuid::Uuid;

/// As many as 100 logouts a second leave behind within an access token's life.
const ENDINGS: u32 = 100_000;
/// More than one, so that no look-up finds its place in a cache by having been there just before.
const TOKENS: u128 = 1_000;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let directory = tempfile::tempdir().expect("a directory");
    let system = System::new();
    let server = system.block_on(Server::start(settings(directory.path()), Clock::system())).expect("a server");
    let services = server.services.clone();
    let tokens: Vec<String> = (0..TOKENS).map(|number| token(&services, number)).collect();

    for endings in [0, ENDINGS] {
        publish(&services, endings);
        identify(&mut criterion, &services, &tokens, endings);
        through_the_middleware(&mut criterion, &system, &services, &tokens, endings);
    }
    criterion.final_summary();
}

fn identify(criterion: &mut Criterion, services: &Services, tokens: &[String], endings: u32) {
    let mut in_turn = tokens.iter().cycle();
    let mut group = criterion.benchmark_group("identify");
    group.bench_function(BenchmarkId::new("endings", endings), |bencher| {
        bencher.iter(|| services.identify(black_box(in_turn.next().expect("a cycle"))));
    });
    group.finish();

    let verified = VerifiedTokens::new(Limits::default().verified_tokens);
    let mut group = criterion.benchmark_group("recognise");
    for (name, count) in [("one token", 1), ("1,000 tokens", tokens.len())] {
        let mut in_turn = tokens.iter().take(count).cycle();
        group.bench_function(BenchmarkId::new(name, endings), |bencher| {
            bencher.iter(|| services.recognise(&verified, black_box(in_turn.next().expect("a cycle"))));
        });
    }
    group.finish();
}

fn through_the_middleware(
    criterion: &mut Criterion,
    system: &actix_web::rt::SystemRunner,
    services: &Data<Services>,
    tokens: &[String],
    endings: u32,
) {
    let behind = web::resource("/").wrap(from_fn(authenticate)).to(HttpResponse::Ok);
    // Nothing is remembered: every token is checked whole.
    let app = App::new().app_data(services.clone()).app_data(VerifiedTokens::new(0)).service(behind);
    let app = system.block_on(test::init_service(app));
    let mut tokens = tokens.iter().cycle();
    let mut request = || {
        let token = tokens.next().expect("a cycle");
        TestRequest::get().uri("/").insert_header((AUTHORIZATION, format!("Bearer {token}"))).to_request()
    };
    let through = |response: Result<ServiceResponse<_>, actix_web::Error>| match response {
        Ok(response) => assert_eq!(response.status(), StatusCode::OK),
        Err(error) => panic!("refused: {error}"),
    };

    through(system.block_on(app.call(request())));
    let mut group = criterion.benchmark_group("authenticate");
    group.bench_function(BenchmarkId::new("endings", endings), |bencher| {
        bencher.iter_batched(&mut request, |request| system.block_on(app.call(request)), BatchSize::SmallInput);
    });
    group.finish();
}

/// Ends sessions and users that none of the tokens are of.
fn publish(services: &Services, endings: u32) {
    let at = services.clock.now();
    for _ in 0..endings / 2 {
        let (id, least_version) = (UserId(Uuid::from_u128(rand::random())), Version(2));
        for ended in [Ended::Session(SessionId(Uuid::from_u128(rand::random()))), Ended::User { id, least_version }] {
            services.revocations.publish(Revocation { ended, at });
        }
    }
    assert_eq!(services.revocations.len(), usize::try_from(endings).expect("a small number"));
}

fn token(services: &Services, number: u128) -> String {
    let now = services.clock.now();
    let grant = Grant {
        session: SessionId(Uuid::from_u128(number)),
        generation: Generation::FIRST,
        generated_at: now,
        principal: Principal {
            id: UserId(Uuid::from_u128(number)),
            username: Username::parse(&format!("user{number}")).expect("a name"),
            roles: vec![Role::User],
            version: Version(1),
        },
        granted_at: now,
        idle_expires_at: now.plus(7 * DAY),
        absolute_expires_at: now.plus(30 * DAY),
    };
    services.keys.now().access.mint(&grant).expect("a token").text
}

fn settings(directory: &Path) -> Settings {
    let database = format!("sqlite://{}", directory.join("latchkey.db").display());
    Settings::load([("PORT", "0"), ("DATABASE_URL", &database), ("RUST_LOG", "off")], None).expect("settings")
}
