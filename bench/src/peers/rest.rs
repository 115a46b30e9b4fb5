//! The calls of the tutorials, which Latchkey has too: JSON in, JSON out, below `/api`.

use std::borrow::Cow;

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use super::{Account, Dialect, Tokens};
use crate::http::{self, Answer, JSON};

/// How they are spoken.
pub struct Rest {
    /// Whether there is `PUT /api/password`.
    pub changes_passwords: bool,
}

/// What is sent at a login.
#[derive(Serialize)]
pub struct Credentials<'a> {
    username: &'a str,
    password: &'a str,
}

impl<'a> Credentials<'a> {
    /// Somebody's own.
    pub fn of(account: &'a Account) -> Self {
        Self { username: &account.username, password: &account.password }
    }
}

#[derive(Serialize)]
struct Renewal<'a> {
    refresh_token: &'a str,
}

#[derive(Serialize)]
struct PasswordChange<'a> {
    current_password: &'a str,
    new_password: &'a str,
}

#[derive(Deserialize)]
struct Given<'a> {
    #[serde(borrow)]
    access_token: Cow<'a, str>,
    #[serde(borrow)]
    refresh_token: Cow<'a, str>,
}

/// What is looked at of a profile.
#[derive(Deserialize)]
pub struct Profile {
    /// The caller.
    pub user: User,
}

/// Somebody.
#[derive(Deserialize)]
pub struct User {
    /// As they log in.
    pub username: String,
}

impl Dialect for Rest {
    fn login(&self, request: &mut Vec<u8>, account: &Account) -> bool {
        http::post(request, "/api/login", &json(&Credentials::of(account)));
        true
    }

    fn renewal(&self, request: &mut Vec<u8>, refresh: &str) {
        http::post(request, "/api/refresh_token", &json(&Renewal { refresh_token: refresh }));
    }

    fn profile(&self, request: &mut Vec<u8>, access: &str) {
        http::get(request, "/api/profile", access);
    }

    fn logout(&self, request: &mut Vec<u8>, tokens: &Tokens) -> bool {
        http::post(request, "/api/logout", &json(&Renewal { refresh_token: &tokens.refresh }));
        true
    }

    fn password_change(&self, request: &mut Vec<u8>, tokens: &Tokens, account: &Account, new: &str) -> bool {
        if self.changes_passwords {
            let body = json(&PasswordChange { current_password: &account.password, new_password: new });
            http::write(request, ["PUT", "/api/password"], Some(&tokens.access), Some([JSON, &body]));
        }
        self.changes_passwords
    }

    fn tokens(&self, answer: &Answer<'_>, _: Option<&Tokens>) -> Result<Tokens> {
        ensure!(answer.status == 200, "tokens were asked for and answered {}", answer.status);
        let given: Given<'_> = serde_json::from_slice(answer.body)?;
        Ok(Tokens { access: given.access_token.into_owned(), refresh: given.refresh_token.into_owned() })
    }

    fn whose(&self, answer: &Answer<'_>) -> Result<String> {
        ensure!(answer.status == 200, "a profile was answered {}", answer.status);
        let profile: Profile = serde_json::from_slice(answer.body).context("a profile")?;
        Ok(profile.user.username)
    }
}

/// What is sent here is strings in members, which can always be written.
pub fn json(body: &impl Serialize) -> String {
    serde_json::to_string(body).unwrap_or_default()
}
