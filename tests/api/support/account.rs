//! Accounts and sessions beyond the calls of the API: through the actors' handles, and through the rows.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use latchkey::actors::{Account, Client, Fence, NewSession, NewUser, PasswordChange};
use latchkey::clock::Timestamp;
use latchkey::error::Error;
use latchkey::passwords::{Password, PasswordHash, Submitted};
use latchkey::tokens::grant::Transport;
use latchkey::tokens::principal::{Role, UserId, Username};
use latchkey::tokens::refresh::{Generation, SessionId};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Answer, PASSWORD, TestServer, Tokens};

impl TestServer {
    /// The account with this name, which must exist.
    pub async fn account(&self, username: &str) -> Account {
        let found = self.services.users.find(Username::parse(username).unwrap()).await;
        found.unwrap().expect("an account")
    }

    /// A new hash at the server's cost.
    pub async fn hash_of(&self, new_password: &str) -> PasswordHash {
        let permit = self.services.hashing.admit().unwrap();
        self.services.hashing.hash(permit, password(new_password)).await.unwrap()
    }

    /// Sets a new password and ends every session, as the owner of the account does.
    pub async fn change_password(&self, username: &str, new_password: &str) {
        let hash = self.hash_of(new_password).await;
        let seen = self.account(username).await.fence();
        self.changing_password(seen, hash).await.unwrap();
    }

    /// What a password change comes to once its hashes are made, asked for under a session that is opened for it.
    pub async fn changing_password(&self, seen: Fence, hash: PasswordHash) -> Result<(), Error> {
        let session = NewSession {
            seen: seen.clone(),
            stronger_hash: None,
            client: Client::default(),
            transport: Transport::Body,
            reservation: None,
        };
        let asked_by = self.services.sessions.open(session).await?.grant.session;
        let change = PasswordChange { seen, hash, asked_by, client: Client::default() };
        self.services.users.change_password(change).await.map(|_| ())
    }

    /// `PUT /api/password` as the bearer of this, as a future of its own.
    pub fn putting_password(&self, bearer: &str, current: &str, new: &str) -> impl Future<Output = Answer> + use<> {
        let body = json!({"current_password": current, "new_password": new});
        Answer::of(self.request(Method::PUT, "/api/password").bearer_auth(bearer).json(&body))
    }

    /// `POST /api/delete_account` as the bearer of this, as a future of its own.
    pub fn deleting_account(&self, bearer: &str, password: &str) -> impl Future<Output = Answer> + use<> {
        let request = self.request(Method::POST, "/api/delete_account").bearer_auth(bearer);
        Answer::of(request.json(&json!({ "password": password })))
    }

    /// A session that is opened as a login does whose hash needs no change; its access token.
    pub async fn open_session(&self, username: &str) -> String {
        let seen = self.account(username).await.fence();
        let session = NewSession {
            seen,
            stronger_hash: None,
            client: Client::default(),
            transport: Transport::Body,
            reservation: None,
        };
        let opened = self.services.sessions.open(session).await.unwrap();
        self.services.keys.now().access.mint(&opened.grant).unwrap().text
    }

    /// An account with a hash that is there already: many are made without a hash for each.
    pub async fn create(&self, username: &str, hash: PasswordHash) {
        let username = Username::parse(username).unwrap();
        self.services.users.create(NewUser { username, hash, roles: vec![Role::User] }).await.unwrap();
    }

    /// Somebody who is signed in with the role `admin`.
    pub async fn admin(&self, username: &str) -> Tokens {
        let tokens = self.registered(username).await;
        self.services.users.set_roles(tokens.user_id(), vec![Role::User, Role::Admin]).await.unwrap();
        self.renewed(&tokens.refresh_token).await
    }

    /// A call of the admin API, with a body where there is one.
    pub async fn as_admin(&self, admin: &Tokens, method: Method, path: &str, body: Option<Value>) -> Answer {
        let request = self.request(method, &format!("/api/admin/users{path}")).bearer_auth(&admin.access_token);
        Answer::of(if let Some(body) = body { request.json(&body) } else { request }).await
    }

    /// `PATCH /api/admin/users/{id}`.
    pub async fn patched(&self, admin: &Tokens, user: UserId, change: Value) -> Answer {
        self.as_admin(admin, Method::PATCH, &format!("/{user}"), Some(change)).await
    }

    /// Another session of a user of [`TestServer::registered`].
    pub async fn logged_in(&self, username: &str) -> Tokens {
        self.login(username, PASSWORD).await.tokens()
    }

    /// What a renewal that must succeed is given.
    pub async fn renewed(&self, refresh_token: &str) -> Tokens {
        self.refresh(refresh_token).await.tokens()
    }

    pub async fn logout(&self, refresh_token: &str) {
        let answer = self.post("/api/logout", &json!({ "refresh_token": refresh_token })).await;
        assert_eq!(answer.status, 204, "{}", answer.raw);
    }

    /// Fails unless the access token opens protected calls.
    pub async fn assert_signed_in(&self, access_token: &str) {
        let answer = self.get_with("/api/profile", access_token).await;
        assert_eq!(answer.status, 200, "{}", answer.raw);
    }

    /// Fails unless the access token is refused.
    pub async fn assert_signed_out(&self, access_token: &str) {
        self.get_with("/api/profile", access_token).await.assert_problem(401, "invalid_token");
    }

    /// Fails unless the access token opens protected calls and the refresh token renews.
    pub async fn assert_alive(&self, tokens: &Tokens) {
        self.assert_signed_in(&tokens.access_token).await;
        self.renewed(&tokens.refresh_token).await;
    }

    /// Fails unless the access token is refused, and the refresh token for this reason.
    pub async fn assert_over(&self, tokens: &Tokens, reason: &str) {
        self.assert_signed_out(&tokens.access_token).await;
        self.refresh(&tokens.refresh_token).await.assert_refused(reason);
    }

    /// The authentic token of any generation of a session.
    pub fn token_of(&self, session_id: &str, generation: u32) -> String {
        self.token_made_at(session_id, generation, self.services.clock.now())
    }

    /// The same under the key that signed at this time.
    pub fn token_made_at(&self, session_id: &str, generation: u32, made_at: Timestamp) -> String {
        let session = SessionId(session_id.parse().unwrap());
        let (keys, generation) = (self.services.keys.now(), Generation::new(generation).unwrap());
        keys.refresh.mint(session, generation, made_at).unwrap().expose().to_owned()
    }

    /// `POST /api/refresh_token` as a future of its own, for many at once.
    pub fn refreshing(&self, refresh_token: &str) -> impl Future<Output = Answer> + use<> {
        let body = json!({ "refresh_token": refresh_token });
        Answer::of(self.request(Method::POST, "/api/refresh_token").json(&body))
    }

    /// `POST /api/login` as a future of its own, for many at once.
    pub fn logging_in(&self, username: &str, password: &str) -> impl Future<Output = Answer> + use<> {
        let body = json!({"username": username, "password": password});
        Answer::of(self.request(Method::POST, "/api/login").json(&body))
    }
}

impl Tokens {
    /// Whose tokens these are.
    pub fn user_id(&self) -> UserId {
        UserId(claims(&self.access_token)["sub"].as_str().unwrap().parse().unwrap())
    }
}

/// What an access token says; its signature is not looked at.
pub fn claims(access_token: &str) -> Value {
    let claims = access_token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}

/// A password that satisfies what bcrypt needs.
pub fn password(text: &str) -> Password {
    Password::parse(&Submitted::new(text.to_owned())).unwrap()
}
