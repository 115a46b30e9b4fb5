//! JWT access tokens (RFC 9068), signed from a grant and verified.
//!
//! Owns every check that an access token must pass except revocation, which the caller looks up afterwards. Which key, which
//! header and which claims are accepted is decided here, because jsonwebtoken's own validation skips what is absent, reads the
//! system's clock and does not look at `typ`; nor does it sign, because it would set the key up anew for every token.
//!
//! grant + transaction time -> [`AccessTokens::mint`] -> `header.claims.signature` -> [`AccessTokens::verify`] -> [`Identity`]
//!
//! Which key signs is told by the transaction's time, and so is until when a key verifies: no node changes over at another moment
//! than the others, and what the last one signed dies before its key does.

use std::borrow::Cow;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Header;
use jsonwebtoken::jwk::JwkSet;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::config::Secret;
use crate::error::{Error, Result};
use crate::tokens::grant::Grant;
use crate::tokens::keys::SigningKey;
use crate::tokens::principal::{Principal, Role, UserId, Username, Version};
use crate::tokens::refresh::SessionId;
use crate::tokens::ring::Term;
use crate::tokens::ring::term::signer_at;

/// The media type of an access token, so that no other JWT of ours can pass for one (RFC 9068 §2.1).
const TYPE: &str = "at+jwt";
/// The client that a login over the REST API stands for (claim `client_id`, RFC 9068 §2.2).
pub const FIRST_PARTY: &str = "first-party";
/// Nothing that we sign comes near it; longer input is not worth decoding. In bytes.
const LONGEST: usize = 8 * 1024;
/// How far ahead `iat` may be: two nodes' clocks, not a token from tomorrow.
const IAT_LEEWAY: Duration = Duration::from_secs(5);

/// Bytes that are decoded of a signature, at most: the longest has 64, and one more shows that it is none.
const SIGNATURE_ROOM: usize = 65;

/// Signs access tokens with one key at a time and verifies those of every key it knows.
pub struct AccessTokens {
    /// In the order of their terms.
    keys: Vec<(Key, Term)>,
    issuer: String,
    audience: String,
    ttl: Duration,
    ttl_seconds: i64,
    instance: u128,
}

/// One key, one algorithm: a token that names another algorithm for this key is refused.
struct Key {
    key: SigningKey,
    /// The header of every token this key signs, encoded: recognising it spares the parse.
    encoded_header: String,
}

/// What every access token of a service claims.
#[derive(Debug, Clone, Copy)]
pub struct Claimed<'a> {
    /// `iss`.
    pub issuer: &'a str,
    /// `aud`.
    pub audience: &'a str,
    /// `exp - iat`; whole seconds count.
    pub ttl: Duration,
}

/// What a verified access token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Who is calling.
    pub principal: Principal,
    /// Under which session.
    pub session: SessionId,
    /// When the token ends.
    pub expires_at: Timestamp,
}

/// A token that we signed as it is and that our rules accept, at some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authentic {
    /// What it says.
    pub identity: Identity,
    /// When it was signed.
    pub issued_at: Timestamp,
    /// Its name among all tokens.
    pub jti: Uuid,
    /// Until when the key that signed it verifies, if that is known.
    key_ends_at: Option<Timestamp>,
}

/// A signed access token on its way out.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// The compact JWS.
    pub text: String,
    /// Its lifetime in seconds, from the transaction's time.
    pub expires_in: u64,
}

/// The claims, all of them required. A claim that appears twice is refused by the typed parse.
#[derive(Serialize, Deserialize)]
struct Claims<'a> {
    #[serde(borrow)]
    iss: Cow<'a, str>,
    #[serde(borrow)]
    aud: Cow<'a, str>,
    sub: UserId,
    #[serde(borrow)]
    client_id: Cow<'a, str>,
    #[serde(borrow)]
    username: Cow<'a, str>,
    roles: Cow<'a, [Role]>,
    sid: SessionId,
    ver: Version,
    iat: i64,
    exp: i64,
    jti: Uuid,
}

/// The header members that decide; `jku`, `jwk`, `x5u` and `x5c` are not among them, so a token cannot bring its own key.
#[derive(Deserialize)]
struct PresentedHeader<'a> {
    #[serde(borrow)]
    typ: Cow<'a, str>,
    #[serde(borrow)]
    alg: Cow<'a, str>,
    #[serde(borrow)]
    kid: Cow<'a, str>,
    /// Whether there are extensions that must be understood (RFC 7515 §4.1.11); we understand none.
    #[serde(default, deserialize_with = "present")]
    crit: bool,
}

impl AccessTokens {
    /// With keys in the order of their terms, the last of which goes on.
    ///
    /// Errors: [`Error::Internal`] where there is none, or a header cannot be encoded.
    pub fn new(keys: Vec<(SigningKey, Term)>, claimed: Claimed<'_>) -> Result<Self> {
        if keys.is_empty() {
            return Err(Error::Internal("no signing key"));
        }
        let keys = keys.into_iter().map(|(key, term)| Ok((Key::new(key)?, term))).collect::<Result<_>>()?;
        let Claimed { issuer, audience, ttl } = claimed;
        let ttl_seconds = i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX);
        let (issuer, audience) = (issuer.to_owned(), audience.to_owned());
        Ok(Self { keys, issuer, audience, ttl, ttl_seconds, instance: rand::random() })
    }

    /// HS256 with `secret` for ever. Errors: those of [`AccessTokens::new`].
    pub fn hs256(secret: &Secret, claimed: Claimed<'_>) -> Result<Self> {
        Self::new(vec![(SigningKey::hs256(secret), Term::ALWAYS)], claimed)
    }

    /// The public keys of what may still be alive or will be signed (RFC 7517 §5); none where every key is a shared secret.
    pub fn jwks(&self, now: Timestamp) -> JwkSet {
        let verifying = self.keys.iter().rev().filter(|(_, term)| term.verifies_at(now, self.ttl));
        JwkSet { keys: verifying.filter_map(|(key, _)| key.key.public_jwk()).collect() }
    }

    /// The name of the key that signs what is granted at this time.
    pub fn signer(&self, granted_at: Timestamp) -> Option<&str> {
        signer_at(&self.keys, granted_at).map(|key| key.key.kid())
    }

    /// Signs the access token of a grant: issued at the time of the transaction that granted it, and never outliving the
    /// session's absolute limit. Errors: [`Error::Internal`] where the claims cannot be encoded.
    pub fn mint(&self, grant: &Grant) -> Result<AccessToken> {
        let iat = grant.granted_at.as_unix_seconds();
        let exp = iat.saturating_add(self.ttl_seconds).min(grant.absolute_expires_at.as_unix_seconds());
        let claims = Claims {
            iss: Cow::Borrowed(&self.issuer),
            aud: Cow::Borrowed(&self.audience),
            sub: grant.principal.id,
            client_id: Cow::Borrowed(FIRST_PARTY),
            username: Cow::Borrowed(grant.principal.username.as_str()),
            roles: Cow::Borrowed(&grant.principal.roles),
            sid: grant.session,
            ver: grant.principal.version,
            iat,
            exp,
            jti: uuid::Builder::from_random_bytes(rand::random()).into_uuid(),
        };
        let claims = serde_json::to_vec(&claims).map_err(|_| Error::Internal("JWT claims"))?;
        let signer = signer_at(&self.keys, grant.granted_at).ok_or(Error::Internal("no signing key"))?;
        let mut text = String::with_capacity(512);
        text.push_str(&signer.encoded_header);
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(claims, &mut text);
        let signature = signer.key.sign(text.as_bytes())?;
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut text);
        Ok(AccessToken { text, expires_in: u64::try_from(exp.saturating_sub(iat)).unwrap_or(0) })
    }

    /// Checks all of a token but revocation. Errors: [`Error::InvalidToken`], whatever is wrong with it.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Identity> {
        let authentic = self.authenticate(token)?;
        if authentic.is_valid_at(now) { Ok(authentic.identity) } else { Err(Error::InvalidToken) }
    }

    /// Checks what does not change with time, and that is not enough: [`Authentic::is_valid_at`] and revocation are left to
    /// ask at each use. Errors: [`Error::InvalidToken`], whatever is wrong with it.
    pub fn authenticate(&self, token: &str) -> Result<Authentic> {
        self.read(token).ok_or(Error::InvalidToken)
    }

    /// Claim `iss` of what is signed here.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Claim `aud` of what is signed here.
    pub fn audience(&self) -> &str {
        &self.audience
    }

    /// Tells these keys and rules from any others: what was authentic here need not be so there.
    pub fn instance(&self) -> u128 {
        self.instance
    }

    fn read(&self, token: &str) -> Option<Authentic> {
        if token.len() > LONGEST {
            return None;
        }
        let (message, signature) = token.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        let (key, term) = self.key_of(header)?;
        key.verify(message, signature)?;
        let claims = URL_SAFE_NO_PAD.decode(claims).ok()?;
        self.accept(object(&claims)?, term)
    }

    /// The key that the header names, if it names it in full: exact `kid`, that key's algorithm, our type, no `crit`.
    fn key_of(&self, encoded_header: &str) -> Option<&(Key, Term)> {
        let mut newest_first = self.keys.iter().rev();
        if let Some(found) = newest_first.clone().find(|(key, _)| key.encoded_header == encoded_header) {
            return Some(found);
        }
        let header = URL_SAFE_NO_PAD.decode(encoded_header).ok()?;
        let header: PresentedHeader<'_> = object(&header)?;
        let found = newest_first.find(|(key, _)| key.key.kid() == header.kid)?;
        let named = header.alg == found.0.key.algorithm().name() && header.typ == TYPE && !header.crit;
        named.then_some(found)
    }

    fn accept(&self, claims: Claims<'_>, term: &Term) -> Option<Authentic> {
        let expires_at = Timestamp::from_millis(claims.exp.checked_mul(1000)?);
        let issued_at = Timestamp::from_millis(claims.iat.checked_mul(1000)?);
        let lifetime = claims.exp.checked_sub(claims.iat)?;
        let ours = claims.iss == self.issuer && claims.aud == self.audience;
        if !ours || lifetime > self.ttl_seconds {
            return None;
        }
        let principal = Principal {
            id: claims.sub,
            username: Username::parse(&claims.username).ok()?,
            roles: claims.roles.into_owned(),
            version: claims.ver,
        };
        let identity = Identity { principal, session: claims.sid, expires_at };
        Some(Authentic { identity, issued_at, jti: claims.jti, key_ends_at: term.verifies_until(self.ttl) })
    }
}

impl Authentic {
    /// Whether the token is to be accepted at this time, if nothing of it ended.
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        now < self.identity.expires_at
            && self.issued_at <= now.plus(IAT_LEEWAY)
            && self.key_ends_at.is_none_or(|key_ends_at| now < key_ends_at)
    }
}

impl Key {
    fn new(key: SigningKey) -> Result<Self> {
        let mut header = Header::new(key.algorithm().in_header());
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(key.kid().to_owned());
        let header = serde_json::to_vec(&header).map_err(|_| Error::Internal("JWT header"))?;
        Ok(Self { key, encoded_header: URL_SAFE_NO_PAD.encode(header) })
    }

    /// Checks the signature of a message.
    fn verify(&self, message: &str, signature: &str) -> Option<()> {
        let mut bytes = [0_u8; SIGNATURE_ROOM];
        let length = URL_SAFE_NO_PAD.decode_slice(signature, &mut bytes).ok()?;
        self.key.verifies(message.as_bytes(), bytes.get(..length)?).then_some(())
    }
}

/// A JSON object: serde would read a list of the values into a struct as well (RFC 7515 §4, RFC 7519 §4).
fn object<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Option<T> {
    json.trim_ascii_start().starts_with(b"{").then(|| serde_json::from_slice(json).ok())?
}

/// True for a member that is there, whatever it holds: as an `Option` a null would pass for none.
fn present<'a, D: Deserializer<'a>>(deserializer: D) -> std::result::Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

#[cfg(test)]
mod tests;
