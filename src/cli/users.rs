//! `latchkey users`: accounts, past the API.
//!
//! Owns what each command does and says; the rules of accounts are those of the API: names, the password policy, the cost of
//! hashing, and that an admin stays.
//!
//! arguments -> [`Visit`] -> one operation -> a line

use std::path::PathBuf;

use clap::Subcommand;
use serde::Serialize;
use uuid::Uuid;

use super::failure::Failure;
use super::visit::{Visit, Who, distinct, name, role};
use super::{answer, import, typed};
use crate::error::Error;
use crate::passwords::{Hasher, Policy};
use crate::storage::sqlite::{Listed, Missing};
use crate::storage::{AccountChange, Act, NewUser, UserOperation, UserOutcome};
use crate::tokens::principal::{Role, UserId, Username};

/// Accounts that are read at once: a reader keeps the server's log from starting over.
const PAGE: usize = 500;

const AFTER_HELP_IMPORT: &str = "\
Hashes are $2a$, $2b$ or $2y$ as Express, Laravel and Supabase keep them, or
bcrypt$$2b$ as Django does, at a cost of 4 to BCRYPT_COST+1: a dearer one would
occupy a thread for long with every login. Without roles an account has `user`.

Passwords of more than 72 bytes, or hashed in another form than Unicode's NFC,
cannot log in. Nothing in a hash tells, so such a line is imported.

Short batches with pauses between them leave room for a server that runs. It may
be broken off and run again: what is there already stays as it is.

Prints each refused line with its reason, and never a hash. Exit codes: 0 all
lines are there now, 1 failed or a line was refused, 2 wrong argument, 78 a
setting was refused.";

/// What can be done to accounts.
#[derive(Debug, Subcommand)]
pub(super) enum Users {
    /// Add an account, and print its id
    #[command(after_help = "\
The password is asked for, twice; where standard input is no terminal, it is
its first line. PASSWORD_POLICY and BCRYPT_COST apply. The first account may be
added before the server runs for the first time.")]
    Create {
        /// The name it logs in with, unique whatever the case
        #[arg(value_parser = name)]
        name: Username,
        /// What it may do: user or admin; may be repeated [default: user]
        #[arg(long = "role", value_name = "ROLE", value_parser = role)]
        roles: Vec<Role>,
    },
    /// List the accounts, the oldest first
    List {
        /// Only those whose name contains this, whatever the case
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        query: String,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Lock an account out, and end every session of it
    Disable {
        /// Its name, or its id
        #[arg(value_parser = Who::parse)]
        user: Who,
    },
    /// Let an account in again
    Enable {
        /// Its name, or its id
        #[arg(value_parser = Who::parse)]
        user: Who,
    },
    /// Replace an account's roles; its sessions live on
    SetRoles {
        /// Its name, or its id
        #[arg(value_parser = Who::parse)]
        user: Who,
        /// All that it may do: user, admin
        #[arg(value_name = "ROLE", value_parser = role, required = true)]
        roles: Vec<Role>,
    },
    /// Remove an account and end every session of it; the name is free then
    Delete {
        /// Its name, or its id
        #[arg(value_parser = Who::parse)]
        user: Who,
        /// Do not ask back
        #[arg(long)]
        yes: bool,
    },
    /// Add accounts from elsewhere, with their bcrypt hashes
    #[command(after_help = AFTER_HELP_IMPORT)]
    Import {
        /// JSON Lines: {"username", "password_hash", "roles"?} on each
        file: PathBuf,
        /// Only look what would become of each line
        #[arg(long)]
        dry_run: bool,
    },
}

/// Does it.
pub(super) fn run(command: Users) -> Result<(), Failure> {
    match command {
        Users::Create { name, roles } => create(name, roles),
        Users::List { query, json } => list(&query, json),
        Users::Disable { user } => set_disabled(&user, true),
        Users::Enable { user } => set_disabled(&user, false),
        Users::SetRoles { user, roles } => set_roles(&user, roles),
        Users::Delete { user, yes } => delete(&user, yes),
        Users::Import { file, dry_run } => import::run(&file, dry_run),
    }
}

/// A name that is taken is told before a password is typed for it, and the database has the last word.
fn create(name: Username, roles: Vec<Role>) -> Result<(), Failure> {
    let visit = Visit::begin(Missing::Made)?;
    if let UserOutcome::Found(Some(_)) = visit.user(&name, UserOperation::Find(name.clone()))? {
        return Err(Failure::about(&name, &Error::UsernameTaken));
    }
    let password = typed::password()?;
    let policy = Policy::from(visit.settings.password_policy);
    let password = policy.accept(&password, &name).map_err(|refusal| Failure::about(&name, &refusal))?;
    let hash = Hasher::new(visit.settings.bcrypt_cost).hash(&password);
    let hash = hash.map_err(|failure| Failure::about(&name, &failure))?;
    let roles = if roles.is_empty() { vec![Role::User] } else { distinct(roles) };
    if let UserOutcome::Created(account) =
        visit.user(&name, UserOperation::Create(NewUser { username: name.clone(), hash, roles }))?
    {
        answer(&format!("{}\n", account.principal.id));
    }
    Ok(())
}

/// Page by page, so that the list is as long as it likes.
fn list(query: &str, json: bool) -> Result<(), Failure> {
    let visit = Visit::begin(Missing::Refused)?;
    let mut after = UserId(Uuid::nil());
    if !json {
        answer(&row("ID", "CREATED", "STATE", "SESSIONS", "ROLES", "USERNAME"));
    }
    loop {
        let page = visit.guest.accounts(after, query, PAGE)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.id;
        // Who closed standard output has seen enough.
        if !answer(&page.iter().map(|account| if json { object(account) } else { line(account) }).collect::<String>()) {
            return Ok(());
        }
    }
}

/// Wide enough for all but the name, which comes last.
fn row(id: &str, created: &str, state: &str, sessions: &str, roles: &str, name: &str) -> String {
    format!("{id:<36}  {created:<24}  {state:<8}  {sessions:>8}  {roles:<10}  {name}\n")
}

fn line(account: &Listed) -> String {
    row(
        &account.id.to_string(),
        &account.created_at.to_rfc3339(),
        if account.disabled { "disabled" } else { "enabled" },
        &account.sessions.to_string(),
        &account.roles.join(","),
        &account.username,
    )
}

/// The members of the API's list.
#[derive(Serialize)]
struct Shown<'a> {
    id: UserId,
    username: &'a str,
    roles: &'a [String],
    disabled: bool,
    created_at: String,
    sessions: u32,
}

fn object(account: &Listed) -> String {
    let Listed { id, username, roles, disabled, created_at, sessions } = account;
    let created_at = created_at.to_rfc3339();
    super::json_line(&Shown { id: *id, username, roles, disabled: *disabled, created_at, sessions: *sessions })
}

fn set_disabled(user: &Who, disabled: bool) -> Result<(), Failure> {
    let visit = Visit::begin(Missing::Refused)?;
    let account = visit.account(user)?;
    let name = &account.principal.username;
    // Enabling ends sessions as well, and an account that is enabled should keep its own.
    if account.disabled == disabled {
        answer(&format!("{name}: {} already\n", if disabled { "disabled" } else { "enabled" }));
        return Ok(());
    }
    visit.administer(&account, Act::Change(AccountChange { disabled: Some(disabled), roles: None }))?;
    answer(&format!("{name}: {}\n", if disabled { "disabled, and every session is over" } else { "enabled" }));
    Ok(())
}

fn set_roles(user: &Who, roles: Vec<Role>) -> Result<(), Failure> {
    let visit = Visit::begin(Missing::Refused)?;
    let account = visit.account(user)?;
    let roles = distinct(roles);
    let names = roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", ");
    visit.administer(&account, Act::Change(AccountChange { roles: Some(roles), disabled: None }))?;
    answer(&format!("{}: {names}\n", account.principal.username));
    Ok(())
}

fn delete(user: &Who, yes: bool) -> Result<(), Failure> {
    let visit = Visit::begin(Missing::Refused)?;
    let account = visit.account(user)?;
    let (name, id) = (&account.principal.username, account.principal.id);
    let question = format!("Delete {name} ({id}), with every session?");
    if !yes && !typed::agreed(&question, "delete asks back where there is a terminal, and needs --yes elsewhere")? {
        return Err(Failure::new(format!("{name}: not deleted")));
    }
    visit.administer(&account, Act::Delete)?;
    answer(&format!("{name}: deleted, and every session is over\n"));
    Ok(())
}
