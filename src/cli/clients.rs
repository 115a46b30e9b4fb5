//! `latchkey clients`: who may ask what a token is worth.
//!
//! Owns what each command says. A secret is printed once, by the command that made it, as two lines that a shell can
//! read; what is kept is its hash. A server that runs knows of every change within a second.

use std::time::Duration;

use clap::Subcommand;
use serde::Serialize;

use super::failure::Failure;
use super::visit::Visit;
use super::{answer, json_line, typed};
use crate::clients::{ClientId, ClientSecret, RegisteredClient};
use crate::clock::Clock;
use crate::config;
use crate::storage::sqlite::Missing;
use crate::storage::{ClientOperation, ClientOutcome};

/// As long as the longest roll-out that somebody watches; beyond it the old secret was forgotten, not replaced.
const LONGEST_OVERLAP: Duration = Duration::from_secs(30 * 24 * 60 * 60);

const AFTER_HELP_ROTATE: &str = "\
The new secret counts at once, and the one from before for --overlap, so that
nobody is locked out while it is exchanged. One secret from before is taken, not
two: while there is one, rotating again would end it, and asks back. Where one
was stolen, end both: --overlap 0s.

Exit codes: 0 done, 1 failed, 2 wrong argument, 78 a setting was refused.";

/// What can be done to clients.
#[derive(Debug, Subcommand)]
pub(super) enum Clients {
    /// Add a client and print its secret, which is shown this once
    Create {
        /// Its client_id: 3 to 64 of a-z 0-9 . -, the first a letter or digit
        #[arg(value_parser = id)]
        name: ClientId,
    },
    /// List clients, without their secrets
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Give a client another secret and print it, which is shown this once
    #[command(after_help = AFTER_HELP_ROTATE)]
    Rotate {
        /// Its client_id
        #[arg(value_parser = id)]
        name: ClientId,
        /// How long the secret from before is taken as well: 0s ends it at once
        #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = overlap)]
        overlap: Duration,
        /// Do not ask back
        #[arg(long)]
        yes: bool,
    },
    /// Remove a client; its secrets are over
    Delete {
        /// Its client_id
        #[arg(value_parser = id)]
        name: ClientId,
        /// Do not ask back
        #[arg(long)]
        yes: bool,
    },
}

/// Does it.
pub(super) fn run(command: Clients) -> Result<(), Failure> {
    let visit = Visit::begin(Missing::Refused)?;
    match command {
        Clients::Create { name } => create(&visit, name),
        Clients::List { json } => list(&visit, json),
        Clients::Rotate { name, overlap, yes } => rotate(&visit, name, overlap, yes),
        Clients::Delete { name, yes } => delete(&visit, name, yes),
    }
}

fn create(visit: &Visit, id: ClientId) -> Result<(), Failure> {
    let secret = new_secret()?;
    changed(visit, &id, ClientOperation::Create { id: id.clone(), secret: secret.hash() })?;
    show(&id, &secret)
}

fn rotate(visit: &Visit, id: ClientId, overlap: Duration, yes: bool) -> Result<(), Failure> {
    // Who rotates again because the first answer was lost has the secret from before in use. With --overlap 0s its end is meant.
    if !yes && !overlap.is_zero() {
        agree_to_end_the_former(visit, &id)?;
    }
    let secret = new_secret()?;
    changed(visit, &id, ClientOperation::Rotate { id: id.clone(), secret: secret.hash(), overlap })?;
    show(&id, &secret)
}

/// Asks back where a secret from before is still taken: it has no room beside the one that is replaced now.
fn agree_to_end_the_former(visit: &Visit, id: &ClientId) -> Result<(), Failure> {
    let (clients, now) = (visit.guest.clients()?, Clock::system().now());
    let former = clients.iter().find(|client| client.id == *id).and_then(|client| client.former);
    let Some(former) = former.filter(|former| now < former.until) else { return Ok(()) };
    let question = format!(
        "The secret that {id} had before the last rotation is taken until {}, and would end now.\nRotate again?",
        former.until.to_rfc3339()
    );
    let unasked = "a second rotation ends the secret that was to be taken until then: rotate asks back where there is a terminal, \
                   and needs --yes elsewhere";
    if typed::agreed(&question, unasked)? { Ok(()) } else { Err(Failure::new(format!("{id}: not rotated"))) }
}

fn list(visit: &Visit, json: bool) -> Result<(), Failure> {
    let clients = visit.guest.clients()?;
    if !json {
        answer(&row("CREATED", "ROTATED", "OLD SECRET UNTIL", "CLIENT ID"));
    }
    answer(&clients.iter().map(|client| if json { object(client) } else { line(client) }).collect::<String>());
    Ok(())
}

fn delete(visit: &Visit, id: ClientId, yes: bool) -> Result<(), Failure> {
    let question = format!("Delete the client {id}?");
    if !yes && !typed::agreed(&question, "delete asks back where there is a terminal, and needs --yes elsewhere")? {
        return Err(Failure::new(format!("{id}: not deleted")));
    }
    changed(visit, &id, ClientOperation::Delete(id.clone()))?;
    answer(&format!("{id}: deleted\n"));
    Ok(())
}

fn new_secret() -> Result<ClientSecret, Failure> {
    ClientSecret::generate()
        .map_err(|cause| Failure::new(format!("there is no randomness to make a secret of: {cause}")))
}

fn changed(visit: &Visit, id: &ClientId, operation: ClientOperation) -> Result<(), Failure> {
    let committed = visit.guest.change_clients(vec![operation])?;
    let outcome = committed.outcomes.into_iter().next().unwrap_or(Err(crate::error::Error::Unavailable));
    match outcome.map_err(|error| Failure::about(id, &error))? {
        ClientOutcome::Created | ClientOutcome::Rotated { .. } | ClientOutcome::Deleted => Ok(()),
        ClientOutcome::Taken => Err(Failure::new(format!("{id}: there is a client of this name already"))),
        ClientOutcome::Unknown => Err(Failure::new(format!("{id}: no such client"))),
    }
}

/// After the commit: a secret that was shown is one.
fn show(id: &ClientId, secret: &ClientSecret) -> Result<(), Failure> {
    if answer(&format!("client_id={id}\nclient_secret={}\n", secret.expose())) {
        return Ok(());
    }
    Err(Failure::new(format!("{id}: its new secret could not be shown, and is not kept: rotate it")))
}

/// Wide enough for all but the id, which comes last.
fn row(created: &str, rotated: &str, old_until: &str, id: &str) -> String {
    format!("{created:<24}  {rotated:<24}  {old_until:<24}  {id}\n")
}

/// The members of a line and of an object: times in RFC 3339, or nothing.
#[derive(Serialize)]
struct Shown<'a> {
    client_id: &'a str,
    created_at: String,
    rotated_at: Option<String>,
    old_secret_until: Option<String>,
}

fn shown(client: &RegisteredClient) -> Shown<'_> {
    Shown {
        client_id: client.id.as_str(),
        created_at: client.created_at.to_rfc3339(),
        rotated_at: client.rotated_at.map(|at| at.to_rfc3339()),
        old_secret_until: client.former.map(|former| former.until.to_rfc3339()),
    }
}

fn line(client: &RegisteredClient) -> String {
    let Shown { client_id, created_at, rotated_at, old_secret_until } = shown(client);
    row(&created_at, &rotated_at.unwrap_or_default(), &old_secret_until.unwrap_or_default(), client_id)
}

fn object(client: &RegisteredClient) -> String {
    json_line(&shown(client))
}

fn id(text: &str) -> Result<ClientId, String> {
    let rule = "3 to 64 of a-z 0-9 . -, the first a letter or digit, and not first-party";
    ClientId::parse(text).ok_or_else(|| rule.to_owned())
}

fn overlap(text: &str) -> Result<Duration, String> {
    let overlap = config::duration(text)?;
    if overlap > LONGEST_OVERLAP { Err("longer than 30d".to_owned()) } else { Ok(overlap) }
}
