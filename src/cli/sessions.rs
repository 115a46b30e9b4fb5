//! `latchkey sessions`: who is signed in, and an end to it.
//!
//! Owns what each command says. A server that runs refuses the access tokens of what ended within a second.

use clap::{ArgGroup, Subcommand};
use serde::Serialize;
use uuid::Uuid;

use super::failure::Failure;
use super::visit::{Visit, Who, id};
use super::{answer, json_line};
use crate::error::Error;
use crate::logging;
use crate::storage::sqlite::Missing;
use crate::storage::{Act, EndReason, LiveSession, SessionOperation, SessionOutcome};
use crate::tokens::refresh::SessionId;

/// What can be done to sessions.
#[derive(Debug, Subcommand)]
pub(super) enum Sessions {
    /// List an account's live sessions, the one that was used last first
    List {
        /// Its name, or its id
        #[arg(value_parser = Who::parse)]
        user: Who,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// End one session, or all of an account
    #[command(group = ArgGroup::new("which").required(true).args(["session", "user"]))]
    Revoke {
        /// The session's id, as `sessions list` shows it
        #[arg(value_name = "SESSION-ID", value_parser = id)]
        session: Option<Uuid>,
        /// All sessions of this account: its name, or its id
        #[arg(long, value_parser = Who::parse)]
        user: Option<Who>,
    },
}

/// Does it.
pub(super) fn run(command: Sessions) -> Result<(), Failure> {
    let visit = Visit::begin(Missing::Refused)?;
    match command {
        Sessions::List { user, json } => list(&visit, &user, json),
        Sessions::Revoke { session: Some(session), .. } => revoke(&visit, SessionId(session)),
        Sessions::Revoke { user: Some(user), .. } => revoke_all(&visit, &user),
        Sessions::Revoke { session: None, user: None } => Err(Failure::argument("which session?")),
    }
}

fn list(visit: &Visit, user: &Who, json: bool) -> Result<(), Failure> {
    let account = visit.account(user)?;
    let live = visit.guest.live_sessions(account.principal.id)?;
    if !json {
        answer(&row("ID", "CREATED", "LAST USED", "EXPIRES", "IP", "USER AGENT"));
    }
    answer(&live.iter().map(|session| if json { object(session) } else { line(session) }).collect::<String>());
    Ok(())
}

/// Wide enough for an IPv4 address; the user agent comes last.
fn row(id: &str, created: &str, last_used: &str, expires: &str, ip: &str, user_agent: &str) -> String {
    let row = format!("{id:<36}  {created:<24}  {last_used:<24}  {expires:<24}  {ip:<15}  {user_agent}");
    format!("{}\n", row.trim_end())
}

fn line(session: &LiveSession) -> String {
    row(
        &session.id.to_string(),
        &session.created_at.to_rfc3339(),
        &session.last_used_at.to_rfc3339(),
        &session.expires_at.to_rfc3339(),
        session.ip.as_deref().unwrap_or_default(),
        // What a client chose to call itself must not steer the terminal of whoever reads it.
        &logging::escaped(session.user_agent.as_deref().unwrap_or_default()),
    )
}

/// The members of the API's list.
#[derive(Serialize)]
struct Shown<'a> {
    id: Uuid,
    created_at: String,
    last_used_at: String,
    expires_at: String,
    user_agent: Option<&'a str>,
    ip: Option<&'a str>,
}

fn object(session: &LiveSession) -> String {
    json_line(&Shown {
        id: session.id.0,
        created_at: session.created_at.to_rfc3339(),
        last_used_at: session.last_used_at.to_rfc3339(),
        expires_at: session.expires_at.to_rfc3339(),
        user_agent: session.user_agent.as_deref(),
        ip: session.ip.as_deref(),
    })
}

fn revoke(visit: &Visit, session: SessionId) -> Result<(), Failure> {
    let operation = SessionOperation::End { session, reason: EndReason::Administrator };
    let (committed, _) = visit.guest.sessions(vec![operation])?;
    let outcome = committed.outcomes.into_iter().next().unwrap_or(Err(Error::Unavailable));
    let ended = outcome.map_err(|error| Failure::about(&session, &error))?;
    if let SessionOutcome::Ended { session: Some(_) } = ended {
        answer(&format!("{session}: over\n"));
        return Ok(());
    }
    Err(Failure::new(format!("{session}: no session of this id, or over already")))
}

fn revoke_all(visit: &Visit, user: &Who) -> Result<(), Failure> {
    let account = visit.account(user)?;
    visit.administer(&account, Act::EndSessions)?;
    answer(&format!("{}: every session is over\n", account.principal.username));
    Ok(())
}
