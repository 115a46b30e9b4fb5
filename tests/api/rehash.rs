//! Hashes that are cheaper than today's, our own and imported ones. Work is counted in rounds, never timed.

use crate::support::{PASSWORD, TestServer};

/// What the server costs in these tests; every hash below is cheaper.
const COST: &str = "8";
const TODAYS: u64 = 1 << 8;
/// Hashes that others made and printed: password, hash, rounds. The first is from the tests of crypt_blowfish, the second
/// from the manual of PHP's `crypt`.
const IMPORTED: [(&str, &str, u64); 2] = [
    ("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", 1 << 5),
    ("rasmuslerdorf", "$2y$07$usesomesillystringfore2uDLvp1Ii2e./U9C8sBjqp8I90dH6hi", 1 << 7),
];

impl TestServer {
    /// Gives an account a hash from elsewhere, as an import does.
    fn import(&self, username: &str, hash: &str) {
        let set = "UPDATE users SET password_hash = ?2 WHERE username_key = ?1";
        assert_eq!(self.rows_to_change().execute(set, [username, hash]).unwrap(), 1);
    }

    fn stored_hash(&self, username: &str) -> String {
        let query = "SELECT password_hash FROM users WHERE username_key = ?1";
        self.rows().query_row(query, [username], |row| row.get(0)).unwrap()
    }

    /// The rounds of a login, and its status.
    async fn work_of_login(&self, username: &str, password: &str) -> (u64, u16) {
        let before = self.hasher.rounds();
        let answer = self.login(username, password).await;
        (self.hasher.rounds() - before, answer.status)
    }
}

#[actix_web::test]
async fn an_imported_hash_opens_a_session_and_is_made_todays_once() {
    let server = TestServer::with(&[("BCRYPT_COST", COST)]).await;
    server.registered("alice").await;
    for (password, hash, rounds) in IMPORTED {
        server.import("alice", hash);

        assert_eq!(server.work_of_login("alice", password).await, (rounds + TODAYS, 200), "{hash}");

        let stored = server.stored_hash("alice");
        assert!(stored.starts_with("$2b$08$"), "{stored}");
        assert_eq!(server.work_of_login("alice", password).await, (TODAYS, 200), "{hash}");
        assert_eq!(server.stored_hash("alice"), stored);
    }
}

#[actix_web::test]
async fn a_wrong_password_costs_the_same_whatever_the_hash_and_changes_none() {
    let server = TestServer::with(&[("BCRYPT_COST", COST)]).await;
    server.registered("alice").await;
    let todays = server.stored_hash("alice");
    let unknown = server.work_of_login("nobody", PASSWORD).await;
    assert_eq!(unknown, (TODAYS, 401));
    for hash in IMPORTED.map(|(_, hash, _)| hash).into_iter().chain([todays.as_str(), "not a hash", "$2b$08$cut short"])
    {
        server.import("alice", hash);

        assert_eq!(server.work_of_login("alice", "wrong horse battery").await, unknown, "{hash}");

        assert_eq!(server.stored_hash("alice"), hash);
    }
}

#[actix_web::test]
async fn an_imported_hash_of_todays_cost_stays_as_it_is() {
    let server = TestServer::with(&[("BCRYPT_COST", "5")]).await;
    server.registered("alice").await;
    let (password, hash, rounds) = IMPORTED[0];
    server.import("alice", hash);

    assert_eq!(server.work_of_login("alice", password).await, (rounds, 200));

    assert_eq!(server.stored_hash("alice"), hash);
}

#[actix_web::test]
async fn a_rehash_ends_no_session() {
    let server = TestServer::start().await;
    let before = server.registered("alice").await;
    let server = server.restart_with(|settings| settings.bcrypt_cost = 5).await;

    server.logged_in("alice").await;

    assert!(server.stored_hash("alice").starts_with("$2b$05$"));
    server.assert_signed_in(&before.access_token).await;
    server.renewed(&before.refresh_token).await;
}

#[actix_web::test]
async fn a_lowered_cost_makes_no_hash_weaker() {
    let server = TestServer::with(&[("BCRYPT_COST", "6")]).await;
    server.registered("alice").await;
    let stored = server.stored_hash("alice");
    let server = server.restart_with(|settings| settings.bcrypt_cost = 4).await;

    assert_eq!(server.work_of_login("alice", PASSWORD).await, (1 << 6, 200));

    assert_eq!(server.stored_hash("alice"), stored);
}
