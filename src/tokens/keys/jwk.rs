//! How a private key is written: a JWK (RFC 7517), so that other tools read it too.
//!
//! Owns one rule: what is read back is the key that was written, whole. Both halves stand there and must belong together, and
//! the name is worked out from them, so that a key which lost a character is refused and not used.

use aws_lc_rs::encoding::AsBigEndian as _;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Algorithm, SigningKey};
use crate::config::Secret;
use crate::error::{Error, Result};

/// Bytes of a P-256 coordinate, and of a point's two behind the mark for "uncompressed" (SEC 1 §2.3.3).
const COORDINATE: usize = 32;
const UNCOMPRESSED: u8 = 4;
/// Bytes of a drawn secret: as many as the hash has, beyond which a MAC key gains nothing (RFC 2104 §3).
const SECRET_BYTES: usize = 32;

/// A private key in writing. Its secret members are wiped when dropped; it has no `Debug`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrivateJwk {
    kty: KeyType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    crv: Option<Curve>,
    /// The public key, or its first coordinate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    x: Option<String>,
    /// The second coordinate of a P-256 key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    y: Option<String>,
    /// The private half (RFC 7518 §6.2.2.1, RFC 8037 §2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    d: Option<Zeroizing<String>>,
    /// The secret of an HS256 or MAC key (RFC 7518 §6.4.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    k: Option<Zeroizing<String>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum KeyType {
    #[serde(rename = "OKP")]
    OctetKeyPair,
    #[serde(rename = "EC")]
    EllipticCurve,
    #[serde(rename = "oct")]
    Octets,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Curve {
    Ed25519,
    #[serde(rename = "P-256")]
    P256,
}

/// A key that is not what it should be: incomplete, changed, or of two halves that do not belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unusable key")]
pub struct UnusableKey;

impl PrivateJwk {
    /// A new key from the system's randomness. Errors: [`Error::Internal`] where there is none.
    pub fn draw(algorithm: Algorithm) -> Result<Self> {
        let failed = |_| Error::Internal("drawing a key");
        match algorithm {
            Algorithm::EdDsa => {
                let pair = Ed25519KeyPair::generate().map_err(failed)?;
                let seed = pair.seed().map_err(failed)?;
                let seed = seed.as_be_bytes().map_err(failed)?;
                Ok(Self {
                    crv: Some(Curve::Ed25519),
                    x: Some(encoded(pair.public_key().as_ref())),
                    d: Some(Zeroizing::new(encoded(seed.as_ref()))),
                    ..Self::of(KeyType::OctetKeyPair)
                })
            }
            Algorithm::Es256 => {
                let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(failed)?;
                let scalar = pair.private_key().as_be_bytes().map_err(failed)?;
                let (x, y) = coordinates(pair.public_key().as_ref()).ok_or(Error::Internal("a point"))?;
                Ok(Self {
                    crv: Some(Curve::P256),
                    x: Some(x),
                    y: Some(y),
                    d: Some(Zeroizing::new(encoded(scalar.as_ref()))),
                    ..Self::of(KeyType::EllipticCurve)
                })
            }
            Algorithm::Hs256 => Self::draw_secret(),
        }
    }

    /// A new secret, for HS256 or for the MAC of refresh tokens.
    pub fn draw_secret() -> Result<Self> {
        let mut bytes = Zeroizing::new([0_u8; SECRET_BYTES]);
        aws_lc_rs::rand::fill(bytes.as_mut_slice()).map_err(|_| Error::Internal("drawing a secret"))?;
        let k = Some(Zeroizing::new(encoded(bytes.as_slice())));
        Ok(Self { k, ..Self::of(KeyType::Octets) })
    }

    /// Parses it once, for all tokens that it will sign. Errors: [`UnusableKey`].
    pub fn signing_key(&self) -> std::result::Result<SigningKey, UnusableKey> {
        match self {
            Self {
                kty: KeyType::OctetKeyPair,
                crv: Some(Curve::Ed25519),
                x: Some(x),
                y: None,
                d: Some(d),
                k: None,
            } => SigningKey::ed25519(&decoded(d)?, &decoded(x)?),
            Self {
                kty: KeyType::EllipticCurve,
                crv: Some(Curve::P256),
                x: Some(x),
                y: Some(y),
                d: Some(d),
                k: None,
            } => {
                let mut point = vec![UNCOMPRESSED];
                for coordinate in [decoded(x)?, decoded(y)?] {
                    point.extend_from_slice(&coordinate);
                }
                SigningKey::p256(&decoded(d)?, &point)
            }
            _ => self.secret().map(|secret| SigningKey::hs256(&secret)),
        }
    }

    /// The secret, where that is all there is. Errors: [`UnusableKey`].
    pub fn secret(&self) -> std::result::Result<Secret, UnusableKey> {
        match self {
            Self { kty: KeyType::Octets, crv: None, x: None, y: None, d: None, k: Some(k) } => {
                let bytes = decoded(k)?;
                if bytes.len() == SECRET_BYTES { Ok(Secret::new(bytes.to_vec())) } else { Err(UnusableKey) }
            }
            _ => Err(UnusableKey),
        }
    }

    fn of(kty: KeyType) -> Self {
        Self { kty, crv: None, x: None, y: None, d: None, k: None }
    }
}

/// Base64url without padding, as every member of a JWK (RFC 7515 §2).
pub(super) fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The two coordinates of an uncompressed point, each in its full length (RFC 7518 §6.2.1.2).
pub(super) fn coordinates(point: &[u8]) -> Option<(String, String)> {
    let (mark, both) = point.split_first()?;
    let (x, y) = both.split_at_checked(COORDINATE)?;
    (*mark == UNCOMPRESSED && y.len() == COORDINATE).then(|| (encoded(x), encoded(y)))
}

fn decoded(text: &str) -> std::result::Result<Zeroizing<Vec<u8>>, UnusableKey> {
    URL_SAFE_NO_PAD.decode(text).map(Zeroizing::new).map_err(|_| UnusableKey)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_was_written_reads_back_as_the_same_key() {
        for algorithm in Algorithm::ALL {
            let drawn = PrivateJwk::draw(algorithm).unwrap();
            let read: PrivateJwk = serde_json::from_str(&serde_json::to_string(&drawn).unwrap()).unwrap();

            let (drawn, read) = (drawn.signing_key().unwrap(), read.signing_key().unwrap());

            assert_eq!((drawn.kid(), drawn.algorithm()), (read.kid(), algorithm));
            assert!(read.verifies(b"message", drawn.sign(b"message").unwrap().as_ref()));
        }
    }

    #[test]
    fn halves_of_two_keys_make_none() {
        for algorithm in [Algorithm::EdDsa, Algorithm::Es256] {
            let (one, other) = (PrivateJwk::draw(algorithm).unwrap(), PrivateJwk::draw(algorithm).unwrap());
            let mixed = PrivateJwk { d: other.d.clone(), ..one.clone() };
            assert!(mixed.signing_key().is_err(), "{}", algorithm.name());
            assert!(one.secret().is_err());
        }
    }

    #[test]
    fn a_member_too_few_or_too_many_is_refused() {
        let pair = PrivateJwk::draw(Algorithm::EdDsa).unwrap();
        let secret = PrivateJwk::draw_secret().unwrap();
        let odd = [
            PrivateJwk { d: None, ..pair.clone() },
            PrivateJwk { x: None, ..pair.clone() },
            PrivateJwk { crv: None, ..pair.clone() },
            PrivateJwk { crv: Some(Curve::P256), ..pair.clone() },
            PrivateJwk { k: secret.k.clone(), ..pair.clone() },
            PrivateJwk { d: pair.d.clone(), ..secret.clone() },
            PrivateJwk { k: None, ..secret.clone() },
            PrivateJwk { k: Some(Zeroizing::new("c2hvcnQ".to_owned())), ..secret.clone() },
        ];
        for (at, key) in odd.iter().enumerate() {
            assert!(key.signing_key().is_err(), "{at}");
        }
    }
}
