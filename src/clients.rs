//! Clients that have a secret: resource servers that ask what a token is worth.
//!
//! Owns three rules: what may be a client's id, what its secret is, and when a presented one proves it. A secret is 32
//! random bytes, made here and never chosen, so its SHA-256 tells nobody anything: to find what was hashed is to guess
//! 256 bits. A slow hash is for passwords, and here would let whoever sends wrong secrets keep the service busy
//! (docs/adr/0015-client-secrets.md). Pure but for the randomness; time is a parameter.
//!
//! [`ClientSecret::generate`] -> shown once; [`SecretHash`] -> the table `clients` -> [`Clients`] in memory -> [`Clients::check`]

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::{constant_time, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::TryRng as _;
use rand::rngs::SysRng;
use zeroize::Zeroizing;

use crate::clock::Timestamp;
use crate::tokens::access::FIRST_PARTY;

/// Says what kind of secret this is to people and to secret scanners.
const PREFIX: &str = "lkc_";
/// As many as a key for HMAC-SHA-256 has; nobody guesses one of them.
const SECRET_BYTES: usize = 32;
/// Bytes of a SHA-256.
const HASH_BYTES: usize = 32;
/// Ties the digest to this use: the same text elsewhere has another one.
const HASH_CONTEXT: &[u8] = b"latchkey client secret";
/// Least and greatest length of an id, in characters (all ASCII).
const ID_LENGTH: std::ops::RangeInclusive<usize> = 3..=64;

/// A client's id: 3–64 of `[a-z0-9.-]`, the first a letter or digit. Not a secret, and never like one: secrets have an
/// underscore.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(String);

impl ClientId {
    /// Accepts a well-formed id that is free to be given; that of the client without a secret is not.
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
        let starts_well = text.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric());
        let is_id = starts_well && ID_LENGTH.contains(&text.len()) && text.bytes().all(allowed);
        (is_id && text != FIRST_PARTY).then(|| Self(text.to_owned()))
    }

    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// A new secret on its way out. `Debug` and logs never show it.
pub struct ClientSecret(Zeroizing<String>);

impl ClientSecret {
    /// Makes one. Errors: the operating system has no randomness.
    pub fn generate() -> io::Result<Self> {
        let mut bytes = Zeroizing::new([0_u8; SECRET_BYTES]);
        SysRng.try_fill_bytes(&mut *bytes).map_err(io::Error::other)?;
        // Reserved at once: a string that grows leaves copies behind which nobody wipes.
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + SECRET_BYTES * 2));
        text.push_str(PREFIX);
        URL_SAFE_NO_PAD.encode_string(*bytes, &mut text);
        Ok(Self(text))
    }

    /// The text, for whoever will present it and for nobody else.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    pub fn hash(&self) -> SecretHash {
        SecretHash::of(&self.0)
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("ClientSecret(…)")
    }
}

/// What is kept of a secret.
#[derive(Clone, Copy)]
pub struct SecretHash([u8; HASH_BYTES]);

impl SecretHash {
    fn of(secret: &str) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(HASH_CONTEXT);
        context.update(secret.as_bytes());
        let mut bytes = [0; HASH_BYTES];
        bytes.iter_mut().zip(context.finish().as_ref()).for_each(|(byte, digested)| *byte = *digested);
        Self(bytes)
    }

    /// Of the stored bytes; `None` where these are none.
    pub fn from_stored(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// For the row.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// In constant time: nobody learns how much of a hash was right.
impl PartialEq for SecretHash {
    fn eq(&self, other: &Self) -> bool {
        constant_time::verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl Eq for SecretHash {}

impl fmt::Debug for SecretHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SecretHash(…)")
    }
}

/// A client as storage holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredClient {
    /// What it calls itself.
    pub id: ClientId,
    /// Of its secret.
    pub secret: SecretHash,
    /// The secret before that, after a rotation.
    pub former: Option<FormerSecret>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last given another secret.
    pub rotated_at: Option<Timestamp>,
}

/// A secret that is taken for a while beside the one that replaced it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FormerSecret {
    /// Of it.
    pub hash: SecretHash,
    /// From here on it is none.
    pub until: Timestamp,
}

impl RegisteredClient {
    fn has(&self, presented: &SecretHash, now: Timestamp) -> bool {
        // Both are compared, whichever is right.
        let is_former = self.former.is_some_and(|former| (former.hash == *presented) & (now < former.until));
        (self.secret == *presented) | is_former
    }
}

/// What a pair of id and secret is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// It is this client.
    Proven(ClientId),
    /// There is this client, and it has another secret.
    WrongSecret(ClientId),
    /// There is no such client.
    Unknown,
}

/// All clients, in memory: a copy of the table. Whoever asks shares a lock with nobody but whoever replaces the copy,
/// once in months.
#[derive(Debug, Default)]
pub struct Clients(RwLock<Arc<HashMap<String, RegisteredClient>>>);

impl Clients {
    /// Forgets all that it knew for these.
    pub fn replace(&self, clients: Vec<RegisteredClient>) {
        let clients = clients.into_iter().map(|client| (client.id.as_str().to_owned(), client)).collect();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(clients);
    }

    /// Checks what was presented.
    pub fn check(&self, id: &str, secret: &str, now: Timestamp) -> Proof {
        let presented = SecretHash::of(secret);
        let clients = Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner));
        match clients.get(id) {
            Some(client) if client.has(&presented, now) => Proof::Proven(client.id.clone()),
            Some(client) => Proof::WrongSecret(client.id.clone()),
            None => Proof::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
    const HOUR: Duration = Duration::from_secs(3600);

    fn id(text: &str) -> ClientId {
        ClientId::parse(text).unwrap()
    }

    fn client(name: &str, secret: &ClientSecret) -> RegisteredClient {
        RegisteredClient { id: id(name), secret: secret.hash(), former: None, created_at: NOW, rotated_at: None }
    }

    #[test]
    fn an_id_is_plain_and_neither_like_a_secret_nor_the_client_without_one() {
        let longest = "a".repeat(64);
        for good in ["api", "0rders", "orders.eu-1", longest.as_str()] {
            assert!(ClientId::parse(good).is_some(), "{good}");
        }
        let too_long = "a".repeat(65);
        let secret = ClientSecret::generate().unwrap();
        let bad = [
            "",
            "ab",
            "-api",
            ".api",
            "Api",
            "a b",
            "a:b",
            "a_b",
            "äpi",
            "api\n",
            FIRST_PARTY,
            &too_long,
            secret.expose(),
        ];
        for bad in bad {
            assert_eq!(ClientId::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_secret_is_32_random_bytes_behind_a_prefix_and_not_shown() {
        let (one, other) = (ClientSecret::generate().unwrap(), ClientSecret::generate().unwrap());

        let encoded = one.expose().strip_prefix("lkc_").unwrap();
        assert_eq!(URL_SAFE_NO_PAD.decode(encoded).unwrap().len(), 32);
        assert_ne!(one.expose(), other.expose());
        assert!(!format!("{one:?} {:?}", one.hash()).contains(&encoded[..8]));
    }

    #[test]
    fn a_hash_is_the_digest_that_is_documented() {
        // printf 'latchkey client secretlkc_test' | sha256sum
        let hex: String = SecretHash::of("lkc_test").as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "da755b8786ac9fe6bbbe0a1e3f65e87934744cb840abf96b3c88a6dee826c5d0");
    }

    #[test]
    fn a_client_is_proven_by_its_own_secret_alone() {
        let (orders, billing) = (ClientSecret::generate().unwrap(), ClientSecret::generate().unwrap());
        let clients = Clients::default();
        assert_eq!(clients.check("orders", orders.expose(), NOW), Proof::Unknown);

        clients.replace(vec![client("orders", &orders), client("billing", &billing)]);

        assert_eq!(clients.check("orders", orders.expose(), NOW), Proof::Proven(id("orders")));
        for wrong in [billing.expose(), "", &orders.expose()[..46], &format!("{}A", orders.expose())] {
            assert_eq!(clients.check("orders", wrong, NOW), Proof::WrongSecret(id("orders")), "{wrong}");
        }
        assert_eq!(clients.check("Orders", orders.expose(), NOW), Proof::Unknown);
        clients.replace(vec![client("billing", &billing)]);
        assert_eq!(clients.check("orders", orders.expose(), NOW), Proof::Unknown);
    }

    #[test]
    fn a_former_secret_is_taken_until_its_time_and_not_a_millisecond_longer() {
        let (old, new) = (ClientSecret::generate().unwrap(), ClientSecret::generate().unwrap());
        let former = Some(FormerSecret { hash: old.hash(), until: NOW.plus(HOUR) });
        let clients = Clients::default();
        clients.replace(vec![RegisteredClient { former, ..client("orders", &new) }]);

        let last = NOW.plus(HOUR - Duration::from_millis(1));
        assert_eq!(clients.check("orders", old.expose(), last), Proof::Proven(id("orders")));
        assert_eq!(clients.check("orders", old.expose(), NOW.plus(HOUR)), Proof::WrongSecret(id("orders")));
        assert_eq!(clients.check("orders", new.expose(), NOW.plus(HOUR)), Proof::Proven(id("orders")));
    }
}
