//! Key rings made by hand, and what their keys can sign.
//!
//! Written from the documents and not with the service's code, so that the two have to agree.

use aws_lc_rs::encoding::AsBigEndian as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use aws_lc_rs::{digest, hmac};
use serde_json::{Value, json};

use super::forge::{encoded, message};

/// A key of a ring, in the test's hands.
pub struct RingKey {
    pub alg: &'static str,
    pub kid: String,
    /// As it stands in the ring, private members included.
    pub jwk: Value,
    /// The public key, 32 bytes or an uncompressed point; the secret of an HS256 key.
    pub public: Vec<u8>,
    pair: Pair,
}

enum Pair {
    EdDsa(Ed25519KeyPair),
    Es256(EcdsaKeyPair),
    Hs256(Vec<u8>),
}

impl RingKey {
    pub fn eddsa() -> Self {
        let pair = Ed25519KeyPair::generate().unwrap();
        let public = pair.public_key().as_ref().to_vec();
        let members = json!({"crv": "Ed25519", "kty": "OKP", "x": encoded(&public)});
        let mut jwk = members.clone();
        jwk["d"] = encoded(pair.seed().unwrap().as_be_bytes().unwrap().as_ref()).into();
        Self { alg: "EdDSA", kid: thumbprint(&members), jwk, public, pair: Pair::EdDsa(pair) }
    }

    pub fn es256() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let public = pair.public_key().as_ref().to_vec();
        let (x, y) = (encoded(&public[1..33]), encoded(&public[33..]));
        let members = json!({"crv": "P-256", "kty": "EC", "x": x, "y": y});
        let mut jwk = members.clone();
        jwk["d"] = encoded(pair.private_key().as_be_bytes().unwrap().as_ref()).into();
        Self { alg: "ES256", kid: thumbprint(&members), jwk, public, pair: Pair::Es256(pair) }
    }

    pub fn hs256() -> Self {
        let secret: [u8; 32] = aws_lc_rs::rand::generate(&SystemRandom::new()).unwrap().expose();
        let jwk = json!({"kty": "oct", "k": encoded(secret)});
        let kid = super::forge::kid(&secret);
        Self { alg: "HS256", kid, jwk, public: secret.to_vec(), pair: Pair::Hs256(secret.to_vec()) }
    }

    /// The header of every token that it signs.
    pub fn header(&self) -> Value {
        json!({"typ": "at+jwt", "alg": self.alg, "kid": self.kid})
    }

    /// Signs any message, as a JWT writes it.
    pub fn signature(&self, message: &str) -> Vec<u8> {
        let bytes = message.as_bytes();
        match &self.pair {
            Pair::EdDsa(pair) => pair.sign(bytes).as_ref().to_vec(),
            Pair::Es256(pair) => pair.sign(&SystemRandom::new(), bytes).unwrap().as_ref().to_vec(),
            Pair::Hs256(secret) => hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), bytes).as_ref().to_vec(),
        }
    }

    /// A JWT of these texts under this key.
    pub fn jwt(&self, header: impl std::fmt::Display, claims: impl std::fmt::Display) -> String {
        let message = message(header, claims);
        format!("{message}.{}", encoded(self.signature(&message)))
    }

    /// Its line in a ring; `None` for a time: from the beginning, without an end.
    pub fn line(&self, activates_at: Option<&str>, retires_at: Option<&str>) -> Value {
        let mut line = json!({"kid": self.kid, "alg": self.alg, "key": self.jwk});
        for (member, time) in [("activates_at", activates_at), ("retires_at", retires_at)] {
            if let Some(time) = time {
                line[member] = time.into();
            }
        }
        line
    }
}

/// The text of a ring with these lines of access-token keys; that of refresh tokens is the setting.
pub fn ring(access_tokens: &[Value]) -> String {
    json!({"version": 1, "access_tokens": access_tokens, "refresh_tokens": []}).to_string()
}

/// RFC 7638: SHA-256 over the required members, in the order of their names and without white space.
fn thumbprint(members: &Value) -> String {
    encoded(digest::digest(&digest::SHA256, members.to_string().as_bytes()))
}
