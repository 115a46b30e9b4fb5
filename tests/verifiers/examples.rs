//! The services in `examples`, as whoever copies them runs them, beside a real server.

use std::path::Path;
use std::pin::pin;
use std::process::Command;

use actix_web::rt;
use futures_util::future::{self, Either, join_all};

use crate::foreign::{self, Program};
use crate::forged::{SecondKey, with_another_signature, with_another_subject};
use crate::gate::Gate;
use crate::issuer::{ACTIVATES_IN, Issuer, OVERLAP};
use crate::support::Answer;
use crate::support::forge::{hs256, parts, with, without};

/// A floor, in seconds, under which there is one question and no second, however slowly a test runs.
const ONCE: &str = "3600";
/// No floor: as many questions as there are reasons.
const ALWAYS: &str = "0";
/// The challenge to whoever sends a token that is not believed.
const REFUSED: &str = r#"Bearer realm="orders", error="invalid_token""#;

/// The challenge to whoever sends none.
const NONE_SENT: &str = r#"Bearer realm="orders""#;

/// How to run the examples, those that are not there left out.
fn examples() -> impl Iterator<Item = Command> {
    // Beside the binaries: `cargo test` builds the examples too, `cargo test --test verifiers` does not.
    let actix = Path::new(env!("CARGO_BIN_EXE_latchkey")).with_file_name("examples").join("resource_server");
    assert!(actix.exists(), "the examples are not built: cargo build --examples");
    let express = foreign::program("express", "examples/express/server.mjs");
    [Some(foreign::bare(&actix)), express].into_iter().flatten()
}

#[actix_web::test]
async fn the_examples_open_to_good_tokens_and_to_nothing_else() {
    let issuer = Issuer::signing_with("ES256").await;
    let good = issuer.token().await.text;
    for example in examples() {
        let service = Service::start(example, &issuer.url(""), ONCE);

        service.assert_opens_to(&good).await;

        for header in [None, Some(format!("Basic {good}")), Some("Bearer".to_owned())] {
            let answer = service.asked_with(header.as_deref()).await;
            assert_eq!((answer.status, answer.header("www-authenticate")), (401, NONE_SENT), "{header:?}");
        }
        let changed =
            [with_another_subject(&good), with_another_signature(&good), SecondKey::of("ES256").signed_again(&good)];
        for token in changed.iter().map(String::as_str).chain(["nonsense", "a.b.c"]) {
            service.assert_refuses("a changed token", token).await;
        }
        service.assert_opens_to(&good).await;
    }
}

#[actix_web::test]
async fn the_examples_believe_good_tokens_through_a_rotation() {
    for example in examples() {
        let issuer = Issuer::signing_with("EdDSA").await;
        let service = Service::start(example, &issuer.url(""), ALWAYS);
        let before = issuer.token().await.text;
        service.assert_opens_to(&before).await;

        issuer.generate("ES256").await;
        let published = issuer.token().await.text;
        service.assert_opens_to(&published).await;

        issuer.pass(ACTIVATES_IN);
        let after = issuer.token().await.text;
        service.assert_opens_to(&after).await;
        service.assert_opens_to(&before).await;
        service.assert_refuses("after the rotation", &with_another_signature(&after)).await;

        issuer.pass(OVERLAP);
        service.assert_opens_to(&after).await;
    }
}

#[actix_web::test]
async fn the_examples_ask_for_the_keys_once_however_many_kids_are_made_up() {
    let issuer = Issuer::signing_with("EdDSA").await;
    let good = issuer.token().await.text;
    for example in examples() {
        let gate = Gate::before(&issuer, None);
        let service = Service::start(example, &gate.url(), ONCE);

        let made_up = SecondKey::of("EdDSA");
        let made_up: Vec<_> = (0..50).map(|number| made_up.signed(&good, &format!("kid-{number}"))).collect();
        join_all(made_up.iter().map(|token| service.assert_refuses("a kid that is made up", token))).await;

        service.assert_opens_to(&good).await;
        assert_eq!(gate.asked(), 1);
    }
}

#[actix_web::test]
async fn the_examples_believe_what_they_know_while_the_keys_are_out_of_reach() {
    let issuer = Issuer::signing_with("EdDSA").await;
    let good = issuer.token().await.text;
    for example in examples() {
        let gate = Gate::before(&issuer, None);
        let service = Service::start(example, &gate.url(), ALWAYS);
        service.assert_opens_to(&good).await;

        gate.shut();
        service.asked(&SecondKey::of("EdDSA").signed(&good, "made-up")).await;

        assert_eq!(gate.asked(), 2);
        service.assert_opens_to(&good).await;
    }
}

#[actix_web::test]
async fn nobody_whose_key_the_examples_know_waits_for_the_keys_of_a_kid_that_is_made_up() {
    let issuer = Issuer::signing_with("EdDSA").await;
    let good = issuer.token().await.text;
    let made_up = SecondKey::of("EdDSA").signed(&good, "made-up");
    for example in examples() {
        let gate = Gate::before(&issuer, None);
        let service = Service::start(example, &gate.url(), ALWAYS);
        service.assert_opens_to(&good).await;
        gate.fall_silent();
        let mut waits = pin!(service.asked(&made_up));
        let is_asked = async {
            while gate.asked() < 2 {
                rt::task::yield_now().await;
            }
        };
        future::select(waits.as_mut(), pin!(is_asked)).await;

        let opens = pin!(service.assert_opens_to(&good));
        let is_first = matches!(future::select(waits, opens).await, Either::Right(_));

        assert!(is_first);
    }
}

#[actix_web::test]
async fn the_examples_blame_nobody_where_there_are_no_keys_to_judge_by() {
    let issuer = Issuer::signing_with("EdDSA").await;
    let good = issuer.token().await.text;
    for example in examples() {
        let gate = Gate::before(&issuer, None);
        gate.shut();
        let service = Service::start(example, &gate.url(), ONCE);

        assert_eq!(service.asked(&good).await.status, 503);
    }
}

#[actix_web::test]
async fn the_actix_web_example_asks_once_also_where_it_is_not_answered() {
    let issuer = Issuer::signing_with("EdDSA").await;
    let good = issuer.token().await.text;
    let gate = Gate::before(&issuer, None);
    gate.shut();
    let service = Service::start(examples().next().unwrap(), &gate.url(), ONCE);

    let answers = join_all((0..50).map(|_| service.asked(&good))).await;

    assert!(answers.iter().all(|answer| answer.status == 503));
    assert_eq!(gate.asked(), 1);
}

#[actix_web::test]
async fn the_examples_look_at_every_claim_that_they_rely_on() {
    let issuer = Issuer::signing_with("EdDSA").await;
    let (header, claims) = parts(&issuer.token().await.text);
    // A key that is published, so that nothing but what the token says can be wrong.
    let key = SecondKey::of("EdDSA");
    let header = with(&header, "kid", "ours");
    let forged = [
        ("another audience", header.clone(), with(&claims, "aud", "another")),
        ("no audience", header.clone(), without(&claims, "aud")),
        ("another issuer", header.clone(), with(&claims, "iss", "another")),
        ("no issuer", header.clone(), without(&claims, "iss")),
        ("no subject", header.clone(), without(&claims, "sub")),
        ("no end", header.clone(), without(&claims, "exp")),
        ("an hour too late", header.clone(), with(&claims, "exp", claims["exp"].as_i64().unwrap() - 3600)),
        ("an ID token", with(&header, "typ", "JWT"), claims.clone()),
        ("no type", without(&header, "typ"), claims.clone()),
        ("no kid", without(&header, "kid"), claims.clone()),
        ("a kid that is nobody's", with(&header, "kid", "nobody's"), claims.clone()),
        ("another key's kid", with(&header, "kid", issuer.token().await.kid), claims.clone()),
    ];
    for example in examples() {
        let gate = Gate::before(&issuer, Some(key.published("ours")));
        let service = Service::start(example, &gate.url(), ONCE);
        service.assert_opens_to(&key.signed_as(&header, &claims)).await;

        for (case, header, claims) in &forged {
            service.assert_refuses(case, &key.signed_as(header, claims)).await;
        }
        let public = key.published("ours")["x"].as_str().unwrap().to_owned();
        for algorithm in ["HS256", "none"] {
            let token = hs256(public.as_bytes(), with(&header, "alg", algorithm), &claims);
            service.assert_refuses(algorithm, &token).await;
        }
    }
}

/// What they answer to whom the token is about.
fn orders_of(token: &str) -> String {
    let (_, claims) = parts(token);
    format!("The orders of alice, account {}\n", claims["sub"].as_str().unwrap())
}

/// An example that runs, and its clients.
struct Service {
    url: String,
    http: reqwest::Client,
    _program: Program,
}

impl Service {
    /// One that believes in whoever is at this address, and asks for keys no more often than this.
    fn start(mut example: Command, latchkey: &str, floor: &str) -> Self {
        example.envs([("LATCHKEY_URL", latchkey), ("PORT", "0"), ("JWKS_FLOOR_SECONDS", floor)]);
        let program = Program::start(example);
        let line = program.line();
        let address = line.strip_prefix("listening on ").expect("a service that listens");
        Self { url: format!("{address}/orders"), http: reqwest::Client::new(), _program: program }
    }

    async fn asked(&self, token: &str) -> Answer {
        self.asked_with(Some(&format!("Bearer {token}"))).await
    }

    /// Asks with any Authorization header, or none.
    async fn asked_with(&self, authorization: Option<&str>) -> Answer {
        let request = self.http.get(&self.url);
        Answer::of(match authorization {
            Some(header) => request.header("authorization", header),
            None => request,
        })
        .await
    }

    async fn assert_opens_to(&self, token: &str) {
        let answer = self.asked(token).await;
        assert_eq!((answer.status, answer.raw.as_str()), (200, orders_of(token).as_str()));
    }

    async fn assert_refuses(&self, case: &str, token: &str) {
        let answer = self.asked(token).await;
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, REFUSED), "{case}: {}", answer.raw);
    }
}
