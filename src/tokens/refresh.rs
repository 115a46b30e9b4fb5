//! The bytes of a refresh token.
//!
//! Owns one rule: a token is a pure function of session and generation, and of the key that signed when this generation came to
//! be, so that a retry can be given the same successor without any token being stored. Never touches state: a forged token ends
//! here.
//!
//! `lkr_` + unpadded base64url over 54 bytes:
//! `version(1) ‖ key id(1) ‖ session id(16) ‖ generation(4, big endian) ‖ HMAC-SHA-256 over the 22 bytes before it (32)`

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::config::Secret;
use crate::error::{Error, GrantRefusal, Result};
use crate::tokens::ring::Term;
use crate::tokens::ring::term::signer_at;

/// Says what kind of secret this is to people and to secret scanners.
const PREFIX: &str = "lkr_";
/// The layout above; another layout would be another number.
const LAYOUT_VERSION: u8 = 1;
/// Bytes under the MAC: version, key id, session id, generation.
const SIGNED_LENGTH: usize = 22;
/// All bytes: the signed ones and an HMAC-SHA-256.
const TOKEN_LENGTH: usize = SIGNED_LENGTH + 32;
/// Characters after the prefix: 54 bytes are exactly 72 base64 characters, so there is one spelling of each token.
const ENCODED_LENGTH: usize = 72;

/// What every key signs and verifies before it is used.
const SELF_TEST: &[u8] = b"latchkey self-test";

/// A session's id: a UUIDv7. Not a secret; the MAC is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(pub Uuid);

impl SessionId {
    /// Reads an id as answers write it, in 36 characters; the other spellings of a UUID are none of ours.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() == 36 { Uuid::try_parse(text).ok().map(Self) } else { None }
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// Which token of its session this is: 1 at login, one more with each rotation. There is no generation 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(NonZeroU32);

impl Generation {
    /// What a session opens with.
    pub const FIRST: Self = Self(NonZeroU32::MIN);
    /// A session that got this far is over.
    pub const LAST: Self = Self(NonZeroU32::MAX);

    /// The generation with this number; `None` for 0.
    pub fn new(number: u32) -> Option<Self> {
        NonZeroU32::new(number).map(Self)
    }

    /// Its number, from 1.
    pub fn number(self) -> u32 {
        self.0.get()
    }

    /// The next one; `None` after [`LAST`](Self::LAST).
    pub fn successor(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }
}

/// What an authentic token says: our key signed exactly this. Whether it still buys anything is `rotation`'s question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presented {
    /// The session that it belongs to.
    pub session: SessionId,
    /// Which of the session's tokens it is.
    pub generation: Generation,
}

/// A refresh token on its way out. `Debug` and logs never show it.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct RefreshToken(String);

impl RefreshToken {
    /// The text for the answer's body, and for nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("RefreshToken(…)")
    }
}

/// The MAC keys of refresh tokens: one signs at a time, each verifies the tokens that carry its id.
pub struct RefreshKeys {
    /// In the order of their terms.
    keys: Vec<(MacKey, Term)>,
    session_ttl: Duration,
}

/// A MAC key and its number.
pub struct MacKey {
    id: u8,
    key: hmac::Key,
}

impl MacKey {
    /// With the number that goes into each token.
    pub fn new(id: u8, secret: &Secret) -> Self {
        Self { id, key: hmac::Key::new(hmac::HMAC_SHA256, secret.expose()) }
    }

    /// Signs once, and sees that the MAC stands and that nothing else stands under it.
    pub fn passes_self_test(&self) -> bool {
        let mac = hmac::sign(&self.key, SELF_TEST);
        hmac::verify(&self.key, SELF_TEST, mac.as_ref()).is_ok()
            && hmac::verify(&self.key, PREFIX.as_bytes(), mac.as_ref()).is_err()
    }
}

impl RefreshKeys {
    /// One key for ever, with the number that goes into each token.
    pub fn new(id: u8, secret: &Secret) -> Self {
        Self { keys: vec![(MacKey::new(id, secret), Term::ALWAYS)], session_ttl: Duration::MAX }
    }

    /// With keys in the order of their terms, each of which verifies for `session_ttl` after it last signed: no session that it
    /// signed for is older, idle or not. `None` where there is no key.
    pub fn of(keys: Vec<(MacKey, Term)>, session_ttl: Duration) -> Option<Self> {
        if keys.is_empty() { None } else { Some(Self { keys, session_ttl }) }
    }

    /// The token of this generation of this session, which came to be at `made_at`. A retry is given the same text by that, also
    /// where another key signs meanwhile.
    ///
    /// Errors: [`Error::Internal`] where there is no key.
    pub fn mint(&self, session: SessionId, generation: Generation, made_at: Timestamp) -> Result<RefreshToken> {
        let signer = signer_at(&self.keys, made_at).ok_or(Error::Internal("no MAC key"))?;
        let mut bytes = Vec::with_capacity(TOKEN_LENGTH);
        bytes.push(LAYOUT_VERSION);
        bytes.push(signer.id);
        bytes.extend_from_slice(session.0.as_bytes());
        bytes.extend_from_slice(&generation.number().to_be_bytes());
        let mac = hmac::sign(&signer.key, &bytes);
        bytes.extend_from_slice(mac.as_ref());

        let mut text = String::with_capacity(PREFIX.len() + ENCODED_LENGTH);
        text.push_str(PREFIX);
        URL_SAFE_NO_PAD.encode_string(&bytes, &mut text);
        Ok(RefreshToken(text))
    }

    /// Reads a token that one of our keys signed and that may live still; the MAC is compared in constant time.
    ///
    /// Errors: [`Error::InvalidGrant`] with [`GrantRefusal::Unknown`] for anything else, whatever is wrong with it.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Presented> {
        self.read(token, now).ok_or(Error::InvalidGrant(GrantRefusal::Unknown))
    }

    fn read(&self, token: &str, now: Timestamp) -> Option<Presented> {
        let encoded = token.strip_prefix(PREFIX).filter(|rest| rest.len() == ENCODED_LENGTH)?;
        let mut bytes = [0_u8; TOKEN_LENGTH];
        let length = URL_SAFE_NO_PAD.decode_slice(encoded, &mut bytes).ok()?;
        if length != TOKEN_LENGTH {
            return None;
        }
        let (signed, mac) = bytes.split_at(SIGNED_LENGTH);
        let (version, rest) = signed.split_first()?;
        let (key_id, rest) = rest.split_first()?;
        let (session, generation) = rest.split_first_chunk::<16>()?;
        let (key, term) = self.keys.iter().rev().find(|(key, _)| key.id == *key_id)?;
        if *version != LAYOUT_VERSION || !term.verifies_at(now, self.session_ttl) {
            return None;
        }
        hmac::verify(&key.key, signed, mac).ok()?;
        Some(Presented {
            session: SessionId(Uuid::from_bytes(*session)),
            generation: Generation::new(u32::from_be_bytes(generation.try_into().ok()?))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn keys() -> RefreshKeys {
        RefreshKeys::new(1, &Secret::new(b"a test key of more than 32 bytes, used nowhere else".to_vec()))
    }

    fn session() -> SessionId {
        SessionId(Uuid::from_u128(0x0192_3f5e_8a00_7000_8000_0000_0000_0001))
    }

    #[test]
    fn a_token_is_the_prefix_and_72_characters_and_reads_back() {
        let token = keys().mint(session(), Generation::FIRST, NOW).unwrap();

        assert_eq!(token.expose().len(), 76);
        assert!(token.expose().starts_with("lkr_"));
        let presented = keys().verify(token.expose(), NOW).unwrap();
        assert_eq!(presented, Presented { session: session(), generation: Generation::FIRST });
    }

    #[test]
    fn the_bytes_are_laid_out_as_documented() {
        let token = keys().mint(session(), Generation::new(0x0102_0304).unwrap(), NOW).unwrap();

        let bytes = URL_SAFE_NO_PAD.decode(&token.expose()[4..]).unwrap();

        assert_eq!(bytes.len(), 54);
        assert_eq!(bytes[..2], [1, 1]);
        assert_eq!(bytes[2..18], *session().0.as_bytes());
        assert_eq!(bytes[18..22], [1, 2, 3, 4]);
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"a test key of more than 32 bytes, used nowhere else");
        assert_eq!(bytes[22..], *hmac::sign(&key, &bytes[..22]).as_ref());
    }

    #[test]
    fn one_flipped_bit_anywhere_makes_a_stranger_of_it() {
        let token = keys().mint(session(), Generation::FIRST, NOW).unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(&token.expose()[4..]).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut forged = bytes.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            let forged = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(&forged));
            assert_eq!(keys().verify(&forged, NOW), Err(Error::InvalidGrant(GrantRefusal::Unknown)), "bit {bit}");
        }
    }

    #[test]
    fn generation_zero_is_malformed_even_under_an_authentic_mac() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"a test key of more than 32 bytes, used nowhere else");
        let mut bytes = vec![1, 1];
        bytes.extend_from_slice(session().0.as_bytes());
        bytes.extend_from_slice(&[0; 4]);
        let mac = hmac::sign(&key, &bytes);
        bytes.extend_from_slice(mac.as_ref());

        let token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(&bytes));

        assert_eq!(keys().verify(&token, NOW), Err(Error::InvalidGrant(GrantRefusal::Unknown)));
    }

    #[test]
    fn each_number_has_its_own_key_and_a_retry_is_given_the_text_of_its_own_time() {
        let (first, second) = (Secret::new(vec![1; 32]), Secret::new(vec![2; 32]));
        let ttl = Duration::from_secs(60);
        let hands_over = Term { retires_at: Some(NOW), ..Term::ALWAYS };
        let keys = [(MacKey::new(1, &first), hands_over), (MacKey::new(2, &second), Term::from(NOW))];
        let keys = RefreshKeys::of(keys.into(), ttl).unwrap();
        let before = NOW.minus(Duration::from_millis(1));
        let minted = |made_at| keys.mint(session(), Generation::FIRST, made_at).unwrap();
        let alone = |id, secret| RefreshKeys::new(id, secret).mint(session(), Generation::FIRST, NOW).unwrap();

        assert_eq!(minted(before), alone(1, &first));
        assert_eq!(minted(NOW), alone(2, &second));
        for crossed in [alone(1, &second), alone(2, &first), alone(3, &first)] {
            assert!(keys.verify(crossed.expose(), NOW).is_err());
        }
        // The new one is believed before it signs, the old one for as long as its last session lives.
        assert!(keys.verify(minted(NOW).expose(), before).is_ok());
        let last = NOW.plus(ttl).minus(Duration::from_millis(1));
        assert!(keys.verify(minted(before).expose(), last).is_ok());
        assert!(keys.verify(minted(before).expose(), NOW.plus(ttl)).is_err());
    }

    #[test]
    fn debug_output_does_not_show_the_token() {
        let token = keys().mint(session(), Generation::FIRST, NOW).unwrap();
        assert!(!format!("{token:?}").contains(&token.expose()[4..]));
    }
}
