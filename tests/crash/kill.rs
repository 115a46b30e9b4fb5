//! Killed without a warning, and started again.

use crate::client::{Client, Request};
use crate::crowd::Crowd;
use crate::person::{Grace, Interruption, PASSWORD};
use crate::power::shim::Clock;
use crate::process::Place;

/// How often a test kills where nobody says otherwise: a few seconds' worth.
const ROUNDS: usize = 6;

fn rounds() -> usize {
    let given = std::env::var("LATCHKEY_CRASH_ROUNDS").ok();
    given.map_or(ROUNDS, |rounds| rounds.parse().expect("LATCHKEY_CRASH_ROUNDS: a number"))
}

/// Kills servers in the middle of load, and holds the next one to what the one before acknowledged.
fn kill_and_check(place: &Place, grace: Grace, settings: &[(&str, &str)]) {
    let (mut crowd, mut clock) = (Crowd::new(grace), Clock::new());
    for _ in 0..rounds() {
        let server = place.start(&[settings, &clock.later()].concat());
        crowd.check(server.address, Interruption::Kill);
        crowd.busy_until(server.address, || server.kill());
        place.assert_sound();
    }
    let server = place.start(&[settings, &clock.later()].concat());
    crowd.check(server.address, Interruption::Kill);
    server.stop();
    place.assert_sound();
}

#[test]
fn nothing_that_was_acknowledged_is_lost_and_nothing_spent_comes_back() {
    kill_and_check(&Place::new(), Grace::Strict, &[("REFRESH_GRACE", "0s")]);
}

#[test]
fn with_the_default_grace_a_crash_logs_nobody_out_and_there_is_one_lineage() {
    kill_and_check(&Place::new(), Grace::Default, &[]);
}

/// What a passer-by does between two kills.
const DEEDS: usize = 3;

#[test]
fn a_second_kill_inside_a_window_that_the_first_one_interrupted_logs_nobody_out() {
    let place = Place::new();
    let (mut crowd, mut clock) = (Crowd::new(Grace::Default), Clock::new());
    let mut server = place.start(&clock.later());
    for _ in 0..rounds() {
        crowd.check(server.address, Interruption::Kill);
        crowd.busy_until(server.address, || server.kill());
        place.assert_sound();

        // Somebody else changes something, so that this life is noted; whoever lost an answer asks again in the next one.
        let between = place.start(&clock.later());
        Crowd::of_a_passer_by().do_a_little(between.address, DEEDS);
        between.kill();
        place.assert_sound();
        server = place.start(&clock.later());
    }
    crowd.check(server.address, Interruption::Kill);
    server.stop();
    place.assert_sound();
}

#[test]
fn a_killed_server_finds_its_secrets_and_its_data_again() {
    let place = Place::new();
    let server = place.start(&[]);
    let mut client = Client::of(server.address);
    client.ask(&Request::register("testuser", PASSWORD)).unwrap().is(201);
    let tokens = client.ask(&Request::login("testuser", PASSWORD)).unwrap().tokens();
    let secrets = place.secrets();
    server.kill();

    let server = place.start(&[]);
    let mut client = Client::of(server.address);

    client.ask(&Request::profile(&tokens.access)).unwrap().is(200);
    client.ask(&Request::renew(&tokens.refresh)).unwrap().tokens();
    client.ask(&Request::login("testuser", PASSWORD)).unwrap().tokens();
    assert_eq!(place.secrets(), secrets);
}

#[test]
fn the_most_talkative_log_of_a_life_and_a_recovery_holds_no_secret() {
    let place = Place::new();
    let settings = [("REFRESH_GRACE", "0s"), ("RUST_LOG", "trace")];
    let mut crowd = Crowd::new(Grace::Strict);
    let server = place.start(&settings);
    let killed = crowd.busy_until(server.address, || server.kill());
    let server = place.start(&settings);
    crowd.check(server.address, Interruption::Kill);
    let stopped = server.stop();

    assert!(killed.log.contains("TRACE"), "the log is as talkative as asked");
    let secrets = place.secrets();
    let values = secrets.lines().filter_map(|line| line.split_once('=')).map(|(_, value)| value);
    // How passwords, refresh tokens, access tokens and hashes begin, and the secrets themselves.
    let canaries: Vec<&str> = [PASSWORD, "lkr_", "eyJ", "$2b$"].into_iter().chain(values).collect();
    assert_eq!(canaries.len(), 6);
    for said in [killed.output, killed.log, stopped.output, stopped.log] {
        for canary in &canaries {
            let leak = said.lines().find(|line| line.contains(canary));
            assert_eq!(leak, None, "it holds {canary:?}");
        }
    }
}
