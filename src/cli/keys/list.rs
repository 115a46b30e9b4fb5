//! `latchkey keys list`: every key there is, and nothing of what it is.

use serde::Serialize;

use crate::cli::{answer, json_line};
use crate::clock::Timestamp;
use crate::tokens::ring::{Shown, State};

/// Prints them as a table, or one JSON object a line.
pub(super) fn print(keys: &[Shown], json: bool) {
    let head = row(["KID", "KIND", "ALG", "NUMBER", "STATE", "SIGNS FROM", "SIGNS UNTIL", "VERIFIES UNTIL"]);
    let lines = keys.iter().map(|key| if json { object(key) } else { line(key) });
    answer(&(!json).then_some(head).into_iter().chain(lines).collect::<String>());
}

/// Wide enough for a thumbprint (RFC 7638): 43 characters.
fn row([kid, kind, alg, number, state, from, until, verifies]: [&str; 8]) -> String {
    let row = format!("{kid:<43}  {kind:<7}  {alg:<5}  {number:>6}  {state:<9}  {from:<24}  {until:<24}  {verifies}");
    format!("{}\n", row.trim_end())
}

fn line(key: &Shown) -> String {
    let time = |moment: Option<Timestamp>| moment.map_or_else(|| "-".to_owned(), Timestamp::to_rfc3339);
    row([
        &key.kid,
        key.kind.name(),
        key.algorithm.map_or("-", |algorithm| algorithm.name()),
        &key.mac_id.map_or_else(|| "-".to_owned(), |number| number.to_string()),
        state(key),
        &time(key.activates_at),
        &time(key.retires_at),
        &match key.number_taken_until {
            Some(until) => format!("- (its number is taken until {})", until.to_rfc3339()),
            None => time(key.verifies_until),
        },
    ])
}

/// A key as it is told to programs.
#[derive(Serialize)]
struct Told<'a> {
    kid: &'a str,
    kind: &'static str,
    alg: Option<&'static str>,
    number: Option<u8>,
    state: &'static str,
    activates_at: Option<String>,
    retires_at: Option<String>,
    verifies_until: Option<String>,
    number_taken_until: Option<String>,
}

fn object(key: &Shown) -> String {
    json_line(&Told {
        kid: &key.kid,
        kind: key.kind.name(),
        alg: key.algorithm.map(|algorithm| algorithm.name()),
        number: key.mac_id,
        state: state(key),
        activates_at: key.activates_at.map(Timestamp::to_rfc3339),
        retires_at: key.retires_at.map(Timestamp::to_rfc3339),
        verifies_until: key.verifies_until.map(Timestamp::to_rfc3339),
        number_taken_until: key.number_taken_until.map(Timestamp::to_rfc3339),
    })
}

fn state(key: &Shown) -> &'static str {
    match key.state {
        State::Waiting => "waiting",
        State::Signing => "signing",
        State::Retired => "retired",
        State::Withdrawn => "withdrawn",
        State::Over => "over",
    }
}
