//! What was read before a hash is checked again after it: nothing that an account's change overtook is written.

use futures_util::StreamExt as _;
use futures_util::future::{self, join_all};
use futures_util::stream::FuturesUnordered;
use latchkey::actors::{Account, Client, NewSession, NewUser, PasswordChange};
use latchkey::error::Error;
use latchkey::passwords::{Checked, Hasher};
use latchkey::tokens::grant::Transport;
use latchkey::tokens::principal::{Role, Username};
use latchkey::tokens::refresh::SessionId;

use crate::support::account::password;
use crate::support::{Answer, PASSWORD, TestServer, Tokens};

const ANOTHER: &str = "another password";

/// A login up to where its password was checked: all but the write.
async fn checked_login(server: &TestServer, username: &str) -> NewSession {
    let account = server.account(username).await;
    let permit = server.services.hashing.admit().unwrap();
    let checking = server.services.hashing.check(permit, Some(password(PASSWORD)), Some(account.hash.clone()));
    let Checked::Matches { stronger } = checking.await.unwrap() else { panic!("the password is another") };
    NewSession {
        seen: account.fence(),
        stronger_hash: stronger,
        client: Client::default(),
        transport: Transport::Body,
        reservation: None,
    }
}

/// A password change under this session up to where both hashes were made: all but the write.
async fn change_under(server: &TestServer, tokens: &Tokens, new_password: &str) -> PasswordChange {
    let seen = server.account("alice").await.fence();
    let hash = server.hash_of(new_password).await;
    let asked_by = SessionId(tokens.session_id.parse().unwrap());
    PasswordChange { seen, hash, asked_by, client: Client::default() }
}

/// An account whose hash is of the least cost, on a server that hashes at cost 5.
async fn with_a_cheaper_hash() -> (TestServer, Account) {
    let server = TestServer::with(&[("BCRYPT_COST", "5")]).await;
    let username = Username::parse("alice").unwrap();
    let hash = Hasher::new(4).hash(&password(PASSWORD)).unwrap();
    let account = server.services.users.create(NewUser { username, hash, roles: vec![Role::User] }).await.unwrap();
    (server, account)
}

async fn assert_opens_nothing(server: &TestServer, overtaken: NewSession) {
    let sessions = server.number("SELECT count(*) FROM sessions");
    assert_eq!(server.services.sessions.open(overtaken).await, Err(Error::AccountChanged));
    assert_eq!(server.number("SELECT count(*) FROM sessions"), sessions);
}

#[actix_web::test]
async fn a_login_that_a_password_change_overtook_opens_nothing() {
    let server = TestServer::start().await;
    server.registered("alice").await;
    let overtaken = checked_login(&server, "alice").await;

    server.change_password("alice", ANOTHER).await;

    assert_opens_nothing(&server, overtaken).await;
}

#[actix_web::test]
async fn a_change_to_the_same_password_overtakes_a_login_too() {
    let server = TestServer::start().await;
    server.registered("alice").await;
    let overtaken = checked_login(&server, "alice").await;

    server.change_password("alice", PASSWORD).await;

    assert_opens_nothing(&server, overtaken).await;
}

#[actix_web::test]
async fn a_login_that_a_disable_overtook_opens_nothing_even_when_it_was_undone() {
    let server = TestServer::start().await;
    let login = server.registered("alice").await;
    let overtaken = checked_login(&server, "alice").await;

    server.services.users.set_disabled(login.user_id(), true).await.unwrap();
    assert_opens_nothing(&server, overtaken.clone()).await;
    server.services.users.set_disabled(login.user_id(), false).await.unwrap();

    assert_opens_nothing(&server, overtaken).await;
}

#[actix_web::test]
async fn a_login_that_a_deletion_overtook_opens_nothing_even_when_the_name_was_taken_again() {
    let server = TestServer::start().await;
    let login = server.registered("alice").await;
    let overtaken = checked_login(&server, "alice").await;

    server.services.users.delete(None, login.user_id()).await.unwrap();
    assert_opens_nothing(&server, overtaken.clone()).await;
    let hash = overtaken.seen.hash.clone();
    let namesake = NewUser { username: Username::parse("alice").unwrap(), hash, roles: vec![Role::User] };
    server.services.users.create(namesake).await.unwrap();

    assert_opens_nothing(&server, overtaken).await;
}

#[actix_web::test]
async fn a_login_that_a_role_change_overtook_opens_a_session_with_the_new_roles() {
    let server = TestServer::start().await;
    let login = server.registered("alice").await;
    let overtaken = checked_login(&server, "alice").await;

    server.services.users.set_roles(login.user_id(), vec![Role::Admin]).await.unwrap();

    let grant = server.services.sessions.open(overtaken).await.unwrap().grant;
    assert_eq!(grant.principal.roles, [Role::Admin]);
}

#[actix_web::test]
async fn of_two_password_changes_that_checked_the_same_password_the_first_stands() {
    let server = TestServer::start().await;
    let login = server.registered("alice").await;
    let late = change_under(&server, &login, "a third password").await;
    server.change_password("alice", ANOTHER).await;

    let late = server.services.users.change_password(late).await;

    assert_eq!(late, Err(Error::InvalidToken));
    server.login("alice", ANOTHER).await.tokens();
}

#[actix_web::test]
async fn a_password_change_that_a_disable_overtook_changes_nothing() {
    let server = TestServer::start().await;
    let login = server.registered("alice").await;
    let overtaken = change_under(&server, &login, ANOTHER).await;
    server.services.users.set_disabled(login.user_id(), true).await.unwrap();

    let late = server.services.users.change_password(overtaken.clone()).await;

    assert_eq!(late, Err(Error::InvalidToken));
    assert_eq!(server.account("alice").await.hash, overtaken.seen.hash);
}

#[actix_web::test]
async fn a_password_change_whose_session_ended_meanwhile_changes_nothing() {
    let server = TestServer::start().await;
    let login = server.registered("alice").await;
    let overtaken = change_under(&server, &login, ANOTHER).await;
    server.logout(&login.refresh_token).await;

    let late = server.services.users.change_password(overtaken).await;

    assert_eq!(late, Err(Error::InvalidToken));
    server.login("alice", PASSWORD).await.tokens();
}

#[actix_web::test]
async fn a_deletion_that_a_password_change_overtook_deletes_nothing() {
    let server = TestServer::start().await;
    let login = server.registered("alice").await;
    let seen = server.account("alice").await.fence();
    server.change_password("alice", ANOTHER).await;

    let late = server.services.users.delete_own(seen, SessionId(login.session_id.parse().unwrap())).await;

    assert_eq!(late, Err(Error::InvalidToken));
    server.login("alice", ANOTHER).await.tokens();
}

#[actix_web::test]
async fn a_password_change_that_a_rehash_overtook_is_told_so_and_may_be_tried_again() {
    let (server, _) = with_a_cheaper_hash().await;
    let rehash = checked_login(&server, "alice").await;
    let login = server.services.sessions.open(NewSession { stronger_hash: None, ..rehash.clone() }).await.unwrap();
    let hash = server.hash_of(ANOTHER).await;
    let change = |seen| PasswordChange { seen, hash, asked_by: login.grant.session, client: Client::default() };
    let overtaken = change(rehash.seen.clone());
    server.services.sessions.open(rehash).await.unwrap();

    let late = server.services.users.change_password(overtaken.clone()).await;
    let seen = server.account("alice").await.fence();
    let again = server.services.users.change_password(PasswordChange { seen, ..overtaken }).await;

    assert_eq!(late, Err(Error::AccountChanged));
    again.unwrap();
    server.login("alice", ANOTHER).await.tokens();
}

#[actix_web::test]
async fn a_rehash_that_a_password_change_overtook_is_not_written() {
    let (server, _) = with_a_cheaper_hash().await;
    let overtaken = checked_login(&server, "alice").await;
    assert!(overtaken.stronger_hash.is_some());
    server.change_password("alice", ANOTHER).await;
    let changed = server.account("alice").await.hash;

    assert_opens_nothing(&server, overtaken).await;

    assert_eq!(server.account("alice").await.hash, changed);
}

#[actix_web::test]
async fn logins_at_once_all_succeed_while_the_hash_is_made_stronger() {
    let (server, cheaper) = with_a_cheaper_hash().await;

    let answers = join_all((0..8).map(|_| server.logging_in("alice", PASSWORD))).await;

    for answer in &answers {
        server.assert_signed_in(&answer.tokens().access_token).await;
        server.renewed(&answer.tokens().refresh_token).await;
    }
    let stored = server.account("alice").await.hash;
    assert!(cheaper.hash.expose().starts_with("$2b$04$"), "{}", cheaper.hash.expose());
    assert!(stored.expose().starts_with("$2b$05$"), "{}", stored.expose());
    server.login("alice", PASSWORD).await.tokens();
    assert_eq!(server.account("alice").await.hash, stored);
}

/// Sends logins with one password at once, and begins `change` when so many of them were answered.
async fn race(
    server: &TestServer,
    username: &str,
    password: &str,
    answered_before: usize,
    change: impl Future<Output = Result<(), Error>>,
) -> Vec<Answer> {
    let mut logins: FuturesUnordered<_> = (0..8).map(|_| server.logging_in(username, password)).collect();
    let mut answers = Vec::new();
    for _ in 0..answered_before {
        answers.extend(logins.next().await);
    }
    let (changed, others) = future::join(change, logins.collect::<Vec<_>>()).await;
    changed.unwrap();
    answers.extend(others);
    answers
}

/// Fails unless each login either was refused or opened a session that is over by now.
async fn assert_nothing_lives(server: &TestServer, logins: &[Answer]) {
    for login in logins {
        if login.status == 200 {
            server.assert_over(&login.tokens(), "revoked").await;
        } else {
            login.assert_problem(401, "invalid_credentials");
        }
    }
}

#[actix_web::test]
async fn no_session_that_the_old_password_opened_lives_after_a_password_change() {
    let server = TestServer::with(&[("LOGIN_FAILURES", "off")]).await;
    server.registered("alice").await;
    let mut old = PASSWORD.to_owned();
    for round in 0..16 {
        let new = format!("password number {round}");
        let (seen, hash) = (server.account("alice").await.fence(), server.hash_of(&new).await);

        let change = server.changing_password(seen, hash);
        let logins = race(&server, "alice", &old, round % 8, change).await;

        assert_nothing_lives(&server, &logins).await;
        old = new;
    }
    server.login("alice", &old).await.tokens();
}

#[actix_web::test]
async fn no_session_lives_after_a_disable_or_a_deletion() {
    let server = TestServer::start().await;
    for round in 0..8 {
        let (disabled, deleted) = (format!("disabled{round}"), format!("deleted{round}"));
        let of_disabled = server.registered(&disabled).await.user_id();
        let of_deleted = server.registered(&deleted).await.user_id();

        let disable = server.services.users.set_disabled(of_disabled, true);
        let logins = race(&server, &disabled, PASSWORD, round, disable).await;
        assert_nothing_lives(&server, &logins).await;

        let logins = race(&server, &deleted, PASSWORD, round, server.services.users.delete(None, of_deleted)).await;
        assert_nothing_lives(&server, &logins).await;
    }
}

#[actix_web::test]
async fn a_rehash_that_races_a_password_change_never_brings_the_old_password_back() {
    for round in 0..4 {
        let (server, account) = with_a_cheaper_hash().await;
        let hash = server.hash_of(ANOTHER).await;

        let change = async {
            let changed = server.changing_password(account.fence(), hash.clone()).await;
            // A rehash that came first is a change too; its owner tries again.
            if changed != Err(Error::AccountChanged) {
                return changed;
            }
            server.changing_password(server.account("alice").await.fence(), hash.clone()).await
        };
        let logins = race(&server, "alice", PASSWORD, 2 * round, change).await;

        assert_nothing_lives(&server, &logins).await;
        assert_eq!(server.account("alice").await.hash, hash);
    }
}
