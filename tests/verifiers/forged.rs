//! Tokens that nobody may believe, made of one that everybody does.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::sign;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use crate::support::forge::{encoded, message, parts, with};

/// The same token about somebody else.
pub fn with_another_subject(token: &str) -> String {
    let (header, claims) = parts(token);
    let somebody = with(&claims, "sub", "00000000-0000-7000-8000-000000000000");
    format!("{}.{}", message(header, somebody), signature(token))
}

/// The same token with one bit of its signature turned over.
pub fn with_another_signature(token: &str) -> String {
    let (message, signature) = token.rsplit_once('.').unwrap();
    let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    bytes[0] ^= 1;
    format!("{message}.{}", encoded(bytes))
}

/// A key that is nobody's.
pub struct SecondKey(Algorithm, EncodingKey);

impl SecondKey {
    pub fn of(algorithm: &str) -> Self {
        let algorithm: Algorithm = algorithm.parse().unwrap();
        let key = match algorithm {
            Algorithm::EdDSA => {
                EncodingKey::from_ed_der(Ed25519KeyPair::generate().unwrap().to_pkcs8v1().unwrap().as_ref())
            }
            Algorithm::ES256 => {
                let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
                EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref())
            }
            other => panic!("no key of {other:?} here"),
        };
        Self(algorithm, key)
    }

    /// The same token under this key, as if it were the one that its `kid` names.
    pub fn signed_again(&self, token: &str) -> String {
        let (header, claims) = parts(token);
        self.signed_as(&header, &claims)
    }

    /// The same token under this key, with a `kid` of its own.
    pub fn signed(&self, token: &str, kid: &str) -> String {
        let (header, claims) = parts(token);
        self.signed_as(&with(&header, "kid", kid), &claims)
    }

    /// Any token under this key.
    pub fn signed_as(&self, header: &Value, claims: &Value) -> String {
        let message = message(header, claims);
        let signature = sign(message.as_bytes(), &self.1, self.0).unwrap();
        format!("{message}.{signature}")
    }

    /// What the world would know of it.
    pub fn published(&self, kid: &str) -> Value {
        let key = json!(Jwk::from_encoding_key(&self.1, self.0).unwrap());
        with(&with(&key, "kid", kid), "use", "sig")
    }
}

fn signature(token: &str) -> &str {
    token.rsplit_once('.').unwrap().1
}
