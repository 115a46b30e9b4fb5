//! PocketBase: one binary with an embedded SQLite, as Latchkey is.
//!
//! Its folder is made by its own migrations. Accounts are written into its table of users, with one hash, and their tokens are
//! made with the keys that it made for them, as a login would: HS256 under a user's own key and the collection's secret.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::rest::json;
use super::{Account, Description, Dialect, Missing, Peer, Prepared, Tokens, installed};
use crate::http::{self, Answer, JSON};
use crate::process::{self, Server, free_address};
use crate::seed::{self, PASSWORD};

/// Of `bench/peers`.
const FOLDER: &str = "pocketbase";
/// The collection of users that its first migration makes.
const COLLECTION: &str = "users";
/// How long its tokens are good by default, in seconds.
const GOOD_FOR: u64 = 432_000;

/// The service.
pub struct PocketBase;

struct Ready {
    directory: TempDir,
    accounts: Vec<Account>,
}

fn program() -> PathBuf {
    installed::folder(FOLDER).join(".venv/bin/pocketbase")
}

impl PocketBase {
    /// For the report, and for its limits.
    pub const NAME: &str = "PocketBase";
}

impl Peer for PocketBase {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn rotates(&self) -> bool {
        false
    }

    fn found(&self, cost: u32) -> Result<Description, Missing> {
        installed::check(FOLDER)?;
        let settings = format!(
            "its defaults: SQLite in WAL, its log, no limit of requests; bcrypt at cost {cost}; its login has names by e-mail"
        );
        Ok(Description {
            version: installed::version(&program(), &[])?,
            settings,
            differs: vec![
                "renewal is auth-refresh, which signs another token and stores nothing: the one before stays good",
                "profile reads the caller's own record from the database, and looks their key up for it",
            ],
        })
    }

    fn prepare(&self, ground: &Path, people: usize, cost: u32) -> Result<Box<dyn Prepared>> {
        let directory = tempfile::Builder::new().prefix("pocketbase-").tempdir_in(ground)?;
        let mut migrate = process::command(&program(), &[], directory.path())?;
        migrate.args(["migrate", "up", "--automigrate=false"]).stdout(Stdio::null()).stderr(Stdio::null());
        ensure!(migrate.status()?.success(), "its migrations failed");
        let mut database = Connection::open(directory.path().join("pb_data/data.db"))?;
        let accounts = seed(&mut database, people, cost)?;
        Ok(Box::new(Ready { directory, accounts }))
    }
}

impl Prepared for Ready {
    fn start(&self) -> Result<Server> {
        let address = free_address()?;
        let mut command = process::command(&program(), &[], self.directory.path())?;
        command.args(["serve", "--automigrate=false", "--http", &address.to_string()]);
        Server::start_at(address, command, b"")
    }

    fn directory(&self) -> &Path {
        self.directory.path()
    }

    fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    fn dialect(&self) -> &dyn Dialect {
        &Records
    }
}

/// Writes so many users with one hash of this cost, which is also that of every later one.
fn seed(database: &mut Connection, people: usize, cost: u32) -> Result<Vec<Account>> {
    let hash = bcrypt::hash(PASSWORD, cost)?;
    let expires = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() + GOOD_FOR;
    let transaction = database.transaction()?;
    let field = "SELECT fullkey FROM _collections, json_each(fields) \
                 WHERE name = ?1 AND json_extract(json_each.value, '$.name') = 'password'";
    let field: String = transaction.query_row(field, [COLLECTION], |row| row.get(0))?;
    let set = "UPDATE _collections SET fields = json_set(fields, ?1 || '.cost', ?2) WHERE name = ?3";
    transaction.execute(set, params![field, cost, COLLECTION])?;
    let read = "SELECT id, json_extract(options, '$.authToken.secret') FROM _collections WHERE name = ?1";
    let (collection, secret): (String, String) =
        transaction.query_row(read, [COLLECTION], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut accounts = Vec::with_capacity(people);
    {
        let mut insert = transaction.prepare(
            "INSERT INTO users (id, email, name, password, tokenKey, verified, created, updated) \
             VALUES (?1, ?2, ?3, ?4, ?5, TRUE, strftime('%Y-%m-%d %H:%M:%fZ'), strftime('%Y-%m-%d %H:%M:%fZ'))",
        )?;
        for number in 0..people {
            let (id, name) = (format!("person{number:09}"), seed::name(number));
            let (email, key) = (format!("{name}@bench.example"), format!("{:050x}", rand::random::<u128>()));
            insert.execute(params![id, email, name, hash, key])?;
            let token = Claims { collection_id: &collection, exp: expires, id: &id, refreshable: true, r#type: "auth" }
                .signed(&format!("{key}{secret}"));
            let tokens = Tokens { access: token.clone(), refresh: token };
            accounts.push(Account { username: email, password: PASSWORD.to_owned(), tokens: Some(tokens) });
        }
    }
    transaction.commit()?;
    Ok(accounts)
}

/// Of its tokens.
#[derive(Serialize, Deserialize)]
struct Claims<'a> {
    #[serde(rename = "collectionId")]
    collection_id: &'a str,
    exp: u64,
    id: &'a str,
    refreshable: bool,
    r#type: &'a str,
}

impl Claims<'_> {
    fn signed(&self, key: &str) -> String {
        let [header, claims] = [r#"{"alg":"HS256","typ":"JWT"}"#, &json(self)].map(|part| URL_SAFE_NO_PAD.encode(part));
        let signed = format!("{header}.{claims}");
        let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()), signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// The id of the user to whom a token was given.
fn holder(token: &str) -> Option<String> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    Some(serde_json::from_slice::<Claims<'_>>(&claims).ok()?.id.to_owned())
}

/// Its calls on records.
struct Records;

#[derive(Serialize)]
struct Credentials<'a> {
    identity: &'a str,
    password: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PasswordChange<'a> {
    old_password: &'a str,
    password: &'a str,
    password_confirm: &'a str,
}

#[derive(Deserialize)]
struct Authenticated {
    token: String,
}

#[derive(Deserialize)]
struct Record {
    email: String,
}

impl Dialect for Records {
    fn login(&self, request: &mut Vec<u8>, account: &Account) -> bool {
        let credentials = Credentials { identity: &account.username, password: &account.password };
        http::post(request, "/api/collections/users/auth-with-password", &json(&credentials));
        true
    }

    fn renewal(&self, request: &mut Vec<u8>, refresh: &str) {
        http::write(request, ["POST", "/api/collections/users/auth-refresh"], Some(refresh), None);
    }

    fn profile(&self, request: &mut Vec<u8>, access: &str) {
        http::get(request, &own(access), access);
    }

    fn logout(&self, _: &mut Vec<u8>, _: &Tokens) -> bool {
        false
    }

    fn password_change(&self, request: &mut Vec<u8>, tokens: &Tokens, account: &Account, new: &str) -> bool {
        let body = json(&PasswordChange { old_password: &account.password, password: new, password_confirm: new });
        http::write(request, ["PATCH", &own(&tokens.access)], Some(&tokens.access), Some([JSON, &body]));
        true
    }

    fn tokens(&self, answer: &Answer<'_>, _: Option<&Tokens>) -> Result<Tokens> {
        ensure!(answer.status == 200, "a token was asked for and answered {}", answer.status);
        let Authenticated { token } = serde_json::from_slice(answer.body)?;
        Ok(Tokens { access: token.clone(), refresh: token })
    }

    fn whose(&self, answer: &Answer<'_>) -> Result<String> {
        ensure!(answer.status == 200, "a profile was answered {}", answer.status);
        Ok(serde_json::from_slice::<Record>(answer.body).context("a record")?.email)
    }
}

/// The path of the record of a token's holder; of nobody's, which is answered 404, where it is no token.
fn own(token: &str) -> String {
    format!("/api/collections/users/records/{}", holder(token).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_its_holder_whose_record_is_then_asked_for() {
        let claims = Claims { collection_id: "users", exp: 1, id: "person1", refreshable: true, r#type: "auth" };
        let mut request = Vec::new();
        Records.profile(&mut request, &claims.signed("key"));

        assert!(request.starts_with(b"GET /api/collections/users/records/person1 HTTP/1.1\r\n"));
        assert_eq!(holder("no token"), None);
    }
}
