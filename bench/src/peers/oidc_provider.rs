//! oidc-provider: an issuer of OpenID Connect for Node, with an adapter over a Map (`bench/peers/oidc-provider`).

use std::borrow::Cow;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use super::{Account, Description, Dialect, Missing, Peer, Prepared, Tokens, node};
use crate::http::{self, Answer};

/// Of `bench/peers`.
const FOLDER: &str = "oidc-provider";
const FORM: &str = "application/x-www-form-urlencoded";

/// The issuer.
pub struct OidcProvider;

impl Peer for OidcProvider {
    fn name(&self) -> &'static str {
        "oidc-provider"
    }

    fn rotates(&self) -> bool {
        true
    }

    fn found(&self, _: u32) -> Result<Description, Missing> {
        Ok(Description {
            version: format!("{} (it asks for 22 or newer)", node::versions(FOLDER, &["oidc-provider"])?),
            settings: "NODE_ENV=production, one process, rotateRefreshToken, a public client; it hashes nothing"
                .to_owned(),
            differs: vec![
                "its adapter is a Map of ours, which flatters it: the one it brings is for development, and drops entries",
                "a renewal also signs an ID token (ES256); profile is userinfo, with an opaque access token",
                "a login is pages of the integrator's own, and is not compared",
            ],
        })
    }

    fn prepare(&self, ground: &Path, people: usize, cost: u32) -> Result<Box<dyn Prepared>> {
        node::prepare(FOLDER, &OpenId, ground, (people, cost))
    }
}

/// The calls of the standard.
struct OpenId;

#[derive(Deserialize)]
struct Granted<'a> {
    #[serde(borrow)]
    access_token: Cow<'a, str>,
    #[serde(borrow)]
    refresh_token: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct UserInfo {
    sub: String,
}

/// Tokens are of letters that a form needs not escape.
fn post(request: &mut Vec<u8>, path: &str, body: &str) {
    http::write(request, ["POST", path], None, Some([FORM, body]));
}

impl Dialect for OpenId {
    fn login(&self, _: &mut Vec<u8>, _: &Account) -> bool {
        false
    }

    fn renewal(&self, request: &mut Vec<u8>, refresh: &str) {
        post(request, "/token", &format!("grant_type=refresh_token&client_id=bench&refresh_token={refresh}"));
    }

    fn profile(&self, request: &mut Vec<u8>, access: &str) {
        http::get(request, "/me", access);
    }

    fn logout(&self, request: &mut Vec<u8>, tokens: &Tokens) -> bool {
        let token = &tokens.refresh;
        post(request, "/token/revocation", &format!("client_id=bench&token_type_hint=refresh_token&token={token}"));
        true
    }

    fn password_change(&self, _: &mut Vec<u8>, _: &Tokens, _: &Account, _: &str) -> bool {
        false
    }

    fn tokens(&self, answer: &Answer<'_>, before: Option<&Tokens>) -> Result<Tokens> {
        ensure!(answer.status == 200, "tokens were asked for and answered {}", answer.status);
        let granted: Granted<'_> = serde_json::from_slice(answer.body)?;
        // RFC 6749 §6: without a new one, the old one goes on.
        let refresh = granted.refresh_token.map(Cow::into_owned).or_else(|| Some(before?.refresh.clone()));
        Ok(Tokens { access: granted.access_token.into_owned(), refresh: refresh.context("no refresh token")? })
    }

    fn whose(&self, answer: &Answer<'_>) -> Result<String> {
        ensure!(answer.status == 200, "userinfo was answered {}", answer.status);
        Ok(serde_json::from_slice::<UserInfo>(answer.body).context("userinfo")?.sub)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_without_a_refresh_token_leaves_the_one_that_was_sent() {
        let before = Tokens { access: "a".to_owned(), refresh: "b".to_owned() };
        let tokens = |body: &str, before| {
            OpenId.tokens(&Answer { status: 200, head: b"", body: body.as_bytes(), retry_after: None }, before)
        };
        let both = |access: &str, refresh: &str| Tokens { access: access.to_owned(), refresh: refresh.to_owned() };

        assert_eq!(tokens(r#"{"access_token":"c"}"#, Some(&before)).unwrap(), both("c", "b"));
        let answer = r#"{"access_token":"c","refresh_token":"d"}"#;
        assert_eq!(tokens(answer, Some(&before)).unwrap(), both("c", "d"));
        assert!(tokens(r#"{"access_token":"c"}"#, None).is_err());
    }
}
