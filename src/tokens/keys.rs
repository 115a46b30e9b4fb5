//! The keys behind access tokens, and their names.
//!
//! Owns two rules: a key is found by its exact `kid`, never by trying, and it does one algorithm. A key is parsed once, when the
//! ring is read, and signs from then on: jsonwebtoken would parse it again for every token, which costs EdDSA half its speed.
//!
//! [`PrivateJwk`] -> [`SigningKey`] -> signature bytes; for others, its [`public_jwk`](SigningKey::public_jwk)
//!
//! `jwk`: how a private key is written (RFC 7517).

mod jwk;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
    ParsedPublicKey, VerificationAlgorithm,
};
use aws_lc_rs::{digest, hmac, rand};
use jsonwebtoken::jwk::{
    AlgorithmParameters, CommonParameters, EllipticCurve, EllipticCurveKeyParameters, EllipticCurveKeyType, Jwk,
    KeyAlgorithm, OctetKeyPairParameters, OctetKeyPairType, PublicKeyUse, ThumbprintHash,
};

pub use self::jwk::{PrivateJwk, UnusableKey};
use crate::config::Secret;
use crate::error::{Error, Result};

/// Ties the digest to this use, so that a `kid` says nothing about the secret elsewhere.
const KID_CONTEXT: &[u8] = b"latchkey kid";
/// The same for the keys of refresh tokens.
const MAC_KID_CONTEXT: &[u8] = b"latchkey refresh kid";
/// Bytes of the digest that the name shows: 8 hex digits.
const KID_BYTES: usize = 4;
/// Bytes of an EdDSA or ES256 signature (RFC 8032 §5.1.6, RFC 7518 §3.4).
const LONGEST_SIGNATURE: usize = 64;
/// What every key signs and verifies before it is used.
const SELF_TEST: &[u8] = b"latchkey self-test";

/// What an access token can be signed with (RFC 7518 §3.1, RFC 8037 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// Ed25519: fast, deterministic, and the one to take for who verifies elsewhere.
    EdDsa,
    /// ECDSA on P-256 with SHA-256, for verifiers that know no EdDSA.
    Es256,
    /// HMAC with SHA-256: whoever verifies could also sign.
    Hs256,
}

impl Algorithm {
    /// Every one there is.
    pub const ALL: [Self; 3] = [Self::EdDsa, Self::Es256, Self::Hs256];

    /// Its name in headers, keys and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Hs256 => "HS256",
        }
    }

    /// The one of this name, spelt exactly so.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// The same, as jsonwebtoken calls it.
    pub(super) const fn in_header(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::Hs256 => jsonwebtoken::Algorithm::HS256,
        }
    }
}

/// A key that signs access tokens and verifies what it signed.
pub struct SigningKey {
    kid: String,
    pair: Pair,
}

enum Pair {
    EdDsa {
        private: Ed25519KeyPair,
        public: ParsedPublicKey,
    },
    Es256 {
        private: EcdsaKeyPair,
        public: ParsedPublicKey,
    },
    /// Some ten times as large as the others.
    Hs256(Box<hmac::Key>),
}

/// A signature, as long as its algorithm makes it: 64 bytes, or 32 of a MAC.
pub struct Signature {
    bytes: [u8; LONGEST_SIGNATURE],
    length: usize,
}

impl Signature {
    /// `None` where it is longer than any of ours.
    fn of(signature: &[u8]) -> Option<Self> {
        let (mut bytes, length) = ([0; LONGEST_SIGNATURE], signature.len());
        bytes.get_mut(..length)?.copy_from_slice(signature);
        Some(Self { bytes, length })
    }
}

impl AsRef<[u8]> for Signature {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl SigningKey {
    /// HS256 with a secret that verifiers share.
    pub fn hs256(secret: &Secret) -> Self {
        let pair = Pair::Hs256(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret.expose())));
        Self { kid: hs256_kid(secret), pair }
    }

    /// From a seed and its public key, 32 bytes each (RFC 8032 §5.1.5).
    fn ed25519(seed: &[u8], public: &[u8]) -> std::result::Result<Self, UnusableKey> {
        let private = Ed25519KeyPair::from_seed_and_public_key(seed, public).map_err(|_| UnusableKey)?;
        let public = parsed(&ED25519, private.public_key().as_ref())?;
        Self { kid: String::new(), pair: Pair::EdDsa { private, public } }.named_by_thumbprint()
    }

    /// From a private scalar of 32 bytes and its public point, uncompressed (SEC 1 §2.3.3).
    fn p256(scalar: &[u8], point: &[u8]) -> std::result::Result<Self, UnusableKey> {
        let private = EcdsaKeyPair::from_private_key_and_public_key(&ECDSA_P256_SHA256_FIXED_SIGNING, scalar, point)
            .map_err(|_| UnusableKey)?;
        let public = parsed(&ECDSA_P256_SHA256_FIXED, private.public_key().as_ref())?;
        Self { kid: String::new(), pair: Pair::Es256 { private, public } }.named_by_thumbprint()
    }

    fn named_by_thumbprint(mut self) -> std::result::Result<Self, UnusableKey> {
        let public = self.public_jwk().ok_or(UnusableKey)?;
        self.kid = public.thumbprint(ThumbprintHash::SHA256).map_err(|_| UnusableKey)?;
        Ok(self)
    }

    /// Its name in headers: the thumbprint of its public key (RFC 7638), or [`hs256_kid`].
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The one algorithm that it does.
    pub fn algorithm(&self) -> Algorithm {
        match self.pair {
            Pair::EdDsa { .. } => Algorithm::EdDsa,
            Pair::Es256 { .. } => Algorithm::Es256,
            Pair::Hs256(_) => Algorithm::Hs256,
        }
    }

    /// Signs. Errors: [`Error::Internal`] where the cryptography fails, which for ES256 includes the system's randomness.
    pub fn sign(&self, message: &[u8]) -> Result<Signature> {
        let made = match &self.pair {
            Pair::EdDsa { private, .. } => {
                private.try_sign(message).ok().and_then(|signature| Signature::of(signature.as_ref()))
            }
            Pair::Es256 { private, .. } => private
                .sign(&rand::SystemRandom::new(), message)
                .ok()
                .and_then(|signature| Signature::of(signature.as_ref())),
            Pair::Hs256(key) => Signature::of(hmac::sign(key, message).as_ref()),
        };
        made.ok_or(Error::Internal("signature"))
    }

    /// Whether this key signed the message. A MAC is compared in constant time.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.pair {
            Pair::EdDsa { public, .. } | Pair::Es256 { public, .. } => public.verify_sig(message, signature).is_ok(),
            Pair::Hs256(key) => hmac::verify(key, message, signature).is_ok(),
        }
    }

    /// Signs once, and sees that the signature stands and that nothing else stands under it: a key whose halves do not belong
    /// together would otherwise be found by everybody who verifies.
    pub fn passes_self_test(&self) -> bool {
        self.sign(SELF_TEST).is_ok_and(|signature| {
            self.verifies(SELF_TEST, signature.as_ref()) && !self.verifies(KID_CONTEXT, signature.as_ref())
        })
    }

    /// What others verify with (RFC 7517 §4, RFC 8037 §2); `None` where that would be the secret itself.
    pub fn public_jwk(&self) -> Option<Jwk> {
        let (key_algorithm, algorithm) = match &self.pair {
            Pair::EdDsa { private, .. } => {
                let x = jwk::encoded(private.public_key().as_ref());
                let curve = EllipticCurve::Ed25519;
                let parameters = OctetKeyPairParameters { key_type: OctetKeyPairType::OctetKeyPair, curve, x };
                (KeyAlgorithm::EdDSA, AlgorithmParameters::OctetKeyPair(parameters))
            }
            Pair::Es256 { private, .. } => {
                let (x, y) = jwk::coordinates(private.public_key().as_ref())?;
                let (key_type, curve) = (EllipticCurveKeyType::EC, EllipticCurve::P256);
                let parameters = EllipticCurveKeyParameters { key_type, curve, x, y };
                (KeyAlgorithm::ES256, AlgorithmParameters::EllipticCurve(parameters))
            }
            Pair::Hs256(_) => return None,
        };
        let common = CommonParameters {
            public_key_use: Some(PublicKeyUse::Signature),
            key_algorithm: Some(key_algorithm),
            key_id: Some(self.kid.clone()),
            ..CommonParameters::default()
        };
        Some(Jwk { common, algorithm })
    }
}

fn parsed(
    algorithm: &'static dyn VerificationAlgorithm,
    public: &[u8],
) -> std::result::Result<ParsedPublicKey, UnusableKey> {
    ParsedPublicKey::new(algorithm, public).map_err(|_| UnusableKey)
}

/// The `kid` of an HS256 key: `hs-` and the first 8 hex digits of SHA-256 over `latchkey kid` ‖ secret.
pub fn hs256_kid(secret: &Secret) -> String {
    digest_name("hs-", KID_CONTEXT, secret)
}

/// What a MAC key of refresh tokens is called, by people and in the ring: `rt-` and the like. In the tokens it is a number.
pub fn mac_kid(secret: &Secret) -> String {
    digest_name("rt-", MAC_KID_CONTEXT, secret)
}

fn digest_name(prefix: &str, tie: &[u8], secret: &Secret) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(tie);
    context.update(secret.expose());
    context.finish().as_ref().iter().take(KID_BYTES).fold(prefix.to_owned(), |kid, byte| kid + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hs256_kid_is_the_digest_that_the_contract_says() {
        // printf 'latchkey kid0123456789abcdef0123456789abcdef' | sha256sum
        let secret = Secret::new(b"0123456789abcdef0123456789abcdef".to_vec());
        assert_eq!(hs256_kid(&secret), "hs-50444d77");
    }

    #[test]
    fn a_drawn_key_passes_its_self_test_and_another_does_not_verify_what_it_signed() {
        for algorithm in Algorithm::ALL {
            let (one, other) = (drawn(algorithm), drawn(algorithm));
            assert!(one.passes_self_test());
            let signature = one.sign(b"message").unwrap();
            assert!(one.verifies(b"message", signature.as_ref()));
            assert!(!other.verifies(b"message", signature.as_ref()));
        }
    }

    #[test]
    fn only_a_public_key_is_published_and_without_its_private_half() {
        for algorithm in Algorithm::ALL {
            let written = drawn(algorithm).public_jwk().map(|jwk| serde_json::to_value(jwk).unwrap());
            let Some(written) = written else {
                assert_eq!(algorithm, Algorithm::Hs256);
                continue;
            };
            assert_eq!((&written["use"], &written["alg"]), (&"sig".into(), &algorithm.name().into()));
            assert!(written.get("d").is_none() && written.get("k").is_none());
        }
    }

    fn drawn(algorithm: Algorithm) -> SigningKey {
        PrivateJwk::draw(algorithm).unwrap().signing_key().unwrap()
    }
}
