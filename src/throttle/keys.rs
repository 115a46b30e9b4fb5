//! What names and addresses are called in storage.
//!
//! Owns one rule: the table of failures holds nothing that can be read back. People type passwords into the name field, and
//! a plain digest of one is guessed in no time; so a key is a MAC, under a key that is not in the database.

use std::net::IpAddr;

use aws_lc_rs::hmac;

use super::origin::network;
use super::{Attempt, Origin, StandsFor};
use crate::config::Secret;
use crate::tokens::principal::Username;

/// Ties the derived key to this use: what is counted says nothing about tokens.
const CONTEXT: &[u8] = b"latchkey login failures";
/// Two of a hundred thousand names share a key with a probability of 2^-95.
const KEY_BYTES: usize = 16;

/// The first byte of what a key is made of, so that no name can be spelt to share a counter with something else.
const ACCOUNT: u8 = 1;
const ADDRESS: u8 = 2;
const PAIR: u8 = 3;

/// The name of a counter or of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key([u8; KEY_BYTES]);

impl Key {
    /// As it stands in storage.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Any name, for tests of what does not care how it came about.
    pub const fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }
}

/// Makes keys. Another secret forgets all counters.
pub struct Keys(hmac::Key);

impl Keys {
    /// Derives the key from a secret that nobody else is given.
    pub fn new(secret: &Secret) -> Self {
        let derived = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.expose()), CONTEXT);
        Self(hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()))
    }

    /// An attempt to log in to the account with this name, be it one that nobody can have.
    pub fn attempt(&self, name: &str, origin: Origin) -> Attempt {
        let account = name.to_ascii_lowercase();
        let address = match origin.ip.map(network) {
            Some(IpAddr::V4(ip)) => ip.to_ipv6_mapped().octets(),
            Some(IpAddr::V6(ip)) => ip.octets(),
            // Where nobody knows the address, all of them are one.
            None => [0; 16],
        };
        Attempt {
            name: Username::parse(name).ok(),
            account: self.key(ACCOUNT, &[], account.as_bytes()),
            address: self.key(ADDRESS, &address, &[]),
            pair: self.key(PAIR, &address, account.as_bytes()),
            from: if origin.ip.is_some() { origin.stands_for } else { StandsFor::Many },
        }
    }

    /// The address has a fixed length or is absent, so no two questions have one answer.
    fn key(&self, kind: u8, address: &[u8], name: &[u8]) -> Key {
        let mut mac = hmac::Context::with_key(&self.0);
        mac.update(&[kind]);
        mac.update(address);
        mac.update(name);
        let mut key = [0; KEY_BYTES];
        key.iter_mut().zip(mac.sign().as_ref()).for_each(|(byte, of_mac)| *byte = *of_mac);
        Key(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(name: &str, ip: &str) -> Attempt {
        let secret = Secret::new(b"0123456789abcdef0123456789abcdef".to_vec());
        Keys::new(&secret).attempt(name, Origin { ip: ip.parse().ok(), stands_for: StandsFor::Client })
    }

    fn keys(name: &str, ip: &str) -> [Key; 3] {
        let attempt = attempt(name, ip);
        [attempt.pair, attempt.account, attempt.address]
    }

    #[test]
    fn a_name_is_one_in_any_case_and_an_address_in_any_spelling() {
        assert_eq!(keys("Alice", "::ffff:192.0.2.1"), keys("aLICE", "192.0.2.1"));
        assert_eq!(keys("not a name", "2001:db8::1"), keys("NOT A NAME", "2001:db8::2"));
    }

    #[test]
    fn other_names_and_other_addresses_have_other_counters() {
        let [pair, account, address] = keys("alice", "192.0.2.1");

        let [other_pair, same_account, other_address] = keys("alice", "192.0.2.2");
        assert!(pair != other_pair && account == same_account && address != other_address);
        let [other_pair, other_account, same_address] = keys("alice ", "192.0.2.1");
        assert!(pair != other_pair && account != other_account && address == same_address);
        assert!(pair != account && account != address && pair != address);
    }

    #[test]
    fn only_a_well_formed_name_is_looked_up() {
        assert_eq!(attempt("alice", "::1").name, Username::parse("alice").ok());
        assert_eq!(attempt("al ice", "::1").name, None);
    }

    #[test]
    fn an_address_that_nobody_knows_stands_for_many() {
        assert_eq!(attempt("alice", "192.0.2.1").from, StandsFor::Client);
        assert_eq!(attempt("alice", "nowhere").from, StandsFor::Many);
    }
}
